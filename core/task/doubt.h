/* SPDX-License-Identifier: ISC */
/*
 * doubt: whether what a task decides rests on old answers, given instead of those of a table that gives none
 * now (lookup/front.h).
 *
 * Who looks things up takes an old answer for an answer. Who decides by them, and would end something for
 * good, opens a scope around all of it, and ends nothing while there is a doubt:
 *
 *   struct doubt doubt;
 *   doubt_begin(&doubt);
 *   ... look-ups ...
 *   about = doubt_end(&doubt);
 *
 * Where no scope is open an old "not found" is no answer: whoever has not thought of it waits for the table.
 * On the loop's thread.
 */
#ifndef TASK_DOUBT_H
#define TASK_DOUBT_H

#include <stdbool.h>

struct doubt {
    const char *about; /* the table with the first old answer; NULL: there is no doubt */
    struct doubt *outer;
};

/* For the running task, until doubt_end; scopes may be nested. Task only. */
void doubt_begin(struct doubt *doubt);
/* The table that the doubt is about, which the scope around this one gets to know too; NULL: there is none. */
const char *doubt_end(struct doubt *doubt);
/* As doubt_end would answer by now; NULL also where no scope is open. */
const char *doubt_about(void);
/* An old answer of that table, whose name must stay, is given. False: nobody has thought of it. */
bool doubt_note(const char *about);

#endif
