"""All real mail there is: delivered and fetched back byte for byte; ENVELOPE and BODYSTRUCTURE held against Dovecot's."""

import imaplib
import unittest

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
        for number, (name, raw, message) in enumerate(self.mail, 1):
            data = connection.fetch(str(number), "(BODY.PEEK[])")[1]
            fetched = data[0][1]
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
        """ENVELOPE and BODYSTRUCTURE of every message, compared as values; differences are of the kinds docs/protocols.md explains"""
        with dovecot.Dovecot() as peer:
            peer.fill("budi", [message for _, _, message in self.mail])
            theirs_by_number = peer.structures("budi")
        ours = self.connect()
        differences = {}
        for number, (name, raw, message) in enumerate(self.mail, 1):
            mine = wire.fetch(ours, number, "(ENVELOPE BODYSTRUCTURE)")
            theirs = theirs_by_number[number]
            for item in ("ENVELOPE", "BODYSTRUCTURE"):
                if mine[item] != theirs[item]:
                    kind = wire.explain(item, mine[item], theirs[item], message)
                    differences.setdefault(kind, []).append((name, mine[item], theirs[item]))
        ours.logout()
        for kind, cases in sorted(differences.items(), key=lambda pair: str(pair[0])):
            print(f"  {kind}: {len(cases)}, for example {cases[0][0]}")
        unexplained = differences.get(None, [])
        for name, mine, theirs in unexplained[:10]:
            print(f"  UNEXPLAINED {name}\n    ours   {mine}\n    theirs {theirs}")
        self.assertEqual(len(unexplained), 0)


if __name__ == "__main__":
    unittest.main()
