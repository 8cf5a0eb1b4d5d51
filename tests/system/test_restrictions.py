# SPDX-License-Identifier: ISC
"""
Who may do what: the words of access/basic with their exact replies; spec S23-S27, S12, M-33, M-35 to M-38, M-87, M-91,
R-40 to R-47, and access(5).

One daemon answers for the whole table: each case is a restriction class, and its recipient's entry in an access table
names the class.
"""

import re
import socketserver
import subprocess
import threading

import pytest

from client import Client, send
from daemon import ENVIRONMENT, wait_for

HOME = "127.0.0.1"      # in mynetworks
STRANGER = "127.0.0.9"  # has a name, and that name its address
NAMELESS = "127.0.0.8"
LIAR = "127.0.0.7"      # its name has another address
US = "127.0.0.3"        # one of our own addresses
PROXY = "127.0.0.4"     # proxy_interfaces

OK = "250 2.1.5 Ok"
DENIED = "Access denied"

NAMES = [
    # clients
    f"host-record=stranger.client.tld,{STRANGER}",
    "ptr-record=7.0.0.127.in-addr.arpa,liar.client.tld", "address=/liar.client.tld/192.0.2.77",
    # domains
    "address=/host.tld/192.0.2.10", "mx-host=mail.tld,host.tld,10", "dns-rr=nullmx.tld,15,000000",
    "server=/broken.tld/#",
    # backup MX: best first
    f"address=/us.tld/{US}", f"address=/proxy.tld/{PROXY}", "cname=alias.backup.tld,us.tld",
    "mx-host=backup.tld,host.tld,10", "mx-host=backup.tld,alias.backup.tld,20",
    "mx-host=natted.tld,host.tld,10", "mx-host=natted.tld,proxy.tld,20",
    "mx-host=ghost.tld,gone.tld,10", "mx-host=ghost.tld,us.tld,20",
    "mx-host=primary.tld,us.tld,10", "mx-host=primary.tld,host.tld,20",
    "mx-host=solo.tld,us.tld,10", "mx-host=others.tld,host.tld,10",
    # block lists
    "address=/9.0.0.127.bl.tld/127.0.0.4", "txt-record=9.0.0.127.bl.tld,sends spam",
    "address=/bad.tld.rhs.tld/127.0.1.2", "address=/stranger.client.tld.rhs.tld/127.0.1.2",
    # servers: the name server of served.tld is ns.evil.tld
    "dns-rr=served.tld,2,026e73046576696c03746c6400", "address=/ns.evil.tld/192.0.2.66",
    "address=/in.served.tld/192.0.2.11", "address=/served.tld/192.0.2.11",
]

# Access tables, by name.
TABLES = {
    "clients": "client.tld REJECT by name\n127.0.0.8 REJECT by address\n127.0.0 OK\n",
    "helos": "helo.tld 521 5.7.9 go away\n",
    "senders": "full@s.tld OK\ndsn@s.tld 550 5.1.1 no\nuser+ext@s.tld 550 5.7.2 with extension\n"
               "user@s.tld 450 without\ns.tld REJECT domain\n"
               "up.s.tld DUNNO\npost@ DEFER\n<> 501 null\n",
    "mxs": "host.tld REJECT mail exchanger\n192.0.2.11 REJECT address\nns.evil.tld REJECT name server\n"
           "us.tld OK\n",
    "results": "ok@r.tld OK\nrelay@r.tld relay\nnumber@r.tld 12345\nfew@r.tld 550\nreject@r.tld reject\n"
               "rejecttext@r.tld REJECT 4.7.0 not today\ndefer@r.tld DEFER\ndefertext@r.tld DEFER 4.2.1 full\n"
               "ifreject@r.tld DEFER_IF_REJECT\nifpermit@r.tld DEFER_IF_PERMIT 4.7.5 later\n"
               "five@r.tld 554 5.7.7 by table\nfour@r.tld 451 by table\ndunno@r.tld DUNNO whatever\n"
               "words@r.tld reject_non_fqdn_sender, defer\nclass@r.tld refuse_all\nnonsense@r.tld no_such_word\n"
               "table@r.tld check_client_access hash:/x\nfilter@r.tld FILTER smtp:x\nwrong@r.tld REDIRECT nobody\n"
               "goodbye@r.tld 421 4.7.0 closing\n",
}


def table(name):
    return f"@{name}"


# What is asked; the recipient is RECIPIENT unless the case names one. {r} is the recipient in replies.
CASES = [
    # name, restrictions, settings of the transaction, reply
    ("permit", "permit, reject", {}, OK),
    ("reject", "reject", {}, "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("defer", "defer", {}, "450 4.3.2 <{r}>: Recipient address rejected: Try again later"),
    ("defer_if_permit", "defer_if_permit, permit", {},
     "450 4.7.0 <{r}>: Recipient address rejected: defer_if_permit requested"),
    ("defer_if_permit, rejected", "defer_if_permit, reject", {},
     "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("M-38 defer_if_reject", "defer_if_reject, reject", {},
     "450 4.7.0 <{r}>: Recipient address rejected: defer_if_reject requested"),
    ("M-38 defer_if_reject, permitted", "defer_if_reject, permit", {}, OK),
    ("warn_if_reject", "warn_if_reject reject, permit", {}, OK),
    ("sleep", "sleep 0, permit", {}, OK),
    ("sleep well", "sleep well, permit", {}, "451 4.3.5 Server configuration error"),

    # S23 to S25, S12, M-33, M-35, R-10
    ("S24 mynetworks", "permit_mynetworks, reject", {"source": HOME}, OK),
    ("S24 not in mynetworks", "permit_mynetworks, reject", {},
     "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("own address", "permit_inet_interfaces, reject", {"source": US}, OK),
    ("not our address", "permit_inet_interfaces, reject", {},
     "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("S12 relay domain", "reject_unauth_destination", {}, OK),
    ("S23 foreign", "reject_unauth_destination", {"recipient": "f1@mail.tld"},
     "554 5.7.1 <f1@mail.tld>: Relay access denied"),
    ("foreign, deferred", "defer_unauth_destination", {"recipient": "f2@mail.tld"},
     "454 4.7.1 <f2@mail.tld>: Relay access denied"),
    ("permit_auth_destination", "permit_auth_destination, reject", {}, OK),
    ("permit_auth_destination, foreign", "permit_auth_destination, reject", {"recipient": "f3@mail.tld"},
     "554 5.7.1 <f3@mail.tld>: Recipient address rejected: Access denied"),
    ("S25 percent", "reject_unauth_destination", {"recipient": "u%other.tld@relay.tld"},
     "554 5.7.1 <u%other.tld@relay.tld>: Relay access denied"),
    ("S25 bang", "reject_unauth_destination", {"recipient": "other.tld!u@relay.tld"},
     "554 5.7.1 <other.tld!u@relay.tld>: Relay access denied"),
    ("S25, M-35 quoted", "reject_unauth_destination",
     {"recipient": '"u@other.tld"@relay.tld', "key": "u@other.tld@relay.tld"},
     "554 5.7.1 <u@other.tld@relay.tld>: Relay access denied"),

    # what clients say
    ("HELO without domain", "reject_non_fqdn_helo_hostname", {"helo": "box"},
     "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname"),
    ("the old spelling", "reject_non_fqdn_hostname", {"helo": "box"},
     "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname"),
    ("HELO with domain", "reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname", {"helo": "box.tld."}, OK),
    ("HELO literal", "reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname", {"helo": "[192.0.2.1]"}, OK),
    ("HELO bad literal", "reject_invalid_helo_hostname", {"helo": "[192.0.2.999]"},
     "501 5.5.2 <[192.0.2.999]>: Helo command rejected: invalid ip address"),
    ("HELO no name", "reject_invalid_helo_hostname", {"helo": "-bad-"},
     "501 5.5.2 <-bad->: Helo command rejected: Invalid name"),
    ("HELO unknown", "reject_unknown_helo_hostname", {"helo": "nowhere.tld"},
     "450 4.7.1 <nowhere.tld>: Helo command rejected: Host not found"),
    ("HELO known", "reject_unknown_helo_hostname", {"helo": "host.tld"}, OK),
    ("HELO without answer", "reject_unknown_helo_hostname, permit", {"helo": "broken.tld"},
     "450 4.7.1 <broken.tld>: Helo command rejected: Host not found"),
    ("sender without domain", "reject_non_fqdn_sender", {"sender": "user"},
     "504 5.5.2 <user>: Sender address rejected: need fully-qualified address"),
    ("sender of one label", "reject_non_fqdn_sender", {"sender": "user@box"},
     "504 5.5.2 <user@box>: Sender address rejected: need fully-qualified address"),
    ("null sender", "reject_non_fqdn_sender, reject_unknown_sender_domain", {"sender": ""}, OK),
    ("recipient of one label", "reject_non_fqdn_recipient", {"recipient": "u@box"},
     "504 5.5.2 <u@box>: Recipient address rejected: need fully-qualified address"),

    # M-91, and the DNS
    ("sender's domain unknown", "reject_unknown_sender_domain", {"sender": "u@nowhere.tld"},
     "450 4.1.8 <u@nowhere.tld>: Sender address rejected: Domain not found"),
    ("sender's domain known", "reject_unknown_sender_domain", {"sender": "u@mail.tld"}, OK),
    ("sender is ours", "reject_unknown_sender_domain", {"sender": "u@local.tld"}, OK),
    ("M-91 sender", "reject_unknown_sender_domain", {"sender": "u@nullmx.tld"},
     "550 5.7.27 <u@nullmx.tld>: Sender address rejected: Domain nullmx.tld does not accept mail (nullMX)"),
    ("M-91 recipient", "reject_unknown_recipient_domain", {"recipient": "u@nullmx.tld"},
     "556 5.1.10 <u@nullmx.tld>: Recipient address rejected: Domain nullmx.tld does not accept mail (nullMX)"),
    ("M-91 recipient's domain unknown", "reject_unknown_recipient_domain", {"recipient": "u@nowhere.tld"},
     "450 4.1.2 <u@nowhere.tld>: Recipient address rejected: Domain not found"),
    ("no answer", "reject_unknown_sender_domain, permit", {"sender": "u@broken.tld"},
     "450 4.1.8 <u@broken.tld>: Sender address rejected: Domain not found"),
    ("no answer, rejected", "reject_unknown_sender_domain, reject", {"sender": "u@broken.tld"},
     "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("client without name", "reject_unknown_client_hostname", {"source": NAMELESS},
     f"450 4.7.25 Client host rejected: cannot find your hostname, [{NAMELESS}]"),
    ("client without reverse name", "reject_unknown_reverse_client_hostname", {"source": NAMELESS},
     f"450 4.7.1 Client host rejected: cannot find your reverse hostname, [{NAMELESS}]"),
    ("client with another's name", "reject_unknown_client_hostname", {"source": LIAR},
     f"450 4.7.25 Client host rejected: cannot find your hostname, [{LIAR}]"),
    ("its reverse name is there", "reject_unknown_reverse_client_hostname", {"source": LIAR}, OK),
    ("client with a name", "reject_unknown_client_hostname, reject_unknown_reverse_client_hostname", {}, OK),

    # S27
    ("R-41, R-43, R-44 backup", "permit_mx_backup, reject", {"recipient": "any@backup.tld"}, OK),
    ("S27 R-42 proxy", "permit_mx_backup, reject", {"recipient": "any@natted.tld"}, OK),
    ("R-43 primary unknown", "permit_mx_backup, reject", {"recipient": "any@ghost.tld"}, OK),
    ("R-40.7 we are primary", "permit_mx_backup, reject", {"recipient": "any@primary.tld"},
     "554 5.7.1 <any@primary.tld>: Recipient address rejected: Access denied"),
    ("R-40.8 we are none", "permit_mx_backup, reject", {"recipient": "any@others.tld"},
     "554 5.7.1 <any@others.tld>: Recipient address rejected: Access denied"),
    ("R-40.5 null MX", "permit_mx_backup, reject", {"recipient": "v@nullmx.tld"},
     "554 5.7.1 <v@nullmx.tld>: Recipient address rejected: Access denied"),
    ("R-40.5 no MX", "permit_mx_backup, reject", {"recipient": "v@host.tld"},
     "554 5.7.1 <v@host.tld>: Recipient address rejected: Access denied"),
    ("R-40.4 literal", "permit_mx_backup, reject", {"recipient": "v@[192.0.2.1]"},
     "554 5.7.1 <v@[192.0.2.1]>: Recipient address rejected: Access denied"),
    ("R-40.3 relay domain", "permit_mx_backup, reject", {}, OK),
    ("R-40.2 routed", "permit_mx_backup, reject", {"recipient": "v%x.tld@backup.tld"},
     "554 5.7.1 <v%x.tld@backup.tld>: Recipient address rejected: Access denied"),
    ("M-38 MX without answer, permitted", "permit_mx_backup, permit", {"recipient": "v@broken.tld"}, OK),
    ("M-38 MX without answer, rejected", "permit_mx_backup, reject", {"recipient": "w@broken.tld"},
     "450 4.4.4 <w@broken.tld>: Recipient address rejected: Unable to look up mail exchanger information: "
     "Host not found, try again"),

    # access(5): keys
    ("client's name", f"check_client_access {table('clients')}", {},
     f"554 5.7.1 <stranger.client.tld[{STRANGER}]>: Client host rejected: by name"),
    ("client's address", f"check_client_access {table('clients')}", {"source": NAMELESS},
     f"554 5.7.1 <unknown[{NAMELESS}]>: Client host rejected: by address"),
    ("client's network", f"check_client_access {table('clients')}, reject", {"source": LIAR}, OK),
    ("unconfirmed name", f"check_reverse_client_hostname_access {table('clients')}", {"source": LIAR},
     "554 5.7.1 <liar.client.tld>: Unverified Client host rejected: by name"),
    ("HELO and its parents", f"check_helo_access {table('helos')}", {"helo": "x.y.helo.tld"},
     "521 5.7.9 <x.y.helo.tld>: Helo command rejected: go away"),
    ("sender", f"check_sender_access {table('senders')}, reject", {"sender": "full@s.tld"}, OK),
    ("sender with extension", f"check_sender_access {table('senders')}", {"sender": "user+ext@s.tld"},
     "550 5.7.2 <user+ext@s.tld>: Sender address rejected: with extension"),
    ("sender without extension", f"check_sender_access {table('senders')}", {"sender": "user+no@s.tld"},
     "450 4.7.1 <user+no@s.tld>: Sender address rejected: without"),
    ("an enhanced code of recipients", f"check_sender_access {table('senders')}", {"sender": "dsn@s.tld"},
     "550 5.1.0 <dsn@s.tld>: Sender address rejected: no"),
    ("sender's domain", f"check_sender_access {table('senders')}", {"sender": "other@s.tld"},
     "554 5.7.1 <other@s.tld>: Sender address rejected: domain"),
    ("M-35 a sender in quotes", f"check_sender_access {table('senders')}", {"sender": '"a b"@s.tld'},
     "554 5.7.1 <a b@s.tld>: Sender address rejected: domain"),
    ("a parent domain", f"check_sender_access {table('senders')}", {"sender": "other@low.s.tld"},
     "554 5.7.1 <other@low.s.tld>: Sender address rejected: domain"),
    ("DUNNO ends the search", f"check_sender_access {table('senders')}", {"sender": "other@up.s.tld"}, OK),
    ("user@", f"check_sender_access {table('senders')}", {"sender": "post@x.tld"},
     "450 4.7.1 <post@x.tld>: Sender address rejected: Access denied"),
    ("the null sender's key", f"check_sender_access {table('senders')}", {"sender": ""},
     "501 5.7.1 <>: Sender address rejected: null"),
    ("T-3 a table that cannot be asked", "check_sender_access hash:/no/such/table", {},
     "451 4.3.5 <s@mail.tld>: Sender address rejected: Server configuration error"),
    ("mail exchangers", f"check_sender_mx_access {table('mxs')}", {"sender": "u@mail.tld"},
     "554 5.7.1 <u@mail.tld>: Sender address rejected: mail exchanger"),
    ("who has none is its own", f"check_recipient_mx_access {table('mxs')}", {"recipient": "u@in.served.tld"},
     "554 5.7.1 <u@in.served.tld>: Recipient address rejected: address"),
    ("OK is not for servers", f"check_sender_mx_access {table('mxs')}", {"sender": "u@solo.tld"},
     "451 4.3.5 Server configuration error"),
    ("name servers", f"check_helo_ns_access {table('mxs')}", {"helo": "low.served.tld"},
     "554 5.7.1 <low.served.tld>: Helo command rejected: name server"),
    ("addresses", f"check_helo_a_access {table('mxs')}", {"helo": "in.served.tld"},
     "554 5.7.1 <in.served.tld>: Helo command rejected: address"),

    # block lists
    ("listed", "reject_rbl_client bl.tld", {},
     f"554 5.7.1 Service unavailable; Client host [{STRANGER}] blocked using bl.tld; sends spam"),
    ("not listed", "reject_rbl_client bl.tld", {"source": NAMELESS}, OK),
    ("a list without answer", "reject_rbl_client broken.tld", {}, OK),
    ("filter", "reject_rbl_client bl.tld=127.0.0.4", {},
     f"554 5.7.1 Service unavailable; Client host [{STRANGER}] blocked using bl.tld; sends spam"),
    ("other filter", "reject_rbl_client bl.tld=127.0.0.5", {}, OK),
    ("ranges", "reject_rbl_client bl.tld=127.0.[0..2].[1;3..5]", {},
     f"554 5.7.1 Service unavailable; Client host [{STRANGER}] blocked using bl.tld; sends spam"),
    ("other ranges", "reject_rbl_client bl.tld=127.0.0.[1;5..9]", {}, OK),
    ("sender's domain listed", "reject_rhsbl_sender rhs.tld", {"sender": "u@bad.tld"},
     "554 5.7.1 Service unavailable; Sender address [u@bad.tld] blocked using rhs.tld"),
    ("recipient's domain listed", "reject_rhsbl_recipient rhs.tld", {"recipient": "u@bad.tld"},
     "554 5.7.1 Service unavailable; Recipient address [u@bad.tld] blocked using rhs.tld"),
    ("HELO listed", "reject_rhsbl_helo rhs.tld", {"helo": "bad.tld"},
     "554 5.7.1 Service unavailable; Helo command [bad.tld] blocked using rhs.tld"),
    ("client's name listed", "reject_rhsbl_client rhs.tld", {},
     "554 5.7.1 Service unavailable; Client host [stranger.client.tld] blocked using rhs.tld"),
    ("a reply of its own", "reject_rhsbl_sender rhs.tld=127.0.1.2", {"sender": "u@bad.tld"},
     "550 5.7.8 u@bad.tld is no good"),
    ("welcome", "permit_dnswl_client bl.tld, reject", {}, OK),
    ("welcome, but not to relay", "permit_dnswl_client bl.tld, reject", {"recipient": "g1@mail.tld"},
     "554 5.7.1 <g1@mail.tld>: Recipient address rejected: Access denied"),
    ("a good list without answer", "permit_dnswl_client broken.tld, reject", {},
     f"450 4.7.1 <stranger.client.tld[{STRANGER}]>: Client host rejected: Service unavailable"),

    # the rest
    ("reports have one recipient", "reject_multi_recipient_bounce", {"sender": "", "before": "z@relay.tld"},
     "550 5.5.3 <{r}>: Recipient address rejected: Multi-recipient bounce"),
    ("no encryption", "reject_plaintext_session", {}, "450 4.7.1 Session encryption is required"),
    ("no logins", "permit_sasl_authenticated, reject_sender_login_mismatch, reject_unauth_pipelining, reject", {},
     "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
]

# access(5): the results of one table, by recipient, and what follows the table.
RESULTS = [
    ("ok", "reject", OK), ("relay", "reject", OK), ("number", "reject", OK), ("few", "reject", OK),
    ("reject", "permit", "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("rejecttext", "permit", "554 5.7.0 <{r}>: Recipient address rejected: not today"),
    ("defer", "permit", "450 4.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("defertext", "permit", "450 4.2.1 <{r}>: Recipient address rejected: full"),
    ("ifreject", "permit", OK),
    ("ifreject", "reject", "450 4.7.1 <{r}>: Recipient address rejected: Service unavailable"),
    ("ifpermit", "permit", "450 4.7.5 <{r}>: Recipient address rejected: later"),
    ("ifpermit", "reject", "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("five", "permit", "554 5.7.7 <{r}>: Recipient address rejected: by table"),
    ("four", "permit", "451 4.7.1 <{r}>: Recipient address rejected: by table"),
    ("dunno", "permit", OK), ("wrong", "permit", OK),
    ("words", "permit", "450 4.3.2 <{r}>: Recipient address rejected: Try again later"),
    ("class", "permit", "554 5.7.1 <{r}>: Recipient address rejected: Access denied"),
    ("nonsense", "permit", "451 4.3.5 Server configuration error"),
    ("table", "permit", "451 4.3.5 Server configuration error"),
    ("filter", "permit", "451 4.3.5 Server configuration error"),
]


def all_cases():
    """(name, restrictions, settings, reply), each with a recipient of its own."""
    cases = [(name, words, {"recipient": f"c{i}@relay.tld", **settings}, reply)
             for i, (name, words, settings, reply) in enumerate(CASES)]
    cases += [(f"result {name}, {then}", f"check_recipient_access {table('results')}, {then}",
               {"recipient": f"{name}+{i}@r.tld"}, reply) for i, (name, then, reply) in enumerate(RESULTS)]
    return cases


def converse(port, settings):
    """The reply to RCPT."""
    with Client(port, hello=settings.get("helo", "client.example"), source=settings.get("source", STRANGER)) as client:
        client.expect(f"MAIL FROM:<{settings.get('sender', 's@mail.tld')}>", "250")
        if "before" in settings:
            client.expect(f"RCPT TO:<{settings['before']}>", "250")
        return client.command(f"RCPT TO:<{settings['recipient']}>")


def configure(daemon, names, cases, **settings):
    """A class for each case, and a table that names it by its recipient."""
    files = {name: daemon.table(name, text) for name, text in TABLES.items()}
    keys = [case[2].get("key", case[2]["recipient"]) for case in cases]
    lookup = daemon.table("cases", "".join(f"{key} case_{i}\n" for i, key in enumerate(keys)))
    classes = {f"case_{i}": re.sub(r"@(\w+)", lambda found: files[found[1]], words)
               for i, (_, words, _, _) in enumerate(cases)}
    daemon.change({
        "relay_domains": ["relay.tld"], "mydestination": ["local.tld"], "mynetworks": [f"{HOME}/32"],
        "inet_interfaces": [HOME, US], "proxy_interfaces": [PROXY], "recipient_delimiter": "+",
        "dns_servers": [names.server], "smtpd_relay_restrictions": "",
        "smtpd_recipient_restrictions": ["check_recipient_access", lookup, "reject_unauth_destination"],
        "smtpd_restriction_classes": [*classes, "refuse_all"], **classes, "refuse_all": "reject",
        "rbl_reply_maps": [daemon.table("replies", "rhs.tld=127.0.1.2 550 5.7.8 $rbl_what is no good\n")],
        **settings})
    daemon.start()


def wrong_replies(daemon, cases):
    wrong = {}
    for name, _, settings, expected in cases:
        reply = converse(daemon.port, settings)
        if isinstance(expected, re.Pattern):
            is_right = expected.fullmatch(reply)
        else:
            is_right = reply == expected.replace("{r}", settings["recipient"])
        if not is_right:
            wrong[name] = reply
    return wrong


def test_words_and_replies(make_daemon, make_names):
    cases = all_cases()
    assert len({case[2]["recipient"] for case in cases}) == len(cases), "each case needs a recipient of its own"
    daemon = make_daemon(start=False)
    configure(daemon, make_names(NAMES), cases)
    assert wrong_replies(daemon, cases) == {}
    daemon.wait_for_log("content filters are not supported")
    log = daemon.log()
    # M-36: each refusal is one line
    found = re.findall(r"NOQUEUE: reject: RCPT from .*: 554 5.7.1 <f1@mail.tld>: Relay access denied; "
                       r"from=<s@mail.tld> to=<f1@mail.tld> proto=ESMTP helo=<client.example>", log)
    assert len(found) == 1, found
    assert re.search(r"reject_warning: RCPT from .*Recipient address rejected: Access denied", log)


def test_other_codes(make_daemon, make_names):
    """Each code is a parameter; 4xx and 5xx decide which kind of refusal it is."""
    denied = "<{r}>: Recipient address rejected: Access denied"
    cases = [
        ("reject", "reject", {}, f"451 4.7.1 {denied}"),
        ("relay", "reject_unauth_destination", {"recipient": "x@mail.tld"}, "550 5.7.1 <x@mail.tld>: Relay access denied"),
        ("relay for now", "defer_unauth_destination", {"recipient": "y@mail.tld"},
         "450 4.7.1 <y@mail.tld>: Relay access denied"),
        ("table", f"check_recipient_access {table('results')}", {"recipient": "reject+0@r.tld"}, f"550 5.7.1 {denied}"),
        ("table for now", f"check_recipient_access {table('results')}", {"recipient": "defer+0@r.tld"},
         f"421 4.7.1 {denied}"),
        ("non_fqdn", "reject_non_fqdn_sender", {"sender": "u@box"},
         "550 5.5.2 <u@box>: Sender address rejected: need fully-qualified address"),
        ("unknown domain", "reject_unknown_sender_domain", {"sender": "u@nowhere.tld"},
         "550 5.1.8 <u@nowhere.tld>: Sender address rejected: Domain not found"),
        ("unknown client", "reject_unknown_client_hostname", {"source": NAMELESS},
         f"550 5.7.25 Client host rejected: cannot find your hostname, [{NAMELESS}]"),
        ("unknown HELO", "reject_unknown_helo_hostname", {"helo": "nowhere.tld"},
         "550 5.7.1 <nowhere.tld>: Helo command rejected: Host not found"),
        ("no answer", "reject_unknown_sender_domain, permit", {"sender": "u@broken.tld"},
         "450 4.1.8 <u@broken.tld>: Sender address rejected: Domain not found"),
        ("list", "reject_rbl_client bl.tld", {}, f"550 5.7.1 $ bl.tld lists {STRANGER}: sends spam"),
        ("encryption", "reject_plaintext_session", {}, "530 5.7.1 Session encryption is required"),
        ("key of a sub-domain", f"check_sender_access {table('senders')}, reject", {"sender": "other@low.s.tld"},
         f"451 4.7.1 {denied}"),
        ("R-40.9 primary in the networks", "permit_mx_backup, reject", {"recipient": "u@backup.tld"}, OK),
        ("R-40.9 primary elsewhere", "permit_mx_backup, reject", {"recipient": "u@elsewhere.tld"}, f"451 4.7.1 {denied}"),
        ("R-40.9 primary unknown", "permit_mx_backup, permit", {"recipient": "u@ghost.tld"}, OK),
    ]
    cases = [(name, words, {"recipient": f"c{i}@relay.tld", **settings}, reply)
             for i, (name, words, settings, reply) in enumerate(cases)]
    daemon = make_daemon(start=False)
    names = make_names([*NAMES, "mx-host=elsewhere.tld,stranger.client.tld,10", "mx-host=elsewhere.tld,us.tld,20"])
    configure(daemon, names, cases, reject_code=451, relay_domains_reject_code=550, access_map_reject_code=550,
              access_map_defer_code=421, non_fqdn_reject_code=550, unknown_address_reject_code=550,
              unknown_client_reject_code=550, unknown_hostname_reject_code=550, maps_rbl_reject_code=550,
              reject_tempfail_action="defer", plaintext_reject_code=530,
              default_rbl_reply="$rbl_code $$ ${rbl_domain} lists ${client_address}${rbl_reason?: $rbl_reason}",
              parent_domain_matches_subdomains="relay_domains", permit_mx_backup_networks=["192.0.2.0/24"])
    assert wrong_replies(daemon, cases) == {}


@pytest.mark.parametrize("settings, line", [
    ({"smtpd_relay_restrictions": "permit_mynetworks"}, "smtpd_relay_restrictions = "),
    ({"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": "warn_if_reject reject_unauth_destination"},
     "smtpd_relay_restrictions = "),
    ({"smtpd_relay_restrictions": "ours", "smtpd_restriction_classes": "ours", "ours": "permit_mynetworks"},
     "smtpd_relay_restrictions = "),
    ({"smtpd_relay_restrictions": ["check_recipient_access", "hash:/x"]}, "smtpd_relay_restrictions = "),
])
def test_no_open_relay(make_daemon, settings, line):
    """S26: neither a start nor -t takes a configuration that refuses nobody; a class counts for what it has."""
    daemon = make_daemon(start=False)
    daemon.change(settings)
    number = 1 + [text.startswith(line) for text in daemon.config.read_text().splitlines()].index(True)
    for options in (["-t"], ["-f"]):
        done = subprocess.run([daemon.bin / "sluiced", "-c", daemon.config, *options], text=True, timeout=60,
                              capture_output=True, env=ENVIRONMENT)
        assert done.returncode == 78
        assert re.search(rf"sluice\.conf:{number}: smtpd_relay_restrictions and smtpd_recipient_restrictions refuse "
                         r"nobody: this would be an open relay", done.stderr), done.stderr


@pytest.mark.parametrize("words", ["reject", "defer", "defer_if_permit", "defer_unauth_destination", "ours"])
def test_what_refuses_is_enough(make_daemon, words):
    """S26: any of these, also by way of a class."""
    daemon = make_daemon(start=False)
    daemon.change({"smtpd_relay_restrictions": words, "smtpd_restriction_classes": "ours",
                   "ours": "permit_mynetworks, reject_unauth_destination"})
    done = subprocess.run([daemon.bin / "sluiced", "-c", daemon.config, "-t"], text=True, timeout=60,
                          capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words, text", [
    ("check_policy_service inet:127.0.0.1:10023", "check_policy_service: policy services are not supported"),
    ("reject_unverified_sender", "reject_unverified_sender: probes of addresses are not supported"),
    ("reject_rbl_client", "reject_rbl_client wants an argument"),
    ("check_sender_access permit", 'check_sender_access wants a table, type:name, not "permit"'),
    (["reject_rbl_client bl.tld"], '"reject_rbl_client bl.tld": in an array each word is an item of its own'),
])
def test_what_is_not_understood(make_daemon, words, text):
    daemon = make_daemon(start=False)
    daemon.change({"smtpd_sender_restrictions": words})
    done = subprocess.run([daemon.bin / "sluiced", "-c", daemon.config, "-t"], text=True, timeout=60,
                          capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 78
    assert f"smtpd_sender_restrictions: {text}\n" in done.stderr, done.stderr


def test_lists_at_rcpt_and_etrn(make_daemon, make_names):
    """M-37, M-87: the lists for clients and HELO are asked at RCPT and at ETRN, and not before."""
    daemon = make_daemon(start=False)
    clients = daemon.table("clients", "127.0.0.8 REJECT\n")
    etrn = daemon.table("etrn", "relay.tld OK\nsub.relay.tld 550 5.7.3 not that one\n")
    daemon.change({"relay_domains": ["relay.tld"], "mynetworks": [f"{HOME}/32"], "dns_servers": [make_names(NAMES).server],
                   "smtpd_client_restrictions": ["check_client_access", clients], "smtpd_restriction_classes": "named",
                   "named": "reject_invalid_helo_hostname", "smtpd_helo_restrictions": "named",
                   "smtpd_etrn_restrictions": ["permit_mynetworks", "check_etrn_access", etrn, "reject"]})
    daemon.start()
    by_client = f"554 5.7.1 <unknown[{NAMELESS}]>: Client host rejected: Access denied"
    by_helo = "501 5.5.2 <-x->: Helo command rejected: Invalid name"
    with Client(daemon.port, source=NAMELESS) as client:
        assert client.command("ETRN relay.tld") == by_client
        client.expect("MAIL FROM:<s@mail.tld>", "250")
        assert client.command("RCPT TO:<u@relay.tld>") == by_client
    with Client(daemon.port, source=STRANGER, hello="-x-") as client:
        assert client.command("ETRN relay.tld") == by_helo
        client.expect("MAIL FROM:<s@mail.tld>", "250")
        assert client.command("RCPT TO:<u@relay.tld>") == by_helo
    with Client(daemon.port, source=STRANGER) as client:
        assert client.command("ETRN relay.tld") == "250 Queuing started"
        assert client.command("ETRN sub.relay.tld") == "550 5.7.3 <sub.relay.tld>: Etrn command rejected: not that one"
        assert client.command("ETRN other.tld") == "554 5.7.1 <other.tld>: Etrn command rejected: Access denied"
    daemon.wait_for_log(r"reject: ETRN from stranger.client.tld\[127.0.0.9\]: 501 5.5.2 <-x->: Helo command rejected")


def test_a_table_may_end_the_session(make_daemon):
    """RFC 5321 3.8: after 421 nothing more is said; 521 is the same for good."""
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["relay.tld"], "smtpd_sender_restrictions": [
        "check_sender_access", daemon.table("senders", "a@s.tld 421 4.7.0 closing\nb@s.tld 521 away\n")]})
    daemon.start()
    for sender, reply in (("a@s.tld", "421 4.7.0 <a@s.tld>: Sender address rejected: closing"),
                          ("b@s.tld", "521 5.7.1 <b@s.tld>: Sender address rejected: away")):
        with Client(daemon.port) as client:
            client.expect(f"MAIL FROM:<{sender}>", "250")
            assert client.command("RCPT TO:<u@relay.tld>") == reply
            assert client.reply() == ""


def test_effects(make_daemon, sink):
    """access(5): what an entry does to the message, from RCPT to its delivery, and Postfix's lines in the log."""
    daemon = make_daemon(start=False)
    entries = daemon.table("entries", "hold@s.tld HOLD looked at first\nheld@s.tld HOLD\ndiscard@s.tld DISCARD\n"
                           "redirect@s.tld REDIRECT other@relay.tld\nbcc@s.tld BCC copy@relay.tld\n"
                           "prepend@s.tld PREPEND X-Seen: yes\nwarn@s.tld WARN strange\ninfo@s.tld INFO fine\n")
    daemon.change({"relay_domains": ["relay.tld"], "transport_maps": [
        daemon.table("transport", f"relay.tld relay:{sink.nexthop}\n")],
        "smtpd_sender_restrictions": ["check_sender_access", entries, "permit"]})
    daemon.start()
    for who in ("discard", "redirect", "bcc", "prepend", "warn", "info"):
        send(daemon.port, sender=f"{who}@s.tld", recipients=["u@relay.tld"])
    wait_for(lambda: daemon.queue() == [] and sum(len(message.recipients) for message in sink.messages) == 6)
    got = {}
    for message in sink.messages:
        got.setdefault(re.search(r"<(\w+)@s.tld>", message.mail)[1], []).extend(message.recipients)
    assert {who: sorted(recipients) for who, recipients in got.items()} == {
        "redirect": ["<other@relay.tld>"], "bcc": ["<copy@relay.tld>", "<u@relay.tld>"],
        "prepend": ["<u@relay.tld>"], "warn": ["<u@relay.tld>"], "info": ["<u@relay.tld>"]}
    [prepended] = [message for message in sink.messages if "prepend@" in message.mail]
    assert prepended.data.startswith(b"X-Seen: yes\r\nReceived: ")
    held = send(daemon.port, sender="hold@s.tld", recipients=["u@relay.tld"])
    assert [(message["queue_id"], message["queue_name"]) for message in daemon.queue()] == [(held, "hold")]
    send(daemon.port, sender="held@s.tld", recipients=["u@relay.tld"])
    about = r"RCPT from localhost\[127\.0\.0\.1\]: "
    for line in (r"hold: " + about + r"<hold@s\.tld>: Sender address looked at first; from=<hold@s\.tld>",
                 r"hold: " + about + r"<held@s\.tld>: Sender address triggers HOLD action; ",
                 r"discard: " + about + r"<discard@s\.tld>: Sender address triggers DISCARD action; ",
                 r"redirect: " + about + r"<redirect@s\.tld>: Sender address triggers REDIRECT other@relay\.tld; ",
                 r"bcc: " + about + r"<bcc@s\.tld>: Sender address triggers BCC copy@relay\.tld; ",
                 r"warn: " + about + r"strange; ", r"info: " + about + r"fine; "):
        daemon.wait_for_log(line)


def test_mx_backup_to_the_end(make_daemon, make_names, make_sink):
    """S13, R-45: what permit_mx_backup lets in leaves by default_transport, to the better exchangers. R-47: who may ETRN."""
    primary = make_sink(address="127.0.0.5")
    names = make_names(["address=/primary.tld/127.0.0.5", f"address=/us.tld/{HOME}", "mx-host=backup.tld,primary.tld,10",
                        "mx-host=backup.tld,us.tld,20"])
    daemon = make_daemon(start=False)
    daemon.change({"dns_servers": [names.server], "mynetworks": ["127.0.0.2/32"],
                   "smtpd_relay_restrictions": "permit_mx_backup, reject_unauth_destination",
                   "smtpd_etrn_restrictions": "permit",
                   "transports": [{"name": "smtp", "plugin": "smtp", "smtp_tcp_port": primary.port}]})
    daemon.start()
    send(daemon.port, recipients=["any@backup.tld"])
    wait_for(lambda: primary.count == 1)
    daemon.wait_for_log(r"to=<any@backup\.tld>, relay=primary\.tld\[127\.0\.0\.5\]:\d+, .*status=sent")
    with Client(daemon.port) as client:
        assert client.command("ETRN backup.tld") == "459 <backup.tld>: service unavailable"
    daemon.change({"fast_flush_domains": ["backup.tld"]})
    daemon.command("sluice", "reload")
    with Client(daemon.port) as client:
        assert client.command("ETRN backup.tld").startswith("250")


class TableServer(socketserver.StreamRequestHandler):
    """A tcp: table that has nothing, and remembers what it was asked for."""

    def handle(self):
        for line in self.rfile:
            self.server.keys.append(line.decode().split()[1])
            self.wfile.write(b"500 not found\n")


def test_a_table_of_patterns_is_asked_for_the_whole_alone(make_daemon):
    """T-7: no parents and no parts of an address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), TableServer) as server:
        server.daemon_threads = True
        server.keys = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        daemon = make_daemon(start=False)
        daemon.change({"relay_domains": ["relay.tld"], "smtpd_sender_restrictions": [
            "check_sender_access", f"tcp:127.0.0.1:{server.server_address[1]}"]})
        daemon.start()
        assert converse(daemon.port, {"sender": "user@low.s.tld", "recipient": "u@relay.tld"}) == OK
        assert server.keys == ["user@low.s.tld"]
        server.shutdown()
