# SPDX-License-Identifier: ISC
"""One queue process follows another: what is under way goes on."""

import os
import signal
import threading
import time

from client import Client, send, stuffed
from daemon import wait_for
from test_crash import numbered
from test_restart import count, fill, held, site

RELEASED = 2000
SLOW = 3  # seconds until a slow host says 250


def reload(daemon):
    assert daemon.command("sluice", "reload").stdout.startswith("generation ")


def slowly(sink):
    """Its 250 comes late; the count of transactions that have begun."""
    sink.replies["end"] = lambda line: time.sleep(SLOW) or "250 2.0.0 Ok"


def is_delivering(sink):
    return lambda: sink.count > 0


def has_unnamed_file(pid):
    folder = f"/proc/{pid}/fd"
    try:
        return any("(deleted)" in os.readlink(f"{folder}/{fd}") and "/large/" in
                   os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))
    except FileNotFoundError:  # one that was closed meanwhile
        return False


def test_a_slow_delivery_ends_once(make_daemon, sink, store):
    """The 250 comes to a deliver process of the old generation; the new queue gets the result."""
    is_over = threading.Event()
    sink.replies["end"] = lambda line: is_over.wait(60) and "250 2.0.0 Ok"
    daemon = held(make_daemon, sink, transport="relay", queue_store={"plugin": store})
    send(daemon.port)
    wait_for(is_delivering(sink))
    reload(daemon)
    assert count(daemon) == 1
    reload(daemon)  # from the second to the third
    assert count(daemon) == 1
    is_over.set()
    daemon.wait_for_log("status=sent")
    wait_for(lambda: count(daemon) == 0)
    time.sleep(1.5)  # what is given back goes after a second
    assert sink.count == 1
    assert "died" not in daemon.log()


def test_a_release_goes_on(make_daemon, sink, store):
    """Half of it has gone when the next queue takes over."""
    is_over = threading.Event()
    sink.replies["MAIL"] = lambda line: (sink.count < RELEASED // 2 or is_over.wait(60)) and "250 2.1.0 Ok"
    daemon = held(make_daemon, sink, queue_store={"plugin": store})
    fill(daemon.port, RELEASED)
    daemon.command("postqueue", "-s", "customer.tld")
    wait_for(lambda: sink.count >= RELEASED // 2)
    reload(daemon)
    assert sink.count < RELEASED
    is_over.set()
    wait_for(lambda: count(daemon) == 0, 120)
    numbers = [numbered(message) for message in sink.messages]
    assert sorted(numbers) == list(range(RELEASED))
    assert "status=deferred (deferred" in daemon.log()  # held at first
    send(daemon.port)
    time.sleep(0.5)
    assert count(daemon) == 1  # and so is what comes later


def test_a_large_message_comes_in(make_daemon, sink, store):
    """Its file was made by one process and is linked by the next, or the one after that."""
    daemon = held(make_daemon, sink, transport="relay", queue_store={"plugin": store},
                  receive_processes=1)
    content = b"Subject: large\r\n\r\n" + b"".join(b"%070d\r\n" % i for i in range(30000))
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@isp.example>", "250")
        client.expect("RCPT TO:<user@customer.tld>", "250")
        client.expect("DATA", "354")
        client.send(stuffed(content)[:1200000])
        wait_for(lambda: has_unnamed_file(daemon.roles()["receive 0"]))
        reload(daemon)
        client.send(stuffed(content)[1200000:1700000])
        reload(daemon)
        client.send(stuffed(content)[1700000:] + b".\r\n")
        assert client.reply().startswith("250"), daemon.log()[-3000:]
    wait_for(lambda: sink.count == 1)
    assert sink.bodies() == [content]


def test_a_suspended_site_stays_suspended(make_daemon, make_sink):
    sink = make_sink()
    daemon = held(make_daemon, sink, transport="relay")
    sink.close()
    send(daemon.port)
    daemon.wait_for_log("Connection refused")
    before = site(daemon)
    assert before["failures"] == 1
    again = make_sink(port=sink.port)
    reload(daemon)
    send(daemon.port)
    time.sleep(1)
    after = site(daemon)
    assert again.connections == 0
    assert after["failures"] == 1
    assert abs(after["suspended_until"] - before["suspended_until"]) <= 1


def test_the_queue_is_killed_in_the_middle(make_daemon, sink, store):
    """As after any crash: what was accepted arrives."""
    slowly(sink)
    daemon = held(make_daemon, sink, transport="relay", queue_store={"plugin": store})
    send(daemon.port)
    wait_for(is_delivering(sink))
    old = daemon.roles()["queue 0"]
    os.kill(old, signal.SIGSTOP)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "queue 1" in daemon.roles())
    time.sleep(0.3)
    os.kill(old, signal.SIGKILL)
    daemon.wait_for_log("generation 2")
    sink.replies.clear()
    send(daemon.port)
    wait_for(lambda: count(daemon) == 0)
    assert 2 <= sink.count <= 3  # the first one may come again
