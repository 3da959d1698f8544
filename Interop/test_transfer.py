"""`merpati import` and `export`: a Dovecot Maildir moves in with UIDs, UIDVALIDITY, POP3 UIDLs, keywords, dates and
subscriptions, so that no client downloads again; and moves out again."""

import imaplib
import os
import poplib
import re
import signal
import time
import unittest

import dovecot
import harness
import home
from harness import PASSWORD, digest
from test_pull_imap import remote, session
from test_pull_pop3 import same

ITEMS = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"


def mailbox(connection, name):
    """(UIDVALIDITY, {uid: (flags, internaldate, digest)})"""
    assert connection.select(f'"{name}"', readonly=True)[0] == "OK", name
    validity = int(connection.response("UIDVALIDITY")[1][0])
    found = {}
    for item in connection.uid("FETCH", "1:*", ITEMS)[1]:
        if isinstance(item, tuple):
            head = item[0].decode()
            uid = int(re.search(r"UID (\d+)", head).group(1))
            flags = frozenset(f for f in re.search(r"FLAGS \(([^)]*)\)", head).group(1).split() if f != "\\Recent")
            date = time.mktime(imaplib.Internaldate2tuple(item[0]))
            found[uid] = (flags, date, digest(item[1]))
    return validity, found


def uidls(port, user, password):
    connection = poplib.POP3("127.0.0.1", port)
    connection.user(user)
    connection.pass_(password)
    lines = connection.uidl()[1]
    connection.quit()
    return [line.split()[1].decode() for line in lines]


class FromDovecot(unittest.TestCase):
    def prepare(self, server, user="budi", count=120):
        """A mailbox with a history: gaps in the UIDs, keywords, folders, subscriptions, dates."""
        server.fill(user, harness.mail(count))
        with session(server.port, user) as connection:
            connection.select("INBOX")
            connection.uid("STORE", "1:9", "+FLAGS", "(\\Deleted)")
            connection.expunge()
            connection.uid("STORE", "20:30", "+FLAGS", "(\\Seen \\Flagged)")
            connection.uid("STORE", "25:35", "+FLAGS", "($Forwarded Kantor)")
            for name in ("Arsip", "Arsip.2024", "Terkirim &- lain"):
                connection.create(f'"{name}"')
                connection.subscribe(f'"{name}"')
            connection.uid("COPY", "40:60", '"Arsip.2024"')
            connection.append("Arsip", "(\\Answered)", '"01-Feb-2020 03:04:05 +0700"', harness.made(1, seed=3)[0])

    def test_maildir_moves_in_and_no_client_downloads_again(self):
        with dovecot.Dovecot() as old, harness.Server() as new, home.Home() as person:
            self.prepare(old)
            before = {}
            with session(old.port, "budi") as connection:
                for name in ("INBOX", "Arsip", "Arsip.2024", "Terkirim &- lain"):
                    before[name] = mailbox(connection, name)
            old_uidls = uidls(old.pop3, "budi", "pass")
            new.add_account("budi")
            run = ("import", f"maildir:{old.mail}/budi", "--data", new.data, "--account", "budi")
            first = person.json(*run)
            self.assertEqual(first["problems"], [])
            with session(new.ports["imap"], "budi", PASSWORD) as connection:
                for name, (validity, messages) in before.items():
                    after_validity, after = mailbox(connection, name.replace(".", "/"))
                    self.assertEqual(after_validity, validity, name)
                    self.assertEqual(after, messages, name)
                subscribed = b" ".join(line for line in connection.lsub()[1] if line)
                self.assertIn(b"Arsip/2024", subscribed)
            self.assertEqual(uidls(new.ports["pop3"], "budi", PASSWORD), old_uidls)
            again = person.json(*run)
            self.assertEqual(again["transferred"], 0)
            self.assertEqual(new.check()["problems"], [])
            # New mail in the old place comes along at the next run.
            old.fill("budi", [])
            (old.mail / "budi" / "new" / "1900000000.1.late").write_bytes(harness.made(1, seed=17)[0].replace(b"\r\n", b"\n"))
            self.assertEqual(person.json(*run)["transferred"], 1)

    def test_export_gives_it_all_back(self):
        with dovecot.Dovecot() as old, harness.Server() as new, home.Home() as person:
            self.prepare(old, count=60)
            new.add_account("budi")
            person.run("import", f"maildir:{old.mail}/budi", "--data", new.data, "--account", "budi")
            out = old.mail / "back"
            report = person.json("export", "--data", new.data, "--account", "budi", "--to", f"maildir:{out}")
            self.assertEqual(report["problems"], [])
            for path in (out, *out.rglob("*")):
                os.chown(path, *[(old.mail / "budi").stat().st_uid, (old.mail / "budi").stat().st_gid])
            with session(old.port, "budi") as connection:
                before = {name: mailbox(connection, name) for name in ("INBOX", "Arsip", "Arsip.2024")}
            with session(old.port, "back") as connection:
                after = {name: mailbox(connection, name) for name in before}
            self.assertEqual(after, before)

    def test_another_server_moves_in_by_imap(self):
        with dovecot.Dovecot() as old, harness.Server() as new, home.Home() as person:
            self.prepare(old, count=80)
            new.add_account("budi")
            url = f"imap://budi@127.0.0.1:{old.port}"
            report = person.json("import", url, "--data", new.data, "--account", "budi")
            self.assertEqual(report["problems"], [])
            with session(old.port, "budi") as there, session(new.ports["imap"], "budi", PASSWORD) as here:
                for name in ("INBOX", "Arsip", "Arsip.2024"):
                    _, far = mailbox(there, name)
                    _, near = mailbox(here, name.replace(".", "/"))
                    self.assertEqual(sorted(map(repr, near.values())), sorted(map(repr, far.values())), name)
            self.assertEqual(person.json("import", url, "--data", new.data, "--account", "budi")["transferred"], 0)


def bare(message):
    """Without the header lines in which mbox files keep flags and UIDs: they are the file's, not the message's."""
    head, empty, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    kept = [line for line in head.split(b"\n")
            if line.partition(b":")[0].lower() not in (b"status", b"x-status", b"x-uid", b"x-keywords", b"x-uidl")]
    return (b"\n".join(kept) + empty + body).rstrip(b"\n")


class Mbox(unittest.TestCase):
    def test_there_and_back(self):
        mail = [m for m in harness.mail(100)]
        with harness.Server() as server, home.Home() as person:
            server.add_account("budi")
            file = person.folder / "in.mbox"
            with open(file, "wb") as out:
                for message in mail:
                    body = re.sub(rb"(?m)^(>*From )", rb">\1", message.replace(b"\r\n", b"\n"))
                    out.write(b"From sender@example.org Wed Nov 25 10:00:00 2026\n" + body + b"\n")
            report = person.json("import", f"mbox:{file}", "--data", server.data, "--account", "budi")
            self.assertEqual((report["transferred"], report["problems"]), (len(mail), []))
            out = person.folder / "out"
            report = person.json("export", "--data", server.data, "--account", "budi", "--to", f"mbox:{out}")
            self.assertEqual(report["problems"], [])
            same(self, [bare(m) for m in mail], [bare(m) for m in home.mbox(out / "INBOX.mbox")])
            self.assertEqual(person.json("import", f"mbox:{file}", "--data", server.data, "--account", "budi")["transferred"], 0)


class Interrupted(unittest.TestCase):
    def test_kill_and_go_on(self):
        mail = harness.made(1500)
        with dovecot.Dovecot() as old, harness.Server() as server, home.Home() as person:
            old.fill("budi", mail)
            with session(old.port, "budi") as connection:
                connection.select("INBOX")
                _, before = mailbox(connection, "INBOX")
            server.add_account("budi")
            run = ("import", f"maildir:{old.mail}/budi", "--data", server.data, "--account", "budi")
            for seconds in (0.15, 0.3, 0.2):
                process = person.start(*run)
                time.sleep(seconds)
                process.kill()
                process.communicate()
            report = person.json(*run)
            self.assertEqual(report["problems"], [])
            with session(server.ports["imap"], "budi", PASSWORD) as connection:
                _, after = mailbox(connection, "INBOX")
            self.assertEqual(after, before)
            self.assertEqual(server.check()["problems"], [])


    def signalled(self, number, folder, *run):
        """Runs again and again, each time with a signal a little later; how often that came in time."""
        hits = 0
        with home.Home(folder=folder) as person:
            for step in range(1, 9):
                process = person.start(*run)
                time.sleep(0.12 * step)
                process.send_signal(number)
                out, err = process.communicate(timeout=60)
                if process.returncode == -number:
                    continue  # before anything was begun
                self.assertIn(process.returncode, (0, 75), err)
                self.assertNotIn(b"Fatal", err)
                if process.returncode == 75:
                    hits += 1
                    self.assertIn(b"cancelled", out + err)
        return hits

    def test_signals_end_an_import_in_order(self):
        mail = harness.made(1500)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number), harness.Server() as server, home.Home() as person:
                box = person.folder / "in"
                for sub in ("cur", "new", "tmp"):
                    (box / sub).mkdir(parents=True)
                for place, message in enumerate(mail):
                    (box / "cur" / f"{1700000000 + place}.{place}.here:2,S").write_bytes(message.replace(b"\r\n", b"\n"))
                server.add_account("budi")
                run = ("import", f"maildir:{box}", "--data", server.data, "--account", "budi")
                hits = self.signalled(number, person.folder / "p", *run)
                self.assertGreater(hits, 0)
                report = person.json(*run)
                self.assertEqual((report["problems"], report["messages"]), ([], len(mail)))
                with session(server.ports["imap"], "budi", PASSWORD) as connection:
                    _, after = mailbox(connection, "INBOX")
                self.assertEqual(sorted(d for _, _, d in after.values()), sorted(map(digest, mail)))
                self.assertEqual(server.check()["problems"], [])
                print(f"  import: {hits} of 8 runs ended by {signal.Signals(number).name}, then all {len(mail)} there once")

    def test_signals_end_an_export_without_half_files(self):
        mail = harness.made(1200)
        with harness.Server() as server:
            server.add_account("budi")
            server.deliver("budi", mail)
            with session(server.ports["imap"], "budi", PASSWORD) as connection:
                stored = [raw for _, raw in remote(server.ports["imap"], "budi", password=PASSWORD).values()]
            for number, kind in ((signal.SIGINT, "maildir"), (signal.SIGTERM, "mbox")):
                with self.subTest(kind), home.Home() as person:
                    out = person.folder / "out"
                    run = ("export", "--data", server.data, "--account", "budi", "--to", f"{kind}:{out}")
                    hits = self.signalled(number, person.folder / "p", *run)
                    self.assertGreater(hits, 0)
                    report = person.json(*run)
                    self.assertEqual(report["problems"], [])
                    if kind == "maildir":
                        same(self, stored, home.maildir(out))
                        self.assertEqual(home.leftovers(out), [])
                    else:
                        same(self, [bare(m) for m in stored], [bare(m) for m in home.mbox(out / "INBOX.mbox")])
                    print(f"  export {kind}: {hits} of 8 runs ended by a signal, then all {len(stored)} there once")


if __name__ == "__main__":
    unittest.main()
