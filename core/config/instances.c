/* SPDX-License-Identifier: ISC */
/*
 * instances: see instances.h.
 */
#include "config/instances.h"

#include "base/span.h"
#include "config/table_name.h"
#include "net/address.h"
#include "sluice/access.h"
#include "sluice/deferral.h"
#include "sluice/lookup.h"
#include "sluice/nexthop.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 64

bool instances_is_name(const char *name)
{
    return strcmp(name, "transports") == 0 || strcmp(name, "tables") == 0 ||
           strcmp(name, "queue_store") == 0;
}

struct draft_instance *draft_instance_find(struct draft *draft, const char *interface,
                                           const char *name)
{
    for (size_t i = 0; i < draft->instance_count; i++) {
        if (strcmp(draft->instances[i].interface, interface) == 0 &&
            strcmp(draft->instances[i].name, name) == 0)
            return &draft->instances[i];
    }
    return NULL;
}

/* The folder where plugins of that kind lie. */
static const char *place_of(const char *interface)
{
    if (strcmp(interface, SLUICE_LOOKUP_ID) == 0)
        return "lookup";
    if (strcmp(interface, SLUICE_ACCESS_ID) == 0)
        return "access";
    if (strcmp(interface, SLUICE_QUEUE_ID) == 0 || strcmp(interface, SLUICE_DEFERRAL_ID) == 0)
        return "queue";
    return "transport"; /* and next hops */
}

static uint32_t roles_of(const char *interface)
{
    if (strcmp(interface, SLUICE_LOOKUP_ID) == 0)
        return DRAFT_RECEIVE | DRAFT_DELIVER;
    if (strcmp(interface, SLUICE_ACCESS_ID) == 0)
        return DRAFT_RECEIVE;
    if (strcmp(interface, SLUICE_QUEUE_ID) == 0 || strcmp(interface, SLUICE_DEFERRAL_ID) == 0)
        return DRAFT_QUEUE;
    return DRAFT_DELIVER;
}

/* "smtp" or "transport/smtp": letters, digits, - and _, at most one slash. */
static bool is_plugin_name(const char *name)
{
    const char *slash = strchr(name, '/');

    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-_/", *c) == NULL)
            return false;
    }
    if (slash != NULL && (slash == name || slash[1] == '\0' || strchr(slash + 1, '/') != NULL))
        return false;
    return name[0] != '\0' && strlen(name) <= NAME_MAX_LEN;
}

static const char *whole_plugin_name(struct draft *draft, const char *interface, const char *plugin)
{
    if (strchr(plugin, '/') != NULL)
        return plugin;
    return arena_printf(&draft->arena, "%s/%s", place_of(interface), plugin);
}

static struct draft_instance *add(struct draft *draft, const char *interface, const char *name,
                                  const char *plugin, struct place place)
{
    struct draft_instance *instance;

    draft->instances = arena_grow(&draft->arena, draft->instances, draft->instance_count,
                                  sizeof(*draft->instances));
    instance = &draft->instances[draft->instance_count++];
    *instance = (struct draft_instance){
        .interface = interface,
        .name = name,
        .plugin = whole_plugin_name(draft, interface, plugin),
        .argument = "",
        .place = place,
        .roles = roles_of(interface),
        .home = HOME_NONE,
    };
    return instance;
}

/* ---- groups --------------------------------------------------------------------------------- */

/* A text of the group that must not be empty; NULL if it is missing or, after a report, none. */
static const char *group_text(struct draft *draft, const struct setting *group, const char *key)
{
    const struct setting *setting = setting_find(group, key);

    if (setting == NULL)
        return NULL;
    if (setting->kind != SETTING_TEXT || setting->text[0] == '\0') {
        report_error(&draft->report, setting->place, "%s: wants a text, not %s", key,
                     setting->kind == SETTING_TEXT ? "an empty one" : setting_kind_name(setting));
        return NULL;
    }
    return setting->text;
}

/* Names stand in transport tables before a colon, and in lists. */
static bool is_instance_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return false;
    }
    return len <= NAME_MAX_LEN;
}

/* One that is a file goes by its path. What separates names in a list cannot be in it. */
static bool is_table_name(const char *name)
{
    return name[0] == '/' ? strpbrk(name, ", \t\r\n{}") == NULL : is_instance_name(name);
}

static const char *group_name(struct draft *draft, const struct setting *group, const char *list,
                              bool (*is_name)(const char *name))
{
    const char *name = group_text(draft, group, "name");

    if (setting_find(group, "name") == NULL) {
        report_error(&draft->report, group->place, "%s: this group has no name", list);
    } else if (name != NULL && !is_name(name)) {
        report_error(&draft->report, group->place,
                     "%s: the name \"%s\" has characters other than letters, digits, -, _ and .",
                     list, name);
        name = NULL;
    }
    return name;
}

static const char *group_plugin(struct draft *draft, const struct setting *group, const char *name,
                                const char *fallback)
{
    const struct setting *setting = setting_find(group, "plugin");
    const char *plugin = setting != NULL ? group_text(draft, group, "plugin") : fallback;

    if (plugin == NULL && setting == NULL) {
        report_error(&draft->report, group->place, "%s: this group has no plugin", name);
    } else if (plugin != NULL && !is_plugin_name(plugin)) {
        report_error(&draft->report, setting != NULL ? setting->place : group->place,
                     "plugin: \"%s\" cannot be the name of a plugin", plugin);
        plugin = NULL;
    }
    return plugin;
}

/* Calls one for each group of the list of that name. */
static void each_group(struct draft *draft, const char *list,
                       void (*one)(struct draft *draft, const struct setting *group))
{
    const struct setting *setting = setting_find(draft->file.root, list);

    if (setting == NULL)
        return;
    if (setting->kind != SETTING_ARRAY) {
        report_error(&draft->report, setting->place, "%s: wants a list of groups: ( { ... } )",
                     list);
        return;
    }
    for (size_t i = 0; i < setting->child_count; i++) {
        if (setting->children[i].kind == SETTING_GROUP)
            one(draft, &setting->children[i]);
        else
            report_error(&draft->report, setting->children[i].place,
                         "%s: wants a list of groups; this is %s", list,
                         setting_kind_name(&setting->children[i]));
    }
}

/* ---- transports ----------------------------------------------------------------------------- */

static void add_transport(struct draft *draft, const struct setting *group)
{
    const char *name = group_name(draft, group, "transports", is_instance_name);
    struct draft_instance *instance;
    const char *plugin;

    if (name == NULL)
        return;
    instance = draft_instance_find(draft, SLUICE_TRANSPORT_ID, name);
    plugin = group_plugin(draft, group, name, instance != NULL ? instance->plugin : NULL);
    if (plugin == NULL)
        return;
    if (instance != NULL && instance->group != NULL) {
        report_error(&draft->report, group->place, "transport %s is listed already, at %s:%u", name,
                     instance->place.file, instance->place.line);
        return;
    }
    if (instance == NULL)
        instance = add(draft, SLUICE_TRANSPORT_ID, name, plugin, group->place);
    instance->plugin = whole_plugin_name(draft, SLUICE_TRANSPORT_ID, plugin);
    instance->place = group->place;
    instance->group = group;
}

/* The line that names a transport that need not be listed, if there is one. */
static struct place mention_place(struct draft *draft, const char *transport)
{
    static const char *const texts[] = {"relay_transport",   "default_transport",
                                        "local_transport",   "virtual_transport",
                                        "mailbox_transport", "fallback_transport",
                                        "best_mx_transport"};
    const struct draft_parameter *deferred = draft_parameter(draft, "defer_transports");
    size_t len = strlen(transport);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = draft_parameter(draft, texts[i])->value.text;

        if (text != NULL && strcspn(text, ":") == len && strncmp(text, transport, len) == 0 &&
            draft_place(draft, texts[i]).file != NULL)
            return draft_place(draft, texts[i]);
    }
    for (size_t i = 0; i < deferred->value.item_count; i++) {
        if (strcmp(deferred->value.items[i], transport) == 0)
            return draft_item_place(deferred, transport);
    }
    return PLACE_DEFAULT;
}

static bool is_empty(struct draft *draft, const char *list)
{
    return draft_parameter(draft, list)->value.item_count == 0;
}

static bool is_mentioned(struct draft *draft, const char *transport)
{
    return mention_place(draft, transport).file != NULL;
}

static void add_unlisted(struct draft *draft, const char *transport)
{
    (void)add(draft, SLUICE_TRANSPORT_ID, transport, transport, mention_place(draft, transport));
}

/* Those that have mailboxes take a process of their own, which who only relays can do without. */
static void find_transports(struct draft *draft)
{
    static const char *const always[] = {"smtp", "relay", "etrn-only", "error", "retry", "discard"};
    static const char *const mailboxes[] = {"local", "virtual"};
    bool has_mailboxes =
        !is_empty(draft, "mydestination") || !is_empty(draft, "virtual_mailbox_domains");

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        add_unlisted(draft, always[i]);
    for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
        if (has_mailboxes || is_mentioned(draft, mailboxes[i]))
            add_unlisted(draft, mailboxes[i]);
    }
    each_group(draft, "transports", add_transport);
}

/* ---- tables --------------------------------------------------------------------------------- */

static void add_table_group(struct draft *draft, const struct setting *group)
{
    const char *name = group_name(draft, group, "tables", is_table_name);
    const char *plugin = name != NULL ? group_plugin(draft, group, name, NULL) : NULL;
    struct draft_instance *instance;
    const char *type;

    if (plugin == NULL)
        return;
    type = strchr(plugin, '/') != NULL ? strchr(plugin, '/') + 1 : plugin;
    type = arena_printf(&draft->arena, "%s:%s", type, name);
    instance = draft_instance_find(draft, SLUICE_LOOKUP_ID, type);
    if (instance != NULL) {
        report_error(&draft->report, group->place, "table %s is listed already, at %s:%u", type,
                     instance->place.file, instance->place.line);
        return;
    }
    instance = add(draft, SLUICE_LOOKUP_ID, type, plugin, group->place);
    instance->argument = name;
    instance->group = group;
}

/* The length of "hash" in "hash:/etc/x"; 0: this names no table. */
static size_t table_type_len(const char *item)
{
    size_t len = 0;

    while (isalnum((unsigned char)item[len]) || item[len] == '-' || item[len] == '_')
        len++;
    return len > 0 && item[len] == ':' && item[len + 1] != '\0' ? len : 0;
}

struct draft_instance *draft_add_table(struct draft *draft, const char *table, struct place place,
                                       uint32_t roles)
{
    struct draft_instance *instance;
    const char *type;
    size_t len;

    table = table_name_plain(table);
    len = table_type_len(table);
    instance = draft_instance_find(draft, SLUICE_LOOKUP_ID, table);
    if (instance != NULL && instance->place.file == NULL)
        instance->place = place; /* it was in a default, which refers to a list that has a line */
    if (instance != NULL || len == 0)
        return instance;
    type = arena_printf(&draft->arena, "%.*s", (int)len, table);
    if (!is_plugin_name(type))
        return NULL;
    instance =
        add(draft, SLUICE_LOOKUP_ID, arena_text(&draft->arena, sluice_span_of(table)), type, place);
    instance->argument = instance->name + len + 1;
    instance->roles = roles;
    return instance;
}

/* An IPv6 address has colons too. A pattern of a match list may have "!" before it. */
static void add_item(struct draft *draft, const char *item, struct place place)
{
    struct network network;

    if (item[0] == '!')
        item++;
    if (network_parse(sluice_span_of(item), &network, NULL) != SLUICE_OK)
        (void)draft_add_table(draft, item, place, roles_of(SLUICE_LOOKUP_ID));
}

static void find_tables(struct draft *draft)
{
    each_group(draft, "tables", add_table_group);
    for (size_t i = 0; i < draft->parameter_count; i++) {
        const struct draft_parameter *parameter = &draft->parameters[i];

        if ((parameter->option->flags & OPTION_TABLES) == 0)
            continue;
        for (size_t j = 0; j < parameter->value.item_count; j++)
            add_item(draft, parameter->value.items[j],
                     draft_item_place(parameter, parameter->value.items[j]));
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void find_store(struct draft *draft)
{
    const struct setting *group = setting_find(draft->file.root, "queue_store");
    const char *plugin = "log";
    struct place place = PLACE_DEFAULT;

    if (group != NULL && group->kind != SETTING_GROUP) {
        report_error(&draft->report, group->place, "queue_store: wants a group, not %s",
                     setting_kind_name(group));
        return;
    }
    if (group != NULL) {
        plugin = group_plugin(draft, group, "queue_store", plugin);
        place = group->place;
    }
    if (plugin != NULL)
        add(draft, SLUICE_QUEUE_ID, "queue_store", plugin, place)->group = group;
}

/* Those that defer_transports chooses from, and what transports name for themselves. */
static void find_deferrals(struct draft *draft)
{
    (void)add(draft, SLUICE_DEFERRAL_ID, "backoff", "backoff", PLACE_DEFAULT);
    (void)add(draft, SLUICE_DEFERRAL_ID, "on-demand", "on-demand", PLACE_DEFAULT);
    for (size_t i = 0; i < draft->instance_count; i++) {
        const struct setting *group = draft->instances[i].group;
        const struct setting *setting =
            group != NULL && strcmp(draft->instances[i].interface, SLUICE_TRANSPORT_ID) == 0
                ? setting_find(group, "deferral")
                : NULL;

        if (setting == NULL || setting->kind != SETTING_TEXT || setting->text[0] == '\0')
            continue;
        if (!is_plugin_name(setting->text))
            report_error(&draft->report, setting->place,
                         "deferral: \"%s\" cannot be the name of a plugin", setting->text);
        else if (draft_instance_find(draft, SLUICE_DEFERRAL_ID, setting->text) == NULL)
            (void)add(draft, SLUICE_DEFERRAL_ID, setting->text, setting->text, setting->place);
    }
}

/* One instance for each plugin that a list names. */
static void find_listed(struct draft *draft, const char *parameter, const char *interface)
{
    const struct draft_parameter *list = draft_parameter(draft, parameter);

    for (size_t i = 0; i < list->value.item_count; i++) {
        const char *item = list->value.items[i];
        struct place place = draft_item_place(list, item);

        if (!is_plugin_name(item))
            report_error(&draft->report, place, "%s: \"%s\" cannot be the name of a plugin",
                         parameter, item);
        else if (draft_instance_find(draft, interface, item) == NULL)
            (void)add(draft, interface, item, item, place);
    }
}

void instances_find(struct draft *draft)
{
    find_transports(draft);
    find_tables(draft);
    find_store(draft);
    find_deferrals(draft);
    find_listed(draft, "access_plugins", SLUICE_ACCESS_ID);
    find_listed(draft, "nexthop_chain", SLUICE_NEXTHOP_ID);
}
