# SPDX-License-Identifier: ISC
"""
A directory of the test's own: OpenLDAP's slapd, unpacked by peers.sh, on a free port of loopback and on a
local socket. It can be stopped, frozen, killed and started again.
"""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from daemon import ROOT, free_port, wait_for

UNPACKED = ROOT / "build" / "peers" / "root"
# Options of a table: each question reaches the directory.
FRESH = {"cache_positive": 0, "cache_negative": 0, "stale_ok": 0}

BASE = "o=isp"
MANAGER = "cn=manager,o=isp"
PASSWORD = "secret of the test"

# Recipients as the field keeps them: addresses that are accepted, and where mail for them goes.
SCHEMA = """
attributetype ( 1.3.6.1.4.1.4203.666.71.1.1 NAME 'mailacceptinggeneralid'
    EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.4203.666.71.1.2 NAME 'maildrop'
    EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.4203.666.71.1.3 NAME 'mailtransport'
    EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.4203.666.71.1.4 NAME 'memberdn' SUP distinguishedName )
attributetype ( 1.3.6.1.4.1.4203.666.71.1.5 NAME 'memberurl' SUP labeledURI )
objectclass ( 1.3.6.1.4.1.4203.666.71.2.1 NAME 'mailrecipient' SUP top STRUCTURAL MUST cn
    MAY ( mailacceptinggeneralid $ maildrop $ mailtransport $ memberdn $ memberurl $ mail $ description ) )
"""

CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {folder}/mail.schema
pidfile {folder}/pid
modulepath {modules}
moduleload back_mdb.la
moduleload syncprov.la
{tls}
{more}
database mdb
suffix "{base}"
rootdn "{manager}"
rootpw "{password}"
directory {folder}/data
maxsize 1073741824
dbnosync
index objectClass,entryUUID,entryCSN eq
index cn,mail,mailacceptinggeneralid eq
{overlay}
access to * by * read
"""


def environment():
    libraries = UNPACKED / "usr/lib/x86_64-linux-gnu"
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries), "LDAPNOINIT": "1"}


def require():
    if not (UNPACKED / "usr/sbin/slapd").exists():
        pytest.skip("NO SLAPD: tests/system/peers.sh build/peers was not run")


def entry(dn, **attributes):
    """LDIF of one entry; a value may be a list, and bytes."""
    lines = [f"dn:: {base64.b64encode(dn.encode()).decode()}"]
    for name, values in attributes.items():
        for value in values if isinstance(values, list) else [values]:
            octets = value if isinstance(value, bytes) else value.encode()
            lines.append(f"{name}:: {base64.b64encode(octets).decode()}")
    return "\n".join(lines) + "\n\n"


def recipient(name, **attributes):
    return entry(f"cn={name},{BASE}", objectClass="mailrecipient", cn=name, **attributes)


def recipients(count, domain="customer.tld"):
    """Many of them: user0@, user1@, ..."""
    return "".join(f"dn: cn=user{i},{BASE}\nobjectClass: mailrecipient\ncn: user{i}\n"
                   f"mailacceptinggeneralid: user{i}@{domain}\nmaildrop: box{i}@store.tld\n\n"
                   for i in range(count))


class Directory:
    """.url, .local_url (ldapi), and .tls_url if tls has lines of slapd.conf(5) with a certificate."""

    def __init__(self, folder, ldif="", tls="", more="", address="127.0.0.1", debug="stats",
                 overlay="overlay syncprov", variables=None):
        require()
        folder.mkdir(mode=0o755)
        (folder / "data").mkdir()
        self.folder = folder
        self.address = address
        self.debug = debug
        self.overlay = overlay
        self.variables = variables or {}
        self.port = free_port(address)
        self.tls_port = free_port(address)
        self.has_tls = bool(tls)
        self.url = f"ldap://{address}:{self.port}"
        self.tls_url = f"ldaps://{address}:{self.tls_port}"
        self.local_url = "ldapi://" + str(folder / "socket").replace("/", "%2F")
        self.process = None
        self.configure(tls, more)
        self.load(entry(BASE, objectClass="organization", o="isp") + ldif)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def configure(self, tls="", more=""):
        """Counts from the next start on; more: lines before the database, as in slapd.conf(5)."""
        (self.folder / "mail.schema").write_text(SCHEMA)
        (self.folder / "slapd.conf").write_text(CONFIGURATION.format(
            schemas=UNPACKED / "etc/ldap/schema", modules=UNPACKED / "usr/lib/ldap",
            folder=self.folder, overlay=self.overlay, tls=tls, more=more, base=BASE, manager=MANAGER, password=PASSWORD))

    def load(self, ldif):
        """Only while it is not running."""
        subprocess.run([UNPACKED / "usr/sbin/slapadd", "-q", "-w", "-f", self.folder / "slapd.conf"],
                       input=ldif.encode(), env=environment(), check=True, capture_output=True,
                       timeout=120)

    def dump(self):
        """LDIF of all that it has, with what slapd itself notes of each entry. Only while it is not running."""
        return subprocess.run([UNPACKED / "usr/sbin/slapcat", "-f", self.folder / "slapd.conf"],
                              env=environment(), check=True, capture_output=True, timeout=60).stdout.decode()

    def replace(self, ldif):
        """Another directory in its place. Only while it is not running."""
        for file in (self.folder / "data").iterdir():
            file.unlink()
        self.load(ldif)

    def start(self):
        urls = [self.url, self.local_url] + ([self.tls_url] if self.has_tls else [])
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                [UNPACKED / "usr/sbin/slapd", "-d", self.debug, "-f", self.folder / "slapd.conf",
                 "-h", " ".join(urls)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**environment(), **self.variables})
        wait_for(self.is_up, 30)

    def is_up(self):
        assert self.process.poll() is None, self.output()
        try:
            socket.create_connection((self.address, self.port), 1).close()
            return True
        except OSError:
            return False

    def output(self):
        """A line for each connection, bind and search."""
        return (self.folder / "output").read_text(errors="replace")

    def searches(self):
        return self.output().count(" SRCH base=")

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        self.process.wait(30)

    def freeze(self):
        """Its threads have stopped when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        wait_for(lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
                             for task in tasks.iterdir()))

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.stop(signal.SIGKILL)

    # ---- the witness --------------------------------------------------------------------------------

    def command(self, name, *arguments, ldif=""):
        return subprocess.run(
            [UNPACKED / "usr/bin" / name, "-x", "-H", self.url, "-D", MANAGER, "-w", PASSWORD,
             *arguments],
            input=ldif.encode(), env=environment(), capture_output=True, check=True, timeout=60).stdout

    def change(self, ldif):
        """Entries with changetype, as in ldif(5)."""
        self.command("ldapmodify", ldif=ldif)

    def add(self, ldif):
        self.command("ldapadd", ldif=ldif)

    def remove(self, name):
        self.command("ldapdelete", f"cn={name},{BASE}")

    def values(self, query, attribute, base=BASE):
        """What ldapsearch finds."""
        output = self.command("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, query, attribute)
        found = []
        for line in output.decode().splitlines():
            name, _, value = line.partition(":")
            if name.lower() == attribute.lower():
                found.append(base64.b64decode(value[2:]).decode() if value.startswith(":")
                             else value.strip())
        return found


@contextlib.contextmanager
def slapd_of(ldif, **options):
    with tempfile.TemporaryDirectory(prefix="sluice-ldap-") as folder:
        os.chmod(folder, 0o755)  # the roles have users of their own, and its socket is in there
        with Directory(Path(folder) / "slapd", ldif, **options) as slapd:
            yield slapd


# ---- TLS ----------------------------------------------------------------------------------------


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def certificates_of_a_ca():
    """ca, server, client and expired, each as .pem with .key beside it."""
    with tempfile.TemporaryDirectory(prefix="sluice-certificates-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
        for who, days, subject in (("server", 2, "/CN=127.0.0.1"), ("client", 2, "/CN=joe/O=isp"),
                                   ("expired", -1, "/CN=127.0.0.1")):
            _run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", subject,
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{who}.key",
                "-out", folder / f"{who}.req")
            _run("openssl", "x509", "-req", "-in", folder / f"{who}.req", "-CA", folder / "ca.pem",
                "-CAkey", folder / "ca.key", "-days", str(days), "-copy_extensions", "copy",
                "-out", folder / f"{who}.pem")
            (folder / f"{who}.key").chmod(0o644)  # for the roles' users
        yield folder


def tls_lines(certificates, who):
    return (f"TLSCACertificateFile {certificates}/ca.pem\nTLSCertificateFile {certificates}/{who}.pem\n"
            f"TLSCertificateKeyFile {certificates}/{who}.key\nTLSVerifyClient allow\n")
