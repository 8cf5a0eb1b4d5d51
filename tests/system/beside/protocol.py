# SPDX-License-Identifier: ISC
"""Commands, their syntax and order: spec M-1 to M-32, M-40 to M-65, M-70, M-80 to M-90."""

from beside.case import HOME, Group, Talk

HELLO = [
    Talk("M-1 greeting, M-3 M-4 EHLO", "EHLO x => 250", hello=None, differs="SMTPUTF8"),
    Talk("M-5 HELO and EHLO without a name", "EHLO => 501\nHELO => 501\nNOOP => 250", hello=None),
    Talk("M-6 parameters after HELO", r"""
        HELO x => 250
        MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME => 250
        RCPT TO:<u@relay.tld> NOTIFY=NEVER => 250
        """, hello=None),
    Talk("M-7 HELO ends a transaction", r"""
        HELO x => 250
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        HELO a b => 250
        RCPT TO:<u@relay.tld> => 503
        """, hello=None),
    Talk("M-2 nothing before HELO is needed", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250",
         hello=None),
    Talk("M-2 case and blanks", r"""
        mail from:<a@b.test> => 250
        RSET => 250
        MaIl FrOm:<a@b.test> => 250
        rcpt to:<u@relay.tld> => 250
        RCPT   TO:<v@relay.tld> => 250
        rset => 250
        RAW \x20\x20NOOP\r\n => 250
        RAW \tNOOP\r\n => 250
        MAIL FROM: <a@b.test> => 250
        RCPT TO:   <u@relay.tld> => 250
        RSET => 250
        MAIL FROM :<a@b.test> => 501
        MAIL => 501
        MAIL FROM => 501
        MAIL FROM: => 501
        MAIL TO:<a@b.test> => 501
        MAIL FROM<a@b.test> => 501
        """),
    Talk("M-8 RSET, NOOP, QUIT", r"""
        RSET => 250
        RSET x => 501
        NOOP => 250
        NOOP a b => 250
        QUIT now => 221 EOF
        """),
    Talk("M-10 unknown commands", r"""
        EXPN x => 500
        TURN => 500
        ATRN => 500
        ATRN relay.tld => 500
        FOO => 500
        SEND FROM:<a@b.test> => 500
        HELP => 500
        NOOPX => 500
        STARTTLS => 502
        AUTH PLAIN => 503
        """),
    Talk("M-10 XCLIENT", "XCLIENT NAME=x => 550\nXFORWARD NAME=x => 550", differs="XCLIENT, XFORWARD"),
    Talk("M-11 a header", "Subject: x => 221 EOF", hello=None),
    Talk("M-11 a header with a blank", "Subject : x => 500", hello=None),
    Talk("M-11 HTTP", "GET / HTTP/1.0 => 221 EOF", hello=None),
    Talk("M-11 HTTP, POST", "post / => 221 EOF", hello=None),
    Talk("M-11 CONNECT", "CONNECT x:25 => 221 EOF"),
    Talk("M-11 punctuation", ".. => 221 EOF"),
    Talk("M-11 a digit", "220 x => 221 EOF"),
    Talk("M-12 no command", r"""
        RAW \r\n => 500
        RAW \x20\x20\r\n => 500
        RAW \x00NOOP\r\n => 500
        NOOP => 250
        """),
    Talk("M-12 invalid UTF-8", "RAW N\\xffOP\\r\\n => 500\nNOOP => 250", differs="SMTPUTF8"),
    Talk("M-14 the order of commands", r"""
        RCPT TO:<u@relay.tld> => 503
        DATA => 503
        MAIL FROM:<a@b.test> => 250
        MAIL FROM:<a@b.test> => 503
        DATA => 554
        RCPT TO:<u@elsewhere.tld> => 554
        DATA => 554
        RCPT TO:<u@relay.tld> => 250
        DATA x => 501
        DATA => 354
        Subject: x\r\n\r\nx\r\n. => 250
        RCPT TO:<u@relay.tld> => 503
        """),
    Talk("M-42 content that is empty, M-46", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<hold@relay.tld> => 250
        DATA => 354
        . => 250
        DATA => 503
        MAIL FROM:<a@b.test> => 250
        """),
]

MAIL = [
    Talk("M-20 M-21 senders", r"""
        MAIL FROM:<> => 250
        RSET => 250
        MAIL FROM:<postmaster> => 250
        RSET => 250
        MAIL FROM:<a@b.test>> => 250
        RSET => 250
        MAIL FROM:a@b.test => 250
        RSET => 250
        MAIL FROM:<@x.test,@y.test:a@b.test> => 250
        RSET => 250
        MAIL FROM:<"a b"@c.test> => 250
        RSET => 250
        MAIL FROM:<a@[10.9.1.1]> => 250
        RSET => 250
        MAIL FROM:<a@b_c.test> => 250
        RSET => 250
        MAIL FROM:<a@b.test.> => 250
        RSET => 250
        MAIL FROM:Some One <a@b.test> => 555
        MAIL FROM:"x" <a@b.test> => 555
        """),
    Talk("M-21 senders that are none", r"""
        MAIL FROM:<a@b.test => 501
        MAIL FROM:<a@b..c> => 501
        MAIL FROM:<a@-b> => 501
        MAIL FROM:<a@b-> => 501
        MAIL FROM:<a b@c.test> => 501
        MAIL FROM:<a@1.2.3.4> => 501
        MAIL FROM:<a@> => 501
        MAIL FROM:<a@.b> => 501
        MAIL FROM:<a..b@c.test> => 250
        RSET => 250
        MAIL FROM:<.a@c.test> => 250
        RSET => 250
        MAIL FROM:<a@[1.2.3]> => 501
        MAIL FROM:<a@[1.2.3.400]> => 501
        """),
    Talk("M-21 more that are none", r"""
        MAIL FROM:<a@b@c.test> => 250
        RSET => 250
        MAIL FROM:<a,b@c.test> => 501
        RSET => 250
        MAIL FROM:<"a@c.test> => 501
        MAIL FROM:<a@c.test>x => 501
        MAIL FROM:<a@c!d.test> => 501
        """),
    Talk("M-21 backslash", "MAIL FROM:<a\\\\@b@c.test> => 250", differs="what is hardly an address"),
    Talk("M-21 comment", "MAIL FROM:<a(comment)@c.test> => 250", differs="what is hardly an address"),
    Talk("M-21 brackets", "MAIL FROM:<<a@c.test>> => 250", differs="what is hardly an address"),
    Talk("M-21 no local part", "MAIL FROM:<@b.test> => 250", differs="what is hardly an address"),
    Talk("M-32 empty ORCPT", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> ORCPT=rfc822; => 250",
         differs="what is hardly an address"),
    Talk("M-22 SIZE", r"""
        MAIL FROM:<a@b.test> SIZE=abc => 501
        MAIL FROM:<a@b.test> SIZE= => 501
        MAIL FROM:<a@b.test> SIZE => 555
        MAIL FROM:<a@b.test> SIZE=-1 => 501
        MAIL FROM:<a@b.test> SIZE=20001 => 552
        MAIL FROM:<a@b.test> SIZE=99999999999999999999999 => 552
        MAIL FROM:<a@b.test> SIZE=20000 => 250
        """),
    Talk("M-23 BODY, M-26 no transaction is left", r"""
        MAIL FROM:<a@b.test> BODY=BINARYMIME => 555
        MAIL FROM:<a@b.test> BODY= => 555
        MAIL FROM:<a@b.test> BODY => 555
        MAIL FROM:<a@b.test> BODY=7bit => 250
        RSET => 250
        MAIL FROM:<a@b.test> body=8BITMIME => 250
        RSET => 250
        MAIL FROM:<a@b.test> FOO => 555
        MAIL FROM:<a@b.test> FOO=BAR => 555
        MAIL FROM:<a@b.test>  SIZE=10   BODY=7BIT => 250
        """),
    Talk("M-24 RET and ENVID", r"""
        MAIL FROM:<a@b.test> RET=MAYBE => 501
        MAIL FROM:<a@b.test> RET= => 501
        MAIL FROM:<a@b.test> RET => 555
        MAIL FROM:<a@b.test> RET=FULL RET=HDRS => 501
        MAIL FROM:<a@b.test> ENVID= => 501
        MAIL FROM:<a@b.test> ENVID=a ENVID=b => 501
        MAIL FROM:<a@b.test> ENVID=a+zz => 501
        MAIL FROM:<a@b.test> ENVID=a+0A => 501
        MAIL FROM:<a@b.test> RET=hdrs ENVID=q+2Dw => 250
        """),
    Talk("M-25 SMTPUTF8", "MAIL FROM:<\\xc3\\xbc@b.test> SMTPUTF8 => 250", differs="SMTPUTF8"),
]

RCPT = [
    Talk("M-30 M-31 recipients", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<> => 501
        RCPT TO:<u@.d> => 501
        RCPT TO: => 501
        RCPT => 501
        RCPT TO => 501
        RCPT FROM:<u@relay.tld> => 501
        RCPT TO:u@relay.tld => 250
        RCPT TO:<u@relay.tld.> => 250
        RCPT TO:<U@Relay.TLD> => 250
        RCPT TO:<@x.test,@y.test:u@relay.tld> => 250
        RCPT TO:<"a b"@relay.tld> => 250
        RCPT TO:<"\\"x"@relay.tld> => 250
        RCPT TO:<u@relay.tld FOO=BAR => 501
        RCPT TO:<u@relay.tld> FOO=BAR => 555
        RCPT TO:<u@relay..tld> => 501
        RCPT TO:<u@sub.relay.tld> => 250
        """),
    Talk("M-32 NOTIFY and ORCPT", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> NOTIFY=NEVER,FAILURE => 501
        RCPT TO:<u@relay.tld> NOTIFY= => 501
        RCPT TO:<u@relay.tld> NOTIFY=SUCCESS,SOMETIMES => 501
        RCPT TO:<u@relay.tld> NOTIFY=SUCCESS NOTIFY=DELAY => 501
        RCPT TO:<u@relay.tld> NOTIFY => 555
        RCPT TO:<u@relay.tld> ORCPT=rfc822 => 501
        RCPT TO:<u@relay.tld> ORCPT=;x => 501
        RCPT TO:<u@relay.tld> ORCPT= => 501
        RCPT TO:<u@relay.tld> ORCPT=rfc822;a ORCPT=rfc822;b => 501
        RCPT TO:<u@relay.tld> ORCPT=rfc822;a+zz => 501
        RCPT TO:<u@relay.tld> ORCPT=rfc822;a+0Ab => 250
        RCPT TO:<u@relay.tld> NOTIFY=success,delay ORCPT=rfc822;a+2Bb@c.test => 250
        RCPT TO:<v@relay.tld> NOTIFY=NEVER => 250
        """),
    Talk("R-10 S25 M-35 routed addresses", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u%other.test@relay.tld> => 554
        RCPT TO:<u@other.test@relay.tld> => 554
        RCPT TO:<"u@other.test"@relay.tld> => 554
        RCPT TO:<other.test!u@relay.tld> => 554
        RCPT TO:<"other.test!u"@relay.tld> => 554
        RCPT TO:<@relay.tld:u@other.test> => 554
        RCPT TO:<u@other.test> => 554
        """),
    Talk("M-30 no domain", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<user> => 554"),
    Talk("M-30 postmaster", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<Postmaster> => 250",
         differs="`<postmaster>` without a domain"),
    Talk("S24 mynetworks may relay", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@other.test> => 250
        RCPT TO:<u%other.test@relay.tld> => 250
        """, client=HOME),
    Talk("M-33 too many recipients", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u1@relay.tld> => 250
        RCPT TO:<u2@relay.tld> => 250
        RCPT TO:<u3@relay.tld> => 250
        RCPT TO:<u4@relay.tld> => 250
        RCPT TO:<u5@relay.tld> => 250
        RCPT TO:<u6@relay.tld> => 250
        RCPT TO:<u7@relay.tld> => 250
        RCPT TO:<u8@relay.tld> => 250
        RCPT TO:<u9@relay.tld> => 452
        RCPT TO:<u@elsewhere.tld> => 452
        RSET => 250
        """),
    Talk("M-9 VRFY", r"""
        VRFY u@relay.tld => 252
        VRFY <u@relay.tld> => 252
        VRFY u@elsewhere.tld => 554
        VRFY u@relay.tld x => 501
        """, hello=None),
    Talk("M-9 VRFY without an address", "VRFY => 501", differs="SMTPUTF8"),
]

CONTENT = [
    Talk("M-43 too large", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        DATA => 354
        """ + "        RAW " + "x" * 70 + "\\r\\n\n" * 1 + "".join("        RAW " + ("y" * 900 + "\\r\\n") + "\n"
                                                                 for _ in range(24)) + r"""
        . => 552
        MAIL FROM:<a@b.test> => 250
        """),
    Talk("M-44 too many hops", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354\n"
         + "Received: from x by y\n" * 60 + "RAW \\r\\nbody\\r\\n.\\r\\n => 554\nMAIL FROM:<a@b.test> => 250"),
    Talk("M-44 not too many hops", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354\n"
         + "Received: from x by y\n" * 48 + "RAW \\r\\nbody\\r\\n.\\r\\n => 250"),
    Talk("M-44 one too many", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nDATA => 354\n"
         + "Received: from x by y\n" * 50 + "RAW \\r\\nbody\\r\\n.\\r\\n => 554"),
    Talk("M-65 a group in one segment", r"""
        RAW MAIL FROM:<a@b.test>\r\nRCPT TO:<u@relay.tld>\r\nRCPT TO:<u@elsewhere.tld>\r\nDATA\r\n => 250 250 554 354
        . => 250
        RAW MAIL FROM:<a@b.test>\r\nRCPT TO:<u@elsewhere.tld>\r\nDATA\r\n => 250 554 554
        """),
    Talk("M-60 a bare LF ends a command", "RAW NOOP\\n => 250\nRAW RSET\\n => 250"),
    Talk("M-60 LF.LF", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        DATA => 354
        RAW x\n.\nMAIL FROM:<smuggled@b.test>\n\r\n.\r\n => 250
        """),
    Talk("M-60 LF.CRLF", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        DATA => 354
        RAW x\n.\r\nMAIL FROM:<smuggled@b.test>\r\n.\r\n => 250
        """),
    Talk("M-60 CRLF.LF", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        DATA => 354
        RAW x\r\n.\nMAIL FROM:<smuggled@b.test>\r\n.\r\n => 250
        """),
    Talk("M-64 EHLO with more behind it", "RAW EHLO x\\r\\nMAIL FROM:<a@b.test>\\r\\n => 554 EOF", hello=None),
    Talk("M-64 more behind DATA", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        RAW DATA\r\nSubject: x\r\n.\r\n => 554 EOF
        """),
    Talk("M-64 more behind NOOP", "RAW NOOP\\r\\nNOOP\\r\\n => 554 EOF"),
    Talk("M-64 more behind VRFY", "RAW VRFY u@relay.tld\\r\\nNOOP\\r\\n => 554 EOF"),
    Talk("M-64 after HELO", "HELO x => 250\nRAW MAIL FROM:<a@b.test>\\r\\nRSET\\r\\n => 554 EOF", hello=None),
]

BDAT = [
    Talk("M-55 chunks", r"""
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        RAW BDAT 6\r\nx: y\r\n => 250
        RAW BDAT 5\r\n\r\n.\r\n => 250
        BDAT 0 LAST => 250
        """),
    Talk("M-55 chunks out of order", r"""
        RAW BDAT 4\r\nNOOP => 503
        MAIL FROM:<a@b.test> => 503
        RCPT TO:<u@relay.tld> => 503
        RAW BDAT 4\r\nNOOP => 551
        RAW BDAT 4 LAST\r\nNOOP => 551
        MAIL FROM:<a@b.test> => 250
        RAW BDAT 4 LAST\r\nNOOP => 554
        MAIL FROM:<a@b.test> => 250
        RCPT TO:<u@relay.tld> => 250
        RAW BDAT 4\r\nNOOP => 250
        DATA => 503
        MAIL FROM:<a@b.test> => 503
        RCPT TO:<u@relay.tld> => 503
        RSET => 250
        MAIL FROM:<a@b.test> => 250
        """),
    Talk("M-55 BDAT without a number", "BDAT => 521 EOF"),
    Talk("M-55 BDAT with a word", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nBDAT x => 521 EOF"),
    Talk("M-55 BDAT with too much", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nBDAT 1 LAST x => 521 EOF"),
    Talk("M-55 BDAT, too large", "MAIL FROM:<a@b.test> => 250\nRCPT TO:<u@relay.tld> => 250\nRAW BDAT 20001 LAST\\r\\n"
         + "x" * 20001 + " => 552\nNOOP => 250"),
]

ETRN = [
    Talk("M-80 M-81 M-83 M-85 M-86 ETRN", r"""
        ETRN => 500
        ETRN a b => 500
        ETRN bad..x => 501
        ETRN other.test => 459
        ETRN [10.9.0.20] => 459
        ETRN @other.test => 459
        ETRN -x => 501
        """, hello=None),
    Talk("M-86 in a transaction", "MAIL FROM:<a@b.test> => 250\nETRN relay.tld => 503"),
    Talk("M-80 M-88 relayed", "ETRN Nobody.Relay.TLD => 250", client=HOME, differs="answer to ETRN"),
    Talk("M-84 a queue", "ETRN #relay.tld => 250", differs="`ETRN #name`"),
]

PROTOCOL = Group("protocol", HELLO + MAIL + RCPT + CONTENT + BDAT + ETRN, settings={
    "relay_domains": "relay.tld", "smtpd_recipient_limit": "8", "message_size_limit": "20000",
    "transport_maps": "hash:@/transport", "smtpd_junk_command_limit": "1000"},
    tables={"transport": "relay.tld discard:\n"})
