/* SPDX-License-Identifier: ISC */
/*
 * json_text: bytes of any kind as a text of JSON.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "sluice/types.h"

#include <jansson.h>

/* What is no UTF-8 becomes question marks. NULL: no memory. The caller's reference. [any] */
json_t *json_text(struct sluice_span bytes);

#endif
