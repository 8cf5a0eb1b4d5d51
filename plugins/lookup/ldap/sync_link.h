/* SPDX-License-Identifier: ISC */
/*
 * sync_link: the connection over which a server tells what changes. Where it is silent for long it is
 * asked for a sign of life, so that nobody takes a lost connection for a directory in which nothing
 * happens.
 *
 * Order: sync_link_open -> sync_link_ask -> (sync_link_next | sync_link_wait | sync_link_ask)* ->
 * sync_link_close. On one task.
 */
#ifndef SLUICE_PLUGIN_LDAP_SYNC_LINK_H
#define SLUICE_PLUGIN_LDAP_SYNC_LINK_H

#include "sync_message.h"

#include "sluice/host.h"

#define SYNC_WHY_MAX 300

struct sync_link {
    const struct sluice_host *host;
    const struct settings *settings;
    LDAP *handle; /* NULL: it is not open */
    int fd;
    int id; /* of the operation */
    int64_t heard_ms;
    bool is_probed; /* since then */
    char why[SYNC_WHY_MAX];
};

/* To the first of these servers that can be reached, beginning with that of the number turn, round and
 * round. TEMP, with why. [task: waits] */
sluice_status sync_link_open(struct sync_link *link, const struct sluice_host *host,
                             const struct settings *settings, const char *urls, size_t turn);
void sync_link_close(struct sync_link *link);
/* As sync_message_send. TEMP, with why. */
sluice_status sync_link_ask(struct sync_link *link, const struct sync_plan *plan,
                            const struct berval *cookie);
/* OK with a message, for sync_message_done; NOT_FOUND: none has come yet; TEMP, with why: it is lost. */
sluice_status sync_link_next(struct sync_link *link, struct sync_message *ret_message);
/* For a message, for a second at most: OK. TEMP, with why: it is lost. [task: waits] */
sluice_status sync_link_wait(struct sync_link *link);

#endif /* SLUICE_PLUGIN_LDAP_SYNC_LINK_H */
