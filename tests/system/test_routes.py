# SPDX-License-Identifier: ISC
"""Queued mail follows the tables."""

from client import send
from daemon import wait_for


def waiting(make_daemon, **settings):
    """A daemon with mail that waits for etrn-only at two domains."""
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld", "other.tld"],
        "transport_maps": [daemon.table("transport", "customer.tld etrn-only:\nother.tld etrn-only:\n")],
        **settings})
    daemon.start()
    for _ in range(3):
        send(daemon.port, recipients=["a@customer.tld", "b@customer.tld", "c@other.tld"])
    return daemon


def restart(daemon):
    assert daemon.stop() == 0
    daemon.start()


def routes(daemon):
    return {(recipient["address"], recipient["transport"])
            for message in daemon.queue() for recipient in message["recipients"]
            if recipient["state"] == "waiting"}


def test_a_changed_table_moves_mail(make_daemon, sink, store):
    daemon = waiting(make_daemon, queue_store={"plugin": store})
    daemon.table("transport", f"customer.tld smtp:{sink.nexthop}\nother.tld etrn-only:\n")
    restart(daemon)
    wait_for(lambda: sink.count == 3)
    assert {recipient for message in sink.messages for recipient in message.recipients} == \
        {"<a@customer.tld>", "<b@customer.tld>"}
    daemon.wait_for_log(r"3 messages have new routes")
    wait_for(lambda: routes(daemon) == {("c@other.tld", "etrn-only")})

    daemon.table("transport", f"other.tld smtp:{sink.nexthop}\n")
    daemon.kill()
    daemon.start()
    wait_for(lambda: daemon.queue() == [])
    # What the kill has kept from the disk was sent again; the others' mail was not.
    assert sum("<c@other.tld>" in message.recipients for message in sink.messages) == 3


def test_a_broken_table_moves_nothing(make_daemon, sink):
    daemon = waiting(make_daemon)
    before = routes(daemon)
    (daemon.folder / "transport.db").write_bytes(b"nonsense" * 1000)
    restart(daemon)
    daemon.wait_for_log(r"transport is unavailable")
    assert routes(daemon) == before
    daemon.table("transport", f"customer.tld smtp:{sink.nexthop}\nother.tld smtp:{sink.nexthop}\n")
    restart(daemon)
    wait_for(lambda: daemon.queue() == [])


def test_requeued_mail_is_routed_afresh(make_daemon, sink):
    daemon = waiting(make_daemon)
    daemon.table("transport", f"customer.tld smtp:{sink.nexthop}\nother.tld etrn-only:\n")
    daemon.command("postsuper", "-r", "ALL")
    wait_for(lambda: sink.count == 3)
    wait_for(lambda: routes(daemon) == {("c@other.tld", "etrn-only")})


def test_the_sender_may_decide(make_daemon, sink, make_sink):
    """R-23: sender_dependent_default_transport_maps and ..._relayhost_maps, also for mail in the queue."""
    other = make_sink()
    daemon = make_daemon(start=False)
    daemon.change({
        "relayhost": sink.nexthop, "recipient_delimiter": "+",
        "sender_dependent_default_transport_maps": [daemon.table("transports", "held@me.tld etrn-only\n")],
        "sender_dependent_relayhost_maps": [daemon.table("relayhosts", f"@me.tld {other.nexthop}\n<> DUNNO\n")]})
    daemon.start()
    for sender in ("me+x@me.tld", "you@else.tld", "", "held@me.tld", "held+2@me.tld"):
        send(daemon.port, sender=sender, recipients=["u@x.tld"])
    wait_for(lambda: sink.count == 2 and other.count == 1)
    assert {message.mail.split()[0] for message in sink.messages} == {"FROM:<you@else.tld>", "FROM:<>"}
    assert {(recipient["transport"], recipient["nexthop"]) for message in daemon.queue()
            for recipient in message["recipients"]} == {("etrn-only", other.nexthop)}

    daemon.table("transports", "held+2@me.tld smtp\n")
    daemon.table("relayhosts", f"held@me.tld {sink.nexthop}\n")
    restart(daemon)
    wait_for(lambda: daemon.queue() == [] and sink.count == 4)
    assert other.count == 1
