# SPDX-License-Identifier: ISC
"""The daemon with plugins that were built outside of the tree, against the installed SDK alone."""

import re
import shutil
import time
import signal

import pytest

from client import send
from daemon import PLUGINS, wait_for
from test_sdk import build_with_cmake, build_with_make, copy_template, install


@pytest.fixture
def prefix(folder):
    path = folder / "prefix"
    path.mkdir()
    install(path)
    return path


@pytest.fixture
def plugins(folder):
    """The build's plugins, with room for more."""
    return shutil.copytree(PLUGINS, folder / "plugins")


def test_a_foreign_lookup_and_a_foreign_transport(make_daemon, folder, sink, prefix, plugins):
    transport = build_with_cmake(prefix, copy_template(prefix, "transport", folder / "audited"),
                                 folder / "audited-build")
    lookup = build_with_make(prefix, copy_template(prefix, "lookup", folder / "subdomains"))
    shutil.copy(transport, plugins / "transport")
    shutil.copy(lookup, plugins / "lookup")

    daemon = make_daemon(start=False)
    daemon.change({
        "plugin_directory": plugins,
        "mynetworks": ["127.0.0.2/32"],
        "relay_domains": ["subdomains:customer.tld"],
        "transports": [{"name": "watched", "plugin": "audited", "smtp_helo_name": "watched.example"}],
        "transport_maps": [daemon.table("transport", f"customer.tld watched:{sink.nexthop}\n"
                                                     f".customer.tld watched:{sink.nexthop}\n")]})
    daemon.start()
    queue_id = send(daemon.port, recipients="user@west.customer.tld")
    wait_for(lambda: sink.count == 1)
    assert "EHLO watched.example" in sink.commands
    daemon.wait_for_log(r"audit rcpt=<[^>]+> status=0")
    daemon.wait_for_log(f"{queue_id}: removed")


def test_a_foreign_link_of_the_nexthop_chain_with_options(make_daemon, folder, sink, prefix, plugins):
    link = build_with_make(prefix, copy_template(prefix, "nexthop", folder / "fixed"))
    shutil.copy(link, plugins / "transport")
    daemon = make_daemon(settings={"plugin_directory": plugins,
                                   "nexthop_chain": ["mx-bypass", "fixed"],
                                   "fixed_address": sink.address, "fixed_port": sink.port})
    queue_id = send(daemon.port, recipients="user@anywhere.example")
    wait_for(lambda: sink.count == 1)
    daemon.wait_for_log(f"{queue_id}: removed")


def test_a_plugin_that_crashes_is_named(make_daemon, folder, prefix, plugins):
    source = copy_template(prefix, "lookup", folder / "subdomains")
    text = (source / "subdomains.c").read_text()
    (source / "subdomains.c").write_text(
        text.replace("    (void)host;", "    (void)host;\n    __builtin_trap();"))
    shutil.copy(build_with_make(prefix, source), plugins / "lookup")
    daemon = make_daemon(start=False, settings={"plugin_directory": plugins,
                                                "relay_domains": ["subdomains:customer.tld"]})
    tried = daemon.command("sluiced", "-t", check=False)
    lines = daemon.config.read_text().splitlines()
    number = 1 + [line.startswith("relay_domains") for line in lines].index(True)
    assert f"{daemon.config}:{number}: subdomains:customer.tld: plugin lookup/subdomains crashed" in tried.stderr
    assert tried.returncode == -signal.SIGILL
    started = daemon.command("sluiced", "-f", check=False)
    assert "plugin lookup/subdomains crashed" in started.stderr and started.returncode == 75


def test_a_foreign_deferral_of_one_transport(make_daemon, make_sink, folder, prefix, plugins):
    sink = make_sink(replies={"RCPT": lambda line: "450 4.2.0 later" if sink.connections == 1 else ...})
    hourly = build_with_make(prefix, copy_template(prefix, "deferral", folder / "hourly"))
    shutil.copy(hourly, plugins / "queue")
    daemon = make_daemon(start=False, settings={
        "plugin_directory": plugins, "relay_domains": ["customer.tld"],
        "minimal_backoff_time": "1s", "maximal_backoff_time": "4000s",
        "relay_transport": f"patient:{sink.nexthop}",
        "transports": [{"name": "patient", "plugin": "relay", "deferral": "hourly"}]})
    daemon.start()
    send(daemon.port)
    daemon.wait_for_log("status=deferred .*450 4.2.0 later")
    time.sleep(2.5)  # backoff would have come again
    assert sink.connections == 1
    assert len(daemon.queue()) == 1
    daemon.command("postqueue", "-f")
    wait_for(lambda: sink.count == 1)

    daemon.stop()
    (plugins / "queue" / "hourly.so").unlink()
    tried = daemon.command("sluiced", "-t", check=False)
    assert tried.returncode == 78
    assert re.search(r"sluice\.conf:\d+: .*hourly\.so.*No such file", tried.stderr), tried.stderr
