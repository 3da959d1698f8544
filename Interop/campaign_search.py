#!/usr/bin/env python3
"""SEARCH against brute force: for random substrings of random messages, SEARCH BODY and SEARCH TEXT must find exactly the messages
in which a reading in Python finds them (`reading`), with the index off, while it is built, when it is built, when messages have
gone, and when it was deleted while nobody served.

The strict oracle follows the rules of docs/search.md; a second one lets Python's `email` package read, and whoever differs from it
is counted by why the package reads such messages otherwise. SEARCH_MESSAGES (20,000 where there is a corpus), SEARCH_NEEDLES (200),
SEARCH_SEED (1)."""

import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import sys
import time

import harness
import lines
import reading
import search_mail

FORBIDDEN = re.compile("[\0\r\n\ufffd\ud800-\udfff]")


def read(octets):
    """What both readings make of a message: blobs of headers and bodies, the second pair only where it differs."""
    ours = [reading.Blob(texts) for texts in reading.by_rules(octets)]
    try:
        theirs = [reading.Blob(texts) for texts in reading.by_email(octets)]
    except Exception as error:  # the package stumbles over some mail
        return ours, None, {f"the package fails: {type(error).__name__}"}
    return ours, None if theirs == ours else theirs, set()


def draw(rng, mail, count):
    """Substrings of what messages say, `count` different ones."""
    found = {}
    while len(found) < count:
        octets = rng.choice(mail)
        headers, bodies = reading.by_rules(octets)
        texts = [text for text in (headers if rng.random() < 0.35 or not bodies else bodies) if text.strip()]
        if not texts:
            continue
        text = rng.choice(texts)
        text = text[max(rng.randrange(len(text)) - 2000, 0):][:4000]
        kind = rng.choice(["word", "part", "words", "other", "any", "short", "missing"])
        if kind in ("word", "part", "missing"):
            words = re.findall(r"\w+", text)
            needle = rng.choice(words) if words else ""
            if kind == "part" and len(needle) > 3:
                start = rng.randrange(len(needle) - 2)
                needle = needle[start:start + rng.randint(2, 8)]
            if kind == "missing":
                needle = needle[:12][::-1] + rng.choice("qxzé鳩")
        elif kind == "words":
            start = rng.randrange(len(text))
            needle = " ".join(re.split(r"[ \t]", text[start:start + rng.randint(5, 40)])[:4])
        elif kind == "other":
            runs = re.findall(r"[^\x00-\x7f][^\x00-\x1f]{0,9}", text)
            needle = rng.choice(runs) if runs else ""
        else:
            start = rng.randrange(len(text))
            needle = text[start:start + (rng.randint(1, 2) if kind == "short" else rng.randint(3, 30))]
        needle = rng.choice([str, str, str, str.upper, str.lower, str.swapcase])(needle[:60])
        if needle.strip() and not FORBIDDEN.search(needle):
            found.setdefault(needle, kind)
    return found


class Proof:
    """One account, its mail and what must be found in it."""

    def __init__(self, server, mail, needles, say=print):
        """`mail`: as delivered, in order of UIDs. `server`: started, with an account budi that has the mail."""
        self.server, self.say = server, say
        self.file = server.data / "volumes" / "1" / "search.sqlite"
        self.alive = set(range(1, len(mail) + 1))
        self.needles = list(needles)
        self.asked = collections.Counter()
        self.wrong = {}
        self.fetch(mail)

    # What there is to be found.

    def fetch(self, mail):
        """All mail as the server gives it, which is what was delivered; and how it reads."""
        begun = time.monotonic()
        with self.session() as peer:
            if b"I18NLEVEL" in b"".join(self.good(peer.command("CAPABILITY"))[1]):
                reading.use_casemap()
            octets = {}
            for first in range(1, len(mail) + 1, 500):
                for line in self.good(peer.command(f"UID FETCH {first}:{first + 499} (UID BODY.PEEK[])"))[1]:
                    found = re.match(rb"\* \d+ FETCH \(UID (\d+) BODY\[\] \{(\d+)\}\r\n", line)
                    if found:
                        octets[int(found[1])] = line[found.end():found.end() + int(found[2])]
        assert sorted(octets) == sorted(self.alive)
        missing, extra = harness.compare(mail, octets.values())
        assert not missing and not extra, (len(missing), len(extra))
        folded = [reading.fold(needle).encode() for needle in self.needles]
        # For each needle: messages that have it in a body, in a header; by the rules and by the package.
        self.ours = {place: [set() for _ in folded] for place in ("BODY", "TEXT")}
        self.theirs = {place: [set() for _ in folded] for place in ("BODY", "TEXT")}
        self.why, self.octets = {}, octets
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
            for uid, (ours, theirs, failed) in zip(octets, pool.map(read, octets.values(), chunksize=50)):
                for target, (headers, bodies) in ((self.ours, ours), (self.theirs, theirs or ours)):
                    for index, needle in enumerate(folded):
                        in_body = bodies.has(needle)
                        if in_body:
                            target["BODY"][index].add(uid)
                        if in_body or headers.has(needle):
                            target["TEXT"][index].add(uid)
                if theirs is not None or failed:
                    self.why[uid] = failed
        self.say(f"  {len(octets)} messages read twice in {time.monotonic() - begun:.0f} s; the email package reads {len(self.why)} "
                 "of them otherwise")

    # Asking.

    def session(self):
        peer = lines.IMAP(self.server.ports["imap"], timeout=600)
        self.good(peer.login("budi", harness.PASSWORD))
        self.good(peer.command("SELECT INBOX"))
        return peer

    @staticmethod
    def good(answer):
        assert answer[0].startswith(b"OK"), answer
        return answer

    @staticmethod
    def search(peer, place, needle):
        octets = needle.encode()
        _, untagged = Proof.good(peer.command(b"UID SEARCH CHARSET UTF-8 %s {%d+}\r\n%s" % (place.encode(), len(octets), octets)))
        (found,) = [line for line in untagged if line.startswith(b"* SEARCH")]
        return set(map(int, found.split()[2:]))

    def ask(self, what, indexes=None, goes_on=lambda: True):
        """All needles, or those given, as long as `goes_on`; returns how many were asked."""
        begun, answers, hits, asked = time.monotonic(), 0, 0, 0
        with self.session() as peer:
            for index in range(len(self.needles)) if indexes is None else indexes:
                if not goes_on():
                    break
                for place in ("BODY", "TEXT"):
                    found = self.search(peer, place, self.needles[index])
                    self.compare(what, place, index, found)
                    answers, hits = answers + 1, hits + len(found)
                asked += 1
        self.asked[what] += answers
        equal = "equal" if not self.wrong else f"of which some differ in {len(self.wrong)} messages"
        self.say(f"  {what}: {answers} answers {equal}, {hits} messages found in {time.monotonic() - begun:.1f} s")
        return asked

    def compare(self, what, place, index, found):
        wanted = self.ours[place][index] & self.alive
        if found == wanted:
            return
        for uid in found ^ wanted:
            if uid not in self.wrong:
                self.say(f"    UID {uid}: {place} {self.needles[index]!r} is {'found' if uid in found else 'missed'}")
            self.wrong.setdefault(uid, []).append((what, place, self.needles[index], uid in found))

    def verdict(self):
        """Raises where answers differed: each message with the first of them."""
        if not self.wrong:
            return
        shown = []
        for uid, answers in sorted(self.wrong.items())[:40]:
            subject = re.search(rb"(?im)^Subject:.*", self.octets[uid])
            what, place, needle, is_found = answers[0]
            shown.append(f"  UID {uid}, {subject[0].rstrip() if subject else self.octets[uid][:60]!r}: {len(answers)} answers; {what}: "
                         f"{place} {needle!r} {'is found' if is_found else 'is missed'}")
        raise AssertionError(f"{len(self.wrong)} of {len(self.octets)} messages differ\n" + "\n".join(shown))

    def by_package(self):
        """Answers in which the email package differs from the rules, by why it reads these messages otherwise."""
        counts, touched = collections.Counter(), set()
        for place in ("BODY", "TEXT"):
            for index in range(len(self.needles)):
                for uid in self.ours[place][index] ^ self.theirs[place][index]:
                    counts[self.reason(uid)] += 1
                    touched.add(uid)
        self.say(f"  answers in which the email package alone differs: {sum(counts.values())}, over {len(touched)} messages")
        for reason, count in counts.most_common():
            self.say(f"    {count:6} {reason}")
        return counts

    def reason(self, uid):
        if not self.why[uid]:
            self.why[uid] = reading.why(self.octets[uid])
        return ", ".join(sorted(self.why[uid])) or "not understood"

    # What becomes of the index.

    def waiting(self):
        status = json.loads(self.server.merpati("check", "--status", "--json").stdout)["searchIndex"]
        assert status.get("trouble") is None, status
        return status["waiting"]

    def built(self):
        quiet, deadline = 0, time.monotonic() + 1800
        while quiet < 15:  # it looks once a second
            quiet = quiet + 1 if self.waiting() == 0 else 0
            assert time.monotonic() < deadline, "the index is not built"
            time.sleep(0.15)

    def restart(self, index, delete=False):
        self.server.stop()
        if delete:
            for path in self.file.parent.glob("search.sqlite*"):
                path.unlink()
        self.server.flags = ("--set", f"search.index={index}")
        self.server.start()

    def expunge(self, share, rng):
        gone = sorted(rng.sample(sorted(self.alive), int(len(self.alive) * share)))
        with self.session() as peer:
            for at in range(0, len(gone), 500):
                numbers = ",".join(map(str, gone[at:at + 500]))
                self.good(peer.command(f"UID STORE {numbers} +FLAGS.SILENT (\\Deleted)"))
            self.good(peer.command("EXPUNGE"))
        self.alive -= set(gone)
        self.say(f"  {len(gone)} messages expunged")

    def run(self, rng, rounds=12):
        """Everything in turn. The server's index is off at the beginning."""
        assert not self.file.exists()
        self.ask("without an index")
        left = list(range(len(self.needles)))
        for _ in range(rounds):
            if not left:
                break
            self.restart("on", delete=True)
            done = self.ask("while the index is built, after it was deleted", left, lambda: self.waiting() > 0)
            if not done:
                break  # built before anything can be asked: there is too little mail
            left = left[done:]
        self.built()
        assert self.file.exists()
        self.ask("with the index built")
        self.expunge(0.3, rng)
        self.ask("when messages have gone")
        self.server.merpati("compact")
        self.restart("on")
        self.built()
        self.ask("after a compaction and a restart")
        self.expunge(0.2, rng)
        self.restart("on", delete=True)
        self.ask("when the index was deleted while nobody served")
        self.restart("off")
        self.ask("with the index off again")
        assert not self.file.exists()
        self.verdict()
        return self.by_package()


def mail_of(count, rng, large):
    """Corpus messages where there are any, again and again with a field of their own, made ones, and a few large ones."""
    made = search_mail.made(max(count // 10, 200), seed=rng.randrange(10 ** 6)) + large
    real = [harness.line_ends(raw) for _, raw in harness.corpus()] or search_mail.made(1000, seed=rng.randrange(10 ** 6))
    rng.shuffle(real)
    out = made[:count]
    while len(out) < count:
        turn = (len(out) - len(made)) // len(real)
        message = real[(len(out) - len(made)) % len(real)]
        out.append(message if turn == 0 else b"X-Nomor: %d-%d\r\n" % (turn, len(out)) + message)
    rng.shuffle(out)
    return out


def main():
    count = int(os.environ.get("SEARCH_MESSAGES") or ("20000" if harness.corpus() else "3000"))
    needles, seed = int(os.environ.get("SEARCH_NEEDLES") or "200"), int(os.environ.get("SEARCH_SEED") or "1")
    rng = random.Random(seed)
    mail = mail_of(count, rng, search_mail.large(3 << 20))
    drawn = draw(rng, mail, needles)
    print(f"{count} messages, {needles} needles, seed {seed}", flush=True)
    for needle, kind in drawn.items():
        print(f"    {kind:8} {needle!r}")
    with harness.Server("--set", "search.index=off") as server:
        server.add_account("budi")
        for at in range(0, len(mail), 2000):
            server.deliver("budi", mail[at:at + 2000])
        proof = Proof(server, mail, drawn, say=lambda line: print(line, flush=True))
        counts = proof.run(rng)
        problems = server.check()["problems"]
    print(f"{sum(proof.asked.values())} answers equal to brute force; check: {problems}")
    return 1 if problems or "not understood" in counts else 0


if __name__ == "__main__":
    sys.exit(main())
