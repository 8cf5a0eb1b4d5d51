/* SPDX-License-Identifier: ISC */
/*
 * reload: see reload.h.
 */
#include "queue/reload.h"

#include "base/json_text.h"
#include "base/span.h"
#include "queue/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

sluice_status queue_reload_ask(struct session *session, json_t *request)
{
    (void)request;
    int asker_fd = fcntl(stream_fd(session->stream), F_DUPFD_CLOEXEC, 0);
    if (asker_fd == -1 || role_ask_for_reload(session->queue->role, asker_fd) != SLUICE_OK)
        return error_set(&session->err, SLUICE_TEMP, "the master cannot be asked");
    session->is_passed_on = true;
    return SLUICE_OK;
}

struct answer {
    struct queue *queue;
    int asker_fd;
    sluice_status status;
    uint64_t generation;
    char *text;
    char *said;
};

static void free_answer(struct answer *answer)
{
    free(answer->text);
    free(answer->said);
    free(answer);
}

static sluice_status put_lines(struct session *session, const char *said)
{
    struct sluice_span rest = sluice_span_of(said);
    sluice_status st = SLUICE_OK;

    while (rest.len > 0 && st == SLUICE_OK) {
        size_t len = span_find(rest, '\n');

        st = session_put(session,
                         json_pack("{s:o}", "said", json_text(span_first(rest, len))));
        rest = span_skip(rest, len < rest.len ? len + 1 : len);
    }
    return st;
}

static void send_answer(void *arg)
{
    struct answer *answer = arg;
    struct session session = {.queue = answer->queue, .uid = UID_UNKNOWN};

    if (stream_new(answer->asker_fd, &session.stream) != SLUICE_OK) {
        (void)close(answer->asker_fd); /* the asker sees its end */
        free_answer(answer);
        return;
    }
    sluice_status st = put_lines(&session, answer->said);
    if (st == SLUICE_OK)
        st = session_put(&session,
                         json_pack("{s:I}", "generation", (json_int_t)answer->generation));
    if (st == SLUICE_OK)
        st = error_set(&session.err, answer->status, "%s", answer->text);
    session_end(&session, st);
    stream_close(session.stream);
    free_answer(answer);
}

void queue_reload_answer(struct queue *queue, const struct message_reloaded *message,
                         int asker_fd)
{
    struct answer *answer = calloc(1, sizeof(*answer));

    if (answer != NULL) {
        *answer = (struct answer){.queue = queue,
                                  .asker_fd = asker_fd,
                                  .status = message->status,
                                  .generation = message->generation,
                                  .text = span_dup(message->text),
                                  .said = span_dup(message->said)};
        if (answer->text != NULL && answer->said != NULL &&
            queue_start_task(queue, "reloaded", send_answer, answer) == SLUICE_OK)
            return;
        free_answer(answer);
    }
    (void)close(asker_fd); /* the asker sees its end */
}
