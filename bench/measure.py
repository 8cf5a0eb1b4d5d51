#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Measures Sluice beside Postfix: one machine, one run, the same messages, the same durability (both sync
before they say 250), in turns, and medians.

    bench/measure.py [--rounds N] [--only NAME,...] [--who NAME,...] [--scale FACTOR] [--out FILE]
    bench/measure.py --report [--out FILE]

Builds what it needs in build/bench. Must be run as root: Postfix runs unpacked, laid over /usr. Each
figure of each round is kept, as a line of JSON, in FILE (build/bench/results.jsonl), with the machine, the
time and the commit; tables of medians go to standard output. --report makes the tables of the last run
again. See doc/performance.md for what the figures mean.
"""

import argparse
import sys
from pathlib import Path

from places import RESULTS, build

import figures
import report
import relay  # noqa: F401  each registers its scenarios
import fairness  # noqa: F401
import hold  # noqa: F401
import ldap  # noqa: F401
import sessions  # noqa: F401
import million  # noqa: F401
from mtas import KINDS
from scenario import SCENARIOS


def wanted(names, known):
    found = names.split(",") if names else list(known)
    for name in found:
        if name not in known:
            sys.exit(f"{name} is none of: {', '.join(known)}")
    return found


def measure(options, results):
    names = wanted(options.only, SCENARIOS)
    who = wanted(options.who, KINDS)
    for round_number in range(options.rounds):
        for name in names:
            run, counts, words = SCENARIOS[name]
            for kind in (KINDS[one] for one in who if one in counts):
                count = max(1, round(counts[kind.name] * options.scale))
                print(f"{round_number + 1}: {name}, {kind.name}, {count}", file=sys.stderr)
                results.add(name, kind.name, round_number, run(kind, count, *words))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--who", default="", metavar="NAME,...", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--scale", type=float, default=1, help="so many times the messages")
    parser.add_argument("--report", action="store_true", help="the last run's table, nothing is measured")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not options.report:
        build()
        with figures.Results(options.out) as results:
            measure(options, results)
    report.print_tables(figures.last_run(options.out))


if __name__ == "__main__":
    main()
