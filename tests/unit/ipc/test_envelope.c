/* SPDX-License-Identifier: ISC */
/*
 * envelope: comes back as it was; the common case is small; what we do not know is kept; what is
 * cut, of a later version or out of order is refused.
 */
#include "base/codec.h"
#include "base/span.h"
#include "ipc/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void fill(struct envelope *envelope)
{
    *envelope = (struct envelope){
        .sender = SPAN_LITERAL("sender@example.org"),
        .envid = SPAN_LITERAL("QQ314159"),
        .ret = 2,
        .body = SLUICE_BODY_8BITMIME,
        .is_smtputf8 = true,
        .client_address = SPAN_LITERAL("192.0.2.7"),
        .client_name = SPAN_LITERAL("client.example.org"),
        .helo = SPAN_LITERAL("client"),
        .protocol = SPAN_LITERAL("ESMTP"),
        .login = SPAN_LITERAL("somebody"),
        .arrival_ms = INT64_C(1750000000000),
        .content_size = UINT64_MAX,
        .is_held = true,
        .expired_ms = INT64_MIN,
        .warned_ms = -1,
        .crashes = UINT32_MAX,
    };
    struct envelope_recipient *recipient = envelope_add(envelope);
    assert_non_null(recipient);
    *recipient = (struct envelope_recipient){
        .address = SPAN_LITERAL("user@customer.tld"),
        .original = SPAN_LITERAL("alias@customer.tld"),
        .orcpt = SPAN_LITERAL("rfc822;alias@customer.tld"),
        .notify = UINT32_MAX,
        .transport = SPAN_LITERAL("etrn-only"),
        .nexthop = SPAN_LITERAL("[mailhost.customer.tld]"),
        .state = RECIPIENT_FAILED,
        .attempts = UINT32_MAX,
        .last_attempt_ms = 1,
        .next_due_ms = ENVELOPE_ON_RELEASE,
        .dsn = SPAN_LITERAL("5.1.1"),
        .text = SPAN_LITERAL("host said: 550 no\xc3\xa9"),
    };
    recipient = envelope_add(envelope);
    assert_non_null(recipient);
    recipient->address = SPAN_LITERAL("other@customer.tld");
}

static struct buffer encoded(const struct envelope *envelope)
{
    struct buffer bytes = BUFFER_INIT;

    envelope_encode(envelope, &bytes);
    assert_false(buffer_failed(&bytes));
    return bytes;
}

static void assert_same(struct sluice_span a, struct sluice_span b)
{
    assert_int_equal(a.len, b.len);
    assert_true(span_equal(a, b));
}

static void round_trip(void **state)
{
    struct envelope in;
    struct envelope out;

    (void)state;
    fill(&in);
    struct buffer bytes = encoded(&in);
    assert_int_equal(envelope_decode(buffer_span(&bytes), &out, NULL), SLUICE_OK);

    assert_same(out.sender, in.sender);
    assert_same(out.envid, in.envid);
    assert_int_equal(out.ret, in.ret);
    assert_int_equal(out.body, in.body);
    assert_true(out.is_smtputf8);
    assert_same(out.client_address, in.client_address);
    assert_same(out.client_name, in.client_name);
    assert_same(out.helo, in.helo);
    assert_same(out.protocol, in.protocol);
    assert_same(out.login, in.login);
    assert_true(out.arrival_ms == in.arrival_ms);
    assert_true(out.content_size == in.content_size);
    assert_true(out.is_held);
    assert_true(out.expired_ms == in.expired_ms);
    assert_true(out.warned_ms == in.warned_ms);
    assert_int_equal(out.crashes, in.crashes);
    assert_int_equal(out.unknown.len, 0);

    assert_int_equal(out.recipient_count, 2);
    const struct envelope_recipient *got = &out.recipients[0];
    const struct envelope_recipient *want = &in.recipients[0];
    assert_same(got->address, want->address);
    assert_same(got->original, want->original);
    assert_same(got->orcpt, want->orcpt);
    assert_int_equal(got->notify, want->notify);
    assert_same(got->transport, want->transport);
    assert_same(got->nexthop, want->nexthop);
    assert_int_equal(got->state, want->state);
    assert_int_equal(got->attempts, want->attempts);
    assert_true(got->last_attempt_ms == want->last_attempt_ms);
    assert_true(got->next_due_ms == want->next_due_ms);
    assert_same(got->dsn, want->dsn);
    assert_same(got->text, want->text);
    assert_same(out.recipients[1].address, in.recipients[1].address);
    assert_int_equal(out.recipients[1].state, RECIPIENT_WAITING);

    envelope_done(&out);
    envelope_done(&in);
    buffer_done(&bytes);
}

static void common_case_is_small(void **state)
{
    struct envelope in = {
        .sender = SPAN_LITERAL("s@example.org"),
        .client_address = SPAN_LITERAL("192.0.2.7"),
        .helo = SPAN_LITERAL("client"),
        .protocol = SPAN_LITERAL("ESMTP"),
        .arrival_ms = INT64_C(1750000000000),
        .content_size = 4096,
    };
    size_t text = 13 + 9 + 6 + 5;

    (void)state;
    struct envelope_recipient *recipient = envelope_add(&in);
    assert_non_null(recipient);
    recipient->address = SPAN_LITERAL("u@customer.tld");
    recipient->transport = SPAN_LITERAL("smtp");
    recipient->nexthop = SPAN_LITERAL("customer.tld");
    text += 14 + 4 + 12;
    struct buffer bytes = encoded(&in);
    assert_in_range(bytes.len, text, text + 40);
    envelope_done(&in);
    buffer_done(&bytes);
}

static void many_recipients(void **state)
{
    struct envelope in = ENVELOPE_INIT;
    struct envelope out;
    char names[1000][16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct envelope_recipient *recipient = envelope_add(&in);
        assert_non_null(recipient);
        (void)snprintf(names[i], sizeof(names[i]), "u%d@x", i);
        recipient->address = sluice_span_of(names[i]);
    }
    struct buffer bytes = encoded(&in);
    assert_int_equal(envelope_decode(buffer_span(&bytes), &out, NULL), SLUICE_OK);
    assert_int_equal(out.recipient_count, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_same(out.recipients[i].address, in.recipients[i].address);
    envelope_done(&out);
    envelope_done(&in);
    buffer_done(&bytes);
}

/* What a later version writes comes through an older reader and writer unharmed. */
static void unknown_is_kept(void **state)
{
    struct buffer more = BUFFER_INIT;
    struct envelope in;
    struct envelope out;

    (void)state;
    fill(&in);
    codec_put_field(&more, 1000, SPAN_LITERAL("one"));
    codec_put_number(&more, 1000, 7); /* may repeat */
    codec_put_field(&more, 1001, SPAN_EMPTY);
    in.unknown = buffer_span(&more);
    in.recipients[1].unknown = buffer_span(&more);
    struct buffer bytes = encoded(&in);
    assert_int_equal(envelope_decode(buffer_span(&bytes), &out, NULL), SLUICE_OK);
    assert_same(out.unknown, buffer_span(&more));
    assert_same(out.recipients[1].unknown, buffer_span(&more));
    assert_int_equal(out.recipients[0].unknown.len, 0);
    struct buffer again = encoded(&out);
    assert_same(buffer_span(&again), buffer_span(&bytes));

    buffer_done(&again);
    buffer_done(&bytes);
    buffer_done(&more);
    envelope_done(&out);
    envelope_done(&in);
}

static void cut_at_each_length(void **state)
{
    struct envelope in;
    struct envelope out;

    (void)state;
    fill(&in);
    struct buffer bytes = encoded(&in);
    for (size_t len = 0; len < bytes.len; len++) {
        struct sluice_span cut = {.ptr = malloc(len > 0 ? len : 1), .len = len};
        struct error err = ERROR_INIT;
        assert_non_null(cut.ptr);
        memcpy((char *)cut.ptr, bytes.ptr, len);
        assert_int_equal(envelope_decode(cut, &out, &err), SLUICE_PERM);
        assert_true(err.text[0] != '\0');
        free((char *)cut.ptr);
    }
    envelope_done(&in);
    buffer_done(&bytes);
}

/* An envelope of the fields that are in fields, with the given version. */
static sluice_status decode_raw(uint64_t version, const struct buffer *fields, struct error *err)
{
    struct buffer bytes = BUFFER_INIT;
    struct envelope out;

    codec_put_varint(&bytes, version);
    for (int i = 0; i < 4; i++)
        buffer_add_byte(&bytes, (char)(fields->len >> (8 * i)));
    buffer_add_span(&bytes, buffer_span(fields));
    sluice_status status = envelope_decode(buffer_span(&bytes), &out, err);
    if (status == SLUICE_OK)
        envelope_done(&out);
    buffer_done(&bytes);
    return status;
}

static void refused(void **state)
{
    struct buffer fields = BUFFER_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(decode_raw(1, &fields, &err), SLUICE_OK); /* nothing: the null sender */
    assert_int_equal(decode_raw(2, &fields, &err), SLUICE_PERM);
    assert_non_null(strstr(err.text, "version 2"));

    codec_put_field(&fields, 2, SPAN_LITERAL("envid"));
    codec_put_field(&fields, 1, SPAN_LITERAL("sender")); /* out of order */
    assert_int_equal(decode_raw(1, &fields, &err), SLUICE_PERM);

    buffer_clear(&fields);
    codec_put_field(&fields, 1, SPAN_LITERAL("sender"));
    codec_put_field(&fields, 1, SPAN_LITERAL("sender")); /* twice */
    assert_int_equal(decode_raw(1, &fields, &err), SLUICE_PERM);

    buffer_clear(&fields);
    codec_put_field(&fields, 20, SPAN_LITERAL("unknown, but before the recipients"));
    assert_int_equal(decode_raw(1, &fields, &err), SLUICE_PERM);

    buffer_clear(&fields);
    codec_put_field(&fields, 11, SPAN_LITERAL("no number"));
    assert_int_equal(decode_raw(1, &fields, &err), SLUICE_PERM);
    buffer_done(&fields);
}

static void random_bytes(void **state)
{
    struct envelope in;
    unsigned seed = 2;

    (void)state;
    fill(&in);
    struct buffer bytes = encoded(&in);
    char *copy = malloc(bytes.len);
    assert_non_null(copy);
    for (int round = 0; round < 20000; round++) {
        struct envelope out;
        memcpy(copy, bytes.ptr, bytes.len);
        for (int n = rand_r(&seed) % 4; n >= 0; n--)
            copy[5 + (size_t)rand_r(&seed) % (bytes.len - 5)] = (char)rand_r(&seed);
        struct sluice_span changed = {.ptr = copy, .len = bytes.len};
        if (envelope_decode(changed, &out, NULL) == SLUICE_OK)
            envelope_done(&out);
    }
    free(copy);
    envelope_done(&in);
    buffer_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),         cmocka_unit_test(common_case_is_small),
        cmocka_unit_test(many_recipients),    cmocka_unit_test(unknown_is_kept),
        cmocka_unit_test(cut_at_each_length), cmocka_unit_test(refused),
        cmocka_unit_test(random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
