/* SPDX-License-Identifier: ISC */
/*
 * pcre: tables of Perl's regular expressions: "pcre:/etc/sluice/patterns".
 *
 * Flags, each of which turns something over: i (on) letters alike in both cases, s (on) "." matches
 * line ends, m lines within a key, x white space and comments in patterns, A anchored, E "$" at the
 * very end only, U not greedy; X means nothing any more. The notation of the file is that of
 * common/rules.h. How far a match may search has a limit: keys come from strangers.
 */
#include "rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_STEPS_MAX 200000
#define MATCH_HEAP_KIB 4096

struct rules_pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* False: one of the flags is none. */
static bool read_flags(const char *flags, uint32_t *ret_options, char why[RULES_WHY_MAX])
{
    static const struct {
        char flag;
        uint32_t option;
    } known[] = {
        {'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE},       {'s', PCRE2_DOTALL},
        {'x', PCRE2_EXTENDED}, {'A', PCRE2_ANCHORED},        {'E', PCRE2_DOLLAR_ENDONLY},
        {'U', PCRE2_UNGREEDY}, {'X', 0 /* always strict */},
    };
    uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;

    for (; *flags != '\0'; flags++) {
        size_t i = 0;

        while (i < sizeof(known) / sizeof(known[0]) && known[i].flag != *flags)
            i++;
        if (i == sizeof(known) / sizeof(known[0])) {
            (void)snprintf(why, RULES_WHY_MAX, "unknown regexp option \"%c\"", *flags);
            return false;
        }
        options ^= known[i].option;
    }
    *ret_options = options;
    return true;
}

static void pcre_free(struct rules_pattern *pattern)
{
    pcre2_match_context_free(pattern->limits);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    free(pattern);
}

/* False: no memory. */
static bool make_room(struct rules_pattern *pattern)
{
    pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    pattern->limits = pcre2_match_context_create(NULL);
    if (pattern->data == NULL || pattern->limits == NULL)
        return false;
    (void)pcre2_set_match_limit(pattern->limits, MATCH_STEPS_MAX); /* always 0 */
    (void)pcre2_set_heap_limit(pattern->limits, MATCH_HEAP_KIB);
    return true;
}

static struct rules_pattern *pcre_compile(const char *text, const char *flags, size_t *ret_parts,
                                          char why[RULES_WHY_MAX])
{
    struct rules_pattern *pattern;
    uint32_t options, parts = 0;
    PCRE2_SIZE offset;
    int error = PCRE2_ERROR_NOMEMORY;

    if (!read_flags(flags, &options, why))
        return NULL;
    pattern = calloc(1, sizeof(*pattern));
    if (pattern != NULL)
        pattern->code =
            pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
    if (pattern == NULL || pattern->code == NULL || !make_room(pattern)) {
        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)why, RULES_WHY_MAX);
        if (pattern != NULL)
            pcre_free(pattern);
        return NULL;
    }
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &parts); /* is known */
    *ret_parts = parts;
    return pattern;
}

static enum rules_verdict pcre_match(struct rules_pattern *pattern, const struct rules_key *key,
                                     struct sluice_span *parts, size_t part_count)
{
    const PCRE2_SIZE *matches = pcre2_get_ovector_pointer(pattern->data);
    int set = pcre2_match(pattern->code, (PCRE2_SPTR)key->text.ptr, key->text.len, 0, 0,
                          pattern->data, pattern->limits);

    if (set < 0)
        return set == PCRE2_ERROR_NOMATCH ? RULES_DIFFERS : RULES_FAILED;
    for (size_t i = 0; i < part_count; i++) {
        PCRE2_SIZE from = matches[2 * i], to = matches[2 * i + 1];

        parts[i] = (struct sluice_span){NULL, 0};
        if (i < (size_t)set && from != PCRE2_UNSET && from < to)
            parts[i] = (struct sluice_span){key->text.ptr + from, to - from};
    }
    return RULES_MATCHES;
}

const struct rules_engine rules_engine = {
    .type = "pcre",
    .is_delimited = true,
    .compile = pcre_compile,
    .free = pcre_free,
    .match = pcre_match,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &rules_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/pcre",
    .version = "0.1.0",
    .license = "ISC AND BSD-3-Clause",
    .summary = "Tables of regular expressions as in Perl",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
