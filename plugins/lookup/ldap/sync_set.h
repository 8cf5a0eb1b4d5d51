/* SPDX-License-Identifier: ISC */
/*
 * sync_set: the entries of a directory that a table is made of, by what the server calls them and by
 * their keys. Values are kept as they are in the directory; formatting is for who asks.
 *
 * In a refresh (RFC 4533 section 3.3) what the server does not name is gone: sync_set_begin ->
 * (put | see | remove)* -> sync_set_remove_unseen. One thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_SYNC_SET_H
#define SLUICE_PLUGIN_LDAP_SYNC_SET_H

#include "sluice/types.h"

#include <stdbool.h>

#define SYNC_UUID_LEN 16 /* RFC 4533 section 2.1 */

struct sync_set;
struct sync_row; /* an entry under one of its keys */

/* NULL: no memory. */
struct sync_set *sync_set_new(void);
void sync_set_free(struct sync_set *set); /* accepts NULL */

void sync_set_begin(struct sync_set *set);
/* Instead of what is there of that entry, whose place among others with the same key it keeps. Without
 * keys or without values it is in no table. Keys count without blanks around them and in lower case. */
void sync_set_put(struct sync_set *set, const char uuid[SYNC_UUID_LEN],
                  const struct sluice_span *keys, size_t key_count,
                  const struct sluice_span *values, size_t value_count);
void sync_set_see(struct sync_set *set, const char uuid[SYNC_UUID_LEN]);
void sync_set_remove(struct sync_set *set, const char uuid[SYNC_UUID_LEN]);
void sync_set_remove_unseen(struct sync_set *set);
/* False: there was no memory for a part of it, so it says nothing of what it does not have. */
bool sync_set_is_whole(const struct sync_set *set);

/* The first entry with that key, which is in lower case; NULL: there is none. It and what it has stay the
 * set's until that changes. */
const struct sync_row *sync_set_find(const struct sync_set *set, struct sluice_span key);
const struct sync_row *sync_row_next(const struct sync_row *row); /* NULL: that was the last */
/* Its values, one after the other: *at is 0 at first. False: that was the last. */
bool sync_row_value(const struct sync_row *row, size_t *at, struct sluice_span *ret_value);

/* Another number when the set has other keys and values; the same for the same ones. */
uint64_t sync_set_generation(const struct sync_set *set);
size_t sync_set_count(const struct sync_set *set); /* entries */
size_t sync_set_bytes(const struct sync_set *set); /* all in all */

#endif /* SLUICE_PLUGIN_LDAP_SYNC_SET_H */
