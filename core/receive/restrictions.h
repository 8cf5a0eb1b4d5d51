/* SPDX-License-Identifier: ISC */
/*
 * restrictions: smtpd_recipient_restrictions and its sisters, and the classes of
 * smtpd_restriction_classes: lists of words, each bound to what decides on it.
 *
 *   word                  of an access plugin, with its argument where it takes one
 *   type:table            check_client_access type:table in the list for clients, and so on
 *   class                 the restrictions that the parameter of that name lists
 *   warn_if_reject        the word that follows refuses nobody; the log says what it would have done
 *   reject_unlisted_recipient, reject_unlisted_sender
 *                         what unlisted.h says
 */
#ifndef RECEIVE_RESTRICTIONS_H
#define RECEIVE_RESTRICTIONS_H

#include "receive/access.h"

#define RESTRICTIONS_DEPTH_MAX 20 /* classes and tables' results within each other */

enum restriction_list_id {
    RESTRICTIONS_CLIENT,
    RESTRICTIONS_HELO,
    RESTRICTIONS_SENDER,
    RESTRICTIONS_RELAY,
    RESTRICTIONS_RECIPIENT,
    RESTRICTIONS_DATA,
    RESTRICTIONS_END_OF_DATA,
    RESTRICTIONS_ETRN,
    RESTRICTIONS_COUNT,
};

enum restriction_kind {
    RESTRICTION_PLUGIN,
    RESTRICTION_CLASS,
    RESTRICTION_WARN_IF_REJECT,
    RESTRICTION_UNLISTED_RECIPIENT,
    RESTRICTION_UNLISTED_SENDER,
};

/* ---- reading words --------------------------------------------------------------------------- */

/* Whom to ask what a word is. */
struct restriction_vocabulary {
    /* NULL: no plugin's. */
    const struct sluice_restriction *(*find)(const struct restriction_vocabulary *vocabulary,
                                             const char *word);
    bool (*has_class)(const struct restriction_vocabulary *vocabulary, const char *word);
};

/* A word of a list, and what belongs to it. */
struct restriction_reading {
    enum restriction_kind kind;
    const char *word;     /* check_client_access for a table alone; one of items, or it stays */
    const char *argument; /* NULL: it takes none */
    bool refuses;         /* SLUICE_RESTRICTION_REFUSES */
    size_t item_count;    /* how many it takes of the list */
};

/* "smtpd_client_restrictions" */
const char *restrictions_parameter(enum restriction_list_id id);
/* SLUICE_ABOUT_...: what the list is about. */
int32_t restrictions_about(enum restriction_list_id id);

/* Reads the first word of items, of a list that is about that. CONFIG with a text. */
sluice_status restriction_read(const struct restriction_vocabulary *vocabulary, int32_t about,
                               const char *const *items, size_t count,
                               struct restriction_reading *ret_reading, struct error *err);

/* ---- lists ----------------------------------------------------------------------------------- */

struct restriction_list;

struct restriction {
    enum restriction_kind kind;
    const char *name; /* the word, or the class's; borrowed */
    struct access_word word;
    char *argument;                       /* NULL: none */
    char *label;                          /* "access/basic: reject", for the log */
    const struct restriction_list *class;
};

struct restriction_list {
    struct restriction *items;
    size_t count;
};

struct restriction_class;

/* Zero it, and set access. */
struct restrictions {
    struct access *access;
    struct restriction_list lists[RESTRICTIONS_COUNT];
    struct restriction_class *classes;
    size_t class_count;
};

/* All lists of the configuration. CONFIG or TEMP with a text. [main] */
sluice_status restrictions_init(struct restrictions *restrictions, const struct config *config,
                                struct error *err);
void restrictions_done(struct restrictions *restrictions);

/* Appends what the text has, words parted by commas or blanks; for a list that is about that.
 * CONFIG or TEMP with a text. */
sluice_status restriction_list_add(const struct restrictions *restrictions, int32_t about,
                                   struct sluice_span text, struct restriction_list *list,
                                   struct error *err);
void restriction_list_done(struct restriction_list *list);

/* True if one of its words can refuse: without one the list lets everybody through. */
bool restriction_list_refuses(const struct restriction_list *list);

#endif
