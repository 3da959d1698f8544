"""What every group of rows uses: the options of a run, the load generator, servers in turns, notes of values and answers."""

import contextlib
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import time

from peer_dovecot import Dovecot
from peers import PASSWORD, ROOT, Merpati
from rows import GROUPS, ROWS, TABLE

import harness  # Interop: the corpus, and messages made where there is none

QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
LONG = os.environ.get("BENCH_LONG", "") not in ("", "0")
AGAINST = os.environ.get("BENCH_AGAINST", "")
ONLY = [word.lower() for word in os.environ.get("BENCH_ONLY", "").split(",") if word]


def number(name, full, quick):
    return int(os.environ.get(name) or (quick if QUICK else full))


MESSAGES = number("BENCH_MESSAGES", 20000, 3000)
REPEATS = number("BENCH_REPEATS", 5, 3)
DELIVERIES = number("BENCH_DELIVERIES", 3000, 600)
IDLE = [int(word) for word in (os.environ.get("BENCH_IDLE") or ("300" if QUICK else "1000,10000")).split(",")]
MILLION = number("BENCH_MILLION", 1_000_000, 100_000)
ACCOUNTS = 100


def mail_pack(path, messages):
    with open(path, "wb") as out:
        for message in messages:
            out.write(len(message).to_bytes(4, "little") + message)


def build_load(folder):
    binary = folder / "mailload"
    sources = sorted((ROOT / "Benchmarks" / "load").glob("*.c"))
    subprocess.run(["cc", "-O2", "-pthread", "-o", binary, *sources], check=True)
    return binary


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.load = build_load(folder)
        # Real messages in a fixed order, or made ones.
        self.mail = [harness.line_ends(raw) for _, raw in harness.corpus()] or harness.made(2000)
        self.mail = [m for m in self.mail if len(m) < 1_000_000]
        self.has_corpus = bool(harness.corpus())
        random.Random(11).shuffle(self.mail)
        self.pack = folder / "pack"
        mail_pack(self.pack, self.mail)
        self.rows = {}     # key -> {"values": {peer: [...]}, "cpu": {peer: [(server, client), ...]}}
        self.answers = {}  # key -> {peer: [...]}
        self.remarks = {}  # key -> text
        self.indexing = {}  # key -> [(CPU seconds of the search index meanwhile, afterwards, seconds until it was done)]
        self.names = ("merpati", "before" if AGAINST else "dovecot")

    # What is wanted

    def wants(self, key):
        row = TABLE[key]
        return not ONLY or any(key.startswith(word) or word == row.group for word in ONLY)

    def groups(self):
        wanted = [g for g in GROUPS if any(self.wants(row.key) for row in ROWS if row.group == g)]
        return [g for g in wanted if ONLY or not (g == "million" and not LONG or g == "large" and QUICK)]

    # Servers

    @contextlib.contextmanager
    def servers(self, *more, accounts=(), settings=(), hashed=False):
        """Merpati and the peer, both with these accounts, and `more` servers beside them. All are paused: see `turn`."""
        with contextlib.ExitStack() as stack:
            other = Merpati("before", AGAINST, settings) if AGAINST else Dovecot(hashed=hashed)
            peers = [Merpati(settings=settings), other, *more]
            for peer in peers:
                stack.enter_context(peer)
                peer.add_accounts(accounts)
                peer.pause()
            yield peers

    @contextlib.contextmanager
    def turn(self, peer, peers):
        """`peer` runs, the others stand still; what they left to write to the disk is written."""
        for other in peers:
            if other is not peer:
                other.pause()
        os.sync()
        if peer.paused:
            peer.resume()
            time.sleep(0.3)  # what its clocks have in arrears
        yield

    def turns(self, peers, repeats=None):
        """Each server in turn, so many times; who is first alternates."""
        for repeat in range(REPEATS if repeats is None else repeats):
            for peer in peers if repeat % 2 == 0 else peers[::-1]:
                with self.turn(peer, peers):
                    yield repeat, peer

    def capabilities(self, peer):
        with socket.create_connection(("127.0.0.1", peer.imap), 30) as line:
            line.sendall(f"a LOGIN box1 {PASSWORD}\r\nb CAPABILITY\r\nc LOGOUT\r\n".encode())
            answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
            return set(re.findall(r"\* CAPABILITY (.*)\r\n", answer)[-1].split())

    # Work and what came of it

    def run(self, peer, *arguments):
        """One run of the load generator, with the server's CPU seconds beside its own."""
        cpu = peer.cpu_seconds()
        done = subprocess.run([self.load, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"mailload {' '.join(map(str, arguments))}: {done.stderr[-600:]}\n{peer.log}: "
                               + peer.log.read_text(errors="replace")[-600:])
        result = json.loads(done.stdout)
        result["server_cpu"] = peer.cpu_seconds() - cpu
        return result

    def imap(self, peer, user, commands):
        """Commands one after another in one connection; the time of each, what it was answered, and the server's CPU."""
        process = subprocess.Popen([self.load, "imap", "127.0.0.1", str(peer.imap), user, PASSWORD], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        results = []
        for command in commands:
            cpu = peer.cpu_of_now()
            process.stdin.write(command + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{peer.name}: {command}: {process.stderr.read()[-600:]}\n"
                                   + peer.log.read_text(errors="replace")[-600:])
            results.append(json.loads(line))
            results[-1]["server_cpu"] = max(0, peer.cpu_of_now() - cpu)
        process.communicate()
        return results

    def note(self, peer, key, value, result=None, answer=None, name=None):
        if not self.wants(key):
            return
        name = name or peer.name
        row = self.rows.setdefault(key, {"values": {}, "cpu": {}})
        row["values"].setdefault(name, []).append(value)
        cpu = ""
        if result and "client_cpu" in result:
            pair = (result["server_cpu"], result["client_cpu"])
            row["cpu"].setdefault(name, []).append(pair)
            cpu = f"   CPU: server {pair[0]:.3f} s, generator {pair[1]:.3f} s"
        if answer is not None:
            self.answers.setdefault(key, {}).setdefault(name, []).append(answer)
        print(f"  {name:8} {TABLE[key].title}: {value:,.4g} {TABLE[key].unit}{cpu}", flush=True)

    def remark(self, key, text):
        if self.wants(key):
            self.remarks[key] = text
            print(f"  {TABLE[key].title}: {text}", flush=True)

    def differing(self):
        """Rows whose servers answered differently: no row may be won by doing less."""
        found = []
        for key, peers in self.answers.items():
            seen = {name: sorted(set(map(str, values))) for name, values in peers.items()}
            if len({tuple(values) for values in seen.values()}) > 1:
                found.append(f"{key}: " + "; ".join(f"{name} {', '.join(values[:3])}" for name, values in seen.items()))
        return found


def say(text):
    print(text, flush=True)


def warn(text):
    print(text, file=sys.stderr, flush=True)
