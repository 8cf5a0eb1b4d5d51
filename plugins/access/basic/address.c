/* SPDX-License-Identifier: ISC */
/* address: whether what the client says looks like a name. */
#include "basic.h"

#define LABEL_MAX 63

static bool is_word_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* A final dot is good style in the DNS. */
static struct sluice_span without_dot(struct sluice_span name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.' && name.ptr[name.len - 2] != '.')
        name.len--;
    return name;
}

/* Labels of letters, digits, underscores, and hyphens inside; not all digits and dots. */
static bool is_host_name(struct sluice_span name)
{
    size_t label = 0;
    bool is_numeric = true;

    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_edge = label == 0 || i + 1 == name.len || name.ptr[i + 1] == '.';
        if (c == '.') {
            if (label == 0 || i + 1 == name.len)
                return false;
            label = 0;
            continue;
        }
        if (!is_word_character(c) && (c != '-' || is_edge))
            return false;
        is_numeric = is_numeric && c >= '0' && c <= '9';
        if (++label > LABEL_MAX)
            return false;
    }
    return !is_numeric;
}

static bool has_dot(struct sluice_span name)
{
    return name.len > 0 && memchr(name.ptr, '.', name.len) != NULL;
}

/* What has brackets must be an address in them. */
static bool is_bracketed(struct sluice_span name)
{
    return name.len > 0 && name.ptr[0] == '[';
}

static bool is_literal(struct sluice_span name)
{
    static const char tag[] = "IPv6:";
    struct sluice_span inner = {.ptr = name.ptr + 1, .len = name.len - 1};

    if (inner.len < 2 || inner.ptr[inner.len - 1] != ']')
        return false;
    inner.len--;
    if (inner.len > sizeof(tag) && strncasecmp(inner.ptr, tag, sizeof(tag) - 1) == 0) {
        inner.ptr += sizeof(tag) - 1;
        inner.len -= sizeof(tag) - 1;
    }
    return networks_is_address(inner);
}

static sluice_status refuse_literal(const struct question *question)
{
    return refuse(question, question->word->about, question->access->codes.invalid_name, "5.2",
                  "invalid ip address");
}

sluice_status decide_invalid_name(const struct question *question)
{
    struct sluice_span name = subject_of(question);

    if (name.len == 0)
        return SLUICE_OK;
    if (is_bracketed(name))
        return is_literal(name) ? SLUICE_OK : refuse_literal(question);
    if (is_host_name(without_dot(name)) || networks_is_address(name))
        return SLUICE_OK;
    return refuse(question, question->word->about, question->access->codes.invalid_name, "5.2",
                  "Invalid name");
}

sluice_status decide_non_fqdn_name(const struct question *question)
{
    struct sluice_span name = subject_of(question);

    if (name.len == 0)
        return SLUICE_OK;
    if (is_bracketed(name))
        return is_literal(name) ? SLUICE_OK : refuse_literal(question);
    name = without_dot(name);
    if (is_host_name(name) && has_dot(name))
        return SLUICE_OK;
    return refuse(question, question->word->about, question->access->codes.non_fqdn, "5.2",
                  "need fully-qualified hostname");
}

sluice_status decide_non_fqdn_address(const struct question *question)
{
    struct sluice_span address = subject_of(question);
    struct sluice_span domain = domain_of(address);

    if (address.len == 0 || is_bracketed(domain))
        return SLUICE_OK;
    domain = without_dot(domain);
    if (domain.len < address.len && is_host_name(domain) && has_dot(domain))
        return SLUICE_OK;
    return refuse(question, question->word->about, question->access->codes.non_fqdn, "5.2",
                  "need fully-qualified address");
}
