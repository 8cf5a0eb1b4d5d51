# SPDX-License-Identifier: ISC
"""sluice import postfix: the seeds' own blocks, what strangers have in main.cf and master.cf, and files
that make no sense. Seeds S9, S10, S20, S39, S44."""

import json
import random
import re
import subprocess

import pytest

import peers
from client import Client, send
from daemon import BIN, ENVIRONMENT, free_port, wait_for
from directory import BASE, recipient, slapd_of
from witnesses import ours, theirs  # noqa: F401

MASTER = """
smtp      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
        -o syslog_name=postfix/$service_name
error     unix  -       -       n       -       -       error
lmtp      unix  -       -       n       -       -       lmtp
"""
# What a main.cf of today begins with, on a machine that has no mailboxes.
TODAY = "compatibility_level = 3.6\nmyhostname = mx.isp.example\nmydestination =\n"


class Imported:
    def __init__(self, folder, main, master=MASTER, json=False, output=True, encoding="utf-8"):
        self.folder = folder / "postfix"
        self.folder.mkdir(exist_ok=True)
        if main is not None:
            (self.folder / "main.cf").write_bytes(main.encode(encoding))
        if master is not None:
            (self.folder / "master.cf").write_bytes(master.encode(encoding))
        self.config = folder / "imported.conf"
        result = subprocess.run(
            [BIN / "sluice", *(["--json"] if json else []), "import", "postfix", self.folder,
             *(["-o", self.config] if output else [])],
            capture_output=True, timeout=60, env=ENVIRONMENT)
        self.status = result.returncode
        self.said = result.stdout.decode(errors="replace")
        self.errors = result.stderr.decode(errors="replace")
        self.text = self.config.read_text(errors="replace") if self.config.exists() else ""
        assert not re.search("Sanitizer|runtime error", self.errors), self.errors
        assert self.status in (0, 1, 66, 78), self.errors

    def has(self, line):
        return line in self.text.split("\n")

    def verdict(self, name):
        """What became of a parameter: all that was said of it."""
        return re.findall(rf"^[^ ]*: (.*): {re.escape(name)}(?::|$)", self.said, re.M)

    def passes(self):
        """As the command itself has found."""
        return self.status in (0, 1) and "sluiced -t: exit status" not in self.errors

    def check(self):
        check = subprocess.run([BIN / "sluiced", "-t", "-c", self.config], capture_output=True,
                               text=True, timeout=60, env=ENVIRONMENT)
        assert check.returncode == 0, check.stderr


# ---- the seeds ------------------------------------------------------------------------------------

SEED_A = """\
 1 /etc/postfix/
 2   # =============================================================
 3   # service type  private unpriv  chroot  wakeup  maxproc command
 4   #               (yes)   (yes)   (yes)   (never) (100)
 5   # =============================================================
 6   smtp      unix  -       -       n       -       -       smtp
 7   relay     unix  -       -       n       -       -       smtp
 8   etrn-only unix  -       -       n       -       -       smtp
10 /etc/postfix/
relay_domains = customer.tld ...other domains...
defer_transports = etrn-only
transport_maps = hash:/etc/postfix/transport
15 /etc/postfix/transport:
16   customer.tld     etrn-only:[mailhost.customer.tld]
"""

SEED_B = """\
4 /etc/postfix/
main.cf:
5
relay_domains = . . . the.backed-up.domain.tld
6
smtpd_recipient_restrictions =
7
permit_mynetworks
reject_unauth_destination
8
9 # You must specify your NAT/proxy external address.
10 #
proxy_interfaces = 1.2.3.4
11
12
relay_recipient_maps = hash:/etc/postfix/relay_recipients
13
14 /etc/postfix/relay_recipients:
15 [email protected] x
16 [email protected] x
17 . . .
18 /etc/postfix/
main.cf:
19
transport_maps = hash:/etc/postfix/transport
20
21 /etc/postfix/transport:
22 the.backed-up.domain.tld relay:[their.mail.host.tld]
"""


def pages_to_files(page, first_names):
    """The page's files by name. Its numbers, three dots and e-mail protection are no part of them (S20,
    S45); a file without a name is the next one of first_names; a line without = goes on with the one
    before, and in master.cf the columns begin at the left."""
    files, name, users = {}, None, 0
    names = iter(first_names)
    for line in page.splitlines():
        line = re.sub(r"^\s*\d+(\s|$)", "", line).replace("...other domains...", "").strip()
        line = re.sub(r"(^|= *)\. \. \.\s*", r"\1", line)
        if line.startswith("/etc/postfix/"):
            name = line.removeprefix("/etc/postfix/").rstrip(":") or next(names)
            continue
        if not line or line == "main.cf:":
            continue
        if "[email" in line:
            users += 1
            line = line.replace("[email protected]", f"user{users}@the.backed-up.domain.tld")
        if name == "main.cf" and "=" not in line and not line.startswith("#"):
            line = "    " + line
        files[name] = files.get(name, "") + line + "\n"
    return files


@pytest.fixture
def import_seed(make_daemon, make_names, sink, folder):
    """Puts a page into files, imports it, and runs the result; their host is the sink."""
    def run(page, first_names, host, domain, master=""):
        files = pages_to_files(page, first_names)
        place = folder / "postfix"
        place.mkdir()
        for name in set(files) - {"main.cf", "master.cf"}:
            (place / name).write_text(files[name].replace(f"[{host}]", f"[{host}]:{sink.port}"))
            subprocess.run([BIN / "postmap", f"hash:{place / name}"], check=True, env=ENVIRONMENT)
        port = free_port()
        imported = Imported(
            folder, files["main.cf"] + "mydestination =\n",
            f"127.0.0.1:{port} inet n - n - - smtpd\n" + files.get("master.cf", MASTER[30:]))
        names = make_names([f"address=/{host}/127.0.0.1", f"mx-host={domain},mx.isp.example,100"])
        daemon = make_daemon(start=False, raw=imported.text + f"""
            queue_directory = "{folder}/queue";
            run_directory = "{folder}/run";
            dns_servers = [ "{names.server}" ];""")
        daemon.port = port
        daemon.imported = imported
        daemon.start()
        return daemon
    return run


def test_the_first_seed_is_imported_and_runs(import_seed, sink):
    """S3, S4, S9, S10, S14, S16, S20."""
    daemon = import_seed(SEED_A, ["master.cf", "main.cf"], "mailhost.customer.tld", "customer.tld")
    imported = daemon.imported
    assert imported.status == 0, imported.said + imported.errors
    assert imported.has('relay_domains = [ "customer.tld" ];')
    assert imported.has('defer_transports = [ "etrn-only" ];')
    send(daemon.port)
    [listed] = daemon.queue()
    assert listed["recipients"][0]["address"] == "user@customer.tld"
    assert sink.connections == 0
    with Client(daemon.port) as client:
        assert client.command("ETRN customer.tld").startswith("25")
    wait_for(lambda: sink.messages)


def test_the_second_seed_is_imported_and_runs(import_seed, sink):
    """S23, S24, S27, S29, S33, S44, S45."""
    daemon = import_seed(SEED_B, ["main.cf", "main.cf"], "their.mail.host.tld",
                         "the.backed-up.domain.tld")
    imported = daemon.imported
    assert imported.status == 0, imported.said + imported.errors
    assert imported.has('proxy_interfaces = [ "1.2.3.4" ];')
    send(daemon.port, recipients="user1@the.backed-up.domain.tld")
    wait_for(lambda: sink.messages)
    with Client(daemon.port) as client:
        client.command("MAIL FROM:<a@b.example>")
        assert client.command("RCPT TO:<nobody@the.backed-up.domain.tld>") == (
            "550 5.1.1 <nobody@the.backed-up.domain.tld>: Recipient address rejected: "
            "User unknown in relay recipient table")


# ---- values ---------------------------------------------------------------------------------------

LINES = {
    "continuation, with comments and empty lines in it (S44)":
        ("relay_domains = a.example,\n# b.example\n\n   # c.example\n\td.example\n \n  e.example\n",
         'relay_domains = [ "a.example", "d.example", "e.example" ];'),
    "the last one counts": ("relayhost = a\nrelayhost = [b]\n", 'relayhost = "[b]";'),
    "carriage returns": ("relayhost = [b]\r\ndisable_vrfy_command=yes\r\n", 'relayhost = "[b]";'),
    "no blanks around =": ("relayhost=[b]\n", 'relayhost = "[b]";'),
    "another value under stress": ("smtpd_timeout = ${stress?{10}:{200}}s\n",
                                   'smtpd_timeout = "${stress?{10}:{200}}s";'),
    "names of the user's own":
        ("mine = a.example $(more)\nmore = b.example\nrelay_domains = ${mine}\n",
         'relay_domains = [ "a.example", "b.example" ];'),
    "what both have stays": ("relay_domains = $mydestination, $mydomain x.$myhostname\n",
                             'relay_domains = [ "$mydestination", "$mydomain", "x.$myhostname" ];'),
    "a name that looks like Postfix's": ("my_bcc_maps = [b]\nrelayhost = ${my_bcc_maps}\n",
                                        'relayhost = "[b]";'),
    "if it is not empty": ("relayhost = ${mine?[b]}${none?c}\nmine=x\n", 'relayhost = "[b]";'),
    "if it is empty": ("relayhost = ${mine:c}${none:[b]}\nmine=x\nnone =\n", 'relayhost = "[b]";'),
    "one or the other": ("relayhost = ${mine?{[b]}:{c}}${none?{d}:{}}\nmine=x\nnone=\n",
                         'relayhost = "[b]";'),
    "a comparison": ("relayhost = ${{$mine} == {x} ? {[b]} : {c}}\nmine=x\n", 'relayhost = "[b]";'),
    "a dollar": ("smtpd_banner = a$$b\n", 'smtpd_banner = "a$$b";'),
    "a dollar for later": ("default_rbl_reply = $rbl_code no\n", 'default_rbl_reply = "$rbl_code no";'),
    "quotes and backslashes": ('smtpd_banner = a "b" \\c\n', 'smtpd_banner = "a \\"b\\" \\\\c";'),
    "the configuration's folder": ("transport_maps = static:$config_directory\n",
                                   'transport_maps = [ "static:{folder}" ];'),
    "large numbers": ("message_size_limit = 5000000000\n", "message_size_limit = 5000000000L;"),
    "yes and no": ("disable_vrfy_command = yes\n", "disable_vrfy_command = true;"),
    "yes in any letters": ("disable_vrfy_command = YES\n", "disable_vrfy_command = true;"),
    "local delivery for mail that is ours by its exchangers":
        ("best_mx_transport = local\n", 'best_mx_transport = "local";'),
    "durations": ("maximal_queue_lifetime = 2w\n", 'maximal_queue_lifetime = "2w";'),
    "no limit": ("default_destination_recipient_limit = 0\n",
                 "default_destination_recipient_limit = 1000;"),
    "mapped networks": ("mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\n",
                        'mynetworks = [ "127.0.0.0/8", "[::ffff:127.0.0.0]/104", "[::1]/128" ];'),
    "a file of networks": ("mynetworks = $config_directory/networks\n",
                           'mynetworks = [ "{folder}/networks" ];'),
    "an old name": ("2bounce_notice_recipient = a@b\n", 'double_bounce_notice_recipient = "a@b";'),
    "a socket of Postfix's": ("virtual_transport = lmtp:unix:private/lmtp\n",
                              'virtual_transport = "lmtp:unix:/var/spool/postfix/private/lmtp";'),
    "a transport that there is not": ("default_transport = nowhere\n",
                                      'default_transport = "retry:there is no transport nowhere";'),
    "mailboxes on a machine without any":
        ("mydestination =\nlocal_transport = local\nvirtual_transport = virtual\n",
         'virtual_transport = "virtual";'),
    "a port by its name": ("smtp_tcp_port = submission\n", "smtp_tcp_port = 587;"),
    "loopback": ("inet_interfaces = loopback-only\ninet_protocols = ipv4\n",
                 'listen = [ "127.0.0.1:25" ];'),
    "everywhere": ("", 'listen = [ "0.0.0.0:25", "[::]:25" ];'),
    "one protocol": ("inet_protocols = ipv4\n", 'inet_protocols = [ "ipv4" ];'),
    "numbers of interfaces": ("inet_interfaces = 192.0.2.1, [2001:db8::1]\n",
                              'listen = [ "192.0.2.1:25", "[2001:db8::1]:25" ];'),
    "Postfix's default for relaying": ("", """smtpd_relay_restrictions = [
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "defer_unauth_destination" ];"""),
    "the old default for relaying":
        ("compatibility_level = 0\nsmtpd_recipient_restrictions = permit_mx_backup, reject\n",
         "smtpd_relay_restrictions = [ ];"),
    "everybody may use ETRN": ("defer_transports = relay\n", "smtpd_etrn_restrictions = [ ];"),
    "a restriction class": ("smtpd_restriction_classes = strict\nstrict = reject_unknown_client\n",
                            'strict = [ "reject_unknown_client" ];'),
    "a block list is kept":
        ("smtpd_client_restrictions = reject_rbl_client a.b=127.0.0.[2..11]\n",
         'smtpd_client_restrictions = [ "reject_rbl_client", "a.b=127.0.0.[2..11]" ];'),
    "a policy service is not":
        ("smtpd_sender_restrictions = warn_if_reject check_policy_service { unix:x, timeout=1 }, permit\n",
         'smtpd_sender_restrictions = [ "permit" ];'),
    "a table that there is not": ("relay_recipient_maps = mysql:/x, proxy:pipemap:{static:a,nis:b}\n",
                                  'relay_recipient_maps = [ "fail:not-imported", "fail:not-imported" ];'),
}


@pytest.mark.parametrize("name", LINES)
def test_lines(name, folder):
    """What a main.cf says, and the line of sluice.conf that comes of it; all of it checks."""
    main, want = LINES[name]
    (folder / "postfix").mkdir()
    (folder / "postfix" / "networks").write_text("192.0.2.0/24\n")
    imported = Imported(folder, TODAY + main)
    want = want.replace("{folder}", str(imported.folder))
    assert want in imported.text, imported.text + imported.errors
    assert imported.passes(), imported.errors


def test_a_name_of_ours_is_not_of_postfix(folder):
    """Who has made up virtual_user for his own use does not mean our option user of virtual."""
    imported = Imported(folder, TODAY + "virtual_user = nobody\nsmtp_deferral = on-demand\n")
    assert "nobody" not in imported.text and "on-demand" not in imported.text
    for name in "virtual_user", "smtp_deferral":
        assert imported.verdict(name) == ["not needed"]
    assert imported.passes(), imported.errors


def test_each_setting_says_where_it_came_from(folder):
    imported = Imported(folder, TODAY + "\n# a comment\nrelayhost =\n  [b]\nmine = x\n")
    assert "# main.cf:6\nrelayhost" in imported.text
    assert "main.cf:6: carried over: relayhost\n" in imported.said
    assert "main.cf:8: not needed: mine: neither" in imported.said


# ---- what is not there ----------------------------------------------------------------------------

MEANINGS = {  # what main.cf has: what is said, the exit status
    "daemon_directory = /x": ("not needed", 0),
    "my_bcc_maps = [b]\nrelayhost = $my_bcc_maps": ("not needed", 0),
    "smtpd_milters = inet:localhost:8891": ("not supported", 0),
    "smtpd_milters =": ("not needed", 0),
    "header_checks = regexp:/x": ("not supported", 0),
    "smtpd_tls_security_level = may": ("not supported", 0),
    "smtpd_tls_security_level = encrypt": ("LOST", 1),
    "smtpd_tls_security_level = ${mine?{encrypt}:{may}}\nmine = x": ("LOST", 1),
    "smtp_tls_security_level = may": ("not supported", 0),
    "smtp_tls_security_level = dane-only": ("LOST", 1),
    "smtp_tls_security_level = none": ("not needed", 0),
    "smtpd_sasl_auth_enable = yes": ("LOST", 1),
    "smtpd_sasl_auth_enable = No": ("not needed", 0),
    "smtp_sasl_auth_enable = yes": ("LOST", 1),
    "content_filter = smtp:[127.0.0.1]:10024": ("LOST", 1),
    "always_bcc = archive@isp.example": ("LOST", 1),
    "mynetworks = 127.0.0.0/8, gateway.isp.example": ("LOST", 1),
    "relay_recipient_maps = mysql:/etc/postfix/x.cf": ("LOST", 1),
    "smtpd_recipient_restrictions = check_policy_service unix:x, reject": ("not supported", 0),
    "smtpd_recipient_restrictions = check_sasl_access hash:/x, reject": ("LOST", 1),
    "smtpd_recipient_restrictions = reject_nonsense, reject": ("LOST", 1),
    "smtpd_timeout = soon": ("not supported", 0),
}


@pytest.mark.parametrize("main", MEANINGS)
def test_what_is_not_carried_over_is_said(main, folder):
    verdict, status = MEANINGS[main]
    imported = Imported(folder, TODAY + main + "\n")
    assert verdict in imported.verdict(main.split(" ")[0]), imported.said + imported.errors
    assert imported.status == status, imported.said + imported.errors
    assert imported.passes(), imported.errors


@pytest.mark.parametrize("level, is_old", [("", True), ("1", True), ("1.9", True), ("2", False), ("3.6", False)])
def test_sub_domains_of_an_old_level(level, is_old, folder):
    """relay_domains is $mydestination below compatibility_level 2: whole domains, and those below."""
    imported = Imported(folder, f"compatibility_level = {level}\nmyhostname = mx.isp.example\n")
    assert ("not supported: relay_domains: with a compatibility_level below 2" in imported.said) == is_old


def test_a_copy_of_the_folder(folder):
    """/etc/postfix may be one of another machine: what is in the copy alone is taken from there."""
    place = folder / "postfix"
    place.mkdir()
    for name in ["there", "list"]:
        (place / name).write_text("a.example\n")
    imported = Imported(folder, TODAY + "relay_domains = texthash:/etc/postfix/there, /etc/postfix/list, "
                        "texthash:/etc/postfix/gone\n")
    assert f'"texthash:{place}/there"' in imported.text
    assert f'"{place}/list"' in imported.text
    assert '"texthash:/etc/postfix/gone"' in imported.text
    assert imported.verdict("relay_domains") == ["carried over"] * 3


def test_the_notes_as_json(folder):
    imported = Imported(folder, TODAY + "always_bcc = a@b\n", json=True)
    notes = [json.loads(line) for line in imported.said.splitlines()]
    assert {"name": "always_bcc", "verdict": "lost", "line": 4}.items() <= {
        k: v for note in notes if note["name"] == "always_bcc" for k, v in note.items()}.items()


def test_without_a_file_the_configuration_goes_to_standard_output(folder):
    imported = Imported(folder, TODAY + "relayhost = [b]\n", output=False)
    assert imported.status == 0, imported.errors
    assert 'relayhost = "[b]";' in imported.said
    assert "carried over: relayhost" in imported.errors


# ---- master.cf ------------------------------------------------------------------------------------

def test_clones_of_delivery_agents(folder):
    """S9, S39: names, options in all spellings (the last counts), what main.cf has for a transport."""
    imported = Imported(folder, TODAY + """
slow_destination_concurrency_limit = 0
slow_initial_destination_concurrency = 2
lmtp_connect_timeout = 7s
transport_maps = inline:{a.example=error:gone, b.example=slow:}
""", MASTER + """
slow      unix  -       -       n       -       3       smtp -v -o smtp_helo_timeout=5s
  # a comment
  -osmtp_mail_timeout=6s -vo smtp_rcpt_timeout=7s

  -o { smtp_helo_name = slow.isp.example }
relay     unix  -       -       n       -       -       smtp
  -o smtp_fallback_relay=[a.example] -o fallback_relay=
store     unix  -       -       n       -       2       lmtp
etrn-only unix  -       -       n       -       -       smtp
unused    unix  -       n       n       -       -       pipe user=nobody argv=/bin/false
""".replace("relay     unix", "backup    unix"))
    assert imported.status == 0, imported.said + imported.errors
    transports = imported.text[imported.text.index("transports = ("):]
    plain = re.sub(r"\s*#.*\n\s*", "\n", transports)
    assert """\
{ name = "slow"; plugin = "smtp";
smtp_helo_timeout = "5s";
smtp_mail_timeout = "6s";
smtp_rcpt_timeout = "7s";
smtp_helo_name = "slow.isp.example";
initial_destination_concurrency = 2;
destination_concurrency_limit = 10000;""" in plain
    assert '{ name = "backup"; plugin = "smtp";\nsmtp_fallback_relay = [ ];' in plain
    assert ('{ name = "store"; plugin = "lmtp";\nsmtp_connect_timeout = "7s";\n'
            "destination_concurrency_limit = 2;") in plain
    assert '"smtp"; }' not in plain and '"etrn-only"' not in plain and '"unused"' not in plain


def test_tables_whose_options_are_in_main_cf(folder):
    """ldap:NAME with NAME_server_host and its like, in two lists; one of a file needs nothing."""
    imported = Imported(folder, TODAY + """
staff_server_host = ldap://127.0.0.1:1
staff_query_filter = (mail=%s)
staff_nonsense = x
virtual_alias_maps = proxy:ldap:staff
smtpd_sender_restrictions = check_sender_access ldap:staff
relay_recipient_maps = static:all
""")
    plain = re.sub(r"\s*#.*\n\s*", "\n", imported.text)
    assert """\
tables = (
{ name = "staff"; plugin = "ldap";
server_host = [ "ldap://127.0.0.1:1" ];
query_filter = "(mail=%s)";
    }
);
""" in plain
    assert imported.verdict("staff_server_host") == ["carried over"]
    assert imported.verdict("staff_nonsense") == ["not supported"]
    assert imported.status == 0
    assert imported.passes(), imported.errors


def test_tables_that_other_tables_ask(folder):
    """Their options are in main.cf as well, and their files in the copy of /etc/postfix."""
    place = folder / "postfix"
    place.mkdir()
    for name in ["a.cf", "b.cf"]:
        (place / name).write_text("server_host = ldap://127.0.0.1:1\n")
    imported = Imported(folder, TODAY + """
staff_server_host = ldap://127.0.0.1:1
guests_server_host = ldap://127.0.0.1:2
guests_query_filer = (mail=%s)
virtual_alias_maps = unionmap:{ldap:staff, pipemap:{proxy:ldap:guests,ldap:/etc/postfix/b.cf}}, ldap:/etc/postfix/a.cf
relay_recipient_maps = proxy:unionmap:{ldap:staff,ldap:guests}
""")
    assert re.findall(r'name = "(\w+)"; plugin = "ldap";', imported.text) == ["staff", "guests"]
    assert (f'virtual_alias_maps = [ "unionmap:{{ldap:staff, pipemap:{{proxy:ldap:guests, ldap:{place}/b.cf}}}}", '
            f'"ldap:{place}/a.cf" ];') in " ".join(imported.text.split())
    assert 'relay_recipient_maps = [ "proxy:unionmap:{ldap:staff,ldap:guests}" ];' in imported.text
    assert imported.verdict("guests_query_filer") == ["not supported"]
    assert imported.status == 0 and imported.passes(), imported.errors


def test_a_file_beside_the_queue(folder):
    """Postfix's programs are in its queue_directory, and names that begin with a dot count from there."""
    imported = Imported(folder, TODAY + f"queue_directory = {folder}\n"
                        "relay_domains = ldap:./etc/x.cf, proxy:texthash:../y, static:.z\n"
                        "smtpd_sender_restrictions = check_sender_access nothing\n")
    for table in f"ldap:{folder}/./etc/x.cf", f"proxy:texthash:{folder}/../y", "static:.z":
        assert f'"{table}"' in imported.text


# Of one entry, and of a group of two.
LDAP_MAIN = """
of_all = (mailacceptinggeneralid=%s)
staff_server_host = ldap://127.0.0.1:1, URL
staff_search_base = BASE
# in between
staff_query_filter =
  (&(objectClass=mailrecipient)
# and here
    $of_all)
staff_result_format = $$%U:%s
staff_version = 3
staff_bind = no
group_server_host = URL
group_search_base = BASE
group_bind = none
group_version = 3
group_special_result_attribute = memberdn, memberurl
group_leaf_result_attribute = description
group_expansion_limit = 10
limit_server_host = URL
limit_search_base = BASE
limit_bind = no
limit_expansion_limit = 1
host_server_host = 127.0.0.1
host_server_port = PORT
host_search_base = BASE
host_scope = one
host_domain = customer.tld, other.tld
host_result_attribute = cn maildrop
"""
LDAP_FILE = """
# what is in a file stands for itself
server_host = URL
search_base =
# a comment in between
    BASE
version = 3
   # and one that begins with a blank
bind = no
query_filter = (&(objectClass=mailrecipient)
  (mailacceptinggeneralid=%s))
result_format = $x$$:%s
cache = no
nonsense = x
"""
LDAP_TABLES = ["ldap:staff", "proxy:ldap:group", "ldap:limit", "ldap:host", "ldap:FOLDER/file.cf",
               "unionmap:{ldap:staff,ldap:host}", "pipemap:{ldap:host, inline:{{joe,joe@store.tld = piped}}}"]


LDAP_PEOPLE = (
    recipient("joe", mailacceptinggeneralid="joe@customer.tld", maildrop="joe@store.tld")
    + recipient("two", mailacceptinggeneralid="two@customer.tld", maildrop=["a@store.tld", "b@store.tld"])
    + recipient("group", mailacceptinggeneralid="group@customer.tld", description="leaf",
                memberdn=f"cn=joe,{BASE}", memberurl=f"ldap:///{BASE}?maildrop?sub?(cn=two)"))
LDAP_KEYS = "joe@customer.tld\nTWO@customer.tld\ngroup@customer.tld\nnobody@customer.tld\njoe\njoe@else.tld\n"


@pytest.fixture(scope="module")
def slapd():
    with slapd_of(LDAP_PEOPLE) as directory:
        yield directory


@pytest.fixture
def fill(slapd, folder):
    return lambda text: (text.replace("URL", slapd.url).replace("PORT", str(slapd.port)).replace("BASE", BASE)
                         .replace("FOLDER", str(folder)))


def test_ldap_tables_answer_as_postfix_has_it(fill, folder, ours, theirs):
    """Each way to write one, with Debian's postmap as the witness."""
    (folder / "file.cf").write_text(fill(LDAP_FILE))
    options = fill(LDAP_MAIN)
    tables = [fill(table) for table in LDAP_TABLES]
    imported = Imported(folder, TODAY + options + "relay_domains = $virtual_alias_maps\n"
                        f"virtual_alias_maps = {', '.join(tables)}\n")
    assert imported.status == 0 and imported.passes(), imported.errors
    (folder / "sluice.conf").write_text(imported.text)
    with open(folder / "main.cf", "a") as main:
        main.write(options)
    for table in tables:
        plain = table.removeprefix("proxy:")  # postmap would need Postfix's own to run
        mine, witness = (call("-q", "-", plain, stdin=LDAP_KEYS) for call in (ours, theirs))
        assert mine.returncode == witness.returncode, (table, mine.stderr, witness.stderr)
        if table == "ldap:limit":  # Postfix's forgets what it has found before
            assert mine.returncode == 1 and "two@customer.tld" in mine.stderr
        else:
            assert mine.stdout == witness.stdout != "", table


# Lines more, or one in the place of the one of that name.
@pytest.mark.parametrize("lines", [
    "version = 4\nscope = all\ndereference = 7\nresult_format =\nbase = x\n",
    "server_host = 127.0.0.1:1,127.0.0.1:PORT\nresult_filter = x-%s\nbind = None\nscope = One",
    "server_host=ldap://127.0.0.1:1/ URL/\r\nbind = YES\nbind_dn =\ncache = yes\n",
    "domain = CUSTOMER.tld\nresult_attribute = MAILDROP,cn maildrop\ntls_ca_cert_file = /nowhere\n",
    "query_filter = (|(cn=100%%)(mailacceptinggeneralid=%s))\nresult_format = $myhostname # %s\nstart_tls = no",
    "query_filter = (mailacceptinggeneralid=%u@%2.%1)\nresult_format = %U %s %D\nexpansion_limit = 9",
])
def test_ldap_files_are_read_as_postfix_reads_them(fill, folder, lines, ours, theirs):
    """Also what makes little sense."""
    path = folder / "x.cf"
    path.write_text(fill("server_host = URL\nsearch_base = BASE\nbind = no\n" + lines), newline="")
    mine, witness = (call("-q", "-", f"ldap:{path}", stdin=LDAP_KEYS) for call in (ours, theirs))
    assert (mine.returncode, mine.stdout) == (witness.returncode, witness.stdout), (mine.stderr, witness.stderr)
    assert mine.stdout != ""


def test_pipes(folder):
    """Those that something names, with their arguments; one whose user there is not defers its mail."""
    imported = Imported(folder, TODAY + """
transport_maps = inline:{a.example=store:, b.example=elsewhere:}
store_destination_recipient_limit = 1
""", MASTER + """
store     unix  -       n       n       -       4       pipe
  flags=DRhu user=nobody null_sender= directory=/tmp
  argv=/bin/store -f ${sender} -- { a  b } $(recipient)
elsewhere unix  -       n       n       -       -       pipe flags=F user=no-such-user argv=/bin/x
unused    unix  -       n       n       -       -       pipe flags=F user=nobody argv=/bin/x
""")
    plain = re.sub(r"\s*#.*\n\s*", "\n", imported.text)
    assert """{ name = "store"; plugin = "pipe";
destination_recipient_limit = 1;
process_limit = 4;
flags = "DRhu";
user = "nobody";
null_sender = "";
directory = "/tmp";
argv = [ "/bin/store", "-f", "${sender}", "--", "a  b", "$(recipient)" ];""" in plain
    assert '{ name = "elsewhere"; plugin = "retry"; }' in plain
    assert imported.verdict("elsewhere") == ["LOST"]
    assert imported.verdict("unused") == ["not needed"]
    assert imported.status == 1
    assert imported.passes(), imported.errors


def test_names_that_a_configuration_cannot_have(folder):
    imported = Imported(folder, TODAY + """
virtual_alias_maps = ldap:na"me
na"me_server_host = x
smtpd_restriction_classes = cl"ass
cl"ass = permit
""", MASTER + """
na"me unix - - n - - smtp
x;y   unix - - n - - lmtp
""")
    assert imported.verdict('na"me') == ["LOST"] and imported.verdict("x;y") == ["LOST"]
    assert 'na"me' not in imported.text.replace('ldap:na"me', "")


def test_servers_become_listen(folder):
    """The server on port 25 has the rules; one with others is not taken over."""
    imported = Imported(folder, TODAY + "smtpd_helo_required = no\nthat = yes\n", """
127.0.0.1:2525 inet n   -       n       -       -       smtpd
  -o syslog_name=postfix/inner -o smtpd_helo_required=$that
[::1]:smtp inet n       -       n       -       -       smtpd -o { smtpd_helo_required = yes }
submission inet n       -       n       -       -       smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
2526      inet  n       -       n       -       -       smtpd -o smtpd_helo_required=no
""")
    assert imported.has('listen = [ "127.0.0.1:2525", "[::1]:25" ];'), imported.text
    assert imported.has("smtpd_helo_required = true;")
    assert imported.has('inet_interfaces = [ "all" ];')
    assert imported.verdict("submission") == ["LOST"]
    assert imported.verdict("2526") == ["LOST"]
    assert imported.status == 1
    assert imported.passes()


def test_what_other_services_have_is_said(folder):
    """Old names of services and types; a server of another protocol; options that only one service had."""
    imported = Imported(folder, TODAY, MASTER + """
pickup    fifo  n       n       n       60      1       pickup -o content_filter=
qmgr      fifo  n       -       n       300     1       nqmgr
628       inet  n       -       n       -       -       qmqpd
other     unix  n       -       n       -       0       cleanup
  -o virtual_alias_maps= -o header_checks=regexp:/x
policy    unix  -       n       n       -       0       spawn user=nobody argv=/bin/x
""")
    assert imported.verdict("pickup: -o content_filter") == ["not needed"]
    assert imported.verdict("628") == ["not supported"]
    assert imported.verdict("other: -o virtual_alias_maps") == ["not supported"]
    assert imported.verdict("other: -o header_checks") == ["not supported"]
    assert imported.verdict("policy") == ["not supported"]
    assert imported.status == 0, imported.said


def test_postscreen_gives_way_to_the_server_behind_it(folder):
    imported = Imported(folder, TODAY, """
smtp      inet  n       -       n       -       1       postscreen
smtpd     pass  -       -       n       -       -       smtpd -o smtpd_helo_required=yes
""")
    assert imported.has('listen = [ "0.0.0.0:25", "[::]:25" ];')
    assert imported.has("smtpd_helo_required = true;")
    assert imported.verdict("smtp") == ["not supported", "carried over"]


def test_without_master_cf_the_usual_services_are_taken(folder):
    imported = Imported(folder, TODAY, None)
    assert imported.status == 0, imported.errors
    assert '{ name = "lmtp"; plugin = "lmtp"; }' in imported.text
    assert "master.cf: warning: there is nothing in it" in imported.errors


# ---- files that make no sense ---------------------------------------------------------------------

BAD = {
    "no =": ("a = b\nfoo bar\n", "main.cf:2: this is not of the form name = value"),
    "two words before =": ("foo bar = x\n", "main.cf:1: this is not of the form name = value"),
    "no name": ("= x\n", "main.cf:1: a name is missing"),
    "a loop": ("relayhost = $a\na = $b\nb = ${a}\n", "main.cf:2: a refers to itself"),
    "itself": ("relayhost = $relayhost\n", "main.cf:1: relayhost refers to itself"),
    "a brace that stays open": ("a = b\nrelayhost = ${a\n", "main.cf:2: "),
    "NUL": ("a = b\nmyhost\0name = x\n", "main.cf:2: a NUL character"),
    "values that explode": (
        "a0 = 0123456789\n" + "".join(f"a{i + 1} = $a{i}$a{i}$a{i}$a{i}\n" for i in range(30)) +
        "relayhost = $a30\n", "the references in it stand for too much"),
    "too many": ("".join(f"a{i} = x\n" for i in range(6000)), "main.cf:5001: more than 5000 parameters"),
    "too long": ("a = " + "x" * 5_000_000, "main.cf"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_main_cf_that_makes_no_sense(name, folder):
    main, want = BAD[name]
    imported = Imported(folder, main)
    assert imported.status == 78
    assert want in imported.errors
    assert not imported.config.exists()
    assert len(imported.errors.splitlines()) < 5, imported.errors


@pytest.mark.parametrize("master, want", [
    ("smtp inet n - n\n", "master.cf:1: a service has 8 fields and this has 5"),
    ("\nsmtp blah - - - - - smtpd\n", 'master.cf:2: smtp: there is no type "blah"'),
    ("smtp unix - - - - - smtp -o\n", "master.cf:1: smtp: -o has nothing behind it"),
    ("smtp unix - - - - - smtp\n  -o nonsense\n", "master.cf:1: this is not of the form name = value"),
])
def test_a_master_cf_that_makes_no_sense(master, want, folder):
    imported = Imported(folder, TODAY, master)
    assert imported.status == 78
    assert want in imported.errors


def test_a_folder_without_main_cf(folder):
    imported = Imported(folder, None)
    assert imported.status == 66
    assert imported.errors == f"{imported.folder}/main.cf: No such file or directory\n"


def test_random_files(folder):
    """Whatever stands in the files: it is imported, or an error names file and line."""
    seeded = random.Random(5)
    good = TODAY + "relay_domains = a, $b, ${c?{d}:{e}}\nb = x\nc = ${{$b} == {x} ? {y}}\n" \
        "smtpd_recipient_restrictions = check_client_access hash:/x, reject_rbl_client y, reject\n"
    letters = "aos =${}()?:#,\n\t\"\\-[]/!@%\0\x80\xff<>"
    for _ in range(40):
        files = []
        for text in (good, MASTER):
            letter = list(text)
            for _ in range(seeded.randrange(8)):
                letter[seeded.randrange(len(letter))] = seeded.choice(letters)
            files.append("".join(letter))
        imported = Imported(folder, *files, encoding="latin-1")
        if imported.status == 78:
            assert re.search(r"(main|master)\.cf:\d+: ", imported.errors), imported.errors


# ---- files of Debian's ----------------------------------------------------------------------------

@pytest.mark.skipif(not (peers.UNPACKED / "usr/share/postfix/main.cf.dist").exists(),
                    reason="Postfix is not unpacked")
@pytest.mark.parametrize("names", [["main.cf.dist"], ["main.cf.debian"],
                                   ["main.cf.debian", "main.cf.tls"]])
def test_files_of_debian(names, folder):
    share = peers.UNPACKED / "usr/share/postfix"
    imported = Imported(folder, "".join((share / name).read_text() for name in names),
                        (share / "master.cf.dist").read_text())
    assert imported.status == 0, imported.said
    imported.check()
    assert imported.verdict("maildrop") == ["not needed"]
