/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/deferral.h: when may this be attempted next?
 *
 * The queue asks for each delivery unit (a message's recipients at one site) when it arrives,
 * and again after each attempt that left recipients. The parameter defer_transports binds transports
 * to the deferral "on-demand"; all others have "backoff".
 *
 * next() is pure: the same histories and the same now give the same answer. So a week of retries is
 * tested in a millisecond, and a restart needs no memory of the plugin's.
 *
 * A release (ETRN, sendmail -q) does not ask: it lets what waits go once, and after that attempt
 * next() is asked again.
 *
 * Changes: 1.0 first version.
 */
#ifndef SLUICE_DEFERRAL_H
#define SLUICE_DEFERRAL_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_DEFERRAL_ID "sluice.deferral/1"

struct sluice_deferral; /* the plugin's own */

/* All instants are milliseconds since 1970 UTC; 0: never. */
struct sluice_unit_history {
    uint32_t struct_size;
    uint32_t attempts;       /* so far, of this unit; 0: it has just arrived */
    int64_t arrival_ms;      /* of the message */
    int64_t last_attempt_ms; /* when the latest of these ended */
};

struct sluice_site_history {
    uint32_t struct_size;
    uint32_t failures;       /* attempts in a row that could not reach the site */
    int64_t last_failure_ms; /* the latest of these */
    int64_t last_success_ms;
};

#define SLUICE_DEFER_GO ((int32_t)1)         /* at once */
#define SLUICE_DEFER_AT ((int32_t)2)         /* not before *ret_at_ms */
#define SLUICE_DEFER_ON_RELEASE ((int32_t)3) /* only when somebody releases it */

struct sluice_deferral_ops {
    uint32_t struct_size;
    uint32_t flags; /* 0 */

    /* Required. *ret_deferral only on OK. [main] */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const struct sluice_errors *errors,
                          struct sluice_deferral **ret_deferral);
    /* Required. Accepts NULL. [main] */
    void (*close)(struct sluice_deferral *deferral);
    /*
     * Required. SLUICE_DEFER_...; *ret_at_ms is read for AT only. An unknown answer counts as AT
     * with minimal_backoff_time from now. The host never waits longer than maximal_backoff_time for
     * AT. Pure. [any]
     */
    int32_t (*next)(struct sluice_deferral *deferral, const struct sluice_unit_history *unit,
                    const struct sluice_site_history *site, int64_t now_ms, int64_t *ret_at_ms);
    /*
     * Optional: when a site that could not be reached may be tried again, however much waits for
     * it. site->failures is at least 1. Answers as for next; without it, next counts alone. [any]
     */
    int32_t (*site_next)(struct sluice_deferral *deferral, const struct sluice_site_history *site,
                         int64_t now_ms, int64_t *ret_at_ms);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_DEFERRAL_H */
