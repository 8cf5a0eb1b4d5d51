/* SPDX-License-Identifier: ISC */
/*
 * concurrency: a sum of what successes and failures count; each whole one is a job more or fewer.
 */
#include "queue/concurrency.h"

#include <math.h>
#include <string.h>

#define ROUNDING 1e-3F /* so that five fifths are one */

enum feedback concurrency_feedback(const char *text)
{
    if (strcmp(text, "1/concurrency") == 0)
        return FEEDBACK_PER_JOB;
    return strcmp(text, "1/sqrt_concurrency") == 0 ? FEEDBACK_PER_SQRT : FEEDBACK_ONE;
}

unsigned concurrency_get(const struct concurrency *concurrency,
                         const struct concurrency_limits *limits)
{
    unsigned jobs = concurrency->jobs > 0 ? concurrency->jobs : limits->initial;

    return jobs < limits->most ? jobs : limits->most;
}

static float value_of(enum feedback feedback, unsigned jobs)
{
    if (feedback == FEEDBACK_PER_JOB)
        return 1 / (float)jobs;
    return feedback == FEEDBACK_PER_SQRT ? 1 / sqrtf((float)jobs) : 1;
}

void concurrency_succeeded(struct concurrency *concurrency,
                           const struct concurrency_limits *limits, unsigned under_way)
{
    unsigned jobs = concurrency_get(concurrency, limits);

    concurrency->failed = 0;
    /* What is not used says nothing: else a site with little mail would one day get all at once. */
    if (jobs >= limits->most || jobs >= under_way + limits->initial)
        return;
    concurrency->gained += value_of(limits->positive, jobs);
    if (concurrency->gained + ROUNDING < 1)
        return;
    concurrency->jobs = jobs + 1;
    concurrency->gained -= 1;
    concurrency->lost = 0;
}

/* The first failure counts at once; 1/concurrency: then one in as many as may be under way. */
static void shrink(struct concurrency *concurrency, const struct concurrency_limits *limits,
                   unsigned jobs)
{
    concurrency->lost -= value_of(limits->negative, jobs);
    if (concurrency->lost + ROUNDING >= 0)
        return;
    concurrency->jobs = jobs > 1 ? jobs - 1 : 1;
    concurrency->lost += 1;
    concurrency->gained = 0;
}

bool concurrency_failed(struct concurrency *concurrency, const struct concurrency_limits *limits,
                        unsigned under_way)
{
    unsigned jobs = concurrency_get(concurrency, limits);
    unsigned cohort = under_way < jobs ? under_way : jobs;

    concurrency->failed += 1 / (float)(cohort > 0 ? cohort : 1);
    if (limits->failed_cohorts > 0 &&
        concurrency->failed + ROUNDING >= (float)limits->failed_cohorts) {
        *concurrency = (struct concurrency){0};
        return true;
    }
    shrink(concurrency, limits, jobs);
    return false;
}
