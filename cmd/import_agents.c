/* SPDX-License-Identifier: ISC */
/*
 * import_agents: master.cf's delivery agents as transports, and what Sluice knows once the plugins of
 * these are there.
 *
 * A transport that is there without being listed (smtp, relay, ...) is listed only where master.cf or
 * main.cf has options for it. A pipe to a program that nothing names is left out: most master.cf files
 * have half a dozen of them for programs that are not installed.
 */
#include "import.h"

#include "base/durable.h"
#include "base/span.h"
#include "plugin/settle.h"
#include "sluice/transport.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_FILE_MAX ((size_t)16 * 1024 * 1024)

/* ---- what there is ---------------------------------------------------------------------------- */

bool import_has_plugin(const struct import *import, const char *name)
{
    struct arena arena = ARENA_INIT;
    bool is_there =
        access(arena_printf(&arena, "%s/%s.so", import->plugin_folder, name), F_OK) == 0;

    arena_done(&arena);
    return is_there;
}

bool import_has_transport(struct import *import, struct sluice_span name)
{
    return draft_instance_find(&import->known, SLUICE_TRANSPORT_ID,
                               arena_text(&import->arena, name)) != NULL;
}

const struct sluice_option *import_option(struct import *import, const char *name)
{
    const struct draft_parameter *parameter = draft_parameter(&import->known, name);

    if (parameter == NULL || import_is_ours_alone(name) ||
        (parameter->option->flags & OPTION_INTERNAL) != 0)
        return NULL;
    return parameter->option;
}

/* Reads text as a configuration. False after a report: there is no place for it. */
static bool read_text(struct import *import, struct draft *draft, const char *text)
{
    char path[] = "/tmp/sluice-import-XXXXXX";
    struct place place = {.file = path};
    int fd = mkstemp(path);
    size_t len = strlen(text);
    bool is_written = fd != -1 && write(fd, text, len) == (ssize_t)len;

    if (!is_written)
        report_error(&import->report, place, "cannot be written: %s", strerror(errno));
    if (fd == -1)
        return false;
    (void)close(fd); /* nobody needs it to last */
    draft_init(draft);
    draft_read(draft, path);
    (void)unlink(path); /* what is left is temporary */
    return is_written;
}

/* ---- who names a transport -------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return c != '\0' &&
           strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", c) != NULL;
}

/* The name as a word by itself. */
static bool has_word(struct sluice_span text, const char *name)
{
    size_t len = strlen(name);
    const char *end = text.ptr + text.len;

    for (const char *at = text.ptr; at != NULL && (size_t)(end - at) >= len; at++) {
        at = memmem(at, (size_t)(end - at), name, len);
        if (at == NULL)
            return false;
        if ((at == text.ptr || !is_name_char(at[-1])) &&
            (at + len == end || !is_name_char(at[len])))
            return true;
    }
    return false;
}

/* A socket in a table counts from Postfix's queue folder, and nothing of that is known here. */
static void note_sockets(struct import *import, struct sluice_span text, const char *path)
{
    const struct import_entry *entry =
        import_find(&import->parameters, SPAN_LITERAL("transport_maps"));
    const struct sluice_span word = SPAN_LITERAL("lmtp:unix:");
    const char *found = memmem(text.ptr, text.len, word.ptr, word.len);

    if (found != NULL && found + word.len < text.ptr + text.len && found[word.len] != '/')
        import_note(
            import, IMPORT_LOST, entry->place, "transport_maps",
            "%s has sockets whose paths count from Postfix's queue folder: write whole paths",
            path);
}

/* The texts of the tables that transport_maps names, one behind the other. */
static struct buffer read_tables(struct import *import)
{
    struct sluice_span rest = sluice_span_of(import_value(import, "transport_maps"));
    struct buffer texts = BUFFER_INIT;
    struct sluice_span item;

    while (list_next(&rest, &item)) {
        const char *name = import_own_path(import, arena_text(&import->arena, item));
        const char *path = strchr(name, '/');
        char *bytes;
        size_t len;

        if (path == NULL ||
            durable_read_file(path, TABLE_FILE_MAX, &bytes, &len, NULL) != SLUICE_OK)
            continue; /* compiled alone, or none; the check of the result says so */
        buffer_add(&texts, bytes, len);
        note_sockets(import, (struct sluice_span){.ptr = bytes, .len = len}, name);
        free(bytes);
    }
    return texts;
}

static bool is_named(struct import *import, const char *name, struct sluice_span tables)
{
    for (size_t i = 0; i < import->parameters.count; i++) {
        if (has_word(sluice_span_of(import->parameters.items[i].value), name))
            return true;
    }
    return has_word(tables, name);
}

/* ---- services --------------------------------------------------------------------------------- */

static const char *plugin_for(const struct import_service *service)
{
    static const char *const agents[] = {"smtp",  "lmtp",    "error", "discard",
                                         "local", "virtual", "pipe"};

    if (strcmp(service->command, "error") == 0 && strcmp(service->name, "retry") == 0)
        return "retry";
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (strcmp(agents[i], service->command) == 0)
            return agents[i];
    }
    return NULL;
}

/* Those of Postfix's own that have no equivalent and need none. */
static bool is_inner(const char *command)
{
    static const char *const commands[] = {
        "pickup", "cleanup", "qmgr",       "oqmgr", "nqmgr",    "tlsmgr",   "trivial-rewrite",
        "bounce", "verify",  "flush",      "showq", "anvil",    "scache",   "proxymap",
        "smtpd",  "dnsblog", "postscreen", "error", "postlogd", "tlsproxy", "sendmail",
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i], command) == 0)
            return true;
    }
    return false;
}

static bool is_listed(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->transport_count; i++) {
        if (strcmp(import->transports[i].service->name, name) == 0)
            return true;
    }
    return false;
}

static void add_transport(struct import *import, const struct import_service *service,
                          const char *plugin)
{
    import->transports = arena_grow(&import->arena, import->transports, import->transport_count,
                                    sizeof(*import->transports));
    import->transports[import->transport_count++] =
        (struct import_transport){.service = service, .plugin = plugin};
}

/* A transport that cannot be had: mail for it would go astray. */
static void note_missing(struct import *import, const struct import_service *service,
                         bool is_wanted)
{
    import_note(import, is_wanted ? IMPORT_LOST : IMPORT_NOT_SUPPORTED, service->place,
                service->name, "there is no delivery by \"%s\"%s", service->command,
                is_wanted ? ": mail that it is named for waits" : "; nothing names it");
}

/* The user that a pipe runs its command as is one of this machine. */
static bool has_user(struct import *import, const struct import_service *service)
{
    const size_t len = strlen("user=");

    for (size_t i = 0; i < service->argument_count; i++) {
        struct sluice_span user = sluice_span_of(service->arguments[i]);

        if (strncmp(user.ptr, "argv=", strlen("argv=")) == 0)
            break;
        if (strncmp(user.ptr, "user=", len) != 0)
            continue;
        user = span_skip(user, len);
        user = span_first(user, span_find(user, ':'));
        if (getpwnam(arena_text(&import->arena, user)) == NULL) {
            import_note(import, IMPORT_LOST, service->place, service->name,
                        "there is no user %.*s on this machine: mail for this transport waits",
                        SPAN_ARGS(user));
            return false;
        }
    }
    return true;
}

static void take_service(struct import *import, const struct import_service *service,
                         struct sluice_span tables)
{
    const char *plugin = plugin_for(service);
    bool is_wanted = is_named(import, service->name, tables);

    if (strcmp(service->type, "inet") == 0 || strcmp(service->type, "pass") == 0)
        return; /* a server: import_listen.c */
    if (plugin == NULL) {
        if (!is_inner(service->command))
            note_missing(import, service, is_wanted);
        for (size_t i = 0; i < service->overrides.count; i++)
            import_note_override(import, service, &service->overrides.items[i]);
        return;
    }
    if (strcmp(plugin, "pipe") == 0 && !is_wanted) {
        import_note(import, IMPORT_NOT_NEEDED, service->place, service->name,
                    "nothing in main.cf or transport_maps names this transport");
    } else if (!import_is_name(service->name)) {
        import_note(import, IMPORT_LOST, service->place, service->name,
                    "no transport can have this name: mail for it waits");
    } else if (is_listed(import, service->name)) {
        import_note(import, IMPORT_NOT_NEEDED, service->place, service->name,
                    "a transport of that name comes before it");
    } else if (!import_has_plugin(import, arena_printf(&import->arena, "transport/%s", plugin))) {
        note_missing(import, service, is_wanted);
    } else {
        add_transport(import, service, has_user(import, service) ? plugin : "retry");
    }
}

/* Those that are there in any case: in a configuration that is empty. */
static void mark_always_there(struct import *import)
{
    for (size_t i = 0; i < import->transport_count; i++) {
        struct import_transport *transport = &import->transports[i];
        const struct draft_instance *instance =
            draft_instance_find(&import->known, SLUICE_TRANSPORT_ID, transport->service->name);
        const char *plugin = instance != NULL ? strchr(instance->plugin, '/') + 1 : NULL;

        /* relay and etrn-only are smtp with options of their own */
        transport->is_always_there =
            plugin != NULL && (strcmp(plugin, transport->plugin) == 0 ||
                               (strcmp(transport->plugin, "smtp") == 0 &&
                                strcmp(plugin, transport->service->name) == 0));
    }
}

void import_find_transports(struct import *import)
{
    struct buffer tables = read_tables(import);

    for (size_t i = 0; i < import->service_count; i++)
        take_service(import, &import->services[i], buffer_span(&tables));
    buffer_done(&tables);
    mark_always_there(import);
}

bool import_learn(struct import *import)
{
    struct arena *arena = &import->arena;
    const char *text = "";

    for (size_t i = 0; i < import->transport_count; i++) {
        const struct import_transport *transport = &import->transports[i];

        text = arena_printf(arena, "%s%s{ name = \"%s\";%s }", text, i > 0 ? ", " : "",
                            transport->service->name,
                            transport->is_always_there
                                ? ""
                                : arena_printf(arena, " plugin = \"%s\";", transport->plugin));
    }
    text = text[0] != '\0' ? arena_printf(arena, "transports = ( %s );\n", text) : text;
    draft_done(&import->known); /* what was learnt before */
    if (!read_text(import, &import->known, text))
        return false;
    settle_instances(&import->known); /* what options still want is not said here */
    return true;
}
