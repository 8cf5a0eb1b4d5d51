/* SPDX-License-Identifier: ISC */
/*
 * fibre: contexts on mapped stacks, with what ASan, LSan and TSan need to follow.
 *
 * A mapping holds, from its bottom: the guard, the stack, and at the top the struct fibre itself, on
 * the page of the first frames: a task that waits near its beginning holds one page.
 */
#include "task/fibre.h"

#include <stdint.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define STACK_FACTOR 4 /* its frames are larger */
#else
#define STACK_FACTOR 1
#endif
#ifdef HAS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* More than a page: a frame with a large array may step over a small guard. */
#define GUARD_SIZE ((size_t)64 * 1024)
#define TOP_SIZE ((sizeof(struct fibre) + 63) / 64 * 64)
/* A page more, of which the struct takes the end and the first frames the rest. */
#define MAPPING_SIZE (GUARD_SIZE + FIBRE_STACK_SIZE * STACK_FACTOR + 4096)
#define STACK_SIZE (MAPPING_SIZE - GUARD_SIZE - TOP_SIZE)
/* Mapping a stack, its first touch and unmapping it cost 10 µs; a kept one costs its memory. */
#define IDLE_MAX 128

/* Stacks are kept by the thread that has the loop, of which a process has one. */
static struct {
    struct fibre *first;
    size_t count;
} idle;

/* ---- sanitizers ------------------------------------------------------------------------------ */

#ifdef HAS_ASAN
/* Parked frames hold the only pointers to much of the heap: LSan has to look there. */
static void announce(struct fibre *fibre)
{
    __asan_unpoison_memory_region(fibre->mapping + GUARD_SIZE, STACK_SIZE);
    __lsan_register_root_region(fibre->mapping + GUARD_SIZE, STACK_SIZE + TOP_SIZE);
    fibre->asan_bottom = fibre->mapping + GUARD_SIZE;
    fibre->asan_size = STACK_SIZE;
}

static void retract(struct fibre *fibre)
{
    __lsan_unregister_root_region(fibre->mapping + GUARD_SIZE, STACK_SIZE + TOP_SIZE);
}

static void before_switch(struct fibre *from, const struct fibre *to, bool is_last)
{
    __sanitizer_start_switch_fiber(is_last ? NULL : &from->fake_stack, to->asan_bottom,
                                   to->asan_size);
}

static void after_switch(struct fibre *now, struct fibre *from)
{
    __sanitizer_finish_switch_fiber(now != NULL ? now->fake_stack : NULL,
                                    from != NULL ? &from->asan_bottom : NULL,
                                    from != NULL ? &from->asan_size : NULL);
}
#elif defined(HAS_TSAN)
static void announce(struct fibre *fibre)
{
    fibre->tsan_fibre = __tsan_create_fiber(0);
}

static void retract(struct fibre *fibre)
{
    __tsan_destroy_fiber(fibre->tsan_fibre);
}

static void before_switch(struct fibre *from, const struct fibre *to, bool is_last)
{
    (void)from;
    (void)is_last;
    __tsan_switch_to_fiber(to->tsan_fibre, 0);
}

static void after_switch(struct fibre *now, struct fibre *from)
{
    (void)now;
    (void)from;
}
#else
static void announce(struct fibre *fibre)
{
    (void)fibre;
}

static void retract(struct fibre *fibre)
{
    (void)fibre;
}

static void before_switch(struct fibre *from, const struct fibre *to, bool is_last)
{
    (void)from;
    (void)to;
    (void)is_last;
}

static void after_switch(struct fibre *now, struct fibre *from)
{
    (void)now;
    (void)from;
}
#endif

/* ---- stacks ---------------------------------------------------------------------------------- */

static struct fibre *map_stack(void)
{
    char *mapping = mmap(NULL, MAPPING_SIZE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping + GUARD_SIZE, MAPPING_SIZE - GUARD_SIZE, PROT_READ | PROT_WRITE) == -1) {
        (void)munmap(mapping, MAPPING_SIZE);
        return NULL;
    }
    struct fibre *fibre = (struct fibre *)(void *)(mapping + GUARD_SIZE + STACK_SIZE);
    fibre->mapping = mapping;
    return fibre;
}

static struct fibre *take_idle(void)
{
    struct fibre *fibre = idle.first;

    if (fibre == NULL)
        return NULL;
    idle.first = fibre->next_idle;
    idle.count--;
    return fibre;
}

static void prepare(struct fibre *fibre, char *mapping, void (*entry)(void))
{
    *fibre = (struct fibre){.mapping = mapping};
    announce(fibre); /* first: ASan's marks of who had the stack before */
    context_make(&fibre->context, mapping + GUARD_SIZE, STACK_SIZE, entry);
}

struct fibre *fibre_new(void (*entry)(void))
{
    struct fibre *fibre = take_idle();
    if (fibre == NULL)
        fibre = map_stack();
    if (fibre != NULL)
        prepare(fibre, fibre->mapping, entry);
    return fibre;
}

void fibre_free(struct fibre *fibre)
{
    if (fibre == NULL)
        return;
    retract(fibre);
    if (idle.count >= IDLE_MAX) {
        (void)munmap(fibre->mapping, MAPPING_SIZE);
        return;
    }
    fibre->next_idle = idle.first;
    idle.first = fibre;
    idle.count++;
}

void fibre_free_idle(void)
{
    struct fibre *fibre;

    while ((fibre = take_idle()) != NULL)
        (void)munmap(fibre->mapping, MAPPING_SIZE);
}

/* ---- switching ------------------------------------------------------------------------------- */

void fibre_init_thread(struct fibre *fibre)
{
    *fibre = (struct fibre){0};
#ifdef HAS_TSAN
    fibre->tsan_fibre = __tsan_get_current_fiber();
#endif
}

void fibre_switch(struct fibre *from, struct fibre *to, bool is_last)
{
    before_switch(from, to, is_last);
    context_switch(&from->context, &to->context);
    after_switch(from, NULL);
}

void fibre_entered(struct fibre *from)
{
    /* Only here does ASan tell us where the thread's own stack is. */
    after_switch(NULL, from);
}

bool fibre_guards(const struct fibre *fibre, const void *address)
{
    uintptr_t bottom = (uintptr_t)fibre->mapping;

    return fibre->mapping != NULL && (uintptr_t)address >= bottom &&
           (uintptr_t)address < bottom + GUARD_SIZE;
}
