/* SPDX-License-Identifier: ISC */
/*
 * inspect: what the control socket shows: messages, sites, the whole.
 */
#ifndef QUEUE_INSPECT_H
#define QUEUE_INSPECT_H

#include "queue/session.h"

struct queue_message;
struct site;

/* The commands of control.h that list; each writes its lines. [task: waits] */
sluice_status inspect_status(struct session *session, json_t *request);
sluice_status inspect_message(struct session *session, json_t *request);
sluice_status inspect_sites(struct session *session, json_t *request);
sluice_status inspect_one_site(struct session *session, json_t *request);

/* Writes the message's line from its record, or from a newer one in memory; an empty record could not
 * be read, and the line says so. NOT_FOUND: the message has gone. [task: waits] */
sluice_status inspect_put(struct session *session, uint64_t id, const struct buffer *record,
                          bool with_details);
/* False for one that is not durable yet, or done with: nobody hears of it. */
bool inspect_is_listed(const struct queue_message *message);
/* The queue that Postfix would have it in: "hold", "active" or "deferred". */
const char *inspect_queue_name(const struct queue_message *message);
/* The message of that id, or NULL with the session's error set. */
struct queue_message *inspect_find(struct session *session, const char *id);
/* The site's line; NULL: no memory. */
json_t *inspect_site_json(const struct site *site);
/* The site of that name, "transport:nexthop", or NULL. */
struct site *inspect_site(const struct session *session, const char *name);

#endif
