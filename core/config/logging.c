/* SPDX-License-Identifier: ISC */
/*
 * logging: see logging.h.
 */
#include "config/logging.h"

#include <stdio.h>
#include <string.h>

const char *logging_component(const char *role)
{
    static const struct {
        const char *role;
        const char *component;
    } names[] = {{"receive", "smtpd"}, {"queue", "qmgr"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].role, role) == 0)
            return names[i].component;
    }
    return role;
}

void logging_configure(const struct config *config, struct log_settings *settings)
{
    settings->format =
        strcmp(config_text(config, "log_format"), "json") == 0 ? LOG_AS_JSON : LOG_AS_TEXT;
    (void)log_level_find(config_text(config, "log_level"), &settings->max_level); /* checked */
    (void)snprintf(settings->name, sizeof(settings->name), "%s",
                   config_text(config, "syslog_name"));
    (void)snprintf(settings->facility, sizeof(settings->facility), "%s",
                   config_text(config, "syslog_facility"));
}
