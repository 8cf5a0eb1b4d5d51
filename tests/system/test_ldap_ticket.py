# SPDX-License-Identifier: ISC
"""
bind = sasl with GSSAPI: a Kerberos realm of the test's own, on a free port of loopback; what goes over the connection
is encrypted by SASL.
"""

import re
import socket
import subprocess

import pytest

from daemon import ENVIRONMENT, free_port, wait_for
from directory import BASE, UNPACKED, environment, recipient, recipients, slapd_of
from witnesses import ours  # noqa: F401

LIBRARIES = UNPACKED / "usr/lib/x86_64-linux-gnu"
CLIENT = """
[libdefaults]
    default_realm = TEST
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
[realms]
    TEST = {{
        kdc = 127.0.0.1:{port}
    }}
[dbmodules]
    db_module_dir = {libraries}/krb5/plugins/kdb
"""
SERVER = """
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    TEST = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
    }}
"""


class Realm:
    """.service and .client: variables of the server, and of sluice, who may have a ticket."""

    def __init__(self, folder):
        if not (UNPACKED / "usr/sbin/krb5kdc").exists():
            pytest.skip("NO KERBEROS: tests/system/peers.sh build/peers was not run")
        self.port = free_port()
        words = {"port": self.port, "folder": folder, "libraries": LIBRARIES}
        (folder / "krb5.conf").write_text(CLIENT.format(**words))
        (folder / "kdc.conf").write_text(SERVER.format(**words))
        self.common = {"KRB5_CONFIG": str(folder / "krb5.conf"), "SASL_PATH": str(LIBRARIES / "sasl2")}
        self.environment = {**environment(), **self.common, "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        self.run("kdb5_util", "create", "-s", "-P", "master")
        # libldap has the machine's own name for a server on loopback.
        for name in sorted({f"ldap/{socket.gethostname()}", f"ldap/{socket.getfqdn()}", "sluice"}):
            self.run("kadmin.local", "addprinc", "-randkey", name)
            self.run("kadmin.local", "ktadd", "-k", folder / f"{name.partition('/')[0]}.keytab", name)
        self.service = {**self.common, "KRB5_KTNAME": str(folder / "ldap.keytab")}
        self.client = {**self.common, "KRB5_CLIENT_KTNAME": str(folder / "sluice.keytab"), "KRB5CCNAME": "MEMORY:"}

    def run(self, name, *arguments):
        subprocess.run([UNPACKED / "usr/sbin" / name, *arguments], env=self.environment, check=True,
                       capture_output=True, timeout=60)

    def __enter__(self):
        self.process = subprocess.Popen([UNPACKED / "usr/sbin/krb5kdc", "-n"], env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.is_up)
        return self

    def is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def realm(folder):
    (folder / "realm").mkdir(mode=0o755)
    with Realm(folder / "realm") as made:
        yield made


def test_a_ticket(ours, folder, realm, monkeypatch):  # noqa: F811
    """Short answers and long ones, one after the other, in what SASL makes of them."""
    boxes = [f"one-of-many-mailboxes-{number}@store.tld" for number in range(1500)]
    entries = recipients(100) + recipient("many", mailacceptinggeneralid="many@customer.tld", maildrop=boxes)
    with slapd_of(entries, more="sasl-secprops minssf=56", variables=realm.service) as slapd:
        (folder / "x.cf").write_text(
            f"server_host = {slapd.url}\nsearch_base = {BASE}\nbind = sasl\nsasl_mechs = GSSAPI\ntimeout = 20\n")
        table = f"ldap:{folder}/x.cf"
        without = ours("-q", "user1@customer.tld", table, cwd=folder)
        assert without.returncode == 1 and f"bind to {slapd.url}: " in without.stderr
        for name, value in realm.client.items():
            monkeypatch.setitem(ENVIRONMENT, name, value)
        keys = [f"user{number}@customer.tld" for number in range(100)]
        done = ours("-q", "-", table, cwd=folder, stdin="\n".join([*keys[:50], "many@customer.tld", *keys[50:], "none"]))
        assert done.stderr == ""
        found = dict(line.split("\t") for line in done.stdout.splitlines())
        assert set(found.pop("many@customer.tld").split(",")) == set(boxes)
        assert found == {key: key.replace("user", "box").replace("customer", "store") for key in keys}
        assert re.search(r'BIND dn="uid=sluice,cn=gssapi,cn=auth" mech=GSSAPI bind_ssf=(?!0 )\d+ ', slapd.output())


def test_a_directory_that_is_asked_by_a_role(make_daemon, realm):
    """It has Kerberos' variables of the daemon's, and not all that there are."""
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["ldap:domains"], "tables": [{"name": "domains", "plugin": "ldap"}]})
    daemon.start(environment=realm.client)
    (pid,) = [pid for name, pid in daemon.roles().items() if name.startswith("lookup")]
    with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
        has = dict(variable.split("=", 1) for variable in file.read().split("\0") if variable)
    assert {name: value for name, value in has.items() if name in realm.client} == {
        name: value for name, value in realm.client.items() if name != "SASL_PATH"}
