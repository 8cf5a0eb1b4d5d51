/* SPDX-License-Identifier: ISC */
/*
 * settle: the second half of reading a configuration: what the plugins say about their options.
 */
#ifndef PLUGIN_SETTLE_H
#define PLUGIN_SETTLE_H

#include "config/draft.h"

/* Loads every instance's plugin (plugin_need), gives the draft its options and values, and reports
 * what nobody knows. Instances whose plugin is missing are left out. */
void settle_instances(struct draft *draft);

#endif
