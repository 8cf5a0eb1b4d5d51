/* SPDX-License-Identifier: ISC */
/*
 * mailq: what mailq, postqueue -p and sendmail -bp print, and what they and their relatives ask of
 * the daemon. The formats and texts are Postfix's, byte for byte: scripts read them.
 */
#ifndef CMD_MAILQ_H
#define CMD_MAILQ_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

struct mailq {
    const char *program; /* in front of messages */
    char config_path[PATH_MAX];
    int failure; /* the program's exit code where something fails */
};

/* -c: the folder that sluice.conf is in (place.h). */
void mailq_set_folder(struct mailq *mailq, const char *folder);
/* Says why and returns the exit code. */
int mailq_fatal(const struct mailq *mailq, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* All return the exit code. */
int mailq_print(const struct mailq *mailq);
int mailq_print_json(const struct mailq *mailq);
int mailq_flush(const struct mailq *mailq);
int mailq_flush_site(const struct mailq *mailq, const char *site);
int mailq_flush_id(const struct mailq *mailq, const char *id);

#endif
