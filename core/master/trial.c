/* SPDX-License-Identifier: ISC */
/*
 * trial: see trial.h. Instances are made from a snapshot, so that what is tried is what roles get.
 */
#include "master/trial.h"

#include "config/config.h"
#include "config/crews.h"
#include "config/snapshot.h"
#include "plugin/instance.h"
#include "receive/restrictions.h"
#include "route/domain_list.h"
#include "sluice/access.h"
#include "sluice/lookup.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct words {
    const struct sluice_restriction **list; /* of all access plugins */
    size_t count;
};

struct trial {
    struct draft *draft;
    struct config *config;
    struct words words;
};

/* ---- crashes -------------------------------------------------------------------------------- */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

#define CRASH_COUNT (sizeof(crashes) / sizeof(crashes[0]))

/* What there is to say if the plugin that is tried now crashes. Static, as no argument reaches a
 * signal handler. */
static struct {
    const struct report *before;
    struct report words;
} last;

static void say(const struct report *report)
{
    ssize_t said = write(STDERR_FILENO, report->text.ptr, report->text.len);

    (void)said; /* nobody else to tell */
}

static void on_crash(int signal)
{
    say(last.before);
    say(&last.words);
    (void)raise(signal); /* ends the process when we return: SA_RESETHAND */
}

static void crashes_catch(const struct trial *trial, struct sigaction *ret_old)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

    last.before = &trial->draft->report;
    for (size_t i = 0; i < CRASH_COUNT; i++)
        (void)sigaction(crashes[i], &action, &ret_old[i]); /* of signals that there are */
}

static void crashes_expect(const struct trial *trial, const struct draft_instance *drafted)
{
    report_done(&last.words);
    last.words.path = trial->draft->report.path;
    report_error(&last.words, drafted->place, "%s: plugin %s crashed", drafted->name,
                 drafted->plugin);
}

static void crashes_leave(const struct sigaction *old)
{
    for (size_t i = 0; i < CRASH_COUNT; i++)
        (void)sigaction(crashes[i], &old[i], NULL);
    report_done(&last.words);
}

/* ---- instances ------------------------------------------------------------------------------ */

static bool is_kind(const struct draft_instance *instance, const char *interface)
{
    return strcmp(instance->interface, interface) == 0;
}

static void add_words(struct trial *trial, struct instance *instance)
{
    const struct instance_side *side =
        INSTANCE_SIDE(instance, struct sluice_access_ops, restrictions);
    const struct sluice_access_ops *ops;
    struct words *words = &trial->words;

    if (side == NULL)
        return;
    ops = INSTANCE_OPS(side, struct sluice_access_ops);
    for (uint32_t i = 0; i < ops->restriction_count; i++) {
        const char *place = (const char *)ops->restrictions + (size_t)i * ops->restriction_size;

        words->list =
            arena_grow(&trial->draft->arena, words->list, words->count, sizeof(*words->list));
        words->list[words->count++] = (const struct sluice_restriction *)(const void *)place;
    }
}

static void report_failure(struct trial *trial, const struct draft_instance *instance,
                           const struct error *err)
{
    struct report *report = &trial->draft->report;
    struct place place = draft_error_place(trial->draft, instance, err->text);

    if (is_kind(instance, SLUICE_LOOKUP_ID))
        report_warning(report, place, "table %s cannot be opened: %s", instance->name, err->text);
    else
        report_error(report, place, "%s: %s", instance->name, err->text);
}

/* Who may become anybody is not to talk to strangers. */
static void check_recipient_crew(struct trial *trial, const struct draft_instance *drafted,
                                 const struct config_instance *configured,
                                 const struct instance *instance)
{
    if (strcmp(crew_of_transport(configured), CREW_RECIPIENT) == 0 &&
        INSTANCE_SIDE(instance, struct sluice_transport_ops, connect) != NULL)
        report_error(&trial->draft->report, draft_error_place(trial->draft, drafted, "user"),
                     "%s: user: \"%s\" is only for transports that deliver on this machine",
                     drafted->name, CREW_RECIPIENT);
}

static void try_instance(struct trial *trial, const struct draft_instance *drafted)
{
    const struct config_instance *configured =
        config_instance_find(trial->config, drafted->interface, drafted->name);
    bool has_errors = trial->draft->report.error_count > 0;
    struct error err = ERROR_INIT;
    struct instance *instance;

    crashes_expect(trial, drafted);
    if (instance_new(configured, &instance, &err) != SLUICE_OK) {
        report_error(&trial->draft->report, drafted->place, "%s: %s", drafted->name, err.text);
        return;
    }
    if (is_kind(drafted, SLUICE_ACCESS_ID))
        add_words(trial, instance);
    if (is_kind(drafted, SLUICE_TRANSPORT_ID))
        check_recipient_crew(trial, drafted, configured, instance);
    /* With values missing open() would complain about what has been reported already. */
    if (!is_kind(drafted, SLUICE_QUEUE_ID) && !has_errors &&
        instance_open(instance, configured->argument, &err) != SLUICE_OK)
        report_failure(trial, drafted, &err);
    instance_close(instance);
    instance_free(instance);
}

/* ---- restrictions --------------------------------------------------------------------------- */

/* What the plugins declare, and the configuration's own classes. */
struct trial_words {
    struct restriction_vocabulary vocabulary;
    struct trial *trial;
};

static struct trial *trial_of(const struct restriction_vocabulary *vocabulary)
{
    return ((const struct trial_words *)vocabulary)->trial;
}

static const struct sluice_restriction *find_word(const struct restriction_vocabulary *vocabulary,
                                                  const char *word)
{
    const struct words *words = &trial_of(vocabulary)->words;

    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->list[i]->name, word) == 0)
            return words->list[i];
    }
    return NULL;
}

static bool has_class(const struct restriction_vocabulary *vocabulary, const char *word)
{
    const struct value *classes =
        &draft_parameter(trial_of(vocabulary)->draft, "smtpd_restriction_classes")->value;

    for (size_t i = 0; i < classes->item_count; i++) {
        if (strcmp(classes->items[i], word) == 0)
            return true;
    }
    return false;
}

/* True if the list has a word that may refuse, or one that is not known. depth: 0: what is wrong is
 * reported; else it is a class of another list. */
static bool check_list(struct trial *trial, const char *name, int32_t about, unsigned depth)
{
    const struct trial_words words = {.vocabulary = {.find = find_word, .has_class = has_class},
                                      .trial = trial};
    const struct draft_parameter *list = draft_parameter(trial->draft, name);
    const char *const *items = list->value.items;
    bool is_warning = false;
    bool refuses = false;

    for (size_t i = 0; i < list->value.item_count;) {
        struct restriction_reading reading = {.item_count = 1};
        struct error err = ERROR_INIT;

        if (restriction_read(&words.vocabulary, about, items + i, list->value.item_count - i,
                             &reading, &err) != SLUICE_OK) {
            if (depth == 0)
                report_error(&trial->draft->report, draft_item_place(list, items[i]), "%s: %s", name,
                             err.text);
            refuses = true;
        }
        if (reading.kind == RESTRICTION_CLASS && depth < RESTRICTIONS_DEPTH_MAX)
            reading.refuses = check_list(trial, reading.word, about, depth + 1);
        refuses = refuses || (reading.refuses && !is_warning);
        is_warning = reading.kind == RESTRICTION_WARN_IF_REJECT;
        i += reading.item_count;
    }
    return refuses;
}

static void check_restrictions(struct trial *trial)
{
    struct place place = draft_place(trial->draft, "smtpd_relay_restrictions");
    const struct value *classes =
        &draft_parameter(trial->draft, "smtpd_restriction_classes")->value;
    bool refuses[RESTRICTIONS_COUNT];

    for (size_t i = 0; i < classes->item_count; i++)
        (void)check_list(trial, classes->items[i], SLUICE_ABOUT_RECIPIENT, 0);
    for (int i = 0; i < RESTRICTIONS_COUNT; i++)
        refuses[i] = check_list(trial, restrictions_parameter((enum restriction_list_id)i),
                                restrictions_about((enum restriction_list_id)i), 0);
    /* Elsewhere refusing nobody is a choice. */
    if (refuses[RESTRICTIONS_RELAY] || refuses[RESTRICTIONS_RECIPIENT])
        return;
    if (place.file == NULL)
        place = draft_place(trial->draft, "smtpd_recipient_restrictions");
    report_error(&trial->draft->report, place,
                 "smtpd_relay_restrictions and smtpd_recipient_restrictions refuse nobody: this "
                 "would be an open relay; add reject_unauth_destination");
}

/* ---- files of patterns ----------------------------------------------------------------------- */

static void check_file(struct trial *trial, struct tables *tables,
                       const struct draft_parameter *parameter, const char *item,
                       enum domain_list_kind kind)
{
    const char *name = parameter->option->key;
    struct place place = draft_item_place(parameter, item);
    struct domain_list list = {.kind = kind};
    struct error err = ERROR_INIT;

    if (domain_list_add(&list, tables, item, &err) != SLUICE_OK)
        report_error(&trial->draft->report, place, "%s: %s", name, err.text);
    else if (domain_list_unreadable(&list) != NULL)
        report_warning(&trial->draft->report, place, "%s: %s", name, domain_list_unreadable(&list));
    domain_list_done(&list);
}

static void check_files(struct trial *trial, struct tables *tables, const char *name,
                        enum domain_list_kind kind)
{
    const struct draft_parameter *parameter = draft_parameter(trial->draft, name);

    if (!parameter->value.is_named)
        return; /* a default has the files of another list at most */
    for (size_t i = 0; i < parameter->value.item_count; i++) {
        if (domain_list_is_file(parameter->value.items[i]))
            check_file(trial, tables, parameter, parameter->value.items[i], kind);
    }
}

/* As the roles read them when they start: one that could not would end the daemon. */
static void check_lists(struct trial *trial)
{
    static const char *const domains[] = {"mydestination", "virtual_alias_domains",
                                          "virtual_mailbox_domains", "relay_domains",
                                          "fast_flush_domains"};
    static const char *const networks[] = {"mynetworks", "smtpd_client_event_limit_exceptions"};
    struct tables *tables;

    if (tables_new(trial->config, &tables) != SLUICE_OK) {
        report_error(&trial->draft->report, PLACE_DEFAULT, "out of memory");
        return;
    }
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        check_files(trial, tables, domains[i], DOMAIN_LIST_NAMES);
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
        check_files(trial, tables, networks[i], DOMAIN_LIST_NETWORKS);
    tables_free(tables);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool open_config(struct trial *trial)
{
    struct error err = ERROR_INIT;
    sluice_status st;
    int fd;

    st = snapshot_write(trial->draft, UINT32_MAX, &fd, &err);
    if (st == SLUICE_OK) {
        st = config_open(fd, &trial->config, &err);
        (void)close(fd); /* it is mapped */
    }
    if (st != SLUICE_OK)
        report_error(&trial->draft->report, PLACE_DEFAULT, "%s", err.text);
    return st == SLUICE_OK;
}

void trial_run(struct draft *draft)
{
    struct trial trial = {.draft = draft};
    struct sigaction old[CRASH_COUNT];
    bool has_words = true;

    if (!open_config(&trial))
        return;
    crashes_catch(&trial, old);
    for (size_t i = 0; i < draft->instance_count; i++) {
        if (!draft->instances[i].is_missing)
            try_instance(&trial, &draft->instances[i]);
        else if (is_kind(&draft->instances[i], SLUICE_ACCESS_ID))
            has_words = false;
    }
    crashes_leave(old);
    if (has_words)
        check_restrictions(&trial);
    check_lists(&trial);
    config_close(trial.config);
}
