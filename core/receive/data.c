/* SPDX-License-Identifier: ISC */
/*
 * data: DATA (spec M-40 to M-48). 250 is said when the queue has the message on stable storage, and
 * at no other time.
 */
#include "receive/bdat.h"
#include "receive/command.h"
#include "receive/judge.h"
#include "receive/line.h"
#include "receive/upload.h"

static bool is_in_order(struct session *session, struct sluice_span argument)
{
    if (session->transaction == NULL)
        session_reply(session, "503 5.5.1 Error: need RCPT command");
    else if (session->transaction->envelope.recipient_count == 0)
        session_reply(session, "554 5.5.1 Error: no valid recipients");
    else if (argument.len > 0)
        session_reply(session, "501 5.5.4 Syntax: DATA");
    else
        return true;
    return false;
}

static void run(struct session *session, struct upload *upload)
{
    session_reply(session, "354 End data with <CR><LF>.<CR><LF>");
    line_drop(session);
    if (!session_flush(session))
        return;
    upload_begin(upload);
    sluice_status st = upload_take_data(upload);
    if (st == SLUICE_OK)
        upload_finish(upload);
    else
        session_lost(session, st);
}

static bool is_allowed(struct session *session)
{
    return session->is_local || judge_content(session, "DATA", SLUICE_STAGE_DATA,
                                              RESTRICTIONS_DATA, 0);
}

void command_data(struct session *session, struct sluice_span argument)
{
    if (bdat_refuses(session, "DATA") || !is_in_order(session, argument) || !is_allowed(session))
        return;
    struct upload *upload = upload_new(session, false);
    if (upload == NULL)
        return;
    run(session, upload);
    upload_free(upload);
    session_reset(session);
}
