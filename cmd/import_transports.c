/* SPDX-License-Identifier: ISC */
/*
 * import_transports: the groups of transports, with the options that master.cf gives a service and
 * main.cf a transport by its name.
 */
#include "import.h"

#include "base/span.h"
#include "sluice/transport.h"

#include <stdlib.h>

struct group {
    struct import *import;
    const struct import_transport *transport;
    const struct draft_instance *instance; /* its options */
    struct import_group out;
};

static const struct value *find_value(const struct group *group, const char *key)
{
    for (size_t i = 0; i < group->instance->value_count; i++) {
        if (strcmp(group->instance->values[i].key, key) == 0)
            return &group->instance->values[i];
    }
    return NULL;
}

/* As it is declared; what is the plugin's alone has no range here. */
static struct sluice_option find_option(const struct group *group, const char *key)
{
    size_t count;
    const struct sluice_option *own = parameters_of_instance(SLUICE_TRANSPORT_ID, &count);
    const struct sluice_option *declared = options_find(own, count, key);

    if (declared == NULL)
        declared = import_option(group->import, key);
    return declared != NULL
               ? *declared
               : (struct sluice_option){.key = key, .type = find_value(group, key)->type};
}

/* An option of this transport. False: the value is none that it can have; a note says so. */
static bool add_option(struct group *group, const struct import_entry *entry, const char *key)
{
    const struct sluice_option option = find_option(group, key);

    return import_group_take(group->import, &group->out, entry, &option);
}

/* ---- -o of master.cf -------------------------------------------------------------------------- */

/* smtp_helo_timeout for lmtp_helo_timeout: LMTP is spoken by the same plugin. */
static const char *own_key(const struct group *group, const char *name)
{
    const char *key = name;

    if (strcmp(name, "fallback_relay") == 0)
        key = "smtp_fallback_relay";
    else if (strncmp(name, "lmtp_", strlen("lmtp_")) == 0)
        key = arena_printf(&group->import->arena, "smtp_%s", name + strlen("lmtp_"));
    return find_value(group, key) != NULL ? key : NULL;
}

static const char *override_name(struct import *import, const struct import_service *service,
                                 const struct import_entry *entry)
{
    return arena_printf(&import->arena, "%s: -o %s", service->name, entry->name);
}

void import_note_override(struct import *import, const struct import_service *service,
                          const struct import_entry *entry)
{
    const char *text;
    enum import_verdict verdict = import_meaning(entry->name, entry->value, &text);

    if (strcmp(entry->name, "syslog_name") == 0) {
        verdict = IMPORT_NOT_NEEDED;
        text = "the log has its own names";
    } else if (import_option(import, entry->name) != NULL) {
        verdict = IMPORT_NOT_SUPPORTED;
        text = "it is for all of Sluice, and not for one service";
    }
    import_note(import, verdict, entry->place, override_name(import, service, entry), "%s", text);
}

static void add_override(struct group *group, const struct import_entry *entry)
{
    const struct import_service *service = group->transport->service;
    const char *key = own_key(group, entry->name);

    if (key == NULL)
        import_note_override(group->import, service, entry);
    else if (add_option(group, entry, key))
        import_note(group->import, IMPORT_CARRIED, entry->place,
                    override_name(group->import, service, entry), "%s", "");
}

/* ---- main.cf ---------------------------------------------------------------------------------- */

/* What main.cf has for this transport: NAME_destination_concurrency_limit and its like. */
static void add_long_names(struct group *group)
{
    const char *name = group->transport->service->name;
    size_t count;
    const struct sluice_option *own = parameters_of_instance(SLUICE_TRANSPORT_ID, &count);

    for (size_t i = 0; i < count; i++) {
        const char *long_name = arena_printf(&group->import->arena, "%s_%s", name, own[i].key);
        const struct import_entry *entry =
            import_find(&group->import->parameters, sluice_span_of(long_name));

        if (entry != NULL && !import_is_ours_alone(own[i].key) &&
            !import_group_has(&group->out, own[i].key))
            (void)add_option(group, entry, own[i].key);
    }
}

/* lmtp_connect_timeout and the like: all transports that speak LMTP. */
static void add_lmtp(struct group *group)
{
    const struct import_entries *entries = &group->import->parameters;

    for (size_t i = 0; i < entries->count; i++) {
        const struct import_entry *entry = &entries->items[i];
        bool is_lmtp = strncmp(entry->name, "lmtp_", strlen("lmtp_")) == 0;
        const char *key = is_lmtp ? own_key(group, entry->name) : NULL;

        if (key != NULL && !import_group_has(&group->out, key))
            (void)add_option(group, entry, key);
    }
}

/* The group of a transport; without one its name is none that the configuration can have. */
static struct group open_group(struct import *import, size_t index)
{
    const struct import_transport *transport = &import->transports[index];

    return (struct group){.import = import,
                          .transport = transport,
                          .instance = draft_instance_find(&import->known, SLUICE_TRANSPORT_ID,
                                                          transport->service->name),
                          .out = {.name = transport->service->name,
                                  .plugin = transport->is_always_there ? NULL : transport->plugin,
                                  .place = transport->service->place}};
}

bool import_is_of_transport(struct import *import, const char *name)
{
    size_t count;
    const struct sluice_option *own = parameters_of_instance(SLUICE_TRANSPORT_ID, &count);
    bool is_lmtp = strncmp(name, "lmtp_", strlen("lmtp_")) == 0;

    for (size_t i = 0; i < import->transport_count; i++) {
        const struct group group = open_group(import, i);
        const char *transport = group.transport->service->name;
        size_t len = strlen(transport);

        if (strncmp(name, transport, len) == 0 && name[len] == '_' &&
            !import_is_ours_alone(name + len + 1) &&
            options_find(own, count, name + len + 1) != NULL)
            return true;
        if (is_lmtp && strcmp(group.transport->plugin, "lmtp") == 0 && group.instance != NULL &&
            own_key(&group, name) != NULL)
            return true;
    }
    return false;
}

/* Most processes at a time: commands of a pipe; else deliveries, to all sites there and to each here. */
static void add_process_limit(struct group *group)
{
    const struct import_service *service = group->transport->service;
    const char *key = find_value(group, "process_limit") != NULL ? "process_limit"
                                                                 : "destination_concurrency_limit";
    const struct value *value = find_value(group, key);
    long limit = strtol(service->process_limit, NULL, 10); /* "-" is 0 */

    if (limit > 0 && value != NULL && limit < value->number && !import_group_has(&group->out, key))
        (void)import_group_add(group->import, &group->out, SLUICE_OPT_INTEGER, key,
                               arena_printf(&group->import->arena, "%ld", limit), service->place);
}

/* ---- arguments of pipe ------------------------------------------------------------------------ */

static void add_attribute(struct group *group, const char *word)
{
    struct import *import = group->import;
    const struct import_service *service = group->transport->service;
    struct import_entry entry;

    if (strchr(word, '=') == NULL || !import_split(import, word, service->place, &entry))
        import_note(import, IMPORT_NOT_SUPPORTED, service->place, service->name,
                    "nothing is known of \"%s\"", word);
    else if (find_value(group, entry.name) == NULL)
        import_note(import, IMPORT_NOT_SUPPORTED, service->place, service->name,
                    "there is no %s= here", entry.name);
    else
        (void)import_group_add(import, &group->out, find_value(group, entry.name)->type, entry.name,
                               import_escape(import, entry.value), service->place);
}

/* argv= and all behind it: $name in it is for each delivery, and stays. */
static void add_argv(struct group *group, size_t first)
{
    struct import *import = group->import;
    const struct import_service *service = group->transport->service;
    const struct value *value = find_value(group, "argv");
    struct import_list list = {0};
    const char *text = "";

    for (size_t i = first; i < service->argument_count; i++) {
        const char *word = service->arguments[i] + (i == first ? strlen("argv=") : 0);

        list.items = arena_grow(&import->arena, list.items, list.count, sizeof(*list.items));
        list.items[list.count++] = word;
        text = arena_printf(&import->arena, "%s%s%s", text, i > first ? " " : "", word);
    }
    if (value != NULL)
        import_group_add(import, &group->out, value->type, "argv", text, service->place)->list =
            list;
}

static void add_arguments(struct group *group)
{
    const struct import_service *service = group->transport->service;
    size_t i = 0;

    for (; i < service->argument_count && strncmp(service->arguments[i], "argv=", 5) != 0; i++)
        add_attribute(group, service->arguments[i]);
    if (i < service->argument_count)
        add_argv(group, i);
}

/* ---- the whole -------------------------------------------------------------------------------- */

static void collect(struct group *group)
{
    const struct import_service *service = group->transport->service;

    for (size_t i = 0; i < service->overrides.count; i++)
        add_override(group, &service->overrides.items[i]);
    add_long_names(group);
    if (strcmp(group->transport->plugin, "lmtp") == 0)
        add_lmtp(group);
    add_process_limit(group);
    if (strcmp(group->transport->plugin, "pipe") == 0)
        add_arguments(group);
}

void import_write_transports(struct import *import)
{
    bool is_first = true;

    for (size_t i = 0; i < import->transport_count; i++) {
        struct group group = open_group(import, i);

        if (group.instance == NULL)
            continue;
        collect(&group);
        if (group.out.count == 0 && group.transport->is_always_there)
            continue;
        import_group_write(import, "transports", is_first, &group.out);
        is_first = false;
    }
    if (!is_first)
        buffer_add_text(&import->text, "\n);\n");
}
