"""A program in a terminal that nobody sits at: keys go in, the screen is read. tmux plays the terminal."""

import os
import pathlib
import subprocess
import tempfile
import time


class Terminal:
    def __init__(self, arguments, folder, columns=120, rows=40, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="terminal-", dir=folder))
        self.socket = self.folder / "tmux"
        settings = {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "screen", **(environment or {})}
        words = [f"{name}={value}" for name, value in settings.items()]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder),
                   "env", "-i", *words, *arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def _tmux(self, *arguments, check=True):
        return subprocess.run(["tmux", "-S", str(self.socket), *arguments], capture_output=True, text=True, check=check,
                              env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=30)

    def keys(self, *keys):
        """Each is a key's name (`Enter`), or characters to be typed."""
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def screen(self):
        """The lines that stand there; empty when the program has ended."""
        shown = self._tmux("capture-pane", "-p", check=False)
        return shown.stdout.splitlines() if shown.returncode == 0 else []

    def runs(self):
        return self._tmux("has-session", check=False).returncode == 0

    def until(self, happened, what, patience=60):
        """Waits for `happened(screen)` and returns what it returned."""
        deadline = time.monotonic() + patience
        while True:
            screen = self.screen()
            found = happened(screen)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {patience} s; the screen shows\n" + "\n".join(screen))
            time.sleep(0.1)

    def until_over(self, patience=60):
        deadline = time.monotonic() + patience
        while self.runs():
            if time.monotonic() > deadline:
                raise AssertionError("it does not end; the screen shows\n" + "\n".join(self.screen()))
            time.sleep(0.1)

    def end(self):
        self._tmux("kill-server", check=False)
