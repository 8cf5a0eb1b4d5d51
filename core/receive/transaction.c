/* SPDX-License-Identifier: ISC */
/*
 * transaction: copies what the client and the routing said into blocks of its own.
 */
#include "receive/transaction.h"

#include "base/span.h"

#include <stdlib.h>
#include <utlist.h>

/* Fixed cost of a recipient in the envelope's bytes, more than enough. */
#define RECIPIENT_OVERHEAD 64
/* And in memory, where the list grows by doubling. */
#define RECIPIENT_MEMORY (2 * sizeof(struct envelope_recipient))

struct transaction_block {
    struct transaction_block *next;
    char bytes[];
};

static size_t beyond_own(size_t memory)
{
    return memory > TRANSACTION_OWN_MAX ? memory - TRANSACTION_OWN_MAX : 0;
}

/* False: all transactions together have too much. */
static bool take_memory(struct transaction *transaction, size_t bytes)
{
    size_t more = beyond_own(transaction->memory + bytes) - beyond_own(transaction->memory);

    if (more > TRANSACTION_SHARED_MAX - *transaction->shared)
        return false;
    *transaction->shared += more;
    transaction->memory += bytes;
    return true;
}

/* Copies the spans into one new block, to which they point then. */
static sluice_status keep(struct transaction *transaction, struct sluice_span **spans, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += spans[i]->len;
    if (transaction->size + len + RECIPIENT_OVERHEAD > TRANSACTION_SIZE_MAX)
        return SLUICE_PERM;
    if (!take_memory(transaction, sizeof(struct transaction_block) + len + RECIPIENT_MEMORY))
        return SLUICE_TEMP;
    struct transaction_block *block = malloc(sizeof(*block) + len);
    if (block == NULL)
        return SLUICE_TEMP;
    LL_PREPEND(transaction->blocks, block);
    transaction->size += len + RECIPIENT_OVERHEAD;
    char *at = block->bytes;
    for (size_t i = 0; i < count; i++) {
        if (spans[i]->len > 0)
            memcpy(at, spans[i]->ptr, spans[i]->len);
        spans[i]->ptr = at;
        at += spans[i]->len;
    }
    return SLUICE_OK;
}

struct transaction *transaction_new(const struct mailbox *given, const struct mailbox *sender,
                                    const struct esmtp_mail *parameters, size_t *shared)
{
    struct transaction *transaction = calloc(1, sizeof(*transaction));

    if (transaction == NULL)
        return NULL;
    transaction->shared = shared;
    struct envelope *envelope = &transaction->envelope;
    envelope->sender = sender->address;
    envelope->envid = parameters->envid;
    envelope->ret = parameters->ret;
    envelope->body = parameters->body;
    envelope->is_verify = parameters->is_verify;
    transaction->is_unchanged = parameters->is_unchanged;
    transaction->given_sender = given->address;
    transaction->plain_sender = given->plain;
    transaction->full_name = parameters->full_name;
    struct sluice_span *spans[] = {&envelope->sender, &envelope->envid, &transaction->given_sender,
                                   &transaction->plain_sender, &transaction->full_name};
    if (keep(transaction, spans, sizeof(spans) / sizeof(spans[0])) != SLUICE_OK) {
        transaction_free(transaction);
        return NULL;
    }
    return transaction;
}

void transaction_free(struct transaction *transaction)
{
    struct transaction_block *block;
    struct transaction_block *next;

    if (transaction == NULL)
        return;
    *transaction->shared -= beyond_own(transaction->memory);
    LL_FOREACH_SAFE(transaction->blocks, block, next)
    {
        free(block);
    }
    effects_done(&transaction->effects);
    envelope_done(&transaction->envelope);
    free(transaction);
}

static sluice_status add(struct transaction *transaction, struct envelope_recipient *fresh)
{
    struct sluice_span *spans[] = {&fresh->address,   &fresh->original, &fresh->orcpt,
                                   &fresh->transport, &fresh->nexthop,  &fresh->dsn,
                                   &fresh->text};
    sluice_status st = keep(transaction, spans, sizeof(spans) / sizeof(spans[0]));
    if (st != SLUICE_OK)
        return st;
    struct envelope_recipient *place = envelope_add(&transaction->envelope);
    if (place == NULL)
        return SLUICE_TEMP;
    *place = *fresh;
    return SLUICE_OK;
}

sluice_status transaction_add(struct transaction *transaction, const struct mailbox *recipient,
                              const struct route *route, const struct esmtp_rcpt *parameters)
{
    struct envelope_recipient fresh = {
        .address = route->recipient,
        .orcpt = parameters->orcpt,
        .notify = parameters->notify,
        .transport = route->transport,
        .nexthop = route->nexthop,
    };

    if (!span_equal(recipient->address, route->recipient))
        fresh.original = recipient->address;
    return add(transaction, &fresh);
}

void transaction_end_given(struct transaction *transaction, size_t first)
{
    const struct envelope_recipient *recipient = &transaction->envelope.recipients[first];

    if (transaction->given_count++ == 0)
        transaction->given_recipient =
            recipient->original.len > 0 ? recipient->original : recipient->address;
}

/* Their memory stays the transaction's until its end. */
void transaction_take_back(struct transaction *transaction, size_t count)
{
    transaction->envelope.recipient_count = count;
}

sluice_status transaction_add_failed(struct transaction *transaction, struct sluice_span address,
                                     const struct esmtp_rcpt *parameters, const char *dsn,
                                     const char *text)
{
    struct envelope_recipient fresh = {
        .address = address,
        .orcpt = parameters->orcpt,
        .notify = parameters->notify,
        .state = RECIPIENT_FAILED,
        .dsn = sluice_span_of(dsn),
        .text = sluice_span_of(text),
    };

    return add(transaction, &fresh);
}
