/* SPDX-License-Identifier: ISC */
/*
 * source: sends messages by SMTP as fast as the other side takes them, as cheaply as one thread can.
 *
 *   source [-s SESSIONS] [-m MESSAGES] [-l SIZE] [-d] [-r RATE] [-n DOMAINS] [-u USERS] [-t DOMAIN]
 *          ADDRESS:PORT
 *
 * -s N   sessions at a time (50)
 * -m N   messages in all (10,000)
 * -l N   octets of a message (4,096)
 * -d     many messages on a connection; else one
 * -r N   messages a second at most, evenly spread over the sessions; 0: as fast as it goes
 * -n N   recipients in N domains, d0.DOMAIN, d1.DOMAIN, ..., in turn; 0: all in DOMAIN
 * -u N   recipients user0 to userN-1, in turn; 0: all for one
 * -t X   the domain (sink.example)
 *
 * The envelope and DATA go in one group where the server announces PIPELINING. In the end it says on
 * standard output, as JSON, how long it took, what it cost, and percentiles of the time from the last dot
 * to its 250. late_p99_ms counts from when the message should have begun, had the server kept up with the
 * rate: a server that holds up its sessions is not sent what would have waited. p50_begin_ms and p50_end_ms
 * are of the first and the last tenth of the messages.
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
#define INPUT_SIZE 4096
#define SESSIONS_MAX 20000
#define RECIPIENT_SIZE 320
#define COMMANDS_SIZE 512

enum step {
    STEP_CONNECT,
    STEP_GREETING,
    STEP_EHLO,
    STEP_ENVELOPE, /* replies to MAIL, RCPT, DATA are due */
    STEP_CONTENT,  /* content is going out */
    STEP_DOT,      /* the reply to the end of data is due */
    STEP_WAIT,     /* until it is time for the next message */
    STEP_QUIT,
    STEP_OVER,
};

struct session {
    int fd;
    enum step step;
    unsigned replies_due;
    size_t sent; /* of the content */
    double dot_s; /* when the last dot went into the socket */
    double due_s; /* when this message should have begun: it may have had to wait for the one before */
    double next_s; /* with -r: when the next message is due */
    size_t len;
    char input[INPUT_SIZE];
};

static struct {
    size_t session_count;
    uint64_t message_count;
    size_t size;
    bool keeps_connections;
    double rate;
    unsigned domain_count;
    unsigned user_count;
    const char *domain;
    struct sockaddr_in to;
    int epoll;
    char *content; /* with its end of data */
    size_t content_len;
    uint64_t begun;
    uint64_t done;
    uint64_t taken;
    uint64_t connections;
    float *latencies; /* ms, of each message that was taken */
    float *delays;    /* the same since the message was due */
    struct session *sessions;
    size_t live;
} source = {.session_count = 50, .message_count = 10000, .size = 4096, .domain = "sink.example"};

static void make_content(void)
{
    static const char header[] = "Subject: a message\r\nFrom: <a@source.example>\r\n\r\n";
    size_t len = sizeof(header) - 1;

    source.content = malloc(source.size + 80);
    if (source.content == NULL)
        bench_fail("out of memory");
    memcpy(source.content, header, len);
    while (len + 2 < source.size) {
        size_t line = source.size - len - 2 < 70 ? source.size - len - 2 : 70;

        memset(source.content + len, 'x', line);
        memcpy(source.content + len + line, "\r\n", 2);
        len += line + 2;
    }
    memcpy(source.content + len, ".\r\n", 3);
    source.content_len = len + 3;
}

static void watch(struct session *s, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = s};

    if (epoll_ctl(source.epoll, operation, s->fd, &event) == -1)
        bench_fail("epoll_ctl");
}

static void open_connection(struct session *s)
{
    int one = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd == -1)
        bench_fail("socket");
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(s->fd, (struct sockaddr *)&source.to, sizeof(source.to)) == -1 &&
        errno != EINPROGRESS)
        bench_fail("connect");
    source.connections++;
    s->step = STEP_GREETING;
    s->len = 0;
    watch(s, EPOLLIN, EPOLL_CTL_ADD);
}

static void end(struct session *s)
{
    (void)close(s->fd);
    s->fd = -1;
    s->step = STEP_OVER;
    source.live--;
}

static void say(struct session *s, const char *text, size_t len)
{
    if (send(s->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        bench_fail("send: commands are short, and yet");
}

/* A server that has all it waited for may have gone: then the answer never comes. */
static void quit(struct session *s)
{
    (void)send(s->fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
    s->step = STEP_QUIT;
}

/* ---- a message ------------------------------------------------------------------------------- */

static void print_recipient(char *to, size_t size, uint64_t number)
{
    char user[32] = "b";
    char below[32] = "";

    if (source.user_count > 0)
        (void)snprintf(user, sizeof(user), "user%u", (unsigned)(number % source.user_count));
    if (source.domain_count > 0)
        (void)snprintf(below, sizeof(below), "d%u.", (unsigned)(number % source.domain_count));
    (void)snprintf(to, size, "%s@%s%s", user, below, source.domain);
}

static void send_envelope(struct session *s)
{
    char recipient[RECIPIENT_SIZE];
    char commands[COMMANDS_SIZE];

    print_recipient(recipient, sizeof(recipient), source.begun++);
    int len = snprintf(commands, sizeof(commands),
                       "MAIL FROM:<a@source.example>\r\nRCPT TO:<%s>\r\nDATA\r\n", recipient);
    say(s, commands, (size_t)len);
    s->step = STEP_ENVELOPE;
    s->replies_due = 3;
}

static void send_content(struct session *s)
{
    while (s->sent < source.content_len) {
        s->dot_s = bench_now();
        ssize_t n = send(s->fd, source.content + s->sent, source.content_len - s->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n == -1 && errno == EAGAIN) {
            watch(s, EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        if (n == -1)
            bench_fail("send");
        s->sent += (size_t)n;
    }
    if (s->step == STEP_CONTENT)
        watch(s, EPOLLIN, EPOLL_CTL_MOD);
    s->step = STEP_DOT;
}

/* The next message, or the end of this session; a message that is not due yet waits. */
static void next_message(struct session *s)
{
    if (source.begun >= source.message_count) {
        quit(s);
        return;
    }
    if (source.rate > 0 && bench_now() < s->next_s) {
        s->step = STEP_WAIT;
        return;
    }
    s->due_s = source.rate > 0 ? s->next_s : bench_now();
    s->next_s += (double)source.session_count / source.rate;
    send_envelope(s);
}

static void message_done(struct session *s, bool is_taken)
{
    if (is_taken) {
        source.latencies[source.taken] = (float)((bench_now() - s->dot_s) * 1000);
        source.delays[source.taken++] = (float)((bench_now() - s->due_s) * 1000);
    }
    source.done++;
    if (source.keeps_connections || source.begun >= source.message_count) {
        next_message(s);
    } else {
        quit(s);
    }
}

/* ---- replies --------------------------------------------------------------------------------- */

/* A last line of a reply. */
static void take_reply(struct session *s, char class)
{
    if (class != '2' && class != '3' && s->step != STEP_DOT)
        bench_fail("refused");
    switch (s->step) {
    case STEP_GREETING:
        s->step = STEP_EHLO;
        (void)send(s->fd, "EHLO source.example\r\n", 21, MSG_NOSIGNAL); /* else its end is seen */
        break;
    case STEP_EHLO:
        next_message(s);
        break;
    case STEP_ENVELOPE:
        if (--s->replies_due > 0)
            break;
        s->sent = 0;
        s->step = STEP_CONTENT;
        send_content(s);
        break;
    case STEP_DOT:
        message_done(s, class == '2');
        break;
    case STEP_QUIT:
        end(s);
        if (source.begun < source.message_count) {
            source.live++;
            open_connection(s);
        }
        break;
    default:
        bench_fail("a reply that nobody asked for");
    }
}

/* A server that waited for so many messages goes when they are there: who is too many may lose it. */
static bool has_done_its_part(const struct session *s)
{
    return s->step == STEP_QUIT || (source.begun >= source.message_count &&
                                    (s->step < STEP_ENVELOPE || s->step == STEP_WAIT));
}

static void take_input(struct session *s)
{
    ssize_t n = recv(s->fd, s->input + s->len, INPUT_SIZE - s->len, MSG_DONTWAIT);
    size_t used = 0;
    char *newline;

    if (n == -1 && errno == EAGAIN)
        return;
    if (n <= 0 && has_done_its_part(s)) {
        end(s);
        return;
    }
    if (n <= 0)
        bench_fail("the server has hung up");
    s->len += (size_t)n;
    while (s->step != STEP_OVER && s->len > used &&
           (newline = memchr(s->input + used, '\n', s->len - used)) != NULL) {
        const char *line = s->input + used;
        size_t len = (size_t)(newline - line);

        used += len + 1;
        if (len >= 4 && line[3] != '-')
            take_reply(s, line[0]);
        if (s->step == STEP_GREETING && s->len < used)
            return; /* a new connection, with nothing in it */
    }
    if (s->len >= used) {
        memmove(s->input, s->input + used, s->len - used);
        s->len -= used;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void start(void)
{
    double begin = bench_now();

    source.sessions = calloc(source.session_count, sizeof(*source.sessions));
    source.latencies = calloc(source.message_count, sizeof(*source.latencies));
    source.delays = calloc(source.message_count, sizeof(*source.delays));
    if (source.sessions == NULL || source.latencies == NULL || source.delays == NULL)
        bench_fail("out of memory");
    for (size_t i = 0; i < source.session_count; i++) {
        if (source.rate > 0)
            source.sessions[i].next_s = begin + (double)i / source.rate;
        source.live++;
        open_connection(&source.sessions[i]);
    }
}

/* With -r: sessions whose time has come. Returns how long to wait for events, in ms. */
static int start_due(void)
{
    double now = bench_now();

    if (source.rate <= 0)
        return -1;
    for (size_t i = 0; i < source.session_count; i++) {
        if (source.sessions[i].step == STEP_WAIT && source.sessions[i].next_s <= now)
            next_message(&source.sessions[i]);
    }
    return 1;
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];

    while (source.live > 0) {
        int count = epoll_wait(source.epoll, events, EVENTS_MAX, start_due());

        for (int i = 0; i < count; i++) {
            struct session *s = events[i].data.ptr;

            if (s->step == STEP_CONTENT)
                send_content(s);
            else
                take_input(s);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    float one = *(const float *)a;
    float other = *(const float *)b;

    return (one > other) - (one < other);
}

/* Of values in order. */
static double percentile(const float *values, double part)
{
    if (source.taken == 0)
        return 0;
    return (double)values[(size_t)((double)(source.taken - 1) * part)];
}

/* The median of a tenth of the messages, in the order in which they went. */
static double median_of_tenth(size_t tenth)
{
    size_t count = source.taken / 10;
    float *values = source.latencies + tenth * count;

    qsort(values, count, sizeof(*values), by_value);
    return count > 0 ? (double)values[count / 2] : 0;
}

static void report(double begin_s, double seconds)
{
    double begin_ms = median_of_tenth(0);
    double end_ms = median_of_tenth(9);

    qsort(source.latencies, source.taken, sizeof(*source.latencies), by_value);
    qsort(source.delays, source.taken, sizeof(*source.delays), by_value);
    printf("{\"messages\": %llu, \"refused\": %llu, \"connections\": %llu, \"begin_s\": %.6f, "
           "\"seconds\": %.4f, \"cpu_s\": %.4f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f, \"late_p99_ms\": %.3f, "
           "\"p50_begin_ms\": %.3f, \"p50_end_ms\": %.3f}\n",
           (unsigned long long)source.done, (unsigned long long)(source.done - source.taken),
           (unsigned long long)source.connections, begin_s, seconds, bench_cpu(),
           percentile(source.latencies, 0.5), percentile(source.latencies, 0.9),
           percentile(source.latencies, 0.99), percentile(source.latencies, 0.999),
           percentile(source.latencies, 1.0), percentile(source.delays, 0.99),
           begin_ms, end_ms);
}

static _Noreturn void usage(void)
{
    errno = 0;
    bench_fail("usage: source [-s SESSIONS] [-m MESSAGES] [-l SIZE] [-d] [-r RATE] [-n DOMAINS] "
               "[-u USERS] [-t DOMAIN] ADDRESS:PORT");
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "s:m:l:dr:n:u:t:")) != -1) {
        if (option == 's')
            source.session_count = strtoul(optarg, NULL, 10);
        else if (option == 'm')
            source.message_count = strtoull(optarg, NULL, 10);
        else if (option == 'l')
            source.size = strtoul(optarg, NULL, 10);
        else if (option == 'd')
            source.keeps_connections = true;
        else if (option == 'r')
            source.rate = strtod(optarg, NULL);
        else if (option == 'n')
            source.domain_count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'u')
            source.user_count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 't')
            source.domain = optarg;
        else
            usage();
    }
    if (optind + 1 != argc || source.session_count == 0 || source.session_count > SESSIONS_MAX ||
        source.size < 100)
        usage();
    if (source.session_count > source.message_count)
        source.session_count = source.message_count;
    source.to = bench_address(argv[optind]);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    make_content();
    source.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (source.epoll == -1)
        bench_fail("epoll");
    double begin = bench_now();
    start();
    run();
    report(begin, bench_now() - begin);
    return 0;
}
