/* SPDX-License-Identifier: ISC */
/*
 * transport/mx: next hops that are domains: "customer.tld", "customer.tld:2525".
 *
 * The hosts are those of the domain's MX records in order of preference (RFC 5321 5.1), or the
 * domain itself where it has none. If we are one of them, only better ones are given: otherwise a
 * backup would send mail to itself, or in circles among its equals.
 */
#include "resolver.h"

#include <stdio.h>
#include <stdlib.h>

#define MX_MAX 50 /* records of a domain that are looked at */
#define WARNING_MAX 400

struct sluice_nexthop {
    struct resolver resolver;
    const struct sluice_log *log; /* NULL: none */
    int ignores_mx_errors;
    int defers_without_address;
};

static const struct sluice_option options[] = {
    RESOLVER_OPTIONS,
    {"ignore_mx_lookup_error", SLUICE_OPT_BOOLEAN, SLUICE_OPT_GLOBAL, "false", NULL,
     "Use the domain's address records when the MX lookup fails for now"},
    {"smtp_defer_if_no_mx_address_found", SLUICE_OPT_BOOLEAN, SLUICE_OPT_GLOBAL, "false", NULL,
     "Take a domain whose MX hosts have no address as a temporary failure"},
};

/* ---- open and close -------------------------------------------------------------------------- */

static void mx_close(struct sluice_nexthop *nexthop)
{
    if (nexthop == NULL)
        return;
    resolver_done(&nexthop->resolver);
    free(nexthop);
}

static sluice_status mx_open(const struct sluice_host *host, const struct sluice_config *config,
                             const struct sluice_errors *errors,
                             struct sluice_nexthop **ret_nexthop)
{
    struct sluice_nexthop *nexthop = calloc(1, sizeof(*nexthop));
    sluice_status st;

    if (nexthop == NULL)
        return resolver_out_of_memory(errors);
    nexthop->log = host->get_service(host, SLUICE_LOG_ID);
    nexthop->ignores_mx_errors = config->get_number(config, "ignore_mx_lookup_error") != 0;
    nexthop->defers_without_address =
        config->get_number(config, "smtp_defer_if_no_mx_address_found") != 0;
    st = resolver_init(&nexthop->resolver, host, config, errors);
    if (st != SLUICE_OK) {
        mx_close(nexthop);
        return st;
    }
    *ret_nexthop = nexthop;
    return SLUICE_OK;
}

/* ---- MX records ------------------------------------------------------------------------------ */

struct mx_record {
    uint32_t preference;
    char name[DESTINATION_NAME_MAX + 1]; /* empty: the root, or not usable */
};

/* One resolution; on the heap, since a task's stack is small. */
struct search {
    const struct destination *destination;
    int64_t deadline_ms;
    size_t mx_count;
    struct mx_record mx[MX_MAX];
    struct address_list addresses;
    uint32_t port;
    int is_self_found;
    int has_failed;         /* some host's lookup, for now */
    const char *unresolved; /* the last host without address; NULL: all have one, or no name */
    char reason[RESOLVER_REASON_MAX]; /* why it has none */
    int is_address_found;
    uint32_t best_preference; /* of the hosts that have addresses, if is_address_found */
};

struct mx_collector {
    struct sluice_dns_sink sink;
    struct search *search;
};

/* Where a record of that preference goes: behind those that are as good. */
static size_t mx_position(const struct search *search, uint32_t preference)
{
    size_t i = search->mx_count;

    while (i > 0 && search->mx[i - 1].preference > preference)
        i--;
    return i;
}

/* Keeps the records sorted, and of too many the best. */
static void collect_mx(const struct sluice_dns_sink *sink, const struct sluice_dns_record *record)
{
    struct search *search = ((const struct mx_collector *)(const void *)sink)->search;
    size_t at = mx_position(search, record->preference);
    struct mx_record *mx = &search->mx[at];

    if (at == MX_MAX)
        return;
    if (search->mx_count == MX_MAX)
        search->mx_count--;
    memmove(mx + 1, mx, (search->mx_count - at) * sizeof(*mx));
    search->mx_count++;
    mx->preference = record->preference;
    mx->name[0] = '\0';
    if (record->target.len > 0 && record->target.len <= DESTINATION_NAME_MAX) {
        memcpy(mx->name, record->target.ptr, record->target.len);
        mx->name[record->target.len] = '\0';
    }
}

static sluice_status lookup_mx(const struct sluice_nexthop *nexthop, struct search *search)
{
    struct mx_collector collector = {
        .sink = {.struct_size = sizeof(collector.sink), .record = collect_mx},
        .search = search,
    };
    sluice_status st =
        resolver_query(&nexthop->resolver, sluice_span_of(search->destination->name), SLUICE_DNS_MX,
                       search->deadline_ms, &collector.sink, search->reason);

    return st == SLUICE_OK && search->mx_count == 0 ? SLUICE_TEMP : st;
}

/* RFC 7505: one record, preference 0, the root. Among others a root is just a host without address. */
static int is_null_mx(const struct search *search)
{
    return search->mx_count == 1 && search->mx[0].preference == 0 && search->mx[0].name[0] == '\0';
}

/* ---- the hosts' addresses -------------------------------------------------------------------- */

/* The addresses of one host, if it has any. */
static void add_host(struct sluice_nexthop *nexthop, struct search *search,
                     const struct mx_record *mx)
{
    char reason[RESOLVER_REASON_MAX];
    sluice_status st;

    if (mx->name[0] == '\0')
        return;
    st = resolver_lookup(&nexthop->resolver, sluice_span_of(mx->name), search->deadline_ms,
                         &search->addresses, reason);
    if (st == SLUICE_OK || (search->has_failed && st == SLUICE_NOT_FOUND))
        return;
    search->unresolved = mx->name;
    memcpy(search->reason, reason, sizeof(reason));
    search->has_failed = st != SLUICE_NOT_FOUND;
}

/* The hosts of one preference, from the index first on: the index behind them. */
static size_t add_group(struct sluice_nexthop *nexthop, struct search *search, size_t first)
{
    struct address_list *addresses = &search->addresses;
    size_t known = addresses->count, i = first;

    for (; i < search->mx_count && search->mx[i].preference == search->mx[first].preference; i++)
        add_host(nexthop, search, &search->mx[i]);
    if (addresses->count > known && !search->is_address_found) {
        search->is_address_found = 1;
        search->best_preference = search->mx[first].preference;
    }
    for (size_t j = known; j < addresses->count; j++)
        addresses->list[j].is_backup = search->mx[first].preference != search->mx[0].preference;
    if (resolver_finds_self(&nexthop->resolver, addresses, known, search->port)) {
        search->is_self_found = 1;
        addresses->count = known;
    }
    resolver_mix(&nexthop->resolver, addresses, known);
    return i;
}

static void warn(const struct sluice_nexthop *nexthop, const char *domain)
{
    char line[WARNING_MAX];

    if (nexthop->log == NULL)
        return;
    (void)snprintf(line, sizeof(line), "no MX host for %s has a valid address record", domain);
    nexthop->log->write(nexthop->resolver.host, SLUICE_LOG_WARNING, line);
}

/* Why there is nobody to send to. */
static sluice_status refuse(const struct sluice_nexthop *nexthop, const struct search *search,
                            const struct sluice_errors *errors)
{
    const char *domain = search->destination->name;
    const char *host = search->unresolved != NULL ? search->unresolved : domain;
    char line[WARNING_MAX];

    if (search->is_self_found && search->best_preference == search->mx[0].preference)
        return resolver_loops(domain, errors);
    if (search->is_self_found) {
        /* There is somebody better than us, and the DNS does not tell where. */
        (void)snprintf(line, sizeof(line), "unable to find primary relay for %s", domain);
        errors->explain(errors, "4.4.4", line);
        return SLUICE_TEMP;
    }
    warn(nexthop, domain);
    if (search->has_failed)
        return resolver_unsure(&nexthop->resolver, host, errors);
    return resolver_not_found(&nexthop->resolver,
                              nexthop->defers_without_address ? SLUICE_TEMP : SLUICE_PERM, host,
                              search->reason, errors);
}

static sluice_status answer_mx(struct sluice_nexthop *nexthop, struct search *search,
                               const struct sluice_nexthop_sink *sink,
                               const struct sluice_errors *errors)
{
    for (size_t i = 0; i < search->mx_count && !search->is_self_found;)
        i = add_group(nexthop, search, i);
    if (search->is_self_found)
        resolver_last(sink); /* who is no mail exchanger of the domain would send it back to us */
    if (search->addresses.count == 0)
        return refuse(nexthop, search, errors);
    return resolver_answer(&nexthop->resolver, &search->addresses, search->destination->port, sink);
}

/* ---- resolve --------------------------------------------------------------------------------- */

static sluice_status answer_domain(struct sluice_nexthop *nexthop, struct search *search,
                                   const struct sluice_nexthop_sink *sink,
                                   const struct sluice_errors *errors)
{
    const char *domain = search->destination->name;
    sluice_status st = lookup_mx(nexthop, search);
    char line[WARNING_MAX];

    if (st == SLUICE_NOT_FOUND || (st != SLUICE_OK && nexthop->ignores_mx_errors))
        return resolver_resolve_host(&nexthop->resolver, search->destination, search->deadline_ms,
                                     sink, errors);
    if (st != SLUICE_OK)
        return resolver_unsure_of_mx(domain, errors);
    if (is_null_mx(search)) {
        resolver_last(sink);
        (void)snprintf(line, sizeof(line), "Domain %s does not accept mail (nullMX)", domain);
        errors->explain(errors, "5.1.0", line);
        return SLUICE_PERM;
    }
    return answer_mx(nexthop, search, sink, errors);
}

static sluice_status mx_resolve(struct sluice_nexthop *nexthop, struct sluice_span destination,
                                int64_t deadline_ms, const struct sluice_nexthop_sink *sink,
                                const struct sluice_errors *errors)
{
    struct destination parsed;
    struct search *search;
    sluice_status st;

    if (destination_is_host(&destination))
        return SLUICE_NOT_FOUND;
    if (destination_parse(destination, &nexthop->resolver.services, &parsed) != SLUICE_OK)
        return resolver_malformed(destination, errors);
    if (parsed.is_numeric)
        return resolver_resolve_host(&nexthop->resolver, &parsed, deadline_ms, sink, errors);
    search = calloc(1, sizeof(*search));
    if (search == NULL)
        return resolver_out_of_memory(errors);
    search->destination = &parsed;
    search->deadline_ms = deadline_ms;
    search->port = resolver_port(&parsed, sink);
    st = answer_domain(nexthop, search, sink, errors);
    free(search);
    return st;
}

static const struct sluice_nexthop_ops ops = {
    .struct_size = sizeof(ops),
    .open = mx_open,
    .close = mx_close,
    .resolve = mx_resolve,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_NEXTHOP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/mx",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Next hops that are domains: their MX hosts",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
