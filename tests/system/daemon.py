# SPDX-License-Identifier: ISC
"""A sluiced of the test's own: its configuration, tables, processes, log and commands."""

import collections
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build" / "asan"))
BIN = BUILD / "bin"
PLUGINS = BUILD / "plugins"

# What a sanitizer writes when it has found something.
BAD_LOG = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed")

ENVIRONMENT = dict(
    os.environ,
    ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=0:abort_on_error=0",
    LSAN_OPTIONS=f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
    UBSAN_OPTIONS="print_stacktrace=1",
)


# A name for each of the ports that were given last: two runs, or workers of one, never share one.
reserved = collections.deque(maxlen=200)


def reserve(port):
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0sluice-test-port-{port}")
    except OSError:
        name.close()
        return False
    reserved.append(name)
    return True


def free_port(address="127.0.0.1"):
    """One that nobody takes before it is used: not of those which the kernel gives to clients."""
    for _ in range(1000):
        port = random.randrange(10000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
        if reserve(port):
            return port
    raise AssertionError(f"no free port of {address}")


def wait_for(condition, seconds=20, step=0.02):
    """Polls until condition() is true; returns its value, or fails the test."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so after {seconds} s: {getattr(condition, '__name__', condition)}")
        time.sleep(step)


def as_setting(value):
    """A Python value as libconfig writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if abs(value) > 0x7FFFFFFF else str(value)
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        return "( " + ", ".join(as_setting(item) for item in value) + " )"
    if isinstance(value, (list, tuple)):
        return "[ " + ", ".join(as_setting(item) for item in value) + " ]"
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {as_setting(v)};" for k, v in value.items()) + " }"
    return json.dumps(str(value))


class Daemon:
    """settings are added to (or, with None, removed from) a base that listens on a free port."""

    def __init__(self, folder, settings=None, tables=None, start=True, build=None, raw=None):
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o755)
        self.bin = Path(build) / "bin" if build else BIN
        self.port = free_port()
        self.config = self.folder / "sluice.conf"
        self.log_path = self.folder / "log"
        self.process = None
        self.settings = {
            "myhostname": "mx.isp.example",
            "listen": [f"127.0.0.1:{self.port}"],
            "plugin_directory": Path(build) / "plugins" if build else PLUGINS,
            "queue_directory": self.folder / "queue",
            "run_directory": self.folder / "run",
            "mynetworks": ["127.0.0.0/8"],
            "defer_transports": ["etrn-only"],
            "mydestination": [],  # most tests only relay, and a process less is quicker
        }
        self.change(settings or {})
        for name, text in (tables or {}).items():
            self.table(name, text)
        if raw is not None:
            self.config.write_text(raw)
        if start:
            self.start()

    # -- configuration

    def change(self, settings):
        self.settings.update(settings)
        self.settings = {k: v for k, v in self.settings.items() if v is not None}
        self.config.write_text(
            "".join(f"{k} = {as_setting(v)};\n" for k, v in self.settings.items()))

    def table(self, name, text):
        """Writes a table's source and builds it; returns its name for the configuration."""
        source = self.folder / name
        source.write_text(text)
        subprocess.run([self.bin / "postmap", f"hash:{source}"], check=True, env=ENVIRONMENT)
        return f"hash:{source}"

    # -- processes

    def start(self, wait=True, environment=None, descriptors=None, tool=()):
        """descriptors: how many each of its processes may have. tool: a command to run it under."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*tool, self.bin / "sluiced", "-c", self.config, "-f"], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, env={**ENVIRONMENT, **(environment or {})},
            preexec_fn=limit if descriptors else None)
        log.close()
        if wait:
            self.wait_until_ready()
            wait_for(lambda: f"ready, pid {self.process.pid}" in self.log(), 60)

    def wait_until_ready(self):
        def is_ready():
            assert self.process.poll() is None, f"sluiced has ended:\n{self.log()}"
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.settimeout(10)
                    return probe.recv(4).startswith(b"220")
            except OSError:
                return False

        wait_for(is_ready, 60)

    def stop(self, seconds=60):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """SIGKILL to everything at once."""
        for pid in [self.process.pid, *self.roles().values()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)

    def finish(self):
        """The end of a test: ends the daemon and looks for what the sanitizers said."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        if self.log_path.exists():
            found = BAD_LOG.search(self.log())
            assert not found, self.log()[-20000:]

    def roles(self):
        """{"queue 0": pid, "receive 1": pid, ...} of the running role processes."""
        found = {}
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            pids = children.read_text().split()
        except OSError:
            return found
        counts = {}
        for pid in pids:
            try:
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                role = arguments[arguments.index(b"--role") + 1].decode()
            except (OSError, ValueError, IndexError):
                continue
            index = counts.get(role, 0)
            counts[role] = index + 1
            found[f"{role} {index}"] = int(pid)
        return found

    # -- what it says and answers

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, pattern, seconds=20):
        return wait_for(lambda: re.search(pattern, self.log()), seconds)

    def command(self, *arguments, check=True, **options):
        """Runs one of our commands: command("sluice", "status")."""
        name = arguments[0]
        place = [] if name == "postmap" else ["-c", self.config if "sluice" in name else self.folder]
        result = subprocess.run([self.bin / name, *place, *map(str, arguments[1:])], text=True,
                                capture_output=True, timeout=60, env=ENVIRONMENT, **options)
        if check:
            assert result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stderr}"
        return result

    def json(self, *arguments):
        """The lines of `sluice ... --json`, parsed."""
        return [json.loads(line)
                for line in self.command("sluice", *arguments, "--json").stdout.splitlines()]

    def queue(self):
        return self.json("queue", "list")
