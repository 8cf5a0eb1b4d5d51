# SPDX-License-Identifier: ISC
"""Many sessions that do nothing: what each costs, and how honest mail fares beside them."""

import resource
import socket
import time

from load import Sink, source
from processes import memory_mib
from scenario import register

MESSAGES = {"sluice": 10000, "postfix": 1000}
PROBES = 50


def open_idle(port):
    """A session after EHLO."""
    session = socket.create_connection(("127.0.0.1", port), 60)
    expect(session, b"220")
    session.sendall(b"EHLO idle.example\r\n")
    expect(session, b"250")
    return session


def expect(session, code):
    """The whole reply: its last line has a space after the code."""
    reply = b""
    while not (reply.endswith(b"\r\n") and reply[reply.rfind(b"\n", 0, -1) + 1:].startswith(code + b" ")):
        more = session.recv(4096)
        if not more:
            raise RuntimeError(f"a session has ended: {reply!r}")
        reply += more


def idle_sessions(kind, count):
    """beside_: with these open. greeting: a connection that comes when all the others are there."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    messages = MESSAGES[kind.name]
    with Sink(2 * messages) as sink, kind(sink.port) as mta:
        alone = source(mta.port, messages, "-d")
        time.sleep(1)
        before = memory_mib(mta.pid)
        begin = time.monotonic()
        sessions = [open_idle(mta.port) for _ in range(count)]
        opened_s = time.monotonic() - begin
        time.sleep(2)  # stacks are given back when idle
        each_kib = (memory_mib(mta.pid) - before) * 1024 / count
        greetings = sorted(greeting_ms(mta.port) for _ in range(PROBES))
        beside = source(mta.port, messages, "-d")
        sink.finish()
        for session in sessions:
            session.sendall(b"NOOP\r\n")
            expect(session, b"250")
            session.close()
        return {"each_kib": each_kib, "opened_per_s": count / opened_s, "greeting_p50_ms": greetings[PROBES // 2],
                "per_s": messages / alone["seconds"], "beside_per_s": messages / beside["seconds"],
                "p99_ms": alone["p99_ms"], "beside_p99_ms": beside["p99_ms"]}


def greeting_ms(port):
    begin = time.monotonic()
    open_idle(port).close()
    return (time.monotonic() - begin) * 1000


register("sessions", idle_sessions, {"sluice": 5000, "postfix": 45})
register("sessions-10000", idle_sessions, {"sluice": 10000})
