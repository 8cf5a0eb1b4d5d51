# SPDX-License-Identifier: ISC
"""
Parameters of ldap_table(5) that no other test of ldap needs: what each does, as slapd sees it, and that Postfix's
table finds the same.
"""

import os

import pytest

from client import send
from daemon import wait_for
from directory import BASE, MANAGER, PASSWORD, certificates_of_a_ca, entry, recipient, slapd_of, tls_lines
from witnesses import ours, theirs  # noqa: F401

BOX = "joe@store.tld\n"
KEY = "joe@customer.tld"
# Whoever comes over the local socket is joe, and may become the other one.
LOCAL = (f'authz-regexp "gidNumber=.*,cn=peercred,cn=external,cn=auth" "cn=joe,{BASE}"\nauthz-policy to')

ENTRIES = (
    entry(f"ou=here,{BASE}", objectClass="organizationalUnit", ou="here")
    + entry(f"cn=alias,ou=here,{BASE}", objectClass=["alias", "extensibleObject"], cn="alias",
            aliasedObjectName=f"cn=joe,{BASE}")
    + entry(f"cn=joe,{BASE}", objectClass=["mailrecipient", "extensibleObject"], cn="joe", maildrop="joe@store.tld",
            mailacceptinggeneralid=KEY, authzTo=f"dn:cn=other,{BASE}")
    + recipient("other")
    + recipient("route", mail="customer.tld", mailtransport="127.0.0.1"))


@pytest.fixture(scope="module")
def files():
    with certificates_of_a_ca() as folder:
        (folder / "authorities").mkdir()
        os.link(folder / "ca.pem", folder / "authorities" / "ca.pem")
        yield folder


@pytest.fixture(scope="module")
def slapd(files):
    with slapd_of(ENTRIES, tls=tls_lines(files, "server"), more=LOCAL) as directory:
        yield directory


@pytest.fixture
def find(ours, theirs, folder, slapd):  # noqa: F811
    """The value that a table of these settings has for the key, and what was said of it."""
    def ask(key=KEY, is_ours_alone=False, **settings):
        settings = {"server_host": slapd.url, "search_base": BASE, "bind": "no", "version": 3, "timeout": 5, **settings}
        (folder / "x.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        done = ours("-q", key, f"ldap:{folder}/x.cf", cwd=folder)
        if not is_ours_alone:
            assert theirs("-q", key, f"ldap:{folder}/x.cf", cwd=folder).stdout == done.stdout
        return done.stdout, done.stderr
    return ask


@pytest.mark.parametrize("dereference", [0, 1, 2, 3])
def test_dereference(find, dereference):
    """1: what is found below the base may be an alias; 2: the base; 3: both."""
    among = find(search_base=f"ou=here,{BASE}", query_filter=f"(mailacceptinggeneralid={KEY})", dereference=dereference)
    base = find(search_base=f"cn=alias,ou=here,{BASE}", query_filter=f"(mailacceptinggeneralid={KEY})", scope="base",
                dereference=dereference)
    assert (among[0] == BOX, base[0] == BOX) == (bool(dereference & 1), bool(dereference & 2))


def test_version(find):
    """slapd does not like a bind of version 2."""
    manager = {"bind": "yes", "bind_dn": MANAGER, "bind_pw": PASSWORD}
    assert find(version=3, **manager)[0] == BOX
    value, said = find(version=2, **manager)
    assert value == "" and "historical protocol version" in said


def test_ciphers(find, slapd):
    """In words of the TLS library that libldap has."""
    assert find(server_host=slapd.tls_url, tls_cipher_suite="NORMAL:-CIPHER-ALL:+AES-128-GCM")[0] == BOX
    assert "tls_ssf=128" in slapd.output()
    value, said = find(server_host=slapd.tls_url, tls_cipher_suite="NONE-OF-THESE")
    assert value == "" and "query error" in said


def test_a_folder_of_authorities(find, files, slapd):
    strict = {"start_tls": "yes", "tls_require_cert": "yes"}
    assert find(**strict, tls_ca_cert_dir=files / "authorities")[0] == BOX
    (files / "none").mkdir()
    value, said = find(**strict, tls_ca_cert_dir=files / "none")
    assert value == "" and "start TLS with" in said


def test_whose_rights(find, slapd):
    local = {"server_host": slapd.local_url, "bind": "sasl", "sasl_mechs": "EXTERNAL"}
    assert find(**local)[0] == BOX
    assert f'BIND dn="cn=joe,{BASE}" mech=EXTERNAL' in slapd.output()
    assert find(**local, sasl_authz_id=f"dn:cn=other,{BASE}")[0] == BOX
    assert f' authzid="dn:cn=other,{BASE}"' in slapd.output()
    value, said = find(**local, sasl_authz_id=f"dn:{MANAGER}")
    assert value == "" and "bind to" in said


def test_strength(find, slapd):
    """What the local socket has is 71."""
    local = {"server_host": slapd.local_url, "bind": "sasl", "sasl_mechs": "EXTERNAL"}
    assert find(**local, sasl_minssf=71, is_ours_alone=True)[0] == BOX
    value, said = find(**local, sasl_minssf=72, is_ours_alone=True)
    assert value == "" and "bind to" in said


def test_what_libldap_does(find):
    assert "ldap_" in find(debuglevel=1)[1]
    assert find()[1] == ""


@pytest.mark.parametrize("name, value", [("cache", "no"), ("cache_expiry", 30), ("cache_size", 30),
                                         ("tls_random_file", "/dev/urandom")])
def test_what_has_no_effect(find, name, value):
    found, said = find(**{name: value})
    assert found == BOX and f"{name} has no effect" in said


# ---- as a table of routes -------------------------------------------------------------------------


def test_mail_goes_where_the_directory_says(make_daemon, sink, slapd):
    """T-77."""
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": ["ldap:routes"],
                   "tables": [{"name": "routes", "plugin": "ldap", "server_host": slapd.url, "search_base": BASE,
                               "bind": "no", "query_filter": "(mail=%d)", "result_attribute": "mailtransport",
                               "result_format": f"relay:[%s]:{sink.port}"}]})
    daemon.start()
    send(daemon.port, recipients=KEY)
    wait_for(lambda: sink.count == 1)
