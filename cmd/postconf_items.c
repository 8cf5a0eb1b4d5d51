/* SPDX-License-Identifier: ISC */
/*
 * postconf_items: the parameters that there are: the core's, those of the plugins that the
 * configuration names, those of each transport by their long names (smtp_destination_recipient_limit),
 * classes of restrictions; and the groups that are in the file.
 *
 * plugin_need asks for files without an argument of ours: hence the one static folder.
 */
#include "postconf.h"

#include "place.h"

#include "base/span.h"
#include "config/etrn_queues.h"
#include "config/instances.h"
#include "plugin/derive.h"
#include "plugin/load.h"
#include "plugin/settle.h"
#include "sluice/lookup.h"
#include "sluice/transport.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".so"

/* ---- plugins --------------------------------------------------------------------------------- */

static struct {
    const char *folder;
    int fd; /* of the plugin asked for last */
} files = {.fd = -1};

static int find_fd(const char *name)
{
    struct error err = ERROR_INIT;

    if (files.fd != -1)
        (void)close(files.fd); /* the loader has its own */
    if (plugin_open_file(files.folder, name, geteuid(), &files.fd, &err) != SLUICE_OK)
        files.fd = -1;
    return files.fd;
}

static void find_plugins(struct draft *draft)
{
    const char *folder = draft_parameter(draft, "plugin_directory")->value.text;

    files.folder = folder != NULL ? folder : "";
    plugin_set_finder(find_fd);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_plugin(const struct dirent *entry)
{
    return span_ends_case(sluice_span_of(entry->d_name), SPAN_LITERAL(SUFFIX)) ? 1 : 0;
}

/* One that cannot be loaded is none. */
static void print_type(struct draft *draft, const char *file)
{
    const char *type =
        arena_printf(&draft->arena, "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
    const char *plugin = arena_printf(&draft->arena, "lookup/%s", type);
    struct derivation derivation;

    if (derive_resolve(plugin, SLUICE_LOOKUP_ID, &derivation, NULL) != SLUICE_OK)
        return;
    derive_done(&derivation);
    (void)puts(type); /* main looks at stdout in the end */
}

int postconf_types(struct postconf *postconf)
{
    struct draft *draft = &postconf->draft;
    struct dirent **entries = NULL;
    int count;

    find_plugins(draft);
    count = scandir(arena_printf(&draft->arena, "%s/lookup", files.folder), &entries, is_plugin,
                    compare_names);
    for (int i = 0; i < count; i++) {
        print_type(draft, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return EXIT_SUCCESS;
}

/* ---- settings as texts ----------------------------------------------------------------------- */

static const char *notation_of(struct arena *arena, const struct setting *setting);

static const char *notation_of_children(struct arena *arena, const struct setting *setting)
{
    const char *text = "";

    for (size_t i = 0; i < setting->child_count; i++) {
        const struct setting *child = &setting->children[i];
        const char *value = notation_of(arena, child);

        if (child->name != NULL)
            text = arena_printf(arena, "%s %s = %s;", text, child->name, value);
        else
            text = arena_printf(arena, "%s%s %s", text, i > 0 ? "," : "", value);
    }
    return text;
}

/* As it could stand in the file. */
static const char *notation_of(struct arena *arena, const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        return arena_printf(arena, "\"%s\"", setting->text);
    case SETTING_NUMBER:
        return arena_printf(arena, "%" PRId64, setting->number);
    case SETTING_FLAG:
        return setting->number != 0 ? "true" : "false";
    case SETTING_GROUP:
        return arena_printf(arena, "{%s }", notation_of_children(arena, setting));
    case SETTING_ARRAY:
        return arena_printf(arena, "(%s )", notation_of_children(arena, setting));
    case SETTING_FLOAT:
        break;
    }
    return "";
}

static bool is_list_of_texts(const struct setting *setting)
{
    bool is_list = setting->kind == SETTING_ARRAY;

    for (size_t i = 0; is_list && i < setting->child_count; i++)
        is_list = setting->children[i].kind == SETTING_TEXT;
    return is_list;
}

/* In Postfix's notation, as far as that has one for it. */
static const char *value_of(struct arena *arena, const struct setting *setting)
{
    const char *text = "";

    if (setting->kind == SETTING_TEXT)
        return setting->text;
    if (setting->kind == SETTING_FLAG)
        return setting->number != 0 ? "yes" : "no";
    if (!is_list_of_texts(setting))
        return notation_of(arena, setting);
    for (size_t i = 0; i < setting->child_count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", setting->children[i].text);
    return text;
}

/* A yes or no as Postfix has it. */
static const char *in_words(const struct sluice_option *option, const char *text)
{
    if (text == NULL || option->type != SLUICE_OPT_BOOLEAN)
        return text;
    if (strcmp(text, "true") == 0)
        return "yes";
    return strcmp(text, "false") == 0 ? "no" : text;
}

/* ---- items ----------------------------------------------------------------------------------- */

static struct postconf_item *add(struct postconf *postconf, const char *name,
                                 const struct setting *setting)
{
    struct arena *arena = &postconf->draft.arena;
    struct postconf_item *item;

    postconf->items =
        arena_grow(arena, postconf->items, postconf->item_count, sizeof(*postconf->items));
    item = &postconf->items[postconf->item_count++];
    *item = (struct postconf_item){
        .name = name,
        .setting = setting,
        .value = setting != NULL ? value_of(arena, setting) : NULL,
        .fallback = "",
    };
    return item;
}

/* What the machine says, as the default; plain: all by default. */
static const char *default_of(struct draft *plain, const struct draft_parameter *parameter)
{
    const struct draft_parameter *other;

    if (parameter->option->fallback != NULL)
        return parameter->option->fallback;
    other = draft_parameter(plain, parameter->option->key);
    return other != NULL && other->text != NULL ? other->text : "";
}

static void add_parameters(struct postconf *postconf, struct draft *plain)
{
    struct draft *draft = &postconf->draft;

    for (size_t i = 0; i < draft->parameter_count; i++) {
        const struct draft_parameter *parameter = &draft->parameters[i];
        const char *fallback;

        if (parameter->everyday != NULL)
            continue; /* the value under stress is of the same setting */
        fallback = default_of(plain, parameter);
        struct postconf_item *item = add(postconf, parameter->option->key, parameter->setting);
        item->option = parameter->option;
        item->value = in_words(item->option, item->value);
        item->fallback =
            in_words(item->option, arena_text(&draft->arena, sluice_span_of(fallback)));
        if ((parameter->option->flags & OPTION_INTERNAL) != 0 && parameter->text != NULL)
            item->value = parameter->text; /* worked out from others, set or not */
    }
}

static bool has_item(const struct postconf *postconf, const char *name)
{
    for (size_t i = 0; i < postconf->item_count; i++) {
        if (strcmp(postconf->items[i].name, name) == 0)
            return true;
    }
    return false;
}

/* What each transport has, by its long name. */
static void add_long_names(struct postconf *postconf)
{
    struct draft *draft = &postconf->draft;

    for (size_t i = 0; i < draft->instance_count; i++) {
        const struct draft_instance *instance = &draft->instances[i];
        size_t count;
        const struct sluice_option *own = parameters_of_instance(instance->interface, &count);

        if (strcmp(instance->interface, SLUICE_TRANSPORT_ID) != 0)
            continue; /* its name could not begin a parameter's */
        for (size_t j = 0; j < count; j++) {
            const char *name = arena_printf(&draft->arena, "%s_%s", instance->name, own[j].key);
            const struct setting *setting =
                instance->group != NULL ? setting_find(instance->group, own[j].key) : NULL;

            if (setting == NULL)
                setting = setting_find(draft->file.root, name);
            if (has_item(postconf, name))
                continue;
            struct postconf_item *item = add(postconf, name, setting);
            item->fallback = own[j].fallback;
            item->option = &own[j];
        }
    }
}

static void add_groups(struct postconf *postconf)
{
    const struct setting *root = postconf->draft.file.root;

    for (size_t i = 0; i < root->child_count; i++) {
        const struct setting *setting = &root->children[i];

        if (instances_is_name(setting->name) || strcmp(setting->name, ETRN_QUEUES_NAME) == 0)
            (void)add(postconf, setting->name, setting);
    }
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct postconf_item *)a)->name, ((const struct postconf_item *)b)->name);
}

void postconf_items(struct postconf *postconf)
{
    struct draft plain;

    draft_init(&plain);
    draft_read(&plain, PLACE_NO_CONFIG);
    find_plugins(&postconf->draft);
    settle_instances(&postconf->draft);
    add_parameters(postconf, &plain);
    add_long_names(postconf);
    add_groups(postconf);
    qsort(postconf->items, postconf->item_count, sizeof(*postconf->items), compare_items);
    draft_done(&plain);
}

static int compare_name(const void *name, const void *item)
{
    return strcmp(name, ((const struct postconf_item *)item)->name);
}

const struct postconf_item *postconf_find(const struct postconf *postconf, struct sluice_span name)
{
    char *copy = span_dup(name);
    const struct postconf_item *item = NULL;

    if (copy != NULL)
        item = bsearch(copy, postconf->items, postconf->item_count, sizeof(*postconf->items),
                       compare_name);
    free(copy);
    return item;
}
