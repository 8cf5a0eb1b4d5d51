# SPDX-License-Identifier: ISC
"""Metrics by HTTP, as Prometheus gets them."""

import http.client
import os
import re
import signal
import socket
import subprocess

import pytest

from client import Client, send
from daemon import ROOT, free_port, wait_for

PROMTOOL = ROOT / "build" / "peers" / "root" / "usr" / "bin" / "promtool"


def get(port, path="/metrics", method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def values(port):
    """{'sluice_x{a="b"}': 1.0, ...}"""
    status, text = get(port)
    assert status == 200
    return {name: float(value) for name, value in
            re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.M)}


@pytest.fixture
def watched(make_daemon, make_sink):
    """A daemon with metrics: customer.tld is relayed, and refuses no@; held.tld waits."""
    peer = make_sink(replies={"RCPT": lambda line: "550 5.1.1 no" if "no@" in line else "250 2.1.5 Ok"})
    daemon = make_daemon(start=False)
    daemon.metrics = free_port()
    daemon.change({"metrics_listen": f"127.0.0.1:{daemon.metrics}", "mynetworks": ["127.0.0.1/32"],
                   "relay_domains": ["customer.tld", "held.tld"],
                   "transport_maps": [daemon.table("transport", f"customer.tld relay:{peer.nexthop}\n"
                                                   f"held.tld etrn-only:{peer.nexthop}\n")]})
    daemon.start()
    return daemon


def test_what_happens_is_counted(watched):
    for _ in range(3):
        message = send(watched.port, "s@isp.example", ["user@customer.tld"])
    send(watched.port, "", "no@customer.tld")
    send(watched.port, "s@isp.example", "user@held.tld")
    with Client(watched.port, source="127.0.0.9") as client:
        client.command("MAIL FROM:<spammer@bad.test>")
        client.command("RCPT TO:<x@elsewhere.test>")
        wait_for(lambda: f"{message}: removed" in watched.log() and "status=bounced" in watched.log())
        wait_for(lambda: values(watched.metrics).get('sluice_queue_units{state="on_release"}') == 1)
        assert values(watched.metrics)["sluice_sessions"] == 1
    found = values(watched.metrics)
    wanted = {
        'sluice_messages_accepted_total{protocol="ESMTP"}': 5,
        'sluice_delivery_attempts_total{transport="relay",result="sent"}': 3,
        'sluice_delivery_attempts_total{transport="relay",result="bounced"}': 1,
        'sluice_delivery_delay_seconds_count{transport="relay"}': 3,
        'sluice_delivery_attempt_duration_seconds_count{transport="relay"}': 4,
        'sluice_rejects_total{command="RCPT"}': 1,
        'sluice_commit_duration_seconds_count': 5,
        'sluice_commit_duration_seconds_bucket{le="+Inf"}': 5,
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["sluice_connections_total"] >= 6 and found["sluice_accepted_bytes_total"] > 500
    assert found["sluice_queue_free_bytes"] > 0
    # Five were put, four have left.
    assert found["sluice_store_changes_total"] >= found["sluice_store_batch_duration_seconds_count"] >= 2
    assert found["sluice_store_changes_total"] >= 9
    calls = {name: value for name, value in found.items() if name.startswith("sluice_plugin_calls_total")}
    for kind in ("lookup", "transport", "nexthop", "queue", "deferral", "access"):
        assert sum(value for name, value in calls.items()
                   if f'kind="{kind}"' in name and 'status="ok"' in name) > 0, (kind, calls)
    assert any(re.match(r'sluice_build_info\{version="[\d.]+"\}', name) for name in found)

    watched.command("sluice", "site", "release", "held.tld")
    wait_for(lambda: values(watched.metrics)
             .get('sluice_delivery_attempts_total{transport="etrn-only",result="sent"}') == 1)
    found = values(watched.metrics)
    assert (found["sluice_releases_total"], found["sluice_messages_released_total"]) == (1, 1)


def test_promtool_finds_nothing_wrong(watched):
    send(watched.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: 'sluice_queue_messages' in get(watched.metrics)[1])
    run = subprocess.run([PROMTOOL, "check", "metrics"], input=get(watched.metrics)[1], text=True,
                         capture_output=True, timeout=60)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_counters_outlive_processes(watched):
    send(watched.port, "s@isp.example", "user@customer.tld")
    wait_for(lambda: ": removed" in watched.log())
    before = values(watched.metrics)
    victims = [pid for name, pid in watched.roles().items() if not name.startswith("metrics")]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: sum(value for name, value in values(watched.metrics).items()
                         if name.startswith("sluice_process_restarts_total")) == len(victims), 60)
    watched.wait_until_ready()
    wait_for(lambda: values(watched.metrics).get("sluice_queue_messages") == 0)
    after = values(watched.metrics)
    for name, value in before.items():
        if "_total" in name or "_count" in name:
            assert after[name] >= value, name
    assert after["sluice_sessions"] == 0  # those of the dead are gone
    os.kill(watched.roles()["metrics 0"], signal.SIGKILL)
    wait_for(lambda: "role metrics 0" in watched.log())

    def answers():
        try:
            return values(watched.metrics)
        except OSError:
            return None

    found = wait_for(answers, 30)
    assert found['sluice_process_restarts_total{role="metrics"}'] == 1
    assert found['sluice_messages_accepted_total{protocol="ESMTP"}'] == 1


def test_reload_takes_them_along(watched):
    send(watched.port, "s@isp.example", "user@held.tld")
    wait_for(lambda: values(watched.metrics).get("sluice_queue_messages") == 1)
    old_port, watched.metrics = watched.metrics, free_port()
    watched.change({"metrics_listen": f"127.0.0.1:{watched.metrics}"})
    watched.command("sluice", "reload")
    send(watched.port, "s@isp.example", "user@held.tld")
    wait_for(lambda: values(watched.metrics).get("sluice_queue_messages") == 2)  # of one queue alone
    assert values(watched.metrics)['sluice_messages_accepted_total{protocol="ESMTP"}'] == 2

    def is_closed():
        try:
            get(old_port)
        except ConnectionRefusedError:
            return True

    wait_for(is_closed)
    watched.change({"metrics_listen": None})
    watched.command("sluice", "reload")
    wait_for(lambda: not any(name.startswith("metrics") for name in watched.roles()))
    send(watched.port, "s@isp.example", "user@held.tld")


def test_http(watched):
    assert get(watched.metrics, "/healthz") == (200, "ok\n")
    assert get(watched.metrics, "/")[0] == 404
    assert get(watched.metrics, "/metrics/../etc/passwd")[0] == 404
    assert get(watched.metrics, method="POST", body="x" * 100000)[0] == 405
    assert get(watched.metrics, method="DELETE")[0] == 405
    assert get(watched.metrics, method="HEAD") == (200, "")
    with socket.create_connection(("127.0.0.1", watched.metrics), 20) as raw:
        raw.sendall(b"\0\xff\r\n\r\n" * 1000)
        try:
            raw.recv(100)
        except ConnectionResetError:
            pass
    idle = [socket.create_connection(("127.0.0.1", watched.metrics), 20) for _ in range(40)]
    for connection in idle:
        connection.close()
    wait_for(lambda: get(watched.metrics, "/healthz")[0] == 200)
    assert watched.roles()["metrics 0"]


def test_an_address_that_cannot_be(make_daemon):
    daemon = make_daemon(settings={"metrics_listen": "localhost:http"}, start=False)
    run = subprocess.run([daemon.bin / "sluiced", "-t", "-c", daemon.config], capture_output=True, text=True,
                         timeout=60)
    assert run.returncode == 78 and re.search(r"sluice\.conf:\d+: metrics_listen: ", run.stderr)
