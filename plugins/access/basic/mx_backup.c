/* SPDX-License-Identifier: ISC */
/*
 * mx_backup: permit_mx_backup (spec ): mail for domains that have us as a mail exchanger, but
 * not as one of the best.
 */
#include "basic.h"

#include <stdio.h>
#include <stdlib.h>

/* An MX list, the best of it first. */
struct exchangers {
    const struct question *question;
    struct hosts hosts;
    size_t primary_count; /* those of the best preference */
};

static int by_preference(const void *one, const void *other)
{
    const struct host *a = one;
    const struct host *b = other;

    return (a->preference > b->preference) - (a->preference < b->preference);
}

static void sort(struct exchangers *exchangers)
{
    struct hosts *hosts = &exchangers->hosts;

    qsort(hosts->items, hosts->count, sizeof(hosts->items[0]), by_preference);
    while (exchangers->primary_count < hosts->count &&
           hosts->items[exchangers->primary_count].preference == hosts->items[0].preference)
        exchangers->primary_count++;
}

/* spec R-41: addresses count, whatever the names are. */
static bool is_one_of_us(const struct exchangers *exchangers, size_t from, size_t to)
{
    const struct question *question = exchangers->question;
    bool is_us = false;

    for (size_t i = from; !is_us && i < to; i++) {
        struct hosts addresses;

        (void)hosts_find_addresses(question, exchangers->hosts.items[i].name, &addresses);
        for (size_t j = 0; !is_us && j < addresses.count; j++)
            is_us = networks_match(&question->access->own, question, addresses.items[j].name) ==
                    SLUICE_OK;
        hosts_done(&addresses);
    }
    return is_us;
}

/* For now, if nobody permits it otherwise. */
static sluice_status unsure(const struct question *question, const char *what, const char *why)
{
    char text[TEXT_MAX_LEN + 1];

    (void)snprintf(text, sizeof(text), "Unable to look up %s: %s", what, why);
    return postpone(question, SLUICE_VERDICT_DEFER_IF_REJECT, SLUICE_ABOUT_RECIPIENT, 450, "4.4",
                    text);
}

/* OK: all addresses of a primary are in permit_mx_backup_networks; NOT_FOUND; TEMP and *ret_why: it must
 * have one (spec R-40, 9). */
static sluice_status is_in_networks(const struct question *question, const char *name,
                                    const char **ret_why)
{
    struct hosts addresses;
    sluice_status st = hosts_find_addresses(question, name, &addresses);

    if (st != SLUICE_OK) {
        *ret_why = st == SLUICE_NOT_FOUND ? "Name or service not known"
                                          : "Temporary failure in name resolution";
        st = SLUICE_TEMP;
    }
    for (size_t i = 0; st == SLUICE_OK && i < addresses.count; i++)
        st = networks_match(&question->access->primaries, question, addresses.items[i].name);
    hosts_done(&addresses);
    return st;
}

static sluice_status judge_primaries(const struct exchangers *exchangers)
{
    const struct question *question = exchangers->question;

    for (size_t i = 0; i < exchangers->primary_count; i++) {
        const char *name = exchangers->hosts.items[i].name;
        char what[NAME_MAX_LEN + sizeof("mail exchanger host ")];
        const char *why = "Temporary failure in name resolution"; /* networks in a table, too */
        sluice_status st = is_in_networks(question, name, &why);

        (void)snprintf(what, sizeof(what), "mail exchanger host %s", name);
        if (st == SLUICE_TEMP)
            return unsure(question, what, why);
        if (st != SLUICE_OK)
            return SLUICE_OK;
    }
    return permit(question);
}

static sluice_status judge(struct exchangers *exchangers)
{
    size_t count = exchangers->hosts.count;

    sort(exchangers);
    if (is_one_of_us(exchangers, 0, exchangers->primary_count) ||
        !is_one_of_us(exchangers, exchangers->primary_count, count))
        return SLUICE_OK;
    if (exchangers->question->access->primaries.count == 0)
        return permit(exchangers->question); /* spec R-43 */
    return judge_primaries(exchangers);
}

static sluice_status ask_for_exchangers(const struct question *question, const char *domain)
{
    struct exchangers exchangers = {.question = question};
    sluice_status result = SLUICE_OK;
    sluice_status st = hosts_find(question, domain, SLUICE_DNS_MX, &exchangers.hosts);

    if (st == SLUICE_TEMP)
        result = unsure(question, "mail exchanger information", "Host not found, try again");
    else if (st == SLUICE_OK && !hosts_is_null_mx(&exchangers.hosts))
        result = judge(&exchangers);
    hosts_done(&exchangers.hosts);
    return result;
}

sluice_status decide_mx_backup(const struct question *question)
{
    const struct sluice_access_request *request = question->request;
    struct sluice_span domain = domain_of(request->recipient);
    char name[NAME_MAX_LEN + 1];

    if (request->stage != SLUICE_STAGE_RCPT || (request->facts & SLUICE_FACT_ROUTED) != 0)
        return SLUICE_OK;
    if ((request->facts & SLUICE_FACT_AUTH_DESTINATION) != 0)
        return permit(question);
    if (domain.len == 0 || domain.len == request->recipient.len || domain.ptr[0] == '[' ||
        !to_text(domain, name, sizeof(name)))
        return SLUICE_OK;
    return ask_for_exchangers(question, name);
}
