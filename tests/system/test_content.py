# SPDX-License-Identifier: ISC
"""What arrives is byte for byte what was sent, under one new Received field."""

import random
import re

import pytest

from client import Client, send, stuffed
from daemon import ROOT, wait_for

PEERS = ROOT / "build" / "peers" / "root"
CRLF = b"\r\n"


def canonical(content):
    """What is stored of any bytes: bare CR is a blank, bare LF ends a line, the last line is whole."""
    content = re.sub(rb"\r(?!\n)", b" ", content)
    content = re.sub(rb"(?<!\r)\n", CRLF, content)
    return content if content.endswith(CRLF) or not content else content + CRLF


def stored(content):
    """What the server makes of what the client sends for content: also behind a bare LF a line that
    begins with a dot loses it."""
    return re.sub(rb"(?m)^\.", b"", canonical(stuffed(content)))


def real_messages():
    files = [*PEERS.glob("usr/lib/python3.11/test/test_email/data/*.txt"),
             *PEERS.glob("usr/share/doc/spamassassin/examples/sample-*.txt")]
    # A file's line ends become those of the wire; a bare CR stays what it is.
    return {path.name: re.sub(rb"(?<!\r)\n", CRLF, path.read_bytes()) for path in files}


def nasty_messages():
    return {
        "empty": b"",
        "only a line end": CRLF,
        "no header": b"just text\r\n",
        "header only": b"Subject: nothing below\r\n",
        "no final line end": b"Subject: x\r\n\r\nno end",
        "dots": b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.text\r\n..text\r\n.\r\n",
        "a dot as the first byte": b".first: line\r\n\r\n.\r\n",
        "very long lines": b"Subject: x\r\n\r\n" + b"a" * 100000 + CRLF + b"." + b"b" * 5000 + CRLF,
        "line of 64 KiB of dots": b"Subject: x\r\n\r\n" + b"." * 65536 + CRLF,
        "8-bit": b"Subject: x\r\n\r\n" + bytes(range(128, 256)) * 20 + CRLF,
        "every byte but CR, LF, NUL":
            b"Subject: x\r\n\r\n" + bytes(c for c in range(1, 256) if c not in (10, 13)) + CRLF,
        "mbox From line": b"From me Sat Nov 21\r\nSubject: x\r\n\r\nFrom you\r\n",
        "just below inline": b"X: " + b"y" * (65536 - 600) + CRLF,
        "just above inline": b"X: " + b"y" * 65536 + CRLF,
        "1 MB of short lines": b"Subject: x\r\n\r\n" + b"ab\r\n" * 250000,
        "looks like the end, smuggled": b"Subject: x\r\n\r\na\n.\r\nb\r\n.\nc\n.\nMAIL FROM:<x@y>\r\n",
        "bare CR": b"Subject: x\r\n\r\na\rb\r\r\nc\r\n",
    }


def relay_settings(daemon, sink):
    return {"relay_domains": ["customer.tld"], "message_size_limit": 100000000,
            "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]}


@pytest.fixture
def daemon(make_daemon, sink, store):
    daemon = make_daemon(start=False)
    daemon.change({**relay_settings(daemon, sink), "queue_store": {"plugin": store}})
    daemon.start()
    return daemon


def send_all(daemon, sink, messages):
    """Sends each message in a transaction of its own; waits for all."""
    before = sink.count
    with Client(daemon.port) as client:
        for name, content in messages.items():
            reply = client.message("s@isp.example", f"{name.replace(' ', '_')}@customer.tld"
                                   if name.isascii() and re.fullmatch(r"[\w. -]+", name)
                                   else "other@customer.tld", content)
            assert reply.startswith("250 2.0.0 Ok: queued as "), f"{name}: {reply}"
    wait_for(lambda: sink.count == before + len(messages), 120)
    return sink.bodies()[before:]


def test_real_messages(daemon, sink):
    messages = real_messages()
    assert len(messages) >= 36, "the packages with real messages are not there"
    arrived = sorted(send_all(daemon, sink, messages))
    assert arrived == sorted(stored(content) for content in messages.values())


def test_nasty_messages(daemon, sink):
    messages = nasty_messages()
    arrived = send_all(daemon, sink, messages)
    missing = {name for name, content in messages.items() if stored(content) not in arrived}
    assert not missing


def test_a_message_of_50_megabytes(daemon, sink):
    line = bytes(random.Random(1).choices(range(32, 127), k=75)) + CRLF
    content = b"Subject: large\r\n\r\n" + line * (50 * 1024 * 1024 // len(line))
    [arrived] = send_all(daemon, sink, {"large": content})
    assert arrived == content


def test_one_received_field_is_all_that_is_added(daemon, sink):
    content = b"Subject: x\r\nMessage-Id: <1@x>\r\n\r\nbody\r\n"
    queue_id = send(daemon.port, content=content)
    wait_for(lambda: sink.count == 1)
    data = sink.messages[0].data
    assert re.fullmatch(
        rb"Received: from client\.example \(localhost \[127\.0\.0\.1\]\)\r\n"
        rb"\tby mx\.isp\.example \(Sluice\) with ESMTP id " + queue_id.encode() + rb"\r\n"
        rb"\tfor <user@customer\.tld>; \w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
        rb"( \(\w+\))?\r\n" + re.escape(content), data), data


def test_without_for_when_there_are_several_recipients(daemon, sink):
    send(daemon.port, recipients=["a@customer.tld", "b@customer.tld"])
    wait_for(lambda: sink.count == 1)
    header = sink.messages[0].data.split(b"Subject")[0]
    assert b"for <" not in header
    assert sink.messages[0].recipients == ["<a@customer.tld>", "<b@customer.tld>"]


def test_nul_is_refused_and_nothing_is_queued(daemon, sink):
    with Client(daemon.port) as client:
        reply = client.message("s@isp.example", "user@customer.tld", b"Subject: x\r\n\r\na\0b\r\n")
        assert reply.startswith("550 "), reply
        client.expect("NOOP", "250")
    assert daemon.queue() == []


def test_what_no_peer_could_take_for_an_end_of_data_is_passed_on(daemon, sink):
    """Every order of CR, LF and dot: no line end but CRLF, and no lone dot that was not stuffed."""
    rng = random.Random(7)
    parts = [b"\r", b"\n", b".", b"\r\n", b"x"]
    messages = {}
    for number in range(150):
        body = b"".join(rng.choices(parts, k=rng.randint(1, 12)))
        if b"\r\n.\r\n" in b"\r\n" + body + CRLF:
            continue  # this is an end of data, and we would be talking nonsense after it
        messages[f"m{number}"] = b"X: y\r\n\r\n" + body
    before = sink.count
    with Client(daemon.port) as client:
        for content in messages.values():
            client.expect("MAIL FROM:<s@isp.example>", "250")
            client.expect("RCPT TO:<user@customer.tld>", "250")
            client.expect("DATA", "354")
            client.send(re.sub(rb"(^|\r\n)\.", rb"\1..", content) + b"\r\n.\r\n")
            assert client.reply().startswith("250")
    wait_for(lambda: sink.count == before + len(messages))
    for message in sink.messages[before:]:
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", message.data), message.data
