/* SPDX-License-Identifier: ISC */
/* Members of an alias, aliases(5). */
#include "members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "address:a@x file:/y": a kind and a text for each, with | between them. */
static void describe(const struct member_list *list, char *text, size_t size)
{
    static const char *const kinds[] = {
        [MEMBER_ADDRESS] = "address", [MEMBER_FILE] = "file",       [MEMBER_COMMAND] = "command",
        [MEMBER_INCLUDE] = "include", [MEMBER_MAILBOX] = "mailbox",
    };
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s=%s", i > 0 ? " & " : "",
                                kinds[list->items[i].kind], list->items[i].text);
}

static const struct {
    const char *text, *want;
} cases[] = {
    {"", ""},
    {" , ,", ""},
    {"a", "address=a"},
    {"a@x, b@y ,c", "address=a@x & address=b@y & address=c"},
    {"a, a", "address=a"},
    {"\"a b\"@x, \"c, d\"@y", "address=\"a b\"@x & address=\"c, d\"@y"},
    {"Alice <a@x>, \"B, C\" <b@x>", "address=a@x & address=b@x"},
    {"a@x (Alice A.), <b@x> (B)", "address=a@x & address=b@x"},
    {"(nobody)", ""},
    {"/var/x", "file=/var/x"},
    {"\"/var/a b\"", "file=/var/a b"},
    {"/", "address=/"},
    {"|prog", "command=prog"},
    {"\"|prog -a, b \\\"c\\\"\"", "command=prog -a, b \"c\""},
    {"|\"prog arg\"", "command=prog arg"},
    {":include:/etc/list", "include=/etc/list"},
    {"\":Include: /etc/a b\", x", "include=/etc/a b & address=x"},
    {"\\user, other", "mailbox=user & address=other"},
    {"\"unfinished", "address=\"unfinished"},
};

static void test_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct member_list list = {0};
        char text[500];

        assert_int_equal(members_parse(&list, sluice_span_of(cases[i].text)), SLUICE_OK);
        describe(&list, text, sizeof(text));
        assert_string_equal(text, cases[i].want);
        members_done(&list);
    }
}

static void test_lines(void **state)
{
    struct member_list list = {0};
    char text[500];

    (void)state;
    assert_int_equal(members_parse_lines(&list, sluice_span_of("# who\r\na@x, b@x\r\n\r\n  c # d\n|e")),
                     SLUICE_OK);
    describe(&list, text, sizeof(text));
    assert_string_equal(text, "address=a@x & address=b@x & address=c # d & command=e");
    members_done(&list);
}

static void test_there_is_a_limit(void **state)
{
    struct member_list list = {0};
    sluice_status st = SLUICE_OK;

    (void)state;
    for (int i = 0; i <= MEMBERS_MAX && st == SLUICE_OK; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "u%d", i);
        st = members_parse(&list, sluice_span_of(text));
    }
    assert_int_equal(st, SLUICE_PERM);
    assert_int_equal(list.count, MEMBERS_MAX);
    members_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_there_is_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
