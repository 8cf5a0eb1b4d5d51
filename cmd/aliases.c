/* SPDX-License-Identifier: ISC */
/* aliases: see aliases.h. */
#include "aliases.h"

#include "place.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Nobody has asked for the usual table where nobody has written one. */
static bool is_absent(const struct draft_parameter *database)
{
    const char *table = database->value.item_count == 1 ? database->value.items[0] : "";
    const char *colon = strchr(table, ':');

    return database->setting == NULL && colon != NULL && access(colon + 1, F_OK) == -1 &&
           errno == ENOENT;
}

/* postalias -c CONFIG -- TABLE...; the array lives in the draft. */
static const char **arguments_for(struct draft *draft, const char *config_path,
                                  const struct value *tables)
{
    static const char *const before[] = {"postalias", "-c", NULL, "--"};
    const size_t count = sizeof(before) / sizeof(before[0]);
    const char **arguments =
        arena_alloc(&draft->arena, (count + tables->item_count + 1) * sizeof(*arguments));

    memcpy(arguments, before, sizeof(before));
    arguments[2] = config_path;
    for (size_t i = 0; i < tables->item_count; i++)
        arguments[count + i] = tables->items[i];
    arguments[count + tables->item_count] = NULL;
    return arguments;
}

static int rebuild(const struct mailq *mailq, struct draft *draft)
{
    struct error err = ERROR_INIT;
    char path[PATH_MAX];

    if (place_read(mailq->config_path, draft, &err) != SLUICE_OK)
        return mailq_fatal(mailq, "%s", err.text);
    const struct draft_parameter *database = draft_parameter(draft, "alias_database");
    if (database->value.item_count == 0 || is_absent(database))
        return EX_OK;
    if (!program_find("postalias", path))
        return mailq_fatal(mailq, "cannot find postalias");
    const char **arguments = arguments_for(draft, mailq->config_path, &database->value);
    (void)execv(path, (char *const *)(uintptr_t)arguments);
    return mailq_fatal(mailq, "%s: %s", path, strerror(errno));
}

int aliases_rebuild(const struct mailq *mailq)
{
    struct draft draft;

    draft_init(&draft);
    int code = rebuild(mailq, &draft);
    draft_done(&draft);
    return code;
}
