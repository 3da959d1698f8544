"""Cuts the power at points of a recorded load, opens what is left and judges it. One worker a core, each with a replay of
its own."""

import hashlib
import multiprocessing
import os
import pathlib
import random
import shutil
import time

import recording
from disk import Disk, Folder, write_out
from recording import FSYNC, SEND, START, SYNCDIR
from verify import verify

WAYS = ("torn", "keep", "torn", "names", "torn", "data", "torn", "torn")


class Cut:
    """The power goes after record `point`; `way` and `seed` say what is left (see disk.Disk.image)."""
    __slots__ = ("point", "way", "seed")

    def __init__(self, point, way, seed=0):
        self.point, self.way, self.seed = point, way, seed

    def __str__(self):
        return f"{self.point}:{self.way}:{self.seed}"


class Outcome:
    def __init__(self):
        self.cuts, self.drops, self.opened, self.acknowledged, self.points = 0, 0, 0, 0, set()
        self.failures = []
        self.out_of_time = False

    def add(self, other):
        self.cuts += other.cuts
        self.drops += other.drops
        self.opened += other.opened
        self.acknowledged += other.acknowledged
        self.points |= other.points
        self.failures += other.failures
        self.out_of_time |= other.out_of_time


def boundaries(records):
    """The last point before each sync. Between two syncs what is durable stays the same and what was acknowledged only
    grows, so a disk that drops everything is judged most strictly there: these stand for all points."""
    ends = [index - 1 for index, record in enumerate(records) if record.kind in (FSYNC, SYNCDIR) and index > 0]
    return ends + [len(records) - 1]


def drops(records):
    return [Cut(end, "drop") for end in boundaries(records)]


def others(records, count, chance):
    """Anywhere, anyhow."""
    return [Cut(chance.randrange(len(records)), chance.choice(WAYS), chance.randrange(1 << 30)) for _ in range(count)]


class Replay:
    """Goes along a log once, stopping at cuts."""

    def __init__(self, records, base=None):
        self.records, self.at = records, 0
        self.disk = base or Disk()

    def to(self, point, ignored=None):
        while self.at <= point:
            record = self.records[self.at]
            if record.kind not in (SEND, START):
                self.disk.apply(record, ignored is not None and record.kind in (FSYNC, SYNCDIR) and ignored(record))
            self.at += 1


def judge(image, folder, expected, point, environment=None):
    write_out(image, folder)
    return verify(pathlib.Path(folder) / "data", expected, point, f"{folder}.log", environment)


def _work(records, expected, cuts, folder, deadline, ignored, enough):
    outcome = Outcome()
    replay = Replay(records)
    seen = None
    for cut in cuts:
        if deadline and time.monotonic() > deadline:
            outcome.out_of_time = True
            break
        replay.to(cut.point, ignored)
        image = replay.disk.image(cut.way, cut.seed)
        outcome.cuts += 1
        outcome.drops += cut.way == "drop"
        outcome.points.add(cut.point)
        outcome.acknowledged += expected.acknowledged(cut.point)
        if cut.way == "drop" and ignored is None:
            # A sync that had nothing to do leaves the same image; with the same obligations it need not be opened again.
            same = (fingerprint(image), expected.acknowledged(cut.point))
            if same == seen:
                continue
            seen = same
        outcome.opened += 1
        problems = judge(image, folder, expected, cut.point)
        if problems:
            outcome.failures.append((str(cut), problems[:5]))
            if len(outcome.failures) >= enough:
                break
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def fingerprint(image):
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(image):
        total.update(path.encode() + b"\0")
        if image[path] is not None:
            total.update(len(image[path]).to_bytes(8, "little"))
            total.update(image[path])
    return total.digest()


def run(records, expected, cuts, folder, seconds=None, enough=20):
    """All cuts, on all cores; stops after `seconds`."""
    deadline = time.monotonic() + seconds if seconds else None
    workers = os.cpu_count() or 1
    shares = [cuts[index::workers] for index in range(workers)]
    total = Outcome()
    for outcome in spread(lambda index: _work(records, expected, shares[index], f"{folder}/cut{index}", deadline, None,
                                              enough), workers):
        total.add(outcome)
    return total


def spread(body, count):
    """body(0), body(1)... each in a process of its own, which shares what is in memory now; yields what they return."""
    context = multiprocessing.get_context("fork")
    pipes = []
    for index in range(count):
        receiver, sender = context.Pipe(False)

        def main(index=index, sender=sender):
            try:
                sender.send(body(index))
            except BaseException as error:  # noqa: BLE001: is raised again by whoever waits
                sender.send(RuntimeError(f"{error!r}"))
                raise

        process = context.Process(target=main)
        process.start()
        sender.close()
        pipes.append((receiver, process))
    for receiver, process in pipes:
        result = receiver.recv()
        process.join()
        if isinstance(result, RuntimeError):
            raise result
        yield result


# One class of sync left out


def chances(records, ignored):
    """Boundaries at which something is not durable only because of the syncs left out."""
    replay, found = Replay(records), []
    ends = set(boundaries(records))
    for index in range(len(records)):
        replay.to(index, ignored)
        if index in ends and any(node.held for node in nodes(replay.disk)):
            found.append(index)
    return found


def nodes(disk):
    def walk(folder):
        yield folder
        for node in folder.now.values():
            if isinstance(node, Folder):
                yield from walk(node)
            else:
                yield node
    yield from walk(disk.root)


def mutation(records, expected, classes, names, folder, most, seed):
    """Cuts with the syncs of these classes left out, until one is found that loses something: an Outcome."""
    def ignored(record):
        return classes.of(record) in names

    places = chances(records, ignored)
    chance = random.Random(seed)
    total = Outcome()
    # A few all over the log first, then more. Ways at a place: only this is lost; all that may be is; by chance.
    for number in (10, most // 3, most):
        some = chance.sample(places, min(len(places), number))
        again = max(1, min(100, 2 * number // max(len(some), 1)))
        cuts = [Cut(place, way, chance.randrange(1 << 30))
                for place in some for way in ("held", "drop", *["torn"] * again, *["worst"] * again)]
        total.add(_work(records, expected, sorted(cuts, key=lambda cut: cut.point), folder, None, ignored, 1))
        if total.failures:
            break
    return total


# A second cut, while what the first one left is being opened


def again(records, expected, cut, folder, library, seed):
    """Cuts the power while the program opens and closes what `cut` has left."""
    replay = Replay(records)
    replay.to(cut.point)
    root, log = f"{folder}/disk", f"{folder}/log"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    image = replay.disk.image(cut.way, cut.seed)
    write_out(image, root)
    outcome = Outcome()
    if not os.path.exists(f"{root}/data/volumes"):
        return outcome
    from verify import Server
    base = Disk.of(root)
    server = Server(pathlib.Path(root) / "data", f"{folder}/errors", recording.environment(library, root, log))
    server.stop()
    opening = recording.read(log)
    chance = random.Random(seed)
    second = Replay(opening, base)
    for end in boundaries(opening):
        for way in ("drop", "torn"):
            point = end if way == "drop" or end < second.at else chance.randint(max(second.at, 0), end)
            second.to(point)
            outcome.cuts += 1
            outcome.opened += 1
            outcome.acknowledged += expected.acknowledged(cut.point)
            outcome.points.add((cut.point, point))
            problems = judge(second.disk.image(way, chance.randrange(1 << 30)), f"{folder}/cut", expected, cut.point)
            if problems:
                outcome.failures.append((f"{cut}, then {point} of its opening, {way}", problems[:5]))
    shutil.rmtree(folder, ignore_errors=True)
    return outcome
