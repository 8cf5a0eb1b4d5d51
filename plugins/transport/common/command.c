/* SPDX-License-Identifier: ISC */
/*
 * command: two pipes and a descriptor of the process, all three watched by way of one epoll
 * descriptor, which is what the host can wait for.
 */
#include "command.h"

#include "command_end.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define KILL_MS 1000     /* of its time are kept for its end, but of short ones */
#define KILL_PART 4      /* only such a part */
#define PIECES_A_TURN 16 /* then others on the loop have theirs */
#define ENVIRONMENT_MAX 32
#define PATH_COUNT 2

/* A command that runs. */
struct run {
    const struct command *command;
    const struct sluice_host *host;
    const struct sluice_io *io;
    struct command_end end;
    pid_t pid;
    int pid_fd;
    int epoll_fd;
    int input_fd;  /* -1: it has all, or does not want more */
    int output_fd; /* -1: its end has been read */
    bool has_ended;
    char *piece;
    size_t piece_len;
    size_t piece_at;
};

/* ---- the child ------------------------------------------------------------------------------- */

/* All that it needs, made before the fork: between fork and exec nothing may allocate. */
struct birth {
    const struct command *command;
    int input_fd;
    int output_fd;
    char paths[PATH_COUNT][PATH_MAX]; /* where the command may be; empty: nowhere more */
    const char *environment[ENVIRONMENT_MAX + 2];
};

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));

    (void)n; /* its exit status says enough */
}

__attribute__((noreturn)) static void give_up(const char *what, const char *name, int error)
{
    const char *reason = strerrordesc_np(error);

    say(what);
    say(name);
    say(": ");
    say(reason != NULL ? reason : "unknown error");
    _exit(EX_TEMPFAIL);
}

/* Handlers are the daemon's, and so is what it ignores. */
static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL); /* not for KILL and STOP */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The daemon has as many descriptors as there are: some programs look at each, or use select(). */
static void limit_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > FD_SETSIZE) {
        limit.rlim_cur = FD_SETSIZE;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* lower is always possible */
    }
}

static void place_descriptors(const struct birth *birth)
{
    if (dup2(birth->input_fd, STDIN_FILENO) == -1 || dup2(birth->output_fd, STDOUT_FILENO) == -1 ||
        dup2(birth->output_fd, STDERR_FILENO) == -1 ||
        close_range(STDERR_FILENO + 1, UINT_MAX, 0) == -1)
        give_up("descriptors of ", birth->command->name, errno);
}

__attribute__((noreturn)) static void be_born(const struct birth *birth)
{
    const struct command *command = birth->command;
    const char *directory = command->directory != NULL ? command->directory : "/";
    int error = ENOENT;

    reset_signals();
    (void)umask(077); /* what it writes is somebody's mail */
    (void)setsid();   /* cannot fail in a new process */
    place_descriptors(birth);
    limit_descriptors();
    int refused = rights_become(command->rights);
    if (refused != 0)
        give_up("rights for ", command->name, refused);
    if (chdir(directory) == -1)
        give_up("cannot enter ", directory, errno);
    for (int i = 0; i < PATH_COUNT && birth->paths[i][0] != '\0'; i++) {
        /* The kernel changes neither: the prototype is older than const. */
        (void)execve(birth->paths[i], (char *const *)(uintptr_t)command->arguments,
                     (char *const *)(uintptr_t)birth->environment);
        if (errno != ENOENT)
            error = errno;
    }
    give_up("cannot execute ", command->arguments[0], error);
}

/* ---- its start ------------------------------------------------------------------------------- */

static bool find_paths(struct birth *birth)
{
    static const char *const folders[PATH_COUNT] = {"/usr/bin/", "/bin/"};
    const char *file = birth->command->arguments[0];
    bool is_path = strchr(file, '/') != NULL;

    for (int i = 0; i < PATH_COUNT; i++) {
        int len = 0;

        birth->paths[i][0] = '\0';
        if (!is_path || i == 0)
            len = snprintf(birth->paths[i], PATH_MAX, "%s%s", is_path ? "" : folders[i], file);
        if (len < 0 || len >= PATH_MAX)
            return false;
    }
    return true;
}

static bool find_environment(struct birth *birth)
{
    size_t count = 0;

    birth->environment[count++] = "PATH=" COMMAND_PATH;
    for (const char *const *entry = birth->command->environment; *entry != NULL; entry++) {
        if (count > ENVIRONMENT_MAX)
            return false;
        birth->environment[count++] = *entry;
    }
    birth->environment[count] = NULL;
    return true;
}

/* No handler of the daemon's may run in the child before it has its own. */
static pid_t fork_child(const struct birth *birth)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        be_born(birth);
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

static bool watch(const struct run *run, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events};

    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
           epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_fd(int *fd)
{
    if (*fd != -1)
        (void)close(*fd); /* nothing that is kept was written there */
    *fd = -1;
}

/* One whose end nobody could wait for: it has hardly begun, and dies at once. */
static void end_unseen(struct run *run)
{
    rights_signal(run->command->rights, run->pid, SIGKILL);
    (void)waitpid(run->pid, NULL, 0);
    run->pid = -1;
}

static bool start_child(struct run *run, const struct birth *birth)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (!watch(run, run->input_fd, EPOLLOUT) || !watch(run, run->output_fd, EPOLLIN))
        return false;
    run->pid = fork_child(birth);
    if (run->pid == -1)
        return false;
    run->pid_fd = pidfd_open(run->pid, 0);
    if (run->pid_fd != -1 && epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, run->pid_fd, &event) == 0)
        return true;
    int saved = errno;
    end_unseen(run);
    errno = saved;
    return false;
}

/* False with errno. */
static bool start(struct run *run)
{
    struct birth *birth = calloc(1, sizeof(*birth));
    int input[2] = {-1, -1};  /* the child reads from this pipe */
    int output[2] = {-1, -1}; /* and writes into this one */
    bool is_started = false;

    run->piece = malloc(COMMAND_PIECE_MAX);
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool has_means = birth != NULL && run->piece != NULL && run->epoll_fd != -1 &&
                     pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0;
    run->input_fd = input[1];
    run->output_fd = output[0];
    if (has_means) {
        birth->command = run->command;
        birth->input_fd = input[0];
        birth->output_fd = output[1];
        errno = E2BIG;
        is_started = find_paths(birth) && find_environment(birth) && start_child(run, birth);
    }
    int saved = errno;
    close_fd(&input[0]);
    close_fd(&output[1]);
    free(birth);
    errno = saved;
    return is_started;
}

/* ---- its life -------------------------------------------------------------------------------- */

/* Nothing more for it: it has all, or has closed its end, which is its own affair. */
static void end_input(struct run *run)
{
    close_fd(&run->input_fd);
}

/* False: the content cannot be read. */
static bool refill(struct run *run)
{
    struct command_input *input = run->command->input;

    run->piece_at = run->piece_len = 0;
    if (input->read(input, run->piece, COMMAND_PIECE_MAX, &run->piece_len) != SLUICE_OK)
        return false;
    if (run->piece_len == 0)
        end_input(run);
    return true;
}

static bool feed(struct run *run)
{
    for (int i = 0; i < PIECES_A_TURN && run->input_fd != -1; i++) {
        if (run->piece_at == run->piece_len && !refill(run))
            return false;
        if (run->input_fd == -1)
            return true;
        ssize_t n =
            write(run->input_fd, run->piece + run->piece_at, run->piece_len - run->piece_at);
        if (n > 0)
            run->piece_at += (size_t)n;
        else if (errno == EAGAIN)
            return true;
        else if (errno != EINTR)
            end_input(run);
    }
    return true;
}

static void drain(struct run *run)
{
    char bytes[4096];

    for (int i = 0; i < PIECES_A_TURN && run->output_fd != -1; i++) {
        ssize_t n = read(run->output_fd, bytes, sizeof(bytes));

        if (n > 0)
            command_end_add_output(&run->end, bytes, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close_fd(&run->output_fd);
        else if (errno == EAGAIN)
            return;
    }
}

static void look_for_end(struct run *run)
{
    if (!run->has_ended)
        run->has_ended = waitpid(run->pid, &run->end.wait_status, WNOHANG) == run->pid;
}

/* Until it ends by itself, or end.kind says why it is not waited for any more. */
static void live(struct run *run, int64_t until_ms)
{
    while (!run->has_ended) {
        if (!feed(run)) {
            run->end.kind = COMMAND_NO_INPUT;
            return;
        }
        drain(run);
        look_for_end(run);
        if (!run->has_ended &&
            run->io->wait_fd(run->host, run->epoll_fd, SLUICE_IO_READABLE, until_ms) != SLUICE_OK) {
            run->end.kind = COMMAND_LATE;
            return;
        }
    }
    drain(run);
}

/* With all that it has started. What the kernel holds on to is left to it. */
static void put_down(struct run *run, int64_t deadline_ms)
{
    rights_signal(run->command->rights, run->pid, SIGKILL);
    end_input(run);
    look_for_end(run);
    while (!run->has_ended &&
           run->io->wait_fd(run->host, run->pid_fd, SLUICE_IO_READABLE, deadline_ms) == SLUICE_OK)
        look_for_end(run);
    drain(run);
}

static void run_done(struct run *run)
{
    end_input(run);
    close_fd(&run->output_fd);
    close_fd(&run->pid_fd);
    close_fd(&run->epoll_fd);
    free(run->piece);
}

void command_run(const struct command *command, const struct sluice_host *host, int64_t deadline_ms,
                 struct command_result *result)
{
    const struct sluice_clock *clock = host->get_service(host, SLUICE_CLOCK_ID);
    struct run run = {
        .command = command,
        .host = host,
        .io = host->get_service(host, SLUICE_IO_ID),
        .pid = -1,
        .pid_fd = -1,
        .epoll_fd = -1,
        .input_fd = -1,
        .output_fd = -1,
    };
    int64_t left_ms = deadline_ms - clock->monotonic_ms(host);
    int64_t kill_ms = left_ms / KILL_PART < KILL_MS ? left_ms / KILL_PART : KILL_MS;

    if (start(&run)) {
        live(&run, deadline_ms - kill_ms);
    } else {
        run.end.kind = COMMAND_NOT_STARTED;
        run.end.error = errno;
    }
    if (run.pid != -1 && !run.has_ended)
        put_down(&run, deadline_ms);
    command_end_judge(&run.end, command->name, result);
    run_done(&run);
}
