#!/usr/bin/env python3
"""make bench-crowd: 10,000 idle IMAP connections and 1,000 busy ones at once, for minutes: memory, errors, how long a NOOP takes.
The busy ones send a command about once a second each (every second one a NOOP; the others SELECT, FETCH, STORE), and mail is
delivered to all accounts meanwhile.

  BENCH_MINUTES=10   BENCH_CROWD_IDLE=10000   BENCH_CROWD_BUSY=1000   BENCH_CROWD_MAIL=20 (deliveries a second)
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from bench import Bench, mail_pack, say
from groups_sessions import give_each_a_mailbox
from peers import PASSWORD, Merpati

MINUTES = float(os.environ.get("BENCH_MINUTES") or "10")
IDLE = int(os.environ.get("BENCH_CROWD_IDLE") or "10000")
BUSY = int(os.environ.get("BENCH_CROWD_BUSY") or "1000")
MAIL = int(os.environ.get("BENCH_CROWD_MAIL") or "20")
MESSAGES = 100
LOOPBACK = "127.0.0.1"


def main():
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder, Merpati() as peer:
        bench = Bench(pathlib.Path(folder))
        mail_pack(bench.folder / "small", [m for m in bench.mail if len(m) < 2500][:500])
        accounts = max(IDLE, BUSY)
        peer.add_accounts([f"i{n}" for n in range(1, accounts + 1)])
        say(f"{accounts:,} accounts of {MESSAGES} messages")
        give_each_a_mailbox(bench, peer, accounts, MESSAGES)
        peer.restart()
        before = peer.private_kib()
        idle = subprocess.Popen([bench.load, *map(str, ["idle", LOOPBACK, peer.imap, IDLE, "i%d", accounts, PASSWORD, MESSAGES])],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if "ready" not in idle.stdout.readline():
            raise RuntimeError("the idle connections did not come up")
        opened = peer.private_kib()
        say(f"{IDLE:,} idle: {(opened - before) / IDLE:.1f} KiB each")
        busy = subprocess.Popen(
            [bench.load, *map(str, ["crowd", LOOPBACK, peer.imap, BUSY, 60 * MINUTES, "i%d", accounts, PASSWORD])],
            stdout=subprocess.PIPE, text=True)
        busy.stdout.readline()
        pause = max(1, 4000 // MAIL)
        mail = subprocess.Popen(
            [bench.load, *map(str, ["lmtp", LOOPBACK, peer.lmtp, 4, f"-{int(60 * MINUTES)}", "i%d", accounts,
                                    bench.folder / "small", pause])], stdout=subprocess.PIPE, text=True)
        memory, worst, last = [], 0, {}
        cpu, began = peer.cpu_seconds(), time.monotonic()
        for line in busy.stdout:
            last = json.loads(line)
            if "at" not in last:
                break
            memory.append(peer.private_kib() / 1024)
            worst = max(worst, last["noop_p99"])
            say(f"  {last['at']:5.0f} s: {memory[-1]:7.1f} MiB, {last['commands']:,} commands, {last['errors']} errors, "
                f"NOOP p99 of the last ten seconds {last['noop_p99']:.2f} ms")
        share = (peer.cpu_seconds() - cpu) / (time.monotonic() - began)
        delivered = json.loads(mail.communicate()[0])
        alive = idle.poll() is None
        idle.communicate()
        busy.wait()
        half = memory[len(memory) // 2:] or [0]
        say(f"NOOP: p50 {last['noop_p50']:.2f}, p99 {last['noop_p99']:.2f} ms (worst ten seconds {worst:.2f}), slowest "
            f"{last['noop_most']:.1f}; {last['commands']:,} commands, {last['errors']} errors; {delivered['messages']:,} "
            f"deliveries, p99 {delivered['p99']:.1f} ms")
        say(f"memory: {memory[0] if memory else 0:.1f} MiB at the beginning, {half[0]:.1f} in the middle, {half[-1]:.1f} at the "
            f"end; CPU {100 * share:.0f} % of a core")
        good = alive and busy.returncode == 0 and last["errors"] == 0 and last["noop_p99"] < 50 and half[-1] < 1.05 * half[0]
        say("reached: memory flat, no error, p99 of NOOP under 50 ms" if good else "SHORT")
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
