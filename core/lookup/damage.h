/* SPDX-License-Identifier: ISC */
/*
 * damage: a file that a library maps into memory can be damaged so that whoever reads it crashes, again and
 * again with each process that is started instead. So a crash while the file is looked at leaves a mark
 * beside it, and who opens it next puts the file aside. A process that is killed leaves none: what was in
 * the middle of a write is still good.
 */
#ifndef LOOKUP_DAMAGE_H
#define LOOKUP_DAMAGE_H

#include "base/error.h"

#include <stdbool.h>

struct damage {
    char *path;
    char *mark;  /* path.crash */
    char *aside; /* path.damaged */
    char *lock;  /* path-lock, LMDB's, which goes with its file */
};

/* TEMP: no memory. In any case damage_done is to be called. */
sluice_status damage_init(struct damage *damage, const char *path);
void damage_done(struct damage *damage);
/* Somebody has crashed on the file since it was put aside last. */
bool damage_has_mark(const struct damage *damage);
/* Renames the file, if it is there, to path.damaged, and forgets the mark. Who has it open keeps it. Returns 0 or an
 * errno. */
int damage_put_aside(const struct damage *damage);
/* From now on this thread looks at the file; returns what it looked at before, for damage_look_away. */
const char *damage_look(const struct damage *damage);
void damage_look_away(const char *before);

#endif
