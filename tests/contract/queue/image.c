/* SPDX-License-Identifier: ISC */
/* image: files and folders as they are at a moment. */
#include "image.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct image image_read_fd(int fd)
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

struct image image_read(int folder, const char *name)
{
    struct image image = {NULL, 0};
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return image;
    image = image_read_fd(fd);
    close(fd);
    return image;
}

void image_write(int folder, const char *name, const char *bytes, size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd == -1 || syscall(SYS_write, fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
}

void image_list(int folder, struct names *names)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(again);
    const struct dirent *entry;

    names->count = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct name *item = &names->items[names->count];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names->count == IMAGE_NAMES_MAX || strlen(entry->d_name) >= sizeof(item->name))
            abort();
        memset(item, 0, sizeof(*item));
        memcpy(item->name, entry->d_name, strlen(entry->d_name));
        item->inode = entry->d_ino;
        item->is_folder = entry->d_type == DT_DIR;
        names->count++;
    }
    if (dir != NULL)
        closedir(dir);
}

int image_open_again(int fd)
{
    char self[64];
    int again;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    again = open(self, O_RDONLY | O_CLOEXEC);
    if (again == -1)
        abort();
    return again;
}

void image_copy(int from, int to, off_t begin, off_t end)
{
    loff_t at = begin;
    loff_t out = begin;

    while (at < end) {
        if (copy_file_range(from, &at, to, &out, (size_t)(end - at), 0) <= 0)
            abort();
    }
}
