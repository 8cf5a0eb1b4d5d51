/* SPDX-License-Identifier: ISC */
/*
 * The rights of recipients, in a process as the master makes it for user = "recipient": what a thread
 * and a command can be and cannot be. For root alone.
 */
#include "deposit.h"
#include "rights.h"

#include "master/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OURS 61001 /* uids and gids that nobody has */
#define USER 61002
#define OTHER 61003

static const struct rights user = {.uid = USER, .gid = USER};
static const struct rights other = {.uid = OTHER, .gid = OTHER};
static const struct rights root = {.uid = 0, .gid = 0};

/* cmocka's own do not work in a child: the first that is not so is its exit status. */
#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);               \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Runs body in a child that has become what the deliver process for recipients is. */
static void as_crew(void (*body)(void))
{
    const struct privileges privileges = {
        .is_root = true, .uid = OURS, .gid = OURS, .may_become = true};
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        MUST(privileges_apply(&privileges) == 0);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static char folder[64]; /* that everybody may write into */

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/rights.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0777), 0);
}

/* With the files of those three. */
static void remove_folder(void)
{
    static const unsigned owners[] = {OURS, USER, OTHER};
    char path[128];

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%u", folder, owners[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static bool makes_file_of(uid_t uid, gid_t gid)
{
    struct stat info = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%u", folder, (unsigned)uid);
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    bool is_right = fd != -1 && fstat(fd, &info) == 0 && info.st_uid == uid && info.st_gid == gid;

    (void)close(fd);
    return is_right;
}

static bool can_read(uid_t uid)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%u", folder, (unsigned)uid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)close(fd);
    return fd != -1;
}

static uint64_t capabilities(const char *which)
{
    unsigned long long set = UINT64_MAX;
    FILE *file = fopen("/proc/thread-self/status", "re");
    char line[256];

    MUST(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, which, strlen(which)) == 0)
            set = strtoull(line + strlen(which) + 1, NULL, 16);
    }
    (void)fclose(file);
    return set;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void files_body(void)
{
    MUST(rights_take(&user) == 0);
    MUST(makes_file_of(USER, USER));
    rights_return();
    MUST(!can_read(USER)); /* 0600, and nobody may overrule it */
    MUST(rights_take(&other) == 0);
    MUST(makes_file_of(OTHER, OTHER) && !can_read(USER));
    rights_return();
    MUST(rights_take(&user) == 0);
    MUST(can_read(USER) && getgroups(0, NULL) == 1);
    rights_return();
    MUST(makes_file_of(OURS, OURS));
    rights_return(); /* of nothing */
    MUST(geteuid() == OURS && capabilities("CapEff") == 0xc0);
}

static void test_files_are_the_users(void **state)
{
    (void)state;
    make_folder();
    as_crew(files_body);
    remove_folder();
}

static void root_body(void)
{
    MUST(rights_take(&root) == EPERM);
    MUST(rights_become(&root) == EPERM);
    MUST(geteuid() == OURS && (uid_t)setfsuid((uid_t)-1) == OURS);
    MUST(open("/etc/shadow", O_RDONLY | O_CLOEXEC) == -1);
    MUST(chown("/tmp", OURS, OURS) == -1); /* no CAP_CHOWN */
    MUST(kill(1, 0) == -1);                /* no CAP_KILL */
}

static void test_root_is_nobodys_recipient(void **state)
{
    (void)state;
    as_crew(root_body);
}

/* One thread begins before the other takes rights, and looks while it has them. */
struct watcher {
    pthread_barrier_t taken;
    uid_t seen;
};

static void *watch(void *arg)
{
    struct watcher *watcher = arg;

    (void)pthread_barrier_wait(&watcher->taken);
    watcher->seen = (uid_t)setfsuid((uid_t)-1);
    (void)pthread_barrier_wait(&watcher->taken);
    return NULL;
}

static void other_thread_body(void)
{
    struct watcher watcher = {0};
    pthread_t thread;

    MUST(pthread_barrier_init(&watcher.taken, NULL, 2) == 0);
    MUST(pthread_create(&thread, NULL, watch, &watcher) == 0);
    MUST(rights_take(&user) == 0);
    (void)pthread_barrier_wait(&watcher.taken);
    (void)pthread_barrier_wait(&watcher.taken);
    rights_return();
    MUST(pthread_join(thread, NULL) == 0);
    MUST(watcher.seen == OURS);
}

static void test_other_threads_see_nothing(void **state)
{
    (void)state;
    as_crew(other_thread_body);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void become_body(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        uid_t uids[3];

        MUST(rights_become(&user) == 0);
        MUST(getresuid(&uids[0], &uids[1], &uids[2]) == 0);
        MUST(uids[0] == USER && uids[1] == USER && uids[2] == USER && getgid() == USER);
        MUST(capabilities("CapPrm") == 0 && capabilities("CapAmb") == 0 &&
             capabilities("CapInh") == 0);
        MUST(syscall(SYS_setresuid, OURS, OURS, OURS) == -1);
        (void)execl("/bin/sh", "sh", "-c",
                    "test \"$(id -u)\" = 61002 && grep -q 'CapEff:.*0000000000000000' "
                    "/proc/self/status",
                    (char *)NULL);
        _exit(1);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_a_command_is_the_user_for_good(void **state)
{
    (void)state;
    as_crew(become_body);
}

static void signal_body(void)
{
    int status;
    int ready[2];
    char byte;

    MUST(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();
        MUST(rights_become(&user) == 0 && write(ready[1], "x", 1) == 1);
        (void)pause();
        _exit(1);
    }
    MUST(read(ready[0], &byte, 1) == 1);
    MUST(kill(pid, SIGKILL) == -1 && errno == EPERM);
    rights_signal(&other, pid, SIGKILL);
    MUST(waitpid(pid, &status, WNOHANG) == 0); /* it is not his */
    rights_signal(&user, pid, SIGKILL);
    MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    MUST(geteuid() == OURS && capabilities("CapEff") == 0xc0);
}

static void test_a_command_can_be_killed(void **state)
{
    (void)state;
    as_crew(signal_body);
}

/* ---- mailboxes ------------------------------------------------------------------------------- */

static int64_t no_time(const struct sluice_host *host)
{
    (void)host;
    return 0;
}

/* As where the task has gone while the thread worked. */
static sluice_status run_for_nobody(const struct sluice_host *host,
                                    sluice_status (*work)(void *argument),
                                    void (*release)(void *argument), void *argument,
                                    int64_t deadline_ms, sluice_status *ret_status)
{
    (void)host;
    (void)deadline_ms;
    (void)ret_status;
    MUST(work(argument) == SLUICE_OK);
    release(argument);
    return SLUICE_TEMP;
}

static void abandoned_body(void)
{
    static const struct sluice_clock clock = {
        .struct_size = sizeof(clock), .wall_ms = no_time, .monotonic_ms = no_time};
    static const struct sluice_offload offload = {
        .struct_size = sizeof(offload), .run = run_for_nobody};
    static char hostname[] = "mx";
    const struct station station = {
        .clock = &clock, .offload = &offload, .hostname = hostname, .lock_attempts = 1};
    const struct sluice_message message = {.struct_size = sizeof(message)};
    const struct sluice_recipient recipient = {.struct_size = sizeof(recipient)};
    struct mailbox_target target = {.locks = MAILBOX_LOCK_DOTLOCK};
    struct result result;
    char lock[128];

    (void)snprintf(target.path, sizeof(target.path), "%s/%d", folder, USER);
    (void)snprintf(lock, sizeof(lock), "%s/%d.lock", folder, USER);
    MUST(deposit(&station, &message, &recipient, &target, &user, 0, &result) == SLUICE_TEMP);
    MUST(access(lock, F_OK) == -1 && errno == ENOENT);
    MUST(access(target.path, F_OK) == 0);
    MUST(makes_file_of(OURS, OURS));
    MUST(rights_take(&other) == 0 && makes_file_of(OTHER, OTHER));
    rights_return();
}

/* In a folder as mailboxes are in: everybody makes files there, and removes his own. */
static void test_a_lock_goes_although_nobody_waits(void **state)
{
    (void)state;
    make_folder();
    assert_int_equal(chmod(folder, 01777), 0);
    as_crew(abandoned_body);
    remove_folder();
}

/* ---- without capabilities -------------------------------------------------------------------- */

static void ordinary_body(void)
{
    const struct rights own = {.uid = OURS, .gid = OURS};
    const struct rights own_group = {.uid = OURS, .gid = USER};

    MUST(setgid(OURS) == 0 && setuid(OURS) == 0);
    MUST(rights_take(&own) == 0);
    rights_return();
    MUST(rights_take(&own_group) == 0); /* his mail, as far as his rights go */
    rights_return();
    MUST(rights_take(&user) == EPERM && rights_take(&root) == EPERM);
    MUST(rights_become(&own) == 0 && rights_become(&user) == EPERM);
}

static void test_an_ordinary_user_has_his_own(void **state)
{
    int status;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        ordinary_body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_the_users),
        cmocka_unit_test(test_root_is_nobodys_recipient),
        cmocka_unit_test(test_other_threads_see_nothing),
        cmocka_unit_test(test_a_command_is_the_user_for_good),
        cmocka_unit_test(test_a_command_can_be_killed),
        cmocka_unit_test(test_a_lock_goes_although_nobody_waits),
        cmocka_unit_test(test_an_ordinary_user_has_his_own),
    };

    if (geteuid() != 0) {
        (void)printf("SKIPPED, NOT ROOT: nobody else's rights can be had\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
