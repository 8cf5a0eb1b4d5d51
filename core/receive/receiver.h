/* SPDX-License-Identifier: ISC */
/*
 * receiver: what all sessions of a receive process share. Public so that tests can fill it in.
 */
#ifndef RECEIVE_RECEIVER_H
#define RECEIVE_RECEIVER_H

#include "receive/clients.h"
#include "receive/intake.h"
#include "receive/names.h"
#include "receive/restrictions.h"
#include "receive/settings.h"
#include "route/domain_list.h"
#include "route/recipients.h"
#include "route/rewrite.h"
#include "route/route.h"
#include "task/task.h"

struct session;

struct receiver {
    struct settings settings;
    struct tables *tables;
    struct router router;
    struct rewriter rewriter;
    struct recipients recipients;
    struct domain_list mynetworks;
    struct domain_list fast_flush_domains;
    struct domain_list limit_exceptions; /* smtpd_client_event_limit_exceptions */
    struct access *access;
    struct restrictions restrictions;
    struct intake *intake;
    struct names names;
    struct clients *clients; /* NULL: they are not counted */
    struct session *sessions;
    struct session *idle_sessions; /* stress.h */
    struct session *busy_sessions;
    size_t session_count;
    size_t session_max;
    struct metric *session_gauge; /* NULL: not set yet */
    bool is_stressed;
    size_t transaction_memory; /* that they share; transaction.h */
    struct task_queue session_ended; /* who waits for a place, or for the last one to end */
    bool is_draining;
};

/* All but sessions and intake, from the configuration, which must stay. CONFIG or TEMP with a text;
 * call receiver_done in any case. [main] */
sluice_status receiver_init(struct receiver *receiver, const struct config *config,
                            struct error *err);
void receiver_done(struct receiver *receiver);
/* What holds at present. */
const struct session_limits *receiver_limits(const struct receiver *receiver);

#endif
