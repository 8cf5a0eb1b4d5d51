/* SPDX-License-Identifier: ISC */
/* expand: see local.h. */
#include "local.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct expansion {
    const struct visit *visit;
    const struct account *account;
    FILE *out;
    bool has_failed;
};

static struct sluice_span domain_of(struct sluice_span address)
{
    struct sluice_span local = maps_local_of(address);
    size_t skip = local.len < address.len ? local.len + 1 : address.len;

    return (struct sluice_span){address.ptr + skip, address.len - skip};
}

static struct sluice_span delimiter_of(const struct visit *visit)
{
    return (struct sluice_span){visit->local + strlen(visit->user),
                                visit->extension[0] != '\0' ? 1 : 0};
}

static struct sluice_span value_of(struct expansion *expansion, struct sluice_span name)
{
    const struct visit *visit = expansion->visit;
    const struct account *account = expansion->account;
    const struct {
        const char *name;
        struct sluice_span value;
    } values[] = {
        {"user", sluice_span_of(visit->user)},
        {"local", sluice_span_of(visit->local)},
        {"extension", sluice_span_of(visit->extension)},
        {"recipient_delimiter", delimiter_of(visit)},
        {"recipient", visit->recipient->address},
        {"domain", domain_of(visit->recipient->address)},
        {"home", sluice_span_of(account != NULL ? account->home : "")},
        {"shell", sluice_span_of(account != NULL ? account->shell : "")},
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (strlen(values[i].name) == name.len && memcmp(values[i].name, name.ptr, name.len) == 0)
            return values[i].value;
    }
    expansion->has_failed = true;
    return (struct sluice_span){"", 0};
}

static size_t name_len(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

static void put(struct expansion *expansion, struct sluice_span text)
{
    if (text.len > 0)
        (void)fwrite(text.ptr, 1, text.len, expansion->out); /* fclose tells */
}

/* Behind "${": up to the brace. ${name?text} is the text where name is not empty. */
static const char *put_braced(struct expansion *expansion, const char *at)
{
    size_t len = name_len(at);
    size_t whole = strcspn(at, "}");
    struct sluice_span value = value_of(expansion, (struct sluice_span){at, len});

    if (at[whole] == '\0' || (len != whole && at[len] != '?'))
        expansion->has_failed = true;
    else if (len == whole)
        put(expansion, value);
    else if (value.len > 0)
        put(expansion, (struct sluice_span){at + len + 1, whole - len - 1});
    return at[whole] != '\0' ? at + whole + 1 : at + whole;
}

char *visit_expand(const struct visit *visit, const char *text, const struct account *account)
{
    char *expanded = NULL;
    size_t size;
    struct expansion expansion = {
        .visit = visit, .account = account, .out = open_memstream(&expanded, &size)};

    if (expansion.out == NULL)
        return NULL;
    while (*text != '\0') {
        size_t len = strcspn(text, "$");

        put(&expansion, (struct sluice_span){text, len});
        text += len;
        if (text[0] == '$' && text[1] == '{') {
            text = put_braced(&expansion, text + 2);
        } else if (text[0] == '$') {
            len = name_len(text + 1);
            put(&expansion, value_of(&expansion, (struct sluice_span){text + 1, len}));
            text += 1 + len;
        }
    }
    if (fclose(expansion.out) == 0 && !expansion.has_failed)
        return expanded;
    free(expanded);
    return NULL;
}
