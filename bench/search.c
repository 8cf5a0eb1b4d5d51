/* SPDX-License-Identifier: ISC */
/*
 * search: what a directory is capable of itself. Searches for recipients, so many at a time on so many
 * connections, and does nothing else.
 *
 *   search [-c CONNECTIONS] [-w SEARCHES] [-m COUNT] [-u USERS] [-t DOMAIN] [-b BASE] URL
 *
 * -c N   connections (1)
 * -w N   searches under way on each (50)
 * -m N   searches in all (10,000)
 * -u N   for user0@DOMAIN to userN-1@DOMAIN, in turn (100,000)
 * -t X   the domain (sink.example)
 * -b X   where (o=isp)
 *
 * One thread, with libldap as the plugin uses it. In the end it says on standard output, as JSON, how long
 * it took and what it cost. Each search must find one entry.
 */
#include "bench.h"

#include <errno.h>
#include <ldap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64

static struct {
    size_t connection_count;
    uint64_t window;
    uint64_t search_count;
    uint64_t user_count;
    const char *domain;
    const char *base;
    const char *url;
    uint64_t begun;
    uint64_t found;
    uint64_t done;
    LDAP *connections[CONNECTIONS_MAX];
    struct pollfd polled[CONNECTIONS_MAX];
} search = {.connection_count = 1,
            .window = 50,
            .search_count = 10000,
            .user_count = 100000,
            .domain = "sink.example",
            .base = "o=isp"};

static void check(int code, const char *what)
{
    if (code == LDAP_SUCCESS)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, ldap_err2string(code));
    exit(1);
}

static void connect_one(size_t index)
{
    int version = LDAP_VERSION3;
    struct berval nothing = {0};
    LDAP *handle;

    check(ldap_initialize(&handle, search.url), search.url);
    check(ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version), "version");
    check(ldap_sasl_bind_s(handle, NULL, LDAP_SASL_SIMPLE, &nothing, NULL, NULL, NULL), search.url);
    search.connections[index] = handle;
    check(ldap_get_option(handle, LDAP_OPT_DESC, &search.polled[index].fd), "descriptor");
    search.polled[index].events = POLLIN;
}

static void begin_one(LDAP *handle)
{
    static char *attributes[] = {"maildrop", NULL};
    char filter[256];
    int id;

    if (search.begun == search.search_count)
        return;
    (void)snprintf(filter, sizeof(filter), "(mailacceptinggeneralid=user%llu@%s)",
                   (unsigned long long)(search.begun++ % search.user_count), search.domain);
    check(ldap_search_ext(handle, search.base, LDAP_SCOPE_SUBTREE, filter, attributes, 0, NULL, NULL,
                          NULL, 0, &id),
          filter);
}

/* All that has come; for each search that is done another one begins. */
static void take_results(LDAP *handle)
{
    struct timeval none = {0};
    LDAPMessage *message;
    int type;

    while ((type = ldap_result(handle, LDAP_RES_ANY, LDAP_MSG_ONE, &none, &message)) > 0) {
        (void)ldap_msgfree(message);
        if (type == LDAP_RES_SEARCH_ENTRY)
            search.found++;
        if (type != LDAP_RES_SEARCH_RESULT)
            continue;
        search.done++;
        begin_one(handle);
    }
    if (type == -1)
        check(LDAP_SERVER_DOWN, search.url);
}

static void run(void)
{
    for (uint64_t i = 0; i < search.window; i++) {
        for (size_t c = 0; c < search.connection_count; c++)
            begin_one(search.connections[c]);
    }
    while (search.done < search.search_count) {
        if (poll(search.polled, search.connection_count, -1) == -1)
            bench_fail("poll");
        for (size_t c = 0; c < search.connection_count; c++) {
            if (search.polled[c].revents != 0)
                take_results(search.connections[c]);
        }
    }
}

static void read_options(int argc, char **argv)
{
    static const char usage[] = "usage: search [-c CONNECTIONS] [-w SEARCHES] [-m COUNT] [-u USERS] "
                                "[-t DOMAIN] [-b BASE] URL";
    int option;

    while ((option = getopt(argc, argv, "c:w:m:u:t:b:")) != -1) {
        if (option == 'c')
            search.connection_count = strtoul(optarg, NULL, 10);
        else if (option == 'w')
            search.window = strtoull(optarg, NULL, 10);
        else if (option == 'm')
            search.search_count = strtoull(optarg, NULL, 10);
        else if (option == 'u')
            search.user_count = strtoull(optarg, NULL, 10);
        else if (option == 't')
            search.domain = optarg;
        else if (option == 'b')
            search.base = optarg;
        else
            bench_fail(usage);
    }
    if (optind + 1 != argc || search.connection_count == 0 ||
        search.connection_count > CONNECTIONS_MAX || search.user_count == 0)
        bench_fail(usage);
    search.url = argv[optind];
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    for (size_t c = 0; c < search.connection_count; c++)
        connect_one(c);
    double begin = bench_now();
    double cpu_s = bench_cpu();
    run();
    errno = 0;
    if (search.found != search.search_count)
        bench_fail("not each search has found one entry");
    printf("{\"searches\": %llu, \"seconds\": %.4f, \"cpu_s\": %.4f}\n",
           (unsigned long long)search.done, bench_now() - begin, bench_cpu() - cpu_s);
    return 0;
}
