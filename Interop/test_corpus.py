"""All real mail there is: delivered and fetched back byte for byte; ENVELOPE and BODYSTRUCTURE beside Dovecot's."""

import imaplib
import itertools
import unittest

import differences
import dovecot
import harness
import wire


@unittest.skipUnless(harness.corpus(), "no corpus beside the project")
class TheCorpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()
        cls.server.start()
        cls.server.add_account("budi")
        cls.mail = [(name, raw, harness.line_ends(raw)) for name, raw in harness.corpus()]
        cls.server.deliver("budi", [message for _, _, message in cls.mail])

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def connect(self):
        connection = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        connection.login("budi", harness.PASSWORD)
        connection.select("INBOX", readonly=True)
        return connection

    def test_byte_for_byte(self):
        """Each message comes back as delivered; those with NUL, bare CR or bare LF by the documented rule"""
        connection = self.connect()
        mapped, wrong = [], []
        fetched_by_number = {}
        for first in range(1, len(self.mail) + 1, 500):
            data = connection.fetch(f"{first}:{min(first + 499, len(self.mail))}", "(BODY.PEEK[])")[1]
            fetched_by_number.update((int(piece[0].split()[0]), piece[1]) for piece in data if isinstance(piece, tuple))
        for number, (name, raw, message) in enumerate(self.mail, 1):
            fetched = fetched_by_number[number]
            if not fetched.endswith(message) or len(fetched) - len(message) > 600:
                wrong.append(name)
            if b"\0" in raw or b"\r" in raw.replace(b"\r\n", b""):
                mapped.append(name)
        print(f"  {len(self.mail)} messages, {len(wrong)} differ; mapped by rule (NUL or bare CR): {len(mapped)}")
        for name in mapped:
            print(f"    {name}")
        self.assertEqual(wrong, [])
        connection.logout()

    def test_same_structure_as_dovecot(self):
        """ENVELOPE and BODYSTRUCTURE as values; each difference is of a kind docs/differences-dovecot.md explains"""
        with dovecot.Dovecot() as peer:
            peer.fill("budi", [message for _, _, message in self.mail])
            theirs = peer.structures("budi")
        ours = self.connect()
        mine = wire.fetch_all(ours, "(ENVELOPE BODYSTRUCTURE)")
        ours.logout()
        self.assertEqual((len(mine), len(theirs)), (len(self.mail), len(self.mail)))
        kinds, unexplained, differing = {}, [], 0
        for number, (name, _, message) in enumerate(self.mail, 1):
            for item in ("ENVELOPE", "BODYSTRUCTURE"):
                pair = mine[number][item], theirs[number][item]
                if pair[0] == pair[1]:
                    continue
                differing += 1
                found = differences.explain(item, *pair, message)
                for kind in found or []:
                    kinds.setdefault(kind, []).append(name)
                if not found:
                    unexplained.append((name, *pair))
                    continue
                # An explanation that also fits a wrong value explains nothing.
                for wrong in itertools.islice(differences.altered(pair[0]), 500):
                    if wrong != pair[1]:
                        self.assertIsNone(differences.explain(item, wrong, pair[1], message), name)
        print(f"  {len(self.mail)} messages, {differing} differ")
        for kind, cases in sorted(kinds.items()):
            print(f"    {kind}: {len(cases)}, for example {cases[0]}")
        for case in unexplained[:10]:
            print("  UNEXPLAINED {}\n    ours   {}\n    theirs {}".format(*case))
        self.assertEqual(len(unexplained), 0)
        # The page must list exactly these, with these counts.
        self.assertEqual({kind: len(cases) for kind, cases in kinds.items()}, differences.listed())


if __name__ == "__main__":
    unittest.main()
