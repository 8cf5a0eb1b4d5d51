/* SPDX-License-Identifier: ISC */
/* patience: see patience.h. */
#include "patience.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* Above the socket, which libldap puts in its place after this; below TLS. */
#define LEVEL (LBER_SBIOD_LEVEL_PROVIDER + 1)

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int set_up(Sockbuf_IO_Desc *layer, void *limit_ms)
{
    int64_t *end_ms = malloc(sizeof(*end_ms));

    if (end_ms == NULL)
        return -1;
    *end_ms = now_ms() + *(const int64_t *)limit_ms;
    layer->sbiod_pvt = end_ms;
    return 0;
}

static int take_away(Sockbuf_IO_Desc *layer)
{
    free(layer->sbiod_pvt);
    layer->sbiod_pvt = NULL;
    return 0;
}

/* False: there is no time left. */
static bool wait_for(const Sockbuf_IO_Desc *layer, short event)
{
    struct pollfd ready = {.events = event};
    int64_t left_ms = *(const int64_t *)layer->sbiod_pvt - now_ms();

    if (ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &ready.fd) == 1 && left_ms > 0 &&
        poll(&ready, 1, (int)left_ms) > 0)
        return true;
    errno = ETIMEDOUT; /* not EAGAIN: libldap would try again at once */
    return false;
}

static ber_slen_t read_in_time(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    return wait_for(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, bytes, len) : -1;
}

static ber_slen_t write_in_time(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    return wait_for(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, bytes, len) : -1;
}

static int control(Sockbuf_IO_Desc *layer, int option, void *value)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, value);
}

static Sockbuf_IO patience_io = {
    .sbi_setup = set_up,
    .sbi_remove = take_away,
    .sbi_ctrl = control,
    .sbi_read = read_in_time,
    .sbi_write = write_in_time,
};

/* libldap calls it as soon as there is a connection, before TLS. */
static int on_connected(LDAP *handle, Sockbuf *socket, LDAPURLDesc *url, struct sockaddr *address,
                        struct ldap_conncb *callbacks)
{
    struct timeval *limit = NULL;
    int64_t limit_ms;

    (void)url;
    (void)address;
    (void)callbacks;
    if (ldap_get_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &limit) != LDAP_OPT_SUCCESS ||
        limit == NULL)
        return -1;
    limit_ms = limit->tv_sec * 1000 + limit->tv_usec / 1000;
    ldap_memfree(limit);
    return ber_sockbuf_add_io(socket, &patience_io, LEVEL, &limit_ms);
}

static void on_closed(LDAP *handle, Sockbuf *socket, struct ldap_conncb *callbacks)
{
    (void)handle;
    (void)socket;
    (void)callbacks;
}

static struct ldap_conncb callbacks = {.lc_add = on_connected, .lc_del = on_closed};

int patience_set(LDAP *handle)
{
    return ldap_set_option(handle, LDAP_OPT_CONNECT_CB, &callbacks);
}

void patience_end(LDAP *handle)
{
    Sockbuf *socket = NULL;

    if (ldap_get_option(handle, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS && socket != NULL)
        (void)ber_sockbuf_remove_io(socket, &patience_io, LEVEL);
}
