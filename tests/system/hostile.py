# SPDX-License-Identifier: ISC
"""Peers that mean no good: mail hosts and a name server that break every rule."""

import itertools
import random
import socket
import struct
import threading
import time


class HostileHost:
    """Listens, and gives each connection to a function of it; an OSError ends the connection."""

    def __init__(self, converse, address="127.0.0.1"):
        self.converse = converse
        self.connections = 0
        self.listener = socket.create_server((address, 0), backlog=100)
        self.nexthop = f"[{address}]:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                self.converse(connection)
            except OSError:
                pass


def lines(connection):
    buffer = b""
    while True:
        chunk = connection.recv(65536)
        if not chunk:
            return
        buffer += chunk
        while b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            yield line.rstrip(b"\r")


def pour(data):
    """The same again and again, from the first moment."""
    def converse(connection):
        while True:
            connection.sendall(data * 1000)
    return converse


def drip(data, pause=0.2):
    """A byte at a time, without end."""
    def converse(connection):
        for byte in itertools.cycle(data):
            connection.sendall(bytes([byte]))
            time.sleep(pause)
    return converse


def blurt(data, pause=5):
    """Everything at once before anything was asked."""
    def converse(connection):
        connection.sendall(data)
        time.sleep(pause)
    return converse


def dialogue(ehlo=b"250-x\r\n250 PIPELINING\r\n", end=b"250 ok\r\n", **answers):
    """A usual host, but for some answers: {"RCPT": b"..."}; None: silence, b"": closes."""
    def say(connection, reply):
        if reply == b"":
            raise OSError
        if reply is not None:
            connection.sendall(reply)

    def converse(connection):
        in_content = False
        connection.sendall(b"220 hello\r\n")
        for line in lines(connection):
            verb = line[:4].upper().decode("latin-1")
            if in_content:
                if line == b".":
                    in_content = False
                    say(connection, end)
            elif verb in answers:
                say(connection, answers[verb])
            elif verb == "EHLO":
                say(connection, ehlo)
            elif verb == "DATA":
                in_content = True
                connection.sendall(b"354 go\r\n")
            else:
                connection.sendall(b"250 ok\r\n")
    return converse


# What the recipients of a message to such a host end as.
HOSTS = {
    "greeting without end": (pour(b"220-x\r\n"), "deferred"),
    "a line without end": (pour(b"x"), "deferred"),
    "greetings without end": (pour(b"220 x\r\n"), "deferred"),
    "a greeting in drops": (drip(b"220-hello\r\n"), "deferred"),
    "silence": (blurt(b""), "deferred"),
    "all replies ahead": (
        blurt(b"220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n"), "deferred"),
    "NUL and escapes": (dialogue(RCPT=b"250 \0\x1b[2J\xff\r\n"), "sent"),
    "bare line feeds": (dialogue(ehlo=b"250-x\n250 SIZE\n", RCPT=b"250 y\n"), "sent"),
    "354 to everything": (dialogue(ehlo=b"354 go\r\n", MAIL=b"354 go\r\n"), "deferred"),
    "354 to MAIL and RCPT": (dialogue(MAIL=b"354 go\r\n", RCPT=b"354 go\r\n"), "deferred"),
    "EHLO without end": (dialogue(ehlo=(b"250-" + b"y" * 99 + b"\r\n") * 2000), "deferred"),
    "two codes": (dialogue(ehlo=b"250-x\r\n550 y\r\n"), "deferred"),
    "nonsense keywords": (
        dialogue(ehlo=b"250-\r\n250-\1\xff\0\r\n250-   SIZE\r\n250-=\r\n250\r\n"), "sent"),
    "SIZE overflows": (dialogue(ehlo=b"250-x\r\n250 SIZE " + b"9" * 60 + b"\r\n"), "sent"),
    "SIZE is negative": (dialogue(ehlo=b"250-x\r\n250 SIZE -1\r\n"), "sent"),
    "a reply of no class": (dialogue(MAIL=b"999 what\r\n"), "deferred"),
    "a reply without code": (dialogue(RCPT=b"yes\r\n"), "deferred"),
    "an empty reply": (dialogue(RCPT=b"\r\n"), "deferred"),
    "closes after EHLO": (dialogue(ehlo=b""), "deferred"),
    "closes after MAIL": (dialogue(MAIL=b""), "deferred"),
    "closes after RCPT": (dialogue(RCPT=b""), "deferred"),
    "closes after DATA": (dialogue(DATA=b""), "deferred"),
    "closes after the content": (dialogue(end=b""), "deferred"),
    "never answers DATA": (dialogue(DATA=None), "deferred"),
    "never answers the content": (dialogue(end=None), "deferred"),
}


# -- names

A, CNAME, MX, TXT, AAAA = 1, 5, 15, 16, 28


def wire(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(kind, data):
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(data)) + data


def mx(preference, *labels):
    return record(MX, struct.pack(">H", preference) + wire(*labels))


def same_port():
    """A UDP and a TCP socket on one free port."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0), backlog=50)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()


class HostileNames:
    """Answers for KIND.tld as the KIND says; UDP and TCP on one port. Other names are unknown."""

    def __init__(self):
        self.random = random.Random(1)
        self.udp, self.tcp = same_port()
        self.server = "127.0.0.1@%d" % self.udp.getsockname()[1]
        for loop in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()

    def _answer(self, query, is_tcp):
        at = 12
        labels = []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]])
            at += query[at] + 1
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        method = getattr(self, "say_" + labels[-2].decode("latin-1"), None) if labels[1:] else None
        answers = method(kind, labels) if method else None
        question = query[12:at + 5]

        def reply(records, code=0, is_cut=0):
            return query[:2] + struct.pack(">HHHHH", 0x8180 | code | is_cut << 9, 1, len(records),
                                           0, 0) + question + b"".join(records)

        if callable(answers):
            return answers(reply)
        data = reply(answers or [], 0 if answers is not None else 3)
        return data if is_tcp or len(data) <= 512 else reply([], is_cut=1)

    def _serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
                data = self._answer(query, False)
                if data is not None:
                    self.udp.sendto(data, peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    query = connection.recv(4096)
                    data = self._answer(query[2:], True)
                    if data is not None:
                        connection.sendall(struct.pack(">H", len(data)) + data)
                except OSError:
                    continue

    def say_garbage(self, _kind, _labels):
        return lambda reply: reply([])[:2] + self.random.randbytes(self.random.randrange(600))

    def say_cut(self, _kind, _labels):
        return lambda reply: reply([mx(1, b"m")])[:-3]

    def say_truncated(self, _kind, _labels):
        return lambda reply: reply([], is_cut=1)

    def say_self(self, _kind, labels):
        return [record(CNAME, wire(*labels))]

    def say_chain(self, _kind, labels):
        return [record(CNAME, wire(b"n%d" % self.random.randrange(10**9), *labels[-2:]))]

    def say_many(self, kind, _labels):
        return [mx(n, b"m%d" % n, b"nobody", b"tld") for n in range(1000)] if kind == MX else []

    def say_odd(self, kind, _labels):
        return [mx(1, b"a\0b", b"\xff\xfe", b" ", b".")] if kind == MX else []

    def say_badmx(self, kind, _labels):
        datas = [b"\0", b"", b"\0\1\x3fabc"] if kind == MX else []
        return [record(MX, data) for data in datas]

    def say_bada(self, kind, _labels):
        return [record(kind, b"\x7f\0\0")] if kind in (A, AAAA) else []

    def say_wrongid(self, _kind, _labels):
        return lambda reply: b"\xff\xff" + reply([record(A, b"\x7f\0\0\1")])[2:]

    def say_refused(self, _kind, _labels):
        return lambda reply: reply([], code=5)

    def say_code(self, _kind, _labels):
        return lambda reply: reply([], code=15)

    def say_silent(self, _kind, _labels):
        return lambda reply: None

    def say_nowhere(self, kind, _labels):
        return [record(A, b"\xff\xff\xff\xff"), record(A, b"\xe0\0\0\1")] if kind == A else []

    def say_good(self, kind, _labels):
        return [record(A, b"\x7f\0\0\1")] if kind == A else []


NAMES = {
    "garbage": "deferred", "cut": "deferred", "truncated": "deferred", "self": "deferred",
    "chain": "deferred", "many": "bounced", "odd": "deferred", "badmx": "deferred",
    "bada": "deferred", "wrongid": "deferred", "refused": "deferred", "code": "deferred",
    "silent": "deferred", "nowhere": "deferred", "good": "sent",
}
