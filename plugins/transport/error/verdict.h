/* SPDX-License-Identifier: ISC */
/*
 * verdict: what the transports error, retry and discard share: all their recipients get one result,
 * without a connection. Its text is the next hop, as in "error:5.7.1 not today".
 */
#ifndef SLUICE_TRANSPORT_VERDICT_H
#define SLUICE_TRANSPORT_VERDICT_H

#include "sluice/transport.h"

/* Each of the plugins has its own. */
extern const struct verdict {
    sluice_status status;
    const char *dsn; /* where the text begins with no code of the same class */
} verdict;

/* For the plugin's descriptor. */
const void *verdict_interface(const char *id);

#endif
