"""The socket where an MTA has passwords checked (Dovecot's protocol): what Postfix sends octet by octet, and Debian's Postfix and Exim
themselves where they are installed and we are root."""

import base64
import os
import pathlib
import re
import shutil
import smtplib
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import harness
from harness import PASSWORD


def plain(user, password, authorization=""):
    return base64.b64encode(f"{authorization}\0{user}\0{password}".encode()).decode()


class Socket:
    """What xsasl_dovecot_server does."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")
        self.socket.sendall(b"VERSION\t1\t0\nCPID\t%d\n" % os.getpid())
        self.handshake = []
        while not self.handshake or self.handshake[-1] != "DONE":
            self.handshake.append(self.line())
        self.number = 0

    def line(self):
        return self.file.readline().decode().rstrip("\n")

    def ask(self, mechanism, response=None, remote="192.0.2.9", more=""):
        self.number += 1
        text = f"AUTH\t{self.number}\t{mechanism}\tservice=smtp\tnologin\tlip=127.0.0.1\trip={remote}{more}"
        self.socket.sendall((text + (f"\tresp={response}" if response is not None else "") + "\n").encode())
        return self.line()

    def close(self):
        self.file.close()
        self.socket.close()


class AuthSocket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-auth-"))
        cls.path = cls.folder / "auth"
        cls.server = harness.Server("--set", f"auth.socket={cls.path}", "--set", "auth.failure-delay=1s")
        cls.server.start()
        cls.server.add_account("budi")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def peer(self):
        peer = Socket(self.path)
        self.addCleanup(peer.close)
        return peer

    def test_the_handshake(self):
        words = {line.split("\t")[0] for line in self.peer().handshake}
        self.assertEqual(words, {"VERSION", "MECH", "SPID", "CUID", "COOKIE", "DONE"})
        mechanisms = [line.split("\t")[1:] for line in self.peer().handshake if line.startswith("MECH")]
        self.assertIn(["PLAIN", "plaintext"], mechanisms)
        self.assertIn(["LOGIN", "plaintext"], mechanisms)

    def test_passwords(self):
        peer = self.peer()
        self.assertEqual(peer.ask("PLAIN", plain("budi", PASSWORD), "192.0.2.1", "\tsecured"), "OK\t1\tuser=budi")
        self.assertEqual(peer.ask("PLAIN", plain("budi", "salah"), "192.0.2.2"), "FAIL\t2\tuser=budi")
        begun = time.monotonic()
        self.assertEqual(peer.ask("PLAIN", plain("budi", PASSWORD), "192.0.2.3"), "OK\t3\tuser=budi")
        self.assertLess(time.monotonic() - begun, 0.9)
        # The delay is that of the address that guessed.
        self.assertEqual(peer.ask("PLAIN", plain("budi", PASSWORD), "192.0.2.2"), "OK\t4\tuser=budi")
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertTrue(peer.ask("CRAM-MD5").startswith("FAIL\t5\t"))
        log = self.server.log.read_text()
        self.assertNotIn(PASSWORD, log)
        self.assertNotIn(plain("budi", PASSWORD), log)
        self.assertIn("listener=auth", log)

    def test_its_file(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
        if os.geteuid() == 0:
            with harness.Server("--set", f"auth.socket={self.folder / 'other'}", "--set", "auth.socket-mode=0600", "--set",
                                "auth.socket-group=mail") as server:
                status = os.stat(self.folder / "other")
                self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
                self.assertEqual(status.st_gid, int(re.search(r"^mail:x:(\d+)", pathlib.Path("/etc/group").read_text(), re.M).group(1)))
                server.stop()
            self.assertFalse((self.folder / "other").exists())

    def smtp(self, port):
        deadline = time.monotonic() + 30
        while True:
            try:
                return smtplib.SMTP("127.0.0.1", port, timeout=30, local_hostname="localhost")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def logins(self, port, mechanisms):
        for mechanism in mechanisms:
            for password, good in ((PASSWORD, True), ("salah", False)):
                with self.subTest(mechanism=mechanism, good=good):
                    connection = self.smtp(port)
                    connection.ehlo()
                    self.assertIn(mechanism, connection.esmtp_features["auth"].split())
                    connection.user, connection.password = "budi", password
                    method = getattr(connection, "auth_" + mechanism.lower())
                    if good:
                        self.assertEqual(connection.auth(mechanism, method)[0], 235)
                    else:
                        with self.assertRaises(smtplib.SMTPAuthenticationError):
                            connection.auth(mechanism, method)
                    connection.close()

    def free_port(self):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            return found.getsockname()[1]

    @unittest.skipUnless(shutil.which("postfix") and os.geteuid() == 0, "needs Debian's Postfix, and root")
    def test_postfix(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-postfix-"))
        self.addCleanup(shutil.rmtree, folder, True)
        os.chmod(folder, 0o755)
        os.chmod(self.folder, 0o755)
        os.chmod(self.path, 0o666)
        port = self.free_port()
        for name in ("queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc").mkdir()
        (folder / "etc" / "main.cf").write_text(
            f"compatibility_level=3.6\nqueue_directory={folder}/queue\ndata_directory={folder}/data\nmail_owner=postfix\n"
            "command_directory=/usr/sbin\ndaemon_directory=/usr/lib/postfix/sbin\nsetgid_group=postdrop\ninet_interfaces=127.0.0.1\n"
            "inet_protocols=ipv4\nmyhostname=localhost\nmydestination=\nmynetworks=\nsmtpd_sasl_auth_enable=yes\n"
            f"smtpd_sasl_type=dovecot\nsmtpd_sasl_path={self.path}\nsmtpd_sasl_security_options=noanonymous\n"
            f"maillog_file={folder}/log\nmaillog_file_prefixes=/tmp,/var\nsmtpd_error_sleep_time=0\n"
            "smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n")
        (folder / "etc" / "master.cf").write_text(
            f"127.0.0.1:{port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
            "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n"
            "error unix - - n - - error\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\nproxymap unix - - n - - proxymap\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n")
        command = ["postfix", "-c", str(folder / "etc")]
        subprocess.run(command + ["start"], check=True, capture_output=True, timeout=60)
        self.addCleanup(subprocess.run, command + ["stop"], capture_output=True, timeout=60)
        self.logins(port, ["PLAIN", "LOGIN"])

    @unittest.skipUnless(shutil.which("exim4") and os.geteuid() == 0, "needs Debian's Exim, and root")
    def test_exim(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-exim-"))
        self.addCleanup(shutil.rmtree, folder, True)
        os.chmod(folder, 0o777)
        os.chmod(self.folder, 0o755)
        os.chmod(self.path, 0o666)
        port = self.free_port()
        configuration = folder / "exim.conf"
        configuration.write_text(
            f"spool_directory = {folder}/spool\nlog_file_path = {folder}/%slog\npid_file_path = {folder}/pid\n"
            f"daemon_smtp_ports = {port}\nlocal_interfaces = 127.0.0.1\nprimary_hostname = localhost\ntls_advertise_hosts =\n"
            "auth_advertise_hosts = *\nacl_smtp_rcpt = accept\nbegin authenticators\n"
            + "".join(f"{name}:\n  driver = dovecot\n  public_name = {name.upper()}\n  server_socket = {self.path}\n"
                      "  server_set_id = $auth1\n" for name in ("plain", "login")))
        process = subprocess.Popen(["exim4", "-C", str(configuration), "-bdf", "-q1h"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        self.logins(port, ["PLAIN", "LOGIN"])


if __name__ == "__main__":
    unittest.main()
