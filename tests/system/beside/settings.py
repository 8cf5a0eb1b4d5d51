# SPDX-License-Identifier: ISC
"""What parameters change: spec M-3, M-4, M-9, M-13, M-37, M-44, M-61, M-71, M-72, M-87, R-26, T-3, T-4."""

from beside.case import HOME, NAMELESS, Group, Talk

MAIL = "MAIL FROM:<a@good.tld> => 250\n"
CONTENT = MAIL + "RCPT TO:<u@relay.tld> => 250\nDATA => 354\n"

STRICT = Group("strict", [
    Talk("M-3 M-4 EHLO", "EHLO x => 250", hello=None, differs="SMTPUTF8"),
    Talk("M-13 MAIL before HELO", "MAIL FROM:<a@good.tld> => 503\nHELO x => 250\n" + MAIL, hello=None),
    Talk("M-13 ETRN before HELO", "ETRN relay.tld => 503", hello=None),
    Talk("M-13 RCPT before HELO", "RCPT TO:<u@relay.tld> => 503", hello=None),
    Talk("M-13 VRFY and NOOP before HELO", "NOOP => 250\nRSET => 250\nVRFY u@relay.tld => 502", hello=None),
    Talk("M-9 VRFY", "VRFY u@relay.tld => 502\nVRFY => 502"),
    Talk("M-3 DSN that is not announced", MAIL + "RCPT TO:<u@relay.tld> NOTIFY=NEVER => 501\nRCPT TO:<u@relay.tld> => 250"),
    Talk("M-3 DSN that is not announced, MAIL",
         "MAIL FROM:<a@good.tld> RET=HDRS => 501\nMAIL FROM:<a@good.tld> ENVID=x => 501\n" + MAIL),
    Talk("M-3 chunks that are not announced", MAIL + "RCPT TO:<u@relay.tld> => 250\nBDAT 2 LAST => 521 EOF"),
    Talk("M-4 M-22 no limit", "MAIL FROM:<a@good.tld> SIZE=99999999 => 250"),
    Talk("M-33 a code of our own", MAIL + "RCPT TO:<u@other.tld> => 551"),
    Talk("M-87 refused", "ETRN relay.tld => 554"),
    Talk("M-87 refused, whatever the name is", "ETRN bad..name => 501"),
    Talk("M-61 LF in a command", "RAW NOOP\\n => 521 EOF"),
    Talk("M-61 LF in content", CONTENT + "RAW Subject: x\\nx\\r\\n.\\r\\n => 521 EOF"),
    Talk("M-61 LF.LF in content", CONTENT + "RAW x\\n.\\nx\\r\\n.\\r\\n => 521"),
    Talk("M-44 five hops", CONTENT + "Received: x\n" * 3 + "RAW \\r\\n.\\r\\n => 250"),
    Talk("M-44 six hops", CONTENT + "Received: x\n" * 4 + "RAW \\r\\n.\\r\\n => 554"),
    Talk("M-71 too many errors", "FOO => 500\nFOO => 500\nFOO => 500\nFOO => 500 421 EOF"),
    Talk("M-71 errors in a row, a good one between", "FOO => 500\nFOO => 500\nNOOP => 250\nFOO => 500\nFOO => 500 421 EOF"),
    Talk("M-46 M-71 a message forgives", "FOO => 500\nFOO => 500\nFOO => 500\n" + CONTENT + ". => 250\nFOO => 500\nFOO => 500"),
    Talk("M-71 refused recipients are errors", MAIL + "RCPT TO:<a@other.tld> => 551\n" * 3 + "RCPT TO:<a@other.tld> => 551 421 EOF"),
    Talk("M-72 junk", "NOOP => 250\n" * 8 + "NOOP => 421 EOF"),
    Talk("M-72 junk of several kinds", "NOOP => 250\nRSET => 250\nVRFY x => 502\nHELO x => 250\nHELO x => 250\n"
         "RSET => 250\nNOOP => 250 421 EOF", ),
    Talk("M-11 forbidden", "post x => 221 EOF"),
    Talk("M-11 no longer forbidden", "GET / => 500"),
], {
    "smtpd_helo_required": "yes", "disable_vrfy_command": "yes", "smtpd_discard_ehlo_keywords": "etrn, dsn, vrfy, chunking, silent-discard",
    "message_size_limit": "0", "relay_domains": "relay.tld", "transport_maps": "hash:@/transport",
    "relay_domains_reject_code": "551", "smtpd_etrn_restrictions": "reject", "hopcount_limit": "5",
    "smtpd_forbid_bare_newline": "reject", "smtpd_forbid_bare_newline_reject_code": "521",
    "smtpd_hard_error_limit": "4", "smtpd_junk_command_limit": "4", "smtpd_forbidden_commands": "POST",
    "mailbox_size_limit": "0",
}, {"transport": "relay.tld discard:\n"})

RELAYED = MAIL + "RCPT TO:<u@relay.tld> => {}"

LISTS = Group("lists", [
    Talk("M-37 nobody refuses", RELAYED.format(250)),
    Talk("M-37 client", RELAYED.format(554), client=NAMELESS),
    Talk("M-37 client, at ETRN", "ETRN relay.tld => 554", client=NAMELESS),
    Talk("M-37 client, at VRFY", "VRFY u@relay.tld => 554", client=NAMELESS),
    Talk("M-37 HELO", RELAYED.format(504), hello="box"),
    Talk("M-37 M-87 HELO, at ETRN", "ETRN relay.tld => 504", hello="box"),
    Talk("M-37 no HELO", RELAYED.format(250), hello=None),
    Talk("M-37 sender", "MAIL FROM:<bad@s.tld> => 250\nRCPT TO:<u@relay.tld> => 553"),
    Talk("M-37 relay before recipient", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<no@other.tld> => 554"),
    Talk("M-37 recipient", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<no@relay.tld> => 550"),
    Talk("M-37 recipient, then the unlisted", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<nobody@relay.tld> => 550"),
    Talk("M-37 permit ends its list alone", "MAIL FROM:<bad@s.tld> => 250\nRCPT TO:<yes@relay.tld> => 553"),
    Talk("M-37 DATA", "MAIL FROM:<data@s.tld> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 554\nRSET => 250\n" + MAIL),
    Talk("M-37 DATA, several recipients",
         "MAIL FROM:<data@s.tld> => 250\nRCPT TO:<u@relay.tld> => 250\nRCPT TO:<yes@relay.tld> => 250\nDATA => 554"),
    Talk("M-37 end of data", "MAIL FROM:<end@s.tld> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354\nx\\r\\n. => 550\nRSET => 250"),
    Talk("M-46 the transaction after that", "MAIL FROM:<end@s.tld> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354\n"
         "x\\r\\n. => 550\nMAIL FROM:<a@good.tld> => 503", differs="a message refused by `smtpd_end_of_data_restrictions`"),
    Talk("M-37 BDAT", "MAIL FROM:<data@s.tld> => 250\nRCPT TO:<u@relay.tld> => 250\nRAW BDAT 2 LAST\\r\\n\\r\\n => 554"),
    Talk("M-37 VRFY, recipient", "VRFY no@relay.tld => 550\nVRFY yes@relay.tld => 252"),
    Talk("M-9 VRFY, unlisted", "VRFY nobody@relay.tld => 550\nVRFY postmaster => 252", hello=None,
         differs="`<postmaster>` without a domain"),
    Talk("S24 home", "MAIL FROM:<a@good.tld> => 250\nRCPT TO:<any@other.tld> => 250", client=HOME),
    Talk("null sender at DATA", "MAIL FROM:<> => 250\nRCPT TO:<u@relay.tld> => 250\nRCPT TO:<yes@relay.tld> => 250\nDATA => 550"),
    Talk("null sender, one recipient", "MAIL FROM:<> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354"),
], {
    "relay_domains": "relay.tld", "relay_recipient_maps": "inline:{u@relay.tld=x, yes@relay.tld=x, no@relay.tld=x}",
    "smtpd_client_restrictions": "reject_unknown_reverse_client_hostname", "unknown_client_reject_code": "554",
    "smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname",
    "smtpd_sender_restrictions": "check_sender_access inline:{{bad@s.tld = 553 5.7.8 no}}",
    "smtpd_recipient_restrictions":
        "check_recipient_access inline:{{no@relay.tld = 550 5.7.6 not now}, {yes@relay.tld = OK}, {no@other.tld = 550 x}}",
    "smtpd_data_restrictions": "reject_multi_recipient_bounce, check_sender_access inline:{{data@s.tld = REJECT at DATA}}",
    "smtpd_end_of_data_restrictions": "check_sender_access inline:{{end@s.tld = 550 5.7.4 at the end}}",
    "transport_maps": "hash:@/transport",
}, {"transport": "relay.tld discard:\n"})

FAILING = Group("failing tables", [
    Talk("T-4 R-26 found before it fails", MAIL + "RCPT TO:<u@relay.tld> => 250"),
    Talk("T-4 R-26 not found before it fails", MAIL + "RCPT TO:<other@relay.tld> => 451"),
    Talk("T-3 VRFY", "VRFY other@relay.tld => 451"),
    Talk("T-3 an access table", "MAIL FROM:<fails@s.tld> => 250\nRCPT TO:<u@relay.tld> => 451"),
    Talk("T-3 an access table of clients", RELAYED.format(451), client=NAMELESS),
], {
    "relay_domains": "relay.tld", "relay_recipient_maps": "inline:{u@relay.tld=x}, fail:recipients",
    "smtpd_sender_restrictions": "check_sender_access inline:{{a@good.tld = OK}}, check_sender_access fail:sender",
    "smtpd_client_restrictions": "check_client_access inline:{{client.tld = OK}}, check_client_access fail:client",
    "transport_maps": "inline:{relay.tld=discard:}",
})

FAILING_DOMAINS = Group("failing domains", [
    Talk("T-3 T-4 found before it fails", "MAIL FROM:<> => 250\nRCPT TO:<u@relay.tld> => 250"),
    Talk("T-3 a domain list", "MAIL FROM:<> => 250\nRCPT TO:<u@other.tld> => 451\nRCPT TO:<u@sub.relay.tld> => 250"),
    Talk("T-3 ETRN", "ETRN relay.tld => 250", client=NAMELESS),
    Talk("M-82 T-3 ETRN of another", "ETRN other.tld => 458", client=NAMELESS),
], {"relay_domains": "relay.tld, fail:relay", "transport_maps": "inline:{relay.tld=discard:}"})

UNAVAILABLE = Group("tables that are not there", [
    Talk("T-8 R-26 for all recipients", MAIL + "RCPT TO:<u@relay.tld> => 451\nRCPT TO:<u@other.tld> => 451"),
    Talk("T-8 R-26 from home", MAIL + "RCPT TO:<u@other.tld> => 451", client=HOME),
], {"relay_domains": "relay.tld", "transport_maps": "hash:/nowhere/at/all"})
