/* SPDX-License-Identifier: ISC */
/*
 * postcat: a queued message as a person reads it: envelope and content, in the manner of Postfix's.
 * The daemon reads the store, and says who may.
 */
#include "mailq.h"

#include "control_client.h"
#include "place.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAILURE 1

#define USAGE                                                                                      \
    "usage: postcat [-b (body text)] [-c config_dir] [-e (envelope records)] [-h (header text)] "  \
    "[-o (offsets)] [-q (access queue)] [-v] [queue_id...]"

enum part {
    PART_HEADER, /* at the beginning of a line */
    PART_BODY,
};

struct postcat {
    struct mailq mailq;
    bool wants_envelope;
    bool wants_header;
    bool wants_body;
    bool wants_offsets;
    /* of the message that is shown */
    char name[64]; /* "deferred/0123456789ABCDEF" */
    enum part part;
    char line[4096]; /* as much as is needed to tell a header field from the body */
    size_t line_len;
    bool is_line_shown;         /* this much of it has been printed: the rest follows */
    unsigned long long offset;  /* of the line */
    unsigned long long line_at; /* bytes of it so far */
};

/* ---- the envelope ---------------------------------------------------------------------------- */

/* Records of the envelope have no place in the content. */
static void put_offset(const struct postcat *cat, unsigned long long offset)
{
    if (cat->wants_offsets)
        printf("%9llu ", offset);
}

static void put_marker(const struct postcat *cat, const char *text)
{
    put_offset(cat, 0);
    printf("*** %s %s ***\n", text, cat->name);
}

static void put_record(const struct postcat *cat, const char *name, const char *value)
{
    put_offset(cat, 0);
    printf("%s: %s\n", name, value);
}

static void put_attribute(const struct postcat *cat, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    put_offset(cat, 0);
    printf("named_attribute: %s=%s\n", name, value);
}

static void put_time(const struct postcat *cat, const char *name, long long seconds)
{
    time_t when = (time_t)seconds;
    struct tm local;
    char text[32];

    if (localtime_r(&when, &local) == NULL || asctime_r(&local, text) == NULL)
        return;
    put_offset(cat, 0);
    printf("%s: %s", name, text);
}

static void put_recipient(const struct postcat *cat, const json_t *recipient)
{
    const char *original = control_text(recipient, "original");
    bool is_waiting = strcmp(control_text(recipient, "state"), "waiting") == 0;

    put_attribute(cat, "dsn_orig_rcpt", control_text(recipient, "orcpt"));
    put_record(cat, "original_recipient",
               original[0] != '\0' ? original : control_text(recipient, "address"));
    put_record(cat, is_waiting ? "recipient" : "done_recipient",
               control_text(recipient, "address"));
}

static void put_envelope(struct postcat *cat, const json_t *message)
{
    const json_t *recipient;
    char size[32];
    size_t index;

    put_marker(cat, "ENVELOPE RECORDS");
    (void)snprintf(size, sizeof(size), "%lld", control_number(message, "message_size"));
    put_record(cat, "message_size", size);
    put_time(cat, "message_arrival_time", control_number(message, "arrival_time"));
    put_time(cat, "create_time", control_number(message, "arrival_time"));
    put_record(cat, "sender", control_text(message, "sender"));
    put_attribute(cat, "envelope_id", control_text(message, "envid"));
    put_attribute(cat, "client_name", control_text(message, "client_name"));
    put_attribute(cat, "client_address", control_text(message, "client_address"));
    put_attribute(cat, "helo_name", control_text(message, "helo"));
    put_attribute(cat, "protocol_name", control_text(message, "protocol"));
    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
        put_recipient(cat, recipient);
    put_marker(cat, "MESSAGE CONTENTS");
}

static void on_message(void *user, const json_t *message)
{
    struct postcat *cat = user;

    (void)snprintf(cat->name, sizeof(cat->name), "%s/%s", control_text(message, "queue_name"),
                   control_text(message, "queue_id"));
    if (cat->wants_envelope)
        put_envelope(cat, message);
}

/* ---- the content ----------------------------------------------------------------------------- */

/* A name, perhaps blanks, a colon; or the continuation of a field. */
static bool is_header(const char *line, size_t len)
{
    size_t i = 0;

    if (len > 0 && (line[0] == ' ' || line[0] == '\t'))
        return true;
    while (i < len && line[i] > 0x20 && line[i] < 0x7f && line[i] != ':')
        i++;
    if (i == 0)
        return false;
    while (i < len && (line[i] == ' ' || line[i] == '\t'))
        i++;
    return i < len && line[i] == ':';
}

/* What has gathered of a line: all of it, or its next part. A CR at the end stays for the next part: it
 * may belong to the line's end, which is shown without it. */
static void put_part(struct postcat *cat, bool is_end)
{
    bool has_cr = cat->line_len > 0 && cat->line[cat->line_len - 1] == '\r';
    size_t len = cat->line_len - (has_cr ? 1 : 0);

    if (!cat->is_line_shown && cat->part == PART_HEADER && !is_header(cat->line, len))
        cat->part = PART_BODY;
    if (cat->part == PART_HEADER ? cat->wants_header : cat->wants_body) {
        if (!cat->is_line_shown)
            put_offset(cat, cat->offset);
        (void)fwrite(cat->line, 1, len, stdout);
        if (is_end)
            putchar('\n');
    }
    cat->is_line_shown = !is_end;
    cat->line_len = 0;
    if (has_cr && !is_end)
        cat->line[cat->line_len++] = '\r';
}

static void on_content(void *user, const char *bytes, size_t len)
{
    struct postcat *cat = user;

    for (size_t i = 0; i < len; i++) {
        cat->line_at++;
        if (bytes[i] == '\n') {
            put_part(cat, true);
            cat->offset += cat->line_at;
            cat->line_at = 0;
        } else {
            if (cat->line_len == sizeof(cat->line))
                put_part(cat, false);
            cat->line[cat->line_len++] = bytes[i];
        }
    }
}

static void end_content(struct postcat *cat)
{
    if (cat->line_len > 0 || cat->is_line_shown)
        put_part(cat, true);
    if (!cat->wants_envelope)
        return;
    put_marker(cat, "HEADER EXTRACTED");
    put_marker(cat, "MESSAGE FILE END");
}

/* ---- a message ------------------------------------------------------------------------------- */

static int show(struct postcat *cat, const char *id)
{
    struct error err = ERROR_INIT;

    for (const char *c = id; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c))
            return mailq_fatal(&cat->mailq, "bad mail queue ID: %s", id);
    }
    cat->part = PART_HEADER;
    cat->line_len = 0;
    cat->is_line_shown = false;
    cat->offset = 0;
    cat->line_at = 0;
    sluice_status st = control_ask_content(
        cat->mailq.config_path, json_pack("{s:s, s:s}", "command", "queue content", "id", id),
        on_message, on_content, cat, &err);
    if (st == SLUICE_OK) {
        end_content(cat);
        return 0;
    }
    if (st == SLUICE_NOT_FOUND)
        return mailq_fatal(&cat->mailq, "open queue file %s: No such file or directory", id);
    if (st == SLUICE_PERM)
        return mailq_fatal(&cat->mailq, "open queue file %s: Permission denied", id);
    return mailq_fatal(&cat->mailq, "%s", err.text);
}

static bool take_option(struct postcat *cat, int option)
{
    switch (option) {
    case 'b':
        cat->wants_body = true;
        break;
    case 'c':
        mailq_set_folder(&cat->mailq, optarg);
        break;
    case 'e':
        cat->wants_envelope = true;
        break;
    case 'h':
        cat->wants_header = true;
        break;
    case 'o':
        cat->wants_offsets = true;
        break;
    case 'q': /* there are no other files */
    case 'v':
        break;
    default:
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct postcat cat = {.mailq = {.program = "postcat", .failure = FAILURE}};
    int code = 0;
    int option;

    place_default(cat.mailq.config_path);
    opterr = 0; /* the usage says it */
    while ((option = getopt(argc, argv, "bc:ehoqv")) != -1) {
        if (!take_option(&cat, option))
            return mailq_fatal(&cat.mailq, USAGE);
    }
    if (optind == argc)
        return mailq_fatal(&cat.mailq, USAGE);
    if (!cat.wants_envelope && !cat.wants_header && !cat.wants_body)
        cat.wants_envelope = cat.wants_header = cat.wants_body = true;
    for (int i = optind; code == 0 && i < argc; i++)
        code = show(&cat, argv[i]);
    if (code == 0 && (fflush(stdout) == EOF || ferror(stdout) != 0))
        return mailq_fatal(&cat.mailq, "standard output cannot be written");
    return code;
}
