# SPDX-License-Identifier: ISC
"""Mail for 200 domains that waits for ETRN: accepted, held, listed."""

import re
import subprocess
import time
import urllib.request

from load import source
from processes import Peak, cpu_seconds, is_idle
from scenario import register

from daemon import free_port, wait_for

DOMAINS = "200"
SESSIONS = (1, 2, 5, 10, 20, 50, 100, 200)
NOBODY = 9  # discard: nothing listens there, nothing goes there


def fill(mta, messages, *options, **more):
    sent = source(mta.port, messages, "-d", "-n", DOMAINS, *options, **more)
    wait_for(lambda: is_idle(mta.pid), 60)
    return sent


def hold(kind, messages, *options):
    with kind(NOBODY, transport="etrn-only") as mta:
        fill(mta, 50)
        before = cpu_seconds(mta.pid)
        with Peak(mta.pid) as peak:
            sent = fill(mta, messages, *options)
        return {"per_s": messages / sent["seconds"], "p99_ms": sent["p99_ms"], "peak_mib": peak.mib,
                "cpu_s_per_1000": (cpu_seconds(mta.pid) - before) / messages * 1000}


def group_commit(kind, messages):
    """Messages a commit, and a second, against sessions: one fdatasync for each commit in the store log."""
    port = free_port()
    found = {}
    with kind(NOBODY, transport="etrn-only", settings={"metrics_listen": f"127.0.0.1:{port}"}) as mta:
        for sessions in SESSIONS:
            count = messages * sessions // (sessions + 10)
            before = counters(port)
            sent = fill(mta, count, sessions=sessions)
            changes, commits = (now - then for now, then in zip(counters(port), before))
            found[f"per_commit_{sessions}"] = changes / commits
            found[f"per_s_{sessions}"] = count / sent["seconds"]
    return found


def counters(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    return [int(re.search(rf"^{name} (\d+)", text, re.M).group(1)) if name in text else 0
            for name in ("sluice_store_changes_total", "sluice_store_batch_duration_seconds_count")]


def listing(kind, messages):
    """mailq of so many: until its first line, and until its last."""
    with kind(NOBODY, transport="etrn-only") as mta:
        fill(mta, messages)
        begin = time.monotonic()
        command = subprocess.Popen(mta.list_command(), stdout=subprocess.PIPE)
        command.stdout.readline()
        first_s = time.monotonic() - begin
        lines = sum(1 for _ in command.stdout)
        last_s = time.monotonic() - begin
        if command.wait(60) != 0 or lines < messages:
            raise RuntimeError(f"{mta.name}: mailq lists {lines} lines of {messages} messages")
        return {"first_ms": first_s * 1000, "last_ms": last_s * 1000}


register("hold", hold, {"sluice": 40000, "sluice-bdb": 20000, "postfix": 5000})
register("listing", listing, {"sluice": 20000, "sluice-bdb": 20000, "postfix": 20000})
register("group-commit", group_commit, {"sluice": 20000, "sluice-bdb": 10000})
