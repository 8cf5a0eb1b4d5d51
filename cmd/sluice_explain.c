/* SPDX-License-Identifier: ISC */
/*
 * sluice_explain: the lines of `sluice explain` (core/queue/explain.h) for somebody with a customer on
 * the phone: what happens to the message, then why, step by step.
 */
#include "sluice.h"

#include "control_client.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define INDENT 2
#define TIME_SIZE 32

static void show_steps(const json_t *object, int depth);

static bool has_status(const json_t *step, const char *status)
{
    return strcmp(control_text(step, "status"), status) == 0;
}

/* A table or a name server that did not answer says why. */
static bool has_failed(const json_t *step)
{
    return !has_status(step, "OK") && !has_status(step, "NOT_FOUND");
}

/* "a, b, c" */
static void print_items(const json_t *step, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(step, name), i, item)
        printf("%s%s", i > 0 ? ", " : "", json_string_value(item));
}

static void print_failure(const json_t *step)
{
    const char *text = control_text(step, "text");

    printf("failed%s%s", text[0] != '\0' ? ": " : "", text);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void show_command(const json_t *step)
{
    printf("%s  ->  %s", control_text(step, "command"), control_text(step, "reply"));
}

static void show_list(const json_t *step)
{
    const char *pattern = control_text(step, "pattern");

    printf("%s: %s ", control_text(step, "parameter"), control_text(step, "key"));
    if (has_failed(step))
        print_failure(step);
    else
        printf("is %sin it", has_status(step, "OK") ? "" : "not ");
    if (pattern[0] != '\0')
        printf(" (%s%s)", json_object_get(step, "is_negated") != NULL ? "!" : "", pattern);
}

static void show_maps(const json_t *step)
{
    printf("%s: %s ", control_text(step, "parameter"), control_text(step, "address"));
    if (has_failed(step))
        print_failure(step);
    else
        printf("%s", has_status(step, "OK") ? "is there" : "is not there");
}

static void show_table(const json_t *step)
{
    printf("%s  %s  ->  ", control_text(step, "table"), control_text(step, "key"));
    if (has_failed(step))
        print_failure(step);
    else if (has_status(step, "OK"))
        printf("\"%s\"", control_text(step, "value"));
    else
        printf("nothing");
    sluice_show_origin(step);
}

static void show_dns(const json_t *step)
{
    printf("name server: %s %s  ->  ", control_text(step, "type"), control_text(step, "name"));
    if (has_failed(step))
        print_failure(step);
    else if (has_status(step, "OK"))
        print_items(step, "records");
    else
        printf("nothing");
}

static void show_route(const json_t *step)
{
    printf("route of <%s>: ", control_text(step, "address"));
    if (has_failed(step))
        print_failure(step);
    else
        printf("%s:%s (class %s)", control_text(step, "transport"), control_text(step, "nexthop"),
               control_text(step, "class"));
}

static void show_rewrite(const json_t *step)
{
    printf("%s <%s> ", control_text(step, "what"), control_text(step, "address"));
    if (has_failed(step)) {
        print_failure(step);
    } else if (has_status(step, "OK")) {
        printf("becomes ");
        print_items(step, "results");
    } else {
        printf("stays as it is");
    }
}

/* "reject: 554 5.7.1 Relay access denied" */
static void print_verdict(const json_t *step)
{
    const char *verdict = control_text(step, "verdict");
    const char *reason = control_text(step, "reason");

    if (has_failed(step)) {
        print_failure(step);
        return;
    }
    printf("%s", strcmp(verdict, "none") == 0 ? "no objection" : verdict);
    if (json_object_get(step, "code") != NULL)
        printf(": %lld %s", control_number(step, "code"), control_text(step, "dsn"));
    if (reason[0] != '\0')
        printf("%s %s", json_object_get(step, "code") != NULL ? "" : ":", reason);
}

static void show_restrictions(const json_t *step)
{
    printf("%s: ", control_text(step, "parameter"));
    print_verdict(step);
}

static void show_restriction(const json_t *step)
{
    const char *argument = control_text(step, "argument");

    printf("%s%s%s%s: ", json_object_get(step, "only_warns") != NULL ? "warn_if_reject " : "",
           control_text(step, "word"), argument[0] != '\0' ? " " : "", argument);
    print_verdict(step);
}

static void show_note(const json_t *step)
{
    printf("the log: %s: %s", control_text(step, "action"), control_text(step, "text"));
}

static void show_recipient(const json_t *step)
{
    const char *original = control_text(step, "original");

    printf("goes to <%s>", control_text(step, "address"));
    if (original[0] != '\0')
        printf(" for <%s>", original);
    if (has_failed(step))
        printf(", which fails: %s %s", control_text(step, "dsn"), control_text(step, "text"));
    else
        printf(" by %s:%s", control_text(step, "transport"), control_text(step, "nexthop"));
}

static void show_nexthop(const json_t *step)
{
    printf("next hop %s: ", control_text(step, "destination"));
    if (has_failed(step))
        print_failure(step);
    else
        print_items(step, "hosts");
}

static void show_result(const json_t *step)
{
    const char *end = has_status(step, "OK")     ? "is taken"
                      : has_status(step, "PERM") ? "goes back to its sender"
                                                 : "is tried again later";

    printf("<%s> %s: %s %s", control_text(step, "address"), end, control_text(step, "dsn"),
           control_text(step, "reason"));
}

/* One that has no words here: a plugin's. */
static void show_other(const json_t *step)
{
    sluice_show_said(step);
    printf("  ->  %s", control_text(step, "status"));
}

static void show_step(const json_t *step, int depth)
{
    static const struct {
        const char *name;
        void (*show)(const json_t *step);
    } shows[] = {
        {"command", show_command},
        {"list", show_list},
        {"maps", show_maps},
        {"table", show_table},
        {"dns", show_dns},
        {"route", show_route},
        {"rewrite", show_rewrite},
        {"restrictions", show_restrictions},
        {"restriction", show_restriction},
        {"note", show_note},
        {"recipient", show_recipient},
        {"nexthop", show_nexthop},
        {"outcome", show_result},
    };
    void (*show)(const json_t *step) = show_other;

    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        if (strcmp(shows[i].name, control_text(step, "step")) == 0)
            show = shows[i].show;
    }
    printf("%*s", INDENT * depth, "");
    show(step);
    (void)putchar('\n');
    show_steps(step, depth + 1);
}

static void show_steps(const json_t *object, int depth)
{
    const json_t *step;
    size_t i;

    json_array_foreach(json_object_get(object, "steps"), i, step)
        show_step(step, depth);
}

/* After all that is short. */
static void show_why(const json_t *line)
{
    if (json_object_get(line, "steps") == NULL)
        return;
    printf("\n%s because\n", strcmp(control_text(line, "explain"), "site") == 0
                                 ? control_text(line, "site")
                                 : control_text(line, "verdict"));
    show_steps(line, 1);
    if (json_object_get(line, "is_cut") != NULL)
        printf("  ... and more, which is left out here\n");
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void show_message(const json_t *line)
{
    const char *client = control_text(line, "client");
    const char *text = control_text(line, "text");

    printf("to           <%s>\n", control_text(line, "address"));
    printf("from         <%s>\n", control_text(line, "sender"));
    printf("client       %s\n", strcmp(client, "local") == 0 ? "a program of this machine" : client);
    printf("verdict      %s: %s\n", control_text(line, "verdict"), control_text(line, "reply"));
    if (text[0] != '\0')
        printf("             %s\n", text);
    if (json_object_get(line, "is_held") != NULL)
        printf("             it would be put on hold\n");
    if (json_object_get(line, "is_discarded") != NULL)
        printf("             it would be thrown away\n");
}

static void print_when(const json_t *line)
{
    const char *when = control_text(line, "when");
    time_t at = (time_t)control_number(line, "at");
    char text[TIME_SIZE] = "-";
    struct tm local;

    if (strcmp(when, "now") == 0) {
        printf("at once\n");
    } else if (strcmp(when, "on_release") == 0) {
        printf("at the next release: ETRN, or sluice site release\n");
    } else if (strcmp(when, "on_resume") == 0) {
        printf("when the operator resumes the site\n");
    } else if (strcmp(when, "on_unhold") == 0) {
        printf("when the operator takes the message off hold\n");
    } else {
        if (localtime_r(&at, &local) != NULL)
            (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local); /* else the dash */
        printf("not before %s\n", text);
    }
}

/* The hosts of all destinations, in order; *count: so far. */
static void show_hosts_of(const json_t *nexthop, unsigned long *count)
{
    const char *role = json_object_get(nexthop, "is_fallback") != NULL ? " (fallback)" : "";
    const json_t *host;
    size_t i;

    json_array_foreach(json_object_get(nexthop, "hosts"), i, host)
    {
        printf("%-12s %lu. %s%s\n", *count == 0 ? "hosts" : "", *count + 1,
               json_string_value(host), role);
        (*count)++;
    }
}

static void show_outcome(const json_t *step, unsigned long hosts)
{
    printf("%-12s ", hosts > 0 ? "otherwise" : "result");
    show_result(step);
    (void)putchar('\n');
}

static void show_attempt(const json_t *site)
{
    long long limit = control_number(site, "session_limit");
    unsigned long hosts = 0;
    const json_t *step;
    size_t i;

    json_array_foreach(json_object_get(site, "steps"), i, step)
        show_hosts_of(step, &hosts);
    if (limit > 0 && hosts > (unsigned long)limit)
        printf("             at most %lld sessions for each next hop\n", limit);
    if (json_object_get(site, "has_own_way") != NULL)
        printf("hosts        none: this transport looks for none\n");
    json_array_foreach(json_object_get(site, "steps"), i, step)
    {
        if (strcmp(control_text(step, "step"), "outcome") == 0)
            show_outcome(step, hosts);
    }
    if (control_text(site, "text")[0] != '\0')
        printf("hosts        unknown: %s\n", control_text(site, "text"));
}

static void show_queue(const json_t *site)
{
    const char *failure = control_text(site, "last_failure");

    printf("queue        %lld on release, %lld waiting, %lld ready, %lld jobs, %lld failures in a "
           "row\n",
           control_number(site, "on_release"), control_number(site, "waiting"),
           control_number(site, "ready"), control_number(site, "jobs"),
           control_number(site, "failures"));
    if (failure[0] != '\0')
        printf("             last failure: %s\n", failure);
    if (json_object_get(site, "suspension") != NULL)
        printf("             suspended: %s\n", control_text(site, "suspension"));
}

static void show_site(const json_t *line)
{
    printf("\nsite         %s\n", control_text(line, "site"));
    printf("recipients   ");
    print_items(line, "recipients");
    printf("\ngoes         ");
    print_when(line);
    show_attempt(line);
    if (json_object_get(line, "queue") != NULL)
        show_queue(json_object_get(line, "queue"));
}

static void show_line(const json_t *line)
{
    const char *what = control_text(line, "explain");

    if (strcmp(what, "message") == 0)
        show_message(line);
    else if (strcmp(what, "site") == 0)
        show_site(line);
    else
        printf("\n... and further sites, which are left out here\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static void keep(void *user, const json_t *line)
{
    json_t *lines = user;

    (void)json_array_append(lines, (json_t *)(uintptr_t)line); /* a reference, no change */
}

int sluice_explain(const struct sluice *sluice, const char *address)
{
    json_t *request = json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "command", "explain", "address",
                                address, "client", sluice->client, "sender", sluice->sender, "helo",
                                sluice->helo);
    json_t *lines = json_array();
    int code = sluice_ask(sluice, request, keep, lines);
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line)
        show_line(line);
    json_array_foreach(lines, i, line)
        show_why(line);
    json_decref(lines);
    return code;
}
