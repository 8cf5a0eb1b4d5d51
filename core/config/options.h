/* SPDX-License-Identifier: ISC */
/*
 * options: from what the file says to typed values, after a table of declared options. The same for
 * the core's parameters and for plugins.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "base/error.h"
#include "config/expand.h"
#include "config/file.h"
#include "config/values.h"
#include "sluice/plugin.h"

/* Flags of the core's own options, beside those of the SDK. */
#define OPTION_INTERNAL ((uint32_t)1 << 16) /* computed; cannot be set */
#define OPTION_TABLES ((uint32_t)1 << 17)   /* items of the form type:name are tables */
#define OPTION_HOURS ((uint32_t)1 << 19)    /* a duration without a unit is in hours, not seconds */
#define OPTION_DAYS ((uint32_t)1 << 20)     /* in days */

#define OPTION_STRESS ((uint32_t)1 << 18)   /* may refer to $stress */

#define OPTIONS_MAX 512 /* in one table */

/* What making a value takes. */
struct options {
    struct arena *arena;
    struct report *report;
    const char *folder; /* that relative paths count from */
    struct expand_source parameters;
};

/* Is the table itself sound? CONFIG with a text that names the option. */
sluice_status options_check_table(const struct sluice_option *table, size_t count,
                                  struct error *err);
/* NULL if there is none. */
const struct sluice_option *options_find(const struct sluice_option *table, size_t count,
                                         const char *key);

/*
 * The value of one option from a setting, or from a text as it would be in the file (NULL: it has
 * none). False after a report: *ret_value is then one that is not set.
 */
bool option_from_setting(const struct options *options, const struct sluice_option *option,
                         const struct setting *setting, struct value *ret_value);
bool option_from_text(const struct options *options, const struct sluice_option *option,
                      const char *text, struct place place, struct value *ret_value);

/* Takes the next item of a list in Postfix's notation from the beginning of *rest; NUL bytes must not
 * be in it. False: there is none. */
bool list_next(struct sluice_span *rest, struct sluice_span *ret_item);

/* The word for a type: "duration". */
const char *option_type_name(int32_t type);
/* "sluice.conf:12" or "default". */
const char *place_text(struct arena *arena, struct place place);

#endif
