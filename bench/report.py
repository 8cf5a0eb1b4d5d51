# SPDX-License-Identifier: ISC
"""Tables made of a run's figures, as doc/performance.md has them; then all figures with their spread."""

import statistics

# What, scenario, figure, what is wanted of it.
SUMMARY = (
    ("relay, one message a connection, messages/s", "relay-one", "per_s", "8 times"),
    ("relay, many messages a connection, messages/s", "relay-many", "per_s", "12 times"),
    ("relay, 100 KB, messages/s", "relay-100k", "per_s", "10 times"),
    ("accept and hold, 200 domains, messages/s", "hold", "per_s", "8,000/s"),
    ("CPU for 1,000 messages, one a connection, s", "relay-one", "cpu_s_per_1000", "0.25"),
    ("CPU for 1,000 messages, many a connection, s", "relay-many", "cpu_s_per_1000", "0.16"),
    ("CPU for 1,000 messages, 100 KB, s", "relay-100k", "cpu_s_per_1000", ""),
    ("last dot to 250 at half its own load, p50, ms", "latency-half", "p50_ms", ""),
    ("the same, p99, ms", "latency-half", "p99_ms", "Postfix's p50"),
    ("the same, p99.9, ms", "latency-half", "p999_ms", ""),
    ("last dot to 250 at half Postfix's load, p50, ms", "latency-same", "p50_ms", ""),
    ("the same, p99, ms", "latency-same", "p99_ms", "Postfix's p50"),
    ("memory at the peak, one message a connection, MiB", "relay-one", "peak_mib", "60"),
    ("memory at the peak, many, MiB", "relay-many", "peak_mib", "60"),
    ("memory at the peak, 100 KB, MiB", "relay-100k", "peak_mib", "60"),
    ("an idle session, KiB", "sessions", "each_kib", "16"),
    ("`mailq` of 20,000: first line, ms", "listing", "first_ms", ""),
    ("`mailq` of 20,000: all, ms", "listing", "last_ms", ""),
    ("relay, all of its tables in a directory, messages/s", "relay-ldap", "per_s", "80 % of the next"),
    ("the same in `hash:` tables, messages/s", "relay-hash", "per_s", ""),
    ("CPU for 1,000 messages, in a directory, s", "relay-ldap", "cpu_s_per_1000", ""),
    ("the same in `hash:` tables, s", "relay-hash", "cpu_s_per_1000", ""),
    ("CPU of an RCPT without a table of recipients, µs", "ldap-cached", "rcpt_us", ""),
    ("what a `hash:` table adds, µs", "ldap-cached", "hash_us", ""),
    ("what a cached answer of a directory adds, µs", "ldap-cached", "ldap_us", ""),
    ("one connection: a message at its beginning, ms", "endurance", "p50_begin_ms", ""),
    ("one connection: a message at its end, ms", "endurance", "p50_end_ms", "the same"),
)
# Who asks a directory, in which scenario.
ASKERS = (
    ("Sluice", "ldap", "sluice"),
    ("Sluice, 500 sessions", "ldap-500", "sluice"),
    ("Postfix, `ldap:`", "ldap", "postfix"),
    ("Postfix, `proxy:ldap:`", "ldap-proxy", "postfix"),
    ("nothing but searches, 1 connection", "ldap-limit-1", "floor"),
    ("nothing but searches, 4 connections", "ldap-limit-4", "floor"),
)
ASKERS_FIGURES = ("per_s", "p50_ms", "p99_ms", "p999_ms", "cpu_s_per_1000", "slapd_cpu_s_per_1000", "connections")
MORE_IS_BETTER = ("per_s",)


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def spread(values):
    """The median, and the least and the most where there are several."""
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(min(values))}–{number(max(values))})"


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


def print_head(cells):
    print()
    print_row(cells)
    print_row(["---"] * len(cells))


def print_tables(lines):
    run, values = lines[0], {}
    for line in lines[1:]:
        for name, value in line.items():
            if name not in ("scenario", "who", "round"):
                values.setdefault((line["scenario"], name), {}).setdefault(line["who"], []).append(value)
    medians = {key: {who: statistics.median(all_of) for who, all_of in by_who.items()}
               for key, by_who in values.items()}
    print(", ".join(f"{name} {value}" for name, value in run.items()))
    print_summary(medians)
    print_floors(medians)
    print_askers(medians)
    print_group_commit(medians)
    print_all(values)


def print_summary(medians):
    print_head(["", "Postfix", "Sluice", "", "wanted", "with `bdb`"])
    for what, scenario, figure, wanted in SUMMARY:
        found = medians.get((scenario, figure))
        if found is not None:
            print_row([what, *(number(found[who]) if who in found else "" for who in ("postfix", "sluice")),
                       times(found, figure), wanted, number(found["sluice-bdb"]) if "sluice-bdb" in found else ""])


def times(found, figure):
    if "postfix" not in found or "sluice" not in found or 0 in (found["postfix"], found["sluice"]):
        return ""
    factor = found["sluice"] / found["postfix"]
    return f"{number(factor if figure in MORE_IS_BETTER else 1 / factor)} times"


def print_floors(medians):
    print_head(["floor", "receive", "send", "store", "in all", "Sluice"])
    for load in ("one", "many", "100k"):
        parts = [medians.get((f"floor-{load}", figure), {}).get("floor")
                 for figure in ("receive_us", "send_us", "store_us")]
        own = medians.get((f"relay-{load}", "cpu_s_per_1000"), {}).get("sluice")
        if None not in parts:
            print_row([load, *(f"{number(part)} µs" for part in (*parts, sum(parts))),
                       "" if own is None else f"{number(own * 1000)} µs, {own * 1000 / sum(parts):.1f} times"])


def print_askers(medians):
    print_head(["a directory is asked by", *ASKERS_FIGURES])
    for what, scenario, who in ASKERS:
        found = [medians.get((scenario, figure), {}).get(who) for figure in ASKERS_FIGURES]
        if found[0] is not None:
            print_row([what, *("" if value is None else number(value) for value in found)])


def print_group_commit(medians):
    stores = {"log": "sluice", "bdb": "sluice-bdb"}
    print_head(["sessions", *(f"`{store}`: {what}" for store in stores for what in ("messages/s", "a commit"))])
    for figure in (figure for scenario, figure in medians if scenario == "group-commit" and "commit" in figure):
        sessions = figure.removeprefix("per_commit_")
        cells = [medians["group-commit", name].get(who) for who in stores.values()
                 for name in (f"per_s_{sessions}", figure)]
        print_row([sessions, *("" if cell is None else number(cell) for cell in cells)])


def print_all(values):
    columns = list(dict.fromkeys(who for by_who in values.values() for who in by_who))
    print_head(["scenario", "figure", *columns])
    for (scenario, name), by_who in values.items():
        print_row([scenario, name, *(spread(by_who[who]) if who in by_who else "" for who in columns)])
