/* SPDX-License-Identifier: ISC */
/*
 * sluice_show: the daemon's lines as a person reads them.
 */
#include "sluice.h"

#include "control_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_SIZE 32

static const char *time_text(const json_t *object, const char *name, char out[TIME_SIZE])
{
    time_t when = (time_t)control_number(object, name);
    struct tm local;

    if (json_object_get(object, name) == NULL || localtime_r(&when, &local) == NULL ||
        strftime(out, TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        return "-";
    return out;
}

static const char *dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

void sluice_show_released(void *user, const json_t *line)
{
    long long count = control_number(line, "released");

    (void)user;
    printf("released: %lld %s\n", count, count == 1 ? "message" : "messages");
}

/* A line for one that was named, or the count of all. */
void sluice_show_operated(void *user, const json_t *line)
{
    unsigned long *lines = user;

    if (json_object_get(line, "count") == NULL) {
        printf("%s: %s\n", control_text(line, "id"), control_text(line, "text"));
        (*lines)++;
    } else if (*lines == 0) {
        printf("%lld %s\n", control_number(line, "count"),
               control_number(line, "count") == 1 ? "message" : "messages");
    }
}

/* What the check says, and which generation runs. */
void sluice_show_reloaded(void *user, const json_t *line)
{
    const json_t *said = json_object_get(line, "said");

    (void)user;
    if (said != NULL)
        (void)fprintf(stderr, "%s\n", control_text(line, "said"));
    else
        printf("generation %lld runs\n", control_number(line, "generation"));
}

void sluice_show_status(void *user, const json_t *status)
{
    const json_t *table;
    size_t i;

    (void)user;
    printf("messages     %lld, %lld being attempted\n", control_number(status, "messages"),
           control_number(status, "attempted"));
    printf("sites        %lld\n", control_number(status, "sites"));
    printf("new mail     %s\n",
           json_is_true(json_object_get(status, "accepting")) ? "accepted" : "refused: no space");
    printf("store        %lld MiB used, %lld MiB free, %lld MiB reserved\n",
           control_number(status, "used_bytes") >> 20, control_number(status, "free_bytes") >> 20,
           control_number(status, "reserved_bytes") >> 20);
    printf("processes    1 queue, %lld receive, %lld deliver, %lld lookup\n",
           control_number(status, "receive"), control_number(status, "deliver"),
           control_number(status, "lookup"));
    printf("generation   %lld\n", control_number(status, "generation"));
    json_array_foreach(json_object_get(status, "tables_in_trouble"), i, table)
        sluice_show_table_trouble(table);
}

/* True for the first line. */
static bool is_first(void *user)
{
    unsigned long *lines = user;

    return (*lines)++ == 0;
}

/* What the recipients are waiting for, in one word. */
static const char *schedule_of(const json_t *message)
{
    const json_t *recipient;
    const char *word = "failed";
    size_t index;

    if (strcmp(control_text(message, "queue_name"), "hold") == 0)
        return "on hold";
    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
    {
        const char *schedule = control_text(recipient, "schedule");

        if (strcmp(schedule, "attempted") == 0 || strcmp(schedule, "ready") == 0)
            return "active";
        if (schedule[0] != '\0')
            word = schedule;
    }
    return word;
}

void sluice_show_listed(void *user, const json_t *message)
{
    char when[TIME_SIZE];

    if (is_first(user))
        printf("%-16s %10s  %-19s  %-10s %5s  %s\n", "ID", "SIZE", "ARRIVED", "STATE", "RCPTS",
               "SENDER");
    printf("%-16s %10lld  %-19s  %-10s %5zu  <%s>\n", control_text(message, "queue_id"),
           control_number(message, "message_size"), time_text(message, "arrival_time", when),
           schedule_of(message), json_array_size(json_object_get(message, "recipients")),
           control_text(message, "sender"));
}

static void show_recipient(const json_t *recipient)
{
    char when[TIME_SIZE];
    const char *reason = control_text(recipient, "delay_reason");
    const char *dsn = control_text(recipient, "dsn");

    printf("\n  to           <%s>\n", control_text(recipient, "address"));
    printf("  route        %s:%s\n", control_text(recipient, "transport"),
           control_text(recipient, "nexthop"));
    printf("  state        %s\n",
           control_text(recipient,
                        json_object_get(recipient, "schedule") != NULL ? "schedule" : "state"));
    printf("  attempts     %lld, the last one %s\n", control_number(recipient, "attempts"),
           time_text(recipient, "last_attempt", when));
    if (json_object_get(recipient, "next_attempt") != NULL)
        printf("  next         %s\n", time_text(recipient, "next_attempt", when));
    if (reason[0] != '\0')
        printf("  reason       %s%s%s\n", dsn, dsn[0] != '\0' ? " " : "", reason);
}

void sluice_show_message(void *user, const json_t *message)
{
    const json_t *recipient;
    char when[TIME_SIZE];
    size_t index;

    (void)user;
    printf("id             %s\n", control_text(message, "queue_id"));
    printf("arrived        %s\n", time_text(message, "arrival_time", when));
    printf("size           %lld\n", control_number(message, "message_size"));
    printf("from           <%s>\n", control_text(message, "sender"));
    printf("client         %s[%s], HELO %s, %s\n", dash(control_text(message, "client_name")),
           control_text(message, "client_address"), dash(control_text(message, "helo")),
           dash(control_text(message, "protocol")));
    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
        show_recipient(recipient);
}

/* Until when a failure suspends it; or that somebody does. */
static const char *suspended_text(const json_t *site, char when[TIME_SIZE])
{
    if (json_object_get(site, "suspension") != NULL)
        return "resumed by the operator";
    return time_text(site, "suspended_until", when);
}

void sluice_show_listed_site(void *user, const json_t *site)
{
    char when[TIME_SIZE];

    if (is_first(user))
        printf("%-40s %10s %8s %8s %5s  %s\n", "SITE", "ON RELEASE", "WAITING", "READY", "JOBS",
               "SUSPENDED UNTIL");
    printf("%-40s %10lld %8lld %8lld %5lld  %s\n", control_text(site, "site"),
           control_number(site, "on_release"), control_number(site, "waiting"),
           control_number(site, "ready"), control_number(site, "jobs"), suspended_text(site, when));
}

void sluice_show_site(void *user, const json_t *site)
{
    char when[TIME_SIZE];

    (void)user;
    printf("site           %s\n", control_text(site, "site"));
    printf("on release     %lld\n", control_number(site, "on_release"));
    printf("waiting        %lld\n", control_number(site, "waiting"));
    printf("ready          %lld\n", control_number(site, "ready"));
    printf("jobs           %lld\n", control_number(site, "jobs"));
    printf("failures       %lld in a row\n", control_number(site, "failures"));
    printf("suspended      until %s\n", suspended_text(site, when));
    if (json_object_get(site, "suspension") != NULL)
        printf("               since %s: %s\n", time_text(site, "suspended_since", when),
               dash(control_text(site, "suspension")));
    printf("last failure   %s\n", dash(control_text(site, "last_failure")));
}
