# SPDX-License-Identifier: ISC
"""Reports: whom is told what, when, and in which form."""

import email
import email.policy
import json
import re
import subprocess
import time

import pytest

from client import Client, send
from daemon import wait_for

SENDER = "sender@isp.example"


@pytest.fixture
def make_server(make_daemon, sink):
    """customer.tld goes to a host of the test's; isp.example, where senders are, to the sink."""
    def make(host=None, tables=(), **settings):
        server = make_daemon(start=False)
        routes = [f"isp.example relay:{sink.nexthop}"]
        if host is not None:
            routes.append(f"customer.tld relay:{host.nexthop}")
        server.change({
            "relay_domains": ["customer.tld", "isp.example"], "minimal_backoff_time": "1s",
            "maximal_backoff_time": "1s",
            "transport_maps": [server.table("transport", "\n".join([*routes, *tables, ""]))],
            **settings})
        server.start()
        return server

    return make


def refusing(code="550 5.1.1 unknown user"):
    return {"RCPT": lambda line: code if "<bad" in line else "250 2.1.5 Ok"}


class Report:
    """A report as Python's own parser sees it."""

    def __init__(self, transaction):
        self.transaction = transaction
        self.message = email.message_from_bytes(transaction.data, policy=email.policy.default)
        assert self.message.get_content_type() == "multipart/report"
        assert not self.message.defects
        self.text, self.status, self.returned = self.message.get_payload()
        self.fields, *self.recipients = self.status.get_payload()

    def by_recipient(self, name):
        return {re.sub(r"^\w+; *", "", block["Final-Recipient"]): block[name]
                for block in self.recipients}


def reports(sink):
    with sink.lock:
        return [Report(message) for message in sink.messages]


def test_three_failures_are_one_report(make_server, make_sink, sink):
    """Q-64, Q-70 to Q-72."""
    host = make_sink(replies=refusing())
    server = make_server(host)
    recipients = ["bad1@customer.tld", "good@customer.tld", "bad2@customer.tld", "bad3@customer.tld"]
    original = send(server.port, SENDER, recipients, b"Subject: hello\r\n\r\ntext\r\n")
    wait_for(lambda: sink.count == 1)
    wait_for(lambda: server.queue() == [])
    assert sink.count == 1 and host.count == 1

    report = reports(sink)[0]
    assert report.transaction.mail.startswith("FROM:<>")
    assert report.transaction.recipients == [f"<{SENDER}>"]
    message = report.message
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.isp.example>"
    assert message["To"] == SENDER
    assert message["Subject"] == "Undelivered Mail Returned to Sender"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] and message["Date"] and message["Received"]
    assert message.get_param("report-type") == "delivery-status"
    assert report.text.get_content_type() == "text/plain"
    assert "<bad2@customer.tld>:" in report.text.get_content()
    assert report.fields["Reporting-MTA"] == "dns; mx.isp.example"
    assert report.fields["X-Sluice-Queue-ID"] == original
    assert report.fields["X-Sluice-Sender"] == f"rfc822; {SENDER}"
    assert report.fields["Arrival-Date"]
    assert sorted(report.by_recipient("Action").items()) == [
        (f"bad{i}@customer.tld", "failed") for i in (1, 2, 3)]
    assert set(report.by_recipient("Status").values()) == {"5.1.1"}
    assert set(report.by_recipient("Diagnostic-Code").values()) == {"smtp; 550 5.1.1 unknown user"}
    assert set(report.by_recipient("Remote-MTA").values()) == {"dns; 127.0.0.1"}
    returned = report.returned
    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_payload(0)["Subject"] == "hello"
    assert re.search(rf"{original}: sender non-delivery notification: [0-9A-F]{{16}}", server.log())


# -- whom is told what

NOTIFY = ["", "NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE,DELAY"]


def wants(notify, word):
    return word in notify or notify == "" and word in ("FAILURE", "DELAY")


def submit(server, recipients, mail_parameters="", sender=SENDER, content=b"Subject: x\r\n\r\ny\r\n"):
    """recipients: {address: parameters of RCPT}."""
    with Client(server.port) as client:
        client.expect(f"MAIL FROM:<{sender}>{mail_parameters}", "250")
        for address, parameters in recipients.items():
            client.expect(f"RCPT TO:<{address}>{parameters}", "250")
        client.expect("DATA", "354")
        client.send(content + b".\r\n")
        reply = client.reply()
        assert reply.startswith("250 "), reply
        return reply.rsplit(" ", 1)[1]


@pytest.mark.parametrize("has_dsn", [True, False])
def test_notify_and_what_becomes_of_it(make_server, make_sink, sink, has_dsn):
    """One message each for every NOTIFY, with a recipient that fails, one that is late, one that is fine."""
    host = make_sink(
        extensions=("PIPELINING", "8BITMIME", *(["DSN"] if has_dsn else [])),
        replies={"RCPT": lambda line: "550 5.1.1 no" if "<bad" in line else
                 "450 4.2.1 later" if "<late" in line else "250 2.1.5 Ok"})
    server = make_server(host, delay_warning_time="1s", minimal_backoff_time="60s",
                         maximal_backoff_time="60s")
    expected = {}
    for number, notify in enumerate(NOTIFY):
        sender = f"sender{number}@isp.example"
        parameter = f" NOTIFY={notify}" if notify else ""
        submit(server, {f"{part}{number}@customer.tld": parameter
                        for part in ("bad", "late", "good")}, sender=sender)
        expected[sender] = {
            *({("failed", f"bad{number}@customer.tld")} if wants(notify, "FAILURE") else ()),
            *({("delayed", f"late{number}@customer.tld")} if wants(notify, "DELAY") else ()),
            *({("relayed", f"good{number}@customer.tld")}
              if wants(notify, "SUCCESS") and not has_dsn else ())}

    def told():
        found = {sender: set() for sender in expected}
        for report in reports(sink):
            for recipient, action in report.by_recipient("Action").items():
                found[report.message["To"]].add((action, recipient))
        return found

    wait_for(lambda: told() == expected)
    wait_for(lambda: [len(m["recipients"]) for m in server.queue()] == [3] * len(NOTIFY))
    assert sum(map(len, expected.values())) == sink.count  # and nobody is told twice
    if has_dsn:
        for number, notify in enumerate(NOTIFY):
            [command] = [c for c in host.commands if c.startswith(f"RCPT TO:<good{number}@")]
            assert ("NOTIFY=" in command) == bool(notify)
            assert f"ORCPT=rfc822;good{number}@customer.tld" in command


def test_a_success_report(make_server, make_sink, sink):
    host = make_sink(extensions=())
    server = make_server(host)
    submit(server, {"good@customer.tld": " NOTIFY=SUCCESS ORCPT=rfc822;Sir+2BGood@customer.tld"},
           " RET=FULL ENVID=env+2Bid+3D1")
    wait_for(lambda: sink.count == 1)
    report = reports(sink)[0]
    assert report.message["Subject"] == "Successful Mail Delivery Report"
    assert report.fields["Original-Envelope-Id"] == "env+id=1"
    [block] = report.recipients
    assert block["Original-Recipient"] == "rfc822;Sir+Good@customer.tld"
    assert block["Action"] == "relayed" and block["Status"] == "2.0.0"
    assert block["Diagnostic-Code"] == "smtp; 250 2.0.0 Ok"
    assert report.returned.get_content_type() == "text/rfc822-headers"


def test_no_report_is_owed_without_a_sender(make_server, make_sink, sink):
    server = make_server(make_sink(replies=refusing()))
    queue_id = send(server.port, "", "bad@customer.tld")
    server.wait_for_log(f"{queue_id}: removed")
    assert sink.count == 0 and "notification" not in server.log()


def test_the_postmaster_gets_what_has_no_sender(make_server, make_sink, sink):
    """2bounce: whole, to the notice recipient, from double-bounce; and never a report on that."""
    host = make_sink(replies=refusing())
    server = make_server(host, notify_classes=["2bounce"],
                         double_bounce_notice_recipient="boss@isp.example")
    send(server.port, "", "bad@customer.tld", b"Subject: a report\r\n\r\nof somebody\r\n")
    wait_for(lambda: sink.count == 1)
    report = reports(sink)[0]
    assert report.transaction.mail.startswith("FROM:<double-bounce@mx.isp.example>")
    assert report.transaction.recipients == ["<boss@isp.example>"]
    assert report.message["Subject"] == "Postmaster Copy: Undelivered Mail"
    assert report.returned.get_payload(0).get_payload() == "of somebody\r\n"

    server.change({"double_bounce_notice_recipient": "bad@customer.tld"})
    server.stop()
    server.start()
    send(server.port, "", "bad2@customer.tld")
    server.wait_for_log(r"from=<double-bounce@mx.isp.example>")
    wait_for(lambda: server.queue() == [])
    assert len(re.findall("postmaster non-delivery notification", server.log())) == 2


def test_copies_for_the_postmaster(make_server, make_sink, sink):
    """Q-78."""
    host = make_sink(replies={"RCPT": lambda line: "550 5.1.1 no" if "<bad" in line else "450 4.2.1 later"})
    server = make_server(host, notify_classes=["bounce", "delay"], delay_warning_time="1s",
                         bounce_notice_recipient="boss@isp.example",
                         delay_notice_recipient="deputy@isp.example")
    send(server.port, SENDER, ["bad@customer.tld", "late@customer.tld"])
    wait_for(lambda: sink.count == 4)
    assert sorted((r.transaction.recipients[0], r.message["Subject"]) for r in reports(sink)) == [
        ("<boss@isp.example>", "Postmaster Copy: Undelivered Mail"),
        ("<deputy@isp.example>", "Postmaster Warning: Delayed Mail"),
        (f"<{SENDER}>", "Delayed Mail (still being retried)"),
        (f"<{SENDER}>", "Undelivered Mail Returned to Sender")]


def test_a_sender_that_cannot_be_reached(make_server, make_sink):
    """The report fails for good, too: that ends it."""
    host = make_sink(replies={"RCPT": "550 5.1.1 no"})
    server = make_server(host)
    send(server.port, "somebody@customer.tld", "bad@customer.tld")
    server.wait_for_log("sender non-delivery notification")
    server.wait_for_log("to=<somebody@customer.tld>.*status=bounced")
    wait_for(lambda: server.queue() == [])
    assert len(re.findall("notification", server.log())) == 1


# -- time

def test_what_is_too_old_goes_back(make_server, sink):
    """Unreachable, and held for ETRN without any attempt: each with its last reason."""
    server = make_server(tables=["customer.tld smtp:[127.0.0.1]:1", "etrn.tld etrn-only:[127.0.0.1]"],
                         relay_domains=["customer.tld", "etrn.tld"], maximal_queue_lifetime="3s")
    sent = time.monotonic()
    send(server.port, SENDER, ["a@customer.tld", "b@etrn.tld"])
    wait_for(lambda: sink.count == 1)
    assert time.monotonic() - sent >= 3
    report = reports(sink)[0]
    assert set(report.by_recipient("Action").values()) == {"failed"}
    assert report.by_recipient("Status") == {"a@customer.tld": "4.4.1", "b@etrn.tld": "4.3.2"}
    assert report.by_recipient("Diagnostic-Code")["b@etrn.tld"] == "X-Sluice; deferred transport"
    assert "Connection refused" in report.by_recipient("Diagnostic-Code")["a@customer.tld"]
    server.wait_for_log(f"from=<{SENDER}>, status=expired, returned to sender")
    wait_for(lambda: server.queue() == [])


def test_one_warning(make_server, make_sink, sink):
    """Q-74."""
    server = make_server(make_sink(replies={"RCPT": "450 4.2.1 later"}), delay_warning_time="1s")
    send(server.port, SENDER, "late@customer.tld", b"Subject: x\r\n\r\nbody\r\n")
    wait_for(lambda: sink.count == 1)
    wait_for(lambda: server.log().count("status=deferred") >= 5)
    server.stop()
    server.start()  # and none after a restart
    wait_for(lambda: server.log().count("status=deferred") >= 7)
    assert sink.count == 1
    report = reports(sink)[0]
    assert report.message["Subject"] == "Delayed Mail (still being retried)"
    assert report.by_recipient("Action") == {"late@customer.tld": "delayed"}
    assert report.recipients[0]["Will-Retry-Until"]
    assert report.returned.get_content_type() == "text/rfc822-headers"
    assert "body" not in report.returned.get_content()


# -- form

@pytest.mark.parametrize("size, parameters, settings, is_whole", [
    (40_000, "", {}, True),
    (60_000, "", {}, False),
    (60_000, "", {"bounce_size_limit": 100_000}, True),
    (90_000, "", {"bounce_size_limit": 200_000}, True),  # a file on its way
    (1_000, " RET=HDRS", {}, False),
    (1_000, " RET=FULL", {}, True),
])
def test_how_much_comes_back(make_server, make_sink, sink, size, parameters, settings, is_whole):
    server = make_server(make_sink(replies=refusing()), **settings)
    line = b"x" * 70 + b"\r\n"
    submit(server, {"bad@customer.tld": ""}, parameters,
           content=b"Subject: large\r\nX-Other: y\r\n\r\n" + line * (size // len(line)))
    wait_for(lambda: sink.count == 1)
    returned = reports(sink)[0].returned
    if is_whole:
        assert returned.get_content_type() == "message/rfc822"
        assert len(returned.get_payload(0).get_payload()) == size // len(line) * len(line)
    else:
        assert returned.get_content_type() == "text/rfc822-headers"
        assert returned.get_content().count("xxx") == 0
        assert "Subject: large" in returned.get_content()


def test_8_bit_stays_8_bit(make_server, make_sink, sink):
    server = make_server(make_sink(replies=refusing()))
    body = "Grüße\r\n".encode("latin-1")
    submit(server, {"bad@customer.tld": ""}, " BODY=8BITMIME",
           content=b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\n" + body)
    wait_for(lambda: sink.count == 1)
    report = reports(sink)[0]
    assert "BODY=8BITMIME" in report.transaction.mail
    assert report.message["Content-Transfer-Encoding"] == "8bit"
    assert report.returned["Content-Transfer-Encoding"] == "8bit"
    assert body in report.transaction.data


# Each prints [[recipient, status, what it takes it for], ...].
PARSERS = {
    "BounceParser": """
        use Mail::DeliveryStatus::BounceParser; use JSON::PP;
        my $bounce = Mail::DeliveryStatus::BounceParser->new(join "", <STDIN>);
        die unless $bounce->is_bounce;
        print encode_json([map { [$_->get("email"), $_->get("status"), $_->get("std_reason")] }
                           $bounce->reports]);
    """,
    "sisimai": """
        use Sisimai; use JSON::PP; my $mail = join "", <STDIN>;
        print encode_json([map { [$_->recipient->address, $_->deliverystatus, $_->reason] }
                           @{ Sisimai->make(\\$mail) || [] }]);
    """,
}


@pytest.mark.parametrize("parser, reasons", [
    ("BounceParser", {"user_unknown", "over_quota"}), ("sisimai", {"userunknown", "mailboxfull"})])
def test_parsers_that_others_wrote(make_server, make_sink, sink, parser, reasons):
    host = make_sink(replies={"RCPT": lambda line: "552 5.2.2 <bad2@customer.tld>: mailbox is full"
                              if "<bad2" in line else "550 5.1.1 <bad1@customer.tld>: user unknown"})
    server = make_server(host)
    send(server.port, SENDER, ["bad1@customer.tld", "bad2@customer.tld"])
    wait_for(lambda: sink.count == 1)
    mailbox = sink.messages[0].data.replace(b"\r\n", b"\n")  # as they find it there
    result = subprocess.run(["perl", "-e", PARSERS[parser]], input=mailbox, capture_output=True,
                            timeout=60, check=True)
    found = json.loads(result.stdout)
    assert sorted(row[:2] for row in found) == [
        ["bad1@customer.tld", "5.1.1"], ["bad2@customer.tld", "5.2.2"]]
    assert {row[2] for row in found} == reasons


def test_no_report_is_lost_by_kill_9(make_server, make_sink, sink):
    host = make_sink(replies=refusing())
    server = make_server(host)
    count = 40
    for number in range(count):
        send(server.port, f"s{number}@isp.example", f"bad{number}@customer.tld")
        if number % 8 == 7:
            server.kill()
            server.start()

    def told():
        return {report.message["To"] for report in reports(sink)}

    wait_for(lambda: len(told()) == count, 40)
    wait_for(lambda: server.queue() == [], 40)
