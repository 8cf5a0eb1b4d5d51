# SPDX-License-Identifier: ISC
"""
The table ldap against the real slapd: spec T-70 to T-77, each answer what ldapsearch finds, and faults of
the directory that are never "not found".

What a table says of an address is read from the reply to RCPT: with relocated_maps the value is in it.
"""

import concurrent.futures
import itertools
import re
import signal
import subprocess

import pytest

from client import LATER, Client
from daemon import BIN, ENVIRONMENT, wait_for
from directory import (BASE, FRESH, MANAGER, PASSWORD, certificates_of_a_ca, entry, recipient, slapd_of,
                       tls_lines)

MOVED = "550 5.1.6 <{}>: Recipient address rejected: User has moved to {}"
NOTHING = "250 2.1.5 Ok"

PEOPLE = (
    recipient("joe", mailacceptinggeneralid="joe@customer.tld", maildrop="joe@store.tld")
    + recipient("two", mailacceptinggeneralid="two@customer.tld", maildrop=["a@store.tld", "b@store.tld"])
    + recipient("first", mailacceptinggeneralid="both@customer.tld", maildrop="x@store.tld")
    + recipient("second", mailacceptinggeneralid="both@customer.tld", maildrop="y@store.tld")
    + recipient("bare", mailacceptinggeneralid="bare@customer.tld")
    + recipient("odd", mailacceptinggeneralid="o(d)d*\\@customer.tld", maildrop="odd@store.tld")
    + recipient("secret", mailacceptinggeneralid="nobody", maildrop="secret@store.tld")
    + recipient("plain", mailacceptinggeneralid="plain@customer.tld", maildrop="word")
    # groups: members by DN and by URL, a member that is gone, and one group in another
    + recipient("inner", maildrop="inner@store.tld", memberdn=f"cn=joe,{BASE}")
    + recipient("group", mailacceptinggeneralid="group@customer.tld",
                memberdn=[f"cn=joe,{BASE}", f"cn=gone,{BASE}", f"cn=inner,{BASE}"],
                memberurl=f"ldap:///{BASE}?maildrop?sub?(cn=two)", description="leaf@store.tld")
    + recipient("final", mailacceptinggeneralid="final@customer.tld", maildrop="no@store.tld",
                mailtransport="only@store.tld", memberdn=f"cn=joe,{BASE}")
    + recipient("leaf", mailacceptinggeneralid="leaf@customer.tld", description="leaf@store.tld")
    + recipient("loop", mailacceptinggeneralid="loop@customer.tld", memberdn=f"cn=loop,{BASE}")
    + entry(f"ou=a.b,{BASE}", objectClass="organizationalUnit", ou="a.b")
    + entry(f"cn=deep,ou=a.b,{BASE}", objectClass="mailrecipient", cn="deep",
            mailacceptinggeneralid="deep@a.b", maildrop="deep@store.tld")
    + recipient("many", mailacceptinggeneralid="many@customer.tld",
                maildrop=[f"one-of-many-mailboxes-{number}@store.tld" for number in range(1500)])
)


@pytest.fixture(scope="module")
def people():
    with slapd_of(PEOPLE) as slapd:
        yield slapd


@pytest.fixture
def ask(make_daemon):
    """A daemon with a table of these settings, and what it answers to RCPT."""
    def start(slapd, named=False, more=None, **settings):
        daemon = make_daemon(start=False)
        options = {"server_host": slapd.url, "search_base": BASE, "version": 3, "bind": "no",
                   **settings}
        daemon.change({"relay_domains": ["customer.tld", "a.b", "other.tld"],
                       "transport_maps": ["inline:{customer.tld=relay:[127.0.0.1]:9}"], **(more or {})})
        if named:
            daemon.change({"relocated_maps": ["ldap:staff"],
                           "tables": [{"name": "staff", "plugin": "ldap", **FRESH, **options}]})
        else:
            path = daemon.folder / "ldap.cf"
            path.write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
            daemon.change({"relocated_maps": [f"ldap:{path}"]})
        daemon.start()

        def rcpt(address):
            with Client(daemon.port) as client:
                client.expect("MAIL FROM:<s@else.tld>", "250")
                return client.command(f"RCPT TO:<{address}>")

        rcpt.daemon = daemon
        return rcpt

    return start


def values_of(reply, address):
    prefix = MOVED.format(address, "")
    assert reply.startswith(prefix), reply
    return reply.removeprefix(prefix).split(",")


def test_answers_are_ldapsearchs(ask, people):
    """T-72, T-74, T-75, T-76: several values and entries, case, keys with characters that mean something."""
    rcpt = ask(people)
    for address in ("joe@customer.tld", "two@customer.tld", "both@customer.tld"):
        expected = people.values(f"(mailacceptinggeneralid={address})", "maildrop")
        assert sorted(values_of(rcpt(address), address)) == sorted(expected)
    assert rcpt("JOE@Customer.TLD") == MOVED.format("JOE@Customer.TLD", "joe@store.tld")
    for address in ("bare@customer.tld", "none@customer.tld", "*@customer.tld", "joe*@customer.tld",
                    '"joe)(cn=*"@customer.tld', '"*)(mailacceptinggeneralid=nobody"@customer.tld'):
        assert rcpt(address) == NOTHING, address
    assert "secret" not in rcpt.daemon.log()


@pytest.mark.parametrize("bind", ["no", False, True, "simple"])
def test_a_group_of_the_configuration(ask, people, bind):
    rcpt = ask(people, named=True, bind=bind, server_host=[people.url], result_attribute=["maildrop", "sn"])
    assert rcpt("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld")
    assert rcpt("none@customer.tld") == NOTHING


@pytest.mark.parametrize("settings, address, value", [
    ({"query_filter": "(&(cn=%u)(mailacceptinggeneralid=%s))"}, "joe@customer.tld", "joe@store.tld"),
    ({"query_filter": "(mailacceptinggeneralid=%U@%D)"}, "joe@customer.tld", "joe@store.tld"),
    ({"query_filter": "(mailacceptinggeneralid=%u@%2.%1)"}, "joe@customer.tld", "joe@store.tld"),
    ({"query_filter": "(mailacceptinggeneralid=%u@%3.%1)"}, "joe@customer.tld", None),
    ({"query_filter": "(&(cn=%u)(!(cn=100%%)))"}, "joe@customer.tld", "joe@store.tld"),
    ({"search_base": f"ou=%d,{BASE}"}, "deep@a.b", "deep@store.tld"),
    ({"search_base": f"cn=joe,{BASE}", "scope": "base"}, "joe@customer.tld", "joe@store.tld"),
    ({"scope": "one"}, "joe@customer.tld", "joe@store.tld"),
    ({"scope": "one"}, "deep@a.b", None),
    ({"domain": "other.tld, customer.tld"}, "joe@customer.tld", "joe@store.tld"),
    ({"domain": "other.tld"}, "joe@customer.tld", None),
    ({"result_format": "<%s> %u %d %S %U %D %2 %%"}, "joe@customer.tld",
     "<joe@store.tld> joe store.tld joe@customer.tld joe customer.tld customer %"),
    ({"result_format": "%d"}, "plain@customer.tld", None),
    ({"result_filter": "old:%s"}, "joe@customer.tld", "old:joe@store.tld"),
    ({"result_attribute": "cn"}, "joe@customer.tld", "joe"),
])
def test_templates(ask, people, settings, address, value):
    """T-70, T-71."""
    assert ask(people, **settings)(address) == (MOVED.format(address, value) if value else NOTHING)


def test_special_attributes(ask, people):
    """DNs and URLs are searched in turn; a DN that is gone has no values."""
    rcpt = ask(people, special_result_attribute="memberdn, memberurl", leaf_result_attribute="description",
               terminal_result_attribute="mailtransport")
    assert sorted(values_of(rcpt("group@customer.tld"), "group@customer.tld")) == sorted(
        ["joe@store.tld", "inner@store.tld", "joe@store.tld", "a@store.tld", "b@store.tld"])
    assert rcpt("final@customer.tld") == MOVED.format("final@customer.tld", "only@store.tld")
    assert rcpt("leaf@customer.tld") == MOVED.format("leaf@customer.tld", "leaf@store.tld")
    assert rcpt("loop@customer.tld") == LATER.format("loop@customer.tld")
    rcpt.daemon.wait_for_log("Recursion limit exceeded for key: 'loop@customer.tld'")


@pytest.mark.parametrize("settings, address, text", [
    ({"search_base": "o=nowhere"}, "joe@customer.tld", "No such object"),
    ({"query_filter": "(mailacceptinggeneralid=%s"}, "joe@customer.tld", "Bad search filter"),
    ({"expansion_limit": 1}, "two@customer.tld", "Expansion limit exceeded for key: 'two@customer.tld'"),
    ({"size_limit": 1}, "both@customer.tld", "Size limit exceeded"),
    ({"bind": "yes", "bind_dn": MANAGER, "bind_pw": "wrong"}, "joe@customer.tld", "Invalid credentials"),
    ({"server_host": "ldap://127.0.0.1:9"}, "joe@customer.tld", "Can't contact LDAP server"),
])
def test_failures_are_temporary(ask, people, settings, address, text):
    """T-76: each failure is 451 with a line in the log that says why."""
    rcpt = ask(people, **settings)
    assert rcpt(address) == LATER.format(address)
    rcpt.daemon.wait_for_log(text)


@pytest.mark.parametrize("settings, text", [
    ({"query_filter": "(cn=%z)"}, "Invalid query template"),
    ({"bind": "perhaps"}, "bind: wants"),
    ({"timeout": "soon"}, "line .: timeout: bad value"),
    ({"server_host": "ldap://a:x"}, 'line 1: server_host: "ldap://a:x" is neither a host nor an LDAP URL'),
    ({"connection_limit": 9}, "connection_limit: wants 1 to 8"),
])
def test_settings_that_are_wrong(ask, people, settings, text):
    """T-73; the table is unavailable, and the rest works (T-8)."""
    rcpt = ask(people, **settings)
    assert rcpt("joe@customer.tld") == LATER.format("joe@customer.tld")
    rcpt.daemon.wait_for_log(text)


def test_a_name_that_is_none(ask, people):
    """As in Postfix it has no effect, but it is said: it may be a misspelt one."""
    rcpt = ask(people, query_filer="(cn=two)", query_filter="(cn=joe)")
    assert rcpt("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld")
    rcpt.daemon.wait_for_log("line 5: query_filer: no such parameter")


def check(daemon):
    return subprocess.run([BIN / "sluiced", "-t", "-c", daemon.config], capture_output=True, text=True,
                          timeout=60, env=ENVIRONMENT).stderr


@pytest.mark.parametrize("settings, text", [
    ({"query_filter": "(cn=%z)"}, "Invalid query template"),
    ({"server_host": ["ldap://a", "http://b"]}, 'server_host: "http://b" is neither a host nor an LDAP URL'),
])
def test_a_group_that_is_wrong_is_checked(make_daemon, settings, text):
    """Also that of a table which another process has, as directories are by default."""
    daemon = make_daemon(start=False)
    daemon.change({"relocated_maps": ["ldap:staff"], "tables": [{"name": "staff", "plugin": "ldap", **settings}]})
    lines = daemon.config.read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if line.startswith("tables"))
    assert f"{daemon.config}:{line}: warning: table ldap:staff cannot be opened: ldap: {text}" in check(daemon)


def test_a_file_that_is_wrong_is_checked(make_daemon):
    daemon = make_daemon(start=False)
    path = daemon.folder / "ldap.cf"
    path.write_text(f"search_base = {BASE}\nserver_host = localhost,\n    ldap:/b\n")
    daemon.change({"relocated_maps": [f"ldap:{path}"]})
    assert f'{path}, line 2: server_host: "ldap:/b" is neither a host nor an LDAP URL' in check(daemon)


def test_who_asks_for_others_leaves_complaints_to_them(ask, people):
    """The process that has the table knows what is wrong with it, and when that is over."""
    rcpt = ask(people, named=True, server_host="ldap://127.0.0.1:9")
    assert rcpt("joe@customer.tld") == LATER.format("joe@customer.tld")
    rcpt.daemon.wait_for_log(r"lookup\[\d+\]: warning: connect to ldap://127.0.0.1:9")
    rcpt.daemon.wait_for_log(r"smtpd\[\d+\]: warning: RCPT from .*: connect to ldap://127.0.0.1:9")
    assert not re.search(r"smtpd\[\d+\]: warning: connect to ldap", rcpt.daemon.log())


@pytest.mark.parametrize("settings", [
    {"bind": "yes", "bind_dn": MANAGER, "bind_pw": PASSWORD},
    {"bind": "simple", "bind_dn": MANAGER, "bind_pw": PASSWORD},
    {"bind": "yes"},
    {"server_host": "LOCAL"},
    {"server_host": "LOCAL", "bind": "sasl", "sasl_mechs": "EXTERNAL"},
    {"server_host": "127.0.0.1", "server_port": "PORT"},
    {"server_host": "ldap://127.0.0.1:9 URL"},
    {"server_host": "127.0.0.1:9, 127.0.0.1:PORT"},
])
def test_ways_to_a_server(ask, people, settings):
    """Servers are tried in order, and the first that is there answers."""
    settings = {key: value.replace("LOCAL", people.local_url).replace("URL", people.url).replace(
        "PORT", str(people.port)) for key, value in settings.items()}
    assert ask(people, **settings)("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld")


def test_a_changed_file_counts(ask, people):
    rcpt = ask(people, query_filter="cn=joe")
    assert "to joe@store.tld" in rcpt("first@customer.tld")
    path = rcpt.daemon.folder / "ldap.cf"
    path.write_text(path.read_text() + "result_format = new:%s\n")
    number = itertools.count()  # of addresses none of which has an answer yet
    wait_for(lambda: "to new:joe@store.tld" in rcpt(f"u{next(number)}@customer.tld"))


# ---- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates():
    with certificates_of_a_ca() as folder:
        yield folder


@pytest.fixture(scope="module")
def secure(certificates):
    with slapd_of(PEOPLE, tls=tls_lines(certificates, "server")) as slapd:
        yield slapd


@pytest.mark.parametrize("settings", [
    {"server_host": "LDAPS"},
    {"start_tls": "yes"},
    {"server_host": "LDAPS", "tls_require_cert": "yes", "tls_ca_cert_file": "CA"},
    {"start_tls": "yes", "tls_require_cert": "yes", "tls_ca_cert_file": "CA", "version": 2},
    {"start_tls": "yes", "tls_cert": "CERT", "tls_key": "KEY", "bind": "sasl", "sasl_mechs": "EXTERNAL"},
])
def test_tls(ask, secure, certificates, settings):
    names = {"LDAPS": secure.tls_url, "CA": certificates / "ca.pem", "CERT": certificates / "client.pem",
             "KEY": certificates / "client.key"}
    settings = {key: names.get(value, value) for key, value in settings.items()}
    assert ask(secure, **settings)("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld")
    assert " tls_ssf=256 ssf=256" in secure.output() or "TLS established" in secure.output()
    if "tls_cert" in settings:
        assert 'mech=EXTERNAL' in secure.output() and "cn=joe" in secure.output()


@pytest.mark.parametrize("url", ["url", "local_url", "tls_url"])
def test_an_answer_longer_than_what_is_read_at_once(ask, secure, url):
    """In pieces, while short ones come and go on the same connection."""
    rcpt = ask(secure, server_host=getattr(secure, url), more={"receive_processes": 1})
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(rcpt, ["many@customer.tld", "joe@customer.tld"] * 20))
    assert set(replies[1::2]) == {MOVED.format("joe@customer.tld", "joe@store.tld")}
    assert len(set(replies[::2])) == 1 and "one-of-many-mailboxes-0@store.tld" in replies[0]
    values = rcpt.daemon.command("postmap", "-q", "many@customer.tld", f"ldap:{rcpt.daemon.folder}/ldap.cf")
    assert values.stdout.count("one-of-many-mailboxes-") == 1500


def test_a_file_that_is_not_there_is_named(ask, secure):
    rcpt = ask(secure, server_host=secure.tls_url, tls_ca_cert_file="/nowhere/ca.pem", tls_require_cert="yes")
    assert rcpt("joe@customer.tld") == LATER.format("joe@customer.tld")
    rcpt.daemon.wait_for_log("warning: tls_ca_cert_file: open /nowhere/ca.pem: No such file or directory")


def test_a_certificate_that_is_not_good(ask, secure, certificates):
    """Nobody signed it that we know; it has expired; it is asked for only if it is to be."""
    unknown = ask(secure, start_tls="yes", tls_require_cert="yes", tls_ca_cert_file=certificates / "client.pem")
    assert unknown("joe@customer.tld") == LATER.format("joe@customer.tld")
    unknown.daemon.wait_for_log("start TLS with .*: its certificate has expired, or is not signed by one of tls_ca")
    with slapd_of(PEOPLE, tls=tls_lines(certificates, "expired")) as slapd:
        strict = {"server_host": slapd.tls_url, "tls_ca_cert_file": certificates / "ca.pem"}
        assert ask(slapd, tls_require_cert="yes", **strict)("joe@customer.tld") == LATER.format("joe@customer.tld")
        assert "joe@store.tld" in ask(slapd, **strict)("joe@customer.tld")


# ---- many ---------------------------------------------------------------------------------------


def test_many_sessions_share_connections(ask, people):
    """However many processes look up, and how many at once, connection_limit is the limit."""
    rcpt = ask(people, connection_limit=1)
    before = people.output().count(" ACCEPT ")
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(rcpt, [f"u{i}@customer.tld" for i in range(300)]))
    assert set(replies) == {NOTHING}
    assert people.output().count(" ACCEPT ") - before == 1


def test_referrals(ask, people):
    """Followed only if that is wanted, and never with our password."""
    parts = entry(f"ou=elsewhere,{BASE}", objectClass=["referral", "extensibleObject"], ou="elsewhere",
                  ref=f"{people.url}/cn=joe,{BASE}??base")
    with slapd_of(parts) as slapd:
        assert ask(slapd)("joe@customer.tld") == NOTHING
        rcpt = ask(slapd, chase_referrals="yes", bind="yes", bind_dn=MANAGER, bind_pw=PASSWORD)
        binds = people.output().count(" BIND ")
        assert rcpt("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld")
        assert people.output().count(" BIND ") == binds
    with slapd_of(f"dn: ou=round,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: round\n"
                  f"ref: ldap://127.0.0.1:9/{BASE}??sub\n\n") as slapd:
        rcpt = ask(slapd, chase_referrals="yes")
        assert rcpt("joe@customer.tld") == LATER.format("joe@customer.tld")


# ---- faults -------------------------------------------------------------------------------------


@pytest.fixture
def own():
    with slapd_of(PEOPLE) as slapd:
        yield slapd


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
def test_outage(ask, own, how):
    """Down, killed, frozen: 451, not 550; and it comes back by itself."""
    rcpt = ask(own, named=True, timeout=2, connect_timeout=1)
    assert "joe@store.tld" in rcpt("joe@customer.tld")
    {"stop": own.stop, "kill": lambda: own.stop(signal.SIGKILL), "freeze": own.freeze}[how]()
    for address in ("joe@customer.tld", "none@customer.tld"):
        assert rcpt(address) == LATER.format(address)
    own.thaw() if how == "freeze" else own.start()
    wait_for(lambda: rcpt("joe@customer.tld") == MOVED.format("joe@customer.tld", "joe@store.tld"))
    wait_for(lambda: rcpt("none@customer.tld") == NOTHING)  # it may ask another process


def test_a_connection_that_the_server_closes(ask, own):
    """idletimeout: the next look-up finds out and connects again (T-76)."""
    own.stop()
    own.configure(more="idletimeout 1")
    own.start()
    rcpt = ask(own, named=True)
    for _ in range(3):
        assert "joe@store.tld" in rcpt("joe@customer.tld")
        closed = own.output().count(" closed (idletimeout)")
        wait_for(lambda: own.output().count(" closed (idletimeout)") > closed)
    assert "ldap" not in rcpt.daemon.log()
