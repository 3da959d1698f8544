"""`pull imap --watch`: NOTIFY tells of every folder over one waiting connection (Dovecot), IDLE of INBOX where there is none
(Merpati), and both through TLS with a pinned certificate. Full passes come every five minutes; what is here within one was
heard of."""

import contextlib
import hashlib
import imaplib
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
import unittest

import dovecot
import harness
import home
import relay

PATIENCE = 90  # seconds; well under the five minutes between two passes


class Watch(unittest.TestCase):
    @contextlib.contextmanager
    def watching(self, person, url, *more):
        """A daemon at work; waits until its first pass is done."""
        self.box = person.folder / "Mail"
        process = person.start("pull", "imap", url, "--to", f"maildir:{self.box}", "--watch", "--json", *more)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
        reader.start()
        try:
            self.until(lambda: any(b'"finished"' in line for line in lines) or process.poll() is not None)
            self.assertIsNone(process.poll(), lines)
            yield process
            self.assertIsNone(process.poll(), "it ended by itself")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)
            reader.join(10)
            process.stdout.close()
            process.stderr.close()
        self.assertEqual(process.returncode, 0)

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            self.assertLess(time.monotonic(), deadline, "it was not heard of")
            time.sleep(0.05)

    def heard(self, session, folder, seed):
        """How long a message takes from APPEND into the local folder, in seconds."""
        message = harness.made(1, seed=seed)[0]
        begun = time.monotonic()
        self.assertEqual(session.append(folder, None, None, message)[0], "OK")
        local = self.box if folder == "INBOX" else self.box / f".{folder}"
        wanted = harness.digest(message)
        self.until(lambda: wanted in map(harness.digest, home.maildir(local)))
        return time.monotonic() - begun

    def session(self, port, user, password="pass"):
        session = imaplib.IMAP4("127.0.0.1", port)
        session.login(user, password)
        return session

    def test_notify_hears_of_other_folders(self):
        said = bytearray()
        with dovecot.Dovecot() as server, home.Home() as person, relay.Relay(server.port, said=said) as line:
            server.fill("budi", harness.made(20))
            with self.session(server.port, "budi") as session:
                for name in ("Second", "Third"):
                    session.create(name)
                with self.watching(person, f"imap://budi@127.0.0.1:{line.port}"):
                    self.until(lambda: b"NOTIFY SET" in said)
                    self.assertRegex(bytes(said), rb"NOTIFY SET \(selected-delayed \(.*\)\) \(personal \(.*MessageNew")
                    times = [self.heard(session, name, 40 + n) for n, name in enumerate(("Second", "Third", "INBOX"))]
                    # One connection listens, however many folders there are; the others work.
                    self.assertEqual(len(re.findall(rb"NOTIFY SET", said)), 1)
                    self.assertLessEqual(len(line.open), 4)
                print("  Dovecot, NOTIFY: heard in", *(f"{t:.2f} s" for t in times))

    def test_notify_hears_of_flags_and_deletions(self):
        with dovecot.Dovecot() as server, home.Home() as person:
            server.fill("budi", harness.made(20))
            with self.session(server.port, "budi") as session:
                session.create("Second")
                for number in range(8):
                    session.append("Second", None, None, harness.made(1, seed=60 + number)[0])
                with self.watching(person, f"imap://budi@127.0.0.1:{server.port}"):
                    second = self.box / ".Second"
                    session.select("Second")
                    session.uid("STORE", "3", "+FLAGS", "(\\Flagged)")
                    self.until(lambda: any("F" in f.name.partition(":2,")[2] for f in (second / "cur").glob("*")))
                    session.uid("STORE", "4", "+FLAGS", "(\\Deleted)")
                    session.expunge()
                    self.until(lambda: len(home.maildir(second)) == 7)
                    session.close()

    def test_idle_where_there_is_no_notify(self):
        with harness.Server() as server, home.Home(harness.PASSWORD) as person:
            server.add_account("budi")
            server.deliver("budi", harness.made(10))
            with self.session(server.ports["imap"], "budi", harness.PASSWORD) as session:
                self.assertNotIn("NOTIFY", session.capabilities)
                with self.watching(person, f"imap://budi@127.0.0.1:{server.ports['imap']}"):
                    print(f"  Merpati, IDLE: heard in {self.heard(session, 'INBOX', 71):.2f} s")
                    # A delivery is heard as well as an APPEND.
                    server.deliver("budi", harness.made(1, seed=72))
                    self.until(lambda: len(home.maildir(self.box)) == 12)

    def test_a_line_that_breaks_is_made_anew(self):
        with dovecot.Dovecot() as server, home.Home() as person, relay.Relay(server.port) as line:
            server.fill("budi", harness.made(5))
            with self.session(server.port, "budi") as session:
                session.create("Second")
                with self.watching(person, f"imap://budi@127.0.0.1:{line.port}"):
                    self.heard(session, "Second", 81)
                    before = line.connections
                    line.drop()
                    # What came while nobody listened is found when somebody does again.
                    self.heard(session, "Second", 82)
                    self.assertGreater(line.connections, before)

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl")
    def test_through_tls_with_a_pinned_certificate(self):
        with home.Home() as person:
            name = str(person.folder / "server")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "2", "-subj", "/CN=another.example", "-keyout", name + ".key", "-out", name + ".crt"],
                check=True, capture_output=True)
            port = dovecot.free_port()
            extra = f"""
ssl = yes
ssl_cert = <{name}.crt
ssl_key = <{name}.key
service imap-login {{
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""
            pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(open(name + ".crt").read())).hexdigest()
            with dovecot.Dovecot(extra) as server:
                server.fill("budi", harness.made(12))
                url = f"imaps://budi@127.0.0.1:{port}"
                refused = person.run("pull", "imap", url, "--to", f"maildir:{person.folder / 'No'}", check=False)
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn(pin.encode(), refused.stderr.replace(b":", b"").lower())
                with self.session(server.port, "budi") as session:
                    session.create("Second")
                    with self.watching(person, url, "--fingerprint", pin):
                        times = [self.heard(session, folder, 90 + n) for n, folder in enumerate(("Second", "INBOX"))]
                    print("  Dovecot, NOTIFY through TLS: heard in", *(f"{t:.2f} s" for t in times))


if __name__ == "__main__":
    unittest.main()
