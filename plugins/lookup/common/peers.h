/* SPDX-License-Identifier: ISC */
/*
 * peers: a server that answers requests one after another, asked by many tasks at once over a few
 * connections, which are kept. For plugins of mode "task".
 *
 * Order: peers_open -> peers_ask* -> peers_close.
 */
#ifndef SLUICE_TABLE_PEERS_H
#define SLUICE_TABLE_PEERS_H

#include "sluice/host.h"

#include <stdbool.h>

#define PEERS_REPLY_MAX ((size_t)100000) /* Postfix's limit for socketmap, and more than tcp's */

struct peers;

/* What a server has said, with a NUL behind it. Zero it to initialise; free(text) at the end. */
struct peers_reply {
    char *text;
    size_t len, size;
};

/* How a reply ends. */
enum peers_state { PEERS_MORE, PEERS_WHOLE, PEERS_NONSENSE };

/* where: "unix:/path", "inet:host:port"; it is copied. timeout_ms: for one request. CONFIG or TEMP
 * with a text. [main] */
sluice_status peers_open(const struct sluice_host *host, const char *where, int64_t timeout_ms,
                         const struct sluice_errors *errors, struct peers **ret_peers);
const char *peers_name(const struct peers *peers); /* of the table, for texts */
void peers_close(struct peers *peers); /* accepts NULL; no request is under way */
/* OK with the whole reply; TEMP with a text. A connection that had been kept and is gone is replaced
 * once. [task: waits] */
sluice_status peers_ask(struct peers *peers, struct sluice_span request, int64_t deadline_ms,
                        enum peers_state (*state)(const struct peers_reply *reply),
                        struct peers_reply *reply, const struct sluice_errors *errors);

#endif /* SLUICE_TABLE_PEERS_H */
