/* SPDX-License-Identifier: ISC */
/*
 * postmap: builds and asks tables, with the options, the messages and the exit codes of Postfix's.
 *
 * It needs no sluice.conf: where no other one is named, and the usual one is not there, all is as by
 * default.
 */
#include "place.h"
#include "postmap_table.h"

#include "base/span.h"
#include "config/config.h"
#include "source.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS "c:d:finNopq:rsuvw"
#define USAGE "usage: postmap [-finNoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."
#define DEFAULT_TYPE "hash"
#define NO_CONFIG "/dev/null" /* all by default */

struct postmap {
    char config_path[PATH_MAX];
    const char *query;  /* -q; "-": keys from standard input */
    const char *remove; /* -d; the same */
    bool is_listing;
    bool is_incremental;
    bool must_replace;
    bool is_quiet; /* about duplicates */
    bool keeps_case;
    bool keeps_root;
    bool has_plain_mode;
    bool has_nul, has_no_nul; /* asked for; else as the table's options say */
    bool is_ignored;          /* options without a meaning here */
    struct draft draft;
    struct postmap_table *tables;
    size_t table_count;
    struct build *builds; /* -d: one for each table */
};

/* ---- messages -------------------------------------------------------------------------------- */

/* Returns the exit code. */
__attribute__((format(printf, 1, 2))) static int fatal(const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout); /* what was said before, in order */
    (void)fputs("postmap: fatal: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return EXIT_FAILURE;
}

static void warn(void *user, const char *text)
{
    (void)user;
    (void)fprintf(stderr, "postmap: warning: %s\n", text);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/*
 * Calls act with the key of the command line, or with each line of standard input. Returns the exit
 * code: success if one was found. *ret_good: nothing went wrong.
 */
static int each_key(struct postmap *postmap, const char *key,
                    int (*act)(struct postmap *postmap, struct sluice_span key, bool *found),
                    bool *ret_good)
{
    bool found = false;
    int code = EXIT_SUCCESS;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (strcmp(key, "-") != 0)
        code = act(postmap, sluice_span_of(key), &found);
    while (strcmp(key, "-") == 0 && code == EXIT_SUCCESS &&
           (len = getline(&line, &size, stdin)) != -1) {
        struct sluice_span one = {line, (size_t)len};

        if (one.len > 0 && one.ptr[one.len - 1] == '\n')
            one.len--;
        code = act(postmap, one, &found);
    }
    free(line);
    if (ferror(stdin) != 0)
        code = fatal("read standard input: %s", strerror(errno));
    *ret_good = code == EXIT_SUCCESS;
    return found ? code : EXIT_FAILURE;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void warn_empty(const struct postmap_table *table, struct sluice_span key)
{
    (void)fprintf(stderr,
                  "postmap: warning: table %s:%s: key %.*s: empty string result is not allowed\n",
                  table->type, table->path, SPAN_ARGS(key));
}

/* The first table that has the key answers. */
static int query_key(struct postmap *postmap, struct sluice_span key, bool *found)
{
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_NOT_FOUND;
    struct postmap_table *table = postmap->tables;

    for (size_t i = 0; i < postmap->table_count && st == SLUICE_NOT_FOUND; i++) {
        table = &postmap->tables[i];
        st = postmap_table_find(table, key, &value, &err);
    }
    if (st == SLUICE_OK && buffer_text(&value) == NULL)
        st = error_set(&err, SLUICE_TEMP, "out of memory");
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        buffer_done(&value);
        if (table->lookup == NULL)
            return fatal("%s", err.text); /* it could not even be opened */
        return fatal("table %s:%s: query error: %s", table->type, table->path, err.text);
    }
    if (st == SLUICE_OK) {
        *found = true;
        if (value.len == 0)
            warn_empty(table, key);
        if (strcmp(postmap->query, "-") == 0)
            (void)printf("%.*s\t", (int)key.len, key.ptr);
        (void)puts(value.ptr);
    }
    buffer_done(&value);
    return EXIT_SUCCESS;
}

static sluice_status print_entry(const struct sluice_lookup_entry_sink *sink,
                                 struct sluice_span key, struct sluice_span value)
{
    (void)sink;
    (void)printf("%.*s\t%.*s\n", (int)key.len, key.ptr, (int)value.len, value.ptr);
    return SLUICE_OK;
}

static int list_tables(struct postmap *postmap)
{
    const struct sluice_lookup_entry_sink sink = {.struct_size = sizeof(sink),
                                                  .entry = print_entry};

    for (size_t i = 0; i < postmap->table_count; i++) {
        struct error err = ERROR_INIT;

        if (postmap_table_list(&postmap->tables[i], &sink, &err) != SLUICE_OK)
            return fatal("%s", err.text);
    }
    return EXIT_SUCCESS;
}

/* ---- building -------------------------------------------------------------------------------- */

/* A table that is being built, and what goes wrong with it. */
struct build {
    struct postmap_table *table;
    struct sluice_lookup_writer *writer;
    struct error err;
    struct error_sink errors;
    bool is_changed; /* -d: a key has been removed */
};

static int build_open(struct build *build, bool is_update, mode_t mode)
{
    const struct postmap_table *table = build->table;

    error_sink_init(&build->errors, &build->err);
    if ((table->ops->flags & SLUICE_LOOKUP_WRITABLE) == 0)
        return fatal("dictionary type: %s does not support bulk-mode creation.", table->type);
    if (table->ops->write_open(&table->host, &table->values.sdk, table->path, is_update ? 1 : 0,
                               mode, &build->errors.sdk, &build->writer) != SLUICE_OK)
        return fatal("%s", build->err.text);
    return EXIT_SUCCESS;
}

static int build_commit(struct build *build)
{
    if (build->table->ops->write_commit(build->writer, &build->errors.sdk) != SLUICE_OK)
        return fatal("%s", build->err.text);
    return EXIT_SUCCESS;
}

static sluice_status put(const struct postmap *postmap, struct build *build, struct sluice_span key,
                         struct sluice_span value)
{
    char *copy = postmap_table_key(build->table, key);
    sluice_status st;

    if (copy == NULL)
        return error_set(&build->err, SLUICE_TEMP, "out of memory");
    st = build->table->ops->write_put(build->writer, (struct sluice_span){copy, key.len}, value,
                                      postmap->must_replace ? 1 : 0, &build->errors.sdk);
    if (st == SLUICE_NOT_FOUND && !postmap->is_quiet)
        /* Postfix names the file that it writes, and all that it builds here ends in .db. */
        (void)fprintf(stderr, "postmap: warning: %s.db: duplicate entry: \"%.*s\"\n",
                      build->table->path, (int)key.len, copy);
    free(copy);
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* All entries of the source; none of them if one fails. */
static int build_from(const struct postmap *postmap, struct build *build, FILE *file,
                      const char *name)
{
    struct source source;
    struct sluice_span key, value;
    sluice_status st;

    source_init(&source, file, name, warn, NULL);
    while ((st = source_entry(&source, &build->errors.sdk, &key, &value)) == SLUICE_OK) {
        st = put(postmap, build, key, value);
        if (st != SLUICE_OK)
            break;
    }
    source_done(&source);
    if (st == SLUICE_NOT_FOUND)
        return build_commit(build);
    build->table->ops->write_abort(build->writer);
    return fatal("%s", build->err.text);
}

/*
 * Root writes as the owner of the source: who may write into that folder could otherwise have root
 * write anywhere.
 */
static int become_owner(const struct postmap *postmap, const struct stat *source)
{
    if (geteuid() != 0 || source->st_uid == 0 || postmap->keeps_root)
        return EXIT_SUCCESS;
    if (setgroups(1, &source->st_gid) == -1 || setegid(source->st_gid) == -1 ||
        seteuid(source->st_uid) == -1)
        return fatal("run as the owner of the source, uid %ld: %s", (long)source->st_uid,
                     strerror(errno));
    return EXIT_SUCCESS;
}

static int become_root(void)
{
    const gid_t group = 0;

    if (getuid() != 0 || geteuid() == 0)
        return EXIT_SUCCESS;
    if (seteuid(0) == -1 || setegid(0) == -1 || setgroups(1, &group) == -1)
        return fatal("become root again: %s", strerror(errno));
    return EXIT_SUCCESS;
}

/* Who may read the source may read the table. */
static mode_t mode_for(const struct postmap *postmap, const struct stat *source)
{
    mode_t readers = S_IRGRP | S_IROTH;

    if (!postmap->has_plain_mode && S_ISREG(source->st_mode))
        readers &= source->st_mode;
    return S_IRUSR | S_IWUSR | readers;
}

static int build_table(const struct postmap *postmap, struct postmap_table *table)
{
    struct build build = {.table = table};
    FILE *file = postmap->is_incremental ? stdin : fopen(table->path, "re");
    struct stat source;
    int code;

    if (file == NULL)
        return fatal("open %s: %s", table->path, strerror(errno));
    if (fstat(fileno(file), &source) == -1)
        code = fatal("open %s: %s", table->path, strerror(errno));
    else
        code = become_owner(postmap, &source);
    if (code == EXIT_SUCCESS)
        code = build_open(&build, postmap->is_incremental, mode_for(postmap, &source));
    if (code == EXIT_SUCCESS)
        code = build_from(postmap, &build, file, postmap->is_incremental ? "stdin" : table->path);
    if (file != stdin)
        (void)fclose(file); /* only read */
    return become_root() == EXIT_SUCCESS ? code : EXIT_FAILURE;
}

static int build_tables(struct postmap *postmap)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0; i < postmap->table_count && code == EXIT_SUCCESS; i++)
        code = build_table(postmap, &postmap->tables[i]);
    return code;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* From every table that has it. */
static int remove_key(struct postmap *postmap, struct sluice_span key, bool *found)
{
    for (size_t i = 0; i < postmap->table_count; i++) {
        struct build *build = &postmap->builds[i];
        char *copy = postmap_table_key(build->table, key);
        sluice_status st = SLUICE_TEMP;

        if (copy != NULL)
            st = build->table->ops->write_remove(build->writer, (struct sluice_span){copy, key.len},
                                                 &build->errors.sdk);
        free(copy);
        if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
            return fatal("%s", copy != NULL ? build->err.text : "out of memory");
        build->is_changed = build->is_changed || st == SLUICE_OK;
        *found = *found || st == SLUICE_OK;
    }
    return EXIT_SUCCESS;
}

/* A table that is not there is no empty one. */
static int open_builds(struct postmap *postmap)
{
    int code = EXIT_SUCCESS;

    postmap->builds = calloc(postmap->table_count, sizeof(postmap->builds[0]));
    if (postmap->builds == NULL)
        return fatal("out of memory");
    for (size_t i = 0; i < postmap->table_count && code == EXIT_SUCCESS; i++) {
        struct build *build = &postmap->builds[i];

        build->table = &postmap->tables[i];
        if (postmap_table_open(build->table, &build->err) != SLUICE_OK)
            return fatal("%s", build->err.text);
        code = build_open(build, true, S_IRUSR | S_IWUSR);
    }
    return code;
}

static int remove_keys(struct postmap *postmap)
{
    int code = open_builds(postmap);
    bool is_good = code == EXIT_SUCCESS;

    if (is_good)
        code = each_key(postmap, postmap->remove, remove_key, &is_good);
    for (size_t i = 0; postmap->builds != NULL && i < postmap->table_count; i++) {
        struct build *build = &postmap->builds[i];

        if (build->writer == NULL)
            continue;
        if (!is_good || !build->is_changed)
            build->table->ops->write_abort(build->writer);
        else if (build_commit(build) != EXIT_SUCCESS)
            code = EXIT_FAILURE;
    }
    free(postmap->builds);
    return code;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* The flag of an option without argument; NULL: there is none of that letter. */
static bool *flag_of(struct postmap *postmap, int letter)
{
    const struct {
        char letter;
        bool *flag;
    } flags[] = {
        {'f', &postmap->keeps_case},   {'i', &postmap->is_incremental},
        {'n', &postmap->has_no_nul},   {'N', &postmap->has_nul},
        {'o', &postmap->keeps_root},   {'p', &postmap->has_plain_mode},
        {'r', &postmap->must_replace}, {'s', &postmap->is_listing},
        {'u', &postmap->is_ignored}, /* keys are folded as ASCII in any case */
        {'v', &postmap->is_ignored}, /* there is nothing more to tell */
        {'w', &postmap->is_quiet},
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].letter == letter)
            return flags[i].flag;
    }
    return NULL;
}

static int parse_options(struct postmap *postmap, int argc, char **argv)
{
    int option;

    opterr = 0; /* the usage says it all */
    while ((option = getopt(argc, argv, OPTIONS)) != -1) {
        bool *flag = flag_of(postmap, option);

        if (flag != NULL)
            *flag = true;
        else if (option == 'c')
            place_set(postmap->config_path, optarg);
        else if (option == 'd')
            postmap->remove = optarg;
        else if (option == 'q')
            postmap->query = optarg;
        else
            return fatal("%s", USAGE);
    }
    if ((postmap->query != NULL) + (postmap->remove != NULL) + postmap->is_listing > 1)
        return fatal("specify only one of -s -q or -d");
    return optind < argc ? EXIT_SUCCESS : fatal("%s", USAGE);
}

static int read_config(struct postmap *postmap)
{
    struct draft *draft = &postmap->draft;
    const char *path = postmap->config_path;

    if (access(path, R_OK) == -1) {
        if (strcmp(path, CONFIG_PATH) != 0)
            return fatal("open %s: %s", path, strerror(errno));
        path = NO_CONFIG;
    }
    draft_read(draft, path);
    if (draft->report.error_count > 0)
        return fatal("%s does not check:\n%s", path, buffer_text(&draft->report.text));
    return EXIT_SUCCESS;
}

static int open_tables(struct postmap *postmap, char **names, size_t count)
{
    struct draft *draft = &postmap->draft;

    postmap->tables = calloc(count, sizeof(postmap->tables[0]));
    if (postmap->tables == NULL)
        return fatal("out of memory");
    for (size_t i = 0; i < count; i++) {
        struct postmap_table *table = &postmap->tables[i];
        struct error err = ERROR_INIT;
        const char *name = strchr(names[i], ':') != NULL
                               ? names[i]
                               : arena_printf(&draft->arena, DEFAULT_TYPE ":%s", names[i]);

        if (postmap_table_init(table, draft, name, &err) != SLUICE_OK)
            return fatal("%s", err.text);
        table->keeps_case = postmap->keeps_case;
        if (postmap->has_nul || postmap->has_no_nul)
            postmap_table_set(table, "terminated", postmap->has_nul);
        postmap->table_count++;
    }
    return EXIT_SUCCESS;
}

static int run(struct postmap *postmap)
{
    bool is_good;

    if (postmap->query != NULL)
        return each_key(postmap, postmap->query, query_key, &is_good);
    if (postmap->remove != NULL)
        return remove_keys(postmap);
    return postmap->is_listing ? list_tables(postmap) : build_tables(postmap);
}

int main(int argc, char **argv)
{
    struct postmap postmap = {0};
    int code;

    place_default(postmap.config_path);
    code = parse_options(&postmap, argc, argv);
    draft_init(&postmap.draft);
    if (code == EXIT_SUCCESS)
        code = read_config(&postmap);
    if (code == EXIT_SUCCESS)
        code = open_tables(&postmap, argv + optind, (size_t)(argc - optind));
    if (code == EXIT_SUCCESS)
        code = run(&postmap);
    if (fflush(stdout) == EOF || ferror(stdout) != 0)
        code = fatal("write standard output: %s", strerror(errno));
    for (size_t i = 0; i < postmap.table_count; i++)
        postmap_table_done(&postmap.tables[i]);
    free(postmap.tables);
    draft_done(&postmap.draft);
    return code;
}
