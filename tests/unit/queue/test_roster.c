/* SPDX-License-Identifier: ISC */
/*
 * roster: every message is found, whatever has come and gone; in their order; and what a queued message
 * takes of memory.
 */
#include "queue/schedule.h"

#include "base/span.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc brings no header for it */
#endif

#define FIRST_ID UINT64_C(0x6A00000000000)
#define COUNT 20000

static void expect_all(const struct roster *roster, uint64_t from, uint64_t to)
{
    const struct queue_message *message;
    uint64_t id = from;

    DL_FOREACH(roster->first, message)
    {
        assert_int_equal(message->id, id);
        assert_ptr_equal(roster_find(roster, id), message);
        id++;
    }
    assert_int_equal(id, to);
    assert_int_equal(roster->count, to - from);
}

static void test_messages_are_found_while_others_come_and_go(void **state)
{
    struct roster roster;

    (void)state;
    roster_init(&roster);
    assert_null(roster_find(&roster, FIRST_ID));
    for (uint64_t i = 0; i < COUNT; i++)
        assert_non_null(roster_add(&roster, FIRST_ID + i));
    expect_all(&roster, FIRST_ID, FIRST_ID + COUNT);
    assert_true(roster.bucket_count >= COUNT / 2);
    for (uint64_t i = 0; i < COUNT; i++) {
        roster_remove(&roster, roster_find(&roster, FIRST_ID + i));
        assert_null(roster_find(&roster, FIRST_ID + i));
        if (i % 1000 == 999)
            expect_all(&roster, FIRST_ID + i + 1, FIRST_ID + COUNT);
    }
    assert_true(roster.capacity <= 256); /* the memory has been given back */
    roster_done(&roster);
}

/* Ids that have nothing in their last bits share a bucket, and are found all the same. */
static void test_ids_far_apart_are_found(void **state)
{
    struct roster roster;

    (void)state;
    roster_init(&roster);
    for (uint64_t i = 1; i <= 1000; i++)
        assert_non_null(roster_add(&roster, i << 40));
    for (uint64_t i = 1; i <= 1000; i++)
        assert_int_equal(roster_find(&roster, i << 40)->id, i << 40);
    while (roster.first != NULL)
        roster_remove(&roster, roster.first);
    roster_done(&roster);
}

static void test_they_are_put_in_the_order_of_their_arrival(void **state)
{
    const struct queue_message *message;
    struct roster roster;
    int64_t arrival_ms = 0;

    (void)state;
    roster_init(&roster);
    for (uint64_t i = 0; i < COUNT; i++)
        roster_add(&roster, FIRST_ID + i)->arrival_ms = (int64_t)(i * 7919 % COUNT);
    assert_int_equal(roster_sort(&roster), SLUICE_OK);
    DL_FOREACH(roster.first, message)
    assert_int_equal(message->arrival_ms, arrival_ms++);
    assert_int_equal(arrival_ms, COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        roster_remove(&roster, roster_find(&roster, FIRST_ID + i));
    roster_done(&roster);
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define DOMAINS 200
/* Of the 300 that a queued message may take; the others are the store's index. */
#define BYTES_MAX 220

static size_t allocated(const struct schedule *schedule)
{
    size_t chunks = schedule->messages.memory.chunk_count + schedule->units.chunk_count;

#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes() + chunks * SLAB_CHUNK_SIZE;
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd + chunks * SLAB_CHUNK_SIZE;
#endif
}

static struct site_limits limits(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return (struct site_limits){.jobs = {.initial = 20, .most = 20}, .recipients = 50};
}

static void add(struct schedule *schedule, uint64_t number)
{
    char address[64];
    char nexthop[64];
    struct envelope_recipient recipient = {.transport = SPAN_LITERAL("etrn-only")};
    struct envelope envelope = {.recipients = &recipient, .recipient_count = 1};
    struct queue_message *message;

    (void)snprintf(address, sizeof(address), "somebody@d%u.customers.test",
                   (unsigned)(number % DOMAINS));
    (void)snprintf(nexthop, sizeof(nexthop), "[mail.d%u.customers.test]",
                   (unsigned)(number % DOMAINS));
    recipient.address = sluice_span_of(address);
    recipient.nexthop = sluice_span_of(nexthop);
    assert_int_equal(schedule_add(schedule, FIRST_ID + number, &envelope, &message), SLUICE_OK);
    schedule_defer(schedule, message->units, INT64_MAX, 0);
}

/* With what its site and domain take, each of which has a hundred of them. */
static void test_a_queued_message_takes_little_memory(void **state)
{
    struct schedule schedule;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    size_t before = allocated(&schedule);
    for (uint64_t i = 0; i < COUNT; i++)
        add(&schedule, i);
    size_t bytes = (allocated(&schedule) - before) / COUNT;
    if (bytes > BYTES_MAX)
        fail_msg("%zu bytes for a message", bytes);
    while (schedule.messages.first != NULL)
        schedule_remove(&schedule, schedule.messages.first, 0);
    assert_true(schedule.messages.memory.chunk_count <= 1 && schedule.units.chunk_count <= 1);
    schedule_done(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_found_while_others_come_and_go),
        cmocka_unit_test(test_ids_far_apart_are_found),
        cmocka_unit_test(test_they_are_put_in_the_order_of_their_arrival),
        cmocka_unit_test(test_a_queued_message_takes_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
