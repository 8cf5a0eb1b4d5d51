/* SPDX-License-Identifier: ISC */
/*
 * resolver: see resolver.h.
 */
#include "resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define TEXT_MAX 600 /* a name twice, and words */

/* ---- init and done --------------------------------------------------------------------------- */

static sluice_status add_own(struct resolver *resolver, const struct sluice_config *config,
                             const char *key, const struct sluice_errors *errors)
{
    size_t count = config->get_count(config, key);

    for (size_t i = 0; i < count; i++) {
        const char *item = config->get_item(config, key, i);
        char text[TEXT_MAX];

        if (address_parse(sluice_span_of(item), &resolver->own[resolver->own_count]) != SLUICE_OK) {
            (void)snprintf(text, sizeof(text), "%s: \"%.200s\" is not a numeric address", key,
                           item);
            errors->explain(errors, "4.3.5", text);
            return SLUICE_CONFIG;
        }
        resolver->own_count++;
    }
    return SLUICE_OK;
}

static sluice_status get_own(struct resolver *resolver, const struct sluice_config *config,
                             const struct sluice_errors *errors)
{
    size_t count =
        config->get_count(config, "own_addresses") + config->get_count(config, "proxy_interfaces");
    sluice_status st;

    resolver->own = calloc(count + 1, sizeof(*resolver->own));
    if (resolver->own == NULL)
        return resolver_out_of_memory(errors);
    st = add_own(resolver, config, "own_addresses", errors);
    if (st == SLUICE_OK)
        st = add_own(resolver, config, "proxy_interfaces", errors);
    return st;
}

static sluice_status get_services(struct resolver *resolver, const struct sluice_config *config,
                                  const struct sluice_errors *errors)
{
    size_t count = config->get_count(config, "known_tcp_ports");

    for (size_t i = 0; i < count; i++) {
        const char *item = config->get_item(config, "known_tcp_ports", i);
        sluice_status st = services_add_known(&resolver->services, item);
        char text[TEXT_MAX];

        if (st == SLUICE_OK)
            continue;
        if (st == SLUICE_TEMP)
            return resolver_out_of_memory(errors);
        (void)snprintf(text, sizeof(text), "known_tcp_ports: \"%.200s\" is not name=port", item);
        errors->explain(errors, "4.3.5", text);
        return SLUICE_CONFIG;
    }
    services_add_system(&resolver->services);
    return SLUICE_OK;
}

static int has_protocol(const struct sluice_config *config, const char *wanted)
{
    size_t count = config->get_count(config, "inet_protocols");

    for (size_t i = 0; i < count; i++) {
        const char *item = config->get_item(config, "inet_protocols", i);

        if (strcmp(item, "all") == 0 || strcmp(item, wanted) == 0)
            return 1;
    }
    return 0;
}

static void get_families(struct resolver *resolver, const struct sluice_config *config)
{
    const char *preference = config->get_text(config, "smtp_address_preference");

    resolver->uses_v4 = has_protocol(config, "ipv4");
    resolver->uses_v6 = has_protocol(config, "ipv6");
    resolver->prefers_v4 = preference != NULL && strcmp(preference, "ipv4") == 0;
    resolver->prefers_v6 = preference != NULL && strcmp(preference, "ipv6") == 0;
}

sluice_status resolver_init(struct resolver *resolver, const struct sluice_host *host,
                            const struct sluice_config *config, const struct sluice_errors *errors)
{
    sluice_status st;

    memset(resolver, 0, sizeof(*resolver));
    resolver->host = host;
    resolver->dns = host->get_service(host, SLUICE_DNS_ID);
    if (resolver->dns == NULL) {
        errors->explain(errors, "4.3.5", "needs the service sluice.dns/1");
        return SLUICE_CONFIG;
    }
    get_families(resolver, config);
    resolver->is_random = config->get_number(config, "smtp_randomize_addresses") != 0;
    resolver->address_limit = (size_t)config->get_number(config, "smtp_mx_address_limit");
    /* Without a seed the order is only less fair; the state must not be 0. */
    if (getrandom(&resolver->random, sizeof(resolver->random), GRND_NONBLOCK) < 0)
        resolver->random = (uintptr_t)resolver;
    resolver->random |= 1;
    st = get_services(resolver, config, errors);
    return st == SLUICE_OK ? get_own(resolver, config, errors) : st;
}

void resolver_done(struct resolver *resolver)
{
    services_done(&resolver->services);
    free(resolver->own);
    resolver->own = NULL;
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct collector {
    struct sluice_dns_sink sink;
    struct sluice_span name;
    struct address_list *list;
};

static void collect(const struct sluice_dns_sink *sink, const struct sluice_dns_record *record)
{
    const struct collector *collector = (const struct collector *)(const void *)sink;
    struct address address;

    if (address_parse(record->target, &address) == SLUICE_OK)
        addresses_add(collector->list, collector->name, &address);
}

/* Where the host explains itself to us. */
struct reason {
    struct sluice_errors errors;
    char *text; /* of RESOLVER_REASON_MAX */
};

static void take_reason(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    const struct reason *reason = (const struct reason *)(const void *)errors;

    (void)dsn; /* ours say what it means for mail */
    (void)snprintf(reason->text, RESOLVER_REASON_MAX, "%s", text);
}

sluice_status resolver_query(const struct resolver *resolver, struct sluice_span name,
                             uint32_t type, int64_t deadline_ms, const struct sluice_dns_sink *sink,
                             char reason[RESOLVER_REASON_MAX])
{
    struct reason taker = {
        .errors = {.struct_size = sizeof(taker.errors), .explain = take_reason},
        .text = reason,
    };

    (void)snprintf(reason, RESOLVER_REASON_MAX, "Host not found"); /* as a host before 1.3 */
    return resolver->dns->query(resolver->host, name, type, deadline_ms, sink, &taker.errors);
}

sluice_status resolver_lookup(struct resolver *resolver, struct sluice_span name,
                              int64_t deadline_ms, struct address_list *list,
                              char reason[RESOLVER_REASON_MAX])
{
    char ignored[RESOLVER_REASON_MAX]; /* that there is no AAAA either */
    struct collector collector = {
        .sink = {.struct_size = sizeof(collector.sink), .record = collect},
        .name = name,
        .list = list,
    };
    struct address numeric;
    sluice_status v4 = SLUICE_NOT_FOUND, v6 = SLUICE_NOT_FOUND;

    if (address_parse(name, &numeric) == SLUICE_OK) {
        (void)snprintf(reason, RESOLVER_REASON_MAX, "not an address of inet_protocols");
        if (!(address_is_v4(&numeric) ? resolver->uses_v4 : resolver->uses_v6))
            return SLUICE_NOT_FOUND;
        addresses_add(list, name, &numeric);
        return SLUICE_OK;
    }
    if (resolver->uses_v4)
        v4 = resolver_query(resolver, name, SLUICE_DNS_A, deadline_ms, &collector.sink, reason);
    if (resolver->uses_v6)
        v6 = resolver_query(resolver, name, SLUICE_DNS_AAAA, deadline_ms, &collector.sink,
                            resolver->uses_v4 ? ignored : reason);
    if (v4 == SLUICE_OK || v6 == SLUICE_OK)
        return SLUICE_OK;
    return v4 == SLUICE_NOT_FOUND && v6 == SLUICE_NOT_FOUND ? SLUICE_NOT_FOUND : SLUICE_TEMP;
}

static int is_own(const struct resolver *resolver, const struct address *address)
{
    if (address_is_unspecified(address)) /* a connection to 0.0.0.0 ends at this machine */
        return 1;
    for (size_t i = 0; i < resolver->own_count; i++) {
        if (address_equals(&resolver->own[i], address))
            return 1;
    }
    return 0;
}

uint32_t resolver_port(const struct destination *destination,
                       const struct sluice_nexthop_sink *sink)
{
    if (destination->port != 0)
        return destination->port;
    return sink->port != 0 ? sink->port : RESOLVER_SMTP_PORT;
}

int resolver_finds_self(const struct resolver *resolver, const struct address_list *list,
                        size_t first, uint32_t port)
{
    /* Other ports are other servers, also on this machine. */
    if (port != RESOLVER_SMTP_PORT)
        return 0;
    for (size_t i = first; i < list->count; i++) {
        if (is_own(resolver, &list->list[i].address))
            return 1;
    }
    return 0;
}

void resolver_last(const struct sluice_nexthop_sink *sink)
{
    if (SLUICE_HAS(struct sluice_nexthop_sink, sink, last)) /* not in a host before 1.3 */
        sink->last(sink);
}

void resolver_mix(struct resolver *resolver, struct address_list *list, size_t first)
{
    if (resolver->is_random)
        addresses_shuffle(list, first, &resolver->random);
    if (resolver->prefers_v4 || resolver->prefers_v6)
        addresses_put_first(list, first, resolver->prefers_v4);
}

sluice_status resolver_answer(const struct resolver *resolver, struct address_list *list,
                              uint32_t port, const struct sluice_nexthop_sink *sink)
{
    addresses_limit(list, resolver->address_limit);
    for (size_t i = 0; i < list->count; i++) {
        struct sluice_nexthop_host host = {.struct_size = sizeof(host), .port = port};
        char text[INET6_ADDRSTRLEN];

        address_format(&list->list[i].address, text);
        host.name = sluice_span_of(list->list[i].name);
        host.address = sluice_span_of(text);
        host.is_backup = list->list[i].is_backup;
        sink->host(sink, &host);
    }
    return SLUICE_OK;
}

static sluice_status answer_host(struct resolver *resolver, const struct destination *destination,
                                 int64_t deadline_ms, struct address_list *list,
                                 const struct sluice_nexthop_sink *sink,
                                 const struct sluice_errors *errors)
{
    char reason[RESOLVER_REASON_MAX];
    sluice_status st =
        resolver_lookup(resolver, sluice_span_of(destination->name), deadline_ms, list, reason);

    if (st == SLUICE_NOT_FOUND)
        return resolver_not_found(resolver, SLUICE_PERM, destination->name, reason, errors);
    if (st != SLUICE_OK || list->count == 0) /* none: records that are no addresses */
        return resolver_unsure(resolver, destination->name, errors);
    if (resolver_finds_self(resolver, list, 0, resolver_port(destination, sink))) {
        resolver_last(sink);
        return resolver_loops(destination->name, errors);
    }
    resolver_mix(resolver, list, 0);
    return resolver_answer(resolver, list, destination->port, sink);
}

sluice_status resolver_resolve_host(struct resolver *resolver,
                                    const struct destination *destination, int64_t deadline_ms,
                                    const struct sluice_nexthop_sink *sink,
                                    const struct sluice_errors *errors)
{
    struct address_list *list = malloc(sizeof(*list)); /* too large for a task's stack */
    sluice_status st;

    if (list == NULL)
        return resolver_out_of_memory(errors);
    list->count = 0;
    st = answer_host(resolver, destination, deadline_ms, list, sink, errors);
    free(list);
    return st;
}

/* ---- refusals -------------------------------------------------------------------------------- */

sluice_status resolver_malformed(struct sluice_span text, const struct sluice_errors *errors)
{
    char line[TEXT_MAX];

    (void)snprintf(line, sizeof(line), "malformed next hop \"%.*s\"",
                   (int)(text.len < DESTINATION_NAME_MAX ? text.len : DESTINATION_NAME_MAX),
                   text.len > 0 ? text.ptr : "");
    errors->explain(errors, "4.3.5", line);
    return SLUICE_TEMP;
}

sluice_status resolver_loops(const char *name, const struct sluice_errors *errors)
{
    char line[TEXT_MAX];

    (void)snprintf(line, sizeof(line), "mail for %s loops back to myself", name);
    errors->explain(errors, "5.4.6", line);
    return SLUICE_PERM;
}

static void explain(const char *dsn, const char *name, const char *type, const char *reason,
                    const struct sluice_errors *errors)
{
    char line[TEXT_MAX];

    (void)snprintf(line, sizeof(line),
                   "Host or domain name not found. Name service error for name=%s type=%s: %s",
                   name, type, reason);
    errors->explain(errors, dsn, line);
}

static const char *address_type(const struct resolver *resolver)
{
    return resolver->uses_v4 ? "A" : "AAAA";
}

sluice_status resolver_not_found(const struct resolver *resolver, sluice_status status,
                                 const char *name, const char *reason,
                                 const struct sluice_errors *errors)
{
    explain(status == SLUICE_PERM ? "5.4.4" : "4.4.4", name, address_type(resolver), reason,
            errors);
    return status;
}

sluice_status resolver_unsure(const struct resolver *resolver, const char *name,
                              const struct sluice_errors *errors)
{
    explain("4.4.3", name, address_type(resolver), "Host not found, try again", errors);
    return SLUICE_TEMP;
}

sluice_status resolver_unsure_of_mx(const char *name, const struct sluice_errors *errors)
{
    explain("4.4.3", name, "MX", "Host not found, try again", errors);
    return SLUICE_TEMP;
}

sluice_status resolver_out_of_memory(const struct sluice_errors *errors)
{
    errors->explain(errors, "4.3.0", "out of memory");
    return SLUICE_TEMP;
}
