/* SPDX-License-Identifier: ISC */
/*
 * import_tables: tables whose options are parameters of main.cf: ldap:staff with staff_server_host and
 * its like. They become groups of tables. Those that are told by a file of their own, ldap:/etc/x.cf, need
 * nothing.
 */
#include "import.h"

#include "base/span.h"
#include "plugin/load.h"

/* The option that the parameter is for the table of that name, or NULL. */
static const struct sluice_option *find_option(const char *type, const char *name,
                                               const char *parameter)
{
    char plugin_name[64] = "lookup/";
    size_t len = strlen(name);
    struct plugin *plugin;

    if (strncmp(parameter, name, len) != 0 || parameter[len] != '_' ||
        strlen(type) >= sizeof(plugin_name) - strlen(plugin_name))
        return NULL;
    (void)snprintf(plugin_name + strlen(plugin_name), sizeof(plugin_name) - strlen(plugin_name),
                   "%s", type); /* it fits */
    if (plugin_need(plugin_name, &plugin, NULL) != SLUICE_OK)
        return NULL;
    return options_find(plugin_desc(plugin)->options, plugin_desc(plugin)->option_count,
                        parameter + len + 1);
}

static bool has_options(const struct import *import, const struct import_table *table)
{
    for (size_t i = 0; i < import->parameters.count; i++) {
        if (find_option(table->type, table->name, import->parameters.items[i].name) != NULL)
            return true;
    }
    return false;
}

void import_add_table(struct import *import, const struct import_table *table)
{
    for (size_t i = 0; i < import->table_count; i++) {
        if (strcmp(import->tables[i].type, table->type) == 0 &&
            strcmp(import->tables[i].name, table->name) == 0)
            return;
    }
    if (!table->is_missing && (!import_is_name(table->name) || !has_options(import, table)))
        return;
    import->tables =
        arena_grow(&import->arena, import->tables, import->table_count, sizeof(*import->tables));
    import->tables[import->table_count++] = *table;
}

bool import_is_of_table(const struct import *import, const char *parameter)
{
    for (size_t i = 0; i < import->table_count; i++) {
        if (!import->tables[i].is_missing &&
            find_option(import->tables[i].type, import->tables[i].name, parameter) != NULL)
            return true;
    }
    return false;
}

void import_write_tables(struct import *import)
{
    bool is_first = true;

    for (size_t i = 0; i < import->table_count; i++) {
        const struct import_table *table = &import->tables[i];
        struct import_group group = {
            .name = table->name, .plugin = table->type, .place = table->place};

        for (size_t j = 0; !table->is_missing && j < import->parameters.count; j++) {
            const struct import_entry *entry = &import->parameters.items[j];
            const struct sluice_option *option = find_option(table->type, table->name, entry->name);

            if (option != NULL && import_group_take(import, &group, entry, option))
                import_note(import, IMPORT_CARRIED, entry->place, entry->name,
                            "with the other options of its table");
        }
        if (group.count == 0)
            continue;
        import_group_write(import, "tables", is_first, &group);
        is_first = false;
    }
    if (!is_first)
        buffer_add_text(&import->text, "\n);\n");
}
