/* SPDX-License-Identifier: ISC */
/*
 * access: the front end of access plugins: the words that they declare, and asking about one of them.
 * Lists of words are restrictions.h's.
 */
#ifndef RECEIVE_ACCESS_H
#define RECEIVE_ACCESS_H

#include "base/error.h"
#include "config/config.h"
#include "sluice/access.h"

#include <stdbool.h>

#define ACCESS_TEXT_MAX 512

struct pool;
struct access; /* all open access plugins */
struct access_source;

/* A word and the plugin that declares it. */
struct access_word {
    const struct access_source *source;
    const struct sluice_restriction *declared; /* the plugin's own, which stays */
};

struct access_verdict {
    int32_t verdict; /* SLUICE_VERDICT_... */
    int32_t about;   /* SLUICE_ABOUT_... */
    int32_t code;
    bool is_bare; /* no name of what is rejected goes before the text but the recipient's */
    char dsn[ERROR_DSN_MAX];
    char text[ACCESS_TEXT_MAX];
};

/* Opens what is configured; config may be NULL. CONFIG or TEMP with a text. [main] */
sluice_status access_new(const struct config *config, struct access **ret_access,
                         struct error *err);
void access_free(struct access *access); /* accepts NULL */
/* A plugin whose operations are at hand, opened already; closed with the rest. pool: the threads
 * that it is asked on, which must outlive access, or NULL. */
sluice_status access_add(struct access *access, const struct sluice_access_ops *ops,
                         struct sluice_access *self, struct pool *pool);

/* False: no plugin knows that word. */
bool access_find(const struct access *access, const char *word, struct access_word *ret_word);
/* "reject": SLUICE_VERDICT_... in words. */
const char *access_verdict_name(int32_t verdict);
/* "access/basic" */
const char *access_plugin(const struct access_word *word);

/* OK: *ret_verdict, NONE if it has none; else TEMP with a text. label: what the log calls the call
 * while it lasts. [task: may wait] */
sluice_status access_ask(const struct access_word *word, const char *label,
                         const struct sluice_access_request *request, int64_t deadline_ms,
                         struct access_verdict *ret_verdict, struct error *err);

#endif
