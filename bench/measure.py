#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Measures Sluice beside Postfix: one machine, one run, the same messages, the same durability (both sync
before they say 250), in turns, and medians.

    bench/measure.py [--rounds N] [--only NAME,...] [--peer none] [--out FILE]

Builds what it needs in build/bench. Must be run as root: Postfix runs unpacked, laid over /usr. Each
figure of each round is kept, as a line of JSON, in FILE (build/bench/results.jsonl); a table of medians
goes to standard output. See doc/performance.md for what the figures mean.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
PROGRAMS = BUILD / "bench"
STATE = BUILD / "state"

sys.path.insert(0, str(ROOT / "tests" / "system"))
os.environ["SLUICE_BUILD"] = str(BUILD)
from daemon import Daemon, free_port, wait_for  # noqa: E402
from peers import Postfix  # noqa: E402

SESSIONS = 50
TICKS = os.sysconf("SC_CLK_TCK")


def build():
    needs = (f". {ROOT}/packaging/needs.sh; needs_packages $NEEDS_BUILD $NEEDS_RUN $NEEDS_CHECK; needs_users; "
             f"{ROOT}/tests/system/peers.sh {ROOT}/build/peers")
    subprocess.run(["sh", "-c", needs], check=True)
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                    "-DSLUICE_BENCH=ON", "-DSLUICE_TESTS=OFF"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", BUILD, "-j", "2"], check=True, stdout=subprocess.DEVNULL)


# ---- processes -----------------------------------------------------------------------------------


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            pass
    return found


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


def memory_mib(pid):
    """Proportional set size of all processes."""
    total = 0
    for one in tree(pid):
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total / 1024


# ---- what is measured ----------------------------------------------------------------------------


class Sluice:
    name = "sluice"

    def __init__(self, folder, sink_port, transport="relay", store="log"):
        self.daemon = Daemon(folder, start=False)
        self.daemon.change({
            "relay_domains": ["sink.example"],
            "parent_domain_matches_subdomains": ["relay_domains"],
            "transport_maps": [self.daemon.table(
                "transport", f"sink.example {transport}:[127.0.0.1]:{sink_port}\n"
                             f".sink.example {transport}:[127.0.0.1]:{sink_port}\n")],
            "queue_store": {"plugin": store}, "smtpd_client_connection_count_limit": 0})
        self.daemon.start()
        self.port = self.daemon.port
        self.pid = self.daemon.process.pid

    def close(self):
        self.daemon.finish()


class PostfixPeer:
    name = "postfix"

    def __init__(self, folder, sink_port, transport="relay", store=None):
        self.server = Postfix(folder, {
            "relay_domains": "sink.example",
            "parent_domain_matches_subdomains": "relay_domains",
            "transport_maps": f"inline:{{sink.example={transport}:[127.0.0.1]:{sink_port}, "
                              f".sink.example={transport}:[127.0.0.1]:{sink_port}}}",
            "defer_transports": "etrn-only", "virtual_mailbox_domains": "",
            "smtpd_client_connection_count_limit": "0",
            # Its own client keeps connections only when told to.
            "smtp_connection_cache_destinations": "sink.example" if transport == "relay" else ""})
        self.port = self.server.port
        self.pid = self.server.process.pid

    def close(self):
        self.server.close()


class Sink:
    def __init__(self, messages, delay_ms=0):
        self.port = free_port()
        self.process = subprocess.Popen(
            [PROGRAMS / "bench-sink", "-m", str(messages), "-d", str(delay_ms),
             f"127.0.0.1:{self.port}"], stdout=subprocess.PIPE, text=True)

    def finish(self, seconds=300):
        """What it says at its end."""
        try:
            out, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            out, _ = self.process.communicate(timeout=10)
        return json.loads(out)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=10)


def source(port, messages, *options):
    done = subprocess.run([PROGRAMS / "bench-source", "-s", str(SESSIONS), "-m", str(messages), *options,
                           f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"source: {done.stderr}")
    return json.loads(done.stdout)


def fresh(name):
    folder = STATE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def relay(kind, messages, *options):
    """Messages through the MTA to the sink: throughput until the last is delivered, CPU, latency."""
    sink = Sink(messages)
    mta = kind(fresh(kind.name), sink.port)
    try:
        source(mta.port, 50, "-d")  # processes, connections and tables are there
        time.sleep(1)
        before = cpu_seconds(mta.pid)
        sent = source(mta.port, messages - 50, *options)
        got = sink.finish()
        cpu = cpu_seconds(mta.pid) - before
        time.sleep(0.2)
        return {"per_s": (messages - 50) / (got["last_s"] - sent["begin_s"]),
                "cpu_s_per_1000": cpu / (messages - 50) * 1000, "p50_ms": sent["p50_ms"],
                "p99_ms": sent["p99_ms"], "mib": memory_mib(mta.pid)}
    finally:
        mta.close()
        sink.close()


def latency(kind, messages, *options):
    """The time from the last dot to 250 at half of the throughput that was measured before."""
    rate = LAST[(kind.name, "relay-many")] / 2
    result = relay(kind, min(messages, int(rate * 6) + 100), "-r", f"{rate:.0f}", *options)
    return {"rate": rate, "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"]}


def hold(kind, messages, *options):
    """Mail for 200 domains that waits for ETRN: accepted and held."""
    mta = kind(fresh(kind.name), 9, transport="etrn-only")
    try:
        source(mta.port, 50, "-d", "-n", "200")
        before = cpu_seconds(mta.pid)
        sent = source(mta.port, messages, "-d", "-n", "200", *options)
        wait_for(lambda: idle(mta.pid), 60)
        cpu = cpu_seconds(mta.pid) - before
        return {"per_s": messages / sent["seconds"], "cpu_s_per_1000": cpu / messages * 1000,
                "p99_ms": sent["p99_ms"], "mib": memory_mib(mta.pid)}
    finally:
        mta.close()


def idle(pid):
    before = cpu_seconds(pid)
    time.sleep(0.3)
    return cpu_seconds(pid) - before < 0.03


def floor(messages, *options):
    """What receiving once, sending once over kept connections and a share of a commit cost at least."""
    sink = Sink(messages)
    sent = source(sink.port, messages, *options)
    got = sink.finish()
    kept = Sink(messages)
    sending = source(kept.port, messages, "-d")
    kept.finish()
    store = store_cpu()
    return {"per_s": messages / sent["seconds"],
            "receive_us": got["cpu_s"] / messages * 1e6, "send_us": sending["cpu_s"] / messages * 1e6,
            "store_us": store, "cpu_s_per_1000":
                (got["cpu_s"] + sending["cpu_s"]) / messages * 1000 + store / 1000}


def store_cpu():
    """Microseconds of CPU for a message in the log store, in batches of 64."""
    folder = fresh("store")
    folder.mkdir()
    done = subprocess.run([PROGRAMS / "bench-store", folder, BUILD / "plugins/queue/log.so"],
                          capture_output=True, text=True, timeout=120, check=True)
    return next(line["cpu_us"] for line in map(json.loads, done.stdout.splitlines())
                if line["batch"] == 64)


SCENARIOS = {
    # name: (function, messages of Sluice, of Postfix, options)
    "relay-one": (relay, 20000, 3000, ()),
    "relay-many": (relay, 40000, 3000, ("-d",)),
    "relay-100k": (relay, 6000, 1500, ("-d", "-l", "100000")),
    "latency": (latency, 40000, 3000, ("-d",)),
    "hold": (hold, 40000, 5000, ()),
}
FLOORS = {"floor-one": (20000, ()), "floor-many": (40000, ("-d",))}
LAST = {}


def record(out, name, who, round_number, figures):
    line = {"scenario": name, "who": who, "round": round_number, **figures}
    out.write(json.dumps(line) + "\n")
    out.flush()
    if "per_s" in figures:
        LAST[(who, name)] = figures["per_s"]
    return line


def measure(options, out):
    lines = []
    kinds = [Sluice] if options.peer == "none" else [Sluice, PostfixPeer]
    names = options.only.split(",") if options.only else [*FLOORS, *SCENARIOS]
    for round_number in range(options.rounds):
        for name in names:
            if name in FLOORS:
                messages, words = FLOORS[name]
                lines.append(record(out, name, "floor", round_number, floor(messages, *words)))
                continue
            run, ours, theirs, words = SCENARIOS[name]
            for kind in kinds:
                lines.append(record(out, name, kind.name, round_number,
                                    run(kind, ours if kind is Sluice else theirs, *words)))
    return lines


def table(lines):
    keys = sorted({(line["scenario"], line["who"]) for line in lines}, key=lambda k: (k[0], k[1]))
    for scenario, who in keys:
        own = [line for line in lines if (line["scenario"], line["who"]) == (scenario, who)]
        figures = {name: statistics.median(line[name] for line in own)
                   for name in own[0] if isinstance(own[0][name], float)}
        print(f"{scenario:12} {who:8} " + "  ".join(f"{k} {v:,.3f}" if v < 100 else f"{k} {v:,.0f}"
                                                    for k, v in figures.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--peer", choices=("postfix", "none"), default="postfix")
    parser.add_argument("--out", default=str(BUILD / "results.jsonl"))
    options = parser.parse_args()
    build()
    with open(options.out, "a") as out:
        lines = measure(options, out)
    table(lines)


if __name__ == "__main__":
    main()
