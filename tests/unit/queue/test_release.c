/* SPDX-License-Identifier: ISC */
/*
 * A release costs what it releases: it, and what follows until the last message is gone, touches no
 * other message. Told by AddressSanitizer: what is not to be touched is poisoned meanwhile.
 */
#include "queue/release.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

#define MESSAGES 20000
#define DOMAINS 200
#define OF_DOMAIN (MESSAGES / DOMAINS)
#define FIRST_ID UINT64_C(0x6A00000000000)

static struct {
    struct schedule schedule;
    struct queue_message *messages[MESSAGES]; /* i is for domain i % DOMAINS */
    struct unit *units[MESSAGES];
} crowd;

static struct site_limits limits(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return (struct site_limits){.jobs = {.initial = OF_DOMAIN, .most = OF_DOMAIN},
                                .recipients = 50};
}

static void add(size_t number)
{
    struct envelope_recipient recipient = {.transport = SPAN_LITERAL("etrn-only")};
    struct envelope envelope = {.recipients = &recipient, .recipient_count = 1};
    struct queue_message *message;
    char address[64];
    char nexthop[64];

    (void)snprintf(address, sizeof(address), "somebody@d%zu.test", number % DOMAINS);
    (void)snprintf(nexthop, sizeof(nexthop), "[mail.d%zu.test]", number % DOMAINS);
    recipient.address = sluice_span_of(address);
    recipient.nexthop = sluice_span_of(nexthop);
    assert_int_equal(schedule_add(&crowd.schedule, FIRST_ID + number, &envelope, &message),
                     SLUICE_OK);
    schedule_defer(&crowd.schedule, message->units, INT64_MAX, 0);
    crowd.messages[number] = message;
    crowd.units[number] = message->units;
}

/* All messages but those of one domain. */
static void forbid(size_t domain)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        if (i % DOMAINS == domain)
            continue;
        ASAN_POISON_MEMORY_REGION(crowd.messages[i], sizeof(struct queue_message));
        ASAN_POISON_MEMORY_REGION(crowd.units[i], sizeof(struct unit));
    }
}

static void allow(void)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        ASAN_UNPOISON_MEMORY_REGION(crowd.messages[i], sizeof(struct queue_message));
        ASAN_UNPOISON_MEMORY_REGION(crowd.units[i], sizeof(struct unit));
    }
}

/* One job after the other; each is refused for now, and waits again. */
static size_t attempt_all(void)
{
    const struct places places = {.total = OF_DOMAIN, .free = OF_DOMAIN};
    struct unit *units;
    struct site *site;
    size_t count = 0;

    while ((site = schedule_take(&crowd.schedule, &places, 1, &units)) != NULL) {
        schedule_defer(&crowd.schedule, units, INT64_MAX, 1);
        schedule_job_done(&crowd.schedule, site, 1);
        count++;
    }
    return count;
}

static void test_a_release_touches_what_it_releases(void **state)
{
    char name[64];

    (void)state;
    schedule_init(&crowd.schedule, limits, NULL);
    for (size_t i = 0; i < MESSAGES; i++)
        add(i);
    for (size_t domain = 0; domain < DOMAINS; domain += 50) {
        (void)snprintf(name, sizeof(name), "d%zu.test", domain);
        forbid(domain);
        schedule_advance(&crowd.schedule, 1);
        uint64_t count = release_domain(&crowd.schedule, sluice_span_of(name), false, 1);
        size_t attempted = attempt_all();
        allow();
        assert_int_equal(count, OF_DOMAIN);
        assert_int_equal(attempted, OF_DOMAIN);
    }
    schedule_done(&crowd.schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_release_touches_what_it_releases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
