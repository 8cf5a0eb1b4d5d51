# SPDX-License-Identifier: ISC
"""
The seed etrn-only.txt, name for name (spec S1 to S19), and what a release means.

S10 is about comments and continued lines of master.cf: the tests of `sluice import postfix`. S20: the numbers before the
seed's lines are none of the configuration's, and nothing reads them.
"""

import re
import time

import pytest

from client import Client, send
from daemon import wait_for
from namespaces import own_network

RELAY = {"relay_domains": ["customer.tld", "other.tld"], "defer_transports": ["etrn-only"]}


@pytest.fixture
def seed(make_daemon, make_names, sink):
    """The seed's three files; mailhost.customer.tld is the sink, and the MX record misleads."""
    names = make_names([
        "address=/mailhost.customer.tld/127.0.0.1",
        "address=/wrong.customer.tld/127.0.0.99",
        "mx-host=customer.tld,wrong.customer.tld,10",
        "mx-host=mailhost.customer.tld,wrong.customer.tld,10",
    ])
    daemon = make_daemon(start=False)
    daemon.change({
        **RELAY,
        "transport_maps": [daemon.table(
            "transport", f"customer.tld etrn-only:[mailhost.customer.tld]:{sink.port}\n"
                         f"other.tld etrn-only:[mailhost.customer.tld]:{sink.port}\n")],
        "dns_servers": [names.server],
    })
    daemon.start()
    daemon.names = names
    return daemon


RELEASES = {
    "ETRN": lambda daemon: etrn(daemon, "customer.tld"),
    "ETRN in capitals": lambda daemon: etrn(daemon, "CUSTOMER.TLD"),
    "sendmail -q": lambda daemon: daemon.command("sendmail", "-q"),
    "sendmail -qRdomain": lambda daemon: daemon.command("sendmail", "-qRcustomer.tld"),
    "postqueue -s domain": lambda daemon: daemon.command("postqueue", "-s", "customer.tld"),
    "postqueue -sdomain": lambda daemon: daemon.command("postqueue", "-scustomer.tld"),
    "postqueue -f": lambda daemon: daemon.command("postqueue", "-f"),
    "sluice site release": lambda daemon: daemon.command("sluice", "site", "release", "customer.tld"),
    "sluice queue release": lambda daemon: daemon.command("sluice", "queue", "release", "ALL"),
}


def etrn(daemon, domain):
    with Client(daemon.port) as client:
        return client.command(f"ETRN {domain}")


def test_mail_waits_until_it_is_released(seed, sink):
    """Q-33, S3, S4, S5, S6, S7, S14, S16, S18; what comes after a release waits for the next one."""
    for count, (way, release) in enumerate(RELEASES.items()):
        queue_id = send(seed.port)
        wait_for(lambda: re.search(rf"{queue_id}: to=<user@customer\.tld>, relay=none, .* dsn=4\.3\.2, "
                                   r"status=deferred \(deferred transport\)", seed.log()))
        if count == 0:
            time.sleep(1)
            assert seed.names.queries() == []
        assert sink.count == count, way
        assert [message["queue_id"] for message in seed.queue()] == [queue_id], way
        release(seed)
        wait_for(lambda: sink.count == count + 1)
        assert sink.messages[count].recipients == ["<user@customer.tld>"], way
        wait_for(lambda: seed.queue() == [])
    # [host]: its address, and never a mail exchanger.
    assert {query.split()[0] for query in seed.names.queries()} <= {"A", "AAAA"}
    assert all("mailhost" in query for query in seed.names.queries())


def test_mail_that_comes_after_the_release_waits_again(seed, sink):
    """Q-33."""
    send(seed.port)
    assert etrn(seed, "customer.tld").startswith("253 ")
    wait_for(lambda: sink.count == 1)
    send(seed.port)
    time.sleep(1)
    assert sink.count == 1


def test_a_release_takes_the_released_domain_only(seed, sink):
    """Q-40; Q-42: recipients of other domains in the same message stay where they are."""
    send(seed.port, recipients=["a@customer.tld", "b@other.tld", "c@customer.tld"])
    send(seed.port, recipients=["d@other.tld"])
    etrn(seed, "customer.tld")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<a@customer.tld>", "<c@customer.tld>"]
    time.sleep(0.5)
    assert sink.count == 1
    assert len(seed.queue()) == 2
    etrn(seed, "other.tld")
    wait_for(lambda: sink.count == 3)
    assert sorted(message.recipients[0] for message in sink.messages[1:]) == \
        ["<b@other.tld>", "<d@other.tld>"]


def test_a_host_that_is_down_or_refuses_leaves_the_mail_for_the_next_release(
        make_daemon, make_sink):
    """Q-26, Q-41, Q-44."""
    sink = make_sink(replies={"greeting": "421 4.3.2 not now"})
    daemon = make_daemon(start=False)
    daemon.change({**RELAY, "etrn_minimum_interval": 0, "transport_maps": [daemon.table(
        "transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)

    etrn(daemon, "customer.tld")
    wait_for(lambda: sink.connections == 1)
    daemon.wait_for_log(r"refused to talk to me: 421 4.3.2 not now")
    port = sink.port
    sink.close()
    etrn(daemon, "customer.tld")
    daemon.wait_for_log(r"Connection refused")
    assert len(daemon.queue()) == 1

    again = make_sink(port=port)
    time.sleep(1)
    assert again.connections == 0
    etrn(daemon, "customer.tld")
    wait_for(lambda: again.count == 1)


def test_held_mail_survives_a_restart_and_a_kill(seed, sink):
    """Q-47."""
    first = send(seed.port)
    assert seed.stop() == 0
    seed.start()
    second = send(seed.port)
    seed.kill()
    seed.start()
    assert {message["queue_id"] for message in seed.queue()} == {first, second}
    assert sink.connections == 0
    assert etrn(seed, "customer.tld").startswith("253 ")
    wait_for(lambda: sink.count == 2)


@pytest.mark.parametrize("transport", ["smtp", "relay", "A-name_with.3dots"])
def test_other_transports_go_by_themselves(make_daemon, sink, transport):
    """S9: any name is a transport's, and several may be of one plugin."""
    daemon = make_daemon(start=False)
    daemon.change({**RELAY, "transports": [{"name": "A-name_with.3dots", "plugin": "smtp"}],
                   "transport_maps": [daemon.table("transport", f"customer.tld {transport}:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    daemon.wait_for_log(rf"/{transport}\[\d+\]: \S+: to=<user@customer\.tld>, ")


def test_attempts_after_failures_are_further_and_further_apart(make_daemon, make_sink):
    """Q-10, S1, S2."""
    times = []
    sink = make_sink(replies={"RCPT": lambda line: times.append(time.monotonic()) or "450 4.2.0 later"})
    daemon = make_daemon(start=False)
    daemon.change({
        **RELAY, "minimal_backoff_time": "1s", "maximal_backoff_time": "4s",
        "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    wait_for(lambda: len(times) >= 5, 60)
    gaps = [b - a for a, b in zip(times, times[1:])]
    # The wait is the message's age between the two bounds: 1, 1, 2, 4, 4, ... s at the least.
    for gap, least in zip(gaps, [0.9, 0.9, 1.8, 3.6]):
        assert gap >= least, gaps


def test_a_site_that_cannot_be_reached_backs_off_as_one(make_daemon, make_sink):
    """Q-23, and Q-24 as Sluice has it (doc/differences.md, failed_cohort_limit)."""
    sink = make_sink(replies={"greeting": None})
    daemon = make_daemon(start=False)
    daemon.change({
        **RELAY, "minimal_backoff_time": "60s",
        "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    daemon.wait_for_log("status=deferred")
    reached = sink.connections
    for _ in range(10):
        send(daemon.port)
    time.sleep(1)
    assert sink.connections == reached
    assert len(daemon.queue()) == 11
    assert "(delivery temporarily suspended: " in daemon.command("mailq").stdout


ETRN_REPLIES = [
    # name, command, reply
    ("nothing waits", "ETRN customer.tld", "251 "),
    ("no argument", "ETRN", "500 Syntax: ETRN domain"),
    ("two arguments", "ETRN a b", "500 Syntax: ETRN domain"),
    ("bad name", "ETRN bad..x", "501 Error: invalid parameter syntax"),
    ("not ours", "ETRN elsewhere.tld", "459 <elsewhere.tld>: service unavailable"),
    ("address literal", "ETRN [10.9.0.20]", "459 <[10.9.0.20]>: service unavailable"),
    ("unknown queue name", "ETRN #nosuch", "459 "),
    ("sub-domains, nothing waits", "ETRN @customer.tld", "251 "),
]


def test_etrn_replies(seed):
    with Client(seed.port) as client:
        for name, command, reply in ETRN_REPLIES:
            got = client.command(command)
            assert got.startswith(reply), f"{name}: {got}"
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("ETRN customer.tld", "503 Error: MAIL transaction in progress")


def test_etrn_counts_the_messages_that_wait(seed, sink):
    for _ in range(3):
        send(seed.port)
    assert etrn(seed, "customer.tld").startswith("253 ")
    wait_for(lambda: sink.count == 3)


def test_etrn_with_at_sign_takes_sub_domains(seed, sink):
    seed.stop()
    seed.table("transport", f".customer.tld etrn-only:{sink.nexthop}\n"
                            f"customer.tld etrn-only:{sink.nexthop}\n")
    seed.start()
    send(seed.port, recipients="a@east.customer.tld")
    send(seed.port, recipients="b@customer.tld")
    assert etrn(seed, "customer.tld").startswith("253 ")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<b@customer.tld>"]
    assert etrn(seed, "@customer.tld").startswith("253 ")
    wait_for(lambda: sink.count == 2)
    assert sink.messages[1].recipients == ["<a@east.customer.tld>"]


def test_strangers_may_not_etrn_by_default(seed):
    seed.stop()
    seed.change({"mynetworks": ["127.0.0.2/32"]})
    seed.start()
    with Client(seed.port) as client:
        client.expect("ETRN customer.tld",
                      "554 5.7.1 <customer.tld>: Etrn command rejected: Access denied")


def test_strangers_who_may_etrn_see_no_counts_and_are_merged(seed, sink):
    """Q-13: what is asked for while it is under way already is remembered once."""
    seed.stop()
    seed.change({"mynetworks": ["127.0.0.2/32"], "smtpd_etrn_restrictions": ["permit"],
                 "etrn_minimum_interval": "3s"})
    seed.start()
    send(seed.port)
    started = time.monotonic()
    assert etrn(seed, "customer.tld").startswith("250 ")
    wait_for(lambda: sink.count == 1)
    send(seed.port)
    for _ in range(5):  # early: postponed and merged, not dropped
        assert etrn(seed, "customer.tld").startswith("250 ")
    wait_for(lambda: sink.count == 2)
    assert time.monotonic() - started >= 2.9


def test_etrn_458_while_the_queue_does_not_answer(seed):
    import os
    import signal
    queue = seed.roles()["queue 0"]
    os.kill(queue, signal.SIGSTOP)
    try:
        assert etrn(seed, "customer.tld").startswith("458 Unable to queue messages")
    finally:
        os.kill(queue, signal.SIGCONT)


@pytest.mark.parametrize("settings, goes_by_etrn_only", [
    ({}, False),
    ({"parent_domain_matches_subdomains": "relay_domains, transport_maps"}, True),
])
def test_a_table_key_does_not_match_sub_domains(seed, sink, settings, goes_by_etrn_only):
    """S17: sub.customer.tld is relayed, but not by the entry for customer.tld, unless that is asked for."""
    seed.stop()
    seed.change(settings)
    seed.start()
    send(seed.port, sender="", recipients="user@sub.customer.tld")
    if goes_by_etrn_only:
        seed.wait_for_log(r"to=<user@sub\.customer\.tld>, .* status=deferred \(deferred transport\)")
        assert seed.names.queries() == []
    else:
        wait_for(lambda: "MX sub.customer.tld" in seed.names.queries())
    assert sink.count == 0


def test_nothing_but_a_release_moves_it(make_daemon, sink):
    """S8: time alone does not, however often other mail would have been tried; S14: one of a list."""
    daemon = make_daemon(start=False)
    daemon.change({**RELAY, "defer_transports": "foo, etrn-only",
                   "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                   "transport_maps": [daemon.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    time.sleep(2.2)
    assert sink.connections == 0
    assert len(daemon.queue()) == 1
    assert "there is no transport \"foo\"" in daemon.log()


def test_transports_are_queues_of_their_own(make_daemon, make_sink):
    """S11: relay waits for a host that is down; etrn-only, to the same one, is attempted when it is asked for."""
    sink = make_sink(replies={"greeting": None})
    daemon = make_daemon(start=False)
    daemon.change({**RELAY, "transport_maps": [daemon.table(
        "transport", f"customer.tld etrn-only:{sink.nexthop}\nother.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port, recipients="a@other.tld")
    daemon.wait_for_log(r"to=<a@other\.tld>, .*status=deferred \(lost connection")
    send(daemon.port)
    sink.replies = {}
    etrn(daemon, "customer.tld")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<user@customer.tld>"]
    assert [message["recipients"][0]["address"] for message in daemon.queue()] == ["a@other.tld"]


def test_a_table_counts_once_it_is_built(make_daemon, sink):
    """S15: transport is the source, transport.db what is asked."""
    daemon = make_daemon(start=False)
    table = daemon.table("transport", "other.tld etrn-only:\n")
    daemon.change({**RELAY, "transport_maps": [table], "relay_transport": f"relay:{sink.nexthop}"})
    daemon.start()
    (daemon.folder / "transport").write_text("customer.tld etrn-only:\n")
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    daemon.table("transport", "customer.tld etrn-only:\n")
    def is_seen():
        send(daemon.port)
        return "deferred transport" in daemon.log()
    wait_for(is_seen, 15, 1)


def test_qr_wants_its_site_behind_it(seed):
    """S6."""
    done = seed.command("sendmail", "-qR", "customer.tld", check=False)
    assert (done.returncode, done.stderr) == (75, "sendmail: fatal: specify: -qRsitename\n")


SEED = """
myhostname = "mx.isp.example";
listen = [ "127.0.0.1:{port}", "10.9.0.1:25" ];
plugin_directory = "{plugins}";
queue_directory = "{folder}/queue";
run_directory = "{folder}/run";
mynetworks = [ "127.0.0.0/8" ];
dns_servers = [ "{dns}" ];

# service type  private unpriv  chroot  wakeup  maxproc command
transports = (
    {{ name = "smtp"; plugin = "smtp"; }},
    {{ name = "relay"; plugin = "relay"; }},
    {{ name = "etrn-only"; plugin = "etrn-only"; }}
);
relay_domains = "customer.tld other.tld";
defer_transports = "etrn-only";
transport_maps = "hash:{folder}/transport";
"""


@pytest.mark.parametrize("has_brackets", [True, False])
def test_the_seed_as_it_stands(make_daemon, make_names, make_sink, has_brackets):
    """S3, S4, S9, S12, S14 to S16, S18; S19: "you must specify this if your Postfix server is the primary MX host"."""
    with own_network("10.9.0.1/16"):
        names = make_names(["address=/mailhost.customer.tld/10.9.0.20", "address=/mx.isp.example/10.9.0.1",
                            "mx-host=customer.tld,mx.isp.example,10"], address="10.9.0.53")
        sink = make_sink(address="10.9.0.20", port=25)
        daemon = make_daemon(start=False)
        nexthop = "[mailhost.customer.tld]" if has_brackets else "customer.tld"
        daemon.table("transport", f"customer.tld     etrn-only:{nexthop}\n")
        daemon.config.write_text(SEED.format(port=daemon.port, plugins=daemon.settings["plugin_directory"],
                                             folder=daemon.folder, dns=names.server))
        daemon.start()
        send(daemon.port, sender="", recipients="user@customer.tld", source="10.9.0.99")  # a stranger
        daemon.wait_for_log(r"to=<user@customer\.tld>, relay=none, .* dsn=4\.3\.2, status=deferred "
                            r"\(deferred transport\)")
        assert (sink.connections, names.queries()) == (0, ["PTR 99.0.9.10.in-addr.arpa"])
        assert etrn(daemon, "customer.tld").startswith("253 ")
        wait_for(lambda: daemon.queue() == [])
        queries = {query for query in names.queries() if not query.startswith("PTR")}
        if has_brackets:
            assert sink.messages[0].recipients == ["<user@customer.tld>"]
            assert queries <= {"A mailhost.customer.tld", "AAAA mailhost.customer.tld"}
        else:
            daemon.wait_for_log(r"dsn=5\.4\.6, status=bounced \(mail for customer\.tld loops back to myself\)")
            assert sink.connections == 0
