"""Does one thing after the other to its account, by every protocol, and knows what must come of it."""

import re
import subprocess
import tempfile
import time

import mailbag
from story import DELIVERED, OWNERS, Box, State, Step
from talk import IMAP, POP3, Gone, Refused

FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Forwarded", "Penting", "Kantor")


class Risk:
    """What may have changed when an answer is lost: the being of mailboxes, some messages, and messages by number that may
    have come into a mailbox."""

    def __init__(self, boxes=(), box=None, uids=(), into=None, numbers=(), also=None):
        self.boxes, self.also = set(boxes), also
        self.uids = {(box, uid) for uid in uids}
        self.numbers = {into: set(numbers)} if into else {}


class Owner:
    def __init__(self, load, name, chance):
        self.load, self.name, self.chance = load, name, chance
        self.steps = load.story.steps[name]
        self.password = self.tried = f"{name}-0"
        self.boxes, self.subscribed, self.notes = {}, frozenset(), frozenset()
        self.imap, self.selected = None, None
        self.risk = Risk()
        #: An import that has begun: {box: numbers}. It comes in parts.
        self.importing = None
        #: {box: numbers ever seen in it}
        self.ever = {}
        self.count = 0

    def note(self, what, place, loose=None):
        state = State(self.password, dict(self.boxes), self.subscribed, self.notes)
        self.steps.append(Step(what, place, state, loose or self.importing))
        self.risk, self.importing = Risk(), None
        for name, box in self.boxes.items():
            self.ever.setdefault(name, set()).update(number for number, _ in box.messages.values())

    def run(self):
        share = self.load.steps // len(OWNERS)
        while self.count < share and not self.load.over.is_set():
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
        """Logs in and looks at everything: what was under way when the line was cut shows now, and nothing else may have
        changed."""
        imap = IMAP(self.load.ports["imap"], self.load.log)
        try:
            imap.command(f"LOGIN {self.name} {self.password}")
        except Refused:
            self.password = self.tried
            imap.command(f"LOGIN {self.name} {self.password}")
        before = self.steps[-1].state
        self.boxes = {}
        for box in sorted(imap.names('LIST "" "*"')):
            validity, uidnext = imap.select(box, "EXAMINE")
            self.boxes[box] = Box(validity, uidnext, self.messages(imap))
        for box in DELIVERED:
            if box not in self.boxes:
                imap.command(f'CREATE "{box}"')
                self.boxes[box] = Box(*imap.select(box, "EXAMINE"), {})
        self.subscribed = imap.names('LSUB "" "*"')
        self.notes = imap.notes(DELIVERED)
        if before.boxes is not None:
            self.survived(before)
        self.imap, self.selected = imap, None
        self.note("connect", imap.place)

    def survived(self, before):
        lost, risk = [], self.risk
        for name in {*before.boxes, *self.boxes} - risk.boxes:
            if name not in before.boxes or name not in self.boxes:
                lost.append(f"mailbox {name} {'came from nowhere' if name in self.boxes else 'is gone'}")
            elif before.boxes[name].validity != self.boxes[name].validity:
                lost.append(f"{name}: UIDVALIDITY {before.boxes[name].validity} became {self.boxes[name].validity}")
        for name, box in self.boxes.items():
            old = before.boxes[name].messages if name in before.boxes else {}
            for uid, message in old.items():
                now = box.messages.get(uid)
                if now != message and ((name, uid) not in risk.uids or now and now[0] != message[0]):
                    lost.append(f"{name}: UID {uid} was {message} and is {now}")
            new = [(uid, number) for uid, (number, _) in box.messages.items() if uid not in old]
            for uid, number in new:
                if number not in risk.numbers.get(name, ()) and not self.delivered(name, number):
                    lost.append(f"{name}: UID {uid} is message {number}, from nowhere")
            if len({number for _, number in new}) != len(new) and not risk.numbers.get(name):
                lost.append(f"{name}: new messages {sorted(number for _, number in new)}, one of them twice")
        if self.subscribed != before.subscribed and not risk.boxes and not risk.also:
            lost.append(f"subscribed to {sorted(before.subscribed)} and now to {sorted(self.subscribed)}")
        if self.notes != before.notes and risk.also != "notes":
            lost.append(f"annotations and rights were {sorted(before.notes)} and are {sorted(self.notes)}")
        if lost:
            raise AssertionError(f"{self.name} after a restart ({self.steps[-1].what} was acknowledged): {lost[:5]}")

    def delivered(self, name, number):
        """Sent by LMTP to this mailbox, and not seen in it yet."""
        return number in self.load.sent_to.get((self.name, name), ()) and number not in self.ever.get(name, ())

    @staticmethod
    def messages(imap):
        found = {}
        for uid, (flags, _, head) in imap.fetch("UID FLAGS BODY.PEEK[HEADER.FIELDS (X-NUMBER)]").items():
            found[uid] = (mailbag.number_of(head), flags)
        return found

    def one(self):
        what = self.chance.choices(
            (self.append, self.look, self.store, self.copy, self.move, self.expunge, self.create, self.rename, self.delete,
             self.subscribe, self.annotate, self.share, self.reset_key, self.pop, self.change_password, self.bring),
            (14, 14, 18, 8, 10, 14, 3, 2, 2, 3, 3, 3, 1, 4, 1, 1))[0]
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
        self.append_to(self.chance.choice(sorted(self.boxes)))

    def append_to(self, name):
        number, flags = self.load.number(), self.flags()
        self.risk = Risk(into=name, numbers=[number])
        line, _ = self.imap.command(f'APPEND "{name}" ({" ".join(sorted(flags))})', mailbag.message(number))
        place = self.imap.place
        uid = int(re.search(r"APPENDUID \d+ (\d+)", line).group(1))
        box = self.boxes[name]
        self.boxes[name] = box.having({**box.messages, uid: (number, flags)})
        self.note(f"append {name} {uid}", place)

    def look(self):
        name, box = self.open()
        # A session shows what has gone until it has been told, and this tells.
        self.imap.command("NOOP")
        seen = self.messages(self.imap)
        for uid, known in box.messages.items():
            if seen.get(uid) != known:
                raise AssertionError(f"{self.name}/{name}: UID {uid} was {known} and is {seen.get(uid)}")
        self.new(name, seen)
        self.boxes[name] = box.having(seen)
        self.note(f"look {name}", self.imap.place)

    def new(self, name, seen):
        """What has come to a mailbox since the last look was sent there, and has come once."""
        extra = [number for uid, (number, _) in seen.items() if uid not in self.boxes[name].messages]
        odd = [number for number in extra if not self.delivered(name, number) or extra.count(number) > 1]
        if odd:
            raise AssertionError(f"{self.name}/{name}: messages {odd} from nowhere, or twice")

    def store(self):
        name, box = self.open()
        uids = self.some(box, 12)
        if not uids:
            return
        flags = self.flags() or frozenset(("\\Seen",))
        sign = self.chance.choice("+-+ ")
        silent = self.chance.choice(("", ".SILENT"))
        self.risk = Risk(box=name, uids=uids)
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
        self.risk = Risk(into=target, numbers=[box.messages[uid][0] for uid in uids])
        line, _ = self.imap.command(f'UID COPY {",".join(map(str, uids))} "{target}"')
        self.copied(line.encode(), target, box.messages)
        self.note(f"copy {name} {uids} {target}", self.imap.place)

    def move(self):
        name, box = self.open()
        uids = self.some(box)
        target = self.chance.choice([other for other in sorted(self.boxes) if other != name])
        if not uids:
            return
        self.risk = Risk(box=name, uids=uids, into=target, numbers=[box.messages[uid][0] for uid in uids])
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
        self.risk = Risk(box=name, uids=uids)
        self.imap.command(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        marked = {uid: (n, f | {"\\Deleted"}) if uid in uids else (n, f) for uid, (n, f) in box.messages.items()}
        self.boxes[name] = box.having(marked)
        self.note(f"mark {name} {uids}", self.imap.place)
        self.risk = Risk(box=name, uids=uids)
        self.imap.command(f"UID EXPUNGE {text}")
        self.boxes[name] = box.having({uid: m for uid, m in marked.items() if uid not in uids})
        self.note(f"expunge {name} {uids}", self.imap.place)

    def clear_away(self):
        """Leaves nothing in the only pack there is, so that compaction has to remove the one with the highest number."""
        for _ in range(3):
            self.append_to("Arsip")
        self.open("Arsip")
        text = ",".join(map(str, self.boxes["Arsip"].messages))
        self.imap.command(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        self.imap.command(f"UID EXPUNGE {text}")
        self.boxes["Arsip"] = self.boxes["Arsip"].having({})
        self.note("clear away", self.imap.place, {"Arsip": [n for n in self.ever["Arsip"]]})
        self.imap.command("CLOSE")
        self.selected = None

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
        self.risk = Risk([name])
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
        self.risk = Risk([old, new], into=new, numbers=[n for n, _ in self.boxes[old].messages.values()])
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
        self.risk = Risk([name])
        self.imap.command(f'DELETE "{name}"')
        place = self.imap.place
        del self.boxes[name]
        self.settled(f"delete {name}", place)

    def subscribe(self):
        name = self.chance.choice(sorted(self.boxes))
        word = "UNSUBSCRIBE" if name in self.subscribed else "SUBSCRIBE"
        self.risk = Risk(also="subscription")
        self.imap.command(f'{word} "{name}"')
        self.subscribed ^= {name}
        self.note(f"{word} {name}", self.imap.place)

    def now(self, what, box, value):
        """Of mailboxes that are never deleted or renamed."""
        kept = {note for note in self.notes if note[:2] != (what, box)}
        self.notes = frozenset(kept | {(what, box, value)}) if value else frozenset(kept)
        self.note(f"{what} of '{box}' is {value}", self.imap.place)

    def annotate(self):
        box = self.chance.choice(("", *DELIVERED))
        value = self.chance.choice(("", str(self.load.number())))
        text = f'"{value}"' if value else "NIL"
        self.risk = Risk(also="notes")
        self.imap.command(f'SETMETADATA "{box}" (/private/comment {text})')
        self.now("comment", box, value)

    def share(self):
        """Rights that somebody is refused: a list like any other, and nobody's mailboxes become more by it."""
        box = self.chance.choice(DELIVERED)
        name = "-" + self.chance.choice([other for other in OWNERS if other != self.name])
        value = "".join(sorted(self.chance.sample("lrswi", self.chance.randint(0, 3))))
        self.risk = Risk(also="notes")
        self.imap.command(f'SETACL "{box}" {name} {value}' if value else f'DELETEACL "{box}" {name}')
        self.now(name, box, value)

    def reset_key(self):
        self.imap.command(f'RESETKEY "{self.chance.choice(DELIVERED)}"')

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
        self.risk = Risk(box="INBOX", uids=[known[index] for index in chosen])
        pop.command("QUIT")
        gone = {known[index] for index in chosen}
        self.boxes["INBOX"] = box.having({uid: m for uid, m in box.messages.items() if uid not in gone})
        self.note(f"pop3 {sorted(gone)}", pop.place)
        pop.close()

    def look_at_inbox(self):
        # A session shows what has gone until it has been told, and this tells.
        self.imap.command("NOOP")
        seen = self.messages(self.imap)
        self.new("INBOX", seen)
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
        brought = [self.load.number() for _ in range(self.chance.choice((2, 5, 40)))]
        with tempfile.NamedTemporaryFile(suffix=".mbox") as file:
            for number in brought:
                body = mailbag.message(number).replace(b"\r\n", b"\n")
                file.write(b"From a@example.org Mon Nov  2 10:00:00 2026\n" + body + b"\n")
            file.flush()
            # Without a server the command would open the folder itself, unrecorded; so none is stopped meanwhile.
            with self.load.paused:
                if not self.load.up.is_set():
                    raise Gone("stopped")
                self.risk, self.importing = Risk([name], into=name, numbers=brought), {name: brought}
                done = subprocess.run(
                    [self.load.program, "import", f"mbox:{file.name}", "--account", self.name, "--into", name, "--data",
                     str(self.load.data)], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        place = self.load.here()
        if done.returncode != 0:
            raise AssertionError(f"import: {done.stderr.decode()}")
        validity, uidnext = self.imap.select(name)
        self.selected = name
        self.boxes[name] = Box(validity, uidnext, self.messages(self.imap))
        self.subscribed = self.imap.names('LSUB "" "*"')
        self.note(f"import {name}", place)


def numbers(text):
    """`3:5,9` → [3, 4, 5, 9]"""
    result = []
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        low, high = int(first), int(last or first)
        result += range(low, high + 1) if low <= high else range(low, high - 1, -1)
    return result
