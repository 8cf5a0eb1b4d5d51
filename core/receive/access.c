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

/* ---- words ----------------------------------------------------------------------------------- */

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

bool access_find(const struct access *access, const char *word, struct access_word *ret_word)
{
    const struct access_source *source;

    LL_FOREACH(access->sources, source)
    {
        const struct sluice_restriction *declared = find_word(source, word);
        if (declared != NULL) {
            *ret_word = (struct access_word){.source = source, .declared = declared};
            return true;
        }
    }
    return false;
}

const char *access_plugin(const struct access_word *word)
{
    return word->source->instance != NULL ? instance_plugin(word->source->instance) : "access";
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct verdict_sink {
    struct sluice_access_sink sdk;
    struct access_verdict *verdict;
};

static void keep_texts(struct access_verdict *to, const char *dsn, const char *text)
{
    text_copy(to->dsn, sizeof(to->dsn), dsn != NULL ? dsn : "");
    text_copy(to->text, sizeof(to->text), text != NULL ? text : "");
}

/* The short form: the text is all that follows the recipient. */
static void take_short(const struct sluice_access_sink *sink, int32_t verdict, int32_t code,
                       const char *dsn, const char *text)
{
    struct access_verdict *to = ((const struct verdict_sink *)sink)->verdict;

    *to = (struct access_verdict){.verdict = verdict, .code = code, .is_bare = true};
    keep_texts(to, dsn, text);
}

static void take(const struct sluice_access_sink *sink, const struct sluice_access_verdict *verdict)
{
    struct access_verdict *to = ((const struct verdict_sink *)sink)->verdict;

    *to = (struct access_verdict){
        .verdict = verdict->verdict, .about = verdict->about, .code = verdict->code};
    keep_texts(to, verdict->dsn, verdict->text);
}

static bool is_refusal(int32_t verdict)
{
    return verdict == SLUICE_VERDICT_REJECT || verdict == SLUICE_VERDICT_DEFER ||
           verdict == SLUICE_VERDICT_DEFER_IF_REJECT || verdict == SLUICE_VERDICT_DEFER_IF_PERMIT;
}

/* The code, its enhanced one and the verdict must say the same: for good or for now. */
static sluice_status check_verdict(struct access_verdict *verdict)
{
    bool is_reject = verdict->verdict == SLUICE_VERDICT_REJECT;

    if (verdict->verdict < SLUICE_VERDICT_NONE || verdict->verdict > SLUICE_VERDICT_PREPEND ||
        verdict->about < SLUICE_ABOUT_LIST || verdict->about > SLUICE_ABOUT_REVERSE_CLIENT)
        return SLUICE_TEMP;
    if (!is_refusal(verdict->verdict))
        return SLUICE_OK;
    if (verdict->code == 0)
        verdict->code = is_reject ? 554 : 450;
    if (verdict->code / 100 != (is_reject ? 5 : 4))
        return SLUICE_TEMP;
    if (verdict->dsn[0] == '\0')
        (void)snprintf(verdict->dsn, sizeof(verdict->dsn), "5.7.1");
    verdict->dsn[0] = is_reject ? '5' : '4';
    if (verdict->text[0] == '\0')
        (void)snprintf(verdict->text, sizeof(verdict->text), "Access denied");
    return SLUICE_OK;
}

static sluice_status ask_here(const struct access_word *word, const char *label,
                              const struct sluice_access_request *request, int64_t deadline_ms,
                              struct access_verdict *verdict, struct error *err)
{
    const struct access_source *source = word->source;
    const struct instance_side *side = deciding_side(source);
    struct verdict_sink sink = {
        .sdk = {.struct_size = sizeof(sink.sdk), .verdict = take_short, .decide = take},
        .verdict = verdict,
    };
    struct instance_call call;
    struct error_sink errors;

    error_sink_init(&errors, err);
    if (source->instance != NULL)
        instance_enter(&call, source->instance, deadline_ms);
    const char *activity = task_set_activity(label);
    sluice_status st = ops_of(side)->decide(side->self, word->declared->name, request, deadline_ms,
                                            &sink.sdk, &errors.sdk);
    (void)task_set_activity(activity);
    if (source->instance != NULL)
        instance_leave(&call, status_known(st));
    if (st == SLUICE_OK)
        st = check_verdict(verdict);
    if (st != SLUICE_OK && err->text[0] == '\0')
        (void)error_set(err, SLUICE_TEMP, "no reason given");
    return st == SLUICE_OK ? SLUICE_OK : SLUICE_TEMP;
}

/* A call on a thread: copies that outlive a caller who gives up. */
struct job {
    struct access_word word;
    char *label;
    struct sluice_access_request request;
    int64_t deadline_ms;
    char *memory; /* of the request's spans */
    struct access_verdict verdict;
    struct error err;
};

static void job_free(void *arg)
{
    struct job *job = arg;

    free(job->label);
    free(job->memory);
    free(job);
}

static sluice_status job_work(void *arg)
{
    struct job *job = arg;

    return ask_here(&job->word, job->label, &job->request, job->deadline_ms, &job->verdict,
                    &job->err);
}

static bool copy_request(struct job *job, const struct sluice_access_request *request)
{
    struct sluice_span *spans[] = {
        &job->request.client_address, &job->request.client_name,  &job->request.helo,
        &job->request.sender,         &job->request.recipient,    &job->request.argument,
        &job->request.reverse_name,
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

static sluice_status ask_on_thread(const struct access_word *word, const char *label,
                                   const struct sluice_access_request *request,
                                   int64_t deadline_ms, struct access_verdict *verdict,
                                   struct error *err)
{
    struct job *job = calloc(1, sizeof(*job));
    sluice_status st;

    if (job == NULL)
        return error_set(err, SLUICE_TEMP, "no memory");
    job->word = *word;
    job->deadline_ms = deadline_ms;
    job->label = span_dup(sluice_span_of(label));
    if (job->label == NULL || !copy_request(job, request)) {
        job_free(job);
        return error_set(err, SLUICE_TEMP, "no memory");
    }
    if (pool_run(word->source->pool, job_work, job_free, job, deadline_ms, &st) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no answer in time");
    *verdict = job->verdict;
    *err = job->err;
    job_free(job);
    return st;
}

const char *access_verdict_name(int32_t verdict)
{
    static const char *const names[] = {
        [SLUICE_VERDICT_NONE] = "none",
        [SLUICE_VERDICT_PERMIT] = "permit",
        [SLUICE_VERDICT_REJECT] = "reject",
        [SLUICE_VERDICT_DEFER] = "defer",
        [SLUICE_VERDICT_DEFER_IF_REJECT] = "defer_if_reject",
        [SLUICE_VERDICT_DEFER_IF_PERMIT] = "defer_if_permit",
        [SLUICE_VERDICT_EVALUATE] = "evaluate",
        [SLUICE_VERDICT_WARN] = "warn",
        [SLUICE_VERDICT_INFO] = "info",
        [SLUICE_VERDICT_HOLD] = "hold",
        [SLUICE_VERDICT_DISCARD] = "discard",
        [SLUICE_VERDICT_REDIRECT] = "redirect",
        [SLUICE_VERDICT_BCC] = "bcc",
        [SLUICE_VERDICT_PREPEND] = "prepend",
    };

    return names[verdict]; /* check_verdict lets no others through */
}

sluice_status access_ask(const struct access_word *word, const char *label,
                         const struct sluice_access_request *request, int64_t deadline_ms,
                         struct access_verdict *ret_verdict, struct error *err)
{
    *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    if (word->source->pool == NULL)
        return ask_here(word, label, request, deadline_ms, ret_verdict, err);
    return ask_on_thread(word, label, request, deadline_ms, ret_verdict, err);
}
