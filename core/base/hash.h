/* SPDX-License-Identifier: ISC */
/*
 * hash: uthash, told to go on when there is no memory. An item that could not be added is then in no
 * table: look with hash_has() after each HASH_ADD.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* True if the item is in a table. */
#define hash_has(item) ((item)->hh.tbl != NULL)

#endif
