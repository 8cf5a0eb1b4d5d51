# SPDX-License-Identifier: ISC
"""What operators do to the queue: postqueue, postsuper, postcat, sluice; texts and exit codes as the field has them."""

import json
import os
import pwd
import re
import subprocess
import threading
import time

import pytest

from client import Client, send
from daemon import ENVIRONMENT, wait_for

USAGE = ("postqueue: fatal: usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | "
         "postqueue -s site\n")
HEADER = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"


@pytest.fixture
def daemon(make_daemon, sink):
    """Mail for customer.tld waits for a release; mail for straight.tld goes at once."""
    return make(make_daemon, sink)


def make(make_daemon, sink, **settings):
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld", "branch1.tld", "branch2.tld", "straight.tld"],
        "transport_maps": [daemon.table("transport", "".join(
            f"{domain} etrn-only:{sink.nexthop}\n"
            for domain in ("customer.tld", "branch1.tld", "branch2.tld")) +
            f"straight.tld relay:{sink.nexthop}\n")],
        "etrn_minimum_interval": 0, **settings})
    daemon.start()
    return daemon


def postsuper(daemon, *arguments, **options):
    """What postsuper says, without its name; it prints to standard error alone."""
    result = daemon.command("postsuper", *arguments, check=False, **options)
    assert result.stdout == ""
    return result.returncode, [line.removeprefix("postsuper: ") for line in result.stderr.splitlines()]


def listed(daemon):
    return {entry["queue_id"]: entry for entry in
            map(json.loads, daemon.command("postqueue", "-j").stdout.splitlines())}


def as_nobody(daemon, *arguments):
    """A stranger to the queue; None where the tests themselves run as somebody."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    nobody = pwd.getpwnam("nobody")
    return daemon.command(*arguments, check=False, user=nobody.pw_uid, group=nobody.pw_gid,
                          extra_groups=[])


# -- postqueue

@pytest.mark.parametrize("arguments", [[], ["-f", "x"], ["-x"], ["-p", "-j"], ["-s"]])
def test_postqueue_usage(daemon, arguments):
    """C-20"""
    result = daemon.command("postqueue", *arguments, check=False)
    assert (result.returncode, result.stderr) == (69, USAGE)


def test_postqueue_releases(daemon, sink):
    """C-21, C-22, C-23, Q-45: quiet when all is well."""
    ids = [send(daemon.port, recipients=f"u@{name}.tld") for name in ("customer", "branch1")]
    for arguments in (["-i", "ABCDEF"], ["-s", "straight.tld"]):
        result = daemon.command("postqueue", *arguments)
        assert result.stdout + result.stderr == ""
    daemon.command("postqueue", "-i", ids[1])
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].recipients == ["<u@branch1.tld>"]
    daemon.command("postqueue", "-f")
    wait_for(lambda: sink.count == 2)
    for arguments, text in (
            (["-s", "nosuch.tld"], 'Flush service is not configured for destination "nosuch.tld"'),
            (["-s", "1.2.3.4"], 'Cannot flush mail queue - invalid destination: "1.2.3.4"'),
            (["-s", "bad..x"], 'Cannot flush mail queue - invalid destination: "bad..x"'),
            (["-i", "a/b"], 'Cannot flush queue ID - invalid name: "a/b"')):
        result = daemon.command("postqueue", *arguments, check=False)
        assert (result.returncode, result.stderr) == (69, f"postqueue: fatal: {text}\n")


def test_many_releases_at_once_are_one(make_daemon, make_sink):
    """Q-13: what is asked for while it is attempted is remembered once."""
    attempts = []
    gate = threading.Event()
    gate.set()
    sink = make_sink(replies={"RCPT": lambda line: attempts.append(line) or gate.wait(60) and "450 4.2.0 later"})
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "minimal_backoff_time": "1h", "maximal_backoff_time": "1h",
                   "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    wait_for(lambda: "status=deferred" in daemon.log())
    gate.clear()
    daemon.command("postqueue", "-f")
    wait_for(lambda: len(attempts) == 2)
    for _ in range(4):
        daemon.command("postqueue", "-f")
    gate.set()
    wait_for(lambda: daemon.log().count("status=deferred") >= 2)
    time.sleep(0.5)
    assert 2 <= len(attempts) <= 3


def test_the_mail_system_is_down(daemon):
    """C-21, C-25"""
    assert daemon.stop() == 0
    for command, code, text in (
            (["postqueue", "-p"], 69, "Queue report unavailable - mail system is down"),
            (["mailq"], 75, "Queue report unavailable - mail system is down"),
            (["postqueue", "-f"], 69, "Cannot flush mail queue - mail system is down"),
            (["postqueue", "-s", "customer.tld"], 69, "Cannot flush mail queue - mail system is down")):
        result = daemon.command(*command, check=False)
        assert (result.returncode, result.stderr) == (code, f"{command[0]}: fatal: {text}\n")
    for command in (["postsuper", "-d", "ALL"], ["postcat", "-q", "ABCDEF"]):
        result = daemon.command(*command, check=False)
        assert result.returncode == 1 and "the mail system is down" in result.stderr


def test_who_may(make_daemon, sink):
    """C-24, and what is for root and the owner alone."""
    daemon = make(make_daemon, sink, authorized_mailq_users=["root"],
                  authorized_flush_users=["!nobody", "static:anyone"])
    queue_id = send(daemon.port)
    assert queue_id in daemon.command("mailq").stdout
    user = "User nobody(65534) is not allowed to"
    for command, code, text in (
            (["postqueue", "-p"], 69, f"postqueue: fatal: {user} view the mail queue\n"),
            (["postqueue", "-f"], 69, f"postqueue: fatal: {user} flush the mail queue\n"),
            (["postqueue", "-i", queue_id], 69, f"postqueue: fatal: {user} flush the mail queue\n"),
            (["postsuper", "-d", queue_id], 1,
             "postsuper: fatal: use of this command is reserved for the superuser\n"),
            (["postcat", "-q", queue_id], 1,
             f"postcat: fatal: open queue file {queue_id}: Permission denied\n"),
            (["sluice", "queue", "hold", queue_id], 65,
             "sluice: this is for root and the queue's owner alone\n"),
            (["sluice", "site", "suspend", "smtp:x"], 65,
             "sluice: this is for root and the queue's owner alone\n"),
            (["sluice", "status"], 65, "sluice: you may not view the mail queue\n")):
        result = as_nobody(daemon, *command)
        assert (result.returncode, result.stderr) == (code, text), command
    assert listed(daemon)[queue_id]["queue_name"] == "deferred"


def test_anyone_may_by_default(daemon, sink):
    send(daemon.port)
    assert as_nobody(daemon, "mailq").returncode == 0
    assert as_nobody(daemon, "postqueue", "-f").returncode == 0
    wait_for(lambda: sink.count == 1)


# -- mailq

def arrival(daemon, queue_id):
    """The first 19 characters of ctime."""
    return time.asctime(time.localtime(listed(daemon)[queue_id]["arrival_time"]))[:19]


def test_mailq_byte_for_byte(make_daemon, make_sink):
    """C-30 to C-36"""
    sink = make_sink(replies={"RCPT": lambda line: "450 4.2.0 full" if "full" in line else ...})
    daemon = make(make_daemon, sink)
    assert daemon.command("mailq").stdout == "Mail queue is empty\n"
    first = send(daemon.port, sender="", recipients=["a@customer.tld", "b@branch1.tld"])
    second = send(daemon.port, recipients=["full@straight.tld", "full2@straight.tld"],
                  content=b"X: " + b"1" * 60 + b"\r\n" + b"2" * 60 + b"\r\n")
    third = send(daemon.port, recipients="c@customer.tld")
    said = "host 127.0.0.1[127.0.0.1] said: 450 4.2.0 full (in reply to RCPT TO command)"
    wait_for(lambda: listed(daemon)[second]["recipients"][0].get("delay_reason") == said)
    daemon.command("postsuper", "-h", third)
    daemon.command("postsuper", "-e", third)
    sizes = [listed(daemon)[queue_id]["message_size"] for queue_id in (first, second, third)]
    blank = " " * 41
    assert daemon.command("mailq").stdout == (
        HEADER +
        f"{first:17} {sizes[0]:8} {arrival(daemon, first)} MAILER-DAEMON\n"
        f"{'(deferred transport)':>78}\n{blank}a@customer.tld\n{blank}b@branch1.tld\n\n"
        f"{second:17} {sizes[1]:8} {arrival(daemon, second)} sender@isp.example\n"
        f"{'(' + said + ')':>78}\n{blank}full@straight.tld\n{blank}full2@straight.tld\n\n"
        f"{third + '!#':17} {sizes[2]:8} {arrival(daemon, third)} sender@isp.example\n"
        f"{'(deferred transport)':>78}\n{blank}c@customer.tld\n\n"
        f"-- {sum(sizes) // 1024} Kbytes in 3 Requests.\n")
    entry = listed(daemon)[third]
    assert list(entry) == ["queue_name", "queue_id", "arrival_time", "message_size", "forced_expire",
                           "sender", "recipients"]
    assert entry["queue_name"] == "hold" and entry["forced_expire"] is True
    assert entry["recipients"] == [{"address": "c@customer.tld", "delay_reason": "deferred transport"}]


def test_mailq_marks_what_is_attempted(make_daemon, make_sink):
    sink = make_sink(replies={"greeting": 20})
    daemon = make(make_daemon, sink)
    queue_id = send(daemon.port, recipients="a@straight.tld")
    wait_for(lambda: sink.connections == 1)
    assert f"\n{queue_id}* " in daemon.command("mailq").stdout
    assert listed(daemon)[queue_id]["queue_name"] == "active"
    sink.close()


# -- postsuper

def test_postsuper_one(daemon):
    """C-40, C-41: one after the other, with their texts."""
    queue_id = send(daemon.port)
    for option, expected in (
            ("-H", ["Released from hold: 0 messages"]),
            ("-h", [f"{queue_id}: placed on hold", "Placed on hold: 1 message"]),
            ("-h", ["Placed on hold: 0 messages"]),
            ("-H", [f"{queue_id}: released from hold", "Released from hold: 1 message"]),
            ("-h", [f"{queue_id}: placed on hold", "Placed on hold: 1 message"]),
            ("-e", [f"{queue_id}: expired", "Force-expired: 1 message"]),
            ("-e", ["Force-expired: 0 messages"]),
            ("-f", [f"{queue_id}: released from hold", "Force-expired: 0 messages",
                    "Released from hold: 1 message"])):
        assert postsuper(daemon, option, queue_id) == (0, expected), option
    daemon.wait_for_log(f"{queue_id}: from=<.*>, status=expired, returned to sender")
    wait_for(lambda: queue_id not in listed(daemon))


def test_postsuper_removes(daemon):
    """C-40, C-42, C-43"""
    ids = [send(daemon.port) for _ in range(4)]
    assert postsuper(daemon, "-d", "ABCDEF0123") == (0, ["Deleted: 0 messages"])
    assert postsuper(daemon, "-d", "all") == (0, ["Deleted: 0 messages"])
    assert postsuper(daemon, "-d", "a/b") == (
        0, ["warning: invalid mail queue id: a/b", "Deleted: 0 messages"])
    assert postsuper(daemon, "-d", ids[0], "-d", ids[1]) == (
        0, [f"{ids[0]}: removed", f"{ids[1]}: removed", "Deleted: 2 messages"])
    assert postsuper(daemon, "-d", "-", input=f"bad/id\n{ids[2]}\n{'7' * 3000}\n") == (
        0, ["warning: invalid mail queue id: bad/id", f"{ids[2]}: removed", "Deleted: 1 message"])
    assert set(listed(daemon)) == {ids[3]}
    assert postsuper(daemon, "-d", "ALL", "nosuch") == (1, ["fatal: invalid directory name: nosuch"])
    assert postsuper(daemon, "-d", "ALL", "hold", "incoming", "maildrop", "corrupt") == (
        0, ["Deleted: 0 messages"])
    assert postsuper(daemon, "-d", "ALL", "-d", ids[3], "deferred") == (
        0, ['warning: option "-d ALL" will ignore other command line queue IDs', "Deleted: 1 message"])
    assert daemon.command("mailq").stdout == "Mail queue is empty\n"


def test_postsuper_command_line(daemon):
    """C-44"""
    for arguments in ([], ["-p"], ["-s"], ["-S"], ["-v"]):
        assert postsuper(daemon, *arguments) == (0, [])
    assert postsuper(daemon, "-x")[0] == 1
    assert postsuper(daemon, "-x")[1][0] == "invalid option -- 'x'"
    assert postsuper(daemon, "-x")[1][1].startswith("fatal: usage: postsuper [-c config_dir] [-d queue_id")
    assert postsuper(daemon, "-c", "relative") == (1, ["fatal: -c requires absolute pathname"])


def test_postsuper_requeues(make_daemon, make_sink):
    """C-41: attempts begin anew, at once; what waited for a release waits for one again."""
    is_full = True
    sink = make_sink(replies={"RCPT": lambda line: "450 4.2.0 full" if is_full else ...})
    daemon = make(make_daemon, sink)
    held = send(daemon.port)
    queue_id = send(daemon.port, recipients="a@straight.tld")
    wait_for(lambda: "delay_reason" in listed(daemon)[queue_id]["recipients"][0])
    is_full = False
    daemon.command("postsuper", "-h", queue_id)
    assert postsuper(daemon, "-r", "ALL") == (0, ["Requeued: 2 messages"])
    wait_for(lambda: set(listed(daemon)) == {held})
    assert sink.count == 1


def test_many_ids_on_standard_input(daemon):
    """More than a request has room for."""
    count = 350
    with Client(daemon.port) as client:
        for _ in range(count):
            assert client.message("s@isp.example", "u@customer.tld", b"X: y\r\n\r\n").startswith("250")
    ids = list(listed(daemon))
    assert len(ids) == count
    code, lines = postsuper(daemon, "-d", "-", input="\n".join(ids))
    assert code == 0 and lines[-1] == f"Deleted: {count} messages"
    assert lines[:-1] == [f"{queue_id}: removed" for queue_id in ids]


# -- hold, in the store too

def test_hold_survives(make_daemon, sink, store):
    """Q-43, Q-49, C-45: neither a release nor a start lets it go; then it is as it was."""
    daemon = make(make_daemon, sink, queue_store={"plugin": store})
    queue_id = send(daemon.port)
    assert daemon.command("sluice", "queue", "hold", queue_id).stdout == f"{queue_id}: placed on hold\n"
    again = daemon.command("sluice", "queue", "hold", queue_id, check=False)
    assert (again.returncode, again.stderr) == (66, f"sluice: {queue_id}: is on hold\n")
    daemon.kill()
    daemon.start()
    assert listed(daemon)[queue_id]["queue_name"] == "hold"
    with Client(daemon.port) as client:
        client.expect("ETRN customer.tld", "251")
        daemon.command("postqueue", "-f")
        daemon.command("postqueue", "-i", queue_id)
        time.sleep(0.5)
        assert sink.connections == 0
        assert "on hold" in daemon.command("sluice", "queue", "list").stdout
        daemon.command("sluice", "queue", "unhold", queue_id)
        time.sleep(0.5)
        assert sink.connections == 0
        client.expect("ETRN customer.tld", "253")
    wait_for(lambda: sink.count == 1 and not listed(daemon))


def test_what_is_removed_does_not_come_back(make_daemon, sink, store):
    daemon = make(make_daemon, sink, queue_store={"plugin": store})
    ids = [send(daemon.port) for _ in range(3)]
    assert daemon.command("sluice", "queue", "remove", ids[0]).stdout == f"{ids[0]}: removed\n"
    daemon.kill()
    daemon.start()
    assert set(listed(daemon)) == set(ids[1:])
    assert daemon.command("sluice", "queue", "remove", "ALL").stdout == "2 messages\n"
    daemon.kill()
    daemon.start()
    assert not listed(daemon)
    missing = daemon.command("sluice", "queue", "remove", ids[0], check=False)
    assert (missing.returncode, missing.stderr) == (
        66, f"sluice: {ids[0]}: no such message in the queue\n")


def test_removed_while_it_is_attempted(make_daemon, make_sink):
    """What is under way may arrive; what it comes to is not tried again."""
    gate = threading.Event()

    def wait(line):
        gate.wait(20)
        return "450 4.2.0 not now"

    sink = make_sink(replies={"RCPT": wait})
    daemon = make(make_daemon, sink, minimal_backoff_time=1)
    queue_id = send(daemon.port, recipients="a@straight.tld")
    wait_for(lambda: any(command.startswith("RCPT") for command in sink.commands))
    assert postsuper(daemon, "-d", "ALL") == (0, ["Deleted: 1 message"])
    assert not listed(daemon)
    gate.set()
    daemon.wait_for_log(rf"{queue_id}: to=<a@straight.tld>.* status=deferred")
    wait_for(lambda: daemon.json("status")[0]["messages"] == 0)
    tried = sum(command.startswith("RCPT") for command in sink.commands)
    time.sleep(2)
    assert sum(command.startswith("RCPT") for command in sink.commands) == tried == 1


# -- sites

def test_what_is_not_utf_8_is_refused(daemon):
    """A filter that cannot be sent must not be left out: the command would be for all mail."""
    send(daemon.port, recipients="user@customer.tld")
    name = b"k\xfcnde.tld"
    for arguments in (["remove", "ALL", "--domain", name], ["hold", "ALL", "--site", name], ["list", "--domain", name]):
        result = subprocess.run([daemon.bin / "sluice", "-c", daemon.config, "queue", *arguments],
                                capture_output=True, timeout=60, env=ENVIRONMENT)
        assert (result.returncode, result.stdout) == (75, b"") and b"UTF-8" in result.stderr, result
    assert [entry["queue_name"] for entry in listed(daemon).values()] == ["deferred"]


def test_a_site_is_suspended(daemon, sink):
    """Whatever is released, and over a crash, until it is resumed."""
    site = f"relay:{sink.nexthop}"
    daemon.command("sluice", "site", "suspend", site, "disk change")
    queue_id = send(daemon.port, recipients="a@straight.tld")
    daemon.kill()
    daemon.start()
    daemon.command("postqueue", "-f")
    daemon.command("sluice", "site", "release", site)
    with Client(daemon.port) as client:
        client.expect("ETRN straight.tld", "253")
    time.sleep(0.5)
    assert sink.connections == 0
    reason = "site suspended by the operator: disk change"
    assert f"{f'({reason})':>78}\n" in daemon.command("mailq").stdout
    assert listed(daemon)[queue_id]["queue_name"] == "deferred"
    [entry] = daemon.json("site", "list")
    assert entry["suspension"] == "disk change" and entry["suspended_since"] > 0
    for command in ("list", "show"):
        assert "resumed by the operator" in daemon.command(
            "sluice", "site", command, *([site] if command == "show" else [])).stdout
    daemon.command("sluice", "site", "resume", site)
    wait_for(lambda: sink.count == 1)
    again = daemon.command("sluice", "site", "resume", site, check=False)
    assert (again.returncode, again.stderr) == (66, f"sluice: {site}: no such site is suspended\n")
    daemon.kill()
    daemon.start()
    assert daemon.json("site", "list") == []


@pytest.mark.parametrize("name, text", [
    ("customer.tld", "customer.tld: a site is TRANSPORT:NEXTHOP"),
    ("nosuch:[hub]", "nosuch: there is no such transport")])
def test_what_is_no_site(daemon, name, text):
    refused = daemon.command("sluice", "site", "suspend", name, check=False)
    assert (refused.returncode, refused.stderr) == (66, f"sluice: {text}\n")


# -- named queues

def test_named_queues(make_daemon, sink):
    """M-84: a group, or a transport."""
    daemon = make(make_daemon, sink, etrn_queues=[
        {"name": "branches", "domains": ["branch1.tld", "branch2.tld"]}])

    def fill():
        for domain in ("customer.tld", "branch1.tld", "branch2.tld"):
            send(daemon.port, recipients=f"u@{domain}")

    def recipients():
        return sorted(recipient for message in sink.messages for recipient in message.recipients)

    fill()
    with Client(daemon.port) as client:
        client.expect("ETRN #nosuch", "459 <nosuch>: service unavailable")
        client.expect("ETRN #branches", "253 OK, 2 pending messages for node branches started")
        wait_for(lambda: recipients() == ["<u@branch1.tld>", "<u@branch2.tld>"])
        client.expect("ETRN #etrn-only", "253 OK, 1 ")
        wait_for(lambda: sink.count == 3)
        client.expect("ETRN #relay", "251")
    fill()
    assert daemon.command("sluice", "site", "release", "#branches").stdout == "released: 2 messages\n"
    wait_for(lambda: sink.count == 5)
    daemon.command("postqueue", "-s", "#etrn-only")
    wait_for(lambda: sink.count == 6)
    refused = daemon.command("sluice", "site", "release", "#nosuch", check=False)
    assert (refused.returncode, refused.stderr) == (66, "sluice: #nosuch: there is no queue of that name\n")


def test_strangers_name_groups_alone(make_daemon, sink):
    daemon = make(make_daemon, sink, smtpd_etrn_restrictions=["permit"], mynetworks=["192.0.2.0/24"],
                  etrn_queues=[{"name": "branches", "domains": ["branch1.tld"]}])
    with Client(daemon.port) as client:
        client.expect("ETRN #branches", "250 Queuing started")
        client.expect("ETRN #etrn-only", "459 ")


@pytest.mark.parametrize("queues, text", [
    ("\"x\"", "etrn_queues: wants a list of groups: ( { ... } )"),
    ("( { domains = [ \"x.tld\" ]; } )", "etrn_queues: wants a name of letters, digits, - and ."),
    ("( { name = \"a b\"; domains = [ \"x.tld\" ]; } )", "etrn_queues: wants a name of letters"),
    ("( { name = \"a\"; } )", "etrn_queues: a wants a list of domains"),
    ("( { name = \"a\"; domains = [ \"x y\" ]; } )", "etrn_queues: wants domains, or @domain"),
    ("( { name = \"a\"; domain = \"x\"; domains = [ \"x\" ]; } )", "etrn_queues: there is no option domain")])
def test_wrong_queues_are_reported(make_daemon, queues, text):
    daemon = make_daemon(start=False)
    with daemon.config.open("a") as config:
        config.write(f"etrn_queues = {queues};\n")
    lines = daemon.config.read_text().count("\n")
    result = subprocess.run([daemon.bin / "sluiced", "-c", daemon.config, "-t"], text=True,
                            capture_output=True, timeout=60, env=ENVIRONMENT)
    assert result.returncode == 78
    assert re.search(rf":{lines}: error: {re.escape(text)}", result.stderr) or \
        f":{lines}: {text}" in result.stderr, result.stderr


# -- postcat

CONTENT = (b"Subject: one\r\nX-Folded: a\r\n\tb\r\n\r\nfirst: line\r\n.dot\r\n" + b"z" * 9000 +
           b"\r\n\xff\xe9 8-bit\r\n")


def raw(daemon, *arguments):
    return subprocess.run([daemon.bin / "postcat", "-c", daemon.folder, *arguments], check=True,
                          capture_output=True, timeout=60, env=ENVIRONMENT).stdout


@pytest.mark.parametrize("size", [0, 200000])
def test_postcat(daemon, size):
    """C-71; small content comes with the record, large from a file of its own."""
    content = CONTENT + b"".join(b"%07d\r\n" % i for i in range(size // 9))
    queue_id = send(daemon.port, content=content)
    lines = content.replace(b"\r\n", b"\n")
    header, body = raw(daemon, "-hq", queue_id), raw(daemon, "-bq", queue_id)
    assert header.startswith(b"Received: ")
    assert (header + body).endswith(lines)
    assert body == lines[lines.index(b"\n\n") + 1:]
    assert header.endswith(b"X-Folded: a\n\tb\n")
    whole = raw(daemon, "-q", queue_id)
    name = b"deferred/" + queue_id.encode()
    assert whole.startswith(b"*** ENVELOPE RECORDS %s ***\nmessage_size: " % name)
    assert whole.endswith(b"*** HEADER EXTRACTED %s ***\n*** MESSAGE FILE END %s ***\n" % (name, name))
    assert b"\n*** MESSAGE CONTENTS %s ***\n" % name + header + body in whole
    envelope = raw(daemon, "-eq", queue_id)
    for record in (b"sender: sender@isp.example", b"recipient: user@customer.tld",
                   b"original_recipient: user@customer.tld", b"named_attribute: client_address=127.0.0.1",
                   b"named_attribute: helo_name=client.example"):
        assert b"\n" + record + b"\n" in envelope
    assert b"Subject" not in envelope
    offsets = raw(daemon, "-oq", "-b", queue_id)
    at = int(offsets.split(b"\n")[1].split()[0])
    assert offsets.split(b"\n")[1] == b"%9d first: line" % at and at > len(b"Received: ")


def test_postcat_refuses(daemon):
    for arguments, text in ((["-q", "ABCDEF0123"], "open queue file ABCDEF0123: No such file or directory"),
                            (["-q", "a/b"], "bad mail queue ID: a/b")):
        result = daemon.command("postcat", *arguments, check=False)
        assert (result.returncode, result.stderr) == (1, f"postcat: fatal: {text}\n")
    assert "usage: postcat" in daemon.command("postcat", "-q", check=False).stderr


# -- listings

def test_a_listing_while_mail_comes_and_goes(daemon, sink):
    """What was there all the time is in it, once; and it comes to an end."""
    with Client(daemon.port) as client:
        for _ in range(300):
            client.message("s@isp.example", "u@customer.tld", b"X: y\r\n\r\n")
    there = set(listed(daemon))
    assert len(there) == 300
    is_over = threading.Event()

    def traffic():
        with Client(daemon.port) as client:
            while not is_over.is_set():
                client.message("s@isp.example", "u@straight.tld", b"X: y\r\n\r\n")

    threads = [threading.Thread(target=traffic) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            ids = [json.loads(line)["queue_id"] for line in
                   daemon.command("postqueue", "-j").stdout.splitlines()]
            assert len(ids) == len(set(ids)) and there <= set(ids)
    finally:
        is_over.set()
        for thread in threads:
            thread.join(30)
    assert sink.count > 0


def test_a_reader_that_goes_away(daemon):
    """mailq | head: nothing hangs, and the next one is served."""
    with Client(daemon.port) as client:
        for _ in range(200):
            client.message("s@isp.example", "u@customer.tld", b"X: y\r\n\r\n")
    with subprocess.Popen([daemon.bin / "mailq", "-c", daemon.folder], stdout=subprocess.PIPE,
                          env=ENVIRONMENT) as process:
        assert process.stdout.readline() == HEADER.encode()
        process.stdout.close()
        process.wait(30)
    assert len(listed(daemon)) == 200


def test_versions(daemon):
    for command in ("sluice", "sluiced"):
        version = subprocess.run([daemon.bin / command, "--version"], text=True, capture_output=True,
                                 check=True, env=ENVIRONMENT, timeout=30).stdout
        assert re.fullmatch(rf"{command} \d+\.\d+\.\d+\n", version)
