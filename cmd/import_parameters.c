/* SPDX-License-Identifier: ISC */
/*
 * import_parameters: each parameter of main.cf, in its order.
 */
#include "import.h"

#include "base/span.h"

#include <ctype.h>

/* ---- values ----------------------------------------------------------------------------------- */

bool import_is_possible(struct import *import, const struct sluice_option *option,
                        const char *value)
{
    struct report report = REPORT_INIT; /* what is wrong is said in our words */
    const struct options options = {
        .arena = &import->arena, .report = &report, .folder = import->folder};
    struct value ignored;
    bool is_possible =
        option_from_text(&options, option, import_escape(import, value), PLACE_DEFAULT, &ignored);

    report_done(&report);
    return is_possible;
}

static bool ends_with(const char *name, const char *end)
{
    return span_ends_case(sluice_span_of(name), sluice_span_of(end));
}

const char *import_without_zero(const char *name, const char *value)
{
    if (strcmp(value, "0") != 0)
        return value;
    if (ends_with(name, "destination_concurrency_limit"))
        return "10000";
    return ends_with(name, "destination_recipient_limit") ? "1000" : value;
}

static void note_meaning(struct import *import, const struct import_entry *entry,
                         enum import_verdict verdict, const char *text)
{
    if (verdict != IMPORT_NOT_NEEDED)
        import_comment(import, "", "%s: %s = %s: not supported: %s",
                       import_place(import, entry->place), entry->name, entry->value, text);
    import_note(import, verdict, entry->place, entry->name, "%s", text);
}

/* "lmtp:unix:private/x": a socket's path counts from Postfix's queue folder. */
static const char *with_whole_path(struct import *import, const char *route)
{
    const char *socket = strstr(route, "unix:");

    if (socket == NULL || socket[strlen("unix:")] == '/' || socket[strlen("unix:")] == '\0')
        return route;
    socket += strlen("unix:");
    return arena_printf(&import->arena, "%.*s%s/%s", (int)(socket - route), route,
                        import_value(import, "queue_directory"), socket);
}

static bool is_route(const char *name)
{
    return ends_with(name, "_transport");
}

/* transport or transport:nexthop. False: there is no such transport. */
static bool has_route(struct import *import, const char *value)
{
    struct sluice_span name = sluice_span_of(value);

    name = span_first(name, span_find(name, ':'));
    return name.len == 0 || import_has_transport(import, name);
}

/* Mail for a transport that there is not waits, rather than going where it should not. */
static const char *with_route(struct import *import, const struct import_entry *entry,
                              const char *value)
{
    if (has_route(import, value))
        return with_whole_path(import, value);
    note_meaning(import, entry, IMPORT_LOST, "there is no such transport: mail for it waits");
    return arena_printf(&import->arena, "retry:there is no transport %s", value);
}

static void write_place(struct import *import, const struct import_entry *entry)
{
    import_comment(import, "", "%s", import_place(import, entry->place));
}

/* Another value while there is much to do, and nothing else that would have to be replaced. */
static bool has_stress(const struct sluice_option *option, const char *value)
{
    bool is_stress = (option->flags & OPTION_STRESS) != 0 && strchr(value, '$') != NULL;

    for (const char *at = strchr(value, '$'); is_stress && at != NULL; at = strchr(at + 1, '$'))
        is_stress = strncmp(at, "${stress", strlen("${stress")) == 0;
    return is_stress;
}

void import_carry_list(struct import *import, const struct import_entry *entry,
                       const struct sluice_option *option)
{
    bool is_raw = !import_is_restriction_list(import, entry->name) &&
                  import_keeps_references(import, entry->value);
    const char *text = is_raw ? entry->value : import_expand(import, entry->value, entry->place);
    struct import_list list;

    if (text == NULL)
        return; /* reported */
    import_convert_list(import, entry, option, text, is_raw, &list);
    write_place(import, entry);
    import_write_list(import, "", option->key, &list);
    import_note(import, IMPORT_CARRIED, entry->place, entry->name, "%s", "");
}

static void carry(struct import *import, const struct import_entry *entry,
                  const struct sluice_option *option)
{
    bool is_verbatim = (option->flags & SLUICE_OPT_VERBATIM) != 0;
    const char *value =
        is_verbatim ? entry->value : import_expand(import, entry->value, entry->place);

    if (value == NULL)
        return; /* reported */
    if (is_route(option->key))
        value = with_route(import, entry, value);
    value = import_without_zero(option->key, value);
    if (!import_is_possible(import, option, value)) {
        note_meaning(import, entry, IMPORT_NOT_SUPPORTED, "this value is not possible here");
        return;
    }
    if (is_verbatim || has_stress(option, entry->value) ||
        (strchr(entry->value, '$') != NULL && !is_route(option->key) &&
         import_keeps_references(import, entry->value)))
        value = entry->value;
    else
        value = import_escape(import, value);
    write_place(import, entry);
    import_write_value(import, "", option->type, option->key, value);
    import_note(import, IMPORT_CARRIED, entry->place, entry->name, "%s", "");
}

/* ---- what is written in another way ----------------------------------------------------------- */

static void write_text(struct import *import, const struct import_entry *entry, const char *name,
                       const char *value)
{
    write_place(import, entry);
    import_write_value(import, "", SLUICE_OPT_STRING, name, import_escape(import, value));
    import_note(import, IMPORT_CARRIED, entry->place, entry->name, "%s", "");
}

/* A file's first line is its value. */
static void take_origin(struct import *import, const struct import_entry *entry)
{
    if (import_keeps_references(import, entry->value) && entry->value[0] != '/')
        carry(import, entry, import_option(import, entry->name));
    else
        write_text(import, entry, entry->name, import_value(import, entry->name));
}

static void take_second_bounce(struct import *import, const struct import_entry *entry)
{
    const char *value = import_expand(import, entry->value, entry->place);

    if (value != NULL)
        write_text(import, entry, "double_bounce_notice_recipient", value);
}

/* Ports have names there. */
static void take_port(struct import *import, const struct import_entry *entry)
{
    const char *value = import_expand(import, entry->value, entry->place);
    struct import_entry number = *entry;
    unsigned port = value != NULL ? import_port(value) : 0;

    if (port != 0)
        number.value = arena_printf(&import->arena, "%u", port);
    carry(import, &number, import_option(import, entry->name));
}

/* import_listen.c has them. */
static void take_elsewhere(struct import *import, const struct import_entry *entry)
{
    (void)import;
    (void)entry;
}

/* Postfix's own places: the parameter is known here, and means Sluice's. */
static void take_own(struct import *import, const struct import_entry *entry)
{
    const char *text;
    enum import_verdict verdict = import_meaning(entry->name, entry->value, &text);

    import_note(import, verdict, entry->place, entry->name, "%s", text);
}

/* ---- one parameter ---------------------------------------------------------------------------- */

static void take_networks_style(struct import *import, const struct import_entry *entry)
{
    if (import_find(&import->parameters, SPAN_LITERAL("mynetworks")) != NULL)
        take_own(import, entry);
}

static const struct {
    const char *name;
    void (*take)(struct import *import, const struct import_entry *entry);
} special[] = {
    {"2bounce_notice_recipient", take_second_bounce},
    {"alternate_config_directories", take_own},
    {"inet_interfaces", take_elsewhere},
    {"mail_owner", take_own},
    {"mail_version", take_own},
    {"mynetworks_style", take_networks_style},
    {"myorigin", take_origin},
    {"proxy_interfaces", take_elsewhere},
    {"queue_directory", take_own},
    {"setgid_group", take_own},
    {"smtp_tcp_port", take_port},
};

/* The value of what is not carried over: references in it may be for later, and are not to blame. */
static const char *guess(struct import *import, const struct import_entry *entry)
{
    struct report report = import->report;
    size_t expanded_len = import->expanded_len;
    const char *value;

    import->report = (struct report)REPORT_INIT;
    value = import_expand(import, entry->value, entry->place);
    report_done(&import->report);
    import->report = report;
    import->expanded_len = expanded_len;
    return value != NULL ? value : entry->value;
}

/* Something in main.cf has $name in it: then it is the user's own, whatever it looks like. */
static bool is_referenced(const struct import *import, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < import->parameters.count; i++) {
        const char *at = strchr(import->parameters.items[i].value, '$');

        for (; at != NULL; at = strchr(at, '$')) {
            at += strspn(at, "${(");
            if (strncmp(at, name, len) == 0 && !isalnum((unsigned char)at[len]) && at[len] != '_')
                return true;
        }
    }
    return false;
}

static const struct sluice_option class_option = {
    .key = "", .type = SLUICE_OPT_LIST, .flags = OPTION_TABLES};

/* As libconfig has names. */
static bool is_class_name(const char *name)
{
    return isalpha((unsigned char)name[0]) && strchr(name, '.') == NULL && import_is_name(name);
}

/* False: the user has made it up. */
static bool take(struct import *import, const struct import_entry *entry)
{
    const struct sluice_option *option = import_option(import, entry->name);
    struct sluice_option class = class_option;
    const char *text;
    enum import_verdict verdict;

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (strcmp(special[i].name, entry->name) == 0) {
            special[i].take(import, entry);
            return true;
        }
    }
    if (option == NULL && is_class_name(entry->name) &&
        import_is_restriction_list(import, entry->name)) {
        class.key = entry->name;
        option = &class;
    }
    if (option != NULL && option->type == SLUICE_OPT_LIST) {
        import_carry_list(import, entry, option);
    } else if (option != NULL) {
        carry(import, entry, option);
    } else if (import_is_of_transport(import, entry->name)) {
        import_note(import, IMPORT_CARRIED, entry->place, entry->name,
                    "with the other options of its transport");
    } else {
        if (!parameter_is_foreign(entry->name) &&
            (!import_has_meaning(entry->name) || is_referenced(import, entry->name)))
            return false;
        verdict = import_meaning(entry->name, guess(import, entry), &text);
        note_meaning(import, entry, verdict, text);
    }
    return true;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* The name begins with that and an underscore. */
static bool is_of(const char *name, struct sluice_span owner)
{
    return span_starts_case(sluice_span_of(name), owner) && name[owner.len] == '_';
}

/* "x" of "ldap:x", whose options are parameters like x_server_host. */
static bool is_of_table(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->table_count; i++) {
        if (is_of(name, sluice_span_of(import->tables[i].name)))
            return true;
    }
    return false;
}

static bool is_of_service(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->service_count; i++) {
        if (is_of(name, sluice_span_of(import->services[i].name)))
            return true;
    }
    return false;
}

static void note_own(struct import *import, const struct import_entry *entry)
{
    if (entry->is_used)
        import_note(import, IMPORT_NOT_NEEDED, entry->place, entry->name,
                    "your own: its value stands where it is used");
    else if (is_of_table(import, entry->name))
        import_note(import, IMPORT_NOT_SUPPORTED, entry->place, entry->name,
                    "an option that its table has not, or of a table that there is not");
    else
        import_note(import, IMPORT_NOT_NEEDED, entry->place, entry->name, "%s",
                    is_of_service(import, entry->name)
                        ? "an option of a transport that is not taken over, or has no such option"
                        : "neither a parameter of Postfix's nor used");
}

void import_write_parameters(struct import *import)
{
    size_t count = import->parameters.count;
    bool *is_own = arena_alloc(&import->arena, (count + 1) * sizeof(*is_own));

    for (size_t i = 0; i < count; i++)
        is_own[i] = !take(import, &import->parameters.items[i]);
    for (size_t i = 0; i < count; i++) { /* now it is known which are used */
        if (is_own[i] && !import_is_of_table(import, import->parameters.items[i].name))
            note_own(import, &import->parameters.items[i]);
    }
}
