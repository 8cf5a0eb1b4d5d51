/* SPDX-License-Identifier: ISC */
/* station: what the plugins that have mailboxes open once. See deposit.h. */
#include "deposit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static sluice_status fail(const struct sluice_errors *errors, sluice_status status,
                          const char *text)
{
    errors->explain(errors, status == SLUICE_CONFIG ? "4.3.5" : "4.3.0", text);
    return status;
}

sluice_status station_open(struct station *station, const struct sluice_host *host,
                           const struct sluice_config *config, const struct sluice_errors *errors)
{
    *station = (struct station){
        .host = host,
        .clock = host->get_service(host, SLUICE_CLOCK_ID),
        .io = host->get_service(host, SLUICE_IO_ID),
        .offload = host->get_service(host, SLUICE_OFFLOAD_ID),
        .log = host->get_service(host, SLUICE_LOG_ID),
        .lock_attempts = config->get_number(config, "deliver_lock_attempts"),
        .lock_delay_ms = config->get_number(config, "deliver_lock_delay"),
        .stale_lock_ms = config->get_number(config, "stale_lock_time"),
    };
    if (station->clock == NULL || station->io == NULL || station->offload == NULL ||
        station->log == NULL)
        return fail(errors, SLUICE_CONFIG,
                    "needs the services sluice.clock/1, io/1, offload/1 and log/1");
    const char *hostname = config->get_text(config, "myhostname");
    if (hostname == NULL || strchr(hostname, '/') != NULL || strlen(hostname) > 128)
        return fail(errors, SLUICE_CONFIG, "myhostname cannot be part of a file's name");
    station->hostname = strdup(hostname);
    return station->hostname != NULL ? SLUICE_OK : fail(errors, SLUICE_TEMP, "out of memory");
}

void station_close(struct station *station)
{
    free(station->hostname);
    station->hostname = NULL;
}

sluice_status station_locks(const struct sluice_config *config, const char *option,
                            const struct sluice_errors *errors, unsigned *ret_locks)
{
    size_t count = config->get_count(config, option);

    *ret_locks = 0;
    for (size_t i = 0; i < count; i++) {
        const char *item = config->get_item(config, option, i);

        if (strcmp(item, "fcntl") == 0)
            *ret_locks |= MAILBOX_LOCK_FCNTL;
        else if (strcmp(item, "dotlock") == 0)
            *ret_locks |= MAILBOX_LOCK_DOTLOCK;
        else
            return fail(errors, SLUICE_CONFIG, "locks of mailboxes are fcntl and dotlock");
    }
    return SLUICE_OK;
}

void station_warn(const struct station *station, const char *format, ...)
{
    char line[RESULT_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    station->log->write(station->host, SLUICE_LOG_WARNING, line);
}

sluice_status station_become(const struct rights *rights, struct result *result)
{
    int error = rights_take(rights);

    if (error == 0)
        return SLUICE_OK;
    return result_set(result, SLUICE_TEMP, "4.3.5", "no right to deliver as user %lu: %s",
                      (unsigned long)rights->uid, strerror(error));
}
