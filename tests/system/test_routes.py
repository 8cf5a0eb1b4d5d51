# SPDX-License-Identifier: ISC
"""Queued mail follows the tables, without a reload (R-23, R-28)."""

import sqlite3

from client import Client, send
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


def etrn(daemon, domain):
    with Client(daemon.port) as client:
        client.expect(f"ETRN {domain}", "25")


def senders(sink):
    return sorted(message.mail.split()[0] for message in sink.messages)


def test_a_release_goes_by_the_tables_of_now(make_daemon, sink, make_sink):
    """R-28: also when they have changed just before, and mail that comes in then."""
    other = make_sink()
    daemon = make_daemon(start=False)
    transport = daemon.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [transport]})
    daemon.start()
    send(daemon.port, sender="1@isp.example", recipients=["a@customer.tld", "b@customer.tld"])
    send(daemon.port, sender="2@isp.example", recipients=["a@customer.tld"])
    daemon.table("transport", f"customer.tld etrn-only:{other.nexthop}\n")
    send(daemon.port, sender="3@isp.example", recipients=["a@customer.tld"])
    etrn(daemon, "customer.tld")
    wait_for(lambda: daemon.queue() == [])
    assert senders(other) == [f"FROM:<{n}@isp.example>" for n in (1, 2, 3)]
    assert sink.count == 0
    daemon.wait_for_log("to=<b@customer.tld>, goes to etrn-only:.* now, not etrn-only:")


def test_a_change_moves_mail_that_waits(make_daemon, sink):
    """R-28: a table that can tell that it has changed; what waits for nothing then goes."""
    daemon = make_daemon(start=False)
    routes_file = daemon.folder / "routes"
    routes_file.write_text("customer.tld etrn-only:\nother.tld etrn-only:\n")
    domains = daemon.folder / "domains"
    domains.write_text("/^(customer|other)\\.tld$/ x\n")
    daemon.change({"relay_domains": [f"regexp:{domains}"], "transport_maps": [f"texthash:{routes_file}"]})
    daemon.start()
    send(daemon.port, recipients=["a@customer.tld", "b@other.tld"])
    wait_for(lambda: len(routes(daemon)) == 2)
    routes_file.write_text(f"customer.tld smtp:{sink.nexthop}\nother.tld etrn-only:[127.0.0.1]:1\n")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<a@customer.tld>"]
    wait_for(lambda: routes(daemon) == {("b@other.tld", "etrn-only")})
    send(daemon.port, recipients=["c@customer.tld"])  # the first one that receive routes since then
    wait_for(lambda: sink.count == 2)
    assert "to=<c@customer.tld>, goes to" not in daemon.log()

    routes_file.unlink()  # cannot be asked: what there is stays
    wait_for(lambda: etrn(daemon, "other.tld") or "routes: No such file" in daemon.log(), step=0.5)
    tries = daemon.log().count("to=<b@other.tld>, relay=none")
    etrn(daemon, "other.tld")
    wait_for(lambda: daemon.log().count("to=<b@other.tld>, relay=none") > tries)
    assert routes(daemon) == {("b@other.tld", "etrn-only")}


def test_a_retry_goes_by_the_tables_of_now(make_daemon, sink, make_sink):
    """R-28: tables that cannot tell whether they have changed are asked at each retry and release."""
    busy = make_sink(replies={"RCPT": "450 4.2.0 not now"})
    daemon = make_daemon(start=False)
    database = sqlite3.connect(daemon.folder / "data")
    database.execute("CREATE TABLE t (k, v)")
    database.executemany("INSERT INTO t VALUES (?, ?)", [("customer.tld", f"smtp:{busy.nexthop}"),
                                                         ("held.tld", f"etrn-only:{busy.nexthop}")])
    database.commit()
    (daemon.folder / "routes.cf").write_text(
        f"dbpath = {daemon.folder}/data\nquery = SELECT v FROM t WHERE k = '%s'\n")
    daemon.change({"relay_domains": ["held.tld"],
                   "transport_maps": [f"sqlite:{daemon.folder}/routes.cf"], "minimal_backoff_time": 1})
    daemon.start()
    send(daemon.port, recipients=["a@customer.tld"])
    send(daemon.port, recipients=["a@held.tld"])
    daemon.wait_for_log("to=<a@customer.tld>, .*dsn=4.2.0, status=deferred")
    database.execute("UPDATE t SET v = 'smtp:' || ? || ''", [sink.nexthop])
    database.commit()
    wait_for(lambda: sink.count >= 1)
    etrn(daemon, "held.tld")
    wait_for(lambda: sink.count == 2 and daemon.queue() == [])
    assert not any("held.tld" in command for command in busy.commands)
