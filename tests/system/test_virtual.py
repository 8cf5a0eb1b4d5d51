# SPDX-License-Identifier: ISC
"""The transport virtual: maildirs and mboxes that tables name (spec R-2, R-9; issue 5, point 2)."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from client import send
from daemon import wait_for
from mailboxes import OWN, make_folder, needs_root, read_maildir, read_mbox

CONTENT = b"Subject: test\r\nX-Long: a\r\n b\r\n\r\nhello\r\nFrom here on\r\n>From there\r\n\r\nFrom\r\nFrom \r\n.\r\nend\r\n"
BODY = CONTENT.replace(b"\r\n", b"\n")
QUOTED = BODY.replace(b"\nFrom here", b"\n>From here").replace(b"\nFrom \n", b"\n>From \n")


@pytest.fixture
def make_virtual(make_daemon, folder):
    """A daemon with mailboxes under folder/mail; start it with start()."""
    def make(mailboxes, **settings):
        base = make_folder(folder / "mail")
        daemon = make_daemon(start=False)
        daemon.base = base
        daemon.change({
            "virtual_mailbox_domains": ["box.tld"],
            "virtual_mailbox_maps": [daemon.table("mailboxes", mailboxes)],
            "virtual_mailbox_base": base,
            "virtual_uid_maps": [f"static:{OWN.pw_uid}"], "virtual_gid_maps": [f"static:{OWN.pw_gid}"],
            "virtual_minimum_uid": 1, "transports": [{"name": "virtual", "plugin": "virtual"}],
            "minimal_backoff_time": "1s", "deliver_lock_delay": "1s", "recipient_delimiter": "+",
            "deliver_processes": 1, **settings})
        return daemon

    return make


def is_empty(daemon):
    return daemon.queue() == []


def test_a_maildir(make_virtual):
    """Who is asked for in which order: user+ext@, user@, @domain (R-70)."""
    daemon = make_virtual("u@box.tld users/u/\nfull+x@box.tld full/\n@box.tld all/\n")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"], content=CONTENT)
    wait_for(lambda: is_empty(daemon))
    send(daemon.port, recipients=["U+tag@box.tld"], sender="")
    send(daemon.port, recipients=["full+x@box.tld", "Somebody@box.tld"])
    wait_for(lambda: is_empty(daemon))
    first, second = read_maildir(daemon.base / "users/u")
    head, rest = first.split(b"Received:", 1)
    assert head == b"Return-Path: <sender@isp.example>\nX-Original-To: u@box.tld\nDelivered-To: u@box.tld\n"
    assert rest.endswith(b"\n" + BODY)
    assert second.startswith(b"Return-Path: <>\nX-Original-To: U+tag@box.tld\nDelivered-To: U+tag@box.tld\n")
    assert len(read_maildir(daemon.base / "full")) == 1
    assert b"Delivered-To: Somebody@box.tld\n" in read_maildir(daemon.base / "all")[0]
    for name in "tmp", "cur":
        assert list((daemon.base / "users/u" / name).iterdir()) == []
    assert re.search(r"virtual\[\d+\]: .*to=<u@box.tld>, relay=virtual, .*dsn=2.0.0, status=sent "
                     r"\(delivered to maildir\)", daemon.log())
    name = next((daemon.base / "full/new").iterdir()).name
    assert re.fullmatch(r"\d+\.V[0-9a-f]+I[0-9a-f]+M\d+\.mx\.isp\.example", name)


def test_an_mbox(make_virtual):
    daemon = make_virtual("u@box.tld u\nv@box.tld u\n")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"], content=CONTENT)
    wait_for(lambda: is_empty(daemon))
    text = (daemon.base / "u").read_bytes()
    assert re.match(rb"From sender@isp\.example  [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\n"
                    rb"Return-Path: <sender@isp\.example>\nX-Original-To: u@box\.tld\n"
                    rb"Delivered-To: u@box\.tld\nReceived: ", text)
    assert text.endswith(b"\n" + QUOTED + b"\n")
    for _ in range(3):
        send(daemon.port, recipients=["u@box.tld", "v@box.tld"], sender="")
    wait_for(lambda: is_empty(daemon))
    messages = read_mbox(daemon.base / "u")
    assert len(messages) == 7 and all(message.endswith(b"\n\nhello\n") for message in messages[1:])
    assert b"\nFrom MAILER-DAEMON  " in (daemon.base / "u").read_bytes()
    assert not (daemon.base / "u.lock").exists()
    daemon.wait_for_log(r"status=sent \(delivered to mailbox\)")


def test_a_large_message_comes_as_it_was(make_virtual):
    lines = b"".join(b"From line %d %s\r\n" % (i, b"x" * (i % 90)) for i in range(60000))
    daemon = make_virtual("u@box.tld u/\nv@box.tld v\n")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld", "v@box.tld"], content=b"Subject: x\r\n\r\n" + lines)
    wait_for(lambda: is_empty(daemon))
    plain = lines.replace(b"\r\n", b"\n")
    assert read_maildir(daemon.base / "u")[0].endswith(b"\n\n" + plain)
    assert (daemon.base / "v").read_bytes().endswith(b"\n\n" + plain.replace(b"From ", b">From ") + b"\n")


def test_unknown_users_and_loops_go_back(make_virtual, sink):
    daemon = make_virtual("u@box.tld u/\n", smtpd_reject_unlisted_recipient=False)
    daemon.change({"transport_maps": [daemon.table("transport", f"isp.example smtp:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port, recipients=["nobody@box.tld"])
    send(daemon.port, recipients=["u@box.tld"],
         content=b"Subject: x\r\ndelivered-to:  U@box.tld \r\n\r\nDelivered-To: u@box.tld\r\n")
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert re.search(r'to=<nobody@box.tld>, .*dsn=5.1.1, status=bounced \(unknown user: "nobody@box.tld"\)',
                     daemon.log())
    assert re.search(r"to=<u@box.tld>, .*dsn=5.4.6, status=bounced \(mail forwarding loop for u@box.tld\)",
                     daemon.log())
    send(daemon.port, recipients=["u@box.tld"], content=b"Subject: x\r\n\r\nDelivered-To: u@box.tld\r\n")
    wait_for(lambda: len(read_maildir(daemon.base / "u")) == 1)


@needs_root
def test_an_mbox_of_somebody_else_is_left_alone(make_virtual):
    """strict_mailbox_ownership, also where the group could write to it."""
    daemon = make_virtual("u@box.tld u\n")
    path = daemon.base / "u"
    path.write_bytes(b"")
    os.chown(path, OWN.pw_uid + 1, OWN.pw_gid)
    path.chmod(0o660)
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    daemon.wait_for_log(r"dsn=4\.2\.0, status=deferred \(.*is not owned by recipient\)")
    assert path.read_bytes() == b""
    daemon.change({"strict_mailbox_ownership": False})
    daemon.command("sluice", "reload")
    wait_for(lambda: is_empty(daemon))
    assert len(read_mbox(path)) == 1


def test_a_message_over_the_limit_goes_back(make_virtual, sink):
    daemon = make_virtual("u@box.tld u\n", virtual_mailbox_limit=10000, message_size_limit=10000)
    daemon.change({"transport_maps": [daemon.table("transport", f"isp.example smtp:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"], content=b"x" * 900 + b"\r\n" + b"y" * 6000 + b"\r\n")
    wait_for(lambda: is_empty(daemon))
    before = (daemon.base / "u").read_bytes()
    send(daemon.port, recipients=["u@box.tld"], content=b"Subject: z\r\n\r\n" + b"z" * 6000 + b"\r\n")
    daemon.wait_for_log(r"dsn=5\.2\.2, status=bounced \(cannot update mailbox /.*/u for user u@box\.tld\. "
                        r"error writing message: File too large\)")
    assert (daemon.base / "u").read_bytes() == before


@pytest.mark.parametrize("settings", [
    {"virtual_uid_maps": ["inline:{other@box.tld=1000}"]},
    {"virtual_uid_maps": ["static:abc"]},
    {"virtual_minimum_uid": 2000000000},
    {"virtual_gid_maps": ["static:0"]},
    {"virtual_mailbox_base": ""},
], ids=["no uid", "bad uid", "uid too low", "gid 0", "no base"])
def test_a_mistake_in_the_tables_is_temporary(make_virtual, settings):
    daemon = make_virtual("u@box.tld u/\n", **settings)
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    daemon.wait_for_log(r"warning: .*recipient u@box\.tld: ")
    daemon.wait_for_log(r"dsn=4\.3\.5, status=deferred \(mail system configuration error\)")
    assert list(daemon.base.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_temporary(make_virtual):
    daemon = make_virtual("u@box.tld u/\nm@box.tld closed/m\n")
    closed = make_folder(daemon.base / "u", mode=0o500)
    make_folder(daemon.base / "closed", mode=0o500)
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    send(daemon.port, recipients=["m@box.tld"])
    daemon.wait_for_log(r"to=<u@box.tld>, .*dsn=4\.2\.0, status=deferred \(maildir delivery failed: create "
                        r"maildir f.*: Permission denied\)")
    daemon.wait_for_log(r"to=<m@box.tld>, .*dsn=4\.2\.0, status=deferred \(cannot update mailbox .*/m for user "
                        r"m@box\.tld\. cannot open file .*: Permission denied\)")
    closed.chmod(0o700)
    (daemon.base / "closed").chmod(0o700)
    wait_for(lambda: is_empty(daemon), 30)
    assert len(read_maildir(closed)) == 1 and len(read_mbox(daemon.base / "closed/m")) == 1


def test_a_locked_mbox_is_waited_for(make_virtual):
    """Both locks: a file .lock, and a lock of another process on the file."""
    daemon = make_virtual("u@box.tld u\n", deliver_lock_attempts=2, deliver_lock_delay="0s")
    lock = daemon.base / "u.lock"
    lock.write_text("")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    daemon.wait_for_log(r"status=deferred \(cannot update mailbox .* unable to lock for exclusive access")
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", "import fcntl, sys\nf = open(sys.argv[1], 'a')\nfcntl.lockf(f, fcntl.LOCK_EX)\n"
         "print('locked', flush=True)\nsys.stdin.read()", daemon.base / "u"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"locked\n"
    count = daemon.log().count("unable to lock")
    lock.unlink()
    wait_for(lambda: daemon.log().count("unable to lock") > count)
    assert (daemon.base / "u").read_bytes() == b""
    holder.communicate()
    wait_for(lambda: is_empty(daemon), 30)
    assert len(read_mbox(daemon.base / "u")) == 1


def test_a_forgotten_lock_is_taken_away(make_virtual):
    daemon = make_virtual("u@box.tld u\n")
    lock = daemon.base / "u.lock"
    lock.write_text("")
    os.chown(lock, OWN.pw_uid, OWN.pw_gid)
    os.utime(lock, (time.time() - 501, time.time() - 501))
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    wait_for(lambda: is_empty(daemon))
    assert len(read_mbox(daemon.base / "u")) == 1


def test_what_is_cut_off_swallows_nothing(make_virtual):
    """A message that a power cut has left half is no part of the next one."""
    daemon = make_virtual("u@box.tld u\n")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld"])
    wait_for(lambda: is_empty(daemon))
    with open(daemon.base / "u", "ab") as file:
        file.write(b"From half@isp.example  Thu Nov 22 10:00:00 2026\nSubject: ha")
    send(daemon.port, recipients=["u@box.tld"])
    wait_for(lambda: is_empty(daemon))
    assert [message.count(b"hello") for message in read_mbox(daemon.base / "u")] == [1, 0, 1]


def test_links_are_not_followed(make_virtual):
    daemon = make_virtual("u@box.tld u\nv@box.tld v\n")
    target = daemon.base / "target"
    target.write_bytes(b"")
    os.chown(target, OWN.pw_uid, OWN.pw_gid)
    os.symlink(target, daemon.base / "u")
    os.link(target, daemon.base / "v")
    daemon.start()
    send(daemon.port, recipients=["u@box.tld", "v@box.tld"])
    daemon.wait_for_log(r"to=<u@box.tld>, .*dsn=5\.2\.0, status=bounced .*is not a regular file")
    daemon.wait_for_log(r"to=<v@box.tld>, .*dsn=4\.2\.0, status=deferred .*has other names")
    assert target.read_bytes() == b""


def test_nothing_is_lost_when_deliver_is_killed(make_virtual):
    """Kills in mid-delivery: each message is there at least once, whole, and none in pieces."""
    daemon = make_virtual("u@box.tld u/\nm@box.tld m\n", stale_lock_time="1s", deliver_lock_delay="1s",
                          virtual_mailbox_lock="fcntl", transport_retry_time="1s")
    daemon.start()
    text = b"y" * 70 + b"\r\n"
    sent = []
    for i in range(40):
        sent.append(b"number-%d-" % i)
        send(daemon.port, recipients=["u@box.tld", "m@box.tld"],
             content=b"Subject: x\r\n\r\n" + sent[-1] + b"\r\n" + text * 3000 + b"end-of-it\r\n")
        if i in (5, 25):  # a third crash would put a message on hold
            for name, pid in daemon.roles().items():
                if name.startswith("deliver"):
                    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_empty(daemon), 60)
    found, in_mbox = read_maildir(daemon.base / "u"), read_mbox(daemon.base / "m")
    for number in sent:
        assert any(number in message for message in found), number
        assert any(number in message and b"end-of-it" in message for message in in_mbox), number
    assert all(message.endswith(b"end-of-it\n") for message in found)


@needs_root
def test_a_full_disk_is_temporary(make_virtual):
    daemon = make_virtual("u@box.tld small/u/\nm@box.tld small/m\n")
    small = make_folder(daemon.base / "small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", small], check=True)
    try:
        os.chown(small, OWN.pw_uid, OWN.pw_gid)
        daemon.start()
        big = b"Subject: x\r\n\r\n" + (b"z" * 70 + b"\r\n") * 2000
        send(daemon.port, recipients=["u@box.tld", "m@box.tld"], content=big)
        daemon.wait_for_log(r"to=<u@box.tld>, .*dsn=4\.3\.1, status=deferred .*No space left on device")
        daemon.wait_for_log(r"to=<m@box.tld>, .*dsn=4\.3\.1, status=deferred .*No space left on device")
        assert (small / "m").stat().st_size == 0 and list((small / "u/tmp").iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
        wait_for(lambda: is_empty(daemon), 30)
        assert len(read_maildir(small / "u")) == 1 and len(read_mbox(small / "m")) == 1
    finally:
        daemon.stop()
        subprocess.run(["umount", small], check=True)
        shutil.rmtree(small)
