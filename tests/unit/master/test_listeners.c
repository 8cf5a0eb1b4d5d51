/* SPDX-License-Identifier: ISC */
/*
 * listeners: an address can be had, or it is said why not.
 */
#include "master/listeners.h"
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    struct address address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    address_from_sockaddr((const struct sockaddr *)&name, len, &address);
    return address_port(&address);
}

static void accepts_connections(void **state)
{
    char text[64];
    struct address to;
    int fd;

    (void)state;
    assert_int_equal(listener_open("127.0.0.1:0", false, &fd, NULL), SLUICE_OK);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(fd));
    assert_int_equal(address_parse_listen(sluice_span_of(text), &to, NULL), SLUICE_OK);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &to.any, to.len), 0);
    int accepted = accept(fd, NULL, NULL);
    assert_int_not_equal(accepted, -1);
    (void)close(accepted);
    (void)close(client);
    (void)close(fd);
}

static void in_use(void **state)
{
    struct error err = ERROR_INIT;
    char text[64];
    int fd;
    int second = -7;

    (void)state;
    assert_int_equal(listener_open("127.0.0.1:0", false, &fd, NULL), SLUICE_OK);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(fd));
    assert_int_equal(listener_open(text, true, &second, &err), SLUICE_TEMP);
    assert_int_equal(second, -7);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, "in use"));
    (void)close(fd);
}

/* The same port for both families: the IPv6 socket takes IPv6 alone. */
static void both_families(void **state)
{
    char text[64];
    int six;
    int four;

    (void)state;
    if (listener_open("[::]:0", true, &six, NULL) != SLUICE_OK || six == -1) {
        print_message("*** SKIPPED: no IPv6 ***\n");
        skip();
    }
    (void)snprintf(text, sizeof(text), "0.0.0.0:%u", port_of(six));
    assert_int_equal(listener_open(text, false, &four, NULL), SLUICE_OK);
    (void)close(four);
    (void)close(six);
}

static void no_address(void **state)
{
    struct error err = ERROR_INIT;
    int fd;

    (void)state;
    assert_int_equal(listener_open("mail.example:25", false, &fd, &err), SLUICE_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_connections),
        cmocka_unit_test(in_use),
        cmocka_unit_test(both_families),
        cmocka_unit_test(no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
