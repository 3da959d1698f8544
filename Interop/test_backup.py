"""Backup, restore and undelete with the real program: under load, cut anywhere, from several generations, into a running
server. Standard library only."""

import imaplib
import json
import os
import pathlib
import poplib
import random
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
import unittest

import clients
import harness

KILLS = int(os.environ.get("KILLS", "12"))


def run(*arguments, check=True, **options):
    done = subprocess.run([harness.binary(), *map(str, arguments)], capture_output=True, timeout=600, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
    return done


def backup(server, folder, *options, check=True):
    done = run("backup", folder, "--data", server.data, "--json", *options, check=check)
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr.decode()}


def generations(folder):
    return sorted(p.name for p in pathlib.Path(folder).iterdir() if not p.name.startswith("."))


def packs(server):
    return sum(p.stat().st_size for p in (server.data / "volumes/1/packs").glob("*.pack"))


def login(server, account, password=harness.PASSWORD):
    connection = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
    connection.login(account, password)
    return connection


class Load:
    """Connections that deliver, and one that sets flags; knows when each message was acknowledged."""

    def __init__(self, server, accounts):
        self.server, self.accounts, self.stop = server, accounts, threading.Event()
        self.acknowledged = []  # (moment, account, digest)
        self.times = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.deliver, args=(n, a)) for n, a in enumerate(accounts)]
        self.threads.append(threading.Thread(target=self.flags))
        for thread in self.threads:
            thread.start()

    def deliver(self, seed, account):
        number = 0
        while not self.stop.is_set():
            try:
                connection = self.server.lmtp()
                connection.ehlo_or_helo_if_needed()
                while not self.stop.is_set():
                    number += 1
                    message = harness.made(1, seed=seed * 100_000 + number)[0]
                    message = message.replace(b"Message-ID: <", b"Message-ID: <%d.%d." % (seed, number))
                    begun = time.monotonic()
                    if not connection.sendmail("a@example.org", [account], message):
                        with self.lock:
                            self.times.append(time.monotonic() - begun)
                            self.acknowledged.append((time.monotonic(), account, harness.digest(message)))
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)

    def flags(self):
        while not self.stop.is_set():
            try:
                connection = login(self.server, self.accounts[0])
                connection.select()
                while not self.stop.is_set():
                    connection.uid("STORE", "1:*", "+FLAGS", random.choice(["\\Seen", "\\Flagged", "$Work"]))
                    connection.uid("STORE", "1:*", "-FLAGS", "\\Seen")
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.05)

    def taken(self):
        """Median, 99th of a hundred and slowest of the deliveries since the last call, in ms."""
        with self.lock:
            times, self.times = sorted(self.times), []
        if not times:
            return []
        return [round(1000 * times[min(len(times) - 1, int(len(times) * share))]) for share in (0.5, 0.99, 1)]

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class BackupTests(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-backup-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def restored(self, backups, *options):
        """A server over a folder that the backup was restored into."""
        target = self.folder / f"data-{random.randrange(10**9)}"
        run("restore", backups, "--data", target, *options)
        server = harness.Server(data=target)
        self.assertEqual(server.check()["problems"], [])
        server.start()
        self.addCleanup(server.destroy)
        return server

    def test_a_backup_under_load_has_all_that_was_acknowledged_before_it_began(self):
        """Three backups while four connections deliver and one sets flags; each, restored elsewhere, is consistent and has
        every message that was acknowledged before it began, byte for byte. Deliveries are not held up, and the WAL stays
        bounded."""
        with harness.Server() as server:
            accounts = [f"user{n}" for n in range(4)]
            for account in accounts:
                server.add_account(account)
            load = Load(server, accounts)
            wal, watching = [0], threading.Event()

            def watch():
                while not watching.is_set():
                    try:
                        wal[0] = max(wal[0], (server.data / "volumes/1/mail.sqlite-wal").stat().st_size)
                    except OSError:
                        pass
                    time.sleep(0.01)

            watcher = threading.Thread(target=watch)
            watcher.start()
            time.sleep(3)
            quiet, times, reports = load.taken(), [], []
            for _ in range(3):
                load.taken()
                begun = time.monotonic()
                reports.append((begun, backup(server, self.folder / "b"), time.monotonic() - begun))
                times.append(load.taken())
                time.sleep(1)
            load.end()
            watching.set()
            watcher.join()
            self.assertLess(wal[0], 200 << 20)
            for begun, report, took in reports:
                self.assertEqual(report["problems"], [])
                other = self.restored(self.folder / "b", "--generation", report["generation"])
                have = {}
                for account in accounts:
                    _, fetched = clients.python_imap(other, account, None)
                    have[account] = [harness.digest(harness.without_trace(m)) for m in fetched]
                wanted = [(a, d) for moment, a, d in load.acknowledged if moment < begun]
                missing = [d for a, d in wanted if have[a].count(d) != 1]
                self.assertEqual(missing, [])
                sent = {d for _, _, d in load.acknowledged}
                strange = [d for digests in have.values() for d in digests if d not in sent]
                # A message may be in the backup though its answer was still under way; none is half there.
                self.assertLessEqual(len(strange), len(accounts))
                print(f"  {report['generation']}: {report['messages']} messages, {len(wanted)} acknowledged before, all "
                      f"there; {took:.1f} s, {report['copied'] >> 10} KiB copied, {report['packs'] >> 10} KiB mail")
                other.stop()
            print(f"  deliveries, median/99 %/slowest in ms: before {quiet}, during backups {times}; "
                  f"largest WAL {wal[0] >> 10} KiB")
            self.assertEqual(server.check()["problems"], [])

    def test_the_next_generation_copies_only_new_octets(self):
        with harness.Server() as server:
            server.add_account("budi")
            server.deliver("budi", harness.made(40, seed=3))
            backups = self.folder / "b"
            first = backup(server, backups)
            self.assertEqual(first["packs"], packs(server))
            again = backup(server, backups)
            self.assertEqual(again["packs"], 0)
            before = packs(server)
            server.deliver("budi", harness.made(15, seed=4))
            third = backup(server, backups)
            self.assertEqual(third["packs"], packs(server) - before)
            self.assertEqual(third["messages"], 55)
            # Shared files are one file, private ones all of them.
            pack = "packs/000000000001.pack"
            self.assertEqual((backups / first["generation"] / pack).stat().st_ino,
                             (backups / third["generation"] / pack).stat().st_ino)
            for path in backups.rglob("*"):
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
            kept = backup(server, backups, "--keep", "2")
            self.assertEqual(len(kept["removed"]), 2)
            self.assertEqual(generations(backups), [third["generation"], kept["generation"]])
            self.assertEqual(run("backup", backups, "--verify", "--data", server.data).returncode, 0)
            sums = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=backups / kept["generation"])
            self.assertEqual(sums.returncode, 0)

    def test_without_a_server_and_what_is_refused(self):
        server = harness.Server()
        server.start()
        server.add_account("budi")
        server.deliver("budi", harness.made(5, seed=9))
        inside = run("backup", server.data / "b", "--data", server.data, check=False)
        self.assertEqual(inside.returncode, 64)
        self.assertFalse((server.data / "b").exists())
        running = run("restore", self.folder / "b", "--data", server.data, check=False)
        self.assertNotEqual(running.returncode, 0)
        server.stop()
        report = backup(server, self.folder / "b")
        self.assertEqual(report["messages"], 5)
        server.start()
        running = run("restore", self.folder / "b", "--data", server.data, check=False)
        self.assertEqual(running.returncode, 75)
        self.assertIn(b"stop the server", running.stderr)
        server.stop()
        empty = run("restore", self.folder / "nothing", "--data", server.data, check=False)
        self.assertNotEqual(empty.returncode, 0)
        dry = json.loads(run("restore", self.folder / "b", "--data", server.data, "--dry-run", "--json").stdout)
        self.assertTrue(dry["hadMarks"])
        done = json.loads(run("restore", self.folder / "b", "--data", server.data, "--json").stdout)
        self.assertTrue(pathlib.Path(done["setAside"]).is_dir())
        server.start()
        self.assertEqual(len(clients.python_imap(server, "budi", None)[1]), 5)
        server.destroy()

    def test_kill_9_of_client_or_server_leaves_nothing_that_looks_like_a_backup(self):
        """Killed at random moments: every generation there is verifies, and the next backup is whole."""
        server = harness.Server()
        server.start()
        server.add_account("budi")
        rng = random.Random(5)
        for _ in range(30):
            body = "".join(f"{rng.getrandbits(300):x}\r\n" for _ in range(12_000))
            server.deliver("budi", [f"Subject: x\r\n\r\n{body}".encode()])
        backups = self.folder / "b"
        begun = time.monotonic()
        backup(server, backups)
        span = time.monotonic() - begun
        cut = 0
        for number in range(KILLS):
            target = self.folder / f"c{number}"
            process = subprocess.Popen([harness.binary(), "backup", str(target), "--data", str(server.data)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.02, span))
            if number % 2:
                server.kill()
            else:
                process.kill()
            process.wait(60)
            if number % 2:
                server.start()
                self.assertFalse((server.data / "volumes/1/snapshot").exists())
            if target.exists() and not generations(target):
                cut += 1
            elif target.exists():
                run("backup", target, "--verify", "--data", server.data)
            # The store lets go of its packs and of the copy of its database.
            report = backup(server, target)
            self.assertEqual(report["problems"], [])
            self.assertEqual(report["messages"], 30)
            run("backup", target, "--verify", "--data", server.data)
            self.assertEqual([p.name for p in target.iterdir() if p.name.startswith(".unfinished")], [])
            shutil.rmtree(target)
        self.assertGreater(cut, 0)
        self.assertEqual(server.check()["problems"], [])
        print(f"  {KILLS} kills, {cut} of them cut a backup; a backup takes {span:.2f} s")
        server.destroy()

    def test_compaction_and_deletion_while_it_copies(self):
        with harness.Server("--set", "store.compact-interval=1s") as server:
            server.add_account("budi")
            rng = random.Random(6)
            for _ in range(20):
                body = "".join(f"{rng.getrandbits(300):x}\r\n" for _ in range(9_000))
                server.deliver("budi", [f"Subject: x\r\n\r\n{body}".encode()])
            stop = threading.Event()

            def churn():
                number = 0
                while not stop.is_set():
                    number += 1
                    server.deliver("budi", harness.made(3, seed=number))
                    imap = login(server, "budi")
                    imap.select()
                    uids = imap.uid("SEARCH", "ALL")[1][0].split()
                    for uid in uids[::3]:
                        imap.uid("STORE", uid, "+FLAGS", "\\Deleted")
                    imap.expunge()
                    imap.logout()
                    server.merpati("compact")

            thread = threading.Thread(target=churn)
            thread.start()
            reports = [backup(server, self.folder / "b") for _ in range(4)]
            stop.set()
            thread.join()
            for report in reports:
                self.assertEqual(report["problems"], [])
                other = self.restored(self.folder / "b", "--generation", report["generation"])
                self.assertEqual(len(clients.python_imap(other, "budi", None)[1]), report["messages"])
                other.stop()
            self.assertEqual(server.check()["problems"], [])

    def test_one_account_into_a_running_server(self):
        """Password, quota, flags, keywords, dates and UIDLs as they were; what is there is passed over; UIDs are new."""
        with harness.Server() as server:
            server.add_account("ana", "--quota", "50M")
            server.add_account("budi", password="lain-77")
            server.deliver("ana", harness.made(12, seed=1))
            imap = login(server, "ana")
            imap.select()
            imap.uid("STORE", "1:4", "+FLAGS", "(\\Seen \\Flagged $Work)")
            imap.create("Work/Bills")
            imap.subscribe("Work/Bills")
            imap.append("Work/Bills", "\\Answered", '"02-Nov-2026 10:00:00 +0700"', harness.made(1, seed=2)[0])
            imap.logout()

            def shape(account):
                imap = login(server, account)
                result = {}
                for name in ("INBOX", "Work/Bills"):
                    imap.select(f'"{name}"', readonly=True)
                    data = imap.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
                    result[name] = sorted(
                        (sorted(set(imaplib.ParseFlags(item[0])) - {b"\\Recent"}), imaplib.Internaldate2tuple(item[0]),
                         harness.digest(item[1])) for item in data if isinstance(item, tuple))
                imap.logout()
                return result

            def uidls(account):
                pop = poplib.POP3("127.0.0.1", server.ports["pop3"])
                pop.user(account)
                pop.pass_(harness.PASSWORD)
                result = [line.split()[1] for line in pop.uidl()[1]]
                pop.quit()
                return result

            before, known = shape("ana"), uidls("ana")
            backup(server, self.folder / "b")
            # Gone altogether: it comes back with its password.
            server.merpati("account", "remove", "ana")
            run("restore", self.folder / "b", "--account", "ana", "--data", server.data)
            self.assertEqual(shape("ana"), before)
            self.assertEqual(uidls("ana"), known)
            self.assertEqual(server.quota("ana")["storage"]["limit"], 50 << 20)
            imap = login(server, "ana")
            self.assertIn(b"Work/Bills", b" ".join(imap.lsub()[1]))
            # Some of it is there: the rest comes as new messages.
            imap.select()
            imap.uid("STORE", "1:5", "+FLAGS", "\\Deleted")
            imap.expunge()
            highest = int(imap.status("INBOX", "(UIDNEXT)")[1][0].rpartition(b" ")[2].rstrip(b")"))
            done = json.loads(run("restore", self.folder / "b", "--account", "ana", "--data", server.data, "--json").stdout)
            self.assertEqual((done["present"], done["transferred"]), (8, 5))
            self.assertEqual(shape("ana"), before)
            self.assertEqual(sorted(uidls("ana")), sorted(known))
            imap.noop()
            new = [int(uid) for uid in imap.uid("SEARCH", "ALL")[1][0].split()][-5:]
            self.assertTrue(all(uid >= highest for uid in new))
            # Nothing is lost by --replace.
            run("restore", self.folder / "b", "--account", "ana", "--replace", "--data", server.data)
            self.assertEqual(shape("ana"), before)
            names = [a["name"] for a in json.loads(server.merpati("account", "list", "--json").stdout)]
            self.assertEqual(len([n for n in names if n.startswith("ana.replaced-")]), 1)
            run("restore", self.folder / "b", "--account", "budi", "--as", "candra", "--data", server.data)
            login(server, "candra", "lain-77").logout()
            missing = run("restore", self.folder / "b", "--account", "nobody", "--data", server.data, check=False)
            self.assertEqual(missing.returncode, 67)
            self.assertEqual(server.check()["problems"], [])

    def test_undelete_through_the_eyes_of_imap_and_pop3(self):
        with harness.Server("--set", "store.keep-expunged-days=7", "--set", "store.compact-interval=1s") as server:
            server.add_account("budi")
            messages = harness.made(6, seed=8)
            server.deliver("budi", messages)
            imap = login(server, "budi")
            imap.select()
            imap.uid("STORE", "2", "+FLAGS", "(\\Seen $Work)")
            body = imap.uid("FETCH", "2", "BODY.PEEK[]")[1][0][1]
            imap.uid("STORE", "2", "+FLAGS", "\\Deleted")
            imap.expunge()
            pop = poplib.POP3("127.0.0.1", server.ports["pop3"])
            pop.user("budi")
            pop.pass_(harness.PASSWORD)
            gone = [line.split()[1] for line in pop.uidl()[1]][0]
            pop.dele(1)
            pop.quit()
            imap.create("Old")
            imap.append("Old", None, None, messages[0])
            imap.delete("Old")
            server.merpati("compact")
            listing = json.loads(server.merpati("undelete", "budi", "--list", "--json").stdout)
            self.assertEqual(listing["total"], 3)
            self.assertEqual(sorted(m["mailbox"] for m in listing["messages"]), ["INBOX", "INBOX", "Old"])
            self.assertIn("Tester 1", " ".join(m["from"] for m in listing["messages"]))
            self.assertEqual(server.quota("budi")["kept"]["usage"], sum(m["size"] for m in listing["messages"]))
            self.assertIn(b"kept for undelete", server.merpati("quota", "show", "budi").stdout)
            self.assertEqual(imap.select()[1], [b"4"])
            server.merpati("undelete", "budi", "--mailbox", "INBOX", "--uid", "2")
            imap.noop()
            self.assertEqual(imap.response("EXISTS")[1][-1], b"5")
            uid = imap.uid("SEARCH", "KEYWORD", "$Work")[1][0]
            self.assertEqual(int(uid), 7)
            data = imap.uid("FETCH", uid, "(FLAGS BODY.PEEK[])")[1][0]
            self.assertEqual(data[1], body)
            self.assertIn(b"\\Seen", data[0])
            self.assertNotIn(b"\\Deleted", data[0])
            server.stop()
            done = json.loads(server.merpati("undelete", "budi", "--json").stdout)
            self.assertEqual(done["mailboxes"], {"INBOX": 1, "Old": 1})
            server.start()
            pop = poplib.POP3("127.0.0.1", server.ports["pop3"])
            pop.user("budi")
            pop.pass_(harness.PASSWORD)
            self.assertIn(gone, [line.split()[1] for line in pop.uidl()[1]])
            pop.quit()
            self.assertEqual(server.check()["problems"], [])
            self.assertEqual(server.merpati("undelete", "budi", "--since", "13 o'clock", check=False).returncode, 64)


if __name__ == "__main__":
    unittest.main()
