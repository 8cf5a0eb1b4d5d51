/* SPDX-License-Identifier: ISC */
/*
 * effects: what restrictions ask for beside yes and no: HOLD, DISCARD, REDIRECT, BCC, PREPEND. They
 * are noted with the transaction while its recipients are judged, and count for the whole message.
 */
#ifndef RECEIVE_EFFECTS_H
#define RECEIVE_EFFECTS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>

#define EFFECTS_BCC_MAX 100
#define EFFECTS_PREPEND_MAX ((size_t)64 * 1024)

struct access_verdict;
struct router;
struct transaction;

/* Zero it to initialise. */
struct effects {
    bool is_held;
    bool is_discarded;
    char *redirect; /* NULL: to nobody else */
    char *bcc[EFFECTS_BCC_MAX];
    size_t bcc_count;
    struct buffer prepended; /* header fields with their line ends */
};

void effects_done(struct effects *effects);
/* The same effect asked for twice counts once. TEMP: no memory, or too much. */
sluice_status effects_add(struct effects *effects, const struct access_verdict *verdict);
/* Gives the envelope the recipients, and the state, that the effects want. TEMP with a text.
 * [task: may wait] */
sluice_status effects_apply(struct transaction *transaction, const struct router *router,
                            int64_t deadline_ms, struct error *err);

#endif
