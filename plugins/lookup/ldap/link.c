/* SPDX-License-Identifier: ISC */
/* link: see link.h. */
#include "link.h"

#include "outbox.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* Who has waited for so long and heard nothing at all on the link asks the server for a sign of life, and
 * waits as long again for that one: a firewall forgets connections, and says nothing. */
#define PATIENCE_MS 1000
#define PATIENCES_MIN 4 /* in the time that a search has, to leave some for another link */

#define BATCH 100 /* messages, until others have a turn */

/* On the stack of who waits. */
struct search {
    int id; /* of the message */
    struct sluice_gate *gate;
    struct answer *answer;
    bool is_done;
    struct search *prev;
    struct search *next;
};

struct link {
    const struct sluice_host *host;
    const struct sluice_io *io;
    const struct sluice_gates *gates;
    const struct sluice_clock *clock;
    LDAP *handle;
    uint64_t number;
    int fd; /* of our own for the handle's socket, which libldap closes when it likes */
    struct outbox outbox;
    struct search *searches; /* under way */
    size_t count;
    bool is_read;    /* by one of them */
    bool is_written; /* what is in the outbox, by another one */
    int end;         /* LDAP_SUCCESS, or what has become of it */
    bool was_of_use;
    int64_t heard_ms;
    bool is_probed; /* since then */
    int64_t probe_ms;
};

/* False: no memory or no descriptor. */
static bool place(struct link *link)
{
    int fd = -1;

    if (ldap_get_option(link->handle, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS)
        return false;
    link->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (link->fd == -1)
        return false;
    if (!outbox_place(&link->outbox, link->handle)) {
        (void)close(link->fd);
        return false;
    }
    (void)link->io->keep_fd(link->host, link->fd); /* else waiting is slower */
    return true;
}

struct link *link_new(const struct sluice_host *host, LDAP *handle)
{
    static uint64_t last_number;
    struct link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->number = ++last_number;
    link->host = host;
    link->io = host->get_service(host, SLUICE_IO_ID);
    link->gates = host->get_service(host, SLUICE_GATES_ID);
    link->clock = host->get_service(host, SLUICE_CLOCK_ID);
    link->handle = handle;
    link->heard_ms = link->clock->monotonic_ms(host);
    if (!place(link)) {
        free(link);
        return NULL;
    }
    return link;
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    assert(link->count == 0);
    link->io->forget_fd(link->host, link->fd);
    (void)close(link->fd);
    (void)ldap_unbind_ext(link->handle, NULL, NULL);
    outbox_done(&link->outbox);
    free(link);
}

uint64_t link_number(const struct link *link)
{
    return link->number;
}

bool link_is_stuck(const struct link *link)
{
    return !outbox_is_empty(&link->outbox);
}

bool link_is_full(const struct link *link)
{
    return link->count >= LINK_SEARCHES_MAX || link_is_stuck(link);
}

size_t link_load(const struct link *link)
{
    return link->count;
}

bool link_is_idle(const struct link *link)
{
    return link->count == 0;
}

bool link_was_of_use(const struct link *link)
{
    return link->was_of_use;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct search *find_search(const struct link *link, int id)
{
    struct search *search;

    DL_FOREACH(link->searches, search)
    {
        if (search->id == id)
            return search;
    }
    return NULL;
}

static void finish(struct link *link, struct search *search)
{
    search->is_done = true;
    (void)link->gates->open_one(search->gate);
}

/* Takes the message. One that nobody asked for belongs to a probe or to a search that was given up, or
 * tells us that the server leaves (RFC 4511 section 4.4.1), which is seen soon enough. */
static void hand_over(struct link *link, LDAPMessage *message)
{
    struct search *search = find_search(link, ldap_msgid(message));

    link->heard_ms = link->clock->monotonic_ms(link->host);
    link->is_probed = false;
    if (search == NULL || search->is_done) {
        (void)ldap_msgfree(message);
        return;
    }
    answer_take(search->answer, link->handle, message);
    if (search->answer->has_result)
        link->was_of_use = true;
    if (search->answer->has_result || search->answer->failure != LDAP_SUCCESS)
        finish(link, search);
}

/* All who search are told, also those that wait for the socket. */
static void die(struct link *link, int end)
{
    struct search *search;

    if (link->end != LDAP_SUCCESS)
        return;
    link->end = end;
    (void)shutdown(link->fd, SHUT_RDWR);
    DL_FOREACH(link->searches, search)
    {
        if (!search->is_done)
            finish(link, search);
    }
}

/* In a buffer of libldap's, of which the descriptor knows nothing. */
static bool has_unread(const struct link *link)
{
    Sockbuf *socket = NULL;

    (void)ldap_get_option(link->handle, LDAP_OPT_SOCKBUF, &socket);
    return socket != NULL && ber_sockbuf_ctrl(socket, LBER_SB_OPT_DATA_READY, NULL) > 0;
}

/* What has come: true if that may not be all. Of a long message ldap_result takes one piece, and says that there is
 * nothing. */
static bool pump(struct link *link)
{
    struct timeval none = {0};
    LDAPMessage *message;
    bool is_more = true;
    int type = 0;

    for (int i = 0; i < BATCH && is_more; i++) {
        type = ldap_result(link->handle, LDAP_RES_ANY, LDAP_MSG_ONE, &none, &message);
        if (type > 0)
            hand_over(link, message);
        is_more = type > 0 || (type == 0 && !link->outbox.is_lost && has_unread(link));
    }
    if (type == -1 || link->outbox.is_lost)
        die(link, LDAP_SERVER_DOWN);
    return is_more;
}

bool link_is_dead(struct link *link)
{
    if (link->end == LDAP_SUCCESS && link->count == 0)
        (void)pump(link);
    return link->end != LDAP_SUCCESS;
}

void link_end(struct link *link)
{
    die(link, LDAP_SERVER_DOWN);
}

/* Others have their turn, also where the server is never done. */
static sluice_status give_way(const struct link *link, int64_t deadline_ms)
{
    int64_t now_ms = link->clock->monotonic_ms(link->host);

    return now_ms < deadline_ms ? link->io->sleep(link->host, now_ms) : SLUICE_TEMP;
}

/* Until the search is done: OK. */
static sluice_status read_for(struct link *link, struct search *search, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;
    struct search *other;
    bool is_more;

    link->is_read = true;
    is_more = has_unread(link) && pump(link);
    while (!search->is_done && st == SLUICE_OK) {
        st = is_more
                 ? give_way(link, deadline_ms)
                 : link->io->wait_fd(link->host, link->fd, SLUICE_IO_READABLE, deadline_ms);
        if (st == SLUICE_OK)
            is_more = pump(link);
    }
    link->is_read = false;
    DL_FOREACH(link->searches, other)
    {
        if (!other->is_done && link->gates->open_one(other->gate) != 0)
            break;
    }
    return st;
}

/* Until the socket has taken all: OK, also where it has broken. */
static sluice_status write_out(struct link *link, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    link->is_written = true;
    while (!outbox_is_empty(&link->outbox) && link->end == LDAP_SUCCESS && st == SLUICE_OK) {
        st = link->io->wait_fd(link->host, link->fd, SLUICE_IO_WRITABLE, deadline_ms);
        outbox_flush(&link->outbox);
        if (link->outbox.is_lost)
            die(link, LDAP_SERVER_DOWN);
    }
    link->is_written = false;
    return st;
}

static sluice_status wait_for(struct link *link, struct search *search, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!search->is_done && st == SLUICE_OK) {
        if (!outbox_is_empty(&link->outbox) && !link->is_written)
            st = write_out(link, deadline_ms);
        else if (link->is_read)
            st = link->gates->wait(search->gate, deadline_ms);
        else
            st = read_for(link, search, deadline_ms);
    }
    return search->is_done ? SLUICE_OK : st;
}

/* ---- silence --------------------------------------------------------------------------------- */

/* Any answer will do. Behind what the server does not read it would be no better. */
static void probe(struct link *link)
{
    char *attributes[] = {LDAP_NO_ATTRS, NULL};
    int id;

    link->is_probed = true;
    link->probe_ms = link->clock->monotonic_ms(link->host);
    if (outbox_is_empty(&link->outbox) &&
        ldap_search_ext(link->handle, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL,
                        NULL, NULL, 1, &id) == LDAP_SERVER_DOWN)
        die(link, LDAP_SERVER_DOWN);
}

/* Nothing was heard for that time. */
static void doubt(struct link *link, int64_t patience_ms)
{
    if (!link->is_probed)
        probe(link);
    else if (link->clock->monotonic_ms(link->host) - link->probe_ms >= patience_ms)
        die(link, LDAP_TIMEOUT);
}

/* A search may take all the time that there is, if only the server is there. */
static sluice_status wait_doubting(struct link *link, struct search *search, int64_t deadline_ms)
{
    int64_t now_ms = link->clock->monotonic_ms(link->host);
    int64_t share_ms = (deadline_ms - now_ms) / PATIENCES_MIN;
    int64_t patience_ms = share_ms < PATIENCE_MS ? share_ms : PATIENCE_MS;
    int64_t doubt_ms = now_ms + patience_ms;

    while (patience_ms > 0 && doubt_ms < deadline_ms) {
        if (wait_for(link, search, doubt_ms) == SLUICE_OK)
            return SLUICE_OK;
        now_ms = link->clock->monotonic_ms(link->host);
        if (now_ms < doubt_ms)
            return SLUICE_TEMP; /* it was not for the time that the wait ended */
        if (now_ms - link->heard_ms >= patience_ms) {
            doubt(link, patience_ms);
            doubt_ms = now_ms + patience_ms;
        } else {
            doubt_ms = link->heard_ms + patience_ms;
        }
    }
    return wait_for(link, search, deadline_ms);
}

/* ---- searching ------------------------------------------------------------------------------- */

static int result_of(const struct link *link, const struct answer *answer)
{
    if (answer->failure != LDAP_SUCCESS)
        return answer->failure;
    return answer->has_result ? answer->code : link->end;
}

static int send_search(struct link *link, const struct link_request *request,
                       struct search *search)
{
    int code = ldap_search_ext(link->handle, request->base, request->scope, request->filter,
                               request->attributes, 0, NULL, NULL, NULL, (int)request->size_limit,
                               &search->id);

    if (code == LDAP_SERVER_DOWN)
        die(link, code);
    return code;
}

/* Where not even that gets out, nothing else would. */
static void give_up(struct link *link, const struct search *search)
{
    if (outbox_is_empty(&link->outbox))
        (void)ldap_abandon_ext(link->handle, search->id, NULL, NULL);
    if (!outbox_is_empty(&link->outbox) || link->outbox.is_lost)
        die(link, LDAP_TIMEOUT);
}

int link_search(struct link *link, const struct link_request *request, int64_t deadline_ms,
                struct answer *answer)
{
    struct search search = {.id = -1, .answer = answer};
    int code;

    if (link->gates->make(link->host, &search.gate) != SLUICE_OK)
        return LDAP_NO_MEMORY;
    DL_APPEND(link->searches, &search);
    link->count++;
    code = send_search(link, request, &search);
    if (code == LDAP_SUCCESS) {
        code = wait_doubting(link, &search, deadline_ms) == SLUICE_OK ? result_of(link, answer) : LDAP_TIMEOUT;
        if (!answer->has_result && link->end == LDAP_SUCCESS)
            give_up(link, &search);
    }
    DL_DELETE(link->searches, &search);
    link->count--;
    link->gates->free(search.gate);
    return code;
}
