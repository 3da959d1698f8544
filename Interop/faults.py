"""Faults in a running server: rules for Crash/inject.c, which the test turns on and off while the server serves.

    faults = Faults()
    server = harness.Server(environment=faults.environment)
    with faults.rule(WRITE, PACKS, errno.ENOSPC) as rule:
        ...
    rule.hits
"""

import atexit
import contextlib
import errno
import mmap
import pathlib
import shutil
import struct
import subprocess
import tempfile

import harness

# The calls of Crash/inject.c.
OPEN_READ, OPEN_WRITE, READ, WRITE, SYNC, UNLINK, RENAME, TRUNCATE, MAP, ACCEPT, SOCKET, MAKE_DIRECTORY = (
    1 << bit for bit in range(12))

# Files of a data folder, as patterns of fnmatch over whole paths.
PACKS = "*/packs/*.pack"
PACK_FOLDER = "*/packs"
SPOOL = "*/packs/spool/*"
DATABASE = "*/mail.sqlite"
WAL = "*/mail.sqlite-wal"
DIRECTORY = "*/directory.sqlite*"
MARKS = "*/marks.sqlite*"
EVERYTHING = "*/data/*"
LOG = "*/server.log"
SOCKETS = "socket:"

_HEADER = struct.Struct("<IIq")
_RULE = struct.Struct("<iIiiqQ216s")
_RULES = 16
_MAGIC = 0x4D464C31


def available():
    """Whether the shim can be built here."""
    return shutil.which("gcc") is not None and pathlib.Path("/proc/self/fd").is_dir()


_shim = None


def shim():
    """The shared library, built once a run."""
    global _shim
    if _shim is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-inject-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _shim = folder / "inject.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(_shim),
             str(harness.ROOT / "Crash" / "inject.c"), "-ldl"], check=True)
    return _shim


class Rule:
    """A rule that is on, or was: `hits` are the calls that it made fail."""

    def __init__(self, faults, place):
        self.faults, self.place, self._hits = faults, place, None

    @property
    def hits(self):
        return self._hits if self._hits is not None else self.faults.read(self.place)[5]

    def off(self):
        if self._hits is None:
            self._hits = self.faults.read(self.place)[5]
            self.faults.write(self.place, 0, 0, 0, 0, 0, 0, b"")


class Faults:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-faults-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.file = self.folder / "control"
        size = _HEADER.size + _RULES * _RULE.size
        self.file.write_bytes(_HEADER.pack(_MAGIC, 0, 0) + bytes(size - _HEADER.size))
        with open(self.file, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)

    @property
    def environment(self):
        """For the process in which faults are to happen."""
        return {"INJECT_FAULTS": str(self.file), "LD_PRELOAD": str(shim())}

    @property
    def attached(self):
        return _HEADER.unpack_from(self.map)[1] == 1

    def add(self, calls, files, error, room=0, times=-1):
        """From now on `calls` on `files` fail with `error` (0: they do half), after `room` octets or calls, `times` times
        (below 0: always)."""
        for place in range(_RULES):
            if not self.read(place)[0]:
                self.write(place, 0, calls, error, times, room, 0, files.encode())
                struct.pack_into("<i", self.map, self._at(place), 1)
                return Rule(self, place)
        raise RuntimeError("too many rules at once")

    @contextlib.contextmanager
    def rule(self, calls, files, error, room=0, times=-1):
        rule = self.add(calls, files, error, room, times)
        try:
            yield rule
        finally:
            rule.off()

    def clock(self, seconds):
        """By how many seconds the wall clock is wrong from now on."""
        struct.pack_into("<q", self.map, 8, seconds)

    def _at(self, place):
        return _HEADER.size + place * _RULE.size

    def read(self, place):
        return _RULE.unpack_from(self.map, self._at(place))

    def write(self, place, *values):
        _RULE.pack_into(self.map, self._at(place), *values)


def name(error):
    return errno.errorcode.get(error, str(error))
