# SPDX-License-Identifier: ISC
"""What processes cost: CPU seconds, memory now and at its peak."""

import os
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.25


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            pass
    return found


def role(pid):
    """A process of ours: its role (the master has none); of others: the program's name."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"--role" in words:
            return words[words.index(b"--role") + 1].decode()
        return "master" if words[0].endswith(b"sluiced") else Path(words[0].decode()).name
    except (OSError, IndexError):
        return "gone"


def cpu_seconds(pid):
    """Of all processes, those that have ended included."""
    total = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return total / TICKS


def memory_kib(pid, field="Pss"):
    """Of one process: its proportional set size, or another field of smaps_rollup."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def memory_mib(pid):
    """Proportional set size of all processes."""
    return sum(map(memory_kib, tree(pid))) / 1024


def is_idle(pid):
    before = cpu_seconds(pid)
    time.sleep(0.3)
    return cpu_seconds(pid) - before < 0.03


class Peak:
    """The highest memory_mib while the block runs, looked at four times a second."""

    def __init__(self, pid):
        self.pid = pid
        self.mib = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        while not self.over.wait(SAMPLE_S):
            self.mib = max(self.mib, memory_mib(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.mib = max(self.mib, memory_mib(self.pid))
