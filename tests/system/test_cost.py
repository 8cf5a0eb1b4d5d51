# SPDX-License-Identifier: ISC
"""Nothing must become dearer unnoticed: instructions, system calls and memory against cost.txt."""

import os
import warnings
from pathlib import Path

import pytest

import cost

TABLE = Path(__file__).with_name("cost.txt")
CHEAPER = 0.8


def limits():
    """{(load, counted, role): (measured, the most that is allowed)}"""
    rows = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(row[:3]): (float(row[3]), float(row[3]) * (1 + float(row[4]) / 100)) for row in rows}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: the roles' system calls cannot be counted")
def test_nothing_costs_more_than_it_did(folder):
    cost.build()
    found, words = cost.measure(folder)
    table = limits()
    assert found.keys() == table.keys()
    dearer = [f"{' '.join(key)}: {before:.1f} has become {found[key]:.1f}, at most {most:.1f} is allowed. "
              f"{words.get(key, '')}" for key, (before, most) in table.items() if found[key] > most]
    for key, (before, _) in table.items():
        if found[key] < before * CHEAPER:
            warnings.warn(f"{' '.join(key)}: {before:.1f} has become {found[key]:.1f}: lower it in {TABLE.name}")
    assert not dearer, "\n".join([f"Dearer than before ({TABLE.name} says how to look closer):", *dearer])
