/* SPDX-License-Identifier: ISC */
#include "basic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PATTERN_MAX 1023

struct address {
    size_t size; /* 4 or 16 */
    unsigned char bytes[16];
};

struct network {
    struct address address;
    unsigned bits;
    bool is_negated;
    char *table; /* NULL: the address counts */
};

/* An IPv4 address in IPv6's clothes is one of IPv4. */
static bool read_address(const char *text, struct address *ret_address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address address = {.size = 4};

    if (inet_pton(AF_INET, text, address.bytes) != 1) {
        if (inet_pton(AF_INET6, text, address.bytes) != 1)
            return false;
        address.size = 16;
        if (memcmp(address.bytes, mapped, sizeof(mapped)) == 0) {
            address.size = 4;
            memmove(address.bytes, address.bytes + sizeof(mapped), 4);
        }
    }
    *ret_address = address;
    return true;
}

bool networks_is_address(struct sluice_span text)
{
    char copy[INET6_ADDRSTRLEN];
    struct address address;

    return to_text(text, copy, sizeof(copy)) && read_address(copy, &address);
}

/* "192.0.2.0/24", "[2001:db8::]/32", and the same without length. The text is cut into pieces. */
static bool read_network(char *text, struct network *network)
{
    char *slash = strchr(text, '/');
    char *end = text + strlen(text);

    if (slash != NULL) {
        *slash = '\0';
        end = slash;
    }
    if (text[0] == '[' && end[-1] == ']') {
        end[-1] = '\0';
        text++;
    }
    text[strcspn(text, "%")] = '\0'; /* fe80::1%eth0: the link is not compared */
    if (!read_address(text, &network->address))
        return false;
    network->bits = (unsigned)network->address.size * 8;
    if (slash == NULL)
        return true;
    char *after;
    unsigned long bits = strtoul(slash + 1, &after, 10);
    if (slash[1] < '0' || slash[1] > '9' || *after != '\0' || bits > network->bits)
        return false;
    network->bits = (unsigned)bits;
    return true;
}

static sluice_status fail(const struct sluice_errors *errors, sluice_status st, const char *pattern)
{
    char text[PATTERN_MAX + 64];

    (void)snprintf(text, sizeof(text), "%s: %s", pattern,
                   st == SLUICE_CONFIG ? "neither an address, nor a network, nor a table"
                                       : "out of memory");
    errors->explain(errors, "4.3.5", text);
    return st;
}

static sluice_status add_pattern(struct networks *networks, const char *pattern,
                                 const struct sluice_errors *errors)
{
    struct network network = {0};
    char text[PATTERN_MAX + 1];

    network.is_negated = pattern[0] == '!';
    int len = snprintf(text, sizeof(text), "%s", pattern + (network.is_negated ? 1 : 0));
    if (len <= 0 || (size_t)len >= sizeof(text))
        return fail(errors, SLUICE_CONFIG, pattern);
    if (!read_network(text, &network)) {
        if (strchr(pattern, ':') == NULL || pattern[0] == '/')
            return fail(errors, SLUICE_CONFIG, pattern);
        network.table = strdup(pattern + (network.is_negated ? 1 : 0));
        if (network.table == NULL)
            return fail(errors, SLUICE_TEMP, pattern);
    }
    struct network *more = realloc(networks->items, (networks->count + 1) * sizeof(*more));
    if (more == NULL) {
        free(network.table);
        return fail(errors, SLUICE_TEMP, pattern);
    }
    networks->items = more;
    networks->items[networks->count++] = network;
    return SLUICE_OK;
}

/* Patterns, parted by commas and blanks; the line is changed. */
static sluice_status add_line(struct networks *networks, char *line,
                              const struct sluice_errors *errors)
{
    static const char separators[] = ", \t\r\n";
    sluice_status st = SLUICE_OK;

    line += strspn(line, separators);
    while (st == SLUICE_OK && *line != '\0' && *line != '#') {
        char *end = line + strcspn(line, separators);
        bool is_last = *end == '\0';

        *end = '\0';
        st = add_pattern(networks, line, errors);
        line = is_last ? end : end + 1 + strspn(end + 1, separators);
    }
    return st;
}

static sluice_status add_file(struct networks *networks, const char *path,
                              const struct sluice_errors *errors)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    sluice_status st = SLUICE_OK;

    if (file == NULL) {
        char text[PATTERN_MAX + 64];

        (void)snprintf(text, sizeof(text), "open %s: %s", path, strerror(errno));
        errors->explain(errors, "4.3.5", text);
        return SLUICE_CONFIG;
    }
    while (st == SLUICE_OK && getline(&line, &size, file) >= 0)
        st = add_line(networks, line, errors);
    if (st == SLUICE_OK && ferror(file) != 0)
        st = fail(errors, SLUICE_TEMP, path);
    free(line);
    (void)fclose(file); /* it was only read */
    return st;
}

sluice_status networks_add(struct networks *networks, const char *pattern,
                           const struct sluice_errors *errors)
{
    return pattern[0] == '/' ? add_file(networks, pattern, errors)
                             : add_pattern(networks, pattern, errors);
}

void networks_done(struct networks *networks)
{
    for (size_t i = 0; i < networks->count; i++)
        free(networks->items[i].table);
    free(networks->items);
    *networks = (struct networks){0};
}

static bool contains(const struct network *network, const struct address *address)
{
    size_t bytes = network->bits / 8;
    unsigned rest = network->bits % 8;

    if (network->address.size != address->size ||
        memcmp(network->address.bytes, address->bytes, bytes) != 0)
        return false;
    return rest == 0 || (network->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - rest) == 0;
}

static sluice_status match_one(const struct network *network, const struct question *question,
                               const char *text, const struct address *address)
{
    char *value = NULL;

    if (network->table == NULL)
        return contains(network, address) ? SLUICE_OK : SLUICE_NOT_FOUND;
    sluice_status st = keys_find_one(question, network->table, sluice_span_of(text), false, &value);
    free(value);
    return st;
}

sluice_status networks_match(const struct networks *networks, const struct question *question,
                             const char *text)
{
    struct address address;

    if (!read_address(text, &address))
        return SLUICE_NOT_FOUND;
    for (size_t i = 0; i < networks->count; i++) {
        sluice_status st = match_one(&networks->items[i], question, text, &address);
        if (st == SLUICE_OK && networks->items[i].is_negated)
            return SLUICE_NOT_FOUND;
        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return SLUICE_NOT_FOUND;
}
