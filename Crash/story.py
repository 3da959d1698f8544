"""What a load leaves behind beside its log: who was told what, and when."""

OWNERS = ("ana", "budi", "citra", "dewi")
#: LMTP delivers to these, and nobody deletes or renames them.
DELIVERED = ("INBOX", "Arsip")


class State:
    """An account as its owner knows it. Never changed."""
    __slots__ = ("password", "boxes", "subscribed", "notes")

    def __init__(self, password, boxes, subscribed, notes):
        self.password, self.boxes, self.subscribed, self.notes = password, boxes, subscribed, notes


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
        #: [(octet of the log at its beginning, at its end, generation, generations it removed)]
        self.backups = []
        #: Copies of the folder: [(octet of the log, folder)].
        self.copies = []
        self.trouble = []
        #: The self-signed certificate.
        self.certificate = b""
