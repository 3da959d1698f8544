"""Running the client side of Merpati: one folder a test, its own state, every target's messages as bytes."""

import json
import os
import pathlib
import poplib
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import binary

poplib._MAXLINE = 10_000_000


class Home:
    """A person's computer: a folder for mail and one for journals, both gone at the end."""

    def __init__(self, password="pass", folder=None):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="home-"))
        self.folder.mkdir(exist_ok=True)
        self.environment = dict(
            os.environ, XDG_STATE_HOME=str(self.folder / "state"), MERPATI_PASSWORD=password, TZ="UTC")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *arguments, **more):
        return subprocess.Popen(
            [binary(), *map(str, arguments)], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **more)

    def run(self, *arguments, check=True, timeout=600, stdin=None, environment=None):
        done = subprocess.run(
            [binary(), *map(str, arguments)], env=dict(self.environment, **(environment or {})), input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(
                f"merpati {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout.decode(errors='replace')[-2000:]}"
                f"{done.stderr.decode(errors='replace')[-2000:]}")
        return done

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def events(self, *arguments, **more):
        """The lines of --json of long work."""
        return [json.loads(line) for line in self.run(*arguments, "--json", **more).stdout.splitlines()]


def maildir(path):
    return [f.read_bytes() for sub in ("cur", "new") for f in sorted((pathlib.Path(path) / sub).glob("*"))]


def leftovers(path):
    return sorted(f.name for f in (pathlib.Path(path) / "tmp").glob("*"))


def mbox(path):
    """Messages of an mboxrd file."""
    messages, current = [], None
    previous_empty = True
    for line in pathlib.Path(path).read_bytes().splitlines(keepends=True):
        if line.startswith(b"From ") and previous_empty:
            if current is not None:
                messages.append(b"".join(current))
            current = []
        else:
            stripped = line.lstrip(b">")
            current.append(line[1:] if line.startswith(b">") and stripped.startswith(b"From ") else line)
        previous_empty = line in (b"\n", b"\r\n")
    if current is not None:
        messages.append(b"".join(current))
    # The empty line that parts entries belongs to no message.
    return [m[:-1] if m.endswith(b"\n\n") else m for m in messages]


def drop(port, user, password="pass"):
    """What a POP3 server holds, read without any client of ours: pipelined, for Cyrus and Courier take 20 ms a turn; nothing
    is deleted."""
    with socket.create_connection(("127.0.0.1", port), 60) as peer:
        lines = peer.makefile("rb")

        def answer():
            line = lines.readline()
            if not line.startswith(b"+OK"):
                raise AssertionError(line)
            return line

        answer()
        # Courier gives those who do not ask for UTF8 a note in place of a message with UTF-8 in its header (RFC 6856).
        peer.sendall(b"UTF8\r\n")
        lines.readline()
        # Courier hands the connection to another process at PASS: what came along would be lost.
        for command in (f"USER {user}", f"PASS {password}", "STAT"):
            peer.sendall(command.encode() + b"\r\n")
            total = answer()
        total = total.split()[1]
        writer = threading.Thread(
            target=lambda: peer.sendall(b"".join(b"RETR %d\r\n" % n for n in range(1, int(total) + 1)) + b"QUIT\r\n"))
        writer.start()
        messages = []
        for _ in range(int(total)):
            answer()
            message = []
            while (line := lines.readline()) != b".\r\n":
                if not line:
                    raise AssertionError("the server hung up")
                message.append(line[1:] if line.startswith(b".") else line)
            messages.append(b"".join(message))
        answer()
        writer.join()
        return messages


def count(port, user, password="pass"):
    connection = poplib.POP3("127.0.0.1", port, timeout=60)
    connection.user(user)
    connection.pass_(password)
    result = connection.stat()[0]
    connection.quit()
    return result


__all__ = ["Home", "maildir", "mbox", "drop", "count", "leftovers"]
