/* SPDX-License-Identifier: ISC */
/*
 * tcp: asks a server in the protocol of Postfix's tcp_table(5): "get KEY", and a line with 200 and the
 * value, 500 for none, or 400 for a failure. White space, "%" and what is no visible ASCII are
 * written as %XX.
 */
#include "explain.h"
#include "peers.h"

#include "sluice/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX 4096 /* with its line feed, as the protocol says */
#define CODE_LEN 4     /* "200 " */

static struct peers *peers_of(struct sluice_lookup *lookup)
{
    return (struct peers *)(void *)lookup;
}

static enum peers_state state(const struct peers_reply *reply)
{
    const char *end = memchr(reply->text, '\n', reply->len);

    if (end == NULL)
        return reply->len < REPLY_MAX ? PEERS_MORE : PEERS_NONSENSE;
    return end == reply->text + reply->len - 1 && reply->len <= REPLY_MAX ? PEERS_WHOLE
                                                                          : PEERS_NONSENSE;
}

/* NULL: no memory. The caller frees it. */
static char *request_of(struct sluice_span key, size_t *ret_len)
{
    char *request = malloc(sizeof("get ") + 3 * key.len + 1);
    size_t len = 4;

    if (request == NULL)
        return NULL;
    memcpy(request, "get ", len);
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];

        if (c > ' ' && c < 0x7f && c != '%')
            request[len++] = (char)c;
        else
            len += (size_t)snprintf(request + len, 4, "%%%02X", c);
    }
    request[len++] = '\n';
    *ret_len = len;
    return request;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* In its place; false if it is no such text. */
static bool decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        int high, low;

        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        high = hex_value(from[1]);
        low = high != -1 ? hex_value(from[2]) : -1;
        if (low == -1 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static sluice_status judge(const char *name, struct peers_reply *reply,
                           const struct sluice_lookup_sink *sink,
                           const struct sluice_errors *errors)
{
    char *text = reply->text + CODE_LEN;

    reply->text[reply->len - 1] = '\0'; /* the line feed */
    if (reply->len <= CODE_LEN || strlen(reply->text) != reply->len - 1 || !decode(text))
        return explain(errors, SLUICE_TEMP, "%s: malformed reply", name);
    if (strncmp(reply->text, "500 ", CODE_LEN) == 0)
        return SLUICE_NOT_FOUND;
    if (strncmp(reply->text, "400 ", CODE_LEN) == 0)
        return explain(errors, SLUICE_TEMP, "%s: the server says: %s", name, text);
    if (strncmp(reply->text, "200 ", CODE_LEN) != 0)
        return explain(errors, SLUICE_TEMP, "%s: malformed reply", name);
    sink->value(sink, sluice_span_of(text));
    return SLUICE_OK;
}

static sluice_status tcp_find(struct sluice_lookup *lookup, struct sluice_span key,
                              int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    struct peers_reply reply = {0};
    struct sluice_span request;
    char *text = request_of(key, &request.len);
    sluice_status st;

    if (text == NULL)
        return explain(errors, SLUICE_TEMP, "out of memory");
    request.ptr = text;
    st = peers_ask(peers_of(lookup), request, deadline_ms, state, &reply, errors);
    if (st == SLUICE_OK)
        st = judge(peers_name(peers_of(lookup)), &reply, sink, errors);
    free(text);
    free(reply.text);
    return st;
}

static sluice_status tcp_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, const struct sluice_errors *errors,
                              struct sluice_lookup **ret_lookup)
{
    struct peers *peers;
    char *where;
    sluice_status st;

    if (asprintf(&where, "inet:%s", name) == -1)
        return explain(errors, SLUICE_TEMP, "out of memory");
    st = peers_open(host, where, config->get_number(config, "timeout"), errors, &peers);
    free(where);
    if (st == SLUICE_OK)
        *ret_lookup = (struct sluice_lookup *)(void *)peers;
    return st;
}

static void tcp_close(struct sluice_lookup *lookup)
{
    peers_close(peers_of(lookup));
}

static const struct sluice_option options[] = {
    {"timeout", SLUICE_OPT_DURATION, 0, "100s", "1s..1h", "For one look-up"},
};

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_PATTERNS, /* the server has the whole key */
    .open = tcp_open,
    .close = tcp_close,
    .find = tcp_find,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/tcp",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A server that is asked in the protocol of tcp_table(5), tcp:host:port",
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
