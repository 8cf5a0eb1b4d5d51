/* SPDX-License-Identifier: ISC */
/*
 * transport/pipe: mail for a command: mailing lists, vacation programs, gateways. As Postfix's
 * pipe(8); see arguments.h for the command line, common/letter.h for what the command reads and
 * common/command.h for how it runs and what its end means. The deliver process has the rights of the
 * option user already (core/config/crews.h), and the command has the same.
 */
#include "command.h"
#include "loop.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

struct sluice_transport {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_gates *gates;
    struct sluice_gate *gate; /* where those wait that would be too many; NULL: none has yet */
    unsigned running;         /* commands */
    struct options options;
};

static sluice_status pipe_open(const struct sluice_host *host, const struct sluice_config *config,
                               const struct sluice_errors *errors,
                               struct sluice_transport **ret_transport)
{
    struct sluice_transport *transport = calloc(1, sizeof(*transport));
    sluice_status st;

    if (transport == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    transport->host = host;
    transport->clock = host->get_service(host, SLUICE_CLOCK_ID);
    transport->gates = host->get_service(host, SLUICE_GATES_ID);
    st = options_read(&transport->options, config, errors);
    if (st == SLUICE_OK)
        *ret_transport = transport;
    else
        free(transport);
    return st;
}

static void pipe_close(struct sluice_transport *transport)
{
    if (transport == NULL)
        return;
    if (transport->gate != NULL)
        transport->gates->free(transport->gate);
    options_done(&transport->options);
    free(transport);
}

/* ---- one command ----------------------------------------------------------------------------- */

struct post {
    struct command_input input; /* first: the command's runner hands it back */
    struct letter letter;
};

static sluice_status read_post(struct command_input *input, char *piece, size_t size,
                               size_t *ret_len)
{
    struct post *post = (struct post *)input;

    return letter_next(&post->letter, piece, size, ret_len);
}

static void settle(struct command_result *result, sluice_status status, const char *dsn,
                   const char *text)
{
    result->status = status;
    (void)snprintf(result->dsn, sizeof(result->dsn), "%s", dsn);
    /* Cut off, if need be: it is for people. */
    (void)snprintf(result->text, sizeof(result->text), "%.*s", (int)sizeof(result->text) - 1, text);
}

static void run(const struct sluice_transport *transport, const struct arguments_mail *mail,
                int64_t deadline_ms, struct command_result *result)
{
    const struct options *options = &transport->options;
    const char *const environment[] = {options->time_zone, NULL};
    struct post *post = malloc(sizeof(*post));
    char **arguments = arguments_new(&options->arguments, mail);

    if (post == NULL || arguments == NULL) {
        settle(result, SLUICE_TEMP, "4.3.0", "out of memory");
    } else {
        const struct command command = {
            .name = options->words[0],
            .arguments = (const char *const *)arguments,
            .environment = environment,
            .directory = options->directory,
            .input = &post->input,
        };

        post->input.read = read_post;
        letter_init(&post->letter, &options->letter, mail->message, mail->recipients,
                    transport->clock->wall_ms(transport->host));
        command_run(&command, transport->host, deadline_ms, result);
    }
    arguments_free(arguments);
    free(post);
}

/* What the log and a success report say. */
static void name_service(const struct sluice_transport *transport, struct command_result *result)
{
    char text[2 * COMMAND_TEXT_MAX];
    bool has_output = result->text[0] != '\0';

    (void)snprintf(text, sizeof(text), "delivered via %s service%s%s%s", transport->host->instance,
                   has_output ? " (" : "", result->text, has_output ? ")" : "");
    settle(result, SLUICE_OK, "2.0.0", text);
}

/* ---- what needs no command ------------------------------------------------------------------- */

/* True: it is settled without one. */
static bool is_settled(const struct sluice_transport *transport, const struct arguments_mail *mail,
                       struct command_result *result)
{
    const struct options *options = &transport->options;
    char text[COMMAND_TEXT_MAX];

    if (mail->count == 1 && arguments_look_like_option(mail->recipients->address)) {
        settle(result, SLUICE_PERM, "5.1.3", "bad address syntax");
        return true;
    }
    if (options->size > 0 && mail->message->size > options->size) {
        settle(result, SLUICE_PERM, "5.2.3", "message too large");
        return true;
    }
    if (sluice_message_is_verify(mail->message)) {
        (void)snprintf(text, sizeof(text), "delivers to command: %s", options->words[0]);
        settle(result, SLUICE_OK, "2.0.0", text);
        return true;
    }
    return false;
}

/* A recipient with a Delivered-To line of his own has had this message already. */
static bool goes_round(const struct sluice_transport *transport, const struct arguments_mail *mail,
                       struct command_result *result)
{
    struct sluice_span address = mail->recipients->address;
    char text[COMMAND_TEXT_MAX];
    sluice_status st;

    if ((transport->options.letter.flags & LETTER_DELIVERED) == 0)
        return false;
    st = loop_find(mail->message, address);
    if (st == SLUICE_NOT_FOUND)
        return false;
    (void)snprintf(text, sizeof(text), "mail forwarding loop for %.*s", (int)address.len,
                   address.ptr);
    if (st == SLUICE_OK)
        settle(result, SLUICE_PERM, "5.4.6", text);
    else
        settle(result, SLUICE_TEMP, "4.3.0", "the message cannot be read");
    return true;
}

/* Half of the time at most: the rest is the command's. False: there is still no place for one more. */
static bool wait_for_place(struct sluice_transport *transport, int64_t deadline_ms)
{
    int64_t now_ms = transport->clock->monotonic_ms(transport->host);
    int64_t until_ms = now_ms + (deadline_ms - now_ms) / 2;

    while (transport->running >= transport->options.process_limit) {
        if (transport->gates == NULL ||
            (transport->gate == NULL &&
             transport->gates->make(transport->host, &transport->gate) != SLUICE_OK) ||
            transport->gates->wait(transport->gate, until_ms) != SLUICE_OK)
            return false;
    }
    return true;
}

static void run_in_turn(struct sluice_transport *transport, const struct arguments_mail *mail,
                        int64_t deadline_ms, struct command_result *result)
{
    if (!wait_for_place(transport, deadline_ms)) {
        settle(result, SLUICE_TEMP, "4.3.2", "too many commands are running");
        return;
    }
    transport->running++;
    run(transport, mail, deadline_ms, result);
    transport->running--;
    if (transport->gate != NULL)
        (void)transport->gates->open_one(transport->gate);
}

static void deliver_to(struct sluice_transport *transport, const struct arguments_mail *mail,
                       int64_t deadline_ms, struct command_result *result)
{
    if (is_settled(transport, mail, result) || goes_round(transport, mail, result))
        return;
    run_in_turn(transport, mail, deadline_ms, result);
    if (result->status == SLUICE_OK)
        name_service(transport, result);
}

/* ---- a delivery ------------------------------------------------------------------------------ */

static struct sluice_result to_report(const struct sluice_transport *transport,
                                      const struct command_result *result)
{
    bool is_final = transport->options.is_final && result->status == SLUICE_OK;

    return (struct sluice_result){
        .struct_size = sizeof(struct sluice_result),
        .status = result->status,
        .dsn = result->dsn,
        .text = result->text,
        .flags = is_final ? SLUICE_RESULT_FINAL : 0,
    };
}

/* The recipient of that place alone. */
static struct arguments_mail one_of(const struct arguments_mail *mail, size_t place)
{
    struct arguments_mail one = *mail;

    one.recipients = (const void *)((const char *)mail->recipients + place * mail->recipient_size);
    one.count = 1;
    return one;
}

/* What its lines or its end say is of one recipient, so that each needs a command of his own. */
static bool is_for_each(const struct sluice_transport *transport, const struct arguments_mail *mail)
{
    for (size_t i = 0; i < mail->count; i++) {
        if (arguments_look_like_option(one_of(mail, i).recipients->address))
            return true;
    }
    return options_are_for_one(&transport->options);
}

/* Nobody would wait for what is begun after the deadline; recipients without a report wait. */
static bool is_late(const struct sluice_transport *transport, int64_t deadline_ms)
{
    return transport->clock->monotonic_ms(transport->host) >= deadline_ms;
}

static void deliver_to_each(struct sluice_transport *transport, const struct arguments_mail *mail,
                            int64_t deadline_ms, const struct sluice_report *report)
{
    for (size_t i = 0; i < mail->count && !is_late(transport, deadline_ms); i++) {
        const struct arguments_mail one = one_of(mail, i);
        struct command_result result;

        deliver_to(transport, &one, deadline_ms, &result);
        const struct sluice_result reported = to_report(transport, &result);
        report->result(report, i, &reported);
    }
}

static int32_t pipe_deliver(struct sluice_transport *transport,
                            struct sluice_connection *connection,
                            const struct sluice_message *message,
                            const struct sluice_recipient *recipients, size_t count,
                            size_t recipient_size, int64_t deadline_ms,
                            const struct sluice_report *report)
{
    const struct arguments_mail mail = {message, recipients, count, recipient_size};
    struct command_result result;

    (void)connection;
    if (is_for_each(transport, &mail)) {
        deliver_to_each(transport, &mail, deadline_ms, report);
        return SLUICE_FATE_FINISHED;
    }
    deliver_to(transport, &mail, deadline_ms, &result);
    const struct sluice_result reported = to_report(transport, &result);
    report->remaining_result(report, &reported);
    return SLUICE_FATE_FINISHED;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static const struct sluice_transport_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_TRANSPORT_VERIFIES,
    .open = pipe_open,
    .close = pipe_close,
    .deliver = pipe_deliver,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_TRANSPORT_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/pipe",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Hands mail to a command",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .option_count = OPTIONS_COUNT,
    .options = options_table,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
