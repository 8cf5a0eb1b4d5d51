/* SPDX-License-Identifier: ISC */
/* outbox: see outbox.h. */
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Above the socket and libldap's own buffer, below TLS. */
#define LEVEL ((LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2)

bool outbox_is_empty(const struct outbox *outbox)
{
    return outbox->first == outbox->end;
}

static bool keep(struct outbox *outbox, const char *bytes, size_t len)
{
    size_t left = outbox->end - outbox->first;
    char *all = left + len <= OUTBOX_MAX ? malloc(left + len) : NULL;

    if (all == NULL)
        return false;
    if (left > 0)
        memcpy(all, outbox->bytes + outbox->first, left);
    memcpy(all + left, bytes, len);
    free(outbox->bytes);
    outbox->bytes = all;
    outbox->first = 0;
    outbox->end = left + len;
    return true;
}

/* How much of that the socket takes; -1: it has broken. */
static ber_slen_t give(Sockbuf_IO_Desc *layer, char *bytes, size_t len)
{
    size_t given = 0;

    while (given < len) {
        ber_slen_t written = LBER_SBIOD_WRITE_NEXT(layer, bytes + given, len - given);

        if (written > 0)
            given += (size_t)written;
        else if (written == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (ber_slen_t)given;
}

void outbox_flush(struct outbox *outbox)
{
    ber_slen_t given;

    if (outbox_is_empty(outbox) || outbox->is_lost)
        return;
    given = give(outbox->layer, outbox->bytes + outbox->first, outbox->end - outbox->first);
    if (given < 0)
        outbox->is_lost = true;
    else
        outbox->first += (size_t)given;
    if (outbox_is_empty(outbox))
        outbox_done(outbox);
}

void outbox_done(struct outbox *outbox)
{
    free(outbox->bytes);
    outbox->bytes = NULL;
    outbox->first = outbox->end = 0;
}

/* ---- the layer ------------------------------------------------------------------------------- */

static int set_up(Sockbuf_IO_Desc *layer, void *arg)
{
    struct outbox *outbox = arg;

    layer->sbiod_pvt = outbox;
    outbox->layer = layer;
    return 0;
}

static int control(Sockbuf_IO_Desc *layer, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, arg);
}

static ber_slen_t read_through(Sockbuf_IO_Desc *layer, void *buffer, ber_len_t size)
{
    return LBER_SBIOD_READ_NEXT(layer, buffer, size);
}

static ber_slen_t take(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    struct outbox *outbox = layer->sbiod_pvt;
    ber_slen_t given = outbox_is_empty(outbox) ? give(layer, bytes, len) : 0;

    if (given < 0)
        return -1;
    if ((size_t)given < len && !keep(outbox, (char *)bytes + given, len - (size_t)given)) {
        errno = ENOBUFS; /* the connection is of no use: half a request is out */
        return -1;
    }
    return (ber_slen_t)len;
}

static int close_below(Sockbuf_IO_Desc *layer)
{
    struct outbox *outbox = layer->sbiod_pvt;

    outbox->is_lost = true;
    return 0;
}

bool outbox_place(struct outbox *outbox, LDAP *handle)
{
    static Sockbuf_IO io = {.sbi_setup = set_up,
                            .sbi_ctrl = control,
                            .sbi_read = read_through,
                            .sbi_write = take,
                            .sbi_close = close_below};
    Sockbuf *socket = NULL;

    return ldap_get_option(handle, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_add_io(socket, &io, LEVEL, outbox) == 0;
}
