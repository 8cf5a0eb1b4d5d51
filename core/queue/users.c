/* SPDX-License-Identifier: ISC */
/*
 * users: see users.h.
 */
#include "queue/users.h"

#include "base/log.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define ANYONE "static:anyone"

static bool parse(const char *item, struct user_rule *ret_rule)
{
    struct user_rule rule = {0};
    const struct passwd *user;

    if (item[0] == '!') {
        rule.is_excluded = true;
        item++;
    }
    rule.is_anyone = strcmp(item, ANYONE) == 0;
    user = rule.is_anyone ? NULL : getpwnam(item);
    if (user != NULL)
        rule.uid = user->pw_uid;
    *ret_rule = rule;
    return rule.is_anyone || user != NULL;
}

sluice_status users_read(struct users *users, const struct config *config, const char *parameter)
{
    size_t count = config_count(config, parameter);

    users->rules = calloc(count + 1, sizeof(*users->rules));
    if (users->rules == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0; i < count; i++) {
        const char *item = config_item(config, parameter, i);

        if (parse(item, &users->rules[users->count]))
            users->count++;
        else
            log_warning("%s: %s: there is no user %s", config_origin(config, parameter), parameter,
                        item);
    }
    return SLUICE_OK;
}

void users_done(struct users *users)
{
    free(users->rules);
    *users = (struct users){0};
}

bool users_have(const struct users *users, uid_t uid)
{
    for (size_t i = 0; i < users->count; i++) {
        const struct user_rule *rule = &users->rules[i];

        if (rule->is_anyone || rule->uid == uid)
            return !rule->is_excluded;
    }
    return false;
}
