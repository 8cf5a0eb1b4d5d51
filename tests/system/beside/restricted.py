# SPDX-License-Identifier: ISC
"""
Who may do what: spec M-33 to M-38, M-87, M-91, S23 to S27, R-40 to R-47, R-6 to R-8, and access(5). Each
recipient in words.tld names restrictions by the entry of an access table.
"""

from beside.case import HOME, LIAR, NAMELESS, PROXY, STRANGER, US, Group, Talk

WORDS = {}    # recipient: what its entry says
CLASSES = {}  # a table can be named by a restriction class alone


def ask(name, code, sender="a@good.tld", **talk):
    """RCPT to a recipient whose entry in the table are the restrictions; name: "what: restrictions"."""
    words = name.partition(": ")[2]
    recipient = f"k{len(WORDS)}@words.tld"
    WORDS[recipient] = words
    if "hash:" in words or "cidr:" in words:
        WORDS[recipient] = f"class{len(CLASSES)}"
        CLASSES[WORDS[recipient]] = words
    return Talk(name, f"MAIL FROM:<{sender}> => 250\nRCPT TO:<{recipient}> => {code}", **talk)


SIMPLE = [
    ask("permit: permit", 250),
    ask("M-33: reject", 554),
    ask("M-33: defer", 450),
    ask("M-38: defer_if_permit, permit", 450),
    ask("M-38: defer_if_permit, reject", 554),
    ask("M-38: defer_if_reject, permit", 250),
    ask("M-38: defer_if_reject, reject", 450),
    ask("warnings: warn_if_reject reject, permit", 250),
    ask("S24: permit_mynetworks, reject", 554),
    ask("S24 home: permit_mynetworks, reject", 250, client=HOME),
    ask("own: permit_inet_interfaces, reject", 250, client=US),
    ask("not own: permit_inet_interfaces, reject", 554),
    ask("S12: reject_unauth_destination, permit", 250),
    ask("S12: permit_auth_destination, reject", 250),
    ask("DUNNO: DUNNO", 250),
    ask("OK: OK", 250),
    ask("OK: ok with text", 250),
    ask("a number: 12345", 250),
    ask("REJECT: REJECT", 554),
    ask("REJECT: REJECT go away", 554),
    ask("REJECT: REJECT 5.7.9 go away", 554),
    ask("REJECT: REJECT 4.7.9 go away", 554),
    ask("DEFER: DEFER", 450),
    ask("DEFER: DEFER 4.2.1 full", 450),
    ask("DEFER_IF_REJECT: DEFER_IF_REJECT 4.7.5 later", 250),
    ask("DEFER_IF_PERMIT: DEFER_IF_PERMIT 4.7.5 later", 450),
    ask("DEFER_IF_PERMIT: DEFER_IF_PERMIT", 450),
    ask("a number: 550", 250),
    ask("code: 550 no", 550),
    ask("code: 554 5.7.7 by table", 554),
    ask("code: 451 4.7.7 by table", 451),
    ask("code: 451 by table", 451),
    ask("code: 521 5.7.1 by table", 521),
    ask("code: 550 4.7.1 confused", 550),
    ask("HOLD: HOLD", 250),
    ask("DISCARD: DISCARD", 250),
    ask("REDIRECT: REDIRECT other@words.tld", 250),
    ask("REDIRECT: REDIRECT other", 250),
    ask("BCC: BCC other@words.tld", 250),
    ask("PREPEND: PREPEND X-Beside: yes", 250),
    ask("WARN: WARN look", 250),
    ask("INFO: INFO look", 250),
    ask("classes: refuse", 554),
    ask("classes: accept, reject", 250),
    ask("a word that is none: no_such_word", 451),
    ask("a table that is not there: check_client_access hash:/nowhere/at/all", 451),
    ask("a table in a table: check_client_access texthash:/nowhere", 451),
    ask("FILTER: FILTER smtp:[10.9.0.99]", 250, differs="`FILTER` in an access table"),
]

HELO = [
    ask("HELO: reject_non_fqdn_helo_hostname, permit", 504, hello="box"),
    ask("HELO: reject_non_fqdn_helo_hostname, permit ", 250, hello="box.tld"),
    ask("HELO: reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname", 250, hello="[10.9.1.1]"),
    ask("HELO: reject_invalid_helo_hostname", 501, hello="[10.9.1.999]"),
    ask("HELO: reject_invalid_helo_hostname ", 501, hello="-bad-"),
    ask("HELO: reject_invalid_helo_hostname  ", 501, hello="bad..name"),
    ask("HELO: reject_invalid_helo_hostname   ", 250, hello="under_score.tld"),
    ask("HELO: reject_invalid_helo_hostname    ", 250, hello="box"),
    ask("HELO: reject_non_fqdn_helo_hostname", 504, hello="10.9.1.1"),
    ask("HELO: reject_invalid_helo_hostname     ", 250, hello="10.9.1.1"),
    ask("HELO: reject_unknown_helo_hostname", 450, hello="nowhere.tld"),
    ask("HELO: reject_unknown_helo_hostname ", 250, hello="good.tld"),
    ask("HELO: reject_unknown_helo_hostname, permit", 450, hello="broken.tld"),
    ask("HELO: check_helo_access hash:@/helos", 521, hello="helo.tld"),
    ask("HELO: check_helo_access hash:@/helos ", 521, hello="sub.helo.tld"),
    ask("HELO: check_helo_access hash:@/helos  ", 250, hello="sub.parent.tld"),
]

CLIENT = [
    ask("client: reject_unknown_client_hostname", 250),
    ask("client: reject_unknown_client_hostname ", 450, client=NAMELESS),
    ask("client: reject_unknown_client_hostname  ", 450, client=LIAR),
    ask("client: reject_unknown_reverse_client_hostname", 450, client=NAMELESS),
    ask("client: reject_unknown_reverse_client_hostname ", 250, client=LIAR),
    ask("client by name: check_client_access hash:@/clients", 554),
    ask("client by address: check_client_access hash:@/clients ", 554, client=NAMELESS),
    ask("client by network: check_client_access hash:@/clients  ", 450, client="10.9.77.1"),
    ask("client by network: check_client_access hash:@/clients   ", 521, client="10.9.77.2"),
    ask("client by net: check_client_access cidr:@/nets", 554, client="10.9.78.2"),
    ask("reverse name: check_reverse_client_hostname_access hash:@/clients", 554, client=LIAR),
    ask("name servers: check_client_ns_access hash:@/mxs", 250),
    ask("S27 RBL: reject_rbl_client bl.tld", 554),
    ask("S27 RBL: reject_rbl_client bl.tld=127.0.0.[2;4..6]", 554),
    ask("S27 RBL: reject_rbl_client bl.tld=127.0.0.3", 250),
    ask("S27 RBL: reject_rbl_client bl.tld ", 250, client=NAMELESS),
    ask("S27 RBL: reject_rbl_client broken.tld", 250),
    ask("S27 RHSBL: reject_rhsbl_client rhs.tld", 554),
    ask("S27 RHSBL: reject_rhsbl_helo rhs.tld", 554, hello="bad.tld"),
    ask("S27 RHSBL: reject_rhsbl_sender rhs.tld", 554, sender="u@bad.tld"),
    ask("S27 RHSBL: reject_rhsbl_sender rhs.tld ", 250),
    ask("S27 WL: permit_dnswl_client bl.tld, reject", 250),
    ask("S27 WL: permit_rhswl_client rhs.tld, reject", 250),
]

SENDER = [
    ask("sender: reject_non_fqdn_sender", 504, sender="user"),
    ask("sender: reject_non_fqdn_sender ", 504, sender="user@box"),
    ask("sender: reject_non_fqdn_sender, reject_unknown_sender_domain", 250, sender=""),
    ask("M-91 sender: reject_unknown_sender_domain", 450, sender="u@nowhere.tld"),
    ask("M-91 sender: reject_unknown_sender_domain ", 550, sender="u@nullmx.tld"),
    ask("M-91 sender: reject_unknown_sender_domain  ", 250, sender="u@good.tld"),
    ask("M-91 sender: reject_unknown_sender_domain, permit", 450, sender="u@broken.tld"),
    ask("M-91 sender: reject_unknown_sender_domain, reject", 554, sender="u@broken.tld"),
    ask("sender: check_sender_access hash:@/senders", 250, sender="full@s.tld"),
    ask("sender: check_sender_access hash:@/senders ", 550, sender="user+ext@s.tld"),
    ask("sender: check_sender_access hash:@/senders  ", 450, sender="user+other@s.tld"),
    ask("sender: check_sender_access hash:@/senders   ", 554, sender="nobody@s.tld"),
    ask("sender: check_sender_access hash:@/senders    ", 554, sender="nobody@up.s.tld"),
    ask("sender: check_sender_access hash:@/senders     ", 450, sender="post@other.tld"),
    ask("sender: check_sender_access hash:@/senders      ", 501, sender=""),
    ask("sender: check_sender_access hash:@/senders       ", 554, sender="FULL2@S.TLD"),
    ask("sender: check_sender_mx_access hash:@/mxs", 554, sender="u@listed.tld"),
    ask("sender: check_sender_mx_access hash:@/mxs ", 554, sender="u@listed-address.tld"),
    ask("sender: check_sender_a_access hash:@/mxs", 554, sender="u@a.listed-address.tld"),
    ask("sender: reject_unlisted_sender", 550, sender="nobody@listed-users.tld"),
    ask("sender: reject_unlisted_sender ", 250, sender="user@listed-users.tld"),
    ask("sender: reject_plaintext_session", 450),
    ask("sender: reject_multi_recipient_bounce", 250, sender=""),
]

RECIPIENT = [
    ask("recipient: reject_non_fqdn_recipient", 250),
    ask("recipient: reject_unlisted_recipient", 250),
    ask("M-91 recipient: reject_unknown_recipient_domain", 450),
]

# Asked by lists of their own, for any recipient.
LISTS = [
    Talk("R-40 4 backup", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@backup.tld> => 250"),
    Talk("R-41 backup by a CNAME", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@aliased.tld> => 250"),
    Talk("R-42 backup by the proxy's address", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@natted.tld> => 250"),
    Talk("R-43 the primary cannot be found", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@ghost.tld> => 250"),
    Talk("R-40 7 we are primary", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@primary.tld> => 554"),
    Talk("R-40 7 we are all there is", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@solo.tld> => 554"),
    Talk("R-40 8 others only", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@others.tld> => 554"),
    Talk("R-40 5 no MX", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@good.tld> => 554"),
    Talk("R-40 5 null MX", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@nullmx.tld> => 554"),
    Talk("R-40 5 no such domain", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@nowhere.tld> => 554"),
    Talk("R-40 5 M-38 no answer", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@broken.tld> => 450"),
    Talk("R-40 4 literal", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@[10.9.3.1]> => 554"),
    Talk("R-40 2 routed", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u%other.tld@backup.tld> => 554"),
    Talk("R-47 ETRN for a backup domain", "ETRN backup.tld => 459"),
    Talk("M-87 ETRN by an access table", "ETRN refused.words.tld => 554\nETRN Words.TLD => 250"),
]

RESTRICTED = Group("restricted", SIMPLE + HELO + CLIENT + SENDER + RECIPIENT + LISTS, {
    "relay_domains": "words.tld", "proxy_interfaces": PROXY, "recipient_delimiter": "+",
    "smtpd_restriction_classes": ", ".join(["refuse", "accept", *CLASSES]),
    "refuse": "reject", "accept": "permit", **CLASSES,
    "smtpd_relay_restrictions": "permit_mx_backup, reject_unauth_destination",
    "smtpd_recipient_restrictions": "check_recipient_access hash:@/words",
    "smtpd_etrn_restrictions": "check_etrn_access hash:@/etrns",
    "virtual_mailbox_domains": "listed-users.tld",
    "virtual_mailbox_maps": "inline:{user@listed-users.tld=x}", "transport_maps": "hash:@/transport",
}, {
    "words": "".join(f"{key} {words}\n" for key, words in WORDS.items()),
    "transport": "words.tld discard:\n",
    "clients": "client.tld REJECT by name\n10.9.1.2 REJECT by address\n10.9.77 DEFER by network\n"
               "10.9.77.2 521 by address\n",
    "nets": "10.9.78.0/24 REJECT by net\n",
    "helos": "helo.tld 521 5.7.9 go away\n.parent.tld REJECT a parent\n",
    "senders": "full@s.tld OK\nfull2@s.tld REJECT folded\nuser+ext@s.tld 550 5.7.2 with extension\nuser@s.tld 450 without\n"
               "s.tld REJECT domain\n.s.tld REJECT parent\npost@ DEFER\n<> 501 null\n",
    "mxs": "mail.listed.tld REJECT mail exchanger\n10.9.50.1 REJECT address\n",
    "etrns": "refused.words.tld REJECT\n",
}, [
    "host-record=good.tld,10.9.50.9", "dns-rr=nullmx.tld,15,000000", "server=/broken.tld/#",
    "mx-host=listed.tld,mail.listed.tld,10", "host-record=mail.listed.tld,10.9.50.3",
    "mx-host=listed-address.tld,m.listed-address.tld,10", "host-record=m.listed-address.tld,10.9.50.1",
    "host-record=a.listed-address.tld,10.9.50.1",
    f"host-record=proxy.us.tld,{PROXY}", "host-record=prime.tld,10.9.50.5", "cname=alias.aliased.tld,mx.isp.example",
    "mx-host=backup.tld,prime.tld,10", "mx-host=backup.tld,mx.isp.example,20",
    "mx-host=aliased.tld,prime.tld,10", "mx-host=aliased.tld,alias.aliased.tld,20",
    "mx-host=natted.tld,prime.tld,10", "mx-host=natted.tld,proxy.us.tld,20",
    "mx-host=ghost.tld,gone.ghost.tld,10", "mx-host=ghost.tld,mx.isp.example,20",
    "mx-host=primary.tld,mx.isp.example,10", "mx-host=primary.tld,prime.tld,20",
    "mx-host=solo.tld,mx.isp.example,10", "mx-host=others.tld,prime.tld,10",
    "address=/1.1.9.10.bl.tld/127.0.0.4", "txt-record=1.1.9.10.bl.tld,sends spam",
    "address=/bad.tld.rhs.tld/127.0.1.2", "address=/stranger.client.tld.rhs.tld/127.0.1.2",
])

BACKUP_NETWORKS = Group("backup networks", [
    Talk("R-40 9 the primary is in the networks", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@inside.tld> => 250"),
    Talk("R-40 9 the primary is elsewhere", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@outside.tld> => 554"),
    Talk("R-40 9 one of two is elsewhere", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@two.tld> => 554"),
    Talk("R-40 9 the primary does not exist", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@ghost.tld> => 450"),
    Talk("R-40 9 the primary has no address", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@empty.tld> => 450",
         differs="`permit_mx_backup`: a primary without addresses that has other records"),
    Talk("M-91 null MX, sender", "MAIL FROM:<a@nullmx.tld> => 250\nRCPT TO:<u@inside.tld> => 550"),
    Talk("M-91 null MX, recipient", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@nullmx.tld> => 556"),
    Talk("R-40 9 networks in a file", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@filed.tld> => 250"),
    Talk("R-40 9 a network that a file takes out", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@out-of-file.tld> => 554"),
    Talk("R-40 9 nobody knows the primary", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<u@unsure.tld> => 450"),
], {
    "permit_mx_backup_networks": "10.9.60.0/24 @/networks", "transport_maps": "", "relay_domains": "nullmx.tld",
    "smtpd_recipient_restrictions": "reject_unknown_sender_domain, reject_unknown_recipient_domain",
    "smtpd_relay_restrictions": "permit_mx_backup, reject_unauth_destination",
}, {
    "networks": "# a comment\n!10.9.62.9\n10.9.62.0/24, 10.9.63.1\n",
}, names=["host-record=good.tld,10.9.50.9", "dns-rr=nullmx.tld,15,000000", "host-record=filed.one.tld,10.9.62.1",
    "host-record=out.one.tld,10.9.62.9", "host-record=in.tld,10.9.60.1", "host-record=out.tld,10.9.61.1", "mx-host=none.tld,out.tld,10",
    "server=/broken.tld/#",
    *(line for domain, host in [("inside", "in.tld"), ("outside", "out.tld"), ("ghost", "gone.tld"),
                                ("empty", "none.tld"), ("unsure", "mx.broken.tld"), ("two", "in.tld"),
                                ("filed", "filed.one.tld"), ("out-of-file", "out.one.tld")]
      for line in (f"mx-host={domain}.tld,{host},10", f"mx-host={domain}.tld,mx.isp.example,20")),
    "mx-host=two.tld,out.tld,10"])
