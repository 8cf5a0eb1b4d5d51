/* SPDX-License-Identifier: ISC */
/*
 * reply: what a session says to its client, and what the log says about it.
 */
#include "base/clock.h"
#include "receive/session_log.h"
#include "receive/stress.h"

#include <stdarg.h>
#include <stdio.h>

#define REPLY_MAX 1024   /* one line; longer ones are cut */
#define REPLIES_MAX 4096 /* gathered before they are sent in any case */

int64_t session_deadline(const struct session *session)
{
    return clock_monotonic_ms() + receiver_limits(session->receiver)->timeout_ms;
}

const char *session_last_verb(const struct session *session)
{
    if (session->last_command == COMMAND_COUNT)
        return "CONNECT";
    if (session->last_command == COMMAND_UNKNOWN)
        return "UNKNOWN";
    return command_at(session->last_command)->verb;
}

/* The client is gone, or takes or gives nothing in time. */
static void end_lost(struct session *session, bool has_timed_out)
{
    session->is_closing = true;
    session_log_trouble(session, LOG_LEVEL_INFO, has_timed_out ? "timeout" : "lost connection");
}

sluice_status session_fill(struct session *session, int64_t deadline_ms)
{
    bool is_idle = session->transaction == NULL;

    if (is_idle && session->receiver->is_draining)
        return SLUICE_TEMP; /* draining began while a reply went out */
    stress_wait_begins(session, is_idle);
    sluice_status st = stream_fill(session->stream, deadline_ms);
    stress_wait_ends(session);
    return st;
}

bool session_flush(struct session *session)
{
    sluice_status st = SLUICE_OK;

    if (session->rehearsal != NULL)
        return true; /* who plays it takes the replies */
    if (session->out.len > 0) {
        stress_wait_begins(session, false);
        st = stream_write(session->stream, buffer_span(&session->out), session_deadline(session));
        stress_wait_ends(session);
    }
    buffer_done(&session->out);
    if (st != SLUICE_OK && !session->is_closing)
        end_lost(session, stream_timed_out(session->stream));
    return st == SLUICE_OK;
}

/* A client that makes many errors waits for each further one (spec M-71). */
static void slow_down(struct session *session)
{
    const struct settings *settings = &session->receiver->settings;

    if (session->error_count < settings->soft_error_limit || settings->error_sleep_ms == 0 ||
        session->rehearsal != NULL)
        return;
    if (session_flush(session)) /* what was replied before is not to wait */
        (void)task_sleep_until(clock_monotonic_ms() + settings->error_sleep_ms);
}

/* One line; nothing that came from a client may end it early. */
static void put(struct session *session, const char *line)
{
    size_t len = strlen(line);
    char *out = buffer_reserve(&session->out, len + 2);

    if (out == NULL) {
        session->is_closing = true; /* out of memory: replies would get out of step */
        return;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
    memcpy(out + len, "\r\n", 2);
    session->out.len += len + 2;
}

/* RFC 5321 3.8, RFC 7504: a server that says so ends the session. */
static bool is_goodbye(const char *line)
{
    return strncmp(line, "421", 3) == 0 || strncmp(line, "521", 3) == 0;
}

static void reply(struct session *session, const char *line, bool is_counted)
{
    if (session->is_closing)
        return; /* nobody listens any more */
    if (line[0] == '4' || line[0] == '5') {
        session->has_failed = true;
        if (is_counted) {
            slow_down(session);
            session->error_count++;
        }
    }
    put(session, line);
    if (session->out.len > REPLIES_MAX)
        (void)session_flush(session);
    if (is_goodbye(line))
        session->is_closing = true;
}

/* Most have nothing to be filled in. What is cut is fine. */
static const char *format_line(char line[REPLY_MAX], const char *format, va_list args)
{
    if (strchr(format, '%') == NULL)
        return format;
    (void)vsnprintf(line, REPLY_MAX, format, args);
    return line;
}

void session_reply(struct session *session, const char *format, ...)
{
    char line[REPLY_MAX];
    va_list args;

    va_start(args, format);
    reply(session, format_line(line, format, args), true);
    va_end(args);
}

void session_reply_uncounted(struct session *session, const char *format, ...)
{
    char line[REPLY_MAX];
    va_list args;

    va_start(args, format);
    reply(session, format_line(line, format, args), false);
    va_end(args);
}

void session_reject(struct session *session, const char *command, struct sluice_span recipient,
                    const char *format, ...)
{
    char line[REPLY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* cut is fine */
    va_end(args);
    session_log_reject(session, NULL, command, recipient, line);
    reply(session, line, true);
}

void session_dismiss(struct session *session, const char *format, ...)
{
    char line[REPLY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* cut is fine */
    va_end(args);
    put(session, line);
    (void)session_flush(session);
    session->is_closing = true;
}

void session_lost(struct session *session, sluice_status status)
{
    bool has_timed_out = status != SLUICE_NOT_FOUND && stream_timed_out(session->stream);

    if (session->is_closing)
        return;
    end_lost(session, has_timed_out);
    if (has_timed_out)
        session_dismiss(session, "421 4.4.2 %s Error: timeout exceeded",
                        session->receiver->settings.myhostname);
}
