/* SPDX-License-Identifier: ISC */
/*
 * intake_private: what intake.c and commit.c share.
 */
#ifndef QUEUE_INTAKE_PRIVATE_H
#define QUEUE_INTAKE_PRIVATE_H

#include "ipc/channel.h"
#include "queue/id_ranges.h"
#include "queue/state.h"

struct commit;

/* A receive process. Tasks and commits that outlive its channel hold references. */
struct intake_link {
    struct queue *queue;
    struct channel *channel; /* NULL: it is gone */
    unsigned index;
    int32_t pid;
    uint64_t generation; /* of its configuration */
    bool is_paused; /* it sends nothing more */
    unsigned references;
    uint64_t credit_bytes; /* what it may have under way */
    uint64_t used_bytes;
    uint64_t used_messages;
    struct id_ranges ids; /* that it may use */
    bool wants_lease;
    unsigned staging_count;
    struct commit *commits;
    struct intake_link *prev;
    struct intake_link *next;
};

void intake_link_unref(struct intake_link *link);
/* A message_status; nothing happens when the link is gone. */
void intake_answer(struct intake_link *link, uint16_t type, uint64_t ref, sluice_status status,
                   const char *dsn, const char *text);

#endif
