# SPDX-License-Identifier: ISC
"""
The scenarios that bench/measure.py runs. A module that has some registers them:

    register("relay-one", relay, {"sluice": 20000, "postfix": 3000}, "-d")

relay(kind, messages, *options) is called in turns for each of those named, with its class of mtas.KINDS
and its number of messages (of sessions, of whatever is counted), and returns figures: {"per_s": 5179.0}.
By its names a figure tells what it is: per_s, cpu_s_per_1000, p99_ms, mib.
"""

from typing import Callable, NamedTuple

SCENARIOS = {}


class Scenario(NamedTuple):
    run: Callable
    counts: dict  # whom it is about, and how many messages each gets
    options: tuple


def register(name, run, counts, *options):
    SCENARIOS[name] = Scenario(run, counts, options)
