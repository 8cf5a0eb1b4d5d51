/* SPDX-License-Identifier: ISC */
/*
 * postmap: builds and asks tables, with the options, the messages and the exit codes of Postfix's;
 * also postalias, by its name.
 *
 * It needs no sluice.conf: where no other one is named, and the usual one is not there, all is as by
 * default.
 */
#include "postmap.h"

#include "place.h"
#include "program.h"

#include "base/span.h"
#include "net/dns.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POSTMAP_OPTIONS "bc:d:fFhimnNopq:rsuUvw"
#define POSTMAP_USAGE                                                                              \
    "usage: %s [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."
#define POSTALIAS_OPTIONS "c:d:finNopq:rsuvw"
#define POSTALIAS_USAGE                                                                            \
    "usage: %s [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."

/* ---- messages and keys ----------------------------------------------------------------------- */

int postmap_fatal(const struct postmap *postmap, const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout); /* what was said before, in order */
    (void)fprintf(stderr, "%s: fatal: ", postmap->program);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return EXIT_FAILURE;
}

void postmap_warn(void *user, const char *text)
{
    const struct postmap *postmap = user;

    (void)fprintf(stderr, "%s: warning: %s\n", postmap->program, text);
}

int postmap_each_key(const struct postmap *postmap, const char *key,
                     int (*act)(void *user, struct sluice_span key, bool *found), void *user,
                     bool *ret_good)
{
    bool found = false;
    int code = EXIT_SUCCESS;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (strcmp(key, "-") != 0)
        code = act(user, sluice_span_of(key), &found);
    while (strcmp(key, "-") == 0 && code == EXIT_SUCCESS &&
           (len = getline(&line, &size, stdin)) != -1) {
        struct sluice_span one = {line, (size_t)len};

        if (one.len > 0 && one.ptr[one.len - 1] == '\n')
            one.len--;
        code = act(user, one, &found);
    }
    free(line);
    if (ferror(stdin) != 0)
        code = postmap_fatal(postmap, "read standard input: %s", strerror(errno));
    *ret_good = code == EXIT_SUCCESS;
    return found ? code : EXIT_FAILURE;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(const struct postmap *postmap)
{
    return postmap->is_alias ? postmap_fatal(postmap, POSTALIAS_USAGE, postmap->program)
                             : postmap_fatal(postmap, POSTMAP_USAGE, postmap->program);
}

/* The flag of an option without argument; NULL: there is none of that letter. */
static bool *flag_of(struct postmap *postmap, int letter)
{
    const struct {
        char letter;
        bool *flag;
    } flags[] = {
        {'b', &postmap->asks_body},      {'f', &postmap->keeps_case},
        {'F', &postmap->has_files},      {'h', &postmap->asks_header},
        {'i', &postmap->is_incremental}, {'m', &postmap->asks_parts},
        {'n', &postmap->has_no_nul},     {'N', &postmap->has_nul},
        {'o', &postmap->keeps_root},     {'p', &postmap->has_plain_mode},
        {'r', &postmap->must_replace},   {'s', &postmap->is_listing},
        {'u', &postmap->takes_any_text}, {'w', &postmap->is_quiet},
        {'U', &postmap->is_ignored}, /* as by default */
        {'v', &postmap->is_ignored}, /* there is nothing more to tell */
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].letter == letter)
            return flags[i].flag;
    }
    return NULL;
}

static int check_options(struct postmap *postmap)
{
    bool asks_message = postmap->asks_header || postmap->asks_body || postmap->asks_parts;

    if ((postmap->query != NULL) + (postmap->remove != NULL) + postmap->is_listing > 1)
        return postmap_fatal(postmap, "specify only one of -s -q or -d");
    if (asks_message && (postmap->query == NULL || strcmp(postmap->query, "-") != 0))
        return postmap_fatal(postmap, "specify -b -h or -m only with \"-q -\"");
    if (postmap->asks_parts && !postmap->asks_header && !postmap->asks_body)
        postmap_warn(postmap, "ignoring -m option without -b or -h");
    return EXIT_SUCCESS;
}

static int parse_options(struct postmap *postmap, int argc, char **argv)
{
    const char *options = postmap->is_alias ? POSTALIAS_OPTIONS : POSTMAP_OPTIONS;
    int option;
    int code;

    while ((option = getopt(argc, argv, options)) != -1) {
        bool *flag = flag_of(postmap, option);

        /* Of those that contradict each other the last one counts. */
        if (option == 'r' || option == 'w')
            postmap->must_replace = postmap->is_quiet = false;
        if (option == 'n' || option == 'N')
            postmap->has_nul = postmap->has_no_nul = false;
        if (flag != NULL)
            *flag = true;
        else if (option == 'c')
            place_set(postmap->config_path, optarg);
        else if (option == 'd')
            postmap->remove = optarg;
        else if (option == 'q')
            postmap->query = optarg;
        else
            return usage(postmap);
    }
    code = check_options(postmap);
    if (code == EXIT_SUCCESS && optind == argc)
        code = usage(postmap);
    return code;
}

static int read_config(struct postmap *postmap)
{
    struct error err = ERROR_INIT;

    if (place_read(postmap->config_path, &postmap->draft, &err) != SLUICE_OK)
        return postmap_fatal(postmap, "%s", err.text);
    return EXIT_SUCCESS;
}

/* Nothing is opened before it is needed: the first table that has a key is the last one asked. */
static int name_tables(struct postmap *postmap, char **names, size_t count)
{
    struct draft *draft = &postmap->draft;
    const char *default_type = draft_parameter(draft, "default_database_type")->value.text;

    postmap->tables = calloc(count, sizeof(postmap->tables[0]));
    if (postmap->tables == NULL)
        return postmap_fatal(postmap, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct postmap_table *table = &postmap->tables[i];
        const char *name = strchr(names[i], ':') != NULL
                               ? names[i]
                               : arena_printf(&draft->arena, "%s:%s", default_type, names[i]);

        postmap_table_init(table, draft, name, postmap->program);
        table->keeps_case = postmap->keeps_case;
        if (postmap->has_nul || postmap->has_no_nul)
            table->style = postmap->has_nul ? POSTMAP_TERMINATED : POSTMAP_BARE;
        postmap->table_count++;
    }
    return EXIT_SUCCESS;
}

/* ---- what to do ------------------------------------------------------------------------------ */

/* A query that is under way on a task: a table may wait for a server. */
struct asking {
    struct postmap *postmap;
    int code;
};

static void ask_on_task(void *arg)
{
    struct asking *asking = arg;

    asking->code = postmap_query(asking->postmap);
    for (size_t i = 0; i < asking->postmap->table_count; i++)
        postmap_table_done(&asking->postmap->tables[i]);
    task_loop_stop(); /* whatever else listens */
}

static int query(struct postmap *postmap)
{
    const struct value *servers = &draft_parameter(&postmap->draft, "dns_servers")->value;
    struct asking asking = {.postmap = postmap, .code = EXIT_FAILURE};
    struct error err = ERROR_INIT;

    if (task_loop_init() != SLUICE_OK)
        return postmap_fatal(postmap, "out of memory");
    if (dns_init(servers->items, servers->item_count, &err) != SLUICE_OK)
        asking.code = postmap_fatal(postmap, "dns_servers: %s", err.text);
    else if (task_start(postmap->program, ask_on_task, &asking, NULL) != SLUICE_OK)
        asking.code = postmap_fatal(postmap, "out of memory");
    else
        task_loop_run();
    dns_done();
    task_loop_done();
    return asking.code;
}

static int run(struct postmap *postmap)
{
    if (postmap->query != NULL)
        return query(postmap);
    if (postmap->remove != NULL)
        return postmap_remove(postmap);
    return postmap->is_listing ? postmap_list(postmap) : postmap_build(postmap);
}

int main(int argc, char **argv)
{
    static char program[] = "postmap";
    struct postmap postmap = {.program = program};
    int code;

    if (argc > 0) {
        argv[0] += program_name(argv[0]) - argv[0]; /* for getopt's messages */
        postmap.program = argv[0];
    }
    postmap.is_alias = strcmp(postmap.program, "postalias") == 0;
    place_default(postmap.config_path);
    code = parse_options(&postmap, argc, argv);
    draft_init(&postmap.draft);
    if (code == EXIT_SUCCESS)
        code = read_config(&postmap);
    if (code == EXIT_SUCCESS)
        code = name_tables(&postmap, argv + optind, (size_t)(argc - optind));
    if (code == EXIT_SUCCESS)
        code = run(&postmap);
    if (fflush(stdout) == EOF || ferror(stdout) != 0)
        code = postmap_fatal(&postmap, "write standard output: %s", strerror(errno));
    for (size_t i = 0; i < postmap.table_count; i++)
        postmap_table_done(&postmap.tables[i]);
    free(postmap.tables);
    draft_done(&postmap.draft);
    return code;
}
