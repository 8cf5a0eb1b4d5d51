/* SPDX-License-Identifier: ISC */
/*
 * command: the table of verbs, and those that need no file of their own.
 */
#include "receive/command.h"

#include "base/log.h"
#include "receive/session.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- small commands -------------------------------------------------------------------------- */

static void command_rset(struct session *session, struct sluice_span argument)
{
    if (argument.len > 0) {
        session_reply(session, "501 5.5.4 Syntax: RSET");
        return;
    }
    session_reset(session);
    session_reply(session, "250 2.0.0 Ok");
}

static void command_noop(struct session *session, struct sluice_span argument)
{
    (void)argument; /* RFC 5321 4.1.1.9 */
    session_reply(session, "250 2.0.0 Ok");
}

static void command_quit(struct session *session, struct sluice_span argument)
{
    (void)argument;
    session_reply(session, "221 2.0.0 Bye");
    session->is_closing = true;
}

static void command_starttls(struct session *session, struct sluice_span argument)
{
    (void)argument;
    session_reply(session, "502 5.5.1 Error: command not implemented");
}

static void command_auth(struct session *session, struct sluice_span argument)
{
    (void)argument;
    session_reply(session, "503 5.5.1 Error: authentication not enabled");
}

static void command_unknown(struct session *session, struct sluice_span argument)
{
    (void)argument;
    session_reply(session, "500 5.5.2 Error: command not recognized");
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct command commands[COMMAND_COUNT] = {
    [COMMAND_HELO] = {"HELO", "helo", COMMAND_ENDS_GROUP | COMMAND_IS_JUNK, command_helo},
    [COMMAND_EHLO] = {"EHLO", "ehlo", COMMAND_ENDS_GROUP | COMMAND_IS_JUNK, command_ehlo},
    [COMMAND_STARTTLS] = {"STARTTLS", "starttls", COMMAND_ENDS_GROUP, command_starttls},
    [COMMAND_AUTH] = {"AUTH", "auth", COMMAND_ENDS_GROUP, command_auth},
    [COMMAND_MAIL] = {"MAIL", "mail", 0, command_mail},
    [COMMAND_RCPT] = {"RCPT", "rcpt", 0, command_rcpt},
    [COMMAND_DATA] = {"DATA", "data", COMMAND_ENDS_GROUP, command_data},
    [COMMAND_BDAT] = {"BDAT", "bdat", COMMAND_HAS_CONTENT, command_bdat},
    [COMMAND_RSET] = {"RSET", "rset", COMMAND_IS_JUNK, command_rset},
    [COMMAND_NOOP] = {"NOOP", "noop", COMMAND_ENDS_GROUP | COMMAND_IS_JUNK, command_noop},
    [COMMAND_VRFY] = {"VRFY", "vrfy", COMMAND_ENDS_GROUP | COMMAND_IS_JUNK, command_vrfy},
    [COMMAND_ETRN] = {"ETRN", "etrn", COMMAND_IS_JUNK, command_etrn},
    [COMMAND_QUIT] = {"QUIT", "quit", 0, command_quit},
    [COMMAND_UNKNOWN] = {NULL, "unknown", 0, command_unknown},
};

const struct command *command_at(enum command_id id)
{
    return &commands[id];
}

enum command_id command_find(struct sluice_span line, struct sluice_span *ret_argument)
{
    size_t len = 0;

    line = span_trim(line);
    while (len < line.len && !is_blank(line.ptr[len]))
        len++;
    struct sluice_span verb = span_first(line, len);
    *ret_argument = span_trim(span_skip(line, len));
    for (int i = 0; i < COMMAND_UNKNOWN; i++) {
        if (span_equal_case(verb, sluice_span_of(commands[i].verb)))
            return (enum command_id)i;
    }
    return COMMAND_UNKNOWN;
}

bool command_refuses_dsn(struct session *session, bool is_asked)
{
    if (!is_asked || session->is_local || !session->receiver->settings.is_discarded[EHLO_DSN])
        return false;
    session_reply(session, "501 5.7.1 DSN support is disabled");
    return true;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The end of a path: a blank outside of quotes and brackets, where brackets are used at all. An
 * opened bracket that is not closed goes on to the end. */
static size_t path_len(struct sluice_span text)
{
    bool is_quoted = false;
    bool is_open = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && is_quoted)
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && c == '<')
            is_open = true;
        else if (!is_quoted && c == '>')
            is_open = false;
        else if (!is_quoted && !is_open && is_blank(c))
            return i;
    }
    return text.len;
}

bool command_take_path(struct sluice_span argument, const char *keyword,
                       struct sluice_span *ret_path, struct sluice_span *ret_parameters)
{
    struct sluice_span prefix = sluice_span_of(keyword);

    if (!span_starts_case(argument, prefix))
        return false;
    argument = span_trim(span_skip(argument, prefix.len));
    size_t len = path_len(argument);
    *ret_path = span_first(argument, len);
    *ret_parameters = span_skip(argument, len);
    return len > 0;
}
