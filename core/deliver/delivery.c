/* SPDX-License-Identifier: ISC */
#include "deliver/delivery.h"

#include <stdlib.h>

static sluice_status delivery_read(const struct sluice_message *message, uint64_t offset,
                                   void *buffer, size_t size, size_t *ret_len)
{
    const struct delivery *delivery = (const struct delivery *)message;

    return job_read(delivery->job, offset, buffer, size, ret_len);
}

static struct delivery *delivery_of(const struct sluice_report *report)
{
    return (struct delivery *)((uintptr_t)report - offsetof(struct delivery, report));
}

/* The result as we know it, whichever minor version it was written for. */
static struct sluice_result known_result(const struct sluice_result *result)
{
    struct sluice_result known = {0};
    size_t size = result->struct_size < sizeof(known) ? result->struct_size : sizeof(known);

    memcpy(&known, result, size);
    return known;
}

/* The relay is filled in by delivery_settle: the plugin does not say it. */
static void delivery_result(const struct sluice_report *report, size_t index,
                            const struct sluice_result *result)
{
    struct delivery *delivery = delivery_of(report);
    struct sluice_result known = known_result(result);

    if (index < delivery->count)
        outcome_set_result(&delivery->outcomes[index], &known, "");
}

static void delivery_remaining_result(const struct sluice_report *report,
                                      const struct sluice_result *result)
{
    struct delivery *delivery = delivery_of(report);
    struct sluice_result known = known_result(result);

    for (size_t i = 0; i < delivery->count; i++) {
        if (!delivery->outcomes[i].is_reported)
            outcome_set_result(&delivery->outcomes[i], &known, "");
    }
}

static struct sluice_result plain_result(sluice_status status, const char *dsn, const char *text)
{
    return (struct sluice_result){
        .struct_size = sizeof(struct sluice_result), .status = status, .dsn = dsn, .text = text};
}

static void delivery_recipient(const struct sluice_report *report, size_t index,
                               sluice_status status, const char *dsn, const char *text)
{
    struct sluice_result result = plain_result(status, dsn, text);

    delivery_result(report, index, &result);
}

static void delivery_remaining(const struct sluice_report *report, sluice_status status,
                               const char *dsn, const char *text)
{
    struct sluice_result result = plain_result(status, dsn, text);

    delivery_remaining_result(report, &result);
}

static void delivery_add(struct delivery *delivery, size_t position)
{
    const struct envelope_recipient *from = &delivery->job->envelope.recipients[position];

    delivery->positions[delivery->count] = position;
    delivery->recipients[delivery->count++] = (struct sluice_recipient){
        .struct_size = sizeof(struct sluice_recipient),
        .notify = from->notify,
        .address = from->address,
        .orcpt = from->orcpt,
        .original = from->original,
    };
}

/* Whoever put the message into the queue has looked for 8-bit bytes, and declared them if need be. */
static uint32_t flags_of(const struct envelope *envelope)
{
    return (envelope->is_verify ? SLUICE_MESSAGE_VERIFY : 0) |
           (envelope->body == SLUICE_BODY_7BIT ? SLUICE_MESSAGE_7BIT : 0);
}

static void delivery_fill(struct delivery *delivery)
{
    const struct job *job = delivery->job;
    const struct envelope *envelope = &job->envelope;

    delivery->message = (struct sluice_message){
        .struct_size = sizeof(struct sluice_message),
        .body = envelope->body,
        .id = sluice_span_of(id_format(job->header.message_id, delivery->id)),
        .sender = envelope->sender,
        .envid = envelope->envid,
        .ret = envelope->ret,
        .is_smtputf8 = envelope->is_smtputf8,
        .arrival_ms = envelope->arrival_ms,
        .size = job_content_size(job),
        .read = delivery_read,
        .flags = flags_of(envelope),
        .nexthop = job->header.nexthop,
        .client_address = envelope->client_address,
        .client_name = envelope->client_name,
        .client_helo = envelope->helo,
        .client_protocol = envelope->protocol,
        .login = envelope->login,
    };
    delivery->report = (struct sluice_report){
        .struct_size = sizeof(struct sluice_report),
        .recipient = delivery_recipient,
        .remaining = delivery_remaining,
        .result = delivery_result,
        .remaining_result = delivery_remaining_result,
    };
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        if (!outcome_is_settled(&job->outcomes[i]))
            delivery_add(delivery, i);
    }
}

struct delivery *delivery_new(struct job *job)
{
    size_t most = job->envelope.recipient_count;
    struct delivery *delivery = calloc(1, sizeof(*delivery));

    if (delivery == NULL)
        return NULL;
    delivery->job = job_ref(job);
    delivery->recipients = calloc(most, sizeof(*delivery->recipients));
    delivery->positions = calloc(most, sizeof(*delivery->positions));
    delivery->outcomes = calloc(most, sizeof(*delivery->outcomes));
    if (delivery->recipients == NULL || delivery->positions == NULL ||
        delivery->outcomes == NULL) {
        delivery_free(delivery);
        return NULL;
    }
    delivery_fill(delivery);
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    free(delivery->recipients);
    free(delivery->positions);
    for (size_t i = 0; i < delivery->count; i++)
        outcome_done(&delivery->outcomes[i]);
    free(delivery->outcomes);
    job_unref(delivery->job);
    free(delivery);
}

void delivery_settle(struct delivery *delivery, const char *relay)
{
    for (size_t i = 0; i < delivery->count; i++) {
        const struct outcome *from = &delivery->outcomes[i];
        const struct sluice_result result = {
            .status = from->result.status,
            .dsn = from->result.dsn,
            .text = from->result.text,
            .reply = from->reply,
            .flags = from->flags,
        };

        if (from->is_reported)
            outcome_set_result(&delivery->job->outcomes[delivery->positions[i]], &result, relay);
    }
}

bool delivery_has_settled(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++) {
        if (outcome_is_settled(&delivery->outcomes[i]))
            return true;
    }
    return false;
}
