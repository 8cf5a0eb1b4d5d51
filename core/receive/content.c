/* SPDX-License-Identifier: ISC */
/*
 * content: the machine that finds the end of data. What goes out as it came, nearly all of most
 * messages, is looked at and copied in blocks; what is left goes through the states, and of that the
 * text within lines with memchr and memcpy.
 */
#include "receive/content.h"

#include "base/span.h"

#define LINE_END_LEN 2
#define BLOCK_SIZE ((size_t)128) /* the compiler makes vectors of loops of a fixed length */

/* One call's work. */
struct pass {
    struct content *content;
    const char *at; /* next byte to take */
    const char *end;
    char *out; /* next byte to put */
    char *out_end;
};

static void put_line_end(struct pass *pass)
{
    *pass->out++ = '\r';
    *pass->out++ = '\n';
}

/* The LF after a CR: a proper end of a line. */
static void end_line(struct pass *pass)
{
    put_line_end(pass);
    pass->at++;
    pass->content->is_after_bare_lf = false;
    pass->content->state = CONTENT_LINE_START;
}

static void end_line_bare(struct pass *pass)
{
    put_line_end(pass);
    pass->at++;
    pass->content->has_bare_lf = true;
    pass->content->is_after_bare_lf = true;
    pass->content->state = CONTENT_LINE_START;
}

/* A CR without LF: a space in its place; what follows is looked at as text. */
static void replace_cr(struct pass *pass)
{
    *pass->out++ = ' ';
    pass->content->state = CONTENT_TEXT;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* len bytes without LF; a CR among them is a bare one. */
static void copy_text(struct pass *pass, size_t len)
{
    char *from = pass->out;
    char *to = from + len;

    memcpy(from, pass->at, len);
    pass->at += len;
    pass->out = to;
    while ((from = memchr(from, '\r', (size_t)(to - from))) != NULL)
        *from++ = ' ';
}

/* As much text as there is, up to the end of the line. The CR before LF, and one that is the last
 * byte that we have, are left to the states. */
static void take_text(struct pass *pass)
{
    size_t len = (size_t)(pass->end - pass->at);
    size_t room = (size_t)(pass->out_end - pass->out) - LINE_END_LEN;

    if (len > room)
        len = room;
    const char *lf = len > 0 ? memchr(pass->at, '\n', len) : NULL;
    if (lf != NULL)
        len = (size_t)(lf - pass->at);
    bool ends_in_cr = len > 0 && pass->at[len - 1] == '\r';
    copy_text(pass, ends_in_cr ? len - 1 : len);
    if (ends_in_cr) {
        pass->at++;
        pass->content->state = CONTENT_TEXT_CR;
    } else if (lf != NULL) {
        end_line_bare(pass);
    }
}

/* ---- states ---------------------------------------------------------------------------------- */

static void at_line_start(struct pass *pass)
{
    if (*pass->at == '.' && !pass->content->is_counted) {
        pass->at++;
        pass->content->state = CONTENT_DOT;
    } else {
        pass->content->state = CONTENT_TEXT;
    }
}

static void after_dot(struct pass *pass)
{
    if (*pass->at == '\r') {
        pass->at++;
        pass->content->state = CONTENT_DOT_CR;
    } else {
        pass->content->state = CONTENT_TEXT;
    }
}

static void after_dot_cr(struct pass *pass)
{
    if (*pass->at != '\n') {
        replace_cr(pass);
    } else if (pass->content->is_after_bare_lf) {
        end_line(pass); /* an empty line: LF . CR LF ends nothing */
    } else {
        pass->at++;
        pass->content->is_done = true;
    }
}

static void after_cr(struct pass *pass)
{
    if (*pass->at == '\n')
        end_line(pass);
    else
        replace_cr(pass);
}

static void step(struct pass *pass)
{
    switch (pass->content->state) {
    case CONTENT_LINE_START:
        at_line_start(pass);
        break;
    case CONTENT_DOT:
        after_dot(pass);
        break;
    case CONTENT_DOT_CR:
        after_dot_cr(pass);
        break;
    case CONTENT_TEXT:
        take_text(pass);
        break;
    case CONTENT_TEXT_CR:
        after_cr(pass);
        break;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* True if every CR and LF of a block, and the byte before it, belong to ends of lines, and none of its
 * lines begins with a dot. */
static bool is_plain(const char *block)
{
    unsigned char odd = 0;

    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        char before = block[(ptrdiff_t)i - 1];
        char c = block[i];

        odd |= (unsigned char)(((before == '\r') ^ (c == '\n')) | ((before == '\n') & (c == '.')));
    }
    return odd == 0;
}

/* What the last byte that was copied leaves the machine in. */
static void end_blocks(struct pass *pass)
{
    char last = pass->out[-1];

    pass->content->is_after_bare_lf = false; /* at the next line's beginning, which lies behind */
    pass->content->state = last == '\n' ? CONTENT_LINE_START : CONTENT_TEXT;
    if (last == '\r') { /* goes out with its LF */
        pass->out--;
        pass->content->state = CONTENT_TEXT_CR;
    }
}

/* Copies as many plain blocks as there are. They begin in a text or a line, behind a byte of in. */
static bool take_blocks(struct pass *pass, const char *in)
{
    enum content_state state = pass->content->state;
    const char *at = pass->at;
    size_t room = (size_t)(pass->out_end - pass->out);

    if (at == in || (state != CONTENT_TEXT && state != CONTENT_LINE_START))
        return false;
    if (room > (size_t)(pass->end - at))
        room = (size_t)(pass->end - at);
    while (room >= BLOCK_SIZE && is_plain(at)) {
        at += BLOCK_SIZE;
        room -= BLOCK_SIZE;
    }
    if (at == pass->at)
        return false;
    memcpy(pass->out, pass->at, (size_t)(at - pass->at));
    pass->out += at - pass->at;
    pass->at = at;
    end_blocks(pass);
    return true;
}

/* ---- what is in it --------------------------------------------------------------------------- */

static void look_at(struct content *content, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    content->size += len;
    content->has_8bit =
        content->has_8bit || span_has_8bit((struct sluice_span){.ptr = bytes, .len = len});
    for (size_t i = 0; i < content->reject_characters.len && !content->has_rejected; i++)
        content->has_rejected = memchr(bytes, content->reject_characters.ptr[i], len) != NULL;
    if (!content->header.is_over)
        header_scan_feed(&content->header, bytes, len);
}

size_t content_feed(struct content *content, struct sluice_span in, char *out, size_t room,
                    size_t *ret_written)
{
    *ret_written = 0;
    if (in.len == 0)
        return 0;
    struct pass pass = {
        .content = content,
        .at = in.ptr,
        .end = in.ptr + in.len,
        .out = out,
        .out_end = out + room,
    };

    while (pass.at < pass.end && !content->is_done &&
           (size_t)(pass.out_end - pass.out) >= CONTENT_ROOM_MIN) {
        if (!take_blocks(&pass, in.ptr))
            step(&pass);
    }
    *ret_written = (size_t)(pass.out - out);
    look_at(content, out, *ret_written);
    return (size_t)(pass.at - in.ptr);
}

size_t content_end(struct content *content, char out[CONTENT_ROOM_MIN])
{
    struct pass pass = {.content = content, .out = out};

    if (content->state == CONTENT_TEXT_CR)
        replace_cr(&pass);
    if (content->state == CONTENT_TEXT)
        put_line_end(&pass);
    content->state = CONTENT_LINE_START;
    content->is_done = true;
    look_at(content, out, (size_t)(pass.out - out));
    return (size_t)(pass.out - out);
}
