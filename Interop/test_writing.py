"""APPEND in its larger forms, REPLACE and URLAUTH on a running server: exact octets, bounded memory, one winner."""

import base64
import hashlib
import random
import re
import threading
import unittest

import harness
from harness import PASSWORD
from lines import IMAP, LMTP, POP3

#: Octets of what is sent; what the server may grow by meanwhile is a fraction of it.
LARGE = 24 << 20
GROWTH_KIB = 40 << 10


class Writing(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.destroy)
        self.server.start()
        self.server.add_account("budi")

    def good(self, answer):
        self.assertTrue(answer[0].startswith(b"OK"), answer[0][:300])
        return answer

    def imap(self):
        peer = IMAP(self.server.ports["imap"], timeout=120)
        self.addCleanup(peer.close)
        self.good(peer.login("budi", PASSWORD))
        return peer

    def resident(self):
        """KiB, most so far."""
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))

    @staticmethod
    def binary_message(data):
        return (b"Subject: biner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
                b"Content-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhalo\r\n--b\r\n"
                b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                + data + b"\r\n--b--\r\n")

    def decoded(self, peer, uid):
        response = self.good(peer.command(f"UID FETCH {uid} (BINARY.SIZE[2] BINARY.PEEK[2])"))[1][0]
        size = int(re.search(rb"BINARY.SIZE\[2\] (\d+)", response).group(1))
        start = re.search(rb"BINARY\[2\] ~\{\d+\}\r\n", response).end()
        self.assertEqual(len(response) - 1 - start, size)
        return response[start:start + size]

    def test_binary_octets_come_back_exactly(self):
        generator = random.Random(7)
        data = generator.randbytes(LARGE)
        message = self.binary_message(data)
        peer = self.imap()
        self.good(peer.command("SELECT INBOX"))
        before = self.resident()
        self.good(peer.command(b"APPEND INBOX ~{%d+}\r\n%s" % (len(message), message)))
        self.assertLess(self.resident() - before, GROWTH_KIB)
        self.assertEqual(hashlib.sha256(self.decoded(peer, 1)).digest(), hashlib.sha256(data).digest())
        # Everybody else has a message of lines.
        with POP3(self.server.ports["pop3"], timeout=120) as drop:
            drop.login("budi", PASSWORD)
            drop.command("RETR 1")
            lines = drop.listing()
        self.assertLess(max(map(len, lines)), 80)
        body = lines[lines.index(b"Content-Transfer-Encoding: base64") + 2:]
        self.assertEqual(base64.b64decode(b"".join(body[:body.index(b"--b--")])), data)

    def test_binarymime_in_chunks(self):
        data = random.Random(8).randbytes(300_000)
        message = self.binary_message(data)
        with LMTP(self.server.ports["lmtp"]) as peer:
            peer.command("LHLO localhost")
            peer.command("MAIL FROM:<> BODY=BINARYMIME")
            peer.command("RCPT TO:<budi>")
            for start in range(0, len(message), 70_001):
                piece = message[start:start + 70_001]
                last = b" LAST" if start + 70_001 >= len(message) else b""
                peer.send(b"BDAT %d%s\r\n%s" % (len(piece), last, piece))
                self.assertTrue(peer.reply().startswith(b"250"))
        peer = self.imap()
        self.good(peer.command("SELECT INBOX"))
        self.assertEqual(self.decoded(peer, 1), data)

    def test_catenation_holds_nothing_whole(self):
        line = b"x" * 76 + b"\r\n"
        text = b"Subject: besar\r\n\r\n" + line * (LARGE // len(line))
        peer = self.imap()
        self.good(peer.command(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text)))
        before = self.resident()
        self.good(peer.command("APPEND Drafts CATENATE (URL /INBOX/;UID=1 URL /INBOX/;UID=1/;SECTION=TEXT TEXT {3+}\r\nend)"))
        self.assertLess(self.resident() - before, GROWTH_KIB)
        self.good(peer.command("EXAMINE Drafts"))
        response = self.good(peer.command("FETCH 1 BODY.PEEK[]"))[1][0]
        start = response.index(b"\r\n") + 2
        expected = text + text[text.index(b"\r\n\r\n") + 4:] + b"end"
        self.assertEqual(response[start:start + len(expected)], expected)

    def test_one_of_many_replaces_a_message(self):
        peer = self.imap()
        self.good(peer.command("APPEND INBOX {4+}\r\nx: y"))
        self.good(peer.command("SELECT INBOX"))
        for round in range(10):
            uid = int(re.search(rb"\d+", self.good(peer.command("UID SEARCH ALL"))[1][-1]).group())
            answers = []
            peers = [self.imap() for _ in range(4)]
            for other in peers:
                self.good(other.command("SELECT INBOX"))
            threads = [threading.Thread(target=lambda o=o: answers.append(o.command(f"UID REPLACE {uid} INBOX {{4+}}\r\nx: z")[0]))
                       for o in peers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sum(answer.startswith(b"OK") for answer in answers), 1, answers)
            self.assertEqual(sum(answer.startswith(b"NO") for answer in answers), 3, answers)
            status = self.good(peer.command("STATUS INBOX (MESSAGES)"))[1]
            self.assertIn(b"MESSAGES 1)", b"".join(status))
            for other in peers:
                other.close()
        self.assertEqual(self.server.check()["problems"], [])

    def test_urls_outlive_a_crash(self):
        peer = self.imap()
        self.good(peer.command("APPEND INBOX {12+}\r\nx: y\r\n\r\nhalo"))
        url = "imap://budi@localhost/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=authuser"
        made = re.search(rb'"(.*)"', self.good(peer.command(f'GENURLAUTH "{url}" INTERNAL'))[1][0]).group(1)
        self.server.kill()
        self.server.start()
        peer = self.imap()
        self.assertIn(b"{4}\r\nhalo", self.good(peer.command(b'URLFETCH "%s"' % made))[1][0])
        self.good(peer.command("RESETKEY INBOX"))
        self.server.kill()
        self.server.start()
        peer = self.imap()
        self.assertTrue(self.good(peer.command(b'URLFETCH "%s"' % made))[1][0].endswith(b" NIL"))


class EightBitHeaders(unittest.TestCase):
    """What docs/decisions/037 says of both settings of imap.utf8-fallback, in sessions that asked for no UTF-8."""

    MESSAGE = ("From: Ibu Sari <sari@example.org>\r\nSubject: Jadwal é\r\nX-Catatan: café\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhalo\r\n--b\r\n"
               "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"laporan-é.pdf\"\r\n\r\nx\r\n"
               "--b--\r\n").encode()

    def server(self, *options):
        server = harness.Server(*options)
        self.addCleanup(server.destroy)
        server.start()
        server.add_account("budi")
        return server

    def imap(self, server, *first):
        peer = IMAP(server.ports["imap"], timeout=60)
        self.addCleanup(peer.close)
        for text in (f'LOGIN budi "{PASSWORD}"', *first, "SELECT INBOX"):
            answer = peer.command(text)
            self.assertTrue(answer[0].startswith(b"OK"), answer)
        return peer

    def append(self, peer, message):
        return peer.command(b"APPEND Archive {%d+}\r\n%b" % (len(message), message))[0]

    def fetched(self, peer):
        """RFC822.SIZE, the octets of BODY[], and the completion."""
        completion, untagged = peer.command("UID FETCH 1 (RFC822.SIZE BODY.PEEK[])")
        found = re.search(rb"RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\n", untagged[0])
        start, count = found.end(), int(found.group(2))
        return int(found.group(1)), untagged[0][start:start + count], completion

    def test_as_they_are(self):
        """By default whatever came is shown and can be moved by FETCH and APPEND, octet for octet; the same UID is the same
        message in every session."""
        server = self.server()
        server.deliver("budi", [self.MESSAGE])
        plain, accepting = self.imap(server), self.imap(server, "ENABLE UTF8=ACCEPT")
        size, octets, completion = self.fetched(plain)
        self.assertEqual(size, len(octets))
        self.assertIn("filename=\"laporan-é.pdf\"".encode(), octets)
        self.assertNotIn(b"DOWNGRADED", completion)
        self.assertEqual(self.fetched(accepting)[:2], (size, octets))
        self.assertTrue(self.append(plain, octets).startswith(b"OK"))
        latin = b"Subject: caf\xe9\r\n\r\nx\r\n"
        self.assertTrue(self.append(plain, latin).startswith(b"OK"))
        plain.command("SELECT Archive")
        self.assertEqual(self.fetched(plain)[1], octets)
        self.assertIn(latin, plain.command("UID FETCH 2 BODY.PEEK[]")[1][0])

    def test_surrogates(self):
        """RFC 6855 §4 and RFC 6858 to the letter, and what that takes away."""
        server = self.server("--set", "imap.utf8-fallback=surrogate")
        server.deliver("budi", [self.MESSAGE])
        plain, accepting = self.imap(server), self.imap(server, "ENABLE UTF8=ACCEPT")
        size, octets, completion = self.fetched(plain)
        self.assertIn(b"DOWNGRADED 1", completion)
        self.assertTrue(octets.isascii())
        self.assertNotIn(b"filename", octets)
        self.assertNotIn(b"X-Catatan", octets)
        whole = self.fetched(accepting)
        self.assertEqual((whole[0], len(whole[1])), (size, size))
        self.assertNotEqual(size, len(octets))
        for message in (whole[1], b"Subject: caf\xe9\r\n\r\nx\r\n"):
            self.assertTrue(self.append(plain, message).startswith(b"NO"))
        self.assertTrue(self.append(accepting, whole[1]).startswith(b"OK"))
        # What does the work of a move by both commands leaves the surrogate alone.
        self.assertTrue(self.append(plain, octets).startswith(b"OK"))


if __name__ == "__main__":
    unittest.main()
