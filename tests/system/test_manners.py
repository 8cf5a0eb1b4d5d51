# SPDX-License-Identifier: ISC
"""Limits and bad manners: what strangers do to a mail server, while an honest client sends its mail."""

import os
import signal
import socket
import time

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
        server.wait_for_log(rf": connect from {place}\n(.*\n)*.*: client={place}\n(.*\n)*"
                            rf".*disconnect from {place}")
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
