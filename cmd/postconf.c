/* SPDX-License-Identifier: ISC */
/*
 * postconf: shows and edits the configuration, as Postfix's does: values are in Postfix's notation,
 * whatever that of the file is.
 */
#include "postconf.h"

#include "place.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS "aAbc:defFhHlmMno:pPtT:vxX#"
#define USAGE                                                                                      \
    "usage: postconf [-c config_dir] [-d (parameter defaults)] [-e (edit configuration)] "         \
    "[-f (fold lines)] [-h (no names)] [-H (no values)] [-m (map types)] "                         \
    "[-n (non-default parameters)] [-o name=value (override parameter value)] "                    \
    "[-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]"

/* ---- messages -------------------------------------------------------------------------------- */

static void say(const char *severity, const char *format, va_list arguments)
{
    (void)fflush(stdout); /* what was said before, in order */
    (void)fprintf(stderr, "postconf: %s: ", severity);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

int postconf_fatal(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("fatal", format, arguments);
    va_end(arguments);
    return EXIT_FAILURE;
}

void postconf_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("warning", format, arguments);
    va_end(arguments);
}

/* ---- the command line ------------------------------------------------------------------------ */

/* Options that exclude each other, in the order in which they are named then. */
static const char exclusive[] = "aAbdelmMnPFtTX#";

/* What others of Postfix's options show is not there. */
static const struct {
    char letter;
    const char *why;
} absent[] = {
    {'b', "the texts of reports are fixed"},
    {'t', "the texts of reports are fixed"},
    {'M', "there is no master.cf: see listen and transports in sluice.conf"},
    {'F', "there is no master.cf: see listen and transports in sluice.conf"},
    {'P', "there is no master.cf: see listen and transports in sluice.conf"},
    {'T', "there is no TLS"},
};

struct line {
    struct postconf *postconf;
    char seen[sizeof(exclusive)]; /* of the exclusive options, in their order; 0: not seen */
};

static void see(struct line *line, int option)
{
    const char *at = strchr(exclusive, option);

    if (at != NULL)
        line->seen[at - exclusive] = (char)option;
}

static int take_option(struct line *line, int option)
{
    struct postconf *postconf = line->postconf;
    const struct {
        char letter;
        bool *flag;
    } flags[] = {
        {'d', &postconf->has_defaults}, {'n', &postconf->is_named_only},
        {'x', &postconf->is_expanded},  {'f', &postconf->is_folded},
        {'h', &postconf->hides_names},  {'H', &postconf->hides_values},
    };

    see(line, option);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].letter == option)
            *flags[i].flag = true;
    }
    if (option == 'c')
        place_set(postconf->config_path, optarg);
    else if (option == 'o')
        postconf->overrides[postconf->override_count++] = optarg;
    else if (strchr("eX#maAbtlMFPT", option) != NULL)
        postconf->mode = (char)option;
    return option != '?' ? EXIT_SUCCESS : postconf_fatal("%s", USAGE);
}

/* Where the first argument has a =, all are to be edited, as if -e were there. */
static void see_assignment(struct line *line, const char *argument)
{
    if (argument == NULL || strchr(argument, '=') == NULL)
        return;
    see(line, 'e');
    if (line->postconf->mode == 0)
        line->postconf->mode = 'e';
}

static int check_exclusive(const struct line *line)
{
    char text[4 * sizeof(exclusive)] = "";
    size_t count = 0;

    for (size_t i = 0; i < sizeof(line->seen); i++) {
        if (line->seen[i] == '\0')
            continue;
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " -%c", line->seen[i]);
        count++;
    }
    return count > 1 ? postconf_fatal("specify one of%s", text) : EXIT_SUCCESS;
}

static int parse_options(struct postconf *postconf, int argc, char **argv)
{
    struct line line = {.postconf = postconf};
    int code = EXIT_SUCCESS;
    int option;

    postconf->overrides = calloc((size_t)argc + 1, sizeof(*postconf->overrides));
    if (postconf->overrides == NULL)
        return postconf_fatal("out of memory");
    while (code == EXIT_SUCCESS && (option = getopt(argc, argv, OPTIONS)) != -1)
        code = take_option(&line, option);
    if (code != EXIT_SUCCESS)
        return code;
    see_assignment(&line, argv[optind]);
    code = check_exclusive(&line);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (code == EXIT_SUCCESS && absent[i].letter == postconf->mode)
            code = postconf_fatal("-%c: %s", absent[i].letter, absent[i].why);
    }
    return code;
}

static struct sluice_span trimmed(struct sluice_span text)
{
    while (text.len > 0 && isspace((unsigned char)text.ptr[0]) != 0) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && isspace((unsigned char)text.ptr[text.len - 1]) != 0)
        text.len--;
    return text;
}

const char *postconf_split(const char *argument, struct sluice_span *ret_name,
                           struct sluice_span *ret_value)
{
    const char *sign = strchr(argument, '=');

    if (sign == NULL)
        return "missing '=' after attribute name";
    *ret_name = trimmed((struct sluice_span){argument, (size_t)(sign - argument)});
    *ret_value = trimmed(sluice_span_of(sign + 1));
    return ret_name->len > 0 ? NULL : "missing attribute name";
}

/* ---- the configuration ----------------------------------------------------------------------- */

/* What is wrong with values is for sluiced -t to say; but a file that cannot be read shows none. */
static int read_config(struct postconf *postconf)
{
    struct draft *draft = &postconf->draft;
    const char *path = postconf->config_path;
    bool is_edit = postconf->mode != 0 && strchr("eX#", postconf->mode) != NULL;

    if (!is_edit)
        path = place_or_default(path);
    if (access(path, R_OK) == -1)
        return postconf_fatal("open %s: %s", path, strerror(errno));
    draft_read(draft, path);
    if (draft->file.path_count == 0)
        return postconf_fatal("%s is no file that can be read", path);
    if (draft->report.form_len > 0)
        return postconf_fatal("%s cannot be understood:\n%.*s", path, (int)draft->report.form_len,
                              draft->report.text.ptr);
    return EXIT_SUCCESS;
}

static int run(struct postconf *postconf, char **arguments)
{
    int code = read_config(postconf);

    if (code != EXIT_SUCCESS)
        return code;
    switch (postconf->mode) {
    case 'a':
    case 'A':
        return EXIT_SUCCESS; /* there are no types of SASL */
    case 'l':
        (void)puts("fcntl\ndotlock"); /* which mailbox_delivery_lock knows */
        return EXIT_SUCCESS;
    case 'm':
        return postconf_types(postconf);
    case 0:
        postconf_items(postconf);
        return postconf_show(postconf, arguments);
    default:
        postconf_items(postconf);
        return postconf_edit(postconf, arguments);
    }
}

int main(int argc, char **argv)
{
    static char program[] = "postconf"; /* in getopt's messages */
    struct postconf postconf = {0};
    int code;

    if (argc > 0)
        argv[0] = program;
    place_default(postconf.config_path);
    code = parse_options(&postconf, argc, argv);
    draft_init(&postconf.draft);
    if (code == EXIT_SUCCESS)
        code = run(&postconf, argv + optind);
    if (fflush(stdout) == EOF || ferror(stdout) != 0)
        code = postconf_fatal("write standard output: %s", strerror(errno));
    draft_done(&postconf.draft);
    free(postconf.overrides);
    return code;
}
