/* SPDX-License-Identifier: ISC */
/*
 * concurrency: how many jobs a site may have under way, which its host's answers teach. Postfix's
 * arithmetic, but for what a cohort is (concurrency_failed).
 */
#ifndef QUEUE_CONCURRENCY_H
#define QUEUE_CONCURRENCY_H

#include <stdbool.h>

/* What one success or failure counts, if so many jobs may be under way. */
enum feedback {
    FEEDBACK_ONE,      /* 1 */
    FEEDBACK_PER_JOB,  /* 1/concurrency */
    FEEDBACK_PER_SQRT, /* 1/sqrt_concurrency */
};

struct concurrency_limits {
    unsigned initial;
    unsigned most;
    unsigned failed_cohorts; /* that make a site dead; 0: nothing does */
    enum feedback positive;
    enum feedback negative;
};

/* Zero it to initialise: then it is the initial concurrency. */
struct concurrency {
    unsigned jobs; /* at a time, as things stand; 0: as many as at the beginning */
    float gained;  /* towards one more */
    float lost;    /* towards one fewer */
    float failed;  /* cohorts since the last success */
};

/* Of the words of the configuration, "1/concurrency". */
enum feedback concurrency_feedback(const char *text);
/* How many jobs may be under way. */
unsigned concurrency_get(const struct concurrency *concurrency,
                         const struct concurrency_limits *limits);
/* An attempt got through; under_way: jobs with it. */
void concurrency_succeeded(struct concurrency *concurrency,
                           const struct concurrency_limits *limits, unsigned under_way);
/*
 * An attempt failed for the site's fault. True: the site is dead, as a cohort of attempts has failed
 * with no success in between. A cohort is as many as are under way: when mail comes now and then one
 * failure says all, when twenty are under way it says little.
 */
bool concurrency_failed(struct concurrency *concurrency, const struct concurrency_limits *limits,
                        unsigned under_way);

#endif
