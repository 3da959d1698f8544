"""Accounts with known mail, every kind of operation on it with the answer it got, and a look afterwards at what came of it.

Each operation works on a message, mailbox or account of its own, known by a token. `Household.settle` compares what the
store holds with what the answers promised: done is done, refused is as before, and where the line broke either will do.
"""

import collections
import contextlib
import imaplib
import pathlib
import poplib
import re
import shutil
import smtplib
import subprocess
import tempfile

import harness

SMALL, LARGE = 1_500, 700_000
# Messages that each kind of operation finds in the store, one for each time it is tried.
TRIES = 6
KINDS = ["flag", "copy", "move", "expunge"]

Answer = collections.namedtuple("Answer", "kind text")


def message(token, octets=SMALL):
    head = f"From: a@example.org\r\nTo: budi@example.org\r\nSubject: {token}\r\n\r\n{token} needle\r\n"
    line = "merpati pos terbang di atas laut biru kota tua\r\n"
    return (head + line * ((octets - len(head)) // len(line))).encode()


_template = None


def template():
    """A data folder: budi's mail for every operation, mail to read for siti and dewi, and a pack that is worth rewriting."""
    global _template
    if _template:
        return _template
    _template = pathlib.Path(tempfile.mkdtemp(prefix="merpati-template-")) / "data"
    with harness.Server("--set", "store.compact-interval=1h") as server:
        for name in ("budi", "siti", "dewi", "lama"):
            server.add_account(name)
        server.deliver("budi", [message(f"{kind}-{n}") for kind in KINDS for n in range(TRIES)])
        server.deliver("budi", [message("read-small"), message("read-large", LARGE)])
        server.deliver("siti", [message("siti")])
        server.deliver("dewi", [message("pop-keep"), message("pop-large", LARGE)])
        server.deliver("dewi", [message(f"dele-{n}") for n in range(TRIES)])
        import random
        rng = random.Random(3)
        server.deliver("lama", [message(f"old-{n}") + rng.randbytes(90_000).hex().encode() + b"\r\n" for n in range(12)])
        imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        imap.login("lama", harness.PASSWORD)
        imap.select()
        imap.store("1:11", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        imap.logout()
        server.stop()
        shutil.copytree(server.data, _template)
    return _template


class Household:
    def __init__(self, server):
        self.server = server
        shutil.copytree(template(), server.data)
        self.turn = 0
        self.added, self.flagged, self.copied, self.moved, self.expunged = {}, {}, {}, {}, {}
        self.deleted, self.created, self.accounts = {}, {}, {}
        self.answers = []
        self.imap = self.pop = self.lmtp = None
        self.others = []

    # Connections, made while all is well.

    def connect(self):
        """What is open stays; what is closed is opened anew."""
        if self.imap is None:
            self.imap = self._imap("budi")
            self.imap.select("INBOX")
        if self.pop is None:
            self.pop = self._pop("dewi")
        if self.lmtp is None:
            self.lmtp = self.server.lmtp()
            self.lmtp.ehlo_or_helo_if_needed()

    def meet_others(self):
        """Sessions of somebody else, who must not notice anything."""
        imap, pop, lmtp = self._imap("siti"), self._pop("siti"), self.server.lmtp()
        imap.select("INBOX")
        lmtp.ehlo_or_helo_if_needed()
        self.others = [
            ("imap", lambda: imap.noop()[0] == "OK"), ("pop3", lambda: pop.noop().startswith(b"+OK")),
            ("lmtp", lambda: lmtp.noop()[0] == 250)]
        self._kept = (imap, pop, lmtp)

    def others_are_well(self):
        for name, ask in self.others:
            try:
                fine = ask()
            except (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException) as error:
                raise AssertionError(f"siti's {name} session ended: {error!r}") from error
            assert fine, f"siti's {name} session is not well"

    def disconnect(self):
        for connection in (self.imap, self.pop, self.lmtp, *getattr(self, "_kept", ())):
            with contextlib.suppress(OSError, EOFError, AttributeError, imaplib.IMAP4.error, poplib.error_proto):
                connection.shutdown() if isinstance(connection, imaplib.IMAP4) else connection.close()
        self.imap = self.pop = self.lmtp = None
        self.others, self._kept = [], ()

    def _imap(self, name):
        connection = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=30)
        connection.login(name, harness.PASSWORD)
        return connection

    def _pop(self, name):
        connection = poplib.POP3("127.0.0.1", self.server.ports["pop3"], timeout=30)
        connection.user(name)
        connection.pass_(harness.PASSWORD)
        return connection

    # Operations. Each returns an Answer and notes what it promises.

    def run(self, name):
        self.turn += 1
        answer = getattr(self, "do_" + name)(f"{name}-{self.turn}".replace("_", "-"))
        self.answers.append((name, answer))
        return answer

    def _imap_call(self, *call):
        try:
            status, data = call[0](*call[1:])
        except imaplib.IMAP4.abort as error:
            self.imap = None
            return Answer("ended", str(error))
        except imaplib.IMAP4.error as error:
            return Answer("wrong", str(error))
        except (OSError, EOFError) as error:
            self.imap = None
            return Answer("ended", repr(error))
        text = b" ".join(d for d in data if isinstance(d, bytes)).decode(errors="replace")
        return Answer("ok" if status == "OK" else "refused", text if status != "OK" else data)

    def _deliver(self, token, octets):
        body = message(token, octets)
        try:
            refused = self.lmtp.sendmail("a@example.org", ["budi"], body)
            answer = Answer("refused", repr(refused)) if refused else Answer("ok", "")
        except smtplib.SMTPServerDisconnected as error:
            self.lmtp = None
            answer = Answer("ended", str(error))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = error.recipients["budi"]
            answer = Answer("refused", f"{code} {text.decode()}")
        except smtplib.SMTPResponseException as error:
            answer = Answer("refused", f"{error.smtp_code} {error.smtp_error.decode()}")
        except OSError as error:
            self.lmtp = None
            answer = Answer("ended", repr(error))
        if answer.kind == "refused" and self.lmtp:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self.lmtp.rset()
        if answer.text.startswith("421"):
            self.lmtp = None
        self.added[token] = (answer.kind, body)
        return answer

    def do_lmtp_small(self, token):
        return self._deliver(token, SMALL)

    def do_lmtp_large(self, token):
        return self._deliver(token, LARGE)

    def do_deliver(self, token):
        done = self.server.merpati("deliver", "budi", stdin=message(token), check=False)
        answer = Answer("ok" if done.returncode == 0 else "refused", f"exit {done.returncode} {done.stderr.decode()}")
        self.added[token] = (answer.kind, message(token))
        return answer

    def do_append_small(self, token, octets=SMALL):
        answer = self._imap_call(self.imap.append, "INBOX", None, None, message(token, octets))
        self.added[token] = (answer.kind, message(token, octets))
        return answer

    def do_append_large(self, token):
        return self.do_append_small(token, LARGE)

    def _own(self, kind, book):
        """The next message for this kind of operation: its token and UID."""
        number = len(book)
        uid = 1 + KINDS.index(kind) * TRIES + number
        return f"{kind}-{number}", str(uid)

    def do_store(self, _):
        token, uid = self._own("flag", self.flagged)
        answer = self._imap_call(self.imap.uid, "STORE", uid, "+FLAGS", r"(\Flagged $Seen7)")
        self.flagged[token] = answer.kind
        return answer

    def do_copy(self, _):
        token, uid = self._own("copy", self.copied)
        answer = self._imap_call(self.imap.uid, "COPY", uid, "Archive")
        self.copied[token] = answer.kind
        return answer

    def do_move(self, _):
        token, uid = self._own("move", self.moved)
        answer = self._imap_call(self.imap.uid, "MOVE", uid, "Archive")
        self.moved[token] = answer.kind
        return answer

    def do_expunge(self, _):
        token, uid = self._own("expunge", self.expunged)
        marked = self._imap_call(self.imap.uid, "STORE", uid, "+FLAGS", r"(\Deleted)")
        answer = self._imap_call(self.imap.uid, "EXPUNGE", uid) if marked.kind == "ok" else marked
        self.expunged[token] = answer.kind
        return answer

    def do_create(self, token):
        answer = self._imap_call(self.imap.create, token)
        self.created[token] = answer.kind
        return answer

    def _fetch(self, token, octets):
        uid = str(1 + len(KINDS) * TRIES + (token == "read-large"))
        answer = self._imap_call(self.imap.uid, "FETCH", uid, "(BODY.PEEK[])")
        if answer.kind == "ok":
            got = answer.text[0][1] if answer.text[0] else b""
            if not got.endswith(message(token, octets)):
                return Answer("wrong", f"OK, and the body was not what it is: {got[:80]!r}")
        return answer

    def do_fetch_small(self, _):
        return self._fetch("read-small", SMALL)

    def do_fetch_large(self, _):
        return self._fetch("read-large", LARGE)

    def do_search(self, _):
        answer = self._imap_call(self.imap.uid, "SEARCH", "BODY", "needle")
        least = 2 + TRIES  # those that nobody moves or expunges
        if answer.kind == "ok" and len(answer.text[0].split()) < least:
            return Answer("wrong", f"OK, and messages are missing: {answer.text}")
        return answer

    def do_select(self, _):
        answer = self._imap_call(self.imap.select, "INBOX")
        if answer.kind == "refused":
            self.imap = None
        return answer

    def do_status(self, _):
        return self._imap_call(self.imap.status, "Archive", "(MESSAGES UIDNEXT)")

    def _pop_call(self, call, *arguments):
        try:
            return Answer("ok", call(*arguments))
        except poplib.error_proto as error:
            text = error.args[0]
            text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            if text == "-ERR EOF":
                self.pop = None
                return Answer("ended", text)
            return Answer("refused", text)
        except (OSError, EOFError) as error:
            self.pop = None
            return Answer("ended", repr(error))

    def _retr(self, number, token, octets):
        answer = self._pop_call(self.pop.retr, number)
        if answer.kind == "ok":
            got = b"\r\n".join(answer.text[1]) + b"\r\n"
            if not got.endswith(message(token, octets)):
                return Answer("wrong", "+OK, and the message was not what it is")
        return answer

    def do_retr_small(self, _):
        return self._retr(1, "pop-keep", SMALL)

    def do_retr_large(self, _):
        return self._retr(2, "pop-large", LARGE)

    def do_dele(self, _):
        """DELE and QUIT: what QUIT answers counts."""
        token = f"dele-{len(self.deleted)}"
        # Numbers close up with each session.
        number = 3 + sum(1 for kind in self.deleted.values() if kind != "ok")
        marked = self._pop_call(self.pop.dele, number)
        answer = self._pop_call(self.pop.quit) if marked.kind == "ok" else marked
        self.pop = None
        self.deleted[token] = answer.kind
        return answer

    def _command(self, *arguments, stdin=b""):
        done = self.server.merpati(*arguments, stdin=stdin, check=False)
        return Answer("ok" if done.returncode == 0 else "refused", f"exit {done.returncode} {done.stderr.decode()}")

    def do_account(self, token):
        answer = self._command("account", "add", token, "--password-stdin", stdin=(harness.PASSWORD + "\n").encode())
        self.accounts[token] = answer.kind
        return answer

    def do_compact(self, _):
        return self._command("compact")

    def do_backup(self, token):
        """A copy of its own each time, beside the data folder."""
        return self._command("backup", str(pathlib.Path(self.server.data).parent / token))

    OPERATIONS = [
        "lmtp_small", "lmtp_large", "append_small", "append_large", "store", "copy", "move", "expunge", "create",
        "fetch_small", "fetch_large", "search", "select", "status", "retr_small", "retr_large", "dele", "deliver",
        "account", "compact", "backup"]

    # What came of it.

    def settle(self, unsure=()):
        """Complaints about what the store holds now, judged by the answers that were given. `unsure`: kinds of answers
        after which either outcome will do."""
        unsure = {"ended", *unsure}
        complaints = []
        inbox, archive = self._mail("INBOX"), self._mail("Archive")

        def expect(what, kind, count, done, before):
            allowed = {done, before} if kind in unsure else {done} if kind == "ok" else {before}
            if count not in allowed:
                complaints.append(f"{what}: answered {kind}, and is there {count} times")

        for token, (kind, body) in self.added.items():
            found = inbox.get(token, [])
            expect(token, kind, len(found), 1, 0)
            if any(not octets.endswith(body) for octets, _ in found):
                complaints.append(f"{token}: not the octets that were sent")
        for token, kind in self.flagged.items():
            flags = inbox[token][0][1] if inbox.get(token) else b""
            expect(token, kind, int(b"\\Flagged" in flags) + int(b"$Seen7" in flags), 2, 0)
        for token, kind in self.copied.items():
            expect(token + " in INBOX", kind, len(inbox.get(token, [])), 1, 1)
            expect(token + " in Archive", kind, len(archive.get(token, [])), 1, 0)
        for token, kind in self.moved.items():
            expect(token + " in Archive", kind, len(archive.get(token, [])), 1, 0)
            if len(inbox.get(token, [])) + len(archive.get(token, [])) != 1:
                complaints.append(f"{token}: not there exactly once")
        for token, kind in self.expunged.items():
            expect(token, kind, len(inbox.get(token, [])), 0, 1)
        connection = self._imap("budi")
        names = {line.decode().rpartition(" ")[2].strip('"') for line in connection.list()[1]}
        for token, kind in self.created.items():
            expect(token, kind, int(token in names), 1, 0)
        connection.logout()
        drop = self._mail("INBOX", "dewi")
        for token, kind in self.deleted.items():
            expect(token, kind, len(drop.get(token, [])), 0, 1)
        known = self.server.merpati("account", "list").stdout.decode()
        for token, kind in self.accounts.items():
            expect(token, kind, int(re.search(rf"^{token}\b", known, re.M) is not None), 1, 0)
        for token in ("read-small", "read-large"):
            if len(inbox.get(token, [])) != 1:
                complaints.append(f"{token}: lost")
        if set(drop) < {"pop-keep", "pop-large"}:
            complaints.append("dewi's mail: lost")
        complaints += [f"check: {p}" for p in self.server.check()["problems"]]
        return complaints

    def _mail(self, mailbox, account="budi"):
        """Token to [(octets, flags)]."""
        connection = self._imap(account)
        count = int(connection.select(mailbox, readonly=True)[1][0])
        found = collections.defaultdict(list)
        for piece in connection.fetch("1:*", "(FLAGS BODY.PEEK[])")[1] if count else ():
            if isinstance(piece, tuple):
                token = re.search(rb"^Subject: (\S+)", piece[1], re.M).group(1).decode()
                found[token].append((piece[1], piece[0]))
        connection.logout()
        return found
