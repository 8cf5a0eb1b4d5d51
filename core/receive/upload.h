/* SPDX-License-Identifier: ISC */
/*
 * upload: a message that is coming in, after DATA or in the chunks of BDAT.
 *
 * Order: upload_new, upload_begin, then upload_take_data or upload_take_chunk for each chunk,
 * upload_finish, upload_free (which throws away what was not finished).
 */
#ifndef RECEIVE_UPLOAD_H
#define RECEIVE_UPLOAD_H

#include "receive/session.h"

struct upload;

/* The reply where the queue does not take the message. */
extern const char upload_write_error[];

/* is_counted: it comes in chunks. NULL: the client has been told. [task: waits] */
struct upload *upload_new(struct session *session, bool is_counted);
void upload_free(struct upload *upload); /* accepts NULL */
/* Writes the field that goes on top. [task: may wait] */
void upload_begin(struct upload *upload);
/* All up to the end of data. Anything but OK is for session_lost. [task: waits] */
sluice_status upload_take_data(struct upload *upload);
/* So many bytes. Anything but OK is for session_lost. [task: waits] */
sluice_status upload_take_chunk(struct upload *upload, uint64_t size);
/* The same for a chunk that is thrown away. */
sluice_status upload_skip_chunk(struct session *session, uint64_t size);
/* Waits for more, as session_fill does, on the time that the client has for the whole message:
 * however small its chunks are, what goes by between them counts. [task: waits] */
sluice_status upload_fill(struct upload *upload, int64_t deadline_ms);
/* Bytes in all chunks so far. */
uint64_t upload_chunked(const struct upload *upload);
/* The content is complete: gives it to the queue and says what came of it. [task: waits] */
void upload_finish(struct upload *upload);

#endif
