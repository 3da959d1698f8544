"""Cyrus and Courier from Debian. Their packages push each other off a machine, so each is installed into an overlay over the
root file system and runs there by chroot; the machine itself is left as it is. Needs root."""

import imaplib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from dovecot import free_port

PASSWORD = "pass"


class Overlay:
    packages = ()

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.mounts = []
        self.process = None
        try:
            self.mount("-t", "tmpfs", "tmpfs", self.folder)
            for name in ("upper", "work", "root"):
                (self.folder / name).mkdir()
            self.root = self.folder / "root"
            self.mount("-t", "overlay", "overlay", "-o",
                       f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
            self.mount("-t", "proc", "proc", self.root / "proc")
            self.mount("--bind", "/dev", self.root / "dev")
            self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
            install = "apt-get install -y -q --no-install-recommends " + " ".join(self.packages)
            self.shell(f"export DEBIAN_FRONTEND=noninteractive; {install} || {{ apt-get update -q && {install}; }}")
            self.port, self.pop3 = free_port(), free_port()
            self.start()
            for port in (self.port, self.pop3):
                self.wait(port)
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.stop()
        for mount in reversed(self.mounts):
            subprocess.run(["umount", "-l", str(mount)], capture_output=True)
        self.folder.rmdir()

    def mount(self, *arguments):
        subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
        self.mounts.append(arguments[-1])

    def shell(self, script, stdin=b""):
        done = subprocess.run(["chroot", str(self.root), "sh", "-c", script], input=stdin, capture_output=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"{script}: {done.stdout.decode()[-1500:]}{done.stderr.decode()[-1500:]}")

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.write_text(text)
        file.chmod(mode)

    def wait(self, port):
        for _ in range(150):
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as peer:
                    if peer.recv(1):
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} does not answer on {port}")

    def stop(self):
        """Ends every process whose root is the overlay."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/root").startswith(str(self.folder)):
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass
        if self.process:
            self.process.wait()


class Cyrus(Overlay):
    name = "cyrus"
    packages = ("cyrus-imapd", "cyrus-pop3d", "cyrus-admin", "sasl2-bin", "libsasl2-modules-db", "libsasl2-modules")

    def start(self):
        own = ("allowplaintext", "unixhierarchysep", "sasl_pwcheck_method", "sasl_mech_list", "admins", "popminpoll",
               "altnamespace", "virtdomains", "autocreate_quota", "autocreate_post")
        conf = re.sub(rf"(?m)^({'|'.join(own)}):.*$", "", (self.root / "etc/imapd.conf").read_text())
        self.write("/etc/imapd.conf", conf + """
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN SCRAM-SHA-1
admins: cyrus
popminpoll: 0
altnamespace: yes
unixhierarchysep: yes
conversations: 0
""")
        self.write("/etc/cyrus.conf", f"""
START {{
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}}
SERVICES {{
  imap cmd="imapd -U 30" listen="127.0.0.1:{self.port}" prefork=1 maxchild=50
  pop3 cmd="pop3d -U 30" listen="127.0.0.1:{self.pop3}" prefork=1 maxchild=50
}}
EVENTS {{
  checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30
}}
""")
        self.shell("mkdir -p /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket; chown -R cyrus:mail /run/cyrus")
        self.password("cyrus")
        self.process = subprocess.Popen(["chroot", str(self.root), "/usr/sbin/cyrmaster"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def password(self, account):
        self.shell(f"saslpasswd2 -c -p {account}; chown cyrus /etc/sasldb2", stdin=PASSWORD.encode())

    def fill(self, account, messages):
        """By pipelined APPEND. Returns those that the server took: Cyrus refuses some headers."""
        self.password(account)
        with imaplib.IMAP4("127.0.0.1", self.port) as connection:
            connection.login("cyrus", PASSWORD)
            connection.create(f"user/{account}")
        taken = []
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            lines = peer.makefile("rb")
            lines.readline()
            peer.sendall(f"l LOGIN {account} {PASSWORD}\r\n".encode())
            while not lines.readline().startswith(b"l "):
                pass

            def write():
                for number, message in enumerate(messages):
                    peer.sendall(b"a%d APPEND INBOX {%d+}\r\n%b\r\n" % (number, len(message), message))

            writer = threading.Thread(target=write)
            writer.start()
            for number, message in enumerate(messages):
                while not (line := lines.readline()).startswith(b"a%d " % number):
                    if not line:
                        raise RuntimeError("Cyrus hung up")
                if line.split()[1] == b"OK":
                    taken.append(message)
            writer.join()
        return taken


class Courier(Overlay):
    name = "courier"
    packages = ("courier-imap", "courier-pop", "courier-authdaemon", "courier-authlib-userdb")

    def start(self):
        for name, port in (("imapd", self.port), ("pop3d", self.pop3)):
            path = self.root / f"etc/courier/{name}"
            text = re.sub(r"(?m)^(PORT|ADDRESS)=.*$", "", path.read_text())
            path.write_text(text + f"\nPORT={port}\nADDRESS=127.0.0.1\nMAXPERIP=100\nMAXDAEMONS=100\n")
        daemon = self.root / "etc/courier/authdaemonrc"
        daemon.write_text(re.sub(r"(?m)^authmodulelist=.*$", 'authmodulelist="authuserdb"', daemon.read_text()))
        self.shell("mkdir -p /run/courier/authdaemon /srv/mail; chown courier:courier /run/courier /run/courier/authdaemon; "
                   "touch /etc/courier/userdb; chmod 700 /etc/courier/userdb; makeuserdb")
        self.shell("/usr/sbin/authdaemond start </dev/null >/dev/null 2>&1")
        for name in ("imapd", "pop3d"):
            self.shell(f"/usr/sbin/{name} start </dev/null >/dev/null 2>&1 "
                       f"|| /usr/lib/courier/{name}.rc start </dev/null >/dev/null 2>&1")

    def fill(self, account, messages, looked_at=True):
        """Straight into the Maildir. Returns them all. `looked_at`: the mailbox is selected once, as Courier makes
        UIDVALIDITY of the second in which it first is: STATUS and SELECT may differ there."""
        self.shell(f"userdb {account} set uid=1 gid=1 home=/srv/mail/{account} mail=/srv/mail/{account}/Maildir; "
                   f"userdbpw | userdb {account} set systempw; makeuserdb; mkdir -p /srv/mail/{account}; "
                   f"maildirmake /srv/mail/{account}/Maildir", stdin=f"{PASSWORD}\n{PASSWORD}\n".encode())
        box = self.root / "srv/mail" / account / "Maildir" / "cur"
        for number, message in enumerate(messages):
            (box / f"{1000000000 + number}.{number:06}.test:2,").write_bytes(message.replace(b"\r\n", b"\n"))
        self.shell(f"chown -R 1:1 /srv/mail/{account}")
        if not looked_at:
            return messages
        with imaplib.IMAP4("127.0.0.1", self.port) as connection:
            connection.login(account, PASSWORD)
            connection.select("INBOX")
        return messages
