/* SPDX-License-Identifier: ISC */
/*
 * inquiry: addresses whose routes deliver is asked for, each once, with the route that it has and the
 * answer. Pure.
 */
#ifndef QUEUE_INQUIRY_H
#define QUEUE_INQUIRY_H

#include "base/hash.h"
#include "ipc/envelope.h"
#include "ipc/messages.h"

struct inquiry_entry {
    struct message_route route; /* the answer, from which it borrows */
    bool is_moved;              /* it is another one */
    UT_hash_handle hh;
    size_t address_len;
    size_t sender_len;
    size_t key_len;
    char key[]; /* address, NUL, transport, NUL, nexthop, NUL, sender */
};

/* Zero it to initialise. */
struct inquiry {
    bool is_by_sender; /* where an address goes depends on who sends */
    struct inquiry_entry *entries;
    size_t bytes;      /* of addresses and routes */
    size_t unanswered; /* entries, after inquiry_answer */
};

/* The address of a recipient, with its route and who sends to it. Without memory it keeps that route. */
void inquiry_add(struct inquiry *inquiry, struct sluice_span sender,
                 const struct envelope_recipient *recipient);
void inquiry_done(struct inquiry *inquiry);

/* The body of RESOLVE. */
void inquiry_encode(const struct inquiry *inquiry, struct buffer *body);
/* The body of RESOLVED, which must stay. True if a route is new. */
bool inquiry_answer(struct inquiry *inquiry, struct sluice_span answer);
/* Where the recipient goes now, if it is somewhere else; else NULL. */
const struct message_route *inquiry_new_route(const struct inquiry *inquiry,
                                              struct sluice_span sender,
                                              const struct envelope_recipient *recipient);

struct sluice_span inquiry_address(const struct inquiry_entry *entry);

#endif
