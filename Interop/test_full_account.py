"""A full account refuses by every door with the right code, keeps nothing by halves, and takes mail again after a delete."""

import imaplib
import smtplib
import unittest

import harness


def message(octets):
    head = b"From: a@example.org\r\nSubject: weight\r\n\r\n"
    line = b"x" * 70 + b"\r\n"
    return head + line * ((octets - len(head)) // len(line))


class AFullAccount(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.server.start()
        self.server.add_account("budi", "--quota", "100K")
        self.server.deliver("budi", [message(60_000)])

    def tearDown(self):
        self.assertEqual(self.server.check()["problems"], [])
        self.server.destroy()

    def imap(self):
        connection = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        connection.login("budi", harness.PASSWORD)
        return connection

    def usage(self):
        quota = self.server.quota("budi")
        return quota["messages"]["usage"], quota["storage"]["usage"]

    def refused(self, data, says_size=True):
        """The refusal, and the command that met it."""
        connection = self.server.lmtp()
        connection.ehlo_or_helo_if_needed()
        size = f" SIZE={len(data)}" if says_size else ""
        self.assertEqual(connection.docmd("MAIL", f"FROM:<a@example.org>{size}")[0], 250)
        where, (code, text) = "RCPT", connection.rcpt("budi")
        if code == 250:
            where, (code, text) = "DATA", connection.data(data)
        connection.close()
        return where, code, text[:5]

    def test_every_door(self):
        """LMTP 552 5.2.2 (known at RCPT by SIZE=, else after DATA), deliver 73, APPEND and COPY NO [OVERQUOTA]"""
        before = self.usage()
        self.assertEqual(self.refused(message(60_000)), ("RCPT", 552, b"5.2.2"))
        self.assertEqual(self.refused(message(60_000), says_size=False), ("DATA", 552, b"5.2.2"))

        done = self.server.merpati("deliver", "budi", stdin=message(60_000), check=False)
        self.assertEqual(done.returncode, 73, done.stderr)

        connection = self.imap()
        connection.select("INBOX")
        for status, data in (connection.append("INBOX", None, None, message(60_000)), connection.copy("1", "Archive")):
            self.assertEqual(status, "NO")
            self.assertIn(b"[OVERQUOTA]", data[0])
        self.assertEqual(self.usage(), before)
        self.assertEqual(connection.search(None, "ALL")[1], [b"1"])

        connection.store("1", "+FLAGS", r"(\Deleted)")
        connection.expunge()
        connection.logout()
        self.assertEqual(self.usage(), (0, 0))
        self.server.deliver("budi", [message(60_000)])
        self.assertEqual(self.usage()[0], 1)

    def test_count_of_messages(self):
        """A bound on the number of messages holds as one on octets does"""
        self.server.merpati("account", "set", "budi", "--quota", "none", "--quota-messages", "3")
        self.server.deliver("budi", [message(500), message(500)])
        self.assertEqual(self.refused(message(500)), ("RCPT", 552, b"5.2.2"))

    def test_count_of_mailboxes_and_annotations(self):
        """CREATE, RENAME and SETMETADATA are refused; `quota show` says what is used; a bound set by an administrator's session holds"""
        self.server.merpati("account", "set", "budi", "--quota-mailboxes", "7", "--quota-annotations", "1K")
        connection = self.imap()
        self.assertEqual(connection.create("Satu")[0], "OK")
        for status, data in (connection.create("Dua"), connection.rename("Satu", "Baru/Satu"), connection.rename("INBOX", "Lama")):
            self.assertEqual((status, data[0][:11]), ("NO", b"[OVERQUOTA]"))
        self.assertEqual(connection.xatom("SETMETADATA", "INBOX", '(/private/comment "pendek")')[0], "OK")
        status, data = connection.xatom("SETMETADATA", "INBOX", '(/private/comment "' + "x" * 1100 + '")')
        self.assertEqual((status, data[0][:11]), ("NO", b"[OVERQUOTA]"))
        quota = self.server.quota("budi")
        self.assertEqual((quota["mailboxes"], quota["annotations"]), ({"usage": 7, "limit": 7}, {"usage": 22, "limit": 1024}))
        self.assertIn(b"mailboxes", self.server.merpati("quota", "show", "budi").stdout)
        connection.logout()

        # After a restart the same, and SETQUOTA for those the configuration names alone.
        self.server.stop()
        self.server.flags = ("--set", "imap.quota-administrators=siti, kepala", "--set", "quota.default-mailboxes=9")
        self.server.start()
        self.server.add_account("kepala")
        connection = self.imap()
        self.assertEqual(connection.setquota("budi", "(STORAGE 1)")[0], "NO")
        self.assertNotIn("QUOTASET", connection.capability()[1][0].decode().split())
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as head:
            head.login("kepala", harness.PASSWORD)
            self.assertIn("QUOTASET", head.capability()[1][0].decode().split())
            self.assertEqual(head.getquota("budi")[1], [b"budi (STORAGE 59 100 MAILBOX 7 7 ANNOTATION-STORAGE 1 1)"])
            # What is not named falls back to the default of the configuration.
            self.assertEqual(head.setquota("budi", "(STORAGE 200)"), ("OK", [b"budi (STORAGE 59 200 MAILBOX 7 9)"]))
        for name in ("Dua", "Tiga"):
            self.assertEqual(connection.create(name)[0], "OK")
        self.assertEqual(connection.create("Empat")[0], "NO")
        connection.logout()

    def test_temporary_by_configuration(self):
        """lmtp.quota-full=452 makes the MTA keep the message; deliver ends with EX_TEMPFAIL"""
        with harness.Server("--set", "lmtp.quota-full=452") as server:
            server.add_account("siti", "--quota", "10K")
            connection = server.lmtp()
            connection.ehlo_or_helo_if_needed()
            with self.assertRaises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as caught:
                connection.sendmail("a@example.org", ["siti"], message(60_000))
            self.assertIn("452", str(caught.exception))
            connection.close()
            self.assertEqual(server.merpati("deliver", "siti", stdin=message(60_000), check=False).returncode, 75)

    def test_who_is_not_here(self):
        """550 5.1.1 and EX_NOUSER for an unknown account; user+folder goes to the folder"""
        connection = self.server.lmtp()
        connection.ehlo_or_helo_if_needed()
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
            connection.sendmail("a@example.org", ["nobody"], message(200))
        code, text = caught.exception.recipients["nobody"]
        self.assertEqual((code, text[:5]), (550, b"5.1.1"))
        connection.close()
        self.assertEqual(self.server.merpati("deliver", "nobody", stdin=message(200), check=False).returncode, 67)
        self.server.deliver("budi+Archive", [message(300)])
        imap = self.imap()
        self.assertEqual(imap.select("Archive")[1], [b"1"])
        imap.logout()


if __name__ == "__main__":
    unittest.main()
