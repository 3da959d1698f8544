"""Faults while the server runs: disks that are full, read-only or failing, descriptors that run out, a date that jumps.

For each fault, on each kind of file, every kind of operation of `household` is tried: while the fault lasts, with the fault
met once, and again when it is over. Proved each time: the client hears a clear and temporary refusal; nothing acknowledged
is lost and nothing refused is there; sessions of others go on; the server serves on by itself, or ends with exit code 74
and a line in its log where a sync has failed; after the next start everything is as the answers promised and `check` is
clean. `SERVER_FAULTS=quick` tries a few of the cases only.
"""

import errno
import os
import re
import time
import unittest

import harness
import household
from faults import (
    DATABASE, DIRECTORY, EVERYTHING, MAKE_DIRECTORY, MAP, MARKS, OPEN_READ, OPEN_WRITE, PACK_FOLDER, PACKS, READ, RENAME, SPOOL,
    SYNC, TRUNCATE, UNLINK, WAL, WRITE, Faults, available)

ANY_CHANGE = WRITE | OPEN_WRITE | UNLINK | RENAME | TRUNCATE | MAKE_DIRECTORY
QUICK = os.environ.get("SERVER_FAULTS") == "quick"

# What a client may hear when it is our trouble: by kind of operation.
TEMPORARY = {
    "lmtp": re.compile(r"4\d\d 4\.\d\.\d "), "imap": re.compile(r"\[UNAVAILABLE\] "),
    "pop3": re.compile(r"b?'?-ERR \[SYS/TEMP\] "), "deliver": re.compile(r"exit 75 "), "command": re.compile(r"exit 7[45] "),
}
ENDED = re.compile(r"shutting down|Connection unexpectedly closed|run connect\(\) first|EOF|BrokenPipe|ConnectionReset", re.I)


def door(operation):
    if operation.startswith("lmtp"):
        return "lmtp"
    if operation == "deliver":
        return "deliver"
    if operation in ("account", "compact", "backup"):
        return "command"
    return "pop3" if operation in ("retr_small", "retr_large", "dele") else "imap"


class Bed:
    """One server in which faults can happen, and a household in it."""

    def __init__(self, *flags):
        self.faults = Faults()
        self.server = harness.Server(
            "--set", "store.compact-interval=1h", "--set", "store.free-space-floor=none",
            "--set", "limits.shutdown-grace=2s", *flags, environment=self.faults.environment)
        self.home = household.Household(self.server)
        self.exits = []

    def __enter__(self):
        self.server.start()
        if not self.faults.attached:
            raise RuntimeError("the shim is not in the server")
        return self

    def __exit__(self, *_):
        self.home.disconnect()
        self.server.destroy()

    def log(self):
        return self.server.log.read_text(errors="replace")

    def has_ended(self):
        return self.server.process is None or self.server.process.poll() is not None

    def wait_for_end(self, seconds=30):
        code = self.server.process.wait(seconds)
        self.exits.append(code)
        return code

    def restart(self):
        self.home.disconnect()
        if not self.has_ended():
            self.server.stop()
        self.server._close()
        self.server.start()


@unittest.skipUnless(available(), "needs gcc and /proc")
class FaultsOfTheDisk(unittest.TestCase):
    def judge(self, case, operation, answer):
        """A refusal is clear, and ours."""
        if answer.kind == "ok":
            return
        self.assertNotEqual(answer.kind, "wrong", f"{case}, {operation}: {answer.text}")
        text = answer.text if isinstance(answer.text, str) else repr(answer.text)
        if answer.kind == "ended":
            self.assertRegex(text, ENDED, f"{case}, {operation}")
        else:
            self.assertRegex(text, TEMPORARY[door(operation)], f"{case}, {operation}")

    def run_case(self, name, rules, must_fail=(), must_work=(), operations=household.Household.OPERATIONS):
        """A fault that does not end the process: while it lasts, once for each operation, and afterwards."""
        with Bed() as bed:
            home = bed.home
            home.meet_others()
            hits = 0
            for times in (-1, 1):
                for operation in operations:
                    home.connect()
                    on = [bed.faults.add(*rule, times=times) for rule in rules]
                    answer = home.run(operation)
                    home.others_are_well()
                    for rule in on:
                        rule.off()
                        hits += rule.hits
                    self.judge(name, operation, answer)
                    if times < 0 and operation in must_fail:
                        self.assertEqual(answer.kind, "refused", f"{name}, {operation}: {answer.text}")
                    if operation in must_work:
                        self.assertEqual(answer.kind, "ok", f"{name}, {operation}: {answer.text}")
                    self.assertFalse(bed.has_ended(), f"{name}, {operation}: the server ended\n{bed.log()[-2000:]}")
            self.assertGreater(hits, 0, f"{name}: the fault never happened")
            for operation in operations:
                home.connect()
                answer = home.run(operation)
                self.assertEqual(answer.kind, "ok", f"after {name}, {operation}: {answer.text}\n{bed.log()[-2000:]}")
            home.others_are_well()
            bed.restart()
            self.assertEqual(home.settle(), [], name)
        return hits

    def run_failed_sync(self, name, files, operations):
        """A sync that fails once ends the process; the next start reads the truth from the disk."""
        ended = 0
        with Bed() as bed:
            home = bed.home
            for operation in operations:
                home.connect()
                rule = bed.faults.add(SYNC, files, errno.EIO, times=1)
                answer = home.run(operation)
                rule.off()
                self.judge(name, operation, answer)
                if rule.hits == 0:
                    self.assertEqual(answer.kind, "ok", f"{name}, {operation}: {answer.text}")
                    continue
                ended += 1
                self.assertEqual(bed.wait_for_end(), 74, f"{name}, {operation}")
                self.assertIn("stopping: the disk failed to keep what was written", bed.log())
                bed.restart()
            # In doubt is what was refused because of the sync; nothing that was acknowledged.
            self.assertEqual(home.settle(unsure=("refused",)), [], name)
        self.assertGreater(ended, 0, f"{name}: no sync was asked for")
        return ended

    def run_failed_syncs_of_compact(self, files):
        """The n-th sync of a compaction fails, for each n there is."""
        for number in range(100):
            with Bed() as bed:
                rule = bed.faults.add(SYNC, files, errno.EIO, room=number, times=1)
                answer = bed.home.run("compact")
                if rule.hits == 0:
                    self.assertEqual(answer.kind, "ok", f"compact without a fault: {answer.text}")
                    rule.off()
                    return number
                self.assertEqual(bed.wait_for_end(), 74, f"sync {number} of {files} in compact: {answer}")
                rule.off()
                bed.restart()
                self.assertEqual(bed.home.settle(), [], f"sync {number} of {files} in compact")

    MAIL_IN = ["lmtp_small", "lmtp_large", "append_small", "append_large", "deliver"]
    ROWS = ["store", "copy", "move", "expunge", "create", "dele"]
    READING = ["fetch_small", "fetch_large", "search", "select", "status", "retr_small", "retr_large"]
    BODIES = ["fetch_small", "fetch_large", "search", "retr_small", "retr_large"]

    def cases(self):
        mail, rows, reading, bodies = self.MAIL_IN, self.ROWS, self.READING, self.BODIES
        large = ["lmtp_large", "append_large"]
        for code in (errno.ENOSPC, errno.EDQUOT):
            word = errno.errorcode[code]
            yield f"{word} on everything", [(WRITE, EVERYTHING, code)], mail + rows + ["account"], reading
            yield f"{word} on packs", [(WRITE, PACKS, code)], mail, rows + reading + ["account"]
            yield f"{word} on packs after 300 octets", [(WRITE, PACKS, code, 300)], large, rows + reading
            yield f"{word} on the WAL", [(WRITE, WAL, code)], mail + rows, reading
            yield f"{word} on the WAL after 9,000 octets", [(WRITE, WAL, code, 9000)], mail, reading
            yield f"{word} on the spool", [(WRITE | OPEN_WRITE, SPOOL, code)], large, rows + reading + ["lmtp_small"]
            yield f"{word} on the directory", [(WRITE, DIRECTORY, code)], ["account"], mail + rows + reading
            yield f"{word} on the marks", [(WRITE, MARKS, code)], ["backup", "account"], mail + reading
        yield "EROFS on everything", [(ANY_CHANGE, EVERYTHING, errno.EROFS)], mail + rows + ["account"], reading
        yield "EIO on writing packs", [(WRITE, PACKS, errno.EIO)], mail, rows + reading
        yield "EIO on writing the WAL", [(WRITE, WAL, errno.EIO)], mail + rows, reading
        yield "EIO on writing the database", [(WRITE, DATABASE, errno.EIO)], [], mail + rows + reading + ["account"]
        yield "EIO on reading packs", [(READ, PACKS, errno.EIO)], bodies, mail + rows
        yield "EIO on reading the WAL", [(READ, WAL, errno.EIO)], [], []
        yield "EIO on reading the database", [(READ, DATABASE, errno.EIO)], [], []
        yield "EIO on reading everything", [(READ, EVERYTHING, errno.EIO)], bodies, []
        yield "EIO on unlinking", [(UNLINK, EVERYTHING, errno.EIO)], [], mail + rows + reading
        yield "short reads and writes", [(READ | WRITE, EVERYTHING, 0)], [], household.Household.OPERATIONS
        for code in (errno.EMFILE, errno.ENFILE):
            word = errno.errorcode[code]
            yield f"{word} on opening", [(OPEN_READ | OPEN_WRITE, EVERYTHING, code)], large, rows + reading
        yield "ENOMEM on mapping", [(MAP, EVERYTHING, errno.ENOMEM)], large, rows + reading + ["lmtp_small"]

    def test_every_fault_on_every_file_for_every_operation(self):
        """A full, read-only or failing disk: refused clearly, nothing lost, nothing by halves, and it passes"""
        tried = failed = 0
        for number, (name, rules, must_fail, must_work) in enumerate(self.cases()):
            if QUICK and number % 4:
                continue
            with self.subTest(name):
                failed += self.run_case(name, rules, must_fail, must_work)
                tried += 1
        print(f"  {tried} faults, {3 * tried * len(household.Household.OPERATIONS)} operations, {failed} failed calls")

    def test_a_failed_sync_ends_the_process(self):
        """A failed sync is never taken for one that worked: refused, exit 74, and the next start is right"""
        ended = self.run_failed_sync("packs", PACKS, self.MAIL_IN + ["compact"])
        ended += self.run_failed_sync("folder of packs", PACK_FOLDER, ["lmtp_small", "compact"])
        ended += self.run_failed_sync("WAL", WAL, self.MAIL_IN + self.ROWS + ["account", "compact"])
        # While the indexer reads, a compaction leaves the WAL as it is.
        ended += self.run_failed_sync("database", DATABASE, ["compact"] * 4)
        ended += self.run_failed_sync("marks", MARKS, ["backup", "expunge", "move"])
        ended += self.run_failed_sync("directory", DIRECTORY, ["account"])
        for files in (PACKS, PACK_FOLDER, WAL, DATABASE):
            ended += self.run_failed_syncs_of_compact(files)
        print(f"  {ended} failed syncs, {ended} ends with 74, all right after the next start")


if __name__ == "__main__":
    unittest.main()
