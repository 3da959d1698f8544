"""Rows about sessions: POP3, logins, idle connections, push, a mixed load."""

import os
import pathlib
import ssl
import socket
import subprocess
import time

from bench import ACCOUNTS, IDLE, QUICK, REPEATS, number
from peers import PASSWORD

LOOPBACK = "127.0.0.1"
SETTLE = 4  # seconds


def pop3(bench):
    messages = number("BENCH_POP3", 5000, 2000)
    drops = [f"pop{n}" for n in range(1, REPEATS + 1)]
    with bench.servers(accounts=drops) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                filled = drops if bench.wants("pop3-dele") else drops[:1]
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, messages * len(filled), "pop%d", len(filled), bench.pack)
                peer.rest(60)
        for window in (1, 32):
            if bench.wants(f"pop3-{window}"):
                for _, peer in bench.turns(peers):
                    result = bench.run(peer, "pop3", LOOPBACK, peer.pop3, "pop1", PASSWORD, window)
                    bench.note(peer, f"pop3-{window}", result["per_second"], result, result["messages"])
        if bench.wants("pop3-dele"):
            for repeat, peer in bench.turns(peers):
                result = bench.run(peer, "pop3", LOOPBACK, peer.pop3, f"pop{repeat + 1}", PASSWORD, 32, "dele")
                bench.note(peer, "pop3-dele", result["per_second"], result, result["messages"])


def login(bench):
    users = [f"u{n}" for n in range(1, ACCOUNTS + 1)]
    total = number("BENCH_LOGINS", 1000, 300)
    with bench.servers(accounts=users) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, 10 * ACCOUNTS, "u%d", ACCOUNTS, bench.pack)
                for protocol, port in (("imap", peer.imap), ("pop3", peer.pop3)):
                    bench.run(peer, "login", protocol, LOOPBACK, port, 10, total // 2, "u%d", ACCOUNTS, PASSWORD)
                peer.rest(60)
        for protocol in ("imap", "pop3"):
            if bench.wants(f"login-{protocol}"):
                for _, peer in bench.turns(peers):
                    port = peer.imap if protocol == "imap" else peer.pop3
                    result = bench.run(peer, "login", protocol, LOOPBACK, port, 10, total, "u%d", ACCOUNTS, PASSWORD)
                    bench.note(peer, f"login-{protocol}", result["per_second"], result)


def hashed(bench):
    """Every account logs in once, after a restart that makes caches of logins empty."""
    count = number("BENCH_HASHED", 400, 100)
    with bench.servers(accounts=[f"h{n}" for n in range(1, count + 1)], hashed=True) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, count, "h%d", count, bench.pack)
        for protocol in ("imap", "pop3"):
            if not bench.wants(f"hashed-{protocol}"):
                continue
            hashing = []
            for _, peer in bench.turns(peers):
                peer.restart()
                again = ("login", protocol, LOOPBACK, getattr(peer, protocol), 10, count, "h%d", count, PASSWORD)
                result = bench.run(peer, *again)
                bench.note(peer, f"hashed-{protocol}", result["per_second"], result)
                if peer.name == "merpati":
                    hashing.append((result["server_cpu"] - bench.run(peer, *again)["server_cpu"]) / count)
            cost = sorted(hashing)[len(hashing) // 2]
            if cost > 0:
                bench.remark(f"hashed-{protocol}", f"a hash takes {cost * 1000:.1f} ms of Merpati's CPU: no more than "
                             f"{os.cpu_count() / cost:,.0f}/s on these cores, whatever else is free")


# Idle connections

def available_kib():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


def give_each_a_mailbox(bench, peer, count, messages):
    """One delivery to each account, then COPY within INBOX until it holds `messages`."""
    if peer.kind == "dovecot":
        bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, messages, "model%d", 1, bench.pack)
        peer.clone_index("model1", [f"i{n}" for n in range(1, count + 1)])
        return
    bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 64, count, "i%d", count, bench.folder / "small")
    commands, have = ["SELECT INBOX"], 1
    while have < messages:
        step = min(have, messages - have)
        commands += [f"COPY 1:{step} INBOX"]
        have += step
    bench.run(peer, "each", LOOPBACK, peer.imap, 16, "i%d", count, PASSWORD, *commands)


def idle(bench):
    messages = number("BENCH_IDLE_MESSAGES", 1000, 100)
    (bench.folder / "small").write_bytes(
        b"".join(len(m).to_bytes(4, "little") + m for m in [m for m in bench.mail if len(m) < 2500][:500]))
    most = max(IDLE)
    with bench.servers(accounts=[f"i{n}" for n in range(1, most + 1)]) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                give_each_a_mailbox(bench, peer, most, messages)
                peer.rest(120)
        for secure in (False, True):
            for peer in peers:
                counts = IDLE
                if peer.kind == "dovecot" and most > 2000 and available_kib() < 1_400 * most:
                    counts = [n for n in IDLE if n <= 2000]
                    bench.remark(f"idle-{'tls-' if secure else ''}10000", "Dovecot left out: it needs more memory than is free")
                with bench.turn(peer, peers):
                    # Memory that earlier work has left free would hide what connections take.
                    peer.restart()
                    peer.rest(60)
                    measure_idle(bench, peer, counts, messages, secure, most)
            for peer in peers:
                peer.pause()


def measure_idle(bench, peer, counts, messages, secure, users):
    before = peer.private_kib()
    opener = IdleTLS(peer, messages) if secure else IdlePlain(bench, peer, counts[0], messages, users)
    open_ = 0
    for count in counts:
        opener.up_to(count, open_)
        open_ = count
        # What they hold at rest: both servers have some seconds to put away what the logins needed.
        peer.rest(60)
        time.sleep(SETTLE)
        peer.rest(60)
        key = f"idle-{'tls-' if secure else ''}{1000 if count <= 2000 else 10000}"
        bench.note(peer, key, (peer.private_kib() - before) / count)
        if count not in (1000, 10000):
            bench.remark(key, f"{count:,} connections, {messages:,} messages each")
    opener.close()


class IdlePlain:
    def __init__(self, bench, peer, first, messages, users):
        arguments = ["idle", LOOPBACK, peer.imap, first, "i%d", users, PASSWORD, messages]
        self.process = subprocess.Popen([bench.load, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def up_to(self, count, already):
        if already:
            self.process.stdin.write(f"more {count - already}\n")
            self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError("an idle connection failed")

    def close(self):
        self.process.communicate()


class IdleTLS:
    """The same with TLS, from here: the server's memory is measured, not how quickly connections come."""

    def __init__(self, peer, messages):
        self.peer, self.messages, self.open = peer, messages, []
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def up_to(self, count, already):
        for number in range(already + 1, count + 1):
            line = self.context.wrap_socket(socket.create_connection((LOOPBACK, self.peer.imaps), 60))
            self.until(line, b"\r\n")
            line.sendall(f"a LOGIN i{number} {PASSWORD}\r\n".encode())
            self.until(line, b"\r\na OK", b"a OK")
            line.sendall(b"b SELECT INBOX\r\n")
            answer = self.until(line, b"\r\nb OK")
            if b"* %d EXISTS" % self.messages not in answer:
                raise RuntimeError(f"i{number}: {answer[:300]}")
            line.sendall(b"c IDLE\r\n")
            self.until(line, b"+ ")
            self.open.append(line)

    @staticmethod
    def until(line, *ends):
        data = b""
        while not any(end in data for end in ends) or not data.endswith(b"\r\n"):
            more = line.recv(65536)
            if not more:
                raise RuntimeError(f"closed after {data[-200:]}")
            data += more
        return data

    def close(self):
        for line in self.open:
            line.close()


def push(bench):
    connections = 50  # Dovecot watches by inotify: more than a user may have instances of would be polled for
    with bench.servers(accounts=[f"p{n}" for n in range(1, connections + 1)]) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, 10 * connections, "p%d", connections, bench.pack)
                peer.rest(60)
        for repeat, peer in bench.turns(peers):
            slow = peer.kind == "dovecot"  # waits half a second on purpose
            if slow and repeat >= (1 if QUICK else 3):
                continue
            pushes = number("BENCH_PUSHES", 500, 100) // (10 if slow else 1)
            result = bench.run(peer, "push", LOOPBACK, peer.imap, peer.lmtp, connections, pushes, "p%d", PASSWORD, bench.pack)
            bench.note(peer, "push-p50", result["p50"], result)
            if result["early"]:
                early = 100 * result["early"] / pushes
                bench.remark("push-p50", f"{peer.name} tells {early:.0f} % before the reply or with it, which counts as 0; from the "
                             f"message's last octet {result['whole_p50']:.2f} ms")
            bench.note(peer, "push-p99", result["p99"])


def mixed(bench):
    clients, seconds = 16, number("BENCH_MIXED_SECONDS", 10, 4)
    with bench.servers(accounts=[f"m{n}" for n in range(1, clients + 1)]) as peers:
        for peer in peers:
            with bench.turn(peer, peers):
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, 200 * clients, "m%d", clients, bench.pack)
                peer.rest(60)
        for _, peer in bench.turns(peers):
            result = bench.run(peer, "mixed", LOOPBACK, peer.imap, clients, seconds, "m%d", PASSWORD, bench.pack)
            bench.note(peer, "mixed", result["per_second"], result)
            for kind, figures in result["kinds"].items():
                bench.note(peer, f"mixed-{kind}", figures["p99"])


GROUPS = {"pop3": pop3, "login": login, "hashed": hashed, "idle": idle, "push": push, "mixed": mixed}
