/* SPDX-License-Identifier: ISC */
/*
 * file: see file.h.
 */
#include "config/file.h"

#include <libconfig.h>
#include <string.h>

struct reader {
    struct arena *arena;
    struct report *report;
    struct scan_text text;
};

static void convert(struct reader *reader, const config_setting_t *from, struct setting *to);

static void convert_children(struct reader *reader, const config_setting_t *from,
                             struct setting *to)
{
    size_t count = (size_t)config_setting_length(from);
    struct setting *children = arena_alloc(reader->arena, (count + 1) * sizeof(*children));

    for (size_t i = 0; i < count; i++)
        convert(reader, config_setting_get_elem(from, (unsigned)i), &children[i]);
    to->children = children;
    to->child_count = count;
}

static void convert_scalar(struct reader *reader, const config_setting_t *from, struct setting *to)
{
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_STRING:
        to->kind = SETTING_TEXT;
        to->text = arena_text(reader->arena, sluice_span_of(config_setting_get_string(from)));
        break;
    case CONFIG_TYPE_BOOL:
        to->kind = SETTING_FLAG;
        to->number = config_setting_get_bool(from) != 0;
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        to->kind = SETTING_NUMBER;
        to->number = config_setting_get_int64(from);
        break;
    default:
        to->kind = SETTING_FLOAT;
        break;
    }
}

static void convert(struct reader *reader, const config_setting_t *from, struct setting *to)
{
    const char *name = config_setting_name(from);

    to->name = name != NULL ? arena_text(reader->arena, sluice_span_of(name)) : NULL;
    to->place = scan_place(&reader->text, config_setting_source_line(from));
    if (config_setting_is_group(from))
        to->kind = SETTING_GROUP;
    else if (config_setting_is_aggregate(from))
        to->kind = SETTING_ARRAY;
    if (config_setting_is_aggregate(from))
        convert_children(reader, from, to);
    else
        convert_scalar(reader, from, to);
}

void file_read(const char *path, struct arena *arena, struct report *report, struct file *ret_file)
{
    struct reader reader = {.arena = arena, .report = report};
    struct setting *root = arena_alloc(arena, sizeof(*root));
    config_t parsed;

    scan_read(path, arena, report, &reader.text);
    config_init(&parsed);
    root->kind = SETTING_GROUP;
    if (config_read_string(&parsed, reader.text.text) == CONFIG_TRUE)
        convert_children(&reader, config_root_setting(&parsed), root);
    else
        report_error(report, scan_place(&reader.text, (unsigned)config_error_line(&parsed)), "%s",
                     config_error_text(&parsed));
    report_end_form(report);
    config_destroy(&parsed);
    ret_file->root = root;
    ret_file->paths = reader.text.files;
    ret_file->path_count = reader.text.file_count;
}

const struct setting *setting_find(const struct setting *group, const char *name)
{
    for (size_t i = 0; i < group->child_count; i++) {
        if (strcmp(group->children[i].name, name) == 0)
            return &group->children[i];
    }
    return NULL;
}

const char *setting_kind_name(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        return "a text";
    case SETTING_NUMBER:
        return "a number";
    case SETTING_FLAG:
        return "true or false";
    case SETTING_FLOAT:
        return "a number with a fraction";
    case SETTING_ARRAY:
        return "a list";
    case SETTING_GROUP:
        return "a group";
    }
    return "nothing";
}
