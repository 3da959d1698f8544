"""A mixed load on a recorded server, and what each client was told when.

Every account has an owner, one thread that does one thing after the other (IMAP, POP3, its password, imports), so that
the account's state after each reply is known; deliveries come over several LMTP connections at the same time, and an
administrator adds and removes accounts, compacts and checks. In between the server is stopped, and killed."""

import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import mailbag
import recording
from talk import IMAP, LMTP, POP3, Control, Gone, Refused

sys.path.insert(0, str(recording.HERE.parent / "Interop"))
import harness  # noqa: E402

OWNERS = ("ana", "budi", "citra", "dewi")
#: LMTP delivers to these, and nobody deletes or renames them.
DELIVERED = ("INBOX", "Arsip")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Forwarded", "Penting", "Kantor")
SETTINGS = ("store.pack-size=64K", "store.compact-interval=2s", "auth.failure-delay=0s", "log.level=notice")


class State:
    """An account as its owner knows it. Never changed."""
    __slots__ = ("password", "boxes", "subscribed")

    def __init__(self, password, boxes, subscribed):
        self.password, self.boxes, self.subscribed = password, boxes, subscribed


class Box:
    """`messages`: {uid: (number, flags)}; `uidnext`: the highest that was told. Never changed."""
    __slots__ = ("validity", "uidnext", "messages")

    def __init__(self, validity, uidnext, messages):
        self.validity, self.uidnext, self.messages = validity, uidnext, messages

    def having(self, messages):
        return Box(self.validity, max([self.uidnext, *(uid + 1 for uid in messages)]), messages)


class Step:
    """One thing an owner did: from `place` on everybody may rely on `state`. `loose`: {box: numbers} that may be there in
    part before that."""
    __slots__ = ("what", "place", "state", "loose")

    def __init__(self, what, place, state, loose=None):
        self.what, self.place, self.state, self.loose = what, place, state, loose


class Delivery:
    __slots__ = ("number", "account", "box", "place")

    def __init__(self, number, account, box, place):
        self.number, self.account, self.box, self.place = number, account, box, place


class Story:
    """All that is known after a load, beside the log."""

    def __init__(self):
        self.steps = {name: [] for name in OWNERS}
        #: One list a connection, in order.
        self.deliveries = []
        #: The administrator's: [(place, {name: password})].
        self.accounts = []
        #: [(octet of the log, {(account, UIDVALIDITY): (HIGHESTMODSEQ, UIDNEXT)})]
        self.floors = []
        #: {(account, UIDVALIDITY, UID): (place, UIDL)}
        self.uidls = {}
        #: Copies of the folder: [(octet of the log, folder)].
        self.copies = []
        self.trouble = []


class Load:
    def __init__(self, seed, steps, folder, restarts=("stop", "kill", "stop", "kill")):
        self.seed, self.steps, self.restarts = seed, steps, restarts
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "disk"
        self.root.mkdir()
        self.log = self.folder / "log"
        self.log.touch()
        self.data = self.root / "data"
        self.library = recording.recorder(self.folder)
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
        self.share = 0.35

    def number(self):
        with self.number_lock:
            return next(self.numbers)

    # The server

    def start(self):
        arguments = [harness.binary(), "serve", "--data", str(self.data)]
        for name in ("imap", "pop3", "lmtp"):
            arguments += [f"--{name}", "127.0.0.1:0"]
        for setting in SETTINGS:
            arguments += ["--set", setting]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.folder / "server.log", "ab"),
            text=True, env=recording.environment(self.library, self.root, self.log))
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
            self.process.send_signal(signal.SIGTERM if how == "stop" else signal.SIGRTMIN + 5)
            code = self.process.wait(120)
            if how == "stop" and code != 0:
                self.story.trouble.append(f"the server ended with {code}")
            self.process.stdout.close()
            copy = self.folder / f"copy{len(self.story.copies)}"
            shutil.copytree(self.root, copy, ignore=lambda _, names: [n for n in names if n.endswith((".sock", "-shm"))])
            self.story.copies.append((os.path.getsize(self.log), copy))

    def control(self, name, **fields):
        """(reply, place)"""
        with self.control_lock:
            talk = Control(str(self.data / "control.sock"), self.log)
            return talk.ask(name, **fields), talk.place

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
            self.story.floors.append((os.path.getsize(self.log), {(a, v): (m, u) for a, v, m, u in rows}))

    # The whole

    def run(self):
        """The story; the log lies in `folder`."""
        self.start()
        for name in OWNERS:
            _, place = self.control("accountAdd", name=name, password=f"{name}-0", settings={})
            self.story.steps[name].append(Step("added", place, State(f"{name}-0", None, None)))
        owners = [Owner(self, name, random.Random(f"{self.seed} {name}")) for name in OWNERS]
        for owner in owners:
            owner.connect()
        work = [threading.Thread(target=self._guard, args=(owner.run,)) for owner in owners]
        others = [threading.Thread(target=self._guard, args=(self.deliver, index)) for index in range(3)]
        others.append(threading.Thread(target=self._guard, args=(self.administrate,)))
        for thread in work + others:
            thread.start()
        parts = len(self.restarts) + 1
        for part, how in enumerate(self.restarts):
            while self.done < self.steps * (part + 1) // parts and any(thread.is_alive() for thread in work):
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
        self.halt("stop")
        return self.story

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
                what = chance.choice(("add", "add", "password", "quota", "remove", "compact", "compact", "check"))
                name = chance.choice(sorted(accounts)) if accounts else None
                after = dict(accounts)
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
                if what == "check" and reply["check"]["problems"]:
                    self.story.trouble.append(f"check under load: {reply['check']['problems'][:3]}")
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


class Owner:
    def __init__(self, load, name, chance):
        self.load, self.name, self.chance = load, name, chance
        self.steps = load.story.steps[name]
        self.password = f"{name}-0"
        self.boxes, self.subscribed = {}, frozenset()
        self.imap, self.selected = None, None
        self.count = 0

    def note(self, what, place, loose=None):
        state = State(self.password, dict(self.boxes), self.subscribed)
        self.steps.append(Step(what, place, state, loose))

    def run(self):
        share = self.load.steps // len(OWNERS)
        while self.count < share:
            try:
                if self.imap is None:
                    self.load.wait()
                    self.connect()
                self.one()
                self.count += 1
                self.load.done += 1
                if self.chance.random() < 0.15:
                    self.load.floors()
            except Gone:
                self.imap = None
                time.sleep(0.02)

    def connect(self):
        """Logs in and looks at everything: what was under way when the line was cut shows now."""
        imap = IMAP(self.load.ports["imap"], self.load.log)
        try:
            imap.command(f"LOGIN {self.name} {self.password}")
        except Refused:
            self.password = self.tried
            imap.command(f"LOGIN {self.name} {self.password}")
        self.boxes = {}
        for box in sorted(imap.names('LIST "" "*"')):
            validity, uidnext = imap.select(box, "EXAMINE")
            self.boxes[box] = Box(validity, uidnext, self.messages(imap))
        for box in DELIVERED:
            if box not in self.boxes:
                imap.command(f'CREATE "{box}"')
                self.boxes[box] = Box(*imap.select(box, "EXAMINE"), {})
        self.subscribed = imap.names('LSUB "" "*"')
        self.imap, self.selected = imap, None
        self.note("connect", imap.place)

    @staticmethod
    def messages(imap):
        found = {}
        for uid, (flags, _, head) in imap.fetch("UID FLAGS BODY.PEEK[HEADER.FIELDS (X-NUMBER)]").items():
            found[uid] = (mailbag.number_of(head), flags)
        return found

    def one(self):
        what = self.chance.choices(
            (self.append, self.look, self.store, self.copy, self.move, self.expunge, self.create, self.rename, self.delete,
             self.subscribe, self.pop, self.change_password, self.bring),
            (14, 14, 18, 8, 10, 14, 3, 2, 2, 3, 4, 1, 1))[0]
        what()

    def open(self, name=None):
        name = name or self.chance.choice([*sorted(self.boxes), "INBOX", "INBOX", "Arsip"])
        if self.selected != name:
            # Nothing of ours ends a mailbox before: CLOSE would expunge.
            self.imap.select(name)
            self.selected = name
        return name, self.boxes[name]

    def some(self, box, most=6):
        uids = sorted(box.messages)
        return sorted(self.chance.sample(uids, min(len(uids), self.chance.randint(1, most)))) if uids else []

    def flags(self):
        return frozenset(self.chance.sample(FLAGS, self.chance.randint(0, 3)))

    # IMAP

    def append(self):
        name = self.chance.choice(sorted(self.boxes))
        number, flags = self.load.number(), self.flags()
        line, _ = self.imap.command(f'APPEND "{name}" ({" ".join(sorted(flags))})', mailbag.message(number))
        place = self.imap.place
        uid = int(re.search(r"APPENDUID \d+ (\d+)", line).group(1))
        box = self.boxes[name]
        self.boxes[name] = box.having({**box.messages, uid: (number, flags)})
        self.note(f"append {name} {uid}", place)

    def look(self):
        name, box = self.open()
        seen = self.messages(self.imap)
        for uid, known in box.messages.items():
            if seen.get(uid) != known:
                raise AssertionError(f"{self.name}/{name}: UID {uid} was {known} and is {seen.get(uid)}")
        extra = [uid for uid in seen if uid not in box.messages]
        if extra and name not in DELIVERED:
            raise AssertionError(f"{self.name}/{name}: {extra} from nowhere")
        self.boxes[name] = box.having(seen)
        self.note(f"look {name}", self.imap.place)

    def store(self):
        name, box = self.open()
        uids = self.some(box, 12)
        if not uids:
            return
        flags = self.flags() or frozenset(("\\Seen",))
        sign = self.chance.choice("+-+ ")
        silent = self.chance.choice(("", ".SILENT"))
        self.imap.command(
            f"UID STORE {','.join(map(str, uids))} {sign.strip()}FLAGS{silent} ({' '.join(sorted(flags))})")
        changed = dict(box.messages)
        for uid in uids:
            number, old = changed[uid]
            changed[uid] = (number, old | flags if sign == "+" else old - flags if sign == "-" else flags)
        self.boxes[name] = box.having(changed)
        self.note(f"store {name} {uids} {sign}{sorted(flags)}", self.imap.place)

    def copied(self, lines, target, messages):
        found = re.search(rb"COPYUID \d+ (\S+) ([\d:,]+)", lines)
        if not found:
            raise AssertionError(f"no COPYUID: {lines[:200]!r}")
        old, new = numbers(found.group(1)), numbers(found.group(2))
        box = self.boxes[target]
        self.boxes[target] = box.having({**box.messages, **{n: messages[o] for o, n in zip(old, new)}})
        return old

    def copy(self):
        name, box = self.open()
        uids = self.some(box)
        target = self.chance.choice([other for other in sorted(self.boxes) if other != name])
        if not uids:
            return
        line, _ = self.imap.command(f'UID COPY {",".join(map(str, uids))} "{target}"')
        self.copied(line.encode(), target, box.messages)
        self.note(f"copy {name} {uids} {target}", self.imap.place)

    def move(self):
        name, box = self.open()
        uids = self.some(box)
        target = self.chance.choice([other for other in sorted(self.boxes) if other != name])
        if not uids:
            return
        line, untagged = self.imap.command(f'UID MOVE {",".join(map(str, uids))} "{target}"')
        old = self.copied(b"".join(text for text, _ in untagged) + line.encode(), target, box.messages)
        self.boxes[name] = box.having({uid: m for uid, m in box.messages.items() if uid not in old})
        self.note(f"move {name} {uids} {target}", self.imap.place)

    def expunge(self):
        name, box = self.open()
        uids = self.some(box, 15 if len(box.messages) > 25 else 6)
        if not uids:
            return
        text = ",".join(map(str, uids))
        self.imap.command(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        marked = {uid: (n, f | {"\\Deleted"}) if uid in uids else (n, f) for uid, (n, f) in box.messages.items()}
        self.boxes[name] = box.having(marked)
        self.note(f"mark {name} {uids}", self.imap.place)
        self.imap.command(f"UID EXPUNGE {text}")
        self.boxes[name] = box.having({uid: m for uid, m in marked.items() if uid not in uids})
        self.note(f"expunge {name} {uids}", self.imap.place)

    def settled(self, what, place, names=()):
        """What a command has made of the names is what the server says after it; nobody else changes them."""
        for name in names:
            self.boxes[name] = Box(*self.imap.select(name, "EXAMINE"), self.boxes[name].messages)
            self.selected = None
        self.subscribed = self.imap.names('LSUB "" "*"')
        listed = self.imap.names('LIST "" "*"')
        if listed != frozenset(self.boxes):
            raise AssertionError(f"{self.name}: {sorted(listed)} listed after {what}, {sorted(self.boxes)} expected")
        self.note(what, place)

    def own(self):
        return [name for name in sorted(self.boxes) if name.startswith("Map")]

    def create(self):
        if len(self.own()) >= 4:
            return self.delete()
        name = f"Map{self.chance.randint(1, 6)}"
        if name in self.boxes:
            return
        self.imap.command(f'CREATE "{name}"')
        place = self.imap.place
        self.boxes[name] = Box(0, 1, {})
        self.settled(f"create {name}", place, [name])

    def leave(self, name):
        if self.selected == name:
            self.open("INBOX")

    def rename(self):
        own = self.own()
        free = [f"Map{n}" for n in range(1, 7) if f"Map{n}" not in self.boxes]
        if not own or not free:
            return
        old, new = self.chance.choice(own), self.chance.choice(free)
        self.leave(old)
        self.imap.command(f'RENAME "{old}" "{new}"')
        place = self.imap.place
        self.boxes[new] = self.boxes.pop(old)
        self.settled(f"rename {old} {new}", place)

    def delete(self):
        own = self.own()
        if not own:
            return
        name = self.chance.choice(own)
        self.leave(name)
        self.imap.command(f'DELETE "{name}"')
        place = self.imap.place
        del self.boxes[name]
        self.settled(f"delete {name}", place)

    def subscribe(self):
        name = self.chance.choice(sorted(self.boxes))
        word = "UNSUBSCRIBE" if name in self.subscribed else "SUBSCRIBE"
        self.imap.command(f'{word} "{name}"')
        self.subscribed ^= {name}
        self.note(f"{word} {name}", self.imap.place)

    # Others

    def pop(self):
        """Looks at INBOX, then a POP3 session: UIDLs, some messages, some of them deleted."""
        self.open("INBOX")
        self.look_at_inbox()
        box = self.boxes["INBOX"]
        known = sorted(box.messages)
        pop = POP3(self.load.ports["pop3"], self.load.log)
        pop.login(self.name, self.password)
        uidls = pop.uidls()
        place = pop.place
        if len(uidls) < len(known):
            raise AssertionError(f"{self.name}: POP3 has {len(uidls)} messages, IMAP showed {len(known)}")
        for uid, uidl in zip(known, uidls):
            key = (self.name, box.validity, uid)
            before = self.load.story.uidls.setdefault(key, (place, uidl))
            if before[1] != uidl:
                raise AssertionError(f"{key}: UIDL {before[1]} became {uidl}")
        chosen = self.chance.sample(range(len(known)), min(len(known), self.chance.randint(0, 5)))
        for index in chosen:
            body = b"".join(pop.listing(f"RETR {index + 1}"))
            if mailbag.identify(body) != box.messages[known[index]][0]:
                raise AssertionError(f"{self.name}: RETR {index + 1} is not message {box.messages[known[index]][0]}")
            pop.command(f"DELE {index + 1}")
        pop.command("QUIT")
        gone = {known[index] for index in chosen}
        self.boxes["INBOX"] = box.having({uid: m for uid, m in box.messages.items() if uid not in gone})
        self.note(f"pop3 {sorted(gone)}", pop.place)
        pop.close()

    def look_at_inbox(self):
        seen = self.messages(self.imap)
        self.boxes["INBOX"] = self.boxes["INBOX"].having(seen)
        self.note("look INBOX", self.imap.place)

    def change_password(self):
        self.tried = self.password + "x"
        _, place = self.load.control("accountPassword", name=self.name, password=self.tried)
        self.password = self.tried
        self.note("password", place)

    def bring(self):
        """`merpati import` of an mbox file to a mailbox of its own, by the command itself."""
        name = f"Map{self.chance.randint(1, 6)}"
        if name in self.boxes or len(self.own()) >= 4:
            return
        brought = [self.load.number() for _ in range(self.chance.randint(2, 9))]
        with tempfile.NamedTemporaryFile(suffix=".mbox") as file:
            for number in brought:
                body = mailbag.message(number).replace(b"\r\n", b"\n")
                file.write(b"From a@example.org Mon Nov  2 10:00:00 2026\n" + body + b"\n")
            file.flush()
            # Without a server the command would open the folder itself, unrecorded; so none is stopped meanwhile.
            with self.load.paused:
                if not self.load.up.is_set():
                    raise Gone("stopped")
                done = subprocess.run(
                    [harness.binary(), "import", f"mbox:{file.name}", "--account", self.name, "--into", name, "--data",
                     str(self.load.data)], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        place = os.path.getsize(self.load.log)
        if done.returncode != 0:
            raise AssertionError(f"import: {done.stderr.decode()}")
        validity, uidnext = self.imap.select(name)
        self.selected = name
        self.boxes[name] = Box(validity, uidnext, self.messages(self.imap))
        self.subscribed = self.imap.names('LSUB "" "*"')
        self.note(f"import {name}", place, {name: brought})


def numbers(text):
    """`3:5,9` → [3, 4, 5, 9]"""
    result = []
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        low, high = int(first), int(last or first)
        result += range(low, high + 1) if low <= high else range(low, high - 1, -1)
    return result
