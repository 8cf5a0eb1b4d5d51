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
