# SPDX-License-Identifier: ISC
"""Where mail goes: spec R-20 to R-33g, R-50 to R-54."""

from beside.case import PROXY, Group, Mail

SOFT = "450 4.2.0 come again"
HARD = "550 5.1.1 nobody here"


def mx(domain, *hosts):
    """Lines of dnsmasq: the domain's mail exchangers with preference 10, 20, ...; each is "name" or "name=address"."""
    lines = []
    for number, host in enumerate(hosts):
        name, _, address = host.partition("=")
        lines.append(f"mx-host={domain},{name},{10 + 10 * number}")
        lines += [f"host-record={name},{address}"] if address else []
    return lines


HOPS = [
    Mail("R-30 R-31 [host]: its MX does not count", "u@d1.tld", "sent 2.0.0", {"10.9.3.1": {}},
         ["host-record=h1.tld,10.9.3.1", "mx-host=h1.tld,gone.tld,10"], "d1.tld smtp:[h1.tld]"),
    Mail("R-30 [host]:port", "u@d2.tld", "sent 2.0.0", {"10.9.3.2:2525": {}},
         ["host-record=h2.tld,10.9.3.2"], "d2.tld smtp:[h2.tld]:2525"),
    Mail("R-30 host:port", "u@d3.tld", "sent 2.0.0", {"10.9.3.3:2525": {}},
         ["host-record=h3.tld,10.9.3.3"], "d3.tld smtp:h3.tld:2525"),
    Mail("R-30 [address]", "u@d4.tld", "sent 2.0.0", {"10.9.3.4": {}}, transport="d4.tld smtp:[10.9.3.4]"),
    Mail("R-30 address without brackets", "u@d4a.tld", "sent 2.0.0", {"10.9.3.24": {}},
         transport="d4a.tld smtp:10.9.3.24"),
    Mail("R-30 port by name", "u@d4b.tld", "sent 2.0.0", {"10.9.3.25": {}}, transport="d4b.tld smtp:[10.9.3.25]:smtp"),
    Mail("R-31 a host with MX records of its own", "u@d4c.tld", "sent 2.0.0", {"10.9.3.26": {}, "10.9.3.27": {}},
         ["host-record=h4c.tld,10.9.3.26", *mx("h4c.tld", "h4d.tld=10.9.3.27")], "d4c.tld smtp:h4c.tld"),
    Mail("R-30 a list of hosts", "u@d4e.tld", "sent 2.0.0", {"10.9.3.28": {"greeting": "421 4.3.0 no"}, "10.9.3.29": {}},
         transport="d4e.tld smtp:[10.9.3.28], [10.9.3.29]"),
    Mail("R-31 MX: the best", "u@d5.tld", "sent 2.0.0", {"10.9.3.5": {}, "10.9.3.6": {}},
         mx("d5.tld", "h5.tld=10.9.3.5", "h6.tld=10.9.3.6")),
    Mail("R-31 no MX", "u@d7.tld", "sent 2.0.0", {"10.9.3.7": {}}, ["host-record=d7.tld,10.9.3.7"]),
    Mail("R-9 address literal", "u@[10.9.3.77]", "sent 2.0.0", {"10.9.3.77": {}}),
    Mail("R-11 case is kept", ["U@D7B.Tld", "@x.tld:V@d7b.tld"], "sent 2.0.0", {"10.9.3.78": {}},
         ["host-record=d7b.tld,10.9.3.78"]),
    Mail("M-31 R-9 a final dot goes", "v@d7h.tld.", "sent 2.0.0", {"10.9.3.81": {}}, ["host-record=d7h.tld,10.9.3.81"],
         differs="`orig_to=` in the log"),
    Mail("R-33f CNAME", "u@d7c.tld", "sent 2.0.0", {"10.9.3.79": {}},
         ["cname=d7c.tld,d7d.tld", "host-record=d7d.tld,10.9.3.79"]),
    Mail("R-33f MX to a CNAME", "u@d7e.tld", "sent 2.0.0", {"10.9.3.80": {}},
         ["mx-host=d7e.tld,d7f.tld,10", "cname=d7f.tld,d7g.tld", "host-record=d7g.tld,10.9.3.80"]),
]

ANSWERS = [
    Mail("R-33c 4xx to RCPT: the next host", "u@d8.tld", "sent 2.0.0", {"10.9.4.8": {"RCPT": SOFT}, "10.9.4.9": {}},
         mx("d8.tld", "h8.tld=10.9.4.8", "h9.tld=10.9.4.9")),
    Mail("R-33c 4xx to MAIL: the next host", "u@d8a.tld", "sent 2.0.0", {"10.9.4.10": {"MAIL": SOFT, "RCPT": "503 5.5.1 no"}, "10.9.4.11": {}},
         mx("d8a.tld", "h8a.tld=10.9.4.10", "h9a.tld=10.9.4.11")),
    Mail("R-33c 4xx to DATA: the next host", "u@d8b.tld", "sent 2.0.0", {"10.9.4.12": {"DATA": SOFT}, "10.9.4.13": {}},
         mx("d8b.tld", "h8b.tld=10.9.4.12", "h9b.tld=10.9.4.13")),
    Mail("R-33c 4xx to the content: the next host", "u@d8c.tld", "sent 2.0.0",
         {"10.9.4.14": {"end": SOFT}, "10.9.4.15": {}}, mx("d8c.tld", "h8c.tld=10.9.4.14", "h9c.tld=10.9.4.15")),
    Mail("R-33c 4xx greeting: the next host", "u@d8d.tld", "sent 2.0.0",
         {"10.9.4.16": {"greeting": "421 4.3.2 busy"}, "10.9.4.17": {}},
         mx("d8d.tld", "h8d.tld=10.9.4.16", "h9d.tld=10.9.4.17")),
    Mail("R-33c lost in the greeting: the next host", "u@d8e.tld", "sent 2.0.0",
         {"10.9.4.18": {"greeting": None}, "10.9.4.19": {}}, mx("d8e.tld", "h8e.tld=10.9.4.18", "h9e.tld=10.9.4.19")),
    Mail("R-33c refused: the next host", "u@d8f.tld", "sent 2.0.0", {"10.9.4.21": {}},
         mx("d8f.tld", "h8f.tld=10.9.4.20", "h9f.tld=10.9.4.21")),
    Mail("R-33d 5xx greeting: the next host", "u@d8g.tld", "sent 2.0.0",
         {"10.9.4.22": {"greeting": "554 5.7.1 go away"}, "10.9.4.23": {}},
         mx("d8g.tld", "h8g.tld=10.9.4.22", "h9g.tld=10.9.4.23")),
    Mail("R-33d 5xx greeting of the last host", "u@d8h.tld", "deferred 4.7.1",
         {"10.9.4.24": {"greeting": "554 5.7.1 go away"}}, mx("d8h.tld", "h8h.tld=10.9.4.24")),
    Mail("R-33e EHLO refused: HELO", "u@d8i.tld", "sent 2.0.0", {"10.9.4.25": {"EHLO": "500 5.5.1 what"}},
         mx("d8i.tld", "h8i.tld=10.9.4.25")),
    Mail("R-33d EHLO and HELO refused", "u@d8j.tld", "bounced 5.5.1",
         {"10.9.4.26": {"EHLO": "500 5.5.1 what", "HELO": "500 5.5.1 what"}}, mx("d8j.tld", "h8j.tld=10.9.4.26"),
         differs="5xx to HELO"),
    Mail("R-33c 5xx to MAIL", "u@d9.tld", "bounced 5.7.0", {"10.9.5.1": {"MAIL": "550 5.7.0 not you", "RCPT": "503 5.5.1 no"}, "10.9.5.2": {}},
         mx("d9.tld", "h10.tld=10.9.5.1", "h11.tld=10.9.5.2")),
    Mail("R-33c 5xx to RCPT", "u@d9a.tld", "bounced 5.1.1", {"10.9.5.3": {"RCPT": HARD}, "10.9.5.4": {}},
         mx("d9a.tld", "h10a.tld=10.9.5.3", "h11a.tld=10.9.5.4")),
    Mail("R-33c 5xx to DATA", "u@d9b.tld", "bounced 5.0.0", {"10.9.5.5": {"DATA": "554 no enhanced code"}, "10.9.5.6": {}},
         mx("d9b.tld", "h10b.tld=10.9.5.5", "h11b.tld=10.9.5.6")),
    Mail("R-33c 5xx to the content", "u@d9c.tld", "bounced 5.6.0",
         {"10.9.5.7": {"end": "554 5.6.0 bad content"}, "10.9.5.8": {}},
         mx("d9c.tld", "h10c.tld=10.9.5.7", "h11c.tld=10.9.5.8")),
    Mail("M-33 two of three recipients", ["a@d9d.tld", "bad@d9d.tld", "c@d9d.tld"], ["sent 2.0.0", "bounced 5.1.1"],
         {"10.9.5.9": {"RCPT": lambda line: HARD if "bad@" in line else ...}}, mx("d9d.tld", "h10d.tld=10.9.5.9")),
    Mail("R-33c the enhanced code follows the code", "u@d9e.tld", "bounced 5.0.0",
         {"10.9.5.10": {"RCPT": "550 4.2.1 confused"}}, mx("d9e.tld", "h10e.tld=10.9.5.10")),
    Mail("R-33c several lines", "u@d9f.tld", "deferred 4.2.0",
         {"10.9.5.11": {"RCPT": "450-4.2.0 come\r\n450 4.2.0 again"}}, mx("d9f.tld", "h10f.tld=10.9.5.11")),
    Mail("R-33c remaining recipients alone go on", ["a@d9g.tld", "soft@d9g.tld"], "sent 2.0.0",
         {"10.9.5.12": {"RCPT": lambda line: SOFT if "soft@" in line else ...}, "10.9.5.13": {}},
         mx("d9g.tld", "h10g.tld=10.9.5.12", "h11g.tld=10.9.5.13")),
    Mail("section 7: lost after RCPT", "u@d9h.tld", "deferred 4.4.2", {"10.9.5.14": {"DATA": None}},
         mx("d9h.tld", "h10h.tld=10.9.5.14")),
    Mail("section 7: lost after MAIL", "u@d9i.tld", "deferred 4.4.2", {"10.9.5.15": {"MAIL": None}},
         mx("d9i.tld", "h10i.tld=10.9.5.15")),
    Mail("section 7: lost in the greeting", "u@d9j.tld", "deferred 4.4.2", {"10.9.5.16": {"greeting": None}},
         mx("d9j.tld", "h10j.tld=10.9.5.16")),
    Mail("section 7: lost in EHLO", "u@d9k.tld", "deferred 4.4.2", {"10.9.5.17": {"EHLO": None}},
         mx("d9k.tld", "h10k.tld=10.9.5.17")),
    Mail("section 7: lost after the content", "u@d9l.tld", "deferred 4.4.2", {"10.9.5.18": {"end": None}},
         mx("d9l.tld", "h10l.tld=10.9.5.18")),
    Mail("section 7: refused", "u@d9m.tld", "deferred 4.4.1", names=mx("d9m.tld", "h10m.tld=10.9.5.19")),
    Mail("R-33b no more than two sessions", "u@d9n.tld", "deferred 4.2.0",
         {f"10.9.5.{20 + n}": {"RCPT": SOFT} for n in range(4)},
         mx("d9n.tld", *(f"h{n}.d9n.tld=10.9.5.{20 + n}" for n in range(4)))),
    Mail("R-33b no more than five addresses", "u@d9o.tld", "deferred 4.3.2",
         {f"10.9.5.{30 + n}": {"greeting": "421 4.3.2 busy"} for n in range(7)},
         mx("d9o.tld", *(f"h{n}.d9o.tld=10.9.5.{30 + n}" for n in range(7)))),
]

LOOKUPS = [
    Mail("R-33f nothing there", "u@nowhere.tld", "bounced 5.4.4"),
    Mail("R-33f null MX", "u@nullmx.tld", "bounced 5.1.0", names=["dns-rr=nullmx.tld,15,000000",
                                                                   "host-record=nullmx.tld,10.9.6.1"]),
    Mail("R-33f no answer", "u@broken.tld", "deferred 4.4.3", names=["server=/broken.tld/#"]),
    Mail("R-33f MX without addresses", "u@d12.tld", "bounced 5.4.4", names=mx("d12.tld", "gone.d12.tld")),
    Mail("R-33f [host] with MX but no address", "u@d13.tld", "bounced 5.4.4", names=mx("h13.tld", "x.h13.tld=10.9.6.2"),
         transport="d13.tld smtp:[h13.tld]"),
    Mail("R-33f [host] that is not there", "u@d13a.tld", "bounced 5.4.4", transport="d13a.tld smtp:[gone.h13a.tld]"),
    Mail("R-33f some MX have no address", "u@d14.tld", "sent 2.0.0", {"10.9.6.3": {}},
         mx("d14.tld", "gone.d14.tld", "h14.tld=10.9.6.3")),
    Mail("R-33f the best MX has no answer", "u@d15.tld", "sent 2.0.0", {"10.9.6.4": {}},
         mx("d15.tld", "mail.broken.tld", "h15.tld=10.9.6.4")),
    Mail("R-33g null MX with another", "u@d16.tld", "bounced 5.1.0", {"10.9.6.5": {}},
         ["dns-rr=d16.tld,15,000000", *mx("d16.tld", "h16.tld=10.9.6.5")],
         differs="a null MX beside others"),
]

LOOPS = [
    Mail("R-51 ourselves alone", "u@self.tld", "bounced 5.4.6", names=mx("self.tld", "mx.isp.example")),
    Mail("R-51 ourselves best", "u@self1.tld", "bounced 5.4.6", {"10.9.6.20": {}},
         mx("self1.tld", "mx.isp.example", "worse.self1.tld=10.9.6.20")),
    Mail("R-51 ourselves between", "u@self2.tld", "deferred 4.2.0", {"10.9.6.21": {"RCPT": SOFT}, "10.9.6.22": {}},
         mx("self2.tld", "better.self2.tld=10.9.6.21", "mx.isp.example", "worse.self2.tld=10.9.6.22")),
    Mail("R-51 the better one cannot be found", "u@self3.tld", "deferred 4.4.4", {"10.9.6.23": {}},
         mx("self3.tld", "gone.self3.tld", "mx.isp.example", "worse.self3.tld=10.9.6.23")),
    Mail("R-51 equal preference", "u@self4.tld", "bounced 5.4.6", {"10.9.6.24": {}},
         ["mx-host=self4.tld,mx.isp.example,10", "mx-host=self4.tld,equal.self4.tld,10",
          "host-record=equal.self4.tld,10.9.6.24"]),
    Mail("R-50 our proxy address", "u@self5.tld", "bounced 5.4.6", names=mx("self5.tld", f"proxy.self5.tld={PROXY}")),
    Mail("R-53 [host] that is us", "u@self6.tld", "bounced 5.4.6", transport="self6.tld smtp:[mx.isp.example]"),
    Mail("R-54 who says to be us", "u@self7.tld", "bounced 5.4.6", {"10.9.6.25": {"EHLO": "250 mx.isp.example"}},
         mx("self7.tld", "h.self7.tld=10.9.6.25")),
    Mail("R-52 another port of ours", "u@self8.tld", "deferred 4.4.1", transport="self8.tld smtp:[mx.isp.example]:2599"),
]

TABLE = [
    Mail("R-20 user+ext@domain", "user+ext@t1.tld", "sent 2.0.0", {"10.9.7.1": {}},
         transport="user+ext@t1.tld smtp:[10.9.7.1]\nuser@t1.tld smtp:[10.9.7.2]\nt1.tld smtp:[10.9.7.3]"),
    Mail("R-20 user@domain", "user+other@t1.tld", "sent 2.0.0", {"10.9.7.2": {}}),
    Mail("R-20 domain", "nobody+x@t1.tld", "sent 2.0.0", {"10.9.7.3": {}}),
    Mail("R-20 parents with a dot", "user@a.b.t2.tld", "sent 2.0.0", {"10.9.7.4": {}},
         transport=".b.t2.tld smtp:[10.9.7.4]\n.t2.tld smtp:[10.9.7.5]\nt2.tld smtp:[10.9.7.6]"),
    Mail("R-20 a parent above", "user@c.t2.tld", "sent 2.0.0", {"10.9.7.5": {}}),
    Mail("R-7 a dot is for sub-domains", "user@t2.tld", "sent 2.0.0", {"10.9.7.6": {}}),
    Mail("R-21 keys are folded", "User@T3.TLD", "sent 2.0.0", {"10.9.7.7": {}}, transport="uSER@t3.tld smtp:[10.9.7.7]"),
    Mail("R-20 no @domain, no user@", "user@t4.tld", "sent 2.0.0", {"10.9.7.8": {}},
         ["host-record=t4.tld,10.9.7.8"], "@t4.tld smtp:[10.9.7.9]\nuser@ smtp:[10.9.7.9]"),
    Mail("R-22 :nexthop", "user@t5.tld", "sent 2.0.0", {"10.9.7.10": {}}, transport="t5.tld :[10.9.7.10]"),
    Mail("R-22 transport:", "user@t6.tld", "sent 2.0.0", {"10.9.7.11": {}}, ["host-record=t6.tld,10.9.7.11"],
         "t6.tld relay:"),
    Mail("R-22 transport", "user@t7.tld", "sent 2.0.0", {"10.9.7.12": {}}, ["host-record=t7.tld,10.9.7.12"],
         "t7.tld relay"),
    Mail("R-22 :", "user@t8.tld", "sent 2.0.0", {"10.9.7.13": {}}, ["host-record=t8.tld,10.9.7.13"], "t8.tld :"),
    Mail("R-27 no such transport", "user@t9.tld", "deferred 4.3.0", transport="t9.tld nosuch:x"),
    Mail("R-22 [host] alone is a transport's name", "user@t10.tld", "deferred 4.3.0", transport="t10.tld [10.9.7.14]"),
    Mail("R-24 error", "user@t11.tld", "550", transport="t11.tld error:no such place"),
    Mail("R-24 error with a code", "user@t12.tld", "550", transport="t12.tld error:5.7.9 not for you"),
    Mail("R-24 retry", "user@t13.tld", "450", transport="t13.tld retry:later"),
    Mail("R-24 retry with a code", "user@t14.tld", "450", transport="t14.tld retry:4.7.9 later"),
    Mail("R-24 error without a text", "user@t15.tld", "550", transport="t15.tld error:"),
    Mail("R-24 error's name alone", "user@t15a.tld", "550", transport="t15a.tld error"),
    Mail("R-25 discard", "user@t16.tld", "sent 2.0.0", transport="t16.tld discard:as agreed"),
    Mail("R-25 discard without a text", "user@t17.tld", "sent 2.0.0", transport="t17.tld discard:"),
]

ROUTING = Group("routing", HOPS + ANSWERS + LOOKUPS + LOOPS + TABLE, {
    "proxy_interfaces": PROXY, "recipient_delimiter": "+", "smtp_randomize_addresses": "no",
    "connection_cache_ttl_limit": "0s", "smtp_connection_cache_on_demand": "no",
    "relay_domains": "t11.tld t12.tld t13.tld t14.tld t15.tld t15a.tld"})
