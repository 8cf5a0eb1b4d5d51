/* SPDX-License-Identifier: ISC */
/*
 * import_defaults: Postfix's defaults, where Sluice has others and that would change where mail goes or
 * who may relay.
 */
#include "import.h"

#include "base/span.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

/* ---- networks --------------------------------------------------------------------------------- */

static void add_network(struct import *import, struct import_list *list, const char *network)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], network) == 0)
            return;
    }
    list->items = arena_grow(&import->arena, list->items, list->count, sizeof(*list->items));
    list->items[list->count++] = network;
}

/* The bits that a network of the old classes has. */
static unsigned class_prefix(uint32_t address)
{
    return address < (uint32_t)128 << 24 ? 8 : address < (uint32_t)192 << 24 ? 16 : 24;
}

static void add_subnet(struct import *import, const struct ifaddrs *interface, bool is_class,
                       struct import_list *list)
{
    struct sockaddr_in address, mask;
    char text[INET_ADDRSTRLEN];
    uint32_t bits, net;

    if (interface->ifa_addr == NULL || interface->ifa_netmask == NULL ||
        interface->ifa_addr->sa_family != AF_INET || (interface->ifa_flags & IFF_UP) == 0)
        return;
    memcpy(&address, interface->ifa_addr, sizeof(address));
    memcpy(&mask, interface->ifa_netmask, sizeof(mask));
    net = ntohl(address.sin_addr.s_addr);
    bits = is_class ? ~(uint32_t)0 << (32 - class_prefix(net)) : ntohl(mask.sin_addr.s_addr);
    address.sin_addr.s_addr = htonl(net & bits);
    if (inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)) != NULL)
        add_network(import, list,
                    arena_printf(&import->arena, "%s/%d", text, __builtin_popcount(bits)));
}

/* mynetworks_style: those of this machine's interfaces, as Postfix would take them. */
static void write_networks(struct import *import)
{
    const struct import_entry *entry =
        import_find(&import->parameters, SPAN_LITERAL("mynetworks_style"));
    const char *style = import_value(import, "mynetworks_style");
    struct place place = entry != NULL ? entry->place : PLACE_DEFAULT;
    struct import_list list = {0};
    struct ifaddrs *first;

    if (import_find(&import->parameters, SPAN_LITERAL("mynetworks")) != NULL)
        return;
    if (strcmp(style, "host") == 0) {
        if (entry != NULL)
            import_note(import, IMPORT_NOT_NEEDED, place, "mynetworks_style", "it is the default");
        return;
    }
    if (getifaddrs(&first) != 0)
        return; /* a kernel without */
    for (const struct ifaddrs *one = first; one != NULL; one = one->ifa_next)
        add_subnet(import, one, strcmp(style, "class") == 0, &list);
    freeifaddrs(first);
    add_network(import, &list, "[::1]/128");
    import_comment(import, "", "%s: mynetworks_style = %s, on this machine",
                   import_place(import, place), style);
    import_write_list(import, "", "mynetworks", &list);
    import_note(import, IMPORT_CARRIED, place, "mynetworks_style",
                "%s: mynetworks is what the interfaces of this machine have now", style);
}

/* ---- Postfix's defaults ----------------------------------------------------------------------- */

/* True if a word of the list refuses. */
static bool refuses(struct import *import, const char *name)
{
    static const char *const words[] = {"reject", "defer", "reject_unauth_destination",
                                        "defer_unauth_destination"};
    struct sluice_span rest = sluice_span_of(import_value(import, name));
    struct sluice_span item;

    while (list_next(&rest, &item)) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (span_equal(item, sluice_span_of(words[i])))
                return true;
        }
    }
    return false;
}

/* Is Postfix's default needed? */
static bool is_needed(struct import *import, const char *name)
{
    if (strcmp(name, "smtpd_relay_restrictions") == 0) /* old ones: the other list has it all */
        return refuses(import, name) || refuses(import, "smtpd_recipient_restrictions");
    if (strcmp(name, "smtpd_etrn_restrictions") == 0) /* sites that are nobody's network release */
        return import_value(import, "defer_transports")[0] != '\0';
    return import_value(import, "mydestination")[0] != '\0';
}

static void write_default(struct import *import, const char *name)
{
    const struct sluice_option *option = import_option(import, name);
    const struct import_entry entry = {.name = name, .value = import_default(name)};

    if (option == NULL || import_find(&import->parameters, sluice_span_of(name)) != NULL ||
        (option->fallback != NULL && strcmp(option->fallback, entry.value) == 0) ||
        !is_needed(import, name))
        return;
    import_carry_list(import, &entry, option);
}

void import_write_defaults(struct import *import)
{
    static const char *const names[] = {"mydestination", "smtpd_relay_restrictions",
                                        "smtpd_etrn_restrictions"};
    const char *level = import_value(import, "compatibility_level");
    const struct import_entry *local =
        import_find(&import->parameters, SPAN_LITERAL("mydestination"));

    buffer_add_byte(&import->text, '\n');
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        write_default(import, names[i]);
    write_networks(import);
    if (strtol(level, NULL, 10) < 2 && import_value(import, "mydestination")[0] != '\0' &&
        import_find(&import->parameters, SPAN_LITERAL("relay_domains")) == NULL)
        import_note(
            import, IMPORT_NOT_SUPPORTED, PLACE_DEFAULT, "relay_domains",
            "with a compatibility_level below 2 Postfix relays to sub-domains of mydestination: "
            "list those that there are");
    if (import_value(import, "mydestination")[0] != '\0' &&
        !import_has_transport(import, SPAN_LITERAL("local")))
        import_note(import, IMPORT_LOST, local != NULL ? local->place : PLACE_DEFAULT,
                    "mydestination", "there is no local delivery: mail to it is put off");
}
