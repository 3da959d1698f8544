"""The command line as administrators and scripts use it, with and without a server."""

import imaplib
import json
import poplib
import subprocess
import threading
import unittest

import harness


class Commands(unittest.TestCase):
    def test_a_mistyped_folder_is_not_an_empty_store(self):
        """check, list and deliver refuse a folder that holds no store, and leave none behind"""
        server = harness.Server()
        for arguments in (["check"], ["account", "list"], ["quota", "show", "budi"], ["compact"]):
            done = server.merpati(*arguments, check=False)
            self.assertEqual(done.returncode, 78, done)
            self.assertIn(b"no mail store there", done.stderr)
        self.assertEqual(server.merpati("deliver", "budi", stdin=b"x\n", check=False).returncode, 75)
        self.assertFalse(server.data.exists())
        server.destroy()

    def test_many_deliveries_at_once_without_a_server(self):
        """Each waits for the folder; none bounces"""
        server = harness.Server()
        server.add_account("budi")
        codes = []
        workers = [threading.Thread(target=lambda n=n: codes.append(server.merpati(
            "deliver", "budi", stdin=b"Subject: %d\n\nx\n" % n, check=False).returncode)) for n in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(codes, [0] * 6)
        self.assertEqual(server.quota("budi")["messages"]["usage"], 6)
        server.destroy()

    def test_accounts_by_command(self):
        """add, list, set, passwd, remove: alike with and without a server; user errors are sentences with sysexits codes"""
        server = harness.Server()
        for running in (False, True):
            if running:
                server.start()
            server.add_account("Siti@Example.org", "--quota", "5M", "--pop3-expire", "14d")
            accounts = json.loads(server.merpati("account", "list", "--json").stdout)
            self.assertEqual([(a["name"], a["quotaBytes"], a["pop3Expire"]) for a in accounts],
                             [("siti@example.org", 5 << 20, "14d")])
            again = server.merpati("account", "add", "siti@example.org", "--password-stdin", stdin=b"x\n", check=False)
            self.assertEqual((again.returncode, again.stdout), (73, b""))
            self.assertEqual(again.stderr.count(b"\n"), 1)
            server.merpati("account", "set", "siti@example.org", "--quota", "none", "--disable-login")
            account = json.loads(server.merpati("account", "list", "--json").stdout)[0]
            self.assertEqual((account.get("quotaBytes"), account["enabled"]), (None, False))
            server.merpati("deliver", "siti+Archive@example.org", stdin=b"Subject: x\n\nstill taken in\n")
            self.assertEqual(server.quota("siti@example.org")["messages"]["usage"], 1)
            server.merpati("account", "passwd", "siti@example.org", "--password-stdin", stdin=b"neu\n")
            server.merpati("account", "remove", "siti@example.org")
            self.assertEqual(server.merpati("quota", "show", "siti@example.org", check=False).returncode, 67)
        self.assertEqual(server.check()["problems"], [])
        server.destroy()

    def test_sessions_end_with_their_ground(self):
        """Removing or disabling an account or changing its password ends its open sessions, and nobody else's"""
        with harness.Server() as server:
            for change in (["passwd", "NAME", "--password-stdin"], ["set", "NAME", "--disable-login"], ["remove", "NAME"]):
                name = change[0]
                for account in (name, "other" + name):
                    server.add_account(account)
                    server.deliver(account, harness.made(2))
                imap, bystander = (imaplib.IMAP4("127.0.0.1", server.ports["imap"]) for _ in range(2))
                imap.login(name, harness.PASSWORD)
                bystander.login("other" + name, harness.PASSWORD)
                pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=20)
                pop.user(name)
                pop.pass_(harness.PASSWORD)
                server.merpati("account", *[name if word == "NAME" else word for word in change], stdin=b"neu\n")
                with self.assertRaises((imaplib.IMAP4.abort, OSError)):
                    imap.sock.settimeout(20)
                    for _ in range(3):
                        imap.noop()
                with self.assertRaises((poplib.error_proto, OSError)):
                    pop.retr(1)
                    pop.retr(2)
                self.assertEqual(bystander.noop()[0], "OK")
                bystander.logout()

    def test_a_password_is_never_an_argument(self):
        """account add without --password-stdin is refused, so that no password shows in the process list"""
        server = harness.Server()
        done = server.merpati("account", "add", "budi", check=False)
        self.assertEqual(done.returncode, 64)
        server.destroy()

    def test_stops_in_order_as_soon_as_it_is_ready(self):
        """SIGTERM right after 'ready' ends the server as later ones do: with 0, the database folded in and closed"""
        server = harness.Server()
        for _ in range(15):
            server.start()
            server.process.terminate()
            self.assertEqual(server.process.wait(60), 0)
            self.assertFalse((server.data / "volumes/1/mail.sqlite-wal").exists())
        server.destroy()

    def test_help_everywhere(self):
        """--help on every subcommand"""
        for words in ([], ["serve"], ["account"], ["account", "add"], ["account", "list"], ["account", "remove"],
                      ["account", "passwd"], ["account", "set"], ["quota"], ["quota", "show"], ["deliver"], ["check"],
                      ["compact"], ["config"]):
            done = subprocess.run([harness.binary(), *words, "--help"], capture_output=True, timeout=30)
            self.assertEqual(done.returncode, 0, words)
            self.assertIn(b"USAGE", done.stdout)


if __name__ == "__main__":
    unittest.main()
