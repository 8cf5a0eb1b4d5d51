/* SPDX-License-Identifier: ISC */
/*
 * lookup: the role that has tables for others, which ask it over their links. One task for each
 * question; knows no mail.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

/* The whole life of a lookup process; returns its exit status. */
int lookup_main(void);

#endif
