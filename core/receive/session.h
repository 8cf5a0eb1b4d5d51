/* SPDX-License-Identifier: ISC */
/*
 * session: one client's connection, on a task of its own.
 *
 * session.c reads commands, reply.c says the answers; what the commands do is in command.h and the
 * files named after its groups. Replies gather and go out together when nothing complete is left to read,
 * so that a pipelined group costs one read and one write.
 */
#ifndef RECEIVE_SESSION_H
#define RECEIVE_SESSION_H

#include "base/buffer.h"
#include "base/span.h"
#include "net/address.h"
#include "net/stream.h"
#include "receive/command.h"
#include "receive/receiver.h"
#include "receive/transaction.h"

#define SESSION_NAME_MS 5000 /* from the start on, that a session may wait for its client's name */
#define SESSION_NAME_MAX (255 + ADDRESS_TEXT_SIZE + 3)
#define SESSION_HELO_MAX 255 /* RFC 5321 4.5.3.1.2; longer ones are cut */

struct rehearsal;

/* For the line at the end of the session. */
struct command_count {
    uint32_t good;
    uint32_t all;
};

struct session {
    struct receiver *receiver;
    struct stream *stream;       /* NULL: a rehearsal */
    struct rehearsal *rehearsal; /* nobody is there: rehearsal.h; NULL: a client is */
    struct task *task;
    struct address client; /* nothing, where is_local */
    bool is_local;         /* a process of this machine, on the submission socket */
    uid_t uid;             /* whose */
    uint32_t client_entry; /* clients.h; 0: not counted, as a rehearsal */
    int64_t started_ms;
    struct name_query *naming;   /* under way */
    struct task_queue named;     /* who waits for it */
    char name[SESSION_NAME_MAX]; /* "" until it is settled: session_name() */
    char *reverse_name;          /* of its address; NULL: unknown */
    bool name_is_temporary;      /* a name is unknown because nobody has answered so far */
    char *helo;                  /* NULL: none yet */
    bool is_esmtp;               /* EHLO */
    bool is_closing;
    bool has_failed;  /* the command in hand got an error for a reply */
    bool has_more;    /* bytes are waiting behind the command in hand */
    size_t line_size; /* of the command in hand, in the stream's buffer */
    unsigned error_count;
    unsigned junk_count;
    size_t overshoot_count; /* recipients beyond the limit */
    enum command_id last_command;
    struct command_count counts[COMMAND_COUNT];
    struct buffer out; /* replies to be sent */
    struct transaction *transaction;
    struct upload *upload; /* of which some chunks have come; NULL: none */
    bool has_bad_chunk;    /* one was refused: the rest of them goes with it */
    int64_t wait_started_ms; /* stress.h */
    bool wait_is_over;
    struct session **wait_list;
    struct session *wait_prev;
    struct session *wait_next;
    struct session *prev;
    struct session *next;
};

/* Takes the connected, non-blocking socket over and starts a session on it; TEMP: closed it. */
sluice_status session_start(struct receiver *receiver, int fd, const struct address *client);
/* The same for a process of that user, who may write to anybody (spec C-1 to C-10). */
sluice_status session_start_local(struct receiver *receiver, int fd, uid_t uid);
/* The same for a client that is not there: client's address, or NULL for a process of this machine. */
sluice_status session_start_rehearsal(struct receiver *receiver, struct rehearsal *rehearsal,
                                      const struct address *client);
/* The process is to end: says so to who waits for nothing, and lets others finish what they do. */
void session_drain_all(struct receiver *receiver);
/* Ends all that is left at once. */
void session_cancel_all(struct receiver *receiver);

/* ---- for the commands ------------------------------------------------------------------------ */

/* The deadline of what a session waits for from now. */
int64_t session_deadline(const struct session *session);
/* The same for tables and restrictions. */
int64_t session_lookup_deadline(const struct session *session);
/* One line of reply, code and text; a continued one has its hyphen in it. 4xx and 5xx count as
 * errors of the client and may take their time. [task: may wait] */
void session_reply(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, but never counts as an error. */
void session_reply_uncounted(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Logs that a command was refused and replies so. recipient: empty if there is none. */
void session_reject(struct session *session, const char *command, struct sluice_span recipient,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Waits for more from the client, as stream_fill does. TEMP also where the process is to end and
 * nothing is under way. [task: waits] */
sluice_status session_fill(struct session *session, int64_t deadline_ms);
/* Sends what has been replied. False: the connection is broken. [task: waits] */
bool session_flush(struct session *session);
/* The last reply, whatever has been said before. */
void session_dismiss(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Why reading failed, for the log and, where there is somebody left to tell, in a reply; then the
 * session ends. */
void session_lost(struct session *session, sluice_status status);
/* The last command, as the log names it: "CONNECT", "RCPT", "UNKNOWN". */
const char *session_last_verb(const struct session *session);
/* What the log calls the client: "host.example[192.0.2.1]", "local[uid 1000]"; "unknown[...]" when its
 * name has not been found so far. It does not change any more. */
const char *session_name(struct session *session);
/* The client's name alone, or "unknown". [task: waits until it is known, but not for long] */
struct sluice_span session_wait_name(struct session *session);
/* The name of its address, whether that has the address or not, or "unknown"; once the other one is
 * known. */
struct sluice_span session_reverse_name(const struct session *session);
/* Ends a transaction. */
void session_reset(struct session *session);
/* SLUICE_FACT_...: what is known of the client. TEMP with a text. [task: may wait] */
sluice_status session_facts(struct session *session, uint64_t *ret_facts, struct error *err);
/* Whether the sender is in a domain of local or virtual mail. TEMP with a text. [task: may wait] */
sluice_status session_sender_is_ours(const struct session *session, bool *ret_is_ours,
                                     struct error *err);

#endif
