#!/usr/bin/env python3
"""Can a stranger tell by the clock which accounts exist?

For each way to log in the same wrong password is tried in turn, shuffled, for accounts of every kind and for names without
one; the medians are compared. Two halves of the *same* kind are compared as well: that is what this machine's noise
makes of nothing. A kind fails when its median differs from that of unknown names by more than the bound: 5 % or three
times the noise, whichever is more. The unit tests count hash operations; this looks at the rest. Rounds: TIMING_ROUNDS."""

import base64
import os
import random
import statistics
import sys
import time

import harness
import lines
from test_tls_and_logins import SCRAM, b64, crypt_hash, ssha

ROUNDS = int(os.environ.get("TIMING_ROUNDS", "150"))
WRONG = "kata-sandi-salah"


def kinds(server, imported):
    """{kind: names}. Four names each, so that nothing depends on one."""
    made = {}

    def add(kind, *options, secret="benar-42", flags=()):
        made[kind] = [f"{kind}{number}" for number in range(4)]
        for name in made[kind]:
            server.merpati("account", "add", name, "--password-stdin", *options, stdin=secret.encode() + b"\n")
            if flags:
                server.merpati("account", "set", name, *flags)

    add("scram")
    add("disabled", flags=("--disable-login",))
    if imported:
        add("ssha", "--hashed", secret="{SSHA}" + ssha("benar-42"))
        add("sha512", "--hashed", secret=crypt_hash("benar-42", "$6$"))
        add("bcrypt", "--hashed", secret=crypt_hash("benar-42", "$2b$", 4))
    made["unknown"] = [f"tiada{number}" for number in range(4)]
    return made


class Ways:
    """Each returns the seconds from the last octet of a secret to the refusal."""

    def __init__(self, server):
        self.server = server
        self.imap = self.pop3 = None

    def peer(self, kind, port):
        return kind(self.server.ports[port])

    def clock(self, peer, text):
        begun = time.perf_counter()
        peer.send(text + "\r\n")
        line = peer.line()
        taken = time.perf_counter() - begun
        assert b"OK" not in line, line
        return taken

    def imap_login(self, name):
        with self.peer(lines.IMAP, "imap") as peer:
            return self.clock(peer, f"a LOGIN {name} {WRONG}")

    def imap_plain(self, name):
        with self.peer(lines.IMAP, "imap") as peer:
            return self.clock(peer, "a AUTHENTICATE PLAIN " + b64(f"\0{name}\0{WRONG}".encode()))

    def pop3_pass(self, name):
        with self.peer(lines.POP3, "pop3") as peer:
            peer.command(f"USER {name}")
            return self.clock(peer, f"PASS {WRONG}")

    def _challenge(self, name):
        peer = self.peer(lines.IMAP, "imap")
        client = SCRAM("sha256", name, WRONG)
        begun = time.perf_counter()
        peer.send("a AUTHENTICATE SCRAM-SHA-256 " + b64(client.first()) + "\r\n")
        challenge = peer.line()
        return peer, client, challenge, time.perf_counter() - begun

    def scram_challenge(self, name):
        peer, _, challenge, taken = self._challenge(name)
        peer.close()
        assert challenge.startswith(b"+ "), challenge
        return taken

    def scram_proof(self, name):
        peer, client, challenge, _ = self._challenge(name)
        with peer:
            return self.clock(peer, b64(client.final(base64.b64decode(challenge[2:]))))


def measure(way, names):
    """{kind: seconds}, in an order that no drift of the machine can follow."""
    taken = {kind: [] for kind in names}
    for _ in range(ROUNDS):
        order = list(names)
        random.shuffle(order)
        for kind in order:
            taken[kind].append(way(random.choice(names[kind])))
    return taken


def main():
    bad = 0
    for imported in (False, True):
        flags = ("--set", "auth.failure-delay=0s", "--set", "auth.failures-per-connection=100")
        with harness.Server(*flags) as server:
            names = kinds(server, imported)
            ways = Ways(server)
            print(f"accounts: {', '.join(kind for kind in names if kind != 'unknown')}; {ROUNDS} attempts each")
            for title in ("imap_login", "imap_plain", "pop3_pass", "scram_challenge", "scram_proof"):
                if imported and title.startswith("scram"):
                    continue  # not offered while hashes are imported
                taken = measure(getattr(ways, title), names)
                medians = {kind: statistics.median(values) for kind, values in taken.items()}
                unknown = medians["unknown"]
                noise = max(abs(statistics.median(v[::2]) - statistics.median(v[1::2])) for v in taken.values())
                bound = max(0.05 * unknown, 3 * noise)
                cells = []
                for kind, median in medians.items():
                    wrong = abs(median - unknown) > bound
                    bad += wrong
                    cells.append(f"{kind} {1e3 * median:.2f}{' DIFFERS' if wrong else ''}")
                print(f"  {title:16} ms: {', '.join(cells)}; bound {1e3 * bound:.2f}, noise {1e3 * noise:.2f}", flush=True)
    print(f"{bad} kinds of account can be told from unknown names")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
