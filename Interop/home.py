"""Running the client side of Merpati: one folder a test, its own state, every target's messages as bytes."""

import json
import os
import pathlib
import poplib
import shutil
import subprocess
import tempfile

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
    """What a POP3 server holds, as poplib gets it; nothing is deleted."""
    connection = poplib.POP3("127.0.0.1", port, timeout=60)
    connection.user(user)
    connection.pass_(password)
    count = connection.stat()[0]
    messages = [b"\r\n".join(connection.retr(number + 1)[1]) + b"\r\n" for number in range(count)]
    connection.quit()
    return messages


def count(port, user, password="pass"):
    connection = poplib.POP3("127.0.0.1", port, timeout=60)
    connection.user(user)
    connection.pass_(password)
    result = connection.stat()[0]
    connection.quit()
    return result


__all__ = ["Home", "maildir", "mbox", "drop", "count", "leftovers"]
