/* SPDX-License-Identifier: ISC */
#include "receive/effects.h"

#include "base/span.h"
#include "receive/access.h"
#include "receive/transaction.h"

#include <stdlib.h>

void effects_done(struct effects *effects)
{
    free(effects->redirect);
    for (size_t i = 0; i < effects->bcc_count; i++)
        free(effects->bcc[i]);
    buffer_done(&effects->prepended);
    *effects = (struct effects){0};
}

static sluice_status redirect(struct effects *effects, const char *address)
{
    char *copy = span_dup(sluice_span_of(address));

    if (copy == NULL)
        return SLUICE_TEMP;
    free(effects->redirect); /* the last one counts */
    effects->redirect = copy;
    return SLUICE_OK;
}

static sluice_status add_bcc(struct effects *effects, const char *address)
{
    for (size_t i = 0; i < effects->bcc_count; i++) {
        if (strcmp(effects->bcc[i], address) == 0)
            return SLUICE_OK;
    }
    if (effects->bcc_count == EFFECTS_BCC_MAX)
        return SLUICE_TEMP;
    effects->bcc[effects->bcc_count] = span_dup(sluice_span_of(address));
    if (effects->bcc[effects->bcc_count] == NULL)
        return SLUICE_TEMP;
    effects->bcc_count++;
    return SLUICE_OK;
}

/* Each recipient of a message may ask for the same field. */
static sluice_status prepend(struct effects *effects, const char *field)
{
    struct buffer *text = &effects->prepended;
    size_t len = strlen(field);

    if (text->len > 0 && memmem(text->ptr, text->len, field, len) != NULL)
        return SLUICE_OK;
    if (text->len + len + 2 > EFFECTS_PREPEND_MAX)
        return SLUICE_TEMP;
    buffer_add(text, field, len);
    buffer_add(text, "\r\n", 2);
    return buffer_failed(text) ? SLUICE_TEMP : SLUICE_OK;
}

sluice_status effects_add(struct effects *effects, const struct access_verdict *verdict)
{
    switch (verdict->verdict) {
    case SLUICE_VERDICT_HOLD:
        effects->is_held = true;
        return SLUICE_OK;
    case SLUICE_VERDICT_DISCARD:
        effects->is_discarded = true;
        return SLUICE_OK;
    case SLUICE_VERDICT_REDIRECT:
        return redirect(effects, verdict->text);
    case SLUICE_VERDICT_BCC:
        return add_bcc(effects, verdict->text);
    case SLUICE_VERDICT_PREPEND:
        return prepend(effects, verdict->text);
    default:
        return SLUICE_OK;
    }
}

static sluice_status add_recipient(struct transaction *transaction, const struct router *router,
                                   const char *address, uint32_t notify, int64_t deadline_ms,
                                   struct error *err)
{
    const struct esmtp_rcpt parameters = {.notify = notify};
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    sluice_status st = mailbox_parse(sluice_span_of(address), &mailbox);

    if (st != SLUICE_OK || mailbox.address.len == 0)
        st = error_set(err, SLUICE_TEMP, "\"%s\" is no address", address);
    if (st == SLUICE_OK)
        st = route_resolve(router, transaction->envelope.sender, &mailbox, deadline_ms, &route,
                           err);
    if (st == SLUICE_OK)
        st = route_check_doubt(&route, err);
    if (st == SLUICE_OK && transaction_add(transaction, &mailbox, &route, &parameters) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "no memory for a recipient");
    route_done(&route);
    mailbox_done(&mailbox);
    return st;
}

sluice_status effects_apply(struct transaction *transaction, const struct router *router,
                            int64_t deadline_ms, struct error *err)
{
    const struct effects *effects = &transaction->effects;
    sluice_status st = SLUICE_OK;

    transaction->envelope.is_held = effects->is_held;
    if (effects->redirect != NULL) {
        transaction_take_back(transaction, 0);
        st = add_recipient(transaction, router, effects->redirect, SLUICE_NOTIFY_DEFAULT,
                           deadline_ms, err);
    }
    for (size_t i = 0; st == SLUICE_OK && i < effects->bcc_count; i++)
        st = add_recipient(transaction, router, effects->bcc[i], SLUICE_NOTIFY_NEVER, deadline_ms,
                           err);
    return st;
}
