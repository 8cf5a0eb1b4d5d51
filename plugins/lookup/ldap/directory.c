/* SPDX-License-Identifier: ISC */
/* directory: see directory.h. */
#include "directory.h"

#include "explain.h"
#include "misses.h"
#include "shared_servers.h"
#include "urls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERRALS_MAX 10 /* followed for one search */
#define FOREIGN_MAX 8    /* servers beside our own that are known at once */

struct foreign {
    char *url;
    struct shared_servers *servers;
};

struct directory {
    unsigned references;
    struct settings settings;
    struct attributes attributes;
    char urls[URLS_MAX];            /* of our servers */
    struct shared_servers *servers; /* NULL: not yet needed */
    struct misses *misses;          /* NULL: nothing was searched yet */
    struct sync *sync;              /* NULL: not wanted */
    struct foreign foreign[FOREIGN_MAX];
    size_t foreign_count;
};

struct directory *directory_new(void)
{
    struct directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL || settings_init(&directory->settings) != SLUICE_OK) {
        free(directory);
        return NULL;
    }
    directory->references = 1;
    return directory;
}

struct settings *directory_settings(struct directory *directory)
{
    return &directory->settings;
}

struct directory *directory_ref(struct directory *directory)
{
    directory->references++;
    return directory;
}

void directory_unref(struct directory *directory)
{
    if (directory == NULL || --directory->references > 0)
        return;
    sync_free(directory->sync);
    misses_free(directory->misses);
    shared_servers_unref(directory->servers);
    for (size_t i = 0; i < directory->foreign_count; i++) {
        shared_servers_unref(directory->foreign[i].servers);
        free(directory->foreign[i].url);
    }
    attributes_done(&directory->attributes);
    settings_done(&directory->settings);
    free(directory);
}

sluice_status directory_settle(struct directory *directory, const struct sluice_errors *errors)
{
    const struct settings *settings = &directory->settings;
    sluice_status st = attributes_read(&directory->attributes, settings);

    if (st != SLUICE_OK)
        return explain(errors, st, "ldap: %s",
                       st == SLUICE_TEMP ? "out of memory" : "too many attributes");
    st = urls_read(settings->text[SERVER_HOST], settings->number[SERVER_PORT], "ldap", errors,
                   directory->urls);
    if (st != SLUICE_OK || settings->number[SYNC] == 0)
        return st;
    return sync_new(settings, &directory->attributes, directory->urls, errors, &directory->sync);
}

struct sync *directory_sync(const struct directory *directory)
{
    return directory->sync;
}

const struct attributes *directory_attributes(const struct directory *directory)
{
    return &directory->attributes;
}

/* ---- servers ---------------------------------------------------------------------------------- */

static struct servers *own_servers(struct directory *directory, const struct sluice_host *host)
{
    return shared_servers_get(&directory->servers, host, &directory->settings, directory->urls,
                              false);
}

/* NULL: no memory, or there are too many already. */
static struct foreign *find_foreign(struct directory *directory, const char *url)
{
    struct foreign *foreign = directory->foreign;

    for (size_t i = 0; i < directory->foreign_count; i++) {
        if (strcmp(foreign[i].url, url) == 0)
            return &foreign[i];
    }
    if (directory->foreign_count == FOREIGN_MAX)
        return NULL;
    foreign += directory->foreign_count;
    foreign->url = strdup(url);
    if (foreign->url == NULL)
        return NULL;
    directory->foreign_count++;
    return foreign;
}

static struct servers *foreign_servers(struct directory *directory, const struct sluice_host *host,
                                       const char *url)
{
    struct foreign *foreign = find_foreign(directory, url);

    return foreign == NULL
               ? NULL
               : shared_servers_get(&foreign->servers, host, &directory->settings, url, true);
}

/* ---- searching -------------------------------------------------------------------------------- */

struct search {
    struct directory *directory;
    const struct sluice_host *host;
    int64_t deadline_ms;
    const struct sluice_errors *errors;
    unsigned referrals; /* followed so far */
};

static sluice_status judge(const struct search *search, const struct link_request *request,
                           int code, const struct answer *answer, const char *why)
{
    bool is_followed = code == LDAP_REFERRAL && answer->url_count > 0 &&
                       search->directory->settings.number[CHASE_REFERRALS] != 0;

    if (code == LDAP_SUCCESS || is_followed)
        return SLUICE_OK;
    if (code == LDAP_CONNECT_ERROR)
        return explain(search->errors, SLUICE_TEMP, "%s", why[0] != '\0' ? why : "no connection");
    (void)explain(search->errors, SLUICE_TEMP, "search base \"%s\" filter \"%s\": %s%s%s",
                  request->base, request->filter, ldap_err2string(code),
                  answer->text[0] != '\0' ? ": " : "", answer->text);
    return code == LDAP_NO_SUCH_OBJECT ? SLUICE_NOT_FOUND : SLUICE_TEMP;
}

/* For who wants to know what a look-up did. */
static void say(const struct search *search, const struct link_request *request, int code,
                const struct answer *answer)
{
    static const char *const scopes[] = {"base", "one", "sub"};
    const struct sluice_explain *service =
        search->host->get_service(search->host, SLUICE_EXPLAIN_ID);
    char entries[24];

    if (service == NULL || service->is_wanted(search->host) == 0)
        return;
    (void)snprintf(entries, sizeof(entries), "%zu", answer->count);
    const struct sluice_note notes[] = {
        {"server", sluice_span_of(answer->server != NULL ? answer->server : "none")},
        {"base", sluice_span_of(request->base)},
        {"scope", sluice_span_of(request->scope >= 0 && request->scope <= LDAP_SCOPE_SUBTREE
                                     ? scopes[request->scope]
                                     : "other")},
        {"filter", sluice_span_of(request->filter)},
        {"entries", sluice_span_of(entries)},
        {"result", sluice_span_of(ldap_err2string(code))},
    };
    service->say(search->host, "search", code == LDAP_SUCCESS ? SLUICE_OK : SLUICE_TEMP, notes,
                 sizeof(notes) / sizeof(notes[0]), sizeof(notes[0]));
}

static sluice_status search_at(struct search *search, struct servers *servers,
                               const struct link_request *request, struct answer *answer)
{
    const char *why = "out of memory";
    int code = LDAP_CONNECT_ERROR;

    if (servers != NULL)
        code = servers_search(servers, request,
                              (size_t)search->directory->settings.number[CONNECTION_LIMIT],
                              search->deadline_ms, answer, &why);
    say(search, request, code, answer);
    return judge(search, request, code, answer, why);
}

/* All that one answer has goes behind the other's. */
static bool append(struct answer *answer, struct answer *more)
{
    size_t room = answer->count + more->count + 1;
    struct answer_entry *entries = reallocarray(answer->entries, room, sizeof(*entries));

    if (entries == NULL)
        return false;
    answer->entries = entries;
    answer->room = room;
    for (size_t i = 0; i < more->count; i++)
        entries[answer->count++] = more->entries[i];
    answer->bytes += more->bytes;
    more->count = 0;
    return true;
}

static sluice_status follow(struct search *search, const struct link_request *request,
                            struct answer *answer);

/* One of the places that a server named (RFC 4511 sections 4.1.10 and 4.5.3). */
static sluice_status follow_url(struct search *search, const struct link_request *request,
                                const char *text, struct answer *answer)
{
    struct answer more = {0};
    struct link_request there = *request;
    LDAPURLDesc *url;
    char server[URLS_MAX];
    sluice_status st;

    if (ldap_url_parse(text, &url) != LDAP_URL_SUCCESS)
        return explain(search->errors, SLUICE_TEMP, "the server refers to \"%.200s\"", text);
    (void)snprintf(server, sizeof(server), "%s://%s:%d", url->lud_scheme,
                   url->lud_host != NULL ? url->lud_host : "", url->lud_port);
    if (url->lud_dn != NULL && url->lud_dn[0] != '\0')
        there.base = url->lud_dn;
    if (url->lud_filter != NULL)
        there.filter = url->lud_filter;
    if (strstr(text, "??") != NULL && url->lud_scope != LDAP_SCOPE_DEFAULT)
        there.scope = url->lud_scope;
    st = search_at(search, foreign_servers(search->directory, search->host, server), &there, &more);
    if (st == SLUICE_OK)
        st = follow(search, &there, &more);
    if (st == SLUICE_OK && !append(answer, &more))
        st = explain(search->errors, SLUICE_TEMP, "out of memory");
    ldap_free_urldesc(url);
    answer_done(&more);
    return st;
}

static sluice_status follow(struct search *search, const struct link_request *request,
                            struct answer *answer)
{
    sluice_status st = SLUICE_OK;

    if (search->directory->settings.number[CHASE_REFERRALS] == 0)
        return SLUICE_OK;
    for (size_t i = 0; i < answer->url_count && st == SLUICE_OK; i++) {
        if (++search->referrals > REFERRALS_MAX)
            st = explain(search->errors, SLUICE_TEMP, "more than %d referrals", REFERRALS_MAX);
        else
            st = follow_url(search, request, answer->urls[i], answer);
    }
    return st;
}

/* No search takes longer, whatever the caller would wait. */
static int64_t limit(const struct directory *directory, const struct sluice_host *host,
                     int64_t deadline_ms)
{
    const struct sluice_clock *clock = host->get_service(host, SLUICE_CLOCK_ID);
    int64_t limit_ms = clock->monotonic_ms(host) + directory->settings.number[TIMEOUT];

    return limit_ms < deadline_ms ? limit_ms : deadline_ms;
}

sluice_status directory_search(struct directory *directory, const struct sluice_host *host,
                               const struct link_request *request, int64_t deadline_ms,
                               struct answer *answer, const struct sluice_errors *errors)
{
    struct search search = {
        .directory = directory,
        .host = host,
        .deadline_ms = limit(directory, host, deadline_ms),
        .errors = errors,
    };
    sluice_status st = search_at(&search, own_servers(directory, host), request, answer);

    return st == SLUICE_OK ? follow(&search, request, answer) : st;
}

sluice_status directory_believe(struct directory *directory, const struct sluice_host *host,
                                uint64_t connection, bool is_found, int64_t deadline_ms,
                                const struct sluice_errors *errors)
{
    const struct settings *settings = &directory->settings;
    struct servers *servers = own_servers(directory, host);

    if (directory->misses == NULL)
        directory->misses = misses_new(host, settings->text[QUERY_FILTER], &directory->attributes);
    if (directory->misses == NULL || servers == NULL)
        return explain(errors, SLUICE_TEMP, "out of memory");
    if (!is_found)
        return misses_judge(directory->misses, servers, connection,
                            limit(directory, host, deadline_ms), errors);
    misses_hit(directory->misses, connection);
    return SLUICE_OK;
}
