/* SPDX-License-Identifier: ISC */
/*
 * esmtp: one function for each parameter.
 */
#include "receive/esmtp.h"

#include "base/log.h"
#include "sluice/transport.h"

#define ECHO_MAX 100 /* of an unknown parameter in the reply */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off text; empty at the end. */
static struct sluice_span next_word(struct sluice_span *text)
{
    size_t len = 0;

    *text = span_trim(*text);
    while (len < text->len && !is_blank(text->ptr[len]))
        len++;
    struct sluice_span word = span_first(*text, len);
    *text = span_skip(*text, len);
    return word;
}

/* "SIZE=10" is SIZE with the value "10"; "SIZE" has no value. */
static bool is_parameter(struct sluice_span word, const char *name, struct sluice_span *ret_value)
{
    size_t end = span_find(word, '=');

    if (end == word.len || !span_equal_case(span_first(word, end), sluice_span_of(name)))
        return false;
    *ret_value = span_skip(word, end + 1);
    return true;
}

static sluice_status refuse_unknown(struct sluice_span word, struct error *err)
{
    char text[ECHO_MAX];

    return error_set(err, SLUICE_PERM, "555 5.5.4 Unsupported option: %s",
                     log_quote(word, text, sizeof(text)));
}

/* RFC 3461 4: printable but + and =, or + with two upper-case hex digits. */
static bool is_xtext(struct sluice_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '!' || c > '~' || c == '=')
            return false;
        if (c != '+')
            continue;
        if (i + 2 >= text.len)
            return false;
        for (size_t n = 1; n <= 2; n++) {
            if (text.ptr[i + n] == '\0' || strchr("0123456789ABCDEF", text.ptr[i + n]) == NULL)
                return false;
        }
        i += 2;
    }
    return text.len > 0;
}

/* What the xtext stands for is printable ASCII: +20 to +7E (RFC 3461 4.4). */
static bool is_printable_xtext(struct sluice_span text)
{
    if (!is_xtext(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '+')
            continue;
        char high = text.ptr[i + 1];
        if (high < '2' || high > '7' || (high == '7' && text.ptr[i + 2] == 'F'))
            return false;
        i += 2;
    }
    return true;
}

/* ---- MAIL ------------------------------------------------------------------------------------ */

static sluice_status parse_size(struct sluice_span value, uint64_t limit, uint64_t *size,
                                struct error *err)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return error_set(err, SLUICE_PERM, "501 5.5.4 Bad message size syntax");
    }
    if (value.len == 0)
        return error_set(err, SLUICE_PERM, "501 5.5.4 Bad message size syntax");
    if (!span_to_u64(value, size) || *size > INT64_MAX)
        return error_set(err, SLUICE_PERM,
                         "552 5.3.4 Message size exceeds file system imposed limit");
    if (limit > 0 && *size > limit)
        return error_set(err, SLUICE_PERM, "552 5.3.4 Message size exceeds fixed limit");
    return SLUICE_OK;
}

static sluice_status parse_ret(struct sluice_span value, int32_t *ret, struct error *err)
{
    int32_t wanted = SLUICE_RET_DEFAULT;

    if (span_equal_case(value, SPAN_LITERAL("FULL")))
        wanted = SLUICE_RET_FULL;
    else if (span_equal_case(value, SPAN_LITERAL("HDRS")))
        wanted = SLUICE_RET_HDRS;
    if (wanted == SLUICE_RET_DEFAULT || *ret != SLUICE_RET_DEFAULT)
        return error_set(err, SLUICE_PERM, "501 5.5.4 Bad RET parameter syntax");
    *ret = wanted;
    return SLUICE_OK;
}

static sluice_status parse_envid(struct sluice_span value, struct sluice_span *envid,
                                 struct error *err)
{
    if (envid->len > 0 || value.len > ESMTP_ENVID_MAX ||
        !is_printable_xtext(value))
        return error_set(err, SLUICE_PERM, "501 5.5.4 Bad ENVID parameter syntax");
    *envid = value;
    return SLUICE_OK;
}

static sluice_status parse_mail_word(struct sluice_span word, uint64_t limit, bool is_local,
                                     struct esmtp_mail *mail, struct error *err)
{
    struct sluice_span value;

    if (is_local && is_parameter(word, "XFULLNAME", &value) && is_xtext(value)) {
        mail->full_name = value;
        return SLUICE_OK;
    }
    if (is_local && span_equal_case(word, SPAN_LITERAL("XVERIFY"))) {
        mail->is_verify = true;
        return SLUICE_OK;
    }
    if (is_local && span_equal_case(word, SPAN_LITERAL("XUNCHANGED"))) {
        mail->is_unchanged = true;
        return SLUICE_OK;
    }
    if (is_parameter(word, "SIZE", &value))
        return parse_size(value, limit, &mail->size, err);
    if (is_parameter(word, "RET", &value))
        return parse_ret(value, &mail->ret, err);
    if (is_parameter(word, "ENVID", &value))
        return parse_envid(value, &mail->envid, err);
    if (!is_parameter(word, "BODY", &value))
        return refuse_unknown(word, err);
    if (span_equal_case(value, SPAN_LITERAL("8BITMIME")))
        mail->body = SLUICE_BODY_8BITMIME;
    else if (!span_equal_case(value, SPAN_LITERAL("7BIT")))
        return refuse_unknown(word, err);
    return SLUICE_OK;
}

sluice_status esmtp_parse_mail(struct sluice_span text, uint64_t size_limit, bool is_local,
                               struct esmtp_mail *ret_mail, struct error *err)
{
    struct esmtp_mail mail = {.body = SLUICE_BODY_7BIT, .ret = SLUICE_RET_DEFAULT};

    for (;;) {
        struct sluice_span word = next_word(&text);
        if (word.len == 0)
            break;
        sluice_status st = parse_mail_word(word, size_limit, is_local, &mail, err);
        if (st != SLUICE_OK)
            return st;
    }
    *ret_mail = mail;
    return SLUICE_OK;
}

/* ---- RCPT ------------------------------------------------------------------------------------ */

static uint32_t notify_bit(struct sluice_span word)
{
    if (span_equal_case(word, SPAN_LITERAL("NEVER")))
        return SLUICE_NOTIFY_NEVER;
    if (span_equal_case(word, SPAN_LITERAL("SUCCESS")))
        return SLUICE_NOTIFY_SUCCESS;
    if (span_equal_case(word, SPAN_LITERAL("FAILURE")))
        return SLUICE_NOTIFY_FAILURE;
    if (span_equal_case(word, SPAN_LITERAL("DELAY")))
        return SLUICE_NOTIFY_DELAY;
    return 0;
}

static sluice_status parse_notify(struct sluice_span value, uint32_t *notify, struct error *err)
{
    uint32_t bits = 0;
    bool is_good = *notify == SLUICE_NOTIFY_DEFAULT; /* once */
    bool has_more = true;

    while (has_more && is_good) {
        struct sluice_span word = span_first(value, span_find(value, ','));
        has_more = word.len < value.len;
        value = span_skip(value, word.len + 1);
        uint32_t bit = notify_bit(word);
        is_good = bit != 0 && (bits & bit) == 0;
        bits |= bit;
    }
    if ((bits & SLUICE_NOTIFY_NEVER) != 0 && bits != SLUICE_NOTIFY_NEVER)
        is_good = false;
    if (!is_good)
        return error_set(err, SLUICE_PERM, "501 5.5.4 Error: Bad NOTIFY parameter syntax");
    *notify = bits;
    return SLUICE_OK;
}

/* type;xtext, where the type is an atom */
static sluice_status parse_orcpt(struct sluice_span value, struct sluice_span *orcpt,
                                 struct error *err)
{
    size_t end = span_find(value, ';');
    bool is_good = orcpt->len == 0 && end > 0 && value.len <= ESMTP_ORCPT_MAX;

    if (!is_good || !is_xtext(span_first(value, end)) || !is_xtext(span_skip(value, end + 1)))
        return error_set(err, SLUICE_PERM, "501 5.5.4 Error: Bad ORCPT parameter syntax");
    *orcpt = value;
    return SLUICE_OK;
}

sluice_status esmtp_parse_rcpt(struct sluice_span text, struct esmtp_rcpt *ret_rcpt,
                               struct error *err)
{
    struct esmtp_rcpt rcpt = {.notify = SLUICE_NOTIFY_DEFAULT};

    for (;;) {
        struct sluice_span value;
        struct sluice_span word = next_word(&text);
        sluice_status st;
        if (word.len == 0)
            break;
        if (is_parameter(word, "NOTIFY", &value))
            st = parse_notify(value, &rcpt.notify, err);
        else if (is_parameter(word, "ORCPT", &value))
            st = parse_orcpt(value, &rcpt.orcpt, err);
        else
            st = refuse_unknown(word, err);
        if (st != SLUICE_OK)
            return st;
    }
    *ret_rcpt = rcpt;
    return SLUICE_OK;
}
