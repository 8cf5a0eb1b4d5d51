/* SPDX-License-Identifier: ISC */
/*
 * transport/virtual: mailboxes of users that the machine does not know, as Postfix's virtual(8) has
 * them: where a recipient's mailbox is, and whose, is all in tables. A mailbox whose path ends in / is a
 * maildir, any other an mbox. No aliases, no commands, no .forward.
 */
#include "deposit.h"
#include "loop.h"
#include "maps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct sluice_option options[] = {
    {"virtual_mailbox_base", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "", NULL,
     "Folder that the paths of virtual_mailbox_maps are under; empty: they begin with /"},
    {"virtual_mailbox_maps", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,
     "Tables from a recipient to the path of his mailbox; with / at its end it is a maildir"},
    {"virtual_uid_maps", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,
     "Tables from a recipient to the user id that owns the mailbox"},
    {"virtual_gid_maps", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,
     "Tables from a recipient to the group id that owns the mailbox"},
    {"virtual_minimum_uid", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL, "100", "1..",
     "Least user id that virtual_uid_maps may give"},
    {"virtual_mailbox_limit", SLUICE_OPT_SIZE, SLUICE_OPT_GLOBAL, "51200000", "0..",
     "Largest mbox, or file of a maildir, in bytes; 0: any"},
    {"virtual_mailbox_lock", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "fcntl, dotlock", NULL,
     "How an mbox is locked: fcntl, dotlock"},
    {"strict_mailbox_ownership", SLUICE_OPT_BOOLEAN, SLUICE_OPT_GLOBAL, "true", NULL,
     "An mbox must belong to the user id of its recipient"},
    {"recipient_delimiter", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "", NULL,
     "Characters that separate a user's name from its extension"},
    {"user", SLUICE_OPT_STRING, 0, "recipient", NULL,
     "Who its deliver process runs as; recipient: one that becomes who owns the mailbox"},
    {"destination_recipient_limit", SLUICE_OPT_INTEGER, 0, "1", "1..1000",
     "Most recipients of one delivery"},
    STATION_OPTIONS,
};

struct sluice_transport {
    struct station station;
    char *base;
    char *delimiters;
    struct maps mailbox_maps;
    struct maps uid_maps;
    struct maps gid_maps;
    long minimum_uid;
    uint64_t mailbox_limit;
    unsigned locks;
    bool is_owner_strict;
};

/* A recipient under way. */
struct errand {
    struct sluice_transport *transport;
    const struct sluice_message *message;
    const struct sluice_recipient *recipient;
    int64_t deadline_ms;
    struct result *result;
    struct mailbox_target target;
    struct rights rights;
};

/* ---- from the tables ------------------------------------------------------------------------- */

static sluice_status find(const struct errand *errand, const struct maps *maps, char **ret_value)
{
    return maps_find_address(maps, errand->recipient->address, errand->transport->delimiters,
                             errand->deadline_ms, ret_value, errand->result);
}

/* The operator has to act; until then the mail waits. */
static sluice_status misconfigured(const struct errand *errand, const char *what, const char *value,
                                   const char *option)
{
    struct sluice_span address = errand->recipient->address;

    station_warn(&errand->transport->station, "recipient %.*s: %s %s in %s", (int)address.len,
                 address.ptr, what, value, option);
    return result_set(errand->result, SLUICE_TEMP, "4.3.5", "mail system configuration error");
}

static bool parse_id(const char *text, long *ret_id)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *ret_id = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *ret_id <= INT32_MAX;
}

static sluice_status find_id(const struct errand *errand, const struct maps *maps, const char *what,
                             long minimum, long *ret_id)
{
    char *value = NULL;
    sluice_status st = find(errand, maps, &value);

    if (st == SLUICE_NOT_FOUND)
        return misconfigured(errand, what, "not found", maps->option);
    if (st == SLUICE_OK && (!parse_id(value, ret_id) || *ret_id < minimum))
        st = misconfigured(errand, what, value, maps->option);
    free(value);
    return st;
}

static sluice_status find_path(struct errand *errand)
{
    const char *base = errand->transport->base;
    struct mailbox_target *target = &errand->target;
    char *value = NULL;
    sluice_status st = find(errand, &errand->transport->mailbox_maps, &value);

    if (st == SLUICE_NOT_FOUND)
        return result_set(errand->result, SLUICE_PERM, "5.1.1", "unknown user: \"%.*s\"",
                          (int)errand->recipient->address.len, errand->recipient->address.ptr);
    if (st != SLUICE_OK)
        return st;
    int len = snprintf(target->path, sizeof(target->path), "%s%s%s", base,
                       base[0] != '\0' ? "/" : "", value);
    if (len <= 0 || (size_t)len >= sizeof(target->path) || target->path[0] != '/')
        st = misconfigured(errand, "mailbox", value, "virtual_mailbox_maps");
    free(value);
    return st;
}

static sluice_status find_owner(struct errand *errand)
{
    const struct sluice_transport *transport = errand->transport;
    long uid = 0;
    long gid = 0;
    sluice_status st = find_id(errand, &transport->uid_maps, "uid", transport->minimum_uid, &uid);

    if (st == SLUICE_OK)
        st = find_id(errand, &transport->gid_maps, "gid", 1, &gid);
    errand->rights = (struct rights){.uid = (uid_t)uid, .gid = (gid_t)gid};
    errand->target.owner = errand->rights.uid;
    return st;
}

/* ---- delivery -------------------------------------------------------------------------------- */

static sluice_status check_loop(const struct errand *errand)
{
    struct sluice_span address = errand->recipient->address;
    sluice_status st = loop_find(errand->message, address);

    if (st == SLUICE_OK)
        return result_set(errand->result, SLUICE_PERM, "5.4.6", "mail forwarding loop for %.*s",
                          (int)address.len, address.ptr);
    return st == SLUICE_NOT_FOUND
               ? SLUICE_OK
               : result_set(errand->result, SLUICE_TEMP, "4.3.0", "the message cannot be read");
}

static void deliver_one(struct errand *errand)
{
    const struct sluice_transport *transport = errand->transport;
    sluice_status st = check_loop(errand);

    errand->target.locks = transport->locks;
    errand->target.stale_lock_ms = transport->station.stale_lock_ms;
    errand->target.size_limit = transport->mailbox_limit;
    errand->target.is_owner_strict = transport->is_owner_strict;
    if (st == SLUICE_OK)
        st = find_path(errand);
    if (st == SLUICE_OK)
        st = find_owner(errand);
    if (st == SLUICE_OK)
        (void)deposit(&transport->station, errand->message, errand->recipient, &errand->target,
                      &errand->rights, errand->deadline_ms, errand->result);
}

static int32_t virtual_deliver(struct sluice_transport *transport,
                               struct sluice_connection *connection,
                               const struct sluice_message *message,
                               const struct sluice_recipient *recipients, size_t count,
                               size_t recipient_size, int64_t deadline_ms,
                               const struct sluice_report *report)
{
    (void)connection;
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)recipients + i * recipient_size;
        struct result result = {.status = SLUICE_TEMP};
        struct errand errand = {
            .transport = transport,
            .message = message,
            .recipient = (const struct sluice_recipient *)(const void *)at,
            .deadline_ms = deadline_ms,
            .result = &result,
        };

        deliver_one(&errand);
        result_report(&result, report, i);
    }
    return SLUICE_FATE_FINISHED;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static void virtual_close(struct sluice_transport *transport)
{
    if (transport == NULL)
        return;
    maps_close(&transport->mailbox_maps);
    maps_close(&transport->uid_maps);
    maps_close(&transport->gid_maps);
    station_close(&transport->station);
    free(transport->base);
    free(transport->delimiters);
    free(transport);
}

static sluice_status configure(struct sluice_transport *transport, const struct sluice_host *host,
                               const struct sluice_config *config,
                               const struct sluice_errors *errors)
{
    sluice_status st = station_open(&transport->station, host, config, errors);

    transport->minimum_uid = (long)config->get_number(config, "virtual_minimum_uid");
    transport->mailbox_limit = (uint64_t)config->get_number(config, "virtual_mailbox_limit");
    transport->is_owner_strict = config->get_number(config, "strict_mailbox_ownership") != 0;
    transport->base = strdup(config->get_text(config, "virtual_mailbox_base"));
    transport->delimiters = strdup(config->get_text(config, "recipient_delimiter"));
    if (st == SLUICE_OK)
        st = maps_open(&transport->mailbox_maps, host, config, "virtual_mailbox_maps", errors);
    if (st == SLUICE_OK)
        st = maps_open(&transport->uid_maps, host, config, "virtual_uid_maps", errors);
    if (st == SLUICE_OK)
        st = maps_open(&transport->gid_maps, host, config, "virtual_gid_maps", errors);
    if (st == SLUICE_OK)
        st = station_locks(config, "virtual_mailbox_lock", errors, &transport->locks);
    if (st == SLUICE_OK && (transport->base == NULL || transport->delimiters == NULL)) {
        errors->explain(errors, "4.3.0", "out of memory");
        st = SLUICE_TEMP;
    }
    return st;
}

static sluice_status virtual_open(const struct sluice_host *host,
                                  const struct sluice_config *config,
                                  const struct sluice_errors *errors,
                                  struct sluice_transport **ret_transport)
{
    struct sluice_transport *transport = calloc(1, sizeof(*transport));
    sluice_status st;

    if (transport == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    st = configure(transport, host, config, errors);
    if (st == SLUICE_OK)
        *ret_transport = transport;
    else
        virtual_close(transport);
    return st;
}

static const struct sluice_transport_ops ops = {
    .struct_size = sizeof(ops),
    .open = virtual_open,
    .close = virtual_close,
    .deliver = virtual_deliver,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_TRANSPORT_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/virtual",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Mailboxes of users that tables name: maildirs and mboxes",
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
