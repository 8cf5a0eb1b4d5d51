/* SPDX-License-Identifier: ISC */
/*
 * hash: tables in Berkeley DB hash files, as Postfix's postmap writes and reads them.
 *
 * reader.c answers, writer.c builds, check.c decides whether a file may be shown to the library,
 * plugin.c is the descriptor. Key and value are stored with a terminating NUL byte.
 *
 * Locks. Postfix rewrites a table in place under an exclusive flock; the reader takes a shared one
 * while it copies the table, or for each look-up in a large one, and never waits for it. Our writer
 * puts a new file in the old one's place and keeps others away with a lock of the other sort
 * (F_OFD_SETLK), which no reader notices.
 */
#ifndef SLUICE_PLUGIN_HASH_H
#define SLUICE_PLUGIN_HASH_H

#include "sluice/lookup.h"

#include <db.h>

#define HASH_TEXT_MAX 512 /* of one explanation */
#define HASH_SUFFIX ".db"

/* Explains a failure in printf's way and returns status. */
__attribute__((format(printf, 3, 4))) sluice_status
hash_fail(const struct sluice_errors *errors, sluice_status status, const char *format, ...);

/* A handle for a file of our own kind, silent on standard error; an error number of the library. */
int hash_db_new(DB **ret_db);

/* What reader and writer hand to the library. A DBT does not say const, but keeps to it. */
DBT hash_dbt(const void *data, size_t len);

/* The value that was stored: up to its first NUL byte. */
struct sluice_span hash_value(const DBT *data);

/*
 * Hands each key and value of db to sink, both without the terminating NUL. A status of the sink's
 * other than OK ends it and is returned; if the library fails, TEMP and its number in *ret_error,
 * else 0 in *ret_error.
 */
sluice_status hash_each(DB *db, const struct sluice_lookup_entry_sink *sink, int *ret_error);

sluice_status hash_open(const struct sluice_host *host, const struct sluice_config *config,
                        const char *name, const struct sluice_errors *errors,
                        struct sluice_lookup **ret_lookup);
void hash_close(struct sluice_lookup *lookup);
sluice_status hash_find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                        const struct sluice_lookup_sink *sink, const struct sluice_errors *errors);
sluice_status hash_generation(struct sluice_lookup *lookup, uint64_t *ret_generation);
sluice_status hash_list(struct sluice_lookup *lookup, const struct sluice_lookup_entry_sink *sink,
                        const struct sluice_errors *errors);

sluice_status hash_write_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, int32_t is_update, uint32_t mode,
                              const struct sluice_errors *errors,
                              struct sluice_lookup_writer **ret_writer);
sluice_status hash_write_put(struct sluice_lookup_writer *writer, struct sluice_span key,
                             struct sluice_span value, int32_t replace,
                             const struct sluice_errors *errors);
sluice_status hash_write_remove(struct sluice_lookup_writer *writer, struct sluice_span key,
                                const struct sluice_errors *errors);
sluice_status hash_write_commit(struct sluice_lookup_writer *writer,
                                const struct sluice_errors *errors);
void hash_write_abort(struct sluice_lookup_writer *writer);

#endif /* SLUICE_PLUGIN_HASH_H */
