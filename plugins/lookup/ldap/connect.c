/* SPDX-License-Identifier: ISC */
/* connect: see connect.h. */
#include "connect.h"

#include "answer.h"
#include "patience.h"
#include "tls.h"

#include <sasl/sasl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A firewall that has forgotten the connection says nothing: the kernel finds out within a minute. */
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_PROBES 3
#define KEEPALIVE_INTERVAL_S 10

struct connect *connect_new(const struct settings *settings, const char *url, bool is_foreign)
{
    struct connect *connect = calloc(1, sizeof(*connect));

    if (connect == NULL)
        return NULL;
    connect->url = strdup(url);
    connect->is_foreign = is_foreign;
    if (connect->url == NULL || settings_copy(settings, &connect->settings) != SLUICE_OK) {
        connect_free(connect);
        return NULL;
    }
    return connect;
}

void connect_free(void *data)
{
    struct connect *connect = data;

    if (connect == NULL)
        return;
    if (connect->handle != NULL)
        (void)ldap_unbind_ext(connect->handle, NULL, NULL);
    settings_done(&connect->settings);
    free(connect->url);
    free(connect);
}

static bool is_set(const struct connect *connect, enum setting setting)
{
    return connect->settings.text[setting][0] != '\0';
}

/* With GnuTLS libldap says no more of a certificate that is not good. */
static const char *in_plain_words(const char *more)
{
    return strcmp(more, "(unknown error code)") == 0
               ? "its certificate has expired, or is not signed by one of tls_ca_cert_file"
               : more;
}

/* What libldap says of its own accord comes behind the code's words. */
static sluice_status failed(struct connect *connect, const char *what, int code)
{
    char *more = NULL;

    if (connect->handle != NULL)
        (void)ldap_get_option(connect->handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    (void)snprintf(connect->why, sizeof(connect->why), "%s %s: %s%s%s", what, connect->url,
                   ldap_err2string(code), more != NULL && more[0] != '\0' ? ": " : "",
                   more != NULL ? in_plain_words(more) : "");
    ldap_memfree(more);
    return SLUICE_TEMP;
}

/* ---- options --------------------------------------------------------------------------------- */

static int set_time(LDAP *handle, int option, int64_t ms)
{
    const struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    return ldap_set_option(handle, option, &time);
}

static bool wants_tls(const struct connect *connect)
{
    return connect->settings.number[START_TLS] != 0 ||
           strncasecmp(connect->url, "ldaps:", strlen("ldaps:")) == 0;
}

static int set_options(const struct connect *connect)
{
    const int64_t *number = connect->settings.number;
    const int version = (int)number[VERSION];
    const int dereference = (int)number[DEREFERENCE];
    const int debug = (int)number[DEBUGLEVEL];
    const int idle = KEEPALIVE_IDLE_S, probes = KEEPALIVE_PROBES, interval = KEEPALIVE_INTERVAL_S;
    const unsigned user_timeout = (unsigned)number[TIMEOUT];
    LDAP *handle = connect->handle;
    int failed = 0;

    failed |= ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version);
    failed |= ldap_set_option(handle, LDAP_OPT_DEREF, &dereference);
    failed |= ldap_set_option(handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF); /* directory.c follows */
    failed |= set_time(handle, LDAP_OPT_NETWORK_TIMEOUT, number[CONNECT_TIMEOUT]);
    failed |= set_time(handle, LDAP_OPT_TIMEOUT, number[CONNECT_TIMEOUT]);
    failed |= ldap_set_option(handle, LDAP_OPT_X_KEEPALIVE_IDLE, &idle);
    failed |= ldap_set_option(handle, LDAP_OPT_X_KEEPALIVE_PROBES, &probes);
    failed |= ldap_set_option(handle, LDAP_OPT_X_KEEPALIVE_INTERVAL, &interval);
    failed |= ldap_set_option(handle, LDAP_OPT_TCP_USER_TIMEOUT, &user_timeout);
    if (debug > 0)
        failed |= ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &debug); /* there is but one for all handles */
    failed |= patience_set(handle);
    if (failed != 0)
        return failed;
    return wants_tls(connect) ? tls_set(handle, &connect->settings, !connect->is_foreign)
                              : LDAP_OPT_SUCCESS;
}

/* libldap says of a file that it cannot read no more than of any other mistake. */
static sluice_status failed_options(struct connect *connect)
{
    const char *key;
    const char *path = tls_unreadable(&connect->settings, !connect->is_foreign, &key);

    if (path == NULL)
        return failed(connect, "set options for", LDAP_PARAM_ERROR);
    (void)snprintf(connect->why, sizeof(connect->why), "%s: open %s: %s", key, path,
                   strerror(errno));
    return SLUICE_TEMP;
}

/* A server that sends half a message would hold the thread for good: libldap looks at its time-outs only
 * between reads. */
static bool make_nonblocking(LDAP *handle)
{
    int fd = -1;
    int flags;

    if (ldap_get_option(handle, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd == -1)
        return false;
    flags = fcntl(fd, F_GETFL);
    return flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1;
}

/* ---- binding --------------------------------------------------------------------------------- */

static char *text_or_null(const struct connect *connect, enum setting setting)
{
    return is_set(connect, setting) ? connect->settings.text[setting] : NULL;
}

/* What the mechanism asks for; what we have no answer to, it has a default for. */
static int interact(LDAP *handle, unsigned flags, void *defaults, void *questions)
{
    const struct connect *connect = defaults;

    (void)handle;
    (void)flags;
    for (sasl_interact_t *ask = questions; ask->id != SASL_CB_LIST_END; ask++) {
        const char *answer = ask->defresult;

        if (ask->id == SASL_CB_GETREALM)
            answer = text_or_null(connect, SASL_REALM);
        else if (ask->id == SASL_CB_AUTHNAME)
            answer = text_or_null(connect, BIND_DN);
        else if (ask->id == SASL_CB_USER)
            answer = text_or_null(connect, SASL_AUTHZ_ID);
        else if (ask->id == SASL_CB_PASS)
            answer = text_or_null(connect, BIND_PW);
        ask->result = answer != NULL ? answer : "";
        ask->len = (unsigned)strlen(ask->result);
    }
    return LDAP_SUCCESS;
}

static int bind_sasl(struct connect *connect)
{
    char strength[40];
    int code;

    (void)snprintf(strength, sizeof(strength), "minssf=%lld",
                   (long long)connect->settings.number[SASL_MINSSF]);
    code = ldap_set_option(connect->handle, LDAP_OPT_X_SASL_SECPROPS, strength);
    if (code != LDAP_OPT_SUCCESS)
        return LDAP_PARAM_ERROR;
    return ldap_sasl_interactive_bind_s(connect->handle, NULL, text_or_null(connect, SASL_MECHS),
                                        NULL, NULL, LDAP_SASL_QUIET, interact, connect);
}

static bool wants_bind(const struct connect *connect)
{
    return !connect->is_foreign && connect->settings.bind != BIND_NONE;
}

static int bind_as_told(struct connect *connect)
{
    struct berval password = {0};

    if (connect->settings.bind == BIND_SASL)
        return bind_sasl(connect);
    password.bv_val = connect->settings.text[BIND_PW];
    password.bv_len = strlen(password.bv_val);
    return ldap_sasl_bind_s(connect->handle, connect->settings.text[BIND_DN], LDAP_SASL_SIMPLE,
                            &password, NULL, NULL, NULL);
}

/* Several messages a read, and no poll before each of them: one system call for a search instead of six. */
static bool read_ahead(LDAP *handle)
{
    Sockbuf *socket = NULL;

    return ldap_get_option(handle, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS &&
           socket != NULL &&
           ber_sockbuf_add_io(socket, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, NULL) == 0;
}

/* A server that does nothing but accept connections is none. Any result is a sign of life, also that we
 * may not read this. */
static int look_for_life(struct connect *connect)
{
    char *attributes[] = {LDAP_NO_ATTRS, NULL};
    LDAPMessage *answer = NULL;
    int code = ldap_search_ext_s(connect->handle, "", LDAP_SCOPE_BASE, "(objectClass=*)",
                                 attributes, 0, NULL, NULL, NULL, 1, &answer);

    (void)ldap_msgfree(answer);
    return LDAP_API_ERROR(code) ? code : LDAP_SUCCESS;
}

/* What a server says of the length of a message is not what we have memory for. */
static bool bound_messages(LDAP *handle)
{
    ber_len_t most = ANSWER_BYTES_MAX;
    Sockbuf *socket = NULL;

    return ldap_get_option(handle, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS &&
           socket != NULL && ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &most) == 1;
}

/* OK, or what could not be done and its code. */
static int reach(struct connect *connect, const char **ret_what)
{
    int code;

    *ret_what = "connect to";
    code = ldap_connect(connect->handle);
    if (code == LDAP_SUCCESS &&
        (!make_nonblocking(connect->handle) || !bound_messages(connect->handle)))
        code = LDAP_CONNECT_ERROR;
    if (code == LDAP_SUCCESS && connect->settings.number[START_TLS] != 0) {
        *ret_what = "start TLS with";
        code = ldap_start_tls_s(connect->handle, NULL, NULL);
        if (code == LDAP_SUCCESS && !make_nonblocking(connect->handle)) /* libldap makes it block again */
            code = LDAP_CONNECT_ERROR;
    }
    if (code == LDAP_SUCCESS)
        patience_end(connect->handle);
    return code;
}

sluice_status connect_work(void *data)
{
    struct connect *connect = data;
    const char *what;
    int code = ldap_initialize(&connect->handle, connect->url);

    if (code != LDAP_SUCCESS)
        return failed(connect, "use", code);
    if (set_options(connect) != LDAP_OPT_SUCCESS)
        return failed_options(connect);
    code = reach(connect, &what);
    if (code != LDAP_SUCCESS)
        return failed(connect, what, code);
    code = wants_bind(connect) ? bind_as_told(connect) : look_for_life(connect);
    if (code != LDAP_SUCCESS)
        return failed(connect, wants_bind(connect) ? "bind to" : "ask", code);
    return read_ahead(connect->handle) ? SLUICE_OK : failed(connect, "connect to", LDAP_NO_MEMORY);
}
