#!/usr/bin/env python3
"""make bench-profile: where the server's time goes in the rows that fall short of their targets. perf looks 997 times a second at all
threads of the server while the row's work is done; for each row the twenty functions with the most samples, and the shares of the
program, the kernel and the libraries, are printed and written to docs/profiles.md between its marks.

  PROFILE_ONLY=lmtp,login   only rows whose name begins so (the page is left alone)

Needs linux-perf, and root or a small kernel.perf_event_paranoid."""

import collections
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from bench import ACCOUNTS, Bench, number, say
from groups_large import large_message
from peers import PASSWORD, ROOT, Merpati
from report import between, where

LOOPBACK = "127.0.0.1"
TOP = 20
ONLY = [word for word in os.environ.get("PROFILE_ONLY", "").split(",") if word]
USERS = ("u%d", ACCOUNTS)


@contextlib.contextmanager
def recorded(server, file):
    """What the server does meanwhile is in `file`."""
    perf = subprocess.Popen(["perf", "record", "-q", "-F", "997", "-p", str(server.process.pid), "-o", str(file)],
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.5)
    try:
        yield
    finally:
        perf.terminate()
        complaint = perf.communicate()[1].decode(errors="replace")
    if not file.exists():
        raise RuntimeError(f"perf: {complaint}")


def samples(file):
    """{(thread, object, function): count} of what was seen. Libraries without symbols have one function, themselves."""
    report = subprocess.run(["perf", "report", "-i", str(file), "--stdio", "-g", "none", "--no-children", "-F",
                             "sample,comm,dso,symbol", "--field-separator", "\t"], capture_output=True, text=True, check=True).stdout
    found = collections.Counter()
    for line in report.splitlines():
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) == 4 and parts[0].isdigit():
            name = re.sub(r"^\[[.k]\] ", "", parts[3])
            found[parts[1], kind(parts[2]), "without symbols" if name.startswith("0x") else name] += int(parts[0])
    return found


def readable(names):
    """Swift's names as a programmer writes them."""
    done = subprocess.run(["swift", "demangle", "--simplified", "--compact"], input="\n".join(names), capture_output=True, text=True,
                          check=True).stdout.splitlines()
    result = {}
    for name, text in zip(names, done):
        text = re.sub(r"(generic specialization|function signature specialization|specialized)[^>]*>+ of |specialized ", "", text)
        text = re.sub(r"closure #\d+( \([^)]*\))?( @\w+)*[^i]*? in ", "closure in ", text)
        result[name] = (text if len(text) <= 90 else text[:87] + "...").replace("|", "\\|").replace("<", "&lt;")
    return result


def kind(library):
    if library.startswith("[kernel") or library.startswith("[guest"):
        return "kernel"
    if "merpati" in library:
        return "program"
    return re.sub(r"[-.].*", "", library.strip("[]"))


def section(title, file, seconds, cpu):
    found = samples(file)
    total = sum(found.values())
    threads, objects, functions = collections.Counter(), collections.Counter(), collections.Counter()
    for (thread, library, name), count in found.items():
        threads[re.sub(r"[-#]*\d+$", "", thread)] += count
        objects[library] += count
        functions[library, name] += count
    top = functions.most_common(TOP)
    names = readable([name for (_, name), _ in top])

    def parts(counter):
        return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counter.most_common(6) if count * 100 >= total)

    lines = [f"### {title}", "", f"{seconds:.1f} s, {cpu:.1f} s of the server's CPU, {total:,} samples: {parts(objects)}. By thread: "
             f"{parts(threads)}.", "", "| share | where | function |", "|--:|---|---|"]
    lines += [f"| {100 * count / total:.1f} % | {library} | {names[name]} |" for (library, name), count in top]
    return "\n".join(lines)


def profile(bench, server, key, title, *steps):
    """One row: `steps` are runs of the load generator, or functions."""
    if ONLY and not any(key.startswith(word) for word in ONLY):
        return []
    server.rest(60)
    file = bench.folder / f"{key}.perf"
    began, cpu = time.monotonic(), server.cpu_seconds()
    with recorded(server, file):
        for step in steps:
            step() if callable(step) else bench.run(server, *step)
        took, cpu = time.monotonic() - began - 0.5, server.cpu_seconds() - cpu
    text = section(title, file, took, cpu)
    say(text + "\n")
    file.unlink()
    return [text]


def rows(bench, server):
    deliveries = number("BENCH_DELIVERIES", 9000, 1000)
    lmtp = ("lmtp", LOOPBACK, server.lmtp)
    for connections in (1, 16, 64):
        count = deliveries // 3 if connections == 1 else deliveries
        yield from profile(bench, server, f"lmtp-{connections}", f"LMTP, {connections} connection{'s' * (connections > 1)}, 100 accounts",
                           (*lmtp, connections, count, *USERS, bench.pack))
    yield from profile(bench, server, "lmtp-one", "LMTP, 8 connections into one mailbox",
                       (*lmtp, 8, deliveries, "one%d", 1, bench.pack))

    bench.run(server, *lmtp, 8, 5000, "pop%d", 1, bench.pack)
    for window in (1, 32):
        work = ("pop3", LOOPBACK, server.pop3, "pop1", PASSWORD, window)
        yield from profile(bench, server, f"pop3-{window}", f"POP3, RETR of 5,000 messages, window {window}, eight times", *[work] * 8)

    for protocol, port, words in (("imap", server.imap, "SELECT, logout"), ("pop3", server.pop3, "STAT, quit")):
        work = ("login", protocol, LOOPBACK, port, 10, 10_000, *USERS, PASSWORD)
        bench.run(server, *work[:5], 1000, *work[6:])
        yield from profile(bench, server, f"login-{protocol}", f"Login, {words}, 10 connections", work)

    bench.run(server, *lmtp, 8, 200 * 16, "m%d", 16, bench.pack)
    yield from profile(bench, server, "mixed", "Mixed load, 16 clients",
                       ("mixed", LOOPBACK, server.imap, 16, 10, "m%d", PASSWORD, bench.pack))

    message, pack = large_message(50_000_000), bench.folder / "large"
    pack.write_bytes(len(message).to_bytes(4, "little") + message)
    yield from profile(bench, server, "large-lmtp", "50 MB through LMTP, ten times", *[(*lmtp, 1, 1, "large%d", 1, pack)] * 10)
    yield from profile(bench, server, "large-append", "50 MB through APPEND, ten times",
                       *[("append", LOOPBACK, server.imap, "large1", PASSWORD, "INBOX", 1, 1, pack)] * 10)
    yield from profile(bench, server, "large-fetch", "50 MB by FETCH, ten times",
                       lambda: bench.imap(server, "large1", ["SELECT INBOX"] + ["FETCH * BODY.PEEK[]"] * 10))
    yield from profile(bench, server, "large-retr", "50 MB by RETR, twenty messages",
                       ("pop3", LOOPBACK, server.pop3, "large1", PASSWORD, 1))


def main():
    if sys.argv[1:]:
        print(__doc__)
        return 0 if sys.argv[1] in ("--help", "-h") else 64
    accounts = [f"u{n}" for n in range(1, ACCOUNTS + 1)] + [f"m{n}" for n in range(1, 17)] + ["one1", "pop1", "large1"]
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        bench = Bench(pathlib.Path(folder))
        with Merpati() as server:
            server.add_accounts(accounts)
            sections = list(rows(bench, server))
    if not ONLY:
        between(ROOT / "docs" / "profiles.md", "<!-- profiles -->", "<!-- end -->", "\n\n".join(sections) + f"\n\n{where()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
