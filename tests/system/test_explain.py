# SPDX-License-Identifier: ISC
"""
`sluice explain` says what happens: each address is explained first, then its mail comes, and both are compared: the
reply, the route, the hosts and when. Issue 5, point 7.
"""

import json
import re
import socket

import test_restrictions

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
    message, recipients = of("gone@relay.tld")
    assert message["is_discarded"] and message["verdict"] == "accept" and recipients == []
    assert of("other@relay.tld")[1] == ["x@else.tld"]
    assert sorted(of("copy@relay.tld")[1]) == ["copy@relay.tld", "y@else.tld"]
    message, recipients = of("u@relay.tld", sender="bad@s.tld")
    assert message["verdict"] == "reject" and recipients == []
    assert message["steps"][-1]["command"] == "DATA"
    assert message["reply"] == "554 5.7.1 <bad@s.tld>: Sender address rejected: Access denied"

