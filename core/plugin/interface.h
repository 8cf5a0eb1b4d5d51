/* SPDX-License-Identifier: ISC */
/*
 * interface: what the host knows about each kind of plugin: which operations there must be, and how
 * open() and close() are called.
 */
#ifndef PLUGIN_INTERFACE_H
#define PLUGIN_INTERFACE_H

#include "base/error.h"
#include "sluice/plugin.h"

#include <stdbool.h>

/* ops is what a plugin gave for that interface. is_complete: no base stands behind it. CONFIG. */
sluice_status interface_check_ops(const char *interface, const void *ops, bool is_complete,
                                  const char *plugin, struct error *err);

/* True if the operation (or table) at that offset of the ops struct is known there, and filled in. */
bool interface_has(const void *ops, size_t offset);

/* Always true for a plugin that does not derive from another one. */
bool interface_has_open(const char *interface, const void *ops);
/* Calls ops->open, which must be there. argument: see instance_open. */
sluice_status interface_open(const char *interface, const void *ops, const struct sluice_host *host,
                             const struct sluice_config *config, const char *argument,
                             struct error *err, void **ret_self);
/* Calls ops->close, if there is one. */
void interface_close(const char *interface, const void *ops, void *self);

#endif
