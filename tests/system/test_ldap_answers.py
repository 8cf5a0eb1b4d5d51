# SPDX-License-Identifier: ISC
"""
The table ldap against the real slapd with 100,000 recipients: each answer is the one computed from what
ldapsearch prints (T-70 to T-76), and the one of Postfix's table; whatever a key has in it stands for itself.
"""

import base64
import re
import subprocess

import pytest

from directory import BASE, MANAGER, PASSWORD, UNPACKED, entry, environment, recipient, recipients, slapd_of
from witnesses import ours, theirs  # noqa: F401

COUNT = 100_000
HOSTILE = ["*", "*@customer.tld", "user1*@customer.tld", "user1)(cn=*", "*)(cn=*))(|(cn=*",
           "user1@customer.tld)(|(cn=*", "\\2a", "\\2a@customer.tld", "user1\\40customer.tld", "\\", "\\\\",
           "(", ")", "()", "&", "|(cn=*)", "!(cn=*)", "user1@customer.tld\\00", "user1,o=isp", "user1,cn=user2",
           "+cn=user1", "user1;user2", "<user1>", "#user1", "user1#", "user1=user1", "cn=user1,o=isp", "user\\31",
           '"user1"@customer.tld', '"a)(cn=*"@customer.tld', '"*"@customer.tld', '"\\2a"@customer.tld', "%s", "%%",
           "%s@customer.tld", "usér1@customer.tld", "юзер@customer.tld", "user1@cüstomer.tld", "user1@",
           "@customer.tld", "@", "user1@x@customer.tld", "o(d)d*\\@customer.tld", "a,b+c@customer.tld"]
LONG = ["x" * 65536, "*" * 65536, "(" * 65536 + "@customer.tld"]

PEOPLE = (
    recipients(COUNT)
    + recipient("odd", mailacceptinggeneralid="o(d)d*\\@customer.tld", maildrop="odd@store.tld")
    + entry(f"cn=a\\,b\\+c,{BASE}", objectClass="mailrecipient", cn="a,b+c",
            mailacceptinggeneralid="a,b+c@customer.tld", maildrop=["x@store.tld", "y@else.tld"])
    + recipient("bare", mailacceptinggeneralid="bare@customer.tld")
    + recipient("both1", mailacceptinggeneralid="both@customer.tld", maildrop="b1@store.tld", description="d1")
    + recipient("both2", mailacceptinggeneralid="both@customer.tld", maildrop=["b2@store.tld", "word"])
    + recipient("inner", maildrop="inner@store.tld", memberdn=f"cn=user7,{BASE}", description="hidden@store.tld")
    + recipient("group", mailacceptinggeneralid="group@customer.tld", description="leaf@store.tld",
                memberdn=[f"cn=user3,{BASE}", f"cn=gone,{BASE}", f"cn=inner,{BASE}"],
                memberurl=f"ldap:///{BASE}?maildrop?sub?(cn=user4)")
    + recipient("final", mailacceptinggeneralid="final@customer.tld", maildrop="no@store.tld",
                mailtransport="only@store.tld", memberdn=f"cn=user5,{BASE}")
    + recipient("leaf", mailacceptinggeneralid="leaf@customer.tld", description="leaf@store.tld")
    + entry(f"ou=customer.tld,{BASE}", objectClass="organizationalUnit", ou="customer.tld")
    + entry(f"cn=deep,ou=customer.tld,{BASE}", objectClass="mailrecipient", cn="deep",
            mailacceptinggeneralid="deep@customer.tld", maildrop="deep@store.tld")
)
KEYS = ["user0@customer.tld", "user99999@customer.tld", "USER7@Customer.TLD", "user100000@customer.tld",
        "both@customer.tld", "bare@customer.tld", "deep@customer.tld", "group@customer.tld", "final@customer.tld",
        "leaf@customer.tld", "a,b+c@customer.tld", "user7", "user7@other.tld"]
SPECIAL = {"special_result_attribute": "memberdn memberurl", "leaf_result_attribute": "description",
           "terminal_result_attribute": "mailtransport"}
QUERIES = [
    {},
    {"scope": "one"},
    {"scope": "base", "search_base": f"cn=%u,{BASE}", "query_filter": "(objectClass=mailrecipient)"},
    {"search_base": f"ou=%d,{BASE}"},
    {"search_base": f"ou=%2.%1,{BASE}", "query_filter": "(cn=%u)"},
    {"query_filter": "(&(cn=%u)(mailacceptinggeneralid=%u@%2.%1))"},
    {"query_filter": "(mailacceptinggeneralid=%U@%D)", "result_format": "%s=%u@%d,%S/%U/%D/%1/%2/%%"},
    {"result_attribute": "maildrop, description, cn", "result_format": "<%s>"},
    {"result_format": "smtp:[%d]"},
    {"domain": "other.tld, customer.tld"},
    {"domain": "other.tld"},
    SPECIAL,
]


@pytest.fixture(scope="module")
def people():
    with slapd_of(PEOPLE, debug="none") as slapd:
        yield slapd


# ---- what is to be expected ---------------------------------------------------------------------


def search(slapd, base, scope, query):
    """Entries of ldapsearch's; None: there is no such base, or it is no DN."""
    done = subprocess.run([UNPACKED / "usr/bin/ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", slapd.url, "-D",
                           MANAGER, "-w", PASSWORD, "-b", base, "-s", scope, query],
                          env=environment(), capture_output=True, timeout=60)
    if done.returncode in (32, 34):
        return None
    assert done.returncode == 0, done.stderr
    entries = []
    for block in done.stdout.decode().strip().split("\n\n"):
        rows = [row.partition(":") for row in block.splitlines()]
        entries.append([(name.lower(), base64.b64decode(value[2:]).decode() if value.startswith(":") else value.strip())
                        for name, _, value in rows if name.lower() not in ("dn", "", "#")])
    return [found for found in entries if found]


def expand(template, value, key, escape=lambda text: text):
    """None: a part that it asks for is not there."""
    def parts(text):
        local, at, domain = text.rpartition("@")
        return {"s": text, "u": (local if at else text) or None, "d": (domain if at else "") or None}

    words = {**parts(value), **{name.upper(): word for name, word in parts(key).items()}, "%": "%"}
    labels = (parts(key)["d"] or "").split(".")[::-1]
    words.update({str(i): labels[i - 1] if parts(key)["d"] and i <= len(labels) else None for i in range(1, 10)})
    names = re.findall("%(.)", template)
    if any(words[name] is None for name in names):
        return None
    return re.sub("%(.)", lambda m: "%" if m[1] == "%" else escape(words[m[1]]), template)


def octets(text, special):
    """As RFC 4515 and RFC 4514 allow it: all that may mean something, in hexadecimal."""
    return "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in special else f"\\{byte:02x}"
                   for byte in text.encode())


def names_of(settings, name, default=""):
    return re.split("[ ,]+", settings.get(name, default).lower())


def values(slapd, settings, entries):
    for found in entries or []:
        by_kind = {kind: [value for name, value in found
                          if name in names_of(settings, f"{kind}result_attribute", default)]
                   for kind, default in (("", "maildrop"), ("special_", ""), ("leaf_", ""), ("terminal_", ""))}
        if by_kind["terminal_"]:
            yield from by_kind["terminal_"]
            continue
        yield from by_kind[""]
        if not by_kind["special_"]:
            yield from by_kind["leaf_"]
        for place in by_kind["special_"]:
            base, attributes, scope, query = (place.removeprefix("ldap:///").split("?") if place.startswith("ldap:")
                                              else (place, "", "base", "(objectClass=*)"))
            asked = {} if not attributes else {"result_attribute": attributes}
            yield from values(slapd, {**settings, **asked}, search(slapd, base, scope, query))


def expected(slapd, settings, key):
    """Sorted values; none: not found; None: a failure."""
    key = key.lower()
    if "domain" in settings and key.rpartition("@")[2] not in names_of(settings, "domain"):
        return []
    base = expand(settings.get("search_base", BASE), key, key, lambda text: octets(text, ' "#+,;<=>\\'))
    query = expand(settings.get("query_filter", "(mailacceptinggeneralid=%s)"), key, key,
                   lambda text: octets(text, "*()\\"))
    if base is None or query is None:
        return []
    entries = search(slapd, base, settings.get("scope", "sub"), query)
    if entries is None:
        return None
    found = (expand(settings.get("result_format", "%s"), value, key) for value in values(slapd, settings, entries))
    return sorted(value for value in found if value is not None)


# ---- and what is answered -------------------------------------------------------------------------


def table_of(folder, slapd, settings):
    lines = {"server_host": slapd.url, "search_base": BASE, "query_filter": "(mailacceptinggeneralid=%s)",
             "version": 3, "bind": "no", **settings}
    (folder / "x.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
    return f"ldap:{folder}/x.cf"


def answers(postmap, folder, table, keys):
    """Of those that are found; a failure ends it."""
    done = postmap("-q", "-", table, cwd=folder, stdin="".join(f"{key}\n" for key in keys))
    assert "fatal" not in done.stderr, done.stderr
    return {key: flat([value]) for key, value in (line.split("\t") for line in done.stdout.splitlines())}


def flat(found):
    return sorted(word for value in found for word in value.split(","))


@pytest.mark.parametrize("settings", QUERIES)
def test_answers_are_ldapsearchs(ours, theirs, folder, people, settings):  # noqa: F811
    table = table_of(folder, people, settings)
    want = {key: expected(people, settings, key) for key in KEYS}
    is_answer = {key: flat(found) for key, found in want.items() if found}
    keys = [key for key in KEYS if want[key] is not None]
    assert answers(ours, folder, table, keys) == is_answer
    assert answers(theirs, folder, table, keys) == is_answer
    for key in (key for key in KEYS if want[key] is None):  # Postfix's says of a base with %-parts that it is not found
        failed, witness = (postmap("-q", key, table, cwd=folder) for postmap in (ours, theirs))
        assert failed.returncode == witness.returncode == 1 and failed.stdout == witness.stdout == ""
        assert "No such object" in failed.stderr


@pytest.mark.parametrize("settings", [
    {},
    {"query_filter": "(|(mailacceptinggeneralid=%s)(cn=%u))"},
    {"query_filter": "(objectClass=mailrecipient)", "search_base": f"cn=%u,{BASE}", "scope": "base"},
])
def test_a_key_stands_for_itself(ours, folder, people, settings):  # noqa: F811
    """Nothing is found that the same text, escaped by other code, does not find."""
    table = table_of(folder, people, settings)
    for key in HOSTILE:
        want = expected(people, settings, key)
        done = ours("-q", key, table, cwd=folder)
        assert flat(done.stdout.splitlines()) == flat(want or []), key
        assert (done.stderr != "") == (want is None), key


def test_a_long_key(ours, folder, people):  # noqa: F811
    table = table_of(folder, people, {})
    for key in LONG:
        done = ours("-q", key, table, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("settings, ours_says, theirs_says", [
    ({"search_base": "o=nowhere"}, "No such object", "No such object"),
    ({"search_base": "no DN"}, "Invalid DN syntax", "Invalid DN syntax"),
    ({"search_base": "%s"}, "Invalid DN syntax", "Invalid DN syntax"),
    ({"query_filter": "(mailacceptinggeneralid=%s"}, "Bad search filter", "Bad search filter"),
    ({"query_filter": "((%s)"}, "Bad search filter", "Bad search filter"),
    ({"query_filter": ""}, "query_filter: is empty", "Protocol error"),
    ({"query_filter": "(nosuch=%s)"}, "query_filter: the directory's schema has no attribute nosuch", ""),
    ({"query_filter": "(&(mailacceptinggeneralid=%s)(nosuch=x))"}, "schema has no attribute nosuch", ""),
    ({"query_filter": "(&(mailacceptinggeneralid=%s)(!(nosuch=x)))"}, "schema has no attribute nosuch", ""),
    ({"query_filter": "(&(objectClass=nosuch)(mailacceptinggeneralid=%s))"}, "no objectClass nosuch", ""),
    ({"query_filter": "(&(!(objectClass=nosuch))(mailacceptinggeneralid=%s))"}, "no objectClass nosuch", ""),
    ({"query_filter": "(|(mailacceptinggeneralid=x%s)(nosuch=%s))"}, "schema has no attribute nosuch", ""),
    ({"query_filter": "(|(mailacceptinggeneralid=x%s)(objectClass=nosuch))"}, "no objectClass nosuch", ""),
    ({"query_filter": "(&(objectClass=organizationalPerson)(userid=%s)(name=x)(1.2.840.113549.1.9.1;lang-de=y))"}, "", ""),
    ({"result_attribute": "nosuch"}, "result_attribute: the directory's schema has no attribute nosuch", ""),
    ({"result_attribute": "nosuch", "special_result_attribute": "memberdn"}, "has no attribute nosuch", ""),
    ({"result_attribute": "mail", "special_result_attribute": "memberdn"}, "", ""),
])
def test_what_the_schema_does_not_have(ours, theirs, folder, people, settings, ours_says, theirs_says):  # noqa: F811
    """An error of the server's is a failure. An attribute that it does not know is none to it (RFC 4511 section
    4.5.1.7: Undefined): by such a filter it finds nobody, and says success, which Postfix believes."""
    table = table_of(folder, people, settings)
    for postmap, says in ((ours, ours_says), (theirs, theirs_says)):
        done = postmap("-q", "user1@customer.tld", table, cwd=folder)
        assert done.returncode == 1 and done.stdout == ""
        assert (says in done.stderr) and bool(says) == bool(done.stderr)
