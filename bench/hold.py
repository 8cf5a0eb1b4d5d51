# SPDX-License-Identifier: ISC
"""Mail for 200 domains that waits for ETRN: accepted, held, listed."""

import subprocess
import time

from load import source
from processes import Peak, cpu_seconds, is_idle
from scenario import register

from daemon import wait_for

DOMAINS = "200"
NOBODY = 9  # discard: nothing listens there, nothing goes there


def fill(mta, messages, *options):
    sent = source(mta.port, messages, "-d", "-n", DOMAINS, *options)
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
