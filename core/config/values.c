/* SPDX-License-Identifier: ISC */
/*
 * values: see values.h. The functions of struct sluice_config are lenient, as the SDK promises: a
 * wrong key or type gives the zero value.
 */
#include "config/values.h"

#include "sluice/plugin.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct value *left = a;
    const struct value *right = b;

    return strcmp(left->key, right->key);
}

const struct value *values_find(const struct values *values, const char *key)
{
    struct value wanted = {.key = key};

    if (key == NULL || values->count == 0)
        return NULL;
    return bsearch(&wanted, values->list, values->count, sizeof(wanted), compare);
}

/* sdk is the first member of struct values. */
static const struct value *find(const struct sluice_config *config, const char *key)
{
    return values_find((const struct values *)(const void *)config, key);
}

static int32_t is_set(const struct sluice_config *config, const char *key)
{
    const struct value *value = find(config, key);

    return value != NULL && value->is_set;
}

static const char *get_text(const struct sluice_config *config, const char *key)
{
    const struct value *value = find(config, key);

    return value != NULL ? value->text : NULL;
}

static int64_t get_number(const struct sluice_config *config, const char *key)
{
    const struct value *value = find(config, key);

    return value != NULL ? value->number : 0;
}

static size_t get_count(const struct sluice_config *config, const char *key)
{
    const struct value *value = find(config, key);

    return value != NULL ? value->item_count : 0;
}

static const char *get_item(const struct sluice_config *config, const char *key, size_t index)
{
    const struct value *value = find(config, key);

    return value != NULL && index < value->item_count ? value->items[index] : NULL;
}

void values_init(struct values *values, struct value *list, size_t count)
{
    values->sdk = (struct sluice_config){
        .struct_size = sizeof(values->sdk),
        .is_set = is_set,
        .get_text = get_text,
        .get_number = get_number,
        .get_count = get_count,
        .get_item = get_item,
    };
    values->list = list;
    values->count = count;
    if (count > 0)
        qsort(list, count, sizeof(*list), compare);
}
