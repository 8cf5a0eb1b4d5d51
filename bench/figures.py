# SPDX-License-Identifier: ISC
"""The raw figures on disk."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

from places import ROOT, STATE

LAST = {}  # {(who, scenario): figures} of this run


def first_match(path, word):
    for line in Path(path).read_text().splitlines():
        if line.startswith(word):
            return line.split(":", 1)[1].strip()
    return ""


def disk():
    """What holds the queues: device and file system."""
    STATE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", "-T", STATE],
                          capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                          capture_output=True, text=True)
    return done.stdout.strip()


class Results:
    """A file that grows by a line for the run and one for each measurement."""

    def __init__(self, path):
        self.file = open(path, "a")
        self.write({"run": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "commit": commit(),
                    "kernel": platform.release(), "cpu": first_match("/proc/cpuinfo", "model name"),
                    "cores": os.cpu_count(), "memory": first_match("/proc/meminfo", "MemTotal"),
                    "disk": disk()})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def add(self, scenario, who, round_number, values):
        LAST[(who, scenario)] = values
        self.write({"scenario": scenario, "who": who, "round": round_number, **values})


def last_run(path):
    """Its lines: first what was run, then the measurements."""
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    begin = max(i for i, line in enumerate(lines) if "run" in line)
    return lines[begin:]
