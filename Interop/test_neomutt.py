"""neomutt in a terminal, with CONDSTORE, QRESYNC and IDLE (and COMPRESS where it was built with it): what it shows is what the server
holds, and a recording of the line shows that it was these extensions that told it."""

import contextlib
import imaplib
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import recorder
import terminal

COUNT = 30


def letter(name):
    return (f"From: ani@example.org\r\nTo: budi@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@example.org>\r\n\r\n"
            f"Isi surat {name}.\r\n").encode()


def has_deflate():
    said = subprocess.run(["neomutt", "-n", "-D"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return "imap_deflate" in said.stdout


@unittest.skipUnless(shutil.which("neomutt") and shutil.which("tmux"), "needs neomutt and tmux")
class NeoMutt(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="neomutt-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = harness.Server()
        self.addCleanup(self.server.destroy)
        self.server.start()
        self.server.add_account("budi")
        self.server.deliver("budi", [letter(f"surat-{number}") for number in range(1, COUNT + 1)])
        self.line = recorder.Recorder(self.server.ports["imap"])
        self.addCleanup(self.line.close)
        self.other = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        self.addCleanup(self.other.shutdown)
        self.other.login("budi", harness.PASSWORD)
        self.other.select("INBOX")

    @contextlib.contextmanager
    def neomutt(self, *settings):
        """At work, with INBOX open; told to quit at the end. `self.said` is the conversation of this run."""
        place = f"imap://budi@127.0.0.1:{self.line.port}/"
        (self.folder / "rc").write_text("\n".join((
            f'set folder="{place}" spoolfile="{place}INBOX" record="" postponed=""', f'set imap_pass="{harness.PASSWORD}"',
            "set imap_condstore=yes imap_qresync=yes imap_idle=yes imap_check_subscribed=no",
            "ifdef imap_deflate set imap_deflate=yes", f'set header_cache="{self.folder}/cache"',
            "set ssl_starttls=no ssl_force_tls=no mail_check=1 timeout=1 sleep_time=0 wait_key=no mark_old=no",
            "set delete=yes move=no confirmappend=no confirmcreate=no quit=yes sort=mailbox-order help=no",
            'set index_format="%Z|%s" status_format="-- %m total %F flagged %d deleted --"', *settings, "")))
        known = len(self.line.conversations)
        with terminal.Terminal(["neomutt", "-n", "-F", str(self.folder / "rc")], self.folder, rows=COUNT + 20) as screen:
            screen.until(lambda shown: any("total" in row for row in shown), "INBOX is opened")
            self.said = self.line.conversations[known]
            yield screen
            screen.keys("q")
            screen.until_over()

    def shown(self, rows):
        """{subject: whether it is flagged} as the index has it."""
        found = {}
        for row in rows:
            if seen := re.fullmatch(r"(.{3,4})\|(\S+)", row.rstrip()):
                found[seen[2]] = "!" in seen[1]
        return found

    def held(self, mailbox="INBOX"):
        """The same from the server."""
        self.assertEqual(self.other.select(mailbox)[0], "OK")
        found = {}
        for item in self.other.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(item, tuple):
                found[re.search(rb"Subject: (\S+)", item[1])[1].decode()] = rb"\Flagged" in item[0]
        return found

    def agree(self, screen, what):
        held = self.held()
        screen.until(lambda rows: self.shown(rows) == held, f"{what}: {held}")
        return held

    def uid(self, subject):
        (found,) = self.other.uid("SEARCH", "HEADER", "Message-ID", f"<{subject}@")[1][0].split()
        return found

    def asked(self, pattern):
        """The exchanges of this run whose command matches."""
        return [exchange for exchange in self.said.exchanges() if re.match(pattern, exchange.command)]

    def change(self, screen):
        """Flags and deletes in the terminal, saves into another mailbox; the server knows."""
        self.server.deliver("budi", [letter("baru-1")])
        screen.until(lambda rows: "baru-1" in self.shown(rows), "new mail is shown")
        # It was told, and did not ask.
        self.assertTrue([told for told in self.asked(rb"IDLE$") if b"* %d EXISTS" % (COUNT + 1) in told.answer])
        screen.keys("1", "Enter", "F")
        screen.keys("2", "Enter", "d", "$")
        screen.until(lambda rows: "surat-2" not in self.shown(rows), "a message is deleted")
        held = self.agree(screen, "flagged and deleted")
        self.assertEqual((held["surat-1"], "surat-2" in held, len(held)), (True, False, COUNT))

        message = self.other.uid("FETCH", self.uid("surat-3"), "(BODY.PEEK[])")[1][0][1]
        screen.keys("2", "Enter", "s")
        screen.keys("C-u")
        screen.type("=Arsip")
        screen.keys("Enter")
        screen.until(lambda rows: any("1 deleted" in row for row in rows), "a message is saved")
        screen.keys("$")
        screen.until(lambda rows: "surat-3" not in self.shown(rows), "what was saved leaves INBOX")
        self.agree(screen, "saved")
        self.assertEqual(self.held("Arsip"), {"surat-3": False})
        self.assertEqual(self.other.fetch("1", "(BODY.PEEK[])")[1][0][1], message)
        self.held()

    def test_it_is_told_and_resumes_by_qresync(self):
        with self.neomutt() as screen:
            self.agree(screen, "opened")
            self.assertTrue(self.asked(rb"ENABLE QRESYNC"))
            self.assertFalse(self.asked(rb".*CHANGEDSINCE"))  # it knows nothing yet
            self.change(screen)
            # What others do is told as VANISHED and FETCH while it idles.
            self.other.uid("STORE", self.uid("surat-10"), "+FLAGS.SILENT", r"(\Flagged)")
            self.other.uid("STORE", self.uid("surat-12"), "+FLAGS.SILENT", r"(\Deleted)")
            self.other.expunge()
            self.agree(screen, "what others did")
            self.assertRegex(self.said.server, rb"(?m)^\* VANISHED 12\r")
        self.assertEqual("COMPRESS" in self.said.used() and self.said.compressed, has_deflate())

        # While it is away: a flag comes, a flag goes, two messages are expunged, one comes, one moves away.
        for subject, change, flag in (("surat-20", "+FLAGS.SILENT", r"(\Flagged)"), ("surat-1", "-FLAGS.SILENT", r"(\Flagged)"),
                                      ("surat-21", "+FLAGS.SILENT", r"(\Deleted)"), ("baru-1", "+FLAGS.SILENT", r"(\Deleted)")):
            self.other.uid("STORE", self.uid(subject), change, flag)
        self.other.expunge()
        self.other.uid("MOVE", self.uid("surat-22"), "Arsip")
        self.server.deliver("budi", [letter("baru-2")])
        state = self.other.status("INBOX", "(HIGHESTMODSEQ)")[1][0]
        with self.neomutt() as screen:
            held = self.agree(screen, "opened again")
            self.assertEqual((held["surat-20"], held["surat-1"], "baru-2" in held, len(held)), (True, False, True, COUNT - 5 + 1))
            # It asks by UID FETCH (RFC 7162 §3.2.6), not with SELECT.
            (opened,) = self.asked(rb"UID FETCH .*CHANGEDSINCE .*VANISHED")
            since = int(re.search(rb"CHANGEDSINCE (\d+)", opened.command)[1])
            self.assertLess(since, int(re.search(rb"HIGHESTMODSEQ (\d+)", state)[1]))
            gone = re.search(rb"^\* VANISHED \(EARLIER\) (\S+)\r", opened.answer, re.M)[1]
            self.assertEqual(numbers(gone) & {21, 22, COUNT + 1}, {21, 22, COUNT + 1})
            changed = {int(uid) for uid in re.findall(rb"^\* \d+ FETCH \(.*\bUID (\d+)", opened.answer, re.M)}
            self.assertLessEqual({1, 20}, changed)
            self.assertLess(len(changed), 6)
            # Headers of the new message, and of the few that it looks at again where others went from between.
            headers = [told.answer for told in self.asked(rb"(UID )?FETCH .*HEADER")]
            self.assertIn(b"Subject: baru-2", headers[-1])
            self.assertLess(sum(answer.count(b" FETCH (") for answer in headers), 6)
            print(f"  neomutt: {opened.command.decode()} heard of {len(changed)} changed and {gone.decode()} gone", flush=True)

    def test_it_resumes_by_condstore(self):
        with self.neomutt("set imap_qresync=no") as screen:
            self.agree(screen, "opened")
        self.other.uid("STORE", self.uid("surat-4"), "+FLAGS.SILENT", r"(\Flagged)")
        with self.neomutt("set imap_qresync=no") as screen:
            self.agree(screen, "opened again")
            self.assertFalse(self.asked(rb"ENABLE .*QRESYNC"))
            (changes,) = self.asked(rb"(UID )?FETCH .*CHANGEDSINCE")
            self.assertEqual(changes.answer.count(b" FETCH ("), 1)
            self.assertRegex(changes.answer, rb"(?m)^\* 4 FETCH .*\\Flagged")


def numbers(ranges):
    found = set()
    for one in ranges.split(b","):
        first, _, last = one.partition(b":")
        found.update(range(int(first), int(last or first) + 1))
    return found


if __name__ == "__main__":
    unittest.main()
