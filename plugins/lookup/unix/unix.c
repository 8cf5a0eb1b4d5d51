/* SPDX-License-Identifier: ISC */
/*
 * unix: the machine's own users and groups, wherever they are kept: "unix:passwd.byname" and
 * "unix:group.byname". The answer is the entry as in /etc/passwd or /etc/group.
 */
#include "../common/explain.h"

#include "sluice/lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 255          /* of a user or group that is asked for */
#define ENTRY_START ((size_t)1024)
#define ENTRY_MAX ((size_t)1024 * 1024) /* a group may have many members */

/* An entry as text into out. OK, NOT_FOUND, or with errno set TEMP; ERANGE: buffer is too small. */
typedef sluice_status ask(const char *name, char *buffer, size_t size, FILE *out);

struct sluice_lookup {
    ask *ask;
};

/* What the C library means by a number that is not 0: some say "no such user" with these. */
static sluice_status status_of(int error)
{
    if (error == 0 || error == ENOENT || error == ESRCH)
        return SLUICE_NOT_FOUND;
    errno = error;
    return SLUICE_TEMP;
}

static sluice_status ask_passwd(const char *name, char *buffer, size_t size, FILE *out)
{
    struct passwd entry, *found;
    int error = getpwnam_r(name, &entry, buffer, size, &found);

    if (error != 0 || found == NULL)
        return status_of(error);
    (void)fprintf(out, "%s:%s:%lu:%lu:%s:%s:%s", entry.pw_name, entry.pw_passwd,
                  (unsigned long)entry.pw_uid, (unsigned long)entry.pw_gid, entry.pw_gecos,
                  entry.pw_dir, entry.pw_shell); /* the caller asks the stream */
    return SLUICE_OK;
}

static sluice_status ask_group(const char *name, char *buffer, size_t size, FILE *out)
{
    struct group entry, *found;
    int error = getgrnam_r(name, &entry, buffer, size, &found);

    if (error != 0 || found == NULL)
        return status_of(error);
    (void)fprintf(out, "%s:%s:%lu:", entry.gr_name, entry.gr_passwd, (unsigned long)entry.gr_gid);
    for (char **member = entry.gr_mem; *member != NULL; member++)
        (void)fprintf(out, "%s%s", member == entry.gr_mem ? "" : ",", *member);
    return SLUICE_OK;
}

static sluice_status unix_open(const struct sluice_host *host, const struct sluice_config *config,
                               const char *name, const struct sluice_errors *errors,
                               struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;
    ask *wanted = NULL;

    (void)host;
    (void)config; /* no options */
    if (strcmp(name, "passwd.byname") == 0)
        wanted = ask_passwd;
    else if (strcmp(name, "group.byname") == 0)
        wanted = ask_group;
    if (wanted == NULL)
        return explain(errors, SLUICE_CONFIG, "unknown table: unix:%s", name);
    lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return explain(errors, SLUICE_TEMP, "unix: out of memory");
    lookup->ask = wanted;
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static void unix_close(struct sluice_lookup *lookup)
{
    free(lookup);
}

/* With a larger and larger buffer. */
static sluice_status ask_with_room(const struct sluice_lookup *lookup, const char *name, FILE *out)
{
    sluice_status st = SLUICE_TEMP;

    errno = ERANGE;
    for (size_t size = ENTRY_START; size <= ENTRY_MAX && st == SLUICE_TEMP && errno == ERANGE;
         size *= 4) {
        char *buffer = malloc(size);

        if (buffer == NULL)
            return SLUICE_TEMP; /* errno says so */
        st = lookup->ask(name, buffer, size, out);
        free(buffer);
    }
    return st;
}

static sluice_status unix_find(struct sluice_lookup *lookup, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    char name[NAME_MAX_LEN + 1];
    char *text = NULL;
    size_t len;
    FILE *out;
    sluice_status st;

    (void)deadline_ms; /* the C library knows none; the host waits no longer than that */
    if (key.len == 0 || key.len > NAME_MAX_LEN || memchr(key.ptr, '\0', key.len) != NULL)
        return SLUICE_NOT_FOUND;
    (void)snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr); /* has room */
    out = open_memstream(&text, &len);
    if (out == NULL)
        return explain(errors, SLUICE_TEMP, "unix: out of memory");
    st = ask_with_room(lookup, name, out);
    if (st == SLUICE_TEMP)
        (void)explain(errors, st, "unix: look up %s: %s", name, strerror(errno));
    if (fclose(out) == EOF && st == SLUICE_OK)
        st = explain(errors, SLUICE_TEMP, "unix: out of memory");
    if (st == SLUICE_OK)
        sink->value(sink, (struct sluice_span){text, len});
    free(text);
    return st;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = unix_open,
    .close = unix_close,
    .find = unix_find,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/unix",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "The users and groups of this machine: unix:passwd.byname, unix:group.byname",
    .mode = SLUICE_MODE_SERIAL,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
