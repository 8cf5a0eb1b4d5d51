/* SPDX-License-Identifier: ISC */
/*
 * The check role with the plugins of the build: what it says, and its exit status.
 */
#include "master/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <cmocka.h>

#include "../config/folder.h"

#define SAID_MAX 8192

/* Lines that every case begins with: 1 to 3. */
#define HEAD                                                                                       \
    "@include \"users.conf\"\n"                                                                    \
    "listen = \"127.0.0.1:2525\"; queue_directory = \"queue\"; run_directory = \"run\";\n"         \
    "myhostname = \"mx.isp.example\";\n"

static const struct {
    const char *name;
    const char *text; /* behind HEAD: from line 4 on */
    const char *said; /* part of what it says; "": it says nothing */
    int status;
} cases[] = {
    {"defaults", "", "", EX_OK},
    {"a table that is not there", "transport_maps = \"hash:/nowhere/transport\";\n",
     "t.conf:4: warning: table hash:/nowhere/transport cannot be opened: ", EX_OK},
    {"a plugin that is not there", "\ntransport_maps = [\n \"nosuch:/x\" ];\n",
     "t.conf:6: plugin lookup/nosuch: ", EX_CONFIG},
    {"its reason", "transport_maps = \"nosuch:/x\";\n",
     "/lookup/nosuch.so: No such file or directory\n", EX_CONFIG},
    {"a store that is not there", "queue_store = { plugin = \"nosuch\"; };\n",
     "t.conf:4: plugin queue/nosuch: ", EX_CONFIG},
    {"another place", "queue_store = { plugin = \"lookup/hash\"; };\n",
     "t.conf:4: queue_store: plugin lookup/hash offers no sluice.queue/1\n", EX_CONFIG},
    {"no plugin at all", "plugin_directory = \"empty\";\ndefer_transports = \"etrn-only\";\n",
     "/empty: No such file or directory\n", EX_CONFIG},
    {"open relay", "smtpd_relay_restrictions = \"permit_mynetworks\";\n",
     "t.conf:4: smtpd_relay_restrictions and smtpd_recipient_restrictions refuse nobody: this "
     "would "
     "be an open relay; add reject_unauth_destination\n",
     EX_CONFIG},
    {"refusing in the other list",
     "smtpd_relay_restrictions = \"\";\nsmtpd_recipient_restrictions = \"permit_mynetworks "
     "reject_unauth_destination\";\n",
     "", EX_OK},
    {"an unknown restriction",
     "smtpd_relay_restrictions = [\n \"permit_mynetworks\",\n \"reject_unauth_destinaton\" ];\n",
     "t.conf:6: smtpd_relay_restrictions: no access plugin knows the restriction "
     "\"reject_unauth_destinaton\"\n",
     EX_CONFIG},
    {"an unknown restriction of ETRN", "smtpd_etrn_restrictions = \"allow\";\n",
     "t.conf:4: smtpd_etrn_restrictions: no access plugin knows the restriction \"allow\"\n",
     EX_CONFIG},
    {"a plugin's parameter at the top", "smtp_connect_timeout = \"5s\";\n", "", EX_OK},
    {"a plugin's parameter misspelt", "smtp_connect_timout = \"5s\";\n",
     "t.conf:4: smtp_connect_timout is not known; is it smtp_connect_timeout?\n", EX_CONFIG},
    {"an option out of range", "smtp_connect_timeout = 0;\n",
     "t.conf:4: smtp_connect_timeout: 0 is not in the range 1s..\n", EX_CONFIG},
    {"an option that a plugin does not have",
     "transports = ( { name = \"slow\"; plugin = \"smtp\";\n bla = 1; } );\n",
     "t.conf:5: slow: plugin transport/smtp has no option bla\n", EX_CONFIG},
    {"options of a derived plugin",
     "transports = ( { name = \"relay\"; smtp_connect_timeout = \"2s\"; "
     "destination_concurrency_limit = 2; } );\n",
     "", EX_OK},
    {"what only the plugin can tell",
     "minimal_backoff_time = 600;\n# the shorter one:\nmaximal_backoff_time = 300;\n",
     "t.conf:4: backoff: minimal_backoff_time", EX_CONFIG},
    {"a name of Postfix's", "queue_run_delay = 300;\n",
     "t.conf:4: warning: queue_run_delay is a parameter of Postfix's that has no meaning here\n",
     EX_OK},
    {"syntax", "relay_domains = [ \"a\";\n", "t.conf:4: syntax error\n", EX_CONFIG},
};

/* Who the roles are, where this runs as root. */
static void write_users(void)
{
    static const char text[] = "mail_owner = \"daemon\"; network_owner = \"nobody\";\n";

    folder_write("users.conf", text, sizeof(text) - 1);
}

/* Runs the check of t.conf in a process of its own, since it drops its rights for good. */
static int run_check(char said[SAID_MAX])
{
    int pair[2];
    int status;
    pid_t pid;
    size_t used = 0;
    ssize_t n;

    assert_int_equal(pipe(pair), 0);
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        (void)dup2(pair[1], STDERR_FILENO);
        (void)close(pair[0]);
        (void)close(pair[1]);
        exit(check_main("t.conf", true));
    }
    (void)close(pair[1]);
    while (used < SAID_MAX - 1 && (n = read(pair[0], said + used, SAID_MAX - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    (void)close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* plugin_directory, unless the case sets it, is that of the build. */
static void write_config(const char *text)
{
    char all[8192];
    const char *build = getenv("SLUICE_BUILD");

    (void)snprintf(all, sizeof(all), "%s%s", HEAD, text);
    if (strstr(text, "plugin_directory") == NULL)
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all),
                       "plugin_directory = \"%s/plugins\";\n", build != NULL ? build : ".");
    folder_write("t.conf", all, strlen(all));
}

static void test_cases(void **state)
{
    (void)state;
    write_users();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char said[SAID_MAX];
        int status;

        write_config(cases[i].text);
        status = run_check(said);
        if (status != cases[i].status || strstr(said, cases[i].said) == NULL ||
            (cases[i].said[0] == '\0' && said[0] != '\0'))
            fail_msg("case \"%s\": status %d: %s", cases[i].name, status, said);
    }
}

static void test_untrusted(void **state)
{
    char said[SAID_MAX];

    (void)state;
    write_users();
    write_config("");
    assert_int_equal(chmod("users.conf", 0666), 0);
    assert_int_equal(run_check(said), EX_CONFIG);
    assert_non_null(strstr(said, "users.conf cannot be trusted: others may write to it"));
    assert_int_equal(chmod("users.conf", 0644), 0);
    assert_int_equal(run_check(said), EX_OK);
}

/* Only root can become somebody else; an ordinary user's daemon needs no other users. */
static void test_users(void **state)
{
    static const char nobody[] =
        "mail_owner = \"sluice-is-not-here\";\nnetwork_owner = \"root\";\n";
    static const char same[] = "mail_owner = \"daemon\";\nnetwork_owner = \"daemon\";\n";
    char said[SAID_MAX];

    (void)state;
    write_config("");
    folder_write("users.conf", nobody, sizeof(nobody) - 1);
    if (getuid() != 0) {
        assert_int_equal(run_check(said), EX_OK);
        return;
    }
    assert_int_equal(run_check(said), EX_CONFIG);
    assert_non_null(strstr(said, "users.conf:1: mail_owner: user \"sluice-is-not-here\""));
    assert_non_null(strstr(said, "users.conf:2: network_owner: user \"root\""));
    folder_write("users.conf", same, sizeof(same) - 1);
    assert_int_equal(run_check(said), EX_CONFIG);
    assert_non_null(strstr(said, "users.conf:2: network_owner: it is mail_owner too"));
}

static void test_no_file(void **state)
{
    char said[SAID_MAX];

    (void)state;
    assert_int_equal(run_check(said), EX_CONFIG);
    assert_string_equal(said, "t.conf: cannot read t.conf: No such file or directory\n");
}

/* The folder is open to nobody at first; the check of root's drops its rights in there. */
static int enter(void **state)
{
    return folder_enter(state) == 0 && chmod(".", 0755) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cases, enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_untrusted, enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_users, enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_no_file, enter, folder_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
