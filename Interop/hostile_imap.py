"""An IMAP server on loopback that serves what no sound one would: odd octets, wrong counts, sizes, UIDs and literals, as told."""

import re
import socket
import threading


class Box:
    """`mail`: {uid: message}. Knobs may be turned at any time:
    `sizes` {uid: RFC822.SIZE}, `exists` (a count), `announced` {uid: octets of the literal}, `answers_as` {uid: uid named in the
    answer}, `ignores_partial`, `wrong_origin`, `short` (a part of the octets asked for)."""

    def __init__(self, mail):
        self.mail = dict(mail)
        self.validity = 7
        self.sizes, self.announced, self.answers_as = {}, {}, {}
        self.exists = None
        self.ignores_partial = self.wrong_origin = False
        self.short = None
        self.log = []
        self.door = socket.socket()
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(16)
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.door.close()

    def url(self, user="budi"):
        return f"imap://{user}@127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                peer, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer:
            try:
                self._session(peer)
            except OSError:
                pass

    def _uids(self, text):
        last = max(self.mail, default=0)
        found = []
        for part in text.split(","):
            low, _, high = part.partition(":")
            low = last if low == "*" else int(low)
            high = last if high == "*" else int(high or low)
            found += [u for u in sorted(self.mail) if min(low, high) <= u <= max(low, high)]
        return found

    def _session(self, peer):
        lines = peer.makefile("rb")
        peer.sendall(b"* OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS] ready\r\n")
        for line in lines:
            text = line.decode(errors="replace").strip()
            self.log.append(text)
            tag, _, rest = text.partition(" ")
            word = rest.split(" ")[0].upper()
            upper = rest.upper()
            count = self.exists if self.exists is not None else len(self.mail)
            following = max(self.mail, default=0) + 1
            out = b""
            if word == "CAPABILITY":
                out = b"* CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS\r\n"
            elif word in ("LIST", "LSUB"):
                out = b'* LIST () "/" ' + (b'""' if rest.endswith('""') else b"INBOX") + b"\r\n"
            elif word == "STATUS":
                out = b"* STATUS INBOX (MESSAGES %d UIDNEXT %d UIDVALIDITY %d)\r\n" % (count, following, self.validity)
            elif word in ("SELECT", "EXAMINE"):
                out = (b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n* FLAGS (\\Seen)\r\n"
                       % (count, self.validity, following))
            elif upper.startswith("UID SEARCH"):
                out = b"* SEARCH " + b" ".join(b"%d" % u for u in sorted(self.mail)) + b"\r\n"
            elif upper.startswith("UID FETCH"):
                peer.sendall(b"".join(self._fetch(n, u, upper) for n, u in enumerate(self._uids(rest.split(" ")[2]), 1)))
            elif word == "LOGOUT":
                peer.sendall(b"* BYE\r\n" + tag.encode() + b" OK\r\n")
                return
            peer.sendall(out + tag.encode() + b" OK done\r\n")

    def _fetch(self, number, uid, asked):
        message = self.mail[uid]
        named = self.answers_as.get(uid, uid)
        items = [b"UID %d" % named]
        if "FLAGS" in asked:
            items.append(b"FLAGS ()")
        if "RFC822.SIZE" in asked:
            items.append(b"RFC822.SIZE %d" % self.sizes.get(uid, len(message)))
        if "INTERNALDATE" in asked:
            items.append(b'INTERNALDATE "25-Nov-2026 10:00:00 +0000"')
        head, gap, body = message.partition(b"\r\n\r\n")
        header = head + gap
        if "BODYSTRUCTURE" in asked:
            items.append(b'BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "8BIT" %d %d)' % (len(body), body.count(b"\n")))
        for found in re.finditer(r"BODY\.PEEK\[([^\]]*)\](<(\d+)\.(\d+)>)?", asked):
            name = found[1]
            octets = header if name.startswith("HEADER") else body if name in ("1", "TEXT") else message
            if name.startswith("HEADER.FIELDS"):
                octets = b"".join(l for l in header.splitlines(True) if l.lower().startswith(b"message-id:")) + b"\r\n"
            origin = b""
            if found[2] and not self.ignores_partial:
                start, length = int(found[3]), int(found[4])
                if self.short:
                    length = max(1, int(length * self.short))
                octets = octets[start:start + length]
                origin = b"<%d>" % (start + 1 if self.wrong_origin else start)
            size = self.announced.get(uid, len(octets)) if not name.startswith("HEADER") else len(octets)
            items.append(b"BODY[" + name.encode() + b"]" + origin + b" {%d}\r\n" % size + octets)
        return b"* %d FETCH (" % number + b" ".join(items) + b")\r\n"
