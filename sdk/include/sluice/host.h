/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/host.h: what the daemon does for a plugin.
 *
 * Each instance gets a struct sluice_host in open(); it stays valid until close() returns. Ask it
 * for services by id, once, in open(), and keep the pointer. A service that this host does not
 * have is NULL: say so with SLUICE_CONFIG if you cannot do without.
 *
 *   const struct sluice_log *log = host->get_service(host, SLUICE_LOG_ID);
 *
 * Which service where: log, clock and memory from any thread; io, gates, dns, offload, explain and tables
 * only on a task, that is in plugins of mode "task" (SLUICE_MODE_TASK).
 *
 * Changes: 1.0 first version. 1.3 NS and TXT; tables: find_part, find_for, generation. 1.4 io:
 * wait_fd and its friends; gates; explain.
 */
#ifndef SLUICE_HOST_H
#define SLUICE_HOST_H

#include "sluice/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_host {
    uint32_t struct_size;
    uint32_t abi_minor;
    const char *version;  /* of Sluice: "0.1.0" */
    const char *instance; /* the configured name: "hash:/etc/sluice/transport", "etrn-only" */
    /* The service of that id, or NULL. The pointer lives as long as the host. [any] */
    const void *(*get_service)(const struct sluice_host *host, const char *id);
};

/*
 * The configured options of an instance, checked and with defaults filled in: a handle to ask, not
 * to keep; copy in open() what is needed later. Keys are those of the option table; asking for
 * another key or as another type gives the zero value of the return type. [main]
 */
struct sluice_config {
    uint32_t struct_size;
    uint32_t reserved;
    /* 1 if the option is set or has a default. An empty value is set. */
    int32_t (*is_set)(const struct sluice_config *config, const char *key);
    /* STRING, PATH, ENUM. NUL-terminated, valid until open() returns; NULL if not set. */
    const char *(*get_text)(const struct sluice_config *config, const char *key);
    /* INTEGER; BOOLEAN as 0 or 1; DURATION in milliseconds; SIZE in bytes. */
    int64_t (*get_number)(const struct sluice_config *config, const char *key);
    /* LIST: number of items, and the item of an index below it. */
    size_t (*get_count)(const struct sluice_config *config, const char *key);
    const char *(*get_item)(const struct sluice_config *config, const char *key, size_t index);
};

/* ---- log ------------------------------------------------------------------------------------ */

#define SLUICE_LOG_ID "sluice.log/1"
#define SLUICE_LOG_ERROR ((int32_t)1)   /* wake somebody */
#define SLUICE_LOG_WARNING ((int32_t)2) /* look today */
#define SLUICE_LOG_NOTICE ((int32_t)3)  /* mail moved */
#define SLUICE_LOG_INFO ((int32_t)4)    /* connections */
#define SLUICE_LOG_DEBUG ((int32_t)5)

struct sluice_log {
    uint32_t struct_size;
    uint32_t reserved;
    /* One event, one line. The host adds time, role, plugin and instance; control characters are
     * made visible. Never waits: lines may be dropped under pressure, and are counted. [any] */
    void (*write)(const struct sluice_host *host, int32_t level, const char *line);
};

/* ---- clock ---------------------------------------------------------------------------------- */

#define SLUICE_CLOCK_ID "sluice.clock/1"

struct sluice_clock {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t (*wall_ms)(const struct sluice_host *host);      /* since 1970 UTC [any] */
    int64_t (*monotonic_ms)(const struct sluice_host *host); /* for deadlines [any] */
};

/* ---- memory --------------------------------------------------------------------------------- */

#define SLUICE_MEMORY_ID "sluice.memory/1"

/* Optional: memory that the host counts for this instance. malloc() is as good. */
struct sluice_memory {
    uint32_t struct_size;
    uint32_t reserved;
    void *(*alloc)(const struct sluice_host *host, size_t size); /* NULL when there is none [any] */
    void (*free)(const struct sluice_host *host, void *ptr);     /* accepts NULL [any] */
};

/* ---- metrics -------------------------------------------------------------------------------- */

#define SLUICE_METRICS_ID "sluice.metrics/1"

struct sluice_metrics {
    uint32_t struct_size;
    uint32_t reserved;
    /* Adds to a counter of this instance; name in lower case with underscores. [any] */
    void (*count)(const struct sluice_host *host, const char *name, uint64_t add);
};

/* ---- io ------------------------------------------------------------------------------------- */

#define SLUICE_IO_ID "sluice.io/1"

struct sluice_stream; /* a connected byte stream of the host's */

/* Where to connect to: a numeric address, never a name; or the absolute path of a local socket. */
struct sluice_endpoint {
    uint32_t struct_size;
    uint32_t port;              /* 1..65535; any for a path */
    struct sluice_span address; /* "192.0.2.1", "2001:db8::1", "/run/dovecot/lmtp" */
};

#define SLUICE_IO_READABLE ((uint32_t)1 << 0)
#define SLUICE_IO_WRITABLE ((uint32_t)1 << 1)

struct sluice_io {
    uint32_t struct_size;
    uint32_t reserved;
    /* A connection. TEMP with a text ("Connection refused") when it cannot be had before the
     * deadline. [task: waits] */
    sluice_status (*connect)(const struct sluice_host *host, const struct sluice_endpoint *to,
                             int64_t deadline_ms, const struct sluice_errors *errors,
                             struct sluice_stream **ret_stream);
    /* At least one byte, or OK with 0 at the end of the stream. TEMP at the deadline, when the
     * connection breaks, or when the task is cancelled. [task: waits] */
    sluice_status (*read)(struct sluice_stream *stream, void *buffer, size_t size,
                          int64_t deadline_ms, size_t *ret_len);
    /* All of data, in order. TEMP as for read; how much went out is then unknown. [task: waits] */
    sluice_status (*write)(struct sluice_stream *stream, struct sluice_span data,
                           int64_t deadline_ms);
    /* 1 if a read would return at once: bytes, end of stream or an error. [task] */
    int32_t (*is_readable)(struct sluice_stream *stream);
    /* Why the last call on this stream failed: "timed out", "Connection reset by peer". [task] */
    const char *(*explain)(struct sluice_stream *stream);
    /* Accepts NULL. [task] */
    void (*close)(struct sluice_stream *stream);
    /* Until then or until the task is cancelled (TEMP). A time that is past lets all others run once. [task: waits] */
    sluice_status (*sleep)(const struct sluice_host *host, int64_t deadline_ms);
    /*
     * Since 1.4: for a library with a descriptor of its own. Until it is readable or writable (events:
     * SLUICE_IO_...), or has an error: OK, only a hint, so look again; TEMP at the deadline or when the
     * task is cancelled. One task for each descriptor and direction. [task: waits]
     */
    sluice_status (*wait_fd)(const struct sluice_host *host, int32_t fd, uint32_t events,
                             int64_t deadline_ms);
    /* Since 1.4: makes later waits for that descriptor cheap, until forget_fd, which must come before
     * it is closed. TEMP: no memory; waits work all the same. [task] */
    sluice_status (*keep_fd)(const struct sluice_host *host, int32_t fd);
    /* Nobody may be waiting for it. One that is not kept is ignored. [task] */
    void (*forget_fd)(const struct sluice_host *host, int32_t fd);
};

/* ---- gates ---------------------------------------------------------------------------------- */

#define SLUICE_GATES_ID "sluice.gates/1"

struct sluice_gate; /* where tasks of a plugin wait for each other */

/* Since 1.4. */
struct sluice_gates {
    uint32_t struct_size;
    uint32_t reserved;
    /* TEMP: no memory. [task] */
    sluice_status (*make)(const struct sluice_host *host, struct sluice_gate **ret_gate);
    /* Until another task opens the gate for this one: OK. TEMP at the deadline or when the task is
     * cancelled. [task: waits] */
    sluice_status (*wait)(struct sluice_gate *gate, int64_t deadline_ms);
    /* Lets who has waited longest go on, at the next turn; 0: nobody waits, and nothing is kept for
     * who comes later. [task] */
    int32_t (*open_one)(struct sluice_gate *gate);
    /* The same for all who wait now. [task] */
    void (*open_all)(struct sluice_gate *gate);
    /* Nobody may be waiting. Accepts NULL. [task] */
    void (*free)(struct sluice_gate *gate);
};

/* ---- dns ------------------------------------------------------------------------------------ */

#define SLUICE_DNS_ID "sluice.dns/1"
#define SLUICE_DNS_A ((uint32_t)1)
#define SLUICE_DNS_NS ((uint32_t)2) /* since 1.3 */
#define SLUICE_DNS_PTR ((uint32_t)12)
#define SLUICE_DNS_MX ((uint32_t)15)
#define SLUICE_DNS_TXT ((uint32_t)16) /* since 1.3 */
#define SLUICE_DNS_AAAA ((uint32_t)28)

struct sluice_dns_record {
    uint32_t struct_size;
    uint32_t type;
    uint32_t preference;       /* MX */
    uint32_t ttl_s;
    struct sluice_span target; /* A, AAAA: numeric address. MX, PTR, NS: host name without the final
                                  dot, empty for the root. TXT: the text, long ones cut */
};

struct sluice_dns_sink {
    uint32_t struct_size;
    uint32_t reserved;
    /* Called for each record, in the order of the answer; CNAMEs have been followed. The record is
     * borrowed for the call. */
    void (*record)(const struct sluice_dns_sink *sink, const struct sluice_dns_record *record);
};

struct sluice_dns {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * OK with at least one record; NOT_FOUND if the name does not exist or has none of that type;
     * TEMP for SERVFAIL, time-outs and everything else. name: a host name in ASCII. Since 1.3
     * NOT_FOUND explains itself, too, as resolvers do ("Host not found"). [task: waits]
     */
    sluice_status (*query)(const struct sluice_host *host, struct sluice_span name, uint32_t type,
                           int64_t deadline_ms, const struct sluice_dns_sink *sink,
                           const struct sluice_errors *errors);
};

/* ---- offload -------------------------------------------------------------------------------- */

#define SLUICE_OFFLOAD_ID "sluice.offload/1"

struct sluice_offload {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * For a plugin of mode "task" that must call something that blocks: runs work(argument) on a
     * thread of this instance and waits for it. OK with *ret_status = what work returned; argument
     * is the caller's again. TEMP at the deadline or when the task is cancelled: work may go on, so
     * argument is the host's now, which calls release(argument) when work has ended.
     * [task: waits]
     */
    sluice_status (*run)(const struct sluice_host *host, sluice_status (*work)(void *argument),
                         void (*release)(void *argument), void *argument, int64_t deadline_ms,
                         sluice_status *ret_status);
};

/* ---- explain -------------------------------------------------------------------------------- */

#define SLUICE_EXPLAIN_ID "sluice.explain/1"

struct sluice_note {
    const char *name; /* in lower case with underscores; not step, steps or status */
    struct sluice_span text;
};

/* Since 1.4: for `sluice explain` and `sluice table query -v`, which show what was done for an answer. */
struct sluice_explain {
    uint32_t struct_size;
    uint32_t reserved;
    /* 1 if somebody wants to hear of this call of the plugin; else what is said goes nowhere. [task] */
    int32_t (*is_wanted)(const struct sluice_host *host);
    /* A step that was taken (its name like a note's), what came of it, and what belongs to it: the
     * server that was asked, the filter (count of them, note_size bytes apart). No secrets. All is
     * copied. [task] */
    void (*say)(const struct sluice_host *host, const char *step, sluice_status status,
                const struct sluice_note *notes, size_t count, size_t note_size);
};

/* ---- tables --------------------------------------------------------------------------------- */

#define SLUICE_TABLES_ID "sluice.tables/1"

struct sluice_lookup_sink; /* lookup.h */

struct sluice_tables {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * Looks a key up in a table of the configuration by its name ("hash:/etc/sluice/x"), which must
     * be an item of one of the instance's options, or an argument of a restriction. The key is folded,
     * and asked for once, as it is. Status and calls of value as for sluice_lookup_ops.find; several
     * values come as one, with commas. [task: waits]
     */
    sluice_status (*find)(const struct sluice_host *host, const char *table,
                          struct sluice_span key, int64_t deadline_ms, void *user,
                          void (*value)(void *user, struct sluice_span value),
                          const struct sluice_errors *errors);
    /* since 1.3: the same for a key that is a part of what is looked for (a parent domain): tables of
     * patterns, which are matched whole, are not asked. [task: waits] */
    sluice_status (*find_part)(const struct sluice_host *host, const char *table,
                               struct sluice_span key, int64_t deadline_ms, void *user,
                               void (*value)(void *user, struct sluice_span value),
                               const struct sluice_errors *errors);
    /* As find, for a table that asks others: the value goes to a sink, and what the sink's flags ask
     * for is kept to. [task: waits] [1.3] */
    sluice_status (*find_for)(const struct sluice_host *host, const char *table,
                              struct sluice_span key, int64_t deadline_ms,
                              const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors);
    /* As sluice_lookup_ops.generation; UNSUPPORTED where the table has none. [task] [1.3] */
    sluice_status (*generation)(const struct sluice_host *host, const char *table,
                                uint64_t *ret_generation);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_HOST_H */
