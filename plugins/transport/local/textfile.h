/* SPDX-License-Identifier: ISC */
/*
 * textfile: a file that somebody's aliases are in: an included one, or ~/.forward.
 */
#ifndef SLUICE_LOCAL_TEXTFILE_H
#define SLUICE_LOCAL_TEXTFILE_H

#include "deposit.h"

#define TEXTFILE_MAX ((size_t)1024 * 1024)

/* Which, and how. */
struct textfile {
    const char *path;
    const struct rights *reader; /* NULL: the process's own */
    bool is_his;                 /* it may belong to nobody but the reader, or root */
};

/*
 * The whole file, which the caller frees. One that everybody may write to, or is no regular file, or
 * has a NUL in it, or is longer than TEXTFILE_MAX is TEMP with the result; NOT_FOUND: there is none. [task: waits]
 */
sluice_status textfile_read(const struct station *station, const struct textfile *file,
                            int64_t deadline_ms, char **ret_text, struct result *result);

#endif
