/* SPDX-License-Identifier: ISC */
/*
 * file: sluice.conf as a tree of settings, each with its place. The only module that knows
 * libconfig.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config/scan.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_NUMBER,
    SETTING_FLAG,  /* number is 0 or 1 */
    SETTING_FLOAT, /* no option is one; kept to say so */
    SETTING_ARRAY, /* [...] or (...) */
    SETTING_GROUP, /* {...} */
};

struct setting {
    const char *name; /* NULL in an array */
    enum setting_kind kind;
    struct place place;
    const char *text;
    int64_t number;
    const struct setting *children; /* ARRAY, GROUP */
    size_t child_count;
};

struct file {
    const struct setting *root; /* a group; empty where the file makes no sense */
    const char *const *paths;   /* of all files that were read */
    size_t path_count;
};

/* What is wrong goes into the report. */
void file_read(const char *path, struct arena *arena, struct report *report, struct file *ret_file);
/* NULL if the group has none of that name. */
const struct setting *setting_find(const struct setting *group, const char *name);
/* The kind in words: "a text". */
const char *setting_kind_name(const struct setting *setting);

#endif
