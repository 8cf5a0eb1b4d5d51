# SPDX-License-Identifier: ISC
"""
The guides in doc/ do what they say (issues 5, point 8, and 6, point 6). The test is a reader who does what stands there
and compares:

  - a block below a line that is a file's name in backquotes becomes that file;
  - of a `console` block each line with a prompt is typed, and what comes is compared with what stands below it, in which
    "..." is anything. A prompt with a host's name, as in "mail$", is that host's: its mail system or directory starts or
    stops. What else is typed there is typed here, since all hosts of the reader's are one machine;
  - the `zone` block is what the name server knows; the host in it that is myhostname is this one.

Names, addresses, ports and folders are the guide's own: the reader has a network and folders for himself.
"""

import contextlib
import re
import subprocess
import threading
import time

import pytest

import peers
from daemon import BIN, ENVIRONMENT, ROOT, wait_for
from names import NameServer
from namespaces import own_network, require_mounts
from sink import Sink

GUIDES = sorted((ROOT / "doc").glob("guide-*.md"))
NAME_SERVER = "127.0.0.53"

# The reader's machine: $1 is a folder, $2 what else is to be done. Its processes end with the first of them.
MACHINE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-e", "-c", f"""
cp -a /etc "$1/etc"
rm -rf "$1/etc/resolv.conf" "$1/etc/sluice"
echo nameserver {NAME_SERVER} >"$1/etc/resolv.conf"
mount --bind "$1/etc" /etc
for place in /run /var/lib /var/log /var/spool; do mount -t tmpfs -o mode=755 none $place; done
cd /
eval "$2"
exec bash --noprofile --norc"""]
# What Debian's slapd is as soon as it is installed, without its first database.
DIRECTORY = f"""
mkdir -p "$1/usr/local/share/doc/sluice"
cp -r {ROOT}/packaging/example "$1/usr/local/share/doc/sluice"
mount -t overlay overlay -o lowerdir="$1/usr":{peers.UNPACKED}/usr:/usr /usr
cp -r {peers.UNPACKED}/etc/ldap {peers.UNPACKED}/etc/default /etc
useradd --system --user-group openldap
mkdir -p /etc/ldap/slapd.d /var/lib/ldap /run/slapd
sed '/^# The database definition/,$d' /usr/share/slapd/slapd.init.ldif | slapadd -n 0 -F /etc/ldap/slapd.d
chown -R openldap: /etc/ldap/slapd.d /var/lib/ldap /run/slapd
"""

# What only looks may be looked at until it shows what it should: deliveries and DNS take their time.
LOOKS = re.compile(r"(tail|grep|curl|mailq|postqueue -p"
                   r"|sluice (status|trace|explain|(queue|site) (list|show)|table (list|stat|query)))\b")
PATIENCE = 30


# ---- the guide ---------------------------------------------------------------------------------------


class File:
    """A file to write."""

    def __init__(self, name, lines):
        self.name = name
        self.text = "".join(f"{line}\n" for line in lines)

    def do(self, shell, _):
        said = shell.run(f"cat >{self.name} <<'END OF FILE'\n{self.text}END OF FILE")
        assert said == "", said


class Command:
    """A command to type, on another host if it is named, and what it shows."""

    def __init__(self, line, host, text):
        self.line = line
        self.host = host
        self.text = text
        self.shows = []

    def do(self, shell, hosts):
        service = re.fullmatch(r"systemctl (start|stop) (postfix|slapd)", self.text)
        if self.host != "" and service is not None:
            hosts.do(self.host, *service.groups())
            return
        end = time.monotonic() + PATIENCE
        while not self._shows(output := shell.run(self.text)):
            assert LOOKS.match(self.text) and time.monotonic() < end, f"line {self.line}: $ {self.text}\n{output}"
            time.sleep(0.2)

    def _shows(self, output):
        pattern = ".*".join(map(re.escape, "\n".join(self.shows).rstrip("\n").split("...")))
        return re.fullmatch(pattern, output.rstrip("\n"), re.DOTALL) is not None


def blocks(guide):
    """(number of the first line, language, file's name or None, lines) of each fenced block."""
    found, above, start = [], "", None
    for number, line in enumerate(guide.splitlines(), 1):
        if start is not None and line == "```":
            found.append((start, language, name, lines))
            above, start = "", None
        elif start is not None:
            lines.append(line)
        elif line.startswith("```"):
            named = re.fullmatch(r"`(/\S+)`:", above)
            start, language, name, lines = number + 1, line[3:], named and named[1], []
        elif line:
            above = line
    assert start is None, f"line {start}: the block does not end"
    return found


def commands(start, lines):
    found = []
    for number, line in enumerate(lines, start):
        prompt = re.match(r"([\w-]*)\$ (.*)", line)
        if prompt is None:
            found[-1].shows.append(line)
        else:
            found.append(Command(number, *prompt.groups()))
    return found


def steps(guide):
    """What to do, in order."""
    for start, language, name, lines in blocks(guide):
        if name is not None:
            yield File(name, lines)
        elif language == "console":
            yield from commands(start, lines)


def zone(guide):
    """(name, type, value) of each record."""
    return [tuple(line.split(None, 2)) for _, language, _, lines in blocks(guide) if language == "zone" for line in lines]


# ---- the reader --------------------------------------------------------------------------------------


class Shell:
    """One shell for the whole guide, in which daemons stay."""

    END = "===end==="

    def __init__(self, folder, more):
        self.process = subprocess.Popen([*MACHINE, "sh", str(folder), more], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**ENVIRONMENT, "PATH": f"{BIN}:{ENVIRONMENT['PATH']}", "LC_ALL": "C"})

    def run(self, command):
        killer = threading.Timer(PATIENCE * 2, self.process.kill)
        killer.start()
        try:
            self.process.stdin.write(f"{{ {command}\n}} </dev/null; echo {self.END}\n")
            self.process.stdin.flush()
            output = ""
            while not output.endswith(f"{self.END}\n"):
                line = self.process.stdout.readline()
                assert line != "", f"{command}: the shell has ended:\n{output}"
                output += line
            return output.removesuffix(f"{self.END}\n")
        finally:
            killer.cancel()

    def close(self):
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


class Slapd:
    """The directory of a host, as Debian's unit starts it. All hosts have the same data, and one local socket."""

    def __init__(self, shell, host, address, has_socket):
        self.shell = shell
        self.pid = shell.run(f"""
            . /etc/default/slapd
            for url in $SLAPD_SERVICES; do case $url in
                ldap:///|ldaps:///) urls="$urls ${{url%/}}{address}/";;
                *) [ -z "{has_socket or ''}" ] || urls="$urls $url";;
            esac; done
            slapd -d none -u openldap -g openldap -F /etc/ldap/slapd.d -h "$urls" >/var/log/{host} 2>&1 &
            echo $!; unset urls""").strip()
        wait_for(lambda: shell.run(f"for port in 389 636; do : >/dev/tcp/{address}/$port && echo up; done 2>/dev/null"))

    def close(self):
        if self.shell.process.poll() is None:  # else it has ended with the shell
            self.shell.run(f"kill {self.pid}; wait {self.pid}")


class Hosts:
    """The other hosts of the zone by their first labels; what runs there starts and stops as it is told."""

    def __init__(self, addresses, shell):
        self.addresses = addresses
        self.shell = shell
        self.running = {}

    def do(self, host, verb, what):
        if verb == "stop":
            self.running.pop(host).close()
        elif what == "slapd":
            has_socket = not any(isinstance(other, Slapd) for other in self.running.values())
            self.running[host] = Slapd(self.shell, host, self.addresses[host], has_socket)
        else:
            self.running[host] = Sink(address=self.addresses[host], port=25)

    def close(self):
        for sink in self.running.values():
            sink.close()


def as_dnsmasq(records):
    for name, kind, value in records:
        name, value = name.rstrip("."), value.rstrip(".")
        if kind == "MX":
            preference, host = value.split()
            yield f"mx-host={name},{host},{preference}"
        else:
            yield f"host-record={name},{value}"


def has_directory(guide):
    return "systemctl start slapd" in guide


@contextlib.contextmanager
def reader(guide, folder):
    """A machine, the network and the name server of the guide."""
    records = zone(guide)
    addresses = {name.rstrip("."): value for name, kind, value in records if kind == "A"}
    us = addresses.pop(re.search(r'^myhostname *= "(.*)"', guide, re.M)[1])
    nets = {re.sub(r"\d+$", "254/24", address) for address in addresses.values()}
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_network(f"{us}/32", *nets))
        names = NameServer(folder / "names", list(as_dnsmasq(records)), address=NAME_SERVER, port=53)
        stack.callback(names.close)
        shell = Shell(folder, DIRECTORY if has_directory(guide) else "")
        stack.callback(shell.close)
        hosts = Hosts({name.split(".")[0]: address for name, address in addresses.items()}, shell)
        stack.callback(hosts.close)
        yield shell, hosts


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_what_the_guide_says(path, folder):
    require_mounts()
    guide = path.read_text()
    if has_directory(guide):
        peers.require()
    with reader(guide, folder) as (shell, hosts):
        for step in steps(guide):
            step.do(shell, hosts)
