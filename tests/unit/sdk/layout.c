/* SPDX-License-Identifier: ISC */
/*
 * layout: a second copy of every struct that crosses the plugin boundary, with offset, size and type
 * of each member on a 64-bit machine. If this does not compile, plugins that are out there break.
 *
 * What may change here: a new member at the end of a struct (a new line before SIZE, and a larger
 * SIZE), a new struct. Nothing else without a new revision of the interface's id.
 */
#include "sluice/access.h"
#include "sluice/deferral.h"
#include "sluice/lookup.h"
#include "sluice/nexthop.h"
#include "sluice/plugin.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#if UINTPTR_MAX == UINT64_MAX

/* clang-format off: a line for each member */

#define MEMBER(name, member, offset, ...)                                                          \
    _Static_assert(offsetof(struct name, member) == (offset), #name "." #member " has moved");     \
    _Static_assert(_Generic(((struct name *)0)->member, __VA_ARGS__: 1, default: 0),               \
                   #name "." #member " is of another type")
#define SIZE(name, size) _Static_assert(sizeof(struct name) == (size), #name " has another size")
#define VALUE(constant, value) _Static_assert((constant) == (value), #constant " is another number")

/* ---- types.h */

MEMBER(sluice_span, ptr, 0, const char *);
MEMBER(sluice_span, len, 8, size_t);
SIZE(sluice_span, 16);

MEMBER(sluice_errors, struct_size, 0, uint32_t);
MEMBER(sluice_errors, reserved, 4, uint32_t);
MEMBER(sluice_errors, explain, 8, void (*)(const struct sluice_errors *, const char *, const char *));
SIZE(sluice_errors, 16);

/* ---- host.h */

MEMBER(sluice_host, struct_size, 0, uint32_t);
MEMBER(sluice_host, abi_minor, 4, uint32_t);
MEMBER(sluice_host, version, 8, const char *);
MEMBER(sluice_host, instance, 16, const char *);
MEMBER(sluice_host, get_service, 24, const void *(*)(const struct sluice_host *, const char *));
SIZE(sluice_host, 32);

MEMBER(sluice_config, struct_size, 0, uint32_t);
MEMBER(sluice_config, reserved, 4, uint32_t);
MEMBER(sluice_config, is_set, 8, int32_t (*)(const struct sluice_config *, const char *));
MEMBER(sluice_config, get_text, 16, const char *(*)(const struct sluice_config *, const char *));
MEMBER(sluice_config, get_number, 24, int64_t (*)(const struct sluice_config *, const char *));
MEMBER(sluice_config, get_count, 32, size_t (*)(const struct sluice_config *, const char *));
MEMBER(sluice_config, get_item, 40, const char *(*)(const struct sluice_config *, const char *, size_t));
SIZE(sluice_config, 48);

MEMBER(sluice_log, struct_size, 0, uint32_t);
MEMBER(sluice_log, reserved, 4, uint32_t);
MEMBER(sluice_log, write, 8, void (*)(const struct sluice_host *, int32_t, const char *));
SIZE(sluice_log, 16);

MEMBER(sluice_clock, struct_size, 0, uint32_t);
MEMBER(sluice_clock, reserved, 4, uint32_t);
MEMBER(sluice_clock, wall_ms, 8, int64_t (*)(const struct sluice_host *));
MEMBER(sluice_clock, monotonic_ms, 16, int64_t (*)(const struct sluice_host *));
SIZE(sluice_clock, 24);

MEMBER(sluice_memory, struct_size, 0, uint32_t);
MEMBER(sluice_memory, reserved, 4, uint32_t);
MEMBER(sluice_memory, alloc, 8, void *(*)(const struct sluice_host *, size_t));
MEMBER(sluice_memory, free, 16, void (*)(const struct sluice_host *, void *));
SIZE(sluice_memory, 24);

MEMBER(sluice_metrics, struct_size, 0, uint32_t);
MEMBER(sluice_metrics, reserved, 4, uint32_t);
MEMBER(sluice_metrics, count, 8, void (*)(const struct sluice_host *, const char *, uint64_t));
SIZE(sluice_metrics, 16);

MEMBER(sluice_endpoint, struct_size, 0, uint32_t);
MEMBER(sluice_endpoint, port, 4, uint32_t);
MEMBER(sluice_endpoint, address, 8, struct sluice_span);
SIZE(sluice_endpoint, 24);

MEMBER(sluice_io, struct_size, 0, uint32_t);
MEMBER(sluice_io, reserved, 4, uint32_t);
MEMBER(sluice_io, connect, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_endpoint *, int64_t, const struct sluice_errors *, struct sluice_stream **));
MEMBER(sluice_io, read, 16, sluice_status (*)(struct sluice_stream *, void *, size_t, int64_t, size_t *));
MEMBER(sluice_io, write, 24, sluice_status (*)(struct sluice_stream *, struct sluice_span, int64_t));
MEMBER(sluice_io, is_readable, 32, int32_t (*)(struct sluice_stream *));
MEMBER(sluice_io, explain, 40, const char *(*)(struct sluice_stream *));
MEMBER(sluice_io, close, 48, void (*)(struct sluice_stream *));
MEMBER(sluice_io, sleep, 56, sluice_status (*)(const struct sluice_host *, int64_t));
MEMBER(sluice_io, wait_fd, 64, sluice_status (*)(const struct sluice_host *, int32_t, uint32_t, int64_t));
MEMBER(sluice_io, keep_fd, 72, sluice_status (*)(const struct sluice_host *, int32_t));
MEMBER(sluice_io, forget_fd, 80, void (*)(const struct sluice_host *, int32_t));
SIZE(sluice_io, 88);

MEMBER(sluice_gates, struct_size, 0, uint32_t);
MEMBER(sluice_gates, reserved, 4, uint32_t);
MEMBER(sluice_gates, make, 8, sluice_status (*)(const struct sluice_host *, struct sluice_gate **));
MEMBER(sluice_gates, wait, 16, sluice_status (*)(struct sluice_gate *, int64_t));
MEMBER(sluice_gates, open_one, 24, int32_t (*)(struct sluice_gate *));
MEMBER(sluice_gates, open_all, 32, void (*)(struct sluice_gate *));
MEMBER(sluice_gates, free, 40, void (*)(struct sluice_gate *));
SIZE(sluice_gates, 48);

MEMBER(sluice_note, name, 0, const char *);
MEMBER(sluice_note, text, 8, struct sluice_span);
SIZE(sluice_note, 24);

MEMBER(sluice_explain, struct_size, 0, uint32_t);
MEMBER(sluice_explain, reserved, 4, uint32_t);
MEMBER(sluice_explain, is_wanted, 8, int32_t (*)(const struct sluice_host *));
MEMBER(sluice_explain, say, 16, void (*)(const struct sluice_host *, const char *, sluice_status, const struct sluice_note *, size_t, size_t));
SIZE(sluice_explain, 24);

MEMBER(sluice_dns_record, struct_size, 0, uint32_t);
MEMBER(sluice_dns_record, type, 4, uint32_t);
MEMBER(sluice_dns_record, preference, 8, uint32_t);
MEMBER(sluice_dns_record, ttl_s, 12, uint32_t);
MEMBER(sluice_dns_record, target, 16, struct sluice_span);
SIZE(sluice_dns_record, 32);

MEMBER(sluice_dns_sink, struct_size, 0, uint32_t);
MEMBER(sluice_dns_sink, reserved, 4, uint32_t);
MEMBER(sluice_dns_sink, record, 8, void (*)(const struct sluice_dns_sink *, const struct sluice_dns_record *));
SIZE(sluice_dns_sink, 16);

MEMBER(sluice_dns, struct_size, 0, uint32_t);
MEMBER(sluice_dns, reserved, 4, uint32_t);
MEMBER(sluice_dns, query, 8, sluice_status (*)(const struct sluice_host *, struct sluice_span, uint32_t, int64_t, const struct sluice_dns_sink *, const struct sluice_errors *));
SIZE(sluice_dns, 16);

MEMBER(sluice_offload, struct_size, 0, uint32_t);
MEMBER(sluice_offload, reserved, 4, uint32_t);
MEMBER(sluice_offload, run, 8, sluice_status (*)(const struct sluice_host *, sluice_status (*)(void *), void (*)(void *), void *, int64_t, sluice_status *));
SIZE(sluice_offload, 16);

MEMBER(sluice_tables, struct_size, 0, uint32_t);
MEMBER(sluice_tables, reserved, 4, uint32_t);
MEMBER(sluice_tables, find, 8, sluice_status (*)(const struct sluice_host *, const char *, struct sluice_span, int64_t, void *, void (*)(void *, struct sluice_span), const struct sluice_errors *));
MEMBER(sluice_tables, find_part, 16, sluice_status (*)(const struct sluice_host *, const char *, struct sluice_span, int64_t, void *, void (*)(void *, struct sluice_span), const struct sluice_errors *));
MEMBER(sluice_tables, find_for, 24, sluice_status (*)(const struct sluice_host *, const char *, struct sluice_span, int64_t, const struct sluice_lookup_sink *, const struct sluice_errors *));
MEMBER(sluice_tables, generation, 32, sluice_status (*)(const struct sluice_host *, const char *, uint64_t *));
SIZE(sluice_tables, 40);

/* ---- plugin.h */

MEMBER(sluice_option, key, 0, const char *);
MEMBER(sluice_option, type, 8, int32_t);
MEMBER(sluice_option, flags, 12, uint32_t);
MEMBER(sluice_option, fallback, 16, const char *);
MEMBER(sluice_option, range, 24, const char *);
MEMBER(sluice_option, summary, 32, const char *);
SIZE(sluice_option, 40);

MEMBER(sluice_plugin_desc, struct_size, 0, uint32_t);
MEMBER(sluice_plugin_desc, abi_minor, 4, uint32_t);
MEMBER(sluice_plugin_desc, name, 8, const char *);
MEMBER(sluice_plugin_desc, version, 16, const char *);
MEMBER(sluice_plugin_desc, license, 24, const char *);
MEMBER(sluice_plugin_desc, summary, 32, const char *);
MEMBER(sluice_plugin_desc, mode, 40, int32_t);
MEMBER(sluice_plugin_desc, option_size, 44, uint32_t);
MEMBER(sluice_plugin_desc, option_count, 48, uint32_t);
MEMBER(sluice_plugin_desc, reserved, 52, uint32_t);
MEMBER(sluice_plugin_desc, options, 56, const struct sluice_option *);
MEMBER(sluice_plugin_desc, get_interface, 64, const void *(*)(const char *));
SIZE(sluice_plugin_desc, 72);

MEMBER(sluice_override, key, 0, const char *);
MEMBER(sluice_override, value, 8, const char *);
SIZE(sluice_override, 16);

MEMBER(sluice_derive, struct_size, 0, uint32_t);
MEMBER(sluice_derive, override_count, 4, uint32_t);
MEMBER(sluice_derive, base, 8, const char *);
MEMBER(sluice_derive, interface, 16, const char *);
MEMBER(sluice_derive, overrides, 24, const struct sluice_override *);
MEMBER(sluice_derive, ops, 32, const void *);
SIZE(sluice_derive, 40);

MEMBER(sluice_base, struct_size, 0, uint32_t);
MEMBER(sluice_base, reserved, 4, uint32_t);
MEMBER(sluice_base, ops, 8, const void *);
MEMBER(sluice_base, self, 16, void *);
MEMBER(sluice_base, host, 24, const struct sluice_host *);
SIZE(sluice_base, 32);

/* ---- lookup.h */

MEMBER(sluice_lookup_sink, struct_size, 0, uint32_t);
MEMBER(sluice_lookup_sink, reserved, 4, uint32_t);
MEMBER(sluice_lookup_sink, value, 8, void (*)(const struct sluice_lookup_sink *, struct sluice_span));
MEMBER(sluice_lookup_sink, flags, 16, uint64_t);
SIZE(sluice_lookup_sink, 24);

MEMBER(sluice_lookup_entry_sink, struct_size, 0, uint32_t);
MEMBER(sluice_lookup_entry_sink, reserved, 4, uint32_t);
MEMBER(sluice_lookup_entry_sink, entry, 8, sluice_status (*)(const struct sluice_lookup_entry_sink *, struct sluice_span, struct sluice_span));
SIZE(sluice_lookup_entry_sink, 16);

MEMBER(sluice_lookup_ops, struct_size, 0, uint32_t);
MEMBER(sluice_lookup_ops, flags, 4, uint32_t);
MEMBER(sluice_lookup_ops, open, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const char *, const struct sluice_errors *, struct sluice_lookup **));
MEMBER(sluice_lookup_ops, close, 16, void (*)(struct sluice_lookup *));
MEMBER(sluice_lookup_ops, find, 24, sluice_status (*)(struct sluice_lookup *, struct sluice_span, int64_t, const struct sluice_lookup_sink *, const struct sluice_errors *));
MEMBER(sluice_lookup_ops, generation, 32, sluice_status (*)(struct sluice_lookup *, uint64_t *));
MEMBER(sluice_lookup_ops, list, 40, sluice_status (*)(struct sluice_lookup *, const struct sluice_lookup_entry_sink *, const struct sluice_errors *));
MEMBER(sluice_lookup_ops, write_open, 48, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const char *, int32_t, uint32_t, const struct sluice_errors *, struct sluice_lookup_writer **));
MEMBER(sluice_lookup_ops, write_put, 56, sluice_status (*)(struct sluice_lookup_writer *, struct sluice_span, struct sluice_span, int32_t, const struct sluice_errors *));
MEMBER(sluice_lookup_ops, write_remove, 64, sluice_status (*)(struct sluice_lookup_writer *, struct sluice_span, const struct sluice_errors *));
MEMBER(sluice_lookup_ops, write_commit, 72, sluice_status (*)(struct sluice_lookup_writer *, const struct sluice_errors *));
MEMBER(sluice_lookup_ops, write_abort, 80, void (*)(struct sluice_lookup_writer *));
MEMBER(sluice_lookup_ops, maintain, 88, void (*)(struct sluice_lookup *, const struct sluice_lookup_notice *));
SIZE(sluice_lookup_ops, 96);

MEMBER(sluice_lookup_notice, struct_size, 0, uint32_t);
MEMBER(sluice_lookup_notice, reserved, 4, uint32_t);
MEMBER(sluice_lookup_notice, changed, 8, void (*)(const struct sluice_lookup_notice *));
SIZE(sluice_lookup_notice, 16);

/* ---- nexthop.h */

MEMBER(sluice_nexthop_host, struct_size, 0, uint32_t);
MEMBER(sluice_nexthop_host, port, 4, uint32_t);
MEMBER(sluice_nexthop_host, name, 8, struct sluice_span);
MEMBER(sluice_nexthop_host, address, 24, struct sluice_span);
MEMBER(sluice_nexthop_host, is_backup, 40, int32_t);
MEMBER(sluice_nexthop_host, reserved, 44, int32_t);
SIZE(sluice_nexthop_host, 48);

MEMBER(sluice_nexthop_sink, struct_size, 0, uint32_t);
MEMBER(sluice_nexthop_sink, port, 4, uint32_t);
MEMBER(sluice_nexthop_sink, host, 8, void (*)(const struct sluice_nexthop_sink *, const struct sluice_nexthop_host *));
MEMBER(sluice_nexthop_sink, last, 16, void (*)(const struct sluice_nexthop_sink *));
SIZE(sluice_nexthop_sink, 24);

MEMBER(sluice_nexthop_ops, struct_size, 0, uint32_t);
MEMBER(sluice_nexthop_ops, flags, 4, uint32_t);
MEMBER(sluice_nexthop_ops, open, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const struct sluice_errors *, struct sluice_nexthop **));
MEMBER(sluice_nexthop_ops, close, 16, void (*)(struct sluice_nexthop *));
MEMBER(sluice_nexthop_ops, resolve, 24, sluice_status (*)(struct sluice_nexthop *, struct sluice_span, int64_t, const struct sluice_nexthop_sink *, const struct sluice_errors *));
SIZE(sluice_nexthop_ops, 32);

/* ---- deferral.h */

MEMBER(sluice_unit_history, struct_size, 0, uint32_t);
MEMBER(sluice_unit_history, attempts, 4, uint32_t);
MEMBER(sluice_unit_history, arrival_ms, 8, int64_t);
MEMBER(sluice_unit_history, last_attempt_ms, 16, int64_t);
SIZE(sluice_unit_history, 24);

MEMBER(sluice_site_history, struct_size, 0, uint32_t);
MEMBER(sluice_site_history, failures, 4, uint32_t);
MEMBER(sluice_site_history, last_failure_ms, 8, int64_t);
MEMBER(sluice_site_history, last_success_ms, 16, int64_t);
SIZE(sluice_site_history, 24);

MEMBER(sluice_deferral_ops, struct_size, 0, uint32_t);
MEMBER(sluice_deferral_ops, flags, 4, uint32_t);
MEMBER(sluice_deferral_ops, open, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const struct sluice_errors *, struct sluice_deferral **));
MEMBER(sluice_deferral_ops, close, 16, void (*)(struct sluice_deferral *));
MEMBER(sluice_deferral_ops, next, 24, int32_t (*)(struct sluice_deferral *, const struct sluice_unit_history *, const struct sluice_site_history *, int64_t, int64_t *));
MEMBER(sluice_deferral_ops, site_next, 32, int32_t (*)(struct sluice_deferral *, const struct sluice_site_history *, int64_t, int64_t *));
SIZE(sluice_deferral_ops, 40);

/* ---- access.h */

MEMBER(sluice_access_request, struct_size, 0, uint32_t);
MEMBER(sluice_access_request, stage, 4, int32_t);
MEMBER(sluice_access_request, facts, 8, uint64_t);
MEMBER(sluice_access_request, client_address, 16, struct sluice_span);
MEMBER(sluice_access_request, client_name, 32, struct sluice_span);
MEMBER(sluice_access_request, helo, 48, struct sluice_span);
MEMBER(sluice_access_request, sender, 64, struct sluice_span);
MEMBER(sluice_access_request, recipient, 80, struct sluice_span);
MEMBER(sluice_access_request, argument, 96, struct sluice_span);
MEMBER(sluice_access_request, about, 112, int32_t);
MEMBER(sluice_access_request, recipient_count, 116, uint32_t);
MEMBER(sluice_access_request, size, 120, uint64_t);
MEMBER(sluice_access_request, reverse_name, 128, struct sluice_span);
SIZE(sluice_access_request, 144);

MEMBER(sluice_access_verdict, struct_size, 0, uint32_t);
MEMBER(sluice_access_verdict, verdict, 4, int32_t);
MEMBER(sluice_access_verdict, about, 8, int32_t);
MEMBER(sluice_access_verdict, code, 12, int32_t);
MEMBER(sluice_access_verdict, dsn, 16, const char *);
MEMBER(sluice_access_verdict, text, 24, const char *);
SIZE(sluice_access_verdict, 32);

MEMBER(sluice_access_sink, struct_size, 0, uint32_t);
MEMBER(sluice_access_sink, reserved, 4, uint32_t);
MEMBER(sluice_access_sink, verdict, 8, void (*)(const struct sluice_access_sink *, int32_t, int32_t, const char *, const char *));
MEMBER(sluice_access_sink, decide, 16, void (*)(const struct sluice_access_sink *, const struct sluice_access_verdict *));
SIZE(sluice_access_sink, 24);

MEMBER(sluice_restriction, name, 0, const char *);
MEMBER(sluice_restriction, flags, 8, uint32_t);
MEMBER(sluice_restriction, reserved, 12, uint32_t);
MEMBER(sluice_restriction, summary, 16, const char *);
SIZE(sluice_restriction, 24);

MEMBER(sluice_access_ops, struct_size, 0, uint32_t);
MEMBER(sluice_access_ops, flags, 4, uint32_t);
MEMBER(sluice_access_ops, restrictions, 8, const struct sluice_restriction *);
MEMBER(sluice_access_ops, restriction_count, 16, uint32_t);
MEMBER(sluice_access_ops, restriction_size, 20, uint32_t);
MEMBER(sluice_access_ops, open, 24, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const struct sluice_errors *, struct sluice_access **));
MEMBER(sluice_access_ops, close, 32, void (*)(struct sluice_access *));
MEMBER(sluice_access_ops, decide, 40, sluice_status (*)(struct sluice_access *, const char *, const struct sluice_access_request *, int64_t, const struct sluice_access_sink *, const struct sluice_errors *));
SIZE(sluice_access_ops, 48);

/* ---- queue.h */

MEMBER(sluice_queue_change, struct_size, 0, uint32_t);
MEMBER(sluice_queue_change, kind, 4, int32_t);
MEMBER(sluice_queue_change, id, 8, uint64_t);
MEMBER(sluice_queue_change, flags, 16, uint32_t);
MEMBER(sluice_queue_change, content_fd, 20, int32_t);
MEMBER(sluice_queue_change, record, 24, struct sluice_span);
MEMBER(sluice_queue_change, content, 40, struct sluice_span);
SIZE(sluice_queue_change, 56);

MEMBER(sluice_queue_sink, struct_size, 0, uint32_t);
MEMBER(sluice_queue_sink, reserved, 4, uint32_t);
MEMBER(sluice_queue_sink, message, 8, sluice_status (*)(const struct sluice_queue_sink *, uint64_t, uint32_t, struct sluice_span, uint64_t));
MEMBER(sluice_queue_sink, content, 16, sluice_status (*)(const struct sluice_queue_sink *, struct sluice_span));
MEMBER(sluice_queue_sink, content_file, 24, sluice_status (*)(const struct sluice_queue_sink *, int, uint64_t));
MEMBER(sluice_queue_sink, staged, 32, sluice_status (*)(const struct sluice_queue_sink *, int));
SIZE(sluice_queue_sink, 40);

MEMBER(sluice_queue_space, struct_size, 0, uint32_t);
MEMBER(sluice_queue_space, reserved, 4, uint32_t);
MEMBER(sluice_queue_space, free_bytes, 8, uint64_t);
MEMBER(sluice_queue_space, reserved_bytes, 16, uint64_t);
MEMBER(sluice_queue_space, used_bytes, 24, uint64_t);
MEMBER(sluice_queue_space, message_count, 32, uint64_t);
SIZE(sluice_queue_space, 40);

MEMBER(sluice_queue_ops, struct_size, 0, uint32_t);
MEMBER(sluice_queue_ops, flags, 4, uint32_t);
MEMBER(sluice_queue_ops, open, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const char *, const struct sluice_errors *, struct sluice_queue **));
MEMBER(sluice_queue_ops, close, 16, void (*)(struct sluice_queue *));
MEMBER(sluice_queue_ops, apply, 24, sluice_status (*)(struct sluice_queue *, const struct sluice_queue_change *, size_t, size_t, const struct sluice_errors *));
MEMBER(sluice_queue_ops, read, 32, sluice_status (*)(struct sluice_queue *, uint64_t, const struct sluice_queue_sink *, const struct sluice_errors *));
MEMBER(sluice_queue_ops, scan, 40, sluice_status (*)(struct sluice_queue *, const struct sluice_queue_sink *, const struct sluice_errors *));
MEMBER(sluice_queue_ops, space, 48, sluice_status (*)(struct sluice_queue *, struct sluice_queue_space *));
MEMBER(sluice_queue_ops, stage, 56, sluice_status (*)(struct sluice_queue *, uint64_t, const struct sluice_queue_sink *, const struct sluice_errors *));
MEMBER(sluice_queue_ops, maintain, 64, sluice_status (*)(struct sluice_queue *, int64_t, const struct sluice_errors *));
SIZE(sluice_queue_ops, 72);

/* ---- transport.h */

MEMBER(sluice_target, struct_size, 0, uint32_t);
MEMBER(sluice_target, port, 4, uint32_t);
MEMBER(sluice_target, nexthop, 8, struct sluice_span);
MEMBER(sluice_target, host, 24, struct sluice_span);
MEMBER(sluice_target, address, 40, struct sluice_span);
MEMBER(sluice_target, is_last, 56, int32_t);
MEMBER(sluice_target, is_backup, 60, int32_t);
SIZE(sluice_target, 64);

MEMBER(sluice_message, struct_size, 0, uint32_t);
MEMBER(sluice_message, body, 4, int32_t);
MEMBER(sluice_message, id, 8, struct sluice_span);
MEMBER(sluice_message, sender, 24, struct sluice_span);
MEMBER(sluice_message, envid, 40, struct sluice_span);
MEMBER(sluice_message, ret, 56, int32_t);
MEMBER(sluice_message, is_smtputf8, 60, int32_t);
MEMBER(sluice_message, arrival_ms, 64, int64_t);
MEMBER(sluice_message, size, 72, uint64_t);
MEMBER(sluice_message, read, 80, sluice_status (*)(const struct sluice_message *, uint64_t, void *, size_t, size_t *));
MEMBER(sluice_message, flags, 88, uint32_t);
MEMBER(sluice_message, reserved, 92, uint32_t);
MEMBER(sluice_message, nexthop, 96, struct sluice_span);
MEMBER(sluice_message, client_address, 112, struct sluice_span);
MEMBER(sluice_message, client_name, 128, struct sluice_span);
MEMBER(sluice_message, client_helo, 144, struct sluice_span);
MEMBER(sluice_message, client_protocol, 160, struct sluice_span);
MEMBER(sluice_message, login, 176, struct sluice_span);
SIZE(sluice_message, 192);

MEMBER(sluice_recipient, struct_size, 0, uint32_t);
MEMBER(sluice_recipient, notify, 4, uint32_t);
MEMBER(sluice_recipient, address, 8, struct sluice_span);
MEMBER(sluice_recipient, orcpt, 24, struct sluice_span);
MEMBER(sluice_recipient, original, 40, struct sluice_span);
SIZE(sluice_recipient, 56);

MEMBER(sluice_report, struct_size, 0, uint32_t);
MEMBER(sluice_report, reserved, 4, uint32_t);
MEMBER(sluice_report, recipient, 8, void (*)(const struct sluice_report *, size_t, sluice_status, const char *, const char *));
MEMBER(sluice_report, remaining, 16, void (*)(const struct sluice_report *, sluice_status, const char *, const char *));
MEMBER(sluice_report, result, 24, void (*)(const struct sluice_report *, size_t, const struct sluice_result *));
MEMBER(sluice_report, remaining_result, 32, void (*)(const struct sluice_report *, const struct sluice_result *));
SIZE(sluice_report, 40);

MEMBER(sluice_result, struct_size, 0, uint32_t);
MEMBER(sluice_result, status, 4, sluice_status);
MEMBER(sluice_result, dsn, 8, const char *);
MEMBER(sluice_result, text, 16, const char *);
MEMBER(sluice_result, reply, 24, const char *);
MEMBER(sluice_result, flags, 32, uint32_t);
MEMBER(sluice_result, reserved, 36, uint32_t);
SIZE(sluice_result, 40);

MEMBER(sluice_transport_ops, struct_size, 0, uint32_t);
MEMBER(sluice_transport_ops, flags, 4, uint32_t);
MEMBER(sluice_transport_ops, open, 8, sluice_status (*)(const struct sluice_host *, const struct sluice_config *, const struct sluice_errors *, struct sluice_transport **));
MEMBER(sluice_transport_ops, close, 16, void (*)(struct sluice_transport *));
MEMBER(sluice_transport_ops, connect, 24, sluice_status (*)(struct sluice_transport *, const struct sluice_target *, int64_t, const struct sluice_errors *, struct sluice_connection **));
MEMBER(sluice_transport_ops, deliver, 32, int32_t (*)(struct sluice_transport *, struct sluice_connection *, const struct sluice_message *, const struct sluice_recipient *, size_t, size_t, int64_t, const struct sluice_report *));
MEMBER(sluice_transport_ops, disconnect, 40, void (*)(struct sluice_transport *, struct sluice_connection *));
MEMBER(sluice_transport_ops, port, 48, uint32_t (*)(struct sluice_transport *));
MEMBER(sluice_transport_ops, fallback, 56, struct sluice_span (*)(struct sluice_transport *));
SIZE(sluice_transport_ops, 64);

/* ---- numbers that plugins were compiled with */

VALUE(SLUICE_OK, 0);
VALUE(SLUICE_NOT_FOUND, 1);
VALUE(SLUICE_TEMP, 2);
VALUE(SLUICE_PERM, 3);
VALUE(SLUICE_CONFIG, 4);
VALUE(SLUICE_UNSUPPORTED, 5);
VALUE(SLUICE_LOG_ERROR, 1);
VALUE(SLUICE_LOG_WARNING, 2);
VALUE(SLUICE_LOG_NOTICE, 3);
VALUE(SLUICE_LOG_INFO, 4);
VALUE(SLUICE_LOG_DEBUG, 5);
VALUE(SLUICE_DNS_A, 1);
VALUE(SLUICE_DNS_PTR, 12);
VALUE(SLUICE_DNS_MX, 15);
VALUE(SLUICE_DNS_AAAA, 28);
VALUE(SLUICE_DNS_NS, 2);
VALUE(SLUICE_DNS_TXT, 16);
VALUE(SLUICE_MODE_TASK, 1);
VALUE(SLUICE_MODE_INLINE, 2);
VALUE(SLUICE_MODE_SERIAL, 3);
VALUE(SLUICE_MODE_PARALLEL, 4);
VALUE(SLUICE_OPT_STRING, 1);
VALUE(SLUICE_OPT_INTEGER, 2);
VALUE(SLUICE_OPT_BOOLEAN, 3);
VALUE(SLUICE_OPT_DURATION, 4);
VALUE(SLUICE_OPT_SIZE, 5);
VALUE(SLUICE_OPT_PATH, 6);
VALUE(SLUICE_OPT_ENUM, 7);
VALUE(SLUICE_OPT_LIST, 8);
VALUE(SLUICE_OPT_REQUIRED, 1);
VALUE(SLUICE_OPT_SECRET, 2);
VALUE(SLUICE_OPT_RELOADABLE, 4);
VALUE(SLUICE_OPT_DEPRECATED, 8);
VALUE(SLUICE_OPT_GLOBAL, 16);
VALUE(SLUICE_OPT_VERBATIM, 32);
VALUE(SLUICE_LOOKUP_EXACT, 1);
VALUE(SLUICE_LOOKUP_PATTERNS, 2);
VALUE(SLUICE_LOOKUP_WRITABLE, 4);
VALUE(SLUICE_DEFER_GO, 1);
VALUE(SLUICE_DEFER_AT, 2);
VALUE(SLUICE_DEFER_ON_RELEASE, 3);
VALUE(SLUICE_STAGE_RCPT, 1);
VALUE(SLUICE_STAGE_ETRN, 2);
VALUE(SLUICE_STAGE_DATA, 3);
VALUE(SLUICE_STAGE_END_OF_DATA, 4);
VALUE(SLUICE_ABOUT_LIST, 0);
VALUE(SLUICE_ABOUT_CLIENT, 1);
VALUE(SLUICE_ABOUT_HELO, 2);
VALUE(SLUICE_ABOUT_SENDER, 3);
VALUE(SLUICE_ABOUT_RECIPIENT, 4);
VALUE(SLUICE_ABOUT_DATA, 5);
VALUE(SLUICE_ABOUT_END_OF_DATA, 6);
VALUE(SLUICE_ABOUT_ETRN, 7);
VALUE(SLUICE_ABOUT_NOTHING, 8);
VALUE(SLUICE_ABOUT_REVERSE_CLIENT, 9);
VALUE(SLUICE_FACT_MYNETWORKS, 1);
VALUE(SLUICE_FACT_AUTH_DESTINATION, 2);
VALUE(SLUICE_FACT_ROUTED, 4);
VALUE(SLUICE_FACT_OURS, 8);
VALUE(SLUICE_FACT_SENDER_OURS, 16);
VALUE(SLUICE_FACT_LOCAL, 32);
VALUE(SLUICE_FACT_OWN_ADDRESS, 64);
VALUE(SLUICE_FACT_NAME_TEMP, 128);
VALUE(SLUICE_FACT_REHEARSAL, 256);
VALUE(SLUICE_VERDICT_NONE, 0);
VALUE(SLUICE_VERDICT_PERMIT, 1);
VALUE(SLUICE_VERDICT_REJECT, 2);
VALUE(SLUICE_VERDICT_DEFER, 3);
VALUE(SLUICE_VERDICT_DEFER_IF_REJECT, 4);
VALUE(SLUICE_VERDICT_DEFER_IF_PERMIT, 5);
VALUE(SLUICE_VERDICT_EVALUATE, 6);
VALUE(SLUICE_VERDICT_WARN, 7);
VALUE(SLUICE_VERDICT_INFO, 8);
VALUE(SLUICE_VERDICT_HOLD, 9);
VALUE(SLUICE_VERDICT_DISCARD, 10);
VALUE(SLUICE_VERDICT_REDIRECT, 11);
VALUE(SLUICE_VERDICT_BCC, 12);
VALUE(SLUICE_VERDICT_PREPEND, 13);
VALUE(SLUICE_RESTRICTION_REFUSES, 1);
VALUE(SLUICE_RESTRICTION_ARGUMENT, 2);
VALUE(SLUICE_RESTRICTION_TABLE, 4);
VALUE(SLUICE_RESTRICTION_SENDER, 8);
VALUE(SLUICE_QUEUE_PUT, 1);
VALUE(SLUICE_QUEUE_UPDATE, 2);
VALUE(SLUICE_QUEUE_REMOVE, 3);
VALUE(SLUICE_FATE_REUSABLE, 1);
VALUE(SLUICE_FATE_FINISHED, 2);
VALUE(SLUICE_FATE_HOST_FAILED, 3);
VALUE(SLUICE_BODY_7BIT, 0);
VALUE(SLUICE_BODY_8BITMIME, 1);
VALUE(SLUICE_NOTIFY_DEFAULT, 0);
VALUE(SLUICE_NOTIFY_NEVER, 1);
VALUE(SLUICE_NOTIFY_SUCCESS, 2);
VALUE(SLUICE_NOTIFY_FAILURE, 4);
VALUE(SLUICE_NOTIFY_DELAY, 8);
VALUE(SLUICE_RET_DEFAULT, 0);
VALUE(SLUICE_RET_FULL, 1);
VALUE(SLUICE_RET_HDRS, 2);

/* clang-format on */

#endif

int main(void)
{
    return 0; /* it compiled */
}
