/* SPDX-License-Identifier: ISC */
/* verdict: how this plugin says what it found. */
#include "basic.h"

#include <stdarg.h>
#include <stdio.h>

static sluice_status decide(const struct question *question, int32_t verdict, int32_t about,
                            int32_t code, const char *dsn, const char *text)
{
    if (about == SLUICE_ABOUT_CLIENT && question->word->is_reverse)
        about = SLUICE_ABOUT_REVERSE_CLIENT;
    const struct sluice_access_verdict said = {.struct_size = sizeof(said),
                                               .verdict = verdict,
                                               .about = about,
                                               .code = code,
                                               .dsn = dsn,
                                               .text = text};

    question->sink->decide(question->sink, &said);
    return SLUICE_OK;
}

sluice_status permit(const struct question *question)
{
    return say(question, SLUICE_VERDICT_PERMIT, NULL);
}

/* RFC 3463 3.2: what is wrong with an address has one number for senders and one for recipients, and
 * does not fit what is about neither. */
static const char *fit_detail(int32_t about, const char *detail)
{
    static const struct {
        const char *detail, *sender, *recipient;
    } addresses[] = {
        {"1.0", "1.0", "1.0"}, {"1.1", "1.0", "1.1"}, {"1.2", "1.8", "1.2"}, {"1.3", "1.7", "1.3"},
        {"1.4", "1.0", "1.4"}, {"1.6", "1.0", "1.6"}, {"1.7", "1.7", "1.3"}, {"1.8", "1.8", "1.2"},
    };

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        if (strcmp(addresses[i].detail, detail) != 0)
            continue;
        if (about == SLUICE_ABOUT_SENDER)
            return addresses[i].sender;
        return about == SLUICE_ABOUT_RECIPIENT ? addresses[i].recipient : "0.0";
    }
    return detail;
}

sluice_status postpone(const struct question *question, int32_t verdict, int32_t about,
                       int32_t code, const char *detail, const char *text)
{
    char dsn[16];

    (void)snprintf(dsn, sizeof(dsn), "%d.%s", code >= 500 ? 5 : 4, fit_detail(about, detail));
    return decide(question, verdict, about, code, dsn, text);
}

sluice_status refuse(const struct question *question, int32_t about, int32_t code,
                     const char *detail, const char *text)
{
    return postpone(question, code >= 500 ? SLUICE_VERDICT_REJECT : SLUICE_VERDICT_DEFER, about,
                    code, detail, text);
}

sluice_status say(const struct question *question, int32_t verdict, const char *text)
{
    return decide(question, verdict, question->word->about, 0, NULL, text);
}

sluice_status misconfigured(const struct question *question, int32_t about)
{
    return postpone(question, SLUICE_VERDICT_DEFER, about, 451, "3.5",
                    "Server configuration error");
}

void complain(const struct question *question, const char *format, ...)
{
    const struct sluice_access *access = question->access;
    char line[1024];
    va_list args;

    if (access->log == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    access->log->write(access->host, SLUICE_LOG_WARNING, line);
}

struct sluice_span subject_of(const struct question *question)
{
    const struct sluice_access_request *request = question->request;
    const struct sluice_span nothing = {0};

    switch (question->word->about) {
    case SLUICE_ABOUT_CLIENT:
        return question->word->is_reverse ? request->reverse_name : request->client_name;
    case SLUICE_ABOUT_HELO:
        return request->helo;
    case SLUICE_ABOUT_SENDER:
        return request->sender;
    case SLUICE_ABOUT_RECIPIENT:
        return request->stage == SLUICE_STAGE_RCPT ? request->recipient : nothing;
    case SLUICE_ABOUT_ETRN:
        return request->stage == SLUICE_STAGE_ETRN ? request->recipient : nothing;
    default:
        return nothing;
    }
}

struct sluice_span domain_of(struct sluice_span address)
{
    size_t at = address.len;

    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    return (struct sluice_span){.ptr = address.ptr + at, .len = address.len - at};
}

bool to_text(struct sluice_span span, char *text, size_t size)
{
    if (span.len >= size || (span.len > 0 && memchr(span.ptr, '\0', span.len) != NULL))
        return false;
    if (span.len > 0)
        memcpy(text, span.ptr, span.len);
    text[span.len] = '\0';
    return true;
}
