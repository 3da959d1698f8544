"""A Merpati server process, mail to put into it, and small tools the interop tests share. Standard library only."""

import atexit
import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import smtplib
import subprocess
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "rahasia-42"


def binary():
    """The server under test: the debug build unless MERPATI_TEST_BINARY names another."""
    named = os.environ.get("MERPATI_TEST_BINARY")
    return named if named else str(ROOT / ".build" / "debug" / "merpati")


def shared():
    """The folder of real mail, or None where the project stands alone."""
    for candidate in (os.environ.get("MERPATI_SHARED"), ROOT.parent / "shared"):
        if candidate and (pathlib.Path(candidate) / "corpus").is_dir():
            return pathlib.Path(candidate)
    return None


class Server:
    """`merpati serve` on loopback ports of its own choosing, over a data folder that lives as long as this object."""

    def __init__(self, *flags, data=None, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-"))
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.log = self.folder / "server.log"
        self.flags = flags
        self.environment = environment
        self.process = None
        self.ports = {}
        atexit.register(self.destroy)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.destroy()

    def start(self):
        ports = {name: f"127.0.0.1:{self.ports.get(name, 0)}" for name in ("imap", "imaps", "pop3", "pop3s", "lmtp")}
        arguments = [binary(), "serve", "--data", str(self.data)]
        for name, address in ports.items():
            arguments += [f"--{name}", address]
        self.process = subprocess.Popen(
            arguments + list(self.flags), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=open(self.log, "ab"), text=True,
            env={**os.environ, **self.environment} if self.environment else None)
        deadline = time.monotonic() + 60
        for line in self.process.stdout:
            word, _, address = line.strip().partition(" ")
            if word == "ready":
                return
            if address.rpartition(":")[2].isdigit():
                self.ports[word] = int(address.rpartition(":")[2])
            if time.monotonic() > deadline:
                break
        try:
            ended = f"it ended with {self.process.wait(5)}"
        except subprocess.TimeoutExpired:
            ended = "it goes on"
        raise RuntimeError(f"the server did not start; {ended}:\n" + self.log.read_text(errors="replace")[-3000:])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self._close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        if self.process and self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def merpati(self, *arguments, stdin=b"", check=True):
        done = subprocess.run(
            [binary(), *arguments, "--data", str(self.data)], input=stdin, capture_output=True, timeout=300)
        if check and done.returncode != 0:
            raise RuntimeError(f"merpati {' '.join(arguments)}: {done.returncode}: {done.stderr.decode()}")
        return done

    def add_account(self, name, *options, password=PASSWORD):
        self.merpati("account", "add", name, "--password-stdin", *options, stdin=(password + "\n").encode())

    def quota(self, name):
        return json.loads(self.merpati("quota", "show", name, "--json").stdout)

    def check(self):
        done = self.merpati("check", "--json", check=False)
        report = json.loads(done.stdout) if done.stdout else {"problems": [done.stderr.decode()]}
        return report

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.ports["lmtp"], local_hostname="localhost", timeout=60)

    def deliver(self, recipient, messages):
        connection = self.lmtp()
        connection.ehlo_or_helo_if_needed()
        for message in messages:
            refused = connection.sendmail("sender@example.org", [recipient], message)
            if refused:
                raise RuntimeError(refused)
        connection.quit()

    def disk(self):
        """Octets on disk below the data folder."""
        return sum(f.stat().st_blocks * 512 for f in self.data.rglob("*") if f.is_file())


def line_ends(raw):
    """The one rule for bytes on their way in (docs/protocols.md): bare CR and bare LF become CRLF, NUL becomes 0x80;
    LMTP's DATA adds the final line end that its own grammar needs."""
    out = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n").replace(b"\0", b"\x80")
    return out if out.endswith(b"\r\n") else out + b"\r\n"


def made(count, seed=1):
    """Messages written for these tests: every transfer encoding, non-ASCII headers, dots, long lines, nesting."""
    rng = random.Random(seed)
    words = "pos surat merpati sayap terbang kota hujan pagi laut gunung perahu angin".split()
    result = []
    for number in range(count):
        text = "\r\n".join(
            " ".join(rng.choice(words) for _ in range(rng.randint(0, 14))) for _ in range(rng.randint(1, 40)))
        head = (f"From: Tester {number} <tester{number}@example.org>\r\nTo: budi@example.org\r\n"
                f"Subject: {rng.choice(words)} {number}\r\nDate: Mon, 02 Nov 2026 10:{number % 60:02}:00 +0700\r\n"
                f"Message-ID: <{number}.{seed}@example.org>\r\n")
        kind = number % 6
        if kind == 0:
            body = f"\r\n{text}\r\n"
        elif kind == 1:
            body = f"Content-Type: text/plain; charset=utf-8\r\n\r\n.{text}\r\n..\r\n.\r\nsurat é 鳩\r\n"
        elif kind == 2:
            blob = base64.encodebytes(rng.randbytes(rng.randint(1, 60_000))).decode().replace("\n", "\r\n")
            body = ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\n" + text +
                    "\r\n--b\r\nContent-Type: application/octet-stream; name=x.bin\r\n"
                    "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.bin\r\n\r\n" +
                    blob + "--b--\r\n")
        elif kind == 3:
            body = f"Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 {text}=\r\n\r\n"
        elif kind == 4:
            body = f"\r\n{'x' * rng.randint(900, 5000)}\r\n{text}"
        else:
            body = ("Content-Type: message/rfc822\r\n\r\nFrom: inner@example.org\r\nSubject: inner\r\n\r\n" + text +
                    "\r\n")
        result.append(line_ends((head + body).encode()))
    return result


_corpus = None


def corpus(count=None):
    """Real messages as (name, raw bytes), where there are any."""
    global _corpus
    if _corpus is None:
        _corpus = []
        folder = shared()
        for archive in ("spamassassin.tar.xz", "edge.tar.xz") if folder else ():
            with tarfile.open(folder / "corpus" / archive) as tar:
                for member in tar:
                    if member.isfile() and not member.name.endswith(("README", "README.md")):
                        _corpus.append((member.name, tar.extractfile(member).read()))
    if count is None or not _corpus:
        return _corpus
    return random.Random(7).sample(_corpus, min(count, len(_corpus)))


def mail(count):
    """Messages as they must come back: from the corpus where there is one, else made."""
    real = corpus(count)
    return [line_ends(raw) for _, raw in real] if real else made(count)


def digest(message):
    return hashlib.sha256(message.replace(b"\r\n", b"\n")).hexdigest()


TRACE = (b"return-path:", b"delivered-to:", b"received:")


def without_trace(message, moved=False):
    """A fetched message without the header lines that the delivery put in front: Return-Path, Delivered-To, Received,
    one of each, in this order. `moved`: the client may have moved the Return-Path line."""
    rest = message
    for name in TRACE:
        end = rest.find(b"\n")
        if end < 0 or not rest[:end].lower().startswith(name):
            if moved and name == TRACE[0]:
                continue
            raise AssertionError(f"{name!r} expected at the start of {rest[:80]!r}")
        rest = rest[end + 1:]
        while rest[:1] == b"\t":  # our folds begin with a tab
            rest = rest[rest.find(b"\n") + 1:]
    return rest


def compare(expected, fetched, traced=True):
    """Both as digests of line-end-neutral bytes: what is missing and what is there that was never delivered."""
    missing = collections.Counter(map(digest, expected))
    extra = collections.Counter(digest(without_trace(m) if traced else m) for m in fetched)
    return sorted((missing - extra).elements()), sorted((extra - missing).elements())
