"""`merpati authorize`: the device flow (RFC 8628) against a scripted provider, and its refresh token used by `pull`."""

import http.server
import json
import socket
import stat
import threading
import unittest
import urllib.parse

import harness
import home


class Provider(http.server.BaseHTTPRequestHandler):
    """Agrees at the third question; gives access tokens for the refresh token."""

    asked = 0

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.path == "/device":
            answer = {"device_code": "dev-1", "user_code": "KCLD-QWER", "verification_uri": "https://example.org/device",
                      "expires_in": 60, "interval": 1}
        elif form.get("grant_type") == "refresh_token":
            ok = form.get("refresh_token") == "refresh-rahasia" and form.get("client_id") == "merpati-test"
            answer = {"access_token": "akses-1", "expires_in": 3600} if ok else {"error": "invalid_grant"}
        else:
            type(self).asked += 1
            answer = ({"access_token": "akses-0", "refresh_token": "refresh-rahasia", "expires_in": 3600}
                      if type(self).asked > 2 else {"error": "authorization_pending"})
        body = json.dumps(answer).encode()
        self.send_response(400 if "error" in answer else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def pop3_with_tokens(door, seen, messages):
    """A POP3 server that takes XOAUTH2 with akses-1 and nothing else."""
    while True:
        try:
            peer, _ = door.accept()
        except OSError:
            return
        lines = peer.makefile("rb")

        def say(text):
            peer.sendall(text.encode() + b"\r\n")

        say("+OK ready")
        for line in lines:
            word = line.split()[0].upper()
            if word == b"CAPA":
                say("+OK\r\nSASL XOAUTH2\r\nUIDL\r\nTOP\r\n.")
            elif word == b"AUTH":
                import base64
                token = base64.b64decode(line.split()[2])
                seen.append(token)
                say("+OK" if b"Bearer akses-1\1" in token else "-ERR [AUTH] no")
            elif word == b"LIST":
                say("+OK\r\n" + "".join(f"{n + 1} {len(m)}\r\n" for n, m in enumerate(messages)) + ".")
            elif word == b"UIDL":
                say("+OK\r\n" + "".join(f"{n + 1} id-{n}\r\n" for n, _ in enumerate(messages)) + ".")
            elif word == b"RETR":
                say("+OK")
                peer.sendall(messages[int(line.split()[1]) - 1].replace(b"\r\n.", b"\r\n..") + b".\r\n")
            else:
                say("+OK")
            if word == b"QUIT":
                break
        peer.close()


class Authorize(unittest.TestCase):
    def test_sign_in_once_then_pull(self):
        provider = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{provider.server_port}"
        door, seen, messages = socket.create_server(("127.0.0.1", 0)), [], harness.made(3)
        threading.Thread(target=pop3_with_tokens, args=(door, seen, messages), daemon=True).start()
        try:
            with home.Home() as person:
                token = person.folder / "refresh"
                arguments = ("authorize", "--device-url", base + "/device", "--token-url", base + "/token", "--client-id",
                             "merpati-test", "--to", token)
                done = person.run(*arguments)
                self.assertIn(b"KCLD-QWER", done.stderr)
                self.assertIn(b"https://example.org/device", done.stderr)
                self.assertNotIn(b"refresh-rahasia", done.stdout + done.stderr)
                self.assertEqual(token.read_text(), "refresh-rahasia\n")
                self.assertEqual(stat.S_IMODE(token.stat().st_mode), 0o600)
                again = person.run(*arguments, check=False)
                self.assertEqual(again.returncode, 73, "never over another file")

                config = person.folder / "pull.yaml"
                config.write_text(f"""
accounts:
  - name: kantor
    url: pop3://budi@127.0.0.1:{door.getsockname()[1]}
    to: maildir:{person.folder}/Mail
    oauth:
      token-url: {base}/token
      client-id: merpati-test
      refresh-token-file: {token}
""")
                person.run("pull", "--config", config)
                self.assertEqual(sorted(map(harness.digest, home.maildir(person.folder / "Mail"))),
                                 sorted(map(harness.digest, messages)))
                self.assertIn(b"user=budi\1auth=Bearer akses-1\1\1", seen)
        finally:
            provider.shutdown()
            door.close()


if __name__ == "__main__":
    unittest.main()
