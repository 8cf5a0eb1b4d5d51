/* SPDX-License-Identifier: ISC */
/*
 * Queries against a name server of the test's own: a thread with canned answers.
 */
#include "net/dns.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/span.h"
#include "net/address.h"
#include "task/task.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the name server ------------------------------------------------------------------------- */

#define RCODE_SILENT 255 /* no answer at all */
#define RCODE_SLOW 240   /* a good answer, after a while */
#define SLOW_US 800000

struct rr {
    const char *owner;
    uint16_t type;
    const char *rdata; /* A: "1.2.3.4"; MX: "10 host"; CNAME: "host" */
};

struct zone_entry {
    const char *name;
    uint16_t type;
    uint8_t rcode;
    struct rr answers[3];
};

#define TYPE_CNAME 5

static const struct zone_entry zone[] = {
    {"two.example",
     SLUICE_DNS_MX,
     0,
     {{"two.example", SLUICE_DNS_MX, "20 backup.example"},
      {"two.example", SLUICE_DNS_MX, "10 mx.example"}}},
    {"null.example", SLUICE_DNS_MX, 0, {{"null.example", SLUICE_DNS_MX, "0 "}}},
    {"blank.example", SLUICE_DNS_MX, 0, {{"blank.example", SLUICE_DNS_MX, "5 a b.example"}}},
    {"mx.example",
     SLUICE_DNS_A,
     0,
     {{"mx.example", SLUICE_DNS_A, "192.0.2.1"}, {"mx.example", SLUICE_DNS_A, "192.0.2.2"}}},
    {"mx.example", SLUICE_DNS_AAAA, 0, {{"mx.example", SLUICE_DNS_AAAA, "2001:db8::1"}}},
    {"alias.example",
     SLUICE_DNS_A,
     0,
     {{"alias.example", TYPE_CNAME, "real.example"}, {"real.example", SLUICE_DNS_A, "192.0.2.3"}}},
    /* libunbound trusts no more of a chain than its first link, and asks for the rest. */
    {"real.example", SLUICE_DNS_A, 0, {{"real.example", SLUICE_DNS_A, "192.0.2.3"}}},
    {"a.test", SLUICE_DNS_A, 0, {{"a.test", SLUICE_DNS_A, "192.0.2.4"}}},
    {"private.example", SLUICE_DNS_A, 0, {{"private.example", SLUICE_DNS_A, "10.0.0.1"}}},
    {"9.0.0.127.in-addr.arpa",
     SLUICE_DNS_PTR,
     0,
     {{"9.0.0.127.in-addr.arpa", SLUICE_DNS_PTR, "nine.example"}}},
    {"nodata.example", SLUICE_DNS_MX, 0, {{NULL, 0, NULL}}},
    {"nothing.example", SLUICE_DNS_MX, 3, {{NULL, 0, NULL}}},
    {"broken.example", SLUICE_DNS_MX, 2, {{NULL, 0, NULL}}},
    {"refused.example", SLUICE_DNS_MX, 5, {{NULL, 0, NULL}}},
    {"silent.example", SLUICE_DNS_A, RCODE_SILENT, {{NULL, 0, NULL}}},
    {"slow.example", SLUICE_DNS_A, RCODE_SLOW, {{"slow.example", SLUICE_DNS_A, "192.0.2.5"}}},
};

struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int asked; /* for mx.example A */
};

static void put_u16(struct buffer *out, unsigned number)
{
    buffer_add_byte(out, (char)(number >> 8));
    buffer_add_byte(out, (char)(number & 0xff));
}

static void put_name(struct buffer *out, struct sluice_span name)
{
    while (name.len > 0) {
        size_t label = span_find(name, '.');
        buffer_add_byte(out, (char)label);
        buffer_add(out, name.ptr, label);
        name = span_skip(name, label + 1);
    }
    buffer_add_byte(out, 0);
}

static void put_rdata(struct buffer *out, const struct rr *rr)
{
    struct sluice_span text = sluice_span_of(rr->rdata);
    struct address address;

    if (rr->type == SLUICE_DNS_MX) {
        size_t blank = span_find(text, ' ');
        uint64_t preference = 0;
        (void)span_to_u64(span_first(text, blank), &preference);
        put_u16(out, (unsigned)preference);
        put_name(out, span_skip(text, blank + 1));
    } else if (rr->type == TYPE_CNAME || rr->type == SLUICE_DNS_PTR) {
        put_name(out, text);
    } else if (address_parse(text, 0, &address) == SLUICE_OK) {
        if (rr->type == SLUICE_DNS_A)
            buffer_add(out, &address.v4.sin_addr, 4);
        else
            buffer_add(out, &address.v6.sin6_addr, 16);
    }
}

static void put_rr(struct buffer *out, const struct rr *rr)
{
    struct buffer rdata = BUFFER_INIT;

    put_rdata(&rdata, rr);
    put_name(out, sluice_span_of(rr->owner));
    put_u16(out, rr->type);
    put_u16(out, 1);
    put_u16(out, 0);
    put_u16(out, 300); /* TTL */
    put_u16(out, (unsigned)rdata.len);
    buffer_add_span(out, buffer_span(&rdata));
    buffer_done(&rdata);
}

/* The question's name as text, its type, and where it ends; false: not understood. */
static bool read_question(struct sluice_span packet, char name[256], unsigned *type, size_t *end)
{
    size_t at = 12;
    size_t len = 0;

    while (at < packet.len && packet.ptr[at] != 0) {
        size_t label = (unsigned char)packet.ptr[at];
        if (at + label + 1 >= packet.len || len + label + 2 > 256)
            return false;
        if (len > 0)
            name[len++] = '.';
        memcpy(name + len, packet.ptr + at + 1, label);
        len += label;
        at += label + 1;
    }
    name[len] = '\0';
    if (at + 5 > packet.len)
        return false;
    *type = (unsigned)(unsigned char)packet.ptr[at + 1] << 8 | (unsigned char)packet.ptr[at + 2];
    *end = at + 5;
    return true;
}

static const struct zone_entry *find_entry(const char *name, unsigned type)
{
    for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++) {
        if (zone[i].type == type &&
            span_equal_case(sluice_span_of(zone[i].name), sluice_span_of(name)))
            return &zone[i];
    }
    return NULL;
}

static void put_reply(struct buffer *out, struct sluice_span packet, size_t end,
                      const struct zone_entry *entry)
{
    unsigned count = 0;

    while (entry != NULL && count < 3 && entry->answers[count].owner != NULL)
        count++;
    buffer_add(out, packet.ptr, 2);
    put_u16(out, 0x8580u | (entry != NULL ? entry->rcode & 0xfu : 3u)); /* SLOW is 0 */
    put_u16(out, 1);
    put_u16(out, count);
    put_u16(out, 0);
    put_u16(out, 0);
    buffer_add(out, packet.ptr + 12, end - 12);
    for (unsigned i = 0; i < count; i++)
        put_rr(out, &entry->answers[i]);
}

static void answer(struct server *server, struct sluice_span packet, const struct sockaddr *from,
                   socklen_t from_len)
{
    struct buffer reply = BUFFER_INIT;
    char name[256];
    unsigned type;
    size_t end;

    if (packet.len < 17 || !read_question(packet, name, &type, &end))
        return;
    const struct zone_entry *entry = find_entry(name, type);
    if (type == SLUICE_DNS_A && strcmp(name, "mx.example") == 0)
        atomic_fetch_add(&server->asked, 1);
    if (entry != NULL && entry->rcode == RCODE_SILENT)
        return;
    if (entry != NULL && entry->rcode == RCODE_SLOW)
        (void)usleep(SLOW_US);
    put_reply(&reply, packet, end, entry);
    (void)sendto(server->fd, reply.ptr, reply.len, 0, from, from_len);
    buffer_done(&reply);
}

/* Until somebody sends an empty packet. */
static void *serve(void *arg)
{
    struct server *server = arg;

    for (;;) {
        char packet[1500];
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        ssize_t n =
            recvfrom(server->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);
        if (n <= 0)
            return NULL;
        answer(server, (struct sluice_span){packet, (size_t)n}, (struct sockaddr *)&from, from_len);
    }
}

static void server_start(struct server *server)
{
    struct address address;

    assert_int_equal(address_parse(SPAN_LITERAL("127.0.0.1"), 0, &address), SLUICE_OK);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, &address.any, address.len), 0);
    assert_int_equal(getsockname(server->fd, &address.any, &address.len), 0);
    server->port = address_port(&address);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    struct address address;

    assert_int_equal(address_parse(SPAN_LITERAL("127.0.0.1"), server->port, &address), SLUICE_OK);
    assert_int_equal(sendto(server->fd, "", 0, 0, &address.any, address.len), 0);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct server server;

static int set_up(void **state)
{
    char text[64];
    const char *servers[] = {text};
    struct error err = ERROR_INIT;

    (void)state;
    server_start(&server);
    atomic_store(&server.asked, 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1@%u", (unsigned)server.port);
    return task_loop_init() == SLUICE_OK && dns_init(servers, 1, &err) == SLUICE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    dns_done();
    task_loop_done();
    server_stop(&server);
    return 0;
}

/* Records as text: "10 mx.example;". */
struct collector {
    struct sluice_dns_sink sdk;
    char text[256];
};

static void collect_any_ttl(const struct sluice_dns_sink *sink,
                            const struct sluice_dns_record *record)
{
    struct collector *collector = (struct collector *)(uintptr_t)sink;
    size_t len = strlen(collector->text);

    if (record->type == SLUICE_DNS_MX)
        len += (size_t)snprintf(collector->text + len, sizeof(collector->text) - len, "%u ",
                                (unsigned)record->preference);
    (void)snprintf(collector->text + len, sizeof(collector->text) - len, "%.*s;",
                   SPAN_ARGS(record->target));
}

static void collect(const struct sluice_dns_sink *sink, const struct sluice_dns_record *record)
{
    assert_true(record->ttl_s > 0 && record->ttl_s <= 300);
    collect_any_ttl(sink, record);
}

static sluice_status ask(const char *name, uint32_t type, int64_t wait_ms,
                         struct collector *collector, struct error *err)
{
    *collector =
        (struct collector){.sdk = {.struct_size = sizeof(collector->sdk), .record = collect}};
    *err = (struct error)ERROR_INIT;
    return dns_query(sluice_span_of(name), type, clock_monotonic_ms() + wait_ms, &collector->sdk,
                     err);
}

static int asked_cases;

static void ask_cases(void *arg)
{
    static const struct {
        const char *name;
        const char *query;
        uint32_t type;
        sluice_status want;
        const char *records; /* TEMP: part of the text */
    } cases[] = {
        {"mx in the order of the answer", "two.example", SLUICE_DNS_MX, SLUICE_OK, NULL},
        {"null mx", "null.example", SLUICE_DNS_MX, SLUICE_OK, "0 ;"},
        {"final dot in the question", "null.example.", SLUICE_DNS_MX, SLUICE_OK, "0 ;"},
        {"aaaa", "mx.example", SLUICE_DNS_AAAA, SLUICE_OK, "2001:db8::1;"},
        {"cname is followed", "alias.example", SLUICE_DNS_A, SLUICE_OK, "192.0.2.3;"},
        {"test. is asked for", "a.test", SLUICE_DNS_A, SLUICE_OK, "192.0.2.4;"},
        {"private address", "private.example", SLUICE_DNS_A, SLUICE_OK, "10.0.0.1;"},
        {"ptr of our own network is asked for", "9.0.0.127.in-addr.arpa", SLUICE_DNS_PTR, SLUICE_OK,
         "nine.example;"},
        {"no data", "nodata.example", SLUICE_DNS_MX, SLUICE_NOT_FOUND, ""},
        {"no such name", "nothing.example", SLUICE_DNS_MX, SLUICE_NOT_FOUND, ""},
        {"invalid. is asked for", "a.invalid", SLUICE_DNS_MX, SLUICE_NOT_FOUND, ""},
        {"servfail", "broken.example", SLUICE_DNS_MX, SLUICE_TEMP, "broken.example"},
        {"refused", "refused.example", SLUICE_DNS_MX, SLUICE_TEMP, "refused.example"},
        {"mx that is no host name", "blank.example", SLUICE_DNS_MX, SLUICE_TEMP, "no record"},
        {"empty name", "", SLUICE_DNS_MX, SLUICE_NOT_FOUND, ""},
        {"label too long",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", SLUICE_DNS_A,
         SLUICE_NOT_FOUND, ""},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct collector collector;
        struct error err;
        sluice_status status = ask(cases[i].query, cases[i].type, 8000, &collector, &err);

        print_message("  %s: %s %s%s\n", cases[i].name, status_name(status), collector.text,
                      err.text);
        assert_int_equal(status, cases[i].want);
        if (status == SLUICE_TEMP) {
            assert_non_null(strstr(err.text, cases[i].records));
            assert_string_equal(err.dsn, "4.4.3");
        } else if (cases[i].records != NULL) {
            assert_string_equal(collector.text, cases[i].records);
        } else { /* libunbound may turn round a set of records */
            assert_non_null(strstr(collector.text, "10 mx.example;"));
            assert_non_null(strstr(collector.text, "20 backup.example;"));
        }
        asked_cases++;
    }
}

static void start(const char *name, task_fn *fn, void *arg)
{
    assert_int_equal(task_start(name, fn, arg, NULL), SLUICE_OK);
}

static void test_answers(void **state)
{
    (void)state;
    asked_cases = 0;
    start("cases", ask_cases, NULL);
    task_loop_run();
    assert_int_equal(asked_cases, 16);
}

struct silence {
    int64_t wait_ms;
    const char *text; /* what ends it */
};

static void ask_silence(void *arg)
{
    const struct silence *silence = arg;
    struct collector collector;
    struct error err;

    assert_int_equal(ask("silent.example", SLUICE_DNS_A, silence->wait_ms, &collector, &err),
                     SLUICE_TEMP);
    assert_non_null(strstr(err.text, silence->text));
    /* The context still answers others. */
    if (!task_is_cancelled())
        assert_int_equal(ask("mx.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
}

static void test_deadline(void **state)
{
    struct silence silence = {.wait_ms = 200, .text = "no answer in time"};

    (void)state;
    start("silence", ask_silence, &silence);
    task_loop_run();
}

/* A resolver that is quick with what it knows may need its time for what it does not. */
static void ask_slow(void *arg)
{
    static const char *const quick[] = {"two.example", "null.example", "nothing.example"};
    struct collector collector;
    struct error err;

    (void)arg;
    for (size_t i = 0; i < 3; i++)
        assert_int_not_equal(ask(quick[i], SLUICE_DNS_MX, 8000, &collector, &err), SLUICE_TEMP);
    assert_int_equal(ask("slow.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
    assert_string_equal(collector.text, "192.0.2.5;");
}

static void test_slow_server(void **state)
{
    (void)state;
    start("slow", ask_slow, NULL);
    task_loop_run();
}

static void cancel_soon(void *arg)
{
    assert_int_equal(task_sleep_until(clock_monotonic_ms() + 20), SLUICE_OK);
    task_cancel(arg);
}

static void test_cancel(void **state)
{
    struct silence silence = {.wait_ms = 60000, .text = "cancelled"};
    struct task *victim;

    (void)state;
    assert_int_equal(task_start("silence", ask_silence, &silence, &victim), SLUICE_OK);
    start("canceller", cancel_soon, victim);
    task_loop_run();
}

static void ask_again(void *arg)
{
    struct collector collector;
    struct error err;

    (void)arg;
    assert_int_equal(ask("mx.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
    assert_int_equal(ask("mx.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
    assert_int_equal(atomic_load(&server.asked), 1); /* from the cache */
    dns_refresh();
    assert_int_equal(ask("mx.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
    assert_int_equal(atomic_load(&server.asked), 1); /* younger than a second */
    assert_int_equal(task_sleep_until(clock_monotonic_ms() + 1010), SLUICE_OK);
    dns_refresh();
    dns_refresh();
    assert_int_equal(ask("mx.example", SLUICE_DNS_A, 8000, &collector, &err), SLUICE_OK);
    assert_int_equal(atomic_load(&server.asked), 2);
}

/* Begins before the refresh, and is answered by nobody. */
static void ask_across_refresh(void *arg)
{
    struct collector collector;
    struct error err;

    (void)arg;
    assert_int_equal(ask("silent.example", SLUICE_DNS_A, 1500, &collector, &err), SLUICE_TEMP);
}

static void test_refresh(void **state)
{
    (void)state;
    start("across", ask_across_refresh, NULL);
    start("again", ask_again, NULL);
    task_loop_run();
}

static int answered;

static void ask_one_of_many(void *arg)
{
    struct collector collector;
    struct error err;
    static const char *const names[] = {"two.example", "null.example", "nothing.example"};

    for (size_t i = 0; i < 3; i++)
        assert_int_not_equal(ask(names[i], SLUICE_DNS_MX, 8000, &collector, &err), SLUICE_TEMP);
    (void)arg;
    answered++;
}

static void test_many_at_once(void **state)
{
    (void)state;
    answered = 0;
    for (int i = 0; i < 100; i++)
        start("one", ask_one_of_many, NULL);
    task_loop_run();
    assert_int_equal(answered, 100);
}

/* ---- servers that are none ------------------------------------------------------------------- */

static void ask_nobody(void *arg)
{
    struct collector collector;
    struct error err;

    (void)arg;
    assert_int_equal(ask("mx.example", SLUICE_DNS_A, 3000, &collector, &err), SLUICE_TEMP);
    print_message("  %s\n", err.text);
}

static void test_refused_server(void **state)
{
    struct server gone = {0};
    struct error err = ERROR_INIT;
    char text[64];
    const char *servers[] = {text};

    (void)state;
    server_start(&gone);
    server_stop(&gone);
    (void)snprintf(text, sizeof(text), "127.0.0.1@%u", (unsigned)gone.port);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(dns_init(servers, 1, &err), SLUICE_OK);
    start("nobody", ask_nobody, NULL);
    task_loop_run();
    dns_done();
    task_loop_done();
}

static void ask_localhost(void *arg)
{
    struct collector *collector = arg;
    struct error err;

    *collector = (struct collector){.sdk = {.struct_size = sizeof(collector->sdk)}};
    collector->sdk.record = collect_any_ttl;
    assert_int_equal(dns_query(SPAN_LITERAL("localhost"), SLUICE_DNS_A, clock_monotonic_ms() + 8000,
                               &collector->sdk, &err),
                     SLUICE_OK);
}

/* Answered without a packet, by the hosts file or libunbound itself. */
static void test_system_servers(void **state)
{
    struct collector collector;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(dns_init(NULL, 0, &err), SLUICE_OK);
    start("localhost", ask_localhost, &collector);
    task_loop_run();
    assert_string_equal(collector.text, "127.0.0.1;");
    dns_done();
    task_loop_done();
}

static void test_bad_server(void **state)
{
    const char *servers[] = {"ns.example"};
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(dns_init(servers, 1, &err), SLUICE_CONFIG);
    assert_non_null(strstr(err.text, "ns.example"));
    task_loop_done();
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* ---- names of addresses ---------------------------------------------------------------------- */

static void test_reverse_names(void **state)
{
    static const struct {
        const char *address;
        const char *want;
    } cases[] = {
        {"192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"::ffff:255.255.255.255", "255.255.255.255.in-addr.arpa"},
        {"2001:db8::567:89ab",
         "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        char name[DNS_REVERSE_NAME_SIZE];
        assert_int_equal(address_parse(sluice_span_of(cases[i].address), 0, &address), SLUICE_OK);
        dns_reverse_name(&address, name);
        assert_string_equal(name, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reverse_names),
        WITH_SERVER(test_answers),
        WITH_SERVER(test_deadline),
        WITH_SERVER(test_slow_server),
        WITH_SERVER(test_cancel),
        WITH_SERVER(test_refresh),
        WITH_SERVER(test_many_at_once),
        cmocka_unit_test(test_refused_server),
        cmocka_unit_test(test_system_servers),
        cmocka_unit_test(test_bad_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
