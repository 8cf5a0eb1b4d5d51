# SPDX-License-Identifier: ISC
"""A real name server (dnsmasq) with the test's own names and a log of every query."""

import re
import subprocess
from pathlib import Path

from daemon import free_port, wait_for


class NameServer:
    """
    lines: dnsmasq's own options without dashes, e.g. "address=/mail.customer.tld/127.0.0.1",
    "mx-host=customer.tld,mail.customer.tld,10". Unknown names do not exist.
    """

    def __init__(self, folder, lines, address="127.0.0.1", port=None, ttl=1):
        folder = Path(folder)
        folder.mkdir()
        self.log_path = folder / "log"
        self.port = port or free_port(address)
        self.server = f"{address}@{self.port}"
        config = folder / "dnsmasq.conf"
        config.write_text("\n".join([
            f"port={self.port}", f"listen-address={address}", "bind-interfaces", "no-resolv",
            "no-hosts", "no-daemon", "log-queries", "log-facility=-", "user=", "group=",
            "local=/#/", f"local-ttl={ttl}", *lines, ""]))
        self.command = ["/usr/sbin/dnsmasq", f"--conf-file={config}", "--pid-file"]
        self.log_file = open(self.log_path, "wb")
        self.starts = 0
        self._start()

    def _start(self):
        self.starts += 1
        self.process = subprocess.Popen(self.command, stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL)
        wait_for(lambda: self.log_path.read_text().count(": started") == self.starts)

    def restart(self):
        """With what the configuration file says now."""
        self.process.terminate()
        self.process.wait(10)
        self._start()

    def queries(self):
        """["MX customer.tld", "A mail.customer.tld", ...] in the order of arrival."""
        return [f"{kind} {name}" for kind, name in
                re.findall(r"query\[(\w+)\] (\S+) from", self.log_path.read_text())]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log_file.close()
