/* SPDX-License-Identifier: ISC */
/*
 * What one schedule knows beyond the records goes into another that has the same messages.
 */
#include "queue/id_ranges.h"
#include "queue/release.h"
#include "queue/schedule_state.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utlist.h>

#define NOW 1000000
#define MESSAGES 6

static struct site_limits limits(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return (struct site_limits){
        .jobs = {.initial = 1, .most = 1, .failed_cohorts = 1}, .recipients = 2};
}

/* Message i has three recipients at each of two domains, all held. */
static void fill(struct schedule *schedule)
{
    schedule_init(schedule, limits, NULL);
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        struct envelope envelope = {.arrival_ms = 1};
        struct queue_message *message;

        for (int i = 0; i < 6; i++) {
            struct envelope_recipient *recipient = envelope_add(&envelope);

            assert_non_null(recipient);
            recipient->address = i % 2 == 0 ? SPAN_LITERAL("u@a.test") : SPAN_LITERAL("u@b.test");
            recipient->transport = SPAN_LITERAL("smtp");
            recipient->nexthop = id % 2 == 0 ? SPAN_LITERAL("[even]") : SPAN_LITERAL("[odd]");
        }
        assert_int_equal(schedule_add(schedule, id, &envelope, &message), SLUICE_OK);
        message->is_durable = true;
        for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
            schedule_defer(schedule, u, CLOCK_NEVER, NOW);
        envelope_done(&envelope);
    }
}

static struct site *site(const struct schedule *schedule, const char *nexthop)
{
    struct site *found = site_find(&schedule->sites, SPAN_LITERAL("smtp"), sluice_span_of(nexthop));

    assert_non_null(found);
    return found;
}

/* The released units of a site in their order: "id:first-last ...". */
static void show_released(const struct schedule *schedule, const char *nexthop, char *out,
                          size_t size)
{
    const struct unit *unit;
    size_t len = 0;

    out[0] = '\0';
    DL_FOREACH(site(schedule, nexthop)->released, unit)
    {
        len += (size_t)snprintf(out + len, size - len, "%u:%u-%u ", (unsigned)unit->message->id,
                                unit->first, unit->last);
    }
}

/* A schedule in which something of everything has happened. */
static void live(struct schedule *schedule)
{
    bool is_postponed;

    fill(schedule);
    struct site *odd = site(schedule, "[odd]");
    assert_true(site_failed(odd, NOW - 10, NOW, 5000, SPAN_LITERAL("it is not there")));
    odd->not_before_ms = NOW + 60000;
    odd->deliver_pid = 333;
    odd->connected_until_ms = NOW + 2000;
    odd->jobs.jobs = 7;
    odd->attempt_ms = 70;
    site_reached(site(schedule, "[even]"), 7000);
    assert_int_equal(release_domain(schedule, SPAN_LITERAL("a.test"), false, NOW), MESSAGES);
    assert_int_equal(
        release_domain_paced(schedule, SPAN_LITERAL("a.test"), true, 1000, NOW + 1, &is_postponed),
        MESSAGES);
    assert_true(is_postponed);
    /* One waits for a moment, released as it is. */
    const struct places places = {.total = 100, .free = 100};
    struct unit *units;
    struct site *taken = schedule_take(schedule, &places, NOW, &units);
    assert_non_null(taken);
    schedule_return(schedule, units, NOW + 1000, NOW);
    schedule_job_done(schedule, taken, NOW);
}

struct saved {
    struct buffer sites;
    struct buffer passes;
    struct buffer released;
};

static void save(const struct schedule *schedule, struct saved *saved)
{
    *saved = (struct saved){0};
    schedule_save_sites(schedule, &saved->sites);
    schedule_save_passes(schedule, &saved->passes);
    schedule_save_released(schedule, &saved->released);
    assert_false(buffer_failed(&saved->sites) || buffer_failed(&saved->passes) ||
                 buffer_failed(&saved->released));
}

static void saved_done(struct saved *saved)
{
    buffer_done(&saved->sites);
    buffer_done(&saved->passes);
    buffer_done(&saved->released);
}

static void everything_comes_back(void **state)
{
    struct schedule before;
    struct schedule after;
    struct saved saved;
    struct saved again;
    char want[256];
    char got[256];

    (void)state;
    live(&before);
    save(&before, &saved);
    fill(&after);
    assert_int_equal(schedule_load_sites(&after, buffer_span(&saved.sites), NOW), SLUICE_OK);
    assert_int_equal(schedule_load_passes(&after, buffer_span(&saved.passes)), SLUICE_OK);
    assert_int_equal(schedule_load_released(&after, buffer_span(&saved.released), NOW), SLUICE_OK);

    const struct site *odd = site(&after, "[odd]");
    assert_int_equal(odd->history.failures, 1);
    assert_int_equal(odd->history.last_failure_ms, 5000);
    assert_int_equal(odd->failed_ms, NOW);
    assert_int_equal(odd->not_before_ms, NOW + 60000);
    assert_int_equal(odd->deliver_pid, 333);
    assert_int_equal(odd->connected_until_ms, NOW + 2000);
    assert_int_equal(odd->jobs.jobs, 7);
    assert_int_equal(odd->attempt_ms, 70);
    assert_string_equal(odd->last_text, "it is not there");
    assert_int_equal(site(&after, "[even]")->history.last_success_ms, 7000);
    show_released(&before, "[odd]", want, sizeof(want));
    show_released(&after, "[odd]", got, sizeof(got));
    assert_int_equal(strlen(got) >= strlen(want), 1); /* and what was given back behind them */
    assert_memory_equal(got, want, strlen(want));
    show_released(&before, "[even]", want, sizeof(want));
    show_released(&after, "[even]", got, sizeof(got));
    assert_memory_equal(got, want, strlen(want));
    save(&after, &again);
    assert_int_equal(again.released.len, saved.released.len); /* so it is among them */
    assert_int_equal(again.sites.len, saved.sites.len);
    assert_int_equal(again.passes.len, saved.passes.len);
    assert_memory_equal(again.passes.ptr, saved.passes.ptr, saved.passes.len);
    release_postponed(&after, 1000, NOW + 2000); /* comes after its interval, and with all of it */
    assert_int_equal(after.domains.passed->last_pass_ms, NOW + 2000);
    saved_done(&again);
    saved_done(&saved);
    schedule_done(&before);
    schedule_done(&after);
}

/* Messages that have gone, recipients that are in other units, sites of which nobody knows. */
static void what_is_gone_is_skipped(void **state)
{
    struct schedule before;
    struct schedule after;
    struct saved saved;
    char got[256];

    (void)state;
    live(&before);
    save(&before, &saved);
    fill(&after);
    for (uint64_t id = 1; id < MESSAGES; id++)
        schedule_remove(&after, schedule_find(&after, id), NOW);
    assert_int_equal(schedule_load_released(&after, buffer_span(&saved.released), NOW), SLUICE_OK);
    show_released(&after, "[even]", got, sizeof(got));
    assert_string_equal(got, "6:4-4 6:0-2 ");
    saved_done(&saved);
    schedule_done(&before);
    schedule_done(&after);

    live(&before);
    save(&before, &saved);
    schedule_init(&after, limits, NULL);
    assert_int_equal(schedule_load_released(&after, buffer_span(&saved.released), NOW), SLUICE_OK);
    assert_int_equal(schedule_load_sites(&after, buffer_span(&saved.sites), NOW), SLUICE_OK);
    assert_int_equal(schedule_load_passes(&after, buffer_span(&saved.passes)), SLUICE_OK);
    assert_int_equal(site(&after, "[odd]")->history.failures, 1); /* for the mail that comes */
    assert_non_null(domain_find(&after.domains, SPAN_LITERAL("a.test")));
    saved_done(&saved);
    schedule_done(&before);
    schedule_done(&after);
}

static sluice_status load(struct schedule *schedule, int which, struct sluice_span bytes)
{
    if (which == 0)
        return schedule_load_sites(schedule, bytes, NOW);
    if (which == 1)
        return schedule_load_passes(schedule, bytes);
    return schedule_load_released(schedule, bytes, NOW);
}

/* In memory of exactly that size, so that ASan sees a byte too far. */
static sluice_status load_copy(int which, struct sluice_span bytes)
{
    struct schedule schedule;
    char *copy = malloc(bytes.len + 1);

    assert_non_null(copy);
    copy = realloc(copy, bytes.len > 0 ? bytes.len : 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    fill(&schedule);
    sluice_status st = load(&schedule, which, (struct sluice_span){.ptr = copy, .len = bytes.len});
    schedule_done(&schedule);
    free(copy);
    return st;
}

static void cut_at_each_length(void **state)
{
    struct schedule schedule;
    struct saved saved;

    (void)state;
    live(&schedule);
    save(&schedule, &saved);
    const struct buffer *all[] = {&saved.sites, &saved.passes, &saved.released};
    for (int which = 0; which < 3; which++) {
        assert_true(all[which]->len > 0);
        for (size_t len = 0; len < all[which]->len; len++) {
            sluice_status st = load_copy(which, span_first(buffer_span(all[which]), len));

            assert_true(st == SLUICE_PERM || st == SLUICE_OK); /* OK: cut between two items */
        }
        assert_int_equal(load_copy(which, span_first(buffer_span(all[which]), all[which]->len - 1)),
                         SLUICE_PERM);
    }
    saved_done(&saved);
    schedule_done(&schedule);
}

static void random_bytes(void **state)
{
    struct schedule schedule;
    struct saved saved;
    unsigned seed = 1;

    (void)state;
    live(&schedule);
    save(&schedule, &saved);
    const struct buffer *all[] = {&saved.sites, &saved.passes, &saved.released};
    for (int round = 0; round < 3000; round++) {
        struct buffer bytes = BUFFER_INIT;

        buffer_add_span(&bytes, buffer_span(all[round % 3]));
        assert_false(buffer_failed(&bytes));
        for (int n = rand_r(&seed) % 4; n >= 0; n--)
            bytes.ptr[(size_t)rand_r(&seed) % bytes.len] = (char)rand_r(&seed);
        (void)load_copy(round % 3, buffer_span(&bytes)); /* ASan and UBSan watch */
        buffer_done(&bytes);
    }
    saved_done(&saved);
    schedule_done(&schedule);
}

static void ids_come_back(void **state)
{
    static const char *const nonsense[] = {"\x01", "\x00\x05", "\x80", "\x05\x80"};
    struct id_ranges before = {0};
    struct id_ranges after = {0};
    struct buffer bytes = BUFFER_INIT;

    (void)state;
    assert_true(id_ranges_add(&before, 1000, 10) && id_ranges_add(&before, 1010, 10) &&
                id_ranges_add(&before, 5000, 1));
    assert_int_equal(before.count, 2);
    id_ranges_encode(&before, &bytes);
    assert_int_equal(id_ranges_decode(buffer_span(&bytes), &after), SLUICE_OK);
    for (uint64_t id = 999; id < 5002; id++)
        assert_int_equal(id_ranges_have(&after, id), (id >= 1000 && id < 1020) || id == 5000);
    buffer_done(&bytes);
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct sluice_span span = {.ptr = nonsense[i], .len = i == 0 || i == 2 ? 1 : 2};
        assert_int_equal(id_ranges_decode(span, &after), SLUICE_PERM);
    }
    id_ranges_done(&before);
    id_ranges_done(&after);
}

/* Units of a message some of whose recipients are in flight: none mixes them with others. */
static void groups_are_not_mixed(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct schedule schedule;
        struct envelope envelope = {.arrival_ms = 1};
        struct queue_message *message;
        uint32_t groups[12] = {0};
        size_t covered = 0;

        schedule_init(&schedule, limits, NULL);
        for (int i = 0; i < 12; i++) {
            struct envelope_recipient *recipient = envelope_add(&envelope);

            assert_non_null(recipient);
            recipient->address =
                rand_r(&seed) % 2 == 0 ? SPAN_LITERAL("u@a.test") : SPAN_LITERAL("u@b.test");
            recipient->transport = SPAN_LITERAL("smtp");
            recipient->nexthop = SPAN_LITERAL("[hub]");
            recipient->state = rand_r(&seed) % 5 == 0 ? RECIPIENT_DELIVERED : RECIPIENT_WAITING;
            groups[i] = (uint32_t)(rand_r(&seed) % 3);
        }
        assert_int_equal(schedule_add_grouped(&schedule, 1, &envelope, groups, &message),
                         SLUICE_OK);
        for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
            size_t count = 0;

            for (size_t i = u->first; i <= u->last; i++) {
                if (!schedule_unit_has(u, &envelope.recipients[i], i))
                    continue;
                assert_int_equal(groups[i], groups[u->first]);
                count++;
            }
            assert_int_equal(count, u->recipient_count);
            covered += count;
        }
        for (size_t i = 0; i < 12; i++)
            covered -= envelope.recipients[i].state == RECIPIENT_WAITING;
        assert_int_equal(covered, 0); /* each is in one unit */
        envelope_done(&envelope);
        schedule_done(&schedule);
    }
}

/* Routes change at random: every recipient stays in one unit, and all counts are right. */
static void units_are_made_anew(void **state)
{
    static const char *const nexthops[] = {"[one]", "[two]", "[three]"};
    struct envelope envelope = {.arrival_ms = 1};
    struct schedule schedule;
    struct queue_message *message;
    unsigned seed = 3;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    for (int i = 0; i < 12; i++) {
        struct envelope_recipient *recipient = envelope_add(&envelope);

        assert_non_null(recipient);
        recipient->address = i % 3 == 0 ? SPAN_LITERAL("u@a.test") : SPAN_LITERAL("u@b.test");
        recipient->transport = SPAN_LITERAL("smtp");
        recipient->nexthop = SPAN_LITERAL("[one]");
    }
    assert_int_equal(schedule_add(&schedule, 1, &envelope, &message), SLUICE_OK);
    message->is_durable = true;
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
        schedule_defer(&schedule, u, CLOCK_NEVER, NOW);
    (void)release_domain(&schedule, SPAN_LITERAL("a.test"), false, NOW);
    for (int round = 0; round < 300; round++) {
        size_t covered = 0;

        for (int i = 0; i < 12; i++)
            envelope.recipients[i].nexthop = sluice_span_of(nexthops[rand_r(&seed) % 3]);
        assert_int_equal(schedule_rebuild(&schedule, message, &envelope, NOW), SLUICE_OK);
        for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
            bool is_a = span_equal((struct sluice_span){u->domain->name, u->domain->name_len},
                                   SPAN_LITERAL("a.test"));

            assert_int_equal(u->state, UNIT_NEW);
            assert_int_equal(u->is_released, is_a);
            schedule_defer(&schedule, u, CLOCK_NEVER, NOW);
            if (is_a)
                assert_true(schedule_release(&schedule, u, NOW));
            for (size_t i = u->first; i <= u->last; i++)
                covered += schedule_unit_has(u, &envelope.recipients[i], i);
        }
        assert_int_equal(covered, 12);
        assert_int_equal(domain_find(&schedule.domains, SPAN_LITERAL("a.test"))->message_count, 1);
        assert_int_equal(domain_find(&schedule.domains, SPAN_LITERAL("b.test"))->message_count, 1);
    }
    envelope_done(&envelope);
    schedule_done(&schedule); /* which looks for what is left over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back), cmocka_unit_test(what_is_gone_is_skipped),
        cmocka_unit_test(cut_at_each_length),    cmocka_unit_test(random_bytes),
        cmocka_unit_test(ids_come_back),         cmocka_unit_test(groups_are_not_mixed),
        cmocka_unit_test(units_are_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
