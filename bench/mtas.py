# SPDX-License-Identifier: ISC
"""The mail servers that are measured, set up alike: mail for sink.example and below goes to a sink."""

from places import fresh

from daemon import Daemon
from peers import Postfix, laid_over


class Mta:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Sluice(Mta):
    """transport: where mail for sink.example goes; etrn-only holds it. settings: more of them."""

    name = "sluice"
    store = "log"

    def __init__(self, sink_port, transport="relay", settings=None):
        self.daemon = Daemon(fresh(self.name), start=False)
        self.daemon.change({
            "relay_domains": ["sink.example"],
            "parent_domain_matches_subdomains": ["relay_domains"],
            "transport_maps": [self.daemon.table(
                "transport", f"sink.example {transport}:[127.0.0.1]:{sink_port}\n"
                             f".sink.example {transport}:[127.0.0.1]:{sink_port}\n")],
            "queue_store": {"plugin": self.store}, "smtpd_client_connection_count_limit": 0,
            **(settings or {})})
        self.daemon.start()
        self.port = self.daemon.port
        self.pid = self.daemon.process.pid
        self.folder = self.daemon.folder

    def list_command(self):
        return [self.daemon.bin / "mailq", "-C", self.folder]

    def close(self):
        self.daemon.finish()


class SluiceBdb(Sluice):
    name = "sluice-bdb"
    store = "bdb"


class PostfixPeer(Mta):
    name = "postfix"

    def __init__(self, sink_port, transport="relay", settings=None):
        self.server = Postfix(fresh(self.name), {
            "relay_domains": "sink.example",
            "parent_domain_matches_subdomains": "relay_domains",
            "transport_maps": f"inline:{{sink.example={transport}:[127.0.0.1]:{sink_port}, "
                              f".sink.example={transport}:[127.0.0.1]:{sink_port}}}",
            "defer_transports": "etrn-only", "virtual_mailbox_domains": "",
            "smtpd_client_connection_count_limit": "0",
            "meta_directory": "/usr/share/postfix",  # where it finds its tables' plugins
            # Its own client keeps connections only when told to.
            "smtp_connection_cache_destinations": "sink.example" if transport == "relay" else "",
            **(settings or {})})
        self.port = self.server.port
        self.pid = self.server.process.pid
        self.folder = self.server.folder

    def list_command(self):
        return laid_over(["postqueue", "-c", self.folder / "conf", "-p"])

    def close(self):
        self.server.close()


class Floor:
    """No mail server: the programs alone."""

    name = "floor"


KINDS = {kind.name: kind for kind in (Sluice, SluiceBdb, PostfixPeer, Floor)}
