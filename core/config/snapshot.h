/* SPDX-License-Identifier: ISC */
/*
 * snapshot: a checked configuration as a sealed memory file, for one role.
 *
 * Fields as in base/codec.h: a version, then values of parameters, then instances with their values.
 * Texts carry their NUL, so that a reader can use them where they lie. A role gets the values of the
 * instances that it uses and no secrets of others; the queue knows all transports by their limits.
 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include "config/draft.h"

#define SNAPSHOT_VERSION 1

enum snapshot_tag { /* the same at every depth */
                    SNAPSHOT_TAG_VERSION = 1,
                    SNAPSHOT_TAG_VALUE = 2, /* of a parameter, or of the instance that it is in */
                    SNAPSHOT_TAG_INSTANCE = 3,
                    SNAPSHOT_TAG_KEY = 4,
                    SNAPSHOT_TAG_TYPE = 5,
                    SNAPSHOT_TAG_FLAGS = 6,
                    SNAPSHOT_TAG_NUMBER = 7, /* zigzag */
                    SNAPSHOT_TAG_TEXT = 8,
                    SNAPSHOT_TAG_ITEM = 9,
                    SNAPSHOT_TAG_ORIGIN = 10,
                    SNAPSHOT_TAG_INTERFACE = 11,
                    SNAPSHOT_TAG_NAME = 12,
                    SNAPSHOT_TAG_PLUGIN = 13,
                    SNAPSHOT_TAG_ARGUMENT = 14,
                    SNAPSHOT_TAG_TABLE_FLAGS = 15,
                    SNAPSHOT_TAG_HOME = 16,
};

#define SNAPSHOT_IS_SET ((uint64_t)1 << 0) /* bits of FLAGS */
#define SNAPSHOT_IS_NAMED ((uint64_t)1 << 1)
#define SNAPSHOT_IS_SECRET ((uint64_t)1 << 2)

/* roles: one of DRAFT_...; more than one: everything that any of them gets. */
sluice_status snapshot_write(const struct draft *draft, uint32_t roles, int *ret_fd,
                             struct error *err);

#endif
