/* SPDX-License-Identifier: ISC */
/*
 * members: what an alias stands for, aliases(5): addresses, "/file/name", "|command", ":include:/file",
 * and \name, which is the mailbox of that user whatever his aliases are; with commas between them.
 */
#ifndef SLUICE_LOCAL_MEMBERS_H
#define SLUICE_LOCAL_MEMBERS_H

#include "sluice/types.h"

#define MEMBERS_MAX 10000 /* of one alias, included files and all */

enum member_kind { MEMBER_ADDRESS, MEMBER_FILE, MEMBER_COMMAND, MEMBER_INCLUDE, MEMBER_MAILBOX };

struct member {
    enum member_kind kind;
    char *text; /* without what makes it this kind, but for the slash of a file */
    size_t len;
};

/* Zero it to initialise. */
struct member_list {
    struct member *items;
    size_t count;
};

/* Appends those of the text. TEMP: no memory; PERM: too many. */
sluice_status members_parse(struct member_list *list, struct sluice_span text);
/* The same for a file's content: such a list on each line, # begins a comment. */
sluice_status members_parse_lines(struct member_list *list, struct sluice_span text);
/* Appends one, unless it is there already. */
sluice_status members_add(struct member_list *list, enum member_kind kind, struct sluice_span text);
void members_done(struct member_list *list);

#endif
