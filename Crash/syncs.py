"""Which syncs there are: in the sources, and in a log. A class is the kind of file, the line that asks for the sync, and who
wanted it; classes are found in the log, not listed."""

import pathlib
import re

from recording import FSYNC, SYNCDIR, Sources

ROOT = pathlib.Path(__file__).resolve().parent.parent
#: Rooms whose syncs the load must reach.
ROOMS = ("BlobStore", "MailStoreSQL", "MerpatiServer")
#: Where the calls themselves are made for all.
SEAM = ("PosixFileSystem.swift", "FileSystem.swift")
CALL = re.compile(r"(?<!func )\b(?:fdatasync|fsync|syncDirectory|syncfs|sync_file_range)\(")
PRAGMA = re.compile(r'PRAGMA synchronous = (\w+)')

#: Classes whose loss cannot be shown, and why they stay. (kind of file, source file)
NEEDLESS = {}


def sites():
    """{(file, line): text} of every line of these rooms that asks for a sync."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / "Sources" / room).rglob("*.swift")):
            if path.name in SEAM:
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if CALL.search(line) and not line.strip().startswith("//"):
                    found[path.name, number] = line.strip()
    return found


def pragmas():
    """What `synchronous` is set to, by file."""
    return {path.name: PRAGMA.findall(path.read_text()) for room in ROOMS
            for path in (ROOT / "Sources" / room).rglob("*.swift") if PRAGMA.search(path.read_text())}


def kind(path):
    """`data/volumes/1/packs/000000000001.pack` → `volumes/1/packs/*.pack`"""
    path = re.sub(r"\d{6,}(?=\.pack)", "*", path)
    return "the folder above" if path == "" else path.removeprefix("data/") if path != "data" else "the data folder"


class Classes:
    def __init__(self, records, program):
        syncs = [record for record in records if record.kind in (FSYNC, SYNCDIR)]
        self.sources = Sources(program, {frame for record in syncs for frame in record.second})
        self.names = {}
        self.sites = set()
        self._known = {}
        for record in syncs:
            self.names.setdefault(self.of(record), 0)
            self.names[self.of(record)] += 1

    def of(self, record):
        """The class of a sync."""
        key = (record.path, record.second)
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = self._name(record)
        return name

    def _name(self, record):
        stack = self.sources.stack(record.second)
        by_sqlite = bool(stack) and stack[0][0] == "sqlite"
        callers = [frame for frame in stack if frame[0] in ROOMS and frame[1] not in SEAM]
        if by_sqlite:
            # What SQLite syncs when is its own affair; which of its files it is tells what for.
            return f"{kind(record.path)} <- SQLite"
        if not callers:
            return f"{kind(record.path)} <- ?"
        self.sites.add(callers[0][1:])
        above = next((frame[1] for frame in callers if frame[1] != callers[0][1] and frame[1] != "PackStore.swift"), "")
        return f"{kind(record.path)} <- {callers[0][1]}:{callers[0][2]}{f' <- {above}' if above else ''}"

    def unreached(self):
        """Lines of the sources that ask for a sync and that the load did not come by."""
        return {site: text for site, text in sites().items() if site not in self.sites}


def needless(name):
    what, _, where = name.partition(" <- ")
    return NEEDLESS.get((what, where.partition(":")[0]))
