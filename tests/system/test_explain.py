# SPDX-License-Identifier: ISC
"""
`sluice explain` says what happens: each address is explained first, then its mail comes, and both are compared: the
reply, the route, the hosts and when. Issue 5, point 7.
"""

import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading

import pytest

import test_pipe
import test_restrictions
from client import Client
from daemon import ENVIRONMENT, wait_for

STRANGER = test_restrictions.STRANGER


def explain(daemon, address, **options):
    """The message and its sites, as the daemon's control socket has them."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(60)
        control.connect(str(daemon.folder / "run" / "control"))
        control.sendall(json.dumps({"command": "explain", "address": address, **options}).encode() + b"\n")
        lines = [json.loads(line) for line in control.makefile()]
    assert lines[-1]["status"] == "OK", lines[-1]
    assert lines[0]["explain"] == "message"
    return lines[0], lines[1:-1]


def steps(explained, name):
    """All steps of that name, wherever they are."""
    found = [step for step in explained.get("steps", []) if step["step"] == name]
    return found + [deep for step in explained.get("steps", []) for deep in steps(step, name)]


# ---- the dialogue


def test_the_reply_is_the_real_one(make_daemon, make_names):
    """Each word of access/basic, each result of a table, classes, warn_if_reject, defer_if_...: M-33 to M-38."""
    cases = [case for case in test_restrictions.all_cases() if "before" not in case[2]]
    daemon = make_daemon(start=False)
    test_restrictions.configure(daemon, make_names(test_restrictions.NAMES), cases)
    wrong = {}
    for name, _, settings, _ in cases:
        message, _ = explain(daemon, settings["recipient"], client=settings.get("source", STRANGER),
                             sender=settings.get("sender", "s@mail.tld"), helo=settings.get("helo", "client.example"))
        real = test_restrictions.converse(daemon.port, settings)
        if message["reply"] != real or message["verdict"] != {"2": "accept", "4": "defer", "5": "reject"}[real[0]]:
            wrong[name] = (message["verdict"], message["reply"], real)
    assert wrong == {}
    # What explains leaves no trace: each refusal is in the log once.
    assert len(re.findall(r"reject: RCPT from .* to=<f1@mail.tld>", daemon.log())) == 1
    assert len(re.findall(r"reject_warning: RCPT from ", daemon.log())) == 1


def test_why(make_daemon, make_names):
    """Each table that was asked with its key and answer, each restriction with its verdict."""
    daemon = make_daemon(start=False)
    names = make_names(test_restrictions.NAMES)
    clients = daemon.table("clients", "127.0.0 REJECT by network\n")
    daemon.change({"relay_domains": ["relay.tld"], "dns_servers": [names.server], "mynetworks": ["127.0.0.1/32"],
                   "smtpd_restriction_classes": ["ours"], "ours": ["check_client_access", clients],
                   "smtpd_client_restrictions": ["permit_mynetworks", "warn_if_reject", "reject_rbl_client", "bl.tld",
                                                 "ours"]})
    daemon.start()
    message, sites = explain(daemon, "u@relay.tld", client=STRANGER, helo="h.tld")
    assert sites == []
    assert message["client"] == f"stranger.client.tld[{STRANGER}]"
    assert [step["command"] for step in message["steps"]] == ["HELO h.tld", "MAIL FROM:<>", "RCPT TO:<u@relay.tld>"]
    assert [(step["word"], step["verdict"]) for step in steps(message, "restriction")] == \
        [("permit_mynetworks", "none"), ("reject_rbl_client", "reject"), ("ours", "reject"),
         ("check_client_access", "reject")]
    assert [step.get("only_warns", False) for step in steps(message, "restriction")] == [False, True, False, False]
    assert [step["action"] for step in steps(message, "note")] == ["reject_warning"]
    assert [(step["key"], step.get("value")) for step in steps(message, "table")] == \
        [("stranger.client.tld", None), ("client.tld", None), ("tld", None), (STRANGER, None),
         ("127.0.0", "REJECT by network")]
    assert {"step": "dns", "name": "9.0.0.127.bl.tld", "type": "A", "records": ["127.0.0.4"], "status": "OK"} in \
        steps(message, "dns")


def test_after_the_recipient(make_daemon):
    """What is judged at DATA counts, and what restrictions ask for beside yes and no."""
    daemon = make_daemon(start=False)
    access = daemon.table("access", "held@relay.tld HOLD\ngone@relay.tld DISCARD\nother@relay.tld REDIRECT x@else.tld\n"
                          "copy@relay.tld BCC y@else.tld\n")
    daemon.change({"relay_domains": ["relay.tld"], "smtpd_recipient_restrictions": ["check_recipient_access", access],
                   "transport_maps": [daemon.table("transport", "* etrn-only:\n")],
                   "smtpd_data_restrictions": "check_sender_access inline:{bad@s.tld=REJECT}"})
    daemon.start()

    def of(address, **options):
        message, sites = explain(daemon, address, client=STRANGER, **options)
        return message, [address for site in sites for address in site["recipients"]]

    message, recipients = of("held@relay.tld")
    assert message["is_held"] and recipients == ["held@relay.tld"]
    assert explain(daemon, "held@relay.tld", client=STRANGER)[1][0]["when"] == "on_unhold"
    message, recipients = of("gone@relay.tld")
    assert message["is_discarded"] and message["verdict"] == "accept" and recipients == []
    assert of("other@relay.tld")[1] == ["x@else.tld"]
    assert sorted(of("copy@relay.tld")[1]) == ["copy@relay.tld", "y@else.tld"]
    message, recipients = of("u@relay.tld", sender="bad@s.tld")
    assert message["verdict"] == "reject" and recipients == []
    assert message["steps"][-1]["command"] == "DATA"
    assert message["reply"] == "554 5.7.1 <bad@s.tld>: Sender address rejected: Access denied"


# ---- where it goes

NAMES = [
    "mx-host=two.tld,mx2.two.tld,20", "mx-host=two.tld,mx1.two.tld,10", "address=/two.tld/127.0.0.2",
    "mx-host=backup.tld,best.backup.tld,10", "mx-host=backup.tld,us.backup.tld,20",
    "mx-host=backup.tld,worse.backup.tld,30", "address=/backup.tld/127.0.0.2", "address=/us.backup.tld/127.0.0.3",
    "mx-host=loop.tld,us.loop.tld,10", "address=/us.loop.tld/127.0.0.3",
    "mx-host=refused.tld,refused.tld,10", "address=/refused.tld/127.0.0.9",
    "dns-rr=nullmx.tld,15,000000", "server=/broken.tld/#", "address=/plain.tld/127.0.0.2",
]

# The result of a transport table for each domain whose mail we relay; {host}: a mail host with its port.
ROUTES = {
    "relay.tld": "relay:{host}", "nexthop.tld": ":{host}", "transport.tld": "smtp:", "nothing.tld": ":",
    "list.tld": "smtp:nowhere.tld, {host}", "listed.tld": "smtp:{host}", "error.tld": "error:no such place",
    "coded.tld": "error:5.7.9 not for you", "retry.tld": "retry:4.7.9 come again",
    "discard.tld": "discard:", "piped.tld": "list:", "unknown.tld": "pigeon:loft", "held.tld": "hold:{host}",
    "etrn.tld": "etrn-only:",
    "two.tld": "smtp:", "backup.tld": "usual:", "loop.tld": "usual:", "fallback.tld": "spare:nowhere.tld",
    "refused.tld": "", "nullmx.tld": "", "nowhere.tld": "", "broken.tld": "", "plain.tld": "", "temp.tld": "",
}
RESULTS = {
    **{domain: result for domain, result in ROUTES.items() if result},
    "keys.tld": "relay:{host}", ".keys.tld": "etrn-only:", "named@keys.tld": "smtp:{host}",
    "ext+ra@keys.tld": "etrn-only:x.tld", "local.tld": "smtp:{host}", "mailbox.tld": "relay:{host}",
}
TABLES = {
    "local_recipient_maps": "user x\n",
    "virtual_mailbox_maps": "m@mailbox.tld x\n",
    "relay_recipient_maps": "there@listed.tld x\n@keys.tld x\n@sub.keys.tld x\n" + "".join(
        f"@{domain} x\n" for domain in ROUTES if domain != "listed.tld"),
    "virtual_alias_maps": "a@alias.tld b@relay.tld\nloop@alias.tld loop@alias.tld\n@old.tld @relay.tld\n"
                          "several@alias.tld one@relay.tld, two@etrn.tld, three@two.tld, four@nullmx.tld\n"
                          "bad@relay.tld not@-address\n",
    "canonical_maps": "canon@relay.tld real@relay.tld\n",
    "relocated_maps": "moved@relay.tld new@else.tld\n",
}

ADDRESSES = [
    # transport tables
    "u@relay.tld", "named@keys.tld", "named+ext@keys.tld", "ext+ra@keys.tld", "else@keys.tld", "u@sub.keys.tld",
    "u@nexthop.tld", "u@transport.tld", "u@nothing.tld", "u@list.tld", "u@unknown.tld", "u@[127.0.0.2]",
    # classes, aliases, canonical, relocated (R-1 to, M-33, M-34)
    "there@listed.tld", "none@listed.tld", "a@alias.tld", "several@alias.tld", "none@alias.tld", "loop@alias.tld",
    "wide@old.tld", "canon@relay.tld", "moved@relay.tld", "user@local.tld", "nobody@local.tld",
    "u%relay.tld@local.tld", "u%else.tld@relay.tld", "m@mailbox.tld", "none@mailbox.tld", "bad@relay.tld",
    # errors by table, and a table that does not answer (T-3)
    "u@error.tld", "u@coded.tld", "u@retry.tld", "u@discard.tld", "u@temp.tld", "u@piped.tld",
    # deferred transports
    "u@held.tld", "u@etrn.tld",
    # hosts: the best first, better ones than we are, only us, nobody there, null MX, nobody, no answer, fallback
    "u@two.tld", "u@backup.tld", "u@loop.tld", "u@refused.tld", "u@nullmx.tld", "u@nowhere.tld", "u@broken.tld",
    "u@plain.tld", "u@fallback.tld",
    # not ours, or nobody's
    "u@foreign.tld", "not an address", "@relay.tld", "u@", "postmaster",
]


@pytest.fixture
def busy(make_daemon, make_names, make_sink):
    """A daemon with all of that."""
    sink = make_sink(address="127.0.0.2")
    daemon = make_daemon(start=False)
    tables = {name: [daemon.table(name, text)] for name, text in TABLES.items()}
    transport = daemon.table("transport", "".join(f"{key} {result}\n" for key, result in RESULTS.items())
                             .replace("{host}", sink.nexthop))
    daemon.change({
        **tables, "relay_domains": ["keys.tld", *ROUTES], "mydestination": ["local.tld"],
        "virtual_alias_domains": ["alias.tld", "old.tld"], "virtual_mailbox_domains": ["mailbox.tld"],
        "transport_maps": [transport, "pipemap:{inline:{u@temp.tld=x},fail:purpose}"],
        "transports": [{"name": "list", "plugin": "pipe", "user": test_pipe.USER, "argv": ["/bin/true"]},
                       {"name": "hold", "plugin": "smtp"}, {"name": "usual", "plugin": "smtp", "smtp_tcp_port": 25},
                       {"name": "spare", "plugin": "smtp", "smtp_fallback_relay": [sink.nexthop]}],
        "defer_transports": ["etrn-only", "hold"], "smtp_tcp_port": sink.port, "recipient_delimiter": "+",
        "dns_servers": [make_names(NAMES).server], "inet_interfaces": ["127.0.0.1", "127.0.0.3"],
        "mynetworks": ["127.0.0.1/32"], "smtp_connect_timeout": "5s", "lookup_timeout": "5s"})
    daemon.start()
    return daemon


def send(daemon, address, client):
    """Sends a message: the reply to RCPT, and its id if it was taken."""
    with Client(daemon.port, hello="client.example", source=client) as connection:
        connection.expect("MAIL FROM:<>", "250")
        reply = connection.command(f"RCPT TO:<{address}>")
        if not reply.startswith("250"):
            return reply, None
        connection.expect("DATA", "354")
        connection.send("Subject: x\r\n\r\nx\r\n.\r\n")
        return reply, re.search(r"queued as (\w+)", connection.reply())[1]


def first_line(daemon, message, recipient):
    """What the log says first of a recipient: transport, relay, dsn, status and why."""
    return wait_for(lambda: re.search(
        rf"/([\w-]+)\[\d+\]: {message}: to=<{re.escape(recipient)}>, .*relay=(\S+), delay=.* dsn=(\S+), "
        r"status=(\w+) \((.*)\)\n", daemon.log())).groups()


def differences(daemon, message, site):
    """Where the first attempt, or that there was none, is another one than was said."""
    wrong = []
    hosts = [host for step in steps(site, "nexthop") for host in step.get("hosts", [])]
    outcomes = {step["address"]: step for step in steps(site, "outcome")}
    for recipient in site["recipients"]:
        transport, relay, dsn, status, why = said = first_line(daemon, message, recipient)
        outcome = outcomes.get(recipient)
        if site["when"] == "on_release":
            is_right = (relay, status, why) == ("none", "deferred", "deferred transport")
        elif outcome is not None and not hosts:
            is_right = status == {"OK": "sent", "TEMP": "deferred", "PERM": "bounced"}[outcome["status"]] and \
                (status == "sent" or (dsn, why) == (outcome["dsn"], outcome["reason"]))
        else: # nobody listens, or the first one takes it
            is_right = hosts[-1] in why if status == "deferred" else (relay, status) == (hosts[0], "sent")
        if not is_right or transport != site["transport"]:
            wrong.append((site, said))
    return wrong


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.5"])
def test_the_way_is_the_real_one(busy, client):
    wrong = {}
    explained = {address: explain(busy, address, client=client, helo="client.example") for address in ADDRESSES}
    assert busy.queue() == []
    assert not re.search(r"reject|status=|\[127\.0\.0\.5\]", busy.log()), "an explanation leaves a trace"
    for address, (said, sites) in explained.items():
        reply, message = send(busy, address, client)
        found = [] if said["reply"] == reply else [(said["reply"], reply)]
        if (message is None) != (sites == []):
            found.append("a message has sites where it is accepted")
        for site in sites:
            found += differences(busy, message, site)
        if found:
            wrong[address] = found
    assert wrong == {}
    waiting = {(recipient["address"], recipient["transport"], recipient["nexthop"])
               for message in busy.queue() for recipient in message["recipients"] if recipient["state"] == "waiting"}
    assert ("ext+ra@keys.tld", "etrn-only", "x.tld") in waiting


def test_hosts_in_their_order(busy):
    def hosts(address):
        return [host for step in steps(explain(busy, address)[1][0], "nexthop") for host in step.get("hosts", [])]

    port = busy.settings["smtp_tcp_port"]
    assert hosts("u@two.tld") == [f"mx1.two.tld[127.0.0.2]:{port}", f"mx2.two.tld[127.0.0.2]:{port}"]
    assert hosts("u@backup.tld") == ["best.backup.tld[127.0.0.2]:25"]
    assert hosts("u@loop.tld") == hosts("u@nullmx.tld") == []


def test_when(busy):
    """What the queue knows of a site: deferred transports, suspensions by the operator, sites that are away."""
    def when(address):
        return explain(busy, address)[1][0]["when"]

    assert when("u@held.tld") == when("u@etrn.tld") == "on_release"
    assert when("u@plain.tld") == "now"
    busy.command("sluice", "site", "suspend", "relay:plain.tld", "new disks")
    assert when("u@plain.tld") == "on_resume"
    _, message = send(busy, "u@refused.tld", "127.0.0.1")
    first_line(busy, message, "u@refused.tld")
    site = wait_for(lambda: [line for line in explain(busy, "u@refused.tld")[1] if line["when"] == "at"])[0]
    assert site["at"] > 0 and site["queue"]["failures"] == 1 and "127.0.0.9" in site["queue"]["last_failure"]


# ---- the command


def test_for_a_person(busy):
    def said(*arguments):
        return busy.command("sluice", "explain", *arguments).stdout

    text = said("several@alias.tld", "--client", "127.0.0.5", "--sender", "s@else.tld", "--helo", "h.tld")
    for line in ["to           <several@alias.tld>", "from         <s@else.tld>", "client       unknown[127.0.0.5]",
                 "verdict      accept: 250 2.1.5 Ok", "  HELO h.tld  ->  250 mx.isp.example",
                 "  goes to <two@etrn.tld> for <several@alias.tld> by etrn-only:etrn.tld",
                 "site         etrn-only:etrn.tld", "goes         at the next release: ETRN, or sluice site release",
                 "      reject_unauth_destination: no objection"]:
        assert f"{line}\n" in text, (line, text)
    assert text.rindex("\nsite ") < text.index(" because\n"), "what happens comes before why"
    assert "<four@nullmx.tld> goes back to its sender: 5.1.0 Domain nullmx.tld does not accept mail" in text
    assert "recipient <several@alias.tld> becomes one@relay.tld, two@etrn.tld, three@two.tld, four@nullmx.tld" in text
    text = said("u@foreign.tld", "--client", "127.0.0.5")
    assert "verdict      reject: 554 5.7.1 <u@foreign.tld>: Relay access denied\n" in text
    assert "      reject_unauth_destination: reject: 554 5.7.1 Relay access denied\n" in text
    assert "client       a program of this machine\n" in said("u@plain.tld")
    assert "hosts        1. plain.tld[127.0.0.2]:" in said("u@plain.tld")
    assert "failed: " in said("u@temp.tld")
    kinds = [line["explain"] for line in busy.json("explain", "several@alias.tld", "--client", "127.0.0.5")]
    assert kinds == ["message", "site", "site", "site", "site"]


def test_who_may_and_what_is_wrong(busy):
    def ask(*arguments):
        done = busy.command("sluice", "explain", *arguments, check=False)
        return done.returncode, done.stderr

    assert ask("u@plain.tld", "--client", "host.tld") == (65, 'sluice: "host.tld" is no address of a client\n')
    assert ask("") == (65, "sluice: explain wants an address\n")
    assert ask()[0] == 64
    assert busy.stop() == 0
    code, text = ask("u@plain.tld")
    assert code == 69 and text.startswith("sluice: the mail system is down (")


# ---- when something breaks


@pytest.fixture
def slow(make_daemon):
    """A daemon with a table that takes its time: asked tells that it has been asked, answer lets it go on."""
    asked, answer = threading.Event(), threading.Event()

    class Table(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.read(1) not in (b"", b","):
                pass
            asked.set()
            answer.wait(60)
            self.wfile.write(b"9:NOTFOUND ,")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Table)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["relay.tld"],
                   "transport_maps": [f"socketmap:inet:127.0.0.1:{server.server_address[1]}:x"]})
    daemon.start()
    daemon.asked, daemon.answer = asked, answer
    yield daemon
    answer.set()
    server.shutdown()
    server.server_close()


def start_explain(daemon):
    command = subprocess.Popen([daemon.bin / "sluice", "-c", daemon.config, "explain", "u@relay.tld"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    assert daemon.asked.wait(30)
    return command


def test_who_should_answer_dies(slow):
    command = start_explain(slow)
    for role, pid in slow.roles().items():
        if role.startswith("receive"):
            os.kill(pid, signal.SIGKILL)
    assert command.communicate(timeout=30)[1] == "sluice: no receive process has answered\n"
    assert command.returncode == 75


def test_a_reload_does_not_wait(slow):
    """The answer comes when another queue is there, which did not ask: nobody is restarted for it."""
    command = start_explain(slow)
    slow.command("sluice", "reload")
    assert command.communicate(timeout=30)[1] == "sluice: no receive process has answered\n"
    assert command.returncode == 75
    slow.answer.set()
    assert "goes to <u@relay.tld>" in slow.command("sluice", "explain", "u@relay.tld").stdout
    assert not re.search(r"makes no sense|died|fatal", slow.log()), slow.log()
