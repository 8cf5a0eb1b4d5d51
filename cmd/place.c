/* SPDX-License-Identifier: ISC */
/*
 * place: one path.
 */
#include "place.h"

#include "control_client.h"

#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

void place_default(char path[PATH_MAX])
{
    const char *where = getenv("MAIL_CONFIG");

    place_set(path, where != NULL && where[0] != '\0' ? where : CONFIG_FOLDER);
}

void place_set(char path[PATH_MAX], const char *where)
{
    const char *slash = strrchr(where, '/');
    const char *name = slash != NULL ? slash + 1 : where;
    struct stat info;

    if (stat(where, &info) == 0 ? S_ISREG(info.st_mode) : strcmp(name, CONFIG_NAME) == 0)
        (void)snprintf(path, PATH_MAX, "%s", where);
    else
        (void)snprintf(path, PATH_MAX, "%s/" CONFIG_NAME, where);
}

const char *place_or_default(const char *path)
{
    if (access(path, F_OK) == -1 && errno == ENOENT && strcmp(path, CONFIG_PATH) == 0)
        return PLACE_NO_CONFIG;
    return path;
}

sluice_status place_read(const char *path, struct draft *draft, struct error *err)
{
    path = place_or_default(path);
    if (access(path, R_OK) == -1)
        return error_set(err, SLUICE_CONFIG, "open %s: %s", path, strerror(errno));
    draft_read(draft, path);
    if (draft->report.error_count == 0)
        return SLUICE_OK;
    return error_set(err, SLUICE_CONFIG, "%s does not check:\n%s", path,
                     buffer_text(&draft->report.text));
}

static bool has_rights_of_its_own(void)
{
    return getuid() != geteuid() || getgid() != getegid() || getauxval(AT_SECURE) != 0;
}

static bool is_named(struct draft *draft, const char *path)
{
    const struct draft_parameter *list = draft_parameter(draft, "alternate_config_directories");
    char allowed[PATH_MAX];

    for (size_t i = 0; list != NULL && i < list->value.item_count; i++) {
        (void)snprintf(allowed, sizeof(allowed), "%s/" CONFIG_NAME, list->value.items[i]);
        if (strcmp(allowed, path) == 0)
            return true;
    }
    return false;
}

sluice_status place_check(const char *path, struct error *err)
{
    struct draft draft;

    if (!has_rights_of_its_own() || getuid() == 0 || strcmp(path, CONFIG_PATH) == 0)
        return SLUICE_OK;
    draft_init(&draft);
    sluice_status st = control_read_config(&draft, CONFIG_PATH, NULL);
    bool is_allowed = st == SLUICE_OK && is_named(&draft, path);
    draft_done(&draft);
    if (is_allowed)
        return SLUICE_OK;
    return error_set(err, SLUICE_CONFIG, "unauthorized configuration directory name: %s", path);
}
