/* SPDX-License-Identifier: ISC */
/*
 * settings: the parameters of the SMTP server, read once.
 */
#ifndef RECEIVE_SETTINGS_H
#define RECEIVE_SETTINGS_H

#include "base/error.h"
#include "config/config.h"
#include "receive/clients.h"
#include "route/class.h"

#include <stdbool.h>

/* EHLO keywords, in the order in which they are announced. */
enum ehlo_keyword {
    EHLO_PIPELINING,
    EHLO_SIZE,
    EHLO_VRFY,
    EHLO_ETRN,
    EHLO_ENHANCEDSTATUSCODES,
    EHLO_8BITMIME,
    EHLO_DSN,
    EHLO_CHUNKING,
    EHLO_KEYWORD_COUNT,
};

#define SETTINGS_DROP_HEADERS_MAX 32

#define SETTINGS_REPLY_MAX 512
#define SETTINGS_FORBIDDEN_COMMANDS_MAX 64

/* What depends on whether there is stress. */
struct session_limits {
    int64_t timeout_ms;
    unsigned hard_error_limit;
    unsigned junk_command_limit;
    bool has_request_deadline; /* for content as a whole, not for each portion */
};

struct settings {
    const char *myhostname;
    const char *mail_name;
    const char *banner;
    uint64_t message_size_limit; /* 0: none */
    size_t line_length_limit;
    size_t recipient_limit;
    unsigned hopcount_limit;
    unsigned soft_error_limit;
    int64_t error_sleep_ms;
    int64_t lookup_ms; /* for tables and restrictions, at each step */
    uint64_t min_data_rate;                          /* bytes a second */
    struct session_limits limits[2];                 /* every day, and under stress */
    unsigned client_connection_limit;                /* at a time; 0: none */
    unsigned client_rate_limits[CLIENT_EVENT_COUNT]; /* in a unit of time; 0: none */
    const char *forbidden_commands[SETTINGS_FORBIDDEN_COMMANDS_MAX];
    size_t forbidden_command_count;
    char bare_newline_reply[SETTINGS_REPLY_MAX]; /* refuses it; empty: it is mended */
    bool is_pipelining_checked;
    bool is_helo_required;
    bool is_vrfy_disabled;
    bool rejects_unlisted;                               /* recipients */
    bool trusts_routes; /* allow_untrusted_routing */
    int unknown_codes[ROUTE_DEFAULT];                    /* unknown_..._reject_code, by class */
    bool is_discarded[EHLO_KEYWORD_COUNT];               /* smtpd_discard_ehlo_keywords */
    const char *drop_headers[SETTINGS_DROP_HEADERS_MAX]; /* of mail of local submission */
    size_t drop_header_count;
    char reject_characters[256];
    size_t reject_character_count;
};

/* The texts stay the configuration's. CONFIG with a text. */
sluice_status settings_read(struct settings *settings, const struct config *config,
                            struct error *err);
/* "SIZE" */
const char *settings_keyword(enum ehlo_keyword keyword);
/* message_reject_characters: characters and C's escapes. CONFIG with a text. */
sluice_status settings_parse_characters(const char *text, struct settings *settings,
                                        struct error *err);

#endif
