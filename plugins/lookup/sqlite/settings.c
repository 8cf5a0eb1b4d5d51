/* SPDX-License-Identifier: ISC */
/* settings: see settings.h. */
#include "settings.h"

#include "explain.h"
#include "template.h"

#include <stdlib.h>
#include <string.h>

void settings_free(void *data)
{
    struct settings *settings = data;

    if (settings == NULL)
        return;
    free(settings->dbpath);
    free(settings->query);
    free(settings->result_format);
    free(settings->domain);
    free(settings);
}

static int set_text(char **text, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL)
        return 0;
    free(*text);
    *text = copy;
    return 1;
}

static struct settings *settings_new(void)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (settings != NULL && set_text(&settings->dbpath, "") && set_text(&settings->query, "") &&
        set_text(&settings->result_format, "%s") && set_text(&settings->domain, ""))
        return settings;
    settings_free(settings);
    return NULL;
}

/* Names that are not known are left alone, as Postfix does; 0: no memory. */
static int set(struct settings *settings, const char *name, const char *value)
{
    if (strcmp(name, "dbpath") == 0)
        return set_text(&settings->dbpath, value);
    if (strcmp(name, "query") == 0)
        return set_text(&settings->query, value);
    if (strcmp(name, "result_format") == 0)
        return set_text(&settings->result_format, value);
    if (strcmp(name, "domain") == 0)
        return set_text(&settings->domain, value);
    if (strcmp(name, "expansion_limit") == 0)
        settings->expansion_limit = strtoll(value, NULL, 10);
    return 1;
}

static sluice_status check(const struct settings *settings, const char *where,
                           const struct sluice_errors *errors)
{
    const char *wrong = template_check(settings->query);

    if (wrong == NULL)
        wrong = template_check(settings->result_format);
    if (wrong != NULL)
        return explain(errors, SLUICE_CONFIG, "%s: %s", where, wrong);
    if (settings->dbpath[0] == '\0' || settings->query[0] == '\0')
        return explain(errors, SLUICE_CONFIG, "%s: needs dbpath and query", where);
    if (strpbrk(settings->domain, ":/") != NULL)
        return explain(errors, SLUICE_CONFIG, "%s: domain: wants names, not tables or files",
                       where);
    if (settings->expansion_limit < 0)
        return explain(errors, SLUICE_CONFIG, "%s: expansion_limit: wants a number", where);
    return SLUICE_OK;
}

/* ---- a file ---------------------------------------------------------------------------------- */

sluice_status settings_read(struct source *source, const struct sluice_errors *errors,
                            void **ret_settings)
{
    struct settings *settings = settings_new();
    const char *name, *value;
    sluice_status st;

    if (settings == NULL)
        return explain(errors, SLUICE_TEMP, "%s: out of memory", source->name);
    while ((st = source_setting(source, errors, &name, &value)) == SLUICE_OK) {
        if (!set(settings, name, value)) {
            st = explain(errors, SLUICE_TEMP, "%s: out of memory", source->name);
            break;
        }
    }
    if (st == SLUICE_NOT_FOUND)
        st = check(settings, source->name, errors);
    if (st == SLUICE_OK)
        *ret_settings = settings;
    else
        settings_free(settings);
    return st;
}

/* ---- a group --------------------------------------------------------------------------------- */

sluice_status settings_of_group(const struct sluice_config *config,
                                const struct sluice_errors *errors, void **ret_settings)
{
    static const char *const names[] = {"dbpath", "query", "result_format", "domain"};
    struct settings *settings = settings_new();
    sluice_status st = settings != NULL ? SLUICE_OK : SLUICE_TEMP;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && st == SLUICE_OK; i++) {
        const char *value = config->get_text(config, names[i]);

        if (value != NULL && !set(settings, names[i], value))
            st = SLUICE_TEMP;
    }
    if (st == SLUICE_OK) {
        settings->expansion_limit = config->get_number(config, "expansion_limit");
        st = check(settings, "sqlite", errors);
    } else {
        (void)explain(errors, st, "sqlite: out of memory");
    }
    if (st == SLUICE_OK)
        *ret_settings = settings;
    else
        settings_free(settings);
    return st;
}
