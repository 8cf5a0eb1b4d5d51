/* SPDX-License-Identifier: ISC */
/*
 * session: copies both ways.
 */
#include "session.h"

#include "control_client.h"

#include "base/io.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

/* False: the end of either. */
static bool copy_some(int from, int to)
{
    char bytes[16384];
    ssize_t n = read(from, bytes, sizeof(bytes));

    return n > 0 && io_write(to, (struct sluice_span){.ptr = bytes, .len = (size_t)n});
}

static void join(int fd)
{
    struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    for (;;) {
        if (poll(ends, 2, -1) == -1) {
            if (errno == EINTR)
                continue;
            return;
        }
        if (ends[1].revents != 0 && !copy_some(fd, STDOUT_FILENO))
            return;
        if (ends[0].revents != 0 && !copy_some(STDIN_FILENO, fd)) {
            (void)shutdown(fd, SHUT_WR); /* the daemon may still have something to say */
            ends[0] = (struct pollfd){.fd = -1};
        }
    }
}

int session_run(const struct mailq *mailq)
{
    struct error err = ERROR_INIT;
    struct draft draft;
    int fd = -1;

    draft_init(&draft);
    sluice_status st = control_read_config(&draft, mailq->config_path, &err);
    if (st == SLUICE_OK)
        st = control_connect(&draft, mailq->config_path, "submission", &fd, &err);
    draft_done(&draft);
    if (st != SLUICE_OK) {
        puts("421 4.3.2 Service not available, the mail system is down\r");
        return mailq_fatal(mailq, "%s", err.text);
    }
    join(fd);
    (void)close(fd); /* all has been said */
    return EX_OK;
}
