/* SPDX-License-Identifier: ISC */
/*
 * The same on ucontext, which this machine perhaps never uses: its functions stand in for those of
 * the library.
 */
#define CONTEXT_IS_PORTABLE 1

#include "task/context.c" /* NOLINT */

#include "test_context.c" /* NOLINT */
