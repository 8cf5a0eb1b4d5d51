# SPDX-License-Identifier: ISC
"""postmap: what the field knows of it: options, messages, exit codes (T-20 to T-45, C-50)."""

import os
import subprocess

import pytest

from daemon import BUILD

USAGE = ("usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] "
         "[map_type:]file...")


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def __eq__(self, other):
        return (self.code, self.out, self.err) == other

    def __repr__(self):
        return repr((self.code, self.out, self.err))


@pytest.fixture
def postmap(tmp_path):
    """Runs postmap in a folder of its own."""

    def run(*arguments, stdin="", **environment):
        return Result(subprocess.run([BUILD.resolve() / "bin/postmap", *arguments], cwd=tmp_path,
                                     input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     timeout=60, text=True, env={**os.environ, **environment}))

    run.folder = tmp_path
    run.write = lambda name, text: (tmp_path / name).write_text(text)
    run.mode = lambda name: (tmp_path / name).stat().st_mode & 0o7777
    return run


def listing(result):
    assert (result.code, result.err) == (0, "")
    return sorted(result.out.splitlines())


def test_builds_and_answers(postmap):
    postmap.write("t", "Customer.TLD  etrn-only:[mail.customer.tld]\n\n# none\nisp.tld smtp\n more\n")
    assert postmap("hash:t") == (0, "", "")
    assert postmap("-q", "customer.tld", "hash:t") == (0, "etrn-only:[mail.customer.tld]\n", "")
    assert postmap("-q", "CUSTOMER.tld", "t") == (0, "etrn-only:[mail.customer.tld]\n", "")
    assert postmap("-q", "isp.tld", "t") == (0, "smtp more\n", "")
    assert postmap("-q", "user@isp.tld", "t") == (1, "", "")  # no partial keys (T-44)
    assert listing(postmap("-s", "t")) == ["customer.tld\tetrn-only:[mail.customer.tld]",
                                           "isp.tld\tsmtp more"]
    assert not (postmap.folder / "t.db.new").exists()


def test_the_file_is_postfix_s(postmap):
    postmap.write("t", "k v\n")
    assert postmap("t") == (0, "", "")
    data = (postmap.folder / "t.db").read_bytes()
    assert data[12:16] == (0x061561).to_bytes(4, "little")
    assert b"v\0" in data and b"k\0" in data
    assert postmap("-n", "t") == (0, "", "")
    assert b"k\0" not in (postmap.folder / "t.db").read_bytes().rstrip(b"\0")[256:]
    assert postmap("-q", "k", "t") == (0, "v\n", "")
    assert postmap("-N", "t") == (0, "", "")
    assert postmap("-q", "k", "t") == (0, "v\n", "")


def test_keys_from_standard_input(postmap):
    postmap.write("t", "a 1\nb 2\n")
    postmap.write("u", "b 3\nc 4\n")
    postmap("t", "u")
    assert postmap("-q", "-", "t", "u", stdin="B\nnone\nc\na") == (0, "B\t2\nc\t4\na\t1\n", "")
    assert postmap("-q", "-", "t", "u", stdin="none\n") == (1, "", "")
    assert postmap("-q", "b", "u", "t") == (0, "3\n", "")


def test_warnings_do_not_fail(postmap):
    postmap.write("t", "  first\nk v\nalone\nk w\nkey5: x\n\"a b\" q\n\"open x\n")
    result = postmap("t")
    assert (result.code, result.out) == (0, "")
    assert result.err.splitlines() == [
        'postmap: warning: t: logical line must not start with whitespace: "  first"',
        "postmap: warning: t, line 3: expected format: key whitespace value",
        'postmap: warning: t.db: duplicate entry: "k"',
        'postmap: warning: t, line 5: record is in "key: value" format; is this an alias file?',
        "postmap: warning: t, line 7: unbalanced '\"' in '\"open x' -- ignoring this line",
    ]
    assert listing(postmap("-s", "t")) == ['"a b"\tq', "k\tv", "key5:\tx"]
    assert postmap("-q", '"a b"', "t") == (0, "q\n", "")
    assert postmap("-q", "a b", "t") == (1, "", "")


def test_not_utf8(postmap):
    (postmap.folder / "t").write_bytes(b"a \xff\nb v\n")
    done = subprocess.run([BUILD.resolve() / "bin/postmap", "t"], cwd=postmap.folder, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0
    assert done.stderr == b'postmap: warning: t, line 1: non-UTF-8 input "a ?" -- ignoring this line\n'
    assert listing(postmap("-s", "t")) == ["b\tv"]


def test_duplicates(postmap):
    postmap.write("t", "k 1\nK 2\n")
    assert postmap("-w", "t") == (0, "", "")
    assert postmap("-q", "k", "t") == (0, "1\n", "")
    assert postmap("-r", "t") == (0, "", "")
    assert postmap("-q", "k", "t") == (0, "2\n", "")


def test_incremental(postmap):
    postmap.write("t", "a 1\n")
    postmap("t")
    assert postmap("-i", "t", stdin="b 2\na 9\n") == (
        0, "", 'postmap: warning: t.db: duplicate entry: "a"\n')
    assert listing(postmap("-s", "t")) == ["a\t1", "b\t2"]
    assert postmap("-ir", "t", stdin="a 9\n") == (0, "", "")
    assert listing(postmap("-s", "t")) == ["a\t9", "b\t2"]
    assert postmap("-i", "fresh", stdin="x y\n") == (0, "", "")
    assert postmap("-q", "x", "fresh") == (0, "y\n", "")


def test_delete(postmap):
    postmap.write("t", "a 1\nb 2\nc 3\n")
    postmap.write("u", "c 4\n")
    postmap("t", "u")
    assert postmap("-d", "A", "t") == (0, "", "")
    assert postmap("-d", "a", "t") == (1, "", "")
    assert postmap("-d", "c", "t", "u") == (0, "", "")
    assert listing(postmap("-s", "t", "u")) == ["b\t2"]
    assert postmap("-d", "-", "t", stdin="none\nb\n") == (0, "", "")
    assert listing(postmap("-s", "t")) == []
    assert postmap("-d", "-", "t", stdin="none\n") == (1, "", "")


def test_folding(postmap):
    postmap.write("t", "Key v\n")
    assert postmap("-f", "t") == (0, "", "")
    assert listing(postmap("-s", "t")) == ["Key\tv"]
    assert postmap("-f", "-q", "Key", "t") == (0, "v\n", "")
    assert postmap("-q", "Key", "t") == (1, "", "")
    assert postmap("-f", "-d", "key", "t") == (1, "", "")
    assert postmap("-f", "-d", "Key", "t") == (0, "", "")


@pytest.mark.parametrize("source, want", [(0o640, 0o640), (0o644, 0o644), (0o600, 0o600),
                                          (0o666, 0o644), (0o444, 0o644)])
def test_modes(postmap, source, want):
    postmap.write("t", "k v\n")
    (postmap.folder / "t").chmod(source)
    assert postmap("t") == (0, "", "")
    assert postmap.mode("t.db") == want


def test_plain_mode_and_one_that_is_there(postmap):
    postmap.write("t", "k v\n")
    (postmap.folder / "t").chmod(0o600)
    assert postmap("-p", "t") == (0, "", "")
    assert postmap.mode("t.db") == 0o644
    (postmap.folder / "t.db").chmod(0o640)
    (postmap.folder / "t").chmod(0o666)
    assert postmap("t") == (0, "", "")
    assert postmap.mode("t.db") == 0o640


def test_older_than_its_source(postmap):
    postmap.write("t", "k v\n")
    postmap("t")
    os.utime(postmap.folder / "t.db", (1000, 1000))
    os.utime(postmap.folder / "t", (2000, 2000))
    assert postmap("-q", "k", "t") == (
        0, "v\n", "postmap: warning: database t.db is older than source file t\n")


def test_a_failure_is_no_miss(postmap):
    assert postmap("-q", "k", "hash:none") == (
        1, "", "postmap: fatal: open database none.db: No such file or directory\n")
    assert postmap("-s", "none").code == 1
    assert postmap("-d", "k", "none") == (
        1, "", "postmap: fatal: open database none.db: No such file or directory\n")
    assert not list(postmap.folder.iterdir())
    postmap.write("t", "".join(f"key{i} value\n" for i in range(3000)))
    postmap("t")
    with open(postmap.folder / "t.db", "r+b") as table:
        table.truncate(100)
    assert postmap("-q", "key7", "t").err.startswith("postmap: fatal: open database t.db: ")
    assert postmap("t") == (0, "", "")  # a build does not mind what was there
    assert postmap("-q", "key7", "t") == (0, "value\n", "")


@pytest.mark.parametrize("arguments, text", [
    ([], USAGE + "\n"),
    (["-q", "k"], USAGE + "\n"),
    (["-s", "-q", "k", "t"], "specify only one of -s -q or -d"),
    (["none"], "open none: No such file or directory"),
    (["nosuch:t"], "unsupported dictionary type: nosuch"),
    (["../evil:t"], "unsupported dictionary type: ../evil"),
    ([":t"], "unsupported dictionary type: "),
    (["memory:t"], "unsupported dictionary type: memory does not support bulk-mode creation."),
    (["-c", "nowhere", "t"], "open nowhere/sluice.conf: No such file or directory"),
])
def test_errors(postmap, arguments, text):
    postmap.write("t", "k v\n")
    result = postmap(*arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("postmap: fatal: " + text)
    assert not (postmap.folder / "t.db").exists()


@pytest.mark.parametrize("arguments, text", [
    (["-Z", "t"], "invalid option -- 'Z'"),
    (["-q"], "option requires an argument -- 'q'"),
])
def test_unknown_options(postmap, arguments, text):
    result = postmap(*arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"postmap: {text}\npostmap: fatal: {USAGE}\n"


def test_other_types(postmap):
    assert postmap("-q", "A", "memory:a=1,b=2") == (0, "1\n", "")
    assert postmap("-q", "a", "null:x") == (1, "", "")
    assert postmap("-q", "e", "memory:e=") == (
        0, "\n", "postmap: warning: table memory:e=: key e: empty string result is not allowed\n"
        "postmap: warning: table memory:e= should return NO RESULT in case of NOT FOUND\n")
    result = postmap("-q", "a", "memory:nonsense")
    assert (result.code, result.out) == (1, "")
    assert "expected key=value" in result.err


def test_with_a_configuration(postmap):
    postmap.write("t", "k v\n")
    (postmap.folder / "sluice.conf").write_text(f'plugin_directory = "{BUILD.resolve()}/plugins";\n')
    assert postmap("-c", ".", "t") == (0, "", "")
    assert postmap("-c", ".", "-q", "k", "t") == (0, "v\n", "")
    (postmap.folder / "sluice.conf").write_text('plugin_directory = "/nonexistent";\n')
    assert postmap("-c", ".", "-q", "k", "t").err == (
        "postmap: fatal: unsupported dictionary type: hash\n")
    assert postmap("-q", "k", "t", MAIL_CONFIG=".").err == (
        "postmap: fatal: unsupported dictionary type: hash\n")
    assert postmap("-q", "k", "t", MAIL_CONFIG="nowhere").err.startswith("postmap: fatal: open nowhere/")
    (postmap.folder / "sluice.conf").write_text("plugin_directory = ;\n")
    assert postmap("-c", ".", "-q", "k", "t").code == 1


def test_killed_while_building(postmap):
    """T-42: the old table answers whatever happens to the build of a new one."""
    postmap.write("t", "k old\n")
    postmap("t")
    process = subprocess.Popen([BUILD.resolve() / "bin/postmap", "-i", "t"], cwd=postmap.folder,
                               stdin=subprocess.PIPE, text=True)
    process.stdin.write("".join(f"key{i} value\n" for i in range(20000)))
    process.stdin.flush()
    assert postmap("-q", "k", "t") == (0, "old\n", "")
    process.kill()
    process.wait(timeout=60)
    process.stdin.close()
    assert listing(postmap("-s", "t")) == ["k\told"]
    assert postmap("t") == (0, "", "")
    assert sorted(path.name for path in postmap.folder.iterdir()) == ["t", "t.db"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_runs_as_the_owner_of_the_source(postmap):
    """T-41."""
    postmap.folder.chmod(0o755)
    postmap.write("t", "k v\n")
    os.chown(postmap.folder / "t", 65534, 65534)
    assert postmap("t") == (1, "", "postmap: fatal: open database t.db: Permission denied\n")
    assert postmap("-o", "t") == (0, "", "")
    (postmap.folder / "t.db").unlink()
    os.chown(postmap.folder, 65534, 65534)
    assert postmap("t") == (0, "", "")
    assert (postmap.folder / "t.db").stat().st_uid == 65534
