/* SPDX-License-Identifier: ISC */
/*
 * check: is this a Berkeley DB file of the plugin's sort that the library can be trusted with?
 *
 * A table may be half copied, cut off, or something else altogether. The library takes a page that
 * is not there for an empty one, so that a key on it would be "not found" and mail refused for
 * good; and it follows offsets and page numbers without looking at them. So each page is looked at
 * once when a file is opened: sizes, kinds, offsets, and that chains of pages have an end. Reads
 * the file once, at the speed of the page cache.
 */
#ifndef SLUICE_PLUGIN_HASH_CHECK_H
#define SLUICE_PLUGIN_HASH_CHECK_H

#include <stdint.h>

/* NULL, or what is wrong with the file of that size: static text. [waits for the disk] */
const char *check_file(int fd, uint64_t size);

#endif /* SLUICE_PLUGIN_HASH_CHECK_H */
