/* SPDX-License-Identifier: ISC */
/*
 * Files that may not be trusted, and plugins that break one promise each.
 */
#include "plugin/load.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "plugins.h"

#define CUT_MAX ((size_t)1024 * 1024)
#define CUT_STEP 500

/* ---- trust ---------------------------------------------------------------------------------- */

static char folder[64];

static int enter(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/sluice-test-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 && chmod(".", 0755) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    static const char *const files[] = {"p/lookup/x.so", "p/lookup/real.so", "p/linked"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        (void)unlink(files[i]);
    (void)rmdir("p/lookup/x.so");
    (void)rmdir("p/lookup");
    (void)rmdir("p");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void make_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_int_not_equal(fd, -1);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

enum change {
    CHANGE_NOTHING,
    CHANGE_NO_FILE,
    CHANGE_FILE_MODE,
    CHANGE_PLACE_MODE,
    CHANGE_FOLDER_MODE,
    CHANGE_ABOVE_MODE,
    CHANGE_LINK,
    CHANGE_FIFO,
    CHANGE_IS_FOLDER,
    CHANGE_OWNER,
};

static const struct {
    const char *name;
    enum change change;
    const char *plugin;
    const char *text; /* part of the message; "": it is opened */
} trials[] = {
    {"as it should be", CHANGE_NOTHING, "lookup/x", ""},
    {"no such file", CHANGE_NO_FILE, "lookup/x", "/p/lookup/x.so: No such file or directory"},
    {"no such place", CHANGE_NOTHING, "access/x", "/p/access: No such file or directory"},
    {"file for others to write", CHANGE_FILE_MODE, "lookup/x",
     "/p/lookup/x.so cannot be trusted: others may write to it (mode 0664)"},
    {"place for others to write", CHANGE_PLACE_MODE, "lookup/x",
     "/p/lookup cannot be trusted: others may write to it (mode 0777)"},
    {"folder for others to write", CHANGE_FOLDER_MODE, "lookup/x",
     "/p cannot be trusted: others may write to it (mode 0775)"},
    {"folder above for others to write", CHANGE_ABOVE_MODE, "lookup/x",
     " cannot be trusted: others may write to it (mode 0777)"},
    {"symbolic link", CHANGE_LINK, "lookup/x", "/p/lookup/x.so: it is a symbolic link"},
    {"FIFO", CHANGE_FIFO, "lookup/x", "/p/lookup/x.so is not a regular file"},
    {"folder for a file", CHANGE_IS_FOLDER, "lookup/x", "/p/lookup/x.so is not a regular file"},
    {"somebody else's file", CHANGE_OWNER, "lookup/x", "it belongs to user 12345, who is neither"},
    {"way out", CHANGE_NOTHING, "../x", "\"../x\" cannot be the name of a plugin"},
    {"absolute", CHANGE_NOTHING, "/x", "\"/x\" cannot be the name of a plugin"},
    {"without a place", CHANGE_NOTHING, "x", "\"x\" cannot be the name of a plugin"},
    {"deeper", CHANGE_NOTHING, "lookup/x/y", "\"lookup/x/y\" cannot be the name of a plugin"},
};

static void make_change(enum change change)
{
    if (change == CHANGE_NO_FILE || change == CHANGE_LINK || change == CHANGE_FIFO ||
        change == CHANGE_IS_FOLDER)
        assert_int_equal(unlink("p/lookup/x.so"), 0);
    if (change == CHANGE_FILE_MODE)
        assert_int_equal(chmod("p/lookup/x.so", 0664), 0);
    if (change == CHANGE_PLACE_MODE)
        assert_int_equal(chmod("p/lookup", 0777), 0);
    if (change == CHANGE_FOLDER_MODE)
        assert_int_equal(chmod("p", 0775), 0);
    if (change == CHANGE_ABOVE_MODE)
        assert_int_equal(chmod(".", 0777), 0);
    if (change == CHANGE_LINK) {
        make_file("p/lookup/real.so", 0644);
        assert_int_equal(symlink("real.so", "p/lookup/x.so"), 0);
    }
    if (change == CHANGE_FIFO)
        assert_int_equal(mkfifo("p/lookup/x.so", 0644), 0);
    if (change == CHANGE_IS_FOLDER)
        assert_int_equal(mkdir("p/lookup/x.so", 0755), 0);
    if (change == CHANGE_OWNER)
        assert_int_equal(chown("p/lookup/x.so", 12345, (gid_t)-1), 0);
}

static void try_trust(size_t i)
{
    struct error err = ERROR_INIT;
    int fd = -1;
    sluice_status st;

    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/lookup", 0755), 0);
    make_file("p/lookup/x.so", 0644);
    make_change(trials[i].change);
    st = plugin_open_file("p", trials[i].plugin, getuid(), &fd, &err);
    if (st == SLUICE_OK)
        st = plugin_check_file(fd, trials[i].plugin, getuid(), &err);
    if ((st == SLUICE_OK) != (trials[i].text[0] == '\0') ||
        strstr(err.text, trials[i].text) == NULL)
        fail_msg("case \"%s\": %s", trials[i].name, err.text);
    if (st == SLUICE_OK)
        assert_int_equal(close(fd), 0);
}

static void test_trust(void **state)
{
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        if (trials[i].change == CHANGE_OWNER && getuid() != 0) {
            print_message("skipped, needs root: %s\n", trials[i].name);
            continue;
        }
        assert_int_equal(enter(state), 0);
        try_trust(i);
        assert_int_equal(leave(state), 0);
    }
}

/* What somebody else has opened. */
static void test_check_file(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/lookup", 0755), 0);
    make_file("p/lookup/x.so", 0644);
    int fd = open("p/lookup/x.so", O_RDONLY | O_CLOEXEC);
    assert_int_equal(plugin_check_file(fd, "lookup/x", getuid(), &err), SLUICE_OK);
    assert_int_equal(plugin_check_file(fd, "queue/x", getuid(), &err), SLUICE_CONFIG);
    assert_non_null(strstr(err.text, "is not its file"));
    assert_int_equal(plugin_check_file(fd, "up/x", getuid(), &err), SLUICE_CONFIG);
    assert_int_equal(chmod("p/lookup/x.so", 0666), 0);
    assert_int_equal(plugin_check_file(fd, "lookup/x", getuid(), &err), SLUICE_CONFIG);
    assert_non_null(strstr(err.text, "others may write to it"));
    assert_int_equal(unlink("p/lookup/x.so"), 0);
    assert_int_equal(plugin_check_file(fd, "lookup/x", getuid(), &err), SLUICE_CONFIG);
    assert_int_equal(close(fd), 0);
}

/* The folder may be reached through a link; what counts is where it is. */
static void test_linked_folder(void **state)
{
    struct error err = ERROR_INIT;
    int fd;

    (void)state;
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/lookup", 0755), 0);
    make_file("p/lookup/x.so", 0644);
    assert_int_equal(symlink(".", "p/linked"), 0);
    assert_int_equal(plugin_open_file("p/linked", "lookup/x", getuid(), &fd, &err), SLUICE_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(plugin_check_trust("p/linked/lookup/x.so", getuid(), &err), SLUICE_OK);
    assert_int_equal(plugin_check_trust("p/nothing", getuid(), &err), SLUICE_CONFIG);
    assert_string_equal(err.text, "p/nothing: No such file or directory");
}

/* The folder is opened as one user, the files in it as another who could not come that way. */
static void test_folder_then_file(void **state)
{
    struct error err = ERROR_INIT;
    int folder_fd;
    int fd;

    (void)state;
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/lookup", 0755), 0);
    make_file("p/lookup/x.so", 0644);
    assert_int_equal(plugin_open_folder("p", getuid(), &folder_fd, &err), SLUICE_OK);
    assert_int_equal(chmod(folder, 0), 0);
    assert_int_equal(plugin_open_in(folder_fd, "lookup/x", getuid(), &fd, &err), SLUICE_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(folder_fd), 0);
    assert_int_equal(chmod(folder, 0755), 0);
}

/* ---- plugins -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text; /* all of the message */
} plugins[] = {
    {"test/good", ""},
    {"test/wide-options", ""},
    {"test/small-ops", ""}, /* found when its interface is asked for */
    {"test/no-entry", "plugin test/no-entry has no sluice_plugin_entry_v1: it is none, or not for "
                      "this version of Sluice"},
    {"test/undefined", "plugin test/undefined: undefined symbol: test_function_of_nobody"},
    {"test/null", "plugin test/null: sluice_plugin_entry_v1 returns NULL"},
    {"test/small", "plugin test/small: struct_size of its descriptor is 16, not the size of a struct "
                   "sluice_plugin_desc"},
    {"test/huge", "plugin test/huge: struct_size of its descriptor is 2147483647, not the size of a "
                  "struct sluice_plugin_desc"},
    {"test/other-name", "plugin test/other-name: the file says that it is test/somebody"},
    {"test/no-name", "plugin test/no-name: the file says that it is nameless"},
    {"test/no-version", "plugin test/no-version: version or summary is missing"},
    {"test/no-license", "plugin test/no-license: the licence is missing"},
    {"test/mode", "plugin test/mode: the mode is unknown"},
    {"test/no-interface", "plugin test/no-interface: get_interface is missing"},
    {"test/many-options", "plugin test/many-options: there are too many options"},
    {"test/null-options", "plugin test/null-options: option_count is not 0, but options is NULL"},
    {"test/stride", "plugin test/stride: option_size is not the size of a struct sluice_option"},
    {"test/option", "plugin test/option: option default: first: wants an integer, not \"seven\""},
};

static void test_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++) {
        struct error err = ERROR_INIT;
        struct plugin *plugin = NULL;
        int fd = plugins_find(plugins[i].name);
        sluice_status st;

        assert_int_not_equal(fd, -1);
        st = plugin_load(plugins[i].name, fd, &plugin, &err);
        assert_int_equal(close(fd), 0); /* the plugin keeps the file itself */
        assert_string_equal(err.text, plugins[i].text);
        assert_int_equal(st, plugins[i].text[0] == '\0' ? SLUICE_OK : SLUICE_CONFIG);
        assert_ptr_equal(plugin_find(plugins[i].name), plugin);
    }
}

static void test_not_a_library(void **state)
{
    struct error err = ERROR_INIT;
    struct plugin *plugin;
    int fd = memfd_create("nonsense", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(write(fd, "#!/bin/sh\nexit 1\n", 17), 17);
    assert_int_equal(plugin_load("test/nonsense", fd, &plugin, &err), SLUICE_CONFIG);
    assert_string_equal(err.text, "plugin test/nonsense: file too short");
    assert_int_equal(close(fd), 0);
}

/* As while somebody copies it: the loader itself would crash. */
static void test_cut_short(void **state)
{
    static char bytes[CUT_MAX];
    int whole = plugins_find("test/good");
    ssize_t size = read(whole, bytes, sizeof(bytes));
    bool was_said = false;

    (void)state;
    assert_true(size > CUT_STEP);
    for (ssize_t len = CUT_STEP; len < size / 2; len += CUT_STEP) {
        struct error err = ERROR_INIT;
        struct plugin *plugin;
        int fd = memfd_create("cut", MFD_CLOEXEC);

        assert_int_equal(write(fd, bytes, (size_t)len), len);
        if (plugin_load("test/cut", fd, &plugin, &err) == SLUICE_OK)
            fail_msg("%zd of %zd bytes are a plugin", len, size);
        was_said = was_said || strstr(err.text, "plugin test/cut: the file is cut short") != NULL;
        assert_int_equal(close(fd), 0);
    }
    assert_true(was_said);
    assert_int_equal(close(whole), 0);
}

/* A later SDK's option struct is longer; ours comes out. */
static void test_options_of_another_stride(void **state)
{
    struct error err = ERROR_INIT;
    struct plugin *plugin;
    const struct sluice_plugin_desc *desc;

    (void)state;
    plugin_set_finder(plugins_find);
    assert_int_equal(plugin_need("test/wide-options", &plugin, &err), SLUICE_OK);
    desc = plugin_desc(plugin);
    assert_int_equal(desc->option_count, 2);
    assert_int_equal(desc->option_size, sizeof(struct sluice_option));
    assert_string_equal(desc->options[1].key, "second");
    assert_string_equal(desc->options[1].fallback, "text");
}

static void test_need(void **state)
{
    struct error err = ERROR_INIT;
    struct plugin *plugin;
    struct plugin *again;

    (void)state;
    plugin_set_finder(plugins_find);
    assert_int_equal(plugin_need("test/base", &plugin, &err), SLUICE_OK);
    assert_int_equal(plugin_need("test/base", &again, &err), SLUICE_OK);
    assert_ptr_equal(plugin, again);
    assert_int_equal(plugin_need("test/nowhere", &again, &err), SLUICE_CONFIG);
    assert_string_equal(err.text, "plugin test/nowhere: its file is not there");
    plugin_set_finder(NULL);
    assert_int_equal(plugin_need("test/plain", &again, &err), SLUICE_CONFIG);
    assert_int_equal(plugin_need("test/base", &again, &err), SLUICE_OK); /* it is there already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust),
        cmocka_unit_test_setup_teardown(test_check_file, enter, leave),
        cmocka_unit_test_setup_teardown(test_linked_folder, enter, leave),
        cmocka_unit_test_setup_teardown(test_folder_then_file, enter, leave),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_not_a_library),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_options_of_another_stride),
        cmocka_unit_test(test_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
