# SPDX-License-Identifier: ISC
"""
Look-ups in a directory of 100,000 recipients, slapd's: each RCPT asks for another address, so that no
cache answers.
"""

import selectors
import socket
import time

from places import fresh
from processes import cpu_seconds
from scenario import register

from directory import BASE, Directory, recipients

ENTRIES = 100000
DOMAIN = "sink.example"
NOBODY = 9  # discard: nothing goes there
TABLE = f"search_base = {BASE}\nversion = 3\nbind = no\nquery_filter = (mailacceptinggeneralid=%s)\n"


class Session:
    """One client, which asks for the next address when it has the answer."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        for command in ("", "HELO client.example\r\n", "MAIL FROM:<s@else.tld>\r\n"):
            self.socket.sendall(command.encode())
            assert self.socket.recv(4096)[:1] == b"2", command

    def ask(self, number):
        self.began = time.monotonic()
        self.socket.sendall(f"RCPT TO:<user{number}@{DOMAIN}>\r\n".encode())

    def take_answer(self):
        """How long it took."""
        reply = self.socket.recv(4096)
        assert reply.startswith(b"250") and reply.endswith(b"\n"), reply
        return time.monotonic() - self.began


def ask_all(sessions, count):
    """Seconds for all, and the times of each, sorted."""
    numbers = iter(range(count))
    times = []
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for session, number in zip(sessions, numbers):
            selector.register(session.socket, selectors.EVENT_READ, session)
            session.ask(number)
        while len(times) < count:
            for key, _ in selector.select(60):
                times.append(key.data.take_answer())
                number = next(numbers, None)
                if number is not None:
                    key.data.ask(number)
    return time.monotonic() - began, sorted(times)


def connections(port):
    """At the server."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as lines:
        return sum(fields[1] == wanted and fields[3] == "01" for fields in map(str.split, lines))


def look_up(kind, count, session_count):
    with Directory(fresh("slapd"), recipients(ENTRIES, DOMAIN), debug="none") as slapd:
        table = slapd.folder / "table.cf"
        table.write_text(f"server_host = {slapd.url}\n{TABLE}")
        settings = {"relay_recipient_maps": f"ldap:{table}", "smtpd_recipient_limit": ENTRIES}
        with kind(NOBODY, settings=settings) as mta:
            pids = mta.pid, slapd.process.pid
            sessions = [Session(mta.port) for _ in range(session_count)]
            before = [cpu_seconds(pid) for pid in pids]
            seconds, times = ask_all(sessions, count)
            own, searching = (cpu_seconds(pid) - then for pid, then in zip(pids, before))
            held = connections(slapd.port)
            for session in sessions:
                session.socket.close()
        return {"per_s": count / seconds, "cpu_s_per_1000": own / count * 1000,
                "slapd_cpu_s_per_1000": searching / count * 1000, "connections": held,
                **{f"p{name}_ms": times[int(count * part)] * 1000
                   for name, part in (("50", .5), ("99", .99), ("999", .999))}}


register("ldap", look_up, {"sluice": 50000, "postfix": 20000}, 50)
register("ldap-500", look_up, {"sluice": 50000}, 500)
