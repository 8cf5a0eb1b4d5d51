/* SPDX-License-Identifier: ISC */
/*
 * cidr: tables of networks: "cidr:/etc/sluice/clients", with lines like "192.0.2.0/24 OK".
 *
 * A key that is no address is in none of them. IPv6 networks may stand in brackets, with their length
 * inside or outside. The notation of the file is that of common/rules.h.
 */
#include "rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64 /* of an address, with its NUL */

struct rules_pattern {
    int family;
    unsigned char address[16];
    unsigned length; /* bits that count */
};

static unsigned bits_of(int family)
{
    return family == AF_INET6 ? 128 : 32;
}

static bool read_address(const char *text, int *ret_family, unsigned char *ret_address)
{
    *ret_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(*ret_family, text, ret_address) == 1;
}

/* Clears what is behind the length. True: there was nothing. */
static bool clear_host(unsigned char *address, unsigned length, unsigned bits)
{
    bool is_clear = true;

    for (unsigned bit = length; bit < bits; bit++) {
        unsigned char mask = (unsigned char)(0x80u >> bit % 8);

        is_clear = is_clear && (address[bit / 8] & mask) == 0;
        address[bit / 8] = (unsigned char)(address[bit / 8] & ~mask);
    }
    return is_clear;
}

static bool read_length(const char *text, unsigned bits, unsigned *ret_length)
{
    char *end;
    unsigned long length = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || length > bits)
        return false;
    *ret_length = (unsigned)length;
    return true;
}

/* "[::1]/64" and "[::1/64]" as "::1/64"; false: it is too long, or a bracket is missing. */
static bool without_brackets(const char *text, char *plain)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;

    if (strlen(text) >= TEXT_MAX || (text[0] == '[' && end == NULL))
        return false;
    if (end == NULL)
        (void)snprintf(plain, TEXT_MAX, "%s", text);
    else
        (void)snprintf(plain, TEXT_MAX, "%.*s%s", (int)(end - text) - 1, text + 1, end + 1);
    return true;
}

/* NULL, or what is wrong with the network, for a text of its own. */
static const char *read_network(const char *text, struct rules_pattern *network)
{
    char plain[TEXT_MAX];
    char *slash;

    if (!without_brackets(text, plain))
        return "bad address pattern";
    slash = strchr(plain, '/');
    if (slash != NULL)
        *slash = '\0';
    if (!read_address(plain, &network->family, network->address))
        return "bad address pattern";
    network->length = bits_of(network->family);
    if (slash != NULL && !read_length(slash + 1, network->length, &network->length))
        return "bad mask value";
    return NULL;
}

static struct rules_pattern *cidr_compile(const char *text, const char *flags, size_t *ret_parts,
                                          char why[RULES_WHY_MAX])
{
    struct rules_pattern *network = calloc(1, sizeof(*network));
    const char *wrong = network != NULL ? read_network(text, network) : "out of memory";
    char meant[INET6_ADDRSTRLEN];

    (void)flags; /* there are none */
    *ret_parts = 0;
    if (wrong != NULL) {
        (void)snprintf(why, RULES_WHY_MAX, "%s in \"%.100s\"", wrong, text);
    } else if (!clear_host(network->address, network->length, bits_of(network->family))) {
        (void)inet_ntop(network->family, network->address, meant, sizeof(meant)); /* has room */
        (void)snprintf(why, RULES_WHY_MAX,
                       "non-null host address bits in \"%.64s\", perhaps you should use \"%s/%u\" "
                       "instead",
                       text, meant, network->length);
    } else {
        return network;
    }
    free(network);
    return NULL;
}

static void cidr_free(struct rules_pattern *network)
{
    free(network);
}

static bool cidr_prepare(struct rules_key *key)
{
    char text[TEXT_MAX];

    if (key->text.len >= sizeof(text) || memchr(key->text.ptr, '\0', key->text.len) != NULL)
        return false;
    (void)snprintf(text, sizeof(text), "%.*s", (int)key->text.len, key->text.ptr);
    return read_address(text, &key->family, key->address);
}

static enum rules_verdict cidr_match(struct rules_pattern *network, const struct rules_key *key,
                                     struct sluice_span *parts, size_t part_count)
{
    unsigned bytes = network->length / 8;
    unsigned char mask = (unsigned char)~(0xffu >> network->length % 8);

    (void)parts;
    (void)part_count;
    if (network->family != key->family)
        return RULES_NEITHER;
    if (memcmp(network->address, key->address, bytes) != 0)
        return RULES_DIFFERS;
    if (mask != 0 && ((network->address[bytes] ^ key->address[bytes]) & mask) != 0)
        return RULES_DIFFERS;
    return RULES_MATCHES;
}

const struct rules_engine rules_engine = {
    .type = "cidr",
    .compile = cidr_compile,
    .free = cidr_free,
    .prepare = cidr_prepare,
    .match = cidr_match,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &rules_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/cidr",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tables of networks, by address",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
