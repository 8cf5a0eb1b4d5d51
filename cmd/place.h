/* SPDX-License-Identifier: ISC */
/*
 * place: which configuration a command that the field knows works with: what its option -c (sendmail's
 * -C) names, else what MAIL_CONFIG names, else the usual one.
 */
#ifndef CMD_PLACE_H
#define CMD_PLACE_H

#include "base/error.h"
#include "config/draft.h"

#include <limits.h>

/* Without an option. */
void place_default(char path[PATH_MAX]);
/* A folder with sluice.conf, or such a file; what is too long is cut, and then is not there. */
void place_set(char path[PATH_MAX], const char *where);
/* For commands that work without a configuration: the path, or where nobody has named another place
 * and the usual one has no file, one by which all is as by default. */
#define PLACE_NO_CONFIG "/dev/null"
const char *place_or_default(const char *path);
/* Reads that into a draft that has been initialised. CONFIG with a text: it cannot be read, or does
 * not check. */
sluice_status place_read(const char *path, struct draft *draft, struct error *err);
/*
 * A command with rights of its own (set-group-ID) uses them only as the administrator wants: for the
 * usual configuration, and for folders that alternate_config_directories there names (spec C-72).
 * Anybody else's choice is CONFIG, with a text. The superuser may choose.
 */
sluice_status place_check(const char *path, struct error *err);

#endif
