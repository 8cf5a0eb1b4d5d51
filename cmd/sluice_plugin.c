/* SPDX-License-Identifier: ISC */
/*
 * sluice_plugin: the plugins of the configuration, and what they say about themselves.
 *
 * plugin_need asks for files without an argument of ours: hence the one static folder.
 */
#include "sluice.h"

#include "control_client.h"

#include "config/machine.h"
#include "config/parameters.h"
#include "plugin/derive.h"
#include "plugin/image.h"
#include "plugin/load.h"
#include "plugin/settle.h"
#include "sluice/access.h"
#include "sluice/deferral.h"
#include "sluice/lookup.h"
#include "sluice/nexthop.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static struct {
    const char *folder;
    int fd; /* of the plugin asked for last */
    struct error err;
} files = {.fd = -1};

static int find_fd(const char *name)
{
    if (files.fd != -1)
        (void)close(files.fd); /* the loader has its own */
    if (plugin_open_file(files.folder, name, geteuid(), &files.fd, &files.err) != SLUICE_OK)
        files.fd = -1;
    return files.fd;
}

static int read_config(const struct sluice *sluice, struct draft *draft)
{
    const struct draft_parameter *folder;
    struct error err = ERROR_INIT;

    if (control_read_config(draft, sluice->config_path, &err) != SLUICE_OK)
        return sluice_fatal(EX_CONFIG, "%s", err.text);
    folder = draft_parameter(draft, "plugin_directory");
    if (folder == NULL || folder->value.text == NULL)
        return sluice_fatal(EX_CONFIG, "%s: plugin_directory does not check", sluice->config_path);
    files.folder = folder->value.text;
    plugin_set_finder(find_fd);
    return EX_OK;
}

const char *sluice_plugin_folder(struct arena *arena)
{
    files.folder = machine_plugin_directory(arena);
    plugin_set_finder(find_fd);
    return files.folder;
}

/* The loader's reason, or why there is no file. */
static const char *reason(const struct error *err)
{
    return files.fd == -1 && files.err.text[0] != '\0' ? files.err.text : err->text;
}

/* ---- list ------------------------------------------------------------------------------------ */

static void print_instance(const struct sluice *sluice, const struct draft_instance *instance,
                           const struct sluice_plugin_desc *desc, bool is_first)
{
    if (sluice->wants_json) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", instance->plugin, "instance",
                      instance->name, "interface", instance->interface, "version", desc->version,
                      "license", desc->license, "summary", desc->summary);
        (void)json_dumpf(line, stdout, 0); /* main looks at stdout in the end */
        (void)putchar('\n');
        json_decref(line);
        return;
    }
    if (is_first)
        printf("%-24s %-32s %-8s %s\n", "PLUGIN", "INSTANCE", "VERSION", "SUMMARY");
    printf("%-24s %-32s %-8s %s\n", instance->plugin, instance->name, desc->version, desc->summary);
}

static int list_instances(const struct sluice *sluice, const struct draft *draft)
{
    int code = EX_OK;

    for (size_t i = 0; i < draft->instance_count; i++) {
        struct error err = ERROR_INIT;
        struct plugin *plugin;

        if (plugin_need(draft->instances[i].plugin, &plugin, &err) == SLUICE_OK)
            print_instance(sluice, &draft->instances[i], plugin_desc(plugin), i == 0);
        else
            code = sluice_fatal(EX_CONFIG, "%s: %s", draft->instances[i].plugin, reason(&err));
    }
    return code;
}

int sluice_plugin_list(const struct sluice *sluice)
{
    struct draft draft;
    int code;

    draft_init(&draft);
    code = read_config(sluice, &draft);
    if (code == EX_OK)
        code = list_instances(sluice, &draft);
    draft_done(&draft);
    return code;
}

/* ---- one plugin ------------------------------------------------------------------------------ */

/* How the configuration names a plugin of that kind, and where its options go. */
static const struct {
    const char *interface;
    const char *before; /* its name */
    const char *after;
} kinds[] = {
    {SLUICE_LOOKUP_ID, "tables = ( { name = \"NAME\"; plugin = \"",
     "\"; OPTION = VALUE; } );  NAME may be a path"},
    {SLUICE_TRANSPORT_ID, "transports = ( { name = \"NAME\"; plugin = \"",
     "\"; OPTION = VALUE; } );"},
    {SLUICE_NEXTHOP_ID, "nexthop_chain = [ \"", "\" ];  its options are parameters"},
    {SLUICE_QUEUE_ID, "queue_store = { plugin = \"", "\"; OPTION = VALUE; };"},
    {SLUICE_DEFERRAL_ID, "transports = ( { name = \"NAME\"; deferral = \"",
     "\"; } );  its options are parameters"},
    {SLUICE_ACCESS_ID, "access_plugins = [ \"", "\" ];  its options are parameters"},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* "ldap" for "lookup/ldap": the place where there is such a file. NULL if there is none. */
static const char *full_name(struct draft *draft, const char *name)
{
    static const char *const places[] = {"lookup", "transport", "queue", "access"};

    if (strchr(name, '/') != NULL)
        return name;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(arena_printf(&draft->arena, "%s/%s/%s.so", files.folder, places[i], name),
                   F_OK) == 0)
            return arena_printf(&draft->arena, "%s/%s", places[i], name);
    }
    return NULL;
}

/* By itself, or by way of its base. */
static bool offers(const struct sluice_plugin_desc *desc, const char *interface)
{
    const struct sluice_derive *derive = desc->get_interface(SLUICE_DERIVE_ID);
    bool is_derived = derive != NULL && derive->interface != NULL &&
                      strcmp(derive->interface, interface) == 0;

    return is_derived || desc->get_interface(interface) != NULL;
}

static const char *type_word(int32_t type)
{
    static const char *const words[] = {
        [SLUICE_OPT_STRING] = "text",     [SLUICE_OPT_INTEGER] = "number",
        [SLUICE_OPT_BOOLEAN] = "boolean", [SLUICE_OPT_DURATION] = "duration",
        [SLUICE_OPT_SIZE] = "size",       [SLUICE_OPT_PATH] = "path",
        [SLUICE_OPT_ENUM] = "one of",     [SLUICE_OPT_LIST] = "list",
    };

    return type >= SLUICE_OPT_STRING && type <= SLUICE_OPT_LIST ? words[type] : "?";
}

static void print_option(const struct sluice_option *option)
{
    printf("\n  %s  (%s", option->key, type_word(option->type));
    if (option->range != NULL)
        printf(" %s", option->range);
    if ((option->flags & SLUICE_OPT_REQUIRED) != 0)
        printf(", required");
    else if (option->fallback != NULL && option->fallback[0] != '\0')
        printf(", default %s", option->fallback);
    printf("%s%s)\n", (option->flags & SLUICE_OPT_SECRET) != 0 ? ", secret" : "",
           (option->flags & SLUICE_OPT_GLOBAL) != 0 ? ", also as a parameter" : "");
    printf("      %s\n", option->summary);
}

static json_t *option_json(const struct sluice_option *option)
{
    return json_pack("{s:s, s:s, s:s?, s:s?, s:b, s:b, s:b, s:s}", "key", option->key, "type",
                     type_word(option->type), "default", option->fallback, "range", option->range,
                     "required", (option->flags & SLUICE_OPT_REQUIRED) != 0, "secret",
                     (option->flags & SLUICE_OPT_SECRET) != 0, "parameter",
                     (option->flags & SLUICE_OPT_GLOBAL) != 0, "summary", option->summary);
}

static void print_json(const struct sluice_plugin_desc *desc, const struct derivation *derivation)
{
    json_t *interfaces = json_array();
    json_t *options = json_array();

    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (offers(desc, kinds[i].interface))
            (void)json_array_append_new(interfaces, json_string(kinds[i].interface));
    }
    for (size_t i = 0; i < derivation->option_count; i++)
        (void)json_array_append_new(options, option_json(&derivation->options[i]));
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", desc->name, "version",
                             desc->version, "license", desc->license, "summary", desc->summary,
                             "interfaces", interfaces, "options", options);
    (void)json_dumpf(line, stdout, 0); /* main looks at stdout in the end */
    (void)putchar('\n');
    json_decref(line);
}

static bool has_option(const struct derivation *derivation, const char *key)
{
    for (size_t i = 0; i < derivation->option_count; i++) {
        if (strcmp(derivation->options[i].key, key) == 0)
            return true;
    }
    return false;
}

/* What an instance of that kind has whatever its plugin is; the plugin may have another default. */
static void print_common_options(const char *interface, const struct derivation *derivation)
{
    size_t count;
    const struct sluice_option *common = parameters_of_instance(interface, &count);

    if (count > 0)
        printf("\noptions that all have:\n");
    for (size_t i = 0; i < count; i++) {
        if (!has_option(derivation, common[i].key))
            print_option(&common[i]);
    }
}

static void print_manual(const struct sluice_plugin_desc *desc, const struct derivation *derivation)
{
    printf("%s %s: %s\n", desc->name, desc->version, desc->summary);
    printf("licence: %s\n", desc->license);
    for (size_t i = 1; i < derivation->plugin_count; i++)
        printf("derived from: %s\n", derivation->plugins[i]);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (offers(desc, kinds[i].interface))
            printf("used as: %s%s%s\n", kinds[i].before, strchr(desc->name, '/') + 1,
                   kinds[i].after);
    }
    for (size_t i = 0; i < derivation->option_count; i++)
        print_option(&derivation->options[i]);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (offers(desc, kinds[i].interface))
            print_common_options(kinds[i].interface, derivation);
    }
}

/* The options of the first kind that the plugin offers; all of its kinds have the same. */
static sluice_status resolve(const char *name, struct derivation *ret_derivation, struct error *err)
{
    const struct sluice_plugin_desc *desc;
    struct plugin *plugin;
    sluice_status st = plugin_need(name, &plugin, err);

    if (st != SLUICE_OK)
        return st;
    desc = plugin_desc(plugin);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (offers(desc, kinds[i].interface))
            return derive_resolve(name, kinds[i].interface, ret_derivation, err);
    }
    return error_set(err, SLUICE_CONFIG, "plugin %s offers no interface that this Sluice knows",
                     name);
}

static int with_plugin(const struct sluice *sluice, const char *name,
                       void (*print)(const struct sluice *sluice,
                                     const struct sluice_plugin_desc *desc,
                                     const struct derivation *derivation))
{
    struct derivation derivation;
    struct error err = ERROR_INIT;
    const char *full;
    struct draft draft;
    int code;

    draft_init(&draft);
    code = read_config(sluice, &draft);
    if (code == EX_OK) {
        full = full_name(&draft, name);
        if (full == NULL) {
            code = sluice_fatal(EX_NOINPUT, "%s: no such plugin in %s", name, files.folder);
        } else if (resolve(full, &derivation, &err) == SLUICE_OK) {
            print(sluice, plugin_desc(plugin_find(full)), &derivation);
            derive_done(&derivation);
        } else {
            code = sluice_fatal(EX_NOINPUT, "%s: %s", full, reason(&err));
        }
    }
    draft_done(&draft);
    return code;
}

static void show(const struct sluice *sluice, const struct sluice_plugin_desc *desc,
                 const struct derivation *derivation)
{
    if (sluice->wants_json)
        print_json(desc, derivation);
    else
        print_manual(desc, derivation);
}

int sluice_plugin_show(const struct sluice *sluice, const char *name)
{
    return with_plugin(sluice, name, show);
}

/* Nothing breaks by that, but what others can see they may come to rely on. */
static void warn_of_exports(const char *name)
{
    size_t count = 0;
    int fd;

    if (plugin_open_file(files.folder, name, geteuid(), &fd, NULL) == SLUICE_OK) {
        count = image_export_count(fd);
        (void)close(fd); /* only read */
    }
    if (count > 1)
        (void)fprintf(stderr,
                      "sluice: warning: %s exports %zu symbols; the SDK's build rules leave "
                      "sluice_plugin_entry_v1 alone (nm -D --defined-only lists them)\n",
                      name, count);
}

static void say_good(const struct sluice *sluice, const struct sluice_plugin_desc *desc,
                     const struct derivation *derivation)
{
    if (sluice->wants_json)
        print_json(desc, derivation);
    else
        printf("%s: can be loaded and used\n", desc->name);
    warn_of_exports(desc->name);
}

int sluice_plugin_check(const struct sluice *sluice, const char *name)
{
    return with_plugin(sluice, name, say_good);
}
