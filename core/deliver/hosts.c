/* SPDX-License-Identifier: ISC */
#include "deliver/hosts.h"

#include "base/span.h"
#include "base/text.h"
#include "plugin/instance.h"
#include "sluice/nexthop.h"
#include "task/pool.h"

#include <stdlib.h>

struct nexthop_chain {
    struct instance **links;
    size_t count;
};

/*
 * One question to one link. On the heap with copies of its inputs: a link that may block is asked
 * on a thread, which may still be at it when the caller has given up.
 */
struct question {
    struct sluice_nexthop_sink sink; /* first: the plugin hands it back to us */
    struct instance *instance;
    char *destination;
    int64_t deadline_ms;
    struct hosts hosts;
    struct error err;
};

void hosts_done(struct hosts *hosts)
{
    free(hosts->list);
    *hosts = (struct hosts)HOSTS_INIT;
}

static sluice_status hosts_add(struct hosts *hosts, const struct host *host)
{
    struct host *list;

    if (hosts->count >= HOSTS_MAX)
        return SLUICE_OK;
    list = realloc(hosts->list, (hosts->count + 1) * sizeof(*list));
    if (list == NULL)
        return SLUICE_TEMP;
    list[hosts->count++] = *host;
    hosts->list = list;
    return SLUICE_OK;
}

/* A plugin built before 1.3 does not say. */
static bool is_backup(const struct sluice_nexthop_host *found)
{
    return found->struct_size >=
               offsetof(struct sluice_nexthop_host, is_backup) + sizeof(found->is_backup) &&
           found->is_backup != 0;
}

static void question_host(const struct sluice_nexthop_sink *sink,
                          const struct sluice_nexthop_host *found)
{
    struct question *question = (struct question *)(uintptr_t)sink;
    struct host host = {.port = found->port, .is_backup = is_backup(found)};

    if (found->name.len >= sizeof(host.name) || found->address.len >= sizeof(host.address))
        return; /* no such name or address exists */
    text_copy_span(host.name, sizeof(host.name), found->name);
    text_copy_span(host.address, sizeof(host.address), found->address);
    (void)hosts_add(&question->hosts, &host); /* no memory: one host fewer to try */
}

static void question_last(const struct sluice_nexthop_sink *sink)
{
    struct question *question = (struct question *)(uintptr_t)sink;

    question->hosts.are_last = true;
}

static void question_free(void *arg)
{
    struct question *question = arg;

    hosts_done(&question->hosts);
    free(question->destination);
    free(question);
}

static struct question *question_new(struct instance *instance, struct sluice_span destination,
                                     unsigned port, int64_t deadline_ms)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    question->sink = (struct sluice_nexthop_sink){.struct_size = sizeof(question->sink),
                                                  .port = port,
                                                  .host = question_host,
                                                  .last = question_last};
    question->instance = instance;
    question->deadline_ms = deadline_ms;
    question->destination = span_dup(destination);
    if (question->destination == NULL) {
        question_free(question);
        return NULL;
    }
    return question;
}

static sluice_status question_ask(void *arg)
{
    struct question *question = arg;
    const struct instance_side *side =
        INSTANCE_SIDE(question->instance, struct sluice_nexthop_ops, resolve);
    struct instance_call call;
    struct error_sink errors;
    sluice_status st;

    error_sink_init(&errors, &question->err);
    instance_enter(&call, question->instance, question->deadline_ms);
    st = status_known(INSTANCE_OPS(side, struct sluice_nexthop_ops)
                          ->resolve(side->self, sluice_span_of(question->destination),
                                    question->deadline_ms, &question->sink, &errors.sdk));
    instance_leave(&call, st);
    if (st == SLUICE_OK && question->hosts.count == 0)
        return error_set_dsn(&question->err, SLUICE_TEMP, "4.3.5", "%s: no host for %s",
                             instance_name(question->instance), question->destination);
    return st;
}

/* Asks one link. */
static sluice_status link_resolve(struct instance *instance, struct sluice_span destination,
                                  unsigned port, int64_t deadline_ms, struct hosts *ret_hosts,
                                  struct error *err)
{
    struct pool *pool = instance_pool(instance);
    struct question *question = question_new(instance, destination, port, deadline_ms);
    sluice_status st;

    if (question == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    if (pool == NULL) {
        st = question_ask(question);
    } else if (pool_run(pool, question_ask, question_free, question, deadline_ms, &st) !=
               SLUICE_OK) {
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "%s: no answer for %.*s in time",
                             instance_name(instance), SPAN_ARGS(destination));
    }
    if (st == SLUICE_NOT_FOUND) {
        question_free(question);
        return st;
    }
    if (st != SLUICE_OK) {
        *err = question->err;
        st = st == SLUICE_PERM ? SLUICE_PERM : SLUICE_TEMP;
    }
    *ret_hosts = question->hosts;
    question->hosts = (struct hosts)HOSTS_INIT;
    question_free(question);
    return st;
}

sluice_status nexthop_resolve(struct nexthop_chain *chain, struct sluice_span destination,
                              unsigned port, int64_t deadline_ms, struct hosts *ret_hosts,
                              struct error *err)
{
    *ret_hosts = (struct hosts)HOSTS_INIT;
    for (size_t i = 0; i < chain->count; i++) {
        sluice_status st =
            link_resolve(chain->links[i], destination, port, deadline_ms, ret_hosts, err);

        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "no next-hop plugin knows what to do with %.*s",
                         SPAN_ARGS(destination));
}

static sluice_status link_open(const struct config *config, const char *name,
                               struct instance **ret_link, struct error *err)
{
    const struct config_instance *configured =
        config_instance_find(config, SLUICE_NEXTHOP_ID, name);
    struct instance *link;
    sluice_status st;

    if (configured == NULL)
        return error_set(err, SLUICE_CONFIG, "nexthop_chain: %s is not configured", name);
    st = instance_new(configured, &link, err);
    if (st != SLUICE_OK)
        return st;
    st = instance_open(link, NULL, err);
    if (st != SLUICE_OK) {
        instance_free(link);
        return st;
    }
    *ret_link = link;
    return SLUICE_OK;
}

sluice_status nexthop_chain_open(const struct config *config, struct nexthop_chain **ret_chain,
                                 struct error *err)
{
    size_t count = config_count(config, "nexthop_chain");
    struct nexthop_chain *chain = calloc(1, sizeof(*chain));
    sluice_status st = SLUICE_OK;

    if (chain == NULL || (chain->links = calloc(count + 1, sizeof(*chain->links))) == NULL) {
        free(chain);
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    while (st == SLUICE_OK && chain->count < count) {
        st = link_open(config, config_item(config, "nexthop_chain", chain->count),
                       &chain->links[chain->count], err);
        if (st == SLUICE_OK)
            chain->count++;
    }
    if (st != SLUICE_OK) {
        nexthop_chain_close(chain);
        return st;
    }
    *ret_chain = chain;
    return SLUICE_OK;
}

void nexthop_chain_close(struct nexthop_chain *chain)
{
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->count; i++) {
        instance_close(chain->links[i]);
        instance_free(chain->links[i]);
    }
    free(chain->links);
    free(chain);
}
