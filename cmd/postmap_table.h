/* SPDX-License-Identifier: ISC */
/*
 * postmap_table: a table as postmap works on it: the plugin of its type, loaded under the same rules
 * of trust as by the daemon, and its options.
 *
 * Order: postmap_table_init -> (postmap_table_find | postmap_table_list | postmap_table_load and the
 * plugin's writer)* -> postmap_table_done.
 */
#ifndef CMD_POSTMAP_TABLE_H
#define CMD_POSTMAP_TABLE_H

#include "base/buffer.h"
#include "base/error.h"
#include "config/draft.h"
#include "plugin/host.h"
#include "sluice/lookup.h"

enum postmap_style {
    POSTMAP_AS_CONFIGURED, /* as the table's options say */
    POSTMAP_TERMINATED,    /* keys and values end in NUL */
    POSTMAP_BARE,
};

struct postmap_table {
    struct host host; /* what the plugin gets; with services of our own in between */
    const void *(*get_service)(const struct sluice_host *host, const char *id); /* the daemon's */
    const char *name;    /* "hash:/etc/sluice/transport" */
    const char *type;    /* "hash" */
    const char *path;    /* what follows the colon */
    const char *program; /* who warns */
    bool keeps_case;     /* keys are not folded */
    enum postmap_style style;
    const struct sluice_lookup_ops *ops; /* NULL: not loaded */
    struct values values;                /* of its options; &values.sdk is what the plugin gets */
    struct sluice_lookup *lookup;        /* open after the first find or list */
    struct draft *draft;
    struct postmap_table *others; /* that this one asks, a list */
    struct postmap_table *next;
};

/* name: "hash:/etc/sluice/transport". The draft has been read; it, the name and the
 * program's must outlive the table, which must not move. */
void postmap_table_init(struct postmap_table *table, struct draft *draft, const char *name,
                        const char *program);
/* Its plugin and options. CONFIG with a text; UNSUPPORTED: there is no plugin of that type. */
sluice_status postmap_table_load(struct postmap_table *table, struct error *err);

/* The key as the table, which is loaded, has it: folded unless it, or the user, tells cases apart. The caller frees
 * it; NULL: no memory. */
char *postmap_table_key(const struct postmap_table *table, struct sluice_span key);

/* One look-up, no partial keys; several values are joined by commas. NOT_FOUND, or TEMP or CONFIG
 * with a text. [waits] */
sluice_status postmap_table_find(struct postmap_table *table, struct sluice_span key,
                                 struct buffer *value, struct error *err);
/* Every entry; UNSUPPORTED if the plugin cannot. [waits] */
sluice_status postmap_table_list(struct postmap_table *table,
                                 const struct sluice_lookup_entry_sink *sink, struct error *err);
/* OK if the table can be read at all. [waits] */
sluice_status postmap_table_open(struct postmap_table *table, struct error *err);

void postmap_table_done(struct postmap_table *table);

#endif
