/* SPDX-License-Identifier: ISC */
/*
 * inline: a table that its own name spells out: "inline:{customer.tld=etrn-only, {isp.tld = a b}}".
 *
 * Entries are parted by commas and white space; one that has such things in it stands in braces of its
 * own. Of entries with the same key the last counts, as with Postfix.
 */
#include "../common/braces.h"
#include "../common/entries.h"
#include "../common/explain.h"

#include <string.h>

#define NEED "%s: \"inline:%s\"; need \"inline:{name=value...}\""

/* The table is what it has. */
static struct entries *entries_of(struct sluice_lookup *lookup)
{
    return (struct entries *)(void *)lookup;
}

/* "key = value", the key perhaps in quotes, which are part of it. NULL, or what is wrong. */
static const char *split(struct sluice_span text, struct sluice_span *ret_key,
                         struct sluice_span *ret_value)
{
    bool is_quoted = false;
    size_t len;

    for (len = 0; len < text.len; len++) {
        char c = text.ptr[len];

        if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (c == '=' || c == ' ' || (c >= '\t' && c <= '\r')))
            break;
    }
    *ret_key = (struct sluice_span){text.ptr, len};
    text = braces_trim((struct sluice_span){text.ptr + len, text.len - len});
    if (len == 0)
        return "missing attribute name";
    if (text.len == 0 || text.ptr[0] != '=')
        return "missing '=' after attribute name";
    *ret_value = braces_trim((struct sluice_span){text.ptr + 1, text.len - 1});
    return NULL;
}

/* The text between the outer braces. NULL, or what is wrong. */
static const char *add_all(struct entries *entries, struct sluice_span text)
{
    struct sluice_span item, key, value;
    const char *wrong = NULL;

    while (wrong == NULL && braces_next(&text, &item)) {
        if (item.ptr[0] == '{')
            wrong = braces_strip(item, &item);
        if (wrong == NULL)
            wrong = split(item, &key, &value);
        if (wrong == NULL && entries_add(entries, key, value, true) != SLUICE_OK)
            wrong = "out of memory";
    }
    return wrong;
}

static sluice_status inline_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    struct entries *entries = entries_new();
    struct sluice_span text;
    const char *wrong;

    (void)host;
    (void)config;
    if (entries == NULL)
        wrong = "out of memory";
    else if (braces_strip(sluice_span_of(name), &text) != NULL || text.len == 0)
        wrong = "bad syntax";
    else
        wrong = add_all(entries, text);
    if (wrong != NULL) {
        entries_free(entries);
        return explain(errors, SLUICE_CONFIG, NEED, wrong, name);
    }
    *ret_lookup = (struct sluice_lookup *)(void *)entries;
    return SLUICE_OK;
}

static void inline_close(struct sluice_lookup *lookup)
{
    entries_free(entries_of(lookup));
}

static sluice_status inline_find(struct sluice_lookup *lookup, struct sluice_span key,
                                 int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)deadline_ms;
    (void)errors;
    return entries_find(entries_of(lookup), key, sink);
}

/* The content is the name: it never changes. */
static sluice_status inline_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    (void)lookup;
    *ret_generation = 0;
    return SLUICE_OK;
}

static sluice_status inline_list(struct sluice_lookup *lookup,
                                 const struct sluice_lookup_entry_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)errors;
    return entries_list(entries_of(lookup), sink);
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = inline_open,
    .close = inline_close,
    .find = inline_find,
    .generation = inline_generation,
    .list = inline_list,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/inline",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A table that its name spells out: inline:{key=value, {key = a b}}",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
