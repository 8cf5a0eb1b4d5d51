/* SPDX-License-Identifier: ISC */
/*
 * bench/store: messages a second that queue stores make durable, in batches of 1, 8 and 64, and how long
 * a batch takes; and what it takes to open a store and go through what is in it.
 *
 *   cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSLUICE_BENCH=ON
 *   cmake --build build/bench --target bench-store plugin-queue-log plugin-queue-bdb
 *   build/bench/bench/bench-store [-l SIZE] FOLDER build/bench/plugins/queue/{log,bdb}.so
 *
 *   cmake --build build/bench --target bench-store bench-fill plugin-queue-log
 *   build/bench/bench/bench-fill build/bench/plugins/queue/log.so FOLDER
 *   build/bench/bench/bench-store -s FOLDER build/bench/plugins/queue/log.so
 *
 * -c instead of -s: with nothing of it in the page cache.
 *
 * FOLDER must be on the disk in question, not in memory. Each message is a record of 400 bytes and
 * a content of SIZE (4,096). A batch of 64 is what 64 clients at once amount to. Each line of the answer
 * is an object of JSON.
 */
#include "bench.h"
#include "subject.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE 400
#define BATCH_MAX 64
#define RUN_SECONDS 2.0
#define PATH_SIZE 512
#define MAINTAIN_MS 5
#define LOOK_SECONDS 0.05 /* when there was nothing to do */
#define FOLDERS_MAX 8     /* open at once */

static struct sluice_span content = {.len = 4096};
static bool is_cold;

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, explained.text);
    exit(EXIT_FAILURE);
}

/* ---- commits -------------------------------------------------------------------------------- */

static atomic_bool is_maintained;

/* As the host does it while commits go on: a tenth of the time. */
static void *maintain(void *queue)
{
    while (atomic_load(&is_maintained)) {
        double start = bench_now();
        sluice_status st = subject_maintain(queue, MAINTAIN_MS);
        double pause = st == SLUICE_OK ? 9 * (bench_now() - start) : LOOK_SECONDS;

        (void)usleep((useconds_t)(pause * 1e6));
    }
    return NULL;
}

static struct {
    double *items; /* seconds that each batch took */
    size_t count;
    size_t capacity;
} times;

static void add_time(double seconds)
{
    if (times.count == times.capacity) {
        times.capacity = times.capacity * 2 + 1024;
        times.items = realloc(times.items, times.capacity * sizeof(*times.items));
        if (times.items == NULL)
            bench_fail("times");
    }
    times.items[times.count++] = seconds;
}

static int compare_times(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double percentile_us(double part)
{
    return times.items[(size_t)((double)(times.count - 1) * part)] * 1e6;
}

/* Puts batches until the time is over, and removes each one that is ten batches old. */
static void run(const char *plugin, struct sluice_queue *queue, size_t batch, uint64_t *next_id)
{
    static char record[RECORD_SIZE];
    struct change changes[2 * BATCH_MAX];
    uint64_t first = *next_id;
    double start = bench_now();
    double cpu = bench_cpu();

    times.count = 0;

    while (bench_now() - start < RUN_SECONDS) {
        size_t count = 0;

        for (size_t i = 0; i < batch; i++) {
            changes[count++] =
                change_put(*next_id, 0, (struct sluice_span){record, RECORD_SIZE}, content);
            if (*next_id - first >= 10 * batch)
                changes[count++] = change_remove(*next_id - 10 * batch);
            (*next_id)++;
        }
        double before = bench_now();
        if (subject_apply(queue, changes, count) != SLUICE_OK)
            give_up("apply");
        add_time(bench_now() - before);
    }
    double count = (double)(*next_id - first);
    double cpu_us = (bench_cpu() - cpu) / count * 1e6;
    qsort(times.items, times.count, sizeof(*times.items), compare_times);
    (void)printf("{\"store\": \"%s\", \"batch\": %zu, \"per_s\": %.0f, \"cpu_us\": %.2f, "
                 "\"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"max_us\": %.0f}\n",
                 plugin, batch, count / (bench_now() - start), cpu_us, percentile_us(0.5),
                 percentile_us(0.99), percentile_us(0.999), percentile_us(1));
}

static void bench(const char *plugin, const char *base, int number)
{
    static const size_t batches[] = {1, 8, BATCH_MAX};
    char folder[PATH_SIZE];
    struct sluice_queue *queue;
    pthread_t maintainer;
    uint64_t next_id = 1;

    (void)snprintf(folder, sizeof(folder), "%s/store-%d", base, number);
    if (mkdir(folder, 0700) == -1)
        give_up(folder);
    subject_load(plugin);
    if (subject_open(folder, &queue) != SLUICE_OK)
        give_up(plugin);
    atomic_store(&is_maintained, subject_maintains_aside());
    if (pthread_create(&maintainer, NULL, maintain, queue) != 0)
        give_up("thread");
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
        run(plugin, queue, batches[i], &next_id);
    atomic_store(&is_maintained, false);
    (void)pthread_join(maintainer, NULL);
    subject_close(queue);
}

/* ---- the start ------------------------------------------------------------------------------ */

/* Takes the file out of the page cache. */
static int drop(const char *path, const struct stat *info, int type, struct FTW *position)
{
    int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    (void)info;
    (void)position;
    if (fd != -1) {
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return 0;
}

static void count_message(void *user, const struct found *found)
{
    (void)found;
    (*(uint64_t *)user)++;
}

static long peak_kib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage); /* always there */
    return usage.ru_maxrss;
}

/* Opens the store in folder and scans it, as the queue does at its start. */
static void start_store(const char *plugin, const char *folder)
{
    struct sluice_queue *queue;
    uint64_t count = 0;

    if (is_cold && nftw(folder, drop, FOLDERS_MAX, FTW_PHYS) == -1)
        bench_fail(folder);
    subject_load(plugin);
    double start = bench_now();
    double cpu = bench_cpu();
    if (subject_open(folder, &queue) != SLUICE_OK)
        give_up(plugin);
    double open_s = bench_now() - start;
    double open_cpu_s = bench_cpu() - cpu;
    if (subject_scan(queue, count_message, &count) != SLUICE_OK)
        give_up("scan");
    (void)printf("{\"store\": \"%s\", \"messages\": %llu, \"open_s\": %.3f, \"open_cpu_s\": %.3f, "
                 "\"start_s\": %.3f, \"start_cpu_s\": %.3f, \"peak_kib\": %ld}\n",
                 plugin, (unsigned long long)count, open_s, open_cpu_s, bench_now() - start,
                 bench_cpu() - cpu, peak_kib());
    subject_close(queue);
}

int main(int argc, char **argv)
{
    bool is_start = false;
    int option;

    while ((option = getopt(argc, argv, "cl:s")) != -1) {
        if (option == 'l')
            content.len = strtoull(optarg, NULL, 10);
        is_start |= option == 's' || option == 'c';
        is_cold |= option == 'c';
        if (option == '?')
            optind = argc;
    }
    if (argc - optind < 2) {
        (void)fprintf(stderr, "usage: %s [-l SIZE | -s | -c] FOLDER PLUGIN.so...\n", argv[0]);
        return EXIT_FAILURE;
    }
    content.ptr = calloc(1, content.len + 1);
    if (content.ptr == NULL)
        give_up("memory");
    for (int i = optind + 1; i < argc && is_start; i++)
        start_store(argv[i], argv[optind]);
    for (int i = optind + 1; i < argc && !is_start; i++)
        bench(argv[i], argv[optind], i);
    return EXIT_SUCCESS;
}
