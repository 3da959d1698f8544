"""Python's IMAPClient against the server, in the clear and with COMPRESS=DEFLATE around its socket: each call is compared with what
must come of it."""

import collections
import datetime
import email
import io
import sys
import unittest

import harness
import lines

PLACE = harness.ROOT / ".build" / "python"  # where `scripts/setup test` puts it
sys.path.insert(0, str(PLACE))
try:
    import imapclient
    from imapclient.exceptions import CapabilityError, IMAPClientError
except ImportError:
    imapclient = None


def letter(subject, text="isi", sender="Ani <ani@example.org>", date="Mon, 02 Nov 2026 10:00:00 +0700", more=""):
    return (f"From: {sender}\r\nTo: Budi <budi@example.org>\r\nSubject: {subject}\r\nDate: {date}\r\n"
            f"Message-ID: <{abs(hash((subject, date)))}@example.org>\r\n{more}\r\n{text}\r\n").encode()


# Subject, text, date, and a reference by subject: (2) answers (1), (4) answers (2); (3) stands alone.
LETTERS = [
    ("zebra", "kuda belang", "Mon, 02 Nov 2026 10:00:00 +0700", None),
    ("Re: zebra", "belang juga", "Tue, 03 Nov 2026 10:00:00 +0700", 0),
    ("anoa", "sapi cebol dari Sulawesi, caf\u00e9", "Sun, 01 Nov 2026 09:00:00 +0000", None),
    ("Re: zebra", "tidak \u9ce9", "Wed, 04 Nov 2026 10:00:00 +0700", 1),
]


def letters():
    made, identities = [], []
    for number, (subject, text, date, answers) in enumerate(LETTERS):
        identities.append(f"<m{number}@example.org>")
        chain, at = [], answers
        while at is not None:
            chain.insert(0, identities[at])
            at = LETTERS[at][3]
        references = f"References: {' '.join(chain)}\r\n" if chain else ""
        made.append((f"From: Penulis {number} <p{number}@example.org>\r\nTo: budi@example.org\r\nSubject: {subject}\r\n"
                     f"Date: {date}\r\nMessage-ID: {identities[-1]}\r\n{references}MIME-Version: 1.0\r\n"
                     f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n").encode())
    return made


class Inflated(io.RawIOBase):
    """`lines.Deflated` as a file, as imaplib reads one."""

    def __init__(self, line):
        self.line, self.rest = line, b""

    def readable(self):
        return True

    def readinto(self, target):
        self.rest = self.rest or self.line.recv(65536)
        count = min(len(target), len(self.rest))
        target[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


@unittest.skipUnless(imapclient, "needs IMAPClient: scripts/setup test")
class InTheClear(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.destroy)
        self.server.start()
        self.server.add_account("budi", "--quota", "10M", "--quota-messages", "1000")
        self.server.deliver("budi", letters())
        self.client = self.connect()

    def connect(self):
        client = imapclient.IMAPClient("127.0.0.1", self.server.ports["imap"], ssl=False, use_uid=True, timeout=60)
        self.addCleanup(client.shutdown)
        client.login("budi", harness.PASSWORD)
        return client

    def test_what_is_offered(self):
        offered = set(self.client.capabilities())
        for name in (b"IMAP4REV1", b"IMAP4REV2", b"CONDSTORE", b"QRESYNC", b"ESEARCH", b"MOVE", b"UIDPLUS", b"SORT", b"IDLE",
                     b"THREAD=REFERENCES", b"THREAD=ORDEREDSUBJECT", b"QUOTA", b"NAMESPACE", b"SPECIAL-USE", b"MULTIAPPEND", b"ID"):
            self.assertIn(name, offered)
        self.assertEqual(list(self.client.namespace().personal), [("", "/")])
        self.assertIn(b"name", self.client.id_({"name": "test"})[0])
        self.assertEqual(self.client.enable("CONDSTORE"), [b"CONDSTORE"])
        with self.assertRaises(CapabilityError):
            self.client.gmail_search("zebra")

    def test_folders(self):
        client = self.client
        kinds = imapclient.imapclient
        for flag, name in ((kinds.SENT, "Sent"), (kinds.TRASH, "Trash"), (kinds.DRAFTS, "Drafts"), (kinds.JUNK, "Junk"),
                           (kinds.ARCHIVE, "Archive")):
            self.assertEqual(client.find_special_folder(flag), name)
        # By its attribute, not by a name that it would guess.
        client.rename_folder("Sent", "Terkirim")
        self.assertEqual(client.find_special_folder(kinds.SENT), "Terkirim")
        self.assertIsNone(client.find_special_folder(kinds.ALL))

        client.create_folder("Proyek/\u00c9t\u00e9 & \u9ce9")
        listed = {name: (flags, delimiter) for flags, delimiter, name in client.list_folders()}
        self.assertEqual(listed["Proyek/\u00c9t\u00e9 & \u9ce9"][1], b"/")
        self.assertIn(b"\\HasChildren", listed["Proyek"][0])
        self.assertTrue(client.folder_exists("Proyek/\u00c9t\u00e9 & \u9ce9"))
        client.subscribe_folder("Proyek/\u00c9t\u00e9 & \u9ce9")
        self.assertIn("Proyek/\u00c9t\u00e9 & \u9ce9", [name for _, _, name in client.list_sub_folders()])
        client.rename_folder("Proyek", "Rencana")
        self.assertEqual([name for _, _, name in client.list_folders("Rencana/", "%")], ["Rencana/\u00c9t\u00e9 & \u9ce9"])
        self.assertFalse(client.folder_exists("Proyek"))
        client.delete_folder("Rencana/\u00c9t\u00e9 & \u9ce9")
        self.assertFalse(client.folder_exists("Rencana/\u00c9t\u00e9 & \u9ce9"))
        with self.assertRaises(IMAPClientError):
            client.select_folder("Tidak ada")

    def test_messages_come_as_they_were_delivered(self):
        selected = self.client.select_folder("INBOX")
        self.assertEqual((selected[b"EXISTS"], selected[b"UIDNEXT"]), (4, 5))
        fetched = self.client.fetch(self.client.search(), ["BODY.PEEK[]", "ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "FLAGS", "INTERNALDATE"])
        self.assertEqual(harness.compare(letters(), [item[b"BODY[]"] for item in fetched.values()]), ([], []))
        for uid, item in fetched.items():
            parsed = email.message_from_bytes(item[b"BODY[]"])
            envelope = item[b"ENVELOPE"]
            self.assertEqual(envelope.subject.decode(), parsed["Subject"])
            self.assertEqual(envelope.message_id.decode(), parsed["Message-ID"])
            self.assertEqual(envelope.from_[0].name.decode(), f"Penulis {uid - 1}")
            self.assertEqual(item[b"BODYSTRUCTURE"][:2], (b"text", b"plain"))
            self.assertEqual(item[b"RFC822.SIZE"], len(item[b"BODY[]"]))
            self.assertNotIn(imapclient.SEEN, item[b"FLAGS"])
        self.assertEqual(self.client.fetch(2, "BODY[TEXT]<0.6>")[2][b"BODY[TEXT]<0>"], b"belang")
        self.assertIn(imapclient.SEEN, self.client.get_flags(2)[2])

    def test_search_sort_and_thread(self):
        client = self.client
        client.select_folder("INBOX", readonly=True)
        for criteria, wanted in ((["SUBJECT", "zebra"], [1, 2, 4]), (["BODY", "BELANG"], [1, 2]), (["TEXT", "caf\u00e9"], [3]),
                                 (["NOT", ["SUBJECT", "zebra"], "UNSEEN"], [3]), (["OR", "BODY", "\u9ce9", "BODY", "cebol"], [3, 4]),
                                 (["SENTSINCE", datetime.date(2026, 11, 3)], [2, 4]), (["UID", "2:3"], [2, 3]), (["BODY", "tiada"], [])):
            self.assertEqual(client.search(criteria, "UTF-8"), wanted, criteria)
        self.assertEqual(client.sort(["SUBJECT", "DATE"]), [3, 1, 2, 4])
        self.assertEqual(client.sort("REVERSE DATE"), [4, 2, 1, 3])
        self.assertEqual(client.sort("REVERSE FROM", ["SUBJECT", "zebra"]), [4, 2, 1])
        self.assertEqual(client.thread("REFERENCES"), ((3,), (1, 2, 4)))
        self.assertEqual(client.thread("ORDEREDSUBJECT", ["SUBJECT", "zebra"]), ((1, (2,), (4,)),))

    def test_flags_and_modification_sequences(self):
        client = self.client
        first = client.select_folder("INBOX")[b"HIGHESTMODSEQ"]
        self.assertEqual(client.folder_status("INBOX", ["HIGHESTMODSEQ", "MESSAGES"]), {b"HIGHESTMODSEQ": first, b"MESSAGES": 4})
        told = client.add_flags([1, 3], [imapclient.FLAGGED, "Penting"])
        self.assertEqual({uid: set(flags) - {imapclient.RECENT} for uid, flags in told.items()},
                         {1: {imapclient.FLAGGED, b"Penting"}, 3: {imapclient.FLAGGED, b"Penting"}})
        changed = client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {first}"])
        self.assertEqual(sorted(changed), [1, 3])
        for item in changed.values():
            self.assertGreater(item[b"MODSEQ"][0], first)
            self.assertEqual(set(item[b"FLAGS"]) - {imapclient.RECENT}, {imapclient.FLAGGED, b"Penting"})
        second = max(item[b"MODSEQ"][0] for item in changed.values())
        client.remove_flags(3, "Penting")
        self.assertEqual(client.search(["MODSEQ", str(second + 1)]), [3])
        self.assertEqual(client.search(["KEYWORD", "Penting"]), [1])
        self.assertEqual(client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {second}"]).keys(), {3})
        # A change that another session made in between is refused: 3 stays as it is, 1 is changed.
        answer = client._imap.uid("STORE", "1,3", f"(UNCHANGEDSINCE {second})", "+FLAGS.SILENT", "(Terlambat)")
        self.assertEqual((answer[0], self.client.search(["KEYWORD", "Terlambat"])), ("OK", [1]))

    def test_mail_is_put_in_moved_and_removed(self):
        client = self.client
        client.create_folder("Arsip")
        when = datetime.datetime(2024, 2, 29, 12, 30, 15, tzinfo=datetime.timezone.utc)
        mine = harness.made(2, seed=77)
        self.assertRegex(client.append("Arsip", mine[0], [imapclient.SEEN, "Lama"], when), rb"APPENDUID \d+ 1\]")
        client.multiappend("Arsip", [mine[1], {"msg": mine[0], "flags": [imapclient.FLAGGED], "date": when}])
        client.select_folder("Arsip")
        fetched = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"])
        self.assertEqual([item[b"BODY[]"] for item in fetched.values()], [mine[0], mine[1], mine[0]])
        flags = [set(item[b"FLAGS"]) - {imapclient.RECENT} for item in fetched.values()]
        self.assertEqual(flags, [{imapclient.SEEN, b"Lama"}, set(), {imapclient.FLAGGED}])
        for uid in (1, 3):
            self.assertEqual(fetched[uid][b"INTERNALDATE"].astimezone(datetime.timezone.utc).replace(tzinfo=datetime.timezone.utc), when)

        client.select_folder("INBOX")
        bodies = {uid: item[b"BODY[]"] for uid, item in client.fetch(client.search(), ["BODY.PEEK[]"]).items()}
        client.move([2, 3], "Arsip")
        self.assertEqual(client.search(), [1, 4])
        client.copy(1, "Arsip")
        self.assertRegex(client._imap.response("COPYUID")[1][-1], rb"^\d+ 1 6$")
        client.delete_messages([1, 4])
        client.uid_expunge(4)
        self.assertEqual(client.search(), [1])
        text, told = client.expunge()
        self.assertIn((1, b"EXPUNGE"), told)
        self.assertEqual(client.search(), [])
        client.unselect_folder()
        client.select_folder("Arsip", readonly=True)
        kept = [item[b"BODY[]"] for item in client.fetch([4, 5, 6], ["BODY.PEEK[]"]).values()]
        self.assertEqual(kept, [bodies[2], bodies[3], bodies[1]])

    def test_idle_tells_what_others_do(self):
        client, other = self.client, self.connect()
        client.select_folder("INBOX")
        other.select_folder("INBOX")
        client.idle()
        heard = []

        def until(wanted):
            for _ in range(120):
                if wanted(heard):
                    return
                heard.extend(client.idle_check(timeout=0.5))
            self.fail(heard)

        self.server.deliver("budi", [letter("baru")])
        until(lambda told: (5, b"EXISTS") in told)
        other.add_flags(2, imapclient.FLAGGED)
        until(lambda told: any(item[:2] == (2, b"FETCH") and imapclient.FLAGGED in dict(zip(item[2][::2], item[2][1::2]))[b"FLAGS"]
                               for item in told))
        other.delete_messages(1)
        other.expunge()
        until(lambda told: (1, b"EXPUNGE") in told)
        text, rest = client.idle_done()
        self.assertEqual(client.search(), [2, 3, 4, 5])
        self.assertEqual(client.noop()[1], [])

    def test_quota(self):
        client = self.client
        roots, quotas = client.get_quota_root("INBOX")
        self.assertEqual(roots.mailbox, "INBOX")
        self.assertEqual(len(roots.quota_roots), 1)
        told = {quota.resource: quota for quota in quotas}
        shown = self.server.quota("budi")
        self.assertEqual((told["STORAGE"].limit, told["MESSAGE"].limit), (10 << 10, 1000))
        self.assertEqual(told["MESSAGE"].usage, len(LETTERS))
        self.assertEqual(told["STORAGE"].usage, -(-shown["storage"]["usage"] // 1024))
        before = told["STORAGE"].usage
        client.append("INBOX", letter("besar", "x" * 60 + ("\r\n" + "x" * 60) * 400))
        after = {quota.resource: quota.usage for quota in client.get_quota("INBOX")}
        self.assertEqual(after["MESSAGE"], len(LETTERS) + 1)
        self.assertIn(after["STORAGE"] - before, (24, 25))
        with self.assertRaises(IMAPClientError):
            client.append("INBOX", letter("terlalu besar", ("y" * 998 + "\r\n") * 11_000))
        self.assertEqual(client.folder_status("INBOX", "MESSAGES")[b"MESSAGES"], len(LETTERS) + 1)

    def test_who_may(self):
        if not self.client.has_capability("ACL"):
            self.skipTest("no ACL here")
        self.server.add_account("siti")
        self.client.create_folder("Bersama")
        rights = dict(self.client.getacl("Bersama"))
        self.assertTrue(set(b"lrswia") <= set(rights[b"budi"]), rights)
        self.client.setacl("Bersama", "siti", "lr")
        self.assertEqual(set(dict(self.client.getacl("Bersama"))[b"siti"]), set(b"lr"))
        # imaplib sends no quotes around nothing, so not by empty rights.
        self.assertEqual(self.client._imap.deleteacl("Bersama", "siti")[0], "OK")
        self.assertNotIn(b"siti", dict(self.client.getacl("Bersama")))


class Compressed(InTheClear):
    """The same in DEFLATE, which IMAPClient does not know of itself."""

    def connect(self):
        client = super().connect()
        imap = client._imap
        self.assertEqual(imap.xatom("COMPRESS", "DEFLATE")[0], "OK")
        line = lines.Deflated(imap.sock)
        imap._file = imap.file = io.BufferedReader(Inflated(line))
        imap.sock = collections.namedtuple("Socket", "sendall close shutdown settimeout")(
            line.sendall, line.inner.close, line.inner.shutdown, line.inner.settimeout)
        self.lines = line
        return client

    # It asks the socket itself whether there is more; octets that are inflated already would be missed.
    test_idle_tells_what_others_do = None

    def test_messages_come_as_they_were_delivered(self):
        super().test_messages_come_as_they_were_delivered()
        self.assertGreater(self.lines.into, self.lines.received)


if __name__ == "__main__":
    unittest.main()
