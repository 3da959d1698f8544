"""A POP3 server on loopback that misbehaves as told, and writes down what it was asked."""

import socket
import threading


class Drop:
    """`mail`: a list of [uidl, message]. What QUIT took away is gone from it. Knobs may be turned between two sessions."""

    def __init__(self, mail):
        self.mail = [list(pair) for pair in mail]
        self.capabilities = ["TOP", "UIDL", "USER", "PIPELINING"]
        self.sizes = {}
        self.refused = set()
        self.hides_retrieved = False
        self.silent_after = None
        self.echoes = False
        self.log = []
        self.connected = threading.Event()
        self.door = socket.socket()
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(16)
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.door.close()

    def asked(self, word):
        return [line for line in self.log if line.split(" ")[0] == word]

    def url(self, user="budi"):
        return f"pop3://{user}@127.0.0.1:{self.port}"

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

    def _session(self, peer):
        mail, deleted, read = list(self.mail), set(), set()
        lines = peer.makefile("rb")

        def many(first, rest):
            peer.sendall(b"+OK " + first + b"\r\n" + b"".join(rest) + b".\r\n")

        def body(message):
            return b"".join(b"." + line if line.startswith(b".") else line for line in message.splitlines(keepends=True))

        peer.sendall(b"+OK ready\r\n")
        self.connected.set()
        answered = 0
        for line in lines:
            text = line.decode(errors="replace").strip()
            self.log.append(text)
            word, *rest = text.split(" ")
            word = word.upper()
            if self.echoes and word == "PASS":
                peer.sendall(line)
                continue
            if word == "CAPA":
                many(b"", [c.encode() + b"\r\n" for c in self.capabilities])
            elif word == "LIST":
                many(b"", [b"%d %d\r\n" % (n, self.sizes.get(u, len(m))) for n, (u, m) in enumerate(mail, 1)])
            elif word == "UIDL":
                many(b"", [b"%d " % n + u.encode() + b"\r\n" for n, (u, _) in enumerate(mail, 1)])
            elif word == "STAT":
                peer.sendall(b"+OK %d %d\r\n" % (len(mail), sum(len(m) for _, m in mail)))
            elif word in ("RETR", "TOP"):
                uidl, message = mail[int(rest[0]) - 1]
                if uidl in self.refused:
                    peer.sendall(b"-ERR not \x1b]0;owned\x07 this one\r\n")
                    continue
                if self.silent_after is not None and answered >= self.silent_after:
                    continue
                answered += 1
                if word == "RETR":
                    read.add(int(rest[0]))
                    many(b"", [body(message)])
                else:
                    head, _, tail = message.partition(b"\r\n\r\n")
                    many(b"", [body(head + b"\r\n\r\n" + b"".join(tail.splitlines(True)[:int(rest[1])]))])
            elif word == "DELE":
                deleted.add(int(rest[0]))
                peer.sendall(b"+OK\r\n")
            elif word == "QUIT":
                if self.hides_retrieved:
                    deleted |= read
                gone = [mail[n - 1] for n in deleted]
                self.mail = [pair for pair in self.mail if not any(pair is g for g in gone)]
                peer.sendall(b"+OK\r\n")
                return
            else:
                peer.sendall(b"+OK\r\n")
