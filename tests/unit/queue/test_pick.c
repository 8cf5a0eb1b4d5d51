/* SPDX-License-Identifier: ISC */
/*
 * Which deliver process gets a job: sites spread, and each one's jobs follow each other while there may be
 * connections.
 */
#include "queue/pick.h"

#include "queue/dispatch.h"
#include "queue/state.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <utlist.h>

#define CREDIT 10
#define CACHE_MS 2000

struct world {
    struct queue queue;
    struct deliver_link links[3]; /* the last one is isolated */
};

static void start(struct world *w)
{
    *w = (struct world){.queue.settings.connection_cache_ms = CACHE_MS};
    for (size_t i = 0; i < 3; i++) {
        w->links[i] = (struct deliver_link){
            .channel = (struct channel *)w, /* nothing is sent */
            .pid = 100 + (int32_t)i,
            .is_isolated = i == 2,
            .credit_bytes = UINT64_MAX / 2,
            .credit_messages = CREDIT,
        };
        DL_APPEND(w->queue.delivers, &w->links[i]);
    }
}

static struct deliver_link *begin(struct world *w, struct site *site, int64_t now_ms)
{
    site->in_flight++;
    struct deliver_link *link = pick_for_site(&w->queue, site, now_ms);
    link->used_messages++;
    return link;
}

static void end(struct world *w, struct site *site, struct deliver_link *link, int64_t now_ms)
{
    link->used_messages--;
    site->in_flight--;
    pick_kept(&w->queue, site, now_ms);
}

static void test_sites_spread(void **state)
{
    struct world w;
    int32_t last = 0;

    (void)state;
    start(&w);
    for (size_t i = 0; i < CREDIT; i++) {
        struct site site = {0};

        end(&w, &site, begin(&w, &site, 0), 0);
        assert_true(site.deliver_pid == w.links[0].pid || site.deliver_pid == w.links[1].pid);
        assert_true(site.deliver_pid != last);
        last = site.deliver_pid;
    }
}

static void test_jobs_follow(void **state)
{
    struct site other = {0};
    struct site site = {0};
    struct world w;

    (void)state;
    start(&w);
    struct deliver_link *first = begin(&w, &site, 0);
    for (int i = 1; i < CREDIT / 2; i++)
        assert_ptr_equal(begin(&w, &site, 0), first); /* while others are under way */
    assert_ptr_not_equal(begin(&w, &other, 0), first); /* it has more credit left */
    for (int i = 0; i < CREDIT / 2; i++)
        end(&w, &site, first, 1000);
    first->used_messages = CREDIT - 1;
    assert_ptr_equal(begin(&w, &site, 1000 + CACHE_MS - 1), first); /* as long as connections last */
    end(&w, &site, first, 5000);
    assert_ptr_not_equal(begin(&w, &site, 5000 + CACHE_MS), first);
}

static void test_full_or_gone(void **state)
{
    struct site site = {0};
    struct world w;

    (void)state;
    start(&w);
    struct deliver_link *first = begin(&w, &site, 0);
    first->used_messages = CREDIT;
    struct deliver_link *second = begin(&w, &site, 0);
    assert_ptr_not_equal(second, first);
    first->used_messages = 1;
    assert_ptr_equal(begin(&w, &site, 0), first); /* its connections are still there */
    first->channel = NULL;
    assert_ptr_equal(begin(&w, &site, 0), second);
    DL_DELETE(w.queue.delivers, first);
    assert_ptr_equal(begin(&w, &site, 0), second);
    assert_int_equal(site.deliver_pid, second->pid);
    second->used_messages = CREDIT;
    assert_null(pick_any(&w.queue, CREW_COMMON));
}

/* A crew's sites get its own processes and no other, however much room those have. */
static void test_crews_have_their_own_places(void **state)
{
    struct site common = {.limits.crew = CREW_COMMON};
    struct site own = {.limits.crew = 1};
    struct world w;

    (void)state;
    start(&w);
    w.links[1].crew = 1;
    for (int i = 0; i < CREDIT; i++)
        assert_ptr_equal(begin(&w, &own, 0), &w.links[1]);
    assert_null(pick_any(&w.queue, 1));
    assert_int_equal(pick_places(&w.queue, 1).free, 0);
    assert_int_equal(pick_places(&w.queue, CREW_COMMON).free, CREDIT);
    assert_ptr_equal(begin(&w, &common, 0), &w.links[0]);
    w.links[1].crew = CREW_UNKNOWN; /* of another configuration */
    assert_int_equal(pick_places(&w.queue, 1).total, 0);
    assert_int_equal(pick_places(&w.queue, CREW_COMMON).total, CREDIT);
}

static void test_places(void **state)
{
    struct world w;

    (void)state;
    start(&w);
    w.links[0].used_messages = 3;
    struct places places = pick_places(&w.queue, CREW_COMMON);
    assert_int_equal(places.total, 2 * CREDIT);
    assert_int_equal(places.free, 2 * CREDIT - 3);
    w.links[0].credit_messages = 0; /* it is leaving */
    places = pick_places(&w.queue, CREW_COMMON);
    assert_int_equal(places.total, CREDIT);
    assert_int_equal(places.free, CREDIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sites_spread),
        cmocka_unit_test(test_jobs_follow),
        cmocka_unit_test(test_full_or_gone),
        cmocka_unit_test(test_crews_have_their_own_places),
        cmocka_unit_test(test_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
