/* SPDX-License-Identifier: ISC */
/*
 * exports: the few parts of ELF that it takes. The files are our own, built a minute ago.
 */
#include "exports.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
    const unsigned char *bytes;
    size_t size;
};

static int image_open(const char *path, struct image *ret_image)
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map;

    if (fd == -1)
        return -1;
    if (fstat(fd, &file) == -1 || (size_t)file.st_size < sizeof(ElfW(Ehdr))) {
        (void)close(fd);
        return -1;
    }
    map = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd); /* the mapping stays */
    if (map == MAP_FAILED || memcmp(map, ELFMAG, SELFMAG) != 0)
        return -1;
    ret_image->bytes = map;
    ret_image->size = (size_t)file.st_size;
    return 0;
}

static void image_close(const struct image *image)
{
    void *map;

    memcpy(&map, &image->bytes, sizeof(map));
    (void)munmap(map, image->size);
}

static const ElfW(Shdr) * section_find(const struct image *image, uint32_t type)
{
    const ElfW(Ehdr) *head = (const void *)image->bytes;
    const ElfW(Shdr) *sections = (const void *)(image->bytes + head->e_shoff);

    for (size_t i = 0; i < head->e_shnum; i++) {
        if (sections[i].sh_type == type)
            return &sections[i];
    }
    return NULL;
}

static int is_export(const ElfW(Sym) * symbol)
{
    unsigned bind = symbol->st_info >> 4;

    return symbol->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (symbol->st_other & 3) == STV_DEFAULT;
}

int exports_count(const char *path, char ret_first[EXPORT_NAME_MAX])
{
    const ElfW(Ehdr) * head;
    const ElfW(Shdr) * dynsym;
    const ElfW(Sym) * symbols;
    const char *names;
    struct image image;
    int count = 0;

    if (image_open(path, &image) == -1)
        return -1;
    dynsym = section_find(&image, SHT_DYNSYM);
    if (dynsym == NULL) {
        image_close(&image);
        return -1;
    }
    head = (const void *)image.bytes;
    names = (const char *)image.bytes +
            ((const ElfW(Shdr) *)(const void *)(image.bytes + head->e_shoff))[dynsym->sh_link]
                .sh_offset;
    symbols = (const void *)(image.bytes + dynsym->sh_offset);
    ret_first[0] = '\0';
    for (size_t i = 0; i < dynsym->sh_size / sizeof(*symbols); i++) {
        if (is_export(&symbols[i]) == 0)
            continue;
        if (count == 0)
            (void)snprintf(ret_first, EXPORT_NAME_MAX, "%s", names + symbols[i].st_name);
        count++;
    }
    image_close(&image);
    return count;
}

int exports_bind_now(const char *path)
{
    const ElfW(Shdr) * dynamic;
    const ElfW(Dyn) * entry;
    struct image image;
    int is_now = 0;

    if (image_open(path, &image) == -1)
        return -1;
    dynamic = section_find(&image, SHT_DYNAMIC);
    if (dynamic == NULL) {
        image_close(&image);
        return -1;
    }
    for (entry = (const void *)(image.bytes + dynamic->sh_offset); entry->d_tag != DT_NULL; entry++)
        is_now |= entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NOW) != 0 ? 1 : 0;
    image_close(&image);
    return is_now;
}
