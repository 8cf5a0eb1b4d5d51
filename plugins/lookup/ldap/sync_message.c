/* SPDX-License-Identifier: ISC */
/* sync_message: see sync_message.h. */
#include "sync_message.h"

#include <string.h>

/* ---- asking ----------------------------------------------------------------------------------- */

/* RFC 4533 section 2.2. Without reloadHint: that a server begins anew it says by a result, and not by what
 * might be taken for changes. */
static int encode_request(BerElement *ber, const struct berval *cookie, struct berval **ret_value)
{
    int written = cookie != NULL ? ber_printf(ber, "{eO}", LDAP_SYNC_REFRESH_AND_PERSIST, cookie)
                                 : ber_printf(ber, "{e}", LDAP_SYNC_REFRESH_AND_PERSIST);

    return written != -1 && ber_flatten(ber, ret_value) != -1 ? LDAP_SUCCESS : LDAP_NO_MEMORY;
}

int sync_message_send(LDAP *handle, const struct sync_plan *plan, int scope,
                      const struct berval *cookie, int *ret_id)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    struct berval *value = NULL;
    LDAPControl control = {.ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_SYNC,
                           .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    int code = ber != NULL ? encode_request(ber, cookie, &value) : LDAP_NO_MEMORY;

    if (code == LDAP_SUCCESS) {
        control.ldctl_value = *value;
        code = ldap_search_ext(handle, plan->base, scope, plan->filter,
                               (char **)(uintptr_t)plan->attributes, 0, controls, NULL, NULL,
                               LDAP_NO_LIMIT, ret_id);
    }
    ber_bvfree(value);
    ber_free(ber, 1);
    return code;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static bool has_tag(BerElement *ber, ber_tag_t tag)
{
    ber_len_t len;

    return ber_peek_tag(ber, &len) == tag;
}

/* Those are optional in all that has them. */
static bool read_cookie(BerElement *ber, struct sync_message *message)
{
    return !has_tag(ber, LDAP_TAG_SYNC_COOKIE) ||
           ber_scanf(ber, "O", &message->cookie) != LBER_ERROR;
}

static bool read_boolean(BerElement *ber, bool fallback, bool *ret_value)
{
    ber_int_t value = fallback;

    if (has_tag(ber, LBER_BOOLEAN) && ber_scanf(ber, "b", &value) == LBER_ERROR)
        return false;
    *ret_value = value != 0;
    return true;
}

static bool are_uuids(BerVarray uuids)
{
    for (; uuids != NULL && uuids->bv_val != NULL; uuids++) {
        if (uuids->bv_len != SYNC_UUID_LEN)
            return false;
    }
    return true;
}

/* Section 2.3: what an entry is. */
static bool read_state(BerElement *ber, struct sync_message *message)
{
    static const enum sync_kind kinds[] = {
        [LDAP_SYNC_PRESENT] = SYNC_NEWS_PRESENT,
        [LDAP_SYNC_ADD] = SYNC_NEWS_ENTRY,
        [LDAP_SYNC_MODIFY] = SYNC_NEWS_ENTRY,
        [LDAP_SYNC_DELETE] = SYNC_NEWS_DELETED,
    };
    struct berval uuid = {0};
    ber_int_t state;
    bool is_fine = ber_scanf(ber, "{eo", &state, &uuid) != LBER_ERROR && state >= 0 &&
                   (size_t)state < sizeof(kinds) / sizeof(kinds[0]) && read_cookie(ber, message) &&
                   ber_bvarray_add(&message->uuids, &uuid) > 0;

    if (!is_fine) {
        ber_memfree(message->uuids == NULL ? uuid.bv_val : NULL);
        return false;
    }
    message->kind = kinds[state];
    return true;
}

/* Section 2.5: what many are at once, and where a refresh is. */
static bool read_info(BerElement *ber, struct sync_message *message)
{
    ber_len_t len;
    bool is_deleted;

    switch (ber_peek_tag(ber, &len)) {
    case LDAP_TAG_SYNC_NEW_COOKIE:
        return ber_scanf(ber, "O", &message->cookie) != LBER_ERROR;
    case LDAP_TAG_SYNC_REFRESH_DELETE:
        message->kind = SYNC_NEWS_DELETES;
        return ber_scanf(ber, "{") != LBER_ERROR && read_cookie(ber, message) &&
               read_boolean(ber, true, &message->is_refreshed);
    case LDAP_TAG_SYNC_REFRESH_PRESENT:
        message->kind = SYNC_NEWS_PRESENTS;
        return ber_scanf(ber, "{") != LBER_ERROR && read_cookie(ber, message) &&
               read_boolean(ber, true, &message->is_refreshed);
    case LDAP_TAG_SYNC_ID_SET:
        if (ber_scanf(ber, "{") == LBER_ERROR || !read_cookie(ber, message) ||
            !read_boolean(ber, false, &is_deleted) ||
            ber_scanf(ber, "[W]", &message->uuids) == LBER_ERROR)
            return false;
        message->kind = is_deleted ? SYNC_NEWS_DELETED : SYNC_NEWS_PRESENT;
        return true;
    default:
        return false;
    }
}

static bool read_value(const struct berval *value, struct sync_message *message,
                       bool (*read)(BerElement *ber, struct sync_message *message))
{
    struct berval copy = *value;
    BerElement *ber = ber_init(&copy);
    bool is_fine = ber != NULL && read(ber, message) && are_uuids(message->uuids);

    ber_free(ber, 1);
    return is_fine;
}

static bool take_entry(struct sync_message *message, LDAP *handle, LDAPMessage *raw)
{
    LDAPControl **controls = NULL;
    const LDAPControl *state = NULL;
    bool is_fine = false;

    if (ldap_get_entry_controls(handle, raw, &controls) == LDAP_SUCCESS)
        state = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
    if (state != NULL)
        is_fine = read_value(&state->ldctl_value, message, read_state);
    ldap_controls_free(controls);
    return is_fine;
}

static bool take_info(struct sync_message *message, LDAP *handle, LDAPMessage *raw)
{
    char *oid = NULL;
    struct berval *value = NULL;
    bool is_fine = ldap_parse_intermediate(handle, raw, &oid, &value, NULL, 0) == LDAP_SUCCESS;

    if (is_fine && oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0)
        is_fine = value != NULL && read_value(value, message, read_info);
    ldap_memfree(oid);
    ber_bvfree(value);
    return is_fine;
}

int sync_message_take(struct sync_message *ret_message, LDAP *handle, LDAPMessage *message)
{
    bool is_fine = true;

    *ret_message = (struct sync_message){0};
    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        is_fine = take_entry(ret_message, handle, message);
        break;
    case LDAP_RES_INTERMEDIATE:
        is_fine = take_info(ret_message, handle, message);
        break;
    case LDAP_RES_SEARCH_RESULT:
        ret_message->kind = SYNC_NEWS_END;
        break;
    default: /* a reference: what is elsewhere is not in the table */
        break;
    }
    if (!is_fine)
        ret_message->kind = SYNC_NEWS_NONSENSE;
    answer_take(&ret_message->answer, handle, message);
    return ret_message->answer.failure;
}

void sync_message_done(struct sync_message *message)
{
    ber_bvarray_free(message->uuids);
    ber_bvfree(message->cookie);
    answer_done(&message->answer);
}
