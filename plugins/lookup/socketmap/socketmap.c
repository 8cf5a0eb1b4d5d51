/* SPDX-License-Identifier: ISC */
/*
 * socketmap: asks a server in Sendmail's socketmap protocol, as Postfix's socketmap_table(5): netstrings
 * with "NAME KEY", and with "OK VALUE", "NOTFOUND ", "TEMP reason", "TIMEOUT reason" or "PERM reason".
 */
#include "explain.h"
#include "peers.h"

#include "sluice/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sluice_lookup {
    struct peers *peers;
    char *map; /* the name that the server knows the table by */
};

/* The bytes of a netstring, "LENGTH:BYTES,": how far it has come, and where they are. */
static enum peers_state parse(const struct peers_reply *reply, struct sluice_span *ret_bytes)
{
    size_t at = strspn(reply->text, "0123456789");
    size_t len;

    if (at > 6 || (at == 0 && reply->len > 0) || (reply->text[at] != ':' && at != reply->len))
        return PEERS_NONSENSE;
    if (at == reply->len)
        return PEERS_MORE;
    len = strtoul(reply->text, NULL, 10);
    if (len > PEERS_REPLY_MAX)
        return PEERS_NONSENSE;
    if (reply->len < at + len + 2)
        return PEERS_MORE;
    *ret_bytes = (struct sluice_span){reply->text + at + 1, len};
    return reply->len == at + len + 2 && reply->text[at + len + 1] == ',' ? PEERS_WHOLE
                                                                         : PEERS_NONSENSE;
}

static enum peers_state state(const struct peers_reply *reply)
{
    struct sluice_span bytes;

    return parse(reply, &bytes);
}

/* What follows a word and a blank, if the reply begins with them. */
static bool follows(struct sluice_span bytes, const char *word, struct sluice_span *ret_rest)
{
    size_t len = strlen(word);

    if (bytes.len < len || memcmp(bytes.ptr, word, len) != 0 ||
        (bytes.len > len && bytes.ptr[len] != ' '))
        return false;
    if (bytes.len > len)
        len++;
    *ret_rest = (struct sluice_span){bytes.ptr + len, bytes.len - len};
    return true;
}

/* A failure for good is one of the server's, not of the key: it is TEMP too, as in Postfix. */
static sluice_status judge(const char *name, const struct peers_reply *reply,
                           const struct sluice_lookup_sink *sink,
                           const struct sluice_errors *errors)
{
    struct sluice_span bytes, rest;

    if (parse(reply, &bytes) != PEERS_WHOLE)
        return explain(errors, SLUICE_TEMP, "%s: malformed reply", name);
    if (follows(bytes, "OK", &rest)) {
        sink->value(sink, rest);
        return SLUICE_OK;
    }
    if (follows(bytes, "NOTFOUND", &rest))
        return SLUICE_NOT_FOUND;
    if (follows(bytes, "TEMP", &rest) || follows(bytes, "TIMEOUT", &rest) ||
        follows(bytes, "PERM", &rest))
        return explain(errors, SLUICE_TEMP, "%s: the server says: %.*s", name, (int)rest.len,
                       rest.ptr);
    return explain(errors, SLUICE_TEMP, "%s: malformed reply", name);
}

/* NULL: no memory. The caller frees it. */
static char *request_of(const char *map, struct sluice_span key, size_t *ret_len)
{
    size_t payload = strlen(map) + 1 + key.len;
    char *request = malloc(payload + 32);
    size_t len;

    if (request == NULL)
        return NULL;
    len = (size_t)snprintf(request, payload + 32, "%zu:%s ", payload, map);
    if (key.len > 0)
        memcpy(request + len, key.ptr, key.len);
    len += key.len;
    request[len++] = ',';
    *ret_len = len;
    return request;
}

static sluice_status socketmap_find(struct sluice_lookup *lookup, struct sluice_span key,
                              int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    struct peers_reply reply = {0};
    struct sluice_span request;
    char *text = request_of(lookup->map, key, &request.len);
    sluice_status st;

    if (text == NULL)
        return explain(errors, SLUICE_TEMP, "out of memory");
    request.ptr = text;
    st = peers_ask(lookup->peers, request, deadline_ms, state, &reply, errors);
    if (st == SLUICE_OK)
        st = judge(peers_name(lookup->peers), &reply, sink, errors);
    free(text);
    free(reply.text);
    return st;
}

static void socketmap_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    peers_close(lookup->peers);
    free(lookup->map);
    free(lookup);
}

/* "inet:host:port:name" or "unix:/path:name". */
static sluice_status socketmap_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, const struct sluice_errors *errors,
                              struct sluice_lookup **ret_lookup)
{
    const char *colon = strrchr(name, ':');
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));
    char *where = colon != NULL ? strndup(name, (size_t)(colon - name)) : strdup("");
    sluice_status st;

    if (lookup != NULL)
        lookup->map = strdup(colon != NULL ? colon + 1 : "");
    if (lookup == NULL || where == NULL || lookup->map == NULL)
        st = explain(errors, SLUICE_TEMP, "out of memory");
    else if (lookup->map[0] == '\0')
        st = explain(errors, SLUICE_CONFIG, "%s: wants inet:host:port:name or unix:/path:name", name);
    else
        st = peers_open(host, where, config->get_number(config, "timeout"), errors, &lookup->peers);
    free(where);
    if (st == SLUICE_OK)
        *ret_lookup = lookup;
    else
        socketmap_close(lookup);
    return st;
}

static const struct sluice_option options[] = {
    {"timeout", SLUICE_OPT_DURATION, 0, "100s", "1s..1h", "For one look-up"},
};

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_PATTERNS, /* the server has the whole key */
    .open = socketmap_open,
    .close = socketmap_close,
    .find = socketmap_find,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/socketmap",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A server that is asked in Sendmail's socketmap protocol, socketmap:inet:host:port:name or "
               "socketmap:unix:/path:name",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
