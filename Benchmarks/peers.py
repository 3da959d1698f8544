"""The servers under measure, each as a class with the same face: start, stop, pause, accounts, memory, CPU, disk. Here what they
share, and Merpati; Dovecot is in peer_dovecot.py."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import pathlib
import random
import resource
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
ROUNDS = 15000  # of the SCRAM keys on both sides, Merpati's default

# A run that is told to end ends its servers too, those that stand still among them.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

# Ten thousand connections, on both sides.
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    """Below the range that outgoing connections take theirs from: thousands of those come and go here."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(port, log, process):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(pathlib.Path(log).read_text(errors="replace")[-2000:])


def scram(password, name):
    """SCRAM-SHA-NNN keys as Merpati and Dovecot both read them: rounds, salt, StoredKey, ServerKey."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, ROUNDS)
    stored = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
    fields = (salt, stored, hmac.digest(salted, b"Server Key", name))
    scheme = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[name]
    return f"{{{scheme}}}{ROUNDS}," + ",".join(base64.b64encode(field).decode() for field in fields)


def certificate(folder):
    """One certificate for both servers of a TLS row."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "30", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


class Peer:
    kind = ""

    def __init__(self, name=None):
        self.name = name or self.kind
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        os.chmod(self.folder, 0o755)
        self.log = self.folder / "log"
        self.process = None
        self.paused = False
        self.imap, self.imaps, self.pop3, self.lmtp = (free_port() for _ in range(4))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        self.process = self.launch()
        self.paused = False
        for port in (self.imap, self.pop3, self.lmtp):
            wait_for(port, self.log, self.process)

    def stop(self):
        if not self.process:
            return
        self.resume()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self, cold=False):
        self.stop()
        if cold:
            self.evict()
        self.start()

    # Only one server runs at a time: background work of the one must not fall on the other's time.

    def pause(self):
        if self.process and not self.paused:
            self.signal_all(signal.SIGSTOP)
            self.paused = True

    def resume(self):
        if self.paused:
            self.signal_all(signal.SIGCONT)
            self.paused = False

    def signal_all(self, number):
        for pid in self.tree():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    # What is on the disk

    def evict(self):
        """Takes the data out of the page cache; names and inodes stay cached, for both sides alike. Needs no privilege."""
        os.sync()
        for path in self.data.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def freeze(self):
        """Keeps a copy of the data, to begin from again. The server is stopped."""
        self.stop()
        subprocess.run(["cp", "-a", str(self.data), str(self.folder / "frozen")], check=True)

    def thaw(self):
        self.stop()
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(self.folder / "frozen"), str(self.data)], check=True)

    def disk(self):
        return sum(f.stat().st_blocks * 512 for f in self.data.rglob("*") if f.is_file())

    # What it uses

    def tree(self):
        """Every process of the server."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        parents.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(entry))
                except (OSError, ValueError):
                    continue
        pids, todo = set(), [self.process.pid]
        while todo:
            pid = todo.pop()
            pids.add(pid)
            todo += parents.get(pid, [])
        return pids

    def sum_of(self, file, *names):
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/{file}") as lines:
                    total += sum(int(line.split()[1]) for line in lines if line.startswith(names))
            except OSError:
                pass
        return total

    def private_kib(self):
        return self.sum_of("smaps_rollup", "Private_Clean:", "Private_Dirty:")

    def anonymous_kib(self):
        return self.sum_of("status", "RssAnon:")

    def cpu_seconds(self):
        """Of all processes, those included that have ended and were waited for."""
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/stat") as file:
                    total += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
            except OSError:
                pass
        return total / os.sysconf("SC_CLK_TCK")

    def cpu_of_now(self):
        """The same of the threads that live now, without the rounding to ticks of 10 ms: for single commands."""
        total = 0
        for pid in self.tree():
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                        total += int(file.read().split()[0])
            except OSError:
                pass
        return total / 1e9

    def thread_cpu(self, name):
        """CPU seconds so far of the server's threads of this name."""
        total = 0
        for pid in self.tree():
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    task = f"/proc/{pid}/task/{thread}"
                    if pathlib.Path(task, "comm").read_text().strip() == name:
                        total += int(pathlib.Path(task, "schedstat").read_text().split()[0])
            except OSError:
                pass
        return total / 1e9

    def rest(self, most=600):
        """Waits until the server does nothing any more; returns how long that took, in seconds. Merpati's indexer looks once in a
        second, and may let some looks pass while mail comes in."""
        began = quiet_since = time.monotonic()
        last = self.cpu_seconds()
        while time.monotonic() - began < most:
            time.sleep(0.25)
            cpu = self.cpu_seconds()
            if cpu - last > 0.02:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > 3:
                break
            last = cpu
        return quiet_since - began


BINARY = os.environ.get("MERPATI_TEST_BINARY", str(ROOT / ".build" / "release" / "merpati"))


def knows(key):
    """Whether the server under measure has this setting."""
    return key in subprocess.run([BINARY, "config", "--keys"], capture_output=True, text=True).stdout


class Merpati(Peer):
    kind = "merpati"

    def __init__(self, name=None, binary=None, settings=()):
        super().__init__(name)
        self.data = self.folder / "data"
        self.binary = binary or BINARY
        # Only bounds that one address with thousands of connections would run into; everything else is as shipped.
        self.settings = {"limits.connections-per-address": "100000", "limits.connections-per-account": "100000"}
        self.settings.update(settings)

    def launch(self):
        cert, key = certificate(self.folder)
        settings = {"tls.certificate": str(cert), "tls.key": str(key), **self.settings}
        arguments = [self.binary, "serve", "--data", str(self.data)]
        for name in ("imap", "imaps", "pop3", "lmtp"):
            arguments += [f"--{name}", f"127.0.0.1:{getattr(self, name)}"]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"))

    def add_accounts(self, names, password=PASSWORD):
        """Through the control socket, all with the same keys: ten thousand key derivations would take a minute."""
        keys = scram(password, "sha256") + " " + scram(password, "sha1")

        def add(name):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(self.data / "control.sock"))
                line.sendall(json.dumps({"accountImportHash": {"name": name, "hash": keys, "settings": {}}}).encode() + b"\n")
                answer = line.makefile().readline()
                if "failure" in answer or not answer:
                    raise RuntimeError(f"account {name}: {answer}")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(add, names))
