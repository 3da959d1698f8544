"""Opens a data folder with the real program and looks at everything in it."""

import json
import os
import pathlib
import sqlite3
import subprocess

import mailbag
from load import SETTINGS, harness
from story import DELIVERED, OWNERS
from talk import IMAP, LMTP, POP3, Control, Gone, Refused


class Server:
    def __init__(self, data, errors, environment=None):
        self.data = data
        self.ports = {}
        arguments = [harness.binary(), "serve", "--data", str(data)]
        for name in ("imap", "pop3", "lmtp"):
            arguments += [f"--{name}", "127.0.0.1:0"]
        for setting in SETTINGS:
            arguments += ["--set", setting]
        self.errors = pathlib.Path(errors)
        with open(self.errors, "wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            text=True, env=environment)
        for line in self.process.stdout:
            word, _, address = line.strip().partition(" ")
            if word == "ready":
                return
            self.ports[word] = int(address.rpartition(":")[2])
        self.process.wait()
        raise Gone("it does not start: " + self.errors.read_text(errors="replace").strip()[-400:])

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def control(self, request, **fields):
        return Control(str(self.data / "control.sock")).ask(request, **fields)


def look(imap):
    """({box: (validity, uidnext, {uid: (number, flags)})}, octets, problems): every octet of every message is compared."""
    boxes, octets, problems = {}, 0, []
    for box in imap.names('LIST "" "*"'):
        validity, uidnext = imap.select(box, "EXAMINE")
        messages, bodies = {}, {}
        for uid, (flags, size, body) in imap.fetch("UID FLAGS RFC822.SIZE BODY.PEEK[]").items():
            number = mailbag.identify(body)
            if number is None:
                problems.append(f"{box}: UID {uid} has {len(body)} octets that are no message of ours")
            if size != len(body):
                problems.append(f"{box}: UID {uid} is said to have {size} octets and has {len(body)}")
            octets += len(body)
            messages[uid] = (number, flags)
            bodies[uid] = body
        # These come from what the store keeps beside the message.
        for uid, (_, _, head) in imap.fetch("UID BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)]").items():
            wanted = b"".join(line for line in bodies.get(uid, b"").split(b"\r\n\r\n")[0].splitlines(keepends=True)
                              if line.startswith((b"Subject:", b"Message-ID:")))
            if head.strip() != wanted.strip():
                problems.append(f"{box}: UID {uid} has the header lines {head!r}, and not {wanted!r}")
        boxes[box] = (validity, uidnext, messages)
    return boxes, octets, problems


def login(server, name, passwords):
    """(session, password that did), or None."""
    for password in passwords:
        imap = IMAP(server.ports["imap"])
        try:
            imap.command(f"LOGIN {name} {password}")
            return imap, password
        except Refused:
            imap.close()
    return None


def verify(data, expected, point, errors, environment=None):
    """Problems found; `data` is changed by it."""
    if not (data / "directory.sqlite").exists() and not (data / "volumes").exists():
        # Nothing was acknowledged yet, or all is lost.
        return [] if expected.acknowledged(point) == 0 else ["the data folder is not there"]
    server, before = None, packs(data)
    try:
        server = Server(data, errors, environment)
        problems = _verify(server, expected, point)
        if expected.acknowledged(point) and (data / "tls/self-signed.crt").read_bytes() != expected.story.certificate:
            problems.append("the self-signed certificate is another one: clients that know the old one will warn")
        code = server.stop()
        if code != 0:
            problems.append(f"the server ended with {code}")
        twice = (packs(data) - before) & expected.removed_packs(point)
        problems += [f"{name} was removed once, and its number is given out again" for name in sorted(twice)]
        problems += backups(data.parent / "backups", expected.generations(point))
        return problems + numbers(data, expected.floor(point))
    except (Gone, Refused, OSError, subprocess.TimeoutExpired) as error:
        return [f"{error}"]
    finally:
        if server is not None and server.process.poll() is None:
            server.kill()


def backups(folder, names):
    """Every generation that was acknowledged is there, and whatever looks like one is whole."""
    if not folder.exists():
        return [f"backup {name} is missing" for name in sorted(names)]
    done = subprocess.run([harness.binary(), "backup", str(folder), "--verify", "--json"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120)
    if not done.stdout and not names:
        return []  # No generation yet.
    if not done.stdout:
        return [f"backups: {done.stderr.decode(errors='replace').strip()[-300:]}"]
    there = {one["name"]: one["problems"] for one in json.loads(done.stdout)["generations"]}
    return ([f"backup {name} is missing" for name in sorted(names - set(there))]
            + [f"backup {name}: {problems[0]}" for name, problems in there.items() if problems])


def packs(data):
    try:
        return {name for name in os.listdir(data / "volumes/1/packs") if name.endswith(".pack")}
    except FileNotFoundError:
        return set()


def _verify(server, expected, point):
    problems, sessions = [], {}
    report = server.control("check")["check"]
    problems += [f"check: {problem}" for problem in report["problems"][:3]]
    there = {account["name"]: account for account in server.control("accountList")["accounts"]}
    for name, passwords in expected.passwords(point).items():
        if name not in there:
            if None not in passwords:
                problems.append(f"account {name} is missing")
            continue
        if passwords == {None}:
            problems.append(f"account {name} is there again")
            continue
        session = login(server, name, passwords - {None})
        if session is None:
            problems.append(f"account {name}: no login")
        elif name in OWNERS:
            imap, password = session
            boxes, octets, bad = look(imap)
            problems += [f"{name}/{problem}" for problem in bad]
            found = {"boxes": boxes, "subscribed": imap.names('LSUB "" "*"'),
                     "notes": imap.notes([box for box in DELIVERED if box in boxes])}
            problems += expected.judge(name, point, found)
            count = sum(len(messages) for _, _, messages in boxes.values())
            if (there[name]["messages"], there[name]["bytes"]) != (count, octets):
                problems.append(f"{name}: the quota counts {there[name]['messages']} messages, {there[name]['bytes']} "
                                f"octets; there are {count}, {octets}")
            problems += _uidls(server, name, password, expected, point, found)
            sessions[name] = (imap, found)
    return problems + (_goes_on(server, sessions, expected, point) if sessions else [])


def _uidls(server, name, password, expected, point, found):
    if "INBOX" not in found["boxes"]:
        return [f"{name}: no INBOX"]
    validity, _, messages = found["boxes"]["INBOX"]
    pop = POP3(server.ports["pop3"])
    pop.login(name, password)
    uidls = pop.uidls()
    pop.command("QUIT")
    pop.close()
    problems = []
    if len(uidls) != len(messages) or len(set(uidls)) != len(uidls):
        problems.append(f"{name}: POP3 has {len(uidls)} UIDLs, {len(set(uidls))} different, of {len(messages)} messages")
    for uid, uidl in zip(sorted(messages), uidls):
        told = expected.uidls.get((name, validity, uid))
        if told and told[0] <= point and told[1] != uidl:
            problems.append(f"{name}: UIDL of UID {uid} was told to be {told[1]} and is {uidl}")
    return problems


def _goes_on(server, sessions, expected, point):
    """A delivery gets a UID that nobody was told, and a new mailbox a UIDVALIDITY that nobody was told."""
    problems = []
    lmtp = LMTP(server.ports["lmtp"])
    number = 10**8
    for name, (taken, _) in zip(sessions, lmtp.deliver([f"{name}@x.example" for name in sessions], mailbag.message(number))):
        if not taken:
            problems.append(f"{name}: a delivery after the restart was refused")
    lmtp.close()
    for name, (imap, found) in sessions.items():
        validity, _ = imap.select("INBOX")
        new = [uid for uid, (_, _, head) in imap.fetch("UID BODY.PEEK[HEADER.FIELDS (X-NUMBER)]").items()
               if mailbag.number_of(head) == number]
        told = [uid for (v, uid), (_, index) in expected.told[name].items() if v == validity and index <= point]
        highest = max([0, *told, *found["boxes"]["INBOX"][2]])
        if len(new) != 1 or new[0] <= highest:
            problems.append(f"{name}: a delivery after the restart has UID {new}; {highest} was given out before")
        else:
            imap.command(f"UID STORE {new[0]} +FLAGS (\\Seen)")
        imap.command("CREATE Baru")
        validity, _ = imap.select("Baru", "EXAMINE")
        if any(v == validity for (v, _), (_, index) in expected.told[name].items() if index <= point):
            problems.append(f"{name}: a new mailbox has UIDVALIDITY {validity}, which was told before")
        imap.close()
    return problems


def numbers(data, floors):
    """After an orderly end: no counter is below what may have been told."""
    path = data / "volumes" / "1" / "mail.sqlite"
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT account, uidvalidity, highestmodseq, uidnext, (SELECT MAX(modseq) FROM message m "
                          "WHERE m.account = b.account AND m.mailbox = b.id) FROM mailbox b").fetchall()
    except sqlite3.Error as error:
        return [f"mail.sqlite: {error}"]
    finally:
        db.close()
    problems = []
    for account, validity, modseq, uidnext, used in rows:
        told = floors.get((account, validity))
        if told and (modseq < told[0] or uidnext < told[1]):
            problems.append(f"account {account}, UIDVALIDITY {validity}: HIGHESTMODSEQ {modseq} and UIDNEXT {uidnext} went "
                            f"back from {told[0]} and {told[1]}")
        if used and used > modseq:
            problems.append(f"account {account}: MODSEQ {used} is above HIGHESTMODSEQ {modseq}")
    return problems
