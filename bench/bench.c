/* SPDX-License-Identifier: ISC */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 4096

double bench_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* always there */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

double bench_cpu(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage); /* always there */
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void bench_fail(const char *text)
{
    if (errno != 0)
        (void)fprintf(stderr, "%s: %s\n", text, strerror(errno));
    else
        (void)fprintf(stderr, "%s\n", text);
    exit(1);
}

struct sockaddr_in bench_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    unsigned port;

    errno = 0;
    if (sscanf(text, "%63[^:]:%u", host, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        bench_fail("want ADDRESS:PORT, numeric");
    address.sin_port = htons((uint16_t)port);
    return address;
}

int bench_listen(const char *text)
{
    struct sockaddr_in address = bench_address(text);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 || listen(fd, BACKLOG) == -1)
        bench_fail(text);
    return fd;
}
