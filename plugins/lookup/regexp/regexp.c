/* SPDX-License-Identifier: ISC */
/*
 * regexp: tables of POSIX regular expressions: "regexp:/etc/sluice/patterns".
 *
 * Flags, each of which turns something over: i (on) letters alike in both cases, x (on) extended
 * expressions, m (off) lines within a key. The notation of the file is that of common/rules.h.
 */
#include "rules.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rules_pattern {
    regex_t regex;
};

/* False: one of the flags is none. */
static bool read_flags(const char *flags, int *ret_options, char why[RULES_WHY_MAX])
{
    int options = REG_EXTENDED | REG_ICASE;

    for (; *flags != '\0'; flags++) {
        switch (*flags) {
        case 'i':
            options ^= REG_ICASE;
            break;
        case 'm':
            options ^= REG_NEWLINE;
            break;
        case 'x':
            options ^= REG_EXTENDED;
            break;
        default:
            (void)snprintf(why, RULES_WHY_MAX, "unknown regexp option \"%c\"", *flags);
            return false;
        }
    }
    *ret_options = options;
    return true;
}

static struct rules_pattern *regexp_compile(const char *text, const char *flags, size_t *ret_parts,
                                            char why[RULES_WHY_MAX])
{
    struct rules_pattern *pattern;
    int options, error;

    if (!read_flags(flags, &options, why))
        return NULL;
    pattern = calloc(1, sizeof(*pattern));
    error = pattern != NULL ? regcomp(&pattern->regex, text, options) : REG_ESPACE;
    if (error != 0) {
        (void)regerror(error, pattern != NULL ? &pattern->regex : NULL, why, RULES_WHY_MAX);
        free(pattern); /* regcomp has left nothing in it */
        return NULL;
    }
    *ret_parts = pattern->regex.re_nsub;
    return pattern;
}

static void regexp_free(struct rules_pattern *pattern)
{
    regfree(&pattern->regex);
    free(pattern);
}

static enum rules_verdict regexp_match(struct rules_pattern *pattern, const struct rules_key *key,
                                       struct sluice_span *parts, size_t part_count)
{
    regmatch_t matches[RULES_PARTS_MAX] = {{.rm_so = 0, .rm_eo = (regoff_t)key->text.len}};
    int error = regexec(&pattern->regex, key->text.ptr, part_count, matches, REG_STARTEND);

    if (error != 0)
        return error == REG_NOMATCH ? RULES_DIFFERS : RULES_FAILED;
    for (size_t i = 0; i < part_count; i++) {
        parts[i] = (struct sluice_span){NULL, 0};
        if (matches[i].rm_so != -1)
            parts[i] = (struct sluice_span){key->text.ptr + matches[i].rm_so,
                                            (size_t)(matches[i].rm_eo - matches[i].rm_so)};
    }
    return RULES_MATCHES;
}

const struct rules_engine rules_engine = {
    .type = "regexp",
    .is_delimited = true,
    .compile = regexp_compile,
    .free = regexp_free,
    .match = regexp_match,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &rules_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/regexp",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tables of POSIX regular expressions",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
