/* SPDX-License-Identifier: ISC */
/*
 * destination: see destination.h.
 */
#include "destination.h"

#include <arpa/inet.h>
#include <strings.h>

#define IPV6_TAG "ipv6:"
#define INET_TAG "inet:"
#define LABEL_MAX 63

static int is_bracketed(struct sluice_span text)
{
    return text.len > 0 && text.ptr[0] == '[';
}

int destination_is_host(struct sluice_span *text)
{
    if (text->len <= strlen(INET_TAG) || memcmp(text->ptr, INET_TAG, strlen(INET_TAG)) != 0)
        return is_bracketed(*text);
    text->ptr += strlen(INET_TAG);
    text->len -= strlen(INET_TAG);
    return 1;
}

static int is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_'; /* no host name's character, but in the field's DNS */
}

static int is_host_name(const char *name)
{
    size_t label = 0;

    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '.' && label == 0)
            return 0;
        if (*p != '.' && (!is_host_char(*p) || label == LABEL_MAX))
            return 0;
        label = *p == '.' ? 0 : label + 1;
    }
    return label > 0;
}

static int is_numeric(const char *name)
{
    unsigned char binary[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, binary) == 1 || inet_pton(AF_INET6, name, binary) == 1;
}

static sluice_status set_name(struct destination *destination, struct sluice_span text)
{
    int is_tagged =
        text.len > strlen(IPV6_TAG) && strncasecmp(text.ptr, IPV6_TAG, strlen(IPV6_TAG)) == 0;

    if (is_tagged) { /* as in an address literal of RFC 5321 4.1.3 */
        text.ptr += strlen(IPV6_TAG);
        text.len -= strlen(IPV6_TAG);
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > DESTINATION_NAME_MAX ||
        memchr(text.ptr, '\0', text.len) != NULL)
        return SLUICE_TEMP;
    memcpy(destination->name, text.ptr, text.len);
    destination->name[text.len] = '\0';
    destination->is_numeric = is_numeric(destination->name);
    if (is_tagged && (!destination->is_numeric || strchr(destination->name, ':') == NULL))
        return SLUICE_TEMP;
    return destination->is_numeric || is_host_name(destination->name) ? SLUICE_OK : SLUICE_TEMP;
}

/* Where the name ends: at the colon of the port, or at the end; NULL if there are several colons,
 * unless that is a bare IPv6 address. */
static const char *plain_end(struct sluice_span text)
{
    const char *end = text.ptr + text.len;
    const char *first = memchr(text.ptr, ':', text.len);
    struct destination whole;

    if (first == NULL)
        return end;
    if (memchr(first + 1, ':', (size_t)(end - first) - 1) == NULL)
        return first;
    return set_name(&whole, text) == SLUICE_OK ? end : NULL;
}

sluice_status destination_parse(struct sluice_span text, const struct services *services,
                                struct destination *ret_destination)
{
    struct destination destination = {.port = 0};
    int has_brackets = is_bracketed(text);
    struct sluice_span name = text, rest;
    const char *end;

    if (text.len == 0)
        return SLUICE_TEMP;
    end = has_brackets ? memchr(text.ptr, ']', text.len) : plain_end(text);
    if (end == NULL)
        return SLUICE_TEMP;
    if (has_brackets)
        name.ptr++;
    name.len = (size_t)(end - name.ptr);
    rest.ptr = has_brackets ? end + 1 : end;
    rest.len = text.len - (size_t)(rest.ptr - text.ptr);
    if (set_name(&destination, name) != SLUICE_OK)
        return SLUICE_TEMP;
    if (rest.len > 0) {
        struct sluice_span port = {rest.ptr + 1, rest.len - 1};

        destination.port = services_port(services, port);
        if (rest.ptr[0] != ':' || destination.port == 0)
            return SLUICE_TEMP;
    }
    *ret_destination = destination;
    return SLUICE_OK;
}
