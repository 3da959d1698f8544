#!/usr/bin/env python3
"""The power-cut campaign (docs/reliability.md).

    crash.py                        everything: CRASH_SECONDS (1800) for the cuts, then each class of sync left out
    crash.py --cut POINT:WAY:SEED   one cut of a load kept by --keep, its image left to be looked at

Prints what was done and found; ends with 1 if anything was lost, or if a sync left out goes unnoticed."""

import argparse
import os
import pathlib
import pickle
import random
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import campaign
import recording
import syncs
from disk import Disk, differences
from expected import Expected
from load import Load, harness


class Recorded:
    """A load, its log, and what is expected of it."""

    def __init__(self, folder, story, seed=0):
        self.folder, self.story, self.seed = folder, story, seed
        self.records = recording.read(folder / "log")
        self.expected = Expected(story, self.records)
        self.classes = syncs.Classes(self.records, harness.binary())


def record(folder, seed, steps):
    folder = pathlib.Path(folder)
    load = Load(seed, steps, folder)
    began = time.monotonic()
    story = load.run()
    with open(folder / "story", "wb") as file:
        pickle.dump(story, file)
    recorded = Recorded(folder, story, seed)
    counts = {}
    for one in recorded.records:
        counts[recording.NAMES[one.kind]] = counts.get(recording.NAMES[one.kind], 0) + 1
    print(f"load: seed {seed}, {load.done} steps of 4 owners, {load.sent} deliveries, {len(story.accounts)} changes of "
          f"accounts, {len(load.restarts)} restarts (2 by kill -9) in {time.monotonic() - began:.0f} s", flush=True)
    print(f"log: {len(recorded.records)} records, {os.path.getsize(folder / 'log') >> 20} MiB: "
          + ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1])), flush=True)
    made = sum(one.kind == recording.OPEN and one.path.endswith(".pack") for one in recorded.records)
    gone = sum(one.kind == recording.UNLINK and one.path.endswith(".pack") for one in recorded.records)
    begun = sum(one.kind == recording.WRITE and one.path.endswith("mail.sqlite-wal") and one.offset == 0
                for one in recorded.records)
    print(f"     {made} packs made, {gone} compacted away; the WAL begun anew {begun} times", flush=True)
    return recorded


def fidelity(recorded):
    """Replayed with nothing lost, the log gives the folders that were really there, octet for octet."""
    problems, disk, copies = list(recorded.story.trouble), Disk(), list(recorded.story.copies)
    for one in recorded.records:
        disk.apply(one)
        while copies and one.end == copies[0][0]:
            problems += differences(disk.image("keep"), copies.pop(0)[1])
    problems += [f"{path}: changed in a way that the replay does not know" for path in disk.trouble]
    problems += differences(disk.image("keep"), recorded.folder / "disk")
    if copies:
        problems.append("a copy of the folder fits no point of the log")
    return problems


def sound(recorded, seconds, seed, most=None):
    """Cuts of a disk that keeps its word, until the time is over: first everything dropped before each sync, which stands
    for all points, mixed with as many others; then only others."""
    chance, began, total = random.Random(seed), time.monotonic(), campaign.Outcome()
    drops = campaign.drops(recorded.records)
    chance.shuffle(drops)
    count = len(drops)
    while time.monotonic() - began < seconds and len(total.failures) < 20 and (most is None or total.cuts < most):
        size = min(500, most or 500)
        cuts, drops = drops[:size], drops[size:]
        cuts += campaign.others(recorded.records, size if cuts else 2 * size, chance)
        outcome = campaign.run(recorded.records, recorded.expected, sorted(cuts, key=lambda cut: cut.point),
                               recorded.folder, seconds - (time.monotonic() - began))
        total.add(outcome)
    print(f"  everything dropped before {total.drops} of {count} syncs; {total.cuts - total.drops} other cuts among "
          f"{len(recorded.records)} records", flush=True)
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("CRASH_SECONDS", "1800")))
    parser.add_argument("--steps", type=int, default=int(os.environ.get("CRASH_STEPS", "2000")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", help="keep the load in this folder, or use the one that is there")
    parser.add_argument("--cut", help="one cut of the kept load")
    parser.add_argument("--only", help="only classes with this in their name, and no cuts without one")
    chosen = parser.parse_args()
    base = pathlib.Path(chosen.keep) if chosen.keep else pathlib.Path(
        tempfile.mkdtemp(prefix="merpati-crash-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        return campaigns(base, chosen)
    finally:
        if not chosen.keep:
            shutil.rmtree(base, ignore_errors=True)


def campaigns(base, chosen):
    began = time.monotonic()
    base.mkdir(exist_ok=True)
    if (base / "story").exists():
        recorded = Recorded(base, pickle.loads((base / "story").read_bytes()))
    else:
        recorded = record(base, chosen.seed, chosen.steps)
    if chosen.cut:
        point, way, seed = chosen.cut.split(":")
        replay = campaign.Replay(recorded.records)
        replay.to(int(point))
        print(recorded.records[int(point)], *campaign.judge(
            replay.disk.image(way, int(seed)), base / "one", recorded.expected, int(point)), sep="\n")
        campaign.write_out(replay.disk.image(way, int(seed)), base / "one")
        return 0
    failed = False
    problems = fidelity(recorded)
    print(f"replay: {'equal to the real folder at every stop, octet for octet' if not problems else problems[:10]}", flush=True)
    failed |= bool(problems)

    unreached = recorded.classes.unreached()
    print(f"syncs: {len(recorded.classes.names)} classes in the log, from {len(syncs.sites())} lines of the sources and "
          f"SQLite", flush=True)
    for (file, line), text in unreached.items():
        failed = True
        print(f"  NOT REACHED BY THE LOAD  {file}:{line}  {text}")
    for file, text in syncs.strangers():
        failed = True
        print(f"  NOT IN THE TABLE Crash/syncs.py, or gone from the sources  {file}: {text}")
    for file in sorted({*syncs.PRAGMAS, *syncs.pragmas()}):
        values, wanted = syncs.pragmas().get(file), syncs.PRAGMAS.get(file)
        if values != wanted:
            failed = True
            print(f"  {file}: PRAGMA synchronous = {values}, and not {wanted}")

    if not chosen.only:
        print(f"power cuts, the disk keeps its word ({chosen.seconds} s):", flush=True)
        total = sound(recorded, chosen.seconds, chosen.seed)
        failed |= report(total)

    if not chosen.only:
        print("power cuts while what a power cut has left is being opened:", flush=True)
        failed |= report(twice(recorded, chosen.seed, chosen.seconds // 6))

    print("the same with one class of sync left out (each must lose something):", flush=True)
    names = [name for name in sorted(recorded.classes.names) if not chosen.only or chosen.only in name]
    failed |= mutations(recorded, names, chosen.seed)
    print(f"{'FAILED' if failed else 'passed'} after {(time.monotonic() - began) / 60:.1f} minutes, seed {chosen.seed}")
    return 1 if failed else 0


def report(total):
    print(f"  {total.cuts} power cuts at {len(total.points)} points, {total.opened} images opened, "
          f"{total.acknowledged} acknowledged operations checked, {len(total.failures)} failures", flush=True)
    for cut, problems in total.failures[:10]:
        print(f"  FAILURE at {cut}")
        for problem in problems:
            print(f"    {problem}")
    return bool(total.failures)


def twice(recorded, seed, seconds, count=40):
    chance = random.Random(seed + 7)
    ends = campaign.boundaries(recorded.records)
    cuts = [campaign.Cut(chance.choice(ends), chance.choice(("torn", "drop")), chance.randrange(1 << 30))
            for _ in range(count)]
    total, deadline = campaign.Outcome(), time.monotonic() + seconds
    workers = os.cpu_count() or 1

    def body(index):
        mine = campaign.Outcome()
        for cut in cuts[index::workers]:
            if time.monotonic() > deadline or len(mine.failures) >= 20:
                break
            mine.add(campaign.again(recorded.records, recorded.expected, cut, f"{recorded.folder}/again{index}",
                                    recorded.folder / "recorder.so", cut.seed))
        return mine
    for outcome in campaign.spread(body, workers):
        total.add(outcome)
    return total


def mutations(recorded, names, seed):
    """A row for each class, in the order in which they are done. True: one goes unnoticed. A class that another one covers
    must be found together with that."""
    every = sorted(recorded.classes.names)
    groups = [(name, {name}) for name in names]
    groups += [(f"{name} AND ALL THAT COVER IT", syncs.covering(name, every)) for name in names if syncs.needless(name)]
    workers = os.cpu_count() or 1

    def body(index):
        # Each row as it is known: the whole table takes long.
        return [row(recorded, title, group, campaign.mutation(
                    recorded.records, recorded.expected, recorded.classes, group, f"{recorded.folder}/mutation{index}",
                    places(recorded, title, group), f"{seed} {title}"))
                for title, group in groups[index::workers]]
    return any([unnoticed for part in campaign.spread(body, workers) for unnoticed in part])


def count(recorded, group):
    return sum(recorded.classes.names[name] for name in group)


def places(recorded, title, group):
    """Where the power is cut at most. Finding nothing takes longest, so a class that may go unnoticed gets few; one of few syncs
    (the journal of a database that is being made) is found only where a write is torn just so, and gets many."""
    return 40 if excuse(title) else 150 if count(recorded, group) >= 20 else 600


def row(recorded, title, group, outcome):
    """Prints what leaving these syncs out did. True: it goes unnoticed."""
    if outcome.failures:
        cut, problems = outcome.failures[0]
        verdict = f"found by image {outcome.opened}, {cut}: {re.sub(r'/[^ ]*/data/', 'data/', problems[0])[:140]}"
    elif excuse(title):
        verdict = f"nothing lost in {outcome.opened} images: {excuse(title)}"
    else:
        verdict = f"UNNOTICED in {outcome.opened} images"
    print(f"  {count(recorded, group):5} x {title}\n          {verdict}", flush=True)
    return not outcome.failures and not excuse(title)


def excuse(title):
    """Why nothing may be lost without this class alone; None where something must."""
    return None if " AND " in title else syncs.needless(title) or syncs.beyond(title)


if __name__ == "__main__":
    sys.exit(main())
