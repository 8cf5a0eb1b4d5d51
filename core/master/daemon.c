/* SPDX-License-Identifier: ISC */
/*
 * daemon: fork, setsid and a pipe; and systemd's datagram, which needs no library.
 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

/* The process that was started: what the daemon reports, or that it died before. */
__attribute__((noreturn)) static void wait_for_report(int fd)
{
    unsigned char exit_status = EX_SOFTWARE;
    ssize_t n;

    do {
        n = read(fd, &exit_status, 1);
    } while (n == -1 && errno == EINTR);
    _exit(n == 1 ? exit_status : EX_SOFTWARE);
}

int daemon_detach(void)
{
    int report[2];

    if (pipe2(report, O_CLOEXEC) == -1)
        return -1;
    pid_t pid = fork();
    if (pid > 0) {
        (void)close(report[1]); /* ours alone would keep the pipe open */
        wait_for_report(report[0]);
    }
    (void)close(report[0]); /* only read */
    if (pid == -1 || setsid() == -1) {
        int saved = errno;
        (void)close(report[1]); /* nothing was written */
        errno = saved;
        return -1;
    }
    return report[1];
}

void daemon_report(int report_fd, int exit_status)
{
    unsigned char byte = (unsigned char)exit_status;

    if (report_fd == -1)
        return;
    int null_fd = exit_status == 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    for (int fd = STDIN_FILENO; null_fd != -1 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null_fd, fd); /* both are good */
    if (null_fd != -1)
        (void)close(null_fd); /* nothing was written */
    ssize_t n = write(report_fd, &byte, 1);
    (void)n; /* whoever waited has gone */
    (void)close(report_fd);
}

void daemon_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path != NULL ? strlen(path) : 0;

    if (len < 2 || len >= sizeof(to.sun_path) || strchr("/@", path[0]) == NULL)
        return;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    (void)close(fd); /* a service manager that does not listen is its own affair */
}
