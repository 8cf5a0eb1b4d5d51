# SPDX-License-Identifier: ISC
"""
While no server of a directory answers, what it answered last stands in: who is known is accepted, who was never
asked for is refused for now, and nobody for good.
"""

import os
import signal

import pytest

from client import LATER, UNKNOWN, VALID, rcpt
from daemon import wait_for
from directory import BASE, FRESH, recipients, slapd_of

KNOWN = "user1@customer.tld"
OTHER = "user2@customer.tld"
NOBODY = "none@customer.tld"


@pytest.fixture
def slapd():
    with slapd_of(recipients(10)) as directory:
        yield directory


@pytest.fixture
def relay(make_daemon, slapd):
    """A daemon whose relay_recipient_maps is a directory, of which nothing is kept in memory."""
    def make(**options):
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": ["customer.tld"], "relay_recipient_maps": ["ldap:people"],
            "transport_maps": ["inline:{customer.tld=etrn-only:}"],
            "tables": [{"name": "people", "plugin": "ldap", "server_host": slapd.url, "search_base": BASE,
                        "version": 3, "bind": "no", "timeout": 30, "connect_timeout": 1,
                        **{**FRESH, "stale_ok": "72h", "stale_after": "1s", **options}}]})
        daemon.start()
        return daemon
    return make


def lookup(daemon):
    (pid,) = [pid for name, pid in daemon.roles().items() if name.startswith("lookup")]
    return pid


def learn(daemon):
    assert rcpt(daemon, KNOWN) == VALID
    assert rcpt(daemon, NOBODY) == UNKNOWN.format(NOBODY)


def is_served(daemon):
    assert rcpt(daemon, KNOWN) == VALID
    assert rcpt(daemon, OTHER) == LATER.format(OTHER)
    assert rcpt(daemon, NOBODY) == LATER.format(NOBODY)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_down_and_up_again(relay, slapd, how):
    daemon = relay()
    learn(daemon)
    slapd.stop(how)
    is_served(daemon)
    daemon.wait_for_log("ldap:people gives no answer: the last known good ones stand in")
    slapd.start()
    wait_for(lambda: rcpt(daemon, NOBODY) == UNKNOWN.format(NOBODY))
    assert rcpt(daemon, KNOWN) == rcpt(daemon, OTHER) == VALID
    daemon.wait_for_log("ldap:people: its own answers count again")
    assert daemon.log().count("stand in") == daemon.log().count("ldap:people answers again") == 1


def test_silent(relay, slapd):
    """It is waited for as long as stale_after says, and not for the time-out of a search."""
    daemon = relay()
    learn(daemon)
    slapd.freeze()
    assert rcpt(daemon, KNOWN) == VALID
    slapd.thaw()


def test_sluice_starts_while_it_is_down(relay, slapd):
    daemon = relay()
    learn(daemon)
    slapd.stop()
    daemon.stop()
    daemon.start()
    is_served(daemon)


def test_the_process_is_killed(relay, slapd):
    daemon = relay()
    learn(daemon)
    pid = lookup(daemon)
    slapd.stop()
    daemon.stop()  # it is on the disk
    daemon.start()
    signalled = lookup(daemon)
    assert signalled != pid
    os.kill(signalled, signal.SIGKILL)
    wait_for(lambda: [p for n, p in daemon.roles().items() if n.startswith("lookup") and p != signalled])
    is_served(daemon)


def test_a_removed_recipient_is_forgotten(relay, slapd):
    daemon = relay()
    learn(daemon)
    slapd.remove("user1")
    assert rcpt(daemon, KNOWN) == UNKNOWN.format(KNOWN)
    slapd.stop()
    assert rcpt(daemon, KNOWN) == LATER.format(KNOWN)


@pytest.mark.parametrize("stale_ok", [0, "1s"])
def test_not_for_longer_than_that(relay, slapd, stale_ok):
    daemon = relay(stale_ok=stale_ok)
    learn(daemon)
    slapd.stop()
    wait_for(lambda: rcpt(daemon, KNOWN) == LATER.format(KNOWN))
    files = list((daemon.folder / "queue-last-known").iterdir())
    assert bool(files) == bool(stale_ok)


def test_a_damaged_file(relay, slapd):
    daemon = relay()
    learn(daemon)
    daemon.stop()
    (file,) = [path for path in (daemon.folder / "queue-last-known").iterdir() if "lock" not in path.name]
    file.write_bytes(b"nonsense" * 2000)
    daemon.start()
    daemon.wait_for_log("put aside")
    learn(daemon)
    slapd.stop()
    is_served(daemon)
