/* SPDX-License-Identifier: ISC */
/*
 * postmap_query: asks and lists tables (-q, -s).
 */
#include "postmap.h"

#include "base/span.h"
#include "file_value.h"
#include "message_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking ---------------------------------------------------------------------------------- */

static void warn_empty(const struct postmap *postmap, const struct postmap_table *table,
                       struct sluice_span key)
{
    (void)fprintf(stderr,
                  "%s: warning: table %s:%s: key %.*s: empty string result is not allowed\n",
                  postmap->program, table->type, table->path, SPAN_ARGS(key));
    (void)fprintf(stderr, "%s: warning: table %s:%s should return NO RESULT in case of NOT FOUND\n",
                  postmap->program, table->type, table->path);
}

/* The first table that has the key answers. *ret_table: the one that was asked last. */
static sluice_status find(struct postmap *postmap, struct sluice_span key, struct buffer *value,
                          struct postmap_table **ret_table, struct error *err)
{
    sluice_status st = SLUICE_NOT_FOUND;

    for (size_t i = 0; i < postmap->table_count && st == SLUICE_NOT_FOUND; i++) {
        *ret_table = &postmap->tables[i];
        st = postmap_table_find(*ret_table, key, value, err);
    }
    if (st == SLUICE_OK && postmap->has_files)
        st = file_value_decode(value, err);
    if (st == SLUICE_OK && buffer_text(value) == NULL)
        st = error_set(err, SLUICE_TEMP, "out of memory");
    return st;
}

static void print(const struct postmap *postmap, struct sluice_span key, const struct buffer *value)
{
    if (strcmp(postmap->query, "-") == 0) {
        (void)fwrite(key.ptr, 1, key.len, stdout); /* main looks at stdout in the end */
        (void)fputs(postmap->is_alias ? ":\t" : "\t", stdout);
    }
    (void)fwrite(value->ptr, 1, value->len, stdout);
    (void)putchar('\n');
}

static int query_key(void *user, struct sluice_span key, bool *found)
{
    struct postmap *postmap = user;
    struct postmap_table *table = postmap->tables;
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    sluice_status st = find(postmap, key, &value, &table, &err);

    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        buffer_done(&value);
        if (table->lookup == NULL)
            return postmap_fatal(postmap, "%s", err.text); /* it could not even be opened */
        return postmap_fatal(postmap, "table %s:%s: query error: %s", table->type, table->path,
                             err.text);
    }
    if (st == SLUICE_OK) {
        *found = true;
        if (value.len == 0)
            warn_empty(postmap, table, key);
        print(postmap, key, &value);
    }
    buffer_done(&value);
    return EXIT_SUCCESS;
}

struct message_query {
    struct postmap *postmap;
    bool found;
};

static int query_message_key(void *user, struct sluice_span key)
{
    struct message_query *query = user;

    return query_key(query->postmap, key, &query->found);
}

static int query_message(struct postmap *postmap)
{
    const struct message_keys wanted = {
        .header = postmap->asks_header, .body = postmap->asks_body, .parts = postmap->asks_parts};
    struct message_query query = {.postmap = postmap};
    struct error err = ERROR_INIT;
    sluice_status st;
    int code = message_keys_each(stdin, &wanted, query_message_key, &query, &st, &err);

    if (st != SLUICE_OK)
        return postmap_fatal(postmap, "%s", err.text);
    return query.found ? code : EXIT_FAILURE;
}

int postmap_query(struct postmap *postmap)
{
    bool is_good;

    if (postmap->asks_header || postmap->asks_body)
        return query_message(postmap);
    return postmap_each_key(postmap, postmap->query, query_key, postmap, &is_good);
}

/* ---- listing --------------------------------------------------------------------------------- */

struct listing {
    struct sluice_lookup_entry_sink sdk;
    const struct postmap *postmap;
};

static sluice_status print_entry(const struct sluice_lookup_entry_sink *sink,
                                 struct sluice_span key, struct sluice_span value)
{
    const struct listing *listing = (const struct listing *)sink; /* its first member */

    (void)fwrite(key.ptr, 1, key.len, stdout); /* main looks at stdout in the end */
    (void)fputs(listing->postmap->is_alias ? ":\t" : "\t", stdout);
    (void)fwrite(value.ptr, 1, value.len, stdout);
    (void)putchar('\n');
    return SLUICE_OK;
}

int postmap_list(struct postmap *postmap)
{
    const struct listing listing = {
        .sdk = {.struct_size = sizeof(listing.sdk), .entry = print_entry}, .postmap = postmap};

    for (size_t i = 0; i < postmap->table_count; i++) {
        struct error err = ERROR_INIT;

        if (postmap_table_list(&postmap->tables[i], &listing.sdk, &err) != SLUICE_OK)
            return postmap_fatal(postmap, "%s", err.text);
    }
    return EXIT_SUCCESS;
}
