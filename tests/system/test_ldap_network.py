# SPDX-License-Identifier: ISC
"""
Faults between a relay and its directory, and how much is asked of a server that has them: see
test_ldap_faults.py for the list of all.
"""

import contextlib
import re
import socket
import subprocess

import pytest

from daemon import wait_for
from directory import BASE, MANAGER, PASSWORD, certificates_of_a_ca, slapd_of, tls_lines
from ldap_relay import LATER, RECIPIENTS, UNKNOWN, VALID, Between, Relay, relay, slapd, steady  # noqa: F401
from namespaces import own_network

FAULTS = ["closed", "silent", "garbage", "cut", "stuck"]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_of_use_comes(relay, steady, fault):
    """Closed, silent, nonsense, an answer that ends in the middle, or stops there; nothing waits for the rest for good."""
    with Between(steady.port, fault) as between:
        asker = relay(between.url, timeout=1)
        asker.fails()
        between.fault = None
        asker.recovers()
        between.fault = fault
        asker.fails()
        between.fault = None
        asker.recovers()
        wait_for(lambda: len(between.clients) <= 4)  # connection_limit


@pytest.mark.parametrize("fault", ["garbage", "cut", "stuck"])
def test_tls_that_is_broken_off(relay, fault):
    """The server has said yes to StartTLS; its side of the handshake does not come, or not whole: nothing waits for it
    for good."""
    with certificates_of_a_ca() as files, slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd, \
            Between(slapd.port, fault, well_count=1) as between:
        asker = relay(between.url, timeout=2, start_tls="yes", tls_require_cert="yes",
                      tls_ca_cert_file=files / "ca.pem")
        asker.fails()
        between.fault = None
        asker.recovers()
        wait_for(lambda: len(between.clients) <= 4)  # connection_limit
        asker.daemon.finish()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_of_two_servers(relay, steady, fault):
    """Nobody notices: the other one is asked at once."""
    with Between(steady.port, fault) as between:
        asker = relay(f"{between.url} {steady.url}")
        for _ in range(5):
            address = asker.next_address()
            assert asker.rcpt(address) == VALID
        assert asker.rcpt("none@customer.tld") == UNKNOWN.format("none@customer.tld")
        between.fault = None
    asker.recovers()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_of_two_servers_begins_to_fail(relay, steady, fault):
    """In the middle of a search on a connection that was well: the same search gets its answer from the other one."""
    with Between(steady.port) as between:
        asker = relay(f"{between.url} {steady.url}")
        asker.recovers()
        before = between.answered.total()
        assert before > 0
        between.fault = fault
        with asker.session() as client:
            for _ in range(5):
                assert client.command(f"RCPT TO:<{asker.next_address()}>") == VALID
        assert between.answered.total() > before or fault == "silent"


@pytest.mark.parametrize("fault, text", [("endless", "Size limit exceeded: more than"),
                                         ("huge", "connection lost")])
def test_an_answer_without_an_end(relay, steady, fault, text):
    """It costs no memory, and nobody's turn."""
    with Between(steady.port, fault) as between:
        asker = relay(between.url, timeout=30)
        pid = asker.lookup()
        address = asker.next_address()
        assert asker.rcpt(address) == LATER.format(address)
        asker.daemon.wait_for_log(text)
        between.fault = None
        asker.recovers()
        assert asker.lookup() == pid


def test_slow(relay, steady):
    """Its answers take their time, together and not one after the other; no one gets a wrong one."""
    with Between(steady.port, "slow") as between:
        asker = relay(between.url, timeout=10)
        clients = [asker.session() for _ in range(50)]
        asked = [(client, asker.next_address()) for client in clients]
        for client, address in asked:
            client.send(f"RCPT TO:<{address}>\r\n")
        assert {client.reply() for client, _ in asked} == {VALID}
        assert 1 < between.connections <= 4  # busy ones are joined by others
        for client in clients:
            client.close()


# ---- limits -------------------------------------------------------------------------------------


@contextlib.contextmanager
def full_listener():
    """Packets for a new connection to it are dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"


def expect_limit(relay, url, text, **settings):
    asker = relay(url, **{"timeout": 30, **settings})
    asker.fails()
    asker.daemon.wait_for_log(f"{text}: (Timed out|Connect error|Can't contact LDAP server)")
    assert "no answer in time" not in asker.daemon.log()  # which is what all of them together have


def test_connecting_has_a_limit(relay):
    with full_listener() as url:
        expect_limit(relay, url, f"connect to {url}")


@pytest.mark.parametrize("scheme, well_count, what", [("ldap", 1, "start TLS with"), ("ldaps", 0, "connect to")])
def test_tls_has_a_limit(relay, scheme, well_count, what):
    """In the middle of a handshake libldap has none of its own, and the thread would be gone."""
    with certificates_of_a_ca() as files, slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd, \
            Between(slapd.port if scheme == "ldap" else slapd.tls_port, "stuck", well_count=well_count) as between:
        url = between.url.replace("ldap:", f"{scheme}:")
        expect_limit(relay, url, f"{what} {url}", start_tls="yes" if scheme == "ldap" else "no")


def test_binding_has_a_limit(relay, steady):
    with Between(steady.port, "silent") as between:
        expect_limit(relay, between.url, f"bind to {between.url}", bind="yes", bind_dn=MANAGER, bind_pw=PASSWORD)


def test_a_search_has_a_limit(relay):
    says = f'overlay retcode\nretcode-parent "ou=codes,{BASE}"\nretcode-item "cn=slow" 51 op=search sleeptime=5'
    with slapd_of("", more="moduleload retcode.la", overlay=says) as slapd:
        asker = relay(slapd.url, search_base=f"cn=slow,ou=codes,{BASE}", scope="base", timeout=1)
        assert asker.rcpt("user1@customer.tld") == LATER.format("user1@customer.tld")
        asker.daemon.wait_for_log("filter .*: Timed out")
        assert "Server is busy" not in asker.daemon.log()


# ---- a firewall ---------------------------------------------------------------------------------


def rule(*words):
    subprocess.run(["ip", "rule", *words], check=True, capture_output=True, timeout=10)


@contextlib.contextmanager
def behind_a_firewall():
    """A directory to which rule() may close the way."""
    with own_network():
        rule("add", "pref", "100", "lookup", "local")
        rule("del", "pref", "0")
        with slapd_of(RECIPIENTS, address="127.0.0.2") as slapd:
            yield slapd


def test_packets_that_vanish(make_daemon):
    """Nobody says that the connection is gone; after that, and meanwhile, new ones get no answer either."""
    silence = ("pref", "10", "from", "127.0.0.2", "blackhole")
    with behind_a_firewall() as slapd:
        asker = Relay(make_daemon(start=False), slapd.url, timeout=1)
        asker.daemon.start()
        asker.recovers()
        rule("add", *silence)
        asker.fails()
        asker.fails()
        rule("del", *silence)
        asker.recovers()
        asker.daemon.finish()


def test_a_firewall_forgets_connections_that_are_idle(make_daemon):
    """The next look-up finds out, and has its answer all the same."""
    with behind_a_firewall() as slapd:
        asker = Relay(make_daemon(start=False), slapd.url, timeout=30)
        asker.daemon.start()
        clients = [asker.session() for _ in range(100)]
        for client in clients:
            client.send(f"RCPT TO:<{asker.next_address()}>\r\n")
        assert {client.reply() for client in clients} == {VALID}
        ports = set(re.findall(r"ACCEPT from IP=127.0.0.2:(\d+)|ACCEPT from IP=[0-9.]+:(\d+)", slapd.output()))
        for port in {first or second for first, second in ports}:
            for way in ("sport", "dport"):
                rule("add", "pref", "10", "ipproto", "tcp", way, port, "blackhole")
        for client in clients[:3]:
            assert client.command(f"RCPT TO:<{asker.next_address()}>") == VALID
        for client in clients:
            client.send(f"RCPT TO:<{asker.next_address()}>\r\n")
        assert {client.reply() for client in clients} == {VALID}
        for client in clients:
            client.close()
        asker.daemon.finish()


def timers(port):
    """(kind, hundredths of a second) of each connection to that port."""
    with open("/proc/net/tcp", encoding="ascii") as sockets:
        rows = [line.split() for line in sockets][1:]
    return [(kind, int(left, 16)) for kind, left in (
        row[5].split(":") for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01")]


def test_connections_that_are_idle_are_probed(relay, slapd):
    """By the kernel, within half a minute: a firewall that drops them soon does not, and one that did is noticed."""
    asker = relay(slapd.url)
    asker.recovers()
    probe = "02"
    wait_for(lambda: {kind for kind, _ in timers(slapd.port)} == {probe})
    assert max(left for _, left in timers(slapd.port)) <= 3000


# ---- a server that does not read ----------------------------------------------------------------


LONG = "".join(f"(!(cn=nobody{i:0100}))" for i in range(1000))  # a filter's part that fills sockets


def test_requests_that_the_socket_does_not_take(relay, slapd):
    """The rest goes out when the server reads again; meanwhile the process has time for others."""
    asker = relay(slapd.url, timeout=30, query_filter=f"(&(mailacceptinggeneralid=%s){LONG})")
    asker.recovers()
    slapd.freeze()
    clients = [asker.session() for _ in range(100)]
    for client in clients:
        client.send(f"RCPT TO:<{asker.next_address()}>\r\n")
    wait_for(lambda: unsent(slapd.port) > 0)
    slapd.thaw()
    assert {client.reply() for client in clients} == {VALID}
    for client in clients:
        client.close()


def unsent(port):
    """Bytes that wait in sockets for that one."""
    with open("/proc/net/tcp", encoding="ascii") as sockets:
        rows = [line.split() for line in sockets][1:]
    return sum(int(row[4].split(":")[0], 16) for row in rows if row[2].endswith(f":{port:04X}"))


def test_a_full_socket_stops_nothing(relay, slapd):
    """It stays frozen: all are answered, for now, and others of the same process get theirs."""
    asker = relay(slapd.url, timeout=3, query_filter=f"(&(mailacceptinggeneralid=%s){LONG})")
    asker.recovers()
    pid = asker.lookup()
    slapd.freeze()
    clients = [asker.session() for _ in range(100)]
    asked = [(client, asker.next_address()) for client in clients]
    for client, address in asked:
        client.send(f"RCPT TO:<{address}>\r\n")
    assert [client.reply() for client, _ in asked] == [LATER.format(address) for _, address in asked]
    slapd.thaw()
    asker.recovers()
    assert asker.lookup() == pid
    for client in clients:
        client.close()


# ---- how much is asked of a server that fails ----------------------------------------------------


@pytest.mark.parametrize("fault", ["closed", "silent"])
def test_look_ups_are_not_connections(relay, steady, fault):
    """While it fails most are answered at once, without it."""
    with Between(steady.port, fault) as between:
        asker = relay(between.url)
        with asker.session() as client:
            for _ in range(300):
                address = asker.next_address()
                assert client.command(f"RCPT TO:<{address}>") == LATER.format(address)
        assert 0 < between.connections < 30
        between.fault = None
        asker.recovers()


def test_the_next_server_is_not_asked_for_the_first_one(relay, steady):
    with Between(steady.port, "closed") as between:
        asker = relay(f"{between.url} {steady.url}")
        with asker.session() as client:
            for _ in range(300):
                assert client.command(f"RCPT TO:<{asker.next_address()}>") == VALID
        assert 0 < between.connections < 30
