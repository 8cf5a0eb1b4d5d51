# SPDX-License-Identifier: ISC
"""
Tables that one process has for all: shared ones together, isolated ones each alone. That process may die,
hang or be replaced: no mail is lost and none refused for good.
"""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import nullcontext

import pytest

from client import LATER, Client
from daemon import ENVIRONMENT, wait_for
from directory import BASE, recipients, slapd_of

MOVED = "550 5.1.6 <{0}>: Recipient address rejected: User has moved to {0}.new"
NOTHING = "250 2.1.5 Ok"


@pytest.fixture
def start(make_daemon):
    """A daemon whose relocated_maps is a table of 100 users, with these options."""
    def make(before=None, **options):
        daemon = make_daemon(start=False)
        path = daemon.folder / "users.sqlite"
        fill(path)
        daemon.change({
            "relay_domains": ["customer.tld"], "relocated_maps": ["sqlite:users"],
            "transport_maps": ["inline:{customer.tld=relay:[127.0.0.1]:9}"],
            "tables": [{"name": "users", "plugin": "sqlite", "dbpath": str(path),
                        "query": "SELECT moved FROM users WHERE address = '%s'", **options}],
            **(before or {})})
        daemon.start()
        return daemon
    return make


def fill(path, domain="customer.tld"):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE IF NOT EXISTS users (address TEXT PRIMARY KEY, moved TEXT)")
        db.executemany("INSERT OR REPLACE INTO users VALUES (?, ?)",
                       [(f"u{i}@{domain}", f"u{i}@{domain}.new") for i in range(100)])
    os.chmod(path, 0o644)


def rcpt(daemon, address="u7@customer.tld"):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return client.command(f"RCPT TO:<{address}>")


def lookups(daemon):
    return [pid for name, pid in sorted(daemon.roles().items()) if name.startswith("lookup")]


def files_of(pid):
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return found


def test_without_such_tables_there_is_no_such_process(start):
    daemon = start()
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    assert lookups(daemon) == []


@pytest.mark.parametrize("options", [{"shared": True}, {"isolate": True}])
def test_one_process_opens_it(start, options):
    daemon = start(**options)
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    assert rcpt(daemon, "nobody@customer.tld") == NOTHING
    (pid,) = lookups(daemon)
    holders = [name for name, other in daemon.roles().items()
               if any("users.sqlite" in path for path in files_of(other))]
    assert holders == ["lookup 0"]
    status = open(f"/proc/{pid}/status", encoding="ascii").read()
    assert "NoNewPrivs:\t1" in status
    if os.getuid() == 0:
        assert os.stat(f"/proc/{pid}").st_uid != 0


def test_isolated_tables_have_a_process_each(start):
    daemon = start(isolate=True)
    users = daemon.settings["tables"][0]
    daemon.change({"tables": [users, {**users, "name": "more"}, {**users, "name": "both", "isolate": False,
                                                                 "shared": True}],
                   "relocated_maps": ["sqlite:both"]})
    daemon.stop()
    daemon.start()
    assert len(lookups(daemon)) == 3
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")


def test_one_that_cannot_be_opened_is_reported(start):
    daemon = start(shared=True)
    assert daemon.command("sluiced", "-t").stderr == ""
    table = {**daemon.settings["tables"][0], "dbpath": "/nowhere"}
    daemon.change({"tables": [table]})
    assert "table sqlite:users cannot be opened: " in daemon.command("sluiced", "-t").stderr


def test_many_ask_at_once(start):
    daemon = start(shared=True)
    clients = [Client(daemon.port) for _ in range(40)]
    for i, client in enumerate(clients):
        client.expect("MAIL FROM:<s@else.tld>", "250")
        client.send(f"RCPT TO:<u{i}@customer.tld>\r\n")
    for i, client in enumerate(clients):
        assert client.reply() == MOVED.format(f"u{i}@customer.tld")
        client.close()


def test_an_answer_is_kept(start):
    """For its time: a value that has changed is not seen, one not asked for yet is, and another process
    begins anew."""
    daemon = start(shared=True, cache_negative="1s")
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    assert rcpt(daemon, "u100@customer.tld") == NOTHING
    with sqlite3.connect(daemon.folder / "users.sqlite") as db:
        db.execute("UPDATE users SET moved = 'else@where.tld'")
        db.execute("INSERT INTO users VALUES ('u100@customer.tld', 'else@where.tld')")
    elsewhere = "550 5.1.6 <{}>: Recipient address rejected: User has moved to else@where.tld"
    assert rcpt(daemon, "u8@customer.tld") == elsewhere.format("u8@customer.tld")
    wait_for(lambda: rcpt(daemon, "u100@customer.tld") == elsewhere.format("u100@customer.tld"))
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    daemon.command("sluice", "reload")
    wait_for(lambda: rcpt(daemon) == elsewhere.format("u7@customer.tld"))


def test_nothing_is_kept_where_its_time_is_nothing(start):
    daemon = start(shared=True, cache_positive=0)
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    with sqlite3.connect(daemon.folder / "users.sqlite") as db:
        db.execute("UPDATE users SET moved = 'else@where.tld'")
    assert rcpt(daemon).endswith("else@where.tld")


def test_it_is_kept_by_those_who_ask(start):
    """By each process, without a word to the one that has the table, until its time is over, it is flushed, or that
    process has gone."""
    daemon = start(shared=True, before={"receive_processes": 2})
    clients = [Client(daemon.port) for _ in range(10)]

    def move(to):
        with sqlite3.connect(daemon.folder / "users.sqlite") as db:
            db.execute("UPDATE users SET moved = ?", [to])

    def replies():
        return {client.command("RCPT TO:<u7@customer.tld>").rpartition(" ")[2] for client in clients}

    for client in clients:
        client.expect("MAIL FROM:<s@else.tld>", "250")
    assert replies() == {"u7@customer.tld.new"}
    (pid,) = lookups(daemon)
    os.kill(pid, signal.SIGSTOP)
    assert replies() == {"u7@customer.tld.new"}
    os.kill(pid, signal.SIGCONT)
    move("flushed@where.tld")
    assert replies() == {"u7@customer.tld.new"}
    assert daemon.command("sluice", "table", "flush", "sqlite:users", "u7@customer.tld").stdout == "forgotten: 1 answer\n"
    assert replies() == {"flushed@where.tld"}
    move("killed@where.tld")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: replies() == {"killed@where.tld"})
    for client in clients:
        client.close()


def test_a_change_counts_after_its_time(start):
    daemon = start(shared=True, cache_positive="1s")
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    with sqlite3.connect(daemon.folder / "users.sqlite") as db:
        db.execute("UPDATE users SET moved = 'else@where.tld'")
    wait_for(lambda: rcpt(daemon).endswith("else@where.tld"))


def test_a_flush_waits_for_all(start):
    """One that does not say that it has forgotten is not passed over."""
    daemon = start(shared=True, before={"receive_processes": 1})
    assert rcpt(daemon) == MOVED.format("u7@customer.tld")
    (receive,) = [pid for name, pid in daemon.roles().items() if name.startswith("receive")]
    os.kill(receive, signal.SIGSTOP)
    with subprocess.Popen([daemon.bin / "sluice", "-c", daemon.config, "table", "flush"], env=ENVIRONMENT) as flush:
        with pytest.raises(subprocess.TimeoutExpired):
            flush.wait(0.5)
        os.kill(receive, signal.SIGCONT)
        assert flush.wait(60) == 0


def test_killed_again_and_again(start):
    """Sessions go on, and no answer is wrong; a question may take as long as the process needs to be back."""
    daemon = start(shared=True)
    replies = []
    is_over = threading.Event()

    def ask():
        while not is_over.is_set():
            replies.append(rcpt(daemon))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        (pid,) = lookups(daemon)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: lookups(daemon) not in ([], [pid]))
        time.sleep(0.2)
    is_over.set()
    for thread in threads:
        thread.join()
    assert set(replies) <= {MOVED.format("u7@customer.tld"), LATER.format("u7@customer.tld")}
    wait_for(lambda: rcpt(daemon) == MOVED.format("u7@customer.tld"))


def users_in(daemon, directory):
    """Two hundred recipients in a table, of that directory if there is one: its name, and its group."""
    if directory is None:
        table = daemon.table("users", "".join(f"user{n}@customer.tld OK\n" for n in range(200)))
        return table, {"name": table.removeprefix("hash:"), "plugin": "hash", "shared": True}
    return "ldap:users", {"name": "users", "plugin": "ldap", "server_host": directory.url, "search_base": BASE,
                          "version": 3, "bind": "no"}


@pytest.mark.parametrize("kind", ["hash", "ldap"])
def test_killed_while_200_sessions_ask(make_daemon, kind):
    """Each gets the answer of the next process."""
    daemon = make_daemon(start=False)
    with slapd_of(recipients(200)) if kind == "ldap" else nullcontext() as directory:
        table, group = users_in(daemon, directory)
        daemon.change({"relay_domains": ["customer.tld"], "relay_recipient_maps": [table], "tables": [group],
                       "transport_maps": ["inline:{customer.tld=etrn-only:}"]})
        daemon.start()
        (pid,) = lookups(daemon)
        clients = [Client(daemon.port) for _ in range(200)]
        for client in clients:
            client.expect("MAIL FROM:<s@else.tld>", "250")
        os.kill(pid, signal.SIGSTOP)  # all of them are under way
        for n, client in enumerate(clients):
            client.send(f"RCPT TO:<user{n}@customer.tld>\r\n")
        os.kill(pid, signal.SIGKILL)
        assert [client.reply() for client in clients] == [NOTHING] * 200
        assert lookups(daemon) != [pid]
        for client in clients:
            client.close()


def test_reload(start):
    """Another generation has a process of its own; the one before leaves with those that ask it."""
    daemon = start(shared=True)
    before = lookups(daemon)
    other = daemon.folder / "other.sqlite"
    fill(other, "other.tld")
    table = {**daemon.settings["tables"][0], "dbpath": str(other)}
    daemon.change({"tables": [table], "relay_domains": ["customer.tld", "other.tld"]})
    with Client(daemon.port) as session:
        session.expect("MAIL FROM:<s@else.tld>", "250")
        daemon.command("sluice", "reload")
        assert session.command("RCPT TO:<u7@customer.tld>") == MOVED.format("u7@customer.tld")
        assert rcpt(daemon, "u7@other.tld") == MOVED.format("u7@other.tld")
        assert rcpt(daemon) == NOTHING
    wait_for(lambda: len(lookups(daemon)) == 1 and lookups(daemon) != before)
    daemon.change({"tables": [{**table, "shared": False}]})
    daemon.command("sluice", "reload")
    wait_for(lambda: lookups(daemon) == [])
    assert rcpt(daemon, "u7@other.tld") == MOVED.format("u7@other.tld")


def test_frozen(start):
    """The question fails for now at its deadline; nothing else waits for it."""
    daemon = start(shared=True, before={"canonical_maps": ""})
    (pid,) = lookups(daemon)
    os.kill(pid, signal.SIGSTOP)
    try:
        with Client(daemon.port) as other:
            with Client(daemon.port) as waiting:
                waiting.expect("MAIL FROM:<s@else.tld>", "250")
                waiting.send("RCPT TO:<u7@customer.tld>\r\n")
                other.expect("MAIL FROM:<s@else.tld>", "250")
                other.expect("RSET", "250")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: rcpt(daemon) == MOVED.format("u7@customer.tld"))
