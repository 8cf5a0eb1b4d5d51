/* SPDX-License-Identifier: ISC */
/*
 * servers: check_sender_mx_access and its like: access tables with the names and addresses of the
 * servers that the DNS has for a domain, or with those of a name itself (the type A). What is not in
 * the DNS is not judged.
 */
#include "basic.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* The addresses of a host; a name that has none says nothing. */
static sluice_status find_by_addresses(const struct question *question, const char *name,
                                       char **ret_value)
{
    struct hosts addresses;
    sluice_status st = hosts_find_addresses(question, name, &addresses);

    if (st == SLUICE_TEMP)
        complain(question, "no address of %s: %s", name, addresses.why);
    st = SLUICE_NOT_FOUND;
    for (size_t i = 0; st == SLUICE_NOT_FOUND && i < addresses.count; i++)
        st = keys_find_address(question, addresses.items[i].name, ret_value);
    hosts_done(&addresses);
    return st;
}

static sluice_status find_by_servers(const struct question *question, const struct hosts *servers,
                                     char **ret_value)
{
    sluice_status st = SLUICE_NOT_FOUND;

    for (size_t i = 0; st == SLUICE_NOT_FOUND && i < servers->count; i++) {
        const char *name = servers->items[i].name;

        st = keys_find_name(question, sluice_span_of(name), ret_value);
        if (st == SLUICE_NOT_FOUND)
            st = find_by_addresses(question, name, ret_value);
    }
    return st;
}

/* The name servers of a name are those of the domain that it is in. */
static sluice_status find_servers(const struct question *question, const char *domain,
                                  struct hosts *ret_servers)
{
    uint32_t type = question->word->type;
    sluice_status st = hosts_find(question, domain, type, ret_servers);

    while (st == SLUICE_NOT_FOUND && type == SLUICE_DNS_NS &&
           (domain = strchr(domain, '.')) != NULL && *++domain != '\0') {
        hosts_done(ret_servers);
        st = hosts_find(question, domain, type, ret_servers);
    }
    return st;
}

static sluice_status find_by_domain(const struct question *question, const char *domain,
                                    char **ret_value)
{
    struct hosts servers;
    sluice_status st;

    if (question->word->type == SLUICE_DNS_A)
        return find_by_addresses(question, domain, ret_value);
    st = find_servers(question, domain, &servers);
    if (st == SLUICE_TEMP)
        complain(question, "no servers of %s: %s", domain, servers.why);
    if (st == SLUICE_OK && hosts_is_null_mx(&servers))
        st = SLUICE_NOT_FOUND;
    else if (st == SLUICE_OK)
        st = find_by_servers(question, &servers, ret_value);
    else if (st == SLUICE_NOT_FOUND && question->word->type == SLUICE_DNS_MX) /* is its own */
        st = find_by_addresses(question, domain, ret_value);
    else
        st = SLUICE_NOT_FOUND;
    hosts_done(&servers);
    return st;
}

/* "[192.0.2.1]" is its own server for mail. */
static sluice_status find_by_literal(const struct question *question, char *literal,
                                     char **ret_value)
{
    static const char tag[] = "[IPv6:";
    size_t len = strlen(literal);
    size_t skip = strncasecmp(literal, tag, sizeof(tag) - 1) == 0 ? sizeof(tag) - 1 : 1;

    if (question->word->type == SLUICE_DNS_NS || len < skip + 2 || literal[len - 1] != ']')
        return SLUICE_NOT_FOUND;
    literal[len - 1] = '\0';
    return keys_find_address(question, literal + skip, ret_value);
}

static sluice_status find(const struct question *question, char **ret_value)
{
    struct sluice_span domain = domain_of(subject_of(question));
    char name[NAME_MAX_LEN + 1];

    if (domain.len == 0 || !to_text(domain, name, sizeof(name)) || strcmp(name, UNKNOWN) == 0)
        return SLUICE_NOT_FOUND;
    if (name[0] == '[')
        return find_by_literal(question, name, ret_value);
    return find_by_domain(question, name, ret_value);
}

sluice_status decide_server_access(const struct question *question)
{
    char *value = NULL;
    sluice_status st = find(question, &value);

    if (st == SLUICE_OK)
        st = result_take(question, value, true);
    else if (st == SLUICE_NOT_FOUND)
        st = SLUICE_OK;
    else
        st = misconfigured(question, question->word->about);
    free(value);
    return st;
}
