# SPDX-License-Identifier: ISC
"""sluice-log: what it says of a damaged store, and what it gets out of it."""

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import pytest

from client import send
from daemon import BIN, Daemon, wait_for

HEADER = 64
PUT, UPDATE, REMOVE, COMMIT, COPY = range(1, 6)
LARGE = 3 << 20


def tool(*arguments):
    done = subprocess.run([BIN / "sluice-log", *map(str, arguments)], text=True, capture_output=True,
                          timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


class Frame:
    def __init__(self, data, offset):
        (self.salt, self.sequence, self.id, self.content_size, self.record_size, self.flags,
         self.position, self.type, self.is_large) = struct.unpack_from("<QQQQIIIBB", data, offset)
        self.offset = offset
        self.record = offset + HEADER
        self.content = self.record + self.record_size
        self.end = self.content + (0 if self.is_large else self.content_size)
        self.end += -self.end % 8


def frames(path):
    """Those of a segment that is not damaged."""
    data = path.read_bytes()
    salt, = struct.unpack_from("<Q", data, 16)
    at = HEADER
    while at + HEADER <= len(data) and struct.unpack_from("<Q", data, at)[0] == salt:
        frame = Frame(data, at)
        yield frame
        at = frame.end


def change(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def state(folder):
    """All that could change when somebody looks."""
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_ino,
                                            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
            for path in sorted(folder.rglob("*"))}


class Store:
    """A copy of a store, to be damaged."""

    def __init__(self, folder):
        self.folder = folder
        self.segments = sorted(path for path in folder.glob("*.seg") if any(True for _ in frames(path)))
        self.frames = [(path, frame) for path in self.segments for frame in frames(path)]

    def puts(self):
        """In the order in which they came; not the queue's own record."""
        return [(path, frame) for path, frame in self.frames if frame.type == PUT and frame.id != 0]

    def middle(self):
        """A segment that is neither the first nor the last, and a message in the middle of it."""
        path = self.segments[len(self.segments) // 2]
        inside = [frame for where, frame in self.puts() if where == path]
        return path, inside[len(inside) // 2]

    def ids(self, *paths):
        """The messages that are in these segments."""
        return {name(frame.id) for path, frame in self.puts() if path in paths}


def name(number):
    return f"{number:016X}"


@pytest.fixture(scope="module")
def filled():
    """A store of which some messages have gone, in small segments; {id: content as it is in the store}."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    folder.chmod(0o755)
    daemon = Daemon(folder / "d", start=False)
    daemon.change({"relay_domains": ["customer.tld"], "queue_store": {"plugin": "log", "segment_size": 65536, "reserve": 65536},
                   "transport_maps": [daemon.table("transport", "customer.tld etrn-only:[127.0.0.1]:9\n")]})
    daemon.start()
    for number in range(40):
        size = LARGE if number == 21 else 500 * number
        queue_id = send(daemon.port, sender=f"s{number}@isp.example", recipients=["a@customer.tld", "b@customer.tld"],
                        content=b"Subject: %d\r\n\r\n" % number + b"0123456789 abcdef\r\n" * (size // 19))
        if number % 10 == 3:
            daemon.command("postsuper", "-h", queue_id)  # an UPDATE
        if number % 10 == 7:
            daemon.command("postsuper", "-d", queue_id)
    assert daemon.stop() == 0
    daemon.finish()
    store = daemon.folder / "queue/store"
    assert tool("export", store, folder / "whole").returncode == 0
    contents = {path.stem: path.read_bytes() for path in (folder / "whole").glob("*.eml")}
    assert len(contents) == 36
    yield store, contents
    shutil.rmtree(folder)


@pytest.fixture
def store(filled, folder):
    shutil.copytree(filled[0], folder / "store")
    owner = filled[0].stat()
    for path in [folder / "store", *(folder / "store").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    return Store(folder / "store")


def listed(folder):
    done = tool("list", folder)
    assert done.returncode in (0, 1), done.stderr
    return {line.split("\t")[0]: line for line in done.stdout.splitlines()}


def test_a_sound_store(filled, store, folder):
    contents = filled[1]
    lines = listed(store.folder)
    assert lines.keys() == contents.keys()
    first = next(line for line in lines.values() if "<s0@" in line).split("\t")
    assert int(first[1]) == len(contents[first[0]])
    assert first[3:] == ["<s0@isp.example>", "a@customer.tld", "b@customer.tld"]
    assert tool("check", store.folder).returncode == 0
    tool("export", store.folder, folder / "out")
    envelope = json.loads((folder / "out" / f"{first[0]}.json").read_text())
    assert envelope["sender"] == "s0@isp.example" and envelope["message_size"] == int(first[1])
    assert [recipient["transport"] for recipient in envelope["recipients"]] == ["etrn-only", "etrn-only"]
    held = [path for path in (folder / "out").glob("*.json") if json.loads(path.read_text())["held"]]
    assert len(held) == 4
    assert any(len(content) > LARGE for content in contents.values())
    for content in contents.values():
        assert content.startswith(b"Received: ") and content.endswith((b"abcdef\r\n", b"\r\n\r\n"))


# ---- damage --------------------------------------------------------------------------------------
# Each damages a store and says what check must name, where, and which messages cannot be had any more.


def in_segment_header(store):
    path, _ = store.middle()
    flip(path, 20)
    return path.name, 0, set()


def in_frame_header(store):
    path, frame = store.middle()
    flip(path, frame.offset + 17)
    return path.name, frame.offset, {name(frame.id)}


def in_record(store):
    path, frame = store.middle()
    flip(path, frame.record + frame.record_size // 2)
    return path.name, frame.offset, {name(frame.id)}


def in_content(store):
    path, frame = store.middle()
    flip(path, frame.content + frame.content_size // 2)
    return path.name, frame.offset, {name(frame.id)}


def in_commit(store):
    path, put = store.middle()
    commit = next(frame for where, frame in store.frames
                  if where == path and frame.type == COMMIT and frame.offset > put.offset)
    flip(path, commit.offset + 9)
    return path.name, commit.offset, set()


def zeros(store):
    path, frame = store.middle()
    change(path, frame.offset, bytes(frame.end - frame.offset + HEADER))
    return path.name, frame.offset, {name(frame.id)}


def truncated(store):
    path, frame = store.middle()
    os.truncate(path, frame.offset + 10)
    return path.name, frame.offset, {name(put.id) for where, put in store.puts()
                                     if where == path and put.offset >= frame.offset}


def first_sector_zero(store):
    path, _ = store.middle()
    change(path, 0, bytes(4096))
    return path.name, 0, {name(put.id) for where, put in store.puts() if where == path and put.offset < 4096}


def newer_version(store):
    path, _ = store.middle()
    with path.open("r+b") as file:
        header = bytearray(file.read(HEADER))
        struct.pack_into("<I", header, 8, 99)
        struct.pack_into("<I", header, 60, zlib.crc32(header[:60]))
        file.seek(0)
        file.write(header)
    return path.name, "written by a newer version", store.ids(path)


def segment_missing(store):
    path, _ = store.middle()
    path.unlink()
    return "messages", "missing", store.ids(path)


def foreign_file(store):
    (store.folder / "thesis.tex").write_text("draft 3")
    return "thesis.tex", "not of this store", set()


def large_missing(store):
    path = next((store.folder / "large").iterdir())
    path.unlink()
    return f"large/{path.name}", "gone", {path.name}


def large_cut(store):
    path = next((store.folder / "large").iterdir())
    os.truncate(path, 1000)
    return f"large/{path.name}", "has not the", {path.name}


DAMAGES = [in_segment_header, in_frame_header, in_record, in_content, in_commit, zeros, truncated,
           first_sector_zero, newer_version, segment_missing, foreign_file, large_missing, large_cut]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage(filled, store, folder, damage):
    file, where, lost = damage(store)
    contents = {key: value for key, value in filled[1].items() if key not in lost}
    before = state(store.folder)

    check = tool("check", store.folder)
    assert check.returncode == 1
    where = f" at {where}" if isinstance(where, int) else where
    assert any(file in line and where in line for line in check.stderr.splitlines()), check.stderr

    lines = listed(store.folder)  # it looks at no contents
    exported = tool("export", store.folder, folder / "out")
    assert exported.returncode == 1
    assert {path.stem: path.read_bytes() for path in (folder / "out").glob("*.eml")} == contents
    assert {path.stem for path in (folder / "out").glob("*.json")} == contents.keys()
    assert state(store.folder) == before

    assert tool("salvage", store.folder, folder / "new").returncode == 1
    assert state(store.folder) == before
    assert tool("check", folder / "new").returncode == 0
    sound = listed(folder / "new")
    assert sound.keys() == contents.keys()
    assert sound == {key: line for key, line in lines.items() if key in contents}
    assert tool("export", folder / "new", folder / "again").returncode == 0
    assert {path.stem: path.read_bytes() for path in (folder / "again").glob("*.eml")} == contents


def at_random(rng, path):
    """Damage of any kind, anywhere in a file; where in it the sizes come from."""
    size = path.stat().st_size
    at = rng.randrange(size)
    length = min(rng.choice([1, 8, 64, 512, 4096, 20000]), size - at)
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.randrange(1, 20)):
            flip(path, rng.randrange(size))
    elif kind == 1:
        change(path, at, bytes(length))
    elif kind == 2:
        change(path, at, rng.randbytes(length))
    else:
        os.truncate(path, at)


@pytest.mark.parametrize("seed", range(4))
def test_damage_at_random(filled, folder, seed):
    """It never breaks, and what it gives is what was there."""
    contents = filled[1]
    rng = random.Random(seed)
    given = 0
    for number in range(10):
        copy = folder / f"store{number}"
        shutil.copytree(filled[0], copy)
        # What is damaged at the end of the last one might as well be a torn write.
        files = Store(copy).segments[:-1] + sorted(copy.glob("*.chk"))
        for _ in range(rng.randrange(1, 4)):
            at_random(rng, rng.choice(files))
        done = tool("export", copy, folder / f"out{number}")
        assert done.returncode in (0, 1), done.stderr
        out = {path.stem: path.read_bytes() for path in (folder / f"out{number}").glob("*.eml")}
        # Where a removal cannot be read the message is there again.
        assert all(contents.get(key, value) == value for key, value in out.items())
        assert done.stderr or out == contents
        given += len(out)
        shutil.rmtree(copy)
    assert given > 4 * len(contents)


def test_sluiced_delivers_from_what_was_salvaged(filled, store, make_daemon, sink):
    lost = set().union(*(damage(store)[2] for damage in (in_segment_header, in_content, large_missing)))
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "queue_store": {"plugin": "log"}, "defer_transports": [],
                   "transport_maps": [daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    daemon.start()  # makes the folders
    assert daemon.stop() == 0
    shutil.rmtree(daemon.folder / "queue/store")
    assert tool("salvage", store.folder, daemon.folder / "queue/store").returncode == 1
    daemon.start()
    daemon.command("postsuper", "-H", "ALL")
    contents = {key: value for key, value in filled[1].items() if key not in lost}
    wait_for(lambda: sum(len(message.recipients) for message in sink.messages) == 2 * len(contents))
    send(daemon.port)  # with an id that no message had
    assert daemon.stop() == 0


def test_a_store_that_is_open_is_left_alone(make_daemon):
    daemon = make_daemon()
    folder = daemon.folder / "queue/store"
    for arguments in (["list"], ["check"], ["export"], ["salvage"]):
        target = [daemon.folder / "out"] if arguments[0] in ("export", "salvage") else []
        done = tool(*arguments, folder, *target)
        assert done.returncode == 2 and "another process has this store open" in done.stderr
    assert not (daemon.folder / "out").exists()


def test_what_it_cannot_do(tmp_path, store):
    assert "usage" in tool("list").stderr
    assert "usage" in tool("mend", store.folder).stderr
    done = tool("list", tmp_path / "nowhere")
    assert done.returncode == 2 and "No such file" in done.stderr
    for command in ("export", "salvage"):
        done = tool(command, store.folder, tmp_path)
        assert done.returncode == 2 and "File exists" in done.stderr
    assert list(tmp_path.iterdir()) == []
