/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/access.h: may this client do this?
 *
 * A restriction is a word of smtpd_relay_restrictions, smtpd_recipient_restrictions and their
 * sisters. A plugin declares the words that it knows; the host evaluates a list from left to right
 * until one gives a verdict, and answers 451 when one fails. A word that takes an argument has it
 * behind it: check_sender_access hash:/etc/sluice/senders.
 *
 * A call sequence for smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
 *   decide("permit_mynetworks", request)          SLUICE_VERDICT_NONE: go on
 *   decide("reject_unauth_destination", request)  sink->verdict(SLUICE_VERDICT_REJECT, 554,
 *                                                 "5.7.1", "Relay access denied")
 *
 * Changes: 1.0 first version. 1.3 arguments; more lists, stages, facts and verdicts; what a verdict
 * is about; rehearsals. 1.4 SLUICE_ABOUT_REVERSE_CLIENT.
 */
#ifndef SLUICE_ACCESS_H
#define SLUICE_ACCESS_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_ACCESS_ID "sluice.access/1"

struct sluice_access; /* the plugin's own */

/* At which command the question is asked. The lists for clients, HELO and senders are asked at RCPT
 * and at ETRN, when all is known. */
#define SLUICE_STAGE_RCPT ((int32_t)1)
#define SLUICE_STAGE_ETRN ((int32_t)2)
#define SLUICE_STAGE_DATA ((int32_t)3)
#define SLUICE_STAGE_END_OF_DATA ((int32_t)4)

/* Which list the word stands in, and what a verdict of REJECT or DEFER is about. */
#define SLUICE_ABOUT_LIST ((int32_t)0)   /* verdicts: whatever the list is about */
#define SLUICE_ABOUT_CLIENT ((int32_t)1) /* "<name[address]>: Client host rejected: " */
#define SLUICE_ABOUT_HELO ((int32_t)2)   /* "<helo>: Helo command rejected: " */
#define SLUICE_ABOUT_SENDER ((int32_t)3) /* "<sender>: Sender address rejected: " */
#define SLUICE_ABOUT_RECIPIENT ((int32_t)4)
#define SLUICE_ABOUT_DATA ((int32_t)5)
#define SLUICE_ABOUT_END_OF_DATA ((int32_t)6)
#define SLUICE_ABOUT_ETRN ((int32_t)7)
#define SLUICE_ABOUT_NOTHING ((int32_t)8) /* verdicts: the text is all of the reply */
/* since 1.4; verdicts: "<reverse_name>: Unverified Client host rejected: " */
#define SLUICE_ABOUT_REVERSE_CLIENT ((int32_t)9)

/* What the host found out already. */
#define SLUICE_FACT_MYNETWORKS ((uint64_t)1 << 0)       /* the client is in mynetworks */
#define SLUICE_FACT_AUTH_DESTINATION ((uint64_t)1 << 1) /* the recipient's domain is one of ours to
                                                           receive or relay for, and the address has
                                                           no routing of its own (a%b@c) */
#define SLUICE_FACT_ROUTED ((uint64_t)1 << 2)            /* the recipient has such a routing, and is not
                                                           for a domain of our own */
#define SLUICE_FACT_OURS ((uint64_t)1 << 3)              /* the recipient's domain is of local or virtual
                                                           mail: it ends here */
#define SLUICE_FACT_SENDER_OURS ((uint64_t)1 << 4)       /* so is the sender's; for words with
                                                           SLUICE_RESTRICTION_SENDER alone */
#define SLUICE_FACT_LOCAL ((uint64_t)1 << 5)             /* the client is a program of this machine */
#define SLUICE_FACT_OWN_ADDRESS ((uint64_t)1 << 6)       /* the client's address is one of ours */
#define SLUICE_FACT_NAME_TEMP ((uint64_t)1 << 7)         /* where a name of the client is "unknown",
                                                           no name server gave an answer so far */
#define SLUICE_FACT_REHEARSAL ((uint64_t)1 << 8)         /* nobody is there: the operator wants to know
                                                           what would happen (sluice explain). Decide as
                                                           ever, but count and remember nothing */

struct sluice_access_request {
    uint32_t struct_size;
    int32_t stage;                     /* SLUICE_STAGE_... */
    uint64_t facts;                    /* SLUICE_FACT_... */
    struct sluice_span client_address; /* numeric */
    struct sluice_span client_name;    /* "unknown" where it has none */
    struct sluice_span helo;           /* empty before HELO */
    struct sluice_span sender;         /* empty: null sender, or, where ptr is NULL, none yet */
    struct sluice_span recipient;      /* RCPT: the address; ETRN: the domain */
    /* since 1.3 */
    struct sluice_span argument;     /* of the word; empty: it takes none */
    int32_t about;                   /* SLUICE_ABOUT_...: the list's */
    uint32_t recipient_count;        /* accepted so far */
    uint64_t size;                   /* of the message: announced, or, at END_OF_DATA, counted */
    struct sluice_span reverse_name; /* of the client's address, whatever addresses that name has;
                                        "unknown" where there is none */
};

#define SLUICE_VERDICT_NONE ((int32_t)0)   /* no opinion: the next restriction is asked */
#define SLUICE_VERDICT_PERMIT ((int32_t)1) /* ends this list; nothing more is asked of it */
#define SLUICE_VERDICT_REJECT ((int32_t)2) /* refuse; code 5xx */
#define SLUICE_VERDICT_DEFER ((int32_t)3)  /* refuse for now; code 4xx */
/* since 1.3. Unlike those above, none of them but EVALUATE and DISCARD ends anything: the next word is
 * asked. */
#define SLUICE_VERDICT_DEFER_IF_REJECT ((int32_t)4) /* DEFER, if a word rejects later */
#define SLUICE_VERDICT_DEFER_IF_PERMIT ((int32_t)5) /* DEFER, if none rejects */
#define SLUICE_VERDICT_EVALUATE ((int32_t)6)        /* text: restrictions, asked in this one's place */
#define SLUICE_VERDICT_WARN ((int32_t)7)            /* text: goes to the log */
#define SLUICE_VERDICT_INFO ((int32_t)8)
#define SLUICE_VERDICT_HOLD ((int32_t)9)      /* the message, once it is accepted; text: why */
#define SLUICE_VERDICT_DISCARD ((int32_t)10)  /* PERMIT; the message is accepted and thrown away */
#define SLUICE_VERDICT_REDIRECT ((int32_t)11) /* text: the address that gets it in the place of all
                                                 recipients */
#define SLUICE_VERDICT_BCC ((int32_t)12)      /* text: an address that gets it, too */
#define SLUICE_VERDICT_PREPEND ((int32_t)13)  /* text: a header field that it begins with */

/* A verdict with all that can be said of it. */
struct sluice_access_verdict {
    uint32_t struct_size;
    int32_t verdict;  /* SLUICE_VERDICT_... */
    int32_t about;    /* REJECT, DEFER and their like: SLUICE_ABOUT_... */
    int32_t code;     /* the SMTP reply code; 0: 554 or 450 */
    const char *dsn;  /* the enhanced status; its class is made to agree with the code's */
    const char *text; /* what follows "rejected: " in the reply; for others as said above */
};

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
    /* since 1.3: the same with a name and "rejected: " before the text, as about says. */
    void (*decide)(const struct sluice_access_sink *sink,
                   const struct sluice_access_verdict *verdict);
};

#define SLUICE_RESTRICTION_REFUSES ((uint32_t)1 << 0) /* at RCPT gives REJECT, DEFER or
                                                         DEFER_IF_PERMIT to everybody who has none of
                                                         the facts: a list with one
                                                         of these is no open relay. Not for a word
                                                         that looks at what a client may choose */
#define SLUICE_RESTRICTION_ARGUMENT ((uint32_t)1 << 1) /* takes the next word of the list as argument */
#define SLUICE_RESTRICTION_TABLE ((uint32_t)1 << 2)    /* and that is a table, type:name, which
                                                         sluice.tables/1 then finds keys in */
#define SLUICE_RESTRICTION_SENDER ((uint32_t)1 << 3)   /* since 1.3: wants SLUICE_FACT_SENDER_OURS, which
                                                         costs a look-up of the sender's domain */

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
