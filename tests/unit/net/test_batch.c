/* SPDX-License-Identifier: ISC */
/*
 * batch: a daemon of the test's own at the other end, on a thread: what it is told, for every answer
 * that it may give.
 */
#include "net/batch.h"

#include "base/buffer.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "MAIL FROM:<a>\r\n"
#define CONTENT "DATA\r\nSubject: x\r\n\r\n..\r\n.\r\n"
#define TO_B "RCPT TO:<b>\r\n"
#define TO_C "RCPT TO:<c>\r\n"

/* A daemon that takes some recipients at a time and says to one verb what it is told to. */
struct daemon {
    FILE *in;
    int fd;
    unsigned at_a_time;  /* 0: all */
    const char *verb;    /* NULL: all is well */
    const char *reply;   /* NULL: hangs up */
    struct buffer heard; /* "a<bc" for each message: sender, and recipients that it took */
    unsigned taken;
};

static void say(const struct daemon *daemon, const char *reply)
{
    (void)send(daemon->fd, reply, strlen(reply), MSG_NOSIGNAL);
    (void)send(daemon->fd, "\r\n", 2, MSG_NOSIGNAL);
}

static void hear_content(struct daemon *daemon, char *line, size_t size)
{
    while (fgets(line, (int)size, daemon->in) != NULL && strcmp(line, ".\r\n") != 0)
        continue;
}

static const char *answer(struct daemon *daemon, const char *line)
{
    if (strncmp(line, "MAIL", 4) == 0) {
        daemon->taken = 0;
        buffer_printf(&daemon->heard, "%c<", line[11]);
    } else if (strncmp(line, "RCPT", 4) == 0) {
        if (daemon->at_a_time > 0 && daemon->taken == daemon->at_a_time)
            return "452 4.5.3 Error: too many recipients";
        daemon->taken++;
        buffer_add_byte(&daemon->heard, line[9]);
    } else if (strncmp(line, "DATA", 4) == 0) {
        return "354 go on";
    }
    return "250 2.0.0 Ok";
}

static void *serve(void *arg)
{
    struct daemon *daemon = arg;
    char line[512];

    say(daemon, "220-hello\r\n220 hello");
    while (fgets(line, sizeof(line), daemon->in) != NULL) {
        bool is_told = daemon->verb != NULL && strncmp(line, daemon->verb, 4) == 0;
        const char *reply = is_told ? daemon->reply : answer(daemon, line);
        if (reply == NULL)
            break;
        say(daemon, reply);
        if (reply[0] == '3') {
            hear_content(daemon, line, sizeof(line));
            is_told = daemon->verb != NULL && strcmp(daemon->verb, "end.") == 0;
            if (is_told && daemon->reply == NULL)
                break;
            say(daemon, is_told ? daemon->reply : "250 2.0.0 Ok");
        }
    }
    (void)shutdown(daemon->fd, SHUT_RDWR);
    return NULL;
}

static int make_file(const char *text)
{
    int fd = memfd_create("batch", MFD_CLOEXEC);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static sluice_status play(struct daemon *daemon, int batch_fd, struct error *err)
{
    pthread_t thread;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    daemon->fd = pair[1];
    daemon->in = fdopen(dup(pair[1]), "r");
    assert_non_null(daemon->in);
    assert_int_equal(pthread_create(&thread, NULL, serve, daemon), 0);
    sluice_status st = batch_play(pair[0], batch_fd, err);
    (void)close(pair[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)fclose(daemon->in);
    (void)close(pair[1]);
    return st;
}

static void expect_file(int fd, const char *want)
{
    char text[512] = "";

    assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), strlen(want));
    assert_string_equal(text, want);
}

static const struct {
    const char *name;
    const char *file;
    unsigned at_a_time;
    const char *verb;
    const char *reply;
    sluice_status want;
    const char *text; /* what the error begins with */
    const char *heard;
    const char *after; /* the file, where it is another */
} cases[] = {
    {.name = "all is well", .file = HEAD TO_B TO_C CONTENT, .heard = "a<bc"},
    {.name = "one at a time",
     .file = HEAD TO_B TO_C "RCPT TO:<d>\r\n" CONTENT,
     .at_a_time = 1,
     .heard = "a<ba<ca<d",
     .after = HEAD "DONE TO:<b>\r\nDONE TO:<c>\r\nRCPT TO:<d>\r\n" CONTENT},
    {.name = "some are done", .file = HEAD "DONE TO:<b>\r\n" TO_C CONTENT, .heard = "a<c"},
    {.name = "not even one",
     .file = HEAD TO_B CONTENT,
     .verb = "RCPT",
     .reply = "452 4.5.3 full",
     .want = SLUICE_TEMP,
     .text = "452 4.5.3 full",
     .heard = "a<"},
    {.name = "refused for now",
     .file = HEAD TO_B CONTENT,
     .verb = "MAIL",
     .reply = "451 4.3.0 later",
     .want = SLUICE_TEMP,
     .text = "451 4.3.0 later",
     .heard = ""},
    {.name = "refused for good",
     .file = HEAD TO_B CONTENT,
     .verb = "RCPT",
     .reply = "550 5.1.1 no",
     .want = SLUICE_PERM,
     .text = "550 5.1.1 no",
     .heard = "a<"},
    {.name = "no data",
     .file = HEAD TO_B CONTENT,
     .verb = "DATA",
     .reply = "554 5.5.1 no",
     .want = SLUICE_PERM,
     .text = "554 5.5.1 no",
     .heard = "a<b"},
    {.name = "not at the end",
     .file = HEAD TO_B CONTENT,
     .verb = "end.",
     .reply = "552 5.3.4 big",
     .want = SLUICE_PERM,
     .text = "552 5.3.4 big",
     .heard = "a<b"},
    {.name = "nonsense is no answer",
     .file = HEAD TO_B CONTENT,
     .verb = "end.",
     .reply = "hm",
     .want = SLUICE_TEMP,
     .text = "hm",
     .heard = "a<b"},
    {.name = "gone at the beginning",
     .file = HEAD TO_B CONTENT,
     .verb = "EHLO",
     .want = SLUICE_TEMP,
     .text = "the daemon: ",
     .heard = ""},
    {.name = "gone at the end",
     .file = HEAD TO_B CONTENT,
     .verb = "end.",
     .want = SLUICE_TEMP,
     .text = "the daemon: ",
     .heard = "a<b"},
    {.name = "gone among recipients",
     .file = HEAD TO_B TO_C CONTENT,
     .verb = "RCPT",
     .want = SLUICE_TEMP,
     .text = "the daemon: ",
     .heard = "a<"},
    {.name = "nobody",
     .file = HEAD CONTENT,
     .want = SLUICE_PERM,
     .text = "is no message",
     .heard = "a<"},
    {.name = "another verb",
     .file = HEAD TO_B "VRFY x\r\n" CONTENT,
     .want = SLUICE_PERM,
     .text = "is no message",
     .heard = "a<"},
    {.name = "no content",
     .file = HEAD TO_B "\r\n.\r\n",
     .want = SLUICE_PERM,
     .text = "is no message",
     .heard = "a<"},
};

static void dialogues(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daemon daemon = {
            .at_a_time = cases[i].at_a_time, .verb = cases[i].verb, .reply = cases[i].reply};
        struct error err = ERROR_INIT;
        int fd = make_file(cases[i].file);
        sluice_status st = play(&daemon, fd, &err);
        const char *text = cases[i].text != NULL ? cases[i].text : "";
        if (st != cases[i].want || strncmp(err.text, text, strlen(text)) != 0)
            fail_msg("%s: %s, %s", cases[i].name, status_name(st), err.text);
        buffer_add_byte(&daemon.heard, '\0');
        if (strcmp(daemon.heard.ptr, cases[i].heard) != 0)
            fail_msg("%s: heard %s", cases[i].name, daemon.heard.ptr);
        expect_file(fd, cases[i].after != NULL ? cases[i].after : cases[i].file);
        buffer_done(&daemon.heard);
        (void)close(fd);
    }
}

/* More than go out before replies are read, in several transactions. */
static void many_recipients(void **state)
{
    struct daemon daemon = {.at_a_time = 1500};
    struct buffer text = BUFFER_INIT;
    struct error err = ERROR_INIT;
    size_t senders = 0;

    (void)state;
    buffer_add_text(&text, HEAD);
    for (int i = 0; i < 5000; i++)
        buffer_add_text(&text, TO_B);
    buffer_add_text(&text, CONTENT);
    int fd = make_file(buffer_text(&text));
    assert_int_equal(play(&daemon, fd, &err), SLUICE_OK);
    for (size_t i = 0; i < daemon.heard.len; i++)
        senders += daemon.heard.ptr[i] == 'a';
    assert_int_equal(senders, 4);
    assert_int_equal(daemon.heard.len, 5000 + 2 * senders);
    buffer_done(&daemon.heard);
    buffer_done(&text);
    (void)close(fd);
}

/* Who wrote the file may not have been sendmail: a line of it is not read before it is known to end. */
static void a_command_too_long(void **state)
{
    static const char *const begins[] = {"MAIL FROM:<", HEAD "RCPT TO:<", HEAD TO_B "DONE TO:<"};

    (void)state;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        struct daemon daemon = {.verb = NULL};
        struct buffer text = BUFFER_INIT;
        struct error err = ERROR_INIT;

        buffer_add_text(&text, begins[i]);
        for (int n = 0; n < 50000; n++)
            buffer_add_byte(&text, 'x');
        buffer_add_text(&text, ">\r\n" CONTENT);
        int fd = make_file(buffer_text(&text));
        assert_int_equal(play(&daemon, fd, &err), SLUICE_PERM);
        assert_string_equal(err.text, "a command is too long");
        assert_int_equal(daemon.heard.len, i == 0 ? 0 : 2);
        buffer_done(&daemon.heard);
        buffer_done(&text);
        (void)close(fd);
    }
}

static void what_is_a_batch(void **state)
{
    static const struct {
        const char *text;
        sluice_status want;
    } files[] = {
        {"", SLUICE_PERM},
        {"MAIL FROM:", SLUICE_PERM},
        {"RCPT TO:<a>\r\nDATA\r\n\r\n.\r\n", SLUICE_PERM},
        {HEAD TO_B "DATA\r\nhalf", SLUICE_PERM},
        {HEAD TO_B "DATA\r\nhalf\r\n.", SLUICE_PERM},
        {HEAD TO_B "DATA\r\nhalf\n.\n", SLUICE_PERM},
        {HEAD TO_B "DATA\r\n.\r\n", SLUICE_OK},
        {HEAD TO_B CONTENT, SLUICE_OK},
    };
    struct error err = ERROR_INIT;
    int pair[2];

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int fd = make_file(files[i].text);
        if (batch_check(fd, &err) != files[i].want)
            fail_msg("%zu: %s", i, err.text);
        (void)close(fd);
    }
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(batch_check(pair[0], &err), SLUICE_PERM);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues),
        cmocka_unit_test(many_recipients),
        cmocka_unit_test(a_command_too_long),
        cmocka_unit_test(what_is_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
