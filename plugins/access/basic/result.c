/* SPDX-License-Identifier: ISC */
/* result: what the value of an access table means (access(5)). */
#include "basic.h"

#include <ctype.h>
#include <stdlib.h>

#define WORD_MAX 32

/* "5.7.9": a class of one digit, two numbers of up to three. 0: it is none. */
static size_t dsn_len(const char *text)
{
    size_t len = 2;

    if ((text[0] != '2' && text[0] != '4' && text[0] != '5') || text[1] != '.')
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = strspn(text + len, "0123456789");
        if (digits < 1 || digits > 3)
            return 0;
        len += digits;
        if (part == 0 && text[len++] != '.')
            return 0;
    }
    return text[len] == '\0' || text[len] == ' ' || text[len] == '\t' ? len : 0;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

const char *result_split(const char *text, const char *fallback, char detail[16])
{
    size_t len = dsn_len(text);
    struct sluice_span code = sluice_span_of(fallback);

    if (len > 0)
        code = (struct sluice_span){.ptr = text + 2, .len = len - 2};
    (void)to_text(code, detail, 16);
    return skip_blanks(text + len);
}

/* ---- what the words do ----------------------------------------------------------------------- */

static sluice_status refuse_with(const struct question *question, int32_t code, const char *text)
{
    char detail[16];

    text = result_split(text, "7.1", detail);
    return refuse(question, question->word->about, code, detail,
                  text[0] != '\0' ? text : "Access denied");
}

static sluice_status postpone_with(const struct question *question, int32_t verdict,
                                   const char *text)
{
    char detail[16];

    text = result_split(text, "7.1", detail);
    return postpone(question, verdict, question->word->about, question->access->codes.map_defer,
                    detail, text[0] != '\0' ? text : "Service unavailable");
}

/* A wrong entry does nothing but tell. */
static sluice_status ignore(const struct question *question, const char *value, const char *wanted)
{
    complain(question, "access table %.*s: entry \"%s\" wants %s",
             (int)question->request->argument.len, question->request->argument.ptr, value, wanted);
    return SLUICE_OK;
}

static bool is_header(const char *text)
{
    size_t len = 0;

    while (text[len] > ' ' && text[len] <= '~' && text[len] != ':')
        len++;
    return len > 0 && text[len + strspn(text + len, " \t")] == ':';
}

static sluice_status misused(const struct question *question, const char *value, const char *why)
{
    complain(question, "access table %.*s: entry \"%s\": %s",
             (int)question->request->argument.len, question->request->argument.ptr, value, why);
    return misconfigured(question, SLUICE_ABOUT_NOTHING);
}

enum action {
    ACTION_OK,
    ACTION_DUNNO,
    ACTION_REJECT,
    ACTION_DEFER,
    ACTION_DEFER_IF,
    ACTION_NOTE,    /* a text, or none */
    ACTION_ADDRESS,
    ACTION_HEADER,
    ACTION_FILTER,
    ACTION_NONE,
};

struct action_word {
    const char *word;
    enum action action;
    int32_t verdict;
};

static const struct action_word *find_action(const char *value, size_t len)
{
    static const struct action_word words[] = {
        {"OK", ACTION_OK, SLUICE_VERDICT_PERMIT},
        {"RELAY", ACTION_OK, SLUICE_VERDICT_PERMIT},
        {"DUNNO", ACTION_DUNNO, SLUICE_VERDICT_NONE},
        {"REJECT", ACTION_REJECT, SLUICE_VERDICT_REJECT},
        {"DEFER", ACTION_DEFER, SLUICE_VERDICT_DEFER},
        {"DEFER_IF_REJECT", ACTION_DEFER_IF, SLUICE_VERDICT_DEFER_IF_REJECT},
        {"DEFER_IF_PERMIT", ACTION_DEFER_IF, SLUICE_VERDICT_DEFER_IF_PERMIT},
        {"WARN", ACTION_NOTE, SLUICE_VERDICT_WARN},
        {"INFO", ACTION_NOTE, SLUICE_VERDICT_INFO},
        {"HOLD", ACTION_NOTE, SLUICE_VERDICT_HOLD},
        {"DISCARD", ACTION_NOTE, SLUICE_VERDICT_DISCARD},
        {"REDIRECT", ACTION_ADDRESS, SLUICE_VERDICT_REDIRECT},
        {"BCC", ACTION_ADDRESS, SLUICE_VERDICT_BCC},
        {"PREPEND", ACTION_HEADER, SLUICE_VERDICT_PREPEND},
        {"FILTER", ACTION_FILTER, SLUICE_VERDICT_NONE},
    };
    static const struct action_word none = {"", ACTION_NONE, SLUICE_VERDICT_NONE};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == len && strncasecmp(words[i].word, value, len) == 0)
            return &words[i];
    }
    return &none;
}

static sluice_status let_through(const struct question *question, const char *value,
                                 bool may_permit)
{
    bool is_forgeable = question->word->type != 0 || question->word->is_reverse;

    if (!may_permit && !is_forgeable)
        return SLUICE_OK;
    if (!is_forgeable)
        return permit(question);
    /* Whoever runs a name server can say that a host of his has any name or address. */
    return misused(question, value, "not allowed here for security reasons; use DUNNO");
}

/* "550 text" with a text: else it is a number, which means OK (some write the time there). */
static bool is_reply(const char *value, size_t len)
{
    return len == 3 && value[len] != '\0' && (value[0] == '4' || value[0] == '5') &&
           isdigit((unsigned char)value[1]) != 0 && isdigit((unsigned char)value[2]) != 0;
}

/* Something that is no action: a number, a reply, restrictions. */
static sluice_status take_other(const struct question *question, const char *value, size_t len,
                                bool may_permit)
{
    if (value[strspn(value, "0123456789")] == '\0')
        return let_through(question, value, may_permit);
    if (is_reply(value, len))
        return refuse_with(question, (int32_t)strtol(value, NULL, 10), skip_blanks(value + len));
    if (strchr(value, ':') != NULL)
        return misused(question, value, "a table has no place here; name a class in "
                                        "smtpd_restriction_classes");
    return say(question, SLUICE_VERDICT_EVALUATE, value);
}

sluice_status result_take(const struct question *question, const char *value, bool may_permit)
{
    size_t len = strcspn(value, " \t");
    const char *text = skip_blanks(value + len);
    const struct action_word *word = find_action(value, len);

    switch (word->action) {
    case ACTION_OK:
        return let_through(question, value, may_permit);
    case ACTION_DUNNO:
        return SLUICE_OK;
    case ACTION_REJECT:
        return refuse_with(question, question->access->codes.map_reject, text);
    case ACTION_DEFER:
        return refuse_with(question, question->access->codes.map_defer, text);
    case ACTION_DEFER_IF:
        return postpone_with(question, word->verdict, text);
    case ACTION_NOTE:
        return say(question, word->verdict, text);
    case ACTION_ADDRESS:
        return strchr(text, '@') != NULL ? say(question, word->verdict, text)
                                         : ignore(question, value, "an address, user@domain");
    case ACTION_HEADER:
        return is_header(text) ? say(question, word->verdict, text)
                               : ignore(question, value, "a header field, name: text");
    case ACTION_FILTER:
        return misused(question, value, "content filters are not supported");
    case ACTION_NONE:
        break;
    }
    return take_other(question, value, len, may_permit);
}
