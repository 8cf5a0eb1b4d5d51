# SPDX-License-Identifier: ISC
"""Mail for commands (transport pipe): what they are given, who they are, and what their end means."""

import json
import os
import pwd
import re
import signal
import subprocess
import time

import pytest

from client import Client, send
from daemon import BIN, ENVIRONMENT, wait_for

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="NOT ROOT: the command has the daemon's own user")
USER = "nobody" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name

# A command that keeps what it was given, and then does as the recipient's local part says.
RECORD = """#!/usr/bin/python3
import json, os, resource, sys
fds = sorted(os.listdir("/proc/self/fd"))
content = sys.stdin.buffer.read().decode("latin-1")
with open(os.path.join({folder!r}, f"got.{{os.getpid()}}.part"), "w") as file:
    json.dump({{"argv": sys.argv[1:], "content": content, "uid": os.getresuid(), "gid": os.getresgid(),
               "groups": os.getgroups(), "environment": dict(os.environ), "cwd": os.getcwd(),
               "umask": os.umask(0o77), "session": os.getsid(0) == os.getpid(), "fds": fds,
               "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
               "status": open("/proc/self/status").read()}}, file)
os.rename(file.name, file.name[:-len(".part")])
"""


class Commands:
    """A folder that the command may write into, and what it has kept there."""

    def __init__(self, folder):
        self.folder = folder / "commands"
        self.folder.mkdir()
        self.folder.chmod(0o777)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def record(self, more=""):
        return self.write("record", RECORD.format(folder=str(self.folder)) + more)

    def got(self):
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("got.*"),
                                                                key=lambda p: p.stat().st_mtime)
                if not path.name.endswith(".part")]

    def clear(self):
        for path in self.folder.glob("got.*"):
            path.unlink()

    def wait_for(self, count):
        wait_for(lambda: len(self.got()) >= count)
        return self.got()


@pytest.fixture
def commands(folder):
    return Commands(folder)


@pytest.fixture
def make_pipe(make_daemon):
    """A daemon whose mail for list.tld goes to that command by the transport list."""
    def make(argv, nexthop="Lists.Example", settings=None, **options):
        daemon = make_daemon(start=False)
        daemon.change({
            "deliver_processes": 1, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
            "relay_domains": ["list.tld", "Mixed.TLD"], "myorigin": "isp.example",
            "transports": [{"name": "list", "plugin": "pipe", "argv": argv, "user": USER, **options}],
            "transport_maps": [daemon.table("transport", f"list.tld list:{nexthop}\n"
                                            f"mixed.tld list:{nexthop}\nisp.example discard:\n")],
            **(settings or {})})
        daemon.start()
        return daemon

    return make


def result_of(daemon, address):
    line = daemon.wait_for_log(rf"to=<{re.escape(address)}>.*? relay=(\S+), .*dsn=(\S+), status=(.*)")
    return line.groups()


def check(daemon):
    return subprocess.run([BIN / "sluiced", "-c", daemon.config, "-t"], capture_output=True, text=True,
                          timeout=60, env=ENVIRONMENT)


# ---- what it is given -----------------------------------------------------------------------------


def test_macros_and_content(make_pipe, commands):
    daemon = make_pipe([commands.record(), "-f", "${sender}", "--nexthop=$nexthop", "$(size)", "a b;$$HOME",
                        "$queue_id", "$client_address/$client_helo/$client_protocol", "--", "${recipient}",
                        "${user}:${extension}:${mailbox}:${domain}", "$original_recipient"],
                       settings={"recipient_delimiter": "+"})
    body = b"Subject: x\r\n\r\nFrom me\r\n.\r\n..\r\nlast\r\n"
    queue_id = send(daemon.port, recipients=["One+Two@list.tld", "three@list.tld"], content=body)
    got, = commands.wait_for(1)
    content = got["content"]
    assert content.startswith("Received: ") and "\r" not in content
    assert content.endswith("\nSubject: x\n\nFrom me\n.\n..\nlast\n")
    size = len(content) + content.count("\n")
    assert got["argv"] == [
        "-f", "sender@isp.example", "--nexthop=Lists.Example", str(size), "a b;$HOME", queue_id,
        "127.0.0.1/client.example/ESMTP", "--", "One+Two@list.tld", "three@list.tld",
        "One:Two:One+Two:list.tld", "three::three:list.tld", "One+Two@list.tld", "three@list.tld"]
    assert got["session"] and got["umask"] == 0o77 and got["cwd"] == "/" and got["fds"] == ["0", "1", "2", "3"]  # the last is the look
    assert got["nofile"] <= 1024  # programs use select()
    assert {k: v for k, v in got["environment"].items() if k not in ("TZ", "LC_CTYPE")} == \
        {"PATH": "/usr/bin:/bin"}
    for address in ("One+Two@list.tld", "three@list.tld"):
        assert result_of(daemon, address) == ("list", "2.0.0", "sent (delivered via list service)")
    wait_for(lambda: daemon.queue() == [])


def test_names_that_stay_whole(make_pipe, commands):
    """As Postfix's split_addr(): lists' names where - is a delimiter, and what begins with one."""
    daemon = make_pipe([commands.record(), "${recipient}", "${user}:${extension}"],
                       settings={"recipient_delimiter": "-+"})
    for name, want in ("owner-list", "owner-list:"), ("list-request", "list-request:"), ("+a+b", "+a+b:"), \
            ("list-a", "list:a"):
        send(daemon.port, recipients=[f"{name}@list.tld"])
        assert commands.wait_for(1)[0]["argv"] == [f"{name}@list.tld", want]
        commands.clear()


def test_an_address_is_no_option(make_pipe, commands):
    """5.1.3, as where allow_min_user = no; others of the same message get it."""
    daemon = make_pipe([commands.record(), "${recipient}"])
    send(daemon.port, recipients=["a@list.tld", "-oX@list.tld", '"-x"@list.tld', "b@list.tld"])
    for name in "-oX", "-x":
        assert result_of(daemon, f"{name}@list.tld")[1:] == ("5.1.3", "bounced (bad address syntax)")
    assert sorted(got["argv"][0] for got in commands.wait_for(2)) == ["a@list.tld", "b@list.tld"]


def test_flags(make_pipe, commands):
    daemon = make_pipe([commands.record(), "${sender}", "${recipient}", "${user}", "$nexthop", "$domain"],
                       flags="BDFORhqu.>", directory=commands.folder, eol="\\r\\n")
    body = b"Subject: x\r\n\r\nFrom me\r\n.\r\nlast\r\n"
    send(daemon.port, sender='"Se nder"@isp.example', recipients=['"A b"@Mixed.TLD', "c@list.tld"],
         content=body)
    first, second = sorted(commands.wait_for(2), key=lambda got: got["argv"][1])
    assert first["argv"] == ['"Se nder"@isp.example', '"a b"@mixed.tld', "a b", "lists.example", "mixed.tld"]
    assert second["argv"][1:3] == ["c@list.tld", "c"]
    assert first["cwd"] == str(commands.folder)
    lines = first["content"].split("\r\n")
    assert re.fullmatch(r'From "Se nder"@isp\.example  \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}', lines[0]), lines
    assert lines[1:4] == ['Return-Path: <"Se nder"@isp.example>', 'X-Original-To: "A b"@Mixed.TLD',
                          'Delivered-To: "A b"@Mixed.TLD']
    assert lines[-6:] == ["", ">From me", "..", "last", "", ""]
    assert "\n" not in first["content"].replace("\r\n", "")


@pytest.mark.parametrize("replacement, argument, line", [
    (None, "MAILER-DAEMON", "<MAILER-DAEMON>"), ("nobody", "nobody", "<nobody>"), ("", "", "<>")])
def test_null_sender(make_pipe, commands, replacement, argument, line):
    options = {} if replacement is None else {"null_sender": replacement}
    daemon = make_pipe([commands.record(), "$sender", "$recipient"], flags="R", **options)
    send(daemon.port, sender="", recipients=["a@list.tld"])
    got, = commands.wait_for(1)
    assert got["argv"] == [argument, "a@list.tld"]
    assert got["content"].startswith(f"Return-Path: {line}\n")


def test_a_loop_is_seen(make_pipe, commands):
    daemon = make_pipe([commands.record()], flags="D")
    send(daemon.port, recipients=["a@list.tld", "b@list.tld"],
         content=b"Received: x\r\ndelivered-to: A@list.tld\r\n\r\nx\r\n")
    assert result_of(daemon, "a@list.tld")[1:] == ("5.4.6", "bounced (mail forwarding loop for a@list.tld)")
    assert len(commands.wait_for(1)) == 1


def test_size_limit(make_pipe, commands):
    daemon = make_pipe([commands.record()], size=1000)
    send(daemon.port, recipients=["a@list.tld"], content=b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100)
    assert result_of(daemon, "a@list.tld")[1:] == ("5.2.3", "bounced (message too large)")
    assert commands.got() == []


def test_a_large_message_is_whole(make_pipe, commands):
    body = b"Subject: x\r\n\r\n" + b"".join(b"%07d.\r\n" % number for number in range(300000))
    daemon = make_pipe([commands.record()])
    send(daemon.port, recipients=["a@list.tld"], content=body)
    got, = commands.wait_for(1)
    assert got["content"].split("\n\n", 1)[1] == body.decode().split("\r\n\r\n")[1].replace("\r\n", "\n")


@needs_root
def test_whose_rights(make_pipe, commands):
    daemon = make_pipe([commands.record()])
    send(daemon.port, recipients=["a@list.tld"])
    got, = commands.wait_for(1)
    nobody = pwd.getpwnam("nobody")
    assert set(got["uid"]) == {nobody.pw_uid} and set(got["gid"]) == {nobody.pw_gid}
    assert set(got["groups"]) <= {nobody.pw_gid}
    for which in "CapPrm", "CapEff", "CapInh", "CapAmb":
        assert int(re.search(rf"{which}:\s+(\w+)", got["status"]).group(1), 16) == 0


def has_ended(pid):
    """True of one that nobody has asked for its exit status, too."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@needs_root
def test_a_daemon_of_an_ordinary_user(make_daemon, folder):
    """His commands have his rights, and yet do not see the queue: Landlock goes with them."""
    nobody = pwd.getpwnam("nobody")
    command = folder / "look"
    daemon = make_daemon(start=False)
    daemon.change({"receive_processes": 1, "deliver_processes": 1, "relay_domains": ["list.tld"],
                   "relay_transport": "list", "transports": [
                       {"name": "list", "plugin": "pipe", "user": "nobody", "argv": [command]}]})
    command.write_text(f"#!/bin/sh\nid -un\nls {daemon.folder}/queue 2>&1\nexit 0\n")
    command.chmod(0o755)
    for path in (daemon.folder, daemon.config):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    daemon.start(tool=["setpriv", "--reuid=nobody", f"--regid={nobody.pw_gid}", "--clear-groups"])
    send(daemon.port, recipients=["a@list.tld"])
    said = result_of(daemon, "a@list.tld")[2]
    assert said.startswith("sent (delivered via list service (nobody ")
    if "only its owner and mode close" not in daemon.log():  # there is no Landlock
        assert said.endswith("queue': Permission denied))")


@needs_root
def test_a_command_cannot_look_into_deliver(make_pipe, commands):
    """Which has its user, but passwords of tables, and other mail."""
    daemon = make_pipe([commands.write("look", "#!/bin/sh\nid -un\nls /proc/$PPID/fd 2>&1\nexit 0\n")])
    send(daemon.port, recipients=["a@list.tld"])
    said = result_of(daemon, "a@list.tld")[2]
    assert re.fullmatch(r"sent \(delivered via list service \(nobody ls: .*Permission denied\)\)", said), said


# ---- how it ends ----------------------------------------------------------------------------------

ENDS = {
    "64": ("5.3.0", "bounced (command line usage error. Command output: so it is)"),
    "65": ("5.6.0", "bounced (data format error. Command output: so it is)"),
    "67": ("5.1.1", "bounced (user unknown. Command output: so it is)"),
    "68": ("5.1.2", "bounced (host name unknown. Command output: so it is)"),
    "69": ("5.3.0", "bounced (service unavailable. Command output: so it is)"),
    "71": ("4.3.0", "deferred (system resource problem. Command output: so it is)"),
    "73": ("5.2.0", "bounced (can't create user output file. Command output: so it is)"),
    "75": ("4.3.0", "deferred (temporary failure. Command output: so it is)"),
    "77": ("5.7.0", "bounced (permission denied. Command output: so it is)"),
    "78": ("5.3.5", "bounced (local configuration error. Command output: so it is)"),
    "1": ("5.3.0", 'bounced (Command died with status 1: "{command}". Command output: so it is)'),
    "79": ("5.3.0", 'bounced (Command died with status 79: "{command}". Command output: so it is)'),
    "0": ("2.0.0", "sent (delivered via list service (so it is))"),
    "4.2.2-1": ("4.2.2", "deferred (so it is)"),
    "5.2.2-75": ("5.2.2", "bounced (so it is)"),
    "2.0.0-67": ("5.1.1", "bounced (user unknown. Command output: 2.0.0 so it is)"),
    "4.2.2-0": ("2.0.0", "sent (delivered via list service (4.2.2 so it is))"),
    "signal": ("4.3.0", 'deferred (Command died with signal 9: "{command}". Command output: so it is)'),
}


def test_exit_statuses_and_codes(make_pipe, commands):
    command = commands.write("end", """#!/bin/sh
cat >/dev/null
case $1 in
[0-9].*) printf '%s so it is\\n' "${1%-*}" >&2; exit "${1#*-}";;
signal) echo so it is; kill -9 $$;;
*) echo "so	it"; echo is >&2; exit "$1";;
esac
""")
    daemon = make_pipe([command, "$user"], settings={"maximal_backoff_time": "300s",
                                                     "minimal_backoff_time": "300s"})
    for name in ENDS:
        send(daemon.port, recipients=[f"{name}@list.tld"])
    for name, (dsn, text) in ENDS.items():
        assert result_of(daemon, f"{name}@list.tld")[1:] == (dsn, text.format(command=command)), name


def test_commands_that_cannot_run_are_tried_again(make_pipe, commands):
    daemon = make_pipe(["/no/such/command"])
    send(daemon.port, recipients=["a@list.tld"])
    assert result_of(daemon, "a@list.tld")[1:] == (
        "4.3.0", "deferred (temporary failure. Command output: cannot execute /no/such/command: "
                 "No such file or directory)")
    commands.record()
    daemon.change({"transports": [{"name": "list", "plugin": "pipe", "user": USER, "argv": ["record"],
                                   "directory": "/no/such/folder"}]})
    daemon.command("sluice", "reload")
    daemon.wait_for_log("cannot enter /no/such/folder: No such file or directory")
    daemon.change({"transports": [{"name": "list", "plugin": "pipe", "user": USER,
                                   "argv": [str(commands.folder / "record")]}]})
    daemon.command("sluice", "reload")
    wait_for(lambda: daemon.queue() == [])


def test_a_command_that_does_not_read(make_pipe, commands):
    """It may have its reasons: its exit status counts, and no signal ends deliver."""
    daemon = make_pipe([commands.write("ignore", "#!/bin/sh\nexec </dev/null\necho enough\n")])
    send(daemon.port, recipients=["a@list.tld"], content=b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 50000)
    assert result_of(daemon, "a@list.tld")[2] == "sent (delivered via list service (enough))"


def test_a_flood_of_output(make_pipe, commands):
    daemon = make_pipe([commands.write("flood", "#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' z\n"
                                       "printf '\\033' >&2; cat >/dev/null; exit 69\n")])
    send(daemon.port, recipients=["a@list.tld"])
    dsn, text = result_of(daemon, "a@list.tld")[1:]
    assert dsn == "5.3.0" and re.fullmatch(r"bounced \(service unavailable\. Command output: z{400,900}\)", text)


def test_what_hangs_is_killed_with_all_its_children(make_pipe, commands):
    """A temporary failure, and others go on."""
    command = commands.write("hang", f"""#!/bin/sh
test "$1" = quick && exit 0
echo waiting
sleep 1000 & echo $! >{commands.folder}/child
test -e {commands.folder}/again && exit 0
touch {commands.folder}/again
wait
""")
    daemon = make_pipe([command, "$user"], time_limit="2s")
    send(daemon.port, recipients=["a@list.tld"])
    wait_for(lambda: (commands.folder / "again").exists())
    child = int((commands.folder / "child").read_text())
    send(daemon.port, recipients=["quick@list.tld"])
    assert result_of(daemon, "quick@list.tld")[2].startswith("sent")
    assert result_of(daemon, "a@list.tld")[1:] == (
        "4.3.0", f'deferred (Command time limit exceeded: "{command}". Command output: waiting)')
    wait_for(lambda: has_ended(child))
    wait_for(lambda: daemon.queue() == [])
    os.kill(int((commands.folder / "child").read_text()), signal.SIGKILL)  # who was left by who did not hang


def test_no_more_run_than_may(make_pipe, commands):
    """The others wait for their turn, and none is lost."""
    command = commands.write("count", f"""#!/bin/sh
mkdir {commands.folder}/running.$$
ls -d {commands.folder}/running.* | wc -l >>{commands.folder}/counts
sleep 0.2
rmdir {commands.folder}/running.$$
""")
    daemon = make_pipe([command], process_limit=3)
    for number in range(12):
        send(daemon.port, recipients=[f"u{number}@list.tld"])
    wait_for(lambda: daemon.queue() == [])
    counts = [int(line) for line in (commands.folder / "counts").read_text().split()]
    assert len(counts) == 12 and max(counts) <= 3
    assert "deferred" not in daemon.log()


def test_a_limit_with_all_hanging(make_pipe, commands):
    """Who gets no turn in half of his time is tried again."""
    command = commands.write("hang", f"#!/bin/sh\ntest -e {commands.folder}/go || exec sleep 1000\n")
    daemon = make_pipe([command], process_limit=1, time_limit="4s")
    send(daemon.port, recipients=["a@list.tld"])
    send(daemon.port, recipients=["b@list.tld"])
    daemon.wait_for_log("dsn=4.3.2, status=deferred .too many commands are running")
    (commands.folder / "go").touch()
    wait_for(lambda: daemon.queue() == [])


def test_deliver_is_killed_in_mid_delivery(make_pipe, commands):
    """Nothing is lost; a command that goes on without us may get the mail once more."""
    command = commands.record(more="import time; time.sleep(0.3)\n")
    daemon = make_pipe([command, "$recipient"])
    for number in range(8):
        send(daemon.port, recipients=[f"u{number}@list.tld"])
    for _ in range(2):
        commands.wait_for(1)
        victims = [pid for name, pid in daemon.roles().items() if name.startswith("deliver")]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
    wait_for(lambda: daemon.queue() == [], 60)
    assert {got["argv"][0] for got in commands.got()} == {f"u{number}@list.tld" for number in range(8)}


def test_verified_and_not_delivered(make_pipe, commands):
    command = commands.record()
    daemon = make_pipe([command])
    daemon.command("sendmail", "-bv", "a@list.tld")
    assert result_of(daemon, "a@list.tld")[1:] == ("2.0.0", f"deliverable (delivers to command: {command})")
    assert commands.got() == []


# ---- its configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize("options, text", [
    ({"argv": ["cmd", "${recipients}"]}, 'argv: there is no macro as in "${recipients}"'),
    ({"argv": ["cmd", "${recipient"]}, 'argv: there is no macro as in "${recipient"'),
    ({"argv": ["$user"]}, "argv: it does not begin with a command"),
    ({"argv": ["cmd"], "flags": "RZ"}, 'flags: there is no flag "Z"'),
    ({"argv": ["cmd"], "eol": "\\q"}, 'eol: "\\q" is no end of a line'),
    ({"argv": ["cmd"], "user": "recipient"}, "user: a command runs as one user, not as each recipient"),
    ({"argv": ["cmd"], "user": None}, "user is required"),
    ({"user": USER}, "argv is required"),
])
def test_mistakes(make_daemon, options, text):
    group = {"name": "list", "plugin": "pipe", "user": USER, **options}
    daemon = make_daemon(start=False, settings={
        "transports": [{k: v for k, v in group.items() if v is not None}]})
    result = check(daemon)
    line = 1 + [line.startswith("transports") for line in daemon.config.read_text().splitlines()].index(True)
    assert result.returncode == 78 and f":{line}: list: {text}" in result.stderr, result.stderr


def test_argv_as_one_string(make_pipe, commands):
    daemon = make_pipe(f"{commands.record()} -f $sender -- $recipient")
    send(daemon.port, recipients=["a@list.tld"])
    assert commands.wait_for(1)[0]["argv"] == ["-f", "sender@isp.example", "--", "a@list.tld"]
