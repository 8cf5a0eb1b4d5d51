# SPDX-License-Identifier: ISC
"""Fixtures of the system tests: a daemon with a configuration of the test's own, peers, a name server."""

import shutil
import tempfile
from pathlib import Path

import pytest

from daemon import BUILD, Daemon
from names import NameServer
from sink import Sink


@pytest.fixture
def folder(request):
    """A folder that the daemon's users can enter; kept when the test fails."""
    path = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    path.chmod(0o755)
    yield path
    if getattr(request.node, "has_failed", False):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.has_failed = True


@pytest.fixture
def sink():
    """A mail host that takes everything, on a free port."""
    with Sink() as peer:
        yield peer


@pytest.fixture
def make_sink():
    """Several mail hosts: make_sink(replies={...}, address="127.0.0.2")."""
    peers = []

    def make(**options):
        peers.append(Sink(**options))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def make_daemon(folder):
    """make_daemon(settings={...}, tables={"transport": "..."}, start=True)."""
    daemons = []

    def make(**options):
        daemons.append(Daemon(folder / f"d{len(daemons)}" if daemons else folder / "d", **options))
        return daemons[-1]

    yield make
    for daemon in daemons:
        daemon.finish()


@pytest.fixture
def make_names(folder):
    """make_names(["address=/name/127.0.0.1", ...]): a name server (dnsmasq) with a query log."""
    servers = []

    def make(lines, **options):
        servers.append(NameServer(folder / f"names{len(servers)}", lines, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(params=["log", "bdb"])
def store(request):
    """Each durable queue store."""
    return request.param


def pytest_configure(config):
    config.addinivalue_line("markers", "long: begins early, as it takes many seconds")


def pytest_collection_modifyitems(items):
    """Workers get runs of tests that follow each other: long ones are spread, and none is left for the end."""
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    distance = len(items) // 2 // (len(long) + 1) + 1
    for number, item in enumerate(long):
        items.insert(number * distance, item)


def pytest_report_header(config):
    return f"build: {BUILD}"
