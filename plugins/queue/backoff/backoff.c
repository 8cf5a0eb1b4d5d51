/* SPDX-License-Identifier: ISC */
/*
 * backoff: longer and longer between attempts, as Postfix has it.
 *
 * A message waits as long again as it has been here, a site that cannot be reached twice as long
 * each time, both not under minimal_backoff_time and not over maximal_backoff_time. All is counted
 * from the latest attempt and not from now, so that a restart postpones nothing.
 */
#include "sluice/deferral.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct sluice_deferral {
    int64_t min_ms, max_ms;
};

static sluice_status backoff_open(const struct sluice_host *host,
                                  const struct sluice_config *config,
                                  const struct sluice_errors *errors,
                                  struct sluice_deferral **ret_deferral)
{
    int64_t min_ms = config->get_number(config, "minimal_backoff_time");
    int64_t max_ms = config->get_number(config, "maximal_backoff_time");
    struct sluice_deferral *deferral;
    char text[160];

    (void)host;
    if (min_ms > max_ms) {
        (void)snprintf(text, sizeof(text),
                       "minimal_backoff_time (%" PRId64 " s) is longer than maximal_backoff_time "
                       "(%" PRId64 " s)",
                       min_ms / 1000, max_ms / 1000);
        errors->explain(errors, NULL, text);
        return SLUICE_CONFIG;
    }
    deferral = malloc(sizeof(*deferral));
    if (deferral == NULL) {
        errors->explain(errors, "4.3.0", "backoff: out of memory");
        return SLUICE_TEMP;
    }
    deferral->min_ms = min_ms;
    deferral->max_ms = max_ms;
    *ret_deferral = deferral;
    return SLUICE_OK;
}

static void backoff_close(struct sluice_deferral *deferral)
{
    free(deferral);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* GO when at_ms has come, else AT. */
static int32_t answer(int64_t at_ms, int64_t now_ms, int64_t *ret_at_ms)
{
    if (at_ms <= now_ms)
        return SLUICE_DEFER_GO;
    *ret_at_ms = at_ms;
    return SLUICE_DEFER_AT;
}

/* A clock that went back gives a message a negative age: the minimum then. */
static int64_t unit_due(const struct sluice_deferral *deferral,
                        const struct sluice_unit_history *unit, int64_t now_ms)
{
    int64_t attempt_ms = unit->last_attempt_ms > 0 ? unit->last_attempt_ms : now_ms;
    int64_t wait_ms;

    if (unit->attempts == 0)
        return now_ms;
    attempt_ms = smaller(attempt_ms, now_ms);
    wait_ms = attempt_ms - unit->arrival_ms;
    if (wait_ms < deferral->min_ms)
        wait_ms = deferral->min_ms;
    return attempt_ms + smaller(wait_ms, deferral->max_ms);
}

static int64_t site_due(const struct sluice_deferral *deferral,
                        const struct sluice_site_history *site, int64_t now_ms)
{
    int64_t failure_ms = site->last_failure_ms > 0 ? site->last_failure_ms : now_ms;
    int64_t wait_ms = deferral->min_ms;

    if (site->failures == 0)
        return now_ms;
    for (uint32_t i = 1; i < site->failures && wait_ms < deferral->max_ms; i++)
        wait_ms = wait_ms > 0 ? 2 * wait_ms : deferral->max_ms;
    return smaller(failure_ms, now_ms) + smaller(wait_ms, deferral->max_ms);
}

static int32_t backoff_next(struct sluice_deferral *deferral,
                            const struct sluice_unit_history *unit,
                            const struct sluice_site_history *site, int64_t now_ms,
                            int64_t *ret_at_ms)
{
    int64_t unit_ms = unit_due(deferral, unit, now_ms);
    int64_t site_ms = site_due(deferral, site, now_ms);

    return answer(unit_ms > site_ms ? unit_ms : site_ms, now_ms, ret_at_ms);
}

static int32_t backoff_site_next(struct sluice_deferral *deferral,
                                 const struct sluice_site_history *site, int64_t now_ms,
                                 int64_t *ret_at_ms)
{
    return answer(site_due(deferral, site, now_ms), now_ms, ret_at_ms);
}

static const struct sluice_option options[] = {
    {"minimal_backoff_time", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE, "300s",
     "1s..", "The shortest wait after a failed attempt"},
    {"maximal_backoff_time", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE,
     "4000s", "1s..", "The longest wait after a failed attempt"},
};

static const struct sluice_deferral_ops ops = {
    .struct_size = sizeof(ops),
    .open = backoff_open,
    .close = backoff_close,
    .next = backoff_next,
    .site_next = backoff_site_next,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DEFERRAL_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/backoff",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Retries at growing intervals",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
