/* SPDX-License-Identifier: ISC */
/*
 * inquiry: see inquiry.h.
 */
#include "queue/inquiry.h"

#include "base/span.h"

#include <stdlib.h>

/* The sender, where it counts. */
static struct sluice_span counted(const struct inquiry *inquiry, struct sluice_span sender)
{
    return inquiry->is_by_sender ? sender : SPAN_EMPTY;
}

static void make_key(struct sluice_span sender, const struct envelope_recipient *recipient,
                     struct buffer *key)
{
    buffer_add_span(key, recipient->address);
    buffer_add_byte(key, '\0');
    buffer_add_span(key, recipient->transport);
    buffer_add_byte(key, '\0');
    buffer_add_span(key, recipient->nexthop);
    buffer_add_byte(key, '\0');
    buffer_add_span(key, sender);
}

static struct inquiry_entry *find_entry(const struct inquiry *inquiry, struct sluice_span key)
{
    struct inquiry_entry *entry;

    HASH_FIND(hh, inquiry->entries, key.ptr, key.len, entry);
    return entry;
}

static void add_entry(struct inquiry *inquiry, struct sluice_span key, size_t address_len,
                      size_t sender_len)
{
    struct inquiry_entry *entry = calloc(1, sizeof(*entry) + key.len);

    if (entry == NULL)
        return;
    memcpy(entry->key, key.ptr, key.len);
    entry->key_len = key.len;
    entry->address_len = address_len;
    entry->sender_len = sender_len;
    HASH_ADD_KEYPTR(hh, inquiry->entries, entry->key, entry->key_len, entry);
    if (hash_has(entry))
        inquiry->bytes += key.len;
    else
        free(entry);
}

void inquiry_add(struct inquiry *inquiry, struct sluice_span sender,
                 const struct envelope_recipient *recipient)
{
    struct buffer key = BUFFER_INIT;

    sender = counted(inquiry, sender);
    make_key(sender, recipient, &key);
    if (!buffer_failed(&key) && find_entry(inquiry, buffer_span(&key)) == NULL)
        add_entry(inquiry, buffer_span(&key), recipient->address.len, sender.len);
    buffer_done(&key);
}

void inquiry_done(struct inquiry *inquiry)
{
    struct inquiry_entry *entry;
    struct inquiry_entry *next;

    HASH_ITER(hh, inquiry->entries, entry, next)
    {
        HASH_DEL(inquiry->entries, entry);
        free(entry);
    }
}

struct sluice_span inquiry_address(const struct inquiry_entry *entry)
{
    return (struct sluice_span){.ptr = entry->key, .len = entry->address_len};
}

static struct sluice_span sender_of(const struct inquiry_entry *entry)
{
    return (struct sluice_span){.ptr = entry->key + entry->key_len - entry->sender_len,
                                .len = entry->sender_len};
}

void inquiry_encode(const struct inquiry *inquiry, struct buffer *body)
{
    for (const struct inquiry_entry *entry = inquiry->entries; entry != NULL;
         entry = entry->hh.next) {
        const struct message_question question = {.address = inquiry_address(entry),
                                                  .sender = sender_of(entry)};

        message_question_add(&question, body);
    }
}

static bool is_new(const struct inquiry_entry *entry, struct buffer *key)
{
    struct envelope_recipient routed = {
        .address = inquiry_address(entry),
        .transport = entry->route.transport,
        .nexthop = entry->route.nexthop,
    };

    if (entry->route.status != SLUICE_OK)
        return false;
    buffer_clear(key);
    make_key(sender_of(entry), &routed, key);
    return !buffer_failed(key) &&
           !span_equal(buffer_span(key),
                       (struct sluice_span){.ptr = entry->key, .len = entry->key_len});
}

bool inquiry_answer(struct inquiry *inquiry, struct sluice_span answer)
{
    struct buffer key = BUFFER_INIT;
    bool is_any = false;

    for (struct inquiry_entry *entry = inquiry->entries; entry != NULL; entry = entry->hh.next) {
        if (message_route_next(&answer, &entry->route) != SLUICE_OK) {
            entry->route.status = SLUICE_TEMP; /* what is not answered is not known */
            inquiry->unanswered++;
            continue;
        }
        entry->is_moved = is_new(entry, &key);
        is_any = is_any || entry->is_moved;
    }
    buffer_done(&key);
    return is_any;
}

const struct message_route *inquiry_new_route(const struct inquiry *inquiry,
                                              struct sluice_span sender,
                                              const struct envelope_recipient *recipient)
{
    struct buffer key = BUFFER_INIT;
    const struct inquiry_entry *entry = NULL;

    make_key(counted(inquiry, sender), recipient, &key);
    if (!buffer_failed(&key))
        entry = find_entry(inquiry, buffer_span(&key));
    buffer_done(&key);
    return entry != NULL && entry->is_moved ? &entry->route : NULL;
}
