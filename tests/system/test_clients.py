# SPDX-License-Identifier: ISC
"""Programs that others wrote hand us mail, or ask for it: what they send arrives, once and as it was."""

import os
import shutil
import smtplib
import subprocess

import pytest

from client import send
from daemon import ROOT, wait_for

SENDER = "sender@isp.example"
RECIPIENTS = ["joe@customer.tld", "jim@customer.tld"]
TEXT = "From: sender@isp.example\r\nTo: joe@customer.tld\r\nSubject: of others\r\n\r\n" \
    "a line\r\n.\r\n..two dots\r\n.hidden\r\n\r\nthe end\r\n"
UNPACKED = ROOT / "build" / "peers" / "root"


@pytest.fixture
def daemon(make_daemon, sink):
    made = make_daemon(start=False)
    made.change({"relay_domains": ["customer.tld"], "transport_maps": [
        made.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    made.start()
    return made


def run(command, text=TEXT, **options):
    name = str(command[0])
    assert shutil.which(name), f"{name} is not installed: packaging/needs.sh has it"
    return subprocess.run([str(word) for word in command], input=text, text=True, timeout=60,
                          capture_output=True, **options)


def succeed(command, text=TEXT, **options):
    done = run(command, text, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def assert_arrived(sink, has_own_header=False):
    """One message for both recipients, its body byte for byte; a client may add header fields."""
    wait_for(lambda: sink.count == 1)
    [message] = sink.messages
    assert sorted(message.recipients) == sorted(f"<{r}>" for r in RECIPIENTS)
    assert message.mail.startswith(f"FROM:<{SENDER}>")
    text = TEXT.encode()
    if has_own_header:
        assert message.body.split(b"\r\n\r\n", 1)[1] == text.split(b"\r\n\r\n", 1)[1]
    else:
        assert message.body == text


@pytest.mark.parametrize("options", [[], ["--pipeline"], ["--protocol", "SMTP"]],
                         ids=["plain", "pipelined", "HELO"])
def test_swaks(daemon, sink, options):
    done = succeed(["swaks", "--server", "127.0.0.1", "--port", daemon.port, "--from", SENDER,
                    "--to", ",".join(RECIPIENTS), "--data", "-", "--helo", "client.example",
                    *options], TEXT.removesuffix("\r\n"))  # it adds one of its own
    assert "250 2.0.0 Ok: queued as " in done.stdout
    assert_arrived(sink)


def test_msmtp(daemon, sink):
    succeed(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={daemon.port}",
             f"--from={SENDER}", *RECIPIENTS], TEXT.replace("\r\n", "\n"))
    assert_arrived(sink, has_own_header=True)


def test_curl(daemon, sink, folder):
    path = folder / "message"
    path.write_text(TEXT, newline="")
    recipients = [word for r in RECIPIENTS for word in ("--mail-rcpt", r)]
    succeed(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{daemon.port}/client.example",
             "--mail-from", SENDER, *recipients, "--upload-file", path])
    assert_arrived(sink)


def test_curl_sees_a_refusal(daemon):
    done = run(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{daemon.port}/client.example",
                "--mail-from", "bad@a..b", "--mail-rcpt", RECIPIENTS[0], "--upload-file", "-"])
    assert done.returncode == 55 and "501" in done.stderr, done.stderr


def test_python_smtplib(daemon, sink):
    with smtplib.SMTP("127.0.0.1", daemon.port, "client.example") as client:
        refused = client.sendmail(SENDER, [*RECIPIENTS, "bad@a..b"], TEXT,
                                  mail_options=["BODY=8BITMIME"], rcpt_options=["NOTIFY=NEVER"])
    assert list(refused) == ["bad@a..b"] and refused["bad@a..b"][0] == 501
    assert_arrived(sink)


NET_SMTP = """
use Net::SMTP;
my ($port, $sender, @recipients) = @ARGV;
my $client = Net::SMTP->new("127.0.0.1", Port => $port, Hello => "client.example", Timeout => 30)
    or die "no connection";
$client->mail($sender, Return => "HDRS", Envelope => "x") or die $client->message;
$client->recipient(@recipients, { Notify => ["NEVER"] }) or die $client->message;
$client->data() or die $client->message;
$client->datasend($_) while <STDIN>;
$client->dataend() or die $client->message;
$client->quit;
"""


def test_perl_net_smtp(daemon, sink):
    succeed(["perl", "-e", NET_SMTP, daemon.port, SENDER, *RECIPIENTS])
    assert_arrived(sink)


NODEMAILER = """
const nodemailer = require("nodemailer");
const [port, from, ...to] = process.argv.slice(1);
const transport = nodemailer.createTransport({
    host: "127.0.0.1", port: Number(port), name: "client.example", ignoreTLS: true, pool: true,
});
const raw = require("fs").readFileSync(0);
transport.sendMail({ envelope: { from, to, dsn: { id: "x", return: "headers", notify: "never" } }, raw },
    (error, info) => {
        transport.close();
        if (error || info.accepted.length !== to.length) { console.error(error, info); process.exit(1); }
    });
"""


def test_nodemailer(daemon, sink):
    # Debian has its modules where only its own node looks.
    succeed(["/usr/bin/node", "-e", NODEMAILER, daemon.port, SENDER, *RECIPIENTS],
            env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
    assert_arrived(sink)


@pytest.mark.parametrize("options", [["-d"], [], ["-r", "3"], ["-o"]],
                         ids=["many a connection", "one a connection", "three recipients", "HELO"])
def test_smtp_source(daemon, sink, options):
    program = UNPACKED / "usr/sbin/smtp-source"
    if not program.exists():
        pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
    succeed([program, "-s", "10", "-m", "200", "-l", "2000", *options, "-f", SENDER,
             "-t", RECIPIENTS[0], f"127.0.0.1:{daemon.port}"],
            env={**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "usr/lib/postfix")})
    wait_for(lambda: sink.count == 200)
    assert {len(m.recipients) for m in sink.messages} == {3 if "-r" in options else 1}


# ---- a site asks for its mail --------------------------------------------------------------------


@pytest.fixture
def hub(make_daemon, sink):
    made = make_daemon(start=False)
    made.change({"relay_domains": ["customer.tld"], "transport_maps": [
        made.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
    made.start()
    return made


def test_fetchmail_asks_by_etrn(hub, sink, folder):
    program = UNPACKED / "usr/bin/fetchmail"
    if not program.exists():
        pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
    settings = folder / "fetchmailrc"
    settings.write_text(f"poll 127.0.0.1 with proto ETRN and port {hub.port} "
                        "and options no dns: smtphost customer.tld fetchdomains customer.tld\n")
    settings.chmod(0o600)
    for _ in range(3):
        send(hub.port)
    # It must find its own host's name, which a bare machine may not know.
    named = ["unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh"] \
        if os.geteuid() == 0 else []
    done = run([*named, program, "--fetchmailrc", settings, "--pidfile", folder / "pid", "--idfile",
                folder / "ids", "--nodetach", "--verbose"],
               env={**os.environ, "HOME": str(folder), "FETCHMAILHOME": str(folder)})
    assert "3 messages" in done.stdout + done.stderr or "253" in done.stdout + done.stderr, \
        done.stdout + done.stderr
    assert done.returncode in (0, 1), done.stderr  # 1: nothing was retrieved over this connection
    wait_for(lambda: sink.count == 3)


def test_swaks_and_curl_ask_by_etrn(hub, sink):
    send(hub.port)
    done = run(["curl", "--silent", "--verbose", f"smtp://127.0.0.1:{hub.port}/client.example",
                "--request", "ETRN customer.tld"], "")
    assert "253 " in done.stderr, done.stderr
    wait_for(lambda: sink.count == 1)
