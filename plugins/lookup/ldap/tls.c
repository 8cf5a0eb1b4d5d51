/* SPDX-License-Identifier: ISC */
/* tls: see tls.h. */
#include "tls.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define KEY_MAX 4096

/* One with another content of its files stays when they change: libldap has no call that gives it back,
 * and they change a few times in a year. */
struct context {
    char *key;
    void *context; /* of the TLS library */
    struct context *next;
};

static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *contexts;

/* A file or folder that a context is made of. */
struct part {
    enum setting setting;
    int option;
    bool is_credential;
};

static const struct part parts[] = {
    {TLS_CA_CERT_FILE, LDAP_OPT_X_TLS_CACERTFILE, false},
    {TLS_CA_CERT_DIR, LDAP_OPT_X_TLS_CACERTDIR, false},
    {TLS_CIPHER_SUITE, LDAP_OPT_X_TLS_CIPHER_SUITE, false},
    {TLS_CERT, LDAP_OPT_X_TLS_CERTFILE, true},
    {TLS_KEY, LDAP_OPT_X_TLS_KEYFILE, true},
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* NULL: it has no value. */
static const char *value_of(const struct part *part, const struct settings *settings,
                            bool has_credentials)
{
    const char *text = settings->text[part->setting];

    return text[0] != '\0' && (has_credentials || !part->is_credential) ? text : NULL;
}

/* The same for the same settings and files. False: it is too long. */
static bool print_key(char key[KEY_MAX], const struct settings *settings, bool has_credentials)
{
    int end = snprintf(key, KEY_MAX, "%lld", (long long)settings->number[TLS_REQUIRE_CERT]);

    for (size_t i = 0; i < PART_COUNT; i++) {
        const char *value = value_of(&parts[i], settings, has_credentials);
        struct stat file = {0};

        if (value != NULL)
            (void)stat(value, &file); /* a cipher suite is no file, and one that is missing is 0, too */
        end += snprintf(key + end, (size_t)(KEY_MAX - end), "\n%s\n%llu %lld %lld.%09ld",
                        value != NULL ? value : "", (unsigned long long)file.st_ino,
                        (long long)file.st_size, (long long)file.st_mtim.tv_sec,
                        file.st_mtim.tv_nsec);
        if (end >= KEY_MAX)
            return false;
    }
    return true;
}

static struct context *find_context(const char *key)
{
    struct context *context;

    LL_FOREACH(contexts, context)
    {
        if (strcmp(context->key, key) == 0)
            return context;
    }
    return NULL;
}

/* The handle's, for others; without memory for that it is its own. */
static void share_context(LDAP *handle, const char *key)
{
    struct context *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return;
    context->key = strdup(key);
    if (context->key == NULL ||
        ldap_get_option(handle, LDAP_OPT_X_TLS_CTX, &context->context) != LDAP_OPT_SUCCESS) {
        free(context->key);
        free(context);
        return;
    }
    LL_PREPEND(contexts, context);
}

static int make_context(LDAP *handle)
{
    const int is_server = 0;

    return ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &is_server);
}

static int set_context(LDAP *handle, const char *key)
{
    struct context *context;
    int code;

    (void)pthread_mutex_lock(&contexts_lock);
    context = find_context(key);
    if (context != NULL) {
        code = ldap_set_option(handle, LDAP_OPT_X_TLS_CTX, context->context);
    } else {
        code = make_context(handle);
        if (code == LDAP_OPT_SUCCESS)
            share_context(handle, key);
    }
    (void)pthread_mutex_unlock(&contexts_lock);
    return code;
}

int tls_set(LDAP *handle, const struct settings *settings, bool has_credentials)
{
    const int require = settings->number[TLS_REQUIRE_CERT] != 0 ? LDAP_OPT_X_TLS_HARD
                                                                : LDAP_OPT_X_TLS_NEVER;
    int code = ldap_set_option(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
    char key[KEY_MAX];

    for (size_t i = 0; i < PART_COUNT && code == LDAP_OPT_SUCCESS; i++) {
        const char *value = value_of(&parts[i], settings, has_credentials);

        if (value != NULL)
            code = ldap_set_option(handle, parts[i].option, value);
    }
    if (code != LDAP_OPT_SUCCESS)
        return code;
    return print_key(key, settings, has_credentials) ? set_context(handle, key)
                                                     : make_context(handle);
}

const char *tls_unreadable(const struct settings *settings, bool has_credentials,
                           const char **ret_key)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        const char *path = value_of(&parts[i], settings, has_credentials);
        int fd;

        if (path == NULL || parts[i].setting == TLS_CIPHER_SUITE)
            continue;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd == -1) {
            *ret_key = settings_options[parts[i].setting].key;
            return path;
        }
        (void)close(fd); /* never written */
    }
    return NULL;
}
