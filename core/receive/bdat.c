/* SPDX-License-Identifier: ISC */
/*
 * bdat: whatever the answer to a chunk is, its bytes are read first. When one of them was refused the
 * others of the same message, which the client may have sent already, are thrown away.
 */
#include "receive/bdat.h"

#include "receive/judge.h"
#include "receive/line.h"
#include "receive/upload.h"

#include <inttypes.h>

struct chunk {
    struct session *session;
    uint64_t size;
    bool is_last;
};

bool bdat_refuses(struct session *session, const char *command)
{
    if (session->upload == NULL && !session->has_bad_chunk)
        return false;
    session_reply(session, "503 5.5.1 Error: %s after BDAT", command);
    return true;
}

/* "BDAT 1000 LAST" (RFC 3030 2) */
static bool parse(struct chunk *chunk, struct sluice_span argument)
{
    size_t len = span_find(argument, ' ');
    struct sluice_span rest = span_trim(span_skip(argument, len));

    chunk->is_last = span_equal_case(rest, SPAN_LITERAL("LAST"));
    return (chunk->is_last || rest.len == 0) &&
           span_to_u64(span_first(argument, len), &chunk->size) && chunk->size <= INT64_MAX;
}

/* False: the client is gone. */
static bool is_read(struct session *session, sluice_status st)
{
    if (st != SLUICE_OK)
        session_lost(session, st);
    return st == SLUICE_OK;
}

/* The message will not come about; its last chunk ends the transaction. */
static void skip(struct chunk *chunk)
{
    struct session *session = chunk->session;

    upload_free(session->upload);
    session->upload = NULL;
    session->has_bad_chunk = true;
    if (is_read(session, upload_skip_chunk(session, chunk->size)) && chunk->is_last)
        session_reset(session);
}

/* What is wrong with the chunk before a byte of it has been read, as a reply; NULL: nothing. */
static const char *find_fault(const struct chunk *chunk)
{
    const struct session *session = chunk->session;
    uint64_t limit = session->receiver->settings.message_size_limit;
    uint64_t before = session->upload != NULL ? upload_chunked(session->upload) : 0;

    if (session->transaction == NULL)
        return "503 5.5.1 Error: need RCPT command";
    if (session->transaction->envelope.recipient_count == 0)
        return "554 5.5.1 Error: no valid recipients";
    if (chunk->size == 0 && !chunk->is_last)
        return "551 5.7.1 Bad null BDAT request";
    if (limit > 0 && (before > limit || chunk->size > limit - before))
        return "552 5.3.4 Chunk exceeds message size limit";
    return NULL;
}

static bool begin(struct session *session)
{
    if (session->upload != NULL)
        return true;
    if (!judge_content(session, "BDAT", SLUICE_STAGE_DATA, RESTRICTIONS_DATA, 0))
        return false;
    session->upload = upload_new(session, true);
    if (session->upload != NULL)
        upload_begin(session->upload);
    return session->upload != NULL;
}

static void keep(struct chunk *chunk)
{
    struct session *session = chunk->session;

    if (!begin(session)) {
        skip(chunk);
        return;
    }
    if (!is_read(session, upload_take_chunk(session->upload, chunk->size)))
        return;
    if (!chunk->is_last) {
        session_reply(session, "250 2.0.0 Ok: %" PRIu64 " bytes", chunk->size);
        return;
    }
    upload_finish(session->upload);
    session_reset(session);
}

void command_bdat(struct session *session, struct sluice_span argument)
{
    struct chunk chunk = {.session = session};

    if (session->receiver->settings.is_discarded[EHLO_CHUNKING]) {
        session_dismiss(session, "521 5.5.1 Error: command not implemented");
        return;
    }
    if (session->is_local || !parse(&chunk, argument)) {
        /* Where the next command begins nobody knows. */
        session_dismiss(session, "521 5.5.4 Syntax: BDAT count [LAST]");
        return;
    }
    line_drop(session);
    const char *fault = find_fault(&chunk);
    if (session->has_bad_chunk) {
        skip(&chunk);
        session_reply(session, "551 5.0.0 Discarded %" PRIu64 " bytes after earlier error",
                      chunk.size);
    } else if (fault != NULL) {
        skip(&chunk);
        session_reply(session, "%s", fault);
    } else {
        keep(&chunk);
    }
}
