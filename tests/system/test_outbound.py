# SPDX-License-Identifier: ISC
"""The SMTP client: each reply's meaning for each recipient, host after host, connection after connection."""

import itertools
import re
import time

import pytest

from client import Client, send
from daemon import wait_for


@pytest.fixture
def make_relay(make_daemon):
    """make_relay(sink, ...settings): customer.tld goes to that sink by itself."""
    def make(sink, nexthop=None, **settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": ["customer.tld"], "minimal_backoff_time": "300s",
            "transport_maps": [daemon.table(
                "transport", f"customer.tld relay:{nexthop or sink.nexthop}\n")], **settings})
        daemon.start()
        return daemon

    return make


def by_recipient(answers, default):
    """A reply for RCPT by the recipient's local part."""
    return lambda line: next((reply for part, reply in answers.items() if f"<{part}@" in line),
                             default)


def results(daemon):
    """{address: (status, dsn)}: what the log says of each recipient last."""
    return {address: (status, dsn) for address, dsn, status in re.findall(
        r" to=<([^>]*)>,.* dsn=([\d.]+), status=(\w+)", daemon.log())}


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME"), ()])
def test_each_recipient_keeps_its_own_reply(make_relay, make_sink, extensions):
    sink = make_sink(extensions=extensions, replies={"RCPT": by_recipient({
        "later": "450 4.2.1 busy", "never": "550 5.1.1 unknown", "odd": "999 what"}, "250 Ok")})
    daemon = make_relay(sink)
    recipients = [f"{part}@customer.tld" for part in ("good", "later", "never", "odd", "fine")]
    send(daemon.port, recipients=recipients)
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<good@customer.tld>", "<fine@customer.tld>"]
    daemon.wait_for_log("to=<odd@customer.tld>.*status=deferred")
    got = {address: result for address, result in results(daemon).items() if result[0] != "sent"}
    assert got["later@customer.tld"] == ("deferred", "4.2.1")
    assert got["never@customer.tld"] == ("bounced", "5.1.1")
    assert got["odd@customer.tld"][0] == "deferred"
    assert len(got) == 3
    assert "(host 127.0.0.1[127.0.0.1]" in daemon.log()


FAILURES = {
    # stage, reply, status, dsn
    "greeting 4xx": ("greeting", "421 4.3.2 closed", "deferred", "4.3.2"),
    "greeting 5xx is temporary": ("greeting", "554 5.7.1 go away", "deferred", "4.7.1"),
    "greeting closes": ("greeting", None, "deferred", "4.4.2"),
    "MAIL 4xx": ("MAIL", "451 4.3.0 later", "deferred", "4.3.0"),
    "MAIL 5xx": ("MAIL", "550 5.7.1 no", "bounced", "5.7.1"),
    "MAIL closes": ("MAIL", None, "deferred", "4.4.2"),
    "RCPT 5xx without enhanced code": ("RCPT", "550 no", "bounced", "5.0.0"),
    "RCPT closes": ("RCPT", None, "deferred", "4.4.2"),
    "DATA 4xx": ("DATA", "451 4.3.0 later", "deferred", "4.3.0"),
    "DATA 5xx": ("DATA", "554 5.6.0 no", "bounced", "5.6.0"),
    "DATA closes": ("DATA", None, "deferred", "4.4.2"),
    "end of data 4xx": ("end", "452 4.3.1 full", "deferred", "4.3.1"),
    "end of data 5xx": ("end", "554 5.7.1 spam", "bounced", "5.7.1"),
    "end of data closes": ("end", None, "deferred", "4.4.2"),
    "nonsense": ("MAIL", "hello there", "deferred", None),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_has_one_result(make_relay, make_sink, name):
    stage, reply, status, dsn = FAILURES[name]
    sink = make_sink(replies={stage: reply})
    daemon = make_relay(sink)
    send(daemon.port)
    wait_for(lambda: "status=deferred" in daemon.log() or "status=bounced" in daemon.log())
    [(got_status, got_dsn)] = results(daemon).values()
    assert got_status == status
    assert dsn is None or got_dsn == dsn


def test_a_second_attempt_has_what_is_left(make_relay, make_sink):
    """Q-2."""
    asked = []
    sink = make_sink(replies={"RCPT": lambda line: asked.append(line) or (
        "450 4.2.0 later" if "<later@" in line and len(asked) < 3 else ...)})
    daemon = make_relay(sink, minimal_backoff_time="1s", maximal_backoff_time="1s")
    send(daemon.port, recipients=["now@customer.tld", "later@customer.tld"])
    wait_for(lambda: daemon.queue() == [])
    assert [message.recipients for message in sink.messages] == [["<now@customer.tld>"], ["<later@customer.tld>"]]
    assert len(asked) == 3


def test_what_a_host_answers_suspends_nothing(make_relay, make_sink):
    """Q-21: 4xx to RCPT is about that recipient."""
    sink = make_sink(replies={"RCPT": "450 4.2.0 later"})
    daemon = make_relay(sink)
    for number in range(8):
        send(daemon.port, recipients=f"u{number}@customer.tld")
    wait_for(lambda: len(results(daemon)) == 8)
    assert set(results(daemon).values()) == {("deferred", "4.2.0")}
    assert sum(command.startswith("RCPT") for command in sink.commands) == 8
    assert "suspended_until" not in daemon.json("site", "list")[0]


def test_helo_fall_back(make_relay, make_sink):
    sink = make_sink(replies={"EHLO": "500 what?"})
    daemon = make_relay(sink)
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    assert [command.split()[0] for command in sink.commands[:3]] == ["EHLO", "HELO", "MAIL"]
    assert sink.commands[1] == "HELO mx.isp.example"


def test_a_connection_is_used_again(make_relay, sink):
    daemon = make_relay(sink, connection_cache_time_limit="60s")
    for _ in range(20):
        send(daemon.port)
    wait_for(lambda: sink.count == 20)
    assert sink.connections < 10


def test_a_kept_connection_that_the_peer_closed_costs_nothing(make_relay, make_sink):
    sink = make_sink(replies={"RSET": None})
    sent = itertools.count()
    sink.replies["MAIL"] = lambda line: None if next(sent) == 1 else "250 Ok"
    daemon = make_relay(sink, deliver_processes=1)
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    send(daemon.port)
    wait_for(lambda: sink.count == 2)
    assert "status=deferred" not in daemon.log()


def test_many_recipients_in_few_transactions(make_relay, sink):
    daemon = make_relay(sink)
    recipients = [f"u{number}@customer.tld" for number in range(120)]
    send(daemon.port, recipients=recipients)
    wait_for(lambda: sum(len(message.recipients) for message in sink.messages) == 120)
    assert sorted(len(message.recipients) for message in sink.messages) == [20, 50, 50]
    assert {r for message in sink.messages for r in message.recipients} == \
        {f"<{recipient}>" for recipient in recipients}


def test_recipient_and_concurrency_limits(make_relay, make_sink):
    gauge = Gauge()
    sink = make_sink(replies={"end": gauge})
    daemon = make_relay(sink, default_destination_recipient_limit=1,
                        default_destination_concurrency_limit=3)
    for number in range(30):
        send(daemon.port, recipients=[f"u{number}@customer.tld"])
    wait_for(lambda: sink.count == 30)
    assert 2 <= gauge.most <= 3


class Gauge:
    """Counts how many are inside at the same time."""

    def __init__(self):
        import threading
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def __call__(self, line):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.05)
        with self.lock:
            self.inside -= 1
        return "250 2.0.0 Ok"


def test_a_transport_of_its_own_name_and_options(make_daemon, make_sink):
    gauge = Gauge()
    sink = make_sink(replies={"end": gauge})
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"],
        "transports": [{"name": "slow", "plugin": "smtp", "destination_concurrency_limit": 1,
                        "smtp_helo_name": "slow.isp.example"}],
        "transport_maps": [daemon.table("transport", f"customer.tld slow:{sink.nexthop}\n")]})
    daemon.start()
    for _ in range(8):
        send(daemon.port)
    wait_for(lambda: sink.count == 8)
    assert gauge.most == 1
    assert "EHLO slow.isp.example" in sink.commands


def test_dsn_parameters_are_passed_on_and_only_to_peers_that_know_them(make_relay, make_sink):
    for extensions, wanted in [(("DSN", "SIZE 0", "8BITMIME"), True), (("SIZE 0",), False)]:
        sink = make_sink(extensions=extensions)
        daemon = make_relay(sink)
        with Client(daemon.port) as client:
            client.expect("MAIL FROM:<s@isp.example> RET=HDRS ENVID=q1+2Dx BODY=8BITMIME", "250")
            client.expect("RCPT TO:<u@customer.tld> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@c.tld",
                          "250")
            client.expect("DATA", "354")
            client.send("X: y\r\n\r\nbody\r\n.\r\n")
            assert client.reply().startswith("250")
        wait_for(lambda: sink.count == 1)
        mail = next(command for command in sink.commands if command.startswith("MAIL"))
        rcpt = next(command for command in sink.commands if command.startswith("RCPT"))
        assert ("RET=HDRS ENVID=q1+2Dx" in mail) == wanted
        assert ("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@c.tld" in rcpt) == wanted
        assert ("BODY=8BITMIME" in mail) == wanted
        assert "SIZE=" in mail
        daemon.stop()


def test_a_peer_with_a_smaller_limit(make_relay, make_sink):
    sink = make_sink(extensions=("SIZE 1000",))
    daemon = make_relay(sink)
    send(daemon.port, content=b"X: y\r\n\r\n" + b"z" * 2000 + b"\r\n")
    daemon.wait_for_log("dsn=5.3.4, status=bounced")
    assert sink.count == 0


# -- hosts

NAMES = ["address=/a.mx.tld/127.0.0.21", "address=/b.mx.tld/127.0.0.22",
         "address=/c.mx.tld/127.0.0.23", "mx-host=customer.tld,a.mx.tld,10",
         "mx-host=customer.tld,b.mx.tld,20", "mx-host=customer.tld,c.mx.tld,30"]


@pytest.fixture
def hosts(make_sink):
    first = make_sink(address="127.0.0.21")
    return [first, *(make_sink(address=f"127.0.0.{n}", port=first.port) for n in (22, 23))]


@pytest.fixture
def by_mx(make_relay, make_names, hosts):
    def make(**settings):
        names = make_names(NAMES)
        return make_relay(None, nexthop=f"customer.tld:{hosts[0].port}",
                          dns_servers=[names.server], **settings)

    return make


def test_the_best_mail_exchanger_is_used(by_mx, hosts):
    daemon = by_mx()
    send(daemon.port)
    wait_for(lambda: hosts[0].count == 1)
    assert [host.connections for host in hosts] == [1, 0, 0]


def test_the_next_host_takes_what_the_first_deferred(by_mx, hosts):
    hosts[0].replies["RCPT"] = by_recipient({"later": "450 4.2.0 no"}, "250 Ok")
    daemon = by_mx()
    send(daemon.port, recipients=["now@customer.tld", "later@customer.tld"])
    wait_for(lambda: hosts[1].count == 1)
    assert hosts[0].messages[0].recipients == ["<now@customer.tld>"]
    assert hosts[1].messages[0].recipients == ["<later@customer.tld>"]
    wait_for(lambda: daemon.queue() == [])


def test_a_refusal_for_good_ends_the_walk(by_mx, hosts):
    hosts[0].replies["RCPT"] = "550 5.1.1 unknown"
    daemon = by_mx()
    send(daemon.port)
    daemon.wait_for_log("status=bounced")
    assert hosts[1].connections == 0


def test_a_host_that_is_down_is_passed_over(by_mx, hosts):
    hosts[0].close()
    daemon = by_mx()
    send(daemon.port)
    wait_for(lambda: hosts[1].count == 1)


def test_session_limit(by_mx, hosts):
    for host in hosts:
        host.replies["MAIL"] = "450 4.3.0 not now"
    daemon = by_mx()
    send(daemon.port)
    daemon.wait_for_log("status=deferred")
    assert [host.connections for host in hosts] == [1, 1, 0]


def test_address_limit(by_mx, hosts):
    for host in hosts:
        host.replies["greeting"] = "421 4.3.0 not now"
    daemon = by_mx(smtp_mx_address_limit=2, smtp_mx_session_limit=0)
    send(daemon.port)
    daemon.wait_for_log("status=deferred")
    assert [host.connections for host in hosts] == [1, 1, 0]


NO_HOSTS = {
    # nexthop, names, dsn, status
    "no such name": ("nosuch.tld", [], "5.4.4", "bounced"),
    "[host] without address": ("[nosuch.tld]", [], "5.4.4", "bounced"),
    "malformed": ("[127.0.0.1", [], "4.3.5", "deferred"),
}


@pytest.mark.parametrize("name", NO_HOSTS)
def test_next_hops_without_hosts(make_relay, make_names, name):
    nexthop, lines, dsn, status = NO_HOSTS[name]
    daemon = make_relay(None, nexthop=nexthop, dns_servers=[make_names(lines).server])
    send(daemon.port)
    daemon.wait_for_log(f"dsn={dsn}, status={status}")


def test_a_name_server_that_is_down_is_temporary(make_relay):
    daemon = make_relay(None, nexthop="customer.tld", dns_servers=["127.0.0.1@9"])
    send(daemon.port)
    daemon.wait_for_log(r"dsn=4\.4\.3, status=deferred", 60)


def test_an_unknown_transport_is_temporary(make_daemon):
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"],
                   "transport_maps": [daemon.table("transport", "customer.tld nosuch:x\n")]})
    daemon.start()
    send(daemon.port)
    daemon.wait_for_log(r"status=deferred \(mail transport unavailable\)")


TIMEOUTS = {
    "smtp_helo_timeout": "greeting", "smtp_mail_timeout": "MAIL", "smtp_rcpt_timeout": "RCPT",
    "smtp_data_init_timeout": "DATA", "smtp_data_done_timeout": "end",
}


@pytest.mark.parametrize("parameter", TIMEOUTS)
def test_time_outs(make_relay, make_sink, parameter):
    sink = make_sink(replies={TIMEOUTS[parameter]: 15}, extensions=())
    daemon = make_relay(sink, **{parameter: "1s"})
    send(daemon.port)
    daemon.wait_for_log(r"dsn=4\.4\.2, status=deferred \(conversation with .* timed out while", 12)
