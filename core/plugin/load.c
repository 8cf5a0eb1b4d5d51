/* SPDX-License-Identifier: ISC */
/*
 * load: see load.h. trust.c has the part that comes before.
 *
 * Loaded code stays for the life of the process, and so do the entries of the list here: it is the
 * one global thing in this folder.
 */
#include "plugin/load.h"

#include "config/options.h"
#include "plugin/image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ltdl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define ENTRY "sluice_plugin_entry_v1"
#define DESC_SIZE_MAX 4096 /* of any descriptor in a future that is still ours */
#define OPTION_SIZE_MAX 512
#define PATH_SIZE 32

typedef const struct sluice_plugin_desc *entry_fn(void);

struct plugin {
    char *name;
    int fd; /* open for good: glibc knows the code by the path /proc/self/fd/N */
    struct sluice_plugin_desc desc;
    struct sluice_option *options;
    struct plugin *next;
};

static struct plugin *loaded;
static int (*finder)(const char *name);

void plugin_set_finder(int (*find_fd)(const char *name))
{
    finder = find_fd;
}

struct plugin *plugin_find(const char *name)
{
    struct plugin *plugin;

    LL_FOREACH(loaded, plugin)
    {
        if (strcmp(plugin->name, name) == 0)
            return plugin;
    }
    return NULL;
}

const struct sluice_plugin_desc *plugin_desc(const struct plugin *plugin)
{
    return &plugin->desc;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* The loader begins its texts with the path, which says nothing to anybody. */
static sluice_status loader_error(const char *name, const char *path, struct error *err)
{
    const char *reason = dlerror();
    size_t len = strlen(path);

    if (reason == NULL)
        reason = "the loader gives no reason";
    if (strncmp(reason, path, len) == 0 && strncmp(reason + len, ": ", 2) == 0)
        reason += len + 2;
    return error_set(err, SLUICE_CONFIG, "plugin %s: %s", name, reason);
}

static lt_dlhandle open_resident(const char *path)
{
    lt_dladvise advise;
    lt_dlhandle handle = NULL;

    if (lt_dlinit() != 0 || lt_dladvise_init(&advise) != 0)
        return NULL;
    if (lt_dladvise_local(&advise) == 0 && lt_dladvise_resident(&advise) == 0)
        handle = lt_dlopenadvise(path, advise);
    (void)lt_dladvise_destroy(&advise); /* fails only for NULL */
    return handle;
}

/*
 * libltdl binds lazily and gives no reasons. So the file is opened beforehand, with all its symbols
 * bound: a plugin that lacks one is refused now and not at the first call, however it was linked.
 */
static sluice_status open_code(const char *name, int fd, entry_fn **ret_entry, struct error *err)
{
    char path[PATH_SIZE];
    void *bound;
    void *symbol;
    lt_dlhandle handle;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bound = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (bound == NULL)
        return loader_error(name, path, err);
    handle = open_resident(path);
    (void)dlclose(bound); /* libltdl holds it, or nobody needs it */
    if (handle == NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s: %s", name, lt_dlerror());
    symbol = lt_dlsym(handle, ENTRY);
    if (symbol == NULL)
        return error_set(err, SLUICE_CONFIG,
                         "plugin %s has no %s: it is none, or not for this version of Sluice", name,
                         ENTRY);
    memcpy(ret_entry, &symbol, sizeof(symbol)); /* ISO C has no cast for this, POSIX requires it */
    return SLUICE_OK;
}

/* ---- the descriptor ------------------------------------------------------------------------- */

static const char *find_fault(const struct sluice_plugin_desc *desc)
{
    if (desc->version == NULL || desc->summary == NULL)
        return "version or summary is missing";
    if (desc->license == NULL || desc->license[0] == '\0')
        return "the licence is missing";
    if (desc->mode < SLUICE_MODE_TASK || desc->mode > SLUICE_MODE_PARALLEL)
        return "the mode is unknown";
    if (desc->get_interface == NULL)
        return "get_interface is missing";
    if (desc->option_count > OPTIONS_MAX)
        return "there are too many options";
    if (desc->option_count > 0 && desc->options == NULL)
        return "option_count is not 0, but options is NULL";
    if (desc->option_count > 0 && (desc->option_size < sizeof(struct sluice_option) ||
                                   desc->option_size > OPTION_SIZE_MAX))
        return "option_size is not the size of a struct sluice_option";
    return NULL;
}

/* The table in our stride, whatever the plugin's is. */
static struct sluice_option *copy_options(const struct sluice_plugin_desc *desc)
{
    struct sluice_option *options = calloc((size_t)desc->option_count + 1, sizeof(*options));
    const char *from = (const char *)desc->options;

    for (uint32_t i = 0; options != NULL && i < desc->option_count; i++)
        memcpy(&options[i], from + (size_t)i * desc->option_size, sizeof(*options));
    return options;
}

static sluice_status check_desc(struct plugin *plugin, const struct sluice_plugin_desc *desc,
                                struct error *err)
{
    const char *fault;
    sluice_status st;

    if (desc == NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s: " ENTRY " returns NULL", plugin->name);
    if (desc->struct_size < sizeof(*desc) || desc->struct_size > DESC_SIZE_MAX)
        return error_set(err, SLUICE_CONFIG,
                         "plugin %s: struct_size of its descriptor is %lu, not the size of a struct "
                         "sluice_plugin_desc",
                         plugin->name, (unsigned long)desc->struct_size);
    memcpy(&plugin->desc, desc, sizeof(*desc));
    if (plugin->desc.name == NULL || strcmp(plugin->desc.name, plugin->name) != 0)
        return error_set(err, SLUICE_CONFIG, "plugin %s: the file says that it is %s", plugin->name,
                         plugin->desc.name != NULL ? plugin->desc.name : "nameless");
    fault = find_fault(&plugin->desc);
    if (fault != NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s: %s", plugin->name, fault);
    plugin->options = copy_options(&plugin->desc);
    if (plugin->options == NULL)
        return error_set(err, SLUICE_TEMP, "plugin %s: out of memory", plugin->name);
    plugin->desc.struct_size = sizeof(plugin->desc);
    plugin->desc.options = plugin->options;
    plugin->desc.option_size = sizeof(struct sluice_option);
    st = options_check_table(plugin->options, plugin->desc.option_count, err);
    if (st != SLUICE_OK)
        error_prefix(err, "plugin %s", plugin->name);
    return st;
}

/* ---- loading -------------------------------------------------------------------------------- */

static void plugin_free(struct plugin *plugin)
{
    free(plugin->options);
    free(plugin->name);
    free(plugin);
}

static struct plugin *plugin_new(const char *name, int fd)
{
    struct plugin *plugin = calloc(1, sizeof(*plugin));

    if (plugin == NULL)
        return NULL;
    plugin->name = strdup(name);
    /* Stays open also when the code turns out to be unusable: it is in the process all the same,
     * and another file must not get its number. */
    plugin->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (plugin->name == NULL || plugin->fd == -1) {
        plugin_free(plugin);
        return NULL;
    }
    return plugin;
}

sluice_status plugin_load(const char *name, int fd, struct plugin **ret_plugin, struct error *err)
{
    struct plugin *plugin = plugin_find(name);
    entry_fn *entry = NULL;
    sluice_status st;

    if (plugin != NULL) {
        *ret_plugin = plugin;
        return SLUICE_OK;
    }
    plugin = plugin_new(name, fd);
    if (plugin == NULL)
        return error_set(err, SLUICE_TEMP, "plugin %s: %s", name, strerror(errno));
    st = image_check(name, plugin->fd, err);
    if (st == SLUICE_OK)
        st = open_code(name, plugin->fd, &entry, err);
    if (st == SLUICE_OK)
        st = check_desc(plugin, entry(), err);
    if (st != SLUICE_OK) {
        plugin_free(plugin);
        return st;
    }
    LL_PREPEND(loaded, plugin);
    *ret_plugin = plugin;
    return SLUICE_OK;
}

sluice_status plugin_need(const char *name, struct plugin **ret_plugin, struct error *err)
{
    struct plugin *plugin = plugin_find(name);
    int fd;

    if (plugin != NULL) {
        *ret_plugin = plugin;
        return SLUICE_OK;
    }
    fd = finder != NULL ? finder(name) : -1;
    if (fd == -1)
        return error_set(err, SLUICE_CONFIG, "plugin %s: its file is not there", name);
    return plugin_load(name, fd, ret_plugin, err);
}
