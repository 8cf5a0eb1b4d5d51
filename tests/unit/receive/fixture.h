/* SPDX-License-Identifier: ISC */
/*
 * fixture: sessions over a socketpair, with a queue at the other end of the link that the test plays
 * itself; all in one process, on the task loop.
 *
 * The body of a test is a task, so it must not use cmocka's assertions (they jump): check() notes the
 * first failure, which run_on_loop() then reports.
 */
#ifndef RECEIVE_FIXTURE_H
#define RECEIVE_FIXTURE_H

#include "base/clock.h"
#include "base/id.h"
#include "base/sealed.h"
#include "base/span.h"
#include "base/text.h"
#include "ipc/envelope.h"
#include "receive/receiver.h"
#include "receive/session.h"
#include "task/doubt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_TIMEOUT_MS 20000
#define STRESSED_TIMEOUT_MS 100
#define QUEUE_TIMEOUT_MS 2000 /* a queue that answers may need its time on a busy machine */
#define FIRST_ID 0x10
#define LINK_IDS 0x1000 /* each new link's lease is so much higher */
#define CONTENT_MAX (2 * CONTENT_MEMORY_MAX)

/* The queue that a test plays. */
struct fake_queue {
    unsigned links;
    struct channel *channel;
    bool is_silent;       /* answers nothing */
    sluice_status commit; /* what it says to COMMIT */
    uint64_t waiting;     /* messages that a release finds */
    bool has_no_file;     /* refuses STAGE */
    bool has_broken_file; /* stages a file that cannot be written */
    unsigned commits;
    unsigned memory_files; /* sealed ones that brought a content */
    unsigned stages;
    unsigned stages_under_way; /* answered a little later, if stages_max is set */
    unsigned stages_max;
    unsigned withdrawals;
    unsigned releases;
    unsigned leases_wanted;
    uint64_t paused;      /* the handover that receive has agreed to */
    bool with_subdomains; /* of the last release */
    bool is_exempt;
    char domain[256];
    char *content; /* of the last commit */
    size_t content_len;
    bool keeps_files_only; /* of contents: when several come in any order */
    char envelope[1024]; /* of the last commit, as text */
    char explained[8192]; /* of the last EXPLAINED, and its ref */
    uint64_t explained_ref;
    int staged_fd;
};

struct fixture {
    struct receiver receiver;
    struct fake_queue queue;
    const char *body_name;
    void (*body)(struct fixture *fixture);
    char failure[4096];
};

static inline bool check(struct fixture *f, bool is_good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool check(struct fixture *f, bool is_good, const char *format, ...)
{
    va_list args;

    if (is_good || f->failure[0] != '\0')
        return is_good;
    va_start(args, format);
    (void)vsnprintf(f->failure, sizeof(f->failure), format, args);
    va_end(args);
    return false;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static inline void queue_send(struct fake_queue *queue, uint16_t type, uint64_t ref,
                              struct buffer *body, int fd)
{
    struct sluice_span part = buffer_span(body);

    (void)channel_send(queue->channel, type, ref, &part, 1, fd);
    buffer_done(body);
}

static inline void queue_credit(struct fake_queue *queue, uint64_t bytes, uint64_t messages)
{
    struct message_credit credit = {.bytes = bytes, .messages = messages};
    struct buffer body = BUFFER_INIT;

    message_credit_encode(&credit, &body);
    queue_send(queue, MESSAGE_CREDIT, 0, &body, -1);
}

static inline void queue_lease(struct fake_queue *queue, uint64_t first, uint64_t count)
{
    struct message_lease lease = {.first = first, .count = count};
    struct buffer body = BUFFER_INIT;

    message_lease_encode(&lease, &body);
    queue_send(queue, MESSAGE_LEASE, 0, &body, -1);
}

static inline void queue_space(struct fake_queue *queue, bool is_accepting, uint64_t free_bytes)
{
    struct message_space space = {.is_accepting = is_accepting, .free_bytes = free_bytes};
    struct buffer body = BUFFER_INIT;

    message_space_encode(&space, &body);
    queue_send(queue, MESSAGE_SPACE, 0, &body, -1);
}

static inline void queue_status(struct fake_queue *queue, uint16_t type, uint64_t ref,
                                sluice_status status, int fd)
{
    struct message_status answer = {.status = status, .text = SPAN_LITERAL("as the test says")};
    struct buffer body = BUFFER_INIT;

    message_status_encode(&answer, &body);
    queue_send(queue, type, ref, &body, fd);
}

/* "<sender> [helo protocol ret body envid size] <address:transport:nexthop:notify:orcpt>..." */
static inline void note_envelope(struct fake_queue *queue, struct sluice_span bytes)
{
    struct envelope envelope = ENVELOPE_INIT;
    size_t len;

    (void)snprintf(queue->envelope, sizeof(queue->envelope), "nonsense");
    if (envelope_decode(bytes, &envelope, NULL) != SLUICE_OK)
        return;
    len = (size_t)snprintf(queue->envelope, sizeof(queue->envelope),
                           "<%.*s> [%.*s %.*s %.*s %d %d %.*s]", SPAN_ARGS(envelope.sender),
                           SPAN_ARGS(envelope.client_address), SPAN_ARGS(envelope.helo),
                           SPAN_ARGS(envelope.protocol), (int)envelope.ret, (int)envelope.body,
                           SPAN_ARGS(envelope.envid));
    for (size_t i = 0; i < envelope.recipient_count && len < sizeof(queue->envelope); i++) {
        const struct envelope_recipient *r = &envelope.recipients[i];
        len += (size_t)snprintf(queue->envelope + len, sizeof(queue->envelope) - len,
                                " <%.*s:%.*s:%.*s:%u:%.*s>", SPAN_ARGS(r->address),
                                SPAN_ARGS(r->transport), SPAN_ARGS(r->nexthop), (unsigned)r->notify,
                                SPAN_ARGS(r->orcpt));
    }
    envelope_done(&envelope);
}

static inline void note_content(struct fake_queue *queue, struct sluice_span content, int fd)
{
    struct sluice_span mapped;
    struct stat info;

    if (fd != -1 && sealed_map(fd, &mapped) == SLUICE_OK) {
        queue->memory_files++;
        sealed_unmap(mapped);
    }

    if (fd == -1 && queue->keeps_files_only)
        return;
    if (fd == -1) {
        queue->content_len = content.len;
        memcpy(queue->content, content.ptr, content.len);
    } else if (fstat(fd, &info) == 0 && (size_t)info.st_size <= CONTENT_MAX) {
        ssize_t n = pread(fd, queue->content, CONTENT_MAX, 0);
        queue->content_len = n > 0 ? (size_t)n : 0;
    }
}

static inline void queue_committed(struct fake_queue *queue, const struct channel_frame *frame)
{
    struct message_commit commit;

    queue->commits++;
    if (message_commit_decode(frame->body, &commit) != SLUICE_OK)
        return;
    note_envelope(queue, commit.envelope);
    note_content(queue, commit.content, frame->fd);
    if (!queue->is_silent)
        queue_status(queue, MESSAGE_COMMITTED, frame->ref, queue->commit, -1);
}

static inline void queue_staged(struct fake_queue *queue, uint64_t ref)
{
    int fd = queue->has_broken_file ? open("/dev/full", O_RDWR | O_CLOEXEC)
                                    : memfd_create("staged", MFD_CLOEXEC);

    queue_status(queue, MESSAGE_STAGED, ref, SLUICE_OK, fd);
    (void)close(fd); /* the channel has its own */
}

struct late_stage {
    struct fake_queue *queue;
    uint64_t ref;
};

static inline void queue_staged_late(void *arg)
{
    struct late_stage *late = arg;

    (void)task_sleep_until(clock_monotonic_ms() + 2);
    queue_staged(late->queue, late->ref);
    late->queue->stages_under_way--;
    free(late);
}

static inline void queue_stage(struct fake_queue *queue, uint64_t ref)
{
    queue->stages++;
    if (queue->stages_max > 0 && queue->stages_under_way < queue->stages_max) {
        struct late_stage *late = malloc(sizeof(*late));
        *late = (struct late_stage){.queue = queue, .ref = ref};
        queue->stages_under_way++;
        (void)task_start("late", queue_staged_late, late, NULL);
    } else if (queue->has_no_file || queue->stages_max > 0) {
        queue_status(queue, MESSAGE_STAGED, ref, SLUICE_TEMP, -1);
    } else if (!queue->is_silent) {
        queue_staged(queue, ref);
    }
}

static inline void queue_release(struct fake_queue *queue, const struct channel_frame *frame)
{
    struct message_release release;
    struct message_released released = {.status = SLUICE_OK, .count = queue->waiting};
    struct buffer body = BUFFER_INIT;

    queue->releases++;
    if (message_release_decode(frame->body, &release) != SLUICE_OK || queue->is_silent)
        return;
    (void)snprintf(queue->domain, sizeof(queue->domain), "%.*s", SPAN_ARGS(release.domain));
    queue->with_subdomains = release.with_subdomains;
    if (release.is_queue && strcmp(queue->domain, "branches") != 0)
        released.status = SLUICE_NOT_FOUND;
    queue->is_exempt = release.is_exempt;
    message_released_encode(&released, &body);
    queue_send(queue, MESSAGE_RELEASED, frame->ref, &body, -1);
}

static inline void queue_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct fake_queue *queue = user;

    (void)channel;
    switch (frame->type) {
    case MESSAGE_COMMIT:
        queue_committed(queue, frame);
        break;
    case MESSAGE_STAGE:
        queue_stage(queue, frame->ref);
        break;
    case MESSAGE_WITHDRAW:
        queue->withdrawals++;
        break;
    case MESSAGE_WANT_LEASE:
        queue->leases_wanted++;
        break;
    case MESSAGE_RELEASE:
        queue_release(queue, frame);
        break;
    case MESSAGE_PAUSED:
        queue->paused = frame->ref;
        break;
    case MESSAGE_EXPLAINED:
        text_copy_span(queue->explained, sizeof(queue->explained), frame->body);
        queue->explained_ref = frame->ref;
        break;
    }
}

static inline void queue_closed(struct channel *channel, const char *reason, void *user)
{
    struct fake_queue *queue = user;

    (void)reason;
    channel_free(channel);
    queue->channel = NULL;
}

/* A new queue, which took over with that handover (0: with none): link, credit, lease. */
static inline void link_next_queue(struct fixture *f, uint64_t handover)
{
    static const struct channel_handlers handlers = {.frame = queue_frame, .closed = queue_closed};
    int fds[2];

    channel_free(f->queue.channel);
    f->queue.channel = NULL;
    if (!check(f, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
               "socketpair"))
        return;
    (void)channel_new(fds[0], "receive", &handlers, &f->queue, &f->queue.channel);
    intake_connect(f->receiver.intake, fds[1]);
    (void)channel_send_body(f->queue.channel, MESSAGE_RESUME, handover, SPAN_EMPTY);
    queue_credit(&f->queue, 1024 * 1024, 100);
    queue_lease(&f->queue, FIRST_ID + f->queue.links++ * LINK_IDS, 1000);
}

static inline void link_queue(struct fixture *f)
{
    link_next_queue(f, 0);
}

/* The queue will hand over; returns when receive has agreed. */
static inline void pause_queue(struct fixture *f, uint64_t handover)
{
    (void)channel_send_body(f->queue.channel, MESSAGE_PAUSE, handover, SPAN_EMPTY);
    while (f->queue.paused != handover)
        (void)task_sleep_until(clock_monotonic_ms() + 2);
}

static inline void unlink_queue(struct fixture *f)
{
    channel_free(f->queue.channel);
    f->queue.channel = NULL;
}

/* Until the loop has carried everything between the two. */
static inline void settle(void)
{
    for (int i = 0; i < 5; i++)
        (void)task_sleep_until(clock_monotonic_ms() + 2);
}

/* ---- restrictions ---------------------------------------------------------------------------- */

static const struct sluice_restriction fake_restrictions[] = {
    {"permit_mynetworks", 0, 0, ""},
    {"reject_unauth_destination", SLUICE_RESTRICTION_REFUSES, 0, ""},
    {"reject", SLUICE_RESTRICTION_REFUSES, 0, ""},
    {"defer", SLUICE_RESTRICTION_REFUSES, 0, ""},
    {"broken", 0, 0, ""},
    {"old", 0, 0, ""},
    {"say", SLUICE_RESTRICTION_ARGUMENT, 0, ""},
    {"reject_rehearsal", 0, 0, ""},
};

/* say 5.HELO.text: verdict number 5 about that, and "_" for blanks. */
static inline void fake_say(struct sluice_span argument, const struct sluice_access_sink *sink)
{
    char text[256];
    struct sluice_access_verdict verdict = {.struct_size = sizeof(verdict), .dsn = "5.7.9"};
    char *end;

    (void)snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(argument));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '_' ? ' ' : *at;
    verdict.verdict = (int32_t)strtol(text, &end, 10);
    verdict.about = (int32_t)strtol(end + 1, &end, 10);
    verdict.text = end + 1;
    sink->decide(sink, &verdict);
}

static inline sluice_status fake_decide(struct sluice_access *access, const char *restriction,
                                        const struct sluice_access_request *request,
                                        int64_t deadline_ms, const struct sluice_access_sink *sink,
                                        const struct sluice_errors *errors)
{
    bool is_etrn = request->stage == SLUICE_STAGE_ETRN;

    (void)access;
    (void)deadline_ms;
    if (strcmp(restriction, "permit_mynetworks") == 0 &&
        (request->facts & SLUICE_FACT_MYNETWORKS) != 0)
        sink->verdict(sink, SLUICE_VERDICT_PERMIT, 0, NULL, NULL);
    if (strcmp(restriction, "reject_unauth_destination") == 0 &&
        (request->facts & SLUICE_FACT_AUTH_DESTINATION) == 0)
        sink->verdict(sink, SLUICE_VERDICT_REJECT, 554, "5.7.1", "Relay access denied");
    if (strcmp(restriction, "reject") == 0)
        sink->verdict(sink, SLUICE_VERDICT_REJECT, 554, "5.7.1",
                      is_etrn ? "Etrn command rejected: Access denied"
                              : "Recipient address rejected: Access denied");
    if (strcmp(restriction, "defer") == 0)
        sink->verdict(sink, SLUICE_VERDICT_DEFER, 0, "4.3.2", "Try again later");
    if (strcmp(restriction, "reject_rehearsal") == 0 &&
        (request->facts & SLUICE_FACT_REHEARSAL) != 0)
        sink->verdict(sink, SLUICE_VERDICT_REJECT, 554, "5.7.1", "a rehearsal");
    if (strcmp(restriction, "say") == 0)
        fake_say(request->argument, sink);
    if (strcmp(restriction, "old") == 0)
        (void)doubt_note("fake:old");
    if (strcmp(restriction, "broken") == 0) {
        errors->explain(errors, NULL, "is broken");
        return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

static inline void fake_access_close(struct sluice_access *access)
{
    (void)access;
}

static const struct sluice_access_ops fake_access_ops = {
    .struct_size = sizeof(fake_access_ops),
    .restrictions = fake_restrictions,
    .restriction_count = sizeof(fake_restrictions) / sizeof(fake_restrictions[0]),
    .restriction_size = sizeof(fake_restrictions[0]),
    .close = fake_access_close,
    .decide = fake_decide,
};

/* ---- a table that is broken -------------------------------------------------------------------- */

static inline sluice_status broken_find(struct sluice_lookup *self, struct sluice_span key,
                                        int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                        const struct sluice_errors *errors)
{
    (void)self;
    (void)key;
    (void)deadline_ms;
    (void)sink;
    errors->explain(errors, NULL, "is broken");
    return SLUICE_TEMP;
}

static inline void broken_close(struct sluice_lookup *self)
{
    (void)self;
}

static const struct sluice_lookup_ops broken_ops = {
    .struct_size = sizeof(broken_ops),
    .close = broken_close,
    .find = broken_find,
};

/* ---- set-up ---------------------------------------------------------------------------------- */

static inline void set_up_lists(struct receiver *receiver)
{
    struct error err = ERROR_INIT;

    assert_int_equal(tables_new(NULL, &receiver->tables), SLUICE_OK);
    assert_int_equal(tables_add(receiver->tables, "fake:broken", &broken_ops, NULL, NULL),
                     SLUICE_OK);
    receiver->router = (struct router){
        .myorigin = "mx.test",
        .transports = {"local", NULL, "virtual", "relay", "smtp"},
        .relayhost = "",
        .postmaster_route = "admin@relay.test",
        .recipient_delimiter = "",
    };
    receiver->router.classes.domains[ROUTE_RELAY].with_parents = true;
    receiver->rewriter.router = &receiver->router;
    receiver->recipients.double_bounce_sender = "double-bounce";
    receiver->mynetworks.kind = DOMAIN_LIST_NETWORKS;
    receiver->fast_flush_domains.with_parents = true;
    assert_int_equal(domain_list_add(&receiver->router.classes.domains[ROUTE_RELAY],
                                     receiver->tables, "relay.test", &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_add(&receiver->mynetworks, receiver->tables, "127.0.0.0/8", &err),
                     SLUICE_OK);
    assert_int_equal(
        domain_list_add(&receiver->fast_flush_domains, receiver->tables, "relay.test", &err),
        SLUICE_OK);
}

static inline sluice_status add_restrictions(struct receiver *receiver,
                                             enum restriction_list_id id, const char *text)
{
    struct error err = ERROR_INIT;
    sluice_status st =
        restriction_list_add(&receiver->restrictions, restrictions_about(id), sluice_span_of(text),
                             &receiver->restrictions.lists[id], &err);

    if (st != SLUICE_OK)
        print_message("%s\n", err.text);
    return st;
}

static inline void set_up_access(struct receiver *receiver)
{
    struct error err = ERROR_INIT;

    assert_int_equal(access_new(NULL, &receiver->access, &err), SLUICE_OK);
    assert_int_equal(access_add(receiver->access, &fake_access_ops, NULL, NULL), SLUICE_OK);
    receiver->restrictions.access = receiver->access;
    assert_int_equal(
        add_restrictions(receiver, RESTRICTIONS_RELAY, "permit_mynetworks, reject_unauth_destination"),
        SLUICE_OK);
}

static inline int set_up(void **state)
{
    static const struct intake_limits limits = {.ready_ms = QUEUE_TIMEOUT_MS,
                                                .stage_ms = QUEUE_TIMEOUT_MS,
                                                .commit_ms = QUEUE_TIMEOUT_MS,
                                                .release_ms = QUEUE_TIMEOUT_MS};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    f->queue.content = malloc(CONTENT_MAX);
    assert_non_null(f->queue.content);
    f->receiver.settings = (struct settings){
        .myhostname = "mx.test",
        .mail_name = "Sluice",
        .banner = "mx.test ESMTP Sluice",
        .message_size_limit = 10240000,
        .line_length_limit = 2048,
        .recipient_limit = 1000,
        .hopcount_limit = 50,
        .soft_error_limit = 100,
        .min_data_rate = 500,
        .lookup_ms = 60000,
        .limits = {{.timeout_ms = STEP_TIMEOUT_MS,
                    .hard_error_limit = 100,
                    .junk_command_limit = 100,
                    .has_request_deadline = true},
                   {.timeout_ms = STRESSED_TIMEOUT_MS,
                    .hard_error_limit = 1,
                    .junk_command_limit = 1,
                    .has_request_deadline = true}},
        .is_pipelining_checked = true,
        .reject_character_count = 1,
        .forbidden_commands = {"CONNECT", "GET", "POST"},
        .forbidden_command_count = 3,
    };
    f->receiver.session_max = 1000;
    set_up_lists(&f->receiver);
    set_up_access(&f->receiver);
    assert_int_equal(intake_new(&limits, &f->receiver.intake), SLUICE_OK);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    unlink_queue(f);
    receiver_done(&f->receiver);
    task_loop_done();
    free(f->queue.content);
    free(f);
    return 0;
}

static inline void body_task(void *arg)
{
    struct fixture *f = arg;

    f->body(f);
    session_cancel_all(&f->receiver);
    while (f->receiver.session_count > 0)
        (void)task_queue_wait(&f->receiver.session_ended, CLOCK_NEVER);
    task_loop_stop();
}

static inline void run_on_loop(struct fixture *f, void (*body)(struct fixture *f))
{
    f->body = body;
    assert_int_equal(task_start("test", body_task, f, NULL), SLUICE_OK);
    task_loop_run();
    if (f->failure[0] != '\0')
        fail_msg("%s", f->failure);
}

static inline void refuse_bare_newlines(struct fixture *f)
{
    (void)snprintf(f->receiver.settings.bare_newline_reply, SETTINGS_REPLY_MAX,
                   "550 5.5.2 mx.test Error: bare <LF> received");
}

/* ---- the client ------------------------------------------------------------------------------ */

/* A connection from that address; without reading the greeting. */
static inline struct stream *connect_raw(struct fixture *f, const char *from)
{
    struct stream *stream = NULL;
    struct address client;
    int fds[2];

    check(f, address_parse(sluice_span_of(from), 12345, &client) == SLUICE_OK, "client address");
    check(f, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
          "socketpair");
    check(f, stream_new(fds[0], &stream) == SLUICE_OK, "stream");
    check(f, session_start(&f->receiver, fds[1], &client) == SLUICE_OK, "session_start");
    return stream;
}

static inline void say(struct fixture *f, struct stream *stream, const void *bytes, size_t len)
{
    struct sluice_span data = {.ptr = bytes, .len = len};

    check(f, stream_write(stream, data, clock_monotonic_ms() + STEP_TIMEOUT_MS) == SLUICE_OK,
          "write: %s", stream_explain(stream));
}

/* The reply must be just that; at most "" of it if the connection is expected to end. */
static inline void hear(struct fixture *f, struct stream *stream, const char *want)
{
    char got[2048];
    size_t len = 0;
    size_t want_len = strlen(want);

    while (len < want_len) {
        size_t n = 0;
        sluice_status st = stream_read(stream, got + len, want_len - len,
                                       clock_monotonic_ms() + STEP_TIMEOUT_MS, &n);
        if (st != SLUICE_OK || n == 0)
            break;
        len += n;
    }
    check(f, len == want_len && memcmp(got, want, len) == 0, "wanted \"%s\"\ngot \"%.*s\"", want,
          (int)len, got);
}

static inline void hear_end(struct fixture *f, struct stream *stream)
{
    char got[512];
    size_t n = 0;
    sluice_status st =
        stream_read(stream, got, sizeof(got), clock_monotonic_ms() + STEP_TIMEOUT_MS, &n);

    check(f, st == SLUICE_OK && n == 0, "wanted the end, got \"%.*s\" (%s)", (int)n, got,
          stream_explain(stream));
}

static inline void talk(struct fixture *f, struct stream *stream, const char *send_text,
                        const char *want)
{
    say(f, stream, send_text, strlen(send_text));
    hear(f, stream, want);
    if (f->failure[0] != '\0' && strstr(f->failure, "after:") == NULL) {
        size_t len = strlen(f->failure);
        (void)snprintf(f->failure + len, sizeof(f->failure) - len, "\nafter: %.200s", send_text);
    }
}

/* Connected, greeted. */
static inline struct stream *connect_from(struct fixture *f, const char *from)
{
    struct stream *stream = connect_raw(f, from);

    hear(f, stream, "220 mx.test ESMTP Sluice\r\n");
    return stream;
}

#define EHLO_REPLY                                                                                 \
    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n"               \
    "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING\r\n"

/* And EHLO said. */
static inline struct stream *connect_esmtp(struct fixture *f, const char *from)
{
    struct stream *stream = connect_from(f, from);

    talk(f, stream, "EHLO client.test\r\n", EHLO_REPLY);
    return stream;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

#endif
