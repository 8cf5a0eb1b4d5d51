/* SPDX-License-Identifier: ISC */
/*
 * transport/mx-bypass: next hops that name one host: "[host]", "[host]:port", "[192.0.2.1]",
 * "[ipv6:...]", "inet:host:port", and "unix:/path" for a socket of this machine.
 *
 * They say: this very host, whatever MX records there are. Only its addresses are looked up.
 * Anything else is for the next link of the chain.
 */
#include "resolver.h"

#include <stdlib.h>

#define UNIX_TAG "unix:"

struct sluice_nexthop {
    struct resolver resolver;
};

static const struct sluice_option options[] = {
    RESOLVER_OPTIONS,
};

static void bypass_close(struct sluice_nexthop *nexthop)
{
    if (nexthop == NULL)
        return;
    resolver_done(&nexthop->resolver);
    free(nexthop);
}

static sluice_status bypass_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const struct sluice_errors *errors,
                                 struct sluice_nexthop **ret_nexthop)
{
    struct sluice_nexthop *nexthop = calloc(1, sizeof(*nexthop));
    sluice_status st;

    if (nexthop == NULL)
        return resolver_out_of_memory(errors);
    st = resolver_init(&nexthop->resolver, host, config, errors);
    if (st != SLUICE_OK) {
        bypass_close(nexthop);
        return st;
    }
    *ret_nexthop = nexthop;
    return SLUICE_OK;
}

static int is_local(struct sluice_span destination)
{
    return destination.len > strlen(UNIX_TAG) &&
           memcmp(destination.ptr, UNIX_TAG, strlen(UNIX_TAG)) == 0;
}

static sluice_status answer_local(struct sluice_span destination,
                                  const struct sluice_nexthop_sink *sink,
                                  const struct sluice_errors *errors)
{
    struct sluice_nexthop_host host = {
        .struct_size = sizeof(host),
        .name = sluice_span_of("localhost"),
        .address = {destination.ptr + strlen(UNIX_TAG), destination.len - strlen(UNIX_TAG)},
    };

    if (host.address.ptr[0] != '/')
        return resolver_malformed(destination, errors);
    sink->host(sink, &host);
    return SLUICE_OK;
}

static sluice_status bypass_resolve(struct sluice_nexthop *nexthop, struct sluice_span destination,
                                    int64_t deadline_ms, const struct sluice_nexthop_sink *sink,
                                    const struct sluice_errors *errors)
{
    struct destination parsed;

    if (is_local(destination))
        return answer_local(destination, sink, errors);
    if (!destination_is_host(&destination))
        return SLUICE_NOT_FOUND;
    if (destination_parse(destination, &nexthop->resolver.services, &parsed) != SLUICE_OK)
        return resolver_malformed(destination, errors);
    return resolver_resolve_host(&nexthop->resolver, &parsed, deadline_ms, sink, errors);
}

static const struct sluice_nexthop_ops ops = {
    .struct_size = sizeof(ops),
    .open = bypass_open,
    .close = bypass_close,
    .resolve = bypass_resolve,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_NEXTHOP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/mx-bypass",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Next hops that name one host or socket: no MX lookup",
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
