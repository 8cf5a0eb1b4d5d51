# SPDX-License-Identifier: ISC
"""
Faults of a directory on which every recipient depends: a valid one is never refused for good, one that
does not exist is never accepted, and mail flows again by itself within seconds.
"""

import contextlib
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import Client
from daemon import wait_for
from directory import (BASE, FRESH, MANAGER, PASSWORD, certificates_of_a_ca, recipient, recipients,
                       slapd_of, tls_lines)
from namespaces import own_network
from witnesses import ours, theirs  # noqa: F401

COUNT = 1000
VALID = "250 2.1.5 Ok"
LATER = "451 4.3.0 <{}>: Temporary lookup failure"
UNKNOWN = "550 5.1.1 <{}>: Recipient address rejected: User unknown in relay recipient table"

RECIPIENTS = (recipients(COUNT)
              + recipient("one", mailacceptinggeneralid="twice@customer.tld", maildrop="x@store.tld")
              + recipient("other", mailacceptinggeneralid="twice@customer.tld", maildrop="y@store.tld"))


@pytest.fixture
def slapd():
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


# ---- many sessions ------------------------------------------------------------------------------


def ask_meanwhile(relay, sessions, *actions):
    """All sessions ask again and again, so that each action comes upon look-ups that are under way; until
    there were replies of its kind. actions: (replies that are waited for, function)."""
    clients = [relay.session() for _ in range(sessions)]
    seen = {VALID: 0, "451": 0}

    def act():
        for kind, action in actions:
            before = seen[kind]
            wait_for(lambda: seen[kind] > before, 40)
            action()

    thread = threading.Thread(target=act)
    thread.start()
    while thread.is_alive():
        asked = [(client, relay.next_address()) for client in clients]
        for client, address in asked:
            client.send(f"RCPT TO:<{address}>\r\nRSET\r\nMAIL FROM:<s@else.tld>\r\n")
        for client, address in asked:
            reply = client.reply()
            assert reply in (VALID, LATER.format(address))
            seen[VALID if reply == VALID else "451"] += 1
            assert client.reply().startswith("250") and client.reply().startswith("250")
    for client in clients:
        client.close()


def is_over():
    pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_restarted_while_200_sessions_ask(relay, slapd, how):
    asker = relay(slapd.url)
    pid = asker.lookup()
    ask_meanwhile(asker, 200, (VALID, lambda: slapd.stop(how)), ("451", slapd.start), (VALID, is_over))
    asker.recovers()
    assert asker.lookup() == pid


def test_frozen_under_load(relay, slapd):
    asker = relay(slapd.url, timeout=1)
    files = os.listdir(f"/proc/{asker.lookup()}/fd")
    ask_meanwhile(asker, 50, *[(VALID, slapd.freeze), ("451", slapd.thaw)] * 2, (VALID, is_over))
    asker.recovers()
    assert len(os.listdir(f"/proc/{asker.lookup()}/fd")) <= len(files) + 4  # its connections


def test_no_message_is_lost(relay, slapd):
    """What was accepted before, during and after is there."""
    asker = relay(slapd.url)
    accepted = []

    def send():
        address = asker.next_address()
        with asker.session() as client:
            if client.command(f"RCPT TO:<{address}>") == VALID:
                client.expect("DATA", "354")
                client.send(b"Subject: one\r\n\r\nhello\r\n.\r\n")
                accepted.append(client.reply().rsplit(" ", 1)[1])

    for _ in range(3):
        send()
        slapd.stop(signal.SIGKILL)
        send()
        slapd.start()
        asker.recovers()
    send()
    assert len(accepted) == 4
    assert {message["queue_id"] for message in asker.daemon.queue()} == set(accepted)


# ---- the network --------------------------------------------------------------------------------


class Between:
    """In the way to a server. .fault: what becomes of its answers."""

    def __init__(self, port, fault=None):
        self.port = port
        self.fault = fault
        self.connections = 0
        self.clients = set()
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
        if self.fault == "closed":
            return False
        if self.fault == "slow":
            time.sleep(0.2)
        elif self.fault == "garbage":
            data = random.Random(len(data)).randbytes(len(data))
        elif self.fault in ("cut", "stuck"):
            data = data[:len(data) // 2]
        client.sendall(data)
        return self.fault != "cut"

    def drop(self):
        """Ends all connections."""
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


FAULTS = ["closed", "silent", "garbage", "cut", "stuck"]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_of_use_comes(relay, slapd, fault):
    """Closed, silent, nonsense, an answer that ends in the middle, or stops there."""
    with Between(slapd.port, fault) as between:
        asker = relay(between.url, timeout=1)
        asker.fails()
        between.fault = None
        asker.recovers()
        between.fault = fault
        asker.fails()
        between.fault = None
        asker.recovers()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_of_two_servers(relay, slapd, fault):
    """Nobody notices: the other one is asked at once."""
    with Between(slapd.port, fault) as between:
        asker = relay(f"{between.url} {slapd.url}")
        for _ in range(5):
            address = asker.next_address()
            assert asker.rcpt(address) == VALID
        assert asker.rcpt("none@customer.tld") == UNKNOWN.format("none@customer.tld")
        between.fault = None
    asker.recovers()


def test_slow(relay, slapd):
    """Its answers take their time, together and not one after the other; no one gets a wrong one."""
    with Between(slapd.port, "slow") as between:
        asker = relay(between.url, timeout=10)
        clients = [asker.session() for _ in range(100)]
        asked = [(client, asker.next_address()) for client in clients]
        for client, address in asked:
            client.send(f"RCPT TO:<{address}>\r\n")
        assert {client.reply() for client, _ in asked} == {VALID}
        assert between.connections <= 2
        for client in clients:
            client.close()


def test_packets_that_vanish(make_daemon):
    """Nobody says that the connection is gone; after that, and meanwhile, new ones get no answer either."""
    def rule(*words):
        subprocess.run(["ip", "rule", *words], check=True, capture_output=True, timeout=10)

    silence = ("pref", "10", "from", "127.0.0.2", "blackhole")
    with own_network():
        rule("add", "pref", "100", "lookup", "local")
        rule("del", "pref", "0")
        with slapd_of(RECIPIENTS, address="127.0.0.2") as slapd:
            asker = Relay(make_daemon(start=False), slapd.url, timeout=1)
            asker.daemon.start()
            asker.recovers()
            rule("add", *silence)
            asker.fails()
            asker.fails()
            rule("del", *silence)
            asker.recovers()
            asker.daemon.finish()


# ---- what the directory says --------------------------------------------------------------------


def test_a_password_that_is_put_right(relay, slapd):
    asker = relay(slapd.url, bind="yes", bind_dn=MANAGER, bind_pw="not it")
    asker.fails()
    asker.daemon.wait_for_log("Invalid credentials")
    asker.set(bind_pw=PASSWORD)
    asker.recovers()


def test_a_file_of_certificates_that_is_put_right(relay):
    with certificates_of_a_ca() as files, slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd:
        trusted = files / "trusted.pem"
        shutil.copy(files / "client.pem", trusted)
        asker = relay(slapd.tls_url, tls_require_cert="yes", tls_ca_cert_file=trusted)
        asker.fails()
        shutil.copy(files / "ca.pem", trusted)
        asker.recovers()
        asker.daemon.finish()


def test_more_than_the_server_gives(relay, slapd):
    """A limit of the server's: half an answer is none."""
    slapd.stop()
    slapd.configure(more="sizelimit 1")
    slapd.start()
    asker = relay(slapd.url)
    assert asker.rcpt("twice@customer.tld") == LATER.format("twice@customer.tld")
    asker.recovers()
    slapd.stop()
    slapd.configure()
    slapd.start()
    wait_for(lambda: asker.rcpt("twice@customer.tld") == VALID)


def test_entries_that_may_not_be_read(relay, slapd):
    """Access is refused with a code, which is no answer (slapd: disclose)."""
    slapd.stop()
    slapd.configure(more="require authc")
    slapd.start()
    asker = relay(slapd.url)
    asker.fails()
    asker.set(bind="yes", bind_dn=MANAGER, bind_pw=PASSWORD)
    asker.recovers()


# ---- for weeks ----------------------------------------------------------------------------------


def kilobytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))


def reconnect(asker, between, count):
    """The descriptors and kilobytes of the process after that many connections more."""
    until = between.connections + count
    with asker.session() as client:
        while between.connections < until:
            between.drop()
            assert client.command(f"RCPT TO:<{asker.next_address()}>") == VALID
            client.expect("RSET", "250")
            client.expect("MAIL FROM:<s@else.tld>", "250")
    pid = asker.lookup()
    return len(os.listdir(f"/proc/{pid}/fd")), kilobytes(pid)


@pytest.mark.parametrize("has_tls", [False, True])
def test_500_connections_leave_nothing(relay, has_tls):
    """libldap with GnuTLS leaks a certificate and a key for each context: they share one."""
    with certificates_of_a_ca() as files, \
            slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd, Between(slapd.port) as between:
        tls = {"start_tls": "yes", "tls_require_cert": "yes", "tls_ca_cert_file": files / "ca.pem",
               "tls_cert": files / "client.pem", "tls_key": files / "client.key"} if has_tls else {}
        asker = relay(between.url, environment={"ASAN_OPTIONS": "quarantine_size_mb=0"}, **tls)
        descriptors, memory = reconnect(asker, between, 50)
        more_descriptors, more_memory = reconnect(asker, between, 500)
        assert more_descriptors <= descriptors + 2
        assert more_memory < memory + 5000  # a tenth of what a context for each costs
        asker.daemon.finish()


# ---- commands -----------------------------------------------------------------------------------


def test_postmap(ours, theirs, folder, slapd):
    """T-79: as Postfix's asks, and refuses what is no look-up."""
    (folder / "x.cf").write_text(f"server_host = {slapd.url}\nsearch_base = {BASE}\nversion = 3\nbind = no\n")
    table = f"ldap:{folder}/x.cf"
    found = "user7@customer.tld"
    keys = f"{found}\nnone@customer.tld\nUser1@Customer.TLD\n"
    for arguments in (["-q", found], ["-q", "none@customer.tld"], ["-q", "-"], ["-s"], ["-d", found], ["-i"], []):
        mine, witness = (call(*arguments, table, cwd=folder, stdin=keys) for call in (ours, theirs))
        assert (mine.returncode, mine.stdout, mine.stderr) == (
            witness.returncode, witness.stdout, witness.stderr), arguments
        assert (mine.returncode == 0) == (arguments in (["-q", found], ["-q", "-"]))
    slapd.stop()
    down = ours("-q", found, table)
    assert down.returncode == 1 and down.stdout == "" and "Can't contact LDAP server" in down.stderr


def test_a_query_that_answers_for_all(relay, slapd):
    """T-78, documented misuse: for a list of domains the query must ask for the one in question."""
    asker = relay(slapd.url, query_filter="(cn=*)", result_attribute="cn")
    asker.set(result_format="%s", size_limit=10)
    address = "none@customer.tld"
    assert asker.rcpt(address) == LATER.format(address)
