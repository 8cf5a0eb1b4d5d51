/* SPDX-License-Identifier: ISC */
/*
 * messages: every message comes back as it was, with extreme values; a body cut at any length is
 * refused; fields of a later version are skipped; random bytes do no harm.
 */
#include "base/codec.h"
#include "base/span.h"
#include "ipc/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ODD "a\0b\r\n\xff"
#define TEXT(text)                                                                                 \
    {                                                                                              \
        .ptr = (text), .len = sizeof(text) - 1                                                     \
    } /* for static tables */

/* One message of each kind behind one pair of functions, so that all go through the same tests. */
union any {
    struct message_setup setup;
    struct message_link link;
    struct message_died died;
    struct message_isolate isolate;
    struct message_replace replace;
    struct message_credit credit;
    struct message_lease lease;
    struct message_space space;
    struct message_commit commit;
    struct message_status status;
    struct message_release release;
    struct message_released released;
    struct message_job job;
    struct message_result result;
};

#define KIND(kind, type)                                                                           \
    static void encode_##kind(const union any *any, struct buffer *buffer)                         \
    {                                                                                              \
        message_##kind##_encode##type(&any->kind, buffer);                                         \
    }                                                                                              \
    static sluice_status decode_##kind(struct sluice_span body, union any *ret)                    \
    {                                                                                              \
        return message_##kind##_decode(body, &ret->kind);                                          \
    }
KIND(setup, )
KIND(link, )
KIND(died, )
KIND(isolate, )
KIND(replace, )
KIND(credit, )
KIND(lease, )
KIND(space, )
KIND(commit, _head)
KIND(status, )
KIND(release, )
KIND(released, )
KIND(job, _head)
KIND(result, )

static struct message_outcome outcomes[] = {
    {.status = SLUICE_OK, .relay = TEXT("mx1.example[192.0.2.1]:25")},
    {.status = INT32_MIN, .dsn = TEXT("5.1.1"), .text = TEXT(ODD)},
    {.status = SLUICE_TEMP},
};

static const struct kind {
    const char *name;
    void (*encode)(const union any *any, struct buffer *buffer);
    sluice_status (*decode)(struct sluice_span body, union any *ret);
    union any value;
    struct sluice_span content; /* the part that follows the head */
} kinds[] = {
    {"setup",
     encode_setup,
     decode_setup,
     {.setup = {.generation = UINT64_MAX, .index = UINT32_MAX, .log_target = 1, .crew = TEXT("recipient")}}},
    {"setup of zeros", encode_setup, decode_setup, {.setup = {0}}},
    {"link",
     encode_link,
     decode_link,
     {.link = {.role = TEXT("queue"), .index = 7, .generation = 1, .is_isolated = true, .pid = 4711,
               .crew = TEXT("list:list")}}},
    {"died",
     encode_died,
     decode_died,
     {.died = {.pid = INT32_MAX,
               .is_crash = true,
               .task = TEXT("0000000000000001"),
               .activity = TEXT("transport/smtp relay"),
               .text = TEXT(ODD)}}},
    {"isolate", encode_isolate, decode_isolate, {.isolate = {.is_wanted = true, .crew = TEXT("list:list")}}},
    {"replace", encode_replace, decode_replace, {.replace = {.text = TEXT(ODD)}}},
    {"credit",
     encode_credit,
     decode_credit,
     {.credit = {.bytes = UINT64_MAX, .messages = UINT64_MAX}}},
    {"lease", encode_lease, decode_lease, {.lease = {.first = UINT64_MAX, .count = 1}}},
    {"space", encode_space, decode_space, {.space = {.is_accepting = true, .free_bytes = 1}}},
    {"commit",
     encode_commit,
     decode_commit,
     {.commit = {.envelope = TEXT(ODD), .content = TEXT("Subject: x\r\n\r\n")}},
     TEXT("Subject: x\r\n\r\n")},
    {"commit of a file", encode_commit, decode_commit, {.commit = {.envelope = TEXT(ODD)}}},
    {"status",
     encode_status,
     decode_status,
     {.status = {.status = INT32_MAX, .dsn = TEXT("4.3.1"), .text = TEXT(ODD)}}},
    {"release",
     encode_release,
     decode_release,
     {.release = {.domain = TEXT("customer.tld"), .is_exempt = true}}},
    {"released",
     encode_released,
     decode_released,
     {.released = {.status = -1, .count = UINT64_MAX, .is_postponed = true}}},
    {"job",
     encode_job,
     decode_job,
     {.job = {.message_id = UINT64_MAX,
              .transport = TEXT("smtp"),
              .nexthop = TEXT("[mx]:2525"),
              .is_released = true,
              .envelope = TEXT(ODD),
              .content = TEXT(ODD)}},
     TEXT(ODD)},
    {"result",
     encode_result,
     decode_result,
     {.result = {.site = SITE_FAILED,
                 .connect_ms = INT64_MAX,
                 .transfer_ms = INT64_MIN,
                 .outcomes = outcomes,
                 .outcome_count = 3}}},
    {"result of nothing", encode_result, decode_result, {.result = {0}}},
};

static struct buffer body_of(const struct kind *kind)
{
    struct buffer body = BUFFER_INIT;

    kind->encode(&kind->value, &body);
    buffer_add_span(&body, kind->content);
    assert_false(buffer_failed(&body));
    return body;
}

static const struct kind *find_kind(const char *name)
{
    size_t i = 0;

    while (strcmp(kinds[i].name, name) != 0)
        i++;
    return &kinds[i];
}

static void free_decoded(const struct kind *kind, union any *any)
{
    if (kind->decode == decode_result)
        message_result_done(&any->result);
}

static void round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct buffer body = body_of(&kinds[i]);
        struct buffer again = BUFFER_INIT;
        union any decoded;

        print_message("%s\n", kinds[i].name);
        assert_int_equal(kinds[i].decode(buffer_span(&body), &decoded), SLUICE_OK);
        /* The same bytes again: every member came through. */
        kinds[i].encode(&decoded, &again);
        buffer_add_span(&again, kinds[i].content);
        assert_true(span_equal(buffer_span(&body), buffer_span(&again)));
        free_decoded(&kinds[i], &decoded);
        buffer_done(&again);
        buffer_done(&body);
    }
}

static void members_are_not_mixed_up(void **state)
{
    struct buffer body = body_of(find_kind("job"));
    struct message_job job;
    struct message_result result;

    (void)state;
    assert_int_equal(message_job_decode(buffer_span(&body), &job), SLUICE_OK);
    assert_true(job.message_id == UINT64_MAX);
    assert_true(span_equal(job.transport, SPAN_LITERAL("smtp")));
    assert_true(span_equal(job.nexthop, SPAN_LITERAL("[mx]:2525")));
    assert_true(job.is_released);
    assert_true(span_equal(job.envelope, SPAN_LITERAL(ODD)));
    assert_true(span_equal(job.content, SPAN_LITERAL(ODD)));
    buffer_done(&body);

    body = body_of(find_kind("result"));
    assert_int_equal(message_result_decode(buffer_span(&body), &result), SLUICE_OK);
    assert_int_equal(result.site, SITE_FAILED);
    assert_true(result.connect_ms == INT64_MAX && result.transfer_ms == INT64_MIN);
    assert_int_equal(result.outcome_count, 3);
    assert_int_equal(result.outcomes[1].status, INT32_MIN);
    assert_true(span_equal(result.outcomes[1].text, SPAN_LITERAL(ODD)));
    assert_true(span_equal(result.outcomes[0].relay, outcomes[0].relay));
    message_result_done(&result);
    buffer_done(&body);
}

static void cut_at_each_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct buffer body = body_of(&kinds[i]);

        for (size_t len = 0; len < body.len; len++) {
            char *exact = malloc(len + 1); /* ASan sees a read beyond it */
            union any decoded;
            assert_non_null(exact);
            memcpy(exact, body.ptr, len);
            exact = realloc(exact, len > 0 ? len : 1);
            struct sluice_span cut = {.ptr = exact, .len = len};
            assert_int_equal(kinds[i].decode(cut, &decoded), SLUICE_PERM);
            free(exact);
        }
        buffer_done(&body);
    }
}

static void later_fields_are_skipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct buffer body = body_of(&kinds[i]);
        union any decoded;

        codec_put_field(&body, 1000, SPAN_LITERAL("new"));
        assert_int_equal(kinds[i].decode(buffer_span(&body), &decoded), SLUICE_OK);
        free_decoded(&kinds[i], &decoded);
        buffer_done(&body);
    }
}

static void wrong_values(void **state)
{
    struct buffer body = BUFFER_INIT;
    struct message_setup setup = {.generation = 42};
    struct message_result result;

    (void)state;
    codec_put_number(&body, 1, 1);
    codec_put_number(&body, 2, (uint64_t)UINT32_MAX + 1); /* does not fit */
    codec_put_number(&body, 3, 0);
    assert_int_equal(message_setup_decode(buffer_span(&body), &setup), SLUICE_PERM);
    assert_int_equal(setup.generation, 42); /* untouched */

    buffer_clear(&body);
    codec_put_number(&body, 1, 0);
    codec_put_number(&body, 2, 0);
    codec_put_number(&body, 3, 0);
    codec_put_number(&body, 4, UINT64_MAX); /* outcomes that are not there */
    assert_int_equal(message_result_decode(buffer_span(&body), &result), SLUICE_PERM);
    buffer_done(&body);
}

/* Bodies with a few bytes changed are decoded or refused; ASan and UBSan watch. */
static void random_bytes(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const struct kind *kind = &kinds[(size_t)round % (sizeof(kinds) / sizeof(kinds[0]))];
        struct buffer body = body_of(kind);
        union any decoded;

        for (int n = rand_r(&seed) % 4; n >= 0; n--)
            body.ptr[(size_t)rand_r(&seed) % body.len] = (char)rand_r(&seed);
        if (kind->decode(buffer_span(&body), &decoded) == SLUICE_OK)
            free_decoded(kind, &decoded);
        buffer_done(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),         cmocka_unit_test(members_are_not_mixed_up),
        cmocka_unit_test(cut_at_each_length), cmocka_unit_test(later_fields_are_skipped),
        cmocka_unit_test(wrong_values),       cmocka_unit_test(random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
