# SPDX-License-Identifier: ISC
"""Credit and ceilings: strangers cannot make a role grow, and a full disk loses nothing."""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from client import Client, send, stuffed
from daemon import ENVIRONMENT, wait_for

is_root = os.geteuid() == 0
CLIENTS = 200
SIZE = 8 * 1024 * 1024
MIB = 1024 * 1024

# What a role may grow by while CLIENTS * SIZE bytes pass through it (sanitizers' own memory, which
# grows with each allocation made, is not the daemon's: the growth is measured on a release build
# where there is one).
GROWTH_MAX = {"receive": 96 * MIB, "queue": 128 * MIB, "deliver": 128 * MIB}


def memory(pid):
    """Resident memory and memory files of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024
    seen = {}
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if "memfd:" in os.readlink(descriptor):
                information = os.stat(descriptor)
                seen[information.st_ino] = information.st_blocks * 512
        except OSError:
            continue
    return resident + sum(seen.values())


class Peaks:
    """The most that each role had, sampled until stopped."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.first = {name: memory(pid) for name, pid in daemon.roles().items()}
        self.most = dict(self.first)
        self.is_over = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.is_over:
            for name, pid in self.daemon.roles().items():
                try:
                    self.most[name] = max(self.most.get(name, 0), memory(pid))
                except OSError:
                    pass
            time.sleep(0.1)

    def growth(self):
        self.is_over = True
        self.thread.join()
        return {name: most - self.first.get(name, most) for name, most in self.most.items()}


def release_build():
    from daemon import ROOT
    build = ROOT / "build" / "release"
    return build if (build / "bin" / "sluiced").exists() else None


@pytest.mark.long
def test_200_clients_with_8_mb_each_and_a_slow_disk(make_daemon, store):
    daemon = make_daemon(start=False, build=release_build())
    daemon.change({
        "relay_domains": ["customer.tld"], "queue_store": {"plugin": store},
        "transport_maps": [daemon.table("transport", "customer.tld etrn-only:[127.0.0.1]:9\n")]})
    # Each sync and each write to a file takes its time.
    daemon.start(environment=slow_disk(daemon.folder))
    peaks = Peaks(daemon)
    chunk = stuffed(b"X: y\r\n\r\n") + (b"z" * 74 + b"\r\n") * 1000
    accepted = []

    def run():
        with Client(daemon.port, timeout=300) as client:
            client.expect("MAIL FROM:<s@isp.example>", "250")
            client.expect("RCPT TO:<u@customer.tld>", "250")
            client.expect("DATA", "354")
            for _ in range(SIZE // len(chunk)):
                client.send(chunk)
            client.send(b".\r\n")
            accepted.append(client.reply())

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(400)
    growth = peaks.growth()
    assert all(reply.startswith("250 2.0.0 Ok: queued as ") for reply in accepted)
    assert len(accepted) == CLIENTS
    for name, grown in growth.items():
        assert grown <= GROWTH_MAX[name.split()[0]], f"{name} grew by {grown // MIB} MiB: {growth}"


SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#define SLOW(us) usleep(us)
int fdatasync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fdatasync"); SLOW(100000); return real(fd); }
int fsync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fsync"); SLOW(100000); return real(fd); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { static ssize_t (*real)(int, const void *, size_t, off_t); if (!real) real = dlsym(RTLD_NEXT, "pwrite"); if (n > 4096) SLOW(1000); return real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return pwrite(fd, b, n, o); }
"""


def slow_disk(folder):
    """An LD_PRELOAD library that makes writes and syncs slow."""
    source = folder / "slow.c"
    source.write_text(SLOW)
    library = folder / "slow.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library),
            "ASAN_OPTIONS": ENVIRONMENT["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}


@pytest.mark.skipif(not is_root, reason="only root can mount a small disk")
def test_a_full_disk_refuses_new_mail_and_still_records_deliveries(make_daemon, folder, sink, store):
    """M-45."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", disk], check=True)
    daemon = None
    try:
        daemon = make_daemon(start=False)
        daemon.change({
            "queue_directory": disk / "queue", "relay_domains": ["customer.tld"],
            "queue_store": {"plugin": store},
            "transport_maps": [daemon.table("transport", f"customer.tld etrn-only:{sink.nexthop}\n")]})
        daemon.start()
        content = b"X: y\r\n\r\n" + (b"z" * 74 + b"\r\n") * 600
        accepted = 0
        refusal = None
        for _ in range(5000):
            with Client(daemon.port) as client:
                reply = client.command("MAIL FROM:<s@isp.example>")
                if not reply.startswith("250"):
                    refusal = reply
                    break
                client.expect(f"RCPT TO:<u{accepted}@customer.tld>", "250")
                client.expect("DATA", "354")
                client.send(content + b".\r\n")
                reply = client.reply()
                if not reply.startswith("250"):
                    refusal = reply
                    break
                accepted += 1
        assert refusal is not None and refusal.startswith(("452 4.3.1", "451 4.3.0")), refusal
        assert accepted > 50

        daemon.command("postqueue", "-s", "customer.tld")
        wait_for(lambda: sink.count == accepted, 120)
        wait_for(lambda: daemon.queue() == [], 60, 0.5)
        assert daemon.stop() == 0
        daemon.start()  # results were recorded: nothing is repeated
        daemon.command("postqueue", "-f")
        time.sleep(1)
        assert sink.count == accepted
        wait_for(lambda: can_send(daemon), 30, 0.5)
    finally:
        if daemon is not None:
            daemon.finish()
        subprocess.run(["umount", disk], check=False)


def can_send(daemon):
    try:
        return send(daemon.port)
    except (AssertionError, OSError):
        return False
