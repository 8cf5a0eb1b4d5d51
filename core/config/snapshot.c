/* SPDX-License-Identifier: ISC */
/*
 * snapshot: see snapshot.h.
 */
#include "config/snapshot.h"

#include "base/codec.h"
#include "base/sealed.h"
#include "sluice/transport.h"

#include <errno.h>
#include <string.h>

/* With its NUL. */
static void put_text(struct buffer *out, uint64_t tag, const char *text)
{
    codec_put_field(out, tag, (struct sluice_span){.ptr = text, .len = strlen(text) + 1});
}

/* Puts the field and empties part. */
static void put_part(struct buffer *out, uint64_t tag, struct buffer *part)
{
    codec_put_field(out, tag, buffer_span(part));
    out->failed = out->failed || part->failed;
    buffer_done(part);
}

static void put_value(struct buffer *out, const struct value *value)
{
    struct buffer part = BUFFER_INIT;

    put_text(&part, SNAPSHOT_TAG_KEY, value->key);
    codec_put_number(&part, SNAPSHOT_TAG_TYPE, (uint64_t)value->type);
    codec_put_number(&part, SNAPSHOT_TAG_FLAGS,
                     (value->is_set ? SNAPSHOT_IS_SET : 0) |
                         (value->is_named ? SNAPSHOT_IS_NAMED : 0) |
                         (value->is_secret ? SNAPSHOT_IS_SECRET : 0));
    codec_put_number(&part, SNAPSHOT_TAG_NUMBER, codec_zigzag(value->number));
    if (value->text != NULL)
        put_text(&part, SNAPSHOT_TAG_TEXT, value->text);
    for (size_t i = 0; i < value->item_count; i++)
        put_text(&part, SNAPSHOT_TAG_ITEM, value->items[i]);
    put_text(&part, SNAPSHOT_TAG_ORIGIN, value->origin);
    put_part(out, SNAPSHOT_TAG_VALUE, &part);
}

static bool is_own_option(const struct draft_instance *instance, const char *key)
{
    size_t count;
    const struct sluice_option *own = parameters_of_instance(instance->interface, &count);

    return options_find(own, count, key) != NULL;
}

static void put_instance(struct buffer *out, const struct draft_instance *instance,
                         bool only_own_options, struct arena *arena)
{
    struct buffer part = BUFFER_INIT;

    put_text(&part, SNAPSHOT_TAG_INTERFACE, instance->interface);
    put_text(&part, SNAPSHOT_TAG_NAME, instance->name);
    put_text(&part, SNAPSHOT_TAG_PLUGIN, instance->plugin);
    put_text(&part, SNAPSHOT_TAG_ARGUMENT, instance->argument);
    put_text(&part, SNAPSHOT_TAG_ORIGIN, place_text(arena, instance->place));
    codec_put_number(&part, SNAPSHOT_TAG_TABLE_FLAGS, instance->table_flags);
    codec_put_number(&part, SNAPSHOT_TAG_HOME, instance->home);
    for (size_t i = 0; i < instance->value_count; i++) {
        if (!only_own_options || is_own_option(instance, instance->values[i].key))
            put_value(&part, &instance->values[i]);
    }
    put_part(out, SNAPSHOT_TAG_INSTANCE, &part);
}

static void put_draft(struct buffer *out, const struct draft *draft, uint32_t roles)
{
    struct arena arena = ARENA_INIT;

    codec_put_number(out, SNAPSHOT_TAG_VERSION, SNAPSHOT_VERSION);
    for (size_t i = 0; i < draft->parameter_count; i++) {
        const struct draft_parameter *parameter = &draft->parameters[i];
        if (parameter->is_known && !parameter->value.is_secret) /* else it has been reported */
            put_value(out, &parameter->value);
    }
    for (size_t i = 0; i < draft->instance_count; i++) {
        const struct draft_instance *instance = &draft->instances[i];
        bool is_transport = strcmp(instance->interface, SLUICE_TRANSPORT_ID) == 0;

        if ((instance->roles & roles) != 0)
            put_instance(out, instance, false, &arena);
        else if ((instance->askers & roles) != 0 || (is_transport && (roles & DRAFT_QUEUE) != 0))
            put_instance(out, instance, true, &arena);
    }
    arena_done(&arena);
}

sluice_status snapshot_write(const struct draft *draft, uint32_t roles, int *ret_fd,
                             struct error *err)
{
    struct buffer out = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    put_draft(&out, draft, roles);
    if (buffer_failed(&out))
        (void)error_set(err, SLUICE_TEMP, "configuration snapshot: out of memory");
    else if ((st = sealed_write("sluice-snapshot", buffer_span(&out), ret_fd)) != SLUICE_OK)
        (void)error_set(err, st, "configuration snapshot: %s", strerror(errno));
    buffer_done(&out);
    return st;
}
