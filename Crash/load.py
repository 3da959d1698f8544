"""A mixed load on a recorded server, and what each client was told when.

Every account has an owner, one thread that does one thing after the other (IMAP, POP3, its password, imports), so that
the account's state after each reply is known; deliveries come over several LMTP connections at the same time, and an
administrator adds and removes accounts, compacts and checks. In between the server is stopped, and killed."""

import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import mailbag
import recording
from owner import Owner
from story import OWNERS, Delivery, State, Step, Story
from talk import LMTP, Control, Gone, Refused, end_of

sys.path.insert(0, str(recording.HERE.parent / "Interop"))
import harness  # noqa: E402

SETTINGS = ("store.pack-size=64K", "store.compact-interval=2s", "auth.failure-delay=0s", "log.level=notice")
#: What the administrator does, by chance.
ADMINISTRATION = ("add", "add", "password", "quota", "remove", "compact", "compact", "check", "backup", "backup")
#: Generations that a backup keeps, and steps between two backups.
KEEP, BETWEEN = 2, 60
#: Messages of each owner before everything else: 24 KB of all in all, of each no more than 1 KB counts (`DictionaryLimits`).
DICTIONARY = 14
#: Between these shares of the steps nobody asks for compaction.
QUIET = (0.35, 0.9)


class Load:
    """`steps` of all owners together, the server stopped and killed meanwhile as `restarts` says. `recorded`: with a log,
    in `folder`, and a copy of the data at every stop."""

    def __init__(self, seed, steps, folder, restarts=("stop", "kill", "stop", "kill"), recorded=True):
        self.seed, self.steps, self.restarts = seed, steps, restarts
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "disk"
        self.root.mkdir()
        self.log = self.folder / "log" if recorded else None
        if recorded:
            self.log.touch()
            self.library = recording.recorder(self.folder)
        self.data = self.root / "data"
        self.backups = self.root / "backups"
        self.program = harness.binary()
        self.story = Story()
        self.up = threading.Event()
        self.over = threading.Event()
        self.paused = threading.Lock()
        self.control_lock = threading.Lock()
        self.numbers = iter(range(1, 10**9))
        self.number_lock = threading.Lock()
        self.ports = {}
        self.process = None
        self.done = 0
        #: Deliveries begun; they keep step with the owners, `share` of them to one thing that an owner does.
        self.sent = 0
        self.kills, self.checked = 0, 0
        #: {(account, box): numbers}
        self.sent_to = {}
        self.share = 0.35

    def number(self):
        with self.number_lock:
            return next(self.numbers)

    # The server

    def start(self):
        arguments = [self.program, "serve", "--data", str(self.data)]
        for name in ("imap", "pop3", "lmtp"):
            arguments += [f"--{name}", "127.0.0.1:0"]
        for setting in SETTINGS:
            arguments += ["--set", setting]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.folder / "server.log", "ab"),
            text=True, env=recording.environment(self.library, self.root, self.log) if self.log else None)
        for line in self.process.stdout:
            word, _, address = line.strip().partition(" ")
            if word == "ready":
                self.up.set()
                return
            self.ports[word] = int(address.rpartition(":")[2])
        raise RuntimeError("the recorded server did not start: " +
                           (self.folder / "server.log").read_text(errors="replace")[-2000:])

    def halt(self, how):
        with self.paused:
            self.up.clear()
            kill = signal.SIGRTMIN + 5 if self.log else signal.SIGKILL
            self.kills += how == "kill"
            self.process.send_signal(signal.SIGTERM if how == "stop" else kill)
            code = self.process.wait(120)
            if how == "stop" and code != 0:
                self.story.trouble.append(f"the server ended with {code}")
            self.process.stdout.close()
            if not self.log:
                return
            copy = self.folder / f"copy{len(self.story.copies)}"
            shutil.copytree(self.root, copy, ignore=lambda _, names: [n for n in names if n.endswith((".sock", "-shm"))])
            self.story.copies.append((self.here(), copy))

    def control(self, request, **fields):
        """(reply, place)"""
        with self.control_lock:
            talk = Control(str(self.data / "control.sock"), self.log)
            return talk.ask(request, **fields), talk.place

    def here(self):
        """An octet of the log behind everything that has left the server by now."""
        return end_of(self.log)

    def floors(self):
        """What anybody could have been told of UIDNEXT and MODSEQ up to now. (No extension tells MODSEQ yet.)"""
        with self.paused:
            if not self.up.is_set():
                return
            try:
                db = sqlite3.connect(f"file:{self.data}/volumes/1/mail.sqlite?mode=ro", uri=True, timeout=5)
                try:
                    rows = db.execute("SELECT account, uidvalidity, highestmodseq, uidnext FROM mailbox "
                                      "WHERE name IS NOT NULL").fetchall()
                finally:
                    db.close()
            except sqlite3.Error:
                return
            self.story.floors.append((self.here(), {(a, v): (m, u) for a, v, m, u in rows}))

    def backup(self):
        """`merpati backup`, recorded as well; what is told of it is on the disk. Nobody stops the server meanwhile."""
        with self.paused:
            if not self.up.is_set():
                return
            begun = self.here() if self.log else 0
            done = subprocess.run(
                [self.program, "backup", str(self.backups), "--data", str(self.data), "--keep", str(KEEP), "--json"],
                stdin=subprocess.DEVNULL, capture_output=True,
                env=recording.environment(self.library, self.root, self.log) if self.log else None)
            if done.returncode:
                self.story.trouble.append(f"backup: {done.stderr.decode(errors='replace')[-600:]}")
                return
            report = json.loads(done.stdout)
            self.story.backups.append((begun, self.here() if self.log else 0, report["generation"], report["removed"]))

    # The whole

    def run(self):
        """The story; the log lies in `folder`."""
        self.start()
        for name in OWNERS:
            _, place = self.control("accountAdd", name=name, password=f"{name}-0", settings={})
            self.story.steps[name].append(Step("added", place, State(f"{name}-0", None, None, None)))
        self.story.certificate = (self.data / "tls" / "self-signed.crt").read_bytes()
        self.owners = [Owner(self, name, random.Random(f"{self.seed} {name}")) for name in OWNERS]
        for owner in self.owners:
            owner.connect()
        self.owners[0].clear_away()
        self.control("compact")
        # Mail enough for a dictionary, with which packs begin from then on.
        for owner in self.owners:
            for _ in range(DICTIONARY):
                owner.append_to("Arsip")
        self.control("compact")
        work = [threading.Thread(target=self._guard, args=(owner.run,)) for owner in self.owners]
        others = [threading.Thread(target=self._guard, args=(self.deliver, index)) for index in range(3)]
        others.append(threading.Thread(target=self._guard, args=(self.administrate,)))
        for thread in work + others:
            thread.start()
        for share, how in zip(self.shares(), self.restarts):
            while self.done < self.steps * share and any(thread.is_alive() for thread in work):
                time.sleep(0.05)
                if random.random() < 0.2:
                    self.floors()
            self.halt(how)
            self.start()
        for thread in work:
            thread.join()
        self.over.set()
        for thread in others:
            thread.join()
        self.settle()
        self.halt("stop")
        return self.story

    def shares(self):
        """When to restart, as shares of all steps. Of four the last comes late: in the long stretch before it nobody asks for
        compaction, so that the WAL fills up, is folded into the database while mail comes in, and begins anew."""
        if len(self.restarts) == 4:
            return (0.1, 0.2, QUIET[0], QUIET[1])
        return [(part + 1) / (len(self.restarts) + 1) for part in range(len(self.restarts))]

    def settle(self):
        """At the end every owner looks at everything once more: what LMTP acknowledged has been seen."""
        for owner in self.owners:
            self._guard(owner.connect)
        report = self.control("check")[0]["check"]
        self.checked = report["messages"]
        self.story.trouble += report["problems"][:5]
        for connection in self.story.deliveries:
            for delivery in connection:
                owner = self.owners[OWNERS.index(delivery.account)]
                if delivery.place is not None and delivery.number not in owner.ever.get(delivery.box, ()):
                    self.story.trouble.append(
                        f"{delivery.account}/{delivery.box}: message {delivery.number} was acknowledged and never seen")

    def _guard(self, body, *arguments):
        try:
            body(*arguments)
        except Exception as error:  # noqa: BLE001: a thread that dies unseen would make the load look passed
            import traceback
            self.story.trouble.append(f"{error!r}: {traceback.format_exc()[-600:]}")

    def wait(self):
        while not self.up.wait(0.2):
            if self.over.is_set():
                raise Gone("over")

    def deliver(self, index):
        chance = random.Random(f"{self.seed} lmtp {index}")
        while not self.over.is_set():
            mine = []
            self.story.deliveries.append(mine)
            try:
                self.wait()
                talk = LMTP(self.ports["lmtp"], self.log)
                for _ in range(chance.randint(3, 40)):
                    while self.sent > self.done * self.share + 8 and not self.over.is_set():
                        time.sleep(0.02)
                    if self.over.is_set():
                        break
                    self.sent += 1
                    number = self.number()
                    accounts = chance.sample(OWNERS, chance.choice((1, 1, 1, 2, 3)))
                    boxes = [chance.choice(("INBOX", "INBOX", "Arsip")) for _ in accounts]
                    sent = [Delivery(number, *pair, None) for pair in zip(accounts, boxes)]
                    mine += sent
                    for delivery in sent:
                        self.sent_to.setdefault((delivery.account, delivery.box), set()).add(number)
                    addresses = [f"{a}@x.example" if b == "INBOX" else f"{a}+{b}@x.example"
                                 for a, b in zip(accounts, boxes)]
                    for delivery, (taken, place) in zip(sent, talk.deliver(addresses, mailbag.message(number))):
                        if taken:
                            delivery.place = place
                    time.sleep(chance.random() * 0.05)
                talk.close()
            except (Gone, Refused):
                time.sleep(0.05)

    def administrate(self):
        """Accounts come, change their password and go; compaction; a check, which must be clean."""
        chance = random.Random(f"{self.seed} admin")
        accounts, count = {}, 0
        self.story.accounts.append((0, {}))
        while not self.over.is_set():
            time.sleep(0.02 + chance.random() * 0.15)
            try:
                self.wait()
                what = chance.choice(ADMINISTRATION)
                if what == "backup":
                    if self.done >= BETWEEN * len(self.story.backups):
                        self.backup()
                    continue
                if what == "compact" and QUIET[0] < self.done / self.steps < QUIET[1]:
                    continue
                name = chance.choice(sorted(accounts)) if accounts else None
                after = dict(accounts)
                if len(accounts) > 4:
                    what = "remove"
                if what == "add" or name is None:
                    count += 1
                    name = f"tamu{count}"
                    after[name] = f"{name}-0"
                    request = ("accountAdd", dict(name=name, password=after[name], settings={}))
                elif what == "password":
                    after[name] += "x"
                    request = ("accountPassword", dict(name=name, password=after[name]))
                elif what == "remove":
                    del after[name]
                    request = ("accountRemove", dict(name=name))
                elif what == "quota":
                    request = ("accountChange", dict(name=name, settings={"quotaMessages": chance.randint(5, 500)}))
                else:
                    request = (what, {})
                # What is lost with the connection shows at the next start; one account is never asked for twice.
                self.story.accounts.append((None, after))
                reply, place = self.control(request[0], **request[1])
                if request[0] == "check" and reply.get("check", reply).get("problems") != []:
                    self.story.trouble.append(f"check under load: {str(reply)[:600]}")
                self.story.accounts[-1] = (place, after)
                accounts = after
            except Gone:
                if self.over.is_set():
                    return
                accounts = self._settle(accounts)

    def _settle(self, before):
        """After a change whose answer was lost: what came of it is what the server says now."""
        _, after = self.story.accounts.pop()
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        while True:
            self.wait()
            try:
                reply, place = self.control("accountList")
                known = {account["name"] for account in reply["accounts"]}
                result = dict(before)
                for name in changed:
                    if name in before and name in after:
                        result[name] = after[name]
                        reply, place = self.control("accountPassword", name=name, password=after[name])
                    elif name in known:
                        result[name] = after.get(name) or before[name]
                    else:
                        result.pop(name, None)
                self.story.accounts.append((place, result))
                return result
            except Gone:
                if self.over.is_set():
                    return before
                time.sleep(0.05)
