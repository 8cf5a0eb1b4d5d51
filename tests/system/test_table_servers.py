# SPDX-License-Identifier: ISC
"""
Tables that are servers: tcp_table(5) and Sendmail's socketmap. A broken server is 451, never "not
found" (T-3, T-8); keys come whole and as they were written (T-6, T-7).
"""

import socketserver
import threading
import urllib.parse

import pytest

from client import LATER, UNKNOWN, Client
from witnesses import ours  # noqa: F401

ACCEPTED = "250 2.1.5 Ok"


class TcpTable(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            key = urllib.parse.unquote(line.decode().removeprefix("get ").rstrip("\n"))
            reply = self.server.ask(key)
            if reply is None:
                return
            kind, text = reply
            if kind == "raw":
                self.wfile.write(text)
            else:
                code = {"ok": 200, "none": 500, "failed": 400}[kind]
                self.wfile.write(f"{code} {urllib.parse.quote(text)}\n".encode())


class Socketmap(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            length = b""
            while (c := self.rfile.read(1)) not in (b":", b""):
                length += c
            if not length:
                return
            name, key = self.rfile.read(int(length)).decode().split(" ", 1)
            assert name == "users" and self.rfile.read(1) == b","
            reply = self.server.ask(key)
            if reply is None:
                return
            kind, text = reply
            word = {"ok": "OK", "none": "NOTFOUND", "failed": "TEMP", "raw": ""}[kind]
            data = f"{word} {text}".encode() if kind != "raw" else b""
            self.wfile.write(text if kind == "raw" else b"%d:%s," % (len(data), data))


class TableServer:
    """Answers from a table; counts connections; can hold its answers until so many wait."""

    def __init__(self, handler, address, is_local):
        base = socketserver.ThreadingUnixStreamServer if is_local else socketserver.ThreadingTCPServer
        self.answers, self.keys, self.connections = {}, [], 0
        self.gate = None
        self.is_down = False
        outer = self

        class Server(base):
            daemon_threads = True
            allow_reuse_address = True

            def ask(self, key):
                if outer.is_down:
                    return None
                outer.keys.append(key)
                if outer.gate is not None:
                    outer.gate.wait(30)
                reply = outer.answers.get(key, ("none", "no such key"))
                return reply.pop(0) if isinstance(reply, list) else reply

            def process_request(self, request, client_address):
                outer.connections += 1
                super().process_request(request, client_address)

        self.server = Server(address, handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.is_down = True
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(params=["tcp", "socketmap-inet", "socketmap-unix"])
def table(request, folder):
    """A server, and the name of its table."""
    handler = TcpTable if request.param == "tcp" else Socketmap
    is_local = request.param == "socketmap-unix"
    address = str(folder / "table.sock") if is_local else ("127.0.0.1", 0)
    server = TableServer(handler, address, is_local)
    if is_local:
        (folder / "table.sock").chmod(0o777)
        server.name = f"socketmap:unix:{address}:users"
    else:
        port = server.server.server_address[1]
        address = (address[0], port)
        server.name = f"tcp:localhost:{port}" if handler is TcpTable else (
            f"socketmap:inet:127.0.0.1:{port}:users")
    server.handler = handler
    server.again = lambda: TableServer(handler, address, is_local)
    yield server
    server.close()


@pytest.fixture
def rcpt(make_daemon, sink, table):
    daemon = make_daemon(settings={"relay_domains": ["relay.tld"], "relay_recipient_maps": [table.name],
                                   "receive_processes": 1,
                                   "relay_transport": f"relay:{sink.nexthop}"})

    def ask(address):
        with Client(daemon.port) as client:
            client.expect("MAIL FROM:<s@else.tld>", "250")
            return client.command(f"RCPT TO:<{address}>")

    ask.daemon = daemon
    return ask


def test_answers(rcpt, table):
    table.answers.update({"Here@relay.tld": ("ok", "x y%z"), "broken@relay.tld": ("failed", "disk"),
                          "a%b@relay.tld": ("ok", "x"), "empty@relay.tld": ("ok", "")})
    assert rcpt("Here@relay.tld") == ACCEPTED
    assert rcpt("a%b@relay.tld") == ACCEPTED
    assert rcpt("none@relay.tld") == UNKNOWN.format("none@relay.tld")
    assert rcpt("broken@relay.tld") == LATER.format("broken@relay.tld")
    rcpt.daemon.wait_for_log(r"the server says: disk")
    assert rcpt("empty@relay.tld") == LATER.format("empty@relay.tld")
    assert rcpt("Here@relay.tld") == ACCEPTED
    assert not [key for key in table.keys if "@relay.tld" not in key or key[0] == "@"]  # T-7
    assert table.connections == 1  # which is kept


def test_nonsense_is_temporary(rcpt, table):
    cases = [b"\n", b"2000\n", b"100 x\n", b"200\n", b"200 %zz\n", b"200 x\n200 y\n", b"x" * 5000,
             b"3:OK ", b"1:x,", b"9999999:OK", b"5:OK xy;", b"5:OK xy,5:OK zz,", b":,", b"6:MAYBE ,"]
    for number, raw in enumerate(cases):
        key = f"k{number}@relay.tld"
        table.answers[key] = ("raw", raw)
        if table.handler is TcpTable and raw[:1] in b"139:56" and not raw.endswith(b"\n"):
            continue  # a line that never ends waits for the rest of it
        if table.handler is Socketmap and raw == b"3:OK ":
            continue
        assert rcpt(key) == LATER.format(key), raw
    table.answers["fine@relay.tld"] = ("ok", "x")
    assert rcpt("fine@relay.tld") == ACCEPTED


def test_a_connection_that_ends_is_replaced(rcpt, table):
    """Once within a look-up, if it had been kept; else the server is broken."""
    table.answers.update({"a@relay.tld": ("ok", "x"), "gone@relay.tld": [None] * 20,
                          "once@relay.tld": [None, ("ok", "x")]})
    assert rcpt("a@relay.tld") == ACCEPTED
    assert rcpt("once@relay.tld") == ACCEPTED
    assert rcpt("gone@relay.tld") == LATER.format("gone@relay.tld")
    assert rcpt("a@relay.tld") == ACCEPTED


def test_several_at_once(rcpt, table):
    """Each session's look-up is on its way while the others wait: all are answered together."""
    count = 4
    table.gate = threading.Barrier(count)
    replies = []
    table.answers.update({f"u{n}@relay.tld": ("ok", "x") for n in range(count)})
    threads = [threading.Thread(target=lambda n=n: replies.append(rcpt(f"u{n}@relay.tld")))
               for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert replies == [ACCEPTED] * count
    assert table.connections == count


def test_a_server_that_is_down(rcpt, table, folder):
    """And is asked again when it is back, without a reload."""
    table.answers["a@relay.tld"] = ("ok", "x")
    assert rcpt("a@relay.tld") == ACCEPTED
    table.close()
    (folder / "table.sock").unlink(missing_ok=True)
    for address in ("a@relay.tld", "b@relay.tld"):
        assert rcpt(address) == LATER.format(address)
    again = table.again()
    try:
        if (folder / "table.sock").exists():
            (folder / "table.sock").chmod(0o777)
        again.answers["a@relay.tld"] = ("ok", "x")
        assert rcpt("a@relay.tld") == ACCEPTED
        assert rcpt("b@relay.tld") == UNKNOWN.format("b@relay.tld")
    finally:
        again.close()


@pytest.mark.parametrize("name", ["tcp:127.0.0.1:1", "socketmap:inet:127.0.0.1:1:users",
                                  "socketmap:unix:/nowhere/socket:users"])
def test_no_server(make_daemon, name):
    daemon = make_daemon(settings={"relay_domains": ["relay.tld"], "relay_recipient_maps": [name]})
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        assert client.command("RCPT TO:<a@relay.tld>") == LATER.format("a@relay.tld")
    daemon.wait_for_log(name)


def test_postmap_asks_servers(table, ours):
    """T-6, T-10: a server is asked by postmap as by the daemon, by the table's name too."""
    table.answers = {"Key": ("ok", "value"), "bad": ("failed", "not now")}
    result = ours("-q", "Key", table.name)
    assert (result.returncode, result.stdout, result.stderr) == (0, "value\n", "")
    assert ours("-q", "-", f"pipemap:{{{table.name}}}", stdin="Key\nnone\n").stdout == "Key\tvalue\n"
    result = ours("-q", "none", table.name)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
    result = ours("-q", "bad", table.name)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"postmap: fatal: table {table.name}: query error: ")
    table.close()
    result = ours("-q", "Key", table.name)
    assert result.returncode == 1
    assert result.stderr.startswith(f"postmap: fatal: table {table.name}: query error: ")
