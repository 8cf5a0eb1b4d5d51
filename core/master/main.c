/* SPDX-License-Identifier: ISC */
/*
 * sluiced: the daemon's one binary. Started by somebody it is the master; the master starts it again
 * with --role.
 */
#include "config/role.h"
#include "deliver/deliver.h"
#include "lookup/lookup.h"
#include "master/check.h"
#include "master/master.h"
#include "metrics/metrics_role.h"
#include "plugin/load.h"
#include "queue/queue.h"
#include "receive/receive.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

struct arguments {
    struct master_options options;
    const char *role; /* NULL: the master */
    bool is_test_only;
    bool is_help;
    bool is_version;
};

static int say_usage(FILE *to)
{
    (void)fprintf(to, "usage: sluiced [-c FILE] [-f] [-t]\n"
                      "  -c FILE  the configuration (default " CONFIG_PATH ")\n"
                      "  -f       stay in the foreground, log to standard error\n"
                      "  -t       only check the configuration\n"
                      "  --help, --version\n");
    return to == stdout ? EX_OK : EX_USAGE;
}

static bool parse(int argc, char **argv, struct arguments *ret_arguments)
{
    static const struct option long_options[] = {{"role", required_argument, NULL, 'r'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {"version", no_argument, NULL, 'v'},
                                                 {0}};
    int c;

    *ret_arguments = (struct arguments){.options.config_path = CONFIG_PATH};
    while ((c = getopt_long(argc, argv, "c:fth", long_options, NULL)) != -1) {
        if (c == 'c')
            ret_arguments->options.config_path = optarg;
        else if (c == 'f')
            ret_arguments->options.is_foreground = true;
        else if (c == 't')
            ret_arguments->is_test_only = true;
        else if (c == 'r')
            ret_arguments->role = optarg;
        else if (c == 'h')
            ret_arguments->is_help = true;
        else if (c == 'v')
            ret_arguments->is_version = true;
        else
            return false;
    }
    return optind == argc;
}

static int run_role(const struct arguments *arguments)
{
    if (strcmp(arguments->role, "check") == 0)
        return check_main(arguments->options.config_path, false);
    plugin_set_finder(role_plugin_fd); /* a role has its plugins from the master */
    if (strcmp(arguments->role, "receive") == 0)
        return receive_main();
    if (strcmp(arguments->role, "queue") == 0)
        return queue_main();
    if (strcmp(arguments->role, "deliver") == 0)
        return deliver_main();
    if (strcmp(arguments->role, "lookup") == 0)
        return lookup_main();
    if (strcmp(arguments->role, "metrics") == 0)
        return metrics_main();
    return say_usage(stderr);
}

/* Else what is opened first would get their numbers, and what is said go into it. */
static void open_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd != -1 && fd <= STDERR_FILENO);
    if (fd != -1)
        (void)close(fd); /* nothing was written */
}

int main(int argc, char **argv)
{
    struct arguments arguments;

    open_standard_fds();
    (void)prctl(PR_SET_NAME, "sluiced"); /* after execveat it would be a number */
    if (!parse(argc, argv, &arguments))
        return say_usage(stderr);
    if (arguments.is_help)
        return say_usage(stdout);
    if (arguments.is_version)
        return puts("sluiced " SLUICE_VERSION) >= 0 ? EX_OK : EX_IOERR;
    if (arguments.is_test_only) /* this very process is the check role */
        return check_main(arguments.options.config_path, true);
    return arguments.role != NULL ? run_role(&arguments) : master_run(&arguments.options);
}
