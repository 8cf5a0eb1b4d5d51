# SPDX-License-Identifier: ISC
"""A mail host that keeps what it gets, byte for byte, and answers as the test says."""

import socket
import threading
import time


class Transaction:
    """One message as it came: envelope lines with parameters, and the bytes between DATA and the dot."""

    def __init__(self, mail, recipients, data, connection):
        self.mail = mail              # "FROM:<a@b> SIZE=10"
        self.recipients = recipients  # ["<a@b>", ...] that were accepted
        self.data = data              # dots undone, final CRLF kept
        self.connection = connection  # a number; equal on one connection
        self.time = time.monotonic()

    @property
    def body(self):
        """What was sent to Sluice: all below its own Received field."""
        assert self.data.startswith(b"Received: "), self.data[:100]
        end = self.data.index(b"\r\n") + 2
        while self.data[end:end + 1] in (b" ", b"\t"):
            end = self.data.index(b"\r\n", end) + 2
        return self.data[end:]


class Sink:
    """
    replies: what to say instead of the default, by stage: "greeting", "EHLO", "HELO", "MAIL", "RCPT",
    "DATA", "end", "RSET", "QUIT". A value is a reply line, None (close the connection), a number of
    seconds to be silent, or a function of the command line that returns one of these.
    """

    def __init__(self, address="127.0.0.1", port=0, replies=None,
                 extensions=("PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"),
                 keep=True):
        self.replies = replies or {}
        self.extensions = extensions
        self.keep = keep
        self.messages = []
        self.count = 0
        self.connections = 0
        self.commands = []
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(512)
        self.address = address
        self.port = self.listener.getsockname()[1]
        self.open = set()
        self.is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def nexthop(self):
        return f"[{self.address}]:{self.port}"

    def close(self):
        self.is_closed = True
        for connection in [self.listener, *self.open]:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def bodies(self):
        with self.lock:
            return [message.body for message in self.messages]

    # -- the conversation

    def _accept(self):
        while not self.is_closed:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                number = self.connections
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        try:
            Conversation(self, connection, number).run()
        except (OSError, EOFError):
            pass
        finally:
            self.open.discard(connection)
            connection.close()


class Conversation:
    def __init__(self, sink, connection, number):
        self.sink = sink
        self.connection = connection
        self.number = number
        self.buffer = bytearray()
        self.mail = None
        self.recipients = []

    def line(self):
        while b"\n" not in self.buffer:
            self._more()
        line = self.buffer[:self.buffer.index(b"\n")]
        del self.buffer[:len(line) + 1]
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def _more(self):
        chunk = self.connection.recv(1 << 20)
        if not chunk:
            raise EOFError
        self.buffer += chunk

    def data(self):
        """Up to CRLF.CRLF, dots undone."""
        self.buffer[:0] = b"\r\n"
        start = 0
        while True:
            end = self.buffer.find(b"\r\n.\r\n", start)
            if end >= 0:
                break
            start = max(0, len(self.buffer) - 4)
            self._more()
        data = bytes(memoryview(self.buffer)[2:end + 2])
        del self.buffer[:end + 5]
        return data[1:].replace(b"\r\n..", b"\r\n.") if data[:2] == b".." else \
            data.replace(b"\r\n..", b"\r\n.")

    def say(self, stage, default, line=""):
        """Sends the reply of a stage; True if it was positive."""
        reply = self.sink.replies.get(stage, default)
        if callable(reply):
            reply = reply(line)
            reply = default if reply is ... else reply
        if reply is None:
            raise EOFError
        if isinstance(reply, (int, float)):
            time.sleep(reply)
            raise EOFError
        self.connection.sendall(reply.encode() + b"\r\n")
        return reply[:1] in "23"

    def run(self):
        self.say("greeting", "220 sink.example ESMTP")
        while True:
            line = self.line()
            verb = line[:4].upper()
            with self.sink.lock:
                self.sink.commands.append(line)
            if verb == "EHLO":
                self._ehlo(line)
            elif verb == "MAIL":
                self.mail = line[5:] if self.say("MAIL", "250 2.1.0 Ok", line) else None
                self.recipients = []
            elif verb == "RCPT":
                if self.say("RCPT", "250 2.1.5 Ok", line):
                    self.recipients.append(line[8:].split(" ")[0])
            elif verb == "DATA":
                self._data(line)
            elif verb == "QUIT":
                self.say("QUIT", "221 2.0.0 Bye")
                return
            else:
                self.say(verb, "250 2.0.0 Ok", line)

    def _ehlo(self, line):
        lines = ["sink.example", *self.sink.extensions]
        self.say("EHLO", "\r\n".join(
            f"250{'-' if i + 1 < len(lines) else ' '}{text}" for i, text in enumerate(lines)), line)

    def _data(self, line):
        if not self.recipients and "DATA" not in self.sink.replies:
            self.connection.sendall(b"554 5.5.1 No valid recipients\r\n")
            return
        if not self.say("DATA", "354 Go ahead", line):
            return
        data = self.data()
        message = Transaction(self.mail, self.recipients, data, self.number)
        sink = self.sink
        # Kept before the reply: what the client believes to be taken over must be here.
        answer = sink.replies.get("end", "250 2.0.0 Ok")
        if isinstance(answer, str) and answer.startswith("2") or callable(answer):
            with sink.lock:
                sink.count += 1
                if sink.keep:
                    sink.messages.append(message)
        self.say("end", "250 2.0.0 Ok", line)
        self.mail, self.recipients = None, []
