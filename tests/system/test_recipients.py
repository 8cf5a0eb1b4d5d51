# SPDX-License-Identifier: ISC
"""Who is there, and who stands for whom: spec S29-S32, S34, R-2 to R-5, R-24, R-70 to R-73, M-33, M-34."""

import pytest

from client import Client, send
from daemon import wait_for

UNKNOWN = "550 5.1.1 <{}>: Recipient address rejected: User unknown in {} table"


@pytest.fixture
def ask(make_daemon, sink):
    """A daemon, and what it answers to RCPT."""
    def start(tables, **settings):
        daemon = make_daemon(start=False)
        named = {name: [daemon.table(name, text)] for name, text in tables.items()}
        transport = daemon.table("transport", f"relay.tld relay:{sink.nexthop}\nelse.tld smtp:{sink.nexthop}\n"
                                 "error.tld error:no such place\ncoded.tld error:5.7.9 not for you\n"
                                 "retry.tld retry:4.7.9 come again\nplain.tld retry:later\n")
        daemon.change({"relay_domains": ["relay.tld", "error.tld", "coded.tld", "retry.tld", "plain.tld"],
                       "transport_maps": [transport], **named, **settings})
        daemon.start()

        def rcpt(address):
            with Client(daemon.port) as client:
                client.expect("MAIL FROM:<s@else.tld>", "250")
                return client.command(f"RCPT TO:<{address}>")

        rcpt.daemon = daemon
        return rcpt

    return start


def test_relay_recipients(ask):
    rcpt = ask({"relay_recipient_maps": "listed@relay.tld x\nfull+e@relay.tld x\nsplit@relay.tld OK\n"
                                        "\"a b\"@relay.tld x\n*@relay.tld x\n@all.relay.tld 0\n"},
               recipient_delimiter="+")
    for known in ("listed@relay.tld", "LISTED@Relay.TLD", "full+e@relay.tld", "split+x@relay.tld",
                  '"a b"@relay.tld', "any@all.relay.tld"):
        assert rcpt(known) == "250 2.1.5 Ok", known
    for unknown in ("none@relay.tld", "full@relay.tld", "listed@sub.relay.tld"):
        assert rcpt(unknown) == UNKNOWN.format(unknown, "relay recipient")
    assert rcpt.daemon.queue() == []
    rcpt.daemon.wait_for_log(r"reject: RCPT from .*: 550 5.1.1 <none@relay.tld>: Recipient address rejected: User "
                             r"unknown in relay recipient table; from=<s@else.tld> to=<none@relay.tld>")


def test_without_a_table_all_are_there(ask):
    rcpt = ask({}, relay_recipient_maps="")
    assert rcpt("any@relay.tld") == "250 2.1.5 Ok"


@pytest.mark.parametrize("settings, reply", [
    ({"unknown_relay_recipient_reject_code": 450},
     "450 4.1.1 <x@relay.tld>: Recipient address rejected: User unknown in relay recipient table"),
    ({"show_user_unknown_table_name": False}, "550 5.1.1 <x@relay.tld>: Recipient address rejected: User unknown"),
    ({"smtpd_reject_unlisted_recipient": False}, "250 2.1.5 Ok"),
])
def test_the_reply_is_configurable(ask, settings, reply):
    assert ask({"relay_recipient_maps": "a@relay.tld x\n"}, **settings)("x@relay.tld") == reply


def test_a_table_that_cannot_be_asked_is_temporary(ask):
    rcpt = ask({}, relay_recipient_maps=["hash:/nowhere/at/all"])
    assert rcpt("x@relay.tld") == "451 4.3.0 <x@relay.tld>: Temporary lookup failure"


def test_the_class_names_the_table(ask):
    rcpt = ask({"local_recipient_maps": "user x\n", "virtual_alias_maps": "a@alias.tld b@else.tld\n",
                "virtual_mailbox_maps": "m@mailbox.tld x\n"},
               mydestination=["local.tld"], virtual_alias_domains=["alias.tld"],
               virtual_mailbox_domains=["mailbox.tld"])
    assert rcpt("x@local.tld") == UNKNOWN.format("x@local.tld", "local recipient")
    assert rcpt("x@alias.tld") == UNKNOWN.format("x@alias.tld", "virtual alias")
    assert rcpt("x@mailbox.tld") == UNKNOWN.format("x@mailbox.tld", "virtual mailbox")
    for known in ("user@local.tld", "PostMaster@local.tld", "a@alias.tld", "m@mailbox.tld"):
        assert rcpt(known) == "250 2.1.5 Ok", known


def test_errors_in_the_transport_table(ask):
    rcpt = ask({"relocated_maps": "gone@relay.tld new@else.tld\n"})
    rejected = "Recipient address rejected:"
    assert rcpt("u@error.tld") == f"550 5.1.1 <u@error.tld>: {rejected} no such place"
    assert rcpt("u@coded.tld") == f"550 5.7.9 <u@coded.tld>: {rejected} not for you"
    assert rcpt("u@retry.tld") == f"450 4.7.9 <u@retry.tld>: {rejected} come again"
    assert rcpt("u@plain.tld") == f"450 4.1.1 <u@plain.tld>: {rejected} later"
    assert rcpt("gone@relay.tld") == f"550 5.1.6 <gone@relay.tld>: {rejected} User has moved to new@else.tld"


def test_aliases_are_delivered_in_the_place_of_their_name(ask, sink):
    rcpt = ask({"virtual_alias_maps": "list@alias.tld one@relay.tld, two@else.tld\n@old.tld @relay.tld\n",
                "canonical_maps": "odd@relay.tld even@relay.tld\n",
                "sender_canonical_maps": "inner@else.tld outer@else.tld\n"},
               virtual_alias_domains=["alias.tld", "old.tld"])
    send(rcpt.daemon.port, sender="inner@else.tld",
         recipients=["list@alias.tld", "user@old.tld", "odd@relay.tld"])
    wait_for(lambda: rcpt.daemon.queue() == [] and sink.count >= 2)
    assert {recipient for message in sink.messages for recipient in message.recipients} == \
        {"<one@relay.tld>", "<two@else.tld>", "<user@relay.tld>", "<even@relay.tld>"}
    assert all(message.mail.startswith("FROM:<outer@else.tld>") for message in sink.messages)
    rcpt.daemon.wait_for_log(r"to=<one@relay.tld>, orig_to=<list@alias.tld>, .*status=sent")


def test_a_bad_alias_loses_nothing(ask):
    rcpt = ask({"virtual_alias_maps": "u@relay.tld not@-address\n"})
    assert rcpt("u@relay.tld") == "451 4.3.0 <u@relay.tld>: Temporary lookup failure"
    rcpt.daemon.wait_for_log(r'"not@-address" for u@relay.tld is no address')


def test_a_report_follows_the_aliases(ask, sink):
    rcpt = ask({"virtual_alias_maps": "writer@alias.tld home@relay.tld\n"},
               virtual_alias_domains=["alias.tld"])
    sink.replies["RCPT"] = lambda line: "550 5.1.1 no" if "<bad@" in line else ...
    send(rcpt.daemon.port, sender="writer@alias.tld", recipients=["bad@relay.tld"])
    wait_for(lambda: any("<home@relay.tld>" in message.recipients for message in sink.messages))


def test_a_route_in_an_address_of_ours_is_followed(ask, sink):
    rcpt = ask({}, mydestination=["local.tld"])
    send(rcpt.daemon.port, recipients=["u%relay.tld@local.tld", "relay.tld!v@local.tld"])
    wait_for(lambda: sink.count >= 1 and rcpt.daemon.queue() == [])
    assert {recipient for message in sink.messages for recipient in message.recipients} == \
        {"<u@relay.tld>", "<v@relay.tld>"}
