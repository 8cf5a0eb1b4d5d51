/* SPDX-License-Identifier: ISC */
/*
 * postconf_show: parameters and their values, in Postfix's form.
 */
#include "postconf.h"

#include "base/span.h"
#include "config/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 100 /* references to parameters that refer to others */
#define LINE_LIMIT 80
#define INDENT "    "

/* ---- values ---------------------------------------------------------------------------------- */

static const char *find_text(void *user, struct sluice_span name, struct error *err);

/* As it is written: by -o, by default or in the file. */
static const char *raw_of(struct postconf *postconf, const struct postconf_item *item)
{
    struct sluice_span name, value;
    const char *raw = item->value;

    if (postconf->has_defaults || raw == NULL)
        raw = item->fallback;
    for (size_t i = 0; i < postconf->override_count; i++) {
        if (postconf_split(postconf->overrides[i], &name, &value) == NULL &&
            span_equal(name, sluice_span_of(item->name)))
            raw = arena_text(&postconf->draft.arena, value);
    }
    return raw;
}

/* With what its references stand for. NULL with a text. */
static const char *expanded(struct postconf *postconf, const struct postconf_item *item,
                            struct error *err)
{
    const struct expand_source source = {.find = find_text, .user = postconf};
    const char *raw = raw_of(postconf, item);
    const char *result = NULL;
    struct buffer out = BUFFER_INIT;

    if (item->option != NULL && (item->option->flags & SLUICE_OPT_VERBATIM) != 0)
        return raw;
    if (expand(raw, &source, &out, err) == SLUICE_OK)
        result = arena_text(&postconf->draft.arena, buffer_span(&out));
    buffer_done(&out);
    return result;
}

/* $stress is empty: there is none when nobody is at work. */
static const char *find_text(void *user, struct sluice_span name, struct error *err)
{
    struct postconf *postconf = user;
    const struct postconf_item *item = postconf_find(postconf, name);
    const char *text;

    if (item == NULL && span_equal(name, SPAN_LITERAL("stress")))
        return "";
    if (item == NULL) {
        (void)error_set(err, SLUICE_CONFIG, "there is no parameter $%.*s", SPAN_ARGS(name));
        return NULL;
    }
    if (postconf->depth >= DEPTH_MAX) {
        (void)error_set(err, SLUICE_CONFIG, "$%s refers to itself", item->name);
        return NULL;
    }
    postconf->depth++;
    text = expanded(postconf, item, err);
    postconf->depth--;
    return text;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Words with one blank in between; where lines are to be folded, those that are too long go on. */
static void print_line(const struct postconf *postconf, const char *text)
{
    size_t column = 0;

    while (*(text += strspn(text, " \t\r\n")) != '\0') {
        size_t len = strcspn(text, " \t\r\n");

        if (column > 0 && postconf->is_folded && column + 1 + len >= LINE_LIMIT) {
            (void)fputs("\n" INDENT, stdout); /* main looks at stdout in the end */
            column = strlen(INDENT);
        } else if (column > 0) {
            (void)putchar(' ');
            column++;
        }
        (void)fwrite(text, 1, len, stdout);
        column += len;
        text += len;
    }
    (void)putchar('\n');
}

static void print_item(struct postconf *postconf, const struct postconf_item *item)
{
    struct error err = ERROR_INIT;
    const char *value =
        postconf->is_expanded ? expanded(postconf, item, &err) : raw_of(postconf, item);

    if (value == NULL) {
        postconf_warn("%s: %s", item->name, err.text);
        value = raw_of(postconf, item);
    }
    if (postconf->hides_values)
        (void)puts(item->name);
    else if (postconf->hides_names)
        print_line(postconf, value);
    else
        print_line(postconf, arena_printf(&postconf->draft.arena, "%s = %s", item->name, value));
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool is_wanted(const struct postconf *postconf, const struct postconf_item *item)
{
    return !postconf->is_named_only || item->setting != NULL;
}

/* Settings that nothing here asks for. */
static void warn_unused(const struct postconf *postconf)
{
    const struct setting *root = postconf->draft.file.root;

    for (size_t i = 0; i < root->child_count; i++) {
        const struct setting *setting = &root->children[i];
        const char *text = setting->kind == SETTING_TEXT ? setting->text : "...";

        if (postconf_find(postconf, sluice_span_of(setting->name)) == NULL)
            postconf_warn("%s: unused parameter: %s=%s", setting->place.file, setting->name, text);
    }
}

static int check_overrides(const struct postconf *postconf)
{
    struct sluice_span name, value;

    for (size_t i = 0; i < postconf->override_count; i++) {
        const char *wrong = postconf_split(postconf->overrides[i], &name, &value);

        if (wrong != NULL)
            return postconf_fatal("invalid parameter override: %s: %s", postconf->overrides[i],
                                  wrong);
    }
    return EXIT_SUCCESS;
}

int postconf_show(struct postconf *postconf, char **names)
{
    if (check_overrides(postconf) != EXIT_SUCCESS)
        return EXIT_FAILURE;
    for (size_t i = 0; names[0] == NULL && i < postconf->item_count; i++) {
        if (is_wanted(postconf, &postconf->items[i]))
            print_item(postconf, &postconf->items[i]);
    }
    for (size_t i = 0; names[i] != NULL; i++) {
        const struct postconf_item *item = postconf_find(postconf, sluice_span_of(names[i]));

        if (item == NULL)
            postconf_warn("%s: unknown parameter", names[i]);
        else if (is_wanted(postconf, item))
            print_item(postconf, item);
    }
    if (!postconf->has_defaults)
        warn_unused(postconf);
    return EXIT_SUCCESS;
}
