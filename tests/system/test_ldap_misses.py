# SPDX-License-Identifier: ISC
"""
While no server of a directory answers, what it did not have is known too: a look-up that has to pass such an answer
first goes on with its next form, the next table, the next list. What old answers lead to never ends anything for good.
"""

import pytest

from client import LATER, VALID, Client, send
from daemon import wait_for
from directory import BASE, FRESH, recipient, slapd_of
from sink import Sink
from test_explain import explain, steps

ENTRIES = (
    recipient("customer.tld", mail="customer.tld", mailtransport="etrn-only:")
    + recipient("user", mailacceptinggeneralid="user@customer.tld")
    + recipient("second", maildrop="second@customer.tld")
    + recipient("alias", mailacceptinggeneralid="a@alias.tld", maildrop="user@customer.tld")
    + recipient("moved", mailacceptinggeneralid="moved@customer.tld", description="new@other.tld")
    + recipient("friend", mail="friend@customer.tld", description="OK")
    + recipient("foe", mail="foe@customer.tld", description="REJECT"))

# What each look-up of the relay's has to pass before it has found what it wants.
FORMS = {
    "user@customer.tld": (VALID, VALID),  # address before domain, alias and relocated before recipient
    "user+ext@customer.tld": (VALID, VALID),  # with and without extension
    "second@customer.tld": (VALID, VALID),  # the second of two tables
    "a@alias.tld": (VALID, VALID),  # a virtual alias, with its own route
    "friend@customer.tld": (VALID, VALID),  # who may by an access table alone
    "none@customer.tld": ("550 5.1.1 <{}>: Recipient address rejected: User unknown in relay recipient table", LATER),
    "none@alias.tld": ("550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual alias table", LATER),
    "moved@customer.tld": ("550 5.1.6 <{}>: Recipient address rejected: User has moved to new@other.tld", LATER),
    "foe@customer.tld": ("554 5.7.1 <{}>: Recipient address rejected: Access denied", LATER),
    "x@other.tld": ("554 5.7.1 <{}>: Relay access denied", LATER),  # no domain of ours
}


@pytest.fixture
def slapd():
    with slapd_of(ENTRIES) as directory:
        yield directory


def table(slapd, name, query, attribute):
    return {"name": name, "plugin": "ldap", "server_host": slapd.url, "search_base": BASE, "version": 3,
            "bind": "no", "timeout": 30, "connect_timeout": 1, "query_filter": query, "result_attribute": attribute,
            **FRESH, "stale_ok": "72h", "stale_after": "1s"}


@pytest.fixture
def relay(make_daemon, slapd):
    """A daemon that has nothing but the directory, for clients that it does not know."""
    def make(**settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "mynetworks": ["192.0.2.0/24"], "recipient_delimiter": "+", "smtpd_etrn_restrictions": [],
            "relay_domains": ["ldap:domains"], "fast_flush_domains": ["ldap:domains"],
            "relay_recipient_maps": ["ldap:first", "ldap:second", "ldap:access"],
            "transport_maps": ["ldap:routes"], "relocated_maps": ["ldap:moved"],
            "virtual_alias_domains": ["alias.tld"], "virtual_alias_maps": ["ldap:aliases"],
            "smtpd_recipient_restrictions": "check_recipient_access ldap:access, reject_unauth_destination",
            "tables": [table(slapd, "domains", "(mail=%s)", "mail"),
                       table(slapd, "first", "(mailacceptinggeneralid=%s)", "cn"),
                       table(slapd, "second", "(maildrop=%s)", "cn"),
                       table(slapd, "routes", "(mail=%s)", "mailtransport"),
                       table(slapd, "moved", "(mailacceptinggeneralid=%s)", "description"),
                       table(slapd, "aliases", "(mailacceptinggeneralid=%s)", "maildrop"),
                       table(slapd, "access", "(mail=%s)", "description")],
            **settings})
        daemon.start()
        return daemon
    return make


def ask(daemon, addresses):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return {address: client.command(f"RCPT TO:<{address}>") for address in addresses}


def expected(at):
    return {address: replies[at].format(address) for address, replies in FORMS.items()}


def etrn(daemon, domain):
    with Client(daemon.port) as client:
        return client.command(f"ETRN {domain}")


def test_every_form(relay, slapd):
    daemon = relay()
    assert ask(daemon, FORMS) == expected(0)
    assert etrn(daemon, "customer.tld").startswith("250 ")
    assert etrn(daemon, "other.tld") == "459 <other.tld>: service unavailable"
    slapd.stop()
    assert ask(daemon, FORMS) == expected(1)
    assert etrn(daemon, "customer.tld").startswith("250 ")
    assert etrn(daemon, "other.tld") == "458 Unable to queue messages"
    assert etrn(daemon, "never.tld") == "458 Unable to queue messages"
    assert ask(daemon, ["never@customer.tld", "x@never.tld"]) == {
        address: LATER.format(address) for address in ("never@customer.tld", "x@never.tld")}
    daemon.stop()
    daemon.start()
    assert ask(daemon, FORMS) == expected(1)
    slapd.start()
    wait_for(lambda: ask(daemon, FORMS) == expected(0))


def test_a_recipient_is_added_meanwhile(relay, slapd):
    """Its miss is old; it is refused for now until the directory says what it has, within one session too."""
    daemon = relay()
    new = "none@customer.tld"
    assert ask(daemon, [new])[new].startswith("550 ")
    slapd.stop()
    slapd.load(recipient("none", mailacceptinggeneralid=new))
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        assert client.command(f"RCPT TO:<{new}>") == LATER.format(new)
        slapd.start()
        replies = set()

        def is_valid():
            replies.add(client.command(f"RCPT TO:<{new}>"))
            return VALID in replies
        wait_for(is_valid, step=0.5)
        assert replies <= {VALID, LATER.format(new)}


def test_no_mail_ends_by_a_route(relay, slapd):
    """Also where nobody is refused for being unknown: such mail would be accepted, and returned at once."""
    daemon = relay(smtpd_reject_unlisted_recipient=False)
    unknown = "none@alias.tld"
    assert ask(daemon, [unknown, "a@alias.tld"]) == {unknown: VALID, "a@alias.tld": VALID}
    slapd.stop()
    assert ask(daemon, [unknown, "a@alias.tld"]) == {unknown: LATER.format(unknown), "a@alias.tld": VALID}


def hold_for(slapd, sink):
    """Mail of customer.tld from now on."""
    slapd.change(f"dn: cn=customer.tld,{BASE}\nchangetype: modify\nreplace: mailtransport\n"
                 f"mailtransport: etrn-only:{sink.nexthop}\n")


def test_queued_mail_stays_on_its_route(relay, slapd):
    """What is known has changed since; nothing moves by that before the directory itself says it."""
    with Sink() as before, Sink() as after:
        daemon = relay()
        hold_for(slapd, before)
        send(daemon.port, recipients="user@customer.tld")
        hold_for(slapd, after)
        assert ask(daemon, ["user+ext@customer.tld"]) == {"user+ext@customer.tld": VALID}  # which is known now
        slapd.stop()
        daemon.command("sluice", "queue", "release", "ALL")
        wait_for(lambda: len(before.messages) == 1)
        assert after.messages == []


def test_reports_find_their_way(relay, slapd):
    """To a sender who is in none of the tables, as the one before has found it."""
    with Sink() as senders, Sink(replies={"RCPT": "550 5.1.1 gone"}) as refusing:
        daemon = relay(relayhost=senders.nexthop)
        hold_for(slapd, refusing)

        def send_in_vain(count):
            daemon.command("sluice", "queue", "release", "ALL")
            wait_for(lambda: len(senders.messages) == count)
        send(daemon.port, sender="s@else.tld", recipients="user@customer.tld")
        send_in_vain(1)
        send(daemon.port, sender="s@else.tld", recipients="user@customer.tld")
        slapd.stop()
        send_in_vain(2)


def test_explain_tells_old_answers(relay, slapd):
    daemon = relay()
    ask(daemon, FORMS)
    slapd.stop()
    message, _ = explain(daemon, "user@customer.tld", client="192.0.2.1")
    assert message["verdict"] == "accept"
    assert {step["from"] for step in steps(message, "table")} == {"last_known"}
    message, _ = explain(daemon, "x@other.tld", client="203.0.113.1")
    assert (message["verdict"], message["reply"]) == ("defer", LATER.format("x@other.tld"))
    assert "->  nothing (an old answer, of " in daemon.command(
        "sluice", "explain", "user@customer.tld", "--client", "192.0.2.1").stdout
