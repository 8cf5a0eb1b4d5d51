# SPDX-License-Identifier: ISC
"""What measures must work when somebody wants to measure."""

import json
import os
import subprocess

import pytest

from daemon import BUILD, ROOT, free_port, wait_for

PROGRAMS = BUILD / "bench"
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # they end with what they have


@pytest.mark.parametrize("words", [(), ("-d",), ("-d", "-r", "2000"), ("-l", "100000"), ("-n", "20")], ids=str)
def test_source_and_sink_agree(words):
    if not (PROGRAMS / "bench-source").exists():
        pytest.skip("NOT BUILT with -DSLUICE_BENCH=ON")
    address = f"127.0.0.1:{free_port()}"
    sink = subprocess.Popen([PROGRAMS / "bench-sink", "-m", "300", address], stdout=subprocess.PIPE, text=True,
                            env=ENVIRONMENT)
    try:
        wait_for(lambda: subprocess.run([PROGRAMS / "bench-source", "-m", "1", address],
                                        capture_output=True, env=ENVIRONMENT).returncode == 0, 10)
        sent = subprocess.run([PROGRAMS / "bench-source", "-s", "10", "-m", "299", *words, address],
                              stdout=subprocess.PIPE, text=True, timeout=30, check=True, env=ENVIRONMENT).stdout
        got = json.loads(sink.communicate(timeout=10)[0])
    finally:
        sink.kill()
    sent = json.loads(sent)
    size = 100000 if "-l" in words else 4096
    assert (sent["messages"], sent["refused"], got["messages"]) == (299, 0, 300)
    assert got["bytes"] > 299 * size
    least = 10 if "-d" in words else 299
    assert least <= sent["connections"] <= least + 10  # some come for a message that another one sends
    assert 0 < sent["p50_ms"] <= sent["p90_ms"] <= sent["p99_ms"] <= sent["p999_ms"] <= sent["max_ms"]


@pytest.mark.parametrize("script", ["measure.py", "profile.py"])
def test_the_scripts_find_all_that_they_need(script):
    done = subprocess.run([ROOT / "bench" / script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
