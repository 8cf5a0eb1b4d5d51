# SPDX-License-Identifier: ISC
"""
From the next hop on, in a network of the test's own with a scripted name server: which hosts are tried, in which order,
which never, and what is said of it. Spec R-9 to R-11, R-30 to R-33g, R-50 to R-54, R-60 to R-63, S19, S21, S22, S27, S28,
S39 to S43.

One daemon for each configuration; all cases of it are sent at once, each to a domain and hosts of its own: case N is
the domain cN.tld, its hosts a.cN.tld, b.cN.tld, ... at 10.9.N.10, 10.9.N.11, ...; 10.9.0.1 is us, 10.9.0.2 our proxy's.
"""

import re
from collections import namedtuple

import pytest

from client import Client
from daemon import wait_for
from namespaces import own_network

US, PROXY, FALLBACK, DNS = "10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.53"
NAMES = [f"address=/us.lab.tld/{US}", f"address=/proxy.lab.tld/{PROXY}", f"address=/fb.lab.tld/{FALLBACK}"]
NOT_FOUND = "Host or domain name not found. Name service error for name="
LOOPS = "mail for {d} loops back to myself"

UP, DOWN = {}, None
LATER, NEVER = {"RCPT": "450 4.2.0 later"}, {"RCPT": "550 5.1.1 never"}
CLOSED, REFUSES = {"greeting": None}, {"greeting": "421 4.3.2 closed"}
UNWANTED = {"greeting": "554 5.7.1 go away"}
OURSELVES = {"EHLO": "250 mx.lab.test"}

# mx: "10 a, 20 us" (a: the case's own; us, proxy; gone: a name without address). hosts: what each answers, DOWN: nobody
# does. tried: the hosts that were connected to, in order. result: status, dsn, text (a part of it). names: dnsmasq's
# further lines. route: the right-hand side in the transport table. {d} is the domain, {n} its number.
Case = namedtuple("Case", "name mx hosts tried result names route", defaults=("", {}, "", None, [], None))


class Lab:
    """A daemon with its cases, and what became of each."""

    def __init__(self, cases, make_daemon, make_names, make_sink, fallback=UP, **settings):
        self.cases, self.tried, self.make_sink = cases, {}, make_sink
        lines, routes = list(NAMES), []
        for number, case in enumerate(cases, 1):
            lines += [line.format(d=f"c{number}.tld", n=number) for line in case.names]
            lines += self._records(number, case)
            self._start_hosts(number, case.hosts)
            if case.route:
                routes.append(f"c{number}.tld {case.route.format(d=f'c{number}.tld', n=number)}\n")
        if fallback is not DOWN:
            make_sink(address=FALLBACK, port=25, replies={**fallback, "RCPT": self._note_fallback(fallback)})
        self.names = make_names(lines, address=DNS)
        self.daemon = make_daemon(start=False)
        self.daemon.change({
            "myhostname": "mx.lab.test", "listen": [*self.daemon.settings["listen"], f"{US}:25"],
            "proxy_interfaces": [PROXY], "dns_servers": [self.names.server], "minimal_backoff_time": "300s",
            "transport_maps": [self.daemon.table("transport", "".join(routes))], **settings})
        self.daemon.start()
        with Client(self.daemon.port) as client:
            for number in range(1, len(cases) + 1):
                reply = client.message("", f"user@c{number}.tld", b"Subject: test\r\n\r\nhello\r\n")  # no reports
                assert reply.startswith("250 "), reply

    def _records(self, number, case):
        for preference, host in (entry.split() for entry in case.mx.split(",") if entry):
            host = f"{host}.lab.tld" if host in ("us", "proxy") else f"{host}.c{number}.tld"
            yield f"mx-host=c{number}.tld,{host},{preference}"
        for index, host in enumerate(case.hosts):
            yield f"address=/{host}.c{number}.tld/10.9.{number}.{10 + index}"

    def _start_hosts(self, number, hosts):
        def note(host, answer):
            def reply(line):
                self.tried[number] = self.tried.get(number, "") + host
                return answer
            return reply

        for index, (host, replies) in enumerate(hosts.items()):
            if replies is not DOWN:
                port = replies.get("port", 25)
                self.make_sink(address=f"10.9.{number}.{10 + index}", port=port, replies={
                    **replies, "greeting": note(host, replies.get("greeting", "220 sink ESMTP"))})

    def _note_fallback(self, replies):
        def reply(line):
            number = int(re.search(r"@c(\d+)\.tld", line)[1])
            self.tried[number] = self.tried.get(number, "") + "F"
            return replies.get("RCPT", "250 2.1.5 Ok")
        return reply

    def result(self, number):
        """(relay, dsn, status, text) of the case's last attempt."""
        found = re.findall(rf" to=<user@c{number}\.tld>, (?:orig_to=\S+, )?relay=(\S+), .* dsn=([\d.]+), "
                           r"status=(\w+) \((.*)\)\n", self.daemon.log())
        return found[-1] if found else None

    def check(self):
        for number, case in enumerate(self.cases, 1):
            wait_for(lambda: self.result(number), 30)
            relay, dsn, status, text = self.result(number)
            words = [word.format(d=f"c{number}.tld", n=number) for word in case.result]
            assert (status, dsn) == tuple(words[:2]), (case.name, relay, text)
            assert all(word in text for word in words[2:]), (case.name, text)
            assert self.tried.get(number, "") == case.tried, case.name
        return self


@pytest.fixture
def lab(make_daemon, make_names, make_sink):
    """lab(cases, settings): a Lab whose cases have come out as they say."""
    with own_network(f"{US}/16"):
        yield lambda cases, **settings: Lab(cases, make_daemon, make_names, make_sink, **settings).check()


SENT = ("sent", "2.0.0")
LATER_SAID = ("deferred", "4.2.0", "said: 450 4.2.0 later (in reply to RCPT TO command)")
LOOP = ("bounced", "5.4.6", LOOPS)

SELECTION = [
    # R-33a, R-33b: order and limits
    Case("R-33a the best is enough", "20 b, 10 a", {"a": UP, "b": UP}, "a", SENT),
    Case("R-33b five addresses", "1 a,2 b,3 c,4 d,5 e,6 f,7 g,8 h", dict.fromkeys("abcdefgh", CLOSED), "abcde",
         ("deferred", "4.4.2", "lost connection with e.{d}[10.9.{n}.14] while receiving the initial server greeting")),
    Case("R-33b the sixth is not reached", "1 a,2 b,3 c,4 d,5 e,6 f", {**dict.fromkeys("abcde", DOWN), "f": UP}, "",
         ("deferred", "4.4.1", "connect to e.{d}[10.9.{n}.14]:25: Connection refused")),
    Case("R-33b two sessions", "1 a,2 b,3 c", dict.fromkeys("abc", LATER), "ab", LATER_SAID),
    Case("R-33b who refuses to talk is no session", "1 a,2 b,3 c,4 d",
         {"a": REFUSES, "b": CLOSED, "c": LATER, "d": UP}, "abcd", SENT),
    # R-33c: what goes on to the next host, and what does not
    Case("R-33c connection refused", "1 a,2 b", {"a": DOWN, "b": UP}, "b", SENT),
    Case("R-33c connection lost", "1 a,2 b", {"a": {"MAIL": None}, "b": UP}, "ab", SENT),
    *[Case(f"R-33c 4xx to {stage}", "1 a,2 b", {"a": {stage: "451 4.3.0 not now"}, "b": UP}, "ab", SENT)
      for stage in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")],
    *[Case(f"R-33c 5xx to {stage}", "1 a,2 b", {"a": {stage: "554 5.6.9 no"}, "b": UP}, "a",
           ("bounced", "5.6.9", "host a.{d}[10.9.{n}.10] said: 554 5.6.9 no (in reply to %s command)" % command))
      for stage, command in {"MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA", "end": "end of DATA"}.items()],
    # R-33d, R-33e
    Case("R-33d 5xx greeting of the only host", "1 a", {"a": UNWANTED}, "a",
         ("deferred", "4.7.1", "host a.{d}[10.9.{n}.10] refused to talk to me: 554 5.7.1 go away")),
    Case("R-33d 5xx greeting", "1 a,2 b", {"a": UNWANTED, "b": UP}, "ab", SENT),
    Case("R-33e EHLO refused", "1 a", {"a": {"EHLO": "500 what?"}}, "a", SENT),
    # R-33f, R-33g: what the name server says
    Case("R-33f no such domain", result=("bounced", "5.4.4", NOT_FOUND + "{d} type=A: Host not found")),
    Case("R-33f no MX", hosts={"a": UP}, tried="a", result=SENT, names=["address=/{d}/10.9.{n}.10"]),
    Case("R-33f SERVFAIL", result=("deferred", "4.4.3", NOT_FOUND + "{d} type=MX: Host not found, try again"),
         names=["server=/{d}/#"]),
    Case("R-33f null MX", hosts={"a": UP}, result=("bounced", "5.1.0", "Domain {d} does not accept mail (nullMX)"),
         names=["dns-rr={d},15,000000", "address=/{d}/10.9.{n}.10"]),
    Case("R-33f MX without address", "10 gone",
         result=("bounced", "5.4.4", NOT_FOUND + "gone.{d} type=A: Host not found")),
    Case("R-33f [host] without address", "10 a", {"a": UP},
         result=("bounced", "5.4.4", NOT_FOUND + "{d} type=A: Host found but no data record of requested type"),
         route="smtp:[{d}]"),
    Case("R-33f some MX unresolvable", "10 gone, 20 b", {"b": UP}, "b", SENT),
    Case("R-33f the domain is a CNAME", hosts={"a": UP}, tried="a", result=SENT,
         names=["cname={d},real.{d}", "mx-host=real.{d},a.{d},10"]),
    Case("R-33f the MX is a CNAME", "10 alias", {"a": UP}, "a", SENT, names=["cname=alias.{d},a.{d}"]),
    Case("R-33g null MX beside another", "10 a", {"a": UP}, "a", SENT, names=["dns-rr={d},15,000000"]),
    # R-50 to R-54: ourselves
    Case("R-50, S27, S28 the proxy is us", "10 proxy", result=LOOP),
    Case("R-51, S19 we are the only MX", "10 us", result=LOOP),
    Case("R-51, S21 better ones alone", "10 a,20 us,20 b,30 c", dict.fromkeys("abc", UP), "a", SENT),
    Case("R-51, S22 the primary is down", "10 a,20 us,20 b,30 c", {"a": DOWN, "b": UP, "c": UP}, "",
         ("deferred", "4.4.1", "connect to a.{d}[10.9.{n}.10]:25: Connection refused")),
    Case("R-51 we are the best", "10 us,20 a", {"a": UP}, "", LOOP),
    Case("R-51 we are one of the best", "10 us,10 a", {"a": UP}, "", LOOP),
    Case("R-51 the primary cannot be found", "10 gone,20 us,30 c", {"c": UP}, "",
         ("deferred", "4.4.4", "unable to find primary relay for {d}")),
    Case("R-52 another port", result=("deferred", "4.4.1", "connect to us.lab.tld[10.9.0.1]:2525: Connection refused"),
         route="smtp:[us.lab.tld]:2525"),
    Case("R-53 our name", result=("bounced", "5.4.6", "mail for us.lab.tld loops back to myself"),
         route="smtp:[us.lab.tld]"),
    Case("R-53 our address", result=("bounced", "5.4.6", "mail for 10.9.0.1 loops back to myself"),
         route="smtp:[10.9.0.1]"),
    Case("R-54 greeted with our name", "10 a,20 b", {"a": OURSELVES, "b": UP}, "a", LOOP),
    Case("R-54 on another port", hosts={"a": {**OURSELVES, "port": 2525}}, tried="a", result=SENT,
         route="smtp:[a.{d}]:2525"),
    Case("R-54 a backup greets with our name", "10 a,20 b", {"a": CLOSED, "b": OURSELVES}, "ab",
         ("deferred", "4.4.6", LOOPS)),
    # R-30 to R-32: forms of a next hop
    Case("R-30 a domain", "10 a", {"a": UP}, "a", SENT, route="smtp:{d}"),
    Case("R-30 a domain and a port", "10 a", {"a": {"port": 2525}}, "a", SENT, route="smtp:{d}:2525"),
    Case("R-30, R-31, S18 [host]", "10 gone", {"a": UP}, "a", SENT, route="smtp:[a.{d}]"),
    Case("R-30 [host]:port", hosts={"a": {"port": 2525}}, tried="a", result=SENT, route="smtp:[a.{d}]:2525"),
    Case("R-30 [host]:service", hosts={"a": {"port": 587}}, tried="a", result=SENT, route="smtp:[a.{d}]:submission"),
    Case("R-30 [ipv4]", hosts={"a": UP}, tried="a", result=SENT, route="smtp:[10.9.{n}.10]"),
    Case("R-30 [ipv6]", result=("deferred", "4.4.1", "connect to ::1[::1]:2525: Connection refused"),
         route="smtp:[::1]:2525"),
    Case("R-30 [ipv6:...]", result=("deferred", "4.4.1", "connect to ::1[::1]:2525: Connection refused"),
         route="smtp:[ipv6:::1]:2525"),
    Case("R-30 a list, the second is up", hosts={"a": CLOSED, "b": UP}, tried="ab", result=SENT,
         route="smtp:[a.{d}],[b.{d}]"),
    Case("R-30 a list with blanks, limits for each", hosts=dict.fromkeys("abcd", LATER), tried="abcd",
         result=LATER_SAID, route="smtp:[a.{d}], [b.{d}] [c.{d}],[d.{d}]"),
    Case("R-30 a list, one cannot be found", hosts={"a": LATER}, tried="a", result=LATER_SAID,
         route="smtp:[a.{d}],[gone.{d}]"),
    Case("R-30 a list, none can be found", result=("bounced", "5.4.4", "gone2.{d} type=A: Host not found"),
         route="smtp:[gone.{d}],[gone2.{d}]"),
    Case("R-31 bare IPv4", hosts={"a": UP}, tried="a", result=SENT, route="smtp:10.9.{n}.10"),
    Case("R-32 no closing bracket", result=("deferred", "4.3.5", 'malformed next hop "[10.9.0.20"'),
         route="smtp:[10.9.0.20"),
]


def test_selection(lab):
    done = lab(SELECTION)
    names = {case.name: f"c{number}.tld" for number, case in enumerate(SELECTION, 1)}
    queries = done.names.queries()
    assert f"MX {names['R-30 a domain']}" in queries
    host = "a." + names["R-30, R-31, S18 [host]"]
    assert {query for query in queries if query.endswith(f" {host}")} <= {f"A {host}", f"AAAA {host}"}
    assert f"no MX host for {names['R-33f MX without address']} has a valid address record" in done.daemon.log()
    assert f"relay=a.{names['R-33a the best is enough']}[10.9.1.10]:25, " in done.daemon.log()


def test_selection_with_other_settings(lab):
    lab([
        Case("R-33d smtp_skip_5xx_greeting = no", "1 a,2 b", {"a": UNWANTED, "b": UP}, "a",
             ("bounced", "5.7.1", "host a.{d}[10.9.{n}.10] refused to talk to me: 554 5.7.1 go away")),
        Case("R-33f ignore_mx_lookup_error = yes", names=["server=/{d}/#"],
             result=("deferred", "4.4.3", "{d} type=A: Host not found, try again")),
        Case("R-33f smtp_defer_if_no_mx_address_found = yes", "10 gone",
             result=("deferred", "4.4.4", NOT_FOUND + "gone.{d} type=A: Host not found")),
        Case("R-33b smtp_mx_address_limit = 0", "1 a,2 b,3 c,4 d,5 e,6 f", {**dict.fromkeys("abcde", CLOSED), "f": UP},
             "abcdef", SENT),
        Case("R-33b smtp_mx_session_limit = 0", "1 a,2 b,3 c", {"a": LATER, "b": LATER, "c": UP}, "abc", SENT),
    ], smtp_skip_5xx_greeting=False, ignore_mx_lookup_error=True, smtp_defer_if_no_mx_address_found=True,
        smtp_mx_address_limit=0, smtp_mx_session_limit=0)


FALLEN_BACK = [
    Case("R-60, S39 the host is down", "10 a", {"a": DOWN}, "F", SENT),
    Case("R-60 the host is up", "10 a", {"a": UP}, "a", SENT),
    Case("R-60 two sessions have failed for now", "1 a,2 b,3 c", dict.fromkeys("abc", LATER), "abF", SENT),
    Case("R-60 5xx", "10 a", {"a": NEVER}, "a", ("bounced", "5.1.1", "said: 550 5.1.1 never")),
    Case("R-60 no such domain", tried="F", result=SENT),
    Case("R-60 SERVFAIL", tried="F", result=SENT, names=["server=/{d}/#"]),
    Case("R-60 null MX", result=("bounced", "5.1.0", "Domain {d} does not accept mail (nullMX)"),
         names=["dns-rr={d},15,000000"]),
    Case("R-61, S42 we are a backup MX", "10 a,20 us", {"a": DOWN}, "",
         ("deferred", "4.4.1", "connect to a.{d}[10.9.{n}.10]:25: Connection refused")),
    Case("R-61 we are the only MX", "10 us", result=LOOP),
    Case("R-61 the primary cannot be found", "10 gone,20 us",
         result=("deferred", "4.4.4", "unable to find primary relay for {d}")),
    Case("R-61 [host] knows of no MX", "10 a,20 us", {"a": DOWN}, "F", SENT, route="smtp:[a.{d}]"),
    Case("R-61 [host] is us", result=("bounced", "5.4.6", "mail for us.lab.tld loops"), route="smtp:[us.lab.tld]"),
    Case("R-63, S39, S42 relay has none", hosts={"a": DOWN}, result=("deferred", "4.4.1", "Connection refused"),
         route="relay:[a.{d}]"),
    Case("S43 etrn-only has none", hosts={"a": DOWN}, result=("deferred", "4.4.1", "Connection refused"),
         route="etrn-only:[a.{d}]"),
    Case("R-63 smtp_fallback_relay is empty", hosts={"a": DOWN}, result=("deferred", "4.4.1", "Connection refused"),
         route="alone:[a.{d}]"),
    Case("R-63 fallback_relay is empty", hosts={"a": DOWN}, result=("deferred", "4.4.1", "Connection refused"),
         route="older:[a.{d}]"),
    Case("R-63 another service of smtp has it", hosts={"a": DOWN}, tried="F", result=SENT, route="other:[a.{d}]"),
    Case("R-63 relay by another name has its own", hosts={"a": DOWN}, tried="F", result=SENT, route="own:[a.{d}]"),
]


@pytest.mark.parametrize("parameter", ["fallback_relay", "smtp_fallback_relay"])
def test_fallback_relay(lab, parameter):
    other = "smtp_fallback_relay" if parameter == "fallback_relay" else "fallback_relay"
    done = lab(FALLEN_BACK, **{parameter: "[fb.lab.tld]"}, defer_transports="", transports=[
        {"name": "alone", "plugin": "smtp", "smtp_fallback_relay": ""},
        {"name": "older", "plugin": "relay" if parameter != "fallback_relay" else "smtp", "fallback_relay": ""},
        {"name": "other", "plugin": "smtp"}, {"name": "own", "plugin": "relay", other: "[fb.lab.tld]"}])
    assert "A fb.lab.tld" in done.names.queries()


def test_fallback_relays_that_fail(lab):
    done = lab([
        Case("R-62 the fallback relay cannot be found", hosts={"a": DOWN},
             result=("deferred", "4.3.5", NOT_FOUND + "gone.lab.tld type=A: Host not found"), route="broken:[a.{d}]"),
        Case("R-62 nor can the host", result=("deferred", "4.3.5", "name=gone.lab.tld"), route="broken:[gone.{d}]"),
        Case("R-62 the fallback relay is us", hosts={"a": DOWN}, route="looping:[a.{d}]",
             result=("deferred", "4.3.5", "mail for us.lab.tld loops back to myself")),
        Case("R-62 the second is down", result=("deferred", "4.4.1", "connect to fb.lab.tld[10.9.0.3]:25"),
             route="several:[gone.{d}]"),
        Case("R-62 the relayhost cannot be found", result=("deferred", "4.3.5", "name=relayhost.lab.tld type=A")),
        Case("R-60 not asked for while hosts are up", hosts={"a": UP}, tried="a", result=SENT, route="unused:[a.{d}]"),
    ], fallback=DOWN, relayhost="[relayhost.lab.tld]", transports=[
        {"name": "broken", "plugin": "smtp", "smtp_fallback_relay": "[gone.lab.tld]"},
        {"name": "looping", "plugin": "smtp", "smtp_fallback_relay": "[us.lab.tld]"},
        {"name": "several", "plugin": "smtp", "smtp_fallback_relay": "[gone.lab.tld], [fb.lab.tld]"},
        {"name": "unused", "plugin": "smtp", "smtp_fallback_relay": "[unused.lab.tld]"}])
    log = done.daemon.log()
    assert log.count("smtp_fallback_relay configuration problem") == 3
    assert log.count("relayhost configuration problem") == 1
    assert not any("unused" in query for query in done.names.queries())


def test_best_mx_transport(lab):
    """R-51: what would loop goes there, and only that."""
    done = lab([
        Case("we are the only MX", "10 us", {}, "F", SENT),
        Case("the proxy is us", "10 proxy,20 a", {"a": UP}, "F", SENT),
        Case("our name", route="smtp:[us.lab.tld]", tried="F", result=SENT),
        Case("we are a backup", "10 a,20 us", {"a": UP}, "a", SENT),
        Case("the primary cannot be found", "10 gone,20 us",
             result=("deferred", "4.4.4", "unable to find primary relay for {d}")),
        Case("it is this transport itself", "10 us", route="ours:{d}", result=LOOP),
    ], best_mx_transport="ours:[fb.lab.tld]", transports=[{"name": "ours", "plugin": "smtp"}])
    done.daemon.wait_for_log(r"to=<user@c1\.tld>, goes to ours:\[fb\.lab\.tld\] now, not smtp:c1\.tld")
    # More recipients than one delivery takes, some of a domain that is another's.
    recipients = [f"u{number}@c1.tld" for number in range(120)] + ["x@c4.tld"]
    with Client(done.daemon.port) as client:
        assert client.message("", recipients, b"X: y\r\n\r\n").startswith("250 ")
    wait_for(lambda: len(re.findall(r"to=<u\d+@c1\.tld>, relay=fb\.lab\.tld\[.* status=sent",
                                    done.daemon.log())) == 120)
    wait_for(lambda: len(done.daemon.queue()) == 1)  # c5.tld's


# -- addresses: R-9 to R-11

ROUTED = ["a%b.tld@relay.tld", "b.tld!a@relay.tld", '"a@b.tld"@relay.tld', "<@relay.tld:a%b.tld@relay.tld>"]


@pytest.fixture
def relay(make_daemon, sink):
    """A daemon that relays for relay.tld, and whose own domain is here.tld; clients are strangers."""
    def make(**settings):
        daemon = make_daemon(start=False)
        daemon.change({"mynetworks": "127.0.0.2/32", "relay_domains": "relay.tld", "mydestination": "here.tld",
                       "relay_transport": f"relay:{sink.nexthop}", "default_transport": f"smtp:{sink.nexthop}",
                       "local_transport": f"smtp:{sink.nexthop}", "local_recipient_maps": "", **settings})
        daemon.start()
        return daemon

    return make


def rcpt(daemon, path):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@lab.tld>", "250")
        return client.command(f"RCPT TO:{path if path.startswith('<') else f'<{path}>'}")


def test_addresses(relay, sink):
    daemon = relay()
    for path in ("a@relay.tld.", "<@x.tld:a@relay.tld>", "<@x.tld,@y.tld:a@RELAY.tld.>",  # R-9: dot, source route
                 "a%relay.tld@here.tld", "relay.tld!a@here.tld", '"a@relay.tld"@here.tld',  # R-9: in ours, unwrapped
                 "a%relay.tld%here.tld@here.tld", "a@[127.0.0.1]"):
        assert rcpt(daemon, path) == "250 2.1.5 Ok", path
    for path in ("a%b.tld@here.tld", "b.tld!a@here.tld", '"a@b.tld"@here.tld', *ROUTED):  # R-9, R-10
        assert ": Relay access denied" in rcpt(daemon, path), path
        assert rcpt(daemon, path).startswith("554 5.7.1 "), path
    with Client(daemon.port) as client:  # R-11
        assert client.message("", "Us.Er@Relay.TLD", b"X: y\r\n\r\n").startswith("250 ")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<Us.Er@Relay.TLD>"]


def test_untrusted_routing_may_be_allowed(relay):
    daemon = relay(allow_untrusted_routing=True)
    for path in ROUTED:  # R-10
        assert rcpt(daemon, path) == "250 2.1.5 Ok", path
    assert rcpt(daemon, "a%relay.tld@b.tld") == "554 5.7.1 <a%relay.tld@b.tld>: Relay access denied"
