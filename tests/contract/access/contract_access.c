/* SPDX-License-Identifier: ISC */
/*
 * contract_access: what the receive role relies on in every access plugin.
 */
#include "host.h"
#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *plugin_path; /* from the command line */

struct fixture {
    struct test_host host;
    struct test_errors errors;
    const struct sluice_access_ops *ops;
    struct sluice_config *config;
    struct sluice_access *access;
};

static int setup(void **state)
{
    static struct fixture fixture; /* one at a time, and cmocka ends a failed test by longjmp */
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    memset(&fixture, 0, sizeof(fixture));
    test_host_init(&fixture.host, desc->name);
    test_errors_init(&fixture.errors);
    fixture.ops = test_plugin_interface(desc, SLUICE_ACCESS_ID);
    fixture.config = test_config_new(desc, NULL);
    assert_int_equal(
        fixture.ops->open(&fixture.host.sdk, fixture.config, &fixture.errors.sdk, &fixture.access),
        SLUICE_OK);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->ops->close(fixture->access);
    test_config_free(fixture->config);
    return 0;
}

static const struct sluice_restriction *word_at(const struct sluice_access_ops *ops, size_t i)
{
    const char *base = (const char *)ops->restrictions;

    return (const struct sluice_restriction *)(const void *)(base + i * ops->restriction_size);
}

static void test_words_are_declared(void **state)
{
    const struct fixture *fixture = *state;
    const struct sluice_access_ops *ops = fixture->ops;

    assert_true(ops->restriction_count > 0);
    assert_true(ops->restriction_size >= sizeof(struct sluice_restriction));
    for (size_t i = 0; i < ops->restriction_count; i++) {
        const struct sluice_restriction *word = word_at(ops, i);

        assert_true(word->name[0] != '\0' && word->summary[0] != '\0');
        assert_null(strpbrk(word->name, " ,\t")); /* a list in one string must be able to name it */
        assert_int_equal(word->flags & ~(SLUICE_RESTRICTION_REFUSES | SLUICE_RESTRICTION_ARGUMENT |
                                         SLUICE_RESTRICTION_TABLE | SLUICE_RESTRICTION_SENDER),
                         0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(word->name, word_at(ops, j)->name);
    }
}

/* A stranger who wants mail relayed to strangers: what keeps the host from being an open relay says
 * no, whatever else the request has. */
static void check_refusal(const struct verdict *got, const struct sluice_access_request *request,
                          uint32_t flags)
{
    if ((flags & SLUICE_RESTRICTION_REFUSES) != 0 && request->stage == SLUICE_STAGE_RCPT &&
        request->facts == 0 && got->verdict != SLUICE_VERDICT_DEFER_IF_PERMIT)
        assert_in_range(got->verdict, SLUICE_VERDICT_REJECT, SLUICE_VERDICT_DEFER);
}

/* What a word with an argument may be given; the test's host has no such table. */
static const char *argument_of(const struct sluice_restriction *word)
{
    if ((word->flags & SLUICE_RESTRICTION_TABLE) != 0)
        return "none:such";
    return (word->flags & SLUICE_RESTRICTION_ARGUMENT) != 0 ? "1" : "";
}

static void check_verdict(const struct verdict *got)
{
    assert_in_range(got->verdict, SLUICE_VERDICT_NONE, SLUICE_VERDICT_DEFER_IF_PERMIT);
    if (got->verdict == SLUICE_VERDICT_NONE || got->verdict == SLUICE_VERDICT_PERMIT)
        return;
    if (got->code != 0)
        assert_int_equal(got->code / 100, got->verdict == SLUICE_VERDICT_REJECT ? 5 : 4);
    assert_int_equal(got->dsn[0], got->verdict == SLUICE_VERDICT_REJECT ? '5' : '4');
    assert_true(got->text[0] != '\0');
}

/* Every word at every stage, with every set of facts, and with all that a request may lack. */
static void test_verdicts_agree_with_the_declaration(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < fixture->ops->restriction_count; i++) {
        const struct sluice_restriction *word = word_at(fixture->ops, i);

        for (uint64_t round = 0; round < 8; round++) {
            struct sluice_access_request request = {
                .struct_size = sizeof(request),
                .stage = (round & 4) != 0 ? SLUICE_STAGE_ETRN : SLUICE_STAGE_RCPT,
                .facts = round & 3,
                .argument = sluice_span_of(argument_of(word)),
            };
            struct verdict got;

            print_message("%s, round %d\n", word->name, (int)round);
            verdict_init(&got);
            assert_int_equal(fixture->ops->decide(fixture->access, word->name, &request, 0,
                                                  &got.sdk, &fixture->errors.sdk),
                             SLUICE_OK);
            check_verdict(&got);
            check_refusal(&got, &request, word->flags);
        }
    }
    assert_int_equal(fixture->errors.count, 0);
}

static void test_a_word_of_others_is_temp(void **state)
{
    struct fixture *fixture = *state;
    struct sluice_access_request request = {.struct_size = sizeof(request),
                                            .stage = SLUICE_STAGE_RCPT};
    struct verdict got;

    verdict_init(&got);
    assert_int_equal(fixture->ops->decide(fixture->access, "no_such_restriction", &request, 0,
                                          &got.sdk, &fixture->errors.sdk),
                     SLUICE_TEMP);
    assert_int_equal(got.verdict, SLUICE_VERDICT_NONE);
    assert_int_equal(fixture->errors.count, 1);
    assert_true(fixture->errors.text[0] != '\0');
}

static void test_close_accepts_null(void **state)
{
    const struct fixture *fixture = *state;

    fixture->ops->close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_words_are_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdicts_agree_with_the_declaration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_word_of_others_is_temp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_accepts_null, setup, teardown),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s PLUGIN.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
