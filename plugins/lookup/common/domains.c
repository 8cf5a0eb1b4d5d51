/* SPDX-License-Identifier: ISC */
/* domains: see domains.h. */
#include "domains.h"

#include <string.h>
#include <strings.h>

#define SEPARATORS ", \t\r\n"

static bool have(const char *domains, struct sluice_span domain)
{
    const char *at = domains + strspn(domains, SEPARATORS);

    for (; *at != '\0'; at += strspn(at, SEPARATORS)) {
        size_t len = strcspn(at, SEPARATORS);

        if (len == domain.len && strncasecmp(at, domain.ptr, len) == 0)
            return true;
        at += len;
    }
    return false;
}

bool domains_ask_for(const char *domains, struct sluice_span key)
{
    const char *at = key.len > 0 ? memrchr(key.ptr, '@', key.len) : NULL;

    if (key.len == 0 || memchr(key.ptr, '\0', key.len) != NULL)
        return false;
    if (domains[strspn(domains, SEPARATORS)] == '\0')
        return true;
    return at != NULL && at > key.ptr &&
           have(domains, (struct sluice_span){at + 1, (size_t)(key.ptr + key.len - at) - 1});
}
