# SPDX-License-Identifier: ISC
"""One side: a mail server at 10.9.0.1:25 in a network of its own, with a name server and the peers."""

import re
import subprocess

from beside.case import HOME, LIAR, NAMELESS, STRANGER, US, WRITER, Mail
from client import Client, stuffed
from daemon import BIN, ENVIRONMENT, Daemon, as_setting
from names import NameServer
from namespaces import Network
from peers import POSTFIX_SERVICES, Postfix, main_cf
from sink import Sink

PORT = 25
NETS = ["10.9.0.1/16"]

# What both are told, in the words of main.cf.
BASE = {
    "compatibility_level": "3.6",
    "myhostname": "mx.isp.example", "mydomain": "isp.example", "myorigin": "isp.example",
    "mail_name": "Sluice",  # so that greetings, Received lines and reports can be equal
    "inet_interfaces": US, "mynetworks": "10.9.0.0/24",
    "mydestination": "", "smtpd_error_sleep_time": "0s", "smtpd_relay_restrictions":
    "permit_mynetworks, reject_unauth_destination", "smtpd_etrn_restrictions": "",
    "minimal_backoff_time": "1h", "maximal_backoff_time": "1h",
    "smtp_connect_timeout": "3s", "smtp_helo_timeout": "3s",
    "smtpd_forbid_bare_newline": "normalize", "smtpd_forbid_unauth_pipelining": "yes",
    "smtpd_client_connection_count_limit": "0", "defer_transports": "",
}

NAMES = [
    f"host-record=stranger.client.tld,{STRANGER}", f"host-record=home.client.tld,{HOME}",
    "ptr-record=3.1.9.10.in-addr.arpa,liar.client.tld", "address=/liar.client.tld/10.9.1.77",
    f"host-record=mx.isp.example,{US}", f"host-record=mail.sender.tld,{WRITER}",
    "mx-host=sender.tld,mail.sender.tld,10",
]


ACTIONS = r"(?:reject|reject_warning|warn|info|hold|discard|redirect|bcc|prepend)"
# See "refusals in the log".
OWN_WAY = re.compile(r"bare <LF>|message file too big|too many hops|: 459 |Message size exceeds fixed limit")


class Peer(Sink):
    """Notes in contacts, which all peers of a side share, that it was called."""

    def __init__(self, contacts, **options):
        self.contacts = contacts
        super().__init__(**options)

    def _serve(self, connection, number):
        self.contacts.append(f"{self.address}:{self.port}")
        super()._serve(connection, number)


def settings_of(group, folder):
    """The group's settings with the names of its tables filled in; the tables are built by our postmap."""
    values = {**BASE, **group.settings}
    tables = dict(group.tables)
    transport = "".join(case.transport.strip() + "\n" for case in group.cases
                        if isinstance(case, Mail) and case.transport)
    tables["transport"] = tables.get("transport", "") + transport
    values.setdefault("transport_maps", "hash:@/transport")
    for name, text in tables.items():
        (folder / name).write_text(text.replace("@/", f"{folder}/"))
    subprocess.run([BIN / "postmap", *(f"hash:{folder / name}" for name in tables)], check=True, env=ENVIRONMENT)
    return {key: value.replace("@/", f"{folder}/") for key, value in values.items()}


class Side:
    """Ends with close()."""

    def __init__(self, folder, group, settings):
        self.folder = folder
        folder.mkdir(mode=0o755)
        self.network = Network(*NETS)
        self.contacts = []
        self.peers = {}
        self.server = None
        self.names = None
        try:
            with self.network:
                self._start_peers(group)
                self.server = self.start(settings)
        except BaseException:
            self.close()
            raise

    def _start_peers(self, group):
        mails = [case for case in group.cases if isinstance(case, Mail)]
        lines = NAMES + group.names + [line for mail in mails for line in mail.names]
        self.names = NameServer(self.folder / "names", lines, port=53)
        replies = {WRITER: {}, **group.peers}
        for mail in mails:
            replies.update(mail.peers)
        for place, said in replies.items():
            address, _, port = place.partition(":")
            options = dict(said)
            extensions = options.pop("extensions", None)
            self.peers[place] = Peer(self.contacts, address=address, port=int(port or PORT), replies=options,
                                     **({"extensions": extensions} if extensions else {}))

    def close(self):
        with self.network:
            if self.server is not None:
                self.end()
            for peer in self.peers.values():
                peer.close()
            if self.names is not None:
                self.names.close()
        self.network.close()

    # -- talking to it

    def connect(self, client, hello):
        return Client(PORT, address=US, source=client, hello=hello)

    def talk(self, case):
        """[(command, [replies])]; ids are taken out."""
        said = []
        with self.network, self.connect(case.client, case.hello) as client:
            if case.hello is None:
                client.reply()
            for command, codes in case.lines():
                client.send(as_bytes(command))
                said.append((command, [neutral(reply_or_end(client)) for _ in codes.split()]))
        return said

    def submit(self, mail, sender):
        """The replies to MAIL, each RCPT, DATA and the content; and the queue id."""
        recipients = [mail.to] if isinstance(mail.to, str) else mail.to
        with self.network, self.connect(HOME, "client.example") as client:
            replies = [client.command(f"MAIL FROM:<{sender}>{mail.mail}")]
            for recipient in recipients:
                replies.append(client.command(f"RCPT TO:<{recipient}>{mail.rcpt}"))
            replies.append(client.command("DATA"))
            if replies[-1].startswith("354"):
                client.send(stuffed(mail.content) + b".\r\n")
                replies.append(client.reply())
        found = re.search(r"queued as (\w+)$", replies[-1])
        return [neutral(reply) for reply in replies], found and found[1]

    # -- what it did

    def refusals(self):
        """What the log says of refusals and other results of restrictions (spec M-36), without ids."""
        return [line for line in re.findall(r": (?:NOQUEUE|[0-9A-F]{6,}): (" + ACTIONS + r": .*)", self.log())
                if not OWN_WAY.search(line)]

    def results(self, queue_id):
        """[(recipient, line without times)] of the log; None while some are missing."""
        log = self.log()
        count = re.search(rf" {queue_id}: from=.* nrcpt=(\d+) ", log)
        found = re.findall(rf"/(\S+?)(?:/\w+)?\[\d+\]: {queue_id}: to=(.*?)(?:, conn_use=\d+)?, delay=.*?, "
                           r"(dsn=\S+), (status=.*)", log)
        if not count or len(found) < int(count[1]):
            return None
        return sorted(f"{said_by(transport, status)} to={to}, {dsn}, {neutral(status)}"
                      for transport, to, dsn, status in found)

    def deliveries(self, place, sender):
        return [neutral_message(message) for message in self.peers[place].messages
                if message.mail.startswith(f"FROM:<{sender}>")]

    def contacted(self, places):
        """In their order, those of the places."""
        full = [place if ":" in place else f"{place}:{PORT}" for place in places]
        return [place for place in self.contacts if place in full]

    def reports_to(self, sender):
        return [message for message in self.peers[WRITER].messages
                if f"<{sender}>" in message.recipients]


class PostfixSide(Side):
    name = "Postfix"

    def start(self, settings):
        resolver = self.folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n")
        return Postfix(self.folder / "postfix", settings, base={"alias_maps": ""}, address=US, port=PORT,
                       files={"/etc/resolv.conf": resolver})

    def end(self):
        self.server.close()

    def log(self):
        return self.server.log()


class SluiceSide(Side):
    """Its configuration is what `sluice import postfix` makes of the settings."""

    name = "Sluice"

    def start(self, settings):
        daemon = Daemon(self.folder / "sluice", start=False)
        main = self.folder / "etc"
        main.mkdir(mode=0o755)
        (main / "main.cf").write_text(main_cf(settings))
        (main / "master.cf").write_text(POSTFIX_SERVICES.format(port=f"{US}:{PORT}")
                                        + f"127.0.0.1:{daemon.port} inet n - n - - smtpd\n")
        own = {key: daemon.settings[key] for key in ("plugin_directory", "queue_directory", "run_directory")}
        own |= {"dns_servers": ["127.0.0.1@53"], "receive_processes": 1, "deliver_processes": 1}
        imported = subprocess.run([BIN / "sluice", "import", "postfix", main, "-o", daemon.config], text=True,
                                  capture_output=True, env=ENVIRONMENT, timeout=60)
        assert ": not supported: " not in imported.stdout, imported.stdout + imported.stderr
        with open(daemon.config, "a") as config:
            config.write("".join(f"{key} = {as_setting(value)};\n" for key, value in own.items()))
        self.server = daemon
        daemon.start()
        return daemon

    def end(self):
        self.server.finish()

    def log(self):
        return self.server.log()


# ---- what must differ is taken out ----------------------------------------------------------------

QUEUE_ID = re.compile(r"\b(queued as )\w+")
DATE = re.compile(r"\w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}(?: \(\w+\))?")


def neutral(text):
    return QUEUE_ID.sub(r"\1ID", text)


def said_by(transport, status):
    """The transport, but where none has been called: Postfix's retry says so then."""
    return "nobody" if re.search(r"\((?:mail transport unavailable|deferred transport)\)", status) else transport


def neutral_message(message):
    """(MAIL, [RCPT], data) of what a peer got; the size that MAIL announces counts our own header."""
    sender, *parameters = re.sub(r" SIZE=\d+", " SIZE=n", message.mail).split(" ")
    data = message.data.decode("latin-1")
    head, _, rest = data.partition(" id ")
    data = head + " id ID" + re.sub(r"^\w+", "", rest, count=1) if head.startswith("Received:") else data
    return sender, sorted(parameters), sorted(message.recipients), DATE.sub("DATE", data)


def reply_or_end(client):
    """Who closes with something unread resets the connection."""
    try:
        return client.reply()
    except ConnectionResetError:
        return ""


def as_bytes(command):
    raw = command.startswith("RAW ")
    data = command.removeprefix("RAW ").encode().decode("unicode_escape").encode("latin-1")
    return data if raw else data + b"\r\n"

