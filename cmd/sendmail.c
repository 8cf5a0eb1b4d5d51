/* SPDX-License-Identifier: ISC */
/*
 * sendmail: the command that half of all programs call; also mailq and newaliases, by its name.
 * Lists and flushes; submission is not part of this version and is refused for now (75), so that a
 * caller keeps the message.
 */
#include "mailq.h"

#include "config/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* With those that are accepted and mean nothing here: spec C-11. */
#define OPTIONS "A:B:C:F:GIL:N:O:R:UV:X:b:c:e:f:h:imno:p:q:r:tvx"

struct sendmail {
    struct mailq mailq;
    char mode;         /* m: submit; p: list; i: newaliases */
    const char *flush; /* what follows -q; NULL: none was given */
    bool wants_header_recipients;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* -bh and -bH, about a host status that we do not keep, mean nothing. */
static int set_mode(struct sendmail *sendmail, const char *argument)
{
    if (strcasecmp(argument, "h") == 0)
        return EX_OK;
    if (argument[0] == '\0' || argument[1] != '\0' || strchr("mpi", argument[0]) == NULL)
        return mailq_fatal(&sendmail->mailq, "unsupported: -b%s", argument);
    sendmail->mode = argument[0];
    return EX_OK;
}

/* getopt cannot have an argument that may be missing and be POSIX: -q is split off before. */
static int take_option(struct sendmail *sendmail, int option)
{
    switch (option) {
    case 'b':
        return set_mode(sendmail, optarg);
    case 'I':
        sendmail->mode = 'i';
        break;
    case 'c': /* ours, as the relatives have it */
        mailq_set_folder(&sendmail->mailq, optarg);
        break;
    case 't':
        sendmail->wants_header_recipients = true;
        break;
    case '?':
        (void)fprintf(stderr, "%s: invalid option -- '%c'\n", sendmail->mailq.program, optopt);
        return mailq_fatal(&sendmail->mailq, "usage: %s [options]", sendmail->mailq.program);
    default:
        break;
    }
    return EX_OK;
}

/* Takes -q... off the arguments: what follows it belongs to it, and may be nothing. */
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

static int run(const struct sendmail *sendmail, bool has_arguments)
{
    if (sendmail->wants_header_recipients && (sendmail->mode != 'm' || sendmail->flush != NULL))
        return mailq_fatal(&sendmail->mailq, "-t can be used only in delivery mode");
    if (sendmail->flush != NULL)
        return flush(sendmail);
    if (sendmail->mode == 'p') {
        if (has_arguments)
            return mailq_fatal(&sendmail->mailq, "display queue mode requires no recipient");
        return mailq_print(&sendmail->mailq);
    }
    if (sendmail->mode == 'i')
        return EX_OK; /* there are no alias tables in this version, and so none to rebuild */
    return mailq_fatal(&sendmail->mailq,
                       "local submission is not available in this version of Sluice: "
                       "send by SMTP");
}

int main(int argc, char **argv)
{
    struct sendmail sendmail = {.mode = 'm'};
    int option;

    sendmail.mailq = (struct mailq){.program = base_name(argc > 0 ? argv[0] : "sendmail"),
                                    .config_path = CONFIG_PATH,
                                    .failure = EX_TEMPFAIL};
    if (strcmp(sendmail.mailq.program, "mailq") == 0)
        sendmail.mode = 'p';
    if (strcmp(sendmail.mailq.program, "newaliases") == 0)
        sendmail.mode = 'i';
    argc = take_flush(&sendmail, argc, argv);
    opterr = 0; /* take_option says it */
    while ((option = getopt(argc, argv, OPTIONS)) != -1) {
        int code = take_option(&sendmail, option);

        if (code != EX_OK)
            return code;
    }
    return run(&sendmail, optind < argc);
}
