/* SPDX-License-Identifier: ISC */
/*
 * explain: the open steps are a stack of objects that hang in each other.
 */
#include "task/explain.h"

#include "base/json_text.h"
#include "base/span.h"
#include "task/task.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

unsigned explanation_count;

struct explanation {
    json_t *root;
    json_t *open[EXPLAIN_DEPTH_MAX]; /* borrowed from the tree; NULL: one that is left out */
    size_t depth;                    /* may be beyond the array: those are left out, too */
    size_t bytes;
    bool has_failed; /* no memory */
};

sluice_status explanation_new(struct explanation **ret_explanation)
{
    struct explanation *explanation = calloc(1, sizeof(*explanation));

    if (explanation != NULL)
        explanation->root = json_object();
    if (explanation == NULL || explanation->root == NULL) {
        free(explanation);
        return SLUICE_TEMP;
    }
    explanation_count++;
    *ret_explanation = explanation;
    return SLUICE_OK;
}

void explanation_free(struct explanation *explanation)
{
    if (explanation == NULL)
        return;
    explanation_count--;
    json_decref(explanation->root);
    free(explanation);
}

json_t *explanation_json(struct explanation *explanation)
{
    return explanation->has_failed ? NULL : explanation->root;
}

void explanation_format(struct explanation *explanation, struct buffer *out)
{
    json_format(explanation_json(explanation), out);
}

/* What is noted now goes into this; NULL: nowhere. */
static json_t *present(const struct explanation *explanation)
{
    if (explanation == NULL || explanation->depth > EXPLAIN_DEPTH_MAX)
        return NULL;
    return explanation->depth == 0 ? explanation->root : explanation->open[explanation->depth - 1];
}

/* Takes the value. */
static void set(struct explanation *explanation, const char *name, json_t *value)
{
    explanation->bytes += EXPLAIN_STEP_BYTES;
    if (json_object_set_new(present(explanation), name, value) == -1)
        explanation->has_failed = true;
}

/* The list of that name; NULL: no memory. */
static json_t *get_list(struct explanation *explanation, const char *name)
{
    if (json_object_get(present(explanation), name) == NULL)
        set(explanation, name, json_array());
    return json_object_get(present(explanation), name);
}

/* False: there is no room for more. */
static bool has_room(struct explanation *explanation)
{
    if (explanation->bytes < EXPLAIN_BYTES_MAX)
        return true;
    (void)json_object_set_new(explanation->root, "is_cut", json_true());
    return false;
}

/* Takes the item; NULL: no memory. */
static json_t *append(struct explanation *explanation, const char *name, json_t *item)
{
    explanation->bytes += EXPLAIN_STEP_BYTES;
    if (json_array_append_new(get_list(explanation, name), item) == 0)
        return item;
    explanation->has_failed = true;
    return NULL;
}

/* It is for somebody's terminal, and may be what a stranger's name server says: no control characters. */
static json_t *make_text(struct explanation *explanation, struct sluice_span text)
{
    char shown[EXPLAIN_TEXT_MAX];

    text = span_first(text, EXPLAIN_TEXT_MAX);
    explanation->bytes += text.len;
    for (size_t i = 0; i < text.len; i++)
        shown[i] = iscntrl((unsigned char)text.ptr[i]) != 0 ? '?' : text.ptr[i];
    return json_text((struct sluice_span){.ptr = shown, .len = text.len});
}

void explanation_begin(const char *step)
{
    struct explanation *explanation = task_explanation();
    json_t *object = NULL;

    if (explanation == NULL)
        return;
    if (present(explanation) != NULL && has_room(explanation))
        object = append(explanation, "steps", json_pack("{s:s}", "step", step));
    if (explanation->depth < EXPLAIN_DEPTH_MAX)
        explanation->open[explanation->depth] = object;
    explanation->depth++;
}

void explanation_set_text(const char *name, struct sluice_span text)
{
    struct explanation *explanation = task_explanation();

    if (present(explanation) != NULL)
        set(explanation, name, make_text(explanation, text));
}

void explanation_set_number(const char *name, int64_t number)
{
    struct explanation *explanation = task_explanation();

    if (present(explanation) != NULL)
        set(explanation, name, json_integer((json_int_t)number));
}

void explanation_set_flag(const char *name)
{
    struct explanation *explanation = task_explanation();

    if (present(explanation) != NULL)
        set(explanation, name, json_true());
}

void explanation_add_item(const char *name, struct sluice_span text)
{
    struct explanation *explanation = task_explanation();

    if (present(explanation) != NULL && has_room(explanation))
        (void)append(explanation, name, make_text(explanation, text));
}

static void take_member(struct explanation *explanation, const char *name, json_t *value)
{
    json_t *step;
    size_t i;

    if (strcmp(name, "steps") != 0) {
        set(explanation, name, json_incref(value));
        return;
    }
    json_array_foreach(value, i, step)
        (void)append(explanation, "steps", json_incref(step));
}

void explanation_take(const json_t *noted)
{
    struct explanation *explanation = task_explanation();
    const char *name;
    json_t *value;

    if (present(explanation) == NULL)
        return;
    explanation->bytes += json_dumpb(noted, NULL, 0, JSON_COMPACT);
    if (!has_room(explanation))
        return;
    json_object_foreach((json_t *)(uintptr_t)noted, name, value) /* which is not changed */
        take_member(explanation, name, value);
}

void explanation_end(sluice_status status, const struct error *err)
{
    struct explanation *explanation = task_explanation();

    if (explanation == NULL)
        return;
    explanation_set_text("status", sluice_span_of(status_name(status)));
    if (status != SLUICE_OK && status != SLUICE_NOT_FOUND && err != NULL && err->text[0] != '\0')
        explanation_set_text("text", sluice_span_of(err->text));
    explanation->depth--;
}
