#!/usr/bin/env python3
"""The hostile campaign: every hostile transcript, every bomb at its full size, readers that do not read, writers that hardly
write, ten thousand half-open connections, floods, guessed passwords, dear commands and what the extensions let one ask for,
all against one server process.

Meanwhile others do what they always do: eight sessions, each on a connection of its own, send NOOP and a small FETCH, and how
long each had to wait is written down by a process of its own. Printed: the most resident memory the server ever had, the
longest and the 99th percentile of the waits in each act, what was under way at the longest, and what the server was asked.
Fails beyond 200 MiB, beyond 50 ms at the 99th percentile, when a session of others is lost, or when the store is not clean
behind it.

HOSTILE_SCALE (default 1) makes the bombs smaller: 0.1 is a tenth."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bombs
import harness
import hostile_extensions
import siege
from harness import PASSWORD
from hostile_extensions import at_once
from lines import IMAP, Peer
from siege import MIB
from test_hostile import SMALL, half_open

BOUND = 200 * MIB
PATIENCE = 0.05
SCALE = float(os.environ.get("HOSTILE_SCALE", "1"))


def probe(port):
    """Run as a process of its own: NOOP and FETCH on eight sessions, times as JSON lines `[when, seconds, what]`."""
    peers = []
    for _ in range(8):
        peer = IMAP(port, timeout=120)
        assert peer.login("saksi", PASSWORD)[0].startswith(b"OK")
        peer.command("SELECT INBOX")
        peers.append(peer)
    print("ready", flush=True)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    turn = 0
    while not stop.is_set():
        peer = peers[turn % len(peers)]
        what = "FETCH" if turn // len(peers) % 5 == 4 else "NOOP"
        began = time.monotonic()
        answer = peer.command("NOOP" if what == "NOOP" else "FETCH 1 (FLAGS BODY.PEEK[])")[0]
        took = time.monotonic() - began
        assert answer.startswith(b"OK"), answer
        print(json.dumps([began, took, what]), flush=True)
        turn += 1
        time.sleep(0.004)


class Others:
    """The process of those who are not to notice."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--probe", str(server.ports["imap"])], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.waits = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.waits.append(json.loads(line))

    def end(self):
        self.process.stdin.close()
        self.thread.join()
        return self.process.wait()

    def between(self, start, end, what):
        return sorted(took for began, took, kind in self.waits if start <= began < end and kind == what)

    def at_the_longest(self, start, end, what):
        """The steps of the act that were under way while somebody waited longest."""
        took, began = max(((took, began) for began, took, kind in self.waits if start <= began < end and kind == what),
                          default=(0, start))
        before = [text for when, text in STEPS if when <= began][-1:]
        return ", ".join(before + [text for when, text in STEPS if began < when < began + took])


#: What acts do when: (time, text).
STEPS = []


def step(text):
    STEPS.append((time.monotonic(), text))


def percentile(waits, part):
    return waits[min(int(len(waits) * part), len(waits) - 1)] if waits else float("nan")


# The acts. Each returns what there is to say of it.

def act_nothing(server):
    """How long others wait on this machine when nobody attacks."""
    time.sleep(10)
    return "ten seconds in which nobody attacks"


def act_transcripts(server):
    played = list(siege.transcripts()) * 4
    random.Random(1).shuffle(played)
    for protocol, name, steps in played:
        siege.play(server, protocol, steps)
    return f"{len(played)} sessions"


def act_bombs(server):
    octets, wrong = 0, []
    for name, (maker, small, full) in bombs.ALL.items():
        message = maker(max(int(full * SCALE), small))
        while len(message) > 99_000_000:
            message = maker(int(full * SCALE * 99_000_000 / len(message)) - 1)
        octets += len(message)
        step(f"{name}: delivery")
        began = time.monotonic()
        reply = siege.deliver(server, "budi", message)
        done = time.monotonic()
        size, message = len(message), None
        if not reply.startswith(b"250"):
            wrong.append((name, reply))
            continue
        questions = siege.interrogate(server, "budi", lambda what: step(f"{name}: {what}"))
        wrong += [(name, *problem) for problem in questions]
        note(f"{name}: {size / 1e6:.1f} MB, delivered in {done - began:.1f} s, asked for in "
             f"{time.monotonic() - done:.1f} s; {siege.Process(server.process).most_resident() / MIB:.0f} MiB so far")
    if wrong:
        raise RuntimeError(wrong)
    return f"{len(bombs.ALL)} messages, {octets / 1e6:.0f} MB"


def act_slow_readers(server):
    siege.deliver(server, "ani", bombs.zeros(50_000_000))
    peers = []
    process = siege.Process(server.process)
    for number in range(45):
        peer = IMAP(server.ports["imap"])
        peer.login("ani", PASSWORD)
        peer.command("SELECT INBOX")
        peer.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(20)))
        peers.append(peer)
    files = process.files()
    began = time.monotonic()
    while process.files() > files - 40 and time.monotonic() < began + 60:
        time.sleep(0.1)
    cut = files - process.files()
    for peer in peers:
        peer.close()
    if cut < 40:
        raise RuntimeError(f"only {cut} of {len(peers)} readers were cut off")
    return f"{len(peers)} sessions asked for 50 GB; cut off after {time.monotonic() - began:.0f} s"


def act_slow_writers(server):
    text = b"a1 LOGIN {4+}\r\nani {10+}\r\n" * 2
    peers = [Peer(server.ports[("imap", "pop3", "lmtp")[n % 3]]) for n in range(300)]
    for place in range(10):
        for peer in peers:
            peer.send_if_open(text[place:place + 1])
        time.sleep(1)
    for peer in peers:
        peer.close()
    return f"{len(peers)} connections, an octet a second for ten seconds"


def act_half_open(server):
    process = siege.Process(server.process)
    before = process.resident()
    began = time.monotonic()
    peers = half_open(server, 10_000, lambda: None)
    took = time.monotonic() - began
    time.sleep(2)
    grown = process.resident() - before
    alive = process.files()
    time.sleep(3)
    for number, peer in enumerate(peers):
        if number % 2:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
    return (f"{len(peers)} connections in {took:.1f} s, {alive} files open in the server, "
            f"{grown / len(peers) / 1024:.1f} KiB each")


def act_floods(server):
    counts = [0] * 12
    stop = time.monotonic() + 10

    def noop(number):
        with IMAP(server.ports["imap"], timeout=60) as peer:
            peer.login("ani", PASSWORD)
            while time.monotonic() < stop:
                peer.send(b"n NOOP\r\n" * 500 + b"z NOOP\r\n")
                siege.drain(peer, b"z")
                counts[number] += 501

    def churn(number):
        while time.monotonic() < stop:
            peer = socket.create_connection(("127.0.0.1", server.ports[("imap", "pop3", "lmtp", "imaps")[counts[number] % 4]]))
            if counts[number] % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            counts[number] += 1
            if counts[number] % 50 == 0:
                time.sleep(0.01)

    at_once([lambda n=n: noop(n) for n in range(8)] + [lambda n=n: churn(n) for n in range(8, 10)])
    return f"{sum(counts[:8])} NOOPs by eight sessions, {sum(counts[8:])} connections opened and closed, in ten seconds"


def act_guessing(server):
    """From other addresses than those of the sessions that are not to notice."""
    tries = [0]

    def guess(number):
        try:
            with IMAP(server.ports["imap"], source=(f"127.0.1.{number}", 0), timeout=120) as peer:
                for attempt in range(5):
                    peer.login("saksi", f"salah{attempt}")
                    tries[0] += 1
        except (Peer.Closed, OSError):
            pass

    at_once([lambda n=n: guess(n) for n in range(1, 21)])
    return f"{tries[0]} passwords by twenty addresses"


def act_dear_commands(server):
    siege.deliver(server, "budi", SMALL + (b"a" * 990 + b"\r\n") * 4000)
    siege.deliver(server, "budi", SMALL + b"a" * 20_000_000 + b"\r\n")
    siege.deliver(server, "budi", SMALL + b"x" * 250_000 + b"\r\n")
    with IMAP(server.ports["imap"]) as peer:
        peer.login("budi", PASSWORD)
        for start in range(0, 3000, 50):
            peer.send(b"".join(b"c%d CREATE %s%d\r\n" % (n, b"a" * 900, n) for n in range(start, start + 50)))
            for n in range(start, start + 50):
                peer.answer(f"c{n}")
    commands = (
        b'SEARCH TEXT "b' + b"a" * 60_000 + b'"',
        b"SEARCH " + b" ".join(b"NOT TEXT zz%d" % n for n in range(100)),
        b"SEARCH " + b"OR SEEN UNSEEN " * 600 + b"ALL",
        b'LIST "" (' + b" ".join([b'"' + b"*a" * 400 + b'b"'] * 70) + b")",
        b'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN SIZE))',
        b"FETCH 1:* (" + b" ".join(b"BODY.PEEK[]<%d.100000>" % n for n in range(1990)) + b")",
        b"FETCH 1:* (" + b" ".join(b"BODY.PEEK[HEADER.FIELDS (Subject X%d)]" % n for n in range(1500)) + b")",
        b"UID FETCH " + b"1:*," * 9999 + b"1:* (FLAGS ENVELOPE)",
        b"STORE 1:* +FLAGS.SILENT (" + b" ".join(b"k%d" % n for n in range(60)) + b")",
    )
    octets = [0]

    def run(number):
        with IMAP(server.ports["imap"], timeout=600) as peer:
            peer.login("budi", PASSWORD)
            peer.command("SELECT INBOX")
            tag = b"d%d" % number
            peer.send(tag + b" " + commands[number % len(commands)] + b"\r\n")
            answer, read = siege.drain(peer, tag)
            octets[0] += read
            if not answer.startswith((b"OK", b"NO [LIMIT]")):
                raise RuntimeError((number, answer))

    at_once([lambda n=n: run(n) for n in range(2 * len(commands))])
    return f"{2 * len(commands)} commands side by side, {octets[0] / 1e6:.0f} MB answered"


def act_extensions(server):
    """What the extensions let one client ask for, in an account of 20,000 messages and 3,000 mailboxes."""
    step("filling the account")
    stage = hostile_extensions.Stage(server, "citra", int(20_000 * SCALE), int(3000 * SCALE))
    for attack in hostile_extensions.ATTACKS:
        step(attack.__name__)
        began = time.monotonic()
        said = attack(stage)
        note(f"{attack.__name__}: {said}; {time.monotonic() - began:.1f} s, "
             f"{siege.Process(server.process).most_resident() / MIB:.0f} MiB so far")
    return f"{len(hostile_extensions.ATTACKS)} kinds, {hostile_extensions.SESSIONS} sessions each"


def act_everything(server):
    """All at once."""
    acts = [act_transcripts, act_slow_writers, act_half_open, act_floods, act_guessing]
    at_once([lambda act=act: act(server) for act in acts])
    return "transcripts, slow writers, half-open connections, floods and guesses side by side"


ACTS = (act_nothing, act_transcripts, act_bombs, act_slow_readers, act_slow_writers, act_half_open, act_floods, act_guessing,
        act_extensions, act_dear_commands, act_everything)


def note(text):
    print("  " + text, flush=True)


def main():
    wanted = sys.argv[1:]
    siege.allow_files(1 << 20)
    failures = []
    flags = ("--set", "limits.connections-per-address=100000", "--set", "limits.write-timeout=5s",
             "--set", "limits.connections-per-account=100")
    with harness.Server(*flags) as server:
        for account in ("budi", "ani", "citra", "saksi"):
            server.add_account(account)
        server.deliver("saksi", [SMALL])
        others = Others(server)
        process = siege.Process(server.process)
        with siege.Watch(server.process) as watch:
            time.sleep(2)
            for act in ACTS:
                name = act.__name__.removeprefix("act_").replace("_", " ")
                if wanted and not any(word in name for word in wanted):
                    continue
                print(f"{name} ...", flush=True)
                process.forget()
                STEPS.clear()
                step(name)
                began = time.monotonic()
                try:
                    said = act(server)
                except Exception as error:  # the others are still to be looked at
                    said = f"FAILED: {error!r}"[:2000]
                    failures.append(name)
                ended = time.monotonic()
                noops, fetches = others.between(began, ended, "NOOP"), others.between(began, ended, "FETCH")
                peak = process.most_resident()
                print(f"{name}: {said}\n  {ended - began:.0f} s, {peak / MIB:.0f} MiB; NOOP of others: {len(noops)}, "
                      f"p99 {percentile(noops, 0.99) * 1000:.1f} ms, longest {percentile(noops, 1) * 1000:.1f} ms "
                      f"({others.at_the_longest(began, ended, 'NOOP')}); "
                      f"FETCH p99 {percentile(fetches, 0.99) * 1000:.1f} ms", flush=True)
                if percentile(noops, 0.99) > PATIENCE:
                    failures.append(f"{name}: others waited")
                if peak > BOUND:
                    failures.append(f"{name}: {peak / MIB:.0f} MiB")
        if others.end() != 0:
            failures.append("a session of others was lost")
        noops = sorted(took for _, took, kind in others.waits if kind == "NOOP")
        problems = server.check()["problems"]
        log = server.log.read_text(errors="replace")
        if problems:
            failures.append(f"the store: {problems[:5]}")
        if "Fatal error" in log or server.process.poll() is not None:
            failures.append("the server ended: " + log[-2000:])
        print(f"in all: resident memory at most {watch.most / MIB:.0f} MiB; {len(noops)} NOOPs of others, p50 "
              f"{percentile(noops, 0.5) * 1000:.1f} ms, p99 {percentile(noops, 0.99) * 1000:.1f} ms, longest "
              f"{percentile(noops, 1) * 1000:.1f} ms; store clean: {not problems}")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        probe(int(sys.argv[2]))
    else:
        sys.exit(main())
