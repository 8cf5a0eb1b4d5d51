/* SPDX-License-Identifier: ISC */
/*
 * crash: a handler for SIGSEGV and SIGBUS on a stack of its own, since the task's may be what is
 * full. It writes one line to standard error, with system calls only, and lets the fault happen
 * again under the handler that was there before (a sanitizer's, or the default that ends the
 * process): so nothing else about the crash changes.
 *
 * Signal handlers are the process's, hence the static struct.
 */
#include "task/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALTERNATE_STACK_SIZE ((size_t)64 * 1024)
#define LINE_MAX_SIZE 256

static struct {
    const struct fibre *fibre;
    const char *name;
    const char *const *activity;
    void *stack;
    struct sigaction old_segv;
    struct sigaction old_bus;
} crash;

void crash_watch(const struct fibre *fibre, const char *name, const char *const *activity)
{
    crash.fibre = fibre;
    crash.name = name;
    crash.activity = activity;
}

/* Appends text to line, cut to fit. snprintf is not allowed in a signal handler. */
static size_t append(char line[LINE_MAX_SIZE], size_t len, const char *text)
{
    while (*text != '\0' && len < LINE_MAX_SIZE - 1)
        line[len++] = *text++;
    return len;
}

static void say(const void *address)
{
    char line[LINE_MAX_SIZE];
    size_t len = append(line, 0, "sluice: crash in task ");

    len = append(line, len, crash.name);
    if (*crash.activity != NULL) {
        len = append(line, len, " (");
        len = append(line, len, *crash.activity);
        len = append(line, len, ")");
    }
    len = append(line, len,
                 fibre_guards(crash.fibre, address) ? ": stack overflow" : ": memory fault");
    line[len++] = '\n';
    ssize_t n = write(STDERR_FILENO, line, len);
    (void)n; /* nobody is left to tell */
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (crash.fibre != NULL)
        say(info->si_addr);
    (void)sigaction(SIGSEGV, &crash.old_segv, NULL);
    (void)sigaction(SIGBUS, &crash.old_bus, NULL);
    /* A fault comes again by itself; a signal that was sent does not. */
    if (info->si_code <= 0)
        (void)raise(signal);
}

void crash_handler_start(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_size = ALTERNATE_STACK_SIZE};
    stack_t before;

    /* ASan brings a stack of its own. Without memory an overflow ends the process unnamed. */
    if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE) != 0) {
        crash.stack = malloc(ALTERNATE_STACK_SIZE);
        stack.ss_sp = crash.stack;
        if (crash.stack != NULL)
            (void)sigaltstack(&stack, NULL);
    }
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGSEGV, &action, &crash.old_segv);
    (void)sigaction(SIGBUS, &action, &crash.old_bus);
}

void crash_handler_stop(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    (void)sigaction(SIGSEGV, &crash.old_segv, NULL);
    (void)sigaction(SIGBUS, &crash.old_bus, NULL);
    if (crash.stack != NULL)
        (void)sigaltstack(&none, NULL);
    free(crash.stack);
    memset(&crash, 0, sizeof(crash));
}
