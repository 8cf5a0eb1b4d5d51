/* SPDX-License-Identifier: ISC */
/*
 * sluice_show: the daemon's lines as a person reads them.
 */
#include "sluice.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_SIZE 32

static const char *time_text(const json_t *object, const char *name, char out[TIME_SIZE])
{
    time_t when = (time_t)sluice_number(object, name);
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

void sluice_show_status(void *user, const json_t *status)
{
    (void)user;
    printf("messages     %lld at %lld sites, %lld being attempted\n",
           sluice_number(status, "messages"), sluice_number(status, "sites"),
           sluice_number(status, "attempted"));
    printf("new mail     %s\n",
           json_is_true(json_object_get(status, "accepting")) ? "accepted" : "refused: no space");
    printf("store        %lld MiB used, %lld MiB free, %lld MiB reserved\n",
           sluice_number(status, "used_bytes") >> 20, sluice_number(status, "free_bytes") >> 20,
           sluice_number(status, "reserved_bytes") >> 20);
    printf("processes    1 queue, %lld receive, %lld deliver\n", sluice_number(status, "receive"),
           sluice_number(status, "deliver"));
    printf("generation   %lld\n", sluice_number(status, "generation"));
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

    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
    {
        const char *schedule = sluice_text(recipient, "schedule");

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
    printf("%-16s %10lld  %-19s  %-10s %5zu  <%s>\n", sluice_text(message, "queue_id"),
           sluice_number(message, "message_size"), time_text(message, "arrival_time", when),
           schedule_of(message), json_array_size(json_object_get(message, "recipients")),
           sluice_text(message, "sender"));
}

static void show_recipient(const json_t *recipient)
{
    char when[TIME_SIZE];
    const char *reason = sluice_text(recipient, "delay_reason");
    const char *dsn = sluice_text(recipient, "dsn");

    printf("\n  to           <%s>\n", sluice_text(recipient, "address"));
    printf("  route        %s:%s\n", sluice_text(recipient, "transport"),
           sluice_text(recipient, "nexthop"));
    printf("  state        %s\n",
           sluice_text(recipient,
                       json_object_get(recipient, "schedule") != NULL ? "schedule" : "state"));
    printf("  attempts     %lld, the last one %s\n", sluice_number(recipient, "attempts"),
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
    printf("id             %s\n", sluice_text(message, "queue_id"));
    printf("arrived        %s\n", time_text(message, "arrival_time", when));
    printf("size           %lld\n", sluice_number(message, "message_size"));
    printf("from           <%s>\n", sluice_text(message, "sender"));
    printf("client         %s[%s], HELO %s, %s\n", dash(sluice_text(message, "client_name")),
           sluice_text(message, "client_address"), dash(sluice_text(message, "helo")),
           dash(sluice_text(message, "protocol")));
    json_array_foreach(json_object_get(message, "recipients"), index, recipient)
        show_recipient(recipient);
}

void sluice_show_listed_site(void *user, const json_t *site)
{
    char when[TIME_SIZE];

    if (is_first(user))
        printf("%-40s %8s %8s %8s %5s  %s\n", "SITE", "HELD", "WAITING", "READY", "JOBS",
               "SUSPENDED UNTIL");
    printf("%-40s %8lld %8lld %8lld %5lld  %s\n", sluice_text(site, "site"),
           sluice_number(site, "on_release"), sluice_number(site, "waiting"),
           sluice_number(site, "ready"), sluice_number(site, "jobs"),
           time_text(site, "suspended_until", when));
}

void sluice_show_site(void *user, const json_t *site)
{
    char when[TIME_SIZE];

    (void)user;
    printf("site           %s\n", sluice_text(site, "site"));
    printf("on release     %lld\n", sluice_number(site, "on_release"));
    printf("waiting        %lld\n", sluice_number(site, "waiting"));
    printf("ready          %lld\n", sluice_number(site, "ready"));
    printf("jobs           %lld\n", sluice_number(site, "jobs"));
    printf("failures       %lld in a row\n", sluice_number(site, "failures"));
    printf("suspended      until %s\n", time_text(site, "suspended_until", when));
    printf("last failure   %s\n", dash(sluice_text(site, "last_failure")));
}
