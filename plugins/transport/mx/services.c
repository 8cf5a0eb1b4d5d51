/* SPDX-License-Identifier: ISC */
/*
 * services: see services.h.
 */
#include "services.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <strings.h>

#define PORT_MAX 65535

void services_done(struct services *services)
{
    free(services->list);
    services->list = NULL;
    services->count = 0;
}

static sluice_status add(struct services *services, struct sluice_span name, uint32_t port)
{
    struct service *list, *added;

    if (name.len == 0 || name.len > SERVICE_NAME_MAX)
        return SLUICE_CONFIG;
    list = realloc(services->list, (services->count + 1) * sizeof(*list));
    if (list == NULL)
        return SLUICE_TEMP;
    services->list = list;
    added = &list[services->count++];
    memcpy(added->name, name.ptr, name.len);
    added->name[name.len] = '\0';
    added->port = port;
    return SLUICE_OK;
}

/* 1 to 65535; 0: no such number. */
static uint32_t parse_number(struct sluice_span text)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(text.ptr[i] - '0');
        if (number > PORT_MAX)
            return 0;
    }
    return number;
}

sluice_status services_add_known(struct services *services, const char *item)
{
    const char *last = strrchr(item, '=');
    uint32_t port = last != NULL ? parse_number(sluice_span_of(last + 1)) : 0;
    sluice_status st = port != 0 ? SLUICE_OK : SLUICE_CONFIG;

    for (const char *name = item; st == SLUICE_OK && name <= last;) {
        size_t len = strcspn(name, "=");

        st = add(services, (struct sluice_span){name, len}, port);
        name += len + 1;
    }
    return st;
}

void services_add_system(struct services *services)
{
    const struct servent *entry;

    setservent(1);
    while ((entry = getservent()) != NULL) {
        uint32_t port = ntohs((uint16_t)entry->s_port);

        if (strcmp(entry->s_proto, "tcp") != 0)
            continue;
        (void)add(services, sluice_span_of(entry->s_name), port);
        for (char **alias = entry->s_aliases; *alias != NULL; alias++)
            (void)add(services, sluice_span_of(*alias), port);
    }
    endservent();
}

uint32_t services_port(const struct services *services, struct sluice_span text)
{
    uint32_t port = parse_number(text);

    for (size_t i = 0; port == 0 && i < services->count; i++) {
        const struct service *service = &services->list[i];

        if (strlen(service->name) == text.len &&
            strncasecmp(service->name, text.ptr, text.len) == 0)
            port = service->port;
    }
    return port;
}
