#!/usr/bin/env python3
"""make bench-growth: what users wait for, in mailboxes of 1,000, 20,000 and 200,000 messages and with 10, 1,000 and 10,000
accounts; for each the exponent by which its time grows, beside that of the answer (or of what it was asked to change), and the
names of those that grow faster. Merpati alone.

  GROWTH_MESSAGES=1000,20000,200000[,1000000]   GROWTH_ACCOUNTS=10,1000,10000   GROWTH_REPEATS=5   GROWTH_ONLY=messages|accounts

Filling: the first 20,000 messages of a mailbox come by LMTP, the others are copies of them (COPY, 50,000 at a time): rows of
their own, octets shared. That is the fastest way there is that goes through the front door.
"""

import math
import os
import pathlib
import statistics
import sys
import tempfile
import time

import report
from bench import Bench, mail_pack, say
from peers import PASSWORD, ROOT, Merpati
from rows import ENVELOPE, HEADERS

SIZES = [int(n) for n in (os.environ.get("GROWTH_MESSAGES") or "1000,20000,200000").split(",")]
ACCOUNTS = [int(n) for n in (os.environ.get("GROWTH_ACCOUNTS") or "10,1000,10000").split(",")]
REPEATS = int(os.environ.get("GROWTH_REPEATS") or "5")
ONLY = os.environ.get("GROWTH_ONLY", "")
LOOPBACK = "127.0.0.1"
NOISE = 0.15          # an exponent that is larger by this much is faster growth
SMALL = 2.0           # milliseconds: what takes less at its largest is not named

# Name, command, and what its time is held against: the octets answered, the messages it changes, or nothing that grows.
COMMANDS = [
    ("SELECT", "SELECT INBOX", "one"),
    ("NOOP", "NOOP", "one"),
    ("STATUS of it", "STATUS INBOX (MESSAGES UNSEEN SIZE)", "one"),
    ("FETCH of the last 20 envelopes", "FETCH {last20}:* (UID FLAGS ENVELOPE)", "one"),
    ("FETCH of one body in the middle", "FETCH {middle} BODY.PEEK[]", "octets"),
    ("STORE of one message", "STORE {middle} +FLAGS (\\Flagged)", "one"),
    ("SEARCH of the last 20 for a flag", "SEARCH {last20}:* UNSEEN", "one"),
    ("FETCH 1:* (FLAGS)", "FETCH 1:* (FLAGS)", "octets"),
    (ENVELOPE, ENVELOPE, "octets"),
    ("FETCH 1:* (BODYSTRUCTURE)", "FETCH 1:* (BODYSTRUCTURE)", "octets"),
    (HEADERS, HEADERS, "octets"),
    ("FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]", "octets"),
    ("SEARCH SUBJECT linux", "SEARCH SUBJECT linux", "octets"),
    ("SEARCH BODY xylophone (no hits)", "SEARCH BODY xylophone", "octets"),
    ("SORT (REVERSE DATE) UTF-8 ALL", "SORT (REVERSE DATE) UTF-8 ALL", "octets"),
    ("THREAD REFERENCES UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "octets"),
    ("STORE 1:* +FLAGS.SILENT", "STORE 1:* +FLAGS.SILENT (\\Seen)", "messages"),
    ("STORE 1:* -FLAGS.SILENT", "STORE 1:* -FLAGS.SILENT (\\Seen)", "messages"),
    ("COPY of 1,000", "COPY {last1000}:* Copies", "one"),
    ("EXPUNGE of 1,000", None, "one"),
    ("EXPUNGE of all", None, "messages"),
]


def exponent(sizes, values):
    """The slope of a line through the logarithms: 0 where it does not grow, 1 where it grows as the mailbox does."""
    points = [(math.log(n), math.log(v)) for n, v in zip(sizes, values) if v and v > 0]
    if len(points) < 2:
        return 0.0
    x, y = (statistics.fmean(p[i] for p in points) for i in (0, 1))
    over = sum((a - x) * (b - y) for a, b in points)
    return over / sum((a - x) ** 2 for a, _ in points)


def fill(bench, peer, size):
    user = f"g{size}x"
    peer.add_accounts([f"{user}1"])
    have = min(size, 20_000)
    bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 16, have, f"{user}%d", 1, bench.pack)
    while have < size:
        step = min(have, size - have, 50_000)
        bench.imap(peer, f"{user}1", ["SELECT INBOX", f"COPY 1:{step} INBOX"])
        have += step
    seconds = peer.rest(3600)
    say(f"  {size:,} messages are in; at rest after {seconds:.0f} s more")
    return f"{user}1"


def one_pass(bench, peer, user, size, words):
    """{name: (milliseconds, what it is held against)} of every command once."""
    place = {"last20": max(1, size - 19), "last1000": max(1, size - 999), "middle": size // 2}
    box = "Copies"
    commands = [(None, "SELECT INBOX", None), (None, f"CREATE {box}", None)]
    for name, command, against in COMMANDS:
        if command and (command.split()[0] not in ("SORT", "THREAD") or any(w.startswith(command.split()[0]) for w in words)):
            commands.append((name, command.format(**place), against))
    commands += [(None, f"SELECT {box}", None), (None, "STORE 1:* +FLAGS.SILENT (\\Deleted)", None),
                 ("EXPUNGE of 1,000", "EXPUNGE", "one")]
    # All of it is copied, at most as many at a time as one COPY may have, and expunged.
    commands += [(None, "SELECT INBOX", None)]
    commands += [(None, f"COPY {n}:{min(size, n + 49_999)} {box}", None) for n in range(1, size + 1, 50_000)]
    commands += [(None, f"SELECT {box}", None), (None, "STORE 1:* +FLAGS.SILENT (\\Deleted)", None),
                 ("EXPUNGE of all", "EXPUNGE", "messages"), (None, "SELECT INBOX", None)]
    commands += [(None, f"COPY {n}:{min(size, n + 49_999)} {box}", None) for n in range(1, size + 1, 50_000)]
    commands += [("DELETE of a mailbox of as many", f"DELETE {box}", "one")]
    out = {}
    for (name, _, against), result in zip(commands, bench.imap(peer, user, [c for _, c, _ in commands])):
        if name:
            held = {"one": 1, "octets": result["octets"], "messages": size}[against]
            out[name] = (result["seconds"] * 1000, held)
    return out


def others(bench, peer, user, size):
    """What comes by other ways into the mailbox or out of it."""
    result = bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 1, 50, user[:-1] + "%d", 1, bench.folder / "small")
    out = {"LMTP, one message": (result["p50"], 1)}
    result = bench.run(peer, "append", LOOPBACK, peer.imap, user, PASSWORD, "INBOX", 50, 1, bench.folder / "small")
    out["APPEND, one message"] = (result["seconds"] * 1000 / 50, 1)
    result = bench.run(peer, "login", "imap", LOOPBACK, peer.imap, 1, 50, user[:-1] + "%d", 1, PASSWORD)
    out["login, SELECT, logout"] = (result["p50"], 1)
    result = bench.run(peer, "login", "pop3", LOOPBACK, peer.pop3, 1, 10, user[:-1] + "%d", 1, PASSWORD)
    out["POP3 login, STAT, quit"] = (result["p50"], 1)
    result = bench.run(peer, "push", LOOPBACK, peer.imap, peer.lmtp, 1, 50, user[:-1] + "%d", PASSWORD, bench.folder / "small")
    out["push, from the message's last octet"] = (result["whole_p50"], 1)
    result = bench.run(peer, "pop3", LOOPBACK, peer.pop3, user, PASSWORD, 32)
    out["POP3 RETR of all, window 32"] = (result["seconds"] * 1000, result["messages"])
    return out


def by_messages(bench):
    times, held = {}, {}
    with Merpati() as peer:
        users = [(size, fill(bench, peer, size)) for size in SIZES]
        peer.add_accounts(["box1"])
        words = bench.capabilities(peer)
        for size, user in users:
            one_pass(bench, peer, user, size, words)  # what is set up once does not count
            passes = [one_pass(bench, peer, user, size, words) for _ in range(REPEATS)]
            passes += [others(bench, peer, user, size) for _ in range(REPEATS)]
            peer.restart(cold=True)
            began = time.monotonic()
            result = bench.imap(peer, user, ["SELECT INBOX"])[0]
            passes.append({"SELECT, server restarted, data not in memory": (result["seconds"] * 1000, 1)})
            whole = (time.monotonic() - began) * 1000
            say(f"  {size:,}: cold SELECT {result['seconds'] * 1000:.1f} ms, with the login {whole:.0f} ms")
            for one in passes:
                for name, (value, against) in one.items():
                    times.setdefault(name, {}).setdefault(size, []).append(value)
                    held.setdefault(name, {})[size] = against
    return rows(SIZES, times, held)


def by_accounts(bench):
    times, held = {}, {}
    for count in ACCOUNTS:
        with Merpati() as peer:
            began = time.monotonic()
            peer.add_accounts([f"a{n}" for n in range(1, count + 1)])
            note = {"account add": [(time.monotonic() - began) * 1000 / count]}
            bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 32, max(2000, 2 * count), "a%d", count, bench.folder / "small")
            peer.rest(300)
            for _ in range(REPEATS):
                result = bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 1, 500, "a%d", count, bench.folder / "small")
                note.setdefault("LMTP, 1 connection, one message", []).append(result["p50"])
                result = bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 16, 2000, "a%d", count, bench.folder / "small")
                note.setdefault("LMTP, 16 connections, for each message", []).append(1000 / result["per_second"])
                for protocol in ("imap", "pop3"):
                    few = min(count, 300)
                    bench.run(peer, "login", protocol, LOOPBACK, getattr(peer, protocol), 4, few, "a%d", few, PASSWORD)
                    result = bench.run(peer, "login", protocol, LOOPBACK, getattr(peer, protocol), 1, 300, "a%d", few, PASSWORD)
                    words = "login, SELECT, logout" if protocol == "imap" else "login, STAT, quit"
                    note.setdefault(f"{protocol.upper()} {words}", []).append(result["p50"])
                for name, command in (("FETCH 1:* (FLAGS ENVELOPE)", "FETCH 1:* (FLAGS ENVELOPE)"),
                                      ("SEARCH BODY xylophone (no hits)", "SEARCH BODY xylophone"),
                                      ("STORE of one message", "STORE 1 +FLAGS (\\Flagged)"), ("COPY of one message", "COPY 1 INBOX")):
                    result = bench.imap(peer, f"a{count // 2 + 1}", ["SELECT INBOX", command])[1]
                    note.setdefault(name, []).append(result["seconds"] * 1000)
                result = bench.run(peer, "push", LOOPBACK, peer.imap, peer.lmtp, 10, 100, "a%d", PASSWORD, bench.folder / "small")
                note.setdefault("push, from the message's last octet", []).append(result["whole_p50"])
            memory = peer.private_kib() / 1024
            for _ in range(REPEATS):
                began = time.monotonic()
                peer.stop()
                stopped = time.monotonic()
                peer.start()
                note.setdefault("stop of the server", []).append((stopped - began) * 1000)
                note.setdefault("start of the server", []).append((time.monotonic() - stopped) * 1000)
            say(f"  {count:,} accounts: {memory:.1f} MiB of private memory at the end, {peer.disk() / 1048576:.0f} MiB on disk")
            for name, values in note.items():
                times.setdefault(name, {})[count] = values
                held.setdefault(name, {})[count] = 1
    return rows(ACCOUNTS, times, held)


def rows(sizes, times, held):
    out = []
    for name, by_size in times.items():
        have = [n for n in sizes if n in by_size]
        medians = [statistics.median(by_size[n]) for n in have]
        grows, answer = exponent(have, medians), exponent(have, [held[name][n] for n in have])
        faster = grows > answer + NOISE and medians[-1] > SMALL
        out.append((name, dict(zip(have, medians)), grows, answer, faster))
    return out


def table(title, sizes, found):
    lines = [f"| {title} | " + " | ".join(f"{n:,}" for n in sizes) + " | grows | answer grows | |",
             "|---|" + "--:|" * (len(sizes) + 2) + "---|"]
    for name, medians, grows, answer, faster in found:
        cells = " | ".join(f"{report.number(medians[n])} ms" if n in medians else "–" for n in sizes)
        lines.append(f"| {name} | {cells} | {grows:.2f} | {answer:.2f} | {'**faster**' if faster else ''} |")
    return "\n".join(lines)


def main():
    texts = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        bench = Bench(pathlib.Path(folder))
        mail_pack(bench.folder / "small", [m for m in bench.mail if len(m) < 2500][:500])
        faster = []
        for name, title, sizes, work in (("messages", "messages in the mailbox", SIZES, by_messages),
                                         ("accounts", "accounts", ACCOUNTS, by_accounts)):
            if ONLY in name:
                say(f"{title}, {time.strftime('%H:%M:%S')}")
                found = work(bench)
                texts.append(table(title, sizes, found))
                faster += [row[0] for row in found if row[4]]
    text = "\n\n".join(texts)
    say("\n" + text)
    named = "Grows faster than what it answers: " + ("; ".join(faster) or "nothing") + "."
    say("\n" + named)
    if not ONLY and max(SIZES) >= 200_000:
        page = f"{text}\n\n{named}\n\n{report.where()}"
        report.between(ROOT / "docs" / "benchmarks.md", "<!-- growth -->", "<!-- end of growth -->", page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
