"""IMAP, POP3, LMTP and the control socket, as little of each as the campaign needs, counting every octet that came: by
that count a reply is found again in the recorder's log."""

import fcntl
import json
import os
import re
import socket

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Gone(Exception):
    """The server is not there any more; what was asked last may or may not have been done."""


class Refused(Exception):
    pass


def end_of(log):
    """The log's octets when no call is between being done and being recorded."""
    if not log:
        return 0
    with open(log, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return os.path.getsize(log)


class Talk:
    """`log`: the recorder's, or None. Then `place` says where the last reply ends (see recording.Sends)."""

    def __init__(self, port, log=None):
        self.log = log
        self.octets = 0
        self.since = end_of(log)
        self.buffer = b""
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Gone(str(error)) from error
        self.peer = port << 16 | self.socket.getsockname()[1]

    @property
    def place(self):
        return (self.peer, self.since, self.octets)

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Gone(str(error)) from error

    def _fill(self):
        try:
            more = self.socket.recv(1 << 18)
        except OSError as error:
            raise Gone(str(error)) from error
        if not more:
            raise Gone("closed")
        self.buffer += more

    def line(self):
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                line, self.buffer = self.buffer[:end + 1], self.buffer[end + 1:]
                self.octets += len(line)
                return line
            self._fill()

    def exactly(self, count):
        while len(self.buffer) < count:
            self._fill()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        self.octets += count
        return octets

    def close(self):
        self.socket.close()


class IMAP(Talk):
    def __init__(self, port, log=None):
        super().__init__(port, log)
        self.number = 0
        self.line()

    def command(self, text, literal=None):
        """(status line, [(text, [literals])]) of the untagged responses. Refused: NO or BAD."""
        self.number += 1
        tag = b"a%d" % self.number
        request = tag + b" " + text.encode()
        if literal is not None:
            request += b" {%d+}\r\n" % len(literal) + literal
        self.send(request + b"\r\n")
        untagged = []
        while True:
            line, literals = self.line(), []
            found = LITERAL.search(line)
            while found:
                literals.append(self.exactly(int(found.group(1))))
                line = line[:found.start()] + b"{}" + self.line()
                found = LITERAL.search(line)
            if line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise Refused(f"{text[:60]}: {line.decode().strip()}")
                return line.decode(), untagged
            if line.startswith(b"* BYE"):
                raise Gone(line.decode())
            untagged.append((line, literals))

    def fetch(self, items):
        """{uid: (flags, size, literal)} of the selected mailbox."""
        result = {}
        for line, literals in self.command(f"UID FETCH 1:* ({items})")[1]:
            uid = re.search(rb"UID (\d+)", line)
            if not re.match(rb"\* \d+ FETCH ", line) or not uid or not literals:
                continue
            flags = re.search(rb"FLAGS \(([^)]*)\)", line)
            size = re.search(rb"RFC822.SIZE (\d+)", line)
            if int(uid.group(1)) in result:
                raise Refused(f"UID {uid.group(1)} twice in one mailbox")
            result[int(uid.group(1))] = (
                frozenset(f for f in flags.group(1).decode().split() if f != "\\Recent") if flags else None,
                int(size.group(1)) if size else None, literals[0])
        return result

    def select(self, name, word="SELECT"):
        """(UIDVALIDITY, UIDNEXT)"""
        text = b"".join(line for line, _ in self.command(f'{word} "{name}"')[1])
        return int(re.search(rb"UIDVALIDITY (\d+)", text).group(1)), int(re.search(rb"UIDNEXT (\d+)", text).group(1))

    def notes(self, boxes):
        """{(what, mailbox, value)}: annotations, of the account too, and rights that somebody has or is refused."""
        found = set()
        for box in ("", *boxes):
            for line, _ in self.command(f'GETMETADATA "{box}" (/private/comment)')[1]:
                found |= {("comment", box, value.decode()) for value in re.findall(rb'/private/comment "(\d+)"', line)}
        for box in boxes:
            for line, _ in self.command(f'GETACL "{box}"')[1]:
                for name, rights in re.findall(rb' "?(-\w+)"? "?(\w+)"?', line):
                    found.add((name.decode(), box, "".join(sorted(rights.decode()))))
        return frozenset(found)

    def names(self, command):
        found = []
        for line, _ in self.command(command)[1]:
            name = re.match(rb'\* (?:LIST|LSUB) \([^)]*\) (?:"."|NIL) (?:"([^"]*)"|(\S+))', line)
            if name:
                found.append((name.group(1) or name.group(2)).decode())
        return frozenset(found)


class POP3(Talk):
    def __init__(self, port, log=None):
        super().__init__(port, log)
        self.line()

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        line = self.line()
        if line.startswith(b"-ERR [SYS/TEMP] The server is shutting down"):
            raise Gone(line.decode())
        if not line.startswith(b"+OK"):
            raise Refused(f"{text}: {line.decode().strip()}")
        return line

    def listing(self, text):
        self.command(text)
        lines = []
        while True:
            line = self.line()
            if line == b".\r\n":
                return lines
            lines.append(line[1:] if line.startswith(b".") else line)

    def login(self, user, password):
        self.command(f"USER {user}")
        self.command(f"PASS {password}")

    def uidls(self):
        """In order: the UIDLs."""
        return [line.split()[1].decode() for line in self.listing("UIDL")]


class LMTP(Talk):
    def __init__(self, port, log=None):
        super().__init__(port, log)
        self.answer()
        self.send(b"LHLO localhost\r\n")
        self.answer()

    def answer(self):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                return line

    def deliver(self, recipients, message):
        """(taken, place) for each recipient, as the answers come."""
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        self.send(b"MAIL FROM:<a@example.org>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients) +
                  b"DATA\r\n")
        for _ in range(1 + len(recipients)):
            line = self.answer()
            if not line.startswith(b"250"):
                raise Refused(line.decode())
        self.answer()
        self.send(stuffed + b".\r\n")
        for _ in recipients:
            yield self.answer().startswith(b"250"), self.place


class Control(Talk):
    """One request. The peer in the recorder's log is this process, so no two at a time."""

    def __init__(self, path, log=None):
        self.log = log
        self.octets = 0
        self.since = end_of(log)
        self.buffer = b""
        self.peer = 1 << 32 | os.getpid()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(300)
        # A socket's address may have 107 octets; the way over its folder's descriptor is short.
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        except OSError as error:
            self.socket.close()
            raise Gone(str(error)) from error
        finally:
            os.close(folder)

    def ask(self, request, **fields):
        try:
            self.send(json.dumps({request: fields}).encode() + b"\n")
            reply = json.loads(self.line())
        finally:
            self.close()
        if "failure" in reply:
            if reply["failure"]["code"] in (69, 75):
                raise Gone(reply["failure"]["sentence"])
            raise Refused(reply["failure"]["sentence"])
        return reply
