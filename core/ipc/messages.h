/* SPDX-License-Identifier: ISC */
/*
 * messages: what the roles say to each other. One struct for each message, with its encoding.
 *
 * Decoded structs borrow from the frame's body. Decoders return PERM for bytes that make no sense:
 * the channel is then closed, and the master restarts the culprit.
 *
 *   receive                                   queue                                   deliver
 *     | <------------- LEASE, CREDIT, SPACE ---- | <--------------------- CREDIT -------- |
 *     | -- COMMIT (id, envelope, content) -----> |                                        |
 *     | <------------- COMMITTED (id) ---------- |                                        |
 *     | -- STAGE (id) -> | <-- STAGED (id, fd) - |                                        |
 *     | -- WITHDRAW (id) ----------------------> |                                        |
 *     | -- RELEASE (ref) -> | <- RELEASED (ref)  | -- JOB (ref) ------------------------> |
 *     |                                          | <------------------- RESULT (ref) ---- |
 *     |                                          | -- REPORT (ref) -> | <- REPORTED (ref) |
 *     |                                          | -- RESOLVE (ref) > | <- RESOLVED (ref) |
 *     | <- EXPLAIN (ref) | -- EXPLAINED (ref) -> | -- EXPLAIN (ref) > | <- EXPLAINED (ref)|
 *     | <- TABLES (ref) -- the same -----------> | -- TABLES (ref) -> | <- the same ----- |
 *     | <- PAUSE -- | -- PAUSED ---------------> | -- PAUSE --------> | <- PAUSED ------- |
 *     | <- RESUME ------------------------------ | -- RESUME -------> | <- RESUMED ------ |
 *
 * Credit: the giver says how many bytes and messages it takes at a time; a later CREDIT replaces the
 * former, and one of nothing says: no more (the giver drains). A COMMIT costs one message and the
 * bytes of its content, inline or in a memory file, until its COMMITTED; a JOB the same until its
 * RESULT.
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#include "base/buffer.h"
#include "base/error.h"
#include "ipc/channel.h"

#include <stdbool.h>

/* Content up to this travels inside frames. */
#define CONTENT_INLINE_MAX ((size_t)64 * 1024)
/* Larger content up to this travels in a memory file of its own, sealed (base/sealed.h); what is
 * larger still, in a file of the store's. */
#define CONTENT_MEMORY_MAX ((size_t)1024 * 1024)

enum message_type {
    MESSAGE_HELLO = 1, /* channel.c's own */

    /* master -> role, while it starts and later */
    MESSAGE_SETUP = 10,    /* generation, log settings; fd: the role's snapshot */
    MESSAGE_PLUGIN = 11,   /* body: "lookup/hash"; fd: the plugin's file; also check -> master */
    MESSAGE_LISTENER = 12, /* body: the address as configured; fd: the listening socket */
    MESSAGE_START = 13,    /* that was all: begin */
    MESSAGE_LINK = 14,     /* a peer; fd: the socket to it */
    MESSAGE_DRAIN = 15,    /* finish what is under way and exit with 0; ref: grace in ms */
    MESSAGE_HANDOVER = 16, /* queue: another process takes over; answered by HANDED_OVER */
    MESSAGE_INHERIT = 17,  /* before START; fd: what the queue before has left in HANDED_OVER */
    MESSAGE_RELOADED = 18, /* queue: the answer to RELOAD; fd: the connection */
    MESSAGE_LOG_FILE = 27, /* before SETUP and later; fd: where to write the log from now on */
    MESSAGE_SHARED = 19,   /* body: name; fd: memory that processes share (master/shared.h) */
    MESSAGE_DIED = 29,     /* queue: a deliver process has ended, and how */
    MESSAGE_PING = 61,     /* deliver, lookup: is the loop alive? ref: a number */
    /* role -> master */
    MESSAGE_READY = 20,    /* START has been carried out */
    MESSAGE_ACCUSE = 23,   /* queue: a link, whose other end sends nonsense and is to be restarted */
    MESSAGE_HANDED_OVER = 24, /* queue: its last frame; the store is closed; fd: what is under way */
    MESSAGE_RELOAD = 25,      /* queue: somebody who may asks for a reload; fd: the connection */
    MESSAGE_ISOLATE = 26,     /* queue: wants a deliver process for suspects alone, or no longer */
    MESSAGE_RELINK = 60,      /* receive, deliver: a link is lost; body: to whom; ref: how many links came */
    MESSAGE_PONG = 62,        /* deliver, lookup: yes; ref: PING's */
    MESSAGE_REPLACE = 28,     /* threads hang: wants to leave, with another process in its place */
    /* check -> master */
    MESSAGE_SNAPSHOT = 21, /* body: the role's name; fd */
    MESSAGE_CHECKED = 22,  /* the end of a successful check */

    /* receive <-> queue */
    MESSAGE_CREDIT = 30, /* also deliver -> queue */
    MESSAGE_LEASE = 31,  /* queue -> receive: ids to give out */
    MESSAGE_WANT_LEASE = 32,
    MESSAGE_SPACE = 33,  /* queue -> receive: whether new mail can be taken */
    MESSAGE_COMMIT = 34, /* ref: message id */
    MESSAGE_COMMITTED = 35,
    MESSAGE_WITHDRAW = 36,
    MESSAGE_STAGE = 37,  /* ref: message id */
    MESSAGE_STAGED = 38, /* fd; no fd: see status */
    MESSAGE_RELEASE = 39,
    MESSAGE_RELEASED = 40,
    /* queue -> receive, deliver, before a handover: send no more over this link; PAUSED is the last
     * frame that comes, and what is under way goes on with the next link. ref: names the handover. */
    MESSAGE_PAUSE = 41,
    MESSAGE_PAUSED = 42,
    /* queue -> receive, deliver: the first frame of a link. ref: the handover with which this queue
     * took over, and from which work goes on; 0: none, work of before is void. */
    MESSAGE_RESUME = 43,
    /* deliver answers RESUME. body: the refs of all that it still has from before, varints. */
    MESSAGE_RESUMED = 44,

    /* queue <-> deliver */
    MESSAGE_JOB = 50,
    MESSAGE_RESULT = 51,
    MESSAGE_REPORT = 52, /* compose a delivery status notification */
    MESSAGE_REPORTED = 53,
    MESSAGE_RESOLVE = 54, /* where do these recipients go now? */
    MESSAGE_RESOLVED = 55,

    /* receive, deliver <-> lookup; ref: of the question */
    MESSAGE_LOOKUP = 70, /* what does a key map to? */
    MESSAGE_FOUND = 71,
    MESSAGE_TABLE = 72, /* lookup -> receive, deliver: what a table has is another now */
    MESSAGE_FORGET = 73, /* lookup -> receive, deliver: what is kept of a table's answers; body: its name */
    MESSAGE_FORGOTTEN = 74, /* the answer to that, of the same ref */

    /* queue -> receive, deliver, for `sluice explain`: what would happen? body: a message_explain; for
     * deliver, a JOB's without content, to be verified */
    MESSAGE_EXPLAIN = 56,
    MESSAGE_EXPLAINED = 57, /* body: JSON; empty: there was no memory for it */
    /* queue -> receive, deliver, lookup, for `sluice table`: a message_tables_request; the answer is
     * EXPLAINED too */
    MESSAGE_TABLES = 58,
};

struct message_setup {
    uint64_t generation;
    uint32_t index;      /* which of the processes of this role */
    uint32_t log_target; /* enum log_target */
    struct sluice_span crew; /* config/crews.h */
};

struct message_link {
    struct sluice_span role; /* "queue", "receive", "deliver" */
    uint32_t index;
    uint64_t generation;
    bool is_isolated; /* a deliver process for suspects alone */
    int32_t pid;      /* the peer's */
    struct sluice_span crew; /* of a deliver process (config/crews.h) */
};

/* Comes before the link to the process that is started in its place. */
struct message_died {
    int32_t pid;                 /* as in its link */
    bool is_crash;               /* else: it was asked to leave, or the master killed it */
    struct sluice_span task;     /* its last words: what was running; empty: none */
    struct sluice_span activity; /* "transport/smtp relay" */
    struct sluice_span text;     /* "signal 11, stack overflow" */
};

struct message_isolate {
    bool is_wanted;
    struct sluice_span crew;
};

struct message_replace {
    struct sluice_span text; /* what hangs */
};

struct message_credit {
    uint64_t bytes;
    uint64_t messages;
};

struct message_lease {
    uint64_t first;
    uint64_t count;
};

struct message_space {
    bool is_accepting; /* false: 452 4.3.1 */
    uint64_t free_bytes;
};

struct message_commit {
    struct sluice_span envelope;
    struct sluice_span content; /* empty when the frame brings a file: sealed memory, or staged */
};

/* COMMITTED, STAGED without fd, and other plain answers. */
struct message_status {
    sluice_status status;
    struct sluice_span dsn;
    struct sluice_span text;
};

struct message_release {
    struct sluice_span domain;  /* lower case; empty: everything that waits */
    bool is_queue;              /* domain is the name of a queue (queue/named.h) instead */
    bool with_subdomains;
    bool is_exempt;             /* from etrn_minimum_interval */
};

struct message_released {
    sluice_status status; /* NOT_FOUND: no queue has that name */
    uint64_t count;    /* messages that wait for it and go now, or once the interval is over */
    bool is_postponed;
};

/* fd: the connection of who asked */
struct message_reloaded {
    sluice_status status;
    struct sluice_span text; /* why not */
    struct sluice_span said; /* lines that check has said */
    uint64_t generation;     /* that runs now */
};

struct message_job {
    uint64_t message_id;
    struct sluice_span transport;
    struct sluice_span nexthop;
    bool is_released;            /* ask DNS afresh */
    struct sluice_span envelope; /* with this job's recipients alone */
    bool is_routed;              /* the route is the tables' of a moment ago */
    uint64_t tables;             /* else: message_tables.number of those whose route it is; 0: unknown */
    struct sluice_span content;  /* empty when the frame brings a file */
};

struct message_lookup {
    struct sluice_span table; /* "ldap:staff" */
    struct sluice_span key;   /* folded, unless the table is exact */
    uint64_t flags;           /* SLUICE_SINK_..., TABLE_FRESH */
    int64_t timeout_ms;       /* from now on */
    bool is_explained;        /* what it does for the answer is wanted too */
};

struct message_found {
    sluice_status status; /* OK, NOT_FOUND; TEMP with dsn and text */
    struct sluice_span value;
    struct sluice_span dsn;
    struct sluice_span text;
    struct sluice_span noted; /* if it was asked for: JSON (task/explain.h) */
    bool is_old; /* OK, NOT_FOUND: what the table said before it stopped to answer */
    int64_t keep_until_ms; /* OK, NOT_FOUND: who asked may answer the same again until then, by the monotonic clock,
                              which all processes have; 0: not at all */
};

struct message_table {
    struct sluice_span table; /* "ldap:staff" */
    uint64_t generation;      /* as sluice_lookup_ops.generation */
    bool has_generation;      /* else the table cannot tell, or not now */
};

/* One recipient's end, in the order of the job's envelope. */
struct message_outcome {
    sluice_status status; /* OK, TEMP, PERM */
    struct sluice_span dsn;
    struct sluice_span text;
    struct sluice_span relay; /* "host[address]:port", or "none" */
    struct sluice_span reply; /* the peer's own words; empty: no peer said this */
    uint32_t flags;           /* SLUICE_RESULT_... */
};

#define SITE_UNKNOWN 0  /* the attempt said nothing about the site */
#define SITE_REACHED 1
#define SITE_FAILED 2   /* no host of it could be reached, or the connection broke */
#define SITE_OURS 3     /* we are its best mail exchanger: all of it is for best_mx_transport */
#define SITE_ELSEWHERE 4 /* nothing was attempted: mail for one of the recipients has another site now */

struct message_result {
    uint32_t site;       /* SITE_... */
    int64_t connect_ms;  /* time until connections stood */
    int64_t transfer_ms;
    struct message_outcome *outcomes; /* decoder: allocated, message_result_done frees */
    size_t outcome_count;
};

/* RESOLVE: a body of these, perhaps of none. */
struct message_question {
    struct sluice_span address;
    struct sluice_span sender; /* empty: none, or where mail goes does not depend on it */
};

/* What the tables that routes come from had before any of them was asked (route/table_state.h). */
struct message_tables {
    uint64_t number;
    bool is_whole; /* changes of all of them make another number */
};

/* RESOLVED: the tables' state, unless it is not known now; and for each question, in their order, one
 * of these, but for those at the end that there was no time for. */
struct message_route {
    sluice_status status; /* OK; TEMP: not known now, the route that there is stays */
    struct sluice_span transport;
    struct sluice_span nexthop;
    bool is_by_domain; /* all addresses of that domain have that transport and next hop */
};

#define EXPLAIN_TIME_MS 25000 /* then a role gives up waiting for what it asks, and says so */

/* The words of a session that receive plays. */
struct message_explain {
    struct sluice_span address; /* the recipient */
    struct sluice_span sender;  /* empty: null sender */
    struct sluice_span client;  /* numeric; empty: a program of this machine */
    struct sluice_span helo;
};

enum tables_wish {
    TABLES_LIST = 1,  /* what there is, and how it is */
    TABLES_QUERY = 2, /* of deliver: what a key maps to, and how that was found */
    TABLES_FLUSH = 3, /* of lookup: forget answers */
};

struct message_tables_request {
    uint32_t wish;            /* enum tables_wish */
    struct sluice_span table; /* empty: all, where that makes sense */
    struct sluice_span key;   /* empty: all */
    bool is_deep; /* QUERY: past what is kept; FLUSH: what stands in during an outage too */
};

enum report_kind {
    REPORT_FAILURE = 1,
    REPORT_SUCCESS = 2,
    REPORT_DELAY = 3,
    REPORT_VERIFY = 4, /* the answer to a message that only asks */
};
#define REPORT_KINDS 5           /* one more than the last of them */
#define REPORT_MESSAGES_MAX 2    /* what a report comes to: one for the sender, one for the postmaster */
#define REPORT_RECIPIENTS_MAX 500 /* of one report */

struct message_report {
    uint64_t message_id;
    uint64_t first_id;           /* of the new messages: this and those that follow */
    uint32_t kind;               /* enum report_kind */
    int64_t expires_ms;          /* when the message is given up; 0: never */
    struct sluice_span envelope; /* with the recipients that the report is about alone */
    struct sluice_span content;  /* empty when the frame brings a file */
};

/*
 * A REPORTED frame for each new message, with its envelope and its content, inline or as a file; then
 * one without an envelope, which ends the answer: OK, or TEMP: no report can be made now, and what
 * came before is void.
 */
struct message_reported {
    sluice_status status;
    struct sluice_span text; /* why not */
    struct sluice_span envelope;
    struct sluice_span content;
};

void message_setup_encode(const struct message_setup *setup, struct buffer *buffer);
sluice_status message_setup_decode(struct sluice_span body, struct message_setup *ret_setup);
void message_link_encode(const struct message_link *link, struct buffer *buffer);
sluice_status message_link_decode(struct sluice_span body, struct message_link *ret_link);
void message_died_encode(const struct message_died *died, struct buffer *buffer);
sluice_status message_died_decode(struct sluice_span body, struct message_died *ret_died);
void message_isolate_encode(const struct message_isolate *isolate, struct buffer *buffer);
sluice_status message_isolate_decode(struct sluice_span body, struct message_isolate *ret_isolate);
void message_replace_encode(const struct message_replace *replace, struct buffer *buffer);
sluice_status message_replace_decode(struct sluice_span body, struct message_replace *ret_replace);
void message_credit_encode(const struct message_credit *credit, struct buffer *buffer);
sluice_status message_credit_decode(struct sluice_span body, struct message_credit *ret_credit);
void message_lease_encode(const struct message_lease *lease, struct buffer *buffer);
sluice_status message_lease_decode(struct sluice_span body, struct message_lease *ret_lease);
void message_space_encode(const struct message_space *space, struct buffer *buffer);
sluice_status message_space_decode(struct sluice_span body, struct message_space *ret_space);
/* Everything up to the content's bytes, which follow as the frame's next part. */
void message_commit_encode_head(const struct message_commit *commit, struct buffer *buffer);
sluice_status message_commit_decode(struct sluice_span body, struct message_commit *ret_commit);
void message_status_encode(const struct message_status *status, struct buffer *buffer);
sluice_status message_status_decode(struct sluice_span body, struct message_status *ret_status);
void message_lookup_encode(const struct message_lookup *lookup, struct buffer *buffer);
sluice_status message_lookup_decode(struct sluice_span body, struct message_lookup *ret_lookup);
void message_found_encode(const struct message_found *found, struct buffer *buffer);
sluice_status message_found_decode(struct sluice_span body, struct message_found *ret_found);
void message_table_encode(const struct message_table *table, struct buffer *buffer);
sluice_status message_table_decode(struct sluice_span body, struct message_table *ret_table);
void message_release_encode(const struct message_release *release, struct buffer *buffer);
sluice_status message_release_decode(struct sluice_span body, struct message_release *ret_release);
void message_released_encode(const struct message_released *released, struct buffer *buffer);
sluice_status message_released_decode(struct sluice_span body,
                                      struct message_released *ret_released);
void message_reloaded_encode(const struct message_reloaded *reloaded, struct buffer *buffer);
sluice_status message_reloaded_decode(struct sluice_span body,
                                      struct message_reloaded *ret_reloaded);
void message_job_encode_head(const struct message_job *job, struct buffer *buffer);
sluice_status message_job_decode(struct sluice_span body, struct message_job *ret_job);
void message_report_encode_head(const struct message_report *report, struct buffer *buffer);
sluice_status message_report_decode(struct sluice_span body, struct message_report *ret_report);
void message_reported_encode_head(const struct message_reported *reported, struct buffer *buffer);
sluice_status message_reported_decode(struct sluice_span body,
                                      struct message_reported *ret_reported);
void message_result_encode(const struct message_result *result, struct buffer *buffer);
sluice_status message_result_decode(struct sluice_span body, struct message_result *ret_result);
void message_explain_encode(const struct message_explain *explain, struct buffer *buffer);
sluice_status message_explain_decode(struct sluice_span body, struct message_explain *ret_explain);
void message_tables_request_encode(const struct message_tables_request *request,
                                   struct buffer *buffer);
sluice_status message_tables_request_decode(struct sluice_span body,
                                            struct message_tables_request *ret_request);
void message_result_done(struct message_result *result);
/* Appends one to a body, or takes one off it: OK, NOT_FOUND at its end, PERM. */
void message_question_add(const struct message_question *question, struct buffer *body);
sluice_status message_question_next(struct sluice_span *body,
                                    struct message_question *ret_question);
void message_tables_add(const struct message_tables *tables, struct buffer *body);
/* The body stays as it is. NOT_FOUND: it does not say. */
sluice_status message_tables_find(struct sluice_span body, struct message_tables *ret_tables);
void message_route_add(const struct message_route *route, struct buffer *body);
sluice_status message_route_next(struct sluice_span *body, struct message_route *ret_route);

#endif
