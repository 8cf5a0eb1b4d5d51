# SPDX-License-Identifier: ISC
"""
postconf: parameters in Postfix's form, and edits of sluice.conf (C-60 to C-62, C-72); Postfix's own
postconf as the witness of words and forms.
"""

import os
import re
import shutil
import subprocess
import threading

import pytest

from daemon import BUILD
from witnesses import ours, theirs  # noqa: F401

CONFIG = """# Kept: a comment.
plugin_directory = "PLUGINS";
relay_domains = [ "a.tld",   # the first
                  "hash:/etc/x" ];
myhostname = "mx.lab.test"; /* kept */
mydestination = "";
smtpd_helo_required = true;
smtpd_recipient_limit = 50;
delay_warning_time = "4h";
queue_run_delay = "300s";
smtpd_restriction_classes = "strict";
strict = "reject_unknown_sender_domain, permit";
transports = ( { name = "slow"; plugin = "smtp"; destination_concurrency_limit = 2; } );
"""
LONG = ", ".join("domain%s.tld" % ("x" * n) for n in range(20))
UNUSED = "postconf: warning: {}: unused parameter: queue_run_delay=300s\n"


@pytest.fixture
def postconf(folder):
    """Runs postconf on a configuration of its own."""
    path = folder / "sluice.conf"
    path.write_text(CONFIG.replace("PLUGINS", str(BUILD.resolve() / "plugins")))

    def run(*arguments, **environment):
        done = subprocess.run([BUILD.resolve() / "bin/postconf", "-c", folder, *arguments],
                              capture_output=True, text=True, timeout=60, cwd=folder,
                              env={**os.environ, **environment})
        return done.returncode, done.stdout, done.stderr.replace(UNUSED.format(path), "")

    run.folder, run.path = folder, path
    run.check = lambda: subprocess.run([BUILD / "bin/sluiced", "-t", "-c", path], timeout=60,
                                       capture_output=True, text=True)
    return run


@pytest.mark.parametrize("arguments, out", [
    (["relay_domains"], "relay_domains = a.tld, hash:/etc/x\n"),
    (["myorigin", "mydestination"], "myorigin = $myhostname\nmydestination =\n"),
    (["-h", "myhostname"], "mx.lab.test\n"),
    (["-h", "mydestination"], "\n"),
    (["-H", "myhostname"], "myhostname\n"),
    (["-x", "myorigin", "smtpd_banner"], "myorigin = mx.lab.test\nsmtpd_banner = mx.lab.test ESMTP Sluice\n"),
    (["-x", "fast_flush_domains"], "fast_flush_domains = a.tld, hash:/etc/x\n"),
    (["-x", "smtpd_timeout"], "smtpd_timeout = 300s\n"),
    (["smtpd_timeout"], "smtpd_timeout = ${stress?{10}:{300}}s\n"),
    (["-d", "relay_domains", "smtpd_recipient_limit"], "relay_domains =\nsmtpd_recipient_limit = 1000\n"),
    (["smtpd_recipient_limit", "smtpd_helo_required", "delay_warning_time"],
     "smtpd_recipient_limit = 50\nsmtpd_helo_required = yes\ndelay_warning_time = 4h\n"),
    (["-n", "myorigin", "myhostname"], "myhostname = mx.lab.test\n"),
    (["-d", "maximal_queue_lifetime", "minimal_backoff_time"],
     "maximal_queue_lifetime = 5d\nminimal_backoff_time = 300s\n"),  # the latter is a plugin's
    (["slow_destination_concurrency_limit", "smtp_destination_concurrency_limit"],
     "slow_destination_concurrency_limit = 2\n"
     "smtp_destination_concurrency_limit = $default_destination_concurrency_limit\n"),
    (["-xh", "smtp_destination_concurrency_limit"], "20\n"),
    (["strict"], "strict = reject_unknown_sender_domain, permit\n"),
    (["-o", "myhostname=other", "-x", "myorigin", "myhostname"], "myorigin = other\nmyhostname = other\n"),
    (["-p", "-v", "myhostname"], "myhostname = mx.lab.test\n"),
    (["-a"], ""), (["-A"], ""), (["-l"], "fcntl\ndotlock\n"),
])
def test_values(postconf, arguments, out):
    """C-61, C-62."""
    assert postconf(*arguments) == (0, out, "")


def test_what_is_set(postconf):
    """C-61: -n, sorted."""
    code, out, err = postconf("-n")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "delay_warning_time = 4h",
        "mydestination =",
        "myhostname = mx.lab.test",
        f"plugin_directory = {BUILD.resolve()}/plugins",
        "relay_domains = a.tld, hash:/etc/x",
        "slow_destination_concurrency_limit = 2",
        "smtpd_helo_required = yes",
        "smtpd_recipient_limit = 50",
        "smtpd_restriction_classes = strict",
        "strict = reject_unknown_sender_domain, permit",
        'transports = ( { name = "slow"; plugin = "smtp"; destination_concurrency_limit = 2; } )',
    ]


def test_everything(postconf):
    """All that the manual has is there, and nothing twice."""
    code, out, err = postconf("-H")
    names = out.splitlines()
    assert (code, err) == (0, "")
    assert names == sorted(set(names)) and not [name for name in names if ":" in name]
    page = (BUILD / "man/sluice.conf.5").read_text().split(".SH PARAMETERS")[1].split(".SH")[0]
    described = set(re.findall(r"^\.TP\n\.B (\w+)", page, re.M))
    assert len(described) > 100 and described - set(names) == set()
    assert {"myhostname", "minimal_backoff_time", "mail_version", "strict"} <= set(names)
    assert postconf("-h", "mail_version")[1] == postconf("-dh", "mail_version")[1] != "\n"


def test_unknown(postconf):
    """C-61: a warning, and 0; what is in the file and has no meaning is said, too."""
    assert postconf("nosuch", "myhostname") == (
        0, "myhostname = mx.lab.test\n", "postconf: warning: nosuch: unknown parameter\n")
    done = subprocess.run([BUILD / "bin/postconf", "-c", postconf.folder, "-n", "myorigin"],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", UNUSED.format(postconf.path))


def test_types(postconf):
    """C-60: sorted, and only what can be loaded."""
    code, out, err = postconf("-m")
    types = out.splitlines()
    assert (code, err) == (0, "") and types == sorted(types)
    assert {"hash", "btree", "static", "regexp", "cidr", "texthash"} <= set(types)
    plugins = postconf.folder / "plugins"
    (plugins / "lookup").mkdir(parents=True)
    for name in ("hash", "fail"):
        shutil.copy(BUILD / f"plugins/lookup/{name}.so", plugins / "lookup")
    (plugins / "lookup/broken.so").write_bytes(b"\x7fELF nonsense")
    (plugins / "lookup/README").write_text("no plugin\n")
    postconf.path.write_text(f'plugin_directory = "{plugins}";\n')
    assert postconf("-m") == (0, "fail\nhash\n", "")


def test_edit(postconf):
    """C-61: -e; comments, mode and the rest stay, and the daemon takes it."""
    postconf.path.chmod(0o640)
    before = postconf.path.read_text()
    assert postconf("-e", "relay_domains = b.tld, c.tld", "smtpd_recipient_limit=60",
                    'smtpd_banner=$myhostname "x" \\ y', "mydestination=  ") == (0, "", "")
    text = postconf.path.read_text()
    assert text == before.replace(
        '[ "a.tld",   # the first\n                  "hash:/etc/x" ]', '"b.tld, c.tld"').replace(
        "limit = 50", "limit = 60") + 'smtpd_banner = "$myhostname \\"x\\" \\\\ y";\n'
    assert postconf.path.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in postconf.folder.iterdir()) == ["sluice.conf"]
    assert postconf("smtpd_banner", "relay_domains", "smtpd_recipient_limit") == (
        0, 'smtpd_banner = $myhostname "x" \\ y\nrelay_domains = b.tld, c.tld\nsmtpd_recipient_limit = 60\n', "")
    assert postconf("hopcount_limit=7", "relayhost = [h.tld]") == (0, "", "")  # without -e
    assert postconf("-n", "hopcount_limit", "relayhost") == (
        0, "hopcount_limit = 7\nrelayhost = [h.tld]\n", "")
    assert postconf.check().returncode == 0


def test_exclude_and_comment_out(postconf):
    """C-61: -X and -#."""
    before = postconf.path.read_text()
    assert postconf("-#", "relay_domains", "nosuch") == (0, "", "")
    text = postconf.path.read_text()
    assert '\n#relay_domains = [ "a.tld",   # the first\n#                  "hash:/etc/x" ];\n' in text
    assert postconf("-X", "myhostname", "strict", "smtpd_restriction_classes") == (0, "", "")
    text = postconf.path.read_text()
    assert "/* kept */" in text and "myhostname" not in text and "strict" not in text
    assert len(text.splitlines()) == len(before.splitlines()) - 2
    assert postconf("-n", "relay_domains", "myhostname") == (0, "", "")
    assert postconf.check().returncode == 0


def test_edit_what_is_included(postconf):
    """A setting is changed where it stands; a link stays a link."""
    (postconf.folder / "more.conf").write_text('myorigin = "old.tld"; # why\n')
    postconf.path.rename(postconf.folder / "real.conf")
    postconf.path.symlink_to("real.conf")
    with open(postconf.path, "a") as conf:
        conf.write('@include "more.conf"\n')
    assert postconf("myorigin=new.tld", "hopcount_limit=9") == (0, "", "")
    assert (postconf.folder / "more.conf").read_text() == 'myorigin = "new.tld"; # why\n'
    assert postconf.path.is_symlink()
    assert (postconf.folder / "real.conf").read_text().endswith("hopcount_limit = 9;\n")


@pytest.mark.parametrize("arguments, text", [
    (["smtpd_recipient_limit=many"], 'smtpd_recipient_limit: wants an integer, not "many"'),
    (["smtpd_recipient_limit=0"], "smtpd_recipient_limit: 0 is not in the range 1..100000"),
    (["smtpd_helo_required=maybe"], 'smtpd_helo_required: wants yes or no, not "maybe"'),
    (["hopcount_limit=9", "myorigin=$nosuch"], "myorigin: there is no parameter $nosuch"),
    (["mail_version=9"], "mail_version cannot be set"),
    (["transports=x"], "transports: a group is edited by hand"),
    (["slow_destination_concurrency_limit=3"],
     "slow_destination_concurrency_limit: it is set in a group, which is edited by hand"),
    (["a b=x"], "a b: not the name of a parameter"),
    (["-M"], "-M: there is no master.cf: see listen and transports in sluice.conf"),
    (["-t"], "-t: the texts of reports are fixed"),
    (["-X"], "-X requires name argument"),
])
def test_refused(postconf, arguments, text):
    """Nothing is changed by what the daemon would not take."""
    before = postconf.path.read_text()
    assert postconf(*arguments) == (1, "", f"postconf: fatal: {text}\n")
    assert postconf.path.read_text() == before


def test_a_file_that_makes_no_sense(postconf):
    postconf.path.write_text("myhostname = ;\n")
    for arguments in ([], ["myorigin"], ["myorigin=x"]):
        code, out, err = postconf(*arguments)
        assert (code, out) == (1, "") and f"{postconf.path}:1: " in err
    assert postconf.path.read_text() == "myhostname = ;\n"


def test_edits_at_the_same_time(postconf):
    threads = [threading.Thread(target=postconf, args=(f"relocated_maps=hash:/etc/x{n}", f"{name}={n}"))
               for n, name in enumerate(("hopcount_limit", "smtpd_soft_error_limit", "smtpd_hard_error_limit"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    code, out, err = postconf("-n")
    assert (code, err) == (0, "")
    assert {"smtpd_soft_error_limit = 1", "smtpd_hard_error_limit = 2"} <= set(out.splitlines())


def test_the_environment(postconf):
    """C-72."""
    done = subprocess.run([BUILD / "bin/postconf", "-h", "myhostname"], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "MAIL_CONFIG": str(postconf.folder)})
    assert (done.returncode, done.stdout) == (0, "mx.lab.test\n")


# ---- beside Postfix --------------------------------------------------------------------------------

@pytest.fixture
def both(ours, theirs, folder):
    """Runs a command with each one's file, which has the same settings; what both did, without the
    name of the file."""
    (folder / "master.cf").write_text("")
    with open(folder / "main.cf", "a") as conf:
        conf.write("relay_domains = a.tld,\n  # inner\n  b.tld   c.tld\nmydestination =\nnosuch_thing = 1\n"
                   "queue_run_delay = 1s\n")
    with open(folder / "sluice.conf", "a") as conf:
        conf.write('relay_domains = "a.tld,\\n  b.tld   c.tld";\nmydestination = "";\n')

    def call(*arguments):
        results = []
        for name, command in (("sluice.conf", ours), ("main.cf", theirs)):
            done = command(*arguments, program="postconf")
            lines = [line for line in done.stderr.splitlines(True) if "unused" not in line]
            results.append((done.returncode, done.stdout, "".join(lines).replace(name, "FILE")))
        return results

    return call


@pytest.mark.parametrize("arguments", [
    ["relay_domains", "nosuch", "mydestination"], ["-h", "mydestination"], ["-n", "mydestination", "myorigin"],
    ["-d", "nosuch"], ["-d", "hopcount_limit", "myorigin", "smtp_randomize_addresses"],
    ["-f", "-o", f"relay_domains={LONG}", "relay_domains"], ["-o", f"relay_domains={LONG}", "relay_domains"],
    ["-hf", "-o", f"relay_domains={LONG}", "relay_domains"],
    ["-f", "-o", "relay_domains=" + "x" * 90 + " y" * 50, "relay_domains"],
    ["-H", "relay_domains"], ["-o", "relayhost=[x]", "relayhost"], ["-o", "relayhost", "relayhost"],
    ["-o", "myorigin=z", "-x", "myorigin"],
    ["-d", "-n"], ["-n", "-e", "a=b"], ["-m", "-l"], ["-X", "a=b"], ["-#", "a=b"], ["-e"], ["-e", "foo"],
    ["foo", "a=b"], ["-e", "=5"], ["-c", "/nonexistent", "relayhost"], [""],
], ids=" ".join)
def test_beside_postfix(both, arguments):
    """C-61, C-62: the same words and forms."""
    mine, witness = both(*arguments)
    assert mine == witness


def test_edits_beside_postfix(both, folder):
    for arguments in (["-e", "relay_domains = q.tld", "relayhost="], ["hopcount_limit=7"],
                      ["-X", "hopcount_limit"], ["-#", "relayhost", "nosuch"]):
        mine, witness = both(*arguments)
        assert mine == witness == (0, "", "")
        mine, witness = both("relay_domains", "relayhost", "hopcount_limit", "mydestination")
        assert mine == witness
