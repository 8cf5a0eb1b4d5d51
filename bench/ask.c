/* SPDX-License-Identifier: ISC */
/*
 * ask: recipients, one RCPT after the other in each session, as cheaply as one thread can ask.
 *
 *   ask [-s SESSIONS] [-m QUESTIONS] [-u USERS] [-t DOMAIN] ADDRESS:PORT
 *
 * -s N   sessions at a time (50)
 * -m N   questions in all (10,000)
 * -u N   for user0@DOMAIN to userN-1@DOMAIN, in turn; 0: for another one each time
 * -t X   the domain (sink.example)
 *
 * Before the first question all sessions are there, with HELO and MAIL behind them; behind the last one
 * they stay until standard input ends. In the end it says on standard output, as JSON, how long the
 * questions took, what they cost, and percentiles of the time for one.
 */
#include "bench.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define INPUT_SIZE 512

struct session {
    int fd;
    double asked_s;
    size_t len;
    char input[INPUT_SIZE];
};

static struct {
    size_t session_count;
    uint64_t question_count;
    uint64_t user_count;
    const char *domain;
    struct sockaddr_in to;
    int epoll;
    uint64_t asked;
    uint64_t answered;
    float *times; /* ms */
    struct session *sessions;
} ask = {.session_count = 50, .question_count = 10000, .domain = "sink.example"};

static void say(const struct session *s, const char *text)
{
    size_t len = strlen(text);

    if (send(s->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        bench_fail("send: questions are short, and yet");
}

/* More of the line that is coming; true: it is whole, and good. */
static bool take_reply(struct session *s)
{
    ssize_t n = recv(s->fd, s->input + s->len, INPUT_SIZE - s->len, 0);

    if (n <= 0)
        bench_fail("the server has hung up");
    s->len += (size_t)n;
    if (s->input[s->len - 1] != '\n')
        return false;
    if (s->input[0] != '2') {
        errno = 0;
        s->input[s->len - 1] = '\0';
        bench_fail(s->input);
    }
    s->len = 0;
    return true;
}

static void open_session(struct session *s)
{
    static const char *const commands[] = {"HELO source.example\r\n", "MAIL FROM:<a@source.example>\r\n"};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    int one = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd == -1 || connect(s->fd, (struct sockaddr *)&ask.to, sizeof(ask.to)) == -1)
        bench_fail("connect");
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (size_t i = 0; i < 2; i++) {
        while (!take_reply(s))
            continue;
        say(s, commands[i]);
    }
    while (!take_reply(s))
        continue;
    if (epoll_ctl(ask.epoll, EPOLL_CTL_ADD, s->fd, &event) == -1)
        bench_fail("epoll_ctl");
}

static void ask_next(struct session *s)
{
    uint64_t number = ask.asked++;
    char text[256];

    if (number >= ask.question_count)
        return;
    if (ask.user_count > 0)
        number %= ask.user_count;
    (void)snprintf(text, sizeof(text), "RCPT TO:<user%llu@%s>\r\n", (unsigned long long)number,
                   ask.domain);
    s->asked_s = bench_now();
    say(s, text);
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];

    for (size_t i = 0; i < ask.session_count; i++)
        ask_next(&ask.sessions[i]);
    while (ask.answered < ask.question_count) {
        int count = epoll_wait(ask.epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct session *s = events[i].data.ptr;

            if (!take_reply(s))
                continue;
            ask.times[ask.answered++] = (float)((bench_now() - s->asked_s) * 1000);
            ask_next(s);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    float one = *(const float *)a;
    float other = *(const float *)b;

    return (one > other) - (one < other);
}

static double percentile(double part)
{
    return (double)ask.times[(size_t)((double)(ask.answered - 1) * part)];
}

static void report(double seconds, double cpu_s)
{
    qsort(ask.times, ask.answered, sizeof(*ask.times), by_value);
    printf("{\"questions\": %llu, \"seconds\": %.4f, \"cpu_s\": %.4f, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"p999_ms\": %.3f}\n",
           (unsigned long long)ask.answered, seconds, cpu_s, percentile(0.5), percentile(0.99),
           percentile(0.999));
    (void)fflush(stdout);
}

static void read_options(int argc, char **argv)
{
    static const char usage[] =
        "usage: ask [-s SESSIONS] [-m QUESTIONS] [-u USERS] [-t DOMAIN] ADDRESS:PORT";
    int option;

    while ((option = getopt(argc, argv, "s:m:u:t:")) != -1) {
        if (option == 's')
            ask.session_count = strtoul(optarg, NULL, 10);
        else if (option == 'm')
            ask.question_count = strtoull(optarg, NULL, 10);
        else if (option == 'u')
            ask.user_count = strtoull(optarg, NULL, 10);
        else if (option == 't')
            ask.domain = optarg;
        else
            bench_fail(usage);
    }
    if (optind + 1 != argc || ask.session_count == 0 || ask.question_count == 0)
        bench_fail(usage);
    ask.to = bench_address(argv[optind]);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    ask.epoll = epoll_create1(EPOLL_CLOEXEC);
    ask.times = calloc(ask.question_count, sizeof(*ask.times));
    ask.sessions = calloc(ask.session_count, sizeof(*ask.sessions));
    if (ask.epoll == -1 || ask.times == NULL || ask.sessions == NULL)
        bench_fail("out of memory");
    for (size_t i = 0; i < ask.session_count; i++)
        open_session(&ask.sessions[i]);
    double begin = bench_now();
    double cpu_s = bench_cpu();
    run();
    report(bench_now() - begin, bench_cpu() - cpu_s);
    while (getchar() != EOF)
        continue;
    return 0;
}
