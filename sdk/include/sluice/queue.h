/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/queue.h: keep it safe, give it back.
 *
 * A queue store owns bytes and durability. It never schedules, never looks inside, never decides.
 * To it a message is an id, a record (the envelope, opaque, at most a few KiB for most), a content,
 * and flags. It keeps them from apply(PUT) to apply(REMOVE), through any crash.
 *
 * A call sequence
 *   open()
 *   scan()                                 everything that is there, each message once
 *   apply({PUT 17, PUT 18})                both or none; durable when it returns OK
 *   read(17)                               record and content
 *   apply({UPDATE 17, REMOVE 18})
 *   stage(19), apply({PUT 19, from file})  a large message
 *   close()
 *
 * Order and threads. apply, scan, maintain and close are never called at the same time as each
 * other, but for what SLUICE_QUEUE_MAINTAIN_ASIDE allows. read, stage and space may be called at any time between open and close, from several
 * threads at once, also while apply runs. read sees all that an apply before it has returned OK for.
 *
 * Ids are 64-bit, independent of place, and never used again. Id 0 is a record of the host's own
 * (without content), put and updated like any other and reported by scan like any other.
 *
 * Changes: 1.0 first version. 1.3 SLUICE_QUEUE_MAINTAIN_ASIDE: tidying up while batches are applied.
 */
#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_QUEUE_ID "sluice.queue/1"

struct sluice_queue; /* the plugin's own: one store */

#define SLUICE_QUEUE_PUT ((int32_t)1)    /* a new message: record, content, flags */
#define SLUICE_QUEUE_UPDATE ((int32_t)2) /* a new record and flags; the content stays */
#define SLUICE_QUEUE_REMOVE ((int32_t)3)

/* One change of a batch. The spans are pinned until apply returns. */
struct sluice_queue_change {
    uint32_t struct_size;
    int32_t kind;               /* SLUICE_QUEUE_PUT, _UPDATE, _REMOVE */
    uint64_t id;
    uint32_t flags;             /* the host's; given back by scan and read */
    int32_t content_fd;         /* PUT: -1, or the staged file that holds the content */
    struct sluice_span record;  /* PUT, UPDATE */
    struct sluice_span content; /* PUT with content_fd -1: of any size where the store has no stage();
                                   else larger ones are staged, today those over 1 MiB */
};

/* Where read and scan put what they found. Spans are borrowed for the call. */
struct sluice_queue_sink {
    uint32_t struct_size;
    uint32_t reserved;
    /* scan: id, flags and record of each message, and the size of its content. A status other than
     * OK ends the scan, which then returns it. */
    sluice_status (*message)(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                             struct sluice_span record, uint64_t content_size);
    /* read: the content in memory. NULL, like content_file, if nobody wants it. */
    sluice_status (*content)(const struct sluice_queue_sink *sink, struct sluice_span content);
    /* read: the content as a file that holds nothing else, from offset 0 on, open for reading. The
     * host duplicates the descriptor; it may be passed to another process. */
    sluice_status (*content_file)(const struct sluice_queue_sink *sink, int fd, uint64_t size);
    /* stage: an unnamed file, empty, open for reading and writing. The host duplicates it. */
    sluice_status (*staged)(const struct sluice_queue_sink *sink, int fd);
};

struct sluice_queue_space {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t free_bytes;     /* what apply(PUT) may still use */
    uint64_t reserved_bytes; /* kept back, so that results can be recorded on a full disk */
    uint64_t used_bytes;
    uint64_t message_count;  /* without id 0 */
};

/*
 * Of struct sluice_queue_ops: maintain may be called on a thread of its own while apply, read, stage and
 * space run; the store locks what it must, and keeps apply waiting for moments only. There is still one
 * maintain at a time, none during scan, and it has returned before close is called. For plugins of mode
 * parallel. Without it maintain is called only when no batch waits.
 */
#define SLUICE_QUEUE_MAINTAIN_ASIDE ((uint32_t)1)

struct sluice_queue_ops {
    uint32_t struct_size;
    uint32_t flags; /* SLUICE_QUEUE_MAINTAIN_ASIDE */

    /*
     * Required. folder: an existing folder that is the store's own. Takes a lock against a second
     * opener and recovers from whatever happened before. CONFIG if the folder holds something that
     * this store cannot read; it never deletes what it does not understand. [main]
     */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const char *folder, const struct sluice_errors *errors,
                          struct sluice_queue **ret_queue);
    /* Required. Accepts NULL. [main] */
    void (*close)(struct sluice_queue *queue);
    /*
     * Required. All changes (count of them, change_size bytes apart), in order, or none. OK only
     * when they survive a power cut. TEMP: nothing has been changed, or it cannot be known (a
     * failed fdatasync): after a restart the batch is there as a whole or not at all. A batch with a
     * PUT fails with TEMP and dsn "4.3.1" before the reserved space is touched; a batch of UPDATE
     * and REMOVE may use the reserve. PUT of an id that is there, UPDATE and REMOVE of one that is
     * not: PERM, nothing changed. A record or a batch that is too long: UNSUPPORTED. A staged file
     * that was in a batch is not to be offered again after TEMP: a sync of it may have failed, and
     * then the next one succeeds although the data is lost. After PERM it may come again. [call]
     */
    sluice_status (*apply)(struct sluice_queue *queue, const struct sluice_queue_change *changes,
                           size_t count, size_t change_size, const struct sluice_errors *errors);
    /* Required. sink->message once, then sink->content or sink->content_file once; where both are NULL
     * the record alone is wanted, and the content is better left where it is. NOT_FOUND: no
     * such message. TEMP: it is there and cannot be read now (also: damaged). [call] */
    sluice_status (*read)(struct sluice_queue *queue, uint64_t id,
                          const struct sluice_queue_sink *sink, const struct sluice_errors *errors);
    /* Required. sink->message for each message, in any order. A damaged message is reported through
     * errors, and the scan goes on. [call] */
    sluice_status (*scan)(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                          const struct sluice_errors *errors);
    /* Required. [call] */
    sluice_status (*space)(struct sluice_queue *queue, struct sluice_queue_space *ret_space);

    /* Optional: sink->staged with a file on the store's file system, which a later apply(PUT id)
     * takes over with content_fd. If none comes, the file is gone with its last descriptor. */
    sluice_status (*stage)(struct sluice_queue *queue, uint64_t id,
                           const struct sluice_queue_sink *sink,
                           const struct sluice_errors *errors);
    /* Optional: tidies up for about budget_ms (0: as little as it can at a time). OK: call again
     * soon; NOT_FOUND: nothing to do now. A store must not rely on being called: it is in the host's
     * hands when, and how much of the time. [call] */
    sluice_status (*maintain)(struct sluice_queue *queue, int64_t budget_ms,
                              const struct sluice_errors *errors);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_QUEUE_H */
