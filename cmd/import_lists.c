/* SPDX-License-Identifier: ISC */
/*
 * import_lists: lists, item by item: restrictions that Sluice does not know and tables of types that it has
 * not are taken out or replaced, and a note says what that means.
 *
 * A table that cannot be had is replaced by one of type fail, which cannot be asked: what depends on it
 * is put off (451) until somebody has looked, and neither refused nor let through for a wrong reason.
 */
#include "import.h"

#include "base/span.h"
#include "config/table_name.h"
#include "net/address.h"
#include "plugin/load.h"
#include "sluice/access.h"

#include <ctype.h>
#include <unistd.h>

struct conversion {
    struct import *import;
    const struct import_entry *entry;
    bool is_raw;
    struct import_list *list;
};

static void add(struct conversion *conversion, const char *item)
{
    struct import *import = conversion->import;
    struct import_list *list = conversion->list;

    list->items = arena_grow(&import->arena, list->items, list->count, sizeof(*list->items));
    list->items[list->count++] = conversion->is_raw ? item : import_escape(import, item);
}

/* ---- tables ----------------------------------------------------------------------------------- */

/* The length of "hash" in "hash:/etc/x"; 0: this names no table. */
static size_t type_len(const char *item)
{
    size_t len = 0;

    while (isalnum((unsigned char)item[len]) || item[len] == '-' || item[len] == '_')
        len++;
    return item[len] == ':' && item[len + 1] != '\0' ? len : 0;
}

/* The tables that the table, named without proxy:, asks in turn, for list_next(). */
static struct sluice_span tables_inside(const char *plain)
{
    static const char *const kinds[] = {"pipemap:", "unionmap:"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(plain, kinds[i], strlen(kinds[i])) == 0)
            return table_names_inside(plain + strlen(kinds[i]));
    }
    return SPAN_EMPTY;
}

/* The type that is missing in the table or in those that it asks, or NULL. */
static const char *missing_type(struct import *import, const char *table)
{
    const char *plain = table_name_plain(table);
    size_t len = type_len(plain);
    const char *type = arena_printf(&import->arena, "%.*s", (int)len, plain);
    struct sluice_span inside, item;

    if (len == 0)
        return NULL;
    if (!import_has_plugin(import, arena_printf(&import->arena, "lookup/%s", type)))
        return type;
    inside = tables_inside(plain);
    while (list_next(&inside, &item)) {
        type = missing_type(import, arena_text(&import->arena, item));
        if (type != NULL)
            return type;
    }
    return NULL;
}

/* ---- a copy of /etc/postfix ------------------------------------------------------------------- */

/* The file, or one that was made of it. */
static bool is_there(struct import *import, const char *path)
{
    static const char *const ends[] = {"", ".db", ".cdb", ".lmdb", ".pag"};
    bool is_found = false;

    for (size_t i = 0; !is_found && i < sizeof(ends) / sizeof(ends[0]); i++)
        is_found = access(arena_printf(&import->arena, "%s%s", path, ends[i]), F_OK) == 0;
    return is_found;
}

const char *import_own_path(struct import *import, const char *item)
{
    static const char usual[] = "/etc/postfix/";
    const char *path = strstr(item, usual);
    const char *own;

    if (path == NULL || strncmp(import->folder, usual, strlen(usual) - 1) == 0)
        return item;
    own = arena_printf(&import->arena, "%s/%s", import->folder, path + strlen(usual));
    if (is_there(import, path) || !is_there(import, own))
        return item;
    return arena_printf(&import->arena, "%.*s%s", (int)(path - item), item, own);
}

static const char *own_path(struct conversion *conversion, const char *item)
{
    const char *own = import_own_path(conversion->import, item);

    if (own != item)
        import_note(conversion->import, IMPORT_CARRIED, conversion->entry->place,
                    conversion->entry->name, "%s is not on this machine: %s is taken", item, own);
    return own;
}

/* ---- tables that are not there ---------------------------------------------------------------- */

/* A table may be told what to do by parameters of main.cf, and so may those that it asks. */
static void note_table(struct import *import, const char *plain, struct place place,
                       bool is_missing)
{
    size_t len = type_len(plain);
    struct sluice_span inside = tables_inside(plain);
    struct sluice_span item;
    const struct import_table table = {
        .type = arena_printf(&import->arena, "%.*s", (int)len, plain),
        .name = plain + len + 1,
        .place = place,
        .is_missing = is_missing,
    };

    while (list_next(&inside, &item))
        note_table(import, table_name_plain(arena_text(&import->arena, item)), place, is_missing);
    if (len > 0 && table.name[0] != '/' && table.name[0] != '.')
        import_add_table(import, &table);
}

/* A file that is named from where one is counts from Postfix's queue folder: its programs are there. */
static const char *with_whole_path(struct import *import, const char *table)
{
    const char *plain = table_name_plain(table);
    size_t len = type_len(plain);
    const char *name = plain + len + 1;

    if (len == 0 || (strncmp(name, "./", 2) != 0 && strncmp(name, "../", 3) != 0))
        return table;
    return arena_printf(&import->arena, "%.*s%s/%s", (int)(name - table), table,
                        import_value(import, "queue_directory"), name);
}

/* The table, or the same one whose file has another place; so with those that it asks. */
static const char *own_table(struct conversion *conversion, const char *table)
{
    struct import *import = conversion->import;
    struct sluice_span inside = tables_inside(table_name_plain(table));
    bool is_other = false;
    struct sluice_span item;
    const char *text;

    if (inside.len == 0)
        return own_path(conversion, with_whole_path(import, table));
    text = arena_printf(&import->arena, "%.*s", (int)(inside.ptr - table), table);
    for (const char *before = ""; list_next(&inside, &item); before = ", ") {
        const char *asked = arena_text(&import->arena, item);
        const char *own = own_table(conversion, asked);

        is_other = is_other || own != asked;
        text = arena_printf(&import->arena, "%s%s%s", text, before, own);
    }
    return is_other ? arena_printf(&import->arena, "%s}", text) : table;
}

/* The table, or what takes its place. */
static const char *convert_table(struct conversion *conversion, const char *table)
{
    struct import *import = conversion->import;
    const char *type = missing_type(import, table);

    note_table(import, table_name_plain(table), conversion->entry->place, type != NULL);
    if (type == NULL)
        return own_table(conversion, table);
    import_note(
        import, IMPORT_LOST, conversion->entry->place, conversion->entry->name,
        "%s: there are no tables of type %s: what it decides is put off (451) until another "
        "table has taken its place",
        table, type);
    return "fail:not-imported";
}

/* Domains, networks, tables. */
static void convert_item(struct conversion *conversion, const char *item, bool is_networks)
{
    struct import *import = conversion->import;
    bool is_negated = item[0] == '!';
    const char *pattern = item + strspn(item, "!");
    struct error err = ERROR_INIT;
    struct network network;
    const char *table;
    bool is_network = network_parse(sluice_span_of(item), &network, &err) == SLUICE_OK;

    if (is_network || strchr(item, '$') != NULL) {
        add(conversion, item);
    } else if (pattern[0] == '/') {
        add(conversion, own_path(conversion, item));
    } else if (type_len(pattern) > 0) {
        table = convert_table(conversion, pattern);
        add(conversion, arena_printf(&import->arena, "%s%s", is_negated ? "!" : "", table));
    } else if (is_networks) {
        import_note(import, IMPORT_LOST, conversion->entry->place, conversion->entry->name,
                    "%s: write the network's address", err.text);
    } else {
        add(conversion, item);
    }
}

static void convert_items(struct conversion *conversion, const char *text)
{
    struct import *import = conversion->import;
    bool is_networks = strcmp(conversion->entry->name, "mynetworks") == 0;
    struct sluice_span rest = sluice_span_of(text);
    struct sluice_span item;

    while (list_next(&rest, &item))
        convert_item(conversion, arena_text(&import->arena, item), is_networks);
}

/* ---- restrictions ----------------------------------------------------------------------------- */

/* What Postfix has and Sluice has not. */
static const struct {
    const char *word;
    bool has_argument;
    enum import_verdict verdict;
    const char *text;
} missing_words[] = {
    {"check_policy_service", true, IMPORT_NOT_SUPPORTED,
     "no policy service is asked: what it refused or put off comes in"},
    {"reject_unverified_sender", false, IMPORT_NOT_SUPPORTED,
     "there are no probes: senders that do not exist come in"},
    {"reject_unverified_recipient", false, IMPORT_NOT_SUPPORTED,
     "there are no probes: mail for recipients that do not exist comes in and is returned; list "
     "them "
     "in relay_recipient_maps"},
    {"check_ccert_access", true, IMPORT_LOST,
     "there are no certificates of clients: those that it let in or kept out are as all others"},
    {"check_sasl_access", true, IMPORT_LOST,
     "there are no logins: those that it let in or kept out are as all others"},
    {"reject_maps_rbl", false, IMPORT_NOT_SUPPORTED,
     "name the lists of maps_rbl_domains with reject_rbl_client"},
};

static const struct sluice_restriction *find_restriction(const char *word)
{
    struct plugin *plugin = plugin_find("access/basic");
    const struct sluice_access_ops *ops =
        plugin != NULL ? plugin_desc(plugin)->get_interface(SLUICE_ACCESS_ID) : NULL;

    for (uint32_t i = 0; ops != NULL && i < ops->restriction_count; i++) {
        const char *place = (const char *)ops->restrictions + (size_t)i * ops->restriction_size;
        const struct sluice_restriction *restriction = (const void *)place;

        if (strcmp(restriction->name, word) == 0)
            return restriction;
    }
    return NULL;
}

static bool is_class(struct import *import, const char *word)
{
    struct sluice_span rest = sluice_span_of(import_value(import, "smtpd_restriction_classes"));
    struct sluice_span item;

    while (list_next(&rest, &item)) {
        if (span_equal(item, sluice_span_of(word)))
            return true;
    }
    return false;
}

bool import_is_restriction_list(struct import *import, const char *name)
{
    static const char *const names[] = {
        "smtpd_client_restrictions",      "smtpd_helo_restrictions",
        "smtpd_sender_restrictions",      "smtpd_relay_restrictions",
        "smtpd_recipient_restrictions",   "smtpd_data_restrictions",
        "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return is_class(import, name);
}

/* A word that has no plugin. *rest: behind it. */
static void drop_word(struct conversion *conversion, const char *word, struct sluice_span *rest)
{
    struct import *import = conversion->import;
    struct import_list *list = conversion->list;
    enum import_verdict verdict = IMPORT_LOST;
    const char *text = "there is no such restriction; Postfix would let nobody in";
    struct sluice_span argument = SPAN_EMPTY;

    for (size_t i = 0; i < sizeof(missing_words) / sizeof(missing_words[0]); i++) {
        if (strcmp(missing_words[i].word, word) != 0)
            continue;
        verdict = missing_words[i].verdict;
        text = missing_words[i].text;
        if (missing_words[i].has_argument)
            (void)list_next(rest, &argument);
    }
    import_note(import, verdict, conversion->entry->place, conversion->entry->name, "%s%s%.*s: %s",
                word, argument.len > 0 ? " " : "", SPAN_ARGS(argument), text);
    if (list->count > 0 && strcmp(list->items[list->count - 1], "warn_if_reject") == 0)
        list->count--; /* it was for this word */
}

static void add_argument(struct conversion *conversion, const struct sluice_restriction *word,
                         struct sluice_span *rest)
{
    bool is_table = (word->flags & SLUICE_RESTRICTION_TABLE) != 0;
    struct sluice_span argument;
    const char *text;

    if ((word->flags & (SLUICE_RESTRICTION_ARGUMENT | SLUICE_RESTRICTION_TABLE)) == 0 ||
        !list_next(rest, &argument))
        return;
    text = arena_text(&conversion->import->arena, argument);
    add(conversion, is_table ? convert_table(conversion, text) : text);
}

static void convert_word(struct conversion *conversion, const char *word, struct sluice_span *rest)
{
    static const char *const own[] = {"warn_if_reject", "reject_unlisted_recipient",
                                      "reject_unlisted_sender"};
    const struct sluice_restriction *restriction = find_restriction(word);
    bool is_own = is_class(conversion->import, word);

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        is_own = is_own || strcmp(own[i], word) == 0;
    if (type_len(word) > 0) {
        add(conversion, convert_table(conversion, word));
    } else if (is_own) {
        add(conversion, word);
    } else if (restriction == NULL) {
        drop_word(conversion, word, rest);
    } else {
        add(conversion, word);
        add_argument(conversion, restriction, rest);
    }
}

/* ---- the whole -------------------------------------------------------------------------------- */

void import_convert_list(struct import *import, const struct import_entry *entry,
                         const struct sluice_option *option, const char *text, bool is_raw,
                         struct import_list *ret_list)
{
    struct conversion conversion = {
        .import = import, .entry = entry, .is_raw = is_raw, .list = ret_list};
    struct sluice_span rest = sluice_span_of(text);
    struct sluice_span item;

    *ret_list = (struct import_list){0};
    if (import_is_restriction_list(import, entry->name)) {
        while (list_next(&rest, &item))
            convert_word(&conversion, arena_text(&import->arena, item), &rest);
    } else if ((option->flags & OPTION_TABLES) != 0) {
        convert_items(&conversion, text);
    } else {
        while (list_next(&rest, &item))
            add(&conversion, arena_text(&import->arena, item));
    }
}
