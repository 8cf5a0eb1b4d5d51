/* SPDX-License-Identifier: ISC */
/*
 * explain: what a task does with somebody's mail, noted step by step for `sluice explain`.
 *
 * The functions that decide say here what they ask and what they find; so the command shows what they
 * did, and there is no second way to decide. A task that nobody wants to hear about, which is any
 * other, finds out that it has no explanation, and that is all that these calls cost.
 *
 * An explanation is a tree. explain_begin opens a step; what is noted before its explain_end belongs to
 * it, further steps too:
 *
 *   {"step": "maps", "parameter": "transport_maps", "status": "OK", "steps": [
 *     {"step": "table", "table": "hash:/etc/x", "key": "a@b", "status": "NOT_FOUND"}, ...]}
 *
 * Names of steps and members are read by programs (sluice(8)): they stay. On the loop's thread.
 */
#ifndef TASK_EXPLAIN_H
#define TASK_EXPLAIN_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/* As much as is sure to fit into a frame (ipc/channel.h), whatever JSON has to escape. Further steps and
 * items are left out, and "is_cut" says so; members of what is there are not. */
#define EXPLAIN_BYTES_MAX ((size_t)256 * 1024)
#define EXPLAIN_STEP_BYTES 64 /* what a step or a member costs beside its text */
#define EXPLAIN_DEPTH_MAX 64
#define EXPLAIN_TEXT_MAX 1000 /* bytes of one text; the rest is left out */

struct explanation;

/* TEMP: no memory. */
sluice_status explanation_new(struct explanation **ret_explanation);
void explanation_free(struct explanation *explanation); /* accepts NULL; not while a task has it */
/* What has been noted beside all steps, and "steps"; borrowed. NULL: there was no memory for all. */
json_t *explanation_json(struct explanation *explanation);

/* ---- for who decides; nothing happens where the running task has no explanation -------------- */

void explain_begin(const char *step);
/* Members of the open step. NULL: none. */
void explain_text(const char *name, const char *text);
void explain_span(const char *name, struct sluice_span text);
void explain_number(const char *name, int64_t number);
void explain_flag(const char *name, bool is_so); /* only if it is so */
/* One more text of a member that is a list. */
void explain_item(const char *name, struct sluice_span text);
/* "status", as the commands have it, and err's text where that says why. err may be NULL. */
void explain_end(sluice_status status, const struct error *err);

#endif
