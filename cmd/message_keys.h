/* SPDX-License-Identifier: ISC */
/*
 * message_keys: a message as keys for tables: its header fields, each with the lines that continue it,
 * and the lines of its body, as Postfix's postmap -h, -b and -m have them.
 */
#ifndef CMD_MESSAGE_KEYS_H
#define CMD_MESSAGE_KEYS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct message_keys {
    bool header; /* fields; without body and parts nothing behind the header is read */
    bool body;   /* lines behind it, the empty one in between and MIME's boundaries with them */
    bool parts;  /* what begins MIME's parts and messages inside are fields, not lines */
};

/* Calls act with each key, until it returns something else than 0, which is returned then. TEMP if
 * the message cannot be read: *ret_st, with a text. */
int message_keys_each(FILE *file, const struct message_keys *wanted,
                      int (*act)(void *user, struct sluice_span key), void *user,
                      sluice_status *ret_st, struct error *err);

#endif
