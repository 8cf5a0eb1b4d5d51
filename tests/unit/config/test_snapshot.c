/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: what one role reads is what check wrote for it; nothing else is believed.
 */
#include "config/config.h"
#include "config/snapshot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "folder.h"

static const char text[] = "myhostname = \"mx.tld\";\nrelay_domains = [ \"a.tld\", \"b.tld\" ];\n"
                           "smtpd_helo_required = true;\n"
                           "transports = ( { name = \"slow\"; plugin = \"x\";\n"
                           "  password = \"hush-hush\"; destination_concurrency_limit = 3; } );\n"
                           "transport_maps = \"hash:/x\";\n"
                           "alias_maps = [];\n"; /* by default what the machine has */

static const struct sluice_option table[] = {
    {"password", SLUICE_OPT_STRING, SLUICE_OPT_SECRET, NULL, NULL, "secret"},
    {"patience", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "30s", NULL, "a time"},
};

static void make_draft(struct draft *draft)
{
    folder_write("t.conf", text, strlen(text));
    draft_init(draft);
    draft_read(draft, "t.conf");
    for (size_t i = 0; i < draft->instance_count; i++) {
        bool is_slow = strcmp(draft->instances[i].name, "slow") == 0;

        draft_declare(draft, "x", table, is_slow ? 2 : 0);
        draft_settle(draft, &draft->instances[i], table, is_slow ? 2 : 0);
    }
    draft_finish(draft);
    assert_int_equal(draft->report.error_count, 0);
}

static struct config *open_role(const struct draft *draft, uint32_t role)
{
    struct error err = ERROR_INIT;
    struct config *config;
    int fd;

    assert_int_equal(snapshot_write(draft, role, &fd, &err), SLUICE_OK);
    assert_int_equal(config_open(fd, &config, &err), SLUICE_OK);
    assert_int_equal(write(fd, "x", 1), -1); /* sealed */
    assert_int_equal(close(fd), 0);
    return config;
}

static void test_parameters(void **state)
{
    struct draft draft;
    struct config *config;

    (void)state;
    make_draft(&draft);
    config = open_role(&draft, DRAFT_RECEIVE);
    draft_done(&draft); /* the snapshot stands alone */
    assert_string_equal(config_text(config, "myhostname"), "mx.tld");
    assert_string_equal(config_text(config, "postmaster_route"), "");
    assert_true(config_number(config, "smtpd_timeout") == 300000);
    assert_true(config_number(config, "patience") == 30000); /* a plugin's */
    assert_true(config_flag(config, "smtpd_helo_required"));
    assert_int_equal(config_count(config, "relay_domains"), 2);
    assert_string_equal(config_item(config, "relay_domains", 1), "b.tld");
    assert_true(config_has_item(config, "relay_domains", "b.tld"));
    assert_false(config_has_item(config, "relay_domains", "tld"));
    assert_true(config_is_set(config, "relay_domains"));
    assert_false(config_is_set(config, "virtual_alias_maps"));
    assert_string_equal(config_origin(config, "relay_domains"), "t.conf:2");
    assert_string_equal(config_origin(config, "virtual_alias_maps"), "default");
    config_close(config);
}

/* Which instances each role knows, and what it knows of "slow". */
static const struct {
    const char *name;
    uint32_t role;
    size_t count;
    bool has_slow;
    bool has_password;
} roles[] = {
    {"master", DRAFT_MASTER, 0, false, false},
    {"receive", DRAFT_RECEIVE, 3, false, false},
    {"queue", DRAFT_QUEUE, 12, true, false},
    {"deliver", DRAFT_DELIVER, 13, true, true},
};

static void test_roles(void **state)
{
    struct draft draft;

    (void)state;
    make_draft(&draft);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct config *config = open_role(&draft, roles[i].role);
        const struct config_instance *slow =
            config_instance_find(config, "sluice.transport/1", "slow");

        if (config_instance_count(config) != roles[i].count)
            print_error("role %s\n", roles[i].name);
        assert_int_equal(config_instance_count(config), roles[i].count);
        assert_int_equal(slow != NULL, roles[i].has_slow);
        if (slow != NULL) {
            const struct sluice_config *options = slow->options;

            assert_true(options->get_number(options, "destination_concurrency_limit") == 3);
            assert_int_equal(options->is_set(options, "password"), roles[i].has_password);
            assert_string_equal(slow->origin, "t.conf:4");
        }
        config_close(config);
    }
    draft_done(&draft);
}

/* The SDK's view: another key, another type and an index too far give the zero value. */
static void test_sdk_view(void **state)
{
    struct draft draft;
    struct config *config;
    const struct sluice_config *options;

    (void)state;
    make_draft(&draft);
    config = open_role(&draft, DRAFT_DELIVER);
    options = config_instance_find(config, "sluice.transport/1", "slow")->options;
    assert_string_equal(options->get_text(options, "password"), "hush-hush");
    assert_true(options->get_number(options, "password") == 0);
    assert_true(options->get_number(options, "patience") == 30000);
    assert_null(options->get_text(options, "patience"));
    assert_null(options->get_text(options, "nothing"));
    assert_int_equal(options->is_set(options, "nothing"), 0);
    assert_int_equal(options->get_count(options, "password"), 0);
    assert_null(options->get_item(options, "password", 0));
    config_close(config);
    draft_done(&draft);
}

/* ---- what is no snapshot --------------------------------------------------------------------- */

static int sealed_file(const char *bytes, size_t len, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static sluice_status try_bytes(const char *bytes, size_t len, int seals)
{
    int fd = sealed_file(bytes, len, seals);
    struct error err = ERROR_INIT;
    struct config *config = NULL;
    sluice_status st = config_open(fd, &config, &err);

    if (st == SLUICE_OK)
        config_close(config);
    else
        assert_string_not_equal(err.text, "");
    assert_int_equal(close(fd), 0);
    return st;
}

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Cut anywhere, and with any byte changed: refused or read, never a wild pointer (ASan looks on). */
static void test_damage(void **state)
{
    struct draft draft;
    struct error err = ERROR_INIT;
    static char bytes[65536];
    ssize_t len;
    int fd;

    (void)state;
    make_draft(&draft);
    assert_int_equal(snapshot_write(&draft, DRAFT_DELIVER, &fd, &err), SLUICE_OK);
    len = pread(fd, bytes, sizeof(bytes), 0);
    assert_in_range(len, 1000, sizeof(bytes) - 1);
    assert_int_equal(try_bytes(bytes, (size_t)len, ALL_SEALS), SLUICE_OK);
    assert_int_equal(try_bytes(bytes, (size_t)len, F_SEAL_SHRINK | F_SEAL_GROW), SLUICE_CONFIG);
    for (ssize_t i = 0; i < len; i += 7) {
        char kept = bytes[i];

        (void)try_bytes(bytes, (size_t)i, ALL_SEALS);
        bytes[i] = (char)(kept ^ 0x41);
        (void)try_bytes(bytes, (size_t)len, ALL_SEALS);
        bytes[i] = kept;
    }
    assert_int_equal(try_bytes(bytes, (size_t)len - 1, ALL_SEALS), SLUICE_CONFIG);
    assert_int_equal(try_bytes("", 0, ALL_SEALS), SLUICE_CONFIG);
    assert_int_equal(close(fd), 0);
    draft_done(&draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parameters, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_roles, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_sdk_view, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_damage, folder_enter, folder_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
