/* SPDX-License-Identifier: ISC */
/*
 * control_client: how the commands talk to the daemon: core/queue/control.h from the other side.
 */
#ifndef CMD_CONTROL_CLIENT_H
#define CMD_CONTROL_CLIENT_H

#include "base/error.h"
#include "config/draft.h"

#include <jansson.h>

/* Into a draft that has been initialised. CONFIG if nothing can be read; mistakes in what is read are
 * not ours to report. */
sluice_status control_read_config(struct draft *draft, const char *config_path, struct error *err);

/* Connects to the daemon's socket of that name ("control", "submission"). UNSUPPORTED: the daemon does
 * not run; CONFIG: run_directory makes no sense. */
sluice_status control_connect(struct draft *draft, const char *config_path, const char *name,
                              int *ret_fd, struct error *err);

/* A line of the answer, borrowed; and a part of the content that follows a line, which is there if a
 * message's content was asked for. */
typedef void control_line(void *user, const json_t *line);
typedef void control_content(void *user, const char *bytes, size_t len);

/*
 * Asks the daemon whose configuration that is (its run_directory). Takes request, NULL if it could not be
 * made; line is called for
 * each line but the last one, and may be NULL. What the daemon says of the whole: OK, NOT_FOUND, ...
 * with its text in err. CONFIG: the configuration cannot be read. TEMP: the
 * answer broke off. UNSUPPORTED: the daemon does not run, or does not know the command.
 */
sluice_status control_ask(const char *config_path, json_t *request, control_line *line, void *user,
                          struct error *err);

/* The same for a request that is answered with a content. */
sluice_status control_ask_content(const char *config_path, json_t *request, control_line *line,
                                  control_content *content, void *user, struct error *err);

/* A member of a line: its text, "" if it has none; its number, 0 if it has none. */
const char *control_text(const json_t *object, const char *name);
long long control_number(const json_t *object, const char *name);

#endif
