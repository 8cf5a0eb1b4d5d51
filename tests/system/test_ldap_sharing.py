# SPDX-License-Identifier: ISC
"""
Tables that ask the same servers in the same way have their connections together, as in Postfix's dict_ldap:
a directory counts them.

All tables are in relocated_maps, so that an address which none of them knows is asked for in each.
"""

import concurrent.futures
import re

import pytest

from client import Client
from daemon import wait_for
from directory import BASE, FRESH, MANAGER, PASSWORD, recipient, slapd_of

MOVED = "550 5.1.6 <{0}@customer.tld>: Recipient address rejected: User has moved to {0}@store.tld"
LATER = "451 4.3.0 <{}@customer.tld>: Temporary lookup failure"
NOTHING = "250 2.1.5 Ok"
NAMES = "ann", "bob", "cat", "dan"  # each is what one table has
BOUND = {"bind": "yes", "bind_dn": MANAGER, "bind_pw": PASSWORD}


@pytest.fixture
def slapd():
    with slapd_of("".join(recipient(name, mailacceptinggeneralid=f"{name}@customer.tld",
                                    maildrop=f"{name}@store.tld") for name in NAMES)) as directory:
        yield directory


class Tables:
    """Two groups and two files, asked in the order of NAMES: ann and bob are of groups, cat and dan of files."""

    def __init__(self, daemon, slapd, **more):
        self.daemon = daemon
        self.slapd = slapd
        self.more = more  # by name
        groups = [{"name": name, "plugin": "ldap", **FRESH, **self.settings(name)} for name in NAMES[:2]]
        options = [{"name": str(self.file(name)), "plugin": "ldap", **FRESH} for name in NAMES[2:]]
        for name in NAMES[2:]:
            self.write(name)
        daemon.change({"relay_domains": ["customer.tld"], "tables": groups + options,
                       "transport_maps": ["inline:{customer.tld=relay:[127.0.0.1]:9}"],
                       "relocated_maps": [f"ldap:{self.file(name) if name in NAMES[2:] else name}"
                                          for name in NAMES]})
        daemon.start()

    def settings(self, name, **more):
        return {"server_host": self.slapd.url, "search_base": BASE, "version": 3, "bind": "no", "timeout": "2s",
                "query_filter": f"(&(mailacceptinggeneralid=%s)(cn={name}))", **self.more.get(name, {}), **more}

    def file(self, name):
        return self.daemon.folder / f"{name}.cf"

    def write(self, name, **more):
        new = self.file(name).with_suffix(".new")
        new.write_text("".join(f"{key} = {value}\n" for key, value in self.settings(name, **more).items()))
        new.rename(self.file(name))

    def rcpt(self, name):
        with Client(self.daemon.port) as client:
            client.expect("MAIL FROM:<s@else.tld>", "250")
            return client.command(f"RCPT TO:<{name}@customer.tld>")

    def answer(self, names=NAMES):
        return all(self.rcpt(name) == MOVED.format(name) for name in names)

    def connections(self, since=0):
        """Of slapd's, by number: those that somebody searched on."""
        return set(re.findall(f'conn=([0-9]+) op=[0-9]+ SRCH base="{BASE}"', self.slapd.output()[since:]))


@pytest.fixture
def tables(make_daemon, slapd):
    return lambda **more: Tables(make_daemon(start=False), slapd, **more)


def test_one_connection_for_four_tables(tables):
    asked = tables()
    assert asked.answer() and asked.rcpt("none") == NOTHING
    assert len(asked.connections()) == 1
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert set(pool.map(asked.rcpt, [f"none{i}" for i in range(200)])) == {NOTHING}
    assert len(asked.connections()) <= 4  # connection_limit


@pytest.mark.parametrize("other", [BOUND, {"timeout": "3s"}, {"dereference": 3}])
def test_who_asks_in_another_way_has_another_one(tables, other):
    """Those that have that way in common share, too."""
    asked = tables(bob=other, dan=other)
    assert asked.answer() and asked.rcpt("none") == NOTHING
    assert len(asked.connections()) == 2


def test_a_password_that_changes(tables):
    """Whose file it is has other connections from then on, and the others keep theirs."""
    asked = tables(cat=BOUND, dan=BOUND)
    assert asked.answer()
    before = asked.connections()
    assert len(before) == 2
    asked.write("cat", bind_pw="not it")
    wait_for(lambda: asked.rcpt("cat") == LATER.format("cat"))
    asked.daemon.wait_for_log("Invalid credentials")
    assert asked.answer(("ann", "bob"))
    asked.write("cat")
    wait_for(asked.answer)
    assert asked.connections() == before


def test_the_first_one_changes(tables):
    """What it made is the others' as well."""
    asked = tables(ann=BOUND, bob=BOUND)
    assert asked.answer()
    before = asked.connections()
    asked.write("cat", **BOUND, result_format="new %s")
    wait_for(lambda: "to new cat@" in asked.rcpt("cat"))
    assert asked.rcpt("dan") == MOVED.format("dan")
    assert asked.connections() == before


def test_outage(tables, slapd):
    """It is everybody's, and so is the recovery."""
    asked = tables()
    assert asked.answer()
    slapd.stop()
    assert [asked.rcpt(name) for name in NAMES] == [LATER.format(name) for name in NAMES]
    since = len(slapd.output())
    slapd.start()
    wait_for(asked.answer)
    assert asked.rcpt("none") == NOTHING
    assert len(asked.connections(since)) == 1
    asked.daemon.finish()
