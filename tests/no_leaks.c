/* SPDX-License-Identifier: ISC */
/*
 * no_leaks: for a sanitized program that is run with rights of its own: LeakSanitizer may not look into
 * such a process, and ends it. Its environment cannot say so, because nor may it read that.
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
