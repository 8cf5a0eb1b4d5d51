/* SPDX-License-Identifier: ISC */
/*
 * subject: the store under test, and the smallest host that can open it.
 *
 * The plugin comes from the command line, so all of this is there once for the process.
 */
#ifndef SLUICE_TEST_SUBJECT_H
#define SLUICE_TEST_SUBJECT_H

#include <stdbool.h>

#include "sluice/queue.h"

/* A change as a host of a later version would hand it over: longer than the store knows. */
struct change {
    struct sluice_queue_change base;
    uint64_t of_a_later_version;
};

/* What the store explained since the last subject_* call. */
struct explained {
    struct sluice_errors errors;
    int count;
    char dsn[16];
    char text[512];
};

/* What read and scan gave. */
struct found {
    int messages;
    int contents;
    uint64_t id;
    uint32_t flags;
    uint64_t content_size;
    size_t record_size;
    size_t content_read;
    char *record;
    char *content;
};

extern _Thread_local struct explained explained;

/* What a store declares about itself, on the command line (main.c). */
struct traits {
    bool is_volatile;
    bool trusts_pages;
    unsigned long points; /* of a scenario at which a fault is tried; 0: at every call */
    unsigned long seed;
    unsigned long walks;
};

extern struct traits traits;

/* Exits with a text if the file is no queue store. */
void subject_load(const char *path);
void subject_set(const char *key, const char *value); /* an option, as in the configuration */
bool subject_can_stage(void);

sluice_status subject_open(const char *folder, struct sluice_queue **ret_queue);
void subject_close(struct sluice_queue *queue);
sluice_status subject_apply(struct sluice_queue *queue, const struct change *changes, size_t count);
/* The caller frees what it found, also after a failure. */
sluice_status subject_read(struct sluice_queue *queue, uint64_t id, struct found *found);
/* The record alone. */
sluice_status subject_read_record(struct sluice_queue *queue, uint64_t id, struct found *found);
void found_done(struct found *found);
sluice_status subject_scan(struct sluice_queue *queue,
                           void (*message)(void *user, const struct found *found), void *user);
sluice_status subject_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space);
bool subject_maintains_aside(void);
/* NOT_FOUND also where the store has nothing to maintain. */
sluice_status subject_maintain(struct sluice_queue *queue, int64_t budget_ms);
/* The caller closes the descriptor. */
sluice_status subject_stage(struct sluice_queue *queue, uint64_t id, int *ret_fd);

struct change change_put(uint64_t id, uint32_t flags, struct sluice_span record,
                         struct sluice_span content);
struct change change_update(uint64_t id, uint32_t flags, struct sluice_span record);
struct change change_remove(uint64_t id);

#endif
