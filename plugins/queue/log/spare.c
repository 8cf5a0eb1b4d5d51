/* SPDX-License-Identifier: ISC */
/* spare: files that no segment needs any more, kept for the next ones. */
#include "spare.h"

#include "log.h"
#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_MAX (UINT32_MAX - 3) /* it may take three to make a segment */

/* ---- the pool ------------------------------------------------------------------------------- */

/* After each change: for those who ask without the lock. */
static void count_bytes(struct sluice_queue *queue)
{
    uint64_t bytes = queue->spares.count * queue->segment_size;

    if (queue->ready.fd != -1)
        bytes += queue->ready.size;
    pthread_rwlock_wrlock(&queue->guard);
    queue->spare_bytes = bytes;
    pthread_rwlock_unlock(&queue->guard);
}

/* Spares are the first to go when the disk gets full. */
static bool has_space(const struct sluice_queue *queue)
{
    return folder_free_bytes(queue->folder) >= (SPARES_MAX + 1) * queue->segment_size;
}

static bool is_wanted(const struct sluice_queue *queue, uint64_t size)
{
    return queue->spares.count < SPARES_MAX && size == queue->segment_size && has_space(queue);
}

/* A file that has the name of a spare. */
static void add(struct sluice_queue *queue, uint32_t number, bool is_usable)
{
    struct spares *spares = &queue->spares;

    if (spares->count < SPARES_MAX)
        spares->items[spares->count++] = (struct spare){number, is_usable};
    else
        (void)name_unlink(queue->folder, NAME_SPARE, number);
    count_bytes(queue);
}

/* The number of a usable one, which is out of the pool from then on; 0: there is none. */
static uint32_t take_number(struct sluice_queue *queue)
{
    struct spares *spares = &queue->spares;

    for (size_t i = 0; i < spares->count; i++) {
        uint32_t number = spares->items[i].number;

        if (spares->items[i].is_usable) {
            spares->items[i] = spares->items[--spares->count];
            count_bytes(queue);
            return number;
        }
    }
    return 0;
}

static void set_ready(struct sluice_queue *queue, struct segment_file file)
{
    queue->ready = file;
    count_bytes(queue);
}

static const struct segment_file none = {.fd = -1};

static bool rename_to_spare(const struct sluice_queue *queue, uint32_t number)
{
    char old[NAME_SIZE];
    char name[NAME_SIZE];

    name_format(old, NAME_SEGMENT, number);
    name_format(name, NAME_SPARE, number);
    return renameat(queue->folder, old, queue->folder, name) == 0;
}

bool spare_retire(struct sluice_queue *queue, uint32_t number, uint64_t size)
{
    bool is_kept = is_wanted(queue, size);
    bool is_gone;

    log_unlock(queue);
    (void)name_unlink(queue->folder, NAME_CHECKPOINT, number); /* or the next start does */
    is_gone =
        is_kept ? rename_to_spare(queue, number) : name_unlink(queue->folder, NAME_SEGMENT, number);
    log_lock(queue);
    if (is_kept && is_gone)
        add(queue, number, false);
    return is_gone;
}

void spare_settle(struct sluice_queue *queue)
{
    for (size_t i = 0; i < queue->spares.count; i++)
        queue->spares.items[i].is_usable = true;
}

/* A segment that was made ready and is not to be used. Its header says so, whatever becomes of the name,
 * so that nothing need be synced. */
static void put_back(struct sluice_queue *queue, const struct segment_file *file)
{
    close(file->fd);
    if (is_wanted(queue, file->size) && rename_to_spare(queue, file->number))
        add(queue, file->number, true);
    else
        (void)name_unlink(queue->folder, NAME_SEGMENT, file->number);
}

bool spare_release(struct sluice_queue *queue)
{
    bool has_any = queue->ready.fd != -1;
    uint32_t number;

    if (has_any) {
        (void)name_unlink(queue->folder, NAME_SEGMENT, queue->ready.number);
        close(queue->ready.fd);
        set_ready(queue, none);
    }
    while ((number = take_number(queue)) != 0) {
        (void)name_unlink(queue->folder, NAME_SPARE, number);
        has_any = true;
    }
    return has_any;
}

/* ---- at the start --------------------------------------------------------------------------- */

/* As long as segments are now, and with all its blocks. */
static bool is_sound(const struct sluice_queue *queue, const char *name)
{
    struct stat info;

    return fstatat(queue->folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           info.st_nlink == 1 && (uint64_t)info.st_blocks * 512 >= (uint64_t)info.st_size &&
           is_wanted(queue, (uint64_t)info.st_size);
}

void spare_found(struct sluice_queue *queue, uint32_t number)
{
    char name[NAME_SIZE];

    name_format(name, NAME_SPARE, number);
    if (is_sound(queue, name))
        add(queue, number, true);
    else
        (void)name_unlink(queue->folder, NAME_SPARE, number);
}

void spare_found_unused(struct sluice_queue *queue, uint32_t number)
{
    if (rename_to_spare(queue, number))
        spare_found(queue, number);
}

/* ---- the next segment ----------------------------------------------------------------------- */

/* Of a spare, or new where that is 0. */
static sluice_status make(const struct sluice_queue *queue, uint32_t number, uint32_t spare,
                          uint64_t size, const struct sluice_errors *errors,
                          struct segment_file *ret_file)
{
    char name[NAME_SIZE];
    sluice_status st;

    if (spare == 0)
        return segment_make(queue->folder, number, size, errors, ret_file);
    name_format(name, NAME_SPARE, spare);
    st = segment_make_of(queue->folder, name, number, errors, ret_file);
    if (st != SLUICE_OK)
        (void)name_unlink(queue->folder, NAME_SPARE, spare);
    return st;
}

static sluice_status make_now(struct sluice_queue *queue, uint64_t size,
                              const struct sluice_errors *errors, struct segment_file *ret_file)
{
    uint32_t spare = size == queue->segment_size ? take_number(queue) : 0;
    sluice_status st = make(queue, ++queue->last_number, spare, size, errors, ret_file);

    if (st != SLUICE_OK && spare_release(queue))
        st = make(queue, ++queue->last_number, 0, size, errors, ret_file);
    return st;
}

static struct kept *last_resort(struct sluice_queue *queue, enum append_kind kind)
{
    switch (kind) {
    case APPEND_RESULTS:
        return &queue->reserve;
    case APPEND_COPIES:
        return &queue->room;
    default:
        return NULL;
    }
}

sluice_status spare_take(struct sluice_queue *queue, uint64_t size, enum append_kind kind,
                         const struct sluice_errors *errors, struct segment_file *ret_file)
{
    uint64_t whole_size = size > queue->segment_size ? size : queue->segment_size;
    struct kept *kept = last_resort(queue, kind);
    bool has_way_out = kept != NULL && kept->is_whole && size <= kept->size;
    struct segment_file ready = queue->ready;
    sluice_status st;

    set_ready(queue, none);
    if (ready.fd != -1 && ready.size >= size) {
        *ret_file = ready;
        return SLUICE_OK;
    }
    if (ready.fd != -1)
        put_back(queue, &ready); /* numbers ascend: its turn would be over */
    if (queue->last_number >= NUMBER_MAX)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no number left for a segment");
    st = make_now(queue, whole_size, has_way_out ? NULL : errors, ret_file);
    if (st == SLUICE_OK || !has_way_out)
        return st;
    kept->is_whole = false;
    return segment_make_of(queue->folder, kept->name, ++queue->last_number, errors, ret_file);
}

static bool has_usable(const struct spares *spares)
{
    for (size_t i = 0; i < spares->count; i++) {
        if (spares->items[i].is_usable)
            return true;
    }
    return false;
}

/* The reserve comes first; and rather of a segment that is just being given up than new. */
static bool should_prepare(const struct sluice_queue *queue)
{
    return queue->ready.fd == -1 && queue->reserve.is_whole && queue->last_number < NUMBER_MAX &&
           (has_usable(&queue->spares) || (!queue->ledger.may_reap && has_space(queue)));
}

sluice_status spare_prepare(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    struct segment_file file = none;
    sluice_status st = SLUICE_NOT_FOUND;

    log_lock(queue);
    if (should_prepare(queue)) {
        uint32_t number = ++queue->last_number;
        uint32_t spare = take_number(queue);

        log_unlock(queue);
        st = make(queue, number, spare, queue->segment_size, errors, &file);
        log_lock(queue);
        if (st == SLUICE_OK && queue->last_number == number)
            set_ready(queue, file);
        else if (st == SLUICE_OK)
            put_back(queue, &file); /* a batch could not wait for it */
    }
    log_unlock(queue);
    return st;
}
