/* SPDX-License-Identifier: ISC */
/* cut: what a power cut leaves (faults.h). */
#include "faults.h"
#include "image.h"
#include "model.h"
#include "shadow.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* As it is now, wherever its name went; its bytes may be gone if it was never synced. */
static struct image read_latest(const struct cut *cut, int source, const struct name *name)
{
    char kept[SHADOW_NAME_SIZE];
    struct stat info;

    if (fstatat(source, name->name, &info, 0) == 0 && info.st_ino == name->inode)
        return image_read(source, name->name);
    shadow_name(kept, 'k', name->inode);
    return image_read(cut->shadow, kept);
}

static void cut_file(struct cut *cut, int source, const struct name *name, int target)
{
    char shadow[SHADOW_NAME_SIZE];
    struct image synced;
    struct image latest;
    struct image mixed;

    shadow_name(shadow, 'f', name->inode);
    synced = image_read(cut->shadow, shadow);
    latest = read_latest(cut, source, name);
    mixed = mix(cut, synced, latest);
    image_write(target, name->name, mixed.bytes, mixed.size);
    free(synced.bytes);
    free(latest.bytes);
    free(mixed.bytes);
}

static bool has_name(const struct names *names, const struct name *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name->name) == 0 && names->items[i].inode == name->inode)
            return true;
    }
    return false;
}

static void cut_folder(struct cut *cut, int source, int target);

static void cut_name(struct cut *cut, int source, const struct name *name, int target)
{
    int inner_source;
    int inner_target;

    if (!name->is_folder) {
        cut_file(cut, source, name, target);
        return;
    }
    inner_source = openat(source, name->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat(target, name->name, 0700) == -1)
        abort();
    inner_target = openat(target, name->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cut_folder(cut, inner_source, inner_target);
    close(inner_source);
    close(inner_target);
}

/* Names that are synced and still there stay; of those that came or went later some count. */
static void cut_folder(struct cut *cut, int source, int target)
{
    struct names *synced = calloc(1, sizeof(*synced));
    struct names *latest = calloc(1, sizeof(*latest));
    char shadow[SHADOW_NAME_SIZE];
    struct image image;
    struct stat info;

    if (synced == NULL || latest == NULL || fstat(source, &info) == -1)
        abort();
    shadow_name(shadow, 'd', info.st_ino);
    image = image_read(cut->shadow, shadow);
    if (image.size == sizeof(*synced))
        memcpy(synced, image.bytes, sizeof(*synced));
    free(image.bytes);
    image_list(source, latest);
    for (size_t i = 0; i < synced->count; i++) {
        if (has_name(latest, &synced->items[i]) || !is_lucky(cut))
            cut_name(cut, source, &synced->items[i], target);
    }
    for (size_t i = 0; i < latest->count; i++) {
        if (!has_name(synced, &latest->items[i]) && is_lucky(cut))
            cut_name(cut, source, &latest->items[i], target);
    }
    free(synced);
    free(latest);
}

static int open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1)
        abort();
    return fd;
}

void faults_cut(const char *source, const char *shadow, const char *target, size_t sector,
                uint64_t seed)
{
    struct cut cut = {.sector = sector, .state = seed};
    int from = open_folder(source);
    int to = open_folder(target);

    cut.shadow = open_folder(shadow);
    cut.kindness = (unsigned)(model_random(&cut.state) % 5);
    cut_folder(&cut, from, to);
    close(from);
    close(to);
    close(cut.shadow);
}
