/* SPDX-License-Identifier: ISC */
/*
 * Rehearsals: the dialogue of a client that is not there, without a trace.
 */
#include "fixture.h"

#include "receive/rehearsal.h"

#include <jansson.h>

#define CLIENTS_SIZE ((size_t)1024 * 1024)

/* The queue asks; what it is answered, which is the caller's. */
static json_t *rehearse(struct fixture *f, const struct message_explain *request)
{
    static uint64_t ref;
    int64_t deadline_ms = clock_monotonic_ms() + STEP_TIMEOUT_MS;
    struct buffer body = BUFFER_INIT;

    message_explain_encode(request, &body);
    queue_send(&f->queue, MESSAGE_EXPLAIN, ++ref, &body, -1);
    while (f->queue.explained_ref != ref && clock_monotonic_ms() < deadline_ms)
        (void)task_sleep_until(clock_monotonic_ms() + 1);
    check(f, f->queue.explained_ref == ref, "no answer");
    json_error_t why;
    json_t *answer = json_loads(f->queue.explained, 0, &why);
    check(f, answer != NULL, "no JSON: %s in %s", why.text, f->queue.explained);
    return answer;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static const struct {
    const char *name;
    const char *client, *sender, *address;
    const char *restrictions;
    const char *verdict, *reply;
} cases[] = {
    {"accepted", "192.0.2.1", "a@b", "u@relay.test", "", "accept", "250 2.1.5 Ok"},
    {"rejected", "192.0.2.1", "a@b", "u@relay.test", "say 2.0.no", "reject",
     "554 5.7.9 <u@relay.test>: Recipient address rejected: no"},
    {"deferred", "192.0.2.1", "", "u@relay.test", "broken", "defer",
     "451 4.3.0 <u@relay.test>: Temporary lookup failure"},
    {"not ours", "192.0.2.1", "a@b", "u@else.test", "", "reject",
     "554 5.7.1 <u@else.test>: Relay access denied"},
    {"in mynetworks", "127.0.0.1", "a@b", "u@else.test", "", "accept", "250 2.1.5 Ok"},
    {"of this machine", "", "a@b", "u@else.test", "say 2.0.no", "accept", "250 2.1.5 Ok"},
    {"no sender", "192.0.2.1", "a@", "u@relay.test", "", "reject",
     "501 5.1.7 Bad sender address syntax"},
    {"no address", "192.0.2.1", "a@b", "u@", "", "reject", "501 5.1.3 Bad recipient address syntax"},
    {"in brackets", "192.0.2.1", "<a@b>", "<u@relay.test>", "", "accept", "250 2.1.5 Ok"},
    {"plugins know", "192.0.2.1", "a@b", "u@relay.test", "reject_rehearsal", "reject",
     "554 5.7.1 <u@relay.test>: a rehearsal"},
};

static void verdicts_body(struct fixture *f)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct message_explain request = {
            .address = sluice_span_of(cases[i].address),
            .sender = sluice_span_of(cases[i].sender),
            .client = sluice_span_of(cases[i].client),
        };

        restriction_list_done(&f->receiver.restrictions.lists[RESTRICTIONS_RECIPIENT]);
        check(f,
              add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT, cases[i].restrictions) ==
                  SLUICE_OK,
              "%s: restrictions", cases[i].name);
        json_t *answer = rehearse(f, &request);
        check(f,
              strcmp(text_of(answer, "verdict"), cases[i].verdict) == 0 &&
                  strcmp(text_of(answer, "reply"), cases[i].reply) == 0,
              "%s: %s", cases[i].name, f->queue.explained);
        json_decref(answer);
    }
}

/* ---- what it leaves -------------------------------------------------------------------------- */

static void trace_body(struct fixture *f)
{
    const struct message_explain request = {.address = SPAN_LITERAL("u@relay.test"),
                                            .client = SPAN_LITERAL("192.0.2.1")};
    struct address client;
    uint32_t entry = 0;

    f->receiver.settings.soft_error_limit = 0; /* an error may take its time, but not here */
    f->receiver.settings.error_sleep_ms = 1000 * STEP_TIMEOUT_MS;
    check(f, add_restrictions(&f->receiver, RESTRICTIONS_RECIPIENT, "reject") == SLUICE_OK, "reject");
    json_decref(rehearse(f, &request));
    json_decref(rehearse(f, &request));
    check(f, address_parse(request.client, 0, &client) == SLUICE_OK, "address");
    check(f, clients_connect(f->receiver.clients, &client, &entry) == 1, "it has connected");
    check(f, clients_rate(f->receiver.clients, entry, CLIENT_MESSAGE) == 0, "messages are counted");
    check(f, clients_rate(f->receiver.clients, entry, CLIENT_RECIPIENT) == 0, "recipients, too");
    check(f, clients_rate(f->receiver.clients, entry, CLIENT_CONNECTION) == 1, "and connections");
    clients_disconnect(f->receiver.clients, entry);
    check(f, f->queue.commits == 0 && f->receiver.transaction_memory == 0, "something is left");
    while (f->receiver.session_count > 0)
        task_yield(); /* its task ends behind the answer */
}

static sluice_status on_explain(void *receiver, uint16_t type, uint64_t ref,
                                struct sluice_span body)
{
    assert_int_equal(type, MESSAGE_EXPLAIN);
    return rehearsal_start(receiver, ref, body);
}

static int set_up_rehearsals(void **state)
{
    static const struct clients_rules rules = {
        .unit_ms = 3600 * 1000, .has_rates = true, .ipv4_prefix = 32, .ipv6_prefix = 64};
    struct fixture *f;
    struct error err = ERROR_INIT;

    assert_int_equal(set_up(state), 0);
    f = *state;
    void *memory = mmap(NULL, CLIENTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(clients_open(memory, CLIENTS_SIZE, &rules, &f->receiver.clients, &err),
                     SLUICE_OK);
    intake_on_explain(f->receiver.intake, on_explain, &f->receiver);
    link_queue(f);
    return 0;
}

static void test_verdicts(void **state)
{
    run_on_loop(*state, verdicts_body);
}

static void test_no_trace(void **state)
{
    run_on_loop(*state, trace_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verdicts, set_up_rehearsals, tear_down),
        cmocka_unit_test_setup_teardown(test_no_trace, set_up_rehearsals, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
