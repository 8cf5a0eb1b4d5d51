# SPDX-License-Identifier: ISC
"""kill -9 of any role under load, and of everything at once: what got 250 is delivered, byte for byte."""

import collections
import os
import random
import signal
import threading
import time

import pytest

from client import Client
from daemon import wait_for

KILLS = 25          # for each store and transport
SENDERS = 6
LARGE_EVERY = 40    # every so many messages one that travels as a file


class Load:
    """Sends messages with a number each, as long as it may, and remembers which got 250."""

    def __init__(self, port, domain):
        self.port = port
        self.domain = domain
        self.is_over = False
        self.accepted = {}
        self.refused = 0
        self.number = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a sender hangs"

    def _next(self):
        with self.lock:
            self.number += 1
            return self.number

    def _run(self, seed):
        rng = random.Random(seed)
        while not self.is_over:
            try:
                with Client(self.port, timeout=20) as client:
                    for _ in range(rng.randint(1, 20)):
                        if self.is_over:
                            break
                        self._send(client, rng)
            except (OSError, AssertionError):
                self.refused += 1
                time.sleep(0.05)

    def _send(self, client, rng):
        number = self._next()
        size = 150000 if number % LARGE_EVERY == 0 else rng.randint(0, 9000)
        content = b"X-Number: %d\r\n\r\n%s\r\n" % (number, rng.randbytes(size // 2).hex().encode())
        recipients = [f"u{number}@{self.domain}", f"v{number}@{self.domain}"][:rng.randint(1, 2)]
        reply = client.message("s@isp.example", recipients, content)
        assert reply, "the connection is gone"
        if reply.startswith("250"):
            with self.lock:
                self.accepted[number] = (content, recipients)


def numbered(message):
    return int(message.body.split(b"\r\n", 1)[0].split(b" ")[1])


def kill_something(daemon, rng):
    """One role process, or the master and all of them; returns what it was."""
    roles = daemon.roles()
    victim = rng.choice([*roles, "all", "queue 0"])
    if victim == "all":
        daemon.kill()
        daemon.start()
    elif victim in roles:
        try:
            os.kill(roles[victim], signal.SIGKILL)
        except ProcessLookupError:
            pass
    return victim


def verify(sink, load):
    """Every accepted recipient was served, with the bytes that were sent."""
    contents = {}
    for message in sink.messages:
        for recipient in message.recipients:
            contents.setdefault(recipient, []).append(message.body)
    copies = 0
    for number, (content, recipients) in load.accepted.items():
        for recipient in recipients:
            bodies = contents.get(f"<{recipient}>", [])
            assert bodies, f"message {number} for {recipient} got 250 and is lost"
            assert all(body == content for body in bodies), f"message {number} is altered"
            copies += len(bodies) - 1
    return copies


@pytest.mark.long
@pytest.mark.parametrize("transport", ["relay", "etrn-only"])
def test_kills_under_load(make_daemon, sink, store, transport):
    """Q-1."""
    rng = random.Random(f"{store} {transport}")
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"], "queue_store": {"plugin": store},
        "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
        "transport_maps": [daemon.table("transport", f"customer.tld {transport}:{sink.nexthop}\n")]})
    daemon.start()
    load = Load(daemon.port, "customer.tld")
    victims = collections.Counter()
    try:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.05, 0.8))
            victims[kill_something(daemon, rng)] += 1
            if transport == "etrn-only" and rng.random() < 0.5:
                daemon.command("postqueue", "-s", "customer.tld", check=False)
    finally:
        load.stop()
    assert len(load.accepted) > 100, f"hardly a load: {len(load.accepted)}, {victims}"

    def is_empty():
        if transport == "etrn-only":
            daemon.command("postqueue", "-s", "customer.tld", check=False)
        result = daemon.command("sluice", "queue", "list", "--json", check=False)
        return result.returncode == 0 and result.stdout.strip() == ""

    daemon.wait_until_ready()
    wait_for(is_empty, 120, 0.5)
    copies = verify(sink, load)
    print(f"{store} {transport}: {len(load.accepted)} accepted, {load.refused} sessions broken, "
          f"{copies} copies, killed {dict(victims)}")


def test_sigterm_under_load_loses_and_repeats_nothing(make_daemon, sink, store):
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"], "queue_store": {"plugin": store},
        "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    load = Load(daemon.port, "customer.tld")
    try:
        for _ in range(3):
            time.sleep(1)
            assert daemon.stop() == 0
            daemon.start()
    finally:
        load.stop()
    wait_for(lambda: daemon.queue() == [], 120, 0.5)
    assert verify(sink, load) == 0
