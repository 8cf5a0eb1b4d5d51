/* SPDX-License-Identifier: ISC */
/*
 * fixture: a queue process with a store in memory, and the test as its master, its receive, its
 * deliver and its operator.
 *
 * The queue runs in a child, so that what is tested is the role as it is. The test's own loop is run
 * for a moment at a time, so that cmocka's checks are made outside of tasks.
 */
#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

#include "base/clock.h"
#include "base/span.h"
#include "config/role.h"
#include "config/snapshot.h"
#include "ipc/envelope.h"
#include "ipc/messages.h"
#include "plugin/load.h"
#include "plugin/settle.h"
#include "queue/queue.h"
#include "task/task.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <utlist.h>

#define PLUGIN_FD_MIN 500
#define PATIENCE_MS 120000 /* for what must happen, on a busy machine too */
#define MOMENT_MS 300      /* for what must not */

/* ---- peers ----------------------------------------------------------------------------------- */

struct frame {
    uint16_t type;
    uint64_t ref;
    char *body;
    size_t len;
    int fd;
    struct frame *prev;
    struct frame *next;
};

/* The test's end of a channel to the queue. */
struct peer {
    struct channel *channel;
    struct frame *frames;
    bool is_closed;
};

static void peer_frame(struct channel *channel, struct channel_frame *from, void *user)
{
    struct peer *peer = user;
    struct frame *frame = calloc(1, sizeof(*frame));

    (void)channel;
    if (frame == NULL || (frame->body = malloc(from->body.len + 1)) == NULL)
        abort();
    frame->type = from->type;
    frame->ref = from->ref;
    frame->len = from->body.len;
    if (frame->len > 0)
        memcpy(frame->body, from->body.ptr, frame->len);
    frame->fd = from->fd;
    from->fd = -1;
    DL_APPEND(peer->frames, frame);
}

static void peer_closed(struct channel *channel, const char *reason, void *user)
{
    struct peer *peer = user;

    (void)reason;
    channel_free(channel);
    peer->channel = NULL;
    peer->is_closed = true;
}

static void peer_open(struct peer *peer, int fd)
{
    static const struct channel_handlers handlers = {.frame = peer_frame, .closed = peer_closed};

    *peer = (struct peer){0};
    assert_int_equal(channel_new(fd, "test", &handlers, peer, &peer->channel), SLUICE_OK);
}

static void frame_free(struct frame *frame)
{
    if (frame->fd != -1)
        (void)close(frame->fd);
    free(frame->body);
    free(frame);
}

static void peer_close(struct peer *peer)
{
    struct frame *frame;
    struct frame *next;

    channel_free(peer->channel);
    DL_FOREACH_SAFE(peer->frames, frame, next)
    frame_free(frame);
    *peer = (struct peer){.is_closed = true};
}

static void stop_soon(void *arg)
{
    (void)arg;
    (void)task_sleep_until(clock_monotonic_ms() + 2);
    task_loop_stop();
}

static void pump(void)
{
    assert_int_equal(task_start("pump", stop_soon, NULL, NULL), SLUICE_OK);
    task_loop_run();
}

static struct frame *peer_find(struct peer *peer, uint16_t type)
{
    struct frame *frame;

    DL_FOREACH(peer->frames, frame)
    {
        if (frame->type == type)
            return frame;
    }
    return NULL;
}

/* Takes the first frame of that type; NULL: none came in time. */
static struct frame *peer_wait(struct peer *peer, uint16_t type, int64_t time_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + time_ms;
    struct frame *frame;

    while ((frame = peer_find(peer, type)) == NULL && clock_monotonic_ms() < deadline_ms)
        pump();
    if (frame != NULL)
        DL_DELETE(peer->frames, frame);
    return frame;
}

static struct frame *peer_expect(struct peer *peer, uint16_t type)
{
    struct frame *frame = peer_wait(peer, type, PATIENCE_MS);

    if (frame == NULL)
        print_error("no frame of type %u\n", type);
    assert_non_null(frame);
    return frame;
}

static inline void peer_expect_none(struct peer *peer, uint16_t type)
{
    assert_null(peer_wait(peer, type, MOMENT_MS));
}

static inline void peer_expect_closed(struct peer *peer)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (!peer->is_closed && clock_monotonic_ms() < deadline_ms)
        pump();
    assert_true(peer->is_closed);
}

static struct sluice_span frame_body(const struct frame *frame)
{
    return (struct sluice_span){.ptr = frame->body, .len = frame->len};
}

static void peer_send(struct peer *peer, uint16_t type, uint64_t ref, struct buffer *body)
{
    assert_false(buffer_failed(body));
    assert_int_equal(channel_send_body(peer->channel, type, ref, buffer_span(body)), SLUICE_OK);
    buffer_done(body);
}

/* ---- the queue process ----------------------------------------------------------------------- */

struct fixture {
    char folder[64];
    pid_t pid;
    struct peer master;
    struct peer receive;
    struct peer deliver;
    uint64_t next_id; /* of the lease */
    int32_t deliver_pid;
    int snapshot;
    bool is_isolated; /* the deliver link */
};

/* Of the build: "plugins", or "tests/plugins". */
static const char *plugin_folder(const char *name, char out[4096])
{
    const char *build = getenv("SLUICE_BUILD"); /* set by ctest */

    (void)snprintf(out, 4096, "%s/%s", build != NULL ? build : ".", name);
    return out;
}

static int plugin_file(const char *name)
{
    struct error err = ERROR_INIT;
    char folder[4096];
    bool is_test = strcmp(name, "queue/plain") == 0 || strcmp(name, "queue/slow") == 0 ||
                   strcmp(name, "queue/aside") == 0;
    int fd;

    (void)plugin_folder(is_test ? "tests/plugins" : "plugins", folder);
    if (plugin_open_file(folder, name, getuid(), &fd, &err) == SLUICE_OK)
        return fd;
    print_error("%s\n", err.text);
    return -1;
}

/* Loads the plugins far from the numbers that the queue will get for their files: it is our child, and the
 * loader knows files by their descriptors. */
static void settle_far(struct draft *draft)
{
    int taken[PLUGIN_FD_MIN];
    size_t count = 0;
    int fd;

    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1 && fd < PLUGIN_FD_MIN)
        taken[count++] = fd;
    assert_true(fd != -1);
    (void)close(fd);
    settle_instances(draft);
    while (count > 0)
        (void)close(taken[--count]);
}

/* A snapshot of sluice.conf with the settings of the test, for the queue. */
static int make_snapshot(const char *folder, const char *store, const char *settings)
{
    char plugins[4096];
    struct draft draft;
    struct error err = ERROR_INIT;
    char path[96];
    FILE *file;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/sluice.conf", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "myhostname = \"mx.test\";\nplugin_directory = \"%s\";\n"
                  "queue_directory = \"%s\";\nrun_directory = \"%s\";\n"
                  "queue_store = { plugin = \"%s\"; };\ndefer_transports = [ \"etrn-only\" ];\n"
                  "drain_timeout = 5;\n%s",
                  plugin_folder("plugins", plugins), folder, folder, store, settings);
    assert_int_equal(fclose(file), 0);
    plugin_set_finder(plugin_file);
    draft_init(&draft);
    draft_read(&draft, path);
    settle_far(&draft);
    if (draft.report.error_count > 0)
        print_error("%s\n", buffer_text(&draft.report.text));
    assert_int_equal(draft.report.error_count, 0);
    assert_int_equal(snapshot_write(&draft, DRAFT_QUEUE, &fd, &err), SLUICE_OK);
    draft_done(&draft);
    (void)unlink(path);
    return fd;
}

static pid_t start_child(int *ret_fd)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    assert_true(pid != -1);
    if (pid == 0) {
        if (dup2(pair[1], ROLE_MASTER_FD) == -1)
            _exit(1);
        closefrom(ROLE_MASTER_FD + 1);
        plugin_set_finder(role_plugin_fd);
        exit(queue_main()); /* leaks count */
    }
    (void)close(pair[1]);
    *ret_fd = pair[0];
    return pid;
}

/* The control socket, as the master makes it. */
static void hand_down_control(struct fixture *fixture)
{
    struct sluice_span name = SPAN_LITERAL("control");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", fixture->folder);
    (void)unlink(address.sun_path); /* of a process before */
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(channel_send(fixture->master.channel, MESSAGE_LISTENER, 0, &name, 1, fd),
                     SLUICE_OK);
    (void)close(fd);
}

/* inherited: what the process before has left, or -1. */
static void hand_down(struct fixture *fixture, int snapshot, int inherited)
{
    static const char *const plugins[] = {"queue/memory",   "queue/log",  "queue/bdb",
                                          "queue/plain",    "queue/slow", "queue/aside",
                                          "queue/backoff",  "queue/on-demand"};
    struct message_setup setup = {.generation = 1, .log_target = 0};
    struct buffer body = BUFFER_INIT;

    message_setup_encode(&setup, &body);
    struct sluice_span part = buffer_span(&body);
    assert_int_equal(channel_send(fixture->master.channel, MESSAGE_SETUP, 0, &part, 1, snapshot),
                     SLUICE_OK);
    buffer_done(&body);
    for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++) {
        int fd = plugin_file(plugins[i]);

        part = sluice_span_of(plugins[i]);
        assert_int_equal(channel_send(fixture->master.channel, MESSAGE_PLUGIN, 0, &part, 1, fd),
                         SLUICE_OK);
        (void)close(fd);
    }
    hand_down_control(fixture);
    if (inherited != -1)
        assert_int_equal(
            channel_send(fixture->master.channel, MESSAGE_INHERIT, 0, NULL, 0, inherited),
            SLUICE_OK);
    assert_int_equal(channel_send_body(fixture->master.channel, MESSAGE_START, 0, SPAN_EMPTY),
                     SLUICE_OK);
    frame_free(peer_expect(&fixture->master, MESSAGE_READY));
}

/* A link to the queue, for the test as that role. */
static void add_link(struct fixture *fixture, const char *role, struct peer *peer)
{
    bool is_deliver = strcmp(role, "deliver") == 0;
    struct message_link link = {.role = sluice_span_of(role),
                                .generation = 1,
                                .is_isolated = fixture->is_isolated,
                                .pid = is_deliver ? fixture->deliver_pid : 100};
    struct buffer body = BUFFER_INIT;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    message_link_encode(&link, &body);
    struct sluice_span part = buffer_span(&body);
    assert_int_equal(channel_send(fixture->master.channel, MESSAGE_LINK, 0, &part, 1, pair[1]),
                     SLUICE_OK);
    buffer_done(&body);
    (void)close(pair[1]);
    peer_open(peer, pair[0]);
}

static void add_receive(struct fixture *fixture)
{
    struct message_lease lease;
    struct frame *frame;

    add_link(fixture, "receive", &fixture->receive);
    frame = peer_expect(&fixture->receive, MESSAGE_LEASE);
    assert_int_equal(message_lease_decode(frame_body(frame), &lease), SLUICE_OK);
    assert_true(lease.first > 0 && lease.count > 0 && lease.first >= fixture->next_id);
    fixture->next_id = lease.first;
    frame_free(frame);
    frame_free(peer_expect(&fixture->receive, MESSAGE_CREDIT));
}

static void add_deliver_link(struct fixture *fixture, bool is_isolated)
{
    struct message_credit credit = {.bytes = 16 * CONTENT_MEMORY_MAX, .messages = 100};
    struct buffer body = BUFFER_INIT;

    fixture->is_isolated = is_isolated;
    add_link(fixture, "deliver", &fixture->deliver);
    message_credit_encode(&credit, &body);
    peer_send(&fixture->deliver, MESSAGE_CREDIT, 0, &body);
}

static void add_deliver(struct fixture *fixture)
{
    add_deliver_link(fixture, false);
}

/* The deliver process has ended, and the master says how: task is what it was at when it crashed,
 * empty: nobody knows, NULL: it did not crash. */
__attribute__((unused)) static void end_deliver(struct fixture *fixture, const char *task)
{
    struct message_died died = {
        .pid = fixture->deliver_pid,
        .is_crash = task != NULL,
        .task = sluice_span_of(task != NULL ? task : ""),
        .activity = sluice_span_of(task != NULL && task[0] != '\0' ? "transport/test bad" : ""),
        .text = SPAN_LITERAL("signal 11"),
    };
    struct buffer body = BUFFER_INIT;

    peer_close(&fixture->deliver);
    message_died_encode(&died, &body);
    peer_send(&fixture->master, MESSAGE_DIED, 0, &body);
}

static void fixture_start_on(struct fixture *fixture, const char *store, const char *settings)
{
    int fd;

    *fixture = (struct fixture){.folder = "/tmp/sluice-test-XXXXXX", .deliver_pid = 200};
    assert_non_null(mkdtemp(fixture->folder));
    fixture->snapshot = make_snapshot(fixture->folder, store, settings);
    fixture->pid = start_child(&fd);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    peer_open(&fixture->master, fd);
    hand_down(fixture, fixture->snapshot, -1);
    add_receive(fixture);
    add_deliver(fixture);
}

static inline void fixture_start(struct fixture *fixture, const char *settings)
{
    fixture_start_on(fixture, "memory", settings);
}

/* Files that the stores of the tests look for: "fail", "mute", "hold", "go", "keep-maintaining". */
static inline void fixture_set_file(const struct fixture *fixture, const char *name, bool is_there)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    if (is_there)
        assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    else
        assert_int_equal(unlink(path), 0);
}

static inline void fixture_wait_for_file(const struct fixture *fixture, const char *name,
                                         bool is_there)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    while ((access(path, F_OK) == 0) != is_there && clock_monotonic_ms() < deadline_ms)
        pump();
    assert_int_equal(access(path, F_OK) == 0, is_there);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void fixture_remove_folder(const struct fixture *fixture)
{
    assert_int_equal(nftw(fixture->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Drains the queue; it must leave with 0, which no sanitizer lets it if something is wrong. */
static void end_child(struct fixture *fixture)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    int status = -1;
    pid_t ended = 0;

    peer_close(&fixture->receive);
    assert_int_equal(channel_send_body(fixture->master.channel, MESSAGE_DRAIN, 0, SPAN_EMPTY),
                     SLUICE_OK);
    while (ended == 0 && clock_monotonic_ms() < deadline_ms) {
        pump();
        ended = waitpid(fixture->pid, &status, WNOHANG);
    }
    if (ended == 0)
        (void)kill(fixture->pid, SIGKILL);
    peer_close(&fixture->deliver);
    peer_close(&fixture->master);
    assert_int_equal(ended, fixture->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void fixture_stop(struct fixture *fixture)
{
    end_child(fixture);
    (void)close(fixture->snapshot);
    task_loop_done();
    fixture_remove_folder(fixture);
}

/* Another queue, with what the store has kept. */
static inline void fixture_restart(struct fixture *fixture)
{
    int fd;

    end_child(fixture);
    task_loop_done(); /* the child has one of its own */
    fixture->pid = start_child(&fd);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    peer_open(&fixture->master, fd);
    hand_down(fixture, fixture->snapshot, -1);
    add_receive(fixture);
    add_deliver(fixture);
}

/* ---- what the roles say ---------------------------------------------------------------------- */

/* A COMMIT of a message for these addresses ("a@x.tld b@y.tld"). fd -1: content inline. */
static void send_commit(struct fixture *fixture, uint64_t id, const char *addresses,
                        const char *transport, const char *content, int fd, size_t size)
{
    struct envelope envelope = {
        .sender = SPAN_LITERAL("sender@isp.test"),
        .arrival_ms = clock_wall_ms(),
        .content_size = size,
    };
    struct buffer record = BUFFER_INIT;
    struct buffer head = BUFFER_INIT;
    struct sluice_span rest = sluice_span_of(addresses);

    while (rest.len > 0) {
        struct envelope_recipient *recipient = envelope_add(&envelope);
        size_t len = span_find(rest, ' ');

        recipient->address = span_first(rest, len);
        recipient->transport = sluice_span_of(transport);
        recipient->nexthop = SPAN_LITERAL("[hub.test]");
        rest = span_skip(rest, len + 1);
    }
    envelope_encode(&envelope, &record);
    envelope_done(&envelope);
    struct message_commit commit = {.envelope = buffer_span(&record),
                                    .content = sluice_span_of(content)};
    message_commit_encode_head(&commit, &head);
    struct sluice_span parts[] = {buffer_span(&head), commit.content};
    assert_int_equal(channel_send(fixture->receive.channel, MESSAGE_COMMIT, id, parts, 2, fd),
                     SLUICE_OK);
    buffer_done(&head);
    buffer_done(&record);
}

static sluice_status expect_committed(struct fixture *fixture, uint64_t id)
{
    struct frame *frame = peer_expect(&fixture->receive, MESSAGE_COMMITTED);
    struct message_status answer;

    assert_true(frame->ref == id);
    assert_int_equal(message_status_decode(frame_body(frame), &answer), SLUICE_OK);
    frame_free(frame);
    return answer.status;
}

/* Commits a small message and returns its id. */
static uint64_t commit(struct fixture *fixture, const char *addresses, const char *transport)
{
    uint64_t id = fixture->next_id++;

    send_commit(fixture, id, addresses, transport, "hello\r\n", -1, 7);
    assert_int_equal(expect_committed(fixture, id), SLUICE_OK);
    return id;
}

/* A job as deliver sees it; the caller frees frame and envelope. */
struct seen_job {
    struct frame *frame;
    struct message_job job;
    struct envelope envelope;
};

static void expect_job(struct fixture *fixture, struct seen_job *seen)
{
    struct error err = ERROR_INIT;

    *seen = (struct seen_job){.frame = peer_expect(&fixture->deliver, MESSAGE_JOB)};
    assert_int_equal(message_job_decode(frame_body(seen->frame), &seen->job), SLUICE_OK);
    assert_int_equal(envelope_decode(seen->job.envelope, &seen->envelope, &err), SLUICE_OK);
}

static void job_done(struct seen_job *seen)
{
    envelope_done(&seen->envelope);
    frame_free(seen->frame);
}

/* Answers for every recipient of the job, one status each, and frees it. */
static void answer_job(struct fixture *fixture, struct seen_job *seen, uint32_t site,
                       const sluice_status *statuses)
{
    struct message_outcome outcomes[16] = {{0}};
    struct message_result result = {
        .site = site, .outcomes = outcomes, .outcome_count = seen->envelope.recipient_count};
    struct buffer body = BUFFER_INIT;

    for (size_t i = 0; i < result.outcome_count; i++) {
        bool is_good = statuses[i] == SLUICE_OK;

        outcomes[i] = (struct message_outcome){
            .status = statuses[i],
            .dsn = sluice_span_of(is_good ? "2.0.0" : "4.2.0"),
            .text = sluice_span_of(is_good ? "taken" : "not now"),
            .relay = SPAN_LITERAL("hub.test[192.0.2.1]:25"),
        };
    }
    message_result_encode(&result, &body);
    peer_send(&fixture->deliver, MESSAGE_RESULT, seen->frame->ref, &body);
    job_done(seen);
}

static inline uint64_t release(struct fixture *fixture, const char *domain, bool *ret_is_postponed)
{
    struct message_release release = {.domain = sluice_span_of(domain)};
    struct message_released released;
    struct buffer body = BUFFER_INIT;
    struct frame *frame;

    message_release_encode(&release, &body);
    peer_send(&fixture->receive, MESSAGE_RELEASE, 5, &body);
    frame = peer_expect(&fixture->receive, MESSAGE_RELEASED);
    assert_true(frame->ref == 5);
    assert_int_equal(message_released_decode(frame_body(frame), &released), SLUICE_OK);
    assert_int_equal(released.status, SLUICE_OK);
    frame_free(frame);
    *ret_is_postponed = released.is_postponed;
    return released.count;
}

/* ---- the operator ---------------------------------------------------------------------------- */

/* Asks the control socket; the answer is for read_answer. */
static FILE *ask_without_waiting(const struct fixture *fixture, const char *request)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", fixture->folder);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    FILE *file = fdopen(fd, "r+");
    assert_non_null(file);
    (void)fprintf(file, "%s\n", request);
    (void)fflush(file);
    return file;
}

/* The answer's lines, the end among them, as an array. */
static json_t *read_answer(FILE *file)
{
    json_t *lines = json_array();
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) > 0)
        assert_int_equal(json_array_append_new(lines, json_loads(line, 0, NULL)), 0);
    free(line);
    (void)fclose(file);
    return lines;
}

static json_t *ask(const struct fixture *fixture, const char *request)
{
    return read_answer(ask_without_waiting(fixture, request));
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static long long count_messages(const struct fixture *fixture)
{
    json_t *lines = ask(fixture, "{\"command\": \"status\"}");
    json_t *count = json_object_get(json_array_get(lines, 0), "messages");
    long long messages = json_is_integer(count) ? (long long)json_integer_value(count) : -1;

    json_decref(lines);
    return messages;
}

/* The state of a message's recipient, as "state attempts reason". */
static inline void show_recipient(const struct fixture *fixture, size_t index, char *out, size_t size)
{
    json_t *lines = ask(fixture, "{\"command\": \"queue list\"}");
    json_t *recipient =
        json_array_get(json_object_get(json_array_get(lines, 0), "recipients"), index);

    (void)snprintf(out, size, "%s %lld %s", member(recipient, "state"),
                   (long long)json_integer_value(json_object_get(recipient, "attempts")),
                   member(recipient, "delay_reason"));
    json_decref(lines);
}

static void wait_for_messages(const struct fixture *fixture, long long count)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (count_messages(fixture) != count && clock_monotonic_ms() < deadline_ms)
        pump();
    assert_int_equal(count_messages(fixture), count);
}

static inline void wait_until_empty(const struct fixture *fixture)
{
    wait_for_messages(fixture, 0);
}

#endif
