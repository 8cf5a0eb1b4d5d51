/* SPDX-License-Identifier: ISC */
/*
 * report: three parts, or two, and the header above them. The parts are written first, so that a
 * boundary can be chosen which is in none of them.
 */
#include "deliver/report.h"

#include "base/date.h"
#include "base/id.h"
#include "base/span.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_LEN 78  /* RFC 5322 2.1.1 */
#define WORD_MAX 900 /* a longer one is cut: no line may have more than 998 */
#define BOUNDARY_SIZE 71 /* RFC 2046 5.1.1: at most 70 */
#define BOUNDARY_HOST_MAX 30

/* A report being written. */
struct draft {
    const struct report_origin *origin;
    const struct report_subject *subject;
    struct buffer notice; /* the three parts, with header fields of their own */
    struct buffer status;
    struct buffer returned; /* its header fields alone */
    char boundary[BOUNDARY_SIZE];
};

/* ---- texts ----------------------------------------------------------------------------------- */

size_t report_header_len(struct sluice_span content)
{
    size_t len = 0;

    while (len < content.len) {
        struct sluice_span rest = span_skip(content, len);
        size_t line = span_find(rest, '\n');

        if (line == rest.len || rest.ptr[0] == '\n' || (rest.ptr[0] == '\r' && line == 1))
            break;
        len += line + 1;
    }
    return len;
}

/* RFC 6533: addresses and texts may be in UTF-8 where the message itself came that way. */
static bool is_global(const struct draft *draft)
{
    return draft->subject->envelope->is_smtputf8;
}

/* Length of what may go into a report as it is from the beginning of text; 0: nothing. */
static size_t plain_len(const struct draft *draft, struct sluice_span text)
{
    unsigned char c = (unsigned char)text.ptr[0];

    if (c >= 0x80)
        return is_global(draft) ? span_utf8_len(text) : 0;
    return c >= 0x20 && c != 0x7f;
}

static void add_plain(const struct draft *draft, struct buffer *out, struct sluice_span text)
{
    while (text.len > 0) {
        size_t len = plain_len(draft, text);

        if (len > 0)
            buffer_add_span(out, span_first(text, len));
        else
            buffer_add_byte(out, '?');
        text = span_skip(text, len > 0 ? len : 1);
    }
}

/* A word, or as much as a line may have of it. */
static struct sluice_span take_word(struct sluice_span *rest)
{
    struct sluice_span word;

    while (rest->len > 0 && rest->ptr[0] == ' ')
        *rest = span_skip(*rest, 1);
    word = span_first(*rest, span_find(*rest, ' '));
    word = span_first(word, WORD_MAX);
    *rest = span_skip(*rest, word.len);
    return word;
}

/* The line that begins with head, folded, with its end. */
static void add_folded(const struct draft *draft, struct buffer *out, struct sluice_span head,
                       struct sluice_span text, const char *indent)
{
    size_t column = head.len;
    struct sluice_span word;
    bool is_first = true; /* it stays with the head */

    buffer_add_span(out, head);
    while ((word = take_word(&text)).len > 0) {
        bool is_full = !is_first && column + 1 + word.len > LINE_LEN;

        if (is_full)
            buffer_add_text(out, "\r\n");
        buffer_add_text(out, is_full ? indent : " ");
        add_plain(draft, out, word);
        column = (is_full ? strlen(indent) : column + 1) + word.len;
        is_first = false;
    }
    buffer_add_text(out, "\r\n");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: +HH stands for a character. What is not xtext stays as it is. */
static void decode_xtext(struct sluice_span xtext, struct buffer *out)
{
    for (size_t i = 0; i < xtext.len; i++) {
        int high = xtext.ptr[i] == '+' && i + 2 < xtext.len ? hex_value(xtext.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(xtext.ptr[i + 2]) : -1;

        if (low >= 0) {
            buffer_add_byte(out, (char)(high * 16 + low));
            i += 2;
        } else {
            buffer_add_byte(out, xtext.ptr[i]);
        }
    }
}

/* ---- the part for people --------------------------------------------------------------------- */

static const char *const openings[REPORT_KINDS] = {
    [REPORT_FAILURE] = "Your message could not be delivered to the recipients below. It will not be\r\n"
                       "tried again. What you sent, or the header of it, is attached.\r\n",
    [REPORT_SUCCESS] = "You asked to be told: your message has been delivered to the recipients\r\n"
                       "below, or passed on to a mail system that does not report by itself. The\r\n"
                       "header of your message is attached.\r\n",
    [REPORT_DELAY] = "THIS IS ONLY A WARNING. YOU NEED NOT SEND YOUR MESSAGE AGAIN.\r\n\r\n"
                     "Your message has not been delivered to the recipients below yet. It is\r\n"
                     "still being tried. The header of your message is attached.\r\n",
    [REPORT_VERIFY] = "You asked whether the recipients below can be reached. Nothing has been\r\n"
                      "delivered to them.\r\n",
};

static const char *const postmaster_openings[REPORT_KINDS] = {
    [REPORT_FAILURE] = "A message could not be delivered to the recipients below.\r\n",
    [REPORT_DELAY] = "A message has not been delivered to the recipients below yet. It is still\r\n"
                     "being tried.\r\n",
};

static void add_recipient_text(const struct draft *draft,
                               const struct envelope_recipient *recipient, struct buffer *out)
{
    struct buffer head = BUFFER_INIT;

    buffer_add_byte(&head, '<');
    add_plain(draft, &head, recipient->address);
    buffer_add_byte(&head, '>');
    if (recipient->original.len > 0 && !span_equal(recipient->original, recipient->address)) {
        buffer_add_text(&head, " (sent to <");
        add_plain(draft, &head, recipient->original);
        buffer_add_text(&head, ">)");
    }
    buffer_add_byte(&head, ':');
    buffer_add_text(out, "\r\n");
    add_folded(draft, out, buffer_span(&head),
               recipient->text.len > 0 ? recipient->text : SPAN_LITERAL("no reason is known"),
               "    ");
    if (buffer_failed(&head))
        out->failed = true;
    buffer_done(&head);
}

static void write_notice(struct draft *draft)
{
    const struct report_subject *subject = draft->subject;
    struct buffer text = BUFFER_INIT;

    buffer_printf(&text, "This is the mail system of %s.\r\n\r\n", draft->origin->myhostname);
    buffer_add_text(&text, subject->is_for_postmaster ? postmaster_openings[subject->kind]
                                                      : openings[subject->kind]);
    for (size_t i = 0; i < subject->recipient_count; i++)
        add_recipient_text(draft, subject->recipients[i], &text);
    if (!subject->is_for_postmaster)
        buffer_add_text(&text, "\r\nIf you need help, please write to postmaster and include this "
                               "report.\r\n");
    buffer_add_text(&draft->notice, "Content-Description: Notification\r\n");
    buffer_printf(&draft->notice, "Content-Type: text/plain; charset=%s\r\n",
                  is_global(draft) ? "utf-8" : "us-ascii");
    if (span_has_8bit(buffer_span(&text)))
        buffer_add_text(&draft->notice, "Content-Transfer-Encoding: 8bit\r\n");
    buffer_add_text(&draft->notice, "\r\n");
    buffer_add_span(&draft->notice, buffer_span(&text));
    if (buffer_failed(&text))
        draft->notice.failed = true;
    buffer_done(&text);
}

/* ---- the part for programs (RFC 3464 2) ------------------------------------------------------ */

static void add_field(struct draft *draft, const char *name, struct sluice_span value)
{
    char head[64];

    (void)snprintf(head, sizeof(head), "%s:", name);
    add_folded(draft, &draft->status, sluice_span_of(head), value, " "); /* unfolds to what it was */
}

static void add_date_field(struct draft *draft, const char *name, int64_t wall_ms)
{
    char date[DATE_TEXT_SIZE];

    if (date_format(wall_ms, date)[0] != '\0')
        add_field(draft, name, sluice_span_of(date));
}

/* "name: type; value" */
static void add_typed_field(struct draft *draft, const char *name, const char *type,
                            struct sluice_span value)
{
    char head[64];

    (void)snprintf(head, sizeof(head), "%s: %s;", name, type);
    add_folded(draft, &draft->status, sluice_span_of(head), value, " ");
}

static const char *address_type(const struct draft *draft, struct sluice_span address)
{
    return is_global(draft) && span_has_8bit(address) ? "utf-8" : "rfc822";
}

static void add_address_field(struct draft *draft, const char *name, struct sluice_span address)
{
    add_typed_field(draft, name, address_type(draft, address), address);
}

static void add_decoded_field(struct draft *draft, const char *name, struct sluice_span xtext)
{
    struct buffer value = BUFFER_INIT;

    decode_xtext(xtext, &value);
    if (buffer_failed(&value))
        draft->status.failed = true;
    add_field(draft, name, buffer_span(&value));
    buffer_done(&value);
}

static void write_message_fields(struct draft *draft)
{
    const struct envelope *envelope = draft->subject->envelope;
    char id[ID_TEXT_SIZE];

    add_typed_field(draft, "Reporting-MTA", "dns", sluice_span_of(draft->origin->myhostname));
    if (envelope->envid.len > 0)
        add_decoded_field(draft, "Original-Envelope-Id", envelope->envid);
    add_field(draft, "X-Sluice-Queue-ID",
              sluice_span_of(id_format(draft->subject->message_id, id)));
    add_address_field(draft, "X-Sluice-Sender", envelope->sender);
    add_date_field(draft, "Arrival-Date", envelope->arrival_ms);
}

static const char *verify_action_of(const struct envelope_recipient *recipient)
{
    switch (recipient->state) {
    case RECIPIENT_RELAYED:
    case RECIPIENT_ARRIVED:
        return "deliverable";
    case RECIPIENT_FAILED:
        return "undeliverable";
    default:
        return "delayed";
    }
}

static const char *action_of(const struct draft *draft, const struct envelope_recipient *recipient)
{
    if (draft->subject->kind == REPORT_VERIFY)
        return verify_action_of(recipient);
    if (draft->subject->kind == REPORT_FAILURE)
        return "failed";
    if (draft->subject->kind == REPORT_DELAY)
        return "delayed";
    return recipient->state == RECIPIENT_ARRIVED ? "delivered" : "relayed";
}

/* RFC 3463: one that makes no sense would make the whole report unreadable. */
static struct sluice_span status_of(const struct draft *draft,
                                    const struct envelope_recipient *recipient)
{
    struct sluice_span dsn = recipient->dsn;

    if (dsn.len >= 5 && dsn.ptr[0] >= '2' && dsn.ptr[0] <= '5' && dsn.ptr[1] == '.')
        return dsn;
    return draft->subject->kind == REPORT_FAILURE   ? SPAN_LITERAL("5.0.0")
           : draft->subject->kind == REPORT_SUCCESS ? SPAN_LITERAL("2.0.0")
                                                    : SPAN_LITERAL("4.0.0");
}

static void write_recipient_fields(struct draft *draft, const struct envelope_recipient *recipient)
{
    buffer_add_text(&draft->status, "\r\n");
    if (recipient->orcpt.len > 0)
        add_decoded_field(draft, "Original-Recipient", recipient->orcpt);
    else if (recipient->original.len > 0)
        add_address_field(draft, "Original-Recipient", recipient->original);
    add_address_field(draft, "Final-Recipient", recipient->address);
    add_field(draft, "Action", sluice_span_of(action_of(draft, recipient)));
    add_field(draft, "Status", status_of(draft, recipient));
    if (recipient->remote.len > 0)
        add_typed_field(draft, "Remote-MTA", "dns", recipient->remote);
    if (recipient->reply.len > 0)
        add_typed_field(draft, "Diagnostic-Code", "smtp", recipient->reply);
    else if (recipient->text.len > 0)
        add_typed_field(draft, "Diagnostic-Code", "X-Sluice", recipient->text);
    if (draft->subject->kind == REPORT_DELAY && draft->subject->expires_ms > 0)
        add_date_field(draft, "Will-Retry-Until", draft->subject->expires_ms);
}

static void write_status(struct draft *draft)
{
    const struct report_subject *subject = draft->subject;

    buffer_add_text(&draft->status, "Content-Description: Delivery report\r\n");
    buffer_printf(&draft->status, "Content-Type: message/%sdelivery-status\r\n",
                  is_global(draft) ? "global-" : "");
    if (is_global(draft))
        buffer_add_text(&draft->status, "Content-Transfer-Encoding: 8bit\r\n");
    buffer_add_text(&draft->status, "\r\n");
    write_message_fields(draft);
    for (size_t i = 0; i < subject->recipient_count; i++)
        write_recipient_fields(draft, subject->recipients[i]);
}

/* ---- what comes back ------------------------------------------------------------------------- */

/* Who only asked has sent nothing. */
static bool has_returned(const struct draft *draft)
{
    return draft->subject->kind != REPORT_VERIFY;
}

static const char *returned_type(const struct draft *draft)
{
    if (draft->subject->is_whole)
        return is_global(draft) ? "message/global" : "message/rfc822";
    return is_global(draft) ? "message/global-headers" : "text/rfc822-headers";
}

static void write_returned(struct draft *draft)
{
    static const char *const words[REPORT_KINDS] = {
        [REPORT_FAILURE] = "Undelivered Message",
        [REPORT_SUCCESS] = "Delivered Message",
        [REPORT_DELAY] = "Delayed Message",
    };
    const struct report_subject *subject = draft->subject;

    buffer_printf(&draft->returned, "Content-Description: %s%s\r\n", words[subject->kind],
                  subject->is_whole ? "" : " Headers");
    buffer_printf(&draft->returned, "Content-Type: %s\r\n", returned_type(draft));
    if (span_has_8bit(subject->returned))
        buffer_add_text(&draft->returned, "Content-Transfer-Encoding: 8bit\r\n");
    buffer_add_text(&draft->returned, "\r\n");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool has_text(struct sluice_span where, const char *text)
{
    return where.len > 0 && memmem(where.ptr, where.len, text, strlen(text)) != NULL;
}

/* One that occurs in no part (RFC 2046 5.1.1). */
static void choose_boundary(struct draft *draft)
{
    const struct report_subject *subject = draft->subject;
    unsigned number = 0;
    char id[ID_TEXT_SIZE];

    do
        (void)snprintf(draft->boundary, sizeof(draft->boundary), "%s.%" PRId64 ".%u/%.*s",
                       id_format(subject->new_id, id), subject->now_ms / 1000, number++,
                       BOUNDARY_HOST_MAX, draft->origin->myhostname);
    while (has_text(subject->returned, draft->boundary) ||
           has_text(buffer_span(&draft->notice), draft->boundary) ||
           has_text(buffer_span(&draft->status), draft->boundary));
}

static const char *title_of(const struct report_subject *subject)
{
    static const char *const titles[REPORT_KINDS] = {
        [REPORT_FAILURE] = "Undelivered Mail Returned to Sender",
        [REPORT_SUCCESS] = "Successful Mail Delivery Report",
        [REPORT_DELAY] = "Delayed Mail (still being retried)",
        [REPORT_VERIFY] = "Mail Delivery Status Report",
    };
    static const char *const postmaster_titles[REPORT_KINDS] = {
        [REPORT_FAILURE] = "Postmaster Copy: Undelivered Mail",
        [REPORT_DELAY] = "Postmaster Warning: Delayed Mail",
    };

    return subject->is_for_postmaster ? postmaster_titles[subject->kind] : titles[subject->kind];
}

static bool is_8bit(const struct draft *draft)
{
    return (has_returned(draft) && span_has_8bit(draft->subject->returned)) ||
           span_has_8bit(buffer_span(&draft->notice)) ||
           span_has_8bit(buffer_span(&draft->status));
}

static void write_header(const struct draft *draft, struct buffer *out)
{
    const struct report_subject *subject = draft->subject;
    const char *host = draft->origin->myhostname;
    char date[DATE_TEXT_SIZE];
    char id[ID_TEXT_SIZE];

    (void)date_format(subject->now_ms, date);
    (void)id_format(subject->new_id, id);
    buffer_printf(out, "Received: by %s (%s)\r\n\tid %s; %s\r\n", host, draft->origin->mail_name,
                  id, date);
    buffer_printf(out, "Date: %s\r\n", date);
    buffer_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
                  draft->origin->myorigin);
    buffer_printf(out, "Subject: %s\r\nTo: ", title_of(subject));
    add_plain(draft, out, subject->to);
    buffer_printf(out, "\r\nMessage-ID: <%s.%" PRId64 "@%s>\r\n", id, subject->now_ms / 1000, host);
    buffer_add_text(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    buffer_printf(out, "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                       "\tboundary=\"%s\"\r\n",
                  draft->boundary);
    if (is_8bit(draft))
        buffer_add_text(out, "Content-Transfer-Encoding: 8bit\r\n");
    buffer_add_text(out, "\r\nThis is a MIME-encapsulated message.\r\n");
}

static void write_parts(const struct draft *draft, struct buffer *out)
{
    buffer_printf(out, "\r\n--%s\r\n", draft->boundary);
    buffer_add_span(out, buffer_span(&draft->notice));
    buffer_printf(out, "\r\n--%s\r\n", draft->boundary);
    buffer_add_span(out, buffer_span(&draft->status));
    if (has_returned(draft)) {
        buffer_printf(out, "\r\n--%s\r\n", draft->boundary);
        buffer_add_span(out, buffer_span(&draft->returned));
        buffer_add_span(out, draft->subject->returned);
    }
    buffer_printf(out, "\r\n--%s--\r\n", draft->boundary);
}

void report_compose(const struct report_origin *origin, const struct report_subject *subject,
                    struct buffer *out)
{
    struct draft draft = {.origin = origin, .subject = subject};

    write_notice(&draft);
    write_status(&draft);
    if (has_returned(&draft))
        write_returned(&draft);
    choose_boundary(&draft);
    write_header(&draft, out);
    write_parts(&draft, out);
    if (buffer_failed(&draft.notice) || buffer_failed(&draft.status) ||
        buffer_failed(&draft.returned))
        out->failed = true;
    buffer_done(&draft.notice);
    buffer_done(&draft.status);
    buffer_done(&draft.returned);
}
