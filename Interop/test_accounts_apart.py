"""Nobody reaches another account's mail: every command of every protocol, and every control request, is pointed at it.

The lists of commands are those of the sources; a command that is new and not tried here turns a test red."""

import base64
import json
import re
import socket
import unittest

import harness
from harness import PASSWORD, ROOT
from lines import IMAP, LMTP, POP3

MARK = "HANYA-UNTUK-ANA"


def rows(pattern, *path):
    text = ROOT.joinpath("Sources", *path).read_text()
    found = re.findall(pattern, text, re.M)
    assert found, path
    return set(found)


def message(subject):
    return f"From: a@example.org\r\nMessage-ID: <{subject}@example.org>\r\nSubject: {subject}\r\n\r\n{subject}\r\n".encode()


#: What somebody might call another's mailbox, here or on other servers.
NAMES = ("Rahasia", "Rahasia/Dalam", "ana", "ana/INBOX", "ana/Rahasia", "~ana/Rahasia", "#user/ana/INBOX", "user.ana",
         "user/ana/INBOX", "Other Users/ana/INBOX", "../ana/INBOX", "/ana/INBOX", "INBOX/../../ana", "ana@example.org",
         "shared/ana/INBOX", "shared/ANA/Rahasia", "shared/ana", "shared/ana/Rahasia/Dalam", "shared/../ana/INBOX", "Public/INBOX")

#: For each row of the IMAP table what is tried; `{name}` stands for each of NAMES. Selected: budi's INBOX of one message.
IMAP_ATTEMPTS = {
    "append": ["APPEND \"{name}\" {{4+}}\r\nx: y", "APPEND Curian CATENATE (URL \"/{name}/;UID=1\")",
               "APPEND Curian CATENATE (URL \"//ana@localhost/INBOX/;UID=1\")",
               "APPEND Curian CATENATE (URL \"imap://ana@localhost/INBOX/;UID=1/;SECTION=TEXT\")",
               "APPEND Curian CATENATE (URL /INBOX/;UID=2 URL /INBOX/;UID=3)"],
    "authenticate": [],  # see test_acting_as_somebody_else
    "cancelUpdate": ["CANCELUPDATE \"a\""],
    "capability": ["CAPABILITY"],
    "check": ["CHECK"],
    "comparator": ["COMPARATOR", "COMPARATOR i;ascii-casemap", "COMPARATOR default"],
    "compress": [],  # what it changes is the line; see test_compressed_and_unauthenticated
    "close": ["CLOSE", "SELECT INBOX"],
    "copy": ["COPY 1 \"{name}\"", "UID COPY 1:* \"{name}\"", "UID COPY 1:4294967295 Curian"],
    "create": ["CREATE \"{name}\""],
    "delete": ["DELETE \"{name}\""],
    "deleteACL": ["DELETEACL \"{name}\" ana", "DELETEACL \"{name}\" anyone"],
    "enable": ["UNSELECT", "ENABLE IMAP4rev2 UTF8=ACCEPT CONDSTORE QRESYNC METADATA METADATA-SERVER UIDONLY", "NOOP"],
    "esearch": ["ESEARCH IN (mailboxes \"{name}\" subtree \"{name}\") ALL", "ESEARCH IN (personal subscribed) TEXT " + MARK],
    "examine": ["EXAMINE \"{name}\"", "SELECT INBOX"],
    "expunge": ["EXPUNGE", "UID EXPUNGE 1:*"],
    "fetch": ["FETCH 1:* (UID FLAGS ENVELOPE BODY[])", "UID FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])",
              "UID FETCH 1:4294967295 BODY.PEEK[]", "FETCH 2 BODY[]", "FETCH 3 BODY[]",
              "UID FETCH 1:4294967295 (EMAILID THREADID MODSEQ) (CHANGEDSINCE 1)"],
    "genURLAuth": ["GENURLAUTH \"imap://ana@localhost/INBOX/;UID=1;URLAUTH=authuser\" INTERNAL",
                   "GENURLAUTH \"imap://budi@localhost/{name}/;UID=1;URLAUTH=user+budi\" INTERNAL"],
    "getACL": ["GETACL \"{name}\""],
    "getMetadata": ["GETMETADATA (DEPTH infinity) \"{name}\" (/private /shared)", "GETMETADATA (DEPTH infinity) \"\" (/private /shared)"],
    "getQuota": ["GETQUOTA \"\"", "GETQUOTA ana", "GETQUOTA \"ana\"", "GETQUOTA \"User quota:ana\"", "GETQUOTA shared/ana"],
    "getQuotaRoot": ["GETQUOTAROOT \"{name}\""],
    "id": ["ID (\"name\" \"ana\" \"user\" \"ana\")"],
    "idle": ["IDLE\r\nDONE"],
    "language": ["LANGUAGE", "LANGUAGE id", "LANGUAGE i-default"],
    "list": ["LIST \"\" *", "LIST \"\" \"{name}\"", "LIST \"{name}\" *", "LIST ana *", "LIST (SUBSCRIBED) \"\" *",
             "LIST \"\" * RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES))", "LIST \"\" \"~ana/%\"",
             "LIST \"\" shared/ana/* RETURN (MYRIGHTS STATUS (MESSAGES) METADATA (/shared/comment))"],
    "listRights": ["LISTRIGHTS \"{name}\" budi", "LISTRIGHTS \"{name}\" ana"],
    "login": ["LOGIN ana {password}"],
    "logout": [],  # ends the session that tries the others
    "lsub": ["LSUB \"\" *", "LSUB \"{name}\" %"],
    "move": ["UID MOVE 1:* Curian", "MOVE 1 \"{name}\""],
    "myRights": ["MYRIGHTS \"{name}\""],
    "namespace": ["NAMESPACE"],
    "noop": ["NOOP"],
    "notify": ["NOTIFY SET STATUS (mailboxes \"{name}\" (MessageNew MessageExpunge FlagChange MailboxName))",
               "NOTIFY SET STATUS (subtree \"{name}\" (MessageNew MessageExpunge)) (personal (MailboxName SubscriptionChange))",
               "NOTIFY NONE"],
    "rename": ["RENAME \"{name}\" Curian2", "RENAME INBOX \"{name}\""],
    "replace": ["REPLACE 1 \"{name}\" {{4+}}\r\nx: y", "UID REPLACE 2 Curian {{4+}}\r\nx: y", "UID REPLACE 3 Curian {{4+}}\r\nx: y",
                "REPLACE * Curian CATENATE (URL \"/{name}/;UID=1\")"],
    "resetKey": ["RESETKEY \"{name}\"", "RESETKEY"],
    "search": ["SEARCH ALL", "UID SEARCH UID 1:*", "SEARCH EMAILID M1-1", "SEARCH THREADID T1-1", "SEARCH MODSEQ 1",
               "SEARCH SUBJECT " + MARK, "SEARCH TEXT " + MARK],
    "select": ["SELECT \"{name}\"", "ENABLE QRESYNC", "SELECT \"{name}\" (QRESYNC (1 1))", "SELECT INBOX"],
    "setACL": ["SETACL \"{name}\" budi lrswipkxtea", "SETACL \"{name}\" anyone +lr", "SETACL \"{name}\" -ana lrswipkxtea"],
    "setMetadata": ["SETMETADATA \"{name}\" (/shared/comment \"curi\" /private/comment \"curi\")"],
    "setQuota": ["SETQUOTA ana (STORAGE 1)", "SETQUOTA \"\" (STORAGE 999999999)"],
    "sort": ["SORT (SUBJECT) UTF-8 ALL", "UID SORT RETURN (ALL COUNT) (FROM) UTF-8 UID 1:4294967295",
             "SORT (DATE) UTF-8 SUBJECT " + MARK],
    "startTLS": [],  # not while logged in; what it changes is the line
    "status": ["STATUS \"{name}\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE)", "STATUS \"{name}\" (HIGHESTMODSEQ MAILBOXID)"],
    "store": ["STORE 1:* +FLAGS (\\Deleted)", "UID STORE 1:* FLAGS (\\Deleted)", "UID STORE 1:4294967295 +FLAGS (curi)"],
    "subscribe": ["SUBSCRIBE \"{name}\""],
    "thread": ["THREAD REFERENCES UTF-8 ALL", "UID THREAD ORDEREDSUBJECT UTF-8 TEXT " + MARK],
    "unauthenticate": [],  # see test_compressed_and_unauthenticated
    "uid": [],  # with copy, expunge, fetch, move, replace, search, sort, store, thread
    "unselect": ["UNSELECT", "SELECT INBOX"],
    "urlFetch": ["URLFETCH \"imap://ana@localhost/{name}/;UID=1;URLAUTH=authuser:INTERNAL:01" + 64 * "0" + "\"",
                 "URLFETCH \"imap://ana@localhost/INBOX/;UID=1;URLAUTH=user+budi:INTERNAL:01" + 64 * "0" + "\"",
                 "URLFETCH \"imap://ana@localhost/INBOX/;UID=1\" \"/INBOX/;UID=1\"",
                 # A token that is right, of a URL that is ana's alone; and the same token for more than it was given for.
                 "URLFETCH \"{url}\"", "URLFETCH \"{stolen}\""],
    "unsubscribe": ["UNSUBSCRIBE \"{name}\""],
}

POP3_ATTEMPTS = {
    "CAPA": ["CAPA"], "STLS": [], "USER": ["USER ana"], "PASS": ["PASS " + PASSWORD], "AUTH": ["AUTH PLAIN"],
    "UTF8": ["UTF8"], "LANG": ["LANG en"], "STAT": ["STAT"], "LIST": ["LIST", "LIST 2", "LIST 3"],
    "UIDL": ["UIDL", "UIDL 2", "UIDL {uidl}"], "RETR": ["RETR 1", "RETR 2", "RETR 3", "RETR {uidl}", "RETR -1"],
    "TOP": ["TOP 1 100", "TOP 2 100", "TOP {uidl} 1"], "DELE": ["DELE 2", "DELE {uidl}", "DELE 1"], "NOOP": ["NOOP"],
    "RSET": ["RSET"], "QUIT": ["QUIT"],
}

LMTP_ATTEMPTS = {
    "LHLO": ["LHLO ana"], "STARTTLS": [], "MAIL": ["MAIL FROM:<ana>"], "RCPT": ["RCPT TO:<budi+Rahasia>"],
    "DATA": ["DATA"], "BDAT": ["BDAT 0"], "RSET": ["RSET"], "NOOP": ["NOOP ana"],
    "VRFY": ["VRFY ana", "VRFY tiada"], "HELP": ["HELP ana"], "QUIT": ["QUIT"],
}

#: Requests that are about one account, with the fields that could name another's mail. The socket is for administrators,
#: so the account itself may be any; but what is asked of one account must never come from another.
UIDS = [1, 2, 3]
CONTROL_ATTEMPTS = {
    "accountAdd": [{"name": "ana", "password": "lain", "settings": {}}],
    "accountImportHash": [{"name": "ana", "hash": "{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=", "settings": {}}],
    "accountChange": [{"name": "budi", "settings": {"quotaBytes": 1 << 30}}],
    "accountPassword": [{"name": "budi", "password": PASSWORD}],
    "quotaShow": [{"name": "budi"}],
    "choose": [],  # a report of numbers; its mailboxes are those of `mailboxes`
    "deliver": [],  # names no mailbox but the recipient's
    "mailboxes": [{"account": "budi"}],
    "prepareImport": [],  # makes budi's mailbox of that name
    "append": [{"_0": {"account": "budi", "mailbox": "{name}", "ignoringQuota": True, "messages": []}}],
    "describe": [{"account": "budi", "mailbox": "{name}", "after": 0}],
    "fingerprints": [{"account": "budi", "mailbox": "{name}", "uids": UIDS}],
    "read": [{"account": "budi", "mailbox": "{name}", "uids": UIDS}, {"account": "budi", "mailbox": "INBOX", "uids": UIDS}],
    "accessList": [{"account": "budi", "mailbox": "{name}"}],
    "accessChange": [{"account": "budi", "mailbox": "{name}", "identifier": "ana", "rights": "lr"},
                     {"account": "budi", "mailbox": "{name}", "identifier": "anyone", "rights": "lrswipkxtea"}],
    "accountRestore": [{"_0": {"name": "ana", "credentials": "{}", "enabled": True, "pop3Expire": "never"}}],
    "mailboxRestore": [],  # makes budi's mailbox of that name
    "deletedMessages": [{"account": "budi", "filter": {}}, {"account": "budi", "filter": {"mailbox": "{name}", "uids": UIDS}}],
    "undelete": [{"account": "budi", "ignoringQuota": True, "filter": {"mailbox": "{name}", "uids": UIDS}}],
}
#: Nothing to do is no failure; what matters is that ana's state is the same after it.
CONTROL_MAYBE_NOTHING = {"deletedMessages", "undelete", "accountRestore"}
#: For the whole server; they name nobody.
CONTROL_WHOLE = {"accountList", "check", "repair", "scrubStatus", "compact", "expire", "backup", "metadataList", "metadataChange"}
#: Names its account only, and does what it says.
CONTROL_OWN = {"accountRemove"}


class Apart(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server("--set", "auth.failure-delay=0s", "--set", "auth.failures-per-connection=100",
                                     "--set", "store.keep-expunged-days=7")
        self.addCleanup(self.server.destroy)
        self.server.start()
        for name in ("ana", "budi"):
            self.server.add_account(name, password=PASSWORD if name == "budi" else "kata-sandi-ana")
        with IMAP(self.server.ports["imap"]) as peer:
            self.good(peer.login("ana", "kata-sandi-ana"))
            self.good(peer.command("CREATE Rahasia"))
            self.good(peer.command("CREATE Rahasia/Dalam"))
            self.good(peer.command("SUBSCRIBE Rahasia"))
            for box in ("INBOX", "INBOX", "INBOX", "Rahasia"):
                text = message(MARK)
                self.good(peer.command(b"APPEND %s (\\Flagged) {%d+}\r\n%s" % (box.encode(), len(text), text)))
            # And something that she has deleted, to be brought back by nobody else.
            text = message(MARK)
            self.good(peer.command(b"APPEND Rahasia (\\Deleted) {%d+}\r\n%s" % (len(text), text)))
            self.good(peer.command("SELECT Rahasia"))
            self.good(peer.command("EXPUNGE"))
            for box in ("\"\"", "INBOX", "Rahasia"):
                self.good(peer.command(f"SETMETADATA {box} (/private/comment \"{MARK}\" /private/vendor/x/y \"{MARK}\")"))
            # Her own URLs: nobody else may fetch them, whatever they know.
            answer = peer.command("GENURLAUTH \"imap://ana@localhost/INBOX/;UID=1;URLAUTH=user+ana\" INTERNAL")
            self.good(answer)
            self.url = answer[1][0].decode().split(" ")[-1].strip('"')
            self.stolen = self.url.replace("user+ana", "user+budi")
        with IMAP(self.server.ports["imap"]) as peer:
            self.good(peer.login("budi", PASSWORD))
            text = message("punya-budi")
            self.good(peer.command(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text)))
            self.good(peer.command("CREATE Curian"))
        self.before = self.state()

    def good(self, answer):
        self.assertTrue(answer[0].startswith(b"OK"), answer)

    def state(self):
        """All that ana has, as she sees it."""
        with IMAP(self.server.ports["imap"]) as peer:
            self.good(peer.login("ana", "kata-sandi-ana"))
            seen = [peer.command("LIST \"\" * RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN))")[1],
                    peer.command("GETQUOTAROOT INBOX")[1]]
            for box in ("\"\"", "INBOX", "Rahasia"):
                seen.append(peer.command(f"GETMETADATA (DEPTH infinity) {box} (/private /shared)")[1])
            # Her access keys are what they were.
            seen.append(peer.command(f"URLFETCH \"{self.url}\"")[1])
            self.assertIn(MARK.encode(), b"".join(seen[-1]))
            for box in ("INBOX", "Rahasia"):
                self.good(peer.command(f"EXAMINE {box}"))
                seen.append(peer.command("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")[1])
        return seen

    def unharmed(self):
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.server.check()["problems"], [])

    def test_imap(self):
        self.assertEqual(rows(r"^    row\(\.(\w+),", "IMAPServer", "Session", "CommandTable.swift"), set(IMAP_ATTEMPTS))
        for name, attempts in IMAP_ATTEMPTS.items():
            with self.subTest(name), IMAP(self.server.ports["imap"]) as peer:
                self.good(peer.login("budi", PASSWORD))
                self.good(peer.command("SELECT INBOX"))
                for attempt in attempts:
                    for box in NAMES if "{name}" in attempt else ("",):
                        text = attempt.format(name=box, password="kata-sandi-ana", url=self.url, stolen=self.stolen)
                        if "DONE" in text:
                            peer.send("z IDLE\r\nDONE\r\n")
                            completion, untagged = peer.answer("z")
                        else:
                            completion, untagged = peer.command(text)
                        heard = completion + b"".join(untagged)
                        self.assertNotIn(MARK.encode(), heard, text)
                        self.assertNotIn(b"Flagged) UID", heard)
                        if name.endswith(("ACL", "Rights")) and "/" in box:
                            self.assertRegex(completion, rb"^NO \[NONEXISTENT\]", text)
                        if name in ("select", "examine", "status") and box and box not in ("", "INBOX"):
                            self.assertTrue(completion.startswith((b"NO", b"BAD")), (text, heard))
                # What budi made of those names is budi's own, and goes.
                for box in NAMES:
                    peer.command(f'DELETE "{box}"')
                    peer.command(f'UNSUBSCRIBE "{box}"')
            self.unharmed()

    def test_pop3(self):
        table = rows(r'CommandRow\("(\w+)"', "POP3Server", "CommandTable.swift")
        self.assertEqual(table, set(POP3_ATTEMPTS))
        with POP3(self.server.ports["pop3"]) as peer:
            peer.login("ana", "kata-sandi-ana")
            peer.command("UIDL")
            uidl = peer.listing()[0].split()[1].decode()
        for name, attempts in POP3_ATTEMPTS.items():
            with self.subTest(name), POP3(self.server.ports["pop3"]) as peer:
                self.assertTrue(peer.login("budi", PASSWORD).startswith(b"+OK"))
                for attempt in attempts:
                    text = attempt.format(uidl=uidl)
                    peer.send(text + "\r\nNOOP\r\n" if name != "QUIT" else "QUIT\r\n")
                    heard = [peer.line()]
                    if name != "QUIT" and not heard[0].startswith(b"-ERR") and (
                            name in ("CAPA", "RETR", "TOP") or text in ("LIST", "UIDL")):
                        heard += peer.listing()
                    self.assertNotIn(MARK.encode(), b"\n".join(heard), text)
                    if name != "QUIT":
                        self.assertRegex(peer.line(), rb"^\+OK")
                    if re.search(r" (2|3|-1)\b|" + re.escape(uidl), text):
                        self.assertTrue(heard[0].startswith(b"-ERR"), (text, heard))
            self.unharmed()

    def test_lmtp(self):
        """It has no accounts of its own: it may add mail to the one named and tell nothing of what is there."""
        self.assertEqual(rows(r'CommandRow\("(\w+)"', "LMTPServer", "CommandTable.swift"), set(LMTP_ATTEMPTS))
        with LMTP(self.server.ports["lmtp"]) as peer:
            peer.command("LHLO localhost")
            answers = {}
            for name, attempts in LMTP_ATTEMPTS.items():
                for text in attempts:
                    answer = peer.command(text)
                    answers[text] = answer
                    self.assertNotIn(MARK.encode(), answer)
                    if answer.startswith(b"354"):
                        peer.send(b"Subject: untuk budi\r\n\r\nx\r\n.\r\n")
                        peer.reply()
                        peer.command("MAIL FROM:<a@example.org>")
            self.assertEqual(answers["VRFY ana"].replace(b"ana", b""), answers["VRFY tiada"].replace(b"tiada", b""))
        self.unharmed()

    def control(self, request):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(60)
            peer.connect(str(self.server.data / "control.sock"))
            peer.sendall(json.dumps(request).encode() + b"\n")
            heard = b""
            while piece := peer.recv(65536):
                heard += piece
        return heard

    def test_control(self):
        source = (ROOT / "Sources" / "MerpatiServer" / "Control" / "ControlMessages.swift").read_text()
        body = source[source.index("enum ControlRequest"):source.index("public struct Delivery")]
        cases = set(re.findall(r"^  case (\w+)", body, re.M))
        self.assertEqual(cases, set(CONTROL_ATTEMPTS) | CONTROL_WHOLE | CONTROL_OWN)
        for name, attempts in CONTROL_ATTEMPTS.items():
            for attempt in attempts:
                text = json.dumps(attempt)
                for box in NAMES if "{name}" in text else ("",):
                    with self.subTest(name, box=box):
                        heard = self.control({name: json.loads(text.replace("{name}", box))})
                        self.assertNotIn(MARK.encode(), heard)
                        self.assertTrue(heard.endswith(b"}\n"), heard)
                        if name not in CONTROL_MAYBE_NOTHING and (box or "ana" in str(attempt.values())):
                            self.assertIn(b'"failure"', heard)
                        if name == "mailboxes":
                            self.assertNotIn(b"Rahasia", heard)
        self.unharmed()

    def test_acting_as_somebody_else(self):
        """AUTHENTICATE and AUTH with budi's password and ana's name as the authorization identity (RFC 4616 §2)."""
        for words in (f"ana\0budi\0{PASSWORD}", f"ana\0ana\0{PASSWORD}", f"Ana\0budi\0{PASSWORD}", f"ana \0budi\0{PASSWORD}",
                      f"\uff41na\0budi\0{PASSWORD}", f"a\u00adna\0budi\0{PASSWORD}"):
            encoded = base64.b64encode(words.encode()).decode()
            with IMAP(self.server.ports["imap"]) as peer:
                self.assertTrue(peer.command(f"AUTHENTICATE PLAIN {encoded}")[0].startswith(b"NO"), words)
            with POP3(self.server.ports["pop3"]) as peer:
                self.assertTrue(peer.command(f"AUTH PLAIN {encoded}").startswith(b"-ERR"), words)
        self.unharmed()

    #: All there is to be told of unasked.
    EVERYTHING = ("ENABLE METADATA", "NOTIFY SET (selected (MessageNew (UID BODY.PEEK[]) MessageExpunge FlagChange)) "
                  "(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
                  "ServerMetadataChange)) (subtree (Rahasia ana) (MessageNew MessageExpunge FlagChange MailboxName))",
                  "UID SEARCH RETURN (UPDATE ALL) ALL")

    def change(self):
        """What ana does and undoes."""
        with IMAP(self.server.ports["imap"]) as peer:
            self.good(peer.login("ana", "kata-sandi-ana"))
            for command in ("SELECT INBOX", "STORE 1 +FLAGS (\\Answered)", "STORE 1 -FLAGS (\\Answered)",
                            "SETMETADATA INBOX (/private/vendor/x/z \"a\")", "SETMETADATA INBOX (/private/vendor/x/z NIL)",
                            "SETMETADATA \"\" (/private/vendor/x/z \"a\")", "SETMETADATA \"\" (/private/vendor/x/z NIL)",
                            "RENAME Rahasia Lain", "RENAME Lain Rahasia", "CREATE Baru", "SUBSCRIBE Baru", "COPY 1:2 Baru",
                            "UNSUBSCRIBE Lain", "SUBSCRIBE Rahasia", "UNSUBSCRIBE Baru", "DELETE Baru"):
                peer.command(command)

    def test_told(self):
        """Whoever wants to be told of everything is told of nothing that another does."""
        self.change()
        self.before = self.state()
        with IMAP(self.server.ports["imap"]) as peer:
            self.good(peer.login("budi", PASSWORD))
            self.good(peer.command("SELECT INBOX"))
            for command in self.EVERYTHING:
                self.good(peer.command(command))
            peer.command("NOOP")
            self.change()
            self.assertEqual(peer.command("NOOP")[1] + peer.command("NOOP")[1], [])
            # And of what is its own it is.
            completion, untagged = peer.command("APPEND INBOX {4+}\r\nx: y")
            self.assertIn(b"ADDTO", b"".join(untagged + peer.command("NOOP")[1]), completion)
        self.unharmed()

    def test_compressed_and_unauthenticated(self):
        """What one login has seen is nothing to the next one of the same connection, compressed or not."""
        self.change()
        self.before = self.state()
        for compressed in (False, True):
            with IMAP(self.server.ports["imap"]) as peer:
                self.good(peer.login("ana", "kata-sandi-ana"))
                if compressed:
                    self.good(peer.compress())
                self.good(peer.command("ENABLE IMAP4rev2"))
                self.good(peer.command("EXAMINE Rahasia"))
                self.good(peer.command("SEARCH RETURN (SAVE) ALL"))
                for command in self.EVERYTHING:
                    self.good(peer.command(command))
                self.good(peer.command("UNAUTHENTICATE"))
                if compressed:
                    peer.socket = peer.socket.inner
                self.assertTrue(peer.command("FETCH 1 BODY[]")[0].startswith(b"BAD"))
                self.good(peer.login("budi", PASSWORD))
                # Nothing that the last one wanted to be told of is told to this one.
                self.change()
                self.assertEqual(peer.command("NOOP")[1] + peer.command("NOOP")[1], [])
                for attempt in ("FETCH 1 BODY[]", "UID FETCH $ BODY[]", "SEARCH ALL", "EXAMINE Rahasia", "LIST \"\" *",
                                "SELECT INBOX", "UID FETCH $ BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]"):
                    completion, untagged = peer.command(attempt)
                    self.assertNotIn(MARK.encode(), completion + b"".join(untagged), attempt)
                    self.assertNotIn(b"Rahasia", b"".join(untagged), attempt)
        self.unharmed()

    def test_shared(self):
        """What ana shares is there for budi while she does, and nothing beside it; citra, who has no rights, sees nothing."""
        self.server.add_account("citra", password=PASSWORD)
        with IMAP(self.server.ports["imap"]) as ana, IMAP(self.server.ports["imap"]) as budi, \
                IMAP(self.server.ports["imap"]) as citra:
            self.good(ana.login("ana", "kata-sandi-ana"))
            self.good(budi.login("budi", PASSWORD))
            self.good(citra.login("citra", PASSWORD))
            self.good(ana.command("SETACL Rahasia budi lr"))
            before = self.state()
            self.assertEqual([line.split(b' "/" ')[1] for line in budi.command("LIST \"\" shared/*")[1]],
                             [b"shared/ana", b"shared/ana/Rahasia"])
            self.good(budi.command("EXAMINE shared/ana/Rahasia"))
            self.assertIn(MARK.encode(), b"".join(budi.command("FETCH 1 BODY[]")[1]))
            # Not the one that was deleted, nor the one above or below, nor anything else.
            for attempt in ("UID FETCH 2:4294967295 BODY[]", "UID STORE 1 +FLAGS (\\Seen \\Deleted)", "EXPUNGE",
                            "EXAMINE shared/ana/Rahasia/Dalam", "EXAMINE shared/ana/INBOX", "DELETE shared/ana/Rahasia",
                            "SETACL shared/ana/Rahasia budi +w", "GETACL shared/ana/Rahasia",
                            "RENAME shared/ana/Rahasia Curian2", "CREATE shared/ana/Rahasia/x",
                            "SETMETADATA shared/ana/Rahasia (/shared/comment \"curi\")"):
                completion, untagged = budi.command(attempt)
                self.assertNotIn(MARK.encode(), completion + b"".join(untagged), attempt)
                if not attempt.startswith("UID FETCH"):
                    self.assertTrue(completion.startswith(b"NO"), (attempt, completion))
            for attempt in ("EXAMINE shared/ana/Rahasia", "MYRIGHTS shared/ana/Rahasia", "STATUS shared/ana/Rahasia (MESSAGES)"):
                self.assertRegex(citra.command(attempt)[0], rb"^NO \[NONEXISTENT\]")
            self.assertEqual(citra.command("LIST \"\" shared/*")[1], [])
            self.assertEqual(self.state(), before)
            # It ends in the session that has it open, in the middle of what that does.
            self.good(budi.command("EXAMINE shared/ana/Rahasia"))
            budi.send("z IDLE\r\n")
            self.assertTrue(budi.line().startswith(b"+"))
            self.good(ana.command("DELETEACL Rahasia budi"))
            self.assertTrue(budi.line().startswith(b"* BYE"))
        self.unharmed()

    def test_names_that_look_alike(self):
        """Another's name in other letters is either that account, which wants its password, or nobody."""
        for name in ("\uff41na", "a\u00adna", "ANA", "\u0430na", "ana\u200b", "ana@", "@ana", "ana/", "../ana", "ana\u0301",
                     "ana+x", "*", "%", "ana*", "an\u0430"):
            with IMAP(self.server.ports["imap"]) as peer:
                octets = name.encode()
                answer = peer.command(b"LOGIN {%d+}\r\n%s \"%s\"" % (len(octets), octets, PASSWORD.encode()))[0]
                self.assertTrue(answer.startswith(b"NO"), name)
        self.unharmed()


if __name__ == "__main__":
    unittest.main()
