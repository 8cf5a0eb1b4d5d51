/* SPDX-License-Identifier: ISC */
/*
 * rules: what must hold between values, beyond the type and range of each: that addresses are
 * addresses, that transports which are named exist, and the mistakes that Postfix's documentation
 * warns of.
 */
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include "config/draft.h"

/* After draft_read. What is wrong goes into the report. */
void rules_check(struct draft *draft);
/* The same for what plugins' options add, after draft_settle of all instances. */
void rules_check_settled(struct draft *draft);

#endif
