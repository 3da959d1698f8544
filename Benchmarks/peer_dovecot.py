"""Debian's Dovecot 2.3, sdbox, as it ships but for what a load from one address would run into. Its settings here are those that
favour it: login processes that serve many connections, imap and pop3 processes that are used again (Debian's serve one connection
each), no bounds on processes and memory, a passdb that hashes nothing unless the row is about hashing."""

import grp
import os
import pathlib
import pwd
import shutil
import subprocess

from peers import PASSWORD, Peer, certificate, scram


# Root lets Dovecot drop to nobody, as it must; anyone else runs it as themselves.
USER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
GROUP = grp.getgrgid(USER.pw_gid).gr_name


class Dovecot(Peer):
    kind = "dovecot"

    def __init__(self, name=None, settings=(), hashed=False):
        super().__init__(name)
        self.data = self.folder / "mail"
        self.settings = dict(settings)
        self.hashed = hashed  # passwords as SCRAM-SHA-256 keys with as many rounds as Merpati's
        self.data.mkdir()
        shutil.chown(self.data, USER.pw_name, GROUP)

    def launch(self):
        config = self.folder / "dovecot.conf"
        config.write_text(self.configuration())
        return subprocess.Popen(["dovecot", "-F", "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def configuration(self):
        cert, key = certificate(self.folder)
        passdb = f"driver = static\n  args = password={PASSWORD}"
        if self.hashed:
            passdb = f"driver = passwd-file\n  args = scheme=SCRAM-SHA-256 username_format=%u {self.folder}/passwd"
        extra = "\n".join(f"{key} = {value}" for key, value in self.settings.items())
        return f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.log}
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
default_internal_user = {USER.pw_name}
default_internal_group = {GROUP}
default_login_user = {USER.pw_name}
default_client_limit = 20000
default_process_limit = 11000
default_vsz_limit = 0
mail_location = sdbox:{self.data}/%u
mail_max_userip_connections = 20000
first_valid_uid = 1
auth_username_chars =
{extra}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = {self.imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service imap {{
  service_count = 100
  process_limit = 11000
}}
service pop3 {{
  service_count = 100
}}
passdb {{
  {passdb}
}}
userdb {{
  driver = static
  args = uid={USER.pw_uid} gid={USER.pw_gid} home={self.data}/%u allow_all_users=yes
}}
"""

    def add_accounts(self, names, password=PASSWORD):
        """Every name is an account, unless passwords are hashed."""
        if self.hashed:
            keys = scram(password, "sha256")
            with open(self.folder / "passwd", "a") as file:
                file.writelines(f"{name}:{keys}\n" for name in names)
            os.chmod(self.folder / "passwd", 0o644)

    def clone_index(self, model, names):
        """Gives accounts the mailbox of `model`, but for the messages' own files, which a connection in IDLE never opens: ten
        million files would take hours."""
        inbox = pathlib.Path("mailboxes") / "INBOX" / "dbox-Mails"
        for name in names:
            folder = self.data / name / inbox
            folder.mkdir(parents=True)
            for file in (self.data / model / inbox).glob("dovecot.index*"):
                shutil.copy(file, folder)
        for path in [self.data, *self.data.rglob("*")]:
            os.chown(path, USER.pw_uid, USER.pw_gid)
