/* SPDX-License-Identifier: ISC */
/*
 * parameters: see parameters.h. A default of NULL is none, or one that draft.c works out from the
 * machine.
 */
#include "config/parameters.h"

#include "sluice/lookup.h"
#include "sluice/transport.h"

#include <string.h>

#ifndef SLUICE_VERSION
#error "SLUICE_VERSION is set by the build"
#endif

/* clang-format off */
const struct sluice_option parameters[] = {
    /* names */
    {"mail_name", SLUICE_OPT_STRING, 0, "Sluice", NULL,
     "Name of the software in the greeting and in Received lines"},
    {"mail_version", SLUICE_OPT_STRING, OPTION_INTERNAL, SLUICE_VERSION, NULL,
     "Version of the software"},
    {"myhostname", SLUICE_OPT_STRING, 0, NULL, NULL,
     "This system's name on the internet; by default the machine's own"},
    {"mydomain", SLUICE_OPT_STRING, 0, NULL, NULL,
     "This system's domain; by default myhostname without its first part"},
    {"myorigin", SLUICE_OPT_STRING, 0, "$myhostname", NULL,
     "Domain added to addresses that have none"},

    /* where things are */
    {"listen", SLUICE_OPT_LIST, 0, NULL, NULL,
     "Addresses and ports that mail is received on: host:port, [v6]:port; by default port 25 of "
     "inet_interfaces"},
    {"plugin_directory", SLUICE_OPT_PATH, 0, NULL, NULL,
     "Folder of the plugins; by default where they were installed"},
    {"queue_directory", SLUICE_OPT_PATH, 0, "/var/spool/sluice", NULL,
     "Folder of the queue store"},
    {"last_known_directory", SLUICE_OPT_PATH, 0, "$queue_directory-last-known", NULL,
     "Folder of what tables answered last, for when they do not answer (stale_ok)"},
    {"maildrop_directory", SLUICE_OPT_PATH, 0, "$queue_directory-maildrop", NULL,
     "Folder where sendmail leaves mail while the daemon does not take it; not in queue_directory"},
    {"run_directory", SLUICE_OPT_PATH, 0, "/run/sluice", NULL,
     "Folder of the control socket and the pid file"},

    /* the log */
    {"syslog_name", SLUICE_OPT_STRING, 0, "sluice", NULL,
     "Name in front of the log's lines; postfix: as its tools and filters expect it"},
    {"syslog_facility", SLUICE_OPT_ENUM, 0, "mail",
     "mail|daemon|user|local0|local1|local2|local3|local4|local5|local6|local7",
     "Facility of the log's lines in syslog"},
    {"maillog_file", SLUICE_OPT_STRING, 0, "", NULL,
     "File that the log goes into, or /dev/stdout; empty: syslog, the journal or standard error"},
    {"log_format", SLUICE_OPT_ENUM, 0, "text", "text|json",
     "Lines as Postfix's tools read them, or as JSON objects"},
    {"log_level", SLUICE_OPT_ENUM, 0, "info", "error|warning|notice|info|debug",
     "The least important lines that are logged"},

    {"metrics_listen", SLUICE_OPT_STRING, 0, "", NULL,
     "Address and port where Prometheus gets the metrics: 127.0.0.1:9125; empty: nowhere"},

    /* who runs */
    {"mail_owner", SLUICE_OPT_STRING, 0, "sluice", NULL,
     "User that owns the queue, where Sluice is started by root"},
    {"network_owner", SLUICE_OPT_STRING, 0, "sluice-net", NULL,
     "User of everything that talks to the network, where Sluice is started by root"},
    {"setgid_group", SLUICE_OPT_STRING, 0, "sluicedrop", NULL,
     "Group of maildrop_directory and of the command postdrop, where Sluice is started by root"},
    {"receive_processes", SLUICE_OPT_INTEGER, 0, "0", "0..64",
     "Processes that receive mail; 0: one for each processor core"},
    {"deliver_processes", SLUICE_OPT_INTEGER, 0, "0", "0..64",
     "Processes that deliver mail; 0: one for each processor core"},
    {"drain_timeout", SLUICE_OPT_DURATION, 0, "30s", "1s..",
     "How long work that is under way may go on after SIGTERM"},
    {"reload_grace_time", SLUICE_OPT_DURATION, 0, "1h", "0s..30d",
     "How long clients' sessions may go on with the old configuration after a reload"},

    {"loop_timeout", SLUICE_OPT_DURATION, 0, "60s", "0s..",
     "How long a plugin that promised not to wait may hold a process before that is ended and started "
     "anew; 0: for ever"},

    /* our addresses and networks */
    {"inet_interfaces", SLUICE_OPT_LIST, 0, NULL, NULL,
     "Our own addresses, where they are not those of listen: addresses, all, loopback-only"},
    {"inet_protocols", SLUICE_OPT_LIST, 0, "all", NULL,
     "Protocols that mail is sent by, and by default received: all, ipv4, ipv6"},
    {"proxy_interfaces", SLUICE_OPT_LIST, 0, "", NULL,
     "Addresses under which a proxy or address translation makes us known"},
    {"own_addresses", SLUICE_OPT_LIST, OPTION_INTERNAL, NULL, NULL,
     "All our own addresses, from listen, inet_interfaces and proxy_interfaces"},
    {"mynetworks", SLUICE_OPT_LIST, OPTION_TABLES, NULL, NULL,
     "Networks of clients that may relay; by default this machine alone"},

    /* routing */
    {"mydestination", SLUICE_OPT_LIST, OPTION_TABLES,
     "$myhostname, localhost.$mydomain, localhost", NULL,
     "Domains of local mail"},
    {"virtual_alias_domains", SLUICE_OPT_LIST, OPTION_TABLES, "$virtual_alias_maps", NULL,
     "Domains whose addresses are all aliases"},
    {"virtual_mailbox_domains", SLUICE_OPT_LIST, OPTION_TABLES, "$virtual_mailbox_maps", NULL,
     "Domains of mail for virtual_transport"},
    {"relay_domains", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Domains that mail is relayed to for anybody"},
    {"parent_domain_matches_subdomains", SLUICE_OPT_LIST, 0,
     "debug_peer_list, fast_flush_domains, mynetworks, permit_mx_backup_networks, "
     "qmqpd_authorized_clients, relay_domains, smtpd_access_maps", NULL,
     "Lists in which a domain stands for its sub-domains too"},
    {"transport_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from an address or domain to transport:nexthop"},
    {"relocated_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from addresses that are no more to where their users are"},
    {"local_transport", SLUICE_OPT_STRING, 0, "local:$myhostname", NULL,
     "Transport, or transport:nexthop, of mail to mydestination and our own addresses"},
    {"mailbox_transport", SLUICE_OPT_STRING, 0, "", NULL,
     "Transport, or transport:nexthop, of mail to names in mydestination that alias_maps do not have; empty: "
     "local_transport"},
    {"fallback_transport", SLUICE_OPT_STRING, 0, "", NULL,
     "The same for names that are no users of this machine either"},
    {"local_users", SLUICE_OPT_LIST, OPTION_INTERNAL | OPTION_TABLES, NULL, NULL,
     "The table of this machine's users, where fallback_transport needs it"},
    {"virtual_transport", SLUICE_OPT_STRING, 0, "virtual", NULL,
     "Transport, or transport:nexthop, of mail to virtual_mailbox_domains"},
    {"relay_transport", SLUICE_OPT_STRING, 0, "relay", NULL,
     "Transport, or transport:nexthop, of mail to relay_domains"},
    {"default_transport", SLUICE_OPT_STRING, 0, "smtp", NULL,
     "Transport, or transport:nexthop, of mail to all other domains"},
    {"relayhost", SLUICE_OPT_STRING, 0, "", NULL,
     "Next hop of mail to relay_domains and to all other domains, unless their transport names one"},
    {"sender_dependent_default_transport_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from senders to what is default_transport for them; DUNNO: nothing else"},
    {"empty_address_default_transport_maps_lookup_key", SLUICE_OPT_STRING, 0, "<>", NULL,
     "What sender_dependent_default_transport_maps has the null sender as"},
    {"sender_dependent_relayhost_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from senders to what is relayhost for them; DUNNO: nothing else"},
    {"empty_address_relayhost_maps_lookup_key", SLUICE_OPT_STRING, 0, "<>", NULL,
     "What sender_dependent_relayhost_maps has the null sender as"},
    {"best_mx_transport", SLUICE_OPT_STRING, 0, "", NULL,
     "Transport, or transport:nexthop, of mail to domains whose best mail exchanger we are without being "
     "told so; empty: return it"},
    {"nexthop_chain", SLUICE_OPT_LIST, 0, "mx-bypass, mx", NULL,
     "Plugins that find a next hop's hosts, asked in this order"},
    {"postmaster_route", SLUICE_OPT_STRING, 0, "", NULL,
     "Where mail to <postmaster> without a domain goes: an address or transport:nexthop; empty: "
     "refuse it for now"},
    {"recipient_delimiter", SLUICE_OPT_STRING, 0, "", NULL,
     "Characters that separate a user's name from its extension"},
    {"swap_bangpath", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "In a domain of ours site!user is user@site"},
    {"allow_percent_hack", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "In a domain of ours user%site is user@site"},
    {"allow_untrusted_routing", SLUICE_OPT_BOOLEAN, 0, "no", NULL,
     "Relay user@site@domain, user%site@domain and site!user@domain to a relay domain for anybody, who can "
     "so reach a site by way of that domain's hosts"},

    /* addresses that stand for others */
    {"sender_canonical_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from senders to the addresses that take their place; before canonical_maps"},
    {"recipient_canonical_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from recipients to the addresses that take their place; before canonical_maps"},
    {"canonical_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from addresses to those that take their place in the envelope"},
    {"canonical_classes", SLUICE_OPT_LIST, 0,
     "envelope_sender, envelope_recipient, header_sender, header_recipient", NULL,
     "What canonical_maps are for: envelope_sender, envelope_recipient"},
    {"virtual_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL, "The old name of virtual_alias_maps"},
    {"virtual_alias_maps", SLUICE_OPT_LIST, OPTION_TABLES, "$virtual_maps", NULL,
     "Tables from recipients to the addresses that they stand for"},
    {"virtual_alias_expansion_limit", SLUICE_OPT_INTEGER, 0, "1000", "1..100000",
     "Most addresses that one recipient may stand for"},
    {"virtual_alias_recursion_limit", SLUICE_OPT_INTEGER, 0, "1000", "1..100000",
     "Most aliases that are followed for one recipient"},
    {"virtual_alias_address_length_limit", SLUICE_OPT_INTEGER, 0, "1000", "1..2000",
     "Longest address in bytes that a table may give"},
    {"propagate_unmatched_extensions", SLUICE_OPT_LIST, 0, "canonical, virtual", NULL,
     "Tables whose results get the extension that the key was without: canonical, virtual"},

    /* who is there */
    {"default_database_type", SLUICE_OPT_STRING, 0, "hash", NULL,
     "Type of a table that postmap, postalias and newaliases are given without one"},
    {"alias_database", SLUICE_OPT_LIST, 0, "hash:/etc/aliases", NULL,
     "Tables that newaliases builds"},
    {"alias_maps", SLUICE_OPT_LIST, OPTION_TABLES, NULL, NULL,
     "Tables from a name in mydestination to what stands for it: addresses, files, commands, lists; by "
     "default hash:/etc/aliases, if there is /etc/aliases.db"},
    {"local_recipient_maps", SLUICE_OPT_LIST, OPTION_TABLES, "unix:passwd.byname, $alias_maps", NULL,
     "Tables of the recipients in mydestination; empty: any"},
    {"virtual_mailbox_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables of the recipients in virtual_mailbox_domains; empty: any"},
    {"virtual_uid_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from a recipient in virtual_mailbox_domains to the user id that owns the mailbox"},
    {"virtual_gid_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from a recipient in virtual_mailbox_domains to the group id that owns the mailbox"},
    {"relay_recipient_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables of the recipients in relay_domains; empty: any"},
    {"smtpd_reject_unlisted_recipient", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "Refuse recipients that are in none of these tables"},
    {"show_user_unknown_table_name", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "Say which table an unknown recipient is not in"},
    {"unknown_local_recipient_reject_code", SLUICE_OPT_INTEGER, 0, "550", "400..599",
     "Code of the reply that refuses an unknown recipient in mydestination"},
    {"unknown_virtual_alias_reject_code", SLUICE_OPT_INTEGER, 0, "550", "400..599",
     "The same for virtual_alias_domains"},
    {"unknown_virtual_mailbox_reject_code", SLUICE_OPT_INTEGER, 0, "550", "400..599",
     "The same for virtual_mailbox_domains"},
    {"unknown_relay_recipient_reject_code", SLUICE_OPT_INTEGER, 0, "550", "400..599",
     "The same for relay_domains"},
    {"dns_servers", SLUICE_OPT_LIST, 0, "", NULL,
     "Name servers, as address or address@port; empty: the system's"},

    /* who may do what */
    {"access_plugins", SLUICE_OPT_LIST, 0, "basic", NULL,
     "Plugins that know the restrictions named below"},
    {"smtpd_client_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "What is asked about the client, at RCPT and ETRN"},
    {"smtpd_helo_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "What is asked about the client's HELO, at RCPT and ETRN"},
    {"smtpd_sender_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "What is asked about the sender, at RCPT"},
    {"smtpd_relay_restrictions", SLUICE_OPT_LIST, OPTION_TABLES,
     "permit_mynetworks, reject_unauth_destination", NULL,
     "Who may relay; asked at RCPT before smtpd_recipient_restrictions"},
    {"smtpd_recipient_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "What else is asked at RCPT"},
    {"smtpd_data_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL, "What is asked at DATA"},
    {"smtpd_end_of_data_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "What is asked when the content is there"},
    {"smtpd_etrn_restrictions", SLUICE_OPT_LIST, OPTION_TABLES, "permit_mynetworks, reject", NULL,
     "Who may use ETRN"},
    {"permit_mx_backup_networks", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Networks that the primary mail exchangers of domains must be in for permit_mx_backup; empty: any"},
    {"rbl_reply_maps", SLUICE_OPT_LIST, OPTION_TABLES, "", NULL,
     "Tables from a DNS block list, as the restriction names it, to the reply in its name"},
    {"smtpd_restriction_classes", SLUICE_OPT_LIST, 0, "", NULL,
     "Names for lists of restrictions; each is a parameter of its own then"},
    {"authorized_mailq_users", SLUICE_OPT_LIST, 0, "static:anyone", NULL,
     "Users who may list the queue: names, !name, static:anyone"},
    {"authorized_flush_users", SLUICE_OPT_LIST, 0, "static:anyone", NULL,
     "Users who may release queued mail: names, !name, static:anyone"},
    {"disable_vrfy_command", SLUICE_OPT_BOOLEAN, 0, "no", NULL,
     "Refuse VRFY"},

    /* releasing and retrying */
    {"defer_transports", SLUICE_OPT_LIST, 0, "", NULL,
     "Transports whose mail waits until it is released (ETRN, sendmail -q)"},
    {"fast_flush_domains", SLUICE_OPT_LIST, OPTION_TABLES, "$relay_domains", NULL,
     "Domains that ETRN and sendmail -qR may release"},
    {"etrn_queue_domains", SLUICE_OPT_LIST, OPTION_INTERNAL, NULL, NULL,
     "The domains of etrn_queues, as name:domain"},
    {"etrn_minimum_interval", SLUICE_OPT_DURATION, 0, "10s", "0s..",
     "Least time between two releases of a domain by ETRN from outside mynetworks"},
    {"command_time_limit", SLUICE_OPT_DURATION, 0, "1000s", "1s..",
     "How long a command that is given mail may run"},
    {"transport_retry_time", SLUICE_OPT_DURATION, 0, "60s", "1s..",
     "How long a transport rests that crashes on one message after the other"},
    {"initial_destination_concurrency", SLUICE_OPT_INTEGER, 0, "5", "1..10000",
     "Deliveries at the same time to a site of which nothing is known yet"},
    {"default_destination_concurrency_limit", SLUICE_OPT_INTEGER, 0, "20", "1..10000",
     "Most deliveries to one site at the same time"},
    {"default_destination_concurrency_positive_feedback", SLUICE_OPT_ENUM, 0, "1",
     "1|1/concurrency|1/sqrt_concurrency",
     "By how much a delivery that reaches its host adds to the deliveries at the same time"},
    {"default_destination_concurrency_negative_feedback", SLUICE_OPT_ENUM, 0, "1",
     "1|1/concurrency|1/sqrt_concurrency", "By how much one that does not takes from them"},
    {"default_destination_concurrency_failed_cohort_limit", SLUICE_OPT_INTEGER, 0, "1", "0..1000",
     "So many times all deliveries under way must fail before a site waits as a whole; 0: it never does"},
    {"default_destination_recipient_limit", SLUICE_OPT_INTEGER, 0, "50", "1..1000",
     "Most recipients of one delivery"},
    {"smtp_mx_session_limit", SLUICE_OPT_INTEGER, 0, "2", "0..100",
     "Hosts of a site with which a session is tried in one attempt; 0: all"},
    {"connection_cache_time_limit", SLUICE_OPT_DURATION, 0, "2s", "0s..",
     "How long an idle connection to a host is kept for more mail"},

    /* giving up, and telling the sender */
    {"maximal_queue_lifetime", SLUICE_OPT_DURATION, OPTION_DAYS, "5d", "0d..",
     "How long mail is tried before it is returned; 0: once"},
    {"bounce_queue_lifetime", SLUICE_OPT_DURATION, OPTION_DAYS, "5d", "0d..",
     "The same for mail without a sender, such as reports; then it is dropped"},
    {"delay_warning_time", SLUICE_OPT_DURATION, OPTION_HOURS, "0h", "0h..",
     "Age at which the sender is told, once, that mail is late; 0: never"},
    {"bounce_size_limit", SLUICE_OPT_SIZE, 0, "50000", "0..100M",
     "Largest message in bytes that a report brings back whole; of a larger one only the header"},
    {"double_bounce_sender", SLUICE_OPT_STRING, 0, "double-bounce", NULL,
     "Sender of reports to the postmaster, whose failure nobody is told"},
    {"notify_classes", SLUICE_OPT_LIST, 0, "resource, software", NULL,
     "What the postmaster gets reports of, too: bounce, 2bounce, delay"},
    {"bounce_notice_recipient", SLUICE_OPT_STRING, 0, "postmaster", NULL,
     "Who gets the postmaster's copy of a failure report"},
    {"double_bounce_notice_recipient", SLUICE_OPT_STRING, 0, "postmaster", NULL,
     "Who gets reports that cannot be given to the sender"},
    {"delay_notice_recipient", SLUICE_OPT_STRING, 0, "postmaster", NULL,
     "Who gets the postmaster's copy of a delay warning"},

    /* receiving */
    {"smtpd_banner", SLUICE_OPT_STRING, 0, "$myhostname ESMTP $mail_name", NULL,
     "Text behind the code 220 of the greeting"},
    {"smtpd_peername_lookup", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "Look up the names of clients; else all are unknown"},
    {"smtpd_timeout", SLUICE_OPT_DURATION, OPTION_STRESS, "${stress?{10}:{300}}s", "1s..",
     "How long a client may be silent"},
    {"smtpd_per_request_deadline", SLUICE_OPT_BOOLEAN, OPTION_STRESS, "yes", NULL,
     "Content must come in smtpd_timeout, extended by what smtpd_min_data_rate allows; else that "
     "holds for each portion of it"},
    {"smtpd_min_data_rate", SLUICE_OPT_INTEGER, 0, "500", "1..1000000000",
     "Bytes a second in which content must come"},
    {"lookup_timeout", SLUICE_OPT_DURATION, 0, "60s", "1s..",
     "How long tables, or a restriction, may take at each step of a session; then the client is told to "
     "try later"},
    {"smtpd_helo_required", SLUICE_OPT_BOOLEAN, 0, "no", NULL,
     "Refuse MAIL before HELO or EHLO"},
    {"smtpd_discard_ehlo_keywords", SLUICE_OPT_LIST, 0, "", NULL,
     "Keywords that are left out of the answer to EHLO"},
    {"smtpd_soft_error_limit", SLUICE_OPT_INTEGER, 0, "10", "1..",
     "Errors of a client after which its answers are delayed"},
    {"smtpd_hard_error_limit", SLUICE_OPT_INTEGER, OPTION_STRESS, "${stress?{1}:{20}}", "1..",
     "Errors of a client after which it is disconnected"},
    {"smtpd_junk_command_limit", SLUICE_OPT_INTEGER, OPTION_STRESS, "${stress?{1}:{100}}", "1..",
     "Commands that move no mail after which each counts as an error"},
    {"smtpd_error_sleep_time", SLUICE_OPT_DURATION, 0, "1s", "0s..",
     "Delay of answers to a client that makes errors"},
    {"smtpd_forbid_bare_newline", SLUICE_OPT_ENUM, 0, "normalize", "normalize|yes|no|reject",
     "Line ends other than CR LF in content: mend them (normalize; yes and no mean the same), or "
     "refuse the message (reject)"},
    {"smtpd_forbid_bare_newline_reject_code", SLUICE_OPT_INTEGER, 0, "550", "400..599",
     "Code of the reply that refuses a message or command for its line ends"},
    {"smtpd_forbidden_commands", SLUICE_OPT_LIST, 0, "CONNECT, GET, POST", NULL,
     "Commands of other protocols: clients that use them are hung up on, as are those whose commands "
     "look like header fields or begin with no letter"},
    {"smtpd_forbid_unauth_pipelining", SLUICE_OPT_BOOLEAN, 0, "yes", NULL,
     "Hang up on clients that do not wait for an answer where they must"},
    {"smtpd_client_connection_count_limit", SLUICE_OPT_INTEGER, 0, "50", "0..1000000",
     "Most connections that a client may have at the same time; 0: any"},
    {"smtpd_client_connection_rate_limit", SLUICE_OPT_INTEGER, 0, "0", "0..1000000",
     "Most connections that a client may make in anvil_rate_time_unit; 0: any"},
    {"smtpd_client_message_rate_limit", SLUICE_OPT_INTEGER, 0, "0", "0..1000000",
     "Most messages that a client may begin in anvil_rate_time_unit; 0: any"},
    {"smtpd_client_recipient_rate_limit", SLUICE_OPT_INTEGER, 0, "0", "0..1000000",
     "Most recipients that a client may name in anvil_rate_time_unit; 0: any"},
    {"smtpd_client_event_limit_exceptions", SLUICE_OPT_LIST, OPTION_TABLES, "$mynetworks", NULL,
     "Networks of clients that the smtpd_client limits do not hold for"},
    {"smtpd_client_ipv4_prefix_length", SLUICE_OPT_INTEGER, 0, "32", "1..32",
     "Bits of an IPv4 address that tell a client from another one"},
    {"smtpd_client_ipv6_prefix_length", SLUICE_OPT_INTEGER, 0, "84", "1..128",
     "Bits of an IPv6 address that tell a client from another one"},
    {"anvil_rate_time_unit", SLUICE_OPT_DURATION, 0, "60s", "1s..",
     "Time in which the smtpd_client rates are counted"},
    {"smtpd_recipient_limit", SLUICE_OPT_INTEGER, 0, "1000", "1..100000",
     "Most recipients of a message"},
    {"message_size_limit", SLUICE_OPT_SIZE, 0, "10240000", "0..",
     "Largest message in bytes; 0: any"},
    {"message_reject_characters", SLUICE_OPT_STRING, 0, "\\0", NULL,
     "Characters that content may not contain; backslash sequences as in C"},
    {"line_length_limit", SLUICE_OPT_INTEGER, 0, "2048", "512..1048576",
     "Longest command line in bytes"},
    {"message_drop_headers", SLUICE_OPT_LIST, 0, "bcc, content-length, resent-bcc, return-path",
     NULL, "Header fields that are taken out of mail of local submission"},
    {"alternate_config_directories", SLUICE_OPT_LIST, 0, "", NULL,
     "Folders with a sluice.conf that a command with rights of its own may be pointed to"},
    {"hopcount_limit", SLUICE_OPT_INTEGER, 0, "50", "1..1000",
     "Received lines at which a message is taken for looping"},
    {"commit_timeout", SLUICE_OPT_DURATION, 0, "60s", "1s..",
     "How long the queue may take to make a message durable; then the client is told to try later"},
};
/* clang-format on */

const size_t parameter_count = sizeof(parameters) / sizeof(parameters[0]);

static const struct sluice_option transport_parameters[] = {
    {"initial_destination_concurrency", SLUICE_OPT_INTEGER, 0, "$initial_destination_concurrency",
     "1..10000", "Deliveries at the same time to a site of this transport that is not known yet"},
    {"destination_concurrency_limit", SLUICE_OPT_INTEGER, 0,
     "$default_destination_concurrency_limit", "1..10000",
     "Most deliveries to one site of this transport at the same time"},
    {"destination_concurrency_positive_feedback", SLUICE_OPT_ENUM, 0,
     "$default_destination_concurrency_positive_feedback", "1|1/concurrency|1/sqrt_concurrency",
     "By how much a delivery that reaches its host adds to the deliveries at the same time"},
    {"destination_concurrency_negative_feedback", SLUICE_OPT_ENUM, 0,
     "$default_destination_concurrency_negative_feedback", "1|1/concurrency|1/sqrt_concurrency",
     "By how much one that does not takes from them"},
    {"destination_concurrency_failed_cohort_limit", SLUICE_OPT_INTEGER, 0,
     "$default_destination_concurrency_failed_cohort_limit", "0..1000",
     "So many times all deliveries under way must fail before a site waits as a whole"},
    {"destination_recipient_limit", SLUICE_OPT_INTEGER, 0, "$default_destination_recipient_limit",
     "1..1000", "Most recipients of one delivery by this transport"},
    {"time_limit", SLUICE_OPT_DURATION, 0, "2h", "1s..",
     "How long one attempt by this transport may take"},
    {"user", SLUICE_OPT_STRING, 0, "", NULL,
     "Who its deliver process runs as, user or user:group; recipient: one that becomes who the mail is "
     "for; empty: network_owner"},
    {"deferral", SLUICE_OPT_STRING, 0, "", NULL,
     "Deferral plugin that says when its mail goes; empty: on-demand or backoff, as defer_transports has it"},
};

static const struct sluice_option table_parameters[] = {
    {"shared", SLUICE_OPT_BOOLEAN, 0, "false", NULL,
     "One process opens it, and all others ask that one"},
    {"isolate", SLUICE_OPT_BOOLEAN, 0, "false", NULL,
     "As shared, and that process has no other table"},
    {"isolate_memory", SLUICE_OPT_SIZE, 0, "256M", "64M..1024G",
     "With isolate: memory for that process; with more it is replaced"},
    {"isolate_descriptors", SLUICE_OPT_INTEGER, 0, "1024", "64..1000000",
     "With isolate: descriptors for that process; when all are used up it is replaced"},
    {"cache_positive", SLUICE_OPT_DURATION, 0, "60s", "0s..1d",
     "How long that process, and who asks it, keep a value; 0: not at all"},
    {"cache_negative", SLUICE_OPT_DURATION, 0, "10s", "0s..1d",
     "How long they keep that there is none"},
    {"cache_bytes", SLUICE_OPT_SIZE, 0, "16M", "0..1G", "Memory for what it keeps of this table"},
    {"stale_ok", SLUICE_OPT_DURATION, 0, "72h", "0s..",
     "How old an answer may be that stands in while the table gives none; 0: none does"},
    {"stale_after", SLUICE_OPT_DURATION, 0, "2s", "0s..1h", "How long its answer is waited for first"},
    {"stale_bytes", SLUICE_OPT_SIZE, 0, "256M", "1M..64G",
     "Disk for such values of this table; for that it has none, a quarter of that more"},
};

const struct sluice_option *parameters_of_instance(const char *interface, size_t *ret_count)
{
    if (strcmp(interface, SLUICE_TRANSPORT_ID) == 0) {
        *ret_count = sizeof(transport_parameters) / sizeof(transport_parameters[0]);
        return transport_parameters;
    }
    if (strcmp(interface, SLUICE_LOOKUP_ID) == 0) {
        *ret_count = sizeof(table_parameters) / sizeof(table_parameters[0]);
        return table_parameters;
    }
    *ret_count = 0;
    return NULL;
}

/* ---- nearest names -------------------------------------------------------------------------- */

#define NAME_MAX_LEN 64

static size_t least(size_t a, size_t b, size_t c)
{
    size_t less = a < b ? a : b;

    return less < c ? less : c;
}

/* Levenshtein's distance, one row at a time. */
size_t parameter_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t len = strlen(b);

    if (len > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t above = row[j + 1];

            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j] ? 1 : 0));
            diagonal = above;
        }
    }
    return row[len];
}
