/* SPDX-License-Identifier: ISC */
/*
 * machine: defaults that depend on where Sluice runs.
 */
#ifndef CONFIG_MACHINE_H
#define CONFIG_MACHINE_H

#include "config/arena.h"
#include "config/values.h"

/* The host's name; ".localdomain" is added to one without a dot, as Postfix does. */
const char *machine_hostname(struct arena *arena);
/* "hash:/etc/aliases", or "" where that table is not there: a table that cannot be opened would hold up
 * all local mail. */
const char *machine_alias_maps(void);
/* In a build tree its own; else that of the prefix which this program runs from the bin/ or sbin/ of,
 * if it is there; else where the build was configured to install plugins. */
const char *machine_plugin_directory(struct arena *arena);
/* The working directory; NULL if it has no name. */
const char *machine_folder(struct arena *arena);

/*
 * Our own addresses, numeric and each once, separated by commas: those of listen, where a wildcard
 * stands for all of the machine's, or those of inet_interfaces where that is set; and those of
 * proxy_interfaces. What is no address is left out: rules.c reports it.
 */
const char *machine_own_addresses(struct arena *arena, const struct value *listen,
                                  const struct value *inet_interfaces,
                                  const struct value *proxy_interfaces);
/*
 * Where mail is received unless listen says so: port 25 of inet_interfaces, which not set are all,
 * in the families of inet_protocols.
 */
const char *machine_listen(struct arena *arena, const struct value *inet_interfaces,
                           const struct value *inet_protocols);
/* This machine alone: loopback and own_addresses, as networks separated by commas. */
const char *machine_networks(struct arena *arena, const struct value *own_addresses);

#endif
