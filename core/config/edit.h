/* SPDX-License-Identifier: ISC */
/*
 * edit: one setting in the text of a configuration file, found and changed. All else stays as it is,
 * comments and order too. The text is that of one file; what it includes has to be edited there.
 */
#ifndef CONFIG_EDIT_H
#define CONFIG_EDIT_H

#include "base/buffer.h"

/* Gives the setting of that name, outside of all groups, another value, as it is to stand in the file;
 * adds it at the end if there is none. Check buffer_failed() afterwards. */
void edit_set(struct buffer *text, const char *name, const char *value);
/* Takes the setting out; nothing happens if there is none. */
void edit_remove(struct buffer *text, const char *name);
/* Makes it a comment. */
void edit_comment_out(struct buffer *text, const char *name);

/* Appends a text as a quoted value. */
void edit_quote(struct buffer *out, const char *text);

#endif
