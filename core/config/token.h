/* SPDX-License-Identifier: ISC */
/*
 * token: the notation of sluice.conf, token by token: what stands at the beginning of a text.
 */
#ifndef CONFIG_TOKEN_H
#define CONFIG_TOKEN_H

#include "sluice/types.h"

#include <stdbool.h>

/* True if the text begins with that one. */
bool token_is_text(struct sluice_span at, const char *text);
/* Length of the white space or comment at the start; 0: there is none. */
size_t token_blank_len(struct sluice_span at);
/* What is behind all white space and comments at the start. */
struct sluice_span token_skip_blanks(struct sluice_span at);
/* Length of the name, number or other bare word at the start; 0: there is none. */
size_t token_word_len(struct sluice_span at);
/* Length of the quoted text at the start, quotes included; 0 if it does not end. */
size_t token_quoted_len(struct sluice_span at);
/* True if what follows makes the word before it a setting's name. */
bool token_is_assignment(struct sluice_span at);

#endif
