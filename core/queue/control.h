/* SPDX-License-Identifier: ISC */
/*
 * control: the local socket, run_directory/control, for sluice, mailq, postqueue and sendmail. The
 * master has made it, and it outlives this process: who connects while there is none waits.
 *
 * A connection asks one thing: a line of JSON, {"command": "queue list", ...}. The answer is lines of
 * JSON, one for each thing listed, and a last one, {"end": true, "status": "OK", "text": ""}.
 * authorized_mailq_users may list, authorized_flush_users release, root and the queue's owner do
 * everything. What follows in size is bounded, and what is listed is read from the store message by
 * message, no faster than the asker reads.
 *
 *   command        members         lines, or what it does
 *   status                         one: counts, space, links, tables in trouble
 *   queue list     site, domain    each message, oldest first
 *   queue show     id              that message
 *   queue release  id              lets that message go; "ALL": all. One: how many were released
 *   queue content  id              that message, {"content_size"} and so many bytes
 *   queue hold     see operate.h   and unhold, remove, requeue, expire
 *   site list                      each site
 *   site show      name            the site "transport:nexthop"
 *   site release   name            the same for a site, a domain, @domain, #queue (named.h)
 *   site suspend   name, reason    see suspension.h; and resume
 *   flush          domain          the same for postqueue -s: NOT_FOUND if it may not be flushed
 *   explain        address, ...    see explain.h
 *   table list                     see tables.h; and stat, query, flush
 *   reload                         {"said": TEXT} for each line of the check, {"generation": N}: what
 *                                  runs now. For root and the owner alone
 */
#ifndef QUEUE_CONTROL_H
#define QUEUE_CONTROL_H

#include "base/error.h"

struct control;
struct queue;

#define CONTROL_SESSIONS_MAX 64 /* further ones wait in the socket's backlog */
#define CONTROL_LINE_MAX 4096
#define CONTROL_SILENCE_MS 30000

sluice_status control_start(struct queue *queue, struct control **ret_control, struct error *err);
/* Takes no further connections: they wait for the next process. */
void control_pause(struct control *control);
size_t control_session_count(const struct control *control);
/* After its tasks have ended; accepts NULL. */
void control_free(struct control *control);

#endif
