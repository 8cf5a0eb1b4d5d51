/* SPDX-License-Identifier: ISC */
/*
 * check: see check.h. As root it only reads the configuration and opens files; before any plugin's
 * code runs it has become network_owner.
 */
#include "master/check.h"

#include "base/span.h"
#include "config/crews.h"
#include "config/role.h"
#include "config/rules.h"
#include "config/snapshot.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "master/files.h"
#include "master/landlock.h"
#include "master/privileges.h"
#include "master/trial.h"
#include "plugin/load.h"
#include "plugin/settle.h"
#include "sluice/lookup.h"
#include "sluice/transport.h"
#include "task/task.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct {
    const char *name;
    uint32_t role;
} roles[] = {
    {"master", DRAFT_MASTER},
    {"receive", DRAFT_RECEIVE},
    {"queue", DRAFT_QUEUE},
    {"deliver", DRAFT_DELIVER},
    {"metrics", DRAFT_METRICS},
};

struct check {
    struct draft draft;
    struct channel *channel;
    struct privileges mail;
    struct privileges network;
    int exit_status;
};

/* ---- as the user who started us -------------------------------------------------------------- */

static void check_trust(struct draft *draft)
{
    for (size_t i = 0; i < draft->file.path_count; i++) {
        struct error err = ERROR_INIT;

        if (plugin_check_trust(draft->file.paths[i], geteuid(), &err) != SLUICE_OK)
            report_error(&draft->report, (struct place){.file = draft->file.paths[i]}, "%s",
                         err.text);
    }
}

static bool find_user(struct draft *draft, const char *parameter, struct privileges *ret_privileges)
{
    const struct value *value = &draft_parameter(draft, parameter)->value;
    struct error err = ERROR_INIT;

    if (value->text == NULL)
        return false; /* reported */
    if (privileges_find(value->text, ret_privileges, &err) == SLUICE_OK)
        return true;
    report_error(&draft->report, draft_place(draft, parameter), "%s: %s", parameter, err.text);
    return false;
}

/* Two users, or the wall between the roles would be none. */
static bool find_users(struct check *check)
{
    struct draft *draft = &check->draft;
    bool has_mail = find_user(draft, "mail_owner", &check->mail);
    bool has_network = find_user(draft, "network_owner", &check->network);

    if (has_mail && has_network && check->mail.is_root &&
        check->mail.uid == check->network.uid) {
        report_error(&draft->report, draft_place(draft, "network_owner"),
                     "network_owner: it is mail_owner too; nothing would keep the network's side "
                     "from the queue");
        return false;
    }
    return has_mail && has_network;
}

/* A rule set that closes the queue folder to plugins' code as it will be closed to the roles, or -1:
 * there is no folder yet, or no Landlock, which the master says. */
static int close_queue_folder(const struct draft *draft, const char *folder)
{
    bool is_readable = false;
    int ruleset;

    if (folder == NULL || landlock_new(folder, &ruleset, NULL) != SLUICE_OK)
        return -1;
    for (size_t i = 0; i < draft->instance_count; i++) {
        const struct draft_instance *instance = &draft->instances[i];

        if (strcmp(instance->interface, SLUICE_LOOKUP_ID) == 0)
            (void)landlock_allow_table(ruleset, folder, instance->argument, &is_readable, NULL);
    }
    return ruleset;
}

/* Becomes network_owner, without a way into the queue folder. Returns 0 or an errno. */
static int confine(struct check *check)
{
    const struct value *folder = &draft_parameter(&check->draft, "queue_directory")->value;
    int ruleset = close_queue_folder(&check->draft, folder->text);
    int error = privileges_apply(&check->network);

    if (error == 0 && ruleset != -1)
        error = landlock_apply(ruleset);
    if (ruleset != -1)
        (void)close(ruleset); /* in the kernel */
    return error;
}

/* False: no plugin's code may run. */
static bool prepare(struct check *check, const char *config_path)
{
    bool has_users;
    int error;

    draft_read(&check->draft, config_path);
    if (check->draft.file.path_count == 0)
        return false; /* nothing was read: the defaults are not to blame for anything */
    rules_check(&check->draft);
    check_trust(&check->draft);
    has_users = find_users(check);
    files_open(&check->draft, geteuid());
    if (!has_users)
        return false;
    error = confine(check);
    if (error != 0) {
        report_error(&check->draft.report, PLACE_DEFAULT, "become user \"%s\": %s",
                     draft_parameter(&check->draft, "network_owner")->text, strerror(error));
        return false;
    }
    return true;
}

/* ---- crews ----------------------------------------------------------------------------------- */

/* The crew of a transport, and whether there can be one. */
static void check_crew(struct check *check, const struct draft_instance *transport,
                       struct crews *crews)
{
    const struct value *user = draft_instance_value(transport, "user");
    struct error err = ERROR_INIT;
    struct privileges found;

    if (user == NULL || user->text == NULL ||
        crews_find(crews, sluice_span_of(user->text)) != CREW_UNKNOWN)
        return;
    struct place place = draft_error_place(&check->draft, transport, "user");
    if (crews->count == CREWS_MAX)
        report_error(&check->draft.report, place, "%s: transports have more than %d users",
                     transport->name, CREWS_MAX - 1);
    else if (privileges_find_crew(user->text, &check->mail, &check->network, &found, &err) !=
             SLUICE_OK)
        report_error(&check->draft.report, place, "%s: %s", transport->name, err.text);
    else
        crews->names[crews->count++] = user->text;
}

static void check_crews(struct check *check)
{
    struct draft *draft = &check->draft;
    struct crews crews = {.names = {""}, .count = 1};

    for (size_t i = 0; i < draft->instance_count; i++) {
        if (strcmp(draft->instances[i].interface, SLUICE_TRANSPORT_ID) == 0)
            check_crew(check, &draft->instances[i], &crews);
    }
}

/* ---- the answer ----------------------------------------------------------------------------- */

static sluice_status send_file(struct check *check, uint16_t type, const char *name, int fd)
{
    struct sluice_span body = sluice_span_of(name);

    return channel_send(check->channel, type, 0, &body, 1, fd);
}

/* True if an instance of the role needs that plugin, itself or as a base, and none before it does. */
static bool is_first(const struct draft *draft, size_t instance, size_t plugin, uint32_t role)
{
    const char *name = draft->instances[instance].plugins[plugin];

    for (size_t i = 0; i <= instance; i++) {
        const struct draft_instance *other = &draft->instances[i];
        size_t count = i == instance ? plugin : other->plugin_count;

        for (size_t j = 0; (other->roles & role) != 0 && j < count; j++) {
            if (strcmp(other->plugins[j], name) == 0)
                return false;
        }
    }
    return true;
}

static sluice_status send_plugins(struct check *check, uint32_t role)
{
    const struct draft *draft = &check->draft;
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; i < draft->instance_count; i++) {
        const struct draft_instance *instance = &draft->instances[i];

        for (size_t j = 0; (instance->roles & role) != 0 && j < instance->plugin_count; j++) {
            const char *plugin = instance->plugins[j];

            if (st == SLUICE_OK && is_first(draft, i, j, role))
                st = send_file(check, MESSAGE_PLUGIN, plugin, files_fd(plugin));
        }
    }
    return st;
}

static sluice_status send_role(struct check *check, const char *name, uint32_t role,
                               struct error *err)
{
    sluice_status st;
    int fd;

    st = snapshot_write(&check->draft, role, &fd, err);
    if (st != SLUICE_OK)
        return st;
    st = send_file(check, MESSAGE_SNAPSHOT, name, fd);
    (void)close(fd); /* only memory */
    if (st == SLUICE_OK)
        st = send_plugins(check, role);
    return st == SLUICE_OK ? st : error_set(err, st, "the answer to the master cannot be sent");
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    (void)channel;
    (void)frame; /* the master says nothing */
    (void)user;
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)reason;
    (void)user;
    task_loop_stop();
}

static sluice_status answer(struct check *check, struct error *err)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    sluice_status st =
        channel_new(ROLE_MASTER_FD, "check to master", &handlers, check, &check->channel);

    if (st != SLUICE_OK)
        return error_set(err, st, "the channel to the master cannot be used");
    for (size_t i = 0; st == SLUICE_OK && i < sizeof(roles) / sizeof(roles[0]); i++)
        st = send_role(check, roles[i].name, roles[i].role, err);
    for (unsigned i = 0; st == SLUICE_OK && i < check->draft.home_count; i++)
        st = send_role(check, "lookup", DRAFT_HOME(i), err);
    if (st == SLUICE_OK)
        st = channel_send_body(check->channel, MESSAGE_CHECKED, 0, SPAN_EMPTY);
    if (st == SLUICE_OK)
        task_loop_run(); /* until the master has everything and closes the channel */
    channel_free(check->channel);
    return st;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void run(struct check *check, const char *config_path, bool is_test_only)
{
    struct report *report = &check->draft.report;
    struct error err = ERROR_INIT;

    if (prepare(check, config_path)) {
        settle_instances(&check->draft);
        rules_check_settled(&check->draft);
        check_crews(check);
        trial_run(&check->draft);
    }
    if (report->text.len > 0)
        (void)fwrite(report->text.ptr, 1, report->text.len, stderr); /* nobody else to tell */
    if (report->error_count > 0) {
        check->exit_status = EX_CONFIG;
    } else if (!is_test_only && answer(check, &err) != SLUICE_OK) {
        (void)fprintf(stderr, "%s: %s\n", config_path, err.text);
        check->exit_status = EX_TEMPFAIL;
    }
}

int check_main(const char *config_path, bool is_test_only)
{
    struct check check = {.exit_status = EX_OK};

    if (task_loop_init() != SLUICE_OK) {
        (void)fprintf(stderr, "%s: the check cannot start: out of memory\n", config_path);
        return EX_OSERR;
    }
    draft_init(&check.draft);
    run(&check, config_path, is_test_only);
    files_close();
    draft_done(&check.draft);
    task_loop_done();
    return check.exit_status;
}
