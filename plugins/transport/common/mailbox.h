/* SPDX-License-Identifier: ISC */
/*
 * mailbox: a maildir or an mbox that one message is written into.
 *
 *   maildir   tmp/NAME, synced, renamed to new/NAME, and new/ synced; folders that are missing are made
 *   mbox      locked, appended to, synced; what went wrong is cut off again
 *
 * Order: mailbox_open; if it has succeeded mailbox_write any number of times, then mailbox_finish; and
 * mailbox_close in any case, which takes back what was not finished. On a thread, with the rights of
 * who owns the mailbox: all of these block.
 */
#ifndef SLUICE_TRANSPORT_MAILBOX_H
#define SLUICE_TRANSPORT_MAILBOX_H

#include "result.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define MAILBOX_LOCK_FCNTL (1u << 0)
#define MAILBOX_LOCK_DOTLOCK (1u << 1)

/* Which mailbox, and how. */
struct mailbox_target {
    char path[PATH_MAX];   /* absolute; one of a maildir ends in / */
    unsigned locks;        /* MAILBOX_LOCK_... */
    int64_t stale_lock_ms; /* a dotlock of that age is taken away; 0: none */
    uint64_t size_limit;   /* of an mbox, or of a file of a maildir; 0: any */
    bool is_owner_strict;  /* an mbox of somebody else is left alone */
    uid_t owner;
};

struct mailbox {
    const struct mailbox_target *target; /* borrowed */
    const char *hostname;                /* borrowed: in the names of a maildir's files */
    bool is_locked; /* open has failed because somebody else has a lock: come again */
    bool is_finished;
    /* the rest is mailbox.c's, maildir.c's and mbox.c's own */
    int fd; /* -1: not open */
    uint64_t written;
    char file[PATH_MAX]; /* maildir: under tmp/; mbox: the dotlock; empty: none */
    bool is_new;         /* mbox: the file was made here */
    bool is_device;      /* mbox: /dev/null and its like: nothing to lock, to cut or to sync */
    off_t start;         /* mbox: where the message begins */
};

/* hostname and target are borrowed until the end. Never fails. */
void mailbox_init(struct mailbox *mailbox, const struct mailbox_target *target,
                  const char *hostname);
bool mailbox_is_maildir(const struct mailbox_target *target);
/* The status is in the result, too. */
sluice_status mailbox_open(struct mailbox *mailbox, struct result *result);
sluice_status mailbox_write(struct mailbox *mailbox, const char *bytes, size_t len,
                            struct result *result);
/* OK: it is there for good. */
sluice_status mailbox_finish(struct mailbox *mailbox, struct result *result);
void mailbox_close(struct mailbox *mailbox);

/* ---- for maildir.c and mbox.c ---- */

sluice_status maildir_open(struct mailbox *mailbox, struct result *result);
sluice_status maildir_finish(struct mailbox *mailbox, struct result *result);
void maildir_undo(struct mailbox *mailbox);
sluice_status mbox_open(struct mailbox *mailbox, struct result *result);
sluice_status mbox_finish(struct mailbox *mailbox, struct result *result);
void mbox_undo(struct mailbox *mailbox);
/* 0, or -1 with errno: a folder's entries are safe. */
int mailbox_sync_folder(const char *path);

#endif
