/* SPDX-License-Identifier: ISC */
/*
 * esmtp: the parameters behind the address in MAIL (SIZE, BODY, RET, ENVID) and RCPT (NOTIFY,
 * ORCPT): RFC 1870, 6152, 3461.
 */
#ifndef RECEIVE_ESMTP_H
#define RECEIVE_ESMTP_H

#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>

#define ESMTP_ENVID_MAX 100 /* RFC 3461 4.4 */
#define ESMTP_ORCPT_MAX 500 /* RFC 3461 4.2 */

struct esmtp_mail {
    uint64_t size; /* 0: not said */
    int32_t body;  /* SLUICE_BODY_... */
    int32_t ret;   /* SLUICE_RET_... */
    struct sluice_span envid;
    struct sluice_span full_name; /* xtext; of a local client's user */
    bool is_verify;               /* a local client only asks */
    bool is_unchanged;            /* what it sends is somebody else's: nothing is missing or dropped */
};

struct esmtp_rcpt {
    uint32_t notify; /* SLUICE_NOTIFY_... */
    struct sluice_span orcpt;
};

/* size_limit 0: none. is_local: also XFULLNAME and XVERIFY, which sendmail uses, and
 * XUNCHANGED, which the transport local does. On PERM, err's text is
 * the whole reply: "501 5.5.4 Bad RET ...". The results point into text. */
sluice_status esmtp_parse_mail(struct sluice_span text, uint64_t size_limit, bool is_local,
                               struct esmtp_mail *ret_mail, struct error *err);
sluice_status esmtp_parse_rcpt(struct sluice_span text, struct esmtp_rcpt *ret_rcpt,
                               struct error *err);

#endif
