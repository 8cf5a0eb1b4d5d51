/* SPDX-License-Identifier: ISC */
/* user: see local.h. */
#include "local.h"

#include "textfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void misconfigured(struct visit *visit, const char *what)
{
    struct result result;

    station_warn(&visit->transport->station, "%s: bad value, or no memory", what);
    (void)result_set(&result, SLUICE_TEMP, "4.3.5", "mail system configuration error");
    visit_add(visit, &result);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void deliver_to(struct visit *visit, const char *path, const struct rights *owner,
                       bool is_mailbox)
{
    const struct sluice_transport *transport = visit->transport;
    struct mailbox_target target = {
        .locks = transport->locks,
        .stale_lock_ms = transport->station.stale_lock_ms,
        .size_limit = transport->size_limit,
        .is_owner_strict = is_mailbox && transport->is_owner_strict,
        .owner = owner->uid,
    };
    int len = snprintf(target.path, sizeof(target.path), "%s", path);
    struct result result;

    if (len <= 0 || (size_t)len >= sizeof(target.path) || path[0] != '/') {
        misconfigured(visit, path);
        return;
    }
    if (deposit(&transport->station, visit->message, visit->recipient, &target, owner,
                visit->deadline_ms, &result) == SLUICE_OK &&
        !is_mailbox)
        (void)result_set(&result, SLUICE_OK, "2.0.0", "delivered to file: %s", path);
    visit_add(visit, &result);
}

void visit_file(struct visit *visit, const char *path)
{
    deliver_to(visit, path, &visit->account->rights, false);
}

/* ---- mailboxes ------------------------------------------------------------------------------- */

static bool join(char path[PATH_MAX], const char *folder, const char *name)
{
    int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);

    return len > 0 && len < PATH_MAX;
}

/* Mailboxes in a folder that a group may write to are of that group, as a lock beside them can be made
 * by its members alone. A look at a folder of the machine's own: quick enough for the task. */
static struct rights spool_owner(const struct account *account, const char *spool)
{
    struct rights owner = account->rights;
    struct stat info;

    if (stat(spool, &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == S_IWGRP)
        owner.gid = info.st_gid;
    return owner;
}

static void to_mailbox(struct visit *visit, const struct account *account)
{
    const struct sluice_transport *transport = visit->transport;
    bool is_at_home = transport->home_mailbox[0] != '\0';
    const char *spool = transport->spool;
    size_t len = strlen(spool);
    char path[PATH_MAX];
    bool fits;

    if (is_at_home) {
        fits = join(path, account->home, transport->home_mailbox);
    } else if (len > 0 && spool[len - 1] == '/') { /* a folder of maildirs */
        int whole = snprintf(path, sizeof(path), "%s%s/", spool, account->name);
        fits = whole > 0 && (size_t)whole < sizeof(path);
    } else {
        fits = join(path, spool, account->name);
    }
    if (!fits) {
        misconfigured(visit, "the path of a mailbox");
        return;
    }
    const struct rights owner = is_at_home ? account->rights : spool_owner(account, spool);
    deliver_to(visit, path, &owner, true);
}

/* ---- ~/.forward ------------------------------------------------------------------------------ */

static sluice_status read_forward(struct visit *visit, const struct account *account,
                                  const char *path, char **ret_text)
{
    char *expanded = visit_expand(visit, path, account);
    struct result result;
    sluice_status st = SLUICE_NOT_FOUND;

    if (expanded == NULL || expanded[0] != '/') {
        misconfigured(visit, "forward_path");
        free(expanded);
        return SLUICE_TEMP;
    }
    /* "/home/x/.forward+" is of an address without an extension: the next name is its own */
    const struct textfile file = {.path = expanded, .reader = &account->rights, .is_his = true};
    if (visit->extension[0] != '\0' || strstr(path, "extension") == NULL)
        st =
            textfile_read(&visit->transport->station, &file, visit->deadline_ms, ret_text, &result);
    if (st == SLUICE_TEMP)
        visit_add(visit, &result);
    free(expanded);
    return st;
}

/* The first of the files that there is. */
static sluice_status find_forward(struct visit *visit, const struct account *account,
                                  char **ret_text)
{
    const char *rest = visit->transport->forward_path;
    sluice_status st = SLUICE_NOT_FOUND;

    while (st == SLUICE_NOT_FOUND && *(rest += strspn(rest, ", \t")) != '\0') {
        size_t len = strcspn(rest, ", \t");
        char *path = strndup(rest, len);

        if (path == NULL) {
            misconfigured(visit, "forward_path");
            return SLUICE_TEMP;
        }
        st = read_forward(visit, account, path, ret_text);
        free(path);
        rest += len;
    }
    return st;
}

/* True if that was all. An empty file says nothing. */
static bool follow_forward(struct visit *visit, const struct account *account)
{
    const struct account *before = visit->account;
    struct member_list members = {0};
    char *text = NULL;
    sluice_status st = SLUICE_NOT_FOUND;

    if (visit->has_forward || strcmp(account->name, visit->user) != 0)
        return false;
    st = find_forward(visit, account, &text);
    if (st != SLUICE_OK)
        return st != SLUICE_NOT_FOUND;
    if (members_parse_lines(&members, sluice_span_of(text)) != SLUICE_OK) {
        misconfigured(visit, "~/.forward");
    } else if (members.count > 0) {
        visit->has_forward = true;
        visit->account = account;
        visit_members(visit, &members, FROM_FORWARD, account->name);
        visit->account = before;
        visit->has_forward = false;
    } else {
        st = SLUICE_NOT_FOUND;
    }
    members_done(&members);
    free(text);
    return st != SLUICE_NOT_FOUND;
}

/* ---- users ----------------------------------------------------------------------------------- */

/* luser_relay: one address for all that nobody knows. It is never a file or a command: the sender
 * chooses what $local is. */
static void to_nobody(struct visit *visit, const char *user)
{
    const char *setting = visit->transport->luser_relay;
    struct result result;

    if (setting[0] == '\0') {
        (void)result_set(&result, SLUICE_PERM, "5.1.1", "unknown user: \"%s\"", user);
        visit_add(visit, &result);
        return;
    }
    char *address = visit_expand(visit, setting, NULL);
    if (address == NULL ||
        members_add(&visit->forward, MEMBER_ADDRESS, sluice_span_of(address)) != SLUICE_OK)
        misconfigured(visit, "luser_relay");
    free(address);
}

void visit_user(struct visit *visit, const char *user)
{
    struct account account = {.home = NULL};
    struct result result;
    sluice_status st =
        account_find(&visit->transport->station, user, visit->deadline_ms, &account, &result);

    if (st == SLUICE_NOT_FOUND)
        to_nobody(visit, user);
    else if (st != SLUICE_OK)
        visit_add(visit, &result);
    else if (follow_forward(visit, &account))
        ; /* nothing is left to do */
    else if (visit->transport->mailbox_command[0] != '\0')
        visit_command(visit, visit->transport->mailbox_command, &account);
    else
        to_mailbox(visit, &account);
    account_done(&account);
}
