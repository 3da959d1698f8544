"""What hostile clients and senders do to a real server: it stays within its memory, serves the others, and stays in step.

Nothing here is timed but in proportion: four times as much must not cost sixteen times as much. `make hostile` does the same
with far more of everything and prints how long others had to wait."""

import random
import socket
import threading
import time
import unittest

import bombs
import harness
import hostile_extensions
import lines
import siege
from harness import PASSWORD
from lines import IMAP, POP3, Peer
from siege import MIB

SMALL = b"From: a@example.org\r\nSubject: kecil\r\n\r\nisi\r\n"
BOUND = 200 * MIB


class Case(unittest.TestCase):
    """A server of this class's own; a session that is there before the attack still works behind it."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        siege.allow_files(20_000)
        cls.server = harness.Server("--set", "limits.connections-per-address=100000", *cls.flags)
        cls.server.start()
        for account in ("budi", "ani", "saksi"):
            cls.server.add_account(account)
        cls.server.deliver("saksi", [SMALL])
        cls.witness = IMAP(cls.server.ports["imap"])
        cls.witness.login("saksi", PASSWORD)
        cls.witness.command("SELECT INBOX")
        cls.watch = siege.Watch(cls.server.process)
        cls.watch.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.watch.__exit__()
        problems = cls.server.check()["problems"]
        log = cls.server.log.read_text(errors="replace")
        cls.witness.close()
        cls.server.destroy()
        print(f"  {cls.__name__}: resident memory was {cls.watch.most / MIB:.0f} MiB at most")
        assert problems == [], problems
        assert "Fatal error" not in log, log[-2000:]
        assert cls.watch.most < BOUND, f"{cls.watch.most / MIB:.0f} MiB"

    def tearDown(self):
        """Nobody else was hurt."""
        self.assertRegex(self.witness.command("NOOP")[0], rb"^OK")
        self.assertEqual(len(self.witness.command("FETCH 1 (FLAGS BODY.PEEK[])")[1]), 1)
        with IMAP(self.server.ports["imap"]) as new:
            self.assertRegex(new.login("saksi", PASSWORD)[0], rb"^OK")
        with POP3(self.server.ports["pop3"]) as new:
            self.assertRegex(new.login("saksi", PASSWORD), rb"^\+OK")
            new.command("QUIT")


class Transcripts(Case):
    def test_all_of_them_in_any_order(self):
        """Sessions that were written down, played by a client that does not listen, some of them side by side."""
        played = list(siege.transcripts())
        self.assertGreaterEqual(len(played), 15)
        order = played * 2
        random.Random(4).shuffle(order)
        trouble = []

        def run(share):
            for protocol, name, steps in share:
                try:
                    siege.play(self.server, protocol, steps)
                except OSError as error:
                    trouble.append((name, error))

        threads = [threading.Thread(target=run, args=(order[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(trouble, [])


class Bombs(Case):
    def test_growth(self):
        """Four times as much of it costs less than ten times as much, from delivery to SEARCH; nothing of it fails."""
        process = siege.Process(self.server.process)

        def cost(maker, n):
            before = process.seconds()
            reply = siege.deliver(self.server, "budi", maker(n))
            self.assertRegex(reply, rb"^250")
            self.assertEqual(siege.interrogate(self.server, "budi"), [])
            return process.seconds() - before

        for name, (maker, n, _) in bombs.ALL.items():
            with self.subTest(bomb=name):
                for attempt in range(3):
                    small, large = cost(maker, n // 4), cost(maker, n)
                    # What costs next to nothing is measured in ticks of a clock.
                    if large < 10 * max(small, 0.03):
                        break
                else:
                    self.fail(f"{n // 4}: {small:.2f} s, {n}: {large:.2f} s of processor time")


class Commands(Case):
    def setUp(self):
        self.peer = IMAP(self.server.ports["imap"], timeout=300)
        self.addCleanup(self.peer.close)
        self.peer.login("budi", PASSWORD)

    def whole(self, tag, command):
        self.peer.send(tag + b" " + command + b"\r\n")
        return siege.drain(self.peer, tag)

    def test_fetch_thousands_of_sections(self):
        """A message of 250 KiB, thousands of times in one FETCH, each time a little different: 480 MB in one response."""
        siege.deliver(self.server, "budi", SMALL + b"x" * 250_000 + b"\r\n")
        siege.deliver(self.server, "budi", b"Subject: " + b"y" * 250_000 + b"\r\n\r\nisi\r\n")
        self.peer.command("SELECT INBOX")
        for number, items in enumerate((
            b" ".join(b"BODY.PEEK[]<%d.260000>" % n for n in range(1990)),
            b" ".join(b"BODY.PEEK[HEADER.FIELDS (Subject X%d)]" % n for n in range(1500)),
            b" ".join(b"BODY.PEEK[HEADER.FIELDS (Subject)]<%d.260000>" % n for n in range(1200)),
            b" ".join(b"BINARY.PEEK[1]<%d.260000>" % n for n in range(1500)),
        )):
            answer, octets = self.whole(b"f%d" % number, b"FETCH 1:2 (" + items + b")")
            self.assertRegex(answer, rb"^OK")
            self.assertGreater(octets, 1000)

    def test_fetch_the_same_thousands_of_times(self):
        siege.deliver(self.server, "budi", bombs.addresses(10_000))
        self.peer.command("SELECT INBOX")
        answer, octets = self.whole(b"f1", b"FETCH * (" + b"ENVELOPE " * 1900 + b"UID)")
        self.assertRegex(answer, rb"^OK")
        self.assertLess(octets, 2 * MIB)

    def test_search_for_what_nearly_fits(self):
        """A text of sixty thousand letters in four million that are nearly it: quadratic, it would take days."""
        siege.deliver(self.server, "budi", SMALL + (b"a" * 990 + b"\r\n") * 4000)
        siege.deliver(self.server, "budi", SMALL + b"a" * 8_000_000 + b"\r\n")
        self.peer.command("SELECT INBOX")
        for number, text in enumerate((b"b" + b"a" * 60_000, b"a" * 30_000 + b"b" + b"a" * 30_000)):
            answer, _ = self.whole(b"s%d" % number, b'SEARCH TEXT "' + text + b'"')
            self.assertRegex(answer, rb"^OK")
        answer, _ = self.whole(b"s9", b"SEARCH " + b"BODY zz OR TEXT yy " * 49 + b"ALL ALL")
        self.assertRegex(answer, rb"^(OK|NO|BAD)")

    def test_list_of_wildcards(self):
        """Two hundred names of eight hundred letters each, and patterns that nearly fit all of them."""
        for number in range(0, 200, 50):
            self.peer.send(b"".join(b"c%d CREATE %s%d\r\n" % (n, b"a" * 800, n) for n in range(number, number + 50)))
            for n in range(number, number + 50):
                self.peer.answer(f"c{n}")
        patterns = b" ".join([b'"' + b"*a" * 400 + b'b"'] * 20)
        answer, octets = self.whole(b"l1", b'LIST "" (' + patterns + b")")
        self.assertRegex(answer, rb"^OK")
        self.assertLess(octets, 1000)
        answer, _ = self.whole(b"l2", b'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN SIZE))')
        self.assertRegex(answer, rb"^OK")


class Extensions(Case):
    def test_what_they_let_one_ask_for(self):
        """As much as the limits allow and a little more, by eight sessions at once, each kind in the account of the last one."""
        stage = hostile_extensions.Stage(self.server, "budi", 400, 120)
        for attack in hostile_extensions.ATTACKS:
            with self.subTest(attack=attack.__name__):
                began = time.monotonic()
                said = attack(stage)
                print(f"  {attack.__name__}: {said}; {time.monotonic() - began:.1f} s", flush=True)
                self.assertRegex(self.witness.command("NOOP")[0], rb"^OK")

    def test_order_of_deep_threads_grows_evenly(self):
        """Four times as many messages of one thread cost less than ten times as much."""
        process = siege.Process(self.server.process)
        stages = []
        for account, messages in (("kecil", 500), ("besar", 2000)):
            self.server.add_account(account)
            stages.append(hostile_extensions.Stage(self.server, account, messages, 0))

        def cost(stage):
            before = process.seconds()
            stage.ask((b"THREAD REFERENCES UTF-8 ALL", b"SORT (SUBJECT FROM DATE) UTF-8 ALL"), sessions=4)
            return process.seconds() - before

        for attempt in range(3):
            small, large = map(cost, stages)
            if large < 10 * max(small, 0.03):
                break
        else:
            self.fail(f"{small:.2f} s, {large:.2f} s of processor time")


class Readers(Case):
    flags = ("--set", "limits.write-timeout=3s")

    def test_many_who_read_nothing(self):
        """Forty sessions ask for 50 MiB each, ten times, and read nothing: they are cut off, and memory does not grow."""
        siege.deliver(self.server, "budi", bombs.zeros(50_000_000))
        peers = []
        for number in range(40):
            if number % 4 == 3:
                peer = POP3(self.server.ports["pop3"])
                if not peer.login("ani", PASSWORD).startswith(b"+OK"):
                    continue
                peer.send(b"RETR 1\r\n" * 10)
            else:
                peer = IMAP(self.server.ports["imap"], tls=None)
                peer.login("budi", PASSWORD)
                peer.command("SELECT INBOX")
                peer.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(10)))
            peers.append(peer)
        before = siege.Process(self.server.process).files()
        deadline = time.monotonic() + 120
        while siege.Process(self.server.process).files() > before - 25 and time.monotonic() < deadline:
            self.assertRegex(self.witness.command("NOOP")[0], rb"^OK")
            time.sleep(0.2)
        self.assertLess(time.monotonic(), deadline, "sessions that read nothing were not cut off")
        for peer in peers:
            peer.close()

    def test_many_who_write_slowly(self):
        """A letter at a time, of commands, literals and messages: others are served in between, and no task waits."""
        begun = {
            "imap": b"a1 LOGIN {4+}\r\nbudi {10+}\r\n" + PASSWORD.encode() + b"\r\na2 APPEND INBOX {20+}\r\nSubject: x\r\n\r\n",
            "pop3": b"USER budi\r\nPASS rahasia", "lmtp": b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\nSubject: x\r\n",
        }
        peers = [(Peer(self.server.ports[name]), text) for name, text in begun.items() for _ in range(50)]
        for place in range(max(map(len, begun.values()))):
            for peer, text in peers:
                peer.send_if_open(text[place:place + 1])
            self.assertRegex(self.witness.command("NOOP")[0], rb"^OK")
        for peer, _ in peers:
            peer.close()


class HalfOpen(Case):
    def test_two_thousand(self):
        """Connections that say nothing, say half a command, or begin TLS and leave it: the others never notice."""
        peers = half_open(self.server, 2000, lambda: self.assertRegex(self.witness.command("NOOP")[0], rb"^OK"))
        self.assertGreater(len(peers), 1900)
        for number, peer in enumerate(peers):
            if number % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()

    def test_churn(self):
        """Two thousand connections opened and closed at once, half of them reset."""
        for number in range(2000):
            name = ("imap", "pop3", "lmtp", "imaps")[number % 4]
            peer = socket.create_connection(("127.0.0.1", self.server.ports[name]), timeout=20)
            if number % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        deadline = time.monotonic() + 30
        process = siege.Process(self.server.process)
        while process.files() > 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLess(process.files(), 200, "connections that are gone are still open")


class Floods(Case):
    def test_commands_without_end(self):
        """NOOP by the hundred thousand from ten sessions that do not read until the end."""
        trouble = []

        def run(number):
            try:
                with IMAP(self.server.ports["imap"], timeout=120) as peer:
                    peer.login("budi", PASSWORD)
                    for turn in range(10):
                        peer.send(b"n NOOP\r\n" * 2000 + b"z%d NOOP\r\n" % turn)
                        answer, octets = siege.drain(peer, b"z%d" % turn)
                        if not answer.startswith(b"OK") or octets < 2000 * 20:
                            trouble.append((answer, octets))
            except OSError as error:
                trouble.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.assertRegex(self.witness.command("NOOP")[0], rb"^OK")
            time.sleep(0.02)
        self.assertEqual(trouble, [])


class Guessing(unittest.TestCase):
    def test_passwords(self):
        """Each wrong password of an address waits longer than the one before; a connection has five of them. Others log in."""
        with harness.Server("--set", "auth.failure-delay=1s") as server:
            for account in ("budi", "saksi"):
                server.add_account(account)
            began = time.monotonic()
            with IMAP(server.ports["imap"], host="127.0.0.1") as peer:
                answers = []
                try:
                    for number in range(10):
                        answers.append(peer.login("budi", f"salah-{number}")[0])
                except Peer.Closed:
                    pass
                self.assertLessEqual(len(answers), 5)
                self.assertTrue(all(answer.startswith(b"NO") for answer in answers), answers)
            self.assertGreater(time.monotonic() - began, 1 + 2 + 4, "the answers did not come later and later")
            # From another address, meanwhile.
            began = time.monotonic()
            with IMAP(server.ports["imap"], source=("127.0.0.2", 0)) as peer:
                self.assertRegex(peer.login("saksi", PASSWORD)[0], rb"^OK")
            # An account that there is not waits as one that there is.
            with POP3(server.ports["pop3"], source=("127.0.0.3", 0)) as peer:
                self.assertRegex(peer.login("tidakada", "x"), rb"^-ERR")
            log = server.log.read_text(errors="replace")
            self.assertNotIn("salah-", log)


def half_open(server, count, between):
    """So many connections that begin something and stop."""
    begun = {
        "imap": (b"", b"a1 LOGIN bu", b"a1 LOGIN {10}\r\n", b"a1 AUTHENTICATE PLAIN\r\n"),
        "pop3": (b"", b"USER budi\r\n", b"AUTH PLAIN\r\n", b"PA"),
        "lmtp": (b"", b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\nSubject: x\r\n", b"BDAT 100\r\nx", b"LH"),
        "imaps": (b"", b"\x16\x03\x01\x02\x00\x01", b"\x16", HELLO),
        "pop3s": (b"", b"\x16\x03\x01\x02\x00\x01", b"\x16", HELLO),
    }
    peers = []
    for number in range(count):
        name = list(begun)[number % 5]
        peer = socket.create_connection(("127.0.0.1", server.ports[name]), timeout=20)
        try:
            peer.sendall(begun[name][number // 5 % 4])
        except OSError:
            pass
        peers.append(peer)
        if number % 100 == 0:
            between()
    return peers


def _hello():
    """The first flight of a TLS client, taken from Python's own."""
    import ssl
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lines.trusting().wrap_bio(incoming, outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO = _hello()


if __name__ == "__main__":
    unittest.main()
