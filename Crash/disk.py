"""A disk with a write cache, replayed from a recorder's log: what can be there after the power went. docs/reliability.md
says what is assumed of it.

In short. A sync of a file makes durable what was written to it before, and its size. A sync of a directory makes durable
which names it has. Nothing else is ever promised: neither that a new file's own sync keeps its name, nor any order between
what is not synced. Of that, every write may be there, not there, there in some of its 512-octet sectors, or there as zeros
where the file had not reached before; every name may be the old or a newer one."""

import os
import random
import shutil

from recording import FSYNC, LINK, MKDIR, OPEN, RENAME, RMDIR, SYNCDIR, TRUNCATE, TROUBLE, UNLINK, WRITE

SECTOR = 512


class File:
    """`pending`: (offset, data) or (size, None) since the last sync; `held`: how many of these only a sync that was left
    out should have made durable."""
    __slots__ = ("durable", "pending", "held")

    def __init__(self):
        self.durable = bytearray()
        self.pending = []
        self.held = 0

    def sync(self):
        for offset, data in self.pending:
            put(self.durable, offset, data)
        self.pending.clear()
        self.held = 0


class Folder:
    """`pending`: lists of (name, node or None) since the last sync; a list's changes come together or not at all."""
    __slots__ = ("durable", "pending", "now", "held")

    def __init__(self):
        self.durable = {}
        self.pending = []
        self.now = {}
        self.held = 0

    def change(self, *changes):
        self.pending.append(changes)
        for name, node in changes:
            if node is None:
                self.now.pop(name, None)
            else:
                self.now[name] = node

    def sync(self):
        self.durable = dict(self.now)
        self.pending.clear()
        self.held = 0


def put(octets, offset, data):
    if data is None:
        if len(octets) > offset:
            del octets[offset:]
        else:
            octets.extend(bytes(offset - len(octets)))
        return
    if offset > len(octets):
        octets.extend(bytes(offset - len(octets)))
    octets[offset:offset + len(data)] = data


def ignored(path):
    """SQLite makes its shared memory anew after a crash; sockets and the lock hold nothing."""
    return path.endswith(("-shm", ".sock"))


class Disk:
    def __init__(self):
        self.root = Folder()
        self.inodes = {}
        self.trouble = []

    @classmethod
    def of(cls, folder):
        """A disk on which everything in `folder` is durable."""
        disk = cls()

        def load(path, node):
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    node.durable[entry.name] = child = Folder()
                    load(entry.path, child)
                else:
                    node.durable[entry.name] = child = File()
                    with open(entry.path, "rb") as file:
                        child.durable += file.read()
                    disk.inodes[entry.inode()] = child
            node.now = dict(node.durable)

        load(str(folder), disk.root)
        return disk

    def folder(self, path):
        node = self.root
        for part in path.split("/")[:-1]:
            node = node.now[part]
        return node, path.rpartition("/")[2]

    def node(self, path):
        if path == "":
            return self.root
        folder, name = self.folder(path)
        return folder.now.get(name)

    def apply(self, record, ignoring=False):
        """`ignoring`: this sync is left out."""
        kind = record.kind
        if ignored(record.path):
            return
        if kind == WRITE:
            self.file(record).pending.append((record.offset, record.data))
        elif kind == FSYNC:
            file = self.file(record)
            if ignoring:
                file.held = len(file.pending)
            else:
                file.sync()
        elif kind == SYNCDIR:
            folder = self.node(record.path)
            if ignoring:
                folder.held = len(folder.pending)
            else:
                folder.sync()
        elif kind == TRUNCATE:
            self.file(record).pending.append((record.offset, None))
        elif kind == OPEN:
            folder, name = self.folder(record.path)
            file = self.inodes[record.inode] = File()
            folder.change((name, file))
        elif kind == MKDIR:
            folder, name = self.folder(record.path)
            folder.change((name, Folder()))
        elif kind in (UNLINK, RMDIR):
            folder, name = self.folder(record.path)
            folder.change((name, None))
        elif kind in (RENAME, LINK):
            folder, name = self.folder(record.path)
            target, new = self.folder(record.second)
            node = folder.now[name]
            if kind == LINK:
                target.change((new, node))
            elif folder is target:
                folder.change((name, None), (new, node))
            else:
                # Over two directories POSIX promises less than any file system does: both may be there for a while.
                target.change((new, node))
                folder.change((name, None))
        elif kind == TROUBLE:
            self.trouble.append(record.path)

    def file(self, record):
        file = self.inodes.get(record.inode)
        if file is None:
            raise ValueError(f"{record.path} is written to, and the log has not seen it made")
        return file

    # What is left

    def image(self, how, seed=0):
        """{path: octets, or None for a directory}. `how`:
        drop    what is not synced is gone
        keep    all is there
        held    all is there but what the syncs that were left out should have made durable
        names   names are there, data not
        data    data are there, names not
        torn    each thing its own way, by `seed`
        worst   what was held as in `held`, all else as in `torn`"""
        chance = random.Random(seed)
        out = {}
        self._collect(self.root, "", how, chance, out)
        return out

    def _collect(self, folder, prefix, how, chance, out):
        for name, node in self._names(folder, how, chance).items():
            path = prefix + name
            if isinstance(node, Folder):
                out[path] = None
                self._collect(node, path + "/", how, chance, out)
            else:
                out[path] = self._octets(node, how, chance)

    @staticmethod
    def _names(folder, how, chance):
        how = ("held" if folder.held else "torn") if how == "worst" else how
        if how in ("keep", "names"):
            return folder.now
        if how in ("drop", "data") or not folder.pending:
            return folder.durable
        names = dict(folder.durable)
        if how == "held":
            kept = folder.pending[folder.held:]
        else:
            # Every journal we know keeps the order of names; POSIX does not.
            ordered = chance.random() < 0.5
            some = chance.randint(0, len(folder.pending))
            kept = folder.pending[:some] if ordered else [c for c in folder.pending if chance.random() < 0.5]
        for changes in kept:
            for name, node in changes:
                if node is None:
                    names.pop(name, None)
                else:
                    names[name] = node
        return names

    @staticmethod
    def _octets(file, how, chance):
        how = ("held" if file.held else "torn") if how == "worst" else how
        if not file.pending or how in ("drop", "names"):
            return file.durable
        octets = bytearray(file.durable)
        if how in ("keep", "data", "held"):
            for offset, data in file.pending[file.held if how == "held" else 0:]:
                put(octets, offset, data)
            return octets
        way = chance.randrange(6)
        if way == 0:
            return octets
        some = chance.randint(0, len(file.pending))
        for index, (offset, data) in enumerate(file.pending):
            if way == 1:
                put(octets, offset, data)
            elif way == 2:
                # In order up to a point, the last one torn.
                if index < some:
                    put(octets, offset, data)
                elif index == some:
                    tear(octets, offset, data, chance)
            elif way == 3:
                # Out of order: any of them.
                if chance.random() < 0.5:
                    put(octets, offset, data)
            elif way == 4:
                # All but the last few, which are what a commit hangs on.
                if index < len(file.pending) - 1 - some % 4:
                    put(octets, offset, data)
                else:
                    tear(octets, offset, data, chance)
            else:
                tear(octets, offset, data, chance)
        return octets


def tear(octets, offset, data, chance):
    """Some sectors of one write. What lies between them keeps its old content; beyond the old end that is zeros."""
    if data is None:
        if chance.random() < 0.5:
            put(octets, offset, data)
        return
    way = chance.randrange(5)
    end = offset + len(data)
    if way == 0:
        return
    if way == 1:
        put(octets, offset, data)
        return
    first = offset - offset % SECTOR
    sectors = range(first, end, SECTOR)
    if way == 2:
        # A prefix, and the file no longer than that.
        kept = sectors[:chance.randint(0, len(sectors))]
    elif way == 3:
        # The size has grown, the data are not there.
        kept = ()
    else:
        kept = [sector for sector in sectors if chance.random() < 0.5]
    if way != 2 and end > len(octets):
        octets.extend(bytes(end - len(octets)))
    for sector in kept:
        start, stop = max(sector, offset), min(sector + SECTOR, end)
        put(octets, start, data[start - offset:stop - offset])


def write_out(image, folder):
    """Makes the files of an image below `folder`, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for path, octets in image.items():
        if octets is None:
            os.mkdir(f"{folder}/{path}", 0o700)
    for path, octets in image.items():
        if octets is not None:
            handle = os.open(f"{folder}/{path}", os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(handle, octets) if octets else None
            os.close(handle)


def differences(image, folder):
    """Where an image and a real folder are not the same, octet for octet."""
    found, seen = [], set()
    for base, names, files in os.walk(folder):
        for name in names + files:
            path = os.path.relpath(f"{base}/{name}", folder)
            if ignored(path):
                continue
            seen.add(path)
            if path not in image:
                found.append(f"{path}: the log does not know it")
            elif name in names:
                if image[path] is not None:
                    found.append(f"{path}: a directory")
            elif open(f"{base}/{name}", "rb").read() != image[path]:
                found.append(f"{path}: other octets than the log has written")
    return found + [f"{path}: not there" for path in image if path not in seen]
