/* SPDX-License-Identifier: ISC */
/*
 * berkeley: what lookup/hash and lookup/btree do not share: the sort of file, and how one is looked
 * through before the library sees it. Everything else is in berkeley.c, which both are built from.
 */
#ifndef SLUICE_PLUGIN_BERKELEY_H
#define SLUICE_PLUGIN_BERKELEY_H

#include "file_table.h"

#include <db.h>

extern const DBTYPE berkeley_type;

#endif /* SLUICE_PLUGIN_BERKELEY_H */
