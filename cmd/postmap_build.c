/* SPDX-License-Identifier: ISC */
/*
 * postmap_build: builds and changes tables (no option, -i, -d).
 */
#include "postmap.h"

#include "alias_source.h"
#include "base/span.h"
#include "file_value.h"
#include "source.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a table that is being built, and what goes wrong with it -------------------------------- */

struct build {
    struct postmap *postmap;
    struct postmap_table *table;
    struct sluice_lookup_writer *writer;
    struct error err;
    struct error_sink errors;
    bool is_changed; /* -d: a key has been removed */
};

static int fail(const struct build *build)
{
    return postmap_fatal(build->postmap, "%s", build->err.text);
}

/* Fails as postmap_table_load does. */
static sluice_status load(struct build *build, bool *ret_is_writable)
{
    sluice_status st = postmap_table_load(build->table, &build->err);

    error_sink_init(&build->errors, &build->err);
    *ret_is_writable = st == SLUICE_OK && (build->table->ops->flags & SLUICE_LOOKUP_WRITABLE) != 0;
    return st;
}

static int write_open(struct build *build, bool is_update, mode_t mode)
{
    struct postmap_table *table = build->table;

    if (table->ops->write_open(&table->host.sdk, &table->values.sdk, table->path, is_update ? 1 : 0,
                               mode, &build->errors.sdk, &build->writer) != SLUICE_OK)
        return fail(build);
    return EXIT_SUCCESS;
}

static int commit(struct build *build)
{
    if (build->table->ops->write_commit(build->writer, &build->errors.sdk) != SLUICE_OK)
        return fail(build);
    return EXIT_SUCCESS;
}

/* ---- building -------------------------------------------------------------------------------- */

/* A table that does not say itself which file it is gets its name. */
static void warn_duplicate(const struct build *build, struct sluice_span key)
{
    const char *name = build->err.text[0] != '\0' ? build->err.text : build->table->name;

    (void)fprintf(stderr, "%s: warning: %s: duplicate entry: \"%.*s\"\n", build->postmap->program,
                  name, SPAN_ARGS(key));
}

static sluice_status put(struct build *build, struct sluice_span key, struct sluice_span value,
                         bool must_replace)
{
    struct postmap *postmap = build->postmap;
    char *copy = postmap_table_key(build->table, key);
    sluice_status st;

    if (copy == NULL)
        return error_set(&build->err, SLUICE_TEMP, "out of memory");
    key.ptr = copy;
    build->err.text[0] = '\0';
    st = build->table->ops->write_put(build->writer, key, value, must_replace ? 1 : 0,
                                      &build->errors.sdk);
    if (st == SLUICE_NOT_FOUND && !postmap->is_quiet)
        warn_duplicate(build, key);
    free(copy);
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* The contents of the files that the value names; an entry without them is left out. */
static sluice_status put_files(struct build *build, const struct source *source,
                               struct sluice_span key, struct sluice_span value)
{
    struct buffer contents = BUFFER_INIT;
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;

    if (file_value_encode(value, &contents, &err) == SLUICE_OK)
        st = put(build, key, buffer_span(&contents), build->postmap->must_replace);
    else
        source_warn(source, "%s, line %lu: %s: skipping this entry", source->name,
                    source->line_number, err.text);
    buffer_done(&contents);
    return st;
}

/* An alias table is complete once it has this entry, say old programs. */
static sluice_status put_signature(struct build *build)
{
    return put(build, SPAN_LITERAL("@"), SPAN_LITERAL("@"),
               build->postmap->must_replace || build->postmap->is_incremental);
}

static sluice_status put_all(struct build *build, struct source *source)
{
    const struct postmap *postmap = build->postmap;
    struct sluice_span key, value;
    struct alias_source aliases = {.source = source};
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK) {
        st = postmap->is_alias ? alias_source_entry(&aliases, &build->errors.sdk, &key, &value)
                               : source_entry(source, &build->errors.sdk, &key, &value);
        if (st == SLUICE_OK)
            st = postmap->has_files ? put_files(build, source, key, value)
                                    : put(build, key, value, postmap->must_replace);
    }
    alias_source_done(&aliases);
    if (st == SLUICE_NOT_FOUND)
        st = postmap->is_alias ? put_signature(build) : SLUICE_OK;
    return st;
}

/* All entries of the source; none of them if one fails. */
static int build_from(struct build *build, FILE *file, const char *name)
{
    struct source source;
    sluice_status st;

    source_init(&source, file, name, postmap_warn, build->postmap);
    source.takes_any_text = build->postmap->takes_any_text;
    st = put_all(build, &source);
    source_done(&source);
    if (st == SLUICE_OK)
        return commit(build);
    build->table->ops->write_abort(build->writer);
    return fail(build);
}

/*
 * Root writes as the owner of the source: who may write into that folder could otherwise have root
 * write anywhere.
 */
static int become_owner(const struct postmap *postmap, const struct stat *source)
{
    if (geteuid() != 0 || source->st_uid == 0 || postmap->keeps_root)
        return EXIT_SUCCESS;
    if (setgroups(1, &source->st_gid) == -1 || setegid(source->st_gid) == -1 ||
        seteuid(source->st_uid) == -1)
        return postmap_fatal(postmap, "run as the owner of the source, uid %ld: %s",
                             (long)source->st_uid, strerror(errno));
    return EXIT_SUCCESS;
}

static int become_root(const struct postmap *postmap)
{
    const gid_t group = 0;

    if (getuid() != 0 || geteuid() == 0)
        return EXIT_SUCCESS;
    if (seteuid(0) == -1 || setegid(0) == -1 || setgroups(1, &group) == -1)
        return postmap_fatal(postmap, "become root again: %s", strerror(errno));
    return EXIT_SUCCESS;
}

/* Who may read the source may read the table. */
static mode_t mode_for(const struct postmap *postmap, const struct stat *source)
{
    mode_t readers = S_IRGRP | S_IROTH;

    if (!postmap->has_plain_mode && S_ISREG(source->st_mode))
        readers &= source->st_mode;
    return S_IRUSR | S_IWUSR | readers;
}

static int build_as_owner(struct build *build, FILE *file, const char *name)
{
    const struct postmap *postmap = build->postmap;
    struct stat source;
    bool is_writable;
    int code;

    if (load(build, &is_writable) != SLUICE_OK)
        return fail(build);
    if (!is_writable)
        return postmap_fatal(postmap,
                             "unsupported dictionary type: %s does not support bulk-mode creation.",
                             build->table->type);
    if (fstat(fileno(file), &source) == -1)
        return postmap_fatal(postmap, "open %s: %s", name, strerror(errno));
    code = become_owner(postmap, &source);
    if (code == EXIT_SUCCESS)
        code = write_open(build, postmap->is_incremental, mode_for(postmap, &source));
    if (code == EXIT_SUCCESS)
        code = build_from(build, file, name);
    return become_root(postmap) == EXIT_SUCCESS ? code : EXIT_FAILURE;
}

static int build_table(struct postmap *postmap, struct postmap_table *table)
{
    struct build build = {.postmap = postmap, .table = table};
    int code;

    if (postmap->is_incremental)
        return build_as_owner(&build, stdin, "stdin");
    FILE *file = fopen(table->path, "re");
    if (file == NULL)
        return postmap_fatal(postmap, "open %s: %s", table->path, strerror(errno));
    code = build_as_owner(&build, file, table->path);
    (void)fclose(file); /* only read */
    return code;
}

int postmap_build(struct postmap *postmap)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0; i < postmap->table_count && code == EXIT_SUCCESS; i++)
        code = build_table(postmap, &postmap->tables[i]);
    return code;
}

/* ---- removing -------------------------------------------------------------------------------- */

struct removal {
    struct postmap *postmap;
    struct build *builds; /* one for each table */
};

/* From every table that has it. */
static int remove_key(void *user, struct sluice_span key, bool *found)
{
    const struct removal *removal = user;

    for (size_t i = 0; i < removal->postmap->table_count; i++) {
        struct build *build = &removal->builds[i];
        char *copy = postmap_table_key(build->table, key);
        sluice_status st = SLUICE_TEMP;

        if (copy != NULL)
            st = build->table->ops->write_remove(build->writer, (struct sluice_span){copy, key.len},
                                                 &build->errors.sdk);
        else
            (void)error_set(&build->err, SLUICE_TEMP, "out of memory");
        free(copy);
        if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
            return fail(build);
        build->is_changed = build->is_changed || st == SLUICE_OK;
        *found = *found || st == SLUICE_OK;
    }
    return EXIT_SUCCESS;
}

/* A table that is not there is no empty one. */
static int open_for_removal(struct build *build)
{
    bool is_writable;

    if (load(build, &is_writable) != SLUICE_OK)
        return fail(build);
    if (!is_writable)
        return postmap_fatal(build->postmap, "%s:%s map requires O_RDONLY access mode",
                             build->table->type, build->table->path);
    if (postmap_table_open(build->table, &build->err) != SLUICE_OK)
        return fail(build);
    return write_open(build, true, S_IRUSR | S_IWUSR);
}

/* What has been opened is put in place, or given up. */
static int close_builds(const struct removal *removal, bool is_good)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0; i < removal->postmap->table_count; i++) {
        struct build *build = &removal->builds[i];

        if (build->writer == NULL)
            continue;
        if (!is_good || !build->is_changed)
            build->table->ops->write_abort(build->writer);
        else if (commit(build) != EXIT_SUCCESS)
            code = EXIT_FAILURE;
    }
    return code;
}

int postmap_remove(struct postmap *postmap)
{
    struct removal removal = {.postmap = postmap};
    bool is_good = true;
    int code = EXIT_SUCCESS;

    removal.builds = calloc(postmap->table_count, sizeof(removal.builds[0]));
    if (removal.builds == NULL)
        return postmap_fatal(postmap, "out of memory");
    for (size_t i = 0; i < postmap->table_count && code == EXIT_SUCCESS; i++) {
        removal.builds[i] = (struct build){.postmap = postmap, .table = &postmap->tables[i]};
        code = open_for_removal(&removal.builds[i]);
    }
    is_good = code == EXIT_SUCCESS;
    if (is_good)
        code = postmap_each_key(postmap, postmap->remove, remove_key, &removal, &is_good);
    if (close_builds(&removal, is_good) != EXIT_SUCCESS)
        code = EXIT_FAILURE;
    free(removal.builds);
    return code;
}
