/* SPDX-License-Identifier: ISC */
/*
 * import_meanings: what it means for a site that Sluice has no such parameter. The first row that fits
 * counts. A value that switches its parameter off means nothing, unless a row names it.
 */
#include "import.h"

#include <fnmatch.h>
#include <strings.h>

#define SERVERS "Sluice has other processes, which need no such limits"
#define PLACES "a place or program of Postfix's own"
#define TLS_IN "there is no TLS yet: clients' mail comes in the clear"
#define TLS_OUT "there is no TLS yet: mail goes in the clear"
#define LOGIN_IN "there are no logins yet: clients that relied on one may not relay"
#define LOGIN_OUT "Sluice cannot log in yet: a next hop that wants a login refuses the mail"
#define FILTER "there are no content filters: mail goes by without being filtered"
#define MILTER "there are no milters: nothing is checked, signed or refused by them"
#define CONTENT                                                                                    \
    "content is not looked at, and never altered: nothing is refused, or sent elsewhere, for it"
#define PROBES "there are no probes of addresses"
#define SCREEN                                                                                     \
    "there is no postscreen: its tests and lists are not there; reject_rbl_client and the limits " \
    "of smtpd_client_… are"
#define LOCAL "local delivery has nothing of the kind"
#define COPIES "nobody gets copies: mail does not go where it went"

static const struct {
    const char *name;  /* a pattern */
    const char *value; /* a pattern; NULL: any that does not switch it off */
    enum import_verdict verdict;
    const char *text;
} meanings[] = {
    /* clang-format off */
    /* TLS */
    {"smtpd_tls_security_level", "encrypt", IMPORT_LOST, TLS_IN ", which was refused"},
    {"smtpd_tls_security_level", NULL, IMPORT_NOT_SUPPORTED, TLS_IN},
    {"smtpd_enforce_tls", NULL, IMPORT_LOST, TLS_IN ", which was refused"},
    {"smtpd_use_tls", NULL, IMPORT_NOT_SUPPORTED, TLS_IN},
    {"smtpd_tls_req_ccert", NULL, IMPORT_LOST, "there is no TLS yet: clients without a certificate get in"},
    {"smtpd_tls_wrappermode", NULL, IMPORT_LOST, "there is no TLS yet: clients that begin with it get no answer"},
    {"smtpd_tls_auth_only", NULL, IMPORT_NOT_NEEDED, "there are no logins"},
    {"smtpd_tls_*", NULL, IMPORT_NOT_SUPPORTED, "there is no TLS yet"},
    {"relay_clientcerts", NULL, IMPORT_LOST, "there is no TLS yet: clients that relied on a certificate may not relay"},
    {"smtp_tls_security_level", "encrypt", IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_tls_security_level", "dane-only", IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_tls_security_level", "fingerprint", IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_tls_security_level", "verify", IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_tls_security_level", "secure", IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_tls_security_level", NULL, IMPORT_NOT_SUPPORTED, TLS_OUT},
    {"smtp_enforce_tls", NULL, IMPORT_LOST, TLS_OUT ", instead of not at all"},
    {"smtp_use_tls", NULL, IMPORT_NOT_SUPPORTED, TLS_OUT},
    {"smtp_tls_policy_maps", NULL, IMPORT_LOST, TLS_OUT ", whatever the policy says"},
    {"smtp_tls_per_site", NULL, IMPORT_LOST, TLS_OUT ", whatever the policy says"},
    {"smtp_tls_wrappermode", NULL, IMPORT_LOST, "there is no TLS yet: a next hop that begins with it gets no mail"},
    {"lmtp_tls_security_level", NULL, IMPORT_NOT_SUPPORTED, TLS_OUT},
    {"smtp_tls_*", NULL, IMPORT_NOT_SUPPORTED, "there is no TLS yet"},
    {"lmtp_tls_*", NULL, IMPORT_NOT_SUPPORTED, "there is no TLS yet"},
    {"tls_*", NULL, IMPORT_NOT_SUPPORTED, "there is no TLS yet"},
    {"tlsproxy_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"tlsmgr_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    /* logins */
    {"smtpd_sasl_auth_enable", NULL, IMPORT_LOST, LOGIN_IN},
    {"smtpd_sender_login_maps", NULL, IMPORT_NOT_SUPPORTED, "there are no logins yet"},
    {"smtpd_sasl_*", NULL, IMPORT_NOT_SUPPORTED, "there are no logins yet"},
    {"broken_sasl_auth_clients", NULL, IMPORT_NOT_SUPPORTED, "there are no logins yet"},
    {"cyrus_sasl_config_path", NULL, IMPORT_NOT_SUPPORTED, "there are no logins yet"},
    {"smtp_sasl_auth_enable", NULL, IMPORT_LOST, LOGIN_OUT},
    {"lmtp_sasl_auth_enable", NULL, IMPORT_LOST, LOGIN_OUT},
    {"smtp_sender_dependent_authentication", NULL, IMPORT_NOT_SUPPORTED, LOGIN_OUT},
    {"smtp_sasl_*", NULL, IMPORT_NOT_SUPPORTED, LOGIN_OUT},
    {"lmtp_sasl_*", NULL, IMPORT_NOT_SUPPORTED, LOGIN_OUT},
    {"send_cyrus_sasl_authzid", NULL, IMPORT_NOT_SUPPORTED, LOGIN_OUT},
    /* filters */
    {"content_filter", NULL, IMPORT_LOST, FILTER},
    {"smtpd_proxy_filter", NULL, IMPORT_LOST, FILTER},
    {"smtpd_proxy_*", NULL, IMPORT_NOT_SUPPORTED, FILTER},
    {"default_filter_nexthop", NULL, IMPORT_NOT_SUPPORTED, FILTER},
    {"receive_override_options", NULL, IMPORT_NOT_NEEDED, "there are no content filters"},
    {"smtpd_milters", NULL, IMPORT_NOT_SUPPORTED, MILTER},
    {"non_smtpd_milters", NULL, IMPORT_NOT_SUPPORTED, MILTER},
    {"smtpd_milter_maps", NULL, IMPORT_NOT_SUPPORTED, MILTER},
    {"milter_header_checks", NULL, IMPORT_NOT_SUPPORTED, MILTER},
    {"milter_*", NULL, IMPORT_NOT_NEEDED, "there are no milters"},
    {"*header_checks", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"*body_checks", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"body_checks_size_limit", NULL, IMPORT_NOT_NEEDED, "content is not looked at"},
    {"message_strip_characters", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"header_size_limit", NULL, IMPORT_NOT_NEEDED, "content is not looked at"},
    {"mime_*", NULL, IMPORT_NOT_NEEDED, "content is not looked at"},
    {"strict_*bit*", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"strict_mime_encoding_domain", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"strict_rfc821_envelopes", NULL, IMPORT_NOT_SUPPORTED, "addresses without brackets are taken where they are clear"},
    {"disable_mime_*", NULL, IMPORT_NOT_NEEDED, "content is never altered"},
    {"smtpd_policy_service_*", NULL, IMPORT_NOT_NEEDED, "no policy service is asked"},
    {"postscreen_dnsbl_sites", NULL, IMPORT_NOT_SUPPORTED, "there is no postscreen: add reject_rbl_client for the lists that must keep clients out"},
    {"postscreen_access_list", NULL, IMPORT_NOT_SUPPORTED, "there is no postscreen: add check_client_access for those who are kept out by address"},
    {"postscreen_*", NULL, IMPORT_NOT_SUPPORTED, SCREEN},
    {"dnsblog_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"address_verify_*", NULL, IMPORT_NOT_NEEDED, PROBES},
    {"unverified_*", NULL, IMPORT_NOT_NEEDED, PROBES},
    {"maps_rbl_domains", NULL, IMPORT_NOT_SUPPORTED, "name the lists with reject_rbl_client"},
    {"smtpd_upstream_proxy_protocol", NULL, IMPORT_LOST, "what a proxy says of its clients is not understood: nobody gets in"},
    {"smtpd_reject_unlisted_sender", NULL, IMPORT_NOT_SUPPORTED, "add reject_unlisted_sender to smtpd_sender_restrictions"},
    {"smtpd_delay_reject", "no", IMPORT_NOT_SUPPORTED, "restrictions are asked at RCPT: who was refused before is refused there"},
    {"smtpd_delay_reject", NULL, IMPORT_NOT_NEEDED, "it is always so"},
    {"smtpd_command_filter", NULL, IMPORT_NOT_SUPPORTED, "commands are taken as they are"},
    {"smtpd_authorized_xclient_hosts", NULL, IMPORT_NOT_SUPPORTED, "there is no XCLIENT: clients count as who connects"},
    {"smtpd_authorized_xforward_hosts", NULL, IMPORT_NOT_SUPPORTED, "there is no XFORWARD: the log names who connects"},
    {"soft_bounce", NULL, IMPORT_NOT_SUPPORTED, "refusals are final, and mail that fails is returned"},
    /* where mail goes */
    {"*bcc_maps", NULL, IMPORT_LOST, COPIES},
    {"always_bcc", NULL, IMPORT_LOST, COPIES},
    {"disable_dns_lookups", NULL, IMPORT_LOST, "next hops are looked up in the DNS, mail exchangers first"},
    {"smtp_dns_support_level", "disabled", IMPORT_LOST, "next hops are looked up in the DNS, mail exchangers first"},
    {"smtp_host_lookup", NULL, IMPORT_NOT_SUPPORTED, "hosts are looked up in /etc/hosts and the DNS"},
    {"smtp_bind_address*", NULL, IMPORT_LOST, "mail leaves from the address that the system chooses; SPF records and firewalls may know another one"},
    {"fallback_transport*", NULL, IMPORT_LOST, LOCAL ": mail for unknown local users does not go there"},
    {"mailbox_transport*", NULL, IMPORT_LOST, LOCAL ": mail for local users does not go there"},
    {"mailbox_command*", NULL, IMPORT_LOST, LOCAL ": mail for local users is given to no command"},
    {"local_header_rewrite_clients", NULL, IMPORT_NOT_NEEDED, "header fields are never rewritten"},
    {"local_*", NULL, IMPORT_NOT_SUPPORTED, LOCAL},
    {"biff", NULL, IMPORT_NOT_NEEDED, "nobody is told of new mail"},
    {"append_dot_mydomain", NULL, IMPORT_NOT_SUPPORTED, "a domain without a dot stays as it is: write $mydomain behind it in the tables and programs that rely on that"},
    {"append_at_myorigin", "no", IMPORT_NOT_SUPPORTED, "an address without a domain gets myorigin"},
    {"append_at_myorigin", NULL, IMPORT_NOT_NEEDED, "it is so"},
    {"masquerade_*", NULL, IMPORT_NOT_SUPPORTED, "addresses keep their whole domain; canonical_maps can shorten it"},
    {"smtp_generic_maps", NULL, IMPORT_NOT_SUPPORTED, "addresses leave as they are: names of local users may be seen outside"},
    {"*_canonical_classes", NULL, IMPORT_NOT_SUPPORTED, "canonical tables are for the envelope"},
    {"remote_header_rewrite_domain", NULL, IMPORT_NOT_NEEDED, "header fields are never rewritten"},
    {"always_add_missing_headers", NULL, IMPORT_NOT_SUPPORTED, CONTENT},
    {"authorized_submit_users", NULL, IMPORT_NOT_SUPPORTED, "every user may submit mail by sendmail"},
    {"*_destination_rate_delay", NULL, IMPORT_NOT_SUPPORTED, "there is no pause between deliveries: a site that wants mail slowly gets it faster"},
    {"*_transport_rate_delay", NULL, IMPORT_NOT_SUPPORTED, "there is no pause between deliveries"},
    {"proxy_read_maps", NULL, IMPORT_NOT_NEEDED, "tables are read without a proxy"},
    {"proxy_write_maps", NULL, IMPORT_NOT_NEEDED, "tables are read without a proxy"},
    {"proxy*_service_name", NULL, IMPORT_NOT_NEEDED, "tables are read without a proxy"},
    {"multi_instance_directories", NULL, IMPORT_NOT_SUPPORTED, "only this instance is imported: import each folder, into a configuration with a queue_directory, run_directory and listen of its own"},
    {"multi_instance_*", NULL, IMPORT_NOT_NEEDED, "each configuration is started by itself"},
    {"bounce_template_file", NULL, IMPORT_NOT_SUPPORTED, "the text of reports is fixed"},
    {"smtp_*_timeout", NULL, IMPORT_NOT_SUPPORTED, "this time is not limited by itself"},
    {"*_delivery_status_filter", NULL, IMPORT_NOT_SUPPORTED, "results stay what they are"},
    {"smtp_reply_filter", NULL, IMPORT_NOT_SUPPORTED, "replies stay what they are"},
    {"disable_verp_bounces", NULL, IMPORT_NOT_NEEDED, "there are no senders that name the recipient"},
    {"*verp*", NULL, IMPORT_NOT_SUPPORTED, "there are no senders that name the recipient"},
    {"smtputf8_enable", NULL, IMPORT_NOT_SUPPORTED, "see SMTPUTF8 in the manual"},
    /* Postfix's own affairs */
    {"queue_directory", NULL, IMPORT_NOT_NEEDED, "Sluice has a queue of its own: let Postfix deliver what its queue holds"},
    {"mail_owner", NULL, IMPORT_NOT_NEEDED, "Sluice has users of its own"},
    {"setgid_group", NULL, IMPORT_NOT_NEEDED, "Sluice has a group of its own"},
    {"alternate_config_directories", NULL, IMPORT_NOT_NEEDED, "those are Postfix's"},
    {"mail_version", NULL, IMPORT_NOT_NEEDED, "Sluice has its own"},
    {"mail_release_date", NULL, IMPORT_NOT_NEEDED, "Sluice has its own"},
    {"mynetworks_style", NULL, IMPORT_NOT_NEEDED, "mynetworks is set"},
    {"compatibility_level", NULL, IMPORT_NOT_NEEDED, "the defaults that it stands for are written out"},
    {"*_directory", NULL, IMPORT_NOT_NEEDED, PLACES},
    {"*_path", NULL, IMPORT_NOT_NEEDED, PLACES},
    {"*_service_name", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"debug*", NULL, IMPORT_NOT_NEEDED, "a debugger is started otherwise"},
    {"process_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"service_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"qmgr_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"ipc_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"max_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"fork_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"anvil_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"hash_queue_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"default_process_limit", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"default_delivery_slot_*", NULL, IMPORT_NOT_NEEDED, "mail goes in the order in which it gets ready"},
    {"default_minimum_delivery_slots", NULL, IMPORT_NOT_NEEDED, "mail goes in the order in which it gets ready"},
    {"default_*recipient_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"daemon_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"trigger_timeout", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"queue_run_delay", NULL, IMPORT_NOT_NEEDED, "mail is tried when it is due; there is no scan"},
    {"queue_minfree", NULL, IMPORT_NOT_NEEDED, "the store keeps a reserve of its own"},
    {"in_flow_delay", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"fast_flush_*_time", NULL, IMPORT_NOT_NEEDED, "the queue knows what waits for whom"},
    {"maillog_file_*", NULL, IMPORT_NOT_NEEDED, "logs are rotated by logrotate"},
    {"postlog*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"postmulti_*", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"master_service_disable", NULL, IMPORT_NOT_NEEDED, "the services that it names are left out"},
    {"*_environment", NULL, IMPORT_NOT_NEEDED, SERVERS},
    {"helpful_warnings", NULL, IMPORT_NOT_NEEDED, "sluiced -t says what is wrong"},
    {"delay_logging_resolution_limit", NULL, IMPORT_NOT_NEEDED, "the log has its own form"},
    {"enable_long_queue_ids", NULL, IMPORT_NOT_NEEDED, "they are long"},
    {"sun_mailtool_compatibility", NULL, IMPORT_NOT_NEEDED, "nobody has it any more"},
    {"smtpd_relay_before_recipient_restrictions", NULL, IMPORT_NOT_NEEDED, "relay restrictions are asked first"},
    {"undisclosed_recipients_header", NULL, IMPORT_NOT_NEEDED, "content is never altered"},
    {"smtp_connection_*", NULL, IMPORT_NOT_NEEDED, "see connection_cache_time_limit"},
    {"connection_cache_*", NULL, IMPORT_NOT_NEEDED, "see connection_cache_time_limit"},
    {"lmtp_*", NULL, IMPORT_NOT_SUPPORTED, "deliveries by LMTP have nothing of the kind"},
    {"*", NULL, IMPORT_NOT_SUPPORTED, "Sluice has nothing of the kind"},
    /* clang-format on */
};

static bool is_off(const char *value)
{
    static const char *const words[] = {"", "no", "none", "0", "0s", "0m", "0h", "0d", "off"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(words[i], value) == 0)
            return true;
    }
    return false;
}

bool import_has_meaning(const char *name)
{
    size_t i = 0;

    while (fnmatch(meanings[i].name, name, 0) != 0)
        i++;
    return strcmp(meanings[i].name, "*") != 0;
}

enum import_verdict import_meaning(const char *name, const char *value, const char **ret_text)
{
    size_t i = 0;

    while (fnmatch(meanings[i].name, name, 0) != 0 ||
           (meanings[i].value != NULL && fnmatch(meanings[i].value, value, FNM_CASEFOLD) != 0))
        i++;
    *ret_text = meanings[i].text;
    if (meanings[i].verdict == IMPORT_NOT_NEEDED || meanings[i].value != NULL || !is_off(value))
        return meanings[i].verdict;
    *ret_text = "it is switched off";
    return IMPORT_NOT_NEEDED;
}

bool import_is_ours_alone(const char *name)
{
    static const char *const names[] = {
        "access_plugins",
        "commit_timeout",
        "connection_cache_time_limit",
        "deferral",
        "deliver_processes",
        "dns_servers",
        "double_bounce_notice_recipient",
        "drain_timeout",
        "etrn_minimum_interval",
        "etrn_queues",
        "listen",
        "log_format",
        "log_level",
        "lookup_timeout",
        "loop_timeout",
        "maildrop_directory",
        "metrics_listen",
        "network_owner",
        "nexthop_chain",
        "own_addresses",
        "plugin_directory",
        "postmaster_route",
        "queue_store",
        "receive_processes",
        "reload_grace_time",
        "run_directory",
        "smtp_8bit_without_8bitmime",
        "tables",
        "transports",
        "user",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}
