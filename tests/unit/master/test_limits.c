/* SPDX-License-Identifier: ISC */
/*
 * What the process of an isolated table may take: what the kernel refuses, and what is seen from outside.
 */
#include "master/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((uint64_t)1024 * 1024)

static char name[] = "hash:x";
static const struct limits limits = {
    .table = name, .memory_bytes = 512 * MIB, .descriptors = 100};

/* True: it lets take_all() succeed, in a process of its own. */
static bool is_refused(bool (*take_all)(void))
{
    pid_t child = fork();
    int status;

    assert_int_not_equal(child, -1);
    if (child == 0)
        _exit(limits_apply(&limits) == 0 && !take_all() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static bool take_descriptors(void)
{
    return fcntl(STDIN_FILENO, F_DUPFD, 100) != -1;
}

#ifndef __SANITIZE_ADDRESS__
static bool take_memory(void)
{
    return mmap(NULL, 4096 * MIB, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}
#endif

static void test_the_kernel_refuses(void **state)
{
    (void)state;
    assert_true(is_refused(take_descriptors));
#ifndef __SANITIZE_ADDRESS__
    assert_true(is_refused(take_memory));
#endif
}

static void test_what_is_seen(void **state)
{
    const struct limits little_memory = {
        .table = name, .memory_bytes = 1 * MIB, .descriptors = 1000000};
    const struct limits few_descriptors = {
        .table = name, .memory_bytes = UINT64_MAX, .descriptors = 3};
    const struct limits ample = {
        .table = name, .memory_bytes = UINT64_MAX, .descriptors = 1000000};
    char text[LIMITS_TEXT_SIZE];
    size_t size = 2 * MIB;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 1, size);
    assert_false(limits_are_passed(&ample, getpid(), text));
    assert_true(limits_are_passed(&little_memory, getpid(), text));
    assert_non_null(strstr(text, "hash:x takes "));
    assert_true(limits_are_passed(&few_descriptors, getpid(), text));
    assert_non_null(strstr(text, "hash:x has used up its descriptors"));
    assert_int_equal(munmap(memory, size), 0);
}

static void test_one_that_has_ended(void **state)
{
    char text[LIMITS_TEXT_SIZE];
    pid_t child = fork();
    int status;

    (void)state;
    assert_int_not_equal(child, -1);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(limits_are_passed(&limits, child, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kernel_refuses),
        cmocka_unit_test(test_what_is_seen),
        cmocka_unit_test(test_one_that_has_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
