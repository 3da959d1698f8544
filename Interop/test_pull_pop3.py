"""`merpati pull pop3` against Dovecot and Merpati: every message at home byte for byte, the server as the policy says."""

import collections
import stat
import unittest

import clients
import dovecot
import harness
import home
from harness import digest

FEW = 200


def same(test, expected, fetched):
    """Equal as multisets, line ends apart."""
    want, have = (collections.Counter(map(digest, side)) for side in (expected, fetched))
    test.assertEqual(sum((want - have).values()), 0, "missing")
    test.assertEqual(sum((have - want).values()), 0, "there, and never sent")


class FromDovecot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = dovecot.Dovecot().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def filled(self, user, messages):
        self.server.fill(user, messages)
        return f"pop3://{user}@127.0.0.1:{self.server.pop3}"

    def test_whole_corpus_comes_home_and_leaves_the_server_empty(self):
        mail = [raw for _, raw in harness.corpus()] or harness.made(600)
        url = self.filled("corpus", mail)
        expected = home.drop(self.server.pop3, "corpus")
        self.assertEqual(len(expected), len(mail))
        with home.Home() as person:
            box = person.folder / "Mail"
            done = person.run("pull", "pop3", url, "--to", f"maildir:{box}")
            same(self, expected, home.maildir(box))
            self.assertEqual(home.leftovers(box), [])
            self.assertEqual(home.count(self.server.pop3, "corpus"), 0, done.stderr)
            print(f"  {len(mail)} messages from Dovecot by POP3, each byte for byte; 0 left on the server")
            again = person.run("pull", "pop3", url, "--to", f"maildir:{box}")
            self.assertEqual(len(home.maildir(box)), len(mail), again.stderr)

    def test_kept_mail_is_not_fetched_twice(self):
        url = self.filled("keep", harness.mail(FEW))
        expected = home.drop(self.server.pop3, "keep")
        with home.Home() as person:
            box = person.folder / "Mail"
            for _ in range(2):
                person.run("pull", "pop3", url, "--to", f"maildir:{box}", "--keep")
                same(self, expected, home.maildir(box))
            self.assertEqual(home.count(self.server.pop3, "keep"), FEW)
            self.server.fill("keep", harness.made(3, seed=99))

    def test_keep_days_keeps_what_is_young(self):
        url = self.filled("days", harness.mail(20))
        with home.Home() as person:
            box = person.folder / "Mail"
            person.run("pull", "pop3", url, "--to", f"maildir:{box}", "--keep-days", "7")
            self.assertEqual(home.count(self.server.pop3, "days"), 20)
            self.assertEqual(len(home.maildir(box)), 20)

    def test_mbox(self):
        url = self.filled("mbox", harness.mail(FEW))
        expected = home.drop(self.server.pop3, "mbox")
        with home.Home() as person:
            file = person.folder / "inbox.mbox"
            person.run("pull", "pop3", url, "--to", f"mbox:{file}")
            fetched = home.mbox(file)
            self.assertEqual(len(fetched), FEW)
            same(self, [m.rstrip(b"\r\n") for m in expected], [m.rstrip(b"\r\n") for m in fetched])
            self.assertEqual(home.count(self.server.pop3, "mbox"), 0)

    def test_mda(self):
        url = self.filled("mda", harness.mail(30))
        expected = home.drop(self.server.pop3, "mda")
        with home.Home() as person:
            script = person.folder / "mda"
            script.write_text('#!/bin/sh\nd="$1"; f=$(mktemp "$d/tmp.XXXXXX") && cat >"$f" && mv "$f" "$f.eml"\n')
            script.chmod(script.stat().st_mode | stat.S_IEXEC)
            (person.folder / "out").mkdir()
            person.run("pull", "pop3", url, "--to", f"mda:{script} {person.folder}/out")
            same(self, expected, [f.read_bytes() for f in (person.folder / "out").glob("*.eml")])
            self.assertEqual(home.count(self.server.pop3, "mda"), 0)

    def test_a_failing_mda_costs_no_mail(self):
        url = self.filled("badmda", harness.mail(5))
        with home.Home() as person:
            done = person.run("pull", "pop3", url, "--to", "mda:cat >/dev/null; exit 75", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(home.count(self.server.pop3, "badmda"), 5)

    def test_lmtp_and_store(self):
        with harness.Server() as target, home.Home() as person:
            target.add_account("budi")
            target.add_account("sari")
            for user, to in (
                ("tolmtp", f"lmtp:127.0.0.1:{target.ports['lmtp']}"), ("tostore", f"store:{target.data}/sari"),
            ):
                url = self.filled(user, harness.mail(FEW))
                expected = home.drop(self.server.pop3, user)
                person.run("pull", "pop3", url, "--to", to, "--recipient", "budi")
                _, fetched = clients.python_imap(target, "budi" if user == "tolmtp" else "sari", None)
                if user == "tolmtp":
                    missing, extra = harness.compare(expected, fetched)
                    self.assertEqual((missing, extra), ([], []))
                else:
                    same(self, [harness.line_ends(m) for m in expected], fetched)
                self.assertEqual(home.count(self.server.pop3, user), 0)
            self.assertEqual(target.check()["problems"], [])

    def test_a_stopped_server_is_no_reason_to_lose_the_store(self):
        """`--to store:` works on the folder itself when no server runs."""
        target = harness.Server()
        try:
            target.add_account("alone")
            url = self.filled("alone", harness.mail(20))
            expected = home.drop(self.server.pop3, "alone")
            with home.Home() as person:
                person.run("pull", "pop3", url, "--to", f"store:{target.data}/alone")
            target.start()
            _, fetched = clients.python_imap(target, "alone", None)
            same(self, [harness.line_ends(m) for m in expected], fetched)
        finally:
            target.destroy()

    def test_several_accounts_by_configuration(self):
        with home.Home() as person:
            lines = ["defaults:", "  allow-cleartext-login: true", "  password-environment: MERPATI_PASSWORD", "accounts:"]
            for name in ("one", "two", "three"):
                url = self.filled(name, harness.made(25, seed=len(name)))
                lines += [f"  - name: {name}", f"    url: {url}", f"    to: maildir:{person.folder}/{name}"]
            config = person.folder / "pull.yaml"
            config.write_text("\n".join(lines) + "\n")
            person.run("pull", "--config", config)
            for name in ("one", "two", "three"):
                self.assertEqual(len(home.maildir(person.folder / name)), 25, name)
            self.filled("two", harness.made(3, seed=77))
            self.filled("three", harness.made(3, seed=78))
            person.run("pull", "--config", config, "two")
            self.assertEqual(len(home.maildir(person.folder / "two")), 28)
            self.assertEqual(len(home.maildir(person.folder / "three")), 25)

    def test_wrong_password(self):
        url = self.filled("wrong", harness.made(2))
        with home.Home(password="not-it-7") as person:
            done = person.run("pull", "pop3", url, "--to", f"maildir:{person.folder}/Mail", check=False)
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertNotIn(b"not-it-7", done.stderr + done.stdout)
            self.assertIn(b"login failed", done.stderr)

    def test_json_events(self):
        url = self.filled("events", harness.made(10))
        with home.Home() as person:
            events = person.events("pull", "pop3", url, "--to", f"maildir:{person.folder}/Mail")
            self.assertEqual(events[0]["event"], "started")
            self.assertEqual(events[-1]["event"], "finished")
            self.assertEqual(events[-1]["done"], 10)


class FromMerpati(unittest.TestCase):
    def test_whole_corpus(self):
        mail = harness.mail(len(harness.corpus()) or 600)
        with harness.Server() as server, home.Home(harness.PASSWORD) as person:
            server.add_account("budi")
            server.deliver("budi", mail)
            box = person.folder / "Mail"
            person.run("pull", "pop3", f"pop3://budi@127.0.0.1:{server.ports['pop3']}", "--to", f"maildir:{box}")
            missing, extra = harness.compare(mail, home.maildir(box))
            self.assertEqual((missing, extra), ([], []))
            quota = server.quota("budi")
            self.assertEqual((quota["storage"]["usage"], quota["messages"]["usage"]), (0, 0))
            print(f"  {len(mail)} messages from Merpati by POP3, each byte for byte; quota used: 0")

    def test_tls_and_pins(self):
        with harness.Server() as server, home.Home(harness.PASSWORD) as person:
            server.add_account("budi")
            server.deliver("budi", harness.made(4))
            url = f"pop3s://budi@127.0.0.1:{server.ports['pop3s']}"
            box = person.folder / "Mail"
            refused = person.run("pull", "pop3", url, "--to", f"maildir:{box}", check=False)
            self.assertEqual(refused.returncode, 77, refused.stderr)
            self.assertIn(b"--fingerprint", refused.stderr)
            pin = refused.stderr.decode().split("--fingerprint")[1].split()[0].strip(".;,'")
            person.run("pull", "pop3", url, "--to", f"maildir:{box}", "--fingerprint", pin)
            self.assertEqual(len(home.maildir(box)), 4)
            wrong = person.run(
                "pull", "pop3", url, "--to", f"maildir:{box}", "--fingerprint", "00" * 32, check=False)
            self.assertEqual(wrong.returncode, 77)
            server.deliver("budi", harness.made(2))
            person.run("pull", "pop3", f"pop3://budi@127.0.0.1:{server.ports['pop3']}", "--to", f"maildir:{box}",
                       "--starttls", "--fingerprint", pin)
            self.assertEqual(len(home.maildir(box)), 6)

    def test_expire_on_retrieve_is_handled(self):
        """A server that deletes what was read (EXPIRE 0): all at home, and nothing lost."""
        with harness.Server() as server, home.Home(harness.PASSWORD) as person:
            server.add_account("budi", "--pop3-expire", "on-retrieve")
            mail = harness.made(40)
            server.deliver("budi", mail)
            box = person.folder / "Mail"
            person.run("pull", "pop3", f"pop3://budi@127.0.0.1:{server.ports['pop3']}", "--to", f"maildir:{box}")
            missing, extra = harness.compare(mail, home.maildir(box))
            self.assertEqual((missing, extra), ([], []))


if __name__ == "__main__":
    unittest.main()
