/* SPDX-License-Identifier: ISC */
/*
 * sluice: what the files of the command sluice share.
 */
#ifndef CMD_SLUICE_H
#define CMD_SLUICE_H

#include "control_client.h"

#include "base/error.h"

#include "config/arena.h"

#include <jansson.h>
#include <stdbool.h>

struct sluice {
    const char *config_path;
    bool wants_json;
    const char *site; /* --site, --domain: of queue list */
    const char *domain;
    const char *client; /* --client, --sender, --helo: of explain */
    const char *sender;
    const char *helo;
    const char *log;    /* --log, of trace; NULL: as the configuration has it */
    const char *output; /* -o, of import; NULL: standard output */
    bool is_verbose;    /* -v, --fresh: of table query; --last-known: of table flush */
    bool is_fresh;
    bool is_deep;
};

/* Says why and returns code. */
int sluice_fatal(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Asks the daemon; takes the request. show gets the lines, unless they go out as JSON. What is wrong is
 * said. Returns the exit code. */
int sluice_ask(const struct sluice *sluice, json_t *request, control_line *show, void *user);

/* How each kind of line is shown to a person. user: number of lines so far, for a header. */
void sluice_show_released(void *user, const json_t *line);
void sluice_show_operated(void *user, const json_t *line);
void sluice_show_reloaded(void *user, const json_t *line);
void sluice_show_status(void *user, const json_t *status);
void sluice_show_listed(void *user, const json_t *message);
void sluice_show_message(void *user, const json_t *message);
void sluice_show_listed_site(void *user, const json_t *site);
void sluice_show_site(void *user, const json_t *site);

void sluice_show_listed_table(void *user, const json_t *line);
void sluice_show_table_stat(void *user, const json_t *line);
void sluice_show_flushed(void *user, const json_t *line);
/* Of one that is in trouble, for status. */
void sluice_show_table_trouble(const json_t *line);

/* The exit code that says the same. */
int sluice_exit_code(sluice_status status);

/* Of a step of an explanation, in the middle of a line: where a table's answer came from; what a plugin says, in its
 * own words. */
void sluice_show_origin(const json_t *step);
void sluice_show_said(const json_t *step);

/* What would happen to a message for that address. Returns the exit code. */
int sluice_explain(const struct sluice *sluice, const char *address);

/* What a key maps to in the daemon's table: arguments: table, key. Returns the exit code. */
int sluice_table_query(const struct sluice *sluice, char **arguments);

/* The story of a message; asks the log and the daemon. Returns the exit code. */
int sluice_trace(const struct sluice *sluice, const char *message);

/* The plugins of the configuration; these need no daemon. All return the exit code. */
int sluice_plugin_list(const struct sluice *sluice);
int sluice_plugin_show(const struct sluice *sluice, const char *name);
int sluice_plugin_check(const struct sluice *sluice, const char *name);
/* The folder where plugins are without a configuration; plugin_need finds them there from now on. */
const char *sluice_plugin_folder(struct arena *arena);

/* A sluice.conf from Postfix's main.cf and master.cf in that folder. Returns the exit code. */
int sluice_import(const struct sluice *sluice, const char *folder);

#endif
