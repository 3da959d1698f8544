"""The recorder's log: building the recorder, reading its records, and where each sync was asked for. Standard library
only."""

import bisect
import os
import pathlib
import re
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
OPEN, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, FSYNC, SYNCDIR, SEND, START, TROUBLE = range(1, 14)
NAMES = ("", "open", "write", "truncate", "rename", "link", "unlink", "mkdir", "rmdir", "fsync", "syncdir", "send", "start",
         "TROUBLE")
HEAD = struct.Struct("<IIIIQqII")


def recorder(folder):
    """Compiles recorder.c into `folder`."""
    library = pathlib.Path(folder) / "recorder.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library), str(HERE / "recorder.c"), "-ldl",
                    "-lpthread"], check=True)
    return library


def environment(library, root, log):
    """What makes a process write down what it does below `root`."""
    return {**os.environ, "LD_PRELOAD": str(library), "RECORD_ROOT": str(root), "RECORD_LOG": str(log)}


class Record:
    __slots__ = ("kind", "pid", "inode", "offset", "path", "second", "data", "end")

    def __repr__(self):
        return f"{NAMES[self.kind]} {self.path} {self.second or ''} @{self.offset} {len(self.data)}"


def read(log):
    """All records, in order."""
    octets = memoryview(pathlib.Path(log).read_bytes())
    records, at = [], 0
    while at < len(octets):
        total, kind, pid, first, inode, offset, second, data = HEAD.unpack_from(octets, at)
        record = Record()
        record.kind, record.pid, record.inode, record.offset = kind, pid, inode, offset
        start = at + HEAD.size
        record.path = bytes(octets[start:start + first]).decode()
        middle = bytes(octets[start + first:start + first + second])
        if kind in (FSYNC, SYNCDIR):
            record.second = struct.unpack(f"<{second // 8}Q", middle)
        else:
            record.second = middle.decode()
        record.data = octets[start + first + second:start + first + second + data]
        at += total
        record.end = at
        records.append(record)
    return records


class Sends:
    """How much had left for each peer at each record: which replies a client could have at a point."""

    def __init__(self, records):
        self.peers = {}
        for index, record in enumerate(records):
            if record.kind == SEND:
                self.peers.setdefault(record.inode, []).append((index, record.offset))
        self.ends = [record.end for record in records]

    def index_of(self, place):
        """The record with which a reply had left. `place`: (peer, octet of the log from which on that peer counts, octets
        to the end of the reply), or an octet of the log at which the client had the reply."""
        if isinstance(place, int):
            return bisect.bisect_left(self.ends, place) if place else -1
        peer, since, octets = place
        total = 0
        for index, count in self.peers.get(peer, ()):
            if self.ends[index] <= since:
                continue
            total += count
            if total >= octets:
                return index
        raise ValueError(f"a reply on connection {place} was read that the log has not sent")


class Sources:
    """Where in the program's sources the frames of a sync lie, by its debug information."""

    def __init__(self, program, frames):
        self.lines = {}
        wanted = sorted({frame for frame in frames if frame > 1})
        if not wanted:
            return
        # A return address is behind its call.
        done = subprocess.run(["addr2line", "-i", "-a", "-e", str(program)], text=True, capture_output=True, check=True,
                              input="\n".join(hex(frame - 1) for frame in wanted) + "\n")
        current = None
        for line in done.stdout.splitlines():
            if line.startswith("0x"):
                current = self.lines.setdefault(int(line, 16) + 1, [])
            else:
                found = re.match(r".*/Sources/([^/]+)/(.*\.swift):(\d+)", line)
                if found:
                    current.append((found.group(1), found.group(2).rpartition("/")[2], int(found.group(3))))

    def stack(self, frames):
        """(room, file, line) from the innermost on; ("sqlite",) where SQLite is on the way."""
        result = []
        for frame in frames:
            result += [("sqlite", "", 0)] if frame == 1 else self.lines.get(frame, [])
        return result
