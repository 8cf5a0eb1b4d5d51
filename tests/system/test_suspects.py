# SPDX-License-Identifier: ISC
"""Plugins that crash, hang and loop: other mail goes on, what did it is named, nothing is lost."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from client import Client, send
from daemon import ENVIRONMENT, PLUGINS, ROOT, wait_for

KINDS = ("transport", "lookup", "access")
MODES = {"hostile": "SLUICE_MODE_TASK", "hostile-serial": "SLUICE_MODE_SERIAL"}

# The faults are the plugins' own business, and not for a sanitizer to report.
FAULTS = {"ASAN_OPTIONS": ENVIRONMENT["ASAN_OPTIONS"] +
          ":handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0"}


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """The hostile plugins, each kind in each mode."""
    folder = tmp_path_factory.mktemp("hostile")
    for kind in KINDS:
        (folder / kind).mkdir()
        for name, mode in MODES.items():
            subprocess.run(
                ["cc", "-std=c11", "-O1", "-fPIC", "-shared", "-Wl,-z,now", f"-I{ROOT}/sdk/include",
                 f'-DKIND="{kind}"', f'-DNAME="{name}"', f"-DMODE={mode}",
                 "-o", folder / kind / f"{name}.so", Path(__file__).parent / "plugins/hostile.c"],
                check=True, timeout=60)
    return folder


@pytest.fixture
def make_victim(make_daemon, folder, hostile):
    """make_victim(settings): a daemon with the hostile plugins beside its own; mail for bad.tld goes by
    the hostile transport, for serial.tld by its serial one, for good.tld to a sink."""
    plugins = shutil.copytree(PLUGINS, folder / "plugins")
    shutil.copytree(hostile, plugins, dirs_exist_ok=True)

    def make(settings=None, sink=None, options=None):
        daemon = make_daemon(start=False)
        daemon.change({
            "plugin_directory": plugins, "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "receive_processes": 2, "deliver_processes": 2,
            "relay_domains": ["bad.tld", "serial.tld", "good.tld"],
            "transports": [{"name": "bad", "plugin": "hostile", "destination_concurrency_limit": 300,
                            **(options or {})},
                           {"name": "serial", "plugin": "hostile-serial", **(options or {})}],
            "transport_maps": [daemon.table("transport", "bad.tld bad:nowhere\nserial.tld serial:nowhere\n"
                                            + (f"good.tld smtp:{sink.nexthop}\n" if sink else ""))],
            **(settings or {})})
        daemon.start(environment=FAULTS)
        return daemon

    return make


def send_all(daemon, recipients):
    """A message for each on one connection; their ids."""
    ids = []
    with Client(daemon.port) as client:
        for recipient in recipients:
            reply = client.message("sender@isp.example", recipient, b"Subject: x\r\n\r\nx\r\n")
            assert reply.startswith("250 "), reply
            ids.append(reply.rsplit(" ", 1)[1])
    return ids


def crashes(daemon):
    return re.findall(r"deliver \d+ \(pid \d+\) crashed \(.*", daemon.log())


def delivers(daemon):
    return [name for name in daemon.roles() if name.startswith("deliver")]


def delivered(daemon, domain):
    return set(re.findall(rf"to=<([^>]+@{re.escape(domain)})>.* status=sent", daemon.log()))


def held(daemon):
    return [message for message in daemon.queue() if message["queue_name"] == "hold"]


# ---- transports that crash -----------------------------------------------------------------------

@pytest.mark.long
def test_a_poison_among_others_is_held_at_its_third_crash(make_victim):
    daemon = make_victim(options={"delay": "1s"})
    others = [f"user{n}@bad.tld" for n in range(200)]
    ids = send_all(daemon, [*others[:100], "segv@bad.tld", *others[100:]])
    poison = ids[100]
    wait_for(lambda: held(daemon), 60)
    wait_for(lambda: delivered(daemon, "bad.tld") == set(others), 60)
    wait_for(lambda: len(daemon.queue()) == 1)
    assert len(crashes(daemon)) == 3, crashes(daemon)
    assert all(f"memory fault), task {poison} (transport/hostile bad)" in line for line in crashes(daemon))
    reason = "held after 3 crashes of deliver, plugin transport/hostile bad"
    daemon.wait_for_log(f"{poison}: from=<sender@isp.example>, site=bad:nowhere: {reason}")
    assert daemon.json("queue", "show", poison)[0]["recipients"][0]["delay_reason"] == reason
    assert reason in daemon.command("sluice", "queue", "show", poison).stdout
    wait_for(lambda: len(delivers(daemon)) == 2)  # the isolated process has nothing left to do
    assert len(crashes(daemon)) == 3


def test_a_transport_that_always_crashes_stops_alone(make_victim, sink):
    """Q-25."""
    daemon = make_victim(sink=sink, options={"act": "segv"})
    send_all(daemon, [f"user{n}@{domain}" for n in range(40) for domain in ("bad.tld", "good.tld")])
    wait_for(lambda: len(delivered(daemon, "good.tld")) == 40, 60)
    daemon.wait_for_log(r"transport bad is unavailable for 60 s: .* in plugin transport/hostile bad")
    before = len(crashes(daemon))
    assert before <= 8, crashes(daemon)
    daemon.command("postqueue", "-f")  # a release does not open it
    send(daemon.port, recipients="later@bad.tld")
    send(daemon.port, recipients="later@good.tld")
    wait_for(lambda: "later@good.tld" in delivered(daemon, "good.tld"))
    assert len(crashes(daemon)) == before
    left = daemon.queue()
    assert len(left) == 41 and held(daemon) == []
    assert any("mail transport unavailable" in message["recipients"][0].get("delay_reason", "")
               for message in left)


def test_a_transport_is_tried_again(make_victim):
    """Q-25."""
    daemon = make_victim(settings={"transport_retry_time": "1s"})
    send_all(daemon, [f"segv{n}@bad.tld" for n in range(3)])
    daemon.wait_for_log("transport bad is unavailable for 1 s")
    send(daemon.port, recipients="user@bad.tld")  # shows that it was the messages
    wait_for(lambda: delivered(daemon, "bad.tld"), 30)
    for n in range(30):
        if len(held(daemon)) == 3:
            break
        send(daemon.port, recipients=f"user{n}@bad.tld")
        time.sleep(1)
    assert len(held(daemon)) == 3
    wait_for(lambda: len(daemon.queue()) == 3, 30)


@pytest.mark.parametrize("act, domain, words", [
    ("deep", "bad.tld", "stack overflow"), ("deep", "serial.tld", "stack overflow"),
    ("abort", "bad.tld", "abort")])
def test_last_words(make_victim, act, domain, words):
    daemon = make_victim()
    queue_id = send(daemon.port, recipients=f"{act}@{domain}")
    plugin = "hostile bad" if domain == "bad.tld" else "hostile-serial serial"
    daemon.wait_for_log(rf"role deliver \d+ \(pid \d+\) died: signal \d+, {words} in task {queue_id} "
                        rf"\(transport/{plugin}\)")
    wait_for(lambda: held(daemon), 30)
    assert len(crashes(daemon)) == 3


def test_crashes_are_counted_across_a_restart(make_victim):
    daemon = make_victim(settings={"loop_timeout": "2s"})
    send(daemon.port, recipients="loop@bad.tld")
    wait_for(lambda: crashes(daemon), 30)
    time.sleep(0.5)  # recorded, and tried again, for two seconds at least
    daemon.kill()
    daemon.start(environment=FAULTS)
    wait_for(lambda: held(daemon), 30)
    assert len(crashes(daemon)) == 3, crashes(daemon)


def test_crashes_are_counted_across_reloads(make_victim):
    daemon = make_victim(settings={"loop_timeout": "2s"})
    send(daemon.port, recipients="loop@bad.tld")
    wait_for(lambda: crashes(daemon), 30)
    for _ in range(2):
        time.sleep(1)
        daemon.command("sluice", "reload")
    wait_for(lambda: held(daemon), 60)
    assert len(crashes(daemon)) == 3, crashes(daemon)
    send(daemon.port, recipients="user@bad.tld")
    wait_for(lambda: delivered(daemon, "bad.tld") == {"user@bad.tld"})


def test_a_kill_by_hand_holds_nothing(make_victim):
    daemon = make_victim(options={"delay": "1s"})
    recipients = [f"user{n}@bad.tld" for n in range(100)]
    send_all(daemon, recipients)
    for name, pid in daemon.roles().items():
        if name.startswith("deliver"):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.queue() == [], 60)
    assert delivered(daemon, "bad.tld") == set(recipients)
    assert crashes(daemon) and "held after" not in daemon.log()


# ---- transports that hang or loop ----------------------------------------------------------------

def test_a_transport_that_loops(make_victim, sink):
    daemon = make_victim(sink=sink, settings={"loop_timeout": "2s"})
    queue_id = send(daemon.port, recipients="loop@bad.tld")
    send_all(daemon, [f"user{n}@good.tld" for n in range(20)])
    daemon.wait_for_log(rf"task {queue_id} \(transport/hostile bad\) has held everybody up")
    wait_for(lambda: held(daemon), 30)
    assert len(crashes(daemon)) == 3 and all("hang" in line for line in crashes(daemon))
    wait_for(lambda: len(delivered(daemon, "good.tld")) == 20, 30)


def test_a_transport_that_waits_for_ever(make_victim):
    daemon = make_victim(options={"time_limit": "2s"})
    queue_id = send(daemon.port, recipients="wait@bad.tld")
    send(daemon.port, recipients="user@bad.tld")
    wait_for(lambda: delivered(daemon, "bad.tld"))
    # Its sleep ends with its time, and what it says then counts.
    daemon.wait_for_log(rf"{queue_id}: to=<wait@bad.tld>.* status=")
    assert crashes(daemon) == [] and "died" not in daemon.log()


def test_a_transport_whose_threads_all_hang_gets_another_process(make_victim):
    daemon = make_victim(options={"time_limit": "2s"},
                         settings={"deliver_processes": 1, "drain_timeout": "2s"})
    before = daemon.roles()["deliver 0"]
    queue_id = send(daemon.port, recipients="wait@serial.tld")
    daemon.wait_for_log("all threads of serial hang: another process takes over")
    daemon.command("sluice", "queue", "hold", queue_id)
    send(daemon.port, recipients="user@serial.tld")
    wait_for(lambda: delivered(daemon, "serial.tld"), 30)
    wait_for(lambda: before not in daemon.roles().values(), 30)  # killed in the end
    assert crashes(daemon) == []


# ---- lookup and access plugins -------------------------------------------------------------------

SETTINGS = {
    "lookup": {"relay_domains": ["hostile:x"], "transport_maps": None, "relay_transport": "bad:nowhere"},
    "access": {"access_plugins": ["basic", "hostile"], "smtpd_recipient_restrictions": ["check_hostile"]},
}
RECIPIENT = {"lookup": "user@{}.tld", "access": "{}@bad.tld"}
PLUGIN = {"lookup": "lookup/hostile hostile:x", "access": "access/hostile: check_hostile"}


def is_alive(client):
    try:
        return client.command("NOOP").startswith("250")
    except OSError:
        return False


def ask(daemon, recipient):
    """The reply to RCPT, or "" for a connection that was cut."""
    with Client(daemon.port) as client:
        client.command("MAIL FROM:<sender@isp.example>")
        try:
            return client.command(f"RCPT TO:<{recipient}>")
        except OSError:
            return ""


def clients_of_each_process(daemon, count):
    """Sessions of each receive process: the others are stopped while it takes them."""
    receivers = [pid for name, pid in daemon.roles().items() if name.startswith("receive")]
    clients = []
    for pid in receivers:
        others = [other for other in receivers if other != pid]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        clients += [Client(daemon.port) for _ in range(count)]
        for other in others:
            os.kill(other, signal.SIGCONT)
    return clients


@pytest.mark.parametrize("kind, act, words", [
    ("lookup", "segv", "memory fault"), ("access", "deep", "stack overflow"),
    ("lookup", "loop", "hang"), ("access", "loop", "hang")])
def test_receive_crashes(make_victim, kind, act, words):
    daemon = make_victim(settings={"loop_timeout": "2s", **SETTINGS[kind]})
    others = clients_of_each_process(daemon, 6)
    reply = ask(daemon, RECIPIENT[kind].format(act))
    assert not reply.startswith(("2", "5")), reply
    daemon.wait_for_log(rf"role receive \d \(pid \d+\) died: signal \d+, {words} in task session.* "
                        rf"\({re.escape(PLUGIN[kind])}\); restarting")
    alive = [client for client in others if is_alive(client)]
    assert 0 < len(alive) < len(others)
    recipient = RECIPIENT[kind].format("good")
    for client in alive:
        assert client.message("sender@isp.example", recipient, b"x\r\n").startswith("250")
    wait_for(lambda: daemon.queue() == [])
    wait_for(lambda: len([name for name in daemon.roles() if name.startswith("receive")]) == 2)
    assert ask(daemon, recipient).startswith("250")


@pytest.mark.parametrize("kind", ["lookup", "access"])
def test_receive_hangs(make_victim, kind):
    serial = {"hostile": "hostile-serial", "hostile:x": "hostile-serial:x"}
    settings = {key: [serial.get(word, word) for word in value] if isinstance(value, list) else value
                for key, value in SETTINGS[kind].items()}
    daemon = make_victim(settings={"lookup_timeout": "2s", "drain_timeout": "2s", **settings})
    before = set(daemon.roles().values())
    reply = ask(daemon, RECIPIENT[kind].format("wait"))
    assert not reply.startswith(("2", "5")), reply
    daemon.wait_for_log("all threads of .*hostile-serial.* hang: another process takes over")
    wait_for(lambda: len(before - set(daemon.roles().values())) == 1, 30)
    wait_for(lambda: len([name for name in daemon.roles() if name.startswith("receive")]) == 2)
    for _ in range(6):
        assert ask(daemon, RECIPIENT[kind].format("good")).startswith("250")
