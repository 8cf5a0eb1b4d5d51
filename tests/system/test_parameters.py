# SPDX-License-Identifier: ISC
"""Parameters that no other test turns: each has its effect, under its own name."""

import re
import socket
import time

import pytest

from client import Client, send
from daemon import free_port, wait_for


@pytest.fixture
def make_server(make_daemon):
    def make(**settings):
        return make_daemon(settings={"relay_domains": ["customer.tld"], **settings})

    return make


def test_relay_transport_and_default_transport(make_server, make_sink):
    relay, default = make_sink(), make_sink()
    server = make_server(relay_transport=f"relay:{relay.nexthop}",
                         default_transport=f"smtp:{default.nexthop}")
    send(server.port, recipients="a@customer.tld")
    send(server.port, recipients="b@elsewhere.tld")
    wait_for(lambda: relay.count == 1 and default.count == 1)
    assert relay.messages[0].recipients == ["<a@customer.tld>"]
    assert default.messages[0].recipients == ["<b@elsewhere.tld>"]


def test_relay_transport_by_name_alone_uses_the_domain(make_server, make_names, make_sink):
    sink = make_sink(address="127.0.0.31")
    names = make_names(["address=/mail.customer.tld/127.0.0.31",
                        "mx-host=customer.tld,mail.customer.tld,10"])
    server = make_server(relay_transport="relay", dns_servers=[names.server],
                         smtp_tcp_port=sink.port)
    send(server.port, recipients="a@customer.tld")
    wait_for(lambda: sink.count == 1)
    assert "MX customer.tld" in names.queries()


def test_myorigin_completes_addresses(make_server, sink):
    server = make_server(myorigin="origin.example", default_transport=f"smtp:{sink.nexthop}")
    send(server.port, sender="root", recipients="user@elsewhere.tld")
    wait_for(lambda: sink.count == 1)
    assert sink.messages[0].mail.startswith("FROM:<root@origin.example>")


def test_fast_flush_domains(make_server):
    server = make_server(fast_flush_domains=["other.tld"])
    with Client(server.port) as client:
        client.expect("ETRN other.tld", "251 ")
        client.expect("ETRN customer.tld", "459 <customer.tld>: service unavailable")


def test_fast_flush_domains_empty_is_nobody(make_server):
    server = make_server(fast_flush_domains=[])
    with Client(server.port) as client:
        client.expect("ETRN customer.tld", "459 ")


def test_smtpd_etrn_restrictions(make_server):
    server = make_server(smtpd_etrn_restrictions=["reject"])
    with Client(server.port) as client:
        client.expect("ETRN customer.tld", "554 5.7.1 <customer.tld>: Etrn command rejected")


def test_message_reject_characters(make_server):
    server = make_server(message_reject_characters="\\001\\002")
    with Client(server.port) as client:
        for byte, code in ((b"\1", "550"), (b"\2", "550"), (b"\3", "250")):
            reply = client.message("a@b.test", "u@customer.tld", b"X: y\r\n\r\na" + byte + b"\r\n")
            assert reply.startswith(code), (byte, reply)


def test_line_length_limit(make_server):
    server = make_server(line_length_limit=512)
    with Client(server.port) as client:
        client.expect("NOOP " + "x" * 400, "250")
        client.expect("NOOP " + "x" * 600, "500 5.5.2 ")
        client.expect("NOOP", "250")


def test_hopcount_limit(make_server):
    """R-55, M-44: the last resort against loops."""
    server = make_server(hopcount_limit=5)
    field = b"Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    with Client(server.port) as client:
        for count, code in ((3, "250"), (6, "554 5.4.0 Error: too many hops")):
            reply = client.message("a@b.test", "u@customer.tld", field * count + b"\r\nbody\r\n")
            assert reply.startswith(code), (count, reply)


@pytest.mark.parametrize("value", ["no", "normalize", "yes"])
def test_smtpd_forbid_bare_newline(make_server, value):
    server = make_server(smtpd_forbid_bare_newline=value)
    with Client(server.port) as client:
        reply = client.message("a@b.test", "u@customer.tld", b"X: y\r\n\r\na\nb\r\n")
        assert reply.startswith("250"), reply


def test_smtp_connect_timeout(make_server):
    # A listener whose queue is full does not answer.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        server = make_server(relay_transport=f"relay:[127.0.0.1]:{port}", smtp_connect_timeout="1s")
        send(server.port)
        server.wait_for_log(r"dsn=4\.4\.1, status=deferred \(connect to .*timed out", 15)
        for filler in fillers:
            filler.close()


def test_smtp_data_xfer_timeout(make_server):
    # A peer that says 354 and then reads nothing.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server = make_server(relay_transport=f"relay:[127.0.0.1]:{listener.getsockname()[1]}",
                             smtp_data_xfer_timeout="1s", message_size_limit=100000000)
        send(server.port, content=b"X: y\r\n\r\n" + (b"z" * 70 + b"\r\n") * 300000)
        peer, _ = listener.accept()
        peer.sendall(b"220 slow ESMTP\r\n")
        file = peer.makefile("rb")
        for line in iter(file.readline, b""):
            peer.sendall(b"354 go ahead\r\n" if line.startswith(b"DATA") else b"250 Ok\r\n")
            if line.startswith(b"DATA"):
                break
        server.wait_for_log(r"dsn=4\.4\.2, status=deferred \(conversation with .* timed out while "
                            r"sending message body", 20)
        peer.close()


def test_backoff_bounds(make_server):
    port = free_port()
    server = make_server(relay_transport=f"relay:[127.0.0.1]:{port}",
                         minimal_backoff_time="1s", maximal_backoff_time="2s")
    send(server.port)
    wait_for(lambda: len(re.findall("Connection refused\\)", server.log())) >= 4, 30)


def test_several_listeners(make_server):
    other, v6 = free_port(), free_port()
    server = make_server()
    server.stop()
    server.change({"listen": [*server.settings["listen"], f"127.0.0.3:{other}", f"[::1]:{v6}"]})
    server.start()
    with Client(other, address="127.0.0.3") as client:
        client.expect("NOOP", "250")
    with Client(v6, address="::1") as client:
        client.expect("NOOP", "250")


def test_dns_servers_are_asked_in_earnest(make_server, make_names, make_sink):
    """A name that the system's resolver cannot know."""
    sink = make_sink()
    names = make_names(["address=/mail.only-here.test/127.0.0.1"])
    server = make_server(relay_transport=f"relay:[mail.only-here.test]:{sink.port}",
                         dns_servers=[names.server])
    send(server.port)
    wait_for(lambda: sink.count == 1)
    assert "MX mail.only-here.test" not in names.queries()


def test_a_release_asks_dns_afresh(make_daemon, make_names, make_sink):
    sink = make_sink()
    names = make_names(["address=/mail.moved.test/127.0.0.77"], ttl=3600)
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"], "dns_servers": [names.server],
        "transport_maps": [daemon.table(
            "transport", f"customer.tld etrn-only:[mail.moved.test]:{sink.port}\n")]})
    daemon.start()
    send(daemon.port)
    daemon.command("postqueue", "-s", "customer.tld")
    daemon.wait_for_log("Connection refused")
    config = names.log_path.parent / "dnsmasq.conf"
    config.write_text(config.read_text().replace("127.0.0.77", "127.0.0.1"))
    names.restart()
    time.sleep(1.1)
    daemon.command("postqueue", "-s", "customer.tld")
    wait_for(lambda: sink.count == 1)


def test_proxy_interfaces_and_listen_are_ourselves(make_server, make_names):
    """A mail exchanger that is us is never connected to (S27, R-51, R-53)."""
    names = make_names(["address=/us.test/127.0.0.50", "mx-host=loop.test,us.test,10"])
    server = make_server(proxy_interfaces=["127.0.0.50"], dns_servers=[names.server],
                         default_transport="smtp")
    send(server.port, recipients="user@loop.test")
    server.wait_for_log(r"dsn=5\.4\.6, status=bounced \(mail for loop\.test loops back to myself\)")
