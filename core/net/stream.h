/* SPDX-License-Identifier: ISC */
/*
 * stream: a connected byte stream for one task at a time; non-blocking inside, straight to read.
 *
 * Reading is buffered: stream_fill gets more into the buffer, stream_buffered shows it,
 * stream_consume takes it off. The buffer is given back while it is empty and the stream waits, so
 * that an idle session costs little.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/error.h"
#include "net/address.h"

#include <stdbool.h>

struct stream;

#define STREAM_BUFFER_SIZE 16384 /* default; a line must fit */

/* Takes a connected, non-blocking socket over; TEMP: no memory, the socket is still the caller's. */
sluice_status stream_new(int fd, struct stream **ret_stream);
/* TEMP with strerror's text alone: the caller knows where it wanted to go. [task: waits] */
sluice_status stream_connect(const struct address *to, int64_t deadline_ms,
                             struct stream **ret_stream, struct error *err);
/* The same to a socket of this machine. */
sluice_status stream_connect_local(struct sluice_span path, int64_t deadline_ms,
                                   struct stream **ret_stream, struct error *err);
/* Closes at once; accepts NULL. */
void stream_close(struct stream *stream);
int stream_fd(const struct stream *stream);

/* Waits for more bytes behind those that are buffered. OK: there are more. NOT_FOUND: end of the
 * stream. TEMP: deadline, broken, or cancelled; stream_explain says which. Also TEMP when the
 * buffer is full. [task: waits] */
sluice_status stream_fill(struct stream *stream, int64_t deadline_ms);
struct sluice_span stream_buffered(const struct stream *stream);
void stream_consume(struct stream *stream, size_t len);
/* Unbuffered reading of what is next (the buffer first). OK with 0 at the end. [task: waits] */
sluice_status stream_read(struct stream *stream, void *out, size_t size, int64_t deadline_ms,
                          size_t *ret_len);
/* True if bytes are buffered or the socket has something to say. */
bool stream_is_readable(struct stream *stream);

/* All of it, or TEMP. What the socket takes at once is sent even by a cancelled task, so that it can
 * still say why it leaves. [task: waits] */
sluice_status stream_write(struct stream *stream, struct sluice_span data, int64_t deadline_ms);
/* Ends the waiting of a call that is under way as its deadline would. */
void stream_expire(struct stream *stream);
/* Why the last call failed: "timed out", "Connection reset by peer", "cancelled". */
const char *stream_explain(const struct stream *stream);
bool stream_timed_out(const struct stream *stream);

#endif
