# SPDX-License-Identifier: ISC
"""Messages through the mail server to the sink: throughput, CPU, memory, latency; and the floor of it."""

import json
import subprocess

from load import Sink, source
from places import BUILD, PROGRAMS, fresh
from processes import Peak, cpu_seconds, is_idle
from scenario import register

from daemon import wait_for

WARM_UP = 50
STORE_BATCH = 64
PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "late_p99_ms")


def relay(kind, messages, *options, settings=None):
    """Until the last one is delivered. source_share and sink_share: how much of a core those two took."""
    with Sink(messages) as sink, kind(sink.port, settings=settings) as mta:
        source(mta.port, WARM_UP, "-d")  # processes, connections and tables are there
        wait_for(lambda: is_idle(mta.pid), 60)
        count = messages - WARM_UP
        before = cpu_seconds(mta.pid)
        with Peak(mta.pid) as peak:
            sent = source(mta.port, count, *options)
            got = sink.finish()
        seconds = got["last_s"] - sent["begin_s"]
        return {"per_s": count / seconds,
                "cpu_s_per_1000": (cpu_seconds(mta.pid) - before) / count * 1000, "peak_mib": peak.mib,
                "source_share": sent["cpu_s"] / seconds, "sink_share": got["cpu_s"] / seconds,
                **{name: sent[name] for name in PERCENTILES}}


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
