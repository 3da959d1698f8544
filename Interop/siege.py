"""What is watched while a server is attacked, and the hostile transcripts as a client without manners would play them."""

import pathlib
import re
import resource
import socket
import threading
import time

import harness
import lines
from lines import IMAP, LMTP, POP3, Peer

MIB = 1 << 20
TRANSCRIPTS = harness.ROOT / "Tests" / "Transcripts"


def allow_files(count):
    """Raises the limit of open files, for this process and the servers it starts; returns what there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Process:
    """Memory and processor time of a server process, from /proc."""

    def __init__(self, process):
        self.folder = pathlib.Path(f"/proc/{process.pid}")

    def _status(self, key):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {key}")

    def resident(self):
        return self._status("VmRSS")

    def most_resident(self):
        """Since the last `forget`."""
        return self._status("VmHWM")

    def forget(self):
        (self.folder / "clear_refs").write_text("5")

    def seconds(self):
        """Processor time so far."""
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def threads(self):
        return len(list((self.folder / "task").iterdir()))

    def files(self):
        return len(list((self.folder / "fd").iterdir()))


class Watch:
    """Looks at a server's memory all the time."""

    def __init__(self, process):
        self.process, self.most, self.over = Process(process), 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.process.forget()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self._look()

    def _look(self):
        try:
            self.most = max(self.most, self.process.most_resident())
        except OSError:
            pass

    def _run(self):
        while not self.over.wait(0.05):
            self._look()


def deliver(server, account, message):
    """By LMTP, in one go; returns the reply to the message."""
    with LMTP(server.ports["lmtp"], timeout=300) as peer:
        peer.command("LHLO x")
        peer.command("MAIL FROM:<>")
        peer.command(f"RCPT TO:<{account}>")
        peer.send(b"BDAT %d LAST\r\n" % len(message))
        peer.send(message)
        return peer.reply()


def drain(peer, tag, most=1 << 40):
    """Reads up to the tagged answer and throws away what comes before it. Returns (answer, octets)."""
    octets, tail = 0, peer.rest
    peer.rest = b""
    ending = re.compile(rb"(?:^|\r\n)" + tag + rb" ([^\r\n]*)\r\n$")
    while True:
        found = ending.search(tail[-4096:])
        if found:
            return found.group(1), octets + len(tail)
        piece = peer.socket.recv(MIB)
        if not piece:
            raise Peer.Closed("in the middle of an answer")
        octets += max(len(tail) - 4096, 0)
        tail = tail[-4096:] + piece


# What is asked of every bomb.
QUESTIONS = (
    "ENVELOPE", "BODY", "BODYSTRUCTURE", "BODY.PEEK[HEADER.FIELDS (Subject X-Penuh)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Subject)]<0.1000>", "BODY.PEEK[1.MIME]", "BODY.PEEK[1.1.1.1.1.1.1.1.MIME]",
    "BINARY.SIZE[1]", "BODY.PEEK[TEXT]<0.100>", "RFC822.SIZE", "BODY.PEEK[HEADER]<0.1000>",
)
SEARCHES = ("TEXT tidakada", "HEADER X-Lain tidakada", "SUBJECT tidakada", "BODY tidakada", 'TEXT "tidåkada"')


def interrogate(server, account, step=lambda what: None):
    """Asks all of it of the newest message in INBOX, which is then removed. Returns what went wrong. `step` hears of each."""
    wrong = []
    with IMAP(server.ports["imap"], timeout=300) as peer:
        peer.login(account, harness.PASSWORD)
        peer.command("SELECT INBOX")
        for number, item in enumerate(QUESTIONS):
            step(item)
            peer.send(b"q%d FETCH * (%s)\r\n" % (number, item.encode()))
            answer, _ = drain(peer, b"q%d" % number)
            # RFC 9051 §6.4.5: uuencode is no encoding that BINARY knows.
            if not answer.startswith((b"OK", b"NO [UNKNOWN-CTE]")):
                wrong.append((item, answer))
        for number, key in enumerate(SEARCHES):
            step(key)
            peer.send(b"s%d SEARCH %s\r\n" % (number, key.encode()))
            answer, _ = drain(peer, b"s%d" % number)
            if not answer.startswith(b"OK"):
                wrong.append((key, answer))
        step("EXPUNGE")
        peer.command("STORE * +FLAGS.SILENT (\\Deleted)")
        peer.command("EXPUNGE")
    with POP3(server.ports["pop3"], timeout=300) as peer:
        peer.login(account, harness.PASSWORD)
        peer.command("QUIT")
    return wrong


def transcripts():
    """(protocol, name, [(connection, action, octets)]) of every hostile transcript: what its clients do."""
    for file in sorted(TRANSCRIPTS.glob("*/hostile-*.txt")) + sorted(TRANSCRIPTS.glob("*/starttls-injection.txt")):
        yield file.parent.name, file.stem, list(_steps(file.read_text()))


def _steps(text):
    for line in text.split("\n"):
        found = re.fullmatch(r"C([0-9A-Za-z]*)(:|>|%|!)(?: (.*))?", line)
        if not found:
            continue
        name, mark, rest = found.group(1), found.group(2), found.group(3) or ""
        if mark == ":":
            yield name, "send", rest.encode() + b"\r\n"
        elif mark == ">":
            yield name, "send", _unescape(rest)
        elif mark == "%":
            count, _, unit = rest.partition(" ")
            yield name, "send", _unescape(unit) * int(count)
        else:
            yield name, rest, b""


def _unescape(text):
    signs = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

    def octet(found):
        return bytes([int(found.group(1)[1:], 16)]) if found.group(1)[0] == "x" else signs[found.group(1)]

    return re.sub(rb"\\(x[0-9A-Fa-f]{2}|.)", lambda f: octet(_Text(f)), text.encode())


class _Text:
    def __init__(self, found):
        self.found = found

    def group(self, number):
        return self.found.group(number).decode()


def play(server, protocol, steps):
    """Sends what the transcript's clients send, whatever is answered, and reads what comes; returns octets read."""
    peers, read = {}, 0
    for name, action, octets in steps:
        if name not in peers:
            peers[name] = socket.create_connection(("127.0.0.1", server.ports[protocol]), timeout=20)
            peers[name].setblocking(False)
        peer = peers[name]
        if action == "close":
            peer.close()
            continue
        read += _exchange(peer, octets)
    for peer in peers.values():
        if peer.fileno() >= 0:
            read += _exchange(peer, b"", patience=0.05)
            peer.close()
    return read


def _exchange(peer, octets, patience=0.01):
    """Sends all of it while reading what comes; a peer that has closed is none of the sender's business."""
    read, rest, quiet_since = 0, memoryview(octets), time.monotonic()
    while True:
        moved = False
        try:
            if rest:
                rest, moved = rest[peer.send(rest[:65536]):], True
        except BlockingIOError:
            pass
        except OSError:
            rest = rest[:0]
        try:
            piece = peer.recv(65536)
            if not piece:
                return read
            read, moved = read + len(piece), True
        except BlockingIOError:
            pass
        except OSError:
            return read
        if moved:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > (20 if rest else patience):
            return read
        else:
            time.sleep(0.002)
