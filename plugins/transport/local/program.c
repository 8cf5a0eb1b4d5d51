/* SPDX-License-Identifier: ISC */
/* program: see local.h. */
#include "local.h"

#include "command.h"
#include "letter.h"

#include <stdio.h>
#include <stdlib.h>

#define VARIABLES_MAX 16

/* What may stand in the environment of a command, which may be a shell's: all else becomes _. */
#define HARMLESS "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const struct letter_format format = {
    .flags = LETTER_FROM | LETTER_RETURN_PATH | LETTER_ORIGINAL | LETTER_DELIVERED,
    .eol = "\n",
    .eol_len = 1,
    .null_sender = "",
};

struct input {
    struct command_input sdk; /* first: the command's runner hands it back */
    struct letter letter;
};

static sluice_status read_letter(struct command_input *input, char *piece, size_t size,
                                 size_t *ret_len)
{
    return letter_next(&((struct input *)input)->letter, piece, size, ret_len);
}

/* ---- the environment ------------------------------------------------------------------------- */

struct environment {
    char *variables[VARIABLES_MAX + 1];
    size_t count;
    bool has_failed;
};

static void set(struct environment *environment, const char *name, struct sluice_span value)
{
    char *variable;
    int start;

    if (environment->count == VARIABLES_MAX ||
        asprintf(&variable, "%s=%n%.*s", name, &start, (int)value.len,
                 value.len > 0 ? value.ptr : "") == -1) {
        environment->has_failed = true;
        return;
    }
    for (char *c = variable + start; *c != '\0'; c++) {
        if (strchr(HARMLESS, *c) == NULL)
            *c = '_';
    }
    environment->variables[environment->count++] = variable;
}

/* local(8), "EXTERNAL COMMAND DELIVERY". */
static void fill(struct environment *environment, const struct visit *visit,
                 const struct account *account)
{
    struct sluice_span address = visit->recipient->address;
    struct sluice_span local = maps_local_of(address);
    size_t skip = local.len < address.len ? local.len + 1 : address.len;

    set(environment, "USER", sluice_span_of(account->name));
    set(environment, "LOGNAME", sluice_span_of(account->name));
    set(environment, "HOME", sluice_span_of(account->home));
    set(environment, "SHELL", sluice_span_of(account->shell));
    set(environment, "LOCAL", sluice_span_of(visit->local));
    set(environment, "EXTENSION", sluice_span_of(visit->extension));
    set(environment, "DOMAIN", (struct sluice_span){address.ptr + skip, address.len - skip});
    set(environment, "RECIPIENT", address);
    set(environment, "ORIGINAL_RECIPIENT", sluice_recipient_original(visit->recipient));
    set(environment, "SENDER", visit->message->sender);
    if (sluice_message_has_origin(visit->message)) {
        set(environment, "CLIENT_ADDRESS", visit->message->client_address);
        set(environment, "CLIENT_HOSTNAME", visit->message->client_name);
        set(environment, "CLIENT_HELO", visit->message->client_helo);
        set(environment, "CLIENT_PROTOCOL", visit->message->client_protocol);
        set(environment, "SASL_USERNAME", visit->message->login);
    }
}

static void environment_done(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->variables[i]);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void run(struct visit *visit, const char *text, const struct account *account,
                const char *const *environment, struct input *input, struct command_result *result)
{
    const struct station *station = &visit->transport->station;
    const char *const arguments[] = {"/bin/sh", "-c", text, NULL};
    int64_t end_ms =
        station->clock->monotonic_ms(station->host) + visit->transport->command_time_ms;
    const struct command command = {
        .name = text,
        .arguments = arguments,
        .environment = environment,
        .rights = &account->rights,
        .input = &input->sdk,
    };

    input->sdk.read = read_letter;
    letter_init(&input->letter, &format, visit->message, visit->recipient,
                station->clock->wall_ms(station->host));
    command_run(&command, station->host, end_ms < visit->deadline_ms ? end_ms : visit->deadline_ms,
                result);
}

void visit_command(struct visit *visit, const char *command, const struct account *account)
{
    struct environment environment = {.count = 0};
    struct command_result ended = {.status = SLUICE_TEMP, .dsn = "4.3.0", .text = "out of memory"};
    struct input *input = malloc(sizeof(*input));
    struct result result;

    fill(&environment, visit, account);
    if (input != NULL && !environment.has_failed)
        run(visit, command, account, (const char *const *)environment.variables, input, &ended);
    environment_done(&environment);
    free(input);
    if (ended.status == SLUICE_OK)
        (void)result_set(&result, SLUICE_OK, "2.0.0", "delivered to command: %s", command);
    else
        (void)result_set(&result, ended.status, ended.dsn, "%s", ended.text);
    visit_add(visit, &result);
}
