/* SPDX-License-Identifier: ISC */
#include "deliver/outcome.h"

#include "base/text.h"

#include <stdlib.h>

bool outcome_is_settled(const struct outcome *outcome)
{
    return outcome->is_reported && outcome->result.status != SLUICE_TEMP;
}

/* The enhanced status must be of the result's class, or a reader would believe the wrong one. */
static const char *matching_dsn(sluice_status status, const char *dsn)
{
    char class = status == SLUICE_OK ? '2' : status == SLUICE_PERM ? '5' : '4';

    if (dsn != NULL && dsn[0] == class && dsn[1] == '.')
        return dsn;
    return status == SLUICE_OK ? "2.0.0" : status == SLUICE_PERM ? "5.0.0" : "4.0.0";
}

void outcome_done(struct outcome *outcome)
{
    free(outcome->reply);
    outcome->reply = NULL;
}

void outcome_set_result(struct outcome *outcome, const struct sluice_result *result,
                        const char *relay)
{
    sluice_status status = result->status;

    if (outcome_is_settled(outcome))
        return;
    if (status != SLUICE_OK && status != SLUICE_PERM)
        status = SLUICE_TEMP;
    outcome->is_reported = true;
    (void)error_set_text(&outcome->result, status, matching_dsn(status, result->dsn),
                         result->text != NULL ? result->text : "no reason given");
    text_copy(outcome->relay, sizeof(outcome->relay), relay);
    outcome_done(outcome);
    if (result->reply != NULL)
        outcome->reply = strndup(result->reply, OUTCOME_REPLY_MAX); /* no memory: it is not told */
    outcome->flags = result->flags;
}

void outcome_set(struct outcome *outcome, sluice_status status, const char *dsn, const char *text,
                 const char *relay)
{
    const struct sluice_result result = {.status = status, .dsn = dsn, .text = text};

    outcome_set_result(outcome, &result, relay);
}
