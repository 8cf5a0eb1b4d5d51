/* SPDX-License-Identifier: ISC */
/*
 * basic: what the files of this plugin share: its settings, one call of decide(), and what they ask of
 * each other. Words, codes and texts are Postfix's (postconf(5), access(5)).
 */
#ifndef BASIC_H
#define BASIC_H

#include "networks.h"

#include "sluice/access.h"

#include <stdbool.h>

#define NAME_MAX_LEN 255   /* of a host, RFC 1035 2.3.4 */
#define TEXT_MAX_LEN 511   /* of a reply */
#define HOSTS_MAX 100      /* records of an answer that are looked at */
#define UNKNOWN "unknown"  /* the name of a client that has none */

/* What to do where a name server gives no answer. */
enum tempfail { TEMPFAIL_DEFER_IF_PERMIT, TEMPFAIL_DEFER };

struct codes {
    int32_t relay, reject, defer, map_reject, map_defer, non_fqdn, invalid_name, unknown_address,
        unknown_client, unknown_name, blocklist, multi_recipient, plaintext;
};

struct sluice_access {
    const struct sluice_host *host;
    const struct sluice_clock *clock; /* as the host has them; NULL: it has not */
    const struct sluice_dns *dns;
    const struct sluice_io *io;
    const struct sluice_log *log;
    const struct sluice_tables *tables;
    struct codes codes;
    enum tempfail address_tempfail, helo_tempfail;
    bool parents_match;       /* smtpd_access_maps: "parent.tld" as a key, not ".parent.tld" */
    char *null_key;           /* smtpd_null_access_lookup_key */
    char *delimiters;         /* recipient_delimiter */
    char *origin;             /* myorigin */
    char *blocklist_reply;    /* default_rbl_reply */
    char **reply_maps;        /* rbl_reply_maps */
    size_t reply_map_count;
    struct networks own;      /* addresses */
    struct networks primaries; /* permit_mx_backup_networks */
};

struct word;

/* One call. */
struct question {
    const struct sluice_access *access;
    const struct sluice_access_request *request;
    const struct word *word;
    int64_t deadline_ms;
    const struct sluice_access_sink *sink;
};

typedef sluice_status decider(const struct question *question);

/* A word and what decides on it. */
struct word {
    struct sluice_restriction declared;
    decider *decide;
    int32_t about; /* SLUICE_ABOUT_...: what it looks at */
    uint32_t type; /* of records, for who asks the DNS; 0: none */
    bool is_reverse; /* of the client the unconfirmed name */
};

/* ---- verdict.c: answers; all return OK, so that a decider can end with them ------------------- */

sluice_status permit(const struct question *question);
/* For good or for now, as the code says. detail: "7.1" of "5.7.1". */
sluice_status refuse(const struct question *question, int32_t about, int32_t code,
                     const char *detail, const char *text);
/* verdict: DEFER, DEFER_IF_PERMIT or DEFER_IF_REJECT. */
sluice_status postpone(const struct question *question, int32_t verdict, int32_t about,
                       int32_t code, const char *detail, const char *text);
/* Any other, with its text. */
sluice_status say(const struct question *question, int32_t verdict, const char *text);
/* "451 4.3.5 ...: Server configuration error", about that. */
sluice_status misconfigured(const struct question *question, int32_t about);
/* A line of the log. */
void complain(const struct question *question, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the word looks at: the client's name, HELO, the sender, the recipient, ETRN's domain. Empty:
 * there is none. */
struct sluice_span subject_of(const struct question *question);
/* What follows the last @, or the whole. */
struct sluice_span domain_of(struct sluice_span address);
/* False: it does not fit, or has a NUL in it. */
bool to_text(struct sluice_span span, char *text, size_t size);

/* ---- mailhost.c: the DNS ---------------------------------------------------------------------- */

struct host {
    char name[NAME_MAX_LEN + 1]; /* or address, or text */
    uint32_t preference;
};

struct hosts {
    struct host *items;
    size_t count;
    char why[TEXT_MAX_LEN + 1]; /* TEMP: the reason */
};

/* OK: at least one; NOT_FOUND; TEMP. Call hosts_done() in any case. */
sluice_status hosts_find(const struct question *question, const char *name, uint32_t type,
                         struct hosts *ret_hosts);
/* A and AAAA. OK if there is one address, even if the other type has no answer. */
sluice_status hosts_find_addresses(const struct question *question, const char *name,
                                   struct hosts *ret_hosts);
void hosts_done(struct hosts *hosts);
/* RFC 7505: the domain says that it has no mail. */
bool hosts_is_null_mx(const struct hosts *hosts);

/* ---- keys.c: tables --------------------------------------------------------------------------- */

/* The value of the first key that the argument has: all are OK with *ret_value, which is the
 * caller's, NOT_FOUND, or TEMP, of which the host has told the log. */
sluice_status keys_find_name(const struct question *question, struct sluice_span name,
                             char **ret_value);
sluice_status keys_find_address(const struct question *question, const char *address,
                                char **ret_value);
sluice_status keys_find_mail(const struct question *question, struct sluice_span mail,
                             char **ret_value);
/* One key of one table. */
sluice_status keys_find_one(const struct question *question, const char *table,
                            struct sluice_span key, bool is_part, char **ret_value);

/* ---- result.c --------------------------------------------------------------------------------- */

/* Does what a table says: access(5). may_permit: false: OK says nothing. */
sluice_status result_take(const struct question *question, const char *value, bool may_permit);
/* Splits "5.7.9 go away": *ret_detail "7.9", or fallback where the text has no code. */
const char *result_split(const char *text, const char *fallback, char detail[16]);

/* ---- filter.c, reply.c: block lists ------------------------------------------------------------ */

/* 1: the address is one of the pattern's, as in "127.0.0.[2..4;9]"; 0: it is not; -1: that is no
 * pattern. */
int filter_match(const char *pattern, const char *address);

struct macro {
    const char *name, *value;
};

/* $name, ${name}, ${name?if set}, ${name:if empty}, ${name?{if set}:{if empty}}. False: it does not fit
 * or is no such text. */
bool reply_expand(const char *pattern, const struct macro *macros, size_t count, char *out,
                  size_t size);

/* ---- deciders ---------------------------------------------------------------------------------- */

decider decide_nothing, decide_permit, decide_reject, decide_defer, decide_defer_if_permit,
    decide_defer_if_reject, decide_sleep;                              /* basic.c */
decider decide_mynetworks, decide_own_address, decide_unauth_reject, decide_unauth_defer,
    decide_auth, decide_multi_recipient_bounce, decide_plaintext;      /* destination.c */
decider decide_mx_backup;                                              /* mx_backup.c */
decider decide_non_fqdn_name, decide_invalid_name, decide_non_fqdn_address; /* address.c */
decider decide_unknown_client, decide_unknown_reverse, decide_unknown_helo,
    decide_unknown_domain;                                             /* names.c */
decider decide_access;                                                 /* keys.c */
decider decide_server_access;                                          /* servers.c */
decider decide_blocked_client, decide_blocked_domain, decide_welcome_client,
    decide_welcome_domain;                                             /* blocklist.c */

#endif
