"""`merpati metadata`: entries of the server on a running one, what its clients read, hear and may not change, and filters for all."""

import json
import unittest

import harness
from people import People

MOST = 65536


class Metadata(People):
    def set(self, *arguments, stdin=b"", code=0):
        done = self.server.merpati("metadata", "set", *arguments, stdin=stdin, check=False)
        self.assertEqual(done.returncode, code, (arguments[0][:80], done.stderr[-300:]))
        return done

    def listed(self):
        return json.loads(self.server.merpati("metadata", "list", "--json").stdout)

    def value(self, peer, entry):
        lines = self.good(peer.command(f"GETMETADATA \"\" {entry}"))[1]
        return b"\r\n".join(lines)

    def test_set_read_told_delete(self):
        """What the administrator sets every account reads and hears of; what is removed too."""
        ana, budi = self.imap("ana"), self.imap("budi")
        self.assertIn(b"NIL", self.value(ana, "/shared/comment"))
        self.good(ana.command("NOTIFY SET (personal (ServerMetadataChange))"))
        self.good(budi.command("ENABLE METADATA-SERVER"))
        self.assertIn(b"/shared/comment: 14 octets", self.set("/Shared/Comment", "Selamat datang").stdout)
        self.assertEqual(ana.line(), b'* METADATA "" /shared/comment')
        self.assertEqual(self.good(budi.command("NOOP"))[1], [b'* METADATA "" /shared/comment'])
        for peer in (ana, budi):
            self.assertEqual(self.value(peer, "/shared/comment"), b'* METADATA "" (/shared/comment "Selamat datang")')
            answer = peer.command('SETMETADATA "" (/shared/comment "curi")')
            self.assertTrue(answer[0].startswith(b"NO [NOPERM]"), answer)
        # From standard input: lines end in CRLF, the last one in nothing.
        self.set("/shared/comment", "-", stdin="Besok tutup.\nMaaf – sampai Senin.\n".encode())
        self.assertEqual(ana.line(), b'* METADATA "" /shared/comment')
        text = "Besok tutup.\r\nMaaf – sampai Senin.".encode()
        self.assertIn(b"{%d}\r\n%b)" % (len(text), text), self.value(ana, "/shared/comment"))
        self.assertEqual(self.server.merpati("metadata", "get", "/shared/comment").stdout, text)
        said = self.server.merpati("metadata", "list").stdout.decode()
        self.assertIn("/shared/comment", said)
        self.assertIn("Besok tutup.??Maaf", said)
        self.server.merpati("metadata", "delete", "/shared/comment")
        self.assertEqual(ana.line(), b'* METADATA "" /shared/comment')
        self.assertIn(b"NIL", self.value(budi, "/shared/comment"))
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.server.check()["problems"], [])

    def test_refused(self):
        """With a sentence and a code, and nothing is changed."""
        ana = self.imap("ana")
        self.set("/shared/comment", "a")
        for name in ("comment", "/private/comment", "/shared/a//b", "/shared/a/", "/shared/vendor/x", "/shared/a*", "/shared/a%b",
                     "/shared/\u212a", "/shared/a\nb", "/shared", "/shared/" + "x" * 248, ""):
            done = self.set(name, "a", code=64)
            self.assertTrue(done.stderr.startswith(b"merpati: "), done.stderr)
            self.assertLess(len(done.stderr.splitlines()), 2, done.stderr)
        for entry, value in (("/shared/admin", "ana"), ("/shared/admin", "mailto: ana"), ("/shared/filters/values/x", "OR SMALLER"),
                             ("/shared/filters/values/a/b", "ALL"), ("/shared/filters/values/x", ""), ("/shared/comment", "b" * (MOST + 1))):
            done = self.set(entry, value, code=65)
            self.assertIn(entry.encode()[:15], done.stderr.replace(b"'a/b'", entry.encode()))
        for value in (b"b" * (MOST + 1), b"b" * (MOST + 2) + b"\n", b"b" * (1 << 20), b"b" * MOST + b"\nc", b"\xff", b"\x00"):
            self.set("/shared/comment", "-", stdin=value, code=65)
        self.set("/shared/vendor/x/y", "-", "--binary", stdin=b"b" * (MOST + 1), code=65)
        self.set("/shared/comment", "text", "--binary", code=64)
        for command in ("get", "delete"):
            self.assertEqual(self.server.merpati("metadata", command, "/shared/tiada", check=False).returncode, 65)
            self.assertEqual(self.server.merpati("metadata", command, "tiada", check=False).returncode, 64)
        self.assertEqual([(entry["entry"], entry["value"]) for entry in self.listed()], [("/shared/comment", "a")])
        # As long as may be.
        self.set("/shared/comment", "-", stdin=b"c" * MOST + b"\n")
        self.assertIn(b"{%d}" % MOST, self.value(ana, "/shared/comment"))

    def test_bounds(self):
        """No more octets than an account may have, and what is there can still be changed and removed."""
        for number in range(15):
            self.set(f"/shared/vendor/contoh/n{number}", "-", stdin=b"x" * MOST)
        done = self.set("/shared/comment", "-", stdin=b"x" * MOST, code=73)
        self.assertIn(b"1048576 octets", done.stderr)
        self.set("/shared/vendor/contoh/n7", "y")
        self.server.merpati("metadata", "delete", "/shared/vendor/contoh/n8")
        self.set("/shared/comment", "-", stdin=b"x" * MOST)
        self.assertEqual([entry["octets"] for entry in self.listed()].count(MOST), 14)

    def test_octets(self):
        """What is no text goes in and comes out as it is, without a server too, and is there after a kill and in a backup."""
        octets = bytes(range(256))
        self.set("/shared/vendor/contoh/biner", "-", "--binary", stdin=octets)
        self.set("/shared/vendor/contoh/kosong", "")
        ana = self.imap("ana")
        lines = self.good(ana.command('GETMETADATA "" (/shared/vendor/contoh/biner /shared/vendor/contoh/kosong)'))[1]
        self.assertIn(octets, b"\r\n".join(lines))
        self.server.kill()
        self.assertEqual(self.server.merpati("metadata", "get", "/shared/vendor/contoh/biner").stdout, octets)
        self.set("/shared/admin", "mailto:postmaster@example.org")
        found = {entry["entry"]: entry for entry in self.listed()}
        self.assertEqual(found["/shared/vendor/contoh/biner"]["octets"], 256)
        self.assertNotIn("value", found["/shared/vendor/contoh/biner"])
        self.assertEqual(found["/shared/vendor/contoh/kosong"]["value"], "")
        self.server.start()
        copy = self.server.folder / "backup"
        self.server.merpati("backup", str(copy))
        self.server.stop()
        other = harness.Server(data=self.server.folder / "restored")
        self.addCleanup(other.destroy)
        other.merpati("restore", str(copy))
        self.assertEqual(other.merpati("metadata", "get", "/shared/vendor/contoh/biner").stdout, octets)
        self.assertEqual(other.merpati("metadata", "get", "/shared/admin").stdout, b"mailto:postmaster@example.org")
        self.assertEqual(other.check()["problems"], [])

    def test_public_filters(self):
        """RFC 5466 §3.1: a filter for all; one's own of the same name goes before it."""
        for sender in ("bos", "bos", "ibu"):
            self.server.deliver("ana", [f"From: {sender}@example.org\r\nSubject: x\r\n\r\nx\r\n".encode()])
        self.set("/shared/filters/values/Kantor", "FROM bos")
        ana = self.imap("ana")
        self.good(ana.command("SELECT INBOX"))
        self.assertEqual(self.good(ana.command("SEARCH FILTER kantor"))[1], [b"* SEARCH 1 2"])
        self.good(ana.command('SETMETADATA "" (/private/filters/values/kantor "FROM ibu")'))
        self.assertEqual(self.good(ana.command("SEARCH FILTER kantor"))[1], [b"* SEARCH 3"])
        self.good(ana.command('SETMETADATA "" (/private/filters/values/kantor NIL)'))
        self.server.merpati("metadata", "delete", "/shared/filters/values/kantor")
        answer = ana.command("SEARCH FILTER kantor")
        self.assertTrue(answer[0].startswith(b"NO [UNDEFINED-FILTER kantor]"), answer)


if __name__ == "__main__":
    unittest.main()
