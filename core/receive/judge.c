/* SPDX-License-Identifier: ISC */
/* judge: see judge.h. */
#include "receive/judge.h"

#include "base/clock.h"
#include "base/log.h"
#include "receive/session_log.h"
#include "receive/unlisted.h"
#include "task/doubt.h"
#include "task/explain.h"

#include <stdio.h>

#define LINE_MAX_BYTES 1024

/* ---- replies --------------------------------------------------------------------------------- */

/* Who or what is rejected, and how that is called. */
static void name_rejected(const struct ruling *ruling, int32_t about, struct sluice_span *ret_name,
                          const char **ret_what)
{
    struct session *session = ruling->session;

    *ret_name = ruling->subject;
    switch (about) {
    case SLUICE_ABOUT_CLIENT:
        *ret_name = sluice_span_of(session_name(session));
        *ret_what = "Client host";
        break;
    case SLUICE_ABOUT_REVERSE_CLIENT:
        *ret_name = session_reverse_name(session);
        *ret_what = "Unverified Client host";
        break;
    case SLUICE_ABOUT_HELO:
        *ret_name = sluice_span_of(session->helo);
        *ret_what = "Helo command";
        break;
    case SLUICE_ABOUT_SENDER:
        if (session->transaction != NULL)
            *ret_name = session->transaction->plain_sender;
        *ret_what = "Sender address";
        break;
    case SLUICE_ABOUT_DATA:
        *ret_name = SPAN_LITERAL("DATA");
        *ret_what = "Data command";
        break;
    case SLUICE_ABOUT_END_OF_DATA:
        *ret_name = SPAN_LITERAL("END-OF-MESSAGE");
        *ret_what = "End-of-data";
        break;
    case SLUICE_ABOUT_ETRN:
        *ret_what = "Etrn command";
        break;
    default:
        *ret_what = "Recipient address";
        break;
    }
}

static void format(const struct ruling *ruling, const struct access_verdict *verdict,
                   char line[LINE_MAX_BYTES])
{
    struct sluice_span name;
    const char *what;

    if (verdict->about == SLUICE_ABOUT_NOTHING) {
        (void)snprintf(line, LINE_MAX_BYTES, "%d %s %s", (int)verdict->code, verdict->dsn,
                       verdict->text);
        return;
    }
    name_rejected(ruling, verdict->about, &name, &what);
    (void)snprintf(line, LINE_MAX_BYTES, "%d %s <%.*s>: %s%s%s", (int)verdict->code, verdict->dsn,
                   SPAN_ARGS(name), verdict->is_bare ? "" : what,
                   verdict->is_bare ? "" : " rejected: ", verdict->text);
}

bool ruling_fail(struct ruling *ruling, const struct error *err)
{
    session_log_failure(ruling->session, ruling->command, err);
    session_reject(ruling->session, ruling->command, ruling->recipient,
                   "451 4.3.0 <%.*s>: Temporary lookup failure", SPAN_ARGS(ruling->subject));
    return false;
}

/* What old answers have led to, and would be for good, is not done. TEMP with a text. */
static sluice_status check_doubt(struct error *err)
{
    if (doubt_about() == NULL)
        return SLUICE_OK;
    return error_set(err, SLUICE_TEMP, "%s gives no answer, and an old one refuses nobody for good",
                     doubt_about());
}

bool ruling_refuse(struct ruling *ruling, const struct access_verdict *verdict)
{
    char line[LINE_MAX_BYTES];
    struct error err = ERROR_INIT;

    if (verdict->verdict == SLUICE_VERDICT_REJECT &&
        ruling->defer_if_reject.verdict != SLUICE_VERDICT_NONE)
        verdict = &ruling->defer_if_reject;
    if (verdict->verdict == SLUICE_VERDICT_REJECT && check_doubt(&err) != SLUICE_OK)
        return ruling_fail(ruling, &err);
    format(ruling, verdict, line);
    session_reject(ruling->session, ruling->command, ruling->recipient, "%s", line);
    return false;
}

/* A word that was only to warn. */
static void warn(const struct ruling *ruling, const struct access_verdict *verdict)
{
    char line[LINE_MAX_BYTES];

    format(ruling, verdict, line);
    session_log_note(ruling->session, "reject_warning", ruling->command, ruling->recipient, line);
}

/* What the log says of verdicts that are neither yes nor no, in Postfix's words; of PREPEND nothing. */
static const struct {
    const char *action;
    const char *trigger;
    bool has_address; /* the text is one, and no reason */
} notes[] = {
    [SLUICE_VERDICT_WARN] = {"warn", NULL, false},
    [SLUICE_VERDICT_INFO] = {"info", NULL, false},
    [SLUICE_VERDICT_HOLD] = {"hold", "HOLD action", false},
    [SLUICE_VERDICT_DISCARD] = {"discard", "DISCARD action", false},
    [SLUICE_VERDICT_REDIRECT] = {"redirect", "REDIRECT ", true},
    [SLUICE_VERDICT_BCC] = {"bcc", "BCC ", true},
    [SLUICE_VERDICT_PREPEND] = {NULL, NULL, false},
};

static void format_note(const struct ruling *ruling, const struct access_verdict *verdict,
                        char line[LINE_MAX_BYTES])
{
    const char *trigger = notes[verdict->verdict].trigger;
    bool has_address = notes[verdict->verdict].has_address;
    struct sluice_span name;
    const char *what;

    name_rejected(ruling, verdict->about, &name, &what);
    if (trigger == NULL)
        (void)snprintf(line, LINE_MAX_BYTES, "%s", verdict->text);
    else if (verdict->text[0] != '\0' && !has_address)
        (void)snprintf(line, LINE_MAX_BYTES, "<%.*s>: %s %s", SPAN_ARGS(name), what, verdict->text);
    else
        (void)snprintf(line, LINE_MAX_BYTES, "<%.*s>: %s triggers %s%s", SPAN_ARGS(name), what,
                       trigger, verdict->text);
}

/* Something other than yes or no. */
static sluice_status note(const struct ruling *ruling, const struct access_verdict *verdict,
                          struct error *err)
{
    struct transaction *transaction = ruling->session->transaction;
    const char *action = notes[verdict->verdict].action;
    char line[LINE_MAX_BYTES];

    if (action != NULL) {
        format_note(ruling, verdict, line);
        session_log_note(ruling->session, action, ruling->command, ruling->recipient, line);
    }
    if (transaction == NULL || effects_add(&transaction->effects, verdict) == SLUICE_OK)
        return SLUICE_OK;
    return error_set(err, SLUICE_TEMP, "no memory for what a restriction wants");
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status ask_list(struct ruling *ruling, const struct restriction_list *list,
                              int32_t about, struct access_verdict *ret_verdict,
                              struct error *err);

/* Found out once for each ruling, and only if a word wants it. */
static sluice_status find_sender_class(struct ruling *ruling, struct error *err)
{
    bool is_ours = false;

    if (ruling->knows_sender)
        return SLUICE_OK;
    sluice_status st = session_sender_is_ours(ruling->session, &is_ours, err);
    if (st != SLUICE_OK)
        return st;
    ruling->knows_sender = true;
    if (is_ours)
        ruling->facts |= SLUICE_FACT_SENDER_OURS;
    return SLUICE_OK;
}

static void fill_in(const struct ruling *ruling, int32_t about, char address[ADDRESS_TEXT_SIZE],
                    struct sluice_access_request *request)
{
    struct session *session = ruling->session;
    struct sluice_span client_name = session_wait_name(session); /* the other name is known then, too */

    *request = (struct sluice_access_request){
        .struct_size = sizeof(*request),
        .stage = ruling->stage,
        .facts = ruling->facts,
        .client_address = sluice_span_of(address_format(&session->client, address)),
        .client_name = client_name,
        .reverse_name = session_reverse_name(session),
        .helo = sluice_span_of(session->helo),
        .recipient = ruling->subject,
        .about = about,
        .size = ruling->size,
    };
    if (session->name_is_temporary)
        request->facts |= SLUICE_FACT_NAME_TEMP;
    if (session->transaction != NULL) {
        request->sender = session->transaction->plain_sender;
        request->recipient_count = (uint32_t)session->transaction->envelope.recipient_count;
    }
}

static sluice_status ask_plugin(struct ruling *ruling, const struct restriction *restriction,
                                int32_t about, struct access_verdict *verdict, struct error *err)
{
    struct sluice_access_request request;
    char address[ADDRESS_TEXT_SIZE];

    if ((restriction->word.declared->flags & SLUICE_RESTRICTION_SENDER) != 0 &&
        find_sender_class(ruling, err) != SLUICE_OK)
        return SLUICE_TEMP;
    fill_in(ruling, about, address, &request);
    request.argument = sluice_span_of(restriction->argument);
    sluice_status st = access_ask(&restriction->word, restriction->label, &request,
                                  session_lookup_deadline(ruling->session), verdict, err);
    if (st != SLUICE_OK)
        error_prefix(err, "%s", restriction->word.declared->name);
    else if (verdict->about == SLUICE_ABOUT_LIST && !verdict->is_bare)
        verdict->about = about;
    return st;
}

/* What a table had for a result: restrictions, or what is none. */
static sluice_status evaluate(struct ruling *ruling, int32_t about, const char *text,
                              struct access_verdict *verdict, struct error *err)
{
    const struct restrictions *restrictions = &ruling->session->receiver->restrictions;
    struct restriction_list list = {0};
    sluice_status st =
        restriction_list_add(restrictions, about, sluice_span_of(text), &list, err);

    if (st == SLUICE_OK)
        st = ask_list(ruling, &list, about, verdict, err);
    restriction_list_done(&list);
    if (st != SLUICE_CONFIG)
        return st;
    log_warning("result \"%s\" of an access table: %s", text, err->text);
    *verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_DEFER,
                                       .about = SLUICE_ABOUT_NOTHING,
                                       .code = 451,
                                       .dsn = "4.3.5",
                                       .text = "Server configuration error"};
    *err = (struct error)ERROR_INIT;
    return SLUICE_OK;
}

static sluice_status ask_one(struct ruling *ruling, const struct restriction *restriction,
                             int32_t about, struct access_verdict *verdict, struct error *err)
{
    sluice_status st;

    switch (restriction->kind) {
    case RESTRICTION_CLASS:
        return ask_list(ruling, restriction->class, about, verdict, err);
    case RESTRICTION_UNLISTED_RECIPIENT:
        return ruling->route == NULL
                   ? SLUICE_OK
                   : unlisted_recipient(ruling->session, ruling->route, verdict, err);
    case RESTRICTION_UNLISTED_SENDER:
        return unlisted_sender(ruling->session, verdict, err);
    default:
        break;
    }
    st = ask_plugin(ruling, restriction, about, verdict, err);
    if (st == SLUICE_OK && verdict->verdict == SLUICE_VERDICT_EVALUATE) {
        const struct access_verdict asked = *verdict;

        *verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
        st = evaluate(ruling, about, asked.text, verdict, err);
    }
    return st;
}

/* The first reason of each kind is the one that is told. */
static void remember(struct ruling *ruling, const struct access_verdict *verdict)
{
    struct access_verdict *kept = verdict->verdict == SLUICE_VERDICT_DEFER_IF_REJECT
                                      ? &ruling->defer_if_reject
                                      : &ruling->defer_if_permit;

    if (kept->verdict == SLUICE_VERDICT_NONE)
        *kept = *verdict;
}

/* *ret_ends: the verdict ends the list; else what it asks for is noted. */
static sluice_status take_verdict(struct ruling *ruling, const struct access_verdict *verdict,
                                  bool *ret_ends, struct error *err)
{
    bool is_warning = ruling->is_warning;

    *ret_ends = false;

    switch (verdict->verdict) {
    case SLUICE_VERDICT_NONE:
        break;
    case SLUICE_VERDICT_PERMIT:
        *ret_ends = true;
        break;
    case SLUICE_VERDICT_REJECT:
    case SLUICE_VERDICT_DEFER:
        if (is_warning)
            warn(ruling, verdict);
        *ret_ends = !is_warning;
        break;
    case SLUICE_VERDICT_DEFER_IF_REJECT:
    case SLUICE_VERDICT_DEFER_IF_PERMIT:
        if (is_warning)
            warn(ruling, verdict);
        else
            remember(ruling, verdict);
        break;
    case SLUICE_VERDICT_DISCARD:
        *ret_ends = true;
        return check_doubt(err) == SLUICE_OK ? note(ruling, verdict, err) : SLUICE_TEMP;
    default:
        return note(ruling, verdict, err);
    }
    return SLUICE_OK;
}

/* "verdict", and what goes with it, where there is one. */
static void explain_verdict(sluice_status status, const struct access_verdict *verdict)
{
    if (status != SLUICE_OK)
        return;
    explain_text("verdict", access_verdict_name(verdict->verdict));
    if (verdict->code != 0)
        explain_number("code", verdict->code);
    if (verdict->dsn[0] != '\0')
        explain_text("dsn", verdict->dsn);
    if (verdict->text[0] != '\0')
        explain_text("reason", verdict->text);
}

/* As ask_one and take_verdict. */
static sluice_status judge(struct ruling *ruling, const struct restriction *restriction,
                           int32_t about, struct access_verdict *verdict, bool *ret_ends,
                           struct error *err)
{
    explain_begin("restriction");
    explain_text("word", restriction->name);
    explain_text("argument", restriction->argument);
    explain_flag("only_warns", ruling->is_warning);
    sluice_status st = ask_one(ruling, restriction, about, verdict, err);
    explain_verdict(st, verdict);
    if (st == SLUICE_OK)
        st = take_verdict(ruling, verdict, ret_ends, err);
    explain_end(st, err);
    return st;
}

/* NONE: no word had a verdict that ends the list. */
static sluice_status ask_list(struct ruling *ruling, const struct restriction_list *list,
                              int32_t about, struct access_verdict *ret_verdict, struct error *err)
{
    bool was_warning = ruling->is_warning;
    bool is_over = false;
    sluice_status st = SLUICE_OK;

    if (ruling->depth >= RESTRICTIONS_DEPTH_MAX)
        return error_set(err, SLUICE_TEMP, "restrictions lead round in circles");
    ruling->depth++;
    for (size_t i = 0; i < list->count && st == SLUICE_OK && !is_over; i++) {
        *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
        if (list->items[i].kind == RESTRICTION_WARN_IF_REJECT) {
            ruling->is_warning = true;
            continue;
        }
        st = judge(ruling, &list->items[i], about, ret_verdict, &is_over, err);
        ruling->is_warning = was_warning;
    }
    if (!is_over)
        *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    ruling->is_warning = was_warning;
    ruling->depth--;
    return st;
}

/* ---- rulings --------------------------------------------------------------------------------- */

void ruling_begin(struct ruling *ruling, struct session *session, const char *command,
                  int32_t stage, struct sluice_span subject)
{
    *ruling = (struct ruling){
        .session = session, .command = command, .stage = stage, .subject = subject};
}

bool ruling_ask(struct ruling *ruling, enum restriction_list_id id)
{
    const struct restriction_list *list = &ruling->session->receiver->restrictions.lists[id];
    struct access_verdict verdict = {.verdict = SLUICE_VERDICT_NONE};
    struct error err = ERROR_INIT;

    if (list->count == 0)
        return true;
    explain_begin("restrictions");
    explain_text("parameter", restrictions_parameter(id));
    sluice_status st = ask_list(ruling, list, restrictions_about(id), &verdict, &err);
    explain_verdict(st, &verdict);
    explain_end(st, &err);
    if (st != SLUICE_OK)
        return ruling_fail(ruling, &err);
    if (verdict.verdict == SLUICE_VERDICT_REJECT || verdict.verdict == SLUICE_VERDICT_DEFER)
        return ruling_refuse(ruling, &verdict);
    return true;
}

bool ruling_end(struct ruling *ruling)
{
    return ruling->defer_if_permit.verdict == SLUICE_VERDICT_NONE ||
           ruling_refuse(ruling, &ruling->defer_if_permit);
}

bool judge_content(struct session *session, const char *command, int32_t stage,
                   enum restriction_list_id id, uint64_t size)
{
    struct error err = ERROR_INIT;
    struct ruling ruling;

    if (session->receiver->restrictions.lists[id].count == 0)
        return true;
    ruling_begin(&ruling, session, command, stage, SPAN_EMPTY);
    ruling.size = size;
    if (session_facts(session, &ruling.facts, &err) != SLUICE_OK)
        return ruling_fail(&ruling, &err);
    return ruling_ask(&ruling, id) && ruling_end(&ruling);
}
