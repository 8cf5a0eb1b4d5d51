/* SPDX-License-Identifier: ISC */
/*
 * access: opening access plugins, and asking them where their mode allows it.
 */
#include "receive/access.h"

#include "base/span.h"
#include "base/text.h"
#include "plugin/instance.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* One open plugin. */
struct access_source {
    struct instance *instance;  /* NULL: came with access_add */
    struct instance_side added; /* then these are its operations */
    struct pool *pool;          /* NULL: asked on the caller's task */
    struct access_source *next;
};

struct access {
    struct access_source *sources;
};

struct access_rule {
    struct access_source *source;
    const char *word; /* the plugin's own, which stays */
    char *label;      /* "access/basic: reject", for the log while it is asked */
    bool refuses;
};

/* ---- opening --------------------------------------------------------------------------------- */

static const struct sluice_access_ops *ops_of(const struct instance_side *side)
{
    return INSTANCE_OPS(side, struct sluice_access_ops);
}

static void close_added(struct access_source *source)
{
    if (source->added.ops != NULL &&
        SLUICE_HAS(struct sluice_access_ops, ops_of(&source->added), close))
        ops_of(&source->added)->close(source->added.self);
}

static void source_free(struct access_source *source)
{
    instance_close(source->instance);
    close_added(source);
    instance_free(source->instance);
    free(source);
}

static sluice_status add_configured(struct access *access, const struct config_instance *configured,
                                    struct error *err)
{
    struct access_source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for %s", configured->name);
    sluice_status st = instance_new(configured, &source->instance, err);
    if (st == SLUICE_OK)
        st = instance_open(source->instance, NULL, err);
    if (st != SLUICE_OK) {
        error_prefix(err, "%s: access %s", configured->origin, configured->name);
        source_free(source);
        return st;
    }
    source->pool = instance_pool(source->instance);
    LL_APPEND(access->sources, source);
    return SLUICE_OK;
}

sluice_status access_new(const struct config *config, struct access **ret_access, struct error *err)
{
    struct access *access = calloc(1, sizeof(*access));
    size_t count = config != NULL ? config_instance_count(config) : 0;

    if (access == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for restrictions");
    for (size_t i = 0; i < count; i++) {
        const struct config_instance *configured = config_instance_at(config, i);
        if (strcmp(configured->interface, SLUICE_ACCESS_ID) != 0)
            continue;
        sluice_status st = add_configured(access, configured, err);
        if (st != SLUICE_OK) {
            access_free(access);
            return st;
        }
    }
    *ret_access = access;
    return SLUICE_OK;
}

void access_free(struct access *access)
{
    struct access_source *source;
    struct access_source *next;

    if (access == NULL)
        return;
    LL_FOREACH_SAFE(access->sources, source, next)
    source_free(source);
    free(access);
}

sluice_status access_add(struct access *access, const struct sluice_access_ops *ops,
                         struct sluice_access *self, struct pool *pool)
{
    struct access_source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return SLUICE_TEMP;
    source->added = (struct instance_side){.ops = ops, .self = self};
    source->pool = pool;
    LL_APPEND(access->sources, source);
    return SLUICE_OK;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static const struct instance_side *deciding_side(const struct access_source *source)
{
    if (source->instance == NULL)
        return &source->added;
    return INSTANCE_SIDE(source->instance, struct sluice_access_ops, decide);
}

/* The side that declares words: a derived plugin may leave that to its base. */
static const struct instance_side *declaring_side(const struct access_source *source)
{
    if (source->instance == NULL)
        return &source->added;
    return INSTANCE_SIDE(source->instance, struct sluice_access_ops, restrictions);
}

static const struct sluice_restriction *find_word(const struct access_source *source,
                                                  const char *word)
{
    const struct instance_side *side = declaring_side(source);

    if (side == NULL)
        return NULL;
    const struct sluice_access_ops *ops = ops_of(side);
    for (uint32_t i = 0; i < ops->restriction_count; i++) {
        const void *at = (const char *)ops->restrictions + (size_t)i * ops->restriction_size;
        const struct sluice_restriction *restriction = at;
        if (strcmp(restriction->name, word) == 0)
            return restriction;
    }
    return NULL;
}

static sluice_status append(struct access_list *list, const struct access_rule *rule,
                            struct error *err)
{
    struct access_rule *more = realloc(list->rules, (list->count + 1) * sizeof(*more));

    if (more == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for restrictions");
    list->rules = more;
    list->rules[list->count++] = *rule;
    return SLUICE_OK;
}

static sluice_status make_label(struct access_rule *rule, struct error *err)
{
    const struct instance *instance = rule->source->instance;

    if (asprintf(&rule->label, "%s: %s", instance != NULL ? instance_plugin(instance) : "access",
                 rule->word) != -1)
        return SLUICE_OK;
    return error_set(err, SLUICE_TEMP, "no memory for restrictions");
}

sluice_status access_list_add(struct access_list *list, struct access *access, const char *word,
                              struct error *err)
{
    struct access_source *source;

    LL_FOREACH(access->sources, source)
    {
        const struct sluice_restriction *restriction = find_word(source, word);
        if (restriction == NULL)
            continue;
        struct access_rule rule = {
            .source = source,
            .word = restriction->name,
            .refuses = (restriction->flags & SLUICE_RESTRICTION_REFUSES) != 0,
        };
        if (make_label(&rule, err) != SLUICE_OK)
            return SLUICE_TEMP;
        sluice_status st = append(list, &rule, err);
        if (st != SLUICE_OK)
            free(rule.label);
        return st;
    }
    return error_set(err, SLUICE_CONFIG, "no plugin knows the restriction \"%s\"", word);
}

sluice_status access_list_read(struct access_list *list, struct access *access,
                               const struct config *config, const char *parameter,
                               struct error *err)
{
    size_t count = config_count(config, parameter);

    for (size_t i = 0; i < count; i++) {
        sluice_status st = access_list_add(list, access, config_item(config, parameter, i), err);
        if (st != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(config, parameter), parameter);
            return st;
        }
    }
    return SLUICE_OK;
}

void access_list_done(struct access_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rules[i].label);
    free(list->rules);
    *list = (struct access_list){0};
}

bool access_list_refuses(const struct access_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->rules[i].refuses)
            return true;
    }
    return false;
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct verdict_sink {
    struct sluice_access_sink sdk;
    struct access_verdict *verdict;
};

static void take_verdict(const struct sluice_access_sink *sink, int32_t verdict, int32_t code,
                         const char *dsn, const char *text)
{
    struct access_verdict *to = ((const struct verdict_sink *)sink)->verdict;

    to->verdict = verdict;
    to->code = code;
    text_copy(to->dsn, sizeof(to->dsn), dsn != NULL ? dsn : "");
    text_copy(to->text, sizeof(to->text), text != NULL ? text : "");
}

/* The code, its enhanced one and the verdict must say the same: for good or for now. */
static sluice_status check_verdict(struct access_verdict *verdict)
{
    bool is_reject = verdict->verdict == SLUICE_VERDICT_REJECT;

    if (verdict->verdict == SLUICE_VERDICT_NONE || verdict->verdict == SLUICE_VERDICT_PERMIT)
        return SLUICE_OK;
    if (!is_reject && verdict->verdict != SLUICE_VERDICT_DEFER)
        return SLUICE_TEMP;
    if (verdict->code == 0)
        verdict->code = is_reject ? 554 : 450;
    if (verdict->code / 100 != (is_reject ? 5 : 4))
        return SLUICE_TEMP;
    if (verdict->dsn[0] != (is_reject ? '5' : '4'))
        (void)snprintf(verdict->dsn, sizeof(verdict->dsn), "%c.7.1", is_reject ? '5' : '4');
    if (verdict->text[0] == '\0')
        (void)snprintf(verdict->text, sizeof(verdict->text), "Access denied");
    return SLUICE_OK;
}

static sluice_status decide_here(const struct access_rule *rule,
                                 const struct sluice_access_request *request, int64_t deadline_ms,
                                 struct access_verdict *verdict, struct error *err)
{
    const struct instance_side *side = deciding_side(rule->source);
    struct verdict_sink sink = {
        .sdk = {.struct_size = sizeof(sink.sdk), .verdict = take_verdict},
        .verdict = verdict,
    };
    struct instance_call call;
    struct error_sink errors;

    error_sink_init(&errors, err);
    if (rule->source->instance != NULL)
        instance_enter(&call, rule->source->instance, deadline_ms);
    const char *activity = task_set_activity(rule->label);
    sluice_status st =
        ops_of(side)->decide(side->self, rule->word, request, deadline_ms, &sink.sdk, &errors.sdk);
    (void)task_set_activity(activity);
    if (rule->source->instance != NULL)
        instance_leave(&call, status_known(st));
    if (st == SLUICE_OK)
        st = check_verdict(verdict);
    if (st != SLUICE_OK && err->text[0] == '\0')
        (void)error_set(err, SLUICE_TEMP, "no reason given");
    return st == SLUICE_OK ? SLUICE_OK : SLUICE_TEMP;
}

/* A call on a thread: copies that outlive a caller who gives up. */
struct job {
    const struct access_rule *rule;
    struct sluice_access_request request;
    int64_t deadline_ms;
    char *memory; /* of the request's spans */
    struct access_verdict verdict;
    struct error err;
};

static void job_free(void *arg)
{
    struct job *job = arg;

    free(job->memory);
    free(job);
}

static sluice_status job_work(void *arg)
{
    struct job *job = arg;

    return decide_here(job->rule, &job->request, job->deadline_ms, &job->verdict, &job->err);
}

static bool copy_request(struct job *job, const struct sluice_access_request *request)
{
    struct sluice_span *spans[] = {
        &job->request.client_address, &job->request.client_name, &job->request.helo,
        &job->request.sender,         &job->request.recipient,
    };
    size_t count = sizeof(spans) / sizeof(spans[0]);
    size_t len = 0;

    job->request = *request;
    for (size_t i = 0; i < count; i++)
        len += spans[i]->len;
    job->memory = malloc(len + 1);
    if (job->memory == NULL)
        return false;
    char *at = job->memory;
    for (size_t i = 0; i < count; i++) {
        if (spans[i]->len > 0)
            memcpy(at, spans[i]->ptr, spans[i]->len);
        spans[i]->ptr = at;
        at += spans[i]->len;
    }
    return true;
}

static sluice_status decide_on_thread(const struct access_rule *rule,
                                      const struct sluice_access_request *request,
                                      int64_t deadline_ms, struct access_verdict *verdict,
                                      struct error *err)
{
    struct job *job = calloc(1, sizeof(*job));
    sluice_status st;

    if (job == NULL || !copy_request(job, request)) {
        free(job);
        return error_set(err, SLUICE_TEMP, "no memory");
    }
    job->rule = rule;
    job->deadline_ms = deadline_ms;
    if (pool_run(rule->source->pool, job_work, job_free, job, deadline_ms, &st) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no answer in time");
    *verdict = job->verdict;
    *err = job->err;
    job_free(job);
    return st;
}

sluice_status access_list_decide(const struct access_list *list,
                                 const struct sluice_access_request *request, int64_t deadline_ms,
                                 struct access_verdict *ret_verdict, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct access_rule *rule = &list->rules[i];
        struct access_verdict verdict = {.verdict = SLUICE_VERDICT_NONE};
        sluice_status st = rule->source->pool == NULL
                               ? decide_here(rule, request, deadline_ms, &verdict, err)
                               : decide_on_thread(rule, request, deadline_ms, &verdict, err);
        if (st != SLUICE_OK) {
            error_prefix(err, "%s", rule->word);
            return st;
        }
        if (verdict.verdict != SLUICE_VERDICT_NONE) {
            *ret_verdict = verdict;
            return SLUICE_OK;
        }
    }
    *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    return SLUICE_OK;
}
