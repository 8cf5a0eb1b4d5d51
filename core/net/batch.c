/* SPDX-License-Identifier: ISC */
/*
 * batch: commands of a window go out together, then their replies are read.
 */
#include "net/batch.h"

#include "base/buffer.h"
#include "base/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define WINDOW 1000   /* recipients that are sent before their replies are read */
#define SILENCE_S 300 /* the daemon may be busy for so long */
#define CHUNK_SIZE ((size_t)64 * 1024)
#define LINE_MAX_SIZE 16384 /* of a command; no daemon takes longer ones */
#define REPLY_MAX 512 /* of a line; the rest is skipped */

static const char end_of_data[] = "\r\n.\r\n";

struct play {
    int socket;
    int fd;
    FILE *file;
    char line[LINE_MAX_SIZE]; /* the last that was read */
    char in[4096]; /* from the daemon */
    size_t in_at;
    size_t in_len;
    char reply[REPLY_MAX];
    struct buffer taken; /* off_t: lines of recipients that this transaction has */
    bool has_rest;       /* recipients for another one */
    struct error *err;
};

/* ---- the file -------------------------------------------------------------------------------- */

static bool begins(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

static sluice_status nonsense(struct error *err)
{
    return error_set(err, SLUICE_PERM, "is no message for submission");
}

sluice_status batch_check(int batch_fd, struct error *err)
{
    static const char verb[] = "MAIL FROM:";
    char head[sizeof(verb)] = "";
    char tail[sizeof(end_of_data)] = "";
    size_t tail_len = sizeof(end_of_data) - 1;
    struct stat info;

    if (fstat(batch_fd, &info) == -1)
        return error_set(err, SLUICE_TEMP, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode) || info.st_size < (off_t)(sizeof(verb) + tail_len))
        return nonsense(err);
    ssize_t n = pread(batch_fd, head, sizeof(verb) - 1, 0);
    if (n != -1)
        n = pread(batch_fd, tail, tail_len, info.st_size - (off_t)tail_len);
    if (n == -1)
        return error_set(err, SLUICE_TEMP, "read: %s", strerror(errno));
    return begins(head, verb) && strcmp(tail, end_of_data) == 0 ? SLUICE_OK : nonsense(err);
}

/* The next command with its CRLF; where it begins. Somebody else may have written it: it is no more
 * than a line, and one without NUL. */
static sluice_status next_line(struct play *play, off_t *ret_offset, size_t *ret_len)
{
    *ret_offset = ftello(play->file);
    if (fgets(play->line, sizeof(play->line), play->file) == NULL)
        return ferror(play->file) != 0
                   ? error_set(play->err, SLUICE_TEMP, "read: %s", strerror(errno))
                   : nonsense(play->err);
    *ret_len = strlen(play->line);
    if (*ret_len == sizeof(play->line) - 1 && play->line[*ret_len - 1] != '\n')
        return error_set(play->err, SLUICE_PERM, "a command is too long");
    return *ret_len > 0 && play->line[*ret_len - 1] == '\n' ? SLUICE_OK : nonsense(play->err);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

static sluice_status lost(struct play *play, const char *why)
{
    return error_set(play->err, SLUICE_TEMP, "the daemon: %s", why);
}

static sluice_status send_all(struct play *play, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(play->socket, bytes, len, MSG_NOSIGNAL);
        if (n == -1 && errno != EINTR)
            return lost(play, strerror(errno));
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return SLUICE_OK;
}

static int next_byte(struct play *play)
{
    while (play->in_at == play->in_len) {
        ssize_t n = recv(play->socket, play->in, sizeof(play->in), 0);
        if (n == 0)
            errno = ECONNRESET;
        if (n == 0 || (n == -1 && errno != EINTR))
            return -1;
        play->in_at = 0;
        play->in_len = n > 0 ? (size_t)n : 0;
    }
    return (unsigned char)play->in[play->in_at++];
}

/* The last line of the next reply, without its end. */
static sluice_status read_reply(struct play *play)
{
    size_t len;

    do {
        len = 0;
        for (int c = next_byte(play); c != '\n'; c = next_byte(play)) {
            if (c == -1)
                return lost(play, strerror(errno));
            if (c != '\r' && len < sizeof(play->reply) - 1)
                play->reply[len++] = (char)c;
        }
        play->reply[len] = '\0';
    } while (len > 3 && play->reply[3] == '-');
    return SLUICE_OK;
}

/* What is neither a yes nor a no for ever is a no for now. */
static sluice_status judge_reply(const struct play *play, char wanted)
{
    if (play->reply[0] == wanted)
        return SLUICE_OK;
    return error_set(play->err, play->reply[0] == '5' ? SLUICE_PERM : SLUICE_TEMP, "%s",
                     play->reply);
}

static sluice_status expect(struct play *play, char wanted)
{
    sluice_status st = read_reply(play);

    return st == SLUICE_OK ? judge_reply(play, wanted) : st;
}

static sluice_status command(struct play *play, const char *line, size_t len, char wanted)
{
    sluice_status st = send_all(play, line, len);

    return st == SLUICE_OK ? expect(play, wanted) : st;
}

/* ---- recipients ------------------------------------------------------------------------------ */

struct window {
    struct buffer lines;
    off_t offsets[WINDOW];
    size_t count;
    bool is_last; /* DATA came behind it */
};

static sluice_status fill_window(struct play *play, struct window *window)
{
    while (window->count < WINDOW && !window->is_last) {
        off_t offset;
        size_t len;
        sluice_status st = next_line(play, &offset, &len);
        if (st != SLUICE_OK)
            return st;
        if (begins(play->line, "RCPT TO:")) {
            buffer_add(&window->lines, play->line, len);
            window->offsets[window->count++] = offset;
        } else if (begins(play->line, "DATA\r\n")) {
            window->is_last = true;
        } else if (!begins(play->line, "DONE TO:")) {
            return nonsense(play->err);
        }
    }
    return buffer_failed(&window->lines) ? error_set(play->err, SLUICE_TEMP, "out of memory")
                                         : SLUICE_OK;
}

static bool is_full(const struct play *play)
{
    return play->taken.len > 0 && begins(play->reply, "452 4.5.3 ");
}

static sluice_status send_window(struct play *play, const struct window *window)
{
    sluice_status st = send_all(play, window->lines.ptr, window->lines.len);

    for (size_t i = 0; i < window->count && st == SLUICE_OK; i++) {
        st = read_reply(play);
        if (st == SLUICE_OK && is_full(play)) {
            play->has_rest = true;
            continue;
        }
        if (st == SLUICE_OK)
            st = judge_reply(play, '2');
        if (st == SLUICE_OK)
            buffer_add(&play->taken, &window->offsets[i], sizeof(window->offsets[i]));
    }
    return st;
}

/* As many as the daemon takes; the file is read up to its content. */
static sluice_status send_recipients(struct play *play)
{
    sluice_status st = SLUICE_OK;
    bool is_last = false;

    while (st == SLUICE_OK && !is_last) {
        struct window window = {.count = 0};
        st = fill_window(play, &window);
        if (st == SLUICE_OK && window.count > 0 && !play->has_rest)
            st = send_window(play, &window);
        is_last = window.is_last;
        buffer_done(&window.lines);
    }
    if (st == SLUICE_OK && buffer_failed(&play->taken))
        st = error_set(play->err, SLUICE_TEMP, "out of memory");
    return st;
}

/* They are in the queue: never again. */
static sluice_status mark_taken(struct play *play)
{
    for (size_t at = 0; at < play->taken.len; at += sizeof(off_t)) {
        off_t offset;
        memcpy(&offset, play->taken.ptr + at, sizeof(offset));
        if (pwrite(play->fd, "DONE", 4, offset) != 4)
            return error_set(play->err, SLUICE_TEMP, "write: %s", strerror(errno));
    }
    buffer_clear(&play->taken);
    return fdatasync(play->fd) == 0
               ? SLUICE_OK
               : error_set(play->err, SLUICE_TEMP, "sync: %s", strerror(errno));
}

/* ---- one transaction ------------------------------------------------------------------------- */

/* The rest of the file, with the dot at its end. */
static sluice_status send_content(struct play *play)
{
    char *chunk = malloc(CHUNK_SIZE);
    sluice_status st = chunk != NULL ? SLUICE_OK : lost(play, "out of memory");
    size_t len = chunk != NULL ? fread(chunk, 1, CHUNK_SIZE, play->file) : 0;

    while (len > 0 && st == SLUICE_OK) {
        st = send_all(play, chunk, len);
        len = fread(chunk, 1, CHUNK_SIZE, play->file);
    }
    if (st == SLUICE_OK && ferror(play->file) != 0)
        st = error_set(play->err, SLUICE_TEMP, "read: %s", strerror(errno));
    free(chunk);
    return st;
}

/* play->file is at the beginning. */
static sluice_status send_message(struct play *play)
{
    off_t offset;
    size_t len;
    sluice_status st = next_line(play, &offset, &len);

    if (st == SLUICE_OK)
        st = command(play, play->line, len, '2');
    if (st == SLUICE_OK)
        st = send_recipients(play);
    if (st == SLUICE_OK && play->taken.len == 0)
        return nonsense(play->err);
    if (st == SLUICE_OK)
        st = command(play, "DATA\r\n", 6, '3');
    if (st == SLUICE_OK)
        st = send_content(play);
    return st == SLUICE_OK ? expect(play, '2') : st;
}

/* Opens the file anew, because a stream would not see the marks in what it has read already. */
static sluice_status transaction(struct play *play)
{
    int copy = dup(play->fd);

    play->has_rest = false;
    play->file = copy != -1 && lseek(copy, 0, SEEK_SET) == 0 ? fdopen(copy, "r") : NULL;
    if (play->file == NULL) {
        sluice_status st = error_set(play->err, SLUICE_TEMP, "%s", strerror(errno));
        if (copy != -1)
            (void)close(copy); /* never used */
        return st;
    }
    sluice_status st = send_message(play);
    (void)fclose(play->file); /* only read */
    return st;
}

static sluice_status dialogue(struct play *play)
{
    static const char hello[] = "EHLO localhost\r\n";
    sluice_status st = expect(play, '2');

    if (st == SLUICE_OK)
        st = command(play, hello, sizeof(hello) - 1, '2');
    do {
        if (st == SLUICE_OK)
            st = transaction(play);
        if (st == SLUICE_OK && play->has_rest)
            st = mark_taken(play);
    } while (st == SLUICE_OK && play->has_rest);
    if (st == SLUICE_OK)
        (void)send_all(play, "QUIT\r\n", 6); /* who is gone already needs no farewell */
    return st;
}

sluice_status batch_play(int socket_fd, int batch_fd, struct error *err)
{
    struct play play = {.socket = socket_fd, .fd = batch_fd, .taken = BUFFER_INIT, .err = err};
    struct timeval silence = {.tv_sec = SILENCE_S};
    sluice_status st = batch_check(batch_fd, err);

    if (st != SLUICE_OK)
        return st;
    (void)setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    (void)setsockopt(socket_fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
    st = dialogue(&play);
    buffer_done(&play.taken);
    return st;
}
