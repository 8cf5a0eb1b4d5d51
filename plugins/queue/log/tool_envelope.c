/* SPDX-License-Identifier: ISC */
/*
 * tool: a record as JSON. Members are named as `sluice queue show --json` has them.
 */
#include "tool.h"

#include "base/id.h"
#include "ipc/envelope.h"

#include <stdlib.h>

/* What is not UTF-8 loses what is not ASCII. */
static json_t *string(struct sluice_span bytes)
{
    json_t *string = json_stringn(bytes.len > 0 ? bytes.ptr : "", bytes.len);
    char *ascii;

    if (string != NULL)
        return string;
    ascii = malloc(bytes.len + 1);
    if (ascii == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.len; i++)
        ascii[i] = (unsigned char)bytes.ptr[i] < 0x80 ? bytes.ptr[i] : '?';
    string = json_stringn(ascii, bytes.len);
    free(ascii);
    return string;
}

static void set(json_t *object, const char *name, struct sluice_span text)
{
    if (text.len > 0)
        (void)json_object_set_new(object, name, string(text));
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    if (number != 0)
        (void)json_object_set_new(object, name, json_integer((json_int_t)number));
}

static const char *state_word(enum recipient_state state)
{
    static const char *const words[] = {
        [RECIPIENT_WAITING] = "waiting",       [RECIPIENT_DELIVERED] = "delivered",
        [RECIPIENT_FAILED] = "failed",         [RECIPIENT_RETURNED] = "returned",
        [RECIPIENT_RELAYED] = "delivered",     [RECIPIENT_ARRIVED] = "delivered",
        [RECIPIENT_UNVERIFIED] = "unverified",
    };

    return state <= RECIPIENT_UNVERIFIED ? words[state] : "unknown";
}

static json_t *recipient_of(const struct envelope_recipient *recipient)
{
    json_t *object = json_object();

    (void)json_object_set_new(object, "address", string(recipient->address));
    (void)json_object_set_new(object, "state", json_string(state_word(recipient->state)));
    set(object, "original", recipient->original);
    set(object, "orcpt", recipient->orcpt);
    set_number(object, "notify", recipient->notify);
    set(object, "transport", recipient->transport);
    set(object, "nexthop", recipient->nexthop);
    set_number(object, "attempts", recipient->attempts);
    set_number(object, "last_attempt", recipient->last_attempt_ms / 1000);
    set(object, "dsn", recipient->dsn);
    set(object, "delay_reason", recipient->text);
    return object;
}

static void set_message(json_t *object, const struct envelope *envelope)
{
    (void)json_object_set_new(object, "arrival_time", json_integer(envelope->arrival_ms / 1000));
    (void)json_object_set_new(object, "sender", string(envelope->sender));
    set(object, "envid", envelope->envid);
    set_number(object, "ret", envelope->ret);
    set_number(object, "body", envelope->body);
    (void)json_object_set_new(object, "smtputf8", json_boolean(envelope->is_smtputf8));
    (void)json_object_set_new(object, "held", json_boolean(envelope->is_held));
    (void)json_object_set_new(object, "forced_expire", json_boolean(envelope->expired_ms != 0));
    set(object, "client_address", envelope->client_address);
    set(object, "client_name", envelope->client_name);
    set(object, "helo", envelope->helo);
    set(object, "protocol", envelope->protocol);
    set(object, "login", envelope->login);
}

json_t *tool_envelope(uint64_t id, uint64_t content_size, struct sluice_span record)
{
    struct envelope envelope = ENVELOPE_INIT;
    json_t *object = json_object();
    json_t *recipients = json_array();
    char text[ID_TEXT_SIZE];

    if (envelope_decode(record, &envelope, NULL) != SLUICE_OK) {
        json_decref(object);
        json_decref(recipients);
        return NULL;
    }
    (void)json_object_set_new(object, "queue_id", json_string(id_format(id, text)));
    (void)json_object_set_new(object, "message_size", json_integer((json_int_t)content_size));
    set_message(object, &envelope);
    for (size_t i = 0; i < envelope.recipient_count; i++)
        (void)json_array_append_new(recipients, recipient_of(&envelope.recipients[i]));
    (void)json_object_set_new(object, "recipients", recipients);
    envelope_done(&envelope);
    return object;
}
