/* SPDX-License-Identifier: ISC */
/*
 * route: classes of domains, the keys of transport_maps in their order (spec R-20), and what their
 * results mean.
 */
#include "route/route.h"

#include "base/buffer.h"
#include "base/span.h"

#include <stdlib.h>

/* A route being worked out. The spans point into memory that outlives the working out. */
struct draft {
    const struct router *router;
    int64_t deadline_ms;
    struct sluice_span local;
    struct sluice_span domain;
    struct sluice_span recipient;
    enum route_class class;
    struct sluice_span transport;
    struct sluice_span nexthop;
};

/* ---- the class and its default -------------------------------------------------------------- */

static sluice_status classify(struct draft *draft, struct error *err)
{
    const struct router *router = draft->router;

    sluice_status st =
        domain_list_match(&router->mydestination, draft->domain, draft->deadline_ms, err);
    draft->class = ROUTE_LOCAL;
    if (st != SLUICE_NOT_FOUND)
        return st;
    st = domain_list_match(&router->relay_domains, draft->domain, draft->deadline_ms, err);
    draft->class = ROUTE_RELAY;
    if (st != SLUICE_NOT_FOUND)
        return st;
    draft->class = ROUTE_DEFAULT;
    return SLUICE_OK;
}

/* "transport:nexthop", parted at the first colon. */
static struct sluice_span transport_of(struct sluice_span result)
{
    return span_first(result, span_find(result, ':'));
}

static struct sluice_span nexthop_of(struct sluice_span result)
{
    return span_skip(result, span_find(result, ':') + 1);
}

static void use_class_transport(struct draft *draft)
{
    struct sluice_span setting = SPAN_LITERAL("local");

    if (draft->class == ROUTE_RELAY)
        setting = sluice_span_of(draft->router->relay_transport);
    else if (draft->class == ROUTE_DEFAULT)
        setting = sluice_span_of(draft->router->default_transport);
    draft->transport = transport_of(setting);
    draft->nexthop = nexthop_of(setting);
    if (draft->nexthop.len == 0)
        draft->nexthop = draft->domain;
}

/* ---- transport_maps ------------------------------------------------------------------------- */

/* What a result of transport_maps changes: "t:n" both, ":n" the next hop, "t" and "t:" the
 * transport, which then goes to the recipient's domain; ":" nothing. */
static void apply_result(struct draft *draft, struct sluice_span result)
{
    struct sluice_span transport = transport_of(result);
    struct sluice_span nexthop = nexthop_of(result);

    if (transport.len > 0) {
        draft->transport = transport;
        draft->nexthop = draft->domain;
    }
    if (nexthop.len > 0)
        draft->nexthop = nexthop;
}

static sluice_status ask(const struct draft *draft, struct sluice_span key, bool is_partial,
                         struct buffer *value, struct error *err)
{
    return table_list_find(&draft->router->transport_maps, key, is_partial, draft->deadline_ms,
                           value, err);
}

/* user@domain, before it user+ext@domain where there is an extension. */
static sluice_status ask_address(const struct draft *draft, struct buffer *value, struct error *err)
{
    char delimiter = draft->router->recipient_delimiter;
    struct buffer key = BUFFER_INIT;

    sluice_status st = ask(draft, draft->recipient, false, value, err);
    if (st != SLUICE_NOT_FOUND || delimiter == '\0')
        return st;
    size_t at = span_find(draft->local, delimiter);
    if (at == 0 || at == draft->local.len)
        return st;
    buffer_add_span(&key, span_first(draft->local, at));
    buffer_add_byte(&key, '@');
    buffer_add_span(&key, draft->domain);
    st = buffer_failed(&key) ? error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for a look-up")
                             : ask(draft, buffer_span(&key), true, value, err);
    buffer_done(&key);
    return st;
}

/* domain, its parents, and last "*". */
static sluice_status ask_domain(const struct draft *draft, struct buffer *value, struct error *err)
{
    struct sluice_span domain = draft->domain;
    sluice_status st = ask(draft, domain, true, value, err);

    while (st == SLUICE_NOT_FOUND && domain.len > 1 && domain.ptr[0] != '[') {
        size_t dot = span_find(span_skip(domain, 1), '.') + 1;
        if (dot >= domain.len)
            break;
        domain = span_skip(domain, dot);
        bool is_plain = draft->router->transport_maps_with_parents;
        st = ask(draft, is_plain ? span_skip(domain, 1) : domain, true, value, err);
    }
    return st == SLUICE_NOT_FOUND ? ask(draft, SPAN_LITERAL("*"), true, value, err) : st;
}

/* value is where the result stays until the route has been copied. */
static sluice_status ask_transport_maps(struct draft *draft, struct buffer *value,
                                        struct error *err)
{
    if (draft->router->transport_maps.count == 0)
        return SLUICE_OK;
    sluice_status st = ask_address(draft, value, err);
    if (st == SLUICE_NOT_FOUND)
        st = ask_domain(draft, value, err);
    if (st == SLUICE_OK)
        apply_result(draft, span_trim(buffer_span(value)));
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* ---- results -------------------------------------------------------------------------------- */

static struct sluice_span put(char **at, struct sluice_span text)
{
    struct sluice_span copy = {.ptr = *at, .len = text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

static sluice_status finish(const struct draft *draft, struct route *ret_route, struct error *err)
{
    size_t len = draft->transport.len + draft->nexthop.len + draft->recipient.len;
    char *memory = malloc(len + 1);
    char *at = memory;

    if (memory == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for a route");
    ret_route->memory = memory;
    ret_route->class = draft->class;
    ret_route->transport = put(&at, draft->transport);
    ret_route->nexthop = put(&at, draft->nexthop);
    ret_route->recipient = put(&at, draft->recipient);
    return SLUICE_OK;
}

static sluice_status resolve_in_domain(struct draft *draft, struct route *ret_route,
                                       struct error *err)
{
    struct buffer value = BUFFER_INIT;

    sluice_status st = classify(draft, err);
    if (st == SLUICE_OK) {
        use_class_transport(draft);
        st = ask_transport_maps(draft, &value, err);
    }
    if (st == SLUICE_OK)
        st = finish(draft, ret_route, err);
    buffer_done(&value);
    return st;
}

/* An address without a domain is one of ours. */
static sluice_status resolve_bare(struct draft *draft, const struct mailbox *mailbox,
                                  struct route *ret_route, struct error *err)
{
    struct buffer recipient = BUFFER_INIT;
    sluice_status st;

    buffer_add_span(&recipient, mailbox->address);
    buffer_add_byte(&recipient, '@');
    buffer_add_text(&recipient, draft->router->myorigin);
    draft->domain = sluice_span_of(draft->router->myorigin);
    draft->recipient = buffer_span(&recipient);
    if (buffer_failed(&recipient))
        st = error_set_dsn(err, SLUICE_TEMP, "4.3.0", "no memory for a route");
    else
        st = resolve_in_domain(draft, ret_route, err);
    buffer_done(&recipient);
    return st;
}

/* <postmaster>, where postmaster_route is a result as in a transport table. */
static sluice_status route_postmaster(struct draft *draft, const struct mailbox *mailbox,
                                      struct sluice_span setting, struct route *ret_route,
                                      struct error *err)
{
    draft->class = ROUTE_LOCAL;
    draft->recipient = mailbox->address;
    draft->domain = sluice_span_of(draft->router->myorigin);
    draft->transport = sluice_span_of(draft->router->default_transport);
    apply_result(draft, setting);
    return finish(draft, ret_route, err);
}

static sluice_status resolve_postmaster(struct draft *draft, const struct mailbox *mailbox,
                                        struct route *ret_route, struct error *err)
{
    struct sluice_span setting = sluice_span_of(draft->router->postmaster_route);
    struct mailbox target = MAILBOX_INIT;

    if (setting.len == 0)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "postmaster_route is not set");
    if (span_find(setting, '@') == setting.len)
        return route_postmaster(draft, mailbox, setting, ret_route, err);
    sluice_status st = mailbox_parse(setting, &target);
    if (st != SLUICE_OK || target.domain.len == 0) {
        mailbox_done(&target);
        return error_set_dsn(err, SLUICE_TEMP, "4.3.5", "postmaster_route is not an address");
    }
    st = route_resolve(draft->router, &target, draft->deadline_ms, ret_route, err);
    mailbox_done(&target);
    if (st == SLUICE_OK)
        ret_route->class = ROUTE_LOCAL; /* everybody may write to it */
    return st;
}

bool route_is_postmaster(const struct mailbox *mailbox)
{
    return mailbox->domain.len == 0 && span_equal_case(mailbox->local, SPAN_LITERAL("postmaster"));
}

sluice_status route_resolve(const struct router *router, const struct mailbox *mailbox,
                            int64_t deadline_ms, struct route *ret_route, struct error *err)
{
    struct draft draft = {
        .router = router,
        .deadline_ms = deadline_ms,
        .local = mailbox->local,
        .domain = mailbox->domain,
        .recipient = mailbox->address,
    };

    if (route_is_postmaster(mailbox))
        return resolve_postmaster(&draft, mailbox, ret_route, err);
    if (mailbox->domain.len == 0)
        return resolve_bare(&draft, mailbox, ret_route, err);
    return resolve_in_domain(&draft, ret_route, err);
}

void route_done(struct route *route)
{
    free(route->memory);
    *route = (struct route)ROUTE_INIT;
}

/* ---- configuration -------------------------------------------------------------------------- */

sluice_status router_init(struct router *router, const struct config *config, struct tables *tables,
                          struct error *err)
{
    *router = (struct router){
        .myorigin = config_text(config, "myorigin"),
        .relay_transport = config_text(config, "relay_transport"),
        .default_transport = config_text(config, "default_transport"),
        .postmaster_route = config_text(config, "postmaster_route"),
        .recipient_delimiter = config_text(config, "recipient_delimiter")[0],
        .transport_maps_with_parents = domain_list_parents_match(config, "transport_maps"),
    };
    sluice_status st = domain_list_read(&router->mydestination, tables, config, "mydestination",
                                        DOMAIN_LIST_NAMES, err);
    if (st == SLUICE_OK)
        st = domain_list_read(&router->relay_domains, tables, config, "relay_domains",
                              DOMAIN_LIST_NAMES, err);
    if (st == SLUICE_OK)
        st = table_list_read(&router->transport_maps, tables, config, "transport_maps", err);
    return st;
}

void router_done(struct router *router)
{
    domain_list_done(&router->mydestination);
    domain_list_done(&router->relay_domains);
    table_list_done(&router->transport_maps);
}
