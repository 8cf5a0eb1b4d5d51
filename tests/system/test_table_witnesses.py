# SPDX-License-Identifier: ISC
"""
Tables of libraries' files, with others as the witness: Postfix's postmap reads what ours builds, and
ours reads what that builds; perl's NDBM_File for dbm, which Debian's Postfix does not have (T-50 to
T-55, T-60 to T-62, T-40 to T-45, T-8, T-9).
"""

import os
import signal
import sqlite3
import subprocess
import time

import pytest

from client import Client
from daemon import BUILD, wait_for
from witnesses import ours, run, theirs  # noqa: F401

SUFFIXES = {"hash": ".db", "btree": ".db", "cdb": ".cdb", "lmdb": ".lmdb"}
FILE_TYPES = {**SUFFIXES, "dbm": ".pag"}
COUNT = 3000
SOURCE = "".join(f"Key{n}@customer{n % 7}.tld\tetrn-only:[mail{n}]\n" for n in range(COUNT))
LISTING = sorted(line.lower() for line in SOURCE.splitlines())

needs_dbm = pytest.mark.skipif(not (BUILD / "plugins/lookup/dbm.so").exists(),
                               reason="NO GDBM: lookup/dbm was not built")
every_file = pytest.mark.parametrize(
    "kind", [*SUFFIXES, pytest.param("dbm", marks=needs_dbm)])


def good(result):
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("style", [[], ["-n"]])
def test_both_read_what_the_other_builds(ours, theirs, folder, kind, style):
    """T-50, T-51, T-52, T-54, T-55."""
    (folder / "t").write_text(SOURCE)
    for builder, reader in ((ours, theirs), (theirs, ours)):
        good(builder(*style, f"{kind}:t"))
        keys = "".join(line.split("\t")[0] + "\n" for line in LISTING)
        found = good(reader("-q", "-", f"{kind}:t", stdin=keys))
        assert found.splitlines() == LISTING
        assert good(reader("-q", "KEY7@customer0.tld", f"{kind}:t")) == "etrn-only:[mail7]\n"
        if reader is ours or kind != "cdb":  # which Postfix does not list
            assert sorted(good(reader("-s", f"{kind}:t")).splitlines()) == LISTING
        missing = reader("-q", "customer0.tld", f"{kind}:t")
        assert (missing.returncode, missing.stdout) == (1, "")
        (folder / f"t{SUFFIXES[kind]}").unlink()


@pytest.mark.parametrize("kind", [kind for kind in SUFFIXES if kind != "cdb"])
def test_each_updates_the_other_s(ours, theirs, folder, kind):
    """-i, -r, -d on a table that the other has built; Postfix cannot update cdb."""
    for builder, writer in ((ours, theirs), (theirs, ours)):
        (folder / "t").write_text("a 1\nb 2\n")
        good(builder(f"{kind}:t"))
        good(writer("-i", f"{kind}:t", stdin="c 3\n"))
        good(writer("-r", "-i", f"{kind}:t", stdin="a 4\n"))
        good(writer("-d", "b", f"{kind}:t"))
        for reader in (ours, theirs):
            assert sorted(good(reader("-s", f"{kind}:t")).splitlines()) == ["a\t4", "c\t3"]
        (folder / f"t{SUFFIXES[kind]}").unlink()


def test_btree_is_sorted(ours, folder):
    """T-55."""
    (folder / "t").write_text(SOURCE)
    good(ours("btree:t"))
    listing = good(ours("-s", "btree:t")).splitlines()
    assert len(listing) == COUNT
    assert [line.split("\t")[0].encode() for line in listing] == sorted(
        line.split("\t")[0].encode() for line in listing)


@needs_dbm
def test_dbm_and_perl(ours, folder):
    """T-60, T-62: gdbm's ndbm, both ways, with the NUL bytes of the other rules."""
    perl = ("use NDBM_File; use Fcntl; tie(my %t, 'NDBM_File', 't', {flags}, 0644) or die $!; {do}")
    (folder / "t").write_text(SOURCE)
    good(ours("dbm:t"))
    listing = good(run(folder, ["perl", "-e", perl.format(
        flags="O_RDONLY", do=r'while (my ($k, $v) = each %t) { chop($k, $v); print "$k\t$v\n" }')]))
    assert sorted(listing.splitlines()) == LISTING
    for name in ("t.dir", "t.pag"):
        (folder / name).unlink()
    good(run(folder, ["perl", "-e", perl.format(
        flags="O_RDWR|O_CREAT", do=r'$t{"k$_"} = "v$_" for 1..2000;')]))
    assert good(ours("-q", "k1999", "dbm:t")) == "v1999\n"
    assert len(good(ours("-s", "dbm:t")).splitlines()) == 2000


@needs_dbm
def test_dbm_needs_both_files_and_its_own(ours, folder):
    """T-61, and files of another ndbm library."""
    (folder / "t").write_text("a 1\n")
    good(ours("dbm:t"))
    (folder / "t.dir").rename(folder / "away")
    result = ours("-q", "a", "dbm:t")
    assert result.returncode == 1 and "No such file" in result.stderr
    (folder / "away").rename(folder / "t.dir")
    assert good(ours("-q", "a", "dbm:t")) == "1\n"
    (folder / "t.pag").write_bytes(b"\x02\x00\xfc\x03\xf8\x03" + bytes(1018))
    result = ours("-q", "a", "dbm:t")
    assert result.returncode == 1 and "not a file of gdbm's ndbm" in result.stderr


@every_file
def test_options(ours, folder, kind):
    """-i, -r, -w, -d, -n, -s, and C-50's warnings."""
    table = f"{kind}:t"
    (folder / "t").write_text("a 1\nb 2\na 3\n")
    result = ours(table)
    assert result.returncode == 0 and 'duplicate entry: "a"' in result.stderr
    assert good(ours("-q", "a", table)) == "1\n"
    good(ours("-w", table))
    good(ours("-r", table))
    assert good(ours("-q", "A", table)) == "3\n"
    good(ours("-i", table, stdin="c 4\n"))
    assert sorted(good(ours("-s", table)).splitlines()) == ["a\t3", "b\t2", "c\t4"]
    good(ours("-d", "b", table))
    assert ours("-d", "b", table).returncode == 1
    good(ours("-r", "-n", table))
    assert sorted(good(ours("-s", table)).splitlines()) == ["a\t3", "b\t2"]
    assert not list(folder.glob("*.new"))


@every_file
def test_permissions(ours, folder, kind):
    """T-40."""
    for mode, want in ((0o640, 0o640), (0o644, 0o644), (0o600, 0o600), (0o666, 0o644)):
        for name in (FILE_TYPES[kind], ".dir"):
            (folder / f"t{name}").unlink(missing_ok=True)
        (folder / "t").write_text("a 1\n")
        (folder / "t").chmod(mode)
        good(ours(f"{kind}:t"))
        assert (folder / f"t{FILE_TYPES[kind]}").stat().st_mode & 0o777 == want


@every_file
def test_older_than_its_source(ours, folder, kind):
    """T-43."""
    (folder / "t").write_text("a 1\n")
    good(ours(f"{kind}:t"))
    then = time.time() - 1000
    os.utime(folder / f"t{FILE_TYPES[kind]}", (then - 1000, then - 1000))
    os.utime(folder / "t", (then, then))
    result = ours("-q", "a", f"{kind}:t")
    assert (result.returncode, result.stdout) == (0, "1\n")
    assert f"database t{FILE_TYPES[kind]} is older than source file t" in result.stderr


@every_file
def test_cut_off_is_never_not_found(ours, folder, kind):
    """T-45: an answer as before, or an error."""
    (folder / "t").write_text(SOURCE)
    good(ours(f"{kind}:t"))
    path = folder / f"t{FILE_TYPES[kind]}"
    whole = path.read_bytes()
    for size in (0, 100, 4096, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        result = ours("-q", "key1@customer1.tld", f"{kind}:t")
        if result.returncode == 0:
            assert result.stdout == "etrn-only:[mail1]\n" and size == len(whole) - 1
        else:
            assert f"fatal: open database t{FILE_TYPES[kind]}: " in result.stderr, size
    path.write_bytes(os.urandom(20000))
    assert "fatal" in ours("-q", "key1@customer1.tld", f"{kind}:t").stderr


@every_file
def test_killed_while_it_builds(ours, folder, kind):
    """T-42: the old table stays, and the next writer is not in the way of what was left."""
    (folder / "t").write_text("a old\n")
    good(ours(f"{kind}:t"))
    before = (folder / f"t{FILE_TYPES[kind]}").read_bytes()
    writer = subprocess.Popen([str(BUILD.resolve() / "bin/postmap"), "-c", str(folder), "-i",
                               f"{kind}:t"], cwd=folder, stdin=subprocess.PIPE, text=True)
    writer.stdin.write("a new\n" + SOURCE)
    writer.stdin.flush()
    deadline = time.monotonic() + 20
    while not list(folder.glob("*.new")) and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait(20)
    writer.stdin.close()
    assert list(folder.glob("*.new"))
    assert (folder / f"t{FILE_TYPES[kind]}").read_bytes() == before
    assert good(ours("-q", "a", f"{kind}:t")) == "old\n"
    good(ours("-r", "-i", f"{kind}:t", stdin="a newer\n"))
    assert good(ours("-q", "a", f"{kind}:t")) == "newer\n"
    assert not list(folder.glob("*.new"))


@every_file
def test_a_changed_table_is_seen(make_daemon, ours, kind):
    """T-8, T-9: without a reload; what is not there yet is temporary."""
    daemon = make_daemon(start=False)
    source = daemon.folder / "table"
    daemon.change({"relay_domains": ["relay.tld"], "relay_recipient_maps": [f"{kind}:{source}"]})
    daemon.start()

    def rcpt(address):
        with Client(daemon.port) as client:
            client.expect("MAIL FROM:<s@else.tld>", "250")
            return client.command(f"RCPT TO:<{address}>")[:9]

    assert rcpt("a@relay.tld") == "451 4.3.0"
    for known, unknown in (("a@relay.tld", "b@relay.tld"), ("b@relay.tld", "a@relay.tld")):
        source.write_text(f"{known} x\n")
        good(ours(f"{kind}:{source}"))
        wait_for(lambda: rcpt(known) == "250 2.1.5" and rcpt(unknown) == "550 5.1.1", 10)


# ---- sqlite -------------------------------------------------------------------------------------

ROWS = [("customer.tld", "etrn-only:[mail]"), ("o'brien@d.test", "a@x.y"), ("two@d.test", "a@x.y"),
        ("two@d.test", "plain"), ("none@d.test", ""), ("null@d.test", None), ("user", "u@v.w")]
TEMPLATES = [
    "query = SELECT v FROM t WHERE k = '%s'",
    "query = SELECT v FROM t\n  WHERE k = '%u@%d'",
    "query = SELECT v, k FROM t WHERE k = '%s'\nresult_format = <%s>",
    "query = SELECT v FROM t WHERE k = '%s'\nresult_format = %u-%d-%S",
    "query = SELECT v FROM t WHERE k = '%s'\nresult_format = %U-%D-%1-%2",
    "query = SELECT v FROM t WHERE k = '%s'\nresult_format = 100%%",
    "query = SELECT v FROM t WHERE k = '%s'\nexpansion_limit = 1",
    "query = SELECT v FROM t WHERE k = '%s'\ndomain = d.test, e.test",
    "query = SELECT '%1.%2'",
    "query = SELECT v FROM nosuch WHERE k = '%s'",
]
KEYS = ["customer.tld", "CUSTOMER.tld", "o'brien@d.test", "two@d.test", "none@d.test", "null@d.test",
        "user", "x' OR 'a'='a", "no@where.test", "@d.test", "u@", "a@b.c.d.test"]


@pytest.mark.long
def test_sqlite_answers_as_postfix_s(ours, theirs, folder):
    database = sqlite3.connect(folder / "data")
    database.execute("CREATE TABLE t (k TEXT, v TEXT)")
    database.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
    database.commit()
    database.close()
    for number, template in enumerate(TEMPLATES):
        name = f"sqlite:{folder}/{number}.cf"
        (folder / f"{number}.cf").write_text(f"# comment\ndbpath = {folder}/data\n{template}\n")
        keys = "".join(f"{key}\n" for key in KEYS)
        own, other = (reader("-q", "-", name, stdin=keys) for reader in (ours, theirs))
        if "fatal" in other.stderr:  # which has not printed yet what it found before
            assert own.returncode == other.returncode and "fatal" in own.stderr, template
        else:
            assert (own.returncode, own.stdout) == (other.returncode, other.stdout), (
                template, own.stderr)


def test_sqlite_keeps_the_contract(folder):
    """The contract test of every lookup plugin, which cannot make a database by itself."""
    database = sqlite3.connect(folder / "data")
    database.execute("CREATE TABLE t (k TEXT, v TEXT)")
    entries = [("customer.tld", "etrn-only:[mail.customer.tld]"), ("isp.tld", "smtp")]
    database.executemany("INSERT INTO t VALUES (?, ?)", entries)
    database.commit()
    database.close()
    (folder / "q.cf").write_text(f"dbpath = {folder}/data\nquery = SELECT v FROM t WHERE k = '%s'\n")
    done = subprocess.run([BUILD / "tests/contract-lookup", BUILD.resolve() / "plugins/lookup/sqlite.so",
                           str(folder / "q.cf"), *[word for entry in entries for word in entry]],
                          capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sqlite_keys_are_never_sql(ours, folder):
    """Also where the query forgets the quotes."""
    database = sqlite3.connect(folder / "data")
    database.execute("CREATE TABLE t (k TEXT, v TEXT)")
    database.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
    database.commit()
    for query in ("%s", "'%s'", '"%s"'):
        (folder / "q.cf").write_text(f"dbpath = {folder}/data\nquery = SELECT v FROM t WHERE k = {query}\n")
        for key in ("1 or 1=1", "' or '1'='1", '" or "1"="1', "x') union select 'y"):
            result = ours("-q", key, f"sqlite:{folder}/q.cf")
            assert (result.returncode, result.stdout) == (1, ""), (query, key, result.stderr)
    database.close()


def test_sqlite_that_is_broken(ours, folder):
    """T-8, T-45: an error, never "not found"."""
    cases = {"dbpath = /nowhere/data\nquery = SELECT 1": "open database /nowhere/data: No such file",
             "dbpath = t\nquery = SELECT '%z'": "Invalid query template",
             "dbpath = t": "needs dbpath and query",
             "dbpath = t\nquery = SELECT v FROM t": "file is not a database"}
    (folder / "t").write_text("no database " * 100)
    for text, reason in cases.items():
        (folder / "q.cf").write_text(text + "\n")
        result = ours("-q", "a", f"sqlite:{folder}/q.cf")
        assert result.returncode == 1 and reason in result.stderr, (text, result.stderr)
    assert ours("-s", f"sqlite:{folder}/q.cf").returncode == 1
    result = ours(f"sqlite:{folder}/q.cf")
    assert "does not support bulk-mode creation" in result.stderr
