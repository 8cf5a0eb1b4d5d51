/* SPDX-License-Identifier: ISC */
/*
 * trial: the part of a check that only the plugins can do: opening each instance as its role will,
 * and looking at the restrictions that the access plugins know.
 */
#ifndef MASTER_TRIAL_H
#define MASTER_TRIAL_H

#include "config/draft.h"

/* After settle_instances. A table that cannot be opened is a warning: its role answers TEMP and tries
 * again; anything else that cannot is an error. A store is not opened: it is locked while in use. */
void trial_run(struct draft *draft);

#endif
