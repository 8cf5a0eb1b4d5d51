# SPDX-License-Identifier: ISC
"""
Who is there, and who stands for whom: spec R-1 to R-9, R-70 to R-73, M-33, M-34, and virtual(5), canonical(5),
relocated(5). Each class has a mail host of its own.
"""

from beside.case import HOME, US, Group, Mail, Talk

LOCAL, MAILBOX, RELAY, OTHER = "10.9.8.1", "10.9.8.2", "10.9.8.3", "10.9.8.4"
UNKNOWN = "MAIL FROM:<a@other.tld> => 250\nRCPT TO:<{}> => {}"


def rcpt(name, address, code, **options):
    return Talk(f"{name}: {address}", UNKNOWN.format(address, code), **options)


# In the order of the transactions: hosts that get several messages have them one after the other.
CLASSES = [
    rcpt("R-1 R-2 local", "user@local.tld", 250),
    rcpt("R-1 M-33 local, unknown", "nobody@local.tld", 550),
    rcpt("R-1 M-33 alias, unknown", "nobody@alias.tld", 550),
    rcpt("R-1 M-33 mailbox, unknown", "nobody@mailbox.tld", 550),
    rcpt("R-1 mailbox", "m@mailbox.tld", 250),
    rcpt("R-1 M-33 relay, unknown", "nobody@relay.tld", 550),
    rcpt("R-1 other", "u@other.tld", 554),
    rcpt("R-1 other, from home", "u@other.tld", 250, client=HOME),
    rcpt("M-34 unknown, from home", "nobody@relay.tld", 550, client=HOME),
    rcpt("R-8 no sub-domain of local", "user@sub.local.tld", 554),
    rcpt("R-8 no sub-domain of alias", "a@sub.alias.tld", 554),
    rcpt("R-8 no sub-domain of mailbox", "m@sub.mailbox.tld", 554),
    rcpt("R-7 a sub-domain of relay", "user@sub.relay.tld", 550),
    rcpt("R-5 postmaster", "PostMaster@local.tld", 250),
    rcpt("R-5 mailer-daemon", "mailer-daemon@local.tld", 250),
    rcpt("R-5 double-bounce", "double-bounce@local.tld", 250),
    rcpt("R-5 not in a relay domain", "postmaster@relay.tld", 550),
    rcpt("R-1 our address", f"user@[{US}]", 250),
    rcpt("R-1 our address, unknown", f"nobody@[{US}]", 550),
    rcpt("R-1 another address", "user@[10.9.8.9]", 554),
    rcpt("R-9 percent", "u%other.tld@local.tld", 554),
    rcpt("R-9 percent to relay", "user%relay.tld@local.tld", 250),
    rcpt("R-9 bang", "other.tld!u@local.tld", 554),
    rcpt("R-9 bang to relay", "relay.tld!user@local.tld", 250),
    rcpt("R-9 at", "user@relay.tld@local.tld", 250),
    rcpt("R-9 local twice", "user@local.tld@local.tld", 250),
    rcpt("R-9 a final dot", "user@relay.tld.", 250),
    rcpt("R-6 excluded", "u@bad.list.tld", 554),
    rcpt("R-6 beside it", "u@list.tld", 250),
    rcpt("R-6 its sub-domain", "u@x.bad.list.tld", 554),
    rcpt("R-6 another sub-domain", "u@good.list.tld", 250),
    rcpt("R-6 a file", "u@filed.tld", 250),
    rcpt("R-6 a file's comment", "u@comment.tld", 554),
    rcpt("R-6 T-5 a table", "u@tabled.tld", 250),
    rcpt("R-6 R-7 a table's sub-domain", "u@sub.tabled.tld", 250),
    rcpt("R-6 a table's dotted key", "u@sub.dotted.tld", 554),
]

LISTS = [
    Talk("M-33 the limit counts what the client named", r"""
        MAIL FROM:<a@other.tld> => 250
        RCPT TO:<four@alias.tld> => 250
        RCPT TO:<two@alias.tld> => 250
        RCPT TO:<a@alias.tld> => 250
        RCPT TO:<user@relay.tld> => 452
        """),
    rcpt("R-70 listed", "LISTED@Relay.TLD", 250),
    rcpt("R-70 with extension", "full+e@relay.tld", 250),
    rcpt("R-70 without that extension", "full@relay.tld", 550),
    rcpt("R-70 R-71 the extension goes", "listed+x@relay.tld", 250),
    rcpt("R-71 two extensions", "listed+x+y@relay.tld", 250),
    rcpt("R-70 @domain", "any@all.relay.tld", 250),
    rcpt("R-70 no wild card", "other@star.relay.tld", 550),
    rcpt("R-72 quoted", '"a b"@relay.tld', 250),
    rcpt("R-72 quoted without need", '"listed"@relay.tld', 250),
    rcpt("R-70 local by the name", "user+x@local.tld", 250),
    rcpt("R-70 local by the whole", "whole@local.tld", 250),
    rcpt("M-33 relocated", "gone@relay.tld", 550),
    rcpt("M-33 relocated with extension", "gone+x@relay.tld", 550),
    rcpt("M-33 relocated local", "moved@local.tld", 550),
    rcpt("M-33 relocated domain", "x@moved.relay.tld", 550),
    rcpt("M-33 relocated elsewhere", "x@moved.other.tld", 550, client=HOME),
    rcpt("R-24 error", "u@error.relay.tld", 550),
    rcpt("R-2 no transport for aliases", "nobody@routed.alias.tld", 550),
]


def alias(name, to, place, **options):
    places = {place: {}} if isinstance(place, str) else {each: {} for each in place}
    return Mail(name, to, options.pop("fate", "sent 2.0.0"), places, **options)


ALIASES = [
    alias("R-2 local", "user@local.tld", "10.9.9.1", transport="user@local.tld smtp:[10.9.9.1]"),
    alias("virtual user@domain", "a@alias.tld", "10.9.9.2", transport="t2@to.tld smtp:[10.9.9.2]"),
    alias("virtual two", "two@alias.tld", ["10.9.9.3", "10.9.9.4"], has_order=False,
          transport="t3@to.tld smtp:[10.9.9.3]\nt4@to.tld smtp:[10.9.9.4]"),
    alias("virtual, the extension goes on", "a+ext@alias.tld", "10.9.9.5", transport="t2+ext@to.tld smtp:[10.9.9.5]"),
    alias("virtual, the extension is in the key", "b+ext@alias.tld", "10.9.9.6", transport="t6@to.tld smtp:[10.9.9.6]"),
    alias("virtual @domain", "any@old.tld", "10.9.9.7", transport="t7@to.tld smtp:[10.9.9.7]"),
    alias("virtual @domain with extension", "any+ext@old2.tld", "10.9.9.8", transport="t8@to.tld smtp:[10.9.9.8]"),
    alias("virtual @domain to @domain", "who@older.tld", "10.9.9.9", transport="who@to.tld smtp:[10.9.9.9]"),
    alias("virtual @domain to @domain with extension", "who+ext@older.tld", "10.9.9.10",
          transport="who+ext@to.tld smtp:[10.9.9.10]"),
    alias("virtual, chained", "chain@alias.tld", "10.9.9.11", transport="t11@to.tld smtp:[10.9.9.11]"),
    alias("virtual, itself and another", "self@alias-relay.tld", ["10.9.9.12", "10.9.9.13"], has_order=False,
          transport="self@alias-relay.tld smtp:[10.9.9.12]\nt13@to.tld smtp:[10.9.9.13]"),
    alias("virtual, the same twice", "twice@alias.tld", "10.9.9.14", transport="t14@to.tld smtp:[10.9.9.14]"),
    alias("virtual, a name without domain", "bare@local.tld", "10.9.9.15", transport="t15@to.tld smtp:[10.9.9.15]"),
    alias("virtual, a name without domain in myorigin", "naked@isp.example", "10.9.9.19",
          transport="t19@to.tld smtp:[10.9.9.19]"),
    alias("virtual, a result without domain", "short@alias.tld", "10.9.9.16",
          transport="someone@isp.example smtp:[10.9.9.16]"),
    alias("virtual, in any class", "virtual@other.tld", "10.9.9.17", transport="t17@to.tld smtp:[10.9.9.17]"),
    alias("virtual, a case", "MiXed@ALIAS.tld", "10.9.9.18", transport="t18@to.tld smtp:[10.9.9.18]"),
    alias("canonical recipient", "odd@canon.tld", "10.9.9.20", transport="even@canon.tld smtp:[10.9.9.20]"),
    alias("canonical recipient with extension", "odd+e@canon.tld", "10.9.9.21",
          transport="even+e@canon.tld smtp:[10.9.9.21]"),
    alias("canonical before virtual", "first@canon.tld", "10.9.9.22", transport="t22@to.tld smtp:[10.9.9.22]"),
    alias("canonical @domain", "who@was.tld", "10.9.9.23", transport="who@is.tld smtp:[10.9.9.23]"),
    alias("canonical sender", "s24@to.tld", "10.9.9.24", transport="s24@to.tld smtp:[10.9.9.24]",
          sender="inner@canon.tld"),
    alias("M-20 a sender without domain", "s25@to.tld", "10.9.9.25", transport="s25@to.tld smtp:[10.9.9.25]",
          sender="inner"),
    alias("a recipient without domain", "anyone", "10.9.9.27", transport="anyone@isp.example smtp:[10.9.9.27]"),
    alias("R-71 R-20 canonical: both kinds", "both@canon.tld", "10.9.9.26", transport="last@canon.tld smtp:[10.9.9.26]"),
]

LISTS_OF_SETTINGS = {
    "recipient_delimiter": "+", "mydestination": "local.tld", "local_transport": f"smtp:[{LOCAL}]",
    "local_recipient_maps": "hash:@/locals", "virtual_alias_domains": "alias.tld old.tld old2.tld older.tld routed.alias.tld",
    "virtual_alias_maps": "hash:@/aliases", "virtual_mailbox_domains": "mailbox.tld",
    "virtual_mailbox_maps": "inline:{m@mailbox.tld=x}", "virtual_transport": f"smtp:[{MAILBOX}]",
    "relay_domains": "relay.tld !bad.list.tld list.tld hash:@/domains @/domain-file",
    "relay_recipient_maps": "hash:@/relays", "relocated_maps": "hash:@/relocated",
    "recipient_canonical_maps": "hash:@/recipients", "sender_canonical_maps": "hash:@/senders",
    "canonical_maps": "hash:@/canonical", "smtpd_recipient_limit": "3",
}

ADDRESSES = Group("addresses", CLASSES + LISTS + ALIASES, LISTS_OF_SETTINGS, {
    "locals": "user x\nwhole@local.tld x\nbare x\n",
    "relays": "listed@relay.tld x\nuser@relay.tld x\nfull+e@relay.tld x\n\"a b\"@relay.tld x\n*@star.relay.tld x\n"
              "@all.relay.tld 0\n@list.tld OK\n@good.list.tld x\n@filed.tld x\n@tabled.tld x\n@sub.tabled.tld x\n"
              "@error.relay.tld x\n",
    "domains": "tabled.tld x\n.dotted.tld x\n", "domain-file": "# a comment\ncomment # filed\nfiled.tld\n",
    "relocated": "gone@relay.tld new@other.tld\nmoved elsewhere@other.tld\n@moved.relay.tld somewhere\n"
                 "@moved.other.tld nowhere\n",
    "aliases": "a@alias.tld t2@to.tld\nfour@alias.tld t1@to.tld t2@to.tld t3@to.tld t4@to.tld\ntwo@alias.tld t3@to.tld, t4@to.tld\nb+ext@alias.tld t6@to.tld\n"
               "@old.tld t7@to.tld\n@old2.tld t8@to.tld\n@older.tld @to.tld\nchain@alias.tld chain2@alias.tld\n"
               "chain2@alias.tld t11@to.tld\nself@alias-relay.tld self@alias-relay.tld t13@to.tld\n"
               "twice@alias.tld t14@to.tld t14@to.tld\nbare t15@to.tld\nnaked t19@to.tld\nshort@alias.tld someone\n"
               "virtual@other.tld t17@to.tld\nmixed@alias.tld t18@to.tld\nsecond@canon.tld t22@to.tld\n",
    "recipients": "odd@canon.tld even@canon.tld\nfirst@canon.tld second@canon.tld\n@was.tld @is.tld\n"
                  "both@canon.tld middle@canon.tld\n",
    "senders": "inner@canon.tld outer@canon.tld\n",
    "canonical": "middle@canon.tld last@canon.tld\n",
    "transport": "routed.alias.tld smtp:[10.9.8.9]\nerror.relay.tld error:5.7.9 not here\n",
})

# What the settings of ADDRESSES leave out.
ACCEPTING = Group("accepting", [
    rcpt("R-4 without a table", "any@relay.tld", 250),
    rcpt("R-4 without a table, mailbox", "any@mailbox.tld", 550),
    rcpt("M-33 no table is named", "nobody@local.tld", 550),
    rcpt("R-71 no delimiter", "user+x@local.tld", 550),
    rcpt("R-73 a code of our own, alias", "nobody@alias.tld", 450),
    rcpt("R-7 no sub-domains", "user@sub.relay.tld", 554),
    rcpt("R-7 a dotted name", "user@sub.dotted.tld", 250),
    rcpt("R-7 a dotted name, deep", "user@a.sub.dotted.tld", 250),
    rcpt("R-7 a dotted name itself", "user@dotted.tld", 554),
], {
    "mydestination": "local.tld", "local_recipient_maps": "inline:{user=x}", "show_user_unknown_table_name": "no",
    "virtual_mailbox_domains": "mailbox.tld", "virtual_mailbox_maps": "inline:{m@mailbox.tld=x}",
    "relay_domains": "relay.tld .dotted.tld", "relay_recipient_maps": "",
    "virtual_alias_domains": "alias.tld", "unknown_virtual_alias_reject_code": "450",
    "unknown_local_recipient_reject_code": "550", "parent_domain_matches_subdomains": "",
    "local_transport": f"smtp:[{LOCAL}]", "virtual_transport": f"smtp:[{MAILBOX}]",
})
