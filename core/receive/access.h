/* SPDX-License-Identifier: ISC */
/*
 * access: the front end of access plugins. Lists of restrictions are read once, each word bound to
 * the plugin that declares it, and are asked from left to right until one gives a verdict.
 */
#ifndef RECEIVE_ACCESS_H
#define RECEIVE_ACCESS_H

#include "base/error.h"
#include "config/config.h"
#include "sluice/access.h"

#include <stdbool.h>

#define ACCESS_TEXT_MAX 256

struct pool;
struct access; /* all open access plugins */
struct access_rule;

struct access_list {
    struct access_rule *rules;
    size_t count;
};

struct access_verdict {
    int32_t verdict; /* SLUICE_VERDICT_... */
    int32_t code;
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

/* Appends one word. CONFIG if no plugin knows it. */
sluice_status access_list_add(struct access_list *list, struct access *access, const char *word,
                              struct error *err);
sluice_status access_list_read(struct access_list *list, struct access *access,
                               const struct config *config, const char *parameter,
                               struct error *err);
void access_list_done(struct access_list *list);
/* True if one of its words can refuse: without one the list lets everybody through. */
bool access_list_refuses(const struct access_list *list);

/* OK: *ret_verdict, NONE if nobody had one. TEMP with a text if it could not be decided.
 * [task: may wait] */
sluice_status access_list_decide(const struct access_list *list,
                                 const struct sluice_access_request *request, int64_t deadline_ms,
                                 struct access_verdict *ret_verdict, struct error *err);

#endif
