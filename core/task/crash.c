/* SPDX-License-Identifier: ISC */
/*
 * crash: a handler on a stack of its own, since the task's may be what is full. It writes the last
 * words with system calls only, and lets the fault happen again under the handler that was there
 * before (a sanitizer's, or the default that ends the process): so nothing else about the crash
 * changes.
 *
 * Signal handlers are the process's, hence the static struct.
 */
#include "task/crash.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALTERNATE_STACK_SIZE ((size_t)64 * 1024)
#define LINE_MAX_SIZE 320

static const struct fault {
    int signal;
    const char *text;
} faults[] = {
    {SIGSEGV, "memory fault"}, {SIGBUS, "memory fault"}, {SIGILL, "illegal instruction"},
    {SIGFPE, "arithmetic fault"}, {SIGABRT, "abort"},
};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

static struct {
    int words_fd;
    atomic_bool is_hang;
    struct sigaction before[FAULT_COUNT];
} crash = {.words_fd = -1};

static _Thread_local struct {
    const struct fibre *fibre;
    const char *name;
    const char **activity;    /* NULL: own_activity */
    const char *own_activity;
    const char *mark;         /* a file to leave behind; NULL: none */
    void *stack;              /* to crash on */
    const char *guard;        /* below the thread's own stack; NULL: unknown */
    size_t guard_size;
} here;

void crash_set_words(int fd)
{
    crash.words_fd = fd;
}

void crash_watch(const struct fibre *fibre, const char *name, const char **activity)
{
    here.fibre = fibre;
    here.name = name;
    here.activity = activity;
}

static const char **activity_place(void)
{
    return here.activity != NULL ? here.activity : &here.own_activity;
}

const char *crash_set_activity(const char *activity)
{
    const char **place = activity_place();
    const char *before = *place;

    *place = activity;
    return before;
}

const char *crash_set_mark(const char *path)
{
    const char *before = here.mark;

    here.mark = path;
    return before;
}

void crash_call_it_hang(void)
{
    crash.is_hang = true;
}

/* ---- last words ------------------------------------------------------------------------------ */

/* Appends text, cut to fit; returns the new length. snprintf is not allowed in a signal handler. */
static size_t append(char *line, size_t size, size_t len, const char *text)
{
    while (*text != '\0' && len < size - 1)
        line[len++] = *text++;
    line[len] = '\0';
    return len;
}

void crash_format_place(char text[CRASH_PLACE_SIZE])
{
    const char *activity = *activity_place();
    size_t len = append(text, CRASH_PLACE_SIZE, 0, here.name != NULL ? "task " : "no task");

    if (here.name != NULL)
        len = append(text, CRASH_PLACE_SIZE, len, here.name);
    if (activity == NULL)
        return;
    len = append(text, CRASH_PLACE_SIZE, len, " (");
    len = append(text, CRASH_PLACE_SIZE, len, activity);
    (void)append(text, CRASH_PLACE_SIZE, len, ")");
}

static bool is_overflow(const char *address)
{
    if (here.fibre != NULL)
        return fibre_guards(here.fibre, address);
    return here.guard != NULL && (uintptr_t)address - (uintptr_t)here.guard < here.guard_size;
}

static const char *reason_of(const siginfo_t *info)
{
    const char *text = "fault";

    if (info->si_signo == SIGSEGV && is_overflow(info->si_addr))
        return "stack overflow";
    if (info->si_signo == SIGABRT && crash.is_hang)
        return "hang";
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (faults[i].signal == info->si_signo)
            text = faults[i].text;
    }
    return text;
}

static void say(int fd, const char *line, size_t len)
{
    ssize_t n = write(fd, line, len);

    (void)n; /* nobody is left to tell */
}

static void say_line(const char *reason)
{
    char place[CRASH_PLACE_SIZE];
    char line[LINE_MAX_SIZE];

    crash_format_place(place);
    size_t len = append(line, sizeof(line), 0, "sluice: crash in ");
    len = append(line, sizeof(line), len, place);
    len = append(line, sizeof(line), len, ": ");
    len = append(line, sizeof(line), len, reason);
    len = append(line, sizeof(line), len, "\n");
    say(STDERR_FILENO, line, len);
}

static void tell_master(const char *reason)
{
    const char *parts[] = {here.name, *activity_place(), reason};
    char words[LINE_MAX_SIZE];
    size_t len = 0;

    if (crash.words_fd == -1)
        return;
    for (size_t i = 0; i < 3; i++) {
        len = append(words, sizeof(words), len, parts[i] != NULL ? parts[i] : "");
        len = append(words, sizeof(words), len, "\n");
    }
    say(crash.words_fd, words, len);
}

static void leave_mark(void)
{
    if (here.mark != NULL)
        (void)open(here.mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* or there is none */
}

static void restore(void)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        (void)sigaction(faults[i].signal, &crash.before[i], NULL);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const char *reason = reason_of(info);

    (void)context;
    leave_mark();
    tell_master(reason);
    say_line(reason);
    restore();
    /* A fault comes again by itself; a signal that was sent does not. */
    if (info->si_code <= 0)
        (void)raise(signal);
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* Without what is asked here an overflow is called a memory fault. */
static void find_guard(void)
{
    pthread_attr_t attributes;
    void *bottom;
    size_t size;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &bottom, &size) == 0 &&
        pthread_attr_getguardsize(&attributes, &here.guard_size) == 0)
        here.guard = (const char *)bottom - here.guard_size;
    (void)pthread_attr_destroy(&attributes);
}

static void take_stack(void)
{
    stack_t stack = {.ss_size = ALTERNATE_STACK_SIZE};
    stack_t before;

    /* ASan brings a stack of its own. Without memory an overflow ends the process unnamed. */
    if (sigaltstack(NULL, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0)
        return;
    here.stack = malloc(ALTERNATE_STACK_SIZE);
    stack.ss_sp = here.stack;
    if (here.stack != NULL)
        (void)sigaltstack(&stack, NULL);
}

static void give_stack_back(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    if (here.stack != NULL)
        (void)sigaltstack(&none, NULL);
    free(here.stack);
    here.stack = NULL;
}

void crash_thread_start(void)
{
    take_stack();
    find_guard();
}

void crash_thread_stop(void)
{
    give_stack_back();
}

void crash_handler_start(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    take_stack();
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        (void)sigaction(faults[i].signal, &action, &crash.before[i]);
}

void crash_handler_stop(void)
{
    restore();
    give_stack_back();
    crash_watch(NULL, NULL, NULL);
}
