/* SPDX-License-Identifier: ISC */
/* shadow: what is on the disk for sure, and what a power cut leaves (faults.h). */
#include "shadow.h"
#include "faults.h"
#include "model.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMES_MAX 512
#define NAME_MAX_BYTES 64
#define DROP_SECTOR 512

static int shadow_folder = -1; /* of the process, as the calls in faults.c are */

struct name {
    char name[NAME_MAX_BYTES];
    uint64_t inode;
    bool is_folder;
};

struct names {
    size_t count;
    struct name items[NAMES_MAX];
};

/* A file in memory; NULL bytes: there is none. */
struct image {
    char *bytes;
    size_t size;
};

/* Past faults.c: the shadow's own writing is not to be counted. */
static ssize_t write_past_faults(int fd, const void *data, size_t size)
{
    return syscall(SYS_write, fd, data, size);
}

void faults_shadow(const char *shadow)
{
    shadow_folder = open(shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void shadow_name(char *out, size_t size, char kind, uint64_t inode)
{
    (void)snprintf(out, size, "%c%" PRIu64, kind, inode);
}

static int write_file(int folder, const char *name, const char *bytes, size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t wrote;

    if (fd == -1)
        return -1;
    wrote = write_past_faults(fd, bytes, size);
    close(fd);
    return wrote == (ssize_t)size ? 0 : -1;
}

static struct image read_open_file(int fd)
{
    struct image image = {NULL, 0};
    struct stat info;

    if (fstat(fd, &info) == -1)
        return image;
    image.size = (size_t)info.st_size;
    image.bytes = calloc(1, image.size + 1);
    if (image.bytes == NULL || pread(fd, image.bytes, image.size, 0) != (ssize_t)image.size)
        abort();
    return image;
}

static struct image read_file(int folder, const char *name)
{
    struct image image = {NULL, 0};
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return image;
    image = read_open_file(fd);
    close(fd);
    return image;
}

static void list(int fd, struct names *names)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(again);
    const struct dirent *entry;

    names->count = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL && names->count < NAMES_MAX) {
        struct name *item = &names->items[names->count];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        memset(item, 0, sizeof(*item));
        (void)snprintf(item->name, sizeof(item->name), "%.*s", NAME_MAX_BYTES - 1, entry->d_name);
        item->inode = entry->d_ino;
        item->is_folder = entry->d_type == DT_DIR;
        names->count++;
    }
    if (dir != NULL)
        closedir(dir);
}

static void sync_folder(int fd, const char *name)
{
    static struct names names;

    list(fd, &names);
    if (write_file(shadow_folder, name, (const char *)&names, sizeof(names)) == -1)
        abort();
}

/* fd may be write-only. */
static int open_again(int fd)
{
    char self[64];
    int again;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    again = open(self, O_RDONLY | O_CLOEXEC);
    if (again == -1)
        abort();
    return again;
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
    char name[32];
    struct image latest;
    struct image synced;
    struct dropped *dropped;
    int again;

    if (shadow_folder == -1 || fstat(fd, &info) == -1 || !S_ISREG(info.st_mode))
        return;
    again = open_again(fd);
    latest = read_open_file(again);
    close(again);
    shadow_name(name, sizeof(name), 'f', info.st_ino);
    synced = read_file(shadow_folder, name);
    dropped = make_dropped(info.st_ino, latest.size / DROP_SECTOR + 1);
    for (size_t at = 0; at < latest.size; at += DROP_SECTOR) {
        if (!is_same_sector(&latest, &synced, at))
            dropped->sectors[at / DROP_SECTOR] = true;
    }
    free(latest.bytes);
    free(synced.bytes);
}

void shadow_write(int fd, off_t offset, ssize_t size)
{
    struct stat info;
    struct dropped *dropped;

    if (dropped_files == NULL || size <= 0 || fstat(fd, &info) == -1)
        return;
    dropped = find_dropped(info.st_ino);
    for (off_t at = offset / DROP_SECTOR;
         dropped != NULL && at <= (offset + size - 1) / DROP_SECTOR; at++) {
        if ((size_t)at < dropped->count)
            dropped->sectors[at] = false;
    }
}

/* ---- syncs ----------------------------------------------------------------------------------- */

static void copy(int from, int to, off_t begin, off_t end)
{
    loff_t at = begin;
    loff_t out = begin;

    while (at < end) {
        if (copy_file_range(from, &at, to, &out, (size_t)(end - at), 0) <= 0)
            abort();
    }
}

/* In the kernel, over the bytes of the sync before: it is done for each sync of each power cut. */
static void sync_file(int fd, const struct stat *info, const char *name)
{
    const struct dropped *dropped = find_dropped(info->st_ino);
    int from = open_again(fd);
    int to = openat(shadow_folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (to == -1 || syscall(SYS_ftruncate, to, info->st_size) == -1)
        abort();
    if (dropped == NULL)
        copy(from, to, 0, info->st_size);
    for (off_t at = 0; dropped != NULL && at < info->st_size; at += DROP_SECTOR) {
        bool is_dropped =
            (size_t)(at / DROP_SECTOR) < dropped->count && dropped->sectors[at / DROP_SECTOR];

        if (!is_dropped)
            copy(from, to, at, at + DROP_SECTOR < info->st_size ? at + DROP_SECTOR : info->st_size);
    }
    close(from);
    close(to);
}

void shadow_sync(int fd)
{
    struct stat info;
    char name[32];

    if (shadow_folder == -1 || fstat(fd, &info) == -1)
        return;
    shadow_name(name, sizeof(name), S_ISDIR(info.st_mode) ? 'd' : 'f', info.st_ino);
    if (S_ISDIR(info.st_mode))
        sync_folder(fd, name);
    else
        sync_file(fd, &info, name);
}

void shadow_keep(int folder, const char *path)
{
    struct stat info;
    char name[32];

    if (shadow_folder == -1 || fstatat(folder, path, &info, AT_SYMLINK_NOFOLLOW) == -1)
        return;
    shadow_name(name, sizeof(name), 'k', info.st_ino);
    (void)syscall(SYS_linkat, folder, path, shadow_folder, name, 0);
}

/* ---- the cut -------------------------------------------------------------------------------- */

struct cut {
    int shadow;
    size_t sector;
    uint64_t state;    /* of the chance */
    unsigned kindness; /* how many of four un-synced things reach the disk */
};

static bool is_lucky(struct cut *cut)
{
    return model_random(&cut->state) % 4 < cut->kindness;
}

/* The sectors of the last synced state, some of them as they were written later. */
static struct image mix(struct cut *cut, struct image synced, struct image latest)
{
    struct image image = {NULL, is_lucky(cut) ? latest.size : synced.size};

    if (latest.bytes == NULL)
        image.size = synced.size;
    image.bytes = calloc(1, image.size + 1);
    if (image.bytes == NULL)
        abort();
    for (size_t at = 0; at < image.size; at += cut->sector) {
        struct image from = is_lucky(cut) && latest.bytes != NULL ? latest : synced;
        size_t size = image.size - at < cut->sector ? image.size - at : cut->sector;

        if (at >= from.size)
            continue;
        if (from.size - at < size)
            size = from.size - at;
        memcpy(image.bytes + at, from.bytes + at, size);
    }
    return image;
}

static int cut_file(struct cut *cut, int source, const struct name *name, int target)
{
    char shadow[32];
    char kept[32];
    struct image synced;
    struct image latest;
    struct image mixed;
    struct stat info;
    int done;

    shadow_name(shadow, sizeof(shadow), 'f', name->inode);
    shadow_name(kept, sizeof(kept), 'k', name->inode);
    synced = read_file(cut->shadow, shadow);
    if (fstatat(source, name->name, &info, 0) == 0 && info.st_ino == name->inode)
        latest = read_file(source, name->name);
    else
        latest = read_file(cut->shadow, kept);
    mixed = mix(cut, synced, latest);
    done = write_file(target, name->name, mixed.bytes, mixed.size);
    free(synced.bytes);
    free(latest.bytes);
    free(mixed.bytes);
    return done;
}

static bool has_name(const struct names *names, const struct name *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name->name) == 0 && names->items[i].inode == name->inode)
            return true;
    }
    return false;
}

static int cut_folder(struct cut *cut, int source, int target);

static int cut_name(struct cut *cut, int source, const struct name *name, int target)
{
    int inner_source;
    int inner_target;
    int done = -1;

    if (!name->is_folder)
        return cut_file(cut, source, name, target);
    inner_source = openat(source, name->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)mkdirat(target, name->name, 0700);
    inner_target = openat(target, name->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inner_source != -1 && inner_target != -1)
        done = cut_folder(cut, inner_source, inner_target);
    close(inner_source);
    close(inner_target);
    return done;
}

/* Names that are synced and still there stay; of those that came or went later some count. */
static int cut_folder(struct cut *cut, int source, int target)
{
    struct names *synced = calloc(1, sizeof(*synced));
    struct names *latest = calloc(1, sizeof(*latest));
    struct image image;
    struct stat info;
    char shadow[32];
    int done = 0;

    if (synced == NULL || latest == NULL || fstat(source, &info) == -1)
        abort();
    shadow_name(shadow, sizeof(shadow), 'd', info.st_ino);
    image = read_file(cut->shadow, shadow);
    if (image.size == sizeof(*synced))
        memcpy(synced, image.bytes, sizeof(*synced));
    free(image.bytes);
    list(source, latest);
    for (size_t i = 0; done == 0 && i < synced->count; i++) {
        if (has_name(latest, &synced->items[i]) || !is_lucky(cut))
            done = cut_name(cut, source, &synced->items[i], target);
    }
    for (size_t i = 0; done == 0 && i < latest->count; i++) {
        if (!has_name(synced, &latest->items[i]) && is_lucky(cut))
            done = cut_name(cut, source, &latest->items[i], target);
    }
    free(synced);
    free(latest);
    return done;
}

int faults_cut(const char *source, const char *shadow, const char *target, size_t sector,
               uint64_t seed)
{
    struct cut cut = {.sector = sector, .state = seed};
    int from = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int done = -1;

    cut.shadow = open(shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cut.kindness = (unsigned)(model_random(&cut.state) % 5);
    if (from != -1 && to != -1 && cut.shadow != -1)
        done = cut_folder(&cut, from, to);
    close(from);
    close(to);
    close(cut.shadow);
    return done;
}
