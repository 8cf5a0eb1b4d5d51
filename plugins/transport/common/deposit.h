/* SPDX-License-Identifier: ISC */
/*
 * deposit: one message into one mailbox: what is to be written is put together on the task, and written
 * on threads of the instance, with the rights of who owns the mailbox. Where somebody else has locked
 * the mailbox the task waits, and no thread.
 */
#ifndef SLUICE_TRANSPORT_DEPOSIT_H
#define SLUICE_TRANSPORT_DEPOSIT_H

#include "mailbox.h"
#include "rights.h"

#include "sluice/host.h"
#include "sluice/transport.h"

/* What all deposits of an instance have in common. */
struct station {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_io *io;
    const struct sluice_offload *offload;
    const struct sluice_log *log;
    char *hostname;
    int64_t lock_attempts;
    int64_t lock_delay_ms;
    int64_t stale_lock_ms;
};

/* Rows of the option table of a plugin that has a station. */
#define STATION_OPTIONS                                                                            \
    {"myhostname",                                                                                 \
     SLUICE_OPT_STRING,                                                                            \
     SLUICE_OPT_REQUIRED | SLUICE_OPT_GLOBAL,                                                      \
     NULL,                                                                                         \
     NULL,                                                                                         \
     "Our name, as it is in the names of a maildir's files"},                                      \
        {"deliver_lock_attempts",                                                                  \
         SLUICE_OPT_INTEGER,                                                                       \
         SLUICE_OPT_GLOBAL,                                                                        \
         "20",                                                                                     \
         "1..1000",                                                                                \
         "How often a mailbox that is locked is tried in one attempt"},                            \
        {"deliver_lock_delay",       SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "1s", "0s..1h",       \
         "Time between two of these"},                                                             \
    {                                                                                              \
        "stale_lock_time", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "500s", "1s..",                 \
            "Age at which a lock file is taken for forgotten, and removed"                         \
    }

/* CONFIG or TEMP, explained. [main] */
sluice_status station_open(struct station *station, const struct sluice_host *host,
                           const struct sluice_config *config, const struct sluice_errors *errors);
void station_close(struct station *station); /* of one that is zero, too */
/* The MAILBOX_LOCK_... that an option names. [main] */
sluice_status station_locks(const struct sluice_config *config, const char *option,
                            const struct sluice_errors *errors, unsigned *ret_locks);

/* Tells the operator, in printf's way: what is wrong with the configuration. [any] */
void station_warn(const struct station *station, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As rights_take, with a result that says whose rights cannot be had; rights_return is the other half.
 * On a thread. */
sluice_status station_become(const struct rights *rights, struct result *result);

/* OK with "delivered to maildir" or "delivered to mailbox" in the result, or why not. [task: waits] */
sluice_status deposit(const struct station *station, const struct sluice_message *message,
                      const struct sluice_recipient *recipient, const struct mailbox_target *target,
                      const struct rights *rights, int64_t deadline_ms, struct result *result);

#endif
