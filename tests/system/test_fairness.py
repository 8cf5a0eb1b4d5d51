# SPDX-License-Identifier: ISC
"""Slow sites beside quick ones: by counts, since nothing here has a time of its own."""

import threading

import pytest

from client import send
from daemon import wait_for

SLOW_SITES = 100
QUICK_SITES = 10
MESSAGES = 10  # for each of the slow sites
PLACES = 500   # deliver/deliver.c: jobs of one process


class Gate:
    """Holds replies back until it is opened; most: how many at the same time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.opened = threading.Event()
        self.inside = self.most = 0

    def __call__(self, line):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.opened.wait(120)
        with self.lock:
            self.inside -= 1
        return "250 2.0.0 Ok"


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.opened.set()


def make_sites(daemon, **sinks):
    """Each domain NAME1.tld, NAME2.tld, ... has an address of its own, and so is a site."""
    lines = []
    for net, (name, (sink, count)) in enumerate(sinks.items()):
        lines += [f"{name}{i}.tld relay:[127.0.{net + 1}.{i + 1}]:{sink.port}\n" for i in range(count)]
    daemon.change({"relay_domains": ["tld"], "parent_domain_matches_subdomains": ["relay_domains"],
                   "transport_maps": [daemon.table("transport", "".join(lines))]})


def attempted(daemon):
    return daemon.json("status")[0]["attempted"]


def test_quick_sites_do_not_wait_for_slow_ones(make_daemon, make_sink, gate):
    slow = make_sink(address="0.0.0.0", replies={"end": gate})
    quick = make_sink(address="0.0.0.0")
    daemon = make_daemon(start=False)
    make_sites(daemon, slow=(slow, SLOW_SITES), quick=(quick, QUICK_SITES))
    daemon.change({"deliver_processes": 1})
    daemon.start()
    for _ in range(MESSAGES):
        send(daemon.port, recipients=[f"a@slow{i}.tld" for i in range(SLOW_SITES)])
    wait_for(lambda: gate.inside >= PLACES / 2, 60)

    for number in range(5):
        send(daemon.port, recipients=[f"u{number}@quick{i}.tld" for i in range(QUICK_SITES)])
    wait_for(lambda: quick.count == 5 * QUICK_SITES, 60)
    assert gate.inside == gate.most < PLACES
    assert slow.count == gate.inside < SLOW_SITES * MESSAGES

    gate.opened.set()
    wait_for(lambda: slow.count == SLOW_SITES * MESSAGES, 60)
    wait_for(lambda: daemon.queue() == [])


def test_a_site_begins_with_few_deliveries(make_daemon, make_sink, gate):
    """Q-20."""
    sink = make_sink(address="0.0.0.0", replies={"end": gate})
    daemon = make_daemon(start=False)
    make_sites(daemon, s=(sink, 1))
    daemon.change({"default_destination_recipient_limit": 1})
    daemon.start()
    send(daemon.port, recipients=[f"u{i}@s0.tld" for i in range(60)])
    wait_for(lambda: gate.inside == 5)
    assert attempted(daemon) == 5
    gate.opened.set()
    wait_for(lambda: sink.count == 60)

    gate.opened.clear()  # by now it has grown: 20 together
    send(daemon.port, recipients=[f"v{i}@s0.tld" for i in range(60)])
    wait_for(lambda: gate.inside == 20)
    assert attempted(daemon) == 20
    assert daemon.json("site", "list")[0]["jobs"] == 20
    gate.opened.set()
    wait_for(lambda: daemon.queue() == [])
    assert gate.most == 20


def test_a_host_that_refuses_some_connections_is_not_given_up(make_daemon, make_sink, gate):
    """Q-22: one of many that fails takes a delivery away; the others go on."""
    refused = []

    def greeting(_):
        if gate.inside >= 4 and not refused:  # the fifth, while four are under way
            refused.append(1)
            return "421 4.3.2 too many of you"
        return ...

    sink = make_sink(address="0.0.0.0", replies={"end": gate, "greeting": greeting})
    daemon = make_daemon(start=False)
    make_sites(daemon, s=(sink, 1))
    daemon.change({"default_destination_recipient_limit": 1, "minimal_backoff_time": "300s"})
    daemon.start()
    for number in range(20):
        send(daemon.port, recipients=[f"u{number}@s0.tld"])
        if number < 4:
            wait_for(lambda: gate.inside > number)
    daemon.wait_for_log("too many of you")
    assert len(daemon.queue()) == 20
    site = daemon.json("site", "list")[0]
    assert (site["failures"], site["jobs"]) == (0, 4)  # one fewer than at the beginning
    gate.opened.set()
    wait_for(lambda: len(daemon.queue()) == 1)  # the one that was refused waits by itself
    assert "suspended_until" not in daemon.json("site", "list")[0]
