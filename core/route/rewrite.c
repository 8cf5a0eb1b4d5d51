/* SPDX-License-Identifier: ISC */
/* rewrite: see rewrite.h. */
#include "route/rewrite.h"

#include "base/span.h"
#include "route/address_map.h"
#include "task/explain.h"

#include <stdlib.h>

#define CANONICAL_STEPS_MAX 10 /* as Postfix has it */

/* ---- lists of addresses ---------------------------------------------------------------------- */

void mailbox_list_done(struct mailbox_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mailbox_done(&list->items[i]);
    free(list->items);
    *list = (struct mailbox_list){0};
}

/* Takes the mailbox over if it succeeds. */
static sluice_status append(struct mailbox_list *list, struct mailbox *mailbox)
{
    struct mailbox *more = realloc(list->items, (list->count + 1) * sizeof(*more));

    if (more == NULL)
        return SLUICE_TEMP;
    list->items = more;
    list->items[list->count++] = *mailbox;
    *mailbox = (struct mailbox)MAILBOX_INIT;
    return SLUICE_OK;
}

/* The local parts of one address may differ in case (RFC 5321 2.4). */
static bool is_same(const struct mailbox *a, const struct mailbox *b)
{
    return span_equal(a->local, b->local) && span_equal_case(a->domain, b->domain);
}

static bool has(const struct mailbox_list *list, const struct mailbox *mailbox)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_same(&list->items[i], mailbox))
            return true;
    }
    return false;
}

static sluice_status no_memory(struct error *err)
{
    return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for an address");
}

/* ---- one look-up ----------------------------------------------------------------------------- */

/* Tables asked for an address, and what they gave. */
struct lookup {
    const struct rewriter *rewriter;
    const struct table_list *maps;
    const char *what; /* the parameter, for texts */
    bool propagates;
    int64_t deadline_ms;
    const struct mailbox *key;
    struct sluice_span extension;
    struct mailbox_list results;
};

/* Whether the name alone is a key. */
static sluice_status find_out_ours(const struct lookup *lookup, bool *ret_is_ours,
                                   struct error *err)
{
    const struct router *router = lookup->rewriter->router;
    struct sluice_span domain = lookup->key->domain;
    enum route_class class = ROUTE_LOCAL;
    sluice_status st =
        route_classes_find(&router->classes, domain, lookup->deadline_ms, &class, err);

    *ret_is_ours = router_is_bare(router, domain, class);
    return st;
}

/* "@domain" stands for the same user there. */
static void complete_domain(const struct lookup *lookup, struct sluice_span text,
                            struct buffer *path)
{
    if (text.len > 0 && text.ptr[0] == '@')
        mailbox_quote_local(lookup->key->local, path);
    buffer_add_span(path, text);
}

/* The extension goes behind the local part. */
static sluice_status extend(const struct lookup *lookup, struct mailbox *mailbox)
{
    struct buffer local = BUFFER_INIT;
    struct buffer path = BUFFER_INIT;
    struct mailbox extended = MAILBOX_INIT;
    sluice_status st = SLUICE_TEMP;

    buffer_add_span(&local, mailbox->local);
    buffer_add_span(&local, lookup->extension);
    mailbox_quote_local(buffer_span(&local), &path);
    buffer_add_byte(&path, '@');
    buffer_add_span(&path, mailbox->domain);
    if (!buffer_failed(&local) && !buffer_failed(&path))
        st = mailbox_parse(buffer_span(&path), &extended);
    buffer_done(&local);
    buffer_done(&path);
    if (st != SLUICE_OK)
        return st;
    mailbox_done(mailbox);
    *mailbox = extended;
    return SLUICE_OK;
}

static sluice_status add_result(struct lookup *lookup, struct sluice_span text, struct error *err)
{
    struct buffer path = BUFFER_INIT;
    struct mailbox mailbox = MAILBOX_INIT;
    sluice_status st = SLUICE_TEMP;

    complete_domain(lookup, text, &path);
    if (!buffer_failed(&path))
        st = mailbox_parse(buffer_span(&path), &mailbox);
    buffer_done(&path);
    if (st == SLUICE_OK && mailbox.address.len == 0)
        st = SLUICE_PERM;
    if (st == SLUICE_OK)
        st = mailbox_complete(&mailbox, lookup->rewriter->router->myorigin);
    if (st == SLUICE_OK && lookup->propagates && lookup->extension.len > 0)
        st = extend(lookup, &mailbox);
    if (st == SLUICE_OK && mailbox.address.len > lookup->rewriter->address_limit)
        st = SLUICE_PERM;
    if (st == SLUICE_OK && !has(&lookup->results, &mailbox))
        st = append(&lookup->results, &mailbox);
    mailbox_done(&mailbox);
    if (st == SLUICE_PERM)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "%s: \"%.*s\" for %.*s is no address",
                             lookup->what, SPAN_ARGS(text), SPAN_ARGS(lookup->key->plain));
    return st == SLUICE_OK ? SLUICE_OK : no_memory(err);
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Up to a separator that is not in quotes. */
static size_t word_len(struct sluice_span text)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_quoted && is_separator(text.ptr[i]))
            return i;
        if (text.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (text.ptr[i] == '\\' && is_quoted)
            i++;
    }
    return text.len;
}

static sluice_status add_results(struct lookup *lookup, struct sluice_span text, struct error *err)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && text.len > 0) {
        size_t len = word_len(text);

        if (len > 0)
            st = add_result(lookup, span_first(text, len), err);
        text = span_skip(text, len + 1);
        if (lookup->results.count > lookup->rewriter->expansion_limit)
            return error_set_dsn(err, SLUICE_TEMP, "4.6.0", "%s: too many addresses for %.*s",
                                 lookup->what, SPAN_ARGS(lookup->key->plain));
    }
    if (st == SLUICE_OK && lookup->results.count == 0)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "%s: no address for %.*s", lookup->what,
                             SPAN_ARGS(lookup->key->plain));
    return st;
}

/* Fills in results. NOT_FOUND: the tables do not have it. */
static sluice_status look_up(struct lookup *lookup, struct error *err)
{
    struct address_question question = {
        .mailbox = lookup->key,
        .delimiters = lookup->rewriter->router->recipient_delimiter,
        .forms = KEY_BARE | KEY_AT_DOMAIN,
        .deadline_ms = lookup->deadline_ms,
    };
    struct buffer value = BUFFER_INIT;

    if (lookup->maps->count == 0)
        return SLUICE_NOT_FOUND;
    sluice_status st = find_out_ours(lookup, &question.is_ours, err);
    if (st == SLUICE_OK)
        st = address_map_find(lookup->maps, &question, &value, &lookup->extension, err);
    if (st == SLUICE_OK)
        st = add_results(lookup, buffer_span(&value), err);
    buffer_done(&value);
    return st;
}

/* ---- canonical_maps -------------------------------------------------------------------------- */

/* Follows the tables from *mailbox on, which changes. NOT_FOUND: it did not. */
static sluice_status follow(const struct rewriter *rewriter, const struct table_list *maps,
                            const char *what, int64_t deadline_ms, struct mailbox *mailbox,
                            struct error *err)
{
    sluice_status result = SLUICE_NOT_FOUND;

    for (int i = 0; i < CANONICAL_STEPS_MAX; i++) {
        struct lookup lookup = {.rewriter = rewriter,
                                .maps = maps,
                                .what = what,
                                .propagates = rewriter->propagates_canonical,
                                .deadline_ms = deadline_ms,
                                .key = mailbox};
        sluice_status st = look_up(&lookup, err);

        if (st != SLUICE_OK || is_same(&lookup.results.items[0], mailbox)) {
            mailbox_list_done(&lookup.results);
            return st == SLUICE_OK || st == SLUICE_NOT_FOUND ? result : st;
        }
        mailbox_done(mailbox);
        *mailbox = lookup.results.items[0]; /* of several the first counts */
        lookup.results.items[0] = (struct mailbox)MAILBOX_INIT;
        mailbox_list_done(&lookup.results);
        result = SLUICE_OK;
    }
    return error_set_dsn(err, SLUICE_TEMP, "4.6.0", "%s: %.*s goes round in circles", what,
                         SPAN_ARGS(mailbox->plain));
}

static sluice_status take_address(const struct rewriter *rewriter, const struct mailbox *mailbox,
                                  struct mailbox *ret_mailbox, struct error *err)
{
    if (mailbox_copy(mailbox, ret_mailbox) != SLUICE_OK ||
        mailbox_complete(ret_mailbox, rewriter->router->myorigin) != SLUICE_OK)
        return no_memory(err);
    return SLUICE_OK;
}

/* The tables for senders or recipients alone, then those for all. NOT_FOUND: *mailbox stays. */
static sluice_status canonize(const struct rewriter *rewriter, const struct table_list *own_maps,
                              const char *own_name, int64_t deadline_ms, struct mailbox *mailbox,
                              struct error *err)
{
    sluice_status own = follow(rewriter, own_maps, own_name, deadline_ms, mailbox, err);

    if (own != SLUICE_OK && own != SLUICE_NOT_FOUND)
        return own;
    sluice_status all =
        follow(rewriter, &rewriter->canonical_maps, "canonical_maps", deadline_ms, mailbox, err);
    return all == SLUICE_NOT_FOUND ? own : all;
}

static void explain_rewriting(const char *what, const struct mailbox *mailbox)
{
    explain_begin("rewrite");
    explain_text("what", what);
    explain_span("address", mailbox->address);
}

sluice_status rewrite_sender(const struct rewriter *rewriter, const struct mailbox *sender,
                             int64_t deadline_ms, struct mailbox *ret_sender, struct error *err)
{
    struct mailbox rewritten = MAILBOX_INIT;
    bool has_tables = rewriter->sender_canonical_maps.count + rewriter->canonical_maps.count > 0;
    sluice_status st;

    if (!rewriter->is_canonical_for_senders || !has_tables || sender->address.len == 0)
        return SLUICE_NOT_FOUND;
    explain_rewriting("sender", sender);
    st = take_address(rewriter, sender, &rewritten, err);
    if (st == SLUICE_OK)
        st = canonize(rewriter, &rewriter->sender_canonical_maps, "sender_canonical_maps",
                      deadline_ms, &rewritten, err);
    if (st == SLUICE_OK)
        explain_item("results", rewritten.address);
    explain_end(st, err);
    if (st == SLUICE_OK)
        *ret_sender = rewritten;
    else
        mailbox_done(&rewritten);
    return st;
}

/* ---- virtual_alias_maps ---------------------------------------------------------------------- */

/* An expansion under way. */
struct expansion {
    const struct rewriter *rewriter;
    int64_t deadline_ms;
    struct mailbox_list waiting; /* to be looked up, the next one last */
    struct mailbox_list asked;
    struct mailbox_list final;
};

static sluice_status too_much(const struct mailbox *mailbox, const char *what, struct error *err)
{
    return error_set_dsn(err, SLUICE_TEMP, "4.6.0", "virtual_alias_maps: too many %s at %.*s", what,
                         SPAN_ARGS(mailbox->plain));
}

static sluice_status finish_one(struct expansion *expansion, struct mailbox *mailbox,
                                struct error *err)
{
    if (has(&expansion->final, mailbox))
        return SLUICE_OK;
    if (expansion->final.count >= expansion->rewriter->expansion_limit)
        return too_much(mailbox, "addresses", err);
    return append(&expansion->final, mailbox) == SLUICE_OK ? SLUICE_OK : no_memory(err);
}

/* Results wait so that the first of them is next; what is the address itself is one that stays. */
static sluice_status spread(struct expansion *expansion, const struct mailbox *mailbox,
                            struct mailbox_list *results, struct error *err)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = results->count; st == SLUICE_OK && i-- > 0;) {
        if (is_same(&results->items[i], mailbox))
            st = finish_one(expansion, &results->items[i], err);
        else if (append(&expansion->waiting, &results->items[i]) != SLUICE_OK)
            st = no_memory(err);
    }
    if (st == SLUICE_OK && expansion->waiting.count > expansion->rewriter->expansion_limit)
        return too_much(mailbox, "addresses", err);
    return st;
}

/* One that has been asked for already leads round in circles, and stays. */
static sluice_status expand_one(struct expansion *expansion, struct mailbox *mailbox,
                                struct error *err)
{
    struct lookup lookup = {.rewriter = expansion->rewriter,
                            .maps = &expansion->rewriter->virtual_alias_maps,
                            .what = "virtual_alias_maps",
                            .propagates = expansion->rewriter->propagates_virtual,
                            .deadline_ms = expansion->deadline_ms,
                            .key = mailbox};
    sluice_status st =
        has(&expansion->asked, mailbox) ? SLUICE_NOT_FOUND : look_up(&lookup, err);

    if (st == SLUICE_NOT_FOUND)
        st = finish_one(expansion, mailbox, err);
    else if (st == SLUICE_OK)
        st = spread(expansion, mailbox, &lookup.results, err);
    mailbox_list_done(&lookup.results);
    if (st != SLUICE_OK || mailbox->address.len == 0)
        return st;
    if (expansion->asked.count >= expansion->rewriter->recursion_limit)
        return too_much(mailbox, "steps", err);
    return append(&expansion->asked, mailbox) == SLUICE_OK ? SLUICE_OK : no_memory(err);
}

static sluice_status expand(struct expansion *expansion, struct mailbox *mailbox,
                            struct error *err)
{
    sluice_status st = append(&expansion->waiting, mailbox) == SLUICE_OK ? SLUICE_OK
                                                                         : no_memory(err);

    while (st == SLUICE_OK && expansion->waiting.count > 0) {
        struct mailbox next = expansion->waiting.items[--expansion->waiting.count];

        st = expand_one(expansion, &next, err);
        mailbox_done(&next);
    }
    return st;
}

/* NOT_FOUND: nobody has anything to say about it. */
static sluice_status rewrite(struct expansion *expansion, const struct mailbox *recipient,
                             struct error *err)
{
    const struct rewriter *rewriter = expansion->rewriter;
    struct mailbox mailbox = MAILBOX_INIT;
    sluice_status canonical = SLUICE_NOT_FOUND;
    sluice_status st = take_address(rewriter, recipient, &mailbox, err);

    if (st == SLUICE_OK && rewriter->is_canonical_for_recipients)
        canonical = canonize(rewriter, &rewriter->recipient_canonical_maps,
                             "recipient_canonical_maps", expansion->deadline_ms, &mailbox, err);
    if (canonical != SLUICE_OK && canonical != SLUICE_NOT_FOUND)
        st = canonical;
    if (st == SLUICE_OK)
        st = expand(expansion, &mailbox, err);
    mailbox_done(&mailbox);
    if (st == SLUICE_OK && canonical == SLUICE_NOT_FOUND && expansion->asked.count == 0)
        return SLUICE_NOT_FOUND;
    return st;
}

sluice_status rewrite_recipient(const struct rewriter *rewriter, const struct mailbox *recipient,
                                int64_t deadline_ms, struct mailbox_list *ret_recipients,
                                struct error *err)
{
    struct expansion expansion = {.rewriter = rewriter, .deadline_ms = deadline_ms};
    size_t count = rewriter->recipient_canonical_maps.count + rewriter->canonical_maps.count +
                   rewriter->virtual_alias_maps.count;

    if (count == 0)
        return SLUICE_NOT_FOUND;
    explain_rewriting("recipient", recipient);
    sluice_status st = rewrite(&expansion, recipient, err);
    for (size_t i = 0; st == SLUICE_OK && i < expansion.final.count; i++)
        explain_item("results", expansion.final.items[i].address);
    explain_end(st, err);
    mailbox_list_done(&expansion.waiting);
    mailbox_list_done(&expansion.asked);
    if (st == SLUICE_OK)
        *ret_recipients = expansion.final;
    else
        mailbox_list_done(&expansion.final);
    return st;
}

/* ---- configuration --------------------------------------------------------------------------- */

sluice_status rewriter_init(struct rewriter *rewriter, const struct router *router,
                            const struct config *config, struct tables *tables, struct error *err)
{
    struct {
        const char *parameter;
        struct table_list *maps;
    } lists_of_tables[] = {
        {"sender_canonical_maps", &rewriter->sender_canonical_maps},
        {"recipient_canonical_maps", &rewriter->recipient_canonical_maps},
        {"canonical_maps", &rewriter->canonical_maps},
        {"virtual_alias_maps", &rewriter->virtual_alias_maps},
    };
    sluice_status st = SLUICE_OK;

    *rewriter = (struct rewriter){
        .router = router,
        .is_canonical_for_senders =
            config_has_item(config, "canonical_classes", "envelope_sender"),
        .is_canonical_for_recipients =
            config_has_item(config, "canonical_classes", "envelope_recipient"),
        .propagates_canonical =
            config_has_item(config, "propagate_unmatched_extensions", "canonical"),
        .propagates_virtual = config_has_item(config, "propagate_unmatched_extensions", "virtual"),
        .expansion_limit = (size_t)config_number(config, "virtual_alias_expansion_limit"),
        .recursion_limit = (size_t)config_number(config, "virtual_alias_recursion_limit"),
        .address_limit = (size_t)config_number(config, "virtual_alias_address_length_limit"),
    };
    for (size_t i = 0; st == SLUICE_OK && i < sizeof(lists_of_tables) / sizeof(lists_of_tables[0]);
         i++)
        st = table_list_read(lists_of_tables[i].maps, tables, config, lists_of_tables[i].parameter,
                             err);
    return st;
}

void rewriter_done(struct rewriter *rewriter)
{
    table_list_done(&rewriter->sender_canonical_maps);
    table_list_done(&rewriter->recipient_canonical_maps);
    table_list_done(&rewriter->canonical_maps);
    table_list_done(&rewriter->virtual_alias_maps);
}
