/* SPDX-License-Identifier: ISC */
/*
 * file_value: a table's value that is the content of files, in base64 (RFC 4648), as Postfix's
 * postmap -F has it.
 */
#ifndef CMD_FILE_VALUE_H
#define CMD_FILE_VALUE_H

#include "base/buffer.h"
#include "base/error.h"

#define FILE_VALUE_MAX ((size_t)1024 * 1024) /* bytes of all files of one value */

/* names: paths parted by commas and white space. Appends their contents, with line feeds in between.
 * TEMP with a text. */
sluice_status file_value_encode(struct sluice_span names, struct buffer *out, struct error *err);
/* In place. TEMP: it is no base64. */
sluice_status file_value_decode(struct buffer *value, struct error *err);

#endif
