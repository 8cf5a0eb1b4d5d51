/* SPDX-License-Identifier: ISC */
/*
 * image: every segment that is to be loaded must lie within the file; dynamic symbols are found by way
 * of the sections.
 */
#include "plugin/image.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_at(int fd, void *into, size_t size, uint64_t offset)
{
    return pread(fd, into, size, (off_t)offset) == (ssize_t)size;
}

/* Of our word size; else the loader says what it is. */
static bool is_object(const ElfW(Ehdr) * header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
           header->e_phentsize == sizeof(ElfW(Phdr));
}

static bool has_segment(int fd, uint64_t file_size, uint64_t offset)
{
    ElfW(Phdr) segment;

    if (!read_at(fd, &segment, sizeof(segment), offset))
        return false;
    return segment.p_type != PT_LOAD ||
           (segment.p_offset <= file_size && segment.p_filesz <= file_size - segment.p_offset);
}

sluice_status image_check(const char *name, int fd, struct error *err)
{
    ElfW(Ehdr) header;
    struct stat info;

    if (fstat(fd, &info) == -1)
        return error_set(err, SLUICE_TEMP, "plugin %s: %s", name, strerror(errno));
    if (!read_at(fd, &header, sizeof(header), 0) || !is_object(&header))
        return SLUICE_OK;
    for (uint64_t i = 0; i < header.e_phnum; i++) {
        if (!has_segment(fd, (uint64_t)info.st_size, header.e_phoff + i * sizeof(ElfW(Phdr))))
            return error_set(err, SLUICE_CONFIG,
                             "plugin %s: the file is cut short; is it still being copied?", name);
    }
    return SLUICE_OK;
}

/* ---- symbols --------------------------------------------------------------------------------- */

static bool find_symbols(int fd, ElfW(Shdr) * ret_section)
{
    ElfW(Ehdr) header;
    bool is_found = false;

    if (!read_at(fd, &header, sizeof(header), 0) || !is_object(&header))
        return false;
    for (uint64_t i = 0; !is_found && i < header.e_shnum; i++)
        is_found = read_at(fd, ret_section, sizeof(*ret_section),
                           header.e_shoff + i * sizeof(*ret_section)) &&
                   ret_section->sh_type == SHT_DYNSYM;
    return is_found;
}

static bool is_export(const ElfW(Sym) * symbol)
{
    unsigned bind = symbol->st_info >> 4;

    return symbol->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (symbol->st_other & 3) == STV_DEFAULT;
}

size_t image_export_count(int fd)
{
    ElfW(Shdr) section;
    ElfW(Sym) symbol;
    size_t count = 0;

    if (!find_symbols(fd, &section))
        return 0;
    for (uint64_t at = 0; at + sizeof(symbol) <= section.sh_size; at += sizeof(symbol)) {
        if (!read_at(fd, &symbol, sizeof(symbol), section.sh_offset + at))
            return 0;
        count += is_export(&symbol);
    }
    return count;
}
