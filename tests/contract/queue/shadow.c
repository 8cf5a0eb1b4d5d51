/* SPDX-License-Identifier: ISC */
/* shadow: what is on the disk for sure. */
#include "shadow.h"
#include "faults.h"
#include "image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DROP_SECTOR 512

static int shadow_folder = -1; /* of the process, as the calls in faults.c are */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

void shadow_name(char name[SHADOW_NAME_SIZE], char kind, uint64_t inode)
{
    (void)snprintf(name, SHADOW_NAME_SIZE, "%c%" PRIu64, kind, inode);
}

bool shadow_is_on(void)
{
    return shadow_folder != -1;
}

void faults_shadow(const char *shadow)
{
    shadow_folder = open(shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (shadow_folder == -1)
        abort();
}

/* ---- what a failing sync has dropped --------------------------------------------------------- */

/* Sectors of one file; a process has few of them. */
struct dropped {
    uint64_t inode;
    size_t count;
    bool *sectors;
    struct dropped *next;
};

static struct dropped *dropped_files;

static struct dropped *find_dropped(uint64_t inode)
{
    struct dropped *dropped = dropped_files;

    while (dropped != NULL && dropped->inode != inode)
        dropped = dropped->next;
    return dropped;
}

static struct dropped *make_dropped(uint64_t inode, size_t count)
{
    struct dropped *dropped = find_dropped(inode);

    if (dropped == NULL) {
        dropped = calloc(1, sizeof(*dropped));
        if (dropped == NULL)
            abort();
        dropped->inode = inode;
        dropped->next = dropped_files;
        dropped_files = dropped;
    }
    dropped->sectors = realloc(dropped->sectors, count);
    if (dropped->sectors == NULL)
        abort();
    if (count > dropped->count)
        memset(dropped->sectors + dropped->count, 0, count - dropped->count);
    dropped->count = count;
    return dropped;
}

static bool is_same_sector(const struct image *a, const struct image *b, size_t at)
{
    size_t size = a->size - at < DROP_SECTOR ? a->size - at : DROP_SECTOR;

    return b->size >= at + size && memcmp(a->bytes + at, b->bytes + at, size) == 0;
}

void shadow_drop(int fd)
{
    struct stat info;
    char name[SHADOW_NAME_SIZE];
    struct image latest;
    struct image synced;
    struct dropped *dropped;
    int again;

    if (shadow_folder == -1 || fstat(fd, &info) == -1 || !S_ISREG(info.st_mode))
        return;
    pthread_mutex_lock(&guard);
    again = image_open_again(fd);
    latest = image_read_fd(again);
    close(again);
    shadow_name(name, 'f', info.st_ino);
    synced = image_read(shadow_folder, name);
    dropped = make_dropped(info.st_ino, latest.size / DROP_SECTOR + 1);
    for (size_t at = 0; at < latest.size; at += DROP_SECTOR) {
        if (!is_same_sector(&latest, &synced, at))
            dropped->sectors[at / DROP_SECTOR] = true;
    }
    pthread_mutex_unlock(&guard);
    free(latest.bytes);
    free(synced.bytes);
}

void shadow_write(int fd, off_t offset, ssize_t size)
{
    struct stat info;
    struct dropped *dropped;

    if (shadow_folder == -1 || size <= 0 || fstat(fd, &info) == -1)
        return;
    pthread_mutex_lock(&guard);
    dropped = find_dropped(info.st_ino);
    for (off_t at = offset / DROP_SECTOR;
         dropped != NULL && at <= (offset + size - 1) / DROP_SECTOR; at++) {
        if ((size_t)at < dropped->count)
            dropped->sectors[at] = false;
    }
    pthread_mutex_unlock(&guard);
}

/* ---- syncs ----------------------------------------------------------------------------------- */

static void sync_folder(int fd, const char *name)
{
    static struct names names;

    image_list(fd, &names);
    image_write(shadow_folder, name, (const char *)&names, sizeof(names));
}

/* In the kernel, over the bytes of the sync before: it is done for each sync of each power cut. */
static void sync_file(int fd, const struct stat *info, const char *name)
{
    const struct dropped *dropped = find_dropped(info->st_ino);
    int from = image_open_again(fd);
    int to = openat(shadow_folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (to == -1 || syscall(SYS_ftruncate, to, info->st_size) == -1)
        abort();
    if (dropped == NULL)
        image_copy(from, to, 0, info->st_size);
    for (off_t at = 0; dropped != NULL && at < info->st_size; at += DROP_SECTOR) {
        bool is_dropped =
            (size_t)(at / DROP_SECTOR) < dropped->count && dropped->sectors[at / DROP_SECTOR];

        if (!is_dropped)
            image_copy(from, to, at,
                       at + DROP_SECTOR < info->st_size ? at + DROP_SECTOR : info->st_size);
    }
    close(from);
    close(to);
}

void shadow_sync(int fd)
{
    struct stat info;
    char name[SHADOW_NAME_SIZE];

    if (shadow_folder == -1 || fstat(fd, &info) == -1)
        return;
    shadow_name(name, S_ISDIR(info.st_mode) ? 'd' : 'f', info.st_ino);
    pthread_mutex_lock(&guard);
    if (S_ISDIR(info.st_mode))
        sync_folder(fd, name);
    else
        sync_file(fd, &info, name);
    pthread_mutex_unlock(&guard);
}

void shadow_keep(int folder, const char *path)
{
    struct stat info;
    char name[SHADOW_NAME_SIZE];

    if (shadow_folder == -1 || fstatat(folder, path, &info, AT_SYMLINK_NOFOLLOW) == -1)
        return;
    shadow_name(name, 'k', info.st_ino);
    (void)syscall(SYS_linkat, folder, path, shadow_folder, name, 0);
}

/* ---- a disk to begin with -------------------------------------------------------------------- */

static void take_folder(int folder)
{
    struct names *names = calloc(1, sizeof(*names));

    if (names == NULL)
        abort();
    image_list(folder, names);
    for (size_t i = 0; i < names->count; i++) {
        int fd = openat(folder, names->items[i].name, O_RDONLY | O_CLOEXEC);

        if (fd == -1)
            abort();
        if (names->items[i].is_folder)
            take_folder(fd);
        else
            shadow_sync(fd);
        close(fd);
    }
    free(names);
    shadow_sync(folder);
}

void faults_shadow_all(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1)
        abort();
    take_folder(fd);
    close(fd);
}
