/* SPDX-License-Identifier: ISC */
/*
 * Names from a hosts file, and what else may be in one.
 */
#include "net/hosts_file.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/sluice-hosts-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char *find(struct hosts_file *hosts, const char *text)
{
    struct address address;

    assert_int_equal(address_parse(sluice_span_of(text), 25, &address), SLUICE_OK);
    return hosts_file_find(hosts, &address);
}

static void test_names(void **state)
{
    struct hosts_file hosts = {.path = path};

    (void)state;
    write_file("# comment\n"
               "\n"
               "127.0.0.1\tlocalhost other # first one counts\n"
               "127.0.0.1 later\n"
               "  192.0.2.1   mail.example\r\n"
               "::1 localhost6\n"
               "nonsense name\n"
               "192.0.2.2\n"
               "192.0.2.3 #name\n"
               "192.0.2.4 last");
    assert_string_equal(find(&hosts, "127.0.0.1"), "localhost");
    assert_string_equal(find(&hosts, "::ffff:127.0.0.1"), "localhost");
    assert_string_equal(find(&hosts, "192.0.2.1"), "mail.example");
    assert_string_equal(find(&hosts, "::1"), "localhost6");
    assert_null(find(&hosts, "192.0.2.2"));
    assert_null(find(&hosts, "192.0.2.3"));
    assert_string_equal(find(&hosts, "192.0.2.4"), "last");
    hosts_file_done(&hosts);
}

static void test_changes(void **state)
{
    struct hosts_file hosts = {.path = path};

    (void)state;
    clock_set(1000, 1000);
    write_file("192.0.2.1 old\n");
    assert_string_equal(find(&hosts, "192.0.2.1"), "old");
    (void)usleep(20000); /* a file's time is no finer than the kernel's clock */
    write_file("192.0.2.1 new\n");
    assert_string_equal(find(&hosts, "192.0.2.1"), "old");
    clock_set(61000, 61000);
    assert_string_equal(find(&hosts, "192.0.2.1"), "new");
    (void)unlink(path);
    clock_set(121000, 121000);
    assert_null(find(&hosts, "192.0.2.1"));
    clock_real();
    hosts_file_done(&hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_changes),
    };
    int fd = mkstemp(path);

    if (fd == -1)
        return 1;
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
