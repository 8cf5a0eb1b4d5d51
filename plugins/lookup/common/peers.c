/* SPDX-License-Identifier: ISC */
/* peers: see peers.h. */
#include "peers.h"

#include "explain.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 8 /* at a time; more requests wait for one of them */
#define WAIT_MS 10
#define READ_SIZE 4096

struct peers {
    const struct sluice_host *host;
    const struct sluice_io *io;
    const struct sluice_clock *clock;
    const struct sluice_dns *dns; /* or NULL */
    int64_t timeout_ms;
    char *where;   /* as it was configured */
    char *address; /* in where's copy: a path, or a host */
    uint32_t port; /* 0: a path */
    size_t used;   /* connections that are open, idle ones among them */
    struct sluice_stream *idle[CONNECTIONS_MAX];
    size_t idle_count;
};

/* ---- opening --------------------------------------------------------------------------------- */

/* "host:port" or "[v6]:port" in its place. */
static bool parse_inet(struct peers *peers, char *text)
{
    char *colon = strrchr(text, ':');
    char *end;
    unsigned long port;

    if (colon == NULL || colon == text)
        return false;
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port == 0 || port > UINT16_MAX)
        return false;
    *colon = '\0';
    if (text[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        text++;
    }
    peers->address = text;
    peers->port = (uint32_t)port;
    return true;
}

static bool parse(struct peers *peers, char *text)
{
    if (strncmp(text, "inet:", 5) == 0)
        return parse_inet(peers, text + 5);
    if (strncmp(text, "unix:/", 6) != 0)
        return false;
    peers->address = text + 5;
    return true;
}

const char *peers_name(const struct peers *peers)
{
    return peers->host->instance;
}

void peers_close(struct peers *peers)
{
    if (peers == NULL)
        return;
    for (size_t i = 0; i < peers->idle_count; i++)
        peers->io->close(peers->idle[i]);
    free(peers->where);
    free(peers);
}

sluice_status peers_open(const struct sluice_host *host, const char *where, int64_t timeout_ms,
                         const struct sluice_errors *errors, struct peers **ret_peers)
{
    struct peers *peers = calloc(1, sizeof(*peers));
    sluice_status st = SLUICE_OK;

    if (peers == NULL || (peers->where = strdup(where)) == NULL) {
        free(peers);
        return explain(errors, SLUICE_TEMP, "%s: out of memory", where);
    }
    peers->host = host;
    peers->timeout_ms = timeout_ms;
    peers->io = host->get_service(host, SLUICE_IO_ID);
    peers->clock = host->get_service(host, SLUICE_CLOCK_ID);
    peers->dns = host->get_service(host, SLUICE_DNS_ID);
    if (!parse(peers, peers->where))
        st = explain(errors, SLUICE_CONFIG, "%s: wants inet:host:port or unix:/path", where);
    else if (peers->io == NULL || peers->clock == NULL)
        st = explain(errors, SLUICE_CONFIG, "%s: the host has no network", where);
    if (st == SLUICE_OK)
        *ret_peers = peers;
    else
        peers_close(peers);
    return st;
}

/* ---- connecting ------------------------------------------------------------------------------ */

#define ADDRESS_SIZE 64

/* The first address of an answer. */
struct first {
    struct sluice_dns_sink sdk;
    char *text; /* ADDRESS_SIZE bytes, empty at first */
};

static void take_first(const struct sluice_dns_sink *sdk, const struct sluice_dns_record *record)
{
    const struct first *first = (const struct first *)(const void *)sdk; /* its first member */

    if (first->text[0] == '\0' && record->target.len < ADDRESS_SIZE) {
        memcpy(first->text, record->target.ptr, record->target.len);
        first->text[record->target.len] = '\0';
    }
}

/* localhost is this machine's business, whatever the resolver thinks of it. */
static bool is_literal(struct peers *peers)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return peers->port == 0 || inet_pton(AF_INET, peers->address, bytes) == 1 ||
           inet_pton(AF_INET6, peers->address, bytes) == 1;
}

static sluice_status resolve(struct peers *peers, int64_t deadline_ms,
                             const struct sluice_errors *errors, char *address)
{
    struct first first = {.sdk = {.struct_size = sizeof(first.sdk), .record = take_first},
                          .text = address};
    struct sluice_span name = sluice_span_of(peers->address);
    sluice_status st;

    address[0] = '\0';
    if (peers->dns == NULL)
        return explain(errors, SLUICE_TEMP, "%s: cannot resolve names here", peers->address);
    st = peers->dns->query(peers->host, name, SLUICE_DNS_A, deadline_ms, &first.sdk, errors);
    if (st == SLUICE_NOT_FOUND)
        st = peers->dns->query(peers->host, name, SLUICE_DNS_AAAA, deadline_ms, &first.sdk, errors);
    if (st == SLUICE_OK && address[0] != '\0')
        return SLUICE_OK;
    return explain(errors, SLUICE_TEMP, "%s: host not found", peers->address);
}

/* The host says why it could not connect, but not for whom. */
struct named {
    struct sluice_errors sdk;
    const struct peers *peers;
    const struct sluice_errors *errors;
};

static void explain_named(const struct sluice_errors *sdk, const char *dsn, const char *text)
{
    const struct named *named = (const struct named *)(const void *)sdk; /* its first member */

    (void)dsn;
    (void)explain(named->errors, SLUICE_TEMP, "%s: %s", peers_name(named->peers), text);
}

static sluice_status connect_new(struct peers *peers, int64_t deadline_ms,
                                 const struct sluice_errors *errors,
                                 struct sluice_stream **ret_stream)
{
    struct sluice_endpoint to = {.struct_size = sizeof(to), .port = peers->port};
    struct named named = {.sdk = {.struct_size = sizeof(named.sdk), .explain = explain_named},
                          .peers = peers,
                          .errors = errors};
    char resolved[ADDRESS_SIZE];
    sluice_status st = SLUICE_OK;

    if (is_literal(peers)) {
        to.address = sluice_span_of(peers->address);
    } else if (strcmp(peers->address, "localhost") == 0) {
        to.address = sluice_span_of("127.0.0.1");
    } else {
        st = resolve(peers, deadline_ms, errors, resolved);
        to.address = sluice_span_of(resolved);
    }
    if (st != SLUICE_OK)
        return st;
    return peers->io->connect(peers->host, &to, deadline_ms, &named.sdk, ret_stream);
}

/* A connection that was kept, which *ret_is_kept says, or a new one; waits while there are many. */
static sluice_status take(struct peers *peers, int64_t deadline_ms,
                          const struct sluice_errors *errors, bool *ret_is_kept,
                          struct sluice_stream **ret_stream)
{
    sluice_status st;

    while (peers->idle_count == 0 && peers->used >= CONNECTIONS_MAX) {
        int64_t now_ms = peers->clock->monotonic_ms(peers->host);

        if (now_ms >= deadline_ms || peers->io->sleep(peers->host, now_ms + WAIT_MS) != SLUICE_OK)
            return explain(errors, SLUICE_TEMP, "%s: no connection is free", peers_name(peers));
    }
    while (peers->idle_count > 0) {
        struct sluice_stream *stream = peers->idle[--peers->idle_count];

        if (!peers->io->is_readable(stream)) {
            *ret_is_kept = true;
            *ret_stream = stream;
            return SLUICE_OK;
        }
        peers->io->close(stream); /* the server has */
        peers->used--;
    }
    *ret_is_kept = false;
    peers->used++;
    st = connect_new(peers, deadline_ms, errors, ret_stream);
    if (st != SLUICE_OK)
        peers->used--;
    return st;
}

static void drop(struct peers *peers, struct sluice_stream *stream)
{
    peers->io->close(stream);
    peers->used--;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool make_room(struct peers_reply *reply)
{
    char *larger;

    if (reply->size - reply->len > READ_SIZE)
        return true;
    if (reply->len > PEERS_REPLY_MAX + READ_SIZE)
        return false;
    larger = realloc(reply->text, 2 * reply->size + 2 * READ_SIZE);
    if (larger == NULL)
        return false;
    reply->text = larger;
    reply->size = 2 * reply->size + 2 * READ_SIZE;
    return true;
}

/* NOT_FOUND: nothing came, and the connection is gone. */
static sluice_status converse(struct peers *peers, struct sluice_stream *stream,
                              struct sluice_span request, int64_t deadline_ms,
                              enum peers_state (*state)(const struct peers_reply *reply),
                              struct peers_reply *reply, const struct sluice_errors *errors)
{
    enum peers_state now = PEERS_MORE;

    reply->len = 0;
    if (peers->io->write(stream, request, deadline_ms) != SLUICE_OK)
        return SLUICE_NOT_FOUND;
    while (now == PEERS_MORE) {
        size_t len = 0;

        if (!make_room(reply))
            return explain(errors, SLUICE_TEMP, "%s: the reply is too long", peers_name(peers));
        if (peers->io->read(stream, reply->text + reply->len, READ_SIZE, deadline_ms, &len) !=
            SLUICE_OK)
            return peers->clock->monotonic_ms(peers->host) >= deadline_ms || reply->len > 0
                       ? explain(errors, SLUICE_TEMP, "%s: %s", peers_name(peers),
                                 peers->io->explain(stream))
                       : SLUICE_NOT_FOUND;
        if (len == 0)
            return reply->len > 0 ? explain(errors, SLUICE_TEMP, "%s: the reply is cut off", peers_name(peers))
                                  : SLUICE_NOT_FOUND;
        reply->len += len;
        reply->text[reply->len] = '\0';
        now = state(reply);
    }
    if (now == PEERS_NONSENSE)
        return explain(errors, SLUICE_TEMP, "%s: malformed reply", peers_name(peers));
    return SLUICE_OK;
}

sluice_status peers_ask(struct peers *peers, struct sluice_span request, int64_t deadline_ms,
                        enum peers_state (*state)(const struct peers_reply *reply),
                        struct peers_reply *reply, const struct sluice_errors *errors)
{
    int64_t own_ms = peers->clock->monotonic_ms(peers->host) + peers->timeout_ms;
    sluice_status st = SLUICE_NOT_FOUND;
    bool is_kept = true;

    if (own_ms < deadline_ms)
        deadline_ms = own_ms;
    while (st == SLUICE_NOT_FOUND && is_kept) {
        struct sluice_stream *stream;

        st = take(peers, deadline_ms, errors, &is_kept, &stream);
        if (st != SLUICE_OK)
            return SLUICE_TEMP;
        st = converse(peers, stream, request, deadline_ms, state, reply, errors);
        if (st == SLUICE_OK)
            peers->idle[peers->idle_count++] = stream;
        else
            drop(peers, stream);
    }
    if (st == SLUICE_NOT_FOUND)
        return explain(errors, SLUICE_TEMP, "%s: the server closes the connection", peers_name(peers));
    return st;
}
