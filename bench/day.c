/* SPDX-License-Identifier: ISC */
/*
 * bench/day: what days of mail for sites that are seldom there do to a queue store.
 *
 *   cmake --build build/bench --target bench-day plugin-queue-log
 *   build/bench/bench/bench-day FOLDER build/bench/plugins/queue/log.so [MESSAGES [DOMAINS [TURNS]]]
 *
 * Mail comes for DOMAINS domains, for some much more than for others; when MESSAGES wait a domain is
 * chosen at random and takes all of its own. That goes on until TURNS times as many have gone through as
 * wait. Done three times, each in a folder of its own below FOLDER: without maintenance; at full speed,
 * with maintenance on a thread and at the pace that the host gives it; and with all the time that
 * maintenance wants after each batch, as on a day. Each message is a record of 400 bytes and a content of
 * 4 KiB; each answer an object of JSON. "disk" is what the store uses, "most" the worst of its
 * ratio to what waits, once the queue is full; "written" is for each byte of a new message.
 */
#include "bench.h"
#include "subject.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define CONTENT_SIZE 4096
#define RECORD_SIZE 400
#define MESSAGE_SIZE (CONTENT_SIZE + RECORD_SIZE)
#define BATCH_MAX 64
#define REMOVES_MAX 512
#define LOOK_EACH 200 /* batches */
#define BUSY_BUDGET_MS 5
#define BUSY_PART 10 /* as core/queue/store_maintain.c has it */
#define IDLE_MS 50
#define PATH_SIZE 512

enum pace { PACE_NEVER, PACE_BUSY, PACE_CALM };

/* The ids that wait for a domain. */
struct domain {
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

struct day {
    struct sluice_queue *queue;
    enum pace pace;
    size_t domain_count;
    struct domain *domains;
    size_t waiting;
    size_t waiting_max;
    uint64_t next_id;
    uint64_t last_id;
    uint64_t seed;
    double most; /* of disk to live */
    atomic_bool is_over;
};

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, explained.text);
    exit(EXIT_FAILURE);
}

/* ---- what it takes --------------------------------------------------------------------------- */

/* Of segments, but for what is free for new messages. */
static double disk_bytes(const struct day *day)
{
    struct sluice_queue_space space;

    if (subject_space(day->queue, &space) != SLUICE_OK)
        give_up("space");
    return (double)space.used_bytes;
}

static double live_bytes(const struct day *day)
{
    return (double)day->waiting * MESSAGE_SIZE;
}

/* Bytes that this process has handed to the kernel so far. */
static double written_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    char line[64];
    unsigned long long bytes = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "wchar: %llu", &bytes) == 1)
            break;
    }
    if (file != NULL)
        (void)fclose(file);
    return (double)bytes;
}

/* ---- mail ------------------------------------------------------------------------------------ */

static uint64_t choose(struct day *day, uint64_t limit)
{
    day->seed = day->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (day->seed >> 33) % limit;
}

static void note(struct domain *domain, uint64_t id)
{
    if (domain->count == domain->capacity) {
        domain->capacity = domain->capacity * 2 + 64;
        domain->ids = realloc(domain->ids, domain->capacity * sizeof(*domain->ids));
        if (domain->ids == NULL)
            give_up("memory");
    }
    domain->ids[domain->count++] = id;
}

static void put_batch(struct day *day)
{
    static char content[CONTENT_SIZE];
    static char record[RECORD_SIZE];
    struct change changes[BATCH_MAX];

    for (size_t i = 0; i < BATCH_MAX; i++) {
        /* The square of an even chance: the first domains get most. */
        uint64_t chance = choose(day, day->domain_count);

        changes[i] = change_put(day->next_id, 0, (struct sluice_span){record, RECORD_SIZE},
                                (struct sluice_span){content, CONTENT_SIZE});
        note(&day->domains[chance * chance / day->domain_count], day->next_id++);
    }
    if (subject_apply(day->queue, changes, BATCH_MAX) != SLUICE_OK)
        give_up("put");
    day->waiting += BATCH_MAX;
}

static void release(struct day *day, struct domain *domain)
{
    struct change changes[REMOVES_MAX];

    while (domain->count > 0) {
        size_t count = 0;

        while (count < REMOVES_MAX && domain->count > 0)
            changes[count++] = change_remove(domain->ids[--domain->count]);
        if (subject_apply(day->queue, changes, count) != SLUICE_OK)
            give_up("remove");
        day->waiting -= count;
    }
}

/* ---- maintenance ----------------------------------------------------------------------------- */

static void pause_for(double seconds)
{
    const struct timespec pause = {(time_t)seconds,
                                   (long)((seconds - (double)(time_t)seconds) * 1e9)};

    (void)nanosleep(&pause, NULL);
}

static void *run_maintenance(void *arg)
{
    struct day *day = arg;

    while (!atomic_load(&day->is_over)) {
        double start = bench_now();
        sluice_status st = subject_maintain(day->queue, BUSY_BUDGET_MS);

        pause_for(st == SLUICE_OK ? (bench_now() - start) * (BUSY_PART - 1) : IDLE_MS / 1e3);
    }
    return NULL;
}

static void look(struct day *day)
{
    double ratio = disk_bytes(day) / live_bytes(day);

    if (ratio > day->most)
        day->most = ratio;
}

static void run(struct day *day)
{
    bool is_full = false;

    for (size_t batch = 0; day->next_id <= day->last_id; batch++) {
        put_batch(day);
        while (day->waiting > day->waiting_max) {
            is_full = true;
            release(day, &day->domains[choose(day, day->domain_count)]);
        }
        while (day->pace == PACE_CALM && subject_maintain(day->queue, BUSY_BUDGET_MS) == SLUICE_OK)
            ;
        if (is_full && batch % LOOK_EACH == 0)
            look(day);
    }
}

static void bench(const char *base, enum pace pace, size_t waiting_max, size_t domain_count,
                  size_t turns)
{
    static const char *const names[] = {"never", "busy", "calm"};
    char folder[PATH_SIZE];
    struct day day = {.pace = pace,
                      .domain_count = domain_count,
                      .domains = calloc(domain_count, sizeof(*day.domains)),
                      .waiting_max = waiting_max,
                      .next_id = 1,
                      .last_id = waiting_max * (turns + 1),
                      .seed = 1};
    pthread_t thread;

    (void)snprintf(folder, sizeof(folder), "%s/day-%s", base, names[pace]);
    if (day.domains == NULL || mkdir(folder, 0700) == -1 ||
        subject_open(folder, &day.queue) != SLUICE_OK)
        give_up(folder);
    double start = bench_now();
    double cpu = bench_cpu();
    double written = written_bytes();
    if (pace == PACE_BUSY && pthread_create(&thread, NULL, run_maintenance, &day) != 0)
        give_up("thread");
    run(&day);
    double seconds = bench_now() - start;
    atomic_store(&day.is_over, true);
    if (pace == PACE_BUSY)
        (void)pthread_join(thread, NULL); /* it was made above */
    double count = (double)(day.next_id - 1);
    (void)printf("{\"maintenance\": \"%s\", \"per_s\": %.0f, \"cpu_us\": %.2f, \"live_mb\": %.0f, "
                 "\"disk_mb\": %.0f, \"most\": %.2f, \"written\": %.2f}\n",
                 names[pace], count / seconds, (bench_cpu() - cpu) / count * 1e6,
                 live_bytes(&day) / 1e6, disk_bytes(&day) / 1e6, day.most,
                 (written_bytes() - written) / (count * MESSAGE_SIZE));
    subject_close(day.queue);
    for (size_t i = 0; i < domain_count; i++)
        free(day.domains[i].ids);
    free(day.domains);
}

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
    return i < argc ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 6) {
        (void)fprintf(stderr, "usage: %s FOLDER PLUGIN.so [MESSAGES [DOMAINS [TURNS]]]\n", argv[0]);
        return EXIT_FAILURE;
    }
    subject_load(argv[2]);
    for (int pace = PACE_NEVER; pace <= PACE_CALM; pace++)
        bench(argv[1], (enum pace)pace, number(argc, argv, 3, 100000), number(argc, argv, 4, 1000),
              number(argc, argv, 5, 5));
    return EXIT_SUCCESS;
}
