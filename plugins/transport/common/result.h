/* SPDX-License-Identifier: ISC */
/*
 * result: what becomes of a recipient, with the reason, on its way to the report. Any thread.
 */
#ifndef SLUICE_TRANSPORT_RESULT_H
#define SLUICE_TRANSPORT_RESULT_H

#include "sluice/transport.h"

#define RESULT_DSN_MAX 12
#define RESULT_TEXT_MAX 1024

struct result {
    sluice_status status;
    char dsn[RESULT_DSN_MAX];
    char text[RESULT_TEXT_MAX];
};

/* Sets it in printf's way, what is too long cut off, and returns status. */
sluice_status result_set(struct result *result, sluice_status status, const char *dsn,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * For a file that cannot be written: the text, and ": " and what the error number means. A quota and
 * the largest size of a file are PERM 5.2.2, as the sender can do something about it; a full disk is
 * TEMP 4.3.1, anything else TEMP 4.2.0.
 */
sluice_status result_set_errno(struct result *result, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts a text before the one that is there. */
void result_prefix(struct result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As a report takes it; it borrows the texts. OK: it is in a mailbox, and goes no further. */
struct sluice_result result_full(const struct result *result);
/* Reports it for the recipient of that index. */
void result_report(const struct result *result, const struct sluice_report *report, size_t index);

#endif
