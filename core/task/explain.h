/* SPDX-License-Identifier: ISC */
/*
 * explain: what a task does with somebody's mail, noted step by step for `sluice explain`.
 *
 * The functions that decide say here what they ask and what they find; so the command shows what they
 * did, and there is no second way to decide. For a task that nobody wants to hear about, which is any
 * other, these calls do nothing.
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

#include "base/buffer.h"
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
/* The same as text, appended to out; nothing, where there was no memory for it. */
void explanation_format(struct explanation *explanation, struct buffer *out);

/* ---- for who decides; nothing happens where the running task has no explanation -------------- */

/* How many there are in this process. Looked at here, so that mail pays three instructions for each of
 * these calls and not forty. */
extern unsigned explanation_count;

void explanation_begin(const char *step);
void explanation_set_text(const char *name, struct sluice_span text);
void explanation_set_number(const char *name, int64_t number);
void explanation_set_flag(const char *name);
void explanation_add_item(const char *name, struct sluice_span text);
void explanation_take(const json_t *noted);
void explanation_end(sluice_status status, const struct error *err);

static inline void explain_begin(const char *step)
{
    if (explanation_count > 0)
        explanation_begin(step);
}

/* Members of the open step. */
static inline void explain_span(const char *name, struct sluice_span text)
{
    if (explanation_count > 0)
        explanation_set_text(name, text);
}

/* NULL: none. */
static inline void explain_text(const char *name, const char *text)
{
    if (explanation_count > 0 && text != NULL)
        explanation_set_text(name, sluice_span_of(text));
}

static inline void explain_number(const char *name, int64_t number)
{
    if (explanation_count > 0)
        explanation_set_number(name, number);
}

/* Only if it is so. */
static inline void explain_flag(const char *name, bool is_so)
{
    if (explanation_count > 0 && is_so)
        explanation_set_flag(name);
}

/* One more text of a member that is a list. */
static inline void explain_item(const char *name, struct sluice_span text)
{
    if (explanation_count > 0)
        explanation_add_item(name, text);
}

/* What another explanation has (explanation_json), perhaps one of another process: its members and steps
 * are the open step's too. NULL: it has nothing. */
static inline void explain_take(const json_t *noted)
{
    if (explanation_count > 0 && noted != NULL)
        explanation_take(noted);
}

/* "status", as the commands have it, and err's text where that says why. err may be NULL. */
static inline void explain_end(sluice_status status, const struct error *err)
{
    if (explanation_count > 0)
        explanation_end(status, err);
}

#endif
