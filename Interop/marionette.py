"""Mozilla's remote control, as far as a test needs it: scripts with the program's own rights, and pictures."""

import base64
import json
import socket
import time


class Marionette:
    def __init__(self, port, patience=120):
        deadline = time.monotonic() + patience
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 10)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
        self.socket.settimeout(180)
        self.rest, self.number = b"", 0
        self._read()  # its greeting
        self.call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": {"script": 120_000}}}})
        self.call("Marionette:SetContext", {"value": "chrome"})

    def _read(self):
        while b":" not in self.rest:
            self._more()
        length, _, self.rest = self.rest.partition(b":")
        while len(self.rest) < int(length):
            self._more()
        said, self.rest = self.rest[:int(length)], self.rest[int(length):]
        return json.loads(said)

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the program has ended")
        self.rest += piece

    def call(self, name, parameters=None):
        self.number += 1
        request = json.dumps([0, self.number, name, parameters or {}]).encode()
        self.socket.sendall(b"%d:%s" % (len(request), request))
        while True:
            kind, number, error, result = self._read()
            if (kind, number) == (1, self.number):
                break
        if error:
            raise RuntimeError(f"{name}: {error.get('error')}: {error.get('message')}\n{error.get('stacktrace', '')[:800]}")
        return result

    def run(self, script, *arguments):
        """The body of an async function; its value comes back."""
        wrapped = "return (async function() {\n" + script + "\n}).apply(null, arguments);"
        return self.call("WebDriver:ExecuteScript", {"script": wrapped, "args": list(arguments), "newSandbox": True,
                                                     "sandbox": "system"})["value"]

    def until(self, script, *arguments, wanted=bool, what="", patience=90):
        deadline = time.monotonic() + patience
        while True:
            value = self.run(script, *arguments)
            if wanted(value):
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"{what or script}: not within {patience} s, it is {value!r}")
            time.sleep(0.3)

    def picture(self):
        """The window as PNG."""
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", {"full": False, "hash": False})["value"])
