/* SPDX-License-Identifier: ISC */
/*
 * compose: makes a batch (net/batch.h) from what a program gives to sendmail: its options and what it
 * writes to standard input. Lines end as they may there, in LF or CRLF, the last one perhaps in
 * nothing; a leading "From " line of a mailbox file is left out.
 */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include "address_list.h"

#include <stdint.h>
#include <stdio.h>

struct compose {
    const char *sender;    /* empty: null sender */
    const char *full_name; /* empty: not known */
    const char *notify;    /* of each recipient, as in RCPT; NULL: not said */
    const char *ret;       /* as in MAIL; NULL: not said */
    const char *envid;     /* NULL: not said */
    bool is_8bit;          /* so it was said */
    bool is_verify;        /* nothing is to be sent: what would become of it is to be told */
    bool ignores_dot;      /* a line with a dot alone ends nothing */
    bool reads_header;     /* recipients are there too */
    uint64_t size_limit;   /* 0: none */
    struct sluice_span reject_characters;
    struct address_list *recipients; /* to which those of the header are added */
};

/* *ret_fd: a file in memory. NOT_FOUND: there are no recipients. PERM with a text: the message cannot
 * be taken; TEMP with a text. */
sluice_status compose_batch(const struct compose *compose, FILE *input, int *ret_fd,
                            struct error *err);

/* What goes wrong with a message over the limit, wherever that is found. */
#define COMPOSE_TOO_BIG "message file too big"

#endif
