/* SPDX-License-Identifier: ISC */
/*
 * import_main, import_master: what stands in the files, and where.
 */
#include "import.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* What import_master.c asks the rest of the command. */
static const char *disabled = "";

const char *import_value(struct import *import, const char *name)
{
    (void)import;
    assert_string_equal(name, "master_service_disable");
    return disabled;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

/* name=value@line| for each. */
static void add_entries(struct buffer *out, const struct import_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        buffer_printf(out, "%s=%s@%u|", entries->items[i].name, entries->items[i].value,
                      entries->items[i].place.line);
}

static void add_services(struct buffer *out, const struct import *import)
{
    for (size_t i = 0; i < import->service_count; i++) {
        const struct import_service *service = &import->services[i];

        buffer_printf(out, "%s/%s %s@%u", service->name, service->type, service->command,
                      service->place.line);
        for (size_t j = 0; j < service->argument_count; j++)
            buffer_printf(out, " <%s>", service->arguments[j]);
        buffer_add_byte(out, '|');
        add_entries(out, &service->overrides);
    }
}

static const struct {
    const char *name;
    const char *main;
    const char *master; /* "": it is not read */
    const char *want;   /* or what the report has in it */
    bool is_wrong;
} cases[] = {
    {"nothing", "", "", "", false},
    {"plain", "a = b\nc=d\n", "", "a=b@1|c=d@2|", false},
    {"blanks", "a\t =  b c \t\r\n", "", "a=b c@1|", false},
    {"empty value", "a =\nb=", "", "a=@1|b=@2|", false},
    {"goes on", "a = b\n  c\n\td\ne = f", "", "a=b  c\td@1|e=f@4|", false},
    {"value on the next line", "a =\n b\n", "", "a=b@1|", false},
    {"comments in between", "#x\n\na = b\n#c = d\n   # e\n\n  f\n", "", "a=b  f@3|", false},
    {"a comment sign in a value", "a = b #c\n", "", "a=b #c@1|", false},
    {"equals signs", "a = b=c\n", "", "a=b=c@1|", false},
    {"the last one counts", "a = b\nc = d\na = e\n", "", "a=e@3|c=d@2|", false},
    {"a blank begins the file", "  a = b\n", "", "a=b@1|", false},
    {"no equals sign", "a = b\nc\n", "", "main.cf:2: this is not of the form", true},
    {"two words", "a b = c\n", "", "main.cf:1: this is not of the form", true},
    {"no name", "= c\n", "", "main.cf:1: a name is missing", true},
    {"a service", "", "smtp inet n - y - - smtpd\n", "smtp/inet smtpd@1|", false},
    {"options", "",
     "x unix - - n - - smtp -o a=b -oc=d\n  -v -vo e=f\n# -o g=h\n  -o { i = j k } -o{l=m,n}\n",
     "x/unix smtp@1|a=b@1|c=d@1|e=f@1|i=j k@1|l=m,n@1|", false},
    {"an empty option", "", "x unix - - n - - smtp -o a=\n", "x/unix smtp@1|a=@1|", false},
    {"arguments", "", "p unix - n n - - pipe\n  flags=R user=v argv=/bin/x -d ${a b} ({c}) { e  f }\n",
     "p/unix pipe@1 <flags=R> <user=v> <argv=/bin/x> <-d> <${a b}> <({c})> <e  f>|", false},
    {"too few fields", "", "x unix - -\n", "master.cf:1: a service has 8 fields", true},
    {"a type", "", "x unix6 - - - - - smtp\n", "master.cf:1: x: there is no type", true},
    {"-o alone", "", "\nx unix - - - - - smtp -o\n", "master.cf:2: x: -o has nothing", true},
};

static void test_files(void **state)
{
    char folder[] = "/tmp/test-import-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct import import = {.path = folder};
        struct buffer out = BUFFER_INIT;
        print_message("  %s\n", cases[i].name);
        write_file(folder, "main.cf", cases[i].main);
        write_file(folder, "master.cf", cases[i].master);
        bool is_good = import_read_main(&import);
        if (cases[i].master[0] != '\0')
            is_good = import_read_master(&import) && is_good;
        assert_int_equal(is_good, !cases[i].is_wrong);
        if (cases[i].is_wrong) {
            assert_non_null(strstr(buffer_text(&import.report.text), cases[i].want));
        } else {
            add_entries(&out, &import.parameters);
            add_services(&out, &import);
            assert_string_equal(buffer_text(&out), cases[i].want);
        }
        buffer_done(&out);
        report_done(&import.report);
        arena_done(&import.arena);
    }
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(unlink("main.cf"), 0);
    assert_int_equal(unlink("master.cf"), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_disabled_services(void **state)
{
    struct import_service services[] = {{.name = "smtp", .type = "inet"},
                                        {.name = "smtp", .type = "unix"},
                                        {.name = "x", .type = "unix"},
                                        {.name = "127.0.0.1:25", .type = "inet"}};
    struct import import = {.services = services, .service_count = 4};

    (void)state;
    disabled = "x/unix, smtp/fifo";
    import_drop_disabled(&import);
    assert_int_equal(import.service_count, 3);
    disabled = "inet";
    import_drop_disabled(&import);
    assert_int_equal(import.service_count, 1);
    assert_string_equal(services[0].type, "unix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_disabled_services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
