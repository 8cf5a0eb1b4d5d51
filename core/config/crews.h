/* SPDX-License-Identifier: ISC */
/*
 * crews: the deliver processes that run as the same user, and so do the same transports. A crew is
 * named by the option user of its transports. The first one, with the empty name, runs as
 * network_owner and does all transports that name no user; each other one is one process.
 *
 * Check, master, queue and deliver find the crews in the configuration each for itself; between
 * processes they go by their names, because a number means something in one generation alone.
 */
#ifndef CONFIG_CREWS_H
#define CONFIG_CREWS_H

#include "base/span.h"
#include "config/config.h"

#define CREWS_MAX 16 /* check refuses more */
#define CREW_COMMON 0u
#define CREW_UNKNOWN CREWS_MAX
#define CREW_RECIPIENT "recipient" /* may become any user, to deliver as who the mail is for */

/* Names borrow from the configuration. */
struct crews {
    const char *names[CREWS_MAX];
    unsigned count;
};

void crews_read(const struct config *config, struct crews *ret_crews);
/* The name of the crew that does this transport; "" where it is not one. */
const char *crew_of_transport(const struct config_instance *transport);
/* CREW_UNKNOWN: there is none of that name. */
unsigned crews_find(const struct crews *crews, struct sluice_span name);

#endif
