/* SPDX-License-Identifier: ISC */
/*
 * envelope: see envelope.h.
 */
#include "envelope.h"

#include <inttypes.h>
#include <stdio.h>

#define GENERATED_ORCPT "rfc822;"

/* A command as it grows. The limits above keep all of it within ENVELOPE_COMMAND_MAX. */
struct command {
    char *text;
    size_t len;
};

static void add(struct command *command, const char *text, size_t len)
{
    memcpy(command->text + command->len, text, len);
    command->len += len;
}

static void add_text(struct command *command, const char *text)
{
    add(command, text, strlen(text));
}

static void add_span(struct command *command, struct sluice_span span)
{
    if (span.len > 0)
        add(command, span.ptr, span.len);
}

int envelope_is_sendable(struct sluice_span address)
{
    if (address.len > ENVELOPE_ADDRESS_MAX)
        return 0;
    for (size_t i = 0; i < address.len; i++) {
        unsigned char c = (unsigned char)address.ptr[i];

        if (c < 0x20 || c == 0x7f)
            return 0;
    }
    return 1;
}

/* Printable ASCII without blanks, not empty, not too long: fit to be a parameter's value. */
static int is_parameter(struct sluice_span value, size_t max)
{
    if (value.len == 0 || value.len > max)
        return 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] <= 0x20 || value.ptr[i] >= 0x7f)
            return 0;
    }
    return 1;
}

/* ---- MAIL ----------------------------------------------------------------------------------- */

static void add_ret_and_envid(struct command *command, const struct sluice_message *message)
{
    if (message->ret == SLUICE_RET_FULL)
        add_text(command, " RET=FULL");
    else if (message->ret == SLUICE_RET_HDRS)
        add_text(command, " RET=HDRS");
    if (is_parameter(message->envid, ENVELOPE_ENVID_MAX)) {
        add_text(command, " ENVID=");
        add_span(command, message->envid);
    }
}

size_t envelope_mail(const struct session_peer *peer, const struct sluice_message *message,
                     int body_is_8bit, char out[ENVELOPE_COMMAND_MAX])
{
    struct command command = {out, 0};

    add_text(&command, "MAIL FROM:<");
    add_span(&command, message->sender);
    add_text(&command, ">");
    if (peer->has_size)
        command.len += (size_t)snprintf(out + command.len, sizeof(" SIZE=") + 20, " SIZE=%" PRIu64,
                                        message->size);
    if (peer->has_8bitmime && body_is_8bit)
        add_text(&command, " BODY=8BITMIME");
    if (peer->has_smtputf8 && message->is_smtputf8)
        add_text(&command, " SMTPUTF8");
    if (peer->has_dsn)
        add_ret_and_envid(&command, message);
    add_text(&command, "\r\n");
    return command.len;
}

/* ---- RCPT ----------------------------------------------------------------------------------- */

static void add_notify(struct command *command, uint32_t notify)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {
        {SLUICE_NOTIFY_NEVER, "NEVER"}, /* stands alone (RFC 3461 4.1) */
        {SLUICE_NOTIFY_SUCCESS, "SUCCESS"},
        {SLUICE_NOTIFY_FAILURE, "FAILURE"},
        {SLUICE_NOTIFY_DELAY, "DELAY"},
    };
    const char *separator = " NOTIFY=";

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((notify & words[i].bit) == 0)
            continue;
        add_text(command, separator);
        add_text(command, words[i].word);
        if (words[i].bit == SLUICE_NOTIFY_NEVER)
            return;
        separator = ",";
    }
}

static int is_xchar(char c)
{
    return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

/* " ORCPT=rfc822;address" in xtext (RFC 3461 4, 5.2.1); nothing if it does not fit or is not ASCII,
 * since the parameter is optional. */
static void add_generated_orcpt(struct command *command, struct sluice_span address)
{
    struct command start = *command;

    add_text(command, " ORCPT=" GENERATED_ORCPT);
    for (size_t i = 0; i < address.len; i++) {
        if (command->len - start.len > ENVELOPE_ORCPT_MAX ||
            (unsigned char)address.ptr[i] >= 0x80) {
            *command = start;
            return;
        }
        if (is_xchar(address.ptr[i]))
            add(command, address.ptr + i, 1);
        else
            command->len += (size_t)snprintf(command->text + command->len, sizeof("+XX"), "+%02X",
                                             (unsigned char)address.ptr[i]);
    }
}

size_t envelope_rcpt(const struct session_peer *peer, const struct sluice_recipient *recipient,
                     char out[ENVELOPE_COMMAND_MAX])
{
    struct command command = {out, 0};

    add_text(&command, "RCPT TO:<");
    add_span(&command, recipient->address);
    add_text(&command, ">");
    if (peer->has_dsn) {
        add_notify(&command, recipient->notify);
        if (is_parameter(recipient->orcpt, ENVELOPE_ORCPT_MAX)) {
            add_text(&command, " ORCPT=");
            add_span(&command, recipient->orcpt);
        } else {
            add_generated_orcpt(&command, recipient->address);
        }
    }
    add_text(&command, "\r\n");
    return command.len;
}
