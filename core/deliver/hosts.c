/* SPDX-License-Identifier: ISC */
#include "deliver/hosts.h"

#include "base/span.h"
#include "base/text.h"
#include "plugin/instance.h"
#include "sluice/nexthop.h"
#include "task/pool.h"

#include <stdbool.h>
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

static void question_host(const struct sluice_nexthop_sink *sink,
                          const struct sluice_nexthop_host *found)
{
    struct question *question = (struct question *)(uintptr_t)sink;
    struct host host = {.port = found->port};

    if (found->name.len >= sizeof(host.name) || found->address.len >= sizeof(host.address))
        return; /* no such name or address exists */
    text_copy_span(host.name, sizeof(host.name), found->name);
    text_copy_span(host.address, sizeof(host.address), found->address);
    (void)hosts_add(&question->hosts, &host); /* no memory: one host fewer to try */
}

static void question_free(void *arg)
{
    struct question *question = arg;

    hosts_done(&question->hosts);
    free(question->destination);
    free(question);
}

static struct question *question_new(struct instance *instance, struct sluice_span destination,
                                     int64_t deadline_ms)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    question->sink.struct_size = sizeof(question->sink);
    question->sink.host = question_host;
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

/* Asks one link; on OK the hosts found follow those that are there. */
static sluice_status link_resolve(struct instance *instance, struct sluice_span destination,
                                  int64_t deadline_ms, struct hosts *hosts, struct error *err)
{
    struct pool *pool = instance_pool(instance);
    struct question *question = question_new(instance, destination, deadline_ms);
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
    for (size_t i = 0; st == SLUICE_OK && i < question->hosts.count; i++)
        st = hosts_add(hosts, &question->hosts.list[i]);
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
        *err = question->err;
    question_free(question);
    return st;
}

static sluice_status destination_resolve(struct nexthop_chain *chain,
                                         struct sluice_span destination, int64_t deadline_ms,
                                         struct hosts *hosts, struct error *err)
{
    for (size_t i = 0; i < chain->count; i++) {
        sluice_status st = link_resolve(chain->links[i], destination, deadline_ms, hosts, err);

        if (st != SLUICE_NOT_FOUND)
            return st == SLUICE_OK || st == SLUICE_PERM ? st : SLUICE_TEMP;
    }
    return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "no next-hop plugin knows what to do with %.*s",
                         SPAN_ARGS(destination));
}

/* Takes the next destination off a list; false at its end. */
static bool next_destination(struct sluice_span *rest, struct sluice_span *ret_destination)
{
    size_t len = 0;

    while (rest->len > 0 && strchr(", \t\r\n", rest->ptr[0]) != NULL)
        *rest = span_skip(*rest, 1);
    while (len < rest->len && strchr(", \t\r\n", rest->ptr[len]) == NULL)
        len++;
    *ret_destination = span_first(*rest, len);
    *rest = span_skip(*rest, len);
    return len > 0;
}

sluice_status nexthop_resolve(struct nexthop_chain *chain, struct sluice_span nexthop,
                              int64_t deadline_ms, struct hosts *ret_hosts, struct error *err)
{
    struct hosts hosts = HOSTS_INIT;
    struct sluice_span rest = nexthop;
    struct sluice_span destination;
    bool is_temporary = false;
    bool is_empty = true;

    while (next_destination(&rest, &destination)) {
        sluice_status st = destination_resolve(chain, destination, deadline_ms, &hosts, err);

        is_empty = false;
        is_temporary = is_temporary || st == SLUICE_TEMP;
    }
    if (hosts.count > 0) {
        *ret_hosts = hosts;
        return SLUICE_OK;
    }
    hosts_done(&hosts);
    if (is_empty)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "empty next hop");
    return is_temporary ? SLUICE_TEMP : SLUICE_PERM;
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
