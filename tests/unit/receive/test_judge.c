/* SPDX-License-Identifier: ISC */
/*
 * Lists of restrictions: their order, what a verdict is about, what waits for a later one, warnings,
 * results that are restrictions, and effects on the message: spec M-33, M-37, M-38, access(5).
 *
 * The word "say N.A.text" has verdict N (sluice/access.h) about A.
 */
#include "fixture.h"

static const struct {
    const char *name;
    const char *client, *sender, *recipient;
    const char *reply;
} cases[] = {
    {"nobody minds", "", "", "", "250 2.1.5 Ok"},
    {"about the client", "say 2.0.no", "", "",
     "554 5.7.9 <unknown[192.0.2.1]>: Client host rejected: no"},
    {"about the sender", "", "say 2.0.no", "", "554 5.7.9 <a@b>: Sender address rejected: no"},
    {"about another than the list", "say 2.3.no", "", "",
     "554 5.7.9 <a@b>: Sender address rejected: no"},
    {"about HELO", "", "", "say 2.2.no", "554 5.7.9 <>: Helo command rejected: no"},
    {"the first verdict of a list counts", "", "say 1.0. say 2.0.no", "", "250 2.1.5 Ok"},
    {"the next list is asked all the same", "say 1.0.", "say 2.0.no", "",
     "554 5.7.9 <a@b>: Sender address rejected: no"},
    {"warn_if_reject", "warn_if_reject say 2.0.no", "", "", "250 2.1.5 Ok"},
    {"warn_if_reject is for one word", "warn_if_reject say 2.0.no say 2.0.yes", "", "",
     "554 5.7.9 <unknown[192.0.2.1]>: Client host rejected: yes"},
    {"M-38: rejected later", "say 4.0.look", "", "reject",
     "450 4.7.9 <unknown[192.0.2.1]>: Client host rejected: look"},
    {"M-38: permitted later", "say 4.0.look", "", "", "250 2.1.5 Ok"},
    {"if nobody rejects", "say 5.0.wait", "", "say 1.0.",
     "450 4.7.9 <unknown[192.0.2.1]>: Client host rejected: wait"},
    {"somebody rejects", "say 5.0.wait", "", "say 2.0.no",
     "554 5.7.9 <u@relay.test>: Recipient address rejected: no"},
    {"a result that is restrictions", "", "say 6.0.say_2.0.no", "",
     "554 5.7.9 <a@b>: Sender address rejected: no"},
    {"a result that is nonsense", "", "say 6.0.no_such_word", "",
     "451 4.3.5 Server configuration error"},
    {"a reply that is about nothing", "", "say 2.8.no", "", "554 5.7.9 no"},
    {"the first reason counts", "say 4.0.one say 4.0.two", "", "reject",
     "450 4.7.9 <unknown[192.0.2.1]>: Client host rejected: one"},
    {"DISCARD ends its list", "say 10.0. say 2.0.no", "", "", "250 2.1.5 Ok"},
    {"a verdict that there is not", "say 99.0.x", "", "",
     "451 4.3.0 <u@relay.test>: Temporary lookup failure"},
    {"old answers refuse nobody for good", "old", "", "reject",
     "451 4.3.0 <u@relay.test>: Temporary lookup failure"},
    {"nor those of the command before", "", "", "reject",
     "554 5.7.1 <u@relay.test>: Recipient address rejected: Access denied"},
    {"they permit", "old", "", "say 1.0. reject", "250 2.1.5 Ok"},
    {"they warn", "old", "", "warn_if_reject reject", "250 2.1.5 Ok"},
    {"they lose no mail", "old", "", "say 10.0.",
     "451 4.3.0 <u@relay.test>: Temporary lookup failure"},
    {"who would be told to wait is", "old", "", "defer",
     "450 4.3.2 <u@relay.test>: Try again later"},
    {"a broken word", "broken", "", "", "451 4.3.0 <u@relay.test>: Temporary lookup failure"},
};

static bool set_list(struct fixture *f, enum restriction_list_id id, const char *text)
{
    restriction_list_done(&f->receiver.restrictions.lists[id]);
    return add_restrictions(&f->receiver, id, text) == SLUICE_OK;
}

static void verdicts_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, "192.0.2.1");
    char reply[256];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(f,
              set_list(f, RESTRICTIONS_CLIENT, cases[i].client) &&
                  set_list(f, RESTRICTIONS_SENDER, cases[i].sender) &&
                  set_list(f, RESTRICTIONS_RECIPIENT, cases[i].recipient),
              "%s: restrictions", cases[i].name);
        (void)snprintf(reply, sizeof(reply), "%s\r\n", cases[i].reply);
        talk(f, stream, "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
        talk(f, stream, "RCPT TO:<u@relay.test>\r\n", reply);
        talk(f, stream, "RSET\r\n", "250 2.0.0 Ok\r\n");
    }
    stream_close(stream);
}

static void test_verdicts(void **state)
{
    run_on_loop(*state, verdicts_body);
}

static void etrn_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, "192.0.2.1");

    talk(f, stream, "ETRN other.test\r\n", "459 <other.test>: service unavailable\r\n");
    check(f, set_list(f, RESTRICTIONS_ETRN, "old"), "restrictions");
    talk(f, stream, "ETRN other.test\r\n", "458 Unable to queue messages\r\n");
    check(f, set_list(f, RESTRICTIONS_ETRN, "old reject"), "restrictions");
    talk(f, stream, "ETRN relay.test\r\n",
         "451 4.3.0 <relay.test>: Temporary lookup failure\r\n");
    stream_close(stream);
}

static void test_old_answers_refuse_no_etrn_for_good(void **state)
{
    run_on_loop(*state, etrn_body);
}

static void prepended_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, "192.0.2.1");
    const char *want = "X-Note: gr\xc3\xbc\xc3\x9f" "e\r\nReceived: ";

    check(f, set_list(f, RESTRICTIONS_SENDER, "say 13.0.X-Note:_gr\xc3\xbc\xc3\x9f" "e"), "restrictions");
    talk(f, stream, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n");
    talk(f, stream, "Subject: x\r\n\r\nbody\r\n.\r\n",
         "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check(f, memcmp(f->queue.content, want, strlen(want)) == 0, "%.*s", (int)f->queue.content_len,
          f->queue.content);
    check(f, strstr(f->queue.envelope, " ESMTP 0 1 ]") != NULL, "%s", f->queue.envelope);
    stream_close(stream);
}

/* Deliver does not look for 8-bit bytes where the envelope says that there are none. */
static void test_what_is_put_before_the_content_is_looked_at(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, prepended_body);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_verdicts),
        TEST(test_old_answers_refuse_no_etrn_for_good),
        TEST(test_what_is_put_before_the_content_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
