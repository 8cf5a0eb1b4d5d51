/* SPDX-License-Identifier: ISC */
/* names: whether names that the client has, or says, are known to the DNS. */
#include "basic.h"

#include <stdio.h>

/* Without an answer it is never for good. */
static sluice_status refuse_client(const struct question *question, struct sluice_span name,
                                   const char *detail, const char *what)
{
    const struct sluice_access_request *request = question->request;
    bool is_temporary = (request->facts & SLUICE_FACT_NAME_TEMP) != 0;
    char text[TEXT_MAX_LEN + 1];

    if (name.len != strlen(UNKNOWN) || memcmp(name.ptr, UNKNOWN, name.len) != 0)
        return SLUICE_OK;
    (void)snprintf(text, sizeof(text), "Client host rejected: cannot find your %s, [%.*s]", what,
                   (int)request->client_address.len, request->client_address.ptr);
    return refuse(question, SLUICE_ABOUT_NOTHING,
                  is_temporary ? 450 : question->access->codes.unknown_client, detail, text);
}

sluice_status decide_unknown_client(const struct question *question)
{
    return refuse_client(question, question->request->client_name, "7.25", "hostname");
}

sluice_status decide_unknown_reverse(const struct question *question)
{
    return refuse_client(question, question->request->reverse_name, "7.1", "reverse hostname");
}

/* OK as soon as one type has records; NOT_FOUND if none has; else TEMP. ends_at_null_mx: a null MX is
 * an answer, in *ret_is_null. */
static sluice_status find_any(const struct question *question, const char *name,
                              const uint32_t types[3], bool ends_at_null_mx, bool *ret_is_null)
{
    sluice_status result = SLUICE_NOT_FOUND;

    *ret_is_null = false;
    for (int i = 0; i < 3; i++) {
        struct hosts hosts;
        sluice_status st = hosts_find(question, name, types[i], &hosts);
        bool is_null = types[i] == SLUICE_DNS_MX && st == SLUICE_OK && hosts_is_null_mx(&hosts);

        hosts_done(&hosts);
        *ret_is_null = is_null && ends_at_null_mx;
        if (st == SLUICE_OK)
            return st;
        if (st == SLUICE_TEMP)
            result = st;
    }
    return result;
}

static sluice_status without_answer(const struct question *question, enum tempfail action,
                                    const char *detail, const char *text)
{
    return postpone(question,
                    action == TEMPFAIL_DEFER ? SLUICE_VERDICT_DEFER
                                             : SLUICE_VERDICT_DEFER_IF_PERMIT,
                    question->word->about, 450, detail, text);
}

/* A host may well refuse mail: a null MX is as good as any. */
sluice_status decide_unknown_helo(const struct question *question)
{
    static const uint32_t types[3] = {SLUICE_DNS_A, SLUICE_DNS_AAAA, SLUICE_DNS_MX};
    static const char text[] = "Host not found";
    struct sluice_span helo = subject_of(question);
    char name[NAME_MAX_LEN + 1];
    bool is_null;
    sluice_status st = SLUICE_NOT_FOUND;

    if (helo.len == 0)
        return SLUICE_OK;
    if (helo.ptr[0] == '[')
        return decide_invalid_name(question);
    if (to_text(helo, name, sizeof(name)))
        st = find_any(question, name, types, false, &is_null);
    if (st == SLUICE_OK)
        return SLUICE_OK;
    if (st == SLUICE_TEMP)
        return without_answer(question, question->access->helo_tempfail, "7.1", text);
    return refuse(question, SLUICE_ABOUT_HELO, question->access->codes.unknown_name, "7.1", text);
}

static sluice_status refuse_null_mx(const struct question *question, const char *domain)
{
    bool is_sender = question->word->about == SLUICE_ABOUT_SENDER;
    char text[TEXT_MAX_LEN + 1];

    (void)snprintf(text, sizeof(text), "Domain %s does not accept mail (nullMX)", domain);
    return refuse(question, question->word->about, is_sender ? 550 : 556,
                  is_sender ? "7.27" : "1.10", text);
}

static bool is_ours(const struct question *question)
{
    uint64_t fact = question->word->about == SLUICE_ABOUT_SENDER ? SLUICE_FACT_SENDER_OURS
                                                                 : SLUICE_FACT_OURS;

    return (question->request->facts & fact) != 0;
}

/* spec M-91. What is ours is known; a literal needs no name. */
sluice_status decide_unknown_domain(const struct question *question)
{
    static const uint32_t types[3] = {SLUICE_DNS_MX, SLUICE_DNS_A, SLUICE_DNS_AAAA};
    static const char text[] = "Domain not found";
    struct sluice_span address = subject_of(question);
    struct sluice_span domain = domain_of(address);
    const char *detail = question->word->about == SLUICE_ABOUT_SENDER ? "1.8" : "1.2";
    char name[NAME_MAX_LEN + 1];
    bool is_null = false;
    sluice_status st = SLUICE_NOT_FOUND;

    if (address.len == 0 || domain.len == address.len || is_ours(question) ||
        (domain.len > 0 && domain.ptr[0] == '['))
        return SLUICE_OK;
    if (to_text(domain, name, sizeof(name)))
        st = find_any(question, name, types, true, &is_null);
    if (is_null)
        return refuse_null_mx(question, name);
    if (st == SLUICE_OK)
        return SLUICE_OK;
    if (st == SLUICE_TEMP)
        return without_answer(question, question->access->address_tempfail, detail, text);
    return refuse(question, question->word->about, question->access->codes.unknown_address, detail,
                  text);
}
