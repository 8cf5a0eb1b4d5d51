/* SPDX-License-Identifier: ISC */
/*
 * file_plugin: the operations of a table in a file.
 */
#include "file_table.h"

const struct sluice_lookup_ops file_table_ops = {
    .struct_size = sizeof(file_table_ops),
    .flags = SLUICE_LOOKUP_WRITABLE,
    .open = file_open,
    .close = file_close,
    .find = file_find,
    .generation = file_generation,
    .list = file_list,
    .write_open = file_write_open,
    .write_put = file_write_put,
    .write_remove = file_write_remove,
    .write_commit = file_write_commit,
    .write_abort = file_write_abort,
};
