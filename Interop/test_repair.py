"""`merpati check --repair` with the real program: databases lost and damaged, bits flipped in packs, a killed server. Each
time IMAP shows the mail afterwards, and `check` is clean."""

import imaplib
import json
import pathlib
import poplib
import random
import time
import unittest

import harness


def bodies(server, account, mailbox="INBOX", password=harness.PASSWORD):
    """{UID: bytes} of a mailbox; messages that the server refuses are missing. And the UIDVALIDITY."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as connection:
        connection.login(account, password)
        status, _ = connection.select(f'"{mailbox}"', readonly=True)
        if status != "OK":
            return {}, 0
        validity = int(connection.response("UIDVALIDITY")[1][0])
        status, answer = connection.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
        if status != "OK":  # some were refused; what was sent is kept aside by imaplib
            _, answer = connection.response("FETCH")
        found = {}
        for item in answer or ():
            if isinstance(item, tuple):
                found[int(item[0].split(b"UID ")[1].split()[0])] = item[1]
        return found, validity


class Repair(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.server.start()
        self.mail = {name: harness.made(12, seed=number) for number, name in enumerate(("ana", "budi@example.org"))}
        for name, messages in self.mail.items():
            self.server.add_account(name)
            self.server.deliver(name, messages)
        self.volume = self.server.data / "volumes" / "1"

    def tearDown(self):
        self.server.destroy()

    def repair(self, *options, code=0):
        done = self.server.merpati("check", "--repair", "--json", *options, check=False)
        self.assertEqual(done.returncode, code, done.stdout.decode() + done.stderr.decode())
        return json.loads(done.stdout)

    def lose(self, path):
        for suffix in ("", "-wal", "-shm"):
            pathlib.Path(str(path) + suffix).unlink(missing_ok=True)

    def assert_mail(self, password=harness.PASSWORD):
        self.assertEqual(self.server.check()["problems"], [])
        for name, messages in self.mail.items():
            found, _ = bodies(self.server, name, password=password)
            missing, extra = harness.compare(messages, found.values())
            self.assertEqual((missing, extra), ([], []), name)

    def test_lost_volume_database(self):
        _, before = bodies(self.server, "ana")
        self.server.stop()
        self.lose(self.volume / "mail.sqlite")
        with self.assertRaises(RuntimeError):
            self.server.start()
        plan = self.repair("--dry-run")
        self.assertEqual(sum(account["restored"] for account in plan["accounts"]), 24)
        self.assertFalse((self.volume / "mail.sqlite").exists())
        report = self.repair()
        self.assertEqual([account["name"] for account in report["accounts"]], list(self.mail))
        self.server.start()
        self.assert_mail()
        self.assertGreater(bodies(self.server, "ana")[1], before, "clients must load the mailbox anew")

    def test_lost_directory_and_both(self):
        for lost in (["directory.sqlite"], ["directory.sqlite", "volumes/1/mail.sqlite"]):
            with self.subTest(lost=lost):
                self.server.stop()
                for name in lost:
                    self.lose(self.server.data / name)
                report = self.repair()
                self.assertTrue(all(account["needsPassword"] for account in report["accounts"]))
                self.server.start()
                # Mail comes in before anybody has a password; nobody gets in.
                message = harness.made(1, seed=77 + len(lost))[0]
                self.server.deliver("ana", [message])
                self.mail["ana"].append(message)
                with self.assertRaises(imaplib.IMAP4.error):
                    bodies(self.server, "ana")
                for name in self.mail:
                    self.server.merpati("account", "passwd", name, "--password-stdin", stdin=b"baru-sekali-7\n")
                self.assert_mail("baru-sekali-7")

    def test_damaged_volume_database(self):
        """Rubbish in the middle of the file and a lost header: flags outlive it, and the old file is set aside whole."""
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as connection:
            connection.login("ana", harness.PASSWORD)
            connection.select("INBOX")
            connection.store("3", "+FLAGS", "(\\Flagged)")
        self.server.stop()
        path = self.volume / "mail.sqlite"
        data = bytearray(path.read_bytes())
        rng = random.Random(5)
        for offset in [0, 1, 2, 3] + [rng.randrange(len(data)) for _ in range(20)]:
            data[offset] ^= 0x55
        path.write_bytes(data)
        report = self.repair()
        aside = [pathlib.Path(name) for name in report["setAside"] if ".damaged-" in name]
        self.assertIn(bytes(data), [name.read_bytes() for name in aside])
        self.server.start()
        for name, messages in self.mail.items():
            found, _ = bodies(self.server, name)
            more, _ = bodies(self.server, name, "Recovered")
            missing, _ = harness.compare(messages, list(found.values()) + list(more.values()))
            self.assertEqual(missing, [], name)
        self.assertEqual(self.server.check()["problems"], [])

    def test_flipped_bits_in_a_pack(self):
        """Found and isolated while the server runs; the others are served; POP3 and IMAP refuse the one in clear words."""
        pack = next((self.volume / "packs").glob("*.pack"))
        data = bytearray(pack.read_bytes())
        starts = [at for at in range(len(data) - 4) if data[at:at + 4] == b"\xb7\x4d\x72\xf3"]
        data[starts[5] - 4] ^= 1  # the end of the fifth message
        pack.write_bytes(data)
        self.assertEqual(len(self.server.check()["problems"]), 2)
        report = self.repair("--salvage", str(self.server.folder / "left"))
        self.assertEqual(len(report["damaged"]), 1, report)
        self.assertIn("ana, INBOX, UID 5", report["damaged"][0])
        check = self.server.check()
        self.assertEqual((check["problems"], check["damaged"]), ([], report["damaged"]))
        found, _ = bodies(self.server, "ana")
        self.assertEqual(sorted(found), [uid for uid in range(1, 13) if uid != 5])
        pop = poplib.POP3("127.0.0.1", self.server.ports["pop3"])
        pop.user("ana")
        pop.pass_(harness.PASSWORD)
        self.assertEqual(len(pop.list()[1]), 12)
        with self.assertRaisesRegex(poplib.error_proto, r"\[SYS/PERM\]"):
            pop.retr(5)
        self.assertGreater(len(pop.retr(6)[1]), 3)
        pop.quit()
        status = self.server.merpati("check", "--status", "--json", check=False)
        self.assertEqual(json.loads(status.stdout)["damaged"], report["damaged"])
        self.assertEqual(status.returncode, 65)
        # The disk gives the right bytes again: the mark goes.
        data[starts[5] - 4] ^= 1
        pack.write_bytes(data)
        self.assertEqual(self.repair()["damaged"], [])
        self.assert_mail()

    def test_scrubber_finds_a_flipped_bit(self):
        self.server.stop()
        pack = next((self.volume / "packs").glob("*.pack"))
        data = bytearray(pack.read_bytes())
        starts = [at for at in range(len(data) - 4) if data[at:at + 4] == b"\xb7\x4d\x72\xf3"]
        data[starts[3] - 4] ^= 1
        pack.write_bytes(data)
        # The search index reads every message as well, and would often be the first to come by.
        self.server.flags = ("--set", "store.scrub-rate=1G", "--set", "store.scrub-interval=0", "--set", "search.index=false")
        self.server.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = json.loads(self.server.merpati("check", "--status", "--json", check=False).stdout)
            # The line of the log may come a moment later.
            if status["damaged"] and "found by the scrubber" in self.server.log.read_text():
                break
            time.sleep(0.1)
        self.assertEqual(len(status["damaged"]), 1, status)
        self.assertTrue(status["databaseIsSound"])
        self.assertIn("found by the scrubber", self.server.log.read_text())

    def test_killed_server(self):
        """kill -9 in the middle of deliveries leaves frames that no row knows: they come back or are released, and a
        repair under the next server ends the pins."""
        sent = []
        for number in range(8):
            connection = self.server.lmtp()
            connection.ehlo_or_helo_if_needed()
            for seed in range(5):
                message = harness.made(1, seed=1000 + number * 10 + seed)[0]
                sent.append(message)
                connection.mail("a@example.org")
                connection.rcpt("ana")
                if seed == 4:  # the answer is not waited for
                    connection.putcmd("data")
                    connection.getreply()
                    connection.send(message + b".\r\n")
                    time.sleep(random.Random(number).random() * 0.01)
                else:
                    connection.data(message)
            self.server.kill()
            self.server.start()
        self.repair()
        self.assertEqual(self.server.check()["problems"], [])
        found, _ = bodies(self.server, "ana")
        more, _ = bodies(self.server, "ana", "Recovered")
        have = [harness.digest(harness.without_trace(m)) for m in list(found.values()) + list(more.values())]
        acknowledged = [m for index, m in enumerate(sent) if index % 5 != 4]
        self.assertEqual([m for m in acknowledged if harness.digest(m) not in have], [])
        self.assertEqual(self.repair()["actions"], [])

    def test_what_waits_for_the_server_to_stop(self):
        self.server.stop()
        import sqlite3
        with sqlite3.connect(self.volume / "mail.sqlite") as db:
            db.execute("UPDATE mailbox SET messages = 99 WHERE name = 'INBOX'")
        db.close()
        self.server.start()
        report = self.repair(code=65)
        self.assertTrue(any("stop the server first" in text for text in report["remaining"]), report)
        self.server.stop()
        self.assertEqual(self.repair()["remaining"], [])
        self.server.start()
        self.assert_mail()


if __name__ == "__main__":
    unittest.main()
