/* SPDX-License-Identifier: ISC */
/*
 * content: dot-stuffing and line breaking against plain models, cut at every place; what a scan
 * finds; reading that fails.
 */
#include "content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- encoding -------------------------------------------------------------------------------- */

/* What must come out, written as plainly as can be. */
static size_t model(const char *content, size_t len, size_t limit, char *out)
{
    size_t used = 0, column = 0;
    int is_start = 1;

    for (size_t i = 0; i < len; i++) {
        int is_end = content[i] == '\r' || content[i] == '\n';

        if (is_start && content[i] == '.')
            out[used++] = '.';
        if (limit != 0 && column == limit && !is_end) {
            used += (size_t)sprintf(out + used, "\r\n ");
            column = 1;
        }
        out[used++] = content[i];
        is_start = content[i] == '\n';
        column = is_end ? (is_start ? 0 : column) : column + 1;
    }
    used += (size_t)sprintf(out + used, "%s", is_start ? ".\r\n" : "\r\n.\r\n");
    return used;
}

/* All of one piece of input, through an output buffer of that size. */
static size_t encode_piece(struct content_encoder *encoder, const char *piece, size_t len,
                           size_t out_size, char *out)
{
    struct sluice_span bytes = {piece, len};
    size_t used = 0;

    while (bytes.len > 0) {
        char buffer[64];
        size_t n = content_encode(encoder, &bytes, buffer, out_size);

        assert_in_range(n, 1, out_size);
        memcpy(out + used, buffer, n);
        used += n;
    }
    return used;
}

static const char *const inputs[] = {
    "",
    ".",
    "..",
    "\r\n",
    ".\r\n",
    "..\r\n",
    "\r\n.\r\n",
    "\r\n.\r\n.\r\n..\r\n",
    "a.b\r\n.c\r\nd",
    "a\r\n.",
    "abc\r\n",
    "abcdefghijklmnop\r\n.qrstuvwxyz\r\n",
    "....................",
    ".a.b.c.d.e.f.g.h\r\n.\r\n",
    "\xff\x80\r\n.\xff\r\n",
};

static void check_encoding(const char *input, size_t limit, size_t cut1, size_t cut2,
                           size_t out_size)
{
    struct content_encoder encoder;
    char expected[512], got[512];
    size_t len = strlen(input), used = 0;

    content_encoder_init(&encoder, limit);
    used += encode_piece(&encoder, input, cut1, out_size, got);
    used += encode_piece(&encoder, input + cut1, cut2 - cut1, out_size, got + used);
    used += encode_piece(&encoder, input + cut2, len - cut2, out_size, got + used);
    used += content_encode_end(&encoder, got + used);
    assert_int_equal(used, model(input, len, limit, expected));
    assert_memory_equal(got, expected, used);
}

static void test_every_cut(void **state)
{
    static const size_t limits[] = {0, 2, 3, 5, 16};
    static const size_t out_sizes[] = {CONTENT_STEP_MAX, 5, 7, 64};

    (void)state;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        for (size_t cut1 = 0; cut1 <= strlen(inputs[i]); cut1++)
            for (size_t cut2 = cut1; cut2 <= strlen(inputs[i]); cut2++)
                for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
                    for (size_t o = 0; o < sizeof(out_sizes) / sizeof(out_sizes[0]); o++)
                        check_encoding(inputs[i], limits[l], cut1, cut2, out_sizes[o]);
}

static void test_broken_lines_are_not_over_the_limit(void **state)
{
    const char *input = "0123456789012345678901234\r\n.123456789\r\n";
    struct content_encoder encoder;
    struct sluice_span bytes = sluice_span_of(input);
    char out[256];
    size_t len;

    (void)state;
    content_encoder_init(&encoder, 10);
    len = content_encode(&encoder, &bytes, out, sizeof(out));
    out[len] = '\0';
    assert_string_equal(out, "0123456789\r\n 012345678\r\n 901234\r\n..123456789\r\n");
}

/* ---- reading and looking --------------------------------------------------------------------- */

struct memory_message {
    struct sluice_message message;
    const char *content;
    size_t per_read;
    size_t lies_at; /* from there on read() gives nothing, or too much */
    size_t gives;
    int reads;
};

static sluice_status memory_read(const struct sluice_message *message, uint64_t offset,
                                 void *buffer, size_t size, size_t *ret_len)
{
    struct memory_message *own = (struct memory_message *)(uintptr_t)message;
    size_t left = (size_t)(message->size - offset), len = size < left ? size : left;

    own->reads++;
    if (own->lies_at != 0 && offset >= own->lies_at) {
        *ret_len = own->gives;
        return SLUICE_OK;
    }
    len = len < own->per_read ? len : own->per_read;
    memcpy(buffer, own->content + offset, len);
    *ret_len = len;
    return SLUICE_OK;
}

static void memory_init(struct memory_message *message, const char *content, size_t per_read)
{
    memset(message, 0, sizeof(*message));
    message->message.struct_size = sizeof(message->message);
    message->message.size = strlen(content);
    message->message.read = memory_read;
    message->content = content;
    message->per_read = per_read;
}

static void test_scan(void **state)
{
    static const struct {
        const char *name, *content;
        int has_8bit, has_8bit_header;
    } cases[] = {
        {"empty", "", 0, 0},
        {"7-bit", "a: b\r\n\r\nc\r\n", 0, 0},
        {"body", "a: b\r\n\r\n\xe4\r\n", 1, 0},
        {"header", "a: \xe4\r\n\r\nb\r\n", 1, 1},
        {"both", "a: \xe4\r\n\r\n\xe4\r\n", 1, 1},
        {"last byte of the header", "a: \xe4\r\n\r\n", 1, 1},
        {"no body", "a: \xe4\r\n", 1, 1},
        {"no header", "\r\n\xe4\r\n", 1, 0},
        {"body with empty lines", "a: b\r\n\r\n\r\n\xe4\r\n\r\n", 1, 0},
    };
    struct content_reader *reader = malloc(sizeof(*reader));

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t per_read = 1; per_read <= strlen(cases[i].content) + 1; per_read++) {
            struct memory_message message;
            struct content_facts facts;

            print_message("%s, %zu a read\n", cases[i].name, per_read);
            memory_init(&message, cases[i].content, per_read);
            content_reader_init(reader, &message.message);
            assert_int_equal(content_scan(reader, &facts), SLUICE_OK);
            assert_int_equal(facts.has_8bit, cases[i].has_8bit);
            assert_int_equal(facts.has_8bit_header, cases[i].has_8bit_header);
        }
    }
    free(reader);
}

static void test_small_content_is_read_once(void **state)
{
    struct content_reader *reader = malloc(sizeof(*reader));
    struct memory_message message;
    struct content_facts facts;
    struct sluice_span bytes;

    (void)state;
    memory_init(&message, "a: b\r\n\r\nc\r\n", 1000);
    content_reader_init(reader, &message.message);
    assert_int_equal(content_scan(reader, &facts), SLUICE_OK);
    content_rewind(reader);
    assert_int_equal(content_next(reader, &bytes), SLUICE_OK);
    assert_int_equal(bytes.len, 11);
    assert_int_equal(content_next(reader, &bytes), SLUICE_OK);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(message.reads, 1);
    free(reader);
}

/* Less than was promised, or more than there is room for: never as if that were the message. */
static void test_wrong_lengths_are_temporary(void **state)
{
    static const size_t gives[] = {0, CONTENT_CHUNK_MAX + 1};
    struct content_reader *reader = malloc(sizeof(*reader));

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct memory_message message;
        struct sluice_span bytes;

        memory_init(&message, "0123456789", 4);
        message.lies_at = 4;
        message.gives = gives[i];
        content_reader_init(reader, &message.message);
        assert_int_equal(content_next(reader, &bytes), SLUICE_OK);
        assert_int_equal(bytes.len, 4);
        assert_int_equal(content_next(reader, &bytes), SLUICE_TEMP);
        assert_int_equal(content_next(reader, &bytes), SLUICE_TEMP);
    }
    free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_broken_lines_are_not_over_the_limit),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_small_content_is_read_once),
        cmocka_unit_test(test_wrong_lengths_are_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
