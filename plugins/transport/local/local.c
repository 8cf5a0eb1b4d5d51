/* SPDX-License-Identifier: ISC */
/* local: see local.h. */
#include "local.h"

#include "loop.h"
#include "sluice/lookup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GLOBAL SLUICE_OPT_GLOBAL
#define VERBATIM (SLUICE_OPT_GLOBAL | SLUICE_OPT_VERBATIM)

/* clang-format off */
static const struct sluice_option options[] = {
    {"alias_maps", SLUICE_OPT_LIST, GLOBAL, "", NULL, "Tables from a name to what stands for it: addresses, files, commands, lists"},
    {"allow_mail_to_commands", SLUICE_OPT_LIST, GLOBAL, "alias, forward", NULL, "Where a command may stand: alias, forward (~/.forward), include"},
    {"allow_mail_to_files", SLUICE_OPT_LIST, GLOBAL, "alias, forward", NULL, "The same for a file"},
    {"owner_request_special", SLUICE_OPT_BOOLEAN, GLOBAL, "true", NULL, "owner-NAME and NAME-request have no owner themselves"},
    {"expand_owner_alias", SLUICE_OPT_BOOLEAN, GLOBAL, "false", NULL, "The sender of a list's mail is what owner-NAME stands for, and not owner-NAME"},
    {"default_privs", SLUICE_OPT_STRING, GLOBAL, "nobody", NULL, "User whose rights commands and files of aliases get"},
    {"forward_path", SLUICE_OPT_STRING, VERBATIM, "$home/.forward${recipient_delimiter}${extension}, $home/.forward", NULL, "A user's own aliases: the first of these files that there is; empty: none"},
    {"mail_spool_directory", SLUICE_OPT_STRING, GLOBAL, "/var/mail", NULL, "Folder of the users' mboxes; with / at its end, of their maildirs"},
    {"home_mailbox", SLUICE_OPT_STRING, GLOBAL, "", NULL, "Mailbox in a user's home folder; with / at its end it is a maildir; empty: that in mail_spool_directory"},
    {"mailbox_command", SLUICE_OPT_STRING, VERBATIM, "", NULL, "Command that gets the mail of users instead"},
    {"luser_relay", SLUICE_OPT_STRING, VERBATIM, "", NULL, "Address for all names that nobody has; empty: they are unknown"},
    {"mailbox_size_limit", SLUICE_OPT_SIZE, GLOBAL, "51200000", "0..", "Largest mbox, or file of a maildir, in bytes; 0: any"},
    {"mailbox_delivery_lock", SLUICE_OPT_LIST, GLOBAL, "fcntl, dotlock", NULL, "How an mbox is locked: fcntl, dotlock"},
    {"strict_mailbox_ownership", SLUICE_OPT_BOOLEAN, GLOBAL, "true", NULL, "A mailbox must belong to its user"},
    {"command_time_limit", SLUICE_OPT_DURATION, GLOBAL, "1000s", "1s..", "How long a command may take"},
    {"recipient_delimiter", SLUICE_OPT_STRING, GLOBAL, "", NULL, "Characters that separate a user's name from its extension"},
    {"run_directory", SLUICE_OPT_PATH, GLOBAL, "/run/sluice", NULL, "Folder of the socket through which mail for other addresses goes on"},
    {"user", SLUICE_OPT_STRING, 0, "recipient", NULL, "Who its deliver process runs as; recipient: one that becomes who the mail is for"},
    {"destination_recipient_limit", SLUICE_OPT_INTEGER, 0, "1", "1..1000", "Most recipients of one delivery"},
    STATION_OPTIONS,
};
/* clang-format on */

/* ---- visits ---------------------------------------------------------------------------------- */

static int badness(const struct result *result)
{
    return result->status == SLUICE_OK ? 0 : result->status == SLUICE_PERM ? 1 : 2;
}

/* Of two that are as bad the first one: it says why. */
void visit_add(struct visit *visit, const struct result *result)
{
    if (!visit->has_result || badness(result) > badness(&visit->result))
        visit->result = *result;
    visit->has_result = true;
}

/* "a b"@x is a b. */
bool visit_parse(struct visit *visit)
{
    struct sluice_span local = maps_local_of(visit->recipient->address);
    bool is_quoted = local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';
    size_t len = 0;

    for (size_t i = is_quoted; i < local.len - is_quoted; i++) {
        if (is_quoted && local.ptr[i] == '\\' && i + 2 < local.len)
            i++;
        if (len + 1 >= sizeof(visit->local))
            return false;
        visit->local[len++] = (char)tolower((unsigned char)local.ptr[i]);
    }
    visit->local[len] = '\0';
    size_t user_len =
        sluice_user_len((struct sluice_span){visit->local, len}, visit->transport->delimiters);
    memcpy(visit->user, visit->local, user_len);
    visit->user[user_len] = '\0';
    visit->extension = visit->local + (user_len < len ? user_len + 1 : len);
    if (strchr(visit->extension, '/') != NULL)
        visit->extension = visit->local + len; /* it would be a path in forward_path */
    return true;
}

static void fail(struct visit *visit, sluice_status status, const char *dsn, const char *what)
{
    struct sluice_span address = visit->recipient->address;
    struct result result;

    (void)result_set(&result, status, dsn, "%s%.*s", what, (int)address.len, address.ptr);
    visit_add(visit, &result);
}

static void deliver_one(struct visit *visit)
{
    sluice_status st = loop_find(visit->message, visit->recipient->address);

    if (st == SLUICE_OK)
        fail(visit, SLUICE_PERM, "5.4.6", "mail forwarding loop for ");
    else if (st != SLUICE_NOT_FOUND)
        fail(visit, SLUICE_TEMP, "4.3.0", "the message cannot be read: ");
    else if (!visit_parse(visit))
        fail(visit, SLUICE_PERM, "5.1.1", "no user has such a long name: ");
    else if (visit_alias(visit) == SLUICE_NOT_FOUND)
        visit_user(visit, visit->user);
    visit_finish(visit);
}

static void report_one(const struct visit *visit, const struct sluice_report *report, size_t index)
{
    struct sluice_result result = result_full(&visit->result);

    if (visit->passes_dsn && result.status == SLUICE_OK)
        result.flags = SLUICE_RESULT_DSN_PASSED;
    report->result(report, index, &result);
}

static int32_t local_deliver(struct sluice_transport *transport,
                             struct sluice_connection *connection,
                             const struct sluice_message *message,
                             const struct sluice_recipient *recipients, size_t count,
                             size_t recipient_size, int64_t deadline_ms,
                             const struct sluice_report *report)
{
    (void)connection;
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)recipients + i * recipient_size;
        struct visit visit = {
            .transport = transport,
            .message = message,
            .recipient = (const struct sluice_recipient *)(const void *)at,
            .deadline_ms = deadline_ms,
            .account = &transport->nobody,
            .result = {.status = SLUICE_TEMP},
        };

        deliver_one(&visit);
        report_one(&visit, report, i);
        members_done(&visit.forward);
        free(visit.owner);
    }
    return SLUICE_FATE_FINISHED;
}

/* ---- open and close -------------------------------------------------------------------------- */

static sluice_status fail_open(const struct sluice_errors *errors, sluice_status status,
                               const char *text)
{
    errors->explain(errors, status == SLUICE_CONFIG ? "4.3.5" : "4.3.0", text);
    return status;
}

static void local_close(struct sluice_transport *transport)
{
    if (transport == NULL)
        return;
    station_close(&transport->station);
    maps_close(&transport->alias_maps);
    account_done(&transport->nobody);
    free(transport->submission);
    free(transport->delimiters);
    free(transport->spool);
    free(transport->home_mailbox);
    free(transport->mailbox_command);
    free(transport->luser_relay);
    free(transport->forward_path);
    free(transport);
}

static sluice_status copy_texts(struct sluice_transport *transport,
                                const struct sluice_config *config,
                                const struct sluice_errors *errors)
{
    const struct {
        const char *option;
        char **text;
    } texts[] = {
        {"recipient_delimiter", &transport->delimiters},
        {"mail_spool_directory", &transport->spool},
        {"home_mailbox", &transport->home_mailbox},
        {"mailbox_command", &transport->mailbox_command},
        {"luser_relay", &transport->luser_relay},
        {"forward_path", &transport->forward_path},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].text = strdup(config->get_text(config, texts[i].option));
        if (*texts[i].text == NULL)
            return fail_open(errors, SLUICE_TEMP, "out of memory");
    }
    if (asprintf(&transport->submission, "%s/submission",
                 config->get_text(config, "run_directory")) == -1) {
        transport->submission = NULL;
        return fail_open(errors, SLUICE_TEMP, "out of memory");
    }
    return SLUICE_OK;
}

static sluice_status get_places(const struct sluice_config *config, const char *option,
                                const struct sluice_errors *errors, unsigned *ret_places)
{
    static const struct {
        const char *word;
        unsigned place;
    } places[] = {{"alias", FROM_ALIAS}, {"forward", FROM_FORWARD}, {"include", FROM_INCLUDE}};
    size_t count = config->get_count(config, option);

    *ret_places = 0;
    for (size_t i = 0; i < count; i++) {
        size_t j = 0;

        while (j < 3 && strcmp(places[j].word, config->get_item(config, option, i)) != 0)
            j++;
        if (j == 3)
            return fail_open(
                errors, SLUICE_CONFIG,
                "allow_mail_to_commands, allow_mail_to_files: alias, forward, include");
        *ret_places |= places[j].place;
    }
    return SLUICE_OK;
}

/* Who cannot become another user has his own rights alone. */
static sluice_status find_nobody(struct sluice_transport *transport,
                                 const struct sluice_config *config,
                                 const struct sluice_errors *errors)
{
    const char *name = config->get_text(config, "default_privs");
    sluice_status st = account_look_up(name, &transport->nobody);

    if (st == SLUICE_NOT_FOUND)
        return fail_open(errors, SLUICE_CONFIG, "default_privs: there is no such user");
    if (st != SLUICE_OK)
        return fail_open(errors, SLUICE_TEMP, "default_privs: the user cannot be looked up");
    if (rights_take(&transport->nobody.rights) == 0)
        rights_return();
    else
        transport->nobody.rights = (struct rights){.uid = geteuid(), .gid = getegid()};
    return SLUICE_OK;
}

static sluice_status configure(struct sluice_transport *transport, const struct sluice_host *host,
                               const struct sluice_config *config,
                               const struct sluice_errors *errors)
{
    sluice_status st = station_open(&transport->station, host, config, errors);

    transport->has_special_owners = config->get_number(config, "owner_request_special") != 0;
    transport->expands_owners = config->get_number(config, "expand_owner_alias") != 0;
    transport->is_owner_strict = config->get_number(config, "strict_mailbox_ownership") != 0;
    transport->size_limit = (uint64_t)config->get_number(config, "mailbox_size_limit");
    transport->command_time_ms = config->get_number(config, "command_time_limit");
    if (st == SLUICE_OK)
        st = maps_open(&transport->alias_maps, host, config, "alias_maps", errors);
    if (st == SLUICE_OK)
        st = copy_texts(transport, config, errors);
    if (st == SLUICE_OK)
        st = get_places(config, "allow_mail_to_commands", errors, &transport->commands_from);
    if (st == SLUICE_OK)
        st = get_places(config, "allow_mail_to_files", errors, &transport->files_from);
    if (st == SLUICE_OK)
        st = station_locks(config, "mailbox_delivery_lock", errors, &transport->locks);
    return st == SLUICE_OK ? find_nobody(transport, config, errors) : st;
}

static sluice_status local_open(const struct sluice_host *host, const struct sluice_config *config,
                                const struct sluice_errors *errors,
                                struct sluice_transport **ret_transport)
{
    struct sluice_transport *transport = calloc(1, sizeof(*transport));
    sluice_status st;

    if (transport == NULL)
        return fail_open(errors, SLUICE_TEMP, "out of memory");
    st = configure(transport, host, config, errors);
    if (st == SLUICE_OK)
        *ret_transport = transport;
    else
        local_close(transport);
    return st;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static const struct sluice_transport_ops ops = {
    .struct_size = sizeof(ops),
    .open = local_open,
    .close = local_close,
    .deliver = local_deliver,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_TRANSPORT_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/local",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Users of this machine: their mailboxes, aliases, files and commands",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
