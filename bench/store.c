/* SPDX-License-Identifier: ISC */
/*
 * bench/store: messages a second that queue stores make durable, in batches of 1, 8 and 64.
 *
 *   cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSLUICE_BENCH=ON
 *   cmake --build build/bench --target bench-store plugin-queue-log plugin-queue-bdb
 *   build/bench/bench/bench-store [-l SIZE] FOLDER build/bench/plugins/queue/{log,bdb}.so
 *
 * FOLDER must be on the disk in question, not in memory. Each message is a record of 400 bytes and
 * a content of SIZE (4,096). A batch of 64 is what 64 clients at once amount to. Each line of the answer
 * is an object of JSON.
 */
#include "bench.h"
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE 400
#define BATCH_MAX 64
#define RUN_SECONDS 2.0
#define PATH_SIZE 512

static struct sluice_span content = {.len = 4096};

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, explained.text);
    exit(EXIT_FAILURE);
}

/* Puts batches until the time is over, and removes each one that is ten batches old. */
static void run(const char *plugin, struct sluice_queue *queue, size_t batch, uint64_t *next_id)
{
    static char record[RECORD_SIZE];
    struct change changes[2 * BATCH_MAX];
    uint64_t first = *next_id;
    double start = bench_now();
    double cpu = bench_cpu();

    while (bench_now() - start < RUN_SECONDS) {
        size_t count = 0;

        for (size_t i = 0; i < batch; i++) {
            changes[count++] =
                change_put(*next_id, 0, (struct sluice_span){record, RECORD_SIZE}, content);
            if (*next_id - first >= 10 * batch)
                changes[count++] = change_remove(*next_id - 10 * batch);
            (*next_id)++;
        }
        if (subject_apply(queue, changes, count) != SLUICE_OK)
            give_up("apply");
    }
    double count = (double)(*next_id - first);
    (void)printf("{\"store\": \"%s\", \"batch\": %zu, \"per_s\": %.0f, \"cpu_us\": %.2f}\n", plugin,
                 batch, count / (bench_now() - start), (bench_cpu() - cpu) / count * 1e6);
}

static void bench(const char *plugin, const char *base, int number)
{
    static const size_t batches[] = {1, 8, BATCH_MAX};
    char folder[PATH_SIZE];
    struct sluice_queue *queue;
    uint64_t next_id = 1;

    (void)snprintf(folder, sizeof(folder), "%s/store-%d", base, number);
    if (mkdir(folder, 0700) == -1)
        give_up(folder);
    subject_load(plugin);
    if (subject_open(folder, &queue) != SLUICE_OK)
        give_up(plugin);
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
        run(plugin, queue, batches[i], &next_id);
    subject_close(queue);
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "l:")) == 'l')
        content.len = strtoull(optarg, NULL, 10);
    if (option != -1 || argc - optind < 2) {
        (void)fprintf(stderr, "usage: %s [-l SIZE] FOLDER PLUGIN.so...\n", argv[0]);
        return EXIT_FAILURE;
    }
    content.ptr = calloc(1, content.len + 1);
    if (content.ptr == NULL)
        give_up("memory");
    for (int i = optind + 1; i < argc; i++)
        bench(argv[i], argv[optind], i);
    return EXIT_SUCCESS;
}
