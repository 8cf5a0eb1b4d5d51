/* SPDX-License-Identifier: ISC */
/*
 * hostile: a transport, a lookup or an access plugin, as KIND says, that does harm when it is asked to:
 * by an address or a key that begins with the name of an act, or by the transport's option "act" on
 * each message. Built by the tests, for MODE and under NAME.
 *
 *   segv  writes to nowhere      deep  has no end to its recursion     abort  gives up
 *   loop  never returns          wait  waits for what never comes      leave  ends the process
 *
 * A lookup plugin also
 *
 *   eat   keeps 64 MB more       take  keeps 100 descriptors more      fork  leaves a process behind
 *   wear  crashes at the tenth   see-  says whether it can read the file that is named next
 *   dice  has a number at random for a value
 *   ever  has what the hash table that is named next has for u@good.tld, and waits for that without end
 */
#define _GNU_SOURCE
#include <sluice/access.h>
#include <sluice/lookup.h>
#include <sluice/transport.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EATEN ((size_t)64 * 1024 * 1024)

static volatile int endless = 1;

static int deep(int depth)
{
    volatile char frame[4096];

    frame[0] = (char)depth;
    return endless == 0 ? 0 : deep(depth + 1) + frame[0];
}

static void wait_for_nothing(const struct sluice_host *host)
{
    const struct sluice_io *io = host->get_service(host, SLUICE_IO_ID);

    if (MODE == SLUICE_MODE_TASK)
        (void)io->sleep(host, INT64_MAX);
    while (MODE == SLUICE_MODE_SERIAL && endless != 0)
        (void)sleep(1);
}

static int begins(struct sluice_span text, const char *act)
{
    size_t len = strlen(act);

    return text.len >= len && memcmp(text.ptr, act, len) == 0;
}

static void act(const struct sluice_host *host, struct sluice_span text)
{
    if (begins(text, "segv"))
        *(volatile int *)NULL = 1;
    if (begins(text, "deep"))
        (void)deep(0);
    if (begins(text, "abort"))
        abort();
    while (begins(text, "loop") && endless != 0)
        continue;
    if (begins(text, "wait"))
        wait_for_nothing(host);
    if (begins(text, "leave"))
        _exit(3);
}

/* ---- transport ------------------------------------------------------------------------------- */

struct sluice_transport {
    const struct sluice_host *host;
    int64_t delay_ms; /* of good deliveries */
    char act[16];
};

static sluice_status open_transport(const struct sluice_host *host,
                                    const struct sluice_config *config,
                                    const struct sluice_errors *errors,
                                    struct sluice_transport **ret_transport)
{
    struct sluice_transport *transport = calloc(1, sizeof(*transport));

    (void)errors;
    if (transport == NULL)
        return SLUICE_TEMP;
    transport->host = host;
    transport->delay_ms = config->get_number(config, "delay");
    (void)snprintf(transport->act, sizeof(transport->act), "%s", config->get_text(config, "act"));
    *ret_transport = transport;
    return SLUICE_OK;
}

static void close_transport(struct sluice_transport *transport)
{
    free(transport);
}

static void take_time(const struct sluice_transport *transport)
{
    const struct sluice_host *host = transport->host;
    const struct sluice_io *io = host->get_service(host, SLUICE_IO_ID);
    const struct sluice_clock *clock = host->get_service(host, SLUICE_CLOCK_ID);

    if (transport->delay_ms > 0 && MODE == SLUICE_MODE_TASK)
        (void)io->sleep(host, clock->monotonic_ms(host) + transport->delay_ms);
}

static int32_t deliver(struct sluice_transport *transport, struct sluice_connection *connection,
                       const struct sluice_message *message,
                       const struct sluice_recipient *recipients, size_t count,
                       size_t recipient_size, int64_t deadline_ms,
                       const struct sluice_report *report)
{
    (void)connection;
    (void)message;
    (void)count;
    (void)recipient_size;
    (void)deadline_ms;
    take_time(transport);
    act(transport->host, sluice_span_of(transport->act));
    act(transport->host, recipients[0].address);
    report->remaining(report, SLUICE_OK, "2.0.0", "taken by nobody");
    return SLUICE_FATE_FINISHED;
}

static const struct sluice_transport_ops transport_ops = {
    .struct_size = sizeof(transport_ops),
    .open = open_transport,
    .close = close_transport,
    .deliver = deliver,
};

static const struct sluice_option transport_options[] = {
    {"delay", SLUICE_OPT_DURATION, 0, "0s", NULL, "How long a good delivery takes"},
    {"act", SLUICE_OPT_STRING, 0, "", NULL, "What is done on each message"},
};

/* ---- lookup ---------------------------------------------------------------------------------- */

struct sluice_lookup {
    const struct sluice_host *host;
};

static sluice_status open_lookup(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));

    (void)config;
    (void)name;
    (void)errors;
    if (lookup == NULL)
        return SLUICE_TEMP;
    lookup->host = host;
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static void close_lookup(struct sluice_lookup *lookup)
{
    free(lookup);
}

static void eat(void)
{
    void *eaten = mmap(NULL, EATEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (eaten != MAP_FAILED)
        memset(eaten, 1, EATEN);
}

static void leave_process(void)
{
    if (fork() != 0)
        return;
    while (endless != 0)
        (void)pause();
}

/* "see-/etc/passwd@domain" */
static const char *see(struct sluice_span key)
{
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%.*s", (int)key.len - 4, key.ptr + 4);
    path[strcspn(path, "@")] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return strerror(errno);
    (void)close(fd);
    return "seen";
}

static const char *throw_dice(void)
{
    static char number[24];

    (void)snprintf(number, sizeof(number), "%ld", random());
    return number;
}

static void keep_value(void *user, struct sluice_span value)
{
    (void)snprintf(user, 64, "%.*s", (int)value.len, value.ptr);
}

static const char *ask_for_ever(struct sluice_lookup *lookup, struct sluice_span key,
                                const struct sluice_errors *errors)
{
    const struct sluice_tables *tables = lookup->host->get_service(lookup->host, SLUICE_TABLES_ID);
    static char value[64];
    char table[256];

    (void)snprintf(table, sizeof(table), "hash:%.*s", (int)key.len - 4, key.ptr + 4);
    table[strcspn(table, "@")] = '\0';
    (void)snprintf(value, sizeof(value), "nothing");
    (void)tables->find(lookup->host, table, sluice_span_of("u@good.tld"), INT64_MAX, value, keep_value,
                       errors);
    return value;
}

static const char *misuse(struct sluice_lookup *lookup, struct sluice_span key,
                          const struct sluice_errors *errors)
{
    static int wear = 0;

    if (begins(key, "ever"))
        return ask_for_ever(lookup, key, errors);
    if (begins(key, "dice"))
        return throw_dice();
    if (begins(key, "see-"))
        return see(key);
    if (begins(key, "eat"))
        eat();
    for (int i = 0; begins(key, "take") && i < 100; i++)
        (void)dup(0);
    if (begins(key, "fork"))
        leave_process();
    if (begins(key, "wear") && ++wear == 10)
        *(volatile int *)NULL = 1;
    return "OK";
}

static sluice_status find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                          const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    (void)deadline_ms;
    act(lookup->host, key);
    sink->value(sink, sluice_span_of(misuse(lookup, key, errors)));
    return SLUICE_OK;
}

static const struct sluice_option other_options[] = {
    {"secret", SLUICE_OPT_STRING, SLUICE_OPT_SECRET, "", NULL, "Nobody else's business"},
};

static const struct sluice_lookup_ops lookup_ops = {
    .struct_size = sizeof(lookup_ops),
    .open = open_lookup,
    .close = close_lookup,
    .find = find,
};

/* ---- access ---------------------------------------------------------------------------------- */

struct sluice_access {
    const struct sluice_host *host;
};

static sluice_status open_access(const struct sluice_host *host, const struct sluice_config *config,
                                 const struct sluice_errors *errors,
                                 struct sluice_access **ret_access)
{
    struct sluice_access *access = calloc(1, sizeof(*access));

    (void)config;
    (void)errors;
    if (access == NULL)
        return SLUICE_TEMP;
    access->host = host;
    *ret_access = access;
    return SLUICE_OK;
}

static void close_access(struct sluice_access *access)
{
    free(access);
}

static sluice_status decide(struct sluice_access *access, const char *restriction,
                            const struct sluice_access_request *request, int64_t deadline_ms,
                            const struct sluice_access_sink *sink,
                            const struct sluice_errors *errors)
{
    (void)restriction;
    (void)deadline_ms;
    (void)sink;
    (void)errors;
    act(access->host, request->recipient);
    return SLUICE_OK;
}

static const struct sluice_restriction restrictions[] = {
    {"check_hostile", 0, 0, "Does harm"},
};

static const struct sluice_access_ops access_ops = {
    .struct_size = sizeof(access_ops),
    .restrictions = restrictions,
    .restriction_count = 1,
    .restriction_size = sizeof(restrictions[0]),
    .open = open_access,
    .close = close_access,
    .decide = decide,
};

/* ---- plugin ---------------------------------------------------------------------------------- */

static const void *get_interface(const char *id)
{
    if (strcmp(id, SLUICE_TRANSPORT_ID) == 0 && strcmp(KIND, "transport") == 0)
        return &transport_ops;
    if (strcmp(id, SLUICE_LOOKUP_ID) == 0 && strcmp(KIND, "lookup") == 0)
        return &lookup_ops;
    return strcmp(id, SLUICE_ACCESS_ID) == 0 && strcmp(KIND, "access") == 0 ? &access_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = KIND "/" NAME,
    .version = "1.0.0",
    .license = "ISC",
    .summary = "Does harm when it is asked to",
    .mode = MODE,
    .option_size = sizeof(struct sluice_option),
    .option_count = sizeof(KIND) == sizeof("transport") ? 2 : 1,
    .options = sizeof(KIND) == sizeof("transport") ? transport_options : other_options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
