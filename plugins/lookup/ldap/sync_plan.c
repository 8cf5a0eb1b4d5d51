/* SPDX-License-Identifier: ISC */
/* sync_plan: see sync_plan.h. */
#include "sync_plan.h"

#include "explain.h"
#include "filter.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS ", \t\r\n"

/* ---- reading the filter of searches ----------------------------------------------------------- */

/* What a part of it makes of a key. */
enum part {
    PART_PLAIN,  /* nothing */
    PART_KEY,    /* an entry has the key in one of these attributes */
    PART_AND,    /* the same, and more is asked of the entry */
    PART_UNKNOWN /* something else */
};

struct reader {
    FILE *filter; /* what becomes of it */
    FILE *keys;
    char part; /* s, u or d: what the keys are compared with; NUL: none yet */
};

/* A value without the key; "%%" stands for one of them. */
static enum part plain_value(const struct reader *reader, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && (++i == len || text[i] != '%'))
            return PART_UNKNOWN;
        (void)fputc(text[i], reader->filter); /* closing the stream tells */
    }
    return PART_PLAIN;
}

/* Whether the value is "%s" or the like, which is the same wherever there is one. */
static bool is_key(struct reader *reader, const char *value, size_t len)
{
    char part = len == 2 && value[0] == '%' ? (char)tolower((unsigned char)value[1]) : '\0';

    if (part == '\0' || strchr("sud", part) == NULL ||
        (reader->part != '\0' && reader->part != part))
        return false;
    reader->part = part;
    return true;
}

/* "mail=%s", and whatever has no %. */
static unsigned read_item(void *user, const char *text, size_t len)
{
    struct reader *reader = user;
    size_t name_len = filter_name_len(text);
    const char *equals = text + name_len;

    if (name_len == 0 || *equals != '=' || !is_key(reader, equals + 1, len - name_len - 1))
        return plain_value(reader, text, len);
    (void)fprintf(reader->filter, "%.*s=*", (int)name_len, text);
    (void)fprintf(reader->keys, "%.*s ", (int)name_len, text);
    return PART_KEY;
}

/* Of "all of these": one may have the key. */
static unsigned both(unsigned one, unsigned other)
{
    if (one == PART_UNKNOWN || other == PART_UNKNOWN || (one != PART_PLAIN && other != PART_PLAIN))
        return PART_UNKNOWN;
    return one == PART_PLAIN && other == PART_PLAIN ? PART_PLAIN : PART_AND;
}

/* Of "one of these": either all have the key, and ask for nothing else, or none has it. */
static unsigned either(unsigned one, unsigned other)
{
    return one == other && one != PART_AND ? one : PART_UNKNOWN;
}

static unsigned join(char sign, unsigned one, unsigned other)
{
    return sign == '&' ? both(one, other) : either(one, other);
}

static unsigned negate(unsigned part)
{
    return part == PART_PLAIN ? PART_PLAIN : PART_UNKNOWN;
}

static void copy_mark(void *user, char mark)
{
    const struct reader *reader = user;

    (void)fputc(mark, reader->filter);
}

/* OK, CONFIG (it does not tell) or TEMP. */
static sluice_status derive(struct sync_plan *plan, const char *query_filter)
{
    size_t filter_size, keys_size;
    struct reader reader = {
        .filter = open_memstream(&plan->filter, &filter_size),
        .keys = open_memstream(&plan->keys_text, &keys_size),
    };
    const struct filter_fold fold = {
        .item = read_item, .join = join, .negate = negate, .mark = copy_mark, .user = &reader};
    bool has_memory = reader.filter != NULL && reader.keys != NULL;
    unsigned part = PART_UNKNOWN;

    if (has_memory && !filter_fold(query_filter, &fold, &part))
        part = PART_UNKNOWN;
    if (reader.filter != NULL && fclose(reader.filter) == EOF)
        has_memory = false;
    if (reader.keys != NULL && fclose(reader.keys) == EOF)
        has_memory = false;
    if (!has_memory)
        return SLUICE_TEMP;
    plan->part[1] = reader.part;
    return part == PART_KEY || part == PART_AND ? SLUICE_OK : SLUICE_CONFIG;
}

/* ---- the plan --------------------------------------------------------------------------------- */

/* NULL, or why a table with these settings cannot be kept in step. */
static const char *refuse(const struct settings *settings)
{
    bool has_filter = settings->text[SYNC_FILTER][0] != '\0';

    if (settings->number[SHARED] == 0)
        return "wants shared: one process keeps the table in step";
    if (has_filter != (settings->text[SYNC_KEY_ATTRIBUTE][0] != '\0'))
        return "sync_filter and sync_key_attribute want each other";
    if (settings->text[SPECIAL_RESULT_ATTRIBUTE][0] != '\0' ||
        settings->text[TERMINAL_RESULT_ATTRIBUTE][0] != '\0' ||
        settings->text[LEAF_RESULT_ATTRIBUTE][0] != '\0')
        return "not with special, terminal or leaf result attributes";
    if (strchr(settings->text[SEARCH_BASE], '%') != NULL)
        return "not with a search_base that depends on the key";
    if (settings->number[CHASE_REFERRALS] != 0)
        return "not with chase_referrals";
    if ((settings->number[DEREFERENCE] & 1) != 0)
        return "not with dereference 1 or 3"; /* RFC 4533 section 3.1 */
    return NULL;
}

static bool copy(const char *text, char **ret_copy)
{
    *ret_copy = strdup(text);
    return *ret_copy != NULL;
}

static sluice_status find_entries(struct sync_plan *plan, const struct settings *settings)
{
    if (!copy(settings->text[SEARCH_BASE], &plan->base))
        return SLUICE_TEMP;
    if (settings->text[SYNC_FILTER][0] == '\0')
        return derive(plan, settings->text[QUERY_FILTER]);
    if (!copy(settings->text[SYNC_FILTER], &plan->filter) ||
        !copy(settings->text[SYNC_KEY_ATTRIBUTE], &plan->keys_text))
        return SLUICE_TEMP;
    return SLUICE_OK;
}

/* False: there are too many. */
static bool split_keys(struct sync_plan *plan)
{
    size_t count = 0;
    char *rest = NULL;

    for (char *name = strtok_r(plan->keys_text, SEPARATORS, &rest); name != NULL;
         name = strtok_r(NULL, SEPARATORS, &rest)) {
        if (count == ATTRIBUTES_MAX)
            return false;
        plan->keys[count++] = name;
    }
    return true;
}

static bool has(char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcasecmp(*names, name) == 0)
            return true;
    }
    return false;
}

static void join_attributes(struct sync_plan *plan, const struct attributes *attributes)
{
    char *const *const lists[] = {plan->keys, attributes->names};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (char *const *name = lists[i]; *name != NULL; name++) {
            if (!has(plan->attributes, *name))
                plan->attributes[count++] = *name;
        }
    }
}

sluice_status sync_plan_read(struct sync_plan *plan, const struct settings *settings,
                             const struct attributes *attributes,
                             const struct sluice_errors *errors)
{
    const char *wrong = refuse(settings);
    sluice_status st = wrong != NULL ? SLUICE_CONFIG : SLUICE_OK;

    *plan = (struct sync_plan){.part = "%s"};
    if (st == SLUICE_OK) {
        st = find_entries(plan, settings);
        wrong = st == SLUICE_CONFIG ? "query_filter does not tell what the keys are: say it with "
                                      "sync_filter and sync_key_attribute"
                                    : "out of memory";
    }
    if (st == SLUICE_OK && !split_keys(plan)) {
        st = SLUICE_CONFIG;
        wrong = "too many attributes";
    }
    if (st != SLUICE_OK) {
        sync_plan_done(plan);
        return explain(errors, st, "ldap: sync: %s", wrong);
    }
    join_attributes(plan, attributes);
    return SLUICE_OK;
}

void sync_plan_done(struct sync_plan *plan)
{
    free(plan->base);
    free(plan->filter);
    free(plan->keys_text);
    *plan = (struct sync_plan){0};
}
