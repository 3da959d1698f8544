"""`merpati pull pop3` where things are not as they should be: disks that are not there, odd servers, closed outputs, signals."""

import imaplib
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import dovecot
import hostile
import home
from harness import binary


def letter(number, body="text"):
    return (f"Message-ID: <{number}@example.org>\r\nFrom: a@example.org\r\nSubject: {number}\r\n\r\n{body}\r\n").encode()


def letters(count):
    return [(f"u{n}", letter(n)) for n in range(1, count + 1)]


class Places(unittest.TestCase):
    """What is at home has to be there still when it is deleted on the server."""

    def test_nothing_is_deleted_when_the_maildir_is_gone(self):
        with hostile.Drop(letters(5)) as server, home.Home() as person:
            box = person.folder / "disk" / "Mail"
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            person.run(*to, "--keep")
            self.assertEqual(len(home.maildir(box)), 5)
            shutil.rmtree(person.folder / "disk")  # As when its disk is not mounted.
            done = person.run(*to, check=False)
            at_home = len(home.maildir(box)) if box.exists() else 0
            self.assertGreaterEqual(len(server.mail) + at_home, 5, done.stderr)
            self.assertNotEqual(done.returncode, 0)

    def test_nothing_is_deleted_when_another_maildir_stands_there(self):
        with hostile.Drop(letters(5)) as server, home.Home() as person:
            box = person.folder / "Mail"
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            person.run(*to, "--keep")
            box.rename(person.folder / "old")
            for sub in ("cur", "new", "tmp"):
                (box / sub).mkdir(parents=True)
            done = person.run(*to, check=False)
            self.assertEqual((len(server.mail), done.returncode != 0), (5, True), done.stderr)
            shutil.rmtree(box)
            (person.folder / "old").rename(box)
            person.run(*to)
            self.assertEqual((len(server.mail), len(home.maildir(box))), (0, 5))

    def test_nothing_is_deleted_when_the_mbox_is_gone(self):
        with hostile.Drop(letters(5)) as server, home.Home() as person:
            file = person.folder / "inbox"
            to = ("pull", "pop3", server.url(), "--to", f"mbox:{file}")
            person.run(*to, "--keep")
            file.unlink()
            done = person.run(*to, check=False)
            self.assertEqual((len(server.mail), done.returncode != 0), (5, True), done.stderr)

    def test_mail_that_was_read_and_moved_is_deleted_all_the_same(self):
        with hostile.Drop(letters(5)) as server, home.Home() as person:
            box = person.folder / "Mail"
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            person.run(*to, "--keep")
            for file in (box / "new").iterdir():
                file.unlink()
            person.run(*to)
            self.assertEqual((len(server.mail), len(home.maildir(box))), (0, 0))

    def test_a_relative_target_of_a_configuration_is_one_place(self):
        with hostile.Drop(letters(3)) as server, home.Home() as person:
            config = person.folder / "pull.yaml"
            config.write_text(
                "accounts:\n  - name: one\n    url: " + server.url() + "\n    to: maildir:Mail\n    policy: keep\n"
                "    password-environment: MERPATI_PASSWORD\n")
            (person.folder / "elsewhere").mkdir()
            for folder in (person.folder, person.folder / "elsewhere"):
                done = subprocess.run(
                    [binary(), "pull", "--config", str(config)], cwd=folder, env=person.environment, capture_output=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(home.maildir(person.folder / "Mail")), 3)
            self.assertFalse((person.folder / "elsewhere" / "Mail").exists())

    def test_one_place_written_in_two_ways(self):
        with hostile.Drop(letters(3)) as server, home.Home() as person:
            for path in ("Mail", "./Mail", f"{person.folder}//./Mail/"):
                done = subprocess.run(
                    [binary(), "pull", "pop3", server.url(), "--keep", "--to", f"maildir:{path}"], cwd=person.folder,
                    env=person.environment, capture_output=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(home.maildir(person.folder / "Mail")), 3)


class OddServers(unittest.TestCase):
    def test_equal_messages_under_different_uidls_both_come_home(self):
        with hostile.Drop([("a", letter(1)), ("b", letter(1)), ("c", letter(2))]) as server, home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (3, 0))

    def test_one_uidl_for_two_messages(self):
        with hostile.Drop([("a", letter(1)), ("a", letter(2)), ("c", letter(3))]) as server, home.Home() as person:
            box = person.folder / "Mail"
            for _ in range(2):
                person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", "--keep")
                self.assertEqual((len(home.maildir(box)), len(server.mail)), (3, 3))
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (3, 0))

    def test_all_uidls_changed(self):
        with hostile.Drop(letters(20)) as server, home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", "--keep")
            server.mail = [[f"other{n}", m] for n, (_, m) in enumerate(server.mail)]
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", "--keep")
            self.assertEqual(len(home.maildir(box)), 20)
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}")
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (20, 0))

    def test_sizes_that_lie(self):
        with hostile.Drop(letters(6)) as server, home.Home() as person:
            server.sizes = {"u1": 0, "u2": 1, "u3": 2**40, "u4": 9_000_000_000_000_000_000, "u5": 100}
            box = person.folder / "Mail"
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", "--keep")
            server.sizes = {"u1": 77}
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", "--keep")
            self.assertEqual(len(home.maildir(box)), 6)

    def test_expire_0_with_a_message_that_cannot_be_read(self):
        with hostile.Drop(letters(6)) as server, home.Home() as person:
            server.capabilities.append("EXPIRE 0")
            server.hides_retrieved = True
            server.refused = {"u3"}
            box = person.folder / "Mail"
            person.run("pull", "pop3", server.url(), "--to", f"maildir:{box}", check=False)
            self.assertEqual(len(home.maildir(box)), 5)
            self.assertEqual([u for u, _ in server.mail], ["u3"])

    def test_expire_0_and_keep(self):
        with hostile.Drop(letters(6)) as server, home.Home() as person:
            server.capabilities.append("EXPIRE 0")
            server.hides_retrieved = True
            for _ in range(2):
                person.run("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/Mail", "--keep")
                self.assertEqual((len(server.mail), len(home.maildir(person.folder / "Mail"))), (6, 6))

    def test_messages_that_fail_do_not_stand_in_the_way(self):
        with hostile.Drop(letters(6)) as server, home.Home() as person:
            server.refused = {"u1", "u2"}
            box = person.folder / "Mail"
            done = person.run(
                "pull", "pop3", server.url(), "--to", f"maildir:{box}", "--commit-every", "2", check=False)
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertEqual((len(home.maildir(box)), [u for u, _ in server.mail]), (4, ["u1", "u2"]))

    def test_nothing_of_the_server_plays_with_the_terminal(self):
        with hostile.Drop([("e\x1b[2Jvil\x9b", letter(1)), ("x", letter(2))]) as server, home.Home() as person:
            server.refused = {"e\x1b[2Jvil\x9b"}
            done = person.run("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/Mail", check=False)
            self.assertEqual(done.returncode, 75)
            self.assertIn(b"not ", done.stderr)
            text = done.stderr.decode()
            self.assertEqual([c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)], [], text)


    def test_a_server_that_repeats_the_password_does_not_make_it_public(self):
        with hostile.Drop(letters(2)) as server, home.Home(password="geheim-3") as person:
            server.echoes = True
            done = person.run("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/M", "--json", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertFalse(b"geheim-3" in done.stdout + done.stderr)
            self.assertNotIn(b"Fatal", done.stderr)

    def test_a_journal_that_is_none_deletes_nothing(self):
        with hostile.Drop(letters(4)) as server, home.Home() as person:
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/M")
            person.run(*to, "--keep")
            (journal,) = (person.folder / "state").rglob("*.sqlite")
            journal.write_bytes(b"no journal " * 5000)
            done = person.run(*to, check=False)
            self.assertEqual((done.returncode, len(server.mail), server.asked("DELE")), (74, 4, []), done.stderr)

    def test_targets_that_keep_nothing(self):
        with hostile.Drop(letters(4)) as server, home.Home() as person:
            for to in ("mbox:/dev/null", "mbox:/dev/full", "maildir:/dev/null"):
                done = person.run("pull", "pop3", server.url(), "--to", to, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(server.asked("DELE"), [], to)
                self.assertNotIn(b"Fatal", done.stderr)


class Unread(unittest.TestCase):
    def test_unread_mail_is_never_deleted_whatever_its_message_id(self):
        names = ("<1@x>", "<a b@x>", "comment <3@x> (more)", "none@x", "<5@x>\r\n <second@x>", "<very\r\n long@x>")
        mail = [f"Message-ID: {n}\r\nFrom: a@b\r\nSubject: {i}\r\n\r\n{'x' * 60}\r\n".encode() for i, n in enumerate(names)]
        # Otherwise this server marks as read what is fetched.
        with dovecot.Dovecot("protocol pop3 {\n  pop3_no_flag_updates = yes\n}\n") as server, home.Home() as person:
            server.fill("unread", mail)
            to = ("pull", "pop3", f"pop3://unread@127.0.0.1:{server.pop3}", "--to", f"maildir:{person.folder}/Mail",
                  "--keep-under", "1", "--quota", "1000", "--quota-from", f"imap://unread@127.0.0.1:{server.port}")
            for _ in range(2):
                person.run(*to)
                self.assertEqual(home.count(server.pop3, "unread"), len(mail))
            with imaplib.IMAP4("127.0.0.1", server.port) as reader:
                reader.login("unread", "pass")
                reader.select("INBOX")
                reader.uid("store", "1:2", "+FLAGS", "(\\Seen)")
            person.run(*to)
            self.assertEqual(home.count(server.pop3, "unread"), len(mail) - 2)


    def test_what_was_unread_before_we_fetched_it_stays_where_the_server_marks_it(self):
        """Dovecot as it comes marks as read what POP3 fetches: its IMAP side says so at the second run."""
        mail = [f"Message-ID: <{n}@x>\r\nFrom: a@b\r\nSubject: {n}\r\n\r\n{'x' * 60}\r\n".encode() for n in range(8)]
        with dovecot.Dovecot() as server, home.Home() as person:
            server.fill("marks", mail)
            with imaplib.IMAP4("127.0.0.1", server.port) as reader:
                reader.login("marks", "pass")
                reader.select("INBOX")
                reader.uid("store", "1:3", "+FLAGS", "(\\Seen)")
            to = ("pull", "pop3", f"pop3://marks@127.0.0.1:{server.pop3}", "--to", f"maildir:{person.folder}/Mail",
                  "--keep-under", "1", "--quota", "1000", "--quota-from", f"imap://marks@127.0.0.1:{server.port}")
            person.run(*to)
            self.assertEqual(home.count(server.pop3, "marks"), 5)
            with imaplib.IMAP4("127.0.0.1", server.port) as reader:
                reader.login("marks", "pass")
                reader.select("INBOX", readonly=True)
                self.assertEqual(reader.search(None, "UNSEEN")[1], [b""], "this server does not mark")
            for _ in range(2):
                done = person.run(*to)
                self.assertEqual(home.count(server.pop3, "marks"), 5)
                self.assertIn(b"pop3_no_flag_updates", done.stderr)
            print("  Dovecot marks at QUIT: 5 of 8 were unread before, and stay")


class Commands(unittest.TestCase):
    def test_a_delivery_command_inherits_no_secret_and_no_open_file(self):
        with hostile.Drop(letters(2)) as server, home.Home(password="geheim-1") as person:
            out = person.folder / "out"
            person.run("pull", "pop3", server.url(), "--to", f"mda:cat >/dev/null; env >{out}; ls -l /proc/self/fd >>{out}")
            text = out.read_text()
            self.assertFalse("geheim-1" in text)
            self.assertFalse("socket:" in text)
            self.assertFalse("sqlite" in text)
            self.assertFalse("anon_inode" in text)

    def test_the_variable_a_configuration_names_is_not_inherited_either(self):
        with hostile.Drop(letters(2)) as server, home.Home() as person:
            out, config = person.folder / "out", person.folder / "pull.yaml"
            config.write_text(
                f"accounts:\n  - name: one\n    url: {server.url()}\n    to: 'mda:cat >/dev/null; env >{out}'\n"
                "    password-environment: MY_SECRET\n")
            person.run("pull", "--config", config, environment={"MY_SECRET": "geheim-2"})
            self.assertFalse("geheim-2" in out.read_text())


class Ends(unittest.TestCase):
    def interrupted(self, number, *more):
        with hostile.Drop(letters(600)) as server, home.Home() as person:
            server.silent_after = 400
            box = person.folder / "Mail"
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{box}", *more)
            process = person.start(*to)
            for _ in range(400):
                if len(home.maildir(box)) >= 256 if box.exists() else False:
                    break
                time.sleep(0.05)
            time.sleep(0.3)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
            before = len(home.maildir(box))
            self.assertEqual(process.returncode, 75, err)
            self.assertNotIn(b"Fatal", err)
            self.assertGreaterEqual(before, 256)
            self.assertEqual(home.leftovers(box), [])
            self.assertEqual(len(server.mail), 600)
            server.silent_after = None
            server.log.clear()
            person.run(*to)
            self.assertEqual(len(server.asked("RETR")), 600 - before)
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (600, 0))
            return out, err

    def test_sigint_ends_cleanly(self):
        _, err = self.interrupted(signal.SIGINT)
        self.assertIn(b"cancelled", err)

    def test_sigterm_ends_cleanly(self):
        out, _ = self.interrupted(signal.SIGTERM, "--json")
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(events[-1]["event"], "failed")

    def closed(self, redirection):
        with hostile.Drop(letters(300)) as server, home.Home() as person:
            box = person.folder / "Mail"
            server.refused = {"u7"}
            done = subprocess.run(
                ["/bin/sh", "-c", f'exec "$0" pull pop3 {server.url()} --to maildir:{box} --json {redirection}', binary()],
                env=person.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (299, 1))
            for message in home.maildir(box):
                self.assertTrue(message.startswith(b"Message-ID"), message)
            for file in (person.folder / "state").rglob("*.lock"):
                self.assertNotIn(b"event", file.read_bytes())

    def test_closed_outputs(self):
        self.closed(">&- 2>&-")
        self.closed("<&- >&- 2>&-")

    def test_full_and_broken_outputs(self):
        self.closed(">/dev/full 2>/dev/full")
        with hostile.Drop(letters(300)) as server, home.Home() as person:
            box = person.folder / "Mail"
            reading, writing = os.pipe()
            os.close(reading)
            process = subprocess.Popen(
                [binary(), "pull", "pop3", server.url(), "--to", f"maildir:{box}", "--json"], env=person.environment,
                stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE)
            os.close(writing)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
            self.assertEqual((len(home.maildir(box)), len(server.mail)), (300, 0))

    def test_failures_are_told_before_the_end(self):
        with hostile.Drop(letters(3)) as server, home.Home() as person:
            server.refused = {"u2"}
            done = person.run("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/M", "--json", check=False)
            events = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(events[-1]["event"], "finished")
            self.assertTrue(any(e["event"] == "warning" and "u2" in e["text"] for e in events))

    def test_two_runs_at_once(self):
        with hostile.Drop(letters(300)) as server, home.Home() as person:
            server.silent_after = 10
            to = ("pull", "pop3", server.url(), "--to", f"maildir:{person.folder}/Mail")
            first = person.start(*to)
            server.connected.wait(20)
            second = person.run(*to, check=False)
            first.kill()
            first.communicate()
            self.assertEqual(second.returncode, 75, second.stderr)
            self.assertIn(str(first.pid).encode(), second.stderr)

    def test_what_cannot_be_meant_is_refused(self):
        with home.Home() as person:
            for more, code in (
                (("--keep-days", "-1"), 64), (("--keep-days", "99999999999999999999"), 64), (("--keep-under", "0"), 64),
                (("--keep-under", "101"), 64), (("--keep-under", "50"), 64), (("--keep", "--delete"), 64),
                (("--quota", "lots"), 64), (("--commit-every", "0"), 64), (("--fingerprint", "12"), 64),
            ):
                done = person.run("pull", "pop3", "pop3://a@127.0.0.1:1", "--to", "maildir:/nonexistent/x", *more, check=False)
                self.assertEqual(done.returncode, code, (more, done.stderr))
                self.assertNotIn(b"Fatal", done.stderr)
            done = person.run("pull", "pop3", "pop3://a@127.0.0.1:1", "--to", "maildir:/proc/x", check=False)
            self.assertIn(done.returncode, (73, 74), done.stderr)
            for text in ("", "accounts: []", "accounts: 7", "\x00", "a: [", "accounts:\n - url: [1]\n", "- x"):
                config = person.folder / "c.yaml"
                config.write_text(text)
                done = person.run("pull", "--config", config, check=False)
                self.assertEqual(done.returncode, 78, (text, done.stderr))
            done = person.run("pull", "--config", person.folder, check=False)
            self.assertEqual(done.returncode, 78, done.stderr)


if __name__ == "__main__":
    unittest.main()
