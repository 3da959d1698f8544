"""SEARCH with the index off, on, half built, damaged and deleted under a running server: always the same answers."""

import imaplib
import json
import os
import random
import threading
import time
import unittest

import harness

MESSAGES = int(os.environ.get("SEARCH_MESSAGES") or "400")
WORDS = ["merpati", "gunung", "perahu ang", "linux", "Tester 12", "caf\u00e9", "xylophone", "\u9ce9", "re", "e", "inner@example.org"]
KEYS = ["SUBJECT", "FROM", "TO", "CC", "BODY", "TEXT", "HEADER Message-ID", "HEADER Received"]


def questions(seed=1):
    """Single keys, and trees of them with flags, dates and numbers."""
    rng = random.Random(seed)

    def leaf():
        if rng.random() < 0.2:
            return [rng.choice(["SEEN", "UNDELETED", "SMALLER 3000", "SINCE 1-Jan-2020", "UID 5:90"])]
        return [rng.choice(KEYS), rng.choice(WORDS)]

    def tree(depth):
        kind = rng.random()
        if depth == 0 or kind < 0.3:
            return leaf()
        if kind < 0.5:
            return ["NOT", *tree(depth - 1)]
        if kind < 0.8:
            return ["OR", *tree(depth - 1), *tree(depth - 1)]
        return ["(", *tree(depth - 1), *tree(depth - 1), ")"]

    for key in KEYS:
        for word in WORDS:
            yield [key, word]
    for _ in range(40):
        yield tree(3)


def ask(connection, question):
    """UIDs that are found; texts go as literals."""
    words = [b"%s" % (word.encode() if word.isupper() or not any(word == w for w in WORDS)
                      else b"{%d+}\r\n%s" % (len(word.encode()), word.encode())) for word in question]
    line = b" ".join(words).replace(b"( ", b"(").replace(b" )", b")")
    tag = connection._new_tag()
    connection.send(tag + b" UID SEARCH CHARSET UTF-8 " + line + b"\r\n")
    found = None
    while True:
        answer = connection.readline()
        if answer.startswith(b"* SEARCH"):
            found = tuple(int(n) for n in answer.split()[2:])
        if answer.startswith(tag):
            assert b" OK " in answer, (question, answer)
            return found


class SearchIndex(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server("--set", "limits.connections-per-account=100")
        self.file = self.server.data / "volumes" / "1" / "search.sqlite"

    def tearDown(self):
        self.server.destroy()

    def answers(self, account="budi"):
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as connection:
            connection.login(account, harness.PASSWORD)
            connection.select("INBOX", readonly=True)
            return [ask(connection, question) for question in questions()]

    def restart(self, index):
        self.server.stop()
        self.server.flags = ("--set", f"search.index={index}")
        self.server.start()

    def indexed(self):
        """Waits until the index knows all there is."""
        quiet = 0
        for _ in range(600):
            status = json.loads(self.server.merpati("check", "--status", "--json").stdout)["searchIndex"]
            quiet = quiet + 1 if status["waiting"] == 0 and status.get("trouble") is None else 0
            if quiet == 15:  # it looks once a second
                return
            time.sleep(0.15)
        self.fail(status)

    def assert_same(self, expected, found, what):
        for question, wanted, got in zip(questions(), expected, found):
            self.assertEqual(got, wanted, f"{what}: {question}")

    def test_the_same_answers_whatever_becomes_of_the_index(self):
        self.server.flags = ("--set", "search.index=off")
        self.server.start()
        self.server.add_account("budi")
        mail = harness.mail(MESSAGES // 2) + harness.made(MESSAGES // 2)
        self.server.deliver("budi", mail)
        expected = self.answers()
        self.assertFalse(self.file.exists())
        self.assertGreater(sum(1 for found in expected if found), len(KEYS))

        self.restart("on")
        # While it is being built, and then.
        self.assert_same(expected, self.answers(), "half built")
        self.indexed()
        self.assert_same(expected, self.answers(), "built")

        # Killed, and killed while it is written.
        self.server.kill()
        self.server.start()
        self.assert_same(expected, self.answers(), "after kill -9")

        # Gone under the running server, and made anew.
        for path in self.file.parent.glob("search.sqlite*"):
            path.unlink()
        self.assert_same(expected, self.answers(), "deleted")
        for _ in range(100):
            if self.file.exists():
                break
            time.sleep(0.1)
        self.assertTrue(self.file.exists())
        self.assert_same(expected, self.answers(), "begun anew")
        self.indexed()

        # Spoilt under the running server.
        rng = random.Random(5)
        for turn in range(6):
            # It may be on its way to being begun anew.
            for _ in range(100):
                if self.file.exists():
                    break
                time.sleep(0.1)
            with open(self.file, "r+b") as file:
                size = file.seek(0, 2)
                if turn == 2:
                    file.truncate(size // 2)
                elif turn == 4:
                    file.truncate(0)
                else:
                    for _ in range(20):
                        file.seek(rng.randrange(max(size - 512, 1)))
                        file.write(rng.randbytes(512))
            self.assert_same(expected, self.answers(), f"spoilt {turn}")

        # Spoilt while nobody serves.
        self.server.kill()
        self.file.write_bytes(rng.randbytes(100_000))
        self.server.start()
        self.assert_same(expected, self.answers(), "rubbish")
        self.indexed()
        self.assert_same(expected, self.answers(), "begun anew from rubbish")
        self.assertEqual(self.server.check()["problems"], [])
        self.restart("off")
        self.assertFalse(self.file.exists())

    def test_an_older_database_put_back_by_hand(self):
        """Content numbers then are given out again, to other messages."""
        self.server.start()
        self.server.add_account("budi")
        self.server.deliver("budi", harness.made(40, seed=3))
        self.server.stop()
        volume = self.file.parent
        older = (volume / "mail.sqlite").read_bytes()
        self.server.start()
        self.server.deliver("budi", harness.made(60, seed=4))
        self.indexed()
        self.server.kill()
        for name in ("mail.sqlite-wal", "mail.sqlite-shm"):
            (volume / name).unlink(missing_ok=True)
        (volume / "mail.sqlite").write_bytes(older)
        # A command on the way must not hide it.
        self.server.merpati("deliver", "budi", stdin=harness.made(1, seed=5)[0])
        self.server.start()
        self.server.deliver("budi", harness.made(60, seed=6))
        self.indexed()
        found = self.answers()
        self.restart("off")
        self.assert_same(self.answers(), found, "an older database")

    def test_deliveries_and_searches_at_once(self):
        self.server.start()
        self.server.add_account("budi")
        mail = harness.made(300, seed=9)
        done = threading.Event()

        def deliver():
            try:
                self.server.deliver("budi", mail)
            finally:
                done.set()

        thread = threading.Thread(target=deliver)
        thread.start()
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as connection:
            connection.login("budi", harness.PASSWORD)
            connection.select("INBOX")
            while not done.is_set():
                connection.noop()
                everything = set(ask(connection, ["UID", "1:*"]) or ())
                with_word = set(ask(connection, ["TEXT", "merpati"]) or ())
                without = set(ask(connection, ["NOT", "TEXT", "merpati"]) or ())
                self.assertFalse(with_word & without)
                # Messages may come in between.
                self.assertLessEqual(everything, with_word | without)
        thread.join()
        expected = self.answers()
        self.indexed()
        self.assert_same(expected, self.answers(), "indexed")


if __name__ == "__main__":
    unittest.main()
