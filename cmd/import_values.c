/* SPDX-License-Identifier: ISC */
/*
 * import_values: what references in main.cf and master.cf stand for: parameters of main.cf, those that
 * the user has made up included, else Postfix's defaults.
 */
#include "import.h"

#include "base/durable.h"
#include "base/span.h"

#include <ctype.h>
#include <stdlib.h>

#define ORIGIN_FILE_MAX 4096

/* ---- defaults --------------------------------------------------------------------------------- */

/* Postfix's, where Sluice has another default or no such parameter; Debian's where Debian has its own. */
static const struct {
    const char *name;
    const char *text;
} defaults[] = {
    {"alias_database", "hash:/etc/aliases"},
    {"alias_maps", "hash:/etc/aliases"},
    {"command_directory", "/usr/sbin"},
    {"compatibility_level", "0"},
    {"daemon_directory", "/usr/lib/postfix/sbin"},
    {"data_directory", "/var/lib/postfix"},
    {"default_database_type", "hash"},
    {"inet_interfaces", "all"},
    {"inet_protocols", "all"},
    {"local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"},
    {"mail_name", "Postfix"},
    {"mail_owner", "postfix"},
    {"mail_spool_directory", "/var/mail"},
    {"mydestination", "$myhostname, localhost.$mydomain, localhost"},
    {"mynetworks_style", "${{$compatibility_level} <level {2} ? {subnet} : {host}}"},
    {"queue_directory", "/var/spool/postfix"},
    {"setgid_group", "postdrop"},
    {"smtpd_client_connection_limit_exceptions", ""},
    {"smtpd_etrn_restrictions", ""},
    {"smtpd_relay_restrictions",
     "${{$compatibility_level} <level {1} ? {} : "
     "{permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}"},
    {"syslog_name", "postfix"},
};

const char *import_default(const char *name)
{
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (strcmp(defaults[i].name, name) == 0)
            return defaults[i].text;
    }
    return NULL;
}

static const char *default_domain(struct import *import)
{
    const char *hostname = import_value(import, "myhostname");
    const char *dot = hostname != NULL ? strchr(hostname, '.') : NULL;

    return dot != NULL ? dot + 1 : "localdomain";
}

/* NULL: there is no parameter of that name. */
static const char *default_value(struct import *import, const char *name, struct place place)
{
    const struct draft_parameter *parameter;
    const char *text = import_default(name);

    if (strcmp(name, "config_directory") == 0)
        return import->folder;
    if (strcmp(name, "mydomain") == 0)
        return default_domain(import);
    if (text != NULL)
        return import_expand(import, text, place);
    parameter = draft_parameter(&import->known, name);
    if (parameter != NULL && parameter->text != NULL && !import_is_ours_alone(name))
        return parameter->text;
    return parameter_is_foreign(name) ? "" : NULL;
}

/* ---- references ------------------------------------------------------------------------------- */

struct search {
    struct import *import;
    struct place place; /* of the reference */
};

/* The first line of the file, as Debian's Postfix has it for myorigin. */
static const char *read_origin(struct import *import, const char *path, struct place place)
{
    struct error err = ERROR_INIT;
    const char *name;
    char *bytes;
    size_t len;

    if (durable_read_file(path, ORIGIN_FILE_MAX, &bytes, &len, &err) != SLUICE_OK) {
        report_warning(&import->report, place, "myorigin: %s cannot be read; myhostname is taken",
                       path);
        return import_value(import, "myhostname");
    }
    struct sluice_span line = {.ptr = bytes, .len = len};
    line = span_trim(span_first(line, span_find(line, '\n')));
    name = arena_text(&import->arena, line);
    free(bytes);
    return name;
}

/* NULL after a report. */
static const char *entry_value(struct import *import, struct import_entry *entry)
{
    if (entry->expanded != NULL)
        return entry->expanded;
    if (entry->is_busy) {
        report_error(&import->report, entry->place, "%s refers to itself", entry->name);
        return NULL;
    }
    entry->is_busy = true;
    entry->expanded = import_expand(import, entry->value, entry->place);
    entry->is_busy = false;
    if (entry->expanded != NULL && entry->expanded[0] == '/' &&
        strcmp(entry->name, "myorigin") == 0)
        entry->expanded = read_origin(import, entry->expanded, entry->place);
    return entry->expanded;
}

/* False, after one report: values that refer to values have grown out of all proportion. */
static bool has_room(struct import *import, size_t len, struct place place)
{
    if (import->expanded_len > IMPORT_EXPANDED_MAX)
        return false;
    import->expanded_len += len;
    if (import->expanded_len > IMPORT_EXPANDED_MAX)
        report_error(&import->report, place, "the references in it stand for too much");
    return import->expanded_len <= IMPORT_EXPANDED_MAX;
}

static const char *find_value(void *user, struct sluice_span name, struct error *err)
{
    const struct search *search = user;
    struct import *import = search->import;
    struct import_entry *entry = import_find(&import->parameters, name);
    const char *text;

    if (entry != NULL)
        entry->is_used = true;
    text = entry != NULL ? entry_value(import, entry)
                         : default_value(import, arena_text(&import->arena, name), search->place);
    if (text == NULL && entry == NULL) {
        report_warning(&import->report, search->place, "there is no $%.*s; it is taken as empty",
                       SPAN_ARGS(name));
        text = "";
    }
    (void)err; /* what is wrong with a value has been reported where it stands */
    return text != NULL && has_room(import, strlen(text), search->place) ? text : NULL;
}

const char *import_expand(struct import *import, const char *text, struct place place)
{
    struct search search = {.import = import, .place = place};
    const struct expand_source source = {.find = find_value, .user = &search};
    struct buffer out = BUFFER_INIT;
    struct error err = ERROR_INIT;
    const char *expanded = NULL;

    if (strchr(text, '$') == NULL)
        return text;
    if (expand(text, &source, &out, &err) == SLUICE_OK && !buffer_failed(&out))
        expanded = arena_text(&import->arena, buffer_span(&out));
    else if (err.text[0] != '\0' || buffer_failed(&out))
        report_error(&import->report, place, "%s",
                     err.text[0] != '\0' ? err.text : "out of memory");
    buffer_done(&out);
    return expanded;
}

const char *import_value(struct import *import, const char *name)
{
    struct import_entry *entry = import_find(&import->parameters, sluice_span_of(name));
    const char *text =
        entry != NULL ? entry_value(import, entry) : default_value(import, name, PLACE_DEFAULT);

    return text != NULL ? text : "";
}

/* ---- references that stay --------------------------------------------------------------------- */

/* What has the same name in sluice.conf, and a value there in any case. */
static bool stays(struct import *import, struct sluice_span name)
{
    static const char *const names[] = {
        "alias_maps",
        "local_recipient_maps",
        "mail_name",
        "mydestination",
        "mydomain",
        "myhostname",
        "mynetworks",
        "myorigin",
        "relay_domains",
        "transport_maps",
        "virtual_alias_domains",
        "virtual_alias_maps",
        "virtual_mailbox_domains",
        "virtual_mailbox_maps",
        "relay_recipient_maps",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_equal(name, sluice_span_of(names[i])))
            return import_option(import, names[i]) != NULL;
    }
    return false;
}

bool import_keeps_references(struct import *import, const char *text)
{
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at, '$')) {
        char close = at[1] == '{' ? '}' : at[1] == '(' ? ')' : '\0';
        struct sluice_span name = {.ptr = at + 1 + (close != '\0'), .len = 0};

        while (isalnum((unsigned char)name.ptr[name.len]) || name.ptr[name.len] == '_')
            name.len++;
        if (!stays(import, name) || (close != '\0' && name.ptr[name.len] != close))
            return false;
        at = name.ptr + name.len;
    }
    return true;
}
