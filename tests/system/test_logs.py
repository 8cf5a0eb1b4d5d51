# SPDX-License-Identifier: ISC
"""The log as others read it: pflogsumm, fail2ban, syslog, the journal; JSON; files that are rotated."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest

from client import Client, send
from daemon import ENVIRONMENT, ROOT, wait_for
from namespaces import require_mounts, with_mounts

PEERS = ROOT / "build" / "peers" / "root"


@pytest.fixture
def make_logger(make_daemon, make_sink):
    """A daemon that logs into a file and relays customer.tld; "later@" is deferred once, "no@" refused."""
    deferred = set()

    def answer(line):
        if "no@" in line:
            return "550 5.1.1 <no@customer.tld>: User unknown"
        if "later@" in line and line not in deferred:
            deferred.add(line)
            return "450 4.2.0 not now"
        return "250 2.1.5 Ok"

    def make(**settings):
        peer = make_sink(replies={"RCPT": answer})
        daemon = make_daemon(start=False)
        daemon.maillog = daemon.folder / "mail.log"
        daemon.change({"maillog_file": daemon.maillog, "relay_domains": ["customer.tld"],
                       "transport_maps": [daemon.table("transport", f"customer.tld relay:{peer.nexthop}\n")],
                       "minimal_backoff_time": 1, "smtpd_hard_error_limit": 3,
                       "smtpd_peername_lookup": False, **settings})
        daemon.log = lambda: "".join(path.read_text() for path in sorted(
            daemon.folder.glob("*log*"), key=lambda path: path.stat().st_ino))
        daemon.start()
        return daemon

    return make


def refuse(daemon, source, recipients):
    """From a stranger, to whom nothing is relayed but customer.tld."""
    with Client(daemon.port, source=source) as client:
        client.command("MAIL FROM:<spammer@bad.test>")
        replies = [client.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
        client.command("QUIT")
    return replies


# ---- reports -------------------------------------------------------------------------------------


def totals(report):
    """{"received": 3, ...} of pflogsumm's grand totals."""
    part = report.split("Grand Totals")[1].split("Per-")[0]
    return {name: number for number, name in re.findall(r"^ +(\d+k?) +([\w/ ]+\w)", part, re.M)}


def test_pflogsumm_counts_what_was_sent(make_logger):
    daemon = make_logger(syslog_name="postfix", mynetworks=["127.0.0.1/32"])
    ids = [send(daemon.port, f"s{i}@isp.example", "user@customer.tld") for i in range(5)]
    ids.append(send(daemon.port, "s0@isp.example", ["a@customer.tld", "b@customer.tld", "c@customer.tld"]))
    ids.append(send(daemon.port, "s1@isp.example", "later@customer.tld"))
    send(daemon.port, "", "no@customer.tld")
    for reply in refuse(daemon, "127.0.0.9", ["x@elsewhere.test", "y@elsewhere.test"]):
        assert reply.startswith("554 5.7.1")
    with Client(daemon.port) as client:
        assert client.message("s2@isp.example", "user@customer.tld",
                              b"Received: x\r\n" * 60 + b"\r\nlooping\r\n").startswith("554 5.4.0")
    wait_for(lambda: all(f"{i}: removed" in daemon.log() for i in ids) and "status=bounced" in daemon.log())
    report = subprocess.run([PEERS / "usr" / "sbin" / "pflogsumm", "--problems-first", daemon.maillog],
                            capture_output=True, text=True, timeout=60)
    assert report.returncode == 0 and report.stderr == "", report.stderr
    found = totals(report.stdout)
    print(report.stdout)
    assert {name: found[name] for name in ("received", "delivered", "deferred", "bounced", "rejected",
                                           "senders", "recipients", "recipient hosts/domains")} == {
        "received": "8", "delivered": "9", "deferred": "1", "bounced": "1", "rejected": "3",
        "senders": "6", "recipients": "5", "recipient hosts/domains": "1"}
    size = sum(int(n) for n in re.findall(r"from=<[^>]*>, size=(\d+), nrcpt", daemon.maillog.read_text()))
    assert found["bytes received"] == str(size)
    assert re.search(r"^  RCPT\n    Relay access denied \(total: 2\)\n +2 +127\.0\.0\.9$", report.stdout, re.M)
    assert re.search(r"^message deferral detail\n-+\n  relay \(total: 1\)\n +1 +4\.2\.0 not now", report.stdout, re.M)
    assert re.search(r"^message bounce detail.*\n-+\n .*\(total: 1\)\n +1 +User unknown", report.stdout, re.M)
    assert "Warnings: none" in report.stdout and "Panics: none" in report.stdout


# ---- bans ----------------------------------------------------------------------------------------


def fail2ban(log, mode):
    """The addresses that the filter for Postfix finds."""
    run = subprocess.run(
        ["/usr/bin/python3", PEERS / "usr" / "bin" / "fail2ban-regex", "-c", PEERS / "etc" / "fail2ban",
         "-o", "ip", log, f"{PEERS}/etc/fail2ban/filter.d/postfix.conf[mode={mode}]"],
        capture_output=True, text=True, timeout=60,
        env=dict(os.environ, PYTHONPATH=str(PEERS / "usr/lib/python3/dist-packages")))
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return re.findall(r"127\.0\.0\.\d+", run.stdout)


def test_fail2ban_finds_the_culprits(make_logger):
    daemon = make_logger(syslog_name="postfix", mynetworks=["127.0.0.1/32"])
    refuse(daemon, "127.0.0.9", ["x@elsewhere.test"])
    with Client(daemon.port, source="127.0.0.10") as client:
        for _ in range(4):
            client.command("NONSENSE")
    with Client(daemon.port, source="127.0.0.11") as client:
        client.send("MAIL FROM:<a@b.test>\r\nDATA\r\nQUIT\r\nQUIT\r\n")
        client.reply()
    with Client(daemon.port, hello=None, source="127.0.0.12"):
        pass
    send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: len(re.findall(r"disconnect from \w+\[127\.0\.0\.1", daemon.log())) >= 4)
    wait_for(lambda: ": removed" in daemon.log())
    assert sorted(set(fail2ban(daemon.maillog, "normal"))) == ["127.0.0.10", "127.0.0.11", "127.0.0.9"]
    assert "127.0.0.12" in fail2ban(daemon.maillog, "ddos")
    found = set(fail2ban(daemon.maillog, "aggressive"))
    assert found >= {"127.0.0.9", "127.0.0.10", "127.0.0.11", "127.0.0.12"}


# ---- JSON and rotation ---------------------------------------------------------------------------


def test_json_has_types(make_logger):
    daemon = make_logger(log_format="json", mynetworks=["127.0.0.1/32"])
    first = send(daemon.port, "s@isp.example", ["user@customer.tld", "no@customer.tld"])
    refuse(daemon, "127.0.0.9", ['"a\\"b"@elsewhere.test'])
    wait_for(lambda: all(f'"event":"{event}"' in daemon.log() for event in ("reject", "message-id")) and
             daemon.log().count('"event":"delivery"') == 2)
    lines = [json.loads(line) for line in daemon.maillog.read_text().splitlines()]
    assert all(line["pid"] > 0 and line["time"][10] == "T" and line["level"] for line in lines)
    story = [line for line in lines if line.get("queue_id") == first]
    assert {line["event"] for line in story} >= {"message-id", "client", "active", "delivery"}
    active = next(line for line in story if line["event"] == "active")
    assert (active["from"], active["nrcpt"], active["component"]) == ("s@isp.example", 2, "qmgr")
    assert active["size"] > 0
    results = {line["to"]: line for line in story if line["event"] == "delivery"}
    sent = results["user@customer.tld"]
    assert (sent["status"], sent["dsn"], sent["transport"]) == ("sent", "2.0.0", "relay")
    assert isinstance(sent["delay"], float) and len(sent["delays"]) == 4
    assert results["no@customer.tld"]["status"] == "bounced"
    reject = next(line for line in lines if line.get("event") == "reject")
    assert reject["client"] == "unknown[127.0.0.9]"
    assert reject["to"].endswith("@elsewhere.test") and '"' in reject["to"]


def test_a_renamed_file_is_let_go(make_logger):
    daemon = make_logger()
    first = send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: f"{first}: removed" in daemon.maillog.read_text())
    old = daemon.maillog.rename(daemon.folder / "mail.log.1")
    wait_for(daemon.maillog.exists)

    def all_write_there():
        message = send(daemon.port, "s@isp.example", "user@customer.tld")
        text = wait_for(lambda: (lambda t: t if f"{message}: removed" in t else None)(daemon.log()))
        assert text
        new = daemon.maillog.read_text()
        return f"{message}: removed" in new and re.search(r"smtpd\[\d+\]: disconnect", new)

    wait_for(all_write_there)
    size = old.stat().st_size
    send(daemon.port, "s@isp.example", "user@customer.tld")
    daemon.stop()
    assert old.stat().st_size == size
    assert "SIGTERM" in daemon.maillog.read_text()


def test_reload_directs_the_log_anew(make_logger):
    daemon = make_logger()
    send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: ": removed" in daemon.log())
    other = daemon.folder / "other.log"
    daemon.change({"maillog_file": other, "log_format": "json", "syslog_name": "mx"})
    daemon.command("sluice", "reload")
    message = send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: f'"event":"removed","queue_id":"{message}"' in other.read_text())
    lines = [json.loads(line) for line in other.read_text().splitlines() if line.startswith("{")]
    assert {line["name"] for line in lines} >= {"mx"}
    assert message not in daemon.maillog.read_text()
    daemon.change({"maillog_file": "/nonexistent/log"})
    assert "maillog_file: /nonexistent/log" in daemon.command("sluice", "reload", check=False).stderr
    message = send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: f'"event":"removed","queue_id":"{message}"' in other.read_text())


def test_a_file_that_cannot_be(make_daemon):
    daemon = make_daemon(settings={"maillog_file": "/nonexistent/mail.log"}, start=False)
    run = subprocess.run([daemon.bin / "sluiced", "-c", daemon.config, "-f"], capture_output=True, text=True,
                         timeout=60, env=ENVIRONMENT)
    assert run.returncode == 78
    assert re.search(r"sluice\.conf:\d+: maillog_file: /nonexistent/mail\.log: No such file", run.stderr)


# ---- trace ---------------------------------------------------------------------------------------


def trace(daemon, message, *arguments):
    """The events of a story without what differs from run to run."""
    lines = [json.loads(line) for line in
             daemon.command("sluice", "trace", message, "--json", *arguments).stdout.splitlines()]
    assert [line["time"] for line in lines if "time" in line] == \
        sorted(line["time"] for line in lines if "time" in line)
    return lines


def kinds(story):
    return [event["event"] for event in story]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_trace_tells_the_story(make_logger, make_sink, log_format):
    daemon = make_logger(log_format=log_format, relay_domains=["customer.tld", "held.tld"])
    peer = make_sink()
    daemon.table("transport", f"held.tld etrn-only:{peer.nexthop}\n"
                              f"customer.tld relay:{peer.nexthop}\n")
    other = send(daemon.port, "s@isp.example", "x@customer.tld")
    message = send(daemon.port, "s@isp.example", "user@held.tld")
    wait_for(lambda: daemon.log().count("message-id") >= 2 and f"{other}: removed" in daemon.log()
             or daemon.log().count('"removed"') == 1)
    story = trace(daemon, message)
    assert sorted(kinds(story)) == sorted(["message-id", "client", "active", "delivery", "now"])
    delivery = next(event for event in story if event["event"] == "delivery")
    assert (delivery["to"], delivery["status"], delivery["text"]) == ("user@held.tld", "deferred",
                                                                     "deferred transport")
    assert story[-1]["event"] == "now" and story[-1]["recipients"][0]["address"] == "user@held.tld"
    text = daemon.command("sluice", "trace", message.lower()).stdout
    assert re.search(r"^\S+ deferred: <user@held.tld> by etrn-only, none", text, re.M) and "now in the queue:" in text

    daemon.command("sluice", "site", "release", "customer.tld")
    daemon.command("sluice", "site", "release", "@tld")
    wait_for(lambda: peer.count == 2)
    wait_for(lambda: daemon.queue() == [])
    wait_for(lambda: len([event for event in kinds(trace(daemon, message)) if event == "removed"]) == 1)
    story = trace(daemon, message)
    assert kinds(story)[-3:] == ["release", "delivery", "removed"]
    assert kinds(story).count("release") == 1
    assert (story[-3]["released"], story[-2]["status"], story[-2]["delays"][0]) == ("@tld", "sent", 0)
    text = daemon.command("sluice", "trace", message).stdout
    assert "released with @tld by uid" in text and text.rstrip().endswith("left the queue")
    assert other not in text

    daemon.maillog.rename(daemon.folder / "mail.log.1")
    wait_for(daemon.maillog.exists)
    assert kinds(trace(daemon, message)) == kinds(story)
    with open(daemon.folder / "mail.log.1") as log:
        piped = daemon.command("sluice", "trace", message, "--json", "--log", "-", stdin=log)
    assert len(piped.stdout.splitlines()) == len(story)


def test_trace_of_nothing(make_logger):
    daemon = make_logger()
    assert daemon.command("sluice", "trace", "NOQUEUE", check=False).returncode == 64
    result = daemon.command("sluice", "trace", "00000000000000AB", check=False)
    assert (result.returncode, result.stdout) == (66, "")
    assert "neither in the log nor in the queue" in result.stderr
    assert daemon.command("sluice", "trace", "00000000000000AB", "--log", "/nonexistent",
                          check=False).returncode == 66
    message = send(daemon.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: f"{message}: removed" in daemon.log())
    daemon.stop()
    result = daemon.command("sluice", "trace", message)
    assert "left the queue" in result.stdout and "is not known" in result.stderr


def test_trace_from_the_journal(make_daemon, folder):
    daemon = make_daemon(start=False)
    entry = {"__REALTIME_TIMESTAMP": "1795312200123456", "SYSLOG_IDENTIFIER": "sluice/qmgr",
             "SLUICE_EVENT": "active", "SLUICE_QUEUE_ID": "00000000000000AB", "SLUICE_FROM": "s@isp.example",
             "SLUICE_SIZE": "10", "SLUICE_NRCPT": "1"}
    (folder / "journalctl").write_text(f"#!/bin/sh\necho \"$@\" >{folder}/asked\necho '{json.dumps(entry)}'\n")
    (folder / "journalctl").chmod(0o755)
    run = subprocess.run([daemon.bin / "sluice", "-c", daemon.config, "trace", "00000000000000AB"], text=True,
                         capture_output=True, timeout=60,
                         env=dict(ENVIRONMENT, PATH=f"{folder}:{os.environ['PATH']}"))
    assert "in the queue: from <s@isp.example>, 10 bytes, 1 recipients" in run.stdout
    assert "SLUICE_QUEUE_ID=00000000000000AB + SLUICE_EVENT=release" in (folder / "asked").read_text()


# ---- syslog and the journal ----------------------------------------------------------------------


def datagrams(listener, until):
    """What comes until one has that in it."""
    got = []
    while not got or until not in got[-1]:
        got.append(listener.recv(65536).decode())
    return got


@pytest.fixture
def listener(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.settimeout(60)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        ours.bind(str(folder / "socket"))
        os.chmod(folder / "socket", 0o666)
        yield ours


# In a place of its own, where the sockets of /dev and /run are ours.
NAMESPACE = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/dev /mnt/run/systemd/journal
for node in null zero random urandom; do touch /mnt/dev/$node; mount --bind /dev/$node /mnt/dev/$node; done
ln -s "$1" /mnt/dev/log
ln -s "$1" /mnt/run/systemd/journal/socket
mount --rbind /mnt/dev /dev
mount --rbind /mnt/run /run
shift
exec "$@"
"""


def run_in_namespace(folder, *command, **options):
    require_mounts()
    return subprocess.Popen(with_mounts(NAMESPACE, folder / "socket", *command),
                            stdin=subprocess.DEVNULL, **options)


def test_syslog(make_daemon, folder, listener):
    daemon = make_daemon(settings={"syslog_name": "postfix", "syslog_facility": "local3"}, start=False)
    with open(folder / "out", "wb") as out:
        run = run_in_namespace(folder, daemon.bin / "sluiced", "-c", daemon.config, stdout=out, stderr=out,
                               env=ENVIRONMENT)
    assert run.wait(60) == 0, (folder / "out").read_text()
    try:
        lines = datagrams(listener, "ready, pid")
        pattern = r"<157>\w{3} [ \d]\d \d\d:\d\d:\d\d postfix/qmgr\[\d+\]: "  # local3.notice
        assert any(re.match(pattern, line) for line in lines), lines
        refuse(daemon, "127.0.0.9", [])
        assert any("postfix/smtpd[" in line for line in datagrams(listener, "disconnect from"))
    finally:
        pid = int((daemon.folder / "run" / "sluiced.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        assert any("SIGTERM" in line for line in datagrams(listener, "finishing what is under way"))
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 60)


def test_journal(make_daemon, folder, listener):
    daemon = make_daemon(start=False)
    with open(folder / "out", "wb") as out:
        status = os.fstat(out.fileno())
        run = run_in_namespace(folder, daemon.bin / "sluiced", "-c", daemon.config, "-f", stderr=out, env=dict(
            ENVIRONMENT, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}"))
    try:
        datagrams(listener, "ready, pid")
        message = send(daemon.port, "s@isp.example", "user@elsewhere.test")
        active = datagrams(listener, "SLUICE_EVENT=active")[-1]
        assert f"\nSLUICE_QUEUE_ID={message}\n" in active
        assert "PRIORITY=5\n" in active and "\nSYSLOG_IDENTIFIER=sluice/qmgr\n" in active
        assert re.search(rf"\nMESSAGE={message}: from=<s@isp\.example>, size=\d+, nrcpt=1 \(queue active\)\n", active)
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    assert "sluice/" not in (folder / "out").read_text()
