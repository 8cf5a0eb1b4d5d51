/* SPDX-License-Identifier: ISC */
/*
 * sqlite: a look-up is a query to an SQLite file, as in Postfix's sqlite_table(5).
 *
 * sqlite:/etc/sluice/x.cf is told what to ask by that file, and sqlite:NAME by the group of that name
 * in tables. The file of the database is opened to read only, and again when another one is in its
 * place. Runs on a thread of its own: a query may take its time, or wait for a writer.
 */
#include "domains.h"
#include "explain.h"
#include "query.h"
#include "settings.h"
#include "template.h"
#include "watched.h"

#include "sluice/lookup.h"

#include <sqlite3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS_PER_LOOK 1000 /* of the database, between two looks at the clock */
#define BUSY_MS 5000        /* for a writer to be done */

struct sluice_lookup {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    struct watched *watched; /* the .cf file; or NULL: */
    void *settings;          /* from the group */
    sqlite3 *db;             /* NULL: not open */
    char *db_path;           /* of db */
    dev_t device;
    ino_t inode;
    int64_t deadline_ms; /* of the query that runs */
};

static void db_close(struct sluice_lookup *lookup)
{
    (void)sqlite3_close(lookup->db); /* no statement is left */
    free(lookup->db_path);
    lookup->db = NULL;
    lookup->db_path = NULL;
}

static void sqlite_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    db_close(lookup);
    watched_close(lookup->watched);
    settings_free(lookup->settings);
    free(lookup);
}

static int is_over(void *user)
{
    const struct sluice_lookup *lookup = user;

    return lookup->clock->monotonic_ms(lookup->host) >= lookup->deadline_ms;
}

static sluice_status db_open(struct sluice_lookup *lookup, const char *path,
                             const struct stat *file, const struct sluice_errors *errors)
{
    lookup->db_path = strdup(path);
    if (lookup->db_path == NULL)
        return explain(errors, SLUICE_TEMP, "open database %s: out of memory", path);
    if (sqlite3_open_v2(path, &lookup->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        sluice_status st =
            explain(errors, SLUICE_TEMP, "open database %s: %s", path, sqlite3_errmsg(lookup->db));

        db_close(lookup);
        return st;
    }
    (void)sqlite3_busy_timeout(lookup->db, BUSY_MS);
    sqlite3_progress_handler(lookup->db, STEPS_PER_LOOK, is_over, lookup);
    lookup->device = file->st_dev;
    lookup->inode = file->st_ino;
    return SLUICE_OK;
}

/* Opens the database that is there now, unless it is open. */
static sluice_status db_ready(struct sluice_lookup *lookup, const char *path,
                              const struct sluice_errors *errors)
{
    struct stat file;

    if (stat(path, &file) == -1) {
        int error = errno;

        db_close(lookup);
        return explain(errors, SLUICE_TEMP, "open database %s: %s", path, strerror(error));
    }
    if (lookup->db != NULL && strcmp(lookup->db_path, path) == 0 && lookup->device == file.st_dev &&
        lookup->inode == file.st_ino)
        return SLUICE_OK;
    db_close(lookup);
    return db_open(lookup, path, &file, errors);
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct question {
    const struct settings *settings;
    struct sluice_span key;
    const struct sluice_lookup_sink *sink;
    int64_t count; /* of values */
};

/* The first column, as Postfix takes it; if it is NULL or empty it is no value. */
static sluice_status take_row(struct question *question, sqlite3_stmt *statement)
{
    struct filled filled = {0};
    struct sluice_span value;
    sluice_status st;

    value.ptr = (const char *)sqlite3_column_text(statement, 0);
    value.len = (size_t)sqlite3_column_bytes(statement, 0);
    if (value.ptr == NULL || value.len == 0)
        return SLUICE_OK;
    st = result_fill(question->settings->result_format, value, question->key, &filled);
    if (st == SLUICE_OK) {
        question->count++;
        question->sink->value(question->sink, (struct sluice_span){filled.text, filled.len});
    }
    free(filled.text);
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

static sluice_status take_rows(struct sluice_lookup *lookup, struct question *question,
                               sqlite3_stmt *statement, const struct sluice_errors *errors)
{
    int64_t limit = question->settings->expansion_limit;
    int step;

    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (take_row(question, statement) != SLUICE_OK)
            return explain(errors, SLUICE_TEMP, "%s: out of memory", lookup->db_path);
        if (limit > 0 && question->count > limit)
            return explain(errors, SLUICE_TEMP, "%s: Expansion limit exceeded for key '%.*s'",
                           lookup->db_path, (int)question->key.len, question->key.ptr);
    }
    if (step != SQLITE_DONE)
        return explain(errors, SLUICE_TEMP, "%s: SQL step failed: %s", lookup->db_path,
                       sqlite3_errmsg(lookup->db));
    return question->count > 0 ? SLUICE_OK : SLUICE_NOT_FOUND;
}

static sluice_status run(struct sluice_lookup *lookup, struct question *question, const char *sql,
                         const struct sluice_errors *errors)
{
    sqlite3_stmt *statement = NULL;
    sluice_status st;

    if (sqlite3_prepare_v2(lookup->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return explain(errors, SLUICE_TEMP, "%s: SQL prepare failed: %s", lookup->db_path,
                       sqlite3_errmsg(lookup->db));
    st = take_rows(lookup, question, statement, errors);
    (void)sqlite3_finalize(statement); /* says again what the last step said */
    return st;
}

static sluice_status settings_get(struct sluice_lookup *lookup, const struct sluice_errors *errors,
                                  const struct settings **ret_settings)
{
    const void *content = lookup->settings;
    sluice_status st = SLUICE_OK;

    if (lookup->watched != NULL)
        st = watched_get(lookup->watched, errors, &content);
    if (st == SLUICE_OK)
        *ret_settings = content;
    return st;
}

static sluice_status sqlite_find(struct sluice_lookup *lookup, struct sluice_span key,
                                 int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                 const struct sluice_errors *errors)
{
    struct question question = {.key = key, .sink = sink};
    struct filled sql = {0};
    sluice_status st = settings_get(lookup, errors, &question.settings);

    if (st == SLUICE_OK)
        st = db_ready(lookup, question.settings->dbpath, errors);
    if (st == SLUICE_OK && !domains_ask_for(question.settings->domain, key))
        st = SLUICE_NOT_FOUND;
    if (st != SLUICE_OK)
        return st;
    st = query_fill(question.settings->query, key, &sql);
    lookup->deadline_ms = deadline_ms;
    if (st == SLUICE_OK)
        st = run(lookup, &question, sql.text, errors);
    else if (st != SLUICE_NOT_FOUND)
        st = explain(errors, st, "%s: out of memory", question.settings->dbpath);
    free(sql.text);
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

static sluice_status read_settings(struct sluice_lookup *lookup, const struct sluice_config *config,
                                   const char *name, const struct sluice_errors *errors)
{
    static const struct watched_kind kind = {
        .type = "sqlite", .read = settings_read, .free = settings_free};

    if (name[0] == '/' || name[0] == '.')
        return watched_open(lookup->host, &kind, name, errors, &lookup->watched);
    return settings_of_group(config, errors, &lookup->settings);
}

/* A database that is not there is no reason to say so only at the first look-up (spec T-8). */
static sluice_status sqlite_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));
    const struct settings *settings;
    sluice_status st = SLUICE_OK;

    if (lookup == NULL)
        return explain(errors, SLUICE_TEMP, "sqlite: out of memory");
    lookup->host = host;
    lookup->clock = host->get_service(host, SLUICE_CLOCK_ID);
    if (lookup->clock == NULL)
        st = explain(errors, SLUICE_CONFIG, "sqlite: the host has no clock");
    if (st == SLUICE_OK)
        st = read_settings(lookup, config, name, errors);
    if (st == SLUICE_OK)
        st = settings_get(lookup, errors, &settings);
    if (st == SLUICE_OK && db_ready(lookup, settings->dbpath, errors) != SLUICE_OK)
        st = SLUICE_CONFIG;
    if (st != SLUICE_OK) {
        sqlite_close(lookup);
        return st;
    }
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static const struct sluice_option options[] = {
    {"dbpath", SLUICE_OPT_PATH, 0, NULL, NULL, "File of the database"},
    {"query", SLUICE_OPT_STRING, 0, NULL, NULL,
     "What to ask it: SQL, with %s for the key, %u and %d for its parts, %1 to %9 for labels of "
     "its "
     "domain from the right"},
    {"result_format", SLUICE_OPT_STRING, 0, "%s", NULL,
     "What becomes of each value: %s, %u, %d for it and its parts, %S, %U, %D for those of the "
     "key"},
    {"domain", SLUICE_OPT_STRING, 0, NULL, NULL,
     "Asks only for addresses of these domains, parted by commas or blanks"},
    {"expansion_limit", SLUICE_OPT_INTEGER, 0, "0", "0..",
     "More values for one key are a failure; 0: any number"},
};

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = sqlite_open,
    .close = sqlite_close,
    .find = sqlite_find,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/sqlite",
    .version = "0.1.0",
    .license = "ISC AND blessing",
    .summary =
        "Queries to an SQLite file, told by sqlite:/path/to/file.cf as in sqlite_table(5), or "
        "by the table's options",
    .mode = SLUICE_MODE_SERIAL,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
