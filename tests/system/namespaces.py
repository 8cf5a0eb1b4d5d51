# SPDX-License-Identifier: ISC
"""Commands and tests in namespaces of their own: root alone can do that, and not in every container."""

import contextlib
import ctypes
import functools
import os
import subprocess

import pytest


@functools.cache
def has_mounts():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"],
                                                capture_output=True).returncode == 0


def require_mounts():
    if not has_mounts():
        pytest.skip("NOT ROOT, or no mount namespaces")


def with_mounts(script, *command):
    """The command after what the script has mounted; its words are the script's $1, $2, ..."""
    return ["unshare", "--mount", "sh", "-c", script, "sh", *map(str, command)]


# ---- networks --------------------------------------------------------------------------------------

CLONE_NEWNET = 0x40000000
OWN_NETWORK = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def has_networks():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--net", "true"],
                                                capture_output=True).returncode == 0


def require_networks():
    if not has_networks():
        pytest.skip("NOT ROOT, or no network namespaces")


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "network namespace")


class Network:
    """
    A network of its own, whose interface lo has all addresses of the given nets. `with network:` is
    inside, for this thread and for the processes and threads that it starts; sockets stay there.
    """

    def __init__(self, *nets):
        self.outside = []
        with open(OWN_NETWORK, "rb") as home:
            _check(_libc.unshare(CLONE_NEWNET))
            try:
                self.file = open(OWN_NETWORK, "rb")
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
                for net in nets:
                    subprocess.run(["ip", "address", "add", net, "dev", "lo"], check=True)
            finally:
                _check(_libc.setns(home.fileno(), CLONE_NEWNET))

    def __enter__(self):
        self.outside.append(open(OWN_NETWORK, "rb"))
        _check(_libc.setns(self.file.fileno(), CLONE_NEWNET))
        return self

    def __exit__(self, *_):
        with self.outside.pop() as outside:
            _check(_libc.setns(outside.fileno(), CLONE_NEWNET))

    def close(self):
        self.file.close()


@contextlib.contextmanager
def own_network(*nets):
    """This thread, and the processes and threads that it starts meanwhile, in a Network. Port 25 is free there."""
    require_networks()
    network = Network(*nets)
    try:
        with network:
            yield
    finally:
        network.close()
