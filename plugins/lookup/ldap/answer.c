/* SPDX-License-Identifier: ISC */
/* answer: see answer.h. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void entry_done(struct answer_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++) {
        ldap_memfree(entry->attributes[i].name);
        ldap_value_free_len(entry->attributes[i].values);
    }
    free(entry->attributes);
}

void answer_done(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        entry_done(&answer->entries[i]);
    for (size_t i = 0; i < answer->url_count; i++)
        free(answer->urls[i]);
    free(answer->entries);
    free(answer->urls);
    *answer = (struct answer){0};
}

const struct answer_attribute *answer_attribute(const struct answer_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->count; i++) {
        if (strcasecmp(entry->attributes[i].name, name) == 0)
            return &entry->attributes[i];
    }
    return NULL;
}

/* Takes the name. False: no memory. */
static bool add_attribute(struct answer_entry *entry, char *name, struct berval **values)
{
    struct answer_attribute *more =
        reallocarray(entry->attributes, entry->count + 1, sizeof(*more));

    if (more == NULL || values == NULL) {
        if (more != NULL)
            entry->attributes = more;
        ldap_memfree(name);
        ldap_value_free_len(values);
        return more != NULL; /* an attribute without values is none */
    }
    entry->attributes = more;
    more[entry->count++] = (struct answer_attribute){.name = name, .values = values};
    return true;
}

static bool read_entry(struct answer_entry *entry, LDAP *handle, LDAPMessage *message)
{
    BerElement *at = NULL;
    bool is_fine = true;

    for (char *name = ldap_first_attribute(handle, message, &at); name != NULL;
         name = is_fine ? ldap_next_attribute(handle, message, at) : NULL)
        is_fine = add_attribute(entry, name, ldap_get_values_len(handle, message, name));
    ber_free(at, 0);
    return is_fine;
}

static size_t size_of_entry(const struct answer_entry *entry)
{
    size_t size = sizeof(*entry);

    for (size_t i = 0; i < entry->count; i++) {
        const struct answer_attribute *attribute = &entry->attributes[i];

        size += sizeof(*attribute) + strlen(attribute->name);
        for (struct berval **value = attribute->values; *value != NULL; value++)
            size += sizeof(value) + sizeof(**value) + (*value)->bv_len;
    }
    return size;
}

static bool make_room(struct answer *answer)
{
    size_t room = answer->room > 0 ? 2 * answer->room : 1;
    struct answer_entry *more;

    if (answer->count < answer->room)
        return true;
    more = reallocarray(answer->entries, room, sizeof(*more));
    if (more == NULL)
        return false;
    answer->entries = more;
    answer->room = room;
    return true;
}

static bool add_entry(struct answer *answer, LDAP *handle, LDAPMessage *message)
{
    struct answer_entry *entry;
    bool is_fine;

    if (!make_room(answer))
        return false;
    entry = &answer->entries[answer->count++];
    *entry = (struct answer_entry){0};
    is_fine = read_entry(entry, handle, message);
    answer->bytes += size_of_entry(entry);
    return is_fine;
}

/* Each of these groups names one place by several URLs: the first will do. */
static bool add_url(struct answer *answer, char **urls)
{
    char **more;

    if (urls == NULL || urls[0] == NULL)
        return true;
    more = reallocarray(answer->urls, answer->url_count + 1, sizeof(*more));
    if (more == NULL)
        return false;
    answer->urls = more;
    more[answer->url_count] = strdup(urls[0]);
    if (more[answer->url_count] == NULL)
        return false;
    answer->bytes += sizeof(*more) + strlen(more[answer->url_count++]);
    return true;
}

static bool add_reference(struct answer *answer, LDAP *handle, LDAPMessage *message)
{
    char **urls = NULL;
    bool is_fine = ldap_parse_reference(handle, message, &urls, NULL, 0) == LDAP_SUCCESS &&
                   add_url(answer, urls);

    ldap_memvfree((void **)urls);
    return is_fine;
}

static bool read_result(struct answer *answer, LDAP *handle, LDAPMessage *message)
{
    char *text = NULL;
    char **urls = NULL;
    bool is_fine = ldap_parse_result(handle, message, &answer->code, NULL, &text, &urls, NULL, 0) ==
                       LDAP_SUCCESS &&
                   add_url(answer, urls);

    (void)snprintf(answer->text, sizeof(answer->text), "%s", text != NULL ? text : "");
    answer->has_result = true;
    ldap_memfree(text);
    ldap_memvfree((void **)urls);
    return is_fine;
}

void answer_take(struct answer *answer, LDAP *handle, LDAPMessage *message)
{
    bool is_fine = true;

    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        is_fine = add_entry(answer, handle, message);
        break;
    case LDAP_RES_SEARCH_REFERENCE:
        is_fine = add_reference(answer, handle, message);
        break;
    case LDAP_RES_SEARCH_RESULT:
        is_fine = read_result(answer, handle, message);
        break;
    default:
        break;
    }
    (void)ldap_msgfree(message);
    if (!is_fine) {
        answer->failure = LDAP_NO_MEMORY;
    } else if (answer->bytes > ANSWER_BYTES_MAX) {
        answer->failure = LDAP_SIZELIMIT_EXCEEDED;
        (void)snprintf(answer->text, sizeof(answer->text), "more than %zu bytes", ANSWER_BYTES_MAX);
    }
}
