"""Mail comes home from Cyrus and Courier too, by POP3 and by IMAP, byte for byte as another client sees it there."""

import os
import unittest

import debian_peers
import harness
import home
from debian_peers import PASSWORD
from test_pull_imap import remote
from test_pull_pop3 import same


@unittest.skipUnless(os.geteuid() == 0, "overlays need root")
class Peers(unittest.TestCase):
    def through(self, kind):
        mail = [harness.line_ends(raw) for _, raw in harness.corpus()] or harness.made(300)
        with kind() as server, home.Home(PASSWORD) as person:
            taken = server.fill("budi", mail)
            url = f"budi@127.0.0.1:{server.port}"
            box = person.folder / "Mirror"
            person.run("pull", "imap", f"imap://{url}", "--to", f"maildir:{box}", "--mode", "mirror")
            there = [raw for _, raw in remote(server.port, "budi").values()]
            self.assertEqual(len(there), len(taken))
            same(self, there, home.maildir(box))
            person.run("pull", "imap", f"imap://{url}", "--to", f"maildir:{box}", "--mode", "mirror")
            self.assertEqual(len(home.maildir(box)), len(taken))

            expected = home.drop(server.pop3, "budi")
            drop = person.folder / "Mail"
            person.run("pull", "pop3", f"pop3://budi@127.0.0.1:{server.pop3}", "--to", f"maildir:{drop}")
            same(self, expected, home.maildir(drop))
            self.assertEqual(home.count(server.pop3, "budi"), 0)
            print(f"  {kind.name}: {len(taken)} of {len(mail)} messages taken; all mirrored by IMAP, all home by POP3, 0 left")

            two = person.folder / "Two"
            server.fill("sari", mail[:60])
            sync = ("pull", "imap", f"imap://sari@127.0.0.1:{server.port}", "--to", f"maildir:{two}", "--mode", "sync")
            person.run(*sync)
            new = harness.made(1, seed=4711)[0]
            (two / "new" / "1700000000.1.here").write_bytes(new.replace(b"\r\n", b"\n"))
            old = sorted((two / "new").glob("*S=*")) + sorted((two / "cur").glob("*"))
            old[0].unlink()
            person.run(*sync)
            far = [raw for _, raw in remote(server.port, "sari").values()]
            same(self, far, home.maildir(two))
            self.assertEqual([harness.digest(m) for m in far].count(harness.digest(new)), 1)

    def test_cyrus(self):
        self.through(debian_peers.Cyrus)

    def test_courier(self):
        self.through(debian_peers.Courier)


    def test_courier_first_look(self):
        """A mailbox that nobody has looked at yet: Courier makes its UIDVALIDITY while the run is at work. One run suffices."""
        mail = harness.made(60)
        with debian_peers.Courier() as server:
            for number, mode in enumerate(("mirror", "sync", "headers", "mirror", "sync")):
                user = f"new{number}"
                with self.subTest(mode), home.Home(PASSWORD) as person:
                    server.fill(user, mail, looked_at=False)
                    box = person.folder / "Mail"
                    person.run("pull", "imap", f"imap://{user}@127.0.0.1:{server.port}", "--to", f"maildir:{box}", "--mode", mode)
                    if mode == "headers":
                        self.assertEqual(len(person.json("list", f"maildir:{box}", "--all")["messages"]), len(mail))
                    else:
                        same(self, mail, home.maildir(box))
            print("  Courier, first look: all there after one run, five times")


if __name__ == "__main__":
    unittest.main()
