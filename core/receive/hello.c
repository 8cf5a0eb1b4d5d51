/* SPDX-License-Identifier: ISC */
/*
 * hello: HELO and EHLO (spec M-3 to M-7).
 */
#include "receive/command.h"
#include "receive/session.h"

#include <inttypes.h>
#include <stdlib.h>

/* Either of them begins anew. False: no memory. */
static bool remember(struct session *session, struct sluice_span name, bool is_esmtp)
{
    char *helo = span_dup(span_first(name, SESSION_HELO_MAX));

    if (helo == NULL) {
        session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
        return false;
    }
    session_reset(session);
    free(session->helo);
    session->helo = helo;
    session->is_esmtp = is_esmtp;
    return true;
}

void command_helo(struct session *session, struct sluice_span argument)
{
    if (argument.len == 0)
        session_reply(session, "501 Syntax: HELO hostname");
    else if (remember(session, argument, false))
        session_reply(session, "250 %s", session->receiver->settings.myhostname);
}

static void announce(struct session *session, enum ehlo_keyword keyword, bool is_last)
{
    uint64_t limit = session->receiver->settings.message_size_limit;
    const char *name = settings_keyword(keyword);
    char mark = is_last ? ' ' : '-';

    if (keyword == EHLO_SIZE && limit > 0)
        session_reply(session, "250%c%s %" PRIu64, mark, name, limit);
    else
        session_reply(session, "250%c%s", mark, name);
}

/* Local programs need no chunks, which do not go with looking at their headers. */
static bool is_announced(const struct session *session, int keyword)
{
    return !session->receiver->settings.is_discarded[keyword] &&
           !(session->is_local && keyword == EHLO_CHUNKING);
}

/* The last keyword that is announced, or -1. */
static int last_keyword(const struct session *session)
{
    int last = EHLO_KEYWORD_COUNT - 1;

    while (last >= 0 && !is_announced(session, last))
        last--;
    return last;
}

void command_ehlo(struct session *session, struct sluice_span argument)
{
    int last = last_keyword(session);

    if (argument.len == 0) {
        session_reply(session, "501 Syntax: EHLO hostname");
        return;
    }
    if (!remember(session, argument, true))
        return;
    session_reply(session, "250%c%s", last >= 0 ? '-' : ' ',
                  session->receiver->settings.myhostname);
    for (int i = 0; i <= last; i++) {
        if (is_announced(session, i))
            announce(session, (enum ehlo_keyword)i, i == last);
    }
}
