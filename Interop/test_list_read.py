"""`merpati list` and `read`: a mailbox from headers only, one part by its own octets, counted on the wire."""

import base64
import random
import unittest

import dovecot
import harness
import home
import relay

PHOTO = random.Random(5).randbytes(300_000)
PLAIN = "Surat dari kebun raya, naïve café, 鳩.\r\n"


def with_photo():
    photo = base64.encodebytes(PHOTO).decode().replace("\n", "\r\n")
    return (
        "From: =?utf-8?q?S=C3=A9ri?= <seri@example.org>\r\nTo: budi@example.org\r\n"
        "Subject: =?utf-8?b?Rm90byDwn5OX?= dari kebun\r\nDate: Tue, 24 Nov 2026 09:30:00 +0700\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + PLAIN +
        "\r\n--b\r\nContent-Type: image/jpeg; name=kebun.jpg\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename*=utf-8''k%C3%A9bun.jpg\r\n\r\n" + photo + "--b--\r\n").encode()


class ListAndRead(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.merpati = harness.Server()
        cls.merpati.start()
        cls.merpati.add_account("budi")
        cls.dovecot = dovecot.Dovecot().__enter__()
        cls.mail = harness.made(40) + [with_photo()]
        cls.merpati.deliver("budi", cls.mail)
        cls.dovecot.fill("budi", cls.mail)
        cls.peers = [
            ("Merpati", cls.merpati.ports["imap"], harness.PASSWORD), ("Dovecot", cls.dovecot.port, "pass"),
        ]

    @classmethod
    def tearDownClass(cls):
        cls.dovecot.__exit__()
        cls.merpati.destroy()

    def test_list_is_made_of_headers(self):
        size = sum(map(len, self.mail))
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person, relay.Relay(port) as line:
                table = person.json("list", f"imap://budi@127.0.0.1:{line.port}/INBOX", "--all")
                self.assertEqual(table["exists"], 41)
                self.assertEqual(len(table["messages"]), 41)
                last = table["messages"][-1]
                self.assertEqual(last["subject"], "Foto 📗 dari kebun")
                self.assertEqual((last["from"], last["fromAddress"]), ("Séri", "seri@example.org"))
                self.assertEqual(len(last["attachments"]), 1)
                photo = last["attachments"][0]
                self.assertEqual((photo["part"], photo["name"], photo["type"]), ("2", "kébun.jpg", "image/jpeg"))
                self.assertLess(abs(photo["decodedOctets"] - len(PHOTO)), 100)
                self.assertLess(line.down, size / 10)
                print(f"  {name}: a table of 41 messages by {line.down} of {size} octets")
                text = person.run("list", f"imap://budi@127.0.0.1:{line.port}").stdout.decode()
                self.assertIn("Foto", text)
                self.assertEqual(person.json("list", f"imap://budi@127.0.0.1:{line.port}", "--unseen")["exists"], 41)

    def test_search_and_mailboxes(self):
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person:
                url = f"imap://budi@127.0.0.1:{port}"
                found = person.json("list", url, "--from", "tester7@")
                self.assertEqual([m["fromAddress"] for m in found["messages"]], ["tester7@example.org"])
                boxes = person.json("list", url, "--mailboxes")
                self.assertEqual([b["messages"] for b in boxes if b["mailbox"] == "INBOX"], [41])
                missing = person.run("list", url + "/Nowhere", check=False)
                self.assertNotEqual(missing.returncode, 0)
                self.assertIn(b"Nowhere", missing.stderr)

    def test_a_part_costs_its_own_octets(self):
        encoded = len(base64.encodebytes(PHOTO)) * 78 // 77
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person, relay.Relay(port) as line:
                url = f"imap://budi@127.0.0.1:{line.port}"
                uid = str(person.json("list", url)["messages"][-1]["uid"])
                line.reset_counters()
                self.assertEqual(person.run("read", url, uid, "--part", "2").stdout, PHOTO)
                photo = line.down
                self.assertLess(photo, encoded + 6000)
                line.reset_counters()
                text = person.run("read", url, uid).stdout.decode()
                self.assertIn(PLAIN.strip(), text)
                self.assertIn("kébun.jpg", text)
                self.assertLess(line.down, 6000)
                print(f"  {name}: the photo of {len(PHOTO)} octets by {photo}, the text by {line.down}")
                whole = person.run("read", url, uid, "--raw").stdout
                expected = harness.without_trace(whole) if name == "Merpati" else whole
                self.assertEqual(expected, self.mail[-1])
                self.assertTrue(person.run("read", url, uid, "--header").stdout.endswith(b"\r\n\r\n"))
                # Reading leaves no trace, unless it is asked to.
                self.assertNotIn("Seen", person.json("list", url)["messages"][-1]["flags"])
                person.run("read", url, uid, "--mark-seen")
                self.assertIn("Seen", person.json("list", url)["messages"][-1]["flags"])

    def test_what_is_not_there(self):
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person:
                url = f"imap://budi@127.0.0.1:{port}"
                gone = person.run("read", url, "4000000", "--raw", check=False)
                self.assertEqual(gone.returncode, 65, gone.stderr)
                self.assertIn(b"4000000", gone.stderr)
                part = person.run("read", url, "1", "--part", "9", check=False)
                self.assertEqual(part.returncode, 65, part.stderr)

    def test_pop3_lists_by_top(self):
        with home.Home("pass") as person, relay.Relay(self.dovecot.pop3) as line:
            table = person.json("list", f"pop3://budi@127.0.0.1:{line.port}", "--all")
            self.assertEqual(len(table["messages"]), 41)
            self.assertEqual(table["messages"][-1]["subject"], "Foto 📗 dari kebun")
            self.assertLess(line.down, 60_000)


if __name__ == "__main__":
    unittest.main()
