# SPDX-License-Identifier: ISC
"""
A table asks for what the server's schema does not have: the server finds nothing, and says success. Nobody is refused
for that, and somebody who does not exist is as soon as the schema is put right.
"""

import re

import pytest

from directory import BASE, MANAGER, slapd_of
from ldap_relay import LATER, RECIPIENTS, UNKNOWN, VALID, Between, relay, slapd  # noqa: F401

NOBODY = "none@customer.tld"
USELESS = "(&(mailacceptinggeneralid=%s)(!(mailoff=TRUE)))"
PARTLY = "(|(mailacceptinggeneralid=%s)(mailother=%s))"
SAYS = "query_filter: the directory's schema has no attribute {}"
ADDITION = """dn: cn=more,cn=schema,cn=config
changetype: add
objectClass: olcSchemaConfig
cn: more
olcAttributeTypes: ( 1.3.6.1.4.1.4203.666.71.1.9 NAME 'mailOff' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
"""


def schemas_read(slapd):
    return slapd.output().count('filter="(objectClass=subschema)"')


def test_a_schema_that_is_put_right(relay):
    """While the server runs, and the connection stays."""
    with slapd_of(RECIPIENTS, more=f'database config\nrootdn "{MANAGER}"') as slapd:
        asker = relay(slapd.url, query_filter=USELESS)
        for _ in range(5):
            asker.fails()
        assert len(re.findall(f"lookup.*{SAYS.format('mailoff')}", asker.daemon.log())) == 1
        assert schemas_read(slapd) < 5
        connections = slapd.output().count(" ACCEPT ")
        slapd.change(ADDITION)
        asker.recovers()
        assert slapd.output().count(" ACCEPT ") == connections + 1  # for the change


def test_a_filter_that_is_put_right(relay, slapd):
    asker = relay(slapd.url, query_filter="(&(objectClass=mailrecipeint)(mailacceptinggeneralid=%s))")
    asker.fails()
    asker.daemon.wait_for_log("query_filter: the directory's schema has no objectClass mailrecipeint")
    asker.set(query_filter="(&(objectClass=mailrecipient)(mailacceptinggeneralid=%s))")
    asker.recovers()


def test_no_values(relay, slapd):
    """The entries are found, and nothing that is asked for can be in them."""
    asker = relay(slapd.url, result_attribute="maildorp")
    asker.fails()
    asker.daemon.wait_for_log("result_attribute: the directory's schema has no attribute maildorp")
    asker.set(result_attribute="maildrop")
    asker.recovers()


def test_a_part_of_a_filter(relay, slapd):
    """The rest of it finds who is there, and says who is not."""
    asker = relay(slapd.url, query_filter=PARTLY)
    for _ in range(3):
        asker.recovers()
    asker.daemon.wait_for_log(f"warning: .*{SAYS.format('mailother')}")
    slapd.stop()
    slapd.start()
    asker.recovers()
    assert asker.daemon.log().count(SAYS.format("mailother")) == 1


def test_what_it_costs(relay, slapd):
    """A connection reads the schema once, after its first miss."""
    asker = relay(slapd.url, connection_limit=1)
    for _ in range(3):
        assert asker.rcpt(asker.next_address()) == VALID
    assert schemas_read(slapd) == 0
    assert asker.rcpt(NOBODY) == UNKNOWN.format(NOBODY)
    before = slapd.searches()
    assert asker.rcpt(NOBODY) == UNKNOWN.format(NOBODY)
    assert (slapd.searches() - before, schemas_read(slapd)) == (2, 1)  # without the address also for the domain


@pytest.mark.parametrize("place", ["", "cn=Subschema"])
def test_a_schema_that_may_not_be_read(relay, place):
    """Then there is only the server's word."""
    with slapd_of(RECIPIENTS, more=f'access to dn.base="{place}" by * none\naccess to * by * read') as slapd:
        asker = relay(slapd.url, query_filter=USELESS)
        address = asker.next_address()
        assert asker.rcpt(address) == UNKNOWN.format(address)


class Cutter(Between):
    """Ends each connection that asks where the schema is."""

    is_over = False

    def answer(self, client, data):
        return (self.is_over or b"subschemaSubentry" not in data) and super().answer(client, data)


def test_a_schema_that_is_not_read_to_its_end(relay, slapd):
    """Such a server may be about to stop; one that always does so is taken at its word."""
    with Cutter(slapd.port) as between:
        asker = relay(between.url)
        assert [asker.rcpt(NOBODY) for _ in range(3)] == [LATER.format(NOBODY)] * 2 + [UNKNOWN.format(NOBODY)]
        between.is_over = True
        asker.recovers()
        assert schemas_read(slapd) == 1


def test_many_who_ask_at_once(relay, slapd):
    """More than a connection carries; the schema is read on it all the same."""
    asker = relay(slapd.url, connection_limit=1)
    nobodies = [f"none{number}@customer.tld" for number in range(100)]
    clients = [asker.session() for _ in nobodies]
    for client, nobody in zip(clients, nobodies):
        client.send(f"RCPT TO:<{nobody}>\r\n")
    assert [client.reply() for client in clients] == [UNKNOWN.format(nobody) for nobody in nobodies]
    for client in clients:
        client.close()
    assert schemas_read(slapd) == 1
