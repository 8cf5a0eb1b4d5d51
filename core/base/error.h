/* SPDX-License-Identifier: ISC */
/*
 * error: why something failed, in words for the postmaster.
 *
 * Functions that can fail take a struct error as their last argument and fill it in before they
 * return a status other than OK and NOT_FOUND. The caller adds context or logs it, not both.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "sluice/types.h"

#define ERROR_TEXT_MAX 512
#define ERROR_DSN_MAX 12

struct error {
    sluice_status status;
    char dsn[ERROR_DSN_MAX]; /* enhanced status code (RFC 3463), or empty */
    char text[ERROR_TEXT_MAX];
};

#define ERROR_INIT {0}

/* Sets the text and returns status, so that a caller can `return error_set(...)`. err may be NULL.
 * The text is cut at ERROR_TEXT_MAX. [any] */
sluice_status error_set(struct error *err, sluice_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with an enhanced status code. [any] */
sluice_status error_set_dsn(struct error *err, sluice_status status, const char *dsn,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same with a text that is there already; not err->text itself. [any] */
sluice_status error_set_text(struct error *err, sluice_status status, const char *dsn,
                             const char *text);

/* Puts "context: " before the text; status and dsn stay. [any] */
void error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The word for a status: "OK", "TEMP"; "TEMP" for one that we do not know. [any] */
const char *status_name(sluice_status status);

/* What the host does with a plugin's status: one that is unknown is TEMP. [any] */
sluice_status status_known(sluice_status status);

/*
 * An SDK error sink that writes into an error: error_sink_init(&sink, &err), then pass &sink.sdk.
 */
struct error_sink {
    struct sluice_errors sdk;
    struct error *err;
};
void error_sink_init(struct error_sink *sink, struct error *err);

#endif
