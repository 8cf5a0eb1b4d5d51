/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/types.h: the words that every interface between Sluice and a plugin is written in.
 *
 * Rules that hold everywhere in these headers
 *   Structs    Each struct that crosses the boundary begins with its own size and only ever grows
 *              at its end. Zero it, set struct_size, fill in what you know. Read a member that
 *              came after 1.0 only through SLUICE_HAS.
 *   Memory     Nobody frees what the other side allocated. Inputs are borrowed for the call.
 *              Answers go into a sink, which copies before it returns.
 *   Status     OK, NOT_FOUND, TEMP, PERM, CONFIG, UNSUPPORTED. A value that the host does not know,
 *              a missing answer and a failed allocation all count as TEMP: what is not understood
 *              is tried again, never lost.
 *   Tags       Each function says where it runs and whether it may wait:
 *                [any]   any thread, never waits
 *                [main]  the role's main thread, before or after all work; may block briefly
 *                [call]  as the plugin's mode says (see enum sluice_mode in plugin.h)
 *                [task]  on a task of the role's event loop; waits only through the host
 *   Time       Comes from the host: as an argument, or from "sluice.clock/1". Deadlines are
 *              milliseconds of the monotonic clock; instants are milliseconds since 1970 UTC.
 *   Text       Spans of bytes, not NUL-terminated, unless the type is const char *.
 *
 * Changes: 1.0 first version. 1.1, 1.2 transport.h. 1.3 queue.h, transport.h. 1.4 access.h, host.h, lookup.h.
 */
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For messages and bug reports; nobody branches on it. */
#define SLUICE_ABI_MINOR 4

/* True if ops was built by a side that knows the member fn, and fn is filled in. */
#define SLUICE_HAS(type, ops, fn)                                                                  \
    ((ops)->struct_size >= offsetof(type, fn) + sizeof((ops)->fn) && (ops)->fn != NULL)

/* What happened, in the words an MTA acts on. */
typedef int32_t sluice_status;
#define SLUICE_OK ((sluice_status)0)
#define SLUICE_NOT_FOUND ((sluice_status)1)   /* an answer: no such key; in a chain: not mine */
#define SLUICE_TEMP ((sluice_status)2)        /* try again later */
#define SLUICE_PERM ((sluice_status)3)        /* never try this again */
#define SLUICE_CONFIG ((sluice_status)4)      /* an operator must act; until then it is TEMP */
#define SLUICE_UNSUPPORTED ((sluice_status)5) /* this plugin cannot do that */

/* Borrowed bytes, not NUL-terminated. ptr may be NULL when len is 0. */
struct sluice_span {
    const char *ptr;
    size_t len;
};

/* The span of a C string; NULL gives an empty span. */
static inline struct sluice_span sluice_span_of(const char *text)
{
    struct sluice_span span;

    span.ptr = text;
    span.len = text != NULL ? strlen(text) : 0;
    return span;
}

/*
 * Where a failure is explained. The host hands one in wherever a plugin may fail; call it at most
 * once for each failure, before returning a status other than OK and NOT_FOUND. Both texts are
 * copied before it returns. [any]
 */
struct sluice_errors {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * dsn: an enhanced status code as in RFC 3463 ("4.4.1"), or NULL where none fits.
     * text: one line for the postmaster: what was tried, on what, why it failed.
     */
    void (*explain)(const struct sluice_errors *errors, const char *dsn, const char *text);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_TYPES_H */
