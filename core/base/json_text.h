/* SPDX-License-Identifier: ISC */
/*
 * json_text: bytes of any kind as a text of JSON, and JSON as text.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/buffer.h"

#include <jansson.h>

/* What is no UTF-8 becomes question marks, and so does NUL, which readers refuse. NULL: no memory. The caller's reference. [any] */
json_t *json_text(struct sluice_span bytes);
/* Appends an object or a list; nothing for NULL, or without memory. [any] */
void json_format(const json_t *json, struct buffer *out);

#endif
