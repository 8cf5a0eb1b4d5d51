/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/lookup.h: what does this key map to?
 *
 * An instance is one table, named type:name in the configuration: for "hash:/etc/sluice/transport"
 * the plugin is lookup/hash and open() gets the name "/etc/sluice/transport". The host folds the
 * key to lower case (unless SLUICE_LOOKUP_EXACT), tries the partial keys of each use, measures the
 * call, and turns an answer of OK with an empty value into TEMP: an empty value is an error.
 *
 * A call sequence
 *   open("/etc/sluice/transport")          OK, or CONFIG with a text: the host then answers every
 *                                          find with TEMP and opens again, at growing intervals
 *   find("customer.tld")                   sink->value("etrn-only:[mail.customer.tld]"), OK
 *   find("other.tld")                      NOT_FOUND
 *   find("customer.tld")                   the file is gone: errors->explain(...), TEMP
 *   close()
 *
 * Changes: 1.0 first version. 1.3 flags of a sink; tables of tables; sluice_user_len. 1.4 maintain.
 */
#ifndef SLUICE_LOOKUP_H
#define SLUICE_LOOKUP_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_LOOKUP_ID "sluice.lookup/1"

struct sluice_lookup; /* the plugin's own: one table */

#define SLUICE_LOOKUP_EXACT ((uint32_t)1 << 0)    /* keys are not folded to lower case */
#define SLUICE_LOOKUP_PATTERNS ((uint32_t)1 << 1) /* keys are matched whole: no partial keys */
#define SLUICE_LOOKUP_WRITABLE ((uint32_t)1 << 2) /* the writer members are there */
/* The name is a list of other tables, "{type:name, type:name}", which the host makes instances of, for
 * the plugin to ask through SLUICE_TABLES_ID; to the host it is PATTERNS if the first of them is. [1.3] */
#define SLUICE_LOOKUP_OF_TABLES ((uint32_t)1 << 3)

/* Flags of a sink: what the answer is for. */
/* A value must not have parts of the key in it: TEMP with a text instead. [1.3] */
#define SLUICE_SINK_NO_SUBSTITUTION ((uint64_t)1 << 0)

struct sluice_lookup_sink {
    uint32_t struct_size;
    uint32_t reserved;
    /* One value; may be called more than once, the host joins the values with commas. */
    void (*value)(const struct sluice_lookup_sink *sink, struct sluice_span value);
    uint64_t flags; /* SLUICE_SINK_... [1.3] */
};

/* 1 if the sink has that flag; one of a host before 1.3 has none. */
static inline int32_t sluice_sink_has(const struct sluice_lookup_sink *sink, uint64_t flag)
{
    return sink->struct_size >= sizeof(*sink) && (sink->flags & flag) != 0 ? 1 : 0;
}

/* For dumping a table. */
struct sluice_lookup_entry_sink {
    uint32_t struct_size;
    uint32_t reserved;
    /* One entry; a status other than OK ends the listing, which then returns it. */
    sluice_status (*entry)(const struct sluice_lookup_entry_sink *sink, struct sluice_span key,
                           struct sluice_span value);
};

/* 1 if text begins (at_end 0) or ends with the word, in any case; word: lower case. [1.3] */
static inline int32_t sluice_has_word(struct sluice_span text, const char *word, int32_t at_end)
{
    size_t len = strlen(word);
    const char *at = at_end && text.len > len ? text.ptr + (text.len - len) : text.ptr;

    if (text.len < len)
        return 0;
    for (size_t i = 0; i < len; i++) {
        char c = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] - 'A' + 'a') : at[i];
        if (c != word[i])
            return 0;
    }
    return 1;
}

/*
 * The length of a plain local part without its extension, for keys that leave it out: what comes before
 * the first of the delimiters (recipient_delimiter). All of it where nothing would be left, for
 * postmaster, mailer-daemon and double-bounce, and where - is a delimiter for owner-list and
 * list-request. [1.3]
 */
static inline size_t sluice_user_len(struct sluice_span local, const char *delimiters)
{
    static const char *const whole[] = {"postmaster", "mailer-daemon", "double-bounce"};
    size_t len = 0;

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (local.len == strlen(whole[i]) && sluice_has_word(local, whole[i], 0))
            return local.len;
    }
    if (strchr(delimiters, '-') != NULL &&
        (sluice_has_word(local, "owner-", 0) ||
         (local.len > strlen("-request") && sluice_has_word(local, "-request", 1))))
        return local.len;
    while (len < local.len && (local.ptr[len] == '\0' || strchr(delimiters, local.ptr[len]) == NULL))
        len++;
    return len > 0 ? len : local.len;
}

/* What the host is told by a table that follows its source of its own accord. [1.4] */
struct sluice_lookup_notice {
    uint32_t struct_size;
    uint32_t reserved;
    /* Answers may be others from now on, and so may be what generation says: those that the host has
     * kept count no more. [task] */
    void (*changed)(const struct sluice_lookup_notice *notice);
};

struct sluice_lookup_writer; /* the plugin's own: one table being built */

struct sluice_lookup_ops {
    uint32_t struct_size;
    uint32_t flags; /* SLUICE_LOOKUP_... */

    /* Required. name: what follows the colon. *ret_lookup only on OK. [main] */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const char *name, const struct sluice_errors *errors,
                          struct sluice_lookup **ret_lookup);
    /* Required. Accepts NULL. In mode "task" no call of the plugin is under way, also none to another of
     * its tables. [main] */
    void (*close)(struct sluice_lookup *lookup);
    /*
     * Required. OK after at least one value, NOT_FOUND, or TEMP with a text. A miss and a failure
     * are never confused: what cannot be asked is TEMP. Notices by itself when the table has
     * changed. [call]
     */
    sluice_status (*find)(struct sluice_lookup *lookup, struct sluice_span key,
                          int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                          const struct sluice_errors *errors);

    /* Optional: a number that is another one when the table's content has changed, the same in all
     * processes. TEMP: not known now; UNSUPPORTED: this table cannot tell. [call] */
    sluice_status (*generation)(struct sluice_lookup *lookup, uint64_t *ret_generation);
    /* Optional: every entry, in storage order. [call] */
    sluice_status (*list)(struct sluice_lookup *lookup, const struct sluice_lookup_entry_sink *sink,
                          const struct sluice_errors *errors);

    /*
     * Optional, together: building a table, for postmap. A build goes to one side and takes the old
     * table's place whole in write_commit, or not at all.
     *   write_open    is_update: start from the entries that are there; else from none.
     *                 mode: permissions of new files.
     *   write_put     OK; NOT_FOUND if the key is there already and replace is 0; a text in errors is
     *                 then the name of the file, for the warning.
     *   write_remove  OK or NOT_FOUND.
     *   write_commit  Makes the new table visible and durable. Ends the writer in any case.
     *   write_abort   Ends the writer; the old table stays. Accepts NULL.
     * [main]
     */
    sluice_status (*write_open)(const struct sluice_host *host, const struct sluice_config *config,
                                const char *name, int32_t is_update, uint32_t mode,
                                const struct sluice_errors *errors,
                                struct sluice_lookup_writer **ret_writer);
    sluice_status (*write_put)(struct sluice_lookup_writer *writer, struct sluice_span key,
                               struct sluice_span value, int32_t replace,
                               const struct sluice_errors *errors);
    sluice_status (*write_remove)(struct sluice_lookup_writer *writer, struct sluice_span key,
                                  const struct sluice_errors *errors);
    sluice_status (*write_commit)(struct sluice_lookup_writer *writer,
                                  const struct sluice_errors *errors);
    void (*write_abort)(struct sluice_lookup_writer *writer);

    /*
     * Optional, not for plugins that are asked on threads: what a table does beside its look-ups, such as
     * following the changes of a server. Called in a process that has the table for all others (its options shared
     * and isolate), on a task of its own for as long as the table is open, and again a second after it
     * has returned. It may wait for as long as it likes, and returns when the task is cancelled, which
     * sluice_io.sleep tells: close() comes after that. [task: waits] [1.4]
     */
    void (*maintain)(struct sluice_lookup *lookup, const struct sluice_lookup_notice *notice);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_LOOKUP_H */
