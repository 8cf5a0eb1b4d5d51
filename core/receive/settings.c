/* SPDX-License-Identifier: ISC */
/*
 * settings: from the configuration to what sessions look at all the time.
 */
#include "receive/settings.h"

#include "base/span.h"
#include "config/parameters.h"
#include "net/stream.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const keywords[EHLO_KEYWORD_COUNT] = {
    "PIPELINING", "SIZE", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "CHUNKING",
};

const char *settings_keyword(enum ehlo_keyword keyword)
{
    return keywords[keyword];
}

/* Unknown ones are no error: they are not announced anyway. */
static void discard(struct settings *settings, const char *word)
{
    for (int i = 0; i < EHLO_KEYWORD_COUNT; i++) {
        if (span_equal_case(sluice_span_of(word), sluice_span_of(keywords[i])))
            settings->is_discarded[i] = true;
    }
}

static void add_character(struct settings *settings, char c)
{
    if (settings->reject_character_count < sizeof(settings->reject_characters))
        settings->reject_characters[settings->reject_character_count++] = c;
}

/* "\0", "\012" with up to three octal digits, "\n" and friends. Returns how much of text it was, 0
 * if it was nothing. */
static size_t parse_escape(const char *text, char *ret_c)
{
    static const char names[] = "abfnrtv\\";
    static const char values[] = "\a\b\f\n\r\t\v\\";
    unsigned value = 0;
    size_t len = 1;

    const char *name = text[1] != '\0' ? strchr(names, text[1]) : NULL;
    if (name != NULL) {
        *ret_c = values[name - names];
        return 2;
    }
    while (len < 4 && text[len] >= '0' && text[len] <= '7')
        value = value * 8 + (unsigned)(text[len++] - '0');
    *ret_c = (char)value;
    return len > 1 && value <= 255 ? len : 0;
}

sluice_status settings_parse_characters(const char *text, struct settings *settings,
                                        struct error *err)
{
    settings->reject_character_count = 0;
    while (*text != '\0') {
        char c = *text;
        size_t len = c == '\\' ? parse_escape(text, &c) : 1;
        if (len == 0)
            return error_set(err, SLUICE_CONFIG, "no such escape: \"%s\"", text);
        add_character(settings, c);
        text += len;
    }
    return SLUICE_OK;
}

static void read_commands(struct settings *settings, const struct config *config)
{
    if (strcmp(config_text(config, "smtpd_forbid_bare_newline"), "reject") == 0)
        (void)snprintf(settings->bare_newline_reply, sizeof(settings->bare_newline_reply),
                       "%d 5.5.2 %.255s Error: bare <LF> received",
                       (int)config_number(config, "smtpd_forbid_bare_newline_reject_code"),
                       settings->myhostname);
    for (size_t i = 0; i < config_count(config, "smtpd_discard_ehlo_keywords"); i++)
        discard(settings, config_item(config, "smtpd_discard_ehlo_keywords", i));
}

static void read_limits(struct settings *settings, const struct config *config)
{
    settings->message_size_limit = (uint64_t)config_number(config, "message_size_limit");
    settings->line_length_limit = (size_t)config_number(config, "line_length_limit");
    if (settings->line_length_limit > STREAM_BUFFER_SIZE - 2)
        settings->line_length_limit = STREAM_BUFFER_SIZE - 2; /* with its end it must fit */
    settings->recipient_limit = (size_t)config_number(config, "smtpd_recipient_limit");
    settings->hopcount_limit = (unsigned)config_number(config, "hopcount_limit");
    settings->soft_error_limit = (unsigned)config_number(config, "smtpd_soft_error_limit");
    settings->error_sleep_ms = config_number(config, "smtpd_error_sleep_time");
    settings->lookup_ms = config_number(config, "lookup_timeout");
}

/* The values for every day and under stress. */
static void read_stress_limits(struct settings *settings, const struct config *config)
{
    settings->min_data_rate = (uint64_t)config_number(config, "smtpd_min_data_rate");
    settings->limits[0] = (struct session_limits){
        .timeout_ms = config_number(config, "smtpd_timeout"),
        .hard_error_limit = (unsigned)config_number(config, "smtpd_hard_error_limit"),
        .junk_command_limit = (unsigned)config_number(config, "smtpd_junk_command_limit"),
        .has_request_deadline = config_flag(config, "smtpd_per_request_deadline"),
    };
    settings->limits[1] = (struct session_limits){
        .timeout_ms = config_number(config, PARAMETER_STRESSED "smtpd_timeout"),
        .hard_error_limit =
            (unsigned)config_number(config, PARAMETER_STRESSED "smtpd_hard_error_limit"),
        .junk_command_limit =
            (unsigned)config_number(config, PARAMETER_STRESSED "smtpd_junk_command_limit"),
        .has_request_deadline =
            config_flag(config, PARAMETER_STRESSED "smtpd_per_request_deadline"),
    };
}

static void read_client_limits(struct settings *settings, const struct config *config)
{
    static const char *const rates[CLIENT_EVENT_COUNT] = {
        [CLIENT_CONNECTION] = "smtpd_client_connection_rate_limit",
        [CLIENT_MESSAGE] = "smtpd_client_message_rate_limit",
        [CLIENT_RECIPIENT] = "smtpd_client_recipient_rate_limit",
    };

    settings->client_connection_limit =
        (unsigned)config_number(config, "smtpd_client_connection_count_limit");
    for (size_t i = 0; i < CLIENT_EVENT_COUNT; i++)
        settings->client_rate_limits[i] = (unsigned)config_number(config, rates[i]);
}

/* A list that is looked through again and again. */
static sluice_status read_names(const struct config *config, const char *parameter, size_t max,
                                const char **names, size_t *ret_count, struct error *err)
{
    size_t count = config_count(config, parameter);

    if (count > max)
        return error_set(err, SLUICE_CONFIG, "%s: %s: more than %zu names",
                         config_origin(config, parameter), parameter, max);
    for (size_t i = 0; i < count; i++)
        names[i] = config_item(config, parameter, i);
    *ret_count = count;
    return SLUICE_OK;
}

static sluice_status read_characters(struct settings *settings, const struct config *config,
                                     struct error *err)
{
    sluice_status st =
        settings_parse_characters(config_text(config, "message_reject_characters"), settings, err);

    if (st != SLUICE_OK)
        error_prefix(err, "%s: message_reject_characters",
                     config_origin(config, "message_reject_characters"));
    return st;
}

static void read_recipients(struct settings *settings, const struct config *config)
{
    static const char *const codes[ROUTE_DEFAULT] = {
        [ROUTE_LOCAL] = "unknown_local_recipient_reject_code",
        [ROUTE_VIRTUAL_ALIAS] = "unknown_virtual_alias_reject_code",
        [ROUTE_VIRTUAL_MAILBOX] = "unknown_virtual_mailbox_reject_code",
        [ROUTE_RELAY] = "unknown_relay_recipient_reject_code",
    };

    settings->rejects_unlisted = config_flag(config, "smtpd_reject_unlisted_recipient");
    settings->trusts_routes = config_flag(config, "allow_untrusted_routing");
    for (int i = 0; i < ROUTE_DEFAULT; i++)
        settings->unknown_codes[i] = (int)config_number(config, codes[i]);
}

sluice_status settings_read(struct settings *settings, const struct config *config,
                            struct error *err)
{
    *settings = (struct settings){
        .myhostname = config_text(config, "myhostname"),
        .mail_name = config_text(config, "mail_name"),
        .banner = config_text(config, "smtpd_banner"),
        .is_pipelining_checked = config_flag(config, "smtpd_forbid_unauth_pipelining"),
        .is_helo_required = config_flag(config, "smtpd_helo_required"),
        .is_vrfy_disabled = config_flag(config, "disable_vrfy_command"),
    };
    read_commands(settings, config);
    read_limits(settings, config);
    read_stress_limits(settings, config);
    read_client_limits(settings, config);
    read_recipients(settings, config);
    sluice_status st = read_names(config, "message_drop_headers", SETTINGS_DROP_HEADERS_MAX,
                                  settings->drop_headers, &settings->drop_header_count, err);
    if (st == SLUICE_OK)
        st = read_names(config, "smtpd_forbidden_commands", SETTINGS_FORBIDDEN_COMMANDS_MAX,
                        settings->forbidden_commands, &settings->forbidden_command_count, err);
    return st == SLUICE_OK ? read_characters(settings, config, err) : st;
}
