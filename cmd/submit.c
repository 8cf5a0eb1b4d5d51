/* SPDX-License-Identifier: ISC */
/*
 * submit: who calls, what he may send, and the two ways for it to go.
 */
#include "submit.h"

#include "compose.h"
#include "control_client.h"
#include "program.h"

#include "base/span.h"
#include "net/batch.h"
#include "receive/settings.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

#define USER_SIZE 256
#define NAME_SIZE 512

struct submission {
    const struct submit *submit;
    struct draft draft;
    struct settings settings; /* what receive will refuse, as far as it is refused here already */
    struct address_list from;
    struct address_list recipients;
    char user[USER_SIZE];
    char full_name[NAME_SIZE];
    const char *sender;
};

/* ---- who calls ------------------------------------------------------------------------------- */

/* Postfix's form: who sends, and who he is. */
static int fatal(const struct submission *submission, int code, const char *text)
{
    const char *who =
        submission->submit->sender != NULL ? submission->submit->sender : submission->user;

    (void)mailq_fatal(submission->submit->mailq, "%s(%lu): %s", who, (unsigned long)getuid(), text);
    return code;
}

/* In the name's place of a gecos field an ampersand stands for the login, capitalized. */
static void expand_gecos(struct submission *submission, const char *gecos)
{
    size_t len = 0;

    for (; *gecos != '\0' && *gecos != ','; gecos++) {
        size_t room = sizeof(submission->full_name) - len;
        int n = snprintf(submission->full_name + len, room, *gecos == '&' ? "%s" : "%.1s",
                         *gecos == '&' ? submission->user : gecos);
        if (n < 0 || (size_t)n >= room)
            break;
        if (*gecos == '&')
            submission->full_name[len] = (char)toupper((unsigned char)submission->full_name[len]);
        len += (size_t)n;
    }
}

/* -F, else the environment's NAME, else what the system says. */
static void find_user(struct submission *submission)
{
    const struct passwd *entry = getpwuid(getuid());
    const char *name = submission->submit->full_name;

    if (entry != NULL)
        (void)snprintf(submission->user, sizeof(submission->user), "%s", entry->pw_name);
    else /* in a container, say */
        (void)snprintf(submission->user, sizeof(submission->user), "uid-%lu",
                       (unsigned long)getuid());
    if (name == NULL)
        name = getenv("NAME");
    if (name != NULL)
        (void)snprintf(submission->full_name, sizeof(submission->full_name), "%s", name);
    else if (entry != NULL && entry->pw_gecos != NULL)
        expand_gecos(submission, entry->pw_gecos);
}

/* What -f names may be written as people do; "" and "<>" are the null sender. */
static sluice_status find_sender(struct submission *submission)
{
    const char *text = submission->submit->sender;

    submission->sender = text != NULL ? "" : submission->user;
    if (text == NULL)
        return SLUICE_OK;
    sluice_status st = address_list_add(&submission->from, sluice_span_of(text));
    if (submission->from.count > 0)
        submission->sender = submission->from.items[0];
    return st;
}

/* ---- the two ways ---------------------------------------------------------------------------- */

static sluice_status play(struct submission *submission, int batch_fd, struct error *err)
{
    int fd;
    sluice_status st = control_connect(&submission->draft, submission->submit->mailq->config_path,
                                       "submission", &fd, err);

    if (st != SLUICE_OK)
        return SLUICE_TEMP;
    st = batch_play(fd, batch_fd, err);
    (void)close(fd); /* all has been said */
    return st;
}

/* Runs postdrop with the batch as its standard input; it says itself what goes wrong. */
static bool drop(const struct submission *submission, int batch_fd)
{
    char path[PATH_MAX];
    char config_path[PATH_MAX];
    char name[] = "postdrop";
    char option[] = "-c";
    char *arguments[] = {name, option, config_path, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;

    (void)snprintf(config_path, sizeof(config_path), "%s", submission->submit->mailq->config_path);
    if (lseek(batch_fd, 0, SEEK_SET) == -1 || !program_find(name, path) ||
        posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool is_run = posix_spawn_file_actions_adddup2(&actions, batch_fd, STDIN_FILENO) == 0 &&
                  posix_spawn(&pid, path, &actions, NULL, arguments, environ) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    while (is_run && waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    return is_run && WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
}

static int hand_over(struct submission *submission, int batch_fd)
{
    struct error err = ERROR_INIT;
    sluice_status st = play(submission, batch_fd, &err);

    if (st == SLUICE_OK)
        return EX_OK;
    if (st == SLUICE_PERM && strncmp(err.text, "552 5.3.4 ", 10) == 0)
        return fatal(submission, EX_TEMPFAIL, COMPOSE_TOO_BIG);
    if (st == SLUICE_PERM)
        return fatal(submission, EX_DATAERR, err.text);
    if (drop(submission, batch_fd))
        return EX_OK;
    error_prefix(&err, "the message was not accepted");
    return fatal(submission, EX_TEMPFAIL, err.text);
}

/* ---- a message ------------------------------------------------------------------------------- */

static sluice_status read_settings(struct submission *submission, struct error *err)
{
    struct draft *draft = &submission->draft;
    sluice_status st = control_read_config(draft, submission->submit->mailq->config_path, err);

    if (st != SLUICE_OK)
        return st;
    const struct draft_parameter *limit = draft_parameter(draft, "message_size_limit");
    const struct draft_parameter *characters = draft_parameter(draft, "message_reject_characters");
    submission->settings.message_size_limit = (uint64_t)limit->value.number;
    if (characters->value.text == NULL)
        return SLUICE_OK;
    return settings_parse_characters(characters->value.text, &submission->settings, err);
}

static int explain(const struct submission *submission, sluice_status st, const struct error *err)
{
    if (st == SLUICE_NOT_FOUND && submission->submit->reads_header)
        return fatal(submission, EX_TEMPFAIL, "No recipient addresses found in message header");
    if (st == SLUICE_NOT_FOUND)
        return fatal(submission, EX_TEMPFAIL,
                     "Recipient addresses must be specified on the command line or via the -t "
                     "option");
    bool is_final = st == SLUICE_PERM && strcmp(err->text, COMPOSE_TOO_BIG) != 0;
    return fatal(submission, is_final ? EX_DATAERR : EX_TEMPFAIL, err->text);
}

static sluice_status compose(struct submission *submission, int *ret_fd, struct error *err)
{
    const struct submit *submit = submission->submit;
    const struct compose compose = {
        .sender = submission->sender,
        .full_name = submission->full_name,
        .notify = submit->notify,
        .ret = submit->ret,
        .envid = submit->envid,
        .is_8bit = submit->is_8bit,
        .is_verify = submit->is_verify,
        .ignores_dot = submit->ignores_dot,
        .reads_header = submit->reads_header,
        .size_limit = submission->settings.message_size_limit,
        .reject_characters = {.ptr = submission->settings.reject_characters,
                              .len = submission->settings.reject_character_count},
        .recipients = &submission->recipients,
    };

    return compose_batch(&compose, stdin, ret_fd, err);
}

static int run(struct submission *submission, char **recipients)
{
    struct error err = ERROR_INIT;
    sluice_status st = read_settings(submission, &err);
    int fd;

    if (st == SLUICE_OK && find_sender(submission) != SLUICE_OK)
        st = error_set(&err, SLUICE_TEMP, "out of memory");
    for (; *recipients != NULL && st == SLUICE_OK; recipients++) {
        st = address_list_add(&submission->recipients, sluice_span_of(*recipients));
        if (st != SLUICE_OK)
            (void)error_set(&err, st, "out of memory");
    }
    if (st == SLUICE_OK)
        st = compose(submission, &fd, &err);
    if (st != SLUICE_OK)
        return explain(submission, st, &err);
    int code = hand_over(submission, fd);
    (void)close(fd); /* memory only */
    if (code == EX_OK && submission->submit->is_verify)
        (void)printf("Mail Delivery Status Report will be mailed to <%s>.\n", submission->sender);
    return code;
}

int submit_message(const struct submit *submit, char **recipients)
{
    struct submission submission = {.submit = submit};

    draft_init(&submission.draft);
    find_user(&submission);
    int code = run(&submission, recipients);
    address_list_done(&submission.from);
    address_list_done(&submission.recipients);
    draft_done(&submission.draft);
    return code;
}
