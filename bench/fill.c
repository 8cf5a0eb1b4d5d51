/* SPDX-License-Identifier: ISC */
/*
 * bench/fill: a queue with a million messages in it, in seconds: puts them straight into a store, with
 * records as queue writes them.
 *
 *   fill [-m MESSAGES] [-n DOMAINS] [-p PORT] [-t TRANSPORT] PLUGIN.so FOLDER
 *
 * FOLDER is to be the queue folder's `store`. Message i has one recipient in the domain
 * d(i % DOMAINS).held.example, which goes to TRANSPORT:[127.1.X.Y]:PORT, a site of its own for each domain:
 * X = domain / 250, Y = domain % 250 + 1. They came evenly over the last day; each has 4 KiB.
 */
#include "bench.h"
#include "subject.h"

#include "base/codec.h"
#include "base/span.h"
#include "ipc/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTENT_SIZE 4096
#define BATCH 1024
#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)
#define TEXT_SIZE 96
#define MAINTAIN_MS 20

static struct {
    uint64_t messages;
    uint64_t domains;
    const char *transport;
    const char *port;
    int64_t now_ms;
    char content[CONTENT_SIZE];
} fill = {.messages = 1000000, .domains = 10000, .transport = "etrn-only", .port = "25"};

static void make_content(void)
{
    static const char header[] = "Subject: a message\r\nFrom: <a@source.example>\r\n\r\n";
    size_t len = sizeof(header) - 1;

    memcpy(fill.content, header, len);
    for (; len < CONTENT_SIZE; len++)
        fill.content[len] = (CONTENT_SIZE - len) % 64 == 2   ? '\r'
                            : (CONTENT_SIZE - len) % 64 == 1 ? '\n'
                                                             : 'x';
}

/* What receive writes for a message of one recipient. */
static void put_record(uint64_t number, struct buffer *record)
{
    uint64_t domain = number % fill.domains;
    char address[TEXT_SIZE];
    char nexthop[TEXT_SIZE];
    struct envelope_recipient recipient = {.transport = sluice_span_of(fill.transport)};
    struct envelope envelope = {
        .sender = sluice_span_of("a@source.example"),
        .client_address = sluice_span_of("127.0.0.1"),
        .client_name = sluice_span_of("localhost"),
        .helo = sluice_span_of("source.example"),
        .protocol = sluice_span_of("ESMTP"),
        .arrival_ms = fill.now_ms - DAY_MS + (int64_t)(number * (uint64_t)DAY_MS / fill.messages),
        .content_size = CONTENT_SIZE,
        .recipients = &recipient,
        .recipient_count = 1,
    };

    (void)snprintf(address, sizeof(address), "b%llu@d%llu.held.example",
                   (unsigned long long)(number / fill.domains), (unsigned long long)domain);
    (void)snprintf(nexthop, sizeof(nexthop), "[127.1.%llu.%llu]:%s",
                   (unsigned long long)(domain / 250), (unsigned long long)(domain % 250 + 1),
                   fill.port);
    recipient.address = sluice_span_of(address);
    recipient.nexthop = sluice_span_of(nexthop);
    buffer_clear(record);
    envelope_encode(&envelope, record);
}

static void apply(struct sluice_queue *queue, const struct change *changes, size_t count)
{
    if (subject_apply(queue, changes, count) == SLUICE_OK)
        return;
    (void)fprintf(stderr, "apply: %s\n", explained.text);
    exit(EXIT_FAILURE);
}

/* The mark below which ids are used (queue/lease.h): the store's record 0. */
static void put_mark(struct sluice_queue *queue, uint64_t mark)
{
    struct buffer record = BUFFER_INIT;

    codec_put_number(&record, 1, mark);
    struct change change = change_put(0, 0, buffer_span(&record), SPAN_EMPTY);
    apply(queue, &change, 1);
    buffer_done(&record);
}

static void put_messages(struct sluice_queue *queue, uint64_t first_id)
{
    static struct buffer records[BATCH];
    static struct change changes[BATCH];
    size_t count = 0;

    for (uint64_t i = 0; i < fill.messages; i++) {
        put_record(i, &records[count]);
        changes[count] =
            change_put(first_id + i, 0, buffer_span(&records[count]),
                       (struct sluice_span){.ptr = fill.content, .len = CONTENT_SIZE});
        if (++count < BATCH && i + 1 < fill.messages)
            continue;
        apply(queue, changes, count);
        while (subject_maintain(queue, MAINTAIN_MS) == SLUICE_OK)
            continue;
        count = 0;
    }
    for (size_t i = 0; i < BATCH; i++)
        buffer_done(&records[i]);
}

static void take_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "m:n:p:t:")) != -1) {
        if (option == 'm')
            fill.messages = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            fill.domains = strtoull(optarg, NULL, 10);
        else if (option == 'p')
            fill.port = optarg;
        else if (option == 't')
            fill.transport = optarg;
        else
            optind = argc;
    }
    if (optind + 2 != argc || fill.domains == 0)
        bench_fail("usage: fill [-m MESSAGES] [-n DOMAINS] [-p PORT] [-t TRANSPORT] PLUGIN.so FOLDER");
}

int main(int argc, char **argv)
{
    struct sluice_queue *queue;
    double start = bench_now();

    take_options(argc, argv);
    fill.now_ms = (int64_t)time(NULL) * 1000;
    make_content();
    (void)mkdir(argv[optind + 1], 0700); /* or it is there, or open fails */
    subject_load(argv[optind]);
    if (subject_open(argv[optind + 1], &queue) != SLUICE_OK) {
        (void)fprintf(stderr, "%s: %s\n", argv[optind + 1], explained.text);
        return EXIT_FAILURE;
    }
    uint64_t first_id = (uint64_t)fill.now_ms / 1000 << 20;
    put_mark(queue, first_id + fill.messages);
    put_messages(queue, first_id);
    subject_close(queue);
    printf("{\"messages\": %llu, \"seconds\": %.3f, \"cpu_s\": %.3f}\n",
           (unsigned long long)fill.messages, bench_now() - start, bench_cpu());
    return EXIT_SUCCESS;
}
