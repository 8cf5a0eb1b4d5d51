# SPDX-License-Identifier: ISC
"""
One hundred sites with a few messages each, alone and beside what may be in their way: how long their
messages take from the client's MAIL to the sink's end of data.

    fair-alone      nothing else
    fair-slow       one site with 200 times as many messages, whose host takes 5 s for each
    fair-slow-many  the same number of messages for 1,000 such sites
    fair-fast       one site with as many messages, whose host is as quick as theirs, while they come
    fair-release    the same, held before, released while the hundred's mail comes
"""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from load import Sink, source
from places import BUILD, fresh
from scenario import register

from client import Client

SITES = 100
RATE = 100  # of the hundred, messages a second,
SESSIONS = 10  # by so many clients
BIG = 200  # times the messages of the hundred
SLOW_SITES = 1000
SLOW_MS = 5000
PATIENCE_S = 60
CONTENT = b"Subject: one of a few\r\n\r\n" + b"x" * 1000 + b"\r\n"


def table(quick, other, transport):
    """Each domain of the hundred and of the others has an address of its own, and so is a site."""
    lines = [f"s{i}.sink.example relay:[127.0.1.{i + 1}]:{quick.port}\n" for i in range(SITES)]
    lines += [f"d{i}.big.sink.example {transport}:[127.0.{2 + i // 250}.{i % 250 + 1}]:{other.port}\n"
              for i in range(SLOW_SITES)]
    path = fresh("transport")
    path.write_text("".join(lines))
    subprocess.run([BUILD / "bin" / "postmap", f"hash:{path}"], check=True)
    return f"hash:{path}"


class Hundred:
    """Their mail comes evenly, from a few clients; delays: by recipient, in seconds."""

    def __init__(self, mta, messages, sink):
        self.mta = mta
        self.sink = sink
        self.sent = {}
        self.count = messages

    def client(self, number):
        begin = time.monotonic()
        with Client(self.mta.port) as client:
            for i in range(number, self.count, SESSIONS):
                time.sleep(max(0, begin + i / RATE - time.monotonic()))
                recipient = f"m{i}@s{i % SITES}.sink.example"
                self.sent[recipient] = time.monotonic()
                if not client.message("a@source.example", recipient, CONTENT).startswith("250"):
                    raise RuntimeError("the hundred's mail is refused")

    def run(self):
        with ThreadPoolExecutor(SESSIONS) as pool:
            list(pool.map(self.client, range(SESSIONS)))

    def delays(self):
        """What has not come after PATIENCE_S has been on its way until now, at least."""
        end = time.monotonic() + PATIENCE_S
        while len(self.sink.arrivals()) < self.count and time.monotonic() < end:
            time.sleep(0.2)
        arrivals = self.sink.arrivals()
        return sorted(arrivals.get(recipient, end) - at for recipient, at in self.sent.items())


class AnySink(Sink):
    """At all addresses of this machine."""

    def __init__(self, *options):
        super().__init__(0, *options, address="0.0.0.0")

    def count(self):
        self.process.terminate()
        return self.finish()["messages"]


class NotedSink(AnySink):
    """Says when each message came."""

    def __init__(self):
        self.path = fresh("arrivals")
        super().__init__("-o", str(self.path))

    def arrivals(self):
        lines = self.path.read_text().split("\n")[:-1]
        return {recipient: float(at) for at, recipient in map(str.split, lines)}


def send_big(mta, messages, domains):
    source(mta.port, messages, "-d", "-n", str(domains), "-t", "big.sink.example")


def beside_nothing(mta, hundred, messages):
    hundred.run()


def beside_slow(mta, hundred, messages):
    send_big(mta, messages, 1)
    hundred.run()


def beside_many_slow(mta, hundred, messages):
    send_big(mta, messages, SLOW_SITES)
    hundred.run()


def beside_fast(mta, hundred, messages):
    with ThreadPoolExecutor() as pool:
        big = pool.submit(send_big, mta, messages, 1)
        hundred.run()
        big.result()


def beside_release(mta, hundred, messages):
    send_big(mta, messages, 1)
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(hundred.run)
        time.sleep(1)
        with Client(mta.port) as client:
            client.expect("ETRN d0.big.sink.example", "25")
        ours.result()


def percentile(values, part):
    return values[int((len(values) - 1) * part)] * 1000


def fairness(kind, messages, beside, transport="relay", delay_ms=0):
    with NotedSink() as quick, AnySink("-d", str(delay_ms)) as other:
        settings = {"transport_maps": table(quick, other, transport),
                    "fast_flush_domains": "d0.big.sink.example"}
        with kind(other.port, settings=settings) as mta:
            hundred = Hundred(mta, messages, quick)
            beside(mta, hundred, messages * BIG)
            delays = hundred.delays()
            return {"p50_ms": percentile(delays, 0.5), "p90_ms": percentile(delays, 0.9),
                    "p99_ms": percentile(delays, 0.99), "max_ms": percentile(delays, 1),
                    "others": float(other.count())}


COUNTS = {"sluice": 1000, "postfix": 100}
register("fair-alone", fairness, COUNTS, beside_nothing)
register("fair-slow", fairness, COUNTS, beside_slow, "relay", SLOW_MS)
register("fair-slow-many", fairness, COUNTS, beside_many_slow, "relay", SLOW_MS)
register("fair-fast", fairness, COUNTS, beside_fast)
register("fair-release", fairness, COUNTS, beside_release, "etrn-only")
