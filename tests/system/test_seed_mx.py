# SPDX-License-Identifier: ISC
"""
The seed primary-or-backup-mx.txt, name for name (spec S21 to S45), in a network of the test's own.

Shown elsewhere: S26 test_restrictions.py; S36, S37 test_table_witnesses.py and the tests of postconf; S38 test_tables.py;
S39, S42, S43 test_routing.py. S45: what the seed has as "[email protected]" is a web page's way to hide
user@the.backed-up.domain.tld.
"""

import re

import pytest

from client import Client, send
from daemon import wait_for
from namespaces import own_network

DOMAIN = "the.backed-up.domain.tld"
US, PRIMARY, WORSE, STRANGER, DNS = "10.9.0.1", "10.9.0.20", "10.9.0.21", "10.9.0.99", "10.9.0.53"
NAMES = [f"address=/your.machine.tld/{US}", f"address=/primary.tld/{PRIMARY}", f"address=/worse.tld/{WORSE}",
         "address=/proxy.tld/1.2.3.4"]

SEED = """
myhostname = "your.machine.tld";
listen = [ "127.0.0.1:{port}", "10.9.0.1:25" ];
plugin_directory = "{plugins}";
queue_directory = "{folder}/queue";
run_directory = "{folder}/run";
dns_servers = [ "{dns}" ];
mynetworks = "127.0.0.0/8";

relay_domains = "one.tld two.tld,
    the.backed-up.domain.tld";
smtpd_recipient_restrictions = "
    permit_mynetworks
    reject_unauth_destination";

# You must specify your NAT/proxy external address.
#
proxy_interfaces = "1.2.3.4";
{more}
"""
RECIPIENTS = 'relay_recipient_maps = "hash:{folder}/relay_recipients";\n'
PRIMARY_MX = 'transport_maps = "hash:{folder}/transport";\n'


@pytest.fixture
def seed(make_daemon, make_names, make_sink):
    """seed(MX records, lines for the configuration, tables): the daemon, with its peers as attributes."""
    def make(exchangers, more=RECIPIENTS, primary=True, start=True, **tables):
        daemon = make_daemon(start=False)
        daemon.names = make_names([*NAMES, *(f"mx-host={DOMAIN},{host},{preference}"
                                             for host, preference in exchangers.items())], address=DNS)
        daemon.primary = make_sink(address=PRIMARY, port=25) if primary else None
        daemon.worse = make_sink(address=WORSE, port=25)
        for name, text in {"relay_recipients": f"user@{DOMAIN} x\n", "transport": "", **tables}.items():
            daemon.table(name, text)
        daemon.config.write_text(SEED.format(
            port=daemon.port, plugins=daemon.settings["plugin_directory"], folder=daemon.folder,
            dns=daemon.names.server, more=more.format(folder=daemon.folder)))
        if start:
            daemon.start()
        return daemon

    with own_network(f"{US}/16", "1.2.3.4/32"):
        yield make


def rcpt(daemon, address, source=STRANGER):
    with Client(daemon.port, source=source) as client:
        client.expect("MAIL FROM:<s@outside.tld>", "250")
        return client.command(f"RCPT TO:<{address}>")


def mail(daemon, **options):
    return send(daemon.port, sender="", recipients=f"user@{DOMAIN}", source=STRANGER, **options)


def test_secondary(seed):
    """S21, S23 to S25, S27, S29, S30, S40, S44."""
    daemon = seed({"primary.tld": 10, "your.machine.tld": 100, "worse.tld": 200})
    mail(daemon)
    wait_for(lambda: daemon.primary.count == 1)
    daemon.wait_for_log(rf"/relay\[\d+\]: \S+: to=<user@{DOMAIN}>, relay=primary\.tld\[{PRIMARY}\]:25, .*status=sent")
    assert rcpt(daemon, "any@two.tld") == \
        "550 5.1.1 <any@two.tld>: Recipient address rejected: User unknown in relay recipient table"
    assert rcpt(daemon, f"none@{DOMAIN}") == \
        f"550 5.1.1 <none@{DOMAIN}>: Recipient address rejected: User unknown in relay recipient table"
    assert rcpt(daemon, "u@elsewhere.tld") == "554 5.7.1 <u@elsewhere.tld>: Relay access denied"
    assert rcpt(daemon, "u@elsewhere.tld", "127.0.0.1") == "250 2.1.5 Ok"
    for routed in ("u%other.tld", "other.tld!u", '"u@other.tld"'):
        assert rcpt(daemon, f"{routed}@{DOMAIN}").endswith(": Relay access denied"), routed
    assert daemon.queue() == []
    assert (daemon.primary.count, daemon.worse.connections) == (1, 0)


def test_secondary_while_the_primary_is_down(seed):
    """S22."""
    daemon = seed({"primary.tld": 10, "your.machine.tld": 100, "worse.tld": 100}, primary=False)
    mail(daemon)
    daemon.wait_for_log(rf"to=<user@{DOMAIN}>, .* dsn=4\.4\.1, status=deferred "
                        rf"\(connect to primary\.tld\[{PRIMARY}\]:25: Connection refused\)")
    assert len(daemon.queue()) == 1
    assert daemon.worse.connections == 0
    assert f"connect from your.machine.tld[{US}]" not in daemon.log()


@pytest.mark.parametrize("is_told", [True, False])
def test_behind_a_proxy(seed, is_told):
    """S27, S28: its address is ours, if we are told; mail to user@[1.2.3.4] is local then."""
    daemon = seed({"proxy.tld": 10}, more="", primary=False, start=False)
    if not is_told:
        daemon.config.write_text(daemon.config.read_text().replace("1.2.3.4", ""))
    daemon.start()
    mail(daemon)
    daemon.wait_for_log(rf"to=<user@{DOMAIN}>, .* dsn=5\.4\.6, status=bounced \(mail for {DOMAIN} loops back to myself\)"
                        if is_told else
                        rf"to=<user@{DOMAIN}>, .* dsn=4\.4\.1, status=deferred "
                        r"\(connect to proxy\.tld\[1\.2\.3\.4\]:25: Connection refused\)")
    assert rcpt(daemon, "u@[1.2.3.4]").endswith(": Relay access denied") == (not is_told)


@pytest.mark.parametrize("more, table", [
    ('relay_recipient_maps = "";\n', f"user@{DOMAIN} x\n"),  # S31
    (RECIPIENTS, f"@{DOMAIN} x\n"),                          # S32
], ids=["empty", "wild-card"])
def test_without_a_list_of_recipients(seed, more, table):
    """S31, S32: "that is, an empty value, or ... wild-card"."""
    daemon = seed({"primary.tld": 10}, more=more, relay_recipients=table)
    assert rcpt(daemon, f"any@{DOMAIN}") == "250 2.1.5 Ok"
    assert rcpt(daemon, f"any@sub.{DOMAIN}")[:3] == ("250" if "\"\"" in more else "550")


def test_primary(seed):
    """S33, S35, S41: we are the MX, and the mail goes to their host, whatever the MX records say."""
    daemon = seed({"your.machine.tld": 10, "worse.tld": 20}, more=RECIPIENTS + PRIMARY_MX,
                  transport=f"{DOMAIN}\trelay:[primary.tld]\n")
    mail(daemon)
    wait_for(lambda: daemon.primary.count == 1)
    daemon.wait_for_log(rf"/relay\[\d+\]: \S+: to=<user@{DOMAIN}>, relay=primary\.tld\[{PRIMARY}\]:25, .*status=sent")
    assert daemon.primary.messages[0].recipients == [f"<user@{DOMAIN}>"]
    assert daemon.worse.connections == 0
    assert not any(query.startswith("MX") for query in daemon.names.queries())


def line_of(daemon, beginning):
    return 1 + next(number for number, text in enumerate(daemon.config.read_text().splitlines())
                    if text.startswith(beginning))


def test_in_no_other_list(seed):
    """S34: "Do not list the.backed-up.domain.tld in mydestination", and so on."""
    daemon = seed({"primary.tld": 10}, more=f'mydestination = [ "{DOMAIN}" ];\n')
    config = daemon.config.read_text()
    for other in ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains"):
        daemon.config.write_text(config.replace("mydestination", other))
        warning = rf"sluice\.conf:{line_of(daemon, 'relay_domains')}: warning: do not list domain {DOMAIN} in BOTH " \
                  rf"{other} and relay_domains"
        assert re.search(warning, daemon.command("sluiced", "-t").stderr), other
    assert "do not list domain" in daemon.log()


FALLBACKS = [
    # lines of the configuration, the one that is warned of
    ('fallback_relay = "[fb.tld]";\n', None),  # S42: relay has none
    ('transports = ( { name = "relay";\n smtp_fallback_relay = "[fb.tld]"; } );\n', " smtp_fallback_relay"),
    ('relay_transport = "smtp";\nfallback_relay = "[fb.tld]";\n', "fallback_relay"),
    ('relay_transport = "smtp";\nfallback_relay = "[fb.tld]";\nsmtp_fallback_relay = "";\n', None),
]


def test_no_fallback_relay_for_these_domains(seed):
    """S39, S42: "Mail would loop between the Postfix MX host and the fallback_relay host"."""
    daemon = seed({"primary.tld": 10}, start=False)
    config = daemon.config.read_text()
    for more, line in FALLBACKS:
        daemon.config.write_text(config + more)
        said = daemon.command("sluiced", "-t").stderr
        warning = r": warning: transport \w+ has a fallback relay: mail to relay_domains would loop between it and this " \
                  "machine while its destination is not there"
        if line is None:
            assert "fallback" not in said, more
        else:
            assert re.search(rf"sluice\.conf:{line_of(daemon, line)}{warning}", said), said
