/* SPDX-License-Identifier: ISC */
/*
 * test_ldap_schema: which filters can be true by a server's schema, and what is missing in it; what is not
 * understood can be.
 */
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LIST_MAX 8

struct list {
    struct berval values[LIST_MAX];
    struct berval *pointers[LIST_MAX + 1];
};

static const char *const types[] = {
    "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch SYNTAX "
    "1.3.6.1.4.1.1466.115.121.1.38 )",
    "( 2.5.4.41 NAME 'name' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
    "( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'it\\27s (a) name' SUP name )",
    "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) X-ORIGIN 'x' )",
    "( nsOff-oid NAME 'nsOff' SYNTAX '1.3.6.1.4.1.1466.115.121.1.7' SINGLE-VALUE )",
    NULL,
};
static const char *const classes[] = {
    "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
    "( 2.5.6.6 NAME ( 'person' 'human' ) SUP top STRUCTURAL MUST ( cn ) MAY mail )",
    NULL,
};

static struct answer_attribute attribute_of(struct list *list, char *name,
                                            const char *const *definitions)
{
    size_t count = 0;

    for (; definitions[count] != NULL; count++) {
        assert_true(count < LIST_MAX);
        list->values[count].bv_val = (char *)(uintptr_t)definitions[count];
        list->values[count].bv_len = strlen(definitions[count]);
        list->pointers[count] = &list->values[count];
    }
    list->pointers[count] = NULL;
    return (struct answer_attribute){.name = name, .values = list->pointers};
}

/* Judges by these two attributes, in the order in which another server may send them. */
static enum schema_verdict judge(const char *filter, const char *const *type,
                                 const char *const *class, char ret_missing[32])
{
    static char type_name[] = "attributetypes", class_name[] = "objectClasses";
    struct list lists[2];
    struct answer_attribute attributes[] = {
        attribute_of(&lists[0], class_name, class),
        attribute_of(&lists[1], type_name, type),
    };
    const struct answer_entry entry = {.attributes = attributes, .count = 2};
    const struct schema_name *missing;
    struct schema schema;
    enum schema_verdict verdict;

    schema_init(&schema, filter);
    verdict = schema_judge(&schema, &entry, &missing);
    (void)snprintf(ret_missing, 32, "%s%.*s", missing != NULL && missing->is_class ? "class " : "",
                   missing != NULL ? (int)missing->len : 0, missing != NULL ? missing->text : "");
    return verdict;
}

static const struct {
    const char *filter;
    enum schema_verdict want;
    const char *missing;
} cases[] = {
    {"(mail=%s)", SCHEMA_FINE, ""},
    {"mail=%s", SCHEMA_FINE, ""},
    {"(MAIL=%s)", SCHEMA_FINE, ""},
    {"(rfc822mailbox=%s)", SCHEMA_FINE, ""},
    {"(commonname=%u)", SCHEMA_FINE, ""},
    {"(2.5.4.3=%u)", SCHEMA_FINE, ""},
    {"(nsOff-oid=TRUE)", SCHEMA_FINE, ""},
    {"(mail;lang-de;x-y=%s)", SCHEMA_FINE, ""},
    {"(cn:caseExactMatch:=%u)", SCHEMA_FINE, ""},
    {"(:caseExactMatch:=%u)", SCHEMA_FINE, ""},
    {"(%u=x)", SCHEMA_FINE, ""},
    {"(x%u=x)", SCHEMA_FINE, ""},
    {"(&(objectClass=person)(mail=%s))", SCHEMA_FINE, ""},
    {"(&(2.5.4.0=HUMAN)(mail=%s))", SCHEMA_FINE, ""},
    {"(&(objectClass=2.5.6.6)(mail=%s))", SCHEMA_FINE, ""},
    {"(&(objectClass=*)(mail=%s))", SCHEMA_FINE, ""},
    {"(&(objectClass=\\70erson)(mail=%s))", SCHEMA_FINE, ""},
    {"(objectClass=%s)", SCHEMA_FINE, ""},
    {"(mai=%s)", SCHEMA_NEVER, "mai"},
    {"mai=%s", SCHEMA_NEVER, "mai"},
    {"(mails=%s)", SCHEMA_NEVER, "mails"},
    {"(person=%s)", SCHEMA_NEVER, "person"},
    {"(2.5.4.4=%u)", SCHEMA_NEVER, "2.5.4.4"},
    {"(mai;lang-de=%s)", SCHEMA_NEVER, "mai"},
    {"(mai:caseExactMatch:=%s)", SCHEMA_NEVER, "mai"},
    {"(mai>=%s)", SCHEMA_NEVER, "mai"},
    {"(mai~=%s)", SCHEMA_NEVER, "mai"},
    {"(mai=*)", SCHEMA_NEVER, "mai"},
    {"(objectClass=mail)", SCHEMA_NEVER, "class mail"},
    {"(&(mail=%s)(off=0))", SCHEMA_NEVER, "off"},
    {"(&(mail=%s)(!(off=1)))", SCHEMA_NEVER, "off"},
    {"(&(mail=%s)(!(|(off=1)(nsOff=TRUE))))", SCHEMA_NEVER, "off"},
    {"(|(mai=%s)(&(mail=%s)(off=0)))", SCHEMA_NEVER, "mai"},
    {"(& (mail=%s) (|(mai=x)(objectClass=persn)) )", SCHEMA_NEVER, "mai"},
    {"(|(mail=%s)(mai=%s))", SCHEMA_PARTLY, "mai"},
    {"(&(mail=%s)(!(&(off=1)(nsOff=TRUE))))", SCHEMA_PARTLY, "off"},
    {"(&(mail=%s)(!(objectClass=persn)))", SCHEMA_NEVER, "class persn"},
    {"(mai=%s", SCHEMA_FINE, ""},
    {"(mai=%s))", SCHEMA_FINE, ""},
    {"(!(mai=%s)(off=1))", SCHEMA_FINE, ""},
    {"(mai)", SCHEMA_FINE, ""},
    {"", SCHEMA_FINE, ""},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char missing[32];

        print_message("%s\n", cases[i].filter);
        assert_int_equal(judge(cases[i].filter, types, classes, missing), cases[i].want);
        assert_string_equal(missing, cases[i].missing);
    }
}

static void test_a_schema_that_is_not_understood(void **state)
{
    static const char *const odd[] = {"( 2.5.4.0 NAME 'objectClass' )", "( 1.2.3 NAME", NULL};
    static const char *const none[] = {NULL};
    const struct answer_entry empty = {0};
    const struct schema_name *missing;
    struct schema schema;
    char text[32];

    (void)state;
    assert_int_equal(judge("(mai=%s)", odd, classes, text), SCHEMA_FINE);
    assert_int_equal(judge("(mai=%s)", types, odd, text), SCHEMA_FINE);
    assert_int_equal(judge("(mai=%s)", none, none, text), SCHEMA_FINE);
    schema_init(&schema, "(mai=%s)");
    assert_int_equal(schema_judge(&schema, &empty, &missing), SCHEMA_FINE);
}

/* What is one too many is not looked for. */
static void test_many_names(void **state)
{
    char filter[16 * SCHEMA_NAMES_MAX] = "(|", missing[32];
    size_t len = 2;

    (void)state;
    for (int i = 0; i < SCHEMA_NAMES_MAX; i++)
        len += (size_t)snprintf(filter + len, sizeof(filter) - len, "(x%d=%%s)", i);
    (void)snprintf(filter + len, sizeof(filter) - len, ")");
    assert_int_equal(judge(filter, types, classes, missing), SCHEMA_NEVER);
    (void)snprintf(filter + len, sizeof(filter) - len, "(y=%%s))");
    assert_int_equal(judge(filter, types, classes, missing), SCHEMA_PARTLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_a_schema_that_is_not_understood),
        cmocka_unit_test(test_many_names),
    };

    return cmocka_run_group_tests_name("ldap-schema", tests, NULL, NULL);
}
