/* SPDX-License-Identifier: ISC */
/*
 * parameters: every parameter of the core, declared once: type, default, range and a sentence. Those
 * that Postfix has too have its name, meaning and default. Plugins declare their own; those with
 * SLUICE_OPT_GLOBAL are parameters as well.
 */
#ifndef CONFIG_PARAMETERS_H
#define CONFIG_PARAMETERS_H

#include "config/options.h"

extern const struct sluice_option parameters[];
extern const size_t parameter_count;

/*
 * A parameter with OPTION_STRESS has two values: one for every day, and one for times in which a role
 * has more to do than it can, when $stress is "yes" and not empty. The latter is the value of an
 * internal parameter that has this before its name, and so a name that no file can have.
 */
#define PARAMETER_STRESSED "stressed:"

/* What the core itself takes in the group of an instance of that interface, beside the options of
 * its plugin. NULL and 0: nothing. */
const struct sluice_option *parameters_of_instance(const char *interface, size_t *ret_count);

/* A name of Postfix's that has no meaning here. */
bool parameter_is_foreign(const char *name);

/* How many letters have to change to make one name of the other. */
size_t parameter_distance(const char *a, const char *b);

#endif
