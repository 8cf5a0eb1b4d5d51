/* SPDX-License-Identifier: ISC */
/* restrictions: see restrictions.h. */
#include "receive/restrictions.h"

#include "base/buffer.h"
#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *parameter;
    int32_t about;
} lists[RESTRICTIONS_COUNT] = {
    [RESTRICTIONS_CLIENT] = {"smtpd_client_restrictions", SLUICE_ABOUT_CLIENT},
    [RESTRICTIONS_HELO] = {"smtpd_helo_restrictions", SLUICE_ABOUT_HELO},
    [RESTRICTIONS_SENDER] = {"smtpd_sender_restrictions", SLUICE_ABOUT_SENDER},
    [RESTRICTIONS_RELAY] = {"smtpd_relay_restrictions", SLUICE_ABOUT_RECIPIENT},
    [RESTRICTIONS_RECIPIENT] = {"smtpd_recipient_restrictions", SLUICE_ABOUT_RECIPIENT},
    [RESTRICTIONS_DATA] = {"smtpd_data_restrictions", SLUICE_ABOUT_DATA},
    [RESTRICTIONS_END_OF_DATA] = {"smtpd_end_of_data_restrictions", SLUICE_ABOUT_END_OF_DATA},
    [RESTRICTIONS_ETRN] = {"smtpd_etrn_restrictions", SLUICE_ABOUT_ETRN},
};

const char *restrictions_parameter(enum restriction_list_id id)
{
    return lists[id].parameter;
}

int32_t restrictions_about(enum restriction_list_id id)
{
    return lists[id].about;
}

/* ---- reading words --------------------------------------------------------------------------- */

/* "hash:/etc/x": a word has no colon. */
static bool is_table(const char *item)
{
    return strchr(item, ':') != NULL;
}

/* What a table alone stands for. */
static const char *table_word(int32_t about)
{
    switch (about) {
    case SLUICE_ABOUT_CLIENT:
        return "check_client_access";
    case SLUICE_ABOUT_HELO:
        return "check_helo_access";
    case SLUICE_ABOUT_SENDER:
        return "check_sender_access";
    case SLUICE_ABOUT_ETRN:
        return "check_etrn_access";
    default:
        return "check_recipient_access";
    }
}

static bool read_own_word(const char *word, struct restriction_reading *reading)
{
    static const struct {
        const char *word;
        enum restriction_kind kind;
    } own[] = {
        {"warn_if_reject", RESTRICTION_WARN_IF_REJECT},
        {"reject_unlisted_recipient", RESTRICTION_UNLISTED_RECIPIENT},
        {"reject_unlisted_sender", RESTRICTION_UNLISTED_SENDER},
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcmp(own[i].word, word) == 0) {
            reading->kind = own[i].kind;
            reading->word = own[i].word;
            return true;
        }
    }
    return false;
}

/* Postfix's, which we do not have; what they take is not to be taken for a word or a table. */
static sluice_status fail_unknown(const char *next, struct restriction_reading *reading,
                                  struct error *err)
{
    static const struct {
        const char *word;
        bool has_argument;
        const char *what;
    } missing[] = {
        {"check_policy_service", true, "policy services"},
        {"check_ccert_access", true, "certificates of clients"},
        {"check_sasl_access", true, "logins"},
        {"reject_unverified_sender", false, "probes of addresses"},
        {"reject_unverified_recipient", false, "probes of addresses"},
    };

    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        if (strcmp(missing[i].word, reading->word) != 0)
            continue;
        reading->item_count += missing[i].has_argument && next != NULL;
        return error_set(err, SLUICE_CONFIG, "%s: %s are not supported", reading->word,
                         missing[i].what);
    }
    return error_set(err, SLUICE_CONFIG, "no access plugin knows the restriction \"%s\"",
                     reading->word);
}

static sluice_status read_plugin_word(const struct restriction_vocabulary *vocabulary,
                                      const char *next, struct restriction_reading *reading,
                                      struct error *err)
{
    const struct sluice_restriction *declared = vocabulary->find(vocabulary, reading->word);
    uint32_t flags = declared != NULL ? declared->flags : 0;

    if (declared == NULL)
        return fail_unknown(next, reading, err);
    reading->refuses = (flags & SLUICE_RESTRICTION_REFUSES) != 0;
    if ((flags & (SLUICE_RESTRICTION_ARGUMENT | SLUICE_RESTRICTION_TABLE)) == 0)
        return SLUICE_OK;
    if (next == NULL)
        return error_set(err, SLUICE_CONFIG, "%s wants an argument", reading->word);
    if ((flags & SLUICE_RESTRICTION_TABLE) != 0 && !is_table(next))
        return error_set(err, SLUICE_CONFIG, "%s wants a table, type:name, not \"%s\"",
                         reading->word, next);
    reading->argument = next;
    return SLUICE_OK;
}

/* "check_client_access hash:/etc/x" as one item of an array; a table's name may have blanks. */
static bool is_several(const char *item)
{
    size_t len = strcspn(item, " \t,:");

    return item[len] != '\0' && item[len] != ':';
}

sluice_status restriction_read(const struct restriction_vocabulary *vocabulary, int32_t about,
                               const char *const *items, size_t count,
                               struct restriction_reading *ret_reading, struct error *err)
{
    struct restriction_reading reading = {.word = items[0], .item_count = 1};
    sluice_status st = SLUICE_OK;

    if (is_several(items[0])) {
        st = error_set(err, SLUICE_CONFIG,
                       "\"%s\": in an array each word is an item of its own", items[0]);
    } else if (is_table(items[0])) {
        reading.word = table_word(about);
        st = read_plugin_word(vocabulary, items[0], &reading, err);
    } else if (vocabulary->has_class(vocabulary, items[0])) {
        reading.kind = RESTRICTION_CLASS;
    } else if (!read_own_word(items[0], &reading)) {
        st = read_plugin_word(vocabulary, count > 1 ? items[1] : NULL, &reading, err);
        reading.item_count += reading.argument != NULL;
    }
    *ret_reading = reading;
    return st;
}

/* ---- building lists -------------------------------------------------------------------------- */

struct restriction_class {
    const char *name;
    struct restriction_list list;
};

/* The vocabulary of restrictions. */
struct words {
    struct restriction_vocabulary vocabulary;
    const struct restrictions *restrictions;
};

static const struct restrictions *of(const struct restriction_vocabulary *vocabulary)
{
    return ((const struct words *)vocabulary)->restrictions;
}

static const struct sluice_restriction *find_word(const struct restriction_vocabulary *vocabulary,
                                                  const char *word)
{
    struct access_word found;

    return access_find(of(vocabulary)->access, word, &found) ? found.declared : NULL;
}

static const struct restriction_class *find_class(const struct restrictions *restrictions,
                                                  const char *name)
{
    for (size_t i = 0; i < restrictions->class_count; i++) {
        if (strcmp(restrictions->classes[i].name, name) == 0)
            return &restrictions->classes[i];
    }
    return NULL;
}

static bool has_class(const struct restriction_vocabulary *vocabulary, const char *word)
{
    return find_class(of(vocabulary), word) != NULL;
}

static void restriction_done(struct restriction *restriction)
{
    free(restriction->argument);
    free(restriction->label);
}

static sluice_status no_memory(struct error *err)
{
    return error_set(err, SLUICE_TEMP, "no memory for restrictions");
}

static sluice_status bind(const struct restrictions *restrictions,
                          const struct restriction_reading *reading,
                          struct restriction *restriction, struct error *err)
{
    bool has_argument = reading->argument != NULL;

    *restriction = (struct restriction){.kind = reading->kind, .name = reading->word};
    if (reading->kind == RESTRICTION_CLASS) {
        const struct restriction_class *class = find_class(restrictions, reading->word);
        restriction->name = class->name;
        restriction->class = &class->list;
    }
    if (reading->kind != RESTRICTION_PLUGIN)
        return SLUICE_OK;
    if (!access_find(restrictions->access, reading->word, &restriction->word))
        return error_set(err, SLUICE_CONFIG, "no access plugin knows the restriction \"%s\"",
                         reading->word);
    restriction->name = restriction->word.declared->name;
    if (has_argument)
        restriction->argument = span_dup(sluice_span_of(reading->argument));
    if (asprintf(&restriction->label, "%s: %s%s%s", access_plugin(&restriction->word),
                 reading->word, has_argument ? " " : "", has_argument ? reading->argument : "") ==
        -1)
        restriction->label = NULL;
    return restriction->label == NULL || (has_argument && restriction->argument == NULL)
               ? no_memory(err)
               : SLUICE_OK;
}

static sluice_status append(struct restriction_list *list, const struct restriction *restriction,
                            struct error *err)
{
    struct restriction *more = realloc(list->items, (list->count + 1) * sizeof(*more));

    if (more == NULL)
        return no_memory(err);
    list->items = more;
    list->items[list->count++] = *restriction;
    return SLUICE_OK;
}

static sluice_status add_items(const struct restrictions *restrictions, int32_t about,
                               const char *const *items, size_t count,
                               struct restriction_list *list, struct error *err)
{
    const struct words words = {.vocabulary = {.find = find_word, .has_class = has_class},
                                .restrictions = restrictions};

    for (size_t i = 0; i < count;) {
        struct restriction_reading reading;
        struct restriction restriction = {0};
        sluice_status st =
            restriction_read(&words.vocabulary, about, items + i, count - i, &reading, err);

        if (st == SLUICE_OK)
            st = bind(restrictions, &reading, &restriction, err);
        if (st == SLUICE_OK)
            st = append(list, &restriction, err);
        if (st != SLUICE_OK) {
            restriction_done(&restriction);
            return st;
        }
        i += reading.item_count;
    }
    return SLUICE_OK;
}

static sluice_status read_list(const struct restrictions *restrictions, const struct config *config,
                               const char *parameter, int32_t about, struct restriction_list *list,
                               struct error *err)
{
    size_t count = config_count(config, parameter);
    const char **items = calloc(count + 1, sizeof(*items));

    if (items == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        items[i] = config_item(config, parameter, i);
    sluice_status st = add_items(restrictions, about, items, count, list, err);
    free(items);
    if (st != SLUICE_OK)
        error_prefix(err, "%s: %s", config_origin(config, parameter), parameter);
    return st;
}

/* A class may name others; so all are there before the first is read. */
static sluice_status read_classes(struct restrictions *restrictions, const struct config *config,
                                  struct error *err)
{
    size_t count = config_count(config, "smtpd_restriction_classes");
    sluice_status st = SLUICE_OK;

    restrictions->classes = calloc(count + 1, sizeof(*restrictions->classes));
    if (restrictions->classes == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        restrictions->classes[i].name = config_item(config, "smtpd_restriction_classes", i);
    restrictions->class_count = count;
    for (size_t i = 0; st == SLUICE_OK && i < count; i++)
        st = read_list(restrictions, config, restrictions->classes[i].name, SLUICE_ABOUT_RECIPIENT,
                       &restrictions->classes[i].list, err);
    return st;
}

sluice_status restrictions_init(struct restrictions *restrictions, const struct config *config,
                                struct error *err)
{
    sluice_status st = read_classes(restrictions, config, err);

    for (int i = 0; st == SLUICE_OK && i < RESTRICTIONS_COUNT; i++)
        st = read_list(restrictions, config, lists[i].parameter, lists[i].about,
                       &restrictions->lists[i], err);
    return st;
}

void restrictions_done(struct restrictions *restrictions)
{
    for (int i = 0; i < RESTRICTIONS_COUNT; i++)
        restriction_list_done(&restrictions->lists[i]);
    for (size_t i = 0; i < restrictions->class_count; i++)
        restriction_list_done(&restrictions->classes[i].list);
    free(restrictions->classes);
    *restrictions = (struct restrictions){0};
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Cuts the text into words, which count of items say where. */
static size_t cut(char *text, const char **items)
{
    size_t count = 0;

    while (*text != '\0') {
        while (is_separator(*text))
            *text++ = '\0';
        if (*text == '\0')
            break;
        items[count++] = text;
        while (*text != '\0' && !is_separator(*text))
            text++;
    }
    return count;
}

sluice_status restriction_list_add(const struct restrictions *restrictions, int32_t about,
                                   struct sluice_span text, struct restriction_list *list,
                                   struct error *err)
{
    char *copy = span_dup(text);
    const char **items = calloc(text.len / 2 + 1, sizeof(*items));
    sluice_status st;

    if (copy == NULL || items == NULL)
        st = no_memory(err);
    else
        st = add_items(restrictions, about, items, cut(copy, items), list, err);
    free(items);
    free(copy);
    return st;
}

void restriction_list_done(struct restriction_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        restriction_done(&list->items[i]);
    free(list->items);
    *list = (struct restriction_list){0};
}

/* ---- open relays ----------------------------------------------------------------------------- */

static bool refuses(const struct restriction_list *list, unsigned depth)
{
    bool is_warning = false;

    for (size_t i = 0; i < list->count && depth < RESTRICTIONS_DEPTH_MAX; i++) {
        const struct restriction *item = &list->items[i];

        if (item->kind == RESTRICTION_PLUGIN && !is_warning &&
            (item->word.declared->flags & SLUICE_RESTRICTION_REFUSES) != 0)
            return true;
        if (item->kind == RESTRICTION_CLASS && !is_warning && refuses(item->class, depth + 1))
            return true;
        is_warning = item->kind == RESTRICTION_WARN_IF_REJECT;
    }
    return false;
}

bool restriction_list_refuses(const struct restriction_list *list)
{
    return refuses(list, 0);
}
