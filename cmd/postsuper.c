/* SPDX-License-Identifier: ISC */
/*
 * postsuper: the superuser's hands on the queue, with the options, texts and exit codes of Postfix's.
 * The daemon does the work, and says who may.
 */
#include "mailq.h"

#include "control_client.h"
#include "place.h"

#include "base/id.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILURE 1
#define IDS_MAX 100 /* in one request */

#define USAGE                                                                                      \
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] "              \
    "[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] "          \
    "[-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] "                   \
    "[-S (redundant structure fix)][-v (verbose)] [queue...]"

/* In the order in which they are carried out and reported. -f is the last two of them. */
enum step {
    STEP_DELETE,
    STEP_REQUEUE,
    STEP_HOLD,
    STEP_EXPIRE,
    STEP_RELEASE,
    STEP_COUNT,
};

static const struct {
    const char *command;
    const char *report;
} steps[] = {
    [STEP_DELETE] = {"queue remove", "Deleted"},
    [STEP_REQUEUE] = {"queue requeue", "Requeued"},
    [STEP_HOLD] = {"queue hold", "Placed on hold"},
    [STEP_EXPIRE] = {"queue expire", "Force-expired"},
    [STEP_RELEASE] = {"queue unhold", "Released from hold"},
};

/* One option with its argument. */
struct order {
    int option;
    const char *name; /* an id, "ALL", "-" */
};

struct postsuper {
    struct mailq mailq;
    struct order *orders;
    size_t order_count;
    char **queues; /* ends with NULL; none: all */
    bool is_used[STEP_COUNT];
    unsigned long long counts[STEP_COUNT];
    enum step step; /* that runs */
};

static bool is_step_of(enum step step, int option)
{
    static const char *const options[] = {
        [STEP_DELETE] = "d",  [STEP_REQUEUE] = "r",  [STEP_HOLD] = "h",
        [STEP_EXPIRE] = "ef", [STEP_RELEASE] = "Hf",
    };

    return strchr(options[step], option) != NULL;
}

static void warn(const struct postsuper *super, const char *text, const char *what)
{
    (void)fprintf(stderr, "%s: warning: %s%s\n", super->mailq.program, text, what);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_line(void *user, const json_t *line)
{
    struct postsuper *super = user;

    if (json_object_get(line, "count") != NULL)
        super->counts[super->step] += (unsigned long long)control_number(line, "count");
    else
        (void)fprintf(stderr, "%s: %s: %s\n", super->mailq.program, control_text(line, "id"),
                      control_text(line, "text"));
}

/* Takes request. NOT_FOUND is fine: nothing was done. */
static int ask(struct postsuper *super, json_t *request)
{
    struct error err = ERROR_INIT;

    if (super->queues[0] != NULL) {
        json_t *queues = json_array();

        for (size_t i = 0; super->queues[i] != NULL; i++)
            (void)json_array_append_new(queues, json_string(super->queues[i]));
        (void)json_object_set_new(request, "queues", queues);
    }
    sluice_status st = control_ask(super->mailq.config_path, request, on_line, super, &err);
    if (st == SLUICE_OK || st == SLUICE_NOT_FOUND)
        return 0;
    if (st == SLUICE_PERM)
        return mailq_fatal(&super->mailq, "use of this command is reserved for the superuser");
    return mailq_fatal(&super->mailq, "%s", err.text);
}

static int ask_all(struct postsuper *super)
{
    return ask(super, json_pack("{s:s, s:s}", "command", steps[super->step].command, "id", "ALL"));
}

/* Ids gather here until there are enough for a request. */
struct ids {
    struct postsuper *super;
    json_t *list;
};

static int send_ids(struct ids *ids)
{
    json_t *list = ids->list;

    ids->list = json_array();
    if (json_array_size(list) > 0)
        return ask(ids->super, json_pack("{s:s, s:o}", "command", steps[ids->super->step].command,
                                         "ids", list));
    json_decref(list);
    return 0;
}

static bool is_id(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c))
            return false;
    }
    return name[0] != '\0';
}

static int add_id(struct ids *ids, const char *name)
{
    if (!is_id(name)) {
        warn(ids->super, "invalid mail queue id: ", name);
        return 0;
    }
    if (strlen(name) < ID_TEXT_SIZE) /* no longer one can be there */
        (void)json_array_append_new(ids->list, json_string(name));
    return json_array_size(ids->list) >= IDS_MAX ? send_ids(ids) : 0;
}

static int add_from_stdin(struct ids *ids)
{
    char *line = NULL;
    size_t size = 0;
    int code = 0;

    while (code == 0 && getline(&line, &size, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        code = add_id(ids, line);
    }
    free(line);
    return code;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static const struct order *find_all(const struct postsuper *super, enum step step)
{
    for (size_t i = 0; i < super->order_count; i++) {
        if (is_step_of(step, super->orders[i].option) && strcmp(super->orders[i].name, "ALL") == 0)
            return &super->orders[i];
    }
    return NULL;
}

static int run_ids(struct postsuper *super)
{
    struct ids ids = {.super = super, .list = json_array()};
    int code = 0;

    for (size_t i = 0; code == 0 && i < super->order_count; i++) {
        const struct order *order = &super->orders[i];

        if (!is_step_of(super->step, order->option))
            continue;
        code = strcmp(order->name, "-") == 0 ? add_from_stdin(&ids) : add_id(&ids, order->name);
    }
    if (code == 0)
        code = send_ids(&ids);
    json_decref(ids.list);
    return code;
}

static size_t count_orders(const struct postsuper *super, int option)
{
    size_t count = 0;

    for (size_t i = 0; i < super->order_count; i++)
        count += super->orders[i].option == option;
    return count;
}

static int run_step(struct postsuper *super)
{
    const struct order *all = find_all(super, super->step);
    char text[64];

    if (all == NULL)
        return run_ids(super);
    if (count_orders(super, all->option) > 1) {
        (void)snprintf(text, sizeof(text), "option \"-%c ALL\" will ignore other command line ",
                       all->option);
        warn(super, text, "queue IDs");
    }
    return ask_all(super);
}

static int run(struct postsuper *super)
{
    int code = 0;

    for (super->step = 0; code == 0 && super->step < STEP_COUNT; super->step++) {
        if (super->is_used[super->step])
            code = run_step(super);
    }
    for (enum step step = 0; code == 0 && step < STEP_COUNT; step++) {
        if (super->is_used[step])
            (void)fprintf(stderr, "%s: %s: %llu message%s\n", super->mailq.program,
                          steps[step].report, super->counts[step],
                          super->counts[step] == 1 ? "" : "s");
    }
    return code;
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool is_queue_name(const char *name)
{
    static const char *const names[] = {"hold",     "incoming", "active", "deferred",
                                        "maildrop", "corrupt",  "saved",  "bounce",
                                        "defer",    "trace",    "flush"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static int take_option(struct postsuper *super, int option)
{
    switch (option) {
    case 'c':
        if (optarg[0] != '/')
            return mailq_fatal(&super->mailq, "-c requires absolute pathname");
        mailq_set_folder(&super->mailq, optarg);
        break;
    case 'p': /* there are no such files here */
    case 's':
    case 'S':
    case 'v':
        break;
    case '?':
        (void)fprintf(stderr, "%s: invalid option -- '%c'\n", super->mailq.program, optopt);
        return mailq_fatal(&super->mailq, USAGE);
    default:
        super->orders[super->order_count++] = (struct order){.option = option, .name = optarg};
        for (enum step step = 0; step < STEP_COUNT; step++)
            super->is_used[step] = super->is_used[step] || is_step_of(step, option);
    }
    return 0;
}

static int parse(struct postsuper *super, int argc, char **argv)
{
    int code = 0;
    int option;

    opterr = 0; /* take_option says it */
    while (code == 0 && (option = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1)
        code = take_option(super, option);
    super->queues = argv + optind;
    for (size_t i = 0; code == 0 && super->queues[i] != NULL; i++) {
        if (!is_queue_name(super->queues[i]))
            code = mailq_fatal(&super->mailq, "invalid directory name: %s", super->queues[i]);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct postsuper super = {
        .mailq = {.program = "postsuper", .failure = FAILURE},
        .orders = calloc((size_t)argc + 1, sizeof(struct order)),
    };

    if (super.orders == NULL)
        return mailq_fatal(&super.mailq, "out of memory");
    place_default(super.mailq.config_path);
    int code = parse(&super, argc, argv);
    if (code == 0)
        code = run(&super);
    free(super.orders);
    return code;
}
