/* SPDX-License-Identifier: ISC */
/*
 * config: the reader of snapshots; snapshot.c is the writer. The writer has run plugins' code, so
 * nothing in a snapshot is believed: every text ends where it says, every key is there.
 */
#include "config/config.h"

#include "base/codec.h"
#include "base/sealed.h"
#include "config/homes.h"
#include "config/snapshot.h"
#include "config/values.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct instance_record {
    struct config_instance sdk;
    struct values values;
};

struct config {
    struct sluice_span mapped;
    struct values parameters;
    struct instance_record *instances;
    size_t instance_count;
};

/* ---- reading -------------------------------------------------------------------------------- */

/* The text in the field's bytes, or NULL if it does not end with its only NUL. */
static const char *take_text(struct sluice_span bytes)
{
    if (bytes.len == 0 || memchr(bytes.ptr, '\0', bytes.len) != bytes.ptr + bytes.len - 1)
        return NULL;
    return bytes.ptr;
}

/* How many fields of that tag there are; *ret_is_good: whether all fields make sense. */
static size_t count_fields(struct sluice_span bytes, uint64_t tag, bool *ret_is_good)
{
    struct codec_field field;
    sluice_status st;
    size_t count = 0;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == tag)
            count++;
    }
    *ret_is_good = st == SLUICE_NOT_FOUND;
    return count;
}

static void set_flags(struct value *value, uint64_t flags)
{
    value->is_set = (flags & SNAPSHOT_IS_SET) != 0;
    value->is_named = (flags & SNAPSHOT_IS_NAMED) != 0;
    value->is_secret = (flags & SNAPSHOT_IS_SECRET) != 0;
}

/* One field of a value; false if it makes no sense. */
static bool read_value_field(const struct codec_field *field, struct value *value,
                             const char **items)
{
    switch (field->tag) {
    case SNAPSHOT_TAG_KEY:
        return (value->key = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_TYPE:
        value->type = (int32_t)codec_number(field->bytes);
        return value->type >= SLUICE_OPT_STRING && value->type <= SLUICE_OPT_LIST;
    case SNAPSHOT_TAG_FLAGS:
        set_flags(value, codec_number(field->bytes));
        return true;
    case SNAPSHOT_TAG_NUMBER:
        value->number = codec_unzigzag(codec_number(field->bytes));
        return true;
    case SNAPSHOT_TAG_TEXT:
        return (value->text = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_ORIGIN:
        return (value->origin = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_ITEM:
        return (items[value->item_count++] = take_text(field->bytes)) != NULL;
    default:
        return true;
    }
}

static sluice_status read_value(struct sluice_span bytes, struct value *value)
{
    bool is_good;
    size_t item_count = count_fields(bytes, SNAPSHOT_TAG_ITEM, &is_good);
    const char **items = calloc(item_count + 1, sizeof(*items));
    struct codec_field field;

    if (items == NULL)
        return SLUICE_TEMP;
    value->items = items;
    while (is_good && codec_next(&bytes, &field) == SLUICE_OK)
        is_good = read_value_field(&field, value, items);
    return is_good && value->key != NULL && value->type != 0 && value->origin != NULL ? SLUICE_OK
                                                                                      : SLUICE_PERM;
}

/* values_done frees what there is, whatever this returns. */
static sluice_status read_values(struct sluice_span bytes, struct values *values)
{
    bool is_good;
    size_t count = count_fields(bytes, SNAPSHOT_TAG_VALUE, &is_good);
    struct value *list = calloc(count + 1, sizeof(*list));
    struct codec_field field;
    sluice_status st = is_good ? SLUICE_OK : SLUICE_PERM;

    if (list == NULL)
        return SLUICE_TEMP;
    values->list = list;
    while (st == SLUICE_OK && codec_next(&bytes, &field) == SLUICE_OK) {
        if (field.tag == SNAPSHOT_TAG_VALUE)
            st = read_value(field.bytes, &list[values->count++]);
    }
    if (st == SLUICE_OK)
        values_init(values, list, count);
    return st;
}

static void values_done(struct values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free((void *)values->list[i].items);
    free(values->list);
}

static bool read_instance_field(const struct codec_field *field, struct config_instance *instance)
{
    switch (field->tag) {
    case SNAPSHOT_TAG_INTERFACE:
        return (instance->interface = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_NAME:
        return (instance->name = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_PLUGIN:
        return (instance->plugin = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_ARGUMENT:
        return (instance->argument = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_ORIGIN:
        return (instance->origin = take_text(field->bytes)) != NULL;
    case SNAPSHOT_TAG_TABLE_FLAGS:
        instance->table_flags = (uint32_t)codec_number(field->bytes);
        return true;
    case SNAPSHOT_TAG_HOME:
        instance->home = (unsigned)codec_number(field->bytes);
        return instance->home <= HOME_NONE;
    default:
        return true;
    }
}

static sluice_status read_instance(struct sluice_span bytes, struct instance_record *record)
{
    struct config_instance *instance = &record->sdk;
    struct codec_field field;
    sluice_status st = read_values(bytes, &record->values);
    bool is_good = true;

    instance->home = HOME_NONE;
    while (st == SLUICE_OK && is_good && codec_next(&bytes, &field) == SLUICE_OK)
        is_good = read_instance_field(&field, instance);
    if (st != SLUICE_OK)
        return st;
    instance->options = &record->values.sdk;
    return is_good && instance->interface != NULL && instance->name != NULL &&
                   instance->plugin != NULL && instance->argument != NULL &&
                   instance->origin != NULL
               ? SLUICE_OK
               : SLUICE_PERM;
}

static sluice_status read_snapshot(struct config *config, struct sluice_span bytes)
{
    bool is_good;
    size_t count = count_fields(bytes, SNAPSHOT_TAG_INSTANCE, &is_good);
    struct codec_field field;
    sluice_status st;

    if (!is_good || codec_next(&bytes, &field) != SLUICE_OK || field.tag != SNAPSHOT_TAG_VERSION ||
        codec_number(field.bytes) != SNAPSHOT_VERSION)
        return SLUICE_PERM;
    config->instances = calloc(count + 1, sizeof(*config->instances));
    if (config->instances == NULL)
        return SLUICE_TEMP;
    st = read_values(bytes, &config->parameters);
    while (st == SLUICE_OK && codec_next(&bytes, &field) == SLUICE_OK) {
        if (field.tag == SNAPSHOT_TAG_INSTANCE)
            st = read_instance(field.bytes, &config->instances[config->instance_count++]);
    }
    return st;
}

static sluice_status map(struct config *config, int fd, struct error *err)
{
    sluice_status st = sealed_map(fd, &config->mapped);

    if (st == SLUICE_PERM)
        return error_set(err, SLUICE_CONFIG, "configuration snapshot: it is empty or not sealed");
    if (st != SLUICE_OK)
        return error_set(err, st, "configuration snapshot: %s", strerror(errno));
    return SLUICE_OK;
}

sluice_status config_open(int fd, struct config **ret_config, struct error *err)
{
    struct config *config = calloc(1, sizeof(*config));
    sluice_status st;

    if (config == NULL)
        return error_set(err, SLUICE_TEMP, "configuration snapshot: out of memory");
    st = map(config, fd, err);
    if (st == SLUICE_OK) {
        st = read_snapshot(config, config->mapped);
        if (st != SLUICE_OK)
            st =
                error_set(err, st == SLUICE_PERM ? SLUICE_CONFIG : st, "configuration snapshot: %s",
                          st == SLUICE_PERM ? "it makes no sense" : "out of memory");
    }
    if (st != SLUICE_OK) {
        config_close(config);
        return st;
    }
    *ret_config = config;
    return SLUICE_OK;
}

void config_close(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->instance_count; i++)
        values_done(&config->instances[i].values);
    values_done(&config->parameters);
    free(config->instances);
    sealed_unmap(config->mapped);
    free(config);
}

/* ---- asking --------------------------------------------------------------------------------- */

#define IS(type) (1U << (type))
#define TEXTS (IS(SLUICE_OPT_STRING) | IS(SLUICE_OPT_PATH) | IS(SLUICE_OPT_ENUM))
#define NUMBERS (IS(SLUICE_OPT_INTEGER) | IS(SLUICE_OPT_DURATION) | IS(SLUICE_OPT_SIZE))
#define ANY (~0U)

/* types: those that the caller has in mind. */
static const struct value *find(const struct config *config, const char *name, unsigned types)
{
    const struct value *value = values_find(&config->parameters, name);

    assert(value != NULL);
    assert((IS(value->type) & types) != 0);
    (void)types; /* assert() may be off */
    return value;
}

const char *config_text(const struct config *config, const char *name)
{
    const struct value *value = find(config, name, TEXTS);

    return value->text != NULL ? value->text : "";
}

int64_t config_number(const struct config *config, const char *name)
{
    return find(config, name, NUMBERS)->number;
}

bool config_flag(const struct config *config, const char *name)
{
    return find(config, name, IS(SLUICE_OPT_BOOLEAN))->number != 0;
}

size_t config_count(const struct config *config, const char *name)
{
    return find(config, name, IS(SLUICE_OPT_LIST))->item_count;
}

const char *config_item(const struct config *config, const char *name, size_t index)
{
    const struct value *value = find(config, name, IS(SLUICE_OPT_LIST));

    assert(index < value->item_count);
    return value->items[index];
}

bool config_has_item(const struct config *config, const char *name, const char *item)
{
    const struct value *value = find(config, name, IS(SLUICE_OPT_LIST));

    for (size_t i = 0; i < value->item_count; i++) {
        if (strcmp(value->items[i], item) == 0)
            return true;
    }
    return false;
}

bool config_is_set(const struct config *config, const char *name)
{
    return find(config, name, ANY)->is_named;
}

const char *config_origin(const struct config *config, const char *name)
{
    return find(config, name, ANY)->origin;
}

size_t config_instance_count(const struct config *config)
{
    return config->instance_count;
}

const struct config_instance *config_instance_at(const struct config *config, size_t index)
{
    assert(index < config->instance_count);
    return &config->instances[index].sdk;
}

const struct config_instance *config_instance_find(const struct config *config,
                                                   const char *interface, const char *name)
{
    for (size_t i = 0; i < config->instance_count; i++) {
        const struct config_instance *instance = &config->instances[i].sdk;

        if (strcmp(instance->interface, interface) == 0 && strcmp(instance->name, name) == 0)
            return instance;
    }
    return NULL;
}
