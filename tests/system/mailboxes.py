# SPDX-License-Identifier: ISC
"""What tests of local delivery share: who delivers, and reading back what was delivered."""

import mailbox
import os
import pwd

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: nobody can become another user")

# Who may write mailboxes without becoming another user: the daemon's own user.
OWN = pwd.getpwnam("sluice-net") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def make_folder(path, owner=OWN, mode=0o755):
    path.mkdir(mode=0o755)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    path.chmod(mode)
    return path


def read_maildir(path):
    """The messages in new/, as bytes, in the order in which they came."""
    folder = path / "new"
    names = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns) if folder.exists() else []
    return [file.read_bytes() for file in names]


def read_mbox(path):
    """The messages of an mbox, as Python's reader sees them."""
    if not path.exists():
        return []
    return [message.as_bytes() for message in mailbox.mbox(path, create=False)]
