/* SPDX-License-Identifier: ISC */
/* arguments: see arguments.h. Texts grow in memory streams. */
#include "arguments.h"

#include "sluice/lookup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum macro {
    MACRO_NONE,
    MACRO_SENDER,
    MACRO_NEXTHOP,
    MACRO_SIZE,
    MACRO_QUEUE_ID,
    MACRO_CLIENT_ADDRESS,
    MACRO_CLIENT_HOSTNAME,
    MACRO_CLIENT_HELO,
    MACRO_CLIENT_PROTOCOL,
    MACRO_SASL_USERNAME,
    MACRO_NOTHING, /* what a Postfix tells and nobody here knows */
    /* These differ from recipient to recipient. */
    MACRO_RECIPIENT,
    MACRO_ORIGINAL_RECIPIENT,
    MACRO_USER,
    MACRO_EXTENSION,
    MACRO_MAILBOX,
    MACRO_DOMAIN,
};

static const struct {
    const char *name;
    enum macro macro;
} macros[] = {
    {"sender", MACRO_SENDER},
    {"nexthop", MACRO_NEXTHOP},
    {"size", MACRO_SIZE},
    {"queue_id", MACRO_QUEUE_ID},
    {"client_address", MACRO_CLIENT_ADDRESS},
    {"client_hostname", MACRO_CLIENT_HOSTNAME},
    {"client_helo", MACRO_CLIENT_HELO},
    {"client_protocol", MACRO_CLIENT_PROTOCOL},
    {"client_port", MACRO_NOTHING},
    {"sasl_username", MACRO_SASL_USERNAME},
    {"sasl_method", MACRO_NOTHING},
    {"sasl_sender", MACRO_NOTHING},
    {"recipient", MACRO_RECIPIENT},
    {"original_recipient", MACRO_ORIGINAL_RECIPIENT},
    {"user", MACRO_USER},
    {"extension", MACRO_EXTENSION},
    {"mailbox", MACRO_MAILBOX},
    {"domain", MACRO_DOMAIN},
};

/* ---- the words of the configuration ---------------------------------------------------------- */

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static enum macro find_macro(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
        if (strlen(macros[i].name) == len && memcmp(macros[i].name, name, len) == 0)
            return macros[i].macro;
    }
    return MACRO_NONE;
}

/* The macro at a "$": $name, ${name} or $(name); *ret_end: behind it. */
static enum macro read_macro(const char *at, const char **ret_end)
{
    char close = at[1] == '{' ? '}' : at[1] == '(' ? ')' : '\0';
    const char *name = at + (close != '\0' ? 2 : 1);
    size_t len = 0;

    while (is_name_byte(name[len]))
        len++;
    *ret_end = name + len;
    if (close != '\0' && name[len] != close)
        return MACRO_NONE;
    if (close != '\0')
        (*ret_end)++;
    return find_macro(name, len);
}

const char *arguments_fault(const char *word)
{
    const char *at = word;

    while ((at = strchr(at, '$')) != NULL) {
        const char *end = at + 2;

        if (at[1] != '$' && read_macro(at, &end) == MACRO_NONE)
            return at;
        at = end;
    }
    return NULL;
}

static bool is_for_each(const char *word)
{
    const char *at = word;

    while ((at = strchr(at, '$')) != NULL) {
        const char *end = at + 2;

        if (at[1] != '$' && read_macro(at, &end) >= MACRO_RECIPIENT)
            return true;
        at = end;
    }
    return false;
}

/* ---- addresses ------------------------------------------------------------------------------- */

#define LOCAL_MAX                                                                                  \
    2048 /* of a local part; more is cut, which no address of ours is long enough for */

struct parts {
    char text[LOCAL_MAX];     /* the local part without quotes */
    struct sluice_span local; /* there */
    struct sluice_span domain;
    bool has_domain;
};

/* RFC 5321 4.1.2: a quoted local part as what it stands for; another one as it is. */
static void unquote(struct parts *parts, struct sluice_span local)
{
    bool is_quoted = local.len > 1 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';
    size_t end = is_quoted ? local.len - 1 : local.len;
    size_t len = 0;

    for (size_t i = is_quoted ? 1 : 0; i < end && len < LOCAL_MAX; i++) {
        if (is_quoted && local.ptr[i] == '\\' && i + 1 < end)
            i++;
        parts->text[len++] = local.ptr[i];
    }
    parts->local = (struct sluice_span){parts->text, len};
}

static void split(struct sluice_span address, struct parts *parts)
{
    size_t at = address.len;

    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    parts->has_domain = at > 0;
    parts->domain = (struct sluice_span){address.ptr + at, at > 0 ? address.len - at : 0};
    unquote(parts, at > 0 ? (struct sluice_span){address.ptr, at - 1} : address);
}

static void put(FILE *to, struct sluice_span text, bool is_folded)
{
    for (size_t i = 0; i < text.len; i++)
        (void)fputc(is_folded ? tolower((unsigned char)text.ptr[i]) : text.ptr[i], to);
}

/* RFC 822 3.3: what an atom, or a dot between two, may be. Bytes above 127 stay as they are. */
static bool needs_quotes(struct sluice_span local)
{
    if (local.len == 0 || local.ptr[0] == '.' || local.ptr[local.len - 1] == '.')
        return true;
    for (size_t i = 0; i < local.len; i++) {
        unsigned char c = (unsigned char)local.ptr[i];

        if (c <= ' ' || c == 0x7f || strchr("()<>@,;:\\\"[]", c) != NULL ||
            (c == '.' && local.ptr[i - 1] == '.'))
            return true;
    }
    return false;
}

static void put_quoted(FILE *to, struct sluice_span local, bool is_folded)
{
    (void)fputc('"', to);
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '"' || local.ptr[i] == '\\' || local.ptr[i] == '\r')
            (void)fputc('\\', to);
        put(to, (struct sluice_span){local.ptr + i, 1}, is_folded);
    }
    (void)fputc('"', to);
}

static void put_address(FILE *to, struct sluice_span address, unsigned flags)
{
    struct parts parts;
    bool folds_local = (flags & ARGUMENTS_FOLD_LOCAL) != 0;

    split(address, &parts);
    if ((flags & ARGUMENTS_QUOTE) != 0 && needs_quotes(parts.local))
        put_quoted(to, parts.local, folds_local);
    else
        put(to, parts.local, folds_local);
    if (parts.has_domain)
        (void)fputc('@', to);
    put(to, parts.domain, (flags & ARGUMENTS_FOLD_DOMAIN) != 0);
}

bool arguments_look_like_option(struct sluice_span address)
{
    struct parts parts;

    split(address, &parts);
    return parts.local.len > 0 && parts.local.ptr[0] == '-';
}

/* ---- one argument ---------------------------------------------------------------------------- */

struct expansion {
    const struct arguments_format *format;
    const struct sluice_message *message;
    const struct sluice_recipient *recipient; /* NULL: the word names none */
    FILE *to;
    bool is_suppressed;
};

static void put_sender(const struct expansion *x)
{
    struct sluice_span sender =
        x->message->sender.len > 0 ? x->message->sender : sluice_span_of(x->format->null_sender);

    if (sender.len > 0) /* an empty one is not quoted */
        put_address(x->to, sender, x->format->flags & ARGUMENTS_QUOTE);
}

static void put_of_message(const struct expansion *x, enum macro macro)
{
    const struct sluice_message *message = x->message;

    if (macro == MACRO_SENDER)
        put_sender(x);
    else if (macro == MACRO_SIZE)
        (void)fprintf(x->to, "%llu", (unsigned long long)message->size);
    else if (macro == MACRO_QUEUE_ID)
        put(x->to, message->id, false);
    else if (!sluice_message_has_origin(message))
        return;
    else if (macro == MACRO_NEXTHOP)
        put(x->to, message->nexthop, (x->format->flags & ARGUMENTS_FOLD_DOMAIN) != 0);
    else if (macro == MACRO_CLIENT_ADDRESS)
        put(x->to, message->client_address, false);
    else if (macro == MACRO_CLIENT_HOSTNAME)
        put(x->to, message->client_name, false);
    else if (macro == MACRO_CLIENT_HELO)
        put(x->to, message->client_helo, false);
    else if (macro == MACRO_CLIENT_PROTOCOL)
        put(x->to, message->client_protocol, false);
    else if (macro == MACRO_SASL_USERNAME)
        put(x->to, message->login, false);
}

static void put_of_recipient(struct expansion *x, enum macro macro)
{
    struct parts parts;
    bool folds_local = (x->format->flags & ARGUMENTS_FOLD_LOCAL) != 0;

    split(x->recipient->address, &parts);
    size_t len = sluice_user_len(parts.local, x->format->delimiters);
    if (macro == MACRO_RECIPIENT)
        put_address(x->to, x->recipient->address, x->format->flags);
    else if (macro == MACRO_ORIGINAL_RECIPIENT)
        put_address(x->to, sluice_recipient_original(x->recipient), x->format->flags);
    else if (macro == MACRO_MAILBOX)
        put(x->to, parts.local, folds_local);
    else if (macro == MACRO_USER)
        put(x->to, (struct sluice_span){parts.local.ptr, len}, folds_local);
    else if (macro == MACRO_EXTENSION && len < parts.local.len)
        put(x->to, (struct sluice_span){parts.local.ptr + len + 1, parts.local.len - len - 1},
            folds_local);
    else if (macro == MACRO_DOMAIN)
        put(x->to, parts.domain, (x->format->flags & ARGUMENTS_FOLD_DOMAIN) != 0);
    x->is_suppressed = x->is_suppressed || (macro == MACRO_USER && len == 0);
}

static void put_word(struct expansion *x, const char *word)
{
    while (*word != '\0') {
        const char *end = word + 1;
        enum macro macro;

        if (word[0] == '$' && word[1] == '$') {
            (void)fputc('$', x->to);
            end = word + 2;
        } else if (word[0] != '$') {
            (void)fputc(word[0], x->to);
        } else if ((macro = read_macro(word, &end)) >= MACRO_RECIPIENT) {
            put_of_recipient(x, macro);
        } else {
            put_of_message(x, macro);
        }
        word = end;
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct list {
    char **items;
    size_t count;
    size_t size;
};

/* The last place stays NULL. */
static bool list_add(struct list *list, char *item)
{
    if (list->count + 1 >= list->size) {
        size_t size = list->size * 2 + 8;
        char **items = reallocarray(list->items, size, sizeof(*items));

        if (items == NULL) {
            free(item);
            return false;
        }
        list->items = items;
        list->size = size;
    }
    list->items[list->count++] = item;
    list->items[list->count] = NULL;
    return true;
}

/* False: no memory. */
static bool add_word(struct list *list, const struct arguments_format *format, const char *word,
                     const struct sluice_message *message, const struct sluice_recipient *recipient)
{
    struct expansion x = {.format = format, .message = message, .recipient = recipient};
    char *text = NULL;
    size_t len = 0;

    x.to = open_memstream(&text, &len);
    if (x.to == NULL)
        return false;
    put_word(&x, word);
    bool is_whole = ferror(x.to) == 0;
    if (fclose(x.to) != 0 || !is_whole || x.is_suppressed) {
        free(text);
        return is_whole && x.is_suppressed;
    }
    return list_add(list, text);
}

static const struct sluice_recipient *recipient_at(const struct arguments_mail *mail, size_t index)
{
    return (const struct sluice_recipient *)(const void *)((const char *)mail->recipients +
                                                           index * mail->recipient_size);
}

char **arguments_new(const struct arguments_format *format, const struct arguments_mail *mail)
{
    struct list list = {0};

    for (const char *const *word = format->words; *word != NULL; word++) {
        size_t count = is_for_each(*word) ? mail->count : 1;

        for (size_t i = 0; i < count; i++) {
            if (!add_word(&list, format, *word, mail->message, recipient_at(mail, i))) {
                arguments_free(list.items);
                return NULL;
            }
        }
    }
    return list.items;
}

void arguments_free(char **arguments)
{
    for (char **argument = arguments; argument != NULL && *argument != NULL; argument++)
        free(*argument);
    free(arguments);
}
