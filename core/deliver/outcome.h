/* SPDX-License-Identifier: ISC */
/*
 * outcome: what became of each recipient of a job, and the rules for who may overwrite whom.
 *
 * OK and PERM settle a recipient; TEMP is what counts if nothing better comes; a recipient that
 * nobody reports on is TEMP.
 */
#ifndef DELIVER_OUTCOME_H
#define DELIVER_OUTCOME_H

#include "base/error.h"
#include "sluice/transport.h"

#include <stdbool.h>

#define OUTCOME_REPLY_MAX 1000 /* of a peer's own words: all of a job's must fit into a frame */
#define OUTCOME_RELAY_MAX 380 /* "host[address]:port": a name of 255 octets, a socket's path */

struct outcome {
    bool is_reported;
    struct error result; /* OK, TEMP or PERM, with enhanced status and text */
    char relay[OUTCOME_RELAY_MAX];
    char *reply;    /* the peer's own words; NULL: none */
    uint32_t flags; /* SLUICE_RESULT_... */
};

void outcome_done(struct outcome *outcome);

bool outcome_is_settled(const struct outcome *outcome);
/* Records a result unless the recipient is settled. Any other status than OK and PERM is TEMP. dsn
 * and text may be NULL; relay is the host's, or "none". */
void outcome_set(struct outcome *outcome, sluice_status status, const char *dsn, const char *text,
                 const char *relay);
/* The same with all that a transport may say. */
void outcome_set_result(struct outcome *outcome, const struct sluice_result *result,
                        const char *relay);

#endif
