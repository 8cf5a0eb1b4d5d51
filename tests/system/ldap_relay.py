# SPDX-License-Identifier: ISC
"""A relay that asks a directory whether a recipient exists, and what may stand in its way to the server."""

import collections
import contextlib
import random
import select
import socket
import threading
import time

import pytest

from client import LATER, UNKNOWN, VALID, Client
from daemon import wait_for
from directory import BASE, FRESH, recipient, recipients, slapd_of

COUNT = 1000

RECIPIENTS = (recipients(COUNT)
              + recipient("one", mailacceptinggeneralid="twice@customer.tld", maildrop="x@store.tld")
              + recipient("other", mailacceptinggeneralid="twice@customer.tld", maildrop="y@store.tld"))


@pytest.fixture
def slapd():
    """A test's own."""
    with slapd_of(RECIPIENTS) as directory:
        yield directory


@pytest.fixture(scope="module")
def steady():
    """One that all tests of a file leave as it is."""
    with slapd_of(RECIPIENTS) as directory:
        yield directory


class Relay:
    """A daemon whose relay_recipient_maps is a directory."""

    def __init__(self, daemon, server, **settings):
        self.daemon = daemon
        self.path = daemon.folder / "ldap.cf"
        self.settings = {"server_host": server, "search_base": BASE, "version": 3, "bind": "no",
                         "timeout": 2, "connect_timeout": 1}
        self.last = 0
        self.set(**settings)
        daemon.change({"relay_domains": ["customer.tld"], "relay_recipient_maps": [f"ldap:{self.path}"],
                       "tables": [{"name": str(self.path), "plugin": "ldap", **FRESH}],
                       "transport_maps": ["inline:{customer.tld=etrn-only:}"],
                       "smtpd_soft_error_limit": 100000, "smtpd_hard_error_limit": 100000})

    def set(self, **settings):
        self.settings.update(settings)
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{key} = {value}\n" for key, value in self.settings.items()))
        new.rename(self.path)

    def session(self):
        client = Client(self.daemon.port)
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return client

    def rcpt(self, address):
        with self.session() as client:
            return client.command(f"RCPT TO:<{address}>")

    def next_address(self):
        """Somebody who exists, and was not asked for before."""
        self.last += 1
        return f"user{self.last % COUNT}@customer.tld"

    def is_well(self):
        address = self.next_address()
        reply = self.rcpt(address)
        assert reply in (VALID, LATER.format(address))
        return reply == VALID

    def recovers(self):
        wait_for(self.is_well, 15, 0.1)
        assert self.rcpt("none@customer.tld") == UNKNOWN.format("none@customer.tld")

    def fails(self):
        for address in (self.next_address(), "none@customer.tld"):
            assert self.rcpt(address) == LATER.format(address)

    def lookup(self):
        """The process that searches."""
        (pid,) = [pid for name, pid in self.daemon.roles().items() if name.startswith("lookup")]
        return pid


@pytest.fixture
def relay(make_daemon):
    def make(server, environment=None, **settings):
        made = Relay(make_daemon(start=False), server, **settings)
        made.daemon.start(environment=environment)
        return made
    return make


def first_message(data):
    """Of those that a server has sent (RFC 4511 section 5.1)."""
    size, header = data[1], 2
    if size & 0x80:
        header += size & 0x7f
        size = int.from_bytes(data[2:header], "big")
    return data[:header + size]


class Between:
    """In the way to a server. .fault: what becomes of its answers, but for the first well_count of each connection."""

    def __init__(self, port, fault=None, well_count=0):
        self.port = port
        self.fault = fault
        self.well_count = well_count
        self.answered = collections.Counter()
        self.connections = 0
        self.clients = set()
        self.stuck = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        self.clients.add(client)
        try:
            self.carry_until_its_end(client)
        finally:
            self.clients.discard(client)
            self.stuck.discard(client)

    def carry_until_its_end(self, client):
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            is_open = self.fault != "closed"
            while is_open:
                try:
                    for ready in select.select([client, server], [], [])[0]:
                        data = ready.recv(65536)
                        is_open = is_open and bool(data) and (
                            self.answer(client, data) if ready is server else self.ask(server, data))
                except OSError:
                    return

    def ask(self, server, data):
        if self.fault != "silent":
            server.sendall(data)
        return True

    def answer(self, client, data):
        """False: the connection ends."""
        self.answered[client] += 1
        is_sign_of_life = self.fault in ("endless", "huge") and b"maildrop" not in data
        if self.answered[client] <= self.well_count or is_sign_of_life:
            client.sendall(data)
            return True
        if self.fault == "closed":
            return False
        if self.fault == "slow":
            time.sleep(0.2)
        elif self.fault == "garbage":
            data = random.Random(len(data)).randbytes(len(data))
        elif self.fault == "endless":
            data = first_message(data) * 1000
            while self.fault == "endless":
                client.sendall(data)
        elif self.fault == "huge":
            data = b"\x30\x84\x7f\xff\xff\xff" + bytes(65536)  # says how long it is going to be
        elif self.fault in ("cut", "stuck"):
            data = data[:len(data) // 2]
        if client not in self.stuck:
            client.sendall(data)
        if self.fault == "stuck":
            self.stuck.add(client)
        return self.fault != "cut"

    def drop(self):
        """Ends all connections."""
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
