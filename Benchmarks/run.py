#!/usr/bin/env python3
"""make bench: the same work against Merpati and Debian's Dovecot in one run; prints the table and writes it to
docs/benchmarks.md between its marks.

  BENCH_MESSAGES=20000  messages in the large mailbox        BENCH_REPEATS=5  repetitions of the short rows
  BENCH_IDLE=1000       idle connections                     BENCH_ONLY=imap  only rows whose name contains this
"""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

from peers import PASSWORD, ROOT, Dovecot, Merpati

import harness  # Interop: the corpus, and messages made where there is none

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "20000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
IDLE = int(os.environ.get("BENCH_IDLE", "1000"))
ONLY = os.environ.get("BENCH_ONLY", "")
ACCOUNTS = 100

FETCHES = [
    ("SELECT INBOX", "SELECT, warm"),
    ("FETCH 1:* (FLAGS)", "FETCH 1:* (FLAGS)"),
    ("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
    ("FETCH 1:* (BODYSTRUCTURE)", "FETCH 1:* (BODYSTRUCTURE)"),
    ("FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]"),
    ("FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]"),
    ("SEARCH SUBJECT linux", "SEARCH SUBJECT linux"),
    ("SEARCH BODY xylophone", "SEARCH BODY xylophone, no index"),
    ("STORE 1:* +FLAGS (\\Seen)", "STORE 1:* +FLAGS (\\Seen)"),
    ("STORE 1:* -FLAGS.SILENT (\\Seen)", "STORE 1:* -FLAGS.SILENT (\\Seen)"),
]


def pack(path):
    """Real messages in a fixed order, or made ones, as mailload reads them."""
    messages = [harness.line_ends(raw) for _, raw in harness.corpus()] or harness.made(2000)
    messages = [m for m in messages if len(m) < 1_000_000]
    random.Random(11).shuffle(messages)
    with open(path, "wb") as out:
        for message in messages:
            out.write(len(message).to_bytes(4, "little") + message)
    return messages


class Bench:
    def __init__(self, folder):
        self.load = folder / "mailload"
        subprocess.run(["gcc", "-O2", "-pthread", "-o", self.load, ROOT / "Benchmarks" / "mailload.c"], check=True)
        self.pack = folder / "pack"
        self.mail = pack(self.pack)
        self.rows = {}  # name -> {peer: [values]}, unit, better

    def run(self, *arguments):
        done = subprocess.run([self.load, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"mailload {arguments}: {done.stderr}")
        return json.loads(done.stdout)

    def note(self, peer, name, value, unit, more_is_better):
        row = self.rows.setdefault(name, {"unit": unit, "more": more_is_better, "values": {}})
        row["values"].setdefault(peer.name, []).append(value)
        print(f"  {peer.name:8} {name}: {value:,.4g} {unit}", flush=True)

    def lmtp(self, peer):
        for connections in (1, 16, 64):
            for _ in range(max(1, REPEATS // 2)):
                cpu = peer.cpu_seconds()
                result = self.run("lmtp", "127.0.0.1", peer.lmtp, connections, 3000, "u%d", ACCOUNTS, self.pack)
                self.note(peer, f"LMTP, {connections} connection{'s' * (connections > 1)}, {ACCOUNTS} accounts",
                          result["per_second"], "msg/s", True)
                print(f"           CPU: server {peer.cpu_seconds() - cpu:.2f} s, generator {result['client_cpu']:.2f} s")

    def mailbox(self, peer):
        before = peer.disk()
        result = self.run("lmtp", "127.0.0.1", peer.lmtp, 8, MESSAGES, "box%d", 1, self.pack)
        self.note(peer, f"LMTP, 8 connections into one mailbox ({MESSAGES:,})", result["per_second"], "msg/s", True)
        sizes = sum(len(self.mail[i % len(self.mail)]) for i in range(MESSAGES))
        for turn in range(REPEATS):
            for (command, name), result in zip(FETCHES, self.run(
                    "imap", "127.0.0.1", peer.imap, "box1", PASSWORD, *(c for c, _ in FETCHES))):
                label = name + (" first" if turn == 0 and "ENVELOPE" in name else "")
                self.note(peer, label, result["seconds"] * 1000, "ms", False)
        time.sleep(2)
        self.note(peer, "disk per octet of mail", (peer.disk() - before) / sizes, "", False)

    def pop3(self, peer):
        self.run("lmtp", "127.0.0.1", peer.lmtp, 8, 5000, "pop%d", 1, self.pack)
        for window in (1, 32):
            for _ in range(REPEATS):
                result = self.run("pop3", "127.0.0.1", peer.pop3, "pop1", PASSWORD, window)
                self.note(peer, f"POP3 RETR all (5,000), window {window}", result["per_second"], "msg/s", True)
        result = self.run("pop3", "127.0.0.1", peer.pop3, "pop1", PASSWORD, 32, "dele")
        self.note(peer, "POP3 RETR, DELE, QUIT, window 32", result["per_second"], "msg/s", True)

    def logins(self, peer):
        for protocol, port in (("imap", peer.imap), ("pop3", peer.pop3)):
            for _ in range(REPEATS):
                result = self.run("login", protocol, "127.0.0.1", port, 10, 600, "u%d", ACCOUNTS, PASSWORD)
                self.note(peer, f"login, {'SELECT' if protocol == 'imap' else 'STAT'}, logout ({protocol}, 10 connections)",
                          result["per_second"], "/s", True)

    def idle(self, peer):
        before = peer.private_kib()
        process = subprocess.Popen(
            [self.load, "idle", "127.0.0.1", str(peer.imap), str(IDLE), "u%d", str(ACCOUNTS), PASSWORD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(2)
        self.note(peer, f"private memory of an idle connection ({IDLE:,} in IDLE)", (peer.private_kib() - before) / IDLE, "KiB", False)
        process.communicate()

    def table(self):
        lines = ["| work | Merpati | Dovecot | ratio |", "|---|--:|--:|--:|"]
        for name, row in self.rows.items():
            cells, medians = [], {}
            for peer in ("merpati", "dovecot"):
                values = row["values"].get(peer)
                if not values:
                    cells.append("–")
                    continue
                medians[peer] = statistics.median(values)
                spread = f" ({min(values):,.4g}–{max(values):,.4g})" if len(values) > 1 else ""
                cells.append(f"{medians[peer]:,.4g} {row['unit']}{spread}")
            ratio = "–"
            if len(medians) == 2 and medians["merpati"] and medians["dovecot"]:
                value = medians["merpati"] / medians["dovecot"]
                ratio = f"{value if row['more'] else 1 / value:.2f}×"
            lines.append(f"| {name} | {cells[0]} | {cells[1]} | {ratio} |")
        return "\n".join(lines)


def main():
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(pathlib.Path(folder))
        parts = [("lmtp", bench.lmtp), ("mailbox imap", bench.mailbox), ("pop3", bench.pop3), ("logins", bench.logins)]
        for kind in (Merpati, Dovecot):
            with kind() as peer:
                names = [f"u{n}" for n in range(1, ACCOUNTS + 1)] + ["box1", "pop1"]
                peer.add_accounts(names)
                for name, part in parts:
                    if ONLY in name:
                        print(f"{peer.name}: {name}", flush=True)
                        part(peer)
        for kind in (Merpati, Dovecot):
            # A server of its own: memory that earlier work has left free would hide what connections take.
            with kind() as peer:
                peer.add_accounts([f"u{n}" for n in range(1, ACCOUNTS + 1)])
                bench.run("lmtp", "127.0.0.1", peer.lmtp, 8, 10 * ACCOUNTS, "u%d", ACCOUNTS, bench.pack)
                if ONLY in "idle":
                    bench.idle(peer)
        table = bench.table()
    print("\nMedians (minimum–maximum); a ratio above 1 is in Merpati's favour.\n\n" + table)
    page = ROOT / "docs" / "benchmarks.md"
    if page.exists() and not ONLY:
        head, begin, rest = page.read_text().partition("<!-- table -->")
        _, end, tail = rest.partition("<!-- end -->")
        if begin and end:
            page.write_text(f"{head}{begin}\n{table}\n{end}{tail}")


if __name__ == "__main__":
    sys.exit(main())
