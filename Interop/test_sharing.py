"""Mailboxes that accounts share, on a running server: the command line, Python's imaplib, public mailboxes, and what of it a
kill leaves."""

import imaplib
import json
import re
import threading
import unittest

import harness
from harness import PASSWORD
from lines import IMAP
from people import People


def message(subject):
    return f"From: a@example.org\r\nMessage-ID: <{subject}@example.org>\r\nSubject: {subject}\r\n\r\n{subject}\r\n".encode()


class Sharing(People):
    options = ("--set", "imap.public-account=umum", "--set", "store.keep-expunged-days=7")
    names = ("ana", "budi", "citra", "umum")

    def append(self, peer, box, subject, flags=""):
        text = message(subject)
        return self.good(peer.command(b"APPEND %s (%s) {%d+}\r\n%s" % (box.encode(), flags.encode(), len(text), text)))

    def test_command_line(self):
        said = self.server.merpati("acl", "set", "ana", "INBOX", "budi", "lrs").stdout
        self.assertIn(b"budi lrs", said)
        self.server.merpati("acl", "set", "ana", "INBOX", "budi", "wi", "--add")
        self.server.merpati("acl", "set", "ana", "INBOX", "budi", "w", "--take")
        self.server.merpati("acl", "set", "ana", "INBOX", "anyone", "lr")
        self.server.merpati("acl", "set", "ana", "INBOX", "citra", "r", "--negative")
        self.server.merpati("acl", "set", "ana", "Sent", "citra", "cd")
        wanted = [("INBOX", "anyone", "lr"), ("INBOX", "budi", "lrsi"), ("INBOX", "-citra", "r"), ("Sent", "citra", "kxte")]
        listed = json.loads(self.server.merpati("acl", "list", "ana", "--json").stdout)
        self.assertEqual([(line["mailbox"], line["identifier"], line["rights"]) for line in listed], wanted)
        one = json.loads(self.server.merpati("acl", "list", "ana", "Sent", "--json").stdout)
        self.assertEqual(len(one), 1)
        self.assertIn(b"-citra", self.server.merpati("acl", "list", "ana").stdout)
        for arguments, code in ((("ana", "Tiada", "budi", "lr"), 65), (("ana", "INBOX", "tiada", "lr"), 67),
                                (("tiada", "INBOX", "budi", "lr"), 67), (("ana", "INBOX", "budi", "lrq"), 64),
                                (("ana", "INBOX", "ana", "lr"), 65)):
            done = self.server.merpati("acl", "set", *arguments, check=False)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
        self.server.merpati("acl", "remove", "ana", "INBOX", "citra", "--negative")
        self.server.merpati("acl", "remove", "ana", "INBOX", "anyone")
        with self.imap("budi") as peer:
            self.assertIn(b"lrsi", self.good(peer.command("MYRIGHTS shared/ana/INBOX"))[1][0])
        # The same without a server.
        self.server.stop()
        self.server.merpati("acl", "remove", "ana", "INBOX", "budi")
        self.assertEqual(json.loads(self.server.merpati("acl", "list", "ana", "INBOX", "--json").stdout), [])
        self.assertEqual(self.server.check()["problems"], [])

    def test_imaplib(self):
        def client(name):
            made = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
            self.addCleanup(made.shutdown)
            made.login(name, PASSWORD)
            return made
        ana, budi = client("ana"), client("budi")
        self.assertIn(b" ACL RIGHTS=kxte ", ana.capability()[1][0])
        self.assertEqual(budi.namespace()[1], [b'(("" "/")) (("shared/" "/")) (("Public/" "/"))'])
        self.assertEqual(ana.setacl("INBOX", "budi", "lrswi")[0], "OK")
        self.assertEqual(ana.getacl("INBOX")[1], [b"INBOX ana lrswipkxteacd budi lrswi"])
        self.assertEqual(budi.myrights("shared/ana/INBOX")[1], [b"shared/ana/INBOX lrswi"])
        self.assertEqual(budi.append("shared/ana/INBOX", r"(\Seen)", None, message("satu"))[0], "OK")
        self.assertEqual(budi.select("shared/ana/INBOX"), ("OK", [b"1"]))
        self.assertIn(b"\\Seen", budi.fetch("1", "(FLAGS)")[1][0])
        ana.select("INBOX")
        self.assertNotIn(b"\\Seen", ana.fetch("1", "(FLAGS)")[1][0])
        self.assertEqual(ana.deleteacl("INBOX", "budi")[0], "OK")
        with self.assertRaises(imaplib.IMAP4.abort):
            budi.noop()

    def test_public(self):
        """One account holds the public mailboxes; LMTP brings mail into them, and everybody reads it for himself."""
        umum = self.imap("umum")
        self.good(umum.command("CREATE Berita"))
        self.server.merpati("acl", "set", "umum", "Berita", "anyone", "lrsp")
        self.server.merpati("acl", "set", "umum", "Berita", "citra", "wite", "--add")
        self.server.deliver("umum+Berita", [message("satu"), message("dua")])
        ana, budi, citra = self.imap("ana"), self.imap("budi"), self.imap("citra")
        for peer in (ana, budi, citra):
            self.assertEqual(self.good(peer.command("STATUS Public/Berita (MESSAGES UNSEEN)"))[1],
                             [b"* STATUS Public/Berita (MESSAGES 2 UNSEEN 2)"])
        self.good(budi.command("SELECT Public/Berita"))
        self.good(budi.command("FETCH 1 BODY[]"))
        self.assertIn(b"UNSEEN 1)", self.good(budi.command("STATUS Public/Berita (UNSEEN)"))[1][0])
        self.assertIn(b"UNSEEN 2)", self.good(ana.command("STATUS Public/Berita (UNSEEN)"))[1][0])
        # Whoever keeps it expunges; all hear of it.
        self.good(citra.command("SELECT Public/Berita"))
        self.good(citra.command("STORE 1 +FLAGS (\\Deleted)"))
        budi.send("z IDLE\r\n")
        while not budi.line().startswith(b"+"):
            pass
        self.good(citra.command("EXPUNGE"))
        self.assertEqual(budi.line(), b"* 1 EXPUNGE")
        budi.send("DONE\r\n")
        self.good(budi.answer("z"))
        self.assertIn(b"UNSEEN 1)", self.good(budi.command("STATUS Public/Berita (UNSEEN)"))[1][0])
        self.assertEqual(self.server.quota("citra")["messages"]["usage"], 0)
        self.assertEqual(self.server.check()["problems"], [])

    def test_kill(self):
        """What was acknowledged is there after kill -9: rights, what each has seen, what went from one account to another."""
        ana, budi = self.imap("ana"), self.imap("budi")
        for number in range(40):
            self.append(ana, "INBOX", f"n{number}")
        self.good(ana.command("SETACL INBOX budi lrswite"))
        self.good(ana.command("SETACL Sent anyone l"))
        self.good(budi.command("SELECT shared/ana/INBOX"))
        self.good(budi.command("STORE 1:25 +FLAGS.SILENT (\\Seen)"))
        self.good(budi.command("STORE 3 +FLAGS.SILENT (\\Deleted)"))
        self.good(budi.command("EXPUNGE"))
        self.good(budi.command("COPY 1:5 Archive"))
        self.good(budi.command("MOVE 6:7 Archive"))
        self.append(budi, "shared/ana/INBOX", "dari-budi", "\\Seen \\Flagged")
        self.server.kill()
        self.server.start()
        ana, budi = self.imap("ana"), self.imap("budi")
        self.assertIn(b"lrswited", self.good(budi.command("MYRIGHTS shared/ana/INBOX"))[1][0])
        self.assertIn(b"MYRIGHTS shared/ana/Sent l", self.good(budi.command("MYRIGHTS shared/ana/Sent"))[1][0])
        self.assertEqual(self.good(budi.command("STATUS shared/ana/INBOX (MESSAGES UNSEEN)"))[1],
                         [b"* STATUS shared/ana/INBOX (MESSAGES 38 UNSEEN 15)"])
        self.assertEqual(self.good(ana.command("STATUS INBOX (MESSAGES UNSEEN)"))[1],
                         [b"* STATUS INBOX (MESSAGES 38 UNSEEN 38)"])
        self.good(budi.command("SELECT Archive"))
        kept = b"".join(self.good(budi.command("FETCH 1:* (FLAGS BODY.PEEK[])"))[1])
        self.assertEqual(kept.count(b"\\Seen"), 7)
        for number in (0, 1, 3, 4, 5, 6, 7):
            self.assertIn(message(f"n{number}"), kept)
        self.assertEqual(self.server.check()["problems"], [])

    def test_backup(self):
        """Rights and marks are in a backup."""
        ana, budi = self.imap("ana"), self.imap("budi")
        self.append(ana, "INBOX", "satu")
        self.append(ana, "INBOX", "dua")
        self.good(ana.command("SETACL INBOX budi lrs"))
        self.good(budi.command("SELECT shared/ana/INBOX"))
        self.good(budi.command("STORE 2 +FLAGS (\\Seen)"))
        copy = self.server.folder / "backup"
        self.server.merpati("backup", str(copy))
        self.server.stop()
        other = harness.Server(data=self.server.folder / "restored")
        self.addCleanup(other.destroy)
        other.merpati("restore", str(copy), check=True)
        other.start()
        peer = IMAP(other.ports["imap"])
        self.addCleanup(peer.close)
        self.good(peer.login("budi", PASSWORD))
        self.assertEqual(self.good(peer.command("STATUS shared/ana/INBOX (MESSAGES UNSEEN)"))[1],
                         [b"* STATUS shared/ana/INBOX (MESSAGES 2 UNSEEN 1)"])
        self.assertEqual(other.check()["problems"], [])

    def shared_mail(self):
        """Mailboxes of ana with rights and notes, and a backup of them."""
        ana, budi = self.imap("ana"), self.imap("budi")
        self.good(ana.command("CREATE Kerja/Rahasia"))
        for box in ("INBOX", "Kerja", "Kerja/Rahasia"):
            self.append(ana, box, box.replace("/", "-"))
        for text in ("SETACL INBOX budi lr", "SETACL Kerja budi lrsw", "SETACL Kerja anyone l", "SETACL Kerja -citra r",
                     "DELETEACL Kerja/Rahasia budi", 'SETMETADATA Kerja (/shared/comment "untuk semua" /private/comment "ana")',
                     'SETMETADATA INBOX (/shared/comment "lama" /private/comment "kotak")',
                     'SETMETADATA "" (/private/filters/values/bos "FROM bos")'):
            self.good(ana.command(text))
        self.good(budi.command('SETMETADATA shared/ana/Kerja (/private/comment "budi")'))
        copy = self.server.folder / "backup"
        self.server.merpati("backup", str(copy))
        return ana, budi, str(copy)

    def rights(self, account, box):
        listed = json.loads(self.server.merpati("acl", "list", account, box, "--json").stdout)
        return {line["identifier"]: line["rights"] for line in listed}

    def note(self, peer, box, entry):
        lines = self.good(peer.command(f'GETMETADATA "{box}" {entry}'))[1]
        found = [re.search(rb'^\* METADATA .*\(\S+ "(.*)"\)$', line) for line in lines]
        return next((one.group(1).decode() for one in found if one), None)

    def test_restore_of_one_account(self):
        """`restore --account`: a mailbox that is made anew is shared as it was and has its notes; what is there keeps its own."""
        ana, budi, copy = self.shared_mail()
        everyone = {"anyone": "l", "budi": "lrsw", "-citra": "r"}
        for text in ("DELETE Kerja/Rahasia", "DELETE Kerja", "DELETEACL INBOX budi",
                     'SETMETADATA INBOX (/shared/comment "baru" /private/comment NIL)'):
            self.good(ana.command(text))
        said = self.server.merpati("restore", copy, "--account", "ana").stdout
        self.assertIn(b"rights: 3 lines are back; 4 annotations are back", said)
        self.assertEqual(self.rights("ana", "Kerja"), everyone)
        # What the one above it would give it is not what it had.
        self.assertEqual(self.rights("ana", "Kerja/Rahasia"), {})
        # A right that was taken since stays taken; a note that was changed since stays so, one that was removed is back.
        self.assertEqual(self.rights("ana", "INBOX"), {})
        self.assertEqual(self.note(ana, "INBOX", "/shared/comment"), "baru")
        self.assertEqual(self.note(ana, "INBOX", "/private/comment"), "kotak")
        self.assertEqual(self.note(ana, "Kerja", "/private/comment"), "ana")
        self.assertEqual(self.note(budi, "shared/ana/Kerja", "/shared/comment"), "untuk semua")
        self.assertEqual(self.note(budi, "shared/ana/Kerja", "/private/comment"), "budi")
        self.assertEqual(self.good(budi.command("STATUS shared/ana/Kerja (MESSAGES)"))[1],
                         [b"* STATUS shared/ana/Kerja (MESSAGES 1)"])
        # Once more: nothing is changed.
        again = self.server.merpati("restore", copy, "--account", "ana").stdout
        self.assertNotIn(b"are back", again)
        self.assertEqual(self.server.check()["problems"], [])

    def test_restore_of_an_account_that_is_gone(self):
        """All rights come back, but to accounts that are others now; under another name there are none."""
        _, _, copy = self.shared_mail()
        self.server.merpati("restore", copy, "--account", "ana", "--as", "lain")
        self.assertEqual(json.loads(self.server.merpati("acl", "list", "lain", "--json").stdout), [])
        self.server.merpati("account", "remove", "ana")
        self.server.merpati("account", "remove", "budi")
        self.server.add_account("budi")
        self.server.stop()
        said = self.server.merpati("restore", copy, "--account", "ana").stdout
        self.assertIn(b"budi had lrsw and is not the same account here", said)
        self.assertIn(b"merpati acl set ana Kerja budi lrsw", said)
        self.assertEqual(self.rights("ana", "Kerja"), {"anyone": "l", "-citra": "r"})
        self.assertEqual(self.rights("ana", "INBOX"), {})
        self.server.start()
        ana, lain = self.imap("ana"), self.imap("lain")
        for peer in (ana, lain):
            self.assertEqual(self.note(peer, "Kerja", "/shared/comment"), "untuk semua")
            self.assertEqual(self.note(peer, "INBOX", "/private/comment"), "kotak")
            self.assertEqual(self.note(peer, "", "/private/filters/values/bos"), "FROM bos")
        self.assertIsNone(self.note(self.imap("budi"), "INBOX", "/private/comment"))
        self.assertEqual(self.server.check()["problems"], [])

    def test_undelete(self):
        """A mailbox that is made anew by it has its notes, and is shared with nobody; one that is there keeps its own."""
        ana, budi, _ = self.shared_mail()
        self.good(ana.command("DELETE Kerja/Rahasia"))
        self.good(ana.command("DELETE Kerja"))
        self.good(ana.command("CREATE Kerja"))
        self.assertIsNone(self.note(ana, "Kerja", "/shared/comment"))
        used = self.server.quota("ana")["annotations"]["usage"]
        self.good(ana.command("DELETE Kerja"))
        self.server.merpati("undelete", "ana", "--mailbox", "Kerja")
        # Which of both that had the name is one of messages.
        self.assertEqual(self.note(ana, "Kerja", "/shared/comment"), "untuk semua")
        self.assertEqual(self.note(ana, "Kerja", "/private/comment"), "ana")
        self.assertEqual(self.rights("ana", "Kerja"), {})
        self.assertTrue(budi.command("STATUS shared/ana/Kerja (MESSAGES)")[0].startswith(b"NO [NONEXISTENT]"))
        self.assertGreater(self.server.quota("ana")["annotations"]["usage"], used)
        self.good(ana.command('SETMETADATA Kerja (/shared/comment "lain" /private/comment NIL)'))
        self.good(ana.command("SELECT Kerja"))
        self.good(ana.command("STORE 1 +FLAGS (\\Deleted)"))
        self.good(ana.command("EXPUNGE"))
        self.server.merpati("undelete", "ana", "--mailbox", "Kerja")
        self.assertEqual(self.note(ana, "Kerja", "/shared/comment"), "lain")
        self.assertIsNone(self.note(ana, "Kerja", "/private/comment"))
        self.server.merpati("compact")
        self.assertEqual(self.server.check()["problems"], [])

    def test_many_readers(self):
        """Readers and the owner change flags all at once; everybody ends with his own \\Seen, and no counter is off."""
        ana = self.imap("ana")
        for number in range(30):
            self.append(ana, "INBOX", f"n{number}")
        self.good(ana.command("SETACL INBOX anyone lrswt"))
        failures = []

        def work(name, seen):
            try:
                with self.imap(name) as peer:
                    self.good(peer.command("SELECT shared/ana/INBOX"))
                    for number in range(1, 31):
                        sign = "+" if number in seen else "-"
                        self.good(peer.command(f"UID STORE {number} {sign}FLAGS.SILENT (\\Seen)"))
                        self.good(peer.command(f"UID STORE {number} +FLAGS.SILENT ({name})"))
                    # Beside the answer others' changes may be told.
                    lines = self.good(peer.command("UID SEARCH SEEN"))[1]
                    found = b" ".join(line for line in lines if line.startswith(b"* SEARCH"))
                    self.assertEqual({int(uid) for uid in re.findall(rb"\d+", found)}, seen)
            except Exception as failure:  # pylint: disable=broad-except
                failures.append((name, failure))
        jobs = [("budi", set(range(1, 11))), ("citra", set(range(5, 31))), ("umum", set())]
        threads = [threading.Thread(target=work, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        self.good(ana.command("SELECT INBOX"))
        self.good(ana.command("STORE 1:* +FLAGS.SILENT (\\Seen)"))
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        for name in ("budi", "citra", "umum"):
            self.assertIn(b"30", self.good(ana.command(f"SEARCH RETURN (COUNT) KEYWORD {name}"))[1][-1])
        self.assertEqual(self.server.check()["problems"], [])


if __name__ == "__main__":
    unittest.main()
