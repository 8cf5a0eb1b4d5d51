# SPDX-License-Identifier: ISC
"""
A million messages that wait in 10,000 domains: how long a start takes, what they cost in memory, how soon
a domain goes that is released, how a listing streams, and whether other mail notices.
"""

import os
import shutil
import socket
import statistics
import subprocess
import time

from load import Sink, source
from places import BUILD, PROGRAMS, fresh
from processes import cpu_seconds, is_idle, memory_kib
from scenario import register

from daemon import Daemon, wait_for

PER_DOMAIN = 100
RELEASES = 20  # domains, one after the other
RELAYED = 20000
HELD = "held.example"
SLOW_READS = 50  # of a listing whose reader takes its time


def site(number):
    """As bench-fill gives it: every domain has an address of this machine for itself."""
    return f"[127.1.{number // 250}.{number % 250 + 1}]"


class Crowd:
    """A daemon whose store is full before it starts. Mail for sink.example goes at once."""

    def __init__(self, messages, sink_port, arrivals_port):
        self.domains = messages // PER_DOMAIN
        self.messages = messages
        self.daemon = Daemon(fresh("million"), start=False)
        routes = "".join(f"d{i}.{HELD} etrn-only:{site(i)}:{arrivals_port}\n" for i in range(self.domains))
        self.daemon.change({
            "relay_domains": [HELD, "sink.example"],
            "parent_domain_matches_subdomains": ["relay_domains", "fast_flush_domains"],
            "transport_maps": [self.daemon.table(
                "transport", f"{routes}sink.example relay:[127.0.0.1]:{sink_port}\n")],
            "smtpd_client_connection_count_limit": 0})
        if messages > 0:
            self.fill(arrivals_port)

    def fill(self, port):
        queue = self.daemon.folder / "queue"
        queue.mkdir(mode=0o700)
        subprocess.run([PROGRAMS / "bench-fill", "-m", str(self.messages), "-n", str(self.domains), "-p",
                        str(port), BUILD / "plugins/queue/log.so", queue / "store"], check=True,
                       stdout=subprocess.DEVNULL)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "sluice:sluice", queue], check=True)

    def start(self):
        """Seconds until it is ready, and the CPU seconds that queue took for that."""
        begin = time.monotonic()
        self.daemon.start()
        return time.monotonic() - begin, cpu_seconds(self.queue())

    def queue(self):
        return self.daemon.roles()["queue 0"]

    def close(self):
        self.daemon.finish()


class Client:
    """An SMTP session that is there already when it asks."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.replies = self.socket.makefile("rb")
        self.reply()
        self.ask("EHLO bench.example")

    def reply(self):
        while (line := self.replies.readline())[3:4] == b"-":
            pass
        return line.decode()

    def ask(self, line):
        self.socket.sendall(f"{line}\r\n".encode())
        return self.reply()


# ---- what is measured ----------------------------------------------------------------------------


def starts(crowd):
    """The first start, which has everything to read; one after a clean end; one after kill -9."""
    first_s, _ = crowd.start()
    wait_for(lambda: is_idle(crowd.daemon.process.pid), 300)  # checkpoints are written, routes looked up
    crowd.daemon.stop(120)
    again_s, cpu_s = crowd.start()
    mib = memory_kib(crowd.queue()) / 1024
    crowd.daemon.kill()
    killed_s, _ = crowd.start()
    return {"first_start_s": first_s, "start_s": again_s, "start_cpu_s": cpu_s, "killed_start_s": killed_s,
            "queue_mib": mib}


def arrivals(path):
    """What came, by domain: the times at which the sink had it."""
    found = {}
    for line in path.read_text().splitlines():
        seconds, recipient = line.split()
        found.setdefault(recipient.partition("@")[2], []).append(float(seconds))
    return found


def releases(crowd, path):
    """ETRN for one domain after the other: until its first message is there, and its hundredth."""
    client = Client(crowd.daemon.port)
    asked = {}
    for i in range(RELEASES):
        domain = f"d{i * crowd.domains // RELEASES}.{HELD}"
        asked[domain] = time.monotonic()
        reply = client.ask(f"ETRN {domain}")
        if not reply.startswith("253"):
            raise RuntimeError(f"ETRN {domain}: {reply}")
        wait_for(lambda: len(arrivals(path).get(domain, [])) == PER_DOMAIN, 30)
        time.sleep(0.2)
    came = arrivals(path)
    first = sorted((came[domain][0] - at) * 1000 for domain, at in asked.items())
    last = sorted((came[domain][-1] - at) * 1000 for domain, at in asked.items())
    return {"etrn_first_p50_ms": statistics.median(first), "etrn_first_max_ms": first[-1],
            "etrn_100_p50_ms": statistics.median(last), "etrn_100_max_ms": last[-1]}


def listing(crowd):
    """mailq: its first line, the whole; and what queue needs while nobody reads on."""
    command = [crowd.daemon.bin / "mailq", "-C", crowd.daemon.folder]
    before = memory_kib(crowd.queue())
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as mailq:
        mailq.stdout.readline()
        first_s = time.monotonic() - begin
        most = before
        for _ in range(SLOW_READS):
            os.read(mailq.stdout.fileno(), 65536)
            time.sleep(0.02)
            most = max(most, memory_kib(crowd.queue()))
        mailq.kill()
    begin = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return {"mailq_first_ms": first_s * 1000, "mailq_s": time.monotonic() - begin,
            "mailq_growth_kib": float(most - before)}


def relayed(crowd, sink):
    """Mail that has nothing to do with all this: how fast it goes."""
    wait_for(lambda: is_idle(crowd.daemon.process.pid), 300)
    source(crowd.daemon.port, 50, "-d")
    time.sleep(1)
    before = cpu_seconds(crowd.daemon.process.pid)
    sent = source(crowd.daemon.port, RELAYED - 50, "-d")
    got = sink.finish()
    return {"relay_per_s": (RELAYED - 50) / (got["last_s"] - sent["begin_s"]),
            "relay_cpu_s_per_1000": (cpu_seconds(crowd.daemon.process.pid) - before) / (RELAYED - 50) * 1000}


def empty_queue_kib():
    with Sink(1) as sink:
        crowd = Crowd(0, sink.port, sink.port)
        try:
            crowd.start()
            return memory_kib(crowd.queue())
        finally:
            crowd.close()


def million(kind, messages):
    empty_kib = empty_queue_kib()
    path = fresh("arrivals")
    with Sink(RELAYED) as sink, Sink(messages, "-o", str(path), address="0.0.0.0") as held:
        crowd = Crowd(messages, sink.port, held.port)
        try:
            figures = starts(crowd)
            figures["bytes_per_message"] = (figures["queue_mib"] - empty_kib / 1024) * 2**20 / messages
            figures |= relayed(crowd, sink)
            figures |= releases(crowd, path)
            figures |= listing(crowd)
        finally:
            crowd.close()
            shutil.rmtree(crowd.daemon.folder, ignore_errors=True)
    return figures


register("million", million, {"sluice": 1000000})
