/* SPDX-License-Identifier: ISC */
/*
 * watched: what is read from a text file once, kept, and read again when the file has changed.
 *
 * The file is looked at once a second at most. What has changed is read when it has stayed the same
 * for a second, so that a text which is being written is not taken for a short one; until then what
 * there was answers. A text that cannot be read or understood any more answers nothing: TEMP with the
 * reason, until it is mended.
 *
 * Order: watched_open -> (watched_get | watched_generation)* -> watched_close. One thread at a time.
 */
#ifndef SLUICE_TABLE_WATCHED_H
#define SLUICE_TABLE_WATCHED_H

#include "sluice/host.h"

struct source;
struct watched;

struct watched_kind {
    const char *type; /* "texthash", for messages */
    /* Reads all of the text. *ret_content, which must not be NULL, only on OK; else a text. */
    sluice_status (*read)(struct source *source, const struct sluice_errors *errors,
                          void **ret_content);
    void (*free)(void *content);
};

/* CONFIG with a text if the file cannot be read. */
sluice_status watched_open(const struct sluice_host *host, const struct watched_kind *kind,
                           const char *path, const struct sluice_errors *errors,
                           struct watched **ret_watched);
/* Of the text itself, which never changes; name is for messages. */
sluice_status watched_open_text(const struct sluice_host *host, const struct watched_kind *kind,
                                const char *name, const char *text,
                                const struct sluice_errors *errors, struct watched **ret_watched);
void watched_close(struct watched *watched); /* accepts NULL */

/* What there is now, borrowed until the next call; or TEMP with a text. */
sluice_status watched_get(struct watched *watched, const struct sluice_errors *errors,
                          const void **ret_content);
/* A number that is another one when watched_get() gives something else; TEMP while it gives nothing. */
sluice_status watched_generation(struct watched *watched, uint64_t *ret_generation);

#endif /* SLUICE_TABLE_WATCHED_H */
