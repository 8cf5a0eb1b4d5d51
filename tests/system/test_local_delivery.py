# SPDX-License-Identifier: ISC
"""The transport local: users, aliases, files, commands, ~/.forward (spec R-2, R-5, R-9; issue 5, point 2)."""

import grp
import os
import pwd
import re
import signal
import sqlite3

import pytest

from client import Client, send
from daemon import wait_for
from mailboxes import OWN, make_folder, needs_root, read_maildir, read_mbox

IS_ROOT = os.geteuid() == 0
# Users that every Debian has; else the only one whose mail can be delivered.
USER = pwd.getpwnam("games") if IS_ROOT else OWN
OTHER = pwd.getpwnam("news") if IS_ROOT else OWN
NOBODY = pwd.getpwnam("nobody") if IS_ROOT else OWN


@pytest.fixture
def make_local(make_daemon, folder, sink):
    """A daemon with a spool of its own in folder/mail; start it with start()."""
    def make(aliases="", **settings):
        daemon = make_daemon(start=False)
        daemon.spool = make_folder(folder / "mail")
        if IS_ROOT:
            os.chown(daemon.spool, 0, grp.getgrnam("mail").gr_gid)
            daemon.spool.chmod(0o2775)
        daemon.change({
            "mydestination": ["isp.example"], "myorigin": "isp.example", "mail_spool_directory": daemon.spool,
            "alias_maps": [daemon.table("aliases", aliases)], "recipient_delimiter": "+",
            "forward_path": "", "minimal_backoff_time": "1s", "deliver_processes": 1,
            "transport_maps": [daemon.table("transport", f"else.tld smtp:{sink.nexthop}\n")], **settings})
        return daemon

    return make


def is_empty(daemon):
    return daemon.queue() == []


def test_the_defaults(make_daemon, sink):
    """mydestination, local_recipient_maps and the transports are there without being named (R-5)."""
    daemon = make_daemon(settings={"mydestination": None, "alias_maps": []})
    unknown = "550 5.1.1 <{0}>: Recipient address rejected: User unknown in local recipient table"
    with Client(daemon.port) as client:
        client.expect("MAIL FROM:<s@else.tld>", "250")
        for domain in "mx.isp.example", "localhost.isp.example", "localhost":
            client.expect(f"RCPT TO:<{USER.pw_name}@{domain}>", "250 2.1.5 Ok")
            assert client.command(f"RCPT TO:<no-such-user@{domain}>") == unknown.format(f"no-such-user@{domain}")
        client.expect("RCPT TO:<postmaster>", "250")
        client.expect("RCPT TO:<PostMaster@localhost>", "250")


def test_a_users_mbox(make_local):
    daemon = make_local()
    daemon.start()
    send(daemon.port, recipients=[f"{USER.pw_name}@isp.example"],
         content=b"Subject: test\r\n\r\nhello\r\nFrom here\r\n")
    send(daemon.port, recipients=[f"{USER.pw_name.upper()}+tag@isp.example"], sender="")
    wait_for(lambda: is_empty(daemon))
    path = daemon.spool / USER.pw_name
    messages = read_mbox(path)
    assert len(messages) == 2 and b"\n>From here\n" in path.read_bytes()
    text = path.read_bytes()
    assert f"\nDelivered-To: {USER.pw_name.upper()}+tag@isp.example\n".encode() in text
    assert re.search(rb"^From MAILER-DAEMON  ", text, re.M) and not (daemon.spool / f"{USER.pw_name}.lock").exists()
    info = path.stat()
    assert (info.st_uid, info.st_mode & 0o777) == (USER.pw_uid, 0o600)
    if IS_ROOT:
        assert info.st_gid == grp.getgrnam("mail").gr_gid
    assert re.search(rf"local\[\d+\]: .*to=<{USER.pw_name}@isp.example>, relay=local, .*dsn=2.0.0, status=sent "
                     r"\(delivered to mailbox\)", daemon.log())


def test_the_bare_postmaster_gets_his_mail(make_local):
    """Also <postmaster> without a domain (RFC 5321 4.5.1)."""
    daemon = make_local(f"postmaster root\nroot {USER.pw_name}\n")
    daemon.start()
    send(daemon.port, recipients=["postmaster"])
    send(daemon.port, recipients=["postmaster@isp.example"])
    wait_for(lambda: is_empty(daemon))
    messages = read_mbox(daemon.spool / USER.pw_name)
    assert len(messages) == 2
    for message in messages:
        to = re.findall(rb"^Delivered-To: (.*)$", message, re.M)
        assert to[0] == f"{USER.pw_name}@isp.example".encode()
        assert to[1] == b"root@isp.example" and to[2].startswith(b"postmaster")


def test_unknown_users_go_back(make_local, sink):
    daemon = make_local(smtpd_reject_unlisted_recipient=False)
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=["no-such-user+x@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert re.search(r'dsn=5.1.1, status=bounced \(unknown user: "no-such-user"\)', daemon.log())
    assert b"\nStatus: 5.1.1" in sink.messages[0].data


def test_an_alias_with_several_members(make_local, sink):
    """Addresses get a message of their own, unchanged but for Received and Delivered-To."""
    daemon = make_local(f"team one@else.tld, {USER.pw_name}, \"Two\" <two@else.tld>, one@else.tld\n")
    daemon.start()
    content = b"Bcc: kept\r\nX: y\r\n\r\n.dot\r\n..\r\nend\r\n"
    send(daemon.port, sender="s@else.tld", recipients=["team@isp.example"], content=content)
    wait_for(lambda: is_empty(daemon) and sink.count >= 1)
    assert {to for message in sink.messages for to in message.recipients} == {"<one@else.tld>", "<two@else.tld>"}
    assert all(message.mail.startswith("FROM:<s@else.tld>") for message in sink.messages)
    data = sink.messages[0].data
    assert data.endswith(b"\r\n" + content)
    assert b"\r\nDelivered-To: team@isp.example\r\n" in data and b"Message-Id" not in data
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1
    daemon.wait_for_log(r"to=<team@isp.example>, .*status=sent \(forwarded as [0-9A-F]{16}\)")


def test_a_lists_owner_hears_of_failures(make_local, sink):
    daemon = make_local("list gone@else.tld\nowner-list boss@else.tld\nother-request gone@else.tld\n"
                        "owner-other-request boss@else.tld\n")
    sink.replies["RCPT"] = lambda line: "550 5.1.1 no" if "<gone@" in line else ...
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=["list@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert sink.messages[0].recipients == ["<boss@else.tld>"]
    daemon.wait_for_log(r"from=<owner-list@isp\.example>")
    send(daemon.port, sender="s@else.tld", recipients=["other-request@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert sink.messages[1].recipients == ["<s@else.tld>"]


def test_loops_end(make_local, sink):
    """a stands for b, and b for a; a user among his own members is no loop (5.4.6)."""
    daemon = make_local(f"a b\nb a\n{USER.pw_name} {USER.pw_name}, copy@else.tld\n"
                        f"back \\{USER.pw_name.upper()}\n")
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=["a@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert re.search(r"dsn=5.4.6, status=bounced \(mail forwarding loop for a@isp.example\)", daemon.log())
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1
    send(daemon.port, sender="s@else.tld", recipients=["back@isp.example"])
    wait_for(lambda: is_empty(daemon))
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 2 and sink.count == 2


def test_files_commands_and_lists_of_an_alias(make_local, folder, sink):
    """With the rights of default_privs; what may not stand in a list is refused (5.7.1)."""
    place = make_folder(folder / "place", NOBODY)
    members = folder / "members"
    members.write_text("# a list\none@else.tld\n\ntwo@else.tld, three@else.tld\n")
    bad = folder / "bad"
    bad.write_text("|/bin/true\n")
    daemon = make_local(
        f"file {place}/box\nnull /dev/null\nlist :include:{members}\nbad :include:{bad}\nnone :include:{place}/no\n"
        f"cmd \"|cat >{place}/out; echo $USER $LOCAL $EXTENSION $DOMAIN $SENDER >{place}/env\"\n"
        f"fails \"|echo 5.7.9 not you; exit 1\"\nlater |\"exit 75\"\n", mailbox_size_limit=100000)
    daemon.start()
    for name in ("file", "null", "list", "cmd+Ext$ra"):
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count >= 1)
    assert len(read_mbox(place / "box")) == 1 and (place / "box").stat().st_uid == NOBODY.pw_uid
    assert {to for message in sink.messages for to in message.recipients} == \
        {"<one@else.tld>", "<two@else.tld>", "<three@else.tld>"}
    out = (place / "out").read_bytes()
    assert out.startswith(b"From s@else.tld  ") and out.endswith(b"\nhello\n")
    assert (place / "env").read_text() == "nobody cmd+ext_ra ext_ra isp.example s@else.tld\n"
    assert (place / "env").stat().st_uid == NOBODY.pw_uid
    for text in (rf"delivered to file: {place}/box", "delivered to command: cat >"):
        daemon.wait_for_log(rf"status=sent \({text}")
    for name, text in (("bad", r"dsn=5\.7\.1, status=bounced \(mail to command is restricted\)"),
                       ("fails", r"dsn=5\.7\.9, status=bounced \(.*not you"),
                       ("later", r"dsn=4\.3\.0, status=deferred"),
                       ("none", r"dsn=4\.3\.5, status=deferred \(included file .*not found")):
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
        daemon.wait_for_log(rf"to=<{name}@isp.example>, .*{text}")


def test_a_nul_does_not_end_a_list(make_local, folder, sink):
    """Who is on it is not known: it waits as a whole."""
    members, table = folder / "members", folder / "nul.cf"
    members.write_bytes(b"one@else.tld\n\0\ntwo@else.tld\n")
    sqlite3.connect(folder / "db").close()
    table.write_text(f"dbpath = {folder}/db\n"
                     "query = SELECT 'one@else.tld,' || char(0) || 'two@else.tld' WHERE '%s' = 'value'\n")
    daemon = make_local(f"file :include:{members}\n")
    daemon.change({"alias_maps": [*daemon.settings["alias_maps"], f"sqlite:{table}"]})
    daemon.start()
    for name, text in ("file", r"4\.3\.5, .*is no text"), ("value", r"4\.3\.0, .*lookup of value failed"):
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
        daemon.wait_for_log(rf"to=<{name}@isp.example>, .*dsn={text}")
    assert sink.count == 0


def test_one_member_that_waits_holds_back_the_rest(make_local, folder, sink):
    """Nobody gets it twice because a folder is closed to another member."""
    place = make_folder(folder / "place", NOBODY, mode=0o500)
    daemon = make_local(f"both {place}/box, one@else.tld\n")
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=["both@isp.example"])
    daemon.wait_for_log(r"to=<both@isp.example>, .*status=deferred \(cannot update mailbox")
    assert sink.count == 0
    place.chmod(0o700)
    wait_for(lambda: is_empty(daemon) and sink.count == 1, 30)
    assert len(read_mbox(place / "box")) == 1


def test_forward_files(make_local, folder, sink):
    """The first of forward_path that there is, with the user's rights; \\name is his mailbox."""
    homes = make_folder(folder / "homes")
    daemon = make_local(forward_path=f"{homes}/$user${{recipient_delimiter}}${{extension}}, {homes}/$user")
    plain, tagged = homes / USER.pw_name, homes / f"{USER.pw_name}+tag"
    plain.write_text(f"\\{USER.pw_name}, copy@else.tld\n\"|cat >{folder}/out/{USER.pw_name}\"\n")
    tagged.write_text("tagged@else.tld\n")
    make_folder(folder / "out", USER)
    for path in plain, tagged:
        os.chown(path, USER.pw_uid, USER.pw_gid)
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert sink.messages[0].recipients == ["<copy@else.tld>"]
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1
    assert (folder / "out" / USER.pw_name).stat().st_uid == USER.pw_uid
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}+tag@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert sink.messages[1].recipients == ["<tagged@else.tld>"]
    plain.chmod(0o666)
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}@isp.example"])
    daemon.wait_for_log(r"dsn=4\.3\.5, status=deferred \(file .* is world writable\)")
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1


def test_an_extension_with_a_slash_is_no_path(make_local, folder, sink):
    """Postfix's local(8) takes no such extension either; what stands for the user's name counts."""
    homes = make_folder(folder / "homes")
    make_folder(homes / f"{USER.pw_name}+a", mode=0o755)
    daemon = make_local("list one@else.tld\n", forward_path=f"{homes}/$user${{recipient_delimiter}}${{extension}}")
    (homes / f"{USER.pw_name}+a" / "b").write_text("wrong@else.tld\n")
    daemon.start()
    for name in "list", USER.pw_name:
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}+a/b@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert sink.messages[0].recipients == ["<one@else.tld>"]
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1


@needs_root
def test_a_list_that_a_user_includes_is_read_with_his_rights(make_local, folder, sink):
    """Else the daemon would read it to him; whose it is does not matter."""
    homes = make_folder(folder / "homes", mode=0o755)
    shared, secret = homes / "shared", homes / "secret"
    for path, mode in (shared, 0o644), (secret, 0o600):
        path.write_text(f"{path.name}@else.tld\n")
        path.chmod(mode)
        os.chown(path, pwd.getpwnam("sluice-net").pw_uid, 0)
    mine = homes / USER.pw_name
    mine.write_text(f":include:{shared}\n")
    os.chown(mine, USER.pw_uid, USER.pw_gid)
    daemon = make_local(f"all :include:{secret}\n", forward_path=f"{homes}/$user")
    daemon.start()
    for name in "all", USER.pw_name:
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert sorted(message.recipients for message in sink.messages) == [["<secret@else.tld>"], ["<shared@else.tld>"]]
    mine.write_text(f":include:{secret}\n")
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}@isp.example"])
    daemon.wait_for_log(r"status=deferred \(file .*/secret: Permission denied\)")
    assert sink.count == 2


def test_a_forward_file_behind_an_alias(make_local, folder, sink):
    """Each member once: those of the alias before and behind the user, and those of his own file."""
    homes = make_folder(folder / "homes")
    path = homes / USER.pw_name
    path.write_text(f"{USER.pw_name.upper()}@ISP.example, own@else.tld\n")
    os.chown(path, USER.pw_uid, USER.pw_gid)
    daemon = make_local(f"{USER.pw_name} before@else.tld, /dev/null, {USER.pw_name}, behind@else.tld\n",
                        forward_path=f"{homes}/$user")
    daemon.start()
    send(daemon.port, sender="s@else.tld", recipients=[f"{USER.pw_name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert sorted(sink.messages[0].recipients) == ["<before@else.tld>", "<behind@else.tld>", "<own@else.tld>"]
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 1


def test_other_mailboxes(make_local, folder, sink):
    """mail_spool_directory with a slash, mailbox_command, luser_relay."""
    daemon = make_local(smtpd_reject_unlisted_recipient=False, luser_relay="$user-was-not-here@else.tld")
    daemon.change({"mail_spool_directory": f"{daemon.spool}/"})
    if IS_ROOT:
        make_folder(daemon.spool / USER.pw_name, USER, mode=0o700)
    daemon.start()
    send(daemon.port, recipients=[f"{USER.pw_name}@isp.example"])
    send(daemon.port, sender="s@else.tld", recipients=["no-such-user+x@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 1)
    assert len(read_maildir(daemon.spool / USER.pw_name)) == 1
    assert sink.messages[0].recipients == ["<no-such-user-was-not-here@else.tld>"]
    out = make_folder(folder / "out", USER)
    daemon.change({"mailbox_command": f"cat >{out}/$LOGNAME"})
    daemon.stop()
    daemon.start()
    send(daemon.port, recipients=[f"{USER.pw_name}@isp.example"])
    wait_for(lambda: is_empty(daemon))
    assert (out / USER.pw_name).read_bytes().endswith(b"\nhello\n")


def test_what_a_sender_writes_is_no_command(make_local, folder, sink):
    """An address in luser_relay stays one (Postfix: no special treatment of |stuff or /stuff)."""
    place = make_folder(folder / "place", NOBODY)
    daemon = make_local(smtpd_reject_unlisted_recipient=False, luser_relay="$local@else.tld")
    daemon.start()
    names = ['"|true #"', '"a,|true #"', f'"{place}/y"', r'"\\nobody"', '"a> NOTIFY=NEVER"']
    for name in names:
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == len(names))
    assert list(place.iterdir()) == []
    assert "to command" not in daemon.log() and "to file" not in daemon.log()


def test_names_without_an_alias_go_elsewhere(make_local, sink):
    """mailbox_transport: whoever has no alias; fallback_transport: whoever is no user either."""
    daemon = make_local(f"boss {USER.pw_name}, far@else.tld\n", smtpd_reject_unlisted_recipient=False,
                        fallback_transport=f"smtp:{sink.nexthop}")
    daemon.start()
    for name in USER.pw_name, "boss", "stranger":
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 2)
    assert sorted(message.recipients for message in sink.messages) == [["<far@else.tld>"],
                                                                      ["<stranger@isp.example>"]]
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 2
    daemon.change({"mailbox_transport": f"relay:{sink.nexthop}", "fallback_transport": None})
    daemon.stop()
    daemon.start()
    for name in f"{USER.pw_name}+x", "boss":
        send(daemon.port, sender="s@else.tld", recipients=[f"{name}@isp.example"])
    wait_for(lambda: is_empty(daemon) and sink.count == 5)
    assert len(read_mbox(daemon.spool / USER.pw_name)) == 2
    assert [f"<{USER.pw_name}@isp.example>"] in [message.recipients for message in sink.messages]


def test_a_transport_that_is_not_there_is_an_error(make_local):
    daemon = make_local(mailbox_transport="nosuch:x")
    daemon.process = None
    result = daemon.command("sluiced", "-t", check=False)
    assert result.returncode == 78 and 'mailbox_transport: there is no transport "nosuch"' in result.stderr


@needs_root
def test_the_mailbox_at_home(make_local, folder):
    """The home of games is /usr/games."""
    box = make_folder(folder / "box", USER)
    if not os.path.isdir(USER.pw_dir):
        pytest.skip(f"NO HOME: {USER.pw_dir}")
    daemon = make_local(home_mailbox=f"../..{box}/inbox/")
    daemon.start()
    send(daemon.port, recipients=[f"{USER.pw_name}@isp.example"])
    wait_for(lambda: is_empty(daemon))
    assert len(read_maildir(box / "inbox")) == 1
    assert (box / "inbox").stat().st_uid == USER.pw_uid


@needs_root
def test_each_user_has_his_own_rights(make_local):
    """Nobody's mailbox is a link to another's; root gets nothing."""
    daemon = make_local()
    os.symlink(daemon.spool / USER.pw_name, daemon.spool / OTHER.pw_name)
    daemon.start()
    for user in USER.pw_name, OTHER.pw_name, "root":
        send(daemon.port, recipients=[f"{user}@isp.example"])
    daemon.wait_for_log(rf"to=<{OTHER.pw_name}@isp.example>, .*dsn=5\.2\.0, status=bounced")
    daemon.wait_for_log(r"to=<root@isp.example>, .*dsn=4\.3\.5, status=deferred \(.*no right to deliver as user 0")
    (daemon.spool / OTHER.pw_name).unlink()
    send(daemon.port, recipients=[f"{OTHER.pw_name}@isp.example"])
    wait_for(lambda: (daemon.spool / OTHER.pw_name).exists() and read_mbox(daemon.spool / OTHER.pw_name))
    assert (daemon.spool / OTHER.pw_name).stat().st_uid == OTHER.pw_uid
    assert (daemon.spool / USER.pw_name).stat().st_uid == USER.pw_uid


@needs_root
def test_a_mailbox_of_somebody_else_is_left_alone(make_local):
    daemon = make_local()
    path = daemon.spool / USER.pw_name
    path.write_bytes(b"")
    os.chown(path, OTHER.pw_uid, grp.getgrnam("mail").gr_gid)
    path.chmod(0o660)
    daemon.start()
    send(daemon.port, recipients=[f"{USER.pw_name}@isp.example"])
    daemon.wait_for_log(r"dsn=4\.2\.0, status=deferred \(.*is not owned by recipient\)")
    assert path.read_bytes() == b""


def test_nothing_is_lost_when_roles_are_killed(make_local, sink):
    """Kills while aliases are forwarded: each member has each message at least once."""
    daemon = make_local(f"team {USER.pw_name}, one@else.tld\n", mailbox_delivery_lock="fcntl")
    daemon.start()
    sent = []
    for i in range(12):
        sent.append(b"number-%d-" % i)
        send(daemon.port, sender="s@else.tld", recipients=["team@isp.example"],
             content=b"Subject: x\r\n\r\n" + sent[-1] + b"\r\n")
        if i == 6:
            for name, pid in daemon.roles().items():
                if name.startswith(("deliver", "receive")):
                    os.kill(pid, signal.SIGKILL)
            daemon.wait_until_ready()
    wait_for(lambda: is_empty(daemon), 60)
    found, bodies = read_mbox(daemon.spool / USER.pw_name), [message.data for message in sink.messages]
    for number in sent:
        assert any(number in message for message in found), number
        assert any(number in body for body in bodies), number


@needs_root
def test_an_ordinary_users_daemon(make_local):
    """Mail for himself, and commands with his rights; other users' mail waits."""
    nobody = pwd.getpwnam("nobody")
    daemon = make_local()
    daemon.table("aliases", f"out |\"cat >{daemon.spool}/out\"\nme nobody\n")
    for path in daemon.spool, daemon.folder, *daemon.folder.iterdir():
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    daemon.start(tool=["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"])
    for user in "nobody", "me", "out", USER.pw_name:
        send(daemon.port, recipients=[f"{user}@isp.example"])
    daemon.wait_for_log(rf"to=<{USER.pw_name}@isp.example>, .*dsn=4\.3\.5, status=deferred \(.*no right to "
                        rf"deliver as user {USER.pw_uid}")
    wait_for(lambda: len(daemon.queue()) == 1)
    assert len(read_mbox(daemon.spool / "nobody")) == 2
    assert (daemon.spool / "out").stat().st_uid == nobody.pw_uid
