/* SPDX-License-Identifier: ISC */
/*
 * image: files and folders as they are at a moment, in memory or copied: what shadows and power cuts are
 * made of. Past faults.c: none of it is counted, or fails. Where the machine lets it down it aborts.
 */
#ifndef SLUICE_TEST_IMAGE_H
#define SLUICE_TEST_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IMAGE_NAMES_MAX 512
#define IMAGE_NAME_SIZE 64

struct name {
    char name[IMAGE_NAME_SIZE];
    uint64_t inode;
    bool is_folder;
};

struct names {
    size_t count;
    struct name items[IMAGE_NAMES_MAX];
};

/* A file in memory; NULL bytes: there is none. */
struct image {
    char *bytes;
    size_t size;
};

/* The caller frees the bytes. */
struct image image_read(int folder, const char *name);
struct image image_read_fd(int fd); /* open for reading */
void image_write(int folder, const char *name, const char *bytes, size_t size);

/* The names in a folder. */
void image_list(int folder, struct names *names);

/* The same file once more, for reading. */
int image_open_again(int fd);
/* Copies those bytes in the kernel, from one file to the same place in the other. */
void image_copy(int from, int to, off_t begin, off_t end);

#endif
