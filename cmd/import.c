/* SPDX-License-Identifier: ISC */
/*
 * import: sluice import postfix DIR [-o FILE]: a sluice.conf from main.cf and master.cf in that folder.
 *
 * Without -o the configuration goes to standard output, and what became of each parameter to standard error;
 * with it that goes to standard output. The result is checked by sluiced -t, whose words are passed on.
 * Exit codes: 0; 1: something is lost that changes where mail goes or who may relay, or the result does
 * not check; 64, 66 no main.cf, 73 FILE cannot be written, 78 the files make no sense.
 */
#include "import.h"

#include "program.h"

#include "base/durable.h"
#include "base/span.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define EXIT_LOST 1

static void say_report(const struct import *import)
{
    if (import->report.text.len > 0)
        (void)fwrite(import->report.text.ptr, 1, import->report.text.len, stderr);
}

/* ---- checking the result ---------------------------------------------------------------------- */

/* The exit status of sluiced -t; its words go to standard error. */
static int run_check(const char *program, const char *folder, const char *config)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if ((folder == NULL || chdir(folder) == 0) && dup2(STDERR_FILENO, STDOUT_FILENO) != -1)
            (void)execl(program, "sluiced", "-t", "-c", config, (char *)NULL);
        _exit(EX_OSERR);
    }
    if (pid == -1 || waitpid(pid, &status, 0) != pid)
        return EX_OSERR;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* A copy in a folder of its own, as the result is on standard output. */
static int check_copy(const struct import *import, const char *program)
{
    char folder[] = "/tmp/sluice-import-XXXXXX";
    char path[sizeof(folder) + sizeof("/sluice.conf")];
    int status = EX_CANTCREAT;

    if (mkdtemp(folder) == NULL)
        return status;
    (void)snprintf(path, sizeof(path), "%s/sluice.conf", folder); /* it fits */
    if (durable_write_file(path, buffer_span(&import->text), 0600, NULL) == SLUICE_OK)
        status = run_check(program, folder, "sluice.conf");
    (void)unlink(path); /* what is left is temporary */
    (void)rmdir(folder);
    return status;
}

/* False: the result does not check, which has been said. */
static bool check_result(const struct import *import, const char *output)
{
    char program[PATH_MAX];
    int status;

    if (!program_find("sluiced", program) || access(program, X_OK) != 0) {
        (void)fputs("sluice: there is no sluiced here: check the result with sluiced -t\n", stderr);
        return true;
    }
    status = output != NULL ? run_check(program, NULL, output) : check_copy(import, program);
    if (status != EX_OK)
        (void)fprintf(stderr, "sluice: sluiced -t: exit status %d: look at what it says above\n",
                      status);
    return status == EX_OK;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static bool open_folder(struct import *import, const char *folder)
{
    char *path = realpath(folder, NULL);
    const char *main_path = arena_printf(&import->arena, "%s/main.cf", folder);

    if (path == NULL || access(main_path, F_OK) != 0) {
        free(path);
        (void)fprintf(stderr, "%s: %s\n", main_path, strerror(errno));
        return false;
    }
    import->path = folder;
    import->folder = arena_text(&import->arena, sluice_span_of(path));
    free(path);
    return true;
}

/* False: the report says why. */
static bool convert(struct import *import)
{
    bool has_main = import_read_main(import);

    if (!import_read_master(import) || !has_main)
        return false;
    if (!import_learn(import))
        return false;
    import_drop_disabled(import);
    import_find_server(import);
    import_find_transports(import);
    if (!import_learn(import))
        return false;
    import_comment(import, "", "Imported from %s by sluice import postfix.", import->folder);
    import_write_parameters(import);
    import_write_defaults(import);
    import_write_listen(import);
    import_write_transports(import);
    import_write_tables(import);
    return import->report.error_count == 0 && !buffer_failed(&import->text);
}

/* Who may read main.cf may read the result: there may be passwords in it. */
static mode_t result_mode(struct import *import)
{
    struct stat info;

    if (stat(arena_printf(&import->arena, "%s/main.cf", import->folder), &info) != 0)
        return 0600;
    return 0600 | (info.st_mode & 0044);
}

/* Where the result goes; the exit code. */
static int write_result(struct import *import, const char *output)
{
    struct error err = ERROR_INIT;

    if (output == NULL)
        (void)fwrite(import->text.ptr, 1, import->text.len,
                     stdout); /* main looks at stdout in the end */
    else if (durable_write_file(output, buffer_span(&import->text), result_mode(import), &err) !=
             SLUICE_OK)
        return sluice_fatal(EX_CANTCREAT, "%s", err.text);
    return EX_OK;
}

static int finish(const struct sluice *sluice, struct import *import)
{
    int code = write_result(import, sluice->output);

    if (code != EX_OK)
        return code;
    import_print_notes(import, sluice->output != NULL ? stdout : stderr, sluice->wants_json);
    (void)fflush(stdout); /* before what the check says */
    if (!check_result(import, sluice->output) || import->counts[IMPORT_LOST] > 0)
        code = EXIT_LOST;
    return code;
}

int sluice_import(const struct sluice *sluice, const char *folder)
{
    struct import import = {.report = REPORT_INIT};
    int code = EX_NOINPUT;

    import.plugin_folder = sluice_plugin_folder(&import.arena);
    if (open_folder(&import, folder)) {
        code = convert(&import) ? EX_OK : EX_CONFIG;
        say_report(&import);
        if (code == EX_OK)
            code = finish(sluice, &import);
    }
    draft_done(&import.known);
    report_done(&import.report);
    buffer_done(&import.text);
    arena_done(&import.arena);
    return code;
}
