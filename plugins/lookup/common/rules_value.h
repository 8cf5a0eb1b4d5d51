/* SPDX-License-Identifier: ISC */
/*
 * rules_value: values of rules, which may refer to parts of the key.
 */
#ifndef SLUICE_TABLE_RULES_VALUE_H
#define SLUICE_TABLE_RULES_VALUE_H

#include "rules.h"

/* The highest $number of the value, 0: it has none. NULL, or what is wrong: static text. */
const char *rules_value_check(const char *value, size_t *ret_highest);

/* The value with its parts put in, for the caller to free. TEMP: no memory. */
sluice_status rules_value_expand(const char *value, const struct sluice_span *parts,
                                 char **ret_text, size_t *ret_len);

#endif /* SLUICE_TABLE_RULES_VALUE_H */
