/* SPDX-License-Identifier: ISC */
/* address_map: see address_map.h. */
#include "route/address_map.h"

#include "base/span.h"
#include "task/explain.h"

#include <string.h>

/* One search. */
struct search {
    const struct table_list *maps;
    const struct address_question *question;
    struct sluice_span user; /* the local part without its extension */
    struct buffer *value;
    struct error *err;
};

static sluice_status ask(const struct search *search, struct sluice_span key, bool is_partial)
{
    return table_list_find(search->maps, key, is_partial, search->question->deadline_ms,
                           search->value, search->err);
}

static sluice_status no_memory(struct error *err)
{
    return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for a look-up");
}

/* The local part and what follows it, in quotes and then without where that is not the same. */
static sluice_status ask_local(const struct search *search, struct sluice_span local,
                               struct sluice_span rest, bool is_partial)
{
    struct buffer key = BUFFER_INIT;
    sluice_status st = SLUICE_NOT_FOUND;

    mailbox_quote_local(local, &key);
    bool is_quoted = key.len != local.len;
    buffer_add_span(&key, rest);
    if (buffer_failed(&key))
        st = no_memory(search->err);
    else
        st = ask(search, buffer_span(&key), is_partial);
    if (st == SLUICE_NOT_FOUND && is_quoted) {
        buffer_clear(&key);
        buffer_add_span(&key, local);
        buffer_add_span(&key, rest);
        st = ask(search, buffer_span(&key), true);
    }
    buffer_done(&key);
    return st;
}

static bool has_extension(const struct search *search)
{
    return search->user.len < search->question->mailbox->local.len;
}

/* With the extension, then without. */
static sluice_status ask_user(const struct search *search, struct sluice_span rest, bool is_whole,
                              struct sluice_span *ret_extension)
{
    struct sluice_span local = search->question->mailbox->local;
    sluice_status st = ask_local(search, local, rest, !is_whole);

    if (st != SLUICE_NOT_FOUND || !has_extension(search))
        return st;
    st = ask_local(search, search->user, rest, true);
    if (st == SLUICE_OK)
        *ret_extension = span_skip(local, search->user.len);
    return st;
}

static sluice_status ask_domain(const struct search *search, struct sluice_span domain)
{
    bool is_plain = (search->question->forms & KEY_PLAIN_PARENTS) != 0;
    sluice_status st = ask(search, domain, true);

    while (st == SLUICE_NOT_FOUND && domain.len > 1 && domain.ptr[0] != '[') {
        size_t dot = span_find(span_skip(domain, 1), '.') + 1;
        if (dot >= domain.len)
            break;
        domain = span_skip(domain, dot);
        st = ask(search, is_plain ? span_skip(domain, 1) : domain, true);
    }
    return st;
}

static sluice_status search_forms(const struct search *search, struct sluice_span *extension)
{
    const struct mailbox *mailbox = search->question->mailbox;
    unsigned forms = search->question->forms;
    struct sluice_span at_domain = {.ptr = mailbox->domain.ptr - 1, .len = mailbox->domain.len + 1};

    sluice_status st = ask_user(search, at_domain, true, extension);
    if (st == SLUICE_NOT_FOUND && (forms & KEY_BARE) != 0 && search->question->is_ours)
        st = ask_user(search, SPAN_EMPTY, false, extension);
    if (st == SLUICE_NOT_FOUND && (forms & KEY_AT_DOMAIN) != 0)
        st = ask(search, at_domain, true);
    if (st == SLUICE_NOT_FOUND && (forms & KEY_DOMAIN) != 0)
        st = ask_domain(search, mailbox->domain);
    if (st == SLUICE_NOT_FOUND && (forms & KEY_STAR) != 0)
        st = ask(search, SPAN_LITERAL("*"), true);
    if (st == SLUICE_NOT_FOUND && (forms & KEY_USER_AT) != 0)
        st = ask_user(search, SPAN_LITERAL("@"), false, extension);
    return st;
}

sluice_status address_map_find(const struct table_list *maps,
                               const struct address_question *question, struct buffer *value,
                               struct sluice_span *ret_extension, struct error *err)
{
    struct sluice_span extension = SPAN_EMPTY;
    struct search search = {.maps = maps, .question = question, .value = value, .err = err};

    if (maps->count == 0)
        return SLUICE_NOT_FOUND;
    size_t len = sluice_user_len(question->mailbox->local, question->delimiters);
    search.user = span_first(question->mailbox->local, len);
    explain_begin("maps");
    explain_text("parameter", maps->parameter);
    explain_span("address", question->mailbox->address);
    sluice_status st = search_forms(&search, &extension);
    explain_end(st, err);
    if (st == SLUICE_OK && ret_extension != NULL)
        *ret_extension = extension;
    return st;
}
