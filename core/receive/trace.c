/* SPDX-License-Identifier: ISC */
/*
 * trace: what a client says of itself goes in with everything taken off that could make it look like
 * another part of the field.
 */
#include "receive/trace.h"

#include "base/date.h"
#include "base/span.h"

static void add_neutered(struct buffer *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        bool is_plain = *text > ' ' && *text <= '~' && strchr("<>()\\\";@", *text) == NULL;
        buffer_add_byte(buffer, is_plain ? *text : '?');
    }
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) */
static void add_address(struct buffer *buffer, const struct address *client)
{
    char text[ADDRESS_TEXT_SIZE];

    (void)address_format(client, text);
    buffer_add_text(buffer, strchr(text, ':') != NULL ? "[IPv6:" : "[");
    buffer_add_text(buffer, text);
    buffer_add_text(buffer, "]");
}

static void add_origin(struct buffer *buffer, const struct trace *trace)
{
    if (trace->is_local) {
        buffer_printf(buffer, "Received: by %s (%s, from userid %lu)\r\n\tid %s", trace->myhostname,
                      trace->mail_name, trace->uid, trace->id);
        return;
    }
    buffer_add_text(buffer, "Received: from ");
    add_neutered(buffer, trace->helo != NULL ? trace->helo : "unknown");
    buffer_add_text(buffer, " (");
    buffer_add_span(buffer, trace->client_name);
    buffer_add_text(buffer, " ");
    add_address(buffer, trace->client);
    buffer_add_text(buffer, ")\r\n\tby ");
    buffer_add_text(buffer, trace->myhostname);
    buffer_add_text(buffer, " (");
    buffer_add_text(buffer, trace->mail_name);
    buffer_add_text(buffer, trace->is_esmtp ? ") with ESMTP id " : ") with SMTP id ");
    buffer_add_text(buffer, trace->id);
}

void trace_format(const struct trace *trace, struct buffer *buffer)
{
    size_t recipient_len = trace->recipient.len;
    char date[DATE_TEXT_SIZE];

    add_origin(buffer, trace);
    if (recipient_len > 0 && recipient_len <= TRACE_RECIPIENT_MAX) {
        buffer_add_text(buffer, "\r\n\tfor <");
        buffer_add_span(buffer, trace->recipient);
        buffer_add_text(buffer, ">; ");
    } else {
        buffer_add_text(buffer, trace->is_local ? "; " : ";\r\n\t");
    }
    buffer_add_text(buffer, date_format(trace->arrival_ms, date));
    buffer_add_text(buffer, "\r\n");
}
