/* SPDX-License-Identifier: ISC */
/*
 * derive: which operations and which options stand behind a plugin's name? Its own, or for a plugin
 * that derives from others (sluice.derive/1 in the SDK) those of its chain of bases, merged.
 */
#ifndef PLUGIN_DERIVE_H
#define PLUGIN_DERIVE_H

#include "base/error.h"
#include "sluice/plugin.h"

#define DERIVE_DEPTH_MAX 8 /* plugins in a chain */

struct derivation {
    const void *base_ops;                  /* of the plugin at the end of the chain */
    const void *derived_ops;               /* of the one plugin before it that has some, or NULL */
    int32_t mode;                          /* SLUICE_MODE_... */
    const char *plugins[DERIVE_DEPTH_MAX]; /* the names of the chain, the one asked for first */
    size_t plugin_count;
    struct sluice_option *options;
    size_t option_count;
};

/* Loads what is needed through plugin_need. CONFIG with a text. */
sluice_status derive_resolve(const char *plugin, const char *interface,
                             struct derivation *ret_derivation, struct error *err);
void derive_done(struct derivation *derivation);

#endif
