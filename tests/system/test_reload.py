# SPDX-License-Identifier: ISC
"""Reload: a new generation beside the old one, and nobody who is served notices."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import Client, send
from daemon import PLUGINS, ROOT, free_port, wait_for
from test_clients import UNPACKED
from test_crash import Load, verify

RELOADS = 6        # under load, for each store
MANY_RELOADS = int(os.environ.get("SLUICE_RELOADS", "12"))  # for what is not given back


def relayed(make_daemon, sink, **settings):
    """A daemon whose mail for customer.tld goes to the sink."""
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"],
        "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")],
        "receive_processes": 1, "deliver_processes": 1, **settings})
    daemon.start()
    return daemon


def generation(daemon):
    return daemon.json("status")[0]["generation"]


def reload(daemon):
    """By the command; its result."""
    return daemon.command("sluice", "reload", check=False)


def reload_by_signal(daemon):
    before = len(re.findall("reloaded: generation|not reloaded", daemon.log()))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(re.findall("reloaded: generation|not reloaded", daemon.log())) > before, 60)


def refused(daemon, *texts):
    """A reload that changes nothing says why, there and in the log; returns its standard error."""
    before = generation(daemon)
    processes = sorted(daemon.roles().values())
    result = reload(daemon)
    assert result.returncode == 78, result
    for text in texts:
        assert re.search(text, result.stderr), result.stderr
        daemon.wait_for_log(text)
    assert f"generation {before} runs" in result.stdout
    assert generation(daemon) == before
    wait_for(lambda: sorted(daemon.roles().values()) == processes)
    assert send(daemon.port)
    return result.stderr


def has_old_processes(daemon, old):
    return set(old.values()) & set(daemon.roles().values())


# ---- under load ------------------------------------------------------------------------------------


def test_reloads_under_load(make_daemon, sink, store):
    """Not a session is dropped, nothing refused, lost or delivered twice."""
    daemon = relayed(make_daemon, sink, queue_store={"plugin": store}, receive_processes=2,
                     deliver_processes=2)
    load = Load(daemon.port, "customer.tld")
    first = daemon.roles()
    try:
        for number in range(RELOADS):
            wait_for(lambda: len(load.accepted) > 40 * number, 60)
            if number % 2 == 0:
                reload_by_signal(daemon)
            else:
                result = reload(daemon)
                assert result.returncode == 0, result.stderr
                assert result.stdout == f"generation {number + 2} runs\n"
    finally:
        load.stop()
    assert load.refused == 0, daemon.log()[-5000:]
    wait_for(lambda: daemon.json("status")[0]["messages"] == 0, 60)
    assert verify(sink, load) == 0
    wait_for(lambda: len(daemon.roles()) == 5)
    assert not has_old_processes(daemon, first)
    assert generation(daemon) == RELOADS + 1
    assert daemon.stop() == 0
    assert " died" not in daemon.log() and "killed" not in daemon.log()


def test_smtp_source_sees_no_reload(make_daemon, sink):
    """It gives up at the first reply that it does not expect."""
    program = UNPACKED / "usr/sbin/smtp-source"
    if not program.exists():
        pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
    daemon = relayed(make_daemon, sink)
    source = subprocess.Popen(
        [program, "-s", "8", "-m", "400", "-l", "2000", "-f", "sender@isp.example",
         "-t", "user@customer.tld", f"127.0.0.1:{daemon.port}"],
        env={**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "usr/lib/postfix")})
    while source.poll() is None:
        reload_by_signal(daemon)
    assert source.returncode == 0
    wait_for(lambda: sink.count == 400, 60)
    wait_for(lambda: daemon.json("status")[0]["messages"] == 0, 60)
    assert sink.count == 400
    assert generation(daemon) > 1


def test_a_session_goes_on_as_it_began(make_daemon, sink):
    """With the configuration that it has begun with, until the client ends it."""
    daemon = relayed(make_daemon, sink)
    with Client(daemon.port) as client, Client(daemon.port) as idle:
        client.expect("MAIL FROM:<a@b.example>", "250")
        old = daemon.roles()
        daemon.change({"message_size_limit": 1000})
        reload_by_signal(daemon)
        client.expect("RCPT TO:<user@customer.tld>", "250")
        client.expect("DATA", "354")
        client.send(b"x" * 80 + b"\r\n" + b"".join(b"%072d\r\n" % i for i in range(50)) + b".\r\n")
        assert client.reply().startswith("250")
        idle.expect("NOOP", "250")
        wait_for(lambda: has_old_processes(daemon, old) == {old["receive 0"]})
        client.expect("QUIT", "221")
        idle.expect("QUIT", "221")
    wait_for(lambda: not has_old_processes(daemon, old))
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<a@b.example> SIZE=2000", "552")
    wait_for(lambda: sink.count == 1)


def test_who_stays_too_long_is_asked_to_leave(make_daemon, sink):
    daemon = relayed(make_daemon, sink, reload_grace_time="1s")
    with Client(daemon.port) as idle, Client(daemon.port) as busy:
        busy.expect("MAIL FROM:<a@b.example>", "250")
        old = daemon.roles()
        reload_by_signal(daemon)
        assert idle.reply().startswith("421 4.3.2")
        busy.expect("RCPT TO:<user@customer.tld>", "250")
        busy.expect("DATA", "354")
        busy.send(b"\r\nhello\r\n.\r\n")
        assert busy.reply().startswith("250")
        assert busy.reply().startswith("421 4.3.2")
    wait_for(lambda: not has_old_processes(daemon, old))


# ---- what does not check ---------------------------------------------------------------------------


def test_what_does_not_check_changes_nothing(make_daemon, sink, folder):
    plugins = shutil.copytree(PLUGINS, folder / "plugins")
    daemon = relayed(make_daemon, sink, plugin_directory=plugins)
    good = dict(daemon.settings)
    line = len(good) + 1

    daemon.change({"smtpd_timeout": "soon"})
    refused(daemon, rf"sluice\.conf:{line}: .*smtpd_timeout", "does not check")
    daemon.change({"smtpd_timeout": None, "transport_maps": [f"nothing:{folder}/x"]})
    refused(daemon, r"sluice\.conf:\d+: .*nothing")
    daemon.change({**good, "transports": [{"name": "x", "plugin": "not-there"}]})
    refused(daemon, rf"sluice\.conf:{line}: .*transport/not-there")

    shutil.copy(plugins / "transport/smtp.so", plugins / "transport/broken.so")
    os.truncate(plugins / "transport/broken.so", 4000)
    daemon.change({"transports": [{"name": "x", "plugin": "broken"}]})
    refused(daemon, rf"sluice\.conf:{line}: .*transport/broken: the file is cut short")
    (plugins / "transport/broken.so").chmod(0o666)
    refused(daemon, rf"sluice\.conf:{line}: .*transport/broken.*writ")

    daemon.config.write_text("listen = [ \"127.0.0.1:25\" \n")
    result = reload_command_by_socket(daemon)
    assert result[-1]["status"] == "CONFIG"
    assert any(re.search(r"sluice\.conf:\d+: syntax error", line.get("said", "")) for line in result)

    daemon.change({**good, "transports": None})
    result = reload(daemon)
    assert result.returncode == 0, result.stderr
    assert send(daemon.port)


def reload_command_by_socket(daemon):
    """Where the configuration cannot be read the command does not find its way."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(daemon.folder / "run" / "control"))
        client.sendall(b'{"command": "reload"}\n')
        return [json.loads(line) for line in client.makefile("rb")]


def test_what_takes_a_restart_is_refused(make_daemon, sink, folder):
    daemon = relayed(make_daemon, sink)
    good = dict(daemon.settings)
    for name, value in {"queue_directory": folder / "elsewhere", "queue_store": {"plugin": "bdb"},
                        "maildrop_directory": folder / "drop"}.items():
        daemon.change({name: value})
        line = list(daemon.settings).index(name) + 1
        refused(daemon, rf"sluice\.conf:{line}: {name}: .* takes a restart")
        daemon.change({name: good.get(name)})
    assert not (folder / "elsewhere").exists()


# ---- what takes effect -----------------------------------------------------------------------------


def test_listeners_come_and_go(make_daemon, sink):
    daemon = relayed(make_daemon, sink)
    stays, goes, comes = daemon.port, free_port(), free_port()
    daemon.change({"listen": [f"127.0.0.1:{stays}", f"127.0.0.1:{goes}"]})
    assert reload(daemon).returncode == 0
    send(goes)

    with Client(goes) as client:
        daemon.change({"listen": [f"127.0.0.1:{comes}", f"127.0.0.1:{stays}"]})
        assert reload(daemon).returncode == 0
        send(comes)
        send(stays)
        wait_for(lambda: not accepts(goes))
        client.expect("NOOP", "250")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon.change({"listen": [f"127.0.0.1:{stays}", f"127.0.0.1:{port}"]})
        result = reload(daemon)
        assert result.returncode == 75
        assert re.search(rf"sluice\.conf:\d+: listen on 127\.0\.0\.1:{port}: Address already in use",
                         result.stderr)
    send(comes)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


def test_what_waited_may_go(make_daemon, sink):
    """Q-34: defer_transports, relay_domains, the log's level: as after a start."""
    daemon = relayed(make_daemon, sink, defer_transports=["relay"])
    send(daemon.port)
    assert daemon.json("site", "list")[0]["on_release"] == 1
    daemon.change({"defer_transports": [], "relay_domains": ["customer.tld", "other.tld"],
                   "mynetworks": ["192.0.2.0/24"]})
    assert reload(daemon).returncode == 0
    wait_for(lambda: sink.count == 1)
    send(daemon.port)
    wait_for(lambda: sink.count == 2)
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<a@b.example>", "250")
        client.expect("RCPT TO:<user@other.tld>", "250")
        client.expect("RCPT TO:<user@third.tld>", "554")
    daemon.change({"defer_transports": ["relay"]})
    assert reload(daemon).returncode == 0
    send(daemon.port)
    wait_for(lambda: daemon.json("site", "list")[0]["on_release"] == 1)
    assert sink.count == 2


def test_a_replaced_plugin_is_the_new_code(make_daemon, sink, folder):
    plugins = shutil.copytree(PLUGINS, folder / "plugins")
    source = (ROOT / "sdk/template/lookup/subdomains.c").read_text()

    def build(domain):
        """A table that knows, besides its own, one domain that is in its code."""
        old = "    if (key.len < len ||"
        assert old in source
        (folder / "s.c").write_text(source.replace(
            old, f'    if (key.len == {len(domain)} && memcmp(key.ptr, "{domain}", key.len) == 0) {{\n'
                 "        sink->value(sink, sluice_span_of(lookup->value));\n"
                 "        return SLUICE_OK;\n    }\n" + old))
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", f"-I{ROOT}/sdk/include", "-o",
                        folder / "s.so", folder / "s.c"], check=True, timeout=60)
        os.replace(folder / "s.so", plugins / "lookup/subdomains.so")

    def accepts_domain(domain):
        with Client(daemon.port) as client:
            client.expect("MAIL FROM:<a@b.example>", "250")
            return client.command(f"RCPT TO:<user@{domain}>").startswith("250")

    build("first.tld")
    daemon = relayed(make_daemon, sink, plugin_directory=plugins, mynetworks=["192.0.2.0/24"],
                     relay_domains=["subdomains:customer.tld"])
    assert accepts_domain("first.tld") and not accepts_domain("second.tld")
    build("second.tld")
    assert accepts_domain("first.tld") and not accepts_domain("second.tld")
    assert reload(daemon).returncode == 0
    assert accepts_domain("second.tld") and not accepts_domain("first.tld")
    assert accepts_domain("customer.tld")


# ---- many, and at bad moments ----------------------------------------------------------------------


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.mark.long
def test_many_reloads_leave_nothing_behind(make_daemon, sink):
    daemon = relayed(make_daemon, sink)

    def reload_many(count):
        for _ in range(count):
            assert reload(daemon).returncode == 0
        wait_for(lambda: len(daemon.roles()) == 3)
        return open_files(daemon), len(os.listdir(daemon.folder / "run"))

    before = reload_many(2)
    after = reload_many(MANY_RELOADS)
    assert after[1] == before[1]
    wait_for(lambda: open_files(daemon) <= before[0])
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    wait_for(lambda: daemon.json("status")[0]["messages"] == 0)


def test_wishes_are_merged(make_daemon, sink):
    daemon = relayed(make_daemon, sink)
    results = []
    threads = [threading.Thread(target=lambda: results.append(reload(daemon))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [result.returncode for result in results] == [0] * 8, results
    assert generation(daemon) < 8


def test_commands_wait_for_the_next_queue(make_daemon, sink):
    """While one queue follows the other."""
    daemon = relayed(make_daemon, sink)
    is_over = False
    failed = []

    def ask():
        while not is_over:
            result = daemon.command("sluice", "status", check=False)
            if result.returncode != 0:
                failed.append(result.stderr)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(4):
        reload_by_signal(daemon)
    is_over = True
    thread.join(60)
    assert not failed


def test_an_end_during_a_reload(make_daemon, sink):
    daemon = relayed(make_daemon, sink)
    for pause in (0, 0.05, 0.2, 0.4):
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(pause)
        assert daemon.stop() == 0
        assert "killed" not in daemon.log()
        daemon.start()
        send(daemon.port)
    wait_for(lambda: sink.count == 4)


def test_only_the_owner_reloads(make_daemon, sink):
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: there is nobody else to be")
    daemon = relayed(make_daemon, sink)
    result = subprocess.run([daemon.bin / "sluice", "-c", daemon.config, "reload"],
                            capture_output=True, text=True, user=65534, group=65534, timeout=60)
    assert result.returncode not in (0, 78) and "root" in result.stderr, result
    assert generation(daemon) == 1


@pytest.mark.long
def test_kills_during_reloads(make_daemon, sink, store):
    """What got 250 is delivered, whatever dies at whatever moment."""
    rng = random.Random(store)
    daemon = relayed(make_daemon, sink, queue_store={"plugin": store})
    load = Load(daemon.port, "customer.tld")
    try:
        for _ in range(10):
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(rng.uniform(0, 0.8))
            victims = list(daemon.roles().values())
            if victims:
                kill(rng.choice(victims))
            time.sleep(0.1)
    finally:
        load.stop()
    wait_for(lambda: reload(daemon).returncode == 0, 60, 1)
    daemon.command("postqueue", "-f")
    wait_for(lambda: daemon.json("status")[0]["messages"] == 0, 60)
    verify(sink, load)
    wait_for(lambda: len(daemon.roles()) == 3)
    assert len(load.accepted) > 50


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def test_the_service_manager_is_told(make_daemon, sink, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(60)
        daemon = make_daemon(start=False)
        daemon.start(environment={"NOTIFY_SOCKET": str(folder / "notify")})
        assert manager.recv(100) == b"READY=1"
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.process.send_signal(signal.SIGHUP)
        state = manager.recv(100).decode()
        match = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", state)
        assert match and int(match[1]) >= before - 1000, state
        assert manager.recv(100) == b"READY=1"
