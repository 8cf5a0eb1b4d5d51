# SPDX-License-Identifier: ISC
"""
Next hops of others: Postfix, Dovecot, aiosmtpd, Postfix's smtp-sink with its bad manners, and a scripted
one that does every wrong thing at every step. Each recipient gets exactly one result for an attempt.
"""

import os
import re
import subprocess
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP

from client import Client, send
from daemon import ROOT, free_port, wait_for
from peers import Dovecot, Postfix

SMTP_SINK = ROOT / "build/peers/root/usr/sbin/smtp-sink"
POSTFIX_LIBRARIES = ROOT / "build/peers/root/usr/lib/postfix"


@pytest.fixture
def make_route(make_daemon):
    """make_route({domain: "transport:nexthop"}, ...settings)"""
    def make(routes, **settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": list(routes), "minimal_backoff_time": "300s",
            "transports": ({"name": "lmtp", "plugin": "lmtp"},),
            "transport_maps": [daemon.table("transport", "".join(
                f"{domain} {route}\n" for domain, route in routes.items()))], **settings})
        daemon.start()
        return daemon

    return make


def results(daemon, queue_id):
    """[(recipient, status)] in the order of the log."""
    return re.findall(rf" {queue_id}: to=<([^>]*)>.* status=(\w+)", daemon.log())


def is_removed(daemon, queue_id):
    return f" {queue_id}: removed" in daemon.log()


# ---- mail servers of others ----------------------------------------------------------------------


NASTY = (b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + b"x" * 3000 + b"\r\n"
         + "gr\u00fc\u00dfe\r\n".encode() + b"\r\n" * 50)


# aiosmtpd refuses lines of more than 1,000 octets.
PLAIN = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + "gr\u00fc\u00dfe\r\n".encode()


def body_of(stored):
    """Of a message in a mailbox: lines end as the store likes it."""
    return stored.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]


def test_a_real_postfix(make_route, folder):
    with Postfix(folder / "postfix") as postfix:
        daemon = make_route({"store.tld": f"relay:[127.0.0.1]:{postfix.port}"})
        with Client(daemon.port) as client:
            ids = []
            for number in range(30):
                reply = client.message("a@isp.example", ["joe@store.tld", "jim@store.tld",
                                                         f"nobody{number}@store.tld"], NASTY,
                                       " BODY=8BITMIME")
                assert reply.startswith("250 "), reply
                ids.append(reply.rsplit(" ", 1)[1])
        wait_for(lambda: all(len(results(daemon, queue_id)) == 3 for queue_id in ids))
        for number, queue_id in enumerate(ids):
            assert sorted(results(daemon, queue_id)) == sorted([
                ("joe@store.tld", "sent"), ("jim@store.tld", "sent"),
                (f"nobody{number}@store.tld", "bounced")])
        wait_for(lambda: len(postfix.mail("joe")) == 30 and len(postfix.mail("jim")) == 30)
        for stored in postfix.mail("joe") + postfix.mail("jim"):
            assert body_of(stored) == body_of(NASTY)
        assert "dsn=5.1.1" in daemon.log()


def test_a_real_postfix_that_greylists(make_route, folder):
    settings = {"smtpd_recipient_restrictions": "check_recipient_access inline:{joe@store.tld=OK}, defer"}
    with Postfix(folder / "postfix", settings) as postfix:
        daemon = make_route({"store.tld": f"relay:[127.0.0.1]:{postfix.port}"})
        queue_id = send(daemon.port, recipients=["joe@store.tld", "jim@store.tld"])
        wait_for(lambda: len(results(daemon, queue_id)) == 2)
        assert sorted(results(daemon, queue_id)) == [("jim@store.tld", "deferred"),
                                                     ("joe@store.tld", "sent")]
        wait_for(lambda: len(postfix.mail("joe")) == 1)
        assert postfix.mail("jim") == []


@pytest.mark.parametrize("nexthop", ["unix:{0.socket}", "inet:127.0.0.1:{0.port}"])
def test_dovecot_by_lmtp(make_route, folder, nexthop):
    with Dovecot(folder / "dovecot") as dovecot:
        daemon = make_route({"store.tld": "lmtp:" + nexthop.format(dovecot)})
        users = [f"u{number}@store.tld" for number in range(7)]
        queue_id = send(daemon.port, recipients=users, content=NASTY)
        wait_for(lambda: is_removed(daemon, queue_id))
        assert sorted(results(daemon, queue_id)) == [(user, "sent") for user in users]
        for user in users:
            [stored] = dovecot.mail(user.split("@")[0])
            assert body_of(stored) == body_of(NASTY)
        where = "localhost[" + str(dovecot.socket) + "]" if "unix" in nexthop else \
            f"127.0.0.1[127.0.0.1]:{dovecot.port}"
        assert f"relay={where}, " in daemon.log()
        assert " Saved)" in daemon.log()


def test_a_local_socket_that_nobody_listens_on(make_route, folder):
    daemon = make_route({"store.tld": f"lmtp:unix:{folder}/nobody",
                         "other.tld": "lmtp:unix:nobody"})
    queue_id = send(daemon.port, recipients=["joe@store.tld", "jim@other.tld"])
    wait_for(lambda: len(results(daemon, queue_id)) == 2)
    assert {status for _, status in results(daemon, queue_id)} == {"deferred"}
    assert f"connect to localhost[{folder}/nobody]: No such file or directory" in daemon.log()
    assert 'malformed next hop "unix:nobody"' in daemon.log()


class Keeper:
    """What an aiosmtpd server does with mail."""

    def __init__(self):
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return "250 OK kept"


def test_aiosmtpd(make_route):
    keeper = Keeper()
    server = Controller(keeper, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        daemon = make_route({"store.tld": f"relay:[127.0.0.1]:{server.port}"})
        queue_id = send(daemon.port, recipients=["joe@store.tld", "never@store.tld"], content=PLAIN)
        wait_for(lambda: len(results(daemon, queue_id)) == 2)
        assert dict(results(daemon, queue_id)) == {"joe@store.tld": "sent",
                                                   "never@store.tld": "bounced"}
        [envelope] = keeper.envelopes
        assert envelope.rcpt_tos == ["joe@store.tld"]
        assert envelope.content.endswith(PLAIN)
    finally:
        server.stop()


def test_aiosmtpd_by_lmtp(make_route, sink):
    """It has no DSN: success is ours to report, and the mail store is where the way ends."""
    keeper = Keeper()

    class LmtpController(Controller):
        def factory(self):
            return LMTP(self.handler)

    server = LmtpController(keeper, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        daemon = make_route({"store.tld": f"lmtp:inet:127.0.0.1:{server.port}",
                             "isp.example": f"relay:{sink.nexthop}"})
        with Client(daemon.port) as client:
            reply = client.message("a@isp.example", ["joe@store.tld"], PLAIN,
                                   rcpt_parameters=" NOTIFY=SUCCESS")
        queue_id = reply.rsplit(" ", 1)[1]
        wait_for(lambda: is_removed(daemon, queue_id))
        assert results(daemon, queue_id) == [("joe@store.tld", "sent")]
        assert keeper.envelopes[0].content.endswith(PLAIN)
        wait_for(lambda: sink.messages)
        assert b"\r\nAction: delivered\r\n" in sink.messages[0].data
    finally:
        server.stop()


# ---- smtp-sink's bad manners ---------------------------------------------------------------------


class SmtpSink:
    """Postfix's smtp-sink; it will not run as root."""

    def __init__(self, *options):
        if not SMTP_SINK.exists():
            pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
        self.port = free_port()
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] \
            if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [*user, SMTP_SINK, *options, f"127.0.0.1:{self.port}", "64"],
            env={**os.environ, "LD_LIBRARY_PATH": str(POSTFIX_LIBRARIES)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()


# options: the one result of the first attempt
MANNERS = {
    "as it should be": ((), "sent"),
    "no pipelining": (("-p",), "sent"),
    "no EHLO": (("-e",), "sent"),
    "refuses to talk": (("-f", "connect"), "deferred"),
    "not now": (("-r", "connect"), "deferred"),
    "hangs up at once": (("-q", "connect"), "deferred"),
    "421 at once": (("-Q", "connect"), "deferred"),
    "MAIL 4xx": (("-r", "mail"), "deferred"),
    "MAIL 5xx": (("-f", "mail"), "bounced"),
    "hangs up at MAIL": (("-q", "mail"), "deferred"),
    "421 at MAIL": (("-Q", "mail"), "deferred"),
    "RCPT 4xx": (("-r", "rcpt"), "deferred"),
    "RCPT 5xx": (("-f", "rcpt"), "bounced"),
    "hangs up at RCPT": (("-q", "rcpt"), "deferred"),
    "421 at RCPT": (("-Q", "rcpt"), "deferred"),
    "DATA 4xx": (("-r", "data"), "deferred"),
    "DATA 5xx": (("-f", "data"), "bounced"),
    "hangs up at DATA": (("-q", "data"), "deferred"),
    "421 at DATA": (("-Q", "data"), "deferred"),
    "end of data 4xx": (("-r", "."), "deferred"),
    "end of data 5xx": (("-f", "."), "bounced"),
    "hangs up at the end of data": (("-q", "."), "deferred"),
    "421 at the end of data": (("-Q", "."), "deferred"),
    "hangs up at QUIT": (("-q", "quit"), "sent"),
    "slow to answer": (("-w", "1"), "sent"),
    "no extensions": (("-8", "-p", "-F"), "sent"),
}


def test_bad_manners_of_smtp_sink(make_route):
    sinks = {f"d{number}.tld": SmtpSink(*options)
             for number, (options, _) in enumerate(MANNERS.values())}
    try:
        wanted = dict(zip(sinks, MANNERS))
        daemon = make_route({domain: f"smtp:[127.0.0.1]:{sink.port}"
                             for domain, sink in sinks.items()})
        recipients = {domain: [f"a@{domain}", f"b@{domain}"] for domain in sinks}
        ids = {domain: send(daemon.port, recipients=recipients[domain]) for domain in sinks}
        wait_for(lambda: all(len(results(daemon, ids[domain])) >= 2 for domain in sinks), 40)
        for domain, name in wanted.items():
            assert sorted(results(daemon, ids[domain])) == \
                [(recipient, MANNERS[name][1]) for recipient in recipients[domain]], name
    finally:
        for sink in sinks.values():
            sink.close()


# ---- every reply and every disconnect ------------------------------------------------------------

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
ANSWERS = {
    "2xx": "250 2.0.0 fine", "3xx": "354 go", "4xx": "451 4.3.0 later", "421": "421 4.3.2 closing",
    "5xx": "550 5.7.1 never", "552": "552 full", "closes": None, "nonsense": "hello",
    "too long": "250 " + "x" * 3000, "endless": "250-x\r\n" * 300 + "250 x", "two": "250 a\r\n250 b",
    "no code": "2 5 0", "code 000": "000 what", "code 999": "999 what", "control": "250 \x01\x02",
}
RESULTS = {"sent", "deferred", "bounced"}


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_every_answer_at_every_step_gives_one_result(make_route, make_sink, extensions):
    sinks = {}
    for stage in STAGES:
        for name, answer in ANSWERS.items():
            domain = f"{stage}-{name.replace(' ', '-')}.tld".lower()
            sinks[domain] = make_sink(replies={stage: answer}, extensions=extensions)
    daemon = make_route({domain: f"smtp:{sink.nexthop}" for domain, sink in sinks.items()},
                        smtp_helo_timeout="5s", smtp_mail_timeout="5s", smtp_rcpt_timeout="5s",
                        smtp_data_init_timeout="5s", smtp_data_done_timeout="5s",
                        default_destination_recipient_limit=50)
    ids = {domain: send(daemon.port, recipients=[f"a@{domain}", f"b@{domain}"]) for domain in sinks}
    wait_for(lambda: all(len(results(daemon, queue_id)) >= 2 for queue_id in ids.values()), 60)
    time.sleep(0.5)  # for a result too many
    for domain, queue_id in ids.items():
        got = results(daemon, queue_id)
        assert sorted(recipient for recipient, _ in got) == [f"a@{domain}", f"b@{domain}"], domain
        assert {status for _, status in got} <= RESULTS
        kept = [r for message in sinks[domain].messages for r in message.recipients]
        for recipient, status in got:
            # Whoever was told "sent" was taken over by the peer, and nothing is bounced but for a 5xx.
            assert status != "sent" or f"<{recipient}>" in kept, (domain, got)
            assert status != "bounced" or domain.endswith(("-5xx.tld", "-552.tld")), (domain, got)


