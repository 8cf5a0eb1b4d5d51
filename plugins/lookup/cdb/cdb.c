/* SPDX-License-Identifier: ISC */
/*
 * cdb: tables in constant database files, as Postfix's postmap, cdb(1) and djb's cdbmake write them.
 *
 * A file is 256 references to tables, the records, and the tables: of slots, each the hash of a key
 * and where its record is. The library's functions that read() are used, not those that map: a
 * mapped file that somebody cuts off would end the process.
 */
#include "file_table.h"

#include <cdb.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLES 256u
#define TABLES_SIZE (TABLES * 8u)
#define SLOT_SIZE 8u
#define HEADER_SIZE 8u /* of a record: the lengths of key and value */
#define SLOTS_AT_ONCE 512u

static const char no_memory[] = "out of memory";
static const char damaged[] = "the file is damaged";

struct cdb_table {
    int fd;
    uint64_t size;
    uint32_t records_end; /* and the tables' beginning */
    unsigned char tables[TABLES_SIZE];
    char *buffer; /* the latest record */
    size_t buffer_size;
};

static int read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    return pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

static char *buffer_of(struct cdb_table *table, size_t size)
{
    if (size > table->buffer_size || table->buffer == NULL) {
        char *larger = realloc(table->buffer, size + 1);

        if (larger == NULL)
            return NULL;
        table->buffer = larger;
        table->buffer_size = size;
    }
    return table->buffer;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_file(void *data)
{
    struct cdb_table *table = data;

    if (table == NULL)
        return;
    free(table->buffer);
    free(table);
}

/* Adds to *ret_used how many of the slots lead to a record. */
static const char *check_slots(const struct cdb_table *table, uint32_t index, uint64_t offset,
                               uint32_t count, uint32_t *ret_used)
{
    unsigned char slots[SLOTS_AT_ONCE * SLOT_SIZE];

    if (!read_at(table->fd, slots, (size_t)count * SLOT_SIZE, offset))
        return "cannot be read";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t hash = cdb_unpack(slots + (size_t)i * SLOT_SIZE);
        uint32_t record = cdb_unpack(slots + (size_t)i * SLOT_SIZE + 4);

        if (record == 0)
            continue;
        if (hash % TABLES != index || record < TABLES_SIZE ||
            (uint64_t)record + HEADER_SIZE > table->records_end)
            return damaged;
        ++*ret_used;
    }
    return NULL;
}

/* Every writer fills half of the slots: fewer, and keys would be missing. */
static const char *check_table(const struct cdb_table *table, uint32_t index)
{
    uint64_t at = cdb_unpack(table->tables + (size_t)index * 8);
    uint32_t count = cdb_unpack(table->tables + (size_t)index * 8 + 4);
    uint32_t used = 0;

    if (at + (uint64_t)count * SLOT_SIZE > table->size)
        return "the file is cut off, or no cdb file";
    if (at < table->records_end || count % 2 != 0)
        return damaged;
    for (uint32_t done = 0; done < count; done += SLOTS_AT_ONCE) {
        uint32_t now = count - done < SLOTS_AT_ONCE ? count - done : SLOTS_AT_ONCE;
        const char *wrong =
            check_slots(table, index, at + (uint64_t)done * SLOT_SIZE, now, &used);

        if (wrong != NULL)
            return wrong;
    }
    return used == count / 2 ? NULL : damaged;
}

static const char *check_tables(struct cdb_table *table)
{
    const char *wrong = NULL;

    if (table->size < TABLES_SIZE || !read_at(table->fd, table->tables, TABLES_SIZE, 0))
        return table->size == 0 ? "the file is empty" : "not a cdb file";
    table->records_end = UINT32_MAX;
    for (uint32_t i = 0; i < TABLES; i++) {
        uint32_t at = cdb_unpack(table->tables + (size_t)i * 8);

        table->records_end = at < table->records_end ? at : table->records_end;
    }
    if (table->records_end < TABLES_SIZE)
        return "not a cdb file";
    for (uint32_t i = 0; i < TABLES && wrong == NULL; i++)
        wrong = check_table(table, i);
    return wrong;
}

static const char *open_file(const struct file_source *source, void **ret_data)
{
    struct cdb_table *table = calloc(1, sizeof(*table));
    const char *wrong;

    if (table == NULL)
        return no_memory;
    table->fd = source->fd;
    table->size = source->size;
    wrong = check_tables(table);
    if (wrong != NULL) {
        close_file(table);
        return wrong;
    }
    *ret_data = table;
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static sluice_status fail(const char *why, const char **ret_why)
{
    *ret_why = why;
    return SLUICE_TEMP;
}

static sluice_status get(void *data, struct sluice_span key, struct sluice_span *ret_value,
                         const char **ret_why)
{
    struct cdb_table *table = data;
    unsigned len;
    char *value;
    int found = cdb_seek(table->fd, key.ptr, (unsigned)key.len, &len);

    if (found == 0)
        return SLUICE_NOT_FOUND;
    if (found < 0 || len > table->size)
        return fail(damaged, ret_why);
    value = buffer_of(table, len);
    if (value == NULL)
        return fail(no_memory, ret_why);
    if (cdb_bread(table->fd, value, (int)len) != 0)
        return fail(damaged, ret_why);
    *ret_value = (struct sluice_span){value, len};
    return SLUICE_OK;
}

/* The record at *at, whose bytes are the table's until the next one; *at goes on to that. */
static sluice_status next_record(struct cdb_table *table, uint64_t *at, struct sluice_span *ret_key,
                                 struct sluice_span *ret_value, const char **ret_why)
{
    unsigned char header[HEADER_SIZE];
    uint64_t key_len, value_len;
    char *bytes;

    if (!read_at(table->fd, header, sizeof(header), *at))
        return fail(damaged, ret_why);
    key_len = cdb_unpack(header);
    value_len = cdb_unpack(header + 4);
    if (*at + HEADER_SIZE + key_len + value_len > table->records_end)
        return fail(damaged, ret_why);
    bytes = buffer_of(table, key_len + value_len);
    if (bytes == NULL)
        return fail(no_memory, ret_why);
    if (!read_at(table->fd, bytes, key_len + value_len, *at + HEADER_SIZE))
        return fail(damaged, ret_why);
    *ret_key = (struct sluice_span){bytes, key_len};
    *ret_value = (struct sluice_span){bytes + key_len, value_len};
    *at += HEADER_SIZE + key_len + value_len;
    return SLUICE_OK;
}

static sluice_status each(void *data, const struct sluice_lookup_entry_sink *sink,
                          const char **ret_why)
{
    struct cdb_table *table = data;
    sluice_status status = SLUICE_OK;
    uint64_t at = TABLES_SIZE;

    while (status == SLUICE_OK && at < table->records_end) {
        struct sluice_span key, value;

        status = next_record(table, &at, &key, &value, ret_why);
        if (status == SLUICE_OK)
            status = sink->entry(sink, key, value);
    }
    return status;
}

/* ---- building -------------------------------------------------------------------------------- */

static const char *create(const char *path, int fd, void **ret_data)
{
    struct cdb_make *make = malloc(sizeof(*make));

    (void)path;
    if (make == NULL)
        return no_memory;
    if (cdb_make_start(make, fd) != 0) {
        free(make);
        return strerror(errno);
    }
    *ret_data = make;
    return NULL;
}

static sluice_status put(void *data, struct sluice_span key, struct sluice_span value, int replace,
                         const char **ret_why)
{
    int is_there = cdb_make_put(data, key.ptr, (unsigned)key.len, value.ptr, (unsigned)value.len,
                                replace ? CDB_PUT_REPLACE : CDB_PUT_INSERT);

    if (is_there < 0)
        return fail(strerror(errno), ret_why);
    return is_there > 0 && !replace ? SLUICE_NOT_FOUND : SLUICE_OK;
}

static sluice_status remove_key(void *data, struct sluice_span key, const char **ret_why)
{
    int found = cdb_make_find(data, key.ptr, (unsigned)key.len, CDB_FIND_REMOVE);

    if (found < 0)
        return fail(strerror(errno), ret_why);
    return found > 0 ? SLUICE_OK : SLUICE_NOT_FOUND;
}

static const char *finish(void *data)
{
    const char *why = cdb_make_finish(data) == 0 ? NULL : strerror(errno);

    free(data);
    return why;
}

/* The library has no other way to free its lists: the file that it finishes goes away. */
static void discard(void *data)
{
    if (data != NULL)
        (void)finish(data);
}

const struct file_format file_format = {
    .suffix = ".cdb",
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
    .name = "lookup/cdb",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tables in constant database files, NAME.cdb, as made by postmap",
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
