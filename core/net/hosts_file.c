/* SPDX-License-Identifier: ISC */
/*
 * hosts_file: the whole file in a hash table, by address.
 */
#include "net/hosts_file.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LOOK_MS 5000 /* how often, at most, the file is looked at */

struct hosts_file_entry {
    unsigned char key[16];
    char *name;
    UT_hash_handle hh;
};

static size_t set_key(unsigned char key[16], const struct address *address)
{
    struct sluice_span bytes = address_bytes(address);

    if (bytes.len > 0)
        memcpy(key, bytes.ptr, bytes.len);
    return bytes.len;
}

static struct hosts_file_entry *find(const struct hosts_file *hosts, const struct address *address)
{
    unsigned char key[16];
    struct hosts_file_entry *entry;

    HASH_FIND(hh, hosts->entries, key, set_key(key, address), entry);
    return entry;
}

static void add(struct hosts_file *hosts, const struct address *address, struct sluice_span name)
{
    struct hosts_file_entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL)
        return; /* such an address just has no name */
    entry->name = span_dup(name);
    if (entry->name == NULL) {
        free(entry);
        return;
    }
    HASH_ADD(hh, hosts->entries, key, set_key(entry->key, address), entry);
    if (!hash_has(entry)) {
        free(entry->name);
        free(entry);
    }
}

static void forget(struct hosts_file *hosts)
{
    struct hosts_file_entry *entry;
    struct hosts_file_entry *next;

    HASH_ITER(hh, hosts->entries, entry, next)
    {
        HASH_DEL(hosts->entries, entry);
        free(entry->name);
        free(entry);
    }
}

/* The next word of a line, up to a comment; empty: there is none. */
static struct sluice_span take_word(struct sluice_span *line)
{
    static const char blanks[] = " \t\r\n";
    size_t start = 0;

    while (start < line->len && strchr(blanks, line->ptr[start]) != NULL)
        start++;
    size_t end = start;
    while (end < line->len && strchr(blanks, line->ptr[end]) == NULL && line->ptr[end] != '#')
        end++;
    struct sluice_span word = span_skip(span_first(*line, end), start);
    *line = span_skip(*line, end);
    return word;
}

static void take_line(struct hosts_file *hosts, struct sluice_span line)
{
    struct sluice_span first = take_word(&line);
    struct sluice_span name = take_word(&line);
    struct address address;

    if (name.len > 0 && address_parse(first, 0, &address) == SLUICE_OK &&
        find(hosts, &address) == NULL)
        add(hosts, &address, name);
}

static void read_all(struct hosts_file *hosts)
{
    FILE *file = fopen(hosts->path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (file == NULL)
        return; /* a system without has no such names */
    while (HASH_COUNT(hosts->entries) < HOSTS_FILE_COUNT_MAX &&
           (len = getline(&line, &size, file)) != -1)
        take_line(hosts, (struct sluice_span){.ptr = line, .len = (size_t)len});
    free(line);
    (void)fclose(file); /* only read */
}

static void look(struct hosts_file *hosts)
{
    int64_t now_ms = clock_monotonic_ms();
    struct stat status;
    int64_t changed_ns = 0;

    if (hosts->looked_ms != 0 && now_ms < hosts->looked_ms + LOOK_MS)
        return;
    hosts->looked_ms = now_ms;
    if (stat(hosts->path, &status) == 0)
        changed_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    if (changed_ns == hosts->changed_ns)
        return;
    hosts->changed_ns = changed_ns;
    forget(hosts);
    read_all(hosts);
}

const char *hosts_file_find(struct hosts_file *hosts, const struct address *address)
{
    look(hosts);
    const struct hosts_file_entry *entry = find(hosts, address);
    return entry != NULL ? entry->name : NULL;
}

void hosts_file_done(struct hosts_file *hosts)
{
    forget(hosts);
    *hosts = (struct hosts_file){0};
}
