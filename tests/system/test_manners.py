# SPDX-License-Identifier: ISC
"""Limits and bad manners: what strangers do to a mail server, while an honest client sends its mail."""

import contextlib
import itertools
import os
import random
import re
import signal
import socket
import struct
import threading
from pathlib import Path

import pytest

from client import Client, send
from daemon import wait_for

HOST = "mx.isp.example"
HONEST = "127.0.0.1"  # in mynetworks
STRANGER = "127.0.0.9"


@pytest.fixture
def make_server(make_daemon):
    def make(start=True, **settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "mynetworks": ["127.0.0.1/32"], "relay_domains": ["customer.tld"],
            "transport_maps": [daemon.table("transport", "customer.tld etrn-only:[127.0.0.1]:9\n")],
            **settings})
        if start:
            daemon.start()
        return daemon

    return make


def greeting(server, source):
    """The first reply to a new connection, which is closed again unless it is 220; else the client."""
    client = Client(server.port, hello=None, source=source)
    reply = client.reply()
    if reply.startswith("220 "):
        return client
    assert client.reply() == ""
    client.close()
    return reply


# -- limits of each client (M-74)

def test_connections_at_a_time(make_server):
    server = make_server(smtpd_client_connection_count_limit=3, receive_processes=3)
    clients = [greeting(server, STRANGER) for _ in range(3)]
    for _ in range(20):
        assert greeting(server, STRANGER) == \
            f"421 4.7.0 {HOST} Error: too many connections from {STRANGER}"
    server.wait_for_log(r"Connection concurrency limit exceeded: 4 from \S+\[127\.0\.0\.9\] for service smtp")
    others = [greeting(server, "127.0.0.10"), *[greeting(server, HONEST) for _ in range(10)]]
    assert all(isinstance(client, Client) for client in others)
    clients[1].expect("QUIT", "221")
    assert clients[1].reply() == ""
    wait_for(lambda: isinstance(greeting(server, STRANGER), Client))
    clients[0].expect("NOOP", "250")


def test_connections_of_a_killed_process_do_not_count(make_server):
    server = make_server(smtpd_client_connection_count_limit=4, receive_processes=2)
    clients = [greeting(server, STRANGER) for _ in range(4)]
    assert isinstance(greeting(server, STRANGER), str)
    for name, pid in server.roles().items():
        if name.startswith("receive"):
            os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.close()
    server.wait_until_ready()
    clients = []

    def all_four():
        try:
            clients.append(greeting(server, STRANGER))
        except OSError:  # the listening socket is there, its process not yet
            return False
        return isinstance(clients[-1], Client) and len(clients) == 4

    wait_for(all_four)
    assert isinstance(greeting(server, STRANGER), str)


def test_rates(make_server):
    server = make_server(smtpd_client_connection_rate_limit=4, smtpd_client_message_rate_limit=2,
                         smtpd_client_recipient_rate_limit=3, anvil_rate_time_unit="1d",
                         receive_processes=2)
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        for reply in ["250", "250", "250",
                      f"450 4.7.1 Error: too many recipients from {STRANGER}"]:
            client.expect("RCPT TO:<u@customer.tld>", reply)
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RSET", "250")
        assert client.command("MAIL FROM:<a@b.test>") == \
            f"450 4.7.1 Error: too much mail from {STRANGER}"
    for _ in range(2):
        greeting(server, STRANGER).close()
    assert greeting(server, STRANGER) == \
        f"421 4.7.0 {HOST} Error: too many connections from {STRANGER}"
    for _ in range(6):
        send(server.port, source=HONEST)
    for what in ("Connection rate limit exceeded: 5", "Recipient address rate limit exceeded: 4",
                 "Message delivery request rate limit exceeded: 3"):
        server.wait_for_log(rf"{what} from \S+\[127\.0\.0\.9\] for service smtp")


def test_exceptions(make_server):
    server = make_server(smtpd_client_connection_count_limit=1,
                         smtpd_client_event_limit_exceptions=["127.0.0.16/28"])
    friends = [greeting(server, "127.0.0.17") for _ in range(3)]
    assert all(isinstance(client, Client) for client in friends)
    clients = [greeting(server, HONEST) for _ in range(2)]
    assert isinstance(clients[1], str)


# -- names of clients

NAMES = [
    "ptr-record=5.0.0.127.in-addr.arpa,mail.honest.tld", "address=/mail.honest.tld/127.0.0.5",
    "ptr-record=6.0.0.127.in-addr.arpa,liar.honest.tld", "address=/liar.honest.tld/127.0.0.66",
    "ptr-record=7.0.0.127.in-addr.arpa,nowhere.tld",
]


def test_names(make_server, make_names, sink):
    names = make_names(NAMES)
    server = make_server(dns_servers=[names.server], start=False)
    server.table("transport", f"customer.tld relay:{sink.nexthop}\n")
    server.start()
    called = {"127.0.0.5": "mail.honest.tld", "127.0.0.6": "unknown", "127.0.0.7": "unknown",
              "127.0.0.8": "unknown", "127.0.0.1": "localhost"}
    for number, (address, name) in enumerate(called.items()):
        with Client(server.port, source=address) as client:
            client.expect("MAIL FROM:<a@b.test>", "250")
            if address != HONEST:
                client.expect("RCPT TO:<u@elsewhere.tld>", "554")
            client.expect("RCPT TO:<u@customer.tld>", "250")
            client.expect("DATA", "354")
            client.send("X: y\r\n\r\n.\r\n")
            assert client.reply().startswith("250")
        wait_for(lambda: sink.count > number)
        assert f" ({name} [{address}])\r\n".encode() in sink.messages[number].data
        place = rf"{name}\[{address}\]".replace(".", r"\.")
        for line in (f": connect from {place}\n", f": client={place}\n",
                     f": disconnect from {place} "):
            server.wait_for_log(line)  # not all of one process, so in any order
    server.wait_for_log(r"NOQUEUE: reject: RCPT from mail\.honest\.tld\[127\.0\.0\.5\]: 554 ")
    server.wait_for_log("hostname liar.honest.tld does not resolve to address 127.0.0.6")
    assert "PTR 1.0.0.127.in-addr.arpa" not in names.queries()  # /etc/hosts has it


def test_a_dead_name_server_delays_no_greeting(make_server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = make_server(dns_servers=["127.0.0.1@%d" % silent.getsockname()[1]])
        with Client(server.port, source=STRANGER) as client:
            client.expect("MAIL FROM:<a@b.test>", "250")
            assert f"[{STRANGER}]" not in server.log()
            client.expect("QUIT", "221")
        server.wait_for_log(rf"disconnect from unknown\[{STRANGER}\]")
        with Client(server.port, source=STRANGER) as client:
            client.expect("MAIL FROM:<a@b.test>", "250")
            client.expect("RCPT TO:<u@customer.tld>", "250")  # after a while


# -- more clients than places

def addresses():
    """All of a network that is no friend of the server's."""
    for high, low in itertools.product(range(1, 100), range(1, 250)):
        yield f"127.99.{high}.{low}"


def connect_idle(server, count, sources, hello=b"EHLO idle.example\r\n"):
    """That many clients, each from an address of its own, that have said EHLO and do nothing more."""
    clients = []
    for source in itertools.islice(sources, count):
        client = socket.create_connection(("127.0.0.1", server.port), 60, (source, 0))
        client.sendall(hello)
        clients.append(client)
    for client in clients:
        read_until(client, b"250 CHUNKING\r\n" if hello else b"220 ")
    return clients


def read_until(client, wanted):
    data = b""
    while wanted not in data:
        more = client.recv(4096)
        assert more, f"the end instead of {wanted!r}: {data!r}"
        data += more
    return data


def close_all(clients):
    for client in clients:
        client.close()


def test_idle_clients_keep_nobody_out(make_server):
    # M-73: 100 places; who has been idle longest leaves first, who is in a transaction stays
    server = make_server(start=False, receive_processes=1, smtpd_forbid_unauth_pipelining=False)
    server.start(descriptors=328)
    sources = addresses()
    with Client(server.port) as honest:
        honest.expect("MAIL FROM:<a@b.test>", "250")
        clients = connect_idle(server, 98, sources)
        for _ in range(5):
            clients += connect_idle(server, 30, sources)
            send(server.port)
        honest.expect("RCPT TO:<u@customer.tld>", "250")
        assert read_until(clients[0], b"421").endswith(
            f"421 4.4.2 {HOST} Error: timeout exceeded\r\n".encode())
        clients[-1].sendall(b"NOOP\r\n")
        assert clients[-1].recv(100) == b"250 2.0.0 Ok\r\n"
    server.wait_for_log(r"stress: clients must be quick: 9\d of 100 sessions")
    close_all(clients)
    server.wait_for_log("stress is over")
    send(server.port)


def test_5000_idle_clients(make_server):
    server = make_server(smtpd_forbid_unauth_pipelining=False)
    sources = addresses()
    clients = []
    for _ in range(10):
        clients += connect_idle(server, 500, sources)
        send(server.port)
    assert len(clients) == 5000
    for client in clients[::500]:
        client.sendall(b"NOOP\r\n")
        assert client.recv(100) == b"250 2.0.0 Ok\r\n"
    receivers = [pid for name, pid in server.roles().items() if name.startswith("receive")]
    print(f"{sum(map(proportional_kib, receivers))} KiB in {len(receivers)} processes")
    close_all(clients)


def proportional_kib(pid):
    return int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(),
                         re.M).group(1))


# -- bad manners, each by several clients at once, while others send mail

FLOOD = 3_000_000  # bytes that a client sends at most


def pour(client, data):
    """The same again and again, without reading, until nobody takes it any more."""
    client.settimeout(0.5)
    for _ in range(FLOOD // len(data)):
        client.sendall(data)


def transaction(*commands):
    return b"".join(command + b"\r\n" for command in
                    (b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<u@customer.tld>", *commands))


def step_by_step(client, *commands):
    client.settimeout(5)
    client.recv(1000)
    for command in commands:
        client.sendall(command + b"\r\n")
        client.recv(1000)


def no_reader(client):
    client.recv(1000)
    pour(client, b"RSET\r\n" * 1000)


def greedy_reader(client):
    pour(client, b"HELO x\r\nVRFY u@customer.tld\r\n" * 500)


def early_talker(client):
    client.sendall(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nDATA\r\n.\r\n")
    client.recv(1000)


def nonsense(client):
    client.recv(1000)
    for number in range(30):
        client.sendall(b"NONSENSE %d\r\n" % number)
        if not client.recv(1000):
            return


def junk(client):
    client.recv(1000)
    for _ in range(150):
        client.sendall(b"NOOP\r\n")
        if not client.recv(1000):
            return


def noise(client):
    pour(client, random.Random(1).randbytes(65536))


def line_without_end(client):
    pour(client, b"x" * 65536)


def lines_without_end(client):
    pour(client, b"\r\n" * 30000)


def recipients_without_end(client):
    step_by_step(client, b"EHLO x", b"MAIL FROM:<a@b.test>")
    pour(client, b"RCPT TO:<u@customer.tld>\r\n" * 1000)


def content_without_end(client):
    step_by_step(client, *transaction(b"DATA").split(b"\r\n")[:-1])
    pour(client, b"\r\n.\n\r.\r\r\n.x" * 5000)


def chunks_without_end(client):
    step_by_step(client, *transaction().split(b"\r\n")[:-1])
    pour(client, b"BDAT 1\r\nx" * 5000)


def a_chunk_without_end(client):
    step_by_step(client, *transaction(b"BDAT 9000000000000000000").split(b"\r\n")[:-1])
    pour(client, b"\r\n.\r\nQUIT\r\n" * 5000)


def vanishes(client):
    step_by_step(client, *transaction(b"DATA").split(b"\r\n")[:-1])
    client.sendall(b"half a mess")


def resets(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(b"EHLO x\r\n")


def byte_by_byte(client):
    client.recv(1000)
    for byte in b"EHLO slow.example\r\nMAIL FROM:<a@b.te":
        client.sendall(bytes([byte]))


def half_closes(client):
    client.sendall(transaction(b"DATA"))
    client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        pass


MANNERS = [no_reader, greedy_reader, early_talker, nonsense, junk, noise, line_without_end,
           lines_without_end, recipients_without_end, content_without_end, chunks_without_end,
           a_chunk_without_end, vanishes, resets,
           byte_by_byte, half_closes]
EACH = 3


def misbehave(server, manner, source):
    # The server may hang up at any time.
    with contextlib.suppress(OSError), \
            socket.create_connection(("127.0.0.1", server.port), 30, (source, 0)) as client:
        manner(client)


def test_bad_manners_hold_up_nobody(make_server):
    server = make_server(smtpd_error_sleep_time=0, message_size_limit=1_000_000)
    roles = server.roles()
    threads = [threading.Thread(target=misbehave, args=(server, manner, source))
               for (manner, source) in zip(MANNERS * EACH, addresses())]
    for thread in threads:
        thread.start()
    for _ in range(20):
        send(server.port)
    for thread in threads:
        thread.join(60)
    send(server.port)
    assert server.roles() == roles  # nobody died
    wait_for(lambda: len(server.queue()) == 21)
    log = server.log()
    for line in ("improper command pipelining after CONNECT", "too many errors after UNKNOWN",
                 "too many errors after NOOP", "lost connection after DATA"):
        assert re.search(rf"{line} from unknown\[127\.99\.", log), line


def test_a_flood_from_one_address(make_server):
    # M-74: 50 connections, whatever else it opens is turned away, and friends come in
    server = make_server(receive_processes=2)
    clients = [socket.create_connection(("127.0.0.1", server.port), 30, (STRANGER, 0))
               for _ in range(300)]
    send(server.port)
    replies = [client.recv(1000)[:4] for client in clients]
    assert replies.count(b"220 ") == 50 and replies.count(b"421 ") == 250
    close_all(clients)
