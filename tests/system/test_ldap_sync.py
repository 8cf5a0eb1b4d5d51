# SPDX-License-Identifier: ISC
"""
A table that is kept in step with the directory (RFC 4533): a look-up needs no search, each change counts at once,
hits are answered while no server is there, and nobody is refused for good because of what is old.
"""

import itertools
import re
import socket
import threading

import pytest

from client import LATER, Client, send
from daemon import wait_for
from directory import BASE, FRESH, entry, recipient, recipients, slapd_of

MOVED = "550 5.1.6 <{}>: Recipient address rejected: User has moved to {}"
NOTHING = "250 2.1.5 Ok"
KNOWN = "user1@customer.tld"
NOBODY = "none@customer.tld"
ROOT_ENTRY = entry(BASE, objectClass="organization", o="isp")
MANY = 1500


@pytest.fixture
def directory():
    with slapd_of(recipients(10)) as slapd:
        yield slapd


@pytest.fixture
def table(make_daemon):
    """A daemon whose relocated_maps is that directory, kept in step."""
    def make(slapd, waits=True, files=None, url=None, **options):
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": ["customer.tld", "else.tld"], "relocated_maps": ["ldap:people"],
            "transport_maps": ["inline:{customer.tld=etrn-only:}"],
            "tables": [{"name": "people", "plugin": "ldap", "server_host": url or slapd.url, "search_base": BASE,
                        "version": 3, "bind": "no", "timeout": 1, "connect_timeout": 1, "sync": True,
                        "stale_ok": "72h", **options}]})
        daemon.start()
        if waits:
            daemon.wait_for_log("in step with the directory: [1-9]")
        return daemon
    return make


def ask(daemon, address):
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        return client.command(f"RCPT TO:<{address}>")


def searches(slapd):
    """For a key, and not for all of them or for a sign of life."""
    return len(re.findall(r'SRCH base="[^"]*" .*filter="[^"]*=[^"*]*@', slapd.output()))


def boxes(daemon, address=KNOWN):
    reply = ask(daemon, address)
    return None if reply == NOTHING else reply.removeprefix(MOVED.format(address, ""))


def times_in_step(daemon):
    return daemon.log().count("in step with the directory: ")


def is_again_in_step(daemon, times):
    wait_for(lambda: times_in_step(daemon) > times)


def test_each_change_counts_without_a_search(table, directory):
    daemon = table(directory)
    assert boxes(daemon) == "box1@store.tld"
    assert boxes(daemon, "User1@Customer.TLD") is not None
    assert boxes(daemon, NOBODY) is None
    directory.add(recipient("new", mailacceptinggeneralid=["new@customer.tld", "also@customer.tld"],
                            maildrop="n@store.tld"))
    wait_for(lambda: boxes(daemon, "new@customer.tld") == "n@store.tld")
    assert boxes(daemon, "also@customer.tld") == "n@store.tld"
    directory.change(f"dn: cn=new,{BASE}\nchangetype: modify\nreplace: maildrop\nmaildrop: m@store.tld\n-\n"
                     "delete: mailacceptinggeneralid\nmailacceptinggeneralid: also@customer.tld\n")
    wait_for(lambda: boxes(daemon, "new@customer.tld") == "m@store.tld")
    assert boxes(daemon, "also@customer.tld") is None
    directory.change(f"dn: cn=new,{BASE}\nchangetype: modrdn\nnewrdn: cn=renamed\ndeleteoldrdn: 1\n")
    assert boxes(daemon, "new@customer.tld") == "m@store.tld"
    directory.change(f"dn: cn=renamed,{BASE}\nchangetype: modify\ndelete: mailacceptinggeneralid\n")  # out of the filter
    wait_for(lambda: boxes(daemon, "new@customer.tld") is None)
    directory.remove("user1")
    wait_for(lambda: boxes(daemon) is None)
    assert searches(directory) == 0


def test_it_answers_as_a_search_would(table, directory):
    """Two entries with one key, several values, a key that only the directory can compare."""
    ldif = (recipient("a", mailacceptinggeneralid="both@customer.tld", maildrop=["a@store.tld", "aa@store.tld"])
            + recipient("b", mailacceptinggeneralid=["Both@Customer.TLD", "two  words@customer.tld"],
                        maildrop="b@store.tld")
            + recipient("c", mailacceptinggeneralid="nothing@customer.tld"))
    directory.add(ldif)
    keys = ["both@customer.tld", '"two words"@customer.tld', "nothing@customer.tld", KNOWN, NOBODY]
    plain = table(directory, waits=False, sync=False)
    expected = [boxes(plain, key) for key in keys]
    assert expected[0] == "a@store.tld,aa@store.tld,b@store.tld" and expected[2] is None
    plain.stop()
    daemon = table(directory)
    before = searches(directory)
    assert [boxes(daemon, key) for key in keys[:1] + keys[2:]] == expected[:1] + expected[2:]
    assert searches(directory) == before
    assert boxes(daemon, keys[1]) == expected[1]
    assert searches(directory) > before
    directory.change(f"dn: cn=a,{BASE}\nchangetype: modify\nreplace: maildrop\nmaildrop: z@store.tld\n")
    wait_for(lambda: boxes(daemon, keys[0]) == "z@store.tld,b@store.tld")


# Settings of a table that is asked for addresses of a domain of its own, c0.tld and so on; a user; and what it has.
SETTINGS = [
    ({"expansion_limit": 2}, "both", LATER),
    ({"expansion_limit": 3}, "both", "a@store.tld,c@store.tld,b@store.tld"),
    ({"size_limit": 1}, "both", LATER),
    ({"domain": ["else.tld"]}, "both", None),
    ({"result_format": "%u of %U"}, "one", "box of one"),
    ({"query_filter": "(description=%d)"}, "whoever", "d@store.tld"),
    ({"query_filter": "(&(objectClass=mailrecipient)(|(mailacceptinggeneralid=%s)(mail=%s))(!(cn=one*)))"}, "one", None),
    ({"query_filter": "(&(objectClass=mailrecipient)(|(mailacceptinggeneralid=%s)(mail=%s))(!(cn=one*)))"}, "two",
     "two@store.tld"),
    ({"sync_filter": "(cn=one*)", "sync_key_attribute": ["mailacceptinggeneralid"]}, "one", "box@store.tld"),
    ({"sync_filter": "(cn=one*)", "sync_key_attribute": ["mailacceptinggeneralid"]}, "both", None),
]


def people_of(domain):
    return (recipient(f"a {domain}", mailacceptinggeneralid=f"both@{domain}", maildrop=["a@store.tld", "c@store.tld"])
            + recipient(f"b {domain}", mailacceptinggeneralid=f"both@{domain}", maildrop="b@store.tld")
            + recipient(f"d {domain}", description=domain.upper(), maildrop="d@store.tld")
            + recipient(f"one {domain}", mailacceptinggeneralid=f"one@{domain}", maildrop="box@store.tld")
            + recipient(f"two {domain}", mail=f"two@{domain}", maildrop="two@store.tld"))


def test_settings_count_as_in_a_search(make_daemon):
    domains = [f"c{i}.tld" for i in range(len(SETTINGS))]
    with slapd_of("".join(people_of(domain) for domain in domains)) as directory:
        daemon = make_daemon(start=False)
        daemon.change({
            "relay_domains": domains, "relocated_maps": [f"ldap:t{i}" for i in range(len(SETTINGS))],
            "transport_maps": ["static:etrn-only:"],
            "tables": [{"name": f"t{i}", "plugin": "ldap", "server_host": directory.url, "search_base": BASE,
                        "version": 3, "bind": "no", "sync": True, "domain": [domains[i]], **settings}
                       for i, (settings, _, _) in enumerate(SETTINGS)]})
        daemon.start()
        wait_for(lambda: times_in_step(daemon) == len(SETTINGS))
        for domain, (settings, user, answer) in zip(domains, SETTINGS):
            key = f"{user}@{domain}"
            expected = NOTHING if answer is None else LATER.format(key) if answer == LATER else MOVED.format(key, answer)
            assert ask(daemon, key) == expected, settings
        assert searches(directory) == 0


REFUSED = [
    ({"special_result_attribute": ["memberdn"]}, "not with special, terminal or leaf"),
    ({"search_base": "dc=%d,o=isp"}, "not with a search_base that depends"),
    ({"query_filter": "(&(mail=%s)(cn=%u))"}, "query_filter does not tell what the keys are"),
    ({"sync_filter": "(mail=*)"}, "sync_filter and sync_key_attribute want each other"),
    ({"shared": False}, "wants shared"),
    ({"chase_referrals": True}, "not with chase_referrals"),
    ({"dereference": 3}, "not with dereference"),
]


def test_what_cannot_be_kept_in_step(make_daemon):
    """Each is a mistake in the configuration, and the table gives no answer."""
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": ["customer.tld"], "relocated_maps": [f"ldap:t{i}" for i in range(len(REFUSED))],
        "tables": [{"name": f"t{i}", "plugin": "ldap", "search_base": BASE, "sync": True, **settings}
                   for i, (settings, _) in enumerate(REFUSED)]})
    daemon.start()
    assert ask(daemon, KNOWN) == LATER.format(KNOWN)
    for i, (_, text) in enumerate(REFUSED):
        daemon.wait_for_log(f"ldap:t{i} is unavailable. ldap: sync: {text}")


def test_an_outage(table, directory):
    """Hits are answered, misses are not believed; what has changed meanwhile counts afterwards."""
    daemon = table(directory, **FRESH | {"stale_ok": "72h"})
    assert boxes(daemon, NOBODY) is None
    directory.stop()
    daemon.wait_for_log("not in step with the directory, what was there last answers")
    assert boxes(daemon) == "box1@store.tld"
    assert boxes(daemon, "user7@customer.tld") == "box7@store.tld"  # never asked for before
    assert ask(daemon, "late@customer.tld") == LATER.format("late@customer.tld")
    times = times_in_step(daemon)
    directory.load(recipient("late", mailacceptinggeneralid="late@customer.tld", maildrop="l@store.tld"))
    directory.start()
    is_again_in_step(daemon, times)
    assert boxes(daemon, "late@customer.tld") == "l@store.tld"
    directory.remove("user1")
    wait_for(lambda: boxes(daemon) is None)
    assert daemon.log().count("not in step with the directory") == 1
    assert searches(directory) == 0


def test_what_is_too_old_does_not_answer(table, directory):
    daemon = table(directory, **FRESH | {"stale_ok": "1s"})
    directory.stop()
    wait_for(lambda: ask(daemon, KNOWN) == LATER.format(KNOWN))


def test_a_silent_server_is_noticed(table, directory):
    """What it has is not current any more: a miss is then searched for."""
    daemon = table(directory, **FRESH | {"stale_ok": "72h"})
    directory.freeze()
    number = itertools.count()  # of addresses that nobody has asked for before
    wait_for(lambda: ask(daemon, f"n{next(number)}@customer.tld").startswith("451 4.3.0"))
    daemon.wait_for_log("no sign of life")
    assert boxes(daemon) == "box1@store.tld"
    times = times_in_step(daemon)
    directory.thaw()
    is_again_in_step(daemon, times)
    assert boxes(daemon, NOBODY) is None


def test_a_silent_server_and_another_one(table, directory):
    """One that says who it is, and nothing more."""
    with Cutter(directory, 300, is_silent=True) as silent:
        daemon = table(directory, url=[silent.url, directory.url])
        assert boxes(daemon) == "box1@store.tld"
        daemon.wait_for_log("not in step with the directory: no sign of life")
        assert silent.count > 0


@pytest.mark.parametrize("overlay", ["overlay syncprov", "overlay syncprov\nsyncprov-sessionlog 100"])
def test_changes_while_we_are_away(table, overlay):
    """Those of a refresh with a cookie, with and without a log of the server's: what is there, or what is gone."""
    with slapd_of(recipients(10), overlay=overlay) as directory, Cutter(directory) as way:
        daemon = table(directory, url=way.url, connection_limit=1)
        way.is_open = False
        way.cut()
        daemon.wait_for_log("not in step with the directory")
        directory.remove("user1")
        directory.change(f"dn: cn=user2,{BASE}\nchangetype: modify\nreplace: maildrop\nmaildrop: x@store.tld\n")
        directory.add(recipient("new", mailacceptinggeneralid="new@customer.tld", maildrop="n@store.tld"))
        times = times_in_step(daemon)
        way.is_open = True
        is_again_in_step(daemon, times)
        daemon.wait_for_log("in step with the directory: 10 entries")
        assert boxes(daemon) is None
        assert boxes(daemon, "user2@customer.tld") == "x@store.tld"
        assert boxes(daemon, "user3@customer.tld") == "box3@store.tld"
        assert boxes(daemon, "new@customer.tld") == "n@store.tld"
        assert searches(directory) == 0


@pytest.mark.parametrize("how", ["anew", "older"])
def test_a_server_that_does_not_know_where_we_stand(table, directory, how):
    """Another directory in the place of the one that we knew, or a copy from before."""
    directory.stop()
    old = directory.dump()
    directory.start()
    daemon = table(directory)
    directory.add(recipient("new", mailacceptinggeneralid="new@customer.tld", maildrop="n@store.tld"))
    wait_for(lambda: boxes(daemon, "new@customer.tld") == "n@store.tld")
    times = times_in_step(daemon)
    directory.stop()
    directory.replace(ROOT_ENTRY + recipients(5) if how == "anew" else old)
    directory.start()
    is_again_in_step(daemon, times)
    assert boxes(daemon) == "box1@store.tld"
    assert boxes(daemon, "new@customer.tld") is None
    assert boxes(daemon, "user9@customer.tld") == (None if how == "anew" else "box9@store.tld")
    assert searches(directory) == 0


def test_a_directory_that_is_yet_to_be_filled(table, directory):
    """Where there is no base nothing can be said of a key (T-76): what was there last answers."""
    daemon = table(directory)
    directory.stop()
    for file in (directory.folder / "data").iterdir():
        file.unlink()
    directory.start()
    daemon.wait_for_log("not in step with the directory, what was there last answers: No such object")
    assert boxes(daemon) == "box1@store.tld"
    assert ask(daemon, "n@customer.tld") == LATER.format("n@customer.tld")


def test_a_filter_that_finds_nobody(table, directory):
    """It may name what the schema does not have: that a search finds out."""
    daemon = table(directory, waits=False, query_filter="(&(mailacceptinggeneralid=%s)(!(mailoff=TRUE)))")
    daemon.wait_for_log("in step with the directory: 0 entries")
    assert ask(daemon, KNOWN) == LATER.format(KNOWN)
    daemon.wait_for_log("query_filter: the directory's schema has no attribute mailoff")


class Cutter:
    """A way to a server that closes the first connection which brings more than a limit, or is silent then."""

    def __init__(self, slapd, limit=None, is_silent=False):
        self.slapd, self.limit, self.is_silent, self.is_open, self.count = slapd, limit, is_silent, True, 0
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                assert self.is_open
                server = socket.create_connection(("127.0.0.1", self.slapd.port))
            except (AssertionError, OSError):
                client.close()
                continue
            self.pairs.append((client, server))
            threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, True), daemon=True).start()

    def copy(self, source, target, is_counted):
        total = 0
        try:
            while octets := source.recv(65536):
                total += len(octets)
                if is_counted and self.limit is not None and total > self.limit:
                    self.count += 1
                    if self.is_silent:
                        return
                    self.limit = None
                    break
                target.sendall(octets)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()


def test_a_refresh_that_is_cut(table):
    """Until one is complete the table is one of searches."""
    with slapd_of(recipients(MANY), more="sizelimit unlimited") as directory, Cutter(directory, 100_000) as way:
        daemon = table(directory, url=way.url)
        assert way.count == 1
        daemon.wait_for_log("not in step with the directory: connection lost")
        daemon.wait_for_log(f"in step with the directory: {MANY} entries")
        assert boxes(daemon, f"user{MANY - 1}@customer.tld") == f"box{MANY - 1}@store.tld"
        assert searches(directory) == 0


@pytest.mark.parametrize("options, settings, text", [
    ({"overlay": ""}, {}, "ritical extension is unavailable"),
    ({}, {}, "Size limit exceeded"),
    ({"more": "sizelimit unlimited"}, {"sync_bytes": "1M"}, "more than sync_bytes"),
])
def test_a_server_that_refuses(table, options, settings, text):
    """The log says why, and the table works as without."""
    with slapd_of(recipients(3 * MANY if "sync_bytes" in settings else 600), **options) as directory:
        daemon = table(directory, waits=False, **settings)
        daemon.wait_for_log(f"ldap:people.*no content synchronization .RFC 4533., look-ups are searches: .*({text})")
        assert boxes(daemon) == "box1@store.tld"
        assert boxes(daemon, NOBODY) is None
        assert searches(directory) > 0


def test_a_table_of_a_file(table, make_daemon, directory):
    """Another filter counts as soon as the file says so, and mail that waits follows the directory."""
    daemon = make_daemon(start=False)
    path = daemon.folder / "people.cf"
    settings = (f"server_host = {directory.url}\nsearch_base = {BASE}\nversion = 3\nbind = no\nsync = yes\n"
                "result_attribute = mailtransport\n")
    path.write_text(settings + "query_filter = (&(cn=user1)(mailacceptinggeneralid=%s))\n")
    directory.change(f"dn: cn=user1,{BASE}\nchangetype: modify\nadd: mailtransport\nmailtransport: etrn-only:one\n\n"
                     f"dn: cn=user2,{BASE}\nchangetype: modify\nadd: mailtransport\nmailtransport: etrn-only:two\n")
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [f"ldap:{path}", "inline:{*=etrn-only:}"]})
    daemon.start()
    daemon.wait_for_log("in step with the directory: 1 entries")
    for user in (1, 2):
        send(daemon.port, recipients=[f"user{user}@customer.tld"])
    wait_for(lambda: routes(daemon) == {"user1@customer.tld": "one", "user2@customer.tld": "customer.tld"})
    directory.change(f"dn: cn=user1,{BASE}\nchangetype: modify\nreplace: mailtransport\nmailtransport: etrn-only:1\n")
    wait_for(lambda: routes(daemon)["user1@customer.tld"] == "1")
    path.write_text(settings + "query_filter = (&(cn=user2)(mailacceptinggeneralid=%s))\n")
    wait_for(lambda: routes(daemon) == {"user1@customer.tld": "customer.tld", "user2@customer.tld": "two"})


def routes(daemon):
    return {recipient["address"]: recipient["nexthop"]
            for message in daemon.queue() for recipient in message["recipients"]}
