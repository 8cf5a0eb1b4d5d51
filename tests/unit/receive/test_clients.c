/* SPDX-License-Identifier: ISC */
/*
 * Counting clients in shared memory: by one process, by several, and after some were killed.
 */
#include "receive/clients.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY_SIZE ((size_t)256 * 1024)
#define UNIT_MS 60000
#define SOME_TIME_MS 6000000 /* a unit begins */

static const struct clients_rules rules = {
    .unit_ms = UNIT_MS, .has_rates = true, .ipv4_prefix = 32, .ipv6_prefix = 84};

static void *make_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static struct clients *open_clients(void *memory, size_t size)
{
    struct clients *clients;
    struct error err = ERROR_INIT;

    if (clients_open(memory, size, &rules, &clients, &err) != SLUICE_OK)
        fail_msg("%s", err.text);
    return clients;
}

static struct address address(const char *text)
{
    struct address parsed;

    assert_int_equal(address_parse(sluice_span_of(text), 25, &parsed), SLUICE_OK);
    return parsed;
}

/* Another connection; how many the client has. */
static unsigned join(struct clients *clients, const char *from, uint32_t *ret_entry)
{
    struct address client = address(from);
    uint32_t entry;

    return clients_connect(clients, &client, ret_entry != NULL ? ret_entry : &entry);
}

/* ---- one process ----------------------------------------------------------------------------- */

static void test_connections(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients = open_clients(memory, MEMORY_SIZE);
    uint32_t first;
    uint32_t second;

    (void)state;
    assert_int_equal(join(clients, "192.0.2.1", &first), 1);
    assert_int_equal(join(clients, "192.0.2.1", &second), 2);
    assert_int_equal(join(clients, "192.0.2.2", NULL), 1);
    assert_int_equal(join(clients, "::ffff:192.0.2.1", NULL), 3);
    clients_disconnect(clients, first);
    clients_disconnect(clients, second);
    clients_disconnect(clients, 0); /* one that was not counted */
    assert_int_equal(join(clients, "192.0.2.1", NULL), 2);
    clients_close(clients);
    clients = open_clients(memory, MEMORY_SIZE);
    assert_int_equal(join(clients, "192.0.2.1", NULL), 1);
    clients_close(clients);
    (void)munmap(memory, MEMORY_SIZE);
}

static void test_networks(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients = open_clients(memory, MEMORY_SIZE);

    (void)state;
    assert_int_equal(join(clients, "2001:db8::1", NULL), 1);
    assert_int_equal(join(clients, "2001:db8::0fff:2:3", NULL), 2); /* the same /84 */
    assert_int_equal(join(clients, "2001:db8::1000:0:1", NULL), 1);
    assert_int_equal(join(clients, "192.0.2.0", NULL), 1);
    assert_int_equal(join(clients, "192.0.2.1", NULL), 1);
    clients_close(clients);
    (void)munmap(memory, MEMORY_SIZE);
}

static void test_rates(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients = open_clients(memory, MEMORY_SIZE);
    uint32_t entry;

    (void)state;
    clock_set(SOME_TIME_MS, SOME_TIME_MS);
    (void)join(clients, "192.0.2.1", NULL);
    (void)join(clients, "192.0.2.1", &entry);
    clients_add(clients, entry, CLIENT_MESSAGE);
    assert_int_equal(clients_rate(clients, entry, CLIENT_CONNECTION), 2);
    assert_int_equal(clients_rate(clients, entry, CLIENT_MESSAGE), 1);
    assert_int_equal(clients_rate(clients, entry, CLIENT_RECIPIENT), 0);
    clock_set(SOME_TIME_MS + UNIT_MS - 1, SOME_TIME_MS);
    clients_add(clients, entry, CLIENT_MESSAGE);
    assert_int_equal(clients_rate(clients, entry, CLIENT_MESSAGE), 2);
    clock_set(SOME_TIME_MS + UNIT_MS, SOME_TIME_MS);
    assert_int_equal(clients_rate(clients, entry, CLIENT_MESSAGE), 0);
    clients_add(clients, entry, CLIENT_MESSAGE);
    assert_int_equal(clients_rate(clients, entry, CLIENT_MESSAGE), 1);
    assert_int_equal(clients_rate(clients, entry, CLIENT_CONNECTION), 0);
    assert_int_equal(clients_rate(clients, 0, CLIENT_MESSAGE), 0);
    clock_real();
    clients_close(clients);
    (void)munmap(memory, MEMORY_SIZE);
}

/* A client that is away is remembered for its unit of time, then its entry is another's. */
static void test_memory_is_bounded(void **state)
{
    const size_t size = 16 * 1024;
    void *memory = make_memory(size);
    struct clients *clients = open_clients(memory, size);
    unsigned counted = 0;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (int round = 0; round < 20; round++) {
        clock_set(SOME_TIME_MS + round * UNIT_MS, SOME_TIME_MS);
        counted = 0;
        for (int i = 0; i < 1000; i++) {
            uint32_t entry;
            (void)snprintf(text, sizeof(text), "10.%d.%d.%d", round, i / 250, i % 250);
            counted += join(clients, text, &entry);
            clients_disconnect(clients, entry);
        }
        assert_in_range(counted, 100, size / 40);
    }
    clock_real();
    clients_close(clients);
    (void)munmap(memory, size);
}

static void test_too_little_memory(void **state)
{
    const size_t size = 1024;
    void *memory = make_memory(size);
    struct clients *clients;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(clients_open(memory, size, &rules, &clients, &err), SLUICE_TEMP);
    (void)munmap(memory, size);
}

/* ---- several processes ----------------------------------------------------------------------- */

#define PROCESSES 8
#define CONNECTIONS 5

/* A process that has connections of one client and then lives until it is killed. */
static pid_t start_process(void *memory, int ready)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    struct clients *clients;
    if (clients_open(memory, MEMORY_SIZE, &rules, &clients, NULL) != SLUICE_OK)
        _exit(1);
    for (int i = 0; i < CONNECTIONS; i++)
        (void)join(clients, "192.0.2.1", NULL);
    if (write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

static void end_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_processes(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients;
    pid_t pids[PROCESSES];
    int ready[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_process(memory, ready[1]);
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(read(ready[0], &byte, 1), 1);
    clients = open_clients(memory, MEMORY_SIZE);
    assert_int_equal(join(clients, "192.0.2.1", NULL), PROCESSES * CONNECTIONS + 1);
    end_process(pids[0]);
    end_process(pids[1]);
    pids[0] = start_process(memory, ready[1]); /* the successor of one clears both's */
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(join(clients, "192.0.2.1", NULL), (PROCESSES - 1) * CONNECTIONS + 2);
    end_process(pids[0]);
    for (int i = 2; i < PROCESSES; i++)
        end_process(pids[i]);
    clients_close(clients);
    (void)close(ready[0]);
    (void)close(ready[1]);
    (void)munmap(memory, MEMORY_SIZE);
}

/* Comes and goes without end. */
static void toil(void *memory)
{
    struct clients *clients;
    uint32_t entries[16] = {0};
    char text[ADDRESS_TEXT_SIZE];

    if (clients_open(memory, MEMORY_SIZE, &rules, &clients, NULL) != SLUICE_OK)
        _exit(1);
    for (unsigned i = 0;; i++) {
        (void)snprintf(text, sizeof(text), "192.0.2.%u", i % 200);
        clients_disconnect(clients, entries[i % 16]);
        (void)join(clients, text, &entries[i % 16]);
    }
}

/* Whatever the instruction is at which processes are killed: nothing of theirs stays. */
static void test_kill_at_any_time(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (int round = 0; round < 30; round++) {
        pid_t pids[2];
        for (int i = 0; i < 2; i++) {
            pids[i] = fork();
            if (pids[i] == 0)
                toil(memory);
        }
        (void)usleep((useconds_t)(1000 + 173 * round));
        for (int i = 0; i < 2; i++)
            end_process(pids[i]);
    }
    clients = open_clients(memory, MEMORY_SIZE);
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof(text), "192.0.2.%u", i);
        assert_int_equal(join(clients, text, NULL), 1);
    }
    clients_close(clients);
    (void)munmap(memory, MEMORY_SIZE);
}

/* All places are held: no counting, which the caller must be able to live with. */
static void test_no_place(void **state)
{
    void *memory = make_memory(MEMORY_SIZE);
    struct clients *clients;
    struct error err = ERROR_INIT;
    uint64_t *words = memory;

    (void)state;
    for (int i = 0; i < 300; i++)
        words[i] = (uint64_t)getppid() << 32 | 1; /* whoever started us lives */
    assert_int_equal(clients_open(memory, MEMORY_SIZE, &rules, &clients, &err), SLUICE_TEMP);
    (void)munmap(memory, MEMORY_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_too_little_memory),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_kill_at_any_time),
        cmocka_unit_test(test_no_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
