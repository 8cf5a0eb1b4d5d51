/* SPDX-License-Identifier: ISC */
/*
 * services: names of ports, as a next hop may have them: those of known_tcp_ports, then the system's.
 * All are read when the plugin is opened, since a task must not wait for files or directories.
 */
#ifndef MX_SERVICES_H
#define MX_SERVICES_H

#include "sluice/types.h"

#define SERVICE_NAME_MAX 63

struct service {
    char name[SERVICE_NAME_MAX + 1];
    uint32_t port;
};

struct services {
    struct service *list;
    size_t count;
};

void services_done(struct services *services);

/* All names of "smtps=submissions=465". CONFIG: it is not of that form; TEMP: no memory. */
sluice_status services_add_known(struct services *services, const char *item);
/* What the system knows of TCP (/etc/services); names that are there already count more. Without
 * memory some are missing. [main] */
void services_add_system(struct services *services);

/* The number that text is, or that it is the name of, in any case; 0: neither. */
uint32_t services_port(const struct services *services, struct sluice_span text);

#endif /* MX_SERVICES_H */
