# SPDX-License-Identifier: ISC
"""
Faults of a directory on which every recipient depends: a valid one is never refused for good, one that
does not exist is never accepted, no message is lost, and mail flows again by itself within seconds. Where
each is shown, here and in test_ldap_network.py (n), test_ldap_outage.py (o), test_ldap_answers.py (a):

  stopped, killed, restarted   test_restarted_while_200_sessions_ask, test_no_message_is_lost; o: what stands in
  killed in mid-answer         n: test_nothing_of_use_comes[cut], test_one_of_two_servers[cut]
  frozen                       test_frozen_under_load; n: with sockets that fill up
  packets dropped              n: test_packets_that_vanish, test_a_firewall_forgets_connections_that_are_idle
  slow                         test_a_search_that_takes_long; n: test_slow
  wrong password               test_a_password_that_is_put_right, test_no_ticket
  certificates, TLS            test_a_certificate_that_has_expired, test_a_file_of_certificates_that_is_put_right;
                               n: test_tls_that_is_broken_off
  schema, base, filter         test_ldap_schema.py; a: test_what_the_schema_does_not_have
  busy, unavailable            test_a_server_says_that_it_cannot
  limits, access               test_more_than_the_server_gives, test_entries_that_may_not_be_read
  referrals                    test_referrals_in_a_circle; unreachable: test_ldap.py
  a server that is down        n: test_look_ups_are_not_connections
  descriptors, memory          test_500_connections_leave_nothing
"""

import os
import shutil
import signal
import threading

import pytest

from daemon import free_port, wait_for
from directory import BASE, MANAGER, PASSWORD, certificates_of_a_ca, entry, slapd_of, tls_lines
from ldap_relay import LATER, RECIPIENTS, VALID, Between, relay, slapd  # noqa: F401
from witnesses import ours, theirs  # noqa: F401

# ---- many sessions ------------------------------------------------------------------------------


def ask_meanwhile(relay, sessions, *actions):
    """All sessions ask again and again, so that each action comes upon look-ups that are under way; until
    there were replies of its kind. actions: (replies that are waited for, function)."""
    clients = [relay.session() for _ in range(sessions)]
    seen = {VALID: 0, "451": 0}

    def act():
        for kind, action in actions:
            before = seen[kind]
            wait_for(lambda: seen[kind] > before, 40)
            action()

    thread = threading.Thread(target=act)
    thread.start()
    while thread.is_alive():
        asked = [(client, relay.next_address()) for client in clients]
        for client, address in asked:
            client.send(f"RCPT TO:<{address}>\r\nRSET\r\nMAIL FROM:<s@else.tld>\r\n")
        for client, address in asked:
            reply = client.reply()
            assert reply in (VALID, LATER.format(address))
            seen[VALID if reply == VALID else "451"] += 1
            assert client.reply().startswith("250") and client.reply().startswith("250")
    for client in clients:
        client.close()


def is_over():
    pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_restarted_while_200_sessions_ask(relay, slapd, how):
    asker = relay(slapd.url)
    pid = asker.lookup()
    ask_meanwhile(asker, 200, (VALID, lambda: slapd.stop(how)), ("451", slapd.start), (VALID, is_over))
    asker.recovers()
    assert asker.lookup() == pid


def test_frozen_under_load(relay, slapd):
    asker = relay(slapd.url, timeout=1)
    files = os.listdir(f"/proc/{asker.lookup()}/fd")
    ask_meanwhile(asker, 50, *[(VALID, slapd.freeze), ("451", slapd.thaw)] * 2, (VALID, is_over))
    asker.recovers()
    assert len(os.listdir(f"/proc/{asker.lookup()}/fd")) <= len(files) + 4  # its connections


def test_no_message_is_lost(relay, slapd):
    """What was accepted before, during and after is there."""
    asker = relay(slapd.url)
    accepted = []

    def send():
        address = asker.next_address()
        with asker.session() as client:
            if client.command(f"RCPT TO:<{address}>") == VALID:
                client.expect("DATA", "354")
                client.send(b"Subject: one\r\n\r\nhello\r\n.\r\n")
                accepted.append(client.reply().rsplit(" ", 1)[1])

    for _ in range(3):
        send()
        slapd.stop(signal.SIGKILL)
        send()
        slapd.start()
        asker.recovers()
    send()
    assert len(accepted) == 4
    assert {message["queue_id"] for message in asker.daemon.queue()} == set(accepted)


# ---- what the directory says --------------------------------------------------------------------


def test_a_password_that_is_put_right(relay, slapd):
    asker = relay(slapd.url, bind="yes", bind_dn=MANAGER, bind_pw="not it")
    asker.fails()
    asker.daemon.wait_for_log("Invalid credentials")
    asker.set(bind_pw=PASSWORD)
    asker.recovers()


def test_each_server_has_its_reason(relay, slapd):
    nobody = f"ldap://127.0.0.1:{free_port()}"
    asker = relay(f"{nobody} {slapd.url}", bind="yes", bind_dn=MANAGER, bind_pw="not it")
    asker.fails()
    asker.daemon.wait_for_log(f"connect to {nobody}: [^;]*; bind to {slapd.url}: Invalid credentials")


def test_a_file_of_certificates_that_is_put_right(relay):
    with certificates_of_a_ca() as files, slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd:
        trusted = files / "trusted.pem"
        shutil.copy(files / "client.pem", trusted)
        asker = relay(slapd.tls_url, tls_require_cert="yes", tls_ca_cert_file=trusted)
        asker.fails()
        shutil.copy(files / "ca.pem", trusted)
        asker.recovers()
        asker.daemon.finish()


def test_a_certificate_that_has_expired(relay):
    with certificates_of_a_ca() as files, slapd_of(RECIPIENTS, tls=tls_lines(files, "expired")) as slapd:
        asker = relay(slapd.url, start_tls="yes", tls_require_cert="yes", tls_ca_cert_file=files / "ca.pem")
        asker.fails()
        asker.daemon.wait_for_log("start TLS with .*expired")
        slapd.stop()
        slapd.configure(tls=tls_lines(files, "server"))
        slapd.start()
        asker.recovers()
        asker.daemon.finish()


def test_no_ticket(relay, slapd):
    """Of Kerberos: the log says what could not be had."""
    asker = relay(slapd.url, bind="sasl", sasl_mechs="GSSAPI")
    asker.fails()
    asker.daemon.wait_for_log(f"bind to {slapd.url}: .*(GSSAPI|mech|credentials)")
    asker.set(bind="no")
    asker.recovers()


def test_referrals_in_a_circle(relay, slapd):
    asker = relay(slapd.url, chase_referrals="yes")
    asker.recovers()
    slapd.add(entry(f"ou=round,{BASE}", objectClass=["referral", "extensibleObject"], ou="round",
                    ref=f"{slapd.url}/{BASE}??sub"))
    asker.fails()
    asker.daemon.wait_for_log("more than 10 referrals")
    asker.set(chase_referrals="no")
    asker.recovers()


@pytest.mark.parametrize("code", [51, 52])  # busy, unavailable
def test_a_server_says_that_it_cannot(relay, code):
    """The next one is asked; where there is none it is a failure."""
    known = (entry(f"ou=codes,{BASE}", objectClass="organizationalUnit", ou="codes")
             + entry(f"cn=code,ou=codes,{BASE}", objectClass="mailrecipient", cn="code",
                     mailacceptinggeneralid="user1@customer.tld", maildrop="x@store.tld"))
    says = f'overlay retcode\nretcode-parent "ou=codes,{BASE}"\nretcode-item "cn=code" {code} op=search'
    with slapd_of("", more="moduleload retcode.la", overlay=says) as first, slapd_of(known) as second:
        settings = {"search_base": f"cn=code,ou=codes,{BASE}", "scope": "base"}
        alone = relay(first.url, **settings)
        assert alone.rcpt("user1@customer.tld") == LATER.format("user1@customer.tld")
        alone.daemon.wait_for_log("Server is (busy|unavailable)")
        both = relay(f"{first.url} {second.url}", **settings)
        for _ in range(5):
            assert both.rcpt("user1@customer.tld") == VALID


def test_a_search_that_takes_long(relay):
    """The connection stays, and with it the search: meanwhile the server has given a sign of life."""
    says = f'overlay retcode\nretcode-parent "ou=codes,{BASE}"\nretcode-item "cn=slow" 51 op=search sleeptime=3'
    with slapd_of("", more="moduleload retcode.la", overlay=says) as slapd:
        asker = relay(slapd.url, search_base=f"cn=slow,ou=codes,{BASE}", scope="base", timeout=30)
        before = slapd.output().count(" ACCEPT ")
        assert asker.rcpt("user1@customer.tld") == LATER.format("user1@customer.tld")
        asker.daemon.wait_for_log("Server is busy")
        assert slapd.output().count(" ACCEPT ") == before + 1
        assert 'SRCH base="" scope=0 deref=0 filter="(objectClass=*)"' in slapd.output()


def test_more_than_the_server_gives(relay, slapd):
    """A limit of the server's: half an answer is none."""
    slapd.stop()
    slapd.configure(more="sizelimit 1")
    slapd.start()
    asker = relay(slapd.url)
    assert asker.rcpt("twice@customer.tld") == LATER.format("twice@customer.tld")
    asker.recovers()
    slapd.stop()
    slapd.configure()
    slapd.start()
    wait_for(lambda: asker.rcpt("twice@customer.tld") == VALID)


def test_entries_that_may_not_be_read(relay, slapd):
    """Access is refused with a code, which is no answer (slapd: disclose)."""
    slapd.stop()
    slapd.configure(more="require authc")
    slapd.start()
    asker = relay(slapd.url)
    asker.fails()
    asker.set(bind="yes", bind_dn=MANAGER, bind_pw=PASSWORD)
    asker.recovers()


# ---- for weeks ----------------------------------------------------------------------------------


def kilobytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))


def reconnect(asker, between, count):
    """The descriptors and kilobytes of the process after that many connections more."""
    until = between.connections + count
    with asker.session() as client:
        while between.connections < until:
            between.drop()
            assert client.command(f"RCPT TO:<{asker.next_address()}>") == VALID
            client.expect("RSET", "250")
            client.expect("MAIL FROM:<s@else.tld>", "250")
    pid = asker.lookup()
    return len(os.listdir(f"/proc/{pid}/fd")), kilobytes(pid)


@pytest.mark.parametrize("has_tls", [False, True])
def test_500_connections_leave_nothing(relay, has_tls):
    """libldap with GnuTLS leaks a certificate and a key for each context: they share one."""
    with certificates_of_a_ca() as files, \
            slapd_of(RECIPIENTS, tls=tls_lines(files, "server")) as slapd, Between(slapd.port) as between:
        tls = {"start_tls": "yes", "tls_require_cert": "yes", "tls_ca_cert_file": files / "ca.pem",
               "tls_cert": files / "client.pem", "tls_key": files / "client.key"} if has_tls else {}
        asker = relay(between.url, environment={"ASAN_OPTIONS": "quarantine_size_mb=0"}, **tls)
        descriptors, memory = reconnect(asker, between, 50)
        more_descriptors, more_memory = reconnect(asker, between, 500)
        assert more_descriptors <= descriptors + 2
        assert more_memory < memory + 5000  # a tenth of what a context for each costs
        asker.daemon.finish()


# ---- commands -----------------------------------------------------------------------------------


def test_postmap(ours, theirs, folder, slapd):
    """T-79: as Postfix's asks, and refuses what is no look-up."""
    (folder / "x.cf").write_text(f"server_host = {slapd.url}\nsearch_base = {BASE}\nversion = 3\nbind = no\n")
    table = f"ldap:{folder}/x.cf"
    found = "user7@customer.tld"
    keys = f"{found}\nnone@customer.tld\nUser1@Customer.TLD\n"
    for arguments in (["-q", found], ["-q", "none@customer.tld"], ["-q", "-"], ["-s"], ["-d", found], ["-i"], []):
        mine, witness = (call(*arguments, table, cwd=folder, stdin=keys) for call in (ours, theirs))
        assert (mine.returncode, mine.stdout, mine.stderr) == (
            witness.returncode, witness.stdout, witness.stderr), arguments
        assert (mine.returncode == 0) == (arguments in (["-q", found], ["-q", "-"]))
    slapd.stop()
    down = ours("-q", found, table)
    assert down.returncode == 1 and down.stdout == "" and "Can't contact LDAP server" in down.stderr


def test_a_query_that_answers_for_all(relay, slapd):
    """T-78, documented misuse: for a list of domains the query must ask for the one in question."""
    asker = relay(slapd.url, query_filter="(cn=*)", result_attribute="cn")
    asker.set(result_format="%s", size_limit=10)
    address = "none@customer.tld"
    assert asker.rcpt(address) == LATER.format(address)
