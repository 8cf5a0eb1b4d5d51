/* SPDX-License-Identifier: ISC */
/* alias: see local.h. */
#include "local.h"

#include "forward.h"
#include "textfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define INCLUDE_DEPTH_MAX 5
#define TOO_MANY "too many members, or no memory for them"

static void add_result(struct visit *visit, sluice_status status, const char *dsn, const char *text)
{
    struct result result;

    (void)result_set(&result, status, dsn, "%s", text);
    visit_add(visit, &result);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The whole local part, then the name without its extension. */
static sluice_status find_value(struct visit *visit, const char **ret_name, char **ret_value)
{
    const struct maps *maps = &visit->transport->alias_maps;
    struct result result;
    sluice_status st;

    *ret_name = visit->local;
    st = maps_find(maps, sluice_span_of(visit->local), false, visit->deadline_ms, ret_value,
                   &result);
    if (st == SLUICE_NOT_FOUND && strcmp(visit->user, visit->local) != 0) {
        *ret_name = visit->user;
        st = maps_find(maps, sluice_span_of(visit->user), true, visit->deadline_ms, ret_value,
                       &result);
    }
    if (st == SLUICE_TEMP)
        visit_add(visit, &result);
    return st;
}

static bool has_special_name(const struct visit *visit, const char *name)
{
    static const char request[] = "-request";
    size_t len = strlen(name);

    return visit->transport->has_special_owners &&
           (strncasecmp(name, "owner-", 6) == 0 ||
            (len >= sizeof(request) - 1 &&
             strcasecmp(name + len - (sizeof(request) - 1), request) == 0));
}

/* Of a list with an owner, he hears of what cannot be delivered. A report has no sender, and keeps that:
 * reports on reports would be the other choice. */
static sluice_status find_owner(struct visit *visit, const char *name)
{
    char key[ACCOUNT_NAME_MAX + sizeof("owner-")];
    struct result result;
    char *value = NULL;
    sluice_status st;

    if (visit->message->sender.len == 0 || has_special_name(visit, name))
        return SLUICE_OK;
    (void)snprintf(key, sizeof(key), "owner-%s", name); /* has room */
    st = maps_find(&visit->transport->alias_maps, sluice_span_of(key), false, visit->deadline_ms,
                   &value, &result);
    if (st == SLUICE_TEMP)
        visit_add(visit, &result);
    if (st != SLUICE_OK)
        return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
    if (!visit->transport->expands_owners) {
        free(value);
        value = strdup(key);
    }
    visit->owner = value;
    if (value != NULL)
        return SLUICE_OK;
    add_result(visit, SLUICE_TEMP, "4.3.0", "out of memory");
    return SLUICE_TEMP;
}

/* ---- members --------------------------------------------------------------------------------- */

static void include(struct visit *visit, const char *path, unsigned depth, const char *alias);

static bool is_allowed(struct visit *visit, unsigned allowed, unsigned from, const char *text)
{
    if ((allowed & from) != 0)
        return true;
    add_result(visit, SLUICE_PERM, "5.7.1", text);
    return false;
}

static bool is_same(struct sluice_span a, struct sluice_span b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* "alice: alice, bob", with her domain or without: she is among her own members, and has a mailbox. */
static bool is_itself(const struct visit *visit, struct sluice_span address, const char *alias)
{
    struct sluice_span own = visit->recipient->address;
    struct sluice_span own_local = maps_local_of(own);
    struct sluice_span local = maps_local_of(address);
    const struct sluice_span own_domain = {own.ptr + own_local.len, own.len - own_local.len};
    const struct sluice_span domain = {address.ptr + local.len, address.len - local.len};

    return is_same(local, sluice_span_of(alias)) &&
           (domain.len == 0 || is_same(domain, own_domain));
}

static void one_member(struct visit *visit, const struct member *member, unsigned from,
                       unsigned depth, const char *alias)
{
    const struct sluice_transport *transport = visit->transport;
    sluice_status st = SLUICE_OK;

    switch (member->kind) {
    case MEMBER_ADDRESS:
        if (is_itself(visit, sluice_span_of(member->text), alias))
            visit_user(visit, alias);
        else
            st = members_add(&visit->forward, MEMBER_ADDRESS, sluice_span_of(member->text));
        break;
    case MEMBER_MAILBOX:
        visit_user(visit, member->text);
        break;
    case MEMBER_FILE:
        if (is_allowed(visit, transport->files_from, from, "mail to file is restricted"))
            visit_file(visit, member->text);
        break;
    case MEMBER_COMMAND:
        if (is_allowed(visit, transport->commands_from, from, "mail to command is restricted"))
            visit_command(visit, member->text, visit->account);
        break;
    case MEMBER_INCLUDE:
        include(visit, member->text, depth + 1, alias);
        break;
    }
    if (st != SLUICE_OK)
        add_result(visit, SLUICE_TEMP, "4.3.5", TOO_MANY);
}

static void all_members(struct visit *visit, const struct member_list *members, unsigned from,
                        unsigned depth, const char *alias)
{
    for (size_t i = 0; i < members->count; i++)
        one_member(visit, &members->items[i], from, depth, alias);
}

/* A list that cannot be read waits: who is on it is not known. One that a user includes is read with
 * his rights: else he would learn from it what he may not read. */
static void include(struct visit *visit, const char *path, unsigned depth, const char *alias)
{
    const struct textfile file = {
        .path = path,
        .reader = visit->has_forward ? &visit->account->rights : NULL,
    };
    struct member_list members = {0};
    struct result result;
    char *text = NULL;
    sluice_status st = SLUICE_TEMP;

    (void)result_set(&result, SLUICE_TEMP, "4.3.5", "included file %s: %s", path,
                     depth > INCLUDE_DEPTH_MAX ? "included too deeply" : "not found");
    if (depth <= INCLUDE_DEPTH_MAX && path[0] == '/')
        st = textfile_read(&visit->transport->station, &file, visit->deadline_ms, &text, &result);
    if (st != SLUICE_OK)
        visit_add(visit, &result);
    else if (members_parse_lines(&members, sluice_span_of(text)) != SLUICE_OK)
        add_result(visit, SLUICE_TEMP, "4.3.5", TOO_MANY);
    else
        all_members(visit, &members, FROM_INCLUDE, depth, alias);
    free(text);
    members_done(&members);
}

/* What is addressed goes last, and not at all while something else is to be tried again. */
static void forward(struct visit *visit)
{
    const struct forward forward = {
        .station = &visit->transport->station,
        .socket = visit->transport->submission,
        .message = visit->message,
        .recipient = visit->recipient,
        .owner = visit->owner,
        .members = &visit->forward,
        .deadline_ms = visit->deadline_ms,
    };
    struct result result;

    if (visit->forward.count == 0 || (visit->has_result && visit->result.status == SLUICE_TEMP))
        return;
    if (forward_send(&forward, &result) == SLUICE_OK)
        visit->passes_dsn = forward_passes_dsn(&forward);
    visit_add(visit, &result);
}

void visit_members(struct visit *visit, const struct member_list *members, unsigned from,
                   const char *alias)
{
    all_members(visit, members, from, 0, alias);
}

void visit_finish(struct visit *visit)
{
    forward(visit);
    if (!visit->has_result)
        add_result(visit, SLUICE_TEMP, "4.3.5", "an alias without members");
}

sluice_status visit_alias(struct visit *visit)
{
    struct member_list members = {0};
    char *value = NULL;
    const char *name;
    sluice_status st = find_value(visit, &name, &value);

    if (st != SLUICE_OK)
        return st;
    st = find_owner(visit, name);
    if (st == SLUICE_OK && members_parse(&members, sluice_span_of(value)) != SLUICE_OK)
        add_result(visit, SLUICE_TEMP, "4.3.5", TOO_MANY);
    else if (st == SLUICE_OK)
        visit_members(visit, &members, FROM_ALIAS, name);
    free(value);
    members_done(&members);
    return SLUICE_OK;
}
