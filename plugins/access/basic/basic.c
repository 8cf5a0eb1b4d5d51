/* SPDX-License-Identifier: ISC */
/*
 * basic: Postfix's restrictions: the words and their options. What decides on them is in the files that
 * basic.h names.
 */
#include "basic.h"

#include <stdlib.h>

/* ---- words that need to know nothing ---------------------------------------------------------- */

sluice_status decide_nothing(const struct question *question)
{
    (void)question;
    return SLUICE_OK;
}

sluice_status decide_permit(const struct question *question)
{
    return permit(question);
}

sluice_status decide_reject(const struct question *question)
{
    return refuse(question, SLUICE_ABOUT_LIST, question->access->codes.reject, "7.1",
                  "Access denied");
}

sluice_status decide_defer(const struct question *question)
{
    return refuse(question, SLUICE_ABOUT_LIST, question->access->codes.defer, "3.2",
                  "Try again later");
}

sluice_status decide_defer_if_permit(const struct question *question)
{
    return postpone(question, SLUICE_VERDICT_DEFER_IF_PERMIT, SLUICE_ABOUT_LIST, 450, "7.0",
                    "defer_if_permit requested");
}

sluice_status decide_defer_if_reject(const struct question *question)
{
    return postpone(question, SLUICE_VERDICT_DEFER_IF_REJECT, SLUICE_ABOUT_LIST, 450, "7.0",
                    "defer_if_reject requested");
}

/* For as long as a look-up may take, at most. */
sluice_status decide_sleep(const struct question *question)
{
    const struct sluice_access *access = question->access;
    char text[16];
    char *end = text;

    if (!to_text(question->request->argument, text, sizeof(text)))
        text[0] = '\0';
    long seconds = strtol(text, &end, 10);
    if (end == text || *end != '\0' || seconds < 0) {
        complain(question, "sleep wants a number of seconds, not \"%s\"", text);
        return misconfigured(question, SLUICE_ABOUT_NOTHING);
    }
    if (access->io == NULL || access->clock == NULL)
        return SLUICE_OK;
    int64_t until_ms = access->clock->monotonic_ms(access->host) + (int64_t)seconds * 1000;
    (void)access->io->sleep(access->host,
                            until_ms < question->deadline_ms ? until_ms : question->deadline_ms);
    return SLUICE_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

#define WORD(name, flags, summary, ...)                                                            \
    {                                                                                              \
        .declared = {name, flags, 0, summary}, __VA_ARGS__                                         \
    }
#define REFUSES SLUICE_RESTRICTION_REFUSES
#define ARGUMENT SLUICE_RESTRICTION_ARGUMENT
#define TABLE (SLUICE_RESTRICTION_ARGUMENT | SLUICE_RESTRICTION_TABLE)
#define CLIENT .about = SLUICE_ABOUT_CLIENT
#define HELO .about = SLUICE_ABOUT_HELO
#define SENDER .about = SLUICE_ABOUT_SENDER
#define RECIPIENT .about = SLUICE_ABOUT_RECIPIENT
#define ETRN .about = SLUICE_ABOUT_ETRN
#define REVERSE .about = SLUICE_ABOUT_CLIENT, .is_reverse = true
#define BY_ADDRESS .type = SLUICE_DNS_A
#define BY_MX .type = SLUICE_DNS_MX
#define BY_NS .type = SLUICE_DNS_NS

/* clang-format off: a table */
static const struct word words[] = {
    WORD("permit", 0, "Permit", .decide = decide_permit),
    WORD("reject", REFUSES, "Reject", .decide = decide_reject),
    WORD("defer", REFUSES, "Refuse for now", .decide = decide_defer),
    WORD("defer_if_permit", REFUSES, "Refuse for now, unless a later restriction rejects", .decide = decide_defer_if_permit),
    WORD("defer_if_reject", 0, "Refuse for now where a later restriction rejects", .decide = decide_defer_if_reject),
    WORD("sleep", ARGUMENT, "Wait that many seconds, lookup_timeout at most", .decide = decide_sleep),

    WORD("permit_mynetworks", 0, "Permit if the client is in mynetworks", .decide = decide_mynetworks),
    WORD("permit_inet_interfaces", 0, "Permit if the client's address is one of our own", .decide = decide_own_address),
    WORD("permit_auth_destination", 0, "Permit if the recipient's domain is one that is received or relayed for", .decide = decide_auth),
    WORD("reject_unauth_destination", REFUSES, "Reject unless the recipient's domain is one that is received or relayed for", .decide = decide_unauth_reject),
    WORD("defer_unauth_destination", REFUSES, "Like reject_unauth_destination, but the client may try again", .decide = decide_unauth_defer),
    WORD("permit_mx_backup", 0, "Permit if the recipient's domain has us as a mail exchanger, but not as one of the best", .decide = decide_mx_backup),
    WORD("reject_multi_recipient_bounce", 0, "Reject the null sender with more than one recipient", .decide = decide_multi_recipient_bounce),

    WORD("reject_invalid_helo_hostname", 0, "Reject if the client's HELO is no host name", .decide = decide_invalid_name, HELO),
    WORD("reject_invalid_hostname", 0, "The same by its old name", .decide = decide_invalid_name, HELO),
    WORD("reject_non_fqdn_helo_hostname", 0, "Reject if the client's HELO is no host name with a domain", .decide = decide_non_fqdn_name, HELO),
    WORD("reject_non_fqdn_hostname", 0, "The same by its old name", .decide = decide_non_fqdn_name, HELO),
    WORD("reject_non_fqdn_sender", 0, "Reject if the sender's domain has no dot", .decide = decide_non_fqdn_address, SENDER),
    WORD("reject_non_fqdn_recipient", 0, "Reject if the recipient's domain has no dot", .decide = decide_non_fqdn_address, RECIPIENT),

    WORD("reject_unknown_client_hostname", 0, "Reject if the client's address has no name that has that address", .decide = decide_unknown_client, CLIENT),
    WORD("reject_unknown_client", 0, "The same by its old name", .decide = decide_unknown_client, CLIENT),
    WORD("reject_unknown_reverse_client_hostname", 0, "Reject if the client's address has no name", .decide = decide_unknown_reverse, CLIENT),
    WORD("reject_unknown_helo_hostname", 0, "Reject if the client's HELO has neither address nor mail exchanger", .decide = decide_unknown_helo, HELO),
    WORD("reject_unknown_hostname", 0, "The same by its old name", .decide = decide_unknown_helo, HELO),
    WORD("reject_unknown_sender_domain", SLUICE_RESTRICTION_SENDER, "Reject if the sender's domain can have no mail", .decide = decide_unknown_domain, SENDER),
    WORD("reject_unknown_address", SLUICE_RESTRICTION_SENDER, "The same by its old name", .decide = decide_unknown_domain, SENDER),
    WORD("reject_unknown_recipient_domain", 0, "Reject if the recipient's domain can have no mail", .decide = decide_unknown_domain, RECIPIENT),

    WORD("check_client_access", TABLE, "What an access table says of the client's name and address", .decide = decide_access, CLIENT),
    WORD("check_reverse_client_hostname_access", TABLE, "The same of the unconfirmed name", .decide = decide_access, REVERSE),
    WORD("check_helo_access", TABLE, "What an access table says of the client's HELO", .decide = decide_access, HELO),
    WORD("check_sender_access", TABLE, "What an access table says of the sender", .decide = decide_access, SENDER),
    WORD("check_recipient_access", TABLE, "What an access table says of the recipient", .decide = decide_access, RECIPIENT),
    WORD("check_etrn_access", TABLE, "What an access table says of ETRN's domain", .decide = decide_access, ETRN),
    WORD("check_client_a_access", TABLE, "What an access table says of the addresses of the client's name", .decide = decide_server_access, CLIENT, BY_ADDRESS),
    WORD("check_client_mx_access", TABLE, "The same of its mail exchangers", .decide = decide_server_access, CLIENT, BY_MX),
    WORD("check_client_ns_access", TABLE, "The same of its name servers", .decide = decide_server_access, CLIENT, BY_NS),
    WORD("check_reverse_client_hostname_a_access", TABLE, "What an access table says of the addresses of the client's unconfirmed name", .decide = decide_server_access, REVERSE, BY_ADDRESS),
    WORD("check_reverse_client_hostname_mx_access", TABLE, "The same of its mail exchangers", .decide = decide_server_access, REVERSE, BY_MX),
    WORD("check_reverse_client_hostname_ns_access", TABLE, "The same of its name servers", .decide = decide_server_access, REVERSE, BY_NS),
    WORD("check_helo_a_access", TABLE, "What an access table says of the addresses of the client's HELO", .decide = decide_server_access, HELO, BY_ADDRESS),
    WORD("check_helo_mx_access", TABLE, "The same of its mail exchangers", .decide = decide_server_access, HELO, BY_MX),
    WORD("check_helo_ns_access", TABLE, "The same of its name servers", .decide = decide_server_access, HELO, BY_NS),
    WORD("check_sender_a_access", TABLE, "What an access table says of the addresses of the sender's domain", .decide = decide_server_access, SENDER, BY_ADDRESS),
    WORD("check_sender_mx_access", TABLE, "The same of its mail exchangers", .decide = decide_server_access, SENDER, BY_MX),
    WORD("check_sender_ns_access", TABLE, "The same of its name servers", .decide = decide_server_access, SENDER, BY_NS),
    WORD("check_recipient_a_access", TABLE, "What an access table says of the addresses of the recipient's domain", .decide = decide_server_access, RECIPIENT, BY_ADDRESS),
    WORD("check_recipient_mx_access", TABLE, "The same of its mail exchangers", .decide = decide_server_access, RECIPIENT, BY_MX),
    WORD("check_recipient_ns_access", TABLE, "The same of its name servers", .decide = decide_server_access, RECIPIENT, BY_NS),

    WORD("reject_rbl_client", ARGUMENT, "Reject if a DNS list has the client's address", .decide = decide_blocked_client, CLIENT),
    WORD("reject_rhsbl_client", ARGUMENT, "Reject if a DNS list has the client's name", .decide = decide_blocked_domain, CLIENT),
    WORD("reject_rhsbl_reverse_client", ARGUMENT, "Reject if a DNS list has the client's unconfirmed name", .decide = decide_blocked_domain, REVERSE),
    WORD("reject_rhsbl_helo", ARGUMENT, "Reject if a DNS list has the client's HELO", .decide = decide_blocked_domain, HELO),
    WORD("reject_rhsbl_sender", ARGUMENT, "Reject if a DNS list has the sender's domain", .decide = decide_blocked_domain, SENDER),
    WORD("reject_rhsbl_recipient", ARGUMENT, "Reject if a DNS list has the recipient's domain", .decide = decide_blocked_domain, RECIPIENT),
    WORD("permit_dnswl_client", ARGUMENT, "Permit if a DNS list has the client's address; not to relay", .decide = decide_welcome_client, CLIENT),
    WORD("permit_rhswl_client", ARGUMENT, "Permit if a DNS list has the client's name; not to relay", .decide = decide_welcome_domain, CLIENT),

    WORD("reject_plaintext_session", 0, "Reject a session without encryption: there is no other yet", .decide = decide_plaintext),
    WORD("reject_unauth_pipelining", 0, "Nothing: smtpd_forbid_unauth_pipelining refuses it before", .decide = decide_nothing),
    WORD("permit_sasl_authenticated", 0, "Nothing: there are no logins yet", .decide = decide_nothing),
    WORD("permit_tls_clientcerts", 0, "Nothing: there is no encryption yet", .decide = decide_nothing),
    WORD("permit_tls_all_clientcerts", 0, "Nothing: there is no encryption yet", .decide = decide_nothing),
    WORD("reject_sender_login_mismatch", 0, "Nothing: there are no logins yet", .decide = decide_nothing),
    WORD("reject_authenticated_sender_login_mismatch", 0, "Nothing: there are no logins yet", .decide = decide_nothing),
    WORD("reject_known_sender_login_mismatch", 0, "Nothing: there are no logins yet", .decide = decide_nothing),
    WORD("reject_unauthenticated_sender_login_mismatch", 0, "Nothing: there are no logins yet", .decide = decide_nothing),
};
/* clang-format on */

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

/* ---- options --------------------------------------------------------------------------------- */

#define GLOBAL (SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE)
#define TEMPFAIL_ACTION "defer_if_permit|defer"

/* clang-format off: a table */
static const struct sluice_option options[] = {
    {"relay_domains_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "554", "400..599", "Reply code of reject_unauth_destination"},
    {"reject_code", SLUICE_OPT_INTEGER, GLOBAL, "554", "400..599", "Reply code of reject"},
    {"defer_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..499", "Reply code of defer"},
    {"access_map_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "554", "400..599", "Reply code of REJECT in an access table"},
    {"access_map_defer_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..499", "Reply code of DEFER, DEFER_IF_REJECT and DEFER_IF_PERMIT in an access table"},
    {"non_fqdn_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "504", "400..599", "Reply code of reject_non_fqdn_helo_hostname and its like"},
    {"invalid_hostname_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "501", "400..599", "Reply code of reject_invalid_helo_hostname"},
    {"unknown_address_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..599", "Reply code of reject_unknown_sender_domain and reject_unknown_recipient_domain"},
    {"reject_tempfail_action", SLUICE_OPT_ENUM, GLOBAL, "defer_if_permit", TEMPFAIL_ACTION, "What restrictions do when no name server answers"},
    {"unknown_address_tempfail_action", SLUICE_OPT_ENUM, GLOBAL, "$reject_tempfail_action", TEMPFAIL_ACTION, "The same of reject_unknown_sender_domain and reject_unknown_recipient_domain"},
    {"unknown_client_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..599", "Reply code of reject_unknown_client_hostname and reject_unknown_reverse_client_hostname"},
    {"unknown_hostname_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..599", "Reply code of reject_unknown_helo_hostname"},
    {"unknown_helo_hostname_tempfail_action", SLUICE_OPT_ENUM, GLOBAL, "$reject_tempfail_action", TEMPFAIL_ACTION, "The same of reject_unknown_helo_hostname"},
    {"maps_rbl_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "554", "400..599", "Reply code of reject_rbl_client and its like"},
    {"multi_recipient_bounce_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "550", "400..599", "Reply code of reject_multi_recipient_bounce"},
    {"plaintext_reject_code", SLUICE_OPT_INTEGER, GLOBAL, "450", "400..599", "Reply code of reject_plaintext_session"},
    {"default_rbl_reply", SLUICE_OPT_STRING, GLOBAL | SLUICE_OPT_VERBATIM, "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}", NULL, "Reply where a DNS list rejects, if rbl_reply_maps has none"},
    {"rbl_reply_maps", SLUICE_OPT_LIST, GLOBAL, "", NULL, "Tables from a DNS list, as the restriction names it, to its reply"},
    {"permit_mx_backup_networks", SLUICE_OPT_LIST, GLOBAL, "", NULL, "Networks that the best mail exchangers must be in for permit_mx_backup; empty: any"},
    {"smtpd_null_access_lookup_key", SLUICE_OPT_STRING, GLOBAL, "<>", NULL, "Key of the null sender in access tables"},
    {"parent_domain_matches_subdomains", SLUICE_OPT_LIST, GLOBAL, "smtpd_access_maps", NULL, "With smtpd_access_maps a key of an access table is for sub-domains, too"},
    {"recipient_delimiter", SLUICE_OPT_STRING, GLOBAL, "", NULL, "Characters that separate a user's name from its extension"},
    {"myorigin", SLUICE_OPT_STRING, GLOBAL, "localhost", NULL, "Domain of addresses without one"},
    {"own_addresses", SLUICE_OPT_LIST, GLOBAL, "", NULL, "Our own addresses, for permit_mx_backup"},
};
/* clang-format on */

static void read_codes(struct codes *codes, const struct sluice_config *config)
{
    const struct {
        const char *key;
        int32_t *code;
    } places[] = {
        {"relay_domains_reject_code", &codes->relay},
        {"reject_code", &codes->reject},
        {"defer_code", &codes->defer},
        {"access_map_reject_code", &codes->map_reject},
        {"access_map_defer_code", &codes->map_defer},
        {"non_fqdn_reject_code", &codes->non_fqdn},
        {"invalid_hostname_reject_code", &codes->invalid_name},
        {"unknown_address_reject_code", &codes->unknown_address},
        {"unknown_client_reject_code", &codes->unknown_client},
        {"unknown_hostname_reject_code", &codes->unknown_name},
        {"maps_rbl_reject_code", &codes->blocklist},
        {"multi_recipient_bounce_reject_code", &codes->multi_recipient},
        {"plaintext_reject_code", &codes->plaintext},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        *places[i].code = (int32_t)config->get_number(config, places[i].key);
}

static enum tempfail read_tempfail(const struct sluice_config *config, const char *key)
{
    return strcmp(config->get_text(config, key), "defer") == 0 ? TEMPFAIL_DEFER
                                                                : TEMPFAIL_DEFER_IF_PERMIT;
}

static bool read_text(const struct sluice_config *config, const char *key, char **ret_text)
{
    const char *text = config->get_text(config, key);

    *ret_text = strdup(text != NULL ? text : "");
    return *ret_text != NULL;
}

static bool read_reply_maps(struct sluice_access *access, const struct sluice_config *config)
{
    size_t count = config->get_count(config, "rbl_reply_maps");

    access->reply_maps = calloc(count + 1, sizeof(*access->reply_maps));
    for (; access->reply_maps != NULL && access->reply_map_count < count; access->reply_map_count++) {
        char *name = strdup(config->get_item(config, "rbl_reply_maps", access->reply_map_count));
        if (name == NULL)
            return false;
        access->reply_maps[access->reply_map_count] = name;
    }
    return access->reply_maps != NULL;
}

static bool has_item(const struct sluice_config *config, const char *key, const char *item)
{
    size_t count = config->get_count(config, key);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(config->get_item(config, key, i), item) == 0)
            return true;
    }
    return false;
}

static sluice_status read_networks(struct networks *networks, const struct sluice_config *config,
                                   const char *key, const struct sluice_errors *errors)
{
    size_t count = config->get_count(config, key);
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < count; i++)
        st = networks_add(networks, config->get_item(config, key, i), errors);
    return st;
}

static bool read_texts(struct sluice_access *access, const struct sluice_config *config)
{
    return read_text(config, "smtpd_null_access_lookup_key", &access->null_key) &&
           read_text(config, "recipient_delimiter", &access->delimiters) &&
           read_text(config, "myorigin", &access->origin) &&
           read_text(config, "default_rbl_reply", &access->blocklist_reply) &&
           read_reply_maps(access, config);
}

static void find_services(struct sluice_access *access, const struct sluice_host *host)
{
    access->host = host;
    access->clock = host->get_service(host, SLUICE_CLOCK_ID);
    access->dns = host->get_service(host, SLUICE_DNS_ID);
    access->io = host->get_service(host, SLUICE_IO_ID);
    access->log = host->get_service(host, SLUICE_LOG_ID);
    access->tables = host->get_service(host, SLUICE_TABLES_ID);
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static void basic_close(struct sluice_access *access)
{
    if (access == NULL)
        return;
    for (size_t i = 0; i < access->reply_map_count; i++)
        free(access->reply_maps[i]);
    free(access->reply_maps);
    free(access->null_key);
    free(access->delimiters);
    free(access->origin);
    free(access->blocklist_reply);
    networks_done(&access->own);
    networks_done(&access->primaries);
    free(access);
}

static sluice_status basic_open(const struct sluice_host *host, const struct sluice_config *config,
                                const struct sluice_errors *errors,
                                struct sluice_access **ret_access)
{
    struct sluice_access *access = calloc(1, sizeof(*access));
    sluice_status st = SLUICE_OK;

    if (access == NULL || !read_texts(access, config)) {
        errors->explain(errors, "4.3.0", "basic: out of memory");
        basic_close(access);
        return SLUICE_TEMP;
    }
    find_services(access, host);
    read_codes(&access->codes, config);
    access->address_tempfail = read_tempfail(config, "unknown_address_tempfail_action");
    access->helo_tempfail = read_tempfail(config, "unknown_helo_hostname_tempfail_action");
    access->parents_match =
        has_item(config, "parent_domain_matches_subdomains", "smtpd_access_maps");
    st = read_networks(&access->own, config, "own_addresses", errors);
    if (st == SLUICE_OK)
        st = read_networks(&access->primaries, config, "permit_mx_backup_networks", errors);
    if (st == SLUICE_OK)
        *ret_access = access;
    else
        basic_close(access);
    return st;
}

static sluice_status basic_decide(struct sluice_access *access, const char *restriction,
                                  const struct sluice_access_request *request, int64_t deadline_ms,
                                  const struct sluice_access_sink *sink,
                                  const struct sluice_errors *errors)
{
    struct question question = {.access = access,
                                .request = request,
                                .deadline_ms = deadline_ms,
                                .sink = sink};

    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (strcmp(restriction, words[i].declared.name) == 0) {
            question.word = &words[i];
            return words[i].decide(&question);
        }
    }
    errors->explain(errors, "4.3.5", "basic: asked for a restriction that it does not have");
    return SLUICE_TEMP;
}

static const struct sluice_access_ops ops = {
    .struct_size = sizeof(ops),
    .restrictions = &words[0].declared,
    .restriction_count = WORD_COUNT,
    .restriction_size = sizeof(words[0]),
    .open = basic_open,
    .close = basic_close,
    .decide = basic_decide,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_ACCESS_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "access/basic",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Postfix's restrictions",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
