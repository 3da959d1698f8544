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
CALL = re.compile(r"(?<!func )\b(?:fdatasync\(|fsync\(|syncDirectory\((?!\))|syncfs\(|sync_file_range\()")
PRAGMA = re.compile(r'PRAGMA synchronous = (\w+)')

#: Every line of the sources that asks for a sync, and what for. `None`: a server on a real disk never comes by.
LINES = {
    ("PackStore.swift", "if table.last == nil { try fileSystem.syncDirectory(Self.parent(of: directory)) }"):
        "the folder of packs has its name",
    ("PackWriter.swift", "for pack in full { try pack.handle.fdatasync() }"):
        "message bytes, before the rows that refer to them: packs that became full within one commit",
    ("PackWriter.swift", "if let pack = current, pack.end > pack.synced { try pack.handle.fdatasync() }"):
        "message bytes, before the rows that refer to them: deliveries, and copies of compaction",
    ("PackWriter.swift", "if needsDirectorySync { try table.fileSystem.syncDirectory(table.directory) }"):
        "names of new packs, before the rows that refer to them",
    ("PackTable.swift", "do throws(BlobError) { try fileSystem.syncDirectory(directory) } catch {"):
        "the name of the empty pack that keeps the count, before the last pack goes; and that a removed pack is gone",
    ("SQLStore.swift", "if try fileSystem.createDirectory(folder) { try fileSystem.syncDirectory(Self.parent(of: folder)) }"):
        None,  # For file systems that tests provide: on a real one the folders are there by now.
    ("SQLStore.swift", "try blobCall { () throws(BlobError) in try PosixFileSystem().syncDirectory(folder) }"):
        "names of the data folder, of what is in it, and of the databases",
    ("SelfSigned.swift", "do throws(BlobError) { try PosixFileSystem().syncDirectory(folder) } catch {"):
        "the self-signed pair: key before certificate",
    ("SelfSigned.swift", "guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {"):
        "the self-signed pair: whole under its name",
    ("DecoySecret.swift", "let isWritten = Foundation.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0"):
        "the secret of decoy salts: whole under its name",
    ("BackupFiles.swift", "guard fdatasync(file) == 0 else { throw Self.failure(\"sync\", path) }"):
        "what a backup copies, its manifest and its sums, before it gets its name",
    ("BackupFiles.swift", "guard fsync(file) == 0 else { throw Self.failure(\"sync\", path) }"):
        "databases that a backup shares with the server's copy, before it gets its name",
    ("BackupFiles.swift", "try blobCall { () throws(BlobError) in try PosixFileSystem().syncDirectory(path) }"):
        "names in a backup, before it gets its own; and that one, before anybody is told of it",
    # Repairs are not in the load: they work on copies (docs/repair.md), and their own tests cut them at every step.
    ("DamagedFrames.swift", "try file.fdatasync()"): None,
    ("RepairFolder.swift", "let isWritten = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0"): None,
    ("RepairFolder.swift", "let result = fsync(descriptor)"): None,
}
#: What `synchronous` is set to, by file. OFF stands only where a copy is written that nobody uses before it was synced as a whole.
PRAGMAS = {
    "SQLConnection.swift": ["FULL"],
    "DatabaseCopy.swift": ["OFF"],
    "StoreRepair.swift": ["OFF", "FULL"],
}
#: Classes whose loss cannot be shown, and why they stay. (kind of file, source file)
NEEDLESS = {
    ("the data folder", "SQLStore.swift"):
        "SQLite syncs a folder when it makes a journal or a WAL there, and so do we, rather than rely on it",
    ("volumes/1", "SQLStore.swift"): "as in the data folder",
    ("volumes/1", "PackStore.swift"): "the store syncs this folder again before it takes mail; packs alone do not",
    ("the data folder", "SQLite"): "the store syncs this folder itself before it answers anybody",
    ("volumes/1", "SQLite"): "the store syncs this folder itself before it answers anybody",
}
#: Classes that matter for what is not in this load, and where that is shown. (kind of file, source file)
BEYOND = {
    ("marks.sqlite-wal", "SQLite"): "numbers that a restore must not give again: ToldClientTests",
    ("marks.sqlite", "SQLite"): "as its WAL",
    ("marks.sqlite-journal", "SQLite"): "as its WAL",
    ("decoy-salts.key.new", "DecoySecret.swift"): "half a secret is made anew: names without an account then change their salts",
}


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


def strangers():
    """Lines that are not in LINES, and entries of it that no line has any more."""
    there = {(file, text) for (file, _), text in sites().items()}
    return sorted(there ^ set(LINES))


def pragmas():
    """What `synchronous` is set to, by file."""
    return {path.name: PRAGMA.findall(path.read_text()) for room in ROOMS
            for path in (ROOT / "Sources" / room).rglob("*.swift") if PRAGMA.search(path.read_text())}


def kind(path):
    """`data/volumes/1/packs/000000000001.pack` → `volumes/1/packs/*.pack`"""
    path = re.sub(r"\d{6,}(?=\.pack)", "*", path)
    path = re.sub(r"(\.unfinished-)?\d{4}-\d\d-\d\dT\d{6}Z", "GENERATION", re.sub(r"\.pack\+\d+$", ".pack", path))
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
        above = next((frame for frame in callers[1:] if frame[1] not in ("PackStore.swift", "StoreError+Blob.swift")), None)
        # Lines of other files say nothing about the sync itself: what matters is who wanted it.
        text = "" if above is None else f" <- {above[1]}:{above[2]}" if above[1] == callers[0][1] else f" <- {above[1]}"
        return f"{kind(record.path)} <- {callers[0][1]}:{callers[0][2]}{text}"

    def unreached(self):
        """Lines of the sources that ask for a sync and that the load did not come by."""
        return {site: text for site, text in sites().items()
                if site not in self.sites and LINES.get((site[0], text), "") is not None}


def needless(name):
    """Why nothing is lost without this class, if that is known."""
    what, _, where = name.partition(" <- ")
    return NEEDLESS.get((what, where.partition(":")[0]))


def beyond(name):
    """What else a class is for, if its loss cannot be seen in this load."""
    what, _, where = name.partition(" <- ")
    return BEYOND.get((what, where.partition(":")[0]))


def covering(name, names):
    """The classes that make durable the same as `name`."""
    what = name.partition(" <- ")[0]
    return {other for other in names if other.partition(" <- ")[0] == what}
