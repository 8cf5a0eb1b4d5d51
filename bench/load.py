# SPDX-License-Identifier: ISC
"""The programs that send and take mail."""

import json
import socket
import subprocess

from places import PROGRAMS

from daemon import free_port, wait_for

SESSIONS = 50


class Sink:
    def __init__(self, messages, *options, address="127.0.0.1"):
        self.port = free_port(address)
        self.process = subprocess.Popen(
            [PROGRAMS / "bench-sink", "-m", str(messages), *options, f"{address}:{self.port}"],
            stdout=subprocess.PIPE, text=True)
        wait_for(self.listens, 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def finish(self, seconds=300):
        """What it says at its end."""
        try:
            out, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            out, _ = self.process.communicate(timeout=10)
        return json.loads(out)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=10)


def source(port, messages, *options, sessions=SESSIONS):
    """Sends them all; what it says at its end."""
    done = subprocess.run([PROGRAMS / "bench-source", "-s", str(sessions), "-m", str(messages), *options,
                           f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"source: {done.stderr}")
    return json.loads(done.stdout)
