/* SPDX-License-Identifier: ISC */
/*
 * reload: see reload.h.
 */
#include "master/reload.h"

#include "base/clock.h"
#include "base/span.h"
#include "config/config.h"
#include "master/local.h"
#include "sluice/queue.h"

#include <sched.h>
#include <string.h>

#define PROCESSES_MAX 64       /* of one role */
#define CHECK_MS (120 * 1000)
#define START_MS (120 * 1000) /* for the new generation's processes to be ready */

/* ---- what needs a restart -------------------------------------------------------------------- */

static sluice_status refuse(const char *place, const char *name, const char *present,
                            struct error *err)
{
    return error_set(err, SLUICE_CONFIG, "%s: %s: it is \"%s\" now, and to change it takes a restart",
                     place, name, present);
}

static const struct config_instance *find_store(const struct config *config)
{
    for (size_t i = 0; i < config_instance_count(config); i++) {
        const struct config_instance *instance = config_instance_at(config, i);

        if (strcmp(instance->interface, SLUICE_QUEUE_ID) == 0)
            return instance;
    }
    return NULL;
}

/* Mail that the present store has would not be seen by another one. */
static sluice_status compare_stores(const struct config *old, const struct config *new,
                                    struct error *err)
{
    const struct config_instance *present = find_store(old);
    const struct config_instance *wanted = find_store(new);

    if (present == NULL || wanted == NULL || strcmp(present->plugin, wanted->plugin) == 0)
        return SLUICE_OK; /* without one a queue does not start */
    return refuse(wanted->origin, "queue_store", present->plugin, err);
}

static sluice_status compare_queues(const struct reload *reload, struct error *err)
{
    struct config *old;
    struct config *new;
    sluice_status status =
        config_open(generation_role(reload->old, "queue", 0)->snapshot_fd, &old, err);

    if (status != SLUICE_OK)
        return status;
    status = config_open(generation_role(reload->new, "queue", 0)->snapshot_fd, &new, err);
    if (status == SLUICE_OK) {
        status = compare_stores(old, new, err);
        config_close(new);
    }
    config_close(old);
    return status;
}

/* Who owns the mail, and where it and the control socket are, was settled at the start. */
static sluice_status compare_fixed(const struct reload *reload, struct error *err)
{
    static const char *const fixed[] = {"mail_owner",    "network_owner",      "queue_directory",
                                        "run_directory", "maildrop_directory", "last_known_directory",
                                        "setgid_group"};

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        const struct config *new = reload->new->config;
        const char *present = config_text(reload->old->config, fixed[i]);

        if (strcmp(present, config_text(new, fixed[i])) != 0)
            return refuse(config_is_set(new, fixed[i]) ? config_origin(new, fixed[i])
                                                       : reload->config_path,
                          fixed[i], present, err);
    }
    return compare_queues(reload, err);
}

/* ---- the new generation ---------------------------------------------------------------------- */

static unsigned process_count(const struct config *config, const char *parameter)
{
    int64_t wanted = config_number(config, parameter);
    cpu_set_t cpus;

    if (wanted == 0)
        wanted = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return wanted < PROCESSES_MAX ? (unsigned)wanted : PROCESSES_MAX;
}

sluice_status reload_start_workers(struct children *children, struct generation *generation,
                                   int64_t deadline_ms, struct error *err)
{
    sluice_status status = children_start(children, generation, "lookup", generation->home_count,
                                          deadline_ms, err);

    if (status == SLUICE_OK)
        status =
            children_start(children, generation, "deliver",
                           process_count(generation->config, "deliver_processes"), deadline_ms, err);
    if (status == SLUICE_OK)
        status = children_start_crews(children, generation, deadline_ms, err);
    if (status == SLUICE_OK)
        status =
            children_start(children, generation, "receive",
                           process_count(generation->config, "receive_processes"), deadline_ms, err);
    if (status == SLUICE_OK && config_text(generation->config, "metrics_listen")[0] != '\0')
        status = children_start(children, generation, "metrics", 1, deadline_ms, err);
    return status;
}

void reload_init(struct reload *reload, const char *config_path, struct outlet *outlet,
                 struct children *children, struct generation *old, uint64_t number)
{
    *reload = (struct reload){.config_path = config_path,
                              .outlet = outlet,
                              .children = children,
                              .old = old,
                              .number = number};
}

/* Before the new processes are started, which get it from the master. */
static sluice_status change_log(struct reload *reload, const struct generation *to,
                                struct error *err)
{
    sluice_status status = outlet_configure(reload->outlet, to->config, err);

    reload->is_log_changed = status == SLUICE_OK;
    return status;
}

static sluice_status prepare(struct reload *reload, struct error *err)
{
    int64_t check_by_ms = clock_monotonic_ms() + CHECK_MS;
    sluice_status status;

    if (generation_new(reload->number, &reload->new) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    status = generation_check(reload->new, reload->config_path, check_by_ms, &reload->said, err);
    if (status == SLUICE_CONFIG)
        return error_set(err, status, "%s does not check", reload->config_path);
    if (status == SLUICE_OK)
        status = compare_fixed(reload, err);
    if (status == SLUICE_OK)
        status = listeners_open(reload->new->config, &reload->old->listeners,
                                &reload->new->listeners, err);
    if (status == SLUICE_OK)
        status = local_keep(&reload->old->listeners, &reload->new->listeners, err);
    if (status == SLUICE_OK)
        status = generation_close_folder(reload->new, err);
    if (status == SLUICE_OK)
        status = change_log(reload, reload->new, err);
    if (status == SLUICE_OK)
        status = reload_start_workers(reload->children, reload->new,
                                      clock_monotonic_ms() + START_MS, err);
    return status;
}

static void log_words(const struct reload *reload, sluice_status status)
{
    struct sluice_span rest = buffer_span(&reload->said);

    while (rest.len > 0) {
        size_t len = span_find(rest, '\n');

        if (status == SLUICE_OK)
            log_warning("%.*s", SPAN_ARGS(span_first(rest, len)));
        else
            log_error("%.*s", SPAN_ARGS(span_first(rest, len)));
        rest = span_skip(rest, len < rest.len ? len + 1 : len);
    }
}

void reload_prepare(struct reload *reload)
{
    struct error err = ERROR_INIT;
    sluice_status status = prepare(reload, &err);

    log_words(reload, status);
    (void)error_set(&reload->err, status, "%s", err.text);
}

void reload_hand_over(struct reload *reload)
{
    struct error err = ERROR_INIT;
    sluice_status status = children_hand_over(reload->children, reload->old, reload->new, &err);

    (void)error_set(&reload->err, status, "%s", err.text);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void undo_log(struct reload *reload)
{
    struct error err = ERROR_INIT;

    if (reload->is_log_changed && change_log(reload, reload->old, &err) != SLUICE_OK)
        log_error("%s", err.text); /* it goes on where it is */
}

struct generation *reload_finish(struct reload *reload)
{
    struct generation *present = reload->old;
    struct generation *gone = reload->new;

    if (reload->err.status == SLUICE_OK) {
        present = reload->new;
        gone = reload->old;
        log_notice("reloaded: generation %llu runs", (unsigned long long)present->number);
    } else {
        undo_log(reload);
        log_error("not reloaded, generation %llu goes on: %s", (unsigned long long)present->number,
                  reload->err.text);
    }
    children_retire(reload->children, present,
                    config_number(present->config, "reload_grace_time"));
    if (gone != NULL)
        listeners_close(&gone->listeners); /* who leaves accepts nothing any more */
    generation_unref(gone);
    reload->old = reload->new = NULL;
    return present;
}

void reload_done(struct reload *reload)
{
    buffer_done(&reload->said);
}
