# SPDX-License-Identifier: ISC
"""
Strangers and peers who mean no good: nothing crashes, hangs, grows or leaks, honest mail goes on,
and what was accepted is there once. A report of a sanitizer fails the test too.
"""

import os
import random
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from client import Client, send
from daemon import ENVIRONMENT, wait_for
from hostile import HOSTS, NAMES, HostileHost, HostileNames

MIB = 1024 * 1024


@pytest.fixture
def make_hub(make_daemon):
    """A hub where mail for customer.tld waits, or goes to a nexthop by relay."""
    def make(nexthop=None, **settings):
        daemon = make_daemon(start=False)
        route = f"relay:{nexthop}" if nexthop else "etrn-only:[127.0.0.1]:9"
        daemon.change({"relay_domains": ["customer.tld"],
                       "transport_maps": [daemon.table("transport", f"customer.tld {route}\n")],
                       **settings})
        # Freed memory that ASan keeps for a while is no growth of the daemon's.
        daemon.start(environment={
            "ASAN_OPTIONS": ENVIRONMENT["ASAN_OPTIONS"] + ":quarantine_size_mb=1"})
        return daemon

    return make


# No error of a client ends its session early: the fuzzer shall get far.
PATIENT = {"smtpd_error_sleep_time": 0, "smtpd_soft_error_limit": 100000,
           "smtpd_hard_error_limit": 100000, "smtpd_junk_command_limit": 100000,
           "smtpd_forbid_unauth_pipelining": False}


def descriptors(daemon):
    return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in daemon.roles().items()}


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


# What a role opens once, at its first question to DNS; the attacks are hundreds each, and a leak of
# one for each would be more.
FIRST_USE = 24


class Unharmed:
    """with Unharmed(daemon): the same processes are there behind it, with no more descriptors."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.roles = self.daemon.roles()
        self.descriptors = None
        wait_for(self.is_settled, 30, 0.3)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        assert self.daemon.roles() == self.roles, self.daemon.log()[-5000:]
        end = time.monotonic() + 30
        while self.grown() and time.monotonic() < end:
            time.sleep(0.1)
        assert self.grown() == {}

    def is_settled(self):
        """Right after the start links and name service are still being set up."""
        former, self.descriptors = self.descriptors, descriptors(self.daemon)
        return former == self.descriptors

    def grown(self):
        """{role: (descriptors before, descriptors now)} where there are more."""
        now = descriptors(self.daemon)
        return {name: (count, now[name]) for name, count in self.descriptors.items()
                if now[name] > count + FIRST_USE}


# -- random dialogues

COMMANDS = [
    b"EHLO x", b"HELO y", b"MAIL FROM:<a@b.test>", b"MAIL FROM:<> SIZE=10 BODY=8BITMIME",
    b"MAIL FROM:<a@b> ENVID=" + b"x" * 90, b"RCPT TO:<u@customer.tld>",
    b"RCPT TO:<\"q q\"@customer.tld> NOTIFY=NEVER", b"RCPT TO:<@a,@b:u@customer.tld>",
    b"RCPT TO:<u@customer.tld> ORCPT=rfc822;a+40b", b"RCPT TO:<postmaster>",
    b"RCPT TO:<" + b"a" * 1000 + b"@customer.tld>", b"RCPT TO:<u@[127.0.0.1]>", b"RCPT TO:<\\>",
    b"RCPT TO:<\"\\", b"MAIL FROM:" + b"<" * 500, b"MAIL FROM:<" + b'"' * 501 + b">", b"DATA",
    b"RSET", b"NOOP", b"VRFY u@customer.tld", b"VRFY " + b"\\" * 50, b"ETRN customer.tld",
    b"ETRN @customer.tld", b"ETRN #x", b"ETRN [IPv6:::1]", b"ETRN " + b"a." * 200, b"BDAT 10",
    b"STARTTLS", b"AUTH PLAIN x", b"NOOP " + b"\xff" * 9, b"QUIT",
]
LINE_ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"", b"\n\r", b"\0\r\n"]
DATA_ENDS = [b"\r\n.\r\n"] * 4 + [b"\n.\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n"]
ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@customer.tld>\r\nDATA\r\n"
CONTENT = b"X: y\r\n\r\nbo.\r\n..dy\n.\r\n\r.\n"


def mutated(chance, text):
    text = bytearray(text)
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 5])):
        place = chance.randrange(len(text) + 1)
        byte = bytes([chance.choice([0, 10, 13, 32, 9, 34, 60, 62, 64, 92, 128, 255,
                                     chance.randrange(256)])])
        kind = chance.randrange(4)
        if kind == 0:
            text[place:place] = byte
        elif kind == 1:
            text[place:place + 1] = b""
        elif kind == 2:
            text[place:place + 1] = byte
        else:
            text[place:place] = byte * chance.choice([10, 300, 2047, 2048, 2049, 9000])
    return bytes(text)


def random_dialogue(chance):
    parts = []
    for _ in range(chance.randrange(1, 25)):
        if chance.random() < 0.25:
            parts += [ENVELOPE, mutated(chance, CONTENT), chance.choice(DATA_ENDS)]
            continue
        line = mutated(chance, chance.choice(COMMANDS))
        is_command = line[:1].isalpha() and b":" not in line.split(b" ")[0]
        if not is_command and chance.random() < 0.98:
            line = b"NOOP " + line  # else the server takes its leave: no mail client at all
        parts += [line, chance.choice(LINE_ENDS)]
    return b"".join(parts)


def send_in_pieces(chance, connection, data):
    how = chance.randrange(5)
    if how == 0:
        sizes = [1] * 300 + [len(data)]
    elif how == 1:
        sizes = [chance.randrange(1, 4000) for _ in range(len(data))]
    else:
        sizes = [len(data) if how < 4 else chance.randrange(len(data) + 1)]
    for size in sizes:
        if not data:
            break
        connection.sendall(data[:size])
        data = data[size:] if len(sizes) > 1 else b""


def converse_at_random(port, seed):
    chance = random.Random(seed)
    received = b""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        try:
            send_in_pieces(chance, connection, random_dialogue(chance))
            if chance.random() < 0.3:
                return
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            pytest.fail(f"seed {seed}: no end")
        except OSError:
            return  # the server had enough before we had
    for line in received.split(b"\r\n")[:-1]:
        assert re.fullmatch(rb"\d\d\d[ -][ -~]*", line), f"seed {seed}: {line!r}"


@pytest.mark.long
def test_random_dialogues(make_hub):
    daemon = make_hub(**PATIENT)
    with Unharmed(daemon):
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda seed: converse_at_random(daemon.port, seed), range(1500)))
        send(daemon.port)


def test_sessions_dropped_at_each_byte(make_hub):
    daemon = make_hub()
    steps = [b"EHLO x\r\n", ENVELOPE[8:], b"X: y\r\n\r\nhello\r\n.\r\n", b"QUIT\r\n"]
    accepted = 0
    with Unharmed(daemon):
        for end in range(sum(map(len, steps)) + 1):
            with Client(daemon.port, hello=None) as client:
                client.reply()
                for step in steps:
                    client.send(step[:end])
                    if end < len(step):
                        break
                    end -= len(step)
                    replies = [client.reply() for _ in range(3 if step.startswith(b"MAIL") else 1)]
                    accepted += replies[-1].startswith("250 2.0.0 Ok: queued")
    assert accepted > 1
    assert len(daemon.queue()) == accepted


def test_the_end_of_data_in_all_splittings(make_hub, sink):
    daemon = make_hub(nexthop=sink.nexthop)
    content = b"a\r\n..\r\n..\r\r\nx\n.\ny\n.\r\n.\rz\r\n.\nq\r\r\n..b\r\n"
    wanted = b"a\r\n.\r\n. \r\nx\r\n\r\ny\r\n\r\n z\r\n\r\nq \r\n.b\r\n"
    data = content + b".\r\n"
    with Client(daemon.port) as client:
        for first in range(1, len(data)):
            client.expect("MAIL FROM:<s@isp.example>", "250")
            client.expect("RCPT TO:<u@customer.tld>", "250")
            client.expect("DATA", "354")
            for part in (data[:first], data[first:]):
                client.send(part)
                time.sleep(0.002)
            assert client.reply().startswith("250 2.0.0 Ok: queued"), f"split at {first}"
    wait_for(lambda: sink.count == len(data) - 1)
    assert set(sink.bodies()) == {wanted}


# -- many and large

def test_idle_sessions_beside_honest_mail(make_hub):
    daemon = make_hub()
    with Unharmed(daemon):
        idle = [Client(daemon.port) for _ in range(400)]
        for _ in range(20):
            send(daemon.port)
        for client in idle:
            client.close()


def test_clients_that_do_not_read(make_hub):
    daemon = make_hub(**PATIENT)
    before = {name: resident(pid) for name, pid in daemon.roles().items()}
    with Unharmed(daemon):
        clients = [Client(daemon.port) for _ in range(20)]
        for client in clients:
            client.socket.setblocking(False)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            for client in clients:
                try:
                    client.socket.send(b"RCPT TO:<u@customer.tld>\r\nRSET\r\n" * 500)
                except BlockingIOError:
                    pass
            time.sleep(0.01)
        send(daemon.port)
        for name, pid in daemon.roles().items():
            assert resident(pid) - before[name] < 32 * MIB, name
        for client in clients:
            client.close()


def test_sizes_at_the_limits(make_hub, sink):
    limit = 1100000
    daemon = make_hub(nexthop=sink.nexthop, message_size_limit=limit)
    inline, memory = 65536, 1 << 20  # the Received field comes on top
    sizes = [limit - 1, limit]
    for most in (inline, memory):
        sizes += [most - 1, most, most + 1, *range(most - 220, most - 100, 9)]

    def content(size):
        return b"X: y\r\n\r\n" + b"z" * (size - 10) + b"\r\n"

    with Client(daemon.port) as client:
        for size in sizes:
            reply = client.message("s@isp.example", "u@customer.tld", content(size))
            assert reply.startswith("250"), f"{size}: {reply}"
        reply = client.message("s@isp.example", "u@customer.tld", content(limit + 1))
        assert reply == "552 5.3.4 Error: message file too big"
    wait_for(lambda: sink.count == len(sizes))
    assert sorted(sink.bodies()) == sorted(map(content, sizes))


def test_many_large_messages_at_once(make_hub, sink):
    """What comes in is in memory as far as there is credit for it; the rest is in files. All arrives."""
    daemon = make_hub(nexthop=sink.nexthop, receive_processes=1)
    contents = [b"X: %d\r\n\r\n" % number + b"%070d\r\n" % number * 12500 for number in range(40)]
    before = {name: resident(pid) for name, pid in daemon.roles().items()}
    with Unharmed(daemon):
        clients = [Client(daemon.port) for _ in contents]
        for client, content in zip(clients, contents):
            client.expect("MAIL FROM:<s@isp.example>", "250")
            client.expect("RCPT TO:<u@customer.tld>", "250")
            client.expect("DATA", "354")
            client.send(content)
        for name, pid in daemon.roles().items():
            assert resident(pid) - before[name] < 32 * MIB, name
        for client in clients:
            client.send(b".\r\n")
        for client in clients:
            assert client.reply().startswith("250")
            client.close()
        wait_for(lambda: sink.count == len(contents), 60)
    assert sorted(sink.bodies()) == sorted(contents)


def test_thousands_of_recipients(make_hub, sink):
    daemon = make_hub(nexthop=sink.nexthop, smtpd_recipient_limit=5000)
    with Unharmed(daemon), Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@isp.example>", "250")
        for group in range(40):
            client.send("".join(f"RCPT TO:<u{group}.{n}@customer.tld>\r\n" for n in range(100)))
            assert all(client.reply().startswith("250") for _ in range(100))
        client.expect("DATA", "354")
        client.send("x\r\n.\r\n")
        assert client.reply().startswith("250")
        wait_for(lambda: daemon.queue() == [], 60, 0.2)
    recipients = [recipient for message in sink.messages for recipient in message.recipients]
    assert len(recipients) == len(set(recipients)) == 4000


# -- a queue that hangs

REFUSED = "451 4.3.0 Error: queue file write error"


def test_a_queue_that_hangs(make_hub):
    daemon = make_hub(commit_timeout="2s")
    replies = []

    def run(number):
        with Client(daemon.port) as client:
            for turn in range(2):
                replies.append(client.message("s@isp.example", f"u{number}.{turn}@customer.tld",
                                              b"X: y\r\n\r\n" + b"z" * 900 + b"\r\n"))
            replies.append(client.command("ETRN customer.tld"))

    for _ in range(20):  # each process that receives has its range of ids then
        send(daemon.port, recipients="before@customer.tld")
    with Unharmed(daemon):
        before = {name: resident(pid) for name, pid in daemon.roles().items()}
        queue = daemon.roles()["queue 0"]
        os.kill(queue, signal.SIGSTOP)
        try:
            threads = [threading.Thread(target=run, args=(number,)) for number in range(60)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            for name, pid in daemon.roles().items():
                assert resident(pid) - before[name] < 32 * MIB, name
        finally:
            os.kill(queue, signal.SIGCONT)
        assert sorted(replies) == [REFUSED] * 120 + ["458 Unable to queue messages"] * 60
        send(daemon.port, recipients="after@customer.tld")
    # What was refused may have become durable before it was withdrawn, but never twice.
    listed = [daemon.json("queue", "show", message["queue_id"])[0]["recipients"][0]["address"]
              for message in daemon.queue()]
    assert "after@customer.tld" in listed
    assert listed.count("before@customer.tld") == 20
    assert len(set(listed)) == len(listed) - 19


# -- mail hosts and name servers

SHORT = {f"smtp_{step}_timeout": "3s" for step in (
    "connect", "helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset")}


def wait_for_states(daemon, domains, seconds):
    """{domain: status} of the first attempts at u@domain."""
    def states():
        found = dict(reversed(re.findall(r"to=<u@([^>]+)>.*status=(\w+)", daemon.log())))
        return found if set(found) >= set(domains) else None

    return wait_for(states, seconds, 0.2)


def test_hostile_mail_hosts(make_daemon, sink):
    hosts = {f"h{n}.tld": HostileHost(HOSTS[name][0]) for n, name in enumerate(HOSTS)}
    wanted = {f"h{n}.tld": f"{name}: {HOSTS[name][1]}" for n, name in enumerate(HOSTS)}
    daemon = make_daemon(start=False)
    routes = [f"{domain} relay:{host.nexthop}\n" for domain, host in hosts.items()]
    daemon.change({
        "relay_domains": [*hosts, "honest.tld"], "minimal_backoff_time": "1000s", **SHORT,
        "transport_maps": [daemon.table(
            "transport", "".join(routes) + f"honest.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    with Unharmed(daemon):
        for domain in hosts:
            send(daemon.port, recipients=f"u@{domain}")
        send(daemon.port, recipients="u@honest.tld")
        wait_for(lambda: sink.count == 1)
        states = wait_for_states(daemon, hosts, 30)
    names = list(HOSTS)
    assert {d: f"{names[int(d[1:-4])]}: {states[d]}" for d in hosts} == wanted
    for host in hosts.values():
        host.close()


def test_a_hostile_name_server(make_daemon, sink):
    names = HostileNames()
    daemon = make_daemon(start=False)
    routes = [f"{name}.tld relay:{name}.tld:{sink.port}\n" for name in NAMES]
    daemon.change({
        "relay_domains": [f"{name}.tld" for name in NAMES], "minimal_backoff_time": "1000s",
        "dns_servers": [names.server], **SHORT,
        "transport_maps": [daemon.table("transport", "".join(routes))]})
    daemon.start()
    roles = daemon.roles()
    for name in NAMES:
        send(daemon.port, recipients=f"u@{name}.tld")
    states = wait_for_states(daemon, [f"{name}.tld" for name in NAMES], 40)
    assert {name: states[f"{name}.tld"] for name in NAMES} == NAMES
    assert daemon.roles() == roles
    names.close()


# -- tables

def replace_with(make):
    def replace(path, _good):
        path.unlink()
        make(path)
    return replace


TABLES = {
    "cut in place": lambda path, good: os.truncate(path, 100),
    "emptied": lambda path, good: os.truncate(path, 0),
    "one page left": lambda path, good: os.truncate(path, 4096),
    "a folder": replace_with(lambda path: path.mkdir()),
    "a FIFO": replace_with(os.mkfifo),
    "a device": replace_with(lambda path: path.symlink_to("/dev/zero")),
    "a loop": replace_with(lambda path: path.symlink_to(path)),
    "gone": replace_with(lambda path: None),
    "random": lambda path, good: path.write_bytes(random.Random(1).randbytes(len(good))),
}


def reply_to_recipient(daemon):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@isp.example>", "250")
        return client.command("RCPT TO:<u@customer.tld>")


def test_hostile_tables(make_hub):
    daemon = make_hub()
    path = daemon.folder / "transport.db"
    good = path.read_bytes()

    def restore():
        if path.is_dir():
            path.rmdir()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(good)
        fresh.rename(path)

    with Unharmed(daemon):
        for name, spoil in TABLES.items():
            # A small table is a copy; the file is looked at once a millisecond.
            spoil(path, good)
            wait_for(lambda: reply_to_recipient(daemon).startswith("451 4.3.0"))
            restore()
            wait_for(lambda: reply_to_recipient(daemon).startswith("250"))
        chance = random.Random(2)
        for _ in range(150):
            bytes_now = bytearray(good)
            for _ in range(chance.randrange(1, 20)):
                end = chance.choice([200, len(good)])
                bytes_now[chance.randrange(end)] = chance.randrange(256)
            path.write_bytes(bytes_now)
            assert reply_to_recipient(daemon)[:3] in ("250", "451")
        restore()
        wait_for(lambda: reply_to_recipient(daemon).startswith("250"))
