# SPDX-License-Identifier: ISC
"""
postmap and postalias beside Postfix's own, command by command: the same exit codes, outputs and words
(T-20 to T-29, the table of postmap's options, T-40 to T-45, C-50, C-70).
"""

import os
import time

import pytest

from daemon import BUILD
from witnesses import ours, theirs  # noqa: F401

SOURCE = """  begins: with white space
# a comment
  # another one
key1 value one
KEY2    value two\t
key3 continued
   here
\t# no continuation

 and here
alone
key5: colon
"a b" quoted
"open x
key6 # data
key7 value \\
key1 again
\\"esc value
a\\ b escaped
"""
ALIASES = """a: 1
B:  2, c ,d
 "x y": z
q q: w
"q p": |"cmd a b"
nocolon v
d:
  indented: more
# c
e : f # no
"u:n" : z
A: again
x@y: domain
p%y: domain
:v
v:
g g : q
h (comm (in) ent) : i (a \\) b)
j,k: l
inc: :include:/etc/list, /var/mail/file, "|prog \\"x\\" y"
esc\\ aped: \\user, us\\ er, "a\\\\b"
Dots: first.last@dom.tld,Name <u@[10.0.0.1]> , postmaster
"unclosed: x
"""
MESSAGE = """From: a
Content-Type: multipart/mixed;
 boundary="b1"

preamble
--b1
Content-Type: text/plain
X-A: 1

text

--b1
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/alternative; boundary=b2

inner text
--b2

part2
--b2--
epi
--b1--
end
"""
FILES = {"t": "a 1\nA 2\nb 2\n", "u": "b 3\nc 4\n", "fixture": SOURCE, "aliases": ALIASES,
         "rx": "/^/ hit\n", "f": "k fixture\nl t, u\nm none\n", "continued": " x y\n",
         "empty": ""}


@pytest.fixture
def both(ours, theirs, folder):
    """Runs a command in a folder of each, and says what both did."""
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
        for file, text in FILES.items():
            (folder / name / file).write_text(text)
        (folder / name / "bytes").write_bytes(b"k v\n\tstarts\nb \xff\ntab\x01 \xc3\xa4\nl \xe9\tw\n")

    def call(*arguments, program="postmap", stdin=""):
        results = []
        for name, command in (("ours", ours), ("theirs", theirs)):
            done = command(*arguments, stdin=stdin, program=program, cwd=folder / name)
            results.append((done.returncode, done.stdout, done.stderr))
        return results

    call.folder = folder
    return call


def listing(result):
    code, out, err = result
    return code, sorted(line for line in out.splitlines() if "YP_" not in line), err


def same(both, *arguments, **more):
    mine, witness = both(*arguments, **more)
    assert mine == witness, f"{arguments}: {witness}"
    return mine


@pytest.mark.parametrize("commands", [
    # T-20 to T-29
    [["fixture"], ["-s", "fixture"], ["-q", "key5:", "fixture"], ["-q", "key5", "fixture"],
     ["-q", '"a b"', "fixture"], ["-q", "a b", "fixture"], ["-q", "KEY3", "fixture"],
     ["-q", "key2", "fixture"], ["-q", "key6", "fixture"], ["-q", "key7", "fixture"]],
    [["bytes"], ["-s", "bytes"]],  # T-27
    [["continued"], ["-s", "continued"], ["empty"], ["-s", "empty"], ["-q", "", "t"]],
    # options
    [["t", "u"], ["-q", "b", "t", "u"], ["-q", "B", "u", "t"], ["-q", "c", "t", "u"],
     ["-q", "none", "t", "u"]],
    [["t"], ["-q", "a", "t", "nosuch:t"], ["-q", "a", "t", "hash:none"]],  # opened when needed
    [["-f", "t"], ["-s", "t"], ["-q", "A", "t"], ["-f", "-q", "A", "t"], ["-d", "A", "t"],
     ["-f", "-d", "A", "t"], ["-s", "t"]],
    [["-w", "t"], ["-s", "t"]], [["-r", "t"], ["-s", "t"]], [["-r", "-w", "t"], ["-s", "t"]],
    [["-n", "t"], ["-q", "a", "t"], ["-d", "a", "t"], ["-N", "t"], ["-q", "a", "t"]],
    [["-o", "-p", "-u", "-U", "t"], ["-s", "t"]],
    [["t"], ["-d", "a", "t"], ["-d", "a", "t"], ["-s", "t"], ["-d", "a", "hash:none"]],
    [["-F", "f"], ["-q", "k", "f"], ["-F", "-q", "l", "f"], ["-F", "-q", "none", "f"]],
    # T-44
    [["t"], ["-q", "user@a", "t"], ["-q", "a.b", "t"]],
    # C-50 and other mistakes
    [[]], [["-Z"]], [["-q"]], [["-q", "k"]], [["-d", "k"]], [["none"]], [["t", "none"]],
    [["-s", "-q", "k", "t"]], [["-q", "a", "-d", "a", "t"]], [["-b", "t"]], [["-h", "-q", "k", "t"]],
    [["-m", "-q", "-", "t"]], [["nosuch:none"]], [["-q", "a", "nosuch:t"]], [["-s", "nosuch:t"]],
    [["-d", "a", "nosuch:t"]], [["-q", "a", "none"]], [["-s", "none"]], [["-d", "a", "none"]],
    [["hash:"]],
    # Types that cannot be built, changed, listed
    *[[[f"{kind}:t"], ["-d", "a", f"{kind}:t"]] for kind in ("pcre", "regexp", "texthash")],
    *[[["t"], [table], ["-d", "a", table], ["-s", table], ["-i", table]] for table in (
        "tcp:localhost:1", "socketmap:inet:localhost:1:x", "pipemap:{hash:t}")],
    [["cidr:t"], ["-d", "a", "cidr:t"], ["-i", "cidr:t"]],
    [["-s", "unix:passwd.byname"], ["-s", "unionmap:{inline:{a=b}}"]],
    [["static:x"], ["-s", "static:x"], ["-q", "k", "static:x"]],
    [["inline:{a=b}"], ["-d", "a", "inline:{a=b}"], ["-s", "inline:{a=b}"],
     ["-q", "A", "inline:{a=b}"]],
    [["-q", "A", "texthash:t"]],
    [["-s", "regexp:rx"], ["-q", "A", "regexp:rx"], ["-s", "pcre:rx"]],
    [["t"], ["-q", "a", "pipemap:{hash:t,hash:t}"], ["-q", "b", "unionmap:{hash:t,inline:{b=x}}"]],
], ids=lambda commands: " ".join(commands[len(commands) // 2]) or "no table")
def test_postmap(both, commands):
    for command in commands:
        same(both, *command)


def test_standard_input(both):
    """-q -, -d - and -i."""
    same(both, "t", "u")
    same(both, "-q", "-", "t", "u", stdin="B\nnone\nc\na")
    same(both, "-q", "-", "t", stdin="none\n")
    same(both, "-q", "-", "t", stdin="")
    same(both, "-i", "t", stdin="c 1\nc 2\n  x\nd\n")
    same(both, "-ir", "t", stdin="c 5\n")
    same(both, "-iw", "t", stdin="c 6\n")
    same(both, "-q", "c", "t")
    same(both, "-d", "-", "t", stdin="none\nA\n")
    same(both, "-d", "-", "t", stdin="none\n")
    same(both, "-i", "new", stdin="x y\n")
    same(both, "-s", "t")
    same(both, "-s", "new")


@pytest.mark.parametrize("option", ["-hq", "-bq", "-hmq", "-bmq"])
def test_a_message_as_keys(both, option):
    """-h, -b, -m."""
    same(both, option, "-", "regexp:rx", stdin=MESSAGE)
    same(both, option, "-", "regexp:rx", stdin="From: x\nno field\n\nb\n")
    same(both, option, "-", "regexp:rx", stdin="From: x")
    same(both, option, "-", "inline:{end=1}", stdin=MESSAGE)


@pytest.mark.parametrize("options, mode", [
    ([], 0o600), ([], 0o640), ([], 0o644), ([], 0o666), (["-p"], 0o600)])
def test_permissions(both, options, mode):
    """T-40."""
    for name in ("ours", "theirs"):
        (both.folder / name / "t").chmod(mode)
    same(both, *options, "t")
    ours_mode, theirs_mode = ((both.folder / name / "t.db").stat().st_mode
                              for name in ("ours", "theirs"))
    assert oct(ours_mode) == oct(theirs_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize("kind", ["hash", "btree", "lmdb", "cdb", "dbm"])
def test_the_owner_of_the_source(both, kind):
    """T-41, for each type."""
    if kind == "dbm" and not (BUILD / "plugins/lookup/dbm.so").exists():
        pytest.skip("NO GDBM: lookup/dbm was not built")
    both.folder.chmod(0o755)
    for name in ("ours", "theirs"):
        (both.folder / name).chmod(0o755)
        os.chown(both.folder / name / "u", 65534, 65534)
    mine, witness = both(f"{kind}:u")
    if kind in ("hash", "btree", "lmdb"):
        assert mine == witness
    suffix = {"hash": "db", "btree": "db", "dbm": "pag"}.get(kind, kind)
    assert mine == (1, "", f"postmap: fatal: open database u.{suffix}: Permission denied\n")
    os.chown(both.folder / "ours", 65534, 65534)
    assert both(f"{kind}:u")[0] == (0, "", "")
    assert (both.folder / "ours" / f"u.{suffix}").stat().st_uid == 65534


@pytest.mark.parametrize("age, is_told", [(1000, True), (5, False)])
def test_older_than_its_source(both, age, is_told):
    """T-43: only where the source is not quite new, and so perhaps just being built."""
    same(both, "u")
    for name in ("ours", "theirs"):
        os.utime(both.folder / name / "u.db", (1000, 1000))
        then = time.time() - age
        os.utime(both.folder / name / "u", (then, then))
    code, out, err = same(both, "-q", "b", "u")
    assert (code, out, err != "") == (0, "3\n", is_told)


@pytest.mark.parametrize("kind, warning", [
    ("hash", "t.db"), ("btree", "t.db"), ("lmdb", "t.lmdb"), ("cdb", "t.cdb")])
def test_duplicates(both, kind, warning):
    """T-29: the file is named; Postfix has other names for those of lmdb and cdb."""
    mine, witness = both(f"{kind}:t")
    if kind in ("hash", "btree"):
        assert mine == witness
    assert mine == (0, "", f'postmap: warning: {warning}: duplicate entry: "a"\n')
    assert both("-q", "a", f"{kind}:t")[0] == (0, "1\n", "")


def test_postalias(both):
    """C-70: aliases(5), and what Postfix makes of it; its NIS entries are no use."""
    for arguments in ([], ["-f"], ["-r"], ["-w"]):
        assert same(both, *arguments, "aliases", program="postalias")[0] == 0
        mine, witness = both("-s", "aliases", program="postalias")
        assert listing(mine) == listing(witness)
    same(both, "-q", "A", "aliases", program="postalias")
    same(both, "-q", "-", "aliases", program="postalias", stdin="a\nB\nnone\nq p\n")
    same(both, "-q", "none", "aliases", program="postalias")
    same(both, "-d", "b", "aliases", program="postalias")
    same(both, "-i", "aliases", program="postalias", stdin="new: x\nd: y\n")
    same(both, "-ir", "aliases", program="postalias", stdin="d: y, z\n")
    mine, witness = both("-s", "aliases", program="postalias")
    assert listing(mine) == listing(witness)


@pytest.mark.parametrize("arguments", [
    [], ["-Z"], ["-b", "t"], ["none"], ["cidr:aliases"], ["-q", "a", "nosuch:aliases"],
    ["-q", "a", "none"], ["-q", "a", "-d", "a", "aliases"], ["-s", "regexp:rx"]])
def test_postalias_mistakes(both, arguments):
    same(both, *arguments, program="postalias")
