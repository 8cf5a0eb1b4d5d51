/* SPDX-License-Identifier: ISC */
/*
 * options: see options.h.
 */
#include "config/options.h"

#include "base/span.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct sluice_option *options_find(const struct sluice_option *table, size_t count,
                                         const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    }
    return NULL;
}

const char *place_text(struct arena *arena, struct place place)
{
    if (place.file == NULL)
        return "default";
    return arena_printf(arena, "%s:%u", place.file, place.line);
}

/* ---- types ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *wants;
} types[] = {
    [SLUICE_OPT_STRING] = {"text", "a text"},
    [SLUICE_OPT_INTEGER] = {"integer", "an integer"},
    [SLUICE_OPT_BOOLEAN] = {"boolean", "true or false"},
    [SLUICE_OPT_DURATION] = {"duration", "a duration such as \"5m\" or a number of seconds"},
    [SLUICE_OPT_SIZE] = {"size", "a size such as \"10M\" or a number of bytes"},
    [SLUICE_OPT_PATH] = {"path", "a path"},
    [SLUICE_OPT_ENUM] = {"word", "a word"},
    [SLUICE_OPT_LIST] = {"list", "a list of texts"},
};

static bool is_type(int32_t type)
{
    return type >= SLUICE_OPT_STRING && type <= SLUICE_OPT_LIST;
}

const char *option_type_name(int32_t type)
{
    return is_type(type) ? types[type].name : "unknown";
}

/* What a text or number of it has to look like. */
static const char *wants_of(const struct sluice_option *option)
{
    if ((option->flags & OPTION_DAYS) != 0)
        return "a duration such as \"5h\" or a number of days";
    if ((option->flags & OPTION_HOURS) != 0)
        return "a duration such as \"5m\" or a number of hours";
    return types[option->type].wants;
}

static bool is_number_type(int32_t type)
{
    return type == SLUICE_OPT_INTEGER || type == SLUICE_OPT_DURATION || type == SLUICE_OPT_SIZE;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* What one of the unit is worth; 0: no unit of this type. */
static int64_t unit_factor(int32_t type, char unit)
{
    static const struct {
        int32_t type;
        char unit;
        int64_t factor;
    } units[] = {
        {SLUICE_OPT_DURATION, 's', 1000},
        {SLUICE_OPT_DURATION, 'm', 60 * 1000},
        {SLUICE_OPT_DURATION, 'h', 3600 * 1000},
        {SLUICE_OPT_DURATION, 'd', (int64_t)24 * 3600 * 1000},
        {SLUICE_OPT_DURATION, 'w', (int64_t)7 * 24 * 3600 * 1000},
        {SLUICE_OPT_SIZE, 'k', 1024},
        {SLUICE_OPT_SIZE, 'm', 1024 * 1024},
        {SLUICE_OPT_SIZE, 'g', 1024 * 1024 * 1024},
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].type == type && units[i].unit == tolower((unsigned char)unit))
            return units[i].factor;
    }
    return 0;
}

/* What a number without a unit is counted in. */
static int64_t default_factor(const struct sluice_option *option)
{
    if (option->type != SLUICE_OPT_DURATION)
        return 1;
    return unit_factor(option->type, (option->flags & OPTION_DAYS) != 0    ? 'd'
                                     : (option->flags & OPTION_HOURS) != 0 ? 'h'
                                                                           : 's');
}

/* "12", "5m", "10M" as the option's type says. False: it is none, or too large. */
static bool parse_number(const struct sluice_option *option, struct sluice_span text,
                         int64_t *ret_number)
{
    int64_t factor = default_factor(option);
    bool is_negative =
        option->type == SLUICE_OPT_INTEGER && text.len > 0 && text.ptr[0] == '-';
    uint64_t number;

    if (is_negative)
        text = span_skip(text, 1);
    if (text.len > 0 && !isdigit((unsigned char)text.ptr[text.len - 1])) {
        factor = unit_factor(option->type, text.ptr[text.len - 1]);
        text = span_first(text, text.len - 1);
    }
    if (factor == 0 || !span_to_u64(text, &number) || number > (uint64_t)(INT64_MAX / factor))
        return false;
    *ret_number = (int64_t)number * factor * (is_negative ? -1 : 1);
    return true;
}

/* "1..10", "1..", "..10"; no range: any. False: the range makes no sense. */
static bool parse_range(const struct sluice_option *option, int64_t *ret_min, int64_t *ret_max)
{
    const char *dots;

    *ret_min = option->type == SLUICE_OPT_INTEGER ? INT64_MIN : 0;
    *ret_max = INT64_MAX;
    if (option->range == NULL)
        return true;
    dots = strstr(option->range, "..");
    if (dots == NULL)
        return false;
    if (dots > option->range &&
        !parse_number(
            option,
            (struct sluice_span){.ptr = option->range, .len = (size_t)(dots - option->range)},
            ret_min))
        return false;
    return dots[2] == '\0' || parse_number(option, sluice_span_of(dots + 2), ret_max);
}

/* A century, so that sums of times never overflow. */
#define DURATION_MAX_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)

static bool set_number(const struct options *options, const struct sluice_option *option,
                       int64_t number, const char *text, struct place place, struct value *value)
{
    int64_t min, max;

    if (option->type == SLUICE_OPT_DURATION && number > DURATION_MAX_MS) {
        report_error(options->report, place, "%s: %s is longer than a century", option->key, text);
        return false;
    }
    if (parse_range(option, &min, &max) && (number < min || number > max)) {
        report_error(options->report, place, "%s: %s is not in the range %s", option->key, text,
                     option->range != NULL ? option->range : "0..");
        return false;
    }
    value->number = number;
    value->is_set = true;
    return true;
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* The text with its $names replaced, or NULL after a report. */
static const char *expanded(const struct options *options, const struct sluice_option *option,
                            const char *text, struct place place)
{
    struct buffer out = BUFFER_INIT;
    struct error err = ERROR_INIT;
    const char *result = NULL;

    if (strchr(text, '$') == NULL ||
        (option->flags & (SLUICE_OPT_SECRET | SLUICE_OPT_VERBATIM)) != 0)
        return text;
    if (expand(text, &options->parameters, &out, &err) == SLUICE_OK && !buffer_failed(&out))
        result = arena_text(options->arena, buffer_span(&out));
    else
        report_error(options->report, place, "%s: %s", option->key,
                     err.text[0] != '\0' ? err.text : "out of memory");
    buffer_done(&out);
    return result;
}

/* Without slashes at its end, so that what others put behind it names something beside it. */
static const char *absolute(const struct options *options, const char *path)
{
    struct sluice_span plain = sluice_span_of(path);

    while (plain.len > 1 && plain.ptr[plain.len - 1] == '/')
        plain.len--;
    path = arena_text(options->arena, plain);
    if (path[0] == '/' || path[0] == '\0' || options->folder == NULL)
        return path;
    return arena_printf(options->arena, "%s/%s", options->folder, path);
}

/* One of "a|b|c", given in whatever case, as it stands there; empty: it is none of them. */
static struct sluice_span find_word(const char *words, const char *word)
{
    struct sluice_span rest = sluice_span_of(words);
    struct sluice_span wanted = sluice_span_of(word);

    while (rest.len > 0) {
        size_t len = span_find(rest, '|');

        if (span_equal_case(span_first(rest, len), wanted))
            return span_first(rest, len);
        rest = span_skip(rest, len + 1);
    }
    return SPAN_EMPTY;
}

static bool set_word(const struct options *options, const struct sluice_option *option,
                     const char *text, struct place place, struct value *value)
{
    struct sluice_span word = find_word(option->range, text);

    if (word.len == 0) {
        report_error(options->report, place, "%s: \"%s\" is not one of %s", option->key, text,
                     option->range);
        return false;
    }
    value->text = arena_printf(options->arena, "%.*s", SPAN_ARGS(word));
    value->is_set = true;
    return true;
}

static bool set_flag(const struct options *options, const struct sluice_option *option,
                     const char *text, struct place place, struct value *value)
{
    value->is_set = true;
    if (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0)
        value->number = 1;
    else if (strcasecmp(text, "no") != 0 && strcasecmp(text, "false") != 0)
        value->is_set = false;
    if (!value->is_set)
        report_error(options->report, place, "%s: wants yes or no, not \"%s\"", option->key, text);
    return value->is_set;
}

/* ---- lists ---------------------------------------------------------------------------------- */

struct list {
    const char **items;
    size_t count;
};

static void list_add(const struct options *options, struct list *list, struct sluice_span item)
{
    list->items = arena_grow(options->arena, list->items, list->count, sizeof(*list->items));
    list->items[list->count++] = arena_text(options->arena, item);
}

/* As Postfix does: parted by commas and white space; what stands in braces stays together. */
bool list_next(struct sluice_span *rest, struct sluice_span *ret_item)
{
    static const char separators[] = ", \t\r\n";
    struct sluice_span text = *rest;
    size_t depth = 0;
    size_t len = 0;

    while (text.len > 0 && strchr(separators, text.ptr[0]) != NULL)
        text = span_skip(text, 1);
    for (; len < text.len; len++) {
        if (text.ptr[len] == '{')
            depth++;
        else if (text.ptr[len] == '}' && depth > 0)
            depth--;
        else if (depth == 0 && strchr(separators, text.ptr[len]) != NULL)
            break;
    }
    *ret_item = span_first(text, len);
    *rest = span_skip(text, len);
    return len > 0;
}

static void list_split(const struct options *options, struct list *list, const char *text)
{
    struct sluice_span rest = sluice_span_of(text);
    struct sluice_span item;

    while (list_next(&rest, &item))
        list_add(options, list, item);
}

static void set_list(const struct list *list, struct value *value)
{
    value->items = list->items;
    value->item_count = list->count;
    value->is_set = true;
}

/* An element that refers to other parameters may stand for several items. */
static bool add_element(const struct options *options, const struct sluice_option *option,
                        const struct setting *element, struct list *list)
{
    const char *text;

    if (element->kind != SETTING_TEXT) {
        report_error(options->report, element->place, "%s: wants a list of texts; this is %s",
                     option->key, setting_kind_name(element));
        return false;
    }
    if (element->text[0] == '\0') {
        report_error(options->report, element->place, "%s: an element is empty", option->key);
        return false;
    }
    text = expanded(options, option, element->text, element->place);
    if (text == NULL)
        return false;
    if (text == element->text)
        list_add(options, list, sluice_span_of(text));
    else
        list_split(options, list, text);
    return true;
}

static bool list_from_array(const struct options *options, const struct sluice_option *option,
                            const struct setting *setting, struct value *value)
{
    struct list list = {0};
    bool is_good = true;

    for (size_t i = 0; i < setting->child_count; i++) {
        if (!add_element(options, option, &setting->children[i], &list))
            is_good = false;
    }
    if (is_good)
        set_list(&list, value);
    return is_good;
}

/* ---- values --------------------------------------------------------------------------------- */

static void value_init(const struct options *options, const struct sluice_option *option,
                       struct place place, struct value *ret_value)
{
    *ret_value = (struct value){
        .key = option->key,
        .type = option->type,
        .is_secret = (option->flags & SLUICE_OPT_SECRET) != 0,
        .origin = place_text(options->arena, place),
    };
}

static bool number_from_text(const struct options *options, const struct sluice_option *option,
                             const char *text, struct place place, struct value *value)
{
    int64_t number;

    if (!parse_number(option, span_trim(sluice_span_of(text)), &number)) {
        report_error(options->report, place, "%s: wants %s, not \"%s\"", option->key,
                     wants_of(option), text);
        return false;
    }
    return set_number(options, option, number, text, place, value);
}

static bool set_from_text(const struct options *options, const struct sluice_option *option,
                          const char *text, struct place place, struct value *value)
{
    struct list list = {0};

    switch (option->type) {
    case SLUICE_OPT_INTEGER:
    case SLUICE_OPT_DURATION:
    case SLUICE_OPT_SIZE:
        return number_from_text(options, option, text, place, value);
    case SLUICE_OPT_BOOLEAN:
        return set_flag(options, option, text, place, value);
    case SLUICE_OPT_ENUM:
        return set_word(options, option, text, place, value);
    case SLUICE_OPT_LIST:
        list_split(options, &list, text);
        set_list(&list, value);
        return true;
    case SLUICE_OPT_PATH:
        text = absolute(options, text);
        break;
    default:
        break;
    }
    value->text = text;
    value->is_set = true;
    return true;
}

bool option_from_text(const struct options *options, const struct sluice_option *option,
                      const char *text, struct place place, struct value *ret_value)
{
    value_init(options, option, place, ret_value);
    if (text == NULL)
        return true;
    text = expanded(options, option, text, place);
    return text != NULL && set_from_text(options, option, text, place, ret_value);
}

static bool number_from_setting(const struct options *options, const struct sluice_option *option,
                                const struct setting *setting, struct value *value)
{
    int64_t factor = default_factor(option);
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, setting->number);
    if (setting->number > INT64_MAX / factor || setting->number < INT64_MIN / factor) {
        report_error(options->report, setting->place, "%s: %s is too large", option->key, text);
        return false;
    }
    return set_number(options, option, setting->number * factor, text, setting->place, value);
}

static bool wrong_kind(const struct options *options, const struct sluice_option *option,
                       const struct setting *setting)
{
    report_error(options->report, setting->place, "%s: wants %s, not %s", option->key,
                 wants_of(option), setting_kind_name(setting));
    return false;
}

static bool set_from_setting(const struct options *options, const struct sluice_option *option,
                             const struct setting *setting, struct value *value)
{
    const char *text;

    switch (setting->kind) {
    case SETTING_TEXT:
        /* A reference can only be written as a text. */
        if (option->type == SLUICE_OPT_INTEGER && strchr(setting->text, '$') == NULL)
            break;
        text = expanded(options, option, setting->text, setting->place);
        return text != NULL && set_from_text(options, option, text, setting->place, value);
    case SETTING_NUMBER:
        if (option->type == SLUICE_OPT_ENUM) /* a word may be "1" */
            return set_word(options, option,
                            arena_printf(options->arena, "%" PRId64, setting->number),
                            setting->place, value);
        if (!is_number_type(option->type))
            break;
        return number_from_setting(options, option, setting, value);
    case SETTING_FLAG:
        if (option->type != SLUICE_OPT_BOOLEAN && option->type != SLUICE_OPT_ENUM)
            break;
        return set_from_text(options, option, setting->number != 0 ? "yes" : "no", setting->place,
                             value);
    case SETTING_ARRAY:
        if (option->type != SLUICE_OPT_LIST)
            break;
        return list_from_array(options, option, setting, value);
    case SETTING_FLOAT:
    case SETTING_GROUP:
        break;
    }
    return wrong_kind(options, option, setting);
}

bool option_from_setting(const struct options *options, const struct sluice_option *option,
                         const struct setting *setting, struct value *ret_value)
{
    value_init(options, option, setting->place, ret_value);
    ret_value->is_named = true;
    if ((option->flags & SLUICE_OPT_DEPRECATED) != 0)
        report_warning(options->report, setting->place, "%s is deprecated: %s", option->key,
                       option->summary);
    return set_from_setting(options, option, setting, ret_value);
}

/* ---- tables --------------------------------------------------------------------------------- */

/* As libconfig takes it; name and plugin are the host's in every group. */
static bool is_key(const char *key)
{
    size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return len > 0 && key[len] == '\0' && islower((unsigned char)key[0]) &&
           strcmp(key, "name") != 0 && strcmp(key, "plugin") != 0;
}

static const char *find_fault(const struct sluice_option *option)
{
    int64_t min, max;

    if (!is_key(option->key))
        return "the key is none that can be configured";
    if (!is_type(option->type))
        return "the type is unknown";
    if (option->summary == NULL || option->summary[0] == '\0')
        return "the summary is missing";
    if (option->type == SLUICE_OPT_ENUM && option->range == NULL)
        return "the words to choose from are missing";
    if (is_number_type(option->type) && !parse_range(option, &min, &max))
        return "the range makes no sense";
    return NULL;
}

/* A default that refers to parameters is checked when they are known. */
static bool check_fallback(const struct sluice_option *option, struct error *err)
{
    struct report report = REPORT_INIT;
    struct arena arena = ARENA_INIT;
    struct options options = {.arena = &arena, .report = &report};
    struct value value;
    bool is_good;

    if (option->fallback == NULL || strchr(option->fallback, '$') != NULL)
        return true;
    is_good = option_from_text(&options, option, option->fallback, PLACE_DEFAULT, &value);
    if (!is_good)
        (void)error_set(err, SLUICE_CONFIG, "option %.*s",
                        (int)strcspn(buffer_text(&report.text), "\n"), report.text.ptr);
    report_done(&report);
    arena_done(&arena);
    return is_good;
}

sluice_status options_check_table(const struct sluice_option *table, size_t count,
                                  struct error *err)
{
    if (count > OPTIONS_MAX)
        return error_set(err, SLUICE_CONFIG, "%zu options, limit %d", count, OPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *fault;

        if (table[i].key == NULL)
            return error_set(err, SLUICE_CONFIG, "option %zu has no key", i);
        fault = find_fault(&table[i]);
        if (fault == NULL && options_find(table, i, table[i].key) != NULL)
            fault = "it is declared twice";
        if (fault != NULL)
            return error_set(err, SLUICE_CONFIG, "option %s: %s", table[i].key, fault);
        if (!check_fallback(&table[i], err))
            return SLUICE_CONFIG;
    }
    return SLUICE_OK;
}
