/* SPDX-License-Identifier: ISC */
/*
 * listing: see listing.h.
 */
#include "queue/listing.h"

#include "base/span.h"
#include "queue/inspect.h"
#include "queue/state.h"

#define MESSAGES_PER_TURN 256 /* that are passed over before others get their turn */

/* What is listed: of a site, of a domain; empty: any. */
struct filter {
    const char *site;
    struct sluice_span domain;
};

struct page {
    uint64_t ids[STORE_RECORDS_MAX];
    struct buffer records[STORE_RECORDS_MAX];
    size_t count;
};

/* site: NULL if the filter has none. */
static bool is_wanted(const struct queue_message *message, const struct site *site,
                      struct sluice_span domain)
{
    if (site == NULL && domain.len == 0)
        return true;
    for (const struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if ((site == NULL || u->site == site) &&
            (domain.len == 0 ||
             span_equal(domain, (struct sluice_span){u->domain->name, u->domain->name_len})))
            return true;
    }
    return false;
}

/* The next messages, without waiting. False: that was all. */
static bool fill(struct page *page, const struct session *session, struct cursor *cursor,
                 const struct filter *filter)
{
    const struct site *site = inspect_site(session, filter->site);
    const struct queue_message *message;

    page->count = 0;
    if (filter->site[0] != '\0' && site == NULL)
        return false;
    for (unsigned passed = 0; passed < MESSAGES_PER_TURN && page->count < STORE_RECORDS_MAX;
         passed++) {
        message = cursor_next(cursor);
        if (message == NULL)
            return false;
        if (inspect_is_listed(message) && is_wanted(message, site, filter->domain))
            page->ids[page->count++] = message->id;
    }
    return true;
}

static sluice_status put(struct page *page, struct session *session)
{
    sluice_status st = SLUICE_OK;

    if (page->count == 0)
        task_yield();
    else
        store_read_records(session->queue->store, page->ids, page->count, page->records);
    for (size_t i = 0; i < page->count; i++) {
        if (st == SLUICE_OK || st == SLUICE_NOT_FOUND)
            st = inspect_put(session, page->ids[i], &page->records[i], false);
        buffer_done(&page->records[i]);
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

sluice_status listing_send(struct session *session, json_t *request)
{
    struct schedule *schedule = &session->queue->schedule;
    char name[DOMAIN_NAME_SIZE];
    const struct filter filter = {
        .site = session_text(request, "site"),
        .domain = domain_fold(sluice_span_of(session_text(request, "domain")), name),
    };
    struct page page = {.count = 0};
    struct cursor cursor;
    sluice_status st = SLUICE_OK;
    bool is_more = true;

    cursor_start(&cursor, schedule);
    while (st == SLUICE_OK && is_more && !task_is_cancelled()) {
        is_more = fill(&page, session, &cursor, &filter);
        st = put(&page, session);
    }
    cursor_stop(&cursor, schedule);
    return st;
}
