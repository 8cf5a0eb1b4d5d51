/* SPDX-License-Identifier: ISC */
/*
 * lifetime: the hands, and what happens to what they pass.
 */
#include "queue/lifetime.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/active.h"
#include "queue/delivery_log.h"
#include "queue/report.h"
#include "queue/settle.h"
#include "queue/state.h"

#define LOOK_MS 60000    /* at least: the clock may be set */
#define REPORTS_MAX 1000 /* that wait to be made, or nothing more is given up */
#define REPORTS_PAUSE_MS 1000
#define MESSAGES_PER_TURN 256 /* that are passed before others get their turn */

/* ---- the hands ------------------------------------------------------------------------------- */

int64_t lifetime_next_ms(const struct lifetime_hand *hand)
{
    const struct queue_message *message = hand->cursor.message;
    int64_t due_ms;

    if (message == NULL || hand->limit_ms == 0)
        return CLOCK_NEVER;
    due_ms = message->arrival_ms + hand->limit_ms;
    if (message->arrival_ms < hand->start_ms && due_ms < hand->start_ms + hand->grace_ms)
        due_ms = hand->start_ms + hand->grace_ms;
    return due_ms;
}

struct queue_message *lifetime_pass(struct lifetime_hand *hand, int64_t wall_ms)
{
    if (lifetime_next_ms(hand) > wall_ms || !hand->cursor.message->is_durable)
        return NULL;
    return cursor_next(&hand->cursor);
}

static const struct lifetime_hand *expiry_of(const struct queue *queue,
                                             const struct queue_message *message)
{
    return &queue->lifetime
                .hands[message->has_null_sender ? LIFETIME_BOUNCE_EXPIRY : LIFETIME_EXPIRY];
}

int64_t lifetime_expires_ms(const struct queue *queue, const struct queue_message *message)
{
    int64_t limit_ms = expiry_of(queue, message)->limit_ms;

    return limit_ms > 0 ? message->arrival_ms + limit_ms : 0;
}

/* ---- giving up ------------------------------------------------------------------------------- */

/* What waits fails; user: a bool, only what has had an attempt. */
static bool fail_recipients(const struct queue_message *message, struct envelope *envelope,
                            void *user)
{
    const bool *only_attempted = user;
    bool has_failed = false;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];

        if (recipient->state != RECIPIENT_WAITING || (*only_attempted && recipient->attempts == 0))
            continue;
        settle_explain(message, recipient, i);
        recipient->state = RECIPIENT_FAILED;
        has_failed = true;
    }
    if (has_failed && !*only_attempted)
        envelope->expired_ms = clock_wall_ms();
    if (has_failed)
        delivery_log_expired(message->id, envelope);
    return has_failed;
}

/* Nothing of the message is in flight, and its record is there. TEMP: no memory. */
static sluice_status give_up(struct active *active, bool only_attempted)
{
    return settle(active, fail_recipients, &only_attempted);
}

/* Something of it waits, nothing is in flight, and nobody wants something else. */
static bool can_be_given_up(const struct active *active)
{
    const struct queue_message *message = active->message;

    return message->units != NULL && !message->is_held && !active->is_finished &&
           !schedule_is_in_flight(message);
}

void lifetime_job_ended(struct queue *queue, struct active *active)
{
    const struct queue_message *message = active->message;
    int64_t limit_ms = expiry_of(queue, message)->limit_ms;
    bool is_over = limit_ms == 0 || clock_wall_ms() - message->arrival_ms >= limit_ms;

    if ((!message->is_expired && !is_over) || !can_be_given_up(active) || active->record.len == 0)
        return;
    if (give_up(active, limit_ms == 0 && !message->is_expired) != SLUICE_OK)
        log_error("out of memory: a message is tried again, although its time is over");
}

/* Reads the record if need be. While that takes its time the message may begin to move, or go. */
static sluice_status expire(struct queue *queue, struct queue_message *message, struct error *err)
{
    struct active *active = active_get(queue, message);
    struct buffer record = BUFFER_INIT;
    sluice_status st = SLUICE_OK;

    if (active == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    if (active->record.len == 0)
        st = store_read(queue->store, message->id, &record, NULL, err);
    if (st == SLUICE_OK)
        active_set(active, &record);
    buffer_done(&record);
    if (st == SLUICE_OK && !task_is_cancelled() && can_be_given_up(active))
        st = give_up(active, false);
    active_unref(active);
    return st;
}

/* ---- what a hand has passed ------------------------------------------------------------------ */

/* One that cannot be read is left: it is given up after its next attempt, or after the next start. */
static void expire_passed(struct queue *queue, struct queue_message *message)
{
    struct error err = ERROR_INIT;
    char id[ID_TEXT_SIZE];

    (void)id_format(message->id, id);
    if (expire(queue, message, &err) != SLUICE_OK && !task_is_cancelled())
        log_error("%s: its time is over, but it cannot be given up: %s", id, err.text);
}

static void act(struct queue *queue, enum lifetime_limit limit, struct queue_message *message)
{
    if (!message->is_durable || message->is_held || message->units == NULL)
        return;
    if (limit != LIFETIME_WARNING) {
        if (expiry_of(queue, message) == &queue->lifetime.hands[limit] && !schedule_is_in_flight(message))
            expire_passed(queue, message);
    } else if (!message->is_warned && !message->has_null_sender) {
        message->is_warned = true;
        report_owe(queue, message, REPORT_DELAY);
    }
}

/* Moves the hand as far as it goes now. Returns when to look again. */
static int64_t move(struct queue *queue, enum lifetime_limit limit)
{
    struct lifetime_hand *hand = &queue->lifetime.hands[limit];
    struct queue_message *message;
    unsigned passed = 0;

    while (!task_is_cancelled() && report_count(queue) < REPORTS_MAX &&
           (message = lifetime_pass(hand, clock_wall_ms())) != NULL) {
        act(queue, limit, message);
        if (++passed % MESSAGES_PER_TURN == 0)
            task_yield();
    }
    int64_t next_ms = lifetime_next_ms(hand);
    int64_t wait_ms = next_ms == CLOCK_NEVER ? LOOK_MS : next_ms - clock_wall_ms();
    if (hand->limit_ms > 0 && next_ms == CLOCK_NEVER && hand->limit_ms < LOOK_MS)
        wait_ms = hand->limit_ms; /* what comes from now on */
    return wait_ms > 0 ? wait_ms : REPORTS_PAUSE_MS;
}

static bool has_reached(const struct lifetime_hand *hand, const struct queue_message *message)
{
    return hand->limit_ms > 0 && message->arrival_ms + hand->limit_ms <= clock_wall_ms();
}

/* What was named, which the hands may have passed, or come to in days. Returns as move does. */
static int64_t review(struct queue *queue)
{
    struct id_list *named = &queue->lifetime.named;
    struct queue_message *message;
    uint64_t id;

    while (!task_is_cancelled() && report_count(queue) < REPORTS_MAX && id_list_take(named, &id)) {
        for (int i = 0; i < LIFETIME_LIMITS; i++) {
            bool is_ordered = i != LIFETIME_WARNING;

            message =
                schedule_find(&queue->schedule, id); /* the one before may have taken a while */
            if (message != NULL && ((is_ordered && message->is_expired) ||
                                    has_reached(&queue->lifetime.hands[i], message)))
                act(queue, (enum lifetime_limit)i, message);
        }
        task_yield();
    }
    return named->count > 0 ? REPORTS_PAUSE_MS : LOOK_MS;
}

static void run(void *arg)
{
    struct queue *queue = arg;

    while (!task_is_cancelled()) {
        int64_t wait_ms = review(queue);

        for (int i = 0; i < LIFETIME_LIMITS; i++) {
            int64_t hand_ms = move(queue, (enum lifetime_limit)i);
            if (hand_ms < wait_ms)
                wait_ms = hand_ms;
        }
        (void)task_queue_wait(&queue->lifetime.work, clock_monotonic_ms() + wait_ms);
    }
}

void lifetime_review(struct queue *queue, struct queue_message *message)
{
    if (!id_list_add(&queue->lifetime.named, message->id))
        log_error("out of memory: a message is given up after its next attempt");
    task_queue_wake_all(&queue->lifetime.work);
}

/* ---- start ----------------------------------------------------------------------------------- */

sluice_status lifetime_start(struct queue *queue, struct error *err)
{
    static const char *const names[LIFETIME_LIMITS] = {
        [LIFETIME_EXPIRY] = "maximal_queue_lifetime",
        [LIFETIME_BOUNCE_EXPIRY] = "bounce_queue_lifetime",
        [LIFETIME_WARNING] = "delay_warning_time",
    };

    if (roster_sort(&queue->schedule.messages) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (int i = 0; i < LIFETIME_LIMITS; i++) {
        struct lifetime_hand *hand = &queue->lifetime.hands[i];

        hand->limit_ms = config_number(queue->role->config, names[i]);
        hand->start_ms = queue->started_wall_ms;
        hand->grace_ms = queue->settings.minimal_backoff_ms;
        cursor_follow(&hand->cursor, &queue->schedule);
    }
    if (queue_start_task(queue, "lifetime", run, queue) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    return SLUICE_OK;
}

void lifetime_done(struct queue *queue)
{
    id_list_done(&queue->lifetime.named);
}
