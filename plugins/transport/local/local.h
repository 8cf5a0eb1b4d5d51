/* SPDX-License-Identifier: ISC */
/*
 * transport/local: users of this machine and their aliases, as Postfix's local(8) has them.
 *
 *   local.c     the plugin: options, one recipient after the other
 *   alias.c     what stands for a name: alias_maps, included files
 *   members.c   the members of an alias, as text
 *   forward.c   those that are addresses get a message of their own
 *   user.c      a user's mailbox or command, his ~/.forward
 *   expand.c    $user and the like in settings
 *   program.c   commands
 *   account.c   who is a user
 *   textfile.c  files with members
 *
 * A visit is one recipient's way through all that. Members that are files, commands and mailboxes come
 * first; then, unless one of them is to be tried again, the addresses. So nobody gets a message twice
 * because a disk is full.
 */
#ifndef SLUICE_LOCAL_LOCAL_H
#define SLUICE_LOCAL_LOCAL_H

#include "account.h"
#include "deposit.h"
#include "maps.h"
#include "members.h"

/* Where a member stands. */
#define FROM_ALIAS (1u << 0)
#define FROM_FORWARD (1u << 1)
#define FROM_INCLUDE (1u << 2)

struct sluice_transport {
    struct station station;
    struct maps alias_maps;
    char *submission; /* the socket */
    char *delimiters;
    char *spool;
    char *home_mailbox;
    char *mailbox_command;
    char *luser_relay;
    char *forward_path;
    struct account nobody;  /* default_privs */
    unsigned commands_from; /* FROM_... */
    unsigned files_from;
    bool has_special_owners; /* owner_request_special */
    bool expands_owners;     /* expand_owner_alias */
    bool is_owner_strict;
    uint64_t size_limit;
    int64_t command_time_ms;
    unsigned locks;
};

struct visit {
    struct sluice_transport *transport;
    const struct sluice_message *message;
    const struct sluice_recipient *recipient;
    int64_t deadline_ms;
    char local[ACCOUNT_NAME_MAX]; /* the local part, lower case, without quotes */
    char user[ACCOUNT_NAME_MAX];  /* the same without its extension */
    const char *extension;        /* in local; empty: none, or one with a slash */
    struct result result;         /* TEMP before PERM before OK, of all that has been tried */
    bool has_result;
    bool passes_dsn;               /* what was delivered is on its way to somebody else */
    const struct account *account; /* whose rights files and commands get */
    bool has_forward;              /* his ~/.forward is being followed: it counts once */
    char *owner;                   /* the sender of what is forwarded; NULL: the message's */
    struct member_list forward;
};

/* One more result; the worst counts. */
void visit_add(struct visit *visit, const struct result *result);
/* The parts of recipient as texts: false if the name is longer than any name here. */
bool visit_parse(struct visit *visit);

/* Members of an alias or of ~/.forward, as far as they are no addresses: these are kept for the end.
 * alias: whose they are. [task: waits] */
void visit_members(struct visit *visit, const struct member_list *members, unsigned from,
                   const char *alias);
/* alias.c: the end: the addresses. [task: waits] */
void visit_finish(struct visit *visit);
/* alias.c: OK: it was one, and all has been done; NOT_FOUND: it is none; TEMP: in visit. [task: waits] */
sluice_status visit_alias(struct visit *visit);
/* user.c: the mailbox of that user. [task: waits] */
void visit_user(struct visit *visit, const char *user);
/* user.c: a file that a member names. [task: waits] */
void visit_file(struct visit *visit, const char *path);
/* program.c [task: waits] */
void visit_command(struct visit *visit, const char *command, const struct account *account);

/* expand.c: what $name, ${name} and ${name?text} of a setting stand for; the caller frees it. NULL: no
 * memory, or no such name. account may be NULL: there is no such user. */
char *visit_expand(const struct visit *visit, const char *text, const struct account *account);

#endif
