# SPDX-License-Identifier: ISC
"""Local submission: sendmail and its relatives, with the daemon there, busy, and down (spec C-1 to C-13)."""

import email
import email.policy
import grp
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from daemon import BIN, ENVIRONMENT, wait_for
from namespaces import require_mounts, with_mounts
from peers import UNPACKED, can_lay_over

USER = pwd.getpwuid(os.getuid()).pw_name
WHO = f"{USER}({os.getuid()})"
ORIGIN = "mx.isp.example"
LIMIT = 100000


@pytest.fixture
def daemon(make_daemon, sink):
    made = make_daemon(start=False)
    made.change({"relay_domains": ["customer.tld"], "message_size_limit": LIMIT, "transport_maps": [
        made.table("transport", f"customer.tld relay:{sink.nexthop}\nheld.tld etrn-only:\n")]})
    made.start()
    return made


def call(daemon, *arguments, text=b"Subject: test\n\nhello\n", program="sendmail", **options):
    return subprocess.run([BIN / program, "-c", daemon.folder, *map(str, arguments)], input=text,
                          capture_output=True, timeout=120, env=ENVIRONMENT, **options)


def submit(daemon, *arguments, **options):
    done = call(daemon, *arguments, **options)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done


def only(sink):
    """The one message that has arrived since the last time; they are in tables, for a daemon each costs time."""
    wait_for(lambda: sink.messages)
    [message] = sink.messages
    sink.messages.clear()
    return message


def drop_names(daemon):
    return sorted(os.listdir(daemon.folder / "queue-maildrop"))


def put(daemon, name, batch):
    """Into the maildrop, as postdrop does."""
    path = daemon.folder / "queue-maildrop" / f".{name}"
    path.write_bytes(batch)
    path.chmod(0o666)
    os.rename(path, path.with_name(name))


# -- what arrives

def test_a_message_gets_what_it_lacks(daemon, sink):
    submit(daemon, "-F", 'Jörg "J." M', "user@customer.tld", text=b"Subject: bare\n\nhello\n")
    message = only(sink)
    assert message.mail.startswith(f"FROM:<{USER}@{ORIGIN}>")
    assert re.match(rb"Received: by mx\.isp\.example \(Sluice, from userid %d\)\r\n\tid [0-9A-F]{16}\r\n"
                    rb"\tfor <user@customer\.tld>; " % os.getuid(), message.data)
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    [sender] = parsed["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ('Jörg "J." M', f"{USER}@{ORIGIN}")
    assert parsed["Date"].datetime is not None
    assert re.fullmatch(rf"<\d{{14}}\.[0-9A-F]{{16}}@{ORIGIN}>", parsed["Message-Id"])
    assert parsed.get_content() == "hello\r\n"
    queue_id = parsed["Message-Id"].split(".")[1].split("@")[0]
    daemon.wait_for_log(rf"{queue_id}: uid={os.getuid()} from=<{USER}@{ORIGIN}>")
    daemon.wait_for_log(rf"{queue_id}: message-id=<\d+\.{queue_id}@")


def test_what_is_there_stays(daemon, sink):
    text = b"From: me@isp.example\nDate: Sat, 21 Nov 2026 22:56:00 +0100\nMESSAGE-ID : <1@x>\n\nhello\n"
    submit(daemon, "user@customer.tld", text=text)
    assert only(sink).body == text.replace(b"\n", b"\r\n")


CONTENTS = {  # input, options, what arrives below the header
    "a dot ends it": (b"\none\n.\ntwo\n", [], b"one\r\n"),
    "a dot is a dot": (b"\none\n.\ntwo\n", ["-i"], b"one\r\n.\r\ntwo\r\n"),
    "the same by -oi": (b"\n.\n", ["-oi"], b".\r\n"),
    "dots at the beginning": (b"\n..one\n.two\n...\n", [], b"..one\r\n.two\r\n...\r\n"),
    "CRLF": (b"Subject: x\r\n\r\none\r\n.\r\ntwo\r\n", [], b"one\r\n"),
    "no final newline": (b"\none\ntwo", [], b"one\r\ntwo\r\n"),
    "no header": (b"just text\n", [], b"just text\r\n"),
    "no header, indented": (b"  just text\n", [], b"  just text\r\n"),
    "nothing": (b"", [], b""),
    "a header alone": (b"Subject: x\n", [], b""),
    "8 bits": ("\nJörg\xff\n".encode("latin-1"), [], b"J\xf6rg\xff\r\n"),
    "a line of a mailbox file": (b"From me Sat Nov 21 22:56:00 2026\nSubject: x\n\none\n", [], b"one\r\n"),
    "a bare CR": (b"\none\rtwo\n", [], b"one two\r\n"),
    "a long line": (b"\n" + b"x" * 50000 + b"\n", [], b"x" * 50000 + b"\r\n"),
    "a long header line": (b"X-Long: " + b"x" * 40000 + b"\n\none\n", [], b"one\r\n"),
}


def test_content(daemon, sink):
    for name, (text, options, body) in CONTENTS.items():
        submit(daemon, *options, "user@customer.tld", text=text)
        message = only(sink)
        header, _, rest = message.data.partition(b"\r\n\r\n")
        assert rest == body, name
        for field in (b"Message-Id: ", b"Date: ", b"From: "):
            assert len(re.findall(b"^" + field, header, re.M)) == 1, (name, header)
        assert ("BODY=8BITMIME" in message.mail) == any(byte > 127 for byte in body), name


RECIPIENTS = {  # arguments, header; who gets it
    "one": (["a@customer.tld"], b"", ["a"]),
    "a list": (["a@customer.tld, b@customer.tld"], b"", ["a", "b"]),
    "a name": (["Name <a@customer.tld>", "b@customer.tld (Bee, the (second))"], b"", ["a", "b"]),
    "twice": (["a@customer.tld", "A@Customer.tld"], b"To: a@customer.tld\n", ["a"]),
    "behind --": (["--", "-x@customer.tld"], b"", ["-x"]),
    "in the header": (["-t"], b'To: "Last, First" <a@customer.tld>,\n\tb@customer.tld\nCC: x:c@customer.tld;\n',
                      ["a", "b", "c"]),
    "hidden": (["-t"], b"To: a@customer.tld\nBcc: b@customer.tld,\n c@customer.tld\nX-Y: z\n", ["a", "b", "c"]),
    "both": (["-t", "d@customer.tld"], b"To: a@customer.tld\n", ["a", "d"]),
    "sent again": (["-t"], b"To: a@customer.tld\nResent-To: b@customer.tld\nResent-Bcc: c@customer.tld\n",
                   ["b", "c"]),
}


def test_recipients(daemon, sink):
    """C-3, C-5"""
    for name, (arguments, header, locals_) in RECIPIENTS.items():
        submit(daemon, *arguments, text=header + b"Subject: x\n\nhello\n")
        message = only(sink)
        assert sorted(r.lower() for r in message.recipients) == [
            f"<{local}@customer.tld>" for local in locals_], name
        head = message.data.partition(b"\r\n\r\n")[0].lower()
        assert b"bcc:" not in head and b"c@customer.tld,\r\n" not in head, name
        assert (b"x-y: z" in head) == (b"X-Y" in header), name
        assert (b"\r\nresent-message-id: " in head) == (b"Resent-" in header), name


def test_sender(daemon, sink):
    """C-4"""
    for arguments, sender in [
            (["-f", ""], ""), (["-f", "<>"], ""), (["-f", "me@isp.example"], "me@isp.example"),
            (["-r", "Me <me@isp.example>"], "me@isp.example"), (["-fme"], f"me@{ORIGIN}")]:
        submit(daemon, *arguments, "user@customer.tld")
        assert only(sink).mail.startswith(f"FROM:<{sender}>"), arguments


def test_status_notification(daemon, sink):
    """C-8"""
    submit(daemon, "-N", "success,delay", "-R", "hdrs", "-V", "an id+1", "user@customer.tld")
    mail = only(sink).mail
    assert " RET=HDRS" in mail and " ENVID=an+20id+2B1" in mail
    assert any("NOTIFY=SUCCESS,DELAY" in command for command in sink.commands)
    for option in "NRV":
        done = call(daemon, f"-{option}", "bogus\x01", "user@customer.tld")
        assert done.returncode == 0
        assert done.stderr.decode() == f"sendmail: warning: bad -{option} option value -- ignored\n"
        mail = only(sink).mail
        assert "RET=" not in mail and "ENVID=" not in mail


def test_ignored_options(daemon, sink):
    """C-11"""
    submit(daemon, "-Am", "-Ac", "-G", "-h", "7", "-L", "x", "-m", "-n", "-oem", "-odq", "-O", "x=y", "-U",
           "-X", "file", "-B8BITMIME", "-bh", "-bm", "-v", "-i", "-e", "m", "-p", "x", "user@customer.tld")
    assert only(sink).recipients == ["<user@customer.tld>"]


def test_an_address_that_is_none(daemon, sink):
    """Accepted, and reported afterwards (C-6); the others get their mail."""
    submit(daemon, "-f", "me@customer.tld", "u@bad..dom", "user@customer.tld", "two words@x", "a>b@x")
    wait_for(lambda: any(m.recipients == ["<user@customer.tld>"] for m in sink.messages))

    def is_known():
        return any(b"5.1.3" in message.data for message in sink.messages) or any(
            recipient["address"] == "u@bad..dom" and recipient["state"] == "failed"
            for entry in daemon.queue() for recipient in entry["recipients"])

    wait_for(is_known)
    assert not any("bad..dom" in str(message.recipients) for message in sink.messages)


# -- what is refused, and what else there is

BIG = b"Subject: x\n\n" + (b"x" * 98 + b"\n") * 1000
REFUSALS = {  # arguments, input, exit status, message
    "nobody": ([], b"x\n", 75, f"{WHO}: Recipient addresses must be specified on the command line or via the"
                               " -t option"),
    "nobody in the header": (["-t"], b"Subject: x\n\nx\n", 75,
                             f"{WHO}: No recipient addresses found in message header"),
    "too big": (["user@customer.tld"], BIG, 75, f"{WHO}: message file too big"),
    "a NUL": (["user@customer.tld"], b"Subject: x\n\nx\0y\n", 65,
              f"{WHO}: disallowed character in the message"),
    "who is not anybody": (["-f", "a@b..c", "user@customer.tld"], b"", 65,
                           "a@b..c(%d): 501 5.1.7 Bad sender address syntax" % os.getuid()),
    "too many": (["-t"], b"To: " + b",".join(b"u%d@held.tld" % i for i in range(100001)) + b"\n\n", 75,
                 f"{WHO}: message file too big"),
    "-bt": (["-bt"], b"", 75, "unsupported: -bt"),
    "-qS": (["-qSx"], b"", 75, "-qS is not implemented"),
    "-t elsewhere": (["-t", "-bp"], b"", 75, "-t can be used only in delivery mode"),
}


def test_refusals(daemon):
    """C-2, C-7, C-9, C-10, C-12: with the daemon and without"""
    for name, (arguments, text, code, message) in REFUSALS.items():
        done = call(daemon, *arguments, text=text)
        assert (done.returncode, done.stderr.decode()) == (code, f"sendmail: fatal: {message}\n"), name
    assert daemon.queue() == []
    daemon.stop()
    del REFUSALS["who is not anybody"]  # only the daemon says so
    for name, (arguments, text, code, message) in REFUSALS.items():
        done = call(daemon, *arguments, text=text)
        assert (done.returncode, done.stderr.decode()) == (code, f"sendmail: fatal: {message}\n"), name
    assert drop_names(daemon) == []


def test_modes(daemon):
    """C-9, C-10, C-12, C-13"""
    unknown = call(daemon, "-Z")
    assert unknown.returncode == 75
    assert unknown.stderr.decode().startswith("sendmail: invalid option -- 'Z'\nsendmail: fatal: usage: ")
    listing = call(daemon, "foo", program="mailq")
    assert (listing.returncode, listing.stderr) == (
        75, b"mailq: fatal: display queue mode requires no recipient\n")
    assert submit(daemon, program="mailq").stdout == b"Mail queue is empty\n"
    assert submit(daemon, "-bp").stdout == b"Mail queue is empty\n"
    for arguments in (["-q30m"], ["-q1h"], ["-q"]):
        assert submit(daemon, *arguments).stdout == b"", arguments


def test_newaliases(daemon):
    """C-13, C-70: alias_database is rebuilt, silently; a table that cannot be built is said."""
    folder = daemon.folder
    (folder / "none").mkdir()
    (folder / "none/sluice.conf").write_text('alias_database = "";\n')
    assert submit(daemon, "-C", folder / "none", program="newaliases").stdout == b""
    (folder / "aliases").write_text("Joe: joe@store.tld, jim\n")
    with open(folder / "sluice.conf", "a") as conf:
        conf.write(f'alias_database = [ "{folder}/aliases" ];\n')
    for arguments, program in ((["-bi"], "sendmail"), (["-I"], "sendmail"), ([], "newaliases")):
        (folder / "aliases.db").unlink(missing_ok=True)
        done = submit(daemon, *arguments, program=program)
        assert (done.stdout, done.stderr) == (b"", b"")
        done = call(daemon, "-q", "joe", "aliases", program="postalias", cwd=folder)
        assert (done.returncode, done.stdout) == (0, b"joe@store.tld, jim\n")
    done = call(daemon, "user", program="newaliases")
    assert (done.returncode, done.stderr) == (
        75, b"newaliases: fatal: alias initialization mode requires no recipient\n")
    (folder / "aliases").unlink()
    done = call(daemon, program="newaliases")
    assert (done.returncode, done.stderr) == (
        1, f"postalias: fatal: open {folder}/aliases: No such file or directory\n".encode())


def test_a_session(daemon, sink):
    """-bs; all at once, as scripts do, and to anybody."""
    text = b"EHLO me\r\nMAIL FROM:<me>\r\nRCPT TO:<user@customer.tld>\r\nRCPT TO:<far@away.example>\r\nRCPT TO:<>\r\nRSET\r\n" \
        b"MAIL FROM:<me>\r\nRCPT TO:<user@customer.tld>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n"
    replies = submit(daemon, "-bs", text=text).stdout.decode().split("\r\n")
    codes = [line[:4] for line in replies if line[3:4] == " "]
    assert codes == ["220 ", "250 ", "250 ", "250 ", "250 ", "501 ", "250 ", "250 ", "250 ", "354 ", "250 ", "221 "]
    assert only(sink).mail.startswith(f"FROM:<me@{ORIGIN}>")
    daemon.stop()
    down = call(daemon, "-bs", text=text)
    assert down.returncode == 75 and down.stdout.startswith(b"421 4.3.2 ")


def test_the_environment_names_the_configuration(daemon, sink):
    for arguments in (["sendmail", "user@customer.tld"], ["mailq"], ["postqueue", "-p"]):
        done = subprocess.run([BIN / arguments[0], *arguments[1:]], input=b"hello\n", timeout=60,
                              env={**ENVIRONMENT, "MAIL_CONFIG": daemon.folder}, capture_output=True)
        assert done.returncode == 0, done
    by_file = subprocess.run([BIN / "sendmail", "-C", daemon.config, "-bp"], timeout=60, env=ENVIRONMENT)
    assert by_file.returncode == 0
    only(sink)


@pytest.mark.long
def test_many_recipients(daemon):
    """100,000: more than a message may have in the queue, and none is lost or there twice."""
    daemon.change({"message_size_limit": 10000000})
    daemon.stop()
    daemon.start()
    header = b"To: " + b",\n\t".join(b"user%d@held.tld" % i for i in range(100000))
    submit(daemon, "-t", text=header + b"\nSubject: many\n\nhello\n")
    entries = daemon.queue()
    addresses = [r["address"] for entry in entries for r in entry["recipients"]]
    assert len(addresses) == len(set(addresses)) == 100000 and len(entries) > 1
    assert drop_names(daemon) == []


# -- questions

@pytest.fixture
def questions(make_daemon, make_sink, sink, folder):
    """customer.tld goes to a host that has its own ideas, isp.example, where the reports go, to the sink."""
    def judge(line):
        if "<bad" in line:
            return "550 5.1.1 unknown user"
        if "<silent" in line:
            return 60
        return "450 4.2.0 come again" if "<later" in line else "250 2.1.5 Ok"

    host = make_sink(replies={"RCPT": judge})
    made = make_daemon(start=False)
    made.change({
        "relay_domains": ["customer.tld", "isp.example"],
        "transports": ({"name": "null", "plugin": "null"}, {"name": "other", "plugin": "smtp"}),
        "transport_maps": [made.table("transport", f"""
            customer.tld relay:{host.nexthop}
            nobody.tld relay:[127.0.0.1]:1
            other.tld other:{host.nexthop}
            null.tld null:
            held.tld etrn-only:
            isp.example relay:{sink.nexthop}
            .isp.example relay:{sink.nexthop}
            """.replace("            ", ""))]})
    made.start()
    made.host = host
    return made


def ask(daemon, sink, *recipients, options=("-f", "me@isp.example")):
    """The answer: {address: (action, status, diagnostic code)}."""
    done = submit(daemon, "-bv", *options, *recipients, text=b"never read\n" * 100000)
    assert done.stdout == b"Mail Delivery Status Report will be mailed to <me@isp.example>.\n"
    message = only(sink)
    assert message.mail.startswith("FROM:<>") and message.recipients == ["<me@isp.example>"]
    report = email.message_from_bytes(message.data, policy=email.policy.default)
    assert report["Subject"] == "Mail Delivery Status Report" and not report.defects
    text, status = report.get_payload()
    _, *blocks = status.get_payload()
    assert b"never read" not in message.data
    for recipient in recipients:
        assert f"<{recipient}>:" in text.get_content(), text.get_content()
    return {block["Final-Recipient"].split("; ")[1]: (block["Action"], block["Status"], block["Diagnostic-Code"])
            for block in blocks}


ANSWERS = {
    "good@customer.tld": ("deliverable", "2.1.5", "smtp; 250 2.1.5 Ok"),
    "bad@customer.tld": ("undeliverable", "5.1.1", "smtp; 550 5.1.1 unknown user"),
    "later@customer.tld": ("delayed", "4.2.0", "smtp; 450 4.2.0 come again"),
    "a@held.tld": ("delayed", "4.3.2", "X-Sluice; deferred transport"),
    "a@null.tld": ("delayed", "4.3.3", "X-Sluice; goes to null.tld by transport null, which can only deliver"),
    "u@bad..dom": ("undeliverable", "5.1.3", "X-Sluice; bad address syntax"),
}


def test_questions(questions, sink):
    """Each alone, and all in one question; nothing is delivered, nothing stays, there is one report."""
    for address, answer in ANSWERS.items():
        assert ask(questions, sink, address) == {address: answer}
    assert ask(questions, sink, *ANSWERS) == ANSWERS
    [answer] = ask(questions, sink, "a@nobody.tld").values()
    assert answer[:2] == ("delayed", "4.4.1") and "Connection refused" in answer[2]
    assert ask(questions, sink, "b@nobody.tld") == {"b@nobody.tld": answer}  # its site backs off now
    wait_for(lambda: questions.queue() == [])
    assert sink.count == len(ANSWERS) + 3
    assert [command for command in questions.host.commands if command.startswith("DATA")] == []
    assert questions.host.count == 0 and "RSET" in questions.host.commands
    for word in ("deliverable", "undeliverable", "delayed"):
        questions.wait_for_log(f"status={word} ")
    assert "status=sent (250 2.1.5" not in questions.log()


def test_a_question_without_a_sender(questions, sink):
    """Nobody is to be told, and it is over all the same."""
    done = submit(questions, "-bv", "-f", "<>", "good@customer.tld", "bad@customer.tld", "a@held.tld", "u@bad..dom")
    assert done.stdout == b"Mail Delivery Status Report will be mailed to <>.\n"
    questions.wait_for_log(r"status=undeliverable ")
    wait_for(lambda: questions.queue() == [])
    assert sink.count == 0 and questions.host.count == 0


def test_a_question_while_the_daemon_is_down(questions, sink):
    questions.stop()
    submit(questions, "-bv", "-f", "me@isp.example", "good@customer.tld")
    questions.start()
    assert b"Action: deliverable" in only(sink).data
    assert questions.host.count == 0


def test_a_question_is_answered_after_a_crash(questions, sink):
    """As things are then: what is not attempted any more is no reason to wait."""
    submit(questions, "-bv", "-f", "me@isp.example", "silent@other.tld", "bad@other.tld")
    wait_for(lambda: any("silent" in command for command in questions.host.commands))
    questions.kill()
    questions.change({"defer_transports": ["other"]})
    questions.start()
    report = only(sink).data
    assert report.count(b"Action: delayed") == 2 and report.count(b"deferred transport") == 4, report
    wait_for(lambda: questions.queue() == [])


def test_an_operator_has_suspended_the_site(questions, sink):
    questions.command("sluice", "site", "suspend", f"other:{questions.host.nexthop}")
    assert ask(questions, sink, "good@other.tld", "good@customer.tld") == {
        "good@other.tld": ("delayed", "4.3.2", "X-Sluice; site suspended by the operator"),
        "good@customer.tld": ANSWERS["good@customer.tld"]}


def test_who_asks_may_not_say_more(questions):
    for option, arguments in (("-t", ["-t"]), ("-N", ["-N", "never"]), ("-R", ["-R", "hdrs"])):
        done = call(questions, "-bv", *arguments, "good@customer.tld")
        assert done.returncode == 75 and done.stdout == b""
        assert done.stderr.decode() == f"sendmail: fatal: {option} option cannot be used with -bv\n"
    assert call(questions, "-bv").returncode == 75


# -- the daemon is down, or busy

def test_down_and_up_again(daemon, sink):
    """C-1"""
    daemon.stop()
    submit(daemon, "-i", "-f", "me@isp.example", "a@customer.tld", "b@customer.tld", text=b"\n.\nhello\n")
    submit(daemon, "-t", text=b"To: c@customer.tld\nBcc: d@customer.tld\n\nhello\n")
    assert len(drop_names(daemon)) == 2
    daemon.start()
    wait_for(lambda: sink.count == 2)
    messages = sorted(sink.messages, key=lambda message: message.recipients)
    assert [sorted(message.recipients) for message in messages] == [
        ["<a@customer.tld>", "<b@customer.tld>"], ["<c@customer.tld>", "<d@customer.tld>"]]
    assert messages[0].mail.startswith("FROM:<me@isp.example>")
    assert messages[0].data.endswith(b"\r\n\r\n.\r\nhello\r\n") and b"from userid" in messages[0].data
    wait_for(lambda: drop_names(daemon) == [])


def test_no_file_may_be_written(daemon):
    """The caller is told so, and nothing is left behind."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    batch = b"MAIL FROM:<a>\r\nRCPT TO:<b@customer.tld>\r\nDATA\r\n\r\n.\r\n"
    for program, text, arguments in (("sendmail", b"hello\n", ["user@customer.tld"]), ("postdrop", batch, [])):
        done = call(daemon, *arguments, program=program, text=text, preexec_fn=limit)
        assert done.returncode == 75 and done.stderr.endswith(b": File too large\n"), done
    assert drop_names(daemon) == [] and daemon.queue() == []


def test_down_for_good(daemon):
    """Without a place for it there is no 0."""
    daemon.stop()
    os.rmdir(daemon.folder / "queue-maildrop")
    done = call(daemon, "user@customer.tld")
    assert done.returncode == 75
    assert re.match(rb"postdrop: fatal: open /.*/queue-maildrop: No such file or directory\n"
                    rb"sendmail: fatal: %s: the message was not accepted: the mail system is down"
                    % re.escape(WHO).encode(), done.stderr), done.stderr


def test_a_daemon_that_is_busy(daemon, sink):
    """What it says is no for now: the message goes into the maildrop, and from there by itself."""
    daemon.change({"commit_timeout": "1s"})
    daemon.stop()
    daemon.start()
    queue = daemon.roles()["queue 0"]
    os.kill(queue, signal.SIGSTOP)
    try:
        submit(daemon, "user@customer.tld")
        assert len(drop_names(daemon)) == 1
    finally:
        os.kill(queue, signal.SIGCONT)
    wait_for(lambda: drop_names(daemon) == [], 60)
    wait_for(lambda: sink.count >= 1)


def test_all_are_killed(make_daemon, sink):
    """kill -9 while many submit: what was taken with 0 arrives."""
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [
        daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()
    taken, lock = set(), threading.Lock()

    def work(worker):
        for number in range(6):
            name = f"w{worker}n{number}"
            done = call(daemon, f"{name}@customer.tld")
            assert done.returncode in (0, 75), done
            with lock:
                if done.returncode == 0:
                    taken.add(f"<{name}@customer.tld>")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        seen = len(taken)
        wait_for(lambda: len(taken) > seen + 2 or not any(w.is_alive() for w in workers), 60)
        daemon.kill()
        daemon.start()
    for worker in workers:
        worker.join(120)
    assert len(taken) > 10

    def arrived():
        return {r for message in list(sink.messages) for r in message.recipients}

    wait_for(lambda: taken <= arrived(), 60)
    wait_for(lambda: drop_names(daemon) == [], 60)


def test_what_makes_no_sense_is_kept(daemon, sink):
    folder = daemon.folder / "queue-maildrop"
    files = {"one": b"nonsense\r\n.\r\n", "two": b"MAIL FROM:<a>\r\nRCPT TO:<b@customer.tld>\r\nDATA\r\nhalf",
             "three": b"MAIL FROM:<a>\r\nDATA\r\n\r\n.\r\n",
             "four": b"MAIL FROM:<a>\r\nRCPT TO:<b@customer.tld>\r\nDATA\r\n\0\r\n.\r\n"}
    for name, text in files.items():
        (folder / f".{name}").write_bytes(text)
        (folder / f".{name}").chmod(0o666)
    os.mkfifo(folder / ".five")
    (folder / ".five").chmod(0o666)
    for name in [*files, "five"]:
        os.rename(folder / f".{name}", folder / name)
    wait_for(lambda: drop_names(daemon) == sorted(f"corrupt-{name}" for name in [*files, "five"]))
    daemon.wait_for_log(r"maildrop: one: is no message for submission; kept as corrupt-one")
    daemon.wait_for_log(r"maildrop: four: 550 5\.7\.1 disallowed character; kept as corrupt-four")
    submit(daemon, "user@customer.tld")
    only(sink)


def test_after_a_reload(daemon, sink):
    """The next generation has the socket and the folder too."""
    daemon.change({"message_drop_headers": ["x-secret"]})
    daemon.command("sluice", "reload")
    text = b"X-Secret: 1\nSubject: x\n\nhello\n"
    submit(daemon, "user@customer.tld", text=text)
    assert b"X-Secret" not in only(sink).data
    put(daemon, "x", b"MAIL FROM:<a>\r\nRCPT TO:<b@customer.tld>\r\nDATA\r\nX-Secret: 1\r\n\r\n.\r\n")
    assert b"X-Secret" not in only(sink).data


def test_recipients_that_have_been_taken_are_not_again(daemon, sink):
    put(daemon, "x", b"MAIL FROM:<a>\r\nDONE TO:<b@customer.tld>\r\nRCPT TO:<c@customer.tld>\r\nDATA\r\n\r\n.\r\n")
    assert only(sink).recipients == ["<c@customer.tld>"]


def test_what_cannot_be_removed_is_sent_once(daemon, sink):
    """The folder is not the daemon's any more: each new file makes it look at the old ones again."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: the folder cannot be given to somebody else")
    folder = daemon.folder / "queue-maildrop"
    os.chown(folder, 0, 0)
    folder.chmod(0o1777)
    for number in range(4):
        put(daemon, f"file{number}",
            b"MAIL FROM:<a>\r\nRCPT TO:<user%d@customer.tld>\r\nDATA\r\n\r\n.\r\n" % number)
        wait_for(lambda: any(f"<user{number}@customer.tld>" in m.recipients for m in sink.messages))
    daemon.wait_for_log(r"maildrop: file0 stays for now: remove: Operation not permitted")
    assert daemon.stop() == 0
    assert sorted(r for message in sink.messages for r in message.recipients) == [
        f"<user{number}@customer.tld>" for number in range(4)]
    assert all(path.stat().st_size == 0 for path in folder.iterdir())


def test_everybody_may_connect_and_nobody_else_enter(daemon):
    assert (daemon.folder / "run" / "submission").stat().st_mode & 0o777 == 0o666
    assert (daemon.folder / "queue-maildrop").stat().st_mode & 0o007 == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.folder / "run" / "submission"))
        assert client.recv(4) == b"220 "


# -- others' rights, and others' programs

def laid_over_etc(folder, command):
    """The command, as it runs with folder/etc over /etc in a mount namespace of its own."""
    script = f'mount -t overlay overlay -o lowerdir="{folder}/etc":/etc /etc && exec "$@"'
    return with_mounts(script, *command)


@pytest.fixture
def for_all(daemon, folder):
    """Installed as a packager does: the daemon's configuration is the usual one, postdrop has its group."""
    require_mounts()
    group = grp.getgrnam("games")
    daemon.change({"setgid_group": group.gr_name})
    daemon.stop()
    daemon.start()
    daemon.stop()
    (folder / "bin").mkdir()
    for name in ("sendmail", "postdrop"):
        shutil.copy(BIN / name, folder / "bin" / name)
    os.chown(folder / "bin" / "postdrop", 0, group.gr_gid)
    (folder / "bin" / "postdrop").chmod(0o2755)
    (folder / "etc" / "sluice").mkdir(parents=True)
    shutil.copy(daemon.config, folder / "etc" / "sluice" / "sluice.conf")

    def run(*command, text=b"Subject: x\n\nhello\n", environment=None):
        return subprocess.run(
            laid_over_etc(folder, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                                   folder / "bin" / command[0], *command[1:]]),
            input=text, capture_output=True, timeout=60, env={**ENVIRONMENT, **(environment or {})})

    return run


def test_an_ordinary_user_while_the_daemon_is_down(daemon, sink, for_all, folder):
    """C-1, C-72"""
    drop = daemon.folder / "queue-maildrop"
    assert drop.stat().st_mode & 0o7777 == 0o1770
    done = for_all("sendmail", "-f", "me@isp.example", "user@customer.tld")
    assert (done.returncode, done.stderr) == (0, b"")
    [name] = drop_names(daemon)
    assert (drop / name).stat().st_uid == 65534

    # Not for anything else that its group may do.
    for arguments, environment in ([["-c", daemon.folder], {}], [[], {"MAIL_CONFIG": str(daemon.folder)}]):
        done = for_all("postdrop", *arguments, text=(drop / name).read_bytes(), environment=environment)
        assert done.returncode == 75
        assert done.stderr.decode() == "postdrop: fatal: unauthorized configuration directory name: " \
            f"{daemon.config}\n"
    for text in (b"", b"nonsense", (drop / name).read_bytes()[:-1]):
        done = for_all("postdrop", text=text)
        assert (done.returncode, done.stderr) == (65, b"postdrop: fatal: is no message for submission\n")
    done = for_all("postdrop", text=b"MAIL FROM:<>\r\n" + b"x" * 70_000_000)
    assert (done.returncode, done.stderr) == (65, b"postdrop: fatal: message file too big\n")
    assert drop_names(daemon) == [name]

    config = folder / "etc" / "sluice" / "sluice.conf"
    config.write_text(config.read_text() + f'alternate_config_directories = "{daemon.folder}";\n')
    done = for_all("sendmail", "-c", daemon.folder, "other@customer.tld")
    assert (done.returncode, done.stderr) == (0, b"")
    daemon.start()
    wait_for(lambda: len(sink.messages) == 2)
    assert all(b"(Sluice, from userid 65534)" in message.data for message in sink.messages)
    wait_for(lambda: drop_names(daemon) == [])


def unusual(daemon):
    return {**ENVIRONMENT, "MAIL_CONFIG": str(daemon.folder), "HOME": str(daemon.folder)}


def test_s_nail(daemon, sink):
    subprocess.run(["s-nail", "-:/", "-S", f"mta={BIN}/sendmail", "-S", "ttycharset=utf-8",
                    "-S", "v15-compat", "-s", "Grüße", "-c", "b@customer.tld", "-b", "c@customer.tld",
                    "a@customer.tld"], input="Zeile eins\n.\n.zwei\n".encode(), check=True, timeout=60,
                   env={**unusual(daemon), "LC_ALL": "C.UTF-8"})
    message = only(sink)
    assert sorted(message.recipients) == [f"<{r}@customer.tld>" for r in "abc"]
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert parsed["Subject"] == "Grüße" and "c@customer.tld" not in str(parsed)
    assert parsed.get_content().splitlines() == ["Zeile eins", ".", ".zwei"]


def test_git_send_email(daemon, sink, folder):
    patch = folder / "0001.patch"
    patch.write_text("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                     "From: Jörg <joerg@isp.example>\nDate: Sat, 21 Nov 2026 22:56:00 +0100\n"
                     "Subject: [PATCH] a change\n\nIt is one.\n---\n a | 1 +\n\ndiff --git a/a b/a\n")
    subprocess.run(["git", "send-email", "--quiet", f"--smtp-server={BIN}/sendmail", "--confirm=never",
                    "--from=joerg@isp.example", "--to=a@customer.tld", "--cc=b@customer.tld",
                    "--bcc=c@customer.tld", "--suppress-cc=all", "--8bit-encoding=UTF-8", str(patch)], check=True, timeout=60,
                   cwd=folder, capture_output=True,
                   env={**unusual(daemon), "GIT_CONFIG_NOSYSTEM": "1", "EMAIL": "joerg@isp.example"})
    message = only(sink)
    assert sorted(message.recipients) == [f"<{r}@customer.tld>" for r in "abc"]
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert parsed["Subject"] == "[PATCH] a change" and "diff --git a/a b/a" in parsed.get_content()


def test_the_call_of_php_and_of_cron(daemon, sink):
    for arguments in (["-t", "-i"], ["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root@customer.tld"]):
        text = b"From: root (Cron Daemon)\nTo: root@customer.tld\nSubject: Cron <root@mx> run\n\n.\nout\n"
        submit(daemon, *arguments, text=text)
        message = only(sink)
        assert message.recipients == ["<root@customer.tld>"]
        assert message.data.endswith(b"\r\n\r\n.\r\nout\r\n")


def test_cron(daemon, sink, folder):
    """The real one, with a job for its start; in a mount namespace with our sendmail in its place."""
    if not (UNPACKED / "usr/sbin/cron").exists():
        pytest.skip("NO PEERS: tests/system/peers.sh build/peers was not run")
    if not can_lay_over():
        pytest.skip("NOT ROOT, or no overlay mounts: cron cannot be run")
    over = folder / "over"
    for path in ("usr/sbin", "etc/pam.d", "spool/cron/crontabs"):
        (over / path).mkdir(parents=True)
    (over / "usr/sbin/sendmail").symlink_to(BIN / "sendmail")
    (over / "etc/crontab").write_text("")
    (over / "etc/pam.d/cron").write_text("account required pam_permit.so\nsession required pam_permit.so\n"
                                         "auth required pam_permit.so\n")
    table = over / "spool/cron/crontabs/root"
    table.write_text("MAILTO=root@customer.tld\n@reboot echo hello from cron\n")
    table.chmod(0o600)
    script = f"""set -e
        mount -t overlay overlay -o lowerdir={over}/usr:{UNPACKED}/usr:/usr /usr
        mount -t overlay overlay -o lowerdir={over}/etc:/etc /etc
        mount -t tmpfs tmpfs /run
        mount --bind {over}/spool /var/spool
        exec cron -f"""
    with open(folder / "cron-output", "wb") as output:
        cron = subprocess.Popen(with_mounts(script), stdin=subprocess.DEVNULL,
                                stdout=output, stderr=output, env=unusual(daemon))
    try:
        message = only(sink)
    finally:
        cron.terminate()
        cron.wait(20)
    assert message.recipients == ["<root@customer.tld>"]
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert "echo hello from cron" in parsed["Subject"] and parsed.get_content() == "hello from cron\r\n"
