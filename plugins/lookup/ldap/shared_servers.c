/* SPDX-License-Identifier: ISC */
/* shared_servers: see shared_servers.h. */
#include "shared_servers.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct shared_servers {
    const struct sluice_host *host;
    struct settings settings; /* those of a table may change */
    char *urls;
    bool is_foreign;
    struct servers *servers; /* NULL: the host has ended, and nobody finds this any more */
    unsigned references;
    struct shared_servers *prev;
    struct shared_servers *next;
};

static struct shared_servers *all;

/* ---- which are the same ------------------------------------------------------------------------ */

/* What connect.c and servers.c look at, but for connection_limit, which is of who searches. */
static const enum setting decisive[] = {
    VERSION,          TIMEOUT,          CONNECT_TIMEOUT, DEREFERENCE,   BIND_DN,
    BIND_PW,          SASL_MECHS,       SASL_REALM,      SASL_AUTHZ_ID, SASL_MINSSF,
    START_TLS,        TLS_CA_CERT_FILE, TLS_CA_CERT_DIR, TLS_CERT,      TLS_KEY,
    TLS_REQUIRE_CERT, TLS_CIPHER_SUITE,
};

/* One is NULL where all are: it is a number. */
static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool are_same(const struct settings *a, const struct settings *b)
{
    for (size_t i = 0; i < sizeof(decisive) / sizeof(decisive[0]); i++) {
        enum setting setting = decisive[i];

        if (a->number[setting] != b->number[setting] ||
            !is_same_text(a->text[setting], b->text[setting]))
            return false;
    }
    return a->bind == b->bind;
}

static struct shared_servers *find(const struct settings *settings, const char *urls,
                                   bool is_foreign)
{
    struct shared_servers *shared;

    DL_FOREACH(all, shared)
    {
        if (shared->is_foreign == is_foreign && strcmp(shared->urls, urls) == 0 &&
            are_same(&shared->settings, settings))
            return shared;
    }
    return NULL;
}

/* ---- from the first to the last ---------------------------------------------------------------- */

static void end(struct shared_servers *shared)
{
    DL_DELETE(all, shared);
    servers_free(shared->servers);
    shared->servers = NULL;
}

static void release(struct shared_servers *shared)
{
    settings_done(&shared->settings);
    free(shared->urls);
    free(shared);
}

static struct shared_servers *make(const struct sluice_host *host, const struct settings *settings,
                                   const char *urls, bool is_foreign)
{
    struct shared_servers *shared = calloc(1, sizeof(*shared));

    if (shared == NULL)
        return NULL;
    shared->host = host;
    shared->is_foreign = is_foreign;
    shared->urls = strdup(urls);
    if (shared->urls != NULL && settings_copy(settings, &shared->settings) == SLUICE_OK)
        shared->servers = servers_new(host, &shared->settings, shared->urls, is_foreign);
    if (shared->servers == NULL) {
        release(shared);
        return NULL;
    }
    DL_APPEND(all, shared);
    return shared;
}

void shared_servers_unref(struct shared_servers *shared)
{
    if (shared == NULL || --shared->references > 0)
        return;
    if (shared->servers != NULL)
        end(shared);
    release(shared);
}

struct servers *shared_servers_get(struct shared_servers **shared, const struct sluice_host *host,
                                   const struct settings *settings, const char *urls,
                                   bool is_foreign)
{
    if (*shared != NULL && (*shared)->servers != NULL)
        return (*shared)->servers;
    shared_servers_unref(*shared);
    *shared = find(settings, urls, is_foreign);
    if (*shared == NULL)
        *shared = make(host, settings, urls, is_foreign);
    if (*shared == NULL)
        return NULL;
    (*shared)->references++;
    return (*shared)->servers;
}

void shared_servers_end(const struct sluice_host *host)
{
    struct shared_servers *shared;
    struct shared_servers *next;

    DL_FOREACH_SAFE(all, shared, next)
    {
        if (shared->host == host)
            end(shared);
    }
}
