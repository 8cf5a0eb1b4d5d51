/* SPDX-License-Identifier: ISC */
/*
 * stress: when it begins and ends, and whose waits are cut short.
 */
#include "receive/stress.h"

#include "base/clock.h"
#include "base/log.h"

#include <sys/resource.h>
#include <utlist.h>

#define SESSIONS_MAX 10000
#define OTHER_DESCRIPTORS 128 /* listeners, links, tables, files of plugins */

/* Parts of what there is, in percent. */
#define SESSIONS_BEGIN 90
#define SESSIONS_END 80
#define MEMORY_BEGIN 75
#define MEMORY_END 50

/* A session has a socket, and a file while a large message comes in. */
size_t stress_session_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY)
        return SESSIONS_MAX;
    if (limit.rlim_cur < OTHER_DESCRIPTORS + 2)
        return 1;
    size_t max = (size_t)(limit.rlim_cur - OTHER_DESCRIPTORS) / 2;
    return max < SESSIONS_MAX ? max : SESSIONS_MAX;
}

static bool is_beyond(size_t used, size_t all, size_t percent)
{
    return used * 100 >= all * percent;
}

static void look(struct receiver *receiver)
{
    size_t sessions = receiver->session_count;
    size_t memory = receiver->transaction_memory;
    bool was_stressed = receiver->is_stressed;

    receiver->is_stressed =
        is_beyond(sessions, receiver->session_max, was_stressed ? SESSIONS_END : SESSIONS_BEGIN) ||
        is_beyond(memory, TRANSACTION_SHARED_MAX, was_stressed ? MEMORY_END : MEMORY_BEGIN);
    if (receiver->is_stressed == was_stressed)
        return;
    log_notice("%s: %zu of %zu sessions, %zu KiB of %zu in transactions",
               was_stressed ? "stress is over" : "stress: clients must be quick", sessions,
               receiver->session_max, memory / 1024, TRANSACTION_SHARED_MAX / 1024);
}

/* ---- waits ----------------------------------------------------------------------------------- */

void stress_wait_begins(struct session *session, bool is_idle)
{
    struct receiver *receiver = session->receiver;

    look(receiver);
    session->wait_started_ms = clock_monotonic_ms();
    session->wait_is_over = false;
    session->wait_list = is_idle ? &receiver->idle_sessions : &receiver->busy_sessions;
    DL_APPEND2(*session->wait_list, session, wait_prev, wait_next);
}

void stress_wait_ends(struct session *session)
{
    DL_DELETE2(*session->wait_list, session, wait_prev, wait_next);
    look(session->receiver);
}

static void end_wait(struct session *session)
{
    session->wait_is_over = true;
    stream_expire(session->stream);
}

static void end_older_than(struct session *list, int64_t started_ms)
{
    struct session *session;

    DL_FOREACH2(list, session, wait_next)
    {
        if (session->wait_started_ms > started_ms)
            return;
        if (!session->wait_is_over)
            end_wait(session);
    }
}

static void end_longest_idle(struct receiver *receiver)
{
    struct session *session;

    DL_FOREACH2(receiver->idle_sessions, session, wait_next)
    {
        if (!session->wait_is_over) {
            end_wait(session);
            return;
        }
    }
}

void stress_relieve(struct receiver *receiver)
{
    look(receiver);
    if (!receiver->is_stressed)
        return;
    int64_t started_ms = clock_monotonic_ms() - receiver_limits(receiver)->timeout_ms;
    end_older_than(receiver->idle_sessions, started_ms);
    end_older_than(receiver->busy_sessions, started_ms);
    if (receiver->session_count >= receiver->session_max)
        end_longest_idle(receiver);
}

void stress_end_idle(struct receiver *receiver)
{
    end_older_than(receiver->idle_sessions, INT64_MAX);
}
