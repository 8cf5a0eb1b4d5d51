/* SPDX-License-Identifier: ISC */
#include "queue/id_ranges.h"

#include "base/codec.h"

#include <stdlib.h>

/* Ranges that follow each other become one. */
bool id_ranges_add(struct id_ranges *ranges, uint64_t first, uint64_t count)
{
    struct id_range *last = ranges->count > 0 ? &ranges->list[ranges->count - 1] : NULL;

    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return true;
    }
    struct id_range *list = reallocarray(ranges->list, ranges->count + 1, sizeof(*list));
    if (list == NULL)
        return false;
    ranges->list = list;
    list[ranges->count++] = (struct id_range){.first = first, .count = count};
    return true;
}

bool id_ranges_have(const struct id_ranges *ranges, uint64_t id)
{
    for (size_t i = ranges->count; i-- > 0;) {
        if (id >= ranges->list[i].first && id - ranges->list[i].first < ranges->list[i].count)
            return true;
    }
    return false;
}

void id_ranges_done(struct id_ranges *ranges)
{
    free(ranges->list);
    *ranges = (struct id_ranges){0};
}

void id_ranges_encode(const struct id_ranges *ranges, struct buffer *buffer)
{
    for (size_t i = 0; i < ranges->count; i++) {
        codec_put_varint(buffer, ranges->list[i].first);
        codec_put_varint(buffer, ranges->list[i].count);
    }
}

sluice_status id_ranges_decode(struct sluice_span bytes, struct id_ranges *ranges)
{
    while (bytes.len > 0) {
        uint64_t first;
        uint64_t count;

        if (codec_varint(&bytes, &first) != SLUICE_OK ||
            codec_varint(&bytes, &count) != SLUICE_OK || first == 0 || count > UINT64_MAX - first)
            return SLUICE_PERM;
        if (!id_ranges_add(ranges, first, count))
            return SLUICE_TEMP;
    }
    return SLUICE_OK;
}
