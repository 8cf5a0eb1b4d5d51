/* SPDX-License-Identifier: ISC */
/* query: see query.h. */
#include "query.h"

#include "template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands in the template itself, and what in values: as it is. */
static sluice_status add_plain(void *user, struct sluice_span text)
{
    return fwrite(text.ptr, 1, text.len, user) == text.len ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status add_escaped(FILE *out, struct sluice_span text, const char *special)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        int written = iscntrl(byte) || byte >= 0x80 || strchr(special, byte) != NULL
                          ? fprintf(out, "\\%02X", byte)
                          : fputc(byte, out);

        if (written == EOF)
            return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

static sluice_status add_to_filter(void *user, struct sluice_span word)
{
    return add_escaped(user, word, "*()\\");
}

/* Blanks and "#" need it at an end only; everywhere is simpler, and the same DN. */
static sluice_status add_to_base(void *user, struct sluice_span word)
{
    return add_escaped(user, word, " \"#+,;<=>\\");
}

static sluice_status expand(const char *text, const struct template_words *words,
                            sluice_status (*word)(void *user, struct sluice_span text),
                            char **ret_text, size_t *ret_len)
{
    struct template_out out = {.literal = add_plain, .word = word};
    char *buffer = NULL;
    FILE *file = open_memstream(&buffer, ret_len);
    sluice_status st;

    if (file == NULL)
        return SLUICE_TEMP;
    out.user = file;
    st = template_expand(text, words, &out);
    if (fclose(file) == EOF && st == SLUICE_OK)
        st = SLUICE_TEMP;
    if (st == SLUICE_OK)
        *ret_text = buffer;
    else
        free(buffer);
    return st;
}

sluice_status query_filter(const char *text, struct sluice_span key, char **ret_filter)
{
    const struct template_words words = {.value = key, .key = key};
    size_t len;

    return expand(text, &words, add_to_filter, ret_filter, &len);
}

sluice_status query_base(const char *text, struct sluice_span key, char **ret_base)
{
    const struct template_words words = {.value = key, .key = key};
    size_t len;

    return expand(text, &words, add_to_base, ret_base, &len);
}

sluice_status query_result(const char *format, struct sluice_span value, struct sluice_span key,
                           char **ret_text, size_t *ret_len)
{
    const struct template_words words = {.value = value, .key = key};

    return expand(format, &words, add_plain, ret_text, ret_len);
}
