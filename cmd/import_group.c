/* SPDX-License-Identifier: ISC */
/*
 * import_group: a group of sluice.conf, such as a transport, and the lines in it.
 */
#include "import.h"

#include "base/span.h"

static struct import_group_line *find_line(const struct import_group *group, const char *key)
{
    for (size_t i = 0; i < group->count; i++) {
        if (strcmp(group->lines[i].key, key) == 0)
            return &group->lines[i];
    }
    return NULL;
}

bool import_group_has(const struct import_group *group, const char *key)
{
    return find_line(group, key) != NULL;
}

struct import_group_line *import_group_add(struct import *import, struct import_group *group,
                                           int32_t type, const char *key, const char *text,
                                           struct place place)
{
    struct import_group_line *line = find_line(group, key);

    if (line == NULL) {
        group->lines =
            arena_grow(&import->arena, group->lines, group->count, sizeof(*group->lines));
        line = &group->lines[group->count++];
    }
    *line = (struct import_group_line){.place = place, .key = key, .type = type, .text = text};
    return line;
}

bool import_group_take(struct import *import, struct import_group *group,
                       const struct import_entry *entry, const struct sluice_option *option)
{
    const char *value = import_expand(import, entry->value, entry->place);
    bool is_plain = (option->flags & (SLUICE_OPT_VERBATIM | SLUICE_OPT_SECRET)) != 0;
    struct import_group_line *line;

    if (value == NULL)
        return false; /* reported */
    value = import_without_zero(option->key, value);
    if (!import_is_possible(import, option, value)) {
        import_note(import, IMPORT_NOT_SUPPORTED, entry->place, entry->name,
                    "%s: this value is not possible here", group->name);
        return false;
    }
    line = import_group_add(import, group, option->type, option->key,
                            is_plain ? value : import_escape(import, value), entry->place);
    if (option->type == SLUICE_OPT_LIST)
        import_convert_list(import, entry, option, value, false, &line->list);
    return true;
}

static void write_line(struct import *import, const struct import_group_line *line)
{
    import_comment(import, "      ", "%s", import_place(import, line->place));
    if (line->type == SLUICE_OPT_LIST)
        import_write_list(import, "      ", line->key, &line->list);
    else
        import_write_value(import, "      ", line->type, line->key, line->text);
}

void import_group_write(struct import *import, const char *list, bool is_first,
                        const struct import_group *group)
{
    if (is_first)
        buffer_printf(&import->text, "\n%s = (\n", list);
    else
        buffer_add_text(&import->text, ",\n");
    import_comment(import, "    ", "%s", import_place(import, group->place));
    buffer_printf(&import->text, "    { name = \"%s\";", group->name);
    if (group->plugin != NULL)
        buffer_printf(&import->text, " plugin = \"%s\";", group->plugin);
    buffer_add_text(&import->text, group->count > 0 ? "\n" : " }");
    for (size_t i = 0; i < group->count; i++)
        write_line(import, &group->lines[i]);
    if (group->count > 0)
        buffer_add_text(&import->text, "    }");
}
