"""Debian's Dovecot as the second opinion: a private configuration on a loopback port, gone with its folder."""

import grp
import imaplib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import wire


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Dovecot:
    """IMAP and POP3 over Maildirs. Any name logs in with the password `pass`; `extra` is more configuration."""

    def __init__(self, extra=""):
        self.extra = extra

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.port = free_port()
        self.pop3 = free_port()
        self.user = "nobody"
        uid = pwd.getpwnam(self.user).pw_uid
        gid = grp.getgrnam("nogroup").gr_gid
        self.mail = self.folder / "mail"
        self.mail.mkdir()
        config = self.folder / "dovecot.conf"
        config.write_text(f"""
mail_max_userip_connections = 1000
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {self.user}
default_internal_group = nogroup
default_login_user = {self.user}
mail_location = maildir:{self.mail}/%u
first_valid_uid = 1
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = password=pass
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={self.mail}/%u
}}
{self.extra}
""")
        os.chmod(self.folder, 0o755)
        shutil.chown(self.mail, self.user, "nogroup")
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(config)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self, account, messages):
        """Into a Maildir, numbered so that Dovecot gives UIDs in this order."""
        box = self.mail / account
        for sub in ("cur", "new", "tmp"):
            (box / sub).mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(messages):
            path = box / "cur" / f"{1000000000 + number}.{number:06}.test:2,"
            path.write_bytes(message)
        for path in (box, *box.rglob("*")):
            shutil.chown(path, self.user, "nogroup")

    def structures(self, account):
        connection = imaplib.IMAP4("127.0.0.1", self.port)
        connection.login(account, "pass")
        connection.select("INBOX", readonly=True)
        result = wire.fetch_all(connection, "(ENVELOPE BODYSTRUCTURE)")
        connection.logout()
        return result
