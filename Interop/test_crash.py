"""A sample of the power-cut campaign (docs/reliability.md; all of it: `make crash`): a mixed load on a recorded server, cuts
at points all over its log, every image opened by the real program; and the same with one sync left out, which must be
found."""

import pathlib
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Crash"))
import campaign
import crash
import recording
import syncs

STEPS = 120
CUTS = 70
#: Left out one after the other, each must lose something: rows, message bytes, names of packs.
LEFT_OUT = ("volumes/1/mail.sqlite-wal <- SQLite", "volumes/1/packs/*.pack <- PackWriter", "volumes/1/packs <- PackWriter")


@unittest.skipUnless(shutil.which("gcc") and shutil.which("addr2line"), "the recorder needs gcc and binutils")
class PowerCuts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-crash-"))
        cls.recorded = crash.record(cls.folder, int(time.time()) % 10**6, STEPS)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def test_1_the_log_is_all_there_is(self):
        """replayed with nothing lost, the log gives the real folder at every stop, octet for octet"""
        self.assertEqual(crash.fidelity(self.recorded), [])

    def test_2_every_sync_has_its_row(self):
        """every line of the sources that asks for a sync stands in the table of Crash/syncs.py, and SQLite syncs fully"""
        self.assertEqual(syncs.strangers(), [])
        self.assertEqual(syncs.pragmas(), syncs.PRAGMAS)

    def test_3_nothing_acknowledged_is_lost(self):
        """cuts at points all over the load, unsynced writes kept, dropped, torn or reordered"""
        total = crash.sound(self.recorded, 60, self.recorded.seed, CUTS)
        self.assertEqual(total.failures, [])
        self.assertGreater(total.opened, 10)
        print(f"  {total.opened} images opened, {total.acknowledged} acknowledged operations checked")

    def test_4_a_missing_sync_is_found(self):
        """the same cuts lose something when syncs are left out"""
        for start in LEFT_OUT:
            names = {name for name in self.recorded.classes.names if name.startswith(start) and "Compactor" not in name}
            self.assertTrue(names, start)
            total = campaign.mutation(self.recorded.records, self.recorded.expected, self.recorded.classes, names,
                                      f"{self.folder}/mutation", 60, 1)
            self.assertTrue(total.failures, f"nobody missed {sorted(names)}")

    def test_5_packs_with_dictionaries_are_part_of_it(self):
        """the load has trained a dictionary: cuts fall among packs that begin with it (version 2, the flag of a dictionary)
        and go on with mail"""
        begun, followed = set(), set()
        for one in self.recorded.records:
            if one.kind != recording.WRITE or not one.path.endswith(".pack"):
                continue
            if one.offset == 0 and one.data[4:5] == b"\x02" and one.data[5] & 8:
                begun.add(one.path)
            elif one.path in begun:
                followed.add(one.path)
        self.assertGreater(len(followed), 1, f"{sorted(begun)}")


if __name__ == "__main__":
    unittest.main()
