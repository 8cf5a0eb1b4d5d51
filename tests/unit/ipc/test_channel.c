/* SPDX-License-Identifier: ISC */
/*
 * channel: frames come whole and in order however the bytes are cut; descriptors come with their
 * frames; a peer that dies or talks nonsense closes the channel with a reason, after what it sent
 * before has been read.
 */
#include "base/clock.h"
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "ipc/messages.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 60000

/* What one end has seen. */
struct end {
    struct channel *channel;
    size_t frames;
    size_t descriptors;
    size_t errors;    /* frames that are not what fill_body made of their ref */
    size_t stop_at;   /* the loop stops at that many frames */
    bool is_echoing;  /* sends each frame back */
    bool is_freeing;  /* frees the channel with the first frame */
    char reason[200]; /* why it was closed */
    size_t closed_count;
};

/* A body that its ref tells: of a size, and of bytes that start somewhere. */
static size_t body_size(uint64_t ref)
{
    if (ref % 97 == 0)
        return 300000;
    return ref % 13 == 0 ? 0 : (ref * 31) % 5000;
}

static void fill_body(uint64_t ref, char *body, size_t size)
{
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(ref + i * 7);
}

static bool is_body(uint64_t ref, struct sluice_span body)
{
    if (body.len != body_size(ref))
        return false;
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] != (char)(ref + i * 7))
            return false;
    }
    return true;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct end *end = user;

    if (frame->type != MESSAGE_JOB || frame->ref != end->frames ||
        !is_body(frame->ref, frame->body))
        end->errors++;
    if (frame->fd != -1) {
        uint64_t number = 0;
        end->descriptors++;
        /* The file says which frame it belongs to. */
        if (pread(frame->fd, &number, sizeof(number), 0) != sizeof(number) || number != frame->ref)
            end->errors++;
    }
    end->frames++;
    if (end->is_echoing)
        assert_int_equal(channel_send(channel, frame->type, frame->ref, &frame->body, 1, frame->fd),
                         SLUICE_OK);
    if (end->is_freeing) {
        channel_free(channel);
        end->channel = NULL;
        task_loop_stop();
    }
    if (end->frames == end->stop_at)
        task_loop_stop();
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct end *end = user;

    (void)channel;
    end->closed_count++;
    (void)snprintf(end->reason, sizeof(end->reason), "%s", reason);
    task_loop_stop();
}

static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};

static void too_long(void *arg)
{
    (void)arg;
    if (task_sleep_until(clock_monotonic_ms() + DEADLINE_MS) == SLUICE_OK) {
        print_error("the loop did not stop in time\n");
        abort();
    }
}

static void open_pair(int pair[2])
{
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(task_start("too long", too_long, NULL, NULL), SLUICE_OK);
}

static void open_end(struct end *end, int fd)
{
    assert_int_equal(channel_new(fd, "end", &handlers, end, &end->channel), SLUICE_OK);
}

static void send_frame(struct channel *channel, uint64_t ref, int fd)
{
    size_t size = body_size(ref);
    char *body = malloc(size + 1);

    assert_non_null(body);
    fill_body(ref, body, size);
    struct sluice_span parts[2] = {{body, size / 3}, {body + size / 3, size - size / 3}};
    assert_int_equal(channel_send(channel, MESSAGE_JOB, ref, parts, 2, fd), SLUICE_OK);
    free(body);
}

static int numbered_file(uint64_t number)
{
    int fd = (int)memfd_create("number", MFD_CLOEXEC);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, &number, sizeof(number)), sizeof(number));
    return fd;
}

static size_t open_descriptors(void)
{
    size_t count = 0;

    for (int fd = 0; fd < 8192; fd++)
        count += fcntl(fd, F_GETFD) != -1 ? 1 : 0;
    return count;
}

/* There and back: both directions at once, large and empty bodies. */
static void echo(void **state)
{
    struct end a = {.stop_at = 500};
    struct end b = {.is_echoing = true};
    int pair[2];

    (void)state;
    open_pair(pair);
    open_end(&a, pair[0]);
    open_end(&b, pair[1]);
    for (uint64_t ref = 0; ref < 500; ref++)
        send_frame(a.channel, ref, -1);
    assert_true(channel_pending(a.channel) > 0);
    task_loop_run();
    assert_int_equal(a.frames, 500);
    assert_int_equal(b.frames, 500);
    assert_int_equal(a.errors + b.errors, 0);
    assert_int_equal(channel_pending(a.channel), 0);
    channel_free(a.channel);
    channel_free(b.channel);
    task_loop_done();
}

static void descriptors_with_their_frames(void **state)
{
    struct end a = {.stop_at = 2000};
    struct end b = {.is_echoing = true};
    struct rlimit limit;
    int pair[2];
    size_t before = open_descriptors();

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    open_pair(pair);
    open_end(&a, pair[0]);
    open_end(&b, pair[1]);
    for (uint64_t ref = 0; ref < 2000; ref++) {
        int fd = ref % 7 == 3 ? -1 : numbered_file(ref); /* nearly all */
        send_frame(a.channel, ref, fd);
        if (fd != -1)
            (void)close(fd); /* the channel has its own */
    }
    task_loop_run();
    assert_int_equal(a.frames, 2000);
    assert_int_equal(a.errors + b.errors, 0);
    assert_int_equal(a.descriptors, 2000 - 286);
    assert_int_equal(b.descriptors, a.descriptors);
    channel_free(a.channel);
    channel_free(b.channel);
    task_loop_done();
    assert_int_equal(open_descriptors(), before);
}

/* ---- one end by hand -------------------------------------------------------------------------- */

static void add_frame(struct buffer *bytes, uint16_t type, uint64_t ref, struct sluice_span body)
{
    struct frame_header header = {.size = (uint32_t)body.len, .type = type, .ref = ref};

    buffer_add(bytes, &header, sizeof(header));
    buffer_add_span(bytes, body);
}

static void add_hello(struct buffer *bytes)
{
    add_frame(bytes, MESSAGE_HELLO, CHANNEL_VERSION, sluice_span_of("by hand"));
}

static void add_job(struct buffer *bytes, uint64_t ref)
{
    size_t size = body_size(ref);
    char *body = malloc(size + 1);

    assert_non_null(body);
    fill_body(ref, body, size);
    add_frame(bytes, MESSAGE_JOB, ref, (struct sluice_span){body, size});
    free(body);
}

struct writer {
    int fd;
    struct buffer bytes;
    unsigned seed;
};

/* Writes the bytes in pieces of random sizes, and lets the loop turn in between. */
static void write_in_pieces(void *arg)
{
    struct writer *writer = arg;
    size_t done = 0;

    while (done < writer->bytes.len) {
        size_t size = (size_t)rand_r(&writer->seed) % (rand_r(&writer->seed) % 2 == 0 ? 9 : 9000);
        if (size > writer->bytes.len - done)
            size = writer->bytes.len - done;
        ssize_t n = send(writer->fd, writer->bytes.ptr + done, size, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (task_wait_fd(writer->fd, TASK_WRITABLE, CLOCK_NEVER) != SLUICE_OK)
            return;
        task_yield();
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct end end = {.stop_at = 120};
        struct writer writer = {.seed = seed};
        int pair[2];

        open_pair(pair);
        open_end(&end, pair[0]);
        writer.fd = pair[1];
        add_hello(&writer.bytes);
        for (uint64_t ref = 0; ref < 120; ref++)
            add_job(&writer.bytes, ref);
        assert_int_equal(task_start("writer", write_in_pieces, &writer, NULL), SLUICE_OK);
        task_loop_run();
        assert_int_equal(end.frames, 120);
        assert_int_equal(end.errors, 0);
        assert_string_equal(end.reason, "");
        channel_free(end.channel);
        task_loop_done();
        (void)close(pair[1]);
        buffer_done(&writer.bytes);
    }
}

/* Sends bytes to a channel, with up to two descriptors, and hangs up; returns why it was closed. */
static void feed(const struct buffer *bytes, size_t descriptor_count, struct end *end)
{
    static const int descriptors[2] = {STDERR_FILENO, STDERR_FILENO};
    int pair[2];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(descriptors))];
    } control = {0};
    struct iovec iov = {.iov_base = bytes->ptr, .iov_len = bytes->len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    open_pair(pair);
    if (descriptor_count > 0) {
        size_t size = descriptor_count * sizeof(int);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
        *cmsg = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(cmsg), descriptors, size);
    }
    if (bytes->len > 0)
        assert_int_equal(sendmsg(pair[1], &message, 0), bytes->len);
    (void)close(pair[1]);
    open_end(end, pair[0]);
    task_loop_run();
    assert_int_equal(end->closed_count, 1);
    if (end->channel != NULL)
        assert_int_equal(channel_send_body(end->channel, MESSAGE_JOB, 0, SPAN_EMPTY), SLUICE_TEMP);
    channel_free(end->channel);
    task_loop_done();
}

static void add_header(struct buffer *bytes, const struct frame_header *header)
{
    buffer_add(bytes, header, sizeof(*header));
}

static void nonsense(void **state)
{
    static const struct {
        const char *name;
        bool has_hello;
        struct frame_header header;
        size_t descriptors;
        const char *reason;
    } cases[] = {
        {"no hello", false, {.type = MESSAGE_JOB}, 0, "end: the first frame is no hello"},
        {"another version",
         false,
         {.type = MESSAGE_HELLO, .ref = CHANNEL_VERSION + 1},
         0,
         "end: the peer talks version 2, this program 1"},
        {"too large",
         true,
         {.type = MESSAGE_JOB, .size = CHANNEL_BODY_MAX + 1},
         0,
         "end: a frame that is too large"},
        {"largest number",
         true,
         {.type = MESSAGE_JOB, .size = UINT32_MAX},
         0,
         "end: a frame that is too large"},
        {"unknown flag",
         true,
         {.type = MESSAGE_JOB, .flags = 2},
         0,
         "end: a frame with unknown flags"},
        {"no descriptor",
         true,
         {.type = MESSAGE_JOB, .flags = FRAME_HAS_FD},
         0,
         "end: a frame without its descriptor"},
        {"a stray descriptor", true, {.type = MESSAGE_JOB}, 1, "end: a descriptor without a frame"},
        {"two descriptors",
         true,
         {.type = MESSAGE_JOB, .flags = FRAME_HAS_FD},
         2,
         "end: a descriptor was lost: more than one, or the limit of open files is reached"},
        {"cut",
         true,
         {.type = MESSAGE_JOB, .size = 1},
         0,
         "end: the peer has gone in the middle of a frame"},
    };
    size_t before = open_descriptors();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer bytes = BUFFER_INIT;
        struct end end = {0};

        print_message("%s\n", cases[i].name);
        if (cases[i].has_hello)
            add_hello(&bytes);
        add_header(&bytes, &cases[i].header);
        feed(&bytes, cases[i].descriptors, &end);
        assert_string_equal(end.reason, cases[i].reason);
        buffer_done(&bytes);
    }
    assert_int_equal(open_descriptors(), before);
}

static void garbage(void **state)
{
    unsigned seed = 3;
    size_t before = open_descriptors();

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct buffer bytes = BUFFER_INIT;
        struct end end = {0};

        if (round % 2 == 0)
            add_hello(&bytes);
        for (int i = rand_r(&seed) % 200; i >= 0; i--)
            buffer_add_byte(&bytes, (char)(rand_r(&seed) % 4 == 0 ? rand_r(&seed) : 0));
        feed(&bytes, round % 3 == 0 ? 1 : 0, &end);
        assert_string_not_equal(end.reason, "");
        buffer_done(&bytes);
    }
    assert_int_equal(open_descriptors(), before);
}

/* The peer sends frames and dies, with frames of ours unread: all of its frames arrive. */
static void last_words(void **state)
{
    struct end end = {0};
    struct buffer bytes = BUFFER_INIT;
    int pair[2];

    (void)state;
    open_pair(pair);
    open_end(&end, pair[0]);
    end.frames = 1; /* its first reference: that of 0 has a large body */
    add_hello(&bytes);
    for (uint64_t ref = 1; ref < 30; ref++)
        add_job(&bytes, ref);
    assert_int_equal(send(pair[1], bytes.ptr, bytes.len, 0), bytes.len);
    for (uint64_t ref = 0; ref < 100; ref++)
        send_frame(end.channel, ref, -1);        /* more than the socket takes */
    assert_int_equal(write(pair[0], "x", 1), 1); /* one byte is on its way when the peer dies */
    (void)close(pair[1]);
    task_loop_run();
    assert_int_equal(end.frames, 30);
    assert_int_equal(end.errors, 0);
    assert_int_equal(end.closed_count, 1);
    assert_int_equal(channel_send_body(end.channel, MESSAGE_JOB, 0, SPAN_EMPTY), SLUICE_TEMP);
    channel_free(end.channel);
    task_loop_done();
    buffer_done(&bytes);
}

/* A handler may free the channel while frames wait behind the one that it was called for. */
static void freed_by_a_handler(void **state)
{
    struct end a = {0};
    struct end b = {.is_freeing = true};
    int pair[2];

    (void)state;
    open_pair(pair);
    open_end(&a, pair[0]);
    open_end(&b, pair[1]);
    for (uint64_t ref = 0; ref < 20; ref++)
        send_frame(a.channel, ref, STDERR_FILENO);
    task_loop_run();
    assert_int_equal(b.frames, 1);
    assert_int_equal(b.closed_count, 0);
    channel_free(a.channel);
    task_loop_done();
}

static void too_large_to_send(void **state)
{
    struct end a = {0};
    struct sluice_span parts[2] = {{"x", 1}, {"", CHANNEL_BODY_MAX}};
    int pair[2];

    (void)state;
    open_pair(pair);
    open_end(&a, pair[0]);
    size_t pending = channel_pending(a.channel);
    assert_int_equal(channel_send(a.channel, MESSAGE_JOB, 0, parts, 2, -1), SLUICE_PERM);
    assert_int_equal(channel_send(a.channel, MESSAGE_JOB, 0, parts, 1, 1 << 30), SLUICE_TEMP);
    assert_int_equal(channel_pending(a.channel), pending);
    channel_free(a.channel);
    (void)close(pair[1]);
    task_loop_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo),
        cmocka_unit_test(descriptors_with_their_frames),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(garbage),
        cmocka_unit_test(last_words),
        cmocka_unit_test(freed_by_a_handler),
        cmocka_unit_test(too_large_to_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
