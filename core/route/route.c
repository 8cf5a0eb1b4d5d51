/* SPDX-License-Identifier: ISC */
/* route: see route.h. */
#include "route/route.h"

#include "base/buffer.h"
#include "base/span.h"
#include "route/address_map.h"
#include "task/doubt.h"
#include "task/explain.h"

#include <ctype.h>
#include <stdlib.h>

#define UNWRAPS_MAX 100 /* of one address: each takes a domain off it */

/* A route being worked out. The spans point into memory that outlives the working out. */
struct draft {
    const struct router *router;
    struct sluice_span sender;
    int64_t deadline_ms;
    struct mailbox mailbox;
    enum route_class class;
    bool is_of_domain;
    struct sluice_span transport;
    struct sluice_span nexthop;
    struct buffer from_sender_transports; /* what spans may point into */
    struct buffer from_sender_relayhosts;
    struct buffer from_transport_maps;
    struct buffer from_relocated_maps;
};

static void draft_done(struct draft *draft)
{
    mailbox_done(&draft->mailbox);
    buffer_done(&draft->from_sender_transports);
    buffer_done(&draft->from_sender_relayhosts);
    buffer_done(&draft->from_transport_maps);
    buffer_done(&draft->from_relocated_maps);
}

static sluice_status no_memory(struct error *err)
{
    return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for a route");
}

/* ---- the address and its class --------------------------------------------------------------- */

/* Of ours, what the local part says may be another address, and that be ours, too. */
static sluice_status classify(struct draft *draft, struct error *err)
{
    const struct router *router = draft->router;

    for (int i = 0; i < UNWRAPS_MAX; i++) {
        struct mailbox inner = MAILBOX_INIT;
        sluice_status st = route_classes_find(&router->classes, draft->mailbox.domain,
                                              draft->deadline_ms, &draft->class, err);
        if (st != SLUICE_OK || draft->class != ROUTE_LOCAL || !draft->mailbox.is_routed)
            return st;
        st = mailbox_unwrap(&draft->mailbox, router->unwrap, &inner);
        if (st == SLUICE_TEMP)
            return no_memory(err);
        if (st != SLUICE_OK)
            return SLUICE_OK; /* a user of ours with an odd name */
        mailbox_done(&draft->mailbox);
        draft->mailbox = inner;
    }
    return SLUICE_OK;
}

/* ---- what the sender decides ----------------------------------------------------------------- */

static sluice_status look_up_sender(const struct draft *draft, const struct sender_maps *maps,
                                    struct buffer *value, struct error *err)
{
    const struct router *router = draft->router;
    struct mailbox sender = MAILBOX_INIT;
    enum route_class class = ROUTE_DEFAULT;

    if (draft->sender.len == 0)
        return table_list_find(&maps->tables, sluice_span_of(maps->null_key), false,
                               draft->deadline_ms, value, err);
    sluice_status st = mailbox_parse(draft->sender, &sender);
    if (st == SLUICE_TEMP)
        return no_memory(err);
    if (st != SLUICE_OK || sender.domain.len == 0)
        st = SLUICE_NOT_FOUND; /* not one of receive's making */
    else
        st = route_classes_find(&router->classes, sender.domain, draft->deadline_ms, &class, err);
    const struct address_question question = {
        .mailbox = &sender,
        .delimiters = router->recipient_delimiter,
        .is_ours = router_is_bare(router, sender.domain, class),
        .forms = KEY_BARE | KEY_AT_DOMAIN,
        .deadline_ms = draft->deadline_ms,
    };
    if (st == SLUICE_OK)
        st = address_map_find(&maps->tables, &question, value, NULL, err);
    mailbox_done(&sender);
    return st;
}

/* Replaces *setting for the senders that the tables have; DUNNO leaves it as it is. */
static sluice_status ask_for_sender(struct draft *draft, const struct sender_maps *maps,
                                    struct buffer *value, struct sluice_span *setting,
                                    struct error *err)
{
    if (maps->tables.count == 0)
        return SLUICE_OK;
    draft->is_of_domain = false;
    sluice_status st = look_up_sender(draft, maps, value, err);
    if (st == SLUICE_OK && !span_equal_case(span_trim(buffer_span(value)), SPAN_LITERAL("DUNNO")))
        *setting = span_trim(buffer_span(value));
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* ---- transport and next hop ------------------------------------------------------------------ */

/* "transport:nexthop", parted at the first colon. */
static struct sluice_span transport_of(struct sluice_span result)
{
    return span_first(result, span_find(result, ':'));
}

static struct sluice_span nexthop_of(struct sluice_span result)
{
    return span_skip(result, span_find(result, ':') + 1);
}

static void use_error(struct draft *draft, struct sluice_span reason)
{
    draft->transport = SPAN_LITERAL("error");
    draft->nexthop = reason;
}

/* Mail of others: its transport may be the sender's, and so may be the host that all of it goes to. */
static sluice_status use_sender(struct draft *draft, struct sluice_span *setting,
                                struct sluice_span *relayhost, struct error *err)
{
    const struct router *router = draft->router;
    sluice_status st = SLUICE_OK;

    if (draft->class == ROUTE_DEFAULT)
        st = ask_for_sender(draft, &router->sender_transports, &draft->from_sender_transports,
                            setting, err);
    if (st == SLUICE_OK && transport_of(*setting).len == 0)
        st = error_set_dsn(err, SLUICE_TEMP, "4.3.0", "\"%.*s\" for <%.*s> names no transport",
                           SPAN_ARGS(*setting), SPAN_ARGS(draft->sender));
    if (st == SLUICE_OK)
        st = ask_for_sender(draft, &router->sender_relayhosts, &draft->from_sender_relayhosts,
                            relayhost, err);
    return st;
}

static sluice_status use_class(struct draft *draft, struct error *err)
{
    const struct router *router = draft->router;
    struct sluice_span relayhost = SPAN_EMPTY;
    sluice_status st = SLUICE_OK;

    if (draft->class == ROUTE_VIRTUAL_ALIAS) {
        use_error(draft, router->hides_tables
                             ? SPAN_LITERAL("5.1.1 User unknown")
                             : SPAN_LITERAL("5.1.1 User unknown in virtual alias table"));
        return SLUICE_OK;
    }
    struct sluice_span setting = sluice_span_of(router->transports[draft->class]);
    if (draft->class >= ROUTE_RELAY) {
        relayhost = sluice_span_of(router->relayhost);
        st = use_sender(draft, &setting, &relayhost, err);
    }
    draft->transport = transport_of(setting);
    draft->nexthop = nexthop_of(setting);
    if (draft->nexthop.len == 0)
        draft->nexthop = relayhost;
    if (draft->nexthop.len == 0)
        draft->nexthop = draft->mailbox.domain;
    return st;
}

/* What a result of transport_maps changes: "t:n" both, ":n" the next hop, "t" and "t:" the
 * transport, which then goes to the recipient's domain; ":" nothing. */
static void apply_result(struct draft *draft, struct sluice_span result)
{
    struct sluice_span transport = transport_of(result);
    struct sluice_span nexthop = nexthop_of(result);

    if (transport.len > 0) {
        draft->transport = transport;
        draft->nexthop = draft->mailbox.domain;
    }
    if (nexthop.len > 0)
        draft->nexthop = nexthop;
    else if (span_equal(transport, SPAN_LITERAL("error")) ||
             span_equal(transport, SPAN_LITERAL("retry")))
        draft->nexthop = SPAN_LITERAL("Address is undeliverable");
}

static sluice_status find(const struct draft *draft, const struct table_list *maps, unsigned forms,
                          struct buffer *value, struct error *err)
{
    const struct address_question question = {
        .mailbox = &draft->mailbox,
        .delimiters = draft->router->recipient_delimiter,
        .is_ours = router_is_bare(draft->router, draft->mailbox.domain, draft->class),
        .forms = forms,
        .deadline_ms = draft->deadline_ms,
    };

    return address_map_find(maps, &question, value, NULL, err);
}

/* A name without its domain, in one of the tables. */
static sluice_status find_name(struct draft *draft, const struct table_list *maps,
                               struct error *err)
{
    struct buffer value = BUFFER_INIT;
    sluice_status st = find(draft, maps, KEY_BARE, &value, err);

    buffer_done(&value);
    return st;
}

/* Where Postfix's local(8) would hand mail on: known here, so that nobody hands it on later. */
static sluice_status ask_local_names(struct draft *draft, struct error *err)
{
    const struct router *router = draft->router;
    struct sluice_span mailbox = sluice_span_of(router->mailbox_transport);
    struct sluice_span fallback = sluice_span_of(router->fallback_transport);
    sluice_status st = SLUICE_OK;

    if (draft->class == ROUTE_LOCAL && mailbox.len + fallback.len > 0)
        st = find_name(draft, &router->alias_maps, err);
    if (st == SLUICE_NOT_FOUND && mailbox.len == 0)
        st = find_name(draft, &router->users, err);
    if (st != SLUICE_NOT_FOUND)
        return st;
    apply_result(draft, mailbox.len > 0 ? mailbox : fallback);
    return SLUICE_OK;
}

static sluice_status ask_transport_maps(struct draft *draft, struct error *err)
{
    unsigned parents = draft->router->transport_maps_with_parents ? KEY_PLAIN_PARENTS : 0;
    struct buffer *value = &draft->from_transport_maps;

    if (draft->class == ROUTE_VIRTUAL_ALIAS)
        return SLUICE_OK; /* spec R-2 */
    sluice_status st = find(draft, &draft->router->transport_maps, KEY_DOMAIN | KEY_STAR | parents,
                            value, err);
    if (st == SLUICE_OK)
        apply_result(draft, span_trim(buffer_span(value)));
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

static sluice_status ask_relocated_maps(struct draft *draft, struct error *err)
{
    struct buffer *value = &draft->from_relocated_maps;

    buffer_add_text(value, "5.1.6 User has moved to ");
    sluice_status st =
        find(draft, &draft->router->relocated_maps, KEY_BARE | KEY_AT_DOMAIN, value, err);
    if (st == SLUICE_OK && buffer_failed(value))
        return no_memory(err);
    if (st == SLUICE_OK)
        use_error(draft, buffer_span(value));
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* ---- results --------------------------------------------------------------------------------- */

static struct sluice_span put(char **at, struct sluice_span text)
{
    struct sluice_span copy = {.ptr = *at, .len = text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

/* What is not text names nothing, and would be somebody's next line. */
static bool has_control(struct sluice_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (iscntrl((unsigned char)text.ptr[i]) && text.ptr[i] != '\t')
            return true;
    }
    return false;
}

static sluice_status finish(struct draft *draft, struct route *ret_route, struct error *err)
{
    char *memory;
    char *at;

    if (has_control(draft->transport) || has_control(draft->nexthop))
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "control characters in the route of <%.*s>",
                             SPAN_ARGS(draft->mailbox.address));
    at = memory = malloc(draft->transport.len + draft->nexthop.len + 1);
    if (memory == NULL)
        return no_memory(err);
    ret_route->memory = memory;
    ret_route->class = draft->class;
    ret_route->is_of_domain = draft->is_of_domain;
    ret_route->transport = put(&at, draft->transport);
    ret_route->nexthop = put(&at, draft->nexthop);
    ret_route->mailbox = draft->mailbox;
    ret_route->recipient = draft->mailbox.address;
    draft->mailbox = (struct mailbox)MAILBOX_INIT; /* is the route's now */
    return SLUICE_OK;
}

static sluice_status resolve_address(struct draft *draft, const struct mailbox *mailbox,
                                     struct route *ret_route, struct error *err)
{
    if (mailbox_copy(mailbox, &draft->mailbox) != SLUICE_OK ||
        mailbox_complete(&draft->mailbox, draft->router->myorigin) != SLUICE_OK)
        return no_memory(err);
    sluice_status st = classify(draft, err);
    if (st != SLUICE_OK)
        return st;
    draft->is_of_domain =
        draft->class != ROUTE_LOCAL && span_equal(draft->mailbox.domain, mailbox->domain);
    st = use_class(draft, err);
    if (st == SLUICE_OK)
        st = ask_local_names(draft, err);
    if (st == SLUICE_OK)
        st = ask_transport_maps(draft, err);
    if (st == SLUICE_OK)
        st = ask_relocated_maps(draft, err);
    return st == SLUICE_OK ? finish(draft, ret_route, err) : st;
}

/* ---- postmaster ------------------------------------------------------------------------------ */

/* postmaster_route is a result as in a transport table. */
static sluice_status route_postmaster(struct draft *draft, const struct mailbox *mailbox,
                                      struct sluice_span setting, struct route *ret_route,
                                      struct error *err)
{
    struct sluice_span nexthop = nexthop_of(setting);

    if (mailbox_copy(mailbox, &draft->mailbox) != SLUICE_OK)
        return no_memory(err);
    draft->class = ROUTE_LOCAL;
    draft->transport = transport_of(setting);
    draft->nexthop = nexthop.len > 0 ? nexthop : sluice_span_of(draft->router->myorigin);
    if (draft->transport.len == 0)
        draft->transport = sluice_span_of(draft->router->transports[ROUTE_DEFAULT]);
    return finish(draft, ret_route, err);
}

static sluice_status resolve_postmaster(struct draft *draft, const struct mailbox *mailbox,
                                        struct route *ret_route, struct error *err)
{
    struct sluice_span setting = sluice_span_of(draft->router->postmaster_route);
    struct mailbox target = MAILBOX_INIT;
    sluice_status st;

    if (setting.len > 0 && span_find(setting, '@') == setting.len)
        return route_postmaster(draft, mailbox, setting, ret_route, err);
    if (setting.len == 0) {
        st = resolve_address(draft, mailbox, ret_route, err);
        if (st != SLUICE_OK || ret_route->class != ROUTE_DEFAULT)
            return st;
        route_done(ret_route);
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "postmaster_route is not set");
    }
    st = mailbox_parse(setting, &target);
    if (st != SLUICE_OK || target.domain.len == 0) {
        mailbox_done(&target);
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "postmaster_route is not an address");
    }
    st = resolve_address(draft, &target, ret_route, err);
    mailbox_done(&target);
    if (st == SLUICE_OK) {
        ret_route->class = ROUTE_LOCAL; /* everybody may write to it */
        ret_route->is_of_domain = false;
    }
    return st;
}

bool route_is_postmaster(const struct mailbox *mailbox)
{
    return mailbox->domain.len == 0 && span_equal_case(mailbox->local, SPAN_LITERAL("postmaster"));
}

static void explain_route(const struct route *route)
{
    explain_text("class", route_class_name(route->class));
    explain_span("transport", route->transport);
    explain_span("nexthop", route->nexthop);
    explain_span("recipient", route->recipient);
}

sluice_status route_resolve(const struct router *router, struct sluice_span sender,
                            const struct mailbox *mailbox, int64_t deadline_ms,
                            struct route *ret_route, struct error *err)
{
    struct draft draft = {.router = router, .sender = sender, .deadline_ms = deadline_ms};
    sluice_status st;

    explain_begin("route");
    explain_span("address", mailbox->address);
    if (route_is_postmaster(mailbox))
        st = resolve_postmaster(&draft, mailbox, ret_route, err);
    else
        st = resolve_address(&draft, mailbox, ret_route, err);
    draft_done(&draft);
    if (st == SLUICE_OK)
        explain_route(ret_route);
    explain_end(st, err);
    return st;
}

sluice_status route_check_doubt(const struct route *route, struct error *err)
{
    bool is_end = span_equal(route->transport, SPAN_LITERAL("error")) ||
                  span_equal(route->transport, SPAN_LITERAL("discard"));

    if (!is_end || doubt_about() == NULL)
        return SLUICE_OK;
    return error_set_dsn(err, SLUICE_TEMP, "4.3.0",
                         "%s gives no answer, and with old ones no mail goes to %.*s", doubt_about(),
                         SPAN_ARGS(route->transport));
}

void route_done(struct route *route)
{
    mailbox_done(&route->mailbox);
    free(route->memory);
    *route = (struct route)ROUTE_INIT;
}
