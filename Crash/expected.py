"""What a store must hold after the power went at a record of the log, and whether it does."""

import bisect

from recording import UNLINK, Sends
from story import DELIVERED, OWNERS


class Expected:
    """`story`: of the load; `records`: its log."""

    def __init__(self, story, records):
        sends = Sends(records)
        self.story = story
        self.removed = [(index, record.path.rpartition("/")[2]) for index, record in enumerate(records)
                        if record.kind == UNLINK and record.path.endswith(".pack")]
        self.steps = {name: self._placed(steps, sends) for name, steps in story.steps.items()}
        self.accounts = [(sends.index_of(place) if place is not None else None, after) for place, after in story.accounts]
        self.floors = [(sends.index_of(place), floor) for place, floor in story.floors]
        self.backups = [(sends.index_of(begun), sends.index_of(done), name, removed)
                        for begun, done, name, removed in story.backups]
        self.uidls = {key: (sends.index_of(place), uidl) for key, (place, uidl) in story.uidls.items()}
        #: {(account, box): {number: record of the acknowledgement, or None}}; in a list each for those in flight.
        self.deliveries = {(name, box): {} for name in OWNERS for box in DELIVERED}
        for connection in story.deliveries:
            for delivery in connection:
                index = sends.index_of(delivery.place) if delivery.place else None
                self.deliveries[delivery.account, delivery.box][delivery.number] = index
        #: {account: {(UIDVALIDITY, UID): (number, record with which somebody was told)}}
        self.told = {name: {} for name in OWNERS}
        #: {account: {(box, number): step from which on its owner knows the message}}
        self.known = {name: {} for name in OWNERS}
        for name, steps in self.steps.items():
            before = {}
            for position, (index, step) in enumerate(steps):
                for box, content in (step.state.boxes or {}).items():
                    if before.get(box) is content:
                        continue
                    for uid, (number, _) in content.messages.items():
                        told = self.told[name].setdefault((content.validity, uid), (number, index))
                        if told[0] != number:
                            story.trouble.append(f"{name}: UID {uid} of {content.validity} was {told[0]}, is {number}")
                        self.known[name].setdefault((box, number), position)
                before = step.state.boxes or {}

    @staticmethod
    def _placed(steps, sends):
        placed = [(sends.index_of(step.place), step) for step in steps]
        if any(a[0] > b[0] for a, b in zip(placed, placed[1:])):
            raise ValueError("an owner's steps are out of order in the log")
        return placed

    def acknowledged(self, point):
        """How many operations were acknowledged before the power went."""
        return (sum(bisect.bisect_right([i for i, _ in steps], point) for steps in self.steps.values())
                + sum(1 for box in self.deliveries.values() for index in box.values() if index is not None and index <= point)
                + sum(1 for index, _ in self.accounts if index is not None and 0 <= index <= point)
                + sum(1 for _, index, _, _ in self.backups if index <= point))

    def owner(self, name, point):
        """(state that was acknowledged or None, the step under way or None, position)."""
        steps = self.steps[name]
        position = bisect.bisect_right([index for index, _ in steps], point)
        before = steps[position - 1][1].state if position else None
        return before, steps[position][1] if position < len(steps) else None, position

    def passwords(self, point):
        """{account: the passwords of which one must do; None among them: the account need not be there}."""
        allowed = {}
        for name in OWNERS:
            before, step, _ = self.owner(name, point)
            allowed[name] = {before.password if before else None, step.state.password if step else before.password}
        placed = [(index, after) for index, after in self.accounts]
        last = max(i for i, (index, _) in enumerate(placed) if index is not None and index <= point)
        now, after = placed[last][1], placed[last + 1][1] if last + 1 < len(placed) else placed[last][1]
        for guest in {*now, *after}:
            allowed[guest] = {now.get(guest), after.get(guest)}
        for guest in {guest for _, accounts in placed[:last] for guest in accounts} - set(allowed):
            allowed[guest] = {None}
        return allowed

    def generations(self, point):
        """Backups that were told to be there, and that none begun since may have removed."""
        gone = {name for begun, _, _, removed in self.backups if begun <= point for name in removed}
        return {name for _, done, name, _ in self.backups if done <= point} - gone

    def removed_packs(self, point):
        """Names of packs that were unlinked before: their numbers must not come again."""
        return {name for index, name in self.removed if index <= point}

    def floor(self, point):
        """{(account number, UIDVALIDITY): (HIGHESTMODSEQ, UIDNEXT)} that may have been told."""
        result = {}
        for index, floor in self.floors:
            if index <= point:
                for key, (modseq, uidnext) in floor.items():
                    old = result.get(key, (0, 0))
                    result[key] = (max(old[0], modseq), max(old[1], uidnext))
        return result

    # An account's mail

    def judge(self, name, point, found):
        """Problems of an account. `found`: {box: (validity, uidnext, {uid: (number, flags)})}, "subscribed" and "notes"."""
        before, step, position = self.owner(name, point)
        if before is None or before.boxes is None:
            return []
        problems = self._numbers(name, point, found)
        tries = [self._compare(name, point, found, before, before, position, None)]
        if step is not None:
            tries.append(self._compare(name, point, found, step.state, before, position + 1, None))
            if step.loose:
                tries.append(self._compare(name, point, found, before, before, position, step.loose))
        if [] not in tries:
            best = min(tries, key=len)
            problems += [f"{name} after '{self.steps[name][position - 1][1].what}'"
                         f"{f', with {step.what!r} under way' if step else ''}: {problem}" for problem in best[:4]]
        return problems

    def _numbers(self, name, point, found):
        """No UID that was told to anybody names another message, and none is given out again."""
        problems = []
        told = self.told[name]
        highest = {}
        for (validity, uid), (_, index) in told.items():
            if index <= point:
                highest[validity] = max(highest.get(validity, 0), uid)
        for box, (validity, uidnext, messages) in found["boxes"].items():
            for uid, (number, _) in messages.items():
                known = told.get((validity, uid))
                if known and known[1] <= point and known[0] != number:
                    problems.append(f"{name}/{box}: UID {uid} was told to be message {known[0]} and is {number}")
            if uidnext <= highest.get(validity, 0):
                problems.append(f"{name}/{box}: UIDNEXT {uidnext}, and UID {highest[validity]} was told")
        return problems

    def _compare(self, name, point, found, state, before, position, loose):
        """Differences from one state. New mail that `state` knows and `before` does not may still be on its way."""
        problems = []
        # An import subscribes to what it makes.
        if (found["subscribed"] ^ state.subscribed) - set(loose or ()):
            problems.append(f"subscribed to {sorted(found['subscribed'])}, not {sorted(state.subscribed)}")
        if found["notes"] != state.notes:
            problems.append(f"annotations and rights {sorted(found['notes'])}, not {sorted(state.notes)}")
        for box in {*found["boxes"], *state.boxes}:
            if loose and box in loose:
                if box in found["boxes"]:
                    odd = [n for n, _ in found["boxes"][box][2].values() if n not in loose[box]]
                    if odd:
                        problems.append(f"{box}: messages {odd} were not imported")
                continue
            if box not in found["boxes"]:
                problems.append(f"mailbox {box} is missing")
                continue
            if box not in state.boxes:
                problems.append(f"mailbox {box} was not to be there")
                continue
            validity, _, messages = found["boxes"][box]
            wanted = state.boxes[box]
            if validity != wanted.validity:
                problems.append(f"{box}: UIDVALIDITY {validity}, not {wanted.validity}")
            coming = self.deliveries.get((name, box), {})
            old = before.boxes[box].messages if box in before.boxes else {}
            for uid, (number, flags) in wanted.messages.items():
                if uid not in messages:
                    late = coming.get(number, -1)
                    if uid in old or late == -1 or late is not None and late <= point:
                        problems.append(f"{box}: UID {uid} (message {number}) is missing")
                elif messages[uid] != (number, flags):
                    problems.append(f"{box}: UID {uid} is {show(messages[uid])}, not {show((number, flags))}")
            new = {}
            for uid, (number, flags) in messages.items():
                if uid in wanted.messages:
                    continue
                at = self.known[name].get((box, number))
                if number not in coming or at is not None and at < position:
                    problems.append(f"{box}: UID {uid} (message {number}) was not to be there")
                elif number in new:
                    problems.append(f"{box}: message {number} is there twice")
                elif flags:
                    problems.append(f"{box}: new message {number} has {sorted(flags)}")
                new[number] = uid
            for number, index in coming.items():
                if index is not None and index <= point and number not in new:
                    at = self.known[name].get((box, number))
                    if at is None or at >= position:
                        problems.append(f"{box}: message {number} was acknowledged by LMTP and is missing")
        return problems


def show(message):
    return f"message {message[0]} {sorted(message[1])}"
