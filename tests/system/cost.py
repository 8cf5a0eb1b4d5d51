#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
What a message costs each role, counted: user instructions (by callgrind) and system calls (by strace); and
what memory an idle session costs. None of it depends on how fast or busy the machine is.

    tests/system/cost.py [--functions FOLDER]

prints the figures as cost.txt has them, for a release build in build/release; test_cost.py compares. With
--functions, callgrind's profiles of the load `together` go to FOLDER, for callgrind_annotate. As root.

Two loads, each of 4 KiB messages over connections that are kept:
  alone     one message after the other has gone: what each wake-up costs
  together  50 at a time: what they share. Roles are stopped and go on one by one, so that each finds
            all its work at once, on any machine
"""

import argparse
import contextlib
import itertools
import os
import re
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from client import Client
from daemon import ROOT, Daemon, wait_for
from sink import Sink

ROLES = ("receive", "queue", "deliver")
BUILD = ROOT / "build" / "release"
NOBODY = 65534
IDLE = 500  # sessions
TOGETHER = 50
ROUNDS = {"alone": 50, "together": 4}
MESSAGES = {"alone": 50, "together": 4 * TOGETHER}
CONTENT = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
CONTENT += (b"y" * 70 + b"\r\n") * ((4096 - len(CONTENT)) // 72)
WORDS = (b"MAIL FROM:<s@isp.example>\r\nRCPT TO:<user@customer.tld>\r\nBDAT %d LAST\r\n"
         % len(CONTENT)) + CONTENT


def build():
    """Brings the release build up to date."""
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


# ---- the load ------------------------------------------------------------------------------------


class Relay:
    """A daemon with one process for each role, and a sink behind it. owner: whose the folder is to be."""

    def __init__(self, folder, tool=(), owner=0):
        self.sink = Sink(keep=False)
        self.daemon = Daemon(folder, start=False, build=BUILD)
        self.daemon.change({
            "relay_domains": ["customer.tld"], "receive_processes": 1, "deliver_processes": 1,
            "connection_cache_time_limit": 600, "default_destination_concurrency_limit": TOGETHER,
            "smtpd_client_connection_count_limit": 0,
            "transport_maps": [self.daemon.table("transport", f"customer.tld relay:{self.sink.nexthop}\n")]})
        subprocess.run(["chown", "-R", str(owner), folder], check=True)
        self.daemon.start(tool=tool)
        self.pids = {name.split()[0]: pid for name, pid in self.daemon.roles().items()}
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.finish()
        self.sink.close()

    def has_gone(self):
        return self.daemon.log().count(": removed") >= self.sent

    def send(self, clients):
        self.sent += len(clients)
        for client in clients:
            client.send(WORDS)

    @staticmethod
    def take_replies(clients):
        for client in clients:
            replies = [client.reply() for _ in range(3)]
            assert replies[2].startswith("250 2.0.0 Ok"), replies

    def alone(self, clients):
        self.send(clients[:1])
        self.take_replies(clients[:1])
        wait_for(self.has_gone, step=0.002)

    def together(self, clients):
        for role in ROLES:
            os.kill(self.pids[role], signal.SIGSTOP)
        self.send(clients)
        for role in ROLES:
            os.kill(self.pids[role], signal.SIGCONT)
            self.wait_until_quiet(role)
        self.take_replies(clients)
        wait_for(self.has_gone)

    def wait_until_quiet(self, role):
        """Until all of its threads have waited for a while, with nothing done in between."""
        def state():
            tasks = Path(f"/proc/{self.pids[role]}/task").glob("*/status")
            return re.findall(r"(?:State:|ctxt_switches:)\s*(\w+)", "".join(task.read_text() for task in tasks))

        before, quiet = state(), 0
        while quiet < 4:
            time.sleep(0.01)
            now = state()
            is_quiet = now == before and set(now[::3]) == {"S"}
            quiet, before = (quiet + 1 if is_quiet else 0), now

    def run(self, load, rounds, meanwhile=contextlib.nullcontext):
        """The load, after as much of it as opens all connections."""
        step = getattr(self, load)
        clients = [Client(self.daemon.port) for _ in range(TOGETHER)]
        self.together(clients)
        with meanwhile():
            for _ in range(rounds):
                step(clients)
        for client in clients:
            client.close()


# ---- counting ------------------------------------------------------------------------------------


def count_calls(folder, load):
    """{role: {system call: times}} of a load."""
    counted = {}

    @contextlib.contextmanager
    def strace():
        running = {}
        for role in ROLES:
            out = Path(folder) / f"strace-{load}.{role}"
            running[role] = out, subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out, "-p",
                                                   str(relay.pids[role])], stderr=subprocess.DEVNULL)
            wait_for(lambda: is_traced(relay.pids[role]))
        yield
        for role, (out, process) in running.items():
            process.send_signal(signal.SIGINT)
            process.wait(20)
            lines = re.findall(r"^\s*(\d+) (\w+)$", out.read_text(), re.M)
            counted[role] = {name: int(count) for count, name in lines if name != "total"}

    with Relay(Path(folder) / f"calls-{load}") as relay:
        relay.run(load, ROUNDS[load], strace)
    return counted


def is_traced(pid):
    """With all its threads."""
    return all("TracerPid:\t0" not in task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status"))


def under_callgrind(out):
    return ["valgrind", "--tool=callgrind", "--vgdb=no", "--trace-children=yes", f"--callgrind-out-file={out}"]


def count_instructions(folder, load, rounds):
    """{role: user instructions}, from its start to its end."""
    with Relay(Path(folder) / f"instructions-{load}-{rounds}", under_callgrind("/dev/null")) as relay:
        relay.run(load, rounds)
    found = dict(re.findall(r"==(\d+)== Collected : (\d+)", relay.daemon.log()))
    return {role: int(found[str(relay.pids[role])]) for role in ROLES}


def profile_functions(folder, out):
    """A file for each role. Callgrind opens it twice, before and after the role has dropped its rights: run as
    an ordinary user, it drops none."""
    out.mkdir(exist_ok=True)
    os.chown(out, NOBODY, NOBODY)
    tool = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *under_callgrind(out.resolve() / "%p")]
    with Relay(Path(folder) / "functions", tool, NOBODY) as relay:
        relay.run("together", 20)
        for role, pid in relay.pids.items():
            print(f"callgrind_annotate {out}/{pid}  # {role}")


def memory_kib(pid):
    """Proportional set size."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def count_idle_kib(folder):
    """Of receive, for a session after EHLO."""
    with Relay(Path(folder) / "idle") as relay:
        relay.run("together", 1)
        before = memory_kib(relay.pids["receive"])
        clients = [Client(relay.daemon.port) for _ in range(IDLE)]
        grown = memory_kib(relay.pids["receive"]) - before
        for client in clients:
            client.close()
    return grown / IDLE


def measure(folder):
    """
    {(load, counted, role): figure for a message, or a session}, and of the calls the most frequent, in words. What more
    messages cost more is what they cost.
    """
    figures, words = {}, {}
    with ThreadPoolExecutor(2) as pool:
        started = pool.submit(count_instructions, folder, "together", 0)
        loaded = {load: pool.submit(count_instructions, folder, load, ROUNDS[load]) for load in ROUNDS}
        calls = {load: pool.submit(count_calls, folder, load) for load in ROUNDS}
        for load, role in itertools.product(ROUNDS, ROLES):
            number = MESSAGES[load]
            counts = sorted(calls[load].result()[role].items(), key=lambda item: -item[1])
            figures[load, "calls", role] = sum(count for _, count in counts) / number
            words[load, "calls", role] = ", ".join(f"{name} {count / number:.2f}" for name, count in counts[:12])
            figures[load, "kinstructions", role] = \
                (loaded[load].result()[role] - started.result()[role]) / number / 1000
    figures["idle", "kib", "receive"] = count_idle_kib(folder)
    return figures, words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--functions", type=Path)
    options = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if options.functions is not None:
            profile_functions(folder, options.functions)
        else:
            figures, words = measure(folder)
            for key, figure in figures.items():
                print(f"{' '.join(key):32}{figure:8.2f}  {words.get(key, '')}".rstrip())


if __name__ == "__main__":
    main()
