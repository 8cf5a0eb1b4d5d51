# SPDX-License-Identifier: ISC
"""Messages through the mail server to the sink: throughput, CPU, memory, latency; and the floor of it."""

import json
import subprocess

from figures import LAST
from load import Sink, source
from mtas import PostfixPeer
from places import BUILD, PROGRAMS, fresh
from processes import Peak, cpu_seconds, is_idle
from scenario import SCENARIOS, register

from daemon import wait_for

WARM_UP = 50
STORE_BATCH = 64
PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "late_p99_ms")


def through(sink, mta, count, *options):
    """Until the last one is delivered. source_share and sink_share: how much of a core those two took."""
    wait_for(lambda: is_idle(mta.pid), 60)
    before = cpu_seconds(mta.pid)
    with Peak(mta.pid) as peak:
        sent = source(mta.port, count, *options)
        got = sink.finish()
    seconds = got["last_s"] - sent["begin_s"]
    return {"per_s": count / seconds,
            "cpu_s_per_1000": (cpu_seconds(mta.pid) - before) / count * 1000, "peak_mib": peak.mib,
            "source_share": sent["cpu_s"] / seconds, "sink_share": got["cpu_s"] / seconds,
            **{name: sent[name] for name in PERCENTILES}}


def relay(kind, messages, *options):
    with Sink(messages) as sink, kind(sink.port) as mta:
        source(mta.port, WARM_UP, "-d")  # processes, connections and tables are there
        return through(sink, mta, messages - WARM_UP, *options)


def throughput(kind):
    """What this run has found, or finds now with fewer messages."""
    if (kind.name, "relay-many") not in LAST:
        messages = max(SCENARIOS["relay-many"].counts[kind.name] // 4, 500)
        LAST[kind.name, "relay-many"] = relay(kind, messages, "-d")
    return LAST[kind.name, "relay-many"]["per_s"]


def at_rate(kind, messages, rate):
    """The time from the last dot to 250, at that many messages a second, for six seconds at most."""
    found = relay(kind, min(messages, int(rate * 6) + 2 * WARM_UP), "-d", "-r", f"{rate:.0f}")
    return {"rate": rate, **{name: found[name] for name in ("cpu_s_per_1000", *PERCENTILES)}}


def half_load(kind, messages):
    """At half of what it is capable of itself."""
    return at_rate(kind, messages, throughput(kind) / 2)


def same_load(kind, messages):
    """At half of what Postfix is capable of."""
    return at_rate(kind, messages, throughput(PostfixPeer) / 2)


def endurance(kind, messages):
    """One connection, one message after the other: the first tenth beside the last."""
    with Sink(messages) as sink, kind(sink.port) as mta:
        sent = source(mta.port, messages, "-d", sessions=1)
        return {name: sent[name] for name in ("p50_begin_ms", "p50_end_ms", "p99_ms")}


def floor(_, messages, *options):
    """What receiving once, sending once over kept connections and a share of a commit cost at least."""
    with Sink(messages) as sink:
        sent = source(sink.port, messages, *options)
        receive_us = sink.finish()["cpu_s"] / messages * 1e6
    with Sink(messages) as sink:
        send_us = source(sink.port, messages, *options, "-d")["cpu_s"] / messages * 1e6
    store_us = store_cpu_us()
    return {"per_s": messages / sent["seconds"], "receive_us": receive_us, "send_us": send_us,
            "store_us": store_us, "cpu_s_per_1000": (receive_us + send_us + store_us) / 1000}


def store_cpu_us():
    """CPU for a message in the log store alone."""
    folder = fresh("store")
    folder.mkdir()
    done = subprocess.run([PROGRAMS / "bench-store", folder, BUILD / "plugins/queue/log.so"],
                          capture_output=True, text=True, timeout=120, check=True)
    return next(line["cpu_us"] for line in map(json.loads, done.stdout.splitlines())
                if line["batch"] == STORE_BATCH)


LARGE = ("-d", "-l", "100000")
register("floor-one", floor, {"floor": 20000})
register("floor-many", floor, {"floor": 40000}, "-d")
register("floor-100k", floor, {"floor": 10000}, *LARGE)
register("relay-one", relay, {"sluice": 20000, "sluice-bdb": 10000, "postfix": 3000})
register("relay-many", relay, {"sluice": 40000, "sluice-bdb": 20000, "postfix": 3000}, "-d")
register("relay-100k", relay, {"sluice": 6000, "sluice-bdb": 3000, "postfix": 1500}, *LARGE)
register("latency-half", half_load, {"sluice": 60000, "sluice-bdb": 60000, "postfix": 3000})
register("latency-same", same_load, {"sluice": 3000, "sluice-bdb": 3000, "postfix": 3000})
register("endurance", endurance, {"sluice": 10000, "postfix": 1000})
