# SPDX-License-Identifier: ISC
"""
Mail servers of others that are not installed here: unpacked by peers.sh, and run with what was unpacked
laid over /usr in a mount namespace of their own. Only root can do that.
"""

import os
import socket
import subprocess

import pytest

from daemon import ROOT, free_port, wait_for
from namespaces import has_mounts, with_mounts

UNPACKED = ROOT / "build" / "peers" / "root"
STORE_UID = 65534  # nobody: owns the mailboxes


def can_lay_over():
    return has_mounts() and subprocess.run(
        laid_over(["true"]), capture_output=True, timeout=20).returncode == 0


def laid_over(command, files=None):
    """The command, as it runs with the unpacked packages over /usr, and files over {path: file}."""
    script = f'mount -t overlay overlay -o lowerdir="{UNPACKED}/usr":/usr /usr && '
    script += "".join(f'mount --bind "{file}" "{path}" && ' for path, file in (files or {}).items())
    return with_mounts(script + 'exec "$@"', *command)


def require():
    if not (UNPACKED / "usr/lib/postfix").exists():
        pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
    if not can_lay_over():
        pytest.skip("NOT ROOT, or no overlay mounts: other mail servers cannot be run")


class Server:
    """A server in the foreground that writes its log to a file."""

    def __init__(self, folder, command, port, address="127.0.0.1", files=None):
        require()
        self.folder = folder
        self.address = address
        self.port = port
        self.log_path = folder / "output"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(laid_over(command, files), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        try:
            wait_for(self.is_ready, 30)
        except AssertionError:
            self.close()
            raise AssertionError(f"{command[0]} does not come up:\n{self.log_path.read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def is_ready(self):
        assert self.process.poll() is None, self.log_path.read_text()
        return self.answers()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def mail(self, user):
        """The messages in a mailbox (maildir), each as bytes."""
        return [path.read_bytes() for path in sorted((self.folder / "mail" / user).glob("new/*"))]

    def answers(self):
        try:
            with socket.create_connection((self.address, self.port), 1) as probe:
                probe.settimeout(10)
                return probe.recv(3) == b"220"
        except OSError:
            return False


def make_folder(path, owner=None):
    path.mkdir(mode=0o755)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


class Dovecot(Server):
    """LMTP at .socket and at .port; any user has a mailbox."""

    def __init__(self, folder):
        make_folder(folder)
        make_folder(folder / "mail", STORE_UID)
        self.socket = folder / "run" / "lmtp"
        port = free_port()
        (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
ssl = no
protocols = lmtp
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={STORE_UID} gid={STORE_UID} home={folder}/mail/%n allow_all_users=yes
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        super().__init__(folder, ["dovecot", "-F", "-c", folder / "dovecot.conf"], port)


POSTFIX_SERVICES = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
  -o syslog_name=postfix/$service_name
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
  -o syslog_name=postfix/$service_name
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


# Final for store.tld; joe and jim have mailboxes there.
STORE = {
    "myhostname": "postfix.store.tld", "inet_interfaces": "127.0.0.1", "mydestination": "",
    "mynetworks": "127.0.0.0/8", "alias_maps": "", "virtual_mailbox_domains": "store.tld",
    "virtual_mailbox_maps": "inline:{joe@store.tld=joe/, jim@store.tld=jim/}",
    "virtual_uid_maps": f"static:{STORE_UID}", "virtual_gid_maps": f"static:{STORE_UID}",
    "smtpd_peername_lookup": "no", "smtp_dns_support_level": "disabled",
}


def main_cf(values):
    return "".join(f"{key} = {value}\n" for key, value in values.items())


class Postfix(Server):
    """A real Postfix; settings are added to those of base."""

    def __init__(self, folder, settings=None, base=STORE, address="127.0.0.1", port=None, files=None):
        require()
        make_folder(folder)
        make_folder(folder / "mail", STORE_UID)
        port = port or free_port()
        self.make_queue(folder / "queue")
        make_folder(folder / "data", 1)
        conf = make_folder(folder / "conf")
        (conf / "master.cf").write_text(POSTFIX_SERVICES.format(port=f"{address}:{port}"))
        values = {
            "compatibility_level": "3.6",
            "queue_directory": folder / "queue", "data_directory": folder / "data",
            "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin",
            "shlib_directory": "/usr/lib/postfix", "meta_directory": UNPACKED / "etc/postfix",
            "mail_owner": "daemon", "setgid_group": "games", "default_privs": "nobody",
            "inet_protocols": "ipv4",
            "maillog_file": folder / "log", "maillog_file_prefixes": folder,
            "virtual_mailbox_base": folder / "mail",
            "in_flow_delay": "0", **base, **(settings or {}),
        }
        (conf / "main.cf").write_text(main_cf(values))
        super().__init__(folder, ["/usr/lib/postfix/sbin/master", "-d", "-c", conf], port, address,
                         files)

    @staticmethod
    def make_queue(queue):
        make_folder(queue)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                     "incoming", "private", "saved", "trace", "public", "maildrop"):
            make_folder(queue / name, 1)
        make_folder(queue / "pid")

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
