/* SPDX-License-Identifier: ISC */
/*
 * sluice_table: tables as the daemon has them: how they are, what they answered, what a key maps to.
 */
#include "sluice.h"

#include "control_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define TIME_SIZE 32
#define EX_MISSING 1 /* as postmap -q has it */

static bool has(const json_t *object, const char *name)
{
    return json_object_get(object, name) != NULL;
}

static const char *time_text(const json_t *object, const char *name, char out[TIME_SIZE])
{
    time_t when = (time_t)control_number(object, name);
    struct tm local;

    out[0] = '\0';
    if (localtime_r(&when, &local) != NULL)
        (void)strftime(out, TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local);
    return out;
}

/* ---- how they are ---------------------------------------------------------------------------- */

/* In one line, after the table's name. */
static void print_state(const json_t *line)
{
    const char *text = control_text(line, "text");
    char when[TIME_SIZE];

    if (!has(line, "open"))
        printf("not needed so far");
    else if (!json_is_true(json_object_get(line, "open")))
        printf("not open");
    else if (has(line, "failing_since"))
        printf("gives no answer since %s", time_text(line, "failing_since", when));
    else if (!has(line, "stale_since"))
        printf("open");
    if (has(line, "stale_since"))
        printf("%slast known answers stand in since %s",
               has(line, "failing_since") ? "; " : "late; ", time_text(line, "stale_since", when));
    if (text[0] != '\0')
        printf(": %s", text);
    (void)putchar('\n');
}

void sluice_show_table_trouble(const json_t *line)
{
    if (has(line, "table")) {
        printf("table        %s: ", control_text(line, "table"));
        print_state(line);
    } else {
        printf("process      %s: %s\n", control_text(line, "process"), control_text(line, "text"));
    }
}

void sluice_show_listed_table(void *user, const json_t *line)
{
    unsigned long *lines = user;

    if ((*lines)++ == 0)
        printf("%-32s %-18s %-10s %-8s  %s\n", "TABLE", "PLUGIN", "PROCESS", "HOME", "STATE");
    printf("%-32s %-18s %-10s %-8s  ", control_text(line, "table"), control_text(line, "plugin"),
           control_text(line, "process"),
           json_is_true(json_object_get(line, "is_isolated")) ? "isolated"
           : json_is_true(json_object_get(line, "is_shared")) ? "shared"
                                                              : "-");
    print_state(line);
}

/* ---- what they answered ---------------------------------------------------------------------- */

static void print_bound(const char *part, const json_t *times, const char *name)
{
    if (json_is_integer(json_object_get(times, name)))
        printf(", %s within %g ms", part, (double)control_number(times, name) / 1000);
}

static void show_searches(const json_t *line)
{
    const json_t *times = json_object_get(line, "search_us");

    printf("  searches     %lld", control_number(line, "searches"));
    if (control_number(line, "searching") > 0)
        printf(", %lld under way", control_number(line, "searching"));
    if (times != NULL) {
        printf(", %g ms each", (double)control_number(times, "mean") / 1000);
        print_bound("half of them", times, "p50");
        print_bound("90 %", times, "p90");
        print_bound("99 %", times, "p99");
    }
    (void)putchar('\n');
}

/* Of a table that a lookup process has. */
static void show_kept(const json_t *line)
{
    char when[TIME_SIZE];

    printf("  from cache   %lld found, %lld not found\n", control_number(line, "cached_found"),
           control_number(line, "cached_not_found"));
    printf("  joined       %lld, a search that was under way\n", control_number(line, "joined"));
    printf("  stood in     %lld, last known answers\n", control_number(line, "stood_in"));
    printf("  cache        %lld answers, %lld bytes\n", control_number(line, "cache_entries"),
           control_number(line, "cache_bytes"));
    printf("  last known   %lld answers, %lld bytes", control_number(line, "last_known_entries"),
           control_number(line, "last_known_bytes"));
    if (control_number(line, "last_known_oldest") > 0)
        printf(", the oldest of %s", time_text(line, "last_known_oldest", when));
    (void)putchar('\n');
}

void sluice_show_table_stat(void *user, const json_t *line)
{
    unsigned long *lines = user;

    if ((*lines)++ > 0)
        (void)putchar('\n');
    printf("%s: ", control_text(line, "table"));
    print_state(line);
    printf("  look-ups     %lld: %lld found, %lld not found, %lld failed\n",
           control_number(line, "lookups"), control_number(line, "found"),
           control_number(line, "not_found"), control_number(line, "failed"));
    show_searches(line);
    if (has(line, "cache_entries"))
        show_kept(line);
}

void sluice_show_flushed(void *user, const json_t *line)
{
    long long count = control_number(line, "forgotten");

    (void)user;
    printf("forgotten: %lld %s\n", count, count == 1 ? "answer" : "answers");
}

/* ---- what a key maps to ---------------------------------------------------------------------- */

void sluice_show_origin(const json_t *step)
{
    const char *from = control_text(step, "from");

    if (strcmp(from, "cache") == 0)
        printf(" (from the cache, %lld s old)", control_number(step, "age"));
    else if (strcmp(from, "last_known") == 0)
        printf(" (an old answer, of %lld s ago: it gives none now)", control_number(step, "age"));
    else if (strcmp(from, "joined") == 0)
        printf(" (by a search that was under way)");
}

static void show_table(const json_t *step, int depth)
{
    printf("%*s%s: %s", depth * 2, "", control_text(step, "table"), control_text(step, "status"));
    sluice_show_origin(step);
    if (control_text(step, "text")[0] != '\0')
        printf(": %s", control_text(step, "text"));
    (void)putchar('\n');
}

void sluice_show_said(const json_t *step)
{
    const char *name;
    json_t *value;

    printf("%s", control_text(step, "step"));
    json_object_foreach((json_t *)(uintptr_t)step, name, value) /* which is not changed */
    {
        if (strcmp(name, "step") != 0 && strcmp(name, "status") != 0 && json_is_string(value))
            printf(" %s=\"%s\"", name, json_string_value(value));
    }
}

static void show_step(const json_t *step, int depth)
{
    printf("%*s", depth * 2, "");
    sluice_show_said(step);
    (void)putchar('\n');
}

static void show_steps(const json_t *parent, int depth)
{
    const json_t *step;
    size_t i;

    json_array_foreach(json_object_get(parent, "steps"), i, step)
    {
        if (has(step, "table"))
            show_table(step, depth);
        else
            show_step(step, depth);
        show_steps(step, depth + 1);
    }
}

static void keep(void *user, const json_t *line)
{
    json_t **kept = user;

    json_decref(*kept);
    *kept = json_incref((json_t *)(uintptr_t)line); /* a reference, no change */
}

static int show_answer(const struct sluice *sluice, const json_t *answer)
{
    const char *status = control_text(answer, "status");

    if (sluice->wants_json) {
        (void)json_dumpf(answer, stdout, 0);
        (void)putchar('\n');
    } else {
        if (strcmp(status, "OK") == 0)
            printf("%s\n", control_text(answer, "value"));
        if (sluice->is_verbose)
            show_steps(answer, 0);
    }
    if (strcmp(status, "OK") == 0)
        return EX_OK;
    if (strcmp(status, "NOT_FOUND") == 0)
        return EX_MISSING;
    return sluice_fatal(EX_TEMPFAIL, "%s", control_text(answer, "text"));
}

int sluice_table_query(const struct sluice *sluice, char **arguments)
{
    json_t *request = json_pack("{s:s, s:s, s:s, s:b}", "command", "table query", "table",
                                arguments[0], "key", arguments[1], "is_fresh", sluice->is_fresh);
    struct error err = ERROR_INIT;
    json_t *answer = NULL;
    sluice_status st = control_ask(sluice->config_path, request, keep, &answer, &err);
    int code = st == SLUICE_OK ? show_answer(sluice, answer)
                               : sluice_fatal(sluice_exit_code(st), "%s", err.text);

    json_decref(answer);
    return code;
}
