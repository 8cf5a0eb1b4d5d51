/* SPDX-License-Identifier: ISC */
/*
 * listeners: socket, bind, listen. An IPv6 socket takes IPv6 alone, so that "0.0.0.0:25" and
 * "[::]:25" can stand beside each other.
 */
#include "master/listeners.h"

#include "base/log.h"
#include "metrics/metrics_role.h"
#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define NAME_SIZE 128

static bool set_up(int fd, const struct address *address)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
        return false;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
        return false;
    return bind(fd, &address->any, address->len) == 0 && listen(fd, BACKLOG) == 0;
}

/* Says the address that it really is: port 0 stands for any free one. */
static void log_listener(int fd, const char *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address bound;
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &len) == -1) {
        log_info("listening on %s", address);
        return;
    }
    address_from_sockaddr((const struct sockaddr *)&name, len, &bound);
    log_info("listening on %s", address_format_port(&bound, text));
}

sluice_status listener_open(const char *address, bool is_optional, int *ret_fd, struct error *err)
{
    struct address parsed;
    sluice_status status = address_parse_listen(sluice_span_of(address), &parsed, err);

    if (status != SLUICE_OK)
        return status;
    int fd = socket(parsed.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd != -1 && set_up(fd, &parsed)) {
        log_listener(fd, address);
        *ret_fd = fd;
        return SLUICE_OK;
    }
    int error = errno;
    if (fd != -1)
        (void)close(fd); /* nobody has used it */
    if (is_optional && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
        log_warning("not listening on %s: %s", address, strerror(error));
        *ret_fd = -1;
        return SLUICE_OK;
    }
    return error_set(err, SLUICE_TEMP, "listen on %s: %s", address, strerror(error));
}

sluice_status listeners_add(struct listeners *listeners, const char *address, int fd)
{
    char *copy = strdup(address);
    struct role_listener *list =
        reallocarray(listeners->list, listeners->count + 1, sizeof(*listeners->list));

    if (list != NULL)
        listeners->list = list;
    if (copy == NULL || list == NULL) {
        free(copy);
        return SLUICE_TEMP;
    }
    list[listeners->count++] = (struct role_listener){.address = copy, .fd = fd};
    return SLUICE_OK;
}

bool listener_is_metrics(const char *address)
{
    return strncmp(address, METRICS_LISTENER, sizeof(METRICS_LISTENER) - 1) == 0;
}

static sluice_status parse_name(const char *name, struct address *ret_address)
{
    if (listener_is_metrics(name))
        name += sizeof(METRICS_LISTENER) - 1;
    return address_parse_listen(sluice_span_of(name), ret_address, NULL);
}

/* The socket of that address in a list, or -1. */
static int find_listener(const struct listeners *listeners, const char *address)
{
    struct address wanted;
    struct address has;

    if (address_parse_listen(sluice_span_of(address), &wanted, NULL) != SLUICE_OK)
        return -1;
    for (size_t i = 0; i < listeners->count; i++) {
        if (parse_name(listeners->list[i].address, &has) == SLUICE_OK &&
            has.len == wanted.len && memcmp(&has.any, &wanted.any, has.len) == 0)
            return listeners->list[i].fd;
    }
    return -1;
}

static sluice_status keep_or_open(const struct listeners *before, const char *address,
                                  bool is_optional, int *ret_fd, struct error *err)
{
    int kept = before != NULL ? find_listener(before, address) : -1;
    if (kept == -1)
        return listener_open(address, is_optional, ret_fd, err);
    int fd = fcntl(kept, F_DUPFD_CLOEXEC, 0);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "listen on %s: %s", address, strerror(errno));
    *ret_fd = fd;
    return SLUICE_OK;
}

/* prefix: of the name that the listener is told apart by. */
static sluice_status open_and_add(const struct listeners *before, const char *prefix,
                                  const char *address, bool is_optional,
                                  struct listeners *listeners, struct error *err)
{
    char name[NAME_SIZE];
    int fd;
    sluice_status status = keep_or_open(before, address, is_optional, &fd, err);

    if (status != SLUICE_OK || fd == -1)
        return status;
    (void)snprintf(name, sizeof(name), "%s%s", prefix, address); /* it is an address, and so short */
    if (listeners_add(listeners, name, fd) == SLUICE_OK)
        return SLUICE_OK;
    (void)close(fd); /* nobody has used it */
    return error_set(err, SLUICE_TEMP, "out of memory");
}

sluice_status listeners_open(const struct config *config, const struct listeners *before,
                             struct listeners *ret_listeners, struct error *err)
{
    size_t count = config_count(config, "listen");
    /* By default both families are tried. */
    bool is_optional =
        !config_is_set(config, "listen") && !config_is_set(config, "inet_interfaces");
    const char *metrics = config_text(config, "metrics_listen");
    struct listeners listeners = {0};
    sluice_status status = SLUICE_OK;

    for (size_t i = 0; i < count && status == SLUICE_OK; i++)
        status = open_and_add(before, "", config_item(config, "listen", i), is_optional, &listeners,
                              err);
    if (status != SLUICE_OK) {
        error_prefix(err, "%s", config_origin(config, "listen"));
    } else if (metrics[0] != '\0') {
        status = open_and_add(before, METRICS_LISTENER, metrics, false, &listeners, err);
        if (status != SLUICE_OK)
            error_prefix(err, "%s: metrics_listen", config_origin(config, "metrics_listen"));
    }
    if (status != SLUICE_OK) {
        listeners_close(&listeners);
        return status;
    }
    *ret_listeners = listeners;
    return SLUICE_OK;
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        (void)close(listeners->list[i].fd); /* listening only */
        free((char *)listeners->list[i].address);
    }
    free(listeners->list);
    *listeners = (struct listeners){0};
}
