/* SPDX-License-Identifier: ISC */
/* urls: see urls.h. */
#include "urls.h"

#include "explain.h"

#include <ldap.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SEPARATORS ", \t\r\n"

static int print_url(char *to, size_t size, const char *word, size_t len, int64_t port)
{
    const char *colon = memrchr(word, ':', len);
    bool has_port = colon != NULL && memchr(colon, ']', len - (size_t)(colon - word)) == NULL;

    if (memmem(word, len, "://", 3) != NULL)
        return snprintf(to, size, "%.*s", (int)len, word);
    if (has_port)
        return snprintf(to, size, "ldap://%.*s", (int)len, word);
    return snprintf(to, size, "ldap://%.*s:%lld", (int)len, word, (long long)port);
}

/* libldap would take "ldap//host" for the host "ldap", and no port is too large for its parser. */
static bool is_of_use(const char *word, size_t len, const char *url)
{
    bool is_host = memmem(word, len, "://", 3) == NULL;
    LDAPURLDesc *parts;
    bool is_port;

    if ((is_host && memchr(word, '/', len) != NULL) ||
        ldap_url_parse(url, &parts) != LDAP_URL_SUCCESS)
        return false;
    is_port = parts->lud_port >= 0 && parts->lud_port <= PORT_MAX; /* 0: the usual one */
    ldap_free_urldesc(parts);
    return is_port;
}

sluice_status urls_read(const char *words, int64_t port, const char *where,
                        const struct sluice_errors *errors, char urls[URLS_MAX])
{
    size_t count = 0;
    size_t end = 0;

    for (words += strspn(words, SEPARATORS); *words != '\0'; words += strspn(words, SEPARATORS)) {
        size_t len = strcspn(words, SEPARATORS);
        int written = print_url(urls + end, URLS_MAX - end, words, len, port);

        if (written < 0 || (size_t)written + 1 >= URLS_MAX - end || ++count > SERVERS_MAX)
            return explain(errors, SLUICE_CONFIG, "%s: server_host is too long", where);
        if (!is_of_use(words, len, urls + end))
            return explain(errors, SLUICE_CONFIG,
                           "%s: server_host: \"%.*s\" is neither a host nor an LDAP URL", where,
                           (int)len, words);
        end += (size_t)written;
        urls[end++] = ' ';
        urls[end] = '\0';
        words += len;
    }
    return count > 0 ? SLUICE_OK
                     : explain(errors, SLUICE_CONFIG, "%s: server_host is empty", where);
}
