/* SPDX-License-Identifier: ISC */
/*
 * The form that mailboxes and commands get mail in: lines in front, line ends, quotes; the same however
 * the content is cut into reads.
 */
#include "letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON_MS INT64_C(1792756800000) /* Fri Oct 23 12:00:00 2026 UTC */

struct source {
    struct sluice_message message; /* first: read() gets it back */
    const char *content;
    size_t read_max;
};

static sluice_status read_content(const struct sluice_message *message, uint64_t offset,
                                  void *buffer, size_t size, size_t *ret_len)
{
    const struct source *source = (const struct source *)message;
    size_t left = (size_t)(message->size - offset);
    size_t len = size < source->read_max ? size : source->read_max;

    len = len < left ? len : left;
    memcpy(buffer, source->content + offset, len);
    *ret_len = len;
    return SLUICE_OK;
}

static void source_init(struct source *source, const char *sender, const char *content,
                        size_t read_max)
{
    *source = (struct source){.message = {.struct_size = sizeof(source->message),
                                          .sender = sluice_span_of(sender),
                                          .size = strlen(content),
                                          .read = read_content},
                              .content = content,
                              .read_max = read_max};
}

/* The whole letter; the caller frees it. */
static char *write_letter(const struct letter_format *format, const struct source *source)
{
    static const char address[] = "user@here.test";
    const struct sluice_recipient recipient = {.struct_size = sizeof(recipient),
                                               .address = sluice_span_of(address),
                                               .original = sluice_span_of("alias@here.test")};
    struct letter *letter = malloc(sizeof(*letter));
    char *text = malloc(4 * LETTER_PIECE_MIN);
    size_t total = 0;
    size_t len = 0;

    assert_non_null(letter);
    assert_non_null(text);
    letter_init(letter, format, &source->message, &recipient, NOON_MS);
    do {
        assert_int_equal(letter_next(letter, text + total, LETTER_PIECE_MIN, &len), SLUICE_OK);
        total += len;
    } while (len > 0);
    text[total] = '\0';
    free(letter);
    return text;
}

static const struct {
    const char *name;
    unsigned flags;
    const char *eol;
    const char *sender;
    const char *content;
    const char *letter;
} cases[] = {
    {"as it is", 0, "\n", "a@b", "Subject: x\r\n\r\nFrom me\r\n.\r\n",
     "Subject: x\n\nFrom me\n.\n"},
    {"nothing", 0, "\n", "a@b", "", ""},
    {"nothing, and a blank line", LETTER_BLANK, "\n", "a@b", "", "\n"},
    {"other line ends", 0, "\r\n", "a@b", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"From lines", LETTER_QUOTE_FROM, "\n", "a@b",
     "From x\r\nFrom\r\nFro m\r\n From x\r\nFFrom x\r\nxFrom x\r\nFrom \r\n",
     ">From x\nFrom\nFro m\n From x\nFFrom x\nxFrom x\n>From \n"},
    {"dots", LETTER_DOT, "\n", "a@b", ".\r\n..\r\n .\r\na.\r\n", "..\n...\n .\na.\n"},
    {"dots and From lines", LETTER_DOT | LETTER_QUOTE_FROM | LETTER_BLANK, "\r\n", "a@b",
     ".From \r\nFrom .\r\n", "..From \r\n>From .\r\n\r\n"},
    {"a CR alone", LETTER_QUOTE_FROM, "\n", "a@b", "a\rb\r\r\nFrom\r \r\n", "a\rb\r\nFrom\r \n"},
    {"lines in front", LETTER_RETURN_PATH | LETTER_ORIGINAL | LETTER_DELIVERED, "\n", "a@b",
     "x\r\n",
     "Return-Path: <a@b>\nX-Original-To: alias@here.test\nDelivered-To: user@here.test\nx\n"},
    {"an envelope line", LETTER_FROM, "\n", "a@b", "x\r\n",
     "From a@b  Fri Oct 23 12:00:00 2026\nx\n"},
    {"the null sender", LETTER_FROM | LETTER_RETURN_PATH, "\n", "", "x\r\n",
     "From MAILER-DAEMON  Fri Oct 23 12:00:00 2026\nReturn-Path: <>\nx\n"},
};

static void test_letters(void **state)
{
    static const size_t reads[] = {1, 2, 3, 5, 7, 4096};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct letter_format format = {
            .flags = cases[i].flags, .eol_len = strlen(cases[i].eol), .null_sender = ""};

        memcpy(format.eol, cases[i].eol, format.eol_len);
        for (size_t j = 0; j < sizeof(reads) / sizeof(reads[0]); j++) {
            struct source source;

            source_init(&source, cases[i].sender, cases[i].content, reads[j]);
            char *text = write_letter(&format, &source);
            if (strcmp(text, cases[i].letter) != 0)
                print_error("%s, %zu bytes a read\n", cases[i].name, reads[j]);
            assert_string_equal(text, cases[i].letter);
            free(text);
        }
    }
}

/* Each byte a line, the longest line end: what is put together always fits. */
static void test_the_worst_content(void **state)
{
    const struct letter_format format = {.flags = LETTER_QUOTE_FROM | LETTER_DOT,
                                         .eol = "12345678",
                                         .eol_len = LETTER_EOL_MAX,
                                         .null_sender = ""};
    char content[2 * LETTER_READ + 1];
    struct source source;

    (void)state;
    memset(content, '\n', sizeof(content) - 1);
    content[sizeof(content) - 1] = '\0';
    source_init(&source, "a@b", content, LETTER_READ);
    char *text = write_letter(&format, &source);
    assert_int_equal(strlen(text), (sizeof(content) - 1) * LETTER_EOL_MAX);
    free(text);
}

static sluice_status read_nothing(const struct sluice_message *message, uint64_t offset,
                                  void *buffer, size_t size, size_t *ret_len)
{
    (void)message;
    (void)offset;
    (void)buffer;
    (void)size;
    *ret_len = 0;
    return SLUICE_OK;
}

/* Half a message is none. */
static void test_content_that_ends_too_early(void **state)
{
    const struct sluice_recipient recipient = {.struct_size = sizeof(recipient)};
    struct letter *letter = malloc(sizeof(*letter));
    char *piece = malloc(LETTER_PIECE_MIN);
    struct source source;
    size_t len;

    (void)state;
    assert_non_null(letter);
    assert_non_null(piece);
    source_init(&source, "a@b", "x\r\n", 4096);
    source.message.read = read_nothing;
    letter_init(letter, &letter_maildir, &source.message, &recipient, NOON_MS);
    assert_int_equal(letter_next(letter, piece, LETTER_PIECE_MIN, &len), SLUICE_OK); /* its head */
    assert_int_equal(letter_next(letter, piece, LETTER_PIECE_MIN, &len), SLUICE_TEMP);
    free(piece);
    free(letter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_the_worst_content),
        cmocka_unit_test(test_content_that_ends_too_early),
    };

    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
