"""`merpati pull imap` against Dovecot and Merpati, both with QRESYNC: mirror, two-way sync, headers."""

import imaplib
import pathlib
import re
import shutil
import time
import unittest

import dovecot
import harness
import home
from harness import digest
from relay import Relay
from test_pull_pop3 import same


def session(port, user, password="pass"):
    connection = imaplib.IMAP4("127.0.0.1", port)
    connection.login(user, password)
    return connection


def remote(port, user, mailbox="INBOX", password="pass"):
    """{uid: (flags, bytes)} of a mailbox."""
    with session(port, user, password) as connection:
        if connection.select(f'"{mailbox}"', readonly=True)[0] != "OK":
            return None
        found = {}
        for item in connection.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1]:
            if isinstance(item, tuple):
                head = item[0].decode()
                uid = int(head.split("UID ")[1].split()[0].rstrip(")"))
                flags = {f for f in head.split("FLAGS (")[1].split(")")[0].split() if f != "\\Recent"}
                found[uid] = (flags, item[1])
        return found


def folders(root):
    """{folder: {digest: info letters}} of a Maildir++ tree."""
    tree = {}
    for directory in [root, *sorted(p for p in pathlib.Path(root).glob(".*") if (p / "cur").is_dir())]:
        if (directory / "cur").is_dir():
            name = "INBOX" if directory == pathlib.Path(root) else directory.name[1:]
            tree[name] = {}
            for file in [*(directory / "cur").glob("*"), *(directory / "new").glob("*")]:
                letters = file.name.partition(":2,")[2]
                tree[name].setdefault(digest(file.read_bytes()), []).append(letters)
    return tree


class Sync(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = dovecot.Dovecot().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def url(self, user):
        return f"imap://{user}@127.0.0.1:{self.server.port}"

    def both_equal(self, user, root):
        """Same mailboxes, same messages once each, same \\Seen, \\Flagged and \\Answered."""
        local = folders(root)
        with session(self.server.port, user) as connection:
            names = [line.decode().rpartition('"."')[2].strip().strip('"') or line.decode().split()[-1].strip('"')
                     for line in connection.list()[1] if line and b"\\Noselect" not in line]
        self.assertEqual(sorted(local), sorted(names))
        for name in names:
            far = {}
            for flags, raw in (remote(self.server.port, user, name) or {}).values():
                letters = "".join(sorted({"\\Seen": "S", "\\Flagged": "F", "\\Answered": "R"}.get(f, "") for f in flags))
                far.setdefault(digest(raw), []).append(letters)
            near = {d: sorted("".join(c for c in l if c in "FRS") for l in infos) for d, infos in local[name].items()}
            self.assertEqual({d: sorted(l) for d, l in far.items()}, near, f"{user}: {name}")

    def test_mirror_of_the_whole_corpus(self):
        mail = [raw for _, raw in harness.corpus()] or harness.made(600)
        self.server.fill("mirror", mail)
        with home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "imap", self.url("mirror"), "--to", f"maildir:{box}", "--mode", "mirror")
            expected = [raw for _, raw in remote(self.server.port, "mirror").values()]
            self.assertEqual(len(expected), len(mail))
            same(self, expected, home.maildir(box))
            print(f"  {len(mail)} messages mirrored from Dovecot by IMAP, each byte for byte")
            # Gone on the server: gone here too, but to be had back.
            with session(self.server.port, "mirror") as connection:
                connection.select("INBOX")
                connection.uid("STORE", "1:5", "+FLAGS", "(\\Deleted)")
                connection.expunge()
                connection.uid("STORE", "6:9", "+FLAGS", "(\\Seen \\Flagged)")
            person.run("pull", "imap", self.url("mirror"), "--to", f"maildir:{box}", "--mode", "mirror")
            self.assertEqual(len(home.maildir(box)), len(mail) - 5)
            self.assertEqual(sum("F" in f.name.partition(":2,")[2] for f in (box / "cur").glob("*")), 4)

    def test_a_mirror_asks_the_server_for_nothing_but_to_read(self):
        self.server.fill("reader", harness.made(30))
        with session(self.server.port, "reader") as connection:
            connection.create("Sub")
            connection.append("Sub", None, None, harness.made(1, seed=70)[0])
        said = bytearray()
        with home.Home() as person, Relay(self.server.port, said=said) as line:
            box = person.folder / "Mail"
            pull = ("pull", "imap", f"imap://reader@127.0.0.1:{line.port}", "--to", f"maildir:{box}")
            for mode in ("mirror", "headers"):
                person.run(*pull, "--mode", mode)
                if mode == "mirror":
                    # Whatever happens here is none of the server's business.
                    files = sorted(box.glob("new/*"))
                    for file in files[:3]:
                        file.unlink()
                    files[4].rename(box / "cur" / (files[4].name + ":2,FST"))
                    (box / "new" / "1700000000.1.mine").write_bytes(b"Subject: mine\n\nmine\n")
                    shutil.rmtree(box / ".Sub")
                    for sub in ("cur", "new", "tmp"):
                        (box / ".Mine" / sub).mkdir(parents=True)
                    person.run(*pull, "--mode", mode)
                    person.run(*pull, "--mode", mode)
                    self.assertEqual(len(home.maildir(box)), 31)
                    self.assertEqual(len(home.maildir(box / ".Sub")), 1)
        commands = {b" ".join(line.split()[1:2 + (line.split()[1:2] == [b"UID"])]).upper()
                    for line in bytes(said).split(b"\r\n") if re.match(rb"[A-Za-z]+\d+ \S", line)}
        self.assertIn(b"EXAMINE", commands)
        self.assertIn(b"UID FETCH", commands)
        harmless = {b"CAPABILITY", b"ID", b"ENABLE", b"NAMESPACE", b"LOGIN", b"AUTHENTICATE", b"COMPRESS", b"LIST", b"LSUB",
                    b"STATUS", b"EXAMINE", b"UNSELECT", b"UID FETCH", b"UID SEARCH", b"NOOP", b"IDLE", b"LOGOUT"}
        self.assertEqual(commands - harmless, set())
        self.assertNotIn(b"BODY[", bytes(said).upper(), "without PEEK it would set \\Seen")

    def test_two_ways(self):
        self.server.fill("two", harness.mail(120))
        with home.Home() as person:
            box = person.folder / "Mail"
            pull = ("pull", "imap", self.url("two"), "--to", f"maildir:{box}", "--mode", "sync")
            person.run(*pull)
            self.both_equal("two", box)
            # Both sides change before the next run.
            with session(self.server.port, "two") as connection:
                connection.create("Archive")
                connection.create("Archive.2024")
                connection.select("INBOX")
                connection.uid("STORE", "1:10", "+FLAGS", "(\\Seen)")
                connection.uid("STORE", "11:13", "+FLAGS", "(\\Deleted)")
                connection.expunge()
                connection.uid("MOVE", "20:22", "Archive")
                connection.append("INBOX", "(\\Seen $Work)", None, harness.made(1, seed=500)[0])
            files = sorted((box / "cur").glob("*")) + sorted((box / "new").glob("*"))
            files[50].unlink()
            files[51].unlink()
            base = files[60].name.partition(":")[0]
            files[60].rename(box / "cur" / f"{base}:2,FS")
            home_made = harness.made(3, seed=600)
            for number, message in enumerate(home_made):
                (box / "new" / f"1700000000.{number}.here").write_bytes(message.replace(b"\r\n", b"\n"))
            for sub in ("cur", "new", "tmp"):
                (box / ".Local" / sub).mkdir(parents=True)
            moved = files[70]
            moved.rename(box / ".Local" / "cur" / (moved.name.partition(":")[0] + ":2,S"))
            person.run(*pull)
            self.both_equal("two", box)
            messages = remote(self.server.port, "two")
            have = [digest(raw) for _, raw in messages.values()]
            for message in home_made:
                self.assertEqual(have.count(digest(message)), 1, "appended once")
            self.assertEqual(len(remote(self.server.port, "two", "Archive")), 3)
            self.assertEqual(len(remote(self.server.port, "two", "Local")), 1)
            person.run(*pull)
            self.both_equal("two", box)

    def test_a_vanished_folder_is_no_reason_to_delete_everything(self):
        self.server.fill("brake", harness.mail(150))
        with home.Home() as person:
            box = person.folder / "Mail"
            pull = ("pull", "imap", self.url("brake"), "--to", f"maildir:{box}", "--mode", "sync")
            person.run(*pull)
            shutil.move(box / "cur", person.folder / "cur-elsewhere")
            shutil.move(box / "new", person.folder / "new-elsewhere")
            (box / "cur").mkdir()
            (box / "new").mkdir()
            stopped = person.run(*pull, check=False)
            self.assertNotEqual(stopped.returncode, 0)
            self.assertIn(b"--allow-delete", stopped.stderr)
            self.assertEqual(len(remote(self.server.port, "brake")), 150)

    def test_uidvalidity_change_costs_no_download(self):
        mail = harness.mail(80)
        self.server.fill("uidv", mail)
        with home.Home() as person:
            box = person.folder / "Mail"
            pull = ("pull", "imap", self.url("uidv"), "--to", f"maildir:{box}", "--mode", "sync")
            person.run(*pull)
            for file in (self.server.mail / "uidv").glob("dovecot*"):
                file.unlink()
            time.sleep(1.1)  # Dovecot takes the time of day as the new UIDVALIDITY
            person.run(*pull)
            self.assertEqual(len(home.maildir(box)), 80)
            self.both_equal("uidv", box)

    def test_headers_mode_moves_few_octets(self):
        self.server.fill("heads", harness.made(60))
        with home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "imap", self.url("heads"), "--to", f"maildir:{box}", "--mode", "headers")
            self.assertEqual(home.maildir(box) if box.exists() else [], [], "no half messages among whole ones")

    def test_one_mailbox(self):
        self.server.fill("some", harness.made(10))
        with session(self.server.port, "some") as connection:
            for name in ("Wanted", "Other"):
                connection.create(name)
                connection.append(name, None, None, harness.made(1, seed=len(name))[0])
        with home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "imap", self.url("some"), "--to", f"maildir:{box}", "--mailbox", "Wanted")
            tree = folders(box)
            self.assertEqual(len(tree["Wanted"]), 1)
            self.assertNotIn("Other", tree)
            self.assertEqual(tree.get("INBOX", {}), {})


class FromMerpati(unittest.TestCase):
    def test_two_ways_with_qresync(self):
        with harness.Server() as server, home.Home(harness.PASSWORD) as person:
            server.add_account("budi")
            mail = harness.mail(150)
            server.deliver("budi", mail)
            box = person.folder / "Mail"
            pull = ("pull", "imap", f"imap://budi@127.0.0.1:{server.ports['imap']}", "--to", f"maildir:{box}", "--mode",
                    "sync")
            person.run(*pull)
            missing, extra = harness.compare(mail, home.maildir(box))
            self.assertEqual((missing, extra), ([], []))
            with session(server.ports["imap"], "budi", harness.PASSWORD) as connection:
                connection.select("INBOX")
                connection.uid("STORE", "1:7", "+FLAGS", "(\\Seen)")
                connection.uid("STORE", "8", "+FLAGS", "(\\Deleted)")
                connection.expunge()
            new = harness.made(1, seed=321)[0]
            (box / "new" / "1700000001.1.here").write_bytes(new.replace(b"\r\n", b"\n"))
            person.run(*pull)
            far = remote(server.ports["imap"], "budi", password=harness.PASSWORD)
            self.assertEqual(len(far), 150)
            self.assertEqual(len(home.maildir(box)), 150)
            self.assertEqual([digest(raw) for _, raw in far.values()].count(digest(new)), 1)
            self.assertEqual(sum("S" in f.name.partition(":2,")[2] for f in (box / "cur").glob("*")), 7)
            self.assertEqual(server.check()["problems"], [])


if __name__ == "__main__":
    unittest.main()
