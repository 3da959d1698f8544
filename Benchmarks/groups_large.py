"""Rows about one large message, and about a mailbox of a million."""

import base64
import os
import random
import statistics
import threading
import time

from bench import MILLION, MESSAGES, REPEATS, say
from peers import PASSWORD

LOOPBACK = "127.0.0.1"
MIB = 1 << 20


class Peak:
    """The most anonymous memory that a server uses while something runs, above what it used before; in MiB."""

    def __init__(self, peer):
        self.peer = peer

    def __enter__(self):
        self.before = self.most = self.peer.anonymous_kib()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, self.peer.anonymous_kib())

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.mib = (self.most - self.before) / 1024


def large_message(octets):
    """Base64 of random octets, as an attachment is."""
    body = base64.encodebytes(random.Random(5).randbytes(octets * 3 // 4)).replace(b"\n", b"\r\n")
    head = (b"From: a@example.org\r\nTo: b@example.org\r\nSubject: large\r\nMessage-ID: <large@example.org>\r\n"
            b"Date: Mon, 02 Nov 2026 10:00:00 +0700\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n")
    return head + body


def disk_speed(folder, data):
    """MB/s of writing and syncing a file, and of reading it when it is not in memory."""
    path = folder / "speed"
    began = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for at in range(0, len(data), MIB):
            file.write(data[at:at + MIB])
        os.fsync(file.fileno())
    write = time.monotonic() - began
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.monotonic()
        while file.read(MIB):
            pass
    read = time.monotonic() - began
    path.unlink()
    return len(data) / write / 1e6, len(data) / read / 1e6


def large(bench):
    message = large_message(50_000_000)
    pack = bench.folder / "large"
    pack.write_bytes(len(message).to_bytes(4, "little") + message)
    size = len(message) / 1e6
    with bench.servers(accounts=["large1", "append1"]) as peers:
        for peer in peers:  # whatever a server sets up once is not the message's
            with bench.turn(peer, peers):
                bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 1, 50, "large%d", 1, bench.pack)
                bench.run(peer, "append", LOOPBACK, peer.imap, "append1", PASSWORD, "INBOX", 50, 1, bench.pack)
                bench.imap(peer, "large1", ["SELECT INBOX", "FETCH 1:* BODY.PEEK[]"])
                bench.run(peer, "pop3", LOOPBACK, peer.pop3, "large1", PASSWORD, 32, "dele")
                peer.rest(60)
        for repeat, peer in bench.turns(peers):
            write, read = disk_speed(peer.folder, message)
            steps = {
                "lmtp": lambda: bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 1, 1, "large%d", 1, pack),
                "append": lambda: bench.run(peer, "append", LOOPBACK, peer.imap, "append1", PASSWORD, "INBOX", 1, 1, pack),
                "fetch": lambda: bench.imap(peer, "append1", ["SELECT INBOX", "FETCH * BODY.PEEK[]"])[1],
                "retr": lambda: bench.run(peer, "pop3", LOOPBACK, peer.pop3, "large1", PASSWORD, 1, "dele"),
            }
            for name, step in steps.items():
                if name in ("fetch", "retr"):
                    peer.evict()
                with Peak(peer) as peak:
                    result = step()
                speed = size / result["seconds"]
                bench.note(peer, f"large-{name}", speed, result)
                bench.note(peer, f"large-{name}-disk", speed / (write if name in ("lmtp", "append") else read))
                bench.note(peer, f"large-{name}-memory", peak.mib)
                if name == "fetch" and not len(message) <= result["literals"] <= len(message) + 2000:
                    raise RuntimeError(f"{peer.name}: {result['literals']} octets of {len(message)}")


# A million messages

def fill_million(bench, peer, user, total):
    """By LMTP, then COPY of what is there: each copy is a message of its own in all but its body's bytes."""
    have = min(MESSAGES, total)
    bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 16, have, f"{user}x%d", 1, bench.pack)
    while have < total:
        step = min(have, total - have, 50_000)
        result = bench.imap(peer, f"{user}x1", ["SELECT INBOX", f"COPY 1:{step} INBOX"])
        have += step
        say(f"  {peer.name}: {have:,} messages ({result[1]['seconds']:.1f} s for {step:,})")
    peer.rest(1800)


def million(bench):
    """Merpati alone, or before and after: filling Dovecot would take an hour."""
    others = [f"d{n}" for n in range(1, 101)]
    with bench.servers(accounts=["bigx1", *others]) as peers:
        peers = [peer for peer in peers if peer.kind == "merpati"]
        for peer in peers:
            with bench.turn(peer, peers):
                fill_million(bench, peer, "big", MILLION)
        for _ in range(REPEATS):
            for peer in peers:
                with bench.turn(peer, peers):
                    peer.restart(cold=True)
                    result = bench.imap(peer, "bigx1", ["SELECT INBOX"])[0]
                    bench.note(peer, "million-select", result["seconds"] * 1000, result, result["exists"])
        for peer in peers:
            with bench.turn(peer, peers):
                deliveries_during_store(bench, peer)
        if MILLION != 1_000_000:
            for key in ("million-select", "million-deliveries"):
                bench.remark(key, f"with {MILLION:,} messages")


def deliveries_during_store(bench, peer, seconds=5):
    """Four connections deliver to other accounts, one message each five milliseconds, while one STORE after the other gives every
    message a flag or takes it."""
    def deliver():
        return bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 4, -seconds, "d%d", 100, bench.pack, 5)

    def commands():
        yield "SELECT INBOX"
        while not over.is_set():
            yield "STORE 1:* +FLAGS.SILENT (\\Flagged)"
            yield "STORE 1:* -FLAGS.SILENT (\\Flagged)"

    for _ in range(REPEATS):
        over, stores = threading.Event(), []
        thread = threading.Thread(target=lambda: stores.extend(bench.imap(peer, "bigx1", commands())))
        thread.start()
        time.sleep(0.2)
        during = deliver()
        over.set()
        thread.join()
        if len(stores) < 3:
            raise RuntimeError(f"{peer.name}: a STORE on {MILLION:,} messages failed")
        bench.note(peer, "million-deliveries", during["p99"], during)
        quiet = deliver()
        took = statistics.median(s["seconds"] for s in stores[1:])
        say(f"    a STORE takes {took:.2f} s; {during['messages']:,} deliveries meanwhile, p50 {during['p50']:.1f} ms, slowest "
            f"{during['most']:.1f} ms; without it p99 {quiet['p99']:.1f} ms, slowest {quiet['most']:.1f} ms")


GROUPS = {"large": large, "million": million}
