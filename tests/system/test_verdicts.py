# SPDX-License-Identifier: ISC
"""Transports that settle mail without delivering it: error, retry, discard (spec R-24, R-25)."""

import re

import pytest

from client import Client, send
from daemon import wait_for


@pytest.fixture
def make_router(make_daemon):
    """A daemon whose transport table has these lines; its DNS answers nobody."""
    def make(lines, **settings):
        daemon = make_daemon(start=False)
        daemon.change({"relay_domains": ["customer.tld"], "dns_servers": ["127.0.0.1@1"],
                       "minimal_backoff_time": "300s",
                       "transport_maps": [daemon.table("transport", "".join(f"{line}\n" for line in lines))],
                       **settings})
        daemon.start()
        return daemon

    return make


def result_of(daemon, address):
    """relay, dsn and status of that recipient, once they are logged."""
    line = daemon.wait_for_log(rf"to=<{re.escape(address)}>.*? relay=(\S+), .*dsn=(\S+), status=(.*)")
    return line.groups()


@pytest.mark.parametrize("result, reply", [
    ("error:Gone fishing", "550 5.1.1 <u@customer.tld>: Recipient address rejected: Gone fishing"),
    ("error:5.7.9 Gone fishing", "550 5.7.9 <u@customer.tld>: Recipient address rejected: Gone fishing"),
    ("retry:Gone fishing", "450 4.1.1 <u@customer.tld>: Recipient address rejected: Gone fishing"),
    ("retry:4.7.9 Gone fishing", "450 4.7.9 <u@customer.tld>: Recipient address rejected: Gone fishing"),
    ("error:", "550 5.1.1 <u@customer.tld>: Recipient address rejected: Address is undeliverable"),
    ("retry", "450 4.1.1 <u@customer.tld>: Recipient address rejected: Address is undeliverable"),
])
def test_at_rcpt(make_router, result, reply):
    """R-24."""
    daemon = make_router([f"customer.tld {result}"])
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<sender@isp.example>", "250")
        assert client.command("RCPT TO:<u@customer.tld>") == reply


def test_in_the_queue(make_router):
    """R-24, R-25: mail that is queued already, or whose recipients are not looked at when it comes."""
    daemon = make_router([
        "one.tld error:Gone fishing", "two.tld error:5.7.9 Gone fishing",
        "three.tld error:4.7.9 Gone fishing", "four.tld retry:Gone fishing",
        "five.tld retry:4.7.9 Gone fishing", "six.tld discard:Nobody wants it",
        "seven.tld discard:", "isp.example discard:",
    ], smtpd_reject_unlisted_recipient=False)
    for domain in ("one", "two", "three", "four", "five", "six", "seven"):
        send(daemon.port, recipients=[f"u@{domain}.tld"])
    assert result_of(daemon, "u@one.tld") == ("none", "5.0.0", "bounced (Gone fishing)")
    assert result_of(daemon, "u@two.tld") == ("none", "5.7.9", "bounced (Gone fishing)")
    assert result_of(daemon, "u@three.tld") == ("none", "5.0.0", "bounced (Gone fishing)")
    assert result_of(daemon, "u@four.tld") == ("none", "4.0.0", "deferred (Gone fishing)")
    assert result_of(daemon, "u@five.tld") == ("none", "4.7.9", "deferred (Gone fishing)")
    assert result_of(daemon, "u@six.tld") == ("none", "2.0.0", "sent (Nobody wants it)")
    assert result_of(daemon, "u@seven.tld") == ("none", "2.0.0", "sent (seven.tld)")
    wait_for(lambda: len(daemon.queue()) == 2)  # the two that are to be tried again


def test_verified_and_not_delivered(make_router):
    """sendmail -bv: the same answers."""
    daemon = make_router(["one.tld error:Gone fishing", "two.tld discard:Nobody wants it",
                          "isp.example discard:"], myorigin="isp.example")
    daemon.command("sendmail", "-bv", "u@one.tld", "u@two.tld")
    assert result_of(daemon, "u@one.tld") == ("none", "5.0.0", "undeliverable (Gone fishing)")
    assert result_of(daemon, "u@two.tld") == ("none", "2.0.0", "deliverable (Nobody wants it)")


@pytest.mark.parametrize("parameter", ["local_transport", "virtual_transport", "relay_transport",
                                       "default_transport"])
def test_a_class_without_its_transport_does_not_check(make_daemon, parameter):
    daemon = make_daemon(start=False, settings={parameter: "nowhere:x"})
    assert f'{parameter}: there is no transport "nowhere"' in \
        daemon.command("sluiced", "-t", check=False).stderr
