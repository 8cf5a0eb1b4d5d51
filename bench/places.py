# SPDX-License-Identifier: ISC
"""Where things are, and how what is measured is built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
PROGRAMS = BUILD / "bench"
STATE = BUILD / "state"
RESULTS = BUILD / "results.jsonl"

# The daemon and the other mail servers are started as the system tests start them.
sys.path.insert(0, str(ROOT / "tests" / "system"))
os.environ["SLUICE_BUILD"] = str(BUILD)


def build():
    needs = (f". {ROOT}/packaging/needs.sh; needs_packages $NEEDS_BUILD $NEEDS_RUN $NEEDS_CHECK; needs_users; "
             f"{ROOT}/tests/system/peers.sh {ROOT}/build/peers")
    subprocess.run(["sh", "-c", needs], check=True)
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                    "-DSLUICE_BENCH=ON", "-DSLUICE_TESTS=OFF"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", BUILD, "-j", "2"], check=True, stdout=subprocess.DEVNULL)


def fresh(name):
    """A path below the build folder, and so on a disk, at which nothing is."""
    folder = STATE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder
