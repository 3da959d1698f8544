#!/usr/bin/env python3
"""make bench-pull: the same mailbox brought home from the same Dovecot by Merpati and by its peers in one run; a first pull
and a second one that finds nothing new, over loopback and over a line of 40 ms (Benchmarks/delay.c). Prints the table and
writes it to docs/benchmarks.md between its marks.

  PULL_MESSAGES=10000   messages                      PULL_SLOW=1000   for those that do not pipeline, over the long line
  PULL_REPEATS=3        repetitions of the fast ones  PULL_ONLY=mpop,merpati   only tools whose name contains one of these
  PULL_RTT=0,40         milliseconds                  PULL_AGAIN=5     empty runs after each first one
"""

import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import types

from peer_dovecot import Dovecot
from peers import PASSWORD, ROOT, free_port

import clients
import harness

MESSAGES = int(os.environ.get("PULL_MESSAGES", "10000"))
SLOW = int(os.environ.get("PULL_SLOW", "1000"))
AGAIN = int(os.environ.get("PULL_AGAIN", "5"))
REPEATS = int(os.environ.get("PULL_REPEATS", "3"))
ONLY = [word for word in os.environ.get("PULL_ONLY", "").split(",") if word]
RTTS = [int(word) for word in os.environ.get("PULL_RTT", "0,40").split(",")]
MERPATI = os.environ.get("MERPATI_TEST_BINARY", str(ROOT / ".build" / "release" / "merpati"))

clients.PASSWORD = PASSWORD
clients.INCREMENTAL = True


class Run:
    """One timed process: wall and CPU seconds (with its children), peak resident MiB of its largest process."""

    helper = None  # timed.c

    def __init__(self, arguments, folder, **more):
        more.pop("capture_output", None)
        figures = folder / "figures"
        figures.unlink(missing_ok=True)
        with open(folder / "out", "ab") as out:
            done = subprocess.run([self.helper, str(figures), *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, **more)
        self.wall, self.cpu, peak = map(float, figures.read_text().split())
        self.peak = peak / 1024
        self.returncode = done.returncode
        self.stdout = self.stderr = (folder / "out").read_bytes()[-2000:]


last = []


def timed(arguments, folder, **more):
    last.append(Run(arguments, folder, **more))
    return last[-1]


clients.run = timed


def merpati(kind):
    def pull(server, account, folder):
        url = f"{kind}://{account}@127.0.0.1:{server.ports[kind]}"
        box = folder / "box"
        tail = ["--keep"] if kind == "pop3" else ["--mode", "mirror", "--mailbox", "INBOX"]
        environment = dict(os.environ, MERPATI_PASSWORD=PASSWORD, XDG_STATE_HOME=str(folder / "state"))
        done = clients.run([MERPATI, "pull", kind, url, "--to", f"maildir:{box}", *tail], folder, env=environment)
        return done, clients.maildir(box)
    return pull


TOOLS = [
    # name, function, pipelines
    ("merpati pop3", merpati("pop3"), True), ("mpop", clients.mpop, True), ("fetchmail", clients.fetchmail, False),
    ("getmail pop3", clients.getmail_pop3, False), ("merpati imap", merpati("imap"), True),
    ("mbsync", clients.mbsync, True), ("offlineimap", clients.offlineimap, False),
    ("getmail imap", clients.getmail_imap, False),
]


def mail(count):
    """Real messages, each made unlike every other by a line of its own."""
    raw = [m for _, m in harness.corpus() if len(m) < 1_000_000] or harness.made(2000)
    random.Random(11).shuffle(raw)
    return [b"X-Bench: %d\n" % n + raw[n % len(raw)].replace(b"\r\n", b"\n") for n in range(count)]


def fill(peer, account, messages):
    """By LMTP, so that the server's index files are as in life."""
    import smtplib
    connection = smtplib.LMTP("127.0.0.1", peer.lmtp, local_hostname="localhost", timeout=600)
    connection.ehlo_or_helo_if_needed()
    for message in messages:
        connection.sendmail("bench@example.org", [account], harness.line_ends(message))
    connection.quit()


def settle():
    """Each run begins with the disk at rest: what the last one left to write is its own cost, not the next one's."""
    os.sync()
    time.sleep(0.5)


def measure(tool, pull, server, account, expected, repeats, home):
    """`home` is a folder of its own for each run. Nothing is removed before the end: for some minutes ext4 searches past every
    inode that was freed when it makes a file, which would fall on whoever comes next."""
    rows = {"first": [], "again": []}
    delivered = 0
    for _ in range(repeats):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="pull-", dir=home))
        os.chmod(folder, 0o755)
        for name, times in (("first", 1), ("again", AGAIN)):
            for _ in range(times):
                settle()
                last.clear()
                done, messages = pull(server, account, folder)
                if last[-1].returncode not in (0, 1) or (name == "first" and not messages):
                    raise RuntimeError(f"{tool}: {last[-1].returncode}: {last[-1].stderr.decode(errors='replace')}")
                rows[name].append(last[-1])
                delivered = len(messages)
                messages = None
    first = statistics.median(r.wall for r in rows["first"])
    again = statistics.median(r.wall for r in rows["again"])
    peak = max(r.peak for r in rows["first"])
    cpu = statistics.median(r.cpu for r in rows["first"])
    print(f"  {tool:14} first {first:7.2f} s (CPU {cpu:5.2f} s, peak {peak:5.1f} MiB)  again {again:6.3f} s  "
          f"delivered {delivered} of {expected}", flush=True)
    return {"first": first, "again": again, "peak": peak, "cpu": cpu, "delivered": delivered, "expected": expected}


def main():
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-pull-") as folder, Dovecot() as peer:
        delay = pathlib.Path(folder) / "delay"
        subprocess.run(["gcc", "-O2", "-o", delay, ROOT / "Benchmarks" / "delay.c"], check=True)
        Run.helper = str(pathlib.Path(folder) / "timed")
        subprocess.run(["gcc", "-O2", "-o", Run.helper, ROOT / "Benchmarks" / "timed.c"], check=True)
        os.chmod(folder, 0o755)
        home = pathlib.Path(folder) / "home"
        home.mkdir(mode=0o755)
        # New folders far from one another, where the file system knows how.
        subprocess.run(["chattr", "+T", home], stderr=subprocess.DEVNULL)
        messages = mail(MESSAGES)
        fill(peer, "all", messages)
        fill(peer, "few", messages[:SLOW])
        print(f"{MESSAGES} messages, {sum(map(len, messages)) / 1e6:.0f} MB, from Dovecot", flush=True)
        for rtt in RTTS:
            ports = {"imap": peer.imap, "pop3": peer.pop3}
            relays = []
            if rtt:
                for name, target in list(ports.items()):
                    ports[name] = free_port()
                    relay = subprocess.Popen([delay, str(ports[name]), str(target), str(rtt / 2)], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE)
                    relay.stdout.readline()
                    relays.append(relay)
            server = types.SimpleNamespace(ports=ports)
            print(f"round trip {rtt} ms", flush=True)
            for tool, pull, pipelines in TOOLS:
                if ONLY and not any(word in tool for word in ONLY):
                    continue
                slow = not pipelines and rtt > 0
                account, expected = ("few", SLOW) if slow else ("all", MESSAGES)
                repeats = REPEATS if pipelines else 1
                results[(tool, rtt)] = measure(tool, pull, server, account, expected, repeats, home)
            for relay in relays:
                relay.stdin.close()
                relay.wait()
    table = report(results)
    print("\n" + table)
    page = ROOT / "docs" / "benchmarks.md"
    if not ONLY and MESSAGES >= 10000:
        head, begin, rest = page.read_text().partition("<!-- pull -->")
        _, end, tail = rest.partition("<!-- end of pull -->")
        if begin and end:
            page.write_text(f"{head}{begin}\n{table}\n{end}{tail}")
    return 0


def report(results):
    lines = ["| tool | round trip | messages | first pull | second run | peak memory | at home |", "|---|--:|--:|--:|--:|--:|--:|"]
    for (tool, rtt), r in results.items():
        lines.append(f"| {tool} | {rtt} ms | {r['expected']:,} | {r['first']:.2f} s | {r['again']:.3f} s | {r['peak']:.0f} MiB "
                     f"| {r['delivered']:,} |")
    for rtt in sorted({rtt for _, rtt in results}):
        ours = [r for (tool, at), r in results.items() if at == rtt and tool.startswith("merpati")]
        theirs = [r for (tool, at), r in results.items()
                  if at == rtt and not tool.startswith("merpati") and r["expected"] == MESSAGES]
        if ours and theirs:
            for what in ("first", "again"):
                best, peer = min(r[what] for r in ours), min(r[what] for r in theirs)
                lines.append(f"| **fastest peer ÷ Merpati**, {what} | {rtt} ms | | {peer / best:.2f}× | | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
