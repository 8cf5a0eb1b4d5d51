/* SPDX-License-Identifier: ISC */
/*
 * control_client: one request, lines back.
 */
#include "control_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SILENCE_S 60 /* the daemon may be busy for so long */

sluice_status control_read_config(struct draft *draft, const char *config_path, struct error *err)
{
    if (access(config_path, R_OK) == -1)
        return error_set(err, SLUICE_CONFIG, "open %s: %s", config_path, strerror(errno));
    draft_read(draft, config_path);
    if (draft->file.path_count == 0) /* a folder, say; the defaults are not meant */
        return error_set(err, SLUICE_CONFIG, "%s is no file that can be read", config_path);
    return SLUICE_OK;
}

static sluice_status socket_of(struct draft *draft, const char *config_path, const char *name,
                               struct sockaddr_un *ret_address, struct error *err)
{
    const struct draft_parameter *folder = draft_parameter(draft, "run_directory");

    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (folder == NULL || folder->value.text == NULL)
        return error_set(err, SLUICE_CONFIG, "%s: run_directory does not check", config_path);
    if ((size_t)snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%s/%s",
                         folder->value.text, name) >= sizeof(ret_address->sun_path))
        return error_set(err, SLUICE_CONFIG, "%s: run_directory is too long", config_path);
    return SLUICE_OK;
}

sluice_status control_connect(struct draft *draft, const char *config_path, const char *name,
                              int *ret_fd, struct error *err)
{
    struct timeval silence = {.tv_sec = SILENCE_S};
    struct sockaddr_un address;
    sluice_status st = socket_of(draft, config_path, name, &address, err);

    if (st != SLUICE_OK)
        return st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)); /* else we wait */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == -1) {
        st = error_set(err, SLUICE_UNSUPPORTED, "the mail system is down (%s: %s)",
                       address.sun_path, strerror(errno));
        (void)close(fd); /* never used */
        return st;
    }
    *ret_fd = fd;
    return SLUICE_OK;
}

static sluice_status open_control(const char *config_path, FILE **ret_file, struct error *err)
{
    struct draft draft;
    int fd = -1;

    draft_init(&draft);
    sluice_status st = control_read_config(&draft, config_path, err);
    if (st == SLUICE_OK)
        st = control_connect(&draft, config_path, "control", &fd, err);
    draft_done(&draft);
    if (st != SLUICE_OK)
        return st;
    *ret_file = fdopen(fd, "r+");
    if (*ret_file != NULL)
        return SLUICE_OK;
    (void)close(fd); /* never used */
    return error_set(err, SLUICE_TEMP, "out of memory");
}

static sluice_status status_of(const char *name)
{
    for (sluice_status st = SLUICE_OK; st <= SLUICE_UNSUPPORTED; st++) {
        if (strcmp(status_name(st), name) == 0)
            return st;
    }
    return SLUICE_TEMP;
}

static sluice_status read_end(const json_t *end, struct error *err)
{
    return error_set(err, status_of(control_text(end, "status")), "%s", control_text(end, "text"));
}

/* Who takes the answer. */
struct taker {
    control_line *line;
    control_content *content;
    void *user;
};

static bool read_content(FILE *file, long long size, const struct taker *taker)
{
    char chunk[16384];

    while (size > 0) {
        size_t wanted = size < (long long)sizeof(chunk) ? (size_t)size : sizeof(chunk);
        size_t len = fread(chunk, 1, wanted, file);

        if (len == 0)
            return false;
        taker->content(taker->user, chunk, len);
        size -= (long long)len;
    }
    return true;
}

/* False: the answer breaks off. */
static bool take_line(FILE *file, const json_t *object, const struct taker *taker)
{
    const json_t *size = json_object_get(object, "content_size");

    if (size != NULL && taker->content != NULL)
        return read_content(file, (long long)json_integer_value(size), taker);
    if (taker->line != NULL)
        taker->line(taker->user, object);
    return true;
}

static sluice_status read_answer(FILE *file, const struct taker *taker, struct error *err)
{
    sluice_status st = SLUICE_TEMP;
    bool is_whole = true;
    bool is_ended = false;
    char *text = NULL;
    size_t size = 0;

    while (is_whole && !is_ended && getline(&text, &size, file) > 0) {
        json_t *object = json_loads(text, 0, NULL);

        if (object == NULL)
            break;
        is_ended = json_is_true(json_object_get(object, "end"));
        if (is_ended)
            st = read_end(object, err);
        else
            is_whole = take_line(file, object, taker);
        json_decref(object);
    }
    free(text);
    return is_ended ? st : error_set(err, SLUICE_TEMP, "the daemon's answer broke off");
}

/* A failure shows in the answer, or as one that breaks off: of what is too long the daemon does not read all. */
static void send_request(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t len = text != NULL ? strlen(text) : 0;
    ssize_t sent = 0;

    for (size_t at = 0; at < len && sent >= 0; at += (size_t)sent)
        sent = send(fd, text + at, len - at, MSG_NOSIGNAL);
    (void)send(fd, "\n", 1, MSG_NOSIGNAL);
    free(text);
}

static sluice_status ask(const char *config_path, json_t *request, const struct taker *taker,
                         struct error *err)
{
    FILE *file = NULL;
    sluice_status st = request != NULL
                           ? open_control(config_path, &file, err)
                           : error_set(err, SLUICE_TEMP, "an argument is not UTF-8, or no memory");

    if (st == SLUICE_OK) {
        send_request(fileno(file), request);
        st = read_answer(file, taker, err);
        (void)fclose(file);
    }
    json_decref(request);
    return st;
}

sluice_status control_ask(const char *config_path, json_t *request, control_line *line, void *user,
                          struct error *err)
{
    const struct taker taker = {.line = line, .user = user};

    return ask(config_path, request, &taker, err);
}

sluice_status control_ask_content(const char *config_path, json_t *request, control_line *line,
                                  control_content *content, void *user, struct error *err)
{
    const struct taker taker = {.line = line, .content = content, .user = user};

    return ask(config_path, request, &taker, err);
}

const char *control_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

long long control_number(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}
