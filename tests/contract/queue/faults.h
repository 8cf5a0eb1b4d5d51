/* SPDX-License-Identifier: ISC */
/*
 * faults: a disk that fails when it is told to.
 *
 * faults.c defines the system calls that change files (pwrite, fdatasync, linkat and so on). The test
 * program exports them, so a plugin that it opens, and the library under that, call these
 * instead of the C library's: no preloading, and a fork is enough for each try. Unarmed they
 * pass everything on.
 */
#ifndef SLUICE_TEST_FAULTS_H
#define SLUICE_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
    FAULT_NONE, /* only counts */
    FAULT_KILL, /* SIGKILL instead of the call */
    FAULT_EIO,  /* that call fails, and nothing of it is done */
    FAULT_ENOSPC,
    FAULT_SHORT, /* half of a write is done; other calls pass */
};

/* From now on the calls of this process are counted, but for writes of zeros, and the nth (from 1)
 * meets the fault. */
void faults_arm(enum fault fault, unsigned long nth);
/* And another one so many calls after that. */
void faults_arm_second(enum fault fault, unsigned long after);
/* Besides, one call in so many, by chance, fails; where the disk is full, so do some after it. Writes
 * are cut short only if may_be_short. */
void faults_arm_random(uint64_t seed, unsigned one_in, bool may_be_short);
void faults_disarm(void);
unsigned long faults_count(void);
/* Only these are counted, and meet the fault: those that sync, or those that make and take away names. */
enum faults_kind { FAULTS_ALL, FAULTS_SYNCS, FAULTS_NAMES };
void faults_limit_to(enum faults_kind kind);

/*
 * Power cuts: after faults_shadow() each file and folder that is synced is copied to the folder
 * shadow; what a sync that failed should have brought there is lost to later ones. faults_cut() then
 * builds in the empty folder target what a disk may hold of the folder source when the power fails: all
 * that was synced; of the rest each name, and each sector of each file, only by chance. Sectors are so
 * many bytes. faults_shadow_all() is for a disk after that: all in folder, and below, is on the disk.
 */
void faults_shadow(const char *shadow);
void faults_shadow_all(const char *folder);
void faults_cut(const char *source, const char *shadow, const char *target, size_t sector,
                uint64_t seed);

#endif
