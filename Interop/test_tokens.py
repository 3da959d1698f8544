"""Logins by token (OAUTHBEARER, XOAUTH2) and by certificate (EXTERNAL): keys and certificates by openssl, the issuer's document over
HTTP on loopback, clients in plain Python."""

import base64
import http.server
import json
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from harness import PASSWORD
from lines import IMAP, POP3

ISSUER = "https://id.example.org/realms/mail"


def url64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, check=True, capture_output=True).stdout


class Issuer:
    """An RSA key, tokens signed with it, and a document of it at a URL that counts how often it is asked."""

    def __init__(self, folder):
        self.key = folder / "issuer.key"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.document = json.dumps({"keys": [
            {"kty": "oct", "k": url64(b"secret"), "kid": "shared"},
            {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": url64(bytes.fromhex(modulus)), "e": "AQAB"},
        ]}).encode()
        self.asked = 0
        self.status = 200
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(issuer.document)))
                self.end_headers()
                self.wfile.write(issuer.document)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def token(self, header=None, **claims):
        now = int(time.time())
        body = {"iss": ISSUER, "aud": "mail", "email": "budi@example.org", "scope": "openid imap", "exp": now + 300, **claims}
        signed = ".".join(url64(json.dumps(part).encode()) for part in (header or {"alg": "RS256", "kid": "one"}, body))
        signature = openssl("dgst", "-sha256", "-sign", self.key, stdin=signed.encode())
        return signed + "." + url64(signature)


def bearer(token, name=""):
    return base64.b64encode(f"n,{'a=' + name if name else ''},\1auth=Bearer {token}\1\1".encode()).decode()


def xoauth2(token, name):
    return base64.b64encode(f"user={name}\1auth=Bearer {token}\1\1".encode()).decode()


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-tokens-"))
        cls.issuer = Issuer(cls.folder)
        cls.server = harness.Server(
            "--set", f"oauth.issuer={ISSUER}", "--set", "oauth.audience=other,mail", "--set", "oauth.scope=imap", "--set",
            f"oauth.keys={cls.issuer.url}", "--set", "auth.domain=example.org", "--set", "auth.failure-delay=0s", "--set",
            "oauth.configuration-url=https://id.example.org/.well-known/openid-configuration", "--set",
            "auth.failures-per-connection=100")
        cls.server.start()
        cls.server.add_account("budi")
        cls.server.add_account("ana")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        cls.issuer.server.shutdown()
        subprocess.run(["rm", "-rf", str(cls.folder)], check=False)

    def imap(self, **options):
        peer = IMAP(self.server.ports["imap"], **options)
        self.addCleanup(peer.close)
        return peer

    def refused(self, mechanism, text):
        """The error that the server tells, and its verdict."""
        peer = self.imap()
        peer.send(f"a AUTHENTICATE {mechanism} {text}\r\n")
        line = peer.line()
        if not line.startswith(b"+ "):
            return None, line
        peer.send(base64.b64encode(b"\1") + b"\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
        return json.loads(base64.b64decode(line[2:])), peer.line()

    def test_a_good_token_opens_imap_and_pop3(self):
        self.assertIn(b"AUTH=OAUTHBEARER AUTH=XOAUTH2", self.imap().greeting)
        for text in (f"OAUTHBEARER {bearer(self.issuer.token())}", f"OAUTHBEARER {bearer(self.issuer.token(), 'budi')}",
                     f"XOAUTH2 {xoauth2(self.issuer.token(), 'budi@example.org')}"):
            self.assertTrue(self.imap().command(f"AUTHENTICATE {text}")[0].startswith(b"OK"), text)
        with POP3(self.server.ports["pop3"]) as peer:
            self.assertTrue(peer.command("AUTH OAUTHBEARER").startswith(b"+ "))
            self.assertTrue(peer.command(bearer(self.issuer.token())).startswith(b"+OK"))
        with POP3(self.server.ports["pop3"]) as peer:
            self.assertTrue(peer.command("AUTH XOAUTH2").startswith(b"+ "))
            answer = peer.command(xoauth2(self.issuer.token(exp=1), "budi"))
            self.assertEqual(json.loads(base64.b64decode(answer[2:]))["status"], "401")
            self.assertTrue(peer.command("").startswith(b"-ERR [AUTH]"))

    def test_what_is_refused_and_how(self):
        told, verdict = self.refused("OAUTHBEARER", bearer(self.issuer.token(exp=1)))
        self.assertEqual(told, {"status": "invalid_token", "scope": "imap",
                                "openid-configuration": "https://id.example.org/.well-known/openid-configuration"})
        self.assertIn(b"NO [AUTHENTICATIONFAILED]", verdict)
        bad = [dict(iss="https://evil.example/"), dict(aud="web"), dict(email="budi@evil.example"), dict(email="siapa@example.org"),
               dict(email_verified=False), dict(nbf=int(time.time()) + 3600)]
        for claims in bad:
            told, verdict = self.refused("OAUTHBEARER", bearer(self.issuer.token(**claims)))
            self.assertEqual((told or {}).get("status"), "invalid_token", claims)
            self.assertIn(b"NO [AUTHENTICATIONFAILED]", verdict)
        self.assertEqual(self.refused("OAUTHBEARER", bearer(self.issuer.token(scope="smtp")))[0]["status"], "insufficient_scope")
        for header in ({"alg": "none"}, {"alg": "HS256", "kid": "shared"}, {"alg": "RS512", "kid": "one"}, {"alg": "RS256", "kid": "two"},
                       {"alg": "RS256", "kid": "one", "crit": ["x"]}):
            self.assertEqual(self.refused("OAUTHBEARER", bearer(self.issuer.token(header)))[0]["status"], "invalid_token", header)
        # Somebody else's name.
        self.assertIn(b"NO [AUTHORIZATIONFAILED]", self.refused("OAUTHBEARER", bearer(self.issuer.token(), "ana"))[1])
        self.assertIn(b"NO [AUTHORIZATIONFAILED]", self.refused("XOAUTH2", xoauth2(self.issuer.token(), "ana"))[1])
        # No grammar at all; and * in place of the dummy answer.
        self.assertIn(b"a BAD", self.refused("OAUTHBEARER", base64.b64encode(b"n,,auth=x").decode())[1])
        peer = self.imap()
        peer.send(f"a AUTHENTICATE OAUTHBEARER {bearer('x.y.z')}\r\n")
        peer.line()
        peer.send("*\r\n")
        self.assertIn(b"a BAD", peer.line())
        self.assertTrue(peer.login("budi", PASSWORD)[0].startswith(b"OK"))

    def test_disabled_accounts_and_secrets_in_the_log(self):
        self.server.add_account("mati")
        self.server.merpati("account", "set", "mati", "--disable-login")
        token = self.issuer.token(email="mati@example.org")
        verdict = self.refused("OAUTHBEARER", bearer(token))[1]
        self.server.merpati("account", "remove", "mati")
        log = self.server.log.read_text()
        self.assertNotIn(token, log)
        self.assertNotIn("eyJ", log)
        self.assertIn("token: expired", log)
        self.assertIn(b"NO [CONTACTADMIN]", verdict)

    def test_the_document_is_asked_for_once(self):
        self.imap().command(f"AUTHENTICATE OAUTHBEARER {bearer(self.issuer.token())}")
        asked = self.issuer.asked
        for _ in range(20):
            self.refused("OAUTHBEARER", bearer(self.issuer.token({"alg": "RS256", "kid": "x"})))
            self.assertTrue(self.imap().command(f"AUTHENTICATE OAUTHBEARER {bearer(self.issuer.token())}")[0].startswith(b"OK"))
        self.assertLessEqual(self.issuer.asked, asked + 1)


class Settings(unittest.TestCase):
    def test_tokens_of_everybody_are_refused_at_the_start(self):
        for flags, word in ((["oauth.issuer=x"], "oauth.audience"), (["oauth.issuer=x", "oauth.audience=a"], "oauth.keys"),
                            (["oauth.issuer=x", "oauth.audience=a", "oauth.keys=http://id.example.org/k"], "oauth.keys")):
            with tempfile.TemporaryDirectory() as folder:
                sets = [part for flag in flags for part in ("--set", flag)]
                done = subprocess.run([harness.binary(), "serve", "--data", folder, "--imap", "127.0.0.1:0", *sets],
                                      capture_output=True, text=True, timeout=60)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(word, done.stderr)


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-certs-"))
        cls.authority("ca")
        cls.authority("evil")
        cls.client("budi", "ca", "email:budi@example.org")
        cls.client("two", "ca", "email:budi@example.org,email:ana@example.org")
        cls.client("nobody", "ca", "email:siapa@example.org")
        cls.client("web", "ca", "DNS:budi.example.org")
        cls.client("forged", "evil", "email:budi@example.org")
        cls.client("old", "ca", "email:budi@example.org", "-not_before", "20200101000000Z", "-not_after", "20200201000000Z")
        cls.client("server", "ca", "email:budi@example.org", usage="serverAuth")
        cls.server = harness.Server("--set", f"tls.client-authorities={cls.folder / 'ca.pem'}", "--set", "auth.domain=example.org",
                                    "--set", "auth.failure-delay=0s")
        cls.server.start()
        cls.server.add_account("budi")
        cls.server.add_account("ana")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        subprocess.run(["rm", "-rf", str(cls.folder)], check=False)

    @classmethod
    def authority(cls, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN=Authority {name}", "-keyout", cls.folder / f"{name}.key", "-out", cls.folder / f"{name}.pem")

    @classmethod
    def client(cls, name, authority, names, *dates, usage="clientAuth"):
        folder = cls.folder
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
                folder / f"{name}.key", "-out", folder / f"{name}.csr")
        (folder / "ext").write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n")
        if dates:
            # `openssl x509` of Debian 12 knows no dates: `ca` does.
            (folder / "index").write_text("")
            (folder / "serial").write_text("1000\n")
            (folder / "ca.conf").write_text(
                f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\n"
                "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
            openssl("ca", "-batch", "-config", folder / "ca.conf", "-cert", folder / f"{authority}.pem", "-keyfile",
                    folder / f"{authority}.key", "-in", folder / f"{name}.csr", "-out", folder / f"{name}.pem", "-extfile",
                    folder / "ext", "-startdate", dates[1], "-enddate", dates[3], "-notext")
        else:
            openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{authority}.pem", "-CAkey",
                    folder / f"{authority}.key", "-CAcreateserial", "-days", "1", "-extfile", folder / "ext", "-out",
                    folder / f"{name}.pem")

    def context(self, name=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.maximum_version = version
        if name:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def imap(self, name=None, version=None):
        peer = IMAP(self.server.ports["imaps"], tls=self.context(name, version))
        self.addCleanup(peer.close)
        return peer

    def test_a_verified_certificate_logs_in_whom_it_names(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for text in ("=", base64.b64encode(b"budi").decode(), base64.b64encode(b"budi@example.org").decode()):
                peer = self.imap("budi", version)
                self.assertIn(b"AUTH=EXTERNAL", peer.greeting)
                self.assertTrue(peer.command(f"AUTHENTICATE EXTERNAL {text}")[0].startswith(b"OK"))
                self.assertTrue(peer.command("SELECT INBOX")[0].startswith(b"OK"))
        # Without an initial response; by STARTTLS, where it is offered only inside; by POP3.
        peer = self.imap("budi")
        peer.send("a AUTHENTICATE EXTERNAL\r\n")
        self.assertEqual(peer.line().strip(), b"+")
        peer.send("\r\n")
        self.assertTrue(peer.line().startswith(b"a OK"))
        peer = IMAP(self.server.ports["imap"])
        self.addCleanup(peer.close)
        self.assertNotIn(b"EXTERNAL", peer.greeting)
        self.assertTrue(peer.command("STARTTLS")[0].startswith(b"OK"))
        peer.starttls(self.context("budi"))
        self.assertIn(b"AUTH=EXTERNAL", peer.command("CAPABILITY")[1][0])
        self.assertTrue(peer.command("AUTHENTICATE EXTERNAL =")[0].startswith(b"OK"))
        # RFC 8437 §4.2: the certificate stays with the connection, the login does not.
        self.assertTrue(peer.command("UNAUTHENTICATE")[0].startswith(b"OK"))
        self.assertTrue(peer.command("AUTHENTICATE EXTERNAL =")[0].startswith(b"OK"))
        with POP3(self.server.ports["pop3s"], tls=self.context("budi")) as pop:
            self.assertTrue(pop.command("AUTH EXTERNAL =").startswith(b"+OK"))

    def test_nobody_else_gets_in_by_it(self):
        for name in (None, "web"):
            peer = self.imap(name)
            self.assertNotIn(b"EXTERNAL", peer.greeting)
            self.assertTrue(peer.command("AUTHENTICATE EXTERNAL =")[0].startswith(b"NO"))
            self.assertTrue(peer.login("budi", PASSWORD)[0].startswith(b"OK"))
        ana = base64.b64encode(b"ana").decode()
        self.assertIn(b"NO [AUTHORIZATIONFAILED]", self.imap("budi").command(f"AUTHENTICATE EXTERNAL {ana}")[0])
        self.assertIn(b"NO [AUTHORIZATIONFAILED]", self.imap("two").command("AUTHENTICATE EXTERNAL =")[0])
        self.assertTrue(self.imap("two").command(f"AUTHENTICATE EXTERNAL {ana}")[0].startswith(b"OK"))
        self.assertIn(b"NO [AUTHENTICATIONFAILED]", self.imap("nobody").command("AUTHENTICATE EXTERNAL =")[0])

    def test_a_certificate_that_is_not_in_order_ends_the_handshake(self):
        for name in ("forged", "old", "server"):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(name=name, version=version), self.assertRaises((OSError, IMAP.Closed)):
                    # In TLS 1.3 the client hears of it when it reads first.
                    self.imap(name, version)


if __name__ == "__main__":
    unittest.main()
