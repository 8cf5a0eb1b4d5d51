/* SPDX-License-Identifier: ISC */
/*
 * logging: how the configuration wants the log.
 */
#ifndef CONFIG_LOGGING_H
#define CONFIG_LOGGING_H

#include "base/log.h"
#include "config/config.h"

/* What a role or the master is called in the log, where tools look for Postfix's names. */
const char *logging_component(const char *role);
/* Format, level, name and facility; where it goes stays as it is. */
void logging_configure(const struct config *config, struct log_settings *settings);

#endif
