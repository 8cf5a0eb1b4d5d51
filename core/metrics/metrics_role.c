/* SPDX-License-Identifier: ISC */
/*
 * metrics_role: libmicrohttpd answers on a thread of its own; the loop's thread only lives and ends.
 */
#include "metrics/metrics_role.h"

#include "base/log.h"
#include "base/metrics.h"
#include "config/role.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define CONNECTION_S 10
#define CONNECTION_MEMORY ((size_t)16 * 1024)

struct metrics_role {
    struct MHD_Daemon *daemon;
    const void *memory;
    size_t size;
};

/* ---- answers --------------------------------------------------------------------------------- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *type, const void *text, size_t len)
{
    /* libmicrohttpd does not change what it copies; its prototype is older than const. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (response == NULL)
        return MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_plain(struct MHD_Connection *connection, unsigned status,
                                  const char *text)
{
    return send_text(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection,
                                    const struct metrics_role *own)
{
    struct buffer text = BUFFER_INIT;
    enum MHD_Result result;

    metrics_format(own->memory, own->size, &text);
    if (buffer_failed(&text))
        result = send_plain(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    else
        result = send_text(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                           text.len > 0 ? text.ptr : "", text.len);
    buffer_done(&text);
    return result;
}

/* A body that comes with the request is not looked at. */
static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    (void)version;
    (void)upload;
    (void)state;
    *upload_size = 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return send_plain(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
    if (strcmp(url, "/metrics") == 0)
        return send_metrics(connection, user);
    if (strcmp(url, "/healthz") == 0)
        return send_plain(connection, MHD_HTTP_OK, "ok\n");
    return send_plain(connection, MHD_HTTP_NOT_FOUND, "there is /metrics and /healthz\n");
}

/* ---- the role -------------------------------------------------------------------------------- */

static sluice_status metrics_start(struct role *role, struct error *err)
{
    struct metrics_role *own = calloc(1, sizeof(*own));
    int fd;

    if (own == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role->user = own;
    own->memory = role_shared_view("metrics", &own->size);
    if (own->memory == NULL)
        return error_set(err, SLUICE_TEMP, "no shared memory to look at");
    if (role->listener_count != 1 ||
        (fd = fcntl(role->listeners[0].fd, F_DUPFD_CLOEXEC, 0)) == -1)
        return error_set(err, SLUICE_TEMP, "no address to listen on");
    /* The daemon closes its socket in the end, as it does where it cannot start. */
    own->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, answer, own,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY, MHD_OPTION_END);
    if (own->daemon == NULL)
        return error_set(err, SLUICE_TEMP, "libmicrohttpd does not start");
    return SLUICE_OK;
}

static void metrics_link(struct role *role, const struct message_link *link, int fd)
{
    (void)role;
    (void)link;
    (void)close(fd); /* there is nothing to say to anybody */
}

static void metrics_drain(struct role *role)
{
    role_finished(role);
}

static void metrics_stop(struct role *role)
{
    struct metrics_role *own = role->user;

    if (own != NULL && own->daemon != NULL)
        MHD_stop_daemon(own->daemon);
    free(own);
}

int metrics_main(void)
{
    static const struct role_ops ops = {
        .name = "metrics",
        .start = metrics_start,
        .link = metrics_link,
        .drain = metrics_drain,
        .stop = metrics_stop,
    };

    return role_run(&ops);
}
