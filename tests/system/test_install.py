# SPDX-License-Identifier: ISC
"""Sluice as it was installed, below another prefix than the build was configured for."""

from client import send
from test_sdk import install


def test_plugins_are_found_beside_the_programs(make_daemon, tmp_path):
    install(tmp_path)
    daemon = make_daemon(start=False, settings={"plugin_directory": None})
    daemon.bin = tmp_path / "sbin"
    daemon.change({"relay_domains": [daemon.table("domains", "customer.tld x\n")]})
    daemon.start()
    send(daemon.port)
    assert "can be loaded" in daemon.command("sluice", "plugin", "check", "hash").stdout
