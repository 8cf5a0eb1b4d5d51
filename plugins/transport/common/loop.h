/* SPDX-License-Identifier: ISC */
/*
 * loop: has a message been where it is to go now?
 */
#ifndef SLUICE_TRANSPORT_LOOP_H
#define SLUICE_TRANSPORT_LOOP_H

#include "sluice/transport.h"

/*
 * Looks for a Delivered-To field with that address: it has been here before, and goes round in
 * circles. OK: there is one; NOT_FOUND; TEMP: the content cannot be read, or no memory. Of a header
 * only the first mebibyte is looked through. Nothing waits.
 */
sluice_status loop_find(const struct sluice_message *message, struct sluice_span address);

#endif
