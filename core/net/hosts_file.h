/* SPDX-License-Identifier: ISC */
/*
 * hosts_file: names of addresses from /etc/hosts (hosts(5)), read anew when the file has changed.
 */
#ifndef NET_HOSTS_FILE_H
#define NET_HOSTS_FILE_H

#include "net/address.h"

#define HOSTS_FILE_PATH "/etc/hosts"
#define HOSTS_FILE_COUNT_MAX 100000 /* addresses; what comes behind is left out */

struct hosts_file_entry;

/* Set path, leave the rest zero. */
struct hosts_file {
    const char *path;
    struct hosts_file_entry *entries;
    int64_t looked_ms; /* at the file */
    int64_t changed_ns;
};

/* The first name of the address, NULL: it has none. Valid until the next call. */
const char *hosts_file_find(struct hosts_file *hosts, const struct address *address);
void hosts_file_done(struct hosts_file *hosts);

#endif
