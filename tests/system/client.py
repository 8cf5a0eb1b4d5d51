# SPDX-License-Identifier: ISC
"""A bare SMTP client: what it sends is exactly what the test says."""

import socket

# Of a recipient, with the address.
VALID = "250 2.1.5 Ok"
LATER = "451 4.3.0 <{}>: Temporary lookup failure"
UNKNOWN = "550 5.1.1 <{}>: Recipient address rejected: User unknown in relay recipient table"


class Client:
    def __init__(self, port, hello="client.example", address="127.0.0.1", source=None, timeout=60):
        self.socket = socket.create_connection((address, port), timeout,
                                               (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.greeting = None
        if hello is not None:
            self.greeting = self.reply()
            assert self.command(f"EHLO {hello}").startswith("250"), "EHLO was refused"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """One reply, its lines joined by newlines; empty at the end of the connection."""
        lines = []
        while True:
            line = self.file.readline().decode("utf-8", "replace")
            if not line:
                return "\n".join(lines)
            assert line.endswith("\r\n"), f"no CRLF: {line!r}"
            lines.append(line[:-2])
            if line[3:4] != "-":
                return "\n".join(lines)

    def command(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def expect(self, line, reply):
        got = self.command(line)
        assert got.startswith(reply), f"{line}: {got!r}, expected {reply!r}"
        return got

    def message(self, sender, recipients, content, mail_parameters="", rcpt_parameters=""):
        """A whole transaction; content has CRLF lines. The last reply."""
        self.expect(f"MAIL FROM:<{sender}>{mail_parameters}", "250")
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.expect(f"RCPT TO:<{recipient}>{rcpt_parameters}", "250")
        self.expect("DATA", "354")
        self.send(stuffed(content) + b".\r\n")
        return self.reply()


def stuffed(content):
    """Dots doubled at the beginning of lines, and a final CRLF if there is none."""
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    return content if content.endswith(b"\r\n") or not content else content + b"\r\n"


def send(port, sender="sender@isp.example", recipients="user@customer.tld",
         content=b"Subject: test\r\n\r\nhello\r\n", **options):
    """One message on a connection of its own; the queue id."""
    with Client(port, **options) as client:
        reply = client.message(sender, recipients, content)
        assert reply.startswith("250 2.0.0 Ok: queued as "), reply
        return reply.rsplit(" ", 1)[1]


def rcpt(daemon, address):
    """What is said of a recipient to somebody of mynetworks."""
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return client.command(f"RCPT TO:<{address}>")
