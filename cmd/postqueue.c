/* SPDX-License-Identifier: ISC */
/*
 * postqueue: lists and flushes the queue, with the options, texts and exit codes of Postfix's.
 */
#include "mailq.h"
#include "place.h"

#include <sysexits.h>
#include <unistd.h>

#define USAGE                                                                                      \
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"

static int run(const struct mailq *mailq, int what, const char *argument)
{
    switch (what) {
    case 'f':
        return mailq_flush(mailq);
    case 'i':
        return mailq_flush_id(mailq, argument);
    case 'j':
        return mailq_print_json(mailq);
    case 'p':
        return mailq_print(mailq);
    default:
        return mailq_flush_site(mailq, argument);
    }
}

int main(int argc, char **argv)
{
    struct mailq mailq = {.program = "postqueue", .failure = EX_UNAVAILABLE};
    const char *argument = NULL;
    int what = 0;
    int option;

    place_default(mailq.config_path);
    opterr = 0; /* the usage says it */
    while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1) {
        if (option == 'v')
            continue; /* there is nothing more to tell */
        if (option == 'c') {
            mailq_set_folder(&mailq, optarg);
            continue;
        }
        if (option == '?' || what != 0)
            return mailq_fatal(&mailq, "%s", USAGE);
        what = option;
        argument = optarg;
    }
    if (what == 0 || optind < argc)
        return mailq_fatal(&mailq, "%s", USAGE);
    return run(&mailq, what, argument);
}
