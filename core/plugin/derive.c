/* SPDX-License-Identifier: ISC */
/*
 * derive: see derive.h.
 */
#include "plugin/derive.h"

#include "config/options.h"
#include "plugin/interface.h"
#include "plugin/load.h"

#include <stdlib.h>
#include <string.h>

struct link {
    const struct sluice_plugin_desc *desc;
    const struct sluice_derive *derive; /* NULL: the end of the chain */
};

struct chain {
    struct link links[DERIVE_DEPTH_MAX]; /* the plugin that was asked for first */
    size_t count;
};

static sluice_status check_derive(const struct sluice_plugin_desc *desc,
                                  const struct sluice_derive *derive, struct error *err)
{
    if (derive->struct_size < sizeof(*derive) || derive->base == NULL ||
        derive->override_count > OPTIONS_MAX ||
        (derive->override_count > 0 && derive->overrides == NULL))
        return error_set(err, SLUICE_CONFIG, "plugin %s: what it derives from makes no sense",
                         desc->name);
    return SLUICE_OK;
}

static sluice_status add_link(struct chain *chain, const char *name, const char *interface,
                              struct error *err)
{
    struct link *link = &chain->links[chain->count];
    const struct sluice_derive *derive;
    struct plugin *plugin;
    sluice_status st;

    for (size_t i = 0; i < chain->count; i++) {
        if (strcmp(chain->links[i].desc->name, name) == 0)
            return error_set(err, SLUICE_CONFIG, "plugin %s derives from itself", name);
    }
    if (chain->count == DERIVE_DEPTH_MAX)
        return error_set(err, SLUICE_CONFIG,
                         "plugin %s: more than %d plugins derive from each other", name,
                         DERIVE_DEPTH_MAX);
    st = plugin_need(name, &plugin, err);
    if (st != SLUICE_OK)
        return st;
    *link = (struct link){.desc = plugin_desc(plugin)};
    derive = link->desc->get_interface(SLUICE_DERIVE_ID);
    if (derive != NULL && derive->interface != NULL && strcmp(derive->interface, interface) == 0) {
        st = check_derive(link->desc, derive, err);
        link->derive = derive;
    }
    if (st == SLUICE_OK)
        chain->count++;
    return st;
}

static sluice_status build_chain(struct chain *chain, const char *name, const char *interface,
                                 struct error *err)
{
    const struct link *last;
    sluice_status st;

    do {
        st = add_link(chain, name, interface, err);
        if (st != SLUICE_OK) {
            if (chain->count > 0)
                error_prefix(err, "plugin %s", chain->links[0].desc->name);
            return st;
        }
        last = &chain->links[chain->count - 1];
        name = last->derive != NULL ? last->derive->base : NULL;
    } while (name != NULL);
    return SLUICE_OK;
}

/* ---- operations ----------------------------------------------------------------------------- */

static sluice_status find_ops(const struct chain *chain, const char *interface,
                              struct derivation *derivation, struct error *err)
{
    const struct link *last = &chain->links[chain->count - 1];
    sluice_status st;

    derivation->base_ops = last->desc->get_interface(interface);
    derivation->mode = last->desc->mode;
    if (derivation->base_ops == NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s offers no %s", last->desc->name, interface);
    st = interface_check_ops(interface, derivation->base_ops, true, last->desc->name, err);
    for (size_t i = 0; st == SLUICE_OK && i + 1 < chain->count; i++) {
        const struct link *link = &chain->links[i];

        if (link->derive->ops == NULL)
            continue;
        if (derivation->derived_ops != NULL)
            return error_set(err, SLUICE_CONFIG,
                             "plugin %s: a plugin that derives from it has operations of its own, "
                             "and so has it; one of a chain may",
                             link->desc->name);
        if (link->desc->mode != last->desc->mode)
            return error_set(err, SLUICE_CONFIG, "plugin %s: its mode is not that of its base %s",
                             link->desc->name, last->desc->name);
        derivation->derived_ops = link->derive->ops;
        st = interface_check_ops(interface, link->derive->ops, false, link->desc->name, err);
    }
    return st;
}

/* ---- options -------------------------------------------------------------------------------- */

static struct sluice_option *find_option(struct derivation *derivation, const char *key)
{
    for (size_t i = 0; key != NULL && i < derivation->option_count; i++) {
        if (strcmp(derivation->options[i].key, key) == 0)
            return &derivation->options[i];
    }
    return NULL;
}

static sluice_status override(const struct link *link, struct derivation *derivation,
                              struct error *err)
{
    for (uint32_t i = 0; i < link->derive->override_count; i++) {
        const struct sluice_override *change = &link->derive->overrides[i];
        struct sluice_option *option = find_option(derivation, change->key);

        if (option == NULL)
            return error_set(err, SLUICE_CONFIG,
                             "plugin %s: it changes the option %s, which its base does not have",
                             link->desc->name, change->key != NULL ? change->key : "(none)");
        option->fallback = change->value;
    }
    return SLUICE_OK;
}

static void add_options(const struct sluice_plugin_desc *desc, struct derivation *derivation)
{
    for (uint32_t i = 0; i < desc->option_count; i++) {
        struct sluice_option *option = find_option(derivation, desc->options[i].key);

        if (option == NULL)
            option = &derivation->options[derivation->option_count++];
        *option = desc->options[i];
    }
}

/* From the base up, so that each plugin of the chain changes what it derives from. */
static sluice_status merge_options(const struct chain *chain, struct derivation *derivation,
                                   struct error *err)
{
    size_t total = 0;
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; i < chain->count; i++)
        total += chain->links[i].desc->option_count;
    derivation->options = calloc(total + 1, sizeof(*derivation->options));
    if (derivation->options == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = chain->count; st == SLUICE_OK && i-- > 0;) {
        if (chain->links[i].derive != NULL)
            st = override(&chain->links[i], derivation, err);
        add_options(chain->links[i].desc, derivation);
    }
    if (st == SLUICE_OK) {
        st = options_check_table(derivation->options, derivation->option_count, err);
        if (st != SLUICE_OK)
            error_prefix(err, "plugin %s", chain->links[0].desc->name);
    }
    return st;
}

sluice_status derive_resolve(const char *plugin, const char *interface,
                             struct derivation *ret_derivation, struct error *err)
{
    struct derivation derivation = {0};
    struct chain chain = {0};
    sluice_status st = build_chain(&chain, plugin, interface, err);

    if (st == SLUICE_OK)
        st = find_ops(&chain, interface, &derivation, err);
    if (st == SLUICE_OK)
        st = merge_options(&chain, &derivation, err);
    for (size_t i = 0; i < chain.count; i++)
        derivation.plugins[derivation.plugin_count++] = chain.links[i].desc->name;
    if (st != SLUICE_OK) {
        derive_done(&derivation);
        return st;
    }
    *ret_derivation = derivation;
    return SLUICE_OK;
}

void derive_done(struct derivation *derivation)
{
    free(derivation->options);
    *derivation = (struct derivation){0};
}
