/* SPDX-License-Identifier: ISC */
/*
 * expand: $name, ${name} and $(name) in a value stand for the value of another parameter, as in
 * Postfix; $$ is a dollar.
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include "base/buffer.h"
#include "base/error.h"

struct expand_source {
    /* The value of a parameter as text, or NULL with err filled in. */
    const char *(*find)(void *user, struct sluice_span name, struct error *err);
    void *user;
};

/* Appends the text with its references replaced. CONFIG with a text. */
sluice_status expand(const char *text, const struct expand_source *source, struct buffer *out,
                     struct error *err);

#endif
