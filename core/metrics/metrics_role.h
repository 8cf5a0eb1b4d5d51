/* SPDX-License-Identifier: ISC */
/*
 * metrics_role: the role that shows what the others count (base/metrics.h) to whoever asks by HTTP:
 * GET /metrics, in Prometheus' text format, and GET /healthz. It only reads the shared memory, has no
 * link to any other role, and runs only where metrics_listen names an address.
 */
#ifndef METRICS_METRICS_ROLE_H
#define METRICS_METRICS_ROLE_H

/* In the address of a listening socket that is this role's. */
#define METRICS_LISTENER "metrics:"

/* The whole life of the process; its exit status. */
int metrics_main(void);

#endif
