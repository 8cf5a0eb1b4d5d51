/* SPDX-License-Identifier: ISC */
/*
 * blocklist: lists in the DNS, of addresses (RFC 5782) and of domains, as reasons to refuse or to
 * permit. A list that gives no answer blocks nobody.
 */
#include "basic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define QUERY_MAX 1023

/* What is looked for, in which list. */
struct listing {
    const struct question *question;
    char list[NAME_MAX_LEN + 1];   /* as the restriction has it */
    char domain[NAME_MAX_LEN + 1]; /* of the list */
    const char *filter;            /* of answers; NULL: any counts */
    const char *class;             /* "Client host" */
    char what[TEXT_MAX_LEN + 1];   /* is listed, or not */
    char query[QUERY_MAX + 1];
};

/* ---- questions ------------------------------------------------------------------------------- */

/* The argument: domain, or domain=filter. */
static bool read_list(const struct question *question, struct listing *listing)
{
    char *equals;

    *listing = (struct listing){.question = question};
    if (!to_text(question->request->argument, listing->list, sizeof(listing->list)))
        return false;
    memcpy(listing->domain, listing->list, sizeof(listing->domain));
    equals = strchr(listing->domain, '=');
    if (equals == NULL)
        return true;
    *equals = '\0';
    listing->filter = listing->list + (equals - listing->domain) + 1;
    return true;
}

/* The address backwards: octets, or half bytes. */
static bool ask_for_address(struct listing *listing)
{
    unsigned char bytes[16];
    size_t len = 0;

    if (!to_text(listing->question->request->client_address, listing->what, sizeof(listing->what)))
        return false;
    if (inet_pton(AF_INET, listing->what, bytes) == 1) {
        (void)snprintf(listing->query, sizeof(listing->query), "%u.%u.%u.%u.%s", bytes[3], bytes[2],
                       bytes[1], bytes[0], listing->domain);
        return true;
    }
    if (inet_pton(AF_INET6, listing->what, bytes) != 1)
        return false;
    for (int i = 15; i >= 0; i--)
        len += (size_t)snprintf(listing->query + len, sizeof(listing->query) - len, "%x.%x.",
                                bytes[i] & 0xfu, (unsigned)bytes[i] >> 4);
    (void)snprintf(listing->query + len, sizeof(listing->query) - len, "%s", listing->domain);
    return true;
}

/* Numbers are none of such a list's; some of them complain. */
static bool is_domain(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot != NULL ? dot + 1 : name;

    return name[0] != '\0' && name[0] != '[' && last[strspn(last, "0123456789")] != '\0' &&
           name[strcspn(name, " \t/:@")] == '\0';
}

static bool ask_for_domain(struct listing *listing, struct sluice_span what)
{
    char domain[NAME_MAX_LEN + 1];

    if (!to_text(what, listing->what, sizeof(listing->what)) ||
        !to_text(domain_of(what), domain, sizeof(domain)) || !is_domain(domain))
        return false;
    (void)snprintf(listing->query, sizeof(listing->query), "%s.%s", domain, listing->domain);
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* OK: it is listed; NOT_FOUND; TEMP; CONFIG: the filter is none, which the log has been told. */
static sluice_status find(const struct listing *listing)
{
    const struct question *question = listing->question;
    struct hosts answers;
    sluice_status st = hosts_find(question, listing->query, SLUICE_DNS_A, &answers);

    if (st == SLUICE_TEMP)
        complain(question, "%s: RBL lookup error: %s", listing->query, answers.why);
    if (st == SLUICE_OK && listing->filter != NULL) {
        int match = 0;
        for (size_t i = 0; match == 0 && i < answers.count; i++)
            match = filter_match(listing->filter, answers.items[i].name);
        if (match < 0)
            complain(question, "%s: bad filter \"%s\"", listing->list, listing->filter);
        if (match != 1)
            st = match == 0 ? SLUICE_NOT_FOUND : SLUICE_CONFIG;
    }
    hosts_done(&answers);
    return st;
}

/* Why it is listed: the texts that the list has. */
static void find_reason(const struct listing *listing, char reason[TEXT_MAX_LEN + 1])
{
    struct hosts texts;
    size_t len = 0;

    reason[0] = '\0';
    if (hosts_find(listing->question, listing->query, SLUICE_DNS_TXT, &texts) == SLUICE_OK) {
        for (size_t i = 0; i < texts.count && len < TEXT_MAX_LEN; i++)
            len += (size_t)snprintf(reason + len, TEXT_MAX_LEN + 1 - len, "%s%s",
                                    i > 0 ? " / " : "", texts.items[i].name);
    }
    hosts_done(&texts);
}

/* ---- replies --------------------------------------------------------------------------------- */

/* rbl_reply_maps; NULL: there is none for that list. False: a table cannot be asked. */
static bool find_reply(const struct listing *listing, char **ret_reply)
{
    const struct sluice_access *access = listing->question->access;
    sluice_status st = SLUICE_NOT_FOUND;

    *ret_reply = NULL;
    for (size_t i = 0; st == SLUICE_NOT_FOUND && i < access->reply_map_count; i++)
        st = keys_find_one(listing->question, access->reply_maps[i], sluice_span_of(listing->list),
                           false, ret_reply);
    return st == SLUICE_OK || st == SLUICE_NOT_FOUND;
}

/* All that postconf(5) lists for default_rbl_reply. */
static bool format_reply(const struct listing *listing, const char *pattern, char *reply,
                         size_t size)
{
    const struct sluice_access_request *request = listing->question->request;
    char code[8], reason[TEXT_MAX_LEN + 1], client[2 * NAME_MAX_LEN], name[NAME_MAX_LEN + 1],
        address[INET6_ADDRSTRLEN], helo[NAME_MAX_LEN + 1], reverse[NAME_MAX_LEN + 1],
        sender[TEXT_MAX_LEN + 1], recipient[TEXT_MAX_LEN + 1];

    const struct macro macros[] = {
        {"rbl_code", code}, {"rbl_domain", listing->domain}, {"rbl_reason", reason},
        {"rbl_txt", reason}, {"rbl_what", listing->what}, {"rbl_class", listing->class},
        {"client", client}, {"client_name", name}, {"client_address", address},
        {"reverse_client_name", reverse}, {"helo_name", helo}, {"sender", sender},
        {"recipient", recipient},
    };
    (void)snprintf(code, sizeof(code), "%d", (int)listing->question->access->codes.blocklist);
    find_reason(listing, reason);
    if (!to_text(request->client_name, name, sizeof(name)) ||
        !to_text(request->client_address, address, sizeof(address)) ||
        !to_text(request->helo, helo, sizeof(helo)) ||
        !to_text(request->reverse_name, reverse, sizeof(reverse)) ||
        !to_text(request->sender, sender, sizeof(sender)) ||
        !to_text(request->recipient, recipient, sizeof(recipient)))
        return false;
    (void)snprintf(client, sizeof(client), "%s[%s]", name, address);
    return reply_expand(pattern, macros, sizeof(macros) / sizeof(macros[0]), reply, size);
}

static bool is_reply(const char *text)
{
    return (text[0] == '4' || text[0] == '5') && strspn(text, "0123456789") == 3 && text[3] == ' ';
}

static sluice_status refuse_with(const struct question *question, const char *reply)
{
    char detail[16];

    if (!is_reply(reply)) {
        complain(question, "\"%s\" is no reply: it must begin with a code", reply);
        return refuse(question, SLUICE_ABOUT_NOTHING, 450, "7.1", "Service unavailable");
    }
    const char *text = result_split(reply + 4, "7.1", detail);
    return refuse(question, SLUICE_ABOUT_NOTHING, (int32_t)strtol(reply, NULL, 10), detail,
                  text[0] != '\0' ? text : "Service unavailable");
}

static sluice_status refuse_listed(const struct listing *listing)
{
    const struct question *question = listing->question;
    char reply[2 * TEXT_MAX_LEN] = "";
    char *own;

    if (!find_reply(listing, &own))
        return misconfigured(question, SLUICE_ABOUT_NOTHING);
    bool is_good = own != NULL && format_reply(listing, own, reply, sizeof(reply));
    if (own != NULL && !is_good)
        complain(question, "rbl_reply_maps: bad reply for %s: %s", listing->list, own);
    free(own);
    if (!is_good &&
        !format_reply(listing, question->access->blocklist_reply, reply, sizeof(reply)))
        complain(question, "default_rbl_reply: bad reply: %s", question->access->blocklist_reply);
    return refuse_with(question, reply);
}

/* ---- deciders -------------------------------------------------------------------------------- */

static sluice_status block(const struct listing *listing)
{
    switch (find(listing)) {
    case SLUICE_OK:
        return refuse_listed(listing);
    case SLUICE_CONFIG:
        return misconfigured(listing->question, SLUICE_ABOUT_NOTHING);
    default:
        return SLUICE_OK;
    }
}

/* Who is on a good list may pass, but not to anywhere; without an answer nobody is turned away for
 * good. */
static sluice_status welcome(const struct listing *listing)
{
    const struct question *question = listing->question;
    bool is_relaying = question->request->stage == SLUICE_STAGE_RCPT &&
                       (question->request->facts & SLUICE_FACT_AUTH_DESTINATION) == 0;

    if (is_relaying)
        return SLUICE_OK;
    switch (find(listing)) {
    case SLUICE_OK:
        return permit(question);
    case SLUICE_TEMP:
        return postpone(question, SLUICE_VERDICT_DEFER_IF_REJECT, SLUICE_ABOUT_CLIENT, 450, "7.1",
                        "Service unavailable");
    case SLUICE_CONFIG:
        return misconfigured(question, SLUICE_ABOUT_NOTHING);
    default:
        return SLUICE_OK;
    }
}

sluice_status decide_blocked_client(const struct question *question)
{
    struct listing listing;

    if (!read_list(question, &listing) || !ask_for_address(&listing))
        return SLUICE_OK;
    listing.class = "Client host";
    return block(&listing);
}

sluice_status decide_welcome_client(const struct question *question)
{
    struct listing listing;

    return read_list(question, &listing) && ask_for_address(&listing) ? welcome(&listing)
                                                                      : SLUICE_OK;
}

/* A client without a name has none to look for. */
static struct sluice_span named(const struct question *question)
{
    const struct sluice_span nothing = {0};
    struct sluice_span name = subject_of(question);

    if (name.len == strlen(UNKNOWN) && memcmp(name.ptr, UNKNOWN, name.len) == 0)
        return nothing;
    return name;
}

static const char *class_of(const struct word *word)
{
    static const char *const classes[] = {
        [SLUICE_ABOUT_CLIENT] = "Client host",
        [SLUICE_ABOUT_HELO] = "Helo command",
        [SLUICE_ABOUT_SENDER] = "Sender address",
        [SLUICE_ABOUT_RECIPIENT] = "Recipient address",
    };

    return word->is_reverse ? "Unverified Client host" : classes[word->about];
}

sluice_status decide_blocked_domain(const struct question *question)
{
    struct listing listing;

    if (!read_list(question, &listing) || !ask_for_domain(&listing, named(question)))
        return SLUICE_OK;
    listing.class = class_of(question->word);
    return block(&listing);
}

sluice_status decide_welcome_domain(const struct question *question)
{
    struct listing listing;

    return read_list(question, &listing) && ask_for_domain(&listing, named(question))
               ? welcome(&listing)
               : SLUICE_OK;
}
