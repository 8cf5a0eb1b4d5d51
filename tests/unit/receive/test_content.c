/* SPDX-License-Identifier: ISC */
/*
 * The end-of-data machine against a model that takes one byte at a time, with every way to cut nasty
 * inputs in two or three, and little room: spec M-41, M-42, M-44, M-60 to M-62.
 */
#include "receive/content.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUT_MAX 65536

/* ---- the model ------------------------------------------------------------------------------- */

struct model {
    char out[OUT_MAX];
    size_t len;
    size_t taken;
    bool is_done;
    bool has_bare_lf;
};

/* Line by line, looking ahead as far as it likes. */
static void model_run(struct model *model, const char *in, size_t len)
{
    bool is_clean = true; /* the line before ended in CRLF */
    size_t at = 0;

    memset(model, 0, sizeof(*model));
    while (at < len && !model->is_done) {
        const char *lf = memchr(in + at, '\n', len - at);
        size_t end = lf != NULL ? (size_t)(lf - in) : len;
        bool is_proper = lf != NULL && end > at && in[end - 1] == '\r';
        size_t text_end = is_proper ? end - 1 : end;
        size_t from = in[at] == '.' ? at + 1 : at;
        if (in[at] == '.' && from == text_end && is_proper && is_clean) {
            model->is_done = true;
            model->taken = end + 1;
            return;
        }
        for (size_t i = from; i < text_end; i++)
            model->out[model->len++] = in[i] == '\r' ? ' ' : in[i];
        if (lf != NULL) {
            model->out[model->len++] = '\r';
            model->out[model->len++] = '\n';
        }
        model->has_bare_lf = model->has_bare_lf || (lf != NULL && !is_proper);
        is_clean = is_proper;
        at = end + 1;
    }
    model->taken = len;
}

/* ---- the machine, cut ------------------------------------------------------------------------ */

struct run {
    struct content content;
    char out[OUT_MAX];
    size_t len;
    size_t taken;
};

static void feed(struct run *run, const char *in, size_t len, size_t room)
{
    while (len > 0 && !run->content.is_done) {
        size_t written;
        size_t taken = content_feed(&run->content, (struct sluice_span){.ptr = in, .len = len},
                                    run->out + run->len, room, &written);
        assert_true(written <= room);
        assert_true(taken > 0 || written > 0);
        run->len += written;
        run->taken += taken;
        in += taken;
        len -= taken;
    }
}

static void assert_same(const struct model *model, const struct run *run)
{
    assert_int_equal(run->content.is_done, model->is_done);
    assert_int_equal(run->taken, model->taken);
    assert_int_equal(run->content.has_bare_lf, model->has_bare_lf);
    assert_int_equal(run->content.size, run->len);
    assert_int_equal(run->len, model->len);
    assert_memory_equal(run->out, model->out, model->len);
}

static const struct {
    const char *name;
    const char *in; /* always ends in CR LF . CR LF Z, of which Z is the next command */
} nasty[] = {
    {"empty", "."},
    {"one line", "hello\r\n."},
    {"empty lines", "\r\n\r\n\r\n."},
    {"dots", "..dot\r\n...\r\n..\r\n.x\r\n."},
    {"LF . LF", "a\n.\nb\r\n."},
    {"LF . CRLF", "a\n.\r\nb\r\n."},
    {"CRLF . LF", "a\r\n.\nb\r\n."},
    {"CR . CR", "a\r.\rb\r\n."},
    {"CR . CRLF", "a\r.\r\nb\r\n."},
    {"CRLF . CR", "a\r\n.\rb\r\n."},
    {"CRLF . CR CRLF", "a\r\n.\r\r\nb\r\n."},
    {"LF CRLF . CRLF", "a\n\r\n."},
    {"LF . CRLF . CRLF", "a\n.\r\n."},
    {"CRs before LF", "a\r\r\r\nb\r\n."},
    {"CR LF CR", "\r\n\rx\r\n."},
    {"only CRs", "\r\r\r\r\n."},
    {"only LFs", "\n\n\n.\n\n.\n\r\n."},
    {"dot CR text", ".\rx\n.\r\n.\r\n."},
    {"no text before a bare dot", ".\n.\r\n.\r\n."},
};

static size_t make_input(const char *text, char *in)
{
    int len = snprintf(in, OUT_MAX / 4, "%s\r\nZ", text);

    return (size_t)len;
}

static void run_cut(const char *in, size_t len, size_t a, size_t b, size_t room, struct run *run)
{
    memset(run, 0, sizeof(*run));
    feed(run, in, a, room);
    if (!run->content.is_done)
        feed(run, in + a, b - a, room);
    if (!run->content.is_done)
        feed(run, in + b, len - b, room);
}

static void test_nasty_inputs_in_all_cuts(void **state)
{
    static struct model model;
    static struct run run;
    static char in[OUT_MAX / 4];

    (void)state;
    for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
        size_t len = make_input(nasty[i].in, in);
        print_message("  %s\n", nasty[i].name);
        model_run(&model, in, len);
        assert_true(model.is_done);
        for (size_t a = 0; a <= len; a++) {
            for (size_t b = a; b <= len; b++) {
                run_cut(in, len, a, b, CONTENT_ROOM_MIN, &run);
                assert_same(&model, &run);
                run_cut(in, len, a, b, OUT_MAX / 2, &run);
                assert_same(&model, &run);
            }
        }
    }
}

/* All words of up to eight letters of the alphabet that matters. */
static void test_all_short_inputs(void **state)
{
    static const char letters[] = {'\r', '\n', '.', 'x'};
    static struct model model;
    static struct run run;
    char in[16];

    (void)state;
    for (size_t len = 1; len <= 8; len++) {
        for (unsigned word = 0; word < 1u << (2 * len); word++) {
            for (size_t i = 0; i < len; i++)
                in[i] = letters[(word >> (2 * i)) & 3];
            model_run(&model, in, len);
            if (!model.is_done && in[len - 1] != 'x')
                continue; /* what is held back is not in the model */
            memset(&run.content, 0, sizeof(run.content));
            run.len = run.taken = 0;
            for (size_t i = 0; i < len && !run.content.is_done; i++)
                feed(&run, in + i, 1, CONTENT_ROOM_MIN);
            assert_same(&model, &run);
        }
    }
}

/* What is taken in blocks comes out as if it had come byte by byte: lines of all lengths, of which a few
 * have something in them or at their ends. */
static size_t make_lines(unsigned *seed, char *in, size_t size)
{
    static const char *const odd[] = {"\r", "\n", ".", "\r\n.", "\n.\r\n", "\r\n.\r", "\r\r\n", "\n.\n"};
    size_t len = 0;

    while (len + 8 < size) {
        unsigned word = *seed = *seed * 1103515245u + 12345u;
        const char *piece = "\r\n";

        if ((word >> 16) % 100 < 90)
            piece = "x";
        else if ((word >> 24) % 12 == 0)
            piece = odd[(word >> 20) % (sizeof(odd) / sizeof(odd[0]))];
        memcpy(in + len, piece, strlen(piece));
        len += strlen(piece);
    }
    memcpy(in + len, "x\r\n", 3);
    return len + 3;
}

static void test_blocks(void **state)
{
    static char in[4096];
    static struct run whole;
    static struct run bytes;
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t len = make_lines(&seed, in, sizeof(in));
        memset(&whole.content, 0, sizeof(whole.content));
        whole.content.is_counted = round % 2 == 0;
        whole.len = whole.taken = 0;
        bytes.content = whole.content;
        bytes.len = bytes.taken = 0;
        feed(&whole, in, len, round % 3 == 0 ? 200 : OUT_MAX / 2);
        for (size_t i = 0; i < len && !bytes.content.is_done; i++)
            feed(&bytes, in + i, 1, CONTENT_ROOM_MIN);
        assert_int_equal(whole.content.is_done, bytes.content.is_done);
        assert_int_equal(whole.content.has_bare_lf, bytes.content.has_bare_lf);
        assert_int_equal(whole.taken, bytes.taken);
        assert_int_equal(whole.len, bytes.len);
        assert_memory_equal(whole.out, bytes.out, bytes.len);
    }
}

/* Nasty inputs behind lines of every length: a block ends at each place of them. */
static void test_nasty_inputs_behind_blocks(void **state)
{
    static struct model model;
    static struct run run;
    static char in[OUT_MAX / 4];

    (void)state;
    for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
        for (size_t pad = 0; pad < 300; pad++) {
            memset(in, 'x', pad + 1);
            in[0] = '\n';
            memcpy(in + 1 + pad, "\r\n", 2);
            size_t len = pad + 3 + make_input(nasty[i].in, in + pad + 3);
            model_run(&model, in, len);
            memset(&run.content, 0, sizeof(run.content));
            run.len = run.taken = 0;
            feed(&run, in, len, OUT_MAX / 2);
            assert_same(&model, &run);
        }
    }
}

static void test_proper_lines_are_not_altered(void **state)
{
    static char in[OUT_MAX / 4];
    static struct run run;
    size_t len = 0;

    (void)state;
    for (int line = 0; line < 100; line++) {
        for (int i = 0; i < line; i++)
            in[len++] = (char)(1 + (line * 7 + i) % 255);
        for (size_t i = len - (size_t)line; i < len; i++) {
            if (in[i] == '\r' || in[i] == '\n' || in[i] == '.')
                in[i] = 'x';
        }
        in[len++] = '\r';
        in[len++] = '\n';
    }
    memset(&run, 0, sizeof(run));
    feed(&run, in, len, OUT_MAX / 2);
    feed(&run, ".\r\n", 3, OUT_MAX / 2);
    assert_true(run.content.is_done);
    assert_true(run.content.has_8bit);
    assert_false(run.content.has_bare_lf);
    assert_int_equal(run.len, len);
    assert_memory_equal(run.out, in, len);
}

static void test_rejected_characters(void **state)
{
    static struct run run;
    static const char in[] = "a\0b\r\n.\r\n";

    (void)state;
    memset(&run, 0, sizeof(run));
    feed(&run, in, sizeof(in) - 1, OUT_MAX / 2);
    assert_false(run.content.has_rejected);
    memset(&run, 0, sizeof(run));
    run.content.reject_characters = (struct sluice_span){.ptr = "\0\033", .len = 2};
    feed(&run, in, sizeof(in) - 1, OUT_MAX / 2);
    assert_true(run.content.has_rejected);
    assert_false(run.content.has_8bit);
}

static void test_header(void **state)
{
    static const char in[] = "Received: one\r\n two\r\nRECEIVED: three\r\nX-Received: no\r\n"
                             "Received-SPF: no\r\nSubject: Received: no\r\n Received: no\r\n"
                             "Message-Id:\r\n\t<id@x>\r\n\r\nReceived: body\r\nMessage-ID: <no>"
                             "\r\n.\r\n";
    static struct run run;

    (void)state;
    for (size_t cut = 1; cut < sizeof(in) - 1; cut++) {
        memset(&run, 0, sizeof(run));
        run_cut(in, sizeof(in) - 1, cut, cut, 7, &run);
        assert_true(run.content.is_done);
        assert_int_equal(run.content.header.received_count, 2);
        assert_int_equal(run.content.header.message_id_len, 6);
        assert_memory_equal(run.content.header.message_id, "<id@x>", 6);
    }
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static const struct {
    const char *in;
    const char *want;
} counted[] = {
    {"", ""},
    {".\r\n", ".\r\n"},
    {"..\r\n.", "..\r\n.\r\n"},
    {"a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n"},
    {"a\n.\nb", "a\r\n.\r\nb\r\n"},
    {"a\r.\rb\r", "a . b \r\n"},
    {"\n\r\n\r", "\r\n\r\n \r\n"},
    {"\r\r\n", " \r\n"},
};

/* Cut at any place, with little room. */
static void test_counted(void **state)
{
    static struct run run;

    (void)state;
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
        size_t len = strlen(counted[i].in);
        for (size_t cut = 0; cut <= len; cut++) {
            memset(&run, 0, sizeof(run));
            run.content.is_counted = true;
            feed(&run, counted[i].in, cut, CONTENT_ROOM_MIN);
            feed(&run, counted[i].in + cut, len - cut, CONTENT_ROOM_MIN);
            assert_int_equal(run.taken, len);
            run.len += content_end(&run.content, run.out + run.len);
            assert_true(run.content.is_done);
            assert_int_equal(run.content.size, run.len);
            assert_int_equal(run.len, strlen(counted[i].want));
            assert_memory_equal(run.out, counted[i].want, run.len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted),
        cmocka_unit_test(test_nasty_inputs_in_all_cuts),
        cmocka_unit_test(test_all_short_inputs),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_nasty_inputs_behind_blocks),
        cmocka_unit_test(test_proper_lines_are_not_altered),
        cmocka_unit_test(test_rejected_characters),
        cmocka_unit_test(test_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
