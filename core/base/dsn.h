/* SPDX-License-Identifier: ISC */
/* dsn: enhanced status codes (RFC 3463). */
#ifndef BASE_DSN_H
#define BASE_DSN_H

#include "base/span.h"

/* Length of the code that the text begins with, as a word of its own: "5.1.6 gone" has 5; 0: none. */
size_t dsn_len(struct sluice_span text);

#endif
