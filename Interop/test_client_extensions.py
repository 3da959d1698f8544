"""Extensions that mbsync and OfflineIMAP make use of, by a recording of what they say: COMPRESS=DEFLATE both ways, and that what
crosses it is the same mail, also in a second pass over changes."""

import imaplib
import pathlib
import shutil
import tempfile
import unittest

import clients
import harness
import recorder


class ClientExtensions(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="extensions-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = harness.Server()
        self.addCleanup(self.server.destroy)
        self.server.start()
        self.server.add_account("budi")
        self.line = recorder.Recorder(self.server.ports["imap"])
        self.addCleanup(self.line.close)
        # What the functions in `clients` look at of a server.
        self.ports = {"imap": self.line.port}

    def pass_over(self, name, client):
        done, fetched = client(self)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        neutral = [clients.neutral(name, harness.without_trace(message)) for message in fetched]
        self.assertEqual(harness.compare(self.mail, neutral, False), ([], []))

    def two_passes(self, name, client, mail):
        self.mail = mail
        self.server.deliver("budi", mail)
        self.pass_over(name, client)
        # One message goes, one gets a flag, one comes.
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as other:
            other.login("budi", harness.PASSWORD)
            other.select("INBOX")
            other.store("1", "+FLAGS", r"(\Deleted)")
            other.expunge()
            other.store("1", "+FLAGS", r"(\Flagged)")
        fresh = harness.made(1, seed=13)
        self.server.deliver("budi", fresh)
        self.mail = mail[1:] + fresh
        self.pass_over(name, client)
        self.assertEqual(len([file for file in self.folder.rglob("*:2,*F*") if file.is_file()]), 1)

        self.assertTrue(all(conversation.compressed for conversation in self.line.conversations))
        wire = sum(len(conversation.wire[False]) for conversation in self.line.conversations)
        plain = sum(len(conversation.server) for conversation in self.line.conversations)
        self.assertLess(wire, plain)
        print(f"  {name}: uses {' '.join(sorted(self.line.used()))}; {plain} octets in {wire}", flush=True)

    @unittest.skipUnless(shutil.which("mbsync"), "needs mbsync")
    def test_mbsync_compresses(self):
        """Built with zlib, it does so by itself."""
        def client(peer):
            config = self.folder / "mbsyncrc"
            if not config.exists():
                return clients.mbsync(peer, "budi", self.folder)
            config.write_text(config.read_text().replace("SyncState *", "Expunge Both\nSyncState *"))
            done = clients.run(["mbsync", "-c", str(config), "-a"], self.folder)
            return done, clients.without_tuid(clients.maildir(self.folder / "near" / "INBOX"))
        self.two_passes("mbsync", client, harness.made(150, seed=12))

    @unittest.skipUnless(shutil.which("offlineimap"), "needs OfflineIMAP")
    def test_offlineimap_compresses(self):
        """Where `usecompression` is on. Small messages: what inflates to more than 32 KiB at once leaves imaplib2 waiting for octets
        that it holds already (it asks the socket for more before it looks at its inflater)."""
        mail = [message for message in harness.made(150, seed=12) if len(message) < 16_000]
        self.assertGreater(len(mail), 100)
        self.two_passes("offlineimap", lambda peer: clients.offlineimap(peer, "budi", self.folder, "usecompression = yes"), mail)


if __name__ == "__main__":
    unittest.main()
