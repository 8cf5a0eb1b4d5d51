/* SPDX-License-Identifier: ISC */
/*
 * notice: the rules, and the way back to the queue. Everything is composed before the first frame is
 * sent, so that what fails has no effect.
 */
#include "deliver/notice.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/span.h"
#include "deliver/report.h"
#include "deliver/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUTE_TIME_MAX_MS ((int64_t)30 * 1000)
#define HEADER_MAX ((size_t)100 * 1024) /* of a message's header that comes back */

struct notices {
    struct report_origin origin;
    uint64_t size_limit;
    char *double_bounce_sender; /* an address */
    const char *bounce_recipient;
    const char *double_bounce_recipient;
    const char *delay_recipient;
    bool tells_bounce; /* the postmaster: notify_classes */
    bool tells_double_bounce;
    bool tells_delay;
    const struct routes *routes;
};

struct notice {
    struct message_report header; /* borrows from body */
    struct envelope envelope;     /* borrows from body */
    char *body;
    int content_fd; /* -1: header.content */
};

/* A new message. */
struct letter {
    struct buffer envelope;
    struct buffer content;
};

/* A notice being worked on. */
struct work {
    const struct notices *notices;
    const struct notice *notice;
    struct buffer head;  /* of the message: as much as can be needed */
    bool is_whole;       /* that is all of it */
    const struct envelope_recipient **recipients; /* room for all of them */
    struct letter letters[REPORT_MESSAGES_MAX];
    size_t count;
};

/* ---- configuration --------------------------------------------------------------------------- */

/* As an address of ours. NULL: no memory. */
static char *complete(const char *name, const char *myorigin)
{
    struct buffer address = BUFFER_INIT;

    buffer_add_text(&address, name);
    if (strchr(name, '@') == NULL)
        buffer_printf(&address, "@%s", myorigin);
    if (buffer_text(&address) == NULL)
        buffer_done(&address);
    return address.ptr;
}

sluice_status notices_open(const struct config *config, const struct routes *routes,
                           struct notices **ret_notices, struct error *err)
{
    struct notices *notices = calloc(1, sizeof(*notices));

    if (notices == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    *notices = (struct notices){
        .origin = {.myhostname = config_text(config, "myhostname"),
                   .myorigin = config_text(config, "myorigin"),
                   .mail_name = config_text(config, "mail_name")},
        .size_limit = (uint64_t)config_number(config, "bounce_size_limit"),
        .double_bounce_sender = complete(config_text(config, "double_bounce_sender"),
                                         config_text(config, "myorigin")),
        .bounce_recipient = config_text(config, "bounce_notice_recipient"),
        .double_bounce_recipient = config_text(config, "double_bounce_notice_recipient"),
        .delay_recipient = config_text(config, "delay_notice_recipient"),
        .tells_bounce = config_has_item(config, "notify_classes", "bounce"),
        .tells_double_bounce = config_has_item(config, "notify_classes", "2bounce"),
        .tells_delay = config_has_item(config, "notify_classes", "delay"),
        .routes = routes,
    };
    if (notices->double_bounce_sender == NULL) {
        notices_close(notices);
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    *ret_notices = notices;
    return SLUICE_OK;
}

void notices_close(struct notices *notices)
{
    if (notices == NULL)
        return;
    free(notices->double_bounce_sender);
    free(notices);
}

/* ---- from the queue -------------------------------------------------------------------------- */

static sluice_status decode(struct notice *notice, struct sluice_span body, struct error *err)
{
    sluice_status st = message_report_decode(body, &notice->header);

    if (st != SLUICE_OK || notice->header.kind == 0 || notice->header.kind >= REPORT_KINDS)
        return error_set(err, SLUICE_PERM, "report: the frame makes no sense");
    return envelope_decode(notice->header.envelope, &notice->envelope, err);
}

sluice_status notice_new(struct channel_frame *frame, struct notice **ret_notice,
                         struct error *err)
{
    struct notice *notice = calloc(1, sizeof(*notice));
    sluice_status st;

    if (notice == NULL)
        return error_set(err, SLUICE_TEMP, "report: out of memory");
    notice->content_fd = frame->fd;
    frame->fd = -1;
    notice->body = malloc(frame->body.len + 1);
    if (notice->body == NULL) {
        st = error_set(err, SLUICE_TEMP, "report: out of memory");
    } else {
        memcpy(notice->body, frame->body.ptr, frame->body.len);
        st = decode(notice, (struct sluice_span){notice->body, frame->body.len}, err);
    }
    if (st != SLUICE_OK)
        notice_free(notice);
    else
        *ret_notice = notice;
    return st;
}

void notice_free(struct notice *notice)
{
    if (notice == NULL)
        return;
    envelope_done(&notice->envelope);
    if (notice->content_fd != -1)
        (void)close(notice->content_fd); /* read only: nothing to lose */
    free(notice->body);
    free(notice);
}

uint64_t notice_message_id(const struct notice *notice)
{
    return notice->header.message_id;
}

/* ---- the message that it is about ------------------------------------------------------------ */

static sluice_status read_file(int fd, size_t size, struct buffer *out)
{
    char *place = buffer_reserve(out, size);
    size_t done = 0;

    if (place == NULL)
        return SLUICE_TEMP;
    while (done < size) {
        ssize_t n = pread(fd, place + done, size - done, (off_t)done);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return SLUICE_TEMP;
        done += (size_t)n;
    }
    out->len += size;
    return SLUICE_OK;
}

/* As much of the message as a report may bring back. */
static sluice_status read_message(struct work *work)
{
    const struct notice *notice = work->notice;
    uint64_t size = notice->content_fd != -1 ? notice->envelope.content_size
                                             : notice->header.content.len;
    size_t wanted;

    work->is_whole = size <= work->notices->size_limit;
    wanted = work->is_whole || size <= HEADER_MAX ? (size_t)size : HEADER_MAX;
    if (notice->content_fd != -1)
        return read_file(notice->content_fd, wanted, &work->head);
    buffer_add_span(&work->head, span_first(notice->header.content, wanted));
    return buffer_failed(&work->head) ? SLUICE_TEMP : SLUICE_OK;
}

/* ---- letters --------------------------------------------------------------------------------- */

/* Who a letter is for. */
struct reader {
    struct sluice_span address;
    struct sluice_span sender; /* of the letter */
    bool is_postmaster;
    bool wants_whole;
};

static struct sluice_span returned_part(const struct work *work, bool is_whole)
{
    struct sluice_span head = buffer_span(&work->head);

    return is_whole ? head : span_first(head, report_header_len(head));
}

static sluice_status write_envelope(const struct work *work, const struct reader *reader,
                                    const struct route_list *routes, struct letter *letter)
{
    struct sluice_span content = buffer_span(&letter->content);
    struct envelope envelope = {
        .sender = reader->sender,
        .body = span_has_8bit(content) ? SLUICE_BODY_8BITMIME : SLUICE_BODY_7BIT,
        .is_smtputf8 = work->notice->envelope.is_smtputf8,
        .arrival_ms = clock_wall_ms(),
        .content_size = content.len,
    };
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < routes->count; i++) {
        struct envelope_recipient *recipient = envelope_add(&envelope);

        if (recipient == NULL)
            st = SLUICE_TEMP;
        else
            *recipient = (struct envelope_recipient){
                .address = routes->items[i].recipient,
                .notify = SLUICE_NOTIFY_NEVER, /* RFC 3461 6.1 */
                .transport = routes->items[i].transport,
                .nexthop = routes->items[i].nexthop,
            };
    }
    if (st == SLUICE_OK)
        envelope_encode(&envelope, &letter->envelope);
    envelope_done(&envelope);
    return st;
}

static void write_content(const struct work *work, const struct reader *reader, size_t count,
                          struct buffer *out)
{
    const struct notice *notice = work->notice;
    bool is_whole = reader->wants_whole && work->is_whole;
    struct report_subject subject = {
        .kind = (enum report_kind)notice->header.kind,
        .is_for_postmaster = reader->is_postmaster,
        .message_id = notice->header.message_id,
        .new_id = notice->header.first_id + work->count,
        .now_ms = clock_wall_ms(),
        .expires_ms = notice->header.expires_ms,
        .to = reader->address,
        .envelope = &notice->envelope,
        .recipients = work->recipients,
        .recipient_count = count,
        .returned = returned_part(work, is_whole),
        .is_whole = is_whole,
    };

    report_compose(&work->notices->origin, &subject, out);
}

/* A letter about the first count of work->recipients. PERM: the reader cannot be reached. */
static sluice_status write_letter(struct work *work, const struct reader *reader, size_t count,
                                  struct error *err)
{
    struct letter *letter = &work->letters[work->count];
    struct route_list routes = {0};
    sluice_status st = routes_expand(work->notices->routes, reader->address,
                                     clock_monotonic_ms() + ROUTE_TIME_MAX_MS, &routes, err);

    if (st != SLUICE_OK)
        return st;
    write_content(work, reader, count, &letter->content);
    st = write_envelope(work, reader, &routes, letter);
    route_list_done(&routes);
    work->count++;
    if (st != SLUICE_OK || buffer_failed(&letter->content) || buffer_failed(&letter->envelope))
        return error_set(err, SLUICE_TEMP, "no memory for a report");
    return SLUICE_OK;
}

/* ---- the rules ------------------------------------------------------------------------------- */

static bool wants_notice(const struct envelope_recipient *recipient, enum report_kind kind)
{
    static const uint32_t bits[REPORT_KINDS] = {
        [REPORT_FAILURE] = SLUICE_NOTIFY_FAILURE,
        [REPORT_SUCCESS] = SLUICE_NOTIFY_SUCCESS,
        [REPORT_DELAY] = SLUICE_NOTIFY_DELAY,
    };

    if (kind == REPORT_VERIFY)
        return true;
    if (recipient->notify == SLUICE_NOTIFY_DEFAULT)
        return kind != REPORT_SUCCESS;
    return (recipient->notify & bits[kind]) != 0;
}

/* The recipients that the reader is told of, in work->recipients. */
static size_t select_recipients(struct work *work, bool is_postmaster)
{
    const struct envelope *envelope = &work->notice->envelope;
    enum report_kind kind = (enum report_kind)work->notice->header.kind;
    size_t count = 0;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        if (is_postmaster || wants_notice(&envelope->recipients[i], kind))
            work->recipients[count++] = &envelope->recipients[i];
    }
    return count;
}

static sluice_status tell_postmaster(struct work *work, const char *recipient, bool wants_whole,
                                     struct error *err)
{
    const struct reader reader = {
        .address = sluice_span_of(recipient),
        .sender = sluice_span_of(work->notices->double_bounce_sender),
        .is_postmaster = true,
        .wants_whole = wants_whole,
    };

    return write_letter(work, &reader, select_recipients(work, true), err);
}

/* A failure that the sender cannot be told. A postmaster that cannot be reached is no reason to keep
 * the mail for ever. */
static sluice_status tell_double_bounce(struct work *work, struct error *err)
{
    sluice_status st;

    if (!work->notices->tells_double_bounce)
        return SLUICE_OK;
    st = tell_postmaster(work, work->notices->double_bounce_recipient, true, err);
    if (st != SLUICE_PERM)
        return st;
    log_warning("double_bounce_notice_recipient: %s", err->text);
    return SLUICE_OK;
}

static sluice_status tell_sender(struct work *work, struct error *err)
{
    const struct envelope *envelope = &work->notice->envelope;
    size_t count = select_recipients(work, false);
    const struct reader reader = {
        .address = envelope->sender,
        .wants_whole =
            work->notice->header.kind == REPORT_FAILURE && envelope->ret != SLUICE_RET_HDRS,
    };
    sluice_status st = count > 0 ? write_letter(work, &reader, count, err) : SLUICE_OK;

    if (st == SLUICE_PERM && work->notice->header.kind == REPORT_FAILURE)
        return tell_double_bounce(work, err);
    return st == SLUICE_PERM ? SLUICE_OK : st;
}

/* Only a copy: without it the sender is told all the same. */
static void copy_to_postmaster(struct work *work)
{
    const struct notices *notices = work->notices;
    uint32_t kind = work->notice->header.kind;
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;

    if (kind == REPORT_FAILURE && notices->tells_bounce)
        st = tell_postmaster(work, notices->bounce_recipient, false, &err);
    else if (kind == REPORT_DELAY && notices->tells_delay)
        st = tell_postmaster(work, notices->delay_recipient, false, &err);
    if (st != SLUICE_OK)
        log_warning("no copy of a report for the postmaster: %s", err.text);
}

static sluice_status apply_rules(struct work *work, struct error *err)
{
    struct sluice_span sender = work->notice->envelope.sender;
    sluice_status st;

    if (span_equal_case(sender, sluice_span_of(work->notices->double_bounce_sender)))
        return SLUICE_OK;
    if (sender.len == 0)
        return work->notice->header.kind == REPORT_FAILURE ? tell_double_bounce(work, err)
                                                           : SLUICE_OK;
    st = tell_sender(work, err);
    if (st == SLUICE_OK && work->count < REPORT_MESSAGES_MAX)
        copy_to_postmaster(work);
    return st;
}

/* ---- back to the queue ----------------------------------------------------------------------- */

static sluice_status send_letter(const struct letter *letter, notice_send *send, void *user)
{
    struct message_reported reported = {.envelope = buffer_span(&letter->envelope)};
    struct sluice_span content = buffer_span(&letter->content);
    int fd = -1;

    if (content.len <= CONTENT_INLINE_MAX)
        reported.content = content;
    else if (sealed_write("sluice-report", content, &fd) != SLUICE_OK)
        return SLUICE_TEMP;
    sluice_status st = send(user, &reported, fd);
    if (fd != -1)
        (void)close(fd); /* the queue has its own */
    return st;
}

static sluice_status send_letters(const struct work *work, notice_send *send, void *user,
                                  struct error *err)
{
    for (size_t i = 0; i < work->count; i++) {
        if (send_letter(&work->letters[i], send, user) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "no memory for a report");
    }
    return SLUICE_OK;
}

sluice_status notice_run(const struct notices *notices, const struct notice *notice,
                         notice_send *send, void *user, struct error *err)
{
    struct work work = {.notices = notices, .notice = notice};
    sluice_status st;

    work.recipients = calloc(notice->envelope.recipient_count + 1, sizeof(*work.recipients));
    if (work.recipients == NULL || read_message(&work) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "the message cannot be read into memory");
    else
        st = apply_rules(&work, err);
    if (st == SLUICE_OK)
        st = send_letters(&work, send, user, err);
    for (size_t i = 0; i < REPORT_MESSAGES_MAX; i++) {
        buffer_done(&work.letters[i].envelope);
        buffer_done(&work.letters[i].content);
    }
    buffer_done(&work.head);
    free((void *)work.recipients);
    return st;
}
