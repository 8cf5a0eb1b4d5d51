/* SPDX-License-Identifier: ISC */
/*
 * address: numeric only; nothing here asks a name server.
 */
#include "net/address.h"

#include "base/span.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>

struct sluice_span address_bytes(const struct address *address)
{
    const char *v6 = (const char *)&address->v6.sin6_addr;

    if (address->any.sa_family == AF_INET)
        return (struct sluice_span){.ptr = (const char *)&address->v4.sin_addr, .len = 4};
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        return (struct sluice_span){.ptr = v6 + 12, .len = 4};
    if (address->any.sa_family == AF_INET6)
        return (struct sluice_span){.ptr = v6, .len = 16};
    return SPAN_EMPTY; /* a local socket */
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool parse_v4(const char *text, uint16_t port, struct address *ret_address)
{
    struct address address = {.len = sizeof(address.v4)};

    if (inet_pton(AF_INET, text, &address.v4.sin_addr) != 1)
        return false;
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    *ret_address = address;
    return true;
}

static bool parse_v6(const char *text, uint16_t port, struct address *ret_address)
{
    struct address address = {.len = sizeof(address.v6)};

    if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1)
        return false;
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    *ret_address = address;
    return true;
}

sluice_status address_parse(struct sluice_span text, uint16_t port, struct address *ret_address)
{
    const struct sluice_span tag = SPAN_LITERAL("IPv6:");
    bool is_tagged = span_starts_case(text, tag);
    char copy[ADDRESS_TEXT_SIZE];

    if (is_tagged)
        text = span_skip(text, tag.len);
    if (text.len == 0 || text.len >= sizeof(copy) || span_find(text, '\0') < text.len)
        return SLUICE_NOT_FOUND;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    bool is_address =
        (!is_tagged && parse_v4(copy, port, ret_address)) || parse_v6(copy, port, ret_address);
    return is_address ? SLUICE_OK : SLUICE_NOT_FOUND;
}

/* Takes "[address]" off rest; false if it does not begin so. */
static bool take_bracketed(struct sluice_span *rest, struct sluice_span *ret_inside)
{
    size_t end = span_find(*rest, ']');

    if (rest->len == 0 || rest->ptr[0] != '[' || end == rest->len)
        return false;
    *ret_inside = span_skip(span_first(*rest, end), 1);
    *rest = span_skip(*rest, end + 1);
    return true;
}

sluice_status address_parse_listen(struct sluice_span text, struct address *ret_address,
                                   struct error *err)
{
    struct sluice_span rest = text;
    struct sluice_span host;
    uint64_t port;

    if (!take_bracketed(&rest, &host)) {
        size_t colon = span_find(text, ':');
        host = span_first(text, colon);
        rest = span_skip(text, colon);
    }
    if (rest.len == 0 || rest.ptr[0] != ':' || !span_to_u64(span_skip(rest, 1), &port) ||
        port > UINT16_MAX)
        return error_set(err, SLUICE_CONFIG, "\"%.*s\": want address:port or [IPv6 address]:port",
                         SPAN_ARGS(text));
    if (address_parse(host, (uint16_t)port, ret_address) != SLUICE_OK)
        return error_set(err, SLUICE_CONFIG, "\"%.*s\": \"%.*s\" is not a numeric address",
                         SPAN_ARGS(text), SPAN_ARGS(host));
    return SLUICE_OK;
}

void address_from_sockaddr(const struct sockaddr *from, socklen_t len, struct address *ret)
{
    *ret = (struct address){.len = len < sizeof(ret->v6) ? len : sizeof(ret->v6)};
    memcpy(&ret->any, from, ret->len);
}

/* Several times for each message: inet_ntop() takes 0.4 µs. */
static void format_v4(const unsigned char bytes[4], char out[ADDRESS_TEXT_SIZE])
{
    struct text text = text_open(out, ADDRESS_TEXT_SIZE);

    for (int i = 0; i < 4; i++) {
        if (i > 0)
            text_add(&text, ".");
        text_add_number(&text, bytes[i], 1);
    }
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    struct sluice_span bytes = address_bytes(address);

    if (bytes.len == 4)
        format_v4((const unsigned char *)bytes.ptr, text);
    else if (bytes.len == 0 || inet_ntop(AF_INET6, bytes.ptr, text, ADDRESS_TEXT_SIZE) == NULL)
        text_copy(text, ADDRESS_TEXT_SIZE, "unknown");
    return text;
}

const char *address_format_port(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char host[ADDRESS_TEXT_SIZE];
    bool is_v6 = address_bytes(address).len == 16;
    /* Longest: 45 characters, brackets, colon, five digits. */
    int len = snprintf(text, ADDRESS_TEXT_SIZE, is_v6 ? "[%.46s]:%u" : "%.46s:%u",
                       address_format(address, host), (unsigned)address_port(address));

    (void)len;
    return text;
}

uint16_t address_port(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return 0;
}

bool address_is_wildcard(const struct address *address)
{
    struct sluice_span bytes = address_bytes(address);

    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] != 0)
            return false;
    }
    return bytes.len > 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    struct sluice_span bytes = address_bytes(a);

    return bytes.len > 0 && span_equal(bytes, address_bytes(b));
}

/* ---- networks -------------------------------------------------------------------------------- */

static bool bit_at(struct sluice_span bytes, size_t bit)
{
    return ((unsigned char)bytes.ptr[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static bool has_host_bits(struct sluice_span bytes, size_t prefix)
{
    for (size_t bit = prefix; bit < bytes.len * 8; bit++) {
        if (bit_at(bytes, bit))
            return true;
    }
    return false;
}

/* rest: empty or "/prefix". */
static bool parse_prefix(struct sluice_span rest, size_t bits, unsigned *ret_prefix)
{
    uint64_t prefix = bits;

    if (rest.len > 0 && (rest.ptr[0] != '/' || !span_to_u64(span_skip(rest, 1), &prefix)))
        return false;
    if (prefix > bits)
        return false;
    *ret_prefix = (unsigned)prefix;
    return true;
}

/* "::ffff:127.0.0.0/104" is 127.0.0.0/8, as the address is. False: bad prefix. */
static bool unmap_prefix(struct sluice_span host, struct sluice_span rest, unsigned *ret_prefix)
{
    bool is_mapped = span_find(host, ':') < host.len;
    unsigned extra = is_mapped ? 96 : 0;

    if (!parse_prefix(rest, 32 + extra, ret_prefix) || *ret_prefix < extra)
        return false;
    *ret_prefix -= extra;
    return true;
}

sluice_status network_parse(struct sluice_span text, struct network *ret_network, struct error *err)
{
    struct network network = {.is_negated = text.len > 0 && text.ptr[0] == '!'};
    struct sluice_span rest = span_skip(text, network.is_negated ? 1 : 0);
    struct sluice_span host;

    if (!take_bracketed(&rest, &host)) {
        size_t slash = span_find(rest, '/');
        host = span_first(rest, slash);
        rest = span_skip(rest, slash);
    }
    if (address_parse(host, 0, &network.address) != SLUICE_OK)
        return error_set(err, SLUICE_CONFIG, "\"%.*s\": not an address or network",
                         SPAN_ARGS(text));
    struct sluice_span bytes = address_bytes(&network.address);
    if (bytes.len == 4 ? !unmap_prefix(host, rest, &network.prefix)
                       : !parse_prefix(rest, bytes.len * 8, &network.prefix))
        return error_set(err, SLUICE_CONFIG, "\"%.*s\": bad network prefix", SPAN_ARGS(text));
    if (has_host_bits(bytes, network.prefix))
        return error_set(err, SLUICE_CONFIG, "\"%.*s\": bits behind the prefix are not zero",
                         SPAN_ARGS(text));
    *ret_network = network;
    return SLUICE_OK;
}

bool network_contains(const struct network *network, const struct address *address)
{
    struct sluice_span net = address_bytes(&network->address);
    struct sluice_span bytes = address_bytes(address);

    if (net.len == 0 || net.len != bytes.len)
        return false;
    size_t whole = network->prefix / 8;
    if (memcmp(net.ptr, bytes.ptr, whole) != 0)
        return false;
    for (size_t bit = whole * 8; bit < network->prefix; bit++) {
        if (bit_at(net, bit) != bit_at(bytes, bit))
            return false;
    }
    return true;
}
