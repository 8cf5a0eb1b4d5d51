/* SPDX-License-Identifier: ISC */
/*
 * death: see death.h.
 */
#include "queue/death.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/dispatch.h"
#include "queue/inherit.h"
#include "queue/report.h"
#include "queue/results.h"
#include "queue/state.h"

#include <stdio.h>
#include <utlist.h>

#define REASON_SIZE (DEATH_ACTIVITY_SIZE + 64)

/* ---- who was there --------------------------------------------------------------------------- */

/* What the jobs of a dead process have in common. */
struct scene {
    const struct death *death;
    struct job *blamed; /* NULL: it could be any of them */
    bool is_named;      /* by the last words */
    bool is_elsewhere;  /* the last words are of something else */
    size_t jobs;
    size_t messages;
    uint32_t mark; /* on messages that have been looked at */
};

static struct queue_message *message_of(const struct job *job)
{
    return job->units->message;
}

/* True for a message's first job of a walk over all. */
static bool is_first(struct scene *scene, const struct job *job)
{
    bool is_first_job = message_of(job)->mark != scene->mark;

    message_of(job)->mark = scene->mark;
    return is_first_job;
}

static bool is_running(const struct job *job, const struct death *death)
{
    char id[ID_TEXT_SIZE];

    return strcmp(id_format(message_of(job)->id, id), death->task) == 0;
}

static void look_around(const struct deliver_link *link, struct scene *scene)
{
    struct job *job;
    struct job *next;

    *scene = (struct scene){.death = &link->death, .mark = ++link->queue->schedule.mark};
    HASH_ITER(hh, link->queue->jobs, job, next)
    {
        if (job->link != link)
            continue;
        scene->jobs++;
        scene->messages += is_first(scene, job);
        if (scene->is_named)
            continue;
        scene->is_named = is_running(job, scene->death);
        scene->blamed = scene->is_named || scene->jobs == 1 ? job : NULL;
    }
    scene->is_elsewhere = scene->death->task[0] != '\0' && !scene->is_named;
    if (scene->is_elsewhere)
        scene->blamed = NULL;
}

/* ---- what becomes of them -------------------------------------------------------------------- */

static struct suspects_job describe(const struct scene *scene, const struct job *job)
{
    return (struct suspects_job){
        .message = message_of(job),
        .site = job->site,
        .is_blamed = job == scene->blamed,
        .is_alone = scene->messages == 1 && !scene->is_elsewhere,
    };
}

static void blame(struct queue *queue, const struct scene *scene, int64_t now_ms)
{
    if (scene->blamed == NULL)
        return;
    struct suspects_job job = describe(scene, scene->blamed);
    if (suspects_blame(&queue->suspects, &job, now_ms))
        log_error("transport %s is unavailable for %lld s: deliver crashed on %d of its messages "
                  "one after the other%s%s",
                  job.site->transport, (long long)(queue->settings.transport_retry_ms / 1000),
                  SUSPECTS_TRANSPORT_CRASHES, scene->death->activity[0] != '\0' ? ", in plugin " : "",
                  scene->death->activity);
}

static const char *reason_for(enum suspects_verdict verdict, const struct scene *scene,
                              const struct job *job, char text[REASON_SIZE])
{
    bool is_plugin_known = scene->death->activity[0] != '\0';

    if (verdict == SUSPECTS_SPARED)
        return "mail transport unavailable";
    if (verdict == SUSPECTS_COUNTED)
        return "deliver crashed during the attempt";
    (void)snprintf(text, REASON_SIZE, "held after %d crashes of deliver, %s %s",
                   SUSPECTS_CRASHES_MAX, is_plugin_known ? "plugin" : "transport",
                   is_plugin_known ? scene->death->activity : job->site->transport);
    return text;
}

static void judge_job(struct queue *queue, struct scene *scene, struct job *job, int64_t now_ms)
{
    struct suspects_job suspect = describe(scene, job);
    enum suspects_verdict verdict = SUSPECTS_COUNTED;
    char text[REASON_SIZE];

    if (is_first(scene, job))
        verdict = suspects_judge(&queue->suspects, &suspect, scene->is_named, now_ms);
    results_crash(job, reason_for(verdict, scene, job, text), verdict == SUSPECTS_HELD);
}

static void judge(struct deliver_link *link)
{
    struct queue *queue = link->queue;
    int64_t now_ms = clock_monotonic_ms();
    struct scene scene;
    struct job *job;
    struct job *next;

    look_around(link, &scene);
    log_error("deliver %u (pid %ld) crashed (%s), task %s%s%s%s; messages under way: %zu", link->index,
              (long)link->pid, link->death.text,
              link->death.task[0] != '\0' ? link->death.task : "unknown",
              link->death.activity[0] != '\0' ? " (" : "", link->death.activity,
              link->death.activity[0] != '\0' ? ")" : "", scene.messages);
    blame(queue, &scene, now_ms);
    report_crashed(queue, link->pid, link->death.task, scene.jobs == 0);
    scene.mark = ++queue->schedule.mark;
    HASH_ITER(hh, queue->jobs, job, next)
    {
        if (job->link == link)
            judge_job(queue, &scene, job, now_ms);
    }
}

static void settle(struct deliver_link *link)
{
    struct queue *queue = link->queue;
    bool is_crash = link->death.is_known && link->death.is_crash;

    if (is_crash)
        judge(link);
    deliver_link_end(link, is_crash ? 0 : DISPATCH_RETURN_MS);
    if (is_crash)
        death_look(queue);
}

/* ---- both ends of the news ------------------------------------------------------------------- */

void death_link_closed(struct deliver_link *link)
{
    link->closed_ms = clock_monotonic_ms();
    if (link->death.is_known || link->used_messages == 0)
        settle(link);
}

void death_link_broken(struct deliver_link *link)
{
    link->death = (struct death){.is_known = true, .is_crash = true, .text = "it sent nonsense"};
    settle(link);
}

static void copy(char *to, size_t size, struct sluice_span from)
{
    (void)snprintf(to, size, "%.*s", SPAN_ARGS(from)); /* cut is fine */
}

/* Who has no link has nothing under way but what a former queue gave it. */
void death_take(struct queue *queue, const struct message_died *died)
{
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->pid == died->pid && !link->death.is_known)
            break;
    }
    if (link == NULL) {
        inherit_forget(queue, died->pid);
        return;
    }
    link->death = (struct death){.is_known = true, .is_crash = died->is_crash};
    copy(link->death.task, sizeof(link->death.task), died->task);
    copy(link->death.activity, sizeof(link->death.activity), died->activity);
    copy(link->death.text, sizeof(link->death.text), died->text);
    if (link->channel == NULL)
        settle(link);
}

static void settle_overdue(struct queue *queue, int64_t now_ms)
{
    struct deliver_link *link;
    struct deliver_link *next;

    DL_FOREACH_SAFE(queue->delivers, link, next)
    {
        if (link->channel != NULL || now_ms - link->closed_ms < DEATH_WAIT_MS)
            continue;
        log_warning("how deliver %u ended is not known: its jobs are tried again", link->index);
        settle(link);
    }
}

/* ---- isolation ------------------------------------------------------------------------------- */

static void look_at_isolation(struct queue *queue, int64_t now_ms)
{
    bool is_there = queue->is_isolation_asked || deliver_link_isolated(queue) != NULL;

    if (suspects_are_waiting(&queue->suspects, queue->crews.count, now_ms)) {
        unsigned crew = queue->suspects.crew;

        queue->isolation_used_ms = now_ms;
        if (!queue->is_isolation_asked || crew != queue->isolated_crew)
            queue->is_isolation_asked = role_isolate(queue->role, queue->crews.names[crew]);
        queue->isolated_crew = crew;
    } else if (is_there && now_ms - queue->isolation_used_ms >= DEATH_ISOLATION_MS &&
               role_isolate(queue->role, NULL)) {
        queue->is_isolation_asked = false;
        queue->isolation_used_ms = now_ms; /* if it stays it is told again */
    }
}

void death_look(struct queue *queue)
{
    int64_t now_ms = clock_monotonic_ms();

    settle_overdue(queue, now_ms);
    look_at_isolation(queue, now_ms);
}
