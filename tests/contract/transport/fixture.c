/* SPDX-License-Identifier: ISC */
/*
 * fixture: see fixture.h.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PATIENCE_MS (INT64_C(60000) * NET_HOST_SPEED)

/* ---- the message ----------------------------------------------------------------------------- */

static sluice_status message_read(const struct sluice_message *message, uint64_t offset,
                                  void *buffer, size_t size, size_t *ret_len)
{
    const struct test_message *own = (const struct test_message *)(const void *)message;
    size_t left = (size_t)(message->size - offset);
    size_t len = size < left ? size : left;

    assert_true(offset <= message->size);
    if (own->fails_at != 0 && offset >= own->fails_at)
        return SLUICE_TEMP;
    if (own->read_max != 0 && len > own->read_max)
        len = own->read_max;
    memcpy(buffer, own->content + offset, len);
    *ret_len = len;
    return SLUICE_OK;
}

void test_message_init(struct test_message *message, const char *content, size_t len)
{
    memset(message, 0, sizeof(*message));
    message->message.struct_size = sizeof(message->message);
    message->message.id = sluice_span_of("0123456789ABCDEF");
    message->message.sender = sluice_span_of("sender@source.test");
    message->message.nexthop = sluice_span_of("next.test");
    message->message.size = len;
    message->message.read = message_read;
    message->content = content;
}

/* ---- reports --------------------------------------------------------------------------------- */

static struct fixture *fixture_of(const struct sluice_report *report)
{
    return (struct fixture *)((uintptr_t)report - offsetof(struct fixture, report));
}

static void report_recipient(const struct sluice_report *report, size_t index, sluice_status status,
                             const char *dsn, const char *text)
{
    struct fixture *f = fixture_of(report);
    struct test_result *result;

    assert_true(index < f->count);
    result = &f->results[index];
    result->count++;
    result->status = status;
    (void)snprintf(result->dsn, sizeof(result->dsn), "%s", dsn);
    (void)snprintf(result->text, sizeof(result->text), "%s", text);
    for (const char *p = result->text; *p != '\0'; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f); /* one clean line */
}

static void report_remaining(const struct sluice_report *report, sluice_status status,
                             const char *dsn, const char *text)
{
    struct fixture *f = fixture_of(report);

    for (size_t i = 0; i < f->count; i++) {
        if (f->results[i].count == 0)
            report_recipient(report, i, status, dsn, text);
    }
}

static void report_result(const struct sluice_report *report, size_t index,
                          const struct sluice_result *result)
{
    assert_true(result->struct_size >= sizeof(*result));
    report_recipient(report, index, result->status, result->dsn, result->text);
    fixture_of(report)->results[index].flags = result->flags;
}

static void report_remaining_result(const struct sluice_report *report,
                                    const struct sluice_result *result)
{
    struct fixture *f = fixture_of(report);

    for (size_t i = 0; i < f->count; i++) {
        if (f->results[i].count == 0)
            report_result(report, i, result);
    }
}

static void summarize(struct fixture *f)
{
    size_t len = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct test_result *result = &f->results[i];
        const char *status = result->status == SLUICE_TEMP   ? "TEMP:"
                             : result->status == SLUICE_PERM ? "PERM:"
                                                             : "OK";

        assert_int_equal(result->count, 1); /* each is reported, and once */
        assert_true(result->status == SLUICE_OK || result->status == SLUICE_TEMP ||
                    result->status == SLUICE_PERM);
        assert_int_equal(result->dsn[0], result->status == SLUICE_OK     ? '2'
                                         : result->status == SLUICE_TEMP ? '4'
                                                                         : '5');
        len +=
            (size_t)snprintf(f->summary + len, sizeof(f->summary) - len, "%s%s%s", i > 0 ? " " : "",
                             status, result->status == SLUICE_OK ? "" : result->dsn);
    }
}

/* ---- the transport --------------------------------------------------------------------------- */

void fixture_open(struct fixture *f, const char *plugin_path, const char *const *settings,
                  const struct peer_script *script)
{
    static const char *const defaults[] = {"myhostname", "mx.sluice.test", NULL};

    memset(f, 0, sizeof(*f));
    f->desc = test_plugin_load(plugin_path);
    f->ops = test_plugin_interface(f->desc, SLUICE_TRANSPORT_ID);
    net_host_init(&f->host, f->desc->name, NULL);
    test_errors_init(&f->errors);
    if (settings == NULL && f->desc->option_count > 0)
        settings = defaults;
    f->config = test_config_new(f->desc, settings);
    f->report = (struct sluice_report){
        .struct_size = sizeof(f->report),
        .recipient = report_recipient,
        .remaining = report_remaining,
        .result = report_result,
        .remaining_result = report_remaining_result,
    };
    f->results = calloc(FIXTURE_RECIPIENTS_MAX, sizeof(*f->results));
    assert_non_null(f->results);
    assert_int_equal(f->ops->open(&f->host.test.sdk, f->config, &f->errors.sdk, &f->transport),
                     SLUICE_OK);
    if (script != NULL) {
        peer_start(&f->peer, script);
        f->has_peer = 1;
    }
}

void fixture_close(struct fixture *f)
{
    fixture_disconnect(f);
    f->ops->close(f->transport);
    f->ops->close(NULL);
    test_config_free(f->config);
    if (f->has_peer)
        peer_stop(&f->peer);
}

void fixture_done(struct fixture *f)
{
    if (f->has_peer)
        peer_done(&f->peer);
    free(f->results);
}

sluice_status fixture_connect(struct fixture *f, uint16_t port, int is_last)
{
    struct sluice_target target = {
        .struct_size = sizeof(target),
        .port = port != 0 ? port : f->peer.port,
        .nexthop = sluice_span_of("[peer.test]"),
        .host = sluice_span_of("peer.test"),
        .address = sluice_span_of("127.0.0.1"),
        .is_last = is_last,
    };

    return f->ops->connect(f->transport, &target, net_now_ms() + PATIENCE_MS, &f->errors.sdk,
                           &f->connection);
}

void fixture_disconnect(struct fixture *f)
{
    if (f->ops->disconnect == NULL)
        return;
    f->ops->disconnect(f->transport, f->connection);
    f->ops->disconnect(f->transport, NULL);
    f->connection = NULL;
}

/* A recipient with room behind it, as a host with a newer header would have. */
struct wide_recipient {
    struct sluice_recipient recipient;
    uint64_t newer[3];
};

int32_t fixture_deliver(struct fixture *f, const struct test_message *message,
                        const char *recipients)
{
    struct wide_recipient *wide = calloc(FIXTURE_RECIPIENTS_MAX, sizeof(*wide));
    int32_t fate;

    assert_non_null(wide);
    memset(f->results, 0, FIXTURE_RECIPIENTS_MAX * sizeof(*f->results));
    for (f->count = 0; *recipients != '\0'; f->count++) {
        size_t len = strcspn(recipients, " ");

        assert_true(f->count < FIXTURE_RECIPIENTS_MAX);
        wide[f->count].recipient.struct_size = sizeof(*wide);
        wide[f->count].recipient.address = (struct sluice_span){recipients, len};
        recipients += len + (recipients[len] == ' ');
    }
    fate = f->ops->deliver(f->transport, f->connection, &message->message, &wide[0].recipient,
                           f->count, sizeof(*wide), net_now_ms() + PATIENCE_MS, &f->report);
    assert_in_range(fate, SLUICE_FATE_REUSABLE, SLUICE_FATE_HOST_FAILED);
    free(wide);
    summarize(f);
    return fate;
}
