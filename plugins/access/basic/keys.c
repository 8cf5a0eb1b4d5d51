/* SPDX-License-Identifier: ISC */
/*
 * keys: which parts of a name or an address are looked for in an access table, in which order (access(5),
 * spec tables.md): the most special one first. Tables of patterns are asked for the whole alone.
 */
#include "basic.h"

#include "sluice/lookup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX_LEN 1023

struct taken {
    char *value;
    bool has_failed;
};

static void take_value(void *user, struct sluice_span value)
{
    struct taken *taken = user;

    free(taken->value);
    taken->value = value.len > 0 ? strndup(value.ptr, value.len) : NULL;
    taken->has_failed = taken->value == NULL;
}

/* The host has told the log why a table cannot be asked. */
static void drop_reason(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)errors;
    (void)dsn;
    (void)text;
}

sluice_status keys_find_one(const struct question *question, const char *table,
                            struct sluice_span key, bool is_part, char **ret_value)
{
    static const struct sluice_errors errors = {.struct_size = sizeof(errors),
                                                .explain = drop_reason};
    const struct sluice_access *access = question->access;
    struct taken taken = {0};

    if (key.len == 0)
        return SLUICE_NOT_FOUND;
    if (access->tables == NULL || !SLUICE_HAS(struct sluice_tables, access->tables, find_part))
        return SLUICE_TEMP;
    sluice_status st = (is_part ? access->tables->find_part : access->tables->find)(
        access->host, table, key, question->deadline_ms, &taken, take_value, &errors);
    if (st == SLUICE_OK && taken.value != NULL && !taken.has_failed) {
        *ret_value = taken.value;
        return SLUICE_OK;
    }
    free(taken.value);
    return st == SLUICE_NOT_FOUND ? st : SLUICE_TEMP;
}

/* In the table that is the argument of the word. */
static sluice_status find(const struct question *question, struct sluice_span key, bool is_part,
                          char **ret_value)
{
    char table[KEY_MAX_LEN + 1];

    if (!to_text(question->request->argument, table, sizeof(table)))
        return SLUICE_TEMP;
    return keys_find_one(question, table, key, is_part, ret_value);
}

/* The name and its parents: "tld", or ".tld", as parent_domain_matches_subdomains says. */
static sluice_status find_domain(const struct question *question, struct sluice_span name,
                                 bool is_part, char **ret_value)
{
    bool has_parents = !networks_is_address(name);
    sluice_status st = find(question, name, is_part, ret_value);

    while (st == SLUICE_NOT_FOUND && has_parents && name.len > 1) {
        const char *dot = memchr(name.ptr + 1, '.', name.len - 1);
        if (dot == NULL)
            break;
        name.len -= (size_t)(dot - name.ptr);
        name.ptr = dot;
        if (question->access->parents_match) {
            name.ptr++;
            name.len--;
        }
        st = find(question, name, true, ret_value);
    }
    return st;
}

sluice_status keys_find_name(const struct question *question, struct sluice_span name,
                             char **ret_value)
{
    return find_domain(question, name, false, ret_value);
}

/* 192.0.2.1, 192.0.2, 192.0, 192. */
sluice_status keys_find_address(const struct question *question, const char *address,
                                char **ret_value)
{
    char key[INET6_ADDRSTRLEN];
    char separator = strchr(address, ':') != NULL ? ':' : '.';
    char *end = key;

    if (!to_text(sluice_span_of(address), key, sizeof(key)))
        return SLUICE_NOT_FOUND;
    sluice_status st = find(question, sluice_span_of(key), false, ret_value);
    while (st == SLUICE_NOT_FOUND && (end = strrchr(key, separator)) != NULL) {
        *end = '\0';
        st = find(question, sluice_span_of(key), true, ret_value);
    }
    return st;
}

/* ---- mail addresses -------------------------------------------------------------------------- */

/* user+extension and what follows it, then user. */
static sluice_status find_user(const struct question *question, struct sluice_span local,
                               const char *rest, bool is_part, char **ret_value)
{
    size_t user = sluice_user_len(local, question->access->delimiters);
    char key[KEY_MAX_LEN + 1];

    (void)snprintf(key, sizeof(key), "%.*s%s", (int)local.len, local.ptr, rest);
    sluice_status st = find(question, sluice_span_of(key), is_part, ret_value);
    if (st != SLUICE_NOT_FOUND || user == local.len)
        return st;
    (void)snprintf(key, sizeof(key), "%.*s%s", (int)user, local.ptr, rest);
    return find(question, sluice_span_of(key), true, ret_value);
}

/* The null sender has a key of its own; who has no domain is in ours. */
sluice_status keys_find_mail(const struct question *question, struct sluice_span mail,
                             char **ret_value)
{
    const struct sluice_access *access = question->access;
    struct sluice_span domain = domain_of(mail);
    struct sluice_span local = mail;
    char at_domain[NAME_MAX_LEN + 2];

    if (mail.len == 0)
        return find(question, sluice_span_of(access->null_key), false, ret_value);
    if (domain.len == mail.len)
        domain = sluice_span_of(access->origin);
    else
        local.len = mail.len - domain.len - 1;
    if (domain.len > NAME_MAX_LEN || local.len + domain.len > KEY_MAX_LEN - 1)
        return SLUICE_NOT_FOUND; /* longer than any address may be */
    (void)snprintf(at_domain, sizeof(at_domain), "@%.*s", (int)domain.len, domain.ptr);
    sluice_status st = find_user(question, local, at_domain, false, ret_value);
    if (st == SLUICE_NOT_FOUND)
        st = find_domain(question, domain, true, ret_value);
    if (st == SLUICE_NOT_FOUND)
        st = find_user(question, local, "@", true, ret_value);
    return st;
}

/* ---- check_..._access ------------------------------------------------------------------------ */

/* The name, then the address; that is a span of a numeric address. */
static sluice_status find_client(const struct question *question, char **ret_value)
{
    char address[INET6_ADDRSTRLEN];
    sluice_status st = keys_find_name(question, subject_of(question), ret_value);

    if (st == SLUICE_NOT_FOUND &&
        to_text(question->request->client_address, address, sizeof(address)))
        st = keys_find_address(question, address, ret_value);
    return st;
}

static sluice_status find_subject(const struct question *question, char **ret_value)
{
    struct sluice_span subject = subject_of(question);
    int32_t stage = question->request->stage;

    switch (question->word->about) {
    case SLUICE_ABOUT_CLIENT:
        return find_client(question, ret_value);
    case SLUICE_ABOUT_SENDER: /* empty: the null sender; but ETRN and an early VRFY have none */
        return subject.ptr == NULL ? SLUICE_NOT_FOUND
                                   : keys_find_mail(question, subject, ret_value);
    case SLUICE_ABOUT_RECIPIENT:
        return stage == SLUICE_STAGE_RCPT ? keys_find_mail(question, subject, ret_value)
                                          : SLUICE_NOT_FOUND;
    default:
        return keys_find_name(question, subject, ret_value);
    }
}

/* spec R-10: a recipient with a route of its own is too suspicious to be let through. */
static bool may_permit(const struct question *question)
{
    return question->word->about != SLUICE_ABOUT_RECIPIENT ||
           (question->request->facts & SLUICE_FACT_ROUTED) == 0;
}

sluice_status decide_access(const struct question *question)
{
    char *value = NULL;
    sluice_status st = find_subject(question, &value);

    if (st == SLUICE_OK)
        st = result_take(question, value, may_permit(question));
    else if (st == SLUICE_NOT_FOUND)
        st = SLUICE_OK;
    else
        st = misconfigured(question, question->word->about);
    free(value);
    return st;
}
