# SPDX-License-Identifier: ISC
"""What is asked of both: conversations and messages, in groups that share a configuration."""

from dataclasses import dataclass, field

HOME = "10.9.0.5"       # in mynetworks
STRANGER = "10.9.1.1"   # has a name, and that name its address
NAMELESS = "10.9.1.2"
LIAR = "10.9.1.3"       # its name has another address
WRITER = "10.9.2.1"     # the mail host of sender.tld
US = "10.9.0.1"
PROXY = "10.9.0.99"     # proxy_interfaces


@dataclass
class Talk:
    """
    A session. script has lines "command => codes": the codes of all replies to it, in their order; EOF for
    the end of the connection; nothing: the next line is sent at once. Escapes are undone; "RAW text" is
    sent without CRLF.
    """

    name: str
    script: str
    client: str = STRANGER
    hello: str | None = "client.example"  # None: no EHLO before the script
    differs: str | None = None  # the row of doc/differences.md that says how and why

    def lines(self):
        """[(command, codes)]"""
        parts = (line.partition("=>") for line in map(str.strip, self.script.splitlines()) if line)
        return [(command.strip(), codes.strip()) for command, _, codes in parts]


@dataclass
class Mail:
    """
    A message, and what becomes of it. fate: "status dsn" of each recipient in the log, for one or for all.
    Domains, names and peers are the case's own: where it goes is judged by who was contacted.
    """

    name: str
    to: str | list
    fate: str | list
    peers: dict = field(default_factory=dict)  # "address[:port]": replies of a Sink
    names: list = field(default_factory=list)  # lines of dnsmasq
    transport: str = ""  # lines of transport_maps
    sender: str | None = ""  # "": one of its own at sender.tld; None: the null sender
    content: bytes = b"Subject: beside\r\n\r\nhello\r\n"
    mail: str = ""  # parameters
    rcpt: str = ""
    is_reported: bool | None = None  # whether the sender is told; None: if something is bounced
    has_order: bool = True  # whether its hosts are tried one after the other
    differs: str | None = None


@dataclass
class Group:
    """Cases with one configuration."""

    name: str
    cases: list
    settings: dict = field(default_factory=dict)  # as in main.cf
    tables: dict = field(default_factory=dict)    # name: source; "hash:@/name" in settings
    names: list = field(default_factory=list)
    peers: dict = field(default_factory=dict)     # that no case asks about

    def __str__(self):
        return self.name

