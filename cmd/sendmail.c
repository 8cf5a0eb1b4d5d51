/* SPDX-License-Identifier: ISC */
/*
 * sendmail: the command that half of all programs call; also mailq and newaliases, by its name. Takes
 * the options that the field knows, with Postfix's texts and exit codes.
 */
#include "aliases.h"
#include "mailq.h"
#include "place.h"
#include "program.h"
#include "session.h"
#include "submit.h"

#include "base/span.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* With those that are accepted and mean nothing here: spec C-11. */
#define OPTIONS "A:B:C:F:GIL:N:O:R:UV:X:b:c:e:f:h:imno:p:q:r:tvx"
#define ENVID_MAX 100

enum mode {
    MODE_SUBMIT,
    MODE_VERIFY,
    MODE_LIST,
    MODE_ALIASES,
    MODE_SESSION,
    MODE_DAEMON,
};

struct sendmail {
    struct mailq mailq;
    struct submit submit;
    enum mode mode;
    const char *flush; /* what follows -q; NULL: none was given */
};

/* ---- options --------------------------------------------------------------------------------- */

/* -bh and -bH, about a host status that we do not keep, mean nothing. */
static int set_mode(struct sendmail *sendmail, const char *argument)
{
    static const struct {
        char letter;
        enum mode mode;
    } modes[] = {
        {'m', MODE_SUBMIT},  {'v', MODE_VERIFY}, {'p', MODE_LIST},   {'i', MODE_ALIASES},
        {'s', MODE_SESSION}, {'d', MODE_DAEMON}, {'l', MODE_DAEMON},
    };

    if (strcasecmp(argument, "h") == 0)
        return EX_OK;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (argument[0] == modes[i].letter && argument[1] == '\0') {
            sendmail->mode = modes[i].mode;
            return EX_OK;
        }
    }
    return mailq_fatal(&sendmail->mailq, "unsupported: -b%s", argument);
}

static void warn(const struct sendmail *sendmail, const char *what)
{
    (void)fprintf(stderr, "%s: warning: %s option value -- ignored\n", sendmail->mailq.program,
                  what);
}

/* RFC 3461 4.1: NEVER, or some of the others, each once. */
static bool is_notify(const char *list)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
    struct sluice_span rest = sluice_span_of(list);
    unsigned seen = 0;
    bool has_more = true;

    if (strcasecmp(list, "NEVER") == 0)
        return true;
    while (has_more) {
        struct sluice_span word = span_first(rest, span_find(rest, ','));
        unsigned bit = 0;
        for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (span_equal_case(word, sluice_span_of(words[i])))
                bit = 1U << i;
        }
        if (bit == 0 || (seen & bit) != 0)
            return false;
        seen |= bit;
        has_more = word.len < rest.len;
        rest = span_skip(rest, word.len + 1);
    }
    return true;
}

static bool is_envid(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return len > 0 && len <= ENVID_MAX;
}

static void set_notification(struct sendmail *sendmail, int option, const char *value)
{
    if (option == 'N' && is_notify(value))
        sendmail->submit.notify = value;
    else if (option == 'R' && (strcasecmp(value, "full") == 0 || strcasecmp(value, "hdrs") == 0))
        sendmail->submit.ret = value;
    else if (option == 'V' && is_envid(value))
        sendmail->submit.envid = value;
    else
        warn(sendmail, option == 'N' ? "bad -N" : option == 'R' ? "bad -R" : "bad -V");
}

static int take_option(struct sendmail *sendmail, int option)
{
    struct submit *submit = &sendmail->submit;

    switch (option) {
    case 'b':
        return set_mode(sendmail, optarg);
    case 'B':
        submit->is_8bit = strcasecmp(optarg, "8BITMIME") == 0;
        break;
    case 'I':
        sendmail->mode = MODE_ALIASES;
        break;
    case 'C':
    case 'c': /* ours, as the relatives have it */
        mailq_set_folder(&sendmail->mailq, optarg);
        break;
    case 'F':
        submit->full_name = optarg;
        break;
    case 'f':
    case 'r':
        submit->sender = optarg;
        break;
    case 'i':
        submit->ignores_dot = true;
        break;
    case 'o':
        submit->ignores_dot = submit->ignores_dot || optarg[0] == 'i';
        break;
    case 'N':
    case 'R':
    case 'V':
        set_notification(sendmail, option, optarg);
        break;
    case 't':
        submit->reads_header = true;
        break;
    case '?':
        (void)fprintf(stderr, "%s: invalid option -- '%c'\n", sendmail->mailq.program, optopt);
        return mailq_fatal(&sendmail->mailq, "usage: %s [options]", sendmail->mailq.program);
    default:
        break;
    }
    return EX_OK;
}

/* Takes -q... off the arguments: what follows it belongs to it, and may be nothing, which getopt does
 * not know. */
static int take_flush(struct sendmail *sendmail, int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] == 'q')
            sendmail->flush = argv[i] + 2;
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

/* ---- what to do ------------------------------------------------------------------------------ */

/* -q, -qRsite, -qIid; an interval (-q30m) is for a daemon, and ours needs none. */
static int flush(const struct sendmail *sendmail)
{
    const char *what = sendmail->flush;

    if (what[0] == '\0')
        return mailq_flush(&sendmail->mailq);
    if (isdigit((unsigned char)what[0]))
        return EX_OK;
    if (what[0] == 'R' && what[1] == '\0')
        return mailq_fatal(&sendmail->mailq, "specify: -qRsitename");
    if (what[0] == 'I' && what[1] == '\0')
        return mailq_fatal(&sendmail->mailq, "specify: -qIqueueid");
    if (what[0] == 'R')
        return mailq_flush_site(&sendmail->mailq, what + 1);
    if (what[0] == 'I')
        return mailq_flush_id(&sendmail->mailq, what + 1);
    return mailq_fatal(&sendmail->mailq, "-q%c is not implemented", what[0]);
}

/* -bd: becomes the daemon; returns where that fails. */
static int start_daemon(const struct mailq *mailq)
{
    char path[PATH_MAX];

    if (!program_find("sluiced", path))
        return mailq_fatal(mailq, "cannot find sluiced");
    (void)execl(path, "sluiced", "-c", mailq->config_path, (char *)NULL);
    return mailq_fatal(mailq, "%s: %s", path, strerror(errno));
}

static int list(const struct sendmail *sendmail, char **arguments)
{
    if (arguments[0] != NULL)
        return mailq_fatal(&sendmail->mailq, "display queue mode requires no recipient");
    return mailq_print(&sendmail->mailq);
}

static int rebuild_aliases(const struct mailq *mailq, char **arguments)
{
    if (arguments[0] != NULL)
        return mailq_fatal(mailq, "alias initialization mode requires no recipient");
    return aliases_rebuild(mailq);
}

/* Who asks sends nothing, and hears everything. */
static int verify(struct sendmail *sendmail, char **arguments)
{
    struct submit *submit = &sendmail->submit;
    const char *option = submit->reads_header     ? "-t"
                         : submit->notify != NULL ? "-N"
                         : submit->ret != NULL    ? "-R"
                                                  : NULL;

    if (option != NULL)
        return mailq_fatal(&sendmail->mailq, "%s option cannot be used with -bv", option);
    submit->is_verify = true;
    return submit_message(submit, arguments);
}

static int run(struct sendmail *sendmail, char **arguments)
{
    bool is_submission = (sendmail->mode == MODE_SUBMIT || sendmail->mode == MODE_VERIFY) &&
                         sendmail->flush == NULL;

    if (sendmail->submit.reads_header && !is_submission)
        return mailq_fatal(&sendmail->mailq, "-t can be used only in delivery mode");
    if (sendmail->mode == MODE_DAEMON)
        return start_daemon(&sendmail->mailq);
    if (sendmail->flush != NULL)
        return flush(sendmail);
    switch (sendmail->mode) {
    case MODE_LIST:
        return list(sendmail, arguments);
    case MODE_ALIASES:
        return rebuild_aliases(&sendmail->mailq, arguments);
    case MODE_SESSION:
        return session_run(&sendmail->mailq);
    case MODE_VERIFY:
        return verify(sendmail, arguments);
    default:
        return submit_message(&sendmail->submit, arguments);
    }
}

int main(int argc, char **argv)
{
    struct sendmail sendmail = {.mode = MODE_SUBMIT};
    int option;

    sendmail.mailq = (struct mailq){.program = program_name(argc > 0 ? argv[0] : "sendmail"),
                                    .failure = EX_TEMPFAIL};
    sendmail.submit.mailq = &sendmail.mailq;
    place_default(sendmail.mailq.config_path);
    (void)signal(SIGXFSZ, SIG_IGN); /* the caller is told what is wrong */
    if (strcmp(sendmail.mailq.program, "mailq") == 0)
        sendmail.mode = MODE_LIST;
    if (strcmp(sendmail.mailq.program, "newaliases") == 0)
        sendmail.mode = MODE_ALIASES;
    argc = take_flush(&sendmail, argc, argv);
    opterr = 0; /* take_option says it */
    while ((option = getopt(argc, argv, OPTIONS)) != -1) {
        int code = take_option(&sendmail, option);

        if (code != EX_OK)
            return code;
    }
    return run(&sendmail, argv + optind);
}
