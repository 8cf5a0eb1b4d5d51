# SPDX-License-Identifier: ISC
"""Transports with a user of their own: their deliver process, what it may, and what others do meanwhile."""

import os
import pwd
import signal
import subprocess

import pytest

from client import send
from daemon import BIN, ENVIRONMENT, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: no process can have another user")

NOBODY = pwd.getpwnam("nobody")
SETID_CAPABILITIES = 0xC0  # CAP_SETGID, CAP_SETUID


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def delivers(daemon):
    """The status of each deliver process."""
    return [status_of(pid) for name, pid in daemon.roles().items() if name.startswith("deliver")]


def check(daemon):
    return subprocess.run([BIN / "sluiced", "-c", daemon.config, "-t"], capture_output=True, text=True,
                          timeout=60, env=ENVIRONMENT)


@pytest.fixture
def make_crew(make_daemon, sink):
    """A daemon whose transport apart has that user, and delivers to the sink."""
    def make(user, plugin="smtp", **settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "deliver_processes": 1, "minimal_backoff_time": "1s", "relay_domains": ["apart.tld", "customer.tld"],
            "transports": [{"name": "apart", "plugin": plugin, "user": user}],
            "transport_maps": [daemon.table("transport", f"apart.tld apart:{sink.nexthop}\n"
                                                         f"customer.tld smtp:{sink.nexthop}\n")],
            **settings})
        return daemon

    return make


@needs_root
def test_a_transport_with_a_user_has_a_process_with_his_rights(make_crew, sink):
    daemon = make_crew("nobody")
    daemon.start()
    uids = [status["Uid"].split() for status in delivers(daemon)]
    assert len(uids) == 2 and uids.count([str(NOBODY.pw_uid)] * 4) == 1, uids
    for status in delivers(daemon):
        assert int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1"
        assert len(status["Groups"].split()) == 1
    send(daemon.port, recipients=["user@apart.tld"])
    send(daemon.port, recipients=["user@customer.tld"])
    wait_for(lambda: sink.count == 2)
    daemon.wait_for_log("status=sent")


@needs_root
def test_the_process_for_recipients_keeps_two_capabilities(make_crew):
    daemon = make_crew("recipient", plugin="null")
    daemon.start()
    able = [status for status in delivers(daemon) if int(status["CapPrm"], 16) != 0]
    assert len(able) == 1
    network = pwd.getpwnam("sluice-net")
    for which in "CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd":
        assert int(able[0][which], 16) == SETID_CAPABILITIES, which
    assert able[0]["NoNewPrivs"] == "1"
    assert set(able[0]["Uid"].split()) == {str(network.pw_uid)}
    send(daemon.port, recipients=["user@apart.tld"])
    daemon.wait_for_log("status=deferred .this transport delivers nothing")


@needs_root
@pytest.mark.parametrize("user, text", [
    ("root", 'user "root" has the rights of root'),
    ("nobody:root", 'user "nobody:root" has the rights of root'),
    ("sluice", 'user "sluice" has the rights of mail_owner or network_owner'),
    ("sluice-net", 'user "sluice-net" has the rights of mail_owner or network_owner'),
    ("no-such-user", 'user "no-such-user": there is no such user'),
    ("nobody:no-such-group", 'user "nobody:no-such-group": there is no group "no-such-group"'),
    ("recipient", 'user: "recipient" is only for transports that deliver on this machine'),
])
def test_users_that_cannot_be_are_named_with_file_and_line(make_crew, user, text):
    daemon = make_crew(user)
    result = check(daemon)
    line = 1 + daemon.config.read_text().splitlines().index(
        next(line for line in daemon.config.read_text().splitlines() if line.startswith("transports")))
    assert result.returncode == 78
    assert f"{daemon.config}:{line}: apart: {text}" in result.stderr, result.stderr


@needs_root
def test_the_place_of_an_option_under_its_long_name(make_crew):
    daemon = make_crew("nobody")
    daemon.change({"smtp_user": "root"})
    line = 1 + daemon.config.read_text().splitlines().index('smtp_user = "root";')
    assert f'{daemon.config}:{line}: smtp: user "root" has the rights of root' in check(daemon).stderr


@needs_root
def test_more_users_than_processes_are_refused(make_crew):
    daemon = make_crew("nobody")
    daemon.change({"transports": [{"name": f"t{gid}", "plugin": "null", "user": f"nobody:{40000 + gid}"}
                                  for gid in range(16)]})
    assert "t15: transports have more than 15 users" in check(daemon).stderr


@needs_root
def test_a_reload_changes_the_user(make_crew, sink):
    daemon = make_crew("nobody")
    daemon.start()
    games = pwd.getpwnam("games")
    for number, (user, uid) in enumerate((("games", games.pw_uid), ("", pwd.getpwnam("sluice-net").pw_uid),
                                          ("nobody", NOBODY.pw_uid)), 1):
        daemon.change({"transports": [{"name": "apart", "plugin": "smtp", "user": user}]})
        daemon.command("sluice", "reload")
        send(daemon.port, recipients=["user@apart.tld"])
        wait_for(lambda: sink.count == number)
        wait_for(lambda: str(uid) in {status["Uid"].split()[0] for status in delivers(daemon)})
    wait_for(lambda: len(delivers(daemon)) == 2)
    assert "mail transport unavailable" not in daemon.log()


def test_an_ordinary_user_can_name_himself_alone(make_crew):
    """As nobody where the test is root's."""
    options = {"user": "nobody", "group": NOBODY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    me = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    for user, status in ((me, 0), ("daemon", 78), ("recipient", 0)):
        daemon = make_crew(user, plugin="null", defer_transports=None)
        if os.geteuid() == 0:
            os.chown(daemon.folder, NOBODY.pw_uid, -1)
            os.chown(daemon.config, NOBODY.pw_uid, -1)
        result = subprocess.run([BIN / "sluiced", "-c", daemon.config, "-t"], capture_output=True,
                                text=True, timeout=60, env=ENVIRONMENT, **options)
        assert result.returncode == status, result.stderr
        if status != 0:
            assert 'user "daemon": only a daemon that root has started can become another user' \
                in result.stderr


@needs_root
def test_a_crew_that_dies_comes_back_and_its_mail_goes(make_crew, make_sink, sink):
    """Suspects of a crew are tried by an isolated process of that crew."""
    daemon = make_crew("nobody")
    slow = make_sink(replies={"end": 2})
    daemon.table("transport", f"apart.tld apart:{slow.nexthop}\ncustomer.tld smtp:{sink.nexthop}\n")
    daemon.start()
    send(daemon.port, recipients=["user@apart.tld"])
    wait_for(lambda: slow.connections > 0)
    victim = next(pid for pid in daemon.roles().values()
                  if status_of(pid)["Uid"].split()[0] == str(NOBODY.pw_uid))
    os.kill(victim, signal.SIGKILL)
    send(daemon.port, recipients=["user@customer.tld"])
    wait_for(lambda: sink.count == 1)
    slow.replies = {}
    wait_for(lambda: daemon.queue() == [], 40)
    assert slow.count >= 1
    assert "crashed (signal 9), task unknown; messages under way: 1" in daemon.log()
