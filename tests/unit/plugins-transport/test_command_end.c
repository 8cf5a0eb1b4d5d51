/* SPDX-License-Identifier: ISC */
/* What the end of a command means for the mail that it was given; texts as Postfix has them. */
#include "command_end.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define EXIT(status) ((status) << 8) /* as waitpid() has it */

static const struct {
    const char *name;
    enum command_end_kind kind;
    int wait_status;
    int error;
    const char *output;
    sluice_status status;
    const char *dsn;
    const char *text;
} cases[] = {
    {"done", COMMAND_ENDED, EXIT(0), 0, "", SLUICE_OK, "2.0.0", ""},
    {"done, and says so", COMMAND_ENDED, EXIT(0), 0, "5.1.1 ok\n", SLUICE_OK, "2.0.0", "5.1.1 ok"},
    {"a known status", COMMAND_ENDED, EXIT(67), 0, "", SLUICE_PERM, "5.1.1", "user unknown"},
    {"with words", COMMAND_ENDED, EXIT(67), 0, "a\tb\nc\x1b\n", SLUICE_PERM, "5.1.1",
     "user unknown. Command output: a b c_"},
    {"temporary", COMMAND_ENDED, EXIT(75), 0, "", SLUICE_TEMP, "4.3.0", "temporary failure"},
    {"system", COMMAND_ENDED, EXIT(71), 0, "", SLUICE_TEMP, "4.3.0", "system resource problem"},
    {"the first", COMMAND_ENDED, EXIT(64), 0, "", SLUICE_PERM, "5.3.0", "command line usage error"},
    {"the last", COMMAND_ENDED, EXIT(78), 0, "", SLUICE_PERM, "5.3.5", "local configuration error"},
    {"below", COMMAND_ENDED, EXIT(63), 0, "", SLUICE_PERM, "5.3.0",
     "Command died with status 63: \"/bin/cmd\""},
    {"above", COMMAND_ENDED, EXIT(79), 0, "x", SLUICE_PERM, "5.3.0",
     "Command died with status 79: \"/bin/cmd\". Command output: x"},
    {"own code", COMMAND_ENDED, EXIT(1), 0, "4.7.1 not now\n", SLUICE_TEMP, "4.7.1", "not now"},
    {"own code, other status", COMMAND_ENDED, EXIT(75), 0, "5.7.1 never", SLUICE_PERM, "5.7.1",
     "never"},
    {"no code", COMMAND_ENDED, EXIT(75), 0, "5.7.1never", SLUICE_TEMP, "4.3.0",
     "temporary failure. Command output: 5.7.1never"},
    {"a signal", COMMAND_ENDED, 9, 0, "", SLUICE_TEMP, "4.3.0",
     "Command died with signal 9: \"/bin/cmd\""},
    {"too late, whatever it says", COMMAND_LATE, 9, 0, "5.7.1 never", SLUICE_TEMP, "4.3.0",
     "Command time limit exceeded: \"/bin/cmd\". Command output: 5.7.1 never"},
    {"no mail", COMMAND_NO_INPUT, 9, 0, "", SLUICE_TEMP, "4.3.0", "the message cannot be read"},
    {"no process", COMMAND_NOT_STARTED, 0, EAGAIN, "", SLUICE_TEMP, "4.3.0",
     "Delivery failed: Resource temporarily unavailable"},
};

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct command_end end = {
            .kind = cases[i].kind, .wait_status = cases[i].wait_status, .error = cases[i].error};
        struct command_result result = {0};

        command_end_add_output(&end, cases[i].output, strlen(cases[i].output));
        command_end_judge(&end, "/bin/cmd", &result);
        if (result.status != cases[i].status || strcmp(result.text, cases[i].text) != 0)
            print_error("%s: %s\n", cases[i].name, result.text);
        assert_int_equal(result.status, cases[i].status);
        assert_string_equal(result.dsn, cases[i].dsn);
        assert_string_equal(result.text, cases[i].text);
    }
}

static void test_a_flood_is_cut(void **state)
{
    struct command_end end = {.kind = COMMAND_ENDED, .wait_status = EXIT(69)};
    struct command_result result = {0};
    char bytes[1000];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 1000; i++)
        command_end_add_output(&end, bytes, sizeof(bytes));
    command_end_judge(&end, "/bin/cmd", &result);
    assert_int_equal(end.output_len, COMMAND_OUTPUT_MAX);
    assert_true(strlen(result.text) < sizeof(result.text));
    assert_memory_equal(result.text, "service unavailable. Command output: xxx", 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_flood_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
