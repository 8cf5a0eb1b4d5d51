/* SPDX-License-Identifier: ISC */
/*
 * The dialogue: spec M-1 to M-37 and M-60 to M-73, as scripts.
 */
#include "fixture.h"

#include "task/pool.h"

#define STRANGER "192.0.2.1"
#define FRIEND "127.0.0.1"

struct step {
    const char *send; /* NULL ends the script */
    const char *want;
};

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }
#define CLOSES "CLOSES" /* as want, behind a last reply: the connection ends */

static void run_script(struct fixture *f, const char *from, const struct step *steps)
{
    struct stream *stream = connect_from(f, from);

    for (const struct step *step = steps; step->send != NULL; step++) {
        if (strcmp(step->want, CLOSES) == 0)
            hear_end(f, stream);
        else
            talk(f, stream, step->send, step->want);
    }
    stream_close(stream);
}

/* ---- scripts --------------------------------------------------------------------------------- */

static const struct step hello[] = {
    {"EHLO\r\n", "501 Syntax: EHLO hostname\r\n"},
    {"HELO\r\n", "501 Syntax: HELO hostname\r\n"},
    {"EHLO a b c\r\n", EHLO_REPLY},
    {"HELO x\r\n", "250 mx.test\r\n"},
    {"MAIL FROM:<a@b.test> SIZE=10\r\n", "250 2.1.0 Ok\r\n"},
    {"HELO x\r\n", "250 mx.test\r\n"},
    {"RCPT TO:<u@relay.test>\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
    END,
};

static const struct step lenient[] = {
    {"mail from:<a@b.test>\r\n", "250 2.1.0 Ok\r\n"},
    {"  NOOP\r\n", "250 2.0.0 Ok\r\n"},
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM: <a@b.test>\r\n", "250 2.1.0 Ok\r\n"},
    {"rSeT\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL   FROM:<a@b.test>   SIZE=1   BODY=7BIT\r\n", "250 2.1.0 Ok\r\n"},
    {"RSET\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM :<a@b.test>\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
    END,
};

static const struct step small_commands[] = {
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"RSET x\r\n", "501 5.5.4 Syntax: RSET\r\n"},
    {"NOOP a b\r\n", "250 2.0.0 Ok\r\n"},
    {"EXPN x\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"TURN\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"ATRN x\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"HELP\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"STARTTLS\r\n", "502 5.5.1 Error: command not implemented\r\n"},
    {"AUTH PLAIN x\r\n", "503 5.5.1 Error: authentication not enabled\r\n"},
    {"\r\n", "500 5.5.2 Error: bad syntax\r\n"},
    {"N\377OP\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"QUIT now\r\n", "221 2.0.0 Bye\r\n"},
    {"", CLOSES},
    END,
};

static const struct step order[] = {
    {"RCPT TO:<u@relay.test>\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
    {"DATA\r\n", "503 5.5.1 Error: need RCPT command\r\n"},
    {"MAIL FROM:<>\r\n", "250 2.1.0 Ok\r\n"},
    {"MAIL FROM:<>\r\n", "503 5.5.1 Error: nested MAIL command\r\n"},
    {"DATA\r\n", "554 5.5.1 Error: no valid recipients\r\n"},
    {"RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"DATA x\r\n", "501 5.5.4 Syntax: DATA\r\n"},
    {"ETRN relay.test\r\n", "503 Error: MAIL transaction in progress\r\n"},
    {"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"},
    {"x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n"},
    {"RCPT TO:<u@relay.test>\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
    END,
};

#define BAD_SENDER "501 5.1.7 Bad sender address syntax\r\n"
#define MAIL_SYNTAX "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"

static const struct step mail[] = {
    {"MAIL\r\n", MAIL_SYNTAX},
    {"MAIL FROM\r\n", MAIL_SYNTAX},
    {"MAIL FROM:\r\n", MAIL_SYNTAX},
    {"MAIL TO:<a@b>\r\n", MAIL_SYNTAX},
    {"MAIL FROM:<a@b\r\n", BAD_SENDER},
    {"MAIL FROM:<a@b..c>\r\n", BAD_SENDER},
    {"MAIL FROM:<a@-b>\r\n", BAD_SENDER},
    {"MAIL FROM:<a b@c>\r\n", BAD_SENDER},
    {"MAIL FROM:<a@1.2.3.4>\r\n", BAD_SENDER},
    {"MAIL FROM:<\303\274@b.test>\r\n", BAD_SENDER},
    {"MAIL FROM:<a@b> SIZE=abc\r\n", "501 5.5.4 Bad message size syntax\r\n"},
    {"MAIL FROM:<a@b> SIZE=\r\n", "501 5.5.4 Bad message size syntax\r\n"},
    {"MAIL FROM:<a@b> SIZE=10240001\r\n", "552 5.3.4 Message size exceeds fixed limit\r\n"},
    {"MAIL FROM:<a@b> SIZE=100000000000000000000000\r\n",
     "552 5.3.4 Message size exceeds file system imposed limit\r\n"},
    {"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4 Unsupported option: BODY=BINARYMIME\r\n"},
    {"MAIL FROM:<a@b> SMTPUTF8\r\n", "555 5.5.4 Unsupported option: SMTPUTF8\r\n"},
    {"MAIL FROM:<a@b> RET=MAYBE\r\n", "501 5.5.4 Bad RET parameter syntax\r\n"},
    {"MAIL FROM:<a@b> RET=FULL RET=FULL\r\n", "501 5.5.4 Bad RET parameter syntax\r\n"},
    {"MAIL FROM:<a@b> ENVID=\r\n", "501 5.5.4 Bad ENVID parameter syntax\r\n"},
    {"MAIL FROM:<a@b> ENVID=a+0A\r\n", "501 5.5.4 Bad ENVID parameter syntax\r\n"},
    {"MAIL FROM:<a@b> ENVID=a+7F\r\n", "501 5.5.4 Bad ENVID parameter syntax\r\n"},
    {"MAIL FROM:<a@b> ENVID=a+zz\r\n", "501 5.5.4 Bad ENVID parameter syntax\r\n"},
    {"MAIL FROM:<a@b> ENVID=a ENVID=b\r\n", "501 5.5.4 Bad ENVID parameter syntax\r\n"},
    {"MAIL FROM:<a@b>> BODY=8BITMIME RET=hdrs ENVID=a+2Bb size=10240000\r\n", "250 2.1.0 Ok\r\n"},
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM:a@b.test\r\n", "250 2.1.0 Ok\r\n"},
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM:<@x,@y:a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM:<\"a b\"@c>\r\n", "250 2.1.0 Ok\r\n"},
    {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    {"MAIL FROM:<postmaster>\r\n", "250 2.1.0 Ok\r\n"},
    END,
};

#define BAD_RECIPIENT "501 5.1.3 Bad recipient address syntax\r\n"
#define RCPT_SYNTAX "501 5.5.4 Syntax: RCPT TO:<address>\r\n"
#define BAD_NOTIFY "501 5.5.4 Error: Bad NOTIFY parameter syntax\r\n"
#define BAD_ORCPT "501 5.5.4 Error: Bad ORCPT parameter syntax\r\n"

static const struct step rcpt[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT\r\n", RCPT_SYNTAX},
    {"RCPT TO:\r\n", RCPT_SYNTAX},
    {"RCPT FROM:<u@relay.test>\r\n", RCPT_SYNTAX},
    {"RCPT TO:<>\r\n", BAD_RECIPIENT},
    {"RCPT TO:<u@.d>\r\n", BAD_RECIPIENT},
    {"RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:u@relay.test\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<u@relay.test.>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<@x:u@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<U@sub.Relay.TEST>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<Postmaster>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<u@relay.test> NOTIFY=NEVER,FAILURE\r\n", BAD_NOTIFY},
    {"RCPT TO:<u@relay.test> NOTIFY=\r\n", BAD_NOTIFY},
    {"RCPT TO:<u@relay.test> NOTIFY=SUCCESS,\r\n", BAD_NOTIFY},
    {"RCPT TO:<u@relay.test> NOTIFY=NEVER NOTIFY=NEVER\r\n", BAD_NOTIFY},
    {"RCPT TO:<u@relay.test> ORCPT=rfc822\r\n", BAD_ORCPT},
    {"RCPT TO:<u@relay.test> ORCPT=;x\r\n", BAD_ORCPT},
    {"RCPT TO:<u@relay.test> ORCPT=rfc822;\r\n", BAD_ORCPT},
    {"RCPT TO:<u@relay.test> FOO=BAR\r\n", "555 5.5.4 Unsupported option: FOO=BAR\r\n"},
    {"RCPT TO:<u@relay.test> NOTIFY=success,Failure,DELAY ORCPT=rfc822;u@x\r\n",
     "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<u@foreign.test>\r\n", "554 5.7.1 <u@foreign.test>: Relay access denied\r\n"},
    {"RCPT TO:<user>\r\n", "554 5.7.1 <user>: Relay access denied\r\n"},
    {"RCPT TO:<user%other@relay.test>\r\n",
     "554 5.7.1 <user%other@relay.test>: Relay access denied\r\n"},
    {"RCPT TO:<user@other@relay.test>\r\n",
     "554 5.7.1 <user@other@relay.test>: Relay access denied\r\n"},
    {"RCPT TO:<\"u@other.test\"@relay.test>\r\n",
     "554 5.7.1 <u@other.test@relay.test>: Relay access denied\r\n"},
    {"RCPT TO:<other!user@relay.test>\r\n",
     "554 5.7.1 <other!user@relay.test>: Relay access denied\r\n"},
    END,
};

static const struct step vrfy[] = {
    {"VRFY u@relay.test\r\n", "252 2.0.0 u@relay.test\r\n"},
    {"VRFY <u@relay.test>\r\n", "252 2.0.0 <u@relay.test>\r\n"},
    {"VRFY u@foreign.test\r\n", "554 5.7.1 <u@foreign.test>: Relay access denied\r\n"},
    {"VRFY\r\n", "501 5.5.4 Syntax: VRFY address\r\n"},
    {"VRFY u@-x\r\n", BAD_RECIPIENT},
    END,
};

static const struct step friend[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<u@foreign.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<user%other@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    END,
};

static const struct step pipelined[] = {
    {"EHLO x\r\n", EHLO_REPLY},
    {"MAIL FROM:<a@b>\r\nRCPT TO:<u@relay.test>\r\nRCPT TO:<u@foreign.test>\r\nDATA\r\n",
     "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n554 5.7.1 <u@foreign.test>: Relay access denied\r\n"
     "354 End data with <CR><LF>.<CR><LF>\r\n"},
    {"x\r\n.\r\nQUIT\r\n", "250 2.0.0 Ok: queued as 0000000000000011\r\n221 2.0.0 Bye\r\n"},
    {"", CLOSES},
    END,
};

#define OUT_OF_STEP "554 5.5.0 Error: SMTP protocol synchronization\r\n"

static const struct step ehlo_not_last[] = {
    {"EHLO x\r\nMAIL FROM:<a@b>\r\n", OUT_OF_STEP}, {"", CLOSES}, END};
static const struct step helo_pipelines[] = {
    {"HELO x\r\n", "250 mx.test\r\n"},
    {"MAIL FROM:<a@b>\r\nRCPT TO:<u@relay.test>\r\n", OUT_OF_STEP},
    {"", CLOSES},
    END};
static const struct step data_not_last[] = {
    {"EHLO x\r\n", EHLO_REPLY},
    {"MAIL FROM:<a@b>\r\nRCPT TO:<u@relay.test>\r\nDATA\r\nx\r\n.\r\n",
     "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" OUT_OF_STEP},
    {"", CLOSES},
    END};
#define RULES "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n"
static const struct step a_header[] = {{"Subject: x\r\n", RULES}, {"", CLOSES}, END};
static const struct step a_header_with_blank[] = {
    {"Subject : x\r\n", "500 5.5.2 Error: command not recognized\r\n"}, END};
static const struct step http_get[] = {{"GET / HTTP/1.0\r\n", RULES}, {"", CLOSES}, END};
static const struct step no_letter[] = {{"\026\003\001\r\n", RULES}, {"", CLOSES}, END};

static const struct {
    const char *name;
    const char *from;
    const struct step *steps;
} scripts[] = {
    {"HELO and EHLO", STRANGER, hello},
    {"lenient spelling", STRANGER, lenient},
    {"small commands", STRANGER, small_commands},
    {"order", STRANGER, order},
    {"MAIL", STRANGER, mail},
    {"RCPT", STRANGER, rcpt},
    {"VRFY", STRANGER, vrfy},
    {"a client of ours", FRIEND, friend},
    {"pipelined", STRANGER, pipelined},
    {"EHLO is not the last", STRANGER, ehlo_not_last},
    {"pipelining after HELO", STRANGER, helo_pipelines},
    {"DATA is not the last", STRANGER, data_not_last},
    {"a header", STRANGER, a_header},
    {"a header with a blank", STRANGER, a_header_with_blank},
    {"GET", STRANGER, http_get},
    {"no letter", STRANGER, no_letter},
};

static void scripts_body(struct fixture *f)
{
    link_queue(f);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]) && f->failure[0] == '\0'; i++) {
        print_message("  %s\n", scripts[i].name);
        run_script(f, scripts[i].from, scripts[i].steps);
        session_cancel_all(&f->receiver);
        settle();
    }
}

static void test_scripts(void **state)
{
    run_on_loop(*state, scripts_body);
}

/* ---- what settings change -------------------------------------------------------------------- */

static void discard_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    talk(f, stream, "EHLO x\r\n",
         "250-mx.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-VRFY\r\n250-ENHANCEDSTATUSCODES\r\n"
         "250-8BITMIME\r\n250 CHUNKING\r\n");
    talk(f, stream, "ETRN relay.test\r\n", "250 Queuing started\r\n");
    stream_close(stream);
}

static void test_discarded_keywords(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.is_discarded[EHLO_ETRN] = true;
    f->receiver.settings.is_discarded[EHLO_DSN] = true;
    f->receiver.settings.message_size_limit = 0;
    link_queue(f);
    run_on_loop(f, discard_body);
}

static const struct step helo_required[] = {
    {"MAIL FROM:<a@b>\r\n", "503 5.5.1 Error: send HELO/EHLO first\r\n"},
    {"ETRN relay.test\r\n", "503 Error: send HELO/EHLO first\r\n"},
    {"VRFY u@relay.test\r\n", "502 5.5.1 VRFY command is disabled\r\n"},
    {"HELO x\r\n", "250 mx.test\r\n"},
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    END,
};

static void helo_required_body(struct fixture *f)
{
    run_script(f, STRANGER, helo_required);
}

static void test_helo_required(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.is_helo_required = true;
    f->receiver.settings.is_vrfy_disabled = true;
    run_on_loop(f, helo_required_body);
}

static const struct step too_many_recipients[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<a@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<b@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<c@relay.test>\r\n", "452 4.5.3 Error: too many recipients\r\n"},
    {"RCPT TO:<d@relay.test>\r\n", "452 4.5.3 Error: too many recipients\r\n"},
    {"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"},
    {"x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n"},
    END,
};

static void too_many_recipients_body(struct fixture *f)
{
    run_script(f, STRANGER, too_many_recipients);
    check(f,
          strcmp(f->queue.envelope, "<a@b> [192.0.2.1  SMTP 0 0 ] <a@relay.test:relay:relay.test:"
                                    "0:> <b@relay.test:relay:relay.test:0:>") == 0,
          "%s", f->queue.envelope);
}

static void test_too_many_recipients(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.recipient_limit = 2;
    f->receiver.settings.limits[0].hard_error_limit = 1; /* they are no errors */
    link_queue(f);
    run_on_loop(f, too_many_recipients_body);
}

static const struct step errors[] = {
    {"BAD1\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"BAD2\r\n", "500 5.5.2 Error: command not recognized\r\n"},
    {"BAD3\r\n", "500 5.5.2 Error: command not recognized\r\n421 4.7.0 mx.test Error: too many "
                 "errors\r\n"},
    {"", CLOSES},
    END,
};

static void errors_body(struct fixture *f)
{
    run_script(f, STRANGER, errors);
}

static void test_errors(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.soft_error_limit = 1;
    f->receiver.settings.error_sleep_ms = 20;
    f->receiver.settings.limits[0].hard_error_limit = 3;
    run_on_loop(f, errors_body);
}

static const struct step junk[] = {
    {"NOOP\r\n", "250 2.0.0 Ok\r\n"},
    {"NOOP\r\n", "250 2.0.0 Ok\r\n"},
    {"NOOP\r\n", "250 2.0.0 Ok\r\n"},
    {"NOOP\r\n", "250 2.0.0 Ok\r\n"},
    {"NOOP\r\n", "250 2.0.0 Ok\r\n421 4.7.0 mx.test Error: too many errors\r\n"},
    {"", CLOSES},
    END,
};

static void junk_body(struct fixture *f)
{
    run_script(f, STRANGER, junk);
}

static void test_junk(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.limits[0].junk_command_limit = 2;
    f->receiver.settings.limits[0].hard_error_limit = 2;
    run_on_loop(f, junk_body);
}

static void bare_lf_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    talk(f, stream, "NOOP\n", "550 5.5.2 mx.test Error: bare <LF> received\r\n");
    hear_end(f, stream);
    stream_close(stream);
}

static void test_bare_lf_in_a_command(void **state)
{
    struct fixture *f = *state;

    refuse_bare_newlines(f);
    run_on_loop(f, bare_lf_body);
}

/* ---- lines and time-outs --------------------------------------------------------------------- */

static void long_lines_body(struct fixture *f)
{
    static char line[9000 + 3];
    struct stream *stream = connect_from(f, STRANGER);

    memset(line, 'x', sizeof(line));
    memcpy(line, "NOOP ", 5);
    memcpy(line + 9000, "\r\n", 3);
    talk(f, stream, line, "500 5.5.2 mx.test Error: command too long\r\n");
    memcpy(line + 2048, "\r\n", 3);
    talk(f, stream, line, "250 2.0.0 Ok\r\n");
    memcpy(line + 2048, "x\r\n", 4);
    talk(f, stream, line, "500 5.5.2 mx.test Error: command too long\r\n");
    talk(f, stream, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    stream_close(stream);
}

static void test_long_lines(void **state)
{
    run_on_loop(*state, long_lines_body);
}

static void nul_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    say(f, stream, "\0NOOP\r\n", 7);
    hear(f, stream, "500 5.5.2 Error: bad syntax\r\n");
    talk(f, stream, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    stream_close(stream);
}

static void test_nul(void **state)
{
    run_on_loop(*state, nul_body);
}

static void bytes_body(struct fixture *f)
{
    static const char text[] = "EHLO slow\r\n";
    struct stream *stream = connect_from(f, STRANGER);

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        say(f, stream, text + i, 1);
        task_yield();
    }
    hear(f, stream, EHLO_REPLY);
    stream_close(stream);
}

static void test_byte_by_byte(void **state)
{
    run_on_loop(*state, bytes_body);
}

static void timeout_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    talk(f, stream, "NOO", "421 4.4.2 mx.test Error: timeout exceeded\r\n");
    hear_end(f, stream);
    stream_close(stream);
}

static void test_timeout(void **state)
{
    struct fixture *f = *state;

    f->receiver.settings.limits[0].timeout_ms = 30;
    run_on_loop(f, timeout_body);
}

static void early_talker_body(struct fixture *f)
{
    struct stream *stream = connect_raw(f, STRANGER);

    talk(f, stream, "EHLO x\r\n", OUT_OF_STEP);
    hear_end(f, stream);
    stream_close(stream);
}

static void test_early_talker(void **state)
{
    run_on_loop(*state, early_talker_body);
}

/* ---- look-ups that fail ---------------------------------------------------------------------- */

static const struct step broken_lookups[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<u@relay.test>\r\n", "451 4.3.0 <u@relay.test>: Temporary lookup failure\r\n"},
    {"VRFY u@foreign.test\r\n", "451 4.3.0 <u@foreign.test>: Temporary lookup failure\r\n"},
    END,
};

static void broken_lookups_body(struct fixture *f)
{
    run_script(f, STRANGER, broken_lookups);
}

static void test_broken_route(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;

    assert_int_equal(
        table_list_add(&f->receiver.router.transport_maps, f->receiver.tables, "fake:broken", &err),
        SLUICE_OK);
    run_on_loop(f, broken_lookups_body);
}

static void test_broken_networks(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;

    assert_int_equal(
        domain_list_add(&f->receiver.mynetworks, f->receiver.tables, "fake:broken", &err),
        SLUICE_OK);
    run_on_loop(f, broken_lookups_body);
}

static void test_broken_restriction(void **state)
{
    struct fixture *f = *state;

    restriction_list_done(&f->receiver.restrictions.lists[RESTRICTIONS_RELAY]);
    assert_int_equal(add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT, "broken"), SLUICE_OK);
    run_on_loop(f, broken_lookups_body);
}

static const struct step no_postmaster[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<postmaster>\r\n",
     "451 4.3.5 <postmaster>: Recipient address rejected: no route for postmaster\r\n"},
    END,
};

static void no_postmaster_body(struct fixture *f)
{
    run_script(f, STRANGER, no_postmaster);
}

static void test_no_postmaster(void **state)
{
    struct fixture *f = *state;

    f->receiver.router.postmaster_route = "";
    run_on_loop(f, no_postmaster_body);
}

static const struct step second_list[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<u@foreign.test>\r\n", "450 4.3.2 <u@foreign.test>: Try again later\r\n"},
    END,
};

static void second_list_body(struct fixture *f)
{
    run_script(f, FRIEND, second_list); /* permitted by the first list, which ends only that */
}

static void test_second_list(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT, "defer"), SLUICE_OK);
    run_on_loop(f, second_list_body);
}

static void test_unknown_restriction(void **state)
{
    struct fixture *f = *state;
    const struct restriction_list *lists = f->receiver.restrictions.lists;

    assert_int_equal(add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT, "reject_rbl_client"),
                     SLUICE_CONFIG);
    assert_true(restriction_list_refuses(&lists[RESTRICTIONS_RELAY]));
    assert_false(restriction_list_refuses(&lists[RESTRICTIONS_RECIPIENT]));
    assert_int_equal(add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT,
                                      "warn_if_reject reject_unauth_destination"),
                     SLUICE_OK);
    assert_false(restriction_list_refuses(&lists[RESTRICTIONS_RECIPIENT]));
}

/* The same verdicts from a plugin that is asked on a thread, with copies of what it is asked. */
static const struct step on_a_thread[] = {
    {"MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n"},
    {"RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n"},
    {"RCPT TO:<u@foreign.test>\r\n", "554 5.7.1 <u@foreign.test>: Relay access denied\r\n"},
    END,
};

static void on_a_thread_body(struct fixture *f)
{
    run_script(f, STRANGER, on_a_thread);
}

static void test_restrictions_on_a_thread(void **state)
{
    struct fixture *f = *state;
    struct access *access;
    struct pool *pool;
    struct error err = ERROR_INIT;

    restriction_list_done(&f->receiver.restrictions.lists[RESTRICTIONS_RELAY]);
    assert_int_equal(pool_new("access", 1, &pool), SLUICE_OK);
    assert_int_equal(access_new(NULL, &access, &err), SLUICE_OK);
    assert_int_equal(access_add(access, &fake_access_ops, NULL, pool), SLUICE_OK);
    f->receiver.restrictions.access = access;
    assert_int_equal(
        add_restrictions(&f->receiver, RESTRICTIONS_RELAY, "reject_unauth_destination"), SLUICE_OK);
    run_on_loop(f, on_a_thread_body);
    access_free(access);
    pool_free(pool);
}

/* ---- clients that do not read ----------------------------------------------------------------- */

#define SHORT_TIMEOUT_MS 300

/* Sends commands, and reads nothing, until the session has had enough. */
static void stuff(struct fixture *f, struct stream *stream)
{
    static const char commands[] = "RSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\n";

    while (f->receiver.session_count > 0 && !f->receiver.sessions->is_closing) {
        (void)send(stream_fd(stream), commands, strlen(commands), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)task_sleep_until(clock_monotonic_ms() + 1);
    }
}

/* Who did not take its replies in time is told nothing more: it would land in the middle of one. */
static void deaf_body(struct fixture *f)
{
    struct stream *stream;
    char text[4096];
    size_t len = 1;
    int small = 4096;

    f->receiver.settings.is_pipelining_checked = false;
    f->receiver.settings.limits[0].junk_command_limit = 1000000;
    f->receiver.settings.limits[0].timeout_ms = SHORT_TIMEOUT_MS;
    stream = connect_from(f, FRIEND);
    check(f,
          setsockopt(stream_fd(f->receiver.sessions->stream), SOL_SOCKET, SO_SNDBUF, &small,
                     sizeof(small)) == 0,
          "SO_SNDBUF");
    stuff(f, stream);
    /* To its end, or a reset: the session has left commands unread. */
    while (len > 0 && stream_read(stream, text, sizeof(text) - 1,
                                  clock_monotonic_ms() + STEP_TIMEOUT_MS, &len) == SLUICE_OK) {
        text[len] = '\0';
        check(f, strstr(text, "421") == NULL, "told behind half a reply: %s", text);
    }
    stream_close(stream);
}

static void test_a_client_that_does_not_read(void **state)
{
    run_on_loop(*state, deaf_body);
}

/* ---- ETRN ------------------------------------------------------------------------------------ */

static void etrn_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, FRIEND);
    struct fake_queue *queue = &f->queue;

    talk(f, stream, "ETRN\r\n", "500 Syntax: ETRN domain\r\n");
    talk(f, stream, "ETRN a b\r\n", "500 Syntax: ETRN domain\r\n");
    talk(f, stream, "ETRN bad..x\r\n", "501 Error: invalid parameter syntax\r\n");
    talk(f, stream, "ETRN other.test\r\n", "459 <other.test>: service unavailable\r\n");
    talk(f, stream, "ETRN [10.9.0.20]\r\n", "459 <[10.9.0.20]>: service unavailable\r\n");
    check(f, queue->releases == 0, "released without a right to");
    talk(f, stream, "ETRN #relay.test\r\n", "459 <relay.test>: service unavailable\r\n");
    talk(f, stream, "ETRN #Branches\r\n",
         "251 OK, no messages waiting for node Branches\r\n");
    talk(f, stream, "ETRN #bad..x\r\n", "501 Error: invalid parameter syntax\r\n");
    talk(f, stream, "ETRN relay.test\r\n", "251 OK, no messages waiting for node relay.test\r\n");
    check(f, !queue->with_subdomains && queue->is_exempt, "release of a client of ours");
    queue->waiting = 3;
    talk(f, stream, "ETRN @RELAY.test\r\n",
         "253 OK, 3 pending messages for node RELAY.test started\r\n");
    check(f, queue->with_subdomains && strcmp(queue->domain, "relay.test") == 0, "domain %s",
          queue->domain);
    talk(f, stream, "ETRN sub.relay.test\r\n",
         "253 OK, 3 pending messages for node sub.relay.test started\r\n");
    queue->is_silent = true;
    talk(f, stream, "ETRN relay.test\r\n", "458 Unable to queue messages\r\n");
    queue->is_silent = false;
    unlink_queue(f);
    settle();
    talk(f, stream, "ETRN relay.test\r\n", "458 Unable to queue messages\r\n");
    stream_close(stream);
}

static void test_etrn(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, etrn_body);
}

#define IMPATIENT_CLIENTS 80
#define RELEASES_MAX 64 /* what the intake asks for at once */

/* What a queue that hangs has been asked stays bounded, however many clients come and go. */
static void etrn_hanging_body(struct fixture *f)
{
    struct stream *streams[IMPATIENT_CLIENTS];
    static const char etrn[] = "ETRN relay.test\r\n";

    f->queue.is_silent = true;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < IMPATIENT_CLIENTS; i++) {
            streams[i] = connect_from(f, FRIEND);
            say(f, streams[i], etrn, strlen(etrn));
        }
        for (int i = 0; i < IMPATIENT_CLIENTS; i++) {
            hear(f, streams[i], "458 Unable to queue messages\r\n");
            stream_close(streams[i]);
        }
    }
    check(f, f->queue.releases == RELEASES_MAX, "%u releases asked for", f->queue.releases);
    f->queue.is_silent = false;
    link_queue(f);
    streams[0] = connect_from(f, FRIEND);
    talk(f, streams[0], etrn, "251 OK, no messages waiting for node relay.test\r\n");
    stream_close(streams[0]);
}

static void test_etrn_while_the_queue_hangs(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, etrn_hanging_body);
}

static void etrn_stranger_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);
    struct error err = ERROR_INIT;

    f->queue.waiting = 3;
    talk(f, stream, "ETRN relay.test\r\n", "250 Queuing started\r\n");
    check(f, !f->queue.is_exempt, "a stranger's release is exempt");
    (void)add_restrictions(&f->receiver, RESTRICTIONS_ETRN, "permit_mynetworks, reject");
    talk(f, stream, "ETRN relay.test\r\n",
         "554 5.7.1 <relay.test>: Etrn command rejected: Access denied\r\n");
    (void)domain_list_add(&f->receiver.mynetworks, f->receiver.tables, "192.0.2.0/24", &err);
    talk(f, stream, "ETRN relay.test\r\n",
         "253 OK, 3 pending messages for node relay.test started\r\n");
    stream_close(stream);
}

static void test_etrn_from_strangers(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, etrn_stranger_body);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void drain_body(struct fixture *f)
{
    struct stream *idle = connect_from(f, STRANGER);
    struct stream *busy = connect_from(f, STRANGER);

    talk(f, busy, "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
    settle();
    session_drain_all(&f->receiver);
    hear(f, idle, "421 4.3.2 mx.test Service shutting down\r\n");
    hear_end(f, idle);
    talk(f, busy, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, busy, "DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n");
    talk(f, busy, "x\r\n.\r\n",
         "250 2.0.0 Ok: queued as 0000000000000010\r\n421 4.3.2 mx.test Service shutting down\r\n");
    hear_end(f, busy);
    stream_close(idle);
    stream_close(busy);
}

/* More replies than the socket takes: draining begins while they go out. */
static void drain_while_replying_body(struct fixture *f)
{
    enum { COMMANDS = 30, NAME = 240 };
    struct stream *stream = connect_from(f, STRANGER);
    struct buffer commands = BUFFER_INIT;
    char want[NAME + 32];
    int smallest = 1;

    (void)setsockopt(stream_fd(f->receiver.sessions->stream), SOL_SOCKET, SO_SNDBUF, &smallest,
                     sizeof(smallest));
    f->receiver.settings.is_pipelining_checked = false;
    for (int i = 0; i < COMMANDS; i++)
        buffer_printf(&commands, "VRFY <%0*d@relay.test>\r\n", NAME - 20, 7);
    say(f, stream, buffer_span(&commands).ptr, buffer_span(&commands).len);
    buffer_done(&commands);
    settle();
    session_drain_all(&f->receiver);
    (void)snprintf(want, sizeof(want), "252 2.0.0 <%0*d@relay.test>\r\n", NAME - 20, 7);
    for (int i = 0; i < COMMANDS; i++)
        hear(f, stream, want);
    hear(f, stream, "421 4.3.2 mx.test Service shutting down\r\n");
    hear_end(f, stream);
    stream_close(stream);
}

static void test_drain_while_replying(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, drain_while_replying_body);
}

static void test_drain(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, drain_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scripts),
        TEST(test_discarded_keywords),
        TEST(test_helo_required),
        TEST(test_too_many_recipients),
        TEST(test_errors),
        TEST(test_junk),
        TEST(test_bare_lf_in_a_command),
        TEST(test_long_lines),
        TEST(test_nul),
        TEST(test_byte_by_byte),
        TEST(test_timeout),
        TEST(test_early_talker),
        TEST(test_broken_route),
        TEST(test_broken_networks),
        TEST(test_broken_restriction),
        TEST(test_no_postmaster),
        TEST(test_second_list),
        TEST(test_unknown_restriction),
        TEST(test_restrictions_on_a_thread),
        TEST(test_a_client_that_does_not_read),
        TEST(test_etrn),
        TEST(test_etrn_while_the_queue_hangs),
        TEST(test_etrn_from_strangers),
        TEST(test_drain),
        TEST(test_drain_while_replying),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
