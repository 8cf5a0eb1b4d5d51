/* SPDX-License-Identifier: ISC */
/* misses: see misses.h. */
#include "misses.h"

#include "explain.h"
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX CONNECTIONS_MAX
#define AGAIN_MS 1000  /* a schema that was put right counts after that time */
#define FAILURES_MAX 3 /* to read one, in a row, before misses are believed all the same */

/* What is known of a connection's server. */
struct known {
    uint64_t connection; /* 0: nothing */
    bool is_useless;     /* the table, there */
    int64_t read_ms;
};

struct misses {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_gates *gates;
    const struct sluice_log *log;
    char *filter;          /* of entries that bring a value */
    const char *query_end; /* there, of query_filter */
    struct schema schema;
    struct known known[KNOWN_MAX];
    size_t next;                 /* to be forgotten */
    size_t useless_count;        /* of known */
    bool is_reading;             /* one does, and the others wait */
    struct sluice_gate *reading; /* there */
    unsigned failures;           /* to read, one after the other */
    bool is_warned;
    char why[160]; /* the table is useless */
};

static bool print_filter(struct misses *misses, const char *query_filter, char *const *names)
{
    bool has_brackets = query_filter[strspn(query_filter, " \t\r\n")] == '(';
    size_t size;
    FILE *filter = open_memstream(&misses->filter, &size);

    if (filter == NULL)
        return false;
    (void)fprintf(filter, has_brackets ? "(&%s" : "(&(%s)", query_filter);
    (void)fputs("(|", filter);
    for (; *names != NULL; names++)
        (void)fprintf(filter, "(%s=*)", *names);
    (void)fputs("))", filter);
    return fclose(filter) == 0;
}

struct misses *misses_new(const struct sluice_host *host, const char *query_filter,
                          const struct attributes *attributes)
{
    struct misses *misses = calloc(1, sizeof(*misses));

    if (misses == NULL)
        return NULL;
    misses->host = host;
    misses->clock = host->get_service(host, SLUICE_CLOCK_ID);
    misses->gates = host->get_service(host, SLUICE_GATES_ID);
    misses->log = host->get_service(host, SLUICE_LOG_ID);
    if (!print_filter(misses, query_filter, attributes->names) ||
        misses->gates->make(host, &misses->reading) != SLUICE_OK) {
        misses_free(misses);
        return NULL;
    }
    schema_init(&misses->schema, misses->filter);
    misses->query_end = misses->filter + strlen("(&(") + strlen(query_filter);
    return misses;
}

void misses_free(struct misses *misses)
{
    if (misses == NULL)
        return;
    misses->gates->free(misses->reading);
    free(misses->filter);
    free(misses);
}

/* ---- what is known ---------------------------------------------------------------------------- */

static struct known *find(struct misses *misses, uint64_t connection)
{
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (misses->known[i].connection == connection)
            return &misses->known[i];
    }
    return NULL;
}

static void note(struct misses *misses, uint64_t connection, bool is_useless)
{
    struct known *known = find(misses, connection);

    if (known == NULL)
        known = &misses->known[misses->next++ % KNOWN_MAX];
    misses->useless_count += is_useless;
    misses->useless_count -= known->is_useless;
    *known = (struct known){.connection = connection,
                            .is_useless = is_useless,
                            .read_ms = misses->clock->monotonic_ms(misses->host)};
}

void misses_hit(struct misses *misses, uint64_t connection)
{
    const struct known *known;

    if (misses->useless_count == 0)
        return;
    known = find(misses, connection);
    if (known != NULL && known->is_useless)
        note(misses, connection, false);
}

/* ---- reading a schema -------------------------------------------------------------------------- */

/* The attributes of one entry. */
static int read_entry(struct servers *servers, const char *base, const char *filter,
                      char **attributes, int64_t deadline_ms, struct answer *answer)
{
    const struct link_request request = {
        .base = base, .scope = LDAP_SCOPE_BASE, .filter = filter, .attributes = attributes};

    return servers_search_again(servers, &request, deadline_ms, answer);
}

/* RFC 4512 sections 4.4 and 5.1: the root entry says where the schema is. The answer has no entry if it
 * cannot be seen. */
static int read_schema(struct servers *servers, uint64_t connection, int64_t deadline_ms,
                       struct answer *schema)
{
    static char place[] = "subschemaSubentry", types[] = "attributeTypes",
                classes[] = "objectClasses";
    struct answer root = {.connection = connection};
    const struct answer_attribute *attribute = NULL;
    int code =
        read_entry(servers, "", "(objectClass=*)", (char *[]){place, NULL}, deadline_ms, &root);

    schema->connection = connection;
    if (code == LDAP_SUCCESS && root.count > 0)
        attribute = answer_attribute(root.entries, place);
    if (attribute != NULL && attribute->values[0] != NULL)
        code = read_entry(servers, attribute->values[0]->bv_val, "(objectClass=subschema)",
                          (char *[]){types, classes, NULL}, deadline_ms, schema);
    answer_done(&root);
    return code;
}

/* The server has not said no: another time it may say it. */
static bool is_failure(int code)
{
    return LDAP_API_ERROR(code) || code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
}

/* True: it makes the table useless, which is complained about by who is told of it. */
static bool judge(struct misses *misses, const struct answer *answer)
{
    const struct schema_name *missing = NULL;
    enum schema_verdict verdict = SCHEMA_FINE;

    if (answer->count > 0)
        verdict = schema_judge(&misses->schema, answer->entries, &missing);
    if (missing != NULL)
        (void)snprintf(
            misses->why, sizeof(misses->why), "%s: the directory's schema has no %s %.*s",
            missing->text < misses->query_end ? "query_filter" : "result_attribute",
            missing->is_class ? "objectClass" : "attribute", (int)missing->len, missing->text);
    if (verdict == SCHEMA_PARTLY && !misses->is_warned)
        misses->log->write(misses->host, SLUICE_LOG_WARNING, misses->why);
    misses->is_warned = verdict == SCHEMA_PARTLY;
    return verdict == SCHEMA_NEVER;
}

static sluice_status look(struct misses *misses, struct servers *servers, uint64_t connection,
                          int64_t deadline_ms, const struct sluice_errors *errors)
{
    struct answer schema = {0};
    sluice_status st = SLUICE_OK;
    int code;

    misses->is_reading = true;
    code = read_schema(servers, connection, deadline_ms, &schema);
    misses->is_reading = false;
    misses->failures = is_failure(code) ? misses->failures + 1 : 0;
    if (misses->failures > 0 && (misses->failures < FAILURES_MAX || misses->useless_count > 0))
        st = explain(errors, SLUICE_TEMP, "the directory's schema: %s", ldap_err2string(code));
    else
        note(misses, connection, judge(misses, &schema));
    answer_done(&schema);
    misses->gates->open_all(misses->reading);
    return st;
}

/* ---- judging ----------------------------------------------------------------------------------- */

/* Also if that is over: what we have in hand is from before. */
static sluice_status refuse(struct misses *misses, struct servers *servers,
                            const struct known *known, int64_t deadline_ms,
                            const struct sluice_errors *errors)
{
    int64_t age_ms = misses->clock->monotonic_ms(misses->host) - known->read_ms;
    sluice_status st = SLUICE_OK;

    if (age_ms >= AGAIN_MS && !misses->is_reading)
        st = look(misses, servers, known->connection, deadline_ms, errors);
    return st == SLUICE_OK ? explain(errors, SLUICE_TEMP, "%s", misses->why) : st;
}

sluice_status misses_judge(struct misses *misses, struct servers *servers, uint64_t connection,
                           int64_t deadline_ms, const struct sluice_errors *errors)
{
    const struct known *known = find(misses, connection);
    sluice_status st = SLUICE_OK;

    if (misses->schema.count == 0)
        return SLUICE_OK;
    if (known != NULL && known->is_useless)
        return refuse(misses, servers, known, deadline_ms, errors);
    for (; known == NULL && st == SLUICE_OK; known = find(misses, connection)) {
        if (!misses->is_reading)
            st = look(misses, servers, connection, deadline_ms, errors);
        else if (misses->gates->wait(misses->reading, deadline_ms) != SLUICE_OK)
            st = explain(errors, SLUICE_TEMP, "the directory's schema: no answer in time");
    }
    if (st == SLUICE_OK && known->is_useless)
        st = explain(errors, SLUICE_TEMP, "%s", misses->why);
    return st;
}
