/* SPDX-License-Identifier: ISC */
/* subject: the store under test, and the smallest host that can open it. */
#include "subject.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTINGS_MAX 16

struct traits traits = {.seed = 1, .walks = 2};

static struct {
    const struct sluice_plugin_desc *desc;
    const struct sluice_queue_ops *ops;
    size_t setting_count;
    struct {
        const char *key;
        const char *value;
    } settings[SETTINGS_MAX];
} subject;

static void explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)errors;
    explained.count++;
    (void)snprintf(explained.dsn, sizeof(explained.dsn), "%s", dsn != NULL ? dsn : "");
    (void)snprintf(explained.text, sizeof(explained.text), "%s", text);
}

_Thread_local struct explained explained = {
    .errors = {.struct_size = sizeof(struct sluice_errors), .explain = explain}};

static const struct sluice_errors *fresh_errors(void)
{
    explained.count = 0;
    explained.dsn[0] = '\0';
    explained.text[0] = '\0';
    return &explained.errors;
}

/* ---- options -------------------------------------------------------------------------------- */

static const struct sluice_option *find_option(const char *key)
{
    for (uint32_t i = 0; i < subject.desc->option_count; i++) {
        const char *at =
            (const char *)subject.desc->options + (size_t)i * subject.desc->option_size;
        const struct sluice_option *option = (const struct sluice_option *)(const void *)at;

        if (strcmp(option->key, key) == 0)
            return option;
    }
    return NULL;
}

static const char *get_text(const struct sluice_config *config, const char *key)
{
    const struct sluice_option *option = find_option(key);

    (void)config;
    for (size_t i = 0; i < subject.setting_count; i++) {
        if (option != NULL && strcmp(subject.settings[i].key, key) == 0)
            return subject.settings[i].value;
    }
    return option != NULL ? option->fallback : NULL;
}

static int32_t is_set(const struct sluice_config *config, const char *key)
{
    return get_text(config, key) != NULL;
}

/* Sizes and plain numbers are all that stores have. */
static int64_t get_number(const struct sluice_config *config, const char *key)
{
    const char *text = get_text(config, key);
    char *unit;
    int64_t number;

    if (text == NULL)
        return 0;
    number = strtoll(text, &unit, 10);
    switch (*unit) {
    case 'G':
        number *= 1024; /* fall through */
    case 'M':
        number *= 1024; /* fall through */
    case 'K':
        number *= 1024;
        break;
    default:
        break;
    }
    return number;
}

static size_t get_count(const struct sluice_config *config, const char *key)
{
    (void)config;
    (void)key;
    return 0;
}

static const char *get_item(const struct sluice_config *config, const char *key, size_t index)
{
    (void)config;
    (void)key;
    (void)index;
    return NULL;
}

static const void *get_service(const struct sluice_host *host, const char *id)
{
    (void)host;
    (void)id;
    return NULL; /* a store must do without */
}

static const struct sluice_config config = {
    .struct_size = sizeof(config),
    .is_set = is_set,
    .get_text = get_text,
    .get_number = get_number,
    .get_count = get_count,
    .get_item = get_item,
};

static const struct sluice_host host = {
    .struct_size = sizeof(host),
    .abi_minor = SLUICE_ABI_MINOR,
    .version = "0",
    .instance = "contract",
    .get_service = get_service,
};

/* ---- the plugin ----------------------------------------------------------------------------- */

static void give_up(const char *path, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", path, why);
    exit(EXIT_FAILURE);
}

void subject_load(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct sluice_plugin_desc *(*entry)(void) = NULL;

    if (handle == NULL)
        give_up(path, dlerror());
    *(void **)&entry = dlsym(handle, "sluice_plugin_entry_v1");
    if (entry == NULL)
        give_up(path, dlerror());
    subject.desc = entry();
    subject.ops = subject.desc->get_interface(SLUICE_QUEUE_ID);
    if (subject.ops == NULL)
        give_up(path, "does not offer " SLUICE_QUEUE_ID);
}

void subject_set(const char *key, const char *value)
{
    if (subject.setting_count == SETTINGS_MAX)
        give_up(key, "too many settings");
    subject.settings[subject.setting_count].key = key;
    subject.settings[subject.setting_count].value = value;
    subject.setting_count++;
}

bool subject_can_stage(void)
{
    return SLUICE_HAS(struct sluice_queue_ops, subject.ops, stage);
}

bool subject_maintains_aside(void)
{
    return (subject.ops->flags & SLUICE_QUEUE_MAINTAIN_ASIDE) != 0;
}

sluice_status subject_open(const char *folder, struct sluice_queue **ret_queue)
{
    return subject.ops->open(&host, &config, folder, fresh_errors(), ret_queue);
}

void subject_close(struct sluice_queue *queue)
{
    subject.ops->close(queue);
}

sluice_status subject_apply(struct sluice_queue *queue, const struct change *changes, size_t count)
{
    return subject.ops->apply(queue, &changes->base, count, sizeof(*changes), fresh_errors());
}

sluice_status subject_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    *ret_space = (struct sluice_queue_space){.struct_size = sizeof(*ret_space)};
    return subject.ops->space(queue, ret_space);
}

sluice_status subject_maintain(struct sluice_queue *queue, int64_t budget_ms)
{
    if (!SLUICE_HAS(struct sluice_queue_ops, subject.ops, maintain))
        return SLUICE_NOT_FOUND;
    return subject.ops->maintain(queue, budget_ms, fresh_errors());
}

/* ---- sinks ---------------------------------------------------------------------------------- */

struct sink {
    struct sluice_queue_sink base;
    struct found *found;
    void (*message)(void *user, const struct found *found);
    void *user;
    int staged_fd;
};

static char *copy(struct sluice_span span)
{
    char *bytes = malloc(span.len + 1);

    if (bytes == NULL)
        abort();
    if (span.len > 0)
        memcpy(bytes, span.ptr, span.len);
    return bytes;
}

static sluice_status on_message(const struct sluice_queue_sink *base, uint64_t id, uint32_t flags,
                                struct sluice_span record, uint64_t content_size)
{
    const struct sink *sink = (const struct sink *)base;
    struct found *found = sink->found;

    free(found->record);
    found->messages++;
    found->id = id;
    found->flags = flags;
    found->record = copy(record);
    found->record_size = record.len;
    found->content_size = content_size;
    if (sink->message != NULL)
        sink->message(sink->user, found);
    return SLUICE_OK;
}

static sluice_status on_content(const struct sluice_queue_sink *base, struct sluice_span content)
{
    struct found *found = ((const struct sink *)base)->found;

    free(found->content);
    found->contents++;
    found->content = copy(content);
    found->content_read = content.len;
    return SLUICE_OK;
}

static sluice_status on_content_file(const struct sluice_queue_sink *base, int fd, uint64_t size)
{
    struct found *found = ((const struct sink *)base)->found;
    char *bytes = malloc((size_t)size + 1);
    ssize_t got;

    if (bytes == NULL)
        abort();
    free(found->content);
    found->contents++;
    found->content = bytes;
    got = pread(fd, bytes, (size_t)size + 1, 0); /* one more than there may be */
    found->content_read = got < 0 ? 0 : (size_t)got;
    return SLUICE_OK;
}

static sluice_status on_staged(const struct sluice_queue_sink *base, int fd)
{
    ((struct sink *)(uintptr_t)base)->staged_fd = dup(fd);
    return SLUICE_OK;
}

static struct sink sink_of(struct found *found)
{
    return (struct sink){.base = {.struct_size = sizeof(struct sluice_queue_sink),
                                  .message = on_message,
                                  .content = on_content,
                                  .content_file = on_content_file,
                                  .staged = on_staged},
                         .found = found,
                         .staged_fd = -1};
}

sluice_status subject_read(struct sluice_queue *queue, uint64_t id, struct found *found)
{
    struct sink sink = sink_of(found);

    *found = (struct found){0};
    return subject.ops->read(queue, id, &sink.base, &explained.errors);
}

sluice_status subject_read_record(struct sluice_queue *queue, uint64_t id, struct found *found)
{
    struct sink sink = sink_of(found);

    sink.base.content = NULL;
    sink.base.content_file = NULL;
    *found = (struct found){0};
    return subject.ops->read(queue, id, &sink.base, &explained.errors);
}

void found_done(struct found *found)
{
    free(found->record);
    free(found->content);
    *found = (struct found){0};
}

sluice_status subject_scan(struct sluice_queue *queue,
                           void (*message)(void *user, const struct found *found), void *user)
{
    struct found found = {0};
    struct sink sink = sink_of(&found);
    sluice_status st;

    sink.message = message;
    sink.user = user;
    st = subject.ops->scan(queue, &sink.base, fresh_errors());
    found_done(&found);
    return st;
}

sluice_status subject_stage(struct sluice_queue *queue, uint64_t id, int *ret_fd)
{
    struct sink sink = sink_of(NULL);
    sluice_status st = subject.ops->stage(queue, id, &sink.base, &explained.errors);

    if (st == SLUICE_OK)
        *ret_fd = sink.staged_fd;
    return st;
}

/* ---- changes -------------------------------------------------------------------------------- */

static struct change change_of(int32_t kind, uint64_t id)
{
    return (struct change){
        .base = {.struct_size = sizeof(struct change), .kind = kind, .id = id, .content_fd = -1}};
}

struct change change_put(uint64_t id, uint32_t flags, struct sluice_span record,
                         struct sluice_span content)
{
    struct change change = change_of(SLUICE_QUEUE_PUT, id);

    change.base.flags = flags;
    change.base.record = record;
    change.base.content = content;
    return change;
}

struct change change_update(uint64_t id, uint32_t flags, struct sluice_span record)
{
    struct change change = change_of(SLUICE_QUEUE_UPDATE, id);

    change.base.flags = flags;
    change.base.record = record;
    return change;
}

struct change change_remove(uint64_t id)
{
    return change_of(SLUICE_QUEUE_REMOVE, id);
}
