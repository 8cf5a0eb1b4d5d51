/* SPDX-License-Identifier: ISC */
/* mailhost: answers of the DNS, gathered. */
#include "basic.h"

#include <stdio.h>
#include <stdlib.h>

struct gathering {
    struct sluice_dns_sink sdk;
    struct hosts *hosts;
    bool *has_failed;
};

static void gather(const struct sluice_dns_sink *sdk, const struct sluice_dns_record *record)
{
    const struct gathering *gathering = (const struct gathering *)(const void *)sdk;
    struct hosts *hosts = gathering->hosts;

    if (hosts->count >= HOSTS_MAX)
        return;
    struct host *more = realloc(hosts->items, (hosts->count + 1) * sizeof(*more));
    if (more == NULL) {
        *gathering->has_failed = true;
        return;
    }
    hosts->items = more;
    struct host *host = &hosts->items[hosts->count];
    host->preference = record->preference;
    if (to_text(record->target, host->name, sizeof(host->name)))
        hosts->count++;
}

/* An answer that does not come is no failure of ours: where it goes, the caller says. */
struct reason {
    struct sluice_errors sdk;
    char *text; /* TEXT_MAX_LEN + 1 */
};

static void keep_reason(const struct sluice_errors *sdk, const char *dsn, const char *text)
{
    const struct reason *reason = (const struct reason *)(const void *)sdk;

    (void)dsn;
    (void)snprintf(reason->text, TEXT_MAX_LEN + 1, "%s", text);
}

static sluice_status ask(const struct question *question, const char *name, uint32_t type,
                         struct hosts *hosts)
{
    const struct sluice_access *access = question->access;
    bool has_failed = false;
    const struct gathering gathering = {
        .sdk = {.struct_size = sizeof(gathering.sdk), .record = gather},
        .hosts = hosts,
        .has_failed = &has_failed,
    };
    const struct reason reason = {
        .sdk = {.struct_size = sizeof(reason.sdk), .explain = keep_reason}, .text = hosts->why};

    if (access->dns == NULL)
        return SLUICE_TEMP;
    sluice_status st = access->dns->query(access->host, sluice_span_of(name), type,
                                          question->deadline_ms, &gathering.sdk, &reason.sdk);
    if (st == SLUICE_OK && (has_failed || hosts->count == 0))
        return SLUICE_TEMP;
    return st == SLUICE_OK || st == SLUICE_NOT_FOUND ? st : SLUICE_TEMP;
}

sluice_status hosts_find(const struct question *question, const char *name, uint32_t type,
                         struct hosts *ret_hosts)
{
    *ret_hosts = (struct hosts){0};
    return ask(question, name, type, ret_hosts);
}

sluice_status hosts_find_addresses(const struct question *question, const char *name,
                                   struct hosts *ret_hosts)
{
    *ret_hosts = (struct hosts){0};
    sluice_status v4 = ask(question, name, SLUICE_DNS_A, ret_hosts);
    sluice_status v6 = ask(question, name, SLUICE_DNS_AAAA, ret_hosts);

    if (v4 == SLUICE_OK || v6 == SLUICE_OK)
        return SLUICE_OK;
    return v4 == SLUICE_TEMP || v6 == SLUICE_TEMP ? SLUICE_TEMP : SLUICE_NOT_FOUND;
}

void hosts_done(struct hosts *hosts)
{
    free(hosts->items);
    *hosts = (struct hosts){0};
}

bool hosts_is_null_mx(const struct hosts *hosts)
{
    return hosts->count == 1 && hosts->items[0].name[0] == '\0' && hosts->items[0].preference == 0;
}
