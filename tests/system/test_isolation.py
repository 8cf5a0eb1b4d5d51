# SPDX-License-Identifier: ISC
"""
Tables whose plugin is not trusted: each isolated one is alone in a process, which has its own secrets and its own
plugin, and next to no rights; what it does there harms nobody else.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from client import Client
from daemon import PLUGINS, wait_for
from test_lookup_role import LATER, files_of, lookups
from test_suspects import FAULTS, hostile  # noqa: F401 (a fixture)

@pytest.fixture
def start(make_daemon, folder, hostile):  # noqa: F811
    """start(options, *tables, settings): a daemon that asks the table hostile:bad, with those options, for
    addresses in bad.tld, and beside it for all addresses a table of its own."""
    plugins = shutil.copytree(PLUGINS, folder / "plugins")
    shutil.copytree(hostile, plugins, dirs_exist_ok=True)

    def make(options, *tables, settings=None):
        daemon = make_daemon(start=False)
        daemon.change({
            "plugin_directory": plugins, "relay_domains": ["bad.tld", "good.tld"],
            "transport_maps": ["inline:{bad.tld=relay:[127.0.0.1]:9, good.tld=relay:[127.0.0.1]:9}"],
            "relocated_maps": [daemon.table("moved", "u@good.tld u@good.new\n"),
                               "pcre:" + str(pattern(daemon)), "hostile:bad"],
            "tables": [{"name": "bad", "plugin": "hostile", **options}, *tables], **(settings or {})})
        daemon.start(environment=FAULTS)
        return daemon
    return make


def pattern(daemon):
    """What is in good.tld is asked no further."""
    path = daemon.folder / "good"
    path.write_text("/@good\\.tld$/ DUNNO\n")
    return path


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


def secrets_of(pid):
    return set(re.findall(rb"secret-of-\w+", snapshot(pid)))


def test_walls(start):
    daemon = start({"isolate": True, "secret": "secret-of-bad"},
                   {"name": "two", "plugin": "hostile-serial", "isolate": True, "secret": "secret-of-two"},
                   {"name": "three", "plugin": "hostile", "shared": True, "secret": "secret-of-three"})
    assert ask(daemon, "x@bad.tld").startswith("550")
    bad, two, three = lookups(daemon)
    assert [secrets_of(pid) for pid in (bad, two, three)] == [{b"secret-of-bad"}, {b"secret-of-two"},
                                                             {b"secret-of-three"}]
    assert [plugins_of(pid) for pid in (bad, two, three)] == [{"hostile"}, {"hostile-serial"}, {"hostile"}]
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
    pid, = lookups(daemon)
    assert moved(daemon, f"see-/proc/{pid}/mem@bad.tld") == "seen"
    assert moved(daemon, f"see-{daemon.folder}/queue@bad.tld") == "Permission denied"
    for other in daemon.roles().values():
        if other != pid:
            assert moved(daemon, f"see-/proc/{other}/mem@bad.tld") == "Permission denied"
