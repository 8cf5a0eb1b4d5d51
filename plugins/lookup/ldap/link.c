/* SPDX-License-Identifier: ISC */
/* link: see link.h. */
#include "link.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

/* A link on which nothing was heard for so long may be one that a firewall has forgotten: the first
 * search on it gets less time, and is then tried on another one. */
#define QUIET_MS 20000
#define QUIET_TIMEOUT_MS 2000

/* On the stack of who waits. */
struct search {
    int id; /* of the message */
    struct sluice_gate *gate;
    struct answer *answer;
    uint64_t heard_count; /* the link's, when it began */
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
    int fd;
    struct search *searches; /* under way */
    size_t count;
    bool is_read; /* by one of them */
    bool is_dead;
    bool was_of_use;
    int64_t heard_ms;
    uint64_t heard_count; /* messages */
};

struct link *link_new(const struct sluice_host *host, LDAP *handle)
{
    struct link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->host = host;
    link->io = host->get_service(host, SLUICE_IO_ID);
    link->gates = host->get_service(host, SLUICE_GATES_ID);
    link->clock = host->get_service(host, SLUICE_CLOCK_ID);
    link->handle = handle;
    link->heard_ms = link->clock->monotonic_ms(host);
    (void)ldap_get_option(handle, LDAP_OPT_DESC, &link->fd); /* was there when it was connected */
    (void)link->io->keep_fd(host, link->fd);                 /* else waiting is slower */
    return link;
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    assert(link->count == 0);
    link->io->forget_fd(link->host, link->fd);
    (void)ldap_unbind_ext(link->handle, NULL, NULL);
    free(link);
}

bool link_is_full(const struct link *link)
{
    return link->count >= LINK_SEARCHES_MAX;
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

/* Takes the message. One that nobody asked for belongs to a search that was given up, or tells us that
 * the server leaves (RFC 4511 section 4.4.1), which is seen soon enough. */
static void hand_over(struct link *link, LDAPMessage *message)
{
    struct search *search = find_search(link, ldap_msgid(message));

    link->heard_ms = link->clock->monotonic_ms(link->host);
    link->heard_count++;
    if (search == NULL) {
        (void)ldap_msgfree(message);
        return;
    }
    answer_take(search->answer, link->handle, message);
    if (search->answer->has_result) {
        link->was_of_use = true;
        finish(link, search);
    }
}

static void die(struct link *link)
{
    struct search *search;

    link->is_dead = true;
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

/* All that has come. Of a long message ldap_result takes one piece, and says that there is nothing. */
static void pump(struct link *link)
{
    struct timeval none = {0};
    LDAPMessage *message;
    int type;

    do {
        type = ldap_result(link->handle, LDAP_RES_ANY, LDAP_MSG_ONE, &none, &message);
        if (type > 0)
            hand_over(link, message);
    } while (type > 0 || (type == 0 && has_unread(link)));
    if (type == -1)
        die(link);
}

bool link_is_dead(struct link *link)
{
    if (!link->is_dead && link->count == 0)
        pump(link);
    return link->is_dead;
}

/* Until the search is done: OK. */
static sluice_status read_for(struct link *link, struct search *search, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;
    struct search *other;

    link->is_read = true;
    if (has_unread(link))
        pump(link);
    while (!search->is_done && st == SLUICE_OK) {
        st = link->io->wait_fd(link->host, link->fd, SLUICE_IO_READABLE, deadline_ms);
        if (st == SLUICE_OK)
            pump(link);
    }
    link->is_read = false;
    DL_FOREACH(link->searches, other)
    {
        if (!other->is_done && link->gates->open_one(other->gate) != 0)
            break;
    }
    return st;
}

static sluice_status wait_for(struct link *link, struct search *search, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!search->is_done && st == SLUICE_OK) {
        if (link->is_read)
            st = link->gates->wait(search->gate, deadline_ms);
        else
            st = read_for(link, search, deadline_ms);
    }
    return search->is_done ? SLUICE_OK : st;
}

/* ---- searching ------------------------------------------------------------------------------- */

static int result_of(const struct answer *answer)
{
    if (answer->has_no_memory)
        return LDAP_NO_MEMORY;
    return answer->has_result ? answer->code : LDAP_SERVER_DOWN;
}

static int send(struct link *link, const struct link_request *request, struct search *search)
{
    int code = ldap_search_ext(link->handle, request->base, request->scope, request->filter,
                               request->attributes, 0, NULL, NULL, NULL, (int)request->size_limit,
                               &search->id);

    if (code == LDAP_SERVER_DOWN)
        die(link);
    return code;
}

/* If nothing at all was heard in all that time, others get no answer either. */
static int give_up(struct link *link, struct search *search, int64_t silent_ms)
{
    (void)ldap_abandon_ext(link->handle, search->id, NULL, NULL);
    if (link->heard_count == search->heard_count && link->clock->monotonic_ms(link->host) >= silent_ms)
        die(link);
    return LDAP_TIMEOUT;
}

/* A server that has answered others meanwhile gets all the time that there is. */
static sluice_status wait_in_turn(struct link *link, struct search *search, int64_t silent_ms,
                                  int64_t deadline_ms)
{
    sluice_status st = wait_for(link, search, silent_ms);

    if (st != SLUICE_OK && silent_ms < deadline_ms && link->heard_count != search->heard_count)
        st = wait_for(link, search, deadline_ms);
    return st;
}

int link_search(struct link *link, const struct link_request *request, int64_t silent_ms,
                int64_t deadline_ms, struct answer *answer)
{
    struct search search = {
        .id = -1, .answer = answer, .heard_count = link->heard_count};
    int64_t now_ms = link->clock->monotonic_ms(link->host);
    int code;

    if (now_ms - link->heard_ms > QUIET_MS && silent_ms > now_ms + QUIET_TIMEOUT_MS)
        silent_ms = now_ms + QUIET_TIMEOUT_MS;
    if (link->gates->make(link->host, &search.gate) != SLUICE_OK)
        return LDAP_NO_MEMORY;
    DL_APPEND(link->searches, &search);
    link->count++;
    code = send(link, request, &search);
    if (code == LDAP_SUCCESS &&
        wait_in_turn(link, &search, silent_ms, deadline_ms) == SLUICE_OK)
        code = result_of(answer);
    else if (code == LDAP_SUCCESS)
        code = give_up(link, &search, silent_ms);
    DL_DELETE(link->searches, &search);
    link->count--;
    link->gates->free(search.gate);
    return code;
}
