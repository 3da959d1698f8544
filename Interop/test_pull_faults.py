"""Faults while mail comes home: the line is cut, the client is killed with -9, the disk is full, at random points. At the end
nothing is lost, nothing is twice, and server and local side are as the policy says.

  FAULTS=20   points of the POP3 campaign, and of the two-way sync (`make faults` takes 200)      SEED=...
"""

import collections
import os
import random
import subprocess
import time
import unittest
import zlib

import dovecot
import harness
import home
from harness import digest
from relay import Relay
from test_pull_imap import folders, remote, session

FAULTS = int(os.environ.get("FAULTS", "20"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
MESSAGES = int(os.environ.get("FAULT_MESSAGES", "2000" if FAULTS >= 200 else "600"))


def small_disk(folder, octets):
    """A file system of its own for `folder`; None where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets}", "tmpfs", str(folder)], capture_output=True)
    return folder if done.returncode == 0 else None


class Faults(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(SEED)
        self.server = dovecot.Dovecot().__enter__()
        self.mounts = []

    def tearDown(self):
        for mount in self.mounts:
            subprocess.run(["umount", "-l", str(mount)], capture_output=True)
        self.server.__exit__()

    def disturbed(self, person, kinds, arguments, relay_cut, seconds, disk=None, line=None, octets=6_000_000):
        """One run with one fault. Returns the kind, or None when the run ended well before it struck. A run that got over a
        cut by itself was struck all the same."""
        kind = self.rng.choice(kinds)
        cuts = line.made if line else 0
        relay_cut(self.spread(200, octets) if kind == "cut" else None)
        if kind == "full":
            used = sum(f.stat().st_blocks * 512 for f in disk.rglob("*") if f.is_file())
            resize(disk, used + self.spread(8192, min(4 << 20, octets)))
        process = person.start(*arguments)
        if kind == "kill":
            try:
                process.wait(self.rng.uniform(0.02, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"hung after {kind} (seed {SEED}): {err.decode(errors='replace')[-1500:]}")
        if kind == "full":
            resize(disk, 1 << 30)
        if kind == "cut" and line and line.made > cuts:
            return kind
        if process.returncode == 0:
            return None
        self.assertNotIn(b"Fatal error", err, f"{kind}, seed {SEED}")
        return kind

    def spread(self, low, high):
        """Small numbers as often as large ones: a run that has little to do passes few octets."""
        return int(low * (high / low) ** self.rng.random())

    def test_pull_and_delete_by_pop3(self):
        struck = collections.Counter()
        rounds = runs = total = 0
        seconds = 1.5
        while sum(struck.values()) < FAULTS:
            rounds += 1
            user = f"pop{rounds}"
            mail = harness.made(MESSAGES, seed=SEED % 1000 + rounds)
            self.server.fill(user, mail)
            cut = [None]
            with home.Home() as person, Relay(self.server.pop3, iter(lambda: cut[0], object())) as line:
                disk = small_disk(person.folder / "disk", 1 << 30)
                kinds = ["cut", "kill"] + (["full"] if disk else [])
                if disk:
                    self.mounts.append(disk)
                box = (disk or person.folder) / "Mail"
                person.environment["XDG_STATE_HOME"] = str((disk or person.folder) / "state")
                arguments = ("pull", "pop3", f"pop3://{user}@127.0.0.1:{line.port}", "--to", f"maildir:{box}")

                def set_cut(octets):
                    cut[0] = octets

                octets = sum(map(len, mail))
                while sum(struck.values()) < FAULTS:
                    runs += 1
                    begun = time.monotonic()
                    kind = self.disturbed(person, kinds, arguments, set_cut, seconds, disk, line, octets)
                    if kind is None:
                        # A run that nothing stopped says how long one takes here.
                        seconds = max(0.1, time.monotonic() - begun)
                    if kind:
                        struck[kind] += 1
                    elif home.count(self.server.pop3, user) == 0:
                        break
                cut[0] = None
                person.run(*arguments)
                want = collections.Counter(map(digest, mail))
                have = collections.Counter(map(digest, home.maildir(box)))
                self.assertEqual(want - have, collections.Counter(), f"lost; seed {SEED}")
                self.assertEqual(have - want, collections.Counter(), f"twice, or not ours; seed {SEED}")
                self.assertEqual(home.count(self.server.pop3, user), 0, f"seed {SEED}")
                self.assertEqual(home.leftovers(box), [], f"seed {SEED}")
                total += len(mail)
            if disk:
                subprocess.run(["umount", "-l", str(disk)], capture_output=True)
        print(f"  {sum(struck.values())} faults ({dict(struck)}) in {runs} runs over {rounds} drops of {MESSAGES}: "
              f"{total} messages at home once each, 0 on the server; seed {SEED}")

    def test_two_way_sync(self):
        struck = collections.Counter()
        user = "sync"
        size = MESSAGES // 2
        alive = {digest(m): m for m in harness.made(size, seed=SEED % 1000 + 7)}
        self.server.fill(user, list(alive.values()))
        with session(self.server.port, user) as connection:
            connection.create("Other")
        made = iter(harness.made(20_000 if FAULTS >= 200 else 3_000, seed=SEED % 1000 + 8))
        cut = [None]
        runs = 0
        with home.Home() as person, Relay(self.server.port, iter(lambda: cut[0], object())) as line:
            disk = small_disk(person.folder / "disk", 1 << 30)
            kinds = ["cut", "kill"] + (["full"] if disk else [])
            if disk:
                self.mounts.append(disk)
            box = (disk or person.folder) / "Mail"
            person.environment["XDG_STATE_HOME"] = str((disk or person.folder) / "state")
            arguments = ("pull", "imap", f"imap://{user}@127.0.0.1:{line.port}", "--to", f"maildir:{box}", "--mode", "sync")
            person.run(*arguments)

            def set_cut(octets):
                cut[0] = octets

            while sum(struck.values()) < FAULTS:
                runs += 1
                self.change_both(user, box, alive, made)
                kind = self.disturbed(person, kinds, arguments, set_cut, 0.8, disk)
                if kind:
                    struck[kind] += 1
            cut[0] = None
            person.run(*arguments)
            person.run(*arguments)
            far, near = collections.Counter(), collections.Counter()
            for name in ("INBOX", "Other"):
                there = collections.Counter(digest(raw) for _, raw in remote(self.server.port, user, name).values())
                here = collections.Counter({d: len(l) for d, l in folders(box)[name].items()})
                self.assertEqual(there, here, f"{name} differs; seed {SEED}")
                far += there
                near += here
            want = collections.Counter(alive.keys())
            self.assertEqual(want - far, collections.Counter(), f"lost on the server; seed {SEED}")
            self.assertEqual(want - near, collections.Counter(), f"lost at home; seed {SEED}")
            self.assertEqual(far - want, collections.Counter(), f"twice or undead on the server; seed {SEED}")
            self.assertEqual(near - want, collections.Counter(), f"twice or undead at home; seed {SEED}")
        print(f"  {sum(struck.values())} faults ({dict(struck)}) in {runs} two-way runs: {len(alive)} messages once on both "
              f"sides; seed {SEED}")

    @staticmethod
    def is_ours(name):
        """One half of the messages is touched here, the other there: what meets is another test's business."""
        return zlib.crc32(str(name).encode()) % 2 == 0

    def change_both(self, user, box, alive, made):
        """A few changes that do not meet: new mail and moves on both sides, deletions and flags here."""
        with session(self.server.port, user) as connection:
            connection.select("INBOX")
            for _ in range(self.rng.randrange(0, 4)):
                message = next(made)
                connection.append("INBOX", None, None, message)
                alive[digest(message)] = message
            for uid in self.rng.sample(uids := connection.uid("SEARCH", "ALL")[1][0].split(), min(3, len(uids))):
                raw = connection.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1]
                if not self.is_ours(digest(raw)):
                    connection.uid("MOVE", uid, "Other")
                    break
        for _ in range(self.rng.randrange(0, 4)):
            message = next(made)
            name = f"{int(time.time())}.{self.rng.randrange(10**9)}.here"
            (box / "tmp" / name).write_bytes(message.replace(b"\r\n", b"\n"))
            (box / "tmp" / name).rename(box / "new" / name)
            alive[digest(message)] = message
        files = [f for sub in ("cur", "new") for f in (box / sub).glob("*")]
        for file in self.rng.sample(files, min(4, len(files))):
            gone = digest(file.read_bytes())
            if not self.is_ours(gone):
                continue
            choice = self.rng.random()
            if choice < 0.4:
                file.unlink()
                alive.pop(gone, None)
            elif choice < 0.6:
                file.rename(box / ".Other" / "cur" / (file.name.partition(":")[0] + ":2,S"))
            else:
                file.rename(box / "cur" / (file.name.partition(":")[0] + ":2,FS"))


def resize(disk, octets):
    subprocess.run(["mount", "-o", f"remount,size={octets}", str(disk)], check=True, capture_output=True)


if __name__ == "__main__":
    unittest.main()
