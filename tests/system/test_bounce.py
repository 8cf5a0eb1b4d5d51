# SPDX-License-Identifier: ISC
"""Reports: whom is told what, when, and in which form."""

import email
import email.policy
import re
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
