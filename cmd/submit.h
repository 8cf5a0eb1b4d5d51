/* SPDX-License-Identifier: ISC */
/*
 * submit: from sendmail to the daemon; or, where that does not answer or cannot take mail now, to
 * postdrop, which leaves it in the maildrop. What it returns are exit codes, and what went wrong has
 * been said: 75 where the same may work later, or as Postfix has it; 65 where it never will.
 */
#ifndef CMD_SUBMIT_H
#define CMD_SUBMIT_H

#include "mailq.h"

struct submit {
    const struct mailq *mailq;
    const char *sender;    /* as given; NULL: who calls */
    const char *full_name; /* NULL: as the system has it */
    const char *notify;
    const char *ret;
    const char *envid;
    bool is_8bit;
    bool is_verify; /* only asks: nothing is read, and what is said of the recipients comes by mail */
    bool ignores_dot;
    bool reads_header;
};

/* One message, from standard input to its recipients; the list ends with NULL. */
int submit_message(const struct submit *submit, char **recipients);

#endif
