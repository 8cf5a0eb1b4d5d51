/* SPDX-License-Identifier: ISC */
/*
 * expand: see expand.h.
 */
#include "config/expand.h"

#include "base/span.h"

#include <ctype.h>

static size_t name_len(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

/* text begins with a dollar. *ret_len: what belongs to the reference; 0: it is a plain dollar. */
static sluice_status parse(const char *text, struct sluice_span *ret_name, size_t *ret_len,
                           struct error *err)
{
    bool is_enclosed = text[1] == '{' || text[1] == '(';
    const char *name = text + (is_enclosed ? 2 : 1);
    size_t len = name_len(name);

    *ret_name = (struct sluice_span){.ptr = name, .len = len};
    *ret_len = len > 0 ? 1 + len : 0;
    if (!is_enclosed)
        return SLUICE_OK;
    if (len == 0 || name[len] != (text[1] == '{' ? '}' : ')'))
        return error_set(err, SLUICE_CONFIG, "\"%.20s\" is no reference of the form ${name}", text);
    *ret_len = len + 3;
    return SLUICE_OK;
}

sluice_status expand(const char *text, const struct expand_source *source, struct buffer *out,
                     struct error *err)
{
    const char *dollar;

    while ((dollar = strchr(text, '$')) != NULL) {
        struct sluice_span name;
        const char *value;
        size_t len;

        buffer_add(out, text, (size_t)(dollar - text));
        if (parse(dollar, &name, &len, err) != SLUICE_OK)
            return SLUICE_CONFIG;
        text = dollar + len;
        if (len == 0) {
            buffer_add_byte(out, '$');
            text = dollar + (dollar[1] == '$' ? 2 : 1);
            continue;
        }
        value = source->find(source->user, name, err);
        if (value == NULL)
            return SLUICE_CONFIG;
        buffer_add_text(out, value);
    }
    buffer_add_text(out, text);
    return SLUICE_OK;
}
