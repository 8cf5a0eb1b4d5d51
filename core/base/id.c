/* SPDX-License-Identifier: ISC */
/*
 * id: message ids as text.
 */
#include "base/id.h"

#define ID_DIGITS (ID_TEXT_SIZE - 1)

const char *id_format(uint64_t id, char text[ID_TEXT_SIZE])
{
    for (int i = ID_DIGITS - 1; i >= 0; i--) {
        text[i] = "0123456789ABCDEF"[id & 0xf];
        id >>= 4;
    }
    text[ID_DIGITS] = '\0';
    return text;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool id_parse(struct sluice_span text, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (text.len != ID_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.ptr[i]);
        if (value < 0)
            return false;
        id = id << 4 | (uint64_t)value;
    }
    *ret_id = id;
    return true;
}
