/* SPDX-License-Identifier: ISC */
/* account: see account.h. */
#include "account.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRY_SIZE ((size_t)64 * 1024)

/* What the thread works on. */
struct search {
    struct account account;
    int error;
    char memory[ENTRY_SIZE];
};

void account_done(struct account *account)
{
    free(account->home);
    free(account->shell);
    *account = (struct account){.home = NULL};
}

static void release(void *argument)
{
    struct search *search = argument;

    account_done(&search->account);
    free(search);
}

/* Some libraries say "no such user" with these. */
static bool is_not_found(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH;
}

static sluice_status look_up(struct search *search)
{
    struct account *account = &search->account;
    struct passwd entry, *found = NULL;

    search->error =
        getpwnam_r(account->name, &entry, search->memory, sizeof(search->memory), &found);
    if (found == NULL)
        return is_not_found(search->error) ? SLUICE_NOT_FOUND : SLUICE_TEMP;
    account->rights = (struct rights){.uid = entry.pw_uid, .gid = entry.pw_gid};
    account->home = strdup(entry.pw_dir);
    account->shell = strdup(entry.pw_shell);
    search->error = ENOMEM;
    return account->home != NULL && account->shell != NULL ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status run(void *argument)
{
    return look_up(argument);
}

static struct search *search_new(const char *name)
{
    struct search *search = calloc(1, sizeof(*search));

    if (search != NULL)
        (void)snprintf(search->account.name, sizeof(search->account.name), "%s", name); /* fits */
    return search;
}

/* What has been found is the caller's. */
static void take(struct search *search, struct account *ret_account)
{
    *ret_account = search->account;
    search->account = (struct account){.home = NULL};
}

sluice_status account_look_up(const char *name, struct account *ret_account)
{
    struct search *search = strlen(name) < ACCOUNT_NAME_MAX ? search_new(name) : NULL;
    sluice_status st;

    if (search == NULL)
        return SLUICE_TEMP;
    st = look_up(search);
    if (st == SLUICE_OK)
        take(search, ret_account);
    release(search);
    return st;
}

sluice_status account_find(const struct station *station, const char *name, int64_t deadline_ms,
                           struct account *ret_account, struct result *result)
{
    struct search *search;
    sluice_status st;

    if (strlen(name) >= ACCOUNT_NAME_MAX)
        return SLUICE_NOT_FOUND;
    search = search_new(name);
    if (search == NULL)
        return result_set(result, SLUICE_TEMP, "4.3.0", "out of memory");
    for (char *c = search->account.name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (station->offload->run(station->host, run, release, search, deadline_ms, &st) != SLUICE_OK)
        return result_set(result, SLUICE_TEMP, "4.3.0", "user lookup of %s takes too long", name);
    if (st == SLUICE_OK)
        take(search, ret_account);
    else if (st != SLUICE_NOT_FOUND)
        st = result_set(result, SLUICE_TEMP, "4.3.0", "user lookup error: %s: %s", name,
                        strerror(search->error));
    release(search);
    return st;
}
