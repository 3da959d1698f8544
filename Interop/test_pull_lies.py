"""Servers that lie, and messages that are none: whatever comes, nothing that was not sent is kept as if it had been, nothing
that is at home is lost, and a run ends with a sentence."""

import resource
import time
import unittest

import hostile
import home
from harness import digest
from hostile_imap import Box

ODD = {
    1: b"Subject: NUL\r\n\r\nbefore\0after\0\0\r\n",
    2: b"Subject: no empty line\r\nTo: budi@example.org\r\n",
    3: b"no header at all, just a line\r\n",
    4: b"\r\nonly a body\r\n",
    5: b"",
    6: b"Subject: no line end at the end\r\n\r\nabc",
    7: b"Subject: \xff\xfe\x80\r\nFrom: \"\0\" <\xc3\x28@x>\r\n\r\n\x00\x01\x02\r\n",
    8: b"X: " + b"y" * 70_000 + b"\r\n\r\n.\r\n..\r\n",
}


class IMAP(unittest.TestCase):
    def pull(self, person, box, *more, check=True):
        self.folder = person.folder / "Mail"
        done = person.run("pull", "imap", box.url(), "--to", f"maildir:{self.folder}", *more, check=False, timeout=120)
        self.assertNotIn(b"Fatal", done.stderr)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def same(self, expected):
        self.assertEqual(sorted(digest(m) for m in home.maildir(self.folder)), sorted(digest(m) for m in expected))

    def test_odd_messages_come_home_as_they_are(self):
        with home.Home() as person, Box(ODD) as box:
            for mode in ("mirror", "sync"):
                with self.subTest(mode):
                    self.pull(person, box, "--mode", mode)
                    self.same(ODD.values())
                    self.pull(person, box, "--mode", mode)
                    self.same(ODD.values())
                    self.assertEqual(home.leftovers(self.folder), [])

    def test_odd_messages_in_a_table_and_read_from_home(self):
        with home.Home() as person, Box(ODD) as box:
            self.pull(person, box, "--mode", "headers")
            place = f"maildir:{self.folder}"
            self.assertEqual(len(person.json("list", place, "--all")["messages"]), len(ODD))
            self.assertNotIn(b"\0", person.run("list", place, "--all").stdout)
            for uid, message in ODD.items():
                for _ in range(2):
                    self.assertEqual(person.run("read", place, uid, "--raw").stdout, message, uid)
                self.assertEqual(person.run("read", place, uid, "--raw", "--offline").stdout, message, uid)

    def test_sizes_that_lie_cost_no_octet(self):
        with home.Home() as person, Box(ODD) as box:
            box.sizes = {1: 5, 2: 900, 3: 0, 8: 1 << 40}
            self.pull(person, box, check=False)
            self.pull(person, box, check=False)
            for message in home.maildir(self.folder):
                self.assertIn(digest(message), [digest(m) for m in ODD.values()])
            box.sizes = {}

    def test_two_gigabytes_announced(self):
        """A literal that never comes to its end neither fills the memory nor stands as a message."""
        with home.Home() as person, Box({1: ODD[1], 2: ODD[2]}) as box:
            box.announced = {2: 2 << 30}
            begun = time.monotonic()
            done = self.pull(person, box, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertLess(time.monotonic() - begun, 110)
            for message in home.maildir(self.folder):
                self.assertEqual(digest(message), digest(ODD[1]))
            self.assertEqual(home.leftovers(self.folder), [])
            box.announced = {}
            self.pull(person, box)
            self.same([ODD[1], ODD[2]])
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            self.assertLess(peak, 400 << 10, "KiB")
            print(f"  2 GiB announced: refused in {time.monotonic() - begun:.1f} s; peak of all runs so far {peak >> 10} MiB")

    def test_counts_that_lie_delete_nothing(self):
        mail = {n: b"Message-ID: <%d@x>\r\n\r\nletter %d\r\n" % (n, n) for n in range(1, 31)}
        with home.Home() as person, Box(mail) as box:
            self.pull(person, box)
            self.same(mail.values())
            for count in (0, 3, 29, 31, 4_000_000_000):
                box.exists = count
                self.pull(person, box, check=False)
                self.same(mail.values())
            box.exists = None
            self.pull(person, box)
            self.same(mail.values())

    def test_answers_under_another_uid_are_not_taken_for_it(self):
        mail = {n: b"Message-ID: <%d@x>\r\n\r\nletter %d\r\n" % (n, n) for n in range(1, 11)}
        with home.Home() as person, Box(mail) as box:
            box.answers_as = {3: 4, 4: 3, 9: 77}
            self.pull(person, box, "--mode", "headers", check=False)
            for uid in ("3", "4", "9"):
                raw = person.run("read", box.url(), uid, "--raw", check=False)
                self.assertNotEqual(raw.returncode, 0, raw.stdout)
                self.assertEqual(raw.stdout, b"")

    def test_partial_answers_that_lie(self):
        big = b"Message-ID: <big@x>\r\n\r\n" + b"".join(b"line %d of it\r\n" % n for n in range(60_000))
        with home.Home() as person, Box({1: big}) as box:
            self.pull(person, box, "--mode", "headers")
            place = f"maildir:{self.folder}"
            box.wrong_origin = True
            wrong = person.run("read", place, "1", "--raw", check=False)
            self.assertNotEqual(wrong.returncode, 0)
            self.assertEqual(wrong.stdout, b"")
            box.wrong_origin = False
            box.sizes = {1: len(big) - 1}
            other = person.run("read", place, "1", "--raw", check=False)
            self.assertEqual((other.returncode, other.stdout), (75, b""), other.stderr)
            box.sizes = {}
            box.short = 0.3
            self.assertEqual(person.run("read", place, "1", "--raw").stdout, big)
            box.short = None
            # A server that does not know partial fetches sends it all each time; it is put together rightly all the same.
            box.ignores_partial = True
            self.assertEqual(person.run("read", place, "1", "--part", "1").stdout, big.partition(b"\r\n\r\n")[2])


class POP3(unittest.TestCase):
    def test_odd_messages_come_home_and_only_then_go(self):
        """As they are; POP3 itself has no message without a line end (RFC 1939 §3)."""
        mail = [(f"u{n}", m if m.endswith(b"\r\n") else m + b"\r\n") for n, m in ODD.items()]
        with hostile.Drop(mail) as server, home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            self.assertEqual(sorted(digest(m) for m in home.maildir(box)), sorted(digest(m) for _, m in mail))
            self.assertEqual(server.mail, [])
            self.assertEqual(home.leftovers(box), [])

    def test_a_journal_that_was_deleted_costs_no_mail(self):
        """Without it nothing is known to be at home: mail that was kept comes once more, and none is deleted unproved."""
        mail = [(f"u{n}", b"Message-ID: <%d@x>\r\n\r\nletter %d\r\n" % (n, n)) for n in range(20)]
        with hostile.Drop(mail) as server, home.Home() as person:
            box = person.folder / "Mail"
            pull = ("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            person.run(*pull, "--keep")
            for file in (person.folder / "state").rglob("*.sqlite*"):
                file.unlink()
            person.run(*pull)
            self.assertEqual(server.mail, [])
            self.assertEqual({digest(m) for m in home.maildir(box)}, {digest(m) for _, m in mail})
            copies = len(home.maildir(box)) - len(mail)
            print(f"  journal deleted: nothing lost, {copies} messages are there twice")


if __name__ == "__main__":
    unittest.main()
