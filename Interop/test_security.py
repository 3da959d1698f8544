"""Who may: what only the real program can prove. docs/security.md names the test that checked each promise.

Some tests need root, to be somebody else; they are skipped otherwise."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unicodedata
import unittest

import harness
import home
import lines
from harness import PASSWORD, ROOT
from lines import IMAP, LMTP, POP3

ROOT_ONLY = unittest.skipUnless(os.geteuid() == 0, "needs root, to become another user")
#: A user of every Debian system who owns nothing here.
OTHER = pwd.getpwnam("daemon")


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def status(process, thread, field):
    text = pathlib.Path(f"/proc/{process}/task/{thread}/status").read_text()
    return re.search(rf"^{field}:\s*(.*)$", text, re.M).group(1).split()


def threads(process):
    return os.listdir(f"/proc/{process}/task")


def obeyed(text):
    """Characters that a terminal obeys or that nobody sees, line feeds apart."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co")]


@ROOT_ONLY
class PrivilegeDrop(unittest.TestCase):
    """`process.user`: root opens the ports and reads the keys, another user serves."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-drop-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.folder.chmod(0o755)

    def server(self, *flags):
        (self.folder / "var").mkdir()
        os.chown(self.folder / "var", OTHER.pw_uid, OTHER.pw_gid)
        return harness.Server("--user", OTHER.pw_name, *flags, data=self.folder / "var" / "data")

    def certificate(self, name):
        import test_tls_and_logins
        return test_tls_and_logins.certificate(self.folder, "host", name)

    def test_nothing_of_root_is_left(self):
        """A port below 1024 is open; every thread is the other user without capabilities, and what is made is theirs."""
        with self.server("--set", "imap.listen=127.77.0.1:143") as server:
            with socket.create_connection(("127.77.0.1", 143), timeout=30) as peer:
                self.assertTrue(peer.recv(100).startswith(b"* OK"))
            server.add_account("budi")
            server.deliver("budi", harness.made(3))
            with POP3(server.ports["pop3"]) as peer:
                self.assertTrue(peer.login("budi", PASSWORD).startswith(b"+OK"))
            ours = threads(server.process.pid)
            self.assertGreater(len(ours), 5)
            self.assertIn(str(server.process.pid), ours, "the main thread is among them")
            for thread in ours:
                self.assertEqual(set(status(server.process.pid, thread, "Uid")), {str(OTHER.pw_uid)})
                self.assertEqual(set(status(server.process.pid, thread, "Gid")), {str(OTHER.pw_gid)})
                self.assertNotIn("0", status(server.process.pid, thread, "Groups"))
                for field in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    self.assertEqual(int(status(server.process.pid, thread, field)[0], 16), 0)
                self.assertEqual(status(server.process.pid, thread, "NoNewPrivs"), ["1"])
            for file in [server.data, *server.data.rglob("*")]:
                self.assertEqual(file.lstat().st_uid, OTHER.pw_uid, file)
            self.assertNotIn("serving as root", server.log.read_text())
            # Root's commands reach the server through its socket, though the folder is another's.
            self.assertEqual(server.check()["problems"], [])
            server.stop()
            # Without a server they are refused rather than leaving files of root's.
            refused = server.merpati("account", "list", check=False)
            self.assertEqual(refused.returncode, 77, refused.stderr)
            self.assertIn(b"belongs to " + OTHER.pw_name.encode(), refused.stderr)

    def test_keys_only_root_can_read(self):
        """They are read before; a reload afterwards says that it cannot, and the old certificate stays."""
        import test_tls_and_logins
        old = self.certificate("satu.example.org")
        key = self.folder / "host.key"
        key.chmod(0o600)
        with self.server("--set", f"tls.certificate={self.folder}/host.crt", "--set", f"tls.key={key}") as server:
            self.assertEqual(test_tls_and_logins.shown(server, "imaps", "satu.example.org"), old)
            self.certificate("dua.example.org")
            deadline = time.monotonic() + 30
            while b"certificate not reloaded" not in server.log.read_bytes() and time.monotonic() < deadline:
                server.process.send_signal(signal.SIGHUP)
                time.sleep(0.1)
            self.assertIn(b"certificate not reloaded", server.log.read_bytes())
            self.assertEqual(test_tls_and_logins.shown(server, "imaps", "satu.example.org"), old)

    def test_log_belongs_to_the_user(self):
        """So that it can be opened again after it was rotated away."""
        log = self.folder / "var" / "mail.log"
        with self.server("--set", f"log.file={log}") as server:
            self.assertEqual((log.stat().st_uid, mode(log)), (OTHER.pw_uid, 0o640))
            log.rename(f"{log}.1")
            deadline = time.monotonic() + 30
            while not log.exists() and time.monotonic() < deadline:
                # The very first may come before anybody listens; it must not end the server.
                server.process.send_signal(signal.SIGHUP)
                time.sleep(0.1)
                self.assertIsNone(server.process.poll())
            self.assertTrue(log.exists())

    def test_who_is_not_there(self):
        for flags in (["--user", "merpati-nobody-77"], ["--user", "root", "--set", "process.group=merpati-none-77"],
                      ["--set", "process.group=root"]):
            done = subprocess.run(
                [harness.binary(), "serve", "--data", str(self.folder / "data"), "--imap", "127.0.0.1:0", *flags],
                capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertFalse((self.folder / "data").exists())

    def test_only_root_becomes_somebody(self):
        done = subprocess.run(
            [harness.binary(), "serve", "--data", str(self.folder / "data"), "--imap", "127.0.0.1:0", "--user", "root"],
            capture_output=True, timeout=60, user=OTHER.pw_uid, group=OTHER.pw_gid, extra_groups=[])
        self.assertEqual(done.returncode, 78, done.stderr)

    def test_root_is_told(self):
        with harness.Server() as server:
            self.assertIn("serving as root", server.log.read_text())
        with harness.Server("--user", "root") as server:
            self.assertNotIn("serving as root", server.log.read_text())


class SocketActivation(unittest.TestCase):
    """Sockets that a service manager hands over, so that nothing has to be root at all (sd_listen_fds(3))."""

    def test_inherited_sockets_are_served(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-activated-"))
        self.addCleanup(shutil.rmtree, folder, True)
        tcp = socket.create_server(("127.0.0.1", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(folder / "lmtp"))
        unix.listen()
        high = [os.dup2(s.fileno(), n) for s, n in ((tcp, 203), (unix, 204))]
        process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&203 4<&204 203<&- 204<&-; LISTEN_PID=$$ exec "$0" "$@"', harness.binary(), "serve",
             "--data", str(folder / "data")],
            pass_fds=high, env=dict(os.environ, LISTEN_FDS="2", LISTEN_FDNAMES="imap:lmtp"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=open(folder / "log", "wb"), text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = []
        for line in process.stdout:
            said.append(line.split()[0])
            if said[-1] == "ready":
                break
        self.assertEqual(said, ["imap", "lmtp", "ready"], (folder / "log").read_text())
        with IMAP(tcp.getsockname()[1]) as peer:
            self.assertTrue(peer.greeting.startswith(b"* OK"))
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(str(folder / "lmtp"))
            self.assertTrue(peer.recv(100).startswith(b"220"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)
        self.assertTrue((folder / "lmtp").exists(), "it is the service manager's")


class FileModes(unittest.TestCase):
    """Whatever the umask: mail, keys and passwords are nobody else's."""

    def setUp(self):
        self.addCleanup(os.umask, os.umask(0))

    def assertPrivate(self, root, others={}):
        count = 0
        for path in [root, *root.rglob("*")]:
            if path.is_symlink():
                continue
            wanted = others.get(path.name, 0o700 if path.is_dir() else 0o600)
            self.assertEqual(oct(mode(path)), oct(wanted), path)
            count += 1
        return count

    def test_server(self):
        with harness.Server() as server:
            log, pid, socket_file = (server.folder / name for name in ("server.txt", "pid", "lmtp"))
            server.flags = ("--set", f"log.file={log}", "--pid-file", str(pid), "--lmtp",
                            f"unix:{socket_file},127.0.0.1:0")
            server.stop()
            server.start()
            server.add_account("budi")
            with IMAP(server.ports["imap"]) as peer:
                peer.login("budi", PASSWORD)
                # Large enough for the spool, and looked at while it is there.
                size = 3_000_000
                peer.send(f"a APPEND INBOX {{{size}}}\r\n")
                self.assertTrue(peer.line().startswith(b"+"))
                peer.send(b"Subject: besar\r\n\r\n" + b"x" * 1_500_000)
                deadline = time.monotonic() + 30
                spool = server.data / "volumes" / "1" / "packs"
                while not any("spool" in str(f) and f.is_file() and f.stat().st_size for f in spool.rglob("*")):
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.02)
                known = {"self-signed.crt": 0o640}  # no secret
                self.assertGreater(self.assertPrivate(server.data, known), 12)
                peer.send(b"x" * (size - 1_500_000 - len(b"Subject: besar\r\n\r\n")) + b"\r\n")
                self.assertTrue(peer.answer("a")[0].startswith(b"OK"))
            self.assertEqual(oct(mode(log)), "0o640")
            self.assertEqual(mode(pid) & 0o022, 0)
            self.assertEqual(oct(mode(socket_file)), "0o660")
            server.merpati("compact")
            self.assertPrivate(server.data, known)
            with home.Home() as person:
                address = f"imap://budi@127.0.0.1:{server.ports['imap']}"
                person.environment["MERPATI_PASSWORD"] = PASSWORD
                mail = person.folder / "mail"
                person.run("pull", "imap", address, "--to", f"maildir:{mail}")
                person.run("pull", "pop3", f"pop3://budi@127.0.0.1:{server.ports['pop3']}", "--to",
                           f"mbox:{person.folder}/box")
                self.assertPrivate(mail)
                self.assertPrivate(person.folder / "state")
                self.assertEqual(oct(mode(person.folder / "box")), "0o600")
                for kind in ("maildir", "mbox"):
                    server.merpati("export", "--account", "budi", "--to", f"{kind}:{person.folder}/{kind}")
                    self.assertPrivate(person.folder / kind)

    @ROOT_ONLY
    def test_data_folder_of_others(self):
        """Refused by every command, and a delivery is put off, not bounced."""
        with harness.Server() as server:
            server.add_account("budi")
            server.stop()
            for spoil, mend in ((lambda: server.data.chmod(0o770), lambda: server.data.chmod(0o700)),
                                (lambda: server.data.chmod(0o777), lambda: server.data.chmod(0o700)),
                                (lambda: os.chown(server.data, OTHER.pw_uid, 0), lambda: os.chown(server.data, 0, 0))):
                spoil()
                export = ["export", "--account", "budi", "--to", f"maildir:{server.folder}/none"]
                for arguments, code in ((["account", "list"], 77), (["check"], 77), (["compact"], 77),
                                        (["quota", "show", "budi"], 77), (export, 75), (["deliver", "budi"], 75)):
                    done = server.merpati(*arguments, stdin=b"Subject: x\r\n\r\n", check=False)
                    self.assertEqual(done.returncode, code, (arguments, done.stderr))
                with self.assertRaises(RuntimeError):
                    server.start()
                server._close()
                mend()
            self.assertEqual(server.merpati("account", "list").returncode, 0)


@ROOT_ONLY
class ControlSocket(unittest.TestCase):
    """Who answers there gets passwords and mail, and who asks there gets everything."""

    def test_other_users_are_turned_away(self):
        """Also where an administrator has opened the modes: the kernel says who they are."""
        with harness.Server() as server:
            server.add_account("budi")
            path = server.data / "control.sock"
            self.assertEqual(oct(mode(path)), "0o600")
            for folder in (server.folder, server.data):
                folder.chmod(0o755)
            script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])\n"
                      "try:\n s.sendall(b'{\"accountList\":{}}\\n')\nexcept OSError: pass\n"
                      "try: print(s.recv(1000))\nexcept OSError as e: print('reset', e)")

            def ask(user):
                return subprocess.run(["python3", "-c", script, str(path)], capture_output=True, timeout=60, user=user,
                                      group=user, extra_groups=[])
            self.assertIn(b"PermissionError", ask(OTHER.pw_uid).stderr)
            path.chmod(0o666)
            done = ask(OTHER.pw_uid)
            self.assertNotIn(b"budi", done.stdout)
            self.assertTrue(done.stdout.startswith((b"b''", b"reset")), done)
            self.assertIn("connection refused: another user", server.log.read_text())
            self.assertIn(b"budi", ask(0).stdout)

    def test_a_socket_of_somebody_else_is_told_nothing(self):
        with harness.Server() as server:
            server.add_account("budi")
            server.stop()
            theirs = pathlib.Path(tempfile.mkdtemp(prefix="merpati-theirs-"))
            self.addCleanup(shutil.rmtree, theirs, True)
            os.chown(theirs, OTHER.pw_uid, OTHER.pw_gid)
            script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('up',"
                      "flush=True)\nwhile True: c,_=s.accept(); print(c.recv(1000),flush=True); c.close()")
            listener = subprocess.Popen(
                ["python3", "-c", script, str(theirs / "s")], stdout=subprocess.PIPE, user=OTHER.pw_uid,
                group=OTHER.pw_gid, extra_groups=[])
            self.addCleanup(listener.stdout.close)
            self.addCleanup(listener.wait)
            self.addCleanup(listener.kill)
            self.assertEqual(listener.stdout.readline(), b"up\n")
            path = server.data / "control.sock"
            (theirs / "s").rename(path)
            for owner in (OTHER.pw_uid, 0):  # a file given to root is still their socket
                os.chown(path, owner, owner)
                for arguments in (["account", "passwd", "budi", "--password-stdin"], ["account", "list"]):
                    done = server.merpati(*arguments, stdin=b"Rahasia-Baru-9\n", check=False)
                    self.assertEqual(done.returncode, 77, done.stderr)
                    self.assertIn(b"another user who listens there", done.stderr)
            listener.kill()
            self.assertNotIn(b"Rahasia-Baru-9", listener.stdout.read())

    def test_left_behind(self):
        """By a server that was killed: commands open the folder themselves, and the next server takes its place."""
        with harness.Server() as server:
            server.add_account("budi")
            server.kill()
            self.assertTrue((server.data / "control.sock").exists())
            self.assertIn(b"budi", server.merpati("account", "list").stdout)
            server.start()
            self.assertIn(b"budi", server.merpati("account", "list").stdout)


class Memory(unittest.TestCase):
    """Passwords stay in the process."""

    def test_no_core(self):
        with harness.Server() as server:
            limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size\s+0\s+0\s")

    @ROOT_ONLY
    def test_nobody_looks_in(self):
        """Another process of the same user reads neither memory nor environment."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-mem-"))
        self.addCleanup(shutil.rmtree, folder, True)
        os.chown(folder, OTHER.pw_uid, OTHER.pw_gid)
        as_other = dict(user=OTHER.pw_uid, group=OTHER.pw_gid, extra_groups=[])
        process = subprocess.Popen(
            [harness.binary(), "serve", "--data", str(folder / "data"), "--imap", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **as_other)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while process.stdout.readline().strip() != "ready":
            self.assertIsNone(process.poll())
        for name in ("mem", "environ", "maps"):
            done = subprocess.run(["cat", f"/proc/{process.pid}/{name}"], capture_output=True, **as_other)
            self.assertIn(b"Permission denied", done.stderr, name)

    @ROOT_ONLY
    def test_password_of_the_environment(self):
        """It is gone from there when the server is reached, for root's eyes as well."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        with home.Home("Rahasia-Lingkungan-5") as person:
            process = person.start("list", f"imap://budi@127.0.0.1:{listener.getsockname()[1]}/INBOX")
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
            listener.settimeout(60)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(60)
                peer.sendall(b"* OK [CAPABILITY IMAP4rev1] halo\r\n")
                heard = b""
                while b"Rahasia-Lingkungan-5" not in heard:
                    piece = peer.recv(4096)
                    self.assertTrue(piece, heard)
                    heard += piece
                    if b"CAPABILITY" in piece:
                        tag = piece.split()[0]
                        peer.sendall(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK\r\n")
                self.assertIsNone(process.poll(), heard)
                environment = pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
                self.assertIn(b"MERPATI_PASSWORD=", environment)
                self.assertNotIn(b"Rahasia", environment)
                self.assertNotIn(b"Rahasia", pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes())


HOSTILE = ["budi\r\n2026-11-25T00:00:00.000Z error auth: forged", "\x1b[2J\x1b[31mmerah", "a\x9b31mb", "a\u2028b\u2029c",
           "\u202eidub", "\u2066x\u2069", "\u200bz\ufeff", "\U000e0041", "peer=10.0.0.1 account=root", 'x" peer="10.0.0.1',
           "\\u000a\\", "é\u00a0level=error", "\x7f\x08\x08"]


class LogInjection(unittest.TestCase):
    """What clients say reaches the log as one value on one line, at the most talkative level."""

    LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (trace|debug|info|notice|warning|error|critical) "
                      r"[\w.:/ -]+: \S.*$")

    def talk(self, server):
        invalid = [b"\xff\xfe\xc3(", b"\xf0\x28\x8c\xbc", b"\xed\xa0\x80"]
        for octets in [text.encode() for text in HOSTILE] + invalid:
            literal = b"{%d+}\r\n%s" % (len(octets), octets)
            with IMAP(server.ports["imap"]) as peer:
                peer.command(b"ID (" + literal + b" " + literal + b")")
                peer.command(b"ID (\"name\" " + literal + b")")
                peer.command(b"LOGIN " + literal + b" x")
                plain = b"\0" + octets + b"\0rahasia"
                import base64
                peer.command(b"AUTHENTICATE PLAIN " + base64.b64encode(plain))
            with IMAP(server.ports["imap"]) as peer:
                peer.login("budi", PASSWORD)
                peer.command(b"CREATE " + literal)
                peer.command(b"SELECT " + literal)
            flat = octets.replace(b"\r", b"?").replace(b"\n", b"?")
            with IMAP(server.ports["imap"]) as peer:
                peer.command(b"LOGIN \"" + flat.replace(b"\\", b"\\\\").replace(b"\"", b"\\\"") + b"\" x")
                peer.send_if_open(flat + b"\r\n")
            with POP3(server.ports["pop3"]) as peer:
                peer.command(b"USER " + flat)
                peer.command(b"PASS x")
            with LMTP(server.ports["lmtp"]) as peer:
                peer.command(b"LHLO " + flat)
                peer.command(b"LHLO localhost")
                peer.command(b"MAIL FROM:<" + flat + b"@example.org> SMTPUTF8")
                peer.command(b"RSET")
                peer.command(b"MAIL FROM:<a@example.org> SMTPUTF8")
                peer.command(b"RCPT TO:<" + flat + b"@example.org>")
                peer.command(b"RCPT TO:<\"" + flat.replace(b"\"", b"") + b"\">")
                peer.command(b"RCPT TO:<budi+" + flat + b">")
                if peer.command(b"DATA").startswith(b"354"):
                    peer.send(b"Subject: " + flat + b"\r\n\r\nisi\r\n.\r\n")
                    peer.reply()

    def test_text(self):
        with harness.Server("--set", "log.level=trace", "--set", "auth.failure-delay=0s") as server:
            server.add_account("budi")
            self.talk(server)
            server.stop()
            log = server.log.read_bytes().decode()  # valid UTF-8, or this throws
            self.assertEqual(obeyed(log), [])
            self.assertIn("forged", log)
            for line in log.splitlines():
                self.assertRegex(line, self.LINE)
                self.assertNotRegex(line, r"^\S+ error auth: forged")
            self.assertNotIn(" account=root", re.sub(r'"(\\.|[^"\\])*"', '""', log))
            self.assertNotIn(" peer=10.0.0.1", re.sub(r'"(\\.|[^"\\])*"', '""', log))

    def test_json(self):
        with harness.Server("--set", "log.level=trace", "--set", "auth.failure-delay=0s", "--set",
                            "log.format=json") as server:
            server.add_account("budi")
            self.talk(server)
            server.stop()
            log = server.log.read_bytes().decode()
            self.assertEqual(obeyed(log), [])
            for line in log.splitlines():
                event = json.loads(line)
                self.assertLessEqual({"time", "level", "room", "event"}, set(event))
                self.assertTrue(all(isinstance(value, str) for value in event.values()))
            self.assertTrue(any("forged" in json.loads(line).get("account", "") for line in log.splitlines()))

    def test_terminal(self):
        """What the commands show of names and subjects that strangers chose."""
        with harness.Server() as server, home.Home(PASSWORD) as person:
            server.add_account("budi")
            server.add_account("budi\u202e.example")
            evil = "\x1b[2J\x9b31m\u202egnp.exe\u2028\u200b\x07"
            message = (f"From: {evil} <a@example.org>\r\nSubject: {evil} surat\r\nMessage-ID: <{evil}@x>\r\n"
                       f"Content-Type: application/octet-stream; name=\"{evil}\"\r\nContent-Disposition: attachment; "
                       f"filename=\"{evil}\"\r\n\r\nisi {evil}\r\n").encode()
            encoded = (b"From: =?utf-8?q?=1B=5B2J=C2=9B31m?= <a@example.org>\r\n"
                       b"Subject: =?utf-8?q?=1B=5B2J=E2=80=AEdua=0A?= surat\r\n\r\nisi\r\n")
            server.deliver("budi", [message, encoded])
            with IMAP(server.ports["imap"]) as peer:
                peer.login("budi", PASSWORD)
                self.assertTrue(peer.command('CREATE "Kerja &IC4-gnp.exe"')[0].startswith(b"OK"))
            address = f"imap://budi@127.0.0.1:{server.ports['imap']}"
            out = b""
            for json_flag in ([], ["--json"]):
                out += person.run("list", address + "/INBOX", *json_flag).stdout
                for arguments in (["account", "list"], ["check"], ["quota", "show", "budi"],
                                  ["choose", "--account", "budi"]):
                    out += server.merpati(*arguments, *json_flag).stdout
                done = server.merpati(
                    "export", "--account", "budi", "--to", f"maildir:{person.folder}/m{len(json_flag)}", *json_flag,
                    check=False)
                out += done.stdout + done.stderr
            for arguments in (["account", "remove", "x\x1b[2J\u202ey"], ["quota", "show", "x\x9by"],
                              ["deliver", "x\x1b[2J\u202ey"], ["account", "add", "x\u202ey\x1b", "--password-stdin"]):
                done = server.merpati(*arguments, stdin=b"rahasia\n", check=False)
                out += done.stdout + done.stderr
            text = out.decode()
            self.assertIn("surat", text)
            self.assertEqual([line for line in text.split("\n") if obeyed(line)], [])


class Addresses(unittest.TestCase):
    """Loopback is what it is in IPv4 and IPv6, and can be trusted or not."""

    def test_mapped(self):
        with harness.Server("--set", "imap.listen=*:0") as server:
            server.add_account("budi")
            self.assertNotIn(b"LOGINDISABLED", IMAP(server.ports["imap"]).greeting)
            for host in ("::1", "127.0.0.1"):
                try:
                    peer = IMAP(server.ports["imap"], host=host)
                except OSError:
                    continue  # no IPv6 here
                with peer:
                    self.assertTrue(peer.login("budi", PASSWORD)[0].startswith(b"OK"))

    def test_loopback_not_trusted(self):
        with harness.Server("--set", "auth.trust-loopback=false", "--set", "imap.listen=*:0") as server:
            server.add_account("budi")
            for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
                try:
                    peer = IMAP(server.ports["imap"], host=host)
                except OSError:
                    continue
                with peer:
                    self.assertIn(b"LOGINDISABLED", peer.greeting)
                    self.assertRegex(peer.login("budi", PASSWORD)[0], rb"^NO \[PRIVACYREQUIRED\]")
            with POP3(server.ports["pop3"]) as peer:
                self.assertRegex(peer.command("USER budi"), rb"^-ERR")
                self.assertRegex(peer.command("APOP budi c4c9334bac560ecc979e58001b3e22fb"), rb"^-ERR")


class Ciphers(unittest.TestCase):
    """TLS that is merely called so."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is not installed")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-tls-"))
        # An RSA key, so that the old key exchange would be possible at all.
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-keyout", str(cls.folder / "k"), "-out", str(cls.folder / "c")], check=True, capture_output=True)
        cls.server = harness.Server("--set", f"tls.certificate={cls.folder}/c", "--set", f"tls.key={cls.folder}/k")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        shutil.rmtree(cls.folder)

    def openssl(self, *arguments, stdin=b"Q\n"):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.ports['imaps']}", *arguments],
            input=stdin, capture_output=True, timeout=60)
        return done.stdout + done.stderr

    def test_weak_ciphers(self):
        self.assertRegex(self.openssl("-tls1_2"), rb"Cipher\s+(is|:) ECDHE-RSA")
        for cipher in ("NULL", "aNULL", "RC4", "3DES", "DES", "EXPORT", "MD5", "kRSA", "DHE", "SHA1", "CAMELLIA", "PSK"):
            out = self.openssl("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0" if cipher != "DHE" else "DHE:@SECLEVEL=0")
            self.assertRegex(out, rb"Cipher is \(NONE\)|no cipher match|no ciphers available|handshake failure", cipher)

    def test_renegotiation(self):
        out = self.openssl("-tls1_2", stdin=b"R\n")
        self.assertRegex(out, rb"RENEGOTIATING")
        self.assertNotIn(b"verify return:1\nRENEGOTIATING\nverify return", out)
        self.assertRegex(out, rb"no renegotiation|error|closed|alert")
        with IMAP(self.server.ports["imaps"], tls=lines.trusting()) as peer:
            self.assertTrue(peer.greeting.startswith(b"* OK"))

    def test_hostile_host_names(self):
        """A handshake asks for a name of any octets; others are served on."""
        for name in (b"../../etc/passwd", b"a" * 255, b"\x1b[2J", b"\xff\xfe", b"a\nb", b"*.example.org", b".", b"a..b"):
            with socket.create_connection(("127.0.0.1", self.server.ports["imaps"]), timeout=30) as raw:
                raw.sendall(client_hello(name))
                raw.settimeout(30)
                self.assertIn(raw.recv(1)[:1], (b"\x16", b"\x15", b""))
        with IMAP(self.server.ports["imaps"], tls=lines.trusting()) as peer:
            self.assertTrue(peer.greeting.startswith(b"* OK"))
        self.assertEqual(obeyed(self.server.log.read_bytes().decode()), [])


def client_hello(name):
    """A TLS 1.2 ClientHello that asks for `name`, which no library would send."""
    def sized(width, octets):
        return len(octets).to_bytes(width, "big") + octets
    entry = b"\0" + sized(2, name)
    extensions = (0).to_bytes(2, "big") + sized(2, sized(2, entry))
    extensions += (10).to_bytes(2, "big") + sized(2, sized(2, b"\0\x1d\0\x17"))
    extensions += (11).to_bytes(2, "big") + sized(2, b"\x01\0")
    extensions += (13).to_bytes(2, "big") + sized(2, sized(2, b"\x04\x03\x08\x04\x04\x01"))
    body = b"\x03\x03" + os.urandom(32) + b"\0" + sized(2, b"\xc0\x2f\xc0\x2b") + b"\x01\0" + sized(2, extensions)
    return b"\x16\x03\x01" + sized(2, b"\x01" + sized(3, body))


class Packaging(unittest.TestCase):
    """The systemd units: valid, and with the sandbox on."""

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-unit-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        for unit in (ROOT / "packaging").glob("*.s*"):
            text = unit.read_text().replace("/usr/bin/merpati", harness.binary())
            (self.folder / unit.name).write_text(text)

    def test_verify(self):
        done = subprocess.run(
            ["systemd-analyze", "verify", str(self.folder / "merpati.service")], capture_output=True, text=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "merpati" in line and "man" not in line]
        self.assertEqual(said, [])

    def test_exposure(self):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(self.folder / "merpati.service")],
            capture_output=True, text=True)
        found = re.search(r"Overall exposure level for merpati\.service: ([\d.]+)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        self.assertLessEqual(float(found.group(1)), 1.5, done.stdout)

    @ROOT_ONLY
    def test_serves_under_its_filter(self):
        """The unit's system call filter, no writable and executable memory, one capability: mail comes in and goes out.
        sandbox.py stands in for systemd, which is not the first process everywhere; that it bites is seen first."""
        unit = (ROOT / "packaging" / "merpati.service").read_text()
        for line in ("SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
                     "MemoryDenyWriteExecute=yes", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "NoNewPrivileges=yes"):
            self.assertIn(f"\n{line}\n", unit)
        sandbox = ["python3", str(ROOT / "Interop" / "sandbox.py"), OTHER.pw_name]
        for forbidden in ("import mmap; mmap.mmap(-1, 4096, prot=7)", "import os; os.chown('/proc/self', 1, 1)",
                          "import os; os.setpriority(0, 0, 5)"):
            done = subprocess.run([*sandbox, shutil.which("python3", path="/usr/bin"), "-c", forbidden],
                                  capture_output=True, cwd="/")
            if b"libseccomp" in done.stderr:
                self.skipTest("libseccomp2 is not installed")
            self.assertRegex(done.stderr, rb"Operation not permitted|PermissionError", forbidden)
        os.chown(self.folder, OTHER.pw_uid, OTHER.pw_gid)
        process = subprocess.Popen(
            [*sandbox, harness.binary(), "serve", "--data", str(self.folder / "data"), "--imap", "127.77.0.2:143",
             "--pop3", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=open(self.folder / "log", "wb"), text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = []
        while "ready" not in said:
            said.append(process.stdout.readline().strip())
            self.assertTrue(said[-1], (self.folder / "log").read_text())
        subprocess.run([harness.binary(), "account", "add", "budi", "--password-stdin", "--data", str(self.folder / "data")],
                       input=PASSWORD.encode() + b"\n", check=True, capture_output=True)
        size = 2_000_000  # by way of the spool
        with IMAP(143, host="127.77.0.2") as peer:
            peer.command("STARTTLS")
            peer.starttls()
            self.assertTrue(peer.login("budi", PASSWORD)[0].startswith(b"OK"))
            text = b"Subject: besar\r\n\r\n" + b"x" * size
            self.assertTrue(peer.command(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))[0].startswith(b"OK"))
            peer.command("SELECT INBOX")
            self.assertIn(text, peer.command("FETCH 1 BODY[]")[1][0])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0, (self.folder / "log").read_text())


if __name__ == "__main__":
    unittest.main()
