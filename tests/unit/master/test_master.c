/* SPDX-License-Identifier: ISC */
/*
 * master: this very program as daemon, with roles that do nothing but say what happens to them:
 * start, links, deaths, reloads, drains, a second daemon, a start that fails, the background. What the
 * roles are told to do is in the parameter mail_name.
 */
#include "base/clock.h"
#include "base/durable.h"
#include "base/span.h"
#include "config/draft.h"
#include "config/logging.h"
#include "config/snapshot.h"
#include "config/role.h"
#include "master/master.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define LOG_SIZE ((size_t)1024 * 1024)
#define HANDOVER_MS 500 /* of a slow one */

/* ---- roles ------------------------------------------------------------------------------------- */

static bool is_told(const struct role *role, const char *what)
{
    return strstr(config_text(role->config, "mail_name"), what) != NULL;
}

static sluice_status fake_start(struct role *role, struct error *err)
{
    char bad[32];

    (void)snprintf(bad, sizeof(bad), "bad-%s", role->name);
    if (is_told(role, bad))
        return error_set(err, SLUICE_CONFIG, "%s does not like this", role->name);
    (void)snprintf(bad, sizeof(bad), "crash-%s", role->name);
    if (is_told(role, bad))
        (void)raise(SIGKILL);
    (void)snprintf(bad, sizeof(bad), "once-%s", role->name);
    if (is_told(role, bad) && mkdir("run/once", 0700) == 0)
        (void)raise(SIGKILL);
    (void)snprintf(bad, sizeof(bad), "slow-%s", role->name);
    if (is_told(role, bad)) {
        log_info("%s %u takes its time", role->name, role->index);
        (void)task_sleep_until(clock_monotonic_ms() + WAIT_MS);
    }
    if (role_inherited_fd() != -1 && pread(role_inherited_fd(), bad, sizeof(bad), 0) > 0)
        log_info("%s %u inherits %.6s", role->name, role->index, bad);
    log_info("%s %u start, generation %llu, %zu listeners, plugin %d", role->name, role->index,
             (unsigned long long)role->generation, role->listener_count,
             role_plugin_fd("lookup/fake") != -1);
    return SLUICE_OK;
}

static void ask_for_reload(struct role *role)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1 ||
        role_ask_for_reload(role, pair[0]) != SLUICE_OK)
        abort();
    (void)close(pair[1]);
}

static void fake_reloaded(struct role *role, const struct message_reloaded *answer, int asker_fd)
{
    log_info("%s answers %d, generation %llu, %.*s, %.*s", role->name, (int)answer->status,
             (unsigned long long)answer->generation, SPAN_ARGS(answer->text),
             SPAN_ARGS(answer->said));
    (void)close(asker_fd); /* nobody listens */
}

static void fake_link(struct role *role, const struct message_link *link, int fd)
{
    log_info("%s %u link %.*s %u", role->name, role->index, SPAN_ARGS(link->role), link->index);
    (void)close(fd); /* nothing to say to each other */
    if (is_told(role, "lose") && strcmp(role->name, "deliver") == 0 && mkdir("run/once", 0755) == 0)
        role_link_lost("queue");
    if (is_told(role, "ask") && strcmp(role->name, "queue") == 0 && mkdir("run/once", 0755) == 0)
        ask_for_reload(role);
    bool is_victim = span_equal(link->role, SPAN_LITERAL("receive")) && link->index == 1;
    if (is_told(role, "accuse") && (is_victim || strcmp(role->name, "deliver") == 0) &&
        mkdir(is_victim ? "run/once" : "run/twice", 0755) == 0)
        role_accuse(role, is_victim ? "receive" : "queue", link->index, link->pid);
}

static void fake_drain(struct role *role)
{
    log_info("%s %u drain%s", role->name, role->index, role->drain_grace_ms > 0 ? " slowly" : "");
    if (!is_told(role, "hang") && (!is_told(role, "patient") || role->drain_grace_ms == 0))
        role_finished(role);
}

static void hand_over_slowly(void *arg)
{
    int fd = memfd_create("estate", MFD_CLOEXEC);

    if (is_told(arg, "slow-handover"))
        (void)task_sleep_until(clock_monotonic_ms() + HANDOVER_MS);
    if (fd == -1 || pwrite(fd, "estate", 6, 0) != 6)
        abort();
    role_handed_over(arg, fd);
}

static void fake_handover(struct role *role)
{
    log_info("%s %u handover", role->name, role->index);
    if (is_told(role, "crash-handover"))
        (void)raise(SIGKILL);
    if (task_start("handover", hand_over_slowly, role, NULL) != SLUICE_OK)
        abort();
}

static void fake_stop(struct role *role)
{
    log_info("%s %u stop", role->name, role->index);
}

static int fake_main(const char *name)
{
    struct role_ops ops = {.name = name,
                           .start = fake_start,
                           .link = fake_link,
                           .drain = fake_drain,
                           .handover = fake_handover,
                           .reloaded = fake_reloaded,
                           .stop = fake_stop};

    return role_run(&ops);
}

/* ---- check ------------------------------------------------------------------------------------- */

static void ignore_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    (void)channel;
    (void)frame;
    (void)user;
}

static void stop_at_end(struct channel *channel, const char *reason, void *user)
{
    (void)reason;
    (void)user;
    channel_free(channel);
    task_loop_stop();
}

static void send_plugin(struct channel *channel, const char *path)
{
    struct sluice_span body = SPAN_LITERAL("lookup/fake");
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1 || channel_send(channel, MESSAGE_PLUGIN, 0, &body, 1, fd) != SLUICE_OK)
        abort();
    (void)close(fd);
}

static void send_snapshot(struct channel *channel, struct draft *draft, const char *role,
                          uint32_t bit)
{
    bool is_forging = strstr(draft_parameter(draft, "mail_name")->value.text, "forge") != NULL;
    struct sluice_span body = sluice_span_of(role);
    int fd;

    if (snapshot_write(draft, bit, &fd, NULL) != SLUICE_OK ||
        channel_send(channel, MESSAGE_SNAPSHOT, 0, &body, 1, fd) != SLUICE_OK)
        abort();
    (void)close(fd);
    if (bit == DRAFT_RECEIVE)
        send_plugin(channel, is_forging ? "/dev/null" : "lookup/fake.so");
}

static int hand_over(struct draft *draft)
{
    static const struct channel_handlers handlers = {.frame = ignore_frame, .closed = stop_at_end};
    struct channel *channel;

    if (task_loop_init() != SLUICE_OK ||
        channel_new(ROLE_MASTER_FD, "master", &handlers, NULL, &channel) != SLUICE_OK)
        return EX_OSERR;
    send_snapshot(channel, draft, "master", DRAFT_MASTER);
    send_snapshot(channel, draft, "receive", DRAFT_RECEIVE);
    send_snapshot(channel, draft, "queue", DRAFT_QUEUE);
    send_snapshot(channel, draft, "deliver", DRAFT_DELIVER);
    send_snapshot(channel, draft, "metrics", DRAFT_METRICS);
    (void)channel_send_body(channel, MESSAGE_CHECKED, 0, SPAN_EMPTY);
    task_loop_run();
    task_loop_done();
    return EX_OK;
}

static int fake_check(const char *path)
{
    static struct draft draft; /* must not move */

    draft_init(&draft);
    draft_read(&draft, path);
    int status = draft.report.error_count > 0 ? EX_CONFIG : hand_over(&draft);
    if (draft.report.error_count > 0)
        (void)fprintf(stderr, "%s", buffer_text(&draft.report.text));
    draft_done(&draft);
    return status;
}

/* ---- a daemon ---------------------------------------------------------------------------------- */

static char folder[] = "/tmp/sluice-master-XXXXXX"; /* the working directory */

static const char *owner(void)
{
    return geteuid() == 0 ? "nobody" : "anybody";
}

static void write_config(const char *listen, const char *told)
{
    FILE *file = fopen("sluice.conf", "we");

    assert_non_null(file);
    (void)fprintf(file,
                  "myhostname = \"mx.example.org\";\nlisten = [ \"%s\" ];\n"
                  "queue_directory = \"queue\";\nrun_directory = \"run\";\n"
                  "mail_owner = \"%s\";\nnetwork_owner = \"%s\";\nmail_name = \"%s\";\n"
                  "receive_processes = 2;\ndeliver_processes = 1;\n",
                  listen, owner(), owner(), told);
    assert_int_equal(fclose(file), 0);
}

/* --master: -f unless is_background. Its log goes to the end of the file. */
static pid_t start_daemon(bool is_background)
{
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)execl("/proc/self/exe", "test", "--master", is_background ? "-b" : "-f", (char *)NULL);
    _exit(EX_OSERR);
}

static char *read_log(void)
{
    char *text = calloc(1, LOG_SIZE + 1);
    int fd = open("log", O_RDONLY | O_CLOEXEC);

    assert_non_null(text);
    if (fd != -1) {
        assert_true(read(fd, text, LOG_SIZE) >= 0);
        (void)close(fd);
    }
    return text;
}

static int count_in_log(const char *pattern)
{
    char *text = read_log();
    regmatch_t match;
    regex_t regex;
    int count = 0;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE), 0);
    for (const char *at = text; regexec(&regex, at, 1, &match, 0) == 0; at += match.rm_eo)
        count++;
    regfree(&regex);
    free(text);
    return count;
}

static void fail_with_log(const char *what)
{
    char *text = read_log();

    print_error("%s\nlog:\n%s\n", what, text);
    free(text);
    fail();
}

static void wait_for_log(const char *pattern, int count)
{
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;

    while (count_in_log(pattern) < count) {
        if (clock_monotonic_ms() > end_ms)
            fail_with_log(pattern);
        (void)poll(NULL, 0, 10);
    }
}

/* Each process writes its lines in their order, but a few milliseconds after they were made. */
static void expect_count(const char *pattern, int count)
{
    wait_for_log(pattern, count);
    assert_int_equal(count_in_log(pattern), count);
}

static int wait_for_end(pid_t pid)
{
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_monotonic_ms() > end_ms) {
            (void)kill(pid, SIGKILL);
            fail_with_log("the daemon does not end");
        }
        (void)poll(NULL, 0, 10);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect_end(pid_t pid, int want)
{
    int status = wait_for_end(pid);

    if (status != want) {
        print_error("exit status %d, not %d\n", status, want);
        fail_with_log("wrong end");
    }
    expect_count("Sanitizer|runtime error", 0);
}

/* The pid at the end of a line that a role has logged: "sluice/qmgr[123]: queue 0 start". */
static pid_t find_pid(const char *role, int which)
{
    char *text = read_log();
    char mark[32];
    pid_t pid = 0;

    (void)snprintf(mark, sizeof(mark), "sluice/%s[", logging_component(role));
    const char *at = text;
    for (int i = 0; i <= which && at != NULL;) {
        at = strstr(at, mark);
        if (at == NULL)
            break;
        at += strlen(mark);
        const char *end = strchr(at, '\n');
        if (end != NULL && memmem(at, (size_t)(end - at), " start,", 7) != NULL && i++ == which)
            pid = (pid_t)strtol(at, NULL, 10);
    }
    free(text);
    assert_int_not_equal(pid, 0);
    return pid;
}

static pid_t start_ready(const char *told)
{
    write_config("127.0.0.1:0", told);
    pid_t pid = start_daemon(false);
    wait_for_log("ready, pid", 1);
    wait_for_log(" start, generation 1, ", 4); /* each role has a log of its own */
    return pid;
}

/* ---- the tests --------------------------------------------------------------------------------- */

static void start_links_and_drain(void **state)
{
    struct stat info;

    (void)state;
    pid_t pid = start_ready("x");
    expect_count("queue 0 start, generation 1, 1 listeners, plugin 0$", 1);
    expect_count("receive [01] start, generation 1, 3 listeners, plugin 1$", 2);
    expect_count("deliver 0 start, generation 1, 0 listeners, plugin 0$", 1);
    wait_for_log("queue 0 link (receive [01]|deliver 0)$", 3);
    wait_for_log("receive [01] link queue 0$", 2);
    wait_for_log("deliver 0 link queue 0$", 1);
    assert_int_equal(stat("queue", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat("run/sluiced.pid", &info), 0);

    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
    assert_int_equal(stat("run/sluiced.pid", &info), -1);
    expect_count("(receive [01]|deliver 0|queue 0) stop$", 4);
    char *text = read_log();
    const char *queue = strstr(text, "queue 0 drain");
    const char *deliver = strstr(text, "deliver 0 drain");
    assert_non_null(queue);
    assert_non_null(deliver);
    assert_null(strstr(deliver, "receive 0 stop")); /* one after the other */
    assert_null(strstr(queue, "deliver 0 stop"));
    free(text);
}

/* A service manager sends SIGTERM to all; a terminal SIGINT. The order stays. */
static void signals_to_roles_change_nothing(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    assert_int_equal(kill(find_pid("queue", 0), SIGTERM), 0);
    assert_int_equal(kill(find_pid("deliver", 0), SIGINT), 0);
    assert_int_equal(kill(find_pid("receive", 0), SIGHUP), 0);
    assert_int_equal(kill(pid, SIGINT), 0);
    expect_end(pid, EX_OK);
    expect_count("died", 0);
}

/* What a careless parent has left open in the master is not for the roles. */
static void roles_inherit_nothing(void **state)
{
    char path[64];

    (void)state;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int left_open = fcntl(null_fd, F_DUPFD, 500);
    assert_int_not_equal(left_open, -1);
    pid_t pid = start_ready("x");
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pid, left_open);
    assert_int_equal(access(path, F_OK), 0);
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)find_pid("queue", 0), left_open);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
    (void)close(left_open);
    (void)close(null_fd);
}

static void killed_roles_come_back_with_links(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    wait_for_log("queue 0 link", 3);
    assert_int_equal(kill(find_pid("queue", 0), SIGKILL), 0);
    wait_for_log("role queue 0 \\(pid [0-9]+\\) died: signal 9; restarting$", 1);
    wait_for_log("queue 0 link (receive [01]|deliver 0)$", 6);
    wait_for_log("receive [01] link queue 0$", 4);
    wait_for_log("deliver 0 link queue 0$", 2);
    assert_int_equal(kill(find_pid("deliver", 0), SIGKILL), 0);
    wait_for_log("role deliver 0 \\(pid [0-9]+\\) died: signal 9; restarting in 1 s$", 1);
    wait_for_log("deliver 0 link queue 0$", 3);
    assert_int_equal(kill(find_pid("receive", 1), SIGKILL), 0);
    wait_for_log("receive [01] link queue 0$", 5);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

/* Queue is believed; deliver, which says the same of queue, is not. */
static void who_sends_nonsense_is_restarted(void **state)
{
    (void)state;
    pid_t pid = start_ready("accuse");
    wait_for_log("role receive 1: killed, because queue could make no sense of it$", 1);
    wait_for_log("role receive 1 \\(pid [0-9]+\\) died: signal 9; restarting$", 1);
    wait_for_log("queue 0 link receive 1$", 2);
    wait_for_log("role deliver 0: killed, its frame [0-9]+ makes no sense$", 1);
    wait_for_log("queue 0 link deliver 0$", 2);
    expect_count("role queue 0 .*died", 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

/* ---- reload ------------------------------------------------------------------------------------ */

#define INSTANT_LEN 23 /* "2026-11-22T06:00:00.000" */

/* The instant of the first line that has it. */
static void instant_of(const char *what, char instant[INSTANT_LEN + 1])
{
    wait_for_log(what, 1);
    char *text = read_log();
    const char *at = strstr(text, what);

    assert_non_null(at);
    while (at > text && at[-1] != '\n')
        at--;
    (void)snprintf(instant, INSTANT_LEN + 1, "%s", at);
    free(text);
}

/* Lines of different processes may stand in the log the other way round. */
static void expect_order(const char *first, const char *second)
{
    char earlier[INSTANT_LEN + 1];
    char later[INSTANT_LEN + 1];

    instant_of(first, earlier);
    instant_of(second, later);
    if (strcmp(earlier, later) > 0)
        print_error("not so: %s before %s\n", first, second);
    assert_true(strcmp(earlier, later) <= 0);
}

static void reload(pid_t pid, const char *told)
{
    write_config("127.0.0.1:0", told);
    assert_int_equal(kill(pid, SIGHUP), 0);
}

static void stop_daemon(pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

/* Beside each other; the queue one after the other; the old ones leave. */
static void reload_starts_a_new_generation(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    wait_for_log("queue 0 link", 3);
    reload(pid, "y");
    wait_for_log("reloaded: generation 2 runs", 1);
    wait_for_log("(receive [01]|deliver 0) drain slowly$", 3);
    wait_for_log(" stop$", 4);
    expect_count("queue 0 inherits estate", 1);
    expect_count("receive [01] start, generation 2, 3 listeners, plugin 1$", 2);
    expect_count("deliver 0 start, generation 2, 0 listeners, plugin 0$", 1);
    expect_count("queue 0 start, generation 2, 1 listeners, plugin 0$", 1);
    expect_order("receive 1 start, generation 2", "queue 0 handover");
    expect_order("queue 0 handover", "queue 0 start, generation 2");
    expect_order("queue 0 start, generation 2", "deliver 0 drain slowly");
    wait_for_log("queue 0 link", 3 + 3 + 6); /* the new ones with either queue, the old ones too */
    expect_count("listening on", 1);
    expect_count("died", 0);

    /* What is restarted is of the new generation. */
    assert_int_equal(kill(find_pid("queue", 1), SIGKILL), 0);
    wait_for_log("queue 0 start, generation 2, ", 2);
    expect_count("inherits", 1);
    stop_daemon(pid);
    expect_count(" stop$", 8);
}

static void what_does_not_check_changes_nothing(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    FILE *file = fopen("sluice.conf", "we");
    assert_non_null(file);
    (void)fprintf(file, "mydomain = \"example.org\";\nmyhostname = ;\n");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_for_log("sluice/master.*sluice.conf:2: ", 1);
    wait_for_log("not reloaded, generation 1 goes on: sluice.conf does not check", 1);

    file = fopen("sluice.conf", "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "myhostname = \"mx.example.org\";\nmail_owner = \"%s\";\n"
                  "network_owner = \"%s\";\nqueue_directory = \"queue\";\n"
                  "run_directory = \"elsewhere\";\n",
                  owner(), owner());
    assert_int_equal(fclose(file), 0);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_for_log("sluice.conf:5: run_directory: it is \"/.*/run\" now", 1);

    write_config("127.0.0.1:0", "x\"; queue_store = { plugin = \"bdb\"; }; myorigin = \"x");
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_for_log("sluice.conf:7: queue_store: it is \"queue/log\" now, and to change it takes a "
                 "restart",
                 1);
    expect_count(" start, generation", 4);
    expect_count("drain|handover", 0);
    stop_daemon(pid);
}

static void a_process_that_cannot_start_ends_the_reload(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    reload(pid, "bad-receive");
    wait_for_log("not reloaded, generation 1 goes on: role receive [01] .*exit status 78", 1);
    wait_for_log("deliver 0 stop$", 1); /* that of the new generation */
    expect_count("deliver 0 drain", 1);
    expect_count("handover", 0);

    /* The old generation is complete, and what dies comes back as it was. */
    assert_int_equal(kill(find_pid("receive", 0), SIGKILL), 0);
    wait_for_log("receive [01] start, generation 1, ", 3);
    reload(pid, "y");
    wait_for_log("reloaded: generation 3 runs", 1);
    stop_daemon(pid);
}

static void a_queue_that_cannot_start_goes_back(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    reload(pid, "bad-queue");
    wait_for_log("exit status 78: the queue goes on with generation 1$", 1);
    wait_for_log("not reloaded, generation 1 goes on", 1);
    expect_count("queue 0 start, generation 1, ", 2);
    expect_count("queue 0 inherits estate", 1);
    wait_for_log("(receive [01]|deliver 0) stop$", 3);

    /* It is one like any other: */
    assert_int_equal(kill(find_pid("queue", 1), SIGKILL), 0);
    wait_for_log("queue 0 start, generation 1, ", 3);
    reload(pid, "y");
    wait_for_log("reloaded: generation 3 runs", 1);
    stop_daemon(pid);
}

static void a_queue_that_dies_during_the_handover(void **state)
{
    (void)state;
    pid_t pid = start_ready("crash-handover");
    reload(pid, "y");
    wait_for_log("reloaded: generation 2 runs", 1);
    expect_count("role queue 0 \\(pid [0-9]+\\) died: signal 9$", 1);
    expect_count("queue 0 start, generation 2, ", 1);
    expect_count("inherits", 0);
    stop_daemon(pid);
}

/* Many wishes during a reload are one more; an end waits until the queue is in one piece. */
static void wishes_during_a_reload(void **state)
{
    (void)state;
    pid_t pid = start_ready("slow-handover");
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_for_log("queue 0 handover", 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kill(pid, SIGHUP), 0);
        (void)usleep(1000);
    }
    wait_for_log("reloaded: generation 3 runs", 1);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_for_log("queue 0 handover", 3);
    stop_daemon(pid);
    expect_count("reloaded: generation", 3);
    expect_count("queue 0 start, generation 4, ", 1);
    expect_order("queue 0 start, generation 4", "queue 0 drain");
    expect_count("died|killed", 0);
}

/* Their sessions go on; but not for ever. */
static void old_ones_stay_while_they_have_to(void **state)
{
    (void)state;
    pid_t pid = start_ready("patient");
    for (int i = 2; i <= 6; i++) {
        char text[64];

        assert_int_equal(kill(pid, SIGHUP), 0);
        (void)snprintf(text, sizeof(text), "reloaded: generation %d runs", i);
        wait_for_log(text, 1);
        wait_for_log("receive [01] drain slowly$", 2);
    }
    wait_for_log("receive [01] stop$", 2); /* of the first generation */
    expect_count("receive [01] stop$", 2);
    stop_daemon(pid);
    expect_count("receive [01] stop$", 12);
    expect_count("killed", 0);
}

/* The answer comes from the queue that is there at the end. */
static void a_role_asks_for_a_reload(void **state)
{
    (void)state;
    pid_t pid = start_ready("ask");
    wait_for_log("queue answers 0, generation 2, , $", 1);
    stop_daemon(pid);
}

/* No process has died, and yet there is another link. */
static void a_lost_link_is_made_anew(void **state)
{
    (void)state;
    pid_t pid = start_ready("lose");
    wait_for_log("deliver 0 link queue 0$", 2);
    wait_for_log("queue 0 link deliver 0$", 2);
    expect_count("died", 0);
    stop_daemon(pid);
}

static void second_daemon_and_dead_master(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    expect_end(start_daemon(false), EX_TEMPFAIL);
    char text[64];
    (void)snprintf(text, sizeof(text), "already running, pid %ld ", (long)pid);
    expect_count(text, 1);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(wait_for_end(pid), 128 + SIGKILL);
    pid = start_daemon(false); /* waits for the roles of the first */
    wait_for_log("ready, pid", 2);
    expect_count("master: the peer has gone: finishing", 4);
    expect_count("(receive [01]|deliver 0|queue 0) stop$", 4);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

/* Its start() is in the middle of things: stop() would free what it uses. */
static void a_master_that_dies_during_a_start(void **state)
{
    (void)state;
    write_config("127.0.0.1:0", "slow-queue");
    pid_t pid = start_daemon(false);
    wait_for_log("queue 0 takes its time$", 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(wait_for_end(pid), 128 + SIGKILL);
    wait_for_log("leaving what is under way as it is$", 1);
    expect_count("queue 0 stop$", 0);
}

static void a_second_signal_kills(void **state)
{
    (void)state;
    pid_t pid = start_ready("hang");
    assert_int_equal(kill(pid, SIGTERM), 0);
    wait_for_log("receive [01] drain$", 2);
    (void)usleep(1100 * 1000); /* then it is another wish */
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
    expect_count("did not finish in time: killed", 4);
}

/* As from timeout(1), which signals the process and its group. */
static void two_signals_at_once_are_one(void **state)
{
    (void)state;
    pid_t pid = start_ready("x");
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(kill(pid, SIGINT), 0);
    expect_end(pid, EX_OK);
    expect_count("killed", 0);
    expect_count("stop$", 4);
}

/* A signal may have come from outside; but one that dies again and again ends the start. */
static void crashes_at_the_start(void **state)
{
    (void)state;
    pid_t pid = start_ready("once-queue");
    expect_count("role queue 0 \\(pid [0-9]+\\) died: signal 9; restarting$", 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);

    write_config("127.0.0.1:0", "crash-queue");
    expect_end(start_daemon(false), EX_TEMPFAIL);
    expect_count("role queue 0 \\(pid [0-9]+\\) died: signal 9", 1 + 3);
}

static void failing_starts(void **state)
{
    (void)state;
    write_config("127.0.0.1:0", "bad-queue");
    expect_end(start_daemon(false), EX_CONFIG);
    expect_count("queue does not like this", 1);
    expect_count("receive", 0);

    write_config("127.0.0.1:0", "bad-receive");
    expect_end(start_daemon(false), EX_CONFIG);
    expect_count("queue 0 stop", 2); /* what had started has left in order */

    write_config("127.0.0.1:0", "forge");
    expect_end(start_daemon(false), EX_TEMPFAIL);
    expect_count("plugin lookup/fake: \"/dev/null\" is not its file", 1);

    write_config("127.0.0.1:nonsense", "x");
    (void)wait_for_end(start_daemon(false));
    expect_count("ready", 0);

    FILE *file = fopen("sluice.conf", "we");
    assert_non_null(file);
    (void)fprintf(file, "myhostname = ;\n");
    assert_int_equal(fclose(file), 0);
    expect_end(start_daemon(false), EX_CONFIG);
    expect_count("sluice.conf:1: ", 1);
}

static void address_in_use(void **state)
{
    char text[128];

    (void)state;
    pid_t pid = start_ready("x");
    char *log = read_log();
    const char *at = strstr(log, "listening on 127.0.0.1:");
    assert_non_null(at);
    unsigned port = (unsigned)strtoul(at + strlen("listening on 127.0.0.1:"), NULL, 10);
    free(log);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    FILE *file = fopen("sluice.conf", "we"); /* another run folder, the same address */
    assert_non_null(file);
    (void)fprintf(file,
                  "listen = [ \"%s\" ]; queue_directory = \"queue\"; run_directory = \"run2\";\n"
                  "mail_owner = \"%s\"; network_owner = \"%s\";\n",
                  text, owner(), owner());
    assert_int_equal(fclose(file), 0);
    expect_end(start_daemon(false), EX_OSERR);
    expect_count("listen on 127.0.0.1:[0-9]+: Address already in use", 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

static void in_the_background(void **state)
{
    char text[32] = "";

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    write_config("127.0.0.1:0", "bad-queue");
    expect_end(start_daemon(true), EX_CONFIG); /* its exit status comes through */
    expect_count("sluiced: role queue 0 \\(pid [0-9]+\\) died: exit status 78", 1);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;

    write_config("127.0.0.1:0", "x");
    expect_end(start_daemon(true), EX_OK); /* ready */
    int fd = open("run/sluiced.pid", O_RDONLY | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    assert_int_equal(getsid(pid), pid);
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_end(pid, EX_OK);
}

static int enter_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0 || chdir(folder) != 0 ||
        mkdir("lookup", 0755) != 0)
        return -1;
    return durable_write_file("lookup/fake.so", SPAN_EMPTY, 0644, NULL) == SLUICE_OK ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    (void)unlink("log");
    (void)unlink("sluice.conf");
    (void)unlink("run/sluiced.pid");
    (void)unlink("run/submission");
    (void)unlink("run2/submission");
    (void)unlink("run/control");
    (void)unlink("run2/control");
    (void)rmdir("run/once");
    (void)rmdir("run/twice");
    (void)unlink("run2/sluiced.pid");
    (void)rmdir("queue");
    (void)rmdir("queue-maildrop");
    (void)rmdir("run");
    (void)rmdir("run2");
    return 0;
}

static int leave_folder(void **state)
{
    (void)clean(state);
    (void)unlink("lookup/fake.so");
    (void)rmdir("lookup");
    return rmdir(folder);
}

static int test_all(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, NULL, clean)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(start_links_and_drain),
        IN_FOLDER(signals_to_roles_change_nothing),
        IN_FOLDER(roles_inherit_nothing),
        IN_FOLDER(killed_roles_come_back_with_links),
        IN_FOLDER(who_sends_nonsense_is_restarted),
        IN_FOLDER(reload_starts_a_new_generation),
        IN_FOLDER(what_does_not_check_changes_nothing),
        IN_FOLDER(a_process_that_cannot_start_ends_the_reload),
        IN_FOLDER(a_queue_that_cannot_start_goes_back),
        IN_FOLDER(a_queue_that_dies_during_the_handover),
        IN_FOLDER(wishes_during_a_reload),
        IN_FOLDER(old_ones_stay_while_they_have_to),
        IN_FOLDER(a_role_asks_for_a_reload),
        IN_FOLDER(a_lost_link_is_made_anew),
        IN_FOLDER(second_daemon_and_dead_master),
        IN_FOLDER(a_master_that_dies_during_a_start),
        IN_FOLDER(a_second_signal_kills),
        IN_FOLDER(two_signals_at_once_are_one),
        IN_FOLDER(crashes_at_the_start),
        IN_FOLDER(failing_starts),
        IN_FOLDER(address_in_use),
        IN_FOLDER(in_the_background),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}

int main(int argc, char **argv)
{
    struct master_options options = {.config_path = "sluice.conf"};

    if (argc > 2 && strcmp(argv[1], "--role") == 0)
        return strcmp(argv[2], "check") == 0 ? fake_check(options.config_path) : fake_main(argv[2]);
    if (argc > 2 && strcmp(argv[1], "--master") == 0) {
        options.is_foreground = strcmp(argv[2], "-f") == 0;
        return master_run(&options);
    }
    return test_all();
}
