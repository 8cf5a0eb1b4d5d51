/* SPDX-License-Identifier: ISC */
/*
 * host: see host.h.
 */
#include "host.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIST_SEPARATORS ", "

static struct test_host *host_of(const struct sluice_host *host)
{
    return (struct test_host *)(uintptr_t)host;
}

static void append(char *text, const char *format, const char *first, const char *second)
{
    size_t len = strlen(text);

    assert_true(len + strlen(first) + strlen(second) + 8 < TEST_HOST_TEXT_MAX);
    (void)snprintf(text + len, TEST_HOST_TEXT_MAX - len, format, first, second);
}

/* ---- options -------------------------------------------------------------------------------- */

static struct test_host *host_of_config(const struct sluice_config *config)
{
    return (struct test_host *)((uintptr_t)config - offsetof(struct test_host, config));
}

/* The value of an option as written; asking for one that is not declared is the plugin's bug. */
static const char *value_of(const struct sluice_config *config, const char *key)
{
    struct test_host *host = host_of_config(config);
    const char *value = NULL;

    for (uint32_t i = 0; i < host->desc->option_count; i++) {
        if (strcmp(host->desc->options[i].key, key) != 0)
            continue;
        value = host->desc->options[i].fallback;
        for (const struct test_setting *s = host->settings; s != NULL && s->key != NULL; s++)
            value = strcmp(s->key, key) == 0 ? s->value : value;
        return value;
    }
    fail_msg("option %s is not declared", key);
    return NULL;
}

static int32_t config_is_set(const struct sluice_config *config, const char *key)
{
    return value_of(config, key) != NULL;
}

static int64_t config_get_number(const struct sluice_config *config, const char *key)
{
    const char *value = value_of(config, key);
    char *unit;
    int64_t number;

    if (value == NULL || strcmp(value, "false") == 0)
        return 0;
    if (strcmp(value, "true") == 0)
        return 1;
    number = strtoll(value, &unit, 10);
    assert_true(unit != value);
    return strcmp(unit, "s") == 0 ? number * 1000 : number;
}

static size_t config_get_count(const struct sluice_config *config, const char *key)
{
    const char *value = value_of(config, key);
    size_t count = 0;

    while (value != NULL && *(value += strspn(value, LIST_SEPARATORS)) != '\0') {
        count++;
        value += strcspn(value, LIST_SEPARATORS);
    }
    return count;
}

static const char *config_get_item(const struct sluice_config *config, const char *key,
                                   size_t index)
{
    struct test_host *host = host_of_config(config);
    const char *value = value_of(config, key);

    assert_true(index < config_get_count(config, key));
    value += strspn(value, LIST_SEPARATORS);
    for (; index > 0; index--) {
        value += strcspn(value, LIST_SEPARATORS);
        value += strspn(value, LIST_SEPARATORS);
    }
    (void)snprintf(host->item, sizeof(host->item), "%.*s", (int)strcspn(value, LIST_SEPARATORS),
                   value);
    return host->item;
}

/* ---- errors, log, clock --------------------------------------------------------------------- */

static void explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    struct test_host *host =
        (struct test_host *)((uintptr_t)errors - offsetof(struct test_host, errors));

    host->explain_count++;
    (void)snprintf(host->error_dsn, sizeof(host->error_dsn), "%s", dsn != NULL ? dsn : "");
    (void)snprintf(host->error_text, sizeof(host->error_text), "%s", text);
    assert_null(strpbrk(host->error_text, "\r\n"));
}

static void log_write(const struct sluice_host *host, int32_t level, const char *line)
{
    assert_in_range(level, SLUICE_LOG_ERROR, SLUICE_LOG_DEBUG);
    append(host_of(host)->log, "%s%s", line, "\n");
}

int64_t test_now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t clock_monotonic_ms(const struct sluice_host *host)
{
    (void)host;
    return test_now_ms();
}

static int64_t clock_wall_ms(const struct sluice_host *host)
{
    (void)host;
    return (int64_t)time(NULL) * 1000;
}

/* ---- io ------------------------------------------------------------------------------------- */

struct sluice_stream {
    int fd;
    const char *why;
};

/* SLUICE_TEMP when the deadline comes first. */
static sluice_status wait_for(struct sluice_stream *stream, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd pollfd = {.fd = stream->fd, .events = events};
        int64_t left_ms = deadline_ms - test_now_ms();
        int n;

        if (left_ms <= 0) {
            stream->why = "timed out";
            return SLUICE_TEMP;
        }
        n = poll(&pollfd, 1, left_ms > 1000 ? 1000 : (int)left_ms);
        assert_true(n >= 0 || errno == EINTR);
        if (n > 0)
            return SLUICE_OK;
    }
}

static void io_close(struct sluice_stream *stream)
{
    if (stream == NULL)
        return;
    assert_int_equal(close(stream->fd), 0);
    free(stream);
}

static sluice_status finish_connect(struct sluice_stream *stream, int64_t deadline_ms)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (wait_for(stream, POLLOUT, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    assert_int_equal(getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    stream->why = strerror(error);
    return error == 0 ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status io_connect(const struct sluice_host *host, const struct sluice_endpoint *to,
                                int64_t deadline_ms, const struct sluice_errors *errors,
                                struct sluice_stream **ret_stream)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
    struct sluice_stream *stream = calloc(1, sizeof(*stream));
    char text[INET_ADDRSTRLEN];

    (void)host;
    assert_non_null(stream);
    assert_in_range(to->port, 1, 65535);
    (void)snprintf(text, sizeof(text), "%.*s", (int)to->address.len, to->address.ptr);
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(stream->fd >= 0);
    if ((connect(stream->fd, (struct sockaddr *)&address, sizeof(address)) == -1 &&
         errno != EINPROGRESS) ||
        finish_connect(stream, deadline_ms) != SLUICE_OK) {
        errors->explain(errors, NULL, stream->why != NULL ? stream->why : strerror(errno));
        io_close(stream);
        return SLUICE_TEMP;
    }
    *ret_stream = stream;
    return SLUICE_OK;
}

static sluice_status io_read(struct sluice_stream *stream, void *buffer, size_t size,
                             int64_t deadline_ms, size_t *ret_len)
{
    ssize_t n;

    assert_true(size > 0);
    if (wait_for(stream, POLLIN, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    n = recv(stream->fd, buffer, size, 0);
    if (n == -1) {
        stream->why = strerror(errno);
        return SLUICE_TEMP;
    }
    *ret_len = (size_t)n;
    return SLUICE_OK;
}

static sluice_status io_write(struct sluice_stream *stream, struct sluice_span data,
                              int64_t deadline_ms)
{
    while (data.len > 0) {
        ssize_t n;

        if (wait_for(stream, POLLOUT, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
        n = send(stream->fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (n == -1 && errno != EAGAIN) {
            stream->why = strerror(errno);
            return SLUICE_TEMP;
        }
        data.ptr += n > 0 ? n : 0;
        data.len -= n > 0 ? (size_t)n : 0;
    }
    return SLUICE_OK;
}

static int32_t io_is_readable(struct sluice_stream *stream)
{
    struct pollfd pollfd = {.fd = stream->fd, .events = POLLIN};

    return poll(&pollfd, 1, 0) > 0;
}

static const char *io_explain(struct sluice_stream *stream)
{
    return stream->why;
}

static sluice_status io_sleep(const struct sluice_host *host, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - test_now_ms();

    (void)host;
    if (left_ms > 0)
        (void)poll(NULL, 0, (int)left_ms);
    return SLUICE_OK;
}

/* ---- dns ------------------------------------------------------------------------------------ */

static const char *type_name(uint32_t type)
{
    return type == SLUICE_DNS_A ? "A" : type == SLUICE_DNS_AAAA ? "AAAA" : "MX";
}

static void give_records(const char *answer, uint32_t type, const struct sluice_dns_sink *sink)
{
    while (*(answer += strspn(answer, " ")) != '\0') {
        struct sluice_dns_record record = {
            .struct_size = sizeof(record),
            .type = type,
            .target = {answer, strcspn(answer, " ")},
        };
        char *colon;

        answer += record.target.len;
        if (type == SLUICE_DNS_MX) {
            record.preference = (uint32_t)strtoul(record.target.ptr, &colon, 10);
            record.target.len -= (size_t)(colon + 1 - record.target.ptr);
            record.target.ptr = colon + 1;
        }
        sink->record(sink, &record);
    }
}

static sluice_status dns_query(const struct sluice_host *host, struct sluice_span name,
                               uint32_t type, int64_t deadline_ms,
                               const struct sluice_dns_sink *sink,
                               const struct sluice_errors *errors)
{
    struct test_host *test = host_of(host);
    char text[512];

    (void)deadline_ms;
    (void)snprintf(text, sizeof(text), "%s %.*s", type_name(type), (int)name.len, name.ptr);
    append(test->queries, "%s%s", text, "\n");
    for (const struct test_zone *z = test->zone; z != NULL && z->name != NULL; z++) {
        if (strcmp(z->type, type_name(type)) != 0 || strlen(z->name) != name.len ||
            memcmp(z->name, name.ptr, name.len) != 0)
            continue;
        if (strcmp(z->answer, "SERVFAIL") == 0) {
            errors->explain(errors, "4.4.3", "SERVFAIL");
            return SLUICE_TEMP;
        }
        give_records(z->answer, type, sink);
        return SLUICE_OK;
    }
    return SLUICE_NOT_FOUND;
}

/* ---- the host ------------------------------------------------------------------------------- */

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct sluice_io io = {
        .struct_size = sizeof(io),
        .connect = io_connect,
        .read = io_read,
        .write = io_write,
        .is_readable = io_is_readable,
        .explain = io_explain,
        .close = io_close,
        .sleep = io_sleep,
    };
    static const struct sluice_clock clock = {
        .struct_size = sizeof(clock),
        .wall_ms = clock_wall_ms,
        .monotonic_ms = clock_monotonic_ms,
    };
    static const struct sluice_log log = {.struct_size = sizeof(log), .write = log_write};
    static const struct sluice_dns dns = {.struct_size = sizeof(dns), .query = dns_query};

    (void)host;
    return strcmp(id, SLUICE_IO_ID) == 0      ? (const void *)&io
           : strcmp(id, SLUICE_CLOCK_ID) == 0 ? (const void *)&clock
           : strcmp(id, SLUICE_LOG_ID) == 0   ? (const void *)&log
           : strcmp(id, SLUICE_DNS_ID) == 0   ? (const void *)&dns
                                              : NULL;
}

const struct sluice_plugin_desc *test_plugin_load(const char *place_and_name)
{
    const struct sluice_plugin_desc *(*entry)(void);
    const char *build = getenv("SLUICE_BUILD");
    char path[4096];
    void *library, *symbol;

    assert_non_null(build);
    (void)snprintf(path, sizeof(path), "%s/plugins/%s.so", build, place_and_name);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* resident, as in the daemon */
    if (library == NULL)
        fail_msg("%s", dlerror());
    symbol = dlsym(library, "sluice_plugin_entry_v1");
    assert_non_null(symbol);
    memcpy(&entry, &symbol, sizeof(entry));
    assert_string_equal(entry()->name, place_and_name);
    return entry();
}

void test_host_init(struct test_host *host, const struct sluice_plugin_desc *desc,
                    const struct test_setting *settings, const struct test_zone *zone)
{
    memset(host, 0, sizeof(*host));
    host->host = (struct sluice_host){
        .struct_size = sizeof(host->host),
        .abi_minor = SLUICE_ABI_MINOR,
        .version = "test",
        .instance = desc->name,
        .get_service = get_service,
    };
    host->config = (struct sluice_config){
        .struct_size = sizeof(host->config),
        .is_set = config_is_set,
        .get_text = value_of,
        .get_number = config_get_number,
        .get_count = config_get_count,
        .get_item = config_get_item,
    };
    host->errors.struct_size = sizeof(host->errors);
    host->errors.explain = explain;
    host->desc = desc;
    host->settings = settings;
    host->zone = zone;
}

void test_host_clear(struct test_host *host)
{
    host->error_dsn[0] = '\0';
    host->error_text[0] = '\0';
    host->explain_count = 0;
    host->queries[0] = '\0';
    host->log[0] = '\0';
}
