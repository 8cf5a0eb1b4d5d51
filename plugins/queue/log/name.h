/* SPDX-License-Identifier: ISC */
/*
 * name: the names of the numbered files of a log store: eight hex digits and what it is.
 */
#ifndef SLUICE_LOG_NAME_H
#define SLUICE_LOG_NAME_H

#include <stdbool.h>
#include <stdint.h>

enum name_kind {
    NAME_SEGMENT,    /* 0000000a.seg */
    NAME_CHECKPOINT, /* 0000000a.chk: of the segment of that number */
    NAME_SPARE,      /* 0000000a.spare: was the segment of that number, and will be another */
};

#define NAME_KINDS 3
#define NAME_SIZE 16

void name_format(char name[NAME_SIZE], enum name_kind kind, uint32_t number);
/* False if it is no such name. Numbers count from 1. */
bool name_parse(const char *name, enum name_kind *ret_kind, uint32_t *ret_number);

/* False if the file is still there. */
bool name_unlink(int folder, enum name_kind kind, uint32_t number);

#endif
