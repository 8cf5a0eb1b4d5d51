# SPDX-License-Identifier: ISC
"""
The guides in doc/ do what they say (issue 5, point 8). The test is a reader who does what stands there and compares:

  - a block below a line that is a file's name in backquotes becomes that file;
  - of a `console` block each line with a prompt is typed, and what comes is compared with what stands below it, in which
    "..." is anything. A prompt with a host's name, as in "mail$", is that host's: its mail system starts or stops;
  - the `zone` block is what the name server knows; the host in it that is myhostname is this one.

Names, addresses, ports and folders are the guide's own: the reader has a network and folders for himself.
"""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from daemon import BIN, ENVIRONMENT, ROOT
from names import NameServer
from namespaces import own_network, require_mounts
from sink import Sink

GUIDES = sorted((ROOT / "doc").glob("guide-*.md"))
NAME_SERVER = "127.0.0.53"

# The reader's machine: $1 is a folder. Its processes end with the first of them.
MACHINE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-e", "-c", f"""
cp -a /etc "$1/etc"
rm -rf "$1/etc/resolv.conf" "$1/etc/sluice"
echo nameserver {NAME_SERVER} >"$1/etc/resolv.conf"
mount --bind "$1/etc" /etc
for place in /run /var/log /var/spool; do mount -t tmpfs -o mode=755 none $place; done
cd /
exec bash --noprofile --norc"""]

# What only looks may be looked at until it shows what it should: deliveries and DNS take their time.
LOOKS = re.compile(r"(tail|grep|mailq|sluice (queue|site) (list|show)|sluice (status|trace|explain)|postqueue -p)\b")
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
        if self.host != "":
            hosts.do(self.host, self.text)
            return
        end = time.monotonic() + PATIENCE
        while not self._shows(output := shell.run(self.text)):
            assert LOOKS.match(self.text) and time.monotonic() < end, f"line {self.line}: $ {self.text}\n{output}"
            time.sleep(0.2)

    def _shows(self, output):
        pattern = ".*".join(map(re.escape, "\n".join(self.shows).split("...")))
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

    def __init__(self, folder):
        self.process = subprocess.Popen([*MACHINE, "sh", str(folder)], text=True, stdin=subprocess.PIPE,
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


class Hosts:
    """The mail hosts of the zone by their first labels; they start and stop as they are told."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.running = {}

    def do(self, host, command):
        verb = re.fullmatch(r"systemctl (start|stop) postfix", command)[1]
        if verb == "start":
            self.running[host] = Sink(address=self.addresses[host], port=25)
        else:
            self.running.pop(host).close()

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
        hosts = Hosts({name.split(".")[0]: address for name, address in addresses.items()})
        stack.callback(hosts.close)
        shell = Shell(folder)
        stack.callback(shell.close)
        yield shell, hosts


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_what_the_guide_says(path, folder):
    require_mounts()
    guide = path.read_text()
    with reader(guide, folder) as (shell, hosts):
        for step in steps(guide):
            step.do(shell, hosts)
