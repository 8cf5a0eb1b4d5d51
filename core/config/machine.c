/* SPDX-License-Identifier: ISC */
/*
 * machine: see machine.h.
 */
#include "config/machine.h"

#include "base/buffer.h"
#include "base/span.h"
#include "net/address.h"

#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#if !defined(SLUICE_PLUGIN_DIR) || !defined(SLUICE_PLUGIN_DESTINATION)
#error "SLUICE_PLUGIN_DIR and SLUICE_PLUGIN_DESTINATION are set by the build"
#endif

const char *machine_hostname(struct arena *arena)
{
    char name[HOST_NAME_MAX + 1] = "";

    if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
        return "localhost.localdomain";
    return arena_printf(arena, "%s%s", name, strchr(name, '.') == NULL ? ".localdomain" : "");
}

const char *machine_alias_maps(void)
{
    return access("/etc/aliases.db", F_OK) == 0 ? "hash:/etc/aliases" : "";
}

const char *machine_folder(struct arena *arena)
{
    char path[PATH_MAX];

    return getcwd(path, sizeof(path)) != NULL ? arena_text(arena, sluice_span_of(path)) : NULL;
}

/* The folder above the bin/ or sbin/ that this program runs from; NULL: it runs from elsewhere. */
static const char *find_prefix(struct arena *arena)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    struct sluice_span folder = {.ptr = path, .len = len > 0 ? (size_t)len : 0};

    folder = span_first(folder, span_find_last(folder, '/'));
    size_t slash = span_find_last(folder, '/');
    struct sluice_span name = span_skip(folder, slash + 1);
    if (!span_equal(name, SPAN_LITERAL("bin")) && !span_equal(name, SPAN_LITERAL("sbin")))
        return NULL;
    return arena_text(arena, span_first(folder, slash));
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

const char *machine_plugin_directory(struct arena *arena)
{
    const char *prefix = find_prefix(arena);

    if (prefix == NULL)
        return SLUICE_PLUGIN_DIR;
    /* Only a build tree has that file; /usr has not. */
    if (is_there(arena_printf(arena, "%s/CMakeCache.txt", prefix)))
        return arena_printf(arena, "%s/plugins", prefix);
    /* Installed below another prefix than the build was configured for. */
    const char *installed = arena_printf(arena, "%s/" SLUICE_PLUGIN_DESTINATION, prefix);
    return is_there(installed) ? installed : SLUICE_PLUGIN_DIR;
}

/* ---- addresses ------------------------------------------------------------------------------ */

struct collector {
    struct arena *arena;
    struct buffer text;
    struct address *addresses;
    size_t count;
};

static void add(struct collector *collector, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < collector->count; i++) {
        if (address_equal(&collector->addresses[i], address))
            return;
    }
    collector->addresses = arena_grow(collector->arena, collector->addresses, collector->count,
                                      sizeof(*collector->addresses));
    collector->addresses[collector->count++] = *address;
    buffer_printf(&collector->text, "%s%s", collector->count > 1 ? ", " : "",
                  address_format(address, text));
}

static void add_interface(struct collector *collector, const struct ifaddrs *interface,
                          sa_family_t family, bool only_loopback)
{
    struct address address;

    if (interface->ifa_addr == NULL || (interface->ifa_flags & IFF_UP) == 0 ||
        (only_loopback && (interface->ifa_flags & IFF_LOOPBACK) == 0))
        return;
    if (interface->ifa_addr->sa_family != AF_INET && interface->ifa_addr->sa_family != AF_INET6)
        return;
    if (family != AF_UNSPEC && interface->ifa_addr->sa_family != family)
        return;
    address_from_sockaddr(interface->ifa_addr,
                          interface->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                                    : sizeof(struct sockaddr_in6),
                          &address);
    add(collector, &address);
}

/* Every address of that family that an interface has now; AF_UNSPEC: of both. */
static void add_interfaces(struct collector *collector, sa_family_t family, bool only_loopback)
{
    struct ifaddrs *first;

    if (getifaddrs(&first) != 0)
        return; /* a kernel without: listen and proxy_interfaces can name addresses */
    for (const struct ifaddrs *interface = first; interface != NULL;
         interface = interface->ifa_next)
        add_interface(collector, interface, family, only_loopback);
    freeifaddrs(first);
}

static void add_listen(struct collector *collector, const struct value *listen)
{
    for (size_t i = 0; i < listen->item_count; i++) {
        struct address address;

        if (address_parse_listen(sluice_span_of(listen->items[i]), &address, NULL) != SLUICE_OK)
            continue;
        if (address_is_wildcard(&address))
            add_interfaces(collector, address.any.sa_family, false);
        else
            add(collector, &address);
    }
}

/* "ipv4" or "ipv6" is among them; none are all. */
static bool has_protocol(const struct value *inet_protocols, const char *wanted)
{
    for (size_t i = 0; i < inet_protocols->item_count; i++) {
        const char *item = inet_protocols->items[i];

        if (strcmp(item, "all") == 0 || strcmp(item, wanted) == 0)
            return true;
    }
    return inet_protocols->item_count == 0;
}

static struct sluice_span without_brackets(struct sluice_span text)
{
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        return span_first(span_skip(text, 1), text.len - 2);
    return text;
}

static void add_named(struct collector *collector, const char *item)
{
    struct address address;

    if (address_parse(without_brackets(sluice_span_of(item)), 0, &address) == SLUICE_OK)
        add(collector, &address);
}

static void add_inet_interface(struct collector *collector, const char *item)
{
    bool is_loopback = strcmp(item, "loopback-only") == 0 || strcmp(item, "localhost") == 0;

    if (is_loopback || strcmp(item, "all") == 0)
        add_interfaces(collector, AF_UNSPEC, is_loopback);
    else
        add_named(collector, item);
}

const char *machine_own_addresses(struct arena *arena, const struct value *listen,
                                  const struct value *inet_interfaces,
                                  const struct value *proxy_interfaces)
{
    struct collector collector = {.arena = arena};
    const char *text;

    for (size_t i = 0; i < inet_interfaces->item_count; i++)
        add_inet_interface(&collector, inet_interfaces->items[i]);
    if (!inet_interfaces->is_set)
        add_listen(&collector, listen);
    for (size_t i = 0; i < proxy_interfaces->item_count; i++)
        add_named(&collector, proxy_interfaces->items[i]);
    text = arena_text(arena, buffer_span(&collector.text));
    buffer_done(&collector.text);
    return text;
}

/* One address of each family, of those that are used. */
static const char *add_pair(struct arena *arena, const char *text, const char *v4, const char *v6,
                            const struct value *inet_protocols)
{
    if (has_protocol(inet_protocols, "ipv4") && v4[0] != '\0')
        text = arena_printf(arena, "%s%s%s:25", text, text[0] != '\0' ? ", " : "", v4);
    if (has_protocol(inet_protocols, "ipv6") && v6[0] != '\0')
        text = arena_printf(arena, "%s%s[%s]:25", text, text[0] != '\0' ? ", " : "", v6);
    return text;
}

const char *machine_listen(struct arena *arena, const struct value *inet_interfaces,
                           const struct value *inet_protocols)
{
    const char *text = "";

    for (size_t i = 0; i < inet_interfaces->item_count; i++) {
        const char *item = inet_interfaces->items[i];
        const char *address = arena_text(arena, without_brackets(sluice_span_of(item)));
        bool is_v6 = strchr(address, ':') != NULL;
        struct address parsed;

        if (strcmp(item, "all") == 0)
            return add_pair(arena, "", "0.0.0.0", "::", inet_protocols);
        if (strcmp(item, "loopback-only") == 0 || strcmp(item, "localhost") == 0)
            text = add_pair(arena, text, "127.0.0.1", "::1", inet_protocols);
        else if (address_parse(sluice_span_of(address), 0, &parsed) == SLUICE_OK)
            text = add_pair(arena, text, is_v6 ? "" : address, is_v6 ? address : "",
                            inet_protocols);
    }
    if (inet_interfaces->item_count == 0)
        return add_pair(arena, "", "0.0.0.0", "::", inet_protocols);
    return text;
}

const char *machine_networks(struct arena *arena, const struct value *own_addresses)
{
    const char *text = "127.0.0.0/8, [::1]/128";

    for (size_t i = 0; i < own_addresses->item_count; i++) {
        const char *item = own_addresses->items[i];
        bool is_v6 = strchr(item, ':') != NULL;

        /* A link-local address has a scope behind it, which no network has. */
        if (strchr(item, '%') == NULL)
            text = arena_printf(arena, is_v6 ? "%s, [%s]/128" : "%s, %s/32", text, item);
    }
    return text;
}
