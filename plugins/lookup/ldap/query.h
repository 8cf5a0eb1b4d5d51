/* SPDX-License-Identifier: ISC */
/*
 * query: what a key makes of the templates of a table: a filter, a DN, a value. Any thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_QUERY_H
#define SLUICE_PLUGIN_LDAP_QUERY_H

#include "sluice/types.h"

/*
 * OK with a text that the caller frees; NOT_FOUND: the template asks for a part that the key does not
 * have; TEMP: no memory. Whatever the key has in it, in a filter it stands for itself (RFC 4515
 * section 3), and so it does in a DN (RFC 4514 section 2.4).
 */
sluice_status query_filter(const char *text, struct sluice_span key, char **ret_filter);
sluice_status query_base(const char *text, struct sluice_span key, char **ret_base);
/* The same for a value that was found; it may have any bytes. */
sluice_status query_result(const char *format, struct sluice_span value, struct sluice_span key,
                           char **ret_text, size_t *ret_len);

#endif /* SLUICE_PLUGIN_LDAP_QUERY_H */
