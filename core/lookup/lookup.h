/* SPDX-License-Identifier: ISC */
/*
 * lookup: the role that has tables for others, which ask it over their links. A front (front.h) stands
 * before each table; a question that it cannot answer at once has a task. Knows no mail.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

/* The whole life of a lookup process; returns its exit status. */
int lookup_main(void);

#endif
