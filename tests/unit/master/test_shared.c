/* SPDX-License-Identifier: ISC */
/*
 * Memory that roles share: zeroed, of fixed size, and only for those that it is meant for.
 */
#include "master/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct shared_memory *find(const struct shared *shared, const char *name)
{
    for (size_t i = 0; i < shared->count; i++) {
        if (strcmp(shared->list[i].name, name) == 0)
            return &shared->list[i];
    }
    return NULL;
}

static void test_is_shared_zeroed_and_cannot_shrink(void **state)
{
    struct shared shared;
    struct stat status;

    (void)state;
    assert_int_equal(shared_open(&shared, NULL), SLUICE_OK);
    const struct shared_memory *clients = find(&shared, "clients");
    assert_non_null(clients);
    assert_int_equal(fstat(clients->fd, &status), 0);
    size_t size = (size_t)status.st_size;
    char *one = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, clients->fd, 0);
    char *other = mmap(NULL, size, PROT_READ, MAP_SHARED, clients->fd, 0);
    assert_true(one != MAP_FAILED && other != MAP_FAILED);
    assert_int_equal(other[size - 1], 0);
    one[size - 1] = 1;
    assert_int_equal(other[size - 1], 1);
    assert_int_equal(ftruncate(clients->fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(munmap(one, size), 0);
    assert_int_equal(munmap(other, size), 0);
    shared_close(&shared);
    assert_int_equal(shared.count, 0);
}

static void test_only_roles_that_need_it_get_it(void **state)
{
    struct shared shared;

    (void)state;
    assert_int_equal(shared_open(&shared, NULL), SLUICE_OK);
    const struct shared_memory *clients = find(&shared, "clients");
    assert_true(shared_is_for(clients, "receive"));
    assert_false(shared_is_for(clients, "queue"));
    assert_false(shared_is_for(clients, "deliver"));
    shared_close(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_shared_zeroed_and_cannot_shrink),
        cmocka_unit_test(test_only_roles_that_need_it_get_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
