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


CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def own_network(*addresses):
    """This thread, and the processes and threads that it starts meanwhile, in a network of their own: loopback with
    these addresses, "10.9.0.1/16" for all of its network. Port 25 is free there. Only root can do that."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("NOT ROOT, or no network namespaces")
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in addresses:
            subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(home)
