# SPDX-License-Identifier: ISC
"""The daemon with plugins that were built outside of the tree, against the installed SDK alone."""

import shutil

from client import send
from daemon import PLUGINS, wait_for
from test_sdk import build_with_cmake, build_with_make, copy_template, install


def test_a_foreign_lookup_and_a_foreign_transport(make_daemon, folder, sink):
    prefix = folder / "prefix"
    prefix.mkdir()
    install(prefix)
    transport = build_with_cmake(prefix, copy_template(prefix, "transport", folder / "audited"),
                                 folder / "audited-build")
    lookup = build_with_make(prefix, copy_template(prefix, "lookup", folder / "subdomains"))
    plugins = folder / "plugins"
    shutil.copytree(PLUGINS, plugins)
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
