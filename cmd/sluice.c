/* SPDX-License-Identifier: ISC */
/*
 * sluice: the operator's command: what is in the queue, where it waits, let it go.
 *
 *   sluice [-c FILE] [--json] COMMAND
 *
 * Exit codes are those of sysexits.h: 64 usage, 69 the daemon does not run or cannot do that, 66 no
 * such message, site, table or plugin, 75 try again, 78 the configuration; and those of import.c; 1 of
 * table query: the table has no such key.
 */
#include "sluice.h"

#include "control_client.h"

#include "config/config.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage_text[] =
    "usage: sluice [-c FILE] [--json] COMMAND\n"
    "\n"
    "  status                         the whole at a glance\n"
    "  reload                         take the configuration and the plugins anew\n"
    "  queue list [--site SITE] [--domain DOMAIN]\n"
    "  queue show ID\n"
    "  queue release ID | ALL         let it go now\n"
    "  queue hold ID | ALL            nothing of it goes, whatever is released\n"
    "  queue unhold ID | ALL          it goes when it would have gone\n"
    "  queue requeue ID | ALL         as if it had come just now\n"
    "  queue expire ID | ALL          back to its sender\n"
    "  queue remove ID | ALL          delete it\n"
    "  site list\n"
    "  site show SITE                 a site is TRANSPORT:NEXTHOP\n"
    "  site release SITE | DOMAIN     let go what waits there; @DOMAIN: sub-domains, too;\n"
    "                                 #QUEUE: a transport, or one of etrn_queues\n"
    "  site suspend SITE [REASON]     nothing goes there, until\n"
    "  site resume SITE\n"
    "  table list                     tables, where they are, and whether they answer\n"
    "  table stat [TABLE]             what they answered, and from where\n"
    "  table query TABLE KEY [-v] [--fresh]\n"
    "                                 what mail would get; -v: how; --fresh: not from the cache\n"
    "  table flush [TABLE [KEY]] [--last-known]\n"
    "                                 forget answers; also those for an outage\n"
    "  explain ADDRESS [--client IP] [--sender ADDRESS] [--helo NAME]\n"
    "                                 what would happen to a message, and why\n"
    "  trace ID [--log FILE]          a message's story, from the log and the queue\n"
    "  plugin list                    the plugins that the configuration uses\n"
    "  plugin show PLUGIN             a plugin's manual\n"
    "  plugin check PLUGIN            whether it can be loaded\n"
    "  import postfix DIR [-o FILE]   a sluice.conf from main.cf and master.cf\n"
    "\n"
    "  --help, --version\n";

int sluice_fatal(int code, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout); /* what was said before comes first */
    (void)fputs("sluice: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return code;
}

/* ---- commands that the daemon answers -------------------------------------------------------- */

static void show_json(void *user, const json_t *line)
{
    (void)user;
    (void)json_dumpf(line, stdout, 0); /* main looks at stdout in the end */
    (void)putchar('\n');
}

int sluice_exit_code(sluice_status status)
{
    static const int codes[] = {
        [SLUICE_OK] = EX_OK,         [SLUICE_NOT_FOUND] = EX_NOINPUT,
        [SLUICE_TEMP] = EX_TEMPFAIL, [SLUICE_PERM] = EX_DATAERR,
        [SLUICE_CONFIG] = EX_CONFIG, [SLUICE_UNSUPPORTED] = EX_UNAVAILABLE,
    };

    return codes[status_known(status)];
}

struct command {
    const char *noun;
    const char *verb;   /* NULL: the noun is all */
    const char *member; /* of the request that the argument goes into; NULL: no argument */
    const char *extra;  /* the same for a further argument */
    int optional;       /* how many of them may be missing */
    control_line *show;
    int (*local)(const struct sluice *sluice, char **arguments);
};

static int explain(const struct sluice *sluice, char **arguments)
{
    return sluice_explain(sluice, arguments[0]);
}

static int trace(const struct sluice *sluice, char **arguments)
{
    return sluice_trace(sluice, arguments[0]);
}

static int list_plugins(const struct sluice *sluice, char **arguments)
{
    (void)arguments;
    return sluice_plugin_list(sluice);
}

static int show_plugin(const struct sluice *sluice, char **arguments)
{
    return sluice_plugin_show(sluice, arguments[0]);
}

static int check_plugin(const struct sluice *sluice, char **arguments)
{
    return sluice_plugin_check(sluice, arguments[0]);
}

static int import(const struct sluice *sluice, char **arguments)
{
    return sluice_import(sluice, arguments[0]);
}

static const struct command commands[] = {
    {"status", NULL, NULL, NULL, 0, sluice_show_status, NULL},
    {"queue", "list", NULL, NULL, 0, sluice_show_listed, NULL},
    {"queue", "show", "id", NULL, 0, sluice_show_message, NULL},
    {"queue", "release", "id", NULL, 0, sluice_show_released, NULL},
    {"queue", "hold", "id", NULL, 0, sluice_show_operated, NULL},
    {"queue", "unhold", "id", NULL, 0, sluice_show_operated, NULL},
    {"queue", "requeue", "id", NULL, 0, sluice_show_operated, NULL},
    {"queue", "expire", "id", NULL, 0, sluice_show_operated, NULL},
    {"queue", "remove", "id", NULL, 0, sluice_show_operated, NULL},
    {"site", "list", NULL, NULL, 0, sluice_show_listed_site, NULL},
    {"site", "show", "name", NULL, 0, sluice_show_site, NULL},
    {"site", "release", "name", NULL, 0, sluice_show_released, NULL},
    {"site", "suspend", "name", "reason", 1, NULL, NULL},
    {"site", "resume", "name", NULL, 0, NULL, NULL},
    {"table", "list", NULL, NULL, 0, sluice_show_listed_table, NULL},
    {"table", "stat", "table", NULL, 1, sluice_show_table_stat, NULL},
    {"table", "query", "table", "key", 0, NULL, sluice_table_query},
    {"table", "flush", "table", "key", 2, sluice_show_flushed, NULL},
    {"explain", NULL, "address", NULL, 0, NULL, explain},
    {"trace", NULL, "id", NULL, 0, NULL, trace},
    {"plugin", "list", NULL, NULL, 0, NULL, list_plugins},
    {"plugin", "show", "name", NULL, 0, NULL, show_plugin},
    {"plugin", "check", "name", NULL, 0, NULL, check_plugin},
    {"import", "postfix", "folder", NULL, 0, NULL, import},
    {"reload", NULL, NULL, NULL, 0, sluice_show_reloaded, NULL},
};

/* arguments: as many as there are, then NULL. NULL as a whole where one is not UTF-8: without what
 * narrows it down a request would be for more than was meant. */
static json_t *make_request(const struct sluice *sluice, const struct command *command,
                            char **arguments)
{
    bool has_verb = command->verb != NULL;
    json_t *name =
        json_sprintf("%s%s%s", command->noun, has_verb ? " " : "", has_verb ? command->verb : "");
    const char *member = command->member != NULL ? command->member : "id";
    const char *extra = command->extra != NULL ? command->extra : "text";
    const char *first = command->member != NULL ? arguments[0] : NULL;
    const char *second = command->extra != NULL && first != NULL ? arguments[1] : NULL;

    return json_pack("{s:o, s:s*, s:s*, s:s*, s:s*, s:b}", "command", name, member, first, extra,
                     second, "site", sluice->site, "domain", sluice->domain, "is_deep",
                     sluice->is_deep);
}

int sluice_ask(const struct sluice *sluice, json_t *request, control_line *show, void *user)
{
    struct error err = ERROR_INIT;
    sluice_status st = control_ask(sluice->config_path, request,
                                   sluice->wants_json ? show_json : show, user, &err);

    return st == SLUICE_OK ? EX_OK : sluice_fatal(sluice_exit_code(st), "%s", err.text);
}

static int ask(const struct sluice *sluice, const struct command *command, char **arguments)
{
    unsigned long lines = 0;

    return sluice_ask(sluice, make_request(sluice, command, arguments), command->show, &lines);
}

/* words: the command's own and its arguments. */
static int run(const struct sluice *sluice, const struct command *command, char **words)
{
    char **arguments = words + 1 + (command->verb != NULL);

    return command->local != NULL ? command->local(sluice, arguments)
                                  : ask(sluice, command, arguments);
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool is_command(const struct command *command, int count, char **words)
{
    int most = 1 + (command->verb != NULL) + (command->member != NULL) + (command->extra != NULL);

    return count <= most && count >= most - command->optional &&
           strcmp(words[0], command->noun) == 0 &&
           (command->verb == NULL || strcmp(words[1], command->verb) == 0);
}

static int usage(void)
{
    (void)fputs(usage_text, stderr);
    return EX_USAGE;
}

/* words ends with NULL. */
static int no_command(char **words)
{
    if (words[0] != NULL) {
        (void)fputs("sluice: no such command:", stderr);
        for (size_t i = 0; words[i] != NULL; i++)
            (void)fprintf(stderr, " %s", words[i]);
        (void)fputs("\n\n", stderr);
    }
    return usage();
}

/* The options that have a text. False: it is none of them. */
static bool take_text(struct sluice *sluice, int option)
{
    const struct {
        char letter;
        const char **text;
    } texts[] = {
        {'c', &sluice->config_path}, {'s', &sluice->site},   {'d', &sluice->domain},
        {'l', &sluice->log},         {'C', &sluice->client}, {'S', &sluice->sender},
        {'H', &sluice->helo},        {'o', &sluice->output},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].letter == option) {
            *texts[i].text = optarg;
            return true;
        }
    }
    return false;
}

static bool take_flag(struct sluice *sluice, int option)
{
    const struct {
        char letter;
        bool *flag;
    } flags[] = {
        {'j', &sluice->wants_json},
        {'v', &sluice->is_verbose},
        {'f', &sluice->is_fresh},
        {'k', &sluice->is_deep},
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].letter == option) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

/* Options may stand anywhere. */
static int parse(struct sluice *sluice, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},         {"site", required_argument, NULL, 's'},
        {"domain", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {"log", required_argument, NULL, 'l'},
        {"client", required_argument, NULL, 'C'}, {"sender", required_argument, NULL, 'S'},
        {"helo", required_argument, NULL, 'H'},   {"verbose", no_argument, NULL, 'v'},
        {"fresh", no_argument, NULL, 'f'},        {"last-known", no_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:ho:v", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage_text, stdout);
            exit(EX_OK);
        }
        if (option == 'V') {
            (void)puts("sluice " SLUICE_VERSION);
            exit(EX_OK);
        }
        if (!take_flag(sluice, option) && !take_text(sluice, option))
            return EX_USAGE;
    }
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct sluice sluice = {.config_path = CONFIG_PATH};

    if (parse(&sluice, argc, argv) != EX_OK)
        return usage();
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (is_command(&commands[i], argc - optind, argv + optind)) {
            int code = run(&sluice, &commands[i], argv + optind);

            if (fflush(stdout) == EOF || ferror(stdout) != 0)
                return sluice_fatal(EX_IOERR, "standard output cannot be written");
            return code;
        }
    }
    return no_command(argv + optind);
}
