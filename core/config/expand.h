/* SPDX-License-Identifier: ISC */
/*
 * expand: $name, ${name} and $(name) in a value stand for the value of another parameter, as in
 * Postfix; ${name?{text}:{other}} for text where that value is not empty, else for other, each with
 * references of its own; ${name?text} and ${name:other} for one of them alone. In the place of the
 * name may stand a comparison, {text} == {text}, with !=, <, <=, >, >= as well: of numbers, else of
 * texts, and with "level" behind the sign of versions such as 3.6. $$ is a dollar.
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
