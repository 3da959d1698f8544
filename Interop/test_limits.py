"""Every limit a client can run into, against a real server: it hears what docs/limits.md says, and nobody else is hurt.

After each case a session that was there before still gets answers; at the end the store is clean."""

import base64
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import lines
from harness import PASSWORD
from lines import IMAP, LMTP, POP3, Peer

MIB = 1 << 20
SMALL = b"From: a@example.org\r\nSubject: kecil\r\n\r\nisi\r\n"


def large(octets):
    """A message of about so many octets that compresses a little, like mail."""
    head = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: besar\r\n\r\n"
    tail = bytes(range(0x30, 0x7b)) + b"\r\n"
    size = 8 + len(tail)
    return head + b"".join(b"%07d " % number + tail for number in range((octets - len(head)) // size))


def encoded(octets):
    """The same as one base64 part."""
    body = base64.encodebytes(large(octets * 3 // 4)).replace(b"\n", b"\r\n")
    return (b"From: a@example.org\r\nSubject: besar\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + body)


def anonymous_memory(process):
    """Octets of memory that belong to nobody's file: what buffers cost."""
    with open(f"/proc/{process.pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon")


class Case(unittest.TestCase):
    """A server of this class's own with a witness: an IMAP session that lives through all its tests."""

    flags = ()
    quota = ()

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(*cls.flags)
        cls.server.start()
        cls.server.add_account("budi", *cls.quota)
        cls.server.add_account("saksi")
        cls.server.deliver("saksi", [SMALL])
        cls.open_witness()

    @classmethod
    def open_witness(cls):
        cls.witness = IMAP(cls.server.ports["imap"])
        assert cls.witness.login("saksi", PASSWORD)[0].startswith(b"OK")
        assert cls.witness.command("SELECT INBOX")[0].startswith(b"OK")

    @classmethod
    def tearDownClass(cls):
        problems = cls.server.check()["problems"]
        log = cls.server.log.read_text(errors="replace")
        cls.witness.close()
        cls.server.destroy()
        assert problems == [], problems
        assert "Fatal error" not in log, log[-2000:]

    def tearDown(self):
        """Nobody else was hurt: the old session is answered, and new ones of each protocol are."""
        self.assertOK(self.witness.command("NOOP")[0])
        self.assertEqual(len(self.witness.command("FETCH 1 (FLAGS BODY.PEEK[])")[1]), 1)
        with self.imap("saksi") as new:
            self.assertOK(new.command("STATUS INBOX (MESSAGES)")[0])
        with self.pop3("saksi") as new:
            self.assertRegex(new.command("STAT"), rb"^\+OK 1 ")
            new.command("QUIT")
        with self.lmtp() as new:
            self.assertRegex(new.command("NOOP"), rb"^250")

    def assertOK(self, answer):
        self.assertRegex(answer, rb"^OK")

    # Sessions

    def imap(self, account=None, **options):
        peer = IMAP(self.server.ports["imap"], **options)
        self.addCleanup(peer.close)
        if account:
            self.assertOK(peer.login(account, PASSWORD)[0])
        return peer

    def pop3(self, account=None, **options):
        peer = POP3(self.server.ports["pop3"], **options)
        self.addCleanup(peer.close)
        if account:
            self.assertRegex(peer.login(account, PASSWORD), rb"^\+OK")
        return peer

    def lmtp(self, **options):
        peer = LMTP(self.server.ports["lmtp"], **options)
        self.addCleanup(peer.close)
        self.assertRegex(peer.command("LHLO tester"), rb"^250")
        return peer

    def messages(self, account="budi", mailbox="INBOX"):
        with self.imap(account) as peer:
            return int(re.search(rb"MESSAGES (\d+)", peer.command(f"STATUS {mailbox} (MESSAGES)")[1][0]).group(1))


class Lines(Case):
    def test_imap_line_before_login(self):
        peer = self.imap()
        peer.send(b"a1 NOOP " + b"x" * 9000 + b"\r\n")
        self.assertRegex(peer.line(), rb"^(a1|\*) BAD \[TOOBIG\]")
        self.assertOK(peer.command("NOOP")[0])

    def test_imap_line_before_login_without_end_is_not_hoarded(self):
        before = anonymous_memory(self.server.process)
        peer = self.imap()
        for _ in range(20):
            peer.send(b"x" * MIB)
        peer.send(b"\r\nz1 NOOP\r\n")
        self.assertRegex(peer.line(), rb"BAD \[TOOBIG\]")
        self.assertOK(peer.answer("z1")[0])
        self.assertLess(anonymous_memory(self.server.process) - before, 8 * MIB)

    def test_imap_line_after_login(self):
        peer = self.imap("budi")
        peer.send(b"a1 UID FETCH 1:" + b"1" * 70_000 + b" FLAGS\r\n")
        self.assertRegex(peer.line(), rb"^(a1|\*) BAD \[TOOBIG\]")
        peer.send(b"a2 SEARCH SUBJECT " + b"x" * 60_000 + b"\r\n")
        self.assertRegex(peer.answer("a2")[0], rb"^(OK|BAD)")
        self.assertOK(peer.command("NOOP")[0])

    def test_imap_authenticate_line(self):
        peer = self.imap()
        peer.send(b"a1 AUTHENTICATE PLAIN\r\n")
        self.assertRegex(peer.line(), rb"^\+")
        peer.send(b"A" * 70_000 + b"\r\n")
        self.assertRegex(peer.line(), rb"^(a1|\*) BAD")
        self.assertOK(peer.command("NOOP")[0])

    def test_imap_tag(self):
        peer = self.imap()
        peer.send(b"x" * 300 + b" NOOP\r\n")
        self.assertRegex(peer.line(), rb"^\* BAD")
        self.assertOK(peer.command("NOOP")[0])

    def test_pop3_line(self):
        for account in (None, "budi"):
            peer = self.pop3(account)
            self.assertRegex(peer.command(b"NOOP " + b"x" * 100_000), rb"^-ERR")
            self.assertRegex(peer.command("CAPA"), rb"^\+OK")
            peer.listing()
            peer.close()

    def test_pop3_auth_line(self):
        peer = self.pop3()
        self.assertRegex(peer.command("AUTH PLAIN"), rb"^\+ ")
        self.assertRegex(peer.command(b"A" * 13_000), rb"^-ERR")
        self.assertRegex(peer.command("CAPA"), rb"^\+OK")

    def test_pop3_language(self):
        peer = self.pop3()
        self.assertRegex(peer.command("LANG " + "x" * 100), rb"^-ERR")

    def test_lmtp_line(self):
        peer = self.lmtp()
        self.assertRegex(peer.command(b"MAIL FROM:<" + b"x" * 100_000 + b">"), rb"^500 5\.5\.2")
        self.assertRegex(peer.command("NOOP"), rb"^250")
        self.assertRegex(peer.command("MAIL FROM:<" + "x" * 1100 + "@example.org>"), rb"^5\d\d 5\.")

    def test_lmtp_line_without_end_is_not_hoarded(self):
        before = anonymous_memory(self.server.process)
        peer = self.lmtp()
        for _ in range(20):
            peer.send(b"x" * MIB)
        peer.send(b"\r\nNOOP\r\n")
        self.assertRegex(peer.reply(), rb"^500 5\.5\.2")
        self.assertRegex(peer.reply(), rb"^250")
        self.assertLess(anonymous_memory(self.server.process) - before, 8 * MIB)

    def test_lmtp_parameters(self):
        peer = self.lmtp()
        self.assertRegex(peer.command("MAIL FROM:<a@example.org>" + " BODY=8BITMIME" * 50), rb"^5\d\d ")
        self.assertRegex(peer.command("NOOP"), rb"^250")


class Literals(Case):
    def test_too_large_is_not_asked_for(self):
        peer = self.imap()
        self.assertRegex(peer.command("LOGIN {99999999}")[0], rb"^BAD \[TOOBIG\]")
        with self.imap("budi") as inside:
            self.assertRegex(inside.command("SEARCH SUBJECT {300000}")[0], rb"^BAD \[TOOBIG\]")
            self.assertOK(inside.command("NOOP")[0])
        self.assertOK(peer.command("NOOP")[0])

    def test_non_synchronizing_is_passed_over(self):
        peer = self.imap()
        peer.send(b"a1 LOGIN {9000+}\r\n" + b"x" * 9000 + b" {3+}\r\nabc\r\na2 NOOP\r\n")
        self.assertRegex(peer.line(), rb"^a1 BAD \[TOOBIG\]")
        self.assertRegex(peer.line(), rb"^a2 OK")

    def test_non_synchronizing_too_large_to_pass_over(self):
        for size in ("99999999", "4294967296", "9223372036854775807"):
            peer = self.imap()
            peer.send(f"a1 LOGIN {{{size}+}}\r\n".encode())
            self.assertRegex(peer.to_the_end(), rb"BYE")

    def test_sizes_beyond_any_integer(self):
        for size in (2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**39, 10**60):
            for account in (None, "budi"):
                with self.subTest(size=size, account=account):
                    peer = self.imap(account)
                    for command in ("LOGIN {%d}", "SELECT {%d}", "APPEND {%d}", "SEARCH TEXT {%d}"):
                        self.assertRegex(peer.command(command % size)[0], rb"^BAD")
                    answer = peer.command("APPEND INBOX {%d}" % size)[0]
                    self.assertRegex(answer, rb"^NO \[TOOBIG\]|^BAD" if account else rb"^BAD")
                    self.assertOK(peer.command("NOOP")[0])
                    peer.send(b"z1 APPEND INBOX {%d+}\r\n" % size)
                    if size < 10**40:
                        self.assertRegex(peer.to_the_end(), rb"z1 (BAD|NO)[^\n]*\r\n\* BYE|\* BYE")
                    else:  # more than 40 digits are no size at all: a line like any other, refused as such
                        self.assertRegex(peer.answer("z1")[0], rb"^BAD")
                        self.assertOK(peer.command("NOOP")[0])
                    peer.close()
        self.assertEqual(self.messages(), 0)

    def test_sum_and_number_of_literals(self):
        peer = self.imap("budi")
        peer.send(b"a1 SEARCH" + b" SUBJECT {100000+}\r\n" + b"x" * 100_000 + b" SUBJECT {100000+}\r\n" + b"x" * 100_000
                  + b" SUBJECT {100000+}\r\n" + b"x" * 100_000 + b"\r\na2 NOOP\r\n")
        self.assertRegex(peer.answer("a1")[0], rb"^BAD \[TOOBIG\]")
        self.assertOK(peer.answer("a2")[0])
        peer.send(b"b1 SEARCH" + b" SUBJECT {1+}\r\nx" * 1100 + b"\r\nb2 NOOP\r\n")
        self.assertRegex(peer.answer("b1")[0], rb"^BAD")
        self.assertOK(peer.answer("b2")[0])

    def test_unfinished_then_gone(self):
        for start in (b"a1 LOGIN {50+}\r\nxx", b"a1 LOGIN {50}\r\n", b"a1 LOGIN {5+}\r\nbudi"):
            peer = self.imap()
            peer.send(start)
            peer.close()
        for start in (b"a1 APPEND INBOX {1000000+}\r\nSubject: x\r\n", b"a1 APPEND INBOX {1000000}\r\n",
                      b"a1 APPEND INBOX {5+}\r\nabc"):
            peer = self.imap("budi")
            peer.send(start)
            if not start.rstrip().endswith(b"+}"):
                time.sleep(0.1)
            peer.close()
        self.assertEqual(self.messages(), 0)

    def test_half_closed_in_the_middle(self):
        for start in (b"a1 APPEND INBOX {1000+}\r\nSubject: x\r\n", b"a1 SEARCH SUBJECT {100+}\r\nxx", b"a1 NOO"):
            peer = self.imap("budi")
            peer.send(start)
            peer.socket.shutdown(socket.SHUT_WR)
            peer.to_the_end()
        self.assertEqual(self.messages(), 0)

    def test_many_messages_in_one_append(self):
        peer = self.imap("budi")
        peer.send(b"a1 APPEND Trash" + b" {1+}\r\nx" * 1001 + b"\r\na2 NOOP\r\n")
        self.assertRegex(peer.answer("a1")[0], rb"^NO \[MESSAGELIMIT 1000\]")
        self.assertOK(peer.answer("a2")[0])
        self.assertEqual(self.messages(mailbox="Trash"), 0)


class Numbers(Case):
    def test_overflow_is_bad_everywhere(self):
        peer = self.imap("budi")
        self.assertOK(peer.command("SELECT INBOX")[0])

        def refused(command):
            answer = peer.command(command)[0]
            self.assertOK(peer.command("NOOP")[0])  # too many bad ones in a row would end the session
            return answer

        for number in (2**32, 2**63, 2**64, 10**40):
            for command in (
                "FETCH %d FLAGS", "FETCH 1:%d FLAGS", "UID FETCH %d:* FLAGS", "STORE %d +FLAGS (\\Seen)", "COPY %d Trash",
                "MOVE %d Trash", "UID EXPUNGE %d", "SEARCH %d", "SEARCH UID %d", "SEARCH 1,%d",
                "FETCH 1 BODY[%d]", "FETCH 1 BODY[1.%d.MIME]", "FETCH 1 BINARY[%d]",
            ):
                with self.subTest(command=command, number=number):
                    self.assertRegex(refused(command % number), rb"^BAD")
        for number in (2**63, 2**64, 10**40):
            for command in (
                "FETCH 1 BODY[]<%d.1>", "FETCH 1 BODY[]<0.%d>", "FETCH 1 BINARY[1]<%d.1>",
                "SEARCH LARGER %d", "SEARCH SMALLER %d", "SETQUOTA \"\" (STORAGE %d)",
            ):
                with self.subTest(command=command, number=number):
                    self.assertRegex(refused(command % number), rb"^(BAD|NO)")
        for command in ("FETCH 0 FLAGS", "FETCH 1:0 FLAGS", "UID FETCH 0 FLAGS", "FETCH 1 BODY[0]", "FETCH 1 BODY[]<0.0>",
                        "SEARCH 0", "FETCH -1 FLAGS", "FETCH +1 FLAGS"):
            with self.subTest(command=command):
                self.assertRegex(refused(command), rb"^BAD")
        self.assertOK(peer.command("NOOP")[0])

    def test_largest_numbers_are_fine(self):
        self.server.deliver("budi", [SMALL])
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        self.assertOK(peer.command("UID FETCH 1:4294967295 FLAGS")[0])
        self.assertOK(peer.command("UID SEARCH UID 4294967295")[0])
        self.assertOK(peer.command("FETCH 1 BODY.PEEK[]<4294967295.4294967295>")[0])
        self.assertOK(peer.command("FETCH 1 BODY.PEEK[]<0.4294967295>")[0])
        self.assertOK(peer.command("SEARCH LARGER 4294967295")[0])
        # RFC 9051 §9: sizes are number64.
        self.assertOK(peer.command("SEARCH LARGER 9223372036854775807")[0])

    def test_dates(self):
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        for date in ("32-Jan-2026", "0-Jan-2026", "29-Feb-2025", "1-Foo-2026", "1-Jan-20260", "1-Jan-99999999999"):
            self.assertRegex(peer.command(f"SEARCH SINCE {date}")[0], rb"^BAD")
        self.assertRegex(peer.command('APPEND INBOX "32-Jan-2026 00:00:00 +0000" {3}')[0], rb"^BAD")

    def test_pop3(self):
        peer = self.pop3("budi")
        for number in (0, 2**31, 2**32, 2**63, 2**64, 10**60):
            for command in ("RETR %d", "LIST %d", "UIDL %d", "DELE %d", "TOP %d 1"):
                self.assertRegex(peer.command(command % number), rb"^-ERR")
                if number == 10**60:  # bad syntax counts against the session
                    break
        self.assertRegex(peer.command("NOOP"), rb"^\+OK")

    def test_pop3_top_of_everything(self):
        self.server.deliver("budi", [SMALL])
        peer = self.pop3("budi")
        self.assertRegex(peer.command("TOP 1 4294967295"), rb"^\+OK")
        self.assertIn(b"isi", peer.listing())
        self.assertRegex(peer.command(f"TOP 1 {2**64}"), rb"^(\+OK|-ERR)")

    def test_lmtp(self):
        for size in (2**63, 2**64, 10**60):
            with self.lmtp() as peer:
                self.assertRegex(peer.command(f"MAIL FROM:<> SIZE={size}"), rb"^(552 5\.3\.4|501)")
                self.assertRegex(peer.command("NOOP"), rb"^250")
            with self.lmtp() as peer:
                peer.command("MAIL FROM:<>")
                peer.command("RCPT TO:<budi>")
                peer.send(f"BDAT {size} LAST\r\n")
                self.assertRegex(peer.reply(), rb"^5\d\d ")


class Nesting(Case):
    def test_search(self):
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        deep = 10_000
        for command in ("SEARCH " + "(" * deep + "ALL" + ")" * deep, "SEARCH " + "(" * deep, "SEARCH " + "NOT " * deep + "ALL",
                        "SEARCH " + "OR ALL " * 5000 + "ALL", "SEARCH " + "NOT (" * deep + "ALL" + ")" * deep,
                        "UID SEARCH " + "(" * 65_000):
            with self.subTest(command=command[:20]):
                self.assertRegex(peer.command(command)[0], rb"^BAD")
        self.assertOK(peer.command("SEARCH " + "(" * 50 + "ALL" + ")" * 50)[0])
        self.assertOK(peer.command("SEARCH " + "NOT " * 50 + "ALL")[0])

    def test_fetch(self):
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        deep = 10_000
        for command in ("FETCH 1 " + "(" * deep + "FLAGS" + ")" * deep, "FETCH 1 " + "(" * deep,
                        "FETCH 1 BODY[" + "1." * deep + "1]", "FETCH 1 BODY[HEADER.FIELDS " + "(" * deep + "]",
                        "FETCH 1 BODY" + "[" * deep, "STORE 1 FLAGS " + "(" * deep, "FETCH 1 (FLAGS) " + "(" * deep):
            with self.subTest(command=command[:30]):
                self.assertRegex(peer.command(command)[0], rb"^BAD")

    def test_everything_else(self):
        peer = self.imap("budi")
        deep = 10_000
        for command in ('LIST ' + "(" * deep, 'LIST "" ' + "(" * deep, 'LIST "" "*" RETURN ' + "(" * deep,
                        "STATUS INBOX " + "(" * deep, "SELECT INBOX " + "(" * deep, "CREATE x " + "(" * deep,
                        "ID " + "(" * deep, "APPEND INBOX " + "(" * deep, "SETQUOTA \"\" " + "(" * deep):
            with self.subTest(command=command[:30]):
                self.assertRegex(peer.command(command)[0], rb"^BAD")

    def test_messages(self):
        """What a nested message costs, and that it is answered: multipart in multipart, message in message."""
        multipart = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
        message = b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + SMALL
        brackets = b"From: " + b"(" * 10_000 + b"\r\nTo: " + b"g:" * 10_000 + b";\r\n\r\nx\r\n"
        many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000
        self.server.deliver("budi", [b"Subject: a\r\n" + multipart, b"Subject: b\r\n" + message, brackets, many])
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        answer, data = peer.command("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[1.1.1.1.MIME] RFC822.SIZE)")
        self.assertOK(answer)
        self.assertGreaterEqual(len([d for d in data if b" FETCH " in d]), 4)
        self.assertOK(peer.command("SEARCH TEXT kecil")[0])
        self.assertOK(peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")[0])
        self.assertOK(peer.command("EXPUNGE")[0])


class Counts(Case):
    def test_sequence_sets(self):
        self.server.deliver("budi", [SMALL])
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        for elements in (10_001, 100_000):
            text = ",".join(str(n % 9 + 1) for n in range(elements))
            for command in (f"UID FETCH {text} FLAGS", f"SEARCH UID {text}", f"UID STORE {text} +FLAGS (x)"):
                with self.subTest(elements=elements, command=command[:12]):
                    self.assertRegex(peer.command(command)[0], rb"^BAD|^\[TOOBIG\]|^\* BAD")
        self.assertOK(peer.command("UID FETCH " + ",".join(["1"] * 10_000) + " FLAGS")[0])
        self.assertOK(peer.command("UID FETCH 1:*,2:*,3:*,1:4294967295 FLAGS")[0])

    def test_lists(self):
        peer = self.imap("budi")
        peer.command("SELECT INBOX")
        for command in ("FETCH 1 (" + " ".join(["FLAGS"] * 3000) + ")",
                        "FETCH 1 BODY[HEADER.FIELDS (" + " ".join(["X"] * 3000) + ")]",
                        "SEARCH " + " ".join(["ALL"] * 3000), "STORE 1 FLAGS (" + " ".join(["\\Seen"] * 3000) + ")"):
            self.assertRegex(peer.command(command)[0], rb"^BAD")
        pairs = " ".join('"k%d" "v"' % n for n in range(40))
        self.assertRegex(peer.command(f"ID ({pairs})")[0], rb"^BAD")
        self.assertRegex(peer.command('ID ("%s" "v")' % ("k" * 31))[0], rb"^BAD")
        self.assertRegex(peer.command('ID ("k" "%s")' % ("v" * 1100))[0], rb"^BAD")
        self.assertOK(peer.command('ID ("name" "tester" "x" NIL)')[0])

    def test_commands_before_login(self):
        peer = self.imap()
        peer.send_if_open(b"".join(b"a%d NOOP\r\n" % n for n in range(10_000)))
        said = peer.to_the_end()
        self.assertLessEqual(said.count(b" OK NOOP"), 60)
        self.assertRegex(said, rb"\* BYE [^\n]*\r\n$")
        peer = self.pop3()
        peer.send_if_open(b"CAPA\r\n" * 1000)
        said = peer.to_the_end()
        self.assertLessEqual(said.count(b"+OK"), 50)
        self.assertIn(b"-ERR", said)

    def test_bad_commands(self):
        peer = self.imap()
        peer.send_if_open(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nAccept: x\r\n\r\n" * 5)
        said = peer.to_the_end()
        self.assertLessEqual(said.count(b"BAD"), 6)
        self.assertRegex(said, rb"\* BYE")
        peer = self.imap("budi")
        peer.send_if_open(b"".join(b"a%d XYZZY\r\n" % n for n in range(1000)))
        said = peer.to_the_end()
        self.assertLessEqual(said.count(b"BAD"), 51)
        self.assertRegex(said, rb"\* BYE")
        for peer in (self.pop3(), self.pop3("budi")):
            peer.send_if_open(b"XYZZY\r\n" * 1000)
            self.assertLessEqual(peer.to_the_end().count(b"-ERR"), 21)
        peer = self.lmtp()
        peer.send_if_open(b"XYZZY\r\n" * 1000)
        said = peer.to_the_end()
        self.assertLessEqual(said.count(b"500 "), 20)
        self.assertRegex(said, rb"421 ")

    def test_bad_logins(self):
        with self.imap() as peer:
            peer.send_if_open(b"".join(b"a%d LOGIN nobody x\r\n" % n for n in range(50)))
            said = peer.to_the_end()
            self.assertEqual(said.count(b" NO "), 5)
            self.assertRegex(said, rb"\* BYE")

    # The failures above would slow the next logins of this address.
    @classmethod
    def setUpClass(cls):
        cls.flags = ("--set", "auth.failure-delay=0s")
        super().setUpClass()

    def test_binary_noise(self):
        noise = bytes(range(256)) * 200
        for port in ("imap", "pop3", "lmtp", "imaps", "pop3s"):
            peer = Peer(self.server.ports[port])
            peer.send_if_open(noise)
            try:
                peer.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            peer.to_the_end()

    def test_recipients(self):
        peer = self.lmtp()
        peer.command("MAIL FROM:<>")
        peer.send(b"RCPT TO:<budi>\r\n" * 1001)
        replies = [peer.reply() for _ in range(1001)]
        self.assertRegex(replies[999], rb"^250")
        self.assertRegex(replies[1000], rb"^452 4\.5\.3")

    def test_mailbox_names(self):
        peer = self.imap("budi")
        self.assertRegex(peer.command(f"CREATE {'n' * 1001}")[0], rb"^NO \[CANNOT\]")
        self.assertOK(peer.command(f"CREATE {'n' * 1000}")[0])
        self.assertRegex(peer.command(f"RENAME {'n' * 1000} {'n' * 1001}")[0], rb"^NO \[CANNOT\]")
        self.assertRegex(peer.command("CREATE " + "/".join(["d"] * 33))[0], rb"^NO \[(CANNOT|LIMIT)\]")
        self.assertOK(peer.command("CREATE " + "/".join(["d"] * 32))[0])
        self.assertRegex(peer.command(f"RENAME d {'n' * 900}/{'m' * 90}")[0], rb"^NO \[(CANNOT|LIMIT)\]")
        for name in ('"a//b"', '"/a"', '"a\x01b"', '"a\x7fb"', '"&AAE-"', '""'):
            with self.subTest(name=name):
                self.assertRegex(peer.command(b"CREATE " + name.encode())[0], rb"^(NO|BAD)")
        self.assertRegex(peer.command(f"SELECT {'n' * 2000}")[0], rb"^NO")
        for command in (f"DELETE {'n' * 1000}",):
            self.assertOK(peer.command(command)[0])

    def test_keywords(self):
        self.server.deliver("budi", [SMALL])
        peer = self.imap("budi")
        answer, data = peer.command("SELECT INBOX")
        self.assertRegex(peer.command(f"STORE 1 +FLAGS ({'k' * 256})")[0], rb"^BAD")
        self.assertOK(peer.command(f"STORE 1 +FLAGS ({'k' * 255})")[0])
        refused = None
        for number in range(70):
            answer, _ = peer.command(f"STORE 1 +FLAGS (kunci{number})")
            if not answer.startswith(b"OK"):
                refused = number
                break
        self.assertIsNotNone(refused, "there should be an end to keywords")
        self.assertRegex(answer, rb"^NO \[LIMIT\]")
        self.assertGreaterEqual(refused, 50)
        # Those that are there go on working.
        self.assertOK(peer.command("STORE 1 -FLAGS (kunci1)")[0])
        self.assertOK(peer.command("STORE 1 +FLAGS (kunci1)")[0])


class Smuggling(Case):
    def data(self, peer, body):
        self.assertRegex(peer.command("MAIL FROM:<a@example.org>"), rb"^250")
        self.assertRegex(peer.command("RCPT TO:<budi>"), rb"^250")
        self.assertRegex(peer.command("DATA"), rb"^354")
        peer.send(body + b"\r\n.\r\n")
        return peer.reply()

    def test_data_ends_only_at_crlf_dot_crlf(self):
        evil = b"MAIL FROM:<x@example.org>\r\nRCPT TO:<saksi>\r\nDATA\r\nSubject: selundupan\r\n\r\nx"
        before = self.messages()
        ends = (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\r\n.\n", b"\n\n.\n\n",
                b"\r\n\0.\r\n", b"\r\n.\0\r\n")
        peer = self.lmtp()
        for end in ends:
            with self.subTest(end=end):
                self.assertRegex(self.data(peer, b"Subject: sampul\r\n\r\nawal" + end + evil), rb"^250 2\.1\.5")
                # Exactly one reply: the next command is answered by its own.
                self.assertRegex(peer.command("NOOP"), rb"^250 2\.0\.0")
        self.assertEqual(self.messages() - before, len(ends))
        self.assertEqual(self.messages("saksi"), 1)
        with self.imap("budi") as reader:
            reader.command("SELECT INBOX")
            for number in range(before + 1, before + len(ends) + 1):
                _, data = reader.command(f"FETCH {number} BODY.PEEK[]")
                message = data[0]
                self.assertIn(b"selundupan", message)
                content = message.partition(b"\r\n")[2]
                self.assertNotRegex(content, rb"(?<!\r)\n|\r(?!\n)|\0")

    def test_split_ends(self):
        """Every octet in a packet of its own."""
        peer = self.lmtp()
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before = self.messages()
        for text in (b"MAIL FROM:<>\r\n", b"RCPT TO:<budi>\r\n", b"DATA\r\n"):
            peer.send(text)
            peer.reply()
        for octet in b"Subject: x\r\n\r\n..\r\n.\n.\r\n\r\n.\r\n":
            peer.send(bytes([octet]))
            time.sleep(0.002)
        self.assertRegex(peer.reply(), rb"^250")
        self.assertEqual(self.messages() - before, 1)


class Injection(Case):
    """What stands in the clear behind STARTTLS is never carried out, neither before nor inside TLS."""

    def finish(self, peer, probe):
        """Goes on as the victim's client would; the connection may be closed at any point, but nothing is answered."""
        try:
            peer.starttls(lines.trusting())
            peer.send(probe)
            return peer.to_the_end()
        except (Peer.Closed, OSError):
            return b""

    def test_imap(self):
        for injected in (b"a2 LOGIN budi %s\r\n" % PASSWORD.encode(), b"a2 NOOP\r\n", b"a2 APPEND INBOX {5+}\r\nabc", b"a2 "):
            with self.subTest(injected=injected):
                peer = self.imap()
                peer.send(b"a1 STARTTLS\r\n" + injected)
                said = self.finish(peer, b"a3 LOGOUT\r\n")
                self.assertNotIn(b"a2 ", said)
                self.assertNotIn(b"LOGIN completed", said)

    def test_pop3(self):
        for injected in (b"USER budi\r\n", b"CAPA\r\n", b"US"):
            peer = self.pop3()
            peer.send(b"STLS\r\n" + injected)
            said = self.finish(peer, b"PASS %s\r\nQUIT\r\n" % PASSWORD.encode())
            self.assertNotRegex(said, rb"\+OK (Send|Logged|Cap)")

    def test_lmtp(self):
        for injected in (b"LHLO evil\r\n", b"MAIL FROM:<>\r\nRCPT TO:<budi>\r\n", b"LH"):
            peer = self.lmtp()
            peer.send(b"STARTTLS\r\n" + injected)
            self.assertNotRegex(self.finish(peer, b"DATA\r\nQUIT\r\n"), rb"(?m)^(250|354)")

    def test_knowledge_is_dropped(self):
        """RFC 3207 §4.2, RFC 2595: what was said in the clear is forgotten."""
        peer = self.lmtp()
        self.assertRegex(peer.command("STARTTLS"), rb"^220")
        peer.starttls()
        self.assertRegex(peer.command("MAIL FROM:<>"), rb"^503")
        peer = self.pop3()
        self.assertRegex(peer.command("USER budi"), rb"^\+OK")
        self.assertRegex(peer.command("STLS"), rb"^\+OK")
        peer.starttls()
        self.assertRegex(peer.command(f"PASS {PASSWORD}"), rb"^-ERR")

    def test_twice(self):
        for peer, start, second in (
            (self.imap(), "STARTTLS", rb"^BAD"), (self.pop3(), "STLS", rb"^-ERR"), (self.lmtp(), "STARTTLS", rb"^5\d\d"),
        ):
            first = peer.command(start)
            self.assertRegex(first[0] if isinstance(first, tuple) else first, rb"^(OK|\+OK|220)")
            peer.starttls()
            again = peer.command(start)
            self.assertRegex(again[0] if isinstance(again, tuple) else again, second)


class Connections(Case):
    flags = ("--set", "limits.connections-per-account=5", "--set", "limits.connections-per-address=12")

    def test_per_account(self):
        held = [self.imap("budi") for _ in range(5)]
        peer = self.imap()
        self.assertRegex(peer.login("budi", PASSWORD)[0], rb"^NO \[LIMIT\]")
        self.assertRegex(self.pop3().login("budi", PASSWORD), rb"^-ERR \[IN-USE\]")
        held.pop().close()
        deadline = time.monotonic() + 20
        while not (answer := peer.login("budi", PASSWORD)[0]).startswith(b"OK") and time.monotonic() < deadline:
            time.sleep(0.2)
            if b"BYE" in answer:
                break
        self.assertOK(answer)
        for peer in held:
            peer.close()

    def test_per_address(self):
        """127.0.0.2 is another address than that of the witness, but loopback is exempt, as the configuration says."""
        held = []
        for _ in range(30):
            peer = Peer(self.server.ports["imap"], source=("127.0.0.2", 0))
            self.addCleanup(peer.close)
            held.append(peer.line())
        self.assertTrue(all(line.startswith(b"* OK") for line in held), [h for h in held if not h.startswith(b"* OK")][:1])


class ConnectionsFromOutside(Case):
    """From an address of this machine that is not loopback."""

    flags = ("--set", "limits.connections-per-address=12")
    address = "10.99.0.2"

    @classmethod
    def setUpClass(cls):
        if not add_address(cls.address):
            raise unittest.SkipTest("no address other than loopback can be had (needs root and iproute2)")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        remove_address(cls.address)

    def test_per_address(self):
        # The server listens on 127.0.0.1; the source address is what counts.
        for port, good, word in (("pop3", b"+OK", b"-ERR"), ("lmtp", b"220", b"421"), ("imap", b"* OK", b"* BYE")):
            peers = [Peer(self.server.ports[port], source=(self.address, 0)) for _ in range(20)]
            for peer in peers:
                self.addCleanup(peer.close)
            heard = [peer.line() for peer in peers]
            # Connections of one moment are taken in no certain order.
            self.assertEqual(sum(line.startswith(good) for line in heard), 12, heard)
            self.assertEqual(sum(line.startswith(word) for line in heard), 8, heard)
        # The place of one that goes is free again.
        for peer, line in zip(peers, heard):
            if line.startswith(good):
                peer.close()
                break
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with Peer(self.server.ports["imap"], source=(self.address, 0)) as peer:
                if peer.line().startswith(b"* OK"):
                    return
            time.sleep(0.1)
        self.fail("the place of a closed connection was never given to another")


def add_address(address):
    try:
        done = subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0 or b"exists" in done.stderr or b"assigned" in done.stderr


def remove_address(address):
    subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], capture_output=True)


class Timeouts(Case):
    flags = ("--set", "limits.login-timeout=1s", "--set", "limits.write-timeout=3s")

    def assertSentAway(self, peer, word):
        peer.socket.settimeout(30)
        started = time.monotonic()
        said = peer.to_the_end()
        self.assertLess(time.monotonic() - started, 25)
        self.assertIn(word, said)

    def test_login_imap(self):
        self.assertSentAway(self.imap(), b"* BYE")

    def test_login_imap_drop_by_drop(self):
        """A client that sends a little now and then gets no more time."""
        peer = self.imap()
        done = threading.Event()

        def drip():
            while not done.wait(0.3):
                peer.send_if_open(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertSentAway(peer, b"* BYE")
        finally:
            done.set()
            thread.join()

    def test_login_imap_with_commands(self):
        peer = self.imap()
        for _ in range(8):
            peer.send_if_open(b"a NOOP\r\n")
            time.sleep(0.4)
        self.assertSentAway(peer, b"* BYE")

    def test_login_imap_in_the_middle_of_a_literal(self):
        peer = self.imap()
        peer.send(b"a1 LOGIN {100}\r\nbu")
        self.assertSentAway(peer, b"* BYE")

    def test_login_imap_in_the_middle_of_authenticate(self):
        peer = self.imap()
        peer.send(b"a1 AUTHENTICATE PLAIN\r\n")
        self.assertSentAway(peer, b"* BYE")

    def test_login_pop3(self):
        """limits.login-timeout speaks of no protocol: from the greeting to the login."""
        self.assertSentAway(self.pop3(), b"-ERR")

    def test_after_login_there_is_time(self):
        imap, pop3 = self.imap("budi"), self.pop3("saksi")
        time.sleep(3)
        self.assertOK(imap.command("NOOP")[0])
        self.assertRegex(pop3.command("NOOP"), rb"^\+OK")
        pop3.command("QUIT")

    def test_slow_reader(self):
        """A client that asks for much and reads nothing costs no more than a buffer, and is cut off."""
        message = large(50 * MIB)
        self.server.deliver("budi", [message])
        for protocol in ("imap", "pop3", "imaps"):
            with self.subTest(protocol=protocol):
                tls = lines.trusting() if protocol == "imaps" else None
                peer = (POP3 if protocol == "pop3" else IMAP)(self.server.ports[protocol], tls=tls)
                self.addCleanup(peer.close)
                peer.login("budi", PASSWORD)
                if protocol == "pop3":
                    request = b"RETR 1\r\n" * 20
                else:
                    peer.command("SELECT INBOX")
                    request = b"".join(b"b%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(20))
                before = anonymous_memory(self.server.process)
                ended = self.sessions_ended()
                peer.send(request)
                most = 0
                deadline = time.monotonic() + 40
                while self.sessions_ended() == ended and time.monotonic() < deadline:
                    most = max(most, anonymous_memory(self.server.process) - before)
                    self.assertOK(self.witness.command("NOOP")[0])
                    time.sleep(0.05)
                print(f"  {protocol}: RssAnon grew by at most {most / MIB:.1f} MiB for a reader that reads nothing")
                self.assertGreater(self.sessions_ended(), ended, "the session was not cut off")
                self.assertLess(most, 8 * MIB)
                peer.close()
        with self.imap("budi") as peer:
            peer.command("SELECT INBOX")
            peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            peer.command("EXPUNGE")

    def sessions_ended(self):
        log = self.server.log.read_text(errors="replace")
        return len(re.findall(r"(imap session ended|pop3 session end) .*account=budi", log))


class HalfOpen(Case):
    flags = ("--set", "limits.connections-per-address=100000")

    def test_five_hundred(self):
        """500 connections that say nothing, or begin something and stop, while another session works."""
        begun = {
            "imap": (b"", b"a1 LOGIN bu", b"a1 LOGIN {10}\r\n", b"a1 AUTHENTICATE PLAIN\r\n"),
            "pop3": (b"", b"USER budi\r\n", b"AUTH PLAIN\r\n", b"PA"),
            "lmtp": (b"", b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\nSubject: x\r\n", b"BDAT 100\r\nx", b"LH"),
            "imaps": (b"", b"\x16\x03\x01\x02\x00\x01", b"x", b"\x16"),
            "pop3s": (b"", b"\x16\x03\x01\x02\x00\x01", b"x", b"\x16"),
        }
        peers = []
        before = anonymous_memory(self.server.process)
        longest = 0
        for number in range(500):
            port = list(begun)[number % 5]
            peer = Peer(self.server.ports[port])
            peer.send_if_open(begun[port][number // 5 % 4])
            peers.append(peer)
            if number % 10 == 0:
                started = time.monotonic()
                self.assertOK(self.witness.command("NOOP")[0])
                longest = max(longest, time.monotonic() - started)
        grown = anonymous_memory(self.server.process) - before
        print(f"  500 half-open connections: {grown / 500 / 1024:.1f} KiB each; the longest NOOP took {longest * 1000:.0f} ms")
        with self.imap("budi") as peer:
            self.assertOK(peer.command("NOOP")[0])
        # Half of them vanish without a word, half are reset.
        for number, peer in enumerate(peers):
            if number % 2:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        self.assertEqual(self.messages(), 0)


class MessageSize(Case):
    flags = ("--set", "limits.message-size=1M")

    def test_lmtp(self):
        peer = self.lmtp()
        self.assertRegex(peer.command(f"MAIL FROM:<> SIZE={MIB + 1}"), rb"^552 5\.3\.4")
        self.assertRegex(peer.command("MAIL FROM:<>"), rb"^250")
        for recipient in ("budi", "saksi"):
            self.assertRegex(peer.command(f"RCPT TO:<{recipient}>"), rb"^250")
        self.assertRegex(peer.command("DATA"), rb"^354")
        peer.send(large(2 * MIB) + b"\r\n.\r\n")
        self.assertRegex(peer.reply(), rb"^552 5\.3\.4")
        self.assertRegex(peer.reply(), rb"^552 5\.3\.4")
        self.assertRegex(peer.command("NOOP"), rb"^250")
        # BDAT: one reply for each recipient, also when it is too much.
        peer.command("MAIL FROM:<>")
        peer.command("RCPT TO:<budi>")
        body = large(2 * MIB)
        peer.send(b"BDAT %d LAST\r\n" % len(body) + body)
        self.assertRegex(peer.reply(), rb"^552 5\.3\.4")
        self.assertRegex(peer.command("RSET"), rb"^250")
        self.assertEqual(self.messages(), 0)
        self.assertEqual(self.messages("saksi"), 1)

    def test_lmtp_size_that_lies(self):
        peer = self.lmtp()
        self.assertRegex(peer.command("MAIL FROM:<> SIZE=10"), rb"^250")
        peer.command("RCPT TO:<budi>")
        peer.command("DATA")
        peer.send(large(2 * MIB) + b"\r\n.\r\n")
        self.assertRegex(peer.reply(), rb"^552 5\.3\.4")
        self.assertEqual(self.messages(), 0)

    def test_append(self):
        peer = self.imap("budi")
        # RFC 7889 §4: before the continuation.
        self.assertRegex(peer.command(f"APPEND INBOX {{{MIB + 1}}}")[0], rb"^NO \[TOOBIG\]")
        body = large(2 * MIB)
        peer.send(b"a1 APPEND INBOX {%d+}\r\n" % len(body) + body + b"\r\na2 NOOP\r\n")
        self.assertRegex(peer.answer("a1")[0], rb"^NO \[TOOBIG\]")
        self.assertOK(peer.answer("a2")[0])
        self.assertEqual(self.messages(), 0)

    def test_append_that_grows_by_its_line_ends(self):
        """A bare LF becomes CRLF: what fits as it comes may not fit as it is kept."""
        peer = self.imap("budi")
        body = b"Subject: x\n\n" + b"\n" * (MIB - 100)
        peer.send(b"a1 APPEND INBOX {%d+}\r\n" % len(body) + body + b"\r\na2 NOOP\r\n")
        self.assertRegex(peer.answer("a1")[0], rb"^NO \[TOOBIG\]")
        self.assertOK(peer.answer("a2")[0])
        self.assertEqual(self.messages(), 0)

    def test_deliver(self):
        done = self.server.merpati("deliver", "budi", stdin=large(2 * MIB), check=False)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertEqual(self.messages(), 0)

    def test_just_right(self):
        body = large(MIB - 200)
        self.server.deliver("budi", [body])
        peer = self.imap("budi")
        peer.send(b"a1 APPEND INBOX {%d+}\r\n" % len(body) + body + b"\r\n")
        self.assertOK(peer.answer("a1")[0])
        self.assertEqual(self.server.merpati("deliver", "budi", stdin=body).returncode, 0)
        self.assertEqual(self.messages(), 3)
        peer.command("SELECT INBOX")
        peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        self.assertOK(peer.command("EXPUNGE")[0])


class Memory(Case):
    """A message of 50 MiB on its way through each protocol, in memory that does not depend on its size."""

    bound = 8 * MIB

    def watched(self, what, work):
        """Runs `work` while the server's memory is looked at all the time."""
        work(True)  # once small: threads, code and pools that stay
        before = anonymous_memory(self.server.process)
        most, done, trouble = 0, threading.Event(), []

        def run():
            try:
                work(False)
            except Exception as error:  # handed to the test below
                trouble.append(error)
            done.set()

        thread = threading.Thread(target=run)
        thread.start()
        while not done.wait(0.01):
            most = max(most, anonymous_memory(self.server.process) - before)
        thread.join()
        print(f"  {what}: RssAnon grew by at most {most / MIB:.1f} MiB")
        if trouble:
            raise trouble[0]
        self.assertLess(most, self.bound)

    def test_way_in_and_out(self):
        message, little = large(50 * MIB), large(MIB)

        def lmtp(small):
            self.server.deliver("budi", [little if small else message])

        def deliver(small):
            self.server.merpati("deliver", "budi", stdin=little if small else message)

        def append(small):
            body = little if small else message
            with self.imap("budi") as peer:
                peer.send(b"a1 APPEND INBOX {%d+}\r\n" % len(body) + body + b"\r\n")
                peer.socket.settimeout(300)
                self.assertOK(peer.answer("a1")[0])

        def drain(peer, octets):
            """Reads and throws away, so that this process stays small too."""
            octets -= len(peer.rest)
            peer.rest = b""
            while octets > 0:
                piece = peer.socket.recv(min(octets, MIB))
                if not piece:
                    raise Peer.Closed("in the middle of a message")
                octets -= len(piece)

        def fetch(small, items="BODY.PEEK[]"):
            with self.imap("budi") as peer:
                peer.command("SELECT INBOX")
                for number in (1,) if small else (2,):
                    peer.send(f"b1 FETCH {number} {items}\r\n")
                    size = int(re.search(rb"\{(\d+)\}$", peer.line()).group(1))
                    self.assertGreater(size, MIB // 2 if small else 49 * MIB)
                    drain(peer, size)
                    self.assertOK(peer.answer("b1")[0])

        def search(small):
            with self.imap("budi") as peer:
                peer.command("SELECT INBOX")
                peer.socket.settimeout(300)
                self.assertOK(peer.command(f"SEARCH {'1' if small else '2'} TEXT tidakada")[0])

        def structure(small):
            with self.imap("budi") as peer:
                peer.command("SELECT INBOX")
                self.assertOK(peer.command(f"FETCH {'1' if small else '2'} (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] RFC822.SIZE)")[0])

        def retr(small):
            with self.pop3("budi") as peer:
                peer.send(b"RETR 1\r\n" if small else b"RETR 2\r\n")
                size = int(re.search(rb"\((\d+) octets\)|(\d+)", peer.line()).group(0).strip(b"()").split()[0])
                tail = b""
                while not tail.endswith(b"\r\n.\r\n"):
                    piece = peer.rest or peer.socket.recv(MIB)
                    peer.rest = b""
                    if not piece:
                        raise Peer.Closed("in the middle of a message")
                    tail = (tail + piece)[-5:]
                self.assertRegex(peer.command("QUIT"), rb"^\+OK")

        for what, work in (
            ("LMTP", lmtp), ("FETCH BODY[]", fetch), ("FETCH BODY[TEXT]", lambda s: fetch(s, "BODY.PEEK[TEXT]")),
            ("FETCH BINARY[1]", lambda s: fetch(s, "BINARY.PEEK[1]")), ("FETCH of the header", structure),
            ("SEARCH TEXT", search), ("RETR", retr), ("APPEND", append), ("deliver", deliver),
        ):
            with self.subTest(what=what):
                self.watched(what, work)
        self.empty()
        little, message = encoded(MIB), encoded(68 * MIB)
        for what, work in (
            ("LMTP, base64", lmtp), ("FETCH BINARY[1], base64", lambda s: fetch(s, "BINARY.PEEK[1]")),
            ("SEARCH TEXT, base64", search),
        ):
            with self.subTest(what=what):
                self.watched(what, work)
        self.empty()

    def empty(self):
        with self.imap("budi") as peer:
            peer.command("SELECT INBOX")
            peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self.assertOK(peer.command("EXPUNGE")[0])


class Cut(Case):
    """Whoever is killed in the middle of a delivery leaves nothing behind."""

    def spooled(self):
        return [f.name for f in (self.server.data / "spool").glob("*")]

    def assertNothingIsLeft(self):
        deadline = time.monotonic() + 30
        while self.spooled() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.spooled(), [])
        self.assertEqual(self.messages(), 0)

    def test_deliver(self):
        piece = large(MIB)
        for number in range(12):
            process = subprocess.Popen(
                [harness.binary(), "deliver", "budi", "--data", str(self.server.data)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(1 + number):
                process.stdin.write(piece)
                process.stdin.flush()
            process.kill()
            process.stdin.close()
            process.wait()
        self.assertNothingIsLeft()

    def test_lmtp_and_append(self):
        piece = large(MIB)
        for number in range(12):
            peer = self.lmtp()
            for text in (b"MAIL FROM:<>\r\n", b"RCPT TO:<budi>\r\n", b"DATA\r\n"):
                peer.send(text)
                peer.reply()
            other = self.imap("budi")
            other.send(b"a1 APPEND INBOX {99000000+}\r\n")
            for _ in range(1 + number % 4):
                peer.send(piece)
                other.send(piece)
            for one in (peer, other):
                if number % 2:
                    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()
        self.assertNothingIsLeft()


class Shutdown(unittest.TestCase):
    def test_grace_is_for_all_listeners_together(self):
        """Busy connections at every listener: they get the grace once, not one after the other; then the store is clean."""
        with harness.Server("--set", "limits.shutdown-grace=4s") as server:
            for account in ("budi", "ani"):
                server.add_account(account)
                server.deliver(account, [large(30 * MIB)])
            peers = []
            for listener, account in (("imap", "budi"), ("imaps", "budi"), ("pop3", "budi"), ("pop3s", "ani")):
                kind = IMAP if "imap" in listener else POP3
                peer = kind(server.ports[listener], tls=lines.trusting() if listener.endswith("s") else None)
                peer.login(account, PASSWORD)
                if kind is IMAP:
                    peer.command("SELECT INBOX")
                peer.send(b"a1 FETCH 1 BODY.PEEK[]\r\n" if kind is IMAP else b"RETR 1\r\n")
                peers.append(peer)
            lmtp = LMTP(server.ports["lmtp"])
            lmtp.command("LHLO x")
            lmtp.command("MAIL FROM:<>")
            lmtp.command("RCPT TO:<budi>")
            lmtp.command("DATA")
            lmtp.send(SMALL)
            peers.append(lmtp)
            time.sleep(1)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(120)
            took = time.monotonic() - started
            print(f"  shutdown with five busy connections and 4 s of grace took {took:.1f} s")
            self.assertLess(took, 15)
            for peer in peers:
                peer.close()
            server._close()
            server.start()
            self.assertEqual(server.check()["problems"], [])
            peer = IMAP(server.ports["imap"])
            peer.login("budi", PASSWORD)
            self.assertIn(b"MESSAGES 1)", peer.command("STATUS INBOX (MESSAGES)")[1][0])
            peer.close()


if __name__ == "__main__":
    unittest.main()
