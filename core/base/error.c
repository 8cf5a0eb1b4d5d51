/* SPDX-License-Identifier: ISC */
/*
 * error: filling in struct error, and the words for statuses.
 */
#include "base/error.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const status_names[] = {
    [SLUICE_OK] = "OK",     [SLUICE_NOT_FOUND] = "NOT_FOUND", [SLUICE_TEMP] = "TEMP",
    [SLUICE_PERM] = "PERM", [SLUICE_CONFIG] = "CONFIG",       [SLUICE_UNSUPPORTED] = "UNSUPPORTED",
};

static void set_plain(struct error *err, sluice_status status, const char *dsn, const char *text)
{
    err->status = status;
    text_copy(err->dsn, sizeof(err->dsn), dsn != NULL ? dsn : "");
    text_copy(err->text, sizeof(err->text), text);
}

static void set(struct error *err, sluice_status status, const char *dsn, const char *format,
                va_list args)
{
    if (err == NULL)
        return;
    /* An argument may be err->text itself: write beside it first. */
    char text[ERROR_TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, args); /* cut to fit: promised so */
    set_plain(err, status, dsn, text);
}

sluice_status error_set(struct error *err, sluice_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, status, NULL, format, args);
    va_end(args);
    return status;
}

sluice_status error_set_dsn(struct error *err, sluice_status status, const char *dsn,
                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, status, dsn, format, args);
    va_end(args);
    return status;
}

sluice_status error_set_text(struct error *err, sluice_status status, const char *dsn,
                             const char *text)
{
    if (err != NULL)
        set_plain(err, status, dsn, text);
    return status;
}

void error_prefix(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return;
    char context[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    char old[ERROR_TEXT_MAX];
    memcpy(old, err->text, sizeof(old));
    struct text text = text_open(err->text, sizeof(err->text));
    text_add(&text, context);
    text_add(&text, ": ");
    text_add(&text, old);
}

sluice_status status_known(sluice_status status)
{
    return status >= SLUICE_OK && status <= SLUICE_UNSUPPORTED ? status : SLUICE_TEMP;
}

const char *status_name(sluice_status status)
{
    return status_names[status_known(status)];
}

/* sdk is the first member of struct error_sink: the plugin's pointer is ours. */
static void explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    const struct error_sink *sink = (const struct error_sink *)errors;
    sluice_status status = sink->err != NULL ? sink->err->status : SLUICE_TEMP;

    (void)error_set_text(sink->err, status != SLUICE_OK ? status : SLUICE_TEMP, dsn,
                         text != NULL ? text : "");
}

void error_sink_init(struct error_sink *sink, struct error *err)
{
    *sink = (struct error_sink){
        .sdk = {.struct_size = sizeof(sink->sdk), .explain = explain},
        .err = err,
    };
}
