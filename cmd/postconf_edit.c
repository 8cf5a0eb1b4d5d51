/* SPDX-License-Identifier: ISC */
/*
 * postconf_edit: changes settings where they stand: in the file itself, or in one that it includes.
 * New ones go to the end of the file. Each file is replaced as a whole, and keeps its mode and owner.
 */
#include "postconf.h"

#include "base/durable.h"
#include "base/span.h"
#include "config/edit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 100    /* writers that may be ahead of us */
#define BARE_DIGITS_MAX 9 /* of a number that fits 32 bits in any case */

/* One that is to be made. */
struct change {
    const char *name;
    const char *value; /* as it is to stand in the file; NULL: the mode takes none */
    const char *file;
};

/* ---- what is asked --------------------------------------------------------------------------- */

/* Postfix's number, or a text in quotes, which every type takes. */
static const char *notation_of(struct draft *draft, const struct sluice_option *option,
                               const char *value)
{
    size_t digits = strspn(value, "0123456789");
    struct buffer quoted = BUFFER_INIT;

    if (option != NULL && option->type == SLUICE_OPT_INTEGER && digits > 0 &&
        digits <= BARE_DIGITS_MAX && value[digits] == '\0')
        return value;
    edit_quote(&quoted, value);
    const char *text = arena_text(&draft->arena, buffer_span(&quoted));
    buffer_done(&quoted);
    return text;
}

/* False after a message: it would not check. */
static bool is_good_value(struct postconf *postconf, const struct postconf_item *item,
                          const char *value)
{
    const struct place place = {.file = "postconf: fatal"};
    struct draft *draft = &postconf->draft;
    struct report report = REPORT_INIT;
    struct options options = draft->options;
    struct value ignored;

    if (item == NULL || item->option == NULL)
        return true;
    options.report = &report;
    draft->stress = (item->option->flags & OPTION_STRESS) != 0 ? "" : NULL;
    if ((item->option->flags & OPTION_INTERNAL) != 0)
        report_error(&report, place, "%s cannot be set", item->name);
    else
        (void)option_from_text(&options, item->option, value, place, &ignored);
    bool is_good = report.error_count == 0;
    if (!is_good)
        (void)fputs(buffer_text(&report.text), stderr); /* nobody else to tell */
    report_done(&report);
    return is_good;
}

static bool is_name(struct sluice_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (isalnum((unsigned char)name.ptr[i]) == 0 && strchr("_-", name.ptr[i]) == NULL)
            return false;
    }
    return name.len > 0 && isalpha((unsigned char)name.ptr[0]) != 0;
}

/* What the argument asks for; a group is edited by hand. */
static int read_change(struct postconf *postconf, const char *argument, struct change *ret_change)
{
    struct draft *draft = &postconf->draft;
    struct sluice_span name = sluice_span_of(argument);
    struct sluice_span value = SPAN_EMPTY;
    const char *wrong = postconf->mode == 'e' ? postconf_split(argument, &name, &value) : NULL;

    if (wrong != NULL)
        return postconf_fatal("%s: \"%s\"", wrong, argument);
    if (!is_name(name))
        return postconf_fatal("%.*s: not the name of a parameter", SPAN_ARGS(name));
    const struct postconf_item *item = postconf_find(postconf, name);
    const struct setting *setting = setting_find(draft->file.root, arena_text(&draft->arena, name));
    if (item != NULL && item->option == NULL && postconf->mode == 'e')
        return postconf_fatal("%s: a group is edited by hand", item->name);
    if (item != NULL && item->setting != NULL && setting == NULL)
        return postconf_fatal("%s: it is set in a group, which is edited by hand", item->name);
    *ret_change = (struct change){
        .name = arena_text(&draft->arena, name),
        .file = setting != NULL ? setting->place.file : draft->file.paths[0],
    };
    if (postconf->mode != 'e')
        return EXIT_SUCCESS;
    const char *text = arena_text(&draft->arena, value);
    if (!is_good_value(postconf, item, text))
        return EXIT_FAILURE;
    if (item == NULL && !parameter_is_foreign(ret_change->name))
        postconf_warn("%s: unknown parameter", ret_change->name);
    ret_change->value = notation_of(draft, item != NULL ? item->option : NULL, text);
    return EXIT_SUCCESS;
}

/* ---- a file ---------------------------------------------------------------------------------- */

/* Opens the file and keeps other writers away. -1 after a message. */
static int lock_file(const char *path, struct stat *ret_info)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        struct stat named;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd == -1 || flock(fd, LOCK_EX) == -1 || fstat(fd, ret_info) == -1 ||
            stat(path, &named) == -1) {
            (void)postconf_fatal("open %s: %s", path, strerror(errno));
            if (fd != -1)
                (void)close(fd); /* only locked */
            return -1;
        }
        if (named.st_ino == ret_info->st_ino && named.st_dev == ret_info->st_dev)
            return fd;
        (void)close(fd); /* another writer has just replaced it */
    }
    (void)postconf_fatal("lock %s: too many others", path);
    return -1;
}

static void apply(const struct postconf *postconf, const struct change *change, struct buffer *text)
{
    if (postconf->mode == 'e')
        edit_set(text, change->name, change->value);
    else if (postconf->mode == 'X')
        edit_remove(text, change->name);
    else
        edit_comment_out(text, change->name);
}

static sluice_status rewrite(const struct postconf *postconf, const char *path,
                             const struct stat *info, const struct change *changes, size_t count,
                             const char *file, struct error *err)
{
    struct buffer text = BUFFER_INIT;
    char *bytes = NULL;
    size_t len = 0;
    sluice_status st = durable_read_file(path, SCAN_FILE_MAX, &bytes, &len, err);

    if (st != SLUICE_OK)
        return st;
    buffer_add(&text, bytes, len);
    free(bytes);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(changes[i].file, file) == 0)
            apply(postconf, &changes[i], &text);
    }
    if (buffer_failed(&text))
        st = error_set(err, SLUICE_TEMP, "out of memory");
    else
        st = durable_write_file(path, buffer_span(&text), info->st_mode & 07777, err);
    buffer_done(&text);
    if (st == SLUICE_OK && (info->st_uid != geteuid() || info->st_gid != getegid()) &&
        chown(path, info->st_uid, info->st_gid) == -1)
        st = error_set(err, SLUICE_TEMP, "give %s to its owner: %s", path, strerror(errno));
    return st;
}

/* The file itself, where the path is a link to it. */
static int change_file(const struct postconf *postconf, const char *file,
                       const struct change *changes, size_t count)
{
    struct error err = ERROR_INIT;
    char *path = realpath(file, NULL);
    struct stat info;

    if (path == NULL)
        return postconf_fatal("open %s: %s", file, strerror(errno));
    int fd = lock_file(path, &info);
    sluice_status st =
        fd != -1 ? rewrite(postconf, path, &info, changes, count, file, &err) : SLUICE_TEMP;
    if (fd != -1)
        (void)close(fd); /* only locked */
    free(path);
    if (err.text[0] != '\0')
        return postconf_fatal("%s", err.text);
    return st == SLUICE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool is_changed(const struct change *changes, size_t count, const char *file)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(changes[i].file, file) == 0)
            return true;
    }
    return false;
}

int postconf_edit(struct postconf *postconf, char **arguments)
{
    struct draft *draft = &postconf->draft;
    struct change *changes = NULL;
    size_t count = 0;
    int code = EXIT_SUCCESS;

    if (arguments[0] == NULL)
        return postconf_fatal("-%c requires %s argument", postconf->mode,
                              postconf->mode == 'e' ? "name=value" : "name");
    for (size_t i = 0; arguments[i] != NULL && code == EXIT_SUCCESS; i++) {
        changes = arena_grow(&draft->arena, changes, count, sizeof(*changes));
        code = read_change(postconf, arguments[i], &changes[count++]);
    }
    for (size_t i = 0; i < draft->file.path_count && code == EXIT_SUCCESS; i++) {
        if (is_changed(changes, count, draft->file.paths[i]))
            code = change_file(postconf, draft->file.paths[i], changes, count);
    }
    return code;
}
