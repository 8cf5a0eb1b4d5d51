/* SPDX-License-Identifier: ISC */
/*
 * draft: see draft.h. Parameters are worked out when they are first asked for, as they may refer to
 * each other; instances.c finds out which instances there are.
 */
#include "config/draft.h"

#include "base/span.h"
#include "config/etrn_queues.h"
#include "config/instances.h"
#include "config/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *find_text(void *user, struct sluice_span name, struct error *err);

void draft_init(struct draft *draft)
{
    *draft = (struct draft){0};
    draft->options = (struct options){
        .arena = &draft->arena,
        .report = &draft->report,
        .folder = machine_folder(&draft->arena),
        .parameters = {.find = find_text, .user = draft},
    };
}

void draft_done(struct draft *draft)
{
    report_done(&draft->report);
    arena_done(&draft->arena);
}

/* ---- parameters ----------------------------------------------------------------------------- */

static const struct value *value_of(struct draft *draft, const char *name)
{
    return &draft_parameter(draft, name)->value;
}

/* The table of users, where something asks for it. */
static const char *users_text(const struct value *fallback_transport)
{
    const char *text = fallback_transport->text;

    return text != NULL && text[0] != '\0' ? "unix:passwd.byname" : "";
}

/* The default as text; NULL: none. */
static const char *default_text(struct draft *draft, const struct sluice_option *option)
{
    struct arena *arena = &draft->arena;

    if (strcmp(option->key, "myhostname") == 0)
        return machine_hostname(arena);
    if (strcmp(option->key, "plugin_directory") == 0)
        return machine_plugin_directory(arena);
    if (strcmp(option->key, "alias_maps") == 0)
        return machine_alias_maps();
    if (strcmp(option->key, "local_users") == 0)
        return users_text(value_of(draft, "fallback_transport"));
    if (strcmp(option->key, "mynetworks") == 0)
        return machine_networks(arena, value_of(draft, "own_addresses"));
    if (strcmp(option->key, "listen") == 0)
        return machine_listen(arena, value_of(draft, "inet_interfaces"),
                              value_of(draft, "inet_protocols"));
    if (strcmp(option->key, "own_addresses") == 0)
        return machine_own_addresses(arena, value_of(draft, "listen"),
                                     value_of(draft, "inet_interfaces"),
                                     value_of(draft, "proxy_interfaces"));
    if (strcmp(option->key, "etrn_queue_domains") == 0)
        return etrn_queues_text(draft);
    if (strcmp(option->key, "mydomain") == 0) {
        const char *hostname = value_of(draft, "myhostname")->text;
        const char *dot = hostname != NULL ? strchr(hostname, '.') : NULL;

        return dot != NULL ? dot + 1 : "localdomain";
    }
    return option->fallback;
}

/* As Postfix would write the value: what $name stands for. */
static const char *value_text(struct arena *arena, const struct value *value)
{
    const char *text = "";

    switch (value->type) {
    case SLUICE_OPT_INTEGER:
    case SLUICE_OPT_SIZE:
        return arena_printf(arena, "%" PRId64, value->number);
    case SLUICE_OPT_DURATION:
        return arena_printf(arena, "%" PRId64 "s", value->number / 1000);
    case SLUICE_OPT_BOOLEAN:
        return value->number != 0 ? "yes" : "no";
    case SLUICE_OPT_LIST:
        for (size_t i = 0; i < value->item_count; i++)
            text = arena_printf(arena, i > 0 ? "%s, %s" : "%s%s", text, value->items[i]);
        return text;
    default:
        return value->text != NULL ? value->text : "";
    }
}

/* What $stress is for a parameter. */
static const char *stress_for(const struct draft_parameter *parameter)
{
    if (parameter->everyday != NULL)
        return "yes";
    return (parameter->option->flags & OPTION_STRESS) != 0 ? "" : NULL;
}

static void work_out(struct draft *draft, struct draft_parameter *parameter)
{
    const struct sluice_option *option =
        parameter->everyday != NULL ? parameter->everyday : parameter->option;
    const char *stress = draft->stress;
    struct value value;

    parameter->is_busy = true;
    draft->stress = stress_for(parameter);
    if (parameter->setting != NULL)
        (void)option_from_setting(&draft->options, option, parameter->setting, &value);
    else
        (void)option_from_text(&draft->options, option, default_text(draft, option), PLACE_DEFAULT,
                               &value);
    draft->stress = stress;
    parameter->value = value;
    parameter->value.key = parameter->option->key;
    parameter->text = value_text(&draft->arena, &value);
    parameter->is_busy = false;
    parameter->is_known = true;
}

static struct draft_parameter *find(struct draft *draft, struct sluice_span name)
{
    for (size_t i = 0; i < draft->parameter_count; i++) {
        if (span_equal(sluice_span_of(draft->parameters[i].option->key), name))
            return &draft->parameters[i];
    }
    return NULL;
}

const struct draft_parameter *draft_parameter(struct draft *draft, const char *name)
{
    struct draft_parameter *parameter = find(draft, sluice_span_of(name));

    if (parameter != NULL && !parameter->is_known && !parameter->is_busy)
        work_out(draft, parameter);
    return parameter;
}

struct place draft_place(struct draft *draft, const char *name)
{
    const struct draft_parameter *parameter = find(draft, sluice_span_of(name));

    return parameter != NULL && parameter->setting != NULL ? parameter->setting->place
                                                           : PLACE_DEFAULT;
}

struct place draft_item_place(const struct draft_parameter *parameter, const char *item)
{
    const struct setting *setting = parameter->setting;

    if (setting == NULL)
        return PLACE_DEFAULT;
    for (size_t i = 0; i < setting->child_count; i++) {
        const struct setting *element = &setting->children[i];

        if (element->kind == SETTING_TEXT && strcmp(element->text, item) == 0)
            return element->place;
    }
    return setting->place;
}

static const char *find_text(void *user, struct sluice_span name, struct error *err)
{
    struct draft *draft = user;
    struct draft_parameter *parameter = find(draft, name);

    if (span_equal(name, SPAN_LITERAL("stress"))) {
        if (draft->stress == NULL)
            (void)error_set(err, SLUICE_CONFIG, "$stress has no meaning here");
        return draft->stress;
    }
    if (parameter == NULL) {
        (void)error_set(err, SLUICE_CONFIG, "there is no parameter $%.*s", SPAN_ARGS(name));
        return NULL;
    }
    if (parameter->is_busy) {
        (void)error_set(err, SLUICE_CONFIG, "$%.*s refers to itself", SPAN_ARGS(name));
        return NULL;
    }
    if ((parameter->option->flags & SLUICE_OPT_SECRET) != 0) {
        (void)error_set(err, SLUICE_CONFIG, "$%.*s is secret", SPAN_ARGS(name));
        return NULL;
    }
    return draft_parameter(draft, parameter->option->key)->text;
}

static struct draft_parameter *add_parameter(struct draft *draft,
                                             const struct sluice_option *option, bool is_core)
{
    struct draft_parameter *parameter;

    draft->parameters = arena_grow(&draft->arena, draft->parameters, draft->parameter_count,
                                   sizeof(*draft->parameters));
    parameter = &draft->parameters[draft->parameter_count++];
    *parameter = (struct draft_parameter){
        .option = option,
        .setting = setting_find(draft->file.root, option->key),
        .is_core = is_core,
    };
    if ((option->flags & OPTION_INTERNAL) != 0 && parameter->setting != NULL) {
        report_error(&draft->report, parameter->setting->place, "%s cannot be set", option->key);
        parameter->setting = NULL;
    }
    return parameter;
}

/* The value under stress, from the same setting. */
static void add_stressed(struct draft *draft, const struct sluice_option *option)
{
    struct sluice_option *stressed = arena_alloc(&draft->arena, sizeof(*stressed));

    *stressed = *option;
    stressed->key = arena_printf(&draft->arena, PARAMETER_STRESSED "%s", option->key);
    stressed->flags |= OPTION_INTERNAL;
    struct draft_parameter *parameter = add_parameter(draft, stressed, true);
    parameter->setting = setting_find(draft->file.root, option->key);
    parameter->everyday = option;
    if (value_of(draft, option->key)->is_set) /* else it has been reported */
        (void)draft_parameter(draft, stressed->key);
}

/* smtpd_restriction_classes: parameters that the configuration itself declares. */
static void add_classes(struct draft *draft)
{
    const struct draft_parameter *classes = draft_parameter(draft, "smtpd_restriction_classes");
    const struct value value = classes->value; /* adding parameters moves them */
    const char *const *items = value.items;

    for (size_t i = 0; i < value.item_count; i++) {
        struct sluice_option *class = arena_alloc(&draft->arena, sizeof(*class));

        if (find(draft, sluice_span_of(items[i])) != NULL) {
            report_error(&draft->report, draft_place(draft, "smtpd_restriction_classes"),
                         "smtpd_restriction_classes: %s is a parameter already", items[i]);
            continue;
        }
        *class = (struct sluice_option){.key = items[i],
                                        .type = SLUICE_OPT_LIST,
                                        .flags = OPTION_TABLES,
                                        .fallback = "",
                                        .summary = "A class of restrictions"};
        (void)add_parameter(draft, class, true);
        (void)draft_parameter(draft, items[i]);
    }
}

void draft_read(struct draft *draft, const char *path)
{
    draft->report.path = arena_text(&draft->arena, sluice_span_of(path));
    file_read(path, &draft->arena, &draft->report, &draft->file);
    for (size_t i = 0; i < parameter_count; i++)
        (void)add_parameter(draft, &parameters[i], true);
    for (size_t i = 0; i < parameter_count; i++)
        (void)draft_parameter(draft, parameters[i].key);
    for (size_t i = 0; i < parameter_count; i++) {
        if ((parameters[i].flags & OPTION_STRESS) != 0)
            add_stressed(draft, &parameters[i]);
    }
    add_classes(draft);
    instances_find(draft);
}

/* ---- plugins' options ----------------------------------------------------------------------- */

static void declare_one(struct draft *draft, const char *plugin, const struct sluice_option *option)
{
    struct draft_parameter *parameter = find(draft, sluice_span_of(option->key));

    if (parameter == NULL) {
        parameter = add_parameter(draft, option, false);
        (void)draft_parameter(draft, option->key);
    } else if (parameter->option->type != option->type) {
        report_error(&draft->report, PLACE_DEFAULT,
                     "plugin %s: option %s is a %s, but the parameter of that name is a %s", plugin,
                     option->key, option_type_name(option->type),
                     option_type_name(parameter->option->type));
    }
}

void draft_declare(struct draft *draft, const char *plugin, const struct sluice_option *table,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((table[i].flags & SLUICE_OPT_GLOBAL) != 0)
            declare_one(draft, plugin, &table[i]);
    }
}

/* ---- instances' values ---------------------------------------------------------------------- */

/* Postfix's name for what each transport has: smtp_destination_concurrency_limit. */
static const char *long_name(struct draft *draft, const struct draft_instance *instance,
                             const char *key)
{
    return arena_printf(&draft->arena, "%s_%s", instance->name, key);
}

static bool is_long_name(struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->instance_count; i++) {
        size_t count;
        const struct sluice_option *own =
            parameters_of_instance(draft->instances[i].interface, &count);

        for (size_t j = 0; j < count; j++) {
            if (strcmp(long_name(draft, &draft->instances[i], own[j].key), name) == 0)
                return true;
        }
    }
    return false;
}

/* What the file has for an option of the instance, under either name; NULL: nothing. */
static const struct setting *own_setting(struct draft *draft, const struct draft_instance *instance,
                                         const char *key)
{
    const struct setting *setting =
        instance->group != NULL ? setting_find(instance->group, key) : NULL;
    size_t count;
    const struct sluice_option *own = parameters_of_instance(instance->interface, &count);

    if (setting != NULL || options_find(own, count, key) == NULL)
        return setting;
    return setting_find(draft->file.root, long_name(draft, instance, key));
}

static void settle_one(struct draft *draft, struct draft_instance *instance,
                       const struct sluice_option *option, struct value *ret_value)
{
    const struct setting *setting = own_setting(draft, instance, option->key);
    const struct draft_parameter *parameter =
        (option->flags & SLUICE_OPT_GLOBAL) != 0 ? draft_parameter(draft, option->key) : NULL;

    if (setting == NULL && parameter != NULL)
        setting = parameter->setting;
    if (setting != NULL)
        (void)option_from_setting(&draft->options, option, setting, ret_value);
    else if (parameter != NULL && parameter->is_core)
        (void)option_from_text(&draft->options, option,
                               parameter->value.is_set ? parameter->text : NULL, PLACE_DEFAULT,
                               ret_value);
    else
        (void)option_from_text(&draft->options, option, option->fallback, PLACE_DEFAULT, ret_value);
    if ((option->flags & SLUICE_OPT_REQUIRED) != 0 && !ret_value->is_set)
        report_error(&draft->report, setting != NULL ? setting->place : instance->place,
                     "%s: %s is required", instance->name, option->key);
}

const struct value *draft_instance_value(const struct draft_instance *instance, const char *key)
{
    for (size_t i = 0; i < instance->value_count; i++) {
        if (strcmp(instance->values[i].key, key) == 0)
            return &instance->values[i];
    }
    return NULL;
}

struct place draft_error_place(struct draft *draft, const struct draft_instance *instance,
                               const char *text)
{
    for (size_t i = 0; i < instance->value_count; i++) {
        const struct value *value = &instance->values[i];
        const struct setting *setting = own_setting(draft, instance, value->key);

        if (value->is_named && strstr(text, value->key) != NULL)
            return setting != NULL ? setting->place : draft_place(draft, value->key);
    }
    return instance->place;
}

static bool is_host_key(const char *key)
{
    return strcmp(key, "name") == 0 || strcmp(key, "plugin") == 0;
}

static void report_unknown_keys(struct draft *draft, const struct draft_instance *instance,
                                const struct sluice_option *table, size_t count,
                                const struct sluice_option *own, size_t own_count)
{
    for (size_t i = 0; instance->group != NULL && i < instance->group->child_count; i++) {
        const struct setting *setting = &instance->group->children[i];

        if (!is_host_key(setting->name) && options_find(table, count, setting->name) == NULL &&
            options_find(own, own_count, setting->name) == NULL)
            report_error(&draft->report, setting->place, "%s: plugin %s has no option %s",
                         instance->name, instance->plugin, setting->name);
    }
}

/* The plugin's row for an option of the core's, which may have another default or be required. */
static const struct sluice_option *own_row(const struct sluice_option *own,
                                           const struct sluice_option *table, size_t count)
{
    const struct sluice_option *row = options_find(table, count, own->key);

    return row != NULL && row->type == own->type ? row : own;
}

void draft_settle(struct draft *draft, struct draft_instance *instance,
                  const struct sluice_option *table, size_t count)
{
    size_t own_count;
    const struct sluice_option *own = parameters_of_instance(instance->interface, &own_count);

    instance->values =
        arena_alloc(&draft->arena, (count + own_count + 1) * sizeof(*instance->values));
    for (size_t i = 0; i < own_count; i++)
        settle_one(draft, instance, own_row(&own[i], table, count),
                   &instance->values[instance->value_count++]);
    for (size_t i = 0; i < count; i++) {
        if (options_find(own, own_count, table[i].key) == NULL)
            settle_one(draft, instance, &table[i], &instance->values[instance->value_count++]);
    }
    report_unknown_keys(draft, instance, table, count, own, own_count);
}

/* ---- what is left over ---------------------------------------------------------------------- */

#define NEAR 3 /* letters that may be wrong in a name that is meant */

static const char *nearest(struct draft *draft, const char *name)
{
    const char *best = NULL;
    size_t best_distance = NEAR + 1;

    for (size_t i = 0; i < draft->parameter_count; i++) {
        const struct sluice_option *option = draft->parameters[i].option;
        size_t distance = parameter_distance(name, option->key);

        if ((option->flags & OPTION_INTERNAL) == 0 && distance < best_distance) {
            best = option->key;
            best_distance = distance;
        }
    }
    return best;
}

static void report_unknown(struct draft *draft, const struct setting *setting)
{
    const char *meant = nearest(draft, setting->name);

    if (parameter_is_foreign(setting->name))
        report_warning(&draft->report, setting->place,
                       "%s is a parameter of Postfix's that has no meaning here", setting->name);
    else if (meant != NULL)
        report_error(&draft->report, setting->place, "%s is not known; is it %s?", setting->name,
                     meant);
    else
        report_error(&draft->report, setting->place, "%s is not known", setting->name);
}

void draft_finish(struct draft *draft)
{
    for (size_t i = 0; i < draft->file.root->child_count; i++) {
        const struct setting *setting = &draft->file.root->children[i];

        if (find(draft, sluice_span_of(setting->name)) == NULL &&
            !instances_is_name(setting->name) && strcmp(setting->name, ETRN_QUEUES_NAME) != 0 &&
            !is_long_name(draft, setting->name))
            report_unknown(draft, setting);
    }
}
