/* SPDX-License-Identifier: ISC */
/*
 * ldap: a look-up is a search in a directory, as in Postfix's ldap_table(5).
 *
 *   ldap.c        the plugin: opening, and the settings of the moment
 *   settings.c    what a table is told; of that, attributes.c: the lists of attributes, urls.c: the servers
 *   result.c      from entries to values
 *   query.c       from keys to filters; filter.c: what they are made of
 *   directory.c   searches, and referrals; misses.c: whether nothing is what there is; schema.c: by that
 *   servers.c     which server is asked; shared_servers.c: by several tables over the same connections
 *   link.c        many searches on one connection; outbox.c: what goes out; answer.c: what comes in
 *   connect.c     making one, on a thread; patience.c: in time; tls.c: what encrypts it
 *   sync.c        instead of searches: all entries here; sync_plan.c: which; sync_set.c: where they are
 *   sync_link.c   the connection that tells their changes; sync_message.c: how
 *
 * ldap:/etc/sluice/x.cf is told what to ask by that file, and ldap:NAME by the group of that name in
 * tables. A server that cannot be reached is no reason not to start.
 */
#include "domains.h"
#include "explain.h"
#include "result.h"
#include "shared_servers.h"
#include "watched.h"

#include "sluice/lookup.h"

#include <stdlib.h>
#include <string.h>

struct sluice_lookup {
    const struct sluice_host *host;
    struct watched *watched;     /* the .cf file; or NULL: */
    struct directory *directory; /* from the group */
};

static sluice_status settled(sluice_status st, struct directory *directory,
                             const struct sluice_errors *errors)
{
    if (st == SLUICE_OK)
        st = directory_settle(directory, errors);
    if (st != SLUICE_OK)
        directory_unref(directory);
    return st;
}

static sluice_status read_directory(struct source *source, const struct sluice_errors *errors,
                                    void **ret_directory)
{
    struct directory *directory = directory_new();
    sluice_status st;

    if (directory == NULL)
        return explain(errors, SLUICE_TEMP, "%s: out of memory", source->name);
    st = settled(settings_read(directory_settings(directory), source, errors), directory, errors);
    if (st == SLUICE_OK)
        *ret_directory = directory;
    return st;
}

static void free_directory(void *directory)
{
    directory_unref(directory);
}

static sluice_status directory_of_group(const struct sluice_config *config,
                                        const struct sluice_errors *errors,
                                        struct directory **ret_directory)
{
    struct directory *directory = directory_new();
    sluice_status st;

    if (directory == NULL)
        return explain(errors, SLUICE_TEMP, "ldap: out of memory");
    st = settled(settings_of_group(directory_settings(directory), config, errors), directory,
                 errors);
    if (st == SLUICE_OK)
        *ret_directory = directory;
    return st;
}

static void ldap_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    watched_close(lookup->watched);
    directory_unref(lookup->directory);
    shared_servers_end(lookup->host);
    free(lookup);
}

static sluice_status ldap_open_table(const struct sluice_host *host,
                                     const struct sluice_config *config, const char *name,
                                     const struct sluice_errors *errors,
                                     struct sluice_lookup **ret_lookup)
{
    static const struct watched_kind kind = {
        .type = "ldap", .read = read_directory, .free = free_directory};
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));
    sluice_status st;

    if (lookup == NULL)
        return explain(errors, SLUICE_TEMP, "ldap: out of memory");
    lookup->host = host;
    if (name[0] == '/' || name[0] == '.')
        st = watched_open(host, &kind, name, errors, &lookup->watched);
    else
        st = directory_of_group(config, errors, &lookup->directory);
    if (st == SLUICE_OK)
        *ret_lookup = lookup;
    else
        ldap_close(lookup);
    return st;
}

/* By the settings that count now, to their end. */
static sluice_status find_in(struct sluice_lookup *lookup, struct directory *directory,
                             struct sluice_span key, int64_t deadline_ms,
                             const struct sluice_lookup_sink *sink,
                             const struct sluice_errors *errors)
{
    const struct sync *sync = directory_sync(directory);
    sluice_status st = SLUICE_NOT_FOUND;

    if (!domains_ask_for(directory_settings(directory)->text[DOMAIN], key))
        return st;
    (void)directory_ref(directory);
    if (sync == NULL || !sync_find(sync, lookup->host, key, sink, errors, &st))
        st = result_find(directory, lookup->host, key, deadline_ms, sink, errors);
    directory_unref(directory);
    return st;
}

/* By the settings that count now. */
static sluice_status directory_of(struct sluice_lookup *lookup, const struct sluice_errors *errors,
                                  struct directory **ret_directory)
{
    const void *content = lookup->directory;
    sluice_status st = SLUICE_OK;

    if (lookup->watched != NULL)
        st = watched_get(lookup->watched, errors, &content);
    if (st == SLUICE_OK)
        *ret_directory = (struct directory *)(uintptr_t)content;
    return st;
}

static sluice_status ldap_find(struct sluice_lookup *lookup, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    struct directory *directory;
    sluice_status st = directory_of(lookup, errors, &directory);

    return st == SLUICE_OK ? find_in(lookup, directory, key, deadline_ms, sink, errors) : st;
}

/* ---- a table that is kept in step -------------------------------------------------------------- */

/* What is wrong with the settings those are told who look up. */
static void explain_nothing(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)errors;
    (void)dsn;
    (void)text;
}

static const struct sluice_errors nobody = {.struct_size = sizeof(nobody),
                                            .explain = explain_nothing};

static sluice_status ldap_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    struct directory *directory;
    sluice_status st = directory_of(lookup, &nobody, &directory);

    if (st != SLUICE_OK)
        return st;
    return directory_sync(directory) != NULL
               ? sync_generation(directory_sync(directory), ret_generation)
               : SLUICE_UNSUPPORTED;
}

struct following {
    struct sluice_lookup *lookup;
    const struct directory *directory;
};

static bool counts_still(void *user)
{
    const struct following *following = user;
    struct directory *directory;

    return directory_of(following->lookup, &nobody, &directory) == SLUICE_OK &&
           directory == following->directory;
}

static void ldap_maintain(struct sluice_lookup *lookup, const struct sluice_lookup_notice *notice)
{
    struct following following = {.lookup = lookup};
    struct directory *directory;

    if (directory_of(lookup, &nobody, &directory) != SLUICE_OK || directory_sync(directory) == NULL)
        return;
    following.directory = directory_ref(directory);
    sync_run(directory_sync(directory), lookup->host, notice, counts_still, &following);
    directory_unref(directory);
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = ldap_open_table,
    .close = ldap_close,
    .find = ldap_find,
    .generation = ldap_generation,
    .maintain = ldap_maintain,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/ldap",
    .version = "0.1.0",
    .license = "ISC AND OLDAP-2.8",
    .summary =
        "Searches in a directory, told by ldap:/path/to/file.cf as in ldap_table(5), or by the "
        "table's options",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(settings_options[0]),
    .option_count = SETTING_COUNT,
    .options = settings_options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
