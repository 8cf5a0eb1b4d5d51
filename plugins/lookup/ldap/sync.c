/* SPDX-License-Identifier: ISC */
/* sync: see sync.h. */
#include "sync.h"

#include "explain.h"
#include "query.h"
#include "result.h"
#include "sync_link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCH 100 /* messages, until others have a turn */
#define REST_MIN_MS 250
#define REST_MAX_MS 5000      /* as for searches: recovery is to be a matter of seconds */
#define REFUSED_REST_MS 60000 /* where it takes somebody to change the server, or us */

struct sync {
    const struct settings *settings;
    const struct attributes *attributes;
    const char *urls;
    struct sync_plan plan;
    struct sync_set *set;  /* NULL: nothing is known */
    bool is_complete;      /* it has been in step at least once, and so it answers */
    bool is_current;       /* it is in step now */
    int64_t lost_ms;       /* since when it is not */
    struct berval *cookie; /* where it stands, in the server's words; NULL: at its beginning */
    bool has_asked_with_cookie;
    uint64_t told;              /* the generation that the host knows */
    unsigned failures;          /* since it was in step; with each another server has its turn */
    int64_t rest_ms;            /* not before then */
    char trouble[SYNC_WHY_MAX]; /* that was said last */
};

/* ---- the table -------------------------------------------------------------------------------- */

sluice_status sync_new(const struct settings *settings, const struct attributes *attributes,
                       const char *urls, const struct sluice_errors *errors, struct sync **ret_sync)
{
    struct sync *sync = calloc(1, sizeof(*sync));
    sluice_status st;

    if (sync == NULL)
        return explain(errors, SLUICE_TEMP, "ldap: out of memory");
    sync->settings = settings;
    sync->attributes = attributes;
    sync->urls = urls;
    st = sync_plan_read(&sync->plan, settings, attributes, errors);
    if (st == SLUICE_OK)
        *ret_sync = sync;
    else
        free(sync);
    return st;
}

static void set_cookie(struct sync *sync, struct berval *cookie)
{
    ber_bvfree(sync->cookie);
    sync->cookie = cookie;
}

/* The table is one of searches from now on. */
static void forget(struct sync *sync)
{
    sync->is_complete = sync->is_current = false;
    sync_set_free(sync->set);
    sync->set = NULL;
    set_cookie(sync, NULL);
}

void sync_free(struct sync *sync)
{
    if (sync == NULL)
        return;
    forget(sync);
    sync_plan_done(&sync->plan);
    free(sync);
}

/* ---- looking up ------------------------------------------------------------------------------- */

static int64_t now_of(const struct sluice_host *host)
{
    const struct sluice_clock *clock = host->get_service(host, SLUICE_CLOCK_ID);

    return clock->monotonic_ms(host);
}

static bool answers(const struct sync *sync, const struct sluice_host *host)
{
    return sync->is_complete &&
           (sync->is_current || now_of(host) - sync->lost_ms < sync->settings->number[STALE_OK]);
}

/* What a directory takes for the same text (RFC 4518) is more than we know, beyond plain ASCII. */
static bool is_plain(struct sluice_span key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char byte = (unsigned char)key.ptr[i];

        if (byte <= ' ' || byte >= 0x7f)
            return false;
    }
    return key.len > 0;
}

static sluice_status give_values(const struct sync_row *row, struct result *result)
{
    int64_t limit = result->settings->number[SIZE_LIMIT];
    sluice_status st = SLUICE_OK;

    for (int64_t count = 1; row != NULL && st == SLUICE_OK; row = sync_row_next(row), count++) {
        struct sluice_span value;
        size_t at = 0;

        if (limit > 0 && count > limit)
            return explain(result->errors, SLUICE_TEMP, "Size limit exceeded for key: '%.*s'",
                           (int)result->key.len, result->key.ptr);
        while (st == SLUICE_OK && sync_row_value(row, &at, &value))
            st = result_give(result, value);
    }
    return st == SLUICE_OK && result->count == 0 ? SLUICE_NOT_FOUND : st;
}

/* By a key in the words of the entries. */
static bool find_part(const struct sync *sync, struct sluice_span part, struct result *result,
                      sluice_status *ret_status)
{
    const struct sync_row *row;

    if (!is_plain(part))
        return false;
    row = sync_set_find(sync->set, part);
    if (row == NULL && (!sync->is_current || sync_set_count(sync->set) == 0))
        return false; /* where nobody at all is found the filter may be wrong, which a search tells */
    *ret_status = row != NULL ? give_values(row, result) : SLUICE_NOT_FOUND;
    return true;
}

bool sync_find(const struct sync *sync, const struct sluice_host *host, struct sluice_span key,
               const struct sluice_lookup_sink *sink, const struct sluice_errors *errors,
               sluice_status *ret_status)
{
    struct result result = {.settings = sync->settings, .key = key, .sink = sink, .errors = errors};
    size_t len;
    char *part;
    bool is_found;

    if (!answers(sync, host))
        return false;
    if (sync->plan.part[1] == 's')
        return find_part(sync, key, &result, ret_status);
    *ret_status = query_result(sync->plan.part, key, key, &part, &len);
    if (*ret_status != SLUICE_OK)
        return *ret_status == SLUICE_NOT_FOUND; /* no search is without that part */
    is_found = find_part(sync, (struct sluice_span){part, len}, &result, ret_status);
    free(part);
    return is_found;
}

sluice_status sync_generation(const struct sync *sync, uint64_t *ret_generation)
{
    if (!sync->is_complete)
        return SLUICE_UNSUPPORTED;
    *ret_generation = sync_set_generation(sync->set);
    return SLUICE_OK;
}

/* ---- following a server ----------------------------------------------------------------------- */

/* How the last word of the server, or the lack of one, is to be taken. */
enum fate {
    FATE_GOES_ON,
    FATE_LOST,    /* try again soon, from where we stand */
    FATE_REFUSED, /* there will be no set */
};

struct follower {
    struct sync *sync;
    struct sync_link link;
    const struct sluice_host *host;
    const struct sluice_lookup_notice *notice;
    bool (*is_wanted)(void *user);
    void *user;
};

static enum fate because(struct follower *follower, enum fate outcome, const char *why)
{
    (void)snprintf(follower->link.why, sizeof(follower->link.why), "%s", why);
    return outcome;
}

static void say(const struct follower *follower, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct follower *follower, int32_t level, const char *format, ...)
{
    const struct sluice_log *log = follower->host->get_service(follower->host, SLUICE_LOG_ID);
    char line[2 * SYNC_WHY_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log->write(follower->host, level, line);
}

static void tell(struct follower *follower)
{
    struct sync *sync = follower->sync;

    sync->told = sync->set != NULL ? sync_set_generation(sync->set) : 0;
    follower->notice->changed(follower->notice);
}

/* From the cookie on; without one all that is not named until the end of the refresh is gone. */
static enum fate ask(struct follower *follower)
{
    struct sync *sync = follower->sync;

    if (sync->set == NULL)
        sync->set = sync_set_new();
    if (sync->set == NULL)
        return because(follower, FATE_LOST, "out of memory");
    sync_set_begin(sync->set);
    sync->has_asked_with_cookie = sync->cookie != NULL;
    return sync_link_ask(&follower->link, &sync->plan, sync->cookie) == SLUICE_OK ? FATE_GOES_ON
                                                                                  : FATE_LOST;
}

static void be_current(struct follower *follower)
{
    struct sync *sync = follower->sync;

    sync->is_complete = sync->is_current = true;
    sync->failures = 0;
    sync->trouble[0] = '\0';
    say(follower, SLUICE_LOG_INFO, "in step with the directory: %zu entries, %zu bytes",
        sync_set_count(sync->set), sync_set_bytes(sync->set));
    tell(follower);
}

static void lose(struct follower *follower)
{
    struct sync *sync = follower->sync;

    if (sync->is_current)
        sync->lost_ms = now_of(follower->host);
    sync->is_current = false;
}

/* A server may say at any time that it cannot go on from where we stand (RFC 4533 section 3.3.2: a result
 * of its own, but what slapd answers to a cookie from its future is another one). */
static enum fate end(struct follower *follower, const struct answer *answer)
{
    struct sync *sync = follower->sync;
    int code = answer->code;

    lose(follower);
    (void)snprintf(follower->link.why, sizeof(follower->link.why), "%s%s%s", ldap_err2string(code),
                   answer->text[0] != '\0' ? ": " : "", answer->text);
    if (code == LDAP_SUCCESS || code == LDAP_BUSY || code == LDAP_UNAVAILABLE)
        return FATE_LOST;
    if (code ==
        LDAP_NO_SUCH_OBJECT) { /* a directory that is being filled: nothing can be said of a key */
        set_cookie(sync, NULL);
        return FATE_LOST;
    }
    if (!sync->has_asked_with_cookie && code != LDAP_SYNC_REFRESH_REQUIRED)
        return FATE_REFUSED;
    set_cookie(sync, NULL);
    return sync->has_asked_with_cookie ? ask(follower) : FATE_LOST;
}

/* ---- entries ---------------------------------------------------------------------------------- */

static bool is_key(const struct sync_plan *plan, const char *name)
{
    size_t len = strcspn(name, ";"); /* options, as in mail;lang-de */

    for (char *const *key = plan->keys; *key != NULL; key++) {
        if (strlen(*key) == len && strncasecmp(*key, name, len) == 0)
            return true;
    }
    return false;
}

static size_t count_values(const struct answer_entry *entry)
{
    size_t count = 0;

    for (size_t i = 0; i < entry->count; i++)
        count += (size_t)ldap_count_values_len(entry->attributes[i].values);
    return count;
}

static size_t add_values(struct sluice_span *spans, size_t count, struct berval **values)
{
    for (; *values != NULL; values++)
        spans[count++] = (struct sluice_span){(*values)->bv_val, (*values)->bv_len};
    return count;
}

/* One that our filter found by keys which we do not see cannot be told from a miss. */
static enum fate put_entry(struct follower *follower, const struct sync_message *message)
{
    struct sync *sync = follower->sync;
    const struct answer_entry *entry = message->answer.entries;
    size_t most = count_values(entry);
    size_t key_count = 0, value_count = 0;
    struct sluice_span *keys = calloc(2 * most + 1, sizeof(*keys));

    if (keys == NULL)
        return because(follower, FATE_LOST, "out of memory");

    struct sluice_span *values = keys + most;
    for (size_t i = 0; i < entry->count; i++) {
        const struct answer_attribute *attribute = &entry->attributes[i];

        if (is_key(&sync->plan, attribute->name))
            key_count = add_values(keys, key_count, attribute->values);
        if (attributes_kind(sync->attributes, attribute->name) == ATTRIBUTE_PLAIN)
            value_count = add_values(values, value_count, attribute->values);
    }
    sync_set_put(sync->set, message->uuids[0].bv_val, keys, key_count, values, value_count);
    free(keys);
    if (key_count == 0 && sync->settings->text[SYNC_FILTER][0] == '\0')
        return because(follower, FATE_REFUSED,
                       "an entry shows none of the keys that it was found by");
    return FATE_GOES_ON;
}

static enum fate judge_size(struct follower *follower)
{
    const struct sync *sync = follower->sync;

    if (!sync_set_is_whole(sync->set))
        return because(follower, FATE_REFUSED, "out of memory");
    if (sync_set_bytes(sync->set) > (size_t)sync->settings->number[SYNC_BYTES])
        return because(follower, FATE_REFUSED, "more than sync_bytes");
    return FATE_GOES_ON;
}

/* ---- messages --------------------------------------------------------------------------------- */

/* The end of a part of the refresh, or of all of it. Without a cookie slapd sends all that there is, but calls
 * that refreshDelete. */
static void end_part(struct follower *follower, struct sync_message *message)
{
    struct sync *sync = follower->sync;

    if (message->kind == SYNC_NEWS_PRESENTS || !sync->has_asked_with_cookie)
        sync_set_remove_unseen(sync->set);
    if (message->is_refreshed)
        be_current(follower);
}

static enum fate apply(struct follower *follower, struct sync_message *message)
{
    struct sync *sync = follower->sync;
    enum fate outcome = FATE_GOES_ON;

    switch (message->kind) {
    case SYNC_NEWS_NONE:
        break;
    case SYNC_NEWS_ENTRY:
        outcome = put_entry(follower, message);
        break;
    case SYNC_NEWS_PRESENT:
    case SYNC_NEWS_DELETED:
        for (BerVarray uuid = message->uuids; uuid != NULL && uuid->bv_val != NULL; uuid++)
            (message->kind == SYNC_NEWS_PRESENT ? sync_set_see : sync_set_remove)(sync->set,
                                                                                  uuid->bv_val);
        break;
    case SYNC_NEWS_PRESENTS:
    case SYNC_NEWS_DELETES:
        end_part(follower, message);
        break;
    case SYNC_NEWS_END:
        return end(follower, &message->answer);
    case SYNC_NEWS_NONSENSE:
        set_cookie(sync, NULL);
        return because(follower, FATE_LOST, "an answer that makes no sense");
    }
    if (sync->is_current &&
        message->cookie != NULL) { /* in a refresh it stands for what is yet to come */
        set_cookie(sync, message->cookie);
        message->cookie = NULL;
    }
    return outcome == FATE_GOES_ON ? judge_size(follower) : outcome;
}

/* What has come, or a part of it: then *ret_is_more. */
static enum fate take_some(struct follower *follower, bool *ret_is_more)
{
    enum fate outcome = FATE_GOES_ON;

    for (int i = 0; i < BATCH && outcome == FATE_GOES_ON; i++) {
        struct sync_message message;
        sluice_status st = sync_link_next(&follower->link, &message);

        if (st != SLUICE_OK) {
            *ret_is_more = false;
            return st == SLUICE_TEMP ? FATE_LOST : FATE_GOES_ON;
        }
        outcome = apply(follower, &message);
        sync_message_done(&message);
    }
    *ret_is_more = true;
    return outcome;
}

/* False: the task is cancelled, or the table is told otherwise now. Others have a turn. */
static bool goes_on(const struct follower *follower)
{
    const struct sluice_io *io = follower->host->get_service(follower->host, SLUICE_IO_ID);

    return io->sleep(follower->host, now_of(follower->host)) == SLUICE_OK &&
           follower->is_wanted(follower->user);
}

static enum fate follow(struct follower *follower)
{
    struct sync *sync = follower->sync;
    enum fate outcome = ask(follower);

    while (outcome == FATE_GOES_ON && goes_on(follower)) {
        bool is_more;

        outcome = take_some(follower, &is_more);
        if (sync->is_current && sync->told != sync_set_generation(sync->set))
            tell(follower);
        if (outcome == FATE_GOES_ON && !is_more && sync_link_wait(&follower->link) != SLUICE_OK)
            outcome = FATE_LOST;
    }
    return outcome;
}

/* ---- and when that ends ----------------------------------------------------------------------- */

static void rest(struct follower *follower, enum fate outcome)
{
    struct sync *sync = follower->sync;
    int64_t ms = REST_MIN_MS;

    for (unsigned i = 0; i < sync->failures && ms < REST_MAX_MS; i++)
        ms *= 2;
    if (outcome == FATE_REFUSED)
        ms = REFUSED_REST_MS;
    else if (ms > REST_MAX_MS)
        ms = REST_MAX_MS;
    sync->failures++;
    sync->rest_ms = now_of(follower->host) + ms - ms * (random() % 25) / 100;
}

/* A trouble that lasts is said once. */
static void complain(struct follower *follower, enum fate outcome)
{
    struct sync *sync = follower->sync;
    const char *why = follower->link.why;

    if (strcmp(sync->trouble, why) == 0)
        return;
    (void)snprintf(sync->trouble, sizeof(sync->trouble), "%s", why);
    if (outcome == FATE_REFUSED)
        say(follower, SLUICE_LOG_WARNING,
            "no content synchronization (RFC 4533), look-ups are searches: %s", why);
    else
        say(follower, SLUICE_LOG_WARNING, "not in step with the directory%s: %s",
            sync->is_complete ? ", what was there last answers" : "", why);
}

void sync_run(struct sync *sync, const struct sluice_host *host,
              const struct sluice_lookup_notice *notice, bool (*is_wanted)(void *user), void *user)
{
    struct follower follower = {
        .sync = sync, .host = host, .notice = notice, .is_wanted = is_wanted, .user = user};
    enum fate outcome = FATE_LOST;

    if (now_of(host) < sync->rest_ms)
        return;
    if (sync_link_open(&follower.link, host, sync->settings, sync->urls, sync->failures) ==
        SLUICE_OK)
        outcome = follow(&follower);
    lose(&follower);
    sync_link_close(&follower.link);
    if (outcome == FATE_GOES_ON || !goes_on(&follower))
        return; /* we are not wanted any more */
    rest(&follower, outcome);
    if (outcome == FATE_REFUSED) {
        forget(sync);
        tell(&follower);
    }
    complain(&follower, outcome);
}
