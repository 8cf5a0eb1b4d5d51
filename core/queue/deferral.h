/* SPDX-License-Identifier: ISC */
/*
 * deferral: the front end of the deferral plugins: when may a unit or a site be attempted next?
 *
 * A transport's own option says which plugin decides; else those that defer_transports names get
 * "on-demand", all others "backoff". The plugins' answers are instants of the wall clock; ours are
 * delays, which a clock that is set does not disturb.
 */
#ifndef QUEUE_DEFERRAL_H
#define QUEUE_DEFERRAL_H

#include "base/error.h"
#include "config/config.h"
#include "sluice/deferral.h"

#include <stdbool.h>

#define DEFERRAL_ON_RELEASE INT64_MAX /* as a delay: only when released */

struct deferral;

struct deferrals {
    struct deferral **list;
    size_t count;
};

sluice_status deferrals_open(const struct config *config, struct deferrals *ret_deferrals,
                             struct error *err);
void deferrals_close(struct deferrals *deferrals);
/* By its configured name; NULL: there is none. */
struct deferral *deferrals_find(const struct deferrals *deferrals, const char *name);

/* A deferral from its operations: minimal_ms and maximal_ms bound what the host accepts. For tests,
 * too. The caller frees it; NULL: no memory. */
struct deferral *deferral_new(const struct sluice_deferral_ops *ops, struct sluice_deferral *self,
                              int64_t minimal_ms, int64_t maximal_ms);
void deferral_free(struct deferral *deferral); /* accepts NULL */

/* How long from now_ms (wall clock) until the unit may be attempted: 0: at once;
 * DEFERRAL_ON_RELEASE. */
int64_t deferral_next(const struct deferral *deferral, const struct sluice_unit_history *unit,
                      const struct sluice_site_history *site, int64_t now_ms);
/* The same for a site that could not be reached; 0 also if the plugin leaves it to the units. */
int64_t deferral_site_next(const struct deferral *deferral, const struct sluice_site_history *site,
                           int64_t now_ms);

#endif
