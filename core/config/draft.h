/* SPDX-License-Identifier: ISC */
/*
 * draft: a configuration while it is being checked: what the file says, value by value and instance
 * by instance, until the snapshots are written.
 *
 * Order: draft_init, draft_read (the file, the core's parameters, which instances there are), then
 * for each instance, once its plugin's options are known, draft_declare and then draft_settle; after
 * the last draft_finish (what is left over). Everything that is wrong goes into the report.
 */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "config/homes.h"
#include "config/parameters.h"

/* Roles that get an instance. */
#define DRAFT_RECEIVE ((uint32_t)1 << 0)
#define DRAFT_QUEUE ((uint32_t)1 << 1)
#define DRAFT_DELIVER ((uint32_t)1 << 2)
#define DRAFT_MASTER ((uint32_t)1 << 3)
#define DRAFT_METRICS ((uint32_t)1 << 4)
#define DRAFT_HOME(home) ((uint32_t)1 << (16 + (home))) /* a lookup process */

/* A top-level parameter, of the core or of a plugin. */
struct draft_parameter {
    const struct sluice_option *option;
    const struct setting *setting; /* NULL: not in the file */
    const char *text;              /* its value in Postfix's notation */
    struct value value;
    const struct sluice_option *everyday; /* the option of whose value under stress it is; or NULL */
    bool is_core;
    bool is_known; /* value and text are there */
    bool is_busy;  /* being worked out: a reference to it is a loop */
};

struct draft_instance {
    const char *interface; /* "sluice.lookup/1" */
    const char *name;
    const char *plugin;
    const char *argument;
    struct place place;
    const struct setting *group; /* NULL: it is not listed */
    uint32_t roles;              /* DRAFT_...: that load it, */
    uint32_t askers;             /* and that ask them; of a table that is in a lookup process */
    uint32_t table_flags;        /* SLUICE_LOOKUP_... */
    unsigned home;               /* tables: homes.h; HOME_NONE: none */
    bool is_isolated;            /* nobody else has that home */
    bool is_missing;             /* its plugin cannot be had, which has been reported */
    const char *const *plugins; /* plugin and the bases that it derives from, once they are known */
    size_t plugin_count;
    struct value *values; /* after draft_settle */
    size_t value_count;
};

struct draft {
    struct arena arena;
    struct report report;
    struct file file;
    struct options options;
    struct draft_parameter *parameters;
    size_t parameter_count;
    struct draft_instance *instances;
    size_t instance_count;
    unsigned home_count;
    const char *stress; /* $stress in what is being worked out; NULL: it has no meaning there */
};

/* The draft must not move afterwards. */
void draft_init(struct draft *draft);
void draft_done(struct draft *draft);

void draft_read(struct draft *draft, const char *path);
/* The parameter with its value, or NULL if there is none of that name. */
const struct draft_parameter *draft_parameter(struct draft *draft, const char *name);
/* Where it was set. */
struct place draft_place(struct draft *draft, const char *name);
/* Where an item of a list was set: its element, for lists of many lines. */
struct place draft_item_place(const struct draft_parameter *parameter, const char *item);
/* Where an error of the instance's plugin comes from: the option that its text names, if one of
 * those that were set; else the instance. */
struct place draft_error_place(struct draft *draft, const struct draft_instance *instance,
                               const char *text);
/* NULL if there is none. */
struct draft_instance *draft_instance_find(struct draft *draft, const char *interface,
                                           const char *name);
/* After draft_settle; NULL if it has no such option. */
const struct value *draft_instance_value(const struct draft_instance *instance, const char *key);
/* An instance that nothing in the file names, for commands. */
struct draft_instance *draft_add_table(struct draft *draft, const char *table, struct place place,
                                       uint32_t roles);

/* A plugin's options; those that are GLOBAL become parameters. The table must stay. */
void draft_declare(struct draft *draft, const char *plugin, const struct sluice_option *table,
                   size_t count);
/* The instance's values, of its plugin's options (defaults of derived plugins merged in) and of the
 * core's own. */
void draft_settle(struct draft *draft, struct draft_instance *instance,
                  const struct sluice_option *table, size_t count);
/* Settings that nobody knows. */
void draft_finish(struct draft *draft);

#endif
