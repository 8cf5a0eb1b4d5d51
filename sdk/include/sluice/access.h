/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/access.h: may this client do this?
 *
 * A restriction is a word of smtpd_relay_restrictions, smtpd_recipient_restrictions and their
 * sisters. A plugin declares the words that it knows; the host evaluates a list from left to right
 * until one gives a verdict, and answers 451 when one fails.
 *
 * A call sequence for smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
 *   decide("permit_mynetworks", request)          SLUICE_VERDICT_NONE: go on
 *   decide("reject_unauth_destination", request)  sink->verdict(SLUICE_VERDICT_REJECT, 554,
 *                                                 "5.7.1", "Relay access denied")
 *
 * Changes: 1.0 first version.
 */
#ifndef SLUICE_ACCESS_H
#define SLUICE_ACCESS_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_ACCESS_ID "sluice.access/1"

struct sluice_access; /* the plugin's own */

/* At which command the question is asked. */
#define SLUICE_STAGE_RCPT ((int32_t)1)
#define SLUICE_STAGE_ETRN ((int32_t)2)

/* What the host found out already. */
#define SLUICE_FACT_MYNETWORKS ((uint64_t)1 << 0)       /* the client is in mynetworks */
#define SLUICE_FACT_AUTH_DESTINATION ((uint64_t)1 << 1) /* the recipient's domain is one of ours to
                                                           receive or relay for, and the address has
                                                           no routing of its own (a%b@c) */

struct sluice_access_request {
    uint32_t struct_size;
    int32_t stage;                     /* SLUICE_STAGE_... */
    uint64_t facts;                    /* SLUICE_FACT_... */
    struct sluice_span client_address; /* numeric */
    struct sluice_span client_name;    /* "unknown" where it has none */
    struct sluice_span helo;           /* empty before HELO */
    struct sluice_span sender;         /* empty: null sender, or none yet */
    struct sluice_span recipient;      /* RCPT: the address; ETRN: the domain */
};

#define SLUICE_VERDICT_NONE ((int32_t)0)   /* no opinion: the next restriction is asked */
#define SLUICE_VERDICT_PERMIT ((int32_t)1) /* ends this list; nothing more is asked of it */
#define SLUICE_VERDICT_REJECT ((int32_t)2) /* refuse; code 5xx */
#define SLUICE_VERDICT_DEFER ((int32_t)3)  /* refuse for now; code 4xx */

struct sluice_access_sink {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * The verdict; the last call counts, no call is NONE. code, dsn and text are for REJECT and
     * DEFER: the SMTP reply code (0: 554 or 450), the enhanced status and what follows the
     * address in the reply: "Relay access denied". All copied.
     */
    void (*verdict)(const struct sluice_access_sink *sink, int32_t verdict, int32_t code,
                    const char *dsn, const char *text);
};

#define SLUICE_RESTRICTION_REFUSES ((uint32_t)1 << 0) /* at RCPT gives REJECT or DEFER to everybody
                                                         who has none of the facts: a list with one
                                                         of these is no open relay. Not for a word
                                                         that looks at what a client may choose */

struct sluice_restriction {
    const char *name;
    uint32_t flags; /* SLUICE_RESTRICTION_... */
    uint32_t reserved;
    const char *summary; /* one line for the manual */
};

struct sluice_access_ops {
    uint32_t struct_size;
    uint32_t flags; /* 0 */

    /* The words that this plugin decides on; restriction_size bytes apart. */
    const struct sluice_restriction *restrictions;
    uint32_t restriction_count;
    uint32_t restriction_size;

    /* Required. *ret_access only on OK. [main] */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const struct sluice_errors *errors, struct sluice_access **ret_access);
    /* Required. Accepts NULL. [main] */
    void (*close)(struct sluice_access *access);
    /*
     * Required. restriction: one of the declared words. OK with or without a verdict; TEMP with a
     * text if it cannot be decided, as for any other word: the client is then told 451. [call]
     */
    sluice_status (*decide)(struct sluice_access *access, const char *restriction,
                            const struct sluice_access_request *request, int64_t deadline_ms,
                            const struct sluice_access_sink *sink,
                            const struct sluice_errors *errors);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_ACCESS_H */
