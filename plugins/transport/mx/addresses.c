/* SPDX-License-Identifier: ISC */
/*
 * addresses: see addresses.h.
 */
#include "addresses.h"

#include <arpa/inet.h>

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

int address_is_v4(const struct address *address)
{
    return memcmp(&address->binary, v4_prefix, sizeof(v4_prefix)) == 0;
}

int address_is_unspecified(const struct address *address)
{
    static const unsigned char zero[sizeof(struct in6_addr)];
    size_t from = address_is_v4(address) ? sizeof(v4_prefix) : 0;

    return memcmp(address->binary.s6_addr + from, zero, sizeof(zero) - from) == 0;
}

int address_equals(const struct address *a, const struct address *b)
{
    return memcmp(&a->binary, &b->binary, sizeof(a->binary)) == 0;
}

sluice_status address_parse(struct sluice_span text, struct address *ret_address)
{
    char copy[INET6_ADDRSTRLEN];
    struct address address;
    const char *zone;

    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text.ptr++;
        text.len -= 2;
    }
    zone = text.len > 0 ? memchr(text.ptr, '%', text.len) : NULL;
    if (zone != NULL)
        text.len = (size_t)(zone - text.ptr);
    if (text.len == 0 || text.len >= sizeof(copy))
        return SLUICE_TEMP;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, &address.binary) != 1) {
        memcpy(&address.binary, v4_prefix, sizeof(v4_prefix));
        if (inet_pton(AF_INET, copy, address.binary.s6_addr + sizeof(v4_prefix)) != 1)
            return SLUICE_TEMP;
    }
    *ret_address = address;
    return SLUICE_OK;
}

void address_format(const struct address *address, char text[INET6_ADDRSTRLEN])
{
    const unsigned char *bytes = address->binary.s6_addr;

    /* Both cannot fail: the buffer is large enough for either. */
    if (address_is_v4(address))
        (void)inet_ntop(AF_INET, bytes + sizeof(v4_prefix), text, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN);
}

void addresses_add(struct address_list *list, struct sluice_span name,
                   const struct address *address)
{
    struct host_address *added;

    if (list->count == ADDRESSES_MAX || name.len > DESTINATION_NAME_MAX)
        return;
    added = &list->list[list->count++];
    memcpy(added->name, name.ptr, name.len);
    added->name[name.len] = '\0';
    added->address = *address;
    added->is_backup = 0;
}

/* xorshift64: to spread load over hosts, not to keep a secret. */
static uint64_t next_random(uint64_t *random)
{
    uint64_t x = *random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *random = x;
    return x;
}

void addresses_shuffle(struct address_list *list, size_t first, uint64_t *random)
{
    for (size_t left = list->count - first; left > 1; left--) {
        size_t pick = first + (size_t)(next_random(random) % left);
        struct host_address *last = &list->list[first + left - 1];
        struct host_address moved = *last;

        *last = list->list[pick];
        list->list[pick] = moved;
    }
}

void addresses_put_first(struct address_list *list, size_t first, int is_v4)
{
    size_t place = first;

    for (size_t i = first; i < list->count; i++) {
        struct host_address moved = list->list[i];

        if (address_is_v4(&moved.address) != is_v4)
            continue;
        memmove(&list->list[place + 1], &list->list[place], (i - place) * sizeof(moved));
        list->list[place++] = moved;
    }
}

void addresses_limit(struct address_list *list, size_t limit)
{
    size_t of_family[2] = {0, 0}, places[2], kept = 0;

    if (limit == 0 || list->count <= limit)
        return;
    for (size_t i = 0; i < list->count; i++)
        of_family[address_is_v4(&list->list[i].address)]++;
    for (int family = 0; family < 2; family++) {
        size_t other = of_family[1 - family];

        places[family] = limit - (other < limit / 2 ? other : limit / 2);
    }
    for (size_t i = 0; i < list->count && kept < limit; i++) {
        int family = address_is_v4(&list->list[i].address);

        if (places[family] > 0) {
            places[family]--;
            list->list[kept++] = list->list[i];
        }
    }
    list->count = kept;
}
