# SPDX-License-Identifier: ISC
"""The SMTP server, reply by reply. Numbers are those of the behaviour statements (M-1 ...)."""

import re
import time

import pytest

from client import Client, send
from daemon import wait_for

HOST = "mx.isp.example"
STRANGER = "127.0.0.9"  # outside of mynetworks in these tests


@pytest.fixture
def make_server(make_daemon):
    def make(**settings):
        daemon = make_daemon(start=False)
        daemon.change({
            "mynetworks": ["127.0.0.1/32"], "relay_domains": ["customer.tld"],
            "transport_maps": [daemon.table("transport", "customer.tld etrn-only:[127.0.0.1]:9\n")],
            **settings})
        daemon.start()
        return daemon

    return make


@pytest.fixture
def server(make_server):
    return make_server()


def converse(port, script, **options):
    """script: lines "C: command" and "S: reply" (a prefix); C: text with \\r\\n is sent as it is."""
    with Client(port, **{"hello": None, **options}) as client:
        assert client.reply().startswith("220 ")
        for line in filter(None, map(str.strip, script.splitlines())):
            who, text = line[:2], line[3:]
            if who == "C:":
                client.send(text.encode().decode("unicode_escape").encode("latin-1") + b"\r\n")
            elif text == "EOF":
                assert client.reply() == ""
            else:
                got = client.reply()
                assert re.match(re.escape(text).replace(r"\.\.\.", ".*"), got, re.S), \
                    f"expected {text!r}, got {got!r}"


CONVERSATIONS = {
    "M-2 case and blanks": """
        C: ehlo x
        S: 250
        C: mail from:<a@b.test>
        S: 250 2.1.0 Ok
        C:   NOOP
        S: 250 2.0.0 Ok
        C: RSET
        S: 250 2.0.0 Ok
        C: MAIL FROM: <a@b.test>
        S: 250 2.1.0 Ok
        C: RSET
        S: 250
        C: MAIL FROM :<a@b.test>
        S: 501 5.5.4 Syntax: MAIL FROM:<address>""",
    "M-5 EHLO and HELO without argument": """
        C: EHLO
        S: 501 Syntax: EHLO hostname
        C: HELO
        S: 501 Syntax: HELO hostname
        C: EHLO a b c
        S: 250""",
    "M-6 HELO": """
        C: HELO x
        S: 250 mx.isp.example
        C: MAIL FROM:<a@b.test> SIZE=10
        S: 250 2.1.0 Ok""",
    "M-7 HELO ends a transaction": """
        C: HELO x
        S: 250
        C: MAIL FROM:<a@b.test>
        S: 250
        C: RCPT TO:<u@customer.tld>
        S: 250 2.1.5 Ok
        C: HELO x
        S: 250
        C: RCPT TO:<u@customer.tld>
        S: 503 5.5.1 Error: need MAIL command""",
    "M-8 RSET, NOOP, QUIT": """
        C: RSET
        S: 250 2.0.0 Ok
        C: RSET x
        S: 501 5.5.4 Syntax: RSET
        C: NOOP a b
        S: 250 2.0.0 Ok
        C: QUIT now
        S: 221 2.0.0 Bye
        S: EOF""",
    "M-9 VRFY": """
        C: VRFY u@customer.tld
        S: 252 2.0.0 u@customer.tld
        C: VRFY
        S: 501 5.5.4 Syntax: VRFY address""",
    "M-10 unknown commands": """
        C: EXPN x
        S: 500 5.5.2 Error: command not recognized
        C: TURN
        S: 500 5.5.2 Error: command not recognized
        C: ATRN
        S: 500 5.5.2 Error: command not recognized
        C: STARTTLS
        S: 502 5.5.1 Error: command not implemented
        C: AUTH PLAIN
        S: 503 5.5.1 Error: authentication not enabled""",
    "M-11 not SMTP": """
        C: Subject: x
        S: 221 2.7.0 Error: I can break rules, too. Goodbye.
        S: EOF""",
    "M-11 HTTP": """
        C: GET / HTTP/1.0
        S: 221 2.7.0 Error: I can break rules, too. Goodbye.
        S: EOF""",
    "M-12 empty line and NUL": """
        C: 
        S: 500 5.5.2 Error: bad syntax
        C: \\x00NOOP
        S: 500 5.5.2 Error: bad syntax
        C: NOOP
        S: 250 2.0.0 Ok""",
    "M-14 order of commands": """
        C: HELO x
        S: 250
        C: RCPT TO:<u@customer.tld>
        S: 503 5.5.1 Error: need MAIL command
        C: DATA
        S: 503 5.5.1 Error: need RCPT command
        C: MAIL FROM:<a@b.test>
        S: 250 2.1.0 Ok
        C: MAIL FROM:<a@b.test>
        S: 503 5.5.1 Error: nested MAIL command
        C: DATA
        S: 554 5.5.1 Error: no valid recipients
        C: RCPT TO:<u@customer.tld>
        S: 250 2.1.5 Ok
        C: DATA x
        S: 501 5.5.4 Syntax: DATA""",
    "M-20 null sender, sender without domain": """
        C: HELO x
        S: 250
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok
        C: RSET
        S: 250
        C: MAIL FROM:<postmaster>
        S: 250 2.1.0 Ok""",
    "M-22 SIZE": """
        C: EHLO x
        S: 250
        C: MAIL FROM:<a@b.test> SIZE=abc
        S: 501 5.5.4 Bad message size syntax
        C: MAIL FROM:<a@b.test> SIZE=10240001
        S: 552 5.3.4 Message size exceeds fixed limit
        C: MAIL FROM:<a@b.test> SIZE=99999999999999999999999
        S: 552 5.3.4 Message size exceeds file system imposed limit
        C: MAIL FROM:<a@b.test> SIZE=10240000
        S: 250 2.1.0 Ok""",
    "M-23 BODY, M-26 no transaction left open": """
        C: EHLO x
        S: 250
        C: MAIL FROM:<a@b.test> BODY=BINARYMIME
        S: 555 5.5.4 Unsupported option: BODY=BINARYMIME
        C: MAIL FROM:<a@b.test> BODY=8BITMIME
        S: 250 2.1.0 Ok""",
    "M-24 RET and ENVID": """
        C: EHLO x
        S: 250
        C: MAIL FROM:<a@b.test> RET=MAYBE
        S: 501 5.5.4 Bad RET parameter syntax
        C: MAIL FROM:<a@b.test> RET=FULL RET=HDRS
        S: 501 5.5.4 Bad RET parameter syntax
        C: MAIL FROM:<a@b.test> ENVID=
        S: 501 5.5.4 Bad ENVID parameter syntax
        C: MAIL FROM:<a@b.test> RET=HDRS ENVID=q+2Dw
        S: 250 2.1.0 Ok""",
    "M-30 postmaster, M-31 recipients": """
        C: EHLO x
        S: 250
        C: MAIL FROM:<a@b.test>
        S: 250
        C: RCPT TO:<>
        S: 501 5.1.3 Bad recipient address syntax
        C: RCPT TO:<u@.d>
        S: 501 5.1.3 Bad recipient address syntax
        C: RCPT TO:
        S: 501 5.5.4 Syntax: RCPT TO:<address>
        C: RCPT TO:<u@customer.tld.>
        S: 250 2.1.5 Ok
        C: RCPT TO:<@x.test,@y.test:u@customer.tld>
        S: 250 2.1.5 Ok
        C: RCPT TO:<u@customer.tld> FOO=BAR
        S: 555 5.5.4 Unsupported option: FOO=BAR""",
    "M-32 NOTIFY and ORCPT": """
        C: EHLO x
        S: 250
        C: MAIL FROM:<a@b.test>
        S: 250
        C: RCPT TO:<u@customer.tld> NOTIFY=NEVER,FAILURE
        S: 501 5.5.4 Error: Bad NOTIFY parameter syntax
        C: RCPT TO:<u@customer.tld> NOTIFY=
        S: 501 5.5.4 Error: Bad NOTIFY parameter syntax
        C: RCPT TO:<u@customer.tld> ORCPT=rfc822
        S: 501 5.5.4 Error: Bad ORCPT parameter syntax
        C: RCPT TO:<u@customer.tld> ORCPT=;x
        S: 501 5.5.4 Error: Bad ORCPT parameter syntax
        C: RCPT TO:<u@customer.tld> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test
        S: 250 2.1.5 Ok""",
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(server, name):
    converse(server.port, CONVERSATIONS[name])


def test_greeting_and_ehlo_list(server):
    # M-1, M-3, M-4
    with Client(server.port) as client:
        assert client.greeting == f"220 {HOST} ESMTP Sluice"
        assert client.command("EHLO x").split("\n") == [
            f"250-{HOST}", "250-PIPELINING", "250-SIZE 10240000", "250-VRFY", "250-ETRN",
            "250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-DSN",
            "250 CHUNKING"]


def test_ehlo_keywords_can_be_left_out(make_server):
    server = make_server(smtpd_discard_ehlo_keywords=["etrn"], message_size_limit=5000,
                         smtpd_banner="$myhostname here")
    with Client(server.port) as client:
        assert client.greeting == f"220 {HOST} here"
        lines = client.command("EHLO x").split("\n")
        assert "250-ETRN" not in lines and "250-SIZE 5000" in lines
        client.expect("ETRN customer.tld", "251")


SENDERS = {  # M-21
    "<a@b.test": "501 5.1.7 Bad sender address syntax",
    "<a@b..c>": "501 5.1.7 Bad sender address syntax",
    "<a@-b>": "501 5.1.7 Bad sender address syntax",
    "<a b@c.test>": "501 5.1.7 Bad sender address syntax",
    "<a@1.2.3.4>": "501 5.1.7 Bad sender address syntax",
    "": "501 5.5.4 Syntax: MAIL FROM:<address>",
    "<a@b.test>>": "250 2.1.0 Ok",
    "a@b.test": "250 2.1.0 Ok",
    "<@x.test,@y.test:a@b.test>": "250 2.1.0 Ok",
    '<"a b"@c.test>': "250 2.1.0 Ok",
}


@pytest.mark.parametrize("sender", SENDERS)
def test_sender_syntax(server, sender):
    with Client(server.port) as client:
        client.expect(f"MAIL FROM:{sender}", SENDERS[sender])


ROUTED = ["u%other.test@customer.tld", "u@other.test@customer.tld", '"u@other.test"@customer.tld',
          "other.test!u@customer.tld"]


def test_strangers_may_mail_relay_domains_only(server):
    # M-33, S12, S24, S25, M-36
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@customer.tld>", "250 2.1.5 Ok")
        client.expect("RCPT TO:<u@elsewhere.tld>",
                      "554 5.7.1 <u@elsewhere.tld>: Relay access denied")
        for address in ROUTED:
            reply = client.expect(f"RCPT TO:<{address}>", "554 5.7.1 <")
            assert reply.endswith(": Relay access denied"), reply
        assert client.expect('RCPT TO:<"u@other.test"@customer.tld>', "554") == \
            "554 5.7.1 <u@other.test@customer.tld>: Relay access denied"  # M-35
    line = (r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.9\]: 554 5\.7\.1 "
            r"<u@elsewhere\.tld>: Relay access denied; from=<a@b\.test> "
            r"to=<u@elsewhere\.tld> proto=ESMTP helo=<client\.example>")
    server.wait_for_log(line)
    assert len(re.findall(line, server.log())) == 1
    with Client(server.port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@elsewhere.tld>", "250 2.1.5 Ok")


def test_a_table_that_cannot_be_asked_is_temporary(make_server, folder):
    # R-26, T-8, S38: 451, one log line, and right again once the table is there
    server = make_server(transport_maps=[f"hash:{folder}/d/later"])
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@customer.tld>",
                      "451 4.3.0 <u@customer.tld>: Temporary lookup failure")
    server.wait_for_log(rf"warning: RCPT from unknown\[127\.0\.0\.9\]: .*hash:{folder}/d/later")
    server.table("later", "customer.tld etrn-only:[127.0.0.1]:9\n")

    def is_accepted():
        with Client(server.port, source=STRANGER) as client:
            client.expect("MAIL FROM:<a@b.test>", "250")
            return client.command("RCPT TO:<u@customer.tld>").startswith("250")

    wait_for(is_accepted, 15, 0.5)


def test_relay_domains_from_a_table(make_server, folder):
    server = make_server(relay_domains=["other.tld", f"hash:{folder}/d/domains"])
    server.table("domains", "tabled.tld x\n")
    wait_for(lambda: rcpt(server, "u@tabled.tld").startswith("250"), 15, 0.5)
    assert rcpt(server, "u@other.tld").startswith("250")
    assert rcpt(server, "u@sub.other.tld").startswith("250")
    assert rcpt(server, "u@third.tld").startswith("554")


def rcpt(server, address):
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        return client.command(f"RCPT TO:<{address}>")


def test_a_changed_table_is_seen_by_a_session_that_is_open(make_server, folder):
    # S38
    server = make_server(relay_domains=[f"hash:{folder}/d/domains"])
    server.table("domains", "first.tld x\n")
    with Client(server.port, source=STRANGER) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        wait_for(lambda: client.command("RCPT TO:<u@first.tld>").startswith("250"), 15, 0.3)
        client.expect("RCPT TO:<u@second.tld>", "554")
        server.table("domains", "second.tld x\n")
        client.expect("RCPT TO:<u@second.tld>", "250")
        client.expect("RCPT TO:<u@first.tld>", "554")


def test_postmaster(make_server, sink):
    # M-30; without a local transport it follows postmaster_route, else 451
    with Client(make_server().port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<postmaster>", "451 ")
    server = make_server(postmaster_route=f"smtp:{sink.nexthop}")
    with Client(server.port, source=STRANGER) as client:
        assert client.message("a@b.test", "PostMaster", b"X: y\r\n\r\n").startswith("250 2.0.0")
    wait_for(lambda: sink.count == 1)


def test_pipelining(server):
    # M-65: replies in order, DATA after one accepted recipient; all in one write
    with Client(server.port, source=STRANGER) as client:
        client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@customer.tld>\r\n"
                    "RCPT TO:<u@elsewhere.tld>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "554", "354"]
        client.send("X: y\r\n\r\nbody\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        assert client.reply().startswith("250 2.0.0 Ok: queued as ")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "221"]


LAST_IN_A_GROUP = {  # M-64
    "": "EHLO x",
    "HELO x": "RSET",
    "EHLO x": "EHLO x",
    "EHLO y": "HELO x",
    "EHLO z": "NOOP",
    "EHLO a": "VRFY u@customer.tld",
    "EHLO b": "STARTTLS",
    "EHLO c": "AUTH PLAIN",
}


@pytest.mark.parametrize("hello", LAST_IN_A_GROUP)
def test_unauthorised_pipelining(server, hello):
    # M-64
    command = LAST_IN_A_GROUP[hello]
    with Client(server.port, hello=None) as client:
        client.reply()
        if hello:
            client.expect(hello, "250")
        client.send(f"{command}\r\nMAIL FROM:<a@b.test>\r\n")
        assert client.reply() == "554 5.5.0 Error: SMTP protocol synchronization"
        assert client.reply() == ""
    server.wait_for_log(rf"improper command pipelining after {command.split()[0]} from ")


def test_unauthorised_pipelining_of_data(server):
    # M-64
    with Client(server.port) as client:
        client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@customer.tld>\r\nDATA\r\nX: y\r\n.\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "554"]
        assert client.reply() == ""
    assert server.queue() == []


def test_pipelining_may_be_allowed(make_server):
    # M-64
    server = make_server(smtpd_forbid_unauth_pipelining=False)
    with Client(server.port, hello=None) as client:
        client.send("HELO x\r\nNOOP\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n")
        assert [client.reply()[:3] for _ in range(5)] == ["220", "250", "250", "250", "221"]


def test_chunks(make_server, sink):
    # M-55: what looks like an end of data and further commands is content, and stays it on its way
    server = make_server()
    server.table("transport", f"customer.tld relay:{sink.nexthop}\n")
    smuggled = (b"X: y\r\n\r\nbody\r\n.\r\nMAIL FROM:<evil@b.test>\r\n"
                b"RCPT TO:<u@customer.tld>\r\nDATA\r\n.\r\n..\r\nBDAT 5 LAST\r\nx\n.\n\r.\r")
    stored = smuggled.replace(b"x\n.\n\r.\r", b"x\r\n.\r\n . \r\n")
    large = b"X: y\r\n\r\n" + b"." * 78 + b"\r\n" + (b"z" * 78 + b"\r\n") * 2000
    with Client(server.port) as client:
        for content, size in ((smuggled, 1), (smuggled, 7), (smuggled, 1000), (large, 50000)):
            client.expect("MAIL FROM:<a@b.test>", "250")
            client.expect("RCPT TO:<u@customer.tld>", "250")
            chunks = [content[at:at + size] for at in range(0, len(content), size)]
            client.send(b"".join(b"BDAT %d\r\n%b" % (len(chunk), chunk) for chunk in chunks)
                        + b"BDAT 0 LAST\r\n")
            for chunk in chunks:
                assert client.reply() == f"250 2.0.0 Ok: {len(chunk)} bytes"
            assert client.reply().startswith(f"250 2.0.0 Ok: {len(content)} bytes queued as ")
        client.expect("BDAT many", "521 5.5.4 Syntax: BDAT count [LAST]")
        assert client.reply() == ""
    wait_for(lambda: sink.count == 4)
    assert sorted(sink.bodies()) == sorted([stored, stored, stored, large])
    assert sink.count == 4


END_OF_DATA = {  # M-60: none of these ends the data
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
}


@pytest.mark.parametrize("name", END_OF_DATA)
def test_only_crlf_dot_crlf_ends_the_data(server, name):
    with Client(server.port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@customer.tld>", "250")
        client.expect("DATA", "354")
        client.send(b"X: y\r\n\r\nbody" + END_OF_DATA[name] + b"RSET\r\n")
        client.socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(30)
        client.send(b".\r\n")
        client.file = client.socket.makefile("rb")
        assert client.reply().startswith("250 2.0.0 Ok: queued as ")


def test_bare_newlines_can_be_refused(make_server):
    # M-61
    server = make_server(smtpd_forbid_bare_newline="reject")
    refusal = f"550 5.5.2 {HOST} Error: bare <LF> received"
    with Client(server.port) as client:
        reply = client.message("a@b.test", "u@customer.tld", b"X: y\r\n\r\none\ntwo\r\n")
        assert reply.startswith(f"550 5.5.2 {HOST} Error: bare <LF> received"), reply
        client.expect("NOOP", "250")
        client.send(b"NOOP\n")
        assert client.reply() == refusal
        assert client.reply() == ""
    server.wait_for_log(rf": reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: {re.escape(refusal)}; "
                        r"from=<a@b\.test> to=<u@customer\.tld> proto=ESMTP helo=<client\.example>")
    server.wait_for_log(r"bare <LF> received after NOOP from localhost\[127\.0\.0\.1\]")


def test_the_code_for_bare_newlines(make_server):
    # M-61
    server = make_server(smtpd_forbid_bare_newline="reject",
                         smtpd_forbid_bare_newline_reject_code=521)
    with Client(server.port) as client:
        client.send(b"NOOP\n")
        assert client.reply() == f"521 5.5.2 {HOST} Error: bare <LF> received"


def test_forbidden_commands(make_server):
    # M-11
    server = make_server(smtpd_forbidden_commands=["POST", "Get"])
    rules = "221 2.7.0 Error: I can break rules, too. Goodbye."
    for command, reply in {"POST / HTTP/1.1": rules, "GET /": rules, "CONNECT x:25": "500 5.5.2",
                           "Subject: x": rules, "Received : x": "500 5.5.2", "\x16\x03\x01": rules,
                           "<html>": rules, "1": rules, "-": rules, "PUT /": "500 5.5.2"}.items():
        with Client(server.port) as client:
            client.expect(command, reply)
            if reply == rules:
                assert client.reply() == ""
    server.wait_for_log(r"warning: non-SMTP command from localhost\[127\.0\.0\.1\]: POST / HTTP/1\.1\n")


def test_too_large_is_swallowed_and_refused(make_server):
    # M-43
    server = make_server(message_size_limit=5000)
    with Client(server.port) as client:
        for size in (6000, 300000):
            reply = client.message("a@b.test", "u@customer.tld", b"X: y\r\n\r\n" + b"z" * 70 * size)
            assert reply.startswith("552 5.3.4 Error: message file too big"), reply
        client.expect("MAIL FROM:<a@b.test>", "250")
    assert server.queue() == []


def test_hop_count(server):
    # M-44
    field = b"Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    with Client(server.port) as client:
        reply = client.message("a@b.test", "u@customer.tld", field * 60 + b"\r\nbody\r\n")
        assert reply.startswith("554 5.4.0 Error: too many hops"), reply
        reply = client.message("a@b.test", "u@customer.tld", field * 10 + b"\r\n" + field * 60)
        assert reply.startswith("250"), reply


def test_command_too_long(server):
    # M-70
    with Client(server.port) as client:
        assert client.command("NOOP " + "x" * 9000).startswith("500 5.5.2 ")
        client.expect("NOOP", "250")


def test_recipient_limit(make_server):
    server = make_server(smtpd_recipient_limit=3)
    with Client(server.port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        for number in range(3):
            client.expect(f"RCPT TO:<u{number}@customer.tld>", "250")
        client.expect("RCPT TO:<u4@customer.tld>", "452 4.5.3 Error: too many recipients")
        client.expect("DATA", "354")
        client.send("X: y\r\n\r\n.\r\n")
        assert client.reply().startswith("250")


def test_errors_are_counted_slowed_and_end_the_session(make_server):
    # M-71, M-46
    server = make_server(smtpd_soft_error_limit=3, smtpd_hard_error_limit=5,
                         smtpd_error_sleep_time="1s")
    with Client(server.port) as client:
        for _ in range(3):
            client.expect("BAD", "500")
        started = time.monotonic()
        client.expect("BAD", "500")
        assert time.monotonic() - started >= 0.9
        client.expect("BAD", "500")
        assert client.reply().startswith(f"421 4.7.0 {HOST} Error: too many errors")
        assert client.reply() == ""
    with Client(server.port) as client:
        for _ in range(4):
            client.expect("BAD", "500")
        assert client.message("a@b.test", "u@customer.tld", b"X: y\r\n\r\n").startswith("250")
        for _ in range(4):
            client.expect("BAD", "500")
        client.expect("NOOP", "250")


def test_junk_commands(make_server):
    # M-72: what is beyond the limit counts as an error, and the reply to the last one is still said
    server = make_server(smtpd_junk_command_limit=5, smtpd_hard_error_limit=3,
                         smtpd_soft_error_limit=3, smtpd_error_sleep_time=0)
    for command in ("NOOP", "RSET", "VRFY u@customer.tld", "HELO x", "EHLO x", "ETRN customer.tld"):
        with Client(server.port, hello=None) as client:
            client.reply()
            for _ in range(9):
                client.expect(command, "25")
            assert client.reply() == f"421 4.7.0 {HOST} Error: too many errors"
            assert client.reply() == ""
        server.wait_for_log(rf"too many errors after {command.split()[0]} from localhost\[127")


def test_a_silent_client_is_sent_away(make_server):
    # M-73
    server = make_server(smtpd_timeout="2s")
    with Client(server.port) as client:
        assert client.reply().startswith(f"421 4.4.2 {HOST} Error: timeout exceeded")
        assert client.reply() == ""


def test_helo_required_and_vrfy_disabled(make_server):
    # M-13, M-9
    server = make_server(smtpd_helo_required=True, disable_vrfy_command=True)
    converse(server.port, """
        C: MAIL FROM:<a@b.test>
        S: 503 5.5.1 Error: send HELO/EHLO first
        C: ETRN customer.tld
        S: 503 Error: send HELO/EHLO first
        C: VRFY u@customer.tld
        S: 502 5.5.1 VRFY command is disabled""")


def test_restriction_lists(make_server):
    # M-37: relay restrictions first, then recipient restrictions; the first verdict of each counts
    server = make_server(smtpd_recipient_restrictions=["permit_mynetworks", "reject"])
    assert rcpt(server, "u@customer.tld") == \
        "554 5.7.1 <u@customer.tld>: Recipient address rejected: Access denied"
    with Client(server.port) as client:
        client.expect("MAIL FROM:<a@b.test>", "250")
        client.expect("RCPT TO:<u@customer.tld>", "250")


def test_a_client_that_vanishes_leaves_nothing(server):
    # M-47
    client = Client(server.port)
    client.expect("MAIL FROM:<a@b.test>", "250")
    client.expect("RCPT TO:<u@customer.tld>", "250")
    client.expect("DATA", "354")
    client.send("X: y\r\n\r\nhalf a mess")
    client.close()
    server.wait_for_log("lost connection after DATA")
    assert server.queue() == []


def test_queue_id_runs_through_the_log(make_server, sink):
    """Q-3, Q-4."""
    server = make_server()
    server.table("transport", f"customer.tld relay:{sink.nexthop}\n")
    time.sleep(1.1)
    queue_id = send(server.port)
    wait_for(lambda: f"{queue_id}: removed" in server.log())
    log = server.log()
    assert re.fullmatch(r"[0-9A-F]{16}", queue_id)
    for pattern in [rf"smtpd\[\d+\]: {queue_id}: client=localhost\[127\.0\.0\.1\]",
                    rf"qmgr\[\d+\]: {queue_id}: from=<sender@isp\.example>, size=\d+, nrcpt=1 "
                    rf"\(queue active\)",
                    rf"{queue_id}: to=<user@customer\.tld>, relay=\S+\[127\.0\.0\.1\]:{sink.port}, "
                    rf"delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent "
                    rf"\(250 2\.0\.0 Ok\)",
                    rf"{queue_id}: removed"]:
        assert re.search(pattern, log), f"{pattern} not in\n{log}"
