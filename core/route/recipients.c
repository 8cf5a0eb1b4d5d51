/* SPDX-License-Identifier: ISC */
/* recipients: see recipients.h. */
#include "route/recipients.h"

#include "base/span.h"
#include "route/address_map.h"

static const struct {
    const char *parameter;
    const char *text;
} classes[ROUTE_DEFAULT] = {
    [ROUTE_LOCAL] = {"local_recipient_maps", "local recipient table"},
    [ROUTE_VIRTUAL_ALIAS] = {"virtual_alias_maps", "virtual alias table"},
    [ROUTE_VIRTUAL_MAILBOX] = {"virtual_mailbox_maps", "virtual mailbox table"},
    [ROUTE_RELAY] = {"relay_recipient_maps", "relay recipient table"},
};

const char *recipients_table_of(enum route_class class)
{
    return class < ROUTE_DEFAULT ? classes[class].text : NULL;
}

sluice_status recipients_init(struct recipients *recipients, const struct config *config,
                              struct tables *tables, struct error *err)
{
    sluice_status st = SLUICE_OK;

    *recipients = (struct recipients){.double_bounce_sender =
                                          config_text(config, "double_bounce_sender")};
    for (int i = 0; st == SLUICE_OK && i < ROUTE_DEFAULT; i++)
        st = table_list_read(&recipients->maps[i], tables, config, classes[i].parameter, err);
    return st;
}

void recipients_done(struct recipients *recipients)
{
    for (int i = 0; i < ROUTE_DEFAULT; i++)
        table_list_done(&recipients->maps[i]);
}

/* spec R-5: who must always be there */
static bool is_role(const struct recipients *recipients, struct sluice_span local)
{
    return span_equal_case(local, SPAN_LITERAL("postmaster")) ||
           span_equal_case(local, SPAN_LITERAL("mailer-daemon")) ||
           span_equal_case(local, sluice_span_of(recipients->double_bounce_sender));
}

sluice_status recipients_find(const struct recipients *recipients, const struct router *router,
                              const struct route *route, int64_t deadline_ms, struct error *err)
{
    const struct address_question question = {
        .mailbox = &route->mailbox,
        .delimiters = router->recipient_delimiter,
        .is_ours = router_is_bare(router, route->mailbox.domain, route->class),
        .forms = KEY_BARE | KEY_AT_DOMAIN,
        .deadline_ms = deadline_ms,
    };
    struct buffer value = BUFFER_INIT;

    if (route->class == ROUTE_DEFAULT || route->mailbox.domain.len == 0)
        return SLUICE_OK;
    if (recipients->maps[route->class].count == 0 && route->class != ROUTE_VIRTUAL_ALIAS)
        return SLUICE_OK;
    if (route->class == ROUTE_LOCAL && is_role(recipients, route->mailbox.local))
        return SLUICE_OK;
    sluice_status st =
        address_map_find(&recipients->maps[route->class], &question, &value, NULL, err);
    buffer_done(&value);
    return st;
}
