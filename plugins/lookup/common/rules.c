/* SPDX-License-Identifier: ISC */
/* rules: see rules.h. */
#include "rules.h"

#include "braces.h"
#include "explain.h"
#include "rules_value.h"
#include "source.h"
#include "watched.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 100 /* of if in if */

struct rule {
    struct rules_pattern *pattern;
    bool is_negated;
    char *value;       /* NULL: an "if" */
    size_t part_count; /* that the value needs; 0: it refers to none */
    size_t after;      /* where an "if" that does not match goes on; 0: at the end */
    unsigned long line;
};

struct rules {
    char *name;
    struct rule *list;
    size_t count;
};

/* A table is no more than what its file has. */
static struct watched *watched_of(struct sluice_lookup *lookup)
{
    return (struct watched *)(void *)lookup;
}

static void rules_free(void *content)
{
    struct rules *rules = content;

    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        rules_engine.free(rules->list[i].pattern);
        free(rules->list[i].value);
    }
    free(rules->list);
    free(rules->name);
    free(rules);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
    struct source *source;
    const struct sluice_errors *errors;
    struct rules *rules;
    size_t open[DEPTH_MAX]; /* indices of the "if"s around */
    size_t depth;
    size_t parts; /* of the pattern that was read last */
};

static sluice_status refuse(const struct reading *reading, const char *why)
{
    return explain(reading->errors, SLUICE_CONFIG, "%s map %s, line %lu: %s", rules_engine.type,
                   reading->source->name, reading->source->line_number, why);
}

/* What is odd, and yet clear. */
static void warn(const struct reading *reading, const char *why)
{
    source_warn(reading->source, "%s map %s, line %lu: %s", rules_engine.type,
                reading->source->name, reading->source->line_number, why);
}

static char *skip_space(char *at)
{
    while (source_is_space(*at))
        at++;
    return at;
}

/* Ends the pattern with a NUL, and the flags behind it too. NULL, or what is wrong. */
static const char *split_delimited(char **at, char **ret_pattern, char **ret_flags)
{
    char delimiter = **at;
    char *end = *at + 1;

    *ret_pattern = end;
    while (*end != '\0' && *end != delimiter)
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    if (*end == '\0')
        return "no closing delimiter";
    *end++ = '\0';
    *ret_flags = end;
    while (*end != '\0' && !source_is_space(*end))
        end++;
    *at = end + (*end != '\0' ? 1 : 0);
    *end = '\0';
    return NULL;
}

static const char *split_word(char **at, char **ret_pattern, char **ret_flags)
{
    char *end = *at;

    *ret_pattern = end;
    while (*end != '\0' && !source_is_space(*end))
        end++;
    *ret_flags = end;
    *at = end + (*end != '\0' ? 1 : 0);
    *end = '\0';
    return NULL;
}

/* "! /pattern/flags": into rule. Moves *at behind it and the white space there. */
static sluice_status read_pattern(struct reading *reading, char **at, struct rule *rule)
{
    char why[RULES_WHY_MAX] = "";
    char *pattern, *flags;
    const char *wrong;

    for (; **at == '!' || source_is_space(**at); (*at)++)
        rule->is_negated = rule->is_negated != (**at == '!');
    if (**at == '\0')
        return refuse(reading, "no pattern");
    wrong = rules_engine.is_delimited ? split_delimited(at, &pattern, &flags)
                                      : split_word(at, &pattern, &flags);
    if (wrong != NULL)
        return refuse(reading, wrong);
    *at = skip_space(*at);
    rule->pattern = rules_engine.compile(pattern, flags, &reading->parts, why);
    return rule->pattern != NULL ? SLUICE_OK : refuse(reading, why);
}

/* Takes the rule, whatever happens. */
static sluice_status add_rule(struct reading *reading, const struct rule *rule)
{
    struct rules *rules = reading->rules;
    struct rule *list = reallocarray(rules->list, rules->count + 1, sizeof(*list));

    if (list == NULL) {
        rules_engine.free(rule->pattern);
        free(rule->value);
        return refuse(reading, "out of memory");
    }
    rules->list = list;
    list[rules->count++] = *rule;
    return SLUICE_OK;
}

/* NULL, or why the value cannot be that of the rule. */
static const char *check_value(const struct reading *reading, const char *value, struct rule *rule)
{
    size_t highest;
    const char *wrong;

    if (!rules_engine.is_delimited)
        return value[0] != '\0' ? NULL : "no lookup result";
    wrong = rules_value_check(value, &highest);
    if (wrong == NULL && highest > reading->parts)
        wrong = "out of range replacement index";
    if (wrong == NULL && highest > 0 && rule->is_negated)
        wrong = "$number found in negative match replacement text";
    if (wrong == NULL && value[0] == '\0')
        warn(reading, "no replacement text: using empty string");
    rule->part_count = highest > 0 ? highest + 1 : 0;
    return wrong;
}

static sluice_status read_match(struct reading *reading, char *at)
{
    struct rule rule = {.line = reading->source->line_number};
    const char *wrong;

    sluice_status st = read_pattern(reading, &at, &rule);
    if (st != SLUICE_OK)
        return st;
    wrong = check_value(reading, at, &rule);
    if (wrong == NULL) {
        rule.value = strdup(at);
        wrong = rule.value == NULL ? "out of memory" : NULL;
    }
    if (wrong != NULL) {
        rules_engine.free(rule.pattern);
        return refuse(reading, wrong);
    }
    return add_rule(reading, &rule);
}

static sluice_status read_if(struct reading *reading, char *at)
{
    struct rule rule = {.line = reading->source->line_number};
    sluice_status st;

    if (reading->depth == DEPTH_MAX)
        return refuse(reading, "too many IFs in one another");
    st = read_pattern(reading, &at, &rule);
    if (st != SLUICE_OK)
        return st;
    if (*at != '\0')
        warn(reading, "ignoring extra text after IF statement");
    st = add_rule(reading, &rule);
    if (st == SLUICE_OK)
        reading->open[reading->depth++] = reading->rules->count - 1;
    return st;
}

static sluice_status read_endif(struct reading *reading, char *at)
{
    if (*skip_space(at) != '\0')
        warn(reading, "ignoring extra text after ENDIF");
    if (reading->depth == 0)
        warn(reading, "ignoring ENDIF without matching IF");
    else
        reading->rules->list[reading->open[--reading->depth]].after = reading->rules->count;
    return SLUICE_OK;
}

static bool is_statement(const char *line, const char *word)
{
    size_t len = strlen(word);

    return strncasecmp(line, word, len) == 0 && !isalnum((unsigned char)line[len]);
}

static sluice_status read_rule(struct reading *reading)
{
    char *line = reading->source->line;

    if (strlen(line) != reading->source->line_len)
        return refuse(reading, "a NUL byte");
    if (is_statement(line, "if"))
        return read_if(reading, line + 2);
    if (is_statement(line, "endif"))
        return read_endif(reading, line + 5);
    if (rules_engine.is_delimited && isalnum((unsigned char)line[0]))
        return refuse(reading, "unrecognized request");
    return read_match(reading, line);
}

static sluice_status read_rules(struct source *source, const struct sluice_errors *errors,
                                void **ret_content)
{
    struct rules *rules = calloc(1, sizeof(*rules));
    struct reading reading = {.source = source, .errors = errors, .rules = rules};
    sluice_status st = SLUICE_TEMP;

    if (rules != NULL)
        rules->name = strdup(source->name);
    if (rules == NULL || rules->name == NULL)
        (void)explain(errors, st, "read %s: out of memory", source->name);
    else
        st = source_line(source, errors);
    while (st == SLUICE_OK) {
        st = read_rule(&reading);
        if (st == SLUICE_OK)
            st = source_line(source, errors);
    }
    if (st != SLUICE_NOT_FOUND) {
        rules_free(rules);
        return st;
    }
    if (reading.depth > 0)
        warn(&reading, "IF has no matching ENDIF");
    *ret_content = rules;
    return SLUICE_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* "{{rule}, {rule}}" as lines. NULL, or what is wrong with it. */
static const char *unfold(const char *name, char **ret_text)
{
    struct sluice_span rest, item;
    const char *wrong = braces_strip(sluice_span_of(name), &rest);
    size_t size;
    char *text = NULL;
    FILE *out = wrong == NULL ? open_memstream(&text, &size) : NULL;

    if (wrong == NULL && out == NULL)
        return "no memory for";
    while (wrong == NULL && braces_next(&rest, &item)) {
        wrong = braces_strip(item, &item);
        if (wrong == NULL && fprintf(out, "%.*s\n", (int)item.len, item.ptr) < 0)
            wrong = "no memory for";
    }
    if (out != NULL && (fputc('\n', out) == EOF || fclose(out) == EOF))
        wrong = "no memory for";
    if (wrong == NULL)
        *ret_text = text;
    else
        free(text);
    return wrong;
}

static sluice_status open_inline(const struct sluice_host *host, const struct watched_kind *kind,
                                 const char *name, const struct sluice_errors *errors,
                                 struct watched **ret_watched)
{
    char *text = NULL;
    const char *wrong = unfold(name, &text);
    sluice_status st;

    if (wrong != NULL)
        return explain(errors, SLUICE_CONFIG, "%s map: %s \"%s\"", kind->type, wrong, name);
    st = watched_open_text(host, kind, "(inline)", text, errors, ret_watched);
    free(text);
    return st;
}

static sluice_status rules_open(const struct sluice_host *host, const struct sluice_config *config,
                                const char *name, const struct sluice_errors *errors,
                                struct sluice_lookup **ret_lookup)
{
    const struct watched_kind kind = {
        .type = rules_engine.type, .read = read_rules, .free = rules_free};
    struct watched *watched = NULL;
    sluice_status st;

    (void)config; /* no options */
    if (name[0] == '{')
        st = open_inline(host, &kind, name, errors, &watched);
    else
        st = watched_open(host, &kind, name, errors, &watched);
    if (st == SLUICE_OK)
        *ret_lookup = (struct sluice_lookup *)(void *)watched;
    return st;
}

static void rules_close(struct sluice_lookup *lookup)
{
    watched_close(watched_of(lookup));
}

static sluice_status rules_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    return watched_generation(watched_of(lookup), ret_generation);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status fail_rule(const struct rules *rules, const struct rule *rule, const char *why,
                               const struct sluice_errors *errors)
{
    return explain(errors, SLUICE_TEMP, "%s map %s, line %lu: %s", rules_engine.type, rules->name,
                   rule->line, why);
}

static sluice_status answer(const struct rules *rules, const struct rule *rule,
                            const struct sluice_span *parts, const struct sluice_lookup_sink *sink,
                            const struct sluice_errors *errors)
{
    size_t len;
    char *text;

    if (!rules_engine.is_delimited || strchr(rule->value, '$') == NULL) {
        sink->value(sink, sluice_span_of(rule->value));
        return SLUICE_OK;
    }
    /* Whoever writes to us must not say where mail goes. */
    if (rule->part_count > 0 && sluice_sink_has(sink, SLUICE_SINK_NO_SUBSTITUTION) != 0)
        return fail_rule(rules, rule, "regular expression substitution is not allowed here",
                         errors);
    if (rules_value_expand(rule->value, parts, &text, &len) != SLUICE_OK)
        return fail_rule(rules, rule, "out of memory", errors);
    sink->value(sink, (struct sluice_span){text, len});
    free(text);
    return SLUICE_OK;
}

static sluice_status find(const struct rules *rules, const struct rules_key *key,
                          const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    struct sluice_span parts[RULES_PARTS_MAX];

    for (size_t i = 0; i < rules->count;) {
        const struct rule *rule = &rules->list[i];
        enum rules_verdict verdict =
            rules_engine.match(rule->pattern, key, parts, rule->part_count);
        bool is_hit = verdict == (rule->is_negated ? RULES_DIFFERS : RULES_MATCHES);

        if (verdict == RULES_FAILED)
            return fail_rule(rules, rule, "matching takes too much time or memory", errors);
        if (is_hit && rule->value != NULL)
            return answer(rules, rule, parts, sink, errors);
        if (is_hit || rule->value != NULL)
            i++;
        else if (rule->after > 0)
            i = rule->after;
        else
            break;
    }
    return SLUICE_NOT_FOUND;
}

static sluice_status rules_find(struct sluice_lookup *lookup, struct sluice_span key,
                                int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                const struct sluice_errors *errors)
{
    struct rules_key prepared = {.text.len = key.len};
    const void *rules;
    sluice_status st = watched_get(watched_of(lookup), errors, &rules);
    char *copy;

    (void)deadline_ms; /* does not wait */
    if (st != SLUICE_OK)
        return st;
    copy = calloc(1, key.len + 1);
    if (copy == NULL)
        return explain(errors, SLUICE_TEMP, "%s: out of memory", rules_engine.type);
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    prepared.text.ptr = copy;
    if (rules_engine.prepare != NULL && !rules_engine.prepare(&prepared))
        st = SLUICE_NOT_FOUND;
    else
        st = find(rules, &prepared, sink, errors);
    free(copy);
    return st;
}

const struct sluice_lookup_ops rules_ops = {
    .struct_size = sizeof(rules_ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_PATTERNS,
    .open = rules_open,
    .close = rules_close,
    .find = rules_find,
    .generation = rules_generation,
};
