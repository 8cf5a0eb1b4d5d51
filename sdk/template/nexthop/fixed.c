/* SPDX-License-Identifier: 0BSD */
/*
 * fixed: all mail goes to one host, whatever its destination: a smart host, a test.
 *
 *   nexthop_chain = [ "mx-bypass", "fixed" ];
 *   fixed_address = "192.0.2.1";
 *
 * The template of a nexthop plugin. Its place is transport/, as the deliver role loads it.
 */
#include <sluice/nexthop.h>

#include <stdlib.h>

struct sluice_nexthop {
    char *address;
    uint32_t port;
};

static void close_nexthop(struct sluice_nexthop *nexthop)
{
    if (nexthop == NULL)
        return;
    free(nexthop->address);
    free(nexthop);
}

static sluice_status open_nexthop(const struct sluice_host *host,
                                  const struct sluice_config *config,
                                  const struct sluice_errors *errors,
                                  struct sluice_nexthop **ret_nexthop)
{
    struct sluice_nexthop *nexthop = calloc(1, sizeof(*nexthop));

    (void)host;
    if (nexthop != NULL)
        nexthop->address = strdup(config->get_text(config, "fixed_address"));
    if (nexthop == NULL || nexthop->address == NULL) {
        close_nexthop(nexthop);
        errors->explain(errors, "4.3.0", "fixed: out of memory");
        return SLUICE_TEMP;
    }
    nexthop->port = (uint32_t)config->get_number(config, "fixed_port");
    *ret_nexthop = nexthop;
    return SLUICE_OK;
}

/* Another plugin would say NOT_FOUND for what is not its own, and the host asks the next one. */
static sluice_status resolve(struct sluice_nexthop *nexthop, struct sluice_span destination,
                             int64_t deadline_ms, const struct sluice_nexthop_sink *sink,
                             const struct sluice_errors *errors)
{
    struct sluice_nexthop_host answer = {
        .struct_size = sizeof(answer),
        .port = nexthop->port, /* 0: the transport's own */
        .name = sluice_span_of(nexthop->address),
        .address = sluice_span_of(nexthop->address),
    };

    (void)destination;
    (void)deadline_ms;
    (void)errors;
    sink->host(sink, &answer); /* once for each host, the best first */
    return SLUICE_OK;
}

/* Parameters of the configuration: a link of the chain has no group that could set its options. */
static const struct sluice_option options[] = {
    {"fixed_address", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "127.0.0.1", NULL,
     "Numeric address of the host"},
    {"fixed_port", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL, "0", "0..65535",
     "Its port; 0: the transport's own"},
};

static const struct sluice_nexthop_ops ops = {
    .struct_size = sizeof(ops),
    .open = open_nexthop,
    .close = close_nexthop,
    .resolve = resolve,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_NEXTHOP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/fixed",
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "One host for all destinations",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
