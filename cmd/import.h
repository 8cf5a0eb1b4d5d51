/* SPDX-License-Identifier: ISC */
/*
 * import: Postfix's main.cf and master.cf as a sluice.conf: what the files of the command share.
 *
 *   import_main.c, import_master.c   the two files, read into memory
 *   import_values.c                  what $name stands for in them
 *   import_agents.c                  transports from master.cf's services; what Sluice knows
 *   import_transports.c              the options of these
 *   import_tables.c                  tables whose options are parameters of main.cf
 *   import_group.c                   a group of sluice.conf: a transport, a table
 *   import_listen.c                  listen from the servers of master.cf
 *   import_parameters.c              each parameter: carried over, not needed, not supported
 *   import_defaults.c                Postfix's defaults that are not Sluice's
 *   import_lists.c                   lists: tables and restrictions
 *   import_meanings.c                what it means that a parameter is not there
 *   import_write.c                   sluice.conf's text, and the list of what became of everything
 *
 * All memory is the arena's; a command ends when there is none.
 */
#ifndef CMD_IMPORT_H
#define CMD_IMPORT_H

#include "sluice.h"

#include "config/draft.h"

#define IMPORT_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of main.cf or master.cf */
#define IMPORT_ENTRY_MAX 5000                     /* parameters */
#define IMPORT_SERVICE_MAX 500
#define IMPORT_EXPANDED_MAX ((size_t)64 * 1024 * 1024) /* bytes that references stand for, in all */

/* name = value, of main.cf or of an option -o in master.cf. */
struct import_entry {
    const char *name;
    const char *value;
    struct place place;
    const char *expanded; /* once somebody has asked */
    bool is_busy;         /* being expanded: a reference to it is a loop */
    bool is_used;         /* a reference names it */
};

struct import_entries {
    struct import_entry *items;
    size_t count;
};

/* A line of master.cf. */
struct import_service {
    const char *name;
    const char *type;
    const char *command;
    const char *process_limit; /* "-": the default */
    struct import_entries overrides;
    const char *const *arguments; /* what is no option */
    size_t argument_count;
    struct place place;
};

/* A transport that is needed in sluice.conf. */
struct import_transport {
    const struct import_service *service;
    const char *plugin;
    bool is_always_there; /* plugin need not be named */
};

/* A table whose options are parameters of main.cf. */
struct import_table {
    const char *type;
    const char *name;
    struct place place; /* that names it */
    bool is_missing;    /* there are no such tables */
};

enum import_verdict {
    IMPORT_CARRIED,
    IMPORT_NOT_NEEDED,
    IMPORT_NOT_SUPPORTED,
    IMPORT_LOST, /* not supported, and mail goes elsewhere or others may relay */
    IMPORT_VERDICTS,
};

struct import_note {
    enum import_verdict verdict;
    struct place place;
    const char *name;
    const char *text;
};

struct import {
    struct arena arena;
    struct report report; /* what cannot be read */
    const char *folder;   /* of main.cf, an absolute path */
    const char *path;     /* main.cf and master.cf, as they are named to the user */
    struct import_entries parameters;
    struct import_service *services;
    size_t service_count;
    struct import_transport *transports;
    size_t transport_count;
    struct import_table *tables;
    size_t table_count;
    struct draft known; /* Sluice's parameters, with those of the plugins that will be used */
    const char *plugin_folder;
    size_t expanded_len;
    struct import_note *notes;
    size_t note_count;
    size_t counts[IMPORT_VERDICTS];
    struct buffer text; /* sluice.conf */
};

/* ---- reading ---------------------------------------------------------------------------------- */

struct import_line {
    const char *text;
    struct place place;
};

/*
 * The logical lines of a file: without comments and empty lines, which may also stand within a line that goes
 * on; a line that begins with a blank goes on. False after a report; is_needed: also if there is no
 * such file.
 */
bool import_read_lines(struct import *import, const char *path, bool is_needed,
                       struct import_line **ret_lines, size_t *ret_count);

/* Splits "name = value". False after a report. */
bool import_split(struct import *import, const char *text, struct place place,
                  struct import_entry *ret_entry);
void import_add(struct import *import, struct import_entries *entries,
                const struct import_entry *entry);
/* The last one of that name, which counts, or NULL. */
struct import_entry *import_find(const struct import_entries *entries, struct sluice_span name);

/* False after a report. */
bool import_read_main(struct import *import);
bool import_read_master(struct import *import);
/* Forgets the services that main.cf disables. */
void import_drop_disabled(struct import *import);

/* ---- values ----------------------------------------------------------------------------------- */

/* The text with all references replaced; NULL after a report. */
const char *import_expand(struct import *import, const char *text, struct place place);
/* The same for the value of a parameter, as Postfix has it: its default where main.cf has none. */
const char *import_value(struct import *import, const char *name);
/* Postfix's default, with references, where Sluice's is another one; NULL: it is not. */
const char *import_default(const char *name);
/* True if all references in the text are plain ones to what has the same name and meaning in
 * sluice.conf: the text can stay as it is. */
bool import_keeps_references(struct import *import, const char *text);

/* ---- mapping ---------------------------------------------------------------------------------- */

/* What Sluice knows, with the plugins of the transports that have been found: once before these are
 * looked for, and once when they are there. False after a report. */
bool import_learn(struct import *import);
/* Which services become transports. */
void import_find_transports(struct import *import);
/* Is there a plugin, such as "lookup/hash"? */
bool import_has_plugin(const struct import *import, const char *name);
bool import_has_transport(struct import *import, struct sluice_span name);
/* Sluice's parameter of that name, or NULL. */
const struct sluice_option *import_option(struct import *import, const char *name);
/* A parameter that becomes an option of a transport: smtp_destination_concurrency_limit,
 * lmtp_connect_timeout. */
bool import_is_of_transport(struct import *import, const char *name);
void import_write_transports(struct import *import);
/* What it means that this option of a service is not taken over. */
void import_note_override(struct import *import, const struct import_service *service,
                          const struct import_entry *entry);

/* The table is used; it becomes a group if there are such tables and main.cf has options for it. */
void import_add_table(struct import *import, const struct import_table *table);
/* An option of such a table. */
bool import_is_of_table(const struct import *import, const char *parameter);
void import_write_tables(struct import *import);

/* The server on port 25 becomes the configuration: its overrides are parameters. Before values are
 * asked for. */
void import_find_server(struct import *import);
void import_write_listen(struct import *import);
/* A number, or the name of a service; 0: there is no such port. */
unsigned import_port(const char *name);

void import_write_parameters(struct import *import);
/* A parameter that is a list. */
void import_carry_list(struct import *import, const struct import_entry *entry,
                       const struct sluice_option *option);
void import_write_defaults(struct import *import);
/* True if the value, with no references in it, is one that the option can have. */
bool import_is_possible(struct import *import, const struct sluice_option *option,
                        const char *value);

/* The greatest limit where 0 stands for none. */
const char *import_without_zero(const char *name, const char *value);

struct import_list {
    const char **items; /* as sluice.conf has them */
    size_t count;
};

/* The item, a table or a path, with that of a copy of /etc/postfix which is being imported, where the file
 * is in the copy alone. */
const char *import_own_path(struct import *import, const char *item);
/* What the list becomes; notes say what it lost. is_raw: the text has references that stay. */
void import_convert_list(struct import *import, const struct import_entry *entry,
                         const struct sluice_option *option, const char *text, bool is_raw,
                         struct import_list *ret_list);
bool import_is_restriction_list(struct import *import, const char *name);

/* ---- groups ----------------------------------------------------------------------------------- */

struct import_group_line {
    struct place place;
    const char *key;
    int32_t type;
    const char *text;
    struct import_list list; /* where the type is LIST */
};

struct import_group {
    const char *name;
    const char *plugin; /* NULL: it need not be named */
    struct place place;
    struct import_group_line *lines;
    size_t count;
};

bool import_group_has(const struct import_group *group, const char *key);
/* The line, in the place of an earlier one for that key; valid until the next one. Its list is the
   caller's to fill. */
struct import_group_line *import_group_add(struct import *import, struct import_group *group,
                                           int32_t type, const char *key, const char *text,
                                           struct place place);
/* The entry's value as a line for the option. False: it has none that is possible; that is said. */
bool import_group_take(struct import *import, struct import_group *group,
                       const struct import_entry *entry, const struct sluice_option *option);
/* list: the setting that it is an element of. The caller closes the list. */
void import_group_write(struct import *import, const char *list, bool is_first,
                        const struct import_group *group);

/* ---- meanings --------------------------------------------------------------------------------- */

/* What it means that Sluice has no such parameter, or that it has it not with this value. */
enum import_verdict import_meaning(const char *name, const char *value, const char **ret_text);
/* True if more is known of such a name than that it is none of ours. */
bool import_has_meaning(const char *name);
/* A parameter, or an option of all transports, that Postfix has not: in main.cf it is the user's own. */
bool import_is_ours_alone(const char *name);

/* ---- writing ---------------------------------------------------------------------------------- */

void import_note(struct import *import, enum import_verdict verdict, struct place place,
                 const char *name, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "main.cf:12" */
const char *import_place(struct import *import, struct place place);
/* True if sluice.conf can have it as the name of a transport or table. */
bool import_is_name(const char *text);
/* A line of comment; control characters become question marks. */
void import_comment(struct import *import, const char *indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* name = value; as an option of that type has it. */
void import_write_value(struct import *import, const char *indent, int32_t type, const char *name,
                        const char *value);
void import_write_list(struct import *import, const char *indent, const char *name,
                       const struct import_list *list);
/* $ becomes $$: what stands for itself. */
const char *import_escape(struct import *import, const char *text);
/* What became of everything, a line each. */
void import_print_notes(const struct import *import, FILE *file, bool wants_json);

#endif
