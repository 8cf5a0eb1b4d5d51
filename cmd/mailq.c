/* SPDX-License-Identifier: ISC */
/*
 * mailq: listings and flushes as the field knows them.
 */
#include "mailq.h"

#include "control_client.h"
#include "place.h"

#include "base/id.h"

#include <ctype.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define REASON_WIDTH 76 /* the closing parenthesis stands in column 78 */

void mailq_set_folder(struct mailq *mailq, const char *folder)
{
    place_set(mailq->config_path, folder);
}

int mailq_fatal(const struct mailq *mailq, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout); /* what was said before comes first */
    (void)fprintf(stderr, "%s: fatal: ", mailq->program);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return mailq->failure;
}

/* ---- the listing ----------------------------------------------------------------------------- */

struct listing {
    unsigned long long bytes;
    unsigned long messages;
};

static const char *queue_mark(const char *queue)
{
    if (strcmp(queue, "active") == 0)
        return "*";
    return strcmp(queue, "hold") == 0 ? "!" : "";
}

static void print_head(const json_t *message)
{
    time_t arrival = (time_t)control_number(message, "arrival_time");
    const char *sender = control_text(message, "sender");
    char id[ID_TEXT_SIZE + 2];
    char when[32] = "";
    struct tm local;

    (void)snprintf(id, sizeof(id), "%s%s%s", control_text(message, "queue_id"),
                   queue_mark(control_text(message, "queue_name")),
                   json_is_true(json_object_get(message, "forced_expire")) ? "#" : "");
    if (localtime_r(&arrival, &local) == NULL || asctime_r(&local, when) == NULL)
        when[0] = '\0';
    printf("%-17s %8lld %19.19s %s\n", id, control_number(message, "message_size"), when,
           sender[0] != '\0' ? sender : "MAILER-DAEMON");
}

/* Recipients that have gone are not listed; a reason is said once for those that share it, and that
 * one has none where the one before had. */
static void print_recipients(const json_t *recipients)
{
    const char *last = "";
    const json_t *recipient;
    size_t index;

    json_array_foreach(recipients, index, recipient)
    {
        const char *reason = control_text(recipient, "delay_reason");

        if (strcmp(control_text(recipient, "state"), "delivered") == 0)
            continue;
        if (strcmp(reason, last) != 0) {
            const char *shown = reason[0] != '\0' ? reason : "reason unavailable";
            int pad = REASON_WIDTH - (int)strnlen(shown, REASON_WIDTH);

            printf("%*s(%s)\n", pad, "", shown);
        }
        last = reason;
        printf("%41s%s\n", "", control_text(recipient, "address"));
    }
}

static void print_message(void *user, const json_t *message)
{
    struct listing *listing = user;

    if (listing->messages == 0)
        puts("----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------");
    else
        putchar('\n');
    listing->messages++;
    listing->bytes += (unsigned long long)control_number(message, "message_size");
    print_head(message);
    print_recipients(json_object_get(message, "recipients"));
}

/* By authorized_mailq_users or authorized_flush_users. */
static int not_allowed(const struct mailq *mailq, const char *action)
{
    const struct passwd *user = getpwuid(getuid());

    return mailq_fatal(mailq, "User %s(%ld) is not allowed to %s the mail queue",
                       user != NULL ? user->pw_name : "unknown", (long)getuid(), action);
}

static int print_all(const struct mailq *mailq, control_line *line, void *user)
{
    struct error err = ERROR_INIT;
    sluice_status st = control_ask(mailq->config_path, json_pack("{s:s}", "command", "queue list"),
                                   line, user, &err);

    if (st == SLUICE_UNSUPPORTED)
        return mailq_fatal(mailq, "Queue report unavailable - mail system is down");
    if (st == SLUICE_PERM)
        return not_allowed(mailq, "view");
    return st == SLUICE_OK ? EX_OK : mailq_fatal(mailq, "%s", err.text);
}

int mailq_print(const struct mailq *mailq)
{
    struct listing listing = {0};
    int code = print_all(mailq, print_message, &listing);

    if (code != EX_OK)
        return code;
    if (listing.messages == 0)
        puts("Mail queue is empty");
    else
        printf("\n-- %llu Kbytes in %lu Request%s.\n", listing.bytes / 1024, listing.messages,
               listing.messages == 1 ? "" : "s");
    return EX_OK;
}

/* ---- the listing as JSON --------------------------------------------------------------------- */

/* Only the members that others have written programs for. */
static json_t *pick_members(const json_t *from, const char *const *names)
{
    json_t *object = json_object();

    for (size_t i = 0; names[i] != NULL; i++) {
        json_t *value = json_object_get(from, names[i]);

        if (value != NULL)
            (void)json_object_set(object, names[i], value); /* missing for want of memory only */
    }
    return object;
}

static void print_json(void *user, const json_t *message)
{
    static const char *const head[] = {
        "queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", NULL};
    static const char *const each[] = {"address", "delay_reason", NULL};
    json_t *object = pick_members(message, head);
    json_t *recipients = json_array();
    const json_t *recipient;
    size_t index;

    (void)user;
    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
    {
        if (strcmp(control_text(recipient, "state"), "delivered") != 0)
            (void)json_array_append_new(recipients, pick_members(recipient, each));
    }
    (void)json_object_set_new(object, "recipients", recipients);
    (void)json_dumpf(object, stdout, 0);
    putchar('\n');
    json_decref(object);
}

int mailq_print_json(const struct mailq *mailq)
{
    return print_all(mailq, print_json, NULL);
}

/* ---- flushes --------------------------------------------------------------------------------- */

static int flush(const struct mailq *mailq, json_t *request, bool is_unknown_fine)
{
    struct error err = ERROR_INIT;
    sluice_status st = control_ask(mailq->config_path, request, NULL, NULL, &err);

    if (st == SLUICE_OK || (st == SLUICE_NOT_FOUND && is_unknown_fine))
        return EX_OK;
    if (st == SLUICE_UNSUPPORTED)
        return mailq_fatal(mailq, "Cannot flush mail queue - mail system is down");
    if (st == SLUICE_PERM)
        return not_allowed(mailq, "flush");
    return mailq_fatal(mailq, "%s", err.text);
}

int mailq_flush(const struct mailq *mailq)
{
    return flush(mailq, json_pack("{s:s, s:s}", "command", "queue release", "id", "ALL"), false);
}

/* A domain, or an address literal in brackets; a bare address is a frequent mistake. As with ETRN,
 * "@" before it means its sub-domains too, and "#" a queue of that name. */
static bool is_site(const char *site)
{
    bool has_letter = false;

    if (site[0] == '@' || site[0] == '#')
        site++;
    size_t len = strlen(site);

    if (site[0] == '[')
        return len > 2 && site[len - 1] == ']' && strcspn(site, "/@ \t") == len;
    if (len == 0 || len > 255 || site[0] == '.' || site[0] == '-' || strstr(site, "..") != NULL)
        return false;
    for (const char *at = site; *at != '\0'; at++) {
        bool is_plain = isalnum((unsigned char)*at) || *at == '-' || *at == '.' || *at == '_';

        if (!is_plain && (unsigned char)*at < 0x80)
            return false;
        has_letter = has_letter || !(isdigit((unsigned char)*at) || *at == '.');
    }
    return has_letter;
}

int mailq_flush_site(const struct mailq *mailq, const char *site)
{
    if (!is_site(site))
        return mailq_fatal(mailq, "Cannot flush mail queue - invalid destination: \"%s\"", site);
    return flush(mailq, json_pack("{s:s, s:s}", "command", "flush", "domain", site), false);
}

/* One that is well formed and not in the queue has perhaps just gone. */
int mailq_flush_id(const struct mailq *mailq, const char *id)
{
    if (id[0] == '\0' || strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz") != strlen(id))
        return mailq_fatal(mailq, "Cannot flush queue ID - invalid name: \"%s\"", id);
    return flush(mailq, json_pack("{s:s, s:s}", "command", "queue release", "id", id), true);
}
