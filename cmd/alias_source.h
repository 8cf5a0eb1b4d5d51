/* SPDX-License-Identifier: ISC */
/*
 * alias_source: the entries of an alias file, aliases(5): "name: value, value" on each line, with
 * comments and continuation as in any source of a table. What is no entry is reported and left out.
 *
 * Order: {.source = a source that is begun} -> alias_source_entry* -> alias_source_done.
 */
#ifndef CMD_ALIAS_SOURCE_H
#define CMD_ALIAS_SOURCE_H

#include "base/buffer.h"
#include "source.h"

struct alias_source {
    struct source *source;
    struct buffer key, value; /* of the latest entry */
};

/* The next entry, valid until the next call: the name without its quotes, the value with them and
 * without superfluous white space. NOT_FOUND at the end; TEMP if the source cannot be read. */
sluice_status alias_source_entry(struct alias_source *aliases, const struct sluice_errors *errors,
                                 struct sluice_span *ret_key, struct sluice_span *ret_value);
void alias_source_done(struct alias_source *aliases);

#endif
