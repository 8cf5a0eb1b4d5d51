/* SPDX-License-Identifier: ISC */
/*
 * session: the greeting, commands and the end.
 */
#include "receive/session.h"

#include "base/clock.h"
#include "base/text.h"
#include "receive/limits.h"
#include "receive/line.h"
#include "receive/rehearsal.h"
#include "receive/stress.h"
#include "receive/upload.h"
#include "receive/session_log.h"
#include "task/doubt.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define QUOTED_LINE_MAX 100 /* in the log */
#define COUNTS_SIZE 1024    /* of all commands: "ehlo=1 mail=2/3 ..." */

/* ---- state ----------------------------------------------------------------------------------- */

void session_reset(struct session *session)
{
    upload_free(session->upload);
    session->upload = NULL;
    session->has_bad_chunk = false;
    transaction_free(session->transaction);
    session->transaction = NULL;
    session->overshoot_count = 0;
}

int64_t session_lookup_deadline(const struct session *session)
{
    return clock_monotonic_ms() + session->receiver->settings.lookup_ms;
}

static bool has_own_address(const struct session *session)
{
    const struct route_classes *classes = &session->receiver->router.classes;

    for (size_t i = 0; i < classes->own_count; i++) {
        if (address_equal(&classes->own[i], &session->client))
            return true;
    }
    return false;
}

sluice_status session_facts(struct session *session, uint64_t *ret_facts, struct error *err)
{
    sluice_status st;

    *ret_facts = session->rehearsal != NULL ? SLUICE_FACT_REHEARSAL : 0;
    if (session->is_local)
        *ret_facts |= SLUICE_FACT_LOCAL | SLUICE_FACT_MYNETWORKS;
    if (session->is_local)
        return SLUICE_OK;
    if (has_own_address(session))
        *ret_facts |= SLUICE_FACT_OWN_ADDRESS;
    st = domain_list_match_address(&session->receiver->mynetworks, &session->client,
                                   session_lookup_deadline(session), err);
    if (st == SLUICE_OK)
        *ret_facts |= SLUICE_FACT_MYNETWORKS;
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

sluice_status session_sender_is_ours(const struct session *session, bool *ret_is_ours,
                                     struct error *err)
{
    struct mailbox sender = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    sluice_status st = SLUICE_OK;

    *ret_is_ours = false;
    if (session->transaction == NULL || session->transaction->given_sender.len == 0)
        return SLUICE_OK;
    if (mailbox_parse(session->transaction->given_sender, &sender) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no memory for an address");
    st = route_resolve(&session->receiver->router, SPAN_EMPTY, &sender,
                       session_lookup_deadline(session), &route, err);
    *ret_is_ours = st == SLUICE_OK && route.class != ROUTE_RELAY && route.class != ROUTE_DEFAULT;
    route_done(&route);
    mailbox_done(&sender);
    return st;
}

/* ---- the client's name ----------------------------------------------------------------------- */

/* For good; a name that is found later is too late. */
static void settle_name(struct session *session, const struct names_found *found)
{
    char address[ADDRESS_TEXT_SIZE];

    session->name_is_temporary = found->is_temporary;
    if (strcmp(found->reverse_name, NAMES_UNKNOWN) != 0)
        session->reverse_name = span_dup(sluice_span_of(found->reverse_name));
    names_forget(session->naming);
    session->naming = NULL;
    struct text text = text_open(session->name, sizeof(session->name));
    if (session->is_local) {
        text_add(&text, "local[uid ");
        text_add_number(&text, (uint64_t)session->uid, 1);
    } else {
        text_add(&text, found->name);
        text_add(&text, "[");
        text_add(&text, address_format(&session->client, address));
    }
    text_add(&text, "]");
    session_log_connect(session);
    task_queue_wake_all(&session->named);
}

static void on_name(void *user, const struct names_found *found)
{
    settle_name(user, found);
}

static void settle_nameless(struct session *session)
{
    const struct names_found nothing = {
        .name = NAMES_UNKNOWN, .reverse_name = NAMES_UNKNOWN, .is_temporary = true};

    settle_name(session, &nothing);
}

static void start_naming(struct session *session)
{
    struct names *names = &session->receiver->names;
    const char *name = session->is_local ? "local" : names_find(names, &session->client);

    if (name != NULL) {
        const struct names_found found = {.name = name, .reverse_name = name};
        settle_name(session, &found);
        return;
    }
    session->naming = names_ask(names, &session->client, on_name, session);
    if (session->naming == NULL)
        settle_nameless(session);
}

const char *session_name(struct session *session)
{
    if (session->name[0] == '\0')
        settle_nameless(session);
    return session->name;
}

struct sluice_span session_wait_name(struct session *session)
{
    int64_t deadline_ms = session->started_ms + SESSION_NAME_MS;

    while (session->naming != NULL) {
        if (task_queue_wait(&session->named, deadline_ms) != SLUICE_OK)
            break;
    }
    struct sluice_span name = sluice_span_of(session_name(session));
    return span_first(name, span_find(name, '['));
}

struct sluice_span session_reverse_name(const struct session *session)
{
    return session->reverse_name != NULL ? sluice_span_of(session->reverse_name)
                                         : SPAN_LITERAL(NAMES_UNKNOWN);
}

/* ---- commands -------------------------------------------------------------------------------- */

static bool is_forbidden(const struct settings *settings, struct sluice_span verb)
{
    for (size_t i = 0; i < settings->forbidden_command_count; i++) {
        if (span_equal_case(verb, sluice_span_of(settings->forbidden_commands[i])))
            return true;
    }
    return false;
}

/* A header, or somebody who speaks HTTP: no mail client at all (spec M-11). */
static bool is_no_smtp(const struct settings *settings, struct sluice_span line)
{
    struct sluice_span argument;
    size_t len = 0;

    line = span_trim(line);
    (void)command_find(line, &argument);
    struct sluice_span verb = span_trim(span_first(line, line.len - argument.len));
    if (is_forbidden(settings, verb))
        return true;
    char first = (char)(line.ptr[0] | 0x20);
    if (first < 'a' || first > 'z')
        return true;
    while (len < verb.len && verb.ptr[len] > ' ' && verb.ptr[len] <= '~' && verb.ptr[len] != ':')
        len++;
    return len < verb.len && verb.ptr[len] == ':';
}

/* sendmail -bs may be fed with all at once, and is nobody's robot. */
static bool is_order_checked(const struct session *session)
{
    return session->receiver->settings.is_pipelining_checked && !session->is_local;
}

/* The client speaks before it has been answered where it must wait for the answer (RFC 2920 3.1), or
 * pipelines without having been told that it may. */
static bool is_out_of_step(const struct session *session, const struct command *command)
{
    if (!is_order_checked(session) || !session->has_more ||
        (command->flags & COMMAND_HAS_CONTENT) != 0)
        return false;
    return !session->is_esmtp || (command->flags & COMMAND_ENDS_GROUP) != 0;
}

static void end_out_of_step(struct session *session)
{
    session_log_trouble(session, LOG_LEVEL_NOTICE, "improper command pipelining");
    session_dismiss(session, "554 5.5.0 Error: SMTP protocol synchronization");
}

static void end_no_smtp(struct session *session, struct sluice_span line)
{
    char text[QUOTED_LINE_MAX];

    log_warning("non-SMTP command from %s: %s", session_name(session),
                log_quote(line, text, sizeof(text)));
    session_dismiss(session, "221 2.7.0 Error: I can break rules, too. Goodbye.");
}

static void count_junk(struct session *session, const struct command *command)
{
    if ((command->flags & COMMAND_IS_JUNK) == 0)
        return;
    if (session->junk_count++ > receiver_limits(session->receiver)->junk_command_limit)
        session->error_count++;
}

static void run_command(struct session *session, struct sluice_span line)
{
    struct sluice_span argument;
    struct doubt doubt;
    enum command_id id = command_find(line, &argument);
    const struct command *command = command_at(id);

    session->last_command = id;
    if (id == COMMAND_UNKNOWN && is_no_smtp(&session->receiver->settings, line)) {
        session->counts[id].all++;
        end_no_smtp(session, line);
        return;
    }
    if (id != COMMAND_UNKNOWN && is_out_of_step(session, command)) {
        end_out_of_step(session);
        return;
    }
    count_junk(session, command);
    session->has_failed = false;
    doubt_begin(&doubt); /* all that refuses for good asks for it */
    command->run(session, argument);
    (void)doubt_end(&doubt);
    session->counts[id].all++;
    if (!session->has_failed)
        session->counts[id].good++;
}

static void take_line(struct session *session, const struct line *line)
{
    const struct settings *settings = &session->receiver->settings;

    if (line->is_bare && settings->bare_newline_reply[0] != '\0') {
        session_log_trouble(session, LOG_LEVEL_INFO, "bare <LF> received");
        session_dismiss(session, "%s", settings->bare_newline_reply);
    } else if (line->is_too_long) {
        session_reply(session, "500 5.5.2 %s Error: command too long", settings->myhostname);
    } else if (span_trim(line->text).len == 0 || span_find(line->text, '\0') < line->text.len) {
        session_reply(session, "500 5.5.2 Error: bad syntax");
    } else {
        run_command(session, line->text);
    }
}

/* False: the session has had enough of this client. */
static bool may_go_on(struct session *session)
{
    const struct settings *settings = &session->receiver->settings;

    if (session->error_count >= receiver_limits(session->receiver)->hard_error_limit) {
        session_log_trouble(session, LOG_LEVEL_NOTICE, "too many errors");
        session_dismiss(session, "421 4.7.0 %s Error: too many errors", settings->myhostname);
    } else if (session->receiver->is_draining && session->transaction == NULL) {
        session_dismiss(session, "421 4.3.2 %s Service shutting down", settings->myhostname);
    }
    return !session->is_closing;
}

static void one_command(struct session *session)
{
    struct line line;

    sluice_status st = line_read(session, &line);
    if (st == SLUICE_OK) {
        take_line(session, &line);
        line_drop(session);
    } else if (may_go_on(session)) { /* else it has been told why not */
        session_lost(session, st);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Who speaks before the greeting is no mail client (spec M-64). */
static void greet(struct session *session)
{
    const struct settings *settings = &session->receiver->settings;

    if (is_order_checked(session) && stream_is_readable(session->stream)) {
        sluice_status st = session_fill(session, session_deadline(session));
        if (st == SLUICE_OK)
            end_out_of_step(session);
        else
            session_lost(session, st);
        return;
    }
    session_reply(session, "220 %s", settings->banner);
}

static void log_end(struct session *session)
{
    char counts[COUNTS_SIZE];
    struct text text = text_open(counts, sizeof(counts));
    uint32_t good = 0;
    uint32_t all = 0;

    for (int i = 0; i <= COMMAND_COUNT; i++) {
        struct command_count count = {.good = good, .all = all};
        if (i < COMMAND_COUNT)
            count = session->counts[i];
        if (count.all == 0)
            continue;
        text_add(&text, " ");
        text_add(&text, i < COMMAND_COUNT ? command_at((enum command_id)i)->word : "commands");
        text_add(&text, "=");
        text_add_number(&text, count.good, 1);
        if (count.good != count.all) {
            text_add(&text, "/");
            text_add_number(&text, count.all, 1);
        }
        good += count.good;
        all += count.all;
    }
    session_log_disconnect(session, counts);
}

static void session_free(struct session *session)
{
    struct receiver *receiver = session->receiver;

    DL_DELETE(receiver->sessions, session);
    receiver->session_count--;
    task_queue_wake_all(&receiver->session_ended);
    names_forget(session->naming);
    limits_leave(session);
    session_reset(session);
    buffer_done(&session->out);
    stream_close(session->stream);
    free(session->reverse_name);
    free(session->helo);
    free(session);
}

static void session_run(void *arg)
{
    struct session *session = arg;

    start_naming(session);
    if (limits_enter(session))
        greet(session);
    while (!session->is_closing && may_go_on(session))
        one_command(session);
    (void)session_flush(session);
    log_end(session);
    session_free(session);
}

static void session_rehearse(void *arg)
{
    struct session *session = arg;
    struct rehearsal *rehearsal = session->rehearsal;

    start_naming(session);
    rehearsal_play(rehearsal, session);
    session_free(session);
    rehearsal_free(rehearsal);
}

static struct session *session_new(struct receiver *receiver)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->receiver = receiver;
    session->last_command = COMMAND_COUNT;
    session->started_ms = clock_monotonic_ms();
    return session;
}

/* Takes the session. */
static sluice_status start_task(struct session *session, task_fn *fn)
{
    char address[ADDRESS_TEXT_SIZE];
    char name[TASK_NAME_MAX + ADDRESS_TEXT_SIZE];

    DL_APPEND(session->receiver->sessions, session);
    session->receiver->session_count++;
    (void)snprintf(name, sizeof(name), "%s %s", session->rehearsal != NULL ? "explain" : "session",
                   session->is_local ? "local" : address_format(&session->client, address));
    if (task_start(name, fn, session, &session->task) == SLUICE_OK)
        return SLUICE_OK;
    session_free(session);
    return SLUICE_TEMP;
}

/* Takes socket and session, which may be NULL. */
static sluice_status start(struct session *session, int fd)
{
    if (session == NULL || stream_new(fd, &session->stream) != SLUICE_OK) {
        free(session);
        (void)close(fd);
        return SLUICE_TEMP;
    }
    return start_task(session, session_run);
}

sluice_status session_start(struct receiver *receiver, int fd, const struct address *client)
{
    struct session *session = session_new(receiver);

    if (session != NULL)
        session->client = *client;
    return start(session, fd);
}

sluice_status session_start_local(struct receiver *receiver, int fd, uid_t uid)
{
    struct session *session = session_new(receiver);

    if (session != NULL) {
        session->is_local = true;
        session->uid = uid;
    }
    return start(session, fd);
}

sluice_status session_start_rehearsal(struct receiver *receiver, struct rehearsal *rehearsal,
                                      const struct address *client)
{
    struct session *session = session_new(receiver);

    if (session == NULL)
        return SLUICE_TEMP;
    session->rehearsal = rehearsal;
    session->is_local = client == NULL;
    if (client != NULL)
        session->client = *client;
    return start_task(session, session_rehearse);
}

void session_drain_all(struct receiver *receiver)
{
    receiver->is_draining = true;
    stress_end_idle(receiver);
}

void session_cancel_all(struct receiver *receiver)
{
    struct session *session;

    DL_FOREACH(receiver->sessions, session)
    task_cancel(session->task);
}
