/* SPDX-License-Identifier: ISC */
/* sync_link: see sync_link.h. */
#include "sync_link.h"

#include "connect.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define WAIT_MS 1000
#define SEPARATORS " \t\r\n"
#define URL_MAX 512

static int64_t now_of(const struct sync_link *link)
{
    const struct sluice_clock *clock = link->host->get_service(link->host, SLUICE_CLOCK_ID);

    return clock->monotonic_ms(link->host);
}

static const struct sluice_io *io_of(const struct sync_link *link)
{
    return link->host->get_service(link->host, SLUICE_IO_ID);
}

static sluice_status lost(struct sync_link *link, const char *why)
{
    (void)snprintf(link->why, sizeof(link->why), "%s", why);
    return SLUICE_TEMP;
}

/* ---- connecting ------------------------------------------------------------------------------- */

static sluice_status run_connect(struct sync_link *link, struct connect *connect)
{
    const struct sluice_offload *offload = link->host->get_service(link->host, SLUICE_OFFLOAD_ID);
    int64_t deadline_ms = now_of(link) + 3 * link->settings->number[CONNECT_TIMEOUT];
    sluice_status done = SLUICE_TEMP;

    if (connect == NULL)
        return lost(link, "out of memory");
    if (offload->run(link->host, connect_work, connect_free, connect, deadline_ms, &done) !=
        SLUICE_OK)
        return lost(link, "no connection in time");
    if (done == SLUICE_OK) {
        link->handle = connect->handle;
        connect->handle = NULL;
    } else {
        (void)lost(link, connect->why);
    }
    connect_free(connect);
    return done;
}

/* The URL of that number; false: there are not so many. */
static bool url_at(const char *urls, size_t number, char url[URL_MAX])
{
    for (urls += strspn(urls, SEPARATORS); *urls != '\0'; urls += strspn(urls, SEPARATORS)) {
        size_t len = strcspn(urls, SEPARATORS);

        if (number-- == 0) {
            (void)snprintf(url, URL_MAX, "%.*s", (int)len, urls);
            return true;
        }
        urls += len;
    }
    return false;
}

sluice_status sync_link_open(struct sync_link *link, const struct sluice_host *host,
                             const struct settings *settings, const char *urls, size_t turn)
{
    char url[URL_MAX];
    size_t count = 0;

    *link = (struct sync_link){.host = host, .settings = settings, .why = "no server"};
    while (url_at(urls, count, url))
        count++;
    for (size_t i = 0; i < count && link->handle == NULL; i++) {
        (void)url_at(urls, (turn + i) % count, url);
        (void)run_connect(link, connect_new(settings, url, false));
    }
    if (link->handle == NULL)
        return SLUICE_TEMP;
    (void)ldap_get_option(link->handle, LDAP_OPT_DESC, &link->fd); /* was there when it connected */
    (void)io_of(link)->keep_fd(host, link->fd);                    /* else waiting is slower */
    return SLUICE_OK;
}

void sync_link_close(struct sync_link *link)
{
    if (link->handle == NULL)
        return;
    io_of(link)->forget_fd(link->host, link->fd);
    (void)ldap_unbind_ext(link->handle, NULL, NULL);
    link->handle = NULL;
}

/* ---- talking ---------------------------------------------------------------------------------- */

sluice_status sync_link_ask(struct sync_link *link, const struct sync_plan *plan,
                            const struct berval *cookie)
{
    int code = sync_message_send(link->handle, plan, link->settings->scope, cookie, &link->id);

    link->heard_ms = now_of(link);
    link->is_probed = false;
    return code == LDAP_SUCCESS ? SLUICE_OK : lost(link, ldap_err2string(code));
}

sluice_status sync_link_next(struct sync_link *link, struct sync_message *ret_message)
{
    struct timeval none = {0};
    LDAPMessage *raw;
    int type;
    int code = LDAP_SUCCESS;

    *ret_message = (struct sync_message){0};
    type = ldap_result(link->handle, LDAP_RES_ANY, LDAP_MSG_ONE, &none, &raw);
    if (type <= 0)
        return type == 0 ? SLUICE_NOT_FOUND : lost(link, "connection lost");
    link->heard_ms = now_of(link);
    link->is_probed = false;
    if (ldap_msgid(raw) != link->id)
        (void)ldap_msgfree(raw); /* the sign of life */
    else
        code = sync_message_take(ret_message, link->handle, raw);
    if (code == LDAP_SUCCESS)
        return SLUICE_OK;
    sync_message_done(ret_message);
    return lost(link, ldap_err2string(code));
}

/* Any answer will do. */
static sluice_status probe(struct sync_link *link)
{
    static char none[] = LDAP_NO_ATTRS;
    char *attributes[] = {none, NULL};
    int id;

    link->is_probed = true;
    if (ldap_search_ext(link->handle, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL,
                        NULL, NULL, 1, &id) != LDAP_SUCCESS)
        return lost(link, "connection lost");
    return SLUICE_OK;
}

sluice_status sync_link_wait(struct sync_link *link)
{
    int64_t patience_ms = link->settings->number[TIMEOUT];
    int64_t silent_ms;

    if (io_of(link)->wait_fd(link->host, link->fd, SLUICE_IO_READABLE, now_of(link) + WAIT_MS) ==
        SLUICE_OK)
        return SLUICE_OK;
    silent_ms = now_of(link) - link->heard_ms;
    if (silent_ms >= 2 * patience_ms && link->is_probed)
        return lost(link, "no sign of life");
    return silent_ms >= patience_ms && !link->is_probed ? probe(link) : SLUICE_OK;
}
