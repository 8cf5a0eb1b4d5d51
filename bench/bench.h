/* SPDX-License-Identifier: ISC */
/*
 * bench: what the load programs share.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <netinet/in.h>
#include <stdint.h>

/* Seconds of CLOCK_MONOTONIC. */
double bench_now(void);
/* CPU seconds of this process so far. */
double bench_cpu(void);
/* Says why on standard error, with errno's text if there is one, and exits. */
_Noreturn void bench_fail(const char *text);
/* "127.0.0.1:2525". */
struct sockaddr_in bench_address(const char *text);
/* A listening, non-blocking socket. */
int bench_listen(const char *text);

#endif
