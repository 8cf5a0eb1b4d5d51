/* SPDX-License-Identifier: ISC */
/*
 * settings: what a table of ldap_table(5) is told, from a file in the syntax of main.cf, or from the
 * table's group in the configuration. One table of options says what there is, for both and for the
 * manual.
 */
#ifndef SLUICE_PLUGIN_LDAP_SETTINGS_H
#define SLUICE_PLUGIN_LDAP_SETTINGS_H

#include "source.h"

#include "sluice/plugin.h"

enum setting {
    SERVER_HOST,
    SERVER_PORT,
    VERSION,
    TIMEOUT,
    CONNECT_TIMEOUT,
    SEARCH_BASE,
    SCOPE,
    QUERY_FILTER,
    DOMAIN,
    RESULT_FORMAT,
    RESULT_FILTER,
    RESULT_ATTRIBUTE,
    SPECIAL_RESULT_ATTRIBUTE,
    TERMINAL_RESULT_ATTRIBUTE,
    LEAF_RESULT_ATTRIBUTE,
    RECURSION_LIMIT,
    EXPANSION_LIMIT,
    SIZE_LIMIT,
    DEREFERENCE,
    CHASE_REFERRALS,
    BIND,
    BIND_DN,
    BIND_PW,
    SASL_MECHS,
    SASL_REALM,
    SASL_AUTHZ_ID,
    SASL_MINSSF,
    START_TLS,
    TLS_CA_CERT_FILE,
    TLS_CA_CERT_DIR,
    TLS_CERT,
    TLS_KEY,
    TLS_REQUIRE_CERT,
    TLS_RANDOM_FILE,
    TLS_CIPHER_SUITE,
    DEBUGLEVEL,
    CACHE,
    CACHE_EXPIRY,
    CACHE_SIZE,
    CONNECTION_LIMIT,
    SYNC,
    SYNC_FILTER,
    SYNC_KEY_ATTRIBUTE,
    SYNC_BYTES,
    SHARED,   /* the host's option, with another default */
    STALE_OK, /* the host's option */
    SETTING_COUNT,
};

extern const struct sluice_option settings_options[SETTING_COUNT];

#define CONNECTIONS_MAX 8 /* the range of connection_limit */

enum bind_method { BIND_NONE, BIND_SIMPLE, BIND_SASL };

struct settings {
    char *text[SETTING_COUNT];     /* STRING, PATH, ENUM, LIST (parted by blanks): never NULL */
    int64_t number[SETTING_COUNT]; /* INTEGER, BOOLEAN, DURATION (ms), SIZE */
    enum bind_method bind;
    int scope; /* LDAP_SCOPE_... */
};

/* All at their defaults. TEMP: no memory. */
sluice_status settings_init(struct settings *settings);
void settings_done(struct settings *settings);
/* Reads all of a file into settings that are initialised; what it does not know it leaves alone, as
 * Postfix does. CONFIG or TEMP with a text. */
sluice_status settings_read(struct settings *settings, struct source *source,
                            const struct sluice_errors *errors);
sluice_status settings_of_group(struct settings *settings, const struct sluice_config *config,
                                const struct sluice_errors *errors);
/* What a thread may keep for as long as it likes. TEMP: no memory. */
sluice_status settings_copy(const struct settings *from, struct settings *ret_settings);

#endif /* SLUICE_PLUGIN_LDAP_SETTINGS_H */
