# SPDX-License-Identifier: ISC
"""Commands in a mount namespace of their own: root alone can do that, and not in every container."""

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
