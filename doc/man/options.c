/* SPDX-License-Identifier: ISC */
/*
 * options: completes a manual page with the options that the code declares, so that no page says
 * anything else than the programs do.
 *
 *   options TEMPLATE PLUGIN-FOLDER PAGE
 *
 * In the template a line "@PARAMETERS@" stands for the daemon's parameters, in the order of their
 * names, "@INSTANCE sluice.transport/1@" for what every transport takes, "@METRICS@" for what is counted, and "@PLUGIN transport/smtp@" for a section about
 * that plugin: what it is, the restrictions that it knows, its options. Run by the build.
 */
#include "base/metrics.h"
#include "config/parameters.h"
#include "plugin/load.h"
#include "sluice/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 4096
#define PLUGIN_NAME_SIZE 64

/* Text of a page: a backslash is none of roff's, and a line of text is no request. */
static void print_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else
            (void)putchar(*text);
    }
}

static const char *type_word(int32_t type)
{
    switch (type) {
    case SLUICE_OPT_INTEGER:
        return "number";
    case SLUICE_OPT_BOOLEAN:
        return "yes or no";
    case SLUICE_OPT_DURATION:
        return "duration";
    case SLUICE_OPT_SIZE:
        return "size";
    case SLUICE_OPT_PATH:
        return "path";
    case SLUICE_OPT_ENUM:
        return "one of";
    case SLUICE_OPT_LIST:
        return "list";
    default:
        return "text";
    }
}

/* Of a number that has no unit, where that is not seconds. */
static const char *unit_words(uint32_t flags)
{
    if ((flags & OPTION_DAYS) != 0)
        return " in days";
    return (flags & OPTION_HOURS) != 0 ? " in hours" : "";
}

static void print_option(const struct sluice_option *option)
{
    printf(".TP\n.B ");
    print_text(option->key);
    printf("\n(%s%s", type_word(option->type), unit_words(option->flags));
    if (option->range != NULL) {
        printf(" ");
        print_text(option->range);
    }
    if ((option->flags & SLUICE_OPT_GLOBAL) != 0)
        printf("; also a parameter");
    if ((option->flags & SLUICE_OPT_REQUIRED) != 0)
        printf("; required");
    if (option->fallback != NULL) {
        printf("; default: ");
        print_text(option->fallback[0] != '\0' ? option->fallback : "empty");
    }
    printf(")\n.br\n");
    print_text(option->summary);
    printf(".\n");
}

static int by_key(const void *a, const void *b)
{
    const struct sluice_option *const *one = a;
    const struct sluice_option *const *other = b;

    return strcmp((*one)->key, (*other)->key);
}

/* Those that people set, sorted. */
static int print_options(const struct sluice_option *options, size_t count)
{
    const struct sluice_option **sorted = calloc(count + 1, sizeof(const struct sluice_option *));
    size_t used = 0;

    if (sorted == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if ((options[i].flags & OPTION_INTERNAL) == 0)
            sorted[used++] = &options[i];
    }
    qsort(sorted, used, sizeof(const struct sluice_option *), by_key);
    for (size_t i = 0; i < used; i++)
        print_option(sorted[i]);
    free(sorted);
    return 0;
}

/* A derived plugin has the options of its base, some of them with other values. */
static void print_derivation(const struct sluice_derive *derive)
{
    printf(".PP\nIt has the options of\n.BR ");
    print_text(strrchr(derive->base, '/') + 1);
    for (uint32_t i = 0; i < derive->override_count; i++) {
        printf(" ,\n.B ");
        print_text(derive->overrides[i].key);
        printf("\nbeing\n.BR ");
        print_text(derive->overrides[i].value);
    }
    printf(" .\n");
}

static void print_restrictions(const struct sluice_access_ops *ops)
{
    const char *at = (const char *)ops->restrictions;

    printf(".PP\nThe restrictions that it knows:\n");
    for (uint32_t i = 0; i < ops->restriction_count; i++, at += ops->restriction_size) {
        const struct sluice_restriction *restriction = (const void *)at;

        printf(".TP\n.B ");
        print_text(restriction->name);
        printf("\n");
        print_text(restriction->summary);
        printf(".\n");
    }
    printf(".PP\nIts options:\n");
}

static int print_desc(const struct sluice_plugin_desc *desc)
{
    const struct sluice_derive *derive = desc->get_interface(SLUICE_DERIVE_ID);
    const struct sluice_access_ops *access = desc->get_interface(SLUICE_ACCESS_ID);

    printf(".SS ");
    print_text(strchr(desc->name, '/') + 1);
    printf("\n");
    print_text(desc->summary);
    printf(".\n");
    if (derive != NULL)
        print_derivation(derive);
    if (access != NULL && access->restriction_count > 0)
        print_restrictions(access);
    return print_options(desc->options, desc->option_count);
}

static int print_plugin(const char *folder, const char *name)
{
    struct error err = ERROR_INIT;
    struct plugin *plugin;
    int fd;

    if (plugin_open_file(folder, name, geteuid(), &fd, &err) != SLUICE_OK ||
        plugin_load(name, fd, &plugin, &err) != SLUICE_OK) {
        (void)fprintf(stderr, "options: %s: %s\n", name, err.text);
        return -1;
    }
    (void)close(fd); /* the loader has its own */
    return print_desc(plugin_desc(plugin));
}

static int print_instance_options(const char *interface)
{
    size_t count;
    const struct sluice_option *options = parameters_of_instance(interface, &count);

    return print_options(options, count);
}

/* Of an empty series for each family: "# HELP name text" and "# TYPE name kind". */
static int print_metrics(void)
{
    void *memory = calloc(1, METRICS_SIZE);
    struct buffer text = BUFFER_INIT;
    char name[LINE_SIZE];
    char help[LINE_SIZE];
    char kind[LINE_SIZE];

    if (memory == NULL)
        return -1;
    metrics_attach(memory, METRICS_SIZE);
    for (enum metric_family family = 0; family < METRIC_FAMILIES; family++)
        (void)metric_get(family, "", "", "");
    metrics_format(memory, METRICS_SIZE, &text);
    const char *at = buffer_text(&text);
    for (; at != NULL; at = strchr(at, '\n'), at = at != NULL ? at + 1 : NULL) {
        if (sscanf(at, "# HELP %4095s %4095[^\n]\n# TYPE %*s %4095s", name, help, kind) == 3) {
            printf(".TP\n.BR %s \" (%s)\"\n", name, kind);
            print_text(help);
            printf(".\n");
        }
    }
    buffer_done(&text);
    free(memory);
    return at == NULL ? 0 : -1;
}

static int print_line(const char *line, const char *folder)
{
    char name[PLUGIN_NAME_SIZE];

    if (strcmp(line, "@PARAMETERS@\n") == 0)
        return print_options(parameters, parameter_count);
    if (sscanf(line, "@INSTANCE %63[a-z./0-9]@", name) == 1)
        return print_instance_options(name);
    if (strcmp(line, "@METRICS@\n") == 0)
        return print_metrics();
    if (sscanf(line, "@PLUGIN %63[a-z/-]@", name) == 1)
        return print_plugin(folder, name);
    return fputs(line, stdout) == EOF ? -1 : 0;
}

int main(int argc, char **argv)
{
    char line[LINE_SIZE];
    FILE *template;
    int result = 0;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: options TEMPLATE PLUGIN-FOLDER PAGE\n");
        return 1;
    }
    template = fopen(argv[1], "r");
    if (template == NULL || freopen(argv[3], "w", stdout) == NULL) {
        (void)fprintf(stderr, "options: %s or %s: %s\n", argv[1], argv[3], strerror(errno));
        return 1;
    }
    while (result == 0 && fgets(line, sizeof(line), template) != NULL)
        result = print_line(line, argv[2]);
    if (ferror(template) != 0 || fflush(stdout) != 0)
        result = -1;
    (void)fclose(template); /* only read */
    return result == 0 ? 0 : 1;
}
