# SPDX-License-Identifier: ISC
"""
`sluice table`: which tables there are and how they are, what they answered and from where, what a key maps to and how
that was found, and forgetting. Issue 6, point 3.
"""

import json
import os
import signal
import urllib.request

import pytest

from client import rcpt
from daemon import free_port, wait_for
from directory import BASE, recipients, slapd_of

PEOPLE = "ldap:people"
KNOWN = "user1@customer.tld"
NOBODY = "none@customer.tld"
BOX = "box1@store.tld"
NOWHERE = "hash:/nowhere/access"


@pytest.fixture
def slapd():
    with slapd_of(recipients(10)) as directory:
        yield directory


@pytest.fixture
def relay(make_daemon, slapd):
    """A daemon that asks a directory for recipients and a hash table for routes."""
    def make(restrictions=(), **options):
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": ["customer.tld"], "relay_recipient_maps": [PEOPLE],
            "transport_maps": [daemon.table("transport", "customer.tld etrn-only:\n")],
            "smtpd_client_restrictions": list(restrictions), "receive_processes": 1,
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "tables": [{"name": "people", "plugin": "ldap", "server_host": slapd.url, "search_base": BASE,
                        "version": 3, "bind": "no", "timeout": 30, "connect_timeout": 1, "stale_after": "1s",
                        **options},
                       {"name": "unused", "plugin": "ldap", "server_host": slapd.url, "shared": False}]})
        daemon.start()
        return daemon
    return make


def sluice(daemon, *arguments, **options):
    return daemon.command("sluice", "table", *arguments, check=False, **options)


def query(daemon, key, *options, table=PEOPLE):
    done = sluice(daemon, "query", table, key, *options)
    return done.returncode, done.stdout


def asked(daemon, key, *options, table=PEOPLE):
    """The step that shows how the answer was found."""
    done = sluice(daemon, "query", table, key, "--json", *options)
    answer = json.loads(done.stdout)
    return answer, answer["steps"][0]


def stat(daemon, table=PEOPLE):
    (line,) = daemon.json("table", "stat", table)
    return line


def lines_of(daemon):
    return {line["table"]: line for line in daemon.json("table", "list")}


# ---- list


def test_list(relay):
    daemon = relay(["check_client_access", NOWHERE])
    assert "open" not in lines_of(daemon)[NOWHERE]
    assert rcpt(daemon, KNOWN).startswith("451 ")
    lines = lines_of(daemon)
    (transport,) = daemon.settings["transport_maps"]
    assert lines[PEOPLE] == {"table": PEOPLE, "plugin": "lookup/ldap", "process": "lookup 0", "is_shared": True,
                             "is_isolated": False, "open": True}
    assert lines[transport] == {"table": transport, "plugin": "lookup/hash", "process": "each", "is_shared": False,
                                "is_isolated": False, "open": True}
    assert "No such file" in lines[NOWHERE]["text"]
    assert "open" not in lines["ldap:unused"]
    shown = sluice(daemon, "list").stdout.splitlines()
    assert any(line.split()[:5] == [PEOPLE, "lookup/ldap", "lookup", "0", "shared"] for line in shown)
    assert " 1 lookup\n" in daemon.command("sluice", "status").stdout


def test_trouble(relay, slapd):
    """Since when, why, and that something stands in; in status too, until it is over."""
    daemon = relay(cache_positive=0)
    assert query(daemon, KNOWN) == (0, BOX + "\n")
    assert "stale_since" not in lines_of(daemon)[PEOPLE]
    slapd.stop()
    assert query(daemon, KNOWN) == (0, BOX + "\n")
    wait_for(lambda: "failing_since" in lines_of(daemon)[PEOPLE])
    line = lines_of(daemon)[PEOPLE]
    assert line["stale_since"] > 0 and slapd.url in line["text"]
    assert f"table        {PEOPLE}: gives no answer since " in daemon.command("sluice", "status").stdout
    assert "last known answers stand in since " in sluice(daemon, "list").stdout
    slapd.start()
    wait_for(lambda: asked(daemon, KNOWN)[1]["from"] == "search")
    assert set(lines_of(daemon)[PEOPLE]) & {"failing_since", "stale_since", "text"} == set()
    assert PEOPLE not in daemon.command("sluice", "status").stdout


# ---- query


def test_query_is_what_mail_gets(relay, slapd):
    daemon = relay(["warn_if_reject", "check_client_access", NOWHERE])
    (transport,) = daemon.settings["transport_maps"]
    assert query(daemon, "customer.tld", table=transport) == (0, "etrn-only:\n")
    assert query(daemon, "else.tld", table=transport) == (1, "")
    assert query(daemon, KNOWN) == (0, BOX + "\n")
    assert query(daemon, NOBODY) == (1, "")
    done = sluice(daemon, "query", NOWHERE, "x")
    assert (done.returncode, done.stdout) == (75, "") and "No such file" in done.stderr
    done = sluice(daemon, "query", PEOPLE, "x" * 100000)
    assert done.returncode in (65, 75) and done.stderr  # what the daemon says may be lost, with the rest of it
    done = sluice(daemon, "query", "hash:/else/where", "x")
    assert done.returncode == 66 and "there is no table" in done.stderr
    before = slapd.searches()
    assert rcpt(daemon, KNOWN).startswith("250 ")
    assert slapd.searches() == before  # it was in the cache


def test_how_it_was_found(relay, slapd):
    daemon = relay()
    answer, step = asked(daemon, KNOWN)
    assert (answer["status"], answer["value"], step["from"]) == ("OK", BOX, "search")
    (search,) = step["steps"]
    assert search == {"step": "search", "server": slapd.url, "base": BASE, "scope": "sub", "status": "OK",
                      "filter": f"(mailacceptinggeneralid={KNOWN})", "entries": "1", "result": "Success"}
    assert asked(daemon, KNOWN)[1]["from"] == "cache"
    assert asked(daemon, KNOWN, "--fresh")[1]["from"] == "search"
    shown = query(daemon, KNOWN, "-v")[1].splitlines()
    assert shown[0] == BOX and f"{PEOPLE}: OK (from the cache, " in shown[1]
    assert f' filter="(mailacceptinggeneralid={KNOWN})" entries="1" ' in query(daemon, KNOWN, "-v", "--fresh")[1]
    # The same in what would happen to mail.
    explained = daemon.json("explain", KNOWN, "--client", "192.0.2.1")[0]
    assert '"from": "cache"' in json.dumps(explained)
    told = daemon.command("sluice", "explain", KNOWN, "--client", "192.0.2.1").stdout
    assert f"{PEOPLE}  {KNOWN}  ->  \"{BOX}\" (from the cache, " in told
    sluice(daemon, "flush")
    told = daemon.command("sluice", "explain", KNOWN, "--client", "192.0.2.1").stdout
    assert f"search server=\"{slapd.url}\" base=\"{BASE}\" scope=\"sub\" filter=" in told
    slapd.stop()
    answer, step = asked(daemon, KNOWN, "--fresh")
    assert (answer["value"], step["from"]) == (BOX, "last_known") and step["age"] >= 0
    done = sluice(daemon, "query", PEOPLE, "user2@customer.tld")
    assert done.returncode == 75 and slapd.url in done.stderr


# ---- stat, metrics


def test_stat(relay, slapd):
    daemon = relay()
    for key in (KNOWN, KNOWN, NOBODY, NOBODY, KNOWN.upper()):
        query(daemon, key)
    line = stat(daemon)
    assert (line["lookups"], line["found"], line["not_found"], line["failed"]) == (5, 3, 2, 0)
    assert (line["cached_found"], line["cached_not_found"], line["joined"], line["stood_in"]) == (2, 1, 0, 0)
    assert (line["searches"], line["searching"], line["cache_entries"]) == (2, 0, 2)
    assert line["cache_bytes"] > 0 and line["search_us"]["mean"] > 0
    wait_for(lambda: stat(daemon)["last_known_entries"] == 2)
    assert stat(daemon)["last_known_oldest"] > 0 and stat(daemon)["last_known_bytes"] > 0
    slapd.stop()
    query(daemon, KNOWN, "--fresh")
    assert stat(daemon)["stood_in"] == 1
    (transport,) = daemon.settings["transport_maps"]
    before = stat(daemon, transport)["lookups"]
    query(daemon, "customer.tld", table=transport)
    query(daemon, "else.tld", table=transport)
    line = stat(daemon, transport)
    assert line["lookups"] == before + 2 and line["searches"] == line["lookups"] and line["not_found"] >= 1
    with urllib.request.urlopen(f"http://{daemon.settings['metrics_listen']}/metrics", timeout=20) as page:
        counted = page.read().decode()
    assert f'sluice_table_lookups_total{{table="{PEOPLE}",from="cache",status="ok"}} 2\n' in counted
    assert f'sluice_table_lookups_total{{table="{PEOPLE}",from="last_known",status="ok"}} 1\n' in counted
    assert f'sluice_table_search_duration_seconds_count{{table="{PEOPLE}"}} {stat(daemon)["searches"]}\n' in counted
    assert f'sluice_table_stale_since_seconds{{table="{PEOPLE}"}} {lines_of(daemon)[PEOPLE]["stale_since"]}\n' in counted
    shown = sluice(daemon, "stat").stdout
    assert f"{PEOPLE}: " in shown and f"{transport}: open\n" in shown and "  cache        2 answers, " in shown
    assert sluice(daemon, "stat", "hash:/else/where").returncode == 66


def test_stat_of_mail(relay):
    """What the asking process answers itself is an answer of the cache."""
    daemon = relay()
    for _ in range(3):
        assert rcpt(daemon, KNOWN).startswith("250 ")
        assert rcpt(daemon, NOBODY).startswith("550 ")
    line = stat(daemon)
    assert (line["lookups"], line["found"], line["searches"]) == (6 + 3, 3, 3)  # and @customer.tld
    assert (line["cached_found"], line["cached_not_found"]) == (2, 4)


# ---- flush


def test_a_fresh_answer_counts_for_mail(relay, slapd):
    daemon = relay()
    assert rcpt(daemon, KNOWN).startswith("250 ")
    slapd.change(f"dn: cn=user1,{BASE}\nchangetype: delete\n\n")
    assert rcpt(daemon, KNOWN).startswith("250 ")
    assert query(daemon, KNOWN, "--fresh") == (1, "")
    assert rcpt(daemon, KNOWN).startswith("550 ")


def test_flush(relay, slapd):
    daemon = relay()
    slapd.change(f"dn: cn=user1,{BASE}\nchangetype: modify\nreplace: maildrop\nmaildrop: {BOX}\n\n")
    for key in (KNOWN, "user2@customer.tld", NOBODY):
        query(daemon, key)
    slapd.change(f"dn: cn=user1,{BASE}\nchangetype: modify\nreplace: maildrop\nmaildrop: new@store.tld\n\n")
    assert query(daemon, KNOWN) == (0, BOX + "\n")
    assert sluice(daemon, "flush", PEOPLE, KNOWN.upper()).stdout == "forgotten: 1 answer\n"
    assert query(daemon, KNOWN) == (0, "new@store.tld\n")
    assert stat(daemon)["cache_entries"] == 3
    assert sluice(daemon, "flush", PEOPLE).stdout == "forgotten: 3 answers\n"
    assert stat(daemon)["cache_entries"] == 0
    query(daemon, KNOWN)
    assert sluice(daemon, "flush").stdout == "forgotten: 1 answer\n"
    assert sluice(daemon, "flush", "hash:/else/where").returncode == 66


def test_flush_of_what_is_known(relay, slapd):
    """Of one key, then of all; the disk has it no more."""
    daemon = relay()
    for key in (KNOWN, "user2@customer.tld", "user3@customer.tld"):
        query(daemon, key)
    sluice(daemon, "flush", PEOPLE, "user2@customer.tld", "--last-known")
    slapd.stop()
    assert query(daemon, "user2@customer.tld")[0] == 75
    assert query(daemon, KNOWN) == (0, BOX + "\n")
    assert stat(daemon)["last_known_entries"] == 2
    assert sluice(daemon, "flush", "--last-known").returncode == 0
    assert query(daemon, KNOWN)[0] == 75
    assert stat(daemon)["last_known_entries"] == 0
    daemon.stop()
    daemon.start()
    assert query(daemon, KNOWN)[0] == 75


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_who_may(relay):
    daemon = relay()
    query(daemon, KNOWN)

    def as_nobody(*arguments):
        return sluice(daemon, *arguments, user=65534, group=65534, extra_groups=[])

    assert as_nobody("query", PEOPLE, KNOWN).stdout == BOX + "\n"
    assert as_nobody("list").returncode == as_nobody("stat").returncode == 0
    done = as_nobody("flush")
    assert done.returncode == 65 and "root" in done.stderr
    assert stat(daemon)["cache_entries"] == 1


# ---- processes


def test_a_lookup_process_that_is_silent(relay):
    """Status says so, and does not wait for it."""
    daemon = relay()
    (pid,) = [pid for name, pid in daemon.roles().items() if name.startswith("lookup")]
    os.kill(pid, signal.SIGSTOP)
    assert "process      lookup 0: does not answer\n" in daemon.command("sluice", "status").stdout
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: daemon.json("status")[0]["tables_in_trouble"] == [])


def test_a_reload_and_a_crash(relay):
    """The next queue, and the next lookup process, know each other."""
    daemon = relay()
    assert query(daemon, KNOWN)[0] == 0
    daemon.command("sluice", "reload")
    assert query(daemon, KNOWN)[0] == 0
    wait_for(lambda: len([name for name in daemon.roles() if name.startswith("lookup")]) == 1)
    roles = daemon.roles()
    for name in ("lookup 0", "queue 0"):
        os.kill(roles[name], signal.SIGKILL)
        wait_for(lambda: daemon.roles().get(name) not in (None, roles[name]))
        wait_for(lambda: daemon.command("sluice", "table", "list", check=False).returncode == 0)
        wait_for(lambda: lines_of(daemon)[PEOPLE]["open"] is True)
    assert asked(daemon, KNOWN)[1]["from"] == "search"
    assert stat(daemon)["lookups"] >= 3  # counts outlive it
