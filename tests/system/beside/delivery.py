# SPDX-License-Identifier: ISC
"""
What is delivered, where to by default, and what is reported: spec R-4, R-22 to R-25, R-60 to R-63, M-41 to M-50,
M-60 to M-63, Q-60 to Q-77.
"""

from beside.case import Group, Mail
from beside.routing import HARD, SOFT, mx

PLAIN = ("PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES")  # no DSN

IMPROPER = "content without a proper header: it begins with `From `, or text follows without an empty line"

# ---- bytes -------------------------------------------------------------------------------------------


def content(name, number, data, **options):
    return Mail(name, f"u@c{number}.tld", options.pop("fate", "sent 2.0.0"), {f"10.9.20.{number}": {}},
                transport=f"c{number}.tld smtp:[10.9.20.{number}]", content=data, **options)


CONTENT = [
    content("M-41 dots", 1, b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\nx.\r\n"),
    content("M-62 a CR alone", 2, b"Subject: cr\rmid\r\n\r\ncr\rmid\r\n\rx\r\n"),
    content("M-62 a CR before CRLF", 21, b"Subject: x\r\n\r\nx\r\r\n", differs="CR before CRLF"),
    content("M-60 LF alone", 3, b"Subject: lf\n\nlf\nmid\r\n"),
    content("M-50 From_", 4, b"From me today\r\nSubject: x\r\n\r\nFrom you\r\n",
            differs=IMPROPER),
    content("M-50 From_ with >", 5, b">From me today\r\nSubject: x\r\n\r\nx\r\n",
            differs=IMPROPER),
    content("no header", 6, b"\r\njust text\r\n"),
    content("no header, no empty line", 7, b"just text\r\nmore text\r\n",
            differs=IMPROPER),
    content("header alone", 8, b"Subject: x\r\n"),
    content("a header that breaks off", 9, b"Subject: x\r\nnot a field\r\nX: y\r\n\r\nbody\r\n",
            differs=IMPROPER),
    content("a header that begins folded", 10, b" folded\r\nSubject: x\r\n\r\nbody\r\n",
            differs=IMPROPER),
    content("8 bits announced", 11, b"Subject: x\r\n\r\n\xe4\xf6\xfc\r\n", mail=" BODY=8BITMIME"),
    content("8 bits not announced", 12, b"Subject: x\r\n\r\n\xe4\xf6\xfc\r\n", differs="8-bit content that came without BODY=8BITMIME"),
    content("M-49 a line of 998", 13, b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n"),
    content("M-63 a longer line", 14, b"Subject: x\r\n\r\n" + b"y" * 3000 + b"\r\n", differs="`smtp_line_length_limit`"),
    content("M-49 nothing is added for strangers", 15, b"X-Only: this\r\n\r\nbody\r\n"),
    content("M-49 Bcc, Return-Path, Content-Length of others", 16,
            b"Return-Path: <x@y>\r\nBcc: z@z\r\nContent-Length: 7\r\nResent-Bcc: z@z\r\nX: 1\r\n\r\nbody\r\n",
            differs="`message_drop_headers`"),
    content("NUL", 17, b"Subject: x\r\n\r\na\0b\r\n", differs="NUL in content"),
    content("a large message", 18, b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 20000),
    content("many empty lines", 19, b"Subject: x\r\n\r\n" + b"\r\n" * 500),
    content("a long header field", 20, b"X-Long: " + b"z" * 900 + b"\r\n " + b"z" * 900 + b"\r\n\r\nbody\r\n"),
]

# ---- parameters and reports --------------------------------------------------------------------------


def report(name, number, fate, replies=None, **options):
    return Mail(name, options.pop("to", f"u@r{number}.tld"), fate, {f"10.9.21.{number}": replies or {}},
                transport=f"r{number}.tld smtp:[10.9.21.{number}]", **options)


BAD = {"RCPT": HARD}
SUCCESS_OF_OTHERS = {"extensions": PLAIN}

REPORTS = [
    report("Q-75 Q-76 passed on", 1, "sent 2.0.0", mail=" RET=HDRS ENVID=q+2Bw", rcpt=" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bx@y"),
    report("Q-76 ORCPT is added", 2, "sent 2.0.0", rcpt=" NOTIFY=FAILURE"),
    report("Q-76 ORCPT is added without NOTIFY", 3, "sent 2.0.0"),
    report("Q-75 a host without DSN: relayed", 4, "sent 2.0.0", SUCCESS_OF_OTHERS, rcpt=" NOTIFY=SUCCESS"),
    report("Q-75 a host without DSN, nothing asked", 5, "sent 2.0.0", SUCCESS_OF_OTHERS, rcpt=" NOTIFY=FAILURE,DELAY"),
    report("Q-65 failure, nothing asked", 6, "bounced 5.1.1", BAD),
    report("Q-65 failure asked", 7, "bounced 5.1.1", BAD, rcpt=" NOTIFY=FAILURE ORCPT=rfc822;orig@x.tld",
           mail=" ENVID=e1"),
    report("Q-72 Original-Recipient", 8, "bounced 5.1.1", BAD, differs="Original-Recipient in reports"),
    report("Q-65 NEVER", 9, "bounced 5.1.1", BAD, rcpt=" NOTIFY=NEVER", is_reported=False),
    report("Q-65 success alone asked", 10, "bounced 5.1.1", BAD, rcpt=" NOTIFY=SUCCESS", is_reported=False),
    report("Q-62 null sender", 11, "bounced 5.1.1", BAD, sender=None),
    report("Q-73 headers alone", 12, "bounced 5.1.1", BAD, mail=" RET=HDRS"),
    report("Q-73 FULL", 13, "bounced 5.1.1", BAD, mail=" RET=FULL"),
    report("Q-73 too large for a report", 14, "bounced 5.1.1", BAD, content=b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 3000),
    report("Q-64 three in one", 15, "bounced 5.1.1", BAD, to=["a@r15.tld", "b@r15.tld", "c@r15.tld"]),
    report("Q-72 reply of several lines", 16, "bounced 5.1.1", {"RCPT": "550-5.1.1 nobody\r\n550 5.1.1 here"}),
    report("Q-72 no enhanced code", 17, "bounced 5.0.0", {"RCPT": "550 nobody here"}),
    report("Q-77 8 bits", 18, "bounced 5.1.1", BAD, content=b"Subject: x\r\n\r\n\xe4\xf6\xfc\r\n", mail=" BODY=8BITMIME"),
    report("Q-72 rejected content", 19, "bounced 5.7.1", {"end": "550 5.7.1 spam"}),
    Mail("Q-75 discarded is delivered", "u@gone.tld", "sent 2.0.0", transport="gone.tld discard:", rcpt=" NOTIFY=SUCCESS"),
    Mail("R-24 error in the queue", "u@e1.tld", "bounced 5.0.0", transport="e1.tld error:no such place"),
    Mail("R-24 error in the queue with a code", "u@e2.tld", "bounced 5.7.9", transport="e2.tld error:5.7.9 not for you"),
    Mail("R-24 retry in the queue", "u@e3.tld", "deferred 4.0.0", transport="e3.tld retry:later"),
    Mail("R-24 retry in the queue with a code", "u@e4.tld", "deferred 4.7.9", transport="e4.tld retry:4.7.9 later"),
    Mail("R-24 error without a text", "u@e5.tld", "bounced 5.0.0", transport="e5.tld error:"),
]

DELIVERY = Group("delivery", CONTENT + REPORTS, {
    "smtpd_reject_unlisted_recipient": "no", "smtp_connection_cache_on_demand": "no",
})

# ---- where to by default -----------------------------------------------------------------------------

RELAYHOST = Group("relayhost", [
    Mail("R-23 relayhost", "u@w1.tld", "sent 2.0.0", {"10.9.22.1": {}}),
    Mail("R-23 relayhost for a relay domain", "u@relay.tld", "sent 2.0.0", {"10.9.22.2": {}}),
    Mail("R-22 transport: resets it", "u@w2.tld", "sent 2.0.0", {"10.9.22.3": {}}, ["host-record=w2.tld,10.9.22.3"],
         "w2.tld smtp:"),
    Mail("R-22 : keeps it", "u@w3.tld", "deferred 4.2.0", {"10.9.22.4": {"RCPT": SOFT}}, transport="w3.tld :[10.9.22.4]"),
    Mail("R-20 *", "u@w4.tld", "sent 2.0.0", {"10.9.22.5": {}}, transport="w4.tld smtp:[10.9.22.5]"),
], {
    "relayhost": "[10.9.22.1]", "relay_domains": "relay.tld", "relay_transport": "relay:[10.9.22.2]",
    "smtp_connection_cache_on_demand": "no",
})

FALLBACK = Group("fallback", [
    Mail("R-60 no host answers", "u@f1.tld", "sent 2.0.0", names=mx("f1.tld", "h.f1.tld=10.9.24.1")),
    Mail("R-60 4xx", "u@f2.tld", "sent 2.0.0", {"10.9.24.2": {"RCPT": SOFT}}, mx("f2.tld", "h.f2.tld=10.9.24.2")),
    Mail("R-60 no such domain", "u@f3.tld", "sent 2.0.0"),
    Mail("R-60 no answer", "u@f4.tld", "sent 2.0.0", names=["server=/f4.tld/#"]),
    Mail("R-60 5xx is final", "u@f5.tld", "bounced 5.1.1", {"10.9.24.5": {"RCPT": HARD}}, mx("f5.tld", "h.f5.tld=10.9.24.5")),
    Mail("R-60 null MX", "u@f6.tld", "sent 2.0.0", names=["dns-rr=f6.tld,15,000000"], differs="null MX"),
    Mail("R-61 we are one of the MX", "u@f7.tld", "deferred 4.4.1", names=mx("f7.tld", "h.f7.tld=10.9.24.7", "mx.isp.example")),
    Mail("R-61 loop", "u@f8.tld", "bounced 5.4.6", names=mx("f8.tld", "mx.isp.example")),
    Mail("R-60 [host]", "u@f9.tld", "sent 2.0.0", transport="f9.tld smtp:[10.9.24.9]"),
    Mail("R-63 transport relay", "u@f10.tld", "sent 2.0.0", transport="f10.tld relay:[10.9.24.10]",
         differs="transports relay and etrn-only"),
], {"smtp_fallback_relay": "[10.9.23.1]", "smtp_connection_cache_on_demand": "no"}, peers={"10.9.23.1": {}})

DEFERRED = Group("deferred", [
    Mail("Q-30 Q-32 a deferred transport", "u@x1.tld", "deferred 4.3.2", transport="x1.tld relay:[10.9.25.1]"),
    Mail("Q-31 recipients apart", ["u@x2.tld", "u@x3.tld"], ["deferred 4.3.2", "sent 2.0.0"], {"10.9.25.3": {}},
         transport="x2.tld relay:[10.9.25.1]\nx3.tld smtp:[10.9.25.3]"),
], {"defer_transports": "relay"})

EXPIRED = Group("expired", [
    Mail("Q-12 Q-60 Q-61 one attempt", "u@y1.tld", "deferred 4.2.0", {"10.9.26.1": {"RCPT": SOFT}},
         transport="y1.tld smtp:[10.9.26.1]", is_reported=True),
    Mail("Q-61 Q-60 nobody there", "u@y2.tld", "deferred 4.4.1", transport="y2.tld smtp:[10.9.26.2]", is_reported=True),
    Mail("Q-60 one of two", ["a@y3.tld", "b@y3.tld"], ["sent 2.0.0", "deferred 4.2.0"],
         {"10.9.26.3": {"RCPT": lambda line: SOFT if "<b@" in line else ...}},
         transport="y3.tld smtp:[10.9.26.3]", is_reported=True),
], {"maximal_queue_lifetime": "0d", "bounce_queue_lifetime": "0d"})
