/* SPDX-License-Identifier: ISC */
/*
 * site: a place to deliver to, (transport, nexthop): what is limited and backed off as one.
 *
 * A site whose units have all gone stays for a while, so that the next message finds its history and
 * the deliver process that has its connections; the longest idle goes first.
 */
#ifndef QUEUE_SITE_H
#define QUEUE_SITE_H

#include "base/hash.h"
#include "config/crews.h"
#include "queue/concurrency.h"
#include "queue/fair.h"
#include "queue/message.h"
#include "sluice/deferral.h"

#define SITES_IDLE_MAX 1000
#define SITE_TEXT_MAX 512

struct deferral;

struct site_limits {
    struct concurrency_limits jobs;
    unsigned recipients; /* in one job; at most 1,000: their results must fit into a frame */
    const struct deferral *deferral;
    unsigned crew;       /* that does the transport (config/crews.h) */
    bool is_unavailable; /* when the site is made */
};

enum site_place {
    SITE_IDLE,     /* no units, and not suspended by the operator */
    SITE_RUNNABLE, /* a job can start now */
    SITE_SLEEPING, /* until node.due_ms */
    SITE_BLOCKED,  /* until a job ends, a release or a new message */
};

struct site {
    char *transport;
    char *nexthop;
    struct site_limits limits;
    struct concurrency jobs;
    unsigned in_flight; /* jobs */
    int32_t deliver_pid; /* of the process that has its connections, while it has jobs there */
    int64_t connected_until_ms; /* and so long afterwards */
    struct unit *held;
    struct unit *ready;
    struct unit *released; /* ready too, and not bound by not_before_ms */
    struct heap waiting;
    size_t held_count;
    size_t ready_count; /* released ones too */
    size_t unit_count;  /* in all */
    struct sluice_site_history history;
    int64_t failed_ms;     /* monotonic: when the latest failure was counted */
    int64_t not_before_ms; /* monotonic; 0: not suspended */
    char *last_text;       /* of the failure that suspended it; NULL: none */
    char *suspension;      /* the operator's reason, may be empty; NULL: not by the operator */
    int64_t suspension_ms; /* since 1970 UTC: when that was */
    bool is_unavailable;   /* its transport crashes (suspects.h): nothing starts, whatever is released */
    enum site_place place;
    enum pace pace;        /* that goes with attempt_ms */
    int64_t attempt_ms;    /* how long an attempt takes, on the average; 0: not known */
    int64_t turn;          /* among the runnable ones */
    struct heap_node node; /* among those, or the sleeping ones */
    struct site *prev;     /* among the idle ones */
    struct site *next;
    UT_hash_handle hh;
    size_t key_len;
    char key[]; /* transport, NUL, nexthop in lower case */
};

struct sites {
    struct site *table;
    struct fair runnable[CREWS_MAX]; /* by crew */
    struct site *idle; /* the longest idle first */
    size_t idle_count;
    struct heap sleeping;
};

/* NULL if there is none. */
struct site *site_find(const struct sites *sites, struct sluice_span transport,
                       struct sluice_span nexthop);
/* Finds or makes it; limits are those of the transport. NULL: no memory. */
struct site *site_get(struct sites *sites, struct sluice_span transport, struct sluice_span nexthop,
                      const struct site_limits *limits);
/* True if that is the site's route. */
bool site_is_route(const struct site *site, struct sluice_span transport,
                   struct sluice_span nexthop);
/* Counts one more unit, with room for it, so that it can wait without an allocation. False: no
 * memory. */
bool site_add_unit(struct sites *sites, struct site *site);
void site_remove_unit(struct sites *sites, struct site *site);

/* The one among whose sites it is. */
struct fair *site_fair(struct sites *sites, const struct site *site);
/* Where the site belongs now, after anything about it has changed. */
void site_place(struct sites *sites, struct site *site, int64_t now_ms);
/* It has had its turn: others with as many jobs come first. */
void site_next_turn(struct sites *sites, struct site *site, int64_t now_ms);
/* True if the site is not attempted now because it could not be reached. */
bool site_is_suspended(const struct site *site, int64_t now_ms);
/* An attempt got through: nothing is wrong with the site. Its job still counts as in flight. */
void site_reached(struct site *site, int64_t wall_ms);
/* An attempt that began at started_ms failed for the site's fault; text says why. True if the site is
 * taken for dead: concurrency_failed says so, or it is so already; but of attempts that were under way
 * together one counts. Then set not_before_ms. Its job still counts as in flight. */
bool site_failed(struct site *site, int64_t started_ms, int64_t now_ms, int64_t wall_ms,
                 struct sluice_span text);

/* Its transport crashes, or does so no more. text: why. */
void site_set_unavailable(struct sites *sites, struct site *site, bool is_unavailable,
                          int64_t until_ms, struct sluice_span text, int64_t now_ms);

/* By the operator: no job starts, whatever is released, until site_resume. The site stays known even
 * without mail. False: no memory. */
bool site_suspend(struct sites *sites, struct site *site, struct sluice_span reason,
                  int64_t wall_ms, int64_t now_ms);
void site_resume(struct sites *sites, struct site *site, int64_t now_ms);

void sites_done(struct sites *sites); /* after all units have gone */

#endif
