# SPDX-License-Identifier: ISC
"""
Tables whose plugin is not trusted: each isolated one is alone in a process, which has its own secrets and its own
plugin, and next to no rights; what it does there harms nobody else.
"""

import ctypes
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client, send
from daemon import PLUGINS, wait_for
from test_lookup_role import LATER, files_of, lookups
from test_suspects import FAULTS, hostile  # noqa: F401 (a fixture)

@pytest.fixture
def start(make_daemon, folder, hostile):  # noqa: F811
    """start(options, *tables, settings): a daemon that has for good addresses a shared table, and for all others
    the table hostile:bad, with those options."""
    plugins = shutil.copytree(PLUGINS, folder / "plugins")
    shutil.copytree(hostile, plugins, dirs_exist_ok=True)

    def make(options, *tables, settings=None):
        daemon = make_daemon(start=False)
        good = daemon.table("good", "u@good.tld u@good.new\n")
        daemon.change({
            "plugin_directory": plugins, "relay_domains": ["bad.tld", "good.tld"],
            "transport_maps": ["inline:{bad.tld=relay:[127.0.0.1]:9, good.tld=relay:[127.0.0.1]:9}"],
            "relocated_maps": [good, options.get("plugin", "hostile") + ":bad"],
            "tables": [{"name": "bad", "plugin": "hostile", **options},
                       {"name": good.removeprefix("hash:"), "plugin": "hash", "shared": True}, *tables],
            **(settings or {})})
        daemon.start(environment=FAULTS)
        daemon.good_home = home(daemon, "hash")
        return daemon
    return make


def ask(daemon, address):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return client.command(f"RCPT TO:<{address}>")


def moved(daemon, address):
    """What the table has for that address."""
    found = re.fullmatch(r"550 5\.1\.6 <.*>: Recipient address rejected: User has moved to (.*)", ask(daemon, address))
    return found and found[1]


def snapshot(pid):
    """The configuration that a process has."""
    found = re.search(r"^([0-9a-f]+)-([0-9a-f]+) .*memfd:sluice-snapshot", Path(f"/proc/{pid}/maps").read_text(), re.M)
    begin, end = int(found[1], 16), int(found[2], 16)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(begin)
        return memory.read(end - begin)


def plugins_of(pid):
    """Those that it has loaded, and those whose file it has."""
    loaded = re.findall(r"/plugins/\S+\.so", Path(f"/proc/{pid}/maps").read_text())
    return {Path(path).stem for path in [*loaded, *files_of(pid)] if path.endswith(".so")}


def home(daemon, plugin="hostile"):
    """The lookup process that has a plugin of that name; None: there is none now."""
    for pid in lookups(daemon):
        try:
            if any(name.startswith(plugin) for name in plugins_of(pid)):
                return pid
        except FileNotFoundError:
            continue
    return None


def secrets_of(pid):
    return set(re.findall(rb"secret-of-\w+", snapshot(pid)))


def test_walls(start):
    daemon = start({"isolate": True, "secret": "secret-of-bad"},
                   {"name": "two", "plugin": "hostile-serial", "isolate": True, "secret": "secret-of-two"})
    assert moved(daemon, "x@bad.tld") == "OK"
    bad, = (pid for pid in lookups(daemon) if plugins_of(pid) == {"hostile"})
    homes = [bad, home(daemon, "hostile-serial"), daemon.good_home]
    assert sorted(lookups(daemon)) == sorted(homes)
    assert [secrets_of(pid) for pid in homes] == [{b"secret-of-bad"}, {b"secret-of-two"}, set()]
    assert [plugins_of(pid) for pid in homes] == [{"hostile"}, {"hostile-serial"}, {"hash"}]
    others = [pid for name, pid in daemon.roles().items() if not name.startswith("lookup")]
    assert all(secrets_of(pid) == set() and not plugins_of(pid) & {"hostile", "hostile-serial"} for pid in others)

    status = Path(f"/proc/{bad}/status").read_text()
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^CapEff:\t0+$", status, re.M)
    if os.getuid() == 0:
        assert "0" not in re.search(r"^Uid:\t(.*)$", status, re.M)[1].split("\t")
    needed = re.compile(r"(socket|pipe|anon_inode):\[|/dev/null$|/memfd:metrics |.*/(log|run/sluiced\.pid|hostile\.so"
                        r"|queue-last-known/hostile:bad(-lock)?)$")
    assert [path for path in files_of(bad) if not needed.match(path)] == []


def test_what_it_cannot_reach(start):
    daemon = start({"isolate": True})
    if "Landlock:" in daemon.log():
        pytest.skip("this kernel has no Landlock")
    pid = home(daemon)
    assert moved(daemon, f"see-/proc/{pid}/mem@bad.tld") == "seen"
    assert moved(daemon, f"see-{daemon.folder}/queue@bad.tld") == "Permission denied"
    for other in daemon.roles().values():
        if other != pid:
            assert moved(daemon, f"see-/proc/{other}/mem@bad.tld") == "Permission denied"


def test_chance_is_another_one_in_each_process(start):
    """Or all would try a server that comes back at the same moment."""
    daemon = start({"isolate": True, "cache_positive": 0}, {"name": "two", "plugin": "hostile", "isolate": True,
                                                           "cache_positive": 0},
                   settings={"relocated_maps": ["hostile:bad"], "canonical_maps": ""})
    numbers = {daemon.command("sluice", "table", "query", f"hostile:{name}", "dice@bad.tld").stdout
               for name in ("bad", "two")}
    assert len(numbers) == 2


def test_who_asks_another_table_without_a_deadline(start):
    daemon = start({"shared": False}, settings={"relocated_maps": ["hostile:bad"]})
    address = f"ever{daemon.folder}/good@bad.tld"
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        os.kill(daemon.good_home, signal.SIGSTOP)  # its clock has gone on when it reads the question
        client.send(f"RCPT TO:<{address}>\r\n")
        time.sleep(0.1)
        os.kill(daemon.good_home, signal.SIGCONT)
        assert client.reply().endswith("User has moved to u@good.new")


# ---- what it does there --------------------------------------------------------------------------

def expect_later(daemon, address):
    assert ask(daemon, address) == LATER.format(address)


def expect_good(daemon):
    """Others are not touched."""
    assert moved(daemon, "u@good.tld") == "u@good.new"
    assert home(daemon, "hash") == daemon.good_home


def expect_another(daemon, pid):
    """The process is replaced, and answers."""
    wait_for(lambda: home(daemon) not in (None, pid))
    wait_for(lambda: moved(daemon, "x@bad.tld") == "OK")


@pytest.mark.parametrize("address, died", [
    ("segv@bad.tld", r"signal 11, memory fault in task hostile:bad \(lookup/hostile hostile:bad\)"),
    ("leave@bad.tld", "exit status 3"),
    ("loop@bad.tld", r"signal 6, hang in task hostile:bad \(lookup/hostile hostile:bad\)")])
def test_it_dies(start, address, died):
    """Who asked is told so after the second death; the third is for the next."""
    daemon = start({"isolate": True}, settings={"loop_timeout": "1s"})
    pid = home(daemon)
    expect_later(daemon, address)
    for seconds in (1, 2):
        daemon.wait_for_log(rf"role lookup 0 \(pid \d+, hostile:bad\) died: {died}; restarting in {seconds} s")
    expect_good(daemon)
    expect_another(daemon, pid)


def test_it_waits_for_ever_and_wears_out(start):
    daemon = start({"isolate": True}, settings={"lookup_timeout": "2s"})
    pid = home(daemon)
    expect_later(daemon, "wait@bad.tld")
    for n in range(9):
        assert moved(daemon, f"wear{n}@bad.tld") == "OK"
    assert home(daemon) == pid
    expect_good(daemon)
    ask(daemon, "wear10@bad.tld")  # which may have an answer of the next one
    expect_another(daemon, pid)
    expect_good(daemon)


def test_its_threads_wait_for_ever(start):
    daemon = start({"plugin": "hostile-serial", "isolate": True},
                   settings={"lookup_timeout": "1s", "drain_timeout": "1s"})
    pid = home(daemon)
    expect_later(daemon, "wait@bad.tld")
    daemon.wait_for_log(r"role lookup 0 \(pid \d+\): all threads of hostile-serial:bad hang: replaced")
    expect_another(daemon, pid)
    expect_good(daemon)


def test_it_takes_too_much(start):
    daemon = start({"isolate": True, "isolate_memory": "192M", "isolate_descriptors": 150})
    pid = home(daemon)
    for n in range(4):
        ask(daemon, f"eat{n}@bad.tld")
    daemon.wait_for_log(r"role lookup 0 \(pid \d+\): hostile:bad takes \d+ MB of memory; its isolate_memory is 192 MB: "
                        "killed")
    expect_another(daemon, pid)
    pid = home(daemon)
    for n in range(2):
        ask(daemon, f"take{n}@bad.tld")
    daemon.wait_for_log("hostile:bad has used up its descriptors; its isolate_descriptors are 150: killed")
    expect_another(daemon, pid)
    expect_good(daemon)


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_it_leaves_processes_behind(start):
    """They end with it."""
    daemon = start({"isolate": True})
    pid = home(daemon)
    for n in range(3):
        assert moved(daemon, f"fork{n}@bad.tld") == "OK"
    left = children_of(pid)
    assert len(left) == 3
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(is_running(child) for child in left))
    expect_another(daemon, pid)


def is_running(pid):
    try:
        return not re.search(r"^State:\tZ", Path(f"/proc/{pid}/status").read_text(), re.M)
    except FileNotFoundError:
        return False


# ---- processes that stand still ------------------------------------------------------------------

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17


@contextmanager
def traced(pid):
    """All threads of the process stand still, as in a debugger."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    threads = [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]
    for thread in threads:
        assert ptrace(SEIZE, thread, None, None) == 0, os.strerror(ctypes.get_errno())
        assert ptrace(INTERRUPT, thread, None, None) == 0
        os.waitpid(thread, 0x40000000)  # __WALL
    yield
    for thread in threads:
        ptrace(DETACH, thread, None, None)


def test_it_stands_still(start):
    """A shared one's process too. Who is being traced may, for longer than that."""
    daemon = start({"isolate": True}, settings={"loop_timeout": "1s"})
    pid = home(daemon)
    with traced(pid):
        os.kill(daemon.good_home, signal.SIGSTOP)
        daemon.wait_for_log(rf"role lookup \d \(pid {daemon.good_home}\): no sign of life for 2 s: killed")
        wait_for(lambda: moved(daemon, "u@good.tld") == "u@good.new")
        assert home(daemon) == pid
    assert moved(daemon, "x@bad.tld") == "OK" and home(daemon) == pid
    os.kill(pid, signal.SIGSTOP)
    daemon.wait_for_log(rf"role lookup \d \(pid {pid}\): no sign of life for 2 s: killed")
    expect_another(daemon, pid)


def test_deliver_stands_still(make_daemon, sink):
    """What was under way is delivered by others."""
    daemon = make_daemon(start=False)
    daemon.change({"loop_timeout": "1s", "deliver_processes": 1, "relay_domains": ["customer.tld"],
                   "transport_maps": [daemon.table("transport", f"customer.tld smtp:{sink.nexthop}\n")]})
    daemon.start()
    pid = daemon.roles()["deliver 0"]
    os.kill(pid, signal.SIGSTOP)
    queue_id = send(daemon.port, recipients="user@customer.tld")
    daemon.wait_for_log(rf"role deliver 0 \(pid {pid}\): no sign of life for 2 s: killed")
    daemon.wait_for_log(f"{queue_id}: removed", 60)
    assert sink.count == 1
