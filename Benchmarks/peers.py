"""The servers under measure, each as a class with the same face: start, ports, accounts, memory, stop."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Interop"))
PASSWORD = "pass"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, log):
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(pathlib.Path(log).read_text()[-2000:])


class Peer:
    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        os.chmod(self.folder, 0o755)
        self.start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tree(self):
        """Every process of the server."""
        pids, more = {self.process.pid}, True
        while more:
            more = False
            for entry in pathlib.Path("/proc").iterdir():
                if entry.name.isdigit() and int(entry.name) not in pids:
                    try:
                        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    except (OSError, ValueError):
                        continue
                    if parent in pids:
                        pids.add(int(entry.name))
                        more = True
        return pids

    def private_kib(self):
        total = 0
        for pid in self.tree():
            try:
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith(("Private_Clean:", "Private_Dirty:")):
                        total += int(line.split()[1])
            except OSError:
                pass
        return total

    def cpu_seconds(self):
        total = 0
        for pid in self.tree():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))
            except OSError:
                pass
        return total / os.sysconf("SC_CLK_TCK")

    def disk(self):
        return sum(f.stat().st_blocks * 512 for f in self.data.rglob("*") if f.is_file())


class Merpati(Peer):
    name = "merpati"

    def start(self):
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.binary = os.environ.get("MERPATI_TEST_BINARY", str(ROOT / ".build" / "release" / "merpati"))
        self.imap, self.pop3, self.lmtp = free_port(), free_port(), free_port()
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", str(self.data), "--imap", f"127.0.0.1:{self.imap}",
             "--pop3", f"127.0.0.1:{self.pop3}", "--lmtp", f"127.0.0.1:{self.lmtp}",
             "--set", "limits.connections-per-address=100000", "--set", "limits.connections-per-account=100000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "wb"))
        wait_for(self.imap, self.log)
        wait_for(self.lmtp, self.log)

    def add_accounts(self, names):
        for name in names:
            subprocess.run([self.binary, "account", "add", name, "--data", str(self.data), "--password-stdin"],
                           input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)


class Dovecot(Peer):
    name = "dovecot"

    def start(self):
        self.data = self.folder / "mail"
        self.log = self.folder / "log"
        self.imap, self.pop3, self.lmtp = free_port(), free_port(), free_port()
        owner = pwd.getpwnam("nobody")
        self.data.mkdir()
        shutil.chown(self.data, "nobody", "nogroup")
        config = self.folder / "dovecot.conf"
        config.write_text(f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.log}
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
default_client_limit = 20000
default_process_limit = 11000
default_vsz_limit = 0
mail_location = sdbox:{self.data}/%u
mail_max_userip_connections = 20000
first_valid_uid = 1
auth_username_chars =
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
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
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={self.data}/%u allow_all_users=yes
}}
""")
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(config)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.imap, self.log)
        wait_for(self.lmtp, self.log)

    def add_accounts(self, names):
        """Every name is an account."""
