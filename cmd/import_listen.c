/* SPDX-License-Identifier: ISC */
/*
 * import_listen: listen, inet_interfaces and proxy_interfaces.
 *
 * Sluice has one set of restrictions for all that listens. What the server on port 25 has in master.cf
 * counts; one on another port is taken over if its options make no difference, else it is not: open with
 * other rules than it had it might let in what it kept out.
 */
#include "import.h"

#include "base/span.h"
#include "net/address.h"

#include <netdb.h>
#include <stdlib.h>

#define SMTP_PORT 25

struct hosts {
    const char **items; /* as listen has them: v6 in brackets */
    size_t count;
    bool is_all;
};

/* ---- names and numbers ------------------------------------------------------------------------ */

unsigned import_port(const char *name)
{
    static const struct {
        const char *name;
        unsigned port;
    } usual[] = {{"smtp", SMTP_PORT}, {"submission", 587}, {"smtps", 465}, {"submissions", 465}};
    const struct servent *entry;
    uint64_t number;

    if (span_to_u64(sluice_span_of(name), &number))
        return number <= UINT16_MAX ? (unsigned)number : 0;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (strcmp(usual[i].name, name) == 0)
            return usual[i].port;
    }
    entry = getservbyname(name, "tcp");
    return entry != NULL ? ntohs((uint16_t)entry->s_port) : 0;
}

/* What stands behind the last colon of a service's name; the whole where there is none. */
static const char *port_part(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static void add_host(struct import *import, struct hosts *hosts, const char *text)
{
    const char *host = strchr(text, ':') != NULL ? arena_printf(&import->arena, "[%s]", text)
                                                 : arena_printf(&import->arena, "%s", text);

    for (size_t i = 0; i < hosts->count; i++) {
        if (strcmp(hosts->items[i], host) == 0)
            return;
    }
    hosts->items = arena_grow(&import->arena, hosts->items, hosts->count, sizeof(*hosts->items));
    hosts->items[hosts->count++] = host;
}

static bool has_protocol(struct import *import, const char *protocol)
{
    struct sluice_span rest = sluice_span_of(import_value(import, "inet_protocols"));
    struct sluice_span item;
    bool is_found = false;

    while (list_next(&rest, &item))
        is_found = is_found || span_equal(item, SPAN_LITERAL("all")) ||
                   span_equal(item, sluice_span_of(protocol));
    return is_found;
}

/* A name or an address: its addresses. False: it has none. */
static bool add_resolved(struct import *import, struct hosts *hosts, struct sluice_span name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *first;
    char text[NI_MAXHOST];

    if (name.len > 2 && name.ptr[0] == '[')
        name = span_first(span_skip(name, 1), name.len - 2);
    if (getaddrinfo(arena_text(&import->arena, name), NULL, &hints, &first) != 0)
        return false;
    for (const struct addrinfo *one = first; one != NULL; one = one->ai_next) {
        if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) == 0 &&
            has_protocol(import, one->ai_family == AF_INET ? "ipv4" : "ipv6"))
            add_host(import, hosts, text);
    }
    freeaddrinfo(first);
    return true;
}

static void add_pair(struct import *import, struct hosts *hosts, const char *v4, const char *v6)
{
    if (has_protocol(import, "ipv4"))
        add_host(import, hosts, v4);
    if (has_protocol(import, "ipv6"))
        add_host(import, hosts, v6);
}

/* Of a parameter that names interfaces. What has no address is noted. */
static void find_hosts(struct import *import, const char *parameter, struct hosts *hosts)
{
    const struct import_entry *entry = import_find(&import->parameters, sluice_span_of(parameter));
    struct sluice_span rest = sluice_span_of(import_value(import, parameter));
    struct sluice_span item;

    while (list_next(&rest, &item)) {
        if (span_equal(item, SPAN_LITERAL("all"))) {
            hosts->is_all = true;
            add_pair(import, hosts, "0.0.0.0", "::");
        } else if (span_equal(item, SPAN_LITERAL("loopback-only"))) {
            add_pair(import, hosts, "127.0.0.1", "::1");
        } else if (!add_resolved(import, hosts, item)) {
            import_note(import, IMPORT_LOST, entry != NULL ? entry->place : PLACE_DEFAULT,
                        parameter, "%.*s has no address here: write its number", SPAN_ARGS(item));
        }
    }
}

/* ---- servers ---------------------------------------------------------------------------------- */

static bool is_server(const struct import_service *service)
{
    return strcmp(service->type, "inet") == 0 &&
           (strcmp(service->command, "smtpd") == 0 || strcmp(service->command, "postscreen") == 0);
}

/* postscreen hands its clients to the server that is of type pass. */
static const struct import_service *behind(const struct import *import,
                                           const struct import_service *service)
{
    if (strcmp(service->command, "postscreen") != 0)
        return service;
    for (size_t i = 0; i < import->service_count; i++) {
        if (strcmp(import->services[i].type, "pass") == 0 &&
            strcmp(import->services[i].command, "smtpd") == 0)
            return &import->services[i];
    }
    return service;
}

/* The server on port 25, else the first one; NULL: there is none. */
static const struct import_service *main_server(const struct import *import)
{
    const struct import_service *found = NULL;

    for (size_t i = 0; i < import->service_count; i++) {
        const struct import_service *service = &import->services[i];

        if (!is_server(service))
            continue;
        if (import_port(port_part(service->name)) == SMTP_PORT)
            return service;
        if (found == NULL)
            found = service;
    }
    return found;
}

void import_find_server(struct import *import)
{
    const struct import_service *service = main_server(import);
    const struct import_entries *overrides =
        service != NULL ? &behind(import, service)->overrides : NULL;

    for (size_t i = 0; overrides != NULL && i < overrides->count; i++) {
        const struct import_entry *override = &overrides->items[i];
        struct import_entry *entry =
            import_find(&import->parameters, sluice_span_of(override->name));

        if (strcmp(override->name, "syslog_name") == 0)
            continue; /* the log names the server anyway */
        if (entry == NULL) {
            import_add(import, &import->parameters, override);
            continue;
        }
        import_note(import, IMPORT_NOT_NEEDED, entry->place, entry->name,
                    "%s has another value for port %d", import_place(import, override->place),
                    SMTP_PORT);
        *entry = *override;
    }
}

/* Sluice would do the same whether it is set or not. */
static bool is_idle(struct import *import, const struct import_entry *entry)
{
    const char *text;

    return strcmp(entry->name, "syslog_name") == 0 ||
           (import_option(import, entry->name) == NULL &&
            import_meaning(entry->name, entry->value, &text) == IMPORT_NOT_NEEDED);
}

/* The first option in which the two differ, or NULL. */
static const char *difference(struct import *import, const struct import_service *server,
                              const struct import_service *other)
{
    for (size_t i = 0; i < other->overrides.count; i++) {
        const struct import_entry *entry = &other->overrides.items[i];
        const char *value = import_expand(import, entry->value, entry->place);

        if (!is_idle(import, entry) && value != NULL &&
            strcmp(value, import_value(import, entry->name)) != 0)
            return entry->name;
    }
    for (size_t i = 0; i < server->overrides.count; i++) {
        const struct import_entry *entry = &server->overrides.items[i];

        if (!is_idle(import, entry) &&
            import_find(&other->overrides, sluice_span_of(entry->name)) == NULL)
            return entry->name;
    }
    return NULL;
}

/* ---- listen ----------------------------------------------------------------------------------- */

struct listen {
    struct import *import;
    struct hosts hosts; /* of inet_interfaces */
    struct import_list list;
    bool has_own_host; /* a server names its address */
};

static void add_listen(struct listen *listen, const char *host, unsigned port)
{
    struct arena *arena = &listen->import->arena;
    struct import_list *list = &listen->list;

    list->items = arena_grow(arena, list->items, list->count, sizeof(*list->items));
    list->items[list->count++] = arena_printf(arena, "%s:%u", host, port);
}

static void listen_at(struct listen *listen, const struct import_service *service)
{
    struct import *import = listen->import;
    const char *colon = strrchr(service->name, ':');
    unsigned port = import_port(port_part(service->name));
    struct hosts own = {.count = 0};
    const struct hosts *hosts = colon != NULL ? &own : &listen->hosts;

    if (colon != NULL) {
        struct sluice_span name = {.ptr = service->name, .len = (size_t)(colon - service->name)};

        listen->has_own_host = true;
        (void)add_resolved(import, &own, name); /* none: said below */
    }
    if (port == 0 || hosts->count == 0) {
        import_note(import, IMPORT_LOST, service->place, service->name,
                    "there is no such address or port: mail is not received there");
        return;
    }
    for (size_t i = 0; i < hosts->count; i++)
        add_listen(listen, hosts->items[i], port);
    import_note(import, IMPORT_CARRIED, service->place, service->name, "%s", "");
}

static bool is_loopback(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strncmp(name, "localhost:", 10) == 0 ||
           strncmp(name, "[::1]:", 6) == 0;
}

static void take_server(struct listen *listen, const struct import_service *server,
                        const struct import_service *service)
{
    struct import *import = listen->import;
    const struct import_service *rules = behind(import, service);
    const char *other =
        service != server ? difference(import, behind(import, server), rules) : NULL;

    if (strcmp(service->command, "postscreen") == 0)
        import_note(import, IMPORT_NOT_SUPPORTED, service->place, service->name,
                    "there is no postscreen: its clients come to the server at once");
    if (other == NULL)
        listen_at(listen, service);
    else
        import_note(
            import, is_loopback(service->name) ? IMPORT_NOT_SUPPORTED : IMPORT_LOST, service->place,
            service->name,
            "mail is not received there: it has rules of its own (%s), and there is one set "
            "of rules for all",
            other);
}

static void note_interfaces(struct import *import, const char *name, enum import_verdict verdict,
                            const char *text)
{
    const struct import_entry *entry = import_find(&import->parameters, sluice_span_of(name));

    if (entry != NULL)
        import_note(import, verdict, entry->place, name, "%s", text);
}

static void write_hosts(struct import *import, const char *name, const struct hosts *hosts)
{
    struct import_list list = {0};

    for (size_t i = 0; i < (hosts->is_all ? 1 : hosts->count); i++) {
        list.items = arena_grow(&import->arena, list.items, list.count, sizeof(*list.items));
        list.items[list.count++] = hosts->is_all ? "all" : hosts->items[i];
    }
    import_write_list(import, "", name, &list);
}

static void write_proxies(struct import *import)
{
    const struct import_entry *entry =
        import_find(&import->parameters, SPAN_LITERAL("proxy_interfaces"));
    struct hosts proxies = {.count = 0};

    if (entry == NULL)
        return;
    find_hosts(import, "proxy_interfaces", &proxies);
    import_comment(import, "", "%s", import_place(import, entry->place));
    write_hosts(import, "proxy_interfaces", &proxies);
    note_interfaces(import, "proxy_interfaces", IMPORT_CARRIED, "");
}

/* It has to listen somewhere. */
static void listen_at_home(struct listen *listen)
{
    import_note(listen->import, IMPORT_NOT_SUPPORTED, PLACE_DEFAULT, "smtpd",
                "no server of master.cf is taken over; Sluice listens at 127.0.0.1");
    add_listen(listen, "127.0.0.1", SMTP_PORT);
}

void import_write_listen(struct import *import)
{
    const struct import_service *server = main_server(import);
    struct listen listen = {.import = import};

    find_hosts(import, "inet_interfaces", &listen.hosts);
    for (size_t i = 0; i < import->service_count; i++) {
        const struct import_service *service = &import->services[i];

        if (is_server(service))
            take_server(&listen, server, service);
        else if (strcmp(service->type, "inet") == 0)
            import_note(import, IMPORT_NOT_SUPPORTED, service->place, service->name,
                        "there is no \"%s\": nothing answers there", service->command);
    }
    if (listen.list.count == 0)
        listen_at_home(&listen);
    import_comment(import, "", "the servers of master.cf");
    import_write_list(import, "", "listen", &listen.list);
    if (listen.has_own_host)
        write_hosts(import, "inet_interfaces", &listen.hosts);
    note_interfaces(import, "inet_interfaces", IMPORT_CARRIED, "in listen");
    write_proxies(import);
}
