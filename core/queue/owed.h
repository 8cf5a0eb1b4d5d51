/* SPDX-License-Identifier: ISC */
/*
 * owed: which messages owe reports, of which kinds, and when the next one of each is to be made.
 *
 * One that a reporter has is in its hands: its due time is CLOCK_NEVER until owed_settle. A report over
 * which deliver crashed OWED_CRASHES_MAX times is one that report.c gives up.
 * On the loop's thread.
 */
#ifndef QUEUE_OWED_H
#define QUEUE_OWED_H

#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "ipc/messages.h"
#include "queue/message.h"

#define OWED_CRASHES_MAX 3

struct owed {
    uint64_t id;
    struct heap_node due; /* monotonic clock */
    bool kinds[REPORT_KINDS];
    bool is_running;
    uint8_t crashes;     /* of deliver over it, since one was made */
    int32_t asked_pid;   /* the deliver process that was asked last; 0: none */
    uint32_t delay_from; /* a warning about this recipient and those behind it is next */
    int64_t backoff_ms;  /* of the last failure; 0: none */
    UT_hash_handle hh;
};

struct owed_table {
    struct owed *table; /* by message */
    struct heap due;
};

/* NULL: it owes nothing. */
struct owed *owed_find(const struct owed_table *all, uint64_t id);
/* Made if there is none, with a due time of CLOCK_NEVER. NULL: no memory. */
struct owed *owed_get(struct owed_table *all, uint64_t id);
/* It owes that kind of report too, to be made at due_ms if it is in nobody's hands and has not failed. */
void owed_add(struct owed_table *all, struct owed *owed, enum report_kind kind, int64_t due_ms);
/* The one that is due first, into the caller's hands; NULL: none is due. */
struct owed *owed_take(struct owed_table *all, int64_t now_ms);
/* When the next one is due; CLOCK_NEVER: there is none. */
int64_t owed_next_ms(const struct owed_table *all);
/* The kind that is to be reported first. */
enum report_kind owed_first_kind(const struct owed *owed);
/* Out of the caller's hands: what is owed still is due after a while if status is not OK; a longer
 * one each time, up to backoff_max_ms. */
void owed_settle(struct owed_table *all, struct owed *owed, sluice_status status,
                 int64_t backoff_max_ms, int64_t now_ms);
void owed_drop(struct owed_table *all, struct owed *owed);
void owed_done(struct owed_table *all);

#endif
