"""TLS and every way to log in, against a real server: Python's ssl, curl, and a SCRAM client written here."""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import imaplib
import os
import pathlib
import poplib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import lines
from harness import PASSWORD
from lines import IMAP, LMTP, POP3, Peer

LISTENERS = ("imap", "imaps", "pop3", "pop3s", "lmtp")
SMALL = b"From: a@example.org\r\nSubject: kecil\r\n\r\nisi\r\n"


def certificate(folder, file, name, *names):
    """A self-signed certificate FILE.crt with FILE.key, made by openssl."""
    alternatives = ",".join(f"DNS:{n}" for n in (name, *names))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}",
         "-keyout", str(folder / f"{file}.key.new"), "-out", str(folder / f"{file}.crt.new")],
        check=True, capture_output=True)
    for ending in ("key", "crt"):
        os.replace(folder / f"{file}.{ending}.new", folder / f"{file}.{ending}")
    return ssl.PEM_cert_to_DER_cert((folder / f"{file}.crt").read_text())


def shown(server, listener, name):
    """The certificate a client is shown that asks for `name`."""
    with socket.create_connection(("127.0.0.1", server.ports[listener]), timeout=30) as raw:
        with lines.trusting().wrap_socket(raw, server_hostname=name) as tls:
            return tls.getpeercert(binary_form=True)


def crypt_hash(password, prefix, cost=0):
    """crypt(3) by libcrypt, which Debian has everywhere; Python's module is going away."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = library.crypt_gensalt.restype = ctypes.c_char_p
    setting = library.crypt_gensalt(prefix.encode(), cost, None, 0)
    return library.crypt(password.encode(), setting).decode()


def ssha(password, digest="sha1", salt=b"garam123"):
    value = hashlib.new(digest, password.encode() + salt).digest()
    return base64.b64encode(value + salt).decode()


class SCRAM:
    """The client's side of RFC 5802 without channel binding."""

    def __init__(self, hash_name, user, password):
        self.hash, self.user, self.password = hash_name, user, password

    def first(self):
        name = self.user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={base64.b64encode(secrets.token_bytes(18)).decode()}"
        return ("n,," + self.bare).encode()

    def final(self, challenge):
        text = challenge.decode()
        fields = dict(part.split("=", 1) for part in text.split(","))
        assert fields["r"].startswith(self.bare.split("r=", 1)[1]), "the server's nonce begins with ours"
        assert len(fields["r"]) > len(self.bare.split("r=", 1)[1])
        self.iterations = int(fields["i"])
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(fields["s"]), self.iterations)
        without_proof = f"c=biws,r={fields['r']}"
        whole = ",".join((self.bare, text, without_proof)).encode()
        client_key = hmac.digest(salted, b"Client Key", self.hash)
        stored = hashlib.new(self.hash, client_key).digest()
        signature = hmac.digest(stored, whole, self.hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", self.hash), whole, self.hash)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, answer):
        assert base64.b64decode(answer.decode().removeprefix("v=")) == self.server_signature, "the server knows no key"
        return b""


def b64(octets):
    return base64.b64encode(octets).decode()


def exchange(peer, mechanism, messages, initial=True):
    """AUTHENTICATE or AUTH; `messages` turns challenges into answers. Returns the last line."""
    verb, good, tag = ("AUTH", b"+ ", "") if isinstance(peer, POP3) else ("AUTHENTICATE", b"+ ", "x9 ")
    first = messages(None)
    line = f"{tag}{verb} {mechanism}"
    if initial and first is not None:
        line += " " + (b64(first) or "=")
        first = None
    peer.send(line + "\r\n")
    while True:
        line = peer.line()
        if line.startswith(b"* "):
            continue
        if not (line.startswith(good) or line == b"+"):
            return line.removeprefix(tag.encode())
        challenge = base64.b64decode(line[2:])
        answer = first if first is not None else messages(challenge)
        first = None
        peer.send(b64(answer) + "\r\n")


def scram(peer, hash_name, user, password, initial=True, keep=None):
    client = SCRAM(hash_name, user, password)
    if keep is not None:
        keep.append(client)
    steps = iter((lambda _: client.first(), client.final, client.verify))
    return exchange(peer, "SCRAM-" + {"sha1": "SHA-1", "sha256": "SHA-256"}[hash_name], lambda c: next(steps)(c), initial)


def plain(peer, user, password, initial=True, authorization=""):
    def messages(challenge):
        return f"{authorization}\0{user}\0{password}".encode()
    return exchange(peer, "PLAIN", messages, initial)


def login(peer, user, password):
    answers = iter((None, user.encode(), password.encode()))
    return exchange(peer, "LOGIN", lambda _: next(answers))


class Case(unittest.TestCase):
    flags = ("--set", "auth.failure-delay=0s")

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(*cls.flags)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        problems = cls.server.check()["problems"]
        cls.server.destroy()
        assert problems == [], problems

    def assertGood(self, answer):
        self.assertRegex(answer, rb"^(\+OK|OK)")

    def assertRefused(self, answer):
        self.assertRegex(answer, rb"^(-ERR|NO)")

    def imap(self, tls=None, **options):
        peer = IMAP(self.server.ports["imaps" if tls else "imap"], tls=tls, **options)
        self.addCleanup(peer.close)
        return peer

    def pop3(self, tls=None, **options):
        peer = POP3(self.server.ports["pop3s" if tls else "pop3"], tls=tls, **options)
        self.addCleanup(peer.close)
        return peer

    def mechanisms(self):
        """As IMAP and POP3 announce them: the same."""
        with self.imap() as imap, self.pop3() as pop3:
            from_imap = re.findall(rb"AUTH=(\S+)", imap.command("CAPABILITY")[1][0])
            pop3.command("CAPA")
            sasl = [line for line in pop3.listing() if line.startswith(b"SASL")]
            from_pop3 = sasl[0].split()[1:] if sasl else []
        self.assertEqual(sorted(from_imap), sorted(from_pop3))
        return {name.decode() for name in from_imap}

    def every_peer(self):
        """A fresh connection of each kind that takes logins."""
        tls = lines.trusting()
        yield "imap", self.imap()
        yield "imaps", self.imap(tls)
        yield "pop3", self.pop3()
        yield "pop3s", self.pop3(tls)


class TLS(Case):
    """The certificate of the first run, versions, and libraries that other people wrote."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.add_account("budi")
        cls.server.deliver("budi", [SMALL])
        cls.file = cls.server.data / "tls" / "self-signed.crt"

    def verifying(self):
        context = ssl.create_default_context(cafile=str(self.file))
        return context

    def test_python_imap(self):
        with imaplib.IMAP4_SSL("localhost", self.server.ports["imaps"], ssl_context=self.verifying()) as client:
            client.login("budi", PASSWORD)
            self.assertEqual(client.select()[1], [b"1"])
        with imaplib.IMAP4("localhost", self.server.ports["imap"]) as client:
            client.starttls(self.verifying())
            self.assertNotIn("STARTTLS", client.capabilities)
            client.login("budi", PASSWORD)
            self.assertEqual(client.select()[1], [b"1"])

    def test_python_pop3(self):
        client = poplib.POP3_SSL("localhost", self.server.ports["pop3s"], context=self.verifying())
        client.user("budi")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], 1)
        client.quit()
        client = poplib.POP3("localhost", self.server.ports["pop3"])
        self.assertIn("STLS", client.capa())
        client.stls(self.verifying())
        self.assertNotIn("STLS", client.capa())
        client.user("budi")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], 1)
        client.quit()

    def test_python_lmtp(self):
        with self.server.lmtp() as client:
            client.ehlo_or_helo_if_needed()
            self.assertTrue(client.has_extn("starttls"))
            # smtplib says EHLO after it by itself and knows no LHLO for that: do it by hand.
        peer = LMTP(self.server.ports["lmtp"])
        peer.command("LHLO x")
        self.assertRegex(peer.command("STARTTLS"), rb"^220")
        peer.starttls(self.verifying(), "localhost")
        self.assertNotIn(b"STARTTLS", peer.command("LHLO x"))
        peer.close()

    def test_self_signed_certificate(self):
        mode = (self.server.data / "tls" / "self-signed.key").stat().st_mode
        self.assertEqual(mode & 0o077, 0, "others may read the key")
        before = self.file.read_bytes()
        self.assertEqual(shown(self.server, "imaps", "localhost"), ssl.PEM_cert_to_DER_cert(before.decode()))
        self.server.stop()
        self.server.start()
        self.assertEqual(self.file.read_bytes(), before, "a second run makes no new one")

    def test_versions(self):
        def attempt(port, version):
            context = lines.trusting()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
                with context.wrap_socket(raw) as tls:
                    return tls.version()

        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for listener in ("imaps", "pop3s"):
                port = self.server.ports[listener]
                self.assertEqual(attempt(port, ssl.TLSVersion.TLSv1_2), "TLSv1.2")
                self.assertEqual(attempt(port, ssl.TLSVersion.TLSv1_3), "TLSv1.3")
            with old_tls_server(self.file, self.server.data / "tls" / "self-signed.key") as port:
                try:
                    self.assertEqual(attempt(port, ssl.TLSVersion.TLSv1_1), "TLSv1.1")
                except (ssl.SSLError, OSError):
                    self.skipTest("this Python cannot speak TLS 1.1, so its refusal would prove nothing")
            for listener in ("imaps", "pop3s"):
                for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                    with self.assertRaises((ssl.SSLError, OSError)):
                        attempt(self.server.ports[listener], version)

    def test_clear_text_on_a_tls_port(self):
        for listener in ("imaps", "pop3s"):
            with Peer(self.server.ports[listener]) as peer:
                peer.send(b"a1 CAPABILITY\r\n")
                self.assertNotIn(b"OK", peer.to_the_end())

    def test_curl(self):
        if not shutil.which("curl"):
            self.skipTest("no curl")
        for scheme, port, more in (("imap", "imap", ["--ssl-reqd"]), ("imaps", "imaps", []),
                                   ("pop3", "pop3", ["--ssl-reqd"]), ("pop3s", "pop3s", [])):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(scheme=scheme, mechanism=mechanism):
                    path = "INBOX;MAILINDEX=1" if scheme.startswith("imap") else "1"
                    done = subprocess.run(
                        ["curl", "-s", "-S", "--cacert", str(self.file), *more, "--user", f"budi:{PASSWORD}",
                         "--login-options", f"AUTH={mechanism}", f"{scheme}://localhost:{self.server.ports[port]}/{path}"],
                        capture_output=True, timeout=60)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertTrue(done.stdout.endswith(SMALL), done.stdout)

    def test_curl_scram(self):
        features = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout if shutil.which("curl") else ""
        done = subprocess.run(
            ["curl", "-s", "-S", "-v", "--cacert", str(self.file), "--user", f"budi:{PASSWORD}",
             "--login-options", "AUTH=SCRAM-SHA-256", f"imaps://localhost:{self.server.ports['imaps']}/INBOX;MAILINDEX=1"],
            capture_output=True, timeout=60) if features else None
        if done is None or b"AUTHENTICATE SCRAM" not in done.stderr:
            self.skipTest("this curl is built without libgsasl, which it needs for SCRAM")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith(SMALL))


class old_tls_server:
    """A control: a server that does accept TLS 1.1, if this Python can."""

    def __init__(self, certificate, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        self.context.minimum_version = ssl.TLSVersion.TLSv1
        self.context.load_cert_chain(certificate, key)

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self.socket.getsockname()[1]

    def serve(self):
        try:
            raw, _ = self.socket.accept()
            with raw, self.context.wrap_socket(raw, server_side=True):
                pass
        except OSError:
            pass

    def __exit__(self, *_):
        self.socket.close()
        self.thread.join(30)


class HostNames(Case):
    """tls.directory: a certificate for each name, replaced while the server runs."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("no openssl")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-tls-"))
        cls.default = certificate(cls.folder, "utama", "utama.example")
        hosts = cls.folder / "hosts"
        hosts.mkdir()
        cls.hosts = hosts
        cls.satu = certificate(hosts, "satu.example", "satu.example")
        cls.dua = certificate(hosts, "dua.example", "dua.example")
        cls.wild = certificate(hosts, "_.liar.example", "*.liar.example")
        cls.flags = ("--set", f"tls.certificate={cls.folder}/utama.crt", "--set", f"tls.key={cls.folder}/utama.key",
                     "--set", f"tls.directory={hosts}")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def test_names(self):
        for listener in ("imaps", "pop3s"):
            with self.subTest(listener=listener):
                self.assertEqual(shown(self.server, listener, "satu.example"), self.satu)
                self.assertEqual(shown(self.server, listener, "DUA.Example"), self.dua)
                self.assertEqual(shown(self.server, listener, "x.liar.example"), self.wild)
                for name in ("x.y.liar.example", "liar.example", "tiga.example", "satu.example.org", None):
                    self.assertEqual(shown(self.server, listener, name), self.default, name)
        self.assertFalse((self.server.data / "tls" / "self-signed.crt").exists(), "made though a certificate was named")

    def test_after_starttls(self):
        peer = self.imap()
        self.assertGood(peer.command("STARTTLS")[0])
        peer.starttls(name="satu.example")
        self.assertEqual(peer.socket.getpeercert(binary_form=True), self.satu)

    def test_verified_like_a_client_does(self):
        context = ssl.create_default_context(cafile=str(self.hosts / "satu.example.crt"))
        with socket.create_connection(("127.0.0.1", self.server.ports["imaps"]), timeout=30) as raw:
            with context.wrap_socket(raw, server_hostname="satu.example"):
                pass

    def test_reload(self):
        old = self.imap(lines.trusting())
        new_one = certificate(self.hosts, "satu.example", "satu.example", "baru.example")
        new_default = certificate(self.folder, "utama", "utama.example")
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while shown(self.server, "imaps", "satu.example") != new_one and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(shown(self.server, "imaps", "satu.example"), new_one)
        self.assertEqual(shown(self.server, "pop3s", None), new_default)
        self.assertEqual(shown(self.server, "imaps", "dua.example"), self.dua)
        self.assertGood(old.command("NOOP")[0])
        # A broken file leaves what was there in service.
        (self.hosts / "satu.example.crt").write_text("rusak")
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while "not reloaded" not in self.server.log.read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn("not reloaded", self.server.log.read_text(errors="replace"))
        self.assertEqual(shown(self.server, "imaps", "satu.example"), new_one)
        type(self).satu = certificate(self.hosts, "satu.example", "satu.example")
        type(self).default = new_default
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while shown(self.server, "imaps", "satu.example") != self.satu and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(shown(self.server, "imaps", "satu.example"), self.satu)


class Mechanisms(Case):
    names = ("budi", "ani@example.org", "käthe", "a=b,c")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.passwords = {"budi": PASSWORD, "ani@example.org": "sandi, = \" \\ panjang", "käthe": "pässwörd 🕊"}
        for name, password in cls.passwords.items():
            cls.server.add_account(name, password=password)

    def test_announced(self):
        self.assertEqual(self.mechanisms(), {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"})

    def test_every_mechanism_of_every_account(self):
        for name, password in self.passwords.items():
            for initial in (True, False):
                for kind, way in (
                    ("PLAIN", lambda p: plain(p, name, password, initial)),
                    ("LOGIN", lambda p: login(p, name, password)),
                    ("SCRAM-SHA-1", lambda p: scram(p, "sha1", name, password, initial)),
                    ("SCRAM-SHA-256", lambda p: scram(p, "sha256", name, password, initial)),
                ):
                    for where, peer in self.every_peer():
                        with self.subTest(name=name, kind=kind, where=where, initial=initial):
                            self.assertGood(way(peer))
                            answer = peer.command("STATUS INBOX (MESSAGES)" if "imap" in where else "STAT")
                            self.assertGood(answer[0] if isinstance(answer, tuple) else answer)
                            peer.command("LOGOUT" if "imap" in where else "QUIT")
                            peer.close()

    def test_wrong(self):
        for where, peer in self.every_peer():
            with self.subTest(where=where):
                self.assertRefused(plain(peer, "budi", "salah"))
                self.assertRefused(scram(peer, "sha256", "budi", "salah"))
                self.assertRefused(plain(peer, "budi", PASSWORD, authorization="ani@example.org"))
                self.assertGood(plain(peer, "budi", PASSWORD, authorization="budi"))
                peer.close()

    def test_nobody_learns_who_exists(self):
        """An unknown name is taken through SCRAM to the same end, with the same salt each time."""
        for name in ("tidakada", "budi"):
            answers = [self.imap().login(name, "salah")[0], scram(self.imap(), "sha256", name, "salah")]
            self.assertRegex(b"\n".join(answers), rb"^NO \[AUTHENTICATIONFAILED\][^\n]*\nNO \[AUTHENTICATIONFAILED\]")
        challenges = []
        for _ in range(2):
            peer = self.imap()
            client = SCRAM("sha256", "tidakada", "x")
            peer.send(f"a1 AUTHENTICATE SCRAM-SHA-256 {b64(client.first())}\r\n")
            challenges.append(base64.b64decode(peer.line()[2:]).decode().split(",", 1)[1])
            peer.close()
        self.assertEqual(challenges[0], challenges[1])

    def test_iterations(self):
        clients = []
        self.assertGood(scram(self.imap(), "sha256", "budi", PASSWORD, keep=clients))
        self.assertGreaterEqual(clients[0].iterations, 15_000)

    def test_server_is_held_to_the_proof(self):
        """A recorded proof is worth nothing in a second exchange, and channel binding is not pretended."""
        peer = self.imap()
        recorded = []

        def messages(challenge):
            if challenge is None:
                return client.first()
            if recorded:
                return client.verify(challenge)
            recorded.append(client.final(challenge))
            return recorded[0]

        client = SCRAM("sha256", "budi", PASSWORD)
        self.assertGood(exchange(peer, "SCRAM-SHA-256", messages))
        steps = iter((lambda _: client.first(), lambda _: recorded[0]))
        self.assertRefused_or_bad(exchange(self.imap(), "SCRAM-SHA-256", lambda c: next(steps)(c)))
        self.assertRefused_or_bad(exchange(self.imap(), "SCRAM-SHA-256", lambda _: b"p=tls-exporter,,n=budi,r=abc"))
        self.assertRefused_or_bad(exchange(self.imap(), "SCRAM-SHA-256-PLUS", lambda _: b"p=tls-exporter,,n=budi,r=abc"))

    def assertRefused_or_bad(self, answer):
        self.assertRegex(answer, rb"^(-ERR|NO|BAD)")

    def test_broken_off(self):
        for where, peer in self.every_peer():
            verb = "x1 AUTHENTICATE" if "imap" in where else "AUTH"
            for line in ("*", "bukan base64!", "=AAA", ""):
                peer.send(f"{verb} PLAIN\r\n")
                self.assertTrue(peer.line().startswith(b"+"))
                peer.send(line + "\r\n")
                self.assertRegex(peer.line(), rb"^(x1 (BAD|NO)|-ERR)")
            peer.close()


class Hashes(Case):
    """Accounts from elsewhere: their hashes log in by PLAIN, become SCRAM keys, and hold SCRAM back until then."""

    def setUp(self):
        self.server.add_account("lama")
        self.addCleanup(lambda: self.server.merpati("account", "remove", "lama"))

    def add(self, name, text):
        done = self.server.merpati("account", "add", name, "--password-stdin", "--hashed", stdin=text.encode() + b"\n", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(lambda: self.server.merpati("account", "remove", name, check=False))

    def eventually(self, wanted):
        """What is announced follows an administrator's change within moments, not at once."""
        deadline = time.monotonic() + 20
        while self.mechanisms() != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.mechanisms(), wanted)

    def test_each_scheme(self):
        password = "kata sandi ä"
        schemes = {
            "SHA512-CRYPT": "{SHA512-CRYPT}" + crypt_hash(password, "$6$"),
            "SHA256-CRYPT": "{SHA256-CRYPT}" + crypt_hash(password, "$5$"),
            "BLF-CRYPT": "{BLF-CRYPT}" + crypt_hash(password, "$2b$", 5),
            "yescrypt": crypt_hash(password, "$y$"),
            "yescrypt in braces": "{CRYPT}" + crypt_hash(password, "$y$"),
            "SSHA": "{SSHA}" + ssha(password),
            "SSHA512": "{SSHA512}" + ssha(password, "sha512"),
        }
        all_of_them = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"}
        for number, (scheme, text) in enumerate(schemes.items()):
            with self.subTest(scheme=scheme):
                name = f"impor{number}"
                self.eventually(all_of_them)
                self.add(name, text)
                self.eventually({"PLAIN", "LOGIN"})
                self.assertRefused(self.imap().login(name, "salah")[0])
                self.eventually({"PLAIN", "LOGIN"})
                with self.imap() as peer:
                    self.assertGood(plain(peer, name, password))
                self.eventually(all_of_them)
                with self.pop3() as peer:
                    self.assertGood(scram(peer, "sha256", name, password))
                with self.imap() as peer:
                    self.assertGood(scram(peer, "sha1", name, password))
                with self.imap() as peer:
                    self.assertRefused(scram(peer, "sha256", name, "salah"))
                report = {a["name"]: a for a in __import__("json").loads(self.server.merpati("account", "list", "--json").stdout)}
                self.assertTrue(report[name]["scram"])

    def test_a_disabled_account_holds_nothing_back(self):
        self.add("mati", "{SSHA}" + ssha("x"))
        self.eventually({"PLAIN", "LOGIN"})
        self.server.merpati("account", "set", "mati", "--disable-login")
        self.eventually({"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"})
        self.assertRefused(self.imap().login("mati", "x")[0])

    def test_not_hashes(self):
        for text in ("{PLAIN}rahasia", "{SHA512-CRYPT}$1$abc$def", "{UNKNOWN}abc", "rahasia", "{SSHA}####", ""):
            done = self.server.merpati("account", "add", "salah", "--password-stdin", "--hashed", stdin=text.encode() + b"\n",
                                       check=False)
            self.assertNotEqual(done.returncode, 0, text)
            if len(text) > 3:
                self.assertNotIn(text.split("}")[-1].encode(), done.stdout + done.stderr, "the secret is printed")


class Changes(Case):
    def test_password_change_takes_effect_at_once(self):
        """The cache of verified logins forgets the old password with the change."""
        self.server.add_account("budi", password="lama")
        for where, peer in self.every_peer():
            self.assertGood(peer.login("budi", "lama")[0] if "imap" in where else peer.login("budi", "lama"))
            if "pop3" in where:
                peer.command("QUIT")
            peer.close()
        self.server.merpati("account", "passwd", "budi", "--password-stdin", stdin=b"baru\n")
        for where, peer in self.every_peer():
            self.assertRefused(peer.login("budi", "lama")[0] if "imap" in where else peer.login("budi", "lama"))
            self.assertGood(peer.login("budi", "baru")[0] if "imap" in where else peer.login("budi", "baru"))
            if "pop3" in where:
                peer.command("QUIT")
            peer.close()
        self.assertRefused(scram(self.imap(), "sha256", "budi", "lama"))
        self.assertGood(scram(self.imap(), "sha256", "budi", "baru"))

    def test_disabled_and_removed(self):
        self.server.add_account("cici")
        self.assertGood(self.imap().login("cici", PASSWORD)[0])
        self.server.merpati("account", "set", "cici", "--disable-login")
        self.assertRefused(self.imap().login("cici", PASSWORD)[0])
        self.assertRefused(self.pop3().login("cici", PASSWORD))
        self.server.merpati("account", "set", "cici", "--enable-login")
        self.assertGood(self.imap().login("cici", PASSWORD)[0])
        self.server.merpati("account", "remove", "cici")
        self.assertRefused(self.imap().login("cici", PASSWORD)[0])
        self.server.add_account("cici", password="lain")
        self.assertRefused(self.imap().login("cici", PASSWORD)[0])
        self.assertGood(self.imap().login("cici", "lain")[0])

    def test_renewed_often(self):
        self.server.add_account("dedi", password="0")
        for number in range(1, 6):
            self.assertGood(self.imap().login("dedi", str(number - 1))[0])
            self.server.merpati("account", "passwd", "dedi", "--password-stdin", stdin=f"{number}\n".encode())
            self.assertRefused(self.imap().login("dedi", str(number - 1))[0])


class Delays(Case):
    """Wrong passwords make an address wait; whoever has the right one gets in."""

    flags = ()

    def test_owner_is_not_locked_out(self):
        self.server.add_account("budi")
        stop = threading.Event()

        def guess():
            while not stop.is_set():
                try:
                    with IMAP(self.server.ports["imap"], source=("127.0.0.9", 0), timeout=60) as peer:
                        peer.login("budi", "salah")
                except (OSError, Peer.Closed):
                    pass

        guessers = [threading.Thread(target=guess) for _ in range(4)]
        for guesser in guessers:
            guesser.start()
        try:
            time.sleep(4)
            # From another address nothing is felt: well under the 15 s that the guesser waits by now.
            started = time.monotonic()
            self.assertGood(self.imap(source=("127.0.0.10", 0)).login("budi", PASSWORD)[0])
            elsewhere = time.monotonic() - started
            self.assertLess(elsewhere, 8)
            # From the guesser's own address it takes a while, and works.
            peer = self.imap(source=("127.0.0.9", 0), timeout=60)
            started = time.monotonic()
            self.assertGood(peer.login("budi", PASSWORD)[0])
            here = time.monotonic() - started
            print(f"  owner's login during an attack: {elsewhere:.2f} s from elsewhere, {here:.1f} s from the same address")
        finally:
            stop.set()
            for guesser in guessers:
                guesser.join()

    def test_failures_take_longer(self):
        self.server.add_account("ani")
        taken = []
        peer = self.imap(source=("127.0.0.11", 0), timeout=60)
        for _ in range(4):
            started = time.monotonic()
            self.assertRefused(peer.login("ani", "salah")[0])
            taken.append(time.monotonic() - started)
        print("  failures in one row took " + ", ".join(f"{t:.1f} s" for t in taken))
        # Lower bounds only: 0, 1, 2, 4 s.
        self.assertGreaterEqual(taken[1], 0.9)
        self.assertGreaterEqual(taken[2], 1.9)
        self.assertGreaterEqual(taken[3], 3.9)

    def test_pipelined_guesses_gain_nothing(self):
        self.server.add_account("cici")
        peer = self.imap(source=("127.0.0.12", 0), timeout=60)
        started = time.monotonic()
        peer.send(b"".join(b"a%d LOGIN cici salah%d\r\n" % (n, n) for n in range(4)))
        for number in range(4):
            self.assertRefused(peer.answer(f"a{number}")[0])
        self.assertGreaterEqual(time.monotonic() - started, 6.5)


class Cleartext(unittest.TestCase):
    """Off loopback no password is taken in the clear, and saying so comes before the password does."""

    address = "10.99.0.3"

    def setUp(self):
        done = subprocess.run(["ip", "addr", "add", f"{self.address}/32", "dev", "lo"], capture_output=True) \
            if shutil.which("ip") else None
        if done is None or done.returncode and b"exists" not in done.stderr and b"assigned" not in done.stderr:
            self.skipTest("no address other than loopback can be had (needs root and iproute2)")
        self.addCleanup(subprocess.run, ["ip", "addr", "del", f"{self.address}/32", "dev", "lo"], capture_output=True)

    def outside(self, kind, server, listener, tls=None):
        peer = kind(server.ports[listener], source=(self.address, 0), tls=tls)
        self.addCleanup(peer.close)
        return peer

    def test_refused(self):
        with harness.Server("--set", "auth.failure-delay=0s") as server:
            server.add_account("budi")
            peer = self.outside(IMAP, server, "imap")
            self.assertIn(b"LOGINDISABLED", peer.greeting)
            words = peer.command("CAPABILITY")[1][0].split()
            self.assertIn(b"LOGINDISABLED", words)
            self.assertNotIn(b"AUTH=PLAIN", words)
            self.assertNotIn(b"AUTH=LOGIN", words)
            self.assertIn(b"AUTH=SCRAM-SHA-256", words)
            # RFC 9051 §6.2.3, RFC 5530: the right password too.
            self.assertRegex(peer.login("budi", PASSWORD)[0], rb"^NO \[PRIVACYREQUIRED\]")
            self.assertRegex(plain(peer, "budi", PASSWORD), rb"^NO \[PRIVACYREQUIRED\]")
            self.assertRegex(peer.command("AUTHENTICATE LOGIN")[0], rb"^NO \[PRIVACYREQUIRED\]")
            # SCRAM shows no password.
            self.assertRegex(scram(peer, "sha256", "budi", PASSWORD), rb"^OK")
            peer = self.outside(IMAP, server, "imap")
            peer.command("STARTTLS")
            peer.starttls()
            self.assertNotIn(b"LOGINDISABLED", peer.command("CAPABILITY")[1][0])
            self.assertRegex(peer.login("budi", PASSWORD)[0], rb"^OK")

            peer = self.outside(POP3, server, "pop3")
            peer.command("CAPA")
            capa = peer.listing()
            self.assertNotIn(b"USER", capa)
            self.assertIn(b"STLS", capa)
            self.assertNotRegex(b"\n".join(capa), rb"SASL.*(PLAIN|LOGIN)")
            self.assertRegex(peer.login("budi", PASSWORD), rb"^-ERR")
            self.assertRegex(plain(peer, "budi", PASSWORD), rb"^-ERR")
            self.assertRegex(scram(peer, "sha1", "budi", PASSWORD), rb"^\+OK")
            peer.command("QUIT")
            peer = self.outside(POP3, server, "pop3")
            peer.command("STLS")
            peer.starttls()
            self.assertRegex(peer.login("budi", PASSWORD), rb"^\+OK")
            self.assertRegex(self.outside(IMAP, server, "imaps", lines.trusting()).login("budi", PASSWORD)[0], rb"^OK")

    def test_allowed_by_the_administrator(self):
        with harness.Server("--allow-cleartext-login") as server:
            server.add_account("budi")
            peer = self.outside(IMAP, server, "imap")
            self.assertNotIn(b"LOGINDISABLED", peer.greeting)
            self.assertRegex(peer.login("budi", PASSWORD)[0], rb"^OK")
            self.assertRegex(self.outside(POP3, server, "pop3").login("budi", PASSWORD), rb"^\+OK")


class Secrets(unittest.TestCase):
    def test_no_secret_in_log_or_command_line(self):
        """Everything a password could be, at the most talkative level, nowhere but in the store as keys."""
        with harness.Server("--set", "log.level=trace", "--set", "auth.failure-delay=0s") as server:
            right, wrong, hashed = "Rahasia-Benar-7391", "Rahasia-Salah-7391", "Rahasia-Impor-7391"
            stored = crypt_hash(hashed, "$6$")
            adding = subprocess.Popen(
                [harness.binary(), "account", "add", "budi", "--password-stdin", "--data", str(server.data)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            command_line = pathlib.Path(f"/proc/{adding.pid}/cmdline").read_bytes()
            environment = pathlib.Path(f"/proc/{adding.pid}/environ").read_bytes()
            out, err = adding.communicate((right + "\n").encode(), timeout=60)
            server.merpati("account", "add", "ani", "--password-stdin", "--hashed", stdin=stored.encode() + b"\n")
            said = out + err
            for password in (right, wrong):
                with IMAP(server.ports["imap"]) as peer:
                    peer.login("budi", password)
                with IMAP(server.ports["imap"]) as peer:
                    peer.send(b"a1 LOGIN {%d+}\r\nbudi" % 4 + b" {%d+}\r\n" % len(password) + password.encode() + b" x\r\n")
                    peer.answer("a1")
                    peer.send(f"a2 LOGIN budi {password} lebih\r\n")
                    peer.answer("a2")
                    peer.send(f"a3 LOGI budi {password}\r\na4 login\r\n{password}\r\n")
                    peer.answer("a3")
                with POP3(server.ports["pop3"]) as peer:
                    peer.login("budi", password)
                    peer.command("QUIT")
                with POP3(server.ports["pop3"]) as peer:
                    peer.command(f"PASS {password}")
                    peer.command(f"USER {password}\x01")
                for peer in (IMAP(server.ports["imap"]), POP3(server.ports["pop3"])):
                    plain(peer, "budi", password)
                    peer.close()
                for peer in (IMAP(server.ports["imap"]), POP3(server.ports["pop3"])):
                    login(peer, "budi", password)
                    peer.close()
            with IMAP(server.ports["imap"]) as peer:
                plain(peer, "ani", hashed)
            server.merpati("account", "passwd", "budi", "--password-stdin", stdin=b"Rahasia-Baru-7391\n")
            said += server.merpati("account", "list", "--json").stdout + server.merpati("check", "--json").stdout
            said += server.merpati("config", "--json").stdout
            server_line = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
            server.stop()
            log = server.log.read_bytes()
            self.assertIn(b"login failed", log)
            needles = [s.encode() for s in (right, wrong, hashed, "Rahasia-Baru-7391", stored)]
            needles += [base64.b64encode(f"\0budi\0{p}".encode()) for p in (right, wrong)]
            needles += [base64.b64encode(p.encode()) for p in (right, wrong, hashed)]
            for needle in needles:
                for where, text in (("log", log), ("output", said), ("command line", command_line + server_line),
                                    ("environment", environment)):
                    self.assertNotIn(needle, text, f"in the {where}")
                for file in server.data.rglob("*"):
                    if file.is_file():
                        self.assertFalse(
                            needle in file.read_bytes() and needle != stored.encode(), f"{needle!r} stands in {file.name}")


if __name__ == "__main__":
    unittest.main()
