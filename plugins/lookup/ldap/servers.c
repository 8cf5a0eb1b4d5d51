/* SPDX-License-Identifier: ISC */
/* servers: see servers.h. */
#include "servers.h"

#include "connect.h"
#include "urls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 512
#define TRIES_MAX 3 /* of a search whose connections break */
#define REST_MIN_MS 250
#define REST_MAX_MS 5000 /* recovery is to be a matter of seconds */
#define BUSY 8           /* a connection with so many searches */
#define WIDEN_MS 500     /* a search that has a connection waits for another */

struct server {
    char *url;
    unsigned failures;         /* since it was last of use */
    int64_t rest_ms;           /* not before then */
    char why[CONNECT_WHY_MAX]; /* it failed last; empty: it did not */
};

struct servers {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_gates *gates;
    const struct sluice_offload *offload;
    const struct settings *settings;
    bool is_foreign;
    struct server list[SERVERS_MAX];
    size_t count;
    struct link *links[CONNECTIONS_MAX];
    size_t server_of[CONNECTIONS_MAX];
    size_t link_count;
    bool is_connecting;
    int64_t widen_ms;           /* no connection beside others before then */
    struct sluice_gate *change; /* where those wait who have no connection */
    char why[WHY_MAX];          /* of all servers */
};

static bool add_server(struct servers *servers, const char *url, size_t len)
{
    char *copy = strndup(url, len);

    if (copy == NULL)
        return false;
    servers->list[servers->count++].url = copy;
    return true;
}

static bool add_servers(struct servers *servers, const char *urls)
{
    static const char separators[] = " \t\r\n";

    for (const char *at = urls + strspn(urls, separators); *at != '\0';
         at += strspn(at, separators)) {
        size_t len = strcspn(at, separators);

        if (servers->count == SERVERS_MAX || !add_server(servers, at, len))
            return false;
        at += len;
    }
    return true;
}

struct servers *servers_new(const struct sluice_host *host, const struct settings *settings,
                            const char *urls, bool is_foreign)
{
    struct servers *servers = calloc(1, sizeof(*servers));

    if (servers == NULL)
        return NULL;
    servers->host = host;
    servers->clock = host->get_service(host, SLUICE_CLOCK_ID);
    servers->gates = host->get_service(host, SLUICE_GATES_ID);
    servers->offload = host->get_service(host, SLUICE_OFFLOAD_ID);
    servers->settings = settings;
    servers->is_foreign = is_foreign;
    if (!add_servers(servers, urls) || servers->gates->make(host, &servers->change) != SLUICE_OK) {
        servers_free(servers);
        return NULL;
    }
    return servers;
}

void servers_free(struct servers *servers)
{
    if (servers == NULL)
        return;
    for (size_t i = 0; i < servers->link_count; i++)
        link_free(servers->links[i]);
    for (size_t i = 0; i < servers->count; i++)
        free(servers->list[i].url);
    servers->gates->free(servers->change);
    free(servers);
}

static int64_t now_of(const struct servers *servers)
{
    return servers->clock->monotonic_ms(servers->host);
}

/* ---- servers that fail ------------------------------------------------------------------------ */

/* Longer each time, and not the same for all who ask. All searches on a connection fail at once, which
 * counts once. */
static void rest(struct servers *servers, struct server *server)
{
    int64_t ms = REST_MIN_MS;

    if (server->rest_ms > now_of(servers))
        return;
    for (unsigned i = 0; i < server->failures && ms < REST_MAX_MS; i++)
        ms *= 2;
    if (ms > REST_MAX_MS)
        ms = REST_MAX_MS;
    server->failures++;
    server->rest_ms = now_of(servers) + ms - ms * (random() % 25) / 100;
}

static void be_well(struct server *server)
{
    server->failures = 0;
    server->why[0] = '\0';
}

/* Of each, and what several say once. */
static const char *gather_whys(struct servers *servers)
{
    size_t len = 0;

    servers->why[0] = '\0';
    for (size_t i = 0; i < servers->count && len < WHY_MAX; i++) {
        const char *why = servers->list[i].why;

        if (strstr(servers->why, why) == NULL) /* nor if there is none */
            len += (size_t)snprintf(servers->why + len, WHY_MAX - len, "%s%s", len > 0 ? "; " : "",
                                    why);
    }
    return servers->why;
}

static struct server *next_server(struct servers *servers)
{
    int64_t now_ms = now_of(servers);

    for (size_t i = 0; i < servers->count; i++) {
        if (servers->list[i].rest_ms <= now_ms)
            return &servers->list[i];
    }
    return NULL;
}

/* ---- connecting ------------------------------------------------------------------------------- */

/* Takes the handle from the connection. */
static bool add_link(struct servers *servers, const struct server *server, struct connect *connect)
{
    struct link *link = link_new(servers->host, connect->handle);

    if (link == NULL)
        return false;
    connect->handle = NULL;
    servers->server_of[servers->link_count] = (size_t)(server - servers->list);
    servers->links[servers->link_count++] = link;
    return true;
}

static bool connect_one(struct servers *servers, struct server *server, int64_t deadline_ms)
{
    struct connect *connect = connect_new(servers->settings, server->url, servers->is_foreign);
    int64_t limit_ms = now_of(servers) + 3 * servers->settings->number[CONNECT_TIMEOUT];
    sluice_status done = SLUICE_TEMP;
    bool is_connected = false;

    if (connect == NULL) {
        (void)snprintf(server->why, sizeof(server->why), "out of memory");
    } else if (servers->offload->run(servers->host, connect_work, connect_free, connect,
                                     limit_ms < deadline_ms ? limit_ms : deadline_ms,
                                     &done) != SLUICE_OK) {
        (void)snprintf(server->why, sizeof(server->why), "connect to %s: no answer in time",
                       server->url);
    } else {
        if (done != SLUICE_OK)
            (void)snprintf(server->why, sizeof(server->why), "%s", connect->why);
        is_connected = done == SLUICE_OK && add_link(servers, server, connect);
        connect_free(connect);
    }
    return is_connected;
}

/* One server after the other, until one is of use. */
static bool connect_any(struct servers *servers, int64_t deadline_ms)
{
    struct server *server;
    bool is_connected = false;

    servers->is_connecting = true;
    while (!is_connected && now_of(servers) < deadline_ms &&
           (server = next_server(servers)) != NULL) {
        is_connected = connect_one(servers, server, deadline_ms);
        if (!is_connected)
            rest(servers, server);
    }
    servers->is_connecting = false;
    servers->gates->open_all(servers->change);
    return is_connected;
}

/* ---- links ------------------------------------------------------------------------------------ */

static void drop_dead_links(struct servers *servers)
{
    for (size_t i = servers->link_count; i-- > 0;) {
        if (!link_is_dead(servers->links[i]) || !link_is_idle(servers->links[i]))
            continue;
        link_free(servers->links[i]);
        servers->link_count--;
        servers->links[i] = servers->links[servers->link_count];
        servers->server_of[i] = servers->server_of[servers->link_count];
    }
}

static bool is_better(const struct servers *servers, size_t one, size_t other)
{
    if (servers->server_of[one] != servers->server_of[other])
        return servers->server_of[one] < servers->server_of[other];
    return link_load(servers->links[one]) < link_load(servers->links[other]);
}

/* One with room; of the first server if there is a choice, and then the one with least to do. */
static bool find_link(struct servers *servers, size_t *ret_index)
{
    bool is_found = false;

    drop_dead_links(servers);
    for (size_t i = 0; i < servers->link_count; i++) {
        if (link_is_dead(servers->links[i]) || link_is_full(servers->links[i]))
            continue;
        if (!is_found || is_better(servers, i, *ret_index))
            *ret_index = i;
        is_found = true;
    }
    return is_found;
}

/* A server gets through more on several connections: slapd on four half as much again as on one. Whoever
 * finds all of them busy makes another, and waits for that so long that nobody minds. */
static void widen(struct servers *servers, size_t limit, int64_t deadline_ms)
{
    int64_t now_ms = now_of(servers);
    int64_t limit_ms = now_ms + WIDEN_MS;
    struct server *server = next_server(servers);

    if (servers->is_connecting || server == NULL || servers->link_count >= limit ||
        now_ms < servers->widen_ms)
        return;
    servers->is_connecting = true;
    if (!connect_one(servers, server, limit_ms < deadline_ms ? limit_ms : deadline_ms))
        servers->widen_ms = now_of(servers) + REST_MAX_MS; /* what there is will do */
    servers->is_connecting = false;
    servers->gates->open_all(servers->change);
}

/* True: there may be a link with room now. */
static bool make_room(struct servers *servers, size_t limit, int64_t deadline_ms)
{
    bool may_connect =
        !servers->is_connecting && next_server(servers) != NULL && servers->link_count < limit;

    if (may_connect && connect_any(servers, deadline_ms))
        return true;
    if (servers->link_count == 0 && !servers->is_connecting)
        return false; /* all rest: who asks is told at once */
    return servers->gates->wait(servers->change, deadline_ms) == SLUICE_OK;
}

/* NULL: there is none, and why says why. */
static struct link *take_link(struct servers *servers, size_t limit, int64_t deadline_ms,
                              struct server **ret_server)
{
    bool has_waited = false;
    bool has_widened = false;
    size_t index = 0;

    for (;;) {
        if (!find_link(servers, &index)) {
            if (!make_room(servers, limit, deadline_ms))
                return NULL;
            has_waited = true;
        } else if (!has_widened && link_load(servers->links[index]) >= BUSY) {
            widen(servers, limit, deadline_ms);
            has_widened = true;
        } else {
            break;
        }
    }
    if (has_waited)
        (void)servers->gates->open_one(servers->change); /* there may be room for more than one */
    *ret_server = &servers->list[servers->server_of[index]];
    return servers->links[index];
}

/* Who forgot one connection has forgotten the others. */
static void end_idle_links(struct servers *servers, const struct server *server)
{
    for (size_t i = 0; i < servers->link_count; i++) {
        if (&servers->list[servers->server_of[i]] == server && link_is_idle(servers->links[i]))
            link_end(servers->links[i]);
    }
}

/* What a search on it says about the server. One that was silent may be well, and only the connection
 * forgotten by a firewall, and one may say that it cannot answer now: they rest only where there is
 * another one. One that has closed the connection may have restarted, or tired of us; but if it never
 * answered on it there is nothing behind it. */
static void judge(struct servers *servers, struct server *server, struct link *link, int code)
{
    bool is_refused = code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
    bool is_left = servers->count > 1 && (is_refused || code == LDAP_TIMEOUT);

    if (is_left && is_refused)
        link_end(link);
    if (code == LDAP_TIMEOUT && link_is_dead(link))
        end_idle_links(servers, server);
    if (code == LDAP_SERVER_DOWN)
        (void)snprintf(server->why, sizeof(server->why), "%s: connection lost", server->url);
    else if (code == LDAP_TIMEOUT || is_refused)
        (void)snprintf(server->why, sizeof(server->why), "%s: %s", server->url,
                       is_refused ? ldap_err2string(code) : "no answer");
    else
        be_well(server);
    if (link_is_dead(link) && (is_left || !link_was_of_use(link)))
        rest(servers, server);
    (void)servers->gates->open_one(servers->change); /* there is room for one more */
}

int servers_search(struct servers *servers, const struct link_request *request, size_t limit,
                   int64_t deadline_ms, struct answer *answer, const char **ret_why)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct server *server;
        struct link *link = take_link(servers, limit, deadline_ms, &server);
        int code;

        if (link == NULL)
            break;
        answer->server = server->url;
        answer->connection = link_number(link);
        code = link_search(link, request, deadline_ms, answer);
        judge(servers, server, link, code);
        if (!link_is_dead(link) || code == LDAP_SUCCESS)
            return code;
        answer_done(answer);
    }
    *ret_why = gather_whys(servers);
    return LDAP_CONNECT_ERROR;
}

int servers_search_again(struct servers *servers, const struct link_request *request,
                         int64_t deadline_ms, struct answer *answer)
{
    for (size_t i = 0; i < servers->link_count; i++) {
        struct link *link = servers->links[i];
        struct server *server = &servers->list[servers->server_of[i]];
        int code;

        if (link_number(link) != answer->connection || link_is_dead(link) || link_is_stuck(link))
            continue;
        code = link_search(link, request, deadline_ms, answer);
        judge(servers, server, link, code);
        return code;
    }
    return LDAP_SERVER_DOWN;
}
