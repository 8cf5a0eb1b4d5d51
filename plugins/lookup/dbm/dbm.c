/* SPDX-License-Identifier: ISC */
/*
 * dbm: tables in the two files of gdbm's ndbm interface, NAME.pag and NAME.dir.
 *
 * NAME.pag is a gdbm file and NAME.dir says no more than that, so that building aside and renaming
 * works for the pair: NAME.dir is the same for every table. The gdbm file is read through the
 * library's own interface, since that takes an open file and says what is wrong. The files of other
 * ndbm libraries are refused. gdbm is under the GPL: this plugin is a package of its own.
 */
#include "file_table.h"

#include <fcntl.h>
#include <gdbm-ndbm.h>
#include <gdbm.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPANION_SUFFIX ".dir"
/* The table's lock is ours, and a mapped file that is cut off would end the process. */
#define FLAGS (GDBM_NOLOCK | GDBM_NOMMAP)

struct dbm_table {
    GDBM_FILE file;
    char *value; /* the latest */
};

static const char no_memory[] = "out of memory";

static datum datum_of(struct sluice_span span)
{
    datum item = {.dsize = (int)span.len};

    memcpy(&item.dptr, &span.ptr, sizeof(item.dptr)); /* the library does not say const */
    return item;
}

static struct sluice_span span_of(datum item)
{
    return (struct sluice_span){item.dptr, (size_t)item.dsize};
}

static sluice_status answer(const struct dbm_table *table, gdbm_error miss, const char **ret_why)
{
    gdbm_error error = gdbm_last_errno(table->file);

    if (error == miss)
        return SLUICE_NOT_FOUND;
    *ret_why = gdbm_strerror(error);
    return SLUICE_TEMP;
}

static void close_file(void *data)
{
    struct dbm_table *table = data;

    if (table == NULL)
        return;
    if (table->file != NULL)
        (void)gdbm_close(table->file); /* only read, or given up */
    free(table->value);
    free(table);
}

static const char *open_fd(int fd, const char *path, int flags, struct dbm_table **ret_table)
{
    struct dbm_table *table = calloc(1, sizeof(*table));
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the library closes it */

    if (table != NULL && own != -1 && lseek(own, 0, SEEK_SET) == 0)
        table->file = gdbm_fd_open(own, path, 0, flags | FLAGS | GDBM_CLOERROR, NULL);
    if (table != NULL && table->file != NULL) {
        *ret_table = table;
        return NULL;
    }
    close_file(table);
    return table != NULL && own != -1 ? gdbm_strerror(gdbm_errno) : no_memory;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads each bucket once: one that is damaged would lose its keys. */
static const char *check_buckets(struct dbm_table *table)
{
    datum key = gdbm_firstkey(table->file);

    while (key.dptr != NULL) {
        datum next = gdbm_nextkey(table->file, key);

        free(key.dptr);
        key = next;
    }
    if (gdbm_last_errno(table->file) == GDBM_ITEM_NOT_FOUND)
        return NULL;
    return gdbm_strerror(gdbm_last_errno(table->file));
}

static const char *open_file(const struct file_source *source, void **ret_data)
{
    struct dbm_table *table;
    const char *wrong;

    if (source->size == 0)
        return "the file is empty";
    wrong = open_fd(source->fd, source->path, GDBM_READER | GDBM_XVERIFY, &table);
    if (wrong != NULL && gdbm_errno == GDBM_BAD_MAGIC_NUMBER)
        return "not a file of gdbm's ndbm; build it again with postmap";
    if (wrong != NULL)
        return wrong;
    wrong = check_buckets(table);
    if (wrong != NULL) {
        close_file(table);
        return wrong;
    }
    *ret_data = table;
    return NULL;
}

static sluice_status get(void *data, struct sluice_span key, struct sluice_span *ret_value,
                         const char **ret_why)
{
    struct dbm_table *table = data;
    datum value;

    if (key.len > INT_MAX)
        return SLUICE_NOT_FOUND;
    value = gdbm_fetch(table->file, datum_of(key));
    if (value.dptr == NULL)
        return answer(table, GDBM_ITEM_NOT_FOUND, ret_why);
    free(table->value);
    table->value = value.dptr;
    *ret_value = span_of(value);
    return SLUICE_OK;
}

static sluice_status each(void *data, const struct sluice_lookup_entry_sink *sink,
                          const char **ret_why)
{
    struct dbm_table *table = data;
    sluice_status status = SLUICE_OK;
    datum key = gdbm_firstkey(table->file);

    while (key.dptr != NULL && status == SLUICE_OK) {
        struct sluice_span value;
        datum next;

        status = get(table, span_of(key), &value, ret_why);
        if (status == SLUICE_OK)
            status = sink->entry(sink, span_of(key), value);
        next = status == SLUICE_OK ? gdbm_nextkey(table->file, key) : (datum){NULL, 0};
        free(key.dptr);
        key = next;
    }
    if (status == SLUICE_OK && answer(table, GDBM_ITEM_NOT_FOUND, ret_why) != SLUICE_NOT_FOUND)
        return SLUICE_TEMP;
    return status;
}

/* ---- building -------------------------------------------------------------------------------- */

static const char *create(const char *path, int fd, void **ret_data)
{
    struct dbm_table *table;
    const char *wrong = open_fd(fd, path, GDBM_NEWDB, &table);

    if (wrong == NULL)
        *ret_data = table;
    return wrong;
}

static sluice_status put(void *data, struct sluice_span key, struct sluice_span value, int replace,
                         const char **ret_why)
{
    struct dbm_table *table = data;
    int done;

    if (key.len > INT_MAX || value.len > INT_MAX) {
        *ret_why = no_memory;
        return SLUICE_TEMP;
    }
    done = gdbm_store(table->file, datum_of(key), datum_of(value),
                      replace ? GDBM_REPLACE : GDBM_INSERT);
    if (done == 0)
        return SLUICE_OK;
    return done == 1 ? SLUICE_NOT_FOUND : answer(table, GDBM_NO_ERROR, ret_why);
}

static sluice_status remove_key(void *data, struct sluice_span key, const char **ret_why)
{
    struct dbm_table *table = data;

    if (gdbm_delete(table->file, datum_of(key)) == 0)
        return SLUICE_OK;
    return answer(table, GDBM_ITEM_NOT_FOUND, ret_why);
}

static const char *finish(void *data)
{
    struct dbm_table *table = data;
    int is_closed = gdbm_close(table->file) == 0;

    table->file = NULL;
    close_file(table);
    return is_closed ? NULL : gdbm_strerror(gdbm_errno);
}

static void discard(void *data)
{
    close_file(data);
}

/* NAME.dir, as the ndbm interface makes it beside an empty table of another name. */
static const char *make_companion(const char *scratch, const char *dir, const char *pag,
                                  const char *companion, mode_t mode)
{
    char base[PATH_MAX];
    DBM *empty;

    (void)snprintf(base, sizeof(base), "%s", scratch);
    empty = dbm_open(base, O_RDWR | O_CREAT, (int)mode);
    if (empty == NULL)
        return gdbm_strerror(gdbm_errno);
    dbm_close(empty);
    if (chmod(dir, mode) == -1 || unlink(pag) == -1 || rename(dir, companion) == -1)
        return strerror(errno);
    return NULL;
}

static const char *write_companion(const char *name, mode_t mode)
{
    char scratch[PATH_MAX], dir[PATH_MAX], pag[PATH_MAX], companion[PATH_MAX];

    if (snprintf(scratch, sizeof(scratch), "%s.new", name) >= (int)sizeof(scratch) - 8)
        return strerror(ENAMETOOLONG);
    (void)snprintf(dir, sizeof(dir), "%.*s.dir", PATH_MAX - 8, scratch);
    (void)snprintf(pag, sizeof(pag), "%.*s.pag", PATH_MAX - 8, scratch);
    (void)snprintf(companion, sizeof(companion), "%.*s" COMPANION_SUFFIX, PATH_MAX - 8, name);
    if ((unlink(dir) == -1 && errno != ENOENT) || (unlink(pag) == -1 && errno != ENOENT))
        return strerror(errno); /* a killed writer's */
    return make_companion(scratch, dir, pag, companion, mode);
}

const struct file_format file_format = {
    .suffix = ".pag",
    .companion_suffix = COMPANION_SUFFIX,
    .write_companion = write_companion,
    .open = open_file,
    .close = close_file,
    .get = get,
    .each = each,
    .create = create,
    .put = put,
    .remove = remove_key,
    .finish = finish,
    .discard = discard,
};

/* ---- descriptor ------------------------------------------------------------------------------ */

static const struct sluice_option options[] = {FILE_OPTION_TERMINATED};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &file_table_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/dbm",
    .version = "0.1.0",
    .license = "ISC AND GPL-3.0-or-later",
    .summary = "Tables in gdbm's ndbm files, NAME.pag and NAME.dir",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
