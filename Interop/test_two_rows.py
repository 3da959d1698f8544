"""The two rows this project exists for. POP3: download whole, delete, the space is given back. IMAP: fetch only parts,
the mail stays, several places see one state."""

import imaplib
import json
import poplib
import unittest

import harness

MESSAGES = 500
poplib._MAXLINE = 10_000_000  # real mail has longer lines than poplib believes


class POP3GivesTheSpaceBack(unittest.TestCase):
    def test_download_and_delete(self):
        """RETR and DELE of everything: quota at zero, the data folder shrinks after compaction, nothing was lost"""
        with harness.Server() as server:
            mail = harness.mail(MESSAGES)
            server.add_account("budi", "--quota", "500M")
            server.deliver("budi", mail)
            usage = server.quota("budi")
            self.assertEqual(usage["messages"]["usage"], len(mail))
            self.assertGreater(usage["storage"]["usage"], sum(map(len, mail)))
            server.stop()  # what is left is mail and rows, not the write-ahead log of the moment
            server.start()
            before = server.disk()

            connection = poplib.POP3("127.0.0.1", server.ports["pop3"])
            connection.user("budi")
            connection.pass_(harness.PASSWORD)
            fetched = []
            for number in range(1, connection.stat()[0] + 1):
                fetched.append(b"".join(line + b"\r\n" for line in connection.retr(number)[1]))
                connection.dele(number)
            connection.quit()
            self.assertEqual(harness.compare(mail, fetched), ([], []))

            usage = server.quota("budi")
            self.assertEqual((usage["messages"]["usage"], usage["storage"]["usage"]), (0, 0))
            report = json.loads(server.merpati("compact", "--json").stdout)
            server.stop()
            server.start()
            after = server.disk()
            print(f"  disk: {before:,} octets with {len(mail)} messages, {after:,} after POP3 took them home: {report}")
            self.assertLess(after, before / 3)
            self.assertEqual(server.check()["problems"], [])

    def test_a_cut_connection_deletes_nothing(self):
        """DELE without QUIT leaves every message (RFC 1939 §6)"""
        with harness.Server() as server:
            server.add_account("budi")
            server.deliver("budi", harness.made(20))
            connection = poplib.POP3("127.0.0.1", server.ports["pop3"])
            connection.user("budi")
            connection.pass_(harness.PASSWORD)
            for number in range(1, 21):
                connection.retr(number)
                connection.dele(number)
            connection.sock.close()
            connection.file.close()
            self.assertEqual(server.quota("budi")["messages"]["usage"], 20)


class CountingIMAP(imaplib.IMAP4):
    """Counts the octets the server sends."""

    received = 0

    def read(self, size):
        data = super().read(size)
        self.received += len(data)
        return data

    def readline(self):
        line = super().readline()
        self.received += len(line)
        return line


class IMAPFetchesOnlyParts(unittest.TestCase):
    def test_two_places_see_one_state(self):
        """Flags and expunges of one connection reach the other; listing headers moves under 5 % of the bytes"""
        with harness.Server() as server:
            mail = harness.mail(MESSAGES)
            server.add_account("budi")
            server.deliver("budi", mail)
            home, office = (CountingIMAP("127.0.0.1", server.ports["imap"]) for _ in range(2))
            for connection in (home, office):
                connection.login("budi", harness.PASSWORD)
                self.assertEqual(connection.select("INBOX")[1], [str(len(mail)).encode()])

            before = home.received
            listing = home.fetch("1:*", "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])")[1]
            moved = home.received - before
            self.assertEqual(sum(isinstance(item, tuple) for item in listing), len(mail))
            total = sum(map(len, mail))
            print(f"  header listing: {moved:,} of {total:,} octets ({moved / total:.1%})")
            if harness.corpus():
                self.assertLess(moved, total * 0.05)

            home.store("1:10", "+FLAGS", r"(\Seen \Flagged)")
            home.store("3", "+FLAGS", r"(\Deleted)")
            home.expunge()
            office.noop()
            self.assertEqual(office.response("EXPUNGE")[1], [b"3"])
            status, data = office.search(None, "FLAGGED")
            self.assertEqual(len(data[0].split()), 9)
            flags = {line.split()[0] for line in office.fetch("1:9", "(FLAGS)")[1] if b"\\Seen" in line}
            self.assertEqual(len(flags), 9)

            server.deliver("budi", harness.made(1, seed=5))
            home.noop()
            office.noop()
            for connection in (home, office):
                self.assertEqual(connection.response("EXISTS")[1][-1], str(len(mail)).encode())
                connection.logout()
            self.assertEqual(server.check()["problems"], [])


if __name__ == "__main__":
    unittest.main()
