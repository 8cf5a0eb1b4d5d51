# SPDX-License-Identifier: ISC
"""
The small tables: texthash, inline, static, fail, cidr, pcre, regexp, pipemap, unionmap, unix; Postfix's
postmap is the witness (T-1 to T-10, T-20 to T-29, T-80 to T-82, R-21, R-28).
"""

import os

import pytest

from client import Client
from daemon import wait_for
from witnesses import ours as command  # noqa: F401
from witnesses import theirs as witness  # noqa: F401

TEXT = """# comment
Key Value  here\x20
 continued   twice
  # indented
k v
k again
key5: x
"a b" q
key6 # x
back\\ slash v
tr v\\
"""
PATTERNS = r"""
/^(.*)@(a|b)\.tld$/i  x:$1-${2}$(1) $$
/Case/i   case
!/foo|bar|x|[0-9]|@/ nofoo
if /@in\./
/^one/ one
if !/two/
/^.*$/ nottwo
endif
/two/ two
endif
|pipe/path| pipe
/esc\/aped/ esc
/multi/
  continued  value
/^n(x)?(y)?$/ <$1|$2>
"""
NETWORKS = """
10.0.0.0/8 ten
!192.0.2.0/24 outside
if 192.0.2.128/25
192.0.2.200 two hundred
endif
192.0.2.0/25	low
[2001:db8::]/32 six
[2001:db9::/32] seven
"""
KEYS = """key
KEY
k
key5:
key5
"a b"
a b
key6
back\\ slash
tr
JOE@B.TLD
case
Case
CASE
plain
one@in.tld
other@in.tld
two@in.tld
x pipe/path
x esc/aped
x multi
nx
ny
10.1.2.3
11.1.1.1
192.0.2.200
192.0.2.201
192.0.2.1
2001:DB8::9
2001:db9::1
2001:dba::1
10.1.2
[2001:db8::9]
root
a
b
"""
TABLES = [
    "texthash:text", "regexp:patterns", "pcre:patterns", "cidr:networks",
    "inline:{a=b, {b = c d}, A=x}", 'inline:{{"a b" = b c}}', "inline:{a={b c}}", "static:x y",
    "static:{ x y }", "fail:x", "unix:passwd.byname", "unix:group.byname",
    "pipemap:{inline:{a=K}, texthash:text}", "pipemap:{texthash:text fail:x}",
    "pipemap:{regexp:{{/(.*)/ $1}},inline:{a=1}}", "pipemap:{inline:{a=Ab},regexp:{{/(.*)/ $1}}}",
    "unionmap:{static:1, inline:{a=2}, static:{3 4}}", "unionmap:{inline:{b=1}}",
    "unionmap:{static:x, fail:y}", "pcre:{{/^(.)$/ z$1}, {/x/ $$1}}", "cidr:{{10.0.0.0/8 ten}}",
    # What is no table.
    "inline:x", "inline:{}", "inline:{a}", "inline:{a = b}", "inline:{a=b", "static:{x", "static:{x}y",
    "pipemap:x", "pipemap:{}", "pipemap:{inline:{a=1},x}", "unionmap:{x}", "unix:shadow", "texthash:none", "regexp:none",
    "cidr:none", "pcre:none",
]


@pytest.fixture
def folder(folder):
    for name, text in (("text", TEXT), ("patterns", PATTERNS), ("networks", NETWORKS)):
        (folder / name).write_text(text)
    return folder


def told(done):
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def ours(command):
    return lambda *arguments, **more: told(command(*arguments, **more))


@pytest.fixture
def theirs(witness):
    return lambda *arguments, **more: told(witness(*arguments, **more))


@pytest.mark.parametrize("table", TABLES)
def test_as_postfix_answers(ours, theirs, table):
    """T-5, T-6, T-10, T-80, T-81, T-82: the same answers and exit codes for the same keys."""
    assert ours("-q", "-", table, stdin=KEYS)[:2] == theirs("-q", "-", table, stdin=KEYS)[:2]


def test_names_and_listings(ours):
    assert ours("-q", "ROOT", "proxy:unix:passwd.byname")[1].startswith("root:")
    assert ours("-s", "inline:{b=c, A=d}") == (0, "b\tc\na\td\n", "")
    for table in ("static:x", "fail:x", "cidr:networks", "regexp:patterns", "unix:group.byname"):
        assert ours("-s", table)[0] == 1
    for kind in ("texthash", "regexp", "pcre", "cidr", "inline", "static", "fail", "unix", "pipemap"):
        code, _, text = ours(f"{kind}:text")
        assert code == 1 and "does not support bulk-mode creation." in text  # C-50


@pytest.mark.parametrize("kind, line, why", [
    ("regexp", "/a x", "no closing delimiter"), ("regexp", "/a/q x", 'unknown regexp option "q"'),
    ("regexp", "/(/ x", "Unmatched ( or \\("), ("regexp", "abc", "unrecognized request"),
    ("regexp", "/a/ $2", "out of range replacement index"),
    ("regexp", "!/(a)/ $1", "$number found in negative match replacement text"),
    ("pcre", "/(/ x", "missing closing parenthesis"), ("pcre", "if", "no pattern"),
    ("cidr", "10.0.0.1/8 x", 'non-null host address bits in "10.0.0.1/8", perhaps you should use '
                             '"10.0.0.0/8" instead'),
    ("cidr", "10.0.0.0/33 x", 'bad mask value in "10.0.0.0/33"'),
    ("cidr", "10.0.0.0/8", "no lookup result"),
])
def test_a_rule_that_is_none(ours, folder, kind, line, why):
    """Without that rule another one would answer."""
    (folder / "bad").write_text(f"# comment\n{line}\n")
    assert ours("-q", "10.1.1.1", f"{kind}:bad") == (
        1, "", f"postmap: fatal: {kind} map bad, line 2: {why}\n")


@pytest.fixture
def ask(make_daemon):
    def start(**settings):
        daemon = make_daemon(start=False)
        daemon.change({"mynetworks": [], "smtpd_relay_restrictions": ["reject_unauth_destination"]})
        daemon.change(settings)
        daemon.start()

        def rcpt(address):
            with Client(daemon.port) as client:
                client.expect("MAIL FROM:<s@else.tld>", "250")
                return client.command(f"RCPT TO:<{address}>")

        rcpt.daemon = daemon
        return rcpt
    return start


def test_in_lists_and_maps(ask, folder):
    """T-4, T-5, T-7, R-21: patterns get the whole address; no part of it says where mail goes."""
    patterns = folder / "routes"
    patterns.write_text("/^tld$/ error:partial key\n/^(.*)@sub\\.relay\\.tld$/ smtp:[$1.example]\n"
                        "/@relay\\.tld$/ error:5.7.1 whole key\n")
    rcpt = ask(relay_domains="inline:{relay.tld=1, {sub.relay.tld = 2}} static.tld",
               transport_maps=[f"pipemap:{{proxy:regexp:{patterns}}}"],
               relay_recipient_maps="unionmap:{pcre:{{/@relay\\.tld$$/ x}}, inline:{a@sub.relay.tld=y}}")
    assert rcpt("Joe@relay.tld").startswith("550 5.7.1 ")
    assert rcpt("a@sub.relay.tld").startswith("451 4.3.0 ")
    rcpt.daemon.wait_for_log(rf"regexp map {patterns}, line 2: regular expression substitution is not")
    assert rcpt("b@static.tld").startswith("550 5.1.1 ")
    assert rcpt("a@other.tld").startswith("554 5.7.1 ")


def test_a_changed_table_is_seen(ask, folder):
    """T-8, T-9, R-28: without a reload; one that cannot be understood is 451 until it is mended."""
    table = folder / "domains"
    table.write_text("one.tld x\n")
    rules = folder / "rules"
    rules.write_text("/^two\\.tld$/ x\n")
    rcpt = ask(relay_domains=[f"texthash:{table}", f"regexp:{rules}"])

    def answers(address, code):
        return wait_for(lambda: rcpt(address).startswith(code), 20, 0.2)

    assert rcpt("a@one.tld").startswith("250 ")
    assert rcpt("a@two.tld").startswith("250 ")
    assert rcpt("a@three.tld").startswith("554 ")
    table.write_text("three.tld x\n")
    answers("a@three.tld", "250 ")
    answers("a@one.tld", "554 ")  # each receive process looks for itself
    rules.write_text("/^two\\.tld$/ x\n/(/ y\n")
    answers("a@one.tld", "451 4.3.0 ")
    rcpt.daemon.wait_for_log(rf"regexp map {rules}, line 2: Unmatched")
    rules.write_text("/^one\\.tld$/ x\n")
    answers("a@one.tld", "250 ")
    table.unlink()
    answers("a@three.tld", "451 4.3.0 ")
    os.rename(rules, table)
    answers("a@three.tld", "451 4.3.0 ")  # the rules are gone, and no table for what is left


def test_fail_in_each_list(ask):
    """T-3, T-4: a failure is never a miss, and ends the search."""
    for parameter in ("relay_domains", "mydestination", "virtual_alias_domains"):
        assert ask(**{parameter: ["fail:x", "static:y"]})("a@one.tld").startswith("451 4.3.0 ")
