"""`list` and `read` from kept headers (`pull imap --mode headers`): what travels is counted on the line. A table costs nothing,
a part its own octets and that once; what the server changed since is told in words, never by other bytes."""

import imaplib
import signal
import time
import unittest

import dovecot
import harness
import home
import relay
from test_list_read import PHOTO, PLAIN, with_photo


class Replica(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.merpati = harness.Server()
        cls.merpati.start()
        cls.dovecot = dovecot.Dovecot().__enter__()
        cls.mail = harness.made(40) + [with_photo()]
        cls.merpati.add_account("budi")
        cls.merpati.deliver("budi", cls.mail)
        cls.dovecot.fill("budi", cls.mail)
        cls.peers = [
            ("Merpati", cls.merpati.ports["imap"], harness.PASSWORD), ("Dovecot", cls.dovecot.port, "pass"),
        ]

    @classmethod
    def tearDownClass(cls):
        cls.dovecot.__exit__()
        cls.merpati.destroy()

    def pull(self, person, port, user="budi", *more):
        self.place = f"maildir:{person.folder / 'Mail'}"
        person.run("pull", "imap", f"imap://{user}@127.0.0.1:{port}", "--to", self.place, "--mode", "headers", *more)
        return self.place

    def test_a_table_costs_nothing(self):
        filters = [(), ("--all",), ("--from", "TESTER7@"), ("--subject", "foto"), ("--unseen", "--all"),
                   ("--since", "2026-11-01", "--all"), ("--since", "2038-01-01"), ("--number", "3")]
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person:
                with relay.Relay(port) as line:
                    place = self.pull(person, line.port)
                    line.reset_counters()
                    before = line.connections
                    tables = [person.json("list", place, *words) for words in filters]
                    self.assertIn("Foto", person.run("list", place, "--offline").stdout.decode())
                    self.assertEqual((line.down, line.up, line.connections), (0, 0, before))
                # Now there is no server there, and no password either.
                environment = {"MERPATI_PASSWORD": ""}
                self.assertEqual(person.json("list", place, *filters[1], environment=environment), tables[1])
                for words, table in zip(filters, tables):
                    online = person.json("list", f"imap://budi@127.0.0.1:{port}", *words)
                    self.assertEqual(table["octetsReceived"], 0)
                    self.assertLess(abs(table.pop("asOf") - time.time()), 600)
                    for one in (table, online):
                        one.pop("octetsReceived")
                    self.assertEqual(table, online, words)
                kept = person.json("list", place, "--mailboxes")
                self.assertEqual([b["messages"] for b in kept if b["mailbox"] == "INBOX"], [41])
                photo = tables[0]["messages"][-1]["attachments"][0]
                self.assertEqual((photo["part"], photo["name"]), ("2", "kébun.jpg"))
                print(f"  {name}: a table of {len(tables[1]['messages'])} messages by 0 octets")

    def test_a_part_travels_once(self):
        encoded = len(self.mail[-1])
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person, relay.Relay(port) as line:
                place = self.pull(person, line.port)
                uid = str(person.json("list", place)["messages"][-1]["uid"])
                line.reset_counters()
                missing = person.run("read", place, uid, "--part", "2", "--offline", check=False)
                self.assertEqual(missing.returncode, 69, missing.stderr)
                self.assertIn(b"part 2 is not at home", missing.stderr)
                self.assertEqual((missing.stdout, line.down), (b"", 0))
                self.assertTrue(person.run("read", place, uid, "--header", "--offline").stdout.endswith(b"\r\n\r\n"))

                self.assertEqual(person.run("read", place, uid, "--part", "2").stdout, PHOTO)
                first = line.down
                self.assertLess(first, encoded + 6000)
                self.assertGreater(first, len(PHOTO))
                line.reset_counters()
                before = line.connections
                self.assertEqual(person.run("read", place, uid, "--part", "2").stdout, PHOTO)
                self.assertEqual(person.run("read", place, uid, "--part", "2", "--offline").stdout, PHOTO)
                self.assertEqual((line.down, line.connections), (0, before))
                # The text is another part.
                self.assertIn(PLAIN.strip(), person.run("read", place, uid).stdout.decode())
                text = line.down
                self.assertLess(text, 6000)
                line.reset_counters()
                shown = person.run("read", place, uid, "--offline").stdout.decode()
                self.assertIn(PLAIN.strip(), shown)
                self.assertIn("kébun.jpg", shown)
                whole = person.run("read", place, uid, "--raw").stdout
                self.assertEqual(harness.without_trace(whole) if name == "Merpati" else whole, self.mail[-1])
                # Parts of a message that is at home as a whole are cut from it.
                other = str(person.json("list", place)["messages"][2]["uid"])
                kept = person.run("read", place, other, "--raw").stdout
                line.reset_counters()
                raw = person.run("read", place, other, "--part", "2", "--raw", "--offline").stdout
                self.assertIn(raw, kept)
                self.assertEqual(raw, person.run("read", f"imap://budi@127.0.0.1:{port}", other, "--part", "2", "--raw").stdout)
                self.assertEqual(line.down, 0)
                online = person.json("read", f"imap://budi@127.0.0.1:{port}", uid)
                self.assertEqual(person.json("read", place, uid), online)
                print(f"  {name}: the photo by {first} octets, then by 0; the text by {text}, then by 0")

    def test_a_cut_line_is_gone_on_from(self):
        for name, port, password in self.peers:
            with self.subTest(name), home.Home(password) as person:
                self.pull(person, port)
                uid = str(person.json("list", self.place)["messages"][-1]["uid"])
                with relay.Relay(port, iter([150_000, 300_000])) as line:
                    through = ("--server", f"imap://budi@127.0.0.1:{line.port}")
                    for _ in range(5):
                        done = person.run("read", self.place, uid, "--raw", *through, check=False)
                        if done.returncode == 0:
                            break
                        self.assertEqual(done.returncode, 75, done.stderr)
                        self.assertEqual(done.stdout, b"")
                    whole = done.stdout
                    self.assertEqual(harness.without_trace(whole) if name == "Merpati" else whole, self.mail[-1])
                    print(f"  {name}: {len(whole)} octets by {line.down}, cut {line.made} times")
                    self.assertLess(line.down, len(whole) + 2 * 262_144 + 20_000)

    def test_the_server_moved_on(self):
        with home.Home() as person:
            self.dovecot.fill("wati", self.mail[:6])
            with imaplib.IMAP4("127.0.0.1", self.dovecot.port) as session:
                session.login("wati", "pass")
                session.create("Box")
                for message in self.mail[:3]:
                    session.append("Box", None, None, message)
                place = self.pull(person, self.dovecot.port, "wati")
                self.assertEqual(person.run("read", place, "1", "--mailbox", "Box", "--raw").stdout, self.mail[0])
                session.select("Box")
                session.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
                session.expunge()
                session.close()
                gone = person.run("read", place, "2", "--mailbox", "Box", "--raw", check=False)
                self.assertEqual((gone.returncode, gone.stdout), (65, b""), gone.stderr)
                self.assertIn(b"deleted on the server", gone.stderr)
                # The same name, and the same UIDs for other mail.
                session.delete("Box")
                time.sleep(1.1)  # Dovecot takes the time of day as UIDVALIDITY
                session.create("Box")
                for message in self.mail[3:6]:
                    session.append("Box", None, None, message)
                other = person.run("read", place, "3", "--mailbox", "Box", "--raw", check=False)
                self.assertEqual((other.returncode, other.stdout), (75, b""), other.stderr)
                self.assertIn(b"UIDVALIDITY", other.stderr)
                # What is at home is still that message.
                self.assertEqual(person.run("read", place, "1", "--mailbox", "Box", "--raw").stdout, self.mail[0])
                session.delete("Box")
                shut = person.run("read", place, "3", "--mailbox", "Box", "--raw", check=False)
                self.assertEqual((shut.returncode, shut.stdout), (69, b""), shut.stderr)

    def test_what_is_not_there(self):
        with home.Home() as person:
            place = f"maildir:{person.folder / 'Mail'}"
            none = person.run("list", place, check=False)
            self.assertEqual(none.returncode, 66, none.stderr)
            self.assertIn(b"--mode headers", none.stderr)
            self.assertFalse((person.folder / "Mail").exists())
            self.pull(person, self.dovecot.port)
            for words, code, text in (
                    (("list", place, "--mailbox", "Nowhere"), 65, b"INBOX"), (("read", place, "4000"), 65, b"4000"),
                    (("read", place, "1", "--part", "9"), 65, b"no part 9"),
                    (("read", place, "1", "--mark-seen"), 64, b"server"),
                    (("read", place, "1", "--part", "1", "--server", "imap://wati@127.0.0.1"), 78, b"budi"),
                    (("list", f"imap://budi@127.0.0.1:{self.dovecot.port}", "--offline"), 64, b"maildir:")):
                done = person.run(*words, check=False)
                self.assertEqual(done.returncode, code, (words, done.stderr))
                self.assertIn(text, done.stderr)
            mirror = person.folder / "Mirror"
            person.run("pull", "imap", f"imap://budi@127.0.0.1:{self.dovecot.port}", "--to", f"maildir:{mirror}")
            files = person.run("list", f"maildir:{mirror}", check=False)
            self.assertEqual(files.returncode, 66, files.stderr)
            # A server that is not there is said so, and nothing else.
            with relay.Relay(self.dovecot.port) as line:
                port = line.port
            away = person.run("read", place, "5", "--raw", "--server", f"imap://budi@127.0.0.1:{port}", check=False)
            self.assertEqual((away.returncode, away.stdout), (69, b""), away.stderr)

    def test_an_account_names_its_headers(self):
        with home.Home() as person, relay.Relay(self.dovecot.port) as line:
            secret = person.folder / "secret"
            secret.write_text("pass\n")
            secret.chmod(0o600)
            config = person.folder / "pull.yaml"
            config.write_text(f"""
defaults:
  password-file: {secret}
accounts:
  - name: heads
    url: imap://budi@127.0.0.1:{line.port}
    to: maildir:{person.folder}/Mail
    mode: headers
  - name: there
    url: imap://budi@127.0.0.1:{line.port}
    to: maildir:{person.folder}/Other
""")
            nothing = {"MERPATI_PASSWORD": ""}
            early = person.run("list", "heads", "--config", config, check=False)
            self.assertEqual(early.returncode, 66, early.stderr)
            person.run("pull", "--config", config, "heads", environment=nothing)
            line.reset_counters()
            table = person.json("list", "heads", "--config", config, "--all", environment=nothing)
            self.assertEqual((len(table["messages"]), line.down), (41, 0))
            uid = str(table["messages"][-1]["uid"])
            photo = person.run("read", "heads", uid, "--config", config, "--part", "2", environment=nothing)
            self.assertEqual(photo.stdout, PHOTO)
            again = person.run("read", "heads", uid, "--config", config, "--part", "2", "--offline")
            self.assertEqual(again.stdout, PHOTO)
            # An account without headers at home is read where it is.
            self.assertEqual(len(person.json("list", "there", "--config", config, "--all")["messages"]), 41)
            unknown = person.run("list", "head", "--config", config, check=False)
            self.assertEqual(unknown.returncode, 78, unknown.stderr)
            self.assertIn(b"heads", unknown.stderr)

    def test_readers_beside_a_run_that_stays(self):
        with home.Home() as person:
            self.dovecot.fill("sari", self.mail)
            place = self.pull(person, self.dovecot.port, "sari")
            begin = ("pull", "imap", f"imap://sari@127.0.0.1:{self.dovecot.port}", "--to", place, "--mode", "headers", "--watch")
            watch = person.start(*begin)
            try:
                deadline = time.monotonic() + 60
                while person.run("pull", "undo", place.partition(":")[2], check=False).returncode == 0:
                    self.assertLess(time.monotonic(), deadline, "the run never took its lock")
                    # The look takes the lock itself, and a run that comes just then ends.
                    if watch.poll() is not None:
                        watch.communicate()
                        watch = person.start(*begin)
                    time.sleep(0.5)
                uid = str(person.json("list", place)["messages"][-1]["uid"])
                self.assertEqual(person.run("read", place, uid, "--part", "2").stdout, PHOTO)
                self.assertEqual(person.run("read", place, uid, "--part", "2", "--offline").stdout, PHOTO)
                with imaplib.IMAP4("127.0.0.1", self.dovecot.port) as session:
                    session.login("sari", "pass")
                    session.append("INBOX", None, None, harness.made(1, seed=77)[0])
                while len(person.json("list", place, "--all")["messages"]) < 42:
                    self.assertLess(time.monotonic(), deadline, "the new message never came into the table")
                    time.sleep(0.1)
            finally:
                watch.send_signal(signal.SIGTERM)
                watch.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main()
