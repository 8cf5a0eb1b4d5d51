/* SPDX-License-Identifier: ISC */
/* faults: a disk that fails when it is told to. The calls; cut.c: the cut. */
#include "faults.h"
#include "model.h"
#include "shadow.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* One for the process, as the calls that it stands in for are. */
static struct {
    enum fault fault;
    unsigned long nth;
    enum fault second;
    unsigned long second_nth;
    unsigned long count;
    bool is_armed;
    enum faults_kind counted;
    unsigned one_in; /* 0: none fails by chance */
    bool may_be_short;
    unsigned full; /* calls that the disk is still full for */
    uint64_t state;
} faults;

void faults_arm(enum fault fault, unsigned long nth)
{
    faults.fault = fault;
    faults.nth = nth;
    faults.second = FAULT_NONE;
    faults.count = 0;
    faults.is_armed = true;
}

void faults_arm_second(enum fault fault, unsigned long after)
{
    faults.second = fault;
    faults.second_nth = faults.nth + after;
}

void faults_arm_random(uint64_t seed, unsigned one_in, bool may_be_short)
{
    faults.state = seed;
    faults.one_in = one_in;
    faults.may_be_short = may_be_short;
    faults.is_armed = true;
}

void faults_disarm(void)
{
    faults.is_armed = false;
    faults.one_in = 0;
    faults.full = 0;
}

void faults_limit_to(enum faults_kind kind)
{
    faults.counted = kind;
}

unsigned long faults_count(void)
{
    return faults.count;
}

enum verdict { PASS, FAIL, HALF };

static enum verdict meet(enum fault fault, bool is_write)
{
    switch (fault) {
    case FAULT_NONE:
        return PASS;
    case FAULT_KILL:
        (void)raise(SIGKILL);
        return FAIL;
    case FAULT_SHORT:
        return is_write ? HALF : PASS;
    case FAULT_EIO:
        errno = EIO;
        return FAIL;
    case FAULT_ENOSPC:
        errno = ENOSPC;
        return FAIL;
    }
    return PASS;
}

enum kind { SYNC, WRITE, SPACE, NAME };

#define FULL_MAX 20

static enum fault choose_fault(void)
{
    if (faults.full > 0) {
        faults.full--;
        return FAULT_ENOSPC;
    }
    if (faults.one_in == 0 || model_random(&faults.state) % faults.one_in != 0)
        return FAULT_NONE;
    switch (model_random(&faults.state) % 3) {
    case 0:
        faults.full = (unsigned)(model_random(&faults.state) % FULL_MAX);
        return FAULT_ENOSPC;
    case 1:
        if (faults.may_be_short)
            return FAULT_SHORT;
        /* fall through */
    default:
        return FAULT_EIO;
    }
}

static bool is_counted(enum kind kind)
{
    return faults.counted == FAULTS_ALL || (faults.counted == FAULTS_SYNCS && kind == SYNC) ||
           (faults.counted == FAULTS_NAMES && kind == NAME);
}

static enum verdict judge_alone(enum kind kind)
{
    if (!faults.is_armed)
        return PASS;
    if (is_counted(kind)) {
        faults.count++;
        if (faults.count == faults.nth)
            return meet(faults.fault, kind == WRITE);
        if (faults.count == faults.second_nth)
            return meet(faults.second, kind == WRITE);
    }
    return meet(choose_fault(), kind == WRITE);
}

/* What is to happen to this call; errno is set for FAIL. */
static enum verdict judge(enum kind kind)
{
    static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
    enum verdict verdict;

    pthread_mutex_lock(&guard);
    verdict = judge_alone(kind);
    pthread_mutex_unlock(&guard);
    return verdict;
}

/* Zeros only fill a file up; a store that does that would be tested for nothing else. */
static enum verdict judge_write(const void *data, size_t size)
{
    const char *bytes = data;
    bool is_filler = size >= 512 && bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;

    return is_filler ? PASS : judge(WRITE);
}

/* The C library's own, by name; looked up once. */
#define REAL(result, name, parameters)                                                             \
    static result(*real) parameters;                                                               \
    if (real == NULL)                                                                              \
    *(void **)&real = dlsym(RTLD_NEXT, name)

#define EXPORT __attribute__((visibility("default")))

#define DEFINE_PWRITE(name)                                                                        \
    EXPORT ssize_t name(int fd, const void *data, size_t size, off_t offset)                       \
    {                                                                                              \
        enum verdict verdict = judge_write(data, size);                                            \
        ssize_t done;                                                                              \
        REAL(ssize_t, #name, (int, const void *, size_t, off_t));                                  \
        if (verdict == FAIL)                                                                       \
            return -1;                                                                             \
        done = real(fd, data, verdict == HALF ? (size + 1) / 2 : size, offset);                    \
        shadow_write(fd, offset, done);                                                            \
        return done;                                                                               \
    }

#define DEFINE_SYNC(name)                                                                          \
    EXPORT int name(int fd)                                                                        \
    {                                                                                              \
        REAL(int, #name, (int));                                                                   \
        if (judge(SYNC) != PASS) {                                                                 \
            int error = errno;                                                                     \
                                                                                                   \
            shadow_drop(fd);                                                                       \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
        shadow_sync(fd); /* first: what others write meanwhile is not promised */                  \
        return real(fd);                                                                           \
    }

#define DEFINE_FALLOCATE(name)                                                                     \
    EXPORT int name(int fd, int mode, off_t offset, off_t size)                                    \
    {                                                                                              \
        REAL(int, #name, (int, int, off_t, off_t));                                                \
        return judge(SPACE) != PASS ? -1 : real(fd, mode, offset, size);                           \
    }

#define DEFINE_FTRUNCATE(name)                                                                     \
    EXPORT int name(int fd, off_t size)                                                            \
    {                                                                                              \
        REAL(int, #name, (int, off_t));                                                            \
        return judge(SPACE) != PASS ? -1 : real(fd, size);                                         \
    }

ssize_t pwrite(int, const void *, size_t, off_t);
ssize_t pwrite64(int, const void *, size_t, off_t);
int fallocate64(int, int, off_t, off_t);
int ftruncate64(int, off_t);

DEFINE_PWRITE(pwrite)
DEFINE_PWRITE(pwrite64)
DEFINE_SYNC(fsync)
DEFINE_SYNC(fdatasync)
DEFINE_FALLOCATE(fallocate)
DEFINE_FALLOCATE(fallocate64)
DEFINE_FTRUNCATE(ftruncate)
DEFINE_FTRUNCATE(ftruncate64)

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    enum verdict verdict = judge_write(data, size);
    ssize_t done;

    REAL(ssize_t, "write", (int, const void *, size_t));
    if (verdict == FAIL)
        return -1;
    done = real(fd, data, verdict == HALF ? (size + 1) / 2 : size);
    if (shadow_is_on())
        shadow_write(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    enum verdict verdict = judge(WRITE);
    ssize_t done;

    REAL(ssize_t, "pwritev", (int, const struct iovec *, int, off_t));
    if (verdict == FAIL)
        return -1;
    done = real(fd, pieces, verdict == HALF ? (count + 1) / 2 : count, offset);
    shadow_write(fd, offset, done);
    return done;
}

EXPORT int linkat(int from, const char *old, int to, const char *name, int flags)
{
    REAL(int, "linkat", (int, const char *, int, const char *, int));
    return judge(NAME) != PASS ? -1 : real(from, old, to, name, flags);
}

EXPORT int unlinkat(int folder, const char *name, int flags)
{
    REAL(int, "unlinkat", (int, const char *, int));
    if (judge(NAME) != PASS)
        return -1;
    shadow_keep(folder, name);
    return real(folder, name, flags);
}

EXPORT int unlink(const char *path)
{
    REAL(int, "unlink", (const char *));
    if (judge(NAME) != PASS)
        return -1;
    shadow_keep(AT_FDCWD, path);
    return real(path);
}

EXPORT int renameat(int from, const char *old, int to, const char *name)
{
    REAL(int, "renameat", (int, const char *, int, const char *));
    if (judge(NAME) != PASS)
        return -1;
    shadow_keep(to, name);
    return real(from, old, to, name);
}

EXPORT int rename(const char *old, const char *name)
{
    REAL(int, "rename", (const char *, const char *));
    if (judge(NAME) != PASS)
        return -1;
    shadow_keep(AT_FDCWD, name);
    return real(old, name);
}
