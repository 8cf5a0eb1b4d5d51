/* SPDX-License-Identifier: ISC */
/* command_end: see command_end.h. */
#include "command_end.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

/* What each status stands for; all but these are permanent failures of an unknown kind. */
static const struct sys_exit {
    const char *dsn;
    const char *text;
} sys_exits[] = {
    [EX_USAGE - EX__BASE] = {"5.3.0", "command line usage error"},
    [EX_DATAERR - EX__BASE] = {"5.6.0", "data format error"},
    [EX_NOINPUT - EX__BASE] = {"5.3.0", "cannot open input"},
    [EX_NOUSER - EX__BASE] = {"5.1.1", "user unknown"},
    [EX_NOHOST - EX__BASE] = {"5.1.2", "host name unknown"},
    [EX_UNAVAILABLE - EX__BASE] = {"5.3.0", "service unavailable"},
    [EX_SOFTWARE - EX__BASE] = {"5.3.0", "internal software error"},
    [EX_OSERR - EX__BASE] = {"4.3.0", "system resource problem"},
    [EX_OSFILE - EX__BASE] = {"5.3.0", "critical OS file missing"},
    [EX_CANTCREAT - EX__BASE] = {"5.2.0", "can't create user output file"},
    [EX_IOERR - EX__BASE] = {"5.3.0", "input/output error"},
    [EX_TEMPFAIL - EX__BASE] = {"4.3.0", "temporary failure"},
    [EX_PROTOCOL - EX__BASE] = {"5.5.0", "remote error in protocol"},
    [EX_NOPERM - EX__BASE] = {"5.7.0", "permission denied"},
    [EX_CONFIG - EX__BASE] = {"5.3.5", "local configuration error"},
};

#define SYS_EXIT_COUNT ((int)(sizeof(sys_exits) / sizeof(sys_exits[0])))

void command_end_add_output(struct command_end *end, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && end->output_len < COMMAND_OUTPUT_MAX; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '\t' || c == '\n' || c == '\r')
            c = ' ';
        else if (c < ' ' || c >= 0x7f)
            c = '_';
        end->output[end->output_len++] = (char)c;
    }
}

/* The output without blanks at its end. */
static struct sluice_span output_of(const struct command_end *end)
{
    struct sluice_span output = {end->output, end->output_len};

    while (output.len > 0 && output.ptr[output.len - 1] == ' ')
        output.len--;
    return output;
}

__attribute__((format(printf, 4, 5))) static void set(struct command_result *result,
                                                      const char *dsn, struct sluice_span output,
                                                      const char *format, ...)
{
    va_list arguments;
    int len;

    result->status = dsn[0] == '4' ? SLUICE_TEMP : SLUICE_PERM;
    (void)snprintf(result->dsn, sizeof(result->dsn), "%s", dsn);
    va_start(arguments, format);
    len = vsnprintf(result->text, sizeof(result->text), format, arguments);
    va_end(arguments);
    if (output.len > 0 && len > 0 && (size_t)len < sizeof(result->text)) /* cut is fine */
        (void)snprintf(result->text + len, sizeof(result->text) - (size_t)len,
                       ". Command output: %.*s", (int)output.len, output.ptr);
}

static void succeed(struct command_result *result, struct sluice_span output)
{
    result->status = SLUICE_OK;
    (void)snprintf(result->dsn, sizeof(result->dsn), "2.0.0");
    (void)snprintf(result->text, sizeof(result->text), "%.*s", (int)output.len, output.ptr);
}

/* A code that the command has written itself counts, if it tells of a failure. */
static bool takes_own_code(struct command_result *result, struct sluice_span output)
{
    const struct sluice_span nothing = {"", 0};
    char dsn[DSN_MAX];

    if (!dsn_take(&output, dsn) || dsn[0] == '2')
        return false;
    set(result, dsn, nothing, "%.*s", (int)output.len, output.ptr);
    return true;
}

static void judge_exit(int status, const char *name, struct command_result *result,
                       struct sluice_span output)
{
    int place = status - EX__BASE;

    if (status == 0)
        succeed(result, output);
    else if (takes_own_code(result, output))
        return;
    else if (place >= 0 && place < SYS_EXIT_COUNT)
        set(result, sys_exits[place].dsn, output, "%s", sys_exits[place].text);
    else
        set(result, "5.3.0", output, "Command died with status %d: \"%s\"", status, name);
}

void command_end_judge(const struct command_end *end, const char *name,
                       struct command_result *result)
{
    struct sluice_span output = output_of(end);

    if (end->kind == COMMAND_NOT_STARTED)
        set(result, "4.3.0", output, "Delivery failed: %s", strerror(end->error));
    else if (end->kind == COMMAND_LATE)
        set(result, "4.3.0", output, "Command time limit exceeded: \"%s\"", name);
    else if (end->kind == COMMAND_NO_INPUT)
        set(result, "4.3.0", output, "the message cannot be read");
    else if (WIFSIGNALED(end->wait_status))
        set(result, "4.3.0", output, "Command died with signal %d: \"%s\"",
            WTERMSIG(end->wait_status), name);
    else
        judge_exit(WEXITSTATUS(end->wait_status), name, result, output);
}
