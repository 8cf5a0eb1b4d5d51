/* SPDX-License-Identifier: ISC */
/*
 * basic: the restrictions that need nothing but what the host knows already. Words, codes and texts
 * are Postfix's.
 */
#include "sluice/access.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct sluice_access {
    int32_t relay_code, reject_code, defer_code;
};

/* ---- verdicts -------------------------------------------------------------------------------- */

static void no_opinion(const struct sluice_access_sink *sink)
{
    sink->verdict(sink, SLUICE_VERDICT_NONE, 0, NULL, NULL);
}

static void permit(const struct sluice_access_sink *sink)
{
    sink->verdict(sink, SLUICE_VERDICT_PERMIT, 0, NULL, NULL);
}

/* The code, which is the operator's, says whether it is for good; the enhanced one agrees with it.
 * detail: "7.1" of "5.7.1". */
static void refuse(const struct sluice_access_sink *sink, int32_t code, const char *detail,
                   const char *text)
{
    int is_permanent = code >= 500 ? 1 : 0;
    char dsn[16];

    (void)snprintf(dsn, sizeof(dsn), "%d.%s", is_permanent != 0 ? 5 : 4, detail);
    sink->verdict(sink, is_permanent != 0 ? SLUICE_VERDICT_REJECT : SLUICE_VERDICT_DEFER, code, dsn,
                  text);
}

/* About whatever the list is about. */
static void refuse_list(const struct sluice_access_sink *sink, int32_t verdict, int32_t code,
                        const char *dsn, const char *text)
{
    const struct sluice_access_verdict refusal = {.struct_size = sizeof(refusal),
                                                  .verdict = verdict,
                                                  .code = code,
                                                  .dsn = dsn,
                                                  .text = text};

    sink->decide(sink, &refusal);
}

/* ---- restrictions ---------------------------------------------------------------------------- */

static void permit_mynetworks(const struct sluice_access *access,
                              const struct sluice_access_request *request,
                              const struct sluice_access_sink *sink)
{
    (void)access;
    if ((request->facts & SLUICE_FACT_MYNETWORKS) != 0)
        permit(sink);
    else
        no_opinion(sink);
}

/* Only RCPT has a destination to judge. */
static int is_foreign(const struct sluice_access_request *request)
{
    return request->stage == SLUICE_STAGE_RCPT &&
           (request->facts & SLUICE_FACT_AUTH_DESTINATION) == 0;
}

static void reject_unauth_destination(const struct sluice_access *access,
                                      const struct sluice_access_request *request,
                                      const struct sluice_access_sink *sink)
{
    if (is_foreign(request))
        refuse(sink, access->relay_code, "7.1", "Relay access denied");
    else
        no_opinion(sink);
}

/* relay_domains_reject_code in the form that is for now: 454 for 554. */
static void defer_unauth_destination(const struct sluice_access *access,
                                     const struct sluice_access_request *request,
                                     const struct sluice_access_sink *sink)
{
    if (is_foreign(request))
        refuse(sink, 400 + access->relay_code % 100, "7.1", "Relay access denied");
    else
        no_opinion(sink);
}

static void permit_all(const struct sluice_access *access,
                       const struct sluice_access_request *request,
                       const struct sluice_access_sink *sink)
{
    (void)access;
    (void)request;
    permit(sink);
}

static void reject_all(const struct sluice_access *access,
                       const struct sluice_access_request *request,
                       const struct sluice_access_sink *sink)
{
    bool is_permanent = access->reject_code >= 500;

    (void)request;
    refuse_list(sink, is_permanent ? SLUICE_VERDICT_REJECT : SLUICE_VERDICT_DEFER,
                access->reject_code, is_permanent ? "5.7.1" : "4.7.1", "Access denied");
}

static void defer_all(const struct sluice_access *access,
                      const struct sluice_access_request *request,
                      const struct sluice_access_sink *sink)
{
    (void)request;
    refuse_list(sink, SLUICE_VERDICT_DEFER, access->defer_code, "4.3.2", "Try again later");
}

static const struct sluice_restriction restrictions[] = {
    {"permit_mynetworks", 0, 0, "Permit if the client is in mynetworks"},
    {"reject_unauth_destination", SLUICE_RESTRICTION_REFUSES, 0,
     "Reject unless the recipient's domain is one that is received or relayed for"},
    {"defer_unauth_destination", SLUICE_RESTRICTION_REFUSES, 0,
     "Like reject_unauth_destination, but the client may try again"},
    {"permit", 0, 0, "Permit"},
    {"reject", SLUICE_RESTRICTION_REFUSES, 0, "Reject"},
    {"defer", SLUICE_RESTRICTION_REFUSES, 0, "Refuse for now"},
};

#define RESTRICTION_COUNT (sizeof(restrictions) / sizeof(restrictions[0]))

/* What decides on each word, in the order of the table above. */
static void (*const deciders[RESTRICTION_COUNT])(const struct sluice_access *access,
                                                 const struct sluice_access_request *request,
                                                 const struct sluice_access_sink *sink) = {
    permit_mynetworks, reject_unauth_destination, defer_unauth_destination, permit_all, reject_all,
    defer_all,
};

/* ---- the plugin ------------------------------------------------------------------------------ */

static sluice_status basic_open(const struct sluice_host *host, const struct sluice_config *config,
                                const struct sluice_errors *errors,
                                struct sluice_access **ret_access)
{
    struct sluice_access *access = calloc(1, sizeof(*access));

    (void)host;
    if (access == NULL) {
        errors->explain(errors, "4.3.0", "basic: out of memory");
        return SLUICE_TEMP;
    }
    access->relay_code = (int32_t)config->get_number(config, "relay_domains_reject_code");
    access->reject_code = (int32_t)config->get_number(config, "reject_code");
    access->defer_code = (int32_t)config->get_number(config, "defer_code");
    *ret_access = access;
    return SLUICE_OK;
}

static void basic_close(struct sluice_access *access)
{
    free(access);
}

static sluice_status basic_decide(struct sluice_access *access, const char *restriction,
                                  const struct sluice_access_request *request, int64_t deadline_ms,
                                  const struct sluice_access_sink *sink,
                                  const struct sluice_errors *errors)
{
    (void)deadline_ms;
    for (size_t i = 0; i < RESTRICTION_COUNT; i++) {
        if (strcmp(restriction, restrictions[i].name) == 0) {
            deciders[i](access, request, sink);
            return SLUICE_OK;
        }
    }
    errors->explain(errors, "4.3.5", "basic: asked for a restriction that it does not have");
    return SLUICE_TEMP;
}

static const struct sluice_option options[] = {
    {"relay_domains_reject_code", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE,
     "554", "400..599", "Reply code of reject_unauth_destination"},
    {"reject_code", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE, "554",
     "400..599", "Reply code of reject"},
    {"defer_code", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL | SLUICE_OPT_RELOADABLE, "450", "400..499",
     "Reply code of defer"},
};

static const struct sluice_access_ops ops = {
    .struct_size = sizeof(ops),
    .restrictions = restrictions,
    .restriction_count = RESTRICTION_COUNT,
    .restriction_size = sizeof(restrictions[0]),
    .open = basic_open,
    .close = basic_close,
    .decide = basic_decide,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_ACCESS_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "access/basic",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Restrictions on the client's network and the recipient's domain",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
