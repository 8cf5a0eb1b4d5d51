/* SPDX-License-Identifier: ISC */
/*
 * file_table: a table in a file that postmap makes, whatever library knows the file's format.
 *
 * file_reader.c answers and notices that the file is another one, file_writer.c builds a new file
 * and puts it in the old one's place, file_plugin.c has the operations that the host calls. A plugin
 * adds one file_format, which is all that it knows, and its descriptor.
 *
 * Keys and values are stored with or without a terminating NUL byte: Postfix's rule is that the
 * first key which is there says how all of that file end.
 *
 * Locks. Postfix rewrites a table in place under an exclusive flock; the reader takes a shared one
 * while it copies the table, or for each look-up in a large one, and never waits for it. Our writer
 * puts a new file in the old one's place and keeps others away with a lock of the other sort
 * (F_OFD_SETLK), which no reader notices.
 */
#ifndef SLUICE_PLUGIN_FILE_TABLE_H
#define SLUICE_PLUGIN_FILE_TABLE_H

#include "sluice/lookup.h"

#include <sys/stat.h>

/* A file that a format is to read. */
struct file_source {
    int fd;           /* borrowed until close(): the file, or a copy of it that nobody writes */
    const char *path; /* by which a library may open it */
    int is_copy;
    uint64_t size;
};

/*
 * Where a function returns a text it is why it failed, or NULL; the text is static or lives as long
 * as data. Where it has a ret_why it is set with every status other than OK and NOT_FOUND.
 */
struct file_format {
    const char *suffix; /* ".db" */
    /* Of a second file that must be there too, made by write_companion; or NULL. */
    const char *companion_suffix;
    const char *(*write_companion)(const char *name, mode_t mode);

    /* Refuses what could mislead or break the library: a file that is cut off, damaged, foreign. */
    const char *(*open)(const struct file_source *source, void **ret_data);
    void (*close)(void *data); /* accepts NULL */
    /* OK, NOT_FOUND or TEMP; the value is borrowed until the next call. */
    sluice_status (*get)(void *data, struct sluice_span key, struct sluice_span *ret_value,
                         const char **ret_why);
    /* Every entry as it is stored; a status of the sink's other than OK ends it and is returned. */
    sluice_status (*each)(void *data, const struct sluice_lookup_entry_sink *sink,
                          const char **ret_why);

    /* path: an empty file of ours, open as fd too. */
    const char *(*create)(const char *path, int fd, void **ret_data);
    /* OK, or NOT_FOUND: the key is there and replace is 0. */
    sluice_status (*put)(void *data, struct sluice_span key, struct sluice_span value, int replace,
                         const char **ret_why);
    sluice_status (*remove)(void *data, struct sluice_span key, const char **ret_why);
    const char *(*finish)(void *data); /* all is in the file; frees data in any case */
    void (*discard)(void *data);       /* accepts NULL */
};

/* The plugin's own. */
extern const struct file_format file_format;

/* For the descriptor: options that every such table has, and its operations. */
#define FILE_OPTION_TERMINATED                                                                     \
    {                                                                                              \
        "terminated", SLUICE_OPT_BOOLEAN, 0, "true", NULL,                                         \
            "Build tables with a NUL byte after each key and value, as Postfix does"               \
    }
extern const struct sluice_lookup_ops file_table_ops;

/* ---- between reader, writer and plugin ------------------------------------------------------- */

sluice_status file_open(const struct sluice_host *host, const struct sluice_config *config,
                        const char *name, const struct sluice_errors *errors,
                        struct sluice_lookup **ret_lookup);
void file_close(struct sluice_lookup *lookup);
sluice_status file_find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                        const struct sluice_lookup_sink *sink, const struct sluice_errors *errors);
sluice_status file_generation(struct sluice_lookup *lookup, uint64_t *ret_generation);
sluice_status file_list(struct sluice_lookup *lookup, const struct sluice_lookup_entry_sink *sink,
                        const struct sluice_errors *errors);

sluice_status file_write_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, int32_t is_update, uint32_t mode,
                              const struct sluice_errors *errors,
                              struct sluice_lookup_writer **ret_writer);
sluice_status file_write_put(struct sluice_lookup_writer *writer, struct sluice_span key,
                             struct sluice_span value, int32_t replace,
                             const struct sluice_errors *errors);
sluice_status file_write_remove(struct sluice_lookup_writer *writer, struct sluice_span key,
                                const struct sluice_errors *errors);
sluice_status file_write_commit(struct sluice_lookup_writer *writer,
                                const struct sluice_errors *errors);
void file_write_abort(struct sluice_lookup_writer *writer);

#endif /* SLUICE_PLUGIN_FILE_TABLE_H */
