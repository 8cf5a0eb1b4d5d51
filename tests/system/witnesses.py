# SPDX-License-Identifier: ISC
"""Our commands on tables and configurations, and Postfix's as their witnesses, as fixtures."""

import shutil
import subprocess

import pytest

import peers
from daemon import BUILD, ENVIRONMENT


def run(folder, command, stdin=""):
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True,
                          timeout=60, env=ENVIRONMENT)


@pytest.fixture
def ours(folder):
    """Our postmap, or another command, in the test's folder."""
    (folder / "sluice.conf").write_text(f'plugin_directory = "{BUILD.resolve() / "plugins"}";\n')

    def call(*arguments, stdin="", program="postmap", cwd=folder):
        return run(cwd, [str(BUILD.resolve() / "bin" / program), "-c", str(folder), *arguments],
                   stdin)

    return call


@pytest.fixture
def theirs(folder):
    """Postfix's."""
    peers.require()
    (folder / "main.cf").write_text(
        "compatibility_level = 3.6\nmail_owner = nobody\nsetgid_group = mail\n"
        "default_privs = daemon\nshlib_directory = /usr/lib/postfix\n"
        f"meta_directory = {folder}\n")
    shutil.copy(peers.UNPACKED / "usr/share/postfix/dynamicmaps.cf", folder)

    def call(*arguments, stdin="", program="postmap", cwd=folder):
        # By its name alone, as it would be called: the name is in what it says.
        return run(cwd, peers.laid_over(
            ["env", "PATH=/usr/sbin", program, "-c", str(folder), *arguments]), stdin)

    return call
