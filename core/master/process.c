/* SPDX-License-Identifier: ISC */
/*
 * process: fork, a few system calls, execveat.
 *
 * The master has a second thread (the log's). So between fork and execveat only async-signal-safe
 * functions are called, and everything that may need memory is made before. The list of processes
 * is static because SIGCHLD is for all of them.
 */
#include "master/process.h"

#include "config/role.h"
#include "master/landlock.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <utlist.h>
#include <uv.h>

#define EXECUTABLE_FD_MIN 64 /* out of the way of the numbers that roles are given */
#define SCRATCH_FD_MIN 128
#define ENVIRONMENT_MAX 9

struct process {
    pid_t pid;
    bool has_group; /* of its own */
    bool has_ended;
    int status; /* waitpid's */
    struct task_queue ended;
    struct process *prev;
    struct process *next;
};

static struct {
    int executable;
    uv_signal_t on_child;
    struct process *running;
} processes;

/* ---- in the child ---------------------------------------------------------------------------- */

/* What the child needs, made before the fork. */
struct birth {
    const struct process_spec *spec;
    int null_fd;
    const char *arguments[PROCESS_ARGUMENTS_MAX + 2];
    const char *environment[ENVIRONMENT_MAX + 1];
};

/* strerror is not allowed here. */
__attribute__((noreturn)) static void give_up(const char *what)
{
    static const char head[] = "sluiced: a role cannot start: ";

    ssize_t n = write(STDERR_FILENO, head, sizeof(head) - 1);
    n = write(STDERR_FILENO, what, strlen(what));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n; /* nobody is left to tell */
    _exit(EX_OSERR);
}

/* Out of the way of the numbers that are given next; -1 stays. */
static int move_away(int fd)
{
    if (fd == -1)
        return -1;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, SCRATCH_FD_MIN);
    if (moved == -1)
        give_up("descriptors");
    return moved;
}

static void place_fd(int fd, int number)
{
    if (fd != -1 && dup2(fd, number) == -1)
        give_up("descriptors");
}

/* Whoever started the master may have left some open in it. Those of ours close in any case. */
static void close_others(const struct birth *birth)
{
    const struct process_spec *spec = birth->spec;

    /* Kernels before 5.11 cannot. */
    if (spec->lock_fd == -1)
        (void)close_range(ROLE_LOCK_FD, ROLE_LOCK_FD, CLOSE_RANGE_CLOEXEC);
    if (spec->words_fd == -1)
        (void)close_range(ROLE_WORDS_FD, ROLE_WORDS_FD, CLOSE_RANGE_CLOEXEC);
    (void)close_range(ROLE_WORDS_FD + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
}

static void place_descriptors(const struct birth *birth)
{
    int channel = move_away(birth->spec->channel_fd);
    int lock = move_away(birth->spec->lock_fd);
    int words = move_away(birth->spec->words_fd);
    int output = move_away(birth->spec->output_fd);
    int null = move_away(birth->null_fd);

    place_fd(null, STDIN_FILENO);
    place_fd(output, STDOUT_FILENO);
    place_fd(output, STDERR_FILENO);
    place_fd(channel, ROLE_MASTER_FD);
    place_fd(lock, ROLE_LOCK_FD);
    place_fd(words, ROLE_WORDS_FD);
    close_others(birth);
}

/* No handler of the master's may run in the child: it would write into the master's loop. What a
 * terminal or a service manager sends to all processes is ignored from the first moment on. */
static void set_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < 32; number++)
        (void)sigaction(number, &action, NULL); /* not for KILL and STOP */
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        (void)sigaction(ignored[i], &action, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void be_born(const struct birth *birth)
{
    const struct process_spec *spec = birth->spec;

    set_signals();
    place_descriptors(birth);
    if (spec->limits != NULL && (limits_apply(spec->limits) != 0 || setpgid(0, 0) == -1))
        give_up("limits");
    if (spec->privileges != NULL && privileges_apply(spec->privileges) != 0)
        give_up("privileges");
    if (spec->ruleset != -1 && landlock_apply(spec->ruleset) != 0)
        give_up("Landlock");
    /* The kernel changes neither: the prototype is older than const. */
    (void)execveat(processes.executable, "", (char *const *)(uintptr_t)birth->arguments,
                   (char *const *)(uintptr_t)birth->environment, AT_EMPTY_PATH);
    give_up("execveat");
}

/* ---- in the master --------------------------------------------------------------------------- */

/*
 * What counts for the sanitizers, the time zone and Kerberos, whose files have no other way to be the daemon's
 * own. LD_PRELOAD has counted for the master already, which has more rights than any role; tests inject faults with it.
 */
static void choose_environment(const char *environment[ENVIRONMENT_MAX + 1])
{
    static const char *const names[] = {
        "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=",      "TZ=",
        "LD_PRELOAD=",   "KRB5_CONFIG=",  "KRB5CCNAME=",    "KRB5_CLIENT_KTNAME="};
    size_t count = 0;

    _Static_assert(sizeof(names) / sizeof(names[0]) <= ENVIRONMENT_MAX, "they fit");
    for (char **entry = environ; *entry != NULL; entry++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && count < ENVIRONMENT_MAX; i++) {
            if (strncmp(*entry, names[i], strlen(names[i])) == 0)
                environment[count++] = *entry;
        }
    }
}

static void prepare_birth(const struct process_spec *spec, int null_fd, struct birth *birth)
{
    *birth = (struct birth){.spec = spec, .null_fd = null_fd};
    birth->arguments[0] = "sluiced";
    for (size_t i = 0; i < PROCESS_ARGUMENTS_MAX && spec->arguments[i] != NULL; i++)
        birth->arguments[i + 1] = spec->arguments[i];
    choose_environment(birth->environment);
}

static pid_t fork_child(const struct birth *birth)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        be_born(birth);
    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

sluice_status process_start(const struct process_spec *spec, struct process **ret_process,
                            struct error *err)
{
    struct birth birth;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd == -1)
        return error_set(err, SLUICE_TEMP, "open /dev/null: %s", strerror(errno));

    sluice_status status = SLUICE_OK;
    prepare_birth(spec, null_fd, &birth);
    struct process *process = calloc(1, sizeof(*process));
    if (process == NULL) {
        status = error_set(err, SLUICE_TEMP, "start a process: out of memory");
    } else if ((process->pid = fork_child(&birth)) == -1) {
        status = error_set(err, SLUICE_TEMP, "start a process: %s", strerror(errno));
        free(process);
    } else {
        process->has_group = spec->limits != NULL;
        DL_APPEND(processes.running, process);
        *ret_process = process;
    }
    (void)close(null_fd); /* nothing was written */
    return status;
}

/* What it has left behind ends with it. As long as it is not reaped its number is nobody else's. */
static void end_group(const struct process *process, int flags)
{
    siginfo_t info = {0};

    if (process->has_group &&
        waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT | flags) == 0 &&
        info.si_pid == process->pid)
        (void)kill(-process->pid, SIGKILL); /* nobody may be left */
}

static void reap(struct process *process, int flags)
{
    pid_t pid;

    end_group(process, flags);
    do {
        pid = waitpid(process->pid, &process->status, flags);
    } while (pid == -1 && errno == EINTR);
    if (pid == 0)
        return;
    process->has_ended = true;
    DL_DELETE(processes.running, process);
    task_queue_wake_all(&process->ended);
}

static void on_child(uv_signal_t *handle, int number)
{
    struct process *process;
    struct process *next;

    (void)handle;
    (void)number;
    DL_FOREACH_SAFE(processes.running, process, next)
    {
        reap(process, WNOHANG);
    }
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

sluice_status process_wait(struct process *process, int64_t deadline_ms, int *ret_status)
{
    while (!process->has_ended) {
        if (task_queue_wait(&process->ended, deadline_ms) != SLUICE_OK && !process->has_ended)
            return SLUICE_TEMP;
    }
    *ret_status = process->status;
    return SLUICE_OK;
}

void process_kill(const struct process *process, int signal)
{
    if (!process->has_ended)
        (void)kill(process->pid, signal); /* it is ours, and not reaped: cannot be another's */
}

void process_free(struct process *process)
{
    if (process == NULL)
        return;
    if (!process->has_ended) {
        process_kill(process, SIGKILL);
        reap(process, 0);
    }
    free(process);
}

const char *process_format_end(int status, char text[PROCESS_END_SIZE])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, PROCESS_END_SIZE, "signal %d", WTERMSIG(status));
    else
        (void)snprintf(text, PROCESS_END_SIZE, "exit status %d", WEXITSTATUS(status));
    return text;
}

/* ---- life ------------------------------------------------------------------------------------ */

static sluice_status open_executable(struct error *err)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open /proc/self/exe: %s", strerror(errno));
    processes.executable = fcntl(fd, F_DUPFD_CLOEXEC, EXECUTABLE_FD_MIN);
    int saved = errno;
    (void)close(fd); /* only read */
    if (processes.executable == -1)
        return error_set(err, SLUICE_TEMP, "duplicate a descriptor: %s", strerror(saved));
    return SLUICE_OK;
}

sluice_status processes_init(struct error *err)
{
    sluice_status status = open_executable(err);
    if (status != SLUICE_OK)
        return status;
    int error = uv_signal_init(task_loop(), &processes.on_child);
    if (error == 0) {
        uv_unref((uv_handle_t *)&processes.on_child);
        error = uv_signal_start(&processes.on_child, on_child, SIGCHLD);
    }
    if (error != 0)
        return error_set(err, SLUICE_TEMP, "watch for SIGCHLD: %s", uv_strerror(error));
    return SLUICE_OK;
}

void processes_done(void)
{
    uv_close((uv_handle_t *)&processes.on_child, NULL);
    (void)close(processes.executable); /* only read */
}

int processes_executable(void)
{
    return processes.executable;
}
