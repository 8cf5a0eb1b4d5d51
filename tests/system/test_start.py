# SPDX-License-Identifier: ISC
"""Start, check and end: exit statuses, messages with file and line, privileges, the look inside."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from client import Client, send
from daemon import BIN, ENVIRONMENT, PLUGINS, Daemon, wait_for

is_root = os.geteuid() == 0


def check(daemon):
    return subprocess.run([daemon.bin / "sluiced", "-t", "-c", daemon.config], text=True,
                          capture_output=True, timeout=60, env=ENVIRONMENT)


def line_of(daemon, text):
    return next(number for number, line in
                enumerate(daemon.config.read_text().splitlines(), 1) if text in line)


MISTAKES = {
    # a line of the configuration, what is said of it
    'no_such_parameter = "x";': "no_such_parameter",
    'relay_domain = [ "x.tld" ];': "relay_domains",  # the nearest name is offered
    'smtpd_timeout = "300 parsecs";': "smtpd_timeout",
    "smtpd_recipient_limit = \"many\";": "smtpd_recipient_limit",
    "message_size_limit = 99999999999;": "99999999999L",  # libconfig would wrap it
    'smtpd_forbid_bare_newline = "perhaps";': "smtpd_forbid_bare_newline",
    'transports = ( { name = "x"; plugin = "nosuch"; } );': "nosuch",
    'transports = ( { name = "x"; plugin = "smtp"; smtp_helo_timout = 3; } );': "smtp_helo_timout",
    'queue_store = { plugin = "nosuch"; };': "nosuch",
    'smtpd_relay_restrictions = [ "permit_everybody" ];': "permit_everybody",
    'smtpd_relay_restrictions = [ "permit_mynetworks" ];': "smtpd_relay_restrictions",
    'default_transport = "nosuch";': "nosuch",
    'relay_transport = "";': "relay_transport",
    'transport_maps = "/etc/sluice/transport";': "transport_maps: wants a table",
    'relay_recipient_maps = [ "hash:" ];': "relay_recipient_maps: wants a table",
    'permit_mx_backup_networks = [ "192.0.2.0/33" ];': "permit_mx_backup_networks",
    'fast_flush_domains = "!/etc/passwd";': "fast_flush_domains: /etc/passwd: there is no table",
    'minimal_backoff_time = "2h";': "minimal_backoff_time",
    "myhostname = ;": "syntax",
    '@include "nosuch.conf"': "nosuch.conf",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_name_file_and_line(make_daemon, line):
    daemon = make_daemon(start=False)
    kept = daemon.config.read_text()
    if line.startswith("myhostname"):
        kept = re.sub(r"(?m)^myhostname.*\n", "", kept)
    daemon.config.write_text(kept + line + "\n")
    result = check(daemon)
    assert result.returncode == 78, result.stderr
    number = line_of(daemon, line)
    assert re.search(rf"sluice\.conf:{number}: .*{MISTAKES[line]}", result.stderr), result.stderr
    started = subprocess.run([daemon.bin / "sluiced", "-f", "-c", daemon.config], text=True,
                             capture_output=True, timeout=60, env=ENVIRONMENT)
    assert started.returncode == 78 and f"sluice.conf:{number}: " in started.stderr


def test_every_mistake_is_reported_at_once(make_daemon):
    daemon = make_daemon(start=False)
    daemon.config.write_text(daemon.config.read_text() + 'first = 1;\nsecond = 2;\n')
    result = check(daemon)
    assert "first" in result.stderr and "second" in result.stderr


def test_an_included_file_is_named(make_daemon):
    daemon = make_daemon(start=False)
    (daemon.folder / "more").mkdir()
    (daemon.folder / "more" / "a.conf").write_text('@include "b.conf"\n')
    (daemon.folder / "more" / "b.conf").write_text("\n\nno_such_parameter = 1;\n")
    daemon.config.write_text(daemon.config.read_text() + '@include "more/a.conf"\n')
    result = check(daemon)
    assert result.returncode == 78
    assert re.search(r"b\.conf:3: .*no_such_parameter", result.stderr), result.stderr


def test_accepted_with_a_warning(make_daemon):
    daemon = make_daemon(start=False, settings={"queue_run_delay": "300s"})
    result = check(daemon)
    assert result.returncode == 0
    assert re.search(r"sluice\.conf:\d+: .*queue_run_delay", result.stderr), result.stderr


def test_a_table_that_cannot_be_opened_is_reported(make_daemon, folder):
    daemon = make_daemon(start=False, settings={"transport_maps": [f"hash:{folder}/nosuch"]})
    result = check(daemon)
    assert f"hash:{folder}/nosuch" in result.stderr and "No such file" in result.stderr


def test_a_list_whose_file_is_not_there(make_daemon):
    """As with a table: it is said, what the file would decide is put off, and the rest goes on (R-6, T-3)."""
    daemon = make_daemon(start=False, settings={"relay_domains": ["a.tld", "/nosuch/domains"]})
    result = check(daemon)
    assert result.returncode == 0
    assert f"sluice.conf:{line_of(daemon, 'relay_domains')}: warning: relay_domains: open /nosuch" in result.stderr
    daemon.start()
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@x.tld>", "250")
        client.expect("RCPT TO:<u@a.tld>", "250 2.1.5 Ok")
        client.expect("RCPT TO:<u@b.tld>", "451 4.3.0 <u@b.tld>: Temporary lookup failure")


def test_a_table_in_two_lists_is_named_by_its_line(make_daemon, folder):
    """virtual_alias_domains has the tables of virtual_alias_maps by default, and has no line."""
    daemon = make_daemon(start=False, settings={"virtual_alias_maps": [f"hash:{folder}/nosuch"]})
    assert f"sluice.conf:{line_of(daemon, 'virtual_alias_maps')}: warning: " in check(daemon).stderr


def test_a_good_configuration(make_daemon):
    daemon = make_daemon(start=False)
    result = check(daemon)
    assert (result.returncode, result.stderr) == (0, "")
    assert not (daemon.folder / "queue").exists(), "-t only checks"


def test_help_and_version(folder):
    for option, text in (("--help", "usage: sluiced"), ("-h", "usage: sluiced"),
                         ("--version", "sluiced ")):
        result = subprocess.run([BIN / "sluiced", option], text=True, capture_output=True,
                                timeout=60, env=ENVIRONMENT)
        assert result.returncode == 0 and result.stdout.startswith(text)
    result = subprocess.run([BIN / "sluiced", "--nosuch"], text=True, capture_output=True,
                            timeout=60, env=ENVIRONMENT)
    assert result.returncode == 64 and "usage: sluiced" in result.stderr


def test_no_configuration(folder):
    result = subprocess.run([BIN / "sluiced", "-t", "-c", folder / "nosuch.conf"], text=True,
                            capture_output=True, timeout=60, env=ENVIRONMENT)
    assert result.returncode == 78 and "nosuch.conf" in result.stderr


# -- plugins

@pytest.fixture
def plugins(folder):
    """A copy of the plugin folder that a test may spoil."""
    copy = folder / "plugins"
    shutil.copytree(PLUGINS, copy)
    return copy


def test_a_missing_plugin_that_is_named_ends_the_start(make_daemon, plugins):
    daemon = make_daemon(start=False, settings={
        "plugin_directory": plugins, "queue_store": {"plugin": "bdb"}})
    assert check(daemon).returncode == 0
    (plugins / "queue" / "bdb.so").unlink()
    result = check(daemon)
    assert result.returncode == 78
    number = line_of(daemon, "queue_store")
    assert re.search(rf"sluice\.conf:{number}: .*bdb\.so.*No such file", result.stderr), result.stderr


def test_a_missing_plugin_that_is_not_named_changes_nothing(make_daemon, plugins, sink):
    (plugins / "queue" / "bdb.so").unlink()
    daemon = make_daemon(settings={"plugin_directory": plugins})
    assert daemon.stop() == 0


def test_a_plugin_that_others_may_write_is_refused(make_daemon, plugins):
    daemon = make_daemon(start=False, settings={"plugin_directory": plugins})
    (plugins / "transport" / "smtp.so").chmod(0o777)
    result = check(daemon)
    assert result.returncode == 78
    assert "smtp.so" in result.stderr, result.stderr


def test_a_file_that_is_no_plugin_is_refused_with_the_reason(make_daemon, plugins):
    (plugins / "transport" / "relay.so").write_bytes(b"\x7fELF nonsense")
    daemon = make_daemon(start=False, settings={"plugin_directory": plugins})
    result = check(daemon)
    assert result.returncode == 78
    assert re.search(r"relay.*(invalid ELF|file too short|wrong ELF)", result.stderr), result.stderr


# -- processes

def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.skipif(not is_root, reason="only root can start roles as other users")
def test_roles_drop_to_two_users(make_daemon):
    daemon = make_daemon()
    owners = {"queue": "sluice", "receive": "sluice-net", "deliver": "sluice-net"}
    roles = daemon.roles()
    assert {name.split()[0] for name in roles} == set(owners)
    for name, pid in roles.items():
        user = pwd.getpwnam(owners[name.split()[0]])
        status = status_of(pid)
        assert set(status["Uid"].split()) == {str(user.pw_uid)}, name
        assert set(status["Gid"].split()) == {str(user.pw_gid)}, name
        assert set(status["Groups"].split()) <= {str(user.pw_gid)}, name
        assert int(status["CapEff"], 16) == 0, name
        assert status["NoNewPrivs"] == "1", name
    queue = daemon.folder / "queue"
    assert queue.stat().st_uid == pwd.getpwnam("sluice").pw_uid
    assert queue.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not is_root, reason="only root needs the users")
def test_a_missing_user_ends_the_start(make_daemon):
    daemon = make_daemon(start=False, settings={"mail_owner": "no-such-user"})
    result = subprocess.run([daemon.bin / "sluiced", "-f", "-c", daemon.config], text=True,
                            capture_output=True, timeout=60, env=ENVIRONMENT)
    assert result.returncode == 78 and "no-such-user" in result.stderr


@pytest.mark.skipif(not is_root, reason="needs root to become somebody else")
def test_an_ordinary_user_runs_everything_as_himself(folder):
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    build = folder / "build"
    subprocess.run(["cp", "-r", BIN, PLUGINS, folder], check=True)
    build.mkdir()
    shutil.move(folder / "bin", build / "bin")
    shutil.move(folder / "plugins", build / "plugins")
    daemon = Daemon(folder / "d", start=False, build=build)
    subprocess.run(["chown", "-R", "nobody", daemon.folder], check=True)
    log = open(daemon.log_path, "ab")
    daemon.process = subprocess.Popen(
        ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
         daemon.bin / "sluiced", "-c", daemon.config, "-f"],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=ENVIRONMENT)
    try:
        daemon.wait_until_ready()
        for name, pid in daemon.roles().items():
            assert set(status_of(pid)["Uid"].split()) == {str(nobody.pw_uid)}, name
    finally:
        daemon.finish()


def test_a_second_daemon_on_the_same_queue_is_refused(make_daemon):
    daemon = make_daemon()
    result = subprocess.run([daemon.bin / "sluiced", "-f", "-c", daemon.config], text=True,
                            capture_output=True, timeout=60, env=ENVIRONMENT)
    assert result.returncode not in (0, -signal.SIGSEGV)
    assert "running" in result.stderr, result.stderr
    with Client(daemon.port) as client:
        client.expect("NOOP", "250")


def test_a_port_in_use_is_said(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        daemon = make_daemon(start=False, settings={"listen": [f"127.0.0.1:{port}"]})
        result = subprocess.run([daemon.bin / "sluiced", "-f", "-c", daemon.config], text=True,
                                capture_output=True, timeout=60, env=ENVIRONMENT)
        assert result.returncode != 0
        assert f"127.0.0.1:{port}" in result.stderr and "in use" in result.stderr


def test_sigterm_drains(make_daemon, make_sink):
    """What is on its way when the order comes is finished: a session's message, a slow delivery."""
    import threading
    is_there = threading.Event()
    sink = make_sink(replies={"end": lambda line: is_there.set() or time.sleep(2) or "250 2.0.0 Ok"})
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [
        daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    send(daemon.port)
    assert is_there.wait(20)
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@elsewhere.test>", "250")
        client.expect("DATA", "354")
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.send("X: y\r\n\r\nbody\r\n.\r\n")
        assert client.reply().startswith(("250 2.0.0 Ok: queued as", "421 ", "451 "))
    assert daemon.process.wait(60) == 0
    daemon.start()
    assert "user@customer.tld" not in str(daemon.json("queue", "list"))


def test_without_standard_descriptors(make_daemon):
    """Nothing of the daemon's gets the number of standard error."""
    daemon = make_daemon(start=False)
    result = subprocess.run(["sh", "-c", 'exec "$0" -t -c "$1" <&- >&- 2>&-',
                             daemon.bin / "sluiced", daemon.config], timeout=60, env=ENVIRONMENT)
    assert result.returncode == 0
    daemon.process = subprocess.Popen(
        ["sh", "-c", 'exec "$0" -f -c "$1" <&- >&- 2>&-', daemon.bin / "sluiced", daemon.config],
        env=ENVIRONMENT)
    daemon.wait_until_ready()
    for pid in [daemon.process.pid, *daemon.roles().values()]:
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}


def test_a_delivery_that_hangs_does_not_cost_the_results_of_others(make_daemon, make_sink):
    """Deliver is killed when drain_timeout is over; queue still records what came before."""
    sink = make_sink(replies={"end": lambda line: 30 if sink.connections > 1 else "250 2.0.0 Ok"})
    daemon = make_daemon(settings={
        "relay_domains": ["customer.tld"], "relay_transport": f"relay:{sink.nexthop}",
        "drain_timeout": "2s", "connection_cache_time_limit": 0, "minimal_backoff_time": "1h"})
    done = send(daemon.port)
    wait_for(lambda: sink.count == 1)
    hanging = send(daemon.port)
    wait_for(lambda: sink.connections == 2)
    daemon.stop()
    assert re.search(r"role deliver \d+ \(pid \d+\) did not finish in time", daemon.log())
    assert not re.search(r"role queue \d+ \(pid \d+\) did not finish in time", daemon.log())
    sink.close()
    daemon.start()
    assert {message["queue_id"] for message in daemon.queue()} == {hanging}
    assert done != hanging


def test_sigint_and_a_second_start(make_daemon):
    daemon = make_daemon()
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.process.wait(60) == 0
    assert not (daemon.folder / "run" / "sluiced.pid").exists()
    daemon.start()


def test_roles_leave_when_the_master_is_killed(make_daemon):
    daemon = make_daemon()
    pids = daemon.roles().values()
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.process.wait(10)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 30)
    daemon.start()


def test_a_role_that_dies_is_started_again(make_daemon):
    daemon = make_daemon()
    for name in ("receive 0", "deliver 0", "queue 0"):
        pid = daemon.roles()[name]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in daemon.roles().values() and
                 {n.split()[0] for n in daemon.roles()} == {"queue", "receive", "deliver"})
        daemon.wait_until_ready()
        wait_for(lambda: can_send(daemon), 20, 0.2)
        daemon.wait_for_log(rf"{name.split()[0]} \d+ \(pid {pid}\) died: signal 9")


def can_send(daemon):
    try:
        return send(daemon.port, recipients="user@elsewhere.test")
    except (AssertionError, OSError):
        return False


# -- a first look inside

def test_status_and_lists(make_daemon, sink):
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [
        daemon.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
    daemon.start()
    queue_id = send(daemon.port, sender="s@isp.example", content=b"Subject: x\r\n\r\n12345\r\n")

    [listed] = daemon.json("queue", "list")
    assert listed["queue_id"] == queue_id and listed["sender"] == "s@isp.example"
    [shown] = daemon.json("queue", "show", queue_id)
    [recipient] = shown["recipients"]
    assert recipient["address"] == "user@customer.tld"
    assert recipient["transport"] == "etrn-only" and recipient["nexthop"] == sink.nexthop
    [site] = daemon.json("site", "list")
    assert site["transport"] == "etrn-only" and site["nexthop"] == sink.nexthop
    [status] = daemon.json("status")
    assert status["messages"] == 1
    names = {plugin["name"] for plugin in daemon.json("plugin", "list")}
    assert {"transport/smtp", "transport/relay", "transport/etrn-only", "transport/mx",
            "transport/mx-bypass", "lookup/hash", "queue/log", "queue/backoff", "queue/on-demand",
            "access/basic"} <= names

    for arguments in (["status"], ["queue", "list"], ["queue", "show", queue_id], ["site", "list"],
                      ["plugin", "list"], ["plugin", "show", "transport/smtp"]):
        assert daemon.command("sluice", *arguments).stdout.strip()
    assert queue_id in daemon.command("sluice", "queue", "list").stdout
    manual = daemon.command("sluice", "plugin", "show", "transport/smtp").stdout
    assert "smtp_connect_timeout" in manual and "30s" in manual
    assert 'transports = ( { name = "NAME"; plugin = "smtp"; OPTION = VALUE; } );' in manual
    manual = daemon.command("sluice", "plugin", "show", "lookup/ldap").stdout
    for option in ("query_filter", "stale_ok", "stale_bytes", "cache_negative", "isolate_memory", "shared"):
        assert len(re.findall(rf"^  {option}  \(", manual, re.M)) == 1, option
    assert daemon.command("sluice", "queue", "show", "0" * 16, check=False).returncode != 0
    nothing = daemon.command("sluice", "site", "release", "nosuch.tld", check=False)
    assert (nothing.returncode, nothing.stderr) == (66, 'sluice: no mail waits for "nosuch.tld"\n')
    assert daemon.json("queue", "release", "ALL") == [{"released": 1}]


@pytest.mark.parametrize("arguments, code, said", [
    (["queu", "list"], 64, "sluice: no such command: queu list\n\nusage: "),
    (["-c", "/", "status"], 78, "sluice: / is no file that can be read\n"),
    (["-c", "/", "plugin", "list"], 78, "sluice: / is no file that can be read\n"),
    (["-c", "/nosuch", "status"], 78, "sluice: open /nosuch: No such file or directory\n"),
    (["plugin", "show", "nosuch"], 66, f"sluice: nosuch: no such plugin in {PLUGINS}\n"),
    (["status"], 69, "sluice: the mail system is down ("),
])
def test_what_sluice_says_of_a_mistake(make_daemon, arguments, code, said):
    result = make_daemon(start=False).command("sluice", *arguments, check=False)
    assert (result.returncode, result.stderr[:len(said)]) == (code, said)


def test_mailq_and_postqueue(make_daemon, sink):
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [
        daemon.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
    daemon.start()
    assert daemon.command("mailq").stdout == "Mail queue is empty\n"
    queue_id = send(daemon.port, content=b"Subject: x\r\n\r\n12345\r\n")
    for command in (["mailq"], ["postqueue", "-p"], ["sendmail", "-bp"]):
        lines = daemon.command(*command).stdout.splitlines()
        assert lines[0] == "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------"
        assert re.fullmatch(rf"{queue_id} +\d+ \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d +sender@isp\.example",
                            lines[1]), lines[1]
        assert lines[2].endswith("(deferred transport)") and len(lines[2]) == 78
        assert lines[3].strip() == "user@customer.tld"
        assert lines[-1] == "-- 0 Kbytes in 1 Request."
    [entry] = [__import__("json").loads(line) for line in
               daemon.command("postqueue", "-j").stdout.splitlines()]
    assert entry["queue_id"] == queue_id and entry["sender"] == "sender@isp.example"
    assert entry["recipients"] == [{"address": "user@customer.tld",
                                    "delay_reason": "deferred transport"}]
    usage = daemon.command("postqueue", check=False)
    assert usage.returncode == 69 and "usage" in usage.stderr
    refused = daemon.command("postqueue", "-s", "elsewhere.tld", check=False)
    assert refused.returncode == 69
    assert 'Flush service is not configured for destination "elsewhere.tld"' in refused.stderr
    daemon.stop()
    down = daemon.command("postqueue", "-f", check=False)
    assert down.returncode == 69
    assert "Cannot flush mail queue - mail system is down" in down.stderr
