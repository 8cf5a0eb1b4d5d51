/* SPDX-License-Identifier: ISC */
/*
 * lookup: see lookup.h.
 */
#include "lookup/lookup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "config/role.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "lookup/front.h"
#include "lookup/keepers.h"
#include "lookup/last_known.h"
#include "lookup/operators.h"
#include "lookup/upkeep.h"
#include "route/table.h"
#include "route/table_service.h"
#include "sluice/lookup.h"
#include "task/explain.h"
#include "task/task.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define QUESTIONS_MAX 4000 /* under way in this process */
#define QUESTION_TIME_MAX_MS ((int64_t)3600 * 1000) /* a plugin may ask for an answer by CLOCK_NEVER */

/* Who asks. Stays until its last question is answered. */
struct asker {
    struct lookup *lookup;
    struct channel *channel; /* NULL: it has left */
    struct keeper keeper;
    size_t question_count;
    struct asker *prev;
    struct asker *next;
};

struct lookup {
    struct role *role;
    struct tables *tables;
    struct fronts *fronts; /* of the tables that are at home here */
    struct upkeep *upkeep; /* of the same */
    struct operators *operators;
    struct asker *askers;
    struct keepers keepers; /* those of them that are there */
    size_t question_count;
    bool is_draining;
};

struct question {
    struct asker *asker;
    uint64_t ref;
    struct front *front;
    uint64_t flags;
    int64_t deadline_ms;
    char *key;
    size_t key_len;
    bool is_explained;
};

/* Its askers leave first: as long as one is there it may ask. What is under way for one that has left
 * has the tables in use. */
static void leave_if_done(void *arg)
{
    struct lookup *lookup = arg;

    if (!lookup->is_draining || lookup->askers != NULL || !fronts_are_idle(lookup->fronts))
        return;
    upkeep_stop(lookup->upkeep);
    if (upkeep_is_idle(lookup->upkeep))
        role_finished(lookup->role);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void asker_release(struct asker *asker)
{
    if (asker->channel != NULL || asker->question_count > 0)
        return;
    struct lookup *lookup = asker->lookup;

    DL_DELETE(lookup->askers, asker);
    free(asker);
    leave_if_done(lookup);
}

static void answer(const struct asker *asker, uint64_t ref, const struct message_found *found)
{
    struct buffer body = BUFFER_INIT;

    if (asker->channel == NULL)
        return;
    message_found_encode(found, &body);
    if (buffer_failed(&body) ||
        channel_send_body(asker->channel, MESSAGE_FOUND, ref, buffer_span(&body)) != SLUICE_OK)
        log_warning("no memory for an answer; it is late");
    buffer_done(&body);
}

static void answer_failed(const struct asker *asker, uint64_t ref, const char *text)
{
    const struct message_found found = {.status = SLUICE_TEMP, .text = sluice_span_of(text)};

    answer(asker, ref, &found);
}

/* ---- questions ------------------------------------------------------------------------------- */

/* Nobody goes on with an answer that was to be passed over. */
static void forget_others(const struct question *question, const struct message_found *found)
{
    if ((question->flags & TABLE_FRESH) != 0 && found->status != SLUICE_TEMP && !found->is_old)
        keepers_forget(&question->asker->lookup->keepers, table_name(front_table(question->front)));
}

static void question_free(struct question *question)
{
    free(question->key);
    free(question);
}

static void run_question(void *arg)
{
    struct question *question = arg;
    struct asker *asker = question->asker;
    struct explanation *explanation = NULL;
    struct buffer value = BUFFER_INIT;
    struct buffer noted = BUFFER_INIT;
    struct front_answer found_here = {.value = &value};
    struct error err = ERROR_INIT;
    struct message_found found = {0};

    if (question->is_explained && explanation_new(&explanation) == SLUICE_OK)
        task_set_explanation(explanation);
    found.status = front_find(question->front,
                              (struct sluice_span){.ptr = question->key, .len = question->key_len},
                              question->flags, question->deadline_ms, &found_here, &err);
    found.is_old = found_here.is_old;
    found.keep_until_ms = found_here.keep_until_ms;
    if (found.status == SLUICE_OK)
        found.value = buffer_span(&value);
    found.dsn = sluice_span_of(err.dsn);
    found.text = sluice_span_of(err.text);
    task_set_explanation(NULL);
    if (explanation != NULL)
        explanation_format(explanation, &noted);
    if (!buffer_failed(&noted))
        found.noted = buffer_span(&noted);
    forget_others(question, &found);
    answer(asker, question->ref, &found);
    explanation_free(explanation);
    buffer_done(&value);
    buffer_done(&noted);
    question_free(question);
    asker->lookup->question_count--;
    asker->question_count--;
    asker_release(asker);
}

static struct question *question_new(struct asker *asker, uint64_t ref,
                                     const struct message_lookup *message)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    question->key = span_dup(message->key);
    if (question->key == NULL) {
        free(question);
        return NULL;
    }
    question->asker = asker;
    question->ref = ref;
    question->flags = message->flags;
    question->is_explained = message->is_explained;
    question->deadline_ms =
        clock_monotonic_ms() + (message->timeout_ms < QUESTION_TIME_MAX_MS ? message->timeout_ms
                                                                           : QUESTION_TIME_MAX_MS);
    question->key_len = message->key.len;
    return question;
}

/* Without a task: most are answered here. */
static bool answer_known(const struct asker *asker, uint64_t ref,
                         const struct message_lookup *message, struct front *front)
{
    struct buffer value = BUFFER_INIT;
    struct front_answer known = {.value = &value};

    if (message->is_explained)
        return false; /* only a task can say how it came by an answer */
    struct message_found found = {.status =
                                      front_known(front, message->key, message->flags, &known)};

    found.keep_until_ms = known.keep_until_ms;
    if (found.status == SLUICE_OK)
        found.value = buffer_span(&value);
    if (found.status != SLUICE_TEMP)
        answer(asker, ref, &found);
    buffer_done(&value);
    return found.status != SLUICE_TEMP;
}

/* NULL: it is answered, or begun; else why it cannot be. */
static const char *begin(struct asker *asker, uint64_t ref, const struct message_lookup *message)
{
    struct front *front = fronts_find(asker->lookup->fronts, message->table);

    if (front == NULL)
        return "that table is not at home here";
    if ((message->flags & TABLE_FRESH) == 0 && answer_known(asker, ref, message, front))
        return NULL;
    if (asker->lookup->question_count >= QUESTIONS_MAX)
        return "too many questions at once";

    struct question *question = question_new(asker, ref, message);
    if (question == NULL)
        return "no memory for a question";
    question->front = front;
    if (task_start(table_name(front_table(front)), run_question, question, NULL) != SLUICE_OK) {
        question_free(question);
        return "no memory for a task";
    }
    asker->lookup->question_count++;
    asker->question_count++;
    return NULL;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct asker *asker = user;
    struct message_lookup message;
    const char *why;

    (void)channel;
    if (frame->type == MESSAGE_FORGOTTEN) {
        keepers_take(&asker->lookup->keepers, &asker->keeper, frame->ref);
        return;
    }
    if (frame->type != MESSAGE_LOOKUP ||
        message_lookup_decode(frame->body, &message) != SLUICE_OK) {
        log_error("a question that makes no sense");
        return;
    }
    why = begin(asker, frame->ref, &message);
    if (why != NULL)
        answer_failed(asker, frame->ref, why);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct asker *asker = user;

    (void)reason; /* it has left */
    keepers_remove(&asker->lookup->keepers, &asker->keeper);
    channel_free(channel);
    asker->channel = NULL;
    asker_release(asker);
}

/* ---- what tables have ------------------------------------------------------------------------ */

/* Mail that waits follows a table which can tell when it changes. */
static void tell(const struct upkeep_news *news, void *user)
{
    const struct asker *asker = user;
    const char *name = table_name(front_table(news->front));
    const struct message_table message = {.table = sluice_span_of(name),
                                          .generation = news->generation,
                                          .has_generation = news->has_generation};
    struct buffer body = BUFFER_INIT;

    if (asker->channel == NULL)
        return;
    message_table_encode(&message, &body);
    if (buffer_failed(&body) ||
        channel_send_body(asker->channel, MESSAGE_TABLE, 0, buffer_span(&body)) != SLUICE_OK)
        log_warning("no memory to say that %s has changed", name);
    buffer_done(&body);
}

static void on_table_changed(const struct upkeep_news *news, void *user)
{
    struct lookup *lookup = user;
    struct asker *asker;

    front_changed(news->front);
    keepers_forget(&lookup->keepers, table_name(front_table(news->front)));
    DL_FOREACH(lookup->askers, asker)
    {
        tell(news, asker);
    }
}

/* ---- the role -------------------------------------------------------------------------------- */

/* NULL: nothing stands in for the table; the log says why if something should. */
static struct last_known *open_known(const struct config *config,
                                     const struct config_instance *instance)
{
    const struct sluice_config *options = instance->options;
    const struct last_known_limits limits = {
        .age_ms = options->get_number(options, "stale_ok"),
        .bytes_max = (size_t)options->get_number(options, "stale_bytes"),
    };
    struct last_known *known = NULL;
    struct buffer path = BUFFER_INIT;
    struct error err = ERROR_INIT;

    if (limits.age_ms == 0)
        return NULL;
    buffer_printf(&path, "%s/", config_text(config, "last_known_directory"));
    for (const char *c = instance->name; *c != '\0'; c++)
        buffer_printf(&path,
                      isalnum((unsigned char)*c) || strchr("-_.:", *c) != NULL ? "%c" : "%%%02x",
                      (unsigned char)*c);
    const char *text = buffer_text(&path);
    sluice_status st = text != NULL ? last_known_open(text, &limits, &known, &err)
                                    : error_set(&err, SLUICE_TEMP, "out of memory");
    buffer_done(&path);
    if (st != SLUICE_OK)
        log_warning("%s: nothing will stand in for it: %s", instance->name, err.text);
    return known;
}

static sluice_status open_table(const struct lookup *lookup, const struct config_instance *instance,
                                struct error *err)
{
    const struct sluice_config *options = instance->options;
    struct front_settings settings = {
        .kept = {.positive_ms = options->get_number(options, "cache_positive"),
                 .negative_ms = options->get_number(options, "cache_negative"),
                 .bytes_max = (size_t)options->get_number(options, "cache_bytes")},
        .stale_after_ms = options->get_number(options, "stale_after"),
    };
    struct table *table;
    sluice_status st = tables_get(lookup->tables, instance->name, &table, err);

    if (st != SLUICE_OK)
        return st;
    settings.known = open_known(lookup->role->config, instance);
    if (fronts_add(lookup->fronts, table, &settings) != SLUICE_OK) {
        last_known_close(settings.known);
        return error_set(err, SLUICE_TEMP, "no memory for the table %s", instance->name);
    }
    return SLUICE_OK;
}

/* Those whose home this is. One that cannot be opened now is opened when it is asked. */
static sluice_status open_tables(const struct lookup *lookup, struct error *err)
{
    const struct config *config = lookup->role->config;
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; i < config_instance_count(config) && st == SLUICE_OK; i++) {
        const struct config_instance *instance = config_instance_at(config, i);

        if (strcmp(instance->interface, SLUICE_LOOKUP_ID) == 0 &&
            instance->home == lookup->role->index)
            st = open_table(lookup, instance, err);
    }
    return st;
}

/* When nothing can fail any more: it cannot be taken back at once. */
static void start_upkeep(const struct lookup *lookup)
{
    struct front *front = NULL;

    while ((front = fronts_next(lookup->fronts, front)) != NULL) {
        if (upkeep_start(lookup->upkeep, front) != SLUICE_OK)
            log_warning("%s: no memory to keep it up", table_name(front_table(front)));
    }
}

static sluice_status lookup_start(struct role *role, struct error *err)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role->user = lookup;
    lookup->role = role;
    role_start_metrics();
    lookup->upkeep = upkeep_new(on_table_changed, leave_if_done, lookup);
    if (lookup->upkeep == NULL || fronts_new(leave_if_done, lookup, &lookup->fronts) != SLUICE_OK ||
        tables_new(role->config, &lookup->tables) != SLUICE_OK ||
        (lookup->operators = operators_new(lookup->fronts, &lookup->keepers)) == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for tables");
    table_service_provide(lookup->tables);

    sluice_status st = open_tables(lookup, err);
    if (st == SLUICE_OK)
        start_upkeep(lookup);
    return st;
}

static void lookup_link(struct role *role, const struct message_link *link, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct lookup *lookup = role->user;
    struct asker *asker;
    char name[64];

    if (span_equal(link->role, SPAN_LITERAL("queue"))) {
        operators_link(lookup->operators, fd);
        return;
    }
    asker = calloc(1, sizeof(*asker));
    (void)snprintf(name, sizeof(name), "%.*s %u", SPAN_ARGS(link->role), link->index);
    if (asker == NULL || channel_new(fd, name, &handlers, asker, &asker->channel) != SLUICE_OK) {
        log_error("no memory for a link to %s", name);
        (void)close(fd); /* never used: the other end asks for another one */
        free(asker);
        return;
    }
    asker->lookup = lookup;
    asker->keeper.channel = asker->channel;
    keepers_add(&lookup->keepers, &asker->keeper);
    DL_APPEND(lookup->askers, asker);
    upkeep_repeat(lookup->upkeep, tell, asker);
}

static void lookup_drain(struct role *role)
{
    struct lookup *lookup = role->user;

    lookup->is_draining = true;
    fronts_hurry(lookup->fronts);
    leave_if_done(lookup);
}

static void lookup_stop(struct role *role)
{
    struct lookup *lookup = role->user;
    struct asker *asker;
    struct asker *next;

    if (lookup == NULL)
        return;
    DL_FOREACH_SAFE(lookup->askers, asker, next)
    {
        channel_free(asker->channel);
        free(asker);
    }
    table_service_provide(NULL);
    upkeep_free(lookup->upkeep);
    operators_free(lookup->operators);
    fronts_free(lookup->fronts);
    tables_free(lookup->tables);
    free(lookup);
}

int lookup_main(void)
{
    static const struct role_ops ops = {
        .name = "lookup",
        .is_awaited = true,
        .start = lookup_start,
        .link = lookup_link,
        .drain = lookup_drain,
        .stop = lookup_stop,
    };

    return role_run(&ops);
}
