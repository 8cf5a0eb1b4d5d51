/* SPDX-License-Identifier: ISC */
/* settings: see settings.h. */
#include "settings.h"

#include "explain.h"
#include "template.h"
#include "urls.h"

#include <ldap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT(key, fallback, summary) {key, SLUICE_OPT_STRING, 0, fallback, NULL, summary}
#define LIST(key, fallback, summary) {key, SLUICE_OPT_LIST, 0, fallback, NULL, summary}
#define FILE_OF(key, summary) {key, SLUICE_OPT_PATH, 0, NULL, NULL, summary}
#define NUMBER(key, fallback, range, summary) {key, SLUICE_OPT_INTEGER, 0, fallback, range, summary}
#define YES_NO(key, summary) {key, SLUICE_OPT_BOOLEAN, 0, "false", NULL, summary}
#define OF_OLD(key) {key, SLUICE_OPT_STRING, SLUICE_OPT_DEPRECATED, NULL, NULL, "Has no effect"}

const struct sluice_option settings_options[SETTING_COUNT] = {
    [SERVER_HOST] = LIST("server_host", "localhost",
                         "Servers, asked in this order: hosts, host:port, or ldap://, ldaps:// and "
                         "ldapi:// URLs"),
    [SERVER_PORT] = NUMBER("server_port", "389", "1..65535", "Of hosts that are given without one"),
    [VERSION] = NUMBER("version", "3", "2..3", "Of the protocol; TLS and SASL need 3"),
    [TIMEOUT] = {"timeout", SLUICE_OPT_DURATION, 0, "10s", "1s..10m", "For one search"},
    [CONNECT_TIMEOUT] = {"connect_timeout", SLUICE_OPT_DURATION, 0, "5s", "1s..10m",
                         "For a connection to one server, for TLS, and for binding, each"},
    [SEARCH_BASE] = TEXT("search_base", "", "Where to search: a DN, with %-parts as in query_filter"),
    [SCOPE] = {"scope", SLUICE_OPT_ENUM, 0, "sub", "sub|one|base", "How deep to search"},
    [QUERY_FILTER] = TEXT("query_filter", "(mailacceptinggeneralid=%s)",
                          "What to search for: %s is the key, %u and %d are its parts, %1 to %9 the "
                          "labels of its domain from the right"),
    [DOMAIN] = LIST("domain", NULL, "Asks only for addresses of these domains"),
    [RESULT_FORMAT] = TEXT("result_format", "%s",
                           "What becomes of each value: %s, %u, %d are it and its parts, %S, %U, %D "
                           "those of the key"),
    [RESULT_FILTER] = {"result_filter", SLUICE_OPT_STRING, SLUICE_OPT_DEPRECATED, NULL, NULL,
                       "The old name of result_format"},
    [RESULT_ATTRIBUTE] = LIST("result_attribute", "maildrop", "Attributes that have the values"),
    [SPECIAL_RESULT_ATTRIBUTE] = LIST("special_result_attribute", NULL,
                                      "Attributes with DNs or URLs that are searched in turn"),
    [TERMINAL_RESULT_ATTRIBUTE] = LIST("terminal_result_attribute", NULL,
                                       "Where an entry has one of these nothing else of it counts"),
    [LEAF_RESULT_ATTRIBUTE] = LIST("leaf_result_attribute", NULL,
                                   "Count where an entry has no special attribute"),
    [RECURSION_LIMIT] = NUMBER("recursion_limit", "1000", "1..",
                               "Special attributes inside one another"),
    [EXPANSION_LIMIT] = NUMBER("expansion_limit", "0", "0..",
                               "More values for one key are a failure; 0: any number"),
    [SIZE_LIMIT] = NUMBER("size_limit", NULL, "0..",
                          "More entries for one search are a failure; default: expansion_limit"),
    [DEREFERENCE] = NUMBER("dereference", "0", "0..3",
                           "Aliases: 0 never, 1 when searching, 2 when finding the base, 3 always"),
    [CHASE_REFERRALS] = YES_NO("chase_referrals", "Go on at the servers that a server names"),
    [BIND] = {"bind", SLUICE_OPT_ENUM, 0, "yes", "yes|true|simple|no|false|none|sasl",
              "How we say who we are"},
    [BIND_DN] = TEXT("bind_dn", "", "Who we are; empty: anybody"),
    [BIND_PW] = {"bind_pw", SLUICE_OPT_STRING, SLUICE_OPT_SECRET | SLUICE_OPT_VERBATIM, "", NULL,
                 "Our password"},
    [SASL_MECHS] = TEXT("sasl_mechs", "", "Mechanisms, such as EXTERNAL or GSSAPI"),
    [SASL_REALM] = TEXT("sasl_realm", "", "Our realm"),
    [SASL_AUTHZ_ID] = TEXT("sasl_authz_id", "", "Whose rights we want"),
    [SASL_MINSSF] = NUMBER("sasl_minssf", "0", "0..", "Least strength of SASL's protection"),
    [START_TLS] = YES_NO("start_tls", "Ask for TLS on a connection without"),
    [TLS_CA_CERT_FILE] = FILE_OF("tls_ca_cert_file", "Certificates that may sign the server's"),
    [TLS_CA_CERT_DIR] = FILE_OF("tls_ca_cert_dir", "A folder of such certificates"),
    [TLS_CERT] = FILE_OF("tls_cert", "Our certificate"),
    [TLS_KEY] = FILE_OF("tls_key", "Our key"),
    [TLS_REQUIRE_CERT] = YES_NO("tls_require_cert", "The server's certificate must be good"),
    [TLS_RANDOM_FILE] = OF_OLD("tls_random_file"),
    [TLS_CIPHER_SUITE] = TEXT("tls_cipher_suite", "", "Ciphers, in words of libldap's TLS library"),
    [DEBUGLEVEL] = NUMBER("debuglevel", "0", "0..", "libldap writes what it does on standard error"),
    [CACHE] = OF_OLD("cache"),
    [CACHE_EXPIRY] = OF_OLD("cache_expiry"),
    [CACHE_SIZE] = OF_OLD("cache_size"),
    [CONNECTION_LIMIT] = NUMBER("connection_limit", "4", "1..8",
                                "Connections of one process to the same servers"),
    [SYNC] = YES_NO("sync", "Keeps all entries here, and follows their changes (RFC 4533): look-ups need no "
                            "search"),
    [SYNC_FILTER] = TEXT("sync_filter", "", "Which entries; empty: those that query_filter finds with some key"),
    [SYNC_KEY_ATTRIBUTE] = LIST("sync_key_attribute", NULL,
                                "Attributes that have the keys; empty: what query_filter compares with %s"),
    [SYNC_BYTES] = {"sync_bytes", SLUICE_OPT_SIZE, 0, "1G", "1M..64G",
                    "Memory for them; where they need more, look-ups are searches"},
    [SHARED] = {"shared", SLUICE_OPT_BOOLEAN, 0, "true", NULL,
                "One process searches, and all others ask that one"},
    [STALE_OK] = {"stale_ok", SLUICE_OPT_DURATION, 0, "72h", "0s..",
                  "How old a value may be that stands in while no server answers; 0: none does"},
};

void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(settings->text[i]);
    *settings = (struct settings){0};
}

static bool is_number(enum setting setting)
{
    int32_t type = settings_options[setting].type;

    return type == SLUICE_OPT_INTEGER || type == SLUICE_OPT_BOOLEAN ||
           type == SLUICE_OPT_DURATION || type == SLUICE_OPT_SIZE;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool read_boolean(const char *text, int64_t *ret_number)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int is = 0; is < 2; is++) {
            if (strcasecmp(text, words[i][is]) == 0) {
                *ret_number = is;
                return true;
            }
        }
    }
    return false;
}

/* A number of seconds, or with a unit. */
static bool read_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    long long count = strtoll(text, &end, 10);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0 && count > 0 && count < 86400) {
            *ret_ms = count * units[i].ms;
            return end != text;
        }
    }
    return false;
}

static bool read_integer(const char *text, int64_t *ret_number)
{
    char *end;

    *ret_number = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *ret_number >= 0;
}

/* Bytes, or with a unit. */
static bool read_size(const char *text, int64_t *ret_bytes)
{
    static const char units[] = "KMG";
    char *end;
    long long count = strtoll(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

    if (end == text || count <= 0 || count > INT32_MAX ||
        (*end != '\0' && (unit == NULL || end[1] != '\0')))
        return false;
    if (unit != NULL)
        count <<= 10 * (unit - units + 1);
    *ret_bytes = count;
    return true;
}

static bool read_number(int32_t type, const char *text, int64_t *ret_number)
{
    switch (type) {
    case SLUICE_OPT_BOOLEAN:
        return read_boolean(text, ret_number);
    case SLUICE_OPT_DURATION:
        return read_duration(text, ret_number);
    case SLUICE_OPT_SIZE:
        return read_size(text, ret_number);
    default:
        return read_integer(text, ret_number);
    }
}

/* OK, CONFIG (the value is none of its type) or TEMP. */
static sluice_status set(struct settings *settings, enum setting setting, const char *value)
{
    char *copy;

    if (is_number(setting))
        return read_number(settings_options[setting].type, value, &settings->number[setting])
                   ? SLUICE_OK
                   : SLUICE_CONFIG;
    copy = strdup(value);
    if (copy == NULL)
        return SLUICE_TEMP;
    free(settings->text[setting]);
    settings->text[setting] = copy;
    return SLUICE_OK;
}

sluice_status settings_init(struct settings *settings)
{
    sluice_status st = SLUICE_OK;

    *settings = (struct settings){.number[SIZE_LIMIT] = -1};
    for (size_t i = 0; i < SETTING_COUNT && st == SLUICE_OK; i++) {
        const char *fallback = settings_options[i].fallback;

        if (fallback != NULL || !is_number(i))
            st = set(settings, i, fallback != NULL ? fallback : "");
    }
    if (st != SLUICE_OK)
        settings_done(settings);
    return st;
}

sluice_status settings_copy(const struct settings *from, struct settings *ret_settings)
{
    struct settings copy = *from;

    memset(copy.text, 0, sizeof(copy.text));
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (from->text[i] != NULL && set(&copy, i, from->text[i]) != SLUICE_OK) {
            settings_done(&copy);
            return SLUICE_TEMP;
        }
    }
    *ret_settings = copy;
    return SLUICE_OK;
}

/* ---- what goes together ---------------------------------------------------------------------- */

static bool settle_bind(struct settings *settings)
{
    static const struct {
        const char *word;
        enum bind_method method;
    } words[] = {{"sasl", BIND_SASL}, {"simple", BIND_SIMPLE}, {"none", BIND_NONE}};
    const char *text = settings->text[BIND];
    int64_t is_bound;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            settings->bind = words[i].method;
            return true;
        }
    }
    if (!read_boolean(text, &is_bound))
        return false;
    settings->bind = is_bound != 0 ? BIND_SIMPLE : BIND_NONE;
    return true;
}

static bool settle_scope(struct settings *settings)
{
    static const struct {
        const char *word;
        int scope;
    } words[] = {{"sub", LDAP_SCOPE_SUBTREE}, {"one", LDAP_SCOPE_ONELEVEL}, {"base", LDAP_SCOPE_BASE}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(settings->text[SCOPE], words[i].word) == 0) {
            settings->scope = words[i].scope;
            return true;
        }
    }
    return false;
}

static const char *check_templates(const struct settings *settings)
{
    const char *wrong = template_check(settings->text[SEARCH_BASE]);

    if (wrong == NULL)
        wrong = template_check(settings->text[QUERY_FILTER]);
    return wrong != NULL ? wrong : template_check(settings->text[RESULT_FORMAT]);
}

/* NULL, or what is wrong. */
static const char *settle(struct settings *settings)
{
    char **format = &settings->text[RESULT_FORMAT];

    if (settings->text[RESULT_FILTER][0] != '\0' && strcmp(*format, "%s") == 0) {
        free(*format);
        *format = settings->text[RESULT_FILTER];
        settings->text[RESULT_FILTER] = NULL;
    }
    if (settings->number[SIZE_LIMIT] < 0)
        settings->number[SIZE_LIMIT] = settings->number[EXPANSION_LIMIT];
    if (!settle_bind(settings))
        return "bind: wants yes, no, simple, none or sasl";
    if (!settle_scope(settings))
        return "scope: wants sub, one or base";
    if (strpbrk(settings->text[DOMAIN], ":/") != NULL)
        return "domain: wants names, not tables or files";
    if (settings->text[QUERY_FILTER][0] == '\0')
        return "query_filter: is empty"; /* slapd ends the connection */
    if (settings->number[RECURSION_LIMIT] < 1)
        return "recursion_limit: wants a number above 0";
    if (settings->number[DEREFERENCE] > 3)
        return "dereference: wants 0 to 3";
    if (settings->number[CONNECTION_LIMIT] < 1 ||
        settings->number[CONNECTION_LIMIT] > CONNECTIONS_MAX)
        return "connection_limit: wants 1 to 8";
    if (settings->number[SERVER_PORT] < 1 || settings->number[SERVER_PORT] > PORT_MAX)
        return "server_port: wants 1 to 65535";
    if (settings->bind == BIND_SASL || settings->number[START_TLS] != 0)
        settings->number[VERSION] = 3;
    return check_templates(settings);
}

static sluice_status settle_or_say(struct settings *settings, const char *where,
                                   const struct sluice_errors *errors)
{
    const char *wrong = settle(settings);

    return wrong == NULL ? SLUICE_OK : explain(errors, SLUICE_CONFIG, "%s: %s", where, wrong);
}

/* ---- a file ---------------------------------------------------------------------------------- */

static bool find_setting(const char *name, enum setting *ret_setting)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(name, settings_options[i].key) == 0) {
            *ret_setting = i;
            return true;
        }
    }
    return false;
}

/* What Postfix has no meaning for, so that its default counts. */
static bool is_meaningless(struct settings *settings, enum setting setting)
{
    switch (setting) {
    case SCOPE:
        return !settle_scope(settings);
    case DEREFERENCE:
    case VERSION:
        return settings->number[setting] > 3;
    case RESULT_FORMAT:
        return settings->text[setting][0] == '\0';
    default:
        return false;
    }
}

/* Here, and not when all is settled, since the line is known here. */
static sluice_status check_servers(const char *value, const struct source *source,
                                   const struct sluice_errors *errors)
{
    char where[EXPLAIN_MAX];
    char urls[URLS_MAX];

    (void)snprintf(where, sizeof(where), "%s, line %lu", source->name, source->line_number);
    return urls_read(value, LDAP_PORT, where, errors, urls);
}

static sluice_status take(struct settings *settings, const struct source *source, const char *name,
                          const char *value, const struct sluice_errors *errors)
{
    enum setting setting;
    sluice_status st;

    if (!find_setting(name, &setting)) { /* as in Postfix it counts for nothing */
        source_warn(source, "%s, line %lu: %s: no such parameter", source->name,
                    source->line_number, name);
        return SLUICE_OK;
    }
    if ((settings_options[setting].flags & SLUICE_OPT_DEPRECATED) != 0 && setting != RESULT_FILTER)
        source_warn(source, "%s, line %lu: %s has no effect", source->name, source->line_number,
                    name);
    st = set(settings, setting, value);
    if (st == SLUICE_OK && is_meaningless(settings, setting)) {
        const char *fallback = settings_options[setting].fallback;

        source_warn(source, "%s, line %lu: %s: bad value; %s is taken", source->name,
                    source->line_number, name, fallback);
        st = set(settings, setting, fallback);
    }
    if (st != SLUICE_OK)
        return explain(errors, st, "%s, line %lu: %s: %s", source->name, source->line_number, name,
                       st == SLUICE_TEMP ? "out of memory" : "bad value");
    return setting == SERVER_HOST ? check_servers(value, source, errors) : SLUICE_OK;
}

sluice_status settings_read(struct settings *settings, struct source *source,
                            const struct sluice_errors *errors)
{
    const char *name, *value;
    sluice_status st;

    while ((st = source_setting(source, errors, &name, &value)) == SLUICE_OK) {
        st = take(settings, source, name, value, errors);
        if (st != SLUICE_OK)
            break;
    }
    if (st != SLUICE_NOT_FOUND)
        return st;
    return settle_or_say(settings, source->name, errors);
}

/* ---- a group --------------------------------------------------------------------------------- */

/* A list's items, parted by blanks. */
static sluice_status set_list(struct settings *settings, enum setting setting,
                              const struct sluice_config *config)
{
    const char *key = settings_options[setting].key;
    size_t count = config->get_count(config, key);
    size_t size = 1;
    char *joined;

    for (size_t i = 0; i < count; i++)
        size += strlen(config->get_item(config, key, i)) + 1;
    joined = calloc(1, size);
    if (joined == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0, at = 0; i < count; i++) {
        const char *item = config->get_item(config, key, i);
        size_t len = strlen(item);

        memcpy(joined + at, item, len);
        joined[at + len] = ' ';
        at += len + 1;
    }
    free(settings->text[setting]);
    settings->text[setting] = joined;
    return SLUICE_OK;
}

static sluice_status set_of_group(struct settings *settings, enum setting setting,
                                  const struct sluice_config *config)
{
    const char *key = settings_options[setting].key;

    if (config->is_set(config, key) == 0)
        return SLUICE_OK;
    if (is_number(setting)) {
        settings->number[setting] = config->get_number(config, key);
        return SLUICE_OK;
    }
    if (settings_options[setting].type == SLUICE_OPT_LIST)
        return set_list(settings, setting, config);
    return set(settings, setting, config->get_text(config, key));
}

sluice_status settings_of_group(struct settings *settings, const struct sluice_config *config,
                                const struct sluice_errors *errors)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; i < SETTING_COUNT && st == SLUICE_OK; i++)
        st = set_of_group(settings, i, config);
    if (st != SLUICE_OK)
        return explain(errors, st, "ldap: out of memory");
    return settle_or_say(settings, "ldap", errors);
}
