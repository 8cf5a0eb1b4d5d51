/* SPDX-License-Identifier: ISC */
/*
 * mailbox: reading RFC 5321 paths. The local part is first taken out of its quotes and then quoted
 * again only where it must be, so that one address has one form.
 */
#include "route/mailbox.h"

#include "net/address.h"

#include <stdlib.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3 */
static bool is_atom_char(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* ---- domains -------------------------------------------------------------------------------- */

static bool is_label(struct sluice_span label)
{
    if (label.len == 0 || label.len > MAILBOX_LABEL_MAX)
        return false;
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_letter_or_digit(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    }
    return true;
}

static bool is_all_digits(struct sluice_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

bool mailbox_is_host_name(struct sluice_span domain)
{
    bool is_numeric = true;

    if (domain.len == 0 || domain.len > MAILBOX_DOMAIN_MAX || domain.ptr[domain.len - 1] == '.')
        return false;
    while (domain.len > 0) {
        struct sluice_span label = span_first(domain, span_find(domain, '.'));
        if (!is_label(label))
            return false;
        is_numeric = is_numeric && is_all_digits(label);
        domain = span_skip(domain, label.len + 1);
    }
    return !is_numeric; /* 192.0.2.1 without brackets is no domain */
}

bool mailbox_is_literal(struct sluice_span domain)
{
    struct address address;

    if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
        return false;
    struct sluice_span inside = {.ptr = domain.ptr + 1, .len = domain.len - 2};
    bool has_tag = span_starts_case(inside, SPAN_LITERAL("IPv6:"));
    bool has_colon = span_find(inside, ':') < inside.len;
    if (has_tag != has_colon) /* RFC 5321 4.1.3: only IPv6 has colons, and is marked */
        return false;
    return address_parse(inside, 0, &address) == SLUICE_OK;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* Index of the first c outside of quotes, or the length. */
static size_t find_unquoted(struct sluice_span text, char c)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_quoted && text.ptr[i] == c)
            return i;
        if (text.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (text.ptr[i] == '\\' && is_quoted)
            i++;
    }
    return text.len;
}

static size_t find_last_unquoted(struct sluice_span text, char c)
{
    size_t last = text.len;
    size_t from = 0;

    while (from < text.len) {
        size_t at = from + find_unquoted(span_skip(text, from), c);
        if (at < text.len)
            last = at;
        from = at + 1;
    }
    return last;
}

/* What is between the angle brackets, if there are any; ">>" at the end is one. */
static bool take_brackets_off(struct sluice_span path, struct sluice_span *ret_inside)
{
    if (path.len == 0 || path.ptr[0] != '<') {
        *ret_inside = path;
        return path.len > 0;
    }
    struct sluice_span rest = span_skip(path, 1);
    size_t end = find_unquoted(rest, '>');
    for (size_t i = end; i < rest.len; i++) {
        if (rest.ptr[i] != '>')
            return false;
    }
    *ret_inside = span_first(rest, end);
    return end < rest.len;
}

/* RFC 5321 appendix C: "@x,@y:a@b" is a@b. */
static bool take_source_route_off(struct sluice_span *mailbox)
{
    if (mailbox->len == 0 || mailbox->ptr[0] != '@')
        return true;
    size_t colon = find_unquoted(*mailbox, ':');
    if (colon == mailbox->len)
        return false;
    *mailbox = span_skip(*mailbox, colon + 1);
    return mailbox->len > 0;
}

/* The local part without its quotes, into out; its length, or -1 for bad syntax. */
static ssize_t unquote(struct sluice_span local, char *out)
{
    bool is_quoted = false;
    ssize_t len = 0;

    for (size_t i = 0; i < local.len; i++) {
        char c = local.ptr[i];
        if (!is_printable(c))
            return -1;
        if (c == '"') {
            is_quoted = !is_quoted;
            continue;
        }
        if (c == '\\' && is_quoted) {
            if (++i == local.len || !is_printable(local.ptr[i]))
                return -1;
            c = local.ptr[i];
        } else if (!is_quoted && !is_atom_char(c) && c != '.' && c != '@') {
            return -1;
        }
        out[len++] = c;
    }
    return is_quoted ? -1 : len;
}

/* RFC 5321 4.1.2: a dot-string stands as it is. */
static bool is_dot_string(struct sluice_span local)
{
    if (local.len == 0 || local.ptr[0] == '.' || local.ptr[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        bool is_dot = local.ptr[i] == '.';
        if (!is_dot && !is_atom_char(local.ptr[i]))
            return false;
        if (is_dot && local.ptr[i + 1] == '.')
            return false;
    }
    return true;
}

static size_t quote(struct sluice_span local, char *out)
{
    size_t len = 0;

    if (is_dot_string(local)) {
        memcpy(out, local.ptr, local.len);
        return local.len;
    }
    out[len++] = '"';
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '"' || local.ptr[i] == '\\')
            out[len++] = '\\';
        out[len++] = local.ptr[i];
    }
    out[len++] = '"';
    return len;
}

void mailbox_quote_local(struct sluice_span local, struct buffer *out)
{
    char *room = buffer_reserve(out, 2 * local.len + 2);

    if (room != NULL)
        out->len += quote(local, room);
}

static bool has_route(struct sluice_span local)
{
    return span_find(local, '@') < local.len || span_find(local, '%') < local.len ||
           span_find(local, '!') < local.len;
}

/* "@domain" behind what is at out. */
static size_t add_domain(char *out, size_t len, struct sluice_span domain)
{
    if (domain.len == 0)
        return len;
    out[len++] = '@';
    memcpy(out + len, domain.ptr, domain.len);
    return len + domain.len;
}

static void fill_in(struct mailbox *mailbox, size_t local_len, struct sluice_span domain)
{
    char *plain = mailbox->memory;
    size_t plain_len = add_domain(plain, local_len, domain);
    char *address = plain + plain_len;

    mailbox->plain = (struct sluice_span){.ptr = plain, .len = plain_len};
    mailbox->local = span_first(mailbox->plain, local_len);
    mailbox->domain = span_skip(mailbox->plain, plain_len - domain.len);
    mailbox->address.ptr = address;
    mailbox->address.len = add_domain(address, quote(mailbox->local, address), domain);
    mailbox->is_routed = has_route(mailbox->local);
}

static bool split(struct sluice_span text, struct sluice_span *ret_local,
                  struct sluice_span *ret_domain)
{
    size_t at = find_last_unquoted(text, '@');
    struct sluice_span domain = span_skip(text, at + 1);

    *ret_local = span_first(text, at);
    *ret_domain = SPAN_EMPTY;
    if (at == text.len)
        return true;
    if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    *ret_domain = domain;
    return mailbox_is_host_name(domain) || mailbox_is_literal(domain);
}

sluice_status mailbox_parse(struct sluice_span path, struct mailbox *ret_mailbox)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct sluice_span text;
    struct sluice_span local;
    struct sluice_span domain;

    if (!take_brackets_off(path, &text))
        return SLUICE_PERM;
    if (text.len == 0) {
        *ret_mailbox = mailbox;
        return SLUICE_OK;
    }
    if (!take_source_route_off(&text) || !split(text, &local, &domain))
        return SLUICE_PERM;
    /* plain, and address: quotes and one backslash for each character at most */
    mailbox.memory = malloc(3 * local.len + 2 * domain.len + 4);
    if (mailbox.memory == NULL)
        return SLUICE_TEMP;
    ssize_t local_len = unquote(local, mailbox.memory);
    if (local_len <= 0) {
        mailbox_done(&mailbox);
        return SLUICE_PERM;
    }
    fill_in(&mailbox, (size_t)local_len, domain);
    *ret_mailbox = mailbox;
    return SLUICE_OK;
}

void mailbox_done(struct mailbox *mailbox)
{
    free(mailbox->memory);
    *mailbox = (struct mailbox)MAILBOX_INIT;
}

static struct sluice_span moved(struct sluice_span span, const char *from, const char *to)
{
    if (span.len > 0)
        span.ptr = to + (span.ptr - from);
    return span;
}

sluice_status mailbox_copy(const struct mailbox *mailbox, struct mailbox *ret_copy)
{
    size_t len = mailbox->plain.len + mailbox->address.len; /* one behind the other */
    char *memory = malloc(len + 1);

    if (memory == NULL)
        return SLUICE_TEMP;
    if (len > 0)
        memcpy(memory, mailbox->memory, len);
    *ret_copy = (struct mailbox){
        .memory = memory,
        .address = moved(mailbox->address, mailbox->memory, memory),
        .plain = moved(mailbox->plain, mailbox->memory, memory),
        .local = moved(mailbox->local, mailbox->memory, memory),
        .domain = moved(mailbox->domain, mailbox->memory, memory),
        .is_routed = mailbox->is_routed,
    };
    return SLUICE_OK;
}

/* The mailbox of a local part, in quotes where it must have them, and a domain. */
static sluice_status join(struct sluice_span local, struct sluice_span domain,
                          struct mailbox *ret_mailbox)
{
    struct buffer path = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    mailbox_quote_local(local, &path);
    buffer_add_byte(&path, '@');
    buffer_add_span(&path, domain);
    if (!buffer_failed(&path))
        st = mailbox_parse(buffer_span(&path), ret_mailbox);
    buffer_done(&path);
    return st;
}

sluice_status mailbox_complete(struct mailbox *mailbox, const char *domain)
{
    struct mailbox completed = MAILBOX_INIT;

    if (mailbox->domain.len > 0 || mailbox->address.len == 0)
        return SLUICE_OK;
    sluice_status st = join(mailbox->local, sluice_span_of(domain), &completed);
    if (st != SLUICE_OK)
        return st;
    mailbox_done(mailbox);
    *mailbox = completed;
    return SLUICE_OK;
}

sluice_status mailbox_unwrap(const struct mailbox *mailbox, unsigned flags,
                             struct mailbox *ret_mailbox)
{
    struct sluice_span local = mailbox->local;
    size_t at = span_find_last(local, '@');
    size_t bang = span_find(local, '!');
    size_t percent = span_find_last(local, '%');

    if (at < local.len)
        return join(span_first(local, at), span_skip(local, at + 1), ret_mailbox);
    if (bang < local.len && (flags & MAILBOX_SWAP_BANGPATH) != 0)
        return join(span_skip(local, bang + 1), span_first(local, bang), ret_mailbox);
    if (percent < local.len && (flags & MAILBOX_PERCENT_HACK) != 0)
        return join(span_first(local, percent), span_skip(local, percent + 1), ret_mailbox);
    return SLUICE_NOT_FOUND;
}
