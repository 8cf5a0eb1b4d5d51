/* SPDX-License-Identifier: ISC */
/* options: see options.h. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPLANATION_MAX 256

/* clang-format off */
const struct sluice_option options_table[OPTIONS_COUNT] = {
    {"argv", SLUICE_OPT_LIST, SLUICE_OPT_REQUIRED | SLUICE_OPT_VERBATIM, NULL, NULL,
     "The command and its arguments, with macros such as ${recipient}; no shell sees it"},
    {"user", SLUICE_OPT_STRING, SLUICE_OPT_REQUIRED, NULL, NULL,
     "Who the command runs as: user or user:group"},
    {"flags", SLUICE_OPT_STRING, 0, "", NULL,
     "Letters: B empty line at the end, D Delivered-To, F From line, O X-Original-To, R Return-Path, "
     "X the mail stays there, h fold domains, q quote addresses, u fold local parts, . double dots, "
     "> quote From lines"},
    {"directory", SLUICE_OPT_PATH, 0, NULL, NULL,
     "Where the command runs; by default in the root directory"},
    {"eol", SLUICE_OPT_STRING, SLUICE_OPT_VERBATIM, "\\n", NULL,
     "End of each line that the command reads; backslash sequences as in C"},
    {"null_sender", SLUICE_OPT_STRING, 0, "MAILER-DAEMON", NULL,
     "What ${sender}, From line and Return-Path have for the null sender; may be empty"},
    {"size", SLUICE_OPT_SIZE, 0, "0", "0..",
     "Larger messages are returned to their senders; 0: none are"},
    {"time_limit", SLUICE_OPT_DURATION, 0, "$command_time_limit", "1s..",
     "How long a command may run; then it is killed with all that it has started, and tried again later"},
    {"process_limit", SLUICE_OPT_INTEGER, 0, "100", "1..10000",
     "Most commands that run at the same time"},
    {"recipient_delimiter", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "", NULL,
     "What parts ${user} and ${extension}"},
};
/* clang-format on */

static const struct {
    char sign;
    unsigned letter;
    unsigned arguments;
    bool is_final;
} flags[] = {
    {'B', LETTER_BLANK, 0, false},
    {'D', LETTER_DELIVERED, 0, false},
    {'F', LETTER_FROM, 0, false},
    {'O', LETTER_ORIGINAL, 0, false},
    {'R', LETTER_RETURN_PATH, 0, false},
    {'X', 0, 0, true},
    {'.', LETTER_DOT, 0, false},
    {'>', LETTER_QUOTE_FROM, 0, false},
    {'h', 0, ARGUMENTS_FOLD_DOMAIN, false},
    {'q', 0, ARGUMENTS_QUOTE, false},
    {'u', 0, ARGUMENTS_FOLD_LOCAL, false},
};

#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

static sluice_status explain(const struct sluice_errors *errors, const char *format,
                             const char *value)
{
    char text[EXPLANATION_MAX];

    (void)snprintf(text, sizeof(text), format, value); /* cut is fine */
    errors->explain(errors, "4.3.5", text);
    return SLUICE_CONFIG;
}

static sluice_status read_flags(struct options *options, const char *letters,
                                const struct sluice_errors *errors)
{
    for (; *letters != '\0'; letters++) {
        size_t i = 0;

        while (i < FLAG_COUNT && flags[i].sign != *letters)
            i++;
        if (i == FLAG_COUNT)
            return explain(errors, "flags: there is no flag \"%s\"", letters);
        options->letter.flags |= flags[i].letter;
        options->arguments.flags |= flags[i].arguments;
        options->is_final = options->is_final || flags[i].is_final;
    }
    return SLUICE_OK;
}

/* One character, or a backslash sequence, from the beginning of *text; 0: it makes no sense. */
static char read_character(const char **text)
{
    static const char letters[] = "abfnrtv\\";
    static const char values[] = "\a\b\f\n\r\t\v\\";
    const char *at = *text;
    unsigned value = 0;
    int digits = 0;

    *text = at + 1;
    if (*at != '\\')
        return *at;
    const char *letter = at[1] != '\0' ? strchr(letters, at[1]) : NULL;
    if (letter != NULL) {
        *text = at + 2;
        return values[letter - letters];
    }
    for (at++; digits < 3 && *at >= '0' && *at <= '7'; digits++)
        value = value * 8 + (unsigned)(*at++ - '0');
    *text = at;
    return digits > 0 && value <= 0xff ? (char)value : '\0';
}

static sluice_status read_eol(struct options *options, const char *eol,
                              const struct sluice_errors *errors)
{
    const char *rest = eol;

    while (*rest != '\0') {
        char c = read_character(&rest);

        if (c == '\0' || options->letter.eol_len == LETTER_EOL_MAX)
            return explain(errors, "eol: \"%s\" is no end of a line", eol);
        options->letter.eol[options->letter.eol_len++] = c;
    }
    return options->letter.eol_len > 0 ? SLUICE_OK : explain(errors, "eol: it is empty%s", "");
}

static sluice_status read_words(struct options *options, const struct sluice_config *config,
                                const struct sluice_errors *errors)
{
    size_t count = config->get_count(config, "argv");
    const char **words = calloc(count + 1, sizeof(*words));

    options->words = words;
    for (size_t i = 0; words != NULL && i < count; i++) {
        const char *word = config->get_item(config, "argv", i);
        const char *fault = arguments_fault(word);

        if (fault != NULL)
            return explain(errors, "argv: there is no macro as in \"%s\"", fault);
        words[i] = strdup(word);
        if (words[i] == NULL)
            return SLUICE_TEMP;
    }
    if (words == NULL)
        return SLUICE_TEMP;
    if (count == 0 || words[0][0] == '\0' || strchr(words[0], '$') != NULL)
        return explain(errors, "argv: it does not begin with a command%s", "");
    return SLUICE_OK;
}

static sluice_status copy_text(const char *text, char **ret_copy)
{
    *ret_copy = strdup(text != NULL ? text : "");
    return *ret_copy != NULL ? SLUICE_OK : SLUICE_TEMP;
}

/* The only variable that is passed on: where the daemon's clock is. */
static sluice_status read_time_zone(struct options *options)
{
    const char *zone = getenv("TZ");
    size_t size = zone != NULL ? strlen(zone) + sizeof("TZ=") : 0;

    if (zone == NULL)
        return SLUICE_OK;
    options->time_zone = malloc(size);
    if (options->time_zone == NULL)
        return SLUICE_TEMP;
    (void)snprintf(options->time_zone, size, "TZ=%s", zone);
    return SLUICE_OK;
}

static sluice_status read_all(struct options *options, const struct sluice_config *config,
                              const struct sluice_errors *errors)
{
    const char *user = config->get_text(config, "user");
    const char *directory = config->get_text(config, "directory");
    sluice_status st = SLUICE_OK;

    options->size = (uint64_t)config->get_number(config, "size");
    options->process_limit = (unsigned)config->get_number(config, "process_limit");
    if (user != NULL && strcmp(user, "recipient") == 0)
        return explain(errors, "user: a command runs as one user, not as each %s", user);
    if (directory != NULL && directory[0] != '\0')
        st = copy_text(directory, &options->directory);
    if (st == SLUICE_OK)
        st = copy_text(config->get_text(config, "null_sender"), &options->null_sender);
    if (st == SLUICE_OK)
        st = copy_text(config->get_text(config, "recipient_delimiter"), &options->delimiters);
    if (st == SLUICE_OK)
        st = read_time_zone(options);
    if (st == SLUICE_OK)
        st = read_flags(options, config->get_text(config, "flags"), errors);
    if (st == SLUICE_OK)
        st = read_eol(options, config->get_text(config, "eol"), errors);
    return st == SLUICE_OK ? read_words(options, config, errors) : st;
}

sluice_status options_read(struct options *options, const struct sluice_config *config,
                           const struct sluice_errors *errors)
{
    *options = (struct options){0};
    sluice_status st = read_all(options, config, errors);

    if (st == SLUICE_TEMP)
        errors->explain(errors, "4.3.0", "out of memory");
    if (st != SLUICE_OK) {
        options_done(options);
        return st;
    }
    options->letter.null_sender = options->null_sender;
    options->arguments.words = options->words;
    options->arguments.null_sender = options->null_sender;
    options->arguments.delimiters = options->delimiters;
    return SLUICE_OK;
}

void options_done(struct options *options)
{
    for (const char **word = options->words; word != NULL && *word != NULL; word++)
        free((char *)(uintptr_t)*word); /* ours; execve() wants them const */
    free(options->words);
    free(options->directory);
    free(options->null_sender);
    free(options->delimiters);
    free(options->time_zone);
    *options = (struct options){0};
}

bool options_are_for_one(const struct options *options)
{
    return (options->letter.flags & (LETTER_DELIVERED | LETTER_ORIGINAL)) != 0;
}
