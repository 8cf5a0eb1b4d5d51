/* SPDX-License-Identifier: ISC */
/*
 * crews: see crews.h.
 */
#include "config/crews.h"

#include "sluice/transport.h"

#include <string.h>

const char *crew_of_transport(const struct config_instance *transport)
{
    const char *name = transport->options->get_text(transport->options, "user");

    return name != NULL ? name : "";
}

unsigned crews_find(const struct crews *crews, struct sluice_span name)
{
    for (unsigned i = 0; i < crews->count; i++) {
        if (span_equal(name, sluice_span_of(crews->names[i])))
            return i;
    }
    return CREW_UNKNOWN;
}

void crews_read(const struct config *config, struct crews *ret_crews)
{
    struct crews crews = {.names = {""}, .count = 1};

    for (size_t i = 0; i < config_instance_count(config) && crews.count < CREWS_MAX; i++) {
        const struct config_instance *instance = config_instance_at(config, i);

        if (strcmp(instance->interface, SLUICE_TRANSPORT_ID) != 0)
            continue;
        const char *name = crew_of_transport(instance);
        if (crews_find(&crews, sluice_span_of(name)) == CREW_UNKNOWN)
            crews.names[crews.count++] = name;
    }
    *ret_crews = crews;
}
