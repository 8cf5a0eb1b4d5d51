/* SPDX-License-Identifier: ISC */
/*
 * files: see files.h.
 */
#include "master/files.h"

#include "plugin/load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

struct plugin_file {
    const char *plugin; /* the draft's or a plugin's own constant */
    int fd;             /* -1: it could not be opened */
    struct plugin_file *next;
};

static struct {
    struct draft *draft;
    uid_t owner;
    int folder_fd;
    struct plugin_file *list;
} files = {.folder_fd = -1};

static struct plugin_file *find(const char *plugin)
{
    struct plugin_file *file;

    LL_FOREACH(files.list, file)
    {
        if (strcmp(file->plugin, plugin) == 0)
            return file;
    }
    return NULL;
}

int files_fd(const char *plugin)
{
    const struct plugin_file *file = find(plugin);

    return file != NULL ? file->fd : -1;
}

static struct plugin_file *open_file(const char *plugin, struct place place)
{
    struct plugin_file *file = arena_alloc(&files.draft->arena, sizeof(*file));
    struct error err = ERROR_INIT;

    *file = (struct plugin_file){.plugin = plugin, .fd = -1};
    if (plugin_open_in(files.folder_fd, plugin, files.owner, &file->fd, &err) != SLUICE_OK)
        report_error(&files.draft->report, place, "plugin %s: %s", plugin, err.text);
    LL_PREPEND(files.list, file);
    return file;
}

/* Asked by the plugin host for the base of a derived plugin, after the rights were dropped. */
static int find_fd(const char *plugin)
{
    const struct plugin_file *file = find(plugin);

    if (file == NULL)
        file = open_file(plugin, PLACE_DEFAULT);
    return file->fd;
}

static bool open_folder(void)
{
    const struct draft_parameter *directory = draft_parameter(files.draft, "plugin_directory");
    struct error err = ERROR_INIT;

    if (directory->value.text == NULL)
        return false; /* reported */
    if (plugin_open_folder(directory->value.text, files.owner, &files.folder_fd, &err) == SLUICE_OK)
        return true;
    report_error(&files.draft->report, draft_place(files.draft, "plugin_directory"),
                 "plugin_directory: %s", err.text);
    return false;
}

void files_open(struct draft *draft, uid_t owner)
{
    bool has_folder;

    files.draft = draft;
    files.owner = owner;
    has_folder = open_folder();
    for (size_t i = 0; i < draft->instance_count; i++) {
        struct draft_instance *instance = &draft->instances[i];
        const struct plugin_file *file = has_folder ? find(instance->plugin) : NULL;

        if (has_folder && file == NULL)
            file = open_file(instance->plugin, instance->place);
        instance->is_missing = file == NULL || file->fd == -1;
    }
    plugin_set_finder(find_fd);
}

void files_close(void)
{
    struct plugin_file *file;

    LL_FOREACH(files.list, file)
    {
        if (file->fd != -1)
            (void)close(file->fd); /* only read */
    }
    if (files.folder_fd != -1)
        (void)close(files.folder_fd); /* only a path */
    files.list = NULL;
    files.folder_fd = -1;
    plugin_set_finder(NULL);
}
