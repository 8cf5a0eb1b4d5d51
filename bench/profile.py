#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Where the time goes: what each role spends on a message while mail flows, in the kernel by system call and
outside by function; or how many system calls it makes.

    bench/profile.py [--load NAME] [--messages N] [--sessions N] [--store log|bdb] [--top N] [--calls]

Loads: one (a message for each connection), many, large (100 KB, many), hold (for 200 domains, many). With
--calls system calls are counted, else time is sampled; both by perf, as root. Builds as bench/measure.py
does. Counting does not slow the roles down by much, but the load shares the machine with them: the more
there is to do at a time, the more a call does (--sessions 1: what a message alone takes).
"""

import argparse
import collections
import re
import shutil
import signal
import subprocess
import sys
import time

from places import BUILD, build

from load import Sink, source
from mtas import KINDS
from processes import cpu_seconds, is_idle, role, tree

from daemon import wait_for

LOADS = {
    # name: (transport, options of the source)
    "one": ("relay", ()),
    "many": ("relay", ("-d",)),
    "large": ("relay", ("-d", "-l", "100000")),
    "hold": ("etrn-only", ("-d", "-n", "200")),
}
WARM_UP = 500
SAMPLES_PER_S = 4000
FRAME = re.compile(r"^\s*[0-9a-f]+\s+(.*) \((.*)\)$")
KERNEL = "[kernel"
ENTRY = re.compile(r"^(__x64_sys_|__do_sys_|__sys_|ksys_)")


def processes_by_role(pid):
    found = collections.defaultdict(list)
    for one in tree(pid):
        found[role(one)].append(one)
    return found


class Perf:
    """A perf that runs beside the load; its text when it is over."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(["perf", *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


def run_load(mta, sink, messages, options):
    source(mta.port, messages, *options.words, sessions=options.sessions)
    if sink is not None:
        sink.finish()
    wait_for(lambda: is_idle(mta.pid), 60)


# ---- functions -----------------------------------------------------------------------------------


def sample_functions(mta, load, options):
    data = BUILD / "perf.data"
    roles = processes_by_role(mta.pid)
    pids = ",".join(str(pid) for pids in roles.values() for pid in pids)
    perf = Perf("record", "-q", "-g", "-e", "cpu-clock", "-F", SAMPLES_PER_S, "-o", data, "-p", pids)
    time.sleep(0.5)
    before = cpu_seconds(mta.pid)
    load()
    used = cpu_seconds(mta.pid) - before
    perf.finish()
    script = subprocess.run(["perf", "script", "-i", data, "-F", "pid,ip,sym,dso"],
                            capture_output=True, text=True, check=True).stdout
    data.unlink()
    role_of = {str(pid): name for name, pids in roles.items() for pid in pids}
    found = collections.defaultdict(Samples)
    for pid, frames in samples(script):
        found[role_of.get(pid, "?")].add(frames)
    print_functions(found, used / options.messages * 1e6, options.top)


def samples(script):
    """(pid, [(function, file)...]), the innermost first."""
    for block in script.split("\n\n"):
        pid, *lines = block.strip().splitlines() or [""]
        frames = [match.groups() for match in map(FRAME.match, lines) if match]
        if frames:
            yield pid.strip(), [(name.split("+")[0], place.rsplit("/", 1)[-1]) for name, place in frames]


class Samples:
    def __init__(self):
        self.functions = collections.Counter()  # of the program and its libraries
        self.calls = collections.Counter()      # the kernel, by what it was asked for

    def add(self, frames):
        if not frames[0][1].startswith(KERNEL):
            self.functions[frames[0]] += 1
            return
        names = [name for name, place in frames if place.startswith(KERNEL)]
        entry = names.index("do_syscall_64") if "do_syscall_64" in names else 0
        if entry > 0:
            self.calls[ENTRY.sub("", names[entry - 1])] += 1
        else:
            self.calls["entry and exit" if "do_syscall_64" in names else "faults, interrupts"] += 1

    def count(self):
        return sum(self.functions.values()) + sum(self.calls.values())


def print_functions(found, message_us, top):
    us = message_us / sum(one.count() for one in found.values())
    print(f"{message_us:.0f} µs of CPU for a message")
    for name, one in sorted(found.items(), key=lambda item: -item[1].count()):
        print(f"\n{name}: {one.count() * us:.1f} µs, {sum(one.calls.values()) * us:.1f} of it in the kernel:")
        print("  " + ", ".join(f"{call} {count * us:.1f}" for call, count in one.calls.most_common(top)))
        for (symbol, place), count in one.functions.most_common(top):
            print(f"  {count * us:6.2f} µs  {symbol} ({place})")


# ---- system calls --------------------------------------------------------------------------------


def count_calls(mta, load, options):
    perfs = {name: Perf("stat", "-x", ";", "-e", "syscalls:sys_enter_*", "-p", ",".join(map(str, pids)))
             for name, pids in processes_by_role(mta.pid).items()}
    time.sleep(2)  # hundreds of counters for each thread
    load()
    for name, perf in perfs.items():
        calls = {}
        for line in perf.finish().splitlines():
            fields = line.split(";")
            if len(fields) > 2 and fields[0].isdigit() and int(fields[0]) > 0:
                calls[fields[2].removeprefix("syscalls:sys_enter_")] = int(fields[0])
        print(f"\n{name}: {sum(calls.values()) / options.messages:.2f} calls for a message")
        for call, count in sorted(calls.items(), key=lambda item: -item[1])[:options.top]:
            print(f"  {count / options.messages:6.2f}  {call}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--load", choices=LOADS, default="many")
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--store", choices=("log", "bdb"), default="log")
    parser.add_argument("--top", type=int, default=15)
    parser.add_argument("--calls", action="store_true")
    options = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("perf is missing (Debian: linux-perf)")
    transport, options.words = LOADS[options.load]
    build()
    kind = KINDS["sluice" if options.store == "log" else "sluice-bdb"]
    with Sink(options.messages + WARM_UP) as sink, kind(sink.port, transport=transport) as mta:
        source(mta.port, WARM_UP, *options.words, sessions=options.sessions)
        wait_for(lambda: is_idle(mta.pid), 60)
        print(f"{options.load}, {options.messages} messages, {options.sessions} sessions, {options.store}",
              flush=True)
        measure = count_calls if options.calls else sample_functions
        measure(mta, lambda: run_load(mta, sink if transport == "relay" else None, options.messages,
                                      options), options)


if __name__ == "__main__":
    main()
