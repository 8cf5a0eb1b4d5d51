/* SPDX-License-Identifier: ISC */
/*
 * etrn_queues: see etrn_queues.h.
 */
#include "config/etrn_queues.h"

#include "base/span.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 64
#define DOMAIN_MAX_LEN 255 /* RFC 1035 2.3.4 */

/* What ETRN's syntax allows behind the "#". */
static bool is_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-.", *c) == NULL)
            return false;
    }
    return isalnum((unsigned char)name[0]) && strlen(name) <= NAME_MAX_LEN;
}

/* Also an address literal. Blanks and commas would tear the flat list. */
static bool is_domain(const char *domain)
{
    if (domain[0] == '@')
        domain++;
    return domain[0] != '\0' && strlen(domain) <= DOMAIN_MAX_LEN &&
           strpbrk(domain, " \t,@/") == NULL;
}

static const char *add_domains(struct draft *draft, const char *text, const char *name,
                               const struct setting *domains)
{
    for (size_t i = 0; i < domains->child_count; i++) {
        const struct setting *domain = &domains->children[i];

        if (domain->kind != SETTING_TEXT || !is_domain(domain->text))
            report_error(&draft->report, domain->place, "%s: wants domains, or @domain",
                         ETRN_QUEUES_NAME);
        else
            text = arena_printf(&draft->arena, "%s%s%s:%s", text, text[0] != '\0' ? "," : "", name,
                                domain->text);
    }
    return text;
}

static bool is_known_key(const char *key)
{
    return strcmp(key, "name") == 0 || strcmp(key, "domains") == 0;
}

static const char *add_group(struct draft *draft, const char *text, const struct setting *group)
{
    const struct setting *name = setting_find(group, "name");
    const struct setting *domains = setting_find(group, "domains");

    for (size_t i = 0; i < group->child_count; i++) {
        if (!is_known_key(group->children[i].name))
            report_error(&draft->report, group->children[i].place, "%s: there is no option %s",
                         ETRN_QUEUES_NAME, group->children[i].name);
    }
    if (name == NULL || name->kind != SETTING_TEXT || !is_name(name->text))
        report_error(&draft->report, group->place, "%s: wants a name of letters, digits, - and .",
                     ETRN_QUEUES_NAME);
    else if (domains == NULL || domains->kind != SETTING_ARRAY || domains->child_count == 0)
        report_error(&draft->report, group->place, "%s: %s wants a list of domains",
                     ETRN_QUEUES_NAME, name->text);
    else
        return add_domains(draft, text, name->text, domains);
    return text;
}

const char *etrn_queues_text(struct draft *draft)
{
    const struct setting *setting = setting_find(draft->file.root, ETRN_QUEUES_NAME);
    const char *text = "";

    if (setting != NULL && setting->kind != SETTING_ARRAY)
        report_error(&draft->report, setting->place, "%s: wants a list of groups: ( { ... } )",
                     ETRN_QUEUES_NAME);
    for (size_t i = 0; setting != NULL && i < setting->child_count; i++) {
        if (setting->children[i].kind == SETTING_GROUP)
            text = add_group(draft, text, &setting->children[i]);
        else
            report_error(&draft->report, setting->children[i].place,
                         "%s: wants a list of groups: ( { ... } )", ETRN_QUEUES_NAME);
    }
    return text;
}
