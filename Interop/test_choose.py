"""`merpati choose`: measures without changing anything, and recommends with the mailbox's own numbers."""

import json
import unittest

import dovecot
import harness
import home
from harness import PASSWORD
from test_pull_imap import session


def state(port, user, password):
    """All that a reader could have changed."""
    with session(port, user, password) as connection:
        connection.select("INBOX", readonly=True)
        # \\Recent goes with any login by POP3, on servers that give it.
        flags = [line.replace(b"\\Recent", b"").replace(b" )", b")") for line in connection.uid("FETCH", "1:*", "(UID FLAGS)")[1]]
        return flags, connection.list()[1], connection.lsub()[1]


class Choose(unittest.TestCase):
    def test_remote_imap_and_pop3_stay_as_they_are(self):
        with dovecot.Dovecot() as there, harness.Server() as here:
            mail = harness.mail(150)
            there.fill("budi", mail)
            here.add_account("budi", "--quota", "20M")
            here.deliver("budi", mail)
            for name, imap, pop3, password in (
                ("Dovecot", there.port, there.pop3, "pass"),
                ("Merpati", here.ports["imap"], here.ports["pop3"], PASSWORD),
            ):
                with self.subTest(name), home.Home(password) as person:
                    before = state(imap, "budi", password)
                    report = person.json("choose", f"imap://budi@127.0.0.1:{imap}")
                    by_pop3 = person.json("choose", f"pop3://budi@127.0.0.1:{pop3}")
                    self.assertEqual(state(imap, "budi", password), before, "choose changed something")
                    self.assertEqual(home.count(pop3, "budi", password), 150)
                    text = json.dumps(report)
                    self.assertIn("150", text)
                    self.assertIn("150", json.dumps(by_pop3))
                    shown = person.run("choose", f"imap://budi@127.0.0.1:{imap}").stdout.decode()
                    self.assertIn("POP3", shown)
                    self.assertLessEqual(max(map(len, shown.splitlines())), 100)

    def test_local_account_and_chart(self):
        with harness.Server() as here, home.Home() as person:
            here.add_account("budi", "--quota", "2M")
            here.deliver("budi", harness.made(60))
            chart = person.folder / "chart.svg"
            page = person.folder / "chart.html"
            person.run("choose", "--data", here.data, "--account", "budi", "--chart", chart)
            person.run("choose", "--data", here.data, "--account", "budi", "--chart", page)
            self.assertTrue(chart.read_text().startswith("<svg"))
            self.assertIn("<title>", page.read_text())

    def test_an_empty_mailbox(self):
        with dovecot.Dovecot() as there, home.Home() as person:
            there.fill("kosong", [])
            shown = person.run("choose", f"imap://kosong@127.0.0.1:{there.port}").stdout.decode()
            self.assertTrue(shown.strip())


if __name__ == "__main__":
    unittest.main()
