# SPDX-License-Identifier: ISC
"""What a start makes of the mail that it finds."""

import os
import signal
import threading
import time

import pytest

from client import Client, send
from daemon import wait_for
from test_crash import numbered

MANY = 10000
SENDERS = 8


def held(make_daemon, sink, transport="etrn-only", **settings):
    """A daemon whose mail for customer.tld goes to the sink, if it goes."""
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"],
        "transport_maps": [daemon.table("transport", f"customer.tld {transport}:{sink.nexthop}\n")],
        **settings})
    daemon.start()
    return daemon


def restart(daemon, **settings):
    assert daemon.stop() == 0
    daemon.change(settings)
    daemon.start()


def fill(port, count):
    """count messages with a number each."""
    def send_some(first):
        with Client(port) as client:
            for number in range(first, count, SENDERS):
                client.send("MAIL FROM:<s@isp.example>\r\nRCPT TO:<user@customer.tld>\r\nDATA\r\n")
                for code in ("250", "250", "354"):
                    assert client.reply().startswith(code)
                client.send(f"X-Number: {number}\r\n\r\nhello\r\n.\r\n")
                assert client.reply().startswith("250")

    threads = [threading.Thread(target=send_some, args=(first,)) for first in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def count(daemon):
    return daemon.json("status")[0]["messages"]


def site(daemon):
    return daemon.json("site", "list")[0]


def test_whether_mail_is_held_is_asked_again(make_daemon, sink, store):
    """defer_transports is another one after the start, in both directions."""
    daemon = held(make_daemon, sink, queue_store={"plugin": store})
    send(daemon.port)
    restart(daemon, defer_transports=[])
    wait_for(lambda: sink.count == 1)

    sink.close()
    send(daemon.port)  # goes by itself, and fails
    daemon.wait_for_log(r"status=deferred \(connect to")
    restart(daemon, defer_transports=["etrn-only"])
    assert site(daemon)["on_release"] == 1


def test_what_a_release_asked_for_is_held_again(make_daemon, make_sink):
    """A site that was down when it was released: the record says that it waits for the next one."""
    sink = make_sink()
    daemon = held(make_daemon, sink, etrn_minimum_interval=0)
    send(daemon.port)
    sink.close()
    daemon.command("postqueue", "-f")
    daemon.wait_for_log("Connection refused")
    again = make_sink(port=sink.port)
    restart(daemon)
    assert site(daemon)["on_release"] == 1
    time.sleep(1)
    assert again.connections == 0
    restart(daemon, defer_transports=[])
    assert site(daemon)["waiting"] == 1  # for minimal_backoff_time, as after any failure


def test_due_times_survive(make_daemon, make_sink):
    """What failed a moment ago is not tried again because of a start."""
    sink = make_sink(replies={"RCPT": "450 4.2.0 not now"})
    daemon = held(make_daemon, sink, transport="relay")
    send(daemon.port)
    daemon.wait_for_log("status=deferred")
    due = daemon.queue()[0]["recipients"][0]["next_attempt"]
    tried = sink.connections
    time.sleep(1)  # results are recorded a moment later
    daemon.kill()
    daemon.start()
    time.sleep(1)
    assert sink.connections == tried
    assert abs(daemon.queue()[0]["recipients"][0]["next_attempt"] - due) <= 1


def test_what_is_overdue_is_spread(make_daemon, sink):
    """A start is no stampede: a thousand messages in a second."""
    daemon = held(make_daemon, sink)
    fill(daemon.port, 2000)
    restart(daemon, defer_transports=[])
    began = site(daemon)
    assert began["waiting"] > 0, began
    wait_for(lambda: sink.count == 2000, 120)
    times = [message.time for message in sink.messages]
    assert max(times) - min(times) > 1
    wait_for(lambda: count(daemon) == 0)


@pytest.mark.long
def test_many_messages_are_found_and_released(make_daemon, sink, store):
    """Q-47, and Q-48: a release answers at once, however many wait."""
    daemon = held(make_daemon, sink, queue_store={"plugin": store})
    began = time.monotonic()
    fill(daemon.port, MANY)
    filled = time.monotonic()
    daemon.kill()
    daemon.start()
    started = time.monotonic()
    assert count(daemon) == MANY
    assert site(daemon)["on_release"] == MANY

    daemon.command("postqueue", "-s", "customer.tld")
    # In the middle of the release the queue dies: what has not gone is held again.
    wait_for(lambda: sink.count > MANY // 10, 60)
    os.kill(daemon.roles()["queue 0"], signal.SIGKILL)
    wait_for(lambda: "queue 0" in daemon.roles() and
             daemon.command("sluice", "status", check=False).returncode == 0, 60)
    time.sleep(1)
    left = count(daemon)
    assert 0 < left < MANY
    assert site(daemon)["on_release"] == left

    daemon.command("postqueue", "-s", "customer.tld")
    wait_for(lambda: count(daemon) == 0, 300, 0.2)
    numbers = [numbered(message) for message in sink.messages]
    assert set(numbers) == set(range(MANY))
    print(f"{store}: {MANY} in {filled - began:.1f} s, started in {started - filled:.1f} s, "
          f"{len(numbers) - MANY} twice, all gone after {time.monotonic() - started:.1f} s")
