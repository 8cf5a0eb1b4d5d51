/* SPDX-License-Identifier: ISC */
/*
 * fixture: a transport, the peer it talks to, a message, and what was reported.
 */
#ifndef TESTS_CONTRACT_FIXTURE_H
#define TESTS_CONTRACT_FIXTURE_H

#include "net_host.h"
#include "peer.h"

#include "sluice/transport.h"

#define FIXTURE_RECIPIENTS_MAX 700 /* more than one group of pipelined commands */
#define FIXTURE_TEXT_MAX 1024

/* A message whose content is in memory. */
struct test_message {
    struct sluice_message message; /* first: read() gets it back */
    const char *content;
    size_t read_max; /* bytes that one read() gives; 0: as many as asked for */
    size_t fails_at; /* reads from there on fail; 0: none do */
};

void test_message_init(struct test_message *message, const char *content, size_t len);

struct test_result {
    int count; /* of reports: one is right */
    sluice_status status;
    uint32_t flags; /* SLUICE_RESULT_... */
    char dsn[16];
    char text[FIXTURE_TEXT_MAX];
};

struct fixture {
    const struct sluice_plugin_desc *desc;
    const struct sluice_transport_ops *ops;
    struct net_host host;
    struct test_errors errors;
    struct sluice_config *config;
    struct sluice_transport *transport;
    struct sluice_connection *connection;
    struct peer peer;
    int has_peer;
    struct sluice_report report;
    size_t count;
    struct test_result *results;
    char summary[FIXTURE_RECIPIENTS_MAX * 16]; /* "OK TEMP:4.2.1 PERM:5.1.1" */
};

/* Opens the plugin; settings are "key", "value", ..., NULL. script: of the peer, NULL for none. */
void fixture_open(struct fixture *f, const char *plugin_path, const char *const *settings,
                  const struct peer_script *script);
/* Disconnects, closes, stops the peer. What the peer remembers stays until fixture_done. */
void fixture_close(struct fixture *f);
void fixture_done(struct fixture *f);

/* To the peer, or to port if that is not 0. */
sluice_status fixture_connect(struct fixture *f, uint16_t port, int is_last);
/* recipients: addresses parted by a blank. Returns the fate; results and summary are filled in. */
int32_t fixture_deliver(struct fixture *f, const struct test_message *message,
                        const char *recipients);
void fixture_disconnect(struct fixture *f);

#endif /* TESTS_CONTRACT_FIXTURE_H */
