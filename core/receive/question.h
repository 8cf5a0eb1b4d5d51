/* SPDX-License-Identifier: ISC */
/*
 * question: what has been asked of the queue and not been answered.
 *
 * Who gives up waiting leaves the question behind, since its credit is out until the answer comes:
 * however long the queue hangs, no more than so much waits for it.
 */
#ifndef RECEIVE_QUESTION_H
#define RECEIVE_QUESTION_H

#include "base/hash.h"
#include "base/error.h"
#include "ipc/messages.h"

#include <stdbool.h>


struct intake;
struct task;

/* What was asked. */
struct question_key {
    uint64_t ref;
    uint64_t type; /* MESSAGE_COMMIT, ... */
};

struct question {
    struct question_key key;
    struct task *waiter; /* NULL: gave up */
    bool is_answered;
    uint64_t paid; /* COMMIT: bytes of credit that are out */
    int fd;        /* STAGE; until it is taken */
    struct message_released released;
    struct error err; /* status: the answer */
    UT_hash_handle hh;
};

/* The running task's question, whose credit it has taken. NULL: no memory. */
struct question *question_new(struct intake *intake, uint16_t type, uint64_t ref);
struct question *question_find(struct intake *intake, uint16_t type, uint64_t ref);
void question_free(struct intake *intake, struct question *question);
/* What could not be asked: gives its credit back. */
void question_take_back(struct intake *intake, struct question *question);
/* The answer is in it: gives its credit back and wakes who waits. */
void question_answer(struct intake *intake, struct question *question);
/* True once there is an answer; false: the question is not the caller's any more. [task: waits] */
bool question_wait(struct question *question, int64_t deadline_ms);

#endif
